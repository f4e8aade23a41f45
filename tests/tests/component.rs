//! The files of the component's builds: what each asks of its host, what it gives, and how large it is.

use acceptance::hosted::Build;
use std::collections::BTreeSet;
use wasmparser::{Parser, Payload};

/// What a runtime offers, by interface and version. A later patch version of WASI 0.2 is the same to a component.
type Offered = &'static [(&'static str, &'static str)];

/// `wit/world.wit` of Spin v4.1.0, with what it includes.
const SPIN_4_1: Offered = &[
    ("wasi:cli/", "0.2."),
    ("wasi:cli/", "0.3.0"),
    ("wasi:clocks/", "0.2."),
    ("wasi:clocks/", "0.3.0"),
    ("wasi:config/store", "0.2.0-draft-2024-09-27"),
    ("wasi:filesystem/", "0.2."),
    ("wasi:filesystem/", "0.3.0"),
    ("wasi:http/", "0.2."),
    ("wasi:http/", "0.3.0"),
    ("wasi:io/", "0.2."),
    ("wasi:keyvalue/atomics", "0.2.0-draft2"),
    ("wasi:keyvalue/batch", "0.2.0-draft2"),
    ("wasi:keyvalue/store", "0.2.0-draft2"),
    ("wasi:random/", "0.2."),
    ("wasi:random/", "0.3.0"),
    ("wasi:sockets/", "0.2."),
    ("wasi:sockets/", "0.3.0"),
    ("fermyon:spin/key-value", "2.0.0"),
    ("spin:key-value/key-value", "3.0.0"),
    ("spin:variables/variables", "3.0.0"),
];

/// What Spin v4.0.0 to v4.0.2 link.
const SPIN_4_0: Offered = &[
    ("wasi:cli/", "0.2."),
    ("wasi:cli/", "0.3.0-rc-2026-03-15"),
    ("wasi:clocks/", "0.2."),
    ("wasi:clocks/", "0.3.0-rc-2026-03-15"),
    ("wasi:filesystem/", "0.2."),
    ("wasi:filesystem/", "0.3.0-rc-2026-03-15"),
    ("wasi:http/", "0.2."),
    ("wasi:http/", "0.3.0-rc-2026-03-15"),
    ("wasi:io/", "0.2."),
    ("wasi:keyvalue/atomics", "0.2.0-draft2"),
    ("wasi:keyvalue/batch", "0.2.0-draft2"),
    ("wasi:keyvalue/store", "0.2.0-draft2"),
    ("wasi:random/", "0.2."),
    ("wasi:random/", "0.3.0-rc-2026-03-15"),
    ("wasi:sockets/", "0.2."),
    ("wasi:sockets/", "0.3.0-rc-2026-03-15"),
    ("fermyon:spin/key-value", "2.0.0"),
    ("spin:key-value/key-value", "3.0.0"),
    ("spin:variables/variables", "3.0.0"),
];

/// What Spin v3.1.0 to v3.6.3 link, and with that all later ones. The runtime takes an HTTP handler of any patch version
/// (`crates/http/src/trigger.rs`).
const SPIN_3: Offered = &[
    ("wasi:cli/", "0.2."),
    ("wasi:clocks/", "0.2."),
    ("wasi:filesystem/", "0.2."),
    ("wasi:http/", "0.2."),
    ("wasi:io/", "0.2."),
    ("wasi:keyvalue/atomics", "0.2.0-draft2"),
    ("wasi:keyvalue/batch", "0.2.0-draft2"),
    ("wasi:keyvalue/store", "0.2.0-draft2"),
    ("wasi:random/", "0.2."),
    ("wasi:sockets/", "0.2."),
    ("fermyon:spin/key-value", "2.0.0"),
    ("fermyon:spin/variables", "2.0.0"),
];

const SIZE_MAX: usize = 3 * 1024 * 1024;

fn offered(build: Build) -> Offered {
    match build {
        Build::Final => SPIN_4_1,
        Build::Candidate => SPIN_4_0,
        Build::P2 => SPIN_3,
    }
}

#[test]
fn each_build_imports_only_what_its_runtime_offers() {
    for build in Build::ALL {
        let (imports, _) = names(build);
        let is_offered = |name: &String| {
            let (interface, version) = name.split_once('@').unwrap_or((name, ""));
            offered(build).iter().any(|(known, of)| fits(interface, known, '/') && fits(version, of, '.'))
        };
        let unknown: Vec<&String> = imports.iter().filter(|name| !is_offered(name)).collect();
        assert!(unknown.is_empty(), "{build:?}: {unknown:#?}");
        let variables = match build {
            Build::Final | Build::Candidate => "spin:variables/variables@3.0.0",
            Build::P2 => "fermyon:spin/variables@2.0.0",
        };
        for needed in ["wasi:keyvalue/store@0.2.0-draft2", variables] {
            assert!(imports.iter().any(|name| name == needed), "{build:?}: {needed} is missing in {imports:#?}");
        }
    }
}

/// Whether the text is the known one, or begins with it where it ends openly.
fn fits(text: &str, known: &str, open: char) -> bool {
    if known.ends_with(open) { text.starts_with(known) } else { text == known }
}

#[test]
fn no_build_asks_for_files_sockets_or_outbound_requests() {
    let beyond = |name: &&String| {
        name.starts_with("wasi:sockets/")
            || name.contains("/preopens")
            || name.contains("outgoing-handler")
            || name.starts_with("wasi:http/client")
    };
    for build in Build::ALL {
        let (imports, _) = names(build);
        let found: Vec<&String> = imports.iter().filter(beyond).collect();
        assert!(found.iter().all(|name| name.contains("/preopens")), "{build:?}: {found:#?}");
    }
}

#[test]
fn each_build_exports_one_http_handler_and_the_asynchronous_ones_the_interfaces_of_the_project() {
    let own = ["directory", "journal", "provisioning", "types"].map(|name| format!("rollcall:scim/{name}@0.1.0"));
    for (build, handler, own) in [
        (Build::Final, "wasi:http/handler@0.3.0", &own[..]),
        (Build::Candidate, "wasi:http/handler@0.3.0-rc-2026-03-15", &own),
        (Build::P2, "wasi:http/incoming-handler@0.2.12", &[]),
    ] {
        let (_, exports) = names(build);
        let expected: BTreeSet<String> = own.iter().cloned().chain([handler.to_owned()]).collect();
        assert_eq!(exports.into_iter().collect::<BTreeSet<_>>(), expected, "{build:?}");
    }
}

#[test]
fn each_build_fits_into_three_megabytes() {
    for build in Build::ALL {
        let size = bytes(build).len();
        assert!(size <= SIZE_MAX, "{build:?}: {size} bytes");
    }
}

fn bytes(build: Build) -> Vec<u8> {
    std::fs::read(build.component()).unwrap()
}

/// The imports and exports of the component itself, not of what lies within it.
#[allow(clippy::wildcard_enum_match_arm, reason = "four of many kinds of sections matter")]
fn names(build: Build) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&bytes(build)) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

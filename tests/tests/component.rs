//! The component's file: what it asks of its host, what it gives, and how large it is.

use acceptance::hosted;
use wasmparser::{Parser, Payload};

/// What Spin 4.1 offers, by interface and version. A later patch version of WASI 0.2 is the same to a component.
const OFFERED: [(&str, &str); 20] = [
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

const SIZE_MAX: usize = 3 * 1024 * 1024;

#[test]
fn it_imports_only_what_spin_offers() {
    let (imports, _) = names();
    let offered = |name: &String| {
        let (interface, version) = name.split_once('@').unwrap_or((name, ""));
        OFFERED.iter().any(|(known, of)| fits(interface, known, '/') && fits(version, of, '.'))
    };
    let unknown: Vec<&String> = imports.iter().filter(|name| !offered(name)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    for needed in ["wasi:keyvalue/store@0.2.0-draft2", "spin:variables/variables@3.0.0"] {
        assert!(imports.iter().any(|name| name == needed), "{needed} is missing in {imports:#?}");
    }
}

/// Whether the text is the known one, or begins with it where it ends openly.
fn fits(text: &str, known: &str, open: char) -> bool {
    if known.ends_with(open) { text.starts_with(known) } else { text == known }
}

#[test]
fn it_needs_neither_files_nor_sockets_nor_outbound_requests() {
    let (imports, _) = names();
    let beyond = |name: &&String| {
        name.starts_with("wasi:sockets/")
            || name.contains("/preopens")
            || name.contains("outgoing-handler")
            || name.starts_with("wasi:http/client")
    };
    let found: Vec<&String> = imports.iter().filter(beyond).collect();
    assert!(found.iter().all(|name| name.contains("/preopens")), "{found:#?}");
}

#[test]
fn it_exports_one_http_handler_and_the_interfaces_of_the_project() {
    let (_, exports) = names();
    let handlers: Vec<&String> = exports.iter().filter(|name| name.contains("http")).collect();
    assert_eq!(handlers, ["wasi:http/handler@0.3.0"]);
    for interface in ["directory", "journal", "provisioning"] {
        let name = format!("rollcall:scim/{interface}@0.1.0");
        assert!(exports.contains(&name), "{name} is missing in {exports:#?}");
    }
}

#[test]
fn it_fits_into_three_megabytes() {
    let size = bytes().len();
    assert!(size <= SIZE_MAX, "{size} bytes");
}

fn bytes() -> Vec<u8> {
    std::fs::read(hosted::component()).unwrap()
}

/// The imports and exports of the component itself, not of what lies within it.
#[allow(clippy::wildcard_enum_match_arm, reason = "four of many kinds of sections matter")]
fn names() -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&bytes()) {
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

//! What the core promises of its own shape, held by reading its source.
//!
//! The reader knows no more of Rust than that rustfmt has written it: a `use` ends at its semicolon, and a function at the
//! brace of its own indentation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines of a function, its signature included.
const FUNCTION_LINES_MAX: usize = 70;

/// Characters of a line that rustfmt cannot break: a comment. It breaks code at 120 characters where it can.
const COMMENT_WIDTH_MAX: usize = 124;

/// The module of the host that has its limits, as fields of defaults.
const HOST_LIMITS: &str = "host/src/limits.rs";

/// A number from here on is too large to be understood where it stands.
const LITERAL_MAX: u64 = 1_000;

/// What one unit has of a smaller one; as the second operand of a multiplication or a division they convert, and bound
/// nothing.
const CONVERSIONS: [u64; 5] = [1_000, 1_000_000, 1_000_000_000, 3_600, 86_400];

/// The one mechanism whose files may import each other.
const MECHANISM: &str = "ledger";

/// The module that builds keys.
const KEYS: &str = "keys";

/// Modules of the core, each with its source without its tests.
fn modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    for path in files(&root) {
        let name = path.strip_prefix(&root).unwrap().with_extension("").to_str().unwrap().replace(['/', '\\'], "::");
        let name = name.strip_suffix("::mod").unwrap_or(&name).to_owned();
        if name != "lib" && !name.ends_with("tests") {
            let source = std::fs::read_to_string(&path).unwrap();
            modules.insert(name, source.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned());
        }
    }
    modules
}

/// The sources below folders of the workspace, by their paths.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let found = folders.iter().flat_map(|folder| files(&root.join(folder)));
    found.map(|path| (name(&path, root), std::fs::read_to_string(&path).unwrap())).collect()
}

fn name(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a source, without its comments.
fn code(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The paths that a tree of imports names.
fn paths(tree: &str, prefix: &str, found: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    let ends = tree.char_indices().filter(|(at, c)| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        *c == ',' && depth == 0 || at + c.len_utf8() == tree.len()
    });
    for (at, c) in ends.collect::<Vec<_>>() {
        let part = tree[start..at + usize::from(c != ',') * c.len_utf8()].trim();
        start = at + 1;
        match part.split_once('{') {
            Some((before, within)) => {
                paths(within.strip_suffix('}').unwrap(), &[prefix, before].concat(), found);
            }
            None if !part.is_empty() => {
                let name = part.split(" as ").next().unwrap();
                found.push([prefix, name].concat().trim_end_matches("::self").to_owned());
            }
            None => {}
        }
    }
}

/// The modules that a module imports or names with their whole path.
fn imports(module: &str, source: &str, modules: &BTreeMap<String, String>) -> BTreeSet<String> {
    let code = code(source);
    let mut named = Vec::new();
    for statement in code.split(';') {
        // What stands before an import ends with a brace, an attribute or nothing.
        let import = statement.lines().skip_while(|line| !is_import(line)).collect::<Vec<_>>().join(" ");
        let import = import.split_once("use ").map(|(_, import)| import);
        if let Some(import) = import.filter(|import| ["crate::", "super::"].iter().any(|own| import.starts_with(own))) {
            paths(import, "", &mut named);
        }
    }
    for path in code.split("crate::").skip(1) {
        let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
        named.push(["crate::", &path[..end]].concat());
    }
    let absolute = |path: &String| {
        let (mut base, mut rest) = (module, path.as_str());
        while let Some(behind) = rest.strip_prefix("super::") {
            (base, rest) = (base.rsplit_once("::").map_or("", |(base, _)| base), behind);
        }
        match path.strip_prefix("crate::") {
            Some(path) => Some(path.to_owned()),
            None if rest.len() < path.len() => Some([base, "::", rest].concat().trim_start_matches(':').to_owned()),
            None => None,
        }
    };
    let paths = named.iter().filter_map(absolute);
    paths.filter_map(|path| module_of(&path, modules)).filter(|other| other != module).collect()
}

fn is_import(line: &str) -> bool {
    ["use ", "pub use ", "pub(crate) use ", "pub(super) use "].iter().any(|start| line.trim_start().starts_with(start))
}

/// The innermost module of a path.
fn module_of(path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let mut path = path.trim_end_matches(':');
    loop {
        if modules.contains_key(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// All modules that one leads to.
fn reached(from: &str, arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = open.pop() {
        for next in &arrows[&module] {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// Modules that lead back to themselves, each with what it imports on the way.
fn circles(modules: &BTreeMap<String, String>) -> Vec<String> {
    let arrows: BTreeMap<String, BTreeSet<String>> =
        modules.iter().map(|(name, source)| (name.clone(), imports(name, source, modules))).collect();
    let is_of_mechanism = |module: &str| module.split("::").next() == Some(MECHANISM);
    let mut found = Vec::new();
    for (name, imports) in &arrows {
        let back: Vec<&String> = imports.iter().filter(|next| reached(next, &arrows).contains(name)).collect();
        let outside = back.iter().any(|next| !(is_of_mechanism(next) && is_of_mechanism(name)));
        if outside {
            found.push(format!("{name} imports {back:?}, which leads back to it"));
        }
    }
    found
}

#[test]
fn modules_of_the_core_import_each_other_in_no_circle() {
    assert_eq!(circles(&modules()), [] as [String; 0]);
}

#[test]
fn a_circle_is_found_however_it_is_imported() {
    let source = |text: &str| text.to_owned();
    let modules = |one: &str| {
        BTreeMap::from([
            (source("a"), source(one)),
            (source("b"), source("use crate::c::{self, Name as Other, d::{One, Two}};")),
            (source("c"), String::new()),
            (source("c::d"), source("use super::super::a::Name;")),
        ])
    };
    assert_eq!(circles(&modules("")), [] as [String; 0]);
    assert_eq!(circles(&modules("// use crate::b::Name;\nuse std::fmt;")), [] as [String; 0]);
    assert_eq!(circles(&modules("use crate::b::Name;")).len(), 3);
    assert_eq!(circles(&modules("fn f() -> crate::b::Name {}")).len(), 3);
}

#[test]
fn keys_are_built_in_one_module() {
    let begins_like_a_key = |literal: &str| {
        let mut characters = literal.chars();
        let place = characters.next().is_some_and(|c| "prt".contains(c)) && characters.next() == Some('.');
        place && characters.next().is_some_and(|c| c.is_ascii_lowercase() || c == '{')
    };
    for (name, source) in modules().into_iter().filter(|(name, _)| name != KEYS) {
        for (at, line) in code(&source).lines().enumerate() {
            let literal = line.split('"').skip(1).step_by(2).any(begins_like_a_key);
            let glued = line.contains("prefix()") && ["concat", "format!", " + "].iter().any(|way| line.contains(way));
            assert!(!literal && !glued, "{name}, line {}: builds a key: {line}", at + 1);
        }
    }
}

#[test]
fn functions_of_the_core_fit_a_screen() {
    for (name, source) in modules() {
        for (function, lines) in functions(&source) {
            assert!(lines <= FUNCTION_LINES_MAX, "{name}: {function} has {lines} lines");
        }
    }
}

/// The functions of a source, each with its number of lines.
fn functions(source: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let signature = line.trim_start();
        let words = ["pub ", "pub(crate) ", "pub(super) ", "pub(in crate::http) ", "const ", "async "];
        let bare = words.iter().fold(signature, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
        if let Some(name) = bare.strip_prefix("fn ") {
            let indentation = &line[..line.len() - signature.len()];
            let end = [indentation, "}"].concat();
            let is_whole = line.ends_with(['}', ';']);
            let length =
                lines[start..].iter().position(|line| is_whole || *line == end || *line == [&end, ","].concat());
            let name = name.split(['(', '<']).next().unwrap().to_owned();
            found.push((name, length.map_or(0, |length| length + 1)));
        }
    }
    found
}

#[test]
fn lines_of_a_function_are_counted_from_its_signature_to_its_brace() {
    let body =
        |lines: usize| format!("impl X {{\n    pub fn long(\n    ) {{\n{}    }}\n}}\n", "        f();\n".repeat(lines));
    assert_eq!(functions(&body(67)), [("long".to_owned(), 70)]);
    assert_eq!(functions(&body(68)), [("long".to_owned(), 71)]);
    assert_eq!(functions("fn short() {}\n"), [("short".to_owned(), 1)]);
}

#[test]
fn a_type_name_of_the_core_means_one_thing() {
    let modules = modules();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (module, source) in &modules {
        for name in types(source).filter(|name| *name != "Error") {
            places.entry(name).or_default().push(module);
        }
    }
    // Every module may have an `Error`; whoever reads it reads the module's name before it.
    places.retain(|_, modules| modules.len() > 1);
    assert_eq!(places, BTreeMap::new());
}

/// The types that a source defines; those within a trait or a function are named by what surrounds them.
fn types(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub") || *word == "in");
        let keyword = words.find(|word| !word.ends_with(')'))?;
        let name = words.next().filter(|_| ["struct", "enum", "trait", "type"].contains(&keyword))?;
        let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
        name.get(..end).filter(|name| name.starts_with(char::is_uppercase))
    })
}

#[test]
fn types_are_found_whoever_may_use_them() {
    let source = "pub struct A<T>(T);\npub(in crate::http) enum B {\n    struct_like,\n}\ntrait C: D {}\n    type Item = E;\n\
                  pub type F = G;\nlet structure = H;\n// struct I\n";
    assert_eq!(types(source).collect::<Vec<_>>(), ["A", "B", "C", "F"]);
}

#[test]
fn comments_of_the_workspace_fit_a_line() {
    let sources = sources(&["plugin/core/src", "plugin/core/tests", "plugin/src", "host/src", "tests"]);
    assert!(sources.len() > 200, "{} sources", sources.len());
    for (name, source) in sources {
        for (at, line) in source.lines().enumerate() {
            let (characters, comment) = (line.chars().count(), line.trim_start().starts_with("//"));
            let fits = !comment || characters <= COMMENT_WIDTH_MAX;
            assert!(fits, "{name}, line {}: {characters} characters, at most {COMMENT_WIDTH_MAX}", at + 1);
        }
    }
}

#[test]
fn a_doc_comment_can_be_read_without_the_one_before_it() {
    const REFER: [&str; 4] = ["The same", "As above", "Likewise", "Ditto"];
    for (file, source) in sources(&["plugin/core/src", "plugin/src", "host/src", "tests"]) {
        let mut within = false;
        for line in source.lines().map(str::trim_start) {
            let text = line.strip_prefix("/// ");
            let refers = !within && text.is_some_and(|text| REFER.iter().any(|start| text.starts_with(start)));
            assert!(!refers, "{file}: {line}");
            within = line.starts_with("///");
        }
    }
}

#[test]
fn a_number_that_bounds_something_stands_in_a_constant() {
    let sources = sources(&["plugin/core/src", "plugin/src", "host/src"]);
    for (name, source) in sources.iter().filter(|(name, _)| name != HOST_LIMITS && !name.ends_with("tests.rs")) {
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        assert_eq!(loose_numbers(source), [] as [&str; 0], "{name}");
    }
}

/// Lines outside of constants that have a duration, a size (`4 * 1024`, `1 << 20`) or a large number as a literal.
fn loose_numbers(source: &str) -> Vec<&str> {
    let (mut found, mut constant) = (Vec::new(), None);
    for line in source.lines() {
        // Every second part between quotes is a text.
        let code = line.split('"').step_by(2).collect::<Vec<_>>().join("_").replace("\\u{", "_");
        let code = code.split("//").next().unwrap().trim();
        match constant.or_else(|| is_constant(code).then_some(0)) {
            Some(depth) => {
                let opened =
                    code.matches(['(', '[', '{']).count() as i64 - code.matches([')', ']', '}']).count() as i64;
                constant = Some(depth + opened).filter(|depth| *depth > 0 || !code.ends_with(';'));
            }
            None if is_loose(code) => found.push(line),
            None => {}
        }
    }
    found
}

fn is_constant(code: &str) -> bool {
    let bare = if code.starts_with("pub") { code.split_once(' ').map_or("", |(_, bare)| bare) } else { code };
    !bare.starts_with("const fn ") && ["const ", "static "].iter().any(|start| bare.starts_with(start))
}

/// Whether of a call nothing but its name and parentheses stands there.
fn is_opened(call: &str) -> bool {
    call.ends_with('(') && call.trim_end_matches('(').chars().all(char::is_alphabetic)
}

fn is_loose(code: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    code.char_indices().filter(|(at, c)| c.is_ascii_digit() && !code[..*at].ends_with(is_part)).any(|(at, _)| {
        let before = code[..at].trim_end();
        let end = code[at..].find(|c: char| !(c.is_ascii_digit() || c == '_')).map_or(code.len(), |end| at + end);
        let number: u64 = code[at..end].replace('_', "").parse().unwrap();
        let is_duration = before.rsplit_once("Duration::from_").is_some_and(|(_, unit)| is_opened(unit));
        let is_size =
            before.strip_suffix("<<").is_some_and(|left| left.trim_end().ends_with(|c: char| c.is_ascii_digit()));
        let is_conversion =
            ["*", "/", "%", "_mul("].iter().any(|operator| before.ends_with(operator)) && CONVERSIONS.contains(&number);
        is_duration || is_size || number >= LITERAL_MAX && !is_conversion
    })
}

#[test]
fn a_loose_number_is_told_from_a_constant_and_from_a_conversion() {
    let loose = ["pause(Duration::from_millis(20));", "vec![0; 4 * 1024]", "let max = 1 << 20;", "if found > 2_000 {"];
    for line in loose {
        assert_eq!(loose_numbers(line), [line]);
    }
    let bound = "pub(crate) const TABLE: &[u64] = &[\n    2_000,\n    3_000,\n];\nconst MAX: usize = 4 * 1024;";
    let conversion = "let seconds = millis / 1_000;\nlet millis = hours * 3_600;\n";
    let other = "say(\"at most 2000\"); // 2000\nmatches!(c, '\\u{3000}'); Duration::from_secs(seconds); first(999)";
    for source in [bound, conversion, other] {
        assert_eq!(loose_numbers(source), [] as [&str; 0]);
    }
    assert_eq!(loose_numbers("const MAX: u64 = 1_000;\nlet max = 1_000;"), ["let max = 1_000;"]);
}

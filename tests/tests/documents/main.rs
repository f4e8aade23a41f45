//! The documents are true: their links lead somewhere, what they name is there, and their commands do what they say.

mod answers;
mod commands;
mod curl;
mod markdown;
mod numbers;
mod shell;

use acceptance::hosted::{self, root};
use acceptance::life::admin;
use acceptance::native::Native;
use curl::Reader;
use markdown::Document;
use rollcall_core::ledger::LAYOUT;
use rollcall_core::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The README is a first page: what is longer stands in `docs/`.
const README_LINES_MAX: usize = 150;

/// All documents: those of the project's folder and those of `docs/`.
fn documents() -> Vec<Document> {
    let of = |folder: &str| {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
        names.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect::<Vec<PathBuf>>()
    };
    let mut paths = [of(""), of("docs")].concat();
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    paths.into_iter().map(|path| Document::read(root(), path)).collect()
}

fn document(path: &str) -> Document {
    Document::read(root(), PathBuf::from(path))
}

#[test]
fn the_readme_is_a_first_page() {
    let lines = document("README.md").text.lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines");
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let mut reached = BTreeSet::from([PathBuf::from("README.md")]);
    let mut unread = vec![PathBuf::from("README.md")];
    while let Some(path) = unread.pop() {
        for (_, target) in Document::read(root(), path.clone()).links() {
            let Some(linked) = linked(&path, &target).filter(|linked| linked.extension() == path.extension()) else {
                continue;
            };
            if reached.insert(linked.clone()) {
                unread.push(linked);
            }
        }
    }
    let all: BTreeSet<PathBuf> = documents().into_iter().map(|document| document.path).collect();
    assert_eq!(reached, all);
}

/// The file that a link of a document leads to; nothing for one that leads out of the project.
fn linked(from: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split('#').next().unwrap();
    if target.contains("://") {
        return None;
    }
    if path.is_empty() {
        return Some(from.to_owned());
    }
    let mut file = PathBuf::new();
    for part in from.parent().unwrap().join(path).components() {
        match part.as_os_str().to_str() {
            Some("..") => drop(file.pop()),
            _ => file.push(part),
        }
    }
    Some(file)
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for document in documents() {
        for (line, target) in document.links() {
            let place = document.place(line);
            let Some(file) = linked(&document.path, &target) else {
                assert!(target.starts_with("https://"), "{place}: {target}");
                continue;
            };
            assert!(root().join(&file).exists(), "{place}: {target} leads nowhere");
            if let Some((_, anchor)) = target.split_once('#') {
                let anchors = Document::read(root(), file).anchors();
                assert!(anchors.iter().any(|known| known == anchor), "{place}: {target} has no such heading");
            }
        }
    }
}

/// The file or folder that a text between backticks names, if it names one: a path from the project's folder, or a name
/// with the ending of a source.
fn named_path(text: &str) -> Option<&Path> {
    let folders = ["plugin", "host", "tests", "wit", "docs", "deploy", ".ci"];
    let endings = ["rs", "toml", "md", "yaml", "wit", "mjs", "py"];
    let path = Path::new(text);
    let (first, is_below) = text.split_once('/').map_or((text, false), |(first, _)| (first, true));
    let is_source = path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    (is_plain && !first.is_empty() && (is_source || is_below && folders.contains(&first))).then_some(path)
}

#[test]
fn a_path_is_told_from_other_code() {
    for text in ["plugin/core/src/", "host/absent", "spin.toml", "absent.rs", "tests/tests/absent.json", ".ci/run"] {
        assert_eq!(named_path(text), Some(Path::new(text)));
    }
    for text in
        ["/Users", "application/scim+json", "tests/{name}.rs", "userName", "groups/05-members", "/healthz", "wit"]
    {
        assert_eq!(named_path(text), None);
    }
}

#[test]
fn every_path_that_a_document_names_is_there() {
    for document in documents() {
        for (line, text) in document.code() {
            if let Some(path) = named_path(&text) {
                assert!(root().join(path).exists(), "{}: there is no {text}", document.place(line));
            }
        }
    }
}

#[test]
fn every_command_of_a_document_can_be_run_as_it_stands() {
    let known = commands::Known::of_project(&host_help());
    let mut count = 0;
    for document in documents() {
        for block in &document.blocks {
            match block.language.as_str() {
                "console" => {
                    for step in shell::steps(block) {
                        let place = document.place(step.line);
                        assert_eq!(known.check(&step.written), Ok(()), "{place}: {}", step.written);
                        count += 1;
                    }
                }
                "json" => drop(answers::read(&block.lines.join("\n"))),
                "rust" | "text" => {}
                other => panic!("{}: nothing looks at a block of {other:?}", document.place(block.line)),
            }
        }
    }
    assert!(count > 40, "only {count} commands were found");
}

#[test]
fn every_curl_command_answers_what_the_document_says() {
    for document in documents() {
        let mut reader = Reader::new();
        reader.follow(&document);
        if document.path == Path::new("README.md") {
            assert_eq!(reader.sent, 4, "the README shows a user by curl");
        }
    }
}

#[test]
fn every_line_of_rust_in_a_document_stands_in_an_example() {
    let example = std::fs::read_to_string(root().join("host/examples/embed.rs")).unwrap();
    let lines: BTreeSet<&str> = example.lines().map(str::trim).collect();
    for document in documents() {
        for block in document.blocks.iter().filter(|block| block.language == "rust") {
            for line in block.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
                assert!(lines.contains(line), "{}: the example has no line {line:?}", document.place(block.line));
            }
        }
    }
}

fn host_help() -> String {
    let ran = Command::new(hosted::program()).arg("--help").output().unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_operators_page_has_every_variable_and_every_flag() {
    let operations = document("docs/operations.md");
    let names = |heading: &str| -> BTreeSet<String> {
        let first = |row: Vec<String>| row[0].trim_matches('`').split(' ').next().unwrap().to_owned();
        operations.table(heading).into_iter().map(first).collect()
    };
    assert_eq!(names("Configuration"), Settings::VARIABLES.iter().map(|name| (*name).to_owned()).collect());
    let flags = commands::flags(&host_help()).into_iter().filter(|flag| flag != "--help" && flag != "--version");
    assert_eq!(names("Flags of the host"), flags.collect());
}

#[test]
fn the_checks_of_a_store_are_those_that_the_component_makes() {
    let mut server = Native::new(&BTreeMap::new());
    let report = admin(&mut server, "POST", "/store", None).expect(200).body;
    let checks = report["checks"].as_array().unwrap();
    let made: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    let table = document("docs/stores.md").table("What a store must keep");
    let written: Vec<&str> = table.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(written, made);
}

#[test]
fn the_changelog_has_every_layout() {
    let changes = document("CHANGELOG.md").text;
    for layout in 1..=LAYOUT + 1 {
        assert_eq!(changes.contains(&format!("- Layout {layout}: ")), layout <= LAYOUT, "layout {layout}");
    }
}

#[test]
fn every_document_that_a_source_names_is_there() {
    let mut named = 0;
    for folder in ["plugin/core/src", "plugin/src", "host/src", "tests/src", "tests/tests", "deploy", "wit"] {
        visit(&root().join(folder), &mut |path, text| {
            for part in text.split("docs/").skip(1) {
                let name = part.split_once(".md").map_or("", |(name, _)| name);
                if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
                    named += 1;
                    let file = format!("docs/{name}.md");
                    assert!(root().join(&file).exists(), "{}: there is no {file}", path.display());
                }
            }
        });
    }
    assert!(named > 3);
}

fn visit(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            look(&path, &text);
        }
    }
}

#[test]
fn the_compiler_is_the_minimum_one_or_a_newer_one() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let least = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.contains("step \"minimum compiler\""), "CI holds the compiler to rust-version");
    let ran =
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output().unwrap();
    let version = String::from_utf8(ran.stdout).unwrap();
    let parts = |text: &str| text.split('.').map_while(|part| part.parse::<u32>().ok()).take(2).collect::<Vec<u32>>();
    let found = version.split(' ').nth(1).unwrap();
    assert!(parts(found) >= parts(least), "rust-version is {least}, and this is {found}");
}

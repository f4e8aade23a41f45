//! The table of `docs/requirements.md`, what the RFCs require of a server: every row names its tests, and they exist.

use acceptance::hosted::root;
use acceptance::transcript;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// A row of the table.
struct Requirement {
    rfc: String,
    section: String,
    words: String,
    tested_by: Vec<String>,
}

fn table() -> Vec<Requirement> {
    let document = std::fs::read_to_string(root().join("docs/requirements.md")).unwrap();
    let (_, rows) = document.split_once("| --- | --- | --- | --- |\n").unwrap();
    rows.lines().map(read).collect()
}

fn read(row: &str) -> Requirement {
    let cells: Vec<&str> = row.split(" | ").map(|cell| cell.trim_matches([' ', '|'])).collect();
    let [place, word, words, tested_by] = cells.as_slice() else {
        panic!("{row}: expected four cells");
    };
    let (rfc, section) = place.split_once(" §").unwrap_or_else(|| panic!("{row}: expected an RFC and a section"));
    assert!(["7643", "7644", "9865"].contains(&rfc), "{row}");
    assert!(section.split('.').all(|part| part.parse::<u8>().is_ok()), "{row}");
    assert!(["MUST", "MUST NOT", "SHOULD", "SHOULD NOT"].contains(word), "{row}");
    let name = |text: &str| text.strip_prefix('`').and_then(|text| text.strip_suffix('`')).map(str::to_owned);
    let tested_by = tested_by.split(", ").map(|text| name(text).unwrap_or_else(|| panic!("{row}: {text}"))).collect();
    Requirement { rfc: rfc.to_owned(), section: section.to_owned(), words: (*words).to_owned(), tested_by }
}

#[test]
fn every_requirement_says_where_it_is_tested_and_that_is_there() {
    let transcripts: BTreeSet<String> = transcript::all().into_iter().map(|(name, _)| name).collect();
    let mut tests = BTreeSet::new();
    for folder in ["plugin/core/src", "plugin/core/tests", "tests/tests", "host/src"] {
        collect_tests(&root().join(folder), &mut tests);
    }
    for requirement in table() {
        let place = format!("RFC {} §{}: {}", requirement.rfc, requirement.section, requirement.words);
        for name in &requirement.tested_by {
            let there = match name.strip_suffix(".json") {
                Some(_) => has_case(name, &requirement.section),
                None if name.contains('/') => transcripts.contains(name),
                None => tests.contains(name),
            };
            assert!(there, "{place}: there is no {name}");
        }
    }
}

#[test]
fn every_requirement_is_there_once() {
    let table = table();
    let places: BTreeSet<(&str, &str, &str)> =
        table.iter().map(|row| (row.rfc.as_str(), row.section.as_str(), row.words.as_str())).collect();
    assert_eq!(places.len(), table.len());
    for (rfc, least) in [("7643", 30), ("7644", 75), ("9865", 10)] {
        assert!(table.iter().filter(|row| row.rfc == rfc).count() >= least, "RFC {rfc}");
    }
}

/// The names behind `#[test]`.
fn collect_tests(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_tests(&path, tests);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("#[test]").skip(1) {
                let name = part.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
                tests.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

/// Whether a file of PATCH cases has one that names the section.
fn has_case(file: &str, section: &str) -> bool {
    let path = root().join("plugin/core/tests/data/patch").join(file);
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let named = format!("§{section}:");
    cases
        .iter()
        .any(|case| case["title"].as_str().or(case["name"].as_str()).is_some_and(|title| title.contains(&named)))
}

//! The commands of the documents but for curl: what they name is there, and somebody runs them.

use super::shell::{assignments, words};
use acceptance::hosted::root;
use rollcall_core::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Commands of Cargo that are run by hand, because they measure or take long.
const BY_HAND: [&str; 3] =
    ["cargo bench", "cargo run --release --example large", "cargo run --release --example load-tenant"];

/// A command that a test runs, see `tests/tests/embed.rs`.
const BY_A_TEST: &str = "cargo run --example embed";

/// What commands may name.
pub(crate) struct Known {
    packages: BTreeSet<String>,
    tests: BTreeSet<String>,
    examples: BTreeMap<String, String>,
    host_flags: BTreeSet<String>,
    ci: String,
    kubernetes: String,
}

/// The long flags of a help text.
pub(crate) fn flags(help: &str) -> BTreeSet<String> {
    let words = help.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches(',').to_owned()).collect()
}

impl Known {
    /// What the project has.
    pub(crate) fn of_project(host_help: &str) -> Known {
        let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
        let mut packages = BTreeSet::new();
        let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
        for member in manifest["workspace"]["members"].as_array().unwrap() {
            let manifest: toml::Table = read(&format!("{}/Cargo.toml", member.as_str().unwrap())).parse().unwrap();
            packages.insert(manifest["package"]["name"].as_str().unwrap().to_owned());
        }
        let mut examples = BTreeMap::new();
        for folder in ["host/examples", "tests/examples"] {
            examples.extend(names(folder).into_iter().map(|name| (name.clone(), read(&format!("{folder}/{name}.rs")))));
        }
        let comment = read("deploy/spinapp.yaml")
            .lines()
            .filter_map(|line| line.strip_prefix('#').map(str::to_owned))
            .collect::<Vec<_>>();
        Known {
            packages,
            tests: names("tests/tests"),
            examples,
            host_flags: flags(host_help),
            ci: read(".ci/run"),
            kubernetes: plain(&comment.join("\n")),
        }
    }

    /// Fails where a command names what is not there, or where nobody runs it.
    pub(crate) fn expect(&self, written: &str, place: &str) {
        let words = words(written, &BTreeMap::new());
        let set = assignments(&words);
        let command: Vec<&str> = words[set.len()..].iter().map(String::as_str).collect();
        for (name, _) in &set {
            self.expect_variable(name, command.is_empty(), place);
        }
        match command.as_slice() {
            [] | ["curl", ..] => {}
            ["cargo", rest @ ..] => self.expect_cargo(rest, place),
            [".ci/run"] => assert!(root().join(".ci/run").exists(), "{place}"),
            ["spin", "up", rest @ ..] => expect_spin_up(rest, place),
            ["spin" | "kubectl", ..] => {
                let found = self.kubernetes.contains(&plain(written));
                assert!(found, "{place}: deploy/spinapp.yaml does not say {written:?}");
            }
            [program, ..] => panic!("{place}: nothing looks at commands of {program:?}"),
        }
    }

    /// A variable of the environment that a command is given, or one of the reader's own shell.
    fn expect_variable(&self, name: &str, is_own: bool, place: &str) {
        let known = match name.strip_prefix("SPIN_VARIABLE_") {
            Some(variable) => Settings::VARIABLES.contains(&variable.to_lowercase().as_str()),
            None => is_own || name == "UPDATE",
        };
        assert!(known, "{place}: nobody reads the variable {name}");
    }

    fn expect_cargo(&self, arguments: &[&str], place: &str) {
        let mut parts = arguments.splitn(2, |argument| *argument == "--");
        let (own, passed) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let mut kept = vec!["cargo"];
        let mut example = None;
        let mut own = own.iter().copied();
        while let Some(argument) = own.next() {
            let mut is_among = |known: &BTreeSet<String>| {
                let name = own.next().unwrap_or_default();
                assert!(known.contains(name), "{place}: there is no {argument} {name}");
                name.to_owned()
            };
            match argument {
                "-p" => drop(is_among(&self.packages)),
                "--test" => drop(is_among(&self.tests)),
                "--example" => {
                    let name = is_among(&self.examples.keys().cloned().collect());
                    example = Some(name);
                }
                // A part of what CI runs whole.
                "--lib" => {}
                other => kept.push(other),
            }
        }
        let mut command = kept.join(" ");
        if let Some(name) = &example {
            command = format!("{command} --example {name}");
        }
        let runs = self.ci.contains(&command) || BY_HAND.contains(&command.as_str()) || command == BY_A_TEST;
        assert!(runs, "{place}: neither CI nor a test runs {command:?}, and it is not run by hand");
        if command.starts_with("cargo run") {
            self.expect_flags(example.as_deref(), passed, place);
        }
    }

    /// Flags for the host, or for an example.
    fn expect_flags(&self, example: Option<&str>, passed: &[&str], place: &str) {
        for flag in passed.iter().filter(|argument| argument.starts_with("--")) {
            let known = match example {
                Some(name) => self.examples[name].contains(&format!("\"{flag}\"")),
                None => self.host_flags.contains(*flag),
            };
            assert!(known, "{place}: nobody knows {flag}");
        }
        for pair in passed.windows(2).filter(|pair| pair[0] == "--variable") {
            let name = pair[1].split('=').next().unwrap_or_default();
            assert!(Settings::VARIABLES.contains(&name), "{place}: there is no variable {name}");
        }
    }
}

fn expect_spin_up(arguments: &[&str], place: &str) {
    match arguments {
        [] | ["--build"] => {}
        ["--runtime-config-file", file] => assert!(root().join(file).exists(), "{place}: there is no {file}"),
        other => panic!("{place}: nothing looks at {other:?}"),
    }
}

/// The names of the Rust files of a folder, and of the folders that have a `main.rs`.
fn names(folder: &str) -> BTreeSet<String> {
    let is_target =
        |path: &Path| path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").exists();
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let targets = entries.filter(|path| is_target(path));
    targets.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// A command on one line with single blanks.
fn plain(text: &str) -> String {
    text.replace('\\', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

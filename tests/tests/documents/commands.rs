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

    /// Says what is wrong with a command: what it names and is not there, or that nobody runs it.
    pub(crate) fn check(&self, written: &str) -> Result<(), String> {
        let words = words(written, &BTreeMap::new());
        let set = assignments(&words);
        let command: Vec<&str> = words[set.len()..].iter().map(String::as_str).collect();
        set.iter().try_for_each(|(name, _)| check_variable(name, command.is_empty()))?;
        match command.as_slice() {
            // What curl sends is looked at where it is sent.
            [] | ["curl", ..] => Ok(()),
            ["cargo", rest @ ..] => self.check_cargo(rest),
            [".ci/run"] => is_there(".ci/run"),
            ["spin", "up"] | ["spin", "up", "--build"] => Ok(()),
            ["spin", "up", "--runtime-config-file", file] => is_there(file),
            ["spin" | "kubectl", ..] => {
                require(self.kubernetes.contains(&plain(written)), || "deploy/spinapp.yaml does not say it".to_owned())
            }
            [program, ..] => Err(format!("nothing looks at commands of {program:?}")),
        }
    }

    fn check_cargo(&self, arguments: &[&str]) -> Result<(), String> {
        let mut parts = arguments.splitn(2, |argument| *argument == "--");
        let (own, passed) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (mut command, mut example) = (vec!["cargo"], None);
        let mut own = own.iter().copied();
        while let Some(argument) = own.next() {
            match argument {
                "-p" => self.check_named(argument, own.next(), self.packages.iter())?,
                "--test" => self.check_named(argument, own.next(), self.tests.iter())?,
                "--example" => {
                    example = own.next();
                    self.check_named(argument, example, self.examples.keys())?;
                    command.extend([argument, example.unwrap_or_default()]);
                }
                // A part of what CI runs whole.
                "--lib" => {}
                other => command.push(other),
            }
        }
        let command = command.join(" ");
        let runs = self.ci.contains(&command) || BY_HAND.contains(&command.as_str()) || command == BY_A_TEST;
        require(runs, || format!("neither CI nor a test runs {command:?}, and nobody does by hand"))?;
        if command.starts_with("cargo run") { self.check_flags(example, passed) } else { Ok(()) }
    }

    fn check_named<'n>(
        &self,
        flag: &str,
        name: Option<&str>,
        mut known: impl Iterator<Item = &'n String>,
    ) -> Result<(), String> {
        let name = name.unwrap_or_default();
        require(known.any(|known| known == name), || format!("there is no {flag} {name}"))
    }

    /// Flags for the host, or for an example.
    fn check_flags(&self, example: Option<&str>, passed: &[&str]) -> Result<(), String> {
        for flag in passed.iter().filter(|argument| argument.starts_with("--")) {
            let known = match example {
                Some(name) => self.examples[name].contains(&format!("\"{flag}\"")),
                None => self.host_flags.contains(*flag),
            };
            require(known, || format!("nobody knows {flag}"))?;
        }
        for pair in passed.windows(2).filter(|pair| pair[0] == "--variable") {
            let name = pair[1].split('=').next().unwrap_or_default();
            require(Settings::VARIABLES.contains(&name), || format!("there is no variable {name}"))?;
        }
        Ok(())
    }
}

fn require(condition: bool, error: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(error()) }
}

fn is_there(file: &str) -> Result<(), String> {
    require(root().join(file).exists(), || format!("there is no {file}"))
}

/// A variable of the environment that a command is given, or one of the reader's own shell.
fn check_variable(name: &str, is_own: bool) -> Result<(), String> {
    let known = match name.strip_prefix("SPIN_VARIABLE_") {
        Some(variable) => Settings::VARIABLES.contains(&variable.to_lowercase().as_str()),
        None => is_own || name == "UPDATE",
    };
    require(known, || format!("nobody reads the variable {name}"))
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

#[test]
fn a_command_that_is_out_of_date_is_found() {
    let known = Known::of_project("      --listen <ADDRESS>\n  -h, --help\n");
    for (command, error) in [
        ("cargo test -p acceptance --test absent", "there is no --test absent"),
        ("cargo test -p absent", "there is no -p absent"),
        ("cargo run --release --example absent", "there is no --example absent"),
        ("cargo run --release --example soak -- --absent 1", "nobody knows --absent"),
        ("cargo run --release -- --absent", "nobody knows --absent"),
        ("cargo install rollcall", "neither CI nor a test runs \"cargo install rollcall\", and nobody does by hand"),
        ("spin up --runtime-config-file absent.toml", "there is no absent.toml"),
        ("spin registry push elsewhere", "deploy/spinapp.yaml does not say it"),
        ("SPIN_VARIABLE_ABSENT=1 spin up", "nobody reads the variable SPIN_VARIABLE_ABSENT"),
        ("ABSENT=1 cargo test", "nobody reads the variable ABSENT"),
        ("make", "nothing looks at commands of \"make\""),
    ] {
        assert_eq!(known.check(command), Err(error.to_owned()), "{command}");
    }
    for command in
        ["cargo test", "UPDATE=1 cargo test -p acceptance --test documents", "cargo run --release -- --listen 1"]
    {
        assert_eq!(known.check(command), Ok(()), "{command}");
    }
}

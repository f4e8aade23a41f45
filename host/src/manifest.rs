//! `spin.toml`: the one description of the application, read as far as this host goes along with Spin.
//!
//! One component behind one HTTP trigger. Keys that change nothing here (`watch`, the trigger's route, the
//! application's name) are read over; those that would be a promise, such as files or outbound hosts, are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::Deserialize;

use crate::keyvalue::Stores;
use crate::variables::{Variables, refuse_name};

/// An application as its manifest describes it.
#[derive(Debug)]
pub struct Manifest {
    /// Where the manifest lies; its paths are relative to here.
    pub directory: PathBuf,
    /// The component's name.
    pub name: String,
    /// The component's file.
    pub source: PathBuf,
    /// How to make the component.
    pub build: Option<Build>,
    /// The environment variables of the component.
    pub environment: BTreeMap<String, String>,
    declared: BTreeMap<String, Declaration>,
    templates: BTreeMap<String, String>,
}

/// How to make a component.
#[derive(Debug, Deserialize)]
pub struct Build {
    /// A shell command.
    pub command: String,
    /// Where to run it, below the manifest's directory.
    #[serde(default)]
    pub workdir: PathBuf,
}

impl Manifest {
    /// Reads a manifest.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| anyhow!("cannot read the manifest {}: {error}", path.display()))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, directory).with_context(|| path.display().to_string())
    }

    /// The nearest `spin.toml` from this directory upwards.
    pub fn find(from: &Path) -> Option<PathBuf> {
        from.ancestors().map(|directory| directory.join("spin.toml")).find(|path| path.is_file())
    }

    fn parse(text: &str, directory: &Path) -> Result<Self> {
        let document: Document = toml::from_str(text).map_err(|error| anyhow!("{}", error.to_string().trim_end()))?;
        ensure!(
            document.spin_manifest_version == 2,
            "spin_manifest_version: expected 2, found {}",
            document.spin_manifest_version
        );
        let mut components = document.component.into_iter();
        let (Some((name, component)), None) = (components.next(), components.next()) else {
            bail!("component: expected exactly one component");
        };
        component.refuse_promises(&name)?;
        for (name, variable) in &document.variables {
            refuse_name(name).map_err(|problem| anyhow!("variables: {problem}"))?;
            ensure!(
                variable.required != variable.default.is_some(),
                "variables.{name}: expected either \"required = true\" or a default"
            );
        }
        let manifest = Self {
            source: directory.join(component.source),
            directory: directory.to_owned(),
            name,
            build: component.build,
            environment: component.environment,
            declared: document.variables,
            templates: component.variables,
        };
        // With any value for what is required, so that only the templates themselves can be at fault.
        manifest.resolve(|_| Some(String::new()))?;
        Ok(manifest)
    }

    /// Whether the application has a variable of this name.
    pub fn declares(&self, variable: &str) -> bool {
        self.declared.contains_key(variable)
    }

    /// The component's variables, their templates filled in from `given` and then from the defaults.
    pub fn resolve(&self, given: impl Fn(&str) -> Option<String>) -> Result<Variables> {
        let missing: Vec<_> = self
            .declared
            .iter()
            .filter(|(name, declaration)| declaration.required && given(name).is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        ensure!(
            missing.is_empty(),
            "required variable not given: {0}; give it with --variable {0}=… or in the environment as {1}",
            missing.join(", "),
            missing.iter().map(|name| environment_name(name)).collect::<Vec<_>>().join(", ")
        );
        let value = |name: &str| {
            let declaration = self.declared.get(name)?;
            given(name).or_else(|| declaration.default.clone())
        };
        let fill = |(name, template): (&String, &String)| {
            let place = || format!("component.{}.variables.{name}", self.name);
            Ok((name.clone(), fill(template, value).with_context(place)?))
        };
        self.templates.iter().map(fill).collect()
    }
}

/// The environment variable in which Spin's environment provider looks for a variable.
pub fn environment_name(variable: &str) -> String {
    format!("SPIN_VARIABLE_{}", variable.to_ascii_uppercase())
}

/// Puts values in the place of `{{ name }}`.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((literal, expression)) = rest.split_once("{{") {
        let (name, after) = expression
            .split_once("}}")
            .ok_or_else(|| anyhow!("expected \"}}}}\" after \"{{{{\", found the end of {template:?}"))?;
        let name = name.trim();
        filled += literal;
        filled += &value(name).ok_or_else(|| anyhow!("unknown variable {name:?}"))?;
        rest = after;
    }
    Ok(filled + rest)
}

#[derive(Deserialize)]
struct Document {
    spin_manifest_version: u32,
    #[serde(default)]
    variables: BTreeMap<String, Declaration>,
    #[serde(default)]
    component: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declaration {
    #[serde(default)]
    required: bool,
    default: Option<String>,
    /// Nothing here prints values, so there is nothing to keep back.
    #[serde(default, rename = "secret")]
    _secret: bool,
    #[serde(rename = "description")]
    _description: Option<String>,
}

#[derive(Deserialize)]
struct Component {
    source: String,
    #[serde(default)]
    key_value_stores: Vec<String>,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    files: Vec<toml::Value>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    build: Option<Build>,
}

impl Component {
    fn refuse_promises(&self, name: &str) -> Result<()> {
        if let Some(label) = self.key_value_stores.iter().find(|label| *label != Stores::DEFAULT) {
            bail!("component.{name}.key_value_stores: unknown label {label:?}, only \"default\" is known here");
        }
        ensure!(
            self.allowed_outbound_hosts.is_empty(),
            "component.{name}.allowed_outbound_hosts: this host lets no component out"
        );
        ensure!(self.files.is_empty(), "component.{name}.files: this host gives no component files");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        spin_manifest_version = 2
        application = { name = "app" }
        [variables]
        password = { required = true, secret = true }
        name = { default = "App" }
        [[trigger.http]]
        route = "/..."
        component = "main"
        [component.main]
        source = "target/main.wasm"
        key_value_stores = ["default"]
        [component.main.variables]
        greeting = "{{ name }} greets {{name}}{{ password }}!"
        [component.main.build]
        command = "make"
        watch = ["src"]
    "#;

    fn parse(text: &str) -> Result<Manifest> {
        Manifest::parse(text, Path::new("/app"))
    }

    /// What is said of the manifest when one part of it is replaced.
    fn problem(part: &str, replacement: &str) -> String {
        assert!(MANIFEST.contains(part), "{part}");
        let error = parse(&MANIFEST.replace(part, replacement)).unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn what_the_host_needs_is_read() {
        let manifest = parse(MANIFEST).unwrap();
        assert_eq!(manifest.name, "main");
        assert_eq!(manifest.source, Path::new("/app/target/main.wasm"));
        assert_eq!(manifest.build.as_ref().unwrap().command, "make");
        assert!(manifest.declares("password"));
        assert!(!manifest.declares("greeting"));
    }

    #[test]
    fn templates_are_filled_from_what_is_given_and_then_from_defaults() {
        let manifest = parse(MANIFEST).unwrap();
        let resolve = |given: &[(&str, &str)]| {
            let given: BTreeMap<_, _> = given.iter().copied().collect();
            let variables = manifest.resolve(|name| given.get(name).map(|value| (*value).to_owned()));
            variables.map(|variables| variables.get("greeting").unwrap().to_owned())
        };
        assert_eq!(resolve(&[("password", "?")]).unwrap(), "App greets App?!");
        assert_eq!(resolve(&[("password", "{{ name }}"), ("name", "B")]).unwrap(), "B greets B{{ name }}!");
        assert_eq!(
            resolve(&[]).unwrap_err().to_string(),
            "required variable not given: password; give it with --variable password=… \
             or in the environment as SPIN_VARIABLE_PASSWORD"
        );
    }

    #[test]
    fn a_manifest_that_promises_more_is_refused() {
        for (part, replacement, expected) in [
            ("spin_manifest_version = 2", "spin_manifest_version = 1", "spin_manifest_version: expected 2, found 1"),
            (
                r#"["default"]"#,
                r#"["default", "cache"]"#,
                r#"component.main.key_value_stores: unknown label "cache", only "default" is known here"#,
            ),
            (
                r#"key_value_stores = ["default"]"#,
                r#"allowed_outbound_hosts = ["https://*:*"]"#,
                "component.main.allowed_outbound_hosts: this host lets no component out",
            ),
            (
                r#"key_value_stores = ["default"]"#,
                r#"files = ["assets/*"]"#,
                "component.main.files: this host gives no component files",
            ),
            ("{{ password }}", "{{ passwort }}", r#"component.main.variables.greeting: unknown variable "passwort""#),
            (
                "{{ password }}",
                "{{ password",
                "component.main.variables.greeting: expected \"}}\" after \"{{\", \
                 found the end of \"{{ name }} greets {{name}}{{ password!\"",
            ),
            (
                "required = true, secret",
                "secret",
                "variables.password: expected either \"required = true\" or a default",
            ),
            (
                "[component.main.build]",
                "[component.other]\nsource = \"other.wasm\"\n[component.main.build]",
                "component: expected exactly one component",
            ),
        ] {
            assert_eq!(problem(part, replacement), expected);
        }
    }

    #[test]
    fn the_nearest_manifest_upwards_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let below = directory.join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        let path = directory.join("spin.toml");
        std::fs::write(&path, MANIFEST).unwrap();
        assert_eq!(Manifest::find(&below), Some(path));
    }
}

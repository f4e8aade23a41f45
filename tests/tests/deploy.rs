//! What is deployed says the same names as spin.toml, which the component is built with.

use acceptance::hosted::{self, Build};
use rollcall_core::http::health;
use rollcall_core::http::route::{self, Door};
use rollcall_core::settings::Settings;
use std::collections::BTreeSet;
use yaml_rust2::{Yaml, YamlLoader};

fn read(file: &str) -> String {
    let file = hosted::root().join(file);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn table(file: &str) -> toml::Table {
    read(file).parse().unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents of a file, by kind.
fn document(file: &str, kind: &str) -> Yaml {
    let documents = YamlLoader::load_from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let found = documents.into_iter().find(|document| document["kind"].as_str() == Some(kind));
    found.unwrap_or_else(|| panic!("{file}: there is no {kind}"))
}

fn text(value: &Yaml) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text"))
}

fn all(value: &Yaml) -> &Vec<Yaml> {
    value.as_vec().unwrap_or_else(|| panic!("{value:?} is no list"))
}

/// The labels of the stores that the component opens.
fn stores() -> Vec<String> {
    let manifest = table("spin.toml");
    let labels = manifest["component"]["rollcall"]["key_value_stores"].as_array().unwrap();
    labels.iter().map(|label| label.as_str().unwrap().to_owned()).collect()
}

#[test]
fn spin_toml_declares_the_variables_that_the_component_reads() {
    let manifest = table("spin.toml");
    let declared: BTreeSet<&str> = manifest["variables"].as_table().unwrap().keys().map(String::as_str).collect();
    let given = manifest["component"]["rollcall"]["variables"].as_table().unwrap();
    assert_eq!(declared, Settings::VARIABLES.iter().copied().collect());
    assert_eq!(declared, given.keys().map(String::as_str).collect());
    for (name, value) in given {
        assert_eq!(value.as_str(), Some(format!("{{{{ {name} }}}}").as_str()));
    }
}

#[test]
fn the_manifests_of_the_other_builds_differ_from_spin_toml_in_the_build_alone() {
    for build in Build::ALL.into_iter().filter(|build| *build != Build::Final) {
        let mut own = table("spin.toml");
        let mut other = table(build.file());
        let built = |table: &mut toml::Table| {
            let component = table["component"]["rollcall"].as_table_mut().unwrap();
            (component.remove("source").unwrap(), component.remove("build").unwrap())
        };
        let ((_, own_build), (source, other_build)) = (built(&mut own), built(&mut other));
        assert_eq!(own, other, "{build:?}");

        // Paths are relative to the manifest.
        let up = |path: &toml::Value| format!("../../{}", path.as_str().unwrap());
        let watched: Vec<String> = own_build["watch"].as_array().unwrap().iter().map(up).collect();
        let watch: Vec<&str> = other_build["watch"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        assert_eq!(watch, watched, "{build:?}");
        assert_eq!(other_build["workdir"].as_str(), Some("../.."), "{build:?}");
        let profile = source.as_str().unwrap().split('/').rev().nth(1).unwrap();
        let command = other_build["command"].as_str().unwrap();
        assert!(command.contains(&format!("--profile {profile} ")), "{command}");
        assert!(command.contains(" --no-default-features --features component-"), "{command}");
        assert!(read("README.md").contains(build.file()), "{}", build.file());
    }
}

#[test]
fn each_runtime_configuration_is_of_the_store_that_the_component_opens() {
    for (file, kind, settings) in [
        ("runtime-config.redis.toml", "redis", &["type", "url"][..]),
        ("runtime-config.dynamodb.toml", "aws_dynamo", &["type", "table", "region", "consistent_read"]),
    ] {
        let config = table(file);
        assert_eq!(config.keys().collect::<Vec<_>>(), ["key_value_store"], "{file}");
        let configured = config["key_value_store"].as_table().unwrap();
        assert_eq!(configured.keys().cloned().collect::<Vec<_>>(), stores(), "{file}");
        for store in configured.values() {
            assert_eq!(store["type"].as_str(), Some(kind), "{file}");
            let named: BTreeSet<&str> = store.as_table().unwrap().keys().map(String::as_str).collect();
            assert_eq!(named, settings.iter().copied().collect(), "{file}");
        }
    }
}

#[test]
fn the_spin_app_sets_variables_and_stores_that_spin_toml_knows() {
    let app = document("deploy/spinapp.yaml", "SpinApp");
    assert_eq!(text(&app["apiVersion"]), "core.spinkube.dev/v1alpha1");
    let manifest = table("spin.toml");
    let name = manifest["application"]["name"].as_str().unwrap();
    let version = manifest["application"]["version"].as_str().unwrap();
    assert_eq!(text(&app["metadata"]["name"]), name);
    assert!(text(&app["spec"]["image"]).ends_with(&format!("/{name}:{version}")));

    let variables = all(&app["spec"]["variables"]);
    let set: BTreeSet<&str> = variables.iter().map(|variable| text(&variable["name"])).collect();
    let declared = manifest["variables"].as_table().unwrap();
    for (name, variable) in declared {
        let required = variable.get("required").and_then(toml::Value::as_bool).unwrap_or(false);
        assert!(!required || set.contains(name.as_str()), "{name} has to be set");
    }
    for variable in variables {
        let name = text(&variable["name"]);
        let secret = declared[name].get("secret").and_then(toml::Value::as_bool).unwrap_or(false);
        assert_eq!(variable["value"].is_badvalue(), secret, "{name}: secrets come out of a Secret");
    }

    let configured = all(&app["spec"]["runtimeConfig"]["keyValueStores"]);
    assert_eq!(configured.iter().map(|store| text(&store["name"])).collect::<Vec<_>>(), stores());
    let redis = &table("runtime-config.redis.toml")["key_value_store"]["default"];
    for store in configured {
        assert_eq!(text(&store["type"]), redis["type"].as_str().unwrap());
        let options: Vec<&str> = all(&store["options"]).iter().map(|option| text(&option["name"])).collect();
        assert_eq!(options, ["url"]);
    }
}

#[test]
fn a_replica_that_cannot_serve_is_found_by_the_components_own_readiness() {
    let app = document("deploy/spinapp.yaml", "SpinApp");
    let path = |check: &str| text(&app["spec"]["checks"][check]["httpGet"]["path"]).to_owned();
    assert_eq!(
        (path("readiness").as_str(), path("liveness").as_str()),
        (health::READY_PATH, "/.well-known/spin/health")
    );
    assert!(route::table().iter().any(|row| row.template == health::READY_PATH && row.door == Door::Open));
}

#[test]
fn the_ingress_leads_to_the_service_that_the_operator_makes() {
    let app = document("deploy/spinapp.yaml", "SpinApp");
    let ingress = document("deploy/spinapp.yaml", "Ingress");
    let rule = &all(&ingress["spec"]["rules"])[0];
    let service = &all(&rule["http"]["paths"])[0]["backend"]["service"];
    assert_eq!(service["name"], app["metadata"]["name"]);
    assert_eq!(service["port"]["number"].as_i64(), Some(80));
    let variables = all(&app["spec"]["variables"]);
    let public = variables.iter().find(|variable| text(&variable["name"]) == "public_url").unwrap();
    assert_eq!(text(&public["value"]), format!("https://{}", text(&rule["host"])));
}

#[test]
fn every_key_of_a_secret_is_one_that_the_commands_make() {
    let file = read("deploy/spinapp.yaml");
    let made: BTreeSet<&str> = file
        .lines()
        .filter(|line| line.starts_with('#'))
        .flat_map(|line| line.split("--from-literal=").skip(1))
        .filter_map(|literal| literal.split('=').next())
        .collect();
    let asked: BTreeSet<&str> = file.lines().filter_map(|line| line.trim().strip_prefix("key: ")).collect();
    assert_eq!(made, asked);
    assert!(file.contains("kubectl create secret generic rollcall "));
}

#[test]
fn the_redis_of_the_manifest_keeps_what_it_answers() {
    let redis = document("deploy/redis.yaml", "StatefulSet");
    let arguments = all(&all(&redis["spec"]["template"]["spec"]["containers"])[0]["args"]);
    let arguments: Vec<&str> = arguments.iter().map(text).collect();
    for kept in [["--appendonly", "yes"], ["--appendfsync", "always"], ["--maxmemory-policy", "noeviction"]] {
        assert!(arguments.windows(2).any(|pair| pair == kept), "{kept:?}: {arguments:?}");
    }
    let service = document("deploy/redis.yaml", "Service");
    let address = format!("redis://{}:6379/", text(&service["metadata"]["name"]));
    assert!(read("deploy/spinapp.yaml").contains(&address), "{address}");
}

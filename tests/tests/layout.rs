//! Stores that earlier versions have written, opened by this one: everything is served as it was, and goes on.
//!
//! Each fixture is the file that the host of its time left behind, with the answers that it gave last:
//! `layout-1-before-groups` by a version that knew no groups, `layout-1` by the one after it.

use acceptance::backup::{content, export, restore};
use acceptance::hosted;
use acceptance::life::{self, Tenant};
use acceptance::program::{Host, fresh};
use acceptance::run::Server as _;
use http::Request;
use rollcall_core::connection::cache::FRESH;
use rollcall_core::ledger::LAYOUT;
use rollcall_host::keyvalue::{Database, Store, Stores};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

struct Fixture {
    state: PathBuf,
    left: Value,
}

impl Fixture {
    /// A copy of the data of that time, for one test.
    fn of(name: &str, test: &str) -> Fixture {
        let folder = hosted::root().join("tests/fixtures");
        let state = fresh(&format!("{name}-{test}"));
        std::fs::copy(folder.join(format!("{name}.sqlite")), state.join(Database::FILE_NAME)).unwrap();
        let left = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        Fixture { state, left: serde_json::from_str(&left).unwrap() }
    }

    fn text(&self, name: &str) -> String {
        self.left[name].as_str().unwrap().to_owned()
    }
}

/// Whether an answer says everything that an earlier one said. It may say more, and nothing of a token that was to end.
fn says(now: &Value, then: &Value) -> bool {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => then.iter().all(|(name, then)| match (now.get(name), then) {
            (Some(now), Value::Array(tokens)) if name == "tokens" => says(now, &lasting(now, tokens)),
            (Some(now), then) => says(now, then),
            (None, _) => false,
        }),
        (Value::Array(now), Value::Array(then)) => {
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| says(now, then))
        }
        (now, then) => now == then,
    }
}

/// The tokens that have no end, and those with one that are still there.
fn lasting(now: &Value, then: &[Value]) -> Value {
    let there = |token: &Value| now.as_array().is_some_and(|now| now.iter().any(|now| now["hint"] == token["hint"]));
    then.iter().filter(|token| token["endsAt"].is_null() || there(token)).cloned().collect()
}

fn serves_and_goes_on(name: &str, groups: bool) {
    let fixture = Fixture::of(name, "served");
    let mut host = Host::start(&fixture.state);
    for asked in fixture.left["answers"].as_array().unwrap() {
        let (path, token) = (asked["path"].as_str().unwrap(), asked["token"].as_str().unwrap());
        let request =
            Request::get(path).header("host", "scim.example.com").header("authorization", format!("Bearer {token}"));
        let answer = host.answer(request.body(Vec::new()).unwrap());
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(says(&body, &asked["body"]), "{name} {path}\nnow  {body}\nthen {}", asked["body"]);
    }
    let tenant = Tenant { id: fixture.text("tenant"), token: fixture.text("token") };
    life::of_a_user(&mut host, &tenant, life::Wire::Legacy, "alice@contoso.com");
    assert_eq!(tenant.create(&mut host, "RENAMED@contoso.com").expect(409).text("/scimType"), "uniqueness");
    let id = tenant.find(&mut host, "User0@Contoso.com").expect(200).text("/Resources/0/id");
    tenant.admin(&mut host, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
    // By then every instance knows.
    std::thread::sleep(FRESH);
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "New",
        "members": [{"value": id}]});
    tenant.scim(&mut host, "POST", "/Groups", Some(&body)).expect(201);
    let of_user = tenant.read(&mut host, &id).expect(200).body["groups"].as_array().unwrap().len();
    assert_eq!(of_user, if groups { 3 } else { 1 });
    for (tenant, what) in [(fixture.text("ended"), "ended"), (fixture.text("bare"), "bare")] {
        Tenant::start(&mut host, &tenant).expect(201);
        let findings = life::admin(&mut host, "GET", &format!("/tenants/{tenant}/check"), None).expect(200).body;
        assert_eq!(findings, json!({"findings": []}), "{what}");
    }
    let findings = tenant.admin(&mut host, "GET", "/check", None).expect(200).body;
    assert_eq!(findings, json!({"findings": []}));

    let file = export(&mut host, &tenant.id);
    let mut elsewhere = Host::start(&fresh(&format!("{name}-elsewhere")));
    restore(&mut elsewhere, &tenant.id, &file);
    assert_eq!(content(&export(&mut elsewhere, &tenant.id)), content(&file));
}

#[test]
fn a_store_of_the_first_release_is_served_and_goes_on() {
    serves_and_goes_on("layout-1", true);
}

#[test]
fn a_store_from_before_there_were_groups_is_served_and_goes_on() {
    serves_and_goes_on("layout-1-before-groups", false);
}

#[test]
fn a_store_of_a_later_version_is_refused_and_left_alone() {
    let fixture = Fixture::of("layout-1", "refused");
    let tenant = Tenant { id: fixture.text("tenant"), token: fixture.text("token") };
    for space in [format!("t.{}.head", tenant.id), "r.head".to_owned()] {
        relabel(&fixture.state, &space, LAYOUT + 1);
        let before = everything(&fixture.state);
        let mut host = Host::start(&fixture.state);
        let refused = if space == "r.head" {
            life::admin(&mut host, "GET", "/tenants", None).expect(503).text("/error/message")
        } else {
            tenant.admin(&mut host, "DELETE", "/connection", None).expect(503);
            tenant.create(&mut host, "new@contoso.com").expect(503);
            tenant.find(&mut host, "User0@Contoso.com").expect(503).text("/detail")
        };
        assert!(refused.contains("a later version has written the data"), "{refused}");
        drop(host);
        assert_eq!(everything(&fixture.state), before, "{space}");
        relabel(&fixture.state, &space, 1);
    }
}

fn open(state: &Path) -> std::sync::Arc<dyn Store> {
    Database::open(&state.join(Database::FILE_NAME)).unwrap().store(Stores::DEFAULT)
}

fn relabel(state: &Path, key: &str, layout: u32) {
    let store = open(state);
    let mut head: Value = serde_json::from_slice(&store.get(key).unwrap().unwrap()).unwrap();
    head["layout"] = layout.into();
    store.set(key, &serde_json::to_vec(&head).unwrap()).unwrap();
}

fn everything(state: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let store = open(state);
    let mut keys = store.list_keys().unwrap();
    keys.sort();
    keys.into_iter().map(|key| (key.clone(), store.get(&key).unwrap())).collect()
}

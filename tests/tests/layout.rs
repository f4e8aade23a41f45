//! Stores that earlier versions have written, opened by this one: everything is served as it was, and goes on.
//!
//! Each fixture is what a host of its time left behind, with the answers that it gave last: as SQLite's file
//! `layout-1-before-groups` by a version that knew no groups and `layout-1` by the one after it; as a list of keys and
//! values `layout-2` and `layout-3`, with names that are one name by full case folding, with values that many share, a
//! snapshot that nobody ended, an import that has come half way, and a backup.

use acceptance::backup::{content, export, import, restore};
use acceptance::hosted;
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::program::{Host, fresh};
use acceptance::run::Server;
use acceptance::store::{Backend, Fault};
use acceptance::world::World;
use http::Request;
use rollcall_core::connection::cache::FRESH;
use rollcall_core::keys::{Space, TenantId};
use rollcall_core::ledger::{Error, HOLD, LAYOUT, Ledger, Look, MIGRATING_MAX, Memory, Waiter};
use rollcall_core::tenant::state::TenantState;
use rollcall_host::keyvalue::{Database, Store, Stores};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    expect_answers(&mut host, &fixture.left, name);
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
        let findings = Tenant { id: tenant, token: String::new() }.check(&mut host);
        assert_eq!(findings, [] as [String; 0], "{what}");
    }
    assert_eq!(tenant.check(&mut host), [] as [String; 0]);

    let file = export(&mut host, &tenant.id);
    let mut elsewhere = Host::start(&fresh(&format!("{name}-elsewhere")));
    restore(&mut elsewhere, &tenant.id, &file);
    assert_eq!(content(&export(&mut elsewhere, &tenant.id)), content(&file));
}

/// Everything is answered as it was.
fn expect_answers(server: &mut dyn Server, left: &Value, name: &str) {
    for asked in left["answers"].as_array().unwrap() {
        let (path, token) = (asked["path"].as_str().unwrap(), asked["token"].as_str().unwrap());
        let request =
            Request::get(path).header("host", "scim.example.com").header("authorization", format!("Bearer {token}"));
        let answer = server.answer(request.body(Vec::new()).unwrap());
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(says(&body, &asked["body"]), "{name} {path}\nnow  {body}\nthen {}", asked["body"]);
    }
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

/// A store as a list of keys and values, and whose it is.
struct Listed {
    left: Value,
    tenant: Tenant,
}

impl Listed {
    fn of(name: &str) -> Listed {
        let path = hosted::root().join(format!("tests/fixtures/{name}.json"));
        let left: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let text = |name: &str| left[name].as_str().unwrap().to_owned();
        let tenant = Tenant { id: text("tenant"), token: text("token") };
        Listed { left, tenant }
    }

    /// A world with that store, at the time at which it was left.
    fn world(&self, backend: Backend) -> World {
        let world = World::on(backend, &BTreeMap::new());
        world.time.pass(Duration::from_millis(self.left["time"].as_u64().unwrap()));
        for (key, value) in self.left["store"].as_object().unwrap() {
            // What was found out about the store of that time is no matter here.
            if !key.starts_with("r.store") && !key.starts_with("p.") {
                world.store.plant(key, Some(stored(value, backend)));
            }
        }
        world
    }

    fn user(&self, name: &str) -> String {
        self.left["users"][name].as_str().unwrap().to_owned()
    }

    fn findings(&self, server: &mut Native) -> Vec<String> {
        let found = self.tenant.admin(server, "GET", "/check", None).expect(200).body["findings"].take();
        serde_json::from_value(found).unwrap()
    }
}

/// A value of the list; a counter as the backend has it.
fn stored(value: &Value, backend: Backend) -> Vec<u8> {
    if let Some(text) = value.as_str() {
        return text.as_bytes().to_vec();
    }
    let bytes: Vec<u8> = serde_json::from_value(value["bytes"].clone()).unwrap();
    match <[u8; 8]>::try_from(bytes.as_slice()) {
        Ok(number) if !backend.name.contains("SQLite") => i64::from_le_bytes(number).to_string().into_bytes(),
        Ok(_) | Err(_) => bytes,
    }
}

fn ids(page: &Value) -> Vec<&str> {
    page["Resources"].as_array().unwrap().iter().map(|resource| resource["id"].as_str().unwrap()).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn a_store_of_layout_2_or_3_is_served_and_goes_on() {
    for name in ["layout-2", "layout-3"] {
        let listed = Listed::of(name);
        for backend in Backend::FIT {
            let mut server = Native::within(&listed.world(backend));
            expect_answers(&mut server, &listed.left, name);
            let tenant = &listed.tenant;
            let mut find = |filter: &str| {
                let path = format!("/Users?filter={}", percent(filter));
                let page = tenant.scim(&mut server, "GET", &path, None).expect(200).body;
                ids(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
            };
            for (filter, user) in [
                ("userName eq \"ΩΜΈΓΑΣ\"", "Ωμέγας"),
                ("userName eq \"CAF\u{c9}\"", "cafe\u{301}"),
                ("userName eq \"full\"", "ＦＵＬＬ"),
                ("userName eq \"LARGE SS\"", "large ß"),
                ("userName eq \"i\u{307}rem\"", "İrem"),
                ("externalId eq \"object of νικοσ\"", "νικοσ"),
                ("userName sw \"ΩΜΈΓΑΣ\"", "Ωμέγας"),
                ("emails eq \"ΩΜΈΓΑΣ@CONTOSO.COM\"", "Ωμέγας"),
            ] {
                assert_eq!(find(filter), [listed.user(user)], "{name} {filter}");
            }
            assert_eq!(find("emails eq \"ss@contoso.com\"").len(), 2);
            life::of_a_user(&mut server, tenant, life::Wire::Legacy, "alice@contoso.com");
            let export_of_all = export(&mut server, &tenant.id);
            let mut elsewhere = Native::within(&World::new(&BTreeMap::new()));
            // Times that have not come yet would count nothing there.
            elsewhere.world.time.pass(server.world.time.passed());
            restore(&mut elsewhere, &tenant.id, &export_of_all);
            assert_eq!(content(&export(&mut elsewhere, &tenant.id)), content(&export_of_all));
            assert_eq!(listed.findings(&mut elsewhere), listed.findings(&mut server));
        }
    }
}

#[test]
fn two_users_whose_names_have_become_one_both_stay_and_are_named() {
    let listed = Listed::of("layout-3");
    let tenant = &listed.tenant;
    let world = listed.world(Backend::SQLITE);
    let mut server = Native::within(&world);
    for (older, younger) in [("νικοσ", "ΝΙΚΟΣ"), ("STRASSE", "straße")] {
        for name in [older, younger] {
            let path = format!("/Users?filter={}", percent(&format!("userName eq \"{name}\"")));
            let page = tenant.scim(&mut server, "GET", &path, None).expect(200).body;
            assert_eq!(ids(&page), [listed.user(older), listed.user(younger)], "{name}");
            assert_eq!(tenant.create(&mut server, name).expect(409).text("/scimType"), "uniqueness");
        }
    }
    let said = |text: &str| world.log.borrow().iter().filter(|line| line.contains(text)).count();
    assert_eq!((said("have one name by full case folding"), said("groups")), (3, 1), "{:?}", world.log.borrow());
    assert!(!world.log.borrow().iter().any(|line| line.contains("νικο") || line.contains("stra")), "no name is logged");
    let findings = listed.findings(&mut server);
    assert_eq!(findings.len(), 3, "{findings:?}");
    let pair = [listed.user("STRASSE"), listed.user("straße")];
    assert!(findings.iter().any(|finding| finding.starts_with(&format!("userName: {pair:?}"))), "{findings:?}");
    let repair = tenant.admin(&mut server, "POST", "/repair", None).expect(200).body;
    assert_eq!((&repair["mended"], repair["left"].as_array().map(Vec::len)), (&json!(0), Some(3)), "{repair}");

    // Each can be changed and keeps its place; one that is renamed gives the name to the other alone.
    for (user, title) in [("STRASSE", "one"), ("straße", "two")] {
        let change = json!([{"op": "replace", "path": "title", "value": title}]);
        tenant.patch(&mut server, &listed.user(user), &change).expect(200);
    }
    assert_eq!(listed.findings(&mut server), findings);
    for (user, name) in [("straße", "gasse"), ("νικοσ", "nikos")] {
        let rename = json!([{"op": "replace", "path": "userName", "value": name}]);
        tenant.patch(&mut server, &listed.user(user), &rename).expect(200);
    }
    let page = tenant.scim(&mut server, "GET", "/Users?filter=userName+eq+%22strasse%22", None).expect(200).body;
    assert_eq!(ids(&page), [listed.user("STRASSE")]);
    assert_eq!(tenant.create(&mut server, "straße").expect(409).text("/scimType"), "uniqueness");
    let groups =
        tenant.scim(&mut server, "GET", "/Groups?filter=displayName+eq+%22%CE%9D%CE%99%CE%9A%CE%9F%CE%A3%22", None);
    let groups = groups.expect(200).body;
    assert_eq!(ids(&groups).len(), 2);
    tenant.scim(&mut server, "DELETE", &format!("/Groups/{}", ids(&groups)[1]), None).expect(204);
    assert_eq!(listed.findings(&mut server), [] as [String; 0]);
}

#[test]
fn a_backup_of_an_earlier_layout_is_imported_whole_with_names_that_have_become_one() {
    for name in ["layout-2", "layout-3"] {
        let listed = Listed::of(name);
        let backup = listed.left["backup"].as_str().unwrap();
        let id = listed.left["small"]["tenant"].as_str().unwrap().to_owned();
        let tenant = Tenant { id, token: listed.left["small"]["token"].as_str().unwrap().to_owned() };
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        restore(&mut server, &tenant.id, backup);
        let users = tenant.scim(&mut server, "GET", "/Users?filter=userName+eq+%22strasse@contoso.com%22", None);
        assert_eq!(users.expect(200).body["totalResults"], 2);
        let findings = tenant.admin(&mut server, "GET", "/check", None).expect(200).body;
        assert_eq!(findings["findings"].as_array().map(Vec::len), Some(2), "{findings}");

        // The import that was under way when the new version came goes on where it stood.
        let restoring = listed.left["restoring"].as_str().unwrap();
        let mut server = Native::within(&listed.world(Backend::SQLITE));
        let (status, answer) = import(&mut server, restoring, backup);
        assert_eq!((status, &answer["state"], &answer["users"]), (200, &json!("done"), &json!(2)), "{answer}");
    }
}

#[test]
fn a_migration_that_fails_at_any_step_loses_nothing_and_goes_on() {
    let listed = Listed::of("layout-3");
    for backend in [Backend::SQLITE, Backend::DYNAMODB] {
        let begun = listed.world(backend);
        // The store was tested, which is no part of it.
        life::admin(&mut Native::within(&begun), "POST", "/store", None).expect(200);
        let values = |world: &World| -> BTreeMap<String, Vec<u8>> {
            let prefix = format!("t.{}.", listed.tenant.id);
            let keys = world.store.keys().into_iter().filter(|key| key.starts_with(&prefix));
            let passing = ["head", "beat", "trail.", "turn.", "heal.", "intent.", "j.", "before.", "kept."];
            let keys = keys.filter(|key| !passing.iter().any(|part| key[prefix.len()..].starts_with(part)));
            let full = |key: String| Some((key.clone(), world.store.value(&key).filter(|value| !value.is_empty())?));
            keys.filter_map(full).collect()
        };
        let look = |world: &World| listed.tenant.find(&mut Native::within(world), "u7").status;
        let whole = begun.fork();
        whole.store.forget_calls();
        assert_eq!(look(&whole), 200);
        let (steps, expected) = (whole.store.steps().len(), values(&whole));
        assert!(steps > 300, "{steps}");
        // Each of the writes and some of the reads.
        let verbs = whole.store.steps();
        for step in (0..steps).filter(|step| verbs[*step].writes() || step.is_multiple_of(43)) {
            for (until, fault) in [(step + 1, Fault::Refused), (step + 1, Fault::Lost), (usize::MAX, Fault::Refused)] {
                let world = begun.fork();
                world.store.forget_calls();
                world.store.fail(step..until, fault);
                look(&world);
                world.store.forget_calls();
                // By then the turn of who died has been passed over.
                world.time.pass(Duration::from_secs(30));
                let context = format!("{fault:?} at step {step} until {until} on {}", backend.name);
                assert_eq!(look(&world), 200, "{context}");
                assert!(values(&world) == expected, "{context}");
            }
        }
    }
}

/// Looks until the tenant's turn comes. Answers how many looks that took, how many of them gave up, and how long the
/// longest was, where each tenth step of the store takes so long.
fn migrate_slowly(listed: &Listed, slow: Duration) -> (usize, usize, Duration) {
    let world = listed.world(Backend::SQLITE);
    life::admin(&mut Native::within(&world), "POST", "/store", None).expect(200);
    let (ports, memory) = (world.ports(), Memory::default());
    let ledger = Ledger { ports: &ports, settings: world.settings(), memory: &memory };
    let arrive = || Waiter::arrive(&ports, Space::tenant(&TenantId::parse(&listed.tenant.id).unwrap()));
    let (mut waiter, mut looks, mut given_up, mut longest) = (arrive(), 0, 0, Duration::ZERO);
    loop {
        world.store.forget_calls();
        for step in (0..2_000).step_by(10) {
            let time = world.time.clone();
            world.store.interrupt(step, move || time.pass(slow));
        }
        let begun = world.time.passed();
        let look = waiter.look::<TenantState>(ledger);
        longest = longest.max(world.time.passed() - begun);
        looks += 1;
        match look {
            Ok(Look::Turn(turn)) => {
                turn.release().unwrap();
                return (looks, given_up, longest);
            }
            Ok(Look::Later(pause)) => world.time.pass(pause),
            Err(error) => {
                assert_eq!(error, Error::Busy);
                given_up += 1;
                waiter = arrive();
            }
        }
    }
}

#[test]
fn a_piece_of_the_migration_is_short_however_slow_the_store_is_and_no_request_waits_for_all_of_them() {
    let listed = Listed::of("layout-3");
    let (fast, given_up, _) = migrate_slowly(&listed, Duration::ZERO);
    assert!((3..8).contains(&fast) && given_up == 0, "{fast} looks");
    let (slow, given_up, longest) = migrate_slowly(&listed, Duration::from_millis(100));
    assert!(slow > fast && given_up > 0, "{slow} looks, {given_up} given up");
    assert!(longest < HOLD, "{longest:?}");
    assert!(MIGRATING_MAX <= HOLD);
}

#[test]
fn damage_stops_no_migration_and_is_mended_after_it() {
    let listed = Listed::of("layout-3");
    let key = |rest: &str| format!("t.{}.{rest}", listed.tenant.id);
    for (damaged, mended) in [("l0.0", true), ("gl1.0", true), ("u.", false), ("m.", true), ("n.", true), ("o.", true)]
    {
        let world = listed.world(Backend::SQLITE);
        let first = world.store.keys().into_iter().find(|found| found.starts_with(&key(damaged))).unwrap();
        world.store.plant(&first, Some(b"{\"no\":\"value of ours\"}".to_vec()));
        let mut server = Native::within(&world);
        listed.findings(&mut server);
        let repair = listed.tenant.admin(&mut server, "POST", "/repair", None).expect(200).body;
        assert_eq!(repair["remaining"], 0, "{damaged}: {repair}");
        // What is left are the names that two have, and the document.
        let findings = listed.findings(&mut server);
        assert_eq!(findings.iter().all(|finding| finding.contains("have the same name")), mended, "{findings:#?}");
    }
}

//! A check and a repair go through a tenant in portions: what differs is found and mended in each of them, whatever others
//! do meanwhile, and what a store cannot list is said.

use acceptance::crowd;
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::store::{Backend, Fault};
use acceptance::world::World;
use rollcall_core::directory::audit::LOOKED_AT_ONCE;
use rollcall_core::http::SELF_REPAIR_FOR;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// Users whose seats and entries no portion takes at once.
const USERS: usize = 1_500;

/// A tenant with users, and a group of some of them.
struct Setting {
    server: Native,
    tenant: Tenant,
    users: Vec<String>,
    group: String,
}

impl Setting {
    fn on(backend: Backend, users: usize) -> Setting {
        let mut server = Native::within(&World::on(backend, &BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let users = crowd::gather(&server.world, &tenant.id, users);
        let members: Vec<Value> = users.iter().take(100).map(|id| json!({"value": id})).collect();
        let body = json!({"displayName": "Sales", "members": members});
        let group = tenant.scim(&mut server, "POST", "/Groups", Some(&body)).expect(201).text("/id");
        Setting { server, tenant, users, group }
    }

    fn key(&self, rest: &str) -> String {
        format!("t.{}.{rest}", self.tenant.id)
    }

    fn plant(&self, rest: &str, value: Option<Value>) {
        self.server.world.store.plant(&self.key(rest), value.map(|value| value.to_string().into_bytes()));
    }

    fn value(&self, rest: &str) -> Value {
        serde_json::from_slice(&self.server.world.store.value(&self.key(rest)).unwrap()).unwrap()
    }

    fn check(&mut self) -> Vec<String> {
        self.tenant.check(&mut self.server)
    }

    /// One call of the repair.
    fn repair(&mut self, position: Option<&str>) -> Value {
        self.slow_down();
        let path = position.map_or("/repair".to_owned(), |position| format!("/repair?position={position}"));
        self.tenant.admin(&mut self.server, "POST", &path, None).expect(200).body
    }

    /// All calls of a repair. Answers how many values were mended, and what was left or not looked at.
    fn repair_all(&mut self, mut between: impl FnMut(&mut Setting)) -> (u64, Vec<Value>) {
        let (mut mended, mut left, mut answer) = (0, Vec::new(), self.repair(None));
        loop {
            mended += answer["mended"].as_u64().unwrap();
            left.extend(["left", "unlooked"].iter().flat_map(|member| answer[member].as_array().unwrap().clone()));
            let Some(position) = answer["position"].as_str().map(str::to_owned) else {
                assert_eq!((&answer["done"], &answer["remaining"]), (&json!(true), &json!(0)));
                return (mended, left);
            };
            assert_ne!(answer["remaining"], 0);
            between(self);
            answer = self.repair(Some(&position));
        }
    }

    /// Lets the store take more than a second for each thousand steps, so that a call has time for a portion and no more.
    fn slow_down(&self) {
        self.server.world.store.forget_calls();
        for step in (0..100_000).step_by(1_000) {
            let time = self.server.world.time.clone();
            self.server.world.store.interrupt(step, move || time.pass(Duration::from_millis(1_100)));
        }
    }
}

#[test]
fn damage_is_found_and_mended_in_whatever_portion_it_is() {
    for backend in [Backend::SQLITE, Backend::GUARDED_SQLITE] {
        let mut setting = Setting::on(backend, USERS);
        assert!(u64::try_from(USERS).unwrap() * 2 > LOOKED_AT_ONCE, "one portion is not enough");
        assert_eq!(setting.check(), [] as [String; 0], "{}", backend.name);
        // The first and the last user, a leaf in the middle, a node, a value that belongs to nobody, and a member.
        for nth in [0, USERS - 1] {
            let key = |letter: &str| format!("{letter}.");
            let prefix = setting.key(&key("x"));
            let entries = setting.server.world.store.keys().into_iter().filter(|key| key.starts_with(&prefix));
            let id = setting.users[nth].clone();
            let names =
                |key: &String| String::from_utf8(setting.server.world.store.value(key).unwrap()).unwrap().contains(&id);
            let entry = entries.into_iter().find(names).unwrap();
            setting.server.world.store.plant(&entry, None);
        }
        setting.plant("l0.7", None);
        setting.plant("l1.0", Some(json!([1, 2, 3])));
        setting.plant("m.AAAAAAAAAAAAAAAAAAAAAAAA", Some(json!([[1, setting.users[1]]])));
        setting.plant(&format!("gm.{}.0.1", setting.group), None);
        let found = setting.check();
        for part in ["x.", "l1.0", "m.AAAA", "has no seat", "edge: "] {
            assert!(found.iter().any(|finding| finding.contains(part)), "{}: {part}: {found:#?}", backend.name);
        }
        let (mended, left) = setting.repair_all(|_| {});
        assert!(mended > 64, "{mended}");
        assert_eq!((left.as_slice(), setting.check().as_slice()), (&[][..], &[][..]), "{}", backend.name);
        assert_eq!(setting.repair_all(|_| {}), (0, Vec::new()));
        let members = setting.tenant.scim(&mut setting.server, "GET", &format!("/Groups/{}", setting.group), None);
        assert_eq!(members.expect(200).body["members"].as_array().map(Vec::len), Some(100));
        let all = setting.tenant.scim(&mut setting.server, "GET", "/Users?count=0", None).expect(200);
        assert_eq!(all.body["totalResults"], USERS);
    }
}

#[test]
fn a_repair_goes_on_while_others_change_the_tenant_and_only_the_count_of_active_users_waits() {
    let mut setting = Setting::on(Backend::GUARDED_SQLITE, USERS);
    setting.plant("l0.3", None);
    let mut head = setting.value("head");
    head["active"] = json!(5);
    setting.plant("head", Some(head));
    let mut number = 0;
    let (mended, unlooked) = setting.repair_all(|setting| {
        number += 1;
        setting.tenant.create(&mut setting.server, &format!("new{number}")).expect(201);
        let first = setting.users[number].clone();
        setting.tenant.delete(&mut setting.server, &first).expect(204);
    });
    assert!(mended >= 64 && number > 1, "{mended} in {number}");
    assert_eq!(unlooked, [json!("head: the count of active users; others changed users meanwhile")]);
    let active = u64::try_from(USERS).unwrap();
    assert_eq!(setting.check(), [format!("head: counts 5 active users, there are {active}")]);
    setting.repair_all(|_| {});
    assert_eq!(setting.check(), [] as [String; 0]);
}

#[test]
fn a_check_beside_requests_that_change_no_user_looks_at_everything() {
    let mut setting = Setting::on(Backend::GUARDED_SQLITE, USERS);
    let (mut calls, mut path) = (0, "/check".to_owned());
    loop {
        setting.slow_down();
        let answer = setting.tenant.admin(&mut setting.server, "GET", &path, None).expect(200).body;
        assert_eq!((&answer["findings"], &answer["unlooked"]), (&json!([]), &json!([])));
        calls += 1;
        let Some(position) = answer["position"].as_str() else { break };
        assert!(answer["looked"].as_u64() < answer["of"].as_u64(), "{answer}");
        path = format!("/check?position={position}");
        // Their records, and the counts of the traffic, are written in turns.
        setting.tenant.find(&mut setting.server, "user7@contoso.com").expect(200);
        let group = json!({"displayName": format!("Group {calls}")});
        setting.tenant.scim(&mut setting.server, "POST", "/Groups", Some(&group)).expect(201);
    }
    assert!(calls > 1, "{calls}");
}

#[test]
fn a_position_in_another_tenant_is_the_beginning() {
    let mut setting = Setting::on(Backend::GUARDED_SQLITE, USERS);
    setting.slow_down();
    let answer = setting.tenant.admin(&mut setting.server, "GET", "/check", None).expect(200).body;
    let path = format!("/repair?position={}", answer["position"].as_str().unwrap());
    let other = Tenant::connect(&mut setting.server);
    crowd::gather(&setting.server.world, &other.id, 3);
    setting.server.world.store.plant(&format!("t.{}.l0.0", other.id), None);
    let repair = other.admin(&mut setting.server, "POST", &path, None).expect(200).body;
    assert_eq!((&repair["mended"], &repair["done"]), (&json!(3), &json!(true)), "{repair}");
    assert_eq!(other.check(&mut setting.server), [] as [String; 0]);
}

/// What somebody else does to the users and the group of a tenant.
type Change = fn(&mut Native, &Tenant, &[String], &str);

/// What somebody else does while a check looks.
const CHANGES: [Change; 4] = [
    |server, tenant, _, _| assert_eq!(tenant.create(server, "new").status, 201),
    |server, tenant, users, _| assert_eq!(tenant.delete(server, &users[2]).status, 204),
    |server, tenant, users, group| {
        let change = json!([
            {"op": "Remove", "path": format!("members[value eq \"{}\"]", users[0])},
            {"op": "Add", "path": "members", "value": [{"value": users[4]}]},
        ]);
        let group = format!("/Groups/{group}");
        assert_eq!(tenant.scim(server, "PATCH", &group, Some(&life::patch(&change))).status / 100, 2);
    },
    |server, tenant, users, _| {
        let change = json!([{"op": "Replace", "path": "userName", "value": "renamed"}]);
        assert_eq!(tenant.patch(server, &users[3], &change).status, 200);
    },
];

#[test]
fn a_change_at_any_step_of_a_check_makes_no_finding() {
    for backend in [Backend::SQLITE, Backend::GUARDED_SQLITE, Backend::DYNAMODB] {
        for (nth, change) in CHANGES.into_iter().enumerate() {
            let setting = Setting::on(backend, 5);
            let mut whole = setting.fork();
            whole.server.world.store.forget_calls();
            assert_eq!(whole.check(), [] as [String; 0]);
            let steps = whole.server.world.store.steps().len();
            for step in (0..steps).step_by(3) {
                let mut setting = setting.fork();
                let other = Rc::new(RefCell::new(Native::within(&setting.server.world)));
                let (tenant, users, group) = (setting.tenant.clone(), setting.users.clone(), setting.group.clone());
                setting.server.world.store.forget_calls();
                setting.server.world.store.interrupt(step, move || {
                    change(&mut other.borrow_mut(), &tenant, &users, &group);
                });
                let found = setting.check();
                assert!(setting.server.world.store.was_interrupted());
                assert_eq!(found, [] as [String; 0], "change {nth} at step {step} on {}", backend.name);
            }
        }
    }
}

impl Setting {
    /// A copy that goes its own way from here.
    fn fork(&self) -> Setting {
        let server = Native::within(&self.server.world.fork());
        Setting { server, tenant: self.tenant.clone(), users: self.users.clone(), group: self.group.clone() }
    }
}

#[test]
fn what_a_store_cannot_list_is_said_and_nothing_is_counted_away_for_it() {
    let mut setting = Setting::on(Backend::SQLITE, 200);
    setting.server.world.store.list_no_keys();
    let unlooked = "keys: resources without a seat, and entries, edges and leaves that nothing leads to; the store has \
                    more keys than it lists";
    assert_eq!(setting.check(), [unlooked]);
    // What rosters lead to is mended all the same.
    setting.plant(&format!("e.{}.{}", setting.group, setting.users[3]), None);
    setting.plant("m.AAAAAAAAAAAAAAAAAAAAAAAA", Some(json!([[1, setting.users[1]]])));
    assert_eq!(setting.check().len(), 2);
    assert_eq!(setting.repair_all(|_| {}), (1, vec![json!(unlooked)]));
    assert_eq!(setting.check(), [unlooked]);
    // A leaf can be made again from the documents alone, which only their keys lead to.
    setting.plant("l0.1", None);
    let (mended, left) = setting.repair_all(|_| {});
    assert_eq!((mended, left.len()), (0, 3), "{left:?}");
    assert!(left[0].as_str().unwrap().contains("l0.1 is lost"), "{left:?}");
    let all = setting.tenant.scim(&mut setting.server, "GET", "/Users?count=0", None).expect(200);
    assert_eq!(all.body["totalResults"], 200);
}

#[test]
fn a_position_that_is_none_is_refused_and_any_other_is_harmless() {
    let mut setting = Setting::on(Backend::GUARDED_SQLITE, 20);
    let prefix = setting.key("");
    let (server, tenant) = (&mut setting.server, &setting.tenant);
    for wrong in ["x", "AAAA", "eyJwbGFjZSI6bnVsbH0", &"A".repeat(2_000)] {
        for (method, path) in [("GET", "check"), ("POST", "repair")] {
            let reply = tenant.admin(server, method, &format!("/{path}?position={wrong}"), None).expect(400);
            assert_eq!(reply.text("/error/message"), "position: expected that of the answer before");
        }
    }
    // As text: {"place":{"Seats":["user",4294967296]},…} and a cursor that names another tenant's keys.
    for place in [
        json!({"Seats": ["user", 1_u64 << 32]}),
        json!({"Members": [1_u64 << 32, 1_u64 << 32]}),
        json!({"Documents": "t.somebody00.u."}),
        json!({"Strays": "\u{10ffff}"}),
        json!("Close"),
    ] {
        let position = json!({
            "place": place, "active": 3, "uncounted": false, "steady": null, "of_space": prefix, "unlisted": false, "looked": u64::MAX, "of": 7
        });
        let text = base64(position.to_string().as_bytes());
        for (method, path) in [("GET", "check"), ("POST", "repair")] {
            tenant.admin(server, method, &format!("/{path}?position={text}"), None).expect(200);
        }
    }
    assert_eq!(setting.check(), [] as [String; 0]);
}

/// RFC 4648 §5, without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// Steps of the store after which an instance dies: those of about one portion.
const STEPS_OF_A_LIFE: usize = 7_000;

#[test]
fn a_large_tenant_that_is_closed_is_mended_in_portions_by_whoever_comes() {
    let mut setting = Setting::on(Backend::SQLITE, USERS);
    let mut head = setting.value("head");
    head["damage"] = json!({"since": "2026-01-01T00:00:00Z", "found": "a test"});
    setting.plant("head", Some(head));
    setting.plant("l0.2", None);
    setting.plant("l0.20", None);
    let (mut positions, mut refused) = (BTreeSet::new(), 0);
    loop {
        // Each instance goes on with what the head says.
        setting.server = Native::within(&setting.server.world);
        // It dies after a few portions.
        setting.server.world.store.forget_calls();
        setting.server.world.store.fail(STEPS_OF_A_LIFE..usize::MAX, Fault::Refused);
        let reply = setting.tenant.create(&mut setting.server, "new");
        setting.server.world.store.forget_calls();
        setting.server.world.time.pass(Duration::from_secs(60));
        if reply.status == 201 {
            break;
        }
        reply.expect(503);
        refused += 1;
        positions.insert(setting.value("head")["damage"]["position"].to_string());
        assert!(refused < 50, "{positions:?}");
    }
    assert!(refused > 1 && positions.len() == refused, "{refused}: {positions:?}");
    assert_eq!(setting.value("head")["damage"], Value::Null);
    setting.tenant.delete(&mut setting.server, &setting.users[0].clone()).expect(204);
    assert_eq!(setting.check(), [] as [String; 0]);
}

#[test]
fn an_instance_goes_on_mending_a_tenant_that_a_request_had_to_leave_closed() {
    let mut setting = Setting::on(Backend::SQLITE, USERS);
    setting.server = Native::within(&setting.server.world);
    let mut head = setting.value("head");
    head["damage"] = json!({"since": "2026-01-01T00:00:00Z", "found": "a test"});
    setting.plant("head", Some(head));
    setting.plant("l0.2", None);
    setting.plant("l0.20", None);
    assert!(!setting.server.rollcall.has_repairs());
    setting.slow_down();
    // Without the record of it, which needs the same turn.
    let request = setting.tenant.request("POST", "/Users", Some(&life::user("new")));
    assert_eq!(setting.server.rollcall.handle(request).status(), 503);
    setting.server.world.store.forget_calls();
    assert_ne!(setting.value("head")["damage"], Value::Null);

    let mut portions = 0;
    while setting.server.rollcall.has_repairs() {
        setting.server.rollcall.repair_next_portions();
        portions += 1;
    }
    assert!(portions > 0);
    assert_eq!(setting.value("head")["damage"], Value::Null);
    assert!(setting.tenant.journal(&mut setting.server).iter().any(|record| record["action"] == "mend"));
    setting.tenant.create(&mut setting.server, "new").expect(201);
    assert_eq!(setting.check(), [] as [String; 0]);
}

#[test]
fn an_instance_that_mends_by_itself_stops_before_it_would_be_ended() {
    let mut setting = Setting::on(Backend::SQLITE, USERS);
    setting.server = Native::within(&setting.server.world);
    let mut head = setting.value("head");
    head["damage"] = json!({"since": "2026-01-01T00:00:00Z", "found": "a test"});
    setting.plant("head", Some(head));
    setting.slow_down();
    let request = setting.tenant.request("POST", "/Users", Some(&life::user("new")));
    assert_eq!(setting.server.rollcall.handle(request).status(), 503);
    setting.server.world.store.forget_calls();
    setting.server.world.time.pass(SELF_REPAIR_FOR - Duration::from_secs(1));
    assert!(setting.server.rollcall.has_repairs());
    setting.server.world.time.pass(Duration::from_secs(1));
    assert!(!setting.server.rollcall.has_repairs());
    // The next request goes on.
    setting.tenant.create(&mut setting.server, "new").expect(201);
}

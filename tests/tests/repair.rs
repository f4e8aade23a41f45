//! Damage of each kind is named by the check, mended by the repair, and then life goes on.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::store::{Backend, Fault};
use acceptance::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Alice and Bob, and Sales that has both of them and the group Inner.
struct Setting {
    server: Native,
    tenant: Tenant,
    alice: String,
    bob: String,
    sales: String,
    inner: String,
}

impl Setting {
    fn on(backend: Backend) -> Setting {
        let mut server = Native::within(&World::on(backend, &BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let mut user = |name: &str| tenant.create(&mut server, name).expect(201).text("/id");
        let (alice, bob) = (user("alice"), user("bob"));
        let mut group = |name: &str, members: Value| {
            let body = json!({"displayName": name, "members": members});
            tenant.scim(&mut server, "POST", "/Groups", Some(&body)).expect(201).text("/id")
        };
        let inner = group("Inner", json!([]));
        let sales = group("Sales", json!([{"value": alice}, {"value": bob}, {"value": inner}]));
        Setting { server, tenant, alice, bob, sales, inner }
    }

    /// A copy that goes its own way from here, in a new instance.
    fn fork(&self) -> Setting {
        let server = Native::within(&self.server.world.fork());
        let (tenant, alice, bob) = (self.tenant.clone(), self.alice.clone(), self.bob.clone());
        Setting { server, tenant, alice, bob, sales: self.sales.clone(), inner: self.inner.clone() }
    }

    fn admin(&mut self, method: &str, path: &str) -> Value {
        self.tenant.admin(&mut self.server, method, path, None).expect(200).body
    }

    fn findings(&mut self) -> Vec<String> {
        let findings = self.admin("GET", "/check")["findings"].take();
        findings.as_array().unwrap().iter().map(|finding| finding.as_str().unwrap().to_owned()).collect()
    }

    fn key(&self, rest: &str) -> String {
        format!("t.{}.{rest}", self.tenant.id)
    }

    fn keys(&self, part: &str) -> Vec<String> {
        let prefix = self.key(part);
        self.server.world.store.keys().into_iter().filter(|key| key.starts_with(&prefix)).collect()
    }

    fn plant(&self, rest: &str, value: Value) {
        let key = if rest.starts_with("t.") { rest.to_owned() } else { self.key(rest) };
        let bytes = (!value.is_null()).then(|| value.to_string().into_bytes());
        self.server.world.store.plant(&key, bytes);
    }

    fn change(&self, rest: &str, change: impl FnOnce(&mut Value)) {
        let key = if rest.starts_with("t.") { rest.to_owned() } else { self.key(rest) };
        let mut value: Value = serde_json::from_slice(&self.server.world.store.value(&key).unwrap()).unwrap();
        change(&mut value);
        self.plant(&key, value);
    }

    /// Everybody is found, in every way, and members come and go.
    fn expect_life(&mut self) {
        let (server, tenant) = (&mut self.server, &self.tenant);
        for (name, id) in [("alice", &self.alice), ("bob", &self.bob)] {
            assert_eq!(tenant.find(server, name).expect(200).text("/Resources/0/id"), *id);
        }
        assert_eq!(tenant.scim(server, "GET", "/Users", None).expect(200).body["totalResults"], 2);
        let sales = format!("/Groups/{}", self.sales);
        let members = tenant.scim(server, "GET", &sales, None).expect(200).body["members"].take();
        assert_eq!(members.as_array().map(Vec::len), Some(3), "{members}");
        let carol = tenant.create(server, "carol").expect(201).text("/id");
        let add = life::patch(&json!([{"op": "Add", "path": "members", "value": [{"value": carol}]}]));
        tenant.scim(server, "PATCH", &sales, Some(&add)).expect(204);
        tenant.delete(server, &self.alice).expect(204);
        tenant.scim(server, "DELETE", &sales, None).expect(204);
        assert_eq!(self.findings(), [] as [String; 0]);
    }
}

/// A name and what is done to the store.
type Damage = (&'static str, fn(&Setting));

/// Whatever can be made anew, gone, wrong, unreadable or too much.
const DAMAGES: [Damage; 23] = [
    ("an index entry is gone", |s| s.plant(&s.keys("n.")[0], Value::Null)),
    ("an index entry names somebody else", |s| s.plant(&s.keys("n.")[0], json!([s.inner]))),
    ("an earlier state of a user stands under its name", |s| {
        s.change(&s.keys("n.")[0], |user| user["attributes"]["displayName"] = json!("Earlier"))
    }),
    ("what stands under a name does not read", |s| s.plant(&s.keys("n.")[0], json!({"no": "user"}))),
    ("an index entry does not read", |s| s.plant(&s.keys("x.")[0], json!({"no": "list"}))),
    ("an index entry belongs to nobody", |s| s.plant("m.AAAAAAAAAAAAAAAAAAAAAAAA", json!([s.alice]))),
    ("the entry of a group's name is gone", |s| s.plant(&s.keys("p.")[0], Value::Null)),
    ("a leaf of the roster is gone", |s| s.plant("l0.0", Value::Null)),
    ("a leaf has a seat too many", |s| {
        s.change("l0.0", |leaf| leaf.as_array_mut().unwrap().push(json!([9, "nobody"])))
    }),
    ("a leaf does not read", |s| s.plant("l0.0", json!("no leaf"))),
    ("a node counts wrong", |s| s.plant("l1.0", json!([7]))),
    ("the top is gone", |s| s.plant("l3.0", Value::Null)),
    ("the roster of the groups is gone", |s| s.plant("gl0.0", Value::Null)),
    ("the head counts wrong", |s| {
        s.change("head", |head| {
            head["members"] = json!(77);
            head["active"] = json!(0);
            head["groups"]["members"] = json!(5);
        })
    }),
    ("two users have one slot", |s| s.change(&s.keys("u.")[0], |user| user["slot"] = json!(1))),
    ("a user has a slot behind the end", |s| s.change(&s.keys("u.")[0], |user| user["slot"] = json!(200))),
    ("an edge is gone", |s| s.plant(&s.keys("e.")[0], Value::Null)),
    ("an edge says another slot", |s| s.plant(&s.keys("e.")[0], json!(40))),
    ("an edge belongs to no member", |s| s.plant(&format!("e.{}.{}", s.inner, s.alice), json!(0))),
    ("a list of groups is gone", |s| s.plant(&s.keys("o.")[0], Value::Null)),
    ("a list of groups names another one", |s| s.plant(&s.keys("o.")[0], json!([s.inner]))),
    ("the leaf of a group is gone", |s| s.plant(&s.key(&format!("gm.{}.0.0", s.sales)), Value::Null)),
    ("a group counts wrong", |s| s.change(&format!("g.{}", s.sales), |group| group["members"]["members"] = json!(9))),
];

#[test]
fn damage_of_each_kind_is_named_and_mended() {
    for backend in Backend::all_fit() {
        for (what, damage) in DAMAGES {
            let mut setting = Setting::on(backend);
            damage(&setting);
            assert_ne!(setting.findings(), [] as [String; 0], "{what}");
            let repair = setting.admin("POST", "/repair");
            assert_eq!((&repair["remaining"], &repair["left"]), (&json!(0), &json!([])), "{what}: {repair}");
            assert_eq!(setting.findings(), [] as [String; 0], "{what}");
            assert_eq!(setting.admin("POST", "/repair")["mended"], 0, "{what}");
            setting.expect_life();
        }
    }
}

#[test]
fn a_repair_of_what_is_sound_changes_nothing() {
    for backend in Backend::all_fit() {
        let mut setting = Setting::on(backend);
        setting.tenant.delete(&mut setting.server, &setting.bob).expect(204);
        let values = |setting: &Setting| -> BTreeMap<String, Option<Vec<u8>>> {
            let parts = ["u.", "g.", "gm.", "e.", "o.", "n.", "x.", "p.", "l", "gl"];
            let keys = parts.iter().flat_map(|part| setting.keys(part));
            let full =
                |key: String| Some((key.clone(), setting.server.world.store.value(&key).filter(|v| !v.is_empty())));
            keys.filter_map(full).filter(|(_, value)| value.is_some()).collect()
        };
        let before = values(&setting);
        let nothing = json!({"mended": 0, "remaining": 0, "left": [], "unlooked": [], "done": true});
        assert_eq!(setting.admin("POST", "/repair"), nothing);
        assert_eq!(values(&setting), before);
    }
}

#[test]
fn a_member_who_is_gone_leaves_the_group_by_a_new_version() {
    let mut setting = Setting::on(Backend::SQLITE);
    let sales = format!("/Groups/{}", setting.sales);
    let version = setting.tenant.scim(&mut setting.server, "GET", &sales, None).expect(200).text("/meta/version");
    setting.plant(&format!("u.{}", setting.bob), Value::Null);
    assert_ne!(setting.findings(), [] as [String; 0]);
    setting.admin("POST", "/repair");
    assert_eq!(setting.findings(), [] as [String; 0]);
    let group = setting.tenant.scim(&mut setting.server, "GET", &sales, None).expect(200);
    assert_eq!(group.body["members"].as_array().map(Vec::len), Some(2));
    assert_ne!(group.text("/meta/version"), version);
    assert_eq!(setting.tenant.create(&mut setting.server, "bob").status, 201);
}

#[test]
fn what_only_a_person_can_decide_is_left_and_named() {
    let mut setting = Setting::on(Backend::SQLITE);
    let bob = setting.key(&format!("u.{}", setting.bob));
    let before = setting.server.world.store.value(&bob).unwrap();
    setting.plant(&bob, json!("unreadable"));
    setting.plant("l3.0", Value::Null);
    let repair = setting.admin("POST", "/repair");
    assert_eq!(repair["left"].as_array().map(Vec::len), Some(1), "{repair}");
    // Once it reads again, everything around it is as it was.
    setting.server.world.store.plant(&bob, Some(before));
    setting.admin("POST", "/repair");
    setting.expect_life();

    let mut setting = Setting::on(Backend::SQLITE);
    setting.change(&format!("u.{}", setting.bob), |user| {
        let text = user.to_string().replace("\"bob\"", "\"ALICE\"");
        *user = serde_json::from_str(&text).unwrap();
    });
    let repair = setting.admin("POST", "/repair");
    assert!(repair["left"][0].as_str().unwrap().contains("have the same name"), "{repair}");
}

#[test]
fn a_large_damage_is_mended_in_several_calls() {
    let mut setting = Setting::on(Backend::SQLITE);
    for n in 0..401 {
        setting.plant(&format!("m.{n}"), json!(["nobody"]));
    }
    let first = setting.admin("POST", "/repair");
    assert_eq!((&first["mended"], &first["done"]), (&json!(400), &json!(false)), "{first}");
    assert_ne!(first["remaining"], 0);
    let rest = setting.admin("POST", &format!("/repair?position={}", first["position"].as_str().unwrap()));
    assert_eq!(rest, json!({"mended": 1, "remaining": 0, "left": [], "unlooked": [], "done": true}));
    assert_eq!(setting.findings(), [] as [String; 0]);
}

#[test]
fn a_repair_that_fails_at_any_step_can_be_repeated() {
    for backend in Backend::all_fit() {
        let damaged = Setting::on(backend);
        damaged.plant("l0.0", Value::Null);
        damaged.plant(&damaged.keys("n.")[0], Value::Null);
        let mut whole = damaged.fork();
        whole.server.world.store.forget_calls();
        whole.admin("POST", "/repair");
        let steps = whole.server.world.store.steps().len();
        for step in 0..steps {
            for (until, fault) in [(step + 1, Fault::Refused), (step + 1, Fault::Lost), (usize::MAX, Fault::Refused)] {
                let context = format!("{fault:?} at step {step} until {until} on {}", backend.name);
                let mut setting = damaged.fork();
                setting.server.world.store.forget_calls();
                setting.server.world.store.fail(step..until, fault);
                let reply = setting.tenant.admin(&mut setting.server, "POST", "/repair", None);
                assert!(reply.status == 200 || reply.status == 503, "{context}: {reply:?}");
                setting.server.world.store.forget_calls();
                setting.server = Native::within(&setting.server.world);
                // What was answered is done, and nothing is half mended.
                let findings = setting.findings();
                assert!(findings.is_empty() || reply.status == 503, "{context}: {findings:?}");
                assert!(findings.is_empty() || findings == damaged.fork().findings(), "{context}: {findings:?}");
                setting.admin("POST", "/repair");
                assert_eq!(setting.findings(), [] as [String; 0], "{context}");
            }
        }
    }
}

#[test]
fn a_document_that_cannot_be_read_is_left_out_of_lists_and_named() {
    let mut server = Native::new(&BTreeMap::new());
    let tenant = Tenant::connect(&mut server);
    tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
    let users: Vec<String> =
        (0..5).map(|n| tenant.create(&mut server, &format!("user{n}")).expect(201).text("/id")).collect();
    let members: Value = users.iter().map(|id| json!({"value": id})).collect();
    let group = |name: &str| json!({"displayName": name, "members": members});
    let groups: Vec<String> = ["one", "two"]
        .iter()
        .map(|name| tenant.scim(&mut server, "POST", "/Groups", Some(&group(name))).expect(201).text("/id"))
        .collect();
    let spoil = |server: &Native, key: String| {
        let mut bytes = server.world.store.value(&key).unwrap();
        bytes[0] ^= 1;
        server.world.store.plant(&key, Some(bytes));
    };
    spoil(&server, format!("t.{}.u.{}", tenant.id, users[2]));
    spoil(&server, format!("t.{}.g.{}", tenant.id, groups[0]));
    for (path, kind, bad, total) in [("/Users", "user", &users[2], 5), ("/Groups", "group", &groups[0], 2)] {
        for query in
            ["", "?filter=meta.created+pr", "?sortBy=displayName", "?cursor=", "?cursor=&filter=meta.created+pr"]
        {
            let list = tenant.scim(&mut server, "GET", &format!("{path}{query}"), None).expect(200).body;
            let resources = list["Resources"].as_array().unwrap();
            assert_eq!(resources.len(), total - 1, "{path}{query}: {list}");
            assert!(resources.iter().all(|resource| resource["id"] != bad.as_str()), "{path}{query}");
            // RFC 7644 §3.4.2: no more resources than results.
            assert!(list["totalResults"].as_u64().is_none_or(|results| results >= total as u64 - 1), "{path}{query}");
            let operation = tenant.journal(&mut server)[0]["operation"].clone();
            let told = format!("; 1 cannot be read: {kind} {bad}");
            assert!(operation.as_str().unwrap().ends_with(&told), "{path}{query}: {operation}");
        }
        let rows = tenant.admin(&mut server, "GET", &path.to_lowercase(), None).expect(200).body;
        assert_eq!(rows["unreadable"], json!([format!("{kind} {bad}")]));
        let line = format!("list: {kind} {bad} cannot be read and is left out: ");
        assert!(server.world.log.borrow().iter().any(|logged| logged.starts_with(&line)));
        // Who asks for it alone is told.
        tenant.scim(&mut server, "GET", &format!("{path}/{bad}"), None).expect(503);
    }
    let found = tenant.admin(&mut server, "GET", "/users?search=user", None).expect(200).body;
    assert_eq!(found["users"].as_array().unwrap().len(), 4);
    let read = tenant.read(&mut server, &users[0]).expect(200).body;
    assert_eq!(read["groups"].as_array().unwrap().len(), 1);
    let group = tenant.scim(&mut server, "GET", &format!("/Groups/{}", groups[1]), None).expect(200).body;
    assert_eq!(group["members"].as_array().unwrap().len(), 5);
    let findings = tenant.admin(&mut server, "GET", "/check", None).expect(200).body["findings"].to_string();
    assert!(findings.contains(&users[2]) && findings.contains(&groups[0]), "{findings}");
}

#[test]
fn a_seat_without_a_document_does_not_keep_a_tenant_from_being_emptied() {
    let mut server = Native::new(&BTreeMap::new());
    let tenant = Tenant::connect(&mut server);
    let users: Vec<String> =
        (0..3).map(|n| tenant.create(&mut server, &format!("user{n}")).expect(201).text("/id")).collect();
    server.world.store.plant(&format!("t.{}.u.{}", tenant.id, users[1]), None);
    tenant.admin(&mut server, "DELETE", "/connection", None).expect(204);
    let confirm = json!({"confirm": "Contoso"});
    let deleted = tenant.admin(&mut server, "DELETE", "/users", Some(&confirm)).expect(200).body;
    assert_eq!(deleted, json!({"deleted": 3, "remaining": 0}));
    life::admin(&mut server, "DELETE", &format!("/tenants/{}", tenant.id), None).expect(204);
}

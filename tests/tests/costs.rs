//! What a request costs, in calls of the store. Seconds would depend on the machine, calls do not.

use acceptance::crowd;
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Call, Verb};
use acceptance::world::World;
use rollcall_core::connection::cache::FRESH;
use rollcall_core::journal::{ALONE, BATCH, BUFFERED_MAX, WAIT_MAX};
use rollcall_core::keys::{Space, TenantId};
use rollcall_core::ledger::{Ledger, Memory, REMEMBERED_BYTES_MAX, REMEMBERED_MAX, Read as _};
use rollcall_core::settings::LIMITS;
use rollcall_core::tenant::state::TenantTurn;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn a_request_costs_the_same_with_a_thousand_users_and_with_a_hundred_thousand() {
    let (mut small, mut large) = (Setting::of(1_000), Setting::of(100_000));
    for ((what, few), (_, many)) in costs(&mut small).into_iter().zip(costs(&mut large)) {
        assert_eq!((many.calls, many.writes), (few.calls, few.writes), "{what}");
        // The roster's counts are longer: a node has up to 256 children.
        assert!(many.bytes < few.bytes + 4 * 1024, "{what}: {} bytes, then {}", few.bytes, many.bytes);
    }
}

fn costs(setting: &mut Setting) -> Vec<(&'static str, Cost)> {
    let last = format!("/Users?startIndex={}&count=10", setting.users.len() - 9);
    let user = format!("/Users/{}", setting.users[4]);
    let disable = life::patch(&json!([{"op": "Replace", "path": "active", "value": "False"}]));
    let rename = life::patch(&json!([{"op": "Replace", "path": "userName", "value": "renamed@contoso.com"}]));
    let first = setting.tenant.scim(&mut setting.server, "GET", "/Users?cursor&count=10", None).expect(200);
    let next = format!("/Users?count=10&cursor={}", first.text("/nextCursor"));
    let mut cost = |what, method, path: &str, body| (what, setting.sum(method, path, body));
    let mut costs = vec![
        cost("match", "GET", "/Users?filter=userName+eq+%22user7%40contoso.com%22", None),
        cost("no match", "GET", "/Users?filter=userName+eq+%22nobody%40contoso.com%22", None),
        cost("by externalId", "GET", "/Users?filter=externalId+eq+%22object-7%22", None),
        cost("by id", "GET", &user, None),
        cost("count", "GET", "/Users?count=0", None),
        cost("first page", "GET", "/Users?count=10", None),
        cost("last page", "GET", &last, None),
        cost("first page by cursor", "GET", "/Users?cursor&count=10", None),
        cost("next page by cursor", "GET", &next, None),
        cost("disable", "PATCH", &user, Some(disable)),
        cost("rename", "PATCH", &user, Some(rename)),
        cost("duplicate", "POST", "/Users", Some(life::user("user7@contoso.com"))),
        cost("create", "POST", "/Users", Some(life::user("new@contoso.com"))),
        cost("delete", "DELETE", &user, None),
    ];
    setting.server.world.store.forget_calls();
    setting.tenant.admin(&mut setting.server, "GET", "/requests?limit=10", None).expect(200);
    costs.push(("a page of the log", setting.counted()));
    costs
}

/// A component waits for each call, so on a store that is far away a request takes the time of its calls.
#[test]
fn a_page_costs_ten_calls_a_create_seven_and_a_match_one_where_the_store_reads_many_keys() {
    let mut setting = Setting::of(1_000);
    let match_one = "/Users?filter=userName+eq+%22user7%40contoso.com%22";
    // The tenant's connection is known from here on, and the records of reads wait.
    setting.cost("GET", match_one, None);
    let calls = |method: &str, path: &str, body: Option<Value>| {
        setting.server.world.store.forget_calls();
        setting.server.rollcall.handle(setting.tenant.request(method, path, body.as_ref()));
        setting.server.world.store.calls()
    };
    for page in ["/Users?count=100", "/Users?count=100&startIndex=800", "/Users?cursor&count=100"] {
        let calls = calls("GET", page, None);
        assert!(calls.len() <= 10, "{page}: {calls:#?}");
    }
    assert_eq!(calls("GET", match_one, None).len(), 1);
    let create = calls("POST", "/Users", Some(life::user("new@contoso.com")));
    // One of them is for the seats, which the registry keeps.
    assert_eq!(create.len(), 7, "{create:#?}");
}

#[test]
fn a_change_costs_three_write_transactions_at_most_with_its_record() {
    let mut setting = Setting::with_users(3);
    let user = format!("/Users/{}", setting.users[1]);
    let patch = |operations: Value| Some(life::patch(&operations));
    let changes = [
        ("create", "POST", "/Users", Some(life::user("new@contoso.com"))),
        ("update", "PATCH", user.as_str(), patch(json!([{"op": "Replace", "path": "title", "value": "Clerk"}]))),
        (
            "mail",
            "PATCH",
            &user,
            patch(json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}])),
        ),
        ("rename", "PATCH", &user, patch(json!([{"op": "Replace", "path": "userName", "value": "other@contoso.com"}]))),
        ("disable", "PATCH", &user, patch(json!([{"op": "Replace", "path": "active", "value": "False"}]))),
        ("replace", "PUT", &user, Some(life::user("third@contoso.com"))),
        ("delete", "DELETE", &user, None),
    ];
    for (what, method, path, body) in changes {
        let calls = setting.cost(method, path, body);
        assert!((1..=3).contains(&writes(&calls)), "{what}: {calls:#?}");
        let batches: Vec<&Call> = calls.iter().filter(|call| call.verb == Verb::SetMany).collect();
        let [batch] = batches.as_slice() else {
            panic!("{what}: expected one batch, found {batches:#?}");
        };
        assert!(touches(batch, ".j.") && touches(batch, ".u."), "{what}: document and record in one batch: {batch:?}");
    }
}

#[test]
fn a_turn_reads_a_value_once_up_to_the_limits_and_again_above_them() {
    let world = World::new(&BTreeMap::new());
    let (ports, memory) = (world.ports(), Memory::default());
    let ledger = Ledger { ports: &ports, settings: world.settings(), memory: &memory };
    let space = Space::tenant(&TenantId::parse("abcdefghjk").unwrap());
    let key = |name: &str| format!("t.abcdefghjk.{name}");
    let mut turn = TenantTurn::take(ledger, space.clone()).unwrap();
    turn.put(key("as large"), vec![b'x'; REMEMBERED_BYTES_MAX]);
    turn.put(key("larger"), vec![b'x'; REMEMBERED_BYTES_MAX + 1]);
    turn.commit().unwrap();
    let turn = TenantTurn::take(ledger, space).unwrap();
    let reads = |name: &str| {
        world.store.forget_calls();
        let first = turn.get(&key(name)).unwrap();
        assert_eq!(turn.get(&key(name)).unwrap(), first);
        world.store.calls().len()
    };
    assert_eq!((reads("as large"), reads("larger")), (1, 2));
    // One is remembered already.
    for nth in 1..REMEMBERED_MAX {
        assert_eq!(reads(&format!("absent {nth}")), 1, "{nth}");
    }
    assert_eq!(reads("one more"), 2);
    turn.release().unwrap();
}

#[test]
fn a_look_up_of_a_name_costs_one_read_up_to_the_limit_and_two_above_it() {
    let mut setting = Setting::with_users(0);
    let create = |setting: &mut Setting, name: &str, title: usize| {
        let mut user = life::user(name);
        user["title"] = json!("a".repeat(title));
        setting.tenant.scim(&mut setting.server, "POST", "/Users", Some(&user)).expect(201).text("/id")
    };
    let id = create(&mut setting, "user0@contoso.com", 1);
    let beside_the_title =
        setting.server.world.store.value(&format!("t.{}.u.{id}", setting.tenant.id)).unwrap().len() - 1;
    let mut reads = |name: &str, bytes: usize| {
        create(&mut setting, name, bytes - beside_the_title);
        let find = format!("/Users?filter=userName+eq+%22{}%22", name.replace('@', "%40"));
        let of_the_user = |call: &&Call| call.verb == Verb::Get && (touches(call, ".n.") || touches(call, ".u."));
        setting.cost("GET", &find, None).iter().filter(of_the_user).count()
    };
    assert_eq!(reads("user1@contoso.com", LIMITS.named_bytes_max), 1);
    assert_eq!(reads("user2@contoso.com", LIMITS.named_bytes_max + 1), 2);
}

#[test]
fn a_request_that_changes_nothing_writes_no_document() {
    let mut setting = Setting::with_users(1);
    let user = format!("/Users/{}", setting.users[0]);
    let same = life::patch(&json!([{"op": "Replace", "path": "displayName", "value": "Somebody"}]));
    let before = setting.server.world.store.keys();
    for (method, path, body) in [
        ("PATCH", user.as_str(), Some(same)),
        ("PUT", &user, Some(life::user("user0@contoso.com"))),
        ("GET", "/Users?filter=userName+sw+%22u%22", None),
        ("POST", "/Users", Some(life::user("user0@contoso.com"))),
        ("DELETE", "/Users/nobody", None),
    ] {
        let calls = setting.cost(method, path, body);
        assert!(calls.iter().all(|call| !call.verb.writes() || !touches(call, ".u.")), "{method} {path}: {calls:#?}");
    }
    // Five records came, and nothing else.
    let new: Vec<String> = setting.server.world.store.keys().into_iter().filter(|key| !before.contains(key)).collect();
    assert_eq!(new.len(), 5, "{new:?}");
    assert!(new.iter().all(|key| key.contains(".j.")), "{new:?}");
}

#[test]
fn schemas_of_a_tenants_own_cost_one_read_a_request_and_nothing_where_there_are_none() {
    let mut setting = Setting::with_users(1);
    let user = format!("/Users/{}", setting.users[0]);
    let urn = "urn:example:params:scim:staff:1.0:User";
    let cost = |setting: &mut Setting| {
        let calls = setting.cost("GET", &user, None);
        (calls.len(), calls.iter().filter(|call| touches(call, ".schemas")).count())
    };
    let (without, none) = cost(&mut setting);
    let schema = json!({"attributes": [{"name": "floor", "type": "integer"}]});
    let tenant = setting.tenant.clone();
    tenant.admin(&mut setting.server, "PUT", &format!("/schemas/{urn}"), Some(&schema)).expect(201);
    // The connection is read anew once.
    cost(&mut setting);
    assert_eq!((none, cost(&mut setting)), (0, (without + 1, 1)));
    tenant.admin(&mut setting.server, "DELETE", &format!("/schemas/{urn}"), None).expect(200);
    cost(&mut setting);
    assert_eq!(cost(&mut setting), (without, 0));
}

#[test]
fn records_of_reads_wait_for_each_other_up_to_the_bound() {
    let mut setting = Setting::with_users(0);
    let newest = |tenant: &Tenant, server: &mut Native| {
        tenant.journal(server).first().map_or(0, |record| record["number"].as_u64().unwrap())
    };
    let before = newest(&setting.tenant, &mut setting.server);
    let Setting { server, tenant, .. } = &mut setting;
    server.world.store.forget_calls();
    for _ in 0..BUFFERED_MAX + 1 {
        server.rollcall.handle(tenant.request("GET", "/Users?count=0", None));
    }
    assert_eq!(server.world.store.write_transactions(), 0, "no request waits for the records");
    assert!(server.rollcall.has_batch());
    let lost = "journal: 1 records of reads are lost: too many wait to be written";
    assert_eq!(server.world.log.borrow().iter().filter(|line| *line == lost).count(), 1);
    server.rollcall.flush();
    assert_eq!(server.world.store.write_transactions(), 2, "one turn and one batch for all");
    assert!(!server.rollcall.has_buffered());
    assert_eq!(newest(tenant, server) - before, BUFFERED_MAX as u64);
}

#[test]
fn a_batch_is_due_when_the_requests_of_an_instances_life_have_come() {
    let setting = Setting::with_users(0);
    let rollcall = &setting.server.rollcall;
    for _ in 1..BATCH {
        rollcall.handle(setting.tenant.request("GET", "/Users?count=0", None));
    }
    assert!(rollcall.patience().is_some());
    rollcall.handle(setting.tenant.request("GET", "/Users?count=0", None));
    assert_eq!(rollcall.patience(), None);
}

#[test]
fn a_record_after_a_pause_is_written_at_once_and_otherwise_a_batch_every_two_seconds() {
    let setting = Setting::with_users(0);
    let (rollcall, world) = (&setting.server.rollcall, &setting.server.world);
    let read = || rollcall.handle(setting.tenant.request("GET", "/Users?count=0", None));
    let written_after = || {
        let begun = world.time.passed();
        while let Some(patience) = setting.server.look() {
            world.time.pass(patience);
        }
        assert!(!rollcall.has_buffered());
        world.time.passed() - begun
    };
    let pause = || world.time.pass(WAIT_MAX);
    pause();
    read();
    assert_eq!(written_after(), ALONE);
    // Soon after that batch the next one waits until the time is over.
    world.time.pass(ALONE);
    read();
    assert_eq!(written_after(), WAIT_MAX - ALONE);
    // Several after a pause are no longer alone, and more are to be expected.
    pause();
    read();
    read();
    assert_eq!(written_after(), WAIT_MAX);
    // Instances that began together write one after the other, none of them later than that.
    pause();
    world.time.pass(Duration::from_micros(750));
    read();
    read();
    assert_eq!(written_after(), WAIT_MAX - Duration::from_millis(375));
}

#[test]
fn a_connection_is_read_once_a_second() {
    let setting = Setting::with_users(1);
    let world = &setting.server.world;
    let reads = || {
        world.store.forget_calls();
        setting.server.rollcall.handle(setting.tenant.request("GET", "/Users/nobody", None));
        world.store.calls().iter().filter(|call| touches(call, ".connection")).count()
    };
    // The instance has known it since the user was made.
    assert_eq!(reads(), 0);
    world.time.pass(FRESH);
    assert_eq!([reads(), reads()], [1, 0]);
    world.time.pass(FRESH - Duration::from_millis(1));
    assert_eq!(reads(), 0);
    world.time.pass(Duration::from_millis(1));
    assert_eq!(reads(), 1);
}

#[test]
fn a_token_that_was_ended_or_rotated_out_works_nowhere_a_second_later() {
    let changes = [("POST", "/connection/rotate", Some(json!({"overlapSeconds": 0}))), ("DELETE", "/connection", None)];
    for (method, path, body) in changes {
        let Setting { server: mut here, tenant, .. } = Setting::with_users(0);
        let mut there = Native::within(&here.world);
        let status = |server: &mut Native| tenant.scim(server, "GET", "/Users", None).status;
        assert_eq!([status(&mut here), status(&mut there)], [200, 200]);
        assert!(tenant.admin(&mut here, method, path, body.as_ref()).succeeded());
        assert_eq!(status(&mut here), 401, "{path}: the instance that did it knows");
        here.world.time.pass(FRESH - Duration::from_millis(1));
        assert_eq!(status(&mut there), 200, "{path}: another one still remembers");
        here.world.time.pass(Duration::from_millis(1));
        assert_eq!(status(&mut there), 401, "{path}: and does not any more");
    }
}

#[test]
fn a_new_token_works_everywhere_at_once() {
    let Setting { server: mut here, tenant, .. } = Setting::with_users(0);
    let mut there = Native::within(&here.world);
    let reads = |server: &mut Native, tenant: &Tenant| tenant.scim(server, "GET", "/Users", None).status;
    assert_eq!(reads(&mut there, &tenant), 200);
    let rotated = tenant.admin(&mut here, "POST", "/connection/rotate", None).expect(200);
    let rotated = Tenant { token: rotated.text("/secretToken"), ..tenant.clone() };
    assert_eq!([reads(&mut there, &rotated), reads(&mut there, &tenant)], [200, 200], "the old one has its overlap");
    tenant.admin(&mut here, "DELETE", "/connection", None).expect(204);
    let again = Tenant { token: Tenant::start(&mut here, &tenant.id).expect(201).text("/secretToken"), ..tenant };
    assert_eq!(reads(&mut there, &again), 200);
}

#[test]
fn what_an_instance_remembers_of_one_tenant_opens_no_other() {
    let Setting { mut server, tenant, .. } = Setting::with_users(1);
    let other = Tenant::connect(&mut server);
    for (own, foreign) in [(&tenant, &other), (&other, &tenant)] {
        own.scim(&mut server, "GET", "/Users", None).expect(200);
        let stolen = Tenant { token: own.token.clone(), ..foreign.clone() };
        stolen.scim(&mut server, "GET", "/Users", None).expect(401);
    }
    assert_eq!(tenant.scim(&mut server, "GET", "/Users", None).body["totalResults"], 1);
    assert_eq!(other.scim(&mut server, "GET", "/Users", None).body["totalResults"], 0);
}

#[test]
fn beyond_the_connections_that_an_instance_remembers_each_costs_a_read() {
    let mut server = Native::within(&World::new(&BTreeMap::new()));
    let tenants: Vec<Tenant> = (0..=LIMITS.connections_remembered_max).map(|_| Tenant::connect(&mut server)).collect();
    let read = || {
        server.world.store.forget_calls();
        for tenant in &tenants {
            server.rollcall.handle(tenant.request("GET", "/Users/nobody", None));
        }
        server.world.store.calls().iter().filter(|call| touches(call, ".connection")).count()
    };
    assert_eq!([read(), read()], [tenants.len(), 1]);
}

/// What a request asked of the store.
struct Cost {
    calls: usize,
    writes: usize,
    /// Of all values that it read or wrote.
    bytes: usize,
}

struct Setting {
    server: Native,
    tenant: Tenant,
    users: Vec<String>,
}

impl Setting {
    fn with_users(count: usize) -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        let users =
            (0..count).map(|n| tenant.create(&mut server, &format!("user{n}@contoso.com")).expect(201).text("/id"));
        let users = users.collect();
        Setting { server, tenant, users }
    }

    /// As many users, made without as many requests.
    fn of(count: usize) -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        let users = crowd::gather(&server.world, &tenant.id, count);
        Setting { server, tenant, users }
    }

    fn sum(&mut self, method: &str, path: &str, body: Option<Value>) -> Cost {
        self.cost(method, path, body);
        self.counted()
    }

    fn counted(&self) -> Cost {
        let store = &self.server.world.store;
        let calls = store.calls();
        let values = calls.iter().flat_map(|call| &call.keys).filter_map(|key| store.value(key));
        Cost { calls: calls.len(), writes: writes(&calls), bytes: values.map(|value| value.len()).sum() }
    }

    /// The calls of one request, the writing of its record included.
    fn cost(&mut self, method: &str, path: &str, body: Option<Value>) -> Vec<Call> {
        self.server.world.store.forget_calls();
        self.server.answer(self.tenant.request(method, path, body.as_ref()));
        self.server.world.store.calls()
    }
}

fn writes(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.verb.writes()).count()
}

fn touches(call: &Call, part: &str) -> bool {
    call.keys.iter().any(|key| key.contains(part))
}

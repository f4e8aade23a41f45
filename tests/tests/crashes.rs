//! The store fails, or the component dies, at every single call of a request. Afterwards the invariants hold, nothing is
//! half done, nothing that was answered is lost, every change has its record, and the same request sent again succeeds.

use acceptance::backup::{export, import};
use acceptance::life::{self, Reply, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Backend, Fault};
use acceptance::world::{ADMIN_SECRET, World};
use http::Request;
use rollcall_core::keys::TenantId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// How the trouble comes about at call `n`.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// One call fails; the next ones work.
    Refused,
    /// One call is done and reported as failed.
    Lost,
    /// From this call on nothing is done: the component, or the store, is gone.
    Gone,
    /// This call is done, and nobody hears of it or of any other.
    GoneAfter,
}

impl Trouble {
    const ALL: [Trouble; 4] = [Trouble::Refused, Trouble::Lost, Trouble::Gone, Trouble::GoneAfter];

    fn faults(self, n: usize) -> Vec<(Range<usize>, Fault)> {
        match self {
            Trouble::Refused => vec![(n..n + 1, Fault::Refused)],
            Trouble::Lost => vec![(n..n + 1, Fault::Lost)],
            Trouble::Gone => vec![(n..usize::MAX, Fault::Refused)],
            Trouble::GoneAfter => vec![(n..n + 1, Fault::Lost), (n + 1..usize::MAX, Fault::Refused)],
        }
    }
}

/// A request and how to see whether it was done.
struct Scenario {
    name: &'static str,
    /// Makes what the request needs, after Alice was created.
    before: fn(&mut Setting),
    act: fn(&mut Setting) -> Reply,
    /// What the request is about, as an observer sees it. It has to differ before and after.
    state: fn(&mut Setting) -> Value,
    /// What the request answers when it was done already.
    again: u16,
    /// Whether the journal has a record of it.
    recorded: bool,
    /// How many turns it takes. Each can have been left behind, and one request waits for one of them at the most.
    turns: usize,
}

struct Setting {
    server: Native,
    tenant: Tenant,
    alice: String,
    sales: String,
    /// Of a browser that is signed in to the page.
    cookie: String,
}

/// A schema of the tenant's own.
const STAFF: &str = "/schemas/urn:example:params:scim:staff:1.0:User";

impl Setting {
    /// A tenant with Alice, and Sales that has her.
    fn on(backend: Backend) -> Setting {
        let mut server = Native::within(&World::on(backend, &BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let alice = tenant.create(&mut server, "alice@contoso.com").expect(201).text("/id");
        let sales = group(&mut server, &tenant, "Sales", &[&alice]).expect(201).text("/id");
        let secret = json!({"secret": ADMIN_SECRET});
        let signed_in = page(&mut server, "POST", "", Some(&secret)).expect(204);
        let cookie = signed_in.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Setting { server, tenant, alice, sales, cookie }
    }

    fn new() -> Setting {
        Setting::on(Backend::SQLITE)
    }

    /// A copy that goes its own way from here, in a new instance.
    fn fork(&self) -> Setting {
        let server = Native::within(&self.server.world.fork());
        let (tenant, cookie) = (self.tenant.clone(), self.cookie.clone());
        Setting { server, tenant, alice: self.alice.clone(), sales: self.sales.clone(), cookie }
    }

    /// The groups by name, and their members.
    fn groups(&mut self) -> Value {
        let list = self.tenant.scim(&mut self.server, "GET", "/Groups", None).body;
        let plain = |group: &Value| {
            let names = group["members"].as_array().map(Vec::as_slice).unwrap_or_default();
            json!([group["displayName"], names.iter().map(|member| &member["value"]).collect::<Vec<_>>()])
        };
        list["Resources"].as_array().map(|groups| groups.iter().map(plain).collect()).unwrap_or_default()
    }

    fn group(&mut self, method: &str, body: Option<Value>) -> Reply {
        let path = format!("/Groups/{}", self.sales);
        self.tenant.scim(&mut self.server, method, &path, body.as_ref())
    }

    fn admin(&mut self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.tenant.admin(&mut self.server, method, path, body.as_ref())
    }

    fn put_schema(&mut self, attribute: &str) -> Reply {
        self.admin("PUT", STAFF, Some(json!({"attributes": [{"name": attribute}]})))
    }

    /// The names of the attributes of the tenant's own schemas.
    fn schemas(&mut self) -> Value {
        let listed = self.admin("GET", "/schemas", None).body;
        let schemas = listed["schemas"].as_array().map(Vec::as_slice).unwrap_or_default();
        schemas.iter().map(|schema| &schema["attributes"][0]["name"]).cloned().collect()
    }

    fn session(&mut self, method: &str) -> Reply {
        page(&mut self.server, method, &self.cookie, None)
    }

    fn patch(&mut self, operations: Value) -> Reply {
        self.tenant.patch(&mut self.server, &self.alice, &operations)
    }

    fn users(&mut self) -> Value {
        self.admin("GET", "/users", None).body["users"].take()
    }

    /// A new instance with nothing in its memory.
    fn restart(&mut self) {
        self.server = Native::within(&self.server.world);
    }

    fn check(&self, context: &str) {
        let tenant = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(self.server.rollcall.check(&tenant).unwrap(), Vec::<String>::new(), "{context}");
    }

    fn recorded_changes(&mut self) -> usize {
        self.tenant.journal(&mut self.server).iter().filter(|record| record["changed"] == true).count()
    }
}

fn nothing(_: &mut Setting) {}

/// A request of the page about its session.
fn page(server: &mut Native, method: &str, cookie: &str, body: Option<&Value>) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri("/admin/api/v1/session")
        .header("host", "scim.example.com")
        .header("origin", "https://scim.example.com")
        .header("cookie", cookie);
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    Reply::of(server.answer(request.body(body).unwrap()))
}

fn group(server: &mut Native, tenant: &Tenant, name: &str, members: &[&String]) -> Reply {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    tenant.scim(server, "POST", "/Groups", Some(&json!({"displayName": name, "members": members})))
}

fn connection(setting: &mut Setting) -> Value {
    let mut connection = setting.admin("GET", "/connection", None).body;
    json!([connection["state"].take(), connection["secretToken"].take(), connection["tokens"].as_array().map(Vec::len)])
}

const SCENARIOS: [Scenario; 23] = [
    Scenario {
        name: "create",
        before: nothing,
        act: |setting| setting.tenant.create(&mut setting.server, "bob@contoso.com"),
        state: |setting| json!(setting.users().as_array().map(Vec::len)),
        again: 409,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "patch",
        before: nothing,
        act: |setting| setting.patch(json!([{"op": "Replace", "path": "displayName", "value": "Alice B"}])),
        state: Setting::users,
        again: 200,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "rename and disable",
        before: nothing,
        act: |setting| {
            setting.patch(json!([{"op": "replace", "value": {"userName": "binned@contoso.com", "active": false}}]))
        },
        state: Setting::users,
        again: 200,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "replace",
        before: nothing,
        act: |setting| {
            let path = format!("/Users/{}", setting.alice);
            setting.tenant.scim(&mut setting.server, "PUT", &path, Some(&life::user("other@contoso.com")))
        },
        state: Setting::users,
        again: 200,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "delete",
        before: nothing,
        act: |setting| setting.tenant.delete(&mut setting.server, &setting.alice),
        state: Setting::users,
        again: 404,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "delete by the operator",
        before: nothing,
        act: |setting| setting.admin("DELETE", &format!("/users/{}", setting.alice), None),
        state: Setting::users,
        again: 404,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "rotate",
        before: nothing,
        act: |setting| setting.admin("POST", "/connection/rotate", Some(json!({"overlapSeconds": 86_400}))),
        state: connection,
        again: 200,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "end",
        before: nothing,
        act: |setting| setting.admin("DELETE", "/connection", None),
        state: connection,
        again: 404,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "start",
        before: |setting| drop(setting.admin("DELETE", "/connection", None).expect(204)),
        act: |setting| Tenant::start(&mut setting.server, &setting.tenant.id),
        state: connection,
        again: 409,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "rename the tenant",
        before: nothing,
        act: |setting| setting.admin("PATCH", "", Some(json!({"name": "Fabrikam"}))),
        state: |setting| setting.admin("GET", "", None).body["name"].take(),
        again: 200,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "delete the tenant",
        before: |setting| {
            setting.admin("DELETE", "/connection", None).expect(204);
            setting.admin("DELETE", "/users", Some(json!({"confirm": "Contoso"}))).expect(200);
        },
        act: |setting| setting.admin("DELETE", "", None),
        state: |setting| json!(setting.admin("GET", "", None).status),
        again: 404,
        recorded: false,
        turns: 2,
    },
    Scenario {
        name: "create a group",
        before: nothing,
        act: |setting| {
            let alice = setting.alice.clone();
            group(&mut setting.server, &setting.tenant, "Staff", &[&alice])
        },
        state: Setting::groups,
        again: 409,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "rename a group and let its members go",
        before: nothing,
        act: |setting| setting.group("PUT", Some(json!({"displayName": "Staff", "members": []}))),
        state: Setting::groups,
        again: 200,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "delete a group",
        before: nothing,
        act: |setting| setting.group("DELETE", None),
        state: Setting::groups,
        again: 404,
        recorded: true,
        turns: 1,
    },
    Scenario {
        name: "delete what an ended connection left",
        before: |setting| drop(setting.admin("DELETE", "/connection", None).expect(204)),
        act: |setting| setting.admin("DELETE", "/users", Some(json!({"confirm": "Contoso"}))),
        state: Setting::users,
        again: 200,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "switch groups off",
        before: nothing,
        act: |setting| setting.admin("PATCH", "/connection", Some(json!({"groups": false}))),
        state: |setting| setting.admin("GET", "/connection", None).body["groups"].take(),
        again: 200,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "change the provider",
        before: nothing,
        act: |setting| setting.admin("PATCH", "/connection", Some(json!({"identityProvider": "okta"}))),
        state: |setting| setting.admin("GET", "/connection", None).body["identityProvider"].take(),
        again: 200,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "make a tenant",
        before: nothing,
        act: |setting| {
            let wish = json!({"name": "Restored", "id": "abcdefghjk"});
            life::admin(&mut setting.server, "POST", "/tenants", Some(&wish))
        },
        state: |setting| life::admin(&mut setting.server, "GET", "/tenants", None).body["totalResults"].take(),
        again: 409,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "put a schema",
        before: nothing,
        act: |setting| setting.put_schema("floor"),
        state: Setting::schemas,
        again: 200,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "replace a schema",
        before: |setting| drop(setting.put_schema("floor").expect(201)),
        act: |setting| setting.put_schema("room"),
        state: Setting::schemas,
        again: 200,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "remove a schema",
        before: |setting| drop(setting.put_schema("floor").expect(201)),
        act: |setting| setting.admin("DELETE", STAFF, None),
        state: Setting::schemas,
        again: 404,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "sign out",
        before: nothing,
        act: |setting| setting.session("DELETE"),
        state: |setting| json!(setting.session("GET").status),
        again: 204,
        recorded: false,
        turns: 1,
    },
    Scenario {
        name: "give up an import",
        before: |setting| {
            let file = export(&mut setting.server, &setting.tenant.id);
            setting.admin("DELETE", "/connection", None).expect(204);
            setting.admin("DELETE", "/users", Some(json!({"confirm": "Contoso"}))).expect(200);
            let part: Vec<&str> = file.lines().take(5).collect();
            assert_eq!(import(&mut setting.server, &setting.tenant.id, &part.join("\n")).0, 202);
        },
        act: |setting| setting.admin("DELETE", "/import", None),
        state: |setting| json!(setting.admin("GET", "/import", None).status),
        again: 404,
        recorded: false,
        turns: 1,
    },
];

#[test]
fn a_failure_at_any_call_leaves_nothing_half_done() {
    for backend in Backend::all_fit() {
        let setting = Setting::on(backend);
        for scenario in &SCENARIOS {
            let mut prepared = setting.fork();
            (scenario.before)(&mut prepared);
            let (steps, done) = whole(scenario, &prepared);
            assert!(steps > 3, "{}: {steps} steps", scenario.name);
            for trouble in Trouble::ALL {
                for n in 0..steps {
                    strike(scenario, &prepared, &done, trouble, n);
                }
            }
        }
    }
}

/// How many steps the request makes when all goes well, and what is there afterwards.
fn whole(scenario: &Scenario, prepared: &Setting) -> (usize, Value) {
    let mut setting = prepared.fork();
    let before = (scenario.state)(&mut setting);
    let mut setting = prepared.fork();
    setting.server.world.store.forget_calls();
    let reply = (scenario.act)(&mut setting);
    assert!(reply.succeeded(), "{}: {reply:?}", scenario.name);
    let steps = setting.server.world.store.steps().len();
    let done = (scenario.state)(&mut setting);
    assert_ne!(done, before, "{}: the state shows nothing", scenario.name);
    (steps, done)
}

fn strike(scenario: &Scenario, prepared: &Setting, done: &Value, trouble: Trouble, n: usize) {
    let backend = prepared.server.world.store.backend().name;
    let context = format!("{} on {backend}, {trouble:?} at step {n}", scenario.name);
    let mut setting = prepared.fork();
    let before = (scenario.state)(&mut setting);
    let recorded = setting.recorded_changes();
    setting.restart();
    setting.server.world.store.forget_calls();
    for (calls, fault) in trouble.faults(n) {
        setting.server.world.store.fail(calls, fault);
    }
    let reply = (scenario.act)(&mut setting);
    assert!(reply.succeeded() || reply.status == 503, "{context}: {reply:?}");
    setting.server.world.store.forget_calls();

    setting.restart();
    setting.check(&context);
    let after = (scenario.state)(&mut setting);
    let was_done = same(&after, done);
    assert!(was_done || after == before, "{context}: half done: {after}");
    assert!(was_done || !reply.succeeded(), "{context}: answered {} and lost", reply.status);
    let expected = recorded + usize::from(was_done && scenario.recorded);
    if setting.admin("GET", "", None).status == 200 {
        assert_eq!(setting.recorded_changes(), expected, "{context}: the journal and the users disagree");
    }

    let mut again = (scenario.act)(&mut setting);
    for _ in 1..scenario.turns {
        if again.status == 503 {
            again = (scenario.act)(&mut setting);
        }
    }
    assert!(again.succeeded() || was_done && again.status == scenario.again, "{context}: again: {again:?}");
    setting.check(&context);
    let (finally, twice) = ((scenario.state)(&mut setting), was_done && scenario.again == 200);
    assert!(same(&finally, done) || twice, "{context}: {finally}");
    // Nobody is in the way of the next one: not even a turn that was never given back.
    let tenant = setting.tenant.clone();
    let next = life::admin(&mut setting.server, "POST", "/tenants", Some(&json!({"name": "Next"})));
    assert_eq!(next.status, 201, "{context}: {next:?}");
    if scenario.recorded {
        assert_eq!(tenant.create(&mut setting.server, "carol@contoso.com").status, 201, "{context}");
    }
}

/// Random values differ from run to run of the same request, because a failed one has drawn some; their number does not.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let timed = |name: &str| name == "lastModifiedAt" || name == "createdAt";
            left.len() == right.len()
                && left.iter().all(|(name, left)| timed(name) || right.get(name).is_some_and(|right| same(left, right)))
        }
        (Value::String(left), Value::String(right)) if left.starts_with("rollcall_") => right.starts_with("rollcall_"),
        (left, right) => left == right,
    }
}

/// Four changes in one request; somebody who is there already is not made once more.
fn bulk(setting: &mut Setting, carol: Option<&str>) -> Reply {
    let make = json!({"method": "POST", "path": "/Users", "bulkId": "carol", "data": life::user("carol@contoso.com")});
    let member = carol.unwrap_or("bulkId:carol");
    let rename = life::patch(&json!([{"op": "replace", "path": "displayName", "value": "Alice B"}]));
    let others = [
        json!({"method": "POST", "path": "/Groups", "bulkId": "staff",
            "data": {"displayName": "Staff", "members": [{"value": member}]}}),
        json!({"method": "PATCH", "path": format!("/Users/{}", setting.alice), "data": rename}),
        json!({"method": "DELETE", "path": format!("/Groups/{}", setting.sales)}),
    ];
    let operations: Vec<Value> = carol.is_none().then_some(make).into_iter().chain(others).collect();
    setting.tenant.scim(&mut setting.server, "POST", "/Bulk", Some(&json!({"Operations": operations})))
}

/// Which of the four are done. Carol's id stands for the first of them.
fn done_of_bulk(setting: &mut Setting) -> (Option<String>, [bool; 4]) {
    let found = setting.tenant.find(&mut setting.server, "carol@contoso.com").expect(200);
    let carol = found.body["Resources"][0]["id"].as_str().map(str::to_owned);
    let users = setting.users();
    let renamed = users.as_array().unwrap().iter().any(|user| user["displayName"] == "Alice B");
    let groups = setting.groups();
    let has = |name: &str| groups.as_array().unwrap().iter().any(|group| group[0] == name);
    let staffed = carol.as_ref().is_some_and(|carol| {
        groups.as_array().unwrap().iter().any(|group| group[0] == "Staff" && group[1] == json!([carol]))
    });
    assert_eq!(has("Staff"), staffed, "half a group");
    let done = [carol.is_some(), staffed, renamed, !has("Sales")];
    (carol, done)
}

#[test]
fn an_operation_of_a_bulk_request_is_done_or_not_whatever_fails() {
    for backend in Backend::all_fit() {
        let prepared = Setting::on(backend);
        let mut whole = prepared.fork();
        whole.server.world.store.forget_calls();
        bulk(&mut whole, None).expect(200);
        let steps = whole.server.world.store.steps().len();
        assert_eq!(done_of_bulk(&mut whole).1, [true; 4]);
        for trouble in Trouble::ALL {
            for n in 0..steps {
                strike_bulk(prepared.fork(), trouble, n);
            }
        }
    }
}

fn strike_bulk(mut setting: Setting, trouble: Trouble, n: usize) {
    let backend = setting.server.world.store.backend().name;
    let context = format!("bulk on {backend}, {trouble:?} at step {n}");
    let recorded = setting.recorded_changes();
    setting.restart();
    setting.server.world.store.forget_calls();
    for (calls, fault) in trouble.faults(n) {
        setting.server.world.store.fail(calls, fault);
    }
    let reply = bulk(&mut setting, None);
    assert!(reply.succeeded() || reply.status == 503, "{context}: {reply:?}");
    setting.server.world.store.forget_calls();

    setting.restart();
    setting.check(&context);
    let (carol, done) = done_of_bulk(&mut setting);
    let told = |reply: &Reply| -> Vec<String> {
        let operations = reply.body["Operations"].as_array().cloned().unwrap_or_default();
        operations.iter().map(|operation| operation["status"].as_str().unwrap().to_owned()).collect()
    };
    for (status, done) in told(&reply).iter().zip(done) {
        assert!(done || !status.starts_with('2'), "{context}: answered {status} and lost: {reply:?}");
    }
    let count = done.into_iter().filter(|done| *done).count();
    assert_eq!(setting.recorded_changes(), recorded + count, "{context}: the journal and the data disagree");

    // The provider finds who is there, and sends the rest once more. One turn can have been left behind.
    let again = bulk(&mut setting, carol.as_deref()).expect(200);
    let expected = ["201", if done[1] { "409" } else { "201" }, "200", if done[3] { "404" } else { "204" }];
    assert_eq!(told(&again), expected[usize::from(carol.is_some())..], "{context}: {again:?}");
    assert_eq!(done_of_bulk(&mut setting).1, [true; 4], "{context}");
    setting.check(&context);
}

#[test]
fn a_new_token_that_was_answered_works_and_one_that_was_not_can_be_seen() {
    for trouble in Trouble::ALL {
        for n in 0..whole(&SCENARIOS[6], &Setting::new()).0 {
            let mut setting = Setting::new();
            setting.server.world.store.forget_calls();
            for (calls, fault) in trouble.faults(n) {
                setting.server.world.store.fail(calls, fault);
            }
            let reply = (SCENARIOS[6].act)(&mut setting);
            setting.server.world.store.forget_calls();
            setting.restart();
            // The old one is in its overlap whatever happened.
            setting.tenant.read(&mut setting.server, &setting.alice).expect(200);
            let shown = setting.admin("GET", "/connection", None).expect(200).text("/secretToken");
            if reply.succeeded() {
                assert_eq!(reply.text("/secretToken"), shown, "{trouble:?} at call {n}");
            }
            setting.tenant.token = shown;
            setting.tenant.read(&mut setting.server, &setting.alice).expect(200);
        }
    }
}

#[test]
fn what_the_store_says_stays_with_the_operator() {
    let mut setting = Setting::new();
    setting.server.world.store.forget_calls();
    setting.server.world.store.fail(0..usize::MAX, Fault::Refused);
    let reply = setting.tenant.read(&mut setting.server, &setting.alice);
    let id = reply.headers["x-request-id"].to_str().unwrap().to_owned();
    let detail = format!("service: the store did not answer; try again (request {id})");
    assert_eq!((reply.status, reply.text("/detail")), (503, detail));
    assert_eq!(reply.headers["retry-after"], "1");
    let log = setting.server.world.log.borrow().join("\n");
    assert!(log.contains(&format!("request {id}: the disk said no")), "{log}");
    setting.server.pass(std::time::Duration::from_secs(1));
}

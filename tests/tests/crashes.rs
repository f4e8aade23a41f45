//! The store fails, or the component dies, at every single call of a request. Afterwards the invariants hold, nothing is
//! half done, nothing that was answered is lost, every change has its record, and the same request sent again succeeds.

use acceptance::life::{self, Reply, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Backend, Fault};
use acceptance::world::World;
use rollcall_core::space::TenantId;
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
}

impl Setting {
    /// A tenant with Alice, and Sales that has her.
    fn on(backend: Backend) -> Setting {
        let mut server = Native::within(&World::on(backend, &BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let alice = tenant.create(&mut server, "alice@contoso.com").expect(201).text("/id");
        let sales = group(&mut server, &tenant, "Sales", &[&alice]).expect(201).text("/id");
        Setting { server, tenant, alice, sales }
    }

    fn new() -> Setting {
        Setting::on(Backend::SQLITE)
    }

    /// The same, going its own way from here, in a new instance.
    fn fork(&self) -> Setting {
        let server = Native::within(&self.server.world.fork());
        Setting { server, tenant: self.tenant.clone(), alice: self.alice.clone(), sales: self.sales.clone() }
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

fn group(server: &mut Native, tenant: &Tenant, name: &str, members: &[&String]) -> Reply {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    tenant.scim(server, "POST", "/Groups", Some(&json!({"displayName": name, "members": members})))
}

fn connection(setting: &mut Setting) -> Value {
    let mut connection = setting.admin("GET", "/connection", None).body;
    json!([connection["state"].take(), connection["secretToken"].take(), connection["tokens"].as_array().map(Vec::len)])
}

const SCENARIOS: [Scenario; 16] = [
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
];

#[test]
fn a_failure_at_any_call_leaves_nothing_half_done() {
    for backend in Backend::FIT {
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

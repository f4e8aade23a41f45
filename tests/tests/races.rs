//! Two writers: the second request run whole, by another instance, at every store call of the first.
//!
//! A second request that finds the turn taken waits; on this clock it waits until it takes the first for dead and ends
//! its epoch, so the first comes back far too late and must not write any more.

use acceptance::life::{self, Reply, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::Verb;
use acceptance::world::World;
use http::Request;
use rollcall_core::ledger::{HOLD, STUCK};
use rollcall_core::space::TenantId;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

struct Setting {
    server: Native,
    tenant: Tenant,
    alice: String,
    bob: String,
}

/// Makes a request of what there is.
type Ask<'a> = &'a dyn Fn(&Setting) -> Request<Vec<u8>>;

/// What two requests came to.
struct Outcome {
    first: u16,
    second: u16,
    users: Vec<Value>,
    connection: Value,
}

impl Outcome {
    fn statuses(&self) -> [u16; 2] {
        [self.first, self.second]
    }

    fn successes(&self) -> usize {
        self.statuses().into_iter().filter(|status| (200..300).contains(status)).count()
    }

    fn named(&self, name: &str) -> usize {
        let same = |user: &&Value| user["userName"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(name));
        self.users.iter().filter(same).count()
    }

    fn user(&self, id: &str) -> Option<&Value> {
        self.users.iter().find(|user| user["id"] == id)
    }
}

impl Setting {
    fn new() -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        let alice = tenant.create(&mut server, "alice").expect(201).text("/id");
        let bob = tenant.create(&mut server, "bob").expect(201).text("/id");
        Setting { server, tenant, alice, bob }
    }

    fn create(&self, name: &str) -> Request<Vec<u8>> {
        self.tenant.request("POST", "/Users", Some(&life::user(name)))
    }

    fn set(&self, user: &str, attribute: &str, value: &str) -> Request<Vec<u8>> {
        let body = life::patch(&json!([{"op": "Replace", "path": attribute, "value": value}]));
        self.tenant.request("PATCH", &format!("/Users/{user}"), Some(&body))
    }

    fn delete(&self, user: &str) -> Request<Vec<u8>> {
        self.tenant.request("DELETE", &format!("/Users/{user}"), None)
    }

    fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Request<Vec<u8>> {
        let secret = format!("Bearer {}", acceptance::world::ADMIN_SECRET);
        let uri = format!("/admin/api/v1/tenants/{}{path}", self.tenant.id);
        let request = Request::builder().method(method).uri(uri).header("authorization", secret);
        request.body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default()).unwrap()
    }

    /// Sends the first request, and the second one right before call `n` of the first.
    fn race(&self, first: Request<Vec<u8>>, second: Request<Vec<u8>>, n: usize) -> Outcome {
        let [first, second] = self.meet(first, second, n);
        self.outcome(first, second)
    }

    fn meet(&self, first: Request<Vec<u8>>, second: Request<Vec<u8>>, n: usize) -> [u16; 2] {
        let world = self.server.world.clone();
        let answer = Rc::new(RefCell::new(None));
        let (elsewhere, kept) = (world.clone(), answer.clone());
        world.store.forget_calls();
        world.store.interrupt(n, move || {
            let status = Native::within(&elsewhere).answer(second).status().as_u16();
            *kept.borrow_mut() = Some(status);
        });
        let first = Native::within(&world).answer(first).status().as_u16();
        assert!(world.store.was_interrupted(), "call {n} was not made");
        world.store.forget_calls();
        let second = answer.borrow_mut().take().unwrap();
        [first, second]
    }

    fn outcome(&self, first: u16, second: u16) -> Outcome {
        let mut server = Native::within(&self.server.world);
        let tenant = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(server.rollcall.check(&tenant).unwrap(), Vec::<String>::new());
        let mut admin = |path: &str| -> Reply { self.tenant.admin(&mut server, "GET", path, None) };
        let users = admin("/users").expect(200).body["users"].as_array().unwrap().clone();
        let connection = admin("/connection").body;
        let records = self.tenant.journal(&mut server);
        let numbers: Vec<u64> = records.iter().rev().map(|record| record["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>(), "the journal has gaps");
        // Two creations, and each of the two requests that says so.
        let changed = records.iter().filter(|record| record["changed"] == true).count();
        let outcome = Outcome { first, second, users, connection };
        assert!(
            changed <= 2 + outcome.successes(),
            "{changed} changes in the journal, {:?} answered",
            outcome.statuses()
        );
        outcome
    }
}

/// Lets two requests meet at every call of the first, in both orders, and looks at each outcome.
fn race(
    first: impl Fn(&Setting) -> Request<Vec<u8>>,
    second: impl Fn(&Setting) -> Request<Vec<u8>>,
    judge: impl Fn(&Setting, &Outcome) -> bool,
) {
    let orders: [(Ask, Ask); 2] = [(&first, &second), (&second, &first)];
    for (order, (one, other)) in orders.into_iter().enumerate() {
        for n in moments(one) {
            let setting = Setting::new();
            let (one, other) = (one(&setting), other(&setting));
            let outcome = setting.race(one, other, n);
            let lines = (outcome.statuses(), &outcome.users, &outcome.connection["state"]);
            assert!(judge(&setting, &outcome), "order {order}, at call {n}: {lines:#?}");
        }
    }
}

/// The calls of a request at which another one may come in between.
///
/// Not the batch itself: a writer looks at the clock right before it, and that a call which is under way takes less than
/// `STUCK - HOLD` is what the two deadlines rest on.
fn moments(request: Ask) -> Vec<usize> {
    assert!(STUCK >= 2 * HOLD);
    let mut setting = Setting::new();
    let request = request(&setting);
    setting.server.world.store.forget_calls();
    setting.server.answer(request);
    let calls = setting.server.world.store.calls();
    let moments: Vec<usize> = (0..calls.len()).filter(|n| calls[*n].verb != Verb::SetMany).collect();
    assert!(moments.len() > 4, "{calls:#?}");
    moments
}

#[test]
fn of_two_users_with_one_name_one_is_made() {
    race(
        |s| s.create("carol"),
        |s| s.create("CAROL"),
        |_, outcome| {
            outcome.successes() == 1
                && outcome.named("carol") == 1
                && outcome.statuses().into_iter().all(|status| [201, 409, 503].contains(&status))
        },
    );
}

#[test]
fn of_two_users_that_want_one_name_one_gets_it() {
    race(
        |s| s.set(&s.alice, "userName", "carol"),
        |s| s.create("Carol"),
        |_, outcome| outcome.successes() == 1 && outcome.named("carol") == 1,
    );
    race(
        |s| s.set(&s.alice, "userName", "carol"),
        |s| s.set(&s.bob, "userName", "carol"),
        |_, outcome| outcome.successes() == 1 && outcome.named("carol") == 1 && outcome.users.len() == 2,
    );
}

#[test]
fn two_changes_of_one_user_are_both_there() {
    race(
        |s| s.set(&s.alice, "displayName", "new"),
        |s| s.set(&s.alice, "externalId", "new"),
        |s, outcome| {
            let alice = outcome.user(&s.alice).unwrap();
            let done = [alice["displayName"] == "new", alice["externalId"] == "new"];
            // Whoever was told that it is done finds it done, and the other way round.
            done.into_iter().filter(|done| *done).count() == outcome.successes() && outcome.successes() >= 1
        },
    );
}

#[test]
fn of_two_changes_of_one_version_one_is_made() {
    let conditional = |s: &Setting, name: &str| {
        let mut request = s.set(&s.alice, "displayName", name);
        request.headers_mut().insert("if-match", "W/\"1\"".parse().unwrap());
        request
    };
    race(
        |s| conditional(s, "one"),
        |s| conditional(s, "two"),
        |_, outcome| {
            outcome.successes() == 1 && outcome.statuses().into_iter().all(|status| [200, 412, 503].contains(&status))
        },
    );
}

#[test]
fn a_user_that_is_deleted_meanwhile_does_not_come_back() {
    race(
        |s| s.delete(&s.alice),
        |s| s.set(&s.alice, "userName", "carol"),
        |s, outcome| {
            let (there, deleted) = (outcome.user(&s.alice).is_some(), outcome.statuses().contains(&204));
            there != deleted && (there || outcome.named("carol") == 0)
        },
    );
    race(
        |s| s.delete(&s.alice),
        |s| s.delete(&s.alice),
        |s, outcome| outcome.user(&s.alice).is_none() && outcome.successes() == 1,
    );
    race(
        |s| s.delete(&s.alice),
        |s| s.create("Alice"),
        |_, outcome| {
            let created = outcome.statuses().contains(&201);
            outcome.named("alice") <= 1 && (!created || outcome.named("alice") == 1)
        },
    );
}

#[test]
fn the_last_seat_is_taken_once() {
    let seats = |s: &Setting, request: Request<Vec<u8>>| {
        let mut server = Native::within(&s.server.world);
        s.tenant.admin(&mut server, "PATCH", "", Some(&json!({"seats": 3}))).expect(200);
        request
    };
    race(
        |s| seats(s, s.create("carol")),
        |s| seats(s, s.create("dave")),
        |_, outcome| {
            let active = outcome.users.iter().filter(|user| user["active"] == true).count();
            active == 3 && outcome.successes() == 1
        },
    );
}

#[test]
fn a_connection_ends_once_and_stays_ended() {
    race(
        |s| s.admin("DELETE", "/connection", None),
        |s| s.admin("DELETE", "/connection", None),
        |_, outcome| outcome.successes() == 1 && outcome.connection["state"] == "ended",
    );
    let rotate = |s: &Setting| s.admin("POST", "/connection/rotate", Some(&json!({"overlapSeconds": 0})));
    race(
        |s| s.admin("DELETE", "/connection", None),
        rotate,
        |_, outcome| {
            let ended = outcome.statuses().contains(&204);
            ended == (outcome.connection["state"] == "ended") && (!ended || outcome.connection["tokens"] == json!([]))
        },
    );
    race(rotate, rotate, |_, outcome| {
        outcome.successes() >= 1 && outcome.connection["tokens"].as_array().is_some_and(|tokens| tokens.len() == 1)
    });
}

#[test]
fn a_tenant_that_is_deleted_lets_nobody_in() {
    let empty = |s: &Setting, request: Request<Vec<u8>>| {
        let mut server = Native::within(&s.server.world);
        let mut admin = |path: &str| drop(s.tenant.admin(&mut server, "DELETE", path, None).expect(204));
        admin("/connection");
        admin(&format!("/users/{}", s.alice));
        admin(&format!("/users/{}", s.bob));
        request
    };
    let start = |s: &Setting| s.admin("POST", "/connection", Some(&json!({"identityProvider": "entra"})));
    let orders: [Ask; 2] = [&|s| s.admin("DELETE", "", None), &start];
    for (first, second) in [(0, 1), (1, 0)] {
        let first = |s: &Setting| empty(s, orders[first](s));
        for n in moments(&first) {
            let setting = Setting::new();
            let (first, second) = (first(&setting), orders[second](&setting));
            setting.meet(first, second, n);
            let mut server = Native::within(&setting.server.world);
            if setting.tenant.admin(&mut server, "GET", "", None).status == 404 {
                let connection = format!("t.{}.connection", setting.tenant.id);
                let left = setting.server.world.store.value(&connection).unwrap_or_default();
                assert!(
                    !String::from_utf8_lossy(&left).contains("\"endedAt\":null"),
                    "at call {n}: somebody is let in"
                );
            }
        }
    }
}

#[test]
fn a_change_and_the_end_of_the_connection_exclude_each_other() {
    // A change that began with a valid token may still be made; it is never half made.
    race(
        |s| s.create("carol"),
        |s| s.admin("DELETE", "/connection", None),
        |_, outcome| {
            let created = outcome.statuses().contains(&201);
            (outcome.named("carol") == 1) == created
        },
    );
}

#[test]
fn a_reader_in_between_sees_before_or_after() {
    race(
        |s| s.set(&s.alice, "userName", "carol"),
        |s| s.tenant.request("GET", "/Users?filter=userName+eq+%22alice%22", None),
        |_, outcome| outcome.statuses().contains(&200) && outcome.named("carol") + outcome.named("alice") == 1,
    );
}

//! A write arrives when somebody else has long taken over: packets were sent again, a process was paused, a lock was waited
//! for. Each write of a request comes late once, by seconds and by more than a takeover takes, on stores with a guard and
//! without one; its caller is told that it failed, or hears nothing until it has arrived. Meanwhile others make changes.
//! Afterwards everything that was answered is there, whatever was said of it, and the tenant takes changes.

use acceptance::life::{self, Reply, Tenant};
use acceptance::native::Native;
use acceptance::store::{Backend, Fault, Verb};
use acceptance::world::World;
use rollcall_core::keys::TenantId;
use rollcall_core::ledger::{IN_FLIGHT_MAX, TAKEOVER_GUARDED, TAKEOVER_UNGUARDED};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// A tenant with Alice and Bob, and what was answered of them.
#[derive(Clone)]
struct Setting {
    world: World,
    tenant: Tenant,
    /// The display name that each user has to have, by user name; nothing for one who was deleted.
    answered: Rc<RefCell<BTreeMap<String, Option<String>>>>,
    ids: Rc<RefCell<BTreeMap<String, String>>>,
}

/// A change of one user.
#[derive(Clone, Copy, Debug)]
enum Change {
    Create(&'static str),
    Name(&'static str, &'static str),
    Delete(&'static str),
}

impl Setting {
    fn on(backend: Backend) -> Setting {
        let world = World::on(backend, &BTreeMap::new());
        let tenant = Tenant::connect(&mut Native::within(&world));
        let setting = Setting { world, tenant, answered: Rc::default(), ids: Rc::default() };
        for name in ["alice", "bob", "gone"] {
            assert!(setting.make(Change::Create(name)).succeeded());
        }
        assert!(setting.make(Change::Delete("gone")).succeeded());
        setting
    }

    fn fork(&self) -> Setting {
        Setting {
            world: self.world.fork(),
            tenant: self.tenant.clone(),
            answered: Rc::new(RefCell::new(self.answered.borrow().clone())),
            ids: Rc::new(RefCell::new(self.ids.borrow().clone())),
        }
    }

    /// Makes a change by an instance with nothing in its memory, and notes what was answered.
    fn make(&self, change: Change) -> Reply {
        self.make_by(&mut Native::within(&self.world), change)
    }

    fn make_by(&self, server: &mut Native, change: Change) -> Reply {
        let path = |name: &str| format!("/Users/{}", self.ids.borrow().get(name).cloned().unwrap_or_default());
        let reply = match change {
            Change::Create(name) => self.tenant.scim(server, "POST", "/Users", Some(&user(name, "first"))),
            Change::Name(name, display) => {
                let body = life::patch(&json!([{"op": "replace", "path": "displayName", "value": display}]));
                self.tenant.scim(server, "PATCH", &path(name), Some(&body))
            }
            Change::Delete(name) => self.tenant.scim(server, "DELETE", &path(name), None),
        };
        if reply.succeeded() {
            let (name, display) = match change {
                Change::Create(name) => {
                    self.ids.borrow_mut().insert(name.to_owned(), reply.text("/id"));
                    (name, Some("first"))
                }
                Change::Name(name, display) => (name, Some(display)),
                Change::Delete(name) => (name, None),
            };
            self.answered.borrow_mut().insert(name.to_owned(), display.map(str::to_owned));
        }
        reply
    }

    /// Makes the change one of whose writes comes late. Where it is refused nobody knows whether it is made.
    fn make_first(&self, change: Change) {
        if !self.make(change).succeeded()
            && let Change::Delete(name) = change
        {
            self.answered.borrow_mut().remove(name);
        }
    }

    /// Where batches are written in parts a single value may have arrived late, which no head tells of. That is looked for
    /// when no write is expected any more.
    fn settle(&self) {
        if !self.world.store.backend().whole {
            self.world.time.pass(IN_FLIGHT_MAX);
            ["later", "latest"].into_iter().for_each(|name| self.insist(Change::Create(name)));
        }
    }

    /// Makes a change as a provider does that is told to come again.
    fn insist(&self, change: Change) {
        for _ in 0..12 {
            let reply = self.make(change);
            if reply.status != 503 {
                let there = matches!(change, Change::Create(_)) && reply.status == 409;
                assert!(reply.succeeded() || there, "{change:?}: {reply:?}");
                return;
            }
            assert!(reply.headers.contains_key("retry-after"), "{change:?}: {reply:?}");
            self.world.time.pass(Duration::from_secs(10));
        }
        panic!("{change:?}: refused for two minutes: {:#?}", self.world.log.borrow());
    }

    fn display(&self, name: &str) -> Option<String> {
        let found = self.tenant.find(&mut Native::within(&self.world), name).body;
        Some(found["Resources"][0]["displayName"].as_str()?.to_owned())
    }

    /// Everything that was answered is there, and nothing contradicts itself.
    fn judge(&self, context: &str) {
        let server = &mut Native::within(&self.world);
        let id = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(server.rollcall.check(&id), Ok(Vec::new()), "{context}");
        let listed = self.tenant.scim(server, "GET", "/Users?count=200", None).expect(200).body;
        let listed: BTreeMap<&str, &Value> = listed["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| (user["userName"].as_str().unwrap(), user))
            .collect();
        for (name, display) in self.answered.borrow().iter() {
            let found = listed.get(name.as_str()).map(|user| user["displayName"].as_str().unwrap_or_default());
            assert_eq!(found, display.as_deref(), "{context}: {name}; log {:#?}", self.world.log.borrow());
        }
        let records = self.tenant.journal(server);
        let numbers: Vec<u64> = records.iter().rev().map(|record| record["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>(), "{context}: the journal has gaps");
        let log = self.world.log.borrow();
        let damaged = log.iter().any(|line| line.contains("damaged, and closed"));
        let mended = records.iter().any(|record| record["action"] == "mend");
        assert_eq!(mended, damaged, "{context}: {log:#?}");
    }
}

fn user(name: &str, display: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "displayName": display, "active": true})
}

/// What the first request may be, and what others do while its write is on its way.
const FIRST: [Change; 3] = [Change::Create("carol"), Change::Name("alice", "late"), Change::Delete("bob")];
const OTHERS: [Change; 4] =
    [Change::Create("dave"), Change::Name("alice", "newer"), Change::Create("erin"), Change::Name("bob", "newer")];

/// The steps of a request that change something.
fn writes(setting: &Setting, change: Change) -> Vec<usize> {
    let setting = setting.fork();
    setting.world.store.forget_calls();
    setting.make(change);
    let steps = setting.world.store.steps();
    (0..steps.len()).filter(|step| steps[*step].writes()).collect()
}

fn takeover(backend: Backend) -> Duration {
    let takeover = if backend.guarded { TAKEOVER_GUARDED } else { TAKEOVER_UNGUARDED };
    takeover + Duration::from_secs(1)
}

/// The caller of the late write is told at once that it failed.
fn run_told(backend: Backend) {
    let given = Setting::on(backend);
    for first in FIRST {
        for step in writes(&given, first) {
            for seconds in [1, 5, 16, 20, 45] {
                let (setting, by) = (given.fork(), Duration::from_secs(seconds));
                let context = format!("{}, {first:?}, step {step}, {seconds} s late", backend.name);
                setting.world.store.forget_calls();
                setting.world.store.fail(step..step + 1, Fault::Late(by));
                setting.make_first(first);
                setting.world.store.forget_calls();
                let mut others = OTHERS
                    .iter()
                    .filter(|other| !matches!((first, other), (Change::Delete(_), Change::Name("bob", _))));
                let (now, later): (Vec<_>, Vec<_>) = (others.by_ref().take(2).collect(), others.collect());
                now.into_iter().for_each(|other| setting.insist(*other));
                setting.world.time.pass(by);
                later.into_iter().for_each(|other| setting.insist(*other));
                setting.world.time.pass(by);
                assert!(!setting.world.store.has_late_writes(), "{context}");
                setting.insist(Change::Create("last"));
                setting.settle();
                setting.judge(&context);
            }
        }
    }
}

/// The caller of the late write hears nothing until it has arrived, and others have taken over meanwhile.
fn run_held(backend: Backend) {
    let given = Setting::on(backend);
    for first in FIRST {
        for step in writes(&given, first) {
            let setting = given.fork();
            let context = format!("{}, {first:?}, step {step}, held", backend.name);
            setting.world.store.forget_calls();
            let elsewhere = setting.clone();
            setting.world.store.interrupt(step, move || {
                for other in OTHERS {
                    if !matches!((first, other), (Change::Delete(_), Change::Name("bob", _))) {
                        elsewhere.insist(other);
                    }
                    elsewhere.world.time.pass(takeover(backend));
                }
            });
            setting.make_first(first);
            setting.world.store.forget_calls();
            setting.insist(Change::Create("last"));
            setting.settle();
            // The change may have been made before those of the others or after them.
            if matches!(first, Change::Name(..)) && setting.display("alice") == Some("newer".to_owned()) {
                setting.answered.borrow_mut().insert("alice".to_owned(), Some("newer".to_owned()));
            }
            setting.judge(&context);
        }
    }
}

fn stores() -> [Backend; 3] {
    [Backend::SQLITE, Backend::DYNAMODB, Backend::GUARDED_SQLITE]
}

#[test]
fn a_write_that_its_caller_took_for_failed_undoes_nothing_when_it_arrives() {
    stores().into_iter().for_each(run_told);
}

#[test]
fn a_write_that_is_held_back_until_others_have_taken_over_undoes_nothing() {
    stores().into_iter().for_each(run_held);
}

#[test]
fn a_write_that_arrives_late_at_a_real_redis_with_a_guard_undoes_nothing() {
    if Backend::real_redis().is_empty() {
        eprintln!("NOT TESTED on a real Redis: redis-server is missing");
        return;
    }
    run_told(Backend::GUARDED_REAL_REDIS);
    run_held(Backend::GUARDED_REAL_REDIS);
}

#[test]
fn a_store_with_a_guard_is_never_damaged() {
    let given = Setting::on(Backend::GUARDED_SQLITE);
    for first in FIRST {
        for step in writes(&given, first) {
            let setting = given.fork();
            setting.world.store.forget_calls();
            setting.world.store.fail(step..step + 1, Fault::Late(Duration::from_secs(20)));
            setting.make(first);
            setting.insist(Change::Create("dave"));
            setting.world.time.pass(Duration::from_secs(30));
            setting.insist(Change::Create("erin"));
            let log = setting.world.log.borrow();
            assert!(!log.iter().any(|line| line.contains("damaged")), "{first:?}, step {step}: {log:#?}");
        }
    }
}

#[test]
fn a_holder_that_was_taken_for_dead_takes_what_others_wrote_for_no_damage_on_a_store_with_a_guard() {
    let given = Setting::on(Backend::GUARDED_SQLITE);
    for first in FIRST {
        let counted = given.fork();
        counted.world.store.forget_calls();
        counted.make(first);
        for step in 0..counted.world.store.steps().len() {
            let setting = given.fork();
            let elsewhere = setting.clone();
            setting.world.store.forget_calls();
            setting.world.store.interrupt(step, move || {
                elsewhere.insist(Change::Create("dave"));
                elsewhere.world.time.pass(takeover(Backend::GUARDED_SQLITE));
                elsewhere.insist(Change::Create("erin"));
            });
            setting.make_first(first);
            setting.world.store.forget_calls();
            let log = setting.world.log.borrow();
            assert!(!log.iter().any(|line| line.contains("damaged")), "{first:?}, step {step}: {log:#?}");
        }
    }
}

#[test]
fn what_one_instance_has_mended_another_that_suspects_it_does_not_mend_again() {
    for backend in [Backend::SQLITE, Backend::DYNAMODB] {
        let given = Setting::on(backend);
        let mut suspected = 0;
        for step in writes(&given, Change::Create("carol")) {
            let setting = given.fork();
            let mut suspects = Native::within(&setting.world);
            let elsewhere = setting.clone();
            setting.world.store.forget_calls();
            setting.world.store.interrupt(step, move || {
                for name in ["dave", "erin"] {
                    elsewhere.insist(Change::Create(name));
                    elsewhere.world.time.pass(takeover(backend));
                }
            });
            // Without the record of it, for whose turn the same instance would mend.
            let body = user("carol", "first");
            suspects.rollcall.handle(setting.tenant.request("POST", "/Users", Some(&body)));
            setting.world.store.forget_calls();
            let closed = |setting: &Setting| {
                setting.world.log.borrow().iter().filter(|line| line.contains("damaged, and closed")).count()
            };
            // The one mends, and then the other has its turn.
            setting.insist(Change::Create("frank"));
            let mended = closed(&setting);
            suspected += mended;
            assert!(setting.make_by(&mut suspects, Change::Create("grace")).succeeded(), "{}, {step}", backend.name);
            let log = setting.world.log.borrow().clone();
            assert_eq!(closed(&setting), mended, "{}, step {step}: {log:#?}", backend.name);
        }
        assert_ne!(suspected, 0, "{}", backend.name);
    }
}

#[test]
fn a_change_on_a_store_with_a_guard_is_one_conditional_batch_that_deletes_what_goes() {
    let setting = Setting::on(Backend::GUARDED_SQLITE);
    setting.world.store.forget_calls();
    setting.make(Change::Delete("bob"));
    let writes: Vec<Verb> = setting.world.store.steps().into_iter().filter(|verb| verb.writes()).collect();
    assert_eq!(writes, [Verb::Increment, Verb::ChangeIf]);
    let bob = setting.ids.borrow()["bob"].clone();
    assert!(!setting.world.store.keys().iter().any(|key| key.ends_with(&bob)));
}

/// Lets a head count some more than there are, as a write that came too late may have left it.
fn miscount(world: &World, key: &str) {
    let mut head: Value = serde_json::from_slice(&world.store.value(key).unwrap()).unwrap();
    head["members"] = json!(head["members"].as_u64().unwrap() + 2);
    world.store.plant(key, Some(head.to_string().into_bytes()));
}

#[test]
fn a_tenant_whose_counts_do_not_fit_is_closed_mended_and_opened_by_the_next_change() {
    for backend in Backend::FIT {
        let setting = Setting::on(backend);
        miscount(&setting.world, &format!("t.{}.head", setting.tenant.id));
        let refused = setting.make(Change::Create("dave"));
        assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (503, "1"), "{}", backend.name);
        let shown = setting.tenant.admin(&mut Native::within(&setting.world), "GET", "", None).expect(200).body;
        assert_eq!(shown["health"]["state"], "mending", "{}: {:?}", backend.name, setting.world.log.borrow());
        setting.insist(Change::Create("dave"));
        let shown = setting.tenant.admin(&mut Native::within(&setting.world), "GET", "", None).expect(200).body;
        assert_eq!(shown["users"], 3, "{}", backend.name);
        assert_ne!(shown["health"]["state"], "mending", "{}", backend.name);
        setting.judge(backend.name);
    }
}

#[test]
fn a_registry_whose_counts_do_not_fit_is_mended_by_the_next_tenant() {
    for backend in Backend::FIT {
        let setting = Setting::on(backend);
        miscount(&setting.world, "r.head");
        let make = || {
            let body = json!({"name": "Fabrikam"});
            life::admin(&mut Native::within(&setting.world), "POST", "/tenants", Some(&body))
        };
        make().expect(503);
        make().expect(201);
        let listed = life::admin(&mut Native::within(&setting.world), "GET", "/tenants", None).expect(200).body;
        let names: Vec<&str> =
            listed["tenants"].as_array().unwrap().iter().map(|tenant| tenant["name"].as_str().unwrap()).collect();
        assert_eq!((names, &listed["totalResults"]), (vec!["Contoso", "Fabrikam"], &json!(2)), "{}", backend.name);
    }
}

#[test]
fn a_number_of_an_epoch_that_is_ended_meanwhile_is_no_sign_of_damage() {
    for backend in Backend::FIT {
        let setting = Setting::on(backend);
        // A holder that dies before its commit.
        let asks = writes(&setting, Change::Create("dead"))[0];
        setting.world.store.forget_calls();
        setting.world.store.fail(asks + 1..usize::MAX, Fault::Refused);
        setting.make(Change::Create("dead")).expect(503);
        // The next request has read the epoch, and others end it before the request asks for its number.
        let asks = writes(&setting, Change::Create("carol"))[0];
        setting.world.store.forget_calls();
        let elsewhere = setting.clone();
        setting.world.store.interrupt(asks, move || elsewhere.insist(Change::Create("dave")));
        setting.make(Change::Create("carol")).expect(201);
        assert!(setting.world.store.was_interrupted(), "{}", backend.name);
        let log = setting.world.log.borrow().clone();
        assert!(log.iter().any(|line| line.contains("ended at turn")), "{}: {log:#?}", backend.name);
        assert!(!log.iter().any(|line| line.contains("damaged")), "{}: {log:#?}", backend.name);
        setting.judge(backend.name);
    }
}

//! Two writers, and three: the second request run whole, by another instance, wherever the first one hears from the store,
//! on a model of each backend.
//!
//! A second request that finds the turn taken waits; on this clock it waits until it takes the first for dead and ends
//! its epoch, so the first comes back far too late and must not write any more. It may come back in the midst of whatever
//! it does but a write: that a call which is under way takes less than `STUCK - HOLD` is what the two deadlines rest on.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Backend, Verb};
use acceptance::world::{ADMIN_SECRET, World};
use http::Request;
use rollcall_core::ledger::{HOLD, STUCK};
use rollcall_core::space::TenantId;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A tenant with Alice, Bob and the groups Sales, in which Alice is, and Outer, in which nobody is.
#[derive(Clone)]
struct Setting {
    world: World,
    tenant: Tenant,
    alice: String,
    bob: String,
    sales: String,
    outer: String,
    /// Changes that the journal knows before the race.
    changes: usize,
}

/// Makes a request of what there is.
type Ask = fn(&Setting) -> Request<Vec<u8>>;

/// What requests came to.
struct Outcome {
    answers: Vec<u16>,
    users: Vec<Value>,
    groups: Vec<Value>,
    connection: Value,
    tenant: Value,
}

impl Outcome {
    fn successes(&self) -> usize {
        self.answers.iter().filter(|status| (200..300).contains(*status)).count()
    }

    fn named(&self, name: &str) -> usize {
        let same = |user: &&Value| user["userName"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(name));
        self.users.iter().filter(same).count()
    }

    fn group_named(&self, name: &str) -> usize {
        let same = |group: &&Value| group["displayName"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(name));
        self.groups.iter().filter(same).count()
    }

    fn user(&self, id: &str) -> Option<&Value> {
        self.users.iter().find(|user| user["id"] == id)
    }

    fn members(&self, group: &str) -> Option<Vec<&str>> {
        let group = self.groups.iter().find(|other| other["id"] == group)?;
        let members = group["members"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(members.iter().filter_map(|member| member["value"].as_str()).collect())
    }
}

impl Setting {
    fn on(backend: Backend) -> Setting {
        let world = World::on(backend, &BTreeMap::new());
        let mut server = Native::within(&world);
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let mut user = |name: &str| tenant.create(&mut server, name).expect(201).text("/id");
        let (alice, bob) = (user("alice"), user("bob"));
        let mut group = |name: &str, members: Value| {
            let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members});
            tenant.scim(&mut server, "POST", "/Groups", Some(&body)).expect(201).text("/id")
        };
        let (sales, outer) = (group("Sales", json!([{"value": alice}])), group("Outer", json!([])));
        Setting { world, tenant, alice, bob, sales, outer, changes: 4 }
    }

    fn fork(&self) -> Setting {
        Setting { world: self.world.fork(), ..self.clone() }
    }

    /// Calls the admin API, which has to succeed.
    fn given(self, method: &str, path: &str, body: Value) -> Setting {
        let body = Some(body).filter(|body| !body.is_null());
        let reply = self.tenant.admin(&mut Native::within(&self.world), method, path, body.as_ref());
        assert!(reply.succeeded(), "{method} {path}: {reply:?}");
        self
    }

    fn scim(&self, method: &str, path: &str, body: Value) -> Request<Vec<u8>> {
        self.tenant.request(method, path, Some(&body).filter(|body| !body.is_null()))
    }

    fn create(&self, name: &str) -> Request<Vec<u8>> {
        self.scim("POST", "/Users", life::user(name))
    }

    fn set(&self, user: &str, attribute: &str, value: &str) -> Request<Vec<u8>> {
        let body = life::patch(&json!([{"op": "Replace", "path": attribute, "value": value}]));
        self.scim("PATCH", &format!("/Users/{user}"), body)
    }

    fn at_first_version(&self, attribute: &str, value: &str) -> Request<Vec<u8>> {
        let mut request = self.set(&self.alice, attribute, value);
        request.headers_mut().insert("if-match", "W/\"1\"".parse().unwrap());
        request
    }

    fn replace(&self, user: &str, name: &str, display: &str) -> Request<Vec<u8>> {
        let body = json!({"userName": name, "displayName": display, "active": true});
        self.scim("PUT", &format!("/Users/{user}"), body)
    }

    fn delete(&self, user: &str) -> Request<Vec<u8>> {
        self.scim("DELETE", &format!("/Users/{user}"), Value::Null)
    }

    fn member(&self, op: &str, group: &str, member: &str) -> Request<Vec<u8>> {
        let body = life::patch(&json!([{"op": op, "path": "members", "value": [{"value": member}]}]));
        self.scim("PATCH", &format!("/Groups/{group}"), body)
    }

    fn rename_group(&self, group: &str, name: &str) -> Request<Vec<u8>> {
        let body = life::patch(&json!([{"op": "replace", "path": "displayName", "value": name}]));
        self.scim("PATCH", &format!("/Groups/{group}"), body)
    }

    fn create_group(&self, name: &str) -> Request<Vec<u8>> {
        let body = json!({"displayName": name, "members": [{"value": self.bob}]});
        self.scim("POST", "/Groups", body)
    }

    fn delete_group(&self, group: &str) -> Request<Vec<u8>> {
        self.scim("DELETE", &format!("/Groups/{group}"), Value::Null)
    }

    fn admin(&self, method: &str, path: &str, body: Value) -> Request<Vec<u8>> {
        let uri = format!("/admin/api/v1/tenants/{}{path}", self.tenant.id);
        let request =
            Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {ADMIN_SECRET}"));
        request.body(if body.is_null() { Vec::new() } else { body.to_string().into_bytes() }).unwrap()
    }

    fn answer(&self, request: Request<Vec<u8>>) -> u16 {
        Native::within(&self.world).answer(request).status().as_u16()
    }

    /// Sends the first request, and another one in each of the moments of the first.
    fn meet(&self, first: Ask, others: &[(Moment, Ask)]) -> Vec<u16> {
        let answers = Rc::new(RefCell::new(Vec::new()));
        let first = first(self);
        self.world.store.forget_calls();
        for (moment, other) in others {
            let (request, elsewhere, kept) = (other(self), self.clone(), answers.clone());
            let act = move || {
                let status = elsewhere.answer(request);
                kept.borrow_mut().push(status);
            };
            match *moment {
                Moment::Before(step) => self.world.store.interrupt(step, act),
                Moment::After(step) => self.world.store.interrupt_after(step, act),
            }
        }
        let status = self.answer(first);
        self.world.store.forget_calls();
        let mut answers = answers.take();
        answers.insert(0, status);
        answers
    }

    /// What is there afterwards. Whatever the requests were, no invariant is broken and the journal has no gap.
    fn outcome(&self, answers: Vec<u16>) -> Outcome {
        let mut server = Native::within(&self.world);
        let id = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(server.rollcall.check(&id), Ok(Vec::new()), "{answers:?}");
        let mut admin = |path: &str| self.tenant.admin(&mut server, "GET", path, None);
        let users = admin("/users").expect(200).body["users"].as_array().unwrap().clone();
        let (connection, tenant) = (admin("/connection").body, admin("").body);
        let records = self.tenant.journal(&mut server);
        let numbers: Vec<u64> = records.iter().rev().map(|record| record["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>(), "the journal has gaps");
        let changed = records.iter().filter(|record| record["changed"] == true).count();
        let groups = self.groups(&mut server);
        let outcome = Outcome { answers, users, groups, connection, tenant };
        assert!(
            changed <= self.changes + outcome.successes(),
            "{changed} changes in the journal, {:?}",
            outcome.answers
        );
        outcome
    }

    fn groups(&self, server: &mut Native) -> Vec<Value> {
        let prefix = format!("t.{}.g.", self.tenant.id);
        let ids = self.world.store.keys().into_iter().filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned()));
        let mut read = |id: String| self.tenant.scim(server, "GET", &format!("/Groups/{id}"), None);
        ids.map(&mut read).filter(|reply| reply.status == 200).map(|reply| reply.body).collect()
    }
}

/// When another request comes in.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Before(usize),
    After(usize),
}

/// The moments of a request: before it does anything, and whenever it has heard from the store. Within the reading half of
/// an increment, too; never within a write.
fn moments(setting: &Setting, request: Ask) -> Vec<Moment> {
    let setting = setting.fork();
    let request = request(&setting);
    setting.world.store.forget_calls();
    setting.answer(request);
    let (steps, ends) = (setting.world.store.steps(), setting.world.store.ends());
    let heard = |step: &usize| ends.contains(step) || steps[*step] == Verb::Get;
    let moments: Vec<Moment> = (0..steps.len()).filter(heard).map(Moment::After).collect();
    assert!(moments.len() > 4, "{steps:?}");
    [vec![Moment::Before(0)], moments].concat()
}

/// Two requests that touch the same thing.
struct Race {
    one: Ask,
    other: Ask,
    /// What the tenant is like before.
    given: fn(Setting) -> Setting,
    /// Statuses with which the loser may be told so. 503 is always one: it was passed over.
    refusals: &'static [u16],
    judge: fn(&Setting, &Outcome) -> bool,
}

const RACE: Race =
    Race { one: |s| s.create("carol"), other: |s| s.create("CAROL"), given: |s| s, refusals: &[], judge: |_, _| true };

/// Lets the two meet in every moment of one and of the other, on each backend.
#[track_caller]
fn run(race: &Race) {
    assert!(STUCK >= 2 * HOLD);
    for backend in Backend::FIT {
        let setting = (race.given)(Setting::on(backend));
        for (first, second) in [(race.one, race.other), (race.other, race.one)] {
            for moment in moments(&setting, first) {
                judge(race, &setting, first, &[(moment, second)]);
            }
        }
    }
}

/// The same with a third request, like the first one, in every later moment.
#[track_caller]
fn run_three(race: &Race) {
    for backend in Backend::FIT {
        let setting = (race.given)(Setting::on(backend));
        let moments = moments(&setting, race.one);
        for (place, moment) in moments.iter().enumerate() {
            for later in &moments[place..] {
                judge(race, &setting, race.one, &[(*moment, race.other), (*later, race.one)]);
            }
        }
    }
}

#[track_caller]
fn judge(race: &Race, setting: &Setting, first: Ask, others: &[(Moment, Ask)]) {
    let setting = setting.fork();
    let answers = setting.meet(first, others);
    let moments: Vec<Moment> = others.iter().map(|(moment, _)| *moment).collect();
    let context = format!("{answers:?} at {moments:?}");
    let by_the_rule = |status: &u16| (200..300).contains(status) || *status == 503 || race.refusals.contains(status);
    assert!(answers.iter().all(by_the_rule), "{context}: expected {:?} of the losers", race.refusals);
    // Whoever comes before the other is done, or when the other is dead, is served.
    assert!(answers.len() < others.len() + 1 || answers.iter().any(|status| *status != 503), "{context}");
    let outcome = setting.outcome(answers);
    let found = (&outcome.users, &outcome.groups, &outcome.connection["state"]);
    assert!((race.judge)(&setting, &outcome), "{context}: {found:#?}");
}

// Users

#[test]
fn of_two_users_with_one_name_one_is_made() {
    let race = Race { refusals: &[409], judge: |_, o| o.successes() == 1 && o.named("carol") == 1, ..RACE };
    run(&race);
    run_three(&race);
}

#[test]
fn of_two_users_that_want_one_name_one_gets_it() {
    let rename: Ask = |s| s.set(&s.alice, "userName", "carol");
    let judge = |_: &Setting, o: &Outcome| o.successes() == 1 && o.named("carol") == 1;
    run(&Race { one: rename, other: |s| s.create("Carol"), refusals: &[409], judge, ..RACE });
    run(&Race { one: rename, other: |s| s.set(&s.bob, "userName", "Carol"), refusals: &[409], judge, ..RACE });
    run(&Race {
        one: |s| s.replace(&s.alice, "carol", "A"),
        other: |s| s.replace(&s.bob, "carol", "B"),
        refusals: &[409],
        judge,
        ..RACE
    });
}

#[test]
fn two_users_cannot_swap_their_names_in_one_step_each() {
    run(&Race {
        one: |s| s.set(&s.alice, "userName", "bob"),
        other: |s| s.set(&s.bob, "userName", "alice"),
        refusals: &[409],
        judge: |s, o| {
            let name = |id: &str| o.user(id).unwrap()["userName"].clone();
            o.successes() == 0 && (name(&s.alice), name(&s.bob)) == (json!("alice"), json!("bob"))
        },
        ..RACE
    });
}

#[test]
fn a_name_that_becomes_free_goes_to_whoever_asks_afterwards() {
    run(&Race {
        one: |s| s.set(&s.alice, "userName", "carol"),
        other: |s| s.set(&s.bob, "userName", "alice"),
        refusals: &[409],
        judge: |s, o| {
            let names = [&o.user(&s.alice).unwrap()["userName"], &o.user(&s.bob).unwrap()["userName"]];
            let renamed = usize::from(names[0] == "carol") + usize::from(names[1] == "alice");
            names[0] != names[1] && renamed == o.successes()
        },
        ..RACE
    });
}

#[test]
fn two_changes_of_one_user_are_both_there() {
    // Whoever was told that it is done finds it done, and the other way round.
    let race = Race {
        one: |s| s.set(&s.alice, "displayName", "new"),
        other: |s| s.set(&s.alice, "externalId", "new"),
        judge: |s, o| {
            let alice = o.user(&s.alice).unwrap();
            let done = [alice["displayName"] == "new", alice["externalId"] == "new"];
            o.successes() >= 1
                && (o.answers.len() > 2 || done.into_iter().filter(|done| *done).count() == o.successes())
        },
        ..RACE
    };
    run(&race);
    run_three(&race);
}

#[test]
fn of_two_changes_of_one_version_one_is_made() {
    run(&Race {
        one: |s| s.at_first_version("displayName", "one"),
        other: |s| s.at_first_version("displayName", "two"),
        refusals: &[412],
        judge: |s, o| {
            let name = o.user(&s.alice).unwrap()["displayName"].clone();
            o.successes() == 1 && ["one", "two"].iter().any(|one| name == *one)
        },
        ..RACE
    });
}

#[test]
fn a_replacement_and_a_change_come_one_after_the_other() {
    run(&Race {
        one: |s| s.replace(&s.alice, "alice", "whole"),
        other: |s| s.set(&s.alice, "externalId", "part"),
        judge: |s, o| {
            let alice = o.user(&s.alice).unwrap();
            // The replacement clears what it does not name; a change before it is gone by its wish.
            let (whole, part) = (alice["displayName"] == "whole", alice["externalId"] == "part");
            o.successes() >= 1 && if o.successes() == 2 { whole } else { whole != part }
        },
        ..RACE
    });
}

#[test]
fn a_user_is_disabled_or_enabled_as_the_last_one_said() {
    run(&Race {
        one: |s| s.set(&s.alice, "active", "False"),
        other: |s| s.set(&s.bob, "active", "False"),
        judge: |_, o| {
            let disabled = o.users.iter().filter(|user| user["active"] == false).count();
            disabled == o.successes() && o.connection["activeUsers"] == 2 - disabled
        },
        ..RACE
    });
}

#[test]
fn a_user_that_is_deleted_meanwhile_does_not_come_back() {
    let delete: Ask = |s| s.delete(&s.alice);
    run(&Race {
        one: delete,
        other: |s| s.set(&s.alice, "userName", "carol"),
        refusals: &[404],
        judge: |s, o| {
            let (there, deleted) = (o.user(&s.alice).is_some(), o.answers.contains(&204));
            there != deleted && (there || o.named("carol") == 0)
        },
        ..RACE
    });
    let race = Race {
        one: delete,
        other: delete,
        refusals: &[404],
        judge: |s, o| o.user(&s.alice).is_none() && o.successes() == 1,
        ..RACE
    };
    run(&race);
    run_three(&race);
    run(&Race {
        one: delete,
        other: |s| s.create("Alice"),
        refusals: &[409],
        judge: |_, o| {
            let created = o.answers.contains(&201);
            o.named("alice") <= 1 && (!created || o.named("alice") == 1)
        },
        ..RACE
    });
    run(&Race {
        one: |s| s.admin("DELETE", &format!("/users/{}", s.alice), Value::Null),
        other: |s| s.set(&s.alice, "displayName", "new"),
        refusals: &[404],
        judge: |s, o| o.user(&s.alice).is_none() == o.answers.contains(&204),
        ..RACE
    });
}

#[test]
fn the_last_seat_is_taken_once() {
    let race = Race {
        one: |s| s.create("carol"),
        other: |s| s.create("dave"),
        given: |s| s.given("PATCH", "", json!({"seats": 3})),
        refusals: &[403],
        judge: |_, o| o.users.iter().filter(|user| user["active"] == true).count() == 3 && o.successes() == 1,
    };
    run(&race);
    run(&Race {
        one: |s| s.set(&s.alice, "active", "True"),
        given: |s| {
            let disable = s.set(&s.alice, "active", "False");
            assert_eq!(s.answer(disable), 200);
            let s = Setting { changes: s.changes + 1, ..s };
            s.given("PATCH", "", json!({"seats": 2}))
        },
        judge: |_, o| o.users.iter().filter(|user| user["active"] == true).count() == 2 && o.successes() == 1,
        ..race
    });
}

// Groups

#[test]
fn members_who_are_added_at_once_are_both_there() {
    let race = Race {
        one: |s| s.member("Add", &s.outer, &s.alice),
        other: |s| s.member("Add", &s.outer, &s.bob),
        judge: |s, o| {
            let members = o.members(&s.outer).unwrap();
            o.answers.len() > 2 || members.len() == o.successes() && o.successes() >= 1
        },
        ..RACE
    };
    run(&race);
    run_three(&race);
    run(&Race {
        one: |s| s.member("Add", &s.outer, &s.bob),
        other: |s| s.member("Add", &s.outer, &s.bob),
        judge: |s, o| o.members(&s.outer).unwrap() == [s.bob.as_str()] && o.successes() >= 1,
        ..RACE
    });
    run(&Race {
        one: |s| s.member("Add", &s.sales, &s.bob),
        other: |s| s.member("Remove", &s.sales, &s.alice),
        judge: |s, o| {
            let members = o.members(&s.sales).unwrap();
            let done =
                usize::from(members.contains(&s.bob.as_str())) + usize::from(!members.contains(&s.alice.as_str()));
            done == o.successes() && done >= 1
        },
        ..RACE
    });
}

#[test]
fn a_member_that_is_deleted_meanwhile_is_no_member() {
    run(&Race {
        one: |s| s.member("Add", &s.outer, &s.bob),
        other: |s| s.delete(&s.bob),
        refusals: &[400],
        judge: |s, o| {
            let (there, members) = (o.user(&s.bob).is_some(), o.members(&s.outer).unwrap());
            let done = usize::from(!there) + usize::from(!members.is_empty());
            if there { done == o.successes() } else { members.is_empty() && o.successes() >= 1 }
        },
        ..RACE
    });
    run(&Race {
        one: |s| s.member("Add", &s.outer, &s.sales),
        other: |s| s.delete_group(&s.sales),
        refusals: &[400],
        judge: |s, o| o.members(&s.sales).is_some() || o.members(&s.outer).unwrap().is_empty(),
        ..RACE
    });
}

#[test]
fn a_group_that_is_deleted_meanwhile_does_not_come_back() {
    let delete: Ask = |s| s.delete_group(&s.sales);
    // Both answer 204, so whether the group is there tells whether the deletion was one of those who succeeded.
    let judge = |s: &Setting, o: &Outcome| o.successes() >= 1 && (o.members(&s.sales).is_none() || o.successes() == 1);
    run(&Race { one: delete, other: |s| s.member("Add", &s.sales, &s.bob), refusals: &[404], judge, ..RACE });
    run(&Race {
        one: delete,
        other: |s| s.delete(&s.alice),
        judge: |s, o| {
            let gone = usize::from(o.members(&s.sales).is_none()) + usize::from(o.user(&s.alice).is_none());
            gone == o.successes() && gone >= 1
        },
        ..RACE
    });
    run(&Race { one: delete, other: |s| s.rename_group(&s.sales, "Sellers"), refusals: &[404], judge, ..RACE });
}

#[test]
fn of_two_groups_that_want_one_name_one_gets_it() {
    let judge = |_: &Setting, o: &Outcome| o.successes() == 1 && o.group_named("staff") == 1;
    run(&Race {
        one: |s| s.create_group("staff"),
        other: |s| s.create_group("STAFF"),
        refusals: &[409],
        judge,
        ..RACE
    });
    let rename: Ask = |s| s.rename_group(&s.sales, "Staff");
    run(&Race { one: rename, other: |s| s.create_group("staff"), refusals: &[409], judge, ..RACE });
    run(&Race { one: rename, other: |s| s.rename_group(&s.outer, "staff"), refusals: &[409], judge, ..RACE });
}

#[test]
fn groups_that_are_switched_off_meanwhile_stay_whole() {
    run(&Race {
        one: |s| s.member("Add", &s.sales, &s.bob),
        other: |s| s.admin("PATCH", "/connection", json!({"groups": false})),
        refusals: &[501],
        judge: |s, o| {
            // Whether Bob has come in is seen where groups are on.
            let s = s.clone().given("PATCH", "/connection", json!({"groups": true}));
            let groups = s.groups(&mut Native::within(&s.world));
            let sales = groups.iter().find(|group| group["id"] == s.sales.as_str()).unwrap();
            let members = sales["members"].as_array().map(Vec::len);
            members == Some(1 + usize::from(o.answers.contains(&204)))
        },
        ..RACE
    });
}

// Connections and tenants

#[test]
fn a_connection_ends_once_and_stays_ended() {
    let end: Ask = |s| s.admin("DELETE", "/connection", Value::Null);
    let rotate: Ask = |s| s.admin("POST", "/connection/rotate", json!({"overlapSeconds": 0}));
    run(&Race {
        one: end,
        other: end,
        refusals: &[404],
        judge: |_, o| o.successes() == 1 && o.connection["state"] == "ended",
        ..RACE
    });
    run(&Race {
        one: end,
        other: rotate,
        refusals: &[404],
        judge: |_, o| {
            let ended = o.answers.contains(&204);
            ended == (o.connection["state"] == "ended") && (!ended || o.connection["tokens"] == json!([]))
        },
        ..RACE
    });
    run(&Race {
        one: rotate,
        other: rotate,
        judge: |_, o| o.successes() >= 1 && o.connection["tokens"].as_array().is_some_and(|tokens| tokens.len() == 1),
        ..RACE
    });
}

#[test]
fn of_two_who_start_a_connection_one_does() {
    let start: Ask = |s| s.admin("POST", "/connection", json!({"identityProvider": "entra"}));
    run(&Race {
        one: start,
        other: start,
        given: |s| s.given("DELETE", "/connection", Value::Null),
        refusals: &[409],
        judge: |_, o| o.successes() == 1 && o.connection["state"] == "started",
    });
}

#[test]
fn a_change_and_the_end_of_the_connection_or_of_its_token_exclude_each_other() {
    // A change that began with a valid token may still be made; it is never half made.
    let judge = |_: &Setting, o: &Outcome| (o.named("carol") == 1) == o.answers.contains(&201);
    let create: Ask = |s| s.create("carol");
    run(&Race {
        one: create,
        other: |s| s.admin("DELETE", "/connection", Value::Null),
        refusals: &[401],
        judge,
        ..RACE
    });
    run(&Race {
        one: create,
        other: |s| s.admin("POST", "/connection/rotate", json!({"overlapSeconds": 0})),
        refusals: &[401],
        judge,
        ..RACE
    });
}

#[test]
fn what_an_ended_connection_left_is_deleted_or_taken_over() {
    run(&Race {
        one: |s| s.admin("DELETE", "/users", json!({"confirm": "Contoso"})),
        other: |s| s.admin("POST", "/connection", json!({"identityProvider": "entra"})),
        given: |s| s.given("DELETE", "/connection", Value::Null),
        refusals: &[409],
        judge: |_, o| o.users.len() == if o.answers.contains(&200) { 0 } else { 2 } && o.successes() >= 1,
    });
}

#[test]
fn two_changes_of_a_tenant_are_both_there() {
    run(&Race {
        one: |s| s.admin("PATCH", "", json!({"name": "Fabrikam"})),
        other: |s| s.admin("PATCH", "", json!({"seats": 7})),
        judge: |_, o| {
            let done = usize::from(o.tenant["name"] == "Fabrikam") + usize::from(o.tenant["seats"] == 7);
            done == o.successes() && done >= 1
        },
        ..RACE
    });
}

#[test]
fn two_tenants_that_are_made_at_once_are_both_listed() {
    let make: Ask = |s| {
        let mut request = s.admin("POST", "", json!({"name": "New"}));
        *request.uri_mut() = "/admin/api/v1/tenants".parse().unwrap();
        request
    };
    run(&Race {
        one: make,
        other: make,
        judge: |s, o| {
            let listed = life::admin(&mut Native::within(&s.world), "GET", "/tenants", None).expect(200).body;
            let new = listed["tenants"].as_array().unwrap().iter().filter(|tenant| tenant["name"] == "New").count();
            new == o.successes() && new >= 1 && listed["totalResults"] == new + 1
        },
        ..RACE
    });
}

#[test]
fn a_tenant_that_is_deleted_lets_nobody_in() {
    run_deletion(
        |s| s.admin("DELETE", "", Value::Null),
        |s| s.admin("POST", "/connection", json!({"identityProvider": "entra"})),
    );
    run_deletion(
        |s| s.admin("POST", "/connection", json!({"identityProvider": "entra"})),
        |s| s.admin("DELETE", "", Value::Null),
    );
}

fn run_deletion(first: Ask, second: Ask) {
    for backend in Backend::FIT {
        let setting = Setting::on(backend).given("DELETE", "/connection", Value::Null).given(
            "DELETE",
            "/users",
            json!({"confirm": "Contoso"}),
        );
        for moment in moments(&setting, first) {
            let setting = setting.fork();
            setting.meet(first, &[(moment, second)]);
            let mut server = Native::within(&setting.world);
            if setting.tenant.admin(&mut server, "GET", "", None).status == 404 {
                let connection = format!("t.{}.connection", setting.tenant.id);
                let left = setting.world.store.value(&connection).unwrap_or_default();
                let left = String::from_utf8_lossy(&left);
                assert!(!left.contains("\"endedAt\":null"), "{}, {moment:?}: somebody is let in", backend.name);
            }
        }
    }
}

// The journal and readers

#[test]
fn records_of_two_requests_have_two_numbers() {
    run(&Race {
        one: |s| s.scim("GET", "/Users?count=0", Value::Null),
        other: |s| s.set(&s.alice, "displayName", "new"),
        judge: |s, o| {
            let records = s.tenant.journal(&mut Native::within(&s.world));
            o.answers == [200, 200] || o.answers.contains(&503) && records.len() >= 5
        },
        ..RACE
    });
}

/// Moments of a request in which somebody who only looks may come in: in the midst of a batch, too.
fn all_moments(setting: &Setting, request: Ask) -> Vec<Moment> {
    let setting = setting.fork();
    let request = request(&setting);
    setting.world.store.forget_calls();
    setting.answer(request);
    (0..setting.world.store.steps().len()).map(Moment::After).collect()
}

#[test]
fn a_reader_in_between_sees_before_or_after() {
    let changes: [(&str, Ask); 4] = [
        ("rename", |s| s.set(&s.alice, "userName", "carol")),
        ("create", |s| s.create("carol")),
        ("add", |s| s.member("Add", &s.sales, &s.bob)),
        ("delete", |s| s.delete(&s.alice)),
    ];
    for backend in Backend::FIT {
        let setting = Setting::on(backend);
        for (what, change) in changes {
            let done = setting.fork();
            let before = seen(&done);
            done.answer(change(&done));
            let after = seen(&done);
            assert_ne!(before, after);
            for moment in all_moments(&setting, change) {
                let setting = setting.fork();
                let request = change(&setting);
                let (looker, kept) = (setting.clone(), Rc::new(RefCell::new(None)));
                let found = kept.clone();
                setting.world.store.forget_calls();
                if let Moment::After(step) = moment {
                    setting.world.store.interrupt_after(step, move || *kept.borrow_mut() = Some(seen(&looker)));
                }
                setting.answer(request);
                let found = found.take().unwrap();
                assert!(found == before || found == after, "{what} on {}, {moment:?}: {found:#?}", backend.name);
            }
        }
    }
}

/// All that can be looked at without leaving a record: a record would wait for the turn.
fn seen(setting: &Setting) -> Value {
    let rollcall = setting.world.instance();
    let tenant = TenantId::parse(&setting.tenant.id).unwrap();
    let named = |name: &str| rollcall.user_named(&tenant, name).unwrap().map(|user| user.id);
    let (users, total) = rollcall.users(&tenant, 1, 100).unwrap();
    let users: Vec<String> = users.into_iter().map(|user| user.user_name).collect();
    assert_eq!(rollcall.check(&tenant), Ok(Vec::new()));
    let group = |id: &str| {
        let request = setting.tenant.request("GET", &format!("/Groups/{id}"), None);
        let body: Value = serde_json::from_slice(&match rollcall.handle(request).into_body() {
            rollcall_core::http::Body::Full(bytes) => bytes,
            rollcall_core::http::Body::Stream(_) => Vec::new(),
        })
        .unwrap();
        body["members"].as_array().map(Vec::len)
    };
    json!([users, total, named("alice").is_some(), named("carol").is_some(), group(&setting.sales)])
}

//! Two writers, and three: the second request run whole, by another instance, wherever the first one hears from the store,
//! on a model of each backend and on a real Redis. At the end the same pairs once more, really at once, each request from
//! a host of its own.
//!
//! A second request that finds the turn taken waits; on this clock it waits until it takes the first for dead and ends
//! its epoch, so the first comes back far too late and must not write any more. It may come back in the midst of whatever
//! it does but a write: that a call which is under way takes less than `STUCK - HOLD` is what the two deadlines rest on.

use acceptance::backup::{content, export};
use acceptance::hosted;
use acceptance::life::{self, Reply, Tenant};
use acceptance::native::Native;
use acceptance::program::{Host, Redis, fresh};
use acceptance::run::Server as _;
use acceptance::store::{Backend, Verb};
use acceptance::world::{ADMIN_SECRET, World};
use http::Request;
use rollcall_core::keys::TenantId;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

/// A tenant with Alice, Bob and the groups Sales, in which Alice is, and Outer, in which nobody is.
#[derive(Clone)]
struct Setting {
    world: World,
    tenant: Tenant,
    alice: String,
    bob: String,
    sales: String,
    outer: String,
    /// Cookies of two browsers that are signed in to the page.
    browsers: [String; 2],
    /// Two exports of the tenant, one a moment after the other.
    files: [String; 2],
    /// Changes that the journal knows before the race.
    changes: usize,
}

/// A schema that the tenant may have of its own.
const STAFF: &str = "urn:example:params:scim:staff:1.0:User";

/// Makes a request of what there is.
type Ask = fn(&Setting) -> Request<Vec<u8>>;

/// What requests came to.
struct Outcome {
    answers: Vec<u16>,
    bodies: Vec<Value>,
    users: Vec<Value>,
    groups: Vec<Value>,
    connection: Value,
    tenant: Value,
    /// Where the race was about an import: whether the tenant is the one of the file again.
    restored: bool,
}

impl Outcome {
    fn successes(&self) -> usize {
        self.answers.iter().filter(|status| (200..300).contains(*status)).count()
    }

    /// The operations of bulk requests, with what came of each.
    fn operations(&self) -> impl Iterator<Item = &Value> {
        self.bodies.iter().filter_map(|body| body["Operations"].as_array()).flatten()
    }

    /// What came of the operation of a bulk request that has this `bulkId`.
    fn operation(&self, bulk_id: &str) -> Option<&str> {
        self.operations().find(|operation| operation["bulkId"] == bulk_id)?["status"].as_str()
    }

    /// Changes that were answered with success.
    fn changes(&self) -> usize {
        let well = |operation: &&Value| operation["status"].as_str().is_some_and(|status| status.starts_with('2'));
        self.successes() + self.operations().filter(well).count()
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
        Setting::within(World::on(backend, &BTreeMap::new()))
    }

    fn within(world: World) -> Setting {
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
        let browsers = [(); 2].map(|()| sign_in(&mut server));
        Setting { world, tenant, alice, bob, sales, outer, browsers, files: Default::default(), changes: 4 }
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
        let request = request.header("host", "scim.example.com");
        request.body(if body.is_null() { Vec::new() } else { body.to_string().into_bytes() }).unwrap()
    }

    /// The page's requests carry a cookie, and the browser says where the page is from.
    fn page(&self, browser: usize, method: &str, path: &str, body: Value) -> Request<Vec<u8>> {
        let mut request = self.admin(method, "", body);
        *request.uri_mut() = format!("/admin/api/v1{path}").parse().unwrap();
        let headers = request.headers_mut();
        headers.remove("authorization");
        headers.insert("origin", "http://scim.example.com".parse().unwrap());
        headers.insert("cookie", self.browsers[browser].parse().unwrap());
        request
    }

    fn sign_out(&self, browser: usize) -> Request<Vec<u8>> {
        self.page(browser, "DELETE", "/session", Value::Null)
    }

    fn is_signed_in(&self, browser: usize) -> bool {
        self.answer(self.page(browser, "GET", "/session", Value::Null)).status == 200
    }

    /// A schema of the tenant's own with one attribute.
    fn put_schema(&self, urn: &str, attribute: &str) -> Request<Vec<u8>> {
        self.admin("PUT", &format!("/schemas/{urn}"), json!({"attributes": [{"name": attribute, "type": "integer"}]}))
    }

    /// The attributes of the tenant's own schemas.
    fn schemas(&self) -> Vec<String> {
        let listed = self.answer(self.admin("GET", "/schemas", Value::Null)).expect(200).body;
        let schemas = listed["schemas"].as_array().unwrap().iter();
        let one = |schema: &Value| format!("{} {}", schema["id"], schema["attributes"][0]["name"]).replace('"', "");
        schemas.map(one).collect()
    }

    fn create_staff(&self, name: &str, floor: u64) -> Request<Vec<u8>> {
        let mut user = life::user(name);
        user[STAFF] = json!({"floor": floor});
        self.scim("POST", "/Users", user)
    }

    fn set_floor(&self, floor: u64) -> Request<Vec<u8>> {
        let body = life::patch(&json!([{"op": "add", "path": format!("{STAFF}:floor"), "value": floor}]));
        self.scim("PATCH", &format!("/Users/{}", self.alice), body)
    }

    /// The floor of a user who is there, as the schema shows it.
    fn floor(&self, name: &str) -> Option<Option<u64>> {
        let found = self.tenant.find(&mut Native::within(&self.world), name).expect(200).body;
        found["Resources"].as_array()?.first().map(floor_of)
    }

    /// Whether the floor of the next user is kept, where the schema was put, and passed over where it was not. A
    /// connection that has ended starts anew for it.
    fn keeps_floors_as_answered(&self, outcome: &Outcome) -> bool {
        let put = outcome.bodies.iter().any(|body| body["id"] == STAFF);
        let connection = match &outcome.connection["state"] {
            ended if ended == "ended" => {
                self.answer(self.admin("POST", "/connection", json!({"identityProvider": "entra"}))).expect(201).body
            }
            _ => outcome.connection.clone(),
        };
        let token = connection["secretToken"].as_str().unwrap().to_owned();
        let setting = Setting { tenant: Tenant { token, ..self.tenant.clone() }, ..self.clone() };
        let carol = setting.answer(setting.create_staff("carol", 3)).expect(201).body;
        setting.schemas().len() == usize::from(put) && floor_of(&carol) == put.then_some(3)
    }

    fn bulk(&self, operations: Value) -> Request<Vec<u8>> {
        self.scim("POST", "/Bulk", json!({"Operations": operations}))
    }

    /// The tenant's files are there, and the tenant is empty.
    fn about_to_be_restored(self) -> Setting {
        let files = [(); 2].map(|()| {
            self.world.time.pass(Duration::from_millis(5));
            export(&mut Native::within(&self.world), &self.tenant.id)
        });
        let setting = Setting { files, ..self };
        let setting = setting.given("DELETE", "/connection", Value::Null);
        // The second time there is nothing left, and the keys of the first time are given back.
        let setting = setting.given("DELETE", "/users", json!({"confirm": "Contoso"}));
        setting.given("DELETE", "/users", json!({"confirm": "Contoso"}))
    }

    fn import(&self, file: usize) -> Request<Vec<u8>> {
        let mut request = self.admin("POST", "/import", Value::Null);
        *request.body_mut() = self.files[file].as_bytes().to_vec();
        request
    }

    fn is_restored(&self) -> bool {
        content(&export(&mut Native::within(&self.world), &self.tenant.id)) == content(&self.files[0])
    }

    /// Damages what is made from documents, where no change stumbles over it.
    fn damaged(self) -> Setting {
        let key = |rest: &str| format!("t.{}.{rest}", self.tenant.id);
        let stray = json!([self.alice]).to_string().into_bytes();
        self.world.store.plant(&key("m.AAAAAAAAAAAAAAAAAAAAAAAA"), Some(stray));
        let mut head: Value = serde_json::from_slice(&self.world.store.value(&key("head")).unwrap()).unwrap();
        head["active"] = json!(70);
        self.world.store.plant(&key("head"), Some(head.to_string().into_bytes()));
        self
    }

    fn answer(&self, request: Request<Vec<u8>>) -> Reply {
        Reply::of(Native::within(&self.world).answer(request))
    }

    /// Sends the first request, and another one in each of the moments of the first.
    fn meet(&self, first: Ask, others: &[(Moment, Ask)]) -> Vec<Reply> {
        let answers = Rc::new(RefCell::new(Vec::new()));
        let first = first(self);
        self.world.store.forget_calls();
        for (moment, other) in others {
            let (request, elsewhere, kept) = (other(self), self.clone(), answers.clone());
            let act = move || {
                let reply = elsewhere.answer(request);
                kept.borrow_mut().push(reply);
            };
            match *moment {
                Moment::Before(step) => self.world.store.interrupt(step, act),
                Moment::After(step) => self.world.store.interrupt_after(step, act),
            }
        }
        let reply = self.answer(first);
        self.world.store.forget_calls();
        let mut answers = answers.take();
        answers.insert(0, reply);
        answers
    }

    /// What is there afterwards. Whatever the requests were, no invariant is broken and the journal has no gap.
    fn outcome(&self, replies: Vec<Reply>) -> Outcome {
        let (answers, bodies): (Vec<u16>, Vec<Value>) =
            replies.into_iter().map(|reply| (reply.status, reply.body)).unzip();
        // First, since whatever is read by SCIM leaves a record.
        let restored = !self.files[0].is_empty() && self.is_restored();
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
        let outcome = Outcome { answers, bodies, restored, users, groups, connection, tenant };
        assert!(changed <= self.changes + outcome.changes(), "{changed} changes in the journal, {:?}", outcome.answers);
        outcome
    }

    fn groups(&self, server: &mut Native) -> Vec<Value> {
        let prefix = format!("t.{}.g.", self.tenant.id);
        let ids = self.world.store.keys().into_iter().filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned()));
        let mut read = |id: String| self.tenant.scim(server, "GET", &format!("/Groups/{id}"), None);
        ids.map(&mut read).filter(|reply| reply.status == 200).map(|reply| reply.body).collect()
    }
}

/// Signs in to the page, and answers the cookie.
fn sign_in(server: &mut Native) -> String {
    let request = Request::post("/admin/api/v1/session").body(json!({"secret": ADMIN_SECRET}).to_string().into_bytes());
    let reply = Reply::of(server.answer(request.unwrap())).expect(204);
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
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
    /// What whoever was passed over does next, where that would leave something half done.
    settle: fn(&Setting, &[Reply]),
    judge: fn(&Setting, &Outcome) -> bool,
}

const RACE: Race = Race {
    one: |s| s.create("carol"),
    other: |s| s.create("CAROL"),
    given: |s| s,
    refusals: &[],
    settle: |_, _| {},
    judge: |_, _| true,
};

/// Lets the two meet in every moment of one and of the other, on each backend.
#[track_caller]
fn run(race: &Race) {
    if let Some(hosts) = Hosts::of_this_thread() {
        return hosts.run(race, &[race.one, race.other]);
    }
    for backend in Backend::all_fit() {
        let setting = (race.given)(Setting::on(backend));
        for (first, second) in [(race.one, race.other), (race.other, race.one)] {
            for moment in moments(&setting, first) {
                judge(race, &setting, first, &[(moment, second)]);
            }
        }
    }
}

/// Two requests at once, and a third one, like the first, in every later moment.
#[track_caller]
fn run_three(race: &Race) {
    if let Some(hosts) = Hosts::of_this_thread() {
        return hosts.run(race, &[race.one, race.other, race.one]);
    }
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
    let replies = setting.meet(first, others);
    let moments: Vec<Moment> = others.iter().map(|(moment, _)| *moment).collect();
    let where_and_when = format!("on {}, at {moments:?}", setting.world.store.backend().name);
    let met = replies.len() == others.len() + 1;
    decide(race, &setting, replies, met, &where_and_when);
}

/// Whether what came of a race is right. Where not all have met, the one that came last had nobody to wait for.
#[track_caller]
fn decide(race: &Race, setting: &Setting, replies: Vec<Reply>, met: bool, where_and_when: &str) {
    let answers: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    let context = format!("{answers:?} {where_and_when}");
    let by_the_rule = |status: &u16| (200..300).contains(status) || *status == 503 || race.refusals.contains(status);
    assert!(answers.iter().all(by_the_rule), "{context}: expected {:?} of the losers", race.refusals);
    // Whoever comes before the other is done, or when the other is dead, is served.
    assert!(!met || answers.iter().any(|status| *status != 503), "{context}");
    (race.settle)(setting, &replies);
    let outcome = setting.outcome(replies);
    let found = (&outcome.bodies, &outcome.users, &outcome.groups, &outcome.connection["state"]);
    assert!((race.judge)(setting, &outcome), "{context}: {found:#?}");
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
        ..RACE
    };
    run(&race);
    run(&Race {
        one: |s| s.set(&s.alice, "active", "True"),
        given: |s| {
            let disable = s.set(&s.alice, "active", "False");
            s.answer(disable).expect(200);
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
        ..RACE
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
        ..RACE
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
    let delete: Ask = |s| s.admin("DELETE", "", Value::Null);
    let start: Ask = |s| s.admin("POST", "/connection", json!({"identityProvider": "entra"}));
    let others: [Ask; 3] = [start, |s| s.import(0), |s| s.put_schema(STAFF, "floor")];
    for backend in Backend::all_fit() {
        let setting = Setting::on(backend).about_to_be_restored();
        for other in others {
            for (first, second) in [(delete, other), (other, delete)] {
                for moment in moments(&setting, first) {
                    let setting = setting.fork();
                    setting.meet(first, &[(moment, second)]);
                    expect_nobody_in_nowhere(&setting, moment);
                }
            }
        }
    }
}

/// Where the tenant is gone, nobody can get in any more.
#[track_caller]
fn expect_nobody_in_nowhere(setting: &Setting, moment: Moment) {
    let server = &mut Native::within(&setting.world);
    if setting.tenant.admin(server, "GET", "", None).status != 404 {
        return;
    }
    let left = |part: &str| {
        let value = setting.world.store.value(&format!("t.{}.{part}", setting.tenant.id)).unwrap_or_default();
        String::from_utf8(value).unwrap()
    };
    let context = format!("{}, {moment:?}", setting.world.store.backend().name);
    assert!(!left("connection").contains("\"endedAt\":null"), "{context}: somebody is let in");
    setting.tenant.find(server, "alice").expect(401);
}

// Sessions of the page

#[test]
fn a_session_that_is_signed_out_is_over_and_what_it_changed_before_stays() {
    run(&Race {
        one: |s| s.sign_out(0),
        other: |s| s.page(0, "PATCH", &format!("/tenants/{}", s.tenant.id), json!({"name": "Fabrikam"})),
        refusals: &[401],
        judge: |s, o| {
            let (out, changed) = (o.answers.contains(&204), o.answers.contains(&200));
            s.is_signed_in(0) != out && s.is_signed_in(1) && (o.tenant["name"] == "Fabrikam") == changed
        },
        ..RACE
    });
}

#[test]
fn of_two_who_sign_out_each_is_out() {
    let out: Ask = |s| s.sign_out(0);
    // Who was signed out by the other one is out all the same.
    run(&Race { one: out, other: out, judge: |s, o| o.successes() >= 1 && !s.is_signed_in(0), ..RACE });
    let race = Race {
        one: out,
        other: |s| s.sign_out(1),
        judge: |s, o| {
            let out = (0..2).filter(|browser| !s.is_signed_in(*browser)).count();
            o.successes() >= 1 && (o.answers.len() > 2 || out == o.successes())
        },
        ..RACE
    };
    run(&race);
    run_three(&race);
}

// Providers

#[test]
fn a_provider_that_is_changed_takes_nothing_else_with_it() {
    let to_okta: Ask = |s| s.admin("PATCH", "/connection", json!({"identityProvider": "okta"}));
    run(&Race {
        one: to_okta,
        other: |s| s.admin("PATCH", "/connection", json!({"groups": false})),
        judge: |_, o| provider_and(o, o.connection["groups"] == false),
        ..RACE
    });
    run(&Race {
        one: to_okta,
        other: |s| s.admin("POST", "/connection/rotate", json!({"overlapSeconds": 0})),
        judge: |s, o| provider_and(o, o.connection["secretToken"] != s.tenant.token.as_str()),
        ..RACE
    });
    run(&Race {
        one: to_okta,
        other: |s| s.set(&s.alice, "displayName", "new"),
        judge: |s, o| provider_and(o, o.user(&s.alice).unwrap()["displayName"] == "new"),
        ..RACE
    });
    run(&Race {
        one: to_okta,
        other: |s| s.admin("PATCH", "/connection", json!({"identityProvider": "generic"})),
        judge: |_, o| o.successes() >= 1 && (o.connection["identityProvider"] != "entra"),
        ..RACE
    });
    run(&Race {
        one: to_okta,
        other: |s| s.admin("DELETE", "/connection", Value::Null),
        refusals: &[404],
        judge: |_, o| {
            let (ended, changed) = (o.answers.contains(&204), o.answers.contains(&200));
            (o.connection["state"] == "ended") == ended && (o.connection["identityProvider"] == "okta") == changed
        },
        ..RACE
    });
}

/// Whether as much was done as was answered, of a change of the provider and of something else.
fn provider_and(outcome: &Outcome, other: bool) -> bool {
    let done = usize::from(outcome.connection["identityProvider"] == "okta") + usize::from(other);
    done == outcome.successes() && done >= 1
}

// Schemas of a tenant's own

#[test]
fn two_schemas_that_come_at_once_are_both_there() {
    run(&Race {
        one: |s| s.put_schema("urn:example:a", "x"),
        other: |s| s.put_schema("urn:example:b", "y"),
        judge: |s, o| s.schemas().len() == o.successes() && o.successes() >= 1,
        ..RACE
    });
    run(&Race {
        one: |s| s.put_schema("urn:example:a", "x"),
        other: |s| s.admin("DELETE", &format!("/schemas/{STAFF}"), Value::Null),
        given: |s| s.given("PUT", &format!("/schemas/{STAFF}"), json!({"attributes": [{"name": "floor"}]})),
        judge: |s, o| {
            let schemas = s.schemas();
            let has = |urn: &str| schemas.iter().any(|schema| schema.starts_with(urn));
            let done = usize::from(has("urn:example:a")) + usize::from(!has(STAFF));
            done == o.successes() && done >= 1
        },
        ..RACE
    });
}

#[test]
fn of_two_schemas_that_exclude_each_other_one_is_put() {
    run(&Race {
        one: |s| s.put_schema("urn:example:a", "x"),
        other: |s| s.put_schema("urn:example:A:b", "y"),
        refusals: &[409],
        judge: |s, o| o.successes() == 1 && s.schemas().len() == 1,
        ..RACE
    });
    // One of one name is made, and the other takes its place.
    run(&Race {
        one: |s| s.put_schema("urn:example:a", "x"),
        other: |s| s.put_schema("urn:example:A", "y"),
        judge: |s, o| {
            let made = o.answers.iter().filter(|status| **status == 201).count();
            made == 1 && s.schemas().len() == 1
        },
        ..RACE
    });
    run(&Race {
        one: |s| s.put_schema("urn:example:a", "x"),
        other: |s| s.put_schema("urn:example:b", "y"),
        given: |s| {
            let path = |n| format!("/schemas/urn:example:x{n}");
            (1..10).fold(s, |s, n| s.given("PUT", &path(n), json!({"attributes": [{"name": "a"}]})))
        },
        refusals: &[409],
        judge: |s, o| o.successes() == 1 && s.schemas().len() == 10,
        ..RACE
    });
}

#[test]
fn what_is_sent_with_a_schema_that_comes_or_goes_is_kept_as_it_was_answered() {
    run(&Race {
        one: |s| s.put_schema(STAFF, "floor"),
        other: |s| s.create_staff("carol", 3),
        judge: |s, o| {
            let answered = o.bodies.iter().find(|body| body["userName"] == "carol").map(floor_of);
            let s = s.clone().given("PUT", &format!("/schemas/{STAFF}"), schema_of_floors());
            s.floor("carol") == answered
        },
        ..RACE
    });
    run(&Race {
        one: |s| s.admin("DELETE", &format!("/schemas/{STAFF}"), Value::Null),
        other: |s| s.set_floor(2),
        given: |s| {
            let s = s.given("PUT", &format!("/schemas/{STAFF}"), schema_of_floors());
            s.answer(s.set_floor(1)).expect(200);
            Setting { changes: s.changes + 1, ..s }
        },
        refusals: &[400],
        judge: |s, o| {
            // The schema comes back, and with it what was set.
            let gone = s.schemas().is_empty() == o.bodies.iter().any(|body| body["data"] == "kept");
            let answered = o.bodies.iter().find(|body| body["userName"] == "alice").and_then(floor_of);
            let s = s.clone().given("PUT", &format!("/schemas/{STAFF}"), schema_of_floors());
            gone && s.floor("alice") == Some(answered.or(Some(1)))
        },
        ..RACE
    });
}

fn schema_of_floors() -> Value {
    json!({"attributes": [{"name": "floor", "type": "integer"}]})
}

fn floor_of(user: &Value) -> Option<u64> {
    user[STAFF]["floor"].as_u64()
}

#[test]
fn a_schema_that_comes_while_the_connection_ends_or_starts_is_known_to_the_next_one() {
    let put: Ask = |s| s.put_schema(STAFF, "floor");
    run(&Race {
        one: put,
        other: |s| s.admin("DELETE", "/connection", Value::Null),
        judge: |s, o| {
            let ended = o.connection["state"] == "ended";
            ended == o.answers.contains(&204) && s.keeps_floors_as_answered(o)
        },
        ..RACE
    });
    run(&Race {
        one: put,
        other: |s| s.admin("POST", "/connection", json!({"identityProvider": "entra"})),
        given: |s| s.given("DELETE", "/connection", Value::Null),
        judge: |s, o| s.keeps_floors_as_answered(o),
        ..RACE
    });
}

// Bulk requests

#[test]
fn of_two_that_want_one_name_one_gets_it_in_bulk_requests_too() {
    let both: Ask = |s| {
        let user = |name: &str| json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}});
        s.bulk(json!([user("carol"), user("dave")]))
    };
    run(&Race {
        one: both,
        other: |s| s.create("CAROL"),
        refusals: &[409],
        judge: |_, o| {
            let made = usize::from(o.operation("carol") == Some("201")) + usize::from(o.answers.contains(&201));
            let dave = usize::from(o.operation("dave") == Some("201"));
            (made, o.named("carol"), o.named("dave")) == (1, 1, dave) && by_the_rule(o, &["409"])
        },
        ..RACE
    });
    run(&Race {
        one: both,
        other: |s| {
            let user =
                |name: &str| json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}});
            s.bulk(json!([user("DAVE"), user("CAROL")]))
        },
        judge: |_, o| {
            let made = |names: [&str; 2]| names.into_iter().filter(|name| o.operation(name) == Some("201")).count();
            let (carol, dave) = (made(["carol", "CAROL"]), made(["dave", "DAVE"]));
            (carol, dave) == (1, 1) && (o.named("carol"), o.named("dave")) == (1, 1) && by_the_rule(o, &["409"])
        },
        ..RACE
    });
}

/// Whether each operation of the bulk requests succeeded, was passed over, or was refused as it may be.
fn by_the_rule(outcome: &Outcome, refusals: &[&str]) -> bool {
    let fits = |status: &str| status.starts_with('2') || status == "503" || refusals.contains(&status);
    outcome.operations().all(|operation| operation["status"].as_str().is_some_and(fits))
}

#[test]
fn a_change_between_the_operations_of_a_bulk_request_is_not_lost() {
    run(&Race {
        one: |s| {
            let set = |path: &str, value: &str| json!({"method": "PATCH", "path": format!("/Users/{}", s.alice), "data": {"Operations": [{"op": "replace", "path": path, "value": value}]}});
            s.bulk(json!([set("displayName", "bulk"), set("title", "bulk")]))
        },
        other: |s| s.set(&s.alice, "externalId", "single"),
        judge: |s, o| {
            let alice = s.answer(s.scim("GET", &format!("/Users/{}", s.alice), Value::Null)).expect(200).body;
            let done: Vec<bool> = o.operations().map(|operation| operation["status"] == "200").collect();
            let single = o.bodies.iter().any(|body| body["externalId"] == "single");
            done == [alice["displayName"] == "bulk", alice["title"] == "bulk"]
                && (alice["externalId"] == "single") == single
                && (single || done.contains(&true))
        },
        ..RACE
    });
    run(&Race {
        one: |s| {
            let join = |group: &str| json!({"method": "PATCH", "path": format!("/Groups/{group}"), "data": {"Operations": [{"op": "add", "path": "members", "value": [{"value": s.bob}]}]}});
            s.bulk(json!([join(&s.sales), join(&s.outer)]))
        },
        other: |s| s.delete(&s.bob),
        judge: |s, o| {
            let deleted = o.answers.contains(&204);
            let done: Vec<bool> = o.operations().map(|operation| operation["status"] == "204").collect();
            let joined = |group: &str| o.members(group).unwrap().contains(&s.bob.as_str());
            o.user(&s.bob).is_none() == deleted
                && if deleted {
                    !joined(&s.sales) && !joined(&s.outer)
                } else {
                    done == [joined(&s.sales), joined(&s.outer)]
                }
                && by_the_rule(o, &["400"])
        },
        ..RACE
    });
}

#[test]
fn a_circle_of_a_bulk_request_is_closed_or_gone_when_somebody_takes_one_of_its_names() {
    run(&Race {
        one: |s| {
            let group = |name: &str, member: &str| json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": {"displayName": name, "members": [{"value": format!("bulkId:{member}")}]}});
            s.bulk(json!([group("left", "right"), group("right", "left")]))
        },
        other: |s| s.create_group("RIGHT"),
        // What was begun and goes again has changed twice.
        given: |s| Setting { changes: s.changes + 4, ..s },
        refusals: &[409],
        judge: |_, o| {
            let is = |name: &str| usize::from(o.operation(name) == Some("201"));
            let single = usize::from(o.answers.contains(&201));
            let named = (o.group_named("left"), o.group_named("right"));
            named == (is("left"), is("right") + single) && by_the_rule(o, &["409"])
        },
        ..RACE
    });
}

// Repair

#[test]
fn a_repair_and_a_change_come_one_after_the_other() {
    let race = Race {
        one: |s| s.admin("POST", "/repair", Value::Null),
        given: Setting::damaged,
        settle: |s, replies| {
            if !replies.iter().any(|reply| reply.body["mended"].is_u64()) {
                s.answer(s.admin("POST", "/repair", Value::Null)).expect(200);
            }
        },
        ..RACE
    };
    run(&Race {
        other: |s| s.create("carol"),
        judge: |_, o| {
            (o.named("carol") == 1) == o.answers.contains(&201) && o.connection["activeUsers"] == o.users.len()
        },
        ..race
    });
    run(&Race {
        other: |s| s.delete(&s.alice),
        judge: |s, o| {
            o.user(&s.alice).is_none() == o.answers.contains(&204) && o.connection["activeUsers"] == o.users.len()
        },
        ..race
    });
    run(&Race {
        other: |s| s.member("Add", &s.outer, &s.bob),
        judge: |s, o| o.members(&s.outer).unwrap().len() == usize::from(o.answers.contains(&204)),
        ..race
    });
    run(&Race {
        other: race.one,
        judge: |_, o| {
            let mended: u64 = o.bodies.iter().filter_map(|body| body["mended"].as_u64()).sum();
            // The entry and the count of the head, once each.
            o.successes() >= 1 && mended == 2 && o.connection["activeUsers"] == 2
        },
        ..race
    });
}

// Import

/// A file that is imported into the tenant that it is of.
const IMPORT: Race = Race {
    one: |s| s.import(0),
    given: Setting::about_to_be_restored,
    settle: |s, replies| {
        // Whoever was passed over sends the file once more. That of the other one may be under way.
        if replies.iter().any(|reply| reply.status == 503) {
            for file in 0..2 {
                let again = s.answer(s.import(file));
                assert!([200, 409].contains(&again.status), "{again:?}");
            }
        }
    },
    ..RACE
};

#[test]
fn a_file_that_two_import_at_once_is_there_once() {
    run(&Race { other: IMPORT.one, judge: |_, o| o.successes() >= 1 && o.restored, ..IMPORT });
}

#[test]
fn of_two_files_that_are_imported_at_once_one_is() {
    run(&Race { other: |s| s.import(1), refusals: &[409], judge: |_, o| o.successes() <= 1 && o.restored, ..IMPORT });
}

#[test]
fn an_import_that_is_given_up_meanwhile_says_so_and_can_be_begun_anew() {
    run(&Race {
        other: |s| s.admin("DELETE", "/import", Value::Null),
        refusals: &[404, 409],
        settle: |s, replies| {
            if replies.iter().any(|reply| reply.status == 204) {
                assert!(replies.iter().all(|reply| reply.status != 200), "{replies:?}");
                s.answer(s.admin("DELETE", "/users", json!({"confirm": "Contoso"}))).expect(200);
            }
            s.answer(s.import(0)).expect(200);
        },
        judge: |_, o| o.restored,
        ..IMPORT
    });
}

#[test]
fn a_request_that_comes_while_a_tenant_is_restored_comes_before_or_after() {
    run(&Race {
        other: |s| s.create("carol"),
        refusals: &[401],
        judge: |s, o| {
            let created = o.answers.contains(&201);
            o.named("carol") == usize::from(created)
                && o.users.len() == 2 + usize::from(created)
                && o.connection["state"] == "active"
                && o.members(&s.sales).unwrap() == [s.alice.as_str()]
        },
        ..IMPORT
    });
}

#[test]
fn a_change_that_was_let_in_before_an_import_began_does_not_come_into_the_midst_of_it() {
    let changes: [Ask; 3] = [
        |s| s.create("carol"),
        |s| s.bulk(json!([{"method": "POST", "path": "/Users", "bulkId": "carol", "data": {"userName": "carol"}}])),
        |s| s.admin("DELETE", &format!("/users/{}", s.alice), Value::Null),
    ];
    for backend in Backend::all_fit() {
        let full = Setting::on(backend);
        let empty = Setting { world: full.world.fork(), ..full.clone() }.about_to_be_restored();
        let setting = Setting { files: empty.files, ..full };
        let lines: Vec<&str> = setting.files[0].lines().collect();
        let users = lines.iter().position(|line| line.contains("\"type\":\"user\"")).unwrap();
        for change in changes {
            for moment in moments(&setting, change) {
                for end in [1, users + 1, lines.len() - 1] {
                    let setting = setting.fork();
                    let (elsewhere, part) = (setting.clone(), lines[..end].join("\n"));
                    let begin_import = move || {
                        elsewhere.answer(elsewhere.admin("DELETE", "/connection", Value::Null)).expect(204);
                        let confirm = json!({"confirm": "Contoso"});
                        elsewhere.answer(elsewhere.admin("DELETE", "/users", confirm)).expect(200);
                        let part = Setting { files: [part, String::new()], ..elsewhere };
                        part.answer(part.import(0)).expect(202);
                    };
                    let request = change(&setting);
                    setting.world.store.forget_calls();
                    match moment {
                        Moment::Before(step) => setting.world.store.interrupt(step, begin_import),
                        Moment::After(step) => setting.world.store.interrupt_after(step, begin_import),
                    }
                    let reply = setting.answer(request);
                    setting.world.store.forget_calls();
                    let context = format!("{reply:?} at {moment:?}, line {end}, on {}", backend.name);
                    setting.answer(setting.import(0)).expect(200);
                    let outcome = setting.outcome(Vec::new());
                    assert_eq!((outcome.users.len(), outcome.named("alice")), (2, 1), "{context}");
                }
            }
        }
    }
}

#[test]
fn a_connection_that_is_started_and_an_import_exclude_each_other() {
    run(&Race {
        other: |s| s.admin("POST", "/connection", json!({"identityProvider": "okta"})),
        refusals: &[409],
        judge: |_, o| {
            let started = o.answers.contains(&201) && o.connection["identityProvider"] == "okta";
            if started { o.users.is_empty() } else { o.restored }
        },
        ..IMPORT
    });
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
    for backend in Backend::all_fit() {
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

// Really at once

/// Two hosts on one Redis, and a world that shares it.
struct Hosts {
    world: World,
    hosts: [Host; 2],
    _redis: Redis,
}

/// How often each pair meets. The second request sets out later from round to round, up to what a change takes.
const ROUNDS: u32 = 8;
const LATER: Duration = Duration::from_millis(1);

thread_local! {
    /// Where the pairs of this thread meet, if not in the models.
    static HOSTS: RefCell<Option<Rc<Hosts>>> = const { RefCell::new(None) };
}

impl Hosts {
    fn of_this_thread() -> Option<Rc<Hosts>> {
        HOSTS.with_borrow(Clone::clone)
    }

    /// Sends the requests at once, in turns to the one host and the other, each round in a tenant of its own.
    #[track_caller]
    fn run(&self, race: &Race, asks: &[Ask]) {
        for round in 0..ROUNDS {
            let setting = (race.given)(Setting::within(self.world.clone()));
            let mut requests: Vec<Request<Vec<u8>>> = asks.iter().map(|ask| ask(&setting)).collect();
            if round % 2 == 1 {
                requests.reverse();
            }
            let replies = self.send_at_once(&requests, LATER * (round / 2));
            decide(race, &setting, replies, true, &format!("really at once, in round {round}"));
        }
    }

    fn send_at_once(&self, requests: &[Request<Vec<u8>>], later: Duration) -> Vec<Reply> {
        let all_here = &Barrier::new(requests.len());
        thread::scope(|scope| {
            let mut sent = Vec::new();
            for (place, request) in requests.iter().enumerate() {
                let address = self.hosts[place % 2].address();
                sent.push(scope.spawn(move || {
                    all_here.wait();
                    thread::sleep(if place == 0 { Duration::ZERO } else { later });
                    hosted::exchange(address, request).unwrap()
                }));
            }
            sent.into_iter().map(|answer| Reply::of(answer.join().unwrap())).collect()
        })
    }
}

#[test]
fn the_same_pairs_come_to_the_same_when_two_hosts_on_one_redis_get_them_at_once() {
    let folder = fresh("redis-pairs");
    let Some(redis) = Redis::start(&folder) else {
        return;
    };
    let hosts = [redis.host("one"), redis.host("other")];
    let hosts = Rc::new(Hosts { world: World::beside(&redis), hosts, _redis: redis });
    HOSTS.set(Some(hosts));
    // All but those that count the tenants of the whole store, and those that look at single moments.
    let pairs: [fn(); 37] = [
        of_two_users_with_one_name_one_is_made,
        of_two_users_that_want_one_name_one_gets_it,
        two_users_cannot_swap_their_names_in_one_step_each,
        a_name_that_becomes_free_goes_to_whoever_asks_afterwards,
        two_changes_of_one_user_are_both_there,
        of_two_changes_of_one_version_one_is_made,
        a_replacement_and_a_change_come_one_after_the_other,
        a_user_is_disabled_or_enabled_as_the_last_one_said,
        a_user_that_is_deleted_meanwhile_does_not_come_back,
        the_last_seat_is_taken_once,
        members_who_are_added_at_once_are_both_there,
        a_member_that_is_deleted_meanwhile_is_no_member,
        a_group_that_is_deleted_meanwhile_does_not_come_back,
        of_two_groups_that_want_one_name_one_gets_it,
        groups_that_are_switched_off_meanwhile_stay_whole,
        a_connection_ends_once_and_stays_ended,
        of_two_who_start_a_connection_one_does,
        a_change_and_the_end_of_the_connection_or_of_its_token_exclude_each_other,
        what_an_ended_connection_left_is_deleted_or_taken_over,
        two_changes_of_a_tenant_are_both_there,
        a_session_that_is_signed_out_is_over_and_what_it_changed_before_stays,
        of_two_who_sign_out_each_is_out,
        a_provider_that_is_changed_takes_nothing_else_with_it,
        two_schemas_that_come_at_once_are_both_there,
        of_two_schemas_that_exclude_each_other_one_is_put,
        what_is_sent_with_a_schema_that_comes_or_goes_is_kept_as_it_was_answered,
        a_schema_that_comes_while_the_connection_ends_or_starts_is_known_to_the_next_one,
        of_two_that_want_one_name_one_gets_it_in_bulk_requests_too,
        a_change_between_the_operations_of_a_bulk_request_is_not_lost,
        a_circle_of_a_bulk_request_is_closed_or_gone_when_somebody_takes_one_of_its_names,
        a_repair_and_a_change_come_one_after_the_other,
        a_file_that_two_import_at_once_is_there_once,
        of_two_files_that_are_imported_at_once_one_is,
        an_import_that_is_given_up_meanwhile_says_so_and_can_be_begun_anew,
        a_request_that_comes_while_a_tenant_is_restored_comes_before_or_after,
        a_connection_that_is_started_and_an_import_exclude_each_other,
        records_of_two_requests_have_two_numbers,
    ];
    pairs.iter().for_each(|pair| pair());
    HOSTS.set(None);
}

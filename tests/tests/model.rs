//! The directory against a small model: random operations, and after each of them the same users and no broken invariant.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::world::World;
use proptest::prelude::*;
use rollcall_core::space::TenantId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Operation {
    Create {
        name: usize,
        active: bool,
    },
    Replace {
        user: usize,
        name: usize,
    },
    Display {
        user: usize,
        text: u8,
    },
    Mail {
        user: usize,
        address: usize,
    },
    Rename {
        user: usize,
        name: usize,
    },
    Activate {
        user: usize,
        active: bool,
    },
    /// Recycle bin: both in one request.
    Retire {
        user: usize,
        name: usize,
    },
    Delete {
        user: usize,
    },
    /// An operation that is wrong after one that is right.
    Fail {
        user: usize,
    },
    Seats {
        seats: Option<u64>,
    },
    /// The instance ends, and another one goes on.
    Restart,
}

/// Names that are and are not the same without case.
const NAMES: [&str; 8] = ["ann@a.b", "ANN@a.b", "bob", "Bob", "çelik", "ÇELIK", "o'neil \"x\"", "日本"];
const ADDRESSES: [&str; 3] = ["a@b.c", "A@B.C", "d@e.f"];

fn operation() -> impl Strategy<Value = Operation> {
    let (user, name) = (0..8_usize, 0..NAMES.len());
    prop_oneof![
        4 => (name.clone(), any::<bool>()).prop_map(|(name, active)| Operation::Create { name, active }),
        1 => (user.clone(), name.clone()).prop_map(|(user, name)| Operation::Replace { user, name }),
        1 => (user.clone(), 0..3_u8).prop_map(|(user, text)| Operation::Display { user, text }),
        1 => (user.clone(), 0..ADDRESSES.len()).prop_map(|(user, address)| Operation::Mail { user, address }),
        2 => (user.clone(), name.clone()).prop_map(|(user, name)| Operation::Rename { user, name }),
        2 => (user.clone(), any::<bool>()).prop_map(|(user, active)| Operation::Activate { user, active }),
        1 => (user.clone(), name).prop_map(|(user, name)| Operation::Retire { user, name }),
        2 => user.clone().prop_map(|user| Operation::Delete { user }),
        1 => user.prop_map(|user| Operation::Fail { user }),
        1 => prop_oneof![Just(None), (0..4_u64).prop_map(Some)].prop_map(|seats| Operation::Seats { seats }),
        1 => Just(Operation::Restart),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct User {
    id: String,
    name: String,
    display: Option<String>,
    active: bool,
    mail: Option<String>,
}

#[derive(Default)]
struct Model {
    users: Vec<User>,
    seats: Option<u64>,
}

impl Model {
    fn name_taken(&self, name: &str, by_other_than: Option<usize>) -> bool {
        let same = |user: &User| user.name.to_lowercase() == name.to_lowercase();
        self.users.iter().enumerate().any(|(place, user)| Some(place) != by_other_than && same(user))
    }

    fn active(&self) -> u64 {
        self.users.iter().map(|user| u64::from(user.active)).sum()
    }

    /// What a user may become, or why not.
    fn admits(&self, place: Option<usize>, name: &str, active: bool) -> u16 {
        let was_active = place.is_some_and(|place| self.users[place].active);
        if self.name_taken(name, place) {
            409
        } else if active && !was_active && self.seats.is_some_and(|seats| self.active() >= seats) {
            403
        } else {
            200
        }
    }
}

struct Run {
    world: World,
    server: Native,
    tenant: Tenant,
    model: Model,
}

impl Run {
    fn new() -> Run {
        let world = World::new(&BTreeMap::new());
        let mut server = Native::within(&world);
        let tenant = Tenant::connect(&mut server);
        Run { world, server, tenant, model: Model::default() }
    }

    fn step(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { name, active } => self.create(NAMES[*name], *active),
            Operation::Replace { user, name } => self.change(*user, Some(NAMES[*name]), None, |run, id, user| {
                user.display = None;
                user.mail = None;
                let body = json!({"userName": user.name});
                run.tenant.scim(&mut run.server, "PUT", &format!("/Users/{id}"), Some(&body)).status
            }),
            Operation::Display { user, text } => self.patch(*user, None, None, |user| {
                // The empty text clears.
                let text = "x".repeat((*text).into());
                user.display = Some(text.clone()).filter(|text| !text.is_empty());
                json!([{"op": "Replace", "path": "displayName", "value": text}])
            }),
            Operation::Mail { user, address } => self.patch(*user, None, None, |user| {
                user.mail = Some(ADDRESSES[*address].to_owned());
                json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": ADDRESSES[*address]}])
            }),
            Operation::Rename { user, name } => self.patch(*user, Some(NAMES[*name]), None, |user| {
                json!([{"op": "replace", "value": {"userName": user.name}}])
            }),
            Operation::Activate { user, active } => self.patch(*user, None, Some(*active), |user| {
                json!([{"op": "Replace", "path": "active", "value": user.active.to_string()}])
            }),
            Operation::Retire { user, name } => self.patch(*user, Some(NAMES[*name]), Some(false), |user| {
                json!([{"op": "Replace", "path": "active", "value": "False"}, {"op": "Replace", "path": "userName", "value": user.name}])
            }),
            Operation::Delete { user } => self.delete(*user),
            Operation::Fail { user } => self.fail(*user),
            Operation::Seats { seats } => {
                let body = json!({"seats": seats});
                self.tenant.admin(&mut self.server, "PATCH", "", Some(&body)).expect(200);
                self.model.seats = *seats;
            }
            Operation::Restart => self.server = Native::within(&self.world),
        }
    }

    fn create(&mut self, name: &str, active: bool) {
        let body = json!({"userName": name, "active": active});
        let reply = self.tenant.scim(&mut self.server, "POST", "/Users", Some(&body));
        match self.model.admits(None, name, active) {
            200 => {
                let id = reply.expect(201).text("/id");
                let name = name.to_owned();
                self.model.users.push(User { id, name, display: None, active, mail: None });
            }
            refused => drop(reply.expect(refused)),
        }
    }

    fn patch(&mut self, user: usize, name: Option<&str>, active: Option<bool>, body: impl FnOnce(&mut User) -> Value) {
        self.change(user, name, active, |run, id, user| {
            let operations = body(user);
            run.tenant.patch(&mut run.server, id, &operations).status
        });
    }

    /// Sends a change of one user, with the user as it is to be, and expects what the model says.
    fn change(
        &mut self,
        user: usize,
        name: Option<&str>,
        active: Option<bool>,
        send: impl FnOnce(&mut Run, &str, &mut User) -> u16,
    ) {
        let Some(mut wanted) = self.model.users.get(user).cloned() else {
            assert_eq!(
                self.tenant.patch(&mut self.server, "nobody", &json!([{"op": "Remove", "path": "title"}])).status,
                404
            );
            return;
        };
        wanted.name = name.map_or(wanted.name, str::to_owned);
        wanted.active = active.unwrap_or(wanted.active);
        let expected = self.model.admits(Some(user), &wanted.name, wanted.active);
        let id = wanted.id.clone();
        assert_eq!(send(self, &id, &mut wanted), expected, "{wanted:?}");
        if expected == 200 {
            self.model.users[user] = wanted;
        }
    }

    fn delete(&mut self, user: usize) {
        let id = self.model.users.get(user).map_or("nobody".to_owned(), |user| user.id.clone());
        let expected = if user < self.model.users.len() { 204 } else { 404 };
        self.tenant.delete(&mut self.server, &id).expect(expected);
        self.tenant.read(&mut self.server, &id).expect(404);
        if expected == 204 {
            self.model.users.remove(user);
        }
    }

    fn fail(&mut self, user: usize) {
        if let Some(user) = self.model.users.get(user) {
            let operations = json!([
                {"op": "Replace", "path": "userName", "value": "never"},
                {"op": "Replace", "path": "active", "value": (!user.active).to_string()},
                {"op": "Replace", "path": "nothing", "value": "x"},
            ]);
            self.tenant.patch(&mut self.server, &user.id, &operations).expect(400);
        }
    }

    fn compare(&mut self) {
        let tenant = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(self.server.rollcall.check(&tenant).unwrap(), Vec::<String>::new());
        let listed = self.tenant.scim(&mut self.server, "GET", "/Users?count=200", None).expect(200);
        let users: Vec<User> = listed.body["Resources"].as_array().unwrap().iter().map(user).collect();
        assert_eq!(users, self.model.users);
        let overview = self.tenant.admin(&mut self.server, "GET", "", None).expect(200).body;
        assert_eq!(overview["users"], self.model.users.len());
        assert_eq!(overview["activeUsers"], self.model.active());
        for (place, user) in self.model.users.clone().iter().enumerate() {
            assert_eq!(self.found("userName", &user.name.to_uppercase()), [place]);
        }
        for address in ADDRESSES {
            let has = |user: &User| user.mail.as_ref().is_some_and(|mail| mail.eq_ignore_ascii_case(address));
            let expected: Vec<usize> =
                (0..self.model.users.len()).filter(|place| has(&self.model.users[*place])).collect();
            assert_eq!(self.found("emails.value", address), expected);
        }
    }

    /// The places in the model of the users that a query finds.
    fn found(&mut self, attribute: &str, value: &str) -> Vec<usize> {
        let value: String = value.replace('"', "\\\"").bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/Users?filter={attribute}+eq+%22{value}%22");
        let reply = self.tenant.scim(&mut self.server, "GET", &path, None).expect(200);
        let ids = reply.body["Resources"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap());
        ids.map(|id| self.model.users.iter().position(|user| user.id == id).unwrap()).collect()
    }
}

fn user(resource: &Value) -> User {
    let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    User {
        id: text("/id").unwrap(),
        name: text("/userName").unwrap(),
        display: text("/displayName"),
        active: resource["active"].as_bool().unwrap(),
        mail: text("/emails/0/value"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_leave_what_the_model_says(operations in prop::collection::vec(operation(), 1..40)) {
        let mut run = Run::new();
        for operation in &operations {
            run.step(operation);
            run.compare();
        }
    }
}

#[test]
fn the_roster_keeps_its_order_over_many_leaves() {
    let mut run = Run::new();
    for n in 0..200 {
        let id = run
            .tenant
            .scim(&mut run.server, "POST", "/Users", Some(&life::user(&format!("user{n}"))))
            .expect(201)
            .text("/id");
        run.model.users.push(User {
            id,
            name: format!("user{n}"),
            display: Some("Somebody".into()),
            active: true,
            mail: None,
        });
    }
    // Whole leaves, their edges, and single seats go.
    for place in (64..128).rev().chain([63, 10, 0]) {
        run.delete(place);
    }
    run.compare();
    for (start, count) in [(1, 5), (60, 10), (120, 30), (133, 5), (134, 5)] {
        let path = format!("/Users?startIndex={start}&count={count}&attributes=userName");
        let listed = run.tenant.scim(&mut run.server, "GET", &path, None).expect(200);
        let names: Vec<&str> = listed.body["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["userName"].as_str().unwrap())
            .collect();
        let expected: Vec<&str> =
            run.model.users.iter().skip(start - 1).take(count).map(|user| user.name.as_str()).collect();
        assert_eq!(names, expected, "{path}");
    }
}

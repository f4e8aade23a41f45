//! The directory against a small model: random operations, and after each of them the same users and no broken invariant,
//! on each kind of store.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::store::Backend;
use acceptance::world::World;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rollcall_core::keys::TenantId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
    CreateGroup {
        name: usize,
        members: Vec<Named>,
    },
    ReplaceGroup {
        group: usize,
        name: usize,
        members: Vec<Named>,
    },
    RenameGroup {
        group: usize,
        name: usize,
    },
    Add {
        group: usize,
        members: Vec<Named>,
    },
    /// In one of the forms in which members are removed.
    Remove {
        group: usize,
        members: Vec<Named>,
        form: Form,
    },
    DeleteGroup {
        group: usize,
    },
    /// A user, a group with the user and an old member, and a change of another group, in one request.
    Bulk {
        name: usize,
        member: Named,
        group: usize,
    },
    /// The instance ends, and another one goes on.
    Restart,
}

/// A member by its place in the model; nobody where that place is empty.
#[derive(Clone, Copy, Debug)]
enum Named {
    User(usize),
    Group(usize),
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// `members` with the values.
    Values,
    /// `members[value eq "…"]`, an operation each.
    Filters,
    /// `members` without a value: everybody goes.
    All,
}

/// Names that are and are not the same without case.
const NAMES: [&str; 8] = ["ann@a.b", "ANN@a.b", "bob", "Bob", "çelik", "ÇELIK", "o'neil \"x\"", "日本"];
const ADDRESSES: [&str; 3] = ["a@b.c", "A@B.C", "d@e.f"];

fn operation() -> impl Strategy<Value = Operation> {
    let (user, name, group) = (0..8_usize, 0..NAMES.len(), 0..5_usize);
    let member = || prop_oneof![3 => (0..8_usize).prop_map(Named::User), 2 => (0..5_usize).prop_map(Named::Group)];
    let members = || prop::collection::vec(member(), 0..4);
    let form = prop_oneof![Just(Form::Values), Just(Form::Filters), Just(Form::All)];
    prop_oneof![
        4 => (name.clone(), any::<bool>()).prop_map(|(name, active)| Operation::Create { name, active }),
        1 => (user.clone(), name.clone()).prop_map(|(user, name)| Operation::Replace { user, name }),
        1 => (user.clone(), 0..3_u8).prop_map(|(user, text)| Operation::Display { user, text }),
        1 => (user.clone(), 0..ADDRESSES.len()).prop_map(|(user, address)| Operation::Mail { user, address }),
        2 => (user.clone(), name.clone()).prop_map(|(user, name)| Operation::Rename { user, name }),
        2 => (user.clone(), any::<bool>()).prop_map(|(user, active)| Operation::Activate { user, active }),
        1 => (user.clone(), name.clone()).prop_map(|(user, name)| Operation::Retire { user, name }),
        2 => user.clone().prop_map(|user| Operation::Delete { user }),
        1 => user.prop_map(|user| Operation::Fail { user }),
        1 => prop_oneof![Just(None), (0..4_u64).prop_map(Some)].prop_map(|seats| Operation::Seats { seats }),
        3 => (name.clone(), members()).prop_map(|(name, members)| Operation::CreateGroup { name, members }),
        1 => (group.clone(), name.clone(), members())
            .prop_map(|(group, name, members)| Operation::ReplaceGroup { group, name, members }),
        1 => (group.clone(), name.clone()).prop_map(|(group, name)| Operation::RenameGroup { group, name }),
        4 => (group.clone(), members()).prop_map(|(group, members)| Operation::Add { group, members }),
        2 => (group.clone(), members(), form)
            .prop_map(|(group, members, form)| Operation::Remove { group, members, form }),
        1 => group.clone().prop_map(|group| Operation::DeleteGroup { group }),
        1 => (name, member(), group).prop_map(|(name, member, group)| Operation::Bulk { name, member, group }),
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

#[derive(Clone, Debug, PartialEq)]
struct Group {
    id: String,
    name: String,
    members: BTreeSet<String>,
}

#[derive(Default)]
struct Model {
    users: Vec<User>,
    groups: Vec<Group>,
    seats: Option<u64>,
}

impl Model {
    fn name_taken(&self, name: &str, by_other_than: Option<usize>) -> bool {
        let same = |user: &User| user.name.to_lowercase() == name.to_lowercase();
        self.users.iter().enumerate().any(|(place, user)| Some(place) != by_other_than && same(user))
    }

    fn group_name_taken(&self, name: &str, by_other_than: Option<usize>) -> bool {
        let same = |group: &Group| group.name.to_lowercase() == name.to_lowercase();
        self.groups.iter().enumerate().any(|(place, group)| Some(place) != by_other_than && same(group))
    }

    fn id(&self, named: Named) -> Option<String> {
        match named {
            Named::User(place) => self.users.get(place).map(|user| user.id.clone()),
            Named::Group(place) => self.groups.get(place).map(|group| group.id.clone()),
        }
    }

    /// The ids to send; nobody's is one that was never given out.
    fn ids(&self, members: &[Named]) -> Vec<String> {
        members.iter().map(|member| self.id(*member).unwrap_or_else(|| "nobody".to_owned())).collect()
    }

    /// Whether all of them may be members of a group.
    fn admits_members(&self, group: Option<usize>, members: &[Named]) -> bool {
        let own = group.and_then(|group| self.id(Named::Group(group)));
        members.iter().all(|member| self.id(*member).is_some_and(|id| Some(id) != own))
    }

    /// Takes a user or group out of everything.
    fn forget(&mut self, id: &str) {
        for group in &mut self.groups {
            group.members.remove(id);
        }
    }

    /// The groups of a user: those that have it, and those that have such a group, by id, with whether it is direct.
    fn groups_of(&self, user: &str) -> BTreeMap<String, bool> {
        let mut found = BTreeMap::new();
        let mut level = vec![user.to_owned()];
        while !level.is_empty() {
            let direct = found.is_empty();
            let having = |group: &&Group| level.iter().any(|id| group.members.contains(id));
            let above: Vec<String> = self.groups.iter().filter(having).map(|group| group.id.clone()).collect();
            level = above.into_iter().filter(|id| !found.contains_key(id)).collect();
            found.extend(level.iter().map(|id| (id.clone(), direct)));
        }
        found
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
    fn on(backend: Backend) -> Run {
        let world = World::on(backend, &BTreeMap::new());
        let mut server = Native::within(&world);
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
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
            Operation::CreateGroup { name, members } => self.create_group(NAMES[*name], members),
            Operation::ReplaceGroup { group, name, members } => {
                self.replace_group(*group, NAMES[*name], members);
            }
            Operation::RenameGroup { group, name } => self.rename_group(*group, NAMES[*name]),
            Operation::Add { group, members } => self.add(*group, members),
            Operation::Remove { group, members, form } => self.remove(*group, members, *form),
            Operation::DeleteGroup { group } => self.delete_group(*group),
            Operation::Bulk { name, member, group } => self.bulk(NAMES[*name], *member, *group),
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
            self.model.forget(&id);
        }
    }

    fn create_group(&mut self, name: &str, members: &[Named]) {
        let ids = self.model.ids(members);
        let body = json!({"displayName": name, "members": valued(&ids)});
        let reply = self.tenant.scim(&mut self.server, "POST", "/Groups", Some(&body));
        if self.model.group_name_taken(name, None) {
            reply.expect(409);
        } else if !self.model.admits_members(None, members) {
            reply.expect(400);
        } else {
            let id = reply.expect(201).text("/id");
            self.model.groups.push(Group { id, name: name.to_owned(), members: ids.into_iter().collect() });
        }
    }

    /// The path of a group, or of one that was never there.
    fn group(&self, group: usize) -> String {
        format!("/Groups/{}", self.model.ids(&[Named::Group(group)])[0])
    }

    fn replace_group(&mut self, group: usize, name: &str, members: &[Named]) {
        let ids = self.model.ids(members);
        let body = json!({"displayName": name, "members": valued(&ids)});
        let path = self.group(group);
        let status = self.tenant.scim(&mut self.server, "PUT", &path, Some(&body)).status;
        if group >= self.model.groups.len() {
            assert_eq!(status, 404);
        } else if !self.model.admits_members(Some(group), members) {
            // Both may be wrong; either may be said.
            assert!(status == 400 || status == 409 && self.model.group_name_taken(name, Some(group)), "{status}");
        } else if self.model.group_name_taken(name, Some(group)) {
            assert_eq!(status, 409);
        } else {
            assert_eq!(status, 200);
            self.model.groups[group].name = name.to_owned();
            self.model.groups[group].members = ids.into_iter().collect();
        }
    }

    fn patch_group(&mut self, group: usize, operations: &Value) -> u16 {
        let (path, body) = (self.group(group), life::patch(operations));
        self.tenant.scim(&mut self.server, "PATCH", &path, Some(&body)).status
    }

    fn rename_group(&mut self, group: usize, name: &str) {
        let status = self.patch_group(group, &json!([{"op": "Replace", "path": "displayName", "value": name}]));
        let taken = self.model.group_name_taken(name, Some(group));
        match self.model.groups.get_mut(group) {
            None => assert_eq!(status, 404),
            Some(_) if taken => assert_eq!(status, 409),
            Some(group) => {
                assert_eq!(status, 204);
                group.name = name.to_owned();
            }
        }
    }

    fn add(&mut self, group: usize, members: &[Named]) {
        let ids = self.model.ids(members);
        let status = self.patch_group(group, &json!([{"op": "Add", "path": "members", "value": valued(&ids)}]));
        if group >= self.model.groups.len() {
            assert_eq!(status, 404);
        } else if self.model.admits_members(Some(group), members) {
            assert_eq!(status, 204);
            self.model.groups[group].members.extend(ids);
        } else {
            assert_eq!(status, 400);
        }
    }

    /// Who is no member does not mind being removed.
    fn remove(&mut self, group: usize, members: &[Named], form: Form) {
        let ids = self.model.ids(members);
        let operations: Vec<Value> = match form {
            Form::Values => vec![json!({"op": "Remove", "path": "members", "value": valued(&ids)})],
            Form::Filters => {
                ids.iter().map(|id| json!({"op": "Remove", "path": format!("members[value eq \"{id}\"]")})).collect()
            }
            Form::All => vec![json!({"op": "Remove", "path": "members"})],
        };
        let expected = if operations.is_empty() || group >= self.model.groups.len() { None } else { Some(group) };
        let status = self.patch_group(group, &json!(operations));
        let Some(group) = expected else {
            assert!(matches!(status, 400 | 404), "{status}");
            return;
        };
        assert_eq!(status, 204);
        let members = &mut self.model.groups[group].members;
        match form {
            Form::All => members.clear(),
            Form::Values | Form::Filters => members.retain(|id| !ids.contains(id)),
        }
    }

    fn delete_group(&mut self, group: usize) {
        let path = self.group(group);
        let reply = self.tenant.scim(&mut self.server, "DELETE", &path, None);
        if group < self.model.groups.len() {
            reply.expect(204);
            let id = self.model.groups.remove(group).id;
            self.model.forget(&id);
        } else {
            reply.expect(404);
        }
    }

    fn bulk(&mut self, name: &str, member: Named, group: usize) {
        let old = self.model.ids(&[member])[0].clone();
        let join = json!({"Operations": [{"op": "Add", "path": "members", "value": [{"value": "bulkId:team"}]}]});
        let body = json!({"Operations": [
            {"method": "POST", "path": "/Groups", "bulkId": "team",
                "data": {"displayName": name, "members": [{"value": "bulkId:user"}, {"value": old}]}},
            {"method": "POST", "path": "/Users", "bulkId": "user", "data": {"userName": name, "active": false}},
            {"method": "PATCH", "path": self.group(group), "data": join},
        ]});
        let reply = self.tenant.scim(&mut self.server, "POST", "/Bulk", Some(&body)).expect(200);
        let status = |place: usize| reply.text(&format!("/Operations/{place}/status"));
        let id =
            |place: usize| reply.text(&format!("/Operations/{place}/location")).rsplit('/').next().unwrap().to_owned();
        let user = self.model.admits(None, name, false) == 200;
        assert_eq!(status(1), if user { "201" } else { "409" });
        let team = user && !self.model.group_name_taken(name, None) && self.model.admits_members(None, &[member]);
        assert_eq!(status(0) == "201", team, "{}", reply.body);
        assert_eq!(status(2) == "204", team && group < self.model.groups.len(), "{}", reply.body);
        if user {
            self.model.users.push(User { id: id(1), name: name.to_owned(), display: None, active: false, mail: None });
        }
        if team {
            if let Some(group) = self.model.groups.get_mut(group) {
                group.members.insert(id(0));
            }
            self.model.groups.push(Group { id: id(0), name: name.to_owned(), members: [id(1), old].into() });
        }
    }

    fn fail(&mut self, user: usize) {
        if let Some(user) = self.model.users.get(user) {
            let operations = json!([
                {"op": "Replace", "path": "userName", "value": "never"},
                {"op": "Replace", "path": "active", "value": (!user.active).to_string()},
                {"op": "Replace", "path": "displayName", "value": ["x", "y"]},
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
        self.compare_groups(listed.body["Resources"].as_array().unwrap());
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

    fn compare_groups(&mut self, users: &[Value]) {
        let listed = self.tenant.scim(&mut self.server, "GET", "/Groups?count=200", None).expect(200);
        let groups: Vec<Group> = listed.body["Resources"].as_array().unwrap().iter().map(group).collect();
        assert_eq!(groups, self.model.groups);
        for user in users {
            let listed = user["groups"].as_array().cloned().unwrap_or_default();
            let found = listed.iter().map(|group| (text(group, "/value").unwrap(), group["type"] == "direct"));
            assert_eq!(found.collect::<BTreeMap<_, _>>(), self.model.groups_of(user["id"].as_str().unwrap()));
        }
        let ids = self.model.users.iter().map(|user| user.id.clone());
        for id in ids.chain(self.model.groups.iter().map(|group| group.id.clone())).collect::<Vec<_>>() {
            let path = format!("/Groups?attributes=id&filter=members.value+eq+%22{id}%22");
            let found = self.tenant.scim(&mut self.server, "GET", &path, None).expect(200);
            let found: Vec<String> =
                found.body["Resources"].as_array().unwrap().iter().filter_map(|group| text(group, "/id")).collect();
            let having = self.model.groups.iter().filter(|group| group.members.contains(&id));
            assert_eq!(found, having.map(|group| group.id.clone()).collect::<Vec<_>>());
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
    User {
        id: text(resource, "/id").unwrap(),
        name: text(resource, "/userName").unwrap(),
        display: text(resource, "/displayName"),
        active: resource["active"].as_bool().unwrap(),
        mail: text(resource, "/emails/0/value"),
    }
}

fn group(resource: &Value) -> Group {
    let members = resource["members"].as_array().cloned().unwrap_or_default();
    let ids: Vec<String> = members.iter().map(|member| text(member, "/value").unwrap()).collect();
    let (id, name) = (text(resource, "/id").unwrap(), text(resource, "/displayName").unwrap());
    let set: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(set.len(), ids.len(), "nobody is a member twice");
    Group { id, name, members: set }
}

fn text(resource: &Value, pointer: &str) -> Option<String> {
    resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn valued(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({"value": id})).collect()
}

#[test]
fn random_operations_leave_what_the_model_says() {
    // Most of them where they are quick; the others differ in how they write, not in what.
    let cases =
        Backend::all_fit().into_iter().map(|backend| (backend, if backend == Backend::SQLITE { 64 } else { 12 }));
    for (backend, cases) in cases {
        let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
        let tried = TestRunner::new(config).run(&prop::collection::vec(operation(), 1..40), |operations| {
            let mut run = Run::on(backend);
            for operation in &operations {
                run.step(operation);
                run.compare();
            }
            Ok(())
        });
        assert!(tried.is_ok(), "{}: {}", backend.name, tried.unwrap_err());
    }
}

#[test]
fn the_roster_keeps_its_order_over_many_leaves() {
    let mut run = Run::on(Backend::SQLITE);
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

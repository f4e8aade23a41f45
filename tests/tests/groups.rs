//! Groups: what a change of members costs, and that nothing is left over whoever goes first.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Call, Fault, Verb};
use acceptance::world::World;
use rollcall_core::keys::TenantId;
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn a_change_of_members_costs_the_same_with_five_members_and_with_fifty_thousand() {
    let mut small = Setting::with_members(5);
    let mut large = Setting::with_members(50_000);
    let (few, many) = (small.costs(), large.costs());
    for ((what, few), (_, many)) in few.iter().zip(&many) {
        assert_eq!(many.len(), few.len(), "{what}: {few:#?}\n{many:#?}");
        assert!(writes(many) <= 3, "{what}: {many:#?}");
        let batches = many.iter().filter(|call| call.verb == Verb::SetMany).count();
        assert!(batches <= 1, "{what}: {many:#?}");
    }
    small.expect_sound();
    large.expect_sound();
    large.delete(&format!("/Groups/{}", large.group));
    large.expect_sound();
}

/// How many values each batch writes, and how many bytes these have in the end.
fn batches(setting: &Setting) -> Vec<(usize, usize)> {
    let store = &setting.server.world.store;
    let bytes = |keys: &[String]| keys.iter().filter_map(|key| store.value(key)).map(|value| value.len()).sum();
    let calls = store.calls();
    let writing = calls.iter().filter(|call| call.verb == Verb::SetMany);
    writing.map(|call| (call.keys.len(), bytes(&call.keys))).collect()
}

#[test]
fn a_member_of_any_number_of_groups_can_be_deleted_and_no_turn_writes_more_than_those_of_the_limit() {
    let limit = LIMITS.groups_left_max;
    for (count, turns) in [(limit, 1), (limit + 1, 2), (10 * limit, 10)] {
        let mut setting = Setting::with_members(1);
        let user = setting.users[0].clone();
        // One of them is Sales.
        let groups: Vec<String> = (1..count).map(|n| setting.create(&format!("Group {n}"), &[&user])).collect();
        setting.server.world.store.forget_calls();
        setting.delete(&format!("/Users/{user}"));
        let batches = batches(&setting);
        println!("{count} groups: values and bytes of each batch {batches:?}");
        let changing = batches.iter().filter(|(values, _)| *values > 10).count();
        assert_eq!(changing, turns, "{count} groups: {batches:?}");
        assert!(batches.iter().all(|(values, _)| *values <= 12 * limit), "{count} groups: {batches:?}");
        setting.expect_sound();
        for group in groups.iter().take(3).chain(groups.last()) {
            assert_eq!(setting.member_ids(group), [] as [String; 0]);
        }
    }
}

#[test]
fn a_bulk_request_that_is_sent_again_deletes_a_member_of_more_groups_than_one_turn_leaves() {
    let mut setting = Setting::with_members(1);
    let user = setting.users[0].clone();
    (1..=2 * LIMITS.groups_left_max).for_each(|n| drop(setting.create(&format!("Group {n}"), &[&user])));
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "DELETE", "path": format!("/Users/{user}")}]});
    for status in ["503", "503", "204"] {
        let answer = setting.tenant.scim(&mut setting.server, "POST", "/Bulk", Some(&bulk)).expect(200).body;
        assert_eq!(answer["Operations"][0]["status"], status, "{answer}");
        setting.expect_sound();
    }
}

#[test]
fn a_store_that_fails_while_a_member_leaves_its_groups_leaves_no_half_of_it_and_the_next_request_goes_on() {
    let mut given = Setting::with_members(1);
    let user = given.users[0].clone();
    (1..=LIMITS.groups_left_max).for_each(|n| drop(given.create(&format!("Group {n}"), &[&user])));
    let path = format!("/Users/{user}");
    let fork = |given: &Setting| Setting {
        server: Native::within(&given.server.world.fork()),
        tenant: given.tenant.clone(),
        users: given.users.clone(),
        group: given.group.clone(),
    };
    let counted = fork(&given);
    counted.server.world.store.forget_calls();
    drop(counted.server.rollcall.handle(counted.tenant.request("DELETE", &path, None)));
    let steps = counted.server.world.store.steps();
    for step in (0..steps.len()).filter(|step| steps[*step].writes()) {
        for fault in [Fault::Refused, Fault::Lost] {
            let mut setting = fork(&given);
            setting.server.world.store.forget_calls();
            setting.server.world.store.fail(step..step + 1, fault);
            let status = setting.server.answer(setting.tenant.request("DELETE", &path, None)).status().as_u16();
            setting.server.world.store.forget_calls();
            assert!([204, 503].contains(&status), "{fault:?} at {step}: {status}");
            setting.expect_sound();
            let again = setting.tenant.scim(&mut setting.server, "DELETE", &path, None).status;
            assert_eq!(again, if status == 204 { 404 } else { 204 }, "{fault:?} at {step}");
            setting.expect_sound();
        }
    }
}

#[test]
fn a_store_that_fails_at_any_call_leaves_no_half_of_a_membership() {
    for fault in [Fault::Refused, Fault::Lost] {
        for call in 0..40 {
            let mut setting = Setting::with_members(2);
            let (group, users) = (setting.group.clone(), setting.users.clone());
            let outer = setting.create("Outer", &[&group]);
            let exchange = json!([
                {"op": "remove", "path": "members", "value": [{"value": users[0]}]},
                {"op": "add", "path": "members", "value": [{"value": outer}]},
            ]);
            let changes = [
                ("PATCH", format!("/Groups/{group}"), Some(life::patch(&exchange))),
                ("DELETE", format!("/Users/{}", users[1]), None),
                ("DELETE", format!("/Groups/{group}"), None),
            ];
            for (method, path, body) in changes {
                setting.server.world.store.forget_calls();
                setting.server.world.store.fail(call..call + 1, fault);
                setting.server.answer(setting.tenant.request(method, &path, body.as_ref()));
                setting.server.world.store.forget_calls();
                setting.expect_sound();
            }
        }
    }
}

#[test]
fn a_group_is_changed_at_the_version_that_was_seen() {
    let mut setting = Setting::with_members(1);
    let (group, user) = (format!("/Groups/{}", setting.group), setting.users[0].clone());
    let remove = life::patch(&json!([{"op": "Remove", "path": "members", "value": [{"value": user}]}]));
    let mut send = |version: &str| {
        let mut request = setting.tenant.request("PATCH", &group, Some(&remove));
        request.headers_mut().insert("if-match", version.parse().unwrap());
        setting.server.answer(request)
    };
    assert_eq!(send("W/\"1\"").status(), 412);
    let done = send("W/\"2\"");
    assert_eq!((done.status().as_u16(), done.headers()["etag"].to_str().unwrap()), (204, "W/\"3\""));
    // What changes nothing keeps the version.
    assert_eq!(send("W/\"3\"").headers()["etag"], "W/\"3\"");
}

#[test]
fn who_excludes_members_reads_none() {
    let mut setting = Setting::with_members(5);
    let group = format!("/Groups/{}", setting.group);
    for path in [
        format!("{group}?excludedAttributes=members"),
        "/Groups?excludedAttributes=members".to_owned(),
        "/Groups?excludedAttributes=members&filter=displayName+eq+%22sales%22".to_owned(),
        format!("{group}?attributes=displayName"),
    ] {
        let calls = setting.cost("GET", &path, None);
        assert!(!calls.iter().any(|call| touches(call, ".gm.") || touches(call, ".e.")), "{path}: {calls:#?}");
    }
    let calls = setting.cost("GET", &group, None);
    assert!(calls.iter().any(|call| touches(call, ".gm.")), "{calls:#?}");
}

#[test]
fn nobody_is_a_member_after_going() {
    let mut setting = Setting::with_members(3);
    let (users, group) = (setting.users.clone(), setting.group.clone());
    let nested = setting.create("Nested", &[&users[0], &group]);
    let around = setting.create("Around", &[&nested]);
    // A circle is no harm.
    setting.patch(&group, &json!([{"op": "add", "path": "members", "value": [{"value": around}]}]), 204);
    setting.expect_sound();
    let version = setting.get(&format!("/Groups/{nested}")).text("/meta/version");
    setting.delete(&format!("/Users/{}", users[0]));
    assert_eq!(setting.member_ids(&group), [users[1].clone(), users[2].clone(), around.clone()]);
    assert_eq!(setting.member_ids(&nested), std::slice::from_ref(&group));
    assert_ne!(setting.get(&format!("/Groups/{nested}")).text("/meta/version"), version);
    setting.expect_sound();
    setting.delete(&format!("/Groups/{group}"));
    assert_eq!(setting.member_ids(&nested), [] as [String; 0]);
    assert_eq!(setting.get(&format!("/Users/{}", users[1])).body.get("groups"), None);
    setting.expect_sound();
    setting.delete(&format!("/Groups/{nested}"));
    setting.delete(&format!("/Groups/{around}"));
    setting.expect_sound();
    let left: Vec<String> = setting.server.world.store.keys();
    let left: Vec<&String> =
        left.iter().filter(|key| [".e.", ".o.", ".g.", ".gm."].iter().any(|part| key.contains(part))).collect();
    let full: Vec<_> =
        left.into_iter().filter(|key| !setting.server.world.store.value(key).unwrap().is_empty()).collect();
    assert_eq!(full, [] as [&String; 0]);
}

#[test]
fn a_user_shows_its_groups_and_those_around_them() {
    let mut setting = Setting::with_members(1);
    let (user, group) = (setting.users[0].clone(), setting.group.clone());
    let outer = setting.create("Outer", &[&group]);
    let place = |id: &str, tenant: &str| format!("http://scim.example.com/scim/v2/{tenant}/Groups/{id}");
    let tenant = setting.tenant.id.clone();
    assert_eq!(
        setting.get(&format!("/Users/{user}")).body["groups"],
        json!([
            {"value": group, "$ref": place(&group, &tenant), "display": "Sales", "type": "direct"},
            {"value": outer, "$ref": place(&outer, &tenant), "display": "Outer", "type": "indirect"},
        ])
    );
    let found = setting.get(&format!("/Users?filter=groups.value+eq+%22{outer}%22"));
    assert_eq!((&found.body["totalResults"], found.text("/Resources/0/id")), (&json!(1), user.clone()));
    assert_eq!(setting.get(&format!("/Users/{user}?excludedAttributes=groups")).body.get("groups"), None);
    // What only the server sets is passed over, and refused by its path.
    let wish = life::patch(&json!([{"op": "replace", "path": "groups", "value": []}]));
    let refused = setting.tenant.clone().scim(&mut setting.server, "PATCH", &format!("/Users/{user}"), Some(&wish));
    assert_eq!(refused.expect(400).text("/scimType"), "mutability");
}

#[test]
fn steps_in_one_request_come_out_as_one_after_the_other() {
    let mut setting = Setting::with_members(3);
    let (users, group) = (setting.users.clone(), setting.group.clone());
    let value = |id: &String| json!([{"value": id}]);
    let (add, remove) = (
        |id: &String| json!({"op": "Add", "path": "members", "value": value(id)}),
        |id: &String| json!({"op": "Remove", "path": "members", "value": value(id)}),
    );
    setting.patch(&group, &json!([remove(&users[0]), add(&users[0])]), 204);
    assert_eq!(setting.member_ids(&group), users);
    setting.patch(&group, &json!([add(&users[0]), remove(&users[0])]), 204);
    assert_eq!(setting.member_ids(&group), users[1..]);
    let one = json!({"op": "replace", "path": "members", "value": [users[0], users[2]]});
    setting.patch(&group, &json!([one, add(&users[1]), remove(&users[2])]), 204);
    // Who stays keeps the seat.
    assert_eq!(setting.member_ids(&group), [users[1].clone(), users[0].clone()]);
    let fitting = r#"members[type eq "User" and not (display eq "nobody")]"#;
    setting.patch(&group, &json!([add(&users[2]), {"op": "remove", "path": fitting}]), 204);
    assert_eq!(setting.member_ids(&group), [] as [String; 0]);
    setting.expect_sound();
    // All or nothing: a member that is not there takes the rest with it.
    let refused = setting.patch(&group, &json!([add(&users[0]), add(&"nobody".to_owned())]), 400);
    assert_eq!(refused["scimType"], "invalidValue");
    assert_eq!(setting.member_ids(&group), [] as [String; 0]);
    setting.expect_sound();
}

#[test]
fn members_are_removed_by_where_they_are() {
    let mut setting = Setting::with_members(3);
    let (users, group) = (setting.users.clone(), setting.group.clone());
    let path = format!("members[$ref ew \"/Users/{}\"]", users[1]);
    setting.patch(&group, &json!([{"op": "remove", "path": path}]), 204);
    assert_eq!(setting.member_ids(&group), [users[0].clone(), users[2].clone()]);
}

#[test]
fn members_are_read_once_however_many_filters_look_at_them() {
    let mut setting = Setting::with_members(5);
    let place = format!("/Groups/{}", setting.group);
    let mut reads = |count: usize| {
        let operation = json!({"op": "remove", "path": "members[display eq \"nobody\"]"});
        let calls = setting.cost("PATCH", &place, Some(life::patch(&json!(vec![operation; count]))));
        calls.len()
    };
    assert_eq!(reads(20), reads(1));
}

#[test]
fn a_filter_looks_at_so_many_members_and_no_more() {
    let max = usize::try_from(LIMITS.scan_max).unwrap();
    let mut setting = Setting::with_members(max + 1);
    let (last, group) = (setting.users[max].clone(), setting.group.clone());
    let by_name = json!([{"op": "remove", "path": "members[display eq \"nobody\"]"}]);
    let refused = setting.patch(&group, &by_name, 400);
    assert_eq!(refused["scimType"], "tooMany");
    assert_eq!(
        refused["detail"],
        "members: would have to look at more than 10000; name those that are meant by value eq"
    );
    let by_id = json!([{"op": "remove", "path": format!("members[value eq \"{last}\"]")}]);
    setting.patch(&group, &by_id, 204);
    setting.patch(&group, &by_name, 204);
    let often = json!(vec![by_name[0].clone(); LIMITS.request_effort_max / max + 1]);
    let refused = setting.patch(&group, &often, 400);
    assert_eq!(refused["detail"], "members: expected at most 1000000 comparisons in one request, found more");
}

struct Setting {
    server: Native,
    tenant: Tenant,
    users: Vec<String>,
    group: String,
}

impl Setting {
    /// A tenant with so many users, and the group Sales that has them all.
    fn with_members(count: usize) -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let name = |n| format!("user{n}@contoso.com");
        let users: Vec<String> =
            (0..count).map(|n| tenant.create(&mut server, &name(n)).expect(201).text("/id")).collect();
        let mut setting = Setting { server, tenant, users, group: String::new() };
        setting.group = setting.create("Sales", &[]);
        for some in setting.users.clone().chunks(10_000) {
            let value: Vec<Value> = some.iter().map(|id| json!({"value": id})).collect();
            let group = setting.group.clone();
            setting.patch(&group, &json!([{"op": "add", "path": "members", "value": value}]), 204);
            setting.server.world.store.forget_calls();
        }
        setting
    }

    fn create(&mut self, name: &str, members: &[&String]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members,
        });
        self.tenant.scim(&mut self.server, "POST", "/Groups", Some(&body)).expect(201).text("/id")
    }

    #[track_caller]
    fn get(&mut self, path: &str) -> life::Reply {
        self.tenant.scim(&mut self.server, "GET", path, None).expect(200)
    }

    #[track_caller]
    fn delete(&mut self, path: &str) {
        self.tenant.scim(&mut self.server, "DELETE", path, None).expect(204);
    }

    #[track_caller]
    fn patch(&mut self, group: &str, operations: &Value, status: u16) -> Value {
        let body = life::patch(operations);
        self.tenant.scim(&mut self.server, "PATCH", &format!("/Groups/{group}"), Some(&body)).expect(status).body
    }

    fn member_ids(&mut self, group: &str) -> Vec<String> {
        let members = self.get(&format!("/Groups/{group}")).body["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
    }

    fn expect_sound(&self) {
        let tenant = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(self.server.rollcall.check(&tenant), Ok(Vec::new()));
    }

    fn costs(&mut self) -> Vec<(&'static str, Vec<Call>)> {
        let group = format!("/Groups/{}", self.group);
        let new = self.tenant.create(&mut self.server, "new@contoso.com").expect(201).text("/id");
        let (member, other) = (self.users[2].clone(), self.users[3].clone());
        let operation =
            |op: &str, id: &str| Some(life::patch(&json!([{"op": op, "path": "members", "value": [{"value": id}]}])));
        let path = format!("members[value eq \"{other}\"]");
        let by_path = Some(life::patch(&json!([{"op": "remove", "path": path}])));
        let rename = Some(life::patch(&json!([{"op": "replace", "value": {"displayName": "Sellers"}}])));
        vec![
            ("add", self.cost("PATCH", &group, operation("Add", &new))),
            ("add again", self.cost("PATCH", &group, operation("Add", &new))),
            ("remove", self.cost("PATCH", &group, operation("Remove", &member))),
            ("remove by path", self.cost("PATCH", &group, by_path)),
            ("rename", self.cost("PATCH", &group, rename)),
            ("match", self.cost("GET", "/Groups?excludedAttributes=members&filter=displayName+eq+%22sellers%22", None)),
            ("read", self.cost("GET", &format!("{group}?excludedAttributes=members"), None)),
            ("is a member", self.cost("GET", &format!("/Groups?attributes=id&filter=members+eq+%22{new}%22"), None)),
            ("delete a member", self.cost("DELETE", &format!("/Users/{new}"), None)),
        ]
    }

    /// The calls of one request, the writing of its record included.
    #[track_caller]
    fn cost(&mut self, method: &str, path: &str, body: Option<Value>) -> Vec<Call> {
        self.server.world.store.forget_calls();
        let answer = self.server.answer(self.tenant.request(method, path, body.as_ref()));
        assert!(answer.status().is_success(), "{method} {path}: {}", String::from_utf8_lossy(answer.body()));
        self.server.world.store.calls()
    }
}

fn writes(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.verb.writes()).count()
}

fn touches(call: &Call, part: &str) -> bool {
    call.keys.iter().any(|key| key.contains(part))
}

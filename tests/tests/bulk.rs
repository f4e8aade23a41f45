//! Bulk requests, RFC 7644 §3.7: operations that hang together, fail, or are too many.

use acceptance::life::{Reply, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::Verb;
use acceptance::world::World;
use rollcall_core::keys::TenantId;
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

struct Setting {
    server: Native,
    tenant: Tenant,
}

impl Setting {
    fn new() -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        Setting { server, tenant }
    }

    fn scim(&mut self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.tenant.scim(&mut self.server, method, path, body)
    }

    fn send(&mut self, operations: &Value, fail_on_errors: Option<u64>) -> Reply {
        let body = json!({"schemas": [BULK], "Operations": operations, "failOnErrors": fail_on_errors});
        self.scim("POST", "/Bulk", Some(&body))
    }

    /// What came of the operations.
    fn bulk(&mut self, operations: Value) -> Vec<Value> {
        let answer = self.send(&operations, None).expect(200).body;
        assert_eq!(answer["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
        self.check();
        answer["Operations"].as_array().unwrap().clone()
    }

    fn check(&mut self) {
        let tenant = TenantId::parse(&self.tenant.id).unwrap();
        assert_eq!(self.server.rollcall.check(&tenant).unwrap(), Vec::<String>::new());
    }

    /// The ids of a group's members.
    fn members(&mut self, group: &str) -> Vec<String> {
        let group = self.scim("GET", &format!("/Groups/{group}"), None).expect(200).body;
        let members = group["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
    }

    fn total(&mut self, list: &str) -> u64 {
        self.scim("GET", &format!("{list}?count=0"), None).expect(200).body["totalResults"].as_u64().unwrap()
    }
}

fn user(bulk_id: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"userName": bulk_id}})
}

fn group(bulk_id: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| json!({"value": format!("bulkId:{member}")})).collect();
    let data = json!({"displayName": bulk_id, "members": members});
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data})
}

fn statuses(outcomes: &[Value]) -> Vec<&str> {
    outcomes.iter().map(|outcome| outcome["status"].as_str().unwrap()).collect()
}

fn id(outcome: &Value) -> String {
    outcome["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[test]
fn references_go_forward_and_back_and_into_paths() {
    let mut setting = Setting::new();
    let rename = json!({"Operations": [{"op": "replace", "path": "displayName", "value": "Renamed"}]});
    let manager = json!({"userName": "clerk", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "bulkId:boss"}}});
    let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:late"}]}]});
    let outcomes = setting.bulk(json!([
        group("team", &["boss", "clerk", "others"]),
        {"method": "PATCH", "path": "/Groups/bulkId:team", "data": rename},
        {"method": "POST", "path": "/Users", "bulkId": "clerk", "data": manager},
        user("boss"),
        group("others", &[]),
        {"method": "PATCH", "path": "/Groups/bulkId:others", "data": add},
        user("late"),
        user("gone"),
        {"method": "DELETE", "path": "/Users/bulkId:gone"},
    ]));
    assert_eq!(statuses(&outcomes), ["201", "204", "201", "201", "201", "204", "201", "201", "204"]);
    let ids: Vec<String> = outcomes.iter().map(id).collect();
    assert_eq!(setting.members(&ids[0]), [3, 2, 4].map(|place| ids[place].clone()));
    assert_eq!(setting.members(&ids[4]), [ids[6].clone()]);
    assert_eq!(setting.scim("GET", &format!("/Groups/{}", ids[0]), None).text("/displayName"), "Renamed");
    let clerk = setting.scim("GET", &format!("/Users/{}", ids[2]), None).expect(200).body;
    assert_eq!(clerk["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"]["value"], json!(ids[3]));
    setting.scim("GET", &format!("/Users/{}", ids[7]), None).expect(404);
    assert_eq!((&outcomes[0]["bulkId"], &outcomes[0]["version"]), (&json!("team"), &json!("W/\"1\"")));
    assert_eq!(outcomes[1]["location"], outcomes[0]["location"]);
}

#[test]
fn circles_are_resolved() {
    let mut setting = Setting::new();
    let outcomes = setting.bulk(json!([group("a", &["b"]), group("b", &["a"])]));
    assert_eq!(statuses(&outcomes), ["201", "201"]);
    let (a, b) = (id(&outcomes[0]), id(&outcomes[1]));
    assert_eq!((setting.members(&a), setting.members(&b)), (vec![b.clone()], vec![a]));
    // The version is the one that the resource is at.
    let version = setting.scim("GET", &format!("/Groups/{b}"), None).text("/meta/version");
    assert_eq!(outcomes[1]["version"], json!(version));

    let managed = |name: &str, by: &str| {
        let manager = json!({"manager": {"value": format!("bulkId:{by}")}});
        let data = json!({"userName": name, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": manager});
        json!({"method": "POST", "path": "/Users", "bulkId": name, "data": data})
    };
    let outcomes = setting.bulk(json!([managed("x", "y"), managed("y", "z"), managed("z", "x")]));
    assert_eq!(statuses(&outcomes), ["201"; 3]);
    for place in 0..3 {
        let user = setting.scim("GET", &format!("/Users/{}", id(&outcomes[place])), None).expect(200).body;
        let manager = &user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"]["value"];
        assert_eq!(*manager, json!(id(&outcomes[(place + 1) % 3])));
    }
}

#[test]
fn a_circle_that_cannot_be_closed_leaves_nothing_behind() {
    let mut setting = Setting::new();
    setting.scim("POST", "/Groups", Some(&json!({"displayName": "taken"}))).expect(201);
    let outcomes = setting.bulk(json!([group("taken", &["b"]), group("b", &["taken"]), group("self", &["self"])]));
    assert_eq!(statuses(&outcomes), ["409", "409", "400"]);
    assert_eq!(outcomes[0]["response"]["scimType"], "uniqueness");
    assert_eq!(
        outcomes[1]["response"]["detail"],
        "bulkId:taken: expected a POST that succeeded, found one that failed"
    );
    assert!(outcomes.iter().all(|outcome| outcome.get("location").is_none() && outcome.get("version").is_none()));
    assert_eq!(setting.total("/Groups"), 1);
    // What was begun is not left begun where nothing more is to be done.
    let answer =
        setting.send(&json!([group("taken", &["b"]), group("b", &["taken"]), user("never")]), Some(1)).expect(200);
    assert_eq!(statuses(answer.body["Operations"].as_array().unwrap()), ["409", "409"]);
    assert_eq!((setting.total("/Groups"), setting.total("/Users")), (1, 0));
    setting.check();
}

#[test]
fn who_refers_to_what_failed_fails_and_the_others_go_on() {
    let mut setting = Setting::new();
    setting.scim("POST", "/Users", Some(&json!({"userName": "taken"}))).expect(201);
    let outcomes = setting.bulk(json!([
        user("first"),
        user("taken"),
        group("team", &["first", "taken"]),
        {"method": "DELETE", "path": "/Groups/bulkId:team"},
        group("lost", &["nobody"]),
        user("last"),
    ]));
    assert_eq!(statuses(&outcomes), ["201", "409", "409", "409", "409", "201"]);
    let detail = |place: usize| outcomes[place]["response"]["detail"].as_str().unwrap();
    assert_eq!(detail(2), "bulkId:taken: expected a POST that succeeded, found one that failed");
    assert_eq!(detail(3), "bulkId:team: expected a POST that succeeded, found one that failed");
    assert_eq!(detail(4), "bulkId:nobody: expected a POST of this request, found none");
    assert_eq!((setting.total("/Users"), setting.total("/Groups")), (3, 0));
}

#[test]
fn operations_that_are_none_are_refused_one_by_one() {
    let mut setting = Setting::new();
    let outcomes = setting.bulk(json!([
        {"method": "POST", "path": "/Bulk", "bulkId": "inner", "data": {"schemas": [BULK], "Operations": []}},
        {"method": "POST", "path": "/Users", "data": {"userName": "unnamed"}},
        {"method": "GET", "path": "/Users/1"},
        {"method": "PUT", "path": "/Users/nobody", "data": {"userName": "nobody"}},
        {"method": "PATCH", "path": "/Users/nobody", "data": {"Operations": [{"op": "remove", "path": "title"}]}},
        user("twin"),
        user("twin"),
        7,
        user("good"),
    ]));
    assert_eq!(statuses(&outcomes), ["400", "400", "400", "404", "404", "400", "400", "400", "201"]);
    assert_eq!(outcomes[0]["response"]["detail"], "Operations[0].path: expected /Users or /Groups, found \"/Bulk\"");
    assert!(outcomes[3]["location"].as_str().unwrap().ends_with("/Users/nobody"), "{}", outcomes[3]);
    assert_eq!(outcomes[3]["response"]["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(setting.total("/Users"), 1);
}

#[test]
fn so_many_errors_are_accepted_and_no_more() {
    for (accepted, processed) in [(None, 6), (Some(0), 2), (Some(1), 2), (Some(2), 4), (Some(3), 6), (Some(4), 6)] {
        let mut setting = Setting::new();
        let wrong = json!({"method": "DELETE", "path": "/Users/nobody"});
        let operations = json!([user("a"), wrong, user("b"), wrong, user("c"), wrong]);
        let answer = setting.send(&operations, accepted).expect(200);
        let outcomes = answer.body["Operations"].as_array().unwrap();
        assert_eq!(outcomes.len(), processed, "{accepted:?}");
        assert_eq!(setting.total("/Users"), (processed as u64).div_ceil(2));
    }
}

#[test]
fn a_version_is_a_condition() {
    let mut setting = Setting::new();
    let path =
        format!("/Users/{}", setting.scim("POST", "/Users", Some(&json!({"userName": "a"}))).expect(201).text("/id"));
    let patch = |version: Value, title: &str| {
        let data = json!({"Operations": [{"op": "replace", "path": "title", "value": title}]});
        json!({"method": "PATCH", "path": path, "version": version, "data": data})
    };
    let outcomes = setting.bulk(json!([
        patch(json!("W/\"7\""), "x"),
        patch(json!("W/\"1\""), "y"),
        patch(json!("W/\"1\""), "z"),
        patch(json!("\n"), "z"),
        patch(json!(2), "z"),
        patch(Value::Null, "last"),
        {"method": "DELETE", "path": path, "version": "W/\"1\""},
    ]));
    assert_eq!(statuses(&outcomes), ["412", "200", "412", "412", "400", "200", "412"]);
    assert_eq!(outcomes[1]["version"], "W/\"2\"");
    assert_eq!(setting.scim("GET", &path, None).text("/title"), "last");
}

#[test]
fn what_holds_for_a_request_holds_for_an_operation() {
    let mut setting = Setting::new();
    setting.tenant.admin(&mut setting.server, "PATCH", "", Some(&json!({"seats": 2}))).expect(200);
    setting.tenant.admin(&mut setting.server, "PATCH", "/connection", Some(&json!({"groups": false}))).expect(200);
    let outcomes = setting.bulk(json!([user("a"), group("team", &["a"]), user("b"), user("c")]));
    assert_eq!(statuses(&outcomes), ["201", "501", "201", "403"]);
    // The dialect of the provider: Entra's booleans.
    let odd = json!({"method": "POST", "path": "/Users", "bulkId": "d", "data": {"userName": "d", "active": "False"}});
    assert_eq!(statuses(&setting.bulk(json!([odd]))), ["201"]);
}

#[test]
fn every_operation_has_its_record_and_the_request_has_one() {
    let mut setting = Setting::new();
    let before = setting.tenant.journal(&mut setting.server).len();
    setting.bulk(json!([user("a"), {"method": "DELETE", "path": "/Users/nobody"}, group("team", &["a"])]));
    let records = setting.tenant.journal(&mut setting.server);
    let told: Vec<String> = records[..records.len() - before]
        .iter()
        .rev()
        .map(|record| {
            format!(
                "{} {} {} {}",
                record["method"].as_str().unwrap(),
                record["path"].as_str().unwrap(),
                record["status"],
                record["operation"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "POST /Users 201 create user a",
            "DELETE /Users/nobody 404 delete user nobody",
            "POST /Groups 201 create group team with 1 member added",
            "POST /Bulk 200 bulk request of 3 operations, 1 failed",
        ]
    );
    assert_eq!(
        (&records[0]["action"], &records[0]["kind"], &records[0]["changed"]),
        (&json!("bulk"), &json!("change"), &json!(false))
    );
}

#[test]
fn a_password_is_kept_nowhere() {
    let mut setting = Setting::new();
    let secret = "correct horse battery";
    let id =
        setting.scim("POST", "/Users", Some(&json!({"userName": "a", "password": secret}))).expect(201).text("/id");
    let path = format!("/Users/{id}");
    let with_path = json!({"Operations": [{"op": "replace", "path": "password", "value": secret}]});
    let without = json!({"Operations": [{"op": "add", "value": {"Password": secret, "title": "Boss"}}]});
    let urn = json!({"Operations": [{"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:password", "value": secret}]});
    let put = json!({"userName": "a", "password": secret});
    let mut answers = vec![
        setting.scim("PUT", &path, Some(&put)).expect(200),
        setting.scim("PATCH", &path, Some(&with_path)).expect(200),
        setting.scim("PATCH", &path, Some(&without)).expect(200),
        setting.scim("PATCH", &path, Some(&urn)).expect(200),
        setting.scim("PUT", &format!("{path}?attributes=password"), Some(&put)).expect(200),
        setting.scim("GET", &format!("{path}?attributes=password,title"), None).expect(200),
        setting.scim("GET", "/Users?attributes=password", None).expect(200),
    ];
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "b", "password": secret}},
        {"method": "PUT", "path": path, "data": put},
        {"method": "PATCH", "path": path, "data": with_path},
        {"method": "PATCH", "path": path, "data": without},
        {"method": "PATCH", "path": path, "version": "W/\"0\"", "data": urn},
        {"method": "POST", "path": "/Users", "data": {"userName": "c", "password": secret}},
    ]);
    let bulk = setting.send(&operations, None).expect(200);
    assert_eq!(statuses(bulk.body["Operations"].as_array().unwrap()), ["201", "200", "200", "200", "412", "400"]);
    answers.push(bulk);
    setting.server.rollcall.flush();
    for answer in &answers {
        assert!(!answer.body.to_string().contains("correct"), "{}", answer.body);
    }
    let store = &setting.server.world.store;
    for key in store.keys() {
        let value = String::from_utf8_lossy(&store.value(&key).unwrap()).into_owned();
        assert!(!value.contains("correct"), "{key}: {value}");
    }
    let config = setting.scim("GET", "/ServiceProviderConfig", None).expect(200).body;
    assert_eq!(config["changePassword"], json!({"supported": false}));
}

#[test]
fn a_request_that_takes_too_long_gives_back_what_it_has_not_done() {
    let users = |count: usize| Value::Array((0..count).map(|number| user(&format!("user{number}"))).collect());
    // As many operations as share a turn; what comes after these calls is in the turn after that.
    let mut first = Setting::new();
    first.server.world.store.forget_calls();
    first.bulk(users(50));
    let calls = first.server.world.store.calls();
    let committed = calls.iter().position(|call| call.verb == Verb::SetMany).unwrap();

    let mut setting = Setting::new();
    let time = setting.server.world.time.clone();
    setting.server.world.store.forget_calls();
    let late = Duration::from_secs(LIMITS.bulk_seconds_max + 1);
    setting.server.world.store.interrupt(committed + 5, move || time.pass(late));
    let outcomes = setting.bulk(users(53));
    assert!(setting.server.world.store.was_interrupted());
    assert_eq!(statuses(&outcomes)[..50], ["201"; 50]);
    assert_eq!(statuses(&outcomes)[50..], ["503"; 3]);
    assert_eq!(outcomes[52]["response"]["status"], "503");
    // Sent again, they are done.
    let again = setting.bulk(users(53));
    assert_eq!(statuses(&again)[..50], ["409"; 50]);
    assert_eq!(statuses(&again)[50..], ["201"; 3]);
}

#[test]
fn operations_share_turns() {
    let mut setting = Setting::new();
    setting.server.world.store.forget_calls();
    setting.bulk((0..50).map(|number| user(&format!("user{number}"))).collect());
    let writes = setting.server.world.store.calls().into_iter().filter(|call| call.verb.writes()).count();
    // The number, and the batch; and the same for the record of the bulk request itself.
    assert_eq!(writes, 4);
}

#[test]
fn the_limits_are_those_that_the_configuration_says() {
    let mut setting = Setting::new();
    let config = setting.scim("GET", "/ServiceProviderConfig", None).expect(200).body["bulk"].clone();
    let expected = json!({"supported": true, "maxOperations": LIMITS.bulk_operations_max, "maxPayloadSize": LIMITS.body_bytes_max});
    assert_eq!(config, expected);
    let many = |count: usize| Value::Array((0..count).map(|number| user(&format!("user{number}"))).collect());
    let at = setting.bulk(many(LIMITS.bulk_operations_max));
    assert!(statuses(&at).iter().all(|status| *status == "201"));
    let above = setting.send(&many(LIMITS.bulk_operations_max + 1), None).expect(413);
    assert_eq!(above.text("/detail"), "maxOperations: expected at most 200 operations, found 201");
    assert_eq!(setting.total("/Users"), LIMITS.bulk_operations_max as u64);
    let mut send = |len: usize| {
        let mut request = setting.tenant.request("POST", "/Bulk", Some(&json!({"schemas": [BULK], "Operations": []})));
        request.body_mut().resize(len, b' ');
        let answer = setting.server.answer(request);
        (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
    };
    assert_eq!(send(LIMITS.body_bytes_max).0, 200);
    let (status, body) = send(LIMITS.body_bytes_max + 1);
    assert!(status == 413 && body.contains("maxPayloadSize: expected at most 1048576 bytes"), "{status} {body}");
}

#[test]
fn what_is_no_bulk_request_is_refused_whole() {
    let mut setting = Setting::new();
    for (body, detail) in [
        (json!({"schemas": [BULK]}), "Operations: expected an array of operations, found none"),
        (
            json!({"schemas": [BULK], "Operations": [], "failOnErrors": -1}),
            "failOnErrors: expected a whole number of 0 or more, found something else",
        ),
        (json!([]), "body: expected a JSON object, found an array"),
    ] {
        assert_eq!(setting.scim("POST", "/Bulk", Some(&body)).expect(400).text("/detail"), detail);
    }
    setting.scim("GET", "/Bulk", None).expect(405);
}

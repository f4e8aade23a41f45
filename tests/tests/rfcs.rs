//! Sentences of RFC 7643, 7644 and 9865 that no transcript is about.

use acceptance::life::Tenant;
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A tenant whose provider keeps to the RFCs, with groups.
struct Setting {
    server: Native,
    tenant: Tenant,
}

impl Setting {
    fn new() -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        let strict = json!({"groups": true, "identityProvider": "generic", "strict": true});
        tenant.admin(&mut server, "PATCH", "/connection", Some(&strict)).expect(200);
        Setting { server, tenant }
    }

    fn get(&mut self, path: &str) -> Value {
        self.tenant.scim(&mut self.server, "GET", path, None).expect(200).body
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.tenant.scim(&mut self.server, "POST", path, Some(body)).expect(201).body
    }

    /// Follows a URL, which has to be below the tenant's.
    fn follow(&mut self, url: &Value) -> Value {
        let below = format!("/scim/v2/{}", self.tenant.id);
        let (_, path) = url.as_str().unwrap().split_once(&below).unwrap();
        self.get(path)
    }
}

/// RFC 7643 §2.3.4.
#[test]
fn a_whole_number_has_no_fraction() {
    let mut setting = Setting::new();
    let urn = "urn:example:params:scim:staff:1.0:User";
    let schema = json!({"attributes": [{"name": "floor", "type": "integer"}]});
    setting.tenant.admin(&mut setting.server, "PUT", &format!("/schemas/{urn}"), Some(&schema)).expect(201);
    let user = |name: &str, floor: Value| json!({"schemas": [USER, urn], "userName": name, urn: {"floor": floor}});
    assert_eq!(setting.post("/Users", &user("whole", json!(7)))[urn]["floor"], 7);
    let refused =
        setting.tenant.scim(&mut setting.server, "POST", "/Users", Some(&user("half", json!(1.5)))).expect(400);
    assert_eq!(refused.text("/scimType"), "invalidValue");
}

/// RFC 7643 §2.3.7.
#[test]
fn what_a_reference_of_ours_points_to_is_there() {
    let mut setting = Setting::new();
    let user = setting.post("/Users", &json!({"schemas": [USER], "userName": "alice"}));
    let members = json!([{"value": user["id"]}]);
    let group = setting.post("/Groups", &json!({"schemas": [GROUP], "displayName": "Sales", "members": members}));
    assert_eq!(setting.follow(&group["members"][0]["$ref"])["id"], user["id"]);
    let user = setting.get(&format!("/Users/{}", user["id"].as_str().unwrap()));
    assert_eq!(setting.follow(&user["groups"][0]["$ref"])["id"], group["id"]);
    assert_eq!(setting.follow(&user["meta"]["location"]), user);
}

/// RFC 7643 §2.3.8 and §3.
#[test]
fn neither_attributes_nor_schemas_have_an_order_that_matters() {
    let mut setting = Setting::new();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let (name, parts) = (json!("alice"), json!({"department": "Sales"}));
    let one = json!({"schemas": [USER, enterprise], "userName": name, "title": "Boss", enterprise: parts});
    let other = json!({enterprise: parts, "title": "Boss", "userName": "bob", "schemas": [enterprise, USER]});
    let (one, other) = (setting.post("/Users", &one), setting.post("/Users", &other));
    for attribute in ["schemas", "title", enterprise] {
        assert_eq!(one[attribute], other[attribute]);
    }
}

/// RFC 7643 §3.1.
#[test]
fn an_id_is_not_given_again_and_is_no_bulk_id() {
    let mut setting = Setting::new();
    let body = json!({"schemas": [USER], "userName": "alice"});
    let first = setting.post("/Users", &body)["id"].as_str().unwrap().to_owned();
    setting.tenant.scim(&mut setting.server, "DELETE", &format!("/Users/{first}"), None).expect(204);
    let second = setting.post("/Users", &body)["id"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert!([first, second].iter().all(|id| !id.contains("bulkId")));
}

/// RFC 7643 §3.1.
#[test]
fn an_external_id_is_the_clients_alone() {
    let mut setting = Setting::new();
    let without = setting.post("/Users", &json!({"schemas": [USER], "userName": "alice"}));
    assert_eq!(without.get("externalId"), None);
    let with = setting.post("/Users", &json!({"schemas": [USER], "userName": "bob", "externalId": "B-1"}));
    assert_eq!(with["externalId"], "B-1");
    // Another tenant of this name knows nothing of it.
    let other = Tenant::connect(&mut setting.server);
    let found = other.scim(&mut setting.server, "GET", "/Users?filter=externalId+eq+%22B-1%22", None).expect(200);
    assert_eq!(found.body["totalResults"], 0);
}

/// RFC 7644 §3.8.
#[test]
fn both_media_types_are_answered_in_scims() {
    let mut setting = Setting::new();
    for accepted in ["application/scim+json", "application/json", "application/scim+json;charset=utf-8, */*"] {
        let mut request = setting.tenant.request("GET", "/Users", None);
        request.headers_mut().insert("accept", accepted.parse().unwrap());
        let answer = setting.server.answer(request);
        assert_eq!(answer.status(), 200, "{accepted}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/scim+json"), "{accepted}");
        assert!(std::str::from_utf8(answer.body()).is_ok());
    }
}

/// RFC 7644 §4.
#[test]
fn discovery_has_no_order_and_no_pages() {
    let mut setting = Setting::new();
    for path in ["/Schemas", "/ResourceTypes"] {
        let whole = setting.get(path);
        for query in ["sortBy=id&sortOrder=descending", "startIndex=2&count=1", "attributes=id"] {
            assert_eq!(setting.get(&format!("{path}?{query}")), whole, "{path}?{query}");
        }
    }
    let config = setting.get("/ServiceProviderConfig");
    assert_eq!(setting.get("/ServiceProviderConfig?startIndex=7&sortBy=id"), config);
}

/// RFC 9865 §2.
#[test]
fn a_cursor_stands_in_a_url_as_it_is() {
    let mut setting = Setting::new();
    for name in ["a", "b", "c"] {
        setting.post("/Users", &json!({"schemas": [USER], "userName": name}));
    }
    let page = setting.get("/Users?cursor&count=1");
    let cursor = page["nextCursor"].as_str().unwrap();
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{cursor}");
    assert_eq!(setting.get(&format!("/Users?cursor={cursor}&count=1"))["Resources"][0]["userName"], "b");
}

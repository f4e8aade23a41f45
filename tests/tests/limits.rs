//! Every limit: what is at it passes, what is one above is refused with a detail that names it. On a real Redis, too, since
//! what is at a limit has to be stored.

use acceptance::life::{self, Reply, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::Backend;
use acceptance::world::World;
use rollcall_core::ports::Store as _;
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::collections::BTreeMap;

struct Setting {
    server: Native,
    tenant: Tenant,
    names: usize,
}

impl Setting {
    /// One on each store.
    fn each() -> impl Iterator<Item = Setting> {
        Setting::each_with(BTreeMap::new())
    }

    fn each_with(variables: BTreeMap<String, String>) -> impl Iterator<Item = Setting> {
        Backend::default_and_real().into_iter().map(move |backend| Setting::on(backend, &variables))
    }

    fn on(backend: Backend, variables: &BTreeMap<String, String>) -> Setting {
        let mut server = Native::within(&World::on(backend, variables));
        let tenant = Tenant::connect(&mut server);
        Setting { server, tenant, names: 0 }
    }

    fn scim(&mut self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.tenant.scim(&mut self.server, method, path, body)
    }

    /// POST of a user with these attributes and a name that nobody has.
    fn create(&mut self, attributes: Value) -> Reply {
        self.names += 1;
        let mut body = json!({"userName": format!("user{}", self.names)});
        body.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        self.scim("POST", "/Users", Some(&body))
    }

    /// POST of a user with an attribute that nobody knows.
    fn create_with(&mut self, unknown: &str) -> Reply {
        self.names += 1;
        let body = format!("{{\"userName\":\"user{}\",\"x\":{unknown}}}", self.names);
        let request = self.tenant.request("POST", "/Users", Some(&Value::Null)).map(|_| body.into_bytes());
        Reply::of(self.server.answer(request))
    }

    fn patch(&mut self, operations: &Value) -> Reply {
        let id = self.create(json!({})).expect(201).text("/id");
        self.tenant.patch(&mut self.server, &id, operations)
    }

    fn filter(&mut self, filter: &str) -> Reply {
        let filter = filter.replace(' ', "+").replace('"', "%22");
        self.scim("GET", &format!("/Users?filter={filter}"), None)
    }

    fn admin(&mut self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.tenant.admin(&mut self.server, method, path, body)
    }
}

#[track_caller]
fn refused(reply: Reply, status: u16, scim_type: Option<&str>, detail: &str) {
    let reply = reply.expect(status);
    assert_eq!(reply.body.get("scimType").and_then(Value::as_str), scim_type, "{}", reply.body);
    // Behind it, the provider's admin is told where the value is mapped.
    assert_eq!(reply.text("/detail").split(". In Entra, ").next(), Some(detail));
}

#[test]
fn the_body() {
    for mut setting in Setting::each() {
        let mut send = |len: usize| {
            let mut request = setting.tenant.request("POST", "/Users", Some(&json!({"userName": "a"})));
            request.body_mut().resize(len, b' ');
            setting.server.answer(request).status().as_u16()
        };
        assert_eq!([send(LIMITS.body_bytes_max), send(LIMITS.body_bytes_max + 1)], [201, 413]);
    }
}

#[test]
fn the_length_of_a_filter() {
    for mut setting in Setting::each() {
        let filter = |len: usize| format!("title eq \"{}\"", "x".repeat(len - "title eq \"\"".len()));
        setting.filter(&filter(LIMITS.filter_bytes_max)).expect(200);
        let above = setting.filter(&filter(LIMITS.filter_bytes_max + 1));
        refused(above, 400, Some("invalidFilter"), "filter: expected at most 8192 bytes, found 8193");
    }
}

#[test]
fn the_depth_of_a_filter() {
    for mut setting in Setting::each() {
        let nested = |open: &str, depth: usize| format!("{}title pr{}", open.repeat(depth), ")".repeat(depth));
        for open in ["(", "not ("] {
            setting.filter(&nested(open, LIMITS.filter_depth_max)).expect(200);
            let above = setting.filter(&nested(open, LIMITS.filter_depth_max + 1)).expect(400);
            assert_eq!(above.text("/scimType"), "invalidFilter");
            assert!(above.text("/detail").contains("at most 32"), "{}", above.body);
        }
    }
}

#[test]
fn the_terms_of_a_filter() {
    for mut setting in Setting::each() {
        let terms = |count: usize| vec!["title pr"; count].join(" or ");
        setting.filter(&terms(LIMITS.filter_terms_max)).expect(200);
        let above = setting.filter(&terms(LIMITS.filter_terms_max + 1)).expect(400);
        assert_eq!(above.text("/scimType"), "invalidFilter");
        assert!(above.text("/detail").contains("at most 100"), "{}", above.body);
    }
}

#[test]
fn the_length_of_a_path() {
    for mut setting in Setting::each() {
        let path = |len: usize| {
            let around = "emails[value eq \"\"].type";
            format!("emails[value eq \"{}\"].type", "x".repeat(len - around.len()))
        };
        let patch = |path: String| json!([{"op": "Replace", "path": path, "value": "work"}]);
        setting.patch(&patch(path(LIMITS.path_bytes_max))).expect(200);
        let above = setting.patch(&patch(path(LIMITS.path_bytes_max + 1)));
        refused(above, 400, Some("invalidPath"), "Operations[0].path: expected at most 2048 bytes, found 2049");
    }
}

#[test]
fn the_operations_of_a_patch() {
    for mut setting in Setting::each() {
        let patch =
            |count: usize| Value::Array(vec![json!({"op": "Replace", "path": "title", "value": "Clerk"}); count]);
        setting.patch(&patch(LIMITS.patch_operations_max)).expect(200);
        let above = setting.patch(&patch(LIMITS.patch_operations_max + 1)).expect(400);
        assert!(above.text("/detail").contains("at most 1000"), "{}", above.body);
    }
}

#[test]
fn the_names_of_attributes() {
    for mut setting in Setting::each() {
        let id = setting.create(json!({})).expect(201).text("/id");
        for parameter in ["attributes", "excludedAttributes"] {
            for place in ["/Users".to_owned(), format!("/Users/{id}")] {
                let mut read = |count: usize| {
                    let names = vec!["title"; count].join(",");
                    setting.scim("GET", &format!("{place}?{parameter}={names}"), None)
                };
                read(LIMITS.attributes_max).expect(200);
                let detail = format!("{parameter}: expected at most 1000 names, found 1001");
                refused(read(LIMITS.attributes_max + 1), 400, Some("invalidValue"), &detail);
            }
        }
    }
}

#[test]
fn the_length_of_a_value() {
    for mut setting in Setting::each() {
        let text = |len: usize| "x".repeat(len);
        setting.create(json!({"title": text(LIMITS.value_bytes_max)})).expect(201);
        let above = setting.create(json!({"title": text(LIMITS.value_bytes_max + 1)}));
        refused(above, 400, Some("invalidValue"), "title: expected at most 65536 bytes, found 65537");
        let patch = |len: usize| json!([{"op": "Add", "path": "name.familyName", "value": text(len)}]);
        setting.patch(&patch(LIMITS.value_bytes_max)).expect(200);
        let above = setting.patch(&patch(LIMITS.value_bytes_max + 1)).expect(400);
        assert!(above.text("/detail").contains("at most 65536 bytes"), "{}", above.body);
    }
}

#[test]
fn the_values_of_an_attribute() {
    for mut setting in Setting::each() {
        let mails = |count: usize| (0..count).map(|n| json!({"value": format!("{n}@b.c")})).collect::<Value>();
        setting.create(json!({"emails": mails(LIMITS.values_max)})).expect(201);
        let above = setting.create(json!({"emails": mails(LIMITS.values_max + 1)})).expect(400);
        assert!(above.text("/detail").contains("at most 1000"), "{}", above.body);
        // One at a time comes to the same.
        let id = setting.create(json!({"emails": mails(LIMITS.values_max)})).expect(201).text("/id");
        let one_more = json!([{"op": "Add", "path": "emails", "value": [{"value": "more@b.c"}]}]);
        let above = setting.tenant.patch(&mut setting.server, &id, &one_more).expect(400);
        assert!(above.text("/detail").contains("at most 1000"), "{}", above.body);
    }
}

#[test]
fn a_whole_user() {
    for mut setting in Setting::each() {
        let full = "x".repeat(LIMITS.value_bytes_max);
        let user =
            |last: usize| json!({"title": full, "nickName": full, "displayName": full, "userType": "x".repeat(last)});
        // What else a user has is below 1 KiB, so the limit lies between these two.
        let (mut fits, mut too_large) = (LIMITS.value_bytes_max - 1_024, LIMITS.value_bytes_max);
        setting.create(user(fits)).expect(201);
        setting.create(user(too_large)).expect(400);
        while too_large - fits > 1 {
            let middle = fits + (too_large - fits) / 2;
            match setting.create(user(middle)).status {
                201 => fits = middle,
                _ => too_large = middle,
            }
        }
        let at = setting.create(user(fits)).expect(201).text("/id");
        let above = setting.create(user(fits + 1)).expect(400);
        assert!(above.text("/detail").contains("at most 262144 bytes"), "{}", above.body);
        // A PATCH cannot get around it.
        let longer = json!([{"op": "Add", "path": "locale", "value": "x".repeat(64)}]);
        let above = setting.tenant.patch(&mut setting.server, &at, &longer).expect(400);
        assert!(above.text("/detail").contains("at most 262144 bytes"), "{}", above.body);
    }
}

#[test]
fn a_user_name() {
    for mut setting in Setting::each() {
        let name = |len: usize| json!({"userName": "x".repeat(len)});
        setting.create(name(LIMITS.user_name_bytes_max)).expect(201);
        let above = setting.create(name(LIMITS.user_name_bytes_max + 1));
        refused(above, 400, Some("invalidValue"), "userName: expected at most 512 bytes, found 513");
        let rename =
            json!([{"op": "Replace", "path": "userName", "value": "y".repeat(LIMITS.user_name_bytes_max + 1)}]);
        let above = setting.patch(&rename).expect(400);
        assert!(above.text("/detail").contains("at most 512 bytes"), "{}", above.body);
    }
}

#[test]
fn the_depth_of_a_body() {
    for mut setting in Setting::each() {
        let max = LIMITS.body_depth_max;
        // The body itself is one level.
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(setting.create_with(&nested(max)).status, 201);
        let detail = format!("body: expected at most {max} levels, found more");
        for levels in [max + 1, 10_000] {
            refused(setting.create_with(&nested(levels)), 400, Some("invalidSyntax"), &detail);
        }
    }
}

#[test]
fn the_values_of_a_body() {
    for mut setting in Setting::each() {
        let max = LIMITS.body_values_max;
        // The body, the name of the user and the array are three.
        let values = |count: usize| format!("[{}]", vec!["0"; count - 3].join(","));
        assert_eq!(setting.create_with(&values(max)).status, 201);
        let detail = format!("body: expected at most {max} values in all, found more");
        refused(setting.create_with(&values(max + 1)), 413, None, &detail);
    }
}

#[test]
fn the_names_of_an_object() {
    for mut setting in Setting::each() {
        let max = LIMITS.body_names_max;
        let names = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", names.join(","))
        };
        assert_eq!(setting.create_with(&names(max)).status, 201);
        let detail = format!("body: expected at most {max} names in one object, found more");
        refused(setting.create_with(&names(max + 1)), 400, Some("invalidSyntax"), &detail);
    }
}

#[test]
fn a_page_of_users() {
    for mut setting in Setting::each() {
        for n in 0..=LIMITS.page_max {
            setting.create(json!({"displayName": n.to_string()})).expect(201);
        }
        let mut items = |query: &str| {
            let page = setting.scim("GET", &format!("/Users?{query}"), None).expect(200).body;
            assert_eq!(page["totalResults"], LIMITS.page_max + 1);
            page["itemsPerPage"].as_u64().unwrap()
        };
        assert_eq!(items("count=200"), 200);
        assert_eq!(items("count=201"), 200);
        assert_eq!(items("count=99999999999999999999999"), 200);
        assert_eq!(items(""), 100);
        let users = |setting: &mut Setting, query: &str| {
            setting.admin("GET", &format!("/users?{query}"), None).expect(200).body["users"].as_array().unwrap().len()
        };
        assert_eq!(users(&mut setting, "count=200"), 200);
        assert_eq!(users(&mut setting, "count=201"), 200);
        assert_eq!(users(&mut setting, ""), 100);
    }
}

#[test]
fn a_filter_without_an_index_over_many_users() {
    for mut setting in Setting::each() {
        for _ in 0..LIMITS.scan_max {
            setting.create(json!({})).expect(201);
        }
        setting.filter("title pr").expect(200);
        setting.admin("GET", "/users?search=user77", None).expect(200);
        setting.create(json!({})).expect(201);
        let (users, index) = ("would have to read more than 10000 users", "userName, externalId, id or emails.value");
        let above = setting.filter("title pr");
        refused(above, 400, Some("tooMany"), &format!("filter: {users}; compare {index} with eq, or page by cursor"));
        for cursor in ["", "&cursor="] {
            let above = setting.scim("GET", &format!("/Users?sortBy=title{cursor}"), None);
            let advice = format!("leave it out, or compare {index} with eq in a filter");
            refused(above, 400, Some("tooMany"), &format!("sortBy: {users}; {advice}"));
        }
        setting.scim("GET", "/Users?filter=title+pr&cursor=", None).expect(200);
        setting.scim("GET", "/Users?filter=userName+eq+%22user77%22&sortBy=title", None).expect(200);
        assert_eq!(setting.admin("GET", "/users?search=user77", None).expect(400).text("/error/code"), "tooMany");
        // What has an index costs the same as ever.
        setting.filter("userName eq \"user77\"").expect(200);
    }
}

#[test]
fn a_filtered_page_of_the_journal() {
    for mut setting in Setting::each_with(BTreeMap::from([("journal_capacity".to_owned(), "3000".to_owned())])) {
        setting.create(json!({})).expect(201);
        for _ in 1..LIMITS.journal_scan_max {
            setting.server.rollcall.handle(setting.tenant.request("GET", "/Users?count=0", None));
            setting.server.look();
        }
        let page = |setting: &mut Setting| setting.admin("GET", "/requests?kind=change", None).expect(200).body;
        let whole = page(&mut setting);
        assert_eq!((whole["requests"].as_array().map(Vec::len), &whole["next"]), (Some(1), &Value::Null));
        setting.scim("GET", "/Users?count=0", None).expect(200);
        // The record lies one beyond what one page looks at, so the page is empty and says where to go on.
        let cut = page(&mut setting);
        assert_eq!((cut["requests"].as_array().map(Vec::len), &cut["next"]), (Some(0), &json!(2)));
    }
}

#[test]
fn users_deleted_at_once() {
    for mut setting in Setting::each() {
        for _ in 0..=LIMITS.users_deleted_at_once {
            setting.create(json!({})).expect(201);
        }
        setting.admin("DELETE", "/connection", None).expect(204);
        let confirm = json!({"confirm": "Contoso"});
        let mut delete = || setting.admin("DELETE", "/users", Some(&confirm)).expect(200).body;
        assert_eq!(delete(), json!({"deleted": 50, "remaining": 1}));
        assert_eq!(delete(), json!({"deleted": 1, "remaining": 0}));
    }
}

#[test]
fn tenants_in_a_page_and_in_all() {
    for mut setting in Setting::each() {
        let tenant = json!({"name": "Another"});
        for _ in 0..LIMITS.tenants_page_max {
            life::admin(&mut setting.server, "POST", "/tenants", Some(&tenant)).expect(201);
        }
        let mut page = |query: &str| {
            let page = life::admin(&mut setting.server, "GET", &format!("/tenants?{query}"), None).expect(200).body;
            assert_eq!(page["totalResults"], LIMITS.tenants_page_max + 1);
            page["tenants"].as_array().unwrap().len()
        };
        assert_eq!([page("count=1000"), page("count=1001"), page("")], [1_000; 3]);

        // A registry that counts one less than it may.
        let store = &setting.server.world.store;
        let mut head: Value = serde_json::from_slice(&store.get("r.head").unwrap().unwrap()).unwrap();
        head["members"] = json!(LIMITS.tenants_max - 1);
        let counts = json!([LIMITS.tenants_max - 1]).to_string().into_bytes();
        let head = head.to_string().into_bytes();
        store.set_many(&[("r.head".to_owned(), head), ("r.l3.0".to_owned(), counts)]).unwrap();
        life::admin(&mut setting.server, "POST", "/tenants", Some(&tenant)).expect(201);
        let above = life::admin(&mut setting.server, "POST", "/tenants", Some(&tenant)).expect(409);
        assert_eq!(above.text("/error/code"), "too_many_tenants");
    }
}

#[test]
fn schemas_of_a_tenants_own() {
    for mut setting in Setting::each() {
        let schema = json!({"attributes": [{"name": "a"}]});
        let mut put = |n: usize| setting.admin("PUT", &format!("/schemas/urn:example:x{n}"), Some(&schema));
        for n in 0..LIMITS.schemas_max {
            put(n).expect(201);
        }
        assert_eq!(put(LIMITS.schemas_max).expect(409).text("/error/message"), "schemas: expected at most 10");
        put(0).expect(200);
        setting.admin("DELETE", "/schemas/urn:example:x0", None).expect(200);
        setting.admin("PUT", "/schemas/urn:example:y", Some(&schema)).expect(201);
    }
}

//! Requests that are made to cost much: in memory, in reads, in comparisons. What each of them takes is counted: the heap
//! by an allocator that counts for each thread, the reads by the store, the work by the budget that a request has.

// An allocator is unsafe by its interface; this one hands everything on to the system's.
#![allow(unsafe_code)]

use acceptance::crowd;
use acceptance::life::{self, Reply, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::Verb;
use acceptance::world::World;
use http::Request;
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        PEAK.try_with(|peak| peak.set(peak.get().max(live.get())))
    });
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call is handed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // As if the old one stood beside the new one while it is copied.
        count(size(new));
        count(-size(layout.size()));
        unsafe { System.realloc(pointer, layout, new) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How far the heap of this thread grows at most while something is done.
fn peak<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let done = act();
    (done, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

const MIB: usize = 1024 * 1024;

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

    fn request(&self, method: &str, path: &str, body: &str) -> Request<Vec<u8>> {
        let request = self.tenant.request(method, path, Some(&Value::Null));
        request.map(|_| body.as_bytes().to_vec())
    }

    fn filter(&mut self, filter: &str) -> Reply {
        let filter = filter.replace(' ', "+").replace('"', "%22");
        self.scim("GET", &format!("/Users?filter={filter}"), None)
    }
}

/// As often as fits into a body of the largest size, behind `front` and before `back`.
fn filled(front: &str, part: &str, back: &str) -> String {
    let count = (LIMITS.body_bytes_max - front.len() - back.len()) / part.len();
    [front, part.repeat(count).trim_end_matches(','), back].concat()
}

#[test]
fn a_body_of_a_megabyte_takes_no_more_than_a_few_whatever_its_shape() {
    let mut setting = Setting::new();
    let shapes = [
        ("levels of arrays", filled("", "[", ""), 400),
        ("levels of objects", filled("", "{\"a\":", ""), 400),
        ("levels within a name", filled("{\"userName\":\"a\",\"x\":", "[", ""), 400),
        ("empty arrays", filled("{\"x\":[", "[],", "]}"), 413),
        ("arrays of one", filled("{\"x\":[", "[1],", "]}"), 413),
        ("empty objects", filled("{\"x\":[", "{},", "]}"), 413),
        ("objects of one name", filled("{\"x\":[", "{\"a\":1},", "]}"), 413),
        ("numbers", filled("[", "1,", "]"), 413),
        ("one name again and again", filled("{", "\"a\":1,", "}"), 400),
    ];
    for (what, body, status) in shapes {
        for (method, path) in [("POST", "/Users"), ("POST", "/Bulk"), ("POST", "/Users/.search"), ("PATCH", "/Users/x")]
        {
            let request = setting.request(method, path, &body);
            let (reply, grown) = peak(|| Reply::of(setting.server.answer(request)));
            assert!(grown < 2 * MIB, "{what}, {method} {path}: {grown} bytes");
            assert_eq!(reply.status, status, "{what}, {method} {path}: {}", reply.body);
            assert!(reply.text("/detail").starts_with("body: expected at most "), "{what}: {}", reply.body);
        }
    }
}

#[test]
fn the_admin_api_reads_bodies_within_the_same_bounds() {
    let mut setting = Setting::new();
    let path = format!("/admin/api/v1/tenants/{}/schemas/urn:example:x", setting.tenant.id);
    for body in [filled("", "[", ""), filled("{\"x\":[", "{},", "]}"), filled("{", "\"a\":1,", "}")] {
        let admin = Tenant { token: acceptance::world::ADMIN_SECRET.to_owned(), ..setting.tenant.clone() };
        let mut request = admin.request("PUT", "", Some(&Value::Null)).map(|_| body.into_bytes());
        *request.uri_mut() = path.parse().unwrap();
        let (reply, grown) = peak(|| Reply::of(setting.server.answer(request)));
        assert!(grown < 2 * MIB, "{grown} bytes");
        assert_eq!((reply.status, reply.text("/error/code").as_str()), (400, "invalid_body"));
        assert!(reply.text("/error/message").starts_with("body: expected at most "), "{}", reply.body);
    }
}

/// What the largest bodies that are read may take, their text and their answer included: some 20 times the text.
const LARGEST_BODY_PEAK: usize = 24 * MIB;

#[test]
fn the_largest_bodies_that_are_read_take_a_named_multiple_of_their_text() {
    let mut setting = Setting::new();
    let group = setting.scim("POST", "/Groups", Some(&json!({"displayName": "Sales"}))).expect(201).text("/id");
    let values = |part: &str, count: usize| vec![part; count].join(",");
    // As many values as there may be, in the shapes that take the most.
    let most = LIMITS.body_values_max - 20;
    let ones = values("{\"a\":1}", most / 2);
    let members = values("{\"value\":\"x\"}", LIMITS.references_max);
    let patch = |operation: &str| format!("{{\"Operations\":[{operation}]}}");
    let operation = |method: &str, path: &str, data: &str| {
        format!("{{\"method\":\"{method}\",\"path\":\"{path}\",\"bulkId\":\"a\",\"data\":{data}}}")
    };
    let bulk = |operations: &str| {
        format!("{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:BulkRequest\"],\"Operations\":[{operations}]}}")
    };
    let unknown = format!("{{\"userName\":\"a\",\"x\":[{ones}]}}");
    let title = patch(&format!("{{\"op\":\"add\",\"path\":\"title\",\"value\":[{ones}]}}"));
    let add = patch(&format!("{{\"op\":\"add\",\"path\":\"members\",\"value\":[{members}]}}"));
    let refers = format!("{{\"displayName\":\"a\",\"members\":[{{\"value\":\"bulkId:a\"}},{members}]}}");
    let many = vec![operation("POST", "/Users", &format!("{{\"x\":[{}]}}", values("{\"a\":1}", most / 400 - 3))); 190]
        .join(",");
    let requests = [
        ("a user with what nobody knows", "POST", "/Users".to_owned(), unknown.clone()),
        ("a value that is none", "PATCH", "/Users/x".to_owned(), title.clone()),
        ("members", "PATCH", format!("/Groups/{group}"), add.clone()),
        ("bulk: a user", "POST", "/Bulk".to_owned(), bulk(&operation("POST", "/Users", &unknown))),
        ("bulk: a value", "POST", "/Bulk".to_owned(), bulk(&operation("PATCH", "/Users/x", &title))),
        ("bulk: members", "POST", "/Bulk".to_owned(), bulk(&operation("PATCH", &format!("/Groups/{group}"), &add))),
        ("bulk: references", "POST", "/Bulk".to_owned(), bulk(&operation("POST", "/Groups", &refers))),
        ("bulk: many", "POST", "/Bulk".to_owned(), bulk(&many)),
    ];
    for (what, method, path, body) in requests {
        assert!(body.len() <= LIMITS.body_bytes_max, "{what}: {}", body.len());
        let request = setting.request(method, &path, &body);
        let (reply, grown) = peak(|| Reply::of(setting.server.answer(request)));
        println!("{what}: {} bytes of text, {grown} at most, {}", body.len(), reply.status);
        assert_ne!(reply.status, 413, "{what}: {}", reply.body);
        assert!(grown < LARGEST_BODY_PEAK, "{what}: {grown} bytes for {}", body.len());
    }
}

#[test]
fn a_body_is_wanted_of_a_change_with_a_valid_token_or_secret_and_of_nothing_else() {
    let setting = Setting::new();
    let tenant = &setting.tenant;
    let wanted = |token: &str, method: &str, path: &str| {
        let request = Tenant { token: token.to_owned(), ..tenant.clone() }.request(method, path, None);
        setting.server.rollcall.preflight(&request.into_parts().0).body_bytes_max()
    };
    let whole = LIMITS.body_bytes_max;
    for (method, path, max) in [
        ("POST", "/Users", whole),
        ("PUT", "/Users/1", whole),
        ("PATCH", "/Groups/1", whole),
        ("POST", "/Bulk", whole),
        ("POST", "/Users/.search", whole),
        ("GET", "/Users", 0),
        ("HEAD", "/Users", 0),
        ("DELETE", "/Users/1", 0),
        ("POST", "/Users/1", 0),
        ("POST", "/Nothing", 0),
        ("TRACE", "/Users", 0),
        ("POST", "/Schemas", 0),
    ] {
        assert_eq!(wanted(&tenant.token, method, path), max, "{method} {path}");
        for stranger in ["", "wrong", acceptance::world::ADMIN_SECRET] {
            assert_eq!(wanted(stranger, method, path), 0, "{method} {path}");
        }
    }
    let admin = |secret: &str, method: &str, path: &str| {
        let mut head = Tenant { token: secret.to_owned(), ..tenant.clone() }.request(method, "", None).into_parts().0;
        head.uri = path.parse().unwrap();
        setting.server.rollcall.preflight(&head).body_bytes_max()
    };
    let of_tenant = |rest: &str| format!("/admin/api/v1/tenants/{}{rest}", tenant.id);
    for (method, path, right, wrong) in [
        ("POST", "/admin/api/v1/tenants".to_owned(), whole, 0),
        ("PUT", of_tenant("/schemas/urn:x:y"), whole, 0),
        ("DELETE", of_tenant("/users"), whole, 0),
        ("GET", of_tenant("/users"), 0, 0),
        ("PUT", of_tenant("/users"), 0, 0),
        ("POST", of_tenant("/nothing"), 0, 0),
        ("POST", "/admin/api/v1/session".to_owned(), LIMITS.session_body_bytes_max, LIMITS.session_body_bytes_max),
        ("GET", "/admin/api/v1/session".to_owned(), 0, 0),
        ("POST", "/openapi.json".to_owned(), 0, 0),
        ("POST", "/".to_owned(), 0, 0),
        ("POST", "/a/b/c".to_owned(), 0, 0),
        ("POST", "/scim/v2/nobody/Users".to_owned(), 0, 0),
    ] {
        assert_eq!(admin(acceptance::world::ADMIN_SECRET, method, &path), right, "{method} {path}");
        assert_eq!(admin("wrong", method, &path), wrong, "{method} {path}");
    }
}

#[test]
fn a_sign_in_has_four_kibibytes() {
    let mut setting = Setting::new();
    let mut send = |bytes: usize| {
        let front = format!("{{\"secret\":\"{}\"}}", acceptance::world::ADMIN_SECRET);
        let body = format!("{front}{}", " ".repeat(bytes - front.len()));
        let request = Request::builder().method("POST").uri("/admin/api/v1/session").header("host", "scim.example.com");
        setting.server.answer(request.body(body.into_bytes()).unwrap()).status().as_u16()
    };
    let max = LIMITS.session_body_bytes_max;
    assert_eq!([send(max), send(max + 1)], [204, 413]);
}

#[test]
fn looking_at_the_head_first_reads_nothing_twice() {
    let mut setting = Setting::new();
    let stranger = Tenant { token: "wrong".to_owned(), ..setting.tenant.clone() };
    let reads = |setting: &mut Setting, tenant: &Tenant| {
        setting.server.world.store.forget_calls();
        let request = tenant.request("PATCH", "/Users/nobody", Some(&life::patch(&json!([]))));
        setting.server.rollcall.handle(request);
        let calls = setting.server.world.store.calls();
        let of = |part: &str| calls.iter().filter(|call| call.keys.iter().any(|key| key.contains(part))).count();
        (of(".connection"), calls.iter().filter(|call| call.verb == Verb::Get).count())
    };
    let own = setting.tenant.clone();
    // Forget what the instance remembers of the connection.
    setting.server.world.time.pass(rollcall_core::connection::cache::FRESH);
    assert_eq!(reads(&mut setting, &own).0, 1);
    assert_eq!(reads(&mut setting, &own).0, 0);
    // The connection, and whether there is such a tenant and nothing is restored into it.
    let (connection, all) = reads(&mut setting, &stranger);
    assert_eq!(connection, 1);
    assert!(all <= 2, "{all}");
}

#[test]
fn a_refusal_for_the_token_is_recorded_without_the_body() {
    let mut setting = Setting::new();
    let user = life::user("alice@contoso.com");
    for token in ["wrong", ""] {
        let stranger = Tenant { token: token.to_owned(), ..setting.tenant.clone() };
        stranger.scim(&mut setting.server, "POST", "/Users", Some(&user)).expect(401);
    }
    setting.scim("POST", "/Nothing", Some(&user)).expect(404);
    setting.scim("POST", "/Users", Some(&user)).expect(201);
    let tenant = setting.tenant.clone();
    let kept: Vec<bool> = tenant
        .journal(&mut setting.server)
        .iter()
        .map(|row| {
            let path = format!("/requests/{}", row["number"]);
            tenant
                .admin(&mut setting.server, "GET", &path, None)
                .expect(200)
                .body
                .get("requestBody")
                .is_some_and(Value::is_string)
        })
        .collect();
    assert_eq!(kept, [true, false, false, false]);
}

#[test]
fn a_list_takes_the_memory_of_its_page_however_large_the_resources_are() {
    let mut setting = Setting::new();
    let photo = format!("data:image/jpeg;base64,{}", "A".repeat(60_000));
    let users = 500;
    for n in 0..users {
        let user = json!({"userName": format!("user{n}"), "title": format!("{}", n % 7), "photos": [{"value": photo}]});
        setting.scim("POST", "/Users", Some(&user)).expect(201);
    }
    let lists = [
        ("/Users?filter=nickName+pr", 0),
        ("/Users?filter=title+pr&count=3", users),
        ("/Users?filter=photos+pr&startIndex=490&count=3", users),
        ("/Users?sortBy=userName&count=3", users),
        ("/Users?sortBy=photos.value&sortOrder=descending&count=3", users),
        ("/Users?filter=title+eq+%223%22&sortBy=userName&startIndex=5&count=3", 71),
        ("/Users?sortBy=userName&count=3&cursor", users),
        ("/Users?filter=title+eq+%223%22&count=3&cursor", 3),
    ];
    for (path, total) in lists {
        let request = setting.tenant.request("GET", path, None);
        let (reply, grown) = peak(|| Reply::of(setting.server.answer(request)));
        println!("{path}: {grown}");
        assert!(grown < 2 * MIB, "{path}: {grown} bytes");
        let found = reply.expect(200).body;
        if path.ends_with("cursor") && found.get("totalResults").is_none() {
            assert_eq!(found["Resources"].as_array().map(Vec::len), Some(total));
        } else {
            assert_eq!(found["totalResults"], total, "{path}");
        }
    }
    let tenant = setting.tenant.clone();
    let (reply, grown) = peak(|| tenant.admin(&mut setting.server, "GET", "/users?search=user&count=3", None));
    assert!(grown < 2 * MIB, "{grown} bytes");
    assert_eq!(reply.expect(200).body["totalResults"], users);
}

#[test]
fn a_sorted_page_is_the_same_as_all_in_order() {
    let mut setting = Setting::new();
    // Names that begin alike beyond what is sorted by follow each other as they were made.
    let long = "x".repeat(LIMITS.cursor_key_bytes_max);
    let names = ["b", "A", "c", "B", &format!("{long}b"), &format!("{long}a"), "a"];
    for (n, name) in names.iter().enumerate() {
        let user = json!({"userName": format!("user{n}"), "nickName": name});
        setting.scim("POST", "/Users", Some(&user)).expect(201);
    }
    let mut page = |query: &str| {
        let found = setting.scim("GET", &format!("/Users?sortBy=nickName&{query}"), None).expect(200).body;
        let names = found["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["userName"].as_str().unwrap()[4..].to_owned());
        names.collect::<String>()
    };
    let all = "1603245";
    assert_eq!(page(""), all);
    for start in 1..=7 {
        assert_eq!(page(&format!("startIndex={start}&count=2")), all[start - 1..(start + 1).min(7)]);
    }
    assert_eq!(page("filter=nickName+ne+%22c%22"), "160345");
    assert_eq!(page("filter=userName+eq+%22user4%22"), "4");
}

#[test]
fn a_filter_over_many_large_values_is_refused_when_it_has_compared_enough() {
    let mut setting = Setting::new();
    let role = "x".repeat(60_000);
    let users = 300;
    for n in 0..users {
        let user = json!({"userName": format!("user{n}"), "roles": [{"value": role}]});
        setting.scim("POST", "/Users", Some(&user)).expect(201);
    }
    let terms = |count: usize| (0..count).map(|n| format!("roles.value co \"z{n}\"")).collect::<Vec<_>>().join(" or ");
    assert_eq!(setting.filter(&terms(10)).expect(200).body["totalResults"], 0);
    let refused = |reply: Reply| {
        let reply = reply.expect(400);
        assert_eq!(reply.text("/scimType"), "tooMany");
        assert_eq!(reply.text("/detail"), "filter: expected at most 1000000 comparisons in one request, found more");
    };
    let above = terms(LIMITS.filter_terms_max);
    setting.server.world.store.forget_calls();
    refused(setting.filter(&above));
    // It ends where the budget does: 59 units a term, and 24 for each user that is read.
    let calls = setting.server.world.store.calls();
    let read: usize =
        calls.iter().filter(|call| matches!(call.verb, Verb::Get | Verb::GetMany)).map(|call| call.keys.len()).sum();
    assert!((160..200).contains(&read), "{read}");
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": above});
    refused(setting.scim("POST", "/Users/.search", Some(&search)));
    // A walk by cursor is refused nowhere: its pages end where half of the budget is spent.
    let above = above.replace(' ', "+").replace('"', "%22");
    let (mut pages, mut cursor) = (0, Some(String::new()));
    while let Some(at) = cursor {
        let page = setting.scim("GET", &format!("/Users?cursor={at}&filter={above}"), None).expect(200).body;
        assert_eq!(page["itemsPerPage"], 0);
        cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        pages += 1;
    }
    assert_eq!(pages, 4);
}

#[test]
fn the_operations_of_a_bulk_request_share_one_budget() {
    let mut setting = Setting::new();
    let emails: Vec<Value> = (0..1_000).map(|n| json!({"value": format!("{n}@b.c")})).collect();
    let user = json!({"userName": "alice", "emails": emails});
    let id = setting.scim("POST", "/Users", Some(&user)).expect(201).text("/id");
    let filter = json!({"op": "remove", "path": "emails[value eq \"nobody\"]"});
    let patch = |filters: usize| {
        let data = life::patch(&json!(vec![filter.clone(); filters]));
        json!({"method": "PATCH", "path": format!("/Users/{id}"), "data": data})
    };
    let bulk = |operations: Vec<Value>| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
    // Each alone is far below the budget; the last ones find nothing left of it.
    let outcomes = setting.scim("POST", "/Bulk", Some(&bulk(vec![patch(40); 50]))).expect(200).body;
    let outcomes = outcomes["Operations"].as_array().unwrap();
    let done = outcomes.iter().filter(|outcome| outcome["status"] == "200").count();
    assert!((20..=25).contains(&done), "{done}");
    let last = outcomes.last().unwrap();
    assert_eq!((last["status"].as_str(), last["response"]["scimType"].as_str()), (Some("400"), Some("tooMany")));
}

#[test]
fn value_filters_over_members_read_each_of_them_once() {
    let mut setting = Setting::new();
    let members = 2_000;
    let users = crowd::gather(&setting.server.world, &setting.tenant.id, members);
    let named: Vec<Value> = users.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"displayName": "Sales", "members": named});
    let id = setting.scim("POST", "/Groups", Some(&group)).expect(201).text("/id");
    let often = json!(vec![json!({"op": "remove", "path": "members[value co \"nobody\"]"}); 1_000]);
    setting.server.world.store.forget_calls();
    let request = setting.tenant.request("PATCH", &format!("/Groups/{id}"), Some(&life::patch(&often)));
    let (reply, grown) = peak(|| Reply::of(setting.server.answer(request)));
    assert_eq!(reply.expect(400).text("/scimType"), "tooMany");
    let read = setting.server.world.store.calls().iter().filter(|call| call.verb == Verb::Get).count();
    assert!(read < members + 200, "{read}");
    assert!(grown < 8 * MIB, "{grown}");
}

#[test]
fn emptying_a_group_writes_each_part_of_its_roster_once() {
    let mut setting = Setting::new();
    let members = 2_000;
    let users = crowd::gather(&setting.server.world, &setting.tenant.id, members);
    let named: Vec<Value> = users.iter().map(|id| json!({"value": id})).collect();
    let group = json!({"displayName": "Sales", "members": named});
    let id = setting.scim("POST", "/Groups", Some(&group)).expect(201).text("/id");
    setting.server.world.store.forget_calls();
    let empty = json!([{"op": "replace", "path": "members", "value": []}]);
    setting.scim("PATCH", &format!("/Groups/{id}"), Some(&life::patch(&empty))).expect(204);
    // Of each member whether there are other groups, and the leaves and nodes of the roster a few times.
    let read = setting.server.world.store.calls().iter().filter(|call| call.verb == Verb::Get).count();
    assert!(read < members + 300, "{read}");
    let tenant = rollcall_core::keys::TenantId::parse(&setting.tenant.id).unwrap();
    assert_eq!(setting.server.rollcall.check(&tenant), Ok(Vec::new()));
}

#[test]
fn a_page_of_large_resources_ends_earlier_and_nobody_is_passed_over() {
    let mut setting = Setting::new();
    let full = "x".repeat(LIMITS.value_bytes_max - 4_000);
    let users: usize = 50;
    for n in 0..users {
        let user = json!({"userName": format!("user{n:02}"), "title": full, "nickName": full, "displayName": full, "userType": full});
        setting.scim("POST", "/Users", Some(&user)).expect(201);
    }
    let fits = LIMITS.page_bytes_max / LIMITS.resource_bytes_max;
    let names = |page: &Value| {
        let resources = page["Resources"].as_array().cloned().unwrap_or_default();
        assert_eq!(page["itemsPerPage"], resources.len());
        assert!((1..=fits + 3).contains(&resources.len()), "{}", resources.len());
        resources.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<String> = (0..users).map(|n| format!("user{n:02}")).collect();
    for order in ["", "&filter=title+pr", "&sortBy=userName"] {
        let mut met = Vec::new();
        while met.len() < users {
            let path = format!("/Users?startIndex={}&count=200{order}", met.len() + 1);
            let request = setting.tenant.request("GET", &path, None);
            let (reply, grown) = peak(|| Reply::of(setting.server.answer(request)));
            // The page itself, its text while that grows, and the reply as the test reads it.
            assert!(grown < 6 * LIMITS.page_bytes_max, "{path}: {grown}");
            met.extend(names(&reply.expect(200).body));
        }
        assert_eq!(met, all, "{order}");
        let mut page = setting.scim("GET", &format!("/Users?count=200&cursor{order}"), None).expect(200).body;
        let mut met = names(&page);
        let turn = |setting: &mut Setting, page: &Value, way: &str| {
            let cursor = page.get(way)?.as_str()?.to_owned();
            Some(setting.scim("GET", &format!("/Users?count=200&cursor={cursor}{order}"), None).expect(200).body)
        };
        while let Some(next) = turn(&mut setting, &page, "nextCursor") {
            met.extend(names(&next));
            page = next;
        }
        assert_eq!(met, all, "forth{order}");
        let mut met = names(&page);
        while let Some(previous) = turn(&mut setting, &page, "previousCursor") {
            met.splice(0..0, names(&previous));
            page = previous;
        }
        assert_eq!(met, all, "back{order}");
    }
}

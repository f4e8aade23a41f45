//! Lists from the first page to the last: each resource exactly once, and each page at the cost of its size.

use acceptance::crowd;
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::store::Verb;
use acceptance::world::World;
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Resources of a page where pages shall be large.
const PAGE: usize = 200;

struct Setting {
    server: Native,
    tenant: Tenant,
}

impl Setting {
    fn new() -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        Setting { server, tenant }
    }

    fn with_users(count: usize) -> (Setting, Vec<String>) {
        let setting = Setting::new();
        let ids = crowd::gather(&setting.server.world, &setting.tenant.id, count);
        (setting, ids)
    }

    /// Users first, then groups.
    fn with_groups(users: usize, groups: usize) -> (Setting, Vec<String>) {
        let (mut setting, mut ids) = Setting::with_users(users);
        setting.tenant.admin(&mut setting.server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        for number in 0..groups {
            let group = json!({"displayName": format!("Group {number}")});
            let made = setting.tenant.scim(&mut setting.server, "POST", "/Groups", Some(&group));
            ids.push(made.expect(201).text("/id"));
        }
        (setting, ids)
    }

    fn get(&mut self, path: &str) -> life::Reply {
        self.tenant.scim(&mut self.server, "GET", path, None)
    }

    /// The page of a cursor, and how many values and bytes the store gave for it.
    fn page(&mut self, list: &str, cursor: &str) -> (Page, usize, usize) {
        self.server.world.store.forget_calls();
        let request = self.tenant.request("GET", &format!("{list}&cursor={cursor}"), None);
        let answer = self.server.rollcall.handle(request);
        let calls = self.server.world.store.calls();
        self.server.rollcall.flush();
        let rollcall_core::http::Body::Full(body) = answer.body() else { unreachable!() };
        assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(body));
        let gets: Vec<&String> =
            calls.iter().filter(|call| call.verb == Verb::Get).flat_map(|call| &call.keys).collect();
        let bytes = gets.iter().filter_map(|key| self.server.world.store.value(key)).map(|value| value.len()).sum();
        (Page::of(&serde_json::from_slice(body).unwrap()), gets.len(), bytes)
    }

    /// All pages from the first to the last.
    fn walk(&mut self, list: &str) -> Vec<Page> {
        let mut pages = vec![self.page(list, "").0];
        while let Some(cursor) = pages.last().and_then(|page| page.next.clone()) {
            pages.push(self.page(list, &cursor).0);
        }
        pages
    }

    /// All pages from this one to the first.
    fn back(&mut self, list: &str, from: &Page) -> Vec<Page> {
        let mut pages = Vec::new();
        let mut cursor = from.previous.clone();
        while let Some(previous) = cursor {
            let page = self.page(list, &previous).0;
            cursor = page.previous.clone();
            pages.push(page);
        }
        pages
    }

    #[track_caller]
    fn refused(&mut self, list: &str, cursor: &str, scim_type: &str) -> String {
        let reply = self.get(&format!("{list}&cursor={cursor}")).expect(400);
        assert_eq!(reply.text("/scimType"), scim_type, "{cursor:.80}");
        reply.text("/detail")
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Page {
    ids: Vec<String>,
    total: Option<u64>,
    next: Option<String>,
    previous: Option<String>,
}

impl Page {
    fn of(body: &Value) -> Page {
        let text = |name: &str| body.get(name).map(|value| value.as_str().unwrap().to_owned());
        let resources = body["Resources"].as_array().unwrap();
        assert_eq!(body["itemsPerPage"], resources.len());
        assert_eq!(body.get("startIndex"), None);
        Page {
            ids: resources.iter().map(|resource| resource["id"].as_str().unwrap().to_owned()).collect(),
            total: body.get("totalResults").map(|total| total.as_u64().unwrap()),
            next: text("nextCursor"),
            previous: text("previousCursor"),
        }
    }
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| page.ids.clone()).collect()
}

#[test]
fn a_hundred_thousand_users_are_walked_by_index_and_by_cursor_while_others_come_and_go() {
    let (mut setting, users) = Setting::with_users(100_000);
    by_index(&mut setting, &users);
    by_filter(&mut setting, &users);
    by_cursor(&mut setting, &users);
}

fn by_index(setting: &mut Setting, users: &[String]) {
    let mut met = Vec::new();
    for start in (1..=users.len()).step_by(PAGE) {
        setting.server.world.store.forget_calls();
        let path = format!("/Users?attributes=id&count={PAGE}&startIndex={start}");
        let page = setting.get(&path).expect(200).body;
        assert_eq!(page["totalResults"], users.len());
        met.extend(page["Resources"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        assert!(setting.server.world.store.calls().len() <= PAGE + 20, "{start}");
    }
    assert!(met == users, "each user once, in the order of their creation");
}

/// A filter that no index answers: pages that look at so many users and no more, until all were looked at.
fn by_filter(setting: &mut Setting, users: &[String]) {
    let expected: Vec<&String> =
        (0..users.len()).filter(|n| n.to_string().contains("777")).map(|n| &users[n]).collect();
    let list = "/Users?attributes=id&count=50&filter=displayName+co+%22777%22";
    let (mut cursor, mut met) = (String::new(), Vec::new());
    loop {
        let (page, gets, _) = setting.page(list, &cursor);
        assert!(page.ids.len() <= 50 && gets <= LIMITS.cursor_scan_max + 60, "{gets}");
        assert_eq!(page.total, None, "what would cost more than the page is not said");
        met.extend(page.ids);
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert!(met.iter().eq(expected), "{} met", met.len());
    // By index the same filter would have to read everything.
    assert_eq!(setting.get("/Users?filter=displayName+co+%22777%22").expect(400).text("/scimType"), "tooMany");
}

fn by_cursor(setting: &mut Setting, users: &[String]) {
    let list = format!("/Users?attributes=id&count={PAGE}");
    let mut gone = BTreeSet::new();
    let mut made = Vec::new();
    let mut met: Vec<String> = Vec::new();
    let mut cursor = String::new();
    for number in 0.. {
        let (page, gets, bytes) = setting.page(&list, &cursor);
        assert!(gets <= PAGE + 20, "{gets} values for {PAGE} users");
        assert!(bytes <= PAGE * 500 + 40_000, "{bytes} bytes for {PAGE} users");
        assert_eq!(page.total, Some((users.len() + made.len() - gone.len()) as u64));
        assert_eq!(page.previous.is_none(), number == 0);
        met.extend(page.ids);
        let Some(next) = page.next else { break };
        cursor = next;
        if number % 5 == 0 && number < 490 {
            let name = format!("new{number}@contoso.com");
            made.push(setting.tenant.create(&mut setting.server, &name).expect(201).text("/id"));
            // One that was met, the next one to be met, and one far ahead.
            for place in [number * PAGE + 7, (number + 1) * PAGE, number * PAGE + 1_900] {
                if place < users.len() && gone.insert(users[place].clone()) {
                    setting.tenant.delete(&mut setting.server, &users[place]).expect(204);
                }
            }
        }
    }
    assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), met.len(), "nobody twice");
    let throughout: Vec<&String> = users.iter().filter(|id| !gone.contains(*id)).chain(&made).collect();
    let met: Vec<&String> = met.iter().filter(|id| !gone.contains(*id)).collect();
    assert!(met == throughout, "{} met, {} there all the while", met.len(), throughout.len());
}

#[test]
fn a_walk_leads_back_over_the_same_pages() {
    let (mut setting, all) = Setting::with_groups(150, 30);
    let sorted = |setting: &mut Setting, list: &str| ids(&setting.walk(list));
    for (list, expected) in [
        ("/?count=7", all.clone()),
        ("/Users?count=7", all[..150].to_vec()),
        ("/Groups?count=7", all[150..].to_vec()),
        ("/Users?count=7&filter=displayName+pr", all[..150].to_vec()),
        ("/?count=7&filter=displayName+co+%221%22", Vec::new()),
        ("/?count=7&sortBy=displayName&sortOrder=descending", Vec::new()),
        ("/Users?count=7&sortBy=active", all[..150].to_vec()),
    ] {
        let pages = setting.walk(list);
        if expected.is_empty() {
            assert!(ids(&pages).len() > 25, "{list}");
        } else {
            assert_eq!(ids(&pages), expected, "{list}");
        }
        let mut back = setting.back(list, pages.last().unwrap());
        back.reverse();
        let ids_of = |pages: &[Page]| pages.iter().map(|page| page.ids.clone()).collect::<Vec<_>>();
        assert_eq!(ids_of(&back), ids_of(&pages[..pages.len() - 1]), "{list}");
        assert!(back[0].previous.is_none() && back.iter().all(|page| page.next.is_some()), "{list}");
    }
    let mut by_index: Vec<Value> = Vec::new();
    for start in [1, 101] {
        let path = format!("/?sortBy=displayName&count=100&startIndex={start}");
        by_index.extend(setting.get(&path).expect(200).body["Resources"].as_array().unwrap().clone());
    }
    let by_index: Vec<&str> = by_index.iter().map(|resource| resource["id"].as_str().unwrap()).collect();
    assert_eq!(sorted(&mut setting, "/?count=9&sortBy=displayName"), by_index);
}

#[test]
fn an_order_goes_on_behind_what_it_showed_though_that_is_gone() {
    let (mut setting, users) = Setting::with_users(60);
    let list = "/Users?count=10&sortBy=userName";
    let first = setting.page(list, "").0;
    for id in &first.ids[3..] {
        setting.tenant.delete(&mut setting.server, id).expect(204);
    }
    let mut met = first.ids.clone();
    let mut cursor = first.next;
    while let Some(next) = cursor {
        let page = setting.page(list, &next).0;
        met.extend(page.ids);
        cursor = page.next;
    }
    assert_eq!(met.len(), 60);
    assert_eq!(met.iter().collect::<BTreeSet<_>>(), users.iter().collect());
}

#[test]
fn texts_too_long_for_a_cursor_are_walked_all_the_same() {
    let mut setting = Setting::new();
    // Three bytes a letter, so that the cut falls into one.
    let begin = "日".repeat(60);
    for number in 0..25 {
        let user = json!({"userName": format!("{begin}{number}"), "title": format!("{begin}{number}")});
        setting.tenant.scim(&mut setting.server, "POST", "/Users", Some(&user)).expect(201);
    }
    for order in ["ascending", "descending"] {
        let list = format!("/Users?count=4&sortBy=title&sortOrder={order}");
        let pages = setting.walk(&list);
        assert_eq!(ids(&pages).iter().collect::<BTreeSet<_>>().len(), 25);
        let cursor = pages[0].next.clone().unwrap();
        assert!(cursor.len() < 1_000, "{}", cursor.len());
    }
}

#[test]
fn a_cursor_is_good_for_its_query_alone() {
    let (mut setting, _) = Setting::with_groups(20, 3);
    let list = "/Users?count=5&filter=displayName+pr&sortBy=userName&attributes=userName";
    let cursor = setting.walk(list)[0].next.clone().unwrap();
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    assert!(cursor.chars().all(unreserved), "{cursor}");
    let others = [
        "/Groups?count=5&filter=displayName+pr&sortBy=userName&attributes=userName",
        "/?count=5&filter=displayName+pr&sortBy=userName&attributes=userName",
        "/Users?count=5&filter=displayName+eq+%22User+1%22&sortBy=userName&attributes=userName",
        "/Users?count=5&sortBy=userName&attributes=userName",
        "/Users?count=5&filter=displayName+pr&sortBy=displayName&attributes=userName",
        "/Users?count=5&filter=displayName+pr&sortBy=userName&sortOrder=descending&attributes=userName",
        "/Users?count=5&filter=displayName+pr&sortBy=userName",
        "/Users?count=5&filter=displayName+pr&sortBy=userName&attributes=userName&excludedAttributes=meta",
    ];
    let detail = setting.refused(others[1], &cursor, "invalidCursor");
    for other in others {
        if !other.starts_with("/Groups") {
            assert_eq!(setting.refused(other, &cursor, "invalidCursor"), detail, "{other}");
        }
    }
    for count in ["", "&count=4", "&count=6"] {
        let other = format!("/Users?filter=displayName+pr&sortBy=userName&attributes=userName{count}");
        let detail = setting.refused(&other, &cursor, "invalidCount");
        assert!(detail.starts_with("count: expected 5 as for the pages before, found"), "{detail}");
    }
    let other = Tenant::connect(&mut setting.server);
    let mine = std::mem::replace(&mut setting.tenant, other);
    setting.refused(list, &cursor, "invalidCursor");
    setting.tenant = mine;
    setting.page(list, &cursor);
}

#[test]
fn what_is_no_cursor_is_refused_and_nothing_else_happens() {
    let (mut setting, _) = Setting::with_users(20);
    let list = "/Users?count=5";
    let cursor = setting.walk(list)[0].next.clone().unwrap();
    let mut wrong: Vec<String> = (1..cursor.len()).map(|len| cursor[..len].to_owned()).collect();
    for place in 0..cursor.len() {
        let other = if &cursor[place..=place] == "A" { "B" } else { "A" };
        wrong.push(format!("{}{other}{}", &cursor[..place], &cursor[place + 1..]));
    }
    wrong.extend([format!("{cursor}A"), format!("{cursor}="), "%00".into(), "%F0%9F".into(), "x".repeat(60_000)]);
    for wrong in wrong {
        setting.refused(list, &wrong, "invalidCursor");
    }
    assert_eq!(
        setting.refused("/Users?startIndex=1", "", "invalidValue"),
        "startIndex: expected startIndex or cursor, found both"
    );
    assert_eq!(setting.refused("/Users?count=x", "", "invalidCount"), "count: expected a whole number, found \"x\"");
    // A URL ends before this one does.
    for wrong in [json!("x".repeat(1_000_000)), json!(7), json!([cursor])] {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "cursor": wrong});
        let reply = setting.tenant.scim(&mut setting.server, "POST", "/Users/.search", Some(&body)).expect(400);
        assert_eq!(reply.text("/scimType"), "invalidCursor");
    }
}

#[test]
fn a_cursor_ends_after_its_time() {
    let (mut setting, _) = Setting::with_users(20);
    let list = "/Users?count=5";
    let cursor = setting.walk(list)[0].next.clone().unwrap();
    let config = setting.get("/ServiceProviderConfig").expect(200).body;
    assert_eq!(config["pagination"]["cursorTimeout"], LIMITS.cursor_seconds_max);
    let limit = Duration::from_secs(LIMITS.cursor_seconds_max.unsigned_abs());
    setting.server.world.time.pass(limit);
    let (page, ..) = setting.page(list, &cursor);
    setting.server.world.time.pass(Duration::from_millis(1));
    let detail = setting.refused(list, &cursor, "expiredCursor");
    assert_eq!(detail, "cursor: expected one of the last 3600 seconds, found an older one; begin anew");
    // The pages go on from a cursor that is young enough.
    setting.page(list, &page.next.unwrap());
}

#[test]
fn a_count_of_0_asks_for_the_total_alone() {
    let (mut setting, _) = Setting::with_users(20);
    for (list, total) in [("/Users?count=0", 20), ("/Users?count=-3&filter=displayName+co+%221%22", 11)] {
        let page = setting.page(list, "").0;
        assert_eq!(page, Page { ids: Vec::new(), total: Some(total), next: None, previous: None });
    }
}

#[test]
fn a_search_walks_as_a_query_does() {
    let (mut setting, users) = Setting::with_users(12);
    let (mut cursor, mut met) = (json!(""), Vec::new());
    while cursor.is_string() {
        let body =
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 5, "cursor": cursor});
        let page = setting.tenant.scim(&mut setting.server, "POST", "/Users/.search", Some(&body)).expect(200).body;
        met.extend(Page::of(&page).ids);
        cursor = page["nextCursor"].clone();
    }
    assert_eq!(met, users);
    // Without a value there is none, as anywhere in SCIM.
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "startIndex": 2, "cursor": null});
    let page = setting.tenant.scim(&mut setting.server, "POST", "/Users/.search", Some(&body)).expect(200).body;
    assert_eq!(page["startIndex"], 2);
}

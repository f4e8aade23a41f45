//! Values that many share: what a change costs and how large a stored value gets does not depend on how many they are, and
//! who has such a value is found page by page.

use acceptance::crowd::{self, gather_as};
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::store::Verb;
use acceptance::world::{Random, World};
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The mailbox that a mapping gives everybody.
const SHARED: &str = "NoReply@contoso.com";

/// A user whose mapping sends constants.
fn sharing(number: usize) -> Value {
    let mut user = crowd::user(number);
    user["externalId"] = json!("constant");
    user["emails"] = json!([{"value": SHARED, "type": "work"}]);
    user
}

fn unshared(number: usize) -> Value {
    let mut user = sharing(number);
    user["emails"] = json!([{"value": format!("{number}@contoso.com"), "type": "work"}]);
    user["externalId"] = json!(format!("object {number}"));
    user
}

struct Setting {
    server: Native,
    tenant: Tenant,
}

/// What a request cost the store.
#[derive(Debug)]
struct Cost {
    reads: usize,
    written: usize,
    /// The largest value that it wrote.
    largest: usize,
}

impl Setting {
    fn new() -> Setting {
        let mut server = Native::within(&World::new(&BTreeMap::new()));
        let tenant = Tenant::connect(&mut server);
        tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        Setting { server, tenant }
    }

    fn scim(&mut self, method: &str, path: &str, body: Option<&Value>) -> life::Reply {
        self.tenant.scim(&mut self.server, method, path, body)
    }

    fn cost(&mut self, method: &str, path: &str, body: Option<&Value>) -> (Cost, life::Reply) {
        self.server.world.store.forget_calls();
        let request = self.tenant.request(method, path, body);
        let (head, answer) = self.server.rollcall.handle(request).into_parts();
        let calls = self.server.world.store.calls();
        self.server.rollcall.flush();
        let rollcall_core::http::Body::Full(bytes) = answer else { unreachable!() };
        let sizes = |verb: Verb| {
            let keys = calls.iter().filter(move |call| call.verb == verb).flat_map(|call| &call.keys);
            keys.map(|key| self.server.world.store.value(key).map_or(0, |value| value.len())).collect::<Vec<_>>()
        };
        let (reads, writes) = (sizes(Verb::Get), sizes(Verb::SetMany));
        let largest = writes.iter().copied().max().unwrap_or_default();
        let cost = Cost { reads: reads.len(), written: writes.iter().sum(), largest };
        (cost, life::Reply::of(http::Response::from_parts(head, bytes)))
    }

    fn create(&mut self, number: usize, body: fn(usize) -> Value) -> (Cost, String) {
        let mut user = body(number);
        user["schemas"] = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
        let (cost, reply) = self.cost("POST", "/Users", Some(&user));
        (cost, reply.expect(201).text("/id"))
    }

    fn gather(&self, numbers: std::ops::Range<usize>) -> Vec<String> {
        gather_as(&self.server.world, &self.tenant.id, numbers, sharing)
    }

    fn expect_sound(&mut self) {
        assert_eq!(self.tenant.check(&mut self.server), [] as [String; 0]);
    }

    /// Keys of the entries of addresses and external ids, and of groups of members.
    fn entry_keys(&self, letters: &[&str]) -> Vec<String> {
        let store = &self.server.world.store;
        let prefix = |letter: &str| format!("t.{}.{letter}", self.tenant.id);
        let full = |key: &String| store.value(key).is_some_and(|value| !value.is_empty());
        let of_entry = |key: &String| letters.iter().any(|letter| key.starts_with(&prefix(letter)));
        store.keys().into_iter().filter(|key| of_entry(key) && full(key)).collect()
    }
}

fn by_mail(more: &str) -> String {
    format!("/Users?filter=emails+eq+%22noreply@contoso.com%22{more}")
}

#[test]
fn a_change_costs_the_same_however_many_share_its_values() {
    let mut setting = Setting::new();
    let (first, _) = setting.create(0, sharing);
    let mut then = 1;
    for many in [LIMITS.entry_short_max, 100, 1_000, 20_000] {
        setting.gather(then..many);
        let (create, id) = setting.create(many, sharing);
        let user = format!("/Users/{id}");
        let mail = json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "own@contoso.com"}]);
        let (leave, _) = setting.cost("PATCH", &user, Some(&life::patch(&mail)));
        let mail = json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": SHARED}]);
        let (join, _) = setting.cost("PATCH", &user, Some(&life::patch(&mail)));
        let (delete, _) = setting.cost("DELETE", &user, None);
        setting.create(many + 1, sharing);
        then = many + 2;
        for (what, cost) in [("create", create), ("leave", leave), ("join", join), ("delete", delete)] {
            // The one that makes a long entry of a short one writes each of its members once more.
            let turning = if many == LIMITS.entry_short_max { 4 * 1024 } else { 0 };
            let context = format!("{what} at {many}: {cost:?}, the first {first:?}");
            assert!(cost.written < first.written + 16 * 1024 + turning, "{context}");
            assert!(cost.largest < 8 * 1024, "{context}");
            assert!(cost.reads < first.reads + 24, "{context}");
        }
    }
    setting.expect_sound();
}

#[test]
fn who_shares_a_value_is_found_page_by_page() {
    let mut setting = Setting::new();
    let count = 12_000;
    let ids = setting.gather(0..count);
    assert!(u64::try_from(count).unwrap() > LIMITS.scan_max);
    let (cost, page) = setting.cost("GET", &by_mail("&startIndex=11001&count=10"), None);
    let page = page.expect(200).body;
    assert_eq!((&page["totalResults"], &page["itemsPerPage"]), (&json!(count), &json!(10)));
    let met: Vec<&str> =
        page["Resources"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap()).collect();
    assert_eq!(met, ids[11_000..11_010].iter().map(String::as_str).collect::<Vec<_>>());
    assert!(cost.reads < 32, "{cost:?}");
    for (path, found) in [
        (by_mail("&count=1"), count),
        ("/Users?filter=externalId+eq+%22constant%22&count=1".to_owned(), count),
        ("/Users?filter=emails%5Bvalue+eq+%22noreply@contoso.com%22%5D&count=0".to_owned(), count),
        ("/Users?filter=externalId+eq+%22constant%22+and+userName+eq+%22user7@contoso.com%22".to_owned(), 1),
    ] {
        let (cost, page) = setting.cost("GET", &path, None);
        assert_eq!(page.expect(200).body["totalResults"], found, "{path}");
        assert!(cost.reads < 24, "{path}: {cost:?}");
    }
    // What is not the whole question has to be read, and is refused where anything else would be.
    let more = setting.scim("GET", "/Users?filter=emails+eq+%22noreply@contoso.com%22+and+active+eq+true", None);
    assert_eq!(more.expect(400).text("/scimType"), "tooMany");
    let walked = walk(&mut setting, &by_mail("&count=200"));
    assert_eq!(walked, ids);
    let walked = walk(&mut setting, "/Users?filter=emails+eq+%22noreply@contoso.com%22+and+title+pr&count=200");
    assert_eq!(walked, [] as [String; 0]);
}

/// The ids of a walk by cursor.
fn walk(setting: &mut Setting, list: &str) -> Vec<String> {
    let mut met = Vec::new();
    let mut cursor = Some(String::new());
    while let Some(at) = cursor {
        let page = setting.scim("GET", &format!("{list}&cursor={at}"), None).expect(200).body;
        let resources = page["Resources"].as_array().cloned().unwrap_or_default();
        met.extend(resources.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        cursor = page["nextCursor"].as_str().map(str::to_owned);
    }
    met
}

#[test]
fn an_entry_is_one_key_up_to_the_limit_and_again_when_few_are_left() {
    let mut setting = Setting::new();
    let most = LIMITS.entry_short_max;
    let mut ids = setting.gather(0..most);
    assert_eq!(setting.entry_keys(&["m"]).len(), 1, "at the limit");
    ids.extend(setting.gather(most..most + 1));
    assert!(setting.entry_keys(&["m"]).len() > 1, "one above it");
    setting.expect_sound();
    // From the end and from the front, so that leaves become empty at both.
    while ids.len() > most / 4 + 1 {
        let id = if ids.len().is_multiple_of(2) { ids.pop().unwrap() } else { ids.remove(0) };
        setting.scim("DELETE", &format!("/Users/{id}"), None).expect(204);
    }
    assert!(setting.entry_keys(&["m"]).len() > 1, "one more than a quarter");
    setting.expect_sound();
    setting.scim("DELETE", &format!("/Users/{}", ids.remove(0)), None).expect(204);
    assert_eq!(setting.entry_keys(&["m"]).len(), 1, "a quarter");
    setting.expect_sound();
    for id in ids {
        setting.scim("DELETE", &format!("/Users/{id}"), None).expect(204);
    }
    assert_eq!(setting.entry_keys(&["m", "x"]), [] as [String; 0]);
    setting.expect_sound();
}

#[test]
fn a_member_of_many_groups_costs_each_of_them_the_same() {
    let mut setting = Setting::new();
    let user = gather_as(&setting.server.world, &setting.tenant.id, 0..1, unshared).remove(0);
    let mut groups = Vec::new();
    let mut costs = Vec::new();
    for number in 0..1_100 {
        let body = json!({"displayName": format!("Group {number}"), "members": [{"value": user}]});
        let (cost, made) = setting.cost("POST", "/Groups", Some(&body));
        groups.push(made.expect(201).text("/id"));
        costs.push(cost);
    }
    let (second, last) = (&costs[1], costs.last().unwrap());
    assert!(last.written < second.written + 8 * 1024 && last.largest < 8 * 1024, "{second:?}, then {last:?}");
    let of_user = setting.scim("GET", &format!("/Users/{user}"), None).expect(200).body["groups"].take();
    assert_eq!(of_user.as_array().map(Vec::len), Some(LIMITS.user_groups_max));
    let filter = format!("/Groups?filter=members+eq+%22{user}%22&startIndex=1091&count=20&excludedAttributes=members");
    let (cost, page) = setting.cost("GET", &filter, None);
    let page = page.expect(200).body;
    assert_eq!((&page["totalResults"], &page["itemsPerPage"]), (&json!(1_100), &json!(10)));
    assert!(cost.reads < 32, "{cost:?}");
    let remove = life::patch(&json!([{"op": "remove", "path": format!("members[value eq \"{user}\"]")}]));
    let (cost, _) = setting.cost("PATCH", &format!("/Groups/{}", groups[500]), Some(&remove));
    assert!(cost.written < second.written + 8 * 1024 && cost.largest < 8 * 1024, "{cost:?}");
    let (cost, _) = setting.cost("DELETE", &format!("/Groups/{}", groups[501]), None);
    assert!(cost.written < second.written + 8 * 1024 && cost.largest < 8 * 1024, "{cost:?}");
    setting.expect_sound();
    setting.scim("DELETE", &format!("/Users/{user}"), None).expect(204);
    assert_eq!(setting.entry_keys(&["o"]), [] as [String; 0]);
    setting.expect_sound();
}

#[test]
fn a_provider_that_is_connected_anew_finds_users_by_what_the_one_before_has_written() {
    let mut setting = Setting::new();
    let (_, alice) = setting.create(7, unshared);
    setting.tenant.admin(&mut setting.server, "DELETE", "/connection", None).expect(204);
    let again = Tenant::start(&mut setting.server, &setting.tenant.id).expect(201);
    setting.tenant.token = again.text("/secretToken");
    let by = |value: &str| format!("/Users?filter=externalId+eq+%22{value}%22");
    let found = setting.scim("GET", &by("object%207"), None).expect(200);
    assert_eq!(found.text("/Resources/0/id"), alice);
    // And gives them its own.
    let own = life::patch(&json!([{"op": "replace", "path": "externalId", "value": "other"}]));
    setting.scim("PATCH", &format!("/Users/{alice}"), Some(&own)).expect(200);
    assert_eq!(setting.scim("GET", &by("other"), None).expect(200).text("/Resources/0/id"), alice);
    assert_eq!(setting.scim("GET", &by("object%207"), None).expect(200).body["totalResults"], 0);
    setting.expect_sound();
}

#[test]
fn entries_stay_right_whoever_joins_and_leaves_in_whatever_order() {
    let mut setting = Setting::new();
    let random = Random::default();
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    let mut made = 0;
    for step in 0..900 {
        let waxing = step / 150 % 2 == 0;
        let mail = usize::from(random.byte() % 3);
        let chosen = there.keys().nth(usize::from(random.byte()) % there.len().max(1)).cloned();
        match (chosen, random.byte() % 8) {
            (Some(id), 0..=2) => {
                let value = json!([{"op": "replace", "path": "emails", "value": [{"value": address(mail)}]}]);
                setting.scim("PATCH", &format!("/Users/{id}"), Some(&life::patch(&value))).expect(200);
                there.insert(id, mail);
            }
            (Some(id), 3) if waxing => drop(setting.scim("GET", &format!("/Users/{id}"), None).expect(200)),
            (Some(id), 3..=7) if !waxing => {
                setting.scim("DELETE", &format!("/Users/{id}"), None).expect(204);
                there.remove(&id);
            }
            _ => {
                let mut user = life::user(&format!("user{made}"));
                user["emails"] = json!([{"value": address(mail)}]);
                there.insert(setting.scim("POST", "/Users", Some(&user)).expect(201).text("/id"), mail);
                made += 1;
            }
        }
        if step % 50 == 49 {
            setting.expect_sound();
            for mail in 0..3 {
                let filter = format!("/Users?filter=emails+eq+%22{}%22&count=200", address(mail));
                let page = setting.scim("GET", &filter, None).expect(200).body;
                let resources = page["Resources"].as_array().cloned().unwrap_or_default();
                let found: BTreeSet<&str> = resources.iter().map(|user| user["id"].as_str().unwrap()).collect();
                let has = there.iter().filter(|(_, has)| **has == mail).map(|(id, _)| id.as_str());
                assert_eq!(found, has.collect(), "{mail} after {step}");
            }
        }
    }
}

fn address(mail: usize) -> String {
    format!("mailbox{mail}@contoso.com")
}

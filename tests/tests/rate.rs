//! A tenant that sends more than it may: refused without a write, told when to come back, counted in the journal.

use acceptance::life::Tenant;
use acceptance::native::Native;
use acceptance::store::Verb;
use acceptance::world::World;
use rollcall_core::journal::{LOOK_EVERY, THROTTLES_AN_HOUR};
use rollcall_core::pace::BURST_SECONDS;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const RATE: u64 = 10;

struct Setting {
    world: World,
    server: Native,
    tenant: Tenant,
}

impl Setting {
    fn new() -> Setting {
        let world = World::new(&BTreeMap::from([("requests_per_second".to_owned(), RATE.to_string())]));
        let mut server = Native::within(&world);
        let tenant = Tenant::connect(&mut server);
        Setting { world, server, tenant }
    }

    /// Statuses of so many requests that come at once.
    fn send(&self, count: u64) -> Vec<u16> {
        let send = || self.server.rollcall.handle(self.tenant.request("GET", "/Users/nobody", None));
        (0..count).map(|_| send().status().as_u16()).collect()
    }

    fn admitted(&self, count: u64) -> usize {
        self.send(count).into_iter().filter(|status| *status != 429).count()
    }
}

#[test]
fn what_is_above_the_rate_is_refused_until_time_has_passed() {
    let mut setting = Setting::new();
    let burst = usize::try_from(RATE * BURST_SECONDS).unwrap();
    assert_eq!(setting.admitted(RATE * BURST_SECONDS), burst);
    let refused = setting.tenant.scim(&mut setting.server, "GET", "/Users", None).expect(429);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(
        refused.body,
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "429",
            "detail": "rate: expected at most 10 requests a second, found more",
        })
    );
    setting.world.time.pass(Duration::from_millis(500));
    assert_eq!(setting.admitted(20), 5);
    // Nobody pays for a stranger: without a token a request is no request of the tenant.
    let stranger = Tenant { token: "wrong".to_owned(), ..setting.tenant.clone() };
    stranger.scim(&mut setting.server, "GET", "/Users", None).expect(401);
    // The operator is not held up.
    setting.tenant.admin(&mut setting.server, "GET", "/users", None).expect(200);
    let other = Tenant::connect(&mut setting.server);
    other.scim(&mut setting.server, "GET", "/Users", None).expect(200);
}

#[test]
fn a_refused_request_asks_nothing_of_the_store() {
    let setting = Setting::new();
    setting.send(RATE * BURST_SECONDS + 1);
    setting.world.store.forget_calls();
    assert!(setting.send(1_000).iter().all(|status| *status == 429));
    assert_eq!(setting.world.store.calls(), []);
    // One record stands for all of them, and is written with the others.
    setting.server.rollcall.flush();
    let batches = setting.world.store.calls().iter().filter(|call| call.verb == Verb::SetMany).count();
    assert_eq!(batches, 1);
}

#[test]
fn refused_requests_share_a_record_that_counts_them() {
    let mut setting = Setting::new();
    setting.send(RATE * BURST_SECONDS + 7);
    let newest = |setting: &mut Setting| setting.tenant.journal(&mut setting.server).remove(0);
    let record = newest(&mut setting);
    let told = |record: &Value| (record["status"].clone(), record["repeats"].clone(), record["outcome"].clone());
    assert_eq!(told(&record), (json!(429), json!(6), json!("failure")));
    // Further ones in the same hour: so many records, and then the last of them counts on.
    for _ in 0..THROTTLES_AN_HOUR + 4 {
        setting.send(3);
        setting.server.rollcall.flush();
    }
    let records = setting.tenant.journal(&mut setting.server);
    let refused: Vec<&Value> = records.iter().filter(|record| record["status"] == 429).collect();
    assert_eq!(refused.len() as u64, THROTTLES_AN_HOUR);
    let requests: u64 = refused.iter().map(|record| 1 + record["repeats"].as_u64().unwrap_or_default()).sum();
    assert_eq!(requests, 7 + 3 * (THROTTLES_AN_HOUR + 4));
    let activity = setting.tenant.admin(&mut setting.server, "GET", "/activity", None).expect(200).body;
    let hour = activity["hours"].as_array().unwrap().last().unwrap();
    assert_eq!(hour["failure"], json!(requests + RATE * BURST_SECONDS), "the others found nobody");
    // The provider tries them again: a cycle does not fail for them.
    assert_eq!(activity["cycle"]["requests"], RATE * BURST_SECONDS);
}

#[test]
fn all_instances_together_are_held_to_about_the_rate() {
    let setting = Setting::new();
    let mut instances: Vec<Native> = (0..8).map(|_| Native::within(&setting.world)).collect();
    let mut admitted = Vec::new();
    for second in 0..10 {
        let mut count = 0;
        // A hundred requests in each of them, spread over the second; all write their records within it.
        for _ in 0..40 {
            setting.world.time.pass(LOOK_EVERY);
            for instance in &mut instances {
                for _ in 0..2 {
                    let request = setting.tenant.request("GET", "/Users/nobody", None);
                    count += u64::from(instance.rollcall.handle(request).status() != 429);
                }
                instance.look();
            }
        }
        admitted.push((second, count));
    }
    let settled = &admitted[3..];
    assert!(settled.iter().all(|(_, count)| (RATE / 2..=RATE * 2).contains(count)), "{admitted:?}");
}

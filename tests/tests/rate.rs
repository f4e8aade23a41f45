//! A tenant that sends more than it may: refused without a write, told when to come back, made to wait, counted in the
//! journal.

use acceptance::hosted::{self, Hosted};
use acceptance::life::Tenant;
use acceptance::native::Native;
use acceptance::store::Verb;
use acceptance::world::World;
use rollcall_core::journal::THROTTLES_AN_HOUR;
use rollcall_core::pace::{BURST_SECONDS, RETRY_AFTER};
use rollcall_core::settings::LIMITS;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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
            "detail": "rate: expected at most 10 requests a second, found more; wait 1 s and send it again",
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
fn a_flood_while_the_clock_is_ahead_costs_nothing_when_it_is_right_again() {
    let ahead = World::new(&BTreeMap::from([("requests_per_second".to_owned(), RATE.to_string())]));
    let mut right =
        Setting { server: Native::within(&ahead), tenant: Tenant::connect(&mut Native::within(&ahead)), world: ahead };
    right.world.time.pass(Duration::from_secs(10));
    let right_world = right.world.clone();
    // Another host, whose clock is an hour ahead, and its flood.
    right.world = right.world.beside_with_clock_ahead(Duration::from_secs(3_600));
    right.server = Native::within(&right.world);
    for _ in 0..5 {
        right.send(RATE * 100);
        right.server.rollcall.flush();
        right.world.time.pass(Duration::from_millis(500));
    }
    assert!(right.admitted(RATE * 10) < 10, "the flood is known");
    right.server.rollcall.flush();
    right.world = right_world;
    for _ in 0..3 {
        // Each instance looks at what the others had.
        right.server = Native::within(&right.world);
        assert_eq!(right.admitted(RATE), usize::try_from(RATE).unwrap());
        right.server.rollcall.flush();
        right.world.time.pass(Duration::from_secs(1));
    }
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
            setting.world.time.pass(Duration::from_millis(25));
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

#[test]
fn a_flood_over_many_instances_is_found_within_its_first_second_and_told_to_all() {
    let rate = 500;
    let world = World::new(&BTreeMap::from([("requests_per_second".to_owned(), rate.to_string())]));
    let tenant = Tenant::connect(&mut Native::within(&world));
    let statuses = |instance: &Native, count: usize| -> Vec<u16> {
        let send = || instance.rollcall.handle(tenant.request("GET", "/Users/nobody", None)).status().as_u16();
        (0..count).map(|_| send()).collect()
    };
    let instances: Vec<Native> = (0..64).map(|_| Native::within(&world)).collect();
    world.store.forget_calls();
    // 4,000 requests in a second. Instances that begin at this microsecond would wait for 92 records.
    world.time.pass(Duration::from_micros(999));
    let mut rounds = 0..62;
    let finder = loop {
        rounds.next().expect("the flood is found within a second");
        world.time.pass(Duration::from_millis(16));
        instances.iter().for_each(|instance| drop(statuses(instance, 1)));
        if let Some(finder) = instances.iter().find(|instance| instance.rollcall.has_batch()) {
            break finder;
        }
    };
    let counts = world.store.calls().iter().filter(|call| call.verb == Verb::Increment).count();
    assert!((32..160).contains(&counts), "{counts} counts");
    assert!(world.store.calls().iter().all(|call| call.verb != Verb::SetMany), "nothing else was written");
    finder.rollcall.flush();
    assert!(!finder.rollcall.has_batch());
    for instance in [finder, &Native::within(&world)] {
        let admitted = statuses(instance, 80).into_iter().filter(|status| *status != 429).count();
        assert!((5..40).contains(&admitted), "{admitted}");
    }
}

/// How long each of so many refusals took that were under way at once; nothing where a further instance took one of them
/// on, which counts for itself.
fn held(server: &Hosted, tenant: &Tenant, count: usize) -> Option<Vec<Duration>> {
    let request = tenant.request("GET", "/Users/nobody", None);
    let refused = || {
        let begun = Instant::now();
        let status = hosted::exchange(server.address(), &request).unwrap().status();
        (status == 429).then(|| begun.elapsed())
    };
    std::thread::scope(|scope| {
        let one = |_| {
            let one = scope.spawn(refused);
            // An instance that is at work when the next request comes gets company.
            std::thread::sleep(Duration::from_millis(20));
            one
        };
        let all: Vec<_> = (0..count).map(one).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn a_refusal_is_held_for_as_long_as_the_provider_should_wait_up_to_so_many_at_once() {
    let mut server = Hosted::new(&BTreeMap::from([("requests_per_second".to_owned(), "1".to_owned())]));
    let (tenant, other) = (Tenant::connect(&mut server), Tenant::connect(&mut server));
    for _ in 0..BURST_SECONDS {
        tenant.scim(&mut server, "GET", "/Users/nobody", None).expect(404);
    }
    let at_the_limit = (0..10).find_map(|_| held(&server, &tenant, LIMITS.refusals_held_max)).unwrap();
    assert!(at_the_limit.iter().all(|took| *took >= RETRY_AFTER), "{at_the_limit:?}");
    // One above it is answered at once, but on a machine so slow that the first ones are no longer held by then.
    let one_above = || held(&server, &tenant, LIMITS.refusals_held_max + 1);
    let at_once = |took: &Duration| *took < RETRY_AFTER;
    assert!((0..10).any(|_| one_above().is_some_and(|all| all.iter().any(at_once))));
    other.scim(&mut server, "GET", "/Users/nobody", None).expect(404);
}

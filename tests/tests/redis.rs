//! The component on a real Redis, where `redis-server` is installed: every transcript, two hosts on one server, and both
//! of them and Redis itself killed in the middle of a load. Where it is not, this says so.

use acceptance::backup::{content, export, furnish, restore};
use acceptance::hosted::{self, Hosted};
use acceptance::life::{self, Tenant, Wire};
use acceptance::ordeal::{self, CLIENTS, Known, Load};
use acceptance::program::{Host, Redis, fresh};
use acceptance::proxy::Proxy;
use acceptance::{run, transcript};
use rollcall_host::keyvalue;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A server with an empty folder; nothing where it is not installed, which is said.
fn redis(name: &str) -> Option<(Redis, PathBuf)> {
    let folder = fresh(name);
    Some((Redis::start(&folder)?, folder))
}

#[track_caller]
fn check(host: &mut Host, tenant: &Tenant) {
    assert_eq!(tenant.check(host), [] as [String; 0]);
}

#[test]
fn the_component_answers_every_transcript_byte_for_byte_on_redis() {
    let Some((redis, _)) = redis("redis-transcripts") else {
        return;
    };
    let all = transcript::all();
    let given = run::given(&all);
    let mut problems = Vec::new();
    // That one names the store that it was written on; this one is asked below.
    for (name, transcript) in all.iter().filter(|(name, _)| name != "admin/17-store") {
        let store = Arc::new(keyvalue::Redis::connect(&redis.url()).unwrap());
        empty(&*store);
        let mut server = Hosted::on(store, &run::variables(transcript));
        problems.extend(run::check(&mut server, &given, transcript).iter().map(|p| format!("{name}\n{p}")));
    }
    assert!(problems.is_empty(), "{} answers differ\n\n{}", problems.len(), problems.join("\n\n"));
    let store = Arc::new(keyvalue::Redis::connect(&redis.url()).unwrap());
    let found = life::admin(&mut Hosted::on(store, &BTreeMap::new()), "POST", "/store", None).expect(200).body;
    assert_eq!((&found["backend"], &found["usable"]), (&json!("Redis"), &json!(true)));
}

fn empty(store: &dyn keyvalue::Store) {
    let keys = store.list_keys().unwrap();
    if !keys.is_empty() {
        store.delete_many(&keys).unwrap();
    }
}

#[test]
fn a_tenant_moves_from_sqlite_to_redis_and_back() {
    let Some((redis, folder)) = redis("redis-moves") else {
        return;
    };
    let mut sqlite = Host::start(&folder.join("sqlite"));
    let tenant = furnish(&mut sqlite, 150);
    let file = export(&mut sqlite, &tenant.id);
    let mut there = redis.host("there");
    restore(&mut there, &tenant.id, &file);
    let moved = export(&mut there, &tenant.id);
    assert_eq!(content(&moved), content(&file));
    check(&mut there, &tenant);
    let mut back = Host::start(&folder.join("back"));
    restore(&mut back, &tenant.id, &moved);
    assert_eq!(content(&export(&mut back, &tenant.id)), content(&file));
    check(&mut back, &tenant);
    life::of_a_user(&mut there, &tenant, Wire::Flag, "alice@contoso.com");
}

/// Names that both hosts want at the same time.
const NAMES: usize = 12;

#[test]
fn two_hosts_on_one_redis_give_every_name_once() {
    let Some((mut redis, _)) = redis("redis-names") else {
        return;
    };
    let (mut one, mut other) = (redis.host("one"), redis.host("other"));
    let tenant = Tenant::connect(&mut one);
    life::of_a_user(&mut one, &tenant, Wire::Legacy, "alice@contoso.com");
    life::of_a_user(&mut other, &tenant, Wire::Flag, "alice@contoso.com");
    let created = thread::scope(|scope| {
        let races = [one.address(), other.address()].map(|address| {
            let tenant = &tenant;
            scope.spawn(move || create_all(tenant, address))
        });
        races.map(|race| race.join().unwrap())
    });
    for (n, answers) in created[0].iter().zip(&created[1]).enumerate() {
        assert!([(&201, &409), (&409, &201)].contains(&answers), "user{n}: {answers:?}");
    }

    // A connection that broke meanwhile costs no answer: the first read makes it anew.
    redis.kill_and_start();
    for n in 0..NAMES {
        let found = tenant.find(&mut one, &format!("user{n}@contoso.com")).expect(200).body;
        assert_eq!(found["totalResults"], 1, "user{n}");
    }
    tenant.create(&mut other, "late@contoso.com").expect(201);
    check(&mut one, &tenant);
}

fn create_all(tenant: &Tenant, address: SocketAddr) -> Vec<u16> {
    let create = |n| {
        let body = life::user(&format!("user{n}@contoso.com"));
        hosted::exchange(address, &tenant.request("POST", "/Users", Some(&body))).unwrap().status().as_u16()
    };
    (0..NAMES).map(create).collect()
}

#[test]
fn nothing_that_was_answered_is_lost_when_hosts_and_redis_are_killed_under_load() {
    let Some((mut redis, _)) = redis("redis-load") else {
        return;
    };
    let mut hosts = [redis.host("one"), redis.host("other")];
    let load = Load::of(&mut hosts);
    let users = load.during(|| {
        for (at, name) in [(0, "one"), (1, "other")] {
            thread::sleep(Duration::from_secs(2));
            hosts[at].process.kill();
            hosts[at] = redis.host(name);
            load.moved(at, &hosts[at]);
            thread::sleep(Duration::from_secs(2));
            redis.kill_and_start();
        }
        thread::sleep(Duration::from_secs(2));
    });
    println!("{} users, {} of them deleted", users.len(), users.iter().filter(|user| user.deleted).count());
    verify(&mut hosts[0], &load, &users);
}

/// How much later than it was sent a commit reaches Redis.
const LATE: [u64; 4] = [1, 3, 6, 3];

#[test]
fn nothing_that_was_answered_is_lost_when_a_commit_reaches_redis_late() {
    let Some((redis, _)) = redis("redis-late") else {
        return;
    };
    for names in [&["alone"][..], &["one", "other"]] {
        let proxy = Proxy::to(redis.address());
        let mut hosts: Vec<Host> = names.iter().map(|name| redis.host_by(name, proxy.address)).collect();
        let load = Load::of(&mut hosts);
        let users = load.during(|| {
            for seconds in LATE {
                thread::sleep(Duration::from_millis(500));
                proxy.delay_next(b"EVALSHA", Duration::from_secs(seconds));
                thread::sleep(Duration::from_secs(seconds) + Duration::from_millis(500));
            }
        });
        assert_eq!(proxy.delayed(), LATE.len());
        println!("{} hosts, {} late commits, {} users", hosts.len(), proxy.delayed(), users.len());
        verify(&mut hosts[0], &load, &users);
    }
}

#[test]
fn nothing_that_was_answered_is_lost_when_one_of_two_hosts_on_one_file_is_suspended() {
    let state = fresh("suspended");
    let mut hosts: Vec<Host> = (0..2).map(|_| Host::remembering(&state, &["--share-data"])).collect();
    let load = Load::of(&mut hosts);
    let users = load.during(|| {
        thread::sleep(Duration::from_secs(1));
        hosts[0].process.pause(Duration::from_secs(9));
        thread::sleep(Duration::from_secs(1));
        hosts[1].process.pause(Duration::from_secs(4));
        thread::sleep(Duration::from_secs(1));
    });
    verify(&mut hosts[0], &load, &users);
}

/// Everything that was answered is there, in the directory and in the journal.
#[track_caller]
fn verify(host: &mut Host, load: &Load, users: &[Known]) {
    assert!(users.len() > CLIENTS, "{} users", users.len());
    let found = ordeal::look(host, load, users);
    assert_eq!((found.faults, found.before_mending), (Vec::new(), Vec::new()));
}

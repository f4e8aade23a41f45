//! The component on a real Redis, where `redis-server` is installed: every transcript, two hosts on one server, and both
//! of them and Redis itself killed in the middle of a load. Where it is not, this says so.

use acceptance::backup::{content, export, furnish, restore};
use acceptance::hosted::{self, Hosted};
use acceptance::life::{self, Tenant, Wire};
use acceptance::program::{self, Host, Redis, fresh};
use acceptance::proxy::Proxy;
use acceptance::{run, transcript};
use rollcall_host::keyvalue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

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

/// Clients that send changes at once.
const CLIENTS: usize = 8;

/// How often each user's displayName is changed.
const STATES: u64 = 3;

/// A user as a client was answered last.
#[derive(Debug)]
struct Known {
    id: String,
    name: String,
    deleted: bool,
}

/// Hosts, where they listen now, and whether clients go on.
struct Load {
    tenant: Tenant,
    group: String,
    hosts: Mutex<Vec<SocketAddr>>,
    over: AtomicBool,
}

impl Load {
    /// A tenant with a group for everybody.
    fn of(hosts: &mut [Host]) -> Load {
        let tenant = Tenant::connect(&mut hosts[0]);
        tenant.admin(&mut hosts[0], "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Everybody"});
        let group = tenant.scim(&mut hosts[0], "POST", "/Groups", Some(&body)).expect(201).text("/id");
        let addresses = hosts.iter().map(Host::address).collect();
        Load { tenant, group, hosts: Mutex::new(addresses), over: AtomicBool::new(false) }
    }

    /// What the clients were answered while something happens.
    fn during(&self, happens: impl FnOnce()) -> Vec<Known> {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || self.client(client))).collect();
            happens();
            self.over.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        })
    }

    /// Sends a request until it is answered otherwise than 503, to the one host and the other in turns, as a provider
    /// behind a load balancer does. The number says how often it was sent.
    fn send(&self, client: usize, method: &str, path: &str, body: Option<&Value>) -> (u16, Value, usize) {
        let begun = Instant::now();
        for attempt in 0.. {
            let address = {
                let hosts = self.hosts.lock().unwrap();
                hosts[(client + attempt) % hosts.len()]
            };
            let answer = hosted::exchange(address, &self.tenant.request(method, path, body));
            if let Ok(answer) = answer
                && answer.status() != 503
            {
                let body = serde_json::from_slice(answer.body()).unwrap_or_default();
                return (answer.status().as_u16(), body, attempt + 1);
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "nobody answers {method} {path}");
            thread::sleep(Duration::from_millis(100));
        }
        unreachable!("attempts do not end")
    }

    /// One client: a user after the other is created, changed several times, put into the group, and some are deleted.
    /// Everything that is answered is written down.
    fn client(&self, client: usize) -> Vec<Known> {
        let mut users = Vec::new();
        for n in 0.. {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            users.push(self.user(client, &format!("client{client}-{n}@contoso.com"), n % 3 == 2));
        }
        users
    }

    fn user(&self, client: usize, name: &str, deleted: bool) -> Known {
        let (status, answer, times) = self.send(client, "POST", "/Users", Some(&life::user(name)));
        // A create that was done and not answered is found by its name, as Entra finds it.
        let id = if status == 201 {
            answer["id"].as_str().unwrap().to_owned()
        } else {
            assert!(status == 409 && times > 1, "{name}: {status} {answer}");
            let found = format!("/Users?filter=userName+eq+%22{}%22", name.replace('@', "%40"));
            let (status, answer, _) = self.send(client, "GET", &found, None);
            assert_eq!((status, &answer["totalResults"]), (200, &json!(1)), "{name}: {answer}");
            answer["Resources"][0]["id"].as_str().unwrap().to_owned()
        };
        let known = Known { id, name: name.to_owned(), deleted };
        for number in 1..=STATES {
            let body =
                life::patch(&json!([{"op": "Replace", "path": "displayName", "value": format!("state {number}")}]));
            let (status, answer, _) = self.send(client, "PATCH", &format!("/Users/{}", known.id), Some(&body));
            assert_eq!((status, &answer["displayName"]), (200, &json!(format!("state {number}"))), "{name}");
        }
        let body = life::patch(&json!([{"op": "Add", "path": "members", "value": [{"value": known.id}]}]));
        let (status, answer, _) = self.send(client, "PATCH", &format!("/Groups/{}", self.group), Some(&body));
        assert_eq!(status, 204, "{name}: {answer}");
        if deleted {
            let (status, _, times) = self.send(client, "DELETE", &format!("/Users/{}", known.id), None);
            assert!(status == 204 || status == 404 && times > 1, "{name}: {status}");
        }
        known
    }
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
            load.hosts.lock().unwrap()[at] = hosts[at].address();
            thread::sleep(Duration::from_secs(2));
            redis.kill_and_start();
        }
        thread::sleep(Duration::from_secs(2));
    });
    assert!(users.len() > CLIENTS, "{} users", users.len());
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
    let options = ["--variable", &program::secret(), "--variable", "requests_per_second=off"];
    let options = [&options[..], &["--variable", "journal_capacity=100000", "--share-data"]].concat();
    let mut hosts: Vec<Host> = (0..2).map(|_| Host::with(&state, &options)).collect();
    let load = Load::of(&mut hosts);
    let users = load.during(|| {
        thread::sleep(Duration::from_secs(1));
        hosts[0].process.pause(Duration::from_secs(9));
        thread::sleep(Duration::from_secs(1));
        hosts[1].process.pause(Duration::from_secs(4));
        thread::sleep(Duration::from_secs(1));
    });
    assert!(users.len() > CLIENTS, "{} users", users.len());
    verify(&mut hosts[0], &load, &users);
}

/// Everything that was answered is there, in the directory and in the journal.
fn verify(host: &mut Host, load: &Load, users: &[Known]) {
    let tenant = &load.tenant;
    for user in users {
        let found = tenant.find(host, &user.name).expect(200).body;
        if user.deleted {
            assert_eq!(found["totalResults"], 0, "{user:?}");
            tenant.read(host, &user.id).expect(404);
            continue;
        }
        assert_eq!(found["totalResults"], 1, "{user:?}");
        assert_eq!(found["Resources"][0]["id"], user.id.as_str(), "{user:?}");
        assert_eq!(found["Resources"][0]["displayName"], format!("state {STATES}").as_str());
        let groups = &tenant.read(host, &user.id).expect(200).body["groups"];
        assert_eq!(groups[0]["value"], load.group.as_str(), "{user:?}");
    }
    let left = users.iter().filter(|user| !user.deleted).count();
    let listed = tenant.scim(host, "GET", "/Users?count=0", None).expect(200).body;
    assert_eq!(listed["totalResults"], left);
    check(host, tenant);

    // One record for each change, numbered without a gap.
    let mut changes: BTreeMap<String, u64> = BTreeMap::new();
    let mut next: Option<u64> = None;
    loop {
        let before = next.map(|number| format!("&before={number}")).unwrap_or_default();
        let page = tenant.admin(host, "GET", &format!("/requests?limit=200{before}"), None).expect(200).body;
        for record in page["requests"].as_array().unwrap() {
            let number = record["number"].as_u64().unwrap();
            assert!(next.is_none_or(|next| number + 1 == next), "{number} after {next:?}");
            next = Some(number);
            if record["changed"] == true && record["user"].is_object() {
                *changes.entry(record["user"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        if page["next"].is_null() {
            break;
        }
    }
    assert_eq!(next, Some(1));
    for user in users {
        assert_eq!(changes[&user.id], 1 + STATES + u64::from(user.deleted), "{user:?}");
    }
}

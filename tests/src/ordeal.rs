//! Clients that remember what they were answered, while hosts and their store are killed, suspended and held up; and what
//! became of it all afterwards.

use crate::hosted;
use crate::life::{self, Tenant};
use crate::program::Host;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Clients that send changes at once.
pub const CLIENTS: usize = 8;

/// How often each user's displayName is changed.
pub const STATES: u64 = 3;

/// How long a client asks for one thing before it takes the service for gone.
const PATIENCE: Duration = Duration::from_secs(300);

/// A user as a client was answered last.
#[derive(Debug)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// Its user name.
    pub name: String,
    /// Whether its deletion was answered.
    pub deleted: bool,
}

/// What clients need to know: the tenant, where the hosts listen now, and whether to go on.
pub struct Load {
    /// The tenant.
    pub tenant: Tenant,
    group: String,
    hosts: Mutex<Vec<SocketAddr>>,
    over: AtomicBool,
    /// How long a client waits between two requests.
    pause: Duration,
    met: Met,
}

/// What the clients met on the way.
#[derive(Default)]
struct Met {
    answered: AtomicUsize,
    refused: AtomicUsize,
    broken: AtomicUsize,
    longest: Mutex<Duration>,
    faults: Mutex<Vec<String>>,
    /// Users of whom nobody knows what became, because a client gave up.
    unknown: Mutex<Vec<String>>,
}

impl Load {
    /// A tenant with a group for everybody, and clients that never pause.
    pub fn of(hosts: &mut [Host]) -> Load {
        Load::pausing(hosts, Duration::ZERO)
    }

    /// A load whose clients pause between two requests.
    pub fn pausing(hosts: &mut [Host], pause: Duration) -> Load {
        let tenant = Tenant::connect(&mut hosts[0]);
        tenant.admin(&mut hosts[0], "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Everybody"});
        let group = tenant.scim(&mut hosts[0], "POST", "/Groups", Some(&body)).expect(201).text("/id");
        let addresses = Mutex::new(hosts.iter().map(Host::address).collect());
        Load { tenant, group, hosts: addresses, over: AtomicBool::new(false), pause, met: Met::default() }
    }

    /// Tells the clients where a host listens that was started again.
    pub fn moved(&self, at: usize, host: &Host) {
        lock(&self.hosts)[at] = host.address();
    }

    /// What the clients were answered while something happens.
    pub fn during(&self, happens: impl FnOnce()) -> Vec<Known> {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || self.client(client))).collect();
            happens();
            self.over.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        })
    }

    /// How many requests were answered, refused with 503 or 504 and not answered, and the longest that a client had to send
    /// the same request again and again.
    pub fn met(&self) -> String {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        format!(
            "{} answers, {} times 503 or 504, {} times none; the longest wait for an answer took {:.1} s",
            count(&self.met.answered),
            count(&self.met.refused),
            count(&self.met.broken),
            lock(&self.met.longest).as_secs_f64()
        )
    }

    /// Sends a request until it is answered otherwise than 503 or 504, which say nothing of it, to the one host and the
    /// other in turns, as a provider behind a load balancer does. The number says how often it was sent.
    fn send(&self, client: usize, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let begun = Instant::now();
        for attempt in 0.. {
            let address = {
                let hosts = lock(&self.hosts);
                hosts[(client + attempt) % hosts.len()]
            };
            match hosted::exchange(address, &self.tenant.request(method, path, body)) {
                Ok(answer) if ![503, 504].contains(&answer.status().as_u16()) => {
                    self.met.answered.fetch_add(1, Ordering::Relaxed);
                    let mut longest = lock(&self.met.longest);
                    *longest = begun.elapsed().max(*longest);
                    drop(longest);
                    thread::sleep(self.pause);
                    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
                    return Ok(Answer { status: answer.status().as_u16(), body, times: attempt + 1 });
                }
                Ok(_) => self.met.refused.fetch_add(1, Ordering::Relaxed),
                Err(_) => self.met.broken.fetch_add(1, Ordering::Relaxed),
            };
            if begun.elapsed() > PATIENCE {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(format!("nobody answers {method} {path}"))
    }

    /// One client: a user after the other is created, changed several times, put into the group, and some are deleted.
    /// Everything that is answered is written down. A client that is answered what it cannot be ends.
    fn client(&self, client: usize) -> Vec<Known> {
        let mut users = Vec::new();
        for n in 0.. {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            let name = format!("client{client}-{n}@contoso.com");
            match self.user(client, &name, n % 3 == 2) {
                Ok(user) => users.push(user),
                Err(fault) => {
                    lock(&self.met.faults).push(format!("client {client}: {fault}"));
                    lock(&self.met.unknown).push(name);
                    break;
                }
            }
        }
        users
    }

    fn user(&self, client: usize, name: &str, deleted: bool) -> Result<Known, String> {
        let answer = self.send(client, "POST", "/Users", Some(&life::user(name)))?;
        // A create that was done and not answered is found by its name, as Entra finds it.
        let id = if answer.status == 201 {
            answer.body["id"].as_str().map(str::to_owned)
        } else {
            expect(answer.status == 409 && answer.times > 1, name, &answer)?;
            let found = format!("/Users?filter=userName+eq+%22{}%22", name.replace('@', "%40"));
            let answer = self.send(client, "GET", &found, None)?;
            expect(answer.status == 200 && answer.body["totalResults"] == 1, name, &answer)?;
            answer.body["Resources"][0]["id"].as_str().map(str::to_owned)
        };
        let known = Known { id: id.ok_or("a user without an id")?, name: name.to_owned(), deleted };
        let path = format!("/Users/{}", known.id);
        for number in 1..=STATES {
            let state = format!("state {number}");
            let body = life::patch(&json!([{"op": "Replace", "path": "displayName", "value": state}]));
            let answer = self.send(client, "PATCH", &path, Some(&body))?;
            expect(answer.status == 200 && answer.body["displayName"] == state, name, &answer)?;
        }
        let body = life::patch(&json!([{"op": "Add", "path": "members", "value": [{"value": known.id}]}]));
        let answer = self.send(client, "PATCH", &format!("/Groups/{}", self.group), Some(&body))?;
        expect(answer.status == 204, name, &answer)?;
        if deleted {
            let answer = self.send(client, "DELETE", &path, None)?;
            expect(answer.status == 204 || answer.status == 404 && answer.times > 1, name, &answer)?;
        }
        Ok(known)
    }
}

struct Answer {
    status: u16,
    body: Value,
    times: usize,
}

fn expect(fine: bool, name: &str, answer: &Answer) -> Result<(), String> {
    let Answer { status, body, times } = answer;
    if fine { Ok(()) } else { Err(format!("{name}: {status} at time {times}: {body}")) }
}

/// What is found afterwards.
#[derive(Debug, Default)]
pub struct Found {
    /// What must not be: users that are lost, doubled or not as they were answered, records that are missing, clients that
    /// were answered what cannot be, and what the checker still finds after the repair.
    pub faults: Vec<String>,
    /// What the checker found before the tenant mended itself.
    pub before_mending: Vec<String>,
    /// How often the tenant mended itself, by its journal.
    pub mends: usize,
}

/// Compares everything that was answered with what is there.
pub fn look(host: &mut Host, load: &Load, users: &[Known]) -> Found {
    let mut found = Found { faults: std::mem::take(&mut *lock(&load.met.faults)), ..Found::default() };
    found.before_mending = load.tenant.check(host);
    if !found.before_mending.is_empty() {
        let left = mended_by_a_change(host, &load.tenant);
        found.faults.extend(left.into_iter().map(|left| format!("the checker finds after the repair: {left}")));
    }
    directory(host, load, users, &mut found);
    records(host, &load.tenant, users, &mut found);
    if !found.before_mending.is_empty() && found.mends == 0 {
        found.faults.push("the checker found something, and the journal has no mend".to_owned());
    }
    found
}

/// The first change that comes sees to it that a tenant is mended. What the checker finds then.
fn mended_by_a_change(host: &mut Host, tenant: &Tenant) -> Vec<String> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let made = tenant.create(host, "afterwards@contoso.com");
        if made.succeeded() {
            tenant.delete(host, &made.text("/id"));
            break;
        }
        thread::sleep(Duration::from_millis(500));
    }
    tenant.check(host)
}

/// A user as a list shows it.
struct Listed {
    id: String,
    display: Value,
    group: Value,
}

fn directory(host: &mut Host, load: &Load, users: &[Known], found: &mut Found) {
    let mut listed = listed(host, &load.tenant, found);
    for user in users {
        let by_name = load.tenant.find(host, &user.name).body;
        let there = listed.remove(&user.name);
        let fine = match (&there, user.deleted) {
            (None, true) => by_name["totalResults"] == 0 && load.tenant.read(host, &user.id).status == 404,
            (Some(there), false) => {
                there.id == user.id
                    && there.display == format!("state {STATES}")
                    && there.group == load.group.as_str()
                    && by_name["totalResults"] == 1
                    && by_name["Resources"][0]["id"] == user.id.as_str()
            }
            (None, false) | (Some(_), true) => false,
        };
        if !fine {
            let how = there.map(|there| format!("{} {} {}", there.id, there.display, there.group));
            found.faults.push(format!("{user:?}: listed as {how:?}, found by its name: {by_name}"));
        }
    }
    lock(&load.met.unknown).iter().for_each(|name| drop(listed.remove(name)));
    found.faults.extend(listed.keys().map(|name| format!("{name} is listed, and no client made it")));
}

/// Everybody, by name.
fn listed(host: &mut Host, tenant: &Tenant, found: &mut Found) -> BTreeMap<String, Listed> {
    let (mut all, mut ids, mut seen) = (BTreeMap::new(), BTreeSet::new(), 0);
    loop {
        let page = tenant.scim(host, "GET", &format!("/Users?count=200&startIndex={}", seen + 1), None).body;
        let users = page["Resources"].as_array().cloned().unwrap_or_default();
        seen += users.len();
        for user in &users {
            let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
            let (display, group) = (user["displayName"].clone(), user["groups"][0]["value"].clone());
            let there = Listed { id: text("id"), display, group };
            if !ids.insert(there.id.clone()) || all.insert(text("userName"), there).is_some() {
                found.faults.push(format!("{} is listed twice", text("userName")));
            }
        }
        if users.is_empty() || page["totalResults"] == seen {
            if page["totalResults"] != seen {
                found.faults.push(format!("{seen} users are listed of {}", page["totalResults"]));
            }
            return all;
        }
    }
}

/// One record for each change, numbered without a gap.
fn records(host: &mut Host, tenant: &Tenant, users: &[Known], found: &mut Found) {
    let mut changes: BTreeMap<String, u64> = BTreeMap::new();
    let mut next: Option<u64> = None;
    loop {
        let before = next.map(|number| format!("&before={number}")).unwrap_or_default();
        let page = tenant.admin(host, "GET", &format!("/requests?limit=200{before}"), None).expect(200).body;
        for record in page["requests"].as_array().into_iter().flatten() {
            let number = record["number"].as_u64().unwrap_or_default();
            if next.is_some_and(|next| number + 1 != next) {
                found.faults.push(format!("the journal has {number} before {next:?}"));
            }
            next = Some(number);
            found.mends += usize::from(record["action"] == "mend");
            if record["changed"] == true
                && let Some(id) = record["user"]["id"].as_str()
            {
                *changes.entry(id.to_owned()).or_default() += 1;
            }
        }
        if page["next"].is_null() {
            break;
        }
    }
    if next != Some(1) {
        found.faults.push(format!("the journal begins with {next:?}"));
    }
    for user in users {
        let (expected, made) = (1 + STATES + u64::from(user.deleted), changes.get(&user.id).copied().unwrap_or(0));
        if made != expected {
            found.faults.push(format!("{user:?}: {made} changes in the journal, {expected} expected"));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

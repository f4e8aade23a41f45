//! Loads the host's program for a while, then with many connections at once, then with one tenant that does not stop, and
//! says what became of it:
//!
//! ```console
//! $ cargo run --release --example soak -- --seconds 600 --rate 500 --burst 2000
//! ```
//!
//! It fails where anything but 2xx and 429 was answered, where the program's memory keeps growing, and where the checker
//! finds something afterwards. Times are only printed: they say more of the machine than of us. With `--state
//! /dev/shm/soak` the data are in memory, which tells what of them is the disk's.

use acceptance::arguments::{argument, number};
use acceptance::life::{self, Tenant};
use acceptance::load::{self, Load, Measured};
use acceptance::program::{Host, fresh};
use http::Request;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const TENANTS: usize = 8;
const USERS: usize = 50;
const CONNECTIONS: usize = 64;

/// Parts of the load, between which the memory is looked at.
const PARTS: u32 = 6;

/// What the memory may grow by after the first part.
const GROWTH_MAX: u64 = 48 << 20;

fn main() -> ExitCode {
    let (seconds, rate, burst) = (number("--seconds", 600), number("--rate", 500), number("--burst", 2_000));
    let mut soak = Soak::start(&argument("--state").map_or_else(|| fresh("soak"), PathBuf::from));
    let mut memory = Vec::new();
    let mut all = Measured::default();
    for part in 0..PARTS {
        let duration = Duration::from_secs(seconds as u64) / PARTS;
        let load = Load {
            address: soak.host.address(),
            connections: CONNECTIONS,
            duration,
            rate: Some(rate as f64),
            requests_each: None,
        };
        let crowd = soak.crowd.clone();
        let measured = load.run(move |connection, nth| load::bytes(&mixed(&crowd, part, connection, nth))).unwrap();
        soak.judge(&format!("{rate} requests a second, part {}", part + 1), &measured);
        memory.push(soak.memory());
        all.merge(measured);
    }
    if let (Some(first), Some(last)) = (memory[0], memory[memory.len() - 1]) {
        println!("memory of the program: {} MB after the first part, {} MB after the last", first >> 20, last >> 20);
        soak.expect(last <= first + GROWTH_MAX, "the memory keeps growing");
    }
    soak.burst(burst);
    soak.flood();
    soak.check();
    if soak.failures.is_empty() {
        println!("all well");
        return ExitCode::SUCCESS;
    }
    println!("FAILED: {}", soak.failures.join("; "));
    ExitCode::FAILURE
}

struct Soak {
    host: Host,
    crowd: Arc<Vec<(Tenant, Vec<String>)>>,
    failures: Vec<String>,
}

impl Soak {
    fn start(state: &Path) -> Soak {
        let mut host = Host::for_a_crowd(state);
        let mut crowd = Vec::new();
        for _ in 0..TENANTS {
            let tenant = Tenant::connect(&mut host);
            // One after the other, below the rate that a tenant may have.
            let users = (0..USERS).map(|number| {
                std::thread::sleep(Duration::from_millis(10));
                tenant.create(&mut host, &format!("user{number}@contoso.com")).expect(201).text("/id")
            });
            let users = users.collect();
            crowd.push((tenant, users));
        }
        Soak { host, crowd: Arc::new(crowd), failures: Vec::new() }
    }

    /// Many at once, one request each.
    fn burst(&mut self, connections: usize) {
        let load = Load {
            address: self.host.address(),
            connections,
            duration: Duration::from_secs(600),
            rate: None,
            requests_each: Some(1),
        };
        let crowd = self.crowd.clone();
        let measured = load.run(move |connection, _| {
            let (tenant, users) = &crowd[connection % TENANTS];
            load::bytes(&tenant.request("GET", &format!("/Users/{}", users[connection % USERS]), None))
        });
        let measured = measured.unwrap();
        self.judge(&format!("{connections} connections at once"), &measured);
        self.expect(measured.latencies.len() == connections, "a connection had no answer");
    }

    /// What one tenant notices of another that does not stop: at first, and once that is held to its rate.
    fn flood(&mut self) {
        // What was loaded before has its records written by then.
        std::thread::sleep(Duration::from_secs(3));
        let (at_first, afterwards) = (Duration::from_secs(4), Duration::from_secs(40));
        let address = self.host.address();
        let crowd = self.crowd.clone();
        let quiet = move |part: u32, duration: Duration| {
            let crowd = crowd.clone();
            let load = Load { address, connections: 4, duration, rate: Some(25.0), requests_each: None };
            load.run(move |connection, nth| load::bytes(&mixed(&crowd[1..2], part, connection, nth))).unwrap()
        };
        let alone = quiet(PARTS, afterwards / 4);
        let (tenant, users) = &self.crowd[0];
        let (tenant, user) = (tenant.clone(), users[0].clone());
        let flood = std::thread::spawn(move || {
            let duration = at_first + afterwards + Duration::from_secs(1);
            let load = Load { address, connections: CONNECTIONS, duration, rate: None, requests_each: None };
            load.run(move |_, _| load::bytes(&tenant.request("GET", &format!("/Users/{user}"), None))).unwrap()
        });
        let first = quiet(PARTS + 1, at_first);
        let beside = quiet(PARTS + 2, afterwards);
        let flood = flood.join().unwrap();
        self.judge("a tenant alone", &alone);
        self.judge("the same when a flood begins", &first);
        self.judge("the same beside it", &beside);
        self.judge("the flood", &flood);
        let times = |measured: &Measured| measured.quantile(0.99).as_secs_f64() / alone.quantile(0.99).as_secs_f64();
        let mut whole = first.clone();
        whole.merge(beside.clone());
        println!(
            "its p99 is {:.1} times that alone in the first {:?} of the flood, {:.1} times in the {:?} that follow, and {:.1} \
             times over both",
            times(&first),
            at_first,
            times(&beside),
            afterwards,
            times(&whole)
        );
    }

    fn judge(&mut self, what: &str, measured: &Measured) {
        let milliseconds = |share| measured.quantile(share).as_secs_f64() * 1e3;
        println!(
            "{what}: {:.0}/s, p50 {:.1} ms, p99 {:.1} ms, {:?}",
            measured.throughput(),
            milliseconds(0.5),
            milliseconds(0.99),
            measured.statuses
        );
        let fine = measured.statuses.keys().all(|status| (200..300).contains(status) || *status == 429);
        self.expect(fine, &format!("{what}: {:?}", measured.statuses));
        let broken = measured.broken.first().cloned().unwrap_or_default();
        self.expect(
            measured.broken.is_empty(),
            &format!("{what}: {} without an answer, {broken}", measured.broken.len()),
        );
    }

    fn check(&mut self) {
        for (tenant, _) in self.crowd.clone().iter() {
            let found = tenant.admin(&mut self.host, "GET", "/check", None).expect(200).body;
            self.expect(found["findings"] == json!([]), &format!("the checker found {found}"));
        }
    }

    fn expect(&mut self, fine: bool, otherwise: &str) {
        if !fine {
            self.failures.push(otherwise.to_owned());
        }
    }

    /// What the program holds in memory, where the system tells.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.host.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kilobytes << 10)
    }
}

/// What a provider sends in its cycles: mostly look-ups, some changes, now and then somebody new.
fn mixed(crowd: &[(Tenant, Vec<String>)], part: u32, connection: usize, nth: usize) -> Request<Vec<u8>> {
    let (tenant, users) = &crowd[connection % crowd.len()];
    let number = (connection / crowd.len() * 7 + nth) % users.len();
    match nth % 20 {
        0 => {
            let user = life::user(&format!("new.{part}.{connection}.{nth}@contoso.com"));
            tenant.request("POST", "/Users", Some(&user))
        }
        5 | 15 => {
            let operations =
                json!([{"op": "Replace", "path": "displayName", "value": format!("{part} {connection} {nth}")}]);
            tenant.request("PATCH", &format!("/Users/{}", users[number]), Some(&life::patch(&operations)))
        }
        10 => tenant.request("GET", "/Users?count=20", None),
        3 | 8 | 13 | 18 => tenant.request("GET", &format!("/Users/{}", users[number]), None),
        _ => tenant.request("GET", &format!("/Users?filter=userName+eq+%22user{number}%40contoso.com%22"), None),
    }
}

//! What one tenant notices of a flood on 16 connections, be it of strangers or of another tenant's worst requests:
//!
//! ```console
//! $ cargo run --release --example neighbours -- --seconds 20
//! ```
//!
//! Each flood is measured from its first request on, between two controls on the same host and with the same load, so what
//! is compared is a ratio. It fails where a p99 is above twice that of the better control beside strangers, or three times
//! beside another tenant, where a quiet request is not answered, and where the program takes 512 MB. With `--times printed`
//! times are only printed, since on a machine with other work they say more of that.

use acceptance::arguments::{argument, number};
use acceptance::life::{self, Tenant};
use acceptance::load::{self, Load, Measured};
use acceptance::program::{Host, fresh};
use http::{HeaderValue, Request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Connections of the tenant that does not stop.
const CONNECTIONS: usize = 16;

/// Of the other one, and what it asks a second.
const QUIET_CONNECTIONS: usize = 4;
const QUIET_RATE: f64 = 25.0;

/// Of a stranger's large request.
const BODY_BYTES: usize = 1 << 20;

/// Users of either, and values of an attribute that value filters look through.
const USERS: usize = 200;
const VALUES: usize = 200;

/// What the program may take, in bytes.
const MEMORY_MAX: u64 = 512 << 20;

/// A flood, and how many times its p99 without the flood another tenant's may be.
struct Flood {
    name: &'static str,
    request: Request<Vec<u8>>,
    times_max: f64,
}

fn main() -> ExitCode {
    let duration = Duration::from_secs(number("--seconds", 20) as u64);
    let judges_times = argument("--times").is_none_or(|how| how != "printed");
    let state = argument("--state").map_or_else(|| fresh("neighbours"), PathBuf::from);
    let mut host = Host::as_shipped(&state);
    let [worst, quiet] = [(); 2].map(|()| furnish(&mut host));
    let address = host.address();
    let mut well = true;
    let mut before = measure(address, &quiet, duration);
    for flood in strangers(&worst.0).into_iter().chain(worst_requests(&worst)) {
        let beside = beside(address, &flood, &quiet, duration);
        let after = measure(address, &quiet, duration);
        well &= judge(&flood, [&before, &beside, &after], judges_times);
        before = after;
    }
    let memory = memory(&host);
    println!("memory of the program: {} MB at most", memory.unwrap_or(0) >> 20);
    if well && memory.is_none_or(|bytes| bytes < MEMORY_MAX) {
        println!("all well");
        return ExitCode::SUCCESS;
    }
    println!("FAILED: another tenant notices too much, or the program takes too much memory");
    ExitCode::FAILURE
}

/// What the quiet tenant measures from the first request of a flood on.
fn beside(address: SocketAddr, flood: &Flood, quiet: &(Tenant, Vec<String>), duration: Duration) -> [Measured; 2] {
    let (name, bytes) = (flood.name, load::bytes(&flood.request));
    let flood = std::thread::spawn(move || {
        // It ends after what is measured.
        let duration = duration + Duration::from_secs(1);
        let load = Load { address, connections: CONNECTIONS, duration, rate: None, requests_each: None };
        load.run(move |_, _| bytes.clone()).unwrap()
    });
    let beside = measure(address, quiet, duration);
    let flood = flood.join().unwrap();
    println!("{CONNECTIONS} connections, {name}: {:.0}/s, {:?}", flood.throughput(), flood.statuses);
    beside
}

/// Whether the quiet tenant noticed no more than it may, and was always answered.
fn judge(flood: &Flood, [before, beside, after]: [&[Measured; 2]; 3], judges_times: bool) -> bool {
    let mut well = true;
    for (what, index) in [("reads", 0), ("writes", 1)] {
        let p99 = |part: &[Measured; 2]| part[index].quantile(0.99).as_secs_f64() * 1e3;
        let control = p99(before).min(p99(after));
        let ratio = p99(beside) / control;
        println!(
            "  {what} of the other tenant: p99 {:.1} ms beside it, {control:.1} ms alone, {ratio:.1} times; {:?}",
            p99(beside),
            beside[index].statuses
        );
        well &= beside[index].statuses.keys().all(|status| (200..300).contains(status))
            && beside[index].broken.is_empty()
            && (!judges_times || ratio <= flood.times_max);
    }
    well
}

/// The most that the program has had in memory, in bytes, where the system tells.
fn memory(host: &Host) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes << 10)
}

/// A tenant with users.
fn furnish(host: &mut Host) -> (Tenant, Vec<String>) {
    let tenant = Tenant::connect(host);
    let users = (0..USERS).map(|number| {
        // Below the rate that a tenant may have.
        std::thread::sleep(Duration::from_millis(5));
        let mut user = life::user(&format!("user{number}@contoso.com"));
        if number == 0 {
            user["emails"] =
                (0..VALUES).map(|n| json!({"value": format!("{n}@contoso.com"), "type": "other"})).collect();
        }
        tenant.scim(host, "POST", "/Users", Some(&user)).expect(201).text("/id")
    });
    let users = users.collect();
    (tenant, users)
}

/// Those without a token that works.
fn strangers(tenant: &Tenant) -> Vec<Flood> {
    let nested = vec![b'['; BODY_BYTES];
    let request = |method: &str, path: &str, body: Vec<u8>| {
        let builder = Request::builder().method(method).uri(path).header("host", "scim.example.com");
        builder.header("content-type", "application/json").body(body).unwrap()
    };
    let mut wrong = tenant.request("POST", "/Bulk", None);
    wrong.headers_mut().insert("authorization", HeaderValue::from_static("Bearer wrong"));
    *wrong.body_mut() = nested.clone();
    let without = request("GET", &format!("/scim/v2/{}/Users", tenant.id), Vec::new());
    let session = request("POST", "/admin/api/v1/session", nested);
    [("reads without a token", without), ("1 MiB with a wrong token", wrong), ("1 MiB to sign in with", session)]
        .map(|(name, request)| Flood { name, request, times_max: 2.0 })
        .into()
}

/// Those of a tenant that were found to cost most.
fn worst_requests((tenant, users): &(Tenant, Vec<String>)) -> Vec<Flood> {
    let operations: Value = (0..VALUES)
        .map(|n| json!({"op": "replace", "path": format!("emails[value co \"{n}@\"].display"), "value": "x"}))
        .collect();
    let operation = |n: usize| {
        json!({"method": "PATCH", "path": format!("/Users/{}", users[n]), "data": {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "displayName", "value": "x"}]}})
    };
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": (0..USERS).map(operation).collect::<Vec<_>>()});
    [
        ("lists of 200, sorted", tenant.request("GET", "/Users?count=200&sortBy=displayName", None)),
        (
            "PATCH with 200 value filters over 200 values",
            tenant.request("PATCH", &format!("/Users/{}", users[0]), Some(&life::patch(&operations))),
        ),
        ("bulk of 200 changes", tenant.request("POST", "/Bulk", Some(&bulk))),
    ]
    .map(|(name, request)| Flood { name, request, times_max: 3.0 })
    .into()
}

/// Reads and writes, at the same time.
fn measure(address: SocketAddr, quiet: &(Tenant, Vec<String>), duration: Duration) -> [Measured; 2] {
    let load = Load { address, connections: QUIET_CONNECTIONS, duration, rate: Some(QUIET_RATE), requests_each: None };
    let [reader, writer] = [(); 2].map(|()| quiet.clone());
    let reading = std::thread::spawn(move || {
        load.run(move |connection, nth| {
            let user = &reader.1[(connection * 7 + nth) % USERS];
            load::bytes(&reader.0.request("GET", &format!("/Users/{user}"), None))
        })
    });
    let written = load.run(move |connection, nth| {
        let user = &writer.1[(connection * 50 + nth) % USERS];
        let change = json!([{"op": "Replace", "path": "displayName", "value": format!("{connection} {nth}")}]);
        load::bytes(&writer.0.request("PATCH", &format!("/Users/{user}"), Some(&life::patch(&change))))
    });
    [reading.join().unwrap().unwrap(), written.unwrap()]
}

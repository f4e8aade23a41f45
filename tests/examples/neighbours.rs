//! What one tenant notices of another whose requests cost as much as one may, on 16 connections:
//!
//! ```console
//! $ cargo run --release --example neighbours -- --seconds 20
//! ```
//!
//! Each kind of request is measured between two controls, on the same host and with the same load, so what is compared is a
//! ratio. It fails where a p99 is above `--times` (3) times the better control's, or where a quiet request is not answered.

use acceptance::arguments::{argument, number};
use acceptance::life::{self, Tenant};
use acceptance::load::{self, Load, Measured};
use acceptance::program::{Host, fresh};
use http::Request;
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

/// Users of either, and values of an attribute that value filters look through.
const USERS: usize = 200;
const VALUES: usize = 200;

fn main() -> ExitCode {
    let duration = Duration::from_secs(number("--seconds", 20) as u64);
    let times = number("--times", 3) as f64;
    let state = argument("--state").map_or_else(|| fresh("neighbours"), PathBuf::from);
    let mut host = Host::as_shipped(&state);
    let [worst, quiet] = [(); 2].map(|()| furnish(&mut host));
    let address = host.address();
    let mut well = true;
    for (name, request) in worst_requests(&worst) {
        let before = measure(address, &quiet, duration);
        let flood = std::thread::spawn(move || {
            // It begins before what is measured, and ends after it.
            let duration = duration * 2 + Duration::from_secs(2);
            let load = Load { address, connections: CONNECTIONS, duration, rate: None, requests_each: None };
            let bytes = load::bytes(&request);
            load.run(move |_, _| bytes.clone()).unwrap()
        });
        std::thread::sleep(Duration::from_secs(1));
        let beside = measure(address, &quiet, duration);
        let flood = flood.join().unwrap();
        let after = measure(address, &quiet, duration);
        println!("{CONNECTIONS} connections, {name}: {:.0}/s, {:?}", flood.throughput(), flood.statuses);
        for (what, index) in [("reads", 0), ("writes", 1)] {
            let p99 = |part: &[Measured; 2]| part[index].quantile(0.99).as_secs_f64() * 1e3;
            let control = p99(&before).min(p99(&after));
            let ratio = p99(&beside) / control;
            let fine = beside[index].statuses.keys().all(|status| (200..300).contains(status))
                && beside[index].broken.is_empty();
            println!(
                "  {what} of the other tenant: p99 {:.1} ms beside it, {control:.1} ms alone, {ratio:.1} times; {:?}",
                p99(&beside),
                beside[index].statuses
            );
            well &= fine && ratio <= times;
        }
    }
    if well {
        println!("all well");
        return ExitCode::SUCCESS;
    }
    println!("FAILED: another tenant notices more than {times} times");
    ExitCode::FAILURE
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

/// Those that were found to cost most.
fn worst_requests((tenant, users): &(Tenant, Vec<String>)) -> Vec<(&'static str, Request<Vec<u8>>)> {
    let operations: Value = (0..VALUES)
        .map(|n| json!({"op": "replace", "path": format!("emails[value co \"x{n}\"].display"), "value": "x"}))
        .collect();
    let operation = |n: usize| {
        json!({"method": "PATCH", "path": format!("/Users/{}", users[n]), "data": {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "displayName", "value": "x"}]}})
    };
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": (0..USERS).map(operation).collect::<Vec<_>>()});
    vec![
        ("lists of 200, sorted", tenant.request("GET", "/Users?count=200&sortBy=displayName", None)),
        (
            "PATCH with 200 value filters over 200 values",
            tenant.request("PATCH", &format!("/Users/{}", users[0]), Some(&life::patch(&operations))),
        ),
        ("bulk of 200 changes", tenant.request("POST", "/Bulk", Some(&bulk))),
    ]
}

/// Reads, and then writes.
fn measure(address: SocketAddr, (tenant, users): &(Tenant, Vec<String>), duration: Duration) -> [Measured; 2] {
    let load = Load { address, connections: QUIET_CONNECTIONS, duration, rate: Some(QUIET_RATE), requests_each: None };
    let [reader, writer] = [(); 2].map(|()| (tenant.clone(), users.clone()));
    let read = load.run(move |connection, nth| {
        let user = &reader.1[(connection * 7 + nth) % USERS];
        load::bytes(&reader.0.request("GET", &format!("/Users/{user}"), None))
    });
    let write = load.run(move |connection, nth| {
        let user = &writer.1[(connection * 50 + nth) % USERS];
        let change = json!([{"op": "Replace", "path": "displayName", "value": format!("{connection} {nth}")}]);
        load::bytes(&writer.0.request("PATCH", &format!("/Users/{user}"), Some(&life::patch(&change))))
    });
    [read.unwrap(), write.unwrap()]
}

//! Export, import, check and repair of a large tenant, through the real host and component:
//!
//! ```console
//! $ cargo run --release --example large -- --users 500000 --state /tmp/large
//! ```
//!
//! Prints how long each of them took, in how many calls, and the peak of the host's memory meanwhile. `--program` takes a
//! host that was built before. It fails where one of them is not complete, or differs. The file and both stores take about
//! 4 GB for 500,000 users; the state directory has to be new. Takes `curl`.

use acceptance::arguments::{argument, number};
use acceptance::hosted;
use acceptance::life::{self, Tenant};
use acceptance::loader::Loader;
use acceptance::program::{Host, fresh};
use acceptance::run::Server as _;
use acceptance::world::ADMIN_SECRET;
use rollcall_host::keyvalue::{Database, Stores};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let users = number("--users", 500_000);
    let state = argument("--state").map_or_else(|| fresh("large"), PathBuf::from);
    let program = argument("--program").map_or_else(hosted::program, PathBuf::from);
    let (old, new, file) = (state.join("old"), state.join("new"), state.join("tenant.ndjson"));
    for folder in [&old, &new] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let tenant = measured("fill", None, || fill(&old, users));

    let mut host = Host::of(&program, &old);
    let id = host.id();
    let exported = measured("export", Some(id), || export(&host, &tenant, &file));
    println!("        {} bytes", std::fs::metadata(&file).map_or(0, |file| file.len()));
    let mut well = expect(exported, "the export");
    well &= audit(&mut host, &tenant, "check", "GET", "findings");
    well &= audit(&mut host, &tenant, "repair", "POST", "left");
    drop(host);

    let mut host = Host::of(&program, &new);
    let id = host.id();
    life::admin(&mut host.process, "POST", "/tenants", Some(&json!({"name": "Large", "id": tenant.id}))).expect(201);
    let imported = measured("import", Some(id), || import(&host, &tenant, &file));
    well &= expect(imported, "the import");
    let there = tenant.scim(&mut host.process, "GET", "/Users?count=0", None).body["totalResults"].clone();
    well &= expect(there == users, &format!("the number of users, {there}"));
    well &= audit(&mut host, &tenant, "check", "GET", "findings");
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fill(state: &Path, users: usize) -> Tenant {
    let database = Database::open(&state.join(Database::FILE_NAME)).unwrap();
    let mut loader = Loader::on(database.store(Stores::DEFAULT), ADMIN_SECRET);
    let tenant = loader.tenant("Large");
    loader.users(&tenant, users);
    loader.flush();
    tenant
}

fn curl(host: &Host, path: &str, arguments: &[&str]) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--header", &format!("authorization: Bearer {ADMIN_SECRET}")]);
    curl.arg(format!("http://{}/admin/api/v1{path}", host.address())).args(arguments);
    curl
}

/// Whether it came through, with its last line.
fn export(host: &Host, tenant: &Tenant, file: &Path) -> bool {
    let output = file.display().to_string();
    let mut curl = curl(host, &format!("/tenants/{}/export", tenant.id), &["--output", &output]);
    let came = curl.status().unwrap().success();
    let last = Command::new("tail").args(["-n", "1"]).arg(file).output().unwrap().stdout;
    came && String::from_utf8_lossy(&last).contains("\"type\":\"trailer\"")
}

/// Whether one command was enough.
fn import(host: &Host, tenant: &Tenant, file: &Path) -> bool {
    let input = file.display().to_string();
    let output = curl(host, &format!("/tenants/{}/import", tenant.id), &["--request", "POST", "--upload-file", &input])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    println!("        {answer}{}", String::from_utf8_lossy(&output.stderr));
    answer["state"] == "done"
}

/// A check or a repair, all calls of it. Whether nothing was found, mended, left or not looked at.
fn audit(host: &mut Host, tenant: &Tenant, what: &str, method: &str, found: &str) -> bool {
    let (mut calls, mut longest, mut well) = (0, Duration::ZERO, true);
    let id = host.id();
    measured(what, Some(id), || {
        let mut path = format!("/{what}");
        loop {
            let begun = Instant::now();
            let reply = tenant.admin(&mut host.process, method, &path, None);
            calls += 1;
            longest = longest.max(begun.elapsed());
            let nothing = [found, "unlooked"].iter().all(|member| reply.body[*member] == json!([]));
            well &= expect(reply.status == 200 && nothing, &format!("{what}: {} {}", reply.status, reply.body));
            match reply.body["position"].as_str() {
                Some(position) if reply.status == 200 => path = format!("/{what}?position={position}"),
                Some(_) | None => break,
            }
        }
    });
    println!("        {calls} calls, the longest took {:.1} s", longest.as_secs_f64());
    host.process.pass(Duration::ZERO);
    well
}

fn expect(fine: bool, what: &str) -> bool {
    if !fine {
        println!("        NOT AS EXPECTED: {what}");
    }
    fine
}

/// Prints how long it takes, and the peak of a process's memory meanwhile.
fn measured<T>(what: &str, process: Option<u32>, act: impl FnOnce() -> T) -> T {
    if let Some(id) = process {
        // Linux forgets the earlier peak.
        let _ = std::fs::write(format!("/proc/{id}/clear_refs"), "5");
    }
    let begun = Instant::now();
    let result = act();
    let seconds = begun.elapsed().as_secs_f64();
    let status = process.map(|id| std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default());
    let peak = status.as_deref().and_then(|status| status.lines().find_map(|line| line.strip_prefix("VmHWM:")));
    println!("{what:8}{seconds:8.1} s{}", peak.map_or_else(String::new, |peak| format!(", peak {}", peak.trim())));
    result
}

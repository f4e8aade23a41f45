//! The host's program is killed between requests, at once and without a word. What was answered is there afterwards.

use acceptance::hosted;
use acceptance::life::{self, Tenant};
use acceptance::run::Server;
use acceptance::world::ADMIN_SECRET;
use http::{Request, Response};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[test]
fn nothing_that_was_answered_is_lost_when_the_process_is_killed() {
    let state = fresh("durability");
    let mut host = Host::start(&state);
    let tenant = Tenant::connect(&mut host);
    host.kill_and_start(&state);
    let mut users: Vec<(String, String, bool)> = Vec::new();
    let mut changes = 0;
    for round in 0..4 {
        let name = format!("user{round}@contoso.com");
        let id = tenant.create(&mut host, &name).expect(201).text("/id");
        users.push((id.clone(), name, true));
        host.kill_and_start(&state);
        compare(&mut host, &tenant, &users);

        let renamed = format!("renamed{round}@contoso.com");
        let operations = json!([{"op": "Replace", "path": "userName", "value": renamed}, {"op": "Replace", "path": "active", "value": "False"}]);
        tenant.patch(&mut host, &id, &operations).expect(200);
        users[round].1 = renamed;
        users[round].2 = false;
        host.kill_and_start(&state);
        compare(&mut host, &tenant, &users);
        changes += 2;
    }
    let (gone, ..) = users.remove(1);
    tenant.delete(&mut host, &gone).expect(204);
    host.kill_and_start(&state);
    compare(&mut host, &tenant, &users);

    let rotated =
        tenant.admin(&mut host, "POST", "/connection/rotate", Some(&json!({"overlapSeconds": 0}))).expect(200);
    host.kill_and_start(&state);
    tenant.read(&mut host, &users[0].0).expect(401);
    let tenant = Tenant { token: rotated.text("/secretToken"), ..tenant };
    compare(&mut host, &tenant, &users);

    // Every change has its record, and the numbers have no gap.
    let journal = tenant.journal(&mut host);
    let changed = journal.iter().filter(|record| record["changed"] == true).count();
    assert_eq!(changed, changes + 1);
    let numbers: Vec<u64> = journal.iter().rev().map(|record| record["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=journal.len() as u64).collect::<Vec<_>>());
    let findings = tenant.admin(&mut host, "GET", "/check", None).expect(200).body;
    assert_eq!(findings, json!({"findings": []}));
}

fn compare(host: &mut Host, tenant: &Tenant, users: &[(String, String, bool)]) {
    let listed = tenant.scim(host, "GET", "/Users", None).expect(200).body;
    let user = |user: &Value| {
        let text = |name: &str| user[name].as_str().unwrap().to_owned();
        (text("id"), text("userName"), user["active"].as_bool().unwrap())
    };
    let found: Vec<_> = listed["Resources"].as_array().unwrap().iter().map(user).collect();
    assert_eq!(found, users);
    for (id, name, _) in users {
        assert_eq!(tenant.find(host, name).expect(200).text("/Resources/0/id"), *id);
    }
}

#[test]
fn a_made_secret_is_printed_and_stays_the_same() {
    let state = fresh("secret");
    let secret = |state: &Path| {
        let mut host = Host::with(state, &[]);
        let mut line = String::new();
        while !line.contains("admin secret") {
            line.clear();
            assert_ne!(host.out.read_line(&mut line).unwrap(), 0, "no secret was printed");
        }
        line.trim().rsplit(' ').next().unwrap().to_owned()
    };
    let first = secret(&state);
    assert_eq!(secret(&state), first);
    let mut host = Host::with(&state, &[]);
    let request =
        Request::get("/admin/api/v1/tenants").header("host", "a").header("authorization", format!("Bearer {first}"));
    assert_eq!(host.answer(request.body(Vec::new()).unwrap()).status(), 200);
    assert_eq!(life::admin(&mut host, "GET", "/tenants", None).status, 401);
}

/// The program with its data in a directory.
struct Host {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Host {
    fn start(state: &Path) -> Host {
        Host::with(state, &["--variable", &format!("admin_secret={ADMIN_SECRET}")])
    }

    fn with(state: &Path, options: &[&str]) -> Host {
        // Built before, so that the program does not build it.
        hosted::component();
        let mut child = Command::new(program())
            .args(["--listen", "127.0.0.1:0", "--no-build", "--from"])
            .arg(hosted::root().join("spin.toml"))
            .arg("--state")
            .arg(state)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap().parse();
        let address = address.unwrap_or_else(|_| panic!("the program said {line:?}"));
        Host { child, out, address }
    }

    /// SIGKILL: no destructor runs, no buffer is written.
    fn kill_and_start(&mut self, state: &Path) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        *self = Host::start(state);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server for Host {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        hosted::exchange(self.address, &request).unwrap()
    }

    fn pass(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

fn program() -> PathBuf {
    let built = hosted::cargo(&["build", "--quiet", "-p", "rollcall-host", "--bin", "rollcall-host"]).status().unwrap();
    assert!(built.success());
    let own = std::env::current_exe().unwrap();
    // …/target/debug/deps/durability-0123 stands two below the folder of the programs.
    own.ancestors().nth(2).unwrap().join(format!("rollcall-host{}", std::env::consts::EXE_SUFFIX))
}

/// An empty folder.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

//! The host's program is killed between requests, at once and without a word. What was answered is there afterwards.

use acceptance::life::{self, Tenant};
use acceptance::program::{Host, fresh, host_command};
use acceptance::run::Server;
use http::Request;
use rollcall_host::keyvalue::Database;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

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
    assert_eq!(tenant.check(&mut host), [] as [String; 0]);
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
fn a_made_secret_is_printed_once_and_later_only_where_it_stands() {
    let state = fresh("secret");
    let said = |state: &Path| {
        let mut host = Host::with(state, &[]);
        let mut line = String::new();
        while !line.contains("admin secret") {
            line.clear();
            assert_ne!(host.out.read_line(&mut line).unwrap(), 0, "nothing was said of the secret");
        }
        line.trim().trim_start_matches("admin secret").trim().to_owned()
    };
    let file = state.join("admin_secret");
    let secret = said(&state);
    assert_eq!(secret, std::fs::read_to_string(&file).unwrap().trim());
    assert_eq!(said(&state), format!("in {}", file.display()));
    let mut host = Host::with(&state, &[]);
    let request =
        Request::get("/admin/api/v1/tenants").header("host", "a").header("authorization", format!("Bearer {secret}"));
    assert_eq!(host.answer(request.body(Vec::new()).unwrap()).status(), 200);
    assert_eq!(life::admin(&mut host, "GET", "/tenants", None).status, 401);
}

#[test]
fn a_host_whose_settings_cannot_be_used_ends_with_a_sentence() {
    for (setting, name) in [("public_url=javascript://x", "public_url"), ("journal_capacity=0", "journal_capacity")] {
        let ended =
            host_command(&fresh("misconfigured"), &["--variable", setting]).stdout(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(name), "{setting}: {said}");
        assert!(!String::from_utf8_lossy(&ended.stdout).contains("serves"), "{setting}");
    }
}

#[test]
fn an_empty_database_is_said() {
    let state = fresh("empty-database");
    let host = |state: &Path| {
        let mut child =
            host_command(state, &["--quiet"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        child.kill().unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
    };
    assert_eq!(host(&state), "");
    assert_eq!(host(&state), "", "that the host made it just now is no surprise");
    std::fs::write(state.join(Database::FILE_NAME), "").unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(state.join(format!("{}{suffix}", Database::FILE_NAME)));
    }
    let said = host(&state);
    assert!(said.contains("is there and empty, so there are no tenants"), "{said}");
}

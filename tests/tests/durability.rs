//! The host's program is killed between requests, at once and without a word. What was answered is there afterwards.

use acceptance::life::{self, Tenant};
use acceptance::program::{Host, fresh};
use acceptance::run::Server;
use http::Request;
use serde_json::{Value, json};
use std::io::BufRead as _;
use std::path::Path;

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

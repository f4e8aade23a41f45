//! What the store is found to be, on a model of each backend, and that nothing is written to one that breaks turns.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Backend, Fault, Verb};
use acceptance::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn on(backend: Backend) -> Native {
    Native::within(&World::on(backend, &BTreeMap::new()))
}

fn report(server: &mut Native) -> Value {
    life::admin(server, "GET", "/store", None).expect(200).body
}

#[test]
fn the_first_write_tells_the_backends_apart() {
    for (backend, batches) in [(Backend::SQLITE, "whole"), (Backend::REDIS, "whole"), (Backend::DYNAMODB, "parts")] {
        let mut server = on(backend);
        assert_eq!(life::admin(&mut server, "GET", "/store", None).status, 404);
        Tenant::connect(&mut server);
        let report = report(&mut server);
        assert_eq!(
            (&report["backend"], &report["batches"], &report["usable"], &report["refusal"]),
            (&json!(backend.name), &json!(batches), &json!(true), &Value::Null)
        );
        let failed = report["checks"].as_array().unwrap().iter().filter(|check| !check["found"].is_null()).count();
        assert_eq!((failed, report["testedAt"].as_str()), (0, Some("2026-11-24T09:00:00.000Z")));
    }
}

#[test]
fn a_test_leaves_nothing_but_its_count_and_its_report() {
    for backend in [Backend::SQLITE, Backend::REDIS, Backend::DYNAMODB, Backend::COSMOS_DB] {
        let mut server = on(backend);
        life::admin(&mut server, "POST", "/store", None).expect(200);
        life::admin(&mut server, "POST", "/store", None).expect(200);
        assert_eq!(server.world.store.keys(), ["p.runs", "r.store"], "{}", backend.name);
    }
}

#[test]
fn a_store_that_breaks_turns_is_read_and_never_written() {
    // Which of the checks meets a stale read first is up to the store.
    let stale = "expected the value that was written last, found another one";
    let cosmos = "the store looks like Cosmos DB, whose increment can tell two callers the same number; use SQLite, Redis \
        or DynamoDB";
    for (backend, refusal) in [(Backend::DYNAMODB_STALE, stale), (Backend::COSMOS_DB, cosmos)] {
        let mut server = on(backend);
        let name = json!({"name": "Contoso"});
        for _ in 0..2 {
            let refused = life::admin(&mut server, "POST", "/tenants", Some(&name)).expect(503);
            let message = refused.text("/error/message");
            assert!(message.starts_with("service: the store is not fit to be written to"), "{message}");
        }
        let log = server.world.log.borrow().join("\n");
        assert!(log.contains("nothing is written to the store: ") && log.contains(refusal), "{log}");
        // Another instance knows it from the report, and tries nothing.
        let mut other = Native::within(&server.world);
        server.world.store.forget_calls();
        life::admin(&mut other, "POST", "/tenants", Some(&name)).expect(503);
        assert_eq!(server.world.store.write_transactions(), 0);
        life::admin(&mut other, "GET", "/tenants", None).expect(200);
        assert!(report(&mut other)["refusal"].as_str().unwrap().contains(refusal));
    }
}

#[test]
fn what_one_instance_finds_the_others_know() {
    let mut one = on(Backend::SQLITE);
    let mut other = Native::within(&one.world);
    let mut unfit = life::admin(&mut one, "POST", "/store", None).expect(200).body;
    assert_eq!(report(&mut other)["usable"], true);
    unfit["usable"] = json!(false);
    unfit["checks"][0]["found"] = json!("another one");
    one.world.store.plant("r.store", Some(unfit.to_string().into_bytes()));
    assert_eq!(report(&mut other)["usable"], false);
    let name = json!({"name": "Contoso"});
    life::admin(&mut other, "POST", "/tenants", Some(&name)).expect(503);
    life::admin(&mut one, "POST", "/store", None).expect(200);
    life::admin(&mut other, "POST", "/tenants", Some(&name)).expect(201);
}

#[test]
fn a_request_costs_no_call_for_what_is_known() {
    let mut server = on(Backend::SQLITE);
    let tenant = Tenant::connect(&mut server);
    let id = tenant.create(&mut server, "alice").expect(201).text("/id");
    server.world.store.forget_calls();
    tenant.read(&mut server, &id).expect(200);
    let calls = server.world.store.calls();
    assert!(calls.iter().all(|call| !call.keys.contains(&"r.store".to_owned())), "{calls:#?}");
    // A new instance asks once.
    let mut other = Native::within(&server.world);
    server.world.store.forget_calls();
    tenant.read(&mut other, &id).expect(200);
    tenant.read(&mut other, &id).expect(200);
    let asked = |call: &&acceptance::store::Call| call.keys.contains(&"r.store".to_owned());
    assert_eq!(server.world.store.calls().iter().filter(asked).count(), 1);
}

#[test]
fn a_store_that_fails_for_a_moment_is_not_taken_for_another_one() {
    for backend in Backend::FIT {
        let mut whole = on(backend);
        life::admin(&mut whole, "POST", "/store", None).expect(200);
        let steps = whole.world.store.steps().len();
        for fault in [Fault::Refused, Fault::Lost] {
            for step in 0..steps {
                let mut server = on(backend);
                server.world.store.fail(step..step + 1, fault);
                let reply = life::admin(&mut server, "POST", "/store", None);
                server.world.store.forget_calls();
                let report = match reply.status {
                    // Inconclusive: nothing wrong is remembered, and the next one tries again.
                    503 => life::admin(&mut server, "POST", "/store", None).expect(200).body,
                    _ => reply.expect(200).body,
                };
                assert_eq!(report["backend"], backend.name.trim_start_matches("guarded "), "{fault:?} at step {step}");
                assert_eq!(report["refusal"], Value::Null, "{fault:?} at step {step}");
                let remembered = String::from_utf8(server.world.store.value("r.store").unwrap()).unwrap();
                assert!(remembered.contains("\"usable\":true"), "{fault:?} at step {step}: {remembered}");
            }
        }
    }
}

#[test]
fn the_operator_may_know_better() {
    for (batches, writes) in [("parts", 4), ("whole", 2), ("auto", 2)] {
        let variables = BTreeMap::from([("store_batches".to_owned(), batches.to_owned())]);
        let mut server = Native::within(&World::new(&variables));
        let tenant = Tenant::connect(&mut server);
        server.world.store.forget_calls();
        tenant.create(&mut server, "alice").expect(201);
        assert_eq!(server.world.store.write_transactions(), writes, "{batches}");
    }
}

#[test]
fn a_change_on_dynamodb_keeps_within_a_batch() {
    let mut server = on(Backend::DYNAMODB);
    let tenant = Tenant::connect(&mut server);
    tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
    let users: Vec<String> =
        (0..60).map(|n| tenant.create(&mut server, &format!("user{n}")).expect(201).text("/id")).collect();
    let members: Vec<Value> = users.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"displayName": "All", "members": members});
    let group = tenant.scim(&mut server, "POST", "/Groups", Some(&body)).expect(201).text("/id");
    let whole = tenant.scim(&mut server, "GET", &format!("/Groups/{group}"), None).expect(200).body;
    assert_eq!(whole["members"].as_array().unwrap().len(), 60);
    server.world.store.forget_calls();
    tenant.scim(&mut server, "DELETE", &format!("/Groups/{group}"), None).expect(204);
    tenant.delete(&mut server, &users[0]).expect(204);
    let calls = server.world.store.calls();
    let batches = calls.iter().filter(|call| matches!(call.verb, Verb::SetMany | Verb::DeleteMany));
    assert!(batches.clone().count() > 10 && batches.clone().all(|call| call.keys.len() <= 25));
    let id = rollcall_core::keys::TenantId::parse(&tenant.id).unwrap();
    assert_eq!(server.rollcall.check(&id), Ok(Vec::new()));
    server.pass(std::time::Duration::from_secs(1));
}

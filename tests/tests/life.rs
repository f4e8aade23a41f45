//! Entra's life of a user, in both of its dialects, against the component in its host.

use acceptance::hosted::Hosted;
use acceptance::life::{self, Tenant, Wire};
use acceptance::native::Native;
use acceptance::run::Server;
use std::collections::BTreeMap;

#[test]
fn a_user_lives_at_the_component() {
    for wire in [Wire::Legacy, Wire::Flag] {
        live(&mut Hosted::new(&BTreeMap::new()), wire);
    }
}

#[test]
fn a_user_lives_at_the_core() {
    for wire in [Wire::Legacy, Wire::Flag] {
        live(&mut Native::new(&BTreeMap::new()), wire);
    }
}

#[test]
fn both_dialects_and_two_tenants_live_side_by_side() {
    let mut server = Hosted::new(&BTreeMap::new());
    let (one, other) = (Tenant::connect(&mut server), Tenant::connect(&mut server));
    for wire in [Wire::Legacy, Wire::Flag] {
        life::of_a_user(&mut server, &one, wire, "alice@contoso.com");
        life::of_a_user(&mut server, &other, wire, "alice@contoso.com");
    }
}

#[test]
fn a_change_over_http_costs_three_write_transactions_at_most() {
    let mut server = Hosted::new(&BTreeMap::new());
    let tenant = Tenant::connect(&mut server);
    for n in 0..5 {
        server.probe.reset();
        tenant.create(&mut server, &format!("user{n}")).expect(201);
        let writes = server.probe.write_transactions();
        assert!((1..=3).contains(&writes), "{writes}: {:#?}", server.probe.calls());
    }
}

fn live(server: &mut dyn Server, wire: Wire) {
    let tenant = Tenant::connect(server);
    life::of_a_user(server, &tenant, wire, "alice@contoso.com");
    let words: Vec<String> = tenant.journal(server).iter().rev().map(words).collect();
    assert_eq!(words, JOURNAL);
}

fn words(record: &serde_json::Value) -> String {
    let id = record["user"]["id"].as_str().unwrap_or("nobody");
    format!("{} {}", record["status"], record["operation"].as_str().unwrap().replace(id, "(id)"))
}

const JOURNAL: [&str; 19] = [
    "200 test connection",
];

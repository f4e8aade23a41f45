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

/// The journal has every read, though no instance lived on to write its record.
#[test]
fn a_user_lives_at_the_build_for_wasi_0_2_in_an_instance_for_each_request() {
    for wire in [Wire::Legacy, Wire::Flag] {
        live(&mut Hosted::single_use(&BTreeMap::new()), wire);
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
    // What is gone is named by its id, the last segment of the path.
    let id = record["path"].as_str().and_then(|path| path.strip_prefix("/Users/")).unwrap_or("nobody");
    format!("{} {}", record["status"], record["operation"].as_str().unwrap().replace(id, "(id)"))
}

/// Everything that the life asked, as the journal tells it.
const JOURNAL: &[&str] = &[
    "200 test connection",
    "200 list groups",
    "200 look up user by userName eq \"alice@contoso.com\"",
    "201 create user alice@contoso.com",
    "409 create user alice@contoso.com",
    "200 look up user by userName eq \"ALICE@CONTOSO.COM\"",
    "200 update user alice@contoso.com (displayName)",
    "200 rename user alice@contoso.com to renamed.alice@contoso.com",
    "200 disable user renamed.alice@contoso.com",
    "200 enable user renamed.alice@contoso.com",
    "200 disable user and rename renamed.alice@contoso.com to 3f2a6c1e0b7d4c55a1e29f0d6b8c7a11renamed.alice@contoso.com",
    "201 create user renamed.alice@contoso.com",
    "409 update user 3f2a6c1e0b7d4c55a1e29f0d6b8c7a11renamed.alice@contoso.com",
    "200 read user 3f2a6c1e0b7d4c55a1e29f0d6b8c7a11renamed.alice@contoso.com",
    "204 delete user renamed.alice@contoso.com",
    "200 enable user and rename 3f2a6c1e0b7d4c55a1e29f0d6b8c7a11renamed.alice@contoso.com to renamed.alice@contoso.com",
    "204 delete user renamed.alice@contoso.com",
    "404 read user (id)",
    "404 delete user (id)",
    "200 look up user by userName eq \"renamed.alice@contoso.com\"",
];

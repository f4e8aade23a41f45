//! The sealing key changes: what was sealed cannot be shown any more, and everything goes on.

use acceptance::life::Tenant;
use acceptance::native::Native;
use acceptance::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn a_token_whose_key_has_changed_works_on_and_cannot_be_shown() {
    let mut before = Native::new(&key("one"));
    let tenant = Tenant::connect(&mut before);
    let shown = tenant.admin(&mut before, "GET", "/connection", None).expect(200).body;
    assert_eq!((&shown["secretToken"], &shown["secretTokenNote"]), (&json!(tenant.token), &Value::Null));

    // This world under another key.
    let mut world = World::new(&key("two"));
    world.store = before.world.store.clone();
    let mut after = Native::within(&world);
    let shown = tenant.admin(&mut after, "GET", "/connection", None).expect(200).body;
    assert_eq!(shown["secretToken"], Value::Null);
    assert_eq!(shown["secretTokenNote"], "cannot be shown, rotate it");
    tenant.create(&mut after, "alice@contoso.com").expect(201);

    let rotated = tenant.admin(&mut after, "POST", "/connection/rotate", Some(&json!({}))).expect(200);
    assert!(rotated.text("/secretToken").starts_with("rollcall_"));
    assert_eq!(rotated.body["secretTokenNote"], Value::Null);
}

fn key(key: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("encryption_key".to_owned(), key.to_owned())])
}

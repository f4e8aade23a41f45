//! How much a store that is far away costs: how many calls a request makes one after the other.
//!
//! ```console
//! $ cargo run --release --example far
//! ```
//!
//! A component waits for each call of its store, so the time that a request takes is its calls times that of a call.

use acceptance::crowd;
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::store::Backend;
use acceptance::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn main() {
    println!("| calls one after the other | on SQLite | on DynamoDB | on Redis |");
    println!("| --- | --- | --- | --- |");
    let depths = [Backend::SQLITE, Backend::DYNAMODB, Backend::REDIS].map(depths);
    for (at, (what, _)) in depths[0].iter().enumerate() {
        let row: Vec<String> = depths.iter().map(|depths| depths[at].1.to_string()).collect();
        println!("| {what} | {} |", row.join(" | "));
    }
}

/// The calls of each kind of request, in an instance that has answered others before.
fn depths(backend: Backend) -> Vec<(&'static str, usize)> {
    let mut server = Native::within(&World::on(backend, &BTreeMap::new()));
    let tenant = Tenant::connect(&mut server);
    tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
    let users = crowd::gather(&server.world, &tenant.id, 1_000);
    let members: Vec<Value> = users.iter().map(|id| json!({"value": id})).collect();
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "All", "members": members,
    });
    let group = tenant.scim(&mut server, "POST", "/Groups", Some(&group)).expect(201).text("/id");
    let (user, gone) = (format!("/Users/{}", users[4]), format!("/Users/{}", users[5]));
    let disable = life::patch(&json!([{"op": "Replace", "path": "active", "value": "False"}]));
    // The record of a read waits, and is written after the answer.
    let depth = |what, method: &str, path: &str, body: Option<Value>| {
        let request = tenant.request(method, path, body.as_ref());
        server.world.store.forget_calls();
        let answer = server.rollcall.handle(request);
        let calls = server.world.store.calls().len();
        assert!(answer.status().is_success(), "{what}: {}", answer.status());
        server.rollcall.flush();
        (what, calls)
    };
    let mut depths = vec![
        depth("list of 100", "GET", "/Users?count=100", None),
        depth("list of 100 by cursor", "GET", "/Users?cursor&count=100", None),
        depth("list of 1,000 by another attribute", "GET", "/Users?filter=title+eq+%22Clerk%22&count=100", None),
        depth("list of 100, sorted among 1,000", "GET", "/Users?sortBy=displayName&count=100", None),
        depth("group with 1,000 members", "GET", &format!("/Groups/{group}"), None),
        depth("match", "GET", "/Users?filter=userName+eq+%22user7%40contoso.com%22", None),
        depth("create", "POST", "/Users", Some(life::user("new@contoso.com"))),
        depth("PATCH active", "PATCH", &user, Some(disable)),
    ];
    server.world.store.forget_calls();
    tenant.scim(&mut server, "DELETE", &gone, None).expect(204);
    depths.push(("delete, of a member of a group", server.world.store.calls().len()));
    server.world.store.forget_calls();
    tenant.admin(&mut server, "GET", "/export", None).expect(200);
    depths.push(("export of 1,000", server.world.store.calls().len()));
    depths
}

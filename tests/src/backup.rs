//! A tenant with something of everything, and its export.

use crate::life::{self, Tenant};
use crate::run::Server;
use crate::world::ADMIN_SECRET;
use http::{Request, Response};
use serde_json::{Value, json};

/// A schema that the tenant has of its own.
const OWN_SCHEMA: &str = "urn:example:params:scim:staff:1.0:User";

/// Makes a tenant that has used everything that is stored: a schema of its own, users with gaps between their slots,
/// disabled and renamed ones, groups in groups, a rotated token, a journal.
pub fn furnish(server: &mut dyn Server, users: usize) -> Tenant {
    let tenant = Tenant::connect(server);
    life::admin(server, "PATCH", &format!("/tenants/{}", tenant.id), Some(&json!({"seats": 5_000}))).expect(200);
    tenant.admin(server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
    let schema = json!({"name": "Staff", "attributes": [{"name": "floor", "type": "integer"}]});
    tenant.admin(server, "PUT", &format!("/schemas/{OWN_SCHEMA}"), Some(&schema)).expect(201);
    let ids: Vec<String> = (0..users)
        .map(|n| {
            let mut user = life::user(&format!("User{n}@Contoso.com"));
            user["emails"] = json!([{"value": "shared@contoso.com", "type": "work"}, {"value": format!("{n}@b.c")}]);
            user[OWN_SCHEMA] = json!({"floor": n});
            tenant.scim(server, "POST", "/Users", Some(&user)).expect(201).text("/id")
        })
        .collect();
    let members = |ids: &[&String]| ids.iter().map(|id| json!({"value": id})).collect::<Value>();
    let mut group = |name: &str, ids: &[&String]| {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
            "members": members(ids)});
        tenant.scim(server, "POST", "/Groups", Some(&body)).expect(201).text("/id")
    };
    let all: Vec<&String> = ids.iter().collect();
    let (everybody, empty) = (group("Everybody \u{1f9d1}\u{200d}\u{1f680}", &all), group("Nobody", &[]));
    group("Above", &[&everybody, &empty, &ids[0]]);
    let gone = group("Gone", &all[..2]);
    tenant.scim(server, "DELETE", &format!("/Groups/{gone}"), None).expect(204);
    for (n, id) in ids.iter().enumerate() {
        match n % 5 {
            1 => drop(tenant.patch(server, id, &json!([{"op": "Replace", "path": "active", "value": "False"}]))),
            2 => drop(tenant.patch(
                server,
                id,
                &json!([{"op": "Replace", "path": "userName", "value": format!("ß{n}")}]),
            )),
            3 => drop(tenant.delete(server, id).expect(204)),
            _ => {}
        }
    }
    tenant.delete(server, &ids[users - 1]);
    let rotated = tenant.admin(server, "POST", "/connection/rotate", None).expect(200);
    let tenant = Tenant { token: rotated.text("/secretToken"), ..tenant };
    tenant.find(server, "nobody@contoso.com").expect(200);
    tenant
}

/// The request for a tenant's file.
pub fn export_request(tenant: &str) -> Request<Vec<u8>> {
    Request::get(format!("/admin/api/v1/tenants/{tenant}/export"))
        .header("host", "scim.example.com")
        .header("authorization", format!("Bearer {ADMIN_SECRET}"))
        .body(Vec::new())
        .unwrap()
}

/// A tenant's file.
pub fn export(server: &mut dyn Server, tenant: &str) -> String {
    let response = server.answer(export_request(tenant));
    assert_eq!(response.status(), 200, "{}", String::from_utf8_lossy(response.body()));
    String::from_utf8(response.into_body()).unwrap()
}

/// Sends a file, or a part of one.
pub fn import(server: &mut dyn Server, tenant: &str, text: &str) -> (u16, Value) {
    let request = Request::post(format!("/admin/api/v1/tenants/{tenant}/import"))
        .header("host", "scim.example.com")
        .header("authorization", format!("Bearer {ADMIN_SECRET}"))
        .body(text.as_bytes().to_vec())
        .unwrap();
    let response: Response<Vec<u8>> = server.answer(request);
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

/// Makes an empty tenant with the id of another one, and restores that one's file there.
pub fn restore(server: &mut dyn Server, tenant: &str, text: &str) -> Value {
    life::admin(server, "POST", "/tenants", Some(&json!({"name": "to be restored", "id": tenant}))).expect(201);
    let (status, answer) = import(server, tenant, text);
    assert_eq!((status, &answer["state"]), (200, &json!("done")), "{answer}");
    answer
}

/// What a file says, without the time at which it was written and the sums, which follow from that.
pub fn content(text: &str) -> Vec<Value> {
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let object = line.as_object_mut().unwrap();
        object.shift_remove("sum").unwrap();
        object.shift_remove("exportedAt");
        line
    };
    text.lines().map(line).collect()
}

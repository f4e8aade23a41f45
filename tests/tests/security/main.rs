//! Who is let in, what leaves, and what a hostile client can send.

mod doors;
mod health;
mod planted;
mod signing_in;
mod sockets;
mod strange;

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::world::ADMIN_SECRET;
use http::{Request, Response};
use rollcall_core::http::route::{self, Door, Row};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The name by which clients reach every server of these tests.
const HOST: &str = "scim.example.com";

/// Two tenants with groups and a user and a group each.
struct Setting {
    server: Native,
    ours: Tenant,
    theirs: Tenant,
    /// A token of ours that was rotated away.
    ended: String,
    user: String,
    group: String,
}

/// A schema that both tenants have of their own.
const OWN_SCHEMA: &str = "urn:example:params:scim:test:1.0:User";

impl Setting {
    fn new() -> Setting {
        let mut server = Native::new(&BTreeMap::new());
        let mut ours = Tenant::connect(&mut server);
        let theirs = Tenant::connect(&mut server);
        let ended = ours.token.clone();
        let rotate = json!({"overlapSeconds": 0});
        ours.token =
            ours.admin(&mut server, "POST", "/connection/rotate", Some(&rotate)).expect(200).text("/secretToken");
        let (mut user, mut group) = (String::new(), String::new());
        for tenant in [&theirs, &ours] {
            tenant.admin(&mut server, "PATCH", "/connection", Some(&json!({"groups": true}))).expect(200);
            let schema = json!({"attributes": [{"name": "floor"}, {"name": "pin", "mutability": "writeOnly"}]});
            tenant.admin(&mut server, "PUT", &format!("/schemas/{OWN_SCHEMA}"), Some(&schema)).expect(201);
            user = tenant.create(&mut server, "alice@contoso.com").expect(201).text("/id");
            let staff = json!({"displayName": "Staff", "members": [{"value": user}]});
            group = tenant.scim(&mut server, "POST", "/Groups", Some(&staff)).expect(201).text("/id");
        }
        Setting { server, ours, theirs, ended, user, group }
    }

    /// The path of a row, about our tenant. A new kind of segment needs a line here.
    fn path(&self, row: &Row) -> String {
        let kind = if row.template.contains("/Groups/") { &self.group } else { &self.user };
        let segment = |segment: &str| match segment {
            "{tenant}" => self.ours.id.clone(),
            "{id}" => kind.clone(),
            "{user}" => self.user.clone(),
            "{provider}" => "entra".to_owned(),
            "{number}" => "1".to_owned(),
            "{name}" => "User".to_owned(),
            "{urn}" => OWN_SCHEMA.to_owned(),
            other => {
                assert!(!other.starts_with('{'), "{}: say what {other} is to be", row.template);
                other.to_owned()
            }
        };
        row.template.split('/').map(segment).collect::<Vec<String>>().join("/")
    }

    /// Everything that a refused request must leave as it is.
    fn state(&mut self) -> Vec<Value> {
        let mut tenants = life::admin(&mut self.server, "GET", "/tenants", None).expect(200).body;
        for tenant in tenants["tenants"].as_array_mut().unwrap() {
            // Health is about the time that passes, and about who tried.
            tenant.as_object_mut().unwrap().shift_remove("health");
        }
        let mut state = vec![tenants];
        for tenant in [self.ours.clone(), self.theirs.clone()] {
            state.push(tenant.admin(&mut self.server, "GET", "/connection", None).expect(200).body);
            state.push(tenant.admin(&mut self.server, "GET", "/schemas", None).expect(200).body);
            state.push(tenant.admin(&mut self.server, "GET", "/users", None).expect(200).body);
            state.push(tenant.admin(&mut self.server, "GET", "/check", None).expect(200).body);
        }
        state
    }
}

/// The methods that every path is tried with: all that HTTP servers know, and one that nobody does.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE"];

/// A body that every call would take, if it came from the right one.
fn body() -> Value {
    json!({
        "schemas": [],
        "userName": "mallory@contoso.com",
        "displayName": "Mallory",
        "name": "Mallory",
        "identityProvider": "entra",
        "groups": false,
        "confirm": "Contoso",
        "overlapSeconds": 0,
        "secret": "a guess",
        "Operations": [{"op": "replace", "path": "displayName", "value": "Mallory"}],
    })
}

/// A request with these headers, as a browser or a program sends it.
fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request<Vec<u8>> {
    let mut request = Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/scim+json");
    }
    request.body(body.to_vec()).unwrap()
}

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

/// Signs in to the page and answers the cookie.
fn sign_in(server: &mut Native) -> String {
    let secret = json!({"secret": ADMIN_SECRET}).to_string();
    let response = server.answer(request("POST", "/admin/api/v1/session", &[], secret.as_bytes()));
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// An answer as text, headers and body.
fn text_of(response: &Response<Vec<u8>>) -> String {
    format!("{:?}\n{}", response.headers(), String::from_utf8_lossy(response.body()))
}

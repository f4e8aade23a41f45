//! What is fuzzed, and what has to hold whatever the input is. `cargo test` replays the corpora through the same functions.

use http::{Method, Request, Response};
use jiff::Timestamp;
use rollcall_core::http::{Body, Rollcall};
use rollcall_core::scim::filter;
use rollcall_core::scim::path;
use rollcall_core::scim::{
    BoundFilter, Dialect, Error, Meta, PatchRequest, Reading, Resource, ResourceBody, ResourceType,
};
use rollcall_core::testing::{self, ADMIN_SECRET};
use serde_json::{Map, Value, json};

/// A filter reads, prints as it reads, and compares.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for reading in [Reading::lenient(), Reading::strict()] {
        if let Ok(read) = filter::parse(text, &reading) {
            let printed = read.to_string();
            match filter::parse(&printed, &Reading::strict()) {
                Ok(again) => assert_eq!(again, read, "{printed}"),
                Err(error) => assert!(is_beyond_a_bound(&error), "{printed}: {error}"),
            }
        }
        for of in [ResourceType::user(), ResourceType::group()] {
            if let Ok(bound) = BoundFilter::parse(text, of, &reading) {
                let _ = bound.lookup();
                let _ = bound.matches(&alice(), "https://scim.example.com");
            }
        }
    }
}

/// A path reads, and prints as it reads.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for reading in [Reading::lenient(), Reading::strict()] {
        if let Ok(read) = path::parse(text, &reading) {
            let printed = read.to_string();
            match path::parse(&printed, &Reading::strict()) {
                Ok(again) => assert_eq!(again, read, "{printed}"),
                Err(error) => assert!(is_beyond_a_bound(&error), "{printed}: {error}"),
            }
        }
    }
}

/// What is printed says each blank and each pair of parentheses, so it may be longer than what was read, and deeper.
fn is_beyond_a_bound(error: &Error) -> bool {
    error.to_string().contains("expected at most")
}

/// A PATCH that succeeds makes a user that a client could have sent, and the same PATCH twice does not fail.
pub fn patch(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    for reading in [Reading::of(Dialect::entra()), Reading::strict()] {
        let Ok(request) = PatchRequest::parse(&body, &reading) else {
            continue;
        };
        if let Ok(changed) = request.apply(ResourceType::user(), &alice(), &reading) {
            let sent = changed.clone().into_json(ResourceType::user(), None);
            if let Err(error) = ResourceBody::parse(ResourceType::user(), &sent, &Reading::of(Dialect::entra())) {
                panic!("{error}: {}", Value::Object(sent));
            }
        }
    }
}

/// Requests, each behind a line `%%`: method and target, headers, an empty line, the body. None is answered with an error
/// of ours, the invariants hold afterwards, and the token is in no record.
pub fn request(data: &[u8]) {
    let world = World::new();
    for part in split(data, b"\n%%\n").take(8) {
        let Some(request) = world.request(part) else {
            continue;
        };
        let target = format!("{} {}", request.method(), request.uri());
        let response = world.send(request);
        let status = response.status().as_u16();
        assert!(status < 500 || status == 501, "{target}: {status} {}", String::from_utf8_lossy(response.body()));
    }
    world.expect_sound();
}

/// A cursor that somebody made, and one that only we can seal: neither leads anywhere that fails.
pub fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let world = World::new();
    let place = json!(["cursor", world.tenant, ["user"], [null, null, false, null, null]]).to_string();
    let sealed = testing::World::settings().secrets.seal(&place, text, [7; 24]);
    for cursor in [text, &sealed] {
        let body =
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "cursor": cursor, "count": 2});
        let target = format!("/scim/v2/{}/Users/.search", world.tenant);
        let request =
            Request::post(target).header("authorization", &world.token).header("content-type", "application/json");
        let status = world.send(request.body(body.to_string().into_bytes()).unwrap()).status().as_u16();
        assert!([200, 400].contains(&status), "{cursor}: {status}");
    }
}

/// The parameters of the journal: a page of it, and its file.
pub fn journal(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    let world = World::new();
    for below in ["requests", "requests/export", "users", "groups"] {
        let target = format!("/admin/api/v1/tenants/{}/{below}?{query}", world.tenant);
        let request = Request::get(&target).header("authorization", format!("Bearer {ADMIN_SECRET}"));
        let Ok(request) = request.body(Vec::new()) else {
            return;
        };
        let status = world.send(request).status().as_u16();
        assert!([200, 400].contains(&status), "{target}: {status}");
    }
}

fn alice() -> Resource {
    let body = json!({
        "userName": "alice@contoso.com",
        "externalId": "object-of-alice",
        "displayName": "Alice",
        "active": true,
        "name": {"givenName": "Alice", "familyName": "Ace"},
        "emails": [{"type": "work", "value": "alice@contoso.com", "primary": true}, {"type": "home", "value": "a@b.c"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D", "manager": {"value": "1"}},
    });
    let Value::Object(body) = body else { unreachable!("it is written as an object") };
    let meta = Meta { created: Timestamp::UNIX_EPOCH, last_modified: Timestamp::UNIX_EPOCH, revision: 1 };
    let body =
        ResourceBody::parse(ResourceType::user(), &body, &Reading::of(Dialect::entra())).expect("alice is a user");
    Resource::new("1".to_owned(), meta, body)
}

fn split<'d>(data: &'d [u8], by: &'d [u8]) -> impl Iterator<Item = &'d [u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let part = rest?;
        match part.windows(by.len()).position(|window| window == by) {
            Some(end) => {
                rest = part.get(end + by.len()..);
                part.get(..end)
            }
            None => rest.take(),
        }
    })
}

/// A tenant with groups, a user and a group, in memory.
struct World {
    rollcall: Rollcall,
    tenant: String,
    token: String,
    user: String,
    group: String,
}

impl World {
    fn new() -> World {
        let mut world = World {
            rollcall: Rollcall::new(testing::World::default().ports(), testing::World::settings()),
            tenant: String::new(),
            token: String::new(),
            user: String::new(),
            group: String::new(),
        };
        world.tenant = world.made("POST", "", &json!({"name": "Contoso"}), "id");
        let connection = format!("/{}/connection", world.tenant);
        let token = world.made("POST", &connection, &json!({"identityProvider": "entra"}), "secretToken");
        world.token = format!("Bearer {token}");
        world.made("PATCH", &connection, &json!({"groups": true}), "state");
        world.user = world.created("Users", &json!({"userName": "alice@contoso.com", "externalId": "a"}));
        world.group = world.created("Groups", &json!({"displayName": "Staff", "members": [{"value": world.user}]}));
        world
    }

    fn made(&self, method: &str, below: &str, body: &Value, member: &str) -> String {
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/api/v1/tenants{below}"))
            .header("authorization", format!("Bearer {ADMIN_SECRET}"));
        self.member(request.body(body.to_string().into_bytes()).expect("it is written well"), member)
    }

    fn created(&self, endpoint: &str, body: &Value) -> String {
        let request = Request::post(format!("/scim/v2/{}/{endpoint}", self.tenant))
            .header("authorization", &self.token)
            .header("content-type", "application/scim+json");
        self.member(request.body(body.to_string().into_bytes()).expect("it is written well"), "id")
    }

    fn member(&self, request: Request<Vec<u8>>, name: &str) -> String {
        let response = self.send(request);
        let body: Map<String, Value> = serde_json::from_slice(response.body()).expect("answers are JSON");
        body.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name}: {body:?}")).to_owned()
    }

    fn send(&self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (head, body) = self.rollcall.handle(request).into_parts();
        let bytes = match body {
            Body::Full(bytes) => bytes,
            Body::Stream(mut stream) => {
                std::iter::from_fn(|| self.rollcall.next_chunk(&mut stream)).flatten().collect()
            }
        };
        self.rollcall.flush();
        Response::from_parts(head, bytes)
    }

    /// Reads a request. `{t}`, `{u}`, `{g}` and `{s}` stand for tenant, user, group and the admin's path to the tenant.
    fn request(&self, data: &[u8]) -> Option<Request<Vec<u8>>> {
        let mut halves = data.splitn(2, |byte| *byte == b'\n');
        let first = std::str::from_utf8(halves.next()?).ok()?;
        let (method, target) = first.split_once(' ')?;
        let target = self.named(target);
        let mut rest = halves.next().unwrap_or_default();
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(&target);
        let authorization =
            if target.starts_with("/admin") { format!("Bearer {ADMIN_SECRET}") } else { self.token.clone() };
        request = request.header("authorization", authorization).header("host", "scim.example.com");
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            if line.is_empty() {
                break;
            }
            let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
            request = request.header(name, value.trim());
        }
        let body = match std::str::from_utf8(rest) {
            Ok(text) => self.named(text).into_bytes(),
            Err(_) => rest.to_vec(),
        };
        request.body(body).ok()
    }

    fn named(&self, text: &str) -> String {
        let admin = format!("/admin/api/v1/tenants/{}", self.tenant);
        let names = [("{s}", &admin), ("{t}", &self.tenant), ("{u}", &self.user), ("{g}", &self.group)];
        names.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// The invariants of the tenant, unless it is gone, and of its journal.
    fn expect_sound(&self) {
        let ask = |below: &str| {
            let request = Request::get(format!("/admin/api/v1/tenants/{}/{below}", self.tenant))
                .header("authorization", format!("Bearer {ADMIN_SECRET}"));
            self.send(request.body(Vec::new()).expect("it is written well"))
        };
        let check = ask("check");
        if check.status() == 404 {
            return;
        }
        let body: Value = serde_json::from_slice(check.body()).expect("answers are JSON");
        assert_eq!(body["findings"], json!([]));
        let journal = String::from_utf8_lossy(ask("requests/export").body()).into_owned();
        let token = self.token.trim_start_matches("Bearer ");
        assert!(!journal.contains(token), "{journal}");
    }
}

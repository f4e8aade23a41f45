//! Bytes on the wire, answered by the built component in its host.

use super::*;
use acceptance::hosted::Hosted;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A host with a connected tenant and alice.
struct Wire {
    server: Hosted,
    tenant: Tenant,
}

impl Wire {
    fn new() -> Wire {
        let mut server = Hosted::new(&BTreeMap::new());
        let tenant = Tenant::connect(&mut server);
        tenant.create(&mut server, "alice@contoso.com").expect(201);
        Wire { server, tenant }
    }

    /// Sends bytes and answers the statuses of all answers that come back.
    fn statuses(&self, bytes: &[u8]) -> Vec<u16> {
        let text = self.answer(bytes);
        let status = |part: &str| part.get(..3).and_then(|code| code.parse().ok());
        text.split("HTTP/1.1 ").skip(1).filter_map(status).collect()
    }

    /// Sends bytes and answers what comes back until the connection ends.
    fn answer(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // A server may answer and close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A request with a valid token and these header lines, the last one of its connection.
    fn request(&self, first: &str, lines: &str, body: &str) -> Vec<u8> {
        self.first(first, &format!("Connection: close\r\n{lines}"), body)
    }

    /// The bytes of a request with a first line and headers, behind which there may be another request.
    fn first(&self, first: &str, lines: &str, body: &str) -> Vec<u8> {
        let first = first.replace("{tenant}", &format!("/scim/v2/{}", self.tenant.id));
        let token = &self.tenant.token;
        format!("{first} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n{lines}\r\n{body}").into_bytes()
    }

    fn names(&mut self) -> Vec<String> {
        let users = self.tenant.scim(&mut self.server, "GET", "/Users", None).expect(200);
        let name = |user: &Value| user["userName"].as_str().unwrap().to_owned();
        users.body["Resources"].as_array().unwrap().iter().map(name).collect()
    }
}

#[test]
fn who_may_not_send_a_body_is_answered_before_it_has_come() {
    let wire = Wire::new();
    let whole = "Content-Type: application/scim+json\r\nContent-Length: 1048576\r\n";
    let users = format!("/scim/v2/{}/Users", wire.tenant.id);
    let wrong = "Authorization: Bearer wrong\r\n";
    for (first, lines, status) in [
        (format!("POST {users}"), wrong, 401),
        (format!("POST {users}"), "", 401),
        (format!("POST {users}/1"), wrong, 401),
        ("POST /scim/v2/nobody/Users".to_owned(), wrong, 401),
        ("POST /nowhere".to_owned(), wrong, 404),
        ("POST /admin/api/v1/tenants".to_owned(), wrong, 401),
        ("PUT /admin/api/v1/nowhere".to_owned(), wrong, 404),
        ("POST /admin/api/v1/session".to_owned(), "", 413),
    ] {
        // The first byte of what was announced, and never the rest.
        let bytes = format!("{first} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}{whole}\r\n{{");
        assert_eq!(wire.statuses(bytes.as_bytes()), [status], "{first} {lines}");
    }
}

#[test]
fn what_is_smuggled_behind_a_request_is_not_carried_out() {
    let mut wire = Wire::new();
    let inner = String::from_utf8(wire.request(
        "POST {tenant}/Users",
        "Content-Type: application/scim+json\r\nContent-Length: 22\r\n",
        "{\"userName\":\"smuggled\"}",
    ))
    .unwrap();
    let lines = [
        "Content-Length: 4\r\nContent-Length: 5\r\n".to_owned(),
        "Content-Length: 4, 5\r\n".to_owned(),
        "Content-Length: +4\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: 0x4\r\n".to_owned(),
        "Content-Length: 99999999999999999999\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        " Folded: yes\r\n".to_owned(),
        "Content Length: 4\r\n".to_owned(),
        "X: a\0b\r\n".to_owned(),
        "X\0: ab\r\n".to_owned(),
        ": nothing\r\n".to_owned(),
        "nothing\r\n".to_owned(),
        format!("Host: {HOST}:1\r\nTransfer-Encoding: chunked, chunked, x\r\n"),
    ];
    for lines in lines {
        let bytes =
            wire.first("POST {tenant}/Users", &format!("Content-Type: application/scim+json\r\n{lines}"), &inner);
        let statuses = wire.statuses(&bytes);
        assert!(
            statuses.iter().all(|status| (400..500).contains(status)) && statuses.len() <= 1,
            "{lines:?}: {statuses:?}"
        );
        assert_eq!(wire.names(), ["alice@contoso.com"], "{lines:?}");
    }
}

#[test]
fn the_length_of_a_body_has_one_reading() {
    let mut wire = Wire::new();
    // RFC 9112 §6.3: chunked beats the length, and the connection ends; what follows is never a second request.
    let body = "17\r\n{\"userName\":\"chunked@a\"}\r\n0\r\n\r\n";
    let body = body.replace("17", &format!("{:x}", "{\"userName\":\"chunked@a\"}".len()));
    let inner = String::from_utf8(wire.request("DELETE {tenant}/Users/x", "", "")).unwrap();
    for lines in
        ["Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"]
    {
        let lines = format!("Content-Type: application/scim+json\r\n{lines}");
        let statuses = wire.statuses(&wire.first("POST {tenant}/Users", &lines, &format!("{body}{inner}")));
        assert!(matches!(statuses.as_slice(), [] | [400] | [201] | [409]), "{lines:?}: {statuses:?}");
    }
    // Twice the same length is one length.
    let user = "{\"userName\":\"twice@a\"}";
    let length = format!("Content-Length: {}\r\n", user.len());
    let lines = format!("Content-Type: application/scim+json\r\n{length}{length}");
    let statuses = wire.statuses(&wire.request("POST {tenant}/Users", &lines, user));
    assert!(matches!(statuses.as_slice(), [201] | [400]), "{statuses:?}");
    // A body that ends before its length is no body.
    let lines = "Content-Type: application/scim+json\r\nContent-Length: 100\r\n";
    let mut stream = TcpStream::connect(wire.server.address()).unwrap();
    stream.write_all(&wire.request("POST {tenant}/Users", lines, "{\"userName\":\"short@a\"}")).unwrap();
    drop(stream);
    assert!(!wire.names().contains(&"short@a".to_owned()));
}

#[test]
fn two_authorizations_are_none() {
    let wire = Wire::new();
    let token = &wire.tenant.token;
    for lines in [
        format!("Authorization: Bearer {token}\r\n"),
        "Authorization: Bearer x\r\n".to_owned(),
        "authorization: \r\n".to_owned(),
    ] {
        assert_eq!(wire.statuses(&wire.request("GET {tenant}/Users", &lines, "")), [401], "{lines}");
    }
}

#[test]
fn a_request_target_has_one_reading() {
    let wire = Wire::new();
    let cases: [(&str, &[u16]); 14] = [
        ("GET {tenant}/Users", &[200]),
        ("GET http://scim.example.com{tenant}/Users", &[200]),
        ("GET http://elsewhere.example{tenant}/Users", &[400]),
        ("GET //scim.example.com{tenant}/Users", &[404]),
        ("GET {tenant}/../../../admin/api/v1/tenants", &[404]),
        ("GET {tenant}/%2e%2e/%2e%2e", &[404]),
        ("GET {tenant}/Users/%00", &[404]),
        ("GET {tenant}/Users#fragment", &[200, 400]),
        ("GET {tenant}/Users\\..", &[400, 404]),
        ("GET {tenant}/Us\0ers", &[400]),
        ("GET {tenant}/Us ers", &[400]),
        ("get {tenant}/Users", &[405]),
        ("GET *", &[400, 404]),
        ("OPTIONS *", &[400, 404]),
    ];
    for (first, expected) in cases {
        let statuses = wire.statuses(&wire.request(first, "", ""));
        assert!(matches!(statuses.as_slice(), [status] if expected.contains(status)), "{first}: {statuses:?}");
    }
    let without = format!(
        "GET /scim/v2/{}/Users HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        wire.tenant.id, wire.tenant.token
    );
    assert_eq!(wire.statuses(without.as_bytes()), [400], "a request without a host");
    let twice = wire.request("GET {tenant}/Users", "Host: elsewhere.example\r\n", "");
    assert_eq!(wire.statuses(&twice), [400], "two hosts");
}

#[test]
fn heads_and_bodies_have_an_end() {
    let mut wire = Wire::new();
    let huge = format!("X-Huge: {}\r\n", "x".repeat(1024 * 1024));
    assert_eq!(wire.statuses(&wire.request("GET {tenant}/Users", &huge, "")), [431]);
    let many: String = (0..1_000).map(|number| format!("X-{number}: x\r\n")).collect();
    assert_eq!(wire.statuses(&wire.request("GET {tenant}/Users", &many, "")), [431]);
    let path = format!("GET {{tenant}}/Users?filter={}", "x".repeat(1024 * 1024));
    let statuses = wire.statuses(&wire.request(&path, "", ""));
    assert!(matches!(statuses.as_slice(), [414 | 431]), "{statuses:?}");
    let filter = format!("GET {{tenant}}/Users?filter={}", "(".repeat(32 * 1024));
    assert_eq!(wire.statuses(&wire.request(&filter, "", "")), [400]);
    let length = 3 * 1024 * 1024;
    let lines = format!("Content-Type: application/scim+json\r\nContent-Length: {length}\r\n");
    let statuses = wire.statuses(&wire.request("POST {tenant}/Users", &lines, &" ".repeat(length)));
    assert!(matches!(statuses.as_slice(), [] | [413]), "{statuses:?}");
    assert_eq!(wire.names(), ["alice@contoso.com"]);
}

#[test]
fn a_packed_body_is_refused_unread() {
    let mut wire = Wire::new();
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, identity", "x-unknown"] {
        let lines =
            format!("Content-Type: application/scim+json\r\nContent-Encoding: {coding}\r\nContent-Length: 21\r\n");
        let statuses = wire.statuses(&wire.request("POST {tenant}/Users", &lines, "{\"userName\":\"packed\"}"));
        assert_eq!(statuses, [415], "{coding}");
    }
    assert_eq!(wire.names(), ["alice@contoso.com"]);
}

#[test]
fn a_head_that_is_no_http_is_answered_with_a_reason() {
    let wire = Wire::new();
    let scim = "application/scim+json; charset=utf-8";
    let text = "text/plain; charset=utf-8";
    let quote = "url: expected %22 in the place of \", found \" as it is";
    let blank = "url: expected %20 or + in the place of each blank, found a blank as it is";
    let other = "request: expected a method, a URL and headers as HTTP has them, found something else";
    let many = "X: x\r\n".repeat(1_000);
    let cases = [
        ("GET {tenant}/Users?filter=userName+eq+\"raw\"", "", 400, scim, quote),
        ("GET {tenant}/Users?filter=userName eq \"raw\"", "", 400, scim, blank),
        ("POST {tenant}/Users?\"", "Content-Length: 2\r\n", 400, scim, quote),
        ("GET {tenant}/Users", " Folded: yes\r\n", 400, scim, other),
        ("GET {tenant}/Users", &many, 431, scim, "headers: expected fewer and shorter ones"),
        ("GET /?\"", "", 400, text, quote),
    ];
    for (first, lines, status, media_type, reason) in cases {
        let answer = wire.answer(&wire.request(first, lines, ""));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{first}: {head}");
        assert!(head.contains(&format!("content-type: {media_type}\r\n")), "{first}: {head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{first}: {head}");
        match media_type == scim {
            true => {
                let error: Value = serde_json::from_str(body).unwrap();
                let schema = "urn:ietf:params:scim:api:messages:2.0:Error";
                assert_eq!(
                    error,
                    json!({"schemas": [schema], "status": status.to_string(), "detail": reason}),
                    "{first}"
                );
            }
            false => assert_eq!(body, format!("{reason}\n"), "{first}"),
        }
    }
    let head = wire.answer(&wire.request("HEAD {tenant}/Users?\"", "", ""));
    assert!(head.starts_with("HTTP/1.1 400 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn a_head_that_is_no_http_is_answered_behind_requests_that_are() {
    let wire = Wire::new();
    let (good, bad) = (wire.first("GET {tenant}/Users", "", ""), wire.request("GET {tenant}/Users?\"", "", ""));
    let mut stream = TcpStream::connect(wire.server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    for _ in 0..3 {
        stream.write_all(&good).unwrap();
        let mut answer = Vec::new();
        // The answer ends with the list's bracket and brace.
        while !answer.ends_with(b"]}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }
    // In pieces, as a slow network brings it.
    for piece in bad.chunks(16) {
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("expected %22"), "{answer}");
    // Both at once: whatever the second is told, the first is answered, and nothing of it is lost.
    let both = wire.answer(&[good, bad].concat());
    assert!(both.starts_with("HTTP/1.1 200 ") && both.contains("alice@contoso.com"), "{both}");
    assert_eq!(both.matches("HTTP/1.1 ").count(), 2, "{both}");
}

#[test]
fn brackets_and_braces_need_no_percent_sign() {
    let wire = Wire::new();
    let brackets = "GET {tenant}/Users?filter=emails[type+eq+%22work%22]";
    assert_eq!(wire.statuses(&wire.request(brackets, "", "")), [200]);
    // It comes through, so that it is the filter that is refused.
    let braces = wire.answer(&wire.request("GET {tenant}/Users?filter={a|b}", "", ""));
    assert!(braces.starts_with("HTTP/1.1 400 ") && braces.contains("invalidFilter"), "{braces}");
}

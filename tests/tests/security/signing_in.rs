//! The admin secret at the page and at the API: who guesses is slowed down, and nobody else.

use super::*;
use acceptance::store::Fault;
use acceptance::world::World;

const GUESSES_A_MINUTE: usize = 20;

/// The status of a secret from an address, behind proxies that name these.
fn present(server: &Native, secret: &str, page: bool, address: &str, forwarded: Option<&str>) -> u16 {
    let mut headers = vec![("spin-client-addr", address)];
    headers.extend(forwarded.map(|names| ("x-forwarded-for", names)));
    let (authorization, body) = (bearer(secret), json!({"secret": secret}).to_string());
    let request = match page {
        true => request("POST", "/admin/api/v1/session", &headers, body.as_bytes()),
        false => {
            headers.push(("authorization", &authorization));
            request("GET", "/admin/api/v1/store", &headers, b"")
        }
    };
    server.rollcall.handle(request).status().as_u16()
}

/// Whether the right secret is looked at. The store was not tested yet, which only who is let in is told.
fn gets_in(server: &Native, page: bool, address: &str) -> bool {
    match present(server, ADMIN_SECRET, page, address, None) {
        204 | 404 => true,
        429 => false,
        other => panic!("{other}"),
    }
}

fn guess(server: &Native, page: bool, address: &str) -> u16 {
    present(server, "a-wrong-secret-of-the-right-length", page, address, None)
}

#[test]
fn who_guesses_is_refused_at_page_and_api_and_nobody_else_is() {
    for (page, other) in [(true, false), (false, true), (true, true), (false, false)] {
        let mut server = Native::new(&BTreeMap::new());
        for _ in 0..GUESSES_A_MINUTE {
            assert_eq!(guess(&server, page, "192.0.2.7:1"), 401);
        }
        assert_eq!(guess(&server, page, "192.0.2.7:2"), 429);
        assert!(!gets_in(&server, other, "192.0.2.7:3"), "otherwise an answer tells which one was right");
        for address in ["192.0.2.8:1", "[2001:db8::1]:1"] {
            assert!(gets_in(&server, page, address) && gets_in(&server, other, address));
        }
        server.pass(Duration::from_secs(60));
        assert!(gets_in(&server, other, "192.0.2.7:4"));
    }
}

#[test]
fn guesses_are_counted_over_all_instances() {
    let world = World::new(&BTreeMap::new());
    for number in 0..GUESSES_A_MINUTE {
        assert_eq!(guess(&Native::within(&world), number % 2 == 0, "192.0.2.7:1"), 401);
    }
    let further = Native::within(&world);
    assert_eq!((guess(&further, true, "192.0.2.7:1"), gets_in(&further, false, "192.0.2.7:1")), (429, false));
    assert!(gets_in(&further, true, "192.0.2.8:1"));
}

#[test]
fn behind_a_proxy_a_client_is_whom_the_proxy_names() {
    let server = Native::new(&BTreeMap::new());
    let wrong = |client: &str| present(&server, "a-wrong-secret", true, "10.0.0.1:1", Some(client));
    let right = |client: &str| present(&server, ADMIN_SECRET, true, "10.0.0.1:1", Some(client));
    // What stands before it is what the client says of itself.
    for number in 0..GUESSES_A_MINUTE {
        assert_eq!(wrong(&format!("192.0.2.{number}, 203.0.113.9")), 401);
    }
    assert_eq!((wrong("203.0.113.9"), right("203.0.113.9"), right("203.0.113.10")), (429, 429, 204));
    // A client without a proxy that makes up others comes to the bound of its address.
    let looked_at = (0..1_000).filter(|number| wrong(&format!("client-{number}")) == 401).count();
    assert_eq!(looked_at, 200 - GUESSES_A_MINUTE);
    assert!(gets_in(&server, true, "10.0.0.2:1"));
}

#[test]
fn a_guess_beyond_the_bound_calls_the_store_for_nothing() {
    let server = Native::new(&BTreeMap::new());
    let store = &server.world.store;
    (0..GUESSES_A_MINUTE).for_each(|_| assert_eq!(guess(&server, true, "192.0.2.7:1"), 401));
    store.forget_calls();
    assert!((0..1_000).all(|number| guess(&server, number % 2 == 0, "192.0.2.7:1") == 429));
    assert_eq!(store.calls(), []);
}

#[test]
fn guesses_from_everywhere_leave_one_key_of_bounded_size_and_let_everybody_in() {
    let server = Native::new(&BTreeMap::new());
    let store = &server.world.store;
    let before = store.keys();
    for minute in 0..3 {
        for number in 0..5_000 {
            guess(&server, number % 2 == 0, &format!("10.{minute}.{}.{}:1", number / 250, number % 250));
        }
        store.forget_calls();
        assert!(gets_in(&server, true, "192.0.2.8:1") && gets_in(&server, false, "192.0.2.9:1"));
        server.world.time.pass(Duration::from_secs(60));
    }
    let new: Vec<String> = store.keys().into_iter().filter(|key| !before.contains(key)).collect();
    assert_eq!(new, ["r.guesses"]);
    assert!(store.value("r.guesses").unwrap().len() < 8 * 1024);
    // Who does not fit any more writes nothing.
    for number in 0..300 {
        guess(&server, true, &format!("10.9.{}.{}:1", number / 250, number % 250));
    }
    store.forget_calls();
    assert_eq!(guess(&server, true, "10.8.0.1:1"), 401);
    assert_eq!(store.write_transactions(), 0);
}

#[test]
fn a_store_that_fails_keeps_nobody_from_signing_in() {
    let server = Native::new(&BTreeMap::new());
    server.world.store.fail(0..usize::MAX, Fault::Refused);
    assert_eq!(guess(&server, true, "192.0.2.7:1"), 401);
    assert!(gets_in(&server, true, "192.0.2.7:1"));
    // The instance counts all the same.
    (1..GUESSES_A_MINUTE).for_each(|_| assert_eq!(guess(&server, true, "192.0.2.7:1"), 401));
    assert_eq!(guess(&server, true, "192.0.2.7:1"), 429);
}

#[test]
fn a_sign_in_has_four_kilobytes_and_a_secret() {
    let mut server = Native::new(&BTreeMap::new());
    let mut status = |body: &str| {
        let response = server.answer(request("POST", "/admin/api/v1/session", &[], body.as_bytes()));
        response.status().as_u16()
    };
    let padded = |len: usize| {
        let body = json!({"secret": ADMIN_SECRET, "more": ""}).to_string();
        body.replace("\"\"", &format!("\"{}\"", "x".repeat(len - body.len())))
    };
    assert_eq!((padded(4 * 1024).len(), status(&padded(4 * 1024)), status(&padded(4 * 1024 + 1))), (4_096, 204, 413));
    for body in ["", "null", "[]", "{}", "{\"secret\": 1}", "{\"secret\": {}}", &"[".repeat(4_000)] {
        assert_eq!(status(body), 400, "{body}");
    }
}

//! A tenant as a file, and back: what is restored is what was, at one moment, and nothing else passes for it.

use acceptance::backup::{content, export, export_request, furnish, import, restore};
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::{Backend, Fault, Verb};
use acceptance::world::World;
use rollcall_core::http::{Body, Stream};
use rollcall_core::keys::TenantId;
use rollcall_core::ledger::IN_FLIGHT_MAX;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn world(variables: &[(&str, &str)]) -> World {
    world_on(Backend::SQLITE, variables)
}

fn world_on(backend: Backend, variables: &[(&str, &str)]) -> World {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    World::on(backend, &variables)
}

/// A world whose tenant has this file restored.
fn restored(tenant: &str, text: &str) -> Native {
    let mut server = Native::within(&world(&[]));
    restore(&mut server, tenant, text);
    server
}

fn check(server: &Native, tenant: &str) {
    assert_eq!(server.rollcall.check(&TenantId::parse(tenant).unwrap()).unwrap(), Vec::<String>::new());
}

/// Keys that a snapshot leaves while it lasts.
fn kept(server: &Native) -> Vec<String> {
    let keys = server.world.store.keys().into_iter();
    keys.filter(|key| key.contains(".before.") || key.contains(".kept.")).collect()
}

#[test]
fn a_restored_tenant_is_the_one_that_was_exported() {
    let mut old = Native::within(&world(&[("journal_capacity", "40")]));
    let tenant = furnish(&mut old, 130);
    let file = export(&mut old, &tenant.id);
    assert_eq!(kept(&old), Vec::<String>::new());
    let mut new = restored(&tenant.id, &file);
    assert_eq!(content(&export(&mut new, &tenant.id)), content(&file));
    check(&new, &tenant.id);

    // Both answer the same from then on: the token works, names are taken, slots and numbers go on.
    let connection = |server: &mut Native| tenant.admin(server, "GET", "/connection", None).expect(200).body;
    assert_eq!(connection(&mut new), connection(&mut old));
    let mut answers = [&mut old, &mut new].map(|server| {
        let listed = tenant.scim(server, "GET", "/Users?count=200", None).expect(200).body;
        let groups = tenant.scim(server, "GET", "/Groups?sortBy=displayName", None).expect(200).body;
        let taken = tenant.create(server, "USER0@contoso.com").expect(409).body;
        let found = tenant.scim(server, "GET", "/Users?filter=emails.value+eq+%22SHARED@contoso.com%22", None);
        tenant.create(server, "user3@contoso.com").expect(201);
        let journal: Vec<Value> = tenant.journal(server).iter().map(|record| record["number"].clone()).collect();
        json!([listed, groups, taken, found.expect(200).body, journal])
    });
    let [old, new] = &mut answers;
    assert_eq!(new, old);
}

#[test]
fn a_tenant_restored_under_another_id_keeps_its_token() {
    let mut old = Native::within(&world(&[("encryption_key", "one")]));
    let tenant = furnish(&mut old, 5);
    let file = export(&mut old, &tenant.id);
    assert!(!file.contains(&tenant.token));
    for (key, shown) in [("one", true), ("other", false)] {
        let mut new = Native::within(&world(&[("encryption_key", key)]));
        let id = life::admin(&mut new, "POST", "/tenants", Some(&json!({"name": "New"}))).expect(201).text("/id");
        let other = Tenant { id, token: tenant.token.clone() };
        assert_eq!(import(&mut new, &other.id, &file).0, 200);
        assert_eq!(other.find(&mut new, "User0@contoso.com").expect(200).body["totalResults"], 1);
        let connection = other.admin(&mut new, "GET", "/connection", None).expect(200).body;
        let note = if shown { Value::Null } else { json!("cannot be shown, rotate it") };
        let token = if shown { json!(tenant.token) } else { Value::Null };
        assert_eq!((&connection["secretToken"], &connection["secretTokenNote"]), (&token, &note));
    }
}

#[test]
fn a_tenant_without_anything_is_a_file_too() {
    let mut old = Native::within(&world(&[]));
    let id = life::admin(&mut old, "POST", "/tenants", Some(&json!({"name": "Bare"}))).expect(201).text("/id");
    let file = export(&mut old, &id);
    assert_eq!(content(&export(&mut restored(&id, &file), &id)), content(&file));
}

#[test]
fn every_line_that_is_missing_or_altered_is_refused_by_its_number() {
    let mut old = Native::within(&world(&[]));
    let tenant = furnish(&mut old, 8);
    let file = export(&mut old, &tenant.id);
    let lines: Vec<&str> = file.lines().collect();
    let refused = |lines: &[String], number: usize, what: &str| {
        let mut new = Native::within(&world(&[]));
        life::admin(&mut new, "POST", "/tenants", Some(&json!({"name": "New", "id": tenant.id}))).expect(201);
        let (status, answer) = import(&mut new, &tenant.id, &lines.join("\n"));
        let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_line")), "{what} {number}: {answer}");
        assert!(message.starts_with(&format!("line {number}: ")), "{what} {number}: {message}");
        // The good file goes on from there.
        let (status, answer) = import(&mut new, &tenant.id, &file);
        assert_eq!((status, &answer["state"]), (200, &json!("done")), "{answer}");
        check(&new, &tenant.id);
    };
    for at in 0..lines.len() {
        let with = |edit: &dyn Fn(&mut Vec<String>)| {
            let mut edited: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            edit(&mut edited);
            edited
        };
        let middle = lines[at].char_indices().nth(lines[at].chars().count() / 2).unwrap().0;
        if at + 1 < lines.len() {
            refused(&with(&|lines| drop(lines.remove(at))), at + 1, "removed");
            refused(&with(&|lines| lines.swap(at, at + 1)), at + 1, "swapped");
        }
        refused(&with(&|lines| lines[at].truncate(middle)), at + 1, "cut");
        refused(&with(&|lines| lines[at].insert(middle, '0')), at + 1, "altered");
        let end = lines[at].len() - 3;
        let other = if lines[at].as_bytes()[end] == b'A' { "B" } else { "A" };
        refused(&with(&|lines| lines[at].replace_range(end..=end, other)), at + 1, "of another sum");
    }
}

#[test]
fn a_file_that_ends_early_leaves_the_tenant_closed_until_the_rest_comes() {
    let mut old = Native::within(&world(&[]));
    let tenant = furnish(&mut old, 8);
    let file = export(&mut old, &tenant.id);
    let lines: Vec<&str> = file.lines().collect();
    for end in 1..lines.len() {
        let mut new = Native::within(&world(&[]));
        life::admin(&mut new, "POST", "/tenants", Some(&json!({"name": "New", "id": tenant.id}))).expect(201);
        let (status, answer) = import(&mut new, &tenant.id, &lines[..end].join("\n"));
        assert_eq!((status, &answer["state"], &answer["lines"]), (202, &json!("underWay"), &json!(end)));

        // Before its connection was read the token is nobody's, as it is while nobody imports.
        let known = lines[..end].iter().any(|line| line.contains("\"type\":\"connection\""));
        let closed = tenant.find(&mut new, "User0@contoso.com").expect(if known { 503 } else { 401 });
        assert_eq!(closed.headers.get("retry-after").is_some_and(|after| after == "60"), known);
        Tenant { token: "wrong".to_owned(), ..tenant.clone() }.find(&mut new, "User0@contoso.com").expect(401);
        for (method, path, body) in [
            ("POST", "/connection", json!({"identityProvider": "entra"})),
            ("DELETE", "/users", json!({"confirm": "New"})),
            ("GET", "/export", Value::Null),
        ] {
            let refused = tenant.admin(&mut new, method, path, Some(&body)).expect(409);
            assert_eq!(refused.text("/error/code"), "import_under_way", "{method} {path}");
        }
        tenant.admin(&mut new, "DELETE", "", None).expect(409);

        // What is behind the last line follows, or everything once more.
        let rest = if end % 2 == 0 { lines[end..].join("\n") } else { file.clone() };
        let (status, answer) = import(&mut new, &tenant.id, &rest);
        assert_eq!((status, &answer["state"]), (200, &json!("done")), "{answer}");
        let (again, same) = import(&mut new, &tenant.id, &rest);
        assert_eq!((again, &same), (200, &answer));
        assert_eq!(tenant.admin(&mut new, "GET", "/import", None).expect(200).body, answer);
        assert_eq!(content(&export(&mut new, &tenant.id)), content(&file));
    }
}

#[test]
fn an_import_that_was_given_up_can_be_begun_anew() {
    let mut old = Native::within(&world(&[]));
    let tenant = furnish(&mut old, 60);
    let file = export(&mut old, &tenant.id);
    old.pass(Duration::from_secs(1));
    let other = export(&mut old, &tenant.id);
    let mut new = Native::within(&world(&[]));
    life::admin(&mut new, "POST", "/tenants", Some(&json!({"name": "New", "id": tenant.id}))).expect(201);
    tenant.admin(&mut new, "GET", "/import", None).expect(404);
    tenant.admin(&mut new, "DELETE", "/import", None).expect(404);
    let most: Vec<&str> = file.lines().take(70).collect();
    assert_eq!(import(&mut new, &tenant.id, &most.join("\n")).0, 202);
    let (status, answer) = import(&mut new, &tenant.id, &other);
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("import_under_way")));
    tenant.admin(&mut new, "DELETE", "/import", None).expect(204);
    tenant.find(&mut new, "User0@contoso.com").expect(401);
    let (status, answer) = import(&mut new, &tenant.id, &other);
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("not_empty")));
    let confirm = json!({"confirm": "New"});
    while tenant.admin(&mut new, "DELETE", "/users", Some(&confirm)).expect(200).body["remaining"] != 0 {}
    assert_eq!(import(&mut new, &tenant.id, &other).0, 200);
    assert_eq!(content(&export(&mut new, &tenant.id)), content(&other));
    check(&new, &tenant.id);
}

#[test]
fn a_store_that_fails_at_any_call_of_an_import_costs_nothing_but_a_repetition() {
    let mut old = Native::within(&world(&[]));
    let tenant = furnish(&mut old, 4);
    let file = export(&mut old, &tenant.id);
    for backend in Backend::all_fit() {
        let empty = world_on(backend, &[]);
        let new = json!({"name": "New", "id": tenant.id});
        life::admin(&mut Native::within(&empty), "POST", "/tenants", Some(&new)).expect(201);
        empty.store.forget_calls();
        let whole = empty.fork();
        assert_eq!(import(&mut Native::within(&whole), &tenant.id, &file).0, 200);
        for n in 0..whole.store.steps().len() {
            let (one, all) = (n..n + 1, n..usize::MAX);
            for (steps, fault) in [(one.clone(), Fault::Refused), (one, Fault::Lost), (all, Fault::Refused)] {
                let context = format!("{fault:?} at {steps:?} on {}", backend.name);
                let world = empty.fork();
                world.store.fail(steps, fault);
                let (status, answer) = import(&mut Native::within(&world), &tenant.id, &file);
                assert!(status == 200 || status == 503, "{context}: {status} {answer}");
                world.store.forget_calls();
                let mut new = Native::within(&world);
                let restored = status == 200;
                if restored {
                    assert_eq!(content(&export(&mut new, &tenant.id)), content(&file), "{context}: answered and lost");
                }
                let (mut status, mut answer) = import(&mut new, &tenant.id, &file);
                if status == 503 {
                    // A deletion that failed may arrive late, and until then its key is not written anew.
                    world.time.pass(IN_FLIGHT_MAX);
                    (status, answer) = import(&mut new, &tenant.id, &file);
                }
                assert_eq!(status, 200, "{context}: {answer}");
                assert_eq!(content(&export(&mut new, &tenant.id)), content(&file), "{context}");
                check(&new, &tenant.id);
            }
        }
    }
}

/// The changes that are made in the midst of an export, each of another kind.
fn change(server: &mut Native, tenant: &Tenant, n: usize) {
    let listed = tenant.admin(server, "GET", "/users?count=200", None).expect(200).body;
    let ids: Vec<String> =
        listed["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect();
    let rename = |to: &str| json!([{"op": "Replace", "path": "userName", "value": to}]);
    match n % 4 {
        0 => {
            // Two swap their names.
            for (id, name) in [(&ids[0], "aside"), (&ids[1], "User0@Contoso.com"), (&ids[0], "second")] {
                tenant.patch(server, id, &rename(name)).expect(200);
            }
        }
        1 => {
            tenant.delete(server, &ids[0]).expect(204);
            tenant.create(server, "User0@Contoso.com").expect(201);
        }
        2 => {
            let groups = tenant.scim(server, "GET", "/Groups", None).expect(200).body;
            let group = groups["Resources"][0]["id"].as_str().unwrap();
            tenant.scim(server, "DELETE", &format!("/Groups/{group}"), None).expect(204);
        }
        _ => {
            tenant.admin(server, "DELETE", "/connection", None).expect(204);
        }
    }
}

#[test]
fn an_export_is_the_tenant_at_its_beginning_whatever_changes_meanwhile() {
    for backend in Backend::all_fit() {
        let furnished = world_on(backend, &[("journal_capacity", "10")]);
        let tenant = furnish(&mut Native::within(&furnished), 6);
        let before = content(&export(&mut Native::within(&furnished), &tenant.id));
        let whole = furnished.fork();
        export(&mut Native::within(&whole), &tenant.id);
        let (calls, steps, ends) = (whole.store.calls(), whole.store.steps(), whole.store.ends());
        assert_eq!(calls.len(), ends.len());
        // The snapshot is made with the first write of the head; before that, changes belong into the file.
        let made = calls.iter().position(|call| call.keys.iter().any(|key| key.contains(".before."))).unwrap();
        // Whenever it has heard from the store. Who stalls for seconds within its own write is beyond what turns can catch.
        let heard = |step: &usize| ends.contains(step) || steps[*step] == Verb::Get;
        let moments: Vec<usize> = (ends[made]..steps.len()).filter(heard).collect();
        assert!(moments.len() > 100, "{}", moments.len());
        for n in moments {
            let context = format!("changed after step {n} on {}", backend.name);
            let mut server = Native::within(&furnished.fork());
            let (world, other) = (server.world.clone(), tenant.clone());
            server.world.store.interrupt_after(n, move || change(&mut Native::within(&world), &other, n));
            let file = export(&mut server, &tenant.id);
            assert!(server.world.store.was_interrupted(), "{context}");
            assert_eq!(content(&file), before, "{context}");
            check(&server, &tenant.id);
            // Where the change came within the turn that ends the snapshot, that turn was taken for dead.
            server.pass(Duration::from_secs(301));
            let later = json!({"groups": true});
            (0..8).for_each(|_| drop(tenant.admin(&mut server, "PATCH", "/connection", Some(&later))));
            assert_eq!(kept(&server), Vec::<String>::new(), "left: {context}");
            check(&restored(&tenant.id, &file), &tenant.id);
        }
    }
}

/// The stream of an export whose client takes its time.
fn stream(server: &mut Native, tenant: &str) -> Stream {
    match server.rollcall.handle(export_request(tenant)).into_body() {
        Body::Stream(stream) => stream,
        Body::Full(bytes) => panic!("{}", String::from_utf8_lossy(&bytes)),
    }
}

#[test]
fn what_a_snapshot_keeps_is_gone_soon_after_its_reader() {
    let mut server = Native::within(&world(&[]));
    let tenant = furnish(&mut server, 20);
    let create = |server: &mut Native, n: usize| drop(tenant.create(server, &format!("new{n}")).expect(201));

    // A client that goes away and says so.
    let mut given_up = stream(&mut server, &tenant.id);
    (0..30).for_each(|n| create(&mut server, n));
    assert!(kept(&server).len() > 60);
    server.rollcall.end_stream(&mut given_up);
    assert_eq!(kept(&server), Vec::<String>::new());
    assert!(server.rollcall.next_chunk(&mut given_up).is_none());

    // One that was never heard of again: each later change clears away what one before had left.
    let silent = stream(&mut server, &tenant.id);
    (30..35).for_each(|n| create(&mut server, n));
    assert!(!kept(&server).is_empty());
    server.pass(Duration::from_secs(301));
    (35..42).for_each(|n| create(&mut server, n));
    assert_eq!(kept(&server), Vec::<String>::new());
    drop(silent);

    // One that another one follows.
    let mut first = stream(&mut server, &tenant.id);
    create(&mut server, 42);
    let second = export(&mut server, &tenant.id);
    assert!(second.contains("new42"));
    let text = String::from_utf8(server.rollcall.next_chunk(&mut first).unwrap()).unwrap();
    assert!(text.ends_with("# another export was begun; this file is not complete\n"), "{text}");
    assert!(server.rollcall.next_chunk(&mut first).is_none() && !first.is_whole() && first.trailers().is_none());
    assert_eq!(kept(&server), Vec::<String>::new());
}

#[test]
fn a_slow_client_keeps_its_snapshot() {
    let mut server = Native::within(&world(&[]));
    let tenant = furnish(&mut server, 90);
    let before = export(&mut server, &tenant.id);
    let mut slow = stream(&mut server, &tenant.id);
    let mut file = String::new();
    while let Some(piece) = server.rollcall.next_chunk(&mut slow) {
        file += std::str::from_utf8(&piece).unwrap();
        server.pass(Duration::from_secs(200));
        tenant.create(&mut server, &format!("late{}", file.len())).expect(201);
    }
    assert!(file.len() > 64 * 1024 && slow.is_whole());
    assert_eq!(slow.trailers().unwrap()["rollcall-complete"], format!("bytes={}", file.len()));
    assert_eq!(content(&file), content(&before));
}

#[test]
fn a_store_that_fails_in_the_midst_of_an_export_leaves_a_file_that_no_import_takes_for_whole() {
    let mut server = Native::within(&world(&[]));
    let tenant = furnish(&mut server, 90);
    let mut broken = stream(&mut server, &tenant.id);
    let mut file = server.rollcall.next_chunk(&mut broken).unwrap();
    server.world.store.forget_calls();
    // Keys that cannot be read in one call are read one by one, so one call that fails is none too many.
    server.world.store.fail(10..12, Fault::Refused);
    while let Some(piece) = server.rollcall.next_chunk(&mut broken) {
        file.extend(piece);
    }
    let file = String::from_utf8(file).unwrap();
    assert!(file.ends_with("# the store did not answer; this file is not complete\n") && !broken.is_whole());
    assert!(broken.trailers().is_none());
    let lines = file.lines().count();
    let mut new = Native::within(&world(&[]));
    life::admin(&mut new, "POST", "/tenants", Some(&json!({"name": "New", "id": tenant.id}))).expect(201);
    let (status, answer) = import(&mut new, &tenant.id, &file);
    assert_eq!(status, 400);
    assert!(answer["error"]["message"].as_str().unwrap().starts_with(&format!("line {lines}: ")), "{answer}");
}

#[test]
fn requests_that_come_while_a_journal_is_restored_follow_it() {
    let mut old = Native::within(&world(&[("journal_capacity", "5")]));
    let tenant = furnish(&mut old, 6);
    let file = export(&mut old, &tenant.id);
    let (front, trailer) = file.trim_end().rsplit_once('\n').unwrap();
    let mut new = Native::within(&world(&[]));
    life::admin(&mut new, "POST", "/tenants", Some(&json!({"name": "New", "id": tenant.id}))).expect(201);
    let cut = front.lines().position(|line| line.contains("\"type\":\"record\"")).unwrap() + 2;
    let part: Vec<&str> = front.lines().take(cut).collect();
    // This instance has a record in memory that it writes after the import has begun.
    let refused = new.rollcall.handle(tenant.request("GET", "/Users", None));
    assert_eq!(refused.status(), 401);
    let mut importer = Native::within(&new.world);
    assert_eq!(import(&mut importer, &tenant.id, &part.join("\n")).0, 202);
    new.rollcall.flush();
    assert_eq!(import(&mut importer, &tenant.id, &format!("{front}\n{trailer}")).0, 200);
    let numbers = |server: &mut Native| -> Vec<u64> {
        tenant.journal(server).iter().map(|record| record["number"].as_u64().unwrap()).collect()
    };
    let (was, is) = (numbers(&mut old), numbers(&mut importer));
    assert_eq!(is[1..], was[..4], "one more, and the oldest is out");
    assert_eq!(is[0], was[0] + 1);
}

#[test]
fn an_id_is_given_to_one_tenant_at_a_time() {
    let mut server = Native::within(&world(&[]));
    let mut create = |id: &str| {
        let reply = life::admin(&mut server, "POST", "/tenants", Some(&json!({"name": "New", "id": id})));
        (reply.status, reply.body.pointer("/error/code").and_then(Value::as_str).map(str::to_owned))
    };
    assert_eq!(create("abcdefghjk"), (201, None));
    assert_eq!(create("abcdefghjk"), (409, Some("id_taken".to_owned())));
    assert_eq!(create("ABCDEFGHJK"), (400, Some("invalid_id".to_owned())));
    life::admin(&mut server, "DELETE", "/tenants/abcdefghjk", None).expect(204);
    life::admin(&mut server, "POST", "/tenants", Some(&json!({"name": "New", "id": "abcdefghjk"}))).expect(201);
    Tenant::start(&mut server, "abcdefghjk").expect(201);
}

/// A file whose line of this number says something else, with sums that fit.
fn altered(file: &str, number: usize, edit: impl Fn(&mut Value)) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::{Digest as _, Sha256};
    let mut sum = String::new();
    let mut text = String::new();
    for (at, line) in file.lines().enumerate() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().shift_remove("sum");
        if at + 1 == number {
            edit(&mut line);
        }
        let line = line.to_string();
        let front = line.strip_suffix('}').unwrap();
        sum = URL_SAFE_NO_PAD.encode(&Sha256::new().chain_update(&sum).chain_update(front).finalize()[..12]);
        text.push_str(&format!("{front},\"sum\":\"{sum}\"}}\n"));
    }
    text
}

#[test]
fn a_line_that_the_tenant_could_not_have_is_refused_by_its_number() {
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let mut old = Native::within(&world(&[]));
    let tenant = furnish(&mut old, 8);
    let file = export(&mut old, &tenant.id);
    let line_of = |kind: &str| {
        let marked = format!("\"type\":\"{kind}\"");
        file.lines().position(|line| line.contains(&marked)).unwrap() + 1
    };
    let long = |bytes: usize| Value::String("x".repeat(bytes));
    let enterprise = format!("/attributes/{ENTERPRISE}");
    let cases: Vec<(&str, &str, Value, &str)> = vec![
        (
            "user",
            "/attributes/userName",
            long(300_000),
            "attributes: userName: expected at most 512 bytes, found 300000",
        ),
        ("user", "/attributes/userName", json!("a\u{0}b"), "attributes: userName: expected printable characters"),
        (
            "user",
            "/attributes/active",
            json!("yes"),
            "attributes: active: expected a boolean, found the string \"yes\"",
        ),
        ("user", "/attributes/active", json!("true"), "attributes: active: expected a boolean"),
        ("user", "/attributes/title", json!(3), "attributes: title: expected a string, found the number 3"),
        ("user", "/attributes/title", long(64 * 1024 + 1), "attributes: title: expected at most 65536 bytes"),
        ("user", "/attributes/password", json!("x"), "attributes: password: expected none, since nobody may read it"),
        ("user", "/attributes/nickname", json!("x"), "attributes: nickname: expected an attribute of"),
        ("user", "/attributes/emails", json!("a@b.c"), "attributes: emails: expected an array"),
        (
            "user",
            "/attributes/roles",
            (0..1_001).map(|n| json!({"value": n.to_string()})).collect(),
            "attributes: roles: expected at most 1000 values",
        ),
        (
            "user",
            "/attributes/roles",
            (0..5).map(|_| json!({"value": long(60_000)})).collect(),
            "attributes: body: expected at most 262144 bytes of attributes",
        ),
        ("user", &enterprise, json!("x"), "attributes: urn:"),
        ("user", &enterprise, json!({"department": [1]}), "attributes: urn:"),
        (
            "user",
            "/externalId",
            long(64 * 1024 + 1),
            "attributes: externalId: expected at most 65536 bytes, found 65537",
        ),
        (
            "group",
            "/attributes/displayName",
            long(513),
            "attributes: displayName: expected at most 512 bytes, found 513",
        ),
        ("connection", "/identityProvider", json!("nobody"), "identityProvider: expected entra, "),
        ("record", "/operation", long(9_000), "operation: expected at most 8192 bytes, found more"),
        ("record", "/responseBody", long(9_000), "responseBody: expected at most 8192 bytes, found more"),
    ];
    for (kind, place, value, expected) in cases {
        let number = line_of(kind);
        let text = altered(&file, number, |line| {
            let (parent, name) = place.rsplit_once('/').unwrap();
            line.pointer_mut(parent).unwrap()[name] = value.clone();
        });
        let mut new = Native::within(&world(&[]));
        life::admin(&mut new, "POST", "/tenants", Some(&json!({"name": "New", "id": tenant.id}))).expect(201);
        let (status, answer) = import(&mut new, &tenant.id, &text);
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{place}: {answer}");
        assert!(message.starts_with(&format!("line {number}: {expected}")), "{place}: {message}");
        assert!(message.len() < 1_000);
        let (status, answer) = import(&mut new, &tenant.id, &file);
        assert_eq!((status, &answer["state"]), (200, &json!("done")), "{place}: {answer}");
    }
    // What is at the limit comes in.
    let text = altered(&file, line_of("user"), |line| line["attributes"]["userName"] = long(512));
    restored(&tenant.id, &text);
}

#[test]
fn what_a_file_says_of_a_time_that_has_not_come_counts_nothing() {
    let mut old = Native::within(&world(&[]));
    let tenant = furnish(&mut old, 8);
    let file = export(&mut old, &tenant.id);
    let ahead = altered(&file, 3, |line| {
        assert_eq!(line["type"], "state");
        line["traffic"]["demand"] = json!({"second": 9_999_999_999_i64, "counts": [100_000, 0, 0, 0], "peak": 100_000});
        line["lastTransfer"] = json!("2286-11-20T17:46:39Z");
    });
    let mut new = Native::within(&world(&[("requests_per_second", "10")]));
    restore(&mut new, &tenant.id, &ahead);
    for _ in 0..10 {
        tenant.scim(&mut new, "GET", "/Users?count=0", None).expect(200);
    }
    let connection = tenant.admin(&mut new, "GET", "/connection", None).expect(200);
    assert!(connection.text("/lastTransferAt").starts_with("2026-"));
}

/// What an export reads of a store, by the number of its users.
#[test]
fn an_export_costs_its_size() {
    let calls = |users: usize| {
        let mut server = Native::within(&world(&[("journal_capacity", "10")]));
        let tenant = furnish(&mut server, users);
        server.world.store.forget_calls();
        let lines = export(&mut server, &tenant.id).lines().count();
        (lines, server.world.store.calls().len())
    };
    let ((few, cost_of_few), (many, cost_of_many)) = (calls(50), calls(500));
    let a_line = (cost_of_many - cost_of_few) as f64 / (many - few) as f64;
    // Two reads of a user, and a little for the rosters.
    assert!(a_line < 3.0, "{a_line}");
}

//! Every path of the route table, with every method, by everybody who must not get in.

use super::*;

/// What everybody is told who is not let in below a tenant URL.
const UNAUTHORIZED: &str = "authorization: expected \"Bearer\" and the secret token of this tenant URL; the one, the other or both are not valid here";

/// What a refusal is, to the byte.
#[derive(Debug, PartialEq, Clone)]
struct Refusal {
    status: u16,
    authenticate: Option<String>,
    allow: Option<String>,
    body: Value,
}

impl Refusal {
    fn of(response: &Response<Vec<u8>>) -> Refusal {
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Refusal {
            status: response.status().as_u16(),
            authenticate: header("www-authenticate"),
            allow: header("allow"),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
        }
    }

    /// Of a caller without a valid token; to HEAD without a body.
    fn scim(presented: bool, method: &str) -> Refusal {
        let error = if presented { ", error=\"invalid_token\"" } else { "" };
        Refusal {
            status: 401,
            authenticate: Some(format!("Bearer realm=\"SCIM\"{error}")),
            allow: None,
            body: json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": "401",
                "detail": UNAUTHORIZED,
            }),
        }
        .to(method)
    }

    fn to(self, method: &str) -> Refusal {
        if method == "HEAD" { Refusal { body: Value::Null, ..self } } else { self }
    }

    fn admin(status: u16, code: &str, message: &str) -> Refusal {
        Refusal {
            status,
            authenticate: (code == "unauthorized").then(|| "Bearer realm=\"admin\"".to_owned()),
            allow: None,
            body: json!({"error": {"code": code, "message": message}}),
        }
    }

    fn method(row: &Row) -> Refusal {
        let known: Vec<&str> = row.methods.iter().map(http::Method::as_str).collect();
        let known = known.join(", ");
        let refusal = Refusal::admin(405, "wrong_method", &format!("method: expected {known}"));
        Refusal { allow: Some(route::allow(row.methods)), ..refusal }
    }

    /// Whom OPTIONS is answered, RFC 9110 §9.3.7: everybody who may learn it from a 405.
    fn options(row: &Row) -> Refusal {
        Refusal { status: 204, authenticate: None, allow: Some(route::allow(row.methods)), body: Value::Null }
    }
}

fn rows(door: Door) -> Vec<Row> {
    route::table().into_iter().filter(|row| row.door == door).collect()
}

#[test]
fn nobody_gets_in_below_a_tenant_url_without_a_valid_token_of_that_tenant() {
    let mut setting = Setting::new();
    let cookie = sign_in(&mut setting.server);
    let right = bearer(&setting.ours.token);
    // Whether the caller has presented a token, RFC 6750 §3.1.
    let callers: Vec<(Vec<(&str, String)>, bool)> = vec![
        (vec![], false),
        (vec![("cookie", cookie.clone()), ("origin", format!("http://{HOST}"))], false),
        (vec![("authorization", bearer(&setting.theirs.token))], true),
        (vec![("authorization", bearer(&setting.ended))], true),
        (vec![("authorization", bearer(ADMIN_SECRET))], true),
        (vec![("authorization", bearer(&setting.ours.token.to_uppercase()))], true),
        (vec![("authorization", bearer(&format!("{}x", setting.ours.token)))], true),
        (vec![("authorization", bearer(&format!("{} {}", setting.ours.token, ADMIN_SECRET)))], true),
        (vec![("authorization", format!("Basic {}", setting.ours.token))], false),
        (vec![("authorization", "Bearer".to_owned())], false),
        (vec![("authorization", setting.theirs.token.clone())], true),
        (vec![("authorization", setting.ended.clone())], true),
        (vec![("authorization", ADMIN_SECRET.to_owned())], false),
        (vec![("authorization", format!("Token {}", setting.ours.token))], false),
        (vec![("authorization", bearer(&bearer(&setting.theirs.token)))], true),
        (vec![("authorization", bearer(&bearer(ADMIN_SECRET)))], true),
        (vec![("authorization", bearer(&format!("{} {right}", setting.theirs.token)))], true),
        (vec![("authorization", bearer(&format!("{}, {right}", setting.ours.token)))], true),
        (vec![("authorization", bearer(&bearer(&right)))], true),
        (vec![("authorization", setting.ours.token.clone()), ("authorization", setting.theirs.token.clone())], false),
        (vec![("authorization", right.clone()), ("authorization", right.clone())], false),
        (vec![("authorization", bearer("x")), ("authorization", right.clone())], false),
        (vec![("proxy-authorization", right.clone()), ("x-authorization", right)], false),
    ];
    let before = setting.state();
    let tenant_url = format!("/scim/v2/{}", setting.ours.id);
    let mut paths: Vec<String> = rows(Door::Token).iter().map(|row| setting.path(row)).collect();
    assert!(paths.len() >= 14);
    // What is not there is refused in the same words.
    paths.extend(
        ["", "/", "/nothing", "//Users", "/users", "/USERS//", "/Users/../Groups", "/%2e%2e/admin"]
            .map(|below| tenant_url.clone() + below),
    );
    let body = body().to_string();
    for path in &paths {
        for method in METHODS {
            // A token in the query is no token, RFC 6750 §2.3 notwithstanding: URLs are logged.
            let path = format!("{path}?access_token={}", setting.ours.token);
            for (headers, expected) in &callers {
                let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let response = setting.server.answer(request(method, &path, &headers, body.as_bytes()));
                let expected = Refusal::scim(*expected, method);
                assert_eq!(Refusal::of(&response), expected, "{method} {path} {headers:?}");
                assert_eq!(response.headers().get("access-control-allow-origin"), None);
            }
        }
    }
    assert_eq!(setting.state(), before);
}

#[test]
fn the_right_token_gets_in_everywhere_below_its_tenant_url() {
    for row in rows(Door::Token) {
        for method in row.methods {
            let mut setting = Setting::new();
            let (path, authorization) = (setting.path(&row), bearer(&setting.ours.token));
            let headers = [("authorization", authorization.as_str())];
            let response =
                setting.server.answer(request(method.as_str(), &path, &headers, body().to_string().as_bytes()));
            let status = response.status().as_u16();
            assert!(![401, 403, 404, 405].contains(&status), "{method} {path}: {status} {}", text_of(&response));
        }
    }
}

/// A caller of the admin API: the headers that it sends, made anew for each request, and how it is refused.
type Caller = (fn(&mut Setting) -> Vec<(&'static str, String)>, Refusal);

fn strangers() -> Vec<Caller> {
    let sign_in_or = "authorization: sign in, or send \"Bearer\" and the admin secret";
    let nobody = || Refusal::admin(401, "unauthorized", sign_in_or);
    let wrong = || Refusal::admin(401, "wrong_secret", "secret: this is not the admin secret");
    let other = || Refusal::admin(401, "unauthorized", "authorization: expected \"Bearer\" and the admin secret");
    vec![
        (|_| vec![], nobody()),
        (|setting| vec![("authorization", bearer(&setting.ours.token))], wrong()),
        (|setting| vec![("authorization", bearer(&setting.theirs.token))], wrong()),
        (|setting| vec![("authorization", bearer(&setting.ended))], wrong()),
        (|_| vec![("authorization", bearer(&ADMIN_SECRET.to_uppercase()))], wrong()),
        (|_| vec![("authorization", bearer(&ADMIN_SECRET[1..]))], wrong()),
        (|_| vec![("authorization", format!("Basic {ADMIN_SECRET}"))], other()),
        (|_| vec![("authorization", ADMIN_SECRET.to_owned())], other()),
        (|_| vec![("authorization", bearer(ADMIN_SECRET)), ("authorization", bearer(ADMIN_SECRET))], other()),
        // A session does not help who sends something wrong beside it.
        (|setting| vec![("authorization", "Bearer".to_owned()), ("cookie", sign_in(&mut setting.server))], other()),
        (|_| vec![("cookie", "rollcall_session=".to_owned())], nobody()),
        (|_| vec![("cookie", format!("rollcall_session={ADMIN_SECRET}"))], nobody()),
        (|_| vec![("cookie", "rollcall_session=9999999999.id.AAAA".to_owned())], nobody()),
        (
            |setting| {
                vec![("cookie", sign_in(&mut setting.server).replace("rollcall_session=1", "rollcall_session=2"))]
            },
            nobody(),
        ),
        (|setting| vec![("cookie", format!("{}A", sign_in(&mut setting.server)))], nobody()),
        (signed_out, nobody()),
        (over, nobody()),
    ]
}

fn signed_out(setting: &mut Setting) -> Vec<(&'static str, String)> {
    let cookie = sign_in(&mut setting.server);
    let headers = [("cookie", cookie.as_str()), ("origin", &format!("http://{HOST}"))];
    let response = setting.server.answer(request("DELETE", "/admin/api/v1/session", &headers, b""));
    assert_eq!(response.status(), 204);
    vec![("cookie", cookie), ("origin", format!("http://{HOST}"))]
}

fn over(setting: &mut Setting) -> Vec<(&'static str, String)> {
    let cookie = sign_in(&mut setting.server);
    setting.server.pass(Duration::from_secs(12 * 60 * 60));
    vec![("cookie", cookie), ("origin", format!("http://{HOST}"))]
}

fn send(setting: &mut Setting, method: &str, path: &str, headers: &[(&'static str, String)]) -> Response<Vec<u8>> {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = setting.server.answer(request(method, path, &headers, body().to_string().as_bytes()));
    assert_eq!(response.headers().get("access-control-allow-origin"), None);
    // Wrong secrets are counted by the minute.
    setting.server.pass(Duration::from_secs(61));
    response
}

#[test]
fn nobody_gets_into_the_admin_api_without_the_secret_or_a_session() {
    let mut setting = Setting::new();
    let before = setting.state();
    let rows = rows(Door::Secret);
    assert!(rows.len() >= 12);
    let callers = strangers();
    for row in &rows {
        let path = setting.path(row);
        for method in METHODS {
            let heads = *method == "HEAD" && row.methods.contains(&http::Method::GET);
            if !heads && !row.methods.iter().any(|known| known == method) {
                let response = send(&mut setting, method, &path, &[]);
                let expected = if *method == "OPTIONS" { Refusal::options(row) } else { Refusal::method(row) };
                assert_eq!(Refusal::of(&response), expected.to(method), "{method} {path}");
                continue;
            }
            for (caller, expected) in &callers {
                let headers = caller(&mut setting);
                let response = send(&mut setting, method, &path, &headers);
                let expected = expected.clone().to(method);
                assert_eq!(Refusal::of(&response), expected, "{method} {path} {headers:?}");
            }
        }
    }
    assert_eq!(setting.state(), before);
}

#[test]
fn a_session_changes_nothing_from_another_origin() {
    let origins = [
        None,
        Some("null"),
        Some("http://evil.example"),
        Some("http://scim.example.com.evil.example"),
        Some("http://evil.example/scim.example.com"),
        Some("http://scim.example.com:8080"),
        Some("http://scim.example.com@evil.example"),
        Some("scim.example.com"),
        Some("http://sub.scim.example.com"),
    ];
    let message = "origin: a change with a session has to come from the page itself";
    let mut setting = Setting::new();
    let before = setting.state();
    for row in rows(Door::Secret) {
        let path = setting.path(&row);
        for method in row.methods.iter().filter(|method| !method.is_safe()) {
            for origin in origins {
                let mut headers = vec![("cookie", sign_in(&mut setting.server))];
                headers.extend(origin.map(|origin| ("origin", origin.to_owned())));
                let refused = Refusal::of(&send(&mut setting, method.as_str(), &path, &headers));
                assert_eq!(refused, Refusal::admin(403, "origin_mismatch", message), "{method} {path} {origin:?}");
            }
        }
    }
    assert_eq!(setting.state(), before);
}

#[test]
fn the_admin_secret_and_a_session_of_the_page_get_in_everywhere_in_the_admin_api() {
    for row in rows(Door::Secret) {
        for method in row.methods {
            for signed_in in [false, true] {
                let mut setting = Setting::new();
                let path = setting.path(&row);
                let headers = match signed_in {
                    true => vec![("cookie", sign_in(&mut setting.server)), ("origin", format!("http://{HOST}"))],
                    false => vec![("authorization", bearer(ADMIN_SECRET))],
                };
                let response = send(&mut setting, method.as_str(), &path, &headers);
                let status = response.status().as_u16();
                let text = text_of(&response);
                assert!(
                    ![401, 403, 405].contains(&status) && !text.contains("no such call"),
                    "{method} {path}: {text}"
                );
            }
        }
    }
}

#[test]
fn sessions_begin_with_the_secret_and_end_from_the_page() {
    let rows = rows(Door::SignIn);
    assert_eq!(rows.iter().map(|row| row.template.as_str()).collect::<Vec<_>>(), ["/admin/api/v1/session"]);
    let mut setting = Setting::new();
    let path = setting.path(&rows[0]);
    for (caller, expected) in strangers() {
        let headers = caller(&mut setting);
        // Only a cookie is a session; what else is sent counts for nothing here.
        let session = headers.len() == 2 && expected.body["error"]["message"].to_string().contains("expected");
        let found = Refusal::of(&send(&mut setting, "GET", &path, &headers));
        let cookie = headers.iter().any(|(name, _)| *name == "cookie");
        if session && cookie {
            assert_eq!(found.status, 200, "{headers:?}");
        } else {
            assert_eq!(found, Refusal::admin(401, "unauthorized", "session: sign in"), "{headers:?}");
        }
    }
    let refused = Refusal::of(&send(&mut setting, "POST", &path, &[]));
    assert_eq!(refused, Refusal::admin(401, "wrong_secret", "secret: this is not the admin secret"));
    for method in ["POST", "DELETE"] {
        let headers = vec![("cookie", sign_in(&mut setting.server)), ("origin", "http://evil.example".to_owned())];
        let refused = Refusal::of(&send(&mut setting, method, &path, &headers));
        assert_eq!((refused.status, &refused.body["error"]["code"]), (403, &json!("origin_mismatch")), "{method}");
        assert_eq!(send(&mut setting, "GET", &path, &headers[..1]).status(), 200);
    }
}

#[test]
fn what_is_open_to_everybody_is_named_here() {
    let open: Vec<String> = rows(Door::Open).into_iter().map(|row| row.template).collect();
    assert_eq!(open, ["/admin/api/v1/product", "/openapi.json", "/healthz", "/readyz"]);
}

/// Tenant ids of every kind: connected, ended, never started, being restored, gone, and such that none can have.
fn every_kind_of_tenant(setting: &mut Setting) -> Vec<(&'static str, String)> {
    let server = &mut setting.server;
    let ended = Tenant::connect(server);
    ended.admin(server, "DELETE", "/connection", None).expect(204);
    let new = |server: &mut Native| life::admin(server, "POST", "/tenants", Some(&json!({"name": "New"}))).text("/id");
    let (never_started, gone, restored) = (new(server), new(server), new(server));
    life::admin(server, "DELETE", &format!("/tenants/{gone}"), None).expect(204);
    let file = acceptance::backup::export(server, &setting.ours.id);
    let part: Vec<&str> = file.lines().take(6).collect();
    assert_eq!(acceptance::backup::import(server, &restored, &(part.join("\n") + "\n")).0, 202);
    vec![
        ("connected", setting.ours.id.clone()),
        ("ended", ended.id),
        ("never started", never_started),
        ("being restored", restored),
        ("gone", gone),
        ("unknown", "aaaaaaaaaa".to_owned()),
        ("another spelling", format!("%{:02x}{}", setting.ours.id.as_bytes()[0], &setting.ours.id[1..])),
        ("no id", "Contoso".to_owned()),
        ("a way out", "..".to_owned()),
    ]
}

#[test]
fn a_stranger_does_not_learn_which_tenants_there_are() {
    let mut setting = Setting::new();
    let tenants = every_kind_of_tenant(&mut setting);
    let presented =
        [None, Some(bearer(&setting.theirs.token)), Some("Basic YTpi".to_owned()), Some("Bearer".to_owned())];
    for authorization in &presented {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            for below in ["", "/Users", "/Users/1", "/Bulk", "/nothing", "//Users"] {
                let mut answers = tenants.iter().map(|(kind, id)| {
                    let headers: Vec<(&str, &str)> =
                        authorization.iter().map(|value| ("authorization", value.as_str())).collect();
                    let path = format!("/scim/v2/{id}{below}");
                    let mut response = setting.server.answer(request(method, &path, &headers, b"{}"));
                    // The one thing that differs: it names the request.
                    let id = response.headers_mut().remove("x-request-id");
                    assert!(id.is_some_and(|id| id.len() == 12), "{kind}");
                    (*kind, (response.status().as_u16(), text_of(&response)))
                });
                let (_, first) = answers.next().unwrap();
                assert_eq!(first.0, 401);
                for (kind, answer) in answers {
                    assert_eq!(answer, first, "{kind}: {method} {below} {authorization:?}");
                }
            }
        }
    }
}

#[test]
fn the_journal_says_why_a_request_was_not_let_in() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    let newest = |setting: &mut Setting, tenant: &Tenant| tenant.journal(&mut setting.server)[0]["detail"].clone();
    let wrong = Tenant { token: setting.theirs.token.clone(), ..ours.clone() };
    wrong.scim(&mut setting.server, "GET", "/Users", None).expect(401);
    assert_eq!(newest(&mut setting, &ours), "authorization: the token is not valid for this tenant URL");
    setting.server.answer(request("GET", &format!("/scim/v2/{}/Users", ours.id), &[], b""));
    assert_eq!(newest(&mut setting, &ours), "authorization: expected \"Bearer\" and the secret token, found none");
    ours.admin(&mut setting.server, "DELETE", "/connection", None).expect(204);
    ours.scim(&mut setting.server, "GET", "/Users", None).expect(401);
    let ended = "authorization: this connection was ended; start the setup again";
    assert_eq!(newest(&mut setting, &ours), ended);
}

/// What requests without a valid token cost the store, at one instance: reads, and write transactions until nothing waits.
fn cost_of_strangers(setting: &Setting, id: &str, requests: usize) -> (usize, usize) {
    let store = &setting.server.world.store;
    setting.server.world.time.pass(Duration::from_secs(3_600));
    store.forget_calls();
    for number in 0..requests {
        let authorization = format!("Bearer a-token-that-is-wrong-{number:04}");
        let headers = [("authorization", authorization.as_str())];
        setting.server.rollcall.handle(request("GET", &format!("/scim/v2/{id}/Users/{number}"), &headers, b""));
        if number % 20 == 0 {
            setting.server.look();
        }
    }
    while let Some(patience) = setting.server.look() {
        setting.server.world.time.pass(patience);
    }
    assert!(!setting.server.rollcall.has_buffered());
    let reads = store.calls().iter().filter(|call| !call.verb.writes()).count();
    (reads, store.write_transactions())
}

#[test]
fn two_thousand_wrong_tokens_cost_a_tenant_three_turns_and_a_hundred_reads() {
    let mut setting = Setting::new();
    let tenants = every_kind_of_tenant(&mut setting);
    for (kind, id) in tenants {
        let (reads, writes) = cost_of_strangers(&setting, &id, 2_000);
        // A turn is an increment and a batch.
        let written = ["connected", "ended", "never started"].contains(&kind);
        assert!(reads <= 100 && writes <= if written { 6 } else { 0 }, "{kind}: {reads} reads, {writes} writes");
    }
    // All of them are in the journal.
    let ours = setting.ours.clone();
    let records = ours.journal(&mut setting.server);
    let refused = records.iter().filter(|record| record["status"] == 401);
    let counted: u64 = refused.map(|record| 1 + record["repeats"].as_u64().unwrap_or_default()).sum();
    assert_eq!(counted, 2_000);
    let newest = &records[0];
    assert_eq!(newest["detail"], "authorization: the token is not valid for this tenant URL");
    assert_eq!(newest["token"], "0020");
}

#[test]
fn while_strangers_come_the_right_token_gets_in_and_a_new_one_a_second_later() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    let status = |setting: &Setting, token: &str| {
        let headers = [("authorization", format!("Bearer {token}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let path = format!("/scim/v2/{}/Users?count=0", ours.id);
        setting.server.rollcall.handle(request("GET", &path, &headers, b"")).status().as_u16()
    };
    setting.server.pass(Duration::from_secs(3_600));
    assert!((0..100).all(|number| status(&setting, &format!("wrong-{number}")) == 401));
    assert_eq!(status(&setting, &ours.token), 200);
    let other = Native::within(&setting.server.world);
    let rotated = std::mem::replace(&mut setting.server, other);
    let rotate = json!({"overlapSeconds": 0});
    let new = ours.admin(&mut setting.server, "POST", "/connection/rotate", Some(&rotate)).text("/secretToken");
    setting.server = rotated;
    setting.server.pass(Duration::from_secs(1));
    assert_eq!((status(&setting, &ours.token), status(&setting, &new)), (401, 200));
}

//! Every path of the route table, with every method, by everybody who must not get in.

use super::*;

/// What a refusal is, to the byte.
#[derive(Debug, PartialEq)]
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

    fn scim(presented: bool, detail: &str) -> Refusal {
        let error = if presented { ", error=\"invalid_token\"" } else { "" };
        Refusal {
            status: 401,
            authenticate: Some(format!("Bearer realm=\"SCIM\"{error}")),
            allow: None,
            body: json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": "401",
                "detail": format!("authorization: {detail}"),
            }),
        }
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
        Refusal { allow: Some(known), ..refusal }
    }
}

fn rows(door: Door) -> Vec<Row> {
    route::table().into_iter().filter(|row| row.door == door).collect()
}

#[test]
fn nobody_gets_in_below_a_tenant_url_without_a_valid_token_of_that_tenant() {
    const NONE: &str = "expected \"Bearer\" and the secret token, found none";
    const OTHER: &str = "expected one header with \"Bearer\" and the secret token, found something else";
    const WRONG: &str = "the token is not valid for this tenant URL";
    let mut setting = Setting::new();
    let cookie = sign_in(&mut setting.server);
    let right = bearer(&setting.ours.token);
    let callers: Vec<(Vec<(&str, String)>, Refusal)> = vec![
        (vec![], Refusal::scim(false, NONE)),
        (vec![("cookie", cookie.clone()), ("origin", format!("http://{HOST}"))], Refusal::scim(false, NONE)),
        (vec![("authorization", bearer(&setting.theirs.token))], Refusal::scim(true, WRONG)),
        (vec![("authorization", bearer(&setting.ended))], Refusal::scim(true, WRONG)),
        (vec![("authorization", bearer(ADMIN_SECRET))], Refusal::scim(true, WRONG)),
        (vec![("authorization", bearer(&setting.ours.token.to_uppercase()))], Refusal::scim(true, WRONG)),
        (vec![("authorization", bearer(&format!("{}x", setting.ours.token)))], Refusal::scim(true, WRONG)),
        (
            vec![("authorization", bearer(&format!("{} {}", setting.ours.token, ADMIN_SECRET)))],
            Refusal::scim(true, WRONG),
        ),
        (vec![("authorization", format!("Basic {}", setting.ours.token))], Refusal::scim(false, OTHER)),
        (vec![("authorization", "Bearer".to_owned())], Refusal::scim(false, OTHER)),
        (vec![("authorization", setting.ours.token.clone())], Refusal::scim(false, OTHER)),
        (vec![("authorization", right.clone()), ("authorization", right.clone())], Refusal::scim(false, OTHER)),
        (vec![("authorization", bearer("x")), ("authorization", right.clone())], Refusal::scim(false, OTHER)),
        (vec![("proxy-authorization", right.clone()), ("x-authorization", right)], Refusal::scim(false, NONE)),
    ];
    let before = setting.state();
    let tenant_url = format!("/scim/v2/{}", setting.ours.id);
    let mut paths: Vec<String> = rows(Door::Token).iter().map(|row| setting.path(row)).collect();
    assert!(paths.len() >= 14);
    // What is not there is refused in the same words.
    paths.extend(
        ["", "/", "/nothing", "//Users", "/Users/../Groups", "/%2e%2e/admin"].map(|below| tenant_url.clone() + below),
    );
    let body = body().to_string();
    for path in &paths {
        for method in METHODS {
            // A token in the query is no token, RFC 6750 §2.3 notwithstanding: URLs are logged.
            let path = format!("{path}?access_token={}", setting.ours.token);
            for (headers, expected) in &callers {
                let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let response = setting.server.answer(request(method, &path, &headers, body.as_bytes()));
                assert_eq!(Refusal::of(&response), *expected, "{method} {path} {headers:?}");
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
            if !row.methods.iter().any(|known| known == method) {
                let response = send(&mut setting, method, &path, &[]);
                assert_eq!(Refusal::of(&response), Refusal::method(row), "{method} {path}");
                continue;
            }
            for (caller, expected) in &callers {
                let headers = caller(&mut setting);
                let response = send(&mut setting, method, &path, &headers);
                assert_eq!(Refusal::of(&response), *expected, "{method} {path} {headers:?}");
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
    assert_eq!(open, ["/admin/api/v1/product", "/openapi.json"]);
}

#[test]
fn a_stranger_does_not_learn_which_tenants_there_are() {
    let mut setting = Setting::new();
    let never_started = life::admin(&mut setting.server, "POST", "/tenants", Some(&json!({"name": "New"}))).text("/id");
    let token = bearer(&setting.theirs.token);
    for id in ["aaaaaaaaaa", "Contoso", "..", &never_started] {
        let path = format!("/scim/v2/{id}/Users");
        let refused = Refusal::of(&setting.server.answer(request("GET", &path, &[("authorization", &token)], b"")));
        assert_eq!(refused, Refusal::scim(true, "this tenant URL or its token is not valid here"), "{id}");
    }
}

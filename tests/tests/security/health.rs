//! `/healthz`, and hosts that are none.

use super::*;
use acceptance::store::Fault;
use rollcall_core::http::health;
use rollcall_core::settings::Settings;

#[test]
fn health_is_that_of_the_store() {
    let mut setting = Setting::new();
    let ask = |setting: &mut Setting, method: &str| setting.server.answer(request(method, "/healthz", &[], b""));
    setting.server.world.store.forget_calls();
    let response = ask(&mut setting, "GET");
    assert_eq!((response.status().as_u16(), response.body().as_slice()), (200, &b"{\"status\":\"ok\"}"[..]));
    assert_eq!((setting.server.world.store.calls().len(), setting.server.world.store.write_transactions()), (1, 0));
    let response = ask(&mut setting, "HEAD");
    assert_eq!((response.status().as_u16(), response.body().len()), (200, 0));
    assert_eq!(ask(&mut setting, "POST").status(), 405);
    setting.server.world.store.forget_calls();
    setting.server.world.store.fail(0..usize::MAX, Fault::Refused);
    let response = ask(&mut setting, "GET");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    let message = "service: the store did not answer; the error output says why";
    assert_eq!(
        (response.status().as_u16(), body),
        (503, json!({"error": {"code": "unavailable", "message": message}}))
    );
    assert!(setting.server.world.log.borrow().iter().any(|line| line == "health: the disk said no"));
}

#[test]
fn settings_that_cannot_be_used_are_told_at_one_path_and_without_a_secret() {
    for (name, value) in [
        ("admin_secret", "hunter2"),
        ("public_url", "https://u:hunter2@scim.example.com"),
        ("public_url", "https://scim.example.com/#hunter2"),
        ("journal_capacity", "0"),
        ("frame_ancestors", "hunter2"),
    ] {
        let variable = |asked: &str| match asked {
            asked if asked == name => Some(value.to_owned()),
            "admin_secret" => Some(ADMIN_SECRET.to_owned()),
            _ => None,
        };
        let error = Settings::read(variable).unwrap_err();
        let response = health::misconfigured(&http::Method::GET, "/healthz", &error);
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(body["error"]["code"], "misconfigured");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("variable {name}: expected ")) && !message.contains("hunter2"),
            "{message}"
        );
        for path in ["/", "/admin/api/v1/product", "/healthz/"] {
            let response = health::misconfigured(&http::Method::GET, path, &error);
            assert!(response.status() == 500 && !text_of(&response).contains(name), "{path}");
        }
    }
}

#[test]
fn a_host_has_no_user_information() {
    let mut setting = Setting::new();
    let token = bearer(&setting.ours.token);
    let paths = [
        format!("/scim/v2/{}/Users", setting.ours.id),
        format!("/admin/api/v1/tenants/{}/connection", setting.ours.id),
        "/".to_owned(),
        "/openapi.json".to_owned(),
        "/healthz".to_owned(),
        "/nothing".to_owned(),
    ];
    let hosts = [
        "user@evil.example",
        "user:pass@scim.example.com",
        "@scim.example.com",
        "a b",
        "a/b",
        "a?b",
        "scim.example.com:port",
        "",
    ];
    for path in &paths {
        for host in hosts {
            let mut request = request("GET", path, &[("authorization", &token)], b"");
            request.headers_mut().insert("host", host.parse().unwrap());
            let response = setting.server.answer(request);
            assert_eq!(response.status(), 400, "{path} {host}");
            assert!(!text_of(&response).contains("evil"), "{path} {host}");
        }
        let uri = format!("http://user@scim.example.com{path}");
        assert_eq!(setting.server.answer(request("GET", &uri, &[], b"")).status(), 400, "{uri}");
    }
    for host in ["scim.example.com", "scim.example.com:8443", "127.0.0.1:3000", "[::1]:3000", "localhost"] {
        let mut request = request("GET", &paths[0], &[("authorization", &token)], b"");
        request.headers_mut().insert("host", host.parse().unwrap());
        assert_eq!(setting.server.answer(request).status(), 200, "{host}");
    }
}

#[test]
fn a_cookie_is_secure_where_the_first_proxy_has_seen_https() {
    let mut setting = Setting::new();
    let secret = json!({"secret": ADMIN_SECRET}).to_string();
    for (forwarded, secure) in [("https", true), ("HTTPS", true), ("https, http", true), ("http, https", false)] {
        let headers = [("x-forwarded-proto", forwarded)];
        let response = setting.server.answer(request("POST", "/admin/api/v1/session", &headers, secret.as_bytes()));
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        assert_eq!(cookie.ends_with("; Secure"), secure, "{forwarded}: {cookie}");
    }
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let mut setting = Setting::new();
    let token = bearer(&setting.ours.token);
    for row in route::table().into_iter().filter(|row| row.methods.contains(&http::Method::GET)) {
        let path = setting.path(&row);
        let credentials = if row.door == Door::Token { token.clone() } else { bearer(ADMIN_SECRET) };
        let [get, mut head] = ["GET", "HEAD"].map(|method| {
            let mut response = setting.server.answer(request(method, &path, &[("authorization", &credentials)], b""));
            response.headers_mut().remove("x-request-id");
            response
        });
        assert_eq!(get.status(), head.status(), "{path}");
        assert!(head.body().is_empty(), "{path}");
        // A file that is read while it is sent has no length beforehand. Whoever listens adds that of GET.
        let is_file = get.headers().contains_key("content-disposition");
        let length = (!get.body().is_empty() && !is_file).then(|| get.body().len().to_string());
        let told = head.headers_mut().remove("content-length").map(|length| length.to_str().unwrap().to_owned());
        assert_eq!(told, length, "{path}");
        assert_eq!(get.headers(), head.headers(), "{path}");
    }
    let ours = setting.ours.clone();
    let records = ours.journal(&mut setting.server);
    let heads: Vec<_> = records.iter().filter(|record| record["method"] == "HEAD").collect();
    assert!(heads.len() >= 8 && heads.iter().all(|record| record["kind"] == "read"), "{heads:?}");
}

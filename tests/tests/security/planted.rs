//! Secrets in places where they do not belong: no error, journal, log line or page says them again.

use super::*;

const PASSWORD: &str = "correct-horse-battery-staple";

/// A token with every kind of its signs behind percent signs.
fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Requests with a token wherever a client can write.
fn with_token(token: &str, user: &str, group: &str) -> Vec<Request<Vec<u8>>> {
    let mut requests = Vec::new();
    let mut add = |method: &str, path: &str, headers: &[(&str, &str)], body: &Value| {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        requests.push(request(method, path, headers, &bytes));
    };
    let null = Value::Null;
    for hidden in [token.to_owned(), percent(token), percent(&percent(token))] {
        for path in ["/Users/", "/Groups/", "/Schemas/", "/ResourceTypes/", "/", "/Users/x/", "/Bulk/", "/.search/"] {
            for method in ["GET", "DELETE", "PATCH"] {
                add(method, &format!("{path}{hidden}"), &[], &null);
            }
        }
        let parameters = ["startIndex", "count", "sortBy", "sortOrder", "attributes", "excludedAttributes", "cursor"];
        for parameter in parameters {
            add("GET", &format!("/Users?{parameter}={hidden}"), &[], &null);
            add("GET", &format!("/Groups?{parameter}={hidden}&{hidden}"), &[], &null);
        }
        let filters = [
            "userName+eq+%22T%22",
            "T+eq+%22x%22",
            "userName+T+%22x%22",
            "emails%5bT+eq+%22x%22%5d",
            "T",
            "userName+eq+T",
            "userName+eq+%22T",
            "active+eq+%22T%22",
            "meta.created+gt+%22T%22",
            "not+(T+pr)",
            "externalId+sw+%22T%22",
            "id+eq+%22T%22",
        ];
        for filter in filters {
            add("GET", &format!("/Users?filter={}", filter.replace('T', &hidden)), &[], &null);
        }
        add("GET", &format!("/Users?access_token={hidden}"), &[], &null);
        add("GET", &format!("/Users?{hidden}=1"), &[], &null);
    }
    let headers = [
        "user-agent",
        "x-request-id",
        "if-match",
        "if-none-match",
        "content-type",
        "accept",
        "content-encoding",
        "x-forwarded-proto",
        "x-forwarded-for",
        "cookie",
        "origin",
        "referer",
        "accept-language",
        "prefer",
    ];
    for header in headers {
        add("GET", &format!("/Users/{user}"), &[(header, token)], &null);
        add("POST", "/Users", &[(header, token)], &json!({}));
        add("PUT", "/Users/nobody", &[(header, token)], &json!({}));
    }
    let bodies = |text: &Value| {
        let key = text.as_str().unwrap_or_default();
        vec![
            json!({key: 1}),
            json!({"userName": text}),
            json!({"userName": {key: text}}),
            json!({"userName": "bob", "active": text}),
            json!({"userName": "bob", "displayName": text, "title": [text]}),
            json!({"userName": "bob", "emails": [{"value": text, "type": text, key: text}]}),
            json!({"userName": "bob", "emails": {"value": {"deep": [[text]]}}}),
            json!({"userName": "bob", "externalId": text, "id": text, "schemas": [text], "meta": {"location": text}}),
            json!({"userName": "bob", "schemas": text}),
            json!({"userName": "bob", "name": {"givenName": text}, key: {key: [text]}}),
            json!({"userName": "bob", "x509Certificates": [{"value": text}], "meta": text}),
            json!({"userName": "bob", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": text, key: text}}),
            json!({"userName": "bob", text.as_str().unwrap_or_default(): text}),
            json!({"displayName": text, "members": [{"value": text, "$ref": text, "display": text}]}),
            json!({"displayName": "g", "members": [text]}),
            json!({"filter": format!("userName eq \"{key}\""), "sortBy": text, "attributes": [text], "count": text}),
            json!({"Operations": [{"method": text, "path": text, "bulkId": text, "data": {key: text}}], "failOnErrors": text}),
            json!([text]),
            text.clone(),
        ]
    };
    for body in bodies(&json!(token)) {
        for (method, path) in [
            ("POST", "/Users".to_owned()),
            ("PUT", format!("/Users/{user}")),
            ("POST", "/Groups".to_owned()),
            ("PUT", format!("/Groups/{group}")),
            ("POST", "/Bulk".to_owned()),
            ("POST", "/.search".to_owned()),
            ("POST", "/Users/.search".to_owned()),
        ] {
            add(method, &path, &[], &body);
        }
    }
    let operations = [
        json!({"op": token, "path": "title", "value": "x"}),
        json!({"op": "replace", "path": token, "value": "x"}),
        json!({"op": "replace", "path": [token], "value": "x"}),
        json!({"op": "replace", "path": format!("emails[value eq \"{token}\"].value"), "value": "x"}),
        json!({"op": "replace", "path": format!("emails[{token} eq \"x\"].value"), "value": "x"}),
        json!({"op": "replace", "path": format!("emails[type eq \"work\"].{token}"), "value": token}),
        json!({"op": "replace", "path": format!("{token}:title"), "value": "x"}),
        json!({"op": "replace", "path": "title", "value": token}),
        json!({"op": "replace", "path": "userName", "value": {token: token}}),
        json!({"op": "replace", "path": "active", "value": token}),
        json!({"op": "add", "value": {token: token}}),
        json!({"op": "add", "value": {"title": token, format!("emails[type eq \"{token}\"].value"): token}}),
        json!({"op": "add", "path": "members", "value": [{"value": token}]}),
        json!({"op": "remove", "path": format!("members[value eq \"{token}\"]")}),
        json!({"op": "replace", "path": "displayName", "value": token, token: token}),
        json!(token),
    ];
    for operation in operations {
        for path in [format!("/Users/{user}"), format!("/Groups/{group}")] {
            add("PATCH", &path, &[], &json!({"Operations": [operation], token: token}));
        }
    }
    add(token, "/Users", &[], &null);
    requests.push(request("POST", "/Users", &[], format!("token={token}").as_bytes()));
    requests.push(request("POST", "/Users", &[], format!("{{\"userName\": \"{token}\"").as_bytes()));
    requests
}

/// Requests with a password wherever one can be expected.
fn with_password(user: &str) -> Vec<Request<Vec<u8>>> {
    const URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User:password";
    let quoted = format!("password eq \"{PASSWORD}\"");
    let bodies = [
        ("POST", "/Users".to_owned(), json!({"userName": "carol", "password": PASSWORD})),
        ("POST", "/Users".to_owned(), json!({"userName": "dave", "PASSWORD": {"value": PASSWORD}, "active": 3})),
        ("PUT", format!("/Users/{user}"), json!({"userName": "alice", URN: PASSWORD})),
        (
            "PUT",
            format!("/Users/{user}"),
            json!({"userName": 1, "urn:ietf:params:scim:schemas:core:2.0:User": {"password": PASSWORD}}),
        ),
        ("POST", "/Users/.search".to_owned(), json!({"filter": quoted})),
        ("POST", "/.search".to_owned(), json!({"filter": format!("{quoted} and")})),
        (
            "POST",
            "/Bulk".to_owned(),
            json!({"Operations": [{"method": "POST", "path": "/Users", "bulkId": "1",
            "data": {"userName": "erin", "password": PASSWORD}}]}),
        ),
    ];
    let mut requests: Vec<_> =
        bodies.iter().map(|(method, path, body)| request(method, path, &[], body.to_string().as_bytes())).collect();
    let operations = [
        json!({"op": "replace", "path": "password", "value": PASSWORD}),
        json!({"op": "replace", "path": URN, "value": PASSWORD}),
        json!({"op": "replace", "path": "Password", "value": {"value": [PASSWORD]}}),
        json!({"op": "add", "value": {"password": PASSWORD, "title": "x"}}),
        json!({"op": "add", "value": {URN: PASSWORD}}),
        json!({"op": "remove", "path": format!("emails[{quoted}]")}),
        json!({"op": "remove", "path": format!("emails[{quoted}")}),
        json!({"op": "remove", "path": quoted}),
        json!({"op": "bogus", "path": "password", "value": PASSWORD}),
    ];
    for operation in operations {
        let body = json!({"Operations": [operation]}).to_string();
        requests.push(request("PATCH", &format!("/Users/{user}"), &[], body.as_bytes()));
    }
    let encoded =
        ["password+eq+%22P%22", "password+eq+%22P", "title+pr+and+password+co+%22P%22", "password+P", "password+eq+P"];
    for filter in encoded {
        requests.push(request("GET", &format!("/Users?filter={}", filter.replace('P', PASSWORD)), &[], b""));
    }
    for parameter in ["password", "client_secret", "token", "Authorization"] {
        requests.push(request("GET", &format!("/Users?{parameter}={PASSWORD}"), &[], b""));
    }
    requests
}

/// Names that make what is called so a secret.
const NAMES: [&str; 12] = [
    "password",
    "PassWord",
    "pwd",
    "passwd",
    "passphrase",
    "secret",
    "clientSecret",
    "client_secret",
    "credentials",
    "apiKey",
    "accessToken",
    "refresh_token",
];

/// Every way to write a filter, or what is nearly one, that asks for a secret of this name.
fn filters(name: &str) -> Vec<String> {
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
    let forms = [
        "N eq \"X\"",
        "N eq X",
        "N eq 'X'",
        "N eq \"X",
        "N eq X\"",
        "N EQ \"X\"",
        "N = \"X\"",
        "N=X",
        "N==X",
        "N:X",
        "N X",
        "\"X\" eq N",
        "'X' eq N",
        "X eq N",
        "X=N",
        "not (N eq X)",
        "(N co \"X\"",
        "title pr and N sw \"X\"",
        "N eq \"X\" or title eq \"X\"",
        "emails[N eq \"X\"]",
        "emails[N eq X]",
        "emails[type eq \"work\" and N eq 'X'].value",
        "emails[\"X\" eq N",
        "N[value eq \"X\"]",
        "N[X]",
        "N.value eq \"X\"",
        "U:N eq \"X\"",
        "U:N eq X",
        "N eq \"\\\"X\\\"\"",
        "N eq {\"value\":\"X\"}",
        "N eq [\"X\"]",
        "N eq\t\"X\"",
        "N  eq  X",
        "N pr X",
    ];
    forms.iter().map(|form| form.replace('N', name).replace('X', PASSWORD).replace('U', urn)).collect()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Requests with a secret of this name wherever a text can have it, in every spelling.
fn with_secret(name: &str, user: &str) -> Vec<Request<Vec<u8>>> {
    let mut requests = Vec::new();
    let mut add = |method: &str, path: &str, body: &Value| {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        requests.push(request(method, path, &[], &bytes));
    };
    let user = format!("/Users/{user}");
    let patch = |operation: Value| json!({"Operations": [operation]});
    let mut texts = filters(name);
    // What is a document or a form itself.
    texts.extend([
        json!({name: PASSWORD}).to_string(),
        json!({"a": {name: [PASSWORD]}}).to_string(),
        json!({"a": json!({name: PASSWORD}).to_string()}).to_string(),
        format!("{name}: {PASSWORD}"),
        format!("a=b&{name}={PASSWORD}&c=d"),
    ]);
    for text in &texts {
        let query = encoded(text);
        for parameter in
            ["filter", "sortBy", "sortOrder", "attributes", "excludedAttributes", "startIndex", "count", "cursor"]
        {
            add("GET", &format!("/Users?{parameter}={query}"), &Value::Null);
        }
        add("GET", &format!("/Users?{query}"), &Value::Null);
        add("GET", &format!("/Users?{query}=1"), &Value::Null);
        let segment = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        for path in ["/Users/", "/Groups/", "/Schemas/", "/ResourceTypes/", "/"] {
            add("GET", &format!("{path}{segment}"), &Value::Null);
        }
        add("PATCH", &format!("/Users/{segment}"), &patch(json!({"op": "replace", "path": "title", "value": "x"})));
        add("POST", "/Users/.search", &json!({"filter": text}));
        add("POST", "/.search", &json!({"sortBy": text, "attributes": [text], "count": text}));
        add("PATCH", &user, &patch(json!({"op": "replace", "path": text, "value": "x"})));
        add("PATCH", &user, &patch(json!({"op": "remove", "path": text})));
        add("PATCH", &user, &patch(json!({"op": "add", "value": {text: "x"}})));
        add("POST", "/Bulk", &json!({"Operations": [{"method": "DELETE", "path": format!("/Users/{text}")}]}));
        add(
            "POST",
            "/Bulk",
            &json!({"Operations": [{"method": "PATCH", "path": user, "data": patch(json!({"op": "remove", "path": text}))}]}),
        );
    }
    for parameter in ["attributes", "excludedAttributes", "filter", "sortOrder", "cursor", "other"] {
        add("GET", &format!("/Users?sortBy={name}&{parameter}={PASSWORD}"), &Value::Null);
        add("GET", &format!("/Users?{parameter}={PASSWORD}&sortBy={name}"), &Value::Null);
    }
    add("GET", &format!("/Users?{name}={PASSWORD}"), &Value::Null);
    add("POST", "/Users/.search", &json!({"sortBy": name, "attributes": [PASSWORD], "sortOrder": PASSWORD}));
    for value in [json!(PASSWORD), json!([PASSWORD]), json!({"value": PASSWORD}), json!({"a": {"b": [PASSWORD]}})] {
        add("POST", "/Users", &json!({"userName": 1, name: value}));
        add("PUT", &user, &json!({"userName": "alice", "active": "x", name: value}));
        add("PATCH", &user, &patch(json!({"op": "replace", "path": name, "value": value})));
        add("PATCH", &user, &patch(json!({"op": "bogus", "path": name, "value": value})));
        add("PATCH", &user, &patch(json!({"op": "replace", "value": {name: value, "active": "x"}})));
        add(
            "POST",
            "/Bulk",
            &json!({"Operations": [{"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": 1, name: value}}]}),
        );
    }
    requests.push(request("POST", "/Users", &[], format!("{name}={PASSWORD}").as_bytes()));
    requests.push(request("POST", "/Users", &[], format!("{{\"{name}\": \"{PASSWORD}\"").as_bytes()));
    requests
}

/// The request below a tenant URL, with this token.
fn below(tenant: &Tenant, token: &str, request: &Request<Vec<u8>>) -> Request<Vec<u8>> {
    let mut parts = request.clone().into_parts();
    parts.0.uri = format!("/scim/v2/{}{}", tenant.id, request.uri()).parse().unwrap();
    parts.0.headers.insert("authorization", bearer(token).parse().unwrap());
    Request::from_parts(parts.0, parts.1)
}

#[track_caller]
fn clean(what: &str, text: &str, secrets: &[&str]) {
    let plain = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let plainer = percent_encoding::percent_decode_str(&plain).decode_utf8_lossy().into_owned();
    for secret in secrets {
        // The last four characters of a token are its hint; half of it would be too much.
        let half = &secret[..secret.len() / 2 + 4];
        for text in [text, &plain, &plainer] {
            assert!(!text.contains(half), "{what}: {text}");
        }
    }
}

/// Everything that an operator can see of what was sent.
fn visible(setting: &mut Setting) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut see = |server: &mut Native, path: &str| {
        let path = format!("/admin/api/v1/tenants{path}");
        let response = server.answer(request("GET", &path, &[("authorization", &bearer(ADMIN_SECRET))], b""));
        assert_eq!(response.status(), 200, "{path}");
        seen.push((path, text_of(&response)));
    };
    for tenant in [setting.ours.clone(), setting.theirs.clone()] {
        let last = tenant.journal(&mut setting.server)[0]["number"].as_u64().unwrap();
        for number in 1..=last {
            see(&mut setting.server, &format!("/{}/requests/{number}", tenant.id));
        }
        for below in [
            "",
            "/requests?limit=200",
            "/requests/export?format=csv",
            "/requests/export?format=ndjson",
            "/activity",
            "/users?count=200",
            "/check",
        ] {
            see(&mut setting.server, &format!("/{}{below}", tenant.id));
        }
        let users = tenant.admin(&mut setting.server, "GET", "/users?count=200", None).expect(200);
        for user in users.body["users"].as_array().unwrap() {
            see(&mut setting.server, &format!("/{}/users/{}", tenant.id, user["id"].as_str().unwrap()));
        }
    }
    see(&mut setting.server, "");
    seen.extend(setting.server.world.log.borrow().iter().map(|line| ("log".to_owned(), line.clone())));
    seen
}

#[test]
fn a_token_that_was_sent_in_the_wrong_place_is_not_said_again() {
    let mut setting = Setting::new();
    let (ours, theirs, ended) = (setting.ours.clone(), setting.theirs.token.clone(), setting.ended.clone());
    for token in [&ours.token, &theirs, &ended] {
        for request in with_token(token, &setting.user, &setting.group) {
            let response = setting.server.answer(below(&ours, &ours.token, &request));
            if !response.status().is_success() {
                let what =
                    format!("{} {}: {}", request.method(), request.uri(), String::from_utf8_lossy(request.body()));
                clean(&what, &text_of(&response), &[token]);
            }
        }
    }
    for (what, text) in visible(&mut setting) {
        clean(&what, &text, &[&ours.token, &theirs, &ended]);
    }
}

#[test]
fn whatever_is_presented_as_a_token_is_a_secret() {
    // The admin secret and somebody else's token, pasted into the provider's field for ours.
    for presented in [ADMIN_SECRET, "ghp_somebody-elses-secret-0123456789"] {
        let mut setting = Setting::new();
        let ours = setting.ours.clone();
        for request in with_token(presented, &setting.user, &setting.group) {
            let response = setting.server.answer(below(&ours, presented, &request));
            assert_eq!(response.status(), 401);
            clean("error", &text_of(&response), &[presented]);
        }
        for (what, text) in visible(&mut setting) {
            clean(&what, &text, &[presented]);
        }
    }
}

#[test]
fn a_password_is_not_said_again() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    for request in with_password(&setting.user) {
        let response = setting.server.answer(below(&ours, &ours.token, &request));
        let what = format!("{} {}: {}", request.method(), request.uri(), String::from_utf8_lossy(request.body()));
        clean(&what, &text_of(&response), &[PASSWORD]);
    }
    for (what, text) in visible(&mut setting) {
        clean(&what, &text, &[PASSWORD]);
    }
    for key in setting.server.world.store.keys() {
        clean(&key, &String::from_utf8_lossy(&setting.server.world.store.value(&key).unwrap()), &[PASSWORD]);
    }
}

#[test]
fn what_is_called_a_secret_is_not_said_again_in_any_spelling() {
    for name in NAMES {
        let mut setting = Setting::new();
        let ours = setting.ours.clone();
        for request in with_secret(name, &setting.user) {
            let response = setting.server.answer(below(&ours, &ours.token, &request));
            let what = format!("{} {}: {}", request.method(), request.uri(), String::from_utf8_lossy(request.body()));
            let sent = String::from_utf8_lossy(request.body()).into_owned();
            clean(&what, &text_of(&response), &[PASSWORD]);
            // The pieces that a reader of filters makes of it.
            let pieces = ["correct", "horse", "battery", "staple"];
            let answer = text_of(&response);
            assert!(!pieces.iter().any(|piece| answer.contains(piece)), "{what} {sent}: {answer}");
        }
        for (what, text) in visible(&mut setting) {
            clean(&what, &text, &[PASSWORD]);
            assert!(!["correct-", "\"battery", "staple"].iter().any(|piece| text.contains(piece)), "{what}: {text}");
        }
    }
}

#[test]
fn a_parameter_that_others_have_for_a_secret_is_not_written_down() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    for name in ["code", "sig", "assertion", "key", "token", "access_token", "Authorization", "jwt", "client_assertion"]
    {
        for query in [format!("{name}={PASSWORD}"), format!("count=1&{name}={PASSWORD}&filter=title+pr")] {
            let request = request("GET", &format!("/Users?{query}"), &[], b"");
            setting.server.answer(below(&ours, &ours.token, &request));
        }
    }
    for (what, text) in visible(&mut setting) {
        clean(&what, &text, &[PASSWORD]);
    }
}

#[test]
fn a_token_in_base64_is_not_said_again() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    let mut hidden = Vec::new();
    for before in ["", "u", "u:", "user:", "entra:"] {
        let text = format!("{before}{}", ours.token);
        hidden.extend([STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
    }
    for token in &hidden {
        for request in with_token(&percent(token), &setting.user, &setting.group).into_iter().take(60) {
            setting.server.answer(below(&ours, &ours.token, &request));
        }
        for body in [json!({"userName": token}), json!({"userName": 1, "title": token})] {
            let request = request("POST", "/Users", &[], body.to_string().as_bytes());
            let response = setting.server.answer(below(&ours, &ours.token, &request));
            if !response.status().is_success() {
                clean("answer", &text_of(&response), &[&token[8..]]);
            }
        }
    }
    // Users are called so now, and an operator sees what they are called; of what was sent nothing is said.
    for (what, text) in visible(&mut setting).into_iter().filter(|(what, _)| what.contains("/requests")) {
        for token in &hidden {
            clean(&what, &text, &[&token[12..]]);
        }
    }
}

#[test]
fn what_a_tenants_own_schema_never_returns_is_not_said_again() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    let own = |text: &str| {
        text.replace("urn:ietf:params:scim:schemas:core:2.0:User", OWN_SCHEMA)
            .replace("password", "pin")
            .replace("PASSWORD", "PIN")
            .replace("Password", "Pin")
    };
    for (index, request) in with_password(&setting.user).into_iter().enumerate() {
        // A parameter that is called like the attribute is no secret: only what is called a password is one anywhere.
        let uri = request.uri().to_string();
        let uri = if uri.contains("filter=") { own(&uri) } else { uri };
        let body = own(&String::from_utf8_lossy(request.body()));
        let request = super::request(request.method().as_str(), &uri, &[], body.as_bytes());
        let response = setting.server.answer(below(&ours, &ours.token, &request));
        let what = format!("{index} {} {uri}: {body}", request.method());
        clean(&what, &text_of(&response), &[PASSWORD]);
    }
    for (what, text) in visible(&mut setting) {
        clean(&what, &text, &[PASSWORD]);
    }
    for key in setting.server.world.store.keys() {
        clean(&key, &String::from_utf8_lossy(&setting.server.world.store.value(&key).unwrap()), &[PASSWORD]);
    }
}

#[test]
fn an_error_of_the_admin_api_does_not_quote_a_secret() {
    let token = Setting::new().ours.token;
    for row in route::table().into_iter().filter(|row| row.door != Door::Token) {
        for method in row.methods {
            for secret in [ADMIN_SECRET, &token] {
                for body in [
                    json!({secret: secret}),
                    json!({"name": {secret: 1}, "identityProvider": secret, "groups": secret,
                    "confirm": secret, "seats": secret, "overlapSeconds": secret, "secret": {secret: secret}}),
                    json!(secret),
                ] {
                    let mut setting = Setting::new();
                    let query = [
                        "before",
                        "limit",
                        "outcome",
                        "kind",
                        "operation",
                        "status",
                        "user",
                        "from",
                        "to",
                        "format",
                        "active",
                        "startIndex",
                        "count",
                        "search",
                        secret,
                    ]
                    .map(|name| format!("{name}={secret}"))
                    .join("&");
                    let path = format!("{}?{query}", setting.path(&row));
                    let headers = [("authorization", bearer(ADMIN_SECRET))];
                    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                    let response =
                        setting.server.answer(request(method.as_str(), &path, &headers, body.to_string().as_bytes()));
                    if !response.status().is_success() {
                        clean(&format!("{method} {path} {body}"), &text_of(&response), &[secret]);
                    }
                    for line in setting.server.world.log.borrow().iter() {
                        clean("log", line, &[secret]);
                    }
                }
            }
        }
    }
}

#[test]
fn the_store_holds_no_secret_in_clear() {
    let mut setting = Setting::new();
    let cookie = sign_in(&mut setting.server);
    let session = cookie.split_once('=').unwrap().1.to_owned();
    setting.server.answer(request(
        "DELETE",
        "/admin/api/v1/session",
        &[("cookie", &cookie), ("origin", &format!("http://{HOST}"))],
        b"",
    ));
    let (ours, theirs, ended) = (setting.ours.token.clone(), setting.theirs.token.clone(), setting.ended.clone());
    let signature = session.rsplit_once('.').unwrap().1.to_owned();
    let keys = setting.server.world.store.keys();
    assert!(keys.len() > 20);
    for key in keys {
        let value = setting.server.world.store.value(&key).unwrap();
        clean(
            &key,
            &format!("{key} {}", String::from_utf8_lossy(&value)),
            &[&ours, &theirs, &ended, ADMIN_SECRET, &signature],
        );
    }
}

#[test]
fn the_page_itself_holds_no_secret() {
    let mut setting = Setting::new();
    let (cookie, token) = (sign_in(&mut setting.server), setting.ours.token.clone());
    for path in ["/", "/index.html", "/nothing", "/admin/api/v1/product"] {
        let path = format!("{path}?token={token}");
        let response = setting.server.answer(request(
            "GET",
            &path,
            &[("cookie", &cookie), ("authorization", &bearer(ADMIN_SECRET))],
            b"",
        ));
        clean(&path, &text_of(&response), &[&token, ADMIN_SECRET, &cookie]);
    }
}

//! Requests that no honest client sends, answered by the core.

use super::*;
use rollcall_core::settings::LIMITS;

fn refused(setting: &mut Setting, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let (path, token) = (format!("/scim/v2/{}{path}", setting.ours.id), bearer(&setting.ours.token));
    let response = setting.server.answer(request(method, &path, &[("authorization", &token)], body));
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), body["detail"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn no_spelling_of_a_path_leads_out_of_the_tenant() {
    let mut setting = Setting::new();
    let (ours, theirs) = (setting.ours.clone(), setting.theirs.clone());
    let out = [
        format!("/../{}/Users", theirs.id),
        format!("/%2e%2e/{}/Users", theirs.id),
        format!("/..%2f{}%2fUsers", theirs.id),
        format!("/%252e%252e%252f{}%252fUsers", theirs.id),
        format!("/..%5c{}/Users", theirs.id),
        format!("//{}/Users", theirs.id),
        format!("//../{}/Users", theirs.id),
        "//..//Users".to_owned(),
        "/users/..".to_owned(),
        format!("/./../{}/Users", theirs.id),
        format!("/Users/..;/{}/Users", theirs.id),
        "/../../../admin/api/v1/tenants".to_owned(),
        "/%2e%2e/%2e%2e/%2e%2e/admin/api/v1/tenants".to_owned(),
        "/Users%2f".to_owned(),
        "/%55sers%00".to_owned(),
        "/Users%0d%0ax:y".to_owned(),
        "/Users;a=b".to_owned(),
        "/Users/%c0%ae%c0%ae/".to_owned(),
    ];
    for path in out {
        let (status, detail) = refused(&mut setting, "GET", &path, b"");
        assert_eq!(
            (status, detail.as_str()),
            (404, "path: nothing is here; the tenant URL ends before /Users"),
            "{path}"
        );
    }
    // A slash too many and other capitals lead where the path without them does, and nowhere else.
    for path in ["//Users", "/Users//", "/users", "/USERS", "///uSERS//"] {
        let answer = ours.scim(&mut setting.server, "GET", path, None).expect(200);
        let plain = ours.scim(&mut setting.server, "GET", "/Users", None).expect(200);
        assert_eq!(answer.body, plain.body, "{path}");
    }
    // One spelling more is a name like any other: letters may be encoded, RFC 3986 §6.2.2.2.
    assert_eq!(refused(&mut setting, "GET", "/%55sers", b"").0, 200);
    for path in [
        format!("/SCIM/v2/{}/Users", ours.id),
        format!("//scim/v2/{}/Users", ours.id),
        format!("/scim//v2/{}/Users", ours.id),
        format!("/scim%2fv2/{}/Users", ours.id),
        format!("/x/../scim/v2/{}/Users", ours.id),
        "/Admin/api/v1/tenants".to_owned(),
        "/admin%2fapi/v1/tenants".to_owned(),
        "/admin/api/v1/../v1/tenants".to_owned(),
        "/admin/api/v1//tenants".to_owned(),
        "/admin/api/v1/%74enants%2f".to_owned(),
        "/assets/../index.html".to_owned(),
        "/assets/%2e%2e/index.html".to_owned(),
        "/..%2fCargo.toml".to_owned(),
    ] {
        for secret in [bearer(&ours.token), bearer(ADMIN_SECRET)] {
            let response = setting.server.answer(request("GET", &path, &[("authorization", &secret)], b""));
            assert_eq!(response.status(), 404, "{path}");
        }
    }
}

#[test]
fn names_that_look_alike_are_different_and_names_that_differ_in_case_are_not() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    let mut create = |name: &str| ours.create(&mut setting.server, name).status;
    // RFC 7644 §5: prepared by width, case and normalisation, see `core/scim/text.rs`.
    for (name, same) in [
        ("kelvin@a.b", "\u{212a}ELVIN@a.b"),
        ("straße@a.b", "STRAẞE@A.B"),
        ("ÅSA@a.b", "åsa@a.b"),
        ("ΟΔΟΣ", "οδος"),
        ("ǅemal", "ǆemal"),
        ("paypal@a.b", "\u{ff50}aypal@a.b"),  // full width
        ("caf\u{e9}@a.b", "cafe\u{301}@a.b"), // decomposed
        ("ΝΙΚΟΣ", "νικοσ"),
        ("masse@a.b", "MAßE@a.b"),
    ] {
        assert_eq!((create(name), create(same)), (201, 409), "{name} {same}");
    }
    for different in [
        "p\u{430}ypal@a.b",   // Cyrillic
        "paypal\u{200b}@a.b", // zero width
        "pay\u{ad}pal@a.b",   // soft hyphen
        "paypal@a\u{2024}b",  // one dot leader
        "payp\u{2090}l@a.b",  // subscript
        "\u{131}rem",         // dotless i
        "irem",
        "\u{202e}b.a@lapyap", // right to left
    ] {
        assert_eq!(create(different), 201, "{different:?}");
    }
    let found = ours.find(&mut setting.server, "PAYPAL@a.b").expect(200);
    assert_eq!((&found.body["totalResults"], found.text("/Resources/0/userName").as_str()), (&json!(1), "paypal@a.b"));
    assert_eq!(ours.admin(&mut setting.server, "GET", "/check", None).body["findings"], json!([]));
}

#[test]
fn what_is_one_text_for_names_is_one_for_filters_orders_and_searches() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    for name in ["ΝΙΚΟΣΑΒΒΑΣ", "strasz", "straße"] {
        assert_eq!(ours.create(&mut setting.server, name).status, 201);
    }
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let mut names = |query: &str| {
        let page = ours.scim(&mut setting.server, "GET", &format!("/Users?{query}"), None).expect(200).body;
        let name = |user: &Value| user["userName"].as_str().unwrap().to_owned();
        page["Resources"].as_array().map(|users| users.iter().map(name).collect::<Vec<_>>()).unwrap_or_default()
    };
    for (filter, found) in [
        ("userName sw \"ΝΙΚΟΣ\"", "ΝΙΚΟΣΑΒΒΑΣ"),
        ("userName ew \"ΒΑΣ\"", "ΝΙΚΟΣΑΒΒΑΣ"),
        ("userName eq \"νικοσαββας\"", "ΝΙΚΟΣΑΒΒΑΣ"),
        ("userName eq \"STRASSE\"", "straße"),
        ("userName co \"SSE\"", "straße"),
        ("userName ge \"νικος\"", "ΝΙΚΟΣΑΒΒΑΣ"),
    ] {
        assert_eq!(names(&format!("filter={}", percent(filter))), [found], "{filter}");
    }
    let sorted = names("sortBy=userName");
    let place = |name: &str| sorted.iter().position(|other| other == name);
    assert!(place("straße") < place("strasz"), "{sorted:?}");
    let mut admin = |path: &str| ours.admin(&mut setting.server, "GET", path, None).expect(200).body;
    let users = admin(&format!("/users?search={}", percent("STRASSE")));
    assert_eq!((&users["totalResults"], &users["users"][0]["userName"]), (&json!(1), &json!("straße")));
    let requests = admin(&format!("/requests?kind=change&search={}", percent("νικοσ")));
    assert_eq!(requests["requests"].as_array().map(Vec::len), Some(1), "{requests}");
}

#[test]
fn a_null_byte_ends_nothing() {
    let mut setting = Setting::new();
    let ours = setting.ours.clone();
    let user = |name: &str| json!({"userName": name}).to_string();
    assert_eq!(refused(&mut setting, "POST", "/Users", user("bob").as_bytes()).0, 201);
    for name in ["bob\0", "bob\0eve", "\0"] {
        let expected = "userName: expected printable characters, found a control character";
        let (status, detail) = refused(&mut setting, "POST", "/Users", user(name).as_bytes());
        assert!(status == 400 && detail.starts_with(expected), "{name:?}: {detail}");
    }
    let found = ours.scim(&mut setting.server, "GET", "/Users?filter=userName+eq+%22bob%5cu0000%22", None).expect(200);
    assert_eq!(found.body["totalResults"], 0);
    // As it is, it cannot stand in JSON, in a filter or in a path.
    assert_eq!(refused(&mut setting, "GET", "/Users?filter=userName+eq+%22bob%00%22", b"").0, 400);
    assert_eq!(refused(&mut setting, "GET", "/Users?filter=user%00Name+pr", b"").0, 400);
    assert_eq!(refused(&mut setting, "GET", "/Users/%00", b"").0, 404);
    assert_eq!(refused(&mut setting, "POST", "/Users", b"{\"userName\": \"b\0\"}").0, 400);
    let patch = json!({"Operations": [{"op": "add", "path": "ti\0tle", "value": "x"}]}).to_string();
    let alice = format!("/Users/{}", setting.user);
    assert_eq!(refused(&mut setting, "PATCH", &alice, patch.as_bytes()).0, 400);
    assert_eq!(ours.admin(&mut setting.server, "GET", "/check", None).body["findings"], json!([]));
}

#[test]
fn json_is_read_to_its_depth_and_no_further() {
    let mut setting = Setting::new();
    let nested = |depth: usize| {
        format!("{{\"userName\":\"deep{depth}\",\"unknown\":{}{}}}", "[".repeat(depth), "]".repeat(depth))
    };
    let max = LIMITS.body_depth_max;
    assert_eq!(refused(&mut setting, "POST", "/Users", nested(max - 1).as_bytes()).0, 201);
    for depth in [max, 128, 100_000] {
        let (status, detail) = refused(&mut setting, "POST", "/Users", nested(depth).as_bytes());
        assert_eq!((status, detail), (400, format!("body: expected at most {max} levels, found more")), "{depth}");
    }
    let million = nested(LIMITS.body_bytes_max / 2 - 100);
    assert_eq!(refused(&mut setting, "POST", "/Users", million.as_bytes()).0, 400);
    for open in ["{\"a\":", "["] {
        let open = open.repeat(100_000);
        assert_eq!(refused(&mut setting, "POST", "/Users", open.as_bytes()).0, 400);
        let admin = [("authorization", bearer(ADMIN_SECRET))].map(|(name, value)| (name, value));
        let headers = admin.each_ref().map(|(name, value)| (*name, value.as_str()));
        // Of a sign-in much less is read.
        for (path, status) in [("/admin/api/v1/tenants", 400), ("/admin/api/v1/session", 413)] {
            assert_eq!(setting.server.answer(request("POST", path, &headers, open.as_bytes())).status(), status);
        }
    }
}

#[test]
fn numbers_are_read_at_any_size() {
    let mut setting = Setting::new();
    for number in ["99999999999999999999999999", "-1", "1e999", "0.5", "-0", "1e-400", "18446744073709551616"] {
        for path in ["/Users?startIndex=", "/Users?count=", "/Groups?startIndex=", "/Groups?count="] {
            let (status, detail) = refused(&mut setting, "GET", &format!("{path}{number}"), b"");
            assert!([200, 400].contains(&status), "{path}{number}: {status} {detail}");
        }
        let search = format!("{{\"count\": {number}, \"startIndex\": {number}}}");
        assert!([200, 400].contains(&refused(&mut setting, "POST", "/Users/.search", search.as_bytes()).0), "{number}");
        let user = format!("{{\"userName\": \"n{number}\", \"active\": {number}, \"title\": {number}}}");
        assert_eq!(refused(&mut setting, "POST", "/Users", user.as_bytes()).0, 400, "{number}");
    }
}

#[test]
fn a_log_line_is_one_line() {
    let mut setting = Setting::new();
    setting.server.world.store.forget_calls();
    setting.server.world.store.fail(0..usize::MAX, acceptance::store::Fault::Refused);
    refused(&mut setting, "GET", "/Users/a%0ab?filter=id+eq+%22%0a%22", b"");
    refused(&mut setting, "POST", "/Users", b"{\"userName\": \"a\\nb\\rc\"}");
    let lines = setting.server.world.log.borrow().clone();
    assert!(!lines.is_empty());
    for line in lines {
        assert!(!line.contains(['\n', '\r']), "{line:?}");
    }
}

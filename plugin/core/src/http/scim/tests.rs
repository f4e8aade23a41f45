//! Requests against a store in memory.

use super::strangers::RECORDS_AT_ONCE;
use crate::http::{Body, Rollcall};
use crate::journal::{self, REFUSALS_AN_HOUR};
use crate::json::PARSED;
use crate::keys::TenantId;
use crate::secrets::TOKEN_PREFIX;
use crate::settings::LIMITS;
use crate::testing::{ADMIN_SECRET, World};
use http::Request;
use serde_json::{Map, Value, json};

/// A tenant, its token, and the instance that serves it.
struct Trial {
    rollcall: Rollcall,
    tenant: String,
    token: String,
}

impl Trial {
    fn unconnected() -> Trial {
        let mut trial = Trial {
            rollcall: Rollcall::new(World::default().ports(), World::settings()),
            tenant: String::new(),
            token: String::new(),
        };
        trial.tenant = trial.admin("POST", "", json!({"name": "Contoso"}))["id"].as_str().unwrap().to_owned();
        trial
    }

    fn connected() -> Trial {
        let mut trial = Trial::unconnected();
        let path = format!("/{}/connection", trial.tenant);
        let connection = trial.admin("POST", &path, json!({"identityProvider": "entra"}));
        trial.token = connection["secretToken"].as_str().unwrap().to_owned();
        trial
    }

    fn with_alice() -> (Trial, String) {
        let trial = Trial::connected();
        let (_, made) = trial.scim("POST", "/Users", &[], json!({"userName": "alice", "title": "Boss"}));
        (trial, format!("/Users/{}", made["id"].as_str().unwrap()))
    }

    fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let uri = format!("/admin/api/v1/tenants{path}");
        self.call(method, &uri, ADMIN_SECRET, &[], body).1
    }

    fn scim(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
        self.call(method, &format!("/scim/v2/{}{path}", self.tenant), &self.token, headers, body)
    }

    fn call(&self, method: &str, uri: &str, bearer: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(uri);
        request = request.header("authorization", format!("Bearer {bearer}"));
        request = request.header("content-type", "application/scim+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let response = self.rollcall.handle(request.body(body).unwrap());
        let Body::Full(bytes) = response.body() else { unreachable!() };
        (response.status().as_u16(), serde_json::from_slice(bytes).unwrap_or_default())
    }

    /// A file that the admin API streams.
    fn file(&self, path: &str) -> String {
        let uri = format!("/admin/api/v1/tenants{path}");
        let request =
            Request::get(uri).header("authorization", format!("Bearer {ADMIN_SECRET}")).body(Vec::new()).unwrap();
        let Body::Stream(mut stream) = self.rollcall.handle(request).into_body() else { unreachable!() };
        let chunks = std::iter::from_fn(|| self.rollcall.next_chunk(&mut stream));
        String::from_utf8(chunks.collect::<Vec<Vec<u8>>>().concat()).unwrap()
    }

    /// All records, the newest first, whole.
    fn records(&self) -> Vec<Value> {
        let tenant = TenantId::parse(&self.tenant).unwrap();
        let page = self.rollcall.records(&tenant, None, LIMITS.page_max).unwrap();
        page.records.iter().map(|record| serde_json::to_value(record).unwrap()).collect()
    }
}

#[test]
fn paging_concerns_lists_alone_and_a_filter_on_what_is_served_whole_is_refused_first() {
    let (trial, alice) = Trial::with_alice();
    let status = |method: &str, path: &str, body: Value| trial.scim(method, path, &[], body).0;
    assert_eq!(status("GET", &format!("{alice}?count=abc"), Value::Null), 200);
    let patch = json!({"Operations": [{"op": "replace", "path": "title", "value": "Clerk"}]});
    assert_eq!(status("PATCH", &format!("{alice}?startIndex=x"), patch), 200);
    assert_eq!(status("GET", "/Users?count=abc", Value::Null), 400);
    for place in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"] {
        assert_eq!(status("GET", &format!("{place}?filter=id+pr&count=abc"), Value::Null), 403, "{place}");
    }
}

#[test]
fn an_answer_that_has_something_of_other_resources_is_sent_whatever_version_the_client_has() {
    let (trial, alice) = Trial::with_alice();
    let read = |path: &str| trial.scim("GET", path, &[("if-none-match", "W/\"1\"")], Value::Null).0;
    assert_eq!(read(&alice), 304);
    let connection = format!("/{}/connection", trial.tenant);
    trial.admin("PATCH", &connection, json!({"groups": true}));
    let (_, group) = trial.scim("POST", "/Groups", &[], json!({"displayName": "Sales"}));
    let group = format!("/Groups/{}", group["id"].as_str().unwrap());
    let without = |path: &str, names: &str| read(&format!("{path}?excludedAttributes={names}"));
    assert_eq!((read(&alice), without(&alice, "groups")), (200, 304));
    assert_eq!((read(&group), without(&group, "members")), (200, 304));
    // Without names a group's members are its own.
    trial.admin("PATCH", &connection, json!({"strict": true}));
    assert_eq!((read(&alice), read(&group)), (200, 304));
}

#[test]
fn an_operation_of_a_bulk_request_says_where_unless_it_is_a_post_that_failed() {
    let (trial, alice) = Trial::with_alice();
    let operations = json!([
        {"method": "PUT", "path": alice},
        {"method": "DELETE", "path": alice, "version": 1},
        {"method": "DELETE", "path": alice, "version": "W/\"7\""},
        {"method": "DELETE", "path": "/nowhere/1"},
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {}},
    ]);
    let (_, answer) = trial.scim("POST", "/Bulk", &[], json!({"Operations": operations}));
    let locations: Vec<bool> =
        answer["Operations"].as_array().unwrap().iter().map(|done| done.get("location").is_some()).collect();
    assert_eq!(locations, [true, true, true, false, false]);
}

#[test]
fn every_path_below_a_tenant_url_asks_for_the_token_and_leaves_a_record() {
    let mut trial = Trial::connected();
    for path in ["//Nothing", "/../Users", "/Users/%2525", "/Nothing"] {
        assert_eq!(trial.scim("GET", path, &[], Value::Null).0, 404, "{path}");
        assert_eq!(trial.records()[0]["path"], path);
    }
    trial.token = "wrong".to_owned();
    assert_eq!(trial.scim("GET", "//Users", &[], Value::Null).0, 401);
    assert_eq!(trial.records()[0]["status"], 401);
}

#[test]
fn a_tenant_whose_setup_was_never_started_keeps_a_record_of_what_came() {
    let trial = Trial::unconnected();
    assert_eq!(trial.scim("GET", "/Users", &[], Value::Null).0, 401);
    assert_eq!(trial.records().len(), 1);
    let nobody = "/scim/v2/abcdefghjk/Users";
    assert_eq!(trial.call("GET", nobody, "token", &[], Value::Null).0, 401);
    assert!(trial.rollcall.records(&TenantId::parse("abcdefghjk").unwrap(), None, 1).unwrap().records.is_empty());
}

#[test]
fn no_secret_reaches_the_journal() {
    let (trial, alice) = Trial::with_alice();
    let secret = "correct horse";
    let stray = format!("{TOKEN_PREFIX}{}", "A1-_".repeat(11));
    let patch = |operation: Value| trial.scim("PATCH", &alice, &[], json!({"Operations": [operation]}));
    let path = format!("emails[password eq \"{secret}\"].value");
    assert_eq!(patch(json!({"op": "add", "path": path, "value": "x"})).0, 400);
    let named = Map::from_iter([(path, json!("x"))]);
    assert_eq!(patch(json!({"op": "add", "value": named})).0, 400);
    assert_eq!(patch(json!({"op": "add", "path": "password", "value": {"x": secret}})).0, 200);
    for filter in ["password+eq+%22correct+horse%22", "userName+eq+%22a%22+and+password+co+%22correct+horse%22"] {
        assert_eq!(trial.scim("GET", &format!("/Users?filter={filter}"), &[], Value::Null).0, 400);
    }
    trial.scim("GET", &format!("/Users/{stray}?key={stray}"), &[], Value::Null);
    trial.scim("POST", "/Users", &[], json!({"userName": stray, "title": trial.token}));
    let records = trial.records();
    assert_eq!(records.len(), 8);
    for record in records {
        let text = record.to_string();
        for secret in [secret, "correct+horse", &stray, &trial.token] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_method_is_letters_alone_wherever_a_record_is_shown() {
    let hostile =
        ["X`touch$IFS$9pwned`", "$REBOOT", "~root", "+1", "X|sh", "X&Y", "X'Y", "-o", "GET2", "X_Y", "M-SEARCH", "!!"];
    let mut trial = Trial::connected();
    let right = std::mem::replace(&mut trial.token, "wrong".to_owned());
    for token in ["wrong", right.as_str()] {
        trial.token = token.to_owned();
        for method in hostile {
            assert!(trial.scim(method, "/Users", &[], Value::Null).0 >= 400, "{method}");
        }
        let bulk = |method: &str| json!({"Operations": [{"method": method, "path": "/Users", "data": {}}]});
        trial.scim("POST", "/Bulk", &[], bulk(hostile[0]));
        trial.scim("purge", "/Users", &[], Value::Null);
    }
    let kept: Vec<Value> = trial.records().iter().map(|record| record["method"].clone()).collect();
    let count = |method: &str| kept.iter().filter(|kept| **kept == method).count();
    assert_eq!((count("UNKNOWN"), count("purge")), (2 * hostile.len() + 1, 2), "{kept:?}");

    let path = |rest: &str| format!("/{}/requests{rest}", trial.tenant);
    let list = trial.admin("GET", &path("?limit=200"), Value::Null);
    let listed: Vec<Value> = list["requests"].as_array().unwrap().iter().map(|row| row["method"].clone()).collect();
    assert_eq!(listed, kept);
    for row in list["requests"].as_array().unwrap() {
        assert_eq!(trial.admin("GET", &path(&format!("/{}", row["number"])), Value::Null)["method"], row["method"]);
    }
    let csv = trial.file(&path("/export?format=csv"));
    let mut column = csv.lines().map(|line| {
        let mut quoted = false;
        let is_end = |letter: char| {
            quoted ^= letter == '"';
            letter == ',' && !quoted
        };
        Value::from(line.split(is_end).nth(14).unwrap())
    });
    assert_eq!(column.next().unwrap(), "method");
    assert_eq!(column.collect::<Vec<Value>>(), kept);
    let ndjson = trial.file(&path("/export?format=ndjson"));
    let rows = ndjson.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["method"].clone());
    assert_eq!(rows.collect::<Vec<Value>>(), kept);
}

#[test]
fn a_record_is_bounded_whatever_the_request_holds() {
    let (trial, alice) = Trial::with_alice();
    let long = "x".repeat(200 * 1024);
    let (status, _) =
        trial.scim("PATCH", &alice, &[], json!({"Operations": [{"op": "add", "value": {format!("a[{long}"): 1}}]}));
    assert_eq!(status, 400);
    let text = "x".repeat(LIMITS.value_bytes_max);
    let roles: Vec<Value> = (0..3).map(|index| json!({"value": text, "type": index.to_string()})).collect();
    for value in [json!(roles), Value::Null] {
        let (status, _) = trial.scim(
            "PATCH",
            &alice,
            &[],
            json!({"Operations": [{"op": "replace", "path": "roles", "value": value}]}),
        );
        assert_eq!(status, 200);
    }
    for record in trial.records() {
        assert!(record.to_string().len() < 5 * LIMITS.journal_body_bytes_max);
    }
    assert!(trial.records()[0]["before"]["roles"].as_str().unwrap().ends_with(journal::CUT));
}

#[test]
fn a_condition_holds_for_every_method() {
    let (trial, alice) = Trial::with_alice();
    let body = || json!({"userName": "alice", "title": "Boss"});
    let patch = || json!({"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]});
    let cases: [(&str, Value); 3] = [("PUT", body()), ("PATCH", patch()), ("DELETE", Value::Null)];
    for (header, value) in
        [("if-none-match", "*"), ("if-none-match", "W/\"1\""), ("if-match", "\"2\""), ("if-match", "")]
    {
        for (method, body) in &cases {
            let (status, answer) = trial.scim(method, &alice, &[(header, value)], body.clone());
            assert_eq!(status, 412, "{method} {header}: {value}");
            assert!(answer["detail"].as_str().unwrap().starts_with(header));
        }
    }
    assert_eq!(trial.scim("GET", &alice, &[("if-match", "\"2\"")], Value::Null).0, 412);
    assert_eq!(trial.scim("GET", &alice, &[("if-match", "\"1\"")], Value::Null).0, 200);
    assert_eq!(trial.scim("GET", &alice, &[("if-none-match", "\"1\"")], Value::Null).0, 304);
    assert_eq!(trial.records()[0]["detail"], Value::Null);
    for (method, body) in &cases {
        let headers = [("if-match", "\"0\", W/\"1\""), ("if-none-match", "\"0\"")];
        assert!(trial.scim(method, &alice, &headers, body.clone()).0 < 300, "{method}");
    }
    // What is not there has no version to compare, RFC 9110 §13.2.1.
    for (method, body) in cases {
        assert_eq!(trial.scim(method, &alice, &[("if-match", "*")], body).0, 404, "{method}");
    }
}

#[test]
fn a_request_that_could_not_write_is_a_read() {
    let trial = Trial::connected();
    for (method, kind, status) in [("HEAD", "read", 200), ("OPTIONS", "read", 204), ("PUT", "change", 405)] {
        assert_eq!(trial.scim(method, "/Users", &[], Value::Null).0, status);
        assert_eq!(trial.records()[0]["kind"], kind, "{method}");
    }
}

#[test]
fn a_filter_on_what_is_served_whole_is_refused() {
    let trial = Trial::connected();
    for path in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"] {
        assert_eq!(trial.scim("GET", path, &[], Value::Null).0, 200);
        assert_eq!(trial.scim("GET", &format!("{path}?filter=id+pr"), &[], Value::Null).0, 403);
    }
}

#[test]
fn who_has_no_token_cannot_wash_the_journal_out() {
    let (mut trial, _) = Trial::with_alice();
    let right = std::mem::replace(&mut trial.token, "wrong".to_owned());
    let others = u64::from(RECORDS_AT_ONCE);
    for number in 0..others + 7 {
        assert_eq!(trial.scim("GET", &format!("/Users/{number}"), &[], Value::Null).0, 401);
    }
    trial.token = right.clone();
    let records = trial.records();
    assert_eq!(records.len() as u64, others + 2);
    // The first of those that share one, and how many more it stands for.
    let told = (&records[0]["path"], &records[0]["repeats"], &records[1]["repeats"]);
    assert_eq!(told, (&json!(format!("/Users/{others}")), &json!(6), &Value::Null));
    assert_eq!(trial.scim("GET", "/Users", &[], Value::Null).0, 200);
}

#[test]
fn an_hour_has_so_many_records_of_requests_without_a_token() {
    let (mut trial, _) = Trial::with_alice();
    let right = std::mem::replace(&mut trial.token, "wrong".to_owned());
    for number in 0..REFUSALS_AN_HOUR + 7 {
        // A further instance knows nothing of those before.
        trial.rollcall.strangers.forget();
        assert_eq!(trial.scim("GET", &format!("/Users/{number}"), &[], Value::Null).0, 401);
    }
    trial.token = right;
    assert_eq!(trial.scim("GET", "/Users", &[], Value::Null).0, 200);
    let records = trial.records();
    let numbers: Vec<u64> = records.iter().map(|record| record["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=REFUSALS_AN_HOUR + 2).rev().collect::<Vec<u64>>());
    assert_eq!((&records[1]["repeats"], &records[2]["repeats"]), (&json!(7), &Value::Null));
    assert_eq!(records[1]["path"], format!("/Users/{}", REFUSALS_AN_HOUR - 1));
}

#[test]
fn a_change_parses_its_body_once() {
    let (trial, alice) = Trial::with_alice();
    let parsed = |method: &str, path: &str, body: Value| {
        let before = PARSED.get();
        let (status, _) = trial.scim(method, path, &[], body);
        (status, PARSED.get() - before)
    };
    let patch = |title: &str| json!({"Operations": [{"op": "replace", "path": "title", "value": title}]});
    assert_eq!(parsed("POST", "/Users", json!({"userName": "bob"})), (201, 1));
    assert_eq!(parsed("PUT", &alice, json!({"userName": "alice", "title": "Clerk"})), (200, 1));
    assert_eq!(parsed("PATCH", &alice, patch("Boss")), (200, 1));
    assert_eq!(parsed("PATCH", &alice, patch("Boss")), (200, 1), "nothing changes");
    assert_eq!(parsed("PATCH", &alice, patch("Head of \"passwords\"")), (200, 1), "a text with a name to be masked");
    assert_eq!(parsed("POST", "/Users", json!({"userName": "bob"})), (409, 1), "refused at first sight");
    let operation = json!({"method": "PATCH", "path": alice, "data": patch("Chair")});
    assert_eq!(parsed("POST", "/Bulk", json!({"Operations": [operation]})), (200, 1));
    assert_eq!(parsed("DELETE", &alice, Value::Null), (204, 0));
}

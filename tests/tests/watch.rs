//! What whoever runs the service can see of it: readiness, counts, and a line for each request.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use acceptance::hosted;
use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::run::Server as _;
use acceptance::store::Fault;
use acceptance::world::World;
use http::{Request, Response};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SECRET: &str = "a-metrics-secret-of-the-tests";

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Setting {
    world: World,
    server: Native,
    tenant: Tenant,
}

impl Setting {
    fn new(variables: &[(&str, &str)]) -> Setting {
        let given = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let world = World::new(&given);
        let mut server = Native::within(&world);
        let tenant = Tenant::connect(&mut server);
        Setting { world, server, tenant }
    }

    fn get(&mut self, path: &str, secret: &str) -> Response<Vec<u8>> {
        get(&mut self.server, path, secret)
    }

    fn metrics(&mut self) -> Metrics {
        Metrics::of(&self.get("/metrics", SECRET))
    }

    /// Lines of the error output that are JSON, from now on.
    fn lines_of(&mut self, act: impl FnOnce(&mut Native, &Tenant)) -> Vec<Value> {
        self.world.log.borrow_mut().clear();
        act(&mut self.server, &self.tenant);
        let log = self.world.log.borrow();
        log.iter().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn get(server: &mut Native, path: &str, secret: &str) -> Response<Vec<u8>> {
    let request = Request::builder().uri(path).header("host", "scim.example.com");
    server.answer(request.header("authorization", format!("Bearer {secret}")).body(Vec::new()).unwrap())
}

/// Samples by their name and labels, without the label of the instance.
struct Metrics {
    text: String,
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    fn of(response: &Response<Vec<u8>>) -> Metrics {
        assert_eq!(response.status(), 200);
        let text = String::from_utf8(response.body().clone()).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (series, instance) = series.split_once("instance_id=").unwrap();
            assert_eq!(instance.len(), "\"0123456789abcdef\"}".len(), "{line}");
            (series.trim_end_matches([',', '{']).to_owned(), value.parse().unwrap())
        });
        Metrics { samples: samples.collect(), text: text.clone() }
    }

    fn sample(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("there is no {series} in {}", self.text))
    }

    fn requests(&self, operation: &str, outcome: &str) -> f64 {
        self.sample(&format!("rollcall_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\""))
    }

    fn names(&self) -> BTreeSet<String> {
        self.samples.keys().map(|series| series.split('{').next().unwrap().to_owned()).collect()
    }
}

#[test]
fn the_counts_say_what_an_instance_has_answered() {
    let mut setting = Setting::new(&[("metrics_secret", SECRET)]);
    let (server, tenant) = (&mut setting.server, &setting.tenant);
    let id = tenant.create(server, "alice@contoso.com").expect(201).text("/id");
    tenant.create(server, "alice@contoso.com").expect(409);
    tenant.read(server, &id).expect(200);
    tenant.read(server, &id).expect(200);
    tenant.delete(server, &id).expect(204);
    let metrics = setting.metrics();
    let found = [("create", "success"), ("create", "client_error"), ("read", "success"), ("delete", "success")];
    assert_eq!(found.map(|(operation, outcome)| metrics.requests(operation, outcome)), [1.0, 1.0, 2.0, 1.0]);
    assert_eq!(metrics.sample("rollcall_request_duration_seconds_count{operation=\"read\""), 2.0);
    assert_eq!(metrics.sample("rollcall_request_duration_seconds_bucket{operation=\"read\",le=\"+Inf\""), 2.0);
    assert!(metrics.sample("rollcall_turns_total") >= 2.0);
    assert!(metrics.sample("rollcall_store_calls_total{call=\"increment\"") >= 2.0);
    assert_eq!(metrics.sample("rollcall_store_failures_total{call=\"get\""), 0.0);
    assert_eq!(metrics.sample("rollcall_instance_start_time_seconds"), 1_795_510_800.0);
    // The scrape before is counted by the next one.
    assert_eq!((metrics.requests("watch", "success"), setting.metrics().requests("watch", "success")), (0.0, 1.0));
}

#[test]
fn every_count_of_another_instance_is_its_own() {
    let mut setting = Setting::new(&[("metrics_secret", SECRET)]);
    setting.tenant.create(&mut setting.server, "alice@contoso.com").expect(201);
    let mut other = Native::within(&setting.world);
    let [here, there] = [&mut setting.server, &mut other].map(|server| Metrics::of(&get(server, "/metrics", SECRET)));
    assert_eq!((here.requests("create", "success"), there.requests("create", "success")), (1.0, 0.0));
    let id = |metrics: &Metrics| metrics.text.split_once("instance_id=\"").unwrap().1[..16].to_owned();
    assert_ne!(id(&here), id(&there));
    assert_eq!(id(&here), id(&setting.metrics()));
}

#[test]
fn no_caller_adds_a_series() {
    let mut setting = Setting::new(&[("metrics_secret", SECRET)]);
    let series = |metrics: &Metrics| metrics.samples.keys().cloned().collect::<BTreeSet<_>>();
    let before = setting.metrics();
    for path in ["/scim/v2/abcdefghjk/Users", "/nothing/at/all", "/admin/api/v1/x", "/scim/v2/\"} 1", "/%22%7D"] {
        if let Ok(request) = Request::builder().method("BREW").uri(path).body(Vec::new()) {
            setting.server.answer(request);
        }
    }
    let after = setting.metrics();
    assert_eq!(series(&before), series(&after));
    assert!(after.requests("refused", "client_error") >= 1.0 && after.requests("nowhere", "client_error") >= 1.0);
    assert!(!after.text.contains(&setting.tenant.id) && !after.text.contains("abcdefghjk"));
}

#[test]
fn a_store_that_fails_and_records_that_wait_show_in_the_counts() {
    let mut setting = Setting::new(&[("metrics_secret", SECRET)]);
    setting.tenant.read(&mut setting.server, "nobody").expect(404);
    setting.world.store.fail(0..usize::MAX, Fault::Refused);
    let request = setting.tenant.request("GET", "/Users", None);
    assert_eq!(setting.server.rollcall.handle(request).status(), 503);
    let request =
        Request::get("/metrics").header("authorization", format!("Bearer {SECRET}")).body(Vec::new()).unwrap();
    let response = setting.server.rollcall.handle(request).map(|body| match body {
        rollcall_core::http::Body::Full(bytes) => bytes,
        rollcall_core::http::Body::Stream(_) => panic!("the counts are no file"),
    });
    let metrics = Metrics::of(&response);
    assert!(metrics.sample("rollcall_store_failures_total{call=\"get\"") >= 1.0);
    assert!(metrics.sample("rollcall_journal_waiting_records") >= 1.0, "{}", metrics.text);
    assert_eq!(metrics.requests("refused", "server_error") + metrics.requests("list", "server_error"), 1.0);
}

#[test]
fn every_metric_of_the_dashboard_and_of_the_alerts_is_one_that_is_printed() {
    let names = Setting::new(&[("metrics_secret", SECRET)]).metrics().names();
    for file in ["deploy/grafana-dashboard.json", "deploy/alerts.yaml", "docs/operations.md"] {
        let text = std::fs::read_to_string(hosted::root().join(file)).unwrap();
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let words = text.split(|c: char| !is_name(c)).filter(|word| word.starts_with("rollcall_"));
        // What a panel has to name: a token begins in the same way, and a document shows some.
        let named: BTreeSet<&str> = words.filter(|word| *word != "rollcall_").collect();
        assert!(named.len() >= 6, "{file}: {named:?}");
        for name in named {
            let printed = names.contains(name) || names.contains(&format!("{name}_bucket"));
            assert!(printed, "{file}: nothing prints {name}");
        }
    }
    let dashboard = std::fs::read_to_string(hosted::root().join("deploy/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(panel["targets"][0]["expr"].as_str().unwrap().contains("rollcall_"), "{panel}");
    }
}

fn change_and_read(server: &mut Native, tenant: &Tenant) {
    let id = tenant.create(server, "alice@contoso.com").expect(201).text("/id");
    let mut request = tenant.request("GET", &format!("/Users/{id}"), None);
    request.headers_mut().insert("traceparent", TRACE.parse().unwrap());
    assert_eq!(server.answer(request).status(), 200);
    tenant.find(server, "alice@contoso.com").expect(200);
}

#[test]
fn the_full_line_names_tenant_resource_number_and_trace_and_nobody() {
    let mut setting = Setting::new(&[("request_log", "full")]);
    let lines = setting.lines_of(change_and_read);
    let [create, read, find] = &lines[..] else { panic!("{lines:?}") };
    let record = setting.tenant.journal(&mut setting.server).into_iter().find(|record| record["action"] == "create");
    let record = record.unwrap();
    assert_eq!(
        (&create["operation"], &create["outcome"], &create["status"]),
        (&json!("create"), &json!("success"), &json!(201))
    );
    assert_eq!((&create["number"], &create["requestId"]), (&record["number"], &record["requestId"]));
    assert_eq!((&create["tenant"], &create["resource"]), (&json!(setting.tenant.id), &record["user"]["id"]));
    assert_eq!((&read["operation"], &read["traceparent"]), (&json!("read"), &json!(TRACE)));
    assert_eq!((read.get("number"), find.get("traceparent")), (None, None));
    for line in &lines {
        let text = line.to_string();
        assert!(!text.contains("alice") && !text.contains(&setting.tenant.token[9..]), "{text}");
    }
}

#[test]
fn the_thin_line_tells_nothing_of_a_tenant() {
    let mut setting = Setting::new(&[("request_log", "thin")]);
    let lines = setting.lines_of(change_and_read);
    assert_eq!(lines.len(), 3);
    for line in &lines {
        let names: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(names, ["time", "operation", "outcome", "status", "durationUs", "requestId"]);
    }
}

#[test]
fn no_line_is_written_where_the_log_is_off_and_one_for_each_request_of_any_kind_otherwise() {
    let ask = |server: &mut Native, tenant: &Tenant| {
        tenant.delete(server, "nobody").expect(404);
        life::admin(server, "GET", "/tenants", None).expect(200);
        get(server, "/healthz", "");
        get(server, "/nothing/here", "");
        get(server, &format!("/scim/v2/{}/Users/alice@contoso.com", tenant.id), "hunter2-hunter2-hunter2");
    };
    assert_eq!(Setting::new(&[]).lines_of(ask), Vec::<Value>::new());
    let lines = Setting::new(&[("request_log", "full")]).lines_of(ask);
    let operations: Vec<&str> = lines.iter().map(|line| line["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["delete", "admin", "watch", "nowhere", "refused"]);
    for line in &lines {
        assert!(!line.to_string().contains("hunter2") && !line.to_string().contains("alice"), "{line}");
    }
}

#[test]
fn changes_that_share_a_turn_leave_a_line_each_with_numbers_of_their_own() {
    let mut setting = Setting::new(&[("request_log", "full"), ("metrics_secret", SECRET)]);
    let lines = setting.lines_of(|server, tenant| {
        let mut line: std::collections::VecDeque<_> = ["alice", "bob"]
            .into_iter()
            .map(|name| match server.rollcall.begin(tenant.request("POST", "/Users", Some(&life::user(name)))) {
                rollcall_core::http::Begun::Waiting(change) => (change, ()),
                rollcall_core::http::Begun::Answered(response) => panic!("{}", response.status()),
            })
            .collect();
        let whose = line[0].0.tenant().clone();
        let position = server.rollcall.queue(&whose);
        while let rollcall_core::http::Progress::Later(pause) = server.rollcall.advance(&position, &mut line) {
            server.pass(pause);
        }
    });
    let numbers: Vec<u64> = lines.iter().map(|line| line["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers[1], numbers[0] + 1);
    assert_eq!(setting.metrics().requests("create", "success"), 2.0);
}

#[test]
fn readiness_is_that_of_the_settings_and_of_a_store_that_answers() {
    let mut setting = Setting::new(&[]);
    let ready = setting.get("/readyz", "");
    assert_eq!((ready.status().as_u16(), ready.body().as_slice()), (200, &b"{\"status\":\"ready\"}"[..]));
    setting.world.store.forget_calls();
    setting.get("/readyz", "");
    assert_eq!((setting.world.store.calls().len(), setting.world.store.write_transactions()), (2, 0));
    setting.world.store.fail(0..usize::MAX, Fault::Refused);
    let refused = setting.get("/readyz", "");
    let body: Value = serde_json::from_slice(refused.body()).unwrap();
    let message = "service: the store did not answer; the error output says why";
    assert_eq!((refused.status().as_u16(), &body["error"]["message"]), (503, &json!(message)));
    assert!(!String::from_utf8_lossy(refused.body()).contains("the disk said no"));
}

//! `cargo bench`: what a request costs beside what the platform costs, in one run.
//!
//! The component stands in its host on a SQLite file in a temporary folder, and beside it, on the same file, one that does
//! a single thing (`tests/bare`). They are loaded in turns and in short slices, so that whatever else the machine does
//! falls on all of them alike; ratios are made within a round, and the table shows the median of the rounds.
//!
//! Then the same requests against tenants of a thousand, a hundred thousand and a million users, among ten thousand others.
//!
//! `cargo bench -- --rounds 5 --slice 1000 --connections 64 --only match --sizes 1000` measures longer, or only some of it.

use acceptance::arguments::{argument, number};
use acceptance::hosted::{self, serve};
use acceptance::life::{self, Tenant};
use acceptance::load::{self, Load, Measured};
use acceptance::loader::Loader;
use acceptance::meter::{Meter, Reading};
use acceptance::program::fresh;
use acceptance::world::ADMIN_SECRET;
use http::Request;
use rollcall_core::journal::WAIT_MAX;
use rollcall_host::component::MemoryGauge;
use rollcall_host::keyvalue::{Database, Stores};
use rollcall_host::{Environment, Reuse, Server};
use serde_json::json;
use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Users in the tenant of the first tables.
const USERS: usize = 1_000;

/// Users in the tenants of the last ones.
const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    let options = Options::parse();
    println!("rounds: {}; a slice: {:?}\n", options.rounds, options.slice);
    let bench = Bench::start(USERS, 0);
    println!("users in the tenant: {USERS}");
    for connections in &options.connections {
        bench.compare(&options, &bench.scenarios(), *connections);
    }
    bench.facts();
    drop(bench);
    for users in &options.sizes {
        let begun = Instant::now();
        let bench = Bench::start(*users, TENANTS);
        let took = begun.elapsed().as_secs();
        println!("\nusers in the tenant: {users}; other tenants: {TENANTS}; loaded in {took} s");
        bench.compare(&options, &bench.of_any_size(), 1);
    }
}

/// Tenants beside the one that is measured.
const TENANTS: usize = 10_000;

struct Options {
    rounds: usize,
    slice: Duration,
    connections: Vec<usize>,
    only: Option<String>,
    sizes: Vec<usize>,
}

impl Options {
    fn parse() -> Options {
        let numbers = |name: &str, default: &[usize]| {
            let read = |text: &str| text.parse().unwrap_or_else(|_| panic!("{name}: expected numbers with commas"));
            argument(name).map_or(default.to_vec(), |text| text.split(',').map(read).collect())
        };
        let (connections, sizes) = (numbers("--connections", &[1, 64, 256]), numbers("--sizes", &SIZES));
        let slice = Duration::from_millis(number("--slice", 700) as u64);
        Options { rounds: number("--rounds", 3), slice, connections, only: argument("--only"), sizes }
    }

    fn wants(&self, scenario: &Scenario) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|only| scenario.name.starts_with(only)))
    }
}

/// What is compared with what.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    /// The platform itself: what it asks of the store does not matter.
    Nothing,
    /// Ours, with nothing beside it.
    Alone,
    Get,
    Write,
}

struct Scenario {
    name: &'static str,
    beside: Beside,
    address: SocketAddr,
    request: fn(&Data, usize, usize) -> Request<Vec<u8>>,
}

/// What requests are made of.
#[derive(Clone)]
struct Data {
    tenant: Tenant,
    users: Arc<Vec<String>>,
    /// Part of each name that a slice creates.
    slice: usize,
}

struct Bench {
    ours: Server,
    bare: Server,
    meter: Arc<Meter>,
    memory: MemoryGauge,
    bare_memory: MemoryGauge,
    data: Data,
    slices: Cell<usize>,
    folder: PathBuf,
}

/// One slice.
struct Sample {
    measured: Measured,
    store: Reading,
}

impl Bench {
    /// A tenant of so many users, among others that have none.
    fn start(users: usize, others: usize) -> Bench {
        let folder = fresh("bench");
        let database = Database::open(&folder.join(Database::FILE_NAME)).unwrap();
        let mut loader = Loader::on(database.store(Stores::DEFAULT), ADMIN_SECRET);
        let tenant = loader.tenant("Contoso");
        let ids = loader.users(&tenant, users);
        loader.tenants(others);
        loader.flush();
        database.store("bare").set("document", &[b'x'; 600]).unwrap();
        let meter = Meter::new(database.store(Stores::DEFAULT));
        let (memory, bare_memory) = (MemoryGauge::default(), MemoryGauge::default());
        let ours = serve(hosted::component(), ours(&meter, &memory), Reuse::default());
        let stores = Stores::default_only(database.store("bare"));
        let environment = Environment { stores, quiet: true, memory: bare_memory.clone(), ..Environment::default() };
        let bare = serve(&bare_component(), environment, Reuse::default());
        Bench {
            data: Data { tenant, users: Arc::new(ids), slice: 0 },
            slices: Cell::new(0),
            ours,
            bare,
            meter,
            memory,
            bare_memory,
            folder,
        }
    }

    fn scenarios(&self) -> Vec<Scenario> {
        let (ours, bare) = (self.ours.address(), self.bare.address());
        let of = |name, beside, address, request| Scenario { name, beside, address, request };
        vec![
            of("no component: host and load generator", Beside::Nothing, ours, |_, _, _| {
                get("/.well-known/spin/health")
            }),
            of("bare: hello, world", Beside::Nothing, bare, |_, _, _| get("/hello")),
            of("bare: one get", Beside::Nothing, bare, |_, _, _| get("/get")),
            of("match query", Beside::Get, ours, |data, connection, nth| {
                let number = data.any(connection, nth);
                data.scim("GET", &format!("/Users?filter=userName+eq+%22user{number}%40contoso.com%22"), None)
            }),
            of("GET by id", Beside::Get, ours, |data, connection, nth| {
                data.scim("GET", &format!("/Users/{}", data.users[data.any(connection, nth)]), None)
            }),
            of("list, 100 a page", Beside::Get, ours, |data, _, _| data.scim("GET", "/Users?count=100", None)),
            of("bare: one write", Beside::Nothing, bare, |_, _, _| get("/write")),
            of("create", Beside::Write, ours, |data, connection, nth| {
                let user = life::user(&format!("new{}.{connection}.{nth}@contoso.com", data.slice));
                data.scim("POST", "/Users", Some(&user))
            }),
            of("PATCH disable, enable", Beside::Write, ours, |data, connection, nth| {
                // The users of a connection are its own, and each request of it changes one.
                let id = &data.users[connection % data.users.len()];
                let active = if nth % 2 == 0 { "False" } else { "True" };
                let body = life::patch(&json!([{"op": "Replace", "path": "active", "value": active}]));
                data.scim("PATCH", &format!("/Users/{id}"), Some(&body))
            }),
        ]
    }

    /// What costs the same whatever the size of the tenant.
    fn of_any_size(&self) -> Vec<Scenario> {
        let (ours, bare) = (self.ours.address(), self.bare.address());
        let of = |name, request| Scenario { name, beside: Beside::Alone, address: ours, request };
        let wanted = ["match query", "GET by id", "create", "PATCH disable, enable"];
        let mut scenarios = self.scenarios();
        scenarios.retain(|scenario| wanted.contains(&scenario.name));
        scenarios.iter_mut().for_each(|scenario| scenario.beside = Beside::Alone);
        scenarios.extend([
            of("first page of 10", |data, _, _| data.scim("GET", "/Users?count=10", None)),
            of("last page of 10", |data, _, _| {
                data.scim("GET", &format!("/Users?count=10&startIndex={}", data.users.len() - 9), None)
            }),
            of("first page of a walk by cursor", |data, _, _| data.scim("GET", "/Users?cursor&count=10", None)),
            of("page of 10 of the log", |data, _, _| {
                Request::get(format!("/admin/api/v1/tenants/{}/requests?limit=10", data.tenant.id))
                    .header("host", "scim.example.com")
                    .header("authorization", format!("Bearer {ADMIN_SECRET}"))
                    .body(Vec::new())
                    .unwrap()
            }),
        ]);
        scenarios.push(Scenario {
            name: "bare: one get",
            beside: Beside::Nothing,
            address: bare,
            request: |_, _, _| get("/get"),
        });
        scenarios
    }

    /// One table.
    fn compare(&self, options: &Options, scenarios: &[Scenario], connections: usize) {
        let mut samples: Vec<Vec<Sample>> = scenarios.iter().map(|_| Vec::new()).collect();
        for round in 0..=options.rounds {
            for (place, scenario) in scenarios.iter().enumerate().filter(|(_, scenario)| options.wants(scenario)) {
                let slice = if round == 0 { options.slice / 4 } else { options.slice };
                let sample = self.slice(scenario, connections, slice);
                // The first round only warms up.
                if round > 0 {
                    samples[place].push(sample);
                }
            }
        }
        println!(
            "| {connections} connection{} | requests/s | of the bare one | p50 ms | p99 ms | store calls | of them write transactions | KB read | KB written |",
            if connections == 1 { "" } else { "s" }
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for (place, scenario) in scenarios.iter().enumerate().filter(|(_, scenario)| options.wants(scenario)) {
            println!("{}", row(scenario, scenarios, &samples, place));
        }
        println!();
    }

    fn slice(&self, scenario: &Scenario, connections: usize, duration: Duration) -> Sample {
        self.slices.set(self.slices.get() + 1);
        let data = Data { slice: self.slices.get(), ..self.data.clone() };
        let request = scenario.request;
        let load = Load { address: scenario.address, connections, duration, rate: None, requests_each: None };
        let before = self.meter.read();
        let measured = load.run(move |connection, nth| load::bytes(&request(&data, connection, nth))).unwrap();
        assert!(measured.broken.is_empty(), "{}: {:?}", scenario.name, measured.broken.first());
        let all = measured.latencies.len() as u64;
        assert_eq!(measured.succeeded(), all, "{}: {:?}", scenario.name, measured.statuses);
        // Records of reads are written later, and belong to this slice.
        std::thread::sleep(WAIT_MAX + Duration::from_millis(150));
        Sample { measured, store: self.meter.read() - before }
    }

    /// What does not depend on the load.
    fn facts(&self) {
        let size = |path: &Path| std::fs::metadata(path).unwrap().len() as f64 / 1e6;
        println!("| | ours | bare |");
        println!("| --- | --- | --- |");
        println!("| component, MB | {:.2} | {:.2} |", size(hosted::component()), size(&bare_component()));
        let megabytes = |gauge: &MemoryGauge| gauge.bytes() as f64 / 1e6;
        println!(
            "| memory of an instance at rest, MB | {:.1} | {:.1} |",
            megabytes(&self.memory),
            megabytes(&self.bare_memory)
        );
        let database = Database::open(&self.folder.join(Database::FILE_NAME)).unwrap();
        // An instance for each request.
        let reuse = Reuse { requests: 1, requests_at_once: 1, ..Reuse::default() };
        let meter = Meter::new(database.store(Stores::DEFAULT));
        let cold = serve(hosted::component(), ours(&meter, &MemoryGauge::default()), reuse);
        let stores = Stores::default_only(database.store("bare"));
        let bare = serve(&bare_component(), Environment { stores, quiet: true, ..Environment::default() }, reuse);
        let matching = self.data.scim("GET", "/Users?filter=userName+eq+%22user7%40contoso.com%22", None);
        let (ours, bare) = (first_answers(cold.address(), &matching), first_answers(bare.address(), &get("/get")));
        for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
            let milliseconds = |measured: &Measured| measured.quantile(share).as_secs_f64() * 1e3;
            println!(
                "| cold start: instantiate and first answer, {what} ms | {:.2} | {:.2} |",
                milliseconds(&ours),
                milliseconds(&bare)
            );
        }
    }
}

/// Answers that come so slowly after each other that each instance is gone before the next is made.
fn first_answers(address: SocketAddr, request: &Request<Vec<u8>>) -> Measured {
    let mut measured = Measured::default();
    for _ in 0..100 {
        let begun = Instant::now();
        assert_eq!(hosted::exchange(address, request).unwrap().status(), 200);
        measured.latencies.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    measured.latencies.sort_unstable();
    measured
}

impl Data {
    /// One of the users; far apart from those of the requests before and after it, and of other connections.
    fn any(&self, connection: usize, nth: usize) -> usize {
        (connection * 37 + nth * 7_919) % self.users.len()
    }

    fn scim(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Request<Vec<u8>> {
        self.tenant.request(method, path, body)
    }
}

fn get(path: &str) -> Request<Vec<u8>> {
    Request::get(path).header("host", "scim.example.com").body(Vec::new()).unwrap()
}

fn row(scenario: &Scenario, scenarios: &[Scenario], samples: &[Vec<Sample>], place: usize) -> String {
    let own = &samples[place];
    let named = |name: &str| scenarios.iter().position(|scenario| scenario.name == name);
    let beside = match scenario.beside {
        Beside::Nothing | Beside::Alone => None,
        Beside::Get => named("bare: one get"),
        Beside::Write => named("bare: one write"),
    };
    let ratio = beside.filter(|bare| samples[*bare].len() == own.len()).map(|bare| {
        let ratios = own.iter().zip(&samples[bare]);
        median(ratios.map(|(own, bare)| own.measured.throughput() / bare.measured.throughput()).collect())
    });
    let milliseconds =
        |share| median(own.iter().map(|sample| sample.measured.quantile(share).as_secs_f64() * 1e3).collect());
    let each = |of: fn(&Reading) -> u64| {
        let each = |sample: &Sample| of(&sample.store) as f64 / sample.measured.latencies.len().max(1) as f64;
        median(own.iter().map(each).collect())
    };
    let store = if scenario.beside == Beside::Nothing {
        "| | | |".to_owned()
    } else {
        format!(
            "{:.2} | {:.2} | {:.1} | {:.1} |",
            each(|store| store.calls),
            each(|store| store.writes),
            each(|store| store.bytes_read) / 1e3,
            each(|store| store.bytes_written) / 1e3
        )
    };
    format!(
        "| {} | {:.0} | {} | {:.2} | {:.2} | {store}",
        scenario.name,
        median(own.iter().map(|sample| sample.measured.throughput()).collect()),
        ratio.map_or(String::new(), |ratio| format!("{:.0} %", ratio * 100.0)),
        milliseconds(0.5),
        milliseconds(0.99),
    )
}

/// Of an even number the mean of the middle two, so that two rounds do not show the better one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}

fn ours(meter: &Arc<Meter>, memory: &MemoryGauge) -> Environment {
    Environment { memory: memory.clone(), ..hosted::unpaced(meter.clone()) }
}

fn bare_component() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        let arguments = ["build", "--quiet", "--profile", "component", "--target", "wasm32-wasip2", "-p", "bare"];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = std::process::Command::new(cargo).current_dir(hosted::root()).args(arguments).status().unwrap();
        assert!(built.success());
    });
    hosted::component().with_file_name("bare.wasm")
}

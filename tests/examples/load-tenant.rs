//! Fills a store with tenants and users, through the code that a request goes through:
//!
//! ```console
//! $ cargo run --release -p acceptance --example load-tenant -- --state /tmp/large --users 1000000 --tenants 10000
//! $ cargo run --release -- --state /tmp/large
//! ```
//!
//! The first of the tenants gets all the users, `user0@contoso.com` and so on. Its id and its token are printed.

use acceptance::bulk_store::BulkStore;
use acceptance::crowd;
use acceptance::life::{self, Tenant};
use acceptance::run::Server;
use http::{Request, Response};
use rollcall_core::http::{Body, Rollcall};
use rollcall_core::settings::Settings;
use rollcall_core::space::TenantId;
use rollcall_host::State;
use rollcall_host::keyvalue::{Database, Stores};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Users, or tenants, that go into the file at once.
const BATCH: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let number = |name: &str, default: usize| {
        given(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: expected a number")))
    };
    let directory = PathBuf::from(given("--state").expect("--state: expected a directory"));
    let secret = State::Directory(directory.clone()).admin_secret().unwrap();
    let database = Database::open(&directory.join(Database::FILE_NAME)).unwrap();
    let store = BulkStore::new(database.store(Stores::DEFAULT));
    let settings = Settings::read(|name| (name == "admin_secret").then(|| secret.clone())).unwrap();
    let mut loader = Loader { rollcall: Rollcall::new(store.ports(), settings.clone()), secret };

    let begun = Instant::now();
    let first = loader.tenant("Large");
    let id = TenantId::parse(&first.id).unwrap();
    let users = number("--users", 1_000);
    let ports = store.ports();
    for from in (0..users).step_by(crowd::AT_ONCE) {
        crowd::gather_on(&ports, &settings, &id, from..users.min(from + crowd::AT_ONCE));
        if (from + crowd::AT_ONCE).is_multiple_of(BATCH) {
            store.flush().unwrap();
            eprint!("\r{} users", from + crowd::AT_ONCE);
        }
    }
    for number in 1..number("--tenants", 1) {
        loader.tenant(&format!("Tenant {number}"));
        if number % BATCH == 0 {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    eprintln!("\rloaded in {:.1} s", begun.elapsed().as_secs_f64());
    println!("tenant {}\ntoken  {}", first.id, first.token);
}

/// An instance of the core, and its operator.
struct Loader {
    rollcall: Rollcall,
    secret: String,
}

impl Loader {
    fn tenant(&mut self, name: &str) -> Tenant {
        let secret = self.secret.clone();
        let mut call = |path: &str, body| life::admin_with(self, &secret, "POST", path, Some(&body)).expect(201);
        let id = call("/tenants", json!({"name": name})).text("/id");
        let token =
            call(&format!("/tenants/{id}/connection"), json!({"identityProvider": "entra"})).text("/secretToken");
        Tenant { id, token }
    }
}

impl Server for Loader {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        self.rollcall.handle(request).map(|body| match body {
            Body::Full(bytes) => bytes,
            Body::Stream(_) => unreachable!("nothing is exported here"),
        })
    }

    fn pass(&mut self, _: Duration) {}
}

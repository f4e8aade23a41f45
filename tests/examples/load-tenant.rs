//! Fills a store with tenants and users, through the code that a request goes through:
//!
//! ```console
//! $ cargo run --release --example load-tenant -- --state /tmp/large --users 1000000 --tenants 10000
//! $ cargo run --release -- --state /tmp/large
//! ```
//!
//! The first of the tenants gets all the users, `user0@contoso.com` and so on. Its id and its token are printed.

use acceptance::loader::Loader;
use rollcall_host::State;
use rollcall_host::keyvalue::{Database, Stores};
use std::path::PathBuf;
use std::time::Instant;

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
    let mut loader = Loader::on(database.store(Stores::DEFAULT), &secret);

    let begun = Instant::now();
    let first = loader.tenant("Large");
    loader.users(&first, number("--users", 1_000));
    loader.tenants(number("--tenants", 1).saturating_sub(1));
    loader.flush();
    eprintln!("loaded in {:.1} s", begun.elapsed().as_secs_f64());
    println!("tenant {}\ntoken  {}", first.id, first.token);
}

//! Fills a store with tenants and users, through the code that a request goes through:
//!
//! ```console
//! $ cargo run --release --example load-tenant -- --state /tmp/large --users 1000000 --tenants 10000
//! $ cargo run --release -- --state /tmp/large
//! ```
//!
//! The first of the tenants gets all the users, `user0@contoso.com` and so on. Its id and its token are printed.

use acceptance::arguments::{argument, number};
use acceptance::loader::Loader;
use rollcall_host::State;
use rollcall_host::keyvalue::{Database, Stores};
use std::path::PathBuf;
use std::time::Instant;

fn main() {
    let directory = PathBuf::from(argument("--state").expect("--state: expected a directory"));
    let state = State::Directory(directory.clone());
    // Makes the file, too, with the mode that it should have.
    drop(state.stores().unwrap());
    let database = Database::open(&directory.join(Database::FILE_NAME)).unwrap();
    let mut loader = Loader::on(database.store(Stores::DEFAULT), &state.admin_secret().unwrap().text);

    let begun = Instant::now();
    let first = loader.tenant("Large");
    loader.users(&first, number("--users", 1_000));
    loader.tenants(number("--tenants", 1).saturating_sub(1));
    loader.flush();
    eprintln!("loaded in {:.1} s", begun.elapsed().as_secs_f64());
    println!("tenant {}\ntoken  {}", first.id, first.token);
}

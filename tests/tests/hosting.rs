//! Many requests at once in the host.

use acceptance::hosted;
use acceptance::life;
use acceptance::load::{self, Load};
use acceptance::loader::Loader;
use acceptance::meter::Meter;
use acceptance::program::{Host, fresh};
use acceptance::world::ADMIN_SECRET;
use rollcall_host::Reuse;
use rollcall_host::keyvalue::{Database, Stores};
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::time::Duration;

#[test]
fn changes_that_come_together_cost_less_than_a_write_transaction_each() {
    let database = Database::open(&fresh("hosting").join(Database::FILE_NAME)).unwrap();
    let mut loader = Loader::on(database.store(Stores::DEFAULT), ADMIN_SECRET);
    let tenant = loader.tenant("Contoso");
    loader.flush();
    let meter = Meter::new(database.store(Stores::DEFAULT));
    let server = hosted::serve(hosted::component(), hosted::unpaced(meter.clone()), Reuse::default());
    let address = server.address();

    let writes_of = |connections: usize, requests: usize| {
        let duration = Duration::from_secs(60);
        let load = Load { address, connections, duration, rate: None, requests_each: Some(requests) };
        let (before, tenant) = (meter.read(), tenant.clone());
        let create = move |connection, nth| {
            let user = life::user(&format!("user{connections}.{requests}.{connection}.{nth}@contoso.com"));
            load::bytes(&tenant.request("POST", "/Users", Some(&user)))
        };
        let measured = load.run(create).unwrap();
        assert_eq!(measured.statuses, BTreeMap::from([(201, (connections * requests) as u64)]));
        (meter.read() - before).writes as usize
    };
    // The first one also tests the store.
    writes_of(1, 1);
    assert_eq!(writes_of(1, 4), 8, "each costs two alone");
    let writes = writes_of(64, 8);
    assert!(writes < 64 * 8, "{writes}");
}

#[test]
fn the_host_says_at_its_first_start_what_the_readme_shows() {
    let readme = std::fs::read_to_string(hosted::root().join("README.md")).unwrap();
    let (_, shown) =
        readme.split_once("$ cargo run --release\n…\nRollcall serves on http://127.0.0.1:3000/\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let mut host = Host::with(&fresh("first-start"), &[]);
    for shown in shown.lines() {
        let mut said = String::new();
        host.out.read_line(&mut said).unwrap();
        // The name and the blanks behind it; an address, a secret and a path are others.
        let name = &shown[.."  admin secret  ".len()];
        assert!(said.starts_with(name), "README.md shows {shown:?}, the host says {said:?}");
    }
}

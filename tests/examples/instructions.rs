//! Instructions of the core for one request, counted by callgrind, so that no clock and no neighbour has a part in them:
//!
//! ```console
//! $ cargo run --release --example instructions
//! ```
//!
//! Each kind of request is sent many times in one run and twice as many times in another one. Half of the difference of the
//! two counts is what the requests cost without the beginning and the end of the program. The model of the store and its
//! clock are counted, too: they are the same for each version of the core.

use acceptance::life::{self, Tenant};
use acceptance::native::Native;
use acceptance::world::World;
use http::Request;
use rollcall_core::http::{Begun, Progress, Rollcall, Waiting};
use rollcall_core::keys::TenantId;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::process::{Command, ExitCode};

/// What is counted.
const KINDS: [&str; 3] = ["match", "create", "patch"];

/// Requests of the shorter run, in turns of so many changes.
const REQUESTS: usize = 14 * 40;
const TOGETHER: usize = 14;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, requests] = arguments.as_slice() {
        run(kind, requests.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    for kind in KINDS {
        match (counted(kind, REQUESTS), counted(kind, 2 * REQUESTS)) {
            (Some(once), Some(twice)) => println!("{kind}: {} instructions", (twice - once) / REQUESTS as u64),
            (None, _) | (_, None) => {
                eprintln!("{kind}: valgrind did not count; is it installed?");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// What callgrind says that a run of this program takes.
fn counted(kind: &str, requests: usize) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let output = valgrind.args([kind, &requests.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let (_, count) = text.rsplit_once("Collected :")?;
    count.trim().lines().next()?.trim().parse().ok()
}

fn run(kind: &str, requests: usize) {
    let mut server = Native::within(&World::new(&BTreeMap::new()));
    let tenant = Tenant::connect(&mut server);
    let user = tenant.create(&mut server, "alice@contoso.com").expect(201).text("/id");
    let (rollcall, path) = (&server.rollcall, format!("/Users/{user}"));
    match kind {
        "match" => {
            let request = tenant.request("GET", "/Users?filter=userName+eq+%22alice%40contoso.com%22", None);
            for number in 0..requests {
                assert_eq!(rollcall.handle(request.clone()).status(), 200);
                if number % TOGETHER == 0 {
                    rollcall.flush();
                }
            }
        }
        "create" => change(&server, &tenant, requests, |number| {
            tenant.request("POST", "/Users", Some(&life::user(&format!("user{number}@contoso.com"))))
        }),
        "patch" => change(&server, &tenant, requests, |number| {
            let operation = json!([{"op": "Replace", "path": "title", "value": format!("Clerk {number}")}]);
            tenant.request("PATCH", &path, Some(&life::patch(&operation)))
        }),
        other => panic!("{other}: expected one of {}", KINDS.join(", ")),
    }
}

/// Changes that wait together, a turn for each so many of them.
fn change(server: &Native, tenant: &Tenant, requests: usize, request: impl Fn(usize) -> Request<Vec<u8>>) {
    let tenant = TenantId::parse(&tenant.id).unwrap();
    for first in (0..requests).step_by(TOGETHER) {
        let line = (first..requests.min(first + TOGETHER)).map(|number| begun(&server.rollcall, request(number)));
        let mut line: VecDeque<(Waiting, ())> = line.map(|change| (change, ())).collect();
        let place = server.rollcall.queue(&tenant);
        let answers = loop {
            match server.rollcall.advance(&place, &mut line) {
                Progress::Later(pause) => server.world.time.pass(pause),
                Progress::Answered(answers) => break answers,
            }
        };
        assert!(answers.iter().all(|(_, answer)| answer.status().is_success()));
        server.world.store.forget_calls();
    }
}

fn begun(rollcall: &Rollcall, request: Request<Vec<u8>>) -> Waiting {
    match rollcall.begin(request) {
        Begun::Waiting(change) => change,
        Begun::Answered(answer) => panic!("answered with {}", answer.status()),
    }
}

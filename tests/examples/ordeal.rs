//! Kills, suspends and holds up hosts and their store while clients send changes, and compares what was answered with what
//! is there:
//!
//! ```console
//! $ cargo run --release --example ordeal -- --kills 40 --pauses 20 --late 20 --store both --hosts both
//! ```
//!
//! A kill is SIGKILL of a host, and of Redis each fourth time. A pause is SIGSTOP of a host for 4 to 12 s. A late write is
//! a commit that arrives 1 to 20 s after it was sent: on the way to Redis a proxy holds it back; on SQLite its host is
//! suspended while the commit waits for the lock of the file, and others have the file meanwhile. `--seed` repeats an
//! order, `--pace` is how many milliseconds a client waits between two requests, and `--state` a folder for the data.
//!
//! It fails where a user that was answered is lost, doubled or otherwise than answered, where a change has not one record,
//! and where the checker finds something that the tenant did not mend by itself.

use acceptance::arguments::{argument, number};
use acceptance::hosted;
use acceptance::ordeal::{self, Load};
use acceptance::program::{Host, Redis, fresh};
use acceptance::proxy::Proxy;
use rollcall_host::keyvalue::Database;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Faults that are printed one by one.
const PRINTED: usize = 20;

/// How long a commit needs at most to come as far as the lock of the file.
const TO_THE_LOCK: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    hosted::program();
    let state = argument("--state").map_or_else(|| fresh("ordeal"), PathBuf::from);
    let seed = argument("--seed").map_or_else(random, |seed| seed.parse().expect("--seed: expected a number"));
    println!("--seed {seed}");
    let mut well = true;
    for store in chosen("--store", ["sqlite", "redis"]) {
        if store == "redis" && !Redis::is_there() {
            well = false;
            continue;
        }
        for hosts in chosen("--hosts", ["1", "2"]) {
            let mut ordeal = Ordeal::on(store, hosts == "2", &state, seed);
            well &= ordeal.run(&format!("{store}, {} host{}", hosts, if hosts == "2" { "s" } else { "" }));
        }
    }
    println!("{}", if well { "all well" } else { "FAILED" });
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Both of two things, or the one that is asked for.
fn chosen(name: &str, both: [&'static str; 2]) -> Vec<&'static str> {
    let asked = argument(name).unwrap_or_else(|| "both".to_owned());
    let chosen: Vec<_> = both.into_iter().filter(|one| asked == "both" || asked == *one).collect();
    assert!(!chosen.is_empty(), "{name}: expected {}, {} or both, found {asked}", both[0], both[1]);
    chosen
}

fn random() -> u64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    u64::from(u32::from_le_bytes(bytes))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Kill,
    Pause,
    Late,
}

/// Where the data are.
enum Place {
    /// The folder of all hosts.
    Sqlite(PathBuf),
    Redis(Redis, Proxy),
}

impl Place {
    fn host(&self, at: usize) -> Host {
        match self {
            Place::Sqlite(folder) => Host::remembering(folder, &["--share-data"]),
            Place::Redis(redis, proxy) => redis.host_by(&format!("host{at}"), proxy.address),
        }
    }
}

struct Ordeal {
    place: Place,
    hosts: Vec<Host>,
    load: Load,
    dice: Dice,
    /// How often each trouble came: kills of hosts and of Redis, pauses, late writes.
    came: [usize; 4],
}

impl Ordeal {
    fn on(store: &str, two: bool, state: &Path, seed: u64) -> Ordeal {
        let folder = state.join(format!("{store}-{}", if two { "two" } else { "one" }));
        std::fs::create_dir_all(&folder).unwrap();
        let place = if store == "redis" {
            let redis = Redis::start(&folder).expect("it is there");
            let proxy = Proxy::to(redis.address());
            Place::Redis(redis, proxy)
        } else {
            Place::Sqlite(folder)
        };
        let mut hosts: Vec<Host> = (0..1 + usize::from(two)).map(|at| place.host(at)).collect();
        let load = Load::pausing(&mut hosts, Duration::from_millis(number("--pace", 40) as u64));
        Ordeal { place, hosts, load, dice: Dice(seed), came: [0; 4] }
    }

    /// Whether nothing was lost.
    fn run(&mut self, what: &str) -> bool {
        let begun = Instant::now();
        let mut troubles =
            [("--kills", 40, Trouble::Kill), ("--pauses", 20, Trouble::Pause), ("--late", 20, Trouble::Late)]
                .map(|(name, default, trouble)| vec![trouble; number(name, default)])
                .concat();
        self.dice.shuffle(&mut troubles);
        let Ordeal { place, hosts, load, dice, came } = self;
        let users = load.during(|| {
            for trouble in troubles {
                // A single host that is suspended or killed again sooner takes nothing over, which takes it 2.5 s.
                sleep(dice.time(1_000, 4_500));
                let at = dice.below(hosts.len() as u64) as usize;
                match trouble {
                    Trouble::Kill => kill(place, hosts, at, load, came),
                    Trouble::Pause => {
                        hosts[at].process.pause(dice.time(4_000, 12_000));
                        came[2] += 1;
                    }
                    Trouble::Late => came[3] += delay(place, &hosts[at], dice.time(1_000, 20_000)),
                }
            }
            sleep(Duration::from_secs(2));
        });
        let deleted = users.iter().filter(|user| user.deleted).count();
        let took = begun.elapsed().as_secs();
        let found = ordeal::look(&mut self.hosts[0], &self.load, &users);
        let [hosts, redis, pauses, late] = self.came;
        println!("{what}: {hosts} kills of a host, {redis} of Redis, {pauses} pauses, {late} late writes in {took} s");
        println!("  {} users, {deleted} of them deleted; {}", users.len(), self.load.met());
        println!("  the checker found {:?} at first; {} mends in the journal", found.before_mending, found.mends);
        println!("  {} faults", found.faults.len());
        found.faults.iter().take(PRINTED).for_each(|fault| println!("  FAULT: {fault}"));
        found.faults.is_empty()
    }
}

fn kill(place: &mut Place, hosts: &mut [Host], at: usize, load: &Load, came: &mut [usize; 4]) {
    match place {
        Place::Redis(redis, _) if (came[0] + came[1]) % 4 == 3 => {
            redis.kill_and_start();
            came[1] += 1;
        }
        Place::Redis(..) | Place::Sqlite(_) => {
            hosts[at].process.kill();
            hosts[at] = place.host(at);
            load.moved(at, &hosts[at]);
            came[0] += 1;
        }
    }
}

/// Lets a commit arrive so much later. How many did.
fn delay(place: &Place, host: &Host, by: Duration) -> usize {
    match place {
        Place::Redis(_, proxy) => {
            let (before, begun) = (proxy.delayed(), Instant::now());
            proxy.delay_next(b"EVALSHA", by);
            // The next commit may have to wait for a turn that was just ended.
            while proxy.delayed() == before && begun.elapsed() < by + Duration::from_secs(60) {
                sleep(Duration::from_millis(100));
            }
            proxy.delayed() - before
        }
        Place::Sqlite(folder) => {
            let mut other = rusqlite::Connection::open(folder.join(Database::FILE_NAME)).unwrap();
            other.busy_timeout(Duration::from_secs(30)).unwrap();
            let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
            sleep(TO_THE_LOCK);
            host.process.suspend();
            drop(lock);
            sleep(by);
            host.process.go_on();
            1
        }
    }
}

/// Numbers that a seed repeats: a linear congruential generator, whose upper bits are used.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn time(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            all.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

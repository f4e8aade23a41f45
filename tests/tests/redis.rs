//! Two hosts on one Redis, where `redis-server` is installed. Where it is not, this says so.

use acceptance::hosted;
use acceptance::life::{self, Tenant, Wire};
use acceptance::program::{Host, fresh};
use acceptance::world::ADMIN_SECRET;
use serde_json::json;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const NAMES: usize = 12;

#[test]
fn two_hosts_on_one_redis_lose_nothing_and_give_every_name_once() {
    if Command::new("redis-server").arg("--version").output().is_err() {
        println!("NOT TESTED: Redis, because there is no redis-server on PATH");
        return;
    }
    let folder = fresh("redis");
    let mut redis = Redis::start(&folder, free_address());
    let (mut one, mut other) = (host(&folder, "one", &redis), host(&folder, "other", &redis));
    let tenant = Tenant::connect(&mut one);
    life::of_a_user(&mut one, &tenant, Wire::Legacy, "alice@contoso.com");
    life::of_a_user(&mut other, &tenant, Wire::Flag, "alice@contoso.com");

    // Both want the same names at the same time.
    let created = thread::scope(|scope| {
        let races = [one.address, other.address].map(|address| {
            let tenant = &tenant;
            scope.spawn(move || create_all(tenant, address))
        });
        races.map(|race| race.join().unwrap())
    });
    for (n, answers) in created[0].iter().zip(&created[1]).enumerate() {
        assert!([(&201, &409), (&409, &201)].contains(&answers), "user{n}: {answers:?}");
    }

    // One host and Redis die without a word; the other host goes on.
    other.child.kill().unwrap();
    redis.kill_and_start(&folder);
    // The connection that broke costs one answer; whoever tries again, as providers do, is served.
    let first = tenant.find(&mut one, "alice@contoso.com");
    assert!(first.status == 200 || first.status == 503, "{}", first.status);
    for n in 0..NAMES {
        let found = tenant.find(&mut one, &format!("user{n}@contoso.com")).expect(200).body;
        assert_eq!(found["totalResults"], 1, "user{n}");
    }
    tenant.create(&mut one, "late@contoso.com").expect(201);
    let findings = tenant.admin(&mut one, "GET", "/check", None).expect(200).body;
    assert_eq!(findings, json!({"findings": []}));
}

fn create_all(tenant: &Tenant, address: SocketAddr) -> Vec<u16> {
    let create = |n| {
        let body = life::user(&format!("user{n}@contoso.com"));
        hosted::exchange(address, &tenant.request("POST", "/Users", Some(&body))).unwrap().status().as_u16()
    };
    (0..NAMES).map(create).collect()
}

fn host(folder: &Path, name: &str, redis: &Redis) -> Host {
    let store = format!("redis://{}/", redis.address);
    let secret = format!("admin_secret={ADMIN_SECRET}");
    Host::with(&folder.join(name), &["--store", &store, "--variable", &secret])
}

struct Redis {
    child: Child,
    address: SocketAddr,
}

impl Redis {
    fn start(folder: &Path, address: SocketAddr) -> Redis {
        let options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"];
        let child = Command::new("redis-server")
            .args(options)
            .arg(folder)
            .args(["--port", &address.port().to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Redis { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "redis-server does not listen on {address}");
            thread::sleep(Duration::from_millis(50));
        }
        redis
    }

    fn kill_and_start(&mut self, folder: &Path) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        *self = Redis::start(folder, self.address);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

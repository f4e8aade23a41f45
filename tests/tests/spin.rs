//! The same component file under real Spin, where `spin` is installed. Where it is not, this says so.

use acceptance::hosted;
use acceptance::life::{self, Tenant, Wire};
use acceptance::program::{Process, free_address, fresh};
use acceptance::world::ADMIN_SECRET;
use std::path::Path;
use std::process::Command;

#[test]
fn a_user_lives_under_spin() {
    match version() {
        Version::None => println!("NOT TESTED: real Spin, because there is no spin on PATH"),
        Version::TooOld(version) => println!("NOT TESTED: real Spin, because 4.1 is needed and {version} is on PATH"),
        Version::Fits => live(),
    }
}

fn live() {
    let state = fresh("spin");
    let mut spin = spin(&state);
    let tenant = Tenant::connect(&mut spin);
    for wire in [Wire::Legacy, Wire::Flag] {
        life::of_a_user(&mut spin, &tenant, wire, "alice@contoso.com");
    }
    assert_eq!(tenant.check(&mut spin), [] as [String; 0]);
}

enum Version {
    None,
    TooOld(String),
    Fits,
}

fn version() -> Version {
    let Ok(output) = Command::new("spin").arg("--version").output() else {
        return Version::None;
    };
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let numbers = text.split_whitespace().find_map(|word| {
        let mut parts = word.split(['.', '-']);
        Some((parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?))
    });
    match numbers {
        Some(numbers) if numbers >= (4, 1) => Version::Fits,
        Some(_) | None => Version::TooOld(text),
    }
}

fn spin(state: &Path) -> Process {
    hosted::component();
    let address = free_address();
    let mut command = Command::new("spin");
    command
        .args(["up", "--quiet", "--listen", &address.to_string(), "--from"])
        .arg(hosted::root().join("spin.toml"))
        .arg("--state-dir")
        .arg(state)
        .env("SPIN_VARIABLE_ADMIN_SECRET", ADMIN_SECRET);
    Process::start(&mut command, address)
}

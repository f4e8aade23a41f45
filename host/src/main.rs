//! `rollcall-host`: builds the component, serves it, and says where.

use std::collections::HashMap;
use std::env;
use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use clap::{Parser, value_parser};
use rollcall_host::claim::Sharing;
use rollcall_host::keyvalue::{Database, Redis, Stores};
use rollcall_host::limits::Machine;
use rollcall_host::manifest::environment_name;
use rollcall_host::state::Secret;
use rollcall_host::{Component, Environment, Limits, Manifest, Server, State, serve, toolchain};

/// The largest memory of an instance that may be asked for, in MiB.
const MEMORY_MIB_MAX: u64 = 1 << 20;

/// Builds the component that spin.toml describes and serves it, as `spin up --build` does.
#[derive(Parser)]
#[command(name = "rollcall-host", version)]
struct Options {
    /// Where to listen, as ADDRESS:PORT, a name such as localhost:3000, or a port alone, which is one of 127.0.0.1;
    /// port 0 is any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000", value_parser = address)]
    listen: SocketAddr,
    /// The directory of the data, or ":memory:" [default: .spin beside the manifest]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Keeps the data in Redis, as redis://HOST:PORT/, instead of the directory; the secret stays in the directory
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Lets other hosts of this machine that have this option, too, serve the data of the directory.
    #[arg(long)]
    share_data: bool,
    /// The manifest [default: the nearest spin.toml upwards]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Serves the component as it is.
    #[arg(long)]
    no_build: bool,
    /// An environment variable for the component.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    env: Vec<(String, String)>,
    /// A variable of the application; otherwise SPIN_VARIABLE_<NAME> is taken from the environment.
    #[arg(long, value_name = "name=value", value_parser = assignment)]
    variable: Vec<(String, String)>,
    /// Connections that one client address may have at a time. A proxy in front is one address.
    #[arg(long, value_name = "COUNT", default_value_t = Machine::default().connections_per_address as u64, value_parser = value_parser!(u64).range(1..))]
    connections_per_address: u64,
    /// Memory that all instances of the component may have together, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = Machine::default().instance_bytes as u64 >> 20, value_parser = value_parser!(u64).range(64..=MEMORY_MIB_MAX))]
    memory: u64,
    /// Prints the address alone, and drops what the component prints except for its errors.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rollcall-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<()> {
    let manifest = Manifest::read(&manifest_path(options.from.as_deref())?)?;
    let state = match options.state {
        Some(memory) if memory == Path::new(":memory:") => State::Memory,
        Some(directory) => State::Directory(directory),
        None => State::Directory(manifest.directory.join(".spin")),
    };
    let mut given: HashMap<_, _> = options.variable.into_iter().collect();
    for name in given.keys() {
        ensure!(manifest.declares(name), "--variable {name}: the manifest has no such variable");
    }
    let machine = Machine {
        connections_per_address: usize::try_from(options.connections_per_address)?,
        instance_bytes: usize::try_from(options.memory << 20)?,
        ..Machine::default()
    };
    let secret = own_admin_secret(&manifest, &state, &mut given)?;
    let variables = manifest.resolve(|name| given_value(&given, name))?;
    // What can be wrong is found before the build, which takes its time.
    let sharing = if options.share_data { Sharing::Shared } else { Sharing::Alone };
    // In Redis the data are made for several hosts, and in memory nobody else sees them.
    let _claim = if options.store.is_none() { state.claim(sharing)? } else { None };
    let redis = options.store.as_deref().map(Redis::connect).transpose()?.map(Arc::new);
    let stores = match &redis {
        Some(redis) => Stores::default_only(redis.clone()),
        None => state.stores()?,
    };
    let listener = serve::listen(options.listen)?;
    let source = if options.no_build { manifest.source.clone() } else { toolchain::build(&manifest)? };
    if !options.quiet {
        eprintln!("Compiling the component for this machine; later starts take the result from a cache.");
    }
    let environment = Environment {
        stores,
        variables,
        environment: manifest.environment.into_iter().chain(options.env).collect(),
        quiet: options.quiet,
        ..Environment::default()
    };
    let component = Component::load(&source, environment)?;
    let server = Server::start(component, listener, Limits { machine, ..Limits::default() })?;
    server.expect_configured()?;
    let data = redis.map_or_else(|| place(&state), |redis| redis.to_string());
    announce(server.address(), &data, secret.as_deref(), options.quiet)?;
    server.wait_for_signal()?;
    server.stop();
    Ok(())
}

/// The variable that this host makes up when nobody gives it.
const ADMIN_SECRET: &str = "admin_secret";

/// Takes the secret that this host makes itself where nobody gives one, and what is to be said of it: the secret when it
/// is made, and later only where it stands, because what is printed stands in logs.
fn own_admin_secret(manifest: &Manifest, state: &State, given: &mut HashMap<String, String>) -> Result<Option<String>> {
    if !manifest.declares(ADMIN_SECRET) || given_value(given, ADMIN_SECRET).is_some() {
        return Ok(None);
    }
    let Secret { text, made, path } = state.admin_secret()?;
    given.insert(ADMIN_SECRET.to_owned(), text.clone());
    Ok(Some(match (made, path) {
        (false, Some(path)) => format!("in {}", path.display()),
        (true, _) | (false, None) => text,
    }))
}

fn given_value(given: &HashMap<String, String>, name: &str) -> Option<String> {
    given.get(name).cloned().or_else(|| env::var(environment_name(name)).ok())
}

/// Cargo tells where the host was built from, so that `cargo run` works from anywhere.
fn manifest_path(from: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = from {
        return Ok(path.to_owned());
    }
    let built_from = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    Manifest::find(&env::current_dir()?)
        .or_else(|| Manifest::find(&built_from?))
        .ok_or_else(|| anyhow!("no spin.toml here or above; name it with --from"))
}

/// A socket's address in the spellings that people try first.
fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let host_and_port = match text.strip_prefix(':').unwrap_or(text) {
        port if port.parse::<u16>().is_ok() => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    let found = host_and_port
        .to_socket_addrs()
        .map_err(|error| format!("expected ADDRESS:PORT, such as 127.0.0.1:3000: {error}"))?;
    // A name such as localhost has an address of each kind; most clients try IPv4 first or fall back to it.
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| "the name has no address".to_owned())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn announce(address: SocketAddr, data: &str, secret: Option<&str>, quiet: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Rollcall serves on http://{address}/")?;
    if !quiet {
        writeln!(out, "  admin page    http://{address}/")?;
        if let Some(secret) = secret {
            writeln!(out, "  admin secret  {secret}")?;
        }
        writeln!(out, "  data          {data}")?;
    }
    Ok(out.flush()?)
}

fn place(state: &State) -> String {
    match state {
        State::Memory => "in memory, gone at the end".to_owned(),
        State::Directory(directory) => directory.join(Database::FILE_NAME).display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_port_or_a_name() {
        let of = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for (text, expected) in [
            ("3000", of(3000)),
            (":3000", of(3000)),
            ("localhost:3000", of(3000)),
            ("http://127.0.0.1:3000/", of(3000)),
            ("127.0.0.1:0", of(0)),
            ("[::1]:8080", "[::1]:8080".parse().unwrap()),
        ] {
            assert_eq!(address(text), Ok(expected), "{text}");
        }
        for text in ["", "70000", "127.0.0.1", "127.0.0.1:x", "::1"] {
            let error = address(text).unwrap_err();
            assert!(error.starts_with("expected ADDRESS:PORT, such as 127.0.0.1:3000: "), "{text}: {error}");
        }
    }
}

//! The built component in its host, over a socket.

use crate::run::Server;
use crate::world::{ADMIN_SECRET, Random, Time};
use http::{Method, Request, Response};
use rollcall_host::component::Sources;
use rollcall_host::keyvalue::{Database, Probe, Store, Stores};
use rollcall_host::limits::Machine;
use rollcall_host::{Component, Environment, Limits, Manifest, Reuse, serve, toolchain};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The component behind a listener, on a store in memory, with a world's time and randomness.
pub struct Hosted {
    server: rollcall_host::Server,
    time: Time,
    /// Counts what the component asks of the store.
    pub probe: Arc<Probe>,
}

impl Hosted {
    /// Starts it. One instance answers everything, so that what it keeps in memory is the same in each run.
    pub fn new(variables: &BTreeMap<String, String>) -> Hosted {
        Hosted::on(Database::in_memory().unwrap().store(Stores::DEFAULT), variables)
    }

    /// Starts it on another store.
    pub fn on(store: Arc<dyn Store>, variables: &BTreeMap<String, String>) -> Hosted {
        Hosted::start_file(component(), store, variables, one_instance())
    }

    /// Another build of the component, in one instance like the first.
    pub fn of(build: Build, variables: &BTreeMap<String, String>) -> Hosted {
        let store = Database::in_memory().unwrap().store(Stores::DEFAULT);
        Hosted::start_file(build.component(), store, variables, one_instance())
    }

    /// The build for WASI 0.2 as Spin 3 runs it: an instance for each request, which ends with its answer.
    pub fn single_use(variables: &BTreeMap<String, String>) -> Hosted {
        let reuse = Reuse { requests: 1, ..Reuse::default() };
        let store = Database::in_memory().unwrap().store(Stores::DEFAULT);
        Hosted::start_file(Build::P2.component(), store, variables, reuse)
    }

    /// Starts it with instances that live so long.
    pub fn with(variables: &BTreeMap<String, String>, reuse: Reuse) -> Hosted {
        let store = Database::in_memory().unwrap().store(Stores::DEFAULT);
        Hosted::start_file(component(), store, variables, reuse)
    }

    fn start_file(
        file: &Path,
        store: Arc<dyn Store>,
        variables: &BTreeMap<String, String>,
        limits: impl Into<Limits>,
    ) -> Hosted {
        let time = Time::default();
        let probe = Probe::new(store);
        let given = |name: &str| match name {
            "admin_secret" => Some(ADMIN_SECRET.to_owned()),
            // Time stands still between requests.
            "requests_per_second" => Some(variables.get(name).cloned().unwrap_or_else(|| "off".to_owned())),
            _ => variables.get(name).cloned(),
        };
        let environment = Environment {
            stores: Stores::default_only(probe.clone()),
            variables: manifest().resolve(given).unwrap(),
            quiet: true,
            sources: Some(Arc::new(Surprises { time: time.clone(), random: Random::default() })),
            ..Environment::default()
        };
        Hosted { server: serve(file, environment, limits), time, probe }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Records of requests that changed nothing are written a moment after the answer. Reading the journal writes them
    /// at once, and nobody has to wait.
    fn flush(&self, path: &str) {
        let mut segments = path.split('/').skip(1);
        if let (Some("scim"), Some("v2"), Some(tenant)) = (segments.next(), segments.next(), segments.next()) {
            let request = Request::get(format!("/admin/api/v1/tenants/{tenant}/requests?limit=1"))
                .header("host", "scim.example.com")
                .header("authorization", format!("Bearer {ADMIN_SECRET}"));
            exchange(self.address(), &request.body(Vec::new()).unwrap()).unwrap();
        }
    }
}

impl Server for Hosted {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let response = exchange(self.address(), &request).unwrap();
        self.flush(request.uri().path());
        response
    }

    fn pass(&mut self, duration: Duration) {
        self.time.pass(duration);
    }
}

struct Surprises {
    time: Time,
    random: Random,
}

impl Sources for Surprises {
    fn time_of_day(&self) -> Duration {
        self.time.since_1970()
    }

    fn elapsed(&self) -> Duration {
        self.time.passed()
    }

    fn random_byte(&self) -> u8 {
        self.random.byte()
    }
}

/// Memory for a single instance, which lives as long as its host: it is lent to whoever sends a request.
fn one_instance() -> Limits {
    let reuse = Reuse { requests: usize::MAX, idle: Duration::from_secs(600), ..Reuse::default() };
    Limits { reuse, machine: Machine { instance_bytes: 63 << 20, ..Machine::default() }, ..Limits::default() }
}

/// A component's file behind a listener.
pub fn serve(component: &Path, environment: Environment, limits: impl Into<Limits>) -> rollcall_host::Server {
    let component = Component::load(component, environment).unwrap();
    let listener = serve::listen(([127, 0, 0, 1], 0).into()).unwrap();
    rollcall_host::Server::start(component, listener, limits).unwrap()
}

/// What the component is given where tenants may send as fast as they can, with the system's time and randomness.
pub fn unpaced(store: Arc<dyn Store>) -> Environment {
    let given = |name: &str| match name {
        "admin_secret" => Some(ADMIN_SECRET.to_owned()),
        "requests_per_second" => Some("off".to_owned()),
        _ => None,
    };
    Environment {
        stores: Stores::default_only(store),
        variables: manifest().resolve(given).unwrap(),
        quiet: true,
        ..Environment::default()
    }
}

/// The builds of the component, by the WASI that they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// 0.3.0.
    Final,
    /// 0.3.0-rc-2026-03-15.
    Candidate,
    /// 0.2.
    P2,
}

impl Build {
    /// All of them.
    pub const ALL: [Build; 3] = [Build::Final, Build::Candidate, Build::P2];

    /// The name of its manifest's file.
    pub fn file(self) -> &'static str {
        match self {
            Build::Final => "spin.toml",
            Build::Candidate => "deploy/spin/spin-4.0.toml",
            Build::P2 => "deploy/spin/spin-3.toml",
        }
    }

    /// The file, built by its manifest's command.
    pub fn component(self) -> &'static Path {
        static BUILT: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
        BUILT[self as usize].get_or_init(|| {
            let manifest = Manifest::read(&root().join(self.file())).unwrap();
            toolchain::build(&manifest).unwrap();
            manifest.source
        })
    }
}

/// The application's manifest.
pub fn manifest() -> Manifest {
    Manifest::read(&root().join(Build::Final.file())).unwrap()
}

/// The component's file, built by the manifest's command.
pub fn component() -> &'static Path {
    Build::Final.component()
}

/// A call of Cargo in the project, with the profile of this test.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let (command, options) = arguments.split_first().unwrap();
    cargo.current_dir(root()).arg(command);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo.args(options);
    cargo
}

/// The host's program, built with the profile of this test.
pub fn program() -> PathBuf {
    // Of all default members, as the tests are: of the host alone the dependencies have fewer features, and all of them
    // would be built once more.
    let built = cargo(&["build", "--quiet", "--bin", "rollcall-host"]).status().unwrap();
    assert!(built.success());
    let own = std::env::current_exe().unwrap();
    // …/target/debug/deps/durability-0123 stands two below the folder of the programs.
    own.ancestors().nth(2).unwrap().join(format!("rollcall-host{}", std::env::consts::EXE_SUFFIX))
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Sends one request on a connection of its own and reads the answer.
pub fn exchange(address: SocketAddr, request: &Request<Vec<u8>>) -> std::io::Result<Response<Vec<u8>>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("{} {target} HTTP/1.1\r\nconnection: close\r\n", request.method());
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    head += &format!("content-length: {}\r\n\r\n", request.body().len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.body())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    response(request.method(), &bytes).ok_or_else(|| std::io::Error::other("the answer is cut off"))
}

fn response(method: &Method, bytes: &[u8]) -> Option<Response<Vec<u8>>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut response = Response::builder().status(lines.next()?.split(' ').nth(1)?);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        response = response.header(name, value.trim());
    }
    let mut response = response.body(bytes[end + 4..].to_vec()).ok()?;
    let headers = response.headers();
    if method == Method::HEAD {
        // RFC 9110 §9.3.2: the headers are those of GET, and no body follows them.
        return response.body().is_empty().then_some(response);
    }
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        *response.body_mut() = unchunked(response.body())?;
    } else if let Some(length) = headers.get("content-length") {
        // A body that ends early is no answer.
        if response.body().len() != length.to_str().ok()?.parse::<usize>().ok()? {
            return None;
        }
    }
    Some(response)
}

/// RFC 9112 §7.1, without trailers.
fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?.trim(), 16).ok()?;
        let chunk = bytes.get(line + 2..line + 2 + size)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
        bytes = bytes.get(line + 2 + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab";
        assert_eq!(response(&Method::GET, whole).unwrap().body(), b"ab");
        assert!(response(&Method::GET, &whole[..whole.len() - 1]).is_none());
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(response(&Method::GET, chunked).unwrap().body(), b"abc");
        assert!(response(&Method::GET, &chunked[..chunked.len() - 6]).is_none());
    }
}

//! Programs as processes, and as an end of them without a word.

use crate::hosted;
use crate::run::Server;
use crate::world::ADMIN_SECRET;
use http::{Request, Response};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const UNPACED: &str = "requests_per_second=off";

/// A program that listens. It is killed when nobody holds it any more.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts a program that was told its address, and waits until it listens there.
    pub fn start(command: &mut Command, address: SocketAddr) -> Process {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut process = Process { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait().unwrap();
            assert_eq!(ended, None, "{name} has ended");
            assert!(begun.elapsed() < Duration::from_secs(120), "{name} does not listen on {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
        process
    }

    /// It is suspended for a while in the midst of whatever it does, and then goes on.
    pub fn pause(&self, duration: Duration) {
        self.suspend();
        std::thread::sleep(duration);
        self.go_on();
    }

    /// SIGSTOP: it is suspended in the midst of whatever it does.
    pub fn suspend(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: it goes on, as if nothing had been.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill {name}");
    }

    /// SIGKILL: no destructor runs, no buffer is written.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server for Process {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        hosted::exchange(self.address, &request).unwrap()
    }

    fn pass(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The command that starts the host's program on a free port, with its data in a directory.
pub fn host_command(state: &Path, options: &[&str]) -> Command {
    command_of(&hosted::program(), state, options)
}

/// The command that starts a program that was built elsewhere.
fn command_of(program: &Path, state: &Path, options: &[&str]) -> Command {
    // Built before, so that the program does not build it.
    hosted::component();
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--no-build", "--from"]).arg(hosted::root().join("spin.toml"));
    command.arg("--state").arg(state).args(options);
    command
}

/// The host's program with its data in a directory.
pub struct Host {
    /// The process.
    pub process: Process,
    /// What it says after the line that names its address.
    pub out: BufReader<ChildStdout>,
}

impl Host {
    /// Starts it with the admin secret of the tests, which send as fast as they can.
    pub fn start(state: &Path) -> Host {
        Host::with(state, &["--variable", &secret(), "--variable", UNPACED])
    }

    /// Starts it with further options and a journal that keeps every record. It is started again while it ends because its
    /// store is gone, as whoever watches over it does.
    pub fn remembering(state: &Path, options: &[&str]) -> Host {
        let secret = secret();
        let variables = ["--variable", &secret, "--variable", UNPACED, "--variable", "journal_capacity=1000000"];
        let mut command = host_command(state, &[&variables[..], options].concat());
        let begun = Instant::now();
        loop {
            match Host::try_run(&mut command) {
                Ok(host) => return host,
                Err(said) => assert!(begun.elapsed() < Duration::from_secs(60), "the program said {said:?}"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Starts it with the admin secret of the tests and everything else as users have it.
    pub fn as_shipped(state: &Path) -> Host {
        Host::with(state, &["--variable", &secret()])
    }

    /// Starts it for as many connections of one address as there can be, as behind a proxy.
    pub fn for_a_crowd(state: &Path) -> Host {
        Host::with(state, &["--variable", &secret(), "--connections-per-address", "4096"])
    }

    /// Starts it with further options.
    pub fn with(state: &Path, options: &[&str]) -> Host {
        Host::run(host_command(state, options))
    }

    /// Starts a program that was built elsewhere, as [`Host::start`] does.
    pub fn of(program: &Path, state: &Path) -> Host {
        Host::run(command_of(program, state, &["--variable", &secret(), "--variable", UNPACED]))
    }

    fn run(mut command: Command) -> Host {
        Host::try_run(&mut command).unwrap_or_else(|said| panic!("the program said {said:?}"))
    }

    /// What it said instead of where it listens, if it did not start.
    fn try_run(command: &mut Command) -> Result<Host, String> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        match line.trim().trim_end_matches('/').rsplit('/').next().unwrap().parse() {
            Ok(address) => Ok(Host { process: Process { child, address }, out }),
            Err(_) => {
                let _ = (child.kill(), child.wait());
                Err(line)
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// SIGKILL, and a start on the same data.
    pub fn kill_and_start(&mut self, state: &Path) {
        self.process.kill();
        *self = Host::start(state);
    }
}

impl Server for Host {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        self.process.answer(request)
    }

    fn pass(&mut self, duration: Duration) {
        self.process.pass(duration);
    }
}

/// A Redis server.
pub struct Redis {
    process: Process,
    folder: PathBuf,
    options: &'static [&'static str],
}

/// It keeps what it answers.
const KEEPING: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// It keeps nothing, and has a database for each store of a test.
const FORGETTING: &[&str] = &["--appendonly", "no", "--databases", "1000"];

impl Redis {
    /// Whether `redis-server` is on PATH. Where it is not, this says so, past the harness, which shows nothing of tests
    /// that pass.
    pub fn is_there() -> bool {
        static FOUND: LazyLock<bool> = LazyLock::new(|| {
            let found = Command::new("redis-server").arg("--version").output().is_ok();
            if !found {
                let said =
                    b"NOT TESTED: nothing of this is tried on a real Redis, because there is no redis-server on PATH\n";
                std::io::stderr().write_all(said).unwrap();
            }
            found
        });
        *FOUND
    }

    /// Starts one that keeps what it answers, with its data in a folder. Nothing where [`Redis::is_there`] says no.
    pub fn start(folder: &Path) -> Option<Redis> {
        Redis::is_there().then(|| Redis::with(folder, KEEPING))
    }

    /// Starts one that is as quick as it can be and keeps nothing.
    pub fn forgetting(folder: &Path) -> Redis {
        Redis::with(folder, FORGETTING)
    }

    fn with(folder: &Path, options: &'static [&'static str]) -> Redis {
        Redis { process: Redis::process(folder, free_address(), options), folder: folder.to_owned(), options }
    }

    fn process(folder: &Path, address: SocketAddr, options: &[&str]) -> Process {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder).args(options);
        Process::start(command.args(["--port", &address.port().to_string()]), address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// What `--store` takes.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.process.address)
    }

    /// SIGKILL, and a start at the same address with what was kept.
    pub fn kill_and_start(&mut self) {
        self.process.kill();
        self.process = Redis::process(&self.folder, self.process.address, self.options);
    }

    /// A host with its data here.
    pub fn host(&self, name: &str) -> Host {
        self.host_by(name, self.process.address)
    }

    /// A host with its data here, on a way that begins at another address.
    pub fn host_by(&self, name: &str, address: SocketAddr) -> Host {
        Host::remembering(&self.folder.join(name), &["--store", &format!("redis://{address}/")])
    }
}

/// The variable of the admin secret of the tests.
pub fn secret() -> String {
    format!("admin_secret={ADMIN_SECRET}")
}

/// An empty folder.
pub fn fresh(name: &str) -> PathBuf {
    // CARGO_TARGET_TMPDIR is for the tests' own code; this is the same folder.
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(3).unwrap().join("tmp").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

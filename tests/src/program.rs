//! The host's program as a process, and as an end of it without a word.

use crate::hosted;
use crate::run::Server;
use crate::world::ADMIN_SECRET;
use http::{Request, Response};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The program with its data in a directory.
pub struct Host {
    /// The process.
    pub child: Child,
    /// What it says after the line that names its address.
    pub out: BufReader<ChildStdout>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Host {
    /// Starts it with the admin secret of the tests.
    pub fn start(state: &Path) -> Host {
        Host::with(state, &["--variable", &format!("admin_secret={ADMIN_SECRET}")])
    }

    /// Starts it with further options.
    pub fn with(state: &Path, options: &[&str]) -> Host {
        // Built before, so that the program does not build it.
        hosted::component();
        let mut child = Command::new(hosted::program())
            .args(["--listen", "127.0.0.1:0", "--no-build", "--from"])
            .arg(hosted::root().join("spin.toml"))
            .arg("--state")
            .arg(state)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap().parse();
        let address = address.unwrap_or_else(|_| panic!("the program said {line:?}"));
        Host { child, out, address }
    }

    /// SIGKILL: no destructor runs, no buffer is written.
    pub fn kill_and_start(&mut self, state: &Path) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        *self = Host::start(state);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server for Host {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        hosted::exchange(self.address, &request).unwrap()
    }

    fn pass(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
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

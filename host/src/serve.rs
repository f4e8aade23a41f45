//! The HTTP/1.1 server before a component.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::component::Component;
use crate::connection::{Connection, Register, Registered, Wire};
use crate::http::Handler;
use crate::limits::Limits;
use crate::processors;

/// A server on threads of its own.
pub struct Server {
    address: SocketAddr,
    runtime: Option<Runtime>,
    listening: Arc<Listening>,
}

/// How long what is under way may take once the server is to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Takes an address. Clients that come before the server wait.
pub fn listen(address: SocketAddr) -> Result<net::TcpListener> {
    net::TcpListener::bind(address).map_err(|error| {
        if error.kind() == ErrorKind::AddrInUse {
            anyhow!("{address} is in use by another process")
        } else {
            anyhow!("cannot listen on {address}: {error}")
        }
    })
}

impl Server {
    /// Answers what comes in at the listener, with this component.
    pub fn start(component: Component, listener: net::TcpListener, limits: impl Into<Limits>) -> Result<Self> {
        let limits = limits.into();
        let stopping = watch::Sender::new(false);
        let handler = Handler::new(component, &limits, stopping.subscribe())?;
        // Instances compute on as many threads as there are processors, so one is left for whatever comes in meanwhile.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(processors() + 1).enable_all().build()?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let register = Arc::new(Register::new(limits.machine, limits.patience, limits.reuse.request));
        let listening = Arc::new(Listening { register, handler, limits, stopping });
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(listening.clone().accept(listener));
        let register = listening.register.clone();
        tokio::spawn(async move { register.sweep().await });
        drop(entered);
        Ok(Self { address, runtime: Some(runtime), listening })
    }

    /// Where it listens; the port is the real one where it was to be any.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the component whether it can do its work with the settings that it has. An error is its own sentence. A
    /// component that knows no `/healthz` is not asked further.
    pub fn expect_configured(&self) -> Result<()> {
        let runtime = self.runtime.as_ref().expect("there is a runtime until the end");
        let (status, body) = runtime.block_on(self.listening.handler.ask(HEALTH, self.address));
        if status.is_success() || status == http::StatusCode::NOT_FOUND {
            return Ok(());
        }
        // Whatever else it cannot do now, such as to reach its store, may be otherwise in a moment.
        match serde_json::from_slice::<Unhealthy>(&body) {
            Ok(Unhealthy { error }) if error.code == "misconfigured" => Err(anyhow!(error.message)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Waits until the process is asked to end.
    pub fn wait_for_signal(&self) -> Result<()> {
        let runtime = self.runtime.as_ref().expect("there is a runtime until the end");
        Ok(runtime.block_on(signal())?)
    }

    /// Stops listening and ends when all that is under way is answered and written, after five seconds at the latest.
    /// Dropping the server does the same. It blocks, so it is not for a thread that runs a future.
    pub fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.block_on(self.listening.drain());
            runtime.shutdown_background();
        }
    }
}

/// How long no connection is accepted after one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the component says how it is.
const HEALTH: &str = "/healthz";

/// What it answers there when it is not well.
#[derive(Deserialize)]
struct Unhealthy {
    error: Complaint,
}

#[derive(Deserialize)]
struct Complaint {
    code: String,
    message: String,
}

struct Listening {
    register: Arc<Register>,
    handler: Handler,
    limits: Limits,
    stopping: watch::Sender<bool>,
}

impl Listening {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let next = async || {
            let accepted = listener.accept().await;
            // Only now, since whoever makes room is closed.
            self.register.room().await;
            accepted
        };
        loop {
            let accepted = tokio::select! {
                () = stopped(self.stopping.subscribe()) => return,
                accepted = next() => accepted,
            };
            match accepted {
                Ok((stream, client)) => {
                    if let Some(registered) = self.register.enter(client) {
                        tokio::spawn(self.clone().serve(stream, registered));
                    }
                }
                // Out of file descriptors, most likely. Connections that end give some back.
                Err(error) => {
                    eprintln!("Cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, registered: Registered) {
        // A client that waits for each answer would wait 40 ms for Nagle's algorithm.
        let _ = stream.set_nodelay(true);
        let connection = &registered.connection;
        let mut wire = Wire::new(stream, connection.clone());
        self.answer(&mut wire, connection).await;
        tokio::select! {
            () = wire.end() => {}
            () = connection.over() => {}
        }
    }

    /// Answers request after request, until one of the two ends the connection.
    async fn answer(&self, wire: &mut Wire, connection: &Arc<Connection>) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.handler.answer(request, connection).await));
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            // Of a head that came in part behind an earlier request. The rest is seen to by the register.
            .header_read_timeout(self.limits.patience.idle)
            .serve_connection(TokioIo::new(wire), service);
        tokio::pin!(serving);
        // A connection that breaks is the client's affair.
        tokio::select! {
            _ = serving.as_mut() => return,
            () = connection.over() => return,
            () = stopped(self.stopping.subscribe()) => {}
        }
        serving.as_mut().graceful_shutdown();
        tokio::select! {
            _ = serving => {}
            () = connection.over() => {}
        }
    }

    async fn drain(&self) {
        self.stopping.send_replace(true);
        let drained = async {
            self.register.empty().await;
            self.handler.drain().await;
        };
        // When the time is over the rest is cut off.
        let _ = tokio::time::timeout(GRACE, drained).await;
    }
}

/// Resolves when the server is to stop.
pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the server is gone, which comes to the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

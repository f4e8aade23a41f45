//! The HTTP/1.1 server before a component.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::component::Component;
use crate::http::{Handler, Reuse, stopped};

/// A server on threads of its own.
pub struct Server {
    address: SocketAddr,
    runtime: Option<Runtime>,
    connections: Arc<Connections>,
}

/// Enough for a test that opens one for each request; each is a task and a few buffers.
const CONNECTIONS_MAX: usize = 1024;

/// How long a client may take for the head of its next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

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
    pub fn start(component: Component, listener: net::TcpListener, reuse: Reuse) -> Result<Self> {
        let stopping = watch::Sender::new(false);
        let handler = Arc::new(Handler::new(component, reuse, stopping.subscribe())?);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let connections = Arc::new(Connections { free: Arc::new(Semaphore::new(CONNECTIONS_MAX)), handler, stopping });
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(connections.clone().accept(listener));
        drop(entered);
        Ok(Self { address, runtime: Some(runtime), connections })
    }

    /// Where it listens; the port is the real one where it was to be any.
    pub fn address(&self) -> SocketAddr {
        self.address
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
            runtime.block_on(self.connections.drain());
            runtime.shutdown_background();
        }
    }
}

struct Connections {
    free: Arc<Semaphore>,
    handler: Arc<Handler>,
    stopping: watch::Sender<bool>,
}

impl Connections {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let next = async || {
            let permit = self.free.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        loop {
            let accepted = tokio::select! {
                () = stopped(self.stopping.subscribe()) => return,
                accepted = next() => accepted,
            };
            match accepted {
                Some((Ok((stream, client)), permit)) => {
                    let connection = serve(stream, client, self.handler.clone(), self.stopping.subscribe());
                    tokio::spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                // Out of file descriptors, most likely. Connections that end give some back.
                Some((Err(error), _)) => {
                    eprintln!("Cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                None => return,
            }
        }
    }

    async fn drain(&self) {
        self.stopping.send_replace(true);
        let all = u32::try_from(CONNECTIONS_MAX).expect("the limit is small");
        let drained = async {
            let _ = self.free.acquire_many(all).await;
            self.handler.drain().await;
        };
        // When the time is over the rest is cut off.
        let _ = tokio::time::timeout(GRACE, drained).await;
    }
}

async fn serve(stream: TcpStream, client: SocketAddr, handler: Arc<Handler>, stopping: watch::Receiver<bool>) {
    // A client that waits for each answer would wait 40 ms for Nagle's algorithm.
    let _ = stream.set_nodelay(true);
    let service = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        Ok::<_, Infallible>(handler.answer(request, client).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // A connection that breaks is the client's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
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

//! `wasi:http/handler@0.3.0`: instances are kept and reused as Spin does it, and each sees requests as Spin shows them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState, Instance, Proxy, ProxyHandler, Request, Response, ShouldAccept, WorkerExpiration,
    WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use crate::component::{Component, Guest, INSTANCES_MAX};
use crate::processors;
use crate::shares::{Shares, keep_until};

/// How long instances live and what they take on.
#[derive(Clone, Copy, Debug)]
pub struct Reuse {
    /// The requests that an instance answers in its life.
    pub requests: usize,
    /// The requests that it has under way at most.
    pub requests_at_once: usize,
    /// How long it is kept without a request.
    pub idle: Duration,
    /// How long a request may take. Spin sets no limit unless it is told to.
    pub request: Duration,
}

impl Default for Reuse {
    /// Spin's numbers, where it has them.
    fn default() -> Self {
        Self { requests: 128, requests_at_once: 16, idle: Duration::from_secs(1), request: Duration::from_secs(30) }
    }
}

/// Answers HTTP requests with a component.
pub(crate) struct Handler {
    instances: ProxyHandler<Instances>,
    shares: Shares,
    /// For as many as can compute at a time.
    entrance: Semaphore,
}

impl Handler {
    /// Once `stopping` is true, instances without work end at once.
    pub(crate) fn new(component: Component, reuse: Reuse, stopping: watch::Receiver<bool>) -> Result<Self> {
        let service = ServicePre::new(component.instance.clone())
            .map_err(|_| anyhow!("the component does not export wasi:http/handler@0.3.0"))?;
        let instances = ProxyHandler::new(Instances {
            component,
            service,
            reuse,
            stopping,
            free: Arc::new(Semaphore::new(INSTANCES_MAX as usize)),
        });
        let processors = processors();
        Ok(Self { instances, shares: Shares::new(processors), entrance: Semaphore::new(processors) })
    }

    /// Waits until no instance is left.
    pub(crate) async fn drain(&self) {
        // The semaphore is never closed, and if it were there would be nothing to wait for.
        let _ = self.instances.state().free.acquire_many(INSTANCES_MAX).await;
    }

    /// Answers a request. What the component leaves unanswered is a 500, as in Spin, and a 504 after the time limit.
    pub(crate) async fn answer(&self, mut request: Request, client: SocketAddr) -> Response {
        if let Some(name) = request.uri().path().strip_prefix(WELL_KNOWN) {
            return empty(if name == "health" { StatusCode::OK } else { StatusCode::NOT_FOUND });
        }
        if complete(&mut request, client).is_none() {
            return empty(StatusCode::BAD_REQUEST);
        }
        let stream = self.shares.stream(request.uri().path());
        let answer = self.shares.run(stream, self.pass_on(request)).await;
        answer.unwrap_or_else(|error| {
            eprintln!("The component did not answer: {error}");
            empty(if error.is::<ExpirationError>() {
                StatusCode::GATEWAY_TIMEOUT
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            })
        })
    }

    /// Gives the request to an instance.
    ///
    /// Where none is free a new one is made, so of many requests that come together each would have its own, as in Spin.
    /// Here few at a time look for one, and find those that earlier requests have left to wait for the store: fewer
    /// instances know more each, and changes that wait in the same one share a write transaction.
    async fn pass_on(&self, request: Request) -> wasmtime::Result<Response> {
        let entering = self.entrance.acquire().await;
        let (taken_on, is_taken_on) = oneshot::channel();
        // The other end is dropped without a word.
        let until = tokio::time::timeout(ENTERS_FOR, is_taken_on);
        keep_until(until, entering, self.instances.handle(taken_on, request)).await
    }
}

/// How long a request may keep others from an instance while it waits for its own. An instance that computes for long
/// can look as if it were free.
const ENTERS_FOR: Duration = Duration::from_millis(25);

/// Below it Spin answers by itself.
const WELL_KNOWN: &str = "/.well-known/spin/";

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Gives the request the absolute URI and the headers that Spin gives it, if it says which host it is for.
fn complete(request: &mut http::Request<WasiBody>, client: SocketAddr) -> Option<()> {
    let headers = request.headers_mut();
    headers.remove(header::CONNECTION);
    let mut hosts = headers.get_all(header::HOST).iter();
    // RFC 9112 §3.2: two are one too many.
    let host: Option<Authority> = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(host.to_str().ok()?.parse().ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    let mut parts = request.uri().clone().into_parts();
    if let (Some(host), Some(authority)) = (&host, &parts.authority)
        && host != authority
    {
        return None;
    }
    parts.authority = Some(host.or(parts.authority)?);
    parts.scheme = Some(Scheme::HTTP);
    let uri = Uri::from_parts(parts).ok()?;
    describe(request.headers_mut(), &uri, client)?;
    *request.uri_mut() = uri;
    Some(())
}

/// The headers in which Spin tells a component how it was reached; the route is `/...`.
fn describe(headers: &mut HeaderMap, uri: &Uri, client: SocketAddr) -> Option<()> {
    for (name, value) in [
        ("spin-path-info", uri.path()),
        ("spin-full-url", &uri.to_string()),
        ("spin-matched-route", "/..."),
        ("spin-base-path", "/"),
        ("spin-raw-component-route", "/..."),
        ("spin-component-route", ""),
        ("spin-client-addr", &client.to_string()),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
    }
    Some(())
}

struct Instances {
    component: Component,
    service: ServicePre<Guest>,
    reuse: Reuse,
    stopping: watch::Receiver<bool>,
    /// A new instance waits here while there are too many.
    free: Arc<Semaphore>,
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Expiration, Worker>> {
        let place = self.free.clone().acquire_owned().await?;
        let mut store = self.component.store();
        let service = self.service.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy: Proxy::P3(service),
            view: Guest::http,
            expiration: Expiration {
                reuse: self.reuse,
                sleep: Box::pin(tokio::time::sleep(self.reuse.idle)),
                stopped: Box::pin(stopped(self.stopping.clone())),
            },
            state: Worker { reuse: self.reuse, _place: place },
        })
    }
}

struct Worker {
    reuse: Reuse,
    _place: OwnedSemaphorePermit,
}

impl WorkerState for Worker {
    type StoreData = Guest;
    /// Dropped when an instance has taken the request on.
    type RequestData = oneshot::Sender<()>;

    fn should_accept_request(&self, under_way: usize, so_far: usize) -> ShouldAccept {
        if so_far >= self.reuse.requests {
            ShouldAccept::Never
        } else if under_way >= self.reuse.requests_at_once {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, Guest>,
        taken_on: oneshot::Sender<()>,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        drop(taken_on);
        Box::pin(tokio::time::sleep(self.reuse.request))
    }

    fn drop(&self, _store: Store<Guest>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            eprintln!("An instance of the component ended: {error:?}");
        }
    }
}

/// Ends an instance that is idle for too long or while the server stops, or one that computes for too long to notice its own time limit.
struct Expiration {
    reuse: Reuse,
    sleep: Pin<Box<Sleep>>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>, status: WorkerStatus, start: Instant) -> Poll<()> {
        if status == WorkerStatus::Idle && self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let limit = match status {
            WorkerStatus::Idle => self.reuse.idle,
            WorkerStatus::Requests | WorkerStatus::PostReturn => self.reuse.request,
        };
        let deadline = (start + limit).into();
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(context)
    }
}

/// Resolves when the server is to stop.
pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the server is gone, which comes to the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(uri: &str, host: Option<&str>) -> Option<http::Request<WasiBody>> {
        let mut request = http::Request::new(empty(StatusCode::OK).into_body());
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("connection", HeaderValue::from_static("close"));
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        complete(&mut request, ([192, 0, 2, 7], 999).into()).map(|()| request)
    }

    #[test]
    fn the_component_sees_the_absolute_uri() {
        let request = seen("/scim/v2/t/Users?count=1", Some("scim.example.com")).unwrap();
        assert_eq!(request.uri(), "http://scim.example.com/scim/v2/t/Users?count=1");
        let headers = request.headers();
        assert_eq!(headers["spin-full-url"], "http://scim.example.com/scim/v2/t/Users?count=1");
        assert_eq!(headers["spin-path-info"], "/scim/v2/t/Users");
        assert_eq!(headers["spin-client-addr"], "192.0.2.7:999");
        assert!(!headers.contains_key("connection"));
    }

    #[test]
    fn a_request_without_one_clear_host_is_not_passed_on() {
        assert!(seen("/", None).is_none());
        assert!(seen("/", Some("a b")).is_none());
        assert!(seen("http://a/", Some("b")).is_none());
        assert!(seen("http://a/", Some("a")).is_some());
        assert!(seen("http://a/", None).is_some());
    }
}

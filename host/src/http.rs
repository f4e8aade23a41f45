//! One request, from the connection to an instance and back, as Spin shows it to the component.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::watch;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::{Request, Response};

use crate::body::{Answer, Gatherer};
use crate::component::Component;
use crate::connection::Connection;
use crate::instances::{Held, Instances, Unanswered};
use crate::limits::Limits;
use crate::memory::Memory;
use crate::processors;
use crate::pulse::Pulse;
use crate::shares::{Shares, Streams};

/// Answers HTTP requests with a component.
pub(crate) struct Handler {
    instances: Arc<Instances>,
    streams: Streams,
    gatherer: Gatherer,
}

impl Handler {
    /// Once `stopping` is true, instances without work end at once.
    pub(crate) fn new(component: Component, limits: &Limits, stopping: watch::Receiver<bool>) -> Result<Self> {
        let (shares, memory) = (Shares::new(processors()), Memory::new(limits.machine.instance_bytes));
        let instances = Instances::new(component, limits.reuse, shares, memory, stopping)?;
        Ok(Self { instances, streams: Streams::new(), gatherer: Gatherer::new(limits.patience) })
    }

    /// Waits until no instance is left.
    pub(crate) async fn drain(&self) {
        self.instances.drain().await;
    }

    /// Answers a request of a client.
    pub(crate) async fn answer(
        &self,
        request: http::Request<Incoming>,
        connection: &Arc<Connection>,
    ) -> http::Response<Answer> {
        connection.request_begins();
        let (response, held) = match self.pass_on(request, connection.client()).await {
            Ok((response, held)) => (response, Some(held)),
            Err(response) => (response, None),
        };
        let (head, body) = response.into_parts();
        let answer = Answer::new(body, &head.headers, held, connection.clone());
        http::Response::from_parts(head, answer)
    }

    /// Asks the component something by itself.
    pub(crate) async fn ask(&self, path: &'static str, host: SocketAddr) -> (StatusCode, Bytes) {
        let mut request = http::Request::new(full(""));
        *request.uri_mut() = Uri::from_static(path);
        let host_header = HeaderValue::from_str(&host.to_string()).expect("an address is printable");
        request.headers_mut().insert(header::HOST, host_header);
        let answered = self.have_answered(request, host, Arc::new(Pulse::begin())).await;
        let (response, _held) = match answered {
            Ok((response, held)) => (response, Some(held)),
            Err(response) => (response, None),
        };
        let (head, body) = response.into_parts();
        (head.status, body.collect().await.map(|body| body.to_bytes()).unwrap_or_default())
    }

    async fn pass_on(&self, request: http::Request<Incoming>, client: SocketAddr) -> Answered {
        if let Some(name) = request.uri().path().strip_prefix(WELL_KNOWN) {
            return Err(plain(if name == "health" { StatusCode::OK } else { StatusCode::NOT_FOUND }, ""));
        }
        let pulse = Arc::new(Pulse::begin());
        let (head, body) = request.into_parts();
        let trusted = self.streams.origin(head.uri.path(), &head.headers).is_trusted();
        let body = self.gatherer.gather(body, trusted, &pulse).await.map_err(|refused| {
            let (status, text) = refused.answer();
            plain(status, text)
        })?;
        self.have_answered(http::Request::from_parts(head, body), client, pulse).await
    }

    /// What the component leaves unanswered is a 500, as in Spin, and a 504 after the time limit.
    async fn have_answered(&self, mut request: Request, client: SocketAddr, pulse: Arc<Pulse>) -> Answered {
        let origin = self.streams.origin(request.uri().path(), request.headers());
        if complete(&mut request, client).is_none() {
            return Err(plain(StatusCode::BAD_REQUEST, "The request does not say clearly which host it is for\n"));
        }
        let answered = self.instances.answer(origin.stream, request, pulse).await.map_err(|unanswered| {
            let (status, text) = match unanswered {
                Unanswered::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once\n"),
                Unanswered::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "The request took too long\n"),
                Unanswered::Failed(error) => {
                    eprintln!("The component did not answer: {error}");
                    (StatusCode::INTERNAL_SERVER_ERROR, "")
                }
            };
            plain(status, text)
        })?;
        if answered.0.status().is_success() {
            self.streams.trust(origin);
        }
        Ok(answered)
    }
}

/// With what has to be kept until the end of its body, or what the host answers by itself.
type Answered = Result<(Response, Held), Response>;

/// Below it Spin answers by itself.
const WELL_KNOWN: &str = "/.well-known/spin/";

/// How long whoever is answered 503 should wait, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// An answer of the host's own: a sentence, or nothing.
fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    if !text.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

fn full(text: &'static str) -> WasiBody {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(uri: &str, host: Option<&str>) -> Option<http::Request<WasiBody>> {
        let mut request = http::Request::new(full(""));
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

//! The component. Glue only: Spin's interfaces on one side, [`rollcall_core`] on the other.
//!
//! An instance is reused for many requests, so what is here is a cache at most: the settings, the open store, and the
//! journal's buffer with its bound. `docs/architecture.md` has the way of a request.

mod background;
mod backpressure;
mod exports;
mod lines;
mod ports;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use rollcall_core::http::{Begun, Body, Rollcall, health, respond};
use rollcall_core::settings::{LIMITS, Settings, SettingsError};
use spin_sdk::http::{BoxBody, FullBody, Request, box_body};
use spin_sdk::{http_service, variables};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[http_service]
async fn handle(request: Request) -> http::Response<BoxBody> {
    let rollcall = match instance().await {
        Ok(rollcall) => rollcall,
        Err(problem) => return unavailable(&request, &problem),
    };
    let (head, body) = request.into_parts();
    let preflight = rollcall.preflight(&head);
    let wanted = preflight.body_bytes_max();
    let mut response = if wanted > 0 && Rollcall::takes_parts(&head.method, head.uri.path()) {
        in_parts(&rollcall, head, body).await
    } else {
        let body = if wanted > 0 { whole(&head, body, wanted).await } else { Ok(Vec::new()) };
        match body {
            Ok(body) => match rollcall.begin_after(preflight, http::Request::from_parts(head, body)) {
                Begun::Answered(response) => response,
                Begun::Waiting(change) => lines::answer(&rollcall, change).await,
            },
            Err(BrokenOff) => respond::broken_off(head.uri.path()),
        }
    };
    background::ensure_running(&rollcall);
    backpressure::delay_refusal(response.status()).await;
    if let Body::Full(bytes) = response.body()
        && !bytes.is_empty()
    {
        let length = http::HeaderValue::from(bytes.len());
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length);
    }
    let trails = response.headers().contains_key(http::header::TRAILER);
    response.map(|body| match body {
        Body::Full(bytes) => box_body(FullBody::new(Bytes::from(bytes))),
        Body::Stream(stream) => box_body(Pull { rollcall, stream, trails }),
    })
}

/// A body that ended before its end, be it that the client went or that what came was no HTTP.
struct BrokenOff;

/// The body, or one byte above the limit, which is enough for the core to see that there is too much.
async fn whole<B>(head: &http::request::Parts, mut body: B, max: usize) -> Result<Vec<u8>, BrokenOff>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    if has_no_body(head) {
        return Ok(whole);
    }
    let announced =
        head.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > max as u64) {
        return Ok(vec![b' '; max + 1]);
    }
    while whole.len() <= max
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame.map_err(|_| BrokenOff)?.into_data() {
            let room = max + 1 - whole.len();
            whole.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(whole)
}

/// Finding out that nothing comes costs a stream and a future of the host. RFC 9112 §6.3: a request with neither of these
/// headers has no body; in HTTP/2 it may, but RFC 9110 §9.3.1 gives one no meaning in these methods.
fn has_no_body(head: &http::request::Parts) -> bool {
    if head.headers.contains_key(http::header::TRANSFER_ENCODING) {
        return false;
    }
    match head.headers.get(http::header::CONTENT_LENGTH) {
        Some(length) => length == "0",
        None => [http::Method::GET, http::Method::HEAD, http::Method::DELETE].contains(&head.method),
    }
}

/// Answers a request whose body may have any size: part after part, each cut behind a line, until one is refused. Of a body
/// that breaks off, the part that has begun is dropped, because what stands behind its last line may be half a line.
async fn in_parts<B>(rollcall: &Rollcall, head: http::request::Parts, mut body: B) -> http::Response<Body>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut waiting = Vec::new();
    loop {
        let frame = body.frame().await;
        let last = frame.is_none();
        match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
            Some(Ok(Ok(data))) => waiting.extend_from_slice(&data),
            Some(Err(_)) => return respond::broken_off(head.uri.path()),
            // Trailers, or nothing more.
            Some(Ok(Err(_))) | None => {}
        }
        while waiting.len() >= LIMITS.body_bytes_max || last {
            let window = &waiting[..waiting.len().min(LIMITS.body_bytes_max)];
            let end = match window.iter().rposition(|byte| *byte == b'\n') {
                Some(line) => line + 1,
                // A line that is too long goes as it is, with one byte too many, and is refused.
                None => waiting.len().min(LIMITS.body_bytes_max + 1),
            };
            let rest = waiting.split_off(end);
            let part = std::mem::replace(&mut waiting, rest);
            let response = rollcall.handle(http::Request::from_parts(head.clone(), part));
            if !response.status().is_success() || last && waiting.is_empty() {
                return response;
            }
        }
    }
}

/// A body that is read from the store as the client takes it. Where the store fails, the body breaks off behind the line
/// that says so, so that no client takes it for whole. Of a whole body the trailer says so, where it was announced.
struct Pull {
    rollcall: Rc<Rollcall>,
    stream: rollcall_core::http::Stream,
    /// Whether a trailer is still to come.
    trails: bool,
}

// SAFETY of the bound, not of memory: an instance has one thread, and nothing here leaves it.
unsafe impl Send for Pull {}

impl Drop for Pull {
    fn drop(&mut self) {
        self.rollcall.end_stream(&mut self.stream);
    }
}

impl http_body::Body for Pull {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let chunk = this.rollcall.next_chunk(&mut this.stream);
        std::task::Poll::Ready(match chunk {
            Some(chunk) => Some(Ok(http_body::Frame::data(Bytes::from(chunk)))),
            None if this.stream.is_whole() => {
                let trailers = this.stream.trailers().filter(|_| std::mem::take(&mut this.trails));
                trailers.map(|trailers| Ok(http_body::Frame::trailers(trailers)))
            }
            None => Some(Err(std::io::Error::other("the file is not complete"))),
        })
    }
}

thread_local! {
    static INSTANCE: RefCell<Option<Rc<Rollcall>>> = const { RefCell::new(None) };
}

/// Why there is no application.
enum Unusable {
    Settings(SettingsError),
    Store(String),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unusable::Settings(error) => error.fmt(f),
            Unusable::Store(error) => error.fmt(f),
        }
    }
}

/// The application of this instance, made at its first request.
async fn instance() -> Result<Rc<Rollcall>, Unusable> {
    if let Some(rollcall) = INSTANCE.with_borrow(Clone::clone) {
        return Ok(rollcall);
    }
    let mut values = BTreeMap::new();
    for name in Settings::VARIABLES {
        match variables::get(name).await {
            Ok(value) => {
                values.insert(*name, value);
            }
            Err(variables::Error::Undefined(_)) => {}
            Err(error) => {
                // Where the value comes from is the operator's affair, and may be in these words.
                eprintln!("rollcall: variable {name}: {error}");
                return Err(Unusable::Settings(SettingsError::unread(name)));
            }
        }
    }
    let settings = Settings::read(|name| values.get(name).cloned()).map_err(Unusable::Settings)?;
    let rollcall = Rc::new(Rollcall::new(ports::open().map_err(Unusable::Store)?, settings));
    INSTANCE.with_borrow_mut(|instance| *instance = Some(rollcall.clone()));
    Ok(rollcall)
}

fn unavailable(request: &Request, problem: &Unusable) -> http::Response<BoxBody> {
    eprintln!("rollcall: {problem}");
    let response = match problem {
        Unusable::Settings(error) => health::misconfigured(request.method(), request.uri().path(), error),
        Unusable::Store(_) => health::closed(request.method()),
    };
    response.map(|body| box_body(FullBody::new(Bytes::from(body))))
}

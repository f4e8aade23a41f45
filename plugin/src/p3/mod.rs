//! The component for WASI 0.3, by Spin's SDK.

mod background;
mod backpressure;
mod exports;
mod lines;

use crate::instance::{self, Unusable, Values};
use crate::request_body::{BrokenOff, InParts, Whole, unread};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use rollcall_core::http::{Begun, Body, Rollcall};
use rollcall_core::settings::Settings;
use spin_sdk::http::Request;
use spin_sdk::wasip3::{clocks, random};
use spin_sdk::{http_service, variables};
use std::rc::Rc;
use std::time::Duration;

pub(crate) use exports::bindings::wasi::keyvalue;

/// The body of an answer, of either kind.
type Answer = UnsyncBoxBody<Bytes, std::io::Error>;

#[http_service]
async fn handle(request: Request) -> http::Response<Answer> {
    let rollcall = match application().await {
        Ok(rollcall) => rollcall,
        Err(problem) => return instance::unavailable(request.method(), request.uri().path(), &problem).map(full),
    };
    let (head, body) = request.into_parts();
    let preflight = rollcall.preflight(&head);
    let wanted = preflight.body_bytes_max();
    let mut response = if wanted > 0 && Rollcall::takes_parts(&head.method, head.uri.path()) {
        in_parts(&rollcall, head, body).await
    } else {
        match whole(&head, body, wanted).await {
            Ok(body) => match rollcall.begin_after(preflight, http::Request::from_parts(head, body)) {
                Begun::Answered(response) => response,
                Begun::Waiting(change) => lines::answer(&rollcall, change).await,
            },
            Err(BrokenOff) => rollcall.broken_off(&head),
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
        Body::Full(bytes) => full(bytes),
        Body::Stream(stream) => Pull { rollcall, stream, trails }.boxed_unsync(),
    })
}

/// The application of this instance, made at its first request.
async fn application() -> Result<Rc<Rollcall>, Unusable> {
    if let Some(rollcall) = instance::made() {
        return Ok(rollcall);
    }
    let mut values = Values::default();
    for name in Settings::VARIABLES {
        let said = match variables::get(name).await {
            Ok(value) => Ok(Some(value)),
            Err(variables::Error::Undefined(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        };
        values.note(name, said)?;
    }
    values.make()
}

/// Since 1970: seconds, and nanoseconds of the next one.
pub(crate) fn time_of_day() -> Timestamp {
    let now = clocks::system_clock::now();
    Timestamp::new(now.seconds, i32::try_from(now.nanoseconds).unwrap_or(0)).unwrap_or_default()
}

/// Since some fixed moment.
pub(crate) fn elapsed() -> Duration {
    Duration::from_nanos(clocks::monotonic_clock::now())
}

/// So many random bytes, or fewer.
pub(crate) fn random_bytes(wanted: u64) -> Vec<u8> {
    random::random::get_random_bytes(wanted)
}

async fn whole<B>(head: &http::request::Parts, mut body: B, max: usize) -> Result<Vec<u8>, BrokenOff>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if let Some(body) = unread(head, max) {
        return Ok(body);
    }
    let mut whole = Whole::new(max);
    while !whole.is_full()
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame.map_err(|_| BrokenOff)?.into_data() {
            whole.take(&data);
        }
    }
    Ok(whole.bytes)
}

async fn in_parts<B>(rollcall: &Rollcall, head: http::request::Parts, mut body: B) -> http::Response<Body>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut parts = InParts::new(rollcall, head.clone());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return rollcall.broken_off(&head);
        };
        if let Ok(data) = frame.into_data()
            && let Some(refused) = parts.take(&data)
        {
            return refused;
        }
    }
    parts.end()
}

fn full(bytes: Vec<u8>) -> Answer {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is read from the store as the client takes it. Where the store fails, the body breaks off behind the line
/// that says so, so that no client takes it for whole. Of a whole body the trailer says so, where it was announced.
struct Pull {
    rollcall: Rc<Rollcall>,
    stream: rollcall_core::http::Stream,
    /// Whether a trailer is still to come.
    trails: bool,
}

// SAFETY: a component on wasm32-wasip2 has one thread, so nothing that is here can get to another one.
#[expect(unsafe_code, reason = "a body of Spin's SDK has to be Send; the compiler cannot see that there is one thread")]
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

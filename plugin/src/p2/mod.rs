//! The component for WASI 0.2.
//!
//! A runtime makes an instance for each request and drops it after the answer, so all that is to be kept is written
//! before: a read writes its own record, in a turn of its own.

mod message;

use crate::instance::{self, Unusable, Values};
use crate::request_body::{BrokenOff, InParts, Whole, unread};
use bindings::fermyon::spin::variables;
use jiff::Timestamp;
use rollcall_core::http::{Begun, Body, Rollcall, Stream};
use rollcall_core::settings::Settings;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, OutgoingBody, ResponseOutparam};

pub(crate) use bindings::wasi::keyvalue;

/// What wit-bindgen makes of `wit/`.
mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "plugin-p2",
        generate_all,
    });
}

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let Some(head) = message::head(&request) else {
            return message::send_empty(out, http::StatusCode::BAD_REQUEST);
        };
        let is_head = head.method == http::Method::HEAD;
        let rollcall = match application() {
            Ok(rollcall) => rollcall,
            Err(problem) => {
                let response = instance::unavailable(&head.method, head.uri.path(), &problem);
                return message::send_full(out, response, is_head);
            }
        };
        let response = answer(&rollcall, head, &request);
        settle(&rollcall);
        let trails = response.headers().contains_key(http::header::TRAILER);
        let (head, body) = response.into_parts();
        match body {
            Body::Full(bytes) => message::send_full(out, http::Response::from_parts(head, bytes), is_head),
            Body::Stream(mut stream) => {
                let body = message::send_head(out, &http::Response::from_parts(head, ()));
                send_stream(&rollcall, &mut stream, body, trails);
                rollcall.end_stream(&mut stream);
                settle(&rollcall);
            }
        }
    }
}

/// The application of this instance, made at its first request.
fn application() -> Result<Rc<Rollcall>, Unusable> {
    if let Some(rollcall) = instance::made() {
        return Ok(rollcall);
    }
    let mut values = Values::default();
    for name in Settings::VARIABLES {
        let said = match variables::get(name) {
            Ok(value) => Ok(Some(value)),
            Err(variables::Error::Undefined(_)) => Ok(None),
            Err(
                variables::Error::InvalidName(error)
                | variables::Error::Provider(error)
                | variables::Error::Other(error),
            ) => Err(error),
        };
        values.note(name, said)?;
    }
    values.make()
}

/// Since 1970.
pub(crate) fn time_of_day() -> Timestamp {
    let now = wall_clock::now();
    let seconds = i64::try_from(now.seconds).unwrap_or(i64::MAX);
    Timestamp::new(seconds, i32::try_from(now.nanoseconds).unwrap_or(0)).unwrap_or_default()
}

/// Since some fixed moment.
pub(crate) fn elapsed() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

/// So many random bytes, or fewer.
pub(crate) fn random_bytes(wanted: u64) -> Vec<u8> {
    wasip2::random::random::get_random_bytes(wanted)
}

fn answer(rollcall: &Rollcall, head: http::request::Parts, request: &IncomingRequest) -> http::Response<Body> {
    let preflight = rollcall.preflight(&head);
    let wanted = preflight.body_bytes_max();
    if wanted > 0 && Rollcall::takes_parts(&head.method, head.uri.path()) {
        return in_parts(rollcall, head.clone(), request).unwrap_or_else(|BrokenOff| rollcall.broken_off(&head));
    }
    match whole(&head, request, wanted) {
        Ok(body) => match rollcall.begin_after(preflight, http::Request::from_parts(head, body)) {
            Begun::Answered(response) => response,
            Begun::Waiting(change) => rollcall.carry_out(&change),
        },
        Err(BrokenOff) => rollcall.broken_off(&head),
    }
}

fn whole(head: &http::request::Parts, request: &IncomingRequest, max: usize) -> Result<Vec<u8>, BrokenOff> {
    if let Some(body) = unread(head, max) {
        return Ok(body);
    }
    let mut whole = Whole::new(max);
    message::read(request, |data| {
        whole.take(data);
        whole.is_full()
    })?;
    Ok(whole.bytes)
}

fn in_parts(
    rollcall: &Rollcall,
    head: http::request::Parts,
    request: &IncomingRequest,
) -> Result<http::Response<Body>, BrokenOff> {
    let mut parts = InParts::new(rollcall, head);
    let mut refused = None;
    message::read(request, |data| {
        refused = parts.take(data);
        refused.is_some()
    })?;
    Ok(refused.unwrap_or_else(|| parts.end()))
}

/// Writes what the request left in memory, and gives turns on that it asked for and did not get.
fn settle(rollcall: &Rollcall) {
    /// How long to wait for turns that have not come, and how often to look. Whoever waits behind a turn that nobody takes
    /// any more waits for longer.
    const LOOKS: u32 = 40;
    const LOOK_EVERY: Duration = Duration::from_millis(25);
    rollcall.flush();
    for _ in 0..LOOKS {
        rollcall.give_on();
        if !rollcall.has_numbers() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A body that is read from the store as the client takes it. Where the store fails, the body breaks off behind the line
/// that says so, so that no client takes it for whole. Of a whole body the trailer says so, where it was announced.
fn send_stream(rollcall: &Rollcall, stream: &mut Stream, body: Option<OutgoingBody>, trails: bool) {
    let Some(body) = body else { return };
    let Ok(mut output) = body.write() else { return };
    while let Some(chunk) = rollcall.next_chunk(stream) {
        // The client is gone.
        if output.write_all(&chunk).is_err() {
            return;
        }
    }
    if output.blocking_flush().is_err() {
        return;
    }
    drop(output);
    // A body that is not finished is cut off.
    if stream.is_whole() {
        message::finish(body, stream.trailers().filter(|_| trails));
    }
}

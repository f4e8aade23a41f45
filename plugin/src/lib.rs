//! The component. Glue only: Spin's interfaces on one side, [`rollcall_core`] on the other.
//!
//! An instance is reused for many requests, so what is here is a cache at most: the settings, the open store, and the
//! journal's buffer with its bound.

mod exports;
mod ports;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use rollcall_core::http::{Body, Rollcall};
use rollcall_core::journal::FLUSH_AFTER;
use rollcall_core::settings::{LIMITS, Settings};
use spin_sdk::http::{BoxBody, FullBody, Request, box_body};
use spin_sdk::{http_service, variables};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

#[http_service]
async fn handle(request: Request) -> http::Response<BoxBody> {
    let rollcall = match instance().await {
        Ok(rollcall) => rollcall,
        Err(problem) => return unavailable(&problem),
    };
    let (head, body) = request.into_parts();
    // One byte above the limit is enough for the core to see that there is too much.
    let body = match Limited::new(body, LIMITS.body_bytes_max + 1).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(_) => vec![b' '; LIMITS.body_bytes_max + 1],
    };
    let mut response = rollcall.handle(http::Request::from_parts(head, body));
    schedule_flush(&rollcall);
    if let Body::Full(bytes) = response.body()
        && !bytes.is_empty()
    {
        let length = http::HeaderValue::from(bytes.len());
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length);
    }
    response.map(|body| match body {
        Body::Full(bytes) => box_body(FullBody::new(Bytes::from(bytes))),
        Body::Stream(stream) => box_body(Pull { rollcall, stream }),
    })
}

/// A body that is read from the store as the client takes it.
struct Pull {
    rollcall: Rc<Rollcall>,
    stream: rollcall_core::http::Stream,
}

// SAFETY of the bound, not of memory: an instance has one thread, and nothing here leaves it.
unsafe impl Send for Pull {}

impl http_body::Body for Pull {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let chunk = this.rollcall.next_chunk(&mut this.stream);
        std::task::Poll::Ready(chunk.map(|chunk| Ok(http_body::Frame::data(Bytes::from(chunk)))))
    }
}

thread_local! {
    static INSTANCE: RefCell<Option<Rc<Rollcall>>> = const { RefCell::new(None) };
    static FLUSH_SCHEDULED: Cell<bool> = const { Cell::new(false) };
}

/// The application of this instance, made at its first request.
async fn instance() -> Result<Rc<Rollcall>, String> {
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
            Err(error) => return Err(format!("variable {name}: {error}")),
        }
    }
    let settings = Settings::read(|name| values.get(name).cloned()).map_err(|error| error.to_string())?;
    let rollcall = Rc::new(Rollcall::new(ports::open()?, settings));
    INSTANCE.with_borrow_mut(|instance| *instance = Some(rollcall.clone()));
    Ok(rollcall)
}

/// Writes the journal's buffer a little later, after the response, together with what comes in meanwhile.
fn schedule_flush(rollcall: &Rc<Rollcall>) {
    if !rollcall.has_buffered() || FLUSH_SCHEDULED.replace(true) {
        return;
    }
    let rollcall = rollcall.clone();
    spin_sdk::wasip3::spawn(async move {
        spin_sdk::time::sleep(FLUSH_AFTER).await;
        FLUSH_SCHEDULED.set(false);
        rollcall.flush();
    });
}

fn unavailable(problem: &str) -> http::Response<BoxBody> {
    eprintln!("rollcall: {problem}");
    let body =
        r#"{"error":{"code":"misconfigured","message":"The service is not configured; its error output says why"}}"#;
    let mut response = http::Response::new(box_body(FullBody::new(Bytes::from_static(body.as_bytes()))));
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

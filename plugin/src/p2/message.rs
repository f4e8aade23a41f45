//! Requests and answers as WASI 0.2 has them, from and to those of the crate `http`.

use crate::request_body::BrokenOff;
use std::io::Write as _;
use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme};
use wasip2::io::streams::StreamError;

/// How much of a body is asked for at once.
const PIECE_BYTES: u64 = 64 * 1024;

/// The head of a request; nothing where it is no HTTP.
pub(super) fn head(request: &IncomingRequest) -> Option<http::request::Parts> {
    let mut uri = http::Uri::builder().path_and_query(request.path_with_query().unwrap_or_else(|| "/".to_owned()));
    if let Some(authority) = request.authority() {
        uri = uri.authority(authority).scheme(scheme(request.scheme())?);
    }
    let mut whole = http::Request::builder().method(method(request.method())?).uri(uri.build().ok()?);
    for (name, value) in request.headers().entries() {
        whole = whole.header(name, value);
    }
    let (mut head, ()) = whole.body(()).ok()?.into_parts();
    // Some runtimes leave it out, because it says the same.
    if !head.headers.contains_key(http::header::HOST)
        && let Some(authority) = head.uri.authority()
    {
        let host = http::HeaderValue::from_str(authority.as_str()).ok()?;
        head.headers.insert(http::header::HOST, host);
    }
    Some(head)
}

/// Reads the body of a request, piece by piece, until there is enough of it.
pub(super) fn read(request: &IncomingRequest, mut is_enough: impl FnMut(&[u8]) -> bool) -> Result<(), BrokenOff> {
    let body = request.consume().map_err(|()| BrokenOff)?;
    let stream = body.stream().map_err(|()| BrokenOff)?;
    loop {
        match stream.blocking_read(PIECE_BYTES) {
            Ok(piece) if is_enough(&piece) => return Ok(()),
            Ok(_) => {}
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(_)) => return Err(BrokenOff),
        }
    }
}

/// Answers with a body that is there.
pub(super) fn send_full(out: ResponseOutparam, mut response: http::Response<Vec<u8>>, is_head: bool) {
    if !response.body().is_empty() {
        let length = http::HeaderValue::from(response.body().len());
        response.headers_mut().insert(http::header::CONTENT_LENGTH, length);
    }
    let (head, bytes) = response.into_parts();
    let outgoing = outgoing(&http::Response::from_parts(head, ()));
    // A body of no bytes is shorter than an answer to HEAD says.
    let body = if is_head { None } else { outgoing.body().ok() };
    ResponseOutparam::set(out, Ok(outgoing));
    let Some(body) = body else { return };
    if let Ok(mut output) = body.write()
        && !bytes.is_empty()
        && (output.write_all(&bytes).is_err() || output.blocking_flush().is_err())
    {
        // The client is gone.
        return;
    }
    finish(body, None);
}

/// Answers without a word.
pub(super) fn send_empty(out: ResponseOutparam, status: http::StatusCode) {
    let mut response = http::Response::new(Vec::new());
    *response.status_mut() = status;
    send_full(out, response, false);
}

/// Begins an answer whose body follows.
pub(super) fn send_head(out: ResponseOutparam, response: &http::Response<()>) -> Option<OutgoingBody> {
    let outgoing = outgoing(response);
    let body = outgoing.body().ok();
    ResponseOutparam::set(out, Ok(outgoing));
    body
}

/// Ends a body that is whole.
pub(super) fn finish(body: OutgoingBody, trailers: Option<http::HeaderMap>) {
    if let Err(error) = OutgoingBody::finish(body, trailers.map(|trailers| fields(&trailers))) {
        eprintln!("rollcall: an answer could not be ended: {error}");
    }
}

fn outgoing(response: &http::Response<()>) -> OutgoingResponse {
    let outgoing = OutgoingResponse::new(fields(response.headers()));
    if outgoing.set_status_code(response.status().as_u16()).is_err() {
        eprintln!("rollcall: the platform takes no status {}", response.status());
    }
    outgoing
}

fn fields(headers: &http::HeaderMap) -> Fields {
    let fields = Fields::new();
    for (name, value) in headers {
        if let Err(error) = fields.append(name.as_str(), value.as_bytes()) {
            eprintln!("rollcall: the platform takes no header {name}: {error}");
        }
    }
    fields
}

fn method(method: Method) -> Option<http::Method> {
    Some(match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
        Method::Connect => http::Method::CONNECT,
        Method::Options => http::Method::OPTIONS,
        Method::Trace => http::Method::TRACE,
        Method::Patch => http::Method::PATCH,
        Method::Other(name) => http::Method::from_bytes(name.as_bytes()).ok()?,
    })
}

fn scheme(scheme: Option<Scheme>) -> Option<http::uri::Scheme> {
    Some(match scheme {
        Some(Scheme::Http) | None => http::uri::Scheme::HTTP,
        Some(Scheme::Https) => http::uri::Scheme::HTTPS,
        Some(Scheme::Other(name)) => name.parse().ok()?,
    })
}

//! How much of a request's body is taken, and in which pieces, whoever brings it.

use rollcall_core::http::{Body, Rollcall};
use rollcall_core::settings::LIMITS;

/// A body that ended before its end, be it that the client went or that what came was no HTTP.
pub(crate) struct BrokenOff;

/// The body where it need not be read: there is none, or its length says that there is too much.
pub(crate) fn unread(head: &http::request::Parts, max: usize) -> Option<Vec<u8>> {
    if max == 0 || has_no_body(head) {
        return Some(Vec::new());
    }
    let announced =
        head.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    announced.filter(|length: &u64| *length > max as u64).map(|_| vec![b' '; max + 1])
}

/// The body, or one byte above the limit, which is enough for the core to see that there is too much.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    max: usize,
}

impl Whole {
    pub(crate) fn new(max: usize) -> Whole {
        Whole { bytes: Vec::new(), max }
    }

    /// Whether another piece changes nothing any more.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() > self.max
    }

    pub(crate) fn take(&mut self, data: &[u8]) {
        let room = (self.max + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
    }
}

/// A body that may have any size, answered part after part, each cut behind a line, until one is refused. Of a body that
/// breaks off, the part that has begun is dropped, because what stands behind its last line may be half a line.
pub(crate) struct InParts<'r> {
    rollcall: &'r Rollcall,
    head: http::request::Parts,
    waiting: Vec<u8>,
}

impl<'r> InParts<'r> {
    pub(crate) fn new(rollcall: &'r Rollcall, head: http::request::Parts) -> InParts<'r> {
        InParts { rollcall, head, waiting: Vec::new() }
    }

    /// The next piece. The answer, where a part was refused.
    pub(crate) fn take(&mut self, data: &[u8]) -> Option<http::Response<Body>> {
        self.waiting.extend_from_slice(data);
        while self.waiting.len() >= LIMITS.body_bytes_max {
            let response = self.have_part_answered();
            if !response.status().is_success() {
                return Some(response);
            }
        }
        None
    }

    /// The answer to the last part, after which nothing comes.
    pub(crate) fn end(mut self) -> http::Response<Body> {
        loop {
            let response = self.have_part_answered();
            if !response.status().is_success() || self.waiting.is_empty() {
                return response;
            }
        }
    }

    fn have_part_answered(&mut self) -> http::Response<Body> {
        let window = &self.waiting[..self.waiting.len().min(LIMITS.body_bytes_max)];
        let end = match window.iter().rposition(|byte| *byte == b'\n') {
            Some(line) => line + 1,
            // A line that is too long goes as it is, with one byte too many, and is refused.
            None => self.waiting.len().min(LIMITS.body_bytes_max + 1),
        };
        let rest = self.waiting.split_off(end);
        let part = std::mem::replace(&mut self.waiting, rest);
        self.rollcall.handle(http::Request::from_parts(self.head.clone(), part))
    }
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

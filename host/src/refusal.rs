//! What the HTTP server refuses by itself, said with a reason: a head that is no HTTP has no request that a component could
//! answer, and hyper's own answer is a status and nothing more.
//!
//! Most of these are URLs that a person has written by hand, with the quotes of a filter as they are. Such a request is not
//! mended and passed on: RFC 9112 §3.2 advises against that, because a line that was made to be mended gets past whatever
//! stands before the server and looks at lines. So hyper alone decides what is refused and when; all that changes is what
//! the answer says, and nothing is looked at unless there is something to refuse.

use http::StatusCode;
use serde_json::json;

/// The first line of the head that came last, and hyper's answer to it where hyper has refused it.
#[derive(Default)]
pub(crate) struct Refusal {
    line: Vec<u8>,
    answer: Vec<u8>,
}

/// Bytes of a first line that are kept. The first character that is out of place stands within them, or is not named.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Bytes of hyper's own answer, which is a status line and two or three header lines.
const ANSWER_BYTES_MAX: usize = 1024;

/// What hyper's answer says of its body, and what is put in its place.
const NO_BODY: &str = "content-length: 0\r\n";

impl Refusal {
    /// The head of a request begins to come.
    pub(crate) fn begin(&mut self) {
        self.line.clear();
    }

    /// More of it has come.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.line.len();
        if room == 0 || self.line.ends_with(b"\n") {
            return;
        }
        let bytes = &bytes[..bytes.len().min(room)];
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(&bytes[..end]);
    }

    /// Takes in what hyper answers by itself. Answers how much of it that is.
    pub(crate) fn withhold(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(ANSWER_BYTES_MAX.saturating_sub(self.answer.len()));
        self.answer.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Whether there is an answer of hyper's own.
    pub(crate) fn is_withheld(&self) -> bool {
        !self.answer.is_empty()
    }

    /// The answer with a reason: a SCIM error below a tenant URL, and a sentence elsewhere. What is not as expected stays
    /// as it is.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let explained = || {
            let text = std::str::from_utf8(&self.answer).ok()?;
            let status: u16 = text.get(9..12)?.parse().ok()?;
            let (before, after) = text.split_once(NO_BODY)?;
            let (media_type, body) = self.body(StatusCode::from_u16(status).ok()?);
            let length = body.len();
            let lines = format!(
                "content-length: {length}\r\ncontent-type: {media_type}; charset=utf-8\r\ncache-control: no-store\r\nconnection: close\r\n"
            );
            // RFC 9110 §9.3.2
            let body = if self.line.starts_with(b"HEAD ") { String::new() } else { body };
            Some([before, &lines, after, &body].concat().into_bytes())
        };
        explained().unwrap_or_else(|| self.answer.clone())
    }

    fn body(&self, status: StatusCode) -> (&'static str, String) {
        let reason = self.reason(status);
        if target(&self.line).is_some_and(|target| target.starts_with(b"/scim/")) {
            let error = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": status.as_str(),
                "detail": reason,
            });
            return ("application/scim+json", error.to_string());
        }
        ("text/plain", format!("{reason}\n"))
    }

    /// What a person has to change. Nothing of the line is repeated but the one character, since a URL may hold a secret.
    fn reason(&self, status: StatusCode) -> String {
        if status == StatusCode::URI_TOO_LONG {
            return "url: expected a shorter one".to_owned();
        }
        if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
            return "headers: expected fewer and shorter ones".to_owned();
        }
        match target(&self.line).and_then(stray) {
            Some(b' ') => "url: expected %20 or + in the place of each blank, found a blank as it is".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => {
                format!("url: expected %{byte:02X} in the place of {0}, found {0} as it is", char::from(byte))
            }
            Some(byte) => format!("url: expected %{byte:02X} in the place of the byte {byte:02X}, found it as it is"),
            None => "request: expected a method, a URL and headers as HTTP has them, found something else".to_owned(),
        }
    }
}

/// What stands between the method and the version. A line that did not come whole has no version.
fn target(line: &[u8]) -> Option<&[u8]> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let begin = line.iter().position(|byte| *byte == b' ')? + 1;
    let rest = line.get(begin..)?;
    let version = rest.iter().rposition(|byte| *byte == b' ').filter(|end| rest[*end..].starts_with(b" HTTP/"));
    Some(&rest[..version.unwrap_or(rest.len())])
}

/// The first byte that may not stand in a URL, RFC 3986 §2; a `%` is not looked at.
fn stray(target: &[u8]) -> Option<u8> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    target.iter().copied().find(|byte| !fits(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Sun, 29 Nov 2026 02:00:00 GMT\r\n\r\n";

    fn refused(line: &str, answer: &str) -> String {
        let mut refusal = Refusal::default();
        refusal.begin();
        refusal.receive(line.as_bytes());
        assert_eq!(refusal.withhold(answer.as_bytes()), answer.len());
        String::from_utf8(refusal.answer()).unwrap()
    }

    fn detail(line: &str) -> String {
        let answer = refused(line, BARE);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        let error: serde_json::Value = serde_json::from_str(body).unwrap();
        error["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_refusal_below_a_tenant_url_is_a_scim_error_that_names_the_character() {
        assert_eq!(
            detail("GET /scim/v2/t/Users?filter=userName+eq+\"raw\" HTTP/1.1\r\nHost: a\r\n"),
            "url: expected %22 in the place of \", found \" as it is"
        );
        assert_eq!(
            detail("GET /scim/v2/t/Users?filter=userName eq 'raw' HTTP/1.1\r\n"),
            "url: expected %20 or + in the place of each blank, found a blank as it is"
        );
        assert_eq!(
            detail("GET /scim/v2/t/Users?filter=\u{1}x HTTP/1.1\r\n"),
            "url: expected %01 in the place of the byte 01, found it as it is"
        );
        let other = "request: expected a method, a URL and headers as HTTP has them, found something else";
        assert_eq!(detail("GET /scim/v2/t/Users?filter=[a] HTTP/1.1\r\n"), other);
        assert_eq!(detail("GET /scim/v2/t/Users"), other);
    }

    #[test]
    fn a_refusal_elsewhere_is_a_sentence_and_one_of_head_has_no_body() {
        let answer = refused("GET /?\" HTTP/1.1\r\n", BARE);
        assert!(answer.ends_with("\r\n\r\nurl: expected %22 in the place of \", found \" as it is\n"), "{answer}");
        assert!(refused("HEAD /scim/v2/t?\" HTTP/1.1\r\n", BARE).ends_with("GMT\r\n\r\n"));
        assert!(refused("", BARE).ends_with("found something else\n"));
    }

    #[test]
    fn an_answer_that_is_not_as_expected_stays_as_it_is() {
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1", "nothing"] {
            assert_eq!(refused("GET /scim/?\" HTTP/1.1\r\n", answer), answer);
        }
    }

    #[test]
    fn no_more_of_a_line_is_kept_than_its_bound() {
        let mut refusal = Refusal::default();
        for _ in 0..10 {
            refusal.receive(&[b'x'; LINE_BYTES_MAX / 4]);
        }
        assert_eq!(refusal.line.len(), LINE_BYTES_MAX);
        refusal.receive(b"x");
        refusal.begin();
        refusal.receive(b"GET / HT");
        refusal.receive(b"TP/1.1\r\nHost: a\r\n");
        refusal.receive(b"Authorization: Bearer secret\r\n");
        assert_eq!(refusal.line, b"GET / HTTP/1.1\r\n");
        assert_eq!(refusal.withhold(&[b'x'; 2 * ANSWER_BYTES_MAX]), ANSWER_BYTES_MAX);
    }
}

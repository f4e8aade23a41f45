//! Answers. Every status, header and error body of this crate is made here.

use super::Body;
use super::route::{self, FILE_METHODS, Misrouted, Route};
use crate::directory;
use crate::journal;
use crate::json;
use crate::ledger;
use crate::pace;
use crate::ports::Ports;
use crate::scim::{self, messages};
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

/// RFC 7644 §8.1.
pub(crate) const SCIM_JSON: &str = "application/scim+json; charset=utf-8";

const JSON: &str = "application/json; charset=utf-8";

/// Names a request to its sender and in the error output.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a SCIM request is refused.
#[derive(Debug)]
pub(crate) enum Problem {
    /// No such path.
    Misrouted(Misrouted),
    /// No token, or one that is not valid here. The client is told the same whatever the reason is: otherwise it would
    /// learn which tenants there are, and how each is connected.
    Unauthorized {
        /// The reason, for the tenant's journal.
        why: &'static str,
        /// Whether there was a token at all: RFC 6750 §3.1 has no error code for a request without one.
        presented: bool,
    },
    /// More requests than the tenant may send in a second.
    TooMany {
        /// How many it may.
        rate: u64,
    },
    /// The body is larger than the limit.
    TooLarge(usize),
    /// The body is no JSON, or too much of it.
    Unread(json::JsonError),
    /// A bulk request beyond one of its bounds; says which, RFC 7644 §3.7.4.
    TooMuch(String),
    /// An operation of a bulk request that refers to what the request did not make, or could not.
    Unresolved(String),
    /// The body is not announced as JSON.
    MediaType(String),
    /// The body is packed.
    Coding(String),
    /// Something that SCIM knows and we do not do.
    NotImplemented(&'static str),
    /// The resource is not there; says which.
    NotFound(String),
    /// `If-None-Match` names the present version, RFC 9110 §13.1.2: a read is answered without the resource.
    NotModified(String),
    /// `If-None-Match` names the present version, RFC 9110 §13.1.2: a change is refused.
    Unwanted(String),
    /// Something that must not be answered as if it had been looked at.
    Forbidden(&'static str),
    /// The tenant's data come from an export just now.
    BeingRestored,
    /// From the directory.
    Directory(directory::Error),
}

impl From<directory::Error> for Problem {
    fn from(error: directory::Error) -> Problem {
        Problem::Directory(error)
    }
}

impl From<ledger::Error> for Problem {
    fn from(error: ledger::Error) -> Problem {
        Problem::Directory(directory::Error::Ledger(error))
    }
}

impl From<scim::Error> for Problem {
    fn from(error: scim::Error) -> Problem {
        Problem::Directory(directory::Error::Scim(error))
    }
}

impl From<Misrouted> for Problem {
    fn from(error: Misrouted) -> Problem {
        Problem::Misrouted(error)
    }
}

/// The answer to a method that what is only read does not have: OPTIONS, or one that is refused. Nothing for GET and HEAD.
pub(super) fn unless_file_method(method: &Method) -> Option<Response<Vec<u8>>> {
    if method == Method::OPTIONS {
        return Some(options(FILE_METHODS));
    }
    (!FILE_METHODS.contains(method)).then(|| {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        set(&mut response, ALLOW, &route::allow(FILE_METHODS));
        response
    })
}

/// The answer to a request whose body ended before its end (RFC 9112 §8): 400, in the form that its path has.
pub fn broken_off(path: &str) -> Response<Body> {
    let refusal = ErrorBody::plain(StatusCode::BAD_REQUEST, "body: expected all of it, found that it breaks off");
    let response = match Route::of(path) {
        Route::Scim(_) => refusal.scim(),
        Route::Admin(_)
        | Route::OpenApi
        | Route::Health
        | Route::Ready
        | Route::Metrics
        | Route::Page(_)
        | Route::Nowhere => admin_error(StatusCode::BAD_REQUEST, "invalid_body", &refusal.detail),
    };
    response.map(Body::Full)
}

/// A refusal as the client and the journal see it.
pub(crate) struct ErrorBody {
    pub(crate) status: StatusCode,
    pub(crate) scim_type: Option<&'static str>,
    pub(crate) detail: String,
    /// What the journal has in the place of the detail.
    pub(crate) noted: Option<&'static str>,
    headers: Vec<(HeaderName, String)>,
}

/// What whoever is not let in is told, whatever the reason is.
const UNAUTHORIZED: &str = "authorization: expected \"Bearer\" and the secret token of this tenant URL; the one, the other or \
                            both are not valid here";

impl Problem {
    /// The one place where problems become statuses. Store text goes to the error output under the request's id.
    pub(crate) fn refusal(&self, ports: &Ports, request_id: &str) -> ErrorBody {
        match self {
            Problem::Misrouted(Misrouted::NotFound) => {
                ErrorBody::plain(StatusCode::NOT_FOUND, "path: nothing is here; the tenant URL ends before /Users")
            }
            Problem::Misrouted(Misrouted::Method(known)) => {
                let allow = route::allow(known);
                let known: Vec<&str> = known.iter().map(Method::as_str).collect();
                let detail = format!("method: expected {}", known.join(", "));
                ErrorBody::plain(StatusCode::METHOD_NOT_ALLOWED, &detail).with(ALLOW, allow)
            }
            Problem::Unauthorized { why, presented } => {
                let error = if *presented { ", error=\"invalid_token\"" } else { "" };
                let refusal = ErrorBody::plain(StatusCode::UNAUTHORIZED, UNAUTHORIZED)
                    .with(WWW_AUTHENTICATE, format!("Bearer realm=\"SCIM\"{error}"));
                ErrorBody { noted: Some(why), ..refusal }
            }
            Problem::TooMany { rate } => {
                let after = pace::RETRY_AFTER.as_secs().to_string();
                let detail = format!(
                    "rate: expected at most {rate} requests a second, found more; wait {after} s and send it again"
                );
                ErrorBody::plain(StatusCode::TOO_MANY_REQUESTS, &detail).with(RETRY_AFTER, after)
            }
            Problem::TooLarge(max) => ErrorBody::plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("body: expected at most {max} bytes, found more"),
            ),
            Problem::Unread(refusal) => unread(refusal),
            Problem::TooMuch(detail) => ErrorBody::plain(StatusCode::PAYLOAD_TOO_LARGE, detail),
            Problem::Unresolved(detail) => ErrorBody::plain(StatusCode::CONFLICT, detail),
            Problem::MediaType(found) => ErrorBody::plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                &format!("content-type: expected application/scim+json or application/json, found {found}"),
            ),
            Problem::Coding(found) => ErrorBody::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, &unpacked(found))
                .with(ACCEPT_ENCODING, IDENTITY.into()),
            Problem::NotImplemented(detail) => ErrorBody::plain(StatusCode::NOT_IMPLEMENTED, detail),
            Problem::NotFound(detail) => ErrorBody::plain(StatusCode::NOT_FOUND, detail),
            Problem::NotModified(version) => {
                ErrorBody::plain(StatusCode::NOT_MODIFIED, "").with(http::header::ETAG, version.clone())
            }
            Problem::Unwanted(version) => ErrorBody::plain(
                StatusCode::PRECONDITION_FAILED,
                &format!("if-none-match: expected another version than the present one, found {version}"),
            ),
            Problem::Forbidden(detail) => ErrorBody::plain(StatusCode::FORBIDDEN, detail),
            Problem::BeingRestored => being_restored(),
            Problem::Directory(error) => of_directory(error, ports, request_id),
        }
    }
}

fn of_directory(error: &directory::Error, ports: &Ports, request_id: &str) -> ErrorBody {
    match error {
        directory::Error::NotFound(kind, id) => {
            let (of, noun) = (kind.resource_type(), kind.noun());
            let place = of.endpoint.trim_start_matches('/');
            ErrorBody::plain(StatusCode::NOT_FOUND, &format!("{place}/{id}: no {noun} has this id"))
        }
        directory::Error::NameTaken(kind) => {
            let detail = format!("{}: already used by another {}", kind.resource_type().naming, kind.noun());
            ErrorBody { scim_type: Some("uniqueness"), ..ErrorBody::plain(StatusCode::CONFLICT, &detail) }
        }
        directory::Error::Stale { expected, found } => ErrorBody::plain(
            StatusCode::PRECONDITION_FAILED,
            &format!("if-match: expected version {found}, found {expected}"),
        ),
        directory::Error::NoSeat { used, seats } => ErrorBody::plain(
            StatusCode::FORBIDDEN,
            &format!("active: no seat is left, {used} of {seats} are used; disable a user or raise the limit"),
        ),
        directory::Error::BeingRestored => being_restored(),
        directory::Error::Scim(error) => ErrorBody {
            scim_type: error.scim_type().map(|scim_type| scim_type.as_str()),
            ..ErrorBody::plain(StatusCode::BAD_REQUEST, &error.to_string())
        },
        directory::Error::Ledger(error) => of_ledger(error, ports, request_id),
    }
}

/// RFC 9110 §15.5.14 for a body with more than we read; what is no JSON, or has a shape that no message of SCIM has, is not
/// well-formed for us (RFC 7644 §3.12).
fn unread(refusal: &json::JsonError) -> ErrorBody {
    let (status, scim_type) = match refusal {
        json::JsonError::Beyond(json::Bound::Values) => (StatusCode::PAYLOAD_TOO_LARGE, None),
        json::JsonError::Malformed { .. }
        | json::JsonError::Encoded(_)
        | json::JsonError::Beyond(json::Bound::Depth | json::Bound::Names) => {
            (StatusCode::BAD_REQUEST, Some("invalidSyntax"))
        }
    };
    ErrorBody { scim_type, ..ErrorBody::plain(status, &format!("body: {refusal}")) }
}

fn being_restored() -> ErrorBody {
    let detail = "service: the data of this tenant are being restored; try again later";
    ErrorBody::plain(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, "60".to_owned())
}

fn of_ledger(error: &ledger::Error, ports: &Ports, request_id: &str) -> ErrorBody {
    let (line, detail) = match error {
        ledger::Error::Store(error) => (error.to_string(), "the store did not answer"),
        ledger::Error::Corrupt(what) => (what.clone(), "the store holds something unreadable"),
        ledger::Error::Damaged(what) => (what.clone(), "the data of this tenant are about to be mended"),
        ledger::Error::Mending => ("closed until it is mended".to_owned(), "the data of this tenant are being mended"),
        ledger::Error::Later(layout) => {
            let found = format!("expected layout {} of the stored data, found {layout}", ledger::LAYOUT);
            (found, "a later version has written the data; run that one, or restore an export into an empty store")
        }
        ledger::Error::Busy => ("busy".to_owned(), "too many changes at once"),
        ledger::Error::Unfit(what) => {
            (format!("nothing is written to the store: {what}"), "the store is not fit to be written to")
        }
    };
    ports.log.line(&format!("request {request_id}: {line}"));
    ErrorBody::plain(StatusCode::SERVICE_UNAVAILABLE, &format!("service: {detail}; try again (request {request_id})"))
        .with(RETRY_AFTER, "1".to_owned())
}

impl ErrorBody {
    fn plain(status: StatusCode, detail: &str) -> ErrorBody {
        // A detail may quote a name as long as the body; it has to fit into a record.
        ErrorBody { status, scim_type: None, detail: journal::cut(detail), noted: None, headers: Vec::new() }
    }

    fn with(mut self, name: HeaderName, value: String) -> ErrorBody {
        self.headers.push((name, value));
        self
    }

    /// RFC 7644 §3.12.
    pub(crate) fn scim(&self) -> Response<Vec<u8>> {
        let mut response = match self.status {
            StatusCode::NOT_MODIFIED => empty(self.status),
            status => {
                let scim_type = self.scim_type;
                scim_body(status, &messages::error(status.as_u16(), scim_type, &self.detail))
            }
        };
        for (name, value) in &self.headers {
            set(&mut response, name.clone(), value);
        }
        response
    }

    /// The admin API's form of the same.
    pub(crate) fn admin(&self) -> Response<Vec<u8>> {
        let code = match self.status {
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::NOT_FOUND => "not_found",
            _ => self.scim_type.unwrap_or("refused"),
        };
        let mut response = admin_error(self.status, code, &self.detail);
        for (name, value) in &self.headers {
            set(&mut response, name.clone(), value);
        }
        response
    }
}

/// The answer to a method: to HEAD that of GET without its body but with the length that it has, RFC 9110 §9.3.2 and §8.6.
pub(crate) fn to(method: &Method, mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    if *method == Method::HEAD && !response.body().is_empty() {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response.body_mut().clear();
    }
    response
}

/// The answer to OPTIONS, RFC 9110 §9.3.7. It opens nothing to pages of other origins, since it has no header of theirs.
pub(crate) fn options(known: &[Method]) -> Response<Vec<u8>> {
    let mut response = empty(StatusCode::NO_CONTENT);
    set(&mut response, ALLOW, &route::allow(known));
    response
}

const IDENTITY: &str = "identity";

/// The content coding of a body, where it has one. We unpack nothing: a body of a kilobyte could become one of a gigabyte.
pub(crate) fn coding(headers: &HeaderMap) -> Option<String> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    codings.find(|coding| !coding.trim().eq_ignore_ascii_case(IDENTITY)).map(|coding| coding.chars().take(40).collect())
}

fn unpacked(found: &str) -> String {
    format!("content-encoding: expected {IDENTITY}, found {found:?}")
}

/// Refuses a packed body of a request to the admin API, RFC 9110 §15.5.16.
pub(crate) fn packed(found: &str) -> Response<Vec<u8>> {
    let mut response = admin_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding", &unpacked(found));
    set(&mut response, ACCEPT_ENCODING, IDENTITY);
    response
}

/// A SCIM document.
pub(crate) fn scim_body<T: Serialize>(status: StatusCode, document: &T) -> Response<Vec<u8>> {
    body(status, SCIM_JSON, document)
}

/// A document of the admin API.
pub(crate) fn admin_body<T: Serialize>(status: StatusCode, document: &T) -> Response<Vec<u8>> {
    body(status, JSON, document)
}

/// An error of the admin API.
pub(crate) fn admin_error(status: StatusCode, code: &str, message: &str) -> Response<Vec<u8>> {
    let document: Value = json!({"error": {"code": code, "message": message}});
    admin_body(status, &document)
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sets a header. Text that cannot stand in a header is left out: an answer without it is better than none.
pub(crate) fn set<B>(response: &mut Response<B>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A user with all that Entra sends has about so many; a larger body grows from there.
const BODY_BYTES_EXPECTED: usize = 1_024;

fn body<T: Serialize>(status: StatusCode, content_type: &'static str, document: &T) -> Response<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BODY_BYTES_EXPECTED);
    serde_json::to_writer(&mut bytes, document).expect("answers are made of JSON values");
    let mut response = empty(status);
    *response.body_mut() = bytes;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

//! What is told of each request to whoever runs the service: counted for `/metrics`, and as a line of the request log.
//!
//! Neither costs anything where it is off: nothing is noted then, no clock is read, and nothing is allocated.

mod exposition;
mod line;
mod operation;

pub(super) use operation::{OperationLabel, RequestOutcome};

use super::credentials::bearer;
use super::respond::{self, REQUEST_ID};
use super::route::Route;
use super::{Body, Rollcall};
use crate::keys::TenantId;
use crate::settings::{RequestLog, Settings};
use crate::trace::Traceparent;
use crate::watch::{Counter, Histogram, StoreCalls, microseconds};
use exposition::Exposition;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

/// What an instance counts of the requests that it answers.
#[derive(Default)]
pub(super) struct RequestCounts {
    requests: [[Counter; RequestOutcome::ALL.len()]; OperationLabel::ALL.len()],
    durations: [Histogram; OperationLabel::ALL.len()],
    pub(super) store_calls: Rc<StoreCalls>,
    /// Records of requests that changed nothing, and that were given up before they were written.
    pub(super) lost_records: Counter,
    /// The name of the instance and when it was first asked for its counts.
    identity: OnceCell<Identity>,
}

/// What tells the counts of an instance from those of all others.
struct Identity {
    id: String,
    started: Timestamp,
}

/// What is known of a request whose answer is on its way out. It travels with the answer.
#[derive(Clone, Debug)]
pub(super) struct AnsweredRequest {
    pub(super) operation: OperationLabel,
    /// When the request came.
    pub(super) started: Duration,
    /// What the full line has beside that; nothing where there is no such line.
    pub(super) details: Option<LineDetails>,
}

/// What only the full line of the request log has.
#[derive(Clone, Debug, Default)]
pub(super) struct LineDetails {
    pub(super) tenant: Option<TenantId>,
    /// The id of the user or group, which we have made.
    pub(super) resource: Option<String>,
    /// The number in the tenant's journal. Records of requests that changed nothing have none yet.
    pub(super) number: Option<u64>,
    pub(super) traceparent: Option<Traceparent>,
}

/// Whether anything is noted of requests.
pub(super) fn is_watched(settings: &Settings) -> bool {
    settings.metrics_secret.is_some() || settings.request_log != RequestLog::Off
}

impl Rollcall {
    /// What is known of a request by its head; nothing where nobody wants to know.
    pub(super) fn noted(&self, route: &Route, headers: &HeaderMap) -> Option<AnsweredRequest> {
        if !is_watched(&self.settings) {
            return None;
        }
        let details = (self.settings.request_log == RequestLog::Full).then(|| LineDetails {
            tenant: route.tenant().cloned(),
            traceparent: Traceparent::of(headers),
            ..LineDetails::default()
        });
        Some(AnsweredRequest {
            operation: OperationLabel::of_route(route),
            started: self.ports.clock.elapsed(),
            details,
        })
    }

    /// Counts an answer that goes out, and writes its line. What the answer itself says of its request is more than what is
    /// known by the head.
    pub(super) fn tell<B>(&self, known: Option<AnsweredRequest>, mut response: Response<B>) -> Response<B> {
        if !is_watched(&self.settings) {
            return response;
        }
        let tenant = known.as_ref().and_then(|known| known.details.as_ref()?.tenant.clone());
        let Some(mut noted) = response.extensions_mut().remove::<AnsweredRequest>().or(known) else {
            return response;
        };
        if let Some(details) = &mut noted.details {
            details.tenant = details.tenant.take().or(tenant);
        }
        let took_us = microseconds(self.ports.clock.elapsed().saturating_sub(noted.started));
        let outcome = RequestOutcome::of(response.status());
        self.watch.requests[noted.operation as usize][outcome as usize].count();
        self.watch.durations[noted.operation as usize].observe(took_us);
        if self.settings.request_log != RequestLog::Off {
            let id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
            self.ports.log.request(&line::of(self.ports.clock.now(), &noted, response.status(), took_us, id));
        }
        response
    }

    /// Answers a request whose body broke off before the core saw all of it, and tells of the request.
    pub fn broken_off(&self, head: &Parts) -> Response<Body> {
        let known = self.noted(&Route::of(head.uri.path()), &head.headers);
        self.tell(known, respond::broken_off(head.uri.path()))
    }

    /// Answers `/metrics`. Without a secret of its own the path is none of ours.
    pub(super) fn metrics(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let Some(secret) = &self.settings.metrics_secret else {
            return respond::empty(StatusCode::NOT_FOUND);
        };
        if let Some(response) = respond::unless_file_method(request.method()) {
            return response;
        }
        if !bearer(request.headers()).is_some_and(|presented| secret.is(presented)) {
            let message = "authorization: expected \"Bearer\" and the metrics secret";
            let mut response = respond::admin_error(StatusCode::UNAUTHORIZED, "unauthorized", message);
            respond::set(&mut response, WWW_AUTHENTICATE, "Bearer realm=\"metrics\"");
            return respond::to(request.method(), response);
        }
        let mut response = Response::new(self.exposition().into_bytes());
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        respond::to(request.method(), response)
    }

    fn exposition(&self) -> String {
        // Made here, so that an instance that nobody asks draws no randomness for it.
        let identity = self.watch.identity.get_or_init(|| {
            let mut bytes = [0; 8];
            self.ports.entropy.fill(&mut bytes);
            let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Identity { id, started: self.started }
        });
        let mut text = Exposition::of(&identity.id);
        text.process(identity.started);
        text.requests(&self.watch.requests);
        text.durations(&self.watch.durations);
        text.turns(&self.memory.turn_counts);
        text.store(&self.watch.store_calls);
        let (waiting, oldest) = self.recorder().lag();
        text.journal(waiting, oldest, &self.watch.lost_records);
        text.into_text()
    }
}

//! When a request came, and under which id it is known.

use crate::http::request_id;
use crate::ports::Ports;
use crate::trace::Traceparent;
use http::HeaderMap;
use jiff::Timestamp;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// When a request came, and by which id client and operator know it.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) request_id: String,
    pub(super) now: Timestamp,
    pub(super) started: Duration,
    pub(super) traceparent: Option<Traceparent>,
}

impl Arrival {
    /// The arrival of a request that comes now.
    pub(super) fn new(ports: &Ports, headers: &HeaderMap) -> Arrival {
        Arrival {
            request_id: request_id(ports),
            now: ports.clock.now(),
            started: ports.clock.elapsed(),
            traceparent: Traceparent::of(headers),
        }
    }

    /// A new arrival for one bulk operation, with the id and the trace of the bulk request.
    pub(super) fn of_operation(&self, ports: &Ports) -> Arrival {
        Arrival { now: ports.clock.now(), started: ports.clock.elapsed(), ..self.clone() }
    }

    /// A number that has no pattern from request to request: a digest of the request's random id.
    pub(super) fn sampling_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.request_id.hash(&mut hasher);
        hasher.finish()
    }
}

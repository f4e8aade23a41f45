//! The line that a request leaves in the error output.

use super::{AnsweredRequest, RequestOutcome};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

/// The members of a line, in their order. None of them holds what a caller made up: the trace is hexadecimal digits, and
/// everything else is ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestLine<'l> {
    time: Timestamp,
    operation: &'static str,
    outcome: &'static str,
    status: u16,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'l str>,
}

/// The line of a request, as JSON.
pub(super) fn of(
    time: Timestamp,
    noted: &AnsweredRequest,
    status: StatusCode,
    took_us: u64,
    id: Option<&str>,
) -> String {
    let details = noted.details.as_ref();
    crate::http::json_text(&RequestLine {
        time,
        operation: noted.operation.name(),
        outcome: RequestOutcome::of(status).name(),
        status: status.as_u16(),
        duration_us: took_us,
        request_id: id,
        tenant: details.and_then(|details| details.tenant.as_ref()).map(|tenant| tenant.as_str()),
        resource: details.and_then(|details| details.resource.as_deref()),
        number: details.and_then(|details| details.number),
        traceparent: details.and_then(|details| details.traceparent.as_ref()).map(|trace| trace.as_str()),
    })
}

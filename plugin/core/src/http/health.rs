//! `/healthz`: whether the service can be used, and `/readyz`: whether requests are to be sent here, for the probes of
//! whoever runs it. Neither needs a secret nor says one.

use super::respond::{self, admin_body, admin_error};
use super::route::{self, FILE_METHODS};
use crate::keys::Space;
use crate::ledger::{self, Ledger, capabilities};
use crate::ports::{Log, Store};
use crate::settings::SettingsError;
use crate::tenant::state::RegistryView;
use http::header::ALLOW;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use std::time::Duration;

/// The path of the probe of health.
pub const PATH: &str = "/healthz";

/// The path of the probe of readiness.
pub const READY_PATH: &str = "/readyz";

/// Answers 200 where the store answers a read, and otherwise 503. The settings could be used, or nobody would be here.
pub(super) fn answer(request: &Request<Vec<u8>>, store: &dyn Store, log: &dyn Log) -> Response<Vec<u8>> {
    if let Some(response) = without_reading(request.method()) {
        return response;
    }
    let response = match store.get(&Space::registry().head()) {
        Ok(_) => admin_body(StatusCode::OK, &json!({"status": "ok"})),
        Err(error) => {
            log.line(&format!("health: {error}"));
            unavailable()
        }
    };
    respond::to(request.method(), response)
}

/// How long the store may take to answer where requests are to be sent here. A call of the store cannot be broken off by
/// the component; the host ends a request that takes longer than it grants.
pub const READY_WITHIN: Duration = Duration::from_secs(5);

/// Answers 200 where requests are to be sent here: the store answers in time, was found fit to be written to or not tested
/// yet, and holds no data of a later version. Otherwise 503 and the sentence that says why not.
pub(super) fn ready(request: &Request<Vec<u8>>, ledger: Ledger<'_>) -> Response<Vec<u8>> {
    if let Some(response) = without_reading(request.method()) {
        return response;
    }
    let (clock, log) = (&ledger.ports.clock, &ledger.ports.log);
    let since = clock.elapsed();
    let read = RegistryView::new(ledger, Space::registry()).head().map(drop);
    let fit = read.and_then(|()| Ok(capabilities::last(ledger)?.and_then(|report| report.refusal())));
    let took = clock.elapsed().saturating_sub(since);
    let response = match fit {
        Ok(None) if took <= READY_WITHIN => admin_body(StatusCode::OK, &json!({"status": "ready"})),
        Ok(None) => {
            log.line(&format!("readiness: the store took {} ms", took.as_millis()));
            not_ready("store: expected an answer within 5 s, found one that took longer")
        }
        Ok(Some(refusal)) => {
            log.line(&format!("readiness: {refusal}"));
            not_ready(
                "store: expected one that can be written to, found one that its test refuses; see the store's report",
            )
        }
        Err(ledger::Error::Later(_)) => not_ready("data: expected the layout of this version, found a later one"),
        Err(error) => {
            log.line(&format!("readiness: {error:?}"));
            unavailable()
        }
    };
    respond::to(request.method(), response)
}

/// The answer to a method that reads nothing.
fn without_reading(method: &Method) -> Option<Response<Vec<u8>>> {
    if method == Method::OPTIONS {
        return Some(respond::options(FILE_METHODS));
    }
    if FILE_METHODS.contains(method) {
        return None;
    }
    let mut response = admin_error(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "method: expected GET, HEAD");
    respond::set(&mut response, ALLOW, &route::allow(FILE_METHODS));
    Some(response)
}

fn not_ready(message: &str) -> Response<Vec<u8>> {
    admin_error(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message)
}

/// What is answered where the settings cannot be used: at [`PATH`] and [`READY_PATH`] the sentence that says which
/// and why, at any other path that the operator has to look there.
pub fn misconfigured(method: &Method, path: &str, error: &SettingsError) -> Response<Vec<u8>> {
    let response = if [PATH, READY_PATH].contains(&path) {
        admin_error(StatusCode::SERVICE_UNAVAILABLE, "misconfigured", &error.to_string())
    } else {
        let message = "The service is not configured; its error output says why";
        admin_error(StatusCode::INTERNAL_SERVER_ERROR, "misconfigured", message)
    };
    respond::to(method, response)
}

/// What is answered where the store cannot be opened.
pub fn closed(method: &Method) -> Response<Vec<u8>> {
    respond::to(method, unavailable())
}

fn unavailable() -> Response<Vec<u8>> {
    let message = "service: the store did not answer; the error output says why";
    admin_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

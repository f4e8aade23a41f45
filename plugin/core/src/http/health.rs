//! `/healthz`: whether the service can be used, for the probes of whoever runs it. It needs no secret and says none.

use super::respond::{self, admin_body, admin_error};
use super::route::{self, FILE_METHODS};
use crate::keys::Space;
use crate::ports::{Log, Store};
use crate::settings::SettingsError;
use http::header::ALLOW;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

/// The path.
pub const PATH: &str = "/healthz";

/// Answers 200 where the store answers a read, and otherwise 503. The settings could be used, or nobody would be here.
pub(super) fn answer(request: &Request<Vec<u8>>, store: &dyn Store, log: &dyn Log) -> Response<Vec<u8>> {
    if request.method() == Method::OPTIONS {
        return respond::options(FILE_METHODS);
    }
    if !FILE_METHODS.contains(request.method()) {
        let mut response = admin_error(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "method: expected GET, HEAD");
        respond::set(&mut response, ALLOW, &route::allow(FILE_METHODS));
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

/// What is answered where the settings cannot be used: at [`PATH`] the sentence that says which and why, at any other path
/// that the operator has to look there.
pub fn misconfigured(method: &Method, path: &str, error: &SettingsError) -> Response<Vec<u8>> {
    let response = if path == PATH {
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

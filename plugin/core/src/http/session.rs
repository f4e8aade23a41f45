//! Signing in to the page: a signed cookie. The store keeps which sessions were signed out, and how often whom a wrong
//! secret was presented by, see [`sign_in_attempts`](super::sign_in_attempts).

use super::request_id;
use super::respond::{self, Problem, admin_body, admin_error};
use super::sign_in_attempts::{Client, SignInAttempts};
use crate::keys::Space;
use crate::ledger::{self, Ledger, Read as _};
use crate::settings::ADMIN_SECRET_BYTES_MAX;
use crate::tenant::registry;
use crate::tenant::state::RegistryView;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

const COOKIE_NAME: &str = "rollcall_session";

/// A working day; then the secret is asked for again.
const SESSION_HOURS: i64 = 12;

/// The body of a sign-in. It comes from anybody.
pub(super) const SIGN_IN_BYTES_MAX: usize = 4 * 1024;

// Every character of a secret may be escaped, `\u0000`.
const _: () = assert!(ADMIN_SECRET_BYTES_MAX * 3 < SIGN_IN_BYTES_MAX);

/// Who may use the page and the admin API.
#[derive(Clone, Copy)]
pub(super) struct Sessions<'r> {
    pub(super) ledger: Ledger<'r>,
    pub(super) sign_in_attempts: &'r SignInAttempts,
}

impl Sessions<'_> {
    /// Lets the caller in, or says why not.
    pub(super) fn admit(&self, request: &Request<Vec<u8>>) -> Result<(), Response<Vec<u8>>> {
        let headers = request.headers();
        if let Some(presented) = super::credentials::bearer(headers) {
            return self.check_secret(presented, headers);
        }
        if headers.contains_key(AUTHORIZATION) {
            return Err(unauthorized("authorization: expected \"Bearer\" and the admin secret"));
        }
        if self.session(headers).map_err(|error| self.failed(error))?.is_none() {
            return Err(unauthorized("authorization: sign in, or send \"Bearer\" and the admin secret"));
        }
        if *request.method() != Method::GET && !same_origin(request) {
            let message = "origin: a change with a session has to come from the page itself";
            return Err(admin_error(StatusCode::FORBIDDEN, "origin_mismatch", message));
        }
        Ok(())
    }

    /// `/session`: sign in, see until when, sign out.
    pub(super) fn answer(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        match *request.method() {
            Method::POST => self.sign_in(request),
            Method::DELETE => self.sign_out(request),
            _ => match self.session(request.headers()) {
                Ok(Some(session)) => admin_body(StatusCode::OK, &json!({"expiresAt": session.until})),
                Ok(None) => unauthorized("session: sign in"),
                Err(error) => self.failed(error),
            },
        }
    }

    fn sign_in(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        if request.headers().contains_key(ORIGIN) && !same_origin(request) {
            return admin_error(StatusCode::FORBIDDEN, "origin_mismatch", "origin: sign in from the page itself");
        }
        if request.body().len() > SIGN_IN_BYTES_MAX {
            let message = format!("body: expected at most {SIGN_IN_BYTES_MAX} bytes, found more");
            return admin_error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message);
        }
        let Ok(SignIn { secret }) = serde_json::from_slice(request.body()) else {
            return admin_error(StatusCode::BAD_REQUEST, "invalid_body", "body: expected {\"secret\": \"…\"}");
        };
        if let Err(refused) = self.check_secret(&secret, request.headers()) {
            return refused;
        }
        let now = self.ledger.ports.clock.now();
        let until = now.checked_add(SignedDuration::from_hours(SESSION_HOURS)).unwrap_or(now);
        let text = format!("{}.{}", until.as_second(), request_id(self.ledger.ports));
        let value = format!("{text}.{}", self.ledger.settings.secrets.sign(&text));
        let mut response = respond::empty(StatusCode::NO_CONTENT);
        respond::set(&mut response, SET_COOKIE, &cookie(request, &value, SESSION_HOURS * 3_600));
        response
    }

    /// Compares a secret, unless whoever presents it has presented too many wrong ones.
    fn check_secret(&self, presented: &str, headers: &HeaderMap) -> Result<(), Response<Vec<u8>>> {
        let client = Client::of(headers);
        let (store, log) = (&*self.ledger.ports.store, &*self.ledger.ports.log);
        let (minute, now) =
            (self.ledger.ports.clock.now().as_second().div_euclid(60), self.ledger.ports.clock.elapsed());
        if self.sign_in_attempts.is_over(&client, minute, now, store, log) {
            let message = "secret: too many wrong ones; try again in a minute";
            let mut response = admin_error(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message);
            respond::set(&mut response, RETRY_AFTER, "60");
            return Err(response);
        }
        if self.ledger.settings.secrets.is_admin(presented) {
            return Ok(());
        }
        self.sign_in_attempts.count(&client, minute, now, store, log);
        self.ledger.ports.log.line("sign-in: a wrong admin secret was presented");
        Err(admin_error(StatusCode::UNAUTHORIZED, "wrong_secret", "secret: this is not the admin secret"))
    }

    /// Ends a session for good: its cookie is remembered as signed out until it would have ended by itself.
    fn sign_out(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        if request.headers().contains_key(COOKIE) && !same_origin(request) {
            return admin_error(StatusCode::FORBIDDEN, "origin_mismatch", "origin: sign out from the page itself");
        }
        let signed_out = self.session(request.headers()).and_then(|session| match session {
            Some(session) => self.remember_signed_out(&session),
            None => Ok(()),
        });
        if let Err(error) = signed_out {
            return self.failed(error);
        }
        let mut response = respond::empty(StatusCode::NO_CONTENT);
        respond::set(&mut response, SET_COOKIE, &cookie(request, "", 0));
        response
    }

    fn failed(&self, error: ledger::Error) -> Response<Vec<u8>> {
        Problem::from(error).refusal(self.ledger.ports, &request_id(self.ledger.ports)).admin()
    }

    fn remember_signed_out(&self, session: &Session) -> Result<(), ledger::Error> {
        let key = Space::registry().signed_out();
        let now = self.ledger.ports.clock.now();
        let mut turn = registry::turn(self.ledger)?;
        let mut ended: Vec<Session> = turn.read(&key)?.unwrap_or_default();
        ended.retain(|other| now < other.until);
        ended.push(session.clone());
        turn.write(key, &ended);
        turn.commit()
    }

    /// The session of the request's cookie: signed by us, not over, not signed out. Whether it was signed out stands in
    /// the store; where that does not answer, it is not known, which is neither in nor out.
    fn session(&self, headers: &HeaderMap) -> Result<Option<Session>, ledger::Error> {
        let Some(session) = self.signed_session(headers) else {
            return Ok(None);
        };
        let registry = RegistryView::new(self.ledger, Space::registry());
        let ended: Option<Vec<Session>> = registry.read(&Space::registry().signed_out())?;
        Ok((!ended.unwrap_or_default().contains(&session)).then_some(session))
    }

    /// The session of the request's cookie as far as the cookie tells.
    fn signed_session(&self, headers: &HeaderMap) -> Option<Session> {
        let value = cookies(headers).find_map(|(name, value)| (name == COOKIE_NAME).then_some(value))?;
        let (text, signature) = value.rsplit_once('.')?;
        let (second, id) = text.split_once('.')?;
        let until = Timestamp::from_second(second.parse().ok()?).ok()?;
        let lasts = self.ledger.settings.secrets.signed(text, signature) && until > self.ledger.ports.clock.now();
        lasts.then(|| Session { id: id.to_owned(), until })
    }
}

/// What signs in.
#[derive(Deserialize)]
struct SignIn {
    secret: String,
}

/// A signed-in browser.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
struct Session {
    id: String,
    until: Timestamp,
}

fn unauthorized(message: &str) -> Response<Vec<u8>> {
    let mut response = admin_error(StatusCode::UNAUTHORIZED, "unauthorized", message);
    respond::set(&mut response, http::header::WWW_AUTHENTICATE, "Bearer realm=\"admin\"");
    response
}

fn cookie(request: &Request<Vec<u8>>, value: &str, seconds: i64) -> String {
    let secure = if scheme(request.uri(), request.headers()) == "https" { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

/// Whether the browser says that the request comes from the page that we serve.
fn same_origin(request: &Request<Vec<u8>>) -> bool {
    let Some(origin) = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    // The scheme is left out: behind a proxy that ends TLS we see http where the browser says https.
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == authority(request.uri(), request.headers())
}

/// The host and port that the client asked for.
pub(super) fn authority<'r>(uri: &'r http::Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| uri.authority().map(http::uri::Authority::as_str))
}

/// The scheme that the client used, as far as the proxies tell: the first of them has seen the client.
pub(super) fn scheme(uri: &http::Uri, headers: &HeaderMap) -> &'static str {
    let forwarded = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let first = forwarded.and_then(|schemes| schemes.split(',').next()).map(str::trim);
    match first.or_else(|| uri.scheme_str()) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        Some(_) | None => "http",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_the_first_of_those_that_proxies_name_in_any_case() {
        let scheme = |forwarded: Option<&str>, uri: &str| {
            let mut headers = HeaderMap::new();
            forwarded.map(|value| headers.insert("x-forwarded-proto", value.parse().unwrap()));
            super::scheme(&uri.parse().unwrap(), &headers)
        };
        for secure in ["https", "HTTPS", "Https", "https, http", "https,http", " https , http"] {
            assert_eq!(scheme(Some(secure), "http://a/"), "https", "{secure}");
        }
        for plain in ["http", "http, https", "", "httpsx", "x"] {
            assert_eq!(scheme(Some(plain), "http://a/"), "http", "{plain}");
        }
        assert_eq!(
            [scheme(None, "https://a/"), scheme(None, "HTTPS://a/"), scheme(None, "/")],
            ["https", "https", "http"]
        );
    }
}

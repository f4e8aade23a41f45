//! What the head of a request decides before any of its body is read: whether a body is wanted, and how much of it. Nobody
//! without a valid token or the admin secret makes us read or keep one, nor does a request to which a body means nothing.

use super::Rollcall;
use super::credentials::presented;
use super::route::{self, Admin, Door, Route};
use super::scim::Caller;
use crate::settings::LIMITS;
use http::request::Parts;
use http::{Method, Request, Response};

/// A request whose head was looked at.
pub struct Preflight {
    pub(super) route: Route,
    pub(super) known: KnownCaller,
    body_bytes_max: usize,
}

/// What the head led to, so that nothing of it is asked of the store twice.
pub(super) enum KnownCaller {
    /// Nothing was looked up.
    Nothing,
    /// Who calls below a tenant URL.
    Caller(Caller),
    /// Whether the admin API is open to the caller.
    Admin(Result<(), Response<Vec<u8>>>),
}

impl KnownCaller {
    /// Who calls below a tenant URL, where that was looked up.
    pub(super) fn caller(self) -> Option<Caller> {
        match self {
            KnownCaller::Caller(caller) => Some(caller),
            KnownCaller::Nothing | KnownCaller::Admin(_) => None,
        }
    }
}

impl Preflight {
    /// How many bytes of the body are to be read. With one more the request is refused as too large; with none it is to be
    /// answered without its body.
    pub fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }
}

impl Rollcall {
    /// Looks at the head of a request. [`Rollcall::begin_after`] goes on, with as much of the body as is wanted.
    pub fn preflight(&self, head: &Parts) -> Preflight {
        let route = Route::of(head.uri.path());
        let (known, body_bytes_max) = match &route {
            Route::Scim(Some(tenant)) if route::takes_body(&head.method, super::scim::below(head.uri.path())) => {
                match presented(&head.headers) {
                    Some(presented) => {
                        let caller = self.scim().caller(tenant, presented.token);
                        let max = if caller.is_known() { LIMITS.body_bytes_max } else { 0 };
                        (KnownCaller::Caller(caller), max)
                    }
                    None => (KnownCaller::Nothing, 0),
                }
            }
            Route::Admin(admin) => self.preflight_admin(admin, head),
            Route::Scim(_)
            | Route::Health
            | Route::Ready
            | Route::Metrics
            | Route::OpenApi
            | Route::Page(_)
            | Route::Nowhere => (KnownCaller::Nothing, 0),
        };
        Preflight { route, known, body_bytes_max }
    }

    fn preflight_admin(&self, admin: &Admin, head: &Parts) -> (KnownCaller, usize) {
        let reads = [Method::GET, Method::HEAD].contains(&head.method);
        if reads || route::check_method(&head.method, admin.methods()).is_err() {
            return (KnownCaller::Nothing, 0);
        }
        match admin.door() {
            Door::Open | Door::Metrics => (KnownCaller::Nothing, 0),
            Door::SignIn => (KnownCaller::Nothing, LIMITS.session_body_bytes_max),
            Door::Secret | Door::Token => {
                let admitted = self.sessions().admit(&Request::from_parts(head.clone(), Vec::new()));
                let max = if admitted.is_ok() { LIMITS.body_bytes_max } else { 0 };
                (KnownCaller::Admin(admitted), max)
            }
        }
    }
}

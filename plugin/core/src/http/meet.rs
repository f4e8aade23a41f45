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
pub struct Met {
    pub(super) route: Route,
    pub(super) known: Known,
    body_bytes_max: usize,
}

/// What the head led to, so that nothing of it is asked of the store twice.
pub(super) enum Known {
    /// Nothing was looked up.
    Nothing,
    /// Who calls below a tenant URL.
    Caller(Caller),
    /// Whether the admin API is open to the caller.
    Admin(Result<(), Response<Vec<u8>>>),
}

impl Known {
    /// Who calls below a tenant URL, where that was looked up.
    pub(super) fn caller(self) -> Option<Caller> {
        match self {
            Known::Caller(caller) => Some(caller),
            Known::Nothing | Known::Admin(_) => None,
        }
    }
}

impl Met {
    /// How many bytes of the body are to be read. With one more the request is refused as too large; with none it is to be
    /// answered without its body.
    pub fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }
}

impl Rollcall {
    /// Looks at the head of a request. [`Rollcall::begin_met`] goes on, with as much of the body as is wanted.
    pub fn meet(&self, head: &Parts) -> Met {
        let route = Route::of(head.uri.path());
        let (known, body_bytes_max) = match &route {
            Route::Scim(Some(tenant)) if route::takes_body(&head.method, super::scim::below(head.uri.path())) => {
                match presented(&head.headers) {
                    Some(presented) => {
                        let caller = self.scim().caller(tenant, presented.token);
                        let max = if caller.is_known() { LIMITS.body_bytes_max } else { 0 };
                        (Known::Caller(caller), max)
                    }
                    None => (Known::Nothing, 0),
                }
            }
            Route::Admin(admin) => self.meet_admin(admin, head),
            Route::Scim(_) | Route::Health | Route::OpenApi | Route::Page(_) | Route::Nowhere => (Known::Nothing, 0),
        };
        Met { route, known, body_bytes_max }
    }

    fn meet_admin(&self, admin: &Admin, head: &Parts) -> (Known, usize) {
        let reads = [Method::GET, Method::HEAD].contains(&head.method);
        if reads || route::check_method(&head.method, admin.methods()).is_err() {
            return (Known::Nothing, 0);
        }
        match admin.door() {
            Door::Open => (Known::Nothing, 0),
            Door::SignIn => (Known::Nothing, LIMITS.session_body_bytes_max),
            Door::Secret | Door::Token => {
                let admitted = self.sessions().admit(&Request::from_parts(head.clone(), Vec::new()));
                let max = if admitted.is_ok() { LIMITS.body_bytes_max } else { 0 };
                (Known::Admin(admitted), max)
            }
        }
    }
}

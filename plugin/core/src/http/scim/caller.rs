//! Who calls a tenant: from a token to the connection that it opens, or to a refusal.

use super::admitted::{Admitted, AuthorizationHeader, token_of};
use super::arrival::Arrival;
use super::span::Span;
use super::strangers::TenantLookup;
use super::{Answer, Provision, Scim, refused_event};
use crate::backup::import::Import;
use crate::connection::Connection;
use crate::http::respond::Problem;
use crate::keys::{Space, TenantId};
use crate::ledger::{self, Read};
use crate::scim::Mask;
use crate::secrets::Digest;
use crate::tenant::registry;
use crate::tenant::schemas::Types;
use crate::tenant::state::{TenantHead, TenantView};
use http::Response;
use jiff::Timestamp;
use std::rc::Rc;
use std::time::Duration;

/// Who calls below a tenant URL, as far as the token says.
pub(in crate::http) struct Caller {
    digest: Option<Digest>,
    now: Timestamp,
    seen: Result<StoredTenant, ledger::Error>,
}

/// What the store has of the tenant.
struct StoredTenant {
    /// The head of the tenant's space, where this instance has just met the space.
    head: Option<TenantHead>,
    found: TenantLookup,
}

impl Caller {
    /// Whether the token is one of the tenant.
    pub(in crate::http) fn is_known(&self) -> bool {
        let connection = match self.seen.as_ref().map(|seen| &seen.found) {
            Ok(TenantLookup::Connected(connection) | TenantLookup::BeingRestored(Some(connection))) => connection,
            Ok(TenantLookup::Unconnected | TenantLookup::BeingRestored(None) | TenantLookup::Nobody) | Err(_) => {
                return false;
            }
        };
        self.digest.as_ref().is_some_and(|digest| connection.token(digest, self.now).is_some())
    }
}

/// Why a caller is not let in.
pub(super) enum CallerRefusal {
    /// The tenant's journal shall not have the request.
    Unrecorded(Problem),
    /// The token is none of the tenant.
    Stranger,
}

impl Scim<'_> {
    /// Who calls a tenant with this token.
    pub(in crate::http) fn caller(&self, tenant: &TenantId, token: &str) -> Caller {
        self.caller_at(tenant, Some(token), self.ledger.ports.clock.elapsed(), self.ledger.ports.clock.now())
    }

    fn caller_at(&self, tenant: &TenantId, token: Option<&str>, started: Duration, now: Timestamp) -> Caller {
        let digest = token.map(Digest::of);
        let seen = (|| {
            let head = self.layouts.expect(self.ledger, Space::tenant(tenant))?;
            let found = self.find(tenant, digest.as_ref(), started, now)?;
            Ok(StoredTenant { head, found })
        })();
        Caller { digest, now, seen }
    }

    /// The caller whom the head of a request named, when the body has come. Meanwhile the token may have been ended: what
    /// this instance remembers knows that. The body of an unknown caller is not waited for, so nothing has passed.
    fn still(&self, tenant: &TenantId, mut caller: Caller, arrival: &Arrival) -> Caller {
        if let (true, Ok(seen)) = (caller.is_known(), &mut caller.seen) {
            match self.find(tenant, caller.digest.as_ref(), arrival.started, arrival.now) {
                Ok(found) => seen.found = found,
                Err(error) => caller.seen = Err(error),
            }
        }
        caller
    }

    /// What a tenant id names: as this instance has seen it a moment ago where the token fits that or too many come without
    /// one that does, otherwise as it is.
    pub(super) fn find(
        &self,
        tenant: &TenantId,
        presented: Option<&Digest>,
        started: Duration,
        now: Timestamp,
    ) -> Result<TenantLookup, ledger::Error> {
        let fits = |connection: &Connection| presented.is_some_and(|token| connection.token(token, now).is_some());
        if let Some(connection) = self.connections.find(tenant, started).filter(|connection| fits(connection)) {
            return Ok(TenantLookup::Connected(connection));
        }
        if let Some(found) = self.strangers.recall(tenant, started) {
            return Ok(found);
        }
        let view = &self.view(tenant);
        let found = match Connection::read(view)?.map(Rc::new) {
            Some(connection) => TenantLookup::Connected(connection),
            None if registry::read(self.ledger, tenant)?.is_none() => TenantLookup::Nobody,
            None => match Import::read(view)?.filter(Import::is_under_way) {
                Some(import) => TenantLookup::BeingRestored(import.into_connection().map(Rc::new)),
                None => TenantLookup::Unconnected,
            },
        };
        match &found {
            TenantLookup::Connected(connection) if fits(connection) => {
                self.connections.keep(tenant, started, connection)
            }
            TenantLookup::Connected(_)
            | TenantLookup::Unconnected
            | TenantLookup::BeingRestored(_)
            | TenantLookup::Nobody => {
                self.strangers.remember(tenant, started, &found);
            }
        }
        Ok(found)
    }

    /// Lets a caller with a valid token in, and answers any other one. The head of the tenant's space is there where this
    /// instance has just met the space.
    pub(super) fn admit(
        &self,
        view: &TenantView<'_>,
        request: &Provision<'_>,
        arrival: &Arrival,
        known: Option<Caller>,
    ) -> Result<(Admitted, Option<TenantHead>), Response<Vec<u8>>> {
        let caller = match known {
            Some(caller) => self.still(request.tenant, caller, arrival),
            None => self.caller_at(request.tenant, token_of(request.headers), arrival.started, arrival.now),
        };
        let StoredTenant { head, found } = match caller.seen {
            Ok(seen) => seen,
            Err(error) => return Err(self.recorder.unrecorded(arrival, &error.into())),
        };
        let header = AuthorizationHeader::of(request.headers);
        match self.admit_found(view, &found, caller.digest, header, arrival.now, || self.base(request)) {
            Ok(admitted) => Ok((admitted, head)),
            Err(CallerRefusal::Unrecorded(problem)) => Err(self.recorder.unrecorded(arrival, &problem)),
            Err(CallerRefusal::Stranger) => {
                let span = Span::of_stranger(request, arrival.clone());
                Err(self.refuse_stranger(view, span, &found, header))
            }
        }
    }

    /// Lets a caller in whose token is one of the connection that was found.
    pub(super) fn admit_found(
        &self,
        view: &impl Read,
        found: &TenantLookup,
        digest: Option<Digest>,
        header: AuthorizationHeader,
        now: Timestamp,
        base: impl FnOnce() -> String,
    ) -> Result<Admitted, CallerRefusal> {
        let Some(digest) = digest else {
            return Err(CallerRefusal::Stranger);
        };
        let fits = |connection: &Connection| {
            connection.token(&digest, now).is_some() && !(connection.strict && header == AuthorizationHeader::Misspelt)
        };
        let connection = match found {
            TenantLookup::Connected(connection) if fits(connection) => connection.clone(),
            // The journal of the tenant is the restored one, so what comes in meanwhile leaves no record.
            TenantLookup::BeingRestored(Some(connection)) if fits(connection) => {
                return Err(CallerRefusal::Unrecorded(Problem::BeingRestored));
            }
            TenantLookup::Connected(_)
            | TenantLookup::Unconnected
            | TenantLookup::BeingRestored(_)
            | TenantLookup::Nobody => {
                return Err(CallerRefusal::Stranger);
            }
        };
        let types = Types::of_connection(view, &connection).map_err(|error| CallerRefusal::Unrecorded(error.into()))?;
        Ok(Admitted::new(digest, connection, types, base()))
    }

    /// Refuses a request without a valid token, in the same words whatever the tenant is. An id that names none has no
    /// journal; a tenant's has the reason.
    pub(super) fn refuse_stranger(
        &self,
        view: &impl Read,
        mut span: Span<'_>,
        found: &TenantLookup,
        header: AuthorizationHeader,
    ) -> Response<Vec<u8>> {
        let presented = span.presented.as_deref();
        let (connection, why) = match found {
            TenantLookup::Connected(connection) => (Some(connection), why(connection, presented, header)),
            TenantLookup::Unconnected => (None, NOT_CONNECTED),
            TenantLookup::BeingRestored(_) | TenantLookup::Nobody => (None, NOT_A_TENANT),
        };
        let problem = unauthorized(why, presented);
        let folds = !self.strangers.has_record(&span.tenant, span.arrival.started);
        if matches!(found, TenantLookup::BeingRestored(_) | TenantLookup::Nobody)
            || folds && self.strangers.repeats(&span.tenant)
        {
            return self.recorder.unrecorded(&span.arrival, &problem);
        }
        let types = match connection.map(|connection| Types::of_connection(view, connection)).transpose() {
            Ok(types) => types,
            Err(error) => return self.recorder.unrecorded(&span.arrival, &error.into()),
        };
        let mask = &Mask::of(types.as_ref().unwrap_or(BUILT_IN).all());
        span.provider = connection.map(|connection| connection.provider().id);
        span.folds = folds;
        self.recorder.answer(mask, &span, Answer::refused(refused_event(), problem))
    }

    fn base(&self, request: &Provision<'_>) -> String {
        match (request.tenant_url, &self.ledger.settings.public_url) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(public)) => format!("{public}/scim/v2/{}", request.tenant),
            (None, None) => String::new(),
        }
    }
}

const BUILT_IN: &Types = &Types::built_in();

pub(super) const NOT_A_TENANT: &str = "authorization: no tenant has this URL";
const NOT_CONNECTED: &str = "authorization: no connection was set up; start the setup";

pub(super) fn unauthorized(why: &'static str, presented: Option<&str>) -> Problem {
    Problem::Unauthorized { why, presented: presented.is_some() }
}

/// What the journal says about a token: enough to find the mistake.
fn why(connection: &Connection, presented: Option<&str>, header: AuthorizationHeader) -> &'static str {
    match presented {
        None if header != AuthorizationHeader::Absent => {
            "authorization: expected one header with \"Bearer\" and the secret token, found something else"
        }
        None => "authorization: expected \"Bearer\" and the secret token, found none",
        Some(_) if connection.ended_at.is_some() => "authorization: this connection was ended; start the setup again",
        Some(_) if connection.strict && header == AuthorizationHeader::Misspelt => {
            "authorization: expected \"Bearer\" once and the secret token, which this connection takes by the letter"
        }
        Some(_) => "authorization: the token is not valid for this tenant URL",
    }
}

//! A SCIM request: authenticated, carried out, answered, and written into the journal.

mod body;
mod bulk;
mod change;
mod context;
mod cursor;
mod describe;
mod lane;
mod media;
mod read;
mod record;
mod strangers;
#[cfg(test)]
mod tests;

pub use lane::{Begun, Place, Progress, Waiting};
pub(super) use strangers::Strangers;

use super::Rollcall;
use super::credentials::presented;
use super::meet::{Known, takes_body};
use super::respond::{self, Problem, REQUEST_ID};
use super::route::{self, Scim};
use crate::backup::import::Import;
use crate::connection::Connection;
use crate::journal::Action;
use crate::keys::{Kind, Space, TenantId};
use crate::ledger;
use crate::scim::{Effort, Leniency, Mask, Parameters, Reading, discovery};
use crate::secrets::Digest;
use crate::settings::LIMITS;
use crate::tenant::registry;
use crate::tenant::schemas::Types;
use crate::tenant::state::{TenantHead, TenantView};
use body::Body;
use context::Context;
use describe::Event;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response};
use jiff::Timestamp;
use lane::{Arrival, Held, Lane};
use read::{discovered, no_groups, options};
use record::Span;
use std::rc::Rc;
use std::time::Duration;
use strangers::Found;

/// A SCIM request without its listener.
pub struct Provision<'r> {
    /// Whose users it is about.
    pub tenant: &'r TenantId,
    /// The tenant URL that the client used, for locations.
    pub tenant_url: Option<&'r str>,
    /// The HTTP method.
    pub method: &'r Method,
    /// The path below the tenant URL.
    pub path: &'r str,
    /// The query, without question mark.
    pub query: Option<&'r str>,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The body.
    pub body: &'r [u8],
}

/// Who calls below a tenant URL, as far as the token says.
pub(in crate::http) struct Caller {
    digest: Option<Digest>,
    now: Timestamp,
    seen: Result<Seen, ledger::Error>,
}

/// What the store has of the tenant.
struct Seen {
    /// Its head, where that has just been read.
    met: Option<TenantHead>,
    found: Found,
}

impl Caller {
    /// Whether the token is one of the tenant.
    pub(in crate::http) fn is_known(&self) -> bool {
        let connection = match self.seen.as_ref().map(|seen| &seen.found) {
            Ok(Found::Connected(connection) | Found::BeingRestored(Some(connection))) => connection,
            Ok(Found::Unconnected | Found::BeingRestored(None) | Found::Nobody) | Err(_) => return false,
        };
        self.digest.as_ref().is_some_and(|digest| connection.token(digest, self.now).is_some())
    }
}

/// An answer and how it came about.
struct Answer<'l, 'r> {
    response: Result<Response<Vec<u8>>, Problem>,
    event: Event,
    held: Held<'l, 'r>,
}

impl Answer<'_, '_> {
    fn refused(event: Event, problem: impl Into<Problem>) -> Self {
        Answer::without_turn(event, Err(problem.into()))
    }

    fn without_turn(event: Event, response: Result<Response<Vec<u8>>, Problem>) -> Self {
        Answer { response, event, held: Held::Nothing }
    }
}

impl Rollcall {
    /// Answers a request that came to a path below `/scim/v2/` which names no tenant.
    pub(super) fn without_tenant(&self, headers: &HeaderMap) -> Response<Vec<u8>> {
        self.unknown(&self.arrival(), unauthorized(NOT_A_TENANT, token_of(headers)))
    }

    fn over_http<'r>(
        &'r self,
        tenant: &TenantId,
        request: &Request<Vec<u8>>,
        arrival: &Arrival,
        lane: Lane<'_, 'r>,
        known: Known,
    ) -> Option<Response<Vec<u8>>> {
        let request = Provision {
            tenant,
            tenant_url: Some(&self.tenant_url(tenant, request.uri(), request.headers())),
            method: request.method(),
            path: below(request.uri().path()),
            query: request.uri().query(),
            headers: request.headers(),
            body: request.body(),
        };
        self.travel(&request, arrival, lane, known)
    }

    /// Answers a SCIM request and leaves its record.
    pub fn provision(&self, request: Provision<'_>) -> Response<Vec<u8>> {
        let answer = self.travel(&request, &self.arrival(), Lane::Own, Known::Nothing);
        respond::to(request.method, answer.expect("only who is ahead of a turn waits for one"))
    }

    /// The way of a request. Nothing where a change has to wait for a turn.
    fn travel<'r>(
        &'r self,
        request: &Provision<'_>,
        arrival: &Arrival,
        lane: Lane<'_, 'r>,
        known: Known,
    ) -> Option<Response<Vec<u8>>> {
        let view = self.view(request.tenant);
        let parameters = &Parameters::of(request.query);
        let credentials = presented(request.headers);
        let presented = credentials.map(|credentials| credentials.token);
        let (started, now) = (arrival.started, arrival.now);
        let caller = match known {
            Known::Caller(caller) => self.still(request.tenant, caller, started, now),
            Known::Nothing | Known::Admin(_) => self.caller_at(request.tenant, presented, started, now),
        };
        let digest = caller.digest;
        let (met, found) = match caller.seen {
            Ok(Seen { met, found }) => (met, found),
            Err(error) => return Some(self.unknown(arrival, error.into())),
        };
        let fits = |connection: &Connection| {
            digest.as_ref().is_some_and(|digest| connection.token(digest, arrival.now).is_some())
                && !(connection.strict && credentials.is_some_and(|credentials| credentials.is_misspelt))
        };
        let connection = match &found {
            Found::Connected(connection) if fits(connection) => connection.clone(),
            // Its journal is the restored one, so what comes in meanwhile leaves no record.
            Found::BeingRestored(Some(connection)) if fits(connection) => {
                return Some(self.unknown(arrival, Problem::BeingRestored));
            }
            Found::Connected(_) | Found::Unconnected | Found::BeingRestored(_) | Found::Nobody => {
                return Some(self.refuse_stranger(&view, request, parameters, arrival, &found));
            }
        };
        let types = match Types::of_connection(&view, &connection) {
            Ok(types) => types,
            Err(error) => return Some(self.unknown(arrival, error.into())),
        };
        let (types, mask) = (&types, &Mask::of(types.all()));
        let token = digest.as_ref().and_then(|digest| connection.token(digest, arrival.now));
        let provider = Some(connection.provider().id);
        // What nobody wants is neither read nor kept, whoever brought it.
        let reading = &Reading::of(connection.dialect());
        if credentials.is_some_and(|credentials| credentials.is_misspelt) {
            reading.note(Leniency::BearerSpelling, "authorization");
        }
        let wanted = takes_body(request.method, request.path);
        let body = if wanted { Body::sent(request.body, reading) } else { Body::NONE };
        let span = Span { request, body, parameters, arrival, presented, token, provider, mask, reading, folds: false };
        let answer = if lane.is_first() && !self.admits(&view, request.tenant, arrival, met) {
            if self.buffer.borrow_mut().repeats(request.tenant, arrival.now) {
                return Some(self.unknown(arrival, self.too_many()));
            }
            Answer::refused(refused_event(), self.too_many())
        } else {
            let base = self.base(request);
            let groups = connection.groups;
            // Which of the two it was counts for the record alone.
            let method = if request.method == Method::HEAD { &Method::GET } else { request.method };
            let request = &Provision { method, ..*request };
            let effort = &Effort::default();
            let context = Context { request, body, parameters, arrival, base, reading, types, mask, groups, effort };
            self.answer(&view, &context, &span, lane)
        };
        match answer.held {
            Held::Awaited => None,
            Held::Nothing | Held::Own(_) | Held::Shared(_) => Some(self.finish(span, answer)),
        }
    }

    /// Refuses a request without a valid token, in the same words whatever the tenant is. An id that names none has no
    /// journal; a tenant's has the reason.
    fn refuse_stranger(
        &self,
        view: &TenantView<'_>,
        request: &Provision<'_>,
        parameters: &Parameters<'_>,
        arrival: &Arrival,
        found: &Found,
    ) -> Response<Vec<u8>> {
        let (presented, tenant) = (token_of(request.headers), request.tenant);
        let (connection, why) = match found {
            Found::Connected(connection) => (Some(connection), why(connection, presented, request.headers)),
            Found::Unconnected => (None, NOT_CONNECTED),
            Found::BeingRestored(_) | Found::Nobody => (None, NOT_A_TENANT),
        };
        let problem = unauthorized(why, presented);
        let folds = !self.strangers.has_record(tenant, arrival.started);
        if matches!(found, Found::BeingRestored(_) | Found::Nobody) || folds && self.strangers.repeats(tenant) {
            return self.unknown(arrival, problem);
        }
        let types = match connection.map(|connection| Types::of_connection(view, connection)).transpose() {
            Ok(types) => types,
            Err(error) => return self.unknown(arrival, error.into()),
        };
        let mask = &Mask::of(types.as_ref().unwrap_or(BUILT_IN).all());
        let provider = connection.map(|connection| connection.provider().id);
        let body = Body::NONE;
        let reading = &Reading::strict();
        let span = Span { request, body, parameters, arrival, presented, token: None, provider, mask, reading, folds };
        self.finish(span, Answer::refused(refused_event(), problem))
    }

    /// Whether the tenant may send this request, see [`pace`](crate::pace). The head is there where it has just been read.
    fn admits(&self, view: &TenantView<'_>, tenant: &TenantId, arrival: &Arrival, met: Option<TenantHead>) -> bool {
        let Some(rate) = self.settings.requests_per_second else {
            return true;
        };
        // Without the head an instance counts for itself alone.
        let of = |head: &TenantHead| head.state.traffic.demand(arrival.now, rate);
        let demand = || met.as_ref().map_or_else(|| view.head().map_or(0, |head| of(&head)), of);
        let count = |requests: u64| {
            let sum = self.ports.store.increment(&Space::tenant(tenant).rush(), i64::try_from(requests).ok()?);
            u64::try_from(sum.ok()?).ok()
        };
        self.limiter.admits(tenant, rate, arrival.started, arrival.lot(), demand, count)
    }

    fn too_many(&self) -> Problem {
        Problem::TooMany { rate: self.settings.requests_per_second.unwrap_or_default() }
    }

    /// Who calls a tenant with this token.
    pub(in crate::http) fn caller(&self, tenant: &TenantId, token: &str) -> Caller {
        self.caller_at(tenant, Some(token), self.ports.clock.elapsed(), self.ports.clock.now())
    }

    fn caller_at(&self, tenant: &TenantId, token: Option<&str>, started: Duration, now: Timestamp) -> Caller {
        let digest = token.map(Digest::of);
        let seen = (|| {
            let met = self.prepare(Space::tenant(tenant))?;
            let found = self.find(tenant, digest.as_ref(), started, now)?;
            Ok(Seen { met, found })
        })();
        Caller { digest, now, seen }
    }

    /// The same caller when the body has come. Meanwhile the token may have been ended: what this instance remembers knows
    /// that. Of one who was unknown nothing came, so nothing has passed.
    fn still(&self, tenant: &TenantId, mut caller: Caller, started: Duration, now: Timestamp) -> Caller {
        if let (true, Ok(seen)) = (caller.is_known(), &mut caller.seen) {
            match self.find(tenant, caller.digest.as_ref(), started, now) {
                Ok(found) => seen.found = found,
                Err(error) => caller.seen = Err(error),
            }
        }
        caller
    }

    /// What a tenant id names: as this instance has seen it a moment ago where the token fits that or too many come without
    /// one that does, otherwise as it is.
    fn find(
        &self,
        tenant: &TenantId,
        presented: Option<&Digest>,
        started: Duration,
        now: Timestamp,
    ) -> Result<Found, ledger::Error> {
        let fits = |connection: &Connection| presented.is_some_and(|token| connection.token(token, now).is_some());
        if let Some(connection) = self.connections.find(tenant, started).filter(|connection| fits(connection)) {
            return Ok(Found::Connected(connection));
        }
        if let Some(found) = self.strangers.recall(tenant, started) {
            return Ok(found);
        }
        let view = &self.view(tenant);
        let found = match Connection::read(view)?.map(Rc::new) {
            Some(connection) => Found::Connected(connection),
            None if registry::read(self.ledger(), tenant)?.is_none() => Found::Nobody,
            None => match Import::read(view)?.filter(Import::is_under_way) {
                Some(import) => Found::BeingRestored(import.into_connection().map(Rc::new)),
                None => Found::Unconnected,
            },
        };
        match &found {
            Found::Connected(connection) if fits(connection) => self.connections.keep(tenant, started, connection),
            Found::Connected(_) | Found::Unconnected | Found::BeingRestored(_) | Found::Nobody => {
                self.strangers.remember(tenant, started, &found);
            }
        }
        Ok(found)
    }

    /// Routes, and reads what the route needs.
    fn answer<'l, 'r>(
        &'r self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        span: &Span<'_>,
        lane: Lane<'l, 'r>,
    ) -> Answer<'l, 'r> {
        let request = context.request;
        let route = route_of(request.path, context.reading);
        if request.method == Method::OPTIONS && !route.methods().is_empty() {
            return options(&route);
        }
        if let Err(misrouted) = route::check_method(request.method, route.methods()) {
            return Answer::refused(refused_event(), misrouted);
        }
        if context.body.len() > LIMITS.body_bytes_max && route == Scim::Bulk {
            // RFC 7644 §3.7.4: the answer names the limit.
            let detail = format!("maxPayloadSize: expected at most {} bytes, found more", LIMITS.body_bytes_max);
            return Answer::refused(refused_event(), Problem::TooMuch(detail));
        }
        if context.body.len() > LIMITS.body_bytes_max {
            return Answer::refused(refused_event(), Problem::TooLarge(LIMITS.body_bytes_max));
        }
        if let Some(coding) = respond::coding(request.headers).filter(|_| !context.body.is_empty()) {
            return Answer::refused(refused_event(), Problem::Coding(coding));
        }
        let base = &context.base;
        let served = &context.served();
        match route {
            Scim::Resources(Kind::Group) | Scim::Resource(Kind::Group, _) | Scim::Search(Some(Kind::Group))
                if !context.groups =>
            {
                no_groups(context, &route)
            }
            Scim::Resources(kind) if request.method == Method::GET => self.list(view, context, &[kind]),
            Scim::Resources(kind) => self.create(view, context, kind, lane),
            Scim::Resource(kind, id) if request.method == Method::GET => self.read(view, context, kind, &id),
            Scim::Resource(kind, id) => self.modify(view, context, kind, &id, lane),
            Scim::Me => Answer::refused(refused_event(), Problem::NotImplemented(NO_ME)),
            Scim::Bulk => self.bulk(view, context, span),
            Scim::Search(Some(kind)) => self.list(view, context, &[kind]),
            Scim::Root | Scim::Search(None) if context.groups => self.list(view, context, &Kind::ALL),
            Scim::Root | Scim::Search(None) => self.list(view, context, &[Kind::User]),
            Scim::ServiceProviderConfig => {
                discovered(context, "ServiceProviderConfig", Some(discovery::service_provider_config(base)))
            }
            Scim::ResourceTypes => discovered(context, "ResourceTypes", Some(discovery::resource_types(base, served))),
            Scim::ResourceType(name) => {
                discovered(context, "ResourceTypes", discovery::resource_type(base, served, &name))
            }
            Scim::Schemas => discovered(context, "Schemas", Some(discovery::schemas(base, served))),
            Scim::Schema(urn) => discovered(context, "Schemas", discovery::schema(base, served, &urn)),
            Scim::Nowhere => Answer::refused(refused_event(), route::Misrouted::NotFound),
        }
    }

    fn unknown(&self, arrival: &Arrival, problem: Problem) -> Response<Vec<u8>> {
        let mut response = problem.refusal(&self.ports, &arrival.request_id).scim();
        respond::set(&mut response, REQUEST_ID, &arrival.request_id);
        response
    }

    fn base(&self, request: &Provision<'_>) -> String {
        match (request.tenant_url, &self.settings.public_url) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(public)) => format!("{public}/scim/v2/{}", request.tenant),
            (None, None) => String::new(),
        }
    }
}

/// What of a path is below the tenant URL.
pub(in crate::http) fn below(path: &str) -> &str {
    path.match_indices('/').nth(3).and_then(|(place, _)| path.get(place..)).unwrap_or_default()
}

const BUILT_IN: &Types = &Types::built_in();

const NOT_A_TENANT: &str = "authorization: no tenant has this URL";
const NOT_CONNECTED: &str = "authorization: no connection was set up; start the setup";
const NO_ME: &str = "Me: a provisioning client has no user of its own";

fn unauthorized(why: &'static str, presented: Option<&str>) -> Problem {
    Problem::Unauthorized { why, presented: presented.is_some() }
}

/// What the journal says about a token: enough to find the mistake.
fn why(connection: &Connection, token: Option<&str>, headers: &HeaderMap) -> &'static str {
    match token {
        None if headers.contains_key(AUTHORIZATION) => {
            "authorization: expected one header with \"Bearer\" and the secret token, found something else"
        }
        None => "authorization: expected \"Bearer\" and the secret token, found none",
        Some(_) if connection.ended_at.is_some() => "authorization: this connection was ended; start the setup again",
        Some(_) if connection.strict && presented(headers).is_some_and(|credentials| credentials.is_misspelt) => {
            "authorization: expected \"Bearer\" once and the secret token, which this connection takes by the letter"
        }
        Some(_) => "authorization: the token is not valid for this tenant URL",
    }
}

/// Where a path leads. The strict dialect takes it as it is.
fn route_of(path: &str, reading: &Reading) -> Scim {
    let (route, spelling) = Scim::spelt(path);
    let reads = (!spelling.double_slash || reading.reads(Leniency::DoubleSlash, "path"))
        && (!spelling.letter_case || reading.reads(Leniency::PathCase, "path"));
    if reads { route } else { Scim::Nowhere }
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    presented(headers).map(|credentials| credentials.token)
}

fn refused_event() -> Event {
    Event { action: Some(Action::Refused), ..Event::default() }
}

//! A SCIM request: authenticated, carried out, answered, and written into the journal.

mod admitted;
mod apply;
mod arrival;
mod body;
mod bulk;
mod caller;
mod context;
mod cursor;
mod describe;
mod first_sight;
mod media;
mod pending;
mod prepare;
mod read;
mod record;
mod span;
mod strangers;
#[cfg(test)]
mod tests;

pub(super) use caller::Caller;
pub(super) use pending::WaitingValues;
pub use pending::{Begun, Progress, QueuePosition, WAITING_VALUES_MAX, Waiting};
pub(super) use record::Recorder;
pub(super) use strangers::Strangers;

use super::Layouts;
use super::respond::{self, Problem};
use super::route;
use super::self_repair::Turns;
use crate::connection::cache::Cache;
use crate::journal::Action;
use crate::keys::{Kind, Space, TenantId};
use crate::ledger::Ledger;
use crate::pace::Limiter;
use crate::scim::{Effort, Leniency, Reading, discovery};
use crate::settings::LIMITS;
use crate::tenant::state::{TenantHead, TenantView};
use admitted::token_of;
use arrival::Arrival;
use body::RequestBody;
use caller::{NOT_A_TENANT, unauthorized};
use context::Context;
use describe::Event;
use first_sight::FirstSight;
use http::{HeaderMap, Method, Response};
use prepare::ChangeTarget;
use read::{discovered, no_groups, options};
use span::Span;

/// The SCIM side of the application: what a request of a provisioning client needs.
#[derive(Clone, Copy)]
pub(super) struct Scim<'r> {
    pub(super) ledger: Ledger<'r>,
    pub(super) turns: Turns<'r>,
    pub(super) layouts: &'r Layouts,
    pub(super) connections: &'r Cache,
    pub(super) limiter: &'r Limiter,
    pub(super) strangers: &'r Strangers,
    pub(super) waiting_values: &'r WaitingValues,
    pub(super) recorder: Recorder<'r>,
}

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

impl<'r> Provision<'r> {
    /// The body where the request means anything by one. Any other body is neither read nor kept, whoever brought it.
    fn text(&self) -> &'r [u8] {
        if route::takes_body(self.method, self.path) { self.body } else { b"" }
    }
}

/// An answer and how it came about.
struct Answer {
    response: Result<Response<Vec<u8>>, Problem>,
    event: Event,
}

impl Answer {
    fn refused(event: Event, problem: impl Into<Problem>) -> Self {
        Answer { response: Err(problem.into()), event }
    }
}

impl<'r> Scim<'r> {
    /// Answers a request that came to a path below `/scim/v2/` which names no tenant.
    pub(super) fn without_tenant(&self, headers: &HeaderMap) -> Response<Vec<u8>> {
        let arrival = Arrival::new(self.ledger.ports, headers);
        self.recorder.unrecorded(&arrival, &unauthorized(NOT_A_TENANT, token_of(headers)))
    }

    /// Lets the caller in and answers the request, unless the request is a change that is due.
    fn process(&self, request: &Provision<'_>, arrival: Arrival, known: Option<Caller>) -> FirstSight {
        let view = self.view(request.tenant);
        let (admitted, head) = match self.admit(&view, request, &arrival, known) {
            Ok(admitted) => admitted,
            Err(response) => return FirstSight::Answered(response),
        };
        let is_too_many = !self.admits(&view, request.tenant, &arrival, head);
        if is_too_many && self.recorder.repeats(request.tenant, arrival.now) {
            return FirstSight::Answered(self.recorder.unrecorded(&arrival, &self.too_many()));
        }
        let span = Span::of(request, arrival, &admitted);
        let mask = admitted.mask();
        let refused = |problem| {
            FirstSight::Answered(self.recorder.answer(&mask, &span, Answer::refused(refused_event(), problem)))
        };
        if is_too_many {
            return refused(self.too_many());
        }
        let route = route_of(request.path, &span.reading);
        if request.method == Method::OPTIONS && !route.methods().is_empty() {
            return FirstSight::Answered(self.recorder.answer(&mask, &span, options(&route)));
        }
        if let Err(problem) = expect_readable(request, &span.body, &route) {
            return refused(problem);
        }
        if let Some(target) = ChangeTarget::of(&route, request.method) {
            return match target.expect_served(&admitted) {
                Ok(()) => {
                    drop(mask);
                    self.look_at(&view, request, admitted, span, &target)
                }
                Err(problem) => refused(problem),
            };
        }
        let effort = &Effort::default();
        let context = Context { admitted: &admitted, span: &span, mask: &mask, effort };
        let answer = self.answer(&view, &context, request, &route);
        FirstSight::Answered(self.recorder.answer(&mask, &span, answer))
    }

    /// Whether the tenant may send this request, see [`pace`](crate::pace). `head` is there only where this instance has
    /// just met the space.
    fn admits(&self, view: &TenantView<'_>, tenant: &TenantId, arrival: &Arrival, head: Option<TenantHead>) -> bool {
        let Some(rate) = self.ledger.settings.requests_per_second else {
            return true;
        };
        // Without the head an instance counts for itself alone.
        let of = |head: &TenantHead| head.state.traffic.demand(arrival.now, rate);
        let demand = || head.as_ref().map_or_else(|| view.head().map_or(0, |head| of(&head)), of);
        let count = |requests: u64| {
            let sum = self.ledger.ports.store.increment(&Space::tenant(tenant).rush(), i64::try_from(requests).ok()?);
            u64::try_from(sum.ok()?).ok()
        };
        self.limiter.admits(tenant, rate, arrival.started, arrival.sampling_hash(), demand, count)
    }

    fn too_many(&self) -> Problem {
        Problem::TooMany { rate: self.ledger.settings.requests_per_second.unwrap_or_default() }
    }

    /// Answers a request that is no change of one resource.
    fn answer(
        &self,
        view: &TenantView<'_>,
        context: &Context<'_>,
        request: &Provision<'_>,
        route: &route::ScimRoute,
    ) -> Answer {
        let admitted = context.admitted;
        let (base, served) = (&admitted.base, &admitted.served());
        match route {
            route::ScimRoute::Resources(Kind::Group)
            | route::ScimRoute::Resource(Kind::Group, _)
            | route::ScimRoute::Search(Some(Kind::Group))
                if !admitted.groups() =>
            {
                no_groups(context, request, route)
            }
            route::ScimRoute::Resources(kind) | route::ScimRoute::Search(Some(kind)) => {
                self.list(view, context, request, &[*kind])
            }
            route::ScimRoute::Resource(kind, id) => self.read(view, context, request, *kind, id),
            route::ScimRoute::Me => Answer::refused(refused_event(), Problem::NotImplemented(NO_ME)),
            route::ScimRoute::Bulk => self.bulk(view, context, request),
            route::ScimRoute::Root | route::ScimRoute::Search(None) if admitted.groups() => {
                self.list(view, context, request, &Kind::ALL)
            }
            route::ScimRoute::Root | route::ScimRoute::Search(None) => self.list(view, context, request, &[Kind::User]),
            route::ScimRoute::ServiceProviderConfig => {
                discovered(context, "ServiceProviderConfig", Some(discovery::service_provider_config(base)))
            }
            route::ScimRoute::ResourceTypes => {
                discovered(context, "ResourceTypes", Some(discovery::resource_types(base, served)))
            }
            route::ScimRoute::ResourceType(name) => {
                discovered(context, "ResourceTypes", discovery::resource_type(base, served, name))
            }
            route::ScimRoute::Schemas => discovered(context, "Schemas", Some(discovery::schemas(base, served))),
            route::ScimRoute::Schema(urn) => discovered(context, "Schemas", discovery::schema(base, served, urn)),
            route::ScimRoute::Nowhere => Answer::refused(refused_event(), route::Misrouted::NotFound),
        }
    }

    fn view(&self, tenant: &TenantId) -> TenantView<'r> {
        TenantView::new(self.ledger, Space::tenant(tenant))
    }
}

/// Refuses a request by its method, by how long its body is, or by how the body is packed: before the body is read.
fn expect_readable(request: &Provision<'_>, body: &RequestBody<'_>, route: &route::ScimRoute) -> Result<(), Problem> {
    route::check_method(request.method, route.methods())?;
    if body.len() > LIMITS.body_bytes_max && *route == route::ScimRoute::Bulk {
        // RFC 7644 §3.7.4: the answer names the limit.
        let detail = format!("maxPayloadSize: expected at most {} bytes, found more", LIMITS.body_bytes_max);
        return Err(Problem::TooMuch(detail));
    }
    if body.len() > LIMITS.body_bytes_max {
        return Err(Problem::TooLarge(LIMITS.body_bytes_max));
    }
    match respond::coding(request.headers).filter(|_| !body.is_empty()) {
        Some(coding) => Err(Problem::Coding(coding)),
        None => Ok(()),
    }
}

/// What of a path is below the tenant URL.
pub(in crate::http) fn below(path: &str) -> &str {
    path.match_indices('/').nth(3).and_then(|(place, _)| path.get(place..)).unwrap_or_default()
}

const NO_ME: &str = "Me: a provisioning client has no user of its own";

/// Where a path candidates. The strict dialect takes it as it is.
fn route_of(path: &str, reading: &Reading) -> route::ScimRoute {
    let (route, spelling) = route::ScimRoute::spelt(path);
    let reads = (!spelling.double_slash || reading.reads(Leniency::DoubleSlash, "path"))
        && (!spelling.letter_case || reading.reads(Leniency::PathCase, "path"));
    if reads { route } else { route::ScimRoute::Nowhere }
}

fn refused_event() -> Event {
    Event { action: Some(Action::Refused), ..Event::default() }
}

//! A SCIM request: authenticated, carried out, answered, and written into the journal.

use super::respond::{self, Problem, REQUEST_ID};
use super::route::{self, Scim};
use super::{Rollcall, dialect_of};
use crate::connection::{Connection, Token};
use crate::directory::{self, Change, Document, IfMatch, Member, Plan, Relations, Sieve, Wanted};
use crate::journal::{self, Action, Entry, GroupSubject, Outcome, Record, Subject};
use crate::ledger::{Read, Turn, View};
use crate::scim::filter::Lookup;
use crate::scim::{
    self, BoundFilter, Dialect, ListQuery, PatchRequest, Projection, Resource, ResourceBody, ResourceType, diff,
    discovery, mask, messages,
};
use crate::settings::LIMITS;
use crate::space::{Kind, Space, TenantId};
use crate::tenant;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

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

/// What a request came to, beside its answer.
#[derive(Default)]
struct Event {
    action: Option<Action>,
    operation: String,
    subject: Option<Subject>,
    group: Option<GroupSubject>,
    changed: bool,
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
}

impl Event {
    fn of(action: Action, operation: String) -> Event {
        Event { action: Some(action), operation, ..Event::default() }
    }

    /// Whether the request set out to read.
    fn reads(&self, method: &Method) -> bool {
        match self.action {
            Some(Action::Read | Action::Match | Action::Probe | Action::List | Action::Discover) => true,
            Some(
                Action::Create
                | Action::Update
                | Action::Rename
                | Action::Disable
                | Action::Enable
                | Action::Delete
                | Action::Refused,
            )
            | None => method == Method::GET,
        }
    }

    /// Whom it is about.
    fn about(&mut self, kind: Kind, resource: &Resource) {
        let (id, name) = (resource.id.clone(), name_of(kind, resource).to_owned());
        match kind {
            Kind::User => self.subject = Some(Subject { id, user_name: name }),
            Kind::Group => self.group = Some(GroupSubject { id, display_name: name }),
        }
    }
}

/// An answer and how it came about.
struct Answer<'a> {
    response: Result<Response<Vec<u8>>, Problem>,
    event: Event,
    /// The turn in which the answer was made; the record is committed with it.
    turn: Option<Turn<'a>>,
}

impl Answer<'_> {
    fn refused(event: Event, problem: impl Into<Problem>) -> Self {
        Answer { response: Err(problem.into()), event, turn: None }
    }
}

/// What every step of one request needs to know.
struct Context<'r> {
    request: &'r Provision<'r>,
    base: String,
    now: Timestamp,
    dialect: Dialect,
    /// Whether the connection synchronises groups.
    groups: bool,
}

impl Rollcall {
    /// Answers a request that came to a path below `/scim/v2/`.
    pub(super) fn over_http(&self, tenant: Option<&TenantId>, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let Some(tenant) = tenant else {
            let id = self.request_id();
            return Problem::Unauthorized(NOT_A_TENANT).refusal(&self.ports, &id).scim();
        };
        let path = request.uri().path();
        let below = path.splitn(5, '/').nth(4).map_or_else(String::new, |rest| format!("/{rest}"));
        self.provision(Provision {
            tenant,
            tenant_url: Some(&self.tenant_url(tenant, request.uri(), request.headers())),
            method: request.method(),
            path: &below,
            query: request.uri().query(),
            headers: request.headers(),
            body: request.body(),
        })
    }

    /// Answers a SCIM request and leaves its record.
    pub fn provision(&self, request: Provision<'_>) -> Response<Vec<u8>> {
        let started = self.ports.clock.elapsed();
        let now = self.ports.clock.now();
        let request_id = self.request_id();
        let view = self.view(request.tenant);
        let connection = match Connection::read(&view) {
            Ok(Some(connection)) => connection,
            Ok(None) => return self.unknown(&request_id, Problem::Unauthorized(NOT_A_TENANT)),
            Err(error) => return self.unknown(&request_id, error.into()),
        };
        let presented = bearer(request.headers);
        let token = presented.and_then(|presented| connection.token(presented, now));
        let answer = match token {
            Some(_) => {
                let dialect = dialect_of(&connection.identity_provider);
                let base = self.base(&request);
                self.answer(&view, &Context { request: &request, base, now, dialect, groups: connection.groups })
            }
            None => Answer::refused(refused_event(), Problem::Unauthorized(why(&connection, presented))),
        };
        let span = Span { request: &request, request_id, now, started, presented, token };
        self.finish(span, answer)
    }

    /// Routes, and reads what the route needs.
    fn answer<'a>(&'a self, view: &View<'_>, context: &Context<'_>) -> Answer<'a> {
        let request = context.request;
        let route = Scim::of(request.path);
        if let Err(misrouted) = route::check_method(request.method, route.methods()) {
            return Answer::refused(refused_event(), misrouted);
        }
        if request.body.len() > LIMITS.body_bytes_max {
            return Answer::refused(refused_event(), Problem::TooLarge(LIMITS.body_bytes_max));
        }
        let base = &context.base;
        let served = if context.groups { ALL_TYPES } else { USERS_ONLY };
        match route {
            Scim::Resources(Kind::Group) | Scim::Resource(Kind::Group, _) if !context.groups => {
                no_groups(context, &route)
            }
            Scim::Resources(kind) if request.method == Method::GET => self.list(view, context, kind),
            Scim::Resources(kind) => self.create(view, context, kind),
            Scim::Resource(kind, id) if request.method == Method::GET => self.read(view, context, kind, &id),
            Scim::Resource(kind, id) => self.modify(view, context, kind, &id),
            Scim::Me => Answer::refused(refused_event(), Problem::NotImplemented(NO_ME)),
            Scim::Bulk => Answer::refused(refused_event(), Problem::NotImplemented(NO_BULK)),
            Scim::Search(_) => Answer::refused(refused_event(), Problem::NotImplemented(NO_SEARCH)),
            Scim::ServiceProviderConfig => {
                discovered("ServiceProviderConfig", Some(discovery::service_provider_config(base)))
            }
            Scim::ResourceTypes => discovered("ResourceTypes", Some(discovery::resource_types(base, served))),
            Scim::ResourceType(name) => discovered("ResourceTypes", discovery::resource_type(base, served, &name)),
            Scim::Schemas => discovered("Schemas", Some(discovery::schemas(base, served))),
            Scim::Schema(urn) => discovered("Schemas", discovery::schema(base, served, &urn)),
            Scim::Nowhere => Answer::refused(refused_event(), route::Misrouted::NotFound),
        }
    }

    /// RFC 7644 §3.4.2.
    fn list<'a>(&'a self, view: &View<'_>, context: &Context<'_>, kind: Kind) -> Answer<'a> {
        let of = kind.resource_type();
        let mut event = Event::of(Action::List, format!("list {}s", kind.noun()));
        let listed = (|| {
            let query = ListQuery::parse(context.request.query.unwrap_or_default())?;
            let filter = query.filter.as_deref().map(|text| BoundFilter::parse(text, of)).transpose()?;
            let lookup = filter.as_ref().and_then(BoundFilter::lookup);
            let skip = query.start_index - 1;
            let sieve = filter.as_ref().map(|filter| Sieve { filter, base: &context.base });
            let found = directory::search(view, kind, sieve.as_ref(), skip, query.count)?;
            describe_query(&mut event, kind, lookup.as_ref(), query.filter.as_deref(), &found);
            let projection = query.projection(of);
            let mut relations = Relations::new(view, &context.base);
            let render = |document: &Document| context.render(&mut relations, kind, document, &projection);
            let resources = found.documents.iter().map(render).collect::<Result<_, Problem>>()?;
            Ok(messages::list_response(found.total, query.start_index, resources))
        })();
        Answer { response: listed.map(|document| respond::scim_body(StatusCode::OK, &document)), event, turn: None }
    }

    /// RFC 7644 §3.4.1.
    fn read<'a>(&'a self, view: &View<'_>, context: &Context<'_>, kind: Kind, id: &str) -> Answer<'a> {
        let noun = kind.noun();
        let mut event = Event::of(Action::Read, format!("read {noun} {id}"));
        let read = (|| {
            let projection = context.projection(kind)?;
            let document = directory::get(view, kind, id)?;
            let resource = &document.resource;
            event.about(kind, resource);
            event.operation = format!("read {noun} {}", name_of(kind, resource));
            let version = resource.meta.version();
            if tags(context.request.headers, IF_NONE_MATCH).is_some_and(|tags| has(&tags, &version)) {
                return Err(Problem::NotModified(version));
            }
            let rendered = context.render(&mut Relations::new(view, &context.base), kind, &document, &projection)?;
            Ok(context.with_tag(respond::scim_body(StatusCode::OK, &rendered), kind, resource))
        })();
        Answer { response: read, event, turn: None }
    }

    /// RFC 7644 §3.3.
    fn create<'a>(&'a self, view: &View<'_>, context: &Context<'_>, kind: Kind) -> Answer<'a> {
        let of = kind.resource_type();
        let mut event = Event::of(Action::Create, format!("create {}", kind.noun()));
        let change = (|| {
            let body = context.json_object()?;
            // A create that is refused shall still say in the journal whom it was about.
            if let Some(name) = body.get(of.naming).and_then(Value::as_str) {
                event.operation = format!("create {} {}", kind.noun(), cap(name));
            }
            let body = ResourceBody::parse(of, &body, &context.dialect)?;
            Ok(Change::Create { id: self.new_id(), body })
        })();
        self.change(view, context, kind, event, change)
    }

    /// RFC 7644 §3.5.1, §3.5.2, §3.6.
    fn modify<'a>(&'a self, view: &View<'_>, context: &Context<'_>, kind: Kind, id: &str) -> Answer<'a> {
        let (id, of, noun) = (id.to_owned(), kind.resource_type(), kind.noun());
        let (action, words) = match *context.request.method {
            Method::DELETE => (Action::Delete, "delete"),
            _ => (Action::Update, "update"),
        };
        let mut event = Event::of(action, format!("{words} {noun} {id}"));
        // A request that is refused shall still say in the journal whom it was about.
        if let Ok(document) = directory::get(view, kind, &id) {
            event.about(kind, &document.resource);
            event.operation = format!("{words} {noun} {}", name_of(kind, &document.resource));
        }
        let change = (|| {
            let dialect = &context.dialect;
            Ok(match *context.request.method {
                Method::DELETE => Change::Delete { id },
                Method::PUT => Change::Replace { id, body: ResourceBody::parse(of, &context.json_object()?, dialect)? },
                _ => {
                    Change::Patch { id, request: PatchRequest::parse(&Value::Object(context.json_object()?), dialect)? }
                }
            })
        })();
        self.change(view, context, kind, event, change)
    }

    /// Plans the change on what is there now; where that leads to a write, plans it again within a turn and stages it.
    fn change<'a>(
        &'a self,
        view: &View<'_>,
        context: &Context<'_>,
        kind: Kind,
        mut event: Event,
        change: Result<Change, Problem>,
    ) -> Answer<'a> {
        let prepared = change.and_then(|change| {
            let projection = context.projection(kind)?;
            let if_match = tags(context.request.headers, IF_MATCH);
            let plan = directory::plan(view, kind, &change, &if_match, &context.dialect, context.now)?;
            Ok((projection, change, if_match, plan))
        });
        let (projection, change, if_match, plan) = match prepared {
            Ok(prepared) => prepared,
            Err(problem) => return Answer::refused(event, problem),
        };
        if !plan.changes() {
            describe_change(&mut event, &plan);
            return Answer { response: context.changed(view, &plan, &projection), event, turn: None };
        }
        let space = Space::tenant(context.request.tenant);
        let mut turn = match Turn::take(&self.ports, &self.settings, space) {
            Ok(turn) => turn,
            Err(error) => return Answer::refused(event, error),
        };
        let staged = (|| {
            let plan = directory::plan(&turn, kind, &change, &if_match, &context.dialect, context.now)?;
            self.seat(context, &turn, &plan)?;
            directory::carry_out(&mut turn, &plan)?;
            Ok(plan)
        })();
        match staged {
            Ok(plan) => {
                describe_change(&mut event, &plan);
                Answer { response: context.changed(&turn, &plan, &projection), event, turn: Some(turn) }
            }
            Err(problem) => Answer { response: Err(problem), event, turn: Some(turn) },
        }
    }

    /// Refuses a user more than the tenant has seats for.
    fn seat(&self, context: &Context<'_>, turn: &Turn<'_>, plan: &Plan) -> Result<(), Problem> {
        if !plan.takes_seat() {
            return Ok(());
        }
        let tenant = tenant::read(&self.ports, &self.settings, context.request.tenant)?;
        match tenant.and_then(|tenant| tenant.seats) {
            Some(seats) if turn.head.active >= seats => {
                Err(directory::Error::NoSeat { used: turn.head.active, seats }.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the response of the answer and writes the record: with the change, or into the buffer.
    fn finish(&self, span: Span<'_>, answer: Answer<'_>) -> Response<Vec<u8>> {
        let Answer { response, mut event, turn } = answer;
        let (response, refusal) = match response {
            Ok(response) => (response, None),
            Err(problem) => {
                let refusal = problem.refusal(&self.ports, &span.request_id);
                (refusal.scim(), Some(refusal))
            }
        };
        event.changed &= refusal.is_none();
        let entry = self.entry(&span, &event, &response, refusal.as_ref());
        let mut response = response;
        match turn {
            None => self.keep(span.request.tenant, entry),
            Some(turn) => {
                if let Err(problem) = self.commit(turn, &span, entry, event.changed) {
                    let refusal = problem.refusal(&self.ports, &span.request_id);
                    event.changed = false;
                    response = refusal.scim();
                    let entry = self.entry(&span, &event, &response, Some(&refusal));
                    self.keep(span.request.tenant, entry);
                }
            }
        }
        respond::set(&mut response, REQUEST_ID, &span.request_id);
        response
    }

    /// Commits what was staged, with the record and whatever else waits for this tenant. A refused change leaves nothing
    /// but its record.
    fn commit(&self, mut turn: Turn<'_>, span: &Span<'_>, entry: Entry, changed: bool) -> Result<(), Problem> {
        if !changed {
            turn.undo()?;
        }
        let waiting = self.buffer.borrow_mut().take(span.request.tenant);
        journal::append(&mut turn, waiting.into_iter().chain([entry]));
        Ok(turn.commit()?)
    }

    fn keep(&self, tenant: &TenantId, entry: Entry) {
        let full = self.buffer.borrow_mut().push(tenant, entry);
        if full {
            self.flush();
        }
    }

    fn unknown(&self, request_id: &str, problem: Problem) -> Response<Vec<u8>> {
        let mut response = problem.refusal(&self.ports, request_id).scim();
        respond::set(&mut response, REQUEST_ID, request_id);
        response
    }

    fn base(&self, request: &Provision<'_>) -> String {
        match (request.tenant_url, &self.settings.public_url) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(public)) => format!("{public}/scim/v2/{}", request.tenant),
            (None, None) => String::new(),
        }
    }

    fn entry(
        &self,
        span: &Span<'_>,
        event: &Event,
        response: &Response<Vec<u8>>,
        refusal: Option<&respond::Refusal>,
    ) -> Entry {
        let request = span.request;
        let status = response.status();
        let success = status.is_success() || status == StatusCode::NOT_MODIFIED;
        let scrub = |text: &str| scrub(text, span.presented);
        let bodies = self.settings.journal_bodies;
        let took = self.ports.clock.elapsed().saturating_sub(span.started);
        let record = Record {
            number: 0,
            time: span.now,
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            method: request.method.as_str().to_owned(),
            path: scrub(request.path),
            query: request.query.map(|query| scrub(&mask::query(query))),
            operation: scrub(&operation(event, refusal)),
            action: event.action.unwrap_or(Action::Refused),
            kind: if event.reads(request.method) { journal::Kind::Read } else { journal::Kind::Change },
            outcome: if success { Outcome::Success } else { Outcome::Failure },
            status: status.as_u16(),
            scim_type: refusal.and_then(|refusal| refusal.scim_type).map(str::to_owned),
            detail: refusal.map(|refusal| scrub(&refusal.detail)),
            changed: event.changed,
            user: event.subject.clone(),
            group: event.group.clone(),
            token: span.presented.map(hint),
            request_id: span.request_id.clone(),
            request_body: bodies.then(|| body_text(request.body)).flatten().map(|text| scrub(&text)),
            response_body: bodies.then(|| body_text(response.body())).flatten().map(|text| scrub(&text)),
            before: event.before.clone(),
            after: event.after.clone(),
        };
        Entry { record, token_id: span.token.map(|token| token.id.clone()) }
    }
}

/// What the record needs of the request.
struct Span<'r> {
    request: &'r Provision<'r>,
    request_id: String,
    now: Timestamp,
    started: Duration,
    presented: Option<&'r str>,
    token: Option<&'r Token>,
}

impl Context<'_> {
    fn location(&self, kind: Kind, resource: &Resource) -> String {
        format!("{}{}/{}", self.base, kind.resource_type().endpoint, resource.id)
    }

    fn render<V: Read>(
        &self,
        relations: &mut Relations<'_, V>,
        kind: Kind,
        document: &Document,
        projection: &Projection,
    ) -> Result<Map<String, Value>, Problem> {
        let wanted = if self.groups && projection.has_relation() { Wanted::Whole } else { Wanted::Nothing };
        let resource = relations.complete(kind, document, &wanted)?;
        Ok(projection.apply(resource.to_json(kind.resource_type(), Some(&self.location(kind, &resource)))))
    }

    fn projection(&self, kind: Kind) -> Result<Projection, Problem> {
        Ok(ListQuery::parse(self.request.query.unwrap_or_default())?.projection(kind.resource_type()))
    }

    fn with_tag(&self, mut response: Response<Vec<u8>>, kind: Kind, resource: &Resource) -> Response<Vec<u8>> {
        respond::set(&mut response, ETAG, &resource.meta.version());
        respond::set(&mut response, LOCATION, &self.location(kind, resource));
        response
    }

    /// RFC 7644 §3.3: 201 with the resource and its location. §3.5: 200 with the resource, which Entra needs on PATCH of a
    /// user; on PATCH of a group 204, unless the client says which attributes it wants, since nobody shall pay for members
    /// that are not asked for. §3.6: 204.
    fn changed<V: Read>(&self, view: &V, plan: &Plan, projection: &Projection) -> Result<Response<Vec<u8>>, Problem> {
        let (kind, Some(after)) = (plan.kind, &plan.after) else {
            return Ok(respond::empty(StatusCode::NO_CONTENT));
        };
        if kind == Kind::Group && self.request.method == Method::PATCH && !projection.is_chosen() {
            return Ok(self.with_tag(respond::empty(StatusCode::NO_CONTENT), kind, after));
        }
        let status = if plan.before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
        let document = match &plan.before {
            Some(before) if !plan.changes() => before.clone(),
            Some(_) | None => directory::get(view, kind, &after.id)?,
        };
        let rendered = self.render(&mut Relations::new(view, &self.base), kind, &document, projection)?;
        Ok(self.with_tag(respond::scim_body(status, &rendered), kind, after))
    }

    /// The body as a JSON object.
    fn json_object(&self) -> Result<Map<String, Value>, Problem> {
        let media = self.request.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let essence = media.as_deref().map(|media| media.split(';').next().unwrap_or_default().trim());
        // RFC 7644 §3.1 asks for application/scim+json and permits application/json; Entra's older jobs send the latter.
        let json = |essence: &str| {
            essence.eq_ignore_ascii_case("application/scim+json") || essence.eq_ignore_ascii_case("application/json")
        };
        if !essence.is_some_and(json) {
            let found = essence.map_or_else(|| "none".to_owned(), |found| format!("{:?}", cap(found)));
            return Err(Problem::MediaType(found));
        }
        match serde_json::from_slice(self.request.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(other) => {
                Err(scim::Error::syntax(format!("body: expected a JSON object, found {}", kind(&other))).into())
            }
            Err(error) => Err(scim::Error::syntax(format!(
                "body: expected JSON, found something else at line {}, column {}: {}",
                error.line(),
                error.column(),
                category(&error)
            ))
            .into()),
        }
    }
}

const USERS_ONLY: &[&ResourceType] = &[ResourceType::user()];
const ALL_TYPES: &[&ResourceType] = &[ResourceType::user(), ResourceType::group()];

const NOT_A_TENANT: &str = "authorization: this tenant URL or its token is not valid here";
const NO_GROUPS: &str =
    "Groups: this connection synchronises no groups; disable group provisioning at the identity provider";
const NO_ME: &str = "Me: a provisioning client has no user of its own";
const NO_BULK: &str = "Bulk: not supported; ServiceProviderConfig says so";
const NO_SEARCH: &str = ".search: not supported; use GET with a filter";

/// What the provider is told about its token: enough to find the mistake, nothing about what would be right.
fn why(connection: &Connection, presented: Option<&str>) -> &'static str {
    match presented {
        None => "authorization: expected \"Bearer\" and the secret token, found none",
        Some(_) if connection.ended_at.is_some() => "authorization: this connection was ended; start the setup again",
        Some(_) => "authorization: the token is not valid for this tenant URL",
    }
}

/// RFC 6750 §2.1; the scheme compares without case.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The last four characters of a token that is long enough to keep its secret all the same.
fn hint(token: &str) -> String {
    let count = token.chars().count();
    if count < 16 {
        return "…".to_owned();
    }
    token.chars().skip(count - 4).collect()
}

/// The entity tags of a condition, RFC 9110 §13.1; nothing where the header is absent.
fn tags(headers: &HeaderMap, name: http::HeaderName) -> IfMatch {
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().unwrap_or_default();
        tags.extend(value.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
    }
    (!tags.is_empty()).then_some(tags)
}

/// RFC 9110 §13.1.2 compares weakly, and our tags are all weak.
fn has(tags: &[String], version: &str) -> bool {
    tags.iter().any(|tag| tag == "*" || tag == version)
}

fn refused_event() -> Event {
    Event { action: Some(Action::Refused), ..Event::default() }
}

/// What is answered about groups where the connection synchronises none.
fn no_groups<'a>(context: &Context<'_>, route: &Scim) -> Answer<'a> {
    if context.request.method != Method::GET {
        return Answer::refused(refused_event(), Problem::NotImplemented(NO_GROUPS));
    }
    if matches!(route, Scim::Resource(..)) {
        let detail = "Groups: this connection synchronises no groups".to_owned();
        return Answer::refused(Event::of(Action::Read, "read group".to_owned()), Problem::NotFound(detail));
    }
    // Entra's connection test looks for a random group even where groups are off; anything but an empty list fails it.
    let event = Event::of(Action::List, "list groups".to_owned());
    let listed = ListQuery::parse(context.request.query.unwrap_or_default())
        .and_then(|query| {
            query.filter.as_deref().map(|text| BoundFilter::parse(text, ResourceType::group())).transpose()?;
            Ok(messages::list_response(0, query.start_index, Vec::new()))
        })
        .map(|document| respond::scim_body(StatusCode::OK, &document))
        .map_err(Problem::from);
    Answer { response: listed, event, turn: None }
}

fn discovered<'a>(what: &str, document: Option<Value>) -> Answer<'a> {
    let event = Event { action: Some(Action::Discover), operation: format!("discover {what}"), ..Event::default() };
    let response = document
        .map(|document| respond::scim_body(StatusCode::OK, &document))
        .ok_or_else(|| Problem::NotFound(format!("{what}: nothing of this name is served")));
    Answer { response, event, turn: None }
}

/// Says what a query was for. Providers look for a resource by a unique attribute before they create or change it, and
/// Entra tests the connection by looking for one whose name is a random GUID.
fn describe_query(
    event: &mut Event,
    kind: Kind,
    lookup: Option<&Lookup>,
    filter: Option<&str>,
    found: &directory::Found,
) {
    let noun = kind.noun();
    match (lookup, filter) {
        (Some(Lookup::Name(name)), _) if found.total == 0 && is_guid(name) => {
            event.action = Some(Action::Probe);
            event.operation = "test connection".to_owned();
        }
        (Some(_), Some(filter)) => {
            event.action = Some(Action::Match);
            event.operation = format!("look up {noun} by {}", cap(filter));
            if let [only] = found.documents.as_slice() {
                event.about(kind, &only.resource);
            }
        }
        (None, Some(filter)) => event.operation = format!("list {noun}s where {}", cap(filter)),
        (_, None) => {}
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Says what a change did.
fn describe_change(event: &mut Event, plan: &Plan) {
    let (kind, noun) = (plan.kind, plan.kind.noun());
    let before = plan.before.as_ref().map(|document| &document.resource);
    let after = plan.after.as_ref();
    event.changed = plan.changes();
    if let Some(resource) = after.or(before) {
        event.about(kind, resource);
    }
    let (mut old, mut new) = diff(before, after);
    let (action, operation) = match (before, after) {
        (None, Some(after)) => (Action::Create, format!("create {noun} {}{}", name_of(kind, after), joined(plan))),
        (Some(before), None) => (Action::Delete, format!("delete {noun} {}", name_of(kind, before))),
        (Some(_), Some(after)) if !plan.changes() => {
            (Action::Update, format!("leave {noun} {} as it is", name_of(kind, after)))
        }
        (Some(_), Some(after)) if old.is_empty() && new.is_empty() => (Action::Update, member_words(plan, after)),
        (Some(before), Some(after)) => {
            let (action, words) = changed_words(kind, before, after, &new, &old);
            (action, words + &joined(plan))
        }
        (None, None) => return,
    };
    event.action = Some(action);
    event.operation = operation;
    if event.changed {
        let removed: Vec<&Member> = plan.members.removed.iter().map(|(_, member)| member).collect();
        name_members(&mut old, &removed);
        name_members(&mut new, &plan.members.added.iter().collect::<Vec<_>>());
        event.before = (!old.is_empty()).then_some(old);
        event.after = (!new.is_empty()).then_some(new);
    }
}

/// Members in one record beyond which it only says how many there were.
const MEMBERS_NAMED_MAX: usize = 20;

/// Members that went, or came, beside the attributes that differ.
fn name_members(attributes: &mut Map<String, Value>, members: &[&Member]) {
    if (1..=MEMBERS_NAMED_MAX).contains(&members.len()) {
        let named = members.iter().map(|member| json!({"value": member.id, "type": member.kind.resource_type().name}));
        attributes.insert("members".to_owned(), named.collect());
    }
}

/// What a change did to a group's members, behind what else it did.
fn joined(plan: &Plan) -> String {
    let (added, removed) = (plan.members.added.len(), plan.members.removed.len());
    match (added, removed) {
        (0, 0) => String::new(),
        (added, 0) => format!(" with {} added", members(added)),
        (0, removed) => format!(" with {} removed", members(removed)),
        (added, removed) => format!(" with {} added and {removed} removed", members(added)),
    }
}

fn member_words(plan: &Plan, group: &Resource) -> String {
    let name = name_of(plan.kind, group);
    match (plan.members.added.len(), plan.members.removed.len()) {
        (added, 0) => format!("add {} to group {name}", members(added)),
        (0, removed) => format!("remove {} from group {name}", members(removed)),
        (added, removed) => format!("add {} to group {name} and remove {removed}", members(added)),
    }
}

fn members(count: usize) -> String {
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}

fn changed_words(
    kind: Kind,
    before: &Resource,
    after: &Resource,
    new: &Map<String, Value>,
    old: &Map<String, Value>,
) -> (Action, String) {
    let (of, noun) = (kind.resource_type(), kind.noun());
    let renamed = before.name(of) != after.name(of);
    let name = if renamed {
        format!("{} to {}", name_of(kind, before), name_of(kind, after))
    } else {
        name_of(kind, after).to_owned()
    };
    match (before.active(), after.active()) {
        (true, false) if renamed => (Action::Disable, format!("disable {noun} and rename {name}")),
        (false, true) if renamed => (Action::Enable, format!("enable {noun} and rename {name}")),
        (true, false) => (Action::Disable, format!("disable {noun} {name}")),
        (false, true) => (Action::Enable, format!("enable {noun} {name}")),
        _ if renamed => (Action::Rename, format!("rename {noun} {name}")),
        _ => {
            let mut names: Vec<&str> = old.keys().chain(new.keys()).map(|name| short(name)).collect();
            names.sort_unstable();
            names.dedup();
            (Action::Update, format!("update {noun} {name} ({})", names.join(", ")))
        }
    }
}

/// An attribute without the URN of its extension.
fn short(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

fn operation(event: &Event, refusal: Option<&respond::Refusal>) -> String {
    match (refusal, event.operation.as_str()) {
        (Some(refusal), "") => format!("refused: {}", refusal.detail),
        (_, words) => words.to_owned(),
    }
}

fn name_of(kind: Kind, resource: &Resource) -> &str {
    resource.name(kind.resource_type()).unwrap_or_default()
}

/// A body for the journal: masked by the schema, cut. What is not JSON is not kept, since nothing could mask it.
fn body_text(body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    Some(match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            mask::secrets(ResourceType::user(), &mut value);
            journal::cut(&value.to_string())
        }
        Err(_) => format!("[{} bytes that are not JSON]", body.len()),
    })
}

/// Takes the presented token out of a text, wherever the client may have put it.
fn scrub(text: &str, presented: Option<&str>) -> String {
    match presented {
        Some(token) if token.len() >= 8 => text.replace(token, "***"),
        Some(_) | None => text.to_owned(),
    }
}

fn cap(text: &str) -> String {
    text.chars().take(200).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// serde's own messages quote the text that they found, which may be a secret.
fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "the text ends too early",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax => "it is not well-formed",
        serde_json::error::Category::Data => "it is not of the expected shape",
    }
}

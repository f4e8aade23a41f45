//! A SCIM request: authenticated, carried out, answered, and written into the journal.

use super::respond::{self, Problem, REQUEST_ID};
use super::route::{self, Scim};
use super::{Rollcall, dialect_of};
use crate::connection::{Connection, TOKEN_PREFIX, Token};
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
            | None => method.is_safe(),
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
            return Problem::Unauthorized { detail: NOT_A_TENANT, presented: true }.refusal(&self.ports, &id).scim();
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
        let presented = bearer(request.headers);
        let connection = match Connection::read(&view) {
            Ok(Some(connection)) => connection,
            Ok(None) => {
                let problem = Problem::Unauthorized { detail: NOT_A_TENANT, presented: presented.is_some() };
                // A tenant whose setup was never started has a journal all the same; an id that names none has nothing.
                if !matches!(tenant::read(&self.ports, &self.settings, request.tenant), Ok(Some(_))) {
                    return self.unknown(&request_id, problem);
                }
                let span = Span { request: &request, request_id, now, started, presented, token: None };
                return self.finish(span, Answer::refused(refused_event(), problem));
            }
            Err(error) => return self.unknown(&request_id, error.into()),
        };
        let token = presented.and_then(|presented| connection.token(presented, now));
        let answer = match token {
            Some(_) => {
                let dialect = dialect_of(&connection.identity_provider);
                let base = self.base(&request);
                self.answer(&view, &Context { request: &request, base, now, dialect, groups: connection.groups })
            }
            None => Answer::refused(
                refused_event(),
                Problem::Unauthorized { detail: why(&connection, presented), presented: presented.is_some() },
            ),
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
            Scim::Resources(Kind::Group) | Scim::Resource(Kind::Group, _) | Scim::Search(Some(Kind::Group))
                if !context.groups =>
            {
                no_groups(context, &route)
            }
            Scim::Resources(kind) if request.method == Method::GET => self.list(view, context, &[kind]),
            Scim::Resources(kind) => self.create(view, context, kind),
            Scim::Resource(kind, id) if request.method == Method::GET => self.read(view, context, kind, &id),
            Scim::Resource(kind, id) => self.modify(view, context, kind, &id),
            Scim::Me => Answer::refused(refused_event(), Problem::NotImplemented(NO_ME)),
            Scim::Bulk => Answer::refused(refused_event(), Problem::NotImplemented(NO_BULK)),
            Scim::Search(Some(kind)) => self.list(view, context, &[kind]),
            Scim::Search(None) if context.groups => self.list(view, context, &Kind::ALL),
            Scim::Search(None) => self.list(view, context, &[Kind::User]),
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

    /// RFC 7644 §3.4.2 and §3.4.3; of several kinds, §3.4.2.1.
    fn list<'a>(&'a self, view: &View<'_>, context: &Context<'_>, kinds: &[Kind]) -> Answer<'a> {
        let noun = if let [kind] = kinds { kind.noun() } else { "resource" };
        let mut event = Event::of(Action::List, format!("list {noun}s"));
        let listed = (|| {
            let query = context.query()?;
            let filters = filters(&query, kinds)?;
            let lookup = if let [(_, Some(filter))] = filters.as_slice() { filter.lookup() } else { None };
            let queries = queries(context, &query, &filters)?;
            let found = directory::search(view, &queries, query.descending, query.start_index - 1, query.count)?;
            describe_query(&mut event, noun, lookup.as_ref(), query.filter.as_deref(), &found);
            let mut relations = Relations::new(view, &context.base);
            let render = |(kind, document): &(Kind, Document)| {
                context.render(&mut relations, *kind, document, &query.projection(kind.resource_type()))
            };
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
            if let Some(tags) = tags(context.request.headers, IF_MATCH)
                && !directory::names_version(&tags, &version)
            {
                return Err(directory::Error::Stale { expected: tags.join(", "), found: version }.into());
            }
            if context.has_already(&version) {
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
            context.check_unwanted(&plan)?;
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
            context.check_unwanted(&plan)?;
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
        let lost = waiting.len();
        journal::append(&mut turn, waiting.into_iter().chain([entry]));
        turn.commit().map_err(|error| {
            if lost > 0 {
                self.ports.log.line(&format!("journal: {lost} records of reads are lost: {error:?}"));
            }
            Problem::from(error)
        })
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
        let kept = |text: &str| journal::cut(&scrub(text));
        let values = |values: &Option<Map<String, Value>>| values.as_ref().map(|values| noted(values, scrub));
        let subject = |user: &Subject| Subject { id: user.id.clone(), user_name: scrub(&user.user_name) };
        let group =
            |group: &GroupSubject| GroupSubject { id: group.id.clone(), display_name: scrub(&group.display_name) };
        let bodies = self.settings.journal_bodies;
        let took = self.ports.clock.elapsed().saturating_sub(span.started);
        let record = Record {
            number: 0,
            time: span.now,
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            method: journal::cut(request.method.as_str()),
            path: kept(request.path),
            query: request.query.map(|query| kept(&mask::query(query))),
            operation: kept(&operation(event, refusal)),
            action: event.action.unwrap_or(Action::Refused),
            kind: if event.reads(request.method) { journal::Kind::Read } else { journal::Kind::Change },
            outcome: if success { Outcome::Success } else { Outcome::Failure },
            status: status.as_u16(),
            scim_type: refusal.and_then(|refusal| refusal.scim_type).map(str::to_owned),
            detail: refusal.map(|refusal| kept(&mask::words(&refusal.detail))).filter(|detail| !detail.is_empty()),
            changed: event.changed,
            user: event.subject.as_ref().map(subject),
            group: event.group.as_ref().map(group),
            token: span.presented.map(hint),
            request_id: span.request_id.clone(),
            request_body: bodies.then(|| body_text(request.body)).flatten().map(|text| kept(&text)),
            response_body: bodies.then(|| body_text(response.body())).flatten().map(|text| kept(&text)),
            before: values(&event.before),
            after: values(&event.after),
            repeats: 0,
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

    /// What a list is asked for: in the URL, or in the body of a search.
    fn query(&self) -> Result<ListQuery, Problem> {
        Ok(if self.request.method == Method::POST {
            ListQuery::parse_body(&self.json_object()?, &self.dialect)?
        } else {
            ListQuery::parse(self.request.query.unwrap_or_default())?
        })
    }

    fn projection(&self, kind: Kind) -> Result<Projection, Problem> {
        Ok(ListQuery::parse(self.request.query.unwrap_or_default())?.projection(kind.resource_type()))
    }

    /// Whether `If-None-Match` names this version.
    fn has_already(&self, version: &str) -> bool {
        tags(self.request.headers, IF_NONE_MATCH).is_some_and(|tags| directory::names_version(&tags, version))
    }

    /// RFC 9110 §13.1.2: a change of a version that the client does not want to meet is refused. A create meets none: it
    /// is sent to the collection, which has no version.
    fn check_unwanted(&self, plan: &Plan) -> Result<(), Problem> {
        match plan.before.as_ref().map(|document| document.resource.meta.version()) {
            Some(version) if self.has_already(&version) => Err(Problem::Unwanted(version)),
            Some(_) | None => Ok(()),
        }
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
const NO_FILTER: &str = "filter: not applied here; what is served is served whole";

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

/// The entity tags of a condition, RFC 9110 §13.1; nothing where the header is absent. One that cannot be read is there
/// all the same: it names no version.
fn tags(headers: &HeaderMap, name: http::HeaderName) -> IfMatch {
    let found = headers.contains_key(&name);
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().unwrap_or_default();
        tags.extend(value.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
    }
    found.then_some(tags)
}

fn refused_event() -> Event {
    Event { action: Some(Action::Refused), ..Event::default() }
}

/// What is answered about groups where the connection synchronises none.
fn no_groups<'a>(context: &Context<'_>, route: &Scim) -> Answer<'a> {
    let searched = matches!(route, Scim::Search(_));
    if context.request.method != Method::GET && !searched {
        return Answer::refused(refused_event(), Problem::NotImplemented(NO_GROUPS));
    }
    if matches!(route, Scim::Resource(..)) {
        let detail = "Groups: this connection synchronises no groups".to_owned();
        return Answer::refused(Event::of(Action::Read, "read group".to_owned()), Problem::NotFound(detail));
    }
    // Entra's connection test looks for a random group even where groups are off; anything but an empty list fails it.
    let event = Event::of(Action::List, "list groups".to_owned());
    let listed = context
        .query()
        .and_then(|query| {
            query.filter.as_deref().map(|text| BoundFilter::parse(text, ResourceType::group())).transpose()?;
            Ok(messages::list_response(0, query.start_index, Vec::new()))
        })
        .map(|document| respond::scim_body(StatusCode::OK, &document));
    Answer { response: listed, event, turn: None }
}

/// The filter bound to each kind. RFC 7644 §3.4.2.1: of several kinds, one that does not know an attribute has no match.
fn filters(query: &ListQuery, kinds: &[Kind]) -> Result<Vec<(Kind, Option<BoundFilter>)>, Problem> {
    let Some(text) = query.filter.as_deref() else {
        return Ok(kinds.iter().map(|kind| (*kind, None)).collect());
    };
    let mut filters = Vec::new();
    let mut refused = None;
    for kind in kinds {
        match BoundFilter::parse(text, kind.resource_type()) {
            Ok(filter) => filters.push((*kind, Some(filter))),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        Some(error) if filters.is_empty() => Err(error.into()),
        Some(_) | None => Ok(filters),
    }
}

/// The same of the order: resources of a kind that does not know the attribute have no value to sort by.
fn queries<'f>(
    context: &'f Context<'_>,
    query: &ListQuery,
    filters: &'f [(Kind, Option<BoundFilter>)],
) -> Result<Vec<directory::Query<'f>>, Problem> {
    let sorts: Vec<_> = filters.iter().map(|(kind, _)| query.sort(kind.resource_type())).collect();
    if let Some(Err(error)) = sorts.first()
        && sorts.iter().all(Result::is_err)
    {
        return Err(error.clone().into());
    }
    let mut queries = Vec::new();
    for ((kind, filter), sort) in filters.iter().zip(sorts) {
        let sieve = filter.as_ref().map(|filter| Sieve { filter, base: &context.base });
        queries.push(directory::Query { kind: *kind, sieve, sort: sort.unwrap_or_default() });
    }
    Ok(queries)
}

fn discovered<'a>(context: &Context<'_>, what: &str, document: Option<Value>) -> Answer<'a> {
    let event = Event { action: Some(Action::Discover), operation: format!("discover {what}"), ..Event::default() };
    // RFC 7644 §4: a client must not take the whole for what its filter let through.
    let query = ListQuery::parse(context.request.query.unwrap_or_default());
    if query.is_ok_and(|query| query.filter.is_some()) {
        return Answer::refused(event, Problem::Forbidden(NO_FILTER));
    }
    let response = document
        .map(|document| respond::scim_body(StatusCode::OK, &document))
        .ok_or_else(|| Problem::NotFound(format!("{what}: nothing of this name is served")));
    Answer { response, event, turn: None }
}

/// Says what a query was for. Providers look for a resource by a unique attribute before they create or change it, and
/// Entra tests the connection by looking for one whose name is a random GUID.
fn describe_query(
    event: &mut Event,
    noun: &str,
    lookup: Option<&Lookup>,
    filter: Option<&str>,
    found: &directory::Found,
) {
    match (lookup, filter) {
        (Some(Lookup::Name(name)), _) if found.total == 0 && is_guid(name) => {
            event.action = Some(Action::Probe);
            event.operation = "test connection".to_owned();
        }
        (Some(_), Some(filter)) => {
            event.action = Some(Action::Match);
            event.operation = format!("look up {noun} by {}", cap(&mask::words(filter)));
            if let [(kind, only)] = found.documents.as_slice() {
                event.about(*kind, &only.resource);
            }
        }
        (None, Some(filter)) => event.operation = format!("list {noun}s where {}", cap(&mask::words(filter))),
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
        (Some(refusal), "") => format!("refused: {}", mask::words(&refusal.detail)),
        (_, words) => words.to_owned(),
    }
}

fn name_of(kind: Kind, resource: &Resource) -> &str {
    resource.name(kind.resource_type()).unwrap_or_default()
}

/// A body for the journal, masked by the schema. What is not JSON is not kept, since nothing could mask it.
fn body_text(body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    Some(match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            mask::secrets(ResourceType::user(), &mut value);
            value.to_string()
        }
        Err(_) => format!("[{} bytes that are not JSON]", body.len()),
    })
}

/// Takes the presented token out of a text, and whatever else looks like one of ours, wherever the client may have put
/// it.
fn scrub(text: &str, presented: Option<&str>) -> String {
    let text = match presented {
        Some(token) if token.len() >= 8 => text.replace(token, "***"),
        Some(_) | None => text.to_owned(),
    };
    let mut parts = text.split(TOKEN_PREFIX);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(part.len());
        // Shorter ones tell too little of a token, and are more likely a name.
        let (stands, rest) = if end < 8 { (TOKEN_PREFIX, part) } else { ("***", &part[end..]) };
        clean.push_str(stands);
        clean.push_str(rest);
    }
    clean
}

/// Attributes for the journal: without tokens, and long ones cut, so that a record stays far below what a store takes.
fn noted(values: &Map<String, Value>, scrub: impl Fn(&str) -> String) -> Map<String, Value> {
    let note = |value: &Value| {
        let text = value.to_string();
        let clean = scrub(&text);
        if clean.len() > LIMITS.journal_value_bytes_max {
            Value::String(journal::cut_at(&clean, LIMITS.journal_value_bytes_max))
        } else if clean == text {
            value.clone()
        } else {
            serde_json::from_str(&clean).unwrap_or(Value::String(clean))
        }
    };
    values.iter().map(|(name, value)| (name.clone(), note(value))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;
    use crate::journal::REFUSALS_AN_HOUR;
    use crate::ports::{Clock, Entropy, Log, Ports, Store, StoreError};
    use crate::settings::Settings;
    use serde_json::json;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

    impl Store for Memory {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(self.0.borrow().get(key).cloned())
        }

        fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
            self.0.borrow_mut().extend(pairs.iter().cloned());
            Ok(())
        }

        fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
            self.0.borrow_mut().retain(|key, _| !keys.contains(key));
            Ok(())
        }

        fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
            let mut data = self.0.borrow_mut();
            let before = data.get(key).map_or(0, |bytes| String::from_utf8_lossy(bytes).parse().unwrap());
            data.insert(key.to_owned(), (before + delta).to_string().into_bytes());
            Ok(before + delta)
        }

        fn list_keys(&self) -> Result<Vec<String>, StoreError> {
            Ok(self.0.borrow().keys().cloned().collect())
        }
    }

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            "2026-11-24T09:00:00Z".parse().unwrap()
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        fn pause(&self, _: Duration) {}
    }

    #[derive(Default)]
    struct Counting(Cell<u64>);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            self.0.set(self.0.get() + 1);
            bytes.fill(0);
            bytes.iter_mut().zip(self.0.get().to_le_bytes()).for_each(|(byte, count)| *byte = count);
        }
    }

    struct Silent;

    impl Log for Silent {
        fn line(&self, _: &str) {}
    }

    /// A tenant, its token, and the instance that serves it.
    struct Trial {
        rollcall: Rollcall,
        tenant: String,
        token: String,
    }

    impl Trial {
        fn unconnected() -> Trial {
            let settings = Settings::read(|name| (name == "admin_secret").then(|| "admin".to_owned())).unwrap();
            let ports = Ports {
                store: Box::<Memory>::default(),
                clock: Box::new(Still),
                entropy: Box::<Counting>::default(),
                log: Box::new(Silent),
            };
            let mut trial =
                Trial { rollcall: Rollcall::new(ports, settings), tenant: String::new(), token: String::new() };
            trial.tenant = trial.admin("POST", "", json!({"name": "Contoso"}))["id"].as_str().unwrap().to_owned();
            trial
        }

        fn connected() -> Trial {
            let mut trial = Trial::unconnected();
            let path = format!("/{}/connection", trial.tenant);
            let connection = trial.admin("POST", &path, json!({"identityProvider": "entra"}));
            trial.token = connection["secretToken"].as_str().unwrap().to_owned();
            trial
        }

        fn with_alice() -> (Trial, String) {
            let trial = Trial::connected();
            let (_, made) = trial.scim("POST", "/Users", &[], json!({"userName": "alice", "title": "Boss"}));
            (trial, format!("/Users/{}", made["id"].as_str().unwrap()))
        }

        fn admin(&self, method: &str, path: &str, body: Value) -> Value {
            let uri = format!("/admin/api/v1/tenants{path}");
            self.call(method, &uri, "admin", &[], body).1
        }

        fn scim(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
            self.call(method, &format!("/scim/v2/{}{path}", self.tenant), &self.token, headers, body)
        }

        fn call(&self, method: &str, uri: &str, bearer: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
            let mut request = Request::builder().method(method).uri(uri);
            request = request.header("authorization", format!("Bearer {bearer}"));
            request = request.header("content-type", "application/scim+json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            let response = self.rollcall.handle(request.body(body).unwrap());
            let Body::Full(bytes) = response.body() else { unreachable!() };
            (response.status().as_u16(), serde_json::from_slice(bytes).unwrap_or_default())
        }

        /// All records, the newest first, whole.
        fn records(&self) -> Vec<Value> {
            let tenant = TenantId::parse(&self.tenant).unwrap();
            let page = self.rollcall.records(&tenant, None, LIMITS.page_max).unwrap();
            page.records.iter().map(|record| serde_json::to_value(record).unwrap()).collect()
        }
    }

    #[test]
    fn every_path_below_a_tenant_url_asks_for_the_token_and_leaves_a_record() {
        let mut trial = Trial::connected();
        for path in ["", "/", "//Users", "/Users/%2525", "/Nothing"] {
            assert_eq!(trial.scim("GET", path, &[], Value::Null).0, 404, "{path}");
            assert_eq!(trial.records()[0]["path"], path);
        }
        trial.token = "wrong".to_owned();
        assert_eq!(trial.scim("GET", "//Users", &[], Value::Null).0, 401);
        assert_eq!(trial.records()[0]["status"], 401);
    }

    #[test]
    fn a_tenant_whose_setup_was_never_started_keeps_a_record_of_what_came() {
        let trial = Trial::unconnected();
        assert_eq!(trial.scim("GET", "/Users", &[], Value::Null).0, 401);
        assert_eq!(trial.records().len(), 1);
        let nobody = "/scim/v2/abcdefghjk/Users";
        assert_eq!(trial.call("GET", nobody, "token", &[], Value::Null).0, 401);
        assert!(trial.rollcall.records(&TenantId::parse("abcdefghjk").unwrap(), None, 1).unwrap().records.is_empty());
    }

    #[test]
    fn no_secret_reaches_the_journal() {
        let (trial, alice) = Trial::with_alice();
        let secret = "correct horse";
        let stray = format!("{TOKEN_PREFIX}{}", "A1-_".repeat(11));
        let patch = |operation: Value| trial.scim("PATCH", &alice, &[], json!({"Operations": [operation]}));
        let path = format!("emails[password eq \"{secret}\"].value");
        assert_eq!(patch(json!({"op": "add", "path": path, "value": "x"})).0, 400);
        let named = Map::from_iter([(path, json!("x"))]);
        assert_eq!(patch(json!({"op": "add", "value": named})).0, 400);
        assert_eq!(patch(json!({"op": "add", "path": "password", "value": {"x": secret}})).0, 200);
        for filter in ["password+eq+%22correct+horse%22", "userName+eq+%22a%22+and+password+co+%22correct+horse%22"] {
            assert_eq!(trial.scim("GET", &format!("/Users?filter={filter}"), &[], Value::Null).0, 200);
        }
        trial.scim("GET", &format!("/Users/{stray}?key={stray}"), &[], Value::Null);
        trial.scim("POST", "/Users", &[], json!({"userName": stray, "title": trial.token}));
        let records = trial.records();
        assert_eq!(records.len(), 8);
        for record in records {
            let text = record.to_string();
            for secret in [secret, "correct+horse", &stray, &trial.token] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }

    #[test]
    fn what_looks_like_a_token_is_scrubbed_and_the_rest_stays() {
        let stray = format!("{TOKEN_PREFIX}{}", "A1-_".repeat(11));
        assert_eq!(scrub(&format!("a {stray}, b {stray}"), None), "a ***, b ***");
        assert_eq!(scrub("rollcall_app of rollcall_", None), "rollcall_app of rollcall_");
        assert_eq!(scrub("é secret-of-theirs é", Some("secret-of-theirs")), "é *** é");
    }

    #[test]
    fn a_record_is_bounded_whatever_the_request_holds() {
        let (trial, alice) = Trial::with_alice();
        let long = "x".repeat(200 * 1024);
        let (status, _) =
            trial.scim("PATCH", &alice, &[], json!({"Operations": [{"op": "add", "value": {format!("a[{long}"): 1}}]}));
        assert_eq!(status, 400);
        let text = "x".repeat(LIMITS.value_bytes_max);
        let roles: Vec<Value> = (0..3).map(|index| json!({"value": text, "type": index.to_string()})).collect();
        for value in [json!(roles), Value::Null] {
            let (status, _) = trial.scim(
                "PATCH",
                &alice,
                &[],
                json!({"Operations": [{"op": "replace", "path": "roles", "value": value}]}),
            );
            assert_eq!(status, 200);
        }
        for record in trial.records() {
            assert!(record.to_string().len() < 5 * LIMITS.journal_body_bytes_max);
        }
        assert!(trial.records()[0]["before"]["roles"].as_str().unwrap().ends_with(journal::CUT));
    }

    #[test]
    fn a_condition_holds_for_every_method() {
        let (trial, alice) = Trial::with_alice();
        let body = || json!({"userName": "alice", "title": "Boss"});
        let patch = || json!({"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]});
        let cases: [(&str, Value); 3] = [("PUT", body()), ("PATCH", patch()), ("DELETE", Value::Null)];
        for (header, value) in
            [("if-none-match", "*"), ("if-none-match", "W/\"1\""), ("if-match", "\"2\""), ("if-match", "")]
        {
            for (method, body) in &cases {
                let (status, answer) = trial.scim(method, &alice, &[(header, value)], body.clone());
                assert_eq!(status, 412, "{method} {header}: {value}");
                assert!(answer["detail"].as_str().unwrap().starts_with(header));
            }
        }
        assert_eq!(trial.scim("GET", &alice, &[("if-match", "\"2\"")], Value::Null).0, 412);
        assert_eq!(trial.scim("GET", &alice, &[("if-match", "\"1\"")], Value::Null).0, 200);
        assert_eq!(trial.scim("GET", &alice, &[("if-none-match", "\"1\"")], Value::Null).0, 304);
        assert_eq!(trial.records()[0]["detail"], Value::Null);
        for (method, body) in &cases {
            let headers = [("if-match", "\"0\", W/\"1\""), ("if-none-match", "\"0\"")];
            assert!(trial.scim(method, &alice, &headers, body.clone()).0 < 300, "{method}");
        }
        // What is not there has no version to compare, RFC 9110 §13.2.1.
        for (method, body) in cases {
            assert_eq!(trial.scim(method, &alice, &[("if-match", "*")], body).0, 404, "{method}");
        }
    }

    #[test]
    fn a_request_that_could_not_write_is_a_read() {
        let trial = Trial::connected();
        for (method, kind) in [("HEAD", "read"), ("OPTIONS", "read"), ("PUT", "change")] {
            assert_eq!(trial.scim(method, "/Users", &[], Value::Null).0, 405);
            assert_eq!(trial.records()[0]["kind"], kind, "{method}");
        }
    }

    #[test]
    fn a_filter_on_what_is_served_whole_is_refused() {
        let trial = Trial::connected();
        for path in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"] {
            assert_eq!(trial.scim("GET", path, &[], Value::Null).0, 200);
            assert_eq!(trial.scim("GET", &format!("{path}?filter=id+pr"), &[], Value::Null).0, 403);
        }
    }

    #[test]
    fn who_has_no_token_cannot_wash_the_journal_out() {
        let (mut trial, _) = Trial::with_alice();
        let right = std::mem::replace(&mut trial.token, "wrong".to_owned());
        for number in 0..REFUSALS_AN_HOUR + 7 {
            assert_eq!(trial.scim("GET", &format!("/Users/{number}"), &[], Value::Null).0, 401);
        }
        trial.token = right;
        assert_eq!(trial.scim("GET", "/Users", &[], Value::Null).0, 200);
        let records = trial.records();
        let numbers: Vec<u64> = records.iter().map(|record| record["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=REFUSALS_AN_HOUR + 2).rev().collect::<Vec<u64>>());
        assert_eq!((&records[1]["repeats"], &records[2]["repeats"]), (&json!(7), &Value::Null));
        assert_eq!(records[1]["path"], format!("/Users/{}", REFUSALS_AN_HOUR - 1));
    }
}

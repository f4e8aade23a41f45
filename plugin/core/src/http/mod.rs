//! One function from request to response, and the same without HTTP for those who own their listener.

mod admin;
mod asset;
mod credentials;
mod export;
pub mod health;
mod openapi;
mod packed;
mod preflight;
pub mod respond;
pub mod route;
mod scim;
mod self_repair;
mod session;
pub mod sign_in_attempts;
mod watch;

pub use export::Stream;
pub use preflight::Preflight;
pub use scim::{Begun, Progress, Provision, QueuePosition, WAITING_VALUES_MAX, Waiting};
pub use self_repair::SELF_REPAIR_FOR;

use crate::connection::cache::Cache;
use crate::directory;
use crate::journal::{self, Buffer, Record};
use crate::keys::{Kind, Space, TenantId};
use crate::ledger::{self, Head, Ledger, Look, Memory, Migrate, View, Waiter};
use crate::pace::Limiter;
use crate::ports::Ports;
use crate::scim::{Effort, Sent, messages};
use crate::settings::{LIMITS, Settings};
use crate::tenant::registry;
use crate::tenant::schemas::Types;
use crate::tenant::state::{RegistryState, TenantState, TenantView};
use crate::watch::CountedStore;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use route::Route;
use scim::{Recorder, Scim, Strangers, WaitingValues};
use serde::Serialize;
use session::Sessions;
use sign_in_attempts::SignInAttempts;
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use watch::RequestCounts;

/// The application: everything that a request may need.
pub struct Rollcall {
    ports: Ports,
    settings: Settings,
    memory: Memory,
    buffer: RefCell<Buffer>,
    connections: Cache,
    layouts: Layouts,
    mending: self_repair::UnderRepair,
    limiter: Limiter,
    strangers: Strangers,
    sign_in_attempts: SignInAttempts,
    waiting_values: WaitingValues,
    watch: RequestCounts,
    /// When the instance began.
    started: Timestamp,
}

/// Spaces whose layout this instance has seen to.
#[derive(Default)]
pub(crate) struct Layouts(RefCell<BTreeSet<Space>>);

/// Spaces that an instance remembers. Forgetting them costs a read each.
const LAYOUTS_MAX: usize = 10_000;

impl Layouts {
    /// Sees to it that the values of a space have this version's layout, before the first of them is read: one of an
    /// earlier layout is migrated, one of a later layout refused. A layout does not go back while an instance lives. Where
    /// this instance meets the space, it answers where that stands.
    fn expect<S: Migrate>(&self, ledger: Ledger<'_>, space: Space) -> Result<Option<Head<S>>, ledger::Error> {
        if self.0.borrow().contains(&space) {
            return Ok(None);
        }
        let head = View::new(ledger, space.clone()).head()?;
        let mut met = self.0.borrow_mut();
        if met.len() >= LAYOUTS_MAX {
            met.clear();
        }
        met.insert(space);
        Ok(Some(head))
    }
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Full(Vec<u8>),
    /// To be pulled with [`Rollcall::next_chunk`].
    Stream(Stream),
}

/// Why a call without HTTP could not be answered.
#[derive(Debug, PartialEq)]
pub enum Unanswered {
    /// No tenant has this id.
    NoSuchTenant,
    /// An argument is outside of its range.
    OutOfRange(String),
    /// The store failed; the text stands in the error output, too.
    Store(String),
}

/// A user for the application.
#[derive(Debug, PartialEq)]
pub struct UserEntry {
    /// The resource's id.
    pub id: String,
    /// Its userName.
    pub user_name: String,
    /// Its externalId.
    pub external_id: Option<String>,
    /// Its displayName.
    pub display_name: Option<String>,
    /// Whether it is not disabled.
    pub active: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub last_modified: Timestamp,
    /// Its entity tag.
    pub version: String,
    /// All of it as SCIM JSON.
    pub document: String,
}

impl Rollcall {
    /// Makes the application. Nothing is read from the store yet.
    pub fn new(ports: Ports, settings: Settings) -> Rollcall {
        let watch = RequestCounts::default();
        let store = Box::new(CountedStore { store: ports.store, calls: watch.store_calls.clone() });
        let ports = Ports { store, ..ports };
        Rollcall {
            started: ports.clock.now(),
            watch,
            ports,
            settings,
            memory: Memory::default(),
            buffer: RefCell::default(),
            connections: Cache::default(),
            layouts: Layouts::default(),
            mending: self_repair::UnderRepair::default(),
            limiter: Limiter::default(),
            strangers: Strangers::default(),
            sign_in_attempts: SignInAttempts::default(),
            waiting_values: WaitingValues::default(),
        }
    }

    /// Where this instance has its turns.
    fn ledger(&self) -> Ledger<'_> {
        Ledger { ports: &self.ports, settings: &self.settings, memory: &self.memory }
    }

    fn scim(&self) -> Scim<'_> {
        Scim {
            ledger: self.ledger(),
            layouts: &self.layouts,
            connections: &self.connections,
            limiter: &self.limiter,
            strangers: &self.strangers,
            waiting_values: &self.waiting_values,
            turns: self.turns(),
            recorder: self.recorder(),
        }
    }

    fn recorder(&self) -> Recorder<'_> {
        Recorder {
            ledger: self.ledger(),
            turns: self.turns(),
            buffer: &self.buffer,
            strangers: &self.strangers,
            limiter: &self.limiter,
            lost_records: &self.watch.lost_records,
        }
    }

    fn sessions(&self) -> Sessions<'_> {
        Sessions { ledger: self.ledger(), sign_in_attempts: &self.sign_in_attempts }
    }

    /// Answers one HTTP request.
    pub fn handle(&self, request: Request<Vec<u8>>) -> Response<Body> {
        match self.begin(request) {
            Begun::Answered(response) => response,
            Begun::Waiting(change) => self.carry_out(&change),
        }
    }

    /// Waits for the turn of a change, and carries it out alone in it.
    pub fn carry_out(&self, change: &Waiting) -> Response<Body> {
        self.tell(None, self.scim().carry_out_now(change))
    }

    /// Answers one HTTP request, unless it is a change that has to wait for the turn of its tenant: that is given back, to
    /// be carried out together with others by [`Rollcall::advance`].
    pub fn begin(&self, request: Request<Vec<u8>>) -> Begun {
        let (head, mut body) = request.into_parts();
        let preflight = self.preflight(&head);
        if preflight.body_bytes_max() == 0 {
            body = Vec::new();
        }
        self.begin_after(preflight, Request::from_parts(head, body))
    }

    /// Answers as [`Rollcall::begin`] does a request whose head was looked at by [`Rollcall::preflight`], with as much of
    /// its body as that wanted.
    pub fn begin_after(&self, preflight: Preflight, request: Request<Vec<u8>>) -> Begun {
        let noted = self.noted(&preflight.route, request.headers());
        match self.route(preflight, request) {
            Begun::Answered(response) => Begun::Answered(self.tell(noted, response)),
            Begun::Waiting(change) => Begun::Waiting(change),
        }
    }

    fn route(&self, preflight: Preflight, request: Request<Vec<u8>>) -> Begun {
        if let Err(refused) = check_host(&preflight.route, &request) {
            return Begun::Answered(refused.map(Body::Full));
        }
        Begun::Answered(match preflight.route {
            Route::Scim(Some(tenant)) => return self.scim().begin(&tenant, &request, preflight.known.caller()),
            Route::Scim(None) => {
                respond::to(request.method(), self.scim().without_tenant(request.headers())).map(Body::Full)
            }
            Route::Admin(admin) => self.admin(&admin, request, preflight.known),
            Route::Health => health::answer(&request, &*self.ports.store, &*self.ports.log).map(Body::Full),
            Route::Ready => health::ready(&request, self.ledger()).map(Body::Full),
            Route::Metrics => self.metrics(&request).map(Body::Full),
            Route::OpenApi => asset::openapi(&request, &self.settings).map(Body::Full),
            Route::Page(file) => asset::answer(&file, &request, &self.settings).map(Body::Full),
            Route::Nowhere => respond::empty(http::StatusCode::NOT_FOUND).map(Body::Full),
        })
    }

    /// Answers a SCIM request that came without HTTP, and leaves its record. A change waits for its turn here.
    pub fn provision(&self, request: Provision<'_>) -> Response<Vec<u8>> {
        self.tell(None, self.scim().provision(&request))
    }

    /// Takes a position in the queue of a tenant. What waits in memory is written in its turn, too.
    pub fn queue(&self, tenant: &TenantId) -> QueuePosition {
        self.scim().queue(tenant)
    }

    /// Looks whether the turn has come, and carries out the changes that stand in the line, the first
    /// [`Limits::changes_together_max`](crate::settings::Limits::changes_together_max) of them. Each of these is answered
    /// when all of them are in the store.
    pub fn advance<T>(&self, position: &QueuePosition, line: &mut VecDeque<(Waiting, T)>) -> Progress<T> {
        match self.scim().advance(position, line) {
            Progress::Later(pause) => Progress::Later(pause),
            Progress::Answered(answers) => {
                let told = answers.into_iter().map(|(whose, response)| (whose, self.tell(None, response)));
                Progress::Answered(told.collect())
            }
        }
    }

    /// Whether records wait in memory for [`Rollcall::flush`], now or later.
    pub fn has_buffered(&self) -> bool {
        self.recorder().has_buffered()
    }

    /// How long the records that wait in memory may wait on before somebody looks again; nothing where they are to be
    /// written now, see [`journal`].
    pub fn patience(&self) -> Option<Duration> {
        self.recorder().patience()
    }

    /// Whether the records that wait in memory are to be written now, whatever the time: because there are so many, or
    /// because the other instances are to learn of a flood.
    pub fn has_batch(&self) -> bool {
        self.recorder().has_batch()
    }

    /// The tenants whose records wait in memory and are written next.
    pub fn buffered(&self) -> Vec<TenantId> {
        self.recorder().buffered()
    }

    /// Writes the records that wait in memory. What cannot be written now is given up, with a line in the error output:
    /// keeping it would only move the bound.
    pub fn flush(&self) {
        self.buffered().iter().for_each(|tenant| self.flush_tenant(tenant));
    }

    /// Writes the records of one tenant that wait in memory; it neither waits for another tenant nor writes to it.
    pub fn flush_tenant(&self, tenant: &TenantId) {
        self.recorder().flush(tenant);
    }

    /// Whether this instance has asked for turns that have not come.
    pub fn has_numbers(&self) -> bool {
        !self.memory.tickets().is_empty()
    }

    /// Gives those turns on that have come meanwhile and that no request of this instance waits for any more: everybody
    /// else would wait for them until they are taken for dead.
    pub fn give_on(&self) {
        for space in self.memory.tickets().abandoned(self.ports.clock.elapsed()) {
            let given_on = match space == Space::registry() {
                true => self.give_on_in::<RegistryState>(space),
                false => self.give_on_in::<TenantState>(space),
            };
            if let Err(error) = given_on {
                self.ports.log.line(&format!("turns: one was not given on: {error:?}"));
            }
        }
    }

    fn give_on_in<S: Migrate>(&self, space: Space) -> Result<(), ledger::Error> {
        match Waiter::to_give_on(&self.ports, space).look::<S>(self.ledger())? {
            Look::Turn(turn) => turn.release(),
            Look::Later(_) => Ok(()),
        }
    }

    /// [`Layouts::expect`]
    fn prepare<S: Migrate>(&self, space: Space) -> Result<Option<Head<S>>, ledger::Error> {
        self.layouts.expect(self.ledger(), space)
    }

    /// Refuses the id of a tenant that is not there.
    ///
    /// # Errors
    /// There is no such tenant, or the store does not answer.
    pub fn expect_tenant(&self, tenant: &TenantId) -> Result<(), Unanswered> {
        let prepared = self.prepare::<RegistryState>(Space::registry()).map(drop);
        let prepared = prepared.and_then(|()| self.prepare::<TenantState>(Space::tenant(tenant)).map(drop));
        prepared.map_err(|error| self.failed(&error))?;
        let found = registry::read(self.ledger(), tenant).map_err(|error| self.failed(&error))?;
        found.map(|_| ()).ok_or(Unanswered::NoSuchTenant)
    }

    /// The user of this id.
    ///
    /// # Errors
    /// There is no such tenant, or the store does not answer.
    pub fn user(&self, tenant: &TenantId, id: &str) -> Result<Option<UserEntry>, Unanswered> {
        let view = self.view(tenant);
        match directory::get(&view, Kind::User, id) {
            Ok(document) => Ok(Some(user_entry(&self.types(&view)?, document.resource))),
            Err(directory::Error::NotFound(..)) => Ok(None),
            Err(error) => Err(self.unanswered(error)),
        }
    }

    /// The user of this name.
    ///
    /// # Errors
    /// There is no such tenant, or the store does not answer.
    pub fn user_named(&self, tenant: &TenantId, user_name: &str) -> Result<Option<UserEntry>, Unanswered> {
        let view = self.view(tenant);
        let found = directory::named(&view, Kind::User, user_name).map_err(|error| self.unanswered(error))?;
        let Some(document) = found else {
            return Ok(None);
        };
        Ok(Some(user_entry(&self.types(&view)?, document.resource)))
    }

    /// Users in the order of their creation, and how many there are.
    ///
    /// # Errors
    /// There is no such tenant, or the store does not answer.
    pub fn users(
        &self,
        tenant: &TenantId,
        start_index: u64,
        count: usize,
    ) -> Result<(Vec<UserEntry>, u64), Unanswered> {
        if start_index == 0 {
            return Err(Unanswered::OutOfRange("start-index: expected 1 or more, found 0".to_owned()));
        }
        within("count", count)?;
        let view = self.view(tenant);
        let found = directory::search(
            &view,
            &[directory::Query::all(Kind::User)],
            false,
            start_index - 1,
            count,
            &Effort::default(),
        )
        .map_err(|error| self.unanswered(error))?;
        let types = self.types(&view)?;
        let entries = found.documents.into_iter().map(|(_, document)| user_entry(&types, document.resource)).collect();
        Ok((entries, found.total))
    }

    /// Records of the journal, newest first.
    ///
    /// # Errors
    /// There is no such tenant, or the store does not answer.
    pub fn records(
        &self,
        tenant: &TenantId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<journal::RecordPage, Unanswered> {
        within("limit", limit)?;
        self.flush_tenant(tenant);
        journal::page(&self.view(tenant), before, limit, &journal::RecordFilter::default())
            .map_err(|error| self.failed(&error))
    }

    /// The record of this number.
    ///
    /// # Errors
    /// There is no such tenant, or the store does not answer.
    pub fn record(&self, tenant: &TenantId, number: u64) -> Result<Option<Record>, Unanswered> {
        self.flush_tenant(tenant);
        journal::get(&self.view(tenant), number).map_err(|error| self.failed(&error))
    }

    fn types(&self, view: &TenantView<'_>) -> Result<Types, Unanswered> {
        Types::read(view).map_err(|error| self.failed(&error))
    }

    fn view(&self, tenant: &TenantId) -> TenantView<'_> {
        TenantView::new(self.ledger(), Space::tenant(tenant))
    }

    fn unanswered(&self, error: directory::Error) -> Unanswered {
        match error {
            directory::Error::Ledger(error) => self.failed(&error),
            directory::Error::NotFound(..)
            | directory::Error::NameTaken(_)
            | directory::Error::Stale { .. }
            | directory::Error::NoSeat { .. }
            | directory::Error::BeingRestored
            | directory::Error::Scim(_) => Unanswered::OutOfRange(format!("{error:?}")),
        }
    }

    fn failed(&self, error: &ledger::Error) -> Unanswered {
        let id = self.request_id();
        self.ports.log.line(&format!("request {id}: {error:?}"));
        Unanswered::Store(id)
    }

    /// [`request_id`]
    fn request_id(&self) -> String {
        request_id(&self.ports)
    }

    /// [`tenant_url`]
    fn tenant_url(&self, tenant: &TenantId, uri: &Uri, headers: &HeaderMap) -> String {
        tenant_url(&self.settings, tenant, uri, headers)
    }
}

/// A name for one request, for the client and for the error output.
fn request_id(ports: &Ports) -> String {
    let mut bytes = [0; 9];
    ports.entropy.fill(&mut bytes);
    crate::secrets::text_of(&bytes)
}

/// A new resource id: a random UUID, RFC 9562 §5.4.
fn new_id(ports: &Ports) -> String {
    let mut bytes = [0; 16];
    ports.entropy.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = format!("{:032x}", u128::from_be_bytes(bytes));
    [20, 16, 12, 8].into_iter().for_each(|place| id.insert(place, '-'));
    id
}

/// The URL that the provider's admin enters: from `public_url`, or as a request came in.
fn tenant_url(settings: &Settings, tenant: &TenantId, uri: &Uri, headers: &HeaderMap) -> String {
    let authority = session::authority(uri, headers).unwrap_or("localhost");
    let origin = match &settings.public_url {
        Some(public) => [public, "", ""],
        None => [session::scheme(uri, headers), "://", authority],
    };
    [&origin.concat(), "/scim/v2/", tenant.as_str()].concat()
}

/// Refuses a request whose host is none, or has user information: such a URL passes itself off as another host's (RFC 9110
/// §4.2.4), and what the request asked for stands in the URLs that we answer.
fn check_host(route: &Route, request: &Request<Vec<u8>>) -> Result<(), Response<Vec<u8>>> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_host = |text: &str| {
        text.parse::<Authority>().is_ok_and(|authority| {
            let port = text.strip_prefix(authority.host()).unwrap_or_default();
            port.is_empty() || port == ":" || authority.port_u16().is_some()
        }) && !text.contains('@')
    };
    let fits = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(is_host),
        (None, _) => true,
        (Some(_), Some(_)) => false,
    };
    if fits && request.uri().authority().is_none_or(|authority| is_host(authority.as_str())) {
        return Ok(());
    }
    let message = "host: expected one host, with or without a port, found something else";
    let response = match route {
        Route::Scim(_) => respond::scim_body(BAD_REQUEST, &messages::error(BAD_REQUEST.as_u16(), None, message)),
        Route::Admin(_) | Route::Health | Route::Ready | Route::Metrics => {
            respond::admin_error(BAD_REQUEST, "invalid_host", message)
        }
        Route::OpenApi | Route::Page(_) | Route::Nowhere => respond::empty(BAD_REQUEST),
    };
    Err(respond::to(request.method(), response))
}

const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;

/// JSON as text.
pub fn json_text(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("what is printed has string keys")
}

fn within(what: &str, count: usize) -> Result<(), Unanswered> {
    if count <= LIMITS.page_max {
        return Ok(());
    }
    Err(Unanswered::OutOfRange(format!("{what}: expected at most {}, found {count}", LIMITS.page_max)))
}

fn user_entry(types: &Types, resource: crate::scim::Resource) -> UserEntry {
    UserEntry {
        id: resource.id.clone(),
        user_name: resource.user_name().unwrap_or_default().to_owned(),
        external_id: resource.external_id.clone(),
        display_name: resource.display_name().map(str::to_owned),
        active: resource.active(),
        created: resource.meta.created,
        last_modified: resource.meta.last_modified,
        version: resource.meta.version(),
        document: json_text(&Sent::whole(types.of(Kind::User), resource, None)),
    }
}

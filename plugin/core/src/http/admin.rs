//! The admin API: tenants, connections, users, the journal. JSON in camelCase, errors as `{"error":{"code","message"}}`.

mod schemas;

use super::export::Format;
use super::meet::Known;
use super::respond::{self, Problem, admin_body, admin_error};
use super::route::{self, Admin, Door, Misrouted, OfTenant};
use super::{Body, Rollcall, Stream, session};
use crate::connection::provider::{self, IdentityProvider};
use crate::connection::{self, Connection};
use crate::directory::{self, Change, Document, Terms};
use crate::journal::{self, Filter, Kind, Outcome, Record};
use crate::json;
use crate::keys::{Kind as Resources, Space, TenantId};
use crate::ledger::capabilities;
use crate::ledger::{self, Promise};
use crate::scim::text::fold;
use crate::scim::{Dialect, Effort, Parameters, Resource};
use crate::scrub;
use crate::settings::LIMITS;
use crate::tenant::registry::{self, Tenant};
use crate::tenant::schemas::Types;
use crate::tenant::state::{TenantState, TenantTurn, TenantView};
use crate::traffic::activity::{self, Activity};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An answer, or an answer that says why not.
pub(super) type Answered = Result<Response<Vec<u8>>, Response<Vec<u8>>>;

impl Rollcall {
    /// Answers a call of the admin API. Tokens leave by the calls about the connection and by no other, and no error
    /// quotes the secret that came with the request.
    pub(super) fn admin(&self, route: &Admin, request: &Request<Vec<u8>>, known: Known) -> Response<Body> {
        let mut response = self.call(route, request, known);
        let failed = !response.status().is_success();
        if let Body::Full(bytes) = response.body_mut()
            && (failed || !route.shows_token())
        {
            let presented = super::scim::bearer(request.headers()).filter(|_| failed);
            *bytes = scrub::scrub(&String::from_utf8_lossy(bytes), presented).into_owned().into_bytes();
        }
        response
    }

    fn call(&self, route: &Admin, request: &Request<Vec<u8>>, known: Known) -> Response<Body> {
        match route::check_method(request.method(), route.methods()) {
            Ok(()) => {}
            Err(Misrouted::NotFound) => {
                let message = "path: no such call";
                return admin_error(StatusCode::NOT_FOUND, "not_found", message).map(Body::Full);
            }
            Err(Misrouted::Method(known)) => return wrong_method(known).map(Body::Full),
        }
        let admitted = match (route.door(), known) {
            (Door::Open | Door::SignIn, _) => Ok(()),
            (Door::Secret | Door::Token, Known::Admin(admitted)) => admitted,
            (Door::Secret | Door::Token, Known::Nothing | Known::Caller(_)) => self.admit(request),
        };
        if let Err(refused) = admitted {
            return refused.map(Body::Full);
        }
        let max = if *route == Admin::Session { LIMITS.session_body_bytes_max } else { LIMITS.body_bytes_max };
        if request.body().len() > max {
            let message = format!("body: expected at most {max} bytes, found more");
            return admin_error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message).map(Body::Full);
        }
        if let Some(coding) = respond::coding(request.headers()).filter(|_| !request.body().is_empty()) {
            return respond::packed(&coding).map(Body::Full);
        }
        self.admitted(route, request)
    }

    fn admitted(&self, route: &Admin, request: &Request<Vec<u8>>) -> Response<Body> {
        let get = request.method() == Method::GET;
        let answered = match route {
            Admin::Session => return self.session_call(request),
            Admin::Product => Ok(self.product()),
            Admin::IdentityProviders => Ok(identity_providers()),
            Admin::IdentityProvider(id) => identity_provider(id),
            Admin::Store => self.store(get),
            Admin::Tenants if get => self.list_tenants(request),
            Admin::Tenants => self.create_tenant(request),
            Admin::Tenant(id, OfTenant::Export) => match self.export(id, request) {
                Ok(response) => return response,
                Err(refused) => Err(refused),
            },
            Admin::Tenant(id, OfTenant::Backup) => match self.back_up(id) {
                Ok(response) => return response,
                Err(refused) => Err(refused),
            },
            Admin::Tenant(id, what) => self.of_tenant(id, what, request),
            Admin::Nowhere => Err(missing("path: no such call")),
        };
        answered.unwrap_or_else(|refused| refused).map(Body::Full)
    }

    fn of_tenant(&self, id: &TenantId, what: &OfTenant, request: &Request<Vec<u8>>) -> Answered {
        let tenant = self.tenant(id)?;
        match (what, request.method().as_str()) {
            (OfTenant::Itself, "GET") => self.show_tenant(id, &tenant),
            (OfTenant::Itself, "PATCH") => self.change_tenant(id, request),
            (OfTenant::Itself, _) => self.delete_tenant(id),
            (OfTenant::Connection, "GET") => self.show_connection(id, request),
            (OfTenant::Connection, "POST") => self.start_connection(id, request),
            (OfTenant::Connection, "PATCH") => self.change_connection(id, request),
            (OfTenant::Connection, _) => self.end_connection(id),
            (OfTenant::Rotate, _) => self.rotate(id, request),
            (OfTenant::Users, "GET") => self.list_users_of(id, request),
            (OfTenant::Users, _) => self.delete_users(id, &tenant, request),
            (OfTenant::User(user), "GET") => self.show_user(id, user),
            (OfTenant::User(user), _) => self.delete_user(id, user),
            (OfTenant::Groups, _) => self.list_groups_of(id, request),
            (OfTenant::Requests, _) => self.list_requests(id, request),
            (OfTenant::Request(number), _) => self.show_request(id, *number),
            (OfTenant::Activity, _) => self.show_activity(id, &tenant),
            (OfTenant::Repair, _) => self.repair_call(id, request),
            (OfTenant::Check, _) => self.check_call(id, request),
            (OfTenant::Schemas, _) => self.list_schemas(id),
            (OfTenant::Schema(urn), "GET") => self.show_schema(id, urn),
            (OfTenant::Schema(urn), "PUT") => self.put_schema(id, urn, request),
            (OfTenant::Schema(urn), _) => self.remove_schema(id, urn),
            (OfTenant::Import, "GET") => self.show_import(id),
            (OfTenant::Import, "POST") => self.import(id, request),
            (OfTenant::Import, _) => self.give_up_import(id),
            (OfTenant::Export | OfTenant::Backup, _) => Err(missing("path: no such call")),
        }
    }

    fn product(&self) -> Response<Vec<u8>> {
        let product = json!({
            "productName": self.settings.product_name,
            "version": env!("CARGO_PKG_VERSION"),
            "publicUrl": self.settings.public_url,
        });
        admin_body(StatusCode::OK, &product)
    }

    /// What the store was found to keep. POST tests it once more.
    fn store(&self, last: bool) -> Answered {
        let report =
            if last { capabilities::last(self.ledger()) } else { capabilities::tested(self.ledger()).map(Some) };
        let Some(report) = report.map_err(|error| self.failed_call(error.into()))? else {
            return Err(missing("store: it was not tested yet; the first write does, or POST"));
        };
        let mut document = serde_json::to_value(&*report).expect("a report is plain data");
        document["testedAt"] = time(Some(report.tested_at));
        document["refusal"] = json!(report.refusal());
        let promise = Promise::of(self.ledger(), report.batches);
        document["guarded"] = json!(promise.guarded);
        document["takeoverMilliseconds"] = json!(u64::try_from(promise.takeover.as_millis()).unwrap_or(u64::MAX));
        document["assumption"] = json!(promise.assumption);
        Ok(admin_body(StatusCode::OK, &document))
    }

    // Tenants

    fn create_tenant(&self, request: &Request<Vec<u8>>) -> Answered {
        #[derive(serde::Deserialize)]
        struct Wish {
            name: String,
            id: Option<String>,
        }
        let wish: Wish = body(request, "{\"name\": \"…\"}")?;
        let id = wish.id.as_deref().map(|id| TenantId::parse(id).ok_or_else(invalid_id)).transpose()?;
        let tenant = registry::create(self.ledger(), &wish.name, id)
            .map_err(|error| self.failed_call(error))?
            .map_err(|refusal| of_registry(&refusal))?;
        Ok(admin_body(StatusCode::CREATED, &basics(&tenant)))
    }

    fn list_tenants(&self, request: &Request<Vec<u8>>) -> Answered {
        let query = Query::of(request.uri());
        let start = query.number("startIndex")?.unwrap_or(1).max(1);
        let count = query.count("count", LIMITS.tenants_page_max, LIMITS.tenants_page_max)?;
        let (tenants, total) =
            registry::list(self.ledger(), start - 1, count).map_err(|error| self.failed_call(error))?;
        let mut rows = Vec::with_capacity(tenants.len());
        for tenant in &tenants {
            rows.push(self.overview(tenant)?);
        }
        Ok(admin_body(StatusCode::OK, &json!({"tenants": rows, "totalResults": total, "startIndex": start})))
    }

    fn show_tenant(&self, _: &TenantId, tenant: &Tenant) -> Answered {
        Ok(admin_body(StatusCode::OK, &self.overview(tenant)?))
    }

    fn change_tenant(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let wish: Map<String, Value> = body(request, "{\"name\": \"…\", \"seats\": number or null}")?;
        let mut change = registry::Change::default();
        for (name, value) in wish {
            match (name.as_str(), value) {
                ("name", Value::String(name)) => change.name = Some(name),
                ("seats", Value::Null) => change.seats = Some(None),
                ("seats", Value::Number(seats)) if seats.as_u64().is_some() => change.seats = Some(seats.as_u64()),
                (other, _) => {
                    let message = format!("{other}: expected name as text, or seats as a whole number or null");
                    return Err(admin_error(StatusCode::BAD_REQUEST, "invalid_body", &message));
                }
            }
        }
        let tenant = registry::change(self.ledger(), id, change)
            .map_err(|error| self.failed_call(error))?
            .map_err(|refusal| of_registry(&refusal))?;
        Ok(admin_body(StatusCode::OK, &self.overview(&tenant)?))
    }

    fn delete_tenant(&self, id: &TenantId) -> Answered {
        registry::delete(self.ledger(), id)
            .map_err(|error| self.failed_call(error))?
            .map_err(|refusal| of_registry(&refusal))?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// A tenant as the list of organisations shows it.
    fn overview(&self, tenant: &Tenant) -> Result<Map<String, Value>, Response<Vec<u8>>> {
        let mut row = basics(tenant);
        let id = TenantId::parse(&tenant.id).ok_or_else(|| missing("tenant: no such tenant"))?;
        let view = self.view(&id);
        let head = view.head().map_err(|error| self.failed_call(error))?;
        let connection = Connection::read(&view).map_err(|error| self.failed_call(error))?;
        row.insert("users".into(), json!(head.state.main.members));
        row.insert("activeUsers".into(), json!(head.state.active));
        let now = self.ports.clock.now();
        let health = connection
            .as_ref()
            .map(|connection| activity::health(&head, connection.provider(), connection.state(&head), now));
        row.insert("health".into(), json!(health.map(|health| json!({"state": health}))));
        let connection = connection.map(|connection| {
            json!({
                "identityProvider": connection.identity_provider,
                "state": connection.state(&head),
                "lastTransferAt": time(head.state.last_transfer),
                "lastSuccessAt": time(head.state.last_success),
                "lastChangeAt": time(head.state.last_change),
            })
        });
        row.insert("connection".into(), json!(connection));
        Ok(row)
    }

    pub(super) fn tenant(&self, id: &TenantId) -> Result<Tenant, Response<Vec<u8>>> {
        self.prepare::<TenantState>(Space::tenant(id)).map_err(|error| self.failed_call(error))?;
        registry::read(self.ledger(), id)
            .map_err(|error| self.failed_call(error))?
            .ok_or_else(|| missing("tenant: no tenant has this id"))
    }

    // Connections

    fn start_connection(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wish {
            identity_provider: String,
        }
        let wish: Wish = body(request, "{\"identityProvider\": \"…\"}")?;
        let provider = known_provider(&wish.identity_provider)?;
        let (ports, secrets) = (&self.ports, &self.settings.secrets);
        self.connection_turn(id, |turn| {
            // Looked at once more within the turn, which a removal of the tenant holds, too.
            if registry::read(self.ledger(), id)?.is_none() {
                return Ok(Err(connection::Refusal::NotConnected));
            }
            connection::start(turn, ports, secrets, id, provider)
        })?;
        self.connection(id, request, StatusCode::CREATED)
    }

    fn show_connection(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        self.connection(id, request, StatusCode::OK)
    }

    fn rotate(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let wish: Map<String, Value> =
            if request.body().is_empty() { Map::new() } else { body(request, "{\"overlapSeconds\": number}")? };
        let seconds = match wish.get("overlapSeconds") {
            None => connection::OVERLAP_SECONDS_DEFAULT,
            Some(value) => {
                value.as_u64().filter(|seconds| *seconds <= connection::OVERLAP_SECONDS_MAX).ok_or_else(|| {
                    let max = connection::OVERLAP_SECONDS_MAX;
                    let message = format!("overlapSeconds: expected a whole number from 0 to {max}");
                    admin_error(StatusCode::BAD_REQUEST, "invalid_body", &message)
                })?
            }
        };
        let (ports, secrets) = (&self.ports, &self.settings.secrets);
        let overlap = Duration::from_secs(seconds);
        self.connection_turn(id, |turn| connection::rotate(turn, ports, secrets, id, overlap))?;
        self.connection(id, request, StatusCode::OK)
    }

    fn change_connection(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let wish: Map<String, Value> = body(request, "{\"groups\": true or false, \"identityProvider\": \"…\"}")?;
        let mut change = connection::Change::default();
        for (name, value) in &wish {
            match (name.as_str(), value) {
                ("groups", Value::Bool(groups)) => change.groups = Some(*groups),
                ("identityProvider", Value::String(provider)) => change.provider = Some(known_provider(provider)?),
                (other, _) => {
                    let message = match other {
                        "groups" => "groups: expected true or false".to_owned(),
                        "identityProvider" => "identityProvider: expected text".to_owned(),
                        other => {
                            let other: String = other.chars().take(40).collect();
                            format!("{other}: expected groups or identityProvider")
                        }
                    };
                    return Err(admin_error(StatusCode::BAD_REQUEST, "invalid_body", &message));
                }
            }
        }
        self.connection_turn(id, |turn| connection::change(turn, &change))?;
        self.connection(id, request, StatusCode::OK)
    }

    fn end_connection(&self, id: &TenantId) -> Answered {
        self.connection_turn(id, |turn| connection::end(turn, &self.ports))?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// Changes a connection within a turn; what waits for the journal goes along, since it was sent before.
    fn connection_turn(
        &self,
        id: &TenantId,
        change: impl FnOnce(&mut TenantTurn<'_>) -> Result<Result<Connection, connection::Refusal>, ledger::Error>,
    ) -> Result<(), Response<Vec<u8>>> {
        let failed = |error| self.failed_call(error);
        let mut turn = self.turn(id).map_err(failed)?;
        self.expect_restored(&turn)?;
        // Nobody else works in this instance until the change is done.
        self.connections.forget(id);
        self.stage_waiting(id, &mut turn);
        let changed = change(&mut turn).map_err(failed)?;
        turn.commit().map_err(failed)?;
        changed.map(|_| ()).map_err(|refusal| match refusal {
            connection::Refusal::AlreadyConnected => {
                let message = "connection: there is one already; end it before starting another";
                admin_error(StatusCode::CONFLICT, "already_connected", message)
            }
            connection::Refusal::NotConnected => no_connection(),
        })
    }

    /// The connection as the page shows it at any time.
    fn connection(&self, id: &TenantId, request: &Request<Vec<u8>>, status: StatusCode) -> Answered {
        let view = self.view(id);
        let head = view.head().map_err(|error| self.failed_call(error))?;
        let connection = Connection::read(&view).map_err(|error| self.failed_call(error))?.ok_or_else(no_connection)?;
        let now = self.ports.clock.now();
        let tokens: Vec<Value> = connection
            .valid_tokens(now)
            .map(|token| {
                let used = head.state.tokens.iter().find(|used| used.id == token.id);
                json!({
                    "hint": token.hint,
                    "createdAt": time(Some(token.created_at)),
                    "endsAt": time(token.ends_at),
                    "firstUsedAt": time(used.map(|used| used.first)),
                    "lastUsedAt": time(used.map(|used| used.last)),
                })
            })
            .collect();
        let secret_token = connection.reveal(&self.settings.secrets, id);
        let sealed = secret_token.is_none() && !tokens.is_empty();
        let document = json!({
            "identityProvider": connection.identity_provider,
            "state": connection.state(&head),
            "tenantUrl": self.tenant_url(id, request.uri(), request.headers()),
            "secretToken": secret_token,
            // The sealing key has changed since; the token itself works on.
            "secretTokenNote": sealed.then_some("cannot be shown, rotate it"),
            "groups": connection.groups,
            "attributeMappings": connection.provider().mappings,
            "startedAt": time(Some(connection.started_at)),
            "endedAt": time(connection.ended_at),
            "lastTransferAt": time(head.state.last_transfer),
            "lastSuccessAt": time(head.state.last_success),
            "lastChangeAt": time(head.state.last_change),
            "users": head.state.main.members,
            "activeUsers": head.state.active,
            "tokens": tokens,
        });
        Ok(admin_body(status, &document))
    }

    /// The URL that the provider's admin enters: from `public_url`, or as this request came in.
    pub(super) fn tenant_url(&self, id: &TenantId, uri: &Uri, headers: &HeaderMap) -> String {
        let authority = session::authority(uri, headers).unwrap_or("localhost");
        let origin = match &self.settings.public_url {
            Some(public) => [public, "", ""],
            None => [session::scheme(uri, headers), "://", authority],
        };
        [&origin.concat(), "/scim/v2/", id.as_str()].concat()
    }

    fn show_activity(&self, id: &TenantId, tenant: &Tenant) -> Answered {
        let view = self.view(id);
        let head = view.head().map_err(|error| self.failed_call(error))?;
        let connection = Connection::read(&view).map_err(|error| self.failed_call(error))?.ok_or_else(no_connection)?;
        let (provider, state) = (connection.provider(), connection.state(&head));
        let activity = Activity::of(&head, provider, state, tenant.seats, self.ports.clock.now());
        Ok(admin_body(StatusCode::OK, &activity))
    }

    // Users

    fn list_users_of(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let query = Query::of(request.uri());
        let start = query.number("startIndex")?.unwrap_or(1).max(1);
        let count = query.count("count", LIMITS.page_default, LIMITS.page_max)?;
        let search = query.text("search").map(fold).filter(|text| !text.is_empty());
        let active = query.choice("active", &[("true", true), ("false", false)])?;
        let view = self.view(id);
        let found = if search.is_none() && active.is_none() {
            directory::search(
                &view,
                &[directory::Query::all(Resources::User)],
                false,
                start - 1,
                count,
                &Effort::default(),
            )
        } else {
            let keeps = |resource: &Resource| {
                active.is_none_or(|active| resource.active() == active)
                    && search.as_ref().is_none_or(|text| mentions(resource, text))
            };
            directory::sift(&view, keeps, start - 1, count)
        };
        let found = found.map_err(|error| self.refused(&error.into()))?;
        let users: Vec<Value> = found.documents.iter().map(|(_, document)| user_row(&document.resource)).collect();
        let mut document = json!({"users": users, "totalResults": found.total, "startIndex": start});
        tell_left_out(&mut document, &view);
        Ok(admin_body(StatusCode::OK, &document))
    }

    fn show_user(&self, id: &TenantId, user: &str) -> Answered {
        let view = self.view(id);
        let document = directory::get(&view, Resources::User, user).map_err(|error| self.refused(&error.into()))?;
        let types = Types::read(&view).map_err(|error| self.failed_call(error))?;
        let mut row = user_row(&document.resource);
        row["resource"] = Value::Object(document.resource.into_json(types.of(Resources::User), None));
        Ok(admin_body(StatusCode::OK, &row))
    }

    fn delete_user(&self, id: &TenantId, user: &str) -> Answered {
        let failed = |error: ledger::Error| self.failed_call(error);
        let mut turn = self.turn(id).map_err(failed)?;
        self.expect_restored(&turn)?;
        let change = Change::Delete { id: user.to_owned() };
        let plan = directory::plan(&turn, Resources::User, &change, &None, self.own_terms(&Effort::default()));
        match plan.and_then(|plan| directory::carry_out(&mut turn, &plan)) {
            Ok(_) => {
                turn.commit().map_err(failed)?;
                Ok(respond::empty(StatusCode::NO_CONTENT))
            }
            Err(error) => {
                turn.release().map_err(failed)?;
                Err(self.refused(&error.into()))
            }
        }
    }

    /// Deletes what an ended connection left behind, a batch at a time; the page repeats it until nothing remains.
    fn delete_users(&self, id: &TenantId, tenant: &Tenant, request: &Request<Vec<u8>>) -> Answered {
        let wish: Map<String, Value> = body(request, "{\"confirm\": \"the organisation's name\"}")?;
        if wish.get("confirm").and_then(Value::as_str) != Some(tenant.name.as_str()) {
            let message = "confirm: expected the name of the organisation";
            return Err(admin_error(StatusCode::BAD_REQUEST, "not_confirmed", message));
        }
        let failed = |error: ledger::Error| self.failed_call(error);
        let mut turn = self.turn(id).map_err(failed)?;
        self.expect_restored(&turn)?;
        if Connection::read(&turn).map_err(failed)?.is_some_and(|connection| connection.ended_at.is_none()) {
            turn.release().map_err(failed)?;
            let message = "connection: end it first; it would create the users anew";
            return Err(admin_error(StatusCode::CONFLICT, "still_connected", message));
        }
        let mut gone = Vec::new();
        // Users first: what is left of a group then costs little.
        for kind in Resources::ALL {
            let open = LIMITS.users_deleted_at_once - gone.len();
            let seats = directory::roster::page(&turn, &kind.roll(), 0, open).map_err(failed)?;
            gone.extend(seats.into_iter().map(|(slot, id)| (kind, slot, id)));
        }
        let deleted = gone.len();
        for (kind, slot, id) in gone {
            let change = Change::Delete { id };
            let carried = directory::plan(&turn, kind, &change, &None, self.own_terms(&Effort::default()))
                .and_then(|plan| directory::carry_out(&mut turn, &plan));
            match carried {
                Ok(_) => {}
                // A seat without a document is what a store has lost: it goes, or nothing of the tenant ever could.
                Err(directory::Error::NotFound(..)) => directory::vacate(&mut turn, kind, slot).map_err(failed)?,
                Err(error) => {
                    turn.release().map_err(failed)?;
                    return Err(self.refused(&error.into()));
                }
            }
        }
        let remaining = turn.head.state.main.members + turn.head.state.groups.members;
        turn.commit().map_err(failed)?;
        Ok(admin_body(StatusCode::OK, &json!({"deleted": deleted, "remaining": remaining})))
    }

    /// What the operator's own changes are planned by; they only delete, so no schema has a say.
    fn own_terms<'e>(&self, effort: &'e Effort) -> Terms<'e> {
        const TYPES: &Types = &Types::built_in();
        const DIALECT: &Dialect = &Dialect::strict();
        Terms { types: TYPES, dialect: DIALECT, base: "", now: self.ports.clock.now(), effort }
    }

    fn list_groups_of(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let query = Query::of(request.uri());
        let start = query.number("startIndex")?.unwrap_or(1).max(1);
        let count = query.count("count", LIMITS.page_default, LIMITS.page_max)?;
        let all = directory::Query::all(Resources::Group);
        let view = self.view(id);
        let found = directory::search(&view, &[all], false, start - 1, count, &Effort::default())
            .map_err(|error| self.refused(&error.into()))?;
        let groups: Vec<Value> = found.documents.iter().map(|(_, document)| group_row(document)).collect();
        let mut document = json!({"groups": groups, "totalResults": found.total, "startIndex": start});
        tell_left_out(&mut document, &view);
        Ok(admin_body(StatusCode::OK, &document))
    }

    // The journal

    fn list_requests(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let query = Query::of(request.uri());
        let before = query.number("before")?;
        let limit = query.count("limit", LIMITS.page_default, LIMITS.page_max)?;
        let filter = query.filter()?;
        self.flush_tenant(id);
        let page = journal::page(&self.view(id), before, limit, &filter).map_err(|error| self.failed_call(error))?;
        let rows: Vec<Value> = page.records.iter().map(brief).collect();
        Ok(admin_body(StatusCode::OK, &json!({"requests": rows, "next": page.next})))
    }

    fn show_request(&self, id: &TenantId, number: u64) -> Answered {
        self.flush_tenant(id);
        let record = journal::get(&self.view(id), number).map_err(|error| self.failed_call(error))?;
        let record = record.ok_or_else(|| missing("number: the journal holds no such request, or no longer"))?;
        Ok(admin_body(StatusCode::OK, &record.shown()))
    }

    fn export(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Result<Response<Body>, Response<Vec<u8>>> {
        let tenant = self.tenant(id)?;
        let query = Query::of(request.uri());
        let format = query.choice("format", &[("csv", Format::Csv), ("ndjson", Format::Ndjson)])?;
        let format = format.unwrap_or(Format::Ndjson);
        let filter = query.filter()?;
        self.flush_tenant(id);
        let mut response = respond::empty(StatusCode::OK);
        respond::set(&mut response, http::header::CONTENT_TYPE, format.media_type());
        let name = format!("attachment; filename=\"requests-{}.{}\"", tenant.id, format.extension());
        respond::set(&mut response, http::header::CONTENT_DISPOSITION, &name);
        Ok(response.map(|_| Body::Stream(Stream::of_journal(id.clone(), format, filter))))
    }

    // Failures

    pub(super) fn failed_call(&self, error: ledger::Error) -> Response<Vec<u8>> {
        self.refused(&Problem::from(error))
    }

    fn refused(&self, problem: &Problem) -> Response<Vec<u8>> {
        problem.refusal(&self.ports, &self.request_id()).admin()
    }
}

fn identity_providers() -> Response<Vec<u8>> {
    let rows: Vec<Value> = provider::IDENTITY_PROVIDERS.iter().map(provider_row).collect();
    admin_body(StatusCode::OK, &json!({"identityProviders": rows}))
}

/// One provider with its guide: what the page walks through in the setup.
fn identity_provider(id: &str) -> Answered {
    let provider = provider::of(id).ok_or_else(|| missing("identityProvider: there is none of this id"))?;
    let mut row = provider_row(provider);
    row["guide"] = serde_json::from_str(provider.guide).expect("a test reads every guide");
    Ok(admin_body(StatusCode::OK, &row))
}

fn provider_row(provider: &IdentityProvider) -> Value {
    json!({"id": provider.id, "name": provider.name, "attributeMappings": provider.mappings})
}

fn known_provider(id: &str) -> Result<&'static IdentityProvider, Response<Vec<u8>>> {
    provider::of(id).ok_or_else(|| {
        let found: String = id.chars().take(40).collect();
        let message = format!("identityProvider: expected {}, found {found:?}", provider::ids());
        admin_error(StatusCode::BAD_REQUEST, "unknown_identity_provider", &message)
    })
}

fn basics(tenant: &Tenant) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("id".into(), json!(tenant.id));
    row.insert("name".into(), json!(tenant.name));
    row.insert("createdAt".into(), time(Some(tenant.created_at)));
    row.insert("seats".into(), json!(tenant.seats));
    row
}

/// Says which resources a list has left out because they cannot be read.
fn tell_left_out(document: &mut Value, view: &TenantView<'_>) {
    let left_out = view.left_out();
    if !left_out.is_empty() {
        document["unreadable"] = json!(left_out);
    }
}

fn user_row(resource: &Resource) -> Value {
    json!({
        "id": resource.id,
        "userName": resource.user_name(),
        "displayName": resource.display_name(),
        "active": resource.active(),
        "externalId": resource.external_id,
        "createdAt": time(Some(resource.meta.created)),
        "lastModifiedAt": time(Some(resource.meta.last_modified)),
    })
}

fn group_row(document: &Document) -> Value {
    let resource = &document.resource;
    json!({
        "id": resource.id,
        "displayName": resource.display_name(),
        "externalId": resource.external_id,
        "members": document.members.members,
        "createdAt": time(Some(resource.meta.created)),
        "lastModifiedAt": time(Some(resource.meta.last_modified)),
    })
}

/// A record as the list shows it: without bodies and attributes.
fn brief(record: &Record) -> Value {
    let mut row = record.shown();
    for name in ["requestBody", "responseBody", "before", "after"] {
        row.shift_remove(name);
    }
    Value::Object(row)
}

fn mentions(resource: &Resource, text: &str) -> bool {
    [resource.user_name(), resource.display_name(), resource.external_id.as_deref(), Some(&resource.id)]
        .into_iter()
        .flatten()
        .any(|field| fold(field).contains(text))
}

/// A time as the API prints it: UTC, milliseconds.
fn time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| Value::String(crate::scim::resource::print_time(time)))
}

fn of_registry(refusal: &registry::Refusal) -> Response<Vec<u8>> {
    match refusal {
        registry::Refusal::NoSuchTenant => missing("tenant: no tenant has this id"),
        registry::Refusal::BadName => {
            let message =
                format!("name: expected 1 to {} bytes without control characters", LIMITS.tenant_name_bytes_max);
            admin_error(StatusCode::BAD_REQUEST, "invalid_name", &message)
        }
        registry::Refusal::Full => {
            let message = format!("tenants: expected at most {}", LIMITS.tenants_max);
            admin_error(StatusCode::CONFLICT, "too_many_tenants", &message)
        }
        registry::Refusal::IdTaken => {
            admin_error(StatusCode::CONFLICT, "id_taken", "id: expected one that no tenant has")
        }
        registry::Refusal::NotEmpty => {
            let message =
                "tenant: it still has a connection or users or groups; end the one and delete the others first";
            admin_error(StatusCode::CONFLICT, "not_empty", message)
        }
    }
}

fn invalid_id() -> Response<Vec<u8>> {
    let message =
        "id: expected the id of a tenant as an export has it: ten of the letters and digits that ours are made of";
    admin_error(StatusCode::BAD_REQUEST, "invalid_id", message)
}

fn no_connection() -> Response<Vec<u8>> {
    admin_error(StatusCode::NOT_FOUND, "no_connection", "connection: there is none; start the setup first")
}

pub(super) fn missing(message: &str) -> Response<Vec<u8>> {
    admin_error(StatusCode::NOT_FOUND, "not_found", message)
}

fn wrong_method(known: &[Method]) -> Response<Vec<u8>> {
    let known: Vec<&str> = known.iter().map(Method::as_str).collect();
    let message = format!("method: expected {}", known.join(", "));
    let mut response = admin_error(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", &message);
    respond::set(&mut response, http::header::ALLOW, &known.join(", "));
    response
}

fn body<T: DeserializeOwned>(request: &Request<Vec<u8>>, expected: &str) -> Result<T, Response<Vec<u8>>> {
    let invalid = |message: &str| admin_error(StatusCode::BAD_REQUEST, "invalid_body", message);
    match json::typed(request.body()) {
        Ok(Some(wish)) => Ok(wish),
        Ok(None) | Err(json::Refusal::Malformed { .. }) => Err(invalid(&format!("body: expected {expected}"))),
        Err(refusal @ json::Refusal::Beyond(_)) => Err(invalid(&format!("body: {refusal}"))),
    }
}

/// The parameters of a call. The last of several with one name counts.
pub(super) struct Query<'r>(Parameters<'r>);

impl Query<'_> {
    pub(super) fn of(uri: &Uri) -> Query<'_> {
        Query(Parameters::of(uri.query()))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().filter(|(key, _)| *key == name).last().map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Response<Vec<u8>>> {
        self.parsed(name, "a whole number")
    }

    fn count(&self, name: &str, default: usize, max: usize) -> Result<usize, Response<Vec<u8>>> {
        Ok(self.parsed(name, "a whole number")?.unwrap_or(default).min(max))
    }

    pub(super) fn parsed<T: std::str::FromStr>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Response<Vec<u8>>> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| bad_parameter(name, expected))
    }

    fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Response<Vec<u8>>> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        found.map(Some).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            bad_parameter(name, &words.join(" or "))
        })
    }

    fn filter(&self) -> Result<Filter, Response<Vec<u8>>> {
        let outcomes = [("success", Outcome::Success), ("failure", Outcome::Failure)];
        let action = self.text("operation").filter(|word| !word.is_empty());
        let action = action.map(|word| serde_json::from_value(Value::String(word.to_owned()))).transpose();
        Ok(Filter {
            outcome: self.choice("outcome", &outcomes)?,
            kind: self.choice("kind", &[("change", Kind::Change), ("read", Kind::Read)])?,
            action: action.map_err(|_| bad_parameter("operation", "an action such as create or disable"))?,
            status: self.parsed("status", "an HTTP status")?,
            subject: self.text("user").filter(|id| !id.is_empty()).map(str::to_owned),
            from: self.parsed("from", "an RFC 3339 time")?,
            to: self.parsed("to", "an RFC 3339 time")?,
            search: self.text("search").filter(|text| !text.is_empty()).map(str::to_owned),
            without_probes: self.choice("probes", &[("true", false), ("false", true)])?.unwrap_or(false),
        })
    }
}

fn bad_parameter(name: &str, expected: &str) -> Response<Vec<u8>> {
    admin_error(StatusCode::BAD_REQUEST, "invalid_parameter", &format!("{name}: expected {expected}"))
}

//! The admin API: tenants, connections, users, the journal. JSON in camelCase, errors as `{"error":{"code","message"}}`.

mod audit;
mod backup;
mod connections;
mod error;
mod journal;
mod request;
mod schemas;
mod store;
mod tenants;
mod users;

pub(super) use error::AdminError;

use super::preflight::KnownCaller;
use super::route::{self, Admin, Door, Misrouted, OfTenant};
use super::{Body, Rollcall};
use super::{credentials, export, respond};
use crate::keys::TenantId;
use crate::scrub;
use crate::settings::LIMITS;
use error::NO_CALL;
use http::{Method, Request, Response};
use jiff::Timestamp;
use serde_json::Value;

/// An answer, or why there is none.
type Answered = Result<Response<Vec<u8>>, AdminError>;

impl Rollcall {
    /// Answers a call of the admin API. Tokens leave by the calls about the connection and by no other, and no error
    /// quotes the secret that came with the request.
    pub(super) fn admin(&self, route: &Admin, request: Request<Vec<u8>>, known: KnownCaller) -> Response<Body> {
        if request.method() == Method::HEAD {
            return self.admin_head(route, request, known);
        }
        let mut response = self.call(route, &request, known);
        let failed = !response.status().is_success();
        if let Body::Full(bytes) = response.body_mut()
            && (failed || !route.shows_token())
        {
            let presented = credentials::bearer(request.headers()).filter(|_| failed);
            *bytes = scrub::scrub(&String::from_utf8_lossy(bytes), presented).into_owned().into_bytes();
        }
        export::announce(&request, response)
    }

    /// Answers HEAD as GET is answered, RFC 9110 §9.3.2. A file is not read for it.
    fn admin_head(&self, route: &Admin, mut request: Request<Vec<u8>>, known: KnownCaller) -> Response<Body> {
        *request.method_mut() = Method::GET;
        let (head, body) = self.admin(route, request, known).into_parts();
        match body {
            Body::Full(bytes) => respond::to(&Method::HEAD, Response::from_parts(head, bytes)).map(Body::Full),
            Body::Stream(mut stream) => {
                self.end_stream(&mut stream);
                Response::from_parts(head, Body::Full(Vec::new()))
            }
        }
    }

    fn call(&self, route: &Admin, request: &Request<Vec<u8>>, known: KnownCaller) -> Response<Body> {
        match route::check_method(request.method(), route.methods()) {
            Ok(()) => {}
            Err(Misrouted::NotFound) => return self.admin_refusal(NO_CALL).map(Body::Full),
            Err(Misrouted::Method(known)) if request.method() == Method::OPTIONS => {
                return respond::options(known).map(Body::Full);
            }
            Err(Misrouted::Method(known)) => return self.admin_refusal(AdminError::WrongMethod(known)).map(Body::Full),
        }
        let admitted = match (route.door(), known) {
            (Door::Open | Door::SignIn, _) => Ok(()),
            (Door::Secret | Door::Token | Door::Metrics, KnownCaller::Admin(admitted)) => admitted,
            (Door::Secret | Door::Token | Door::Metrics, KnownCaller::Nothing | KnownCaller::Caller(_)) => {
                self.sessions().admit(request)
            }
        };
        if let Err(refused) = admitted {
            return refused.map(Body::Full);
        }
        let max = if *route == Admin::Session { LIMITS.session_body_bytes_max } else { LIMITS.body_bytes_max };
        if request.body().len() > max {
            return self.admin_refusal(AdminError::TooLarge(max)).map(Body::Full);
        }
        if let Some(coding) = respond::coding(request.headers()).filter(|_| !request.body().is_empty()) {
            return self.admin_refusal(AdminError::Packed(coding)).map(Body::Full);
        }
        self.admitted(route, request).unwrap_or_else(|error| self.admin_refusal(error).map(Body::Full))
    }

    fn admitted(&self, route: &Admin, request: &Request<Vec<u8>>) -> Result<Response<Body>, AdminError> {
        let get = request.method() == Method::GET;
        let answered = match route {
            Admin::Session => return Ok(self.sessions().answer(request).map(Body::Full)),
            Admin::Tenant(id, OfTenant::Export) => return self.export(id, request),
            Admin::Tenant(id, OfTenant::Backup) => return self.back_up(id),
            Admin::Product => Ok(self.product()),
            Admin::IdentityProviders => Ok(connections::identity_providers()),
            Admin::IdentityProvider(id) => connections::identity_provider(id),
            Admin::Store => self.store(get),
            Admin::Tenants if get => self.list_tenants(request),
            Admin::Tenants => self.create_tenant(request),
            Admin::Tenant(id, what) => self.of_tenant(id, what, request),
            Admin::Nowhere => Err(NO_CALL),
        };
        Ok(answered?.map(Body::Full))
    }

    fn of_tenant(&self, id: &TenantId, what: &OfTenant, request: &Request<Vec<u8>>) -> Answered {
        let tenant = self.tenant(id)?;
        match (what, request.method().as_str()) {
            (OfTenant::Itself, "GET") => self.show_tenant(&tenant),
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
            (OfTenant::Export | OfTenant::Backup, _) => Err(NO_CALL),
        }
    }
}

/// A time as the API prints it: UTC, milliseconds.
fn time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| Value::String(crate::scim::resource::print_time(time)))
}

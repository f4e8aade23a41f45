//! Why a call of the admin API is refused, and the one answer that each reason has.

use crate::backup::import::ImportError;
use crate::connection::ConnectionError;
use crate::connection::provider;
use crate::directory;
use crate::http::Rollcall;
use crate::http::respond::{self, Problem, admin_body, admin_error};
use crate::http::route;
use crate::ledger;
use crate::settings::LIMITS;
use crate::tenant::registry::TenantError;
use crate::tenant::schemas::SchemaError;
use http::header::ALLOW;
use http::{Method, Response, StatusCode};
use serde_json::json;

/// Why a call is refused.
#[derive(Debug)]
pub(in crate::http) enum AdminError {
    /// There is nothing where the call looks; says where, and what there is not.
    Missing(&'static str),
    /// The call has other methods.
    WrongMethod(&'static [Method]),
    /// The body has more bytes than so many.
    TooLarge(usize),
    /// The body is packed, in this coding.
    Packed(String),
    /// The body is not what the call expects.
    InvalidBody(String),
    /// A parameter is not what the call expects.
    InvalidParameter(String),
    /// The id of a tenant that is to be made is none.
    InvalidId,
    /// The schema is none that a tenant may have.
    InvalidSchema(String),
    /// No identity provider has this id.
    UnknownProvider(String),
    /// The name of the organisation was not given to confirm a removal.
    NotConfirmed,
    /// The tenant has a connection that would make its users anew.
    StillConnected,
    /// The tenant is being restored.
    BeingRestored,
    /// The registry refuses.
    Tenant(TenantError),
    /// The connection refuses.
    Connection(ConnectionError),
    /// The schemas of the tenant refuse.
    Schema(SchemaError),
    /// The import refuses.
    Import(ImportError),
    /// The directory refuses.
    Directory(directory::Error),
    /// The ledger failed.
    Ledger(ledger::Error),
}

impl Rollcall {
    /// The answer to a call that is refused.
    pub(in crate::http) fn admin_refusal(&self, error: AdminError) -> Response<Vec<u8>> {
        let bad = |code, message: &str| admin_error(StatusCode::BAD_REQUEST, code, message);
        let conflict = |code, message: &str| admin_error(StatusCode::CONFLICT, code, message);
        match error {
            AdminError::Missing(what) => admin_error(StatusCode::NOT_FOUND, "not_found", what),
            AdminError::WrongMethod(known) => wrong_method(known),
            AdminError::TooLarge(max) => {
                let message = format!("body: expected at most {max} bytes, found more");
                admin_error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message)
            }
            AdminError::Packed(coding) => respond::packed(&coding),
            AdminError::InvalidBody(message) => bad("invalid_body", &message),
            AdminError::InvalidParameter(message) => bad("invalid_parameter", &message),
            AdminError::InvalidId => {
                let message = "id: expected the id of a tenant as an export has it: ten of the letters and digits that \
                               ours are made of";
                bad("invalid_id", message)
            }
            AdminError::InvalidSchema(message) => bad("invalid_schema", &message),
            AdminError::UnknownProvider(id) => {
                let found: String = id.chars().take(40).collect();
                let message = format!("identityProvider: expected {}, found {found:?}", provider::ids());
                bad("unknown_identity_provider", &message)
            }
            AdminError::NotConfirmed => bad("not_confirmed", "confirm: expected the name of the organisation"),
            AdminError::StillConnected => {
                conflict("still_connected", "connection: end it first; it would create the users anew")
            }
            AdminError::BeingRestored => {
                let message = "tenant: it is being restored; complete the import, or give it up with DELETE …/import";
                conflict("import_under_way", message)
            }
            AdminError::Tenant(error) => self.of_tenant_error(error),
            AdminError::Connection(error) => self.of_connection(error),
            AdminError::Schema(error) => self.of_schema(error),
            AdminError::Import(error) => self.of_import(error),
            AdminError::Directory(error) => self.of_problem(&error.into()),
            AdminError::Ledger(error) => self.of_problem(&error.into()),
        }
    }

    fn of_tenant_error(&self, error: TenantError) -> Response<Vec<u8>> {
        let conflict = |code, message: &str| admin_error(StatusCode::CONFLICT, code, message);
        match error {
            TenantError::NoSuchTenant => admin_error(StatusCode::NOT_FOUND, "not_found", NO_TENANT),
            TenantError::BadName => {
                let max = LIMITS.tenant_name_bytes_max;
                let message = format!("name: expected 1 to {max} bytes without control characters");
                admin_error(StatusCode::BAD_REQUEST, "invalid_name", &message)
            }
            TenantError::Full => {
                conflict("too_many_tenants", &format!("tenants: expected at most {}", LIMITS.tenants_max))
            }
            TenantError::IdTaken => conflict("id_taken", "id: expected one that no tenant has"),
            TenantError::NotEmpty => {
                let message =
                    "tenant: it still has a connection or users or groups; end the one and delete the others first";
                conflict("not_empty", message)
            }
            TenantError::Ledger(error) => self.of_problem(&error.into()),
        }
    }

    fn of_connection(&self, error: ConnectionError) -> Response<Vec<u8>> {
        match error {
            ConnectionError::AlreadyConnected => {
                let message = "connection: there is one already; end it before starting another";
                admin_error(StatusCode::CONFLICT, "already_connected", message)
            }
            ConnectionError::NotConnected => {
                let message = "connection: there is none; start the setup first";
                admin_error(StatusCode::NOT_FOUND, "no_connection", message)
            }
            ConnectionError::Ledger(error) => self.of_problem(&error.into()),
        }
    }

    fn of_schema(&self, error: SchemaError) -> Response<Vec<u8>> {
        let conflict = |code, message: &str| admin_error(StatusCode::CONFLICT, code, message);
        match error {
            SchemaError::Full => {
                conflict("too_many_schemas", &format!("schemas: expected at most {}", LIMITS.schemas_max))
            }
            SchemaError::Confusable(other) => {
                let message =
                    format!("urn: expected one that neither starts nor continues that of another schema, {other}");
                conflict("confusable_schema", &message)
            }
            SchemaError::Extends(kind) => {
                let name = kind.resource_type().name;
                let message = format!("resourceType: expected {name}, which this schema extends already");
                conflict("other_resource_type", &message)
            }
            SchemaError::Ledger(error) => self.of_problem(&error.into()),
        }
    }

    fn of_import(&self, error: ImportError) -> Response<Vec<u8>> {
        let conflict = |code, message: &str| admin_error(StatusCode::CONFLICT, code, message);
        match error {
            ImportError::NoSuchTenant => admin_error(StatusCode::NOT_FOUND, "not_found", NO_TENANT),
            ImportError::NotEmpty => conflict("not_empty", "tenant: expected one without connection, users and groups"),
            ImportError::AnotherFile => {
                let message = "import: another file is under way; complete it, or give it up with DELETE …/import";
                conflict("import_under_way", message)
            }
            ImportError::GivenUp => {
                let message = "import: it was given up meanwhile; delete what it brought, and begin it anew";
                conflict("import_given_up", message)
            }
            ImportError::Line(number, what) => {
                admin_error(StatusCode::BAD_REQUEST, "invalid_line", &format!("line {number}: {what}"))
            }
            ImportError::Findings(findings) => {
                let message = "import: the invariants of what was read do not hold";
                let findings: Vec<&String> = findings.iter().take(LIMITS.page_max).collect();
                let document = json!({"error": {"code": "inconsistent", "message": message}, "findings": findings});
                admin_body(StatusCode::CONFLICT, &document)
            }
            ImportError::Ledger(error) => self.of_problem(&error.into()),
        }
    }

    /// What the SCIM side has a mapping for already.
    fn of_problem(&self, problem: &Problem) -> Response<Vec<u8>> {
        problem.refusal(&self.ports, &self.request_id()).admin()
    }
}

/// What a call says that names a tenant which is not there.
pub(super) const NO_TENANT: &str = "tenant: no tenant has this id";

/// What a path is told that is none of this API.
pub(super) const NO_CALL: AdminError = AdminError::Missing("path: no such call");

fn wrong_method(known: &[Method]) -> Response<Vec<u8>> {
    let names: Vec<&str> = known.iter().map(Method::as_str).collect();
    let message = format!("method: expected {}", names.join(", "));
    let mut response = admin_error(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", &message);
    respond::set(&mut response, ALLOW, &route::allow(known));
    response
}

impl From<TenantError> for AdminError {
    fn from(error: TenantError) -> AdminError {
        AdminError::Tenant(error)
    }
}

impl From<ConnectionError> for AdminError {
    fn from(error: ConnectionError) -> AdminError {
        AdminError::Connection(error)
    }
}

impl From<SchemaError> for AdminError {
    fn from(error: SchemaError) -> AdminError {
        AdminError::Schema(error)
    }
}

impl From<ImportError> for AdminError {
    fn from(error: ImportError) -> AdminError {
        AdminError::Import(error)
    }
}

impl From<directory::Error> for AdminError {
    fn from(error: directory::Error) -> AdminError {
        AdminError::Directory(error)
    }
}

impl From<ledger::Error> for AdminError {
    fn from(error: ledger::Error) -> AdminError {
        AdminError::Ledger(error)
    }
}

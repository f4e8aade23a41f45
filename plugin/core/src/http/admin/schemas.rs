//! The schemas that a tenant has of its own, in the form of RFC 7643 §7.

use super::{Answered, body, missing};
use crate::http::Rollcall;
use crate::http::respond::{admin_body, admin_error};
use crate::keys::TenantId;
use crate::ledger;
use crate::settings::LIMITS;
use crate::tenant::registry;
use crate::tenant::schemas::{self, OwnSchema, Refusal};
use crate::tenant::state::TenantTurn;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

impl Rollcall {
    pub(super) fn list_schemas(&self, id: &TenantId) -> Answered {
        let own = schemas::read(&self.view(id)).map_err(|error| self.failed_call(error))?;
        let forms: Vec<Map<String, Value>> = own.iter().map(OwnSchema::to_json).collect();
        Ok(admin_body(StatusCode::OK, &json!({"schemas": forms})))
    }

    pub(super) fn show_schema(&self, id: &TenantId, urn: &str) -> Answered {
        let own = schemas::read(&self.view(id)).map_err(|error| self.failed_call(error))?;
        let found = own.iter().find(|own| own.schema.id.eq_ignore_ascii_case(urn)).ok_or_else(no_schema)?;
        Ok(admin_body(StatusCode::OK, &found.to_json()))
    }

    pub(super) fn put_schema(&self, id: &TenantId, urn: &str, request: &Request<Vec<u8>>) -> Answered {
        let form: Map<String, Value> = body(request, "a schema as RFC 7643 §7 writes it")?;
        let new = OwnSchema::parse(urn, form)
            .map_err(|error| admin_error(StatusCode::BAD_REQUEST, "invalid_schema", &error.to_string()))?;
        let put = self.in_turn(id, |turn| schemas::put(turn, new))?;
        let (own, is_new) = put.map_err(|refusal| refused(&refusal))?;
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        Ok(admin_body(status, &own.to_json()))
    }

    pub(super) fn remove_schema(&self, id: &TenantId, urn: &str) -> Answered {
        let removed = self.in_turn(id, |turn| schemas::remove(turn, urn))?.ok_or_else(no_schema)?;
        Ok(admin_body(StatusCode::OK, &json!({"id": removed.schema.id, "data": "kept", "message": KEPT})))
    }

    /// Changes a tenant's schemas within a turn. The tenant is looked at once more there, which its removal holds, too.
    fn in_turn<T>(
        &self,
        id: &TenantId,
        change: impl FnOnce(&mut TenantTurn<'_>) -> Result<T, ledger::Error>,
    ) -> Result<T, Response<Vec<u8>>> {
        let failed = |error| self.failed_call(error);
        let mut turn = self.turn(id).map_err(failed)?;
        self.expect_restored(&turn)?;
        // Nobody else works in this instance until the change is done.
        self.connections.forget(id);
        if registry::read(self.ledger(), id).map_err(failed)?.is_none() {
            turn.release().map_err(failed)?;
            return Err(missing("tenant: no tenant has this id"));
        }
        let changed = change(&mut turn).map_err(failed)?;
        turn.commit().map_err(failed)?;
        Ok(changed)
    }
}

const KEPT: &str = "what users and groups have of its attributes stays in the store, unseen, and is seen again when the \
                    schema comes back";

fn refused(refusal: &Refusal) -> Response<Vec<u8>> {
    match refusal {
        Refusal::Full => {
            let message = format!("schemas: expected at most {}", LIMITS.schemas_max);
            admin_error(StatusCode::CONFLICT, "too_many_schemas", &message)
        }
        Refusal::Confusable(other) => {
            let message =
                format!("urn: expected one that neither starts nor continues that of another schema, {other}");
            admin_error(StatusCode::CONFLICT, "confusable_schema", &message)
        }
        Refusal::Extends(kind) => {
            let name = kind.resource_type().name;
            let message = format!("resourceType: expected {name}, which this schema extends already");
            admin_error(StatusCode::CONFLICT, "other_resource_type", &message)
        }
    }
}

fn no_schema() -> Response<Vec<u8>> {
    missing("urn: the tenant has no schema of its own of this URN")
}

//! The schemas that a tenant has of its own, in the form of RFC 7643 §7.

use super::Answered;
use super::error::AdminError;
use super::request::body;
use crate::http::Rollcall;
use crate::http::respond::admin_body;
use crate::keys::TenantId;
use crate::tenant::registry::{self, TenantError};
use crate::tenant::schemas::{self, OwnSchema};
use crate::tenant::state::TenantTurn;
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};

impl Rollcall {
    pub(super) fn list_schemas(&self, id: &TenantId) -> Answered {
        let own = schemas::read(&self.view(id))?;
        let forms: Vec<Map<String, Value>> = own.iter().map(OwnSchema::to_json).collect();
        Ok(admin_body(StatusCode::OK, &json!({"schemas": forms})))
    }

    pub(super) fn show_schema(&self, id: &TenantId, urn: &str) -> Answered {
        let own = schemas::read(&self.view(id))?;
        let found = own.iter().find(|own| own.schema.id.eq_ignore_ascii_case(urn)).ok_or(NO_SCHEMA)?;
        Ok(admin_body(StatusCode::OK, &found.to_json()))
    }

    pub(super) fn put_schema(&self, id: &TenantId, urn: &str, request: &Request<Vec<u8>>) -> Answered {
        let form: Map<String, Value> = body(request, "a schema as RFC 7643 §7 writes it")?;
        let new = OwnSchema::parse(urn, form).map_err(|error| AdminError::InvalidSchema(error.to_string()))?;
        let (own, is_new) = self.in_turn(id, |turn| schemas::put(turn, new))?;
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        Ok(admin_body(status, &own.to_json()))
    }

    pub(super) fn remove_schema(&self, id: &TenantId, urn: &str) -> Answered {
        let removed = self.in_turn(id, |turn| schemas::remove(turn, urn))?.ok_or(NO_SCHEMA)?;
        Ok(admin_body(StatusCode::OK, &json!({"id": removed.schema.id, "data": "kept", "message": KEPT})))
    }

    /// Changes a tenant's schemas within a turn. The tenant is looked at once more there, which its removal holds, too.
    fn in_turn<T, E: Into<AdminError>>(
        &self,
        id: &TenantId,
        change: impl FnOnce(&mut TenantTurn<'_>) -> Result<T, E>,
    ) -> Result<T, AdminError> {
        let mut turn = self.turn(id)?;
        Rollcall::expect_restored(&turn)?;
        // Nobody else works in this instance until the change is done.
        self.connections.forget(id);
        if registry::read(self.ledger(), id)?.is_none() {
            return Err(TenantError::NoSuchTenant.into());
        }
        let changed = change(&mut turn).map_err(E::into)?;
        turn.commit()?;
        Ok(changed)
    }
}

const KEPT: &str = "what users and groups have of its attributes stays in the store, unseen, and is seen again when the \
                    schema comes back";

const NO_SCHEMA: AdminError = AdminError::Missing("urn: the tenant has no schema of its own of this URN");

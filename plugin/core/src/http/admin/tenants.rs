//! Tenants: made, listed, changed, removed.

use super::error::AdminError;
use super::request::{CallParameters, body};
use super::{Answered, time};
use crate::connection::Connection;
use crate::http::Rollcall;
use crate::http::respond::{self, admin_body};
use crate::keys::{Space, TenantId};
use crate::settings::LIMITS;
use crate::tenant::registry::{self, Tenant, TenantError};
use crate::tenant::state::TenantState;
use crate::traffic::activity;
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};

impl Rollcall {
    pub(super) fn create_tenant(&self, request: &Request<Vec<u8>>) -> Answered {
        #[derive(serde::Deserialize)]
        struct NewTenant {
            name: String,
            id: Option<String>,
        }
        let wanted: NewTenant = body(request, "{\"name\": \"…\"}")?;
        let id = wanted.id.as_deref().map(|id| TenantId::parse(id).ok_or(AdminError::InvalidId)).transpose()?;
        let tenant = registry::create(self.ledger(), &wanted.name, id)?;
        Ok(admin_body(StatusCode::CREATED, &basics(&tenant)))
    }

    pub(super) fn list_tenants(&self, request: &Request<Vec<u8>>) -> Answered {
        let query = CallParameters::of(request.uri());
        let start = query.number("startIndex")?.unwrap_or(1).max(1);
        let count = query.count("count", LIMITS.tenants_page_max, LIMITS.tenants_page_max)?;
        let (tenants, total) = registry::list(self.ledger(), start - 1, count)?;
        let mut rows = Vec::with_capacity(tenants.len());
        for tenant in &tenants {
            rows.push(self.overview(tenant)?);
        }
        Ok(admin_body(StatusCode::OK, &json!({"tenants": rows, "totalResults": total, "startIndex": start})))
    }

    pub(super) fn show_tenant(&self, tenant: &Tenant) -> Answered {
        Ok(admin_body(StatusCode::OK, &self.overview(tenant)?))
    }

    pub(super) fn change_tenant(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let wanted: Map<String, Value> = body(request, "{\"name\": \"…\", \"seats\": number or null}")?;
        let mut change = registry::TenantChange::default();
        for (name, value) in wanted {
            match (name.as_str(), value) {
                ("name", Value::String(name)) => change.name = Some(name),
                ("seats", Value::Null) => change.seats = Some(None),
                ("seats", Value::Number(seats)) if seats.as_u64().is_some() => change.seats = Some(seats.as_u64()),
                (other, _) => {
                    let message = format!("{other}: expected name as text, or seats as a whole number or null");
                    return Err(AdminError::InvalidBody(message));
                }
            }
        }
        let tenant = registry::change(self.ledger(), id, change)?;
        Ok(admin_body(StatusCode::OK, &self.overview(&tenant)?))
    }

    pub(super) fn delete_tenant(&self, id: &TenantId) -> Answered {
        registry::delete(self.ledger(), id)?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// A tenant as the list of organisations shows it.
    pub(super) fn overview(&self, tenant: &Tenant) -> Result<Map<String, Value>, AdminError> {
        let mut row = basics(tenant);
        let id = TenantId::parse(&tenant.id).ok_or(AdminError::Missing("tenant: no such tenant"))?;
        let view = self.view(&id);
        let head = view.head()?;
        let connection = Connection::read(&view)?;
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

    pub(in crate::http) fn tenant(&self, id: &TenantId) -> Result<Tenant, AdminError> {
        self.prepare::<TenantState>(Space::tenant(id))?;
        registry::read(self.ledger(), id)?.ok_or(TenantError::NoSuchTenant.into())
    }
}

fn basics(tenant: &Tenant) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("id".into(), json!(tenant.id));
    row.insert("name".into(), json!(tenant.name));
    row.insert("createdAt".into(), time(Some(tenant.created_at)));
    row.insert("seats".into(), json!(tenant.seats));
    row
}

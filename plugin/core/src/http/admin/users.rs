//! Users and groups as the page lists them, and their removal.

use super::error::AdminError;
use super::request::{CallParameters, body};
use super::{Answered, time};
use crate::connection::Connection;
use crate::directory::{self, Change, Document, Terms};
use crate::http::Rollcall;
use crate::http::respond::{self, admin_body};
use crate::keys::{Kind, TenantId};
use crate::scim::text::fold;
use crate::scim::{Effort, Reading, Resource};
use crate::settings::LIMITS;
use crate::tenant::registry::Tenant;
use crate::tenant::schemas::Types;
use crate::tenant::state::TenantView;
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};

impl Rollcall {
    pub(super) fn list_users_of(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let query = CallParameters::of(request.uri());
        let start = query.number("startIndex")?.unwrap_or(1).max(1);
        let count = query.count("count", LIMITS.page_default, LIMITS.page_max)?;
        let search = query.text("search").map(fold).filter(|text| !text.is_empty());
        let active = query.choice("active", &[("true", true), ("false", false)])?;
        let view = self.view(id);
        let found = if search.is_none() && active.is_none() {
            directory::search(&view, &[directory::Query::all(Kind::User)], false, start - 1, count, &Effort::default())
        } else {
            let keeps = |resource: &Resource| {
                active.is_none_or(|active| resource.active() == active)
                    && search.as_ref().is_none_or(|text| mentions(resource, text))
            };
            directory::filter_users(&view, keeps, start - 1, count)
        };
        let found = found?;
        let users: Vec<Value> = found.documents.iter().map(|(_, document)| user_row(&document.resource)).collect();
        let mut document = json!({"users": users, "totalResults": found.total, "startIndex": start});
        tell_left_out(&mut document, &view);
        Ok(admin_body(StatusCode::OK, &document))
    }

    pub(super) fn show_user(&self, id: &TenantId, user: &str) -> Answered {
        let view = self.view(id);
        let document = directory::get(&view, Kind::User, user)?;
        let types = Types::read(&view)?;
        let mut row = user_row(&document.resource);
        row["resource"] = Value::Object(document.resource.into_json(types.of(Kind::User), None));
        Ok(admin_body(StatusCode::OK, &row))
    }

    pub(super) fn delete_user(&self, id: &TenantId, user: &str) -> Answered {
        let mut turn = self.turn(id)?;
        Rollcall::expect_restored(&turn)?;
        let change = Change::Delete { id: user.to_owned() };
        let plan =
            directory::plan(&turn, Kind::User, &change, &None, self.own_terms(&Effort::default(), &Reading::strict()))?;
        directory::carry_out(&mut turn, &plan)?;
        turn.commit()?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// Deletes what an ended connection left behind, a batch at a time; the page repeats it until nothing remains.
    pub(super) fn delete_users(&self, id: &TenantId, tenant: &Tenant, request: &Request<Vec<u8>>) -> Answered {
        let wanted: Map<String, Value> = body(request, "{\"confirm\": \"the organisation's name\"}")?;
        if wanted.get("confirm").and_then(Value::as_str) != Some(tenant.name.as_str()) {
            return Err(AdminError::NotConfirmed);
        }
        let mut turn = self.turn(id)?;
        Rollcall::expect_restored(&turn)?;
        if Connection::read(&turn)?.is_some_and(|connection| connection.ended_at.is_none()) {
            return Err(AdminError::StillConnected);
        }
        let mut gone = Vec::new();
        // Users first: what is left of a group then costs little.
        for kind in Kind::ALL {
            let open = LIMITS.users_deleted_at_once - gone.len();
            let seats = directory::roster::page(&turn, &kind.roll(), 0, open)?;
            gone.extend(seats.into_iter().map(|(slot, id)| (kind, slot, id)));
        }
        let deleted = gone.len();
        for (kind, slot, id) in gone {
            let change = Change::Delete { id };
            let carried =
                directory::plan(&turn, kind, &change, &None, self.own_terms(&Effort::default(), &Reading::strict()))
                    .and_then(|plan| directory::carry_out(&mut turn, &plan));
            match carried {
                Ok(_) => {}
                // A seat without a document is what a store has lost: it goes, or nothing of the tenant ever could.
                Err(directory::Error::NotFound(..)) => directory::vacate(&mut turn, kind, slot)?,
                Err(error) => return Err(error.into()),
            }
        }
        let remaining = turn.head.state.main.members + turn.head.state.groups.members;
        turn.commit()?;
        Ok(admin_body(StatusCode::OK, &json!({"deleted": deleted, "remaining": remaining})))
    }

    /// What the operator's own changes are planned by; they only delete, so no schema has a say.
    fn own_terms<'e>(&self, effort: &'e Effort, reading: &'e Reading) -> Terms<'e> {
        const TYPES: &Types = &Types::built_in();
        Terms { types: TYPES, reading, base: "", now: self.ports.clock.now(), effort }
    }

    pub(super) fn list_groups_of(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let query = CallParameters::of(request.uri());
        let start = query.number("startIndex")?.unwrap_or(1).max(1);
        let count = query.count("count", LIMITS.page_default, LIMITS.page_max)?;
        let all = directory::Query::all(Kind::Group);
        let view = self.view(id);
        let found = directory::search(&view, &[all], false, start - 1, count, &Effort::default())?;
        let groups: Vec<Value> = found.documents.iter().map(|(_, document)| group_row(document)).collect();
        let mut document = json!({"groups": groups, "totalResults": found.total, "startIndex": start});
        tell_left_out(&mut document, &view);
        Ok(admin_body(StatusCode::OK, &document))
    }
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

fn mentions(resource: &Resource, text: &str) -> bool {
    [resource.user_name(), resource.display_name(), resource.external_id.as_deref(), Some(&resource.id)]
        .into_iter()
        .flatten()
        .any(|field| fold(field).contains(text))
}

//! Export and import of a tenant.

use super::Answered;
use super::error::AdminError;
use crate::backup::export::Export;
use crate::backup::import::{self, Import};
use crate::http::respond::{self, admin_body};
use crate::http::route::{Admin, OfTenant, Route};
use crate::http::{Body, Rollcall, Stream};
use crate::keys::TenantId;
use crate::tenant::state::TenantTurn;
use http::{Method, Request, Response, StatusCode};

impl Rollcall {
    /// Whether the body of a request may have any size, because it is taken a part at a time: who listens cuts it behind a
    /// line, at [`Limits::body_bytes_max`](crate::settings::Limits::body_bytes_max) at the latest, and hands the parts to
    /// [`Rollcall::handle`] one after the other, each with the head of the request, for as long as the answer is a 2xx.
    pub fn takes_parts(method: &Method, path: &str) -> bool {
        *method == Method::POST && matches!(Route::of(path), Route::Admin(Admin::Tenant(_, OfTenant::Import)))
    }

    pub(super) fn back_up(&self, id: &TenantId) -> Result<Response<Body>, AdminError> {
        let tenant = self.tenant(id)?;
        if self.view(id).head()?.state.being_restored {
            return Err(AdminError::BeingRestored);
        }
        self.flush_tenant(id);
        let begin = || Export::begin(self.ledger(), &tenant, id);
        let export = self.while_open(id, begin)?;
        let mut response = respond::empty(StatusCode::OK);
        respond::set(&mut response, http::header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8");
        let name = format!("attachment; filename=\"tenant-{id}.ndjson\"");
        respond::set(&mut response, http::header::CONTENT_DISPOSITION, &name);
        Ok(response.map(|_| Body::Stream(Stream::of_tenant(export))))
    }

    pub(super) fn show_import(&self, id: &TenantId) -> Answered {
        let import = Import::read(&self.view(id))?;
        let import = import.ok_or(AdminError::Missing("import: none was begun"))?;
        Ok(admin_body(StatusCode::OK, &import.progress()))
    }

    /// 202 as long as the trailer is missing, 200 when the tenant is open.
    pub(super) fn import(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let text = std::str::from_utf8(request.body())
            .map_err(|_| AdminError::InvalidBody("body: expected lines of an export, in UTF-8".to_owned()))?;
        let import = self.while_open(id, || import::part(self.ledger(), id, text))?;
        let status = if import.is_under_way() { StatusCode::ACCEPTED } else { StatusCode::OK };
        Ok(admin_body(status, &import.progress()))
    }

    pub(super) fn give_up_import(&self, id: &TenantId) -> Answered {
        let given_up = self.while_open(id, || import::give_up(self.ledger(), id));
        match given_up? {
            true => Ok(respond::empty(StatusCode::NO_CONTENT)),
            false => Err(AdminError::Missing("import: none is under way")),
        }
    }

    /// Refuses a change of a tenant that is being restored.
    pub(super) fn expect_restored(turn: &TenantTurn<'_>) -> Result<(), AdminError> {
        if turn.head.state.being_restored { Err(AdminError::BeingRestored) } else { Ok(()) }
    }
}

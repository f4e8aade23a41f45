//! Export and import of a tenant.

use super::admin::{Answered, missing};
use super::respond::{self, admin_body, admin_error};
use super::route::{Admin, OfTenant, Route};
use super::{Body, Rollcall, Stream};
use crate::backup::export::Export;
use crate::backup::import::{self, Import, Refusal};
use crate::keys::TenantId;
use crate::ledger::Error;
use crate::settings::LIMITS;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

impl Rollcall {
    /// Whether the body of a request may have any size, because it is taken a part at a time: who listens cuts it behind a
    /// line, at [`Limits::body_bytes_max`](crate::settings::Limits::body_bytes_max) at the latest, and hands the parts to
    /// [`Rollcall::handle`] one after the other, each with the head of the request, for as long as the answer is a 2xx.
    pub fn takes_parts(method: &Method, path: &str) -> bool {
        *method == Method::POST && matches!(Route::of(path), Route::Admin(Admin::Tenant(_, OfTenant::Import)))
    }

    pub(super) fn back_up(&self, id: &TenantId) -> Result<Response<Body>, Response<Vec<u8>>> {
        let tenant = self.tenant(id)?;
        if import::under_way(&self.view(id)).map_err(|error| self.failed_call(error))? {
            return Err(being_restored());
        }
        self.flush_tenant(id);
        let begin = || Export::begin(self.ledger(), &tenant, id);
        let export = self.while_open(id, begin).map_err(|error| self.failed_call(error))?;
        let mut response = respond::empty(StatusCode::OK);
        respond::set(&mut response, http::header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8");
        let name = format!("attachment; filename=\"tenant-{id}.ndjson\"");
        respond::set(&mut response, http::header::CONTENT_DISPOSITION, &name);
        Ok(response.map(|_| Body::Stream(Stream::of_tenant(export))))
    }

    pub(super) fn show_import(&self, id: &TenantId) -> Answered {
        let import = Import::read(&self.view(id)).map_err(|error| self.failed_call(error))?;
        let import = import.ok_or_else(|| missing("import: none was begun"))?;
        Ok(admin_body(StatusCode::OK, &import.progress()))
    }

    /// 202 as long as the trailer is missing, 200 when the tenant is open.
    pub(super) fn import(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let text = std::str::from_utf8(request.body()).map_err(|_| {
            admin_error(StatusCode::BAD_REQUEST, "invalid_body", "body: expected lines of an export, in UTF-8")
        })?;
        let import = self
            .while_open(id, || import::part(self.ledger(), id, text))
            .map_err(|error| self.failed_call(error))?
            .map_err(|refusal| refused(&refusal))?;
        let status = if import.is_under_way() { StatusCode::ACCEPTED } else { StatusCode::OK };
        Ok(admin_body(status, &import.progress()))
    }

    pub(super) fn give_up_import(&self, id: &TenantId) -> Answered {
        let given_up = self.while_open(id, || import::give_up(self.ledger(), id));
        match given_up.map_err(|error| self.failed_call(error))? {
            true => Ok(respond::empty(StatusCode::NO_CONTENT)),
            false => Err(missing("import: none is under way")),
        }
    }

    /// Refuses a change of a tenant that is being restored.
    pub(super) fn expect_restored(&self, view: &impl crate::ledger::Read) -> Result<(), Response<Vec<u8>>> {
        match import::under_way(view).map_err(|error: Error| self.failed_call(error))? {
            true => Err(being_restored()),
            false => Ok(()),
        }
    }
}

pub(super) fn being_restored() -> Response<Vec<u8>> {
    let message = "tenant: it is being restored; complete the import, or give it up with DELETE …/import";
    admin_error(StatusCode::CONFLICT, "import_under_way", message)
}

fn refused(refusal: &Refusal) -> Response<Vec<u8>> {
    match refusal {
        Refusal::NoSuchTenant => missing("tenant: no tenant has this id"),
        Refusal::NotEmpty => {
            let message = "tenant: expected one without connection, users and groups";
            admin_error(StatusCode::CONFLICT, "not_empty", message)
        }
        Refusal::AnotherFile => {
            let message = "import: another file is under way; complete it, or give it up with DELETE …/import";
            admin_error(StatusCode::CONFLICT, "import_under_way", message)
        }
        Refusal::GivenUp => {
            let message = "import: it was given up meanwhile; delete what it brought, and begin it anew";
            admin_error(StatusCode::CONFLICT, "import_given_up", message)
        }
        Refusal::Line(number, what) => {
            admin_error(StatusCode::BAD_REQUEST, "invalid_line", &format!("line {number}: {what}"))
        }
        Refusal::Findings(findings) => {
            let message = "import: the invariants of what was read do not hold";
            let findings: Vec<&String> = findings.iter().take(LIMITS.page_max).collect();
            let document = json!({"error": {"code": "inconsistent", "message": message}, "findings": findings});
            admin_body(StatusCode::CONFLICT, &document)
        }
    }
}

//! The journal: a page of it, one record, all of it as a file.

use super::Answered;
use super::error::AdminError;
use super::request::CallParameters;
use crate::http::export::Format;
use crate::http::respond::{self, admin_body};
use crate::http::{Body, Rollcall, Stream};
use crate::journal::{self, Record};
use crate::keys::TenantId;
use crate::settings::LIMITS;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

impl Rollcall {
    pub(super) fn list_requests(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let query = CallParameters::of(request.uri());
        let before = query.number("before")?;
        let limit = query.count("limit", LIMITS.page_default, LIMITS.page_max)?;
        let filter = query.filter()?;
        self.flush_tenant(id);
        let page = journal::page(&self.view(id), before, limit, &filter)?;
        let rows: Vec<Value> = page.records.iter().map(brief).collect();
        Ok(admin_body(StatusCode::OK, &json!({"requests": rows, "next": page.next})))
    }

    pub(super) fn show_request(&self, id: &TenantId, number: u64) -> Answered {
        self.flush_tenant(id);
        let record = journal::get(&self.view(id), number)?;
        let record = record.ok_or(AdminError::Missing("number: the journal holds no such request, or no longer"))?;
        Ok(admin_body(StatusCode::OK, &record.shown()))
    }

    pub(super) fn export(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Result<Response<Body>, AdminError> {
        let tenant = self.tenant(id)?;
        let query = CallParameters::of(request.uri());
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
}

/// A record as the list shows it: without bodies and attributes.
fn brief(record: &Record) -> Value {
    let mut row = record.shown();
    for name in ["requestBody", "responseBody", "before", "after"] {
        row.shift_remove(name);
    }
    Value::Object(row)
}

//! The component's own interfaces, for platforms that load it without HTTP.

use super::application;
use bindings::exports::rollcall::scim::types::Error;
use bindings::exports::rollcall::scim::{directory, journal, provisioning};
use rollcall_core::http::{Rollcall, Unanswered};
use rollcall_core::journal::{Outcome, Record, RecordKind};
use rollcall_core::keys::TenantId;
use std::rc::Rc;

/// What wit-bindgen makes of `wit/`.
#[expect(unsafe_code, reason = "wit-bindgen writes it")]
pub(crate) mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../wit",
        world: "plugin",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });

    use super::Component;
    export!(Component);
}

pub(crate) struct Component;

impl provisioning::Guest for Component {
    async fn handle(request: provisioning::Request) -> Result<provisioning::Response, Error> {
        let (rollcall, tenant) = open(&request.tenant).await?;
        let method = http::Method::from_bytes(request.method.as_bytes()).map_err(|_| {
            Error::InvalidArgument(format!("method: expected an HTTP method, found {:?}", request.method))
        })?;
        let mut headers = http::HeaderMap::new();
        for header in &request.headers {
            let name = http::HeaderName::from_bytes(header.name.as_bytes())
                .map_err(|_| Error::InvalidArgument(format!("headers: {:?} is no header name", header.name)))?;
            let value = http::HeaderValue::from_bytes(header.value.as_bytes()).map_err(|_| {
                Error::InvalidArgument(format!("headers: the value of {name} holds control characters"))
            })?;
            headers.append(name, value);
        }
        let response = rollcall.provision(rollcall_core::http::Provision {
            tenant: &tenant,
            tenant_url: request.tenant_url.as_deref(),
            method: &method,
            path: &request.path,
            query: request.query.as_deref(),
            headers: &headers,
            body: &request.body,
        });
        // The embedder may drop the instance right after the answer, so nothing may stay in memory.
        rollcall.flush_tenant(&tenant);
        let headers = response.headers().iter().map(|(name, value)| provisioning::Header {
            name: name.as_str().to_owned(),
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
        });
        Ok(provisioning::Response {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.into_body(),
        })
    }
}

impl directory::Guest for Component {
    async fn get(tenant: String, id: String) -> Result<Option<directory::Entry>, Error> {
        let (rollcall, tenant) = open(&tenant).await?;
        rollcall.user(&tenant, &id).map(|user| user.map(entry)).map_err(unanswered)
    }

    async fn find(tenant: String, user_name: String) -> Result<Option<directory::Entry>, Error> {
        let (rollcall, tenant) = open(&tenant).await?;
        rollcall.user_named(&tenant, &user_name).map(|user| user.map(entry)).map_err(unanswered)
    }

    async fn list_entries(tenant: String, start_index: u64, count: u32) -> Result<directory::Page, Error> {
        let (rollcall, tenant) = open(&tenant).await?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (users, total) = rollcall.users(&tenant, start_index, count).map_err(unanswered)?;
        Ok(directory::Page { entries: users.into_iter().map(entry).collect(), total })
    }
}

impl journal::Guest for Component {
    async fn list_entries(tenant: String, before: Option<u64>, limit: u32) -> Result<journal::Page, Error> {
        let (rollcall, tenant) = open(&tenant).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page = rollcall.records(&tenant, before, limit).map_err(unanswered)?;
        Ok(journal::Page { entries: page.records.into_iter().map(record).collect(), next: page.next })
    }

    async fn get(tenant: String, number: u64) -> Result<Option<journal::Entry>, Error> {
        let (rollcall, tenant) = open(&tenant).await?;
        rollcall.record(&tenant, number).map(|found| found.map(record)).map_err(unanswered)
    }
}

async fn open(tenant: &str) -> Result<(Rc<Rollcall>, TenantId), Error> {
    let rollcall = application().await.map_err(|error| Error::Misconfigured(error.to_string()))?;
    let tenant = TenantId::parse(tenant).ok_or(Error::NoSuchTenant)?;
    rollcall.expect_tenant(&tenant).map_err(unanswered)?;
    Ok((rollcall, tenant))
}

fn unanswered(problem: Unanswered) -> Error {
    match problem {
        Unanswered::NoSuchTenant => Error::NoSuchTenant,
        Unanswered::OutOfRange(what) => Error::InvalidArgument(what),
        Unanswered::Store(id) => Error::Unavailable(id),
    }
}

fn entry(user: rollcall_core::http::UserEntry) -> directory::Entry {
    directory::Entry {
        id: user.id,
        user_name: user.user_name,
        external_id: user.external_id,
        display_name: user.display_name,
        active: user.active,
        created: milliseconds(user.created),
        last_modified: milliseconds(user.last_modified),
        version: user.version,
        document: user.document,
    }
}

fn record(record: Record) -> journal::Entry {
    let json = |map: Option<_>| map.map(|map| rollcall_core::http::json_text(&map));
    journal::Entry {
        number: record.number,
        time: milliseconds(record.time),
        duration_us: record.duration_us,
        method: record.method.as_str().to_owned(),
        path: record.path,
        query: record.query,
        operation: record.operation,
        kind: match record.kind {
            RecordKind::Change => journal::Kind::Change,
            RecordKind::Read => journal::Kind::Read,
        },
        outcome: match record.outcome {
            Outcome::Success => journal::Outcome::Success,
            Outcome::Failure => journal::Outcome::Failure,
        },
        status: record.status,
        scim_type: record.scim_type,
        detail: record.detail,
        changed: record.changed,
        user: record.user.map(|user| user.id),
        token: record.token,
        repeats: record.repeats,
        request_body: record.request_body,
        response_body: record.response_body,
        before: json(record.before),
        after: json(record.after),
    }
}

fn milliseconds(time: jiff::Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

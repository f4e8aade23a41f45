//! The connection of a tenant: started, shown, rotated, changed, ended; and the identity providers that it can be made
//! with.

use super::error::AdminError;
use super::request::body;
use super::{Answered, time};
use crate::connection::provider::{self, IdentityProvider};
use crate::connection::{self, Connection, ConnectionError};
use crate::http::Rollcall;
use crate::http::respond::{self, admin_body};
use crate::keys::TenantId;
use crate::tenant::registry::{self, Tenant};
use crate::tenant::state::TenantTurn;
use crate::traffic::activity::Activity;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl Rollcall {
    pub(super) fn start_connection(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct NewConnection {
            identity_provider: String,
            #[serde(default)]
            strict: bool,
        }
        let wanted: NewConnection = body(request, "{\"identityProvider\": \"…\"}")?;
        let provider = known_provider(&wanted.identity_provider)?;
        let (ports, secrets) = (&self.ports, &self.settings.secrets);
        self.connection_turn(id, |turn| {
            // Looked at once more within the turn, which a removal of the tenant holds, too.
            if registry::read(self.ledger(), id)?.is_none() {
                return Err(ConnectionError::NotConnected);
            }
            connection::start(turn, ports, secrets, id, provider, wanted.strict)
        })?;
        self.connection(id, request, StatusCode::CREATED)
    }

    pub(super) fn show_connection(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        self.connection(id, request, StatusCode::OK)
    }

    pub(super) fn rotate(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let wanted: Map<String, Value> =
            if request.body().is_empty() { Map::new() } else { body(request, "{\"overlapSeconds\": number}")? };
        let seconds = match wanted.get("overlapSeconds") {
            None => connection::OVERLAP_SECONDS_DEFAULT,
            Some(value) => {
                value.as_u64().filter(|seconds| *seconds <= connection::OVERLAP_SECONDS_MAX).ok_or_else(|| {
                    let max = connection::OVERLAP_SECONDS_MAX;
                    let message = format!("overlapSeconds: expected a whole number from 0 to {max}");
                    AdminError::InvalidBody(message)
                })?
            }
        };
        let (ports, secrets) = (&self.ports, &self.settings.secrets);
        let overlap = Duration::from_secs(seconds);
        self.connection_turn(id, |turn| connection::rotate(turn, ports, secrets, id, overlap))?;
        self.connection(id, request, StatusCode::OK)
    }

    pub(super) fn change_connection(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let wanted: Map<String, Value> =
            body(request, "{\"groups\": true or false, \"strict\": true or false, \"identityProvider\": \"…\"}")?;
        let mut change = connection::ConnectionChange::default();
        for (name, value) in &wanted {
            match (name.as_str(), value) {
                ("groups", Value::Bool(groups)) => change.groups = Some(*groups),
                ("strict", Value::Bool(strict)) => change.strict = Some(*strict),
                ("identityProvider", Value::String(provider)) => change.provider = Some(known_provider(provider)?),
                (other, _) => {
                    let message = match other {
                        "groups" | "strict" => format!("{other}: expected true or false"),
                        "identityProvider" => "identityProvider: expected text".to_owned(),
                        other => {
                            let other: String = other.chars().take(40).collect();
                            format!("{other}: expected groups, strict or identityProvider")
                        }
                    };
                    return Err(AdminError::InvalidBody(message));
                }
            }
        }
        self.connection_turn(id, |turn| connection::change(turn, &change))?;
        self.connection(id, request, StatusCode::OK)
    }

    pub(super) fn end_connection(&self, id: &TenantId) -> Answered {
        self.connection_turn(id, |turn| connection::end(turn, &self.ports))?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// Changes a connection within a turn; what waits for the journal goes along, since it was sent before.
    fn connection_turn(
        &self,
        id: &TenantId,
        change: impl FnOnce(&mut TenantTurn<'_>) -> Result<Connection, ConnectionError>,
    ) -> Result<(), AdminError> {
        let mut turn = self.turn(id)?;
        Rollcall::expect_restored(&turn)?;
        // Nobody else works in this instance until the change is done.
        self.connections.forget(id);
        self.recorder().stage_waiting(id, &mut turn);
        let changed = change(&mut turn);
        if let Err(ConnectionError::Ledger(error)) = changed {
            return Err(error.into());
        }
        turn.commit()?;
        changed?;
        Ok(())
    }

    /// The connection as the page shows it at any time.
    fn connection(&self, id: &TenantId, request: &Request<Vec<u8>>, status: StatusCode) -> Answered {
        let view = self.view(id);
        let head = view.head()?;
        let connection = Connection::read(&view)?.ok_or(ConnectionError::NotConnected)?;
        let now = self.ports.clock.now();
        let tokens: Vec<Value> = connection
            .valid_tokens(now)
            .map(|token| {
                let used = head.state.tokens.iter().find(|used| used.id == token.id);
                json!({
                    "hint": token.hint,
                    "createdAt": time(Some(token.created_at)),
                    "endsAt": time(token.ends_at),
                    "firstUsedAt": time(used.map(|used| used.first)),
                    "lastUsedAt": time(used.map(|used| used.last)),
                })
            })
            .collect();
        let secret_token = connection.reveal(&self.settings.secrets, id);
        let sealed = secret_token.is_none() && !tokens.is_empty();
        let document = json!({
            "identityProvider": connection.identity_provider,
            "state": connection.state(&head),
            "tenantUrl": self.tenant_url(id, request.uri(), request.headers()),
            "secretToken": secret_token,
            // The sealing key has changed since; the token itself works on.
            "secretTokenNote": sealed.then_some("cannot be shown, rotate it"),
            "groups": connection.groups,
            "strict": connection.strict,
            "leniencies": head.state.traffic.leniencies(),
            "attributeMappings": connection.provider().mappings,
            "startedAt": time(Some(connection.started_at)),
            "endedAt": time(connection.ended_at),
            "lastTransferAt": time(head.state.last_transfer),
            "lastSuccessAt": time(head.state.last_success),
            "lastChangeAt": time(head.state.last_change),
            "users": head.state.main.members,
            "activeUsers": head.state.active,
            "tokens": tokens,
        });
        Ok(admin_body(status, &document))
    }

    pub(super) fn show_activity(&self, id: &TenantId, tenant: &Tenant) -> Answered {
        let view = self.view(id);
        let head = view.head()?;
        let connection = Connection::read(&view)?.ok_or(ConnectionError::NotConnected)?;
        let (provider, state) = (connection.provider(), connection.state(&head));
        let activity = Activity::of(&head, provider, state, tenant.seats, self.ports.clock.now());
        Ok(admin_body(StatusCode::OK, &activity))
    }
}

pub(super) fn identity_providers() -> Response<Vec<u8>> {
    let rows: Vec<Value> = provider::IDENTITY_PROVIDERS.iter().map(provider_row).collect();
    admin_body(StatusCode::OK, &json!({"identityProviders": rows}))
}

/// One provider with its guide: what the page walks through in the setup.
pub(super) fn identity_provider(id: &str) -> Answered {
    let provider = provider::of(id).ok_or(AdminError::Missing("identityProvider: there is none of this id"))?;
    let mut row = provider_row(provider);
    row["guide"] = serde_json::from_slice(&provider.guide()).expect("a test reads every guide");
    Ok(admin_body(StatusCode::OK, &row))
}

fn provider_row(provider: &IdentityProvider) -> Value {
    json!({"id": provider.id, "name": provider.name, "attributeMappings": provider.mappings})
}

fn known_provider(id: &str) -> Result<&'static IdentityProvider, AdminError> {
    provider::of(id).ok_or_else(|| AdminError::UnknownProvider(id.to_owned()))
}

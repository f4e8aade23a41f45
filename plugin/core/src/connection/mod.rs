//! The connection of a tenant to its identity provider: started, in use, rotated, ended.

pub mod cache;
pub mod provider;
pub mod sign;

use crate::keys::TenantId;
use crate::ledger::{self, Error, Read};
use crate::ports::{Entropy, Ports};
use crate::scim::Dialect;
use crate::secrets::{self, Digest, NONCE_LEN, Secrets, TOKEN_PREFIX};
use crate::tenant::state::{TenantHead, TenantTurn};
use crate::traffic::Traffic;
use jiff::{SignedDuration, Timestamp};
use provider::IdentityProvider;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Tokens that can be valid at once: the current one, and the one before it during its overlap.
const TOKENS_MAX: usize = 2;

/// The longest overlap that a rotation may ask for: 90 days.
pub const OVERLAP_SECONDS_MAX: u64 = 90 * 24 * 60 * 60;

/// The overlap of a rotation that names none: a day, enough for every provider's next cycle and its admin's morning.
pub const OVERLAP_SECONDS_DEFAULT: u64 = 24 * 60 * 60;

/// A tenant's connection as it is stored. Tenants that never had one have no record.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// [`IdentityProvider::id`].
    pub identity_provider: String,
    /// When the setup was started.
    pub started_at: Timestamp,
    /// When it was ended; nothing while it lasts.
    pub ended_at: Option<Timestamp>,
    /// Whether groups are synchronised, too. Where they are not, `/Groups` is an empty list that takes no writes.
    #[serde(default)]
    pub groups: bool,
    /// Whether requests are read by the RFC's letter, without anything that a provider might be forgiven.
    #[serde(default, skip_serializing_if = "is_false")]
    pub strict: bool,
    /// Whether the tenant has schemas of its own, which are read then.
    #[serde(default)]
    pub own_schemas: bool,
    /// The newest last.
    pub tokens: Vec<Token>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A secret token as it is stored: recognisable, and openable only with the installation's key.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Tells the tokens of a connection apart.
    pub id: String,
    digest: Digest,
    sealed: String,
    /// The last four characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; nothing for the current one.
    pub ends_at: Option<Timestamp>,
}

/// Where a connection stands.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// Set up; the provider has not yet shown a valid token.
    Started,
    /// The provider has been here with a valid token.
    Active,
    /// Ended. The users stay.
    Ended,
}

/// Why the connection could not be changed as asked.
#[derive(Debug, PartialEq)]
pub enum ConnectionError {
    /// There is a connection that has not been ended.
    AlreadyConnected,
    /// There is none, or it has ended.
    NotConnected,
    /// The ledger failed.
    Ledger(ledger::Error),
}

impl From<ledger::Error> for ConnectionError {
    fn from(error: ledger::Error) -> ConnectionError {
        ConnectionError::Ledger(error)
    }
}

impl Connection {
    /// The connection of a space, ended or not.
    ///
    /// # Errors
    /// The store does not answer, or the tenant's data cannot be read.
    pub fn read(view: &impl Read) -> Result<Option<Connection>, Error> {
        view.read(&view.space().connection())
    }

    /// How requests are read: leniently with the choices of the provider, or by the RFC's letter.
    pub fn dialect(&self) -> Dialect {
        if self.strict { Dialect::strict() } else { (self.provider().dialect)() }
    }

    /// The provider. One that an older or newer version wrote and this one does not know is one that no preset is for.
    pub fn provider(&self) -> &'static IdentityProvider {
        provider::of(&self.identity_provider).unwrap_or(&provider::GENERIC)
    }

    /// Whether this version knows the provider.
    pub(crate) fn has_known_provider(&self) -> bool {
        provider::of(&self.identity_provider).is_some()
    }

    /// Where the connection stands.
    pub fn state(&self, head: &TenantHead) -> ConnectionState {
        if self.ended_at.is_some() {
            ConnectionState::Ended
        } else if self.tokens.iter().any(|token| head.state.tokens.iter().any(|used| used.id == token.id)) {
            ConnectionState::Active
        } else {
            ConnectionState::Started
        }
    }

    /// The token that was presented, if it is valid now. Every token is compared, so that the time does not tell which
    /// one it was, nor whether one has ended.
    pub(crate) fn token(&self, presented: &Digest, now: Timestamp) -> Option<&Token> {
        if self.ended_at.is_some() {
            return None;
        }
        let valid = |token: &Token| token.ends_at.is_none_or(|end| now < end);
        let fits = |token: &Token| bool::from(presented.same(&token.digest)) & valid(token);
        self.tokens.iter().fold(None, |found, token| if fits(token) { Some(token) } else { found })
    }

    /// The current token in clear, unless it was sealed under another key.
    pub fn reveal(&self, secrets: &Secrets, tenant: &TenantId) -> Option<String> {
        let token = self.tokens.last()?;
        secrets.open(&place(tenant, &token.id), &token.sealed)
    }

    /// The connection for another tenant id: what is sealed opens only in its place. What was sealed under another key
    /// stays as it is; the token works all the same.
    pub(crate) fn moved(mut self, ports: &Ports, secrets: &Secrets, from: &TenantId, to: &TenantId) -> Connection {
        for token in &mut self.tokens {
            if let Some(secret) = secrets.open(&place(from, &token.id), &token.sealed).filter(|_| from != to) {
                let mut nonce = [0; NONCE_LEN];
                ports.entropy.fill(&mut nonce);
                token.sealed = secrets.seal(&place(to, &token.id), &secret, nonce);
            }
        }
        self
    }

    /// Tokens that are valid now.
    pub fn valid_tokens(&self, now: Timestamp) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(move |token| token.ends_at.is_none_or(|end| now < end))
    }
}

/// Starts the setup. After an ended connection this makes a new one; the users are still there, and the provider finds
/// them by userName.
///
/// # Errors
/// There is a connection that has not been ended, or the ledger failed.
pub fn start(
    turn: &mut TenantTurn<'_>,
    ports: &Ports,
    secrets: &Secrets,
    tenant: &TenantId,
    provider: &IdentityProvider,
    strict: bool,
) -> Result<Connection, ConnectionError> {
    if Connection::read(turn)?.is_some_and(|connection| connection.ended_at.is_none()) {
        return Err(ConnectionError::AlreadyConnected);
    }
    let now = ports.clock.now();
    let connection = Connection {
        identity_provider: provider.id.to_owned(),
        started_at: now,
        ended_at: None,
        groups: false,
        strict,
        own_schemas: turn.get(&turn.space().schemas())?.is_some(),
        tokens: vec![new_token(&*ports.entropy, secrets, tenant, now)],
    };
    turn.head.state.last_transfer = None;
    turn.head.state.last_success = None;
    turn.head.state.last_change = None;
    turn.head.state.tokens = Vec::new();
    turn.head.state.traffic = Traffic::default();
    turn.write(turn.space().connection(), &connection);
    Ok(connection)
}

/// Makes a new token. The one before it stays valid for the overlap; one that was still in its own overlap ends now.
///
/// # Errors
/// There is no connection, it has ended, or the ledger failed.
pub fn rotate(
    turn: &mut TenantTurn<'_>,
    ports: &Ports,
    secrets: &Secrets,
    tenant: &TenantId,
    overlap: Duration,
) -> Result<Connection, ConnectionError> {
    let Some(mut connection) = Connection::read(turn)?.filter(|connection| connection.ended_at.is_none()) else {
        return Err(ConnectionError::NotConnected);
    };
    let now = ports.clock.now();
    if let Some(current) = connection.tokens.last_mut() {
        let overlap = SignedDuration::try_from(overlap).unwrap_or_default();
        current.ends_at = Some(now.checked_add(overlap).unwrap_or(now));
    }
    connection.tokens.retain(|token| token.ends_at.is_none_or(|end| now < end));
    while connection.tokens.len() >= TOKENS_MAX {
        connection.tokens.remove(0);
    }
    connection.tokens.push(new_token(&*ports.entropy, secrets, tenant, now));
    turn.head.state.tokens.retain(|used| connection.tokens.iter().any(|token| token.id == used.id));
    turn.write(turn.space().connection(), &connection);
    Ok(connection)
}

/// What may be changed of a connection while it lasts.
#[derive(Default, Debug)]
pub struct ConnectionChange {
    /// Switches groups on or off. What was synchronised before stays, as users stay when a connection ends.
    pub groups: Option<bool>,
    /// Another provider. URL, tokens, users and journal stay; the next request is read in the new provider's dialect, and
    /// what was learnt of the traffic of the one before is forgotten.
    pub provider: Option<&'static IdentityProvider>,
    /// Reads requests by the RFC's letter, or leniently.
    pub strict: Option<bool>,
}

/// Changes a connection.
///
/// # Errors
/// There is no connection, it has ended, or the ledger failed.
pub fn change(turn: &mut TenantTurn<'_>, change: &ConnectionChange) -> Result<Connection, ConnectionError> {
    let Some(mut connection) = Connection::read(turn)?.filter(|connection| connection.ended_at.is_none()) else {
        return Err(ConnectionError::NotConnected);
    };
    connection.groups = change.groups.unwrap_or(connection.groups);
    connection.strict = change.strict.unwrap_or(connection.strict);
    if let Some(provider) = change.provider.filter(|provider| provider.id != connection.identity_provider) {
        provider.id.clone_into(&mut connection.identity_provider);
        turn.head.state.traffic.forget_provider();
    }
    turn.write(turn.space().connection(), &connection);
    Ok(connection)
}

/// Ends the sync. The tokens are gone at once; users and journal stay.
///
/// # Errors
/// There is no connection, it has ended, or the ledger failed.
pub fn end(turn: &mut TenantTurn<'_>, ports: &Ports) -> Result<Connection, ConnectionError> {
    let Some(mut connection) = Connection::read(turn)?.filter(|connection| connection.ended_at.is_none()) else {
        return Err(ConnectionError::NotConnected);
    };
    connection.ended_at = Some(ports.clock.now());
    connection.tokens.clear();
    turn.head.state.tokens = Vec::new();
    turn.write(turn.space().connection(), &connection);
    Ok(connection)
}

fn new_token(entropy: &dyn Entropy, secrets: &Secrets, tenant: &TenantId, now: Timestamp) -> Token {
    let (mut secret, mut id, mut nonce) = ([0; 32], [0; 6], [0; NONCE_LEN]);
    entropy.fill(&mut secret);
    entropy.fill(&mut id);
    entropy.fill(&mut nonce);
    let secret = format!("{TOKEN_PREFIX}{}", secrets::text_of(&secret));
    let id = secrets::text_of(&id);
    Token {
        digest: Digest::of(&secret),
        sealed: secrets.seal(&place(tenant, &id), &secret, nonce),
        hint: secret[secret.len() - 4..].to_owned(),
        id,
        created_at: now,
        ends_at: None,
    }
}

fn place(tenant: &TenantId, token: &str) -> String {
    format!("{tenant}/{token}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::COMPARED;

    fn token(secret: &str, ends_at: Option<Timestamp>) -> Token {
        let text = |text: &str| text.to_owned();
        Token {
            id: text(secret),
            digest: Digest::of(secret),
            sealed: text(""),
            hint: text(""),
            created_at: Timestamp::UNIX_EPOCH,
            ends_at,
        }
    }

    fn connection(tokens: Vec<Token>) -> Connection {
        Connection {
            identity_provider: "entra".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            groups: false,
            strict: false,
            own_schemas: false,
            tokens,
        }
    }

    #[test]
    fn every_token_is_compared_whichever_was_presented() {
        let now = Timestamp::from_second(1_000).unwrap();
        let ended = Some(Timestamp::from_second(1_000).unwrap());
        let lasting = Some(Timestamp::from_second(1_001).unwrap());
        let connection = connection(vec![token("ended", ended), token("old", lasting), token("new", None)]);
        for (presented, expected) in
            [("ended", None), ("old", Some("old")), ("new", Some("new")), ("", None), ("ne", None), ("newer", None)]
        {
            COMPARED.set(0);
            let found = connection.token(&Digest::of(presented), now).map(|token| token.id.as_str());
            assert_eq!((found, COMPARED.get()), (expected, 3), "{presented}");
        }
    }

    #[test]
    fn a_token_is_stored_as_its_digest_and_prints_as_nothing() {
        let token = token("secret", None);
        let stored = serde_json::to_value(&token.digest).unwrap();
        assert_eq!(stored, "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols");
        assert_eq!(serde_json::from_value::<Digest>(stored).unwrap(), token.digest);
        assert!(serde_json::from_value::<Digest>("c2hvcnQ".into()).is_err());
        assert!(format!("{token:?}").contains("Digest(…)"));
    }
}

//! A caller that was let in, and how a caller presents its token.

use crate::connection::Connection;
use crate::http::credentials::presented;
use crate::keys::Kind;
use crate::scim::{Mask, ResourceType};
use crate::secrets::Digest;
use crate::tenant::schemas::Types;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::rc::Rc;

/// A caller with a valid token, and by what the requests of its tenant are read and answered.
#[derive(Clone)]
pub(super) struct Admitted {
    /// The token.
    pub(super) digest: Digest,
    /// The connection that the token is one of.
    pub(super) connection: Rc<Connection>,
    /// The tenant's schemas.
    pub(super) types: Types,
    /// The tenant URL, for locations.
    pub(super) base: String,
}

impl Admitted {
    pub(super) fn new(digest: Digest, connection: Rc<Connection>, types: Types, base: String) -> Admitted {
        Admitted { digest, connection, types, base }
    }

    /// The names of the tenant's secrets.
    pub(super) fn mask(&self) -> Mask<'_> {
        Mask::of(self.types.all())
    }

    /// Whether the connection synchronises groups.
    pub(super) fn groups(&self) -> bool {
        self.connection.groups
    }

    /// The resource types that this connection serves.
    pub(super) fn served(&self) -> Vec<&ResourceType> {
        let kinds: &[Kind] = if self.groups() { &Kind::ALL } else { &[Kind::User] };
        kinds.iter().map(|kind| self.types.of(*kind)).collect()
    }
}

/// The `Authorization` header of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthorizationHeader {
    /// There is none.
    Absent,
    /// It has `Bearer` and a token, or something else that the tenant's journal tells from a token.
    Present,
    /// It has a token, and what stands before the token is not `Bearer` alone.
    Misspelt,
}

impl AuthorizationHeader {
    pub(super) fn of(headers: &HeaderMap) -> AuthorizationHeader {
        match presented(headers) {
            Some(presented) if presented.is_misspelt => AuthorizationHeader::Misspelt,
            Some(_) | None if headers.contains_key(AUTHORIZATION) => AuthorizationHeader::Present,
            Some(_) | None => AuthorizationHeader::Absent,
        }
    }
}

/// The token that a request presents.
pub(super) fn token_of(headers: &HeaderMap) -> Option<&str> {
    presented(headers).map(|presented| presented.token)
}

//! What of a request its record and its answer need, as long as the request is under way.

use super::Provision;
use super::admitted::{Admitted, AuthorizationHeader, token_of};
use super::arrival::Arrival;
use super::body::RequestBody;
use crate::connection::{Connection, sign};
use crate::keys::TenantId;
use crate::scim::{Leniency, Mask, Parameters, Reading, Taint};
use http::{HeaderMap, Method};
use std::borrow::Cow;

/// What the record needs of the request.
#[derive(Clone)]
pub(super) struct Span<'r> {
    pub(super) tenant: Cow<'r, TenantId>,
    pub(super) arrival: Arrival,
    /// The method as it was sent.
    pub(super) method: Method,
    pub(super) path: Cow<'r, str>,
    pub(super) parameters: Parameters<'r>,
    pub(super) header: AuthorizationHeader,
    /// How the request is read, and what of it was read liberally.
    pub(super) reading: Reading,
    /// The token that was presented.
    pub(super) presented: Option<Cow<'r, str>>,
    pub(super) body: RequestBody<'r>,
    /// The id of the token where it is valid.
    pub(super) token_id: Option<String>,
    /// Whom the connection was set up for; nothing where there is none.
    pub(super) provider: Option<&'static str>,
    /// The provider that the request looks like; nothing where the token is not valid.
    pub(super) sign: Option<&'static str>,
    /// Whether the record is to stand for further requests without a valid token, see [`strangers`](super::strangers).
    pub(super) folds: bool,
}

impl<'r> Span<'r> {
    /// A request whose token is not valid. Its body was not waited for.
    pub(super) fn of_stranger(request: &Provision<'r>, arrival: Arrival) -> Span<'r> {
        Span {
            tenant: Cow::Borrowed(request.tenant),
            arrival,
            method: request.method.clone(),
            path: Cow::Borrowed(request.path),
            parameters: Parameters::of(request.query),
            header: AuthorizationHeader::of(request.headers),
            reading: Reading::strict(),
            presented: token_of(request.headers).map(Cow::Borrowed),
            body: RequestBody::NONE,
            token_id: None,
            provider: None,
            sign: None,
            folds: false,
        }
    }

    /// A request with a valid token.
    pub(super) fn of(request: &Provision<'r>, arrival: Arrival, admitted: &Admitted) -> Span<'r> {
        let mut span = Span::of_stranger(request, arrival);
        span.know(admitted);
        if span.header == AuthorizationHeader::Misspelt {
            span.reading.note(Leniency::BearerSpelling, "authorization");
        }
        span.body = RequestBody::sent(request.text(), &span.reading);
        span.sign = span.signed(request.headers);
        span
    }

    /// An operation of this bulk request.
    pub(super) fn of_operation(
        &'r self,
        method: Method,
        path: &'r str,
        headers: &HeaderMap,
        body: RequestBody<'r>,
        arrival: Arrival,
    ) -> Span<'r> {
        let mut span = Span {
            tenant: Cow::Borrowed(&self.tenant),
            arrival,
            method,
            path: Cow::Borrowed(path),
            parameters: Parameters::of(None),
            header: self.header,
            reading: Reading::of(*self.reading.dialect()),
            presented: self.presented.as_deref().map(Cow::Borrowed),
            body,
            token_id: self.token_id.clone(),
            provider: self.provider,
            sign: None,
            folds: false,
        };
        span.sign = span.signed(headers);
        span
    }

    /// Takes in what the connection of the token says.
    pub(super) fn know(&mut self, admitted: &Admitted) {
        let connection: &Connection = &admitted.connection;
        self.token_id = connection.token(&admitted.digest, self.arrival.now).map(|token| token.id.clone());
        self.provider = Some(connection.provider().id);
        self.reading = self.reading.in_dialect(connection.dialect());
    }

    /// This request as one whose token is not valid any more.
    pub(super) fn without_token(&self) -> Span<'r> {
        Span { body: RequestBody::NONE, token_id: None, provider: None, sign: None, ..self.clone() }
    }

    fn signed(&self, headers: &HeaderMap) -> Option<&'static str> {
        sign::of(&self.method, &self.parameters, headers, || self.body.has_capital_op())
    }
}

impl Span<'_> {
    /// What the request has sent as a secret.
    pub(super) fn taint(&self, mask: &Mask<'_>) -> Taint {
        let taint = Taint::of(mask, &self.path, &self.parameters);
        match &self.body {
            RequestBody::Text(text) => taint.and_text(mask, text),
            RequestBody::Data(value) => taint.and_value(mask, value),
            RequestBody::Kept(kept) => taint.and_value(mask, &kept.json),
        }
    }
}

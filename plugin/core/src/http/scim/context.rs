//! What every step of one request needs to know, and what they all do with it.

use super::body::{Body, object};
use super::media::Media;
use super::{Arrival, Provision, respond};
use crate::directory::{self, Document, IfMatch, Relations, Terms, Wanted};
use crate::http::respond::Problem;
use crate::keys::Kind;
use crate::ledger::Read;
use crate::scim::{
    self, Effort, Leniency, ListQuery, Mask, Parameters, Projection, Reading, Resource, ResourceType, Sent,
};
use crate::tenant::schemas::Types;
use http::header::{CONTENT_LOCATION, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, Method, Response};
use serde_json::Value;
use std::borrow::Cow;

/// What every step of one request needs to know.
pub(super) struct Context<'r> {
    pub(super) request: &'r Provision<'r>,
    /// What it brings.
    pub(super) body: Body<'r>,
    pub(super) parameters: &'r Parameters<'r>,
    pub(super) arrival: &'r Arrival,
    pub(super) base: String,
    /// How it is read, and what of it was read liberally.
    pub(super) reading: &'r Reading,
    /// The tenant's schemas.
    pub(super) types: &'r Types,
    /// The names of its secrets.
    pub(super) mask: &'r Mask<'r>,
    /// Whether the connection synchronises groups.
    pub(super) groups: bool,
    /// What the request may still compute; the operations of a bulk request share it.
    pub(super) effort: &'r Effort,
}

impl<'r> Context<'r> {
    /// The resource types that this connection serves.
    pub(super) fn served(&self) -> Vec<&ResourceType> {
        let kinds: &[Kind] = if self.groups { &Kind::ALL } else { &[Kind::User] };
        kinds.iter().map(|kind| self.types.of(*kind)).collect()
    }

    /// What a change is planned by.
    pub(super) fn terms<'t>(&'t self, effort: &'t Effort) -> Terms<'t> {
        Terms { types: self.types, reading: self.reading, base: &self.base, now: self.arrival.now, effort }
    }

    pub(super) fn location(&self, kind: Kind, resource: &Resource) -> String {
        resource.location(kind.resource_type(), &self.base)
    }

    /// What completes the resources of this request.
    pub(super) fn relations<'v, V: Read>(&'v self, view: &'v V) -> Relations<'v, V> {
        Relations::new(view, &self.base).naming(self.reading.is_lenient()).counting(self.effort)
    }

    pub(super) fn render<'p, V: Read>(
        &self,
        relations: &mut Relations<'_, V>,
        kind: Kind,
        document: Document,
        projection: &'p Projection<'p>,
    ) -> Result<Sent<'p>, Problem> {
        let wanted = if self.groups && projection.has_relation() { Wanted::Whole } else { Wanted::Nothing };
        let mut resource = relations.complete(kind, document, &wanted)?;
        // RFC 7643 §2.5: an empty list says the same as none. Who asks for members by name or takes their absence for unknown
        // is told.
        let told = self.reading.dialect().empty_members || projection.names_relation();
        if kind == Kind::Group && wanted == Wanted::Whole && told {
            resource.show_none("members");
        }
        let location = self.location(kind, &resource);
        Ok(Sent::chosen(projection, resource, location))
    }

    /// What a list is asked for: in the URL, or in the body of a search.
    pub(super) fn query(&self) -> Result<ListQuery, Problem> {
        Ok(if self.request.method == Method::POST {
            ListQuery::parse_body(object(self.json_object()?.as_ref()), self.reading)?
        } else {
            ListQuery::parse(self.parameters)?
        })
    }

    pub(super) fn projection(&self, kind: Kind) -> Result<Projection<'_>, Problem> {
        Ok(ListQuery::projection_of(self.parameters, self.types.of(kind))?)
    }

    /// Whether an answer has something of other resources, which change it without a new version of this one: the names of
    /// a user's groups and whether there are any, and the names of a group's members.
    pub(super) fn has_foreign(&self, kind: Kind, projection: &Projection<'_>) -> bool {
        let named = match kind {
            Kind::User => true,
            Kind::Group => self.reading.is_lenient(),
        };
        self.groups && named && projection.has_relation()
    }

    /// Whether `If-None-Match` names this version.
    pub(super) fn has_already(&self, version: &str) -> bool {
        tags(self.request.headers, IF_NONE_MATCH).is_some_and(|tags| directory::names_version(&tags, version))
    }

    /// An answer about one resource in its present state.
    pub(super) fn with_tag(
        &self,
        kind: Kind,
        document: Document,
        response: impl FnOnce(Document) -> Result<Response<Vec<u8>>, Problem>,
    ) -> Result<Response<Vec<u8>>, Problem> {
        let (version, location) = (document.resource.meta.version(), self.location(kind, &document.resource));
        let mut response = response(document)?;
        respond::set(&mut response, ETAG, &version);
        respond::set(&mut response, LOCATION, &location);
        // RFC 7643 §3.1: what `meta.location` says of a resource, Content-Location says of the answer that has it.
        if !response.body().is_empty() {
            respond::set(&mut response, CONTENT_LOCATION, &location);
        }
        Ok(response)
    }

    /// The body, which is a JSON object.
    pub(super) fn json_object(&self) -> Result<Cow<'r, Value>, Problem> {
        match Media::of(self.request.headers) {
            Media::Json => {}
            Media::Other(_) if self.reading.reads(Leniency::MediaType, "content-type") => {}
            Media::Other(found) | Media::Foreign(found) => return Err(Problem::MediaType(found)),
        }
        let value = self.body.value().map_err(Problem::Unread)?;
        if value.is_object() {
            return Ok(value);
        }
        Err(scim::Error::syntax(format!("body: expected a JSON object, found {}", kind(&value))).into())
    }
}

/// The entity tags of a condition, RFC 9110 §13.1; nothing where the header is absent. One that cannot be read is there
/// all the same: it names no version.
pub(super) fn tags(headers: &HeaderMap, name: http::HeaderName) -> IfMatch {
    let found = headers.contains_key(&name);
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().unwrap_or_default();
        tags.extend(value.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
    }
    found.then_some(tags)
}

/// The beginning of a text that somebody is to read.
pub(super) fn cap(text: &str) -> &str {
    text.char_indices().nth(200).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

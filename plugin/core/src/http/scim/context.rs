//! What every step of one request needs to know, and what they all do with it.

use super::admitted::Admitted;
use super::body::object;
use super::media::Media;
use super::span::Span;
use super::{Provision, respond};
use crate::directory::{self, Document, IfMatch, Relations, Terms, Wanted};
use crate::http::respond::Problem;
use crate::json;
use crate::keys::Kind;
use crate::ledger::Read;
use crate::scim::{self, Effort, Leniency, ListQuery, Mask, Projection, Reading, Resource, Sent};
use crate::tenant::schemas::Types;
use http::header::{CONTENT_LOCATION, ETAG, LOCATION};
use http::{HeaderMap, Method, Response};
use serde_json::Value;

/// What every step of one request needs to know.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) admitted: &'c Admitted,
    pub(super) span: &'c Span<'c>,
    /// The names of the tenant's secrets.
    pub(super) mask: &'c Mask<'c>,
    /// What the request may still compute; the operations of a bulk request share it.
    pub(super) effort: &'c Effort,
}

impl<'c> Context<'c> {
    /// The tenant's schemas.
    pub(super) fn types(&self) -> &'c Types {
        &self.admitted.types
    }

    /// How the request is read, and what of it was read liberally.
    pub(super) fn reading(&self) -> &'c Reading {
        &self.span.reading
    }

    /// What a change is planned by.
    pub(super) fn terms<'t>(&'t self, effort: &'t Effort) -> Terms<'t> {
        let Admitted { types, base, .. } = self.admitted;
        Terms { types, reading: self.reading(), base, now: self.span.arrival.now, effort }
    }

    pub(super) fn location(&self, kind: Kind, resource: &Resource) -> String {
        resource.location(kind.resource_type(), &self.admitted.base)
    }

    /// What completes the resources of this request.
    pub(super) fn relations<'v, V: Read>(&'v self, view: &'v V) -> Relations<'v, V> {
        Relations::new(view, &self.admitted.base).naming(self.reading().is_lenient()).counting(self.effort)
    }

    /// What an answer shows of the members of groups and the groups of users.
    pub(super) fn wanted(&self, projection: &Projection<'_>) -> Wanted {
        if self.admitted.groups() && projection.has_relation() { Wanted::Whole } else { Wanted::Nothing }
    }

    pub(super) fn render<'p, V: Read>(
        &self,
        relations: &mut Relations<'_, V>,
        kind: Kind,
        document: Document,
        projection: &'p Projection<'p>,
    ) -> Result<Sent<'p>, Problem> {
        let wanted = self.wanted(projection);
        let mut resource = relations.complete(kind, document, &wanted)?;
        // RFC 7643 §2.5: an empty list says the same as none. Who asks for members by name or takes their absence for
        // unknown is told.
        let told = self.reading().dialect().empty_members || projection.names_relation();
        if kind == Kind::Group && wanted == Wanted::Whole && told {
            resource.show_none("members");
        }
        let location = self.location(kind, &resource);
        Ok(Sent::chosen(projection, resource, location))
    }

    /// What a list is asked for: in the URL, or in the body of a search.
    pub(super) fn query(&self, request: &Provision<'_>) -> Result<ListQuery, Problem> {
        Ok(if *request.method == Method::POST {
            let (body, _) = self.json_object(request.headers)?;
            ListQuery::parse_body(object(&body), self.reading())?
        } else {
            ListQuery::parse(&self.span.parameters)?
        })
    }

    pub(super) fn projection(&self, kind: Kind) -> Result<Projection<'c>, Problem> {
        Ok(ListQuery::projection_of(&self.span.parameters, self.types().of(kind))?)
    }

    /// Whether the representation includes data of other resources, which change it without a new version of this one: the
    /// names of a user's groups and whether there are any, and the names of a group's members.
    pub(super) fn depends_on_other_resources(&self, kind: Kind, projection: &Projection<'_>) -> bool {
        let named = match kind {
            Kind::User => true,
            Kind::Group => self.reading().is_lenient(),
        };
        self.admitted.groups() && named && projection.has_relation()
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

    /// The body, which is a JSON object, and how many values it has.
    pub(super) fn json_object(&self, headers: &HeaderMap) -> Result<(Value, usize), Problem> {
        match Media::of(headers) {
            Media::Json => {}
            Media::Other(_) if self.reading().reads(Leniency::MediaType, "content-type") => {}
            Media::Other(found) | Media::Foreign(found) => return Err(Problem::MediaType(found)),
        }
        let (value, count) = json::parse_counted(self.span.body.text()).map_err(Problem::Unread)?;
        if value.is_object() {
            return Ok((value, count));
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

/// Whether a condition names this version; where there is no condition, it names none.
pub(super) fn names(condition: &IfMatch, version: &str) -> bool {
    condition.as_ref().is_some_and(|tags| directory::names_version(tags, version))
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

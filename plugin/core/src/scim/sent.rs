//! A resource as it is sent (RFC 7643 §8), written straight from what is stored: nothing of it is copied, unless a client
//! chose parts of an attribute.

use super::projection::Projection;
use super::resource::{Part, Resource, is_urn};
use super::schema::{Attribute, ResourceType, Schema, common_attribute};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A resource on its way to a client.
pub struct Sent<'s> {
    of: &'s ResourceType,
    resource: Resource,
    location: Option<String>,
    projection: Option<&'s Projection<'s>>,
}

impl<'s> Sent<'s> {
    /// All of it. Without a location its `meta` has none.
    pub fn whole(of: &'s ResourceType, resource: Resource, location: Option<String>) -> Sent<'s> {
        Sent { of, resource, location, projection: None }
    }

    /// What the client wants of it.
    pub fn chosen(projection: &'s Projection<'s>, resource: Resource, location: String) -> Sent<'s> {
        Sent { of: projection.of(), resource, location: Some(location), projection: Some(projection) }
    }

    /// The attributes that are there for clients, before anybody chose.
    fn attributes(&self) -> Vec<(&str, Content<'_>)> {
        let there = |(name, value)| {
            let (name, value): (&String, &Value) = (name, value);
            match self.of.extension(name) {
                Some(schema) => {
                    let parts = Part::of(schema, value);
                    (!parts.is_empty()).then_some((name.as_str(), Content::Extension(schema, parts)))
                }
                // Of a schema that the tenant has removed.
                None if is_urn(name) => None,
                None => Some((name.as_str(), Content::Attribute(value))),
            }
        };
        self.resource.attributes().iter().filter_map(there).collect()
    }

    /// What is sent of an attribute.
    fn share<'v>(
        &self,
        extension: Option<&Schema>,
        attribute: Option<&Attribute>,
        value: &'v Value,
    ) -> Option<Cow<'v, Value>> {
        match self.projection {
            None => Some(Cow::Borrowed(value)),
            Some(projection) => projection.share(extension, attribute?, value),
        }
    }

    /// What is sent of an extension.
    fn shares<'p>(&self, schema: &Schema, parts: &'p [Part<'p>]) -> Vec<(&'p str, Cow<'p, Value>)> {
        let share =
            |part: &'p Part<'p>| Some((part.name, self.share(Some(schema), Some(part.attribute), &part.value)?));
        parts.iter().filter_map(share).collect()
    }

    fn write_meta<M: SerializeMap>(&self, document: &mut M) -> Result<(), M::Error> {
        let meta = self.resource.described(self.of, self.location.as_deref());
        match self.projection {
            Some(projection) if projection.is_chosen() => {
                let meta = meta.to_json();
                let share = common_attribute("meta").and_then(|attribute| projection.share(None, attribute, &meta));
                share.map_or(Ok(()), |meta| document.serialize_entry("meta", &*meta))
            }
            Some(_) | None => document.serialize_entry("meta", &meta),
        }
    }
}

impl Resource {
    /// The resource as it is sent, all of it.
    pub fn into_json(self, of: &ResourceType, location: Option<&str>) -> Map<String, Value> {
        match serde_json::to_value(Sent::whole(of, self, location.map(str::to_owned))) {
            Ok(Value::Object(document)) => document,
            Ok(_) | Err(_) => unreachable!("a resource is an object with string keys"),
        }
    }
}

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes = self.attributes();
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("schemas", &Schemas { of: self.of, attributes: &attributes })?;
        document.serialize_entry("id", &self.resource.id)?;
        if let Some(id) = &self.resource.external_id
            && self.projection.is_none_or(|projection| projection.keeps(common_attribute("externalId")))
        {
            document.serialize_entry("externalId", id)?;
        }
        for (name, content) in attributes {
            match content {
                Content::Attribute(value) => {
                    if let Some(share) = self.share(None, self.of.schema.attribute(name), value) {
                        document.serialize_entry(name, &*share)?;
                    }
                }
                Content::Extension(schema, parts) => {
                    let shares = self.shares(schema, &parts);
                    if !shares.is_empty() {
                        document.serialize_entry(name, &Shares(&shares))?;
                    }
                }
            }
        }
        self.write_meta(&mut document)?;
        document.end()
    }
}

/// What an attribute of a resource holds for clients.
enum Content<'s> {
    Attribute(&'s Value),
    Extension(&'s Schema, Vec<Part<'s>>),
}

/// The schemas of a resource: its own, and the extensions that it has, whether they are sent or not.
struct Schemas<'s> {
    of: &'s ResourceType,
    attributes: &'s [(&'s str, Content<'s>)],
}

impl Schemas<'_> {
    fn has(&self, schema: &Schema) -> bool {
        let is_it = |content: &Content<'_>| match content {
            Content::Attribute(_) => false,
            Content::Extension(extension, _) => std::ptr::eq(*extension, schema),
        };
        std::ptr::eq(self.of.schema, schema) || self.attributes.iter().any(|(_, content)| is_it(content))
    }
}

impl Serialize for Schemas<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.of.schemas().filter(|schema| self.has(schema)).map(|schema| &*schema.id))
    }
}

/// What is sent of an extension, as an object.
struct Shares<'s>(&'s [(&'s str, Cow<'s, Value>)]);

impl Serialize for Shares<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, &**value)))
    }
}

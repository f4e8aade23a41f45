//! A resource as it is stored.

use crate::ledger::Extent;
use crate::scim::{Meta, Resource};
use crate::settings::LIMITS;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The truth about one user or group; everything else can be made anew from it, but for the members of a group, whose
/// roster and edges are the truth themselves.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(from = "Stored")]
pub struct Document {
    /// Its place in the roster.
    pub slot: u64,
    /// How far the roster of its members reaches; nobody is a member of a user.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub members: Extent,
    /// The user or group.
    #[serde(flatten)]
    pub resource: Resource,
}

/// The same as one flat object: read like this, no value is read into anything but its place.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    slot: u64,
    #[serde(default)]
    members: Extent,
    id: String,
    external_id: Option<String>,
    meta: Meta,
    attributes: Map<String, Value>,
}

impl From<Stored> for Document {
    fn from(stored: Stored) -> Document {
        let Stored { slot, members, id, external_id, meta, attributes } = stored;
        Document { slot, members, resource: Resource::stored(id, external_id, meta, attributes) }
    }
}

impl Document {
    /// What it is stored as.
    pub(super) fn stored(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a document has string keys and finite numbers")
    }
}

/// What stands under the name of a user. Before it sends anything else about a user, a provider looks the name up, so the
/// user itself is there, unless it is large, and one read answers. It is written whenever the document is.
#[derive(Debug, PartialEq)]
pub(super) enum Named {
    /// The present state of the one who has the name.
    Whole(Box<Document>),
    /// The id of one who is too large, or was written by a version that kept ids here; several, where a store lost what
    /// kept them apart.
    Ids(Vec<String>),
}

impl Named {
    /// Whose name it is.
    pub(super) fn ids(self) -> Vec<String> {
        match self {
            Named::Whole(document) => vec![document.resource.id],
            Named::Ids(ids) => ids,
        }
    }

    /// Whether a user that is stored like this is kept under its name, too.
    pub(super) fn holds(stored: &[u8]) -> bool {
        stored.len() <= LIMITS.named_bytes_max
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_any(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user or a list of ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named, A::Error> {
        Document::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(Named::Whole)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Named, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(seq)).map(Named::Ids)
    }
}

fn is_empty(extent: &Extent) -> bool {
    *extent == Extent::default()
}

//! A resource as it is stored.

use super::roster::Extent;
use crate::scim::{Meta, Resource};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The truth about one user or group; everything else can be made anew from it, but for the members of a group, whose
/// roster and edges are the truth themselves.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(from = "StoredDocument")]
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

/// A [`Document`] as the one flat object that is stored: read like this, no value is read into anything but its place.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredDocument {
    slot: u64,
    #[serde(default)]
    members: Extent,
    id: String,
    external_id: Option<String>,
    meta: Meta,
    attributes: Map<String, Value>,
}

impl From<StoredDocument> for Document {
    fn from(stored: StoredDocument) -> Document {
        let StoredDocument { slot, members, id, external_id, meta, attributes } = stored;
        Document { slot, members, resource: Resource::stored(id, external_id, meta, attributes) }
    }
}

impl Document {
    /// What it is stored as.
    pub(super) fn stored(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a document has string keys and finite numbers")
    }
}

fn is_empty(extent: &Extent) -> bool {
    *extent == Extent::default()
}

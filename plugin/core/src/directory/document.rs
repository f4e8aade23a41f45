//! A resource as it is stored.

use crate::ledger::Extent;
use crate::scim::Resource;
use serde::{Deserialize, Serialize};

/// The truth about one user or group; everything else can be made anew from it, but for the members of a group, whose
/// roster and edges are the truth themselves.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
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

fn is_empty(extent: &Extent) -> bool {
    *extent == Extent::default()
}

//! A user as it is stored.

use crate::scim::Resource;
use serde::{Deserialize, Serialize};

/// The truth about one user; everything else can be made anew from it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Document {
    /// Its place in the roster.
    pub slot: u64,
    /// The user.
    #[serde(flatten)]
    pub resource: Resource,
}

//! The schemas of a tenant.

use crate::scim::ResourceType;
use crate::space::Kind;
use std::borrow::Cow;

/// The resource types as one tenant has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Types {
    user: Cow<'static, ResourceType>,
    group: Cow<'static, ResourceType>,
}

impl Types {
    /// Those of a tenant that has no schemas of its own.
    pub const fn built_in() -> Types {
        Types { user: Cow::Borrowed(ResourceType::user()), group: Cow::Borrowed(ResourceType::group()) }
    }

    /// The resource type of a kind.
    pub fn of(&self, kind: Kind) -> &ResourceType {
        match kind {
            Kind::User => &self.user,
            Kind::Group => &self.group,
        }
    }
}

//! Identity providers: what each is called, how it speaks, and what its admin has to map.

use crate::scim::Dialect;
use serde::Serialize;

/// An identity provider that a connection can be made with.
#[derive(Debug)]
pub struct IdentityProvider {
    /// The name in the API.
    pub id: &'static str,
    /// The name on the page.
    pub name: &'static str,
    /// Whether a connection can be started; the others are shown and wait for their turn.
    pub available: bool,
    /// What to enter in the provider's attribute mapping.
    pub mappings: &'static [AttributeMapping],
    /// How it departs from the RFC.
    pub dialect: fn() -> Dialect,
}

/// One line of the provider's attribute mapping.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributeMapping {
    /// The SCIM attribute.
    pub target: &'static str,
    /// The provider's attribute or expression.
    pub source: &'static str,
    /// `direct` or `expression`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which attribute is compared first to find an existing user.
    pub matching_precedence: Option<u8>,
}

const fn direct(target: &'static str, source: &'static str, matching_precedence: Option<u8>) -> AttributeMapping {
    AttributeMapping { target, source, kind: "direct", matching_precedence }
}

/// The mapping of the help page: four attributes and no more.
const ENTRA_MAPPINGS: &[AttributeMapping] = &[
    direct("userName", "userPrincipalName", Some(1)),
    AttributeMapping {
        target: "active",
        source: r#"Switch([IsSoftDeleted], , "False", "true", "True", "false")"#,
        kind: "expression",
        matching_precedence: None,
    },
    direct("displayName", "displayName", None),
    direct("externalId", "objectId", None),
];

/// All that are known, in the order in which the page offers them.
pub static IDENTITY_PROVIDERS: &[IdentityProvider] = &[
    IdentityProvider {
        id: "entra",
        name: "Microsoft Entra ID",
        available: true,
        mappings: ENTRA_MAPPINGS,
        dialect: Dialect::entra,
    },
    coming("okta", "Okta"),
    coming("google", "Google Workspace"),
    coming("onelogin", "OneLogin"),
    coming("jumpcloud", "JumpCloud"),
    coming("ping", "PingOne"),
    coming("keycloak", "Keycloak"),
    coming("authentik", "authentik"),
];

const fn coming(id: &'static str, name: &'static str) -> IdentityProvider {
    IdentityProvider { id, name, available: false, mappings: &[], dialect: Dialect::strict }
}

/// The provider of this id, if a connection can be made with it.
pub fn available(id: &str) -> Option<&'static IdentityProvider> {
    IDENTITY_PROVIDERS.iter().find(|provider| provider.available && provider.id == id)
}

/// The ids of all that a connection can be made with, for an error message.
pub fn available_ids() -> String {
    let ids: Vec<_> = IDENTITY_PROVIDERS.iter().filter(|p| p.available).map(|p| p.id).collect();
    ids.join(", ")
}

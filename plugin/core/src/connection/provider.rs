//! Identity providers: what each is called, how it speaks, what its admin has to map, and how its setup goes.
//!
//! A provider is data: a dialect, mappings and a guide. Nothing else in the core knows any of them by name. What is known
//! of their traffic stands in `tests/transcripts/<id>/`.

use crate::scim::Dialect;
use serde::Serialize;

/// An identity provider that a connection can be made with.
#[derive(Debug)]
pub struct IdentityProvider {
    /// The name in the API.
    pub id: &'static str,
    /// The name on the page.
    pub name: &'static str,
    /// What to enter in the provider's attribute mapping.
    pub mappings: &'static [AttributeMapping],
    /// What it means where its requests could mean two things.
    pub dialect: fn() -> Dialect,
    /// How often it comes by itself, in seconds; nothing where it comes only when something changed.
    pub cycle_seconds: Option<i64>,
    /// Whether it stops by itself after too many failures, by the thresholds that Microsoft has published.
    pub quarantines: bool,
    /// The guide, deflated by the build.
    guide: &'static [u8],
}

impl IdentityProvider {
    /// The setup in the provider's own screens, as a JSON document: `console`, `fields`, `words`, `steps`.
    pub fn guide(&self) -> Vec<u8> {
        miniz_oxide::inflate::decompress_to_vec(self.guide).expect("the build has deflated it")
    }
}

/// The file of `guides/` that has the provider's id, as the build has packed it.
macro_rules! guide {
    ($id:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/guide-", $id, ".json"))
    };
}

impl IdentityProvider {
    /// Where its admin finds the attribute mapping, in the words of its screens; nothing for a provider that can be any.
    pub(crate) fn mapping_place(&self) -> Option<String> {
        if self.id == GENERIC.id {
            return None;
        }
        let guide: serde_json::Value = serde_json::from_slice(&self.guide()).ok()?;
        guide.pointer("/words/en/mapping")?.as_str().map(str::to_owned)
    }
}

/// One line of the provider's attribute mapping.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributeMapping {
    /// The SCIM attribute.
    pub target: &'static str,
    /// The provider's attribute or expression.
    pub source: &'static str,
    /// Direct, by expression, or nothing to do.
    #[serde(rename = "type")]
    pub kind: MappingKind,
    /// Which attribute is compared first to find an existing user.
    pub matching_precedence: Option<u8>,
}

/// How an attribute comes to its value.
#[derive(Debug, Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MappingKind {
    /// The admin maps it from one attribute.
    Direct,
    /// The admin maps it by an expression.
    Expression,
    /// The provider sends it by itself.
    Automatic,
}

const fn direct(target: &'static str, source: &'static str) -> AttributeMapping {
    AttributeMapping { target, source, kind: MappingKind::Direct, matching_precedence: None }
}

const fn automatic(target: &'static str, source: &'static str) -> AttributeMapping {
    AttributeMapping { target, source, kind: MappingKind::Automatic, matching_precedence: None }
}

const fn expression(target: &'static str, source: &'static str) -> AttributeMapping {
    AttributeMapping { target, source, kind: MappingKind::Expression, matching_precedence: None }
}

/// All have it: a user is found by its userName.
const fn matched(mapping: AttributeMapping) -> AttributeMapping {
    AttributeMapping { matching_precedence: Some(1), ..mapping }
}

/// All that are known, in the order in which the page offers them.
pub static IDENTITY_PROVIDERS: &[IdentityProvider] = &[
    ENTRA, OKTA, GOOGLE, ONELOGIN, JUMPCLOUD, PING, KEYCLOAK, AUTHENTIK, CYBERARK, DUO, RIPPLING, SAILPOINT, SAVIYNT,
    SAP, ORACLE, CLOUDFLARE, SYNCOPE, MIDPOINT, GENERIC,
];

const ENTRA: IdentityProvider = IdentityProvider {
    id: "entra",
    name: "Microsoft Entra ID",
    // The mapping of the help page: four attributes and no more.
    mappings: &[
        matched(direct("userName", "userPrincipalName")),
        expression("active", r#"Switch([IsSoftDeleted], , "False", "true", "True", "false")"#),
        direct("displayName", "displayName"),
        direct("externalId", "objectId"),
    ],
    dialect: Dialect::entra,
    cycle_seconds: Some(40 * 60),
    quarantines: true,
    guide: guide!("entra"),
};

const OKTA: IdentityProvider = IdentityProvider {
    id: "okta",
    name: "Okta",
    mappings: &[
        matched(automatic("userName", "Application username")),
        automatic("active", "assignment"),
        direct("displayName", "user.displayName"),
        automatic("externalId", "user id"),
    ],
    dialect: Dialect::clearing,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("okta"),
};

const GOOGLE: IdentityProvider = IdentityProvider {
    id: "google",
    name: "Google Workspace",
    mappings: &[
        matched(direct("userName", "Username")),
        automatic("active", "account state"),
        direct("name.givenName", "First name"),
        direct("name.familyName", "Last name"),
    ],
    dialect: Dialect::clearing,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("google"),
};

const ONELOGIN: IdentityProvider = IdentityProvider {
    id: "onelogin",
    name: "OneLogin",
    mappings: &[
        matched(direct("userName", "{$parameters.scimusername}")),
        automatic("active", "user status"),
        direct("displayName", "{$user.display_name}"),
        direct("externalId", "{$user.id}"),
    ],
    dialect: Dialect::clearing,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("onelogin"),
};

const JUMPCLOUD: IdentityProvider = IdentityProvider {
    id: "jumpcloud",
    name: "JumpCloud",
    mappings: &[
        matched(direct("userName", "email")),
        automatic("active", "user state"),
        direct("name.givenName", "firstname"),
        direct("name.familyName", "lastname"),
    ],
    dialect: Dialect::clearing,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("jumpcloud"),
};

const PING: IdentityProvider = IdentityProvider {
    id: "ping",
    name: "PingOne",
    mappings: &[
        matched(direct("userName", "Username")),
        direct("active", "Enabled"),
        direct("name.givenName", "Given Name"),
        direct("name.familyName", "Family Name"),
    ],
    dialect: Dialect::merging,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("ping"),
};

const KEYCLOAK: IdentityProvider = IdentityProvider {
    id: "keycloak",
    name: "Keycloak",
    mappings: &[
        matched(automatic("userName", "Username")),
        automatic("active", "Enabled"),
        automatic("displayName", "First name, Last name"),
        automatic("externalId", "ID"),
    ],
    dialect: Dialect::merging,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("keycloak"),
};

const AUTHENTIK: IdentityProvider = IdentityProvider {
    id: "authentik",
    name: "authentik",
    mappings: &[
        matched(automatic("userName", "username")),
        automatic("active", "is_active"),
        automatic("displayName", "name"),
        automatic("externalId", "uid"),
    ],
    dialect: Dialect::authentik,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("authentik"),
};

const CYBERARK: IdentityProvider = IdentityProvider {
    id: "cyberark",
    name: "CyberArk Identity",
    mappings: &[
        matched(automatic("userName", "Login name")),
        automatic("active", "role"),
        automatic("displayName", "Display name"),
        automatic("emails", "Email address"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("cyberark"),
};

const DUO: IdentityProvider = IdentityProvider {
    id: "duo",
    name: "Cisco Duo",
    mappings: &[
        matched(direct("userName", "Username")),
        automatic("active", "provisioned groups"),
        direct("displayName", "Display name"),
        direct("emails", "Email address"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("duo"),
};

const RIPPLING: IdentityProvider = IdentityProvider {
    id: "rippling",
    name: "Rippling",
    mappings: &[
        matched(automatic("userName", "account name")),
        automatic("active", "access"),
        direct("name.givenName", "First name"),
        direct("name.familyName", "Last name"),
        direct("externalId", "employee ID"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("rippling"),
};

const SAILPOINT: IdentityProvider = IdentityProvider {
    id: "sailpoint",
    name: "SailPoint",
    mappings: &[
        matched(direct("userName", "Account Name")),
        automatic("active", "account state"),
        direct("displayName", "displayName"),
        direct("name.givenName", "firstname"),
        direct("name.familyName", "lastname"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("sailpoint"),
};

/// Its requests are texts that its admin writes, into which values are put.
const SAVIYNT: IdentityProvider = IdentityProvider {
    id: "saviynt",
    name: "Saviynt",
    mappings: &[
        matched(expression("userName", "${user.email}")),
        expression("active", "true, false"),
        expression("displayName", "${user.firstname} ${user.lastname}"),
        expression("externalId", "${user.systemusername}"),
    ],
    dialect: Dialect::clearing,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("saviynt"),
};

/// Its jobs run when its admin has set them to, at most every half an hour.
const SAP: IdentityProvider = IdentityProvider {
    id: "sap",
    name: "SAP Cloud Identity Services",
    mappings: &[
        matched(automatic("userName", "$.userName")),
        automatic("active", "$.active"),
        automatic("displayName", "$.displayName"),
        automatic("emails", "$.emails"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("sap"),
};

const ORACLE: IdentityProvider = IdentityProvider {
    id: "oracle",
    name: "Oracle Cloud (IAM)",
    mappings: &[
        matched(direct("userName", "User Name")),
        automatic("active", "Status"),
        direct("displayName", "Display Name"),
        direct("name.givenName", "First Name"),
        direct("name.familyName", "Last Name"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("oracle"),
};

/// It hands on what the provider before it has sent.
const CLOUDFLARE: IdentityProvider = IdentityProvider {
    id: "cloudflare",
    name: "Cloudflare Access",
    mappings: &[
        matched(automatic("userName", "userName")),
        automatic("active", "active, deactivate_on_delete"),
        automatic("displayName", "displayName"),
        automatic("externalId", "externalId"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("cloudflare"),
};

const SYNCOPE: IdentityProvider = IdentityProvider {
    id: "syncope",
    name: "Apache Syncope",
    mappings: &[
        matched(direct("userName", "username")),
        direct("active", "status, to __ENABLE__"),
        direct("displayName", "fullname"),
        direct("externalId", "key"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("syncope"),
};

const MIDPOINT: IdentityProvider = IdentityProvider {
    id: "midpoint",
    name: "midPoint",
    mappings: &[
        matched(direct("userName", "name")),
        direct("active", "administrativeStatus"),
        direct("displayName", "fullName"),
        direct("externalId", "oid"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("midpoint"),
};

/// Any other, with the RFC's choices.
pub const GENERIC: IdentityProvider = IdentityProvider {
    id: "generic",
    name: "SCIM 2.0",
    mappings: &[
        matched(direct("userName", "unique name")),
        direct("active", "true, false"),
        direct("displayName", "name"),
        direct("externalId", "ID"),
    ],
    dialect: Dialect::lenient,
    cycle_seconds: None,
    quarantines: false,
    guide: guide!("generic"),
};

/// The provider of this id.
pub fn of(id: &str) -> Option<&'static IdentityProvider> {
    IDENTITY_PROVIDERS.iter().find(|provider| provider.id == id)
}

/// All ids, for an error message.
pub fn ids() -> String {
    let ids: Vec<_> = IDENTITY_PROVIDERS.iter().map(|provider| provider.id).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::HashSet;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Guide {
        console: Both<String>,
        fields: Fields,
        words: Both<Words>,
        steps: Vec<Step>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Both<T> {
        en: T,
        de: T,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        url: String,
        token: String,
        target: String,
        source: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Words {
        idp: String,
        in_idp: String,
        from_idp: String,
        provisioning: String,
        mapping: String,
        retry: String,
        relink: String,
        groups_off: String,
        active: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Step {
        id: String,
        title: Both<String>,
        r#do: Both<Vec<String>>,
        hint: Option<Both<String>>,
        shows: Option<Shows>,
        proof: Option<Proof>,
        #[expect(dead_code, reason = "being read as a boolean is what is tested")]
        groups: Option<bool>,
    }

    #[derive(Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Shows {
        Mappings,
    }

    #[derive(Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Proof {
        Contact,
        Change,
    }

    fn texts(guide: &Guide) -> Vec<&String> {
        let mut texts = vec![&guide.console.en, &guide.console.de];
        let Fields { url, token, target, source } = &guide.fields;
        texts.extend([url, token, target, source]);
        for words in [&guide.words.en, &guide.words.de] {
            let Words { idp, in_idp, from_idp, provisioning, mapping, retry, relink, groups_off, active } = words;
            texts.extend([idp, in_idp, from_idp, provisioning, mapping, retry, relink, groups_off, active]);
        }
        for step in &guide.steps {
            texts.extend([&step.id, &step.title.en, &step.title.de]);
            texts.extend(step.r#do.en.iter().chain(&step.r#do.de));
            texts.extend(step.hint.iter().flat_map(|hint| [&hint.en, &hint.de]));
        }
        texts
    }

    #[test]
    fn every_guide_has_all_its_texts_in_both_languages() {
        for provider in IDENTITY_PROVIDERS {
            let id = provider.id;
            let guide: Guide =
                serde_json::from_slice(&provider.guide()).unwrap_or_else(|error| panic!("{id}: {error}"));
            for text in texts(&guide) {
                assert!(!text.trim().is_empty(), "{id}: an empty text");
                assert_eq!(text.matches("**").count() % 2, 0, "{id}: {text}");
                let places = text.replace("{product}", "");
                assert!(!places.contains(['{', '}']), "{id}: {text}");
            }
            for step in &guide.steps {
                assert_eq!(step.r#do.en.len(), step.r#do.de.len(), "{id}: {}", step.id);
            }
            let ids: HashSet<&String> = guide.steps.iter().map(|step| &step.id).collect();
            assert_eq!(ids.len(), guide.steps.len(), "{id}: two steps of one name");
            assert!(
                guide.steps.iter().any(|step| step.shows == Some(Shows::Mappings)),
                "{id}: the mappings are not shown"
            );
            assert!(guide.steps.iter().any(|step| step.proof == Some(Proof::Change)), "{id}: nothing proves the end");
        }
    }

    #[test]
    fn a_packed_guide_says_what_its_file_says() {
        for provider in IDENTITY_PROVIDERS {
            let file = format!("{}/src/connection/guides/{}.json", env!("CARGO_MANIFEST_DIR"), provider.id);
            let written: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            let packed: serde_json::Value = serde_json::from_slice(&provider.guide()).unwrap();
            assert_eq!(packed, written, "{}", provider.id);
        }
    }

    #[test]
    fn every_provider_finds_users_by_user_name_and_says_who_is_active() {
        for provider in IDENTITY_PROVIDERS {
            let first = &provider.mappings[0];
            assert_eq!((first.target, first.matching_precedence), ("userName", Some(1)), "{}", provider.id);
            assert!(provider.mappings.iter().any(|mapping| mapping.target == "active"), "{}", provider.id);
            assert!(provider.mappings.iter().skip(1).all(|mapping| mapping.matching_precedence.is_none()));
            assert_eq!(of(provider.id).map(|found| found.name), Some(provider.name));
        }
    }
}

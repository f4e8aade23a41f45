//! What an operator can set, and every bound of the system.

use crate::backend::Batches;
use crate::secrets::Secrets;
use std::fmt;

/// Every bound of the system, in one place.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A request body. Entra's largest PATCH of one user is far below; a body is held in memory whole.
    pub body_bytes_max: usize,
    /// A filter's text. Entra's are below 200 bytes; the longest that a person would write is not near this.
    pub filter_bytes_max: usize,
    /// Parentheses, brackets and `not` within each other. Bounds the recursion of the parser and of the evaluation.
    pub filter_depth_max: usize,
    /// Comparisons in one filter.
    pub filter_terms_max: usize,
    /// A PATCH path.
    pub path_bytes_max: usize,
    /// Operations in one PATCH. The validator's largest has 36.
    pub patch_operations_max: usize,
    /// Comparisons in one PATCH: each element that a value filter looks at counts once for each of the filter's terms, and
    /// once more for each KiB of its text. A path that names one element of a full attribute costs a thousandth of it.
    pub patch_comparisons_max: usize,
    /// Operations in one bulk request. Each is a turn of its own, so this is how many turns one request may take.
    pub bulk_operations_max: usize,
    /// How long a bulk request may go on beginning operations; what it has not begun by then it gives back.
    pub bulk_seconds_max: u64,
    /// One string value. A photo as a data URI fits; so does a role as JSON text.
    pub value_bytes_max: usize,
    /// Elements of one multi-valued attribute.
    pub values_max: usize,
    /// References in one request, such as members of a group: about as many as fit into a body.
    pub references_max: usize,
    /// Names in `attributes` or `excludedAttributes`: as many as the largest schemas of a tenant have attributes.
    pub attributes_max: usize,
    /// Levels of groups within groups that a user's `groups` looks up through.
    pub group_depth_max: usize,
    /// Groups in a user's `groups`.
    pub user_groups_max: usize,
    /// Members up to which a group's answer says their names; each costs a read.
    pub members_named_max: u64,
    /// Members in one answer.
    pub members_answered_max: u64,
    /// A whole user as it is stored; below the smallest value limit of Spin's backends (DynamoDB, 400 KB).
    pub resource_bytes_max: usize,
    /// A userName. Longer than any address, short enough for every index and every line of the log.
    pub user_name_bytes_max: usize,
    /// Resources in one page.
    pub page_max: usize,
    /// Resources in a page where the client names no count.
    pub page_default: usize,
    /// Users that a filter without an index, or a search on the page, may read; members that a value filter of a PATCH may.
    pub scan_max: u64,
    /// How old a cursor may be: time enough for a client that works through a large page.
    pub cursor_seconds_max: i64,
    /// Resources that one page of a walk by cursor may look at; a page ends there, full or not, and says where to go on.
    pub cursor_scan_max: usize,
    /// The part of a sorted text that a cursor keeps. Texts that begin alike that far follow each other as they were made.
    pub cursor_key_bytes_max: usize,
    /// Schemas that a tenant has of its own. They are read with every request of such a tenant, and stored under one key.
    pub schemas_max: usize,
    /// One such schema as it is stored; all together stay below the smallest value limit of Spin's backends.
    pub schema_bytes_max: usize,
    /// Attributes and sub-attributes in one such schema.
    pub schema_attributes_max: usize,
    /// The URN of such a schema; every path and filter that means one of its attributes repeats it.
    pub schema_urn_bytes_max: usize,
    /// The name of an attribute.
    pub schema_name_bytes_max: usize,
    /// The name of a schema, and what it says of itself or of an attribute.
    pub schema_text_bytes_max: usize,
    /// The part of a body that a journal record keeps.
    pub journal_body_bytes_max: usize,
    /// The part of one attribute, before and after a change, that a journal record keeps.
    pub journal_value_bytes_max: usize,
    /// Records that one page of a filtered journal may look at.
    pub journal_scan_max: u64,
    /// The largest ring that may be set.
    pub journal_capacity_max: u64,
    /// A user as it is stored, up to which it stands under its name, too, and a look-up of the name costs one read.
    pub named_bytes_max: usize,
    /// The name of a tenant.
    pub tenant_name_bytes_max: usize,
    /// Tenants of one installation.
    pub tenants_max: u64,
    /// Tenants in one page of the admin API.
    pub tenants_page_max: usize,
    /// Slots of a roster that an import may name; each user that was ever made has taken one.
    pub slots_max: u64,
    /// Users and groups up to which the checker looks at an import before it is opened; it holds all of them in memory.
    pub import_checked_max: u64,
    /// Connections that one instance remembers at once, see [`cache`](crate::connection::cache). A tenant beyond them costs
    /// one read more.
    pub connections_remembered_max: usize,
    /// Changes of one tenant that an instance carries out in one turn: as many requests as Spin gives an instance at once.
    pub changes_together_max: usize,
    /// Tenants whose requests one instance counts at once, see [`pace`](crate::pace).
    pub tenants_paced_max: usize,
    /// Refusals for the rate that an instance answers late, at once; half of what Spin gives an instance.
    pub refusals_held_max: usize,
    /// The largest rate that may be set.
    pub requests_per_second_max: u64,
    /// Values that one repair writes or removes, beside documents; whoever asks repeats it. Below what the head remembers
    /// of emptied keys.
    pub mended_at_once: usize,
    /// Users that one call deletes after a connection was ended; the page repeats the call.
    pub users_deleted_at_once: usize,
}

/// The bounds in force.
pub const LIMITS: Limits = Limits {
    body_bytes_max: 1024 * 1024,
    filter_bytes_max: 8 * 1024,
    filter_depth_max: 32,
    filter_terms_max: 100,
    path_bytes_max: 2 * 1024,
    patch_operations_max: 1_000,
    patch_comparisons_max: 1_000_000,
    bulk_operations_max: 200,
    bulk_seconds_max: 20,
    value_bytes_max: 64 * 1024,
    values_max: 1_000,
    references_max: 25_000,
    attributes_max: 1_000,
    group_depth_max: 8,
    user_groups_max: 1_000,
    members_named_max: 1_000,
    members_answered_max: 100_000,
    resource_bytes_max: 256 * 1024,
    user_name_bytes_max: 512,
    page_max: 200,
    page_default: 100,
    scan_max: 10_000,
    cursor_seconds_max: 3_600,
    cursor_scan_max: 2_000,
    cursor_key_bytes_max: 128,
    schemas_max: 10,
    schema_bytes_max: 32 * 1024,
    schema_attributes_max: 100,
    schema_urn_bytes_max: 200,
    schema_name_bytes_max: 64,
    schema_text_bytes_max: 1_000,
    journal_body_bytes_max: 8 * 1024,
    journal_value_bytes_max: 4 * 1024,
    journal_scan_max: 2_000,
    journal_capacity_max: 1_000_000,
    named_bytes_max: 16 * 1024,
    tenant_name_bytes_max: 200,
    tenants_max: 100_000,
    tenants_page_max: 1_000,
    slots_max: 1 << 32,
    import_checked_max: 10_000,
    connections_remembered_max: 256,
    changes_together_max: 16,
    tenants_paced_max: 256,
    refusals_held_max: 8,
    requests_per_second_max: 1_000_000,
    mended_at_once: 400,
    users_deleted_at_once: 50,
};

/// What an operator can set, read from Spin's variables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Everything that is made from `admin_secret` and `encryption_key`.
    pub secrets: Secrets,
    /// The address that identity providers reach, without a slash at its end.
    pub public_url: Option<String>,
    /// What the page calls itself.
    pub product_name: String,
    /// Records that each tenant's journal keeps.
    pub journal_capacity: u64,
    /// Whether records keep bodies.
    pub journal_bodies: bool,
    /// Requests that a tenant's provider may send, see [`pace`](crate::pace); nothing for as many as it likes.
    pub requests_per_second: Option<u64>,
    /// Who may show the page in a frame, as in `Content-Security-Policy`.
    pub frame_ancestors: String,
    /// How the store takes a batch, where the operator knows better than its test.
    pub store_batches: Option<Batches>,
}

/// Why the settings cannot be used: where, what was expected, what was found. Never a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// The names of all variables.
    pub const VARIABLES: &[&str] = &[
        "admin_secret",
        "encryption_key",
        "public_url",
        "product_name",
        "journal_capacity",
        "journal_bodies",
        "requests_per_second",
        "frame_ancestors",
        "store_batches",
    ];

    /// Reads the variables. One that is empty counts as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let admin_secret = get("admin_secret")
            .ok_or_else(|| SettingsError("variable admin_secret: expected a secret, found nothing".to_owned()))?;
        Ok(Settings {
            secrets: Secrets::derive(&admin_secret, get("encryption_key").as_deref()),
            public_url: get("public_url").map(|url| public_url(&url)).transpose()?,
            product_name: get("product_name").unwrap_or_else(|| "Rollcall".to_owned()),
            journal_capacity: journal_capacity(get("journal_capacity").as_deref())?,
            journal_bodies: boolean("journal_bodies", get("journal_bodies").as_deref(), true)?,
            requests_per_second: requests_per_second(get("requests_per_second").as_deref())?,
            frame_ancestors: frame_ancestors(get("frame_ancestors").as_deref())?,
            store_batches: store_batches(get("store_batches").as_deref())?,
        })
    }
}

fn public_url(url: &str) -> Result<String, SettingsError> {
    let parsed: Option<http::Uri> = url.parse().ok();
    let fits = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some() && uri.query().is_none()
    });
    if fits {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(SettingsError(format!(
            "variable public_url: expected a URL such as https://scim.example.com, found {url:?}"
        )))
    }
}

fn journal_capacity(text: Option<&str>) -> Result<u64, SettingsError> {
    let Some(text) = text else {
        return Ok(2_000);
    };
    let max = LIMITS.journal_capacity_max;
    text.parse().ok().filter(|capacity| (1..=max).contains(capacity)).ok_or_else(|| {
        SettingsError(format!("variable journal_capacity: expected a whole number from 1 to {max}, found {text:?}"))
    })
}

fn requests_per_second(text: Option<&str>) -> Result<Option<u64>, SettingsError> {
    let max = LIMITS.requests_per_second_max;
    match text {
        // Twenty times what Entra sends at most, and enough for a conformance suite or a first import in a hurry.
        None => Ok(Some(500)),
        Some("off") => Ok(None),
        Some(text) => {
            let rate = text.parse().ok().filter(|rate| (1..=max).contains(rate));
            rate.map(Some).ok_or_else(|| {
                SettingsError(format!(
                    "variable requests_per_second: expected a whole number from 1 to {max}, or off, found {text:?}"
                ))
            })
        }
    }
}

fn boolean(name: &str, text: Option<&str>, default: bool) -> Result<bool, SettingsError> {
    match text {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(SettingsError(format!("variable {name}: expected true or false, found {other:?}"))),
    }
}

/// The text goes into a header, so it must not be able to end the directive.
fn frame_ancestors(text: Option<&str>) -> Result<String, SettingsError> {
    let text = text.unwrap_or("'none'");
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',' || byte == b' ') {
        Ok(text.to_owned())
    } else {
        Err(SettingsError(
            "variable frame_ancestors: expected sources such as 'self' or https://app.example.com".to_owned(),
        ))
    }
}

fn store_batches(text: Option<&str>) -> Result<Option<Batches>, SettingsError> {
    match text {
        None | Some("auto") => Ok(None),
        Some("whole") => Ok(Some(Batches::Whole)),
        Some("parts") => Ok(Some(Batches::Parts)),
        Some(other) => {
            Err(SettingsError(format!("variable store_batches: expected auto, whole or parts, found {other:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let value = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::read(value).map_err(|error| error.to_string())
    }

    #[test]
    fn the_admin_secret_is_the_one_thing_that_has_no_default() {
        let settings = read(&[("admin_secret", "s")]).unwrap();
        assert_eq!((settings.journal_capacity, settings.journal_bodies), (2_000, true));
        assert_eq!(settings.product_name, "Rollcall");
        assert_eq!(read(&[]).unwrap_err(), "variable admin_secret: expected a secret, found nothing");
        assert_eq!(
            read(&[("admin_secret", " ")]).unwrap_err(),
            "variable admin_secret: expected a secret, found nothing"
        );
    }

    #[test]
    fn a_setting_that_does_not_read_is_named() {
        let with = |name, value| read(&[("admin_secret", "s"), (name, value)]).unwrap_err();
        assert_eq!(
            with("journal_capacity", "0"),
            "variable journal_capacity: expected a whole number from 1 to 1000000, found \"0\""
        );
        assert_eq!(with("journal_bodies", "yes"), "variable journal_bodies: expected true or false, found \"yes\"");
        assert_eq!(
            with("public_url", "example"),
            "variable public_url: expected a URL such as https://scim.example.com, found \"example\""
        );
        assert_eq!(
            with("store_batches", "atomic"),
            "variable store_batches: expected auto, whole or parts, found \"atomic\""
        );
        assert!(with("frame_ancestors", "'self'; script-src *").starts_with("variable frame_ancestors"));
    }

    #[test]
    fn the_public_url_loses_the_slash_at_its_end() {
        let settings = read(&[("admin_secret", "s"), ("public_url", "https://scim.example.com/base/")]).unwrap();
        assert_eq!(settings.public_url.as_deref(), Some("https://scim.example.com/base"));
    }

    #[test]
    fn the_rate_of_requests_is_bounded_at_both_ends_or_off() {
        let with =
            |value| read(&[("admin_secret", "s"), ("requests_per_second", value)]).map(|s| s.requests_per_second);
        assert_eq!(
            [with(""), with("1"), with("1000000"), with("off")],
            [Ok(Some(500)), Ok(Some(1)), Ok(Some(1_000_000)), Ok(None)]
        );
        assert_eq!(
            with("1000001"),
            Err("variable requests_per_second: expected a whole number from 1 to 1000000, or off, found \"1000001\""
                .to_owned())
        );
        assert!(with("0").is_err());
    }

    #[test]
    fn the_capacity_of_the_journal_is_bounded_at_both_ends() {
        let with = |value| read(&[("admin_secret", "s"), ("journal_capacity", value)]).map(|s| s.journal_capacity);
        assert_eq!(with("1"), Ok(1));
        assert_eq!(with("1000000"), Ok(1_000_000));
        assert!(with("1000001").is_err());
    }
}

//! What an operator can set, and every bound of the system.

use crate::ports::{Batches, VALUE_BYTES_MAX};
use crate::secrets::{MetricsSecret, Secrets};
use std::fmt;

/// Every bound of the system, in one place.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A request body. Entra's largest PATCH of one user is far below; a body is held in memory whole.
    pub body_bytes_max: usize,
    /// The body of a sign-in, which comes from whoever wants to try.
    pub session_body_bytes_max: usize,
    /// Values in one request body: objects, arrays and what stands in them. As many as
    /// [`Limits::references_max`] members with three parts each have. A tree of so many takes some 13 MB natively, and half
    /// of that in the component.
    pub body_values_max: usize,
    /// Objects and arrays within each other in one request body.
    pub body_depth_max: usize,
    /// Names in one object of a request body: those of all attributes that a tenant can have, and as many again.
    pub body_names_max: usize,
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
    /// What one request may compute, in comparisons of up to a KiB of text, see [`Effort`](crate::scim::Effort): each value
    /// that a term of a filter looks at counts one, a resource that is read ten. One request of any kind stays below a
    /// second of computing with it.
    pub request_effort_max: usize,
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
    /// Groups that one change takes a resource out of which is deleted; from further ones it is taken in turns before.
    pub groups_left_max: usize,
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
    /// Texts of the resources in one page. A page with more ends earlier, as RFC 7644 §3.4.2.4 has it, and an instance that
    /// answers many of them at once stays within its memory.
    pub page_bytes_max: usize,
    /// Resources in a page where the client names no count.
    pub page_default: usize,
    /// Users that a filter without an index, or a search on the page, may read; members that a value filter of a PATCH may.
    pub scan_max: u64,
    /// How old a cursor may be: time enough for a client that works through a large page.
    pub cursor_seconds_max: i64,
    /// Resources that one page of a walk by cursor may look at; a page ends there, full or not, and says where to go on.
    pub cursor_scan_max: usize,
    /// The part of a text that it is sorted by. Texts that begin alike that far follow each other as they were made.
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
    /// Resources in an index entry that stands under one key; one of more is a roster, see `directory/entry.rs`.
    pub entry_short_max: usize,
    /// The name of a tenant.
    pub tenant_name_bytes_max: usize,
    /// Tenants of one installation.
    pub tenants_max: u64,
    /// Tenants in one page of the admin API.
    pub tenants_page_max: usize,
    /// Slots of a roster that an import may name; each user that was ever made has taken one.
    pub slots_max: u64,
    /// Users and groups up to which the checker looks at an import before it is opened: as many as it looks at in a part of
    /// the time that a request may take. Each line of a larger import is held to its sum, its limits and its schemas, too,
    /// and whatever is derived is made by the code that changes make it with; the operator is told to call the check.
    pub import_checked_max: u64,
    /// Connections that one instance remembers at once, see [`cache`](crate::connection::cache). A tenant beyond them costs
    /// one read more.
    pub connections_remembered_max: usize,
    /// Changes of one tenant that an instance carries out in one turn: as many requests as Spin gives an instance at once.
    pub changes_together_max: usize,
    /// Tenants whose requests one instance counts at once, see [`pace`](crate::pace).
    pub tenants_paced_max: usize,
    /// Tenants of which one instance remembers who came without a valid token, see [`strangers`](crate::http).
    pub strangers_remembered_max: usize,
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
    session_body_bytes_max: 4 * 1024,
    body_values_max: 110_000,
    body_depth_max: 64,
    body_names_max: 2_000,
    filter_bytes_max: 8 * 1024,
    filter_depth_max: 32,
    filter_terms_max: 100,
    path_bytes_max: 2 * 1024,
    patch_operations_max: 1_000,
    request_effort_max: 1_000_000,
    bulk_operations_max: 200,
    bulk_seconds_max: 20,
    value_bytes_max: 64 * 1024,
    values_max: 1_000,
    references_max: 25_000,
    attributes_max: 1_000,
    group_depth_max: 8,
    user_groups_max: 1_000,
    groups_left_max: 100,
    members_named_max: 1_000,
    members_answered_max: 100_000,
    resource_bytes_max: 256 * 1024,
    user_name_bytes_max: 512,
    page_max: 200,
    page_bytes_max: 8 * 1024 * 1024,
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
    entry_short_max: 32,
    tenant_name_bytes_max: 200,
    tenants_max: 100_000,
    tenants_page_max: 1_000,
    slots_max: 1 << 32,
    import_checked_max: 10_000,
    connections_remembered_max: 256,
    changes_together_max: 16,
    tenants_paced_max: 256,
    strangers_remembered_max: 256,
    refusals_held_max: 8,
    requests_per_second_max: 1_000_000,
    mended_at_once: 400,
    users_deleted_at_once: 50,
};

/// What stands around a resource in its document, and around a part of an intent, is smaller.
pub(crate) const BESIDE_RESOURCE_BYTES_MAX: usize = 32 * 1024;

/// Records of the request log of a tenant where nothing is set.
const JOURNAL_CAPACITY_DEFAULT: u64 = 2_000;

const _: () = {
    // Each member is an object of up to three parts.
    assert!(LIMITS.references_max * 4 < LIMITS.body_values_max);
    assert!(LIMITS.schemas_max * LIMITS.schema_attributes_max <= LIMITS.body_names_max / 2);
    assert!(LIMITS.resource_bytes_max + BESIDE_RESOURCE_BYTES_MAX < VALUE_BYTES_MAX);
    assert!(LIMITS.schemas_max * LIMITS.schema_bytes_max < VALUE_BYTES_MAX);
    assert!(LIMITS.value_bytes_max <= LIMITS.resource_bytes_max);
    assert!(LIMITS.page_default <= LIMITS.page_max);
    // A page of the largest resources makes progress.
    assert!(LIMITS.resource_bytes_max * 8 < LIMITS.page_bytes_max);
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
    /// What opens `/metrics`; nothing where nobody may read them.
    pub metrics_secret: Option<MetricsSecret>,
    /// What of each request goes to the error output.
    pub request_log: RequestLog,
}

/// What of each request goes to the error output, as one line of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestLog {
    /// Nothing.
    Off,
    /// What tells nothing of a tenant: operation, outcome, status, duration and the request's id.
    Thin,
    /// The ids of the tenant and of the resource, the number in the journal and the trace, too.
    Full,
}

/// Why the settings cannot be used: where, what was expected, what was found. Never a secret's value, nor a URL, which may
/// hold one: everybody may read it at `/healthz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(String);

impl SettingsError {
    /// A variable could not be read at all.
    pub fn unread(name: &str) -> SettingsError {
        SettingsError(format!("variable {name}: expected a value, found one that cannot be read"))
    }
}

/// An admin secret has no fewer characters: one that can be guessed opens everything.
pub const ADMIN_SECRET_CHARS_MIN: usize = 16;

/// Nor more bytes: it has to fit into the body of a sign-in.
pub const ADMIN_SECRET_BYTES_MAX: usize = 1024;

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
        "metrics_secret",
        "request_log",
    ];

    /// Reads the variables. One that is empty counts as not set.
    ///
    /// # Errors
    /// The variable that cannot be used, and why, without its value where that is a secret.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let admin_secret = admin_secret(get("admin_secret"))?;
        Ok(Settings {
            secrets: Secrets::derive(&admin_secret, get("encryption_key").as_deref()),
            public_url: get("public_url").map(|url| public_url(&url)).transpose()?,
            product_name: get("product_name").unwrap_or_else(|| "Rollcall".to_owned()),
            journal_capacity: journal_capacity(get("journal_capacity").as_deref())?,
            journal_bodies: boolean("journal_bodies", get("journal_bodies").as_deref(), true)?,
            requests_per_second: requests_per_second(get("requests_per_second").as_deref())?,
            frame_ancestors: frame_ancestors(get("frame_ancestors").as_deref())?,
            store_batches: store_batches(get("store_batches").as_deref())?,
            metrics_secret: metrics_secret(get("metrics_secret").as_deref(), &admin_secret)?,
            request_log: request_log(get("request_log").as_deref())?,
        })
    }
}

fn admin_secret(secret: Option<String>) -> Result<String, SettingsError> {
    let secret =
        secret.ok_or_else(|| SettingsError("variable admin_secret: expected a secret, found nothing".to_owned()))?;
    if secret.chars().nth(ADMIN_SECRET_CHARS_MIN - 1).is_some() && secret.len() <= ADMIN_SECRET_BYTES_MAX {
        return Ok(secret);
    }
    Err(SettingsError(format!(
        "variable admin_secret: expected {ADMIN_SECRET_CHARS_MIN} characters or more, and at most \
         {ADMIN_SECRET_BYTES_MAX} bytes"
    )))
}

/// An address that is not quite one is refused without being said again: it may have a password in it.
fn public_url(url: &str) -> Result<String, SettingsError> {
    let refused = |found: &str| {
        Err(SettingsError(format!(
            "variable public_url: expected a URL such as https://scim.example.com, found {found}"
        )))
    };
    // The fragment first: who reads a URI as a request's target leaves it out.
    if url.contains('#') {
        return refused("one with a fragment");
    }
    let Ok(uri) = url.parse::<http::Uri>() else {
        return refused("none");
    };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            refused("one with user information")
        }
        (Some("http" | "https"), Some(authority)) if authority.host().is_empty() => refused("one without a host"),
        (Some("http" | "https"), Some(_)) if uri.query().is_some() => refused("one with a query"),
        (Some("http" | "https"), Some(_)) => Ok(url.trim_end_matches('/').to_owned()),
        (Some(_), Some(_)) => refused("another scheme than http and https"),
        (None, _) | (_, None) => refused("one without scheme or host"),
    }
}

fn journal_capacity(text: Option<&str>) -> Result<u64, SettingsError> {
    let Some(text) = text else {
        return Ok(JOURNAL_CAPACITY_DEFAULT);
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

/// Sources as in CSP's `frame-ancestors`. Only what is one is taken: the text goes into a header, where it must not be able
/// to end the directive, and browsers pass over what they do not know, which is not what whoever wrote it has meant.
fn frame_ancestors(text: Option<&str>) -> Result<String, SettingsError> {
    let text = text.unwrap_or("'none'");
    let sources: Vec<&str> = text.split_ascii_whitespace().collect();
    let fits = match sources.as_slice() {
        ["'none'"] => true,
        sources => sources.iter().all(|source| is_source(source)),
    };
    if fits && !sources.is_empty() {
        return Ok(sources.join(" "));
    }
    Err(SettingsError(
        "variable frame_ancestors: expected 'none', or sources such as 'self' or https://app.example.com".to_owned(),
    ))
}

/// `'self'`, or a host with a scheme, which may have a port, and a `*` in the place of its first label or of its port.
fn is_source(source: &str) -> bool {
    let Some((_, host)) = source.split_once("://").filter(|(scheme, _)| ["https", "http"].contains(scheme)) else {
        return source == "'self'";
    };
    let (host, port) = host.split_once(':').unwrap_or((host, "*"));
    let named = host.strip_prefix("*.").unwrap_or(host);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    named.split('.').all(is_label) && (port == "*" || port.parse::<u16>().is_ok())
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

/// Whoever reads the counts shall not thereby be able to read the users, so the admin secret is none.
fn metrics_secret(secret: Option<&str>, admin_secret: &str) -> Result<Option<MetricsSecret>, SettingsError> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    if secret == admin_secret {
        let message = "variable metrics_secret: expected another secret than admin_secret, found the same";
        return Err(SettingsError(message.to_owned()));
    }
    if secret.chars().nth(ADMIN_SECRET_CHARS_MIN - 1).is_none() || secret.len() > ADMIN_SECRET_BYTES_MAX {
        return Err(SettingsError(format!(
            "variable metrics_secret: expected nothing, or {ADMIN_SECRET_CHARS_MIN} characters or more, and at most \
             {ADMIN_SECRET_BYTES_MAX} bytes"
        )));
    }
    Ok(Some(MetricsSecret::of(secret)))
}

fn request_log(text: Option<&str>) -> Result<RequestLog, SettingsError> {
    match text {
        None | Some("off") => Ok(RequestLog::Off),
        Some("thin") => Ok(RequestLog::Thin),
        Some("full") => Ok(RequestLog::Full),
        Some(other) => Err(SettingsError(format!("variable request_log: expected off, thin or full, found {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let value = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::read(value).map_err(|error| error.to_string())
    }

    const SECRET: &str = "sixteen-or-more!";

    #[test]
    fn the_admin_secret_is_the_one_thing_that_has_no_default() {
        let settings = read(&[("admin_secret", SECRET)]).unwrap();
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
        let with = |name, value| read(&[("admin_secret", SECRET), (name, value)]).unwrap_err();
        assert_eq!(
            with("journal_capacity", "0"),
            "variable journal_capacity: expected a whole number from 1 to 1000000, found \"0\""
        );
        assert_eq!(with("journal_bodies", "yes"), "variable journal_bodies: expected true or false, found \"yes\"");
        assert_eq!(
            with("store_batches", "atomic"),
            "variable store_batches: expected auto, whole or parts, found \"atomic\""
        );
    }

    #[test]
    fn an_admin_secret_has_sixteen_characters_or_more_and_at_most_a_kilobyte() {
        for (secret, fits) in [
            ("s", false),
            ("fifteen-and-no!", false),
            (SECRET, true),
            // Characters, not bytes.
            ("ééééééééééééééé", false),
            ("éééééééééééééééé", true),
            (&"s".repeat(ADMIN_SECRET_BYTES_MAX), true),
            (&"s".repeat(ADMIN_SECRET_BYTES_MAX + 1), false),
        ] {
            let read = read(&[("admin_secret", secret)]);
            assert_eq!(read.is_ok(), fits, "{secret}");
            if let Err(error) = read {
                let expected = "variable admin_secret: expected 16 characters or more, and at most 1024 bytes";
                assert_eq!(error, expected);
            }
        }
    }

    #[test]
    fn a_metrics_secret_is_bounded_as_the_admin_secret_is_and_another_one() {
        let with = |secret: &str| {
            let settings = read(&[("admin_secret", SECRET), ("metrics_secret", secret)]);
            settings.map(|settings| settings.metrics_secret.is_some_and(|found| found.is(secret)))
        };
        assert_eq!(with(""), Ok(false));
        assert_eq!(with("another-sixteen!"), Ok(true));
        assert_eq!(with(&"s".repeat(ADMIN_SECRET_BYTES_MAX)), Ok(true));
        for secret in ["fifteen-and-no!", &"s".repeat(ADMIN_SECRET_BYTES_MAX + 1), SECRET] {
            let error = with(secret).unwrap_err();
            assert!(error.starts_with("variable metrics_secret: expected ") && !error.contains(secret), "{error}");
        }
    }

    #[test]
    fn the_request_log_is_off_unless_it_is_thin_or_full() {
        let with = |value| read(&[("admin_secret", SECRET), ("request_log", value)]).map(|s| s.request_log);
        assert_eq!(
            [with(""), with("off"), with("thin"), with("full")],
            [Ok(RequestLog::Off), Ok(RequestLog::Off), Ok(RequestLog::Thin), Ok(RequestLog::Full)]
        );
        let error = "variable request_log: expected off, thin or full, found \"true\"";
        assert_eq!(with("true"), Err(error.to_owned()));
    }

    #[test]
    fn a_public_url_has_a_scheme_of_the_web_and_a_host_and_nothing_behind_its_path() {
        for (url, found) in [
            ("example", "one without scheme or host"),
            ("/scim", "one without scheme or host"),
            ("javascript://x", "another scheme than http and https"),
            ("ftp://scim.example.com", "another scheme than http and https"),
            ("https://", "none"),
            ("https://u:hunter2@scim.example.com", "one with user information"),
            ("https://u@scim.example.com", "one with user information"),
            ("https://scim.example.com#c", "one with a fragment"),
            ("https://scim.example.com/b#c", "one with a fragment"),
            ("https://scim.example.com/b?c=d", "one with a query"),
            ("https://scim.example.com?", "one with a query"),
            ("https://scim example.com", "none"),
        ] {
            let error = read(&[("admin_secret", SECRET), ("public_url", url)]).unwrap_err();
            let expected =
                format!("variable public_url: expected a URL such as https://scim.example.com, found {found}");
            assert_eq!(error, expected, "{url}");
        }
        for url in
            ["https://scim.example.com", "http://127.0.0.1:3000", "HTTPS://scim.example.com/base", "http://[::1]:80"]
        {
            assert!(read(&[("admin_secret", SECRET), ("public_url", url)]).is_ok(), "{url}");
        }
    }

    #[test]
    fn frame_ancestors_are_sources_that_browsers_know() {
        for text in
            ["'none'", "'self'", "'self'  https://app.example.com", "https://*.example.com:8443", "http://localhost:*"]
        {
            assert!(read(&[("admin_secret", SECRET), ("frame_ancestors", text)]).is_ok(), "{text}");
        }
        for text in [
            "'self'; script-src *",
            "'self', https://a",
            "self",
            "none",
            "'none' https://app.example.com",
            "'unsafe-inline'",
            "*",
            "https:",
            "https://",
            "https://u:p@app.example.com",
            "https://app.example.com:port",
            "https://app.example.com/\u{e9}",
            "javascript://x",
        ] {
            let error = read(&[("admin_secret", SECRET), ("frame_ancestors", text)]).unwrap_err();
            assert!(error.starts_with("variable frame_ancestors: expected "), "{text}: {error}");
        }
    }

    #[test]
    fn the_public_url_loses_the_slash_at_its_end() {
        let settings = read(&[("admin_secret", SECRET), ("public_url", "https://scim.example.com/base/")]).unwrap();
        assert_eq!(settings.public_url.as_deref(), Some("https://scim.example.com/base"));
    }

    #[test]
    fn the_rate_of_requests_is_bounded_at_both_ends_or_off() {
        let with =
            |value| read(&[("admin_secret", SECRET), ("requests_per_second", value)]).map(|s| s.requests_per_second);
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
        let with = |value| read(&[("admin_secret", SECRET), ("journal_capacity", value)]).map(|s| s.journal_capacity);
        assert_eq!(with("1"), Ok(1));
        assert_eq!(with("1000000"), Ok(1_000_000));
        assert!(with("1000001").is_err());
    }
}

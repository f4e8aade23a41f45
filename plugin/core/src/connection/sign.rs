//! Who sent a request, by what it looks like: so that a connection that was set up for another provider is noticed.
//!
//! Read are the `User-Agent` and the habits that no client has by chance. A request of a tool that names itself, such as
//! curl, is a sign of nobody, however much it resembles one.

use crate::scim::Parameters;
use http::header::USER_AGENT;
use http::{HeaderMap, Method};

/// What a `User-Agent` contains, in lower case, and whose it is.
const AGENTS: &[(&str, &str)] = &[
    ("okta scim client", "okta"),
    ("google-auto-provisioning", "google"),
    ("authentik", "authentik"),
    ("onelogin", "onelogin"),
    ("jumpcloud", "jumpcloud"),
    ("pingone", "ping"),
    ("keycloak", "keycloak"),
    ("microsoft azure ad", "entra"),
];

/// The header in which Entra traces its requests.
const ENTRA_TRACE: &str = "adscimversion";

/// The parameter by which Entra's admin chooses its newer dialect.
const ENTRA_FLAG: &str = "aadoptscim062020";

/// The provider that a request looks like; nothing where it looks like none in particular.
///
/// `has_capital_op` says whether the body spells an operation of a PATCH with a capital; it is asked last.
pub fn of(
    method: &Method,
    query: &Parameters<'_>,
    headers: &HeaderMap,
    has_capital_op: impl FnOnce() -> bool,
) -> Option<&'static str> {
    let agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let agent = agent.as_deref().map_or("", str::trim);
    if let Some((_, provider)) = AGENTS.iter().find(|(part, _)| agent.contains(part)) {
        return Some(provider);
    }
    if headers.contains_key(ENTRA_TRACE) {
        return Some("entra");
    }
    let filter = query.first("filter").unwrap_or_default();
    // Ping writes its operators with a capital and the name without one.
    if filter.starts_with("username Eq ") {
        return Some("ping");
    }
    // Entra sends no User-Agent, and neither does what a proxy has stripped of it.
    if !agent.is_empty() {
        return None;
    }
    if query.iter().any(|(key, _)| key.eq_ignore_ascii_case(ENTRA_FLAG))
        || filter.strip_prefix("userName eq \"").and_then(|rest| rest.strip_suffix('"')).is_some_and(is_guid)
        || *method == Method::PATCH && has_capital_op()
    {
        return Some("entra");
    }
    let paged = (query.first("startIndex"), query.first("count"));
    (paged == (Some("1"), Some("2")) && filter.is_empty()).then_some("okta")
}

/// `3e59e27b-68ad-41f5-bb0e-dadf130e2ac8`: nobody's userName, but what Entra tests a connection with.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether an operation is spelled `Add`, `Replace` or `Remove`. Looked for in the text, since the body was read already
/// and may be no JSON at all.
pub(crate) fn has_capital_op(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.split("\"op\"").skip(1).any(|rest| {
        let value = rest.trim_start().strip_prefix(':').map(str::trim_start).unwrap_or_default();
        let value = value.strip_prefix('"').and_then(|rest| rest.split('"').next());
        value.is_some_and(is_capital_op)
    })
}

/// The spelling that Entra has.
pub(crate) fn is_capital_op(op: &str) -> bool {
    matches!(op, "Add" | "Replace" | "Remove")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(method: &str, query: &str, headers: &[(&'static str, &'static str)], body: &str) -> Option<&'static str> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let query = Parameters::of(Some(query).filter(|query| !query.is_empty()));
        of(&method.parse().unwrap(), &query, &headers, || has_capital_op(body.as_bytes()))
    }

    const GUID: &str = "filter=userName+eq+%223e59e27b-68ad-41f5-bb0e-dadf130e2ac8%22";

    #[test]
    fn a_provider_is_known_by_its_user_agent() {
        let of_agent = |agent: &'static str| sign("GET", "", &[("user-agent", agent)], "");
        assert_eq!(of_agent("Okta SCIM Client 1.0.0"), Some("okta"));
        assert_eq!(of_agent("Google-Auto-Provisioning"), Some("google"));
        assert_eq!(of_agent("authentik@2026.8.1"), Some("authentik"));
        assert_eq!(of_agent("Microsoft Azure AD SCIM provisioning 1.0.0"), Some("entra"));
        assert_eq!(of_agent("Apache-HttpClient/4.5.14 (Java/17.0.12)"), None);
        assert_eq!(of_agent(""), None);
    }

    #[test]
    fn entra_is_known_by_its_trace_its_flag_its_probe_and_its_capitals() {
        assert_eq!(sign("GET", "", &[("adscimversion", "Date: 1, ActivityId: 2")], ""), Some("entra"));
        assert_eq!(sign("GET", "aadOptscim062020", &[], ""), Some("entra"));
        assert_eq!(sign("GET", GUID, &[], ""), Some("entra"));
        assert_eq!(sign("PATCH", "", &[], r#"{"Operations":[{"op" : "Replace","path":"active"}]}"#), Some("entra"));
        assert_eq!(sign("PATCH", "", &[], r#"{"Operations":[{"op":"replace","value":"Add"}]}"#), None);
        assert_eq!(sign("GET", "filter=userName+eq+%22alice%40contoso.com%22", &[], ""), None);
    }

    #[test]
    fn okta_and_ping_are_known_by_their_queries() {
        assert_eq!(sign("GET", "startIndex=1&count=2", &[], ""), Some("okta"));
        assert_eq!(sign("GET", "startIndex=1&count=100", &[], ""), None);
        assert_eq!(
            sign("GET", "filter=username%20Eq%20%22jane%22", &[("user-agent", "Apache-HttpClient")], ""),
            Some("ping")
        );
    }

    #[test]
    fn a_tool_that_names_itself_is_nobody() {
        let curl = [("user-agent", "curl/8.14.1")];
        assert_eq!(sign("GET", GUID, &curl, ""), None);
        assert_eq!(sign("GET", "startIndex=1&count=2", &curl, ""), None);
        assert_eq!(sign("PATCH", "aadOptscim062020", &curl, r#"{"Operations":[{"op":"Add"}]}"#), None);
    }
}

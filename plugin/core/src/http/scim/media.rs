//! What the `Content-Type` of a body says of it.

use super::describe::cap;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// What a body is announced as.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// As RFC 7644 §3.1 has it: application/scim+json, or application/json, which Entra's older jobs send.
    Json,
    /// As nothing, as plain text or bytes, or as JSON by another name. It can only be meant as JSON; says what was found.
    Other(String),
    /// As something else, such as a form; says what was found.
    Foreign(String),
}

impl Media {
    pub(super) fn of(headers: &HeaderMap) -> Media {
        let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let value = value.as_deref().unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if ["application/scim+json", "application/json"].contains(&&*essence) {
            return Media::Json;
        }
        if essence.is_empty() {
            return Media::Other("none".to_owned());
        }
        let found = format!("{:?}", cap(value.split(';').next().unwrap_or_default().trim()));
        let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
        let is_json = ["json", "x-json"].contains(&subtype) || subtype.ends_with("+json");
        if is_json || ["text/plain", "application/octet-stream"].contains(&&*essence) {
            return Media::Other(found);
        }
        Media::Foreign(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Media {
        Media::of(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]))
    }

    #[test]
    fn a_body_is_json_by_the_two_names_of_the_rfc_in_any_case_and_with_parameters() {
        for value in
            ["application/scim+json", "Application/JSON", "application/json;charset=utf-8", " application/json ; q=1"]
        {
            assert_eq!(of(value), Media::Json, "{value}");
        }
    }

    #[test]
    fn a_body_of_another_json_type_of_plain_text_or_of_none_is_taken_for_json() {
        assert_eq!(Media::of(&HeaderMap::new()), Media::Other("none".into()));
        assert_eq!(of(""), Media::Other("none".into()));
        assert_eq!(of("; charset=utf-8"), Media::Other("none".into()));
        for value in [
            "text/json",
            "text/x-json",
            "application/x-json",
            "application/vnd.api+json",
            "text/plain",
            "application/octet-stream",
        ] {
            assert_eq!(of(value), Media::Other(format!("{value:?}")), "{value}");
        }
    }

    #[test]
    fn a_body_that_is_announced_as_something_else_is_not() {
        for value in [
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/xml",
            "text/html",
            "json",
            "application/jsonp",
        ] {
            assert_eq!(of(value), Media::Foreign(format!("{value:?}")), "{value}");
        }
    }
}

//! The bodies around resources: lists (RFC 7644 §3.4.2) and errors (§3.12).

use serde::Serialize;
use serde_json::{Value, json};

/// A page of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse<R> {
    schemas: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    total_results: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_index: Option<u64>,
    items_per_page: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// RFC 7644 §3.4.2 asks for it only where there are matches; Microsoft's own server always has it.
    #[serde(rename = "Resources")]
    resources: Vec<R>,
}

impl<R> ListResponse<R> {
    /// A page by index. `totalResults` counts all matches, not only those of the page.
    pub fn by_index(total: u64, start_index: u64, resources: Vec<R>) -> ListResponse<R> {
        ListResponse { start_index: Some(start_index), ..ListResponse::of(Some(total), resources) }
    }

    /// A page of a walk by cursor, RFC 9865 §2. Without a next page there is no `nextCursor`, and on the first one no
    /// `previousCursor`. A total that would cost more than the page is left out.
    pub fn by_cursor(
        total: Option<u64>,
        next: Option<String>,
        previous: Option<String>,
        resources: Vec<R>,
    ) -> ListResponse<R> {
        ListResponse { next_cursor: next, previous_cursor: previous, ..ListResponse::of(total, resources) }
    }

    fn of(total_results: Option<u64>, resources: Vec<R>) -> ListResponse<R> {
        ListResponse {
            schemas: ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            total_results,
            start_index: None,
            items_per_page: resources.len(),
            previous_cursor: None,
            next_cursor: None,
            resources,
        }
    }
}

/// A refusal. `status` is a string: RFC 7644 §3.12 says so, and deserialisers that were made from it insist.
pub fn error(status: u16, scim_type: Option<&str>, detail: &str) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
    });
    if let Some(scim_type) = scim_type {
        body["scimType"] = json!(scim_type);
    }
    body["detail"] = json!(detail);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(page: ListResponse<Value>) -> String {
        serde_json::to_string(&page).unwrap()
    }

    #[test]
    fn a_list_without_matches_is_a_list() {
        assert_eq!(
            print(ListResponse::by_index(0, 1, Vec::new())),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}"#
        );
    }

    #[test]
    fn a_page_counts_its_own_items_apart_from_all_matches() {
        assert_eq!(
            print(ListResponse::by_index(7, 3, vec![json!({"id": "1"})])),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":7,"startIndex":3,"itemsPerPage":1,"Resources":[{"id":"1"}]}"#
        );
    }

    #[test]
    fn a_page_of_a_walk_has_what_leads_on_from_it() {
        assert_eq!(
            print(ListResponse::by_cursor(None, Some("n".into()), Some("p".into()), Vec::new())),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"itemsPerPage":0,"previousCursor":"p","nextCursor":"n","Resources":[]}"#
        );
        assert_eq!(
            print(ListResponse::by_cursor(Some(0), None, None, Vec::new())),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"itemsPerPage":0,"Resources":[]}"#
        );
    }

    #[test]
    fn an_error_says_its_status_as_a_string() {
        assert_eq!(
            error(400, Some("invalidValue"), "active: expected a boolean, found the number 1").to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"active: expected a boolean, found the number 1"}"#
        );
        assert_eq!(
            error(404, None, "Users/1: no user has this id").to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"Users/1: no user has this id"}"#
        );
    }
}

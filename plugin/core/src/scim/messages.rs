//! The bodies around resources: lists (RFC 7644 §3.4.2) and errors (§3.12).

use serde_json::{Map, Value, json};

/// A page of a list. `totalResults` counts all matches, not only those of the page.
pub fn list_response(total: u64, start_index: u64, resources: Vec<Map<String, Value>>) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
    });
    // RFC 7644 §3.4.2 asks for it only where there are matches; Microsoft's own server always has it.
    body["Resources"] = objects(resources);
    body
}

/// The same of a walk by cursor, RFC 9865 §2. Without a next page there is no `nextCursor`, and on the first one no
/// `previousCursor`. A total that would cost more than the page is left out.
pub fn cursor_response(
    total: Option<u64>,
    next: Option<String>,
    previous: Option<String>,
    resources: Vec<Map<String, Value>>,
) -> Value {
    let mut body = Map::new();
    body.insert("schemas".to_owned(), json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
    body.extend(total.map(|total| ("totalResults".to_owned(), json!(total))));
    body.insert("itemsPerPage".to_owned(), json!(resources.len()));
    body.extend(previous.map(|cursor| ("previousCursor".to_owned(), json!(cursor))));
    body.extend(next.map(|cursor| ("nextCursor".to_owned(), json!(cursor))));
    body.insert("Resources".to_owned(), objects(resources));
    Value::Object(body)
}

fn objects(resources: Vec<Map<String, Value>>) -> Value {
    Value::Array(resources.into_iter().map(Value::Object).collect())
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

    #[test]
    fn a_list_without_matches_is_a_list() {
        assert_eq!(
            list_response(0, 1, Vec::new()).to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}"#
        );
    }

    #[test]
    fn a_page_counts_its_own_items_apart_from_all_matches() {
        let resource = Map::from_iter([("id".to_owned(), json!("1"))]);
        assert_eq!(
            list_response(7, 3, vec![resource]).to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":7,"startIndex":3,"itemsPerPage":1,"Resources":[{"id":"1"}]}"#
        );
    }

    #[test]
    fn a_page_of_a_walk_has_what_leads_on_from_it() {
        assert_eq!(
            cursor_response(None, Some("n".into()), Some("p".into()), Vec::new()).to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"itemsPerPage":0,"previousCursor":"p","nextCursor":"n","Resources":[]}"#
        );
        assert_eq!(
            cursor_response(Some(0), None, None, Vec::new()).to_string(),
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

//! PATCH, RFC 7644 §3.5.2: from a body to operations, from operations to a changed resource.
//!
//! Operations are carried out in their order on a copy. The copy takes the resource's place only when all of them
//! succeeded and the whole is valid. What is read where a client departs from the RFC is the [`Reading`](super::Reading)'s.

mod apply;
mod context;
mod elements;
mod relation;
mod request;
mod slot;

pub use relation::RelationStep;
pub use request::PatchRequest;

// What an operation does is in the data files of `tests/data/patch`, and what holds of all in `tests/scim_laws.rs`.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{Meta, Reading, Resource, ResourceBody, ResourceType};
    use crate::settings::LIMITS;
    use serde_json::{Map, Value, json};

    fn apply(operations: Vec<Value>) -> Result<Resource, String> {
        let reading = Reading::of(crate::scim::Dialect::entra());
        let body = Map::from_iter([("userName".to_owned(), json!("alice"))]);
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let meta = Meta { created: now, last_modified: now, revision: 1 };
        let user =
            Resource::new("1".to_owned(), meta, ResourceBody::parse(ResourceType::user(), &body, &reading).unwrap());
        PatchRequest::parse(&json!({"Operations": operations}), &reading)
            .and_then(|request| request.apply(ResourceType::user(), &user, &reading))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_value_filters_compare_is_bounded_in_a_request() {
        let elements = LIMITS.values_max;
        let emails: Vec<Value> = (0..elements).map(|n| json!({"value": n.to_string()})).collect();
        let terms = LIMITS.filter_terms_max;
        let path = format!("emails[{}]", vec!["type pr"; terms].join(" or "));
        let with = |count: usize| {
            // What is replaced is compared with nothing that was there.
            let mut operations = vec![json!({"op": "replace", "path": "emails", "value": emails})];
            operations.extend(vec![json!({"op": "remove", "path": path}); count]);
            apply(operations)
        };
        let max = LIMITS.request_effort_max;
        let count = max / (elements * terms);
        assert!(with(count).is_ok());
        let wanted = format!("expected at most {max} comparisons in one request, found more");
        assert_eq!(with(count + 1).unwrap_err(), format!("Operations[{}].path {path}: {wanted}", count + 1));
    }

    #[test]
    fn elements_that_are_added_or_named_are_counted_by_those_they_are_compared_with() {
        let emails =
            |from: usize| (from..LIMITS.values_max).map(|n| json!({"value": n.to_string()})).collect::<Value>();
        let fill = json!({"op": "replace", "path": "emails", "value": emails(0)});
        for (op, fits) in [("add", 2), ("remove", 2)] {
            let again = json!({"op": op, "path": "emails", "value": emails(1)});
            let with = |count: usize| {
                // What was removed is put back, which costs nothing.
                let operations = vec![[fill.clone(), again.clone()]; count];
                apply(operations.concat())
            };
            assert!(with(fits).is_ok(), "{op}");
            let refused = with(20).unwrap_err();
            assert!(refused.contains("comparisons in one request"), "{op}: {refused}");
        }
    }

    #[test]
    fn a_long_text_is_compared_at_its_length() {
        let max = LIMITS.value_bytes_max;
        let path = format!("roles[{}]", vec!["value eq \"x\""; LIMITS.filter_terms_max].join(" or "));
        let with = |bytes: usize| {
            let mut operations = vec![add("roles", json!([{"value": "x".repeat(bytes)}]))];
            operations.extend(vec![json!({"op": "remove", "path": path}); 200]);
            apply(operations).is_ok()
        };
        assert!(with(1_024) && !with(max));
    }

    fn add(path: &str, value: Value) -> Value {
        json!({"op": "add", "path": path, "value": value})
    }

    #[test]
    fn operations_are_bounded() {
        let max = LIMITS.patch_operations_max;
        assert!(apply(vec![add("title", json!("Boss")); max]).is_ok());
        assert_eq!(
            apply(vec![add("title", json!("Boss")); max + 1]),
            Err(format!("Operations: expected at most {max} operations, found {}", max + 1))
        );
    }

    #[test]
    fn values_are_bounded_however_they_are_added() {
        let max = LIMITS.values_max;
        let full = || add("roles", (0..max).map(|index| json!({"value": index.to_string()})).collect());
        let refusal =
            |place: &str| Err(format!("Operations[1].{place}: expected at most {max} values, found {}", max + 1));
        assert!(apply(vec![full()]).is_ok());
        assert!(apply(vec![full(), add("roles", json!([{"value": "0"}]))]).is_ok());
        assert_eq!(apply(vec![full(), add("roles", json!([{"value": "x"}]))]), refusal("path roles"));
        let path = r#"roles[type eq "x"].value"#;
        assert_eq!(apply(vec![full(), add(path, json!("x"))]), refusal(&format!("path {path}")));
        assert_eq!(apply(vec![full(), json!({"op": "add", "value": {path: "x"}})]), refusal(&format!("value.{path}")));
    }

    #[test]
    fn a_resource_is_bounded_however_it_grows() {
        let grown = |count: usize| {
            let text = "x".repeat(LIMITS.value_bytes_max);
            apply((0..count).map(|index| add("roles", json!([{"value": text, "type": index.to_string()}]))).collect())
        };
        let max = LIMITS.resource_bytes_max;
        let fitting = max / LIMITS.value_bytes_max - 1;
        assert!(grown(fitting).is_ok());
        let refusal = grown(fitting + 1).unwrap_err();
        assert!(refusal.starts_with(&format!("body: expected at most {max} bytes of attributes, found ")), "{refusal}");
    }

    #[test]
    fn a_value_that_is_set_in_many_elements_is_bounded_at_once() {
        let roles = || add("roles", (0..64).map(|index| json!({"value": index.to_string(), "type": "x"})).collect());
        let max = LIMITS.resource_bytes_max;
        for path in ["roles.display", r#"roles[type eq "x"].display"#] {
            let grown =
                |bytes: usize| apply(vec![roles(), add(path, json!("x".repeat(bytes))), add(path, Value::Null)]);
            assert!(grown(max / 64).is_ok(), "{path}");
            assert_eq!(
                grown(max / 64 + 1),
                Err(format!(
                    "Operations[1].path {path}: expected at most {max} bytes in all elements, found {}",
                    max + 64
                ))
            );
        }
    }

    #[test]
    fn a_password_is_passed_over_whatever_it_is() {
        for value in [json!("s3cret"), json!(4711), json!({"x": "y"}), Value::Null] {
            assert_eq!(apply(vec![add("password", value)]), apply(vec![add("title", Value::Null)]));
        }
    }

    #[test]
    fn paths_and_their_values_are_bounded() {
        let max = LIMITS.path_bytes_max;
        assert_eq!(
            apply(vec![add(&"x".repeat(max + 1), json!("x"))]).unwrap_err(),
            format!("Operations[0].path: expected at most {max} bytes, found {}", max + 1)
        );
        let max = LIMITS.value_bytes_max;
        assert!(apply(vec![add("title", json!("x".repeat(max)))]).is_ok());
        assert_eq!(
            apply(vec![add("title", json!("x".repeat(max + 1)))]).unwrap_err(),
            format!("Operations[0].path title: expected at most {max} bytes, found {}", max + 1)
        );
    }
}

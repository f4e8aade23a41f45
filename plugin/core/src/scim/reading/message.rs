//! The parts of a message: its members in any letter case, its `schemas`, and objects and arrays in other shapes.

use super::{Leniency, Reading};
use crate::json;
use crate::scim::error::Error;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The member of an object, in any letter case (RFC 7643 §2.1).
pub(crate) fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Refuses a message that is not of the schema `urn`, unless the reading passes over that.
pub(crate) fn message_schemas(body: &Map<String, Value>, urn: &str, reading: &Reading) -> Result<(), Error> {
    let listed = member(body, "schemas").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if listed.iter().any(|listed| listed == urn) || without_schemas(listed, reading) {
        return Ok(());
    }
    Err(Error::syntax(format!("schemas: expected {urn}, found none")))
}

/// Whether a message is read that does not name its schema.
pub(crate) fn without_schemas(listed: &[Value], reading: &Reading) -> bool {
    reading.reads(if listed.is_empty() { Leniency::NoSchemas } else { Leniency::OtherSchemas }, "schemas")
}

/// An object where one is due: also the only one of an array, and JSON within a text.
pub(crate) fn object<'v>(value: &'v Value, place: &str, reading: &Reading) -> Option<Cow<'v, Value>> {
    match value {
        Value::Object(_) => Some(Cow::Borrowed(value)),
        Value::Array(values) => match values.as_slice() {
            [one @ Value::Object(_)] => reading.reads(Leniency::ArrayForSingle, place).then_some(Cow::Borrowed(one)),
            _ => None,
        },
        Value::String(text) => {
            let found = json_within(text, place, reading)?;
            object(&found, place, reading).map(|found| Cow::Owned(found.into_owned()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// An array where one is due: also a single object, and JSON within a text.
pub(crate) fn listed<'v>(value: &'v Value, place: &str, reading: &Reading) -> Option<Cow<'v, [Value]>> {
    match value {
        Value::Array(values) => Some(Cow::Borrowed(values.as_slice())),
        Value::Object(_) => {
            reading.reads(Leniency::SingleForArray, place).then(|| Cow::Borrowed(std::slice::from_ref(value)))
        }
        Value::String(text) => {
            let found = json_within(text, place, reading)?;
            listed(&found, place, reading).map(|found| Cow::Owned(found.into_owned()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The object or array that a text is the JSON of.
pub(crate) fn json_within(text: &str, place: &str, reading: &Reading) -> Option<Value> {
    if !reading.is_lenient() || !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let found = json::parse(text.as_bytes()).ok()?;
    reading.reads(Leniency::JsonInText, place).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_read_in_other_shapes_by_the_lenient_dialect_alone() {
        let expected = json!({"active": false});
        for value in [json!([{"active": false}]), json!(r#"{"active":false}"#), json!(r#" [{"active": false}] "#)] {
            assert_eq!(object(&value, "value", &Reading::lenient()).as_deref(), Some(&expected), "{value}");
            assert_eq!(object(&value, "value", &Reading::strict()), None, "{value}");
        }
        for value in [json!([{}, {}]), json!("active"), json!("{"), json!(1), json!(null)] {
            assert_eq!(object(&value, "value", &Reading::lenient()), None, "{value}");
        }
    }

    #[test]
    fn an_array_is_read_in_other_shapes_by_the_lenient_dialect_alone() {
        let expected = [json!({"op": "add"})];
        for value in [json!({"op": "add"}), json!(r#"[{"op":"add"}]"#), json!(r#"{"op":"add"}"#)] {
            assert_eq!(listed(&value, "Operations", &Reading::lenient()).as_deref(), Some(&expected[..]), "{value}");
            assert_eq!(listed(&value, "Operations", &Reading::strict()), None, "{value}");
        }
    }
}

//! The gate for values: from what a client sent to what the schema says, or a refusal that names the place.

use super::dialect::Dialect;
use super::error::Error;
use super::schema::{Attribute, Mutability, Type};
use crate::settings::LIMITS;
use serde_json::{Map, Value};

/// Lets the value of an attribute in, whole: all elements of a multi-valued one, all parts of a complex one.
///
/// Nothing comes out for what counts as unset (RFC 7643 §2.5): null, an empty array, and under a dialect that says so
/// an empty string. Parts that only the server sets are dropped, as are names that the schema does not have.
pub(crate) fn admit(
    attribute: &Attribute,
    value: &Value,
    place: &str,
    dialect: &Dialect,
) -> Result<Option<Value>, Error> {
    if attribute.multi_valued {
        elements(attribute, value, place, dialect)
    } else {
        single(attribute, value, place, dialect)
    }
}

/// Lets one value in: one element of a multi-valued attribute.
pub(crate) fn single(
    attribute: &Attribute,
    value: &Value,
    place: &str,
    dialect: &Dialect,
) -> Result<Option<Value>, Error> {
    if unset(value, dialect) {
        return Ok(None);
    }
    let wrong = || Err(expected(place, attribute.kind.as_str(), value));
    match (attribute.kind, value) {
        (Type::Complex, _) => complex(attribute, value, place, dialect),
        (Type::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        (Type::Boolean, Value::String(text)) if dialect.string_booleans => match boolean(text) {
            Some(boolean) => Ok(Some(Value::Bool(boolean))),
            None => wrong(),
        },
        (Type::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(value.clone())),
        (Type::Decimal, Value::Number(_)) => Ok(Some(value.clone())),
        (Type::DateTime, Value::String(text)) if date_time(text).is_some() => Ok(Some(value.clone())),
        (Type::String | Type::Reference | Type::Binary, Value::String(text)) => {
            if text.len() > LIMITS.value_bytes_max {
                let max = LIMITS.value_bytes_max;
                return Err(Error::value(format!("{place}: expected at most {max} bytes, found {}", text.len())));
            }
            Ok(Some(value.clone()))
        }
        (
            Type::Boolean
            | Type::Integer
            | Type::Decimal
            | Type::DateTime
            | Type::String
            | Type::Reference
            | Type::Binary,
            _,
        ) => wrong(),
    }
}

/// Whether a value unsets its attribute.
pub(crate) fn unset(value: &Value, dialect: &Dialect) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::String(text) => text.is_empty() && dialect.empty_clears,
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// A boolean as text, in any letter case: Entra's mappings yield `True`, `true` and `"False"` alike.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// An instant as RFC 7643 §2.3.5 writes it. Without an offset it is taken as UTC.
pub(crate) fn date_time(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    })
}

/// Refuses more than one `primary` (RFC 7643 §2.4).
pub(crate) fn check_primary(attribute: &Attribute, value: &Value, place: &str) -> Result<(), Error> {
    let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let primary = elements.iter().filter(|element| is_primary(element)).count();
    if attribute.multi_valued && primary > 1 {
        return Err(Error::value(format!("{place}: expected at most one primary value, found {primary}")));
    }
    Ok(())
}

pub(crate) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

fn elements(attribute: &Attribute, value: &Value, place: &str, dialect: &Dialect) -> Result<Option<Value>, Error> {
    if unset(value, dialect) {
        return Ok(None);
    }
    // One value where several may be: taken for the only one, RFC 7644 §3.5.2.1 does the same for an added value.
    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    // References are kept apart from their resource, so what a request can carry is bound enough.
    let max = if attribute.is_reference() { LIMITS.references_max } else { LIMITS.values_max };
    if values.len() > max {
        return Err(Error::value(format!("{place}: expected at most {max} values, found {}", values.len())));
    }
    let mut admitted = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        admitted.extend(single(attribute, value, &format!("{place}[{index}]"), dialect)?);
    }
    Ok((!admitted.is_empty()).then_some(Value::Array(admitted)))
}

fn complex(attribute: &Attribute, value: &Value, place: &str, dialect: &Dialect) -> Result<Option<Value>, Error> {
    let parts = match value {
        Value::Object(parts) => parts,
        Value::Array(values) if dialect.loose_shapes && values.len() == 1 => {
            return single(attribute, &values[0], place, dialect);
        }
        Value::String(_) if dialect.loose_shapes && attribute.sub("value").is_some() => {
            let parts = Map::from_iter([("value".to_owned(), value.clone())]);
            return complex(attribute, &Value::Object(parts), place, dialect);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(expected(place, "complex", value));
        }
    };
    check_names(parts, place)?;
    let mut admitted = Map::new();
    for (name, value) in parts {
        let Some(sub) = attribute.sub(name).filter(|sub| sub.mutability != Mutability::ReadOnly) else {
            continue;
        };
        if let Some(value) = admit(sub, value, &format!("{place}.{}", sub.name), dialect)? {
            admitted.insert(sub.name.to_string(), value);
        }
    }
    Ok((!admitted.is_empty()).then_some(Value::Object(admitted)))
}

/// RFC 7643 §2.1: names differ by more than case. Two that do not are refused, because either could be meant.
pub(crate) fn check_names(object: &Map<String, Value>, place: &str) -> Result<(), Error> {
    let mut names: Vec<(String, &str)> = object.keys().map(|name| (name.to_ascii_lowercase(), name.as_str())).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if pair[0].0 == pair[1].0 {
            let (one, other) = (pair[0].1, pair[1].1);
            return Err(Error::syntax(format!("{place}: expected each name once, found {one} and {other}")));
        }
    }
    Ok(())
}

fn expected(place: &str, what: &str, found: &Value) -> Error {
    Error::value(format!("{place}: expected {}, found {}", article(what), described(found)))
}

fn article(kind: &str) -> String {
    match kind {
        "complex" => "an object".to_owned(),
        "integer" => "a whole number".to_owned(),
        "decimal" => "a number".to_owned(),
        "dateTime" => "a dateTime such as 2026-11-23T10:00:00Z".to_owned(),
        other => format!("a {other}"),
    }
}

/// What kind of JSON a value is; a short text is quoted, since the admin has to find it.
fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(boolean) => format!("the boolean {boolean}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.len() <= 40 => format!("the string {text:?}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(elements) => format!("an array of {}", elements.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

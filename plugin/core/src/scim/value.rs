//! The gate for values: from what a client sent to what the schema says, or a refusal that names the place.

use super::dialect::Dialect;
use super::error::Error;
use super::schema::{Attribute, Mutability, Type};
use super::text::fold;
use crate::settings::LIMITS;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Number, Value, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

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
        (Type::Reference, Value::String(text)) if !dialect.any_format && !is_uri_reference(text) => wrong(),
        (Type::Binary, Value::String(text)) if !dialect.any_format && !is_base64(text) => wrong(),
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

/// What a schema makes of a value that was let in under another one; nothing where it fits no more.
pub(crate) fn seen(attribute: &Attribute, value: &Value) -> Option<Value> {
    admit(attribute, value, "", &Dialect::entra()).ok().flatten()
}

/// Whether two values of an attribute are the same one: text by its case rule, times by the moment, several values in any
/// order (RFC 7643 §2.4).
pub(crate) fn same(attribute: &Attribute, one: &Value, other: &Value) -> bool {
    canonical(attribute, one) == canonical(attribute, other)
}

/// The one form of all spellings of a value. Several values are put in order by their text, so that two long lists compare
/// in one pass.
fn canonical(attribute: &Attribute, value: &Value) -> Value {
    match value {
        Value::Array(elements) => {
            let mut elements: Vec<Value> = elements.iter().map(|element| canonical(attribute, element)).collect();
            elements.sort_by_cached_key(Value::to_string);
            Value::Array(elements)
        }
        Value::Object(parts) => {
            let part = |(name, value): (&String, &Value)| {
                (name.clone(), attribute.sub(name).map_or_else(|| value.clone(), |sub| canonical(sub, value)))
            };
            Value::Object(parts.iter().map(part).collect::<BTreeMap<_, _>>().into_iter().collect())
        }
        Value::String(text) if attribute.kind == Type::DateTime => {
            date_time(text).map_or_else(|| value.clone(), |time| Value::String(time.to_string()))
        }
        Value::String(text) if attribute.kind == Type::String && !attribute.case_exact => {
            Value::String(fold(text).into_owned())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// RFC 7643 §2.4: of several values the same type and value come back once; the first one stays. A reference is what it
/// points to, and what has no `value` is the same where it is equal.
pub(crate) fn distinct(attribute: &Attribute, mut value: Value) -> Value {
    if let Value::Array(elements) = &mut value
        && attribute.multi_valued
    {
        let mut met = BTreeSet::new();
        elements.retain(|element| met.insert(identity(attribute, element)));
    }
    value
}

fn identity(attribute: &Attribute, element: &Value) -> String {
    let Value::Object(parts) = element else {
        return element.to_string();
    };
    match (parts.get("value"), parts.get("type")) {
        (Some(value), _) if attribute.is_reference() => value.to_string(),
        (Some(value), kind) => json!([value, kind]).to_string(),
        (None, _) => json!(parts.iter().collect::<BTreeMap<_, _>>()).to_string(),
    }
}

/// The order of two numbers. Whole ones compare as such, with others, too: two large ids must not be one because a float has
/// no room for both, and a list that is sorted needs one order of all.
pub(crate) fn order(one: &Number, other: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let float = |number: &Number| number.as_f64().unwrap_or_default();
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(one), None) => order_mixed(one, float(other)),
        (None, Some(other)) => order_mixed(other, float(one)).reverse(),
        (None, None) => float(one).partial_cmp(&float(other)).unwrap_or(Ordering::Equal),
    }
}

/// A float beyond the range of an i128 becomes its nearest end, which is still beyond every whole number of JSON.
fn order_mixed(whole: i128, float: f64) -> Ordering {
    whole.cmp(&(float.trunc() as i128)).then(0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
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

/// RFC 7643 §2.3.5: an xsd:dateTime, with both a date and a time. Its offset may be missing (XML Schema 1.0 part 2, §3.2.7);
/// the moment is then taken as UTC. Midnight may be the hour 24 of the day before. Years have four digits with us.
pub(crate) fn date_time(text: &str) -> Option<jiff::Timestamp> {
    let (date, rest) = text.split_once('T')?;
    let offset_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, offset) = (rest.get(..offset_at)?, rest.get(offset_at..)?);
    let (clock, fraction) = match time.split_once('.') {
        None => (time, None),
        Some((clock, fraction)) => (clock, Some(fraction)),
    };
    let shaped = is_shaped(date, "0000-00-00")
        && is_shaped(clock, "00:00:00")
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        && (matches!(offset, "" | "Z")
            || is_shaped(offset.get(1..)?, "00:00") && offset.get(1..)? <= "14:00" && offset.get(4..)? <= "59");
    if !shaped || clock.ends_with("60") {
        return None;
    }
    let civil: jiff::civil::DateTime = match clock {
        "24:00:00" if fraction.is_none_or(|digits| digits.bytes().all(|byte| byte == b'0')) => {
            date.parse::<jiff::civil::Date>().ok()?.tomorrow().ok()?.into()
        }
        // Nine digits are what a timestamp holds; more say nothing that anybody could set apart.
        _ => format!("{date}T{clock}.{}", fraction.and_then(|digits| digits.get(..9)).or(fraction).unwrap_or("0"))
            .parse()
            .ok()?,
    };
    let seconds = match offset.get(1..).and_then(|offset| offset.split_once(':')) {
        None => 0,
        Some((hours, minutes)) => hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60,
    };
    let seconds = if offset.starts_with('-') { -seconds } else { seconds };
    jiff::tz::Offset::from_seconds(seconds).ok()?.to_timestamp(civil).ok()
}

/// Whether a text has a digit where the shape has one, and the same characters elsewhere.
fn is_shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
}

/// RFC 7643 §2.3.7: a URI, absolute or relative, of the characters of RFC 3986 §2. What stands before a colon in its first
/// segment is a scheme (§4.2).
fn is_uri_reference(text: &str) -> bool {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let fits = |(at, byte): (usize, &u8)| match byte {
        b'%' => hex(at + 1) && hex(at + 2),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    };
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = first.split_once(':').is_none_or(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    scheme && text.matches('#').count() <= 1 && bytes.iter().enumerate().all(fits)
}

/// RFC 7643 §2.3.6: base64 by RFC 4648 §4, or by its §5 for URLs. The padding may be left out.
fn is_base64(text: &str) -> bool {
    [alphabet::STANDARD, alphabet::URL_SAFE].iter().any(|letters| {
        [DecodePaddingMode::RequireCanonical, DecodePaddingMode::RequireNone].into_iter().any(|padding| {
            let config = GeneralPurposeConfig::new().with_decode_padding_mode(padding);
            GeneralPurpose::new(letters, config).decode(text).is_ok()
        })
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
    let mut admitted = Map::with_capacity(parts.len());
    for (name, value) in parts {
        let Some(sub) = attribute.sub(name).filter(|sub| sub.mutability != Mutability::ReadOnly && !sub.is_hidden())
        else {
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
        "reference" => "a URI".to_owned(),
        "binary" => "base64 text".to_owned(),
        other => format!("a {other}"),
    }
}

/// What kind of JSON a value is; a short text is quoted, since the admin has to find it.
pub(crate) fn described(value: &Value) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_is_an_xsd_date_time_with_both_a_date_and_a_time() {
        let time = |text: &str| date_time(text).map(|time| time.to_string());
        for (text, expected) in [
            ("2008-01-23T04:56:22Z", "2008-01-23T04:56:22Z"),
            ("2008-01-23T04:56:22", "2008-01-23T04:56:22Z"),
            ("2008-01-23T04:56:22.5+05:30", "2008-01-22T23:26:22.5Z"),
            ("2008-01-23T04:56:22.1234567899-14:00", "2008-01-23T18:56:22.123456789Z"),
            ("2007-12-31T24:00:00Z", "2008-01-01T00:00:00Z"),
            ("2008-02-29T00:00:00Z", "2008-02-29T00:00:00Z"),
        ] {
            assert_eq!(time(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "T",
            "2008-01-23",
            "04:56:22Z",
            "2008-01-23T04:56Z",
            "2008-01-23 04:56:22Z",
            "2008-01-23t04:56:22z",
            "2008-01-23T04:56:22.Z",
            "2008-01-23T04:56:60Z",
            "2007-02-29T00:00:00Z",
            "2008-01-23T24:00:01Z",
            "2008-01-23T04:56:22+14:01",
            "2008-01-23T04:56:22-15:00",
            "2008-01-23T04:56:22+01:60",
            "2008-01-23T04:56:22-13:99",
            "2008-01-23T04:56:22+0530",
            "2008-1-23T04:56:22Z",
            "2008-01-23T04:56:22Z[UTC]",
            "20080123T045622Z",
            "2008-01-23T04:56:22é",
            "-2008-01-23T04:56:22Z",
            "2008-01-23T99:99:99Z",
            "tomorrow",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_compare_exactly_and_others_as_they_are() {
        let order = |one: Value, other: Value| order(one.as_number().unwrap(), other.as_number().unwrap());
        assert_eq!(order(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)), Ordering::Greater);
        assert_eq!(order(json!(u64::MAX), json!(-1)), Ordering::Greater);
        assert_eq!(order(json!(1), json!(1.0)), Ordering::Equal);
        assert_eq!(order(json!(1.5), json!(2)), Ordering::Less);
        assert_eq!(order(json!(-1), json!(-1.5)), Ordering::Greater);
        assert_eq!(order(json!(-1), json!(-1.0)), Ordering::Equal);
        assert_eq!(order(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)), Ordering::Greater);
        assert_eq!(order(json!(u64::MAX), json!(1e300)), Ordering::Less);
    }

    #[test]
    fn several_values_are_the_same_in_any_order_and_spelling() {
        let schema = |case_exact: bool| {
            let form = json!({"attributes": [{"name": "keys", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value", "caseExact": case_exact}, {"name": "since", "type": "dateTime"}]}]});
            super::super::schema::Schema::parse("urn:example:x", form.as_object().unwrap()).unwrap()
        };
        let keys = |value: &str, since: &str| json!({"value": value, "since": since});
        let (early, same_moment) = ("2026-11-23T10:00:00Z", "2026-11-23T11:00:00+01:00");
        let ones = json!([keys("a", early), keys("b", early)]);
        let others = json!([{"since": same_moment, "value": "B"}, keys("A", early)]);
        assert!(same(&schema(false).attributes[0], &ones, &others));
        assert!(!same(&schema(true).attributes[0], &ones, &others));
        assert!(!same(&schema(false).attributes[0], &ones, &json!([keys("a", early)])));
    }

    #[test]
    fn a_reference_is_a_uri_absolute_or_relative() {
        for text in [
            "https://example.com/a?b=c#d",
            "../Users/1",
            "pq",
            "",
            "urn:example:x",
            "data:,a%20b",
            "http://[::1]/",
            "?a:b",
        ] {
            assert!(is_uri_reference(text), "{text}");
        }
        for text in ["a b", "http://ex ample", "a%2", "%zz", "1http:x", ":x", "a#b#c", "é", "<x>", "a\\b", "\u{0}"] {
            assert!(!is_uri_reference(text), "{text}");
        }
    }

    #[test]
    fn a_binary_value_is_base64_of_either_alphabet_padded_or_not() {
        for text in ["", "TQ==", "TQ", "TWFu", "+/+/", "-_-_", "TWE="] {
            assert!(is_base64(text), "{text}");
        }
        for text in ["T", "TQ=", "T===", "TQ==TQ==", "T W E=", "+_+_", "é", "TWFu\n"] {
            assert!(!is_base64(text), "{text}");
        }
    }
}

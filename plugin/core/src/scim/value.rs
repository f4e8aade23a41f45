//! The gate for values: from what a client sent to what the schema says, or a refusal that names the place.

use super::error::Error;
use super::reading::{Leniency, Reading, json_within};
use super::schema::{Attribute, Mutability, Type};
use super::text::fold;
use crate::settings::LIMITS;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Number, Value, json};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Lets the value of an attribute in, whole: all elements of a multi-valued one, all parts of a complex one.
///
/// Nothing comes out for what counts as unset (RFC 7643 §2.5): null, an empty array, and where the reading has it so an
/// empty string. Parts that only the server sets are dropped, as are names that the schema does not have.
pub(crate) fn admit(
    attribute: &Attribute,
    value: &Value,
    place: &str,
    reading: &Reading,
) -> Result<Option<Value>, Error> {
    if attribute.multi_valued {
        elements(attribute, value, place, reading)
    } else {
        single(attribute, value, place, reading)
    }
}

/// Lets one value in: one element of a multi-valued attribute.
pub(crate) fn single(
    attribute: &Attribute,
    value: &Value,
    place: &str,
    reading: &Reading,
) -> Result<Option<Value>, Error> {
    if unset(attribute, value, place, reading) {
        return Ok(None);
    }
    if attribute.kind == Type::Complex {
        return complex(attribute, value, place, reading);
    }
    if let Some(value) = unwrapped(value, place, reading) {
        return single(attribute, value, place, reading);
    }
    let converted = converted(attribute, value, place, reading);
    let value = converted.map_or(Cow::Borrowed(value), Cow::Owned);
    let other_format = || reading.reads(Leniency::OtherFormat, place);
    let fits = match (attribute.kind, &*value) {
        (Type::Boolean, Value::Bool(_)) | (Type::Decimal, Value::Number(_)) => true,
        (Type::Integer, Value::Number(number)) => is_whole(number),
        (Type::DateTime, Value::String(text)) => date_time(text).is_some(),
        (Type::Reference, Value::String(text)) => is_uri_reference(text) || other_format(),
        (Type::Binary, Value::String(text)) => is_base64(text) || other_format(),
        (Type::String, Value::String(_)) => true,
        (_, _) => false,
    };
    if !fits {
        return Err(expected(place, attribute.kind.as_str(), &value));
    }
    match &*value {
        Value::String(text) if text.len() > LIMITS.value_bytes_max => {
            let max = LIMITS.value_bytes_max;
            Err(Error::value(format!("{place}: expected at most {max} bytes, found {}", text.len())))
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Ok(Some(value.into_owned()))
        }
    }
}

/// What a filter compares an attribute with, where the filter has it in another JSON type.
pub(crate) fn compared(attribute: &Attribute, value: &Value, place: &str, reading: &Reading) -> Option<Value> {
    converted(attribute, value, place, reading)
}

/// The ids that references point to, all of them (RFC 7643 §4.2); nothing where the value unsets them. One that points to
/// nothing is refused: passed over, a list of such ones would remove all that are there.
pub(crate) fn referred(
    attribute: &Attribute,
    value: &Value,
    place: &str,
    reading: &Reading,
) -> Result<Option<Vec<String>>, Error> {
    if unset(attribute, value, place, reading) {
        return Ok(None);
    }
    let id = |(index, element): (usize, &Value)| {
        let place = format!("{place}[{index}]");
        let found = match single(attribute, element, &place, reading)? {
            Some(Value::Object(mut parts)) => match (parts.shift_remove("value"), parts.get("$ref")) {
                (Some(Value::String(id)), _) => Some(id),
                (_, Some(Value::String(reference))) => {
                    id_at(reference).filter(|_| reading.reads(Leniency::MemberByReference, &place)).map(str::to_owned)
                }
                (_, _) => None,
            },
            Some(_) | None => None,
        };
        found
            .filter(|id| !id.trim().is_empty())
            .ok_or_else(|| Error::value(format!("{place}.value: expected the id of a user or group, found none")))
    };
    let values = several(attribute, value, place, reading)?;
    values.iter().enumerate().map(id).collect::<Result<_, _>>().map(Some)
}

/// The id in the location of a resource.
fn id_at(location: &str) -> Option<&str> {
    location.split(['?', '#']).next()?.trim_end_matches('/').rsplit('/').next().filter(|id| !id.is_empty())
}

/// The value in a shape that has no other sense where one plain value is due: an array of one, or an object that says no
/// more than the value and what describes it.
fn unwrapped<'v>(value: &'v Value, place: &str, reading: &Reading) -> Option<&'v Value> {
    const BESIDE: [&str; 4] = ["value", "display", "type", "primary"];
    let (leniency, one) = match value {
        Value::Array(values) => match values.as_slice() {
            [one] => (Leniency::ArrayForSingle, one),
            _ => return None,
        },
        Value::Object(parts) => {
            let is_known = |name: &String| BESIDE.iter().any(|known| name.eq_ignore_ascii_case(known));
            let (_, one) = parts.iter().find(|(name, _)| name.eq_ignore_ascii_case("value"))?;
            if !parts.keys().all(is_known) {
                return None;
            }
            (Leniency::ObjectForPlain, one)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    reading.reads(leniency, place).then_some(one)
}

/// A plain value that has another JSON type than the schema has.
fn converted(attribute: &Attribute, value: &Value, place: &str, reading: &Reading) -> Option<Value> {
    let (leniency, converted) = match (attribute.kind, value) {
        (Type::Boolean, Value::String(text)) => (Leniency::BooleanAsText, Value::Bool(boolean(text.trim())?)),
        (Type::Integer | Type::Decimal, Value::String(text)) => {
            (Leniency::NumberAsText, Value::Number(serde_json::from_str(text.trim()).ok()?))
        }
        (Type::String, Value::Number(number)) if is_whole(number) => {
            (Leniency::NumberForText, Value::String(number.to_string()))
        }
        (_, _) => return None,
    };
    reading.reads(leniency, place).then_some(converted)
}

fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64()
}

/// What a schema makes of a value that was let in under another one; nothing where it fits no more.
pub(crate) fn seen(attribute: &Attribute, value: &Value) -> Option<Value> {
    admit(attribute, value, "", &Reading::reshaped()).ok().flatten()
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

/// The order of two numbers. Whole ones compare as such, with others, too: two large ids must not be one because a float
/// has no room for both, and a list that is sorted needs one order of all.
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

/// Whether a value unsets its attribute. An empty text is a value of its own only where the schema has text.
fn unset(attribute: &Attribute, value: &Value, place: &str, reading: &Reading) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::String(text) => {
            let empty = match attribute.kind {
                Type::String | Type::Reference | Type::Binary => text.is_empty() && reading.dialect().empty_clears,
                Type::Boolean | Type::Integer | Type::Decimal | Type::DateTime => text.trim().is_empty(),
                // Blanks may be the value of the object.
                Type::Complex => text.is_empty(),
            };
            empty && reading.reads(Leniency::EmptyText, place)
        }
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

/// RFC 7643 §2.3.5: an xsd:dateTime, with both a date and a time. Its offset may be missing (XML Schema 1.0 part 2,
/// §3.2.7); the moment is then taken as UTC. Midnight may be the hour 24 of the day before. Years have four digits with us.
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

fn elements(attribute: &Attribute, value: &Value, place: &str, reading: &Reading) -> Result<Option<Value>, Error> {
    if unset(attribute, value, place, reading) {
        return Ok(None);
    }
    let values = several(attribute, value, place, reading)?;
    let mut admitted = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        admitted.extend(single(attribute, value, &format!("{place}[{index}]"), reading)?);
    }
    if admitted.len() > 1
        && admitted.iter().filter(|element| is_primary(element)).count() > 1
        && reading.reads(Leniency::SeveralPrimary, place)
    {
        keep_last_primary(attribute, &mut admitted);
    }
    Ok((!admitted.is_empty()).then_some(Value::Array(admitted)))
}

/// The values of a multi-valued attribute: an array, and where the reading has it so the JSON of one, or one value that is
/// taken for the only one. References are kept apart from their resource, so what a request can carry is bound enough.
fn several<'v>(
    attribute: &Attribute,
    value: &'v Value,
    place: &str,
    reading: &Reading,
) -> Result<Cow<'v, [Value]>, Error> {
    let within = match value {
        Value::String(text) => json_within(text, place, reading),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let values: Cow<'v, [Value]> = match (within, value) {
        (Some(Value::Array(values)), _) => Cow::Owned(values),
        (Some(one), _) => Cow::Owned(vec![one]),
        (None, Value::Array(values)) => Cow::Borrowed(values.as_slice()),
        (None, one) if reading.reads(Leniency::SingleForArray, place) => Cow::Borrowed(std::slice::from_ref(one)),
        (None, one) => return Err(expected(place, "array", one)),
    };
    let max = if attribute.is_reference() { LIMITS.references_max } else { LIMITS.values_max };
    if values.len() > max {
        return Err(Error::value(format!("{place}: expected at most {max} values, found {}", values.len())));
    }
    Ok(values)
}

/// Takes the mark from all primary values but the last one. Values that are the same one are put together first, since the
/// first of these stays.
fn keep_last_primary(attribute: &Attribute, elements: &mut Vec<Value>) {
    if let Value::Array(different) = distinct(attribute, Value::Array(std::mem::take(elements))) {
        *elements = different;
    }
    let last = elements.iter().rposition(is_primary);
    for (_, element) in
        elements.iter_mut().enumerate().filter(|(index, element)| Some(*index) != last && is_primary(element))
    {
        element["primary"] = Value::Bool(false);
    }
}

fn complex(attribute: &Attribute, value: &Value, place: &str, reading: &Reading) -> Result<Option<Value>, Error> {
    let parts = match value {
        Value::Object(parts) => parts,
        Value::Array(values) if values.len() == 1 && reading.reads(Leniency::ArrayForSingle, place) => {
            return single(attribute, &values[0], place, reading);
        }
        Value::String(text) if let Some(found) = json_within(text, place, reading) => {
            return single(attribute, &found, place, reading);
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            let Some(part) = standing_for(attribute).filter(|_| reading.reads(Leniency::PlainForObject, place)) else {
                return Err(expected(place, "complex", value));
            };
            let admitted = admit(part, value, place, reading)?;
            return Ok(admitted.map(|value| Value::Object(Map::from_iter([(part.name.to_string(), value)]))));
        }
        Value::Null | Value::Array(_) => return Err(expected(place, "complex", value)),
    };
    check_names(parts, place)?;
    let mut admitted = Map::with_capacity(parts.len());
    for (name, value) in parts {
        let Some(sub) = attribute.sub(name) else {
            reading.pass_over(place, name);
            continue;
        };
        if sub.mutability == Mutability::ReadOnly || sub.is_hidden() {
            continue;
        }
        if let Some(value) = admit(sub, value, &format!("{place}.{}", sub.name), reading)? {
            admitted.insert(sub.name.to_string(), value);
        }
    }
    Ok((!admitted.is_empty()).then_some(Value::Object(admitted)))
}

/// The part that a plain value is where a complex one is due: its `value`, or the whole of it as it is shown.
pub(crate) fn standing_for(attribute: &Attribute) -> Option<&Attribute> {
    attribute.sub("value").or_else(|| attribute.sub("formatted"))
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
        "array" => "an array".to_owned(),
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

//! The comparisons of a filter, as far as they may be spelled otherwise than RFC 7644 §3.4.2.2 has them.

use super::{Leniency, Reading};
use crate::scim::error::Error;
use crate::scim::text_cursor::TextCursor;
use serde_json::Value;

/// Steps over `==`, if it stands where an operator is due and the reading has it for `eq`.
pub(crate) fn spelled_eq(cursor: &mut TextCursor<'_>, name: &str, reading: &Reading) -> bool {
    cursor.rest().starts_with("==") && reading.reads(Leniency::DoubleEquals, name) && cursor.eat("==")
}

/// Takes the value that an attribute is compared with; nothing where there is none that could be read. `nested` says
/// whether a parenthesis or bracket is still to be closed.
pub(crate) fn literal(
    cursor: &mut TextCursor<'_>,
    name: &str,
    nested: bool,
    reading: &Reading,
) -> Result<Option<Value>, Error> {
    let rest = cursor.rest();
    let (value, length) = if let Some((text, length)) = doubled(rest) {
        if !reading.reads(Leniency::DoubledQuotes, name) {
            return Ok(None);
        }
        (Value::String(text.to_owned()), length)
    } else if rest.starts_with('"') {
        let Some(length) = json_string_end(rest) else { return Ok(None) };
        let Ok(value) = serde_json::from_str(&rest[..length]) else { return Ok(None) };
        (value, length)
    } else if let Some((text, length)) = single(rest) {
        if !reading.reads(Leniency::SingleQuotes, name) {
            return Ok(None);
        }
        (Value::String(text.to_owned()), length)
    } else {
        match unquoted(rest, name, nested, reading)? {
            Some(found) => found,
            None => return Ok(None),
        }
    };
    cursor.eat(&rest[..length]);
    Ok(Some(value))
}

/// The end of a JSON string that starts the text.
fn json_string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Whether a value may end before this text.
fn ends(text: &str) -> bool {
    text.is_empty() || text.starts_with([' ', ')', ']'])
}

/// `""text""`, and its length. A pair of quotes alone is the empty text.
fn doubled(rest: &str) -> Option<(&str, usize)> {
    let inner = rest.strip_prefix("\"\"").filter(|inner| !ends(inner) && !inner.starts_with('"'))?;
    let end = inner.find("\"\"")?;
    let length = end + 4;
    (ends(&rest[length..]) && !inner[..end].contains('"')).then(|| (&inner[..end], length))
}

/// `'text'`, and its length. An apostrophe within a word ends nothing.
fn single(rest: &str) -> Option<(&str, usize)> {
    let inner = rest.strip_prefix('\'')?;
    let end = inner.match_indices('\'').map(|(at, _)| at).find(|at| ends(&inner[at + 1..]))?;
    Some((&inner[..end], end + 2))
}

/// A value without quotes: a JSON literal, or a word or several that can only be one text.
fn unquoted(rest: &str, name: &str, nested: bool, reading: &Reading) -> Result<Option<(Value, usize)>, Error> {
    let closing = rest.find(['(', ')', '[', ']', '"']).unwrap_or(rest.len());
    let first = rest[..closing].split(' ').next().unwrap_or_default();
    let mut following = rest[first.len()..closing].split(' ').filter(|word| !word.is_empty()).peekable();
    let goes_on = following.peek().is_some_and(|word| !is_join(word));
    if !goes_on && let Some(value) = word(first, name, reading) {
        return Ok(Some((value, first.len())));
    }
    if first.is_empty() || first.starts_with('\'') || !reading.is_lenient() {
        return Ok(None);
    }
    let closed = rest.len() == closing || nested && rest[closing..].starts_with([')', ']']);
    if !closed || following.any(is_keyword) {
        let wanted = "expected quotes around this value, since it could end in several places without them";
        return Err(Error::filter(format!("{name}: {wanted}")));
    }
    reading.note(Leniency::UnquotedValue, name);
    let text = rest[..closing].trim_end_matches(' ');
    Ok(Some((Value::String(text.to_owned()), text.len())))
}

/// A JSON literal. The grammar of JSON has its words in lower case; clients that print the booleans of their language send
/// `True`.
fn word(text: &str, name: &str, reading: &Reading) -> Option<Value> {
    let value = match text {
        _ if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        _ if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        _ if text.eq_ignore_ascii_case("null") => Value::Null,
        _ if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => return serde_json::from_str(text).ok(),
        _ => return None,
    };
    let is_json = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_json || reading.reads(Leniency::LetterCase, name)).then_some(value)
}

fn is_join(word: &str) -> bool {
    ["and", "or"].iter().any(|join| word.eq_ignore_ascii_case(join))
}

/// Whether a word may be one of the filter instead of one of a value.
fn is_keyword(word: &str) -> bool {
    const WORDS: [&str; 11] = ["not", "pr", "eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"];
    is_join(word) || word == "==" || WORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str, nested: bool, reading: &Reading) -> Result<Option<(Value, String)>, String> {
        let mut cursor = TextCursor::new(text);
        let value = literal(&mut cursor, "title", nested, reading).map_err(|error| error.to_string())?;
        Ok(value.map(|value| (value, cursor.rest().to_owned())))
    }

    #[test]
    fn a_value_that_can_only_be_one_is_read_without_json_quotes() {
        for (text, nested, value, rest) in [
            ("lenamayer", false, "lenamayer", ""),
            ("a.b-c_d@example.com", false, "a.b-c_d@example.com", ""),
            ("O'Brien", false, "O'Brien", ""),
            ("Sales Team", false, "Sales Team", ""),
            ("work].value", true, "work", "].value"),
            ("5 Star Team", false, "5 Star Team", ""),
            ("8f14e45f", false, "8f14e45f", ""),
            ("00123", false, "00123", ""),
            ("'bob'", false, "bob", ""),
            ("'O'Brien' and title pr", false, "O'Brien", " and title pr"),
            ("'a and b'", false, "a and b", ""),
            ("\"\"bob\"\"", false, "bob", ""),
            ("\"\"bob\"\" and title pr", false, "bob", " and title pr"),
        ] {
            assert_eq!(read(text, nested, &Reading::lenient()), Ok(Some((json!(value), rest.to_owned()))), "{text}");
            assert_eq!(read(text, nested, &Reading::strict()), Ok(None), "{text}");
        }
    }

    #[test]
    fn a_json_literal_is_itself_in_both_dialects() {
        for (text, value, rest) in [
            ("\"a\"", json!("a"), ""),
            ("\"\"", json!(""), ""),
            ("\"\" and a pr", json!(""), " and a pr"),
            ("\"a\\\"\\u0041\"", json!("a\"A"), ""),
            ("true and a pr", json!(true), " and a pr"),
            ("null", json!(null), ""),
            ("-1.5e3", json!(-1500.0), ""),
            ("12)", json!(12), ")"),
        ] {
            for reading in [Reading::lenient(), Reading::strict()] {
                assert_eq!(read(text, true, &reading), Ok(Some((value.clone(), rest.to_owned()))), "{text}");
                assert_eq!(reading.noted(), [], "{text}");
            }
        }
    }

    #[test]
    fn a_value_that_could_end_in_several_places_is_refused() {
        for text in ["bob and active eq true", "bob or x", "R and D", "bob eq x", "bob)", "a (b)", "a \"b\""] {
            let refused = read(text, false, &Reading::lenient()).unwrap_err();
            assert!(refused.starts_with("title: expected quotes around this value"), "{text}: {refused}");
            assert_eq!(read(text, false, &Reading::strict()), Ok(None), "{text}");
        }
        for text in ["", "'bob", "\"bob", "\"\\x\""] {
            assert_eq!(read(text, false, &Reading::lenient()), Ok(None), "{text}");
        }
    }
}

//! JSON that came from outside, read into a tree whose size is bounded by its text's limits and not by its shape: a
//! `serde_json::Value` takes about a hundred bytes where the text has one, so a megabyte of brackets would be a hundred.
//!
//! Values, levels and names are counted while the text is read. A text above [`COUNTED_FIRST_BYTES`] is counted before the
//! first value is kept, so what is refused takes no memory at all. What is kept has no room to spare: an object of one name
//! takes room for one.

use crate::settings::LIMITS;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// It is no JSON; says where, counted from 1, and what is wrong, without a word of the text itself.
    Malformed {
        /// The line.
        line: usize,
        /// The column in bytes.
        column: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It is in this encoding, and JSON is in UTF-8 (RFC 8259 §8.1).
    Encoded(&'static str),
    /// It is JSON, and too much of it.
    Beyond(Bound),
}

/// The bounds of one text, see [`Limits`](crate::settings::Limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// `body_values_max`
    Values,
    /// `body_depth_max`
    Depth,
    /// `body_names_max`
    Names,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Malformed { line, column, what } => {
                write!(f, "expected JSON, found something else at line {line}, column {column}: {what}")
            }
            JsonError::Encoded(found) => write!(f, "expected JSON in UTF-8, found {found}; send it in UTF-8"),
            JsonError::Beyond(Bound::Values) => {
                write!(f, "expected at most {} values in all, found more", LIMITS.body_values_max)
            }
            JsonError::Beyond(Bound::Depth) => {
                write!(f, "expected at most {} levels, found more", LIMITS.body_depth_max)
            }
            JsonError::Beyond(Bound::Names) => {
                write!(f, "expected at most {} names in one object, found more", LIMITS.body_names_max)
            }
        }
    }
}

/// Texts above this are counted before anything of them is kept. Below, whatever is kept is small.
const COUNTED_FIRST_BYTES: usize = 16 * 1024;

/// What of a `path` is looked at for secrets. Beyond it, no value of its object is kept.
const PATH_KEPT_BYTES: usize = 2 * LIMITS.path_bytes_max;

/// Reads a text within the bounds of a request's body.
pub(crate) fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_counted(text).map(|(value, _)| value)
}

/// Reads a text within the bounds of a request's body. Answers how many values it has, too: they are what the tree takes
/// room by.
pub(crate) fn parse_counted(text: &[u8]) -> Result<(Value, usize), JsonError> {
    #[cfg(test)]
    PARSED.set(PARSED.get() + 1);
    let count = Count::default();
    if text.len() > COUNTED_FIRST_BYTES {
        count.read(text, Keep::Nothing)?;
        count.values.set(0);
    }
    let value = count.read(text, Keep::All)?;
    Ok((value, count.values.get()))
}

#[cfg(test)]
thread_local! {
    /// Texts that this thread has read.
    pub(crate) static PARSED: Cell<usize> = const { Cell::new(0) };
}

/// Reads a text as [`parse`] does into a type. Nothing where the text is JSON of another shape.
pub(crate) fn typed<T: DeserializeOwned>(text: &[u8]) -> Result<Option<T>, JsonError> {
    Ok(serde_json::from_value(parse(text)?).ok())
}

/// The beginning of a document for the journal: as much of it as prints to `bytes` at least, and whether something is
/// missing. A `path` is there wherever the beginning of its object is, since it says whether the `value` beside it is a
/// secret. Nothing where a text is no JSON.
pub(crate) fn beginning<'de, D: Deserializer<'de>>(document: D, bytes: usize) -> Option<(Value, bool)> {
    let left = Cell::new(bytes);
    let value = ValueSeed { count: None, keep: Keep::Beginning(&left), depth: 0 }.deserialize(document).ok()?;
    Some((value, left.get() == 0))
}

#[derive(Default)]
struct Count {
    values: Cell<usize>,
    beyond: Cell<Option<Bound>>,
}

impl Count {
    fn read(&self, text: &[u8], keep: Keep<'_>) -> Result<Value, JsonError> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let read = ValueSeed { count: Some(self), keep, depth: 0 }.deserialize(&mut reader);
        let read = read.and_then(|value| reader.end().map(|()| value));
        read.map_err(|error| match self.beyond.get() {
            Some(bound) => JsonError::Beyond(bound),
            None => match encoding(text) {
                Some(found) => JsonError::Encoded(found),
                None => JsonError::Malformed { line: error.line(), column: error.column(), what: category(&error) },
            },
        })
    }

    fn exceed<E: serde::de::Error>(&self, bound: Bound) -> E {
        self.beyond.set(Some(bound));
        E::custom("beyond a bound")
    }
}

/// The encoding of a text that is no JSON in UTF-8, where its beginning tells: by a byte order mark, or by the zero bytes
/// that the first character of JSON has in the others.
fn encoding(text: &[u8]) -> Option<&'static str> {
    match text {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some("UTF-16"),
        _ => {}
    }
    match text.first_chunk::<4>()?.map(|byte| byte == 0) {
        [true, true, true, false] | [false, true, true, true] => Some("UTF-32"),
        [true, false, ..] | [false, true, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// serde's own messages quote the text that they found, which may be a secret.
fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "the text ends too early",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax => "it is not well-formed",
        serde_json::error::Category::Data => "it is not of the expected shape",
    }
}

/// What becomes of a value that is read.
#[derive(Clone, Copy)]
enum Keep<'k> {
    All,
    Nothing,
    /// As much of it as there are bytes left.
    Beginning(&'k Cell<usize>),
}

impl Keep<'_> {
    /// Whether values that follow are kept.
    fn goes_on(self) -> bool {
        match self {
            Keep::All => true,
            Keep::Nothing => false,
            Keep::Beginning(left) => left.get() > 0,
        }
    }

    fn text(self, text: &str) -> Value {
        match self {
            Keep::All => Value::String(text.to_owned()),
            Keep::Nothing => Value::Null,
            Keep::Beginning(left) => {
                let end = text.floor_char_boundary(left.get());
                self.spend(text.len().max(1));
                Value::String(text.get(..end).unwrap_or(text).to_owned())
            }
        }
    }

    fn spend(self, bytes: usize) {
        if let Keep::Beginning(left) = self {
            left.set(left.get().saturating_sub(bytes));
        }
    }
}

/// A value that is about to be read.
#[derive(Clone, Copy)]
struct ValueSeed<'n> {
    count: Option<&'n Count>,
    keep: Keep<'n>,
    depth: usize,
}

impl ValueSeed<'_> {
    fn scalar(self, value: Value) -> Value {
        self.keep.spend(1);
        value
    }

    /// A value within this one.
    fn child<E: serde::de::Error>(self) -> Result<Self, E> {
        let child = ValueSeed { depth: self.depth + 1, ..self };
        match self.count {
            Some(count) if child.depth > LIMITS.body_depth_max => Err(count.exceed(Bound::Depth)),
            Some(_) | None => Ok(child),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if let Some(count) = self.count {
            count.values.set(count.values.get() + 1);
            if count.values.get() > LIMITS.body_values_max {
                return Err(count.exceed(Bound::Values));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(self.scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(self.scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.scalar(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(self.scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(self.keep.text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        match self.keep {
            Keep::All => Ok(Value::String(text)),
            Keep::Nothing | Keep::Beginning(_) => Ok(self.keep.text(&text)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let child = self.child()?;
        self.keep.spend(1);
        let mut kept = Vec::new();
        loop {
            let keeps = self.keep.goes_on();
            let keep = if keeps { self.keep } else { Keep::Nothing };
            match elements.next_element_seed(ValueSeed { keep, ..child })? {
                Some(element) if keeps => kept.push(element),
                Some(_) => {}
                None => break,
            }
        }
        kept.shrink_to_fit();
        Ok(Value::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let child = self.child()?;
        self.keep.spend(1);
        let (mut kept, mut names, mut unclear) = (Vec::new(), 0, false);
        while let Some(name) = members.next_key_seed(Name(self.keep))? {
            names += 1;
            if let Some(count) = self.count.filter(|_| names > LIMITS.body_names_max) {
                return Err(count.exceed(Bound::Names));
            }
            match name {
                Some(name) if matches!(self.keep, Keep::Beginning(_)) && is_path(&name) => {
                    let apart = Cell::new(PATH_KEPT_BYTES);
                    kept.push((name, members.next_value_seed(ValueSeed { keep: Keep::Beginning(&apart), ..child })?));
                    unclear |= apart.get() == 0;
                }
                Some(name) => kept.push((name, members.next_value_seed(child)?)),
                None => drop(members.next_value_seed(ValueSeed { keep: Keep::Nothing, ..child })?),
            }
        }
        let mut object = Map::with_capacity(kept.len());
        object.extend(kept);
        if unclear {
            object.retain(|name, _| !name.eq_ignore_ascii_case("value"));
        }
        Ok(Value::Object(object))
    }
}

/// A name of an object; nothing where it is not kept.
struct Name<'k>(Keep<'k>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<String>, E> {
        self.0.spend(name.len());
        // The name itself may be as long as the text; where it is cut, so is what the journal keeps.
        Ok(match self.0 {
            Keep::All => Some(name.to_owned()),
            Keep::Nothing => None,
            Keep::Beginning(left) if left.get() > 0 || is_path(name) => Some(name.to_owned()),
            Keep::Beginning(_) => None,
        })
    }
}

fn is_path(name: &str) -> bool {
    name.eq_ignore_ascii_case("path")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(text: &str) -> JsonError {
        parse(text.as_bytes()).unwrap_err()
    }

    /// An array of so many values in all, itself included.
    fn values(count: usize) -> String {
        format!("[{}1]", "1,".repeat(count - 2))
    }

    #[test]
    fn a_text_in_another_encoding_is_refused_by_its_name() {
        let utf_16 = |swap: bool| -> Vec<u8> {
            let bytes = |unit: u16| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() };
            "{\"a\": 1}".encode_utf16().flat_map(bytes).collect()
        };
        let with_mark = |mark: &[u8], text: Vec<u8>| [mark, &text].concat();
        let utf_32: Vec<u8> = "{\"a\": 1}".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        for (text, name) in [
            (utf_16(false), "UTF-16"),
            (utf_16(true), "UTF-16"),
            (with_mark(&[0xff, 0xfe], utf_16(false)), "UTF-16"),
            (with_mark(&[0xfe, 0xff], utf_16(true)), "UTF-16"),
            (utf_32.clone(), "UTF-32"),
            (with_mark(&[0, 0, 0xfe, 0xff], utf_32), "UTF-32"),
        ] {
            assert_eq!(parse(&text), Err(JsonError::Encoded(name)));
        }
        for text in [&b""[..], b"{", b"\0", b"{\0", b"{\xff\xfe}", b"abcd"] {
            assert!(matches!(parse(text), Err(JsonError::Malformed { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_document_is_read_as_serde_reads_it() {
        let texts = [
            r#"{"a":[1,-2,1.5,1e300,true,false,null,"x\u00e9\n"],"b":{},"c":[],"a":{"z":1,"y":18446744073709551615}}"#,
            r#""text""#,
            " 7 ",
            "0.30000000000000004",
            "-0.0",
        ];
        for text in texts {
            let read = parse(text.as_bytes()).unwrap();
            assert_eq!(read, serde_json::from_str::<Value>(text).unwrap(), "{text}");
            assert_eq!(read.to_string(), serde_json::from_str::<Value>(text).unwrap().to_string());
        }
        for text in ["", "{", "[1,]", "{\"a\":1,}", "[] []", "nul", "\u{7f}", "1e999", "\"\\ud800\""] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
            assert!(matches!(refusal(text), JsonError::Malformed { .. }), "{text}");
        }
        let found = "expected JSON, found something else at line 2, column 1: it is not well-formed";
        assert_eq!(refusal("[1,\n]").to_string(), found);
    }

    #[test]
    fn values_levels_and_names_are_bounded_each() {
        let max = LIMITS.body_values_max;
        assert!(parse(values(max).as_bytes()).is_ok());
        assert_eq!(refusal(&values(max + 1)), JsonError::Beyond(Bound::Values));
        let max = LIMITS.body_depth_max;
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(deep(max).as_bytes()).is_ok());
        assert_eq!(refusal(&deep(max + 1)), JsonError::Beyond(Bound::Depth));
        assert_eq!(refusal(&"[".repeat(1 << 20)), JsonError::Beyond(Bound::Depth));
        assert_eq!(refusal(&r#"{"a":"#.repeat(1 << 17)), JsonError::Beyond(Bound::Depth));
        let max = LIMITS.body_names_max;
        let wide = |names: usize| {
            let names: Vec<String> = (0..names).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", names.join(","))
        };
        assert!(parse(wide(max).as_bytes()).is_ok());
        assert_eq!(refusal(&wide(max + 1)), JsonError::Beyond(Bound::Names));
        assert_eq!(refusal(&format!("{{{}\"a\":1}}", "\"a\":1,".repeat(max))), JsonError::Beyond(Bound::Names));
    }

    #[test]
    fn a_group_of_as_many_members_as_a_request_may_name_is_within_the_bounds() {
        let member = r#"{"value":"1","display":"a","type":"b"}"#;
        let body = format!(r#"{{"members":[{}]}}"#, vec![member; LIMITS.references_max].join(","));
        assert!(body.len() <= LIMITS.body_bytes_max && parse(body.as_bytes()).is_ok(), "{}", body.len());
    }

    #[test]
    fn the_beginning_of_a_document_is_the_same_from_text_and_tree() {
        let document = json!({"a": "x".repeat(50), "b": [{"c": "y".repeat(50), "path": "p"}, 2, 3], "d": {"e": null}});
        let text = document.to_string();
        for bytes in [0, 1, 10, 60, 100, 110, 1_000] {
            let from_text = beginning(&mut serde_json::Deserializer::from_str(&text), bytes).unwrap();
            assert_eq!(from_text, beginning(&document, bytes).unwrap(), "{bytes}");
            let (kept, missing) = from_text;
            assert_eq!(missing, bytes <= 110, "{bytes}: {kept}");
            assert!(kept.to_string().len() >= bytes.min(text.len()), "{bytes}: {kept}");
            assert!(missing || kept == document, "{kept}");
        }
    }

    #[test]
    fn the_path_beside_a_value_is_kept_however_long_the_value_is() {
        let operation = json!({"op": "add", "value": "s".repeat(500), "Path": "password"});
        let (kept, _) = beginning(&operation, 100).unwrap();
        assert_eq!(kept["Path"], "password");
        let unclear = json!({"value": "s3cret", "path": " ".repeat(PATH_KEPT_BYTES)});
        assert_eq!(beginning(&unclear, 100).unwrap().0.get("value"), None);
    }
}

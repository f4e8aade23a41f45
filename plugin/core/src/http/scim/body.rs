//! What a request brings: a text, or a part of the bulk request that it came in.

use crate::connection::sign;
use crate::json::{self, Refusal};
use crate::scim::{Leniency, Reading};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Body<'r> {
    /// As it was sent.
    Text(&'r [u8]),
    /// The data of an operation, read already.
    Data(&'r Value),
}

impl<'r> Body<'r> {
    /// A body that is not there.
    pub(super) const NONE: Body<'static> = Body::Text(b"");

    /// A text as it was sent. RFC 8259 §8.1 lets who reads JSON pass over a byte order mark before it.
    pub(super) fn sent(bytes: &'r [u8], reading: &Reading) -> Body<'r> {
        match bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if reading.reads(Leniency::ByteOrderMark, "body") => Body::Text(rest),
            Some(_) | None => Body::Text(bytes),
        }
    }

    pub(super) fn is_empty(self) -> bool {
        match self {
            Body::Text(text) => text.is_empty(),
            Body::Data(_) => false,
        }
    }

    /// How long the text is; nothing where it was read already.
    pub(super) fn len(self) -> usize {
        match self {
            Body::Text(text) => text.len(),
            Body::Data(_) => 0,
        }
    }

    /// Whether an operation of a PATCH is spelled with a capital, as Entra does.
    pub(super) fn has_capital_op(self) -> bool {
        match self {
            Body::Text(text) => sign::has_capital_op(text),
            Body::Data(value) => {
                let operations = value.get("Operations").and_then(Value::as_array).map(Vec::as_slice);
                let op =
                    |operation: &Value| operation.get("op").and_then(Value::as_str).is_some_and(sign::is_capital_op);
                operations.unwrap_or_default().iter().any(op)
            }
        }
    }

    /// The JSON that it is. A text is read here, so who asks twice pays twice.
    pub(super) fn value(self) -> Result<Cow<'r, Value>, Refusal> {
        match self {
            Body::Text(text) => json::parse(text).map(Cow::Owned),
            Body::Data(value) => Ok(Cow::Borrowed(value)),
        }
    }

    /// As much of it as prints to `bytes`, and whether something is missing; nothing where it is no JSON.
    pub(super) fn beginning(self, bytes: usize) -> Option<(Value, bool)> {
        match self {
            Body::Text(text) => {
                let mut reader = serde_json::Deserializer::from_slice(text);
                let begun = json::beginning(&mut reader, bytes)?;
                reader.end().is_ok().then_some(begun)
            }
            Body::Data(value) => json::beginning(value, bytes),
        }
    }
}

/// The byte order mark in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The names and values of a body that was seen to be an object.
pub(super) fn object(body: &Value) -> &Map<String, Value> {
    body.as_object().expect("Context::json_object lets nothing else through")
}

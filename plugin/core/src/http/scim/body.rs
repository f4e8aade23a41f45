//! What a request brings: a text, a part of the bulk request that it came in, or what is kept of a text while the request
//! waits.

use crate::connection::sign;
use crate::json;
use crate::scim::{Leniency, Reading};
use serde_json::{Map, Value};
use std::rc::Rc;

/// The body of a request.
#[derive(Clone)]
pub(super) enum RequestBody<'r> {
    /// The text as it was sent.
    Text(&'r [u8]),
    /// The data of a bulk operation.
    Data(&'r Value),
    /// What a waiting request keeps in the place of the text.
    Kept(Kept),
}

/// What a waiting request keeps of its body, so that nothing is read again when its turn has come.
#[derive(Clone)]
pub(super) struct Kept {
    /// The JSON, shared with the change that was made of it.
    pub(super) json: Rc<Value>,
    /// The text for the record, masked and cut; nothing where records have no bodies.
    pub(super) noted: Option<String>,
}

impl<'r> RequestBody<'r> {
    /// A body that is not there.
    pub(super) const NONE: RequestBody<'static> = RequestBody::Text(b"");

    /// A text as it was sent. RFC 8259 §8.1 lets who reads JSON pass over a byte order mark before it.
    pub(super) fn sent(bytes: &'r [u8], reading: &Reading) -> RequestBody<'r> {
        match bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if reading.reads(Leniency::ByteOrderMark, "body") => RequestBody::Text(rest),
            Some(_) | None => RequestBody::Text(bytes),
        }
    }

    /// The text as it was sent; nothing where it was read already.
    pub(super) fn text(&self) -> &'r [u8] {
        match self {
            RequestBody::Text(text) => text,
            RequestBody::Data(_) | RequestBody::Kept(_) => b"",
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            RequestBody::Text(text) => text.is_empty(),
            RequestBody::Data(_) | RequestBody::Kept(_) => false,
        }
    }

    /// How long the text is; nothing where it was read already.
    pub(super) fn len(&self) -> usize {
        self.text().len()
    }

    /// Whether an operation of a PATCH is spelled with a capital, as Entra does.
    pub(super) fn has_capital_op(&self) -> bool {
        match self {
            RequestBody::Text(text) => sign::has_capital_op(text),
            RequestBody::Data(value) => has_capital_op(value),
            RequestBody::Kept(kept) => has_capital_op(&kept.json),
        }
    }

    /// As much of it as prints to `bytes`, and whether something is missing; nothing where it is no JSON.
    pub(super) fn beginning(&self, bytes: usize) -> Option<(Value, bool)> {
        match self {
            RequestBody::Text(text) => {
                let mut reader = serde_json::Deserializer::from_slice(text);
                let begun = json::beginning(&mut reader, bytes)?;
                reader.end().is_ok().then_some(begun)
            }
            RequestBody::Data(value) => json::beginning(*value, bytes),
            RequestBody::Kept(kept) => json::beginning(&*kept.json, bytes),
        }
    }
}

/// The byte order mark in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn has_capital_op(body: &Value) -> bool {
    let operations = body.get("Operations").and_then(Value::as_array).map(Vec::as_slice);
    let op = |operation: &Value| operation.get("op").and_then(Value::as_str).is_some_and(sign::is_capital_op);
    operations.unwrap_or_default().iter().any(op)
}

/// The names and values of a body that was seen to be an object.
pub(super) fn object(body: &Value) -> &Map<String, Value> {
    body.as_object().expect("expect_object lets nothing else through")
}

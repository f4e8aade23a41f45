//! The JSON of a request's body, read once: lent by whoever holds it, or shared with whatever else needs it.

use serde_json::Value;
use std::ops::Deref;
use std::rc::Rc;

/// A body that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonBody<'b> {
    /// A part of a longer body, such as the data of a bulk operation.
    Lent(&'b Value),
    /// A body of its own, which lasts as long as anything that was made of it.
    Shared(Rc<Value>),
}

impl Deref for JsonBody<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            JsonBody::Lent(value) => value,
            JsonBody::Shared(value) => value,
        }
    }
}

impl<'b> From<&'b Value> for JsonBody<'b> {
    fn from(value: &'b Value) -> JsonBody<'b> {
        JsonBody::Lent(value)
    }
}

impl From<Rc<Value>> for JsonBody<'_> {
    fn from(value: Rc<Value>) -> Self {
        JsonBody::Shared(value)
    }
}

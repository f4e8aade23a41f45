//! A PatchOp message: from a body to operations.

use super::super::body::JsonBody;
use super::super::error::Error;
use super::super::path::{self, Path};
use super::super::reading::{self, Leniency, Reading, member};
use super::super::value;
use crate::settings::LIMITS;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The schema of a PATCH body.
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A PATCH body.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest<'b> {
    body: JsonBody<'b>,
    /// In the order of the body.
    operations: Vec<Operation>,
}

/// An operation without its value, which stays in the body: the body may be nothing but this value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    pub(super) op: Op,
    pub(super) path: Option<Path>,
    /// The value where a text held the operations; elsewhere it stays in the body, which may be nothing but this.
    own_value: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Replace,
    Remove,
}

impl<'b> PatchRequest<'b> {
    /// Reads a body. Names go without case, `operations` too (RFC 7643 §2.1); names that are not of PATCH are passed over.
    ///
    /// # Errors
    /// What of the body was expected and what was found, with the `scimType`.
    pub fn parse(body: impl Into<JsonBody<'b>>, reading: &Reading) -> Result<PatchRequest<'b>, Error> {
        let body = body.into();
        let operations = operations(&body, reading)?;
        Ok(PatchRequest { body, operations })
    }

    /// The operations in their order, each with its value: nothing where the client sent none, and null where it sent that.
    pub(super) fn operations(&self) -> impl Iterator<Item = (&Operation, Option<&Value>)> {
        let sent = sent_operations(&self.body);
        self.operations.iter().enumerate().map(move |(index, operation)| {
            (operation, operation.own_value.as_ref().or_else(|| sent.get(index).and_then(value_of)))
        })
    }
}

fn operations(body: &Value, reading: &Reading) -> Result<Vec<Operation>, Error> {
    let Value::Object(body) = body else {
        return Err(Error::syntax("Operations: expected an array, found none"));
    };
    value::check_names(body, "body")?;
    reading::message_schemas(body, PATCH_OP, reading)?;
    let found = member(body, "Operations").and_then(|found| reading::listed(found, "Operations", reading));
    let Some(operations) = found else {
        return Err(Error::syntax("Operations: expected an array, found none"));
    };
    if operations.is_empty() {
        return Err(Error::syntax("Operations: expected at least one operation, found none"));
    }
    if operations.len() > LIMITS.patch_operations_max {
        let (max, found) = (LIMITS.patch_operations_max, operations.len());
        return Err(Error::syntax(format!("Operations: expected at most {max} operations, found {found}")));
    }
    // Nobody keeps what a text held, so the operations do.
    let is_own = matches!(operations, Cow::Owned(_));
    let read = |(index, json): (usize, &Value)| {
        let mut operation = Operation::read(index, json, reading)?;
        operation.own_value = value_of(json).filter(|_| is_own).cloned();
        Ok(operation)
    };
    operations.iter().enumerate().map(read).collect()
}

/// The operations as the body has them, see [`reading::listed`].
fn sent_operations(body: &Value) -> &[Value] {
    match body.as_object().and_then(|body| member(body, "Operations")) {
        Some(Value::Array(operations)) => operations,
        Some(operation) => std::slice::from_ref(operation),
        None => &[],
    }
}

/// The value of an operation: nothing where the client sent none, and null where it sent that.
fn value_of(operation: &Value) -> Option<&Value> {
    operation.as_object().and_then(|operation| member(operation, "value"))
}

impl Operation {
    fn read(index: usize, json: &Value, reading: &Reading) -> Result<Operation, Error> {
        let place = format!("Operations[{index}]");
        json.as_object().map_or(Ok(()), |operation| value::check_names(operation, &place))?;
        Operation::parse(json.as_object(), reading).map_err(|error| error.within(&format!("{place}.")))
    }

    fn parse(json: Option<&Map<String, Value>>, reading: &Reading) -> Result<Operation, Error> {
        let member = |name: &str| json.and_then(|json| member(json, name));
        let op = match member("op").and_then(Value::as_str) {
            Some(op) => Op::parse(op, reading)?,
            None => return Err(Error::syntax("op: expected add, replace or remove, found none")),
        };
        let path = match member("path") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => {
                Some(path::parse(text.trim(), reading).map_err(|error| error.within("path: "))?)
            }
            Some(_) => return Err(Error::path("path: expected a string, found something else")),
        };
        let value = member("value");
        match (op, &path, &value) {
            (Op::Remove, None, _) => Err(Error::no_target("path: expected what to remove, found none")),
            (Op::Add | Op::Replace, _, None) => Err(Error::value("value: expected a value, found none")),
            (Op::Add | Op::Replace | Op::Remove, _, _) => Ok(Operation { op, path, own_value: None }),
        }
    }
}

impl Op {
    const WORDS: [(&'static str, Op); 3] = [("add", Op::Add), ("replace", Op::Replace), ("remove", Op::Remove)];

    fn parse(text: &str, reading: &Reading) -> Result<Op, Error> {
        if let Some((_, op)) = Op::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*op);
        }
        let found = Op::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        found.filter(|_| reading.reads(Leniency::LetterCase, "op")).map(|(_, op)| *op).ok_or_else(|| {
            let found: String = text.chars().take(40).collect();
            Error::syntax(format!("op: expected add, replace or remove, found {found:?}"))
        })
    }
}

//! What a filter compares with, and how (RFC 7644, table 3).

use super::syntax::Compare;
use crate::scim::error::Error;
use crate::scim::reading::Reading;
use crate::scim::schema::{Attribute, Type};
use crate::scim::text::fold;
use crate::scim::value;
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// What is compared with, by the type of the attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// With the form that is compared where letter case does not count; the text itself is what a new element gets.
    Text {
        text: String,
        folded: Option<String>,
    },
    Boolean(bool),
    Number(Number),
    Time(jiff::Timestamp),
    Null,
}

pub(super) fn operand(
    name: &str,
    leaf: &Attribute,
    compare: Compare,
    value: &Value,
    reading: &Reading,
) -> Result<Operand, Error> {
    let refuse = |what: &str| Err(Error::filter(format!("filter: {name}: {what}")));
    let admitted = value::compared(leaf, value, name, reading);
    let operand = match (leaf.kind, admitted.as_ref().unwrap_or(value)) {
        (_, Value::Null) => Operand::Null,
        (Type::Boolean, Value::Bool(boolean)) => Operand::Boolean(*boolean),
        (Type::Boolean, Value::String(_)) => return refuse("expected true or false"),
        (Type::Integer | Type::Decimal, Value::Number(number)) => Operand::Number(number.clone()),
        (Type::DateTime, Value::String(text)) => match (compare, value::date_time(text)) {
            (Compare::Co | Compare::Sw | Compare::Ew, _) => Operand::Text { text: text.clone(), folded: None },
            (_, Some(time)) => Operand::Time(time),
            (_, None) => return refuse("expected a dateTime such as \"2026-11-23T10:00:00Z\""),
        },
        (Type::String | Type::Reference | Type::Binary, Value::String(text)) => {
            Operand::Text { text: text.clone(), folded: (!leaf.case_exact).then(|| fold(text).into_owned()) }
        }
        (kind, _) => return refuse(&format!("expected a value of type {}", kind.as_str())),
    };
    match (&operand, compare) {
        // RFC 7644, table 3: a boolean or binary value has no order, and only text has parts.
        (Operand::Boolean(_) | Operand::Null, Compare::Eq | Compare::Ne) => Ok(operand),
        (Operand::Boolean(_) | Operand::Null, _) => refuse("expected \"eq\" or \"ne\" for this value"),
        (Operand::Text { .. }, Compare::Gt | Compare::Lt | Compare::Ge | Compare::Le) if leaf.kind == Type::Binary => {
            refuse("expected \"eq\" or \"ne\" for this value")
        }
        (Operand::Number(_), Compare::Co | Compare::Sw | Compare::Ew) => refuse("expected an operator for numbers"),
        (Operand::Text { .. } | Operand::Number(_) | Operand::Time(_), _) => Ok(operand),
    }
}

/// Of several values, one that fits is enough (RFC 7644 §3.4.2.2). `ne` is the contrary of `eq`: it fits where no value is
/// equal, and so also where there is none.
pub(super) fn compares(values: &[Cow<'_, Value>], compare: Compare, operand: &Operand) -> bool {
    let any = |compare| values.iter().any(|value| fits(plain(value), compare, operand));
    match (operand, compare) {
        (Operand::Null, Compare::Ne) => values.iter().any(|value| !value.is_null()),
        (Operand::Null, _) => values.iter().all(|value| value.is_null()),
        (_, Compare::Ne) => !any(Compare::Eq),
        (_, compare) => any(compare),
    }
}

/// A complex value stands for its `value` (RFC 7644 §3.4.2.2 on multi-valued attributes).
pub(super) fn plain(value: &Value) -> &Value {
    value.as_object().and_then(|parts| parts.get("value")).unwrap_or(value)
}

fn fits(value: &Value, compare: Compare, operand: &Operand) -> bool {
    let order = match (operand, value) {
        (Operand::Text { text, folded: None }, Value::String(found)) => return fits_text(found, compare, text),
        (Operand::Text { folded: Some(folded), .. }, Value::String(found)) => {
            return fits_text(&fold(found), compare, folded);
        }
        (Operand::Boolean(boolean), Value::Bool(found)) => Some(found.cmp(boolean)),
        (Operand::Number(number), Value::Number(found)) => Some(value::order(found, number)),
        (Operand::Time(time), Value::String(found)) => value::date_time(found).map(|found| found.cmp(time)),
        (Operand::Text { .. } | Operand::Boolean(_) | Operand::Number(_) | Operand::Time(_) | Operand::Null, _) => None,
    };
    order.is_some_and(|order| fits_order(order, compare))
}

fn fits_text(found: &str, compare: Compare, text: &str) -> bool {
    match compare {
        Compare::Co => found.contains(text),
        Compare::Sw => found.starts_with(text),
        Compare::Ew => found.ends_with(text),
        Compare::Eq | Compare::Ne | Compare::Gt | Compare::Lt | Compare::Ge | Compare::Le => {
            fits_order(found.cmp(text), compare)
        }
    }
}

fn fits_order(order: Ordering, compare: Compare) -> bool {
    match compare {
        Compare::Eq => order == Ordering::Equal,
        Compare::Ne => order != Ordering::Equal,
        Compare::Gt => order == Ordering::Greater,
        Compare::Lt => order == Ordering::Less,
        Compare::Ge => order != Ordering::Less,
        Compare::Le => order != Ordering::Greater,
        Compare::Co | Compare::Sw | Compare::Ew => false,
    }
}

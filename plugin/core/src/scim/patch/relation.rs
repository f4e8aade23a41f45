//! Operations on what is kept apart from its resource: the members of a group. They become steps, so that who carries
//! them out reads only the members that are named.

use super::super::error::Error;
use super::super::filter::ElementFilter;
use super::super::value;
use super::context::{Assignment, Destination};
use super::request::Op;
use serde_json::Value;

/// One step of a change to references that are kept apart. Later steps see what earlier ones did.
#[derive(Debug, Clone, PartialEq)]
pub enum RelationStep<'s> {
    /// These ids shall be there.
    Add(Vec<String>),
    /// These ids shall not be there.
    Remove(Vec<String>),
    /// No element that fits shall be there: the one step that has to look at all of them.
    RemoveFitting(ElementFilter<'s>),
    /// None shall be there.
    Clear,
}

/// `add` and `replace`. An element has no part that could change by itself: RFC 7643 §4.2 makes them all immutable, so
/// it comes whole, and a filter that names an id means that element.
pub(super) fn assign<'s>(
    destination: &Destination<'_, 's>,
    assignment: &Assignment<'_>,
) -> Result<Vec<RelationStep<'s>>, Error> {
    let place = destination.place;
    if let Some(sub) = destination.sub {
        let wanted = "expected whole elements, which are added and removed, found a part";
        return Err(Error::mutability(format!("{place}: {wanted} ({})", sub.name)));
    }
    if let Some(filter) = destination.filter {
        return match destination.bind(filter)?.names() {
            Some(ids) if destination.context.filters_create() => Ok(vec![RelationStep::Add(ids)]),
            Some(_) | None => Err(Error::no_target(format!("{place}: expected elements that may change, found none"))),
        };
    }
    Ok(match (assignment.op, referred(destination, assignment.value)?) {
        (Op::Add, ids) => ids.into_iter().map(RelationStep::Add).collect(),
        (Op::Replace | Op::Remove, Some(ids)) => vec![RelationStep::Clear, RelationStep::Add(ids)],
        (Op::Replace | Op::Remove, None) => vec![RelationStep::Clear],
    })
}

/// RFC 7644 §3.5.2.2, and Entra's form with the elements in a value, an empty one of which removes nothing.
pub(super) fn remove<'s>(
    destination: &Destination<'_, 's>,
    value: Option<&Value>,
) -> Result<Option<RelationStep<'s>>, Error> {
    if let Some(filter) = destination.filter {
        let filter = destination.bind(filter)?;
        return Ok(Some(filter.names().map_or_else(|| RelationStep::RemoveFitting(filter), RelationStep::Remove)));
    }
    match destination.elements_named(value)? {
        None => Ok(Some(RelationStep::Clear)),
        Some(value) => Ok(referred(destination, value)?.map(RelationStep::Remove)),
    }
}

fn referred(destination: &Destination<'_, '_>, value: &Value) -> Result<Option<Vec<String>>, Error> {
    value::referred(destination.attribute, value, destination.place, destination.context.reading)
}

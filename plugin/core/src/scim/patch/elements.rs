//! The elements of a multi-valued attribute, and the parts of one element.

use super::super::error::Error;
use super::super::resource::immutable;
use super::super::schema::{Attribute, Mutability};
use super::super::value;
use serde_json::{Map, Value};

/// Parts of an element and what they are to be; nothing where they are to be unset.
pub(super) type Parts<'s> = Vec<(&'s Attribute, Option<Value>)>;

/// The elements of an attribute, which is made if it is not there.
pub(super) fn list<'p>(parent: &'p mut Map<String, Value>, attribute: &Attribute) -> &'p mut Vec<Value> {
    let value = parent.entry(&*attribute.name).or_insert_with(|| Value::Array(Vec::new()));
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was made an array above")
}

/// The elements of an attribute; the value of a single-valued one counts as its only element.
pub(super) fn all<'p>(parent: &'p Map<String, Value>, attribute: &Attribute) -> &'p [Value] {
    match parent.get(&*attribute.name) {
        Some(Value::Array(elements)) => elements,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// Puts whole elements in the place of those that are chosen; nothing removes them.
pub(super) fn replace_each(elements: &mut Vec<Value>, chosen: &[usize], new: Option<&Value>) {
    if new.is_some_and(value::is_primary) {
        demote(elements);
    }
    for index in chosen.iter().rev() {
        match (new, elements.get_mut(*index)) {
            (Some(new), Some(element)) => *element = new.clone(),
            (None, Some(_)) => drop(elements.remove(*index)),
            (_, None) => {}
        }
    }
}

/// Adds the elements that are not there (RFC 7644 §3.5.2.1). One that is there takes on what it is added with.
pub(super) fn add(elements: &mut Vec<Value>, attribute: &Attribute, new: Vec<Value>, place: &str) -> Result<(), Error> {
    for element in new {
        match elements.iter().position(|other| is_same(attribute, &element, other)) {
            None => push(elements, element),
            Some(_) if attribute.is_reference() => {}
            Some(index) => {
                keep_immutable(&elements[index], attribute, &element, place)?;
                if value::is_primary(&element) && !value::is_primary(&elements[index]) {
                    demote(elements);
                }
                if let (Value::Object(old), Value::Object(new)) = (&mut elements[index], element) {
                    old.extend(new);
                }
            }
        }
    }
    Ok(())
}

/// RFC 7644 §3.5.2: an immutable part of an element that is there may be set where it has no value, and said again.
fn keep_immutable(element: &Value, attribute: &Attribute, new: &Value, place: &str) -> Result<(), Error> {
    let said = |part: &Attribute| new.get(&*part.name).cloned();
    let parts = attribute.sub_attributes.iter().filter_map(|part| Some((part, Some(said(part)?)))).collect();
    check_immutable(element, &parts, place)
}

/// RFC 7644 §3.5.2: immutable parts of an element that are to be set or unset have no value, or the one that is said again.
pub(super) fn check_immutable(element: &Value, parts: &Parts<'_>, place: &str) -> Result<(), Error> {
    for (part, new) in parts.iter().filter(|(part, _)| part.mutability == Mutability::Immutable) {
        match (element.get(&*part.name), new) {
            (Some(old), Some(new)) if value::same(part, old, new) => {}
            (Some(_), Some(_)) => return Err(immutable(place, &part.name, "another")),
            (Some(_), None) => return Err(immutable(place, &part.name, "none")),
            (None, _) => {}
        }
    }
    Ok(())
}

/// Adds one element. RFC 7644 §3.5.2: a new primary one takes the mark from the one before.
pub(super) fn push(elements: &mut Vec<Value>, element: Value) {
    if value::is_primary(&element) {
        demote(elements);
    }
    elements.push(element);
}

/// Whether two elements are the same one: a reference by what it points to, others by value and type together, which
/// RFC 7643 §2.4 wants no more than once. What has no value is the same if it is equal.
pub(super) fn is_same(attribute: &Attribute, one: &Value, other: &Value) -> bool {
    let value = one.get("value").filter(|value| other.get("value") == Some(value));
    match value {
        None => one == other,
        Some(_) => attribute.is_reference() || one.get("type") == other.get("type"),
    }
}

/// Whether an element is one that a client names by all or some of its parts; a reference by what it points to.
pub(super) fn is_named(attribute: &Attribute, name: &Value, element: &Value) -> bool {
    match (name.get("value"), name) {
        (Some(value), _) if attribute.is_reference() => element.get("value") == Some(value),
        (_, Value::Object(parts)) => parts.iter().all(|(part, value)| element.get(part) == Some(value)),
        (_, name) => name == element,
    }
}

/// Sets parts in each of some elements. An element of which this leaves nothing but what it is for is removed.
pub(super) fn set_each(elements: &mut Vec<Value>, chosen: &[usize], parts: &Parts<'_>) {
    if parts.iter().any(|(part, value)| part.name == "primary" && *value == Some(Value::Bool(true))) {
        demote(elements);
    }
    for index in chosen.iter().rev() {
        if let Some(element) = elements.get_mut(*index).and_then(Value::as_object_mut) {
            set(element, parts.clone());
            if is_hollow(element) && parts.iter().any(|(_, value)| value.is_none()) {
                elements.remove(*index);
            }
        }
    }
}

/// Sets parts in one element.
pub(super) fn set(element: &mut Map<String, Value>, parts: Parts<'_>) {
    for (part, value) in parts {
        match value {
            Some(value) => element.insert(part.name.to_string(), value),
            None => element.shift_remove(&*part.name),
        };
    }
}

/// Removes the elements that are chosen, or one part of each. The attribute may be left empty.
pub(super) fn remove(
    parent: &mut Map<String, Value>,
    attribute: &Attribute,
    part: Option<&Attribute>,
    chosen: &[usize],
) {
    match (parent.get_mut(&*attribute.name), part) {
        (Some(Value::Array(elements)), None) => {
            let mut index = 0..;
            elements.retain(|_| index.next().is_none_or(|index| chosen.binary_search(&index).is_err()));
        }
        (Some(Value::Array(elements)), Some(part)) => set_each(elements, chosen, &vec![(part, None)]),
        (Some(_), None) if !chosen.is_empty() => {
            parent.shift_remove(&*attribute.name);
        }
        (Some(one), Some(part)) if !chosen.is_empty() => {
            one.as_object_mut().map(|parts| parts.shift_remove(&*part.name));
        }
        (Some(_) | None, _) => {}
    }
}

/// Whether an element says what it would be for, and no more.
fn is_hollow(element: &Map<String, Value>) -> bool {
    element.keys().all(|name| name == "type" || name == "primary")
}

fn demote(elements: &mut [Value]) {
    for element in elements.iter_mut().filter(|element| value::is_primary(element)) {
        if let Some(parts) = element.as_object_mut() {
            parts.insert("primary".to_owned(), Value::Bool(false));
        }
    }
}

//! PATCH, RFC 7644 §3.5.2: from a body to operations, from operations to a changed resource.
//!
//! Operations are carried out in their order on a copy. The copy takes the resource's place only when all of them
//! succeeded and the whole is valid. Where Entra departs from the RFC, a field of the [`Dialect`] says so.

use super::dialect::Dialect;
use super::error::Error;
use super::filter::ElementFilter;
use super::path::{self, Path};
use super::resource::{self, Resource, object, writable};
use super::schema::{Attribute, Mutability, ResourceType, Schema, Target, Type};
use super::value;
use crate::settings::LIMITS;
use serde_json::{Map, Value};

/// The schema of a PATCH body.
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A PATCH body.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest {
    operations: Vec<Operation>,
}

#[derive(Debug, Clone, PartialEq)]
struct Operation {
    op: Op,
    path: Option<Path>,
    /// Nothing where the client sent none; null where it sent that.
    value: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

impl PatchRequest {
    /// Reads a body. Names go without case, `operations` too (RFC 7643 §2.1); names that are not of PATCH are passed over.
    pub fn parse(body: &Value, dialect: &Dialect) -> Result<PatchRequest, Error> {
        let member = |name: &str| member(body, name);
        if !dialect.any_schemas {
            let listed = member("schemas").and_then(Value::as_array);
            if !listed.is_some_and(|urns| urns.iter().any(|urn| urn == PATCH_OP)) {
                return Err(Error::syntax(format!("schemas: expected {PATCH_OP}, found none")));
            }
        }
        let Some(Value::Array(operations)) = member("Operations") else {
            return Err(Error::syntax("Operations: expected an array, found none"));
        };
        if operations.is_empty() {
            return Err(Error::syntax("Operations: expected at least one operation, found none"));
        }
        if operations.len() > LIMITS.patch_operations_max {
            let (max, found) = (LIMITS.patch_operations_max, operations.len());
            return Err(Error::syntax(format!("Operations: expected at most {max} operations, found {found}")));
        }
        let read = |(index, operation)| {
            Operation::parse(operation).map_err(|error: Error| error.within(&format!("Operations[{index}].")))
        };
        Ok(PatchRequest { operations: operations.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// Carries all operations out, or none. Revision and times are the caller's.
    pub fn apply(&self, of: &'static ResourceType, resource: &Resource, dialect: &Dialect) -> Result<Resource, Error> {
        let mut changed = resource.clone();
        let patch = Patch { of, dialect };
        for (index, operation) in self.operations.iter().enumerate() {
            patch
                .operation(&mut changed, operation)
                .map_err(|error| error.within(&format!("Operations[{index}].")))?;
        }
        resource::check(of, changed.attributes())?;
        Ok(changed)
    }
}

impl Operation {
    fn parse(json: &Value) -> Result<Operation, Error> {
        let op = match member(json, "op").and_then(Value::as_str) {
            // The RFC's grammar has lower case; Entra sends capitals, and no other reading is possible.
            Some(op) if op.eq_ignore_ascii_case("add") => Op::Add,
            Some(op) if op.eq_ignore_ascii_case("replace") => Op::Replace,
            Some(op) if op.eq_ignore_ascii_case("remove") => Op::Remove,
            Some(op) => {
                let found: String = op.chars().take(40).collect();
                return Err(Error::syntax(format!("op: expected add, replace or remove, found {found:?}")));
            }
            None => return Err(Error::syntax("op: expected add, replace or remove, found none")),
        };
        let path = match member(json, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => Some(path::parse(text.trim()).map_err(|error| error.within("path: "))?),
            Some(_) => return Err(Error::path("path: expected a string, found something else")),
        };
        let value = member(json, "value").cloned();
        match (op, &path, &value) {
            (Op::Remove, None, _) => Err(Error::no_target("path: expected what to remove, found none")),
            (Op::Add | Op::Replace, _, None) => Err(Error::value("value: expected a value, found none")),
            (Op::Add | Op::Replace | Op::Remove, _, _) => Ok(Operation { op, path, value }),
        }
    }
}

fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// What the operations of one request have in common.
struct Patch<'d> {
    of: &'static ResourceType,
    dialect: &'d Dialect,
}

/// One assignment: to a place, with a value.
struct Assignment<'v> {
    op: Op,
    value: &'v Value,
    /// For messages: the path as the client wrote it.
    place: String,
}

impl Patch<'_> {
    fn operation(&self, resource: &mut Resource, operation: &Operation) -> Result<(), Error> {
        let value = operation.value.as_ref().unwrap_or(&Value::Null);
        match (&operation.path, operation.op) {
            (Some(path), Op::Remove) => self.remove(resource, path, operation.value.as_ref()),
            (Some(path), op) => {
                let assignment = Assignment { op, value, place: format!("path {path}") };
                self.assign(resource, path, &assignment)
            }
            (None, op) => self.merge(resource, op, value),
        }
    }

    /// RFC 7644 §3.5.2.1 and §3.5.2.3 without a path: each name of the value is an assignment of its own.
    fn merge(&self, resource: &mut Resource, op: Op, value: &Value) -> Result<(), Error> {
        let Value::Object(names) = value else {
            return Err(Error::value("value: expected an object where there is no path, found something else"));
        };
        for (name, value) in names {
            // Okta sends the id along, Entra's collections the schemas: RFC 7644 §3.5.1 lets read-only values be ignored.
            let ours = ["id", "schemas", "meta"].iter().any(|ours| name.eq_ignore_ascii_case(ours));
            if ours {
                continue;
            }
            let assignment = Assignment { op, value, place: format!("value.{name}") };
            let path = path::parse(name).and_then(|path| self.bind(&path).map(|_| path));
            match path {
                Ok(path) => self.assign(resource, &path, &assignment)?,
                Err(_) if self.dialect.unknown_names => {}
                Err(error) => return Err(error.within(&format!("value.{name}: "))),
            }
        }
        Ok(())
    }

    fn bind(&self, path: &Path) -> Result<Target, Error> {
        let name = match (&path.sub, &path.filter) {
            (Some(sub), Some(_)) => format!("{}.{sub}", path.name),
            (Some(_) | None, _) => path.name.clone(),
        };
        self.of.resolve(&name).map_err(Error::path)
    }

    /// `add` and `replace`.
    fn assign(&self, resource: &mut Resource, path: &Path, assignment: &Assignment<'_>) -> Result<(), Error> {
        let target = self.bind(path).map_err(|error| error.within(&format!("{}: ", assignment.place)))?;
        let (extension, attribute, sub) = match target {
            Target::Extension(schema) => return self.assign_extension(resource, schema, assignment),
            Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
        };
        guard(attribute, sub, &assignment.place)?;
        if attribute.mutability == Mutability::WriteOnly {
            value::single(attribute, assignment.value, &assignment.place, self.dialect)?;
            return Ok(());
        }
        if extension.is_none() && attribute.name == "externalId" {
            let value = value::single(attribute, assignment.value, &assignment.place, self.dialect)?;
            resource.external_id = value.and_then(resource::text_of);
            return Ok(());
        }
        let parent = self.parent(resource, extension);
        let written = match &path.filter {
            Some(filter) => {
                let filter = ElementFilter::bind(filter, attribute).map_err(|error| in_path(error, &assignment.place))?;
                self.assign_elements(parent, attribute, sub, &filter, assignment)
            }
            None => match sub {
                Some(sub) if attribute.multi_valued => self.assign_every(parent, attribute, sub, assignment),
                Some(sub) => self.assign_part(parent, attribute, sub, assignment),
                None if attribute.multi_valued => self.assign_list(parent, attribute, assignment),
                None => self.assign_single(parent, attribute, assignment),
            },
        };
        tidy(resource, extension);
        written
    }

    fn parent<'r>(&self, resource: &'r mut Resource, extension: Option<&'static Schema>) -> &'r mut Map<String, Value> {
        match extension {
            None => resource.attributes_mut(),
            Some(schema) => object(resource.attributes_mut(), schema.id),
        }
    }

    /// A whole extension as value: its attributes are merged, those not named stay.
    fn assign_extension(
        &self,
        resource: &mut Resource,
        schema: &'static Schema,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let Value::Object(names) = assignment.value else {
            return Err(Error::value(format!("{}: expected an object, found something else", assignment.place)));
        };
        for (name, value) in names {
            let place = format!("{}:{name}", assignment.place);
            match path::parse(&format!("{}:{name}", schema.id)).and_then(|path| self.bind(&path).map(|_| path)) {
                Ok(path) => self.assign(resource, &path, &Assignment { op: assignment.op, value, place })?,
                Err(_) if self.dialect.unknown_names => {}
                Err(error) => return Err(error.within(&format!("{place}: "))),
            }
        }
        Ok(())
    }

    /// A single-valued attribute. A complex one is merged, RFC 7644 §3.5.2.3: sub-attributes that are not named stay.
    fn assign_single(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'static Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let admitted = value::admit(attribute, assignment.value, &assignment.place, self.dialect)?;
        match (attribute.kind, assignment.value, admitted) {
            (Type::Complex, Value::Object(parts), _) => {
                for (name, value) in parts {
                    if let Some(sub) = attribute.sub(name).filter(|sub| sub.mutability != Mutability::ReadOnly) {
                        let place = format!("{}.{name}", assignment.place);
                        self.assign_part(parent, attribute, sub, &Assignment { op: assignment.op, value, place })?;
                    }
                }
                Ok(())
            }
            (_, _, Some(Value::Object(parts))) => {
                object(parent, attribute.name).extend(parts);
                Ok(())
            }
            (_, _, Some(value)) => {
                parent.insert(attribute.name.to_owned(), value);
                Ok(())
            }
            (_, _, None) => unset(parent, attribute),
        }
    }

    /// One part of a single complex attribute; the attribute is made if it is not there.
    fn assign_part(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'static Attribute,
        sub: &'static Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let admitted = value::admit(sub, assignment.value, &assignment.place, self.dialect)?;
        set_part(object(parent, attribute.name), sub, admitted);
        drop_empty(parent, attribute);
        Ok(())
    }

    /// All values of a multi-valued attribute: `replace` sets them, `add` appends those that are not there.
    fn assign_list(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'static Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let admitted = value::admit(attribute, assignment.value, &assignment.place, self.dialect)?;
        let new = match admitted {
            Some(Value::Array(elements)) => elements,
            Some(_) | None if assignment.op == Op::Add => return Ok(()),
            Some(_) | None => return unset(parent, attribute),
        };
        if assignment.op == Op::Replace {
            parent.insert(attribute.name.to_owned(), Value::Array(new));
            return Ok(());
        }
        let elements = list(parent, attribute);
        for element in new {
            // RFC 7644 §3.5.2.1: a value that is there already is not added again.
            if elements.contains(&element) || by_value(elements, &element).is_some() && is_bare(&element) {
                continue;
            }
            if value::is_primary(&element) {
                demote(elements);
            }
            elements.push(element);
        }
        bounded(elements, &assignment.place)
    }

    /// `emails.value`: a part of every element. Where there is none, one is made.
    fn assign_every(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'static Attribute,
        sub: &'static Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let admitted = value::admit(sub, assignment.value, &assignment.place, self.dialect)?;
        let elements = list(parent, attribute);
        if elements.is_empty() {
            elements.push(Value::Object(Map::new()));
        }
        for element in elements.iter_mut().filter_map(Value::as_object_mut) {
            set_part(element, sub, admitted.clone());
        }
        drop_hollow(parent, attribute);
        Ok(())
    }

    /// `emails[type eq "work"]` and `emails[type eq "work"].value`: the elements that fit.
    fn assign_elements(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'static Attribute,
        sub: Option<&'static Attribute>,
        filter: &ElementFilter,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let parts = self.parts(attribute, sub, assignment)?;
        let mut single = Vec::new();
        // A filter on an attribute with one value: some of Entra's mappings have it, and the value is the only element.
        let elements = if attribute.multi_valued {
            list(parent, attribute)
        } else {
            single.extend(parent.remove(attribute.name));
            &mut single
        };
        let fitting: Vec<usize> = (0..elements.len()).filter(|index| filter.matches(&elements[*index])).collect();
        if fitting.is_empty() {
            let unset = parts.iter().all(|(_, value)| value.is_none());
            let made = filter.describes().filter(|_| self.dialect.filters_create);
            match made {
                _ if unset && self.dialect.filters_create => {}
                Some(made) => elements.push(Value::Object(made)),
                None => {
                    let place = &assignment.place;
                    return Err(Error::no_target(format!("{place}: expected an element that fits, found none")));
                }
            }
        }
        let last = elements.len().saturating_sub(1);
        let chosen = if fitting.is_empty() && !elements.is_empty() { vec![last] } else { fitting };
        let made_nothing = parts.iter().all(|(_, value)| value.is_none()) && chosen.len() == 1 && !filter.matches(&elements[chosen[0]]);
        if !made_nothing {
            for index in &chosen {
                for (part, value) in &parts {
                    if part.name == "primary" && *value == Some(Value::Bool(true)) {
                        demote(elements);
                    }
                    if let Some(element) = elements[*index].as_object_mut() {
                        set_part(element, part, value.clone());
                    }
                }
            }
        }
        bounded(elements, &assignment.place)?;
        if attribute.multi_valued {
            drop_hollow(parent, attribute);
        } else if let Some(element) = single.pop().filter(|element| element.as_object().is_some_and(|p| !p.is_empty())) {
            parent.insert(attribute.name.to_owned(), element);
        }
        Ok(())
    }

    /// What is to be set in each element: one part, or several as an object.
    fn parts(
        &self,
        attribute: &'static Attribute,
        sub: Option<&'static Attribute>,
        assignment: &Assignment<'_>,
    ) -> Result<Vec<(&'static Attribute, Option<Value>)>, Error> {
        let admit = |part: &'static Attribute, value: &Value, place: &str| {
            value::admit(part, value, place, self.dialect).map(|admitted| (part, admitted))
        };
        if let Some(sub) = sub {
            return Ok(vec![admit(sub, assignment.value, &assignment.place)?]);
        }
        let wrapped;
        let value = match assignment.value {
            Value::Array(values) if self.dialect.loose_shapes && values.len() == 1 => &values[0],
            value @ Value::String(_) if self.dialect.loose_shapes && attribute.sub("value").is_some() => {
                wrapped = Value::Object(Map::from_iter([("value".to_owned(), value.clone())]));
                &wrapped
            }
            value => value,
        };
        let Value::Object(names) = value else {
            return Err(Error::value(format!("{}: expected an object, found something else", assignment.place)));
        };
        let mut parts = Vec::new();
        for (name, value) in names {
            if let Some(part) = attribute.sub(name).filter(|part| part.mutability != Mutability::ReadOnly) {
                parts.push(admit(part, value, &format!("{}.{name}", assignment.place))?);
            }
        }
        Ok(parts)
    }

    /// RFC 7644 §3.5.2.2. What is not there is removed already.
    fn remove(&self, resource: &mut Resource, path: &Path, value: Option<&Value>) -> Result<(), Error> {
        let place = format!("path {path}");
        let target = self.bind(path).map_err(|error| error.within(&format!("{place}: ")))?;
        let (extension, attribute, sub) = match target {
            Target::Extension(schema) => {
                resource.attributes_mut().remove(schema.id);
                return Ok(());
            }
            Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
        };
        guard(attribute, sub, &place)?;
        if attribute.required && sub.is_none() && path.filter.is_none() {
            return Err(Error::mutability(format!("{place}: expected it to stay, it is required")));
        }
        if extension.is_none() && attribute.name == "externalId" {
            resource.external_id = None;
            return Ok(());
        }
        let parent = self.parent(resource, extension);
        let removed = match (&path.filter, sub) {
            (Some(filter), _) => ElementFilter::bind(filter, attribute)
                .map(|filter| remove_elements(parent, attribute, sub, &filter))
                .map_err(|error| in_path(error, &place)),
            (None, Some(sub)) => {
                remove_part(parent, attribute, sub);
                Ok(())
            }
            (None, None) => self.remove_whole(parent, attribute, value, &place),
        };
        tidy(resource, extension);
        removed
    }

    /// An attribute without filter. Entra names members to remove by a value instead of by the path; an empty list of them
    /// must not empty the group.
    fn remove_whole(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'static Attribute,
        value: Option<&Value>,
        place: &str,
    ) -> Result<(), Error> {
        let Some(value) = value.filter(|_| attribute.multi_valued && self.dialect.loose_shapes) else {
            return unset(parent, attribute);
        };
        if let Some(Value::Array(named)) = value::admit(attribute, value, place, self.dialect)? {
            list(parent, attribute).retain(|element| {
                !named.iter().any(|name| name == element || part(name, "value").is_some_and(|v| part(element, "value") == Some(v)))
            });
            drop_hollow(parent, attribute);
        }
        Ok(())
    }
}

/// RFC 7644 §3.5.2: a path to something that only the server sets is refused.
fn guard(attribute: &'static Attribute, sub: Option<&'static Attribute>, place: &str) -> Result<(), Error> {
    let read_only = attribute.mutability == Mutability::ReadOnly;
    let sub_read_only = sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly);
    if read_only || sub_read_only {
        return Err(Error::mutability(format!("{place}: expected an attribute that clients may change, found a readOnly one")));
    }
    debug_assert!(writable(attribute).is_some() || attribute.mutability == Mutability::WriteOnly);
    Ok(())
}

fn in_path(error: Error, place: &str) -> Error {
    error.becoming(super::error::ScimType::InvalidPath).within(&format!("{place}: "))
}

/// Unsets an attribute. `active` stays as it is: an expression that comes out empty at the provider (entra.md §5.1 tells
/// how) must neither let a leaver in nor lock everybody out.
fn unset(parent: &mut Map<String, Value>, attribute: &'static Attribute) -> Result<(), Error> {
    if attribute.name != "active" {
        parent.shift_remove(attribute.name);
    }
    Ok(())
}

fn set_part(element: &mut Map<String, Value>, sub: &'static Attribute, value: Option<Value>) {
    match value {
        Some(value) => {
            element.insert(sub.name.to_owned(), value);
        }
        None => {
            element.shift_remove(sub.name);
        }
    }
}

fn list<'p>(parent: &'p mut Map<String, Value>, attribute: &Attribute) -> &'p mut Vec<Value> {
    let value = parent.entry(attribute.name).or_insert_with(|| Value::Array(Vec::new()));
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was made an array above")
}

fn remove_elements(
    parent: &mut Map<String, Value>,
    attribute: &'static Attribute,
    sub: Option<&'static Attribute>,
    filter: &ElementFilter,
) {
    match (parent.get_mut(attribute.name), sub) {
        (Some(Value::Array(elements)), None) => elements.retain(|element| !filter.matches(element)),
        (Some(Value::Array(elements)), Some(sub)) => {
            for element in elements.iter_mut().filter(|element| filter.matches(element)) {
                element.as_object_mut().map(|parts| parts.shift_remove(sub.name));
            }
        }
        (Some(Value::Object(parts)), Some(sub)) => {
            if filter.matches(&Value::Object(parts.clone())) {
                parts.shift_remove(sub.name);
            }
        }
        (Some(one), None) if filter.matches(one) => {
            parent.shift_remove(attribute.name);
        }
        (Some(_) | None, _) => {}
    }
    drop_hollow(parent, attribute);
    drop_empty(parent, attribute);
}

fn remove_part(parent: &mut Map<String, Value>, attribute: &'static Attribute, sub: &'static Attribute) {
    match parent.get_mut(attribute.name) {
        Some(Value::Array(elements)) => {
            for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                element.shift_remove(sub.name);
            }
        }
        Some(Value::Object(parts)) => {
            parts.shift_remove(sub.name);
        }
        Some(_) | None => {}
    }
    drop_hollow(parent, attribute);
    drop_empty(parent, attribute);
}

/// Elements that only say what they are for, and hold nothing any more, go (RFC 7643 §2.5).
fn drop_hollow(parent: &mut Map<String, Value>, attribute: &'static Attribute) {
    if let Some(Value::Array(elements)) = parent.get_mut(attribute.name) {
        elements.retain(|element| {
            element.as_object().is_none_or(|parts| {
                parts.keys().any(|name| !["type", "primary", "display"].contains(&name.as_str()))
            })
        });
        if elements.is_empty() {
            parent.shift_remove(attribute.name);
        }
    }
}

fn drop_empty(parent: &mut Map<String, Value>, attribute: &'static Attribute) {
    if parent.get(attribute.name).and_then(Value::as_object).is_some_and(Map::is_empty) {
        parent.shift_remove(attribute.name);
    }
}

/// An extension without attributes is not there.
fn tidy(resource: &mut Resource, extension: Option<&'static Schema>) {
    if let Some(schema) = extension {
        let attributes = resource.attributes_mut();
        if attributes.get(schema.id).and_then(Value::as_object).is_some_and(Map::is_empty) {
            attributes.shift_remove(schema.id);
        }
    }
}

/// RFC 7644 §3.5.2: a new primary value takes the mark from the one before.
fn demote(elements: &mut [Value]) {
    for element in elements.iter_mut().filter(|element| value::is_primary(element)) {
        if let Some(parts) = element.as_object_mut() {
            parts.insert("primary".to_owned(), Value::Bool(false));
        }
    }
}

fn bounded(elements: &[Value], place: &str) -> Result<(), Error> {
    let max = LIMITS.values_max;
    if elements.len() > max {
        return Err(Error::value(format!("{place}: expected at most {max} values, found {}", elements.len())));
    }
    Ok(())
}

fn part<'v>(element: &'v Value, name: &str) -> Option<&'v Value> {
    element.get(name)
}

fn by_value<'v>(elements: &'v [Value], element: &Value) -> Option<&'v Value> {
    let value = part(element, "value")?;
    elements.iter().find(|other| part(other, "value") == Some(value))
}

/// An element that is nothing but its value, such as a member.
fn is_bare(element: &Value) -> bool {
    element.as_object().is_some_and(|parts| parts.keys().all(|name| ["value", "$ref", "type"].contains(&name.as_str())))
}

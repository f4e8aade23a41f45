//! PATCH, RFC 7644 §3.5.2: from a body to operations, from operations to a changed resource.
//!
//! Operations are carried out in their order on a copy. The copy takes the resource's place only when all of them
//! succeeded and the whole is valid. What is read where a client departs from the RFC is the [`Reading`]'s.

mod elements;
mod relation;

pub use relation::RelationStep;

use super::body::JsonBody;
use super::effort::{self, Effort};
use super::error::{Error, ScimType};
use super::filter::{ElementFilter, Filter};
use super::path::{self, Path};
use super::reading::{self, Leniency, Reading, member};
use super::resource::{self, Resource, object};
use super::schema::{Attribute, Mutability, ResourceType, Schema, Target, Type};
use super::value;
use crate::settings::LIMITS;
use elements::Parts;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::RefCell;

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
struct Operation {
    op: Op,
    path: Option<Path>,
    /// The value where a text held the operations; elsewhere it stays in the body, which may be nothing but this.
    own_value: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

impl<'b> PatchRequest<'b> {
    /// Reads a body. Names go without case, `operations` too (RFC 7643 §2.1); names that are not of PATCH are passed over.
    pub fn parse(body: impl Into<JsonBody<'b>>, reading: &Reading) -> Result<PatchRequest<'b>, Error> {
        let body = body.into();
        let operations = operations(&body, reading)?;
        Ok(PatchRequest { body, operations })
    }

    /// Carries all operations out, or none. Revision and times are the caller's.
    pub fn apply(&self, of: &ResourceType, resource: &Resource, reading: &Reading) -> Result<Resource, Error> {
        let mut changed = resource.clone();
        self.carry_out(&Patch { of, reading, steps: None, effort: &Effort::default() }, resource, &mut changed)?;
        Ok(changed)
    }

    /// The same where [`ResourceType::relation`] is kept apart from the resource: what the operations do to it comes out as
    /// steps, none of which needed to know what was there. What they compare is counted in `effort`.
    pub fn apply_apart<'s>(
        &self,
        of: &'s ResourceType,
        resource: &Resource,
        reading: &'s Reading,
        effort: &'s Effort,
    ) -> Result<(Resource, Vec<RelationStep<'s>>), Error> {
        let mut changed = resource.clone();
        let patch = Patch { of, reading, steps: Some(RefCell::default()), effort };
        self.carry_out(&patch, resource, &mut changed)?;
        Ok((changed, patch.steps.map(RefCell::into_inner).unwrap_or_default()))
    }

    fn carry_out(&self, patch: &Patch<'_>, before: &Resource, changed: &mut Resource) -> Result<(), Error> {
        let sent = sent_operations(&self.body);
        for (index, operation) in self.operations.iter().enumerate() {
            let value = operation.own_value.as_ref().or_else(|| sent.get(index).and_then(value_of));
            let carried_out = patch.operation(changed, operation, value);
            carried_out.map_err(|error| error.within(&format!("Operations[{index}].")))?;
        }
        changed.settle(patch.of, Some(before))?;
        resource::check(patch.of, changed.attributes())
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

/// What the operations of one request have in common.
struct Patch<'s> {
    of: &'s ResourceType,
    reading: &'s Reading,
    /// Where the steps go for what is kept apart; nothing where all is in the resource.
    steps: Option<RefCell<Vec<RelationStep<'s>>>>,
    /// What the request may still compute.
    effort: &'s Effort,
}

/// Comparisons of two elements in the time of one unit: most differ at first sight.
const PAIRS_A_UNIT: usize = 4;

/// One assignment: to a place, with a value.
struct Assignment<'v> {
    op: Op,
    value: &'v Value,
    /// For messages: the path as the client wrote it.
    place: String,
}

impl Assignment<'_> {
    /// RFC 7644 §3.5.2.1: one value may be added to those of a multi-valued attribute, without an array around it.
    fn as_added(&self, attribute: &Attribute, whole: bool) -> Option<Value> {
        let is_one = match self.value {
            Value::Object(_) => true,
            Value::Bool(_) | Value::Number(_) => attribute.is_list_of_values(),
            Value::String(text) => attribute.is_list_of_values() && !text.is_empty() && !text.starts_with(['[', '{']),
            Value::Null | Value::Array(_) => false,
        };
        let added = self.op == Op::Add && attribute.multi_valued && whole && is_one;
        added.then(|| Value::Array(vec![self.value.clone()]))
    }
}

impl<'s> Patch<'s> {
    /// Carries one operation out. `value` is nothing where the client sent none, and null where it sent that.
    fn operation(&self, resource: &mut Resource, operation: &Operation, value: Option<&Value>) -> Result<(), Error> {
        match (&operation.path, operation.op) {
            (Some(path), Op::Remove) => self.remove(resource, path, value),
            (Some(path), op) => {
                let assignment = Assignment { op, value: value.unwrap_or(&Value::Null), place: format!("path {path}") };
                let Some(target) = self.bind(path, &assignment.place)? else {
                    return Ok(());
                };
                guard(&target, &assignment.place)?;
                self.assign(resource, path, target, &assignment)
            }
            (None, op) => {
                let found = value.and_then(|value| reading::object(value, "value", self.reading));
                match found.as_deref() {
                    Some(Value::Object(names)) => self.merge(resource, op, None, names, "value"),
                    Some(_) | None => {
                        Err(Error::value("value: expected an object where there is no path, found something else"))
                    }
                }
            }
        }
    }

    /// RFC 7644 §3.5.2.1 and §3.5.2.3 without a path, and an extension as a whole: each name of the value is an
    /// assignment of its own, and attributes that are not named stay. Entra's names may be whole paths.
    ///
    /// What only the server sets is refused (RFC 7644 §3.5.2), unless it says what is so already, or the reading passes it
    /// over as in PUT: Okta sends the id along.
    fn merge(
        &self,
        resource: &mut Resource,
        op: Op,
        extension: Option<&'s Schema>,
        names: &Map<String, Value>,
        within: &str,
    ) -> Result<(), Error> {
        value::check_names(names, within)?;
        for (name, value) in names {
            // RFC 7643 §3: `schemas` says what an object is made by, and the object of an extension is named by that already.
            if extension.is_some() && name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            let full = match extension {
                Some(schema) => format!("{}:{name}", schema.id),
                None => name.clone(),
            };
            let place = format!("{within}.{name}");
            let path = match path::parse(&full, self.reading) {
                Ok(path) => path,
                // A bracket is no part of any name: this was meant as a path, and must not be lost without a word.
                Err(_) if !name.contains('[') && self.reading.reads(Leniency::UnknownName, &full) => continue,
                Err(error) => return Err(error.within(&format!("{place}: "))),
            };
            match self.bind(&path, &place)? {
                Some(target) if target.read_only() => self.pass_over(resource, &target, value, &place)?,
                Some(target) => self.assign(resource, &path, target, &Assignment { op, value, place })?,
                None => {}
            }
        }
        Ok(())
    }

    fn pass_over(&self, resource: &Resource, target: &Target<'s>, value: &Value, place: &str) -> Result<(), Error> {
        // `schemas` is an attribute of every message, and says here what the message is about.
        let says_schemas =
            matches!(target, Target::Attribute { extension: None, attribute, .. } if attribute.name == "schemas");
        let listed = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if says_schemas
            || listed == resource.values(self.of, target, None)
            || self.reading.reads(Leniency::ReadOnlySent, place)
        {
            return Ok(());
        }
        guard(target, place)
    }

    /// What a path means; nothing where the reading passes over it, since no schema has its names: one mapping too many at
    /// the provider must not keep the rest of the request from being done.
    fn bind(&self, path: &Path, place: &str) -> Result<Option<Target<'s>>, Error> {
        let name = match (&path.sub, &path.filter) {
            (Some(sub), Some(_)) => Cow::Owned(format!("{}.{sub}", path.name)),
            (Some(_) | None, _) => Cow::Borrowed(&path.name),
        };
        match self.of.resolve(&name) {
            Ok(target) => Ok(Some(target)),
            Err(_) if self.reading.reads(Leniency::UnknownName, &name) => Ok(None),
            Err(problem) => Err(Error::path(problem).within(&format!("{place}: "))),
        }
    }

    /// `add` and `replace`.
    fn assign(
        &self,
        resource: &mut Resource,
        path: &Path,
        target: Target<'s>,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let (extension, attribute, sub) = match target {
            Target::Extension(schema) => return self.assign_extension(resource, schema, assignment),
            Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
        };
        // Not kept, as in POST and PUT; a refusal of its value would have to quote a secret.
        if attribute.is_hidden() || sub.is_some_and(Attribute::is_hidden) {
            return Ok(());
        }
        if extension.is_none() && attribute.name == "externalId" {
            resource.external_id = self.admit(attribute, assignment)?.and_then(resource::text_of);
            return Ok(());
        }
        let one;
        let assignment = match assignment.as_added(attribute, sub.is_none() && path.filter.is_none()) {
            Some(added) => {
                one = added;
                &Assignment { op: assignment.op, value: &one, place: assignment.place.clone() }
            }
            None => assignment,
        };
        if let Some(steps) = self.steps_for(extension, attribute) {
            let mut made = self.assign_apart(path, attribute, sub, assignment)?;
            steps.borrow_mut().append(&mut made);
            return Ok(());
        }
        let parent = parent(resource, extension);
        match (&path.filter, sub) {
            (Some(filter), None) if attribute.is_list_of_values() || self.replaces_whole(assignment.op) => {
                self.assign_whole(parent, attribute, filter, assignment)
            }
            (Some(filter), _) => self.assign_fitting(parent, attribute, sub, filter, assignment),
            (None, Some(sub)) if attribute.multi_valued => self.assign_every(parent, attribute, sub, assignment),
            (None, Some(sub)) => self.assign_part(parent, attribute, sub, assignment),
            (None, None) if attribute.multi_valued => self.assign_list(parent, attribute, assignment),
            (None, None) => self.assign_single(parent, attribute, assignment),
        }?;
        tidy(resource, extension);
        Ok(())
    }

    fn admit(&self, attribute: &Attribute, assignment: &Assignment<'_>) -> Result<Option<Value>, Error> {
        value::admit(attribute, assignment.value, &assignment.place, self.reading)
    }

    fn assign_extension(
        &self,
        resource: &mut Resource,
        schema: &'s Schema,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        if assignment.value.is_null() {
            if assignment.op == Op::Replace {
                clear(resource, schema);
            }
            return Ok(());
        }
        match reading::object(assignment.value, &assignment.place, self.reading).as_deref() {
            Some(Value::Object(names)) => self.merge(resource, assignment.op, Some(schema), names, &assignment.place),
            Some(_) | None => {
                Err(Error::value(format!("{}: expected an object, found something else", assignment.place)))
            }
        }
    }

    /// A single-valued attribute. Of a complex one only the parts that are named change (RFC 7644 §3.5.2.3); a reference
    /// is set whole, since the rest of it describes the resource that it points to.
    fn assign_single(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let found = match attribute.kind {
            Type::Complex => reading::object(assignment.value, &assignment.place, self.reading),
            Type::String
            | Type::Boolean
            | Type::Decimal
            | Type::Integer
            | Type::DateTime
            | Type::Binary
            | Type::Reference => None,
        };
        let merged = found.as_deref().and_then(Value::as_object).is_some_and(|parts| {
            !attribute.is_reference() || !parts.keys().any(|name| name.eq_ignore_ascii_case("value"))
        });
        if merged {
            let parts = self.parts(attribute, None, assignment)?;
            elements::set(object(parent, &attribute.name), parts);
            drop_empty(parent, attribute);
            return Ok(());
        }
        match self.admit(attribute, assignment)? {
            Some(Value::Object(parts)) if attribute.is_reference() && !parts.contains_key("value") => {
                self.unset(parent, attribute);
            }
            Some(value) => {
                parent.insert(attribute.name.to_string(), value);
            }
            None => self.unset(parent, attribute),
        }
        Ok(())
    }

    /// One part of a single complex attribute; the attribute is made if it is not there.
    fn assign_part(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        sub: &'s Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let admitted = self.admit(sub, assignment)?;
        let parts = object(parent, &attribute.name);
        if attribute.is_reference() && sub.name == "value" && parts.get("value") != admitted.as_ref() {
            parts.clear();
        }
        elements::set(parts, vec![(sub, admitted)]);
        drop_empty(parent, attribute);
        Ok(())
    }

    /// All values of a multi-valued attribute: `replace` sets them, `add` adds those that are not there.
    fn assign_list(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let admitted = self.admit(attribute, assignment)?;
        if let Some(new) = &admitted {
            value::check_primary(attribute, new, &assignment.place)?;
            // More references than values may come in one request, but only for what is kept apart, which this is not.
            if let (Value::Array(new), Some(_)) = (new, &self.steps) {
                bounded(new, &assignment.place)?;
            }
        }
        match (assignment.op, admitted) {
            (Op::Add, Some(Value::Array(new))) => {
                let elements = elements::list(parent, attribute);
                self.spend_pairs(&new, elements.len(), &assignment.place)?;
                elements::add(elements, attribute, new, &assignment.place)?;
                bounded(elements, &assignment.place)
            }
            (Op::Add, _) => Ok(()),
            (Op::Replace | Op::Remove, Some(new)) => {
                parent.insert(attribute.name.to_string(), value::distinct(attribute, new));
                Ok(())
            }
            (Op::Replace | Op::Remove, None) => {
                self.unset(parent, attribute);
                Ok(())
            }
        }
    }

    /// `emails.value`: a part of every element. Where there is none, one is made.
    fn assign_every(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        sub: &'s Attribute,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let parts = vec![(sub, self.admit(sub, assignment)?)];
        let elements = elements::list(parent, attribute);
        elements.iter().try_for_each(|element| elements::check_immutable(element, &parts, &assignment.place))?;
        if elements.is_empty() {
            elements.push(Value::Object(Map::new()));
        }
        let all: Vec<usize> = (0..elements.len()).collect();
        self.spend(all.len(), &assignment.place)?;
        repeatable(&parts, all.len(), &assignment.place)?;
        elements::set_each(elements, &all, &parts);
        drop_empty(parent, attribute);
        Ok(())
    }

    /// `emails[type eq "work"]` and `emails[type eq "work"].value`: the elements that fit. An object as value is merged
    /// into them: what it does not name stays, their `type` first of all.
    fn assign_fitting(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        sub: Option<&'s Attribute>,
        filter: &Filter,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let (filter, fitting) = self.fitting(parent, attribute, filter, &assignment.place)?;
        let parts = self.parts(attribute, sub, assignment)?;
        if fitting.is_empty() {
            return self.make(parent, attribute, &filter, parts, &assignment.place);
        }
        match parent.get_mut(&*attribute.name) {
            Some(Value::Array(elements)) => {
                repeatable(&parts, fitting.len(), &assignment.place)?;
                for element in fitting.iter().filter_map(|index| elements.get(*index)) {
                    elements::check_immutable(element, &parts, &assignment.place)?;
                }
                elements::set_each(elements, &fitting, &parts);
            }
            // Some of Entra's mappings have a filter on an attribute with one value; the value is its only element.
            Some(Value::Object(element)) => elements::set(element, parts),
            Some(_) | None => {}
        }
        drop_empty(parent, attribute);
        Ok(())
    }

    /// Whether an operation on what a filter chooses means whole elements.
    fn replaces_whole(&self, op: Op) -> bool {
        op == Op::Replace && !self.reading.dialect().filters_merge
    }

    /// RFC 7644 §3.5.2.3: "all matching record values SHALL be replaced". So it is with elements without parts, too, of which
    /// there is nothing to be merged.
    fn assign_whole(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        filter: &Filter,
        assignment: &Assignment<'_>,
    ) -> Result<(), Error> {
        let place = &assignment.place;
        let (_, fitting) = self.fitting(parent, attribute, filter, place)?;
        let new = value::single(attribute, assignment.value, place, self.reading)?;
        if fitting.is_empty() {
            return self.make_whole(parent, attribute, new, place);
        }
        let elements = elements::all(parent, attribute);
        // They are copied, and compared with each other in the end.
        self.spend(elements.iter().map(effort::weight).sum(), place)?;
        let mut elements = elements.to_vec();
        if let Some(new) = &new {
            within_all(new.to_string().len(), fitting.len(), place)?;
            let parts = attribute.sub_attributes.iter().map(|part| (part, new.get(&*part.name).cloned())).collect();
            let mut chosen = fitting.iter().filter_map(|index| elements.get(*index));
            chosen.try_for_each(|element| elements::check_immutable(element, &parts, place))?;
        }
        elements::replace_each(&mut elements, &fitting, new.as_ref());
        keeps_required(attribute, elements.is_empty(), place)?;
        let whole = if attribute.multi_valued {
            Some(value::distinct(attribute, Value::Array(elements)))
        } else {
            elements.pop()
        };
        match whole {
            Some(whole) => parent.insert(attribute.name.to_string(), whole),
            None => parent.shift_remove(&*attribute.name),
        };
        drop_empty(parent, attribute);
        Ok(())
    }

    /// As [`Patch::make`]; of an element without parts its value is all that there is to say.
    fn make_whole(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        new: Option<Value>,
        place: &str,
    ) -> Result<(), Error> {
        if !self.reading.dialect().filters_create || !attribute.is_list_of_values() {
            return Err(Error::no_target(format!("{place}: expected an element that fits, found none")));
        }
        let Some(new) = new else {
            return Ok(());
        };
        let elements = elements::list(parent, attribute);
        elements::add(elements, attribute, vec![new], place)?;
        bounded(elements, place)
    }

    /// The elements that fit a filter, by their numbers.
    fn fitting(
        &self,
        parent: &Map<String, Value>,
        attribute: &'s Attribute,
        filter: &Filter,
        place: &str,
    ) -> Result<(ElementFilter<'s>, Vec<usize>), Error> {
        let filter = ElementFilter::bind(filter, attribute, self.reading).map_err(|error| in_path(error, place))?;
        let elements = elements::all(parent, attribute);
        filter.spend(self.effort, elements, place)?;
        let fitting = (0..).zip(elements).filter(|(_, element)| filter.matches(element)).map(|(index, _)| index);
        let fitting = fitting.collect();
        Ok((filter, fitting))
    }

    /// Counts comparisons with elements.
    fn spend(&self, units: usize, place: &str) -> Result<(), Error> {
        self.effort.spend(units);
        self.effort.check(place)
    }

    /// Counts the comparisons of new elements with those that are there, and with each other where all of them come to stay.
    fn spend_pairs(&self, new: &[Value], elements: usize, place: &str) -> Result<(), Error> {
        let weight: usize = new.iter().map(effort::weight).sum();
        self.spend(weight.saturating_mul(elements + new.len() / 2 + 1) / PAIRS_A_UNIT, place)
    }

    /// RFC 7644 §3.5.2.3: `noTarget` where no element fits. Entra expects the element to be made: it addresses an element
    /// by what it is for, whether it is there or not. What the filter says of it, and then the value, make it up.
    fn make(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        filter: &ElementFilter<'_>,
        parts: Parts<'s>,
        place: &str,
    ) -> Result<(), Error> {
        let create = self.reading.dialect().filters_create;
        if create && parts.iter().all(|(_, value)| value.is_none()) {
            return Ok(());
        }
        let described = filter.describes().map(Value::Object).filter(|element| create && filter.matches(element));
        let Some(Value::Object(mut element)) = described else {
            return Err(Error::no_target(format!("{place}: expected an element that fits, found none")));
        };
        elements::set(&mut element, parts);
        if !attribute.multi_valued {
            parent.insert(attribute.name.to_string(), Value::Object(element));
            return Ok(());
        }
        let elements = elements::list(parent, attribute);
        elements::push(elements, Value::Object(element));
        bounded(elements, place)
    }

    /// What is to be set in an element: one part, or several as an object.
    fn parts(
        &self,
        attribute: &'s Attribute,
        sub: Option<&'s Attribute>,
        assignment: &Assignment<'_>,
    ) -> Result<Parts<'s>, Error> {
        if let Some(sub) = sub {
            return Ok(vec![(sub, self.admit(sub, assignment)?)]);
        }
        let place = &assignment.place;
        let found = match (reading::object(assignment.value, place, self.reading), value::standing_for(attribute)) {
            (Some(found), _) => found,
            (None, Some(part))
                if matches!(assignment.value, Value::String(_) | Value::Number(_) | Value::Bool(_))
                    && self.reading.reads(Leniency::PlainForObject, place) =>
            {
                return Ok(vec![(part, self.admit(part, assignment)?)]);
            }
            (None, _) => return Err(Error::value(format!("{place}: expected an object, found something else"))),
        };
        let Some(names) = found.as_object() else {
            return Err(Error::value(format!("{place}: expected an object, found something else")));
        };
        value::check_names(names, &assignment.place)?;
        let writable = |name: &str| attribute.sub(name).filter(|part| resource::writable(part).is_some());
        let named = names.iter().filter_map(|(name, value)| {
            if attribute.sub(name).is_none() {
                self.reading.pass_over(place, name);
            }
            Some((writable(name)?, value))
        });
        let admit = |(part, value): (&'s Attribute, &Value)| {
            let place = format!("{place}.{}", part.name);
            Ok((part, value::admit(part, value, &place, self.reading)?))
        };
        named.map(admit).collect()
    }

    /// RFC 7644 §3.5.2.2. What is not there is removed already.
    fn remove(&self, resource: &mut Resource, path: &Path, value: Option<&Value>) -> Result<(), Error> {
        let place = format!("path {path}");
        let Some(target) = self.bind(path, &place)? else {
            return Ok(());
        };
        guard(&target, &place)?;
        let (extension, attribute, sub) = match target {
            Target::Extension(schema) => {
                clear(resource, schema);
                return Ok(());
            }
            Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
        };
        keeps_required(attribute, sub.is_none() && path.filter.is_none(), &place)?;
        if extension.is_none() && attribute.name == "externalId" {
            resource.external_id = None;
            return Ok(());
        }
        if let Some(steps) = self.steps_for(extension, attribute) {
            steps.borrow_mut().extend(self.remove_apart(path, attribute, value, &place)?);
            return Ok(());
        }
        let parent = parent(resource, extension);
        match (&path.filter, sub) {
            (Some(filter), _) => {
                let (_, fitting) = self.fitting(parent, attribute, filter, &place)?;
                keeps_parts(parent, attribute, sub, &fitting, &place)?;
                elements::remove(parent, attribute, sub, &fitting);
                keeps_required(attribute, !fitting.is_empty() && elements::all(parent, attribute).is_empty(), &place)?;
            }
            (None, Some(_)) => {
                let all: Vec<usize> = (0..elements::all(parent, attribute).len()).collect();
                keeps_parts(parent, attribute, sub, &all, &place)?;
                elements::remove(parent, attribute, sub, &all);
            }
            (None, None) => self.remove_whole(parent, attribute, value, &place)?,
        }
        drop_empty(parent, attribute);
        tidy(resource, extension);
        Ok(())
    }

    /// An attribute without filter. Entra names the members to remove in a value instead of in the path, and an empty list
    /// of them must not empty the group. Elsewhere a value that names no element is passed over, as the RFC has none.
    fn remove_whole(
        &self,
        parent: &mut Map<String, Value>,
        attribute: &'s Attribute,
        value: Option<&Value>,
        place: &str,
    ) -> Result<(), Error> {
        match self.elements_named(attribute, value, place)? {
            None => self.unset(parent, attribute),
            Some(value) => {
                if let Some(Value::Array(named)) = value::admit(attribute, value, place, self.reading)? {
                    self.spend_pairs(&named, elements::all(parent, attribute).len(), place)?;
                    let is_named =
                        |element: &Value| named.iter().any(|name| elements::is_named(attribute, name, element));
                    let all = (0..).zip(elements::all(parent, attribute));
                    let chosen: Vec<usize> =
                        all.filter(|(_, element)| is_named(element)).map(|(index, _)| index).collect();
                    elements::remove(parent, attribute, None, &chosen);
                }
            }
        }
        Ok(())
    }
}

impl<'s> Patch<'s> {
    /// The value of a `remove`, if it says which elements are meant. Where the reading does not give it that meaning it is refused:
    /// carried out as if it were not there, the request would remove more than the client named.
    fn elements_named<'v>(
        &self,
        attribute: &Attribute,
        value: Option<&'v Value>,
        place: &str,
    ) -> Result<Option<&'v Value>, Error> {
        let Some(value) = value.filter(|_| attribute.multi_valued) else {
            return Ok(None);
        };
        let listed = value.is_object() || value.as_array().is_some_and(|elements| !elements.is_empty());
        if !listed && !attribute.is_reference() {
            return Ok(None);
        }
        if self.reading.reads(Leniency::RemovalByValue, place) {
            return Ok(Some(value));
        }
        if listed || value.is_array() {
            let wanted =
                "expected a filter in the path that says which elements to remove, found a value that lists them";
            return Err(Error::value(format!("{place}: {wanted}")));
        }
        Ok(None)
    }

    /// Unsets an attribute. `active` stays as it is unless the reading is strict: an expression of the provider that comes
    /// out empty must neither let a leaver in nor lock everybody out.
    fn unset(&self, parent: &mut Map<String, Value>, attribute: &Attribute) {
        if !attribute.is_active() || !self.reading.reads(Leniency::ActiveUnset, &attribute.name) {
            parent.shift_remove(&*attribute.name);
        }
    }

    fn steps_for(
        &self,
        extension: Option<&'s Schema>,
        attribute: &Attribute,
    ) -> Option<&RefCell<Vec<RelationStep<'s>>>> {
        self.steps.as_ref().filter(|_| self.of.is_relation(extension, attribute))
    }
}

/// RFC 7644 §3.5.2: a path to what only the server sets is refused, and one to what never changes once it is set.
fn guard(target: &Target<'_>, place: &str) -> Result<(), Error> {
    let found = match target {
        _ if target.read_only() => "a readOnly one",
        // Of the built-in attributes only members have such parts. They are kept apart and come and go whole; what a tenant's
        // own schema has is compared with what was there.
        Target::Attribute { extension: None, sub: Some(sub), .. } if sub.mutability == Mutability::Immutable => {
            "an immutable one"
        }
        Target::Attribute { .. } | Target::Extension(_) => return Ok(()),
    };
    Err(Error::mutability(format!("{place}: expected an attribute that clients may change, found {found}")))
}

/// An immutable part that is to be removed from elements has to be without a value.
fn keeps_parts(
    parent: &Map<String, Value>,
    attribute: &Attribute,
    part: Option<&Attribute>,
    chosen: &[usize],
    place: &str,
) -> Result<(), Error> {
    let (Some(part), Some(Value::Array(elements))) = (part, parent.get(&*attribute.name)) else {
        return Ok(());
    };
    let parts = vec![(part, None)];
    let mut chosen = chosen.iter().filter_map(|index| elements.get(*index));
    chosen.try_for_each(|element| elements::check_immutable(element, &parts, place))
}

/// RFC 7644 §3.5.2.2: an attribute that is required does not go, nor does the last of its elements.
fn keeps_required(attribute: &Attribute, goes: bool, place: &str) -> Result<(), Error> {
    if attribute.required && goes {
        return Err(Error::mutability(format!("{place}: expected it to stay, it is required")));
    }
    Ok(())
}

/// Unsets what a client sees of an extension. What it does not see is not the client's.
fn clear(resource: &mut Resource, schema: &Schema) {
    let seen =
        |name: &str| schema.attribute(name).filter(|attribute| resource.of_extension(schema, attribute).is_some());
    let gone: Vec<&Attribute> = schema.attributes.iter().filter_map(|attribute| seen(&attribute.name)).collect();
    if let Some(Value::Object(parts)) = resource.attributes_mut().get_mut(&*schema.id) {
        parts.retain(|name, _| !gone.iter().any(|attribute| attribute.name == *name));
    }
    tidy(resource, Some(schema));
}

/// A filter that does not bind makes the path wrong.
fn in_path(error: Error, place: &str) -> Error {
    error.with_scim_type(ScimType::InvalidPath).within(&format!("{place}: "))
}

/// Where an attribute of the resource or of an extension stands.
fn parent<'r>(resource: &'r mut Resource, extension: Option<&Schema>) -> &'r mut Map<String, Value> {
    match extension {
        None => resource.attributes_mut(),
        Some(schema) => object(resource.attributes_mut(), &schema.id),
    }
}

/// An attribute of which nothing is left is not there (RFC 7643 §2.5), nor is a reference to nothing.
fn drop_empty(parent: &mut Map<String, Value>, attribute: &Attribute) {
    let empty = match parent.get(&*attribute.name) {
        Some(Value::Array(elements)) => elements.is_empty(),
        Some(Value::Object(parts)) => parts.is_empty() || attribute.is_reference() && !parts.contains_key("value"),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => false,
    };
    if empty {
        parent.shift_remove(&*attribute.name);
    }
}

/// An extension without attributes is not there.
fn tidy(resource: &mut Resource, extension: Option<&Schema>) {
    if let Some(schema) = extension {
        let attributes = resource.attributes_mut();
        if attributes.get(&*schema.id).and_then(Value::as_object).is_some_and(Map::is_empty) {
            attributes.shift_remove(&*schema.id);
        }
    }
}

/// One value that is set in many elements must not grow beyond a whole resource before that is looked at.
fn repeatable(parts: &Parts<'_>, elements: usize, place: &str) -> Result<(), Error> {
    let texts = parts.iter().filter_map(|(_, value)| value.as_ref()?.as_str());
    within_all(texts.map(str::len).sum(), elements, place)
}

fn within_all(bytes: usize, elements: usize, place: &str) -> Result<(), Error> {
    let bytes = bytes.saturating_mul(elements);
    let max = LIMITS.resource_bytes_max;
    if bytes > max {
        return Err(Error::value(format!("{place}: expected at most {max} bytes in all elements, found {bytes}")));
    }
    Ok(())
}

fn bounded(elements: &[Value], place: &str) -> Result<(), Error> {
    let max = LIMITS.values_max;
    if elements.len() > max {
        return Err(Error::value(format!("{place}: expected at most {max} values, found {}", elements.len())));
    }
    Ok(())
}

// What an operation does is in the data files of `tests/data/patch`, and what holds of all in `tests/scim_laws.rs`.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{Meta, ResourceBody};
    use serde_json::json;

    fn apply(operations: Vec<Value>) -> Result<Resource, String> {
        let reading = Reading::of(crate::scim::Dialect::entra());
        let body = Map::from_iter([("userName".to_owned(), json!("alice"))]);
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let meta = Meta { created: now, last_modified: now, revision: 1 };
        let user =
            Resource::new("1".to_owned(), meta, ResourceBody::parse(ResourceType::user(), &body, &reading).unwrap());
        PatchRequest::parse(&json!({"Operations": operations}), &reading)
            .and_then(|request| request.apply(ResourceType::user(), &user, &reading))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_value_filters_compare_is_bounded_in_a_request() {
        let elements = LIMITS.values_max;
        let emails: Vec<Value> = (0..elements).map(|n| json!({"value": n.to_string()})).collect();
        let terms = LIMITS.filter_terms_max;
        let path = format!("emails[{}]", vec!["type pr"; terms].join(" or "));
        let with = |count: usize| {
            // What is replaced is compared with nothing that was there.
            let mut operations = vec![json!({"op": "replace", "path": "emails", "value": emails})];
            operations.extend(vec![json!({"op": "remove", "path": path}); count]);
            apply(operations)
        };
        let max = LIMITS.request_effort_max;
        let count = max / (elements * terms);
        assert!(with(count).is_ok());
        let wanted = format!("expected at most {max} comparisons in one request, found more");
        assert_eq!(with(count + 1).unwrap_err(), format!("Operations[{}].path {path}: {wanted}", count + 1));
    }

    #[test]
    fn elements_that_are_added_or_named_are_counted_by_those_they_are_compared_with() {
        let emails =
            |from: usize| (from..LIMITS.values_max).map(|n| json!({"value": n.to_string()})).collect::<Value>();
        let fill = json!({"op": "replace", "path": "emails", "value": emails(0)});
        for (op, fits) in [("add", 2), ("remove", 2)] {
            let again = json!({"op": op, "path": "emails", "value": emails(1)});
            let with = |count: usize| {
                // What was removed is put back, which costs nothing.
                let operations = vec![[fill.clone(), again.clone()]; count];
                apply(operations.concat())
            };
            assert!(with(fits).is_ok(), "{op}");
            let refused = with(20).unwrap_err();
            assert!(refused.contains("comparisons in one request"), "{op}: {refused}");
        }
    }

    #[test]
    fn a_long_text_is_compared_at_its_length() {
        let max = LIMITS.value_bytes_max;
        let path = format!("roles[{}]", vec!["value eq \"x\""; LIMITS.filter_terms_max].join(" or "));
        let with = |bytes: usize| {
            let mut operations = vec![add("roles", json!([{"value": "x".repeat(bytes)}]))];
            operations.extend(vec![json!({"op": "remove", "path": path}); 200]);
            apply(operations).is_ok()
        };
        assert!(with(1_024) && !with(max));
    }

    fn add(path: &str, value: Value) -> Value {
        json!({"op": "add", "path": path, "value": value})
    }

    #[test]
    fn operations_are_bounded() {
        let max = LIMITS.patch_operations_max;
        assert!(apply(vec![add("title", json!("Boss")); max]).is_ok());
        assert_eq!(
            apply(vec![add("title", json!("Boss")); max + 1]),
            Err(format!("Operations: expected at most {max} operations, found {}", max + 1))
        );
    }

    #[test]
    fn values_are_bounded_however_they_are_added() {
        let max = LIMITS.values_max;
        let full = || add("roles", (0..max).map(|index| json!({"value": index.to_string()})).collect());
        let refusal =
            |place: &str| Err(format!("Operations[1].{place}: expected at most {max} values, found {}", max + 1));
        assert!(apply(vec![full()]).is_ok());
        assert!(apply(vec![full(), add("roles", json!([{"value": "0"}]))]).is_ok());
        assert_eq!(apply(vec![full(), add("roles", json!([{"value": "x"}]))]), refusal("path roles"));
        let path = r#"roles[type eq "x"].value"#;
        assert_eq!(apply(vec![full(), add(path, json!("x"))]), refusal(&format!("path {path}")));
        assert_eq!(apply(vec![full(), json!({"op": "add", "value": {path: "x"}})]), refusal(&format!("value.{path}")));
    }

    #[test]
    fn a_resource_is_bounded_however_it_grows() {
        let grown = |count: usize| {
            let text = "x".repeat(LIMITS.value_bytes_max);
            apply((0..count).map(|index| add("roles", json!([{"value": text, "type": index.to_string()}]))).collect())
        };
        let max = LIMITS.resource_bytes_max;
        let fitting = max / LIMITS.value_bytes_max - 1;
        assert!(grown(fitting).is_ok());
        let refusal = grown(fitting + 1).unwrap_err();
        assert!(refusal.starts_with(&format!("body: expected at most {max} bytes of attributes, found ")), "{refusal}");
    }

    #[test]
    fn a_value_that_is_set_in_many_elements_is_bounded_at_once() {
        let roles = || add("roles", (0..64).map(|index| json!({"value": index.to_string(), "type": "x"})).collect());
        let max = LIMITS.resource_bytes_max;
        for path in ["roles.display", r#"roles[type eq "x"].display"#] {
            let grown =
                |bytes: usize| apply(vec![roles(), add(path, json!("x".repeat(bytes))), add(path, Value::Null)]);
            assert!(grown(max / 64).is_ok(), "{path}");
            assert_eq!(
                grown(max / 64 + 1),
                Err(format!(
                    "Operations[1].path {path}: expected at most {max} bytes in all elements, found {}",
                    max + 64
                ))
            );
        }
    }

    #[test]
    fn a_password_is_passed_over_whatever_it_is() {
        for value in [json!("s3cret"), json!(4711), json!({"x": "y"}), Value::Null] {
            assert_eq!(apply(vec![add("password", value)]), apply(vec![add("title", Value::Null)]));
        }
    }

    #[test]
    fn paths_and_their_values_are_bounded() {
        let max = LIMITS.path_bytes_max;
        assert_eq!(
            apply(vec![add(&"x".repeat(max + 1), json!("x"))]).unwrap_err(),
            format!("Operations[0].path: expected at most {max} bytes, found {}", max + 1)
        );
        let max = LIMITS.value_bytes_max;
        assert!(apply(vec![add("title", json!("x".repeat(max)))]).is_ok());
        assert_eq!(
            apply(vec![add("title", json!("x".repeat(max + 1)))]).unwrap_err(),
            format!("Operations[0].path title: expected at most {max} bytes, found {}", max + 1)
        );
    }
}

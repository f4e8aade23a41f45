//! Where an operation writes: an attribute in the object that has it, of the resource or of an extension.

use super::super::effort;
use super::super::error::Error;
use super::super::filter::{ElementFilter, Filter};
use super::super::reading::{self, Leniency};
use super::super::resource::object;
use super::super::schema::{Attribute, Type};
use super::super::value;
use super::context::{Assignment, Destination};
use super::elements::{self, Parts};
use super::request::Op;
use serde_json::{Map, Value};

/// The place of an attribute.
pub(super) struct Slot<'p, 's> {
    pub(super) destination: Destination<'p, 's>,
    /// The object that has the attribute, or may get it.
    pub(super) parent: &'p mut Map<String, Value>,
    /// Whether the resource has references that are kept apart from it. This attribute is none of them.
    pub(super) is_beside_relation: bool,
}

impl<'s> Slot<'_, 's> {
    /// `add` and `replace`.
    pub(super) fn assign(&mut self, assignment: &Assignment<'_>) -> Result<(), Error> {
        let Destination { context, attribute, sub, filter, .. } = self.destination;
        match (filter, sub) {
            (Some(filter), None) if attribute.is_list_of_values() || context.replaces_whole(assignment.op) => {
                self.assign_whole(filter, assignment.value)
            }
            (Some(filter), _) => self.assign_fitting(filter, assignment.value),
            (None, Some(sub)) if attribute.multi_valued => self.assign_every(sub, assignment.value),
            (None, Some(sub)) => self.assign_part(sub, assignment.value),
            (None, None) if attribute.multi_valued => self.assign_list(assignment),
            (None, None) => self.assign_single(assignment.value),
        }
    }

    /// RFC 7644 §3.5.2.2. What is not there is removed already. `value` is nothing where the client sent none.
    pub(super) fn remove(&mut self, value: Option<&Value>) -> Result<(), Error> {
        let Destination { attribute, sub, filter, .. } = self.destination;
        match (filter, sub) {
            (Some(filter), _) => {
                let filter = self.destination.bind(filter)?;
                let fitting = self.destination.fitting(&filter, self.elements())?;
                self.keeps_parts(&fitting)?;
                elements::remove(self.parent, attribute, sub, &fitting);
                self.destination.keeps_required(!fitting.is_empty() && self.elements().is_empty())?;
            }
            (None, Some(_)) => {
                let all: Vec<usize> = (0..self.elements().len()).collect();
                self.keeps_parts(&all)?;
                elements::remove(self.parent, attribute, sub, &all);
            }
            (None, None) => self.remove_whole(value)?,
        }
        self.drop_empty();
        Ok(())
    }

    fn name(&self) -> &'s str {
        &self.destination.attribute.name
    }

    fn elements(&self) -> &[Value] {
        elements::all(self.parent, self.destination.attribute)
    }

    fn put(&mut self, value: Value) {
        self.parent.insert(self.name().to_owned(), value);
    }

    /// A single-valued attribute. Of a complex one only the parts that are named change (RFC 7644 §3.5.2.3); a reference
    /// is set whole, since the rest of it describes the resource that it points to.
    fn assign_single(&mut self, value: &Value) -> Result<(), Error> {
        let Destination { context, attribute, place, .. } = self.destination;
        let found = match attribute.kind {
            Type::Complex => reading::object(value, place, context.reading),
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
            let parts = self.destination.parts(value)?;
            elements::set(object(self.parent, &attribute.name), parts);
            self.drop_empty();
            return Ok(());
        }
        match self.destination.admit(attribute, value)? {
            Some(Value::Object(parts)) if attribute.is_reference() && !parts.contains_key("value") => self.unset(),
            Some(value) => self.put(value),
            None => self.unset(),
        }
        Ok(())
    }

    /// One part of a single complex attribute; the attribute is made if it is not there.
    fn assign_part(&mut self, sub: &'s Attribute, value: &Value) -> Result<(), Error> {
        let attribute = self.destination.attribute;
        let admitted = self.destination.admit(sub, value)?;
        let parts = object(self.parent, &attribute.name);
        if attribute.is_reference() && sub.name == "value" && parts.get("value") != admitted.as_ref() {
            parts.clear();
        }
        elements::set(parts, vec![(sub, admitted)]);
        self.drop_empty();
        Ok(())
    }

    /// All values of a multi-valued attribute: `replace` sets them, `add` adds those that are not there.
    fn assign_list(&mut self, assignment: &Assignment<'_>) -> Result<(), Error> {
        let Destination { attribute, place, .. } = self.destination;
        let admitted = self.destination.admit(attribute, assignment.value)?;
        if let Some(new) = &admitted {
            value::check_primary(attribute, new, place)?;
            // More references than values may come in one request, but only for what is kept apart, which this is not.
            if let Value::Array(new) = new
                && self.is_beside_relation
            {
                self.destination.bounded(new)?;
            }
        }
        match (assignment.op, admitted) {
            (Op::Add, Some(Value::Array(new))) => self.add(new),
            (Op::Add, _) => Ok(()),
            (Op::Replace | Op::Remove, Some(new)) => {
                self.put(value::distinct(attribute, new));
                Ok(())
            }
            (Op::Replace | Op::Remove, None) => {
                self.unset();
                Ok(())
            }
        }
    }

    fn add(&mut self, new: Vec<Value>) -> Result<(), Error> {
        let Destination { attribute, place, .. } = self.destination;
        let elements = elements::list(self.parent, attribute);
        self.destination.spend_pairs(&new, elements.len())?;
        elements::add(elements, attribute, new, place)?;
        self.destination.bounded(elements)
    }

    /// `emails.value`: a part of every element. Where there is none, one is made.
    fn assign_every(&mut self, sub: &'s Attribute, value: &Value) -> Result<(), Error> {
        let Destination { attribute, place, .. } = self.destination;
        let parts = vec![(sub, self.destination.admit(sub, value)?)];
        let elements = elements::list(self.parent, attribute);
        elements.iter().try_for_each(|element| elements::check_immutable(element, &parts, place))?;
        if elements.is_empty() {
            elements.push(Value::Object(Map::new()));
        }
        let all: Vec<usize> = (0..elements.len()).collect();
        self.destination.spend(all.len())?;
        self.destination.repeatable(&parts, all.len())?;
        elements::set_each(elements, &all, &parts);
        self.drop_empty();
        Ok(())
    }

    /// `emails[type eq "work"]` and `emails[type eq "work"].value`: the elements that fit. An object as value is merged
    /// into them: what it does not name stays, their `type` first of all.
    fn assign_fitting(&mut self, filter: &Filter, value: &Value) -> Result<(), Error> {
        let Destination { attribute, place, .. } = self.destination;
        let filter = self.destination.bind(filter)?;
        let fitting = self.destination.fitting(&filter, self.elements())?;
        let parts = self.destination.parts(value)?;
        if fitting.is_empty() {
            return self.make(&filter, parts);
        }
        match self.parent.get_mut(&*attribute.name) {
            Some(Value::Array(elements)) => {
                self.destination.repeatable(&parts, fitting.len())?;
                for element in fitting.iter().filter_map(|index| elements.get(*index)) {
                    elements::check_immutable(element, &parts, place)?;
                }
                elements::set_each(elements, &fitting, &parts);
            }
            // Some of Entra's mappings have a filter on an attribute with one value; the value is its only element.
            Some(Value::Object(element)) => elements::set(element, parts),
            Some(_) | None => {}
        }
        self.drop_empty();
        Ok(())
    }

    /// RFC 7644 §3.5.2.3: "all matching record values SHALL be replaced". So it is with elements without parts, too, of
    /// which there is nothing to be merged.
    fn assign_whole(&mut self, filter: &Filter, value: &Value) -> Result<(), Error> {
        let Destination { context, attribute, place, .. } = self.destination;
        let filter = self.destination.bind(filter)?;
        let fitting = self.destination.fitting(&filter, self.elements())?;
        let new = value::single(attribute, value, place, context.reading)?;
        if fitting.is_empty() {
            return self.make_whole(new);
        }
        let elements = self.elements();
        // They are copied, and compared with each other in the end.
        self.destination.spend(elements.iter().map(effort::weight).sum())?;
        let mut elements = elements.to_vec();
        if let Some(new) = &new {
            self.destination.within_all(new.to_string().len(), fitting.len())?;
            let parts = attribute.sub_attributes.iter().map(|part| (part, new.get(&*part.name).cloned())).collect();
            let mut chosen = fitting.iter().filter_map(|index| elements.get(*index));
            chosen.try_for_each(|element| elements::check_immutable(element, &parts, place))?;
        }
        elements::replace_each(&mut elements, &fitting, new.as_ref());
        self.destination.keeps_required(elements.is_empty())?;
        let whole = if attribute.multi_valued {
            Some(value::distinct(attribute, Value::Array(elements)))
        } else {
            elements.pop()
        };
        match whole {
            Some(whole) => self.put(whole),
            None => drop(self.parent.shift_remove(self.name())),
        }
        self.drop_empty();
        Ok(())
    }

    /// RFC 7644 §3.5.2.3: `noTarget` where no element fits. Entra expects the element to be made: it addresses an element
    /// by what it is for, whether it is there or not. What the filter says of it, and then the value, make it up.
    fn make(&mut self, filter: &ElementFilter<'_>, parts: Parts<'s>) -> Result<(), Error> {
        let Destination { context, attribute, .. } = self.destination;
        let create = context.filters_create();
        if create && parts.iter().all(|(_, value)| value.is_none()) {
            return Ok(());
        }
        let described = filter.describes().map(Value::Object).filter(|element| create && filter.matches(element));
        let Some(Value::Object(mut element)) = described else {
            return Err(self.nothing_fits());
        };
        elements::set(&mut element, parts);
        if !attribute.multi_valued {
            self.put(Value::Object(element));
            return Ok(());
        }
        let elements = elements::list(self.parent, attribute);
        elements::push(elements, Value::Object(element));
        self.destination.bounded(elements)
    }

    /// Where no element fits a filter and whole elements are meant: Entra expects an element without parts to be made,
    /// since its value is all that there is to say of it. Elsewhere it is `noTarget`, RFC 7644 §3.5.2.3.
    fn make_whole(&mut self, new: Option<Value>) -> Result<(), Error> {
        let Destination { context, attribute, place, .. } = self.destination;
        if !context.filters_create() || !attribute.is_list_of_values() {
            return Err(self.nothing_fits());
        }
        let Some(new) = new else {
            return Ok(());
        };
        let elements = elements::list(self.parent, attribute);
        elements::add(elements, attribute, vec![new], place)?;
        self.destination.bounded(elements)
    }

    fn nothing_fits(&self) -> Error {
        Error::no_target(format!("{}: expected an element that fits, found none", self.destination.place))
    }

    /// An attribute without filter. Entra names the members to remove in a value instead of in the path, and an empty list
    /// of them must not empty the group. Elsewhere a value that names no element is passed over, as the RFC has none.
    fn remove_whole(&mut self, value: Option<&Value>) -> Result<(), Error> {
        let attribute = self.destination.attribute;
        let Some(value) = self.destination.elements_named(value)? else {
            self.unset();
            return Ok(());
        };
        if let Some(Value::Array(named)) = self.destination.admit(attribute, value)? {
            self.destination.spend_pairs(&named, self.elements().len())?;
            let is_named = |element: &Value| named.iter().any(|name| elements::is_named(attribute, name, element));
            let all = (0..).zip(self.elements());
            let chosen: Vec<usize> = all.filter(|(_, element)| is_named(element)).map(|(index, _)| index).collect();
            elements::remove(self.parent, attribute, None, &chosen);
        }
        Ok(())
    }

    /// Unsets an attribute. `active` stays as it is unless the reading is strict: an expression of the provider that comes
    /// out empty must neither let a leaver in nor lock everybody out.
    fn unset(&mut self) {
        let Destination { context, attribute, .. } = self.destination;
        if !attribute.is_active() || !context.reading.reads(Leniency::ActiveUnset, &attribute.name) {
            self.parent.shift_remove(self.name());
        }
    }

    /// An immutable part that is to be removed from elements has to be without a value.
    fn keeps_parts(&self, chosen: &[usize]) -> Result<(), Error> {
        let (Some(part), Some(Value::Array(elements))) = (self.destination.sub, self.parent.get(self.name())) else {
            return Ok(());
        };
        let parts = vec![(part, None)];
        let mut chosen = chosen.iter().filter_map(|index| elements.get(*index));
        chosen.try_for_each(|element| elements::check_immutable(element, &parts, self.destination.place))
    }

    /// An attribute of which nothing is left is not there (RFC 7643 §2.5), nor is a reference to nothing.
    fn drop_empty(&mut self) {
        let is_reference = self.destination.attribute.is_reference();
        let empty = match self.parent.get(self.name()) {
            Some(Value::Array(elements)) => elements.is_empty(),
            Some(Value::Object(parts)) => parts.is_empty() || is_reference && !parts.contains_key("value"),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => false,
        };
        if empty {
            self.parent.shift_remove(self.name());
        }
    }
}

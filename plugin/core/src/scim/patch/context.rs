//! What an operation has to know beside its value: what its request may still compute, and what its path means.

use super::super::effort::{self, Effort};
use super::super::error::{Error, ScimType};
use super::super::filter::{ElementFilter, Filter};
use super::super::reading::{self, Leniency, Reading};
use super::super::resource;
use super::super::schema::{Attribute, Schema};
use super::super::value;
use super::elements::Parts;
use super::request::Op;
use crate::settings::LIMITS;
use serde_json::{Map, Value};

/// Comparisons of two elements in the time of one unit: most differ at first sight.
const PAIRS_A_UNIT: usize = 4;

/// What the operations of one request have in common.
#[derive(Clone, Copy)]
pub(super) struct PatchContext<'s> {
    pub(super) reading: &'s Reading,
    /// What the request may still compute.
    pub(super) effort: &'s Effort,
}

/// One assignment: to a place, with a value.
#[derive(Clone, Copy)]
pub(super) struct Assignment<'v> {
    pub(super) op: Op,
    pub(super) value: &'v Value,
    /// For messages: the path as the client wrote it.
    pub(super) place: &'v str,
}

/// What the path of an operation means: an attribute, a part of it, those of its elements that fit.
#[derive(Clone, Copy)]
pub(super) struct Destination<'p, 's> {
    pub(super) context: PatchContext<'s>,
    /// The extension that has the attribute; nothing where the resource itself has it.
    pub(super) extension: Option<&'s Schema>,
    pub(super) attribute: &'s Attribute,
    pub(super) sub: Option<&'s Attribute>,
    pub(super) filter: Option<&'p Filter>,
    /// For messages: the path as the client wrote it.
    pub(super) place: &'p str,
}

impl PatchContext<'_> {
    /// Whether an operation on what a filter chooses means whole elements.
    pub(super) fn replaces_whole(&self, op: Op) -> bool {
        op == Op::Replace && !self.reading.dialect().filters_merge
    }

    /// Whether an element that a filter names is made where none fits.
    pub(super) fn filters_create(&self) -> bool {
        self.reading.dialect().filters_create
    }
}

impl<'s> Destination<'_, 's> {
    /// Whether it is the identifier of the provisioning client, which a resource keeps apart from its attributes.
    pub(super) fn is_external_id(&self) -> bool {
        self.extension.is_none() && self.attribute.name == "externalId"
    }

    /// Whether the attribute is meant as a whole, with all parts of all elements.
    pub(super) fn is_whole(&self) -> bool {
        self.sub.is_none() && self.filter.is_none()
    }

    /// Lets the value of an attribute in, or of a part.
    pub(super) fn admit(&self, attribute: &Attribute, value: &Value) -> Result<Option<Value>, Error> {
        value::admit(attribute, value, self.place, self.context.reading)
    }

    /// RFC 7644 §3.5.2.1: one value may be added to those of a multi-valued attribute, without an array around it.
    pub(super) fn as_added(&self, op: Op, value: &Value) -> Option<Value> {
        let attribute = self.attribute;
        let is_one = match value {
            Value::Object(_) => true,
            Value::Bool(_) | Value::Number(_) => attribute.is_list_of_values(),
            Value::String(text) => attribute.is_list_of_values() && !text.is_empty() && !text.starts_with(['[', '{']),
            Value::Null | Value::Array(_) => false,
        };
        let added = op == Op::Add && attribute.multi_valued && self.is_whole() && is_one;
        added.then(|| Value::Array(vec![value.clone()]))
    }

    /// A value filter of the path. One that does not bind makes the path wrong.
    pub(super) fn bind(&self, filter: &Filter) -> Result<ElementFilter<'s>, Error> {
        ElementFilter::bind(filter, self.attribute, self.context.reading)
            .map_err(|error| error.with_scim_type(ScimType::InvalidPath).within(&format!("{}: ", self.place)))
    }

    /// What is to be set in an element: one part, or several as an object.
    pub(super) fn parts(&self, value: &Value) -> Result<Parts<'s>, Error> {
        if let Some(sub) = self.sub {
            return Ok(vec![(sub, self.admit(sub, value)?)]);
        }
        let (reading, place) = (self.context.reading, self.place);
        let found = match (reading::object(value, place, reading), value::standing_for(self.attribute)) {
            (Some(found), _) => found,
            (None, Some(part))
                if matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
                    && reading.reads(Leniency::PlainForObject, place) =>
            {
                return Ok(vec![(part, self.admit(part, value)?)]);
            }
            (None, _) => return Err(Error::value(format!("{place}: expected an object, found something else"))),
        };
        match found.as_object() {
            Some(names) => self.named_parts(names),
            None => Err(Error::value(format!("{place}: expected an object, found something else"))),
        }
    }

    fn named_parts(&self, names: &Map<String, Value>) -> Result<Parts<'s>, Error> {
        let (attribute, reading, place) = (self.attribute, self.context.reading, self.place);
        value::check_names(names, place)?;
        let writable = |name: &str| attribute.sub(name).filter(|part| resource::writable(part).is_some());
        let named = names.iter().filter_map(|(name, value)| {
            if attribute.sub(name).is_none() {
                reading.pass_over(place, name);
            }
            Some((writable(name)?, value))
        });
        let admit = |(part, value): (&'s Attribute, &Value)| {
            let place = format!("{place}.{}", part.name);
            Ok((part, value::admit(part, value, &place, reading)?))
        };
        named.map(admit).collect()
    }

    /// The value of a `remove`, if it says which elements are meant. Where the reading does not give it that meaning it is
    /// refused: carried out as if it were not there, the request would remove more than the client named.
    pub(super) fn elements_named<'v>(&self, value: Option<&'v Value>) -> Result<Option<&'v Value>, Error> {
        let Some(value) = value.filter(|_| self.attribute.multi_valued) else {
            return Ok(None);
        };
        let listed = value.is_object() || value.as_array().is_some_and(|elements| !elements.is_empty());
        if !listed && !self.attribute.is_reference() {
            return Ok(None);
        }
        if self.context.reading.reads(Leniency::RemovalByValue, self.place) {
            return Ok(Some(value));
        }
        if listed || value.is_array() {
            let wanted =
                "expected a filter in the path that says which elements to remove, found a value that lists them";
            return Err(Error::value(format!("{}: {wanted}", self.place)));
        }
        Ok(None)
    }

    /// RFC 7644 §3.5.2.2: an attribute that is required does not go, nor does the last of its elements.
    pub(super) fn keeps_required(&self, goes: bool) -> Result<(), Error> {
        if self.attribute.required && goes {
            return Err(Error::mutability(format!("{}: expected it to stay, it is required", self.place)));
        }
        Ok(())
    }

    /// The elements that fit a filter, by their numbers.
    pub(super) fn fitting(&self, filter: &ElementFilter<'_>, elements: &[Value]) -> Result<Vec<usize>, Error> {
        filter.spend(self.context.effort, elements, self.place)?;
        let fitting = (0..).zip(elements).filter(|(_, element)| filter.matches(element)).map(|(index, _)| index);
        Ok(fitting.collect())
    }

    /// Counts comparisons with elements.
    pub(super) fn spend(&self, units: usize) -> Result<(), Error> {
        self.context.effort.spend(units);
        self.context.effort.check(self.place)
    }

    /// Counts the comparisons of new elements with those that are there, and with each other where all of them come to
    /// stay.
    pub(super) fn spend_pairs(&self, new: &[Value], elements: usize) -> Result<(), Error> {
        let weight: usize = new.iter().map(effort::weight).sum();
        self.spend(weight.saturating_mul(elements + new.len() / 2 + 1) / PAIRS_A_UNIT)
    }

    /// One value that is set in many elements must not grow beyond a whole resource before that is looked at.
    pub(super) fn repeatable(&self, parts: &Parts<'_>, elements: usize) -> Result<(), Error> {
        let texts = parts.iter().filter_map(|(_, value)| value.as_ref()?.as_str());
        self.within_all(texts.map(str::len).sum(), elements)
    }

    /// A value of so many bytes that is put into so many elements.
    pub(super) fn within_all(&self, bytes: usize, elements: usize) -> Result<(), Error> {
        let bytes = bytes.saturating_mul(elements);
        let max = LIMITS.resource_bytes_max;
        if bytes > max {
            let place = self.place;
            return Err(Error::value(format!("{place}: expected at most {max} bytes in all elements, found {bytes}")));
        }
        Ok(())
    }

    /// An attribute has at most so many values.
    pub(super) fn bounded(&self, elements: &[Value]) -> Result<(), Error> {
        let max = LIMITS.values_max;
        if elements.len() > max {
            let found = elements.len();
            return Err(Error::value(format!("{}: expected at most {max} values, found {found}", self.place)));
        }
        Ok(())
    }
}

//! Filters bound to a schema: every name leads to an attribute, every value fits its type.

use super::comparison::{Operand, compares, operand};
use super::syntax::{Compare, Filter, parse};
use crate::scim::error::Error;
use crate::scim::reading::Reading;
use crate::scim::schema::{Attribute, ResourceType, Target, Type};
use serde_json::Value;

/// A filter whose names have been found in a schema and whose values fit their types.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundFilter<'s> {
    pub(super) of: &'s ResourceType,
    pub(super) node: Node<'s>,
}

impl<'s> BoundFilter<'s> {
    /// Reads a filter and binds it.
    ///
    /// # Errors
    /// `invalidFilter`, with what was expected, what was found, and where.
    pub fn parse(text: &str, of: &'s ResourceType, reading: &Reading) -> Result<BoundFilter<'s>, Error> {
        BoundFilter::bind(&parse(text, reading)?, of, reading)
    }

    /// Binds a filter to each of several types. RFC 7644 §3.4.2.1: an attribute that a type does not have is there one
    /// without a value, and only what no type has is a mistake.
    ///
    /// # Errors
    /// `invalidFilter`, with what was expected, what was found, and where.
    pub fn parse_for(text: &str, types: &[&'s ResourceType], reading: &Reading) -> Result<Vec<BoundFilter<'s>>, Error> {
        let filter = parse(text, reading)?;
        let bound = |of: &&'s ResourceType| {
            let node = bind(&filter, &Names::Resource { of, among: types }, reading)?;
            Ok(BoundFilter { of, node })
        };
        types.iter().map(bound).collect()
    }

    /// Finds every name in the schema and checks every value against its type.
    ///
    /// # Errors
    /// `invalidFilter`, with the name or value that does not fit.
    pub fn bind(filter: &Filter, of: &'s ResourceType, reading: &Reading) -> Result<BoundFilter<'s>, Error> {
        let node = bind(filter, &Names::Resource { of, among: &[] }, reading)?;
        Ok(BoundFilter { of, node })
    }
}

/// A filter over the parts of one element.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementFilter<'s>(pub(super) Node<'s>);

impl<'s> ElementFilter<'s> {
    pub(crate) fn bind(
        filter: &Filter,
        attribute: &'s Attribute,
        reading: &Reading,
    ) -> Result<ElementFilter<'s>, Error> {
        bind(filter, &Names::Element(attribute), reading).map(ElementFilter)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'s> {
    And(Vec<Node<'s>>),
    Or(Vec<Node<'s>>),
    Not(Box<Node<'s>>),
    Compare(Place<'s>, Compare, Operand),
    Present(Place<'s>),
    Element(Target<'s>, Box<Node<'s>>),
    /// What is so for every resource of the type.
    Constant(bool),
}

/// Where a comparison looks: in the resource, or in the element that is being looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place<'s> {
    Resource(Target<'s>),
    /// A part of the element; where elements have no parts, the attribute itself, for all that an element is.
    Element(&'s Attribute),
}

impl<'s> Place<'s> {
    fn leaf(&self) -> Option<&'s Attribute> {
        match self {
            Place::Resource(target) => target.leaf(),
            Place::Element(attribute) => Some(attribute),
        }
    }
}

/// What the names of a filter mean.
enum Names<'n, 's> {
    /// Attributes of a type, or of another one that is asked at the same time.
    Resource { of: &'s ResourceType, among: &'n [&'s ResourceType] },
    /// Parts of an element.
    Element(&'s Attribute),
}

impl<'s> Names<'_, 's> {
    /// Where a name leads; nothing where only another type has it.
    fn place(&self, name: &str) -> Result<Option<Place<'s>>, Error> {
        match self {
            Names::Resource { .. } => Ok(self.target(name)?.map(Place::Resource)),
            // RFC 7643 §2.4: an element without parts is its `value`.
            Names::Element(attribute) if attribute.is_list_of_values() && name.eq_ignore_ascii_case("value") => {
                Ok(Some(Place::Element(attribute)))
            }
            Names::Element(attribute) => {
                let of = &attribute.name;
                let sub = attribute.sub(name).ok_or_else(|| {
                    Error::filter(format!("filter: {name}: expected a sub-attribute of {of}, found an unknown name"))
                })?;
                readable(sub, name)?;
                Ok(Some(Place::Element(sub)))
            }
        }
    }

    fn target(&self, name: &str) -> Result<Option<Target<'s>>, Error> {
        match self {
            Names::Resource { of, among } => match of.resolve_in_filter(name) {
                Ok(target) => {
                    if let Target::Attribute { attribute, sub, .. } = target {
                        readable(attribute, name)?;
                        sub.map_or(Ok(()), |sub| readable(sub, name))?;
                    }
                    Ok(Some(target))
                }
                Err(_) if among.iter().any(|other| other.resolve_in_filter(name).is_ok()) => Ok(None),
                Err(error) => Err(error),
            },
            Names::Element(_) => Err(Error::filter(format!("filter: {name}: expected no brackets within brackets"))),
        }
    }
}

fn bind<'s>(filter: &Filter, names: &Names<'_, 's>, reading: &Reading) -> Result<Node<'s>, Error> {
    let all =
        |filters: &[Filter]| filters.iter().map(|filter| bind(filter, names, reading)).collect::<Result<Vec<_>, _>>();
    Ok(match filter {
        Filter::And(filters) => Node::And(all(filters)?),
        Filter::Or(filters) => Node::Or(all(filters)?),
        Filter::Not(filter) => Node::Not(Box::new(bind(filter, names, reading)?)),
        Filter::Present(name) => names.place(name)?.map_or(Node::Constant(false), Node::Present),
        Filter::Compare(name, compare, value) => match names.place(name)? {
            Some(place) => comparison(name, place, *compare, value, reading)?,
            None => {
                let text = || Operand::Text { text: String::new(), folded: None };
                let operand = if value.is_null() { Operand::Null } else { text() };
                Node::Constant(compares(&[], *compare, &operand))
            }
        },
        Filter::Element(name, filter) => match names.target(name)? {
            Some(target) => element(name, target, filter, reading)?,
            None => Node::Constant(false),
        },
    })
}

fn comparison<'s>(
    name: &str,
    place: Place<'s>,
    compare: Compare,
    value: &Value,
    reading: &Reading,
) -> Result<Node<'s>, Error> {
    let leaf = place.leaf().ok_or_else(|| {
        Error::filter(format!("filter: {name}: expected a sub-attribute to compare, found the whole attribute"))
    })?;
    let operand = operand(name, leaf, compare, value, reading)?;
    Ok(Node::Compare(place, compare, operand))
}

fn element<'s>(name: &str, target: Target<'s>, filter: &Filter, reading: &Reading) -> Result<Node<'s>, Error> {
    match target {
        Target::Attribute { attribute, sub: None, .. }
            if attribute.kind == Type::Complex || attribute.is_list_of_values() =>
        {
            Ok(Node::Element(target, Box::new(bind(filter, &Names::Element(attribute), reading)?)))
        }
        Target::Attribute { .. } | Target::Extension(_) => Err(Error::filter(format!(
            "filter: {name}: expected a complex or multi-valued attribute before the bracket"
        ))),
    }
}

/// RFC 7643 §7 lets a server take filters on what it never returns. We do not keep such values, so no filter could be
/// right.
fn readable(attribute: &Attribute, name: &str) -> Result<(), Error> {
    if attribute.is_hidden() {
        let wanted = "expected an attribute that is returned, found one that never is";
        return Err(Error::filter(format!("filter: {name}: {wanted}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        BoundFilter::parse(text, ResourceType::user(), &Reading::strict()).unwrap_err().to_string()
    }

    #[test]
    fn a_filter_that_does_not_bind_names_the_attribute() {
        for (text, expected) in [
            ("shoeSize eq \"42\"", "filter: shoeSize: expected an attribute of User, found an unknown name"),
            (
                "emails.kind eq \"x\"",
                "filter: emails.kind: expected one of the sub-attributes value, display, type, primary",
            ),
            ("emails[kind eq \"x\"]", "filter: kind: expected a sub-attribute of emails, found an unknown name"),
            ("emails[emails[type pr]]", "filter: emails: expected no brackets within brackets"),
            ("userName[value pr]", "filter: userName: expected a complex or multi-valued attribute before the bracket"),
            ("name eq \"x\"", "filter: name: expected a sub-attribute to compare, found the whole attribute"),
            ("active gt true", "filter: active: expected \"eq\" or \"ne\" for this value"),
            ("active eq \"maybe\"", "filter: active: expected true or false"),
            ("active eq 1", "filter: active: expected a value of type boolean"),
            ("userName eq 1", "filter: userName: expected a value of type string"),
            ("title gt null", "filter: title: expected \"eq\" or \"ne\" for this value"),
            ("meta.created gt \"soon\"", "filter: meta.created: expected a dateTime such as \"2026-11-23T10:00:00Z\""),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
    }
}

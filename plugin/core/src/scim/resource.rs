//! Resources: a typed envelope around attributes that have passed the schema.

use super::effort;
use super::error::Error;
use super::reading::{self, Leniency, Reading};
use super::schema::{Attribute, Mutability, ResourceType, Schema, Target};
use super::value;
use crate::settings::LIMITS;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A resource, RFC 7643 §3.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Chosen by us, never changed.
    pub id: String,
    /// Chosen by the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Times and revision.
    pub meta: Meta,
    attributes: Map<String, Value>,
}

/// What we know of a resource beside its attributes, RFC 7643 §3.1.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub last_modified: Timestamp,
    /// Counts the states of the resource from 1.
    pub revision: u64,
}

impl Meta {
    /// The entity tag of this state, RFC 7644 §3.14. Weak, since two answers with different projections share it.
    pub fn version(&self) -> String {
        format!("W/\"{}\"", self.revision)
    }
}

/// A resource as a client sends it with POST or PUT, after the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceBody {
    external_id: Option<String>,
    attributes: Map<String, Value>,
    says_active: bool,
    /// The ids that [`ResourceType::relation`] is to have; for groups, their members.
    pub related: Vec<String>,
}

impl ResourceBody {
    /// Lets a body in. Attributes that only the server sets are passed over (RFC 7644 §3.3), and so are names that no
    /// schema has: a provider's mapping may be larger than what we keep. A user's `active` is true where it is not said.
    ///
    /// # Errors
    /// The attribute, what was expected of it and what was found, with the `scimType`.
    pub fn parse(of: &ResourceType, body: &Map<String, Value>, reading: &Reading) -> Result<ResourceBody, Error> {
        value::check_names(body, "body")?;
        check_schemas(of, body, reading)?;
        let mut resource = Draft { of, reading, external_id: None, attributes: Map::new(), related: Vec::new() };
        for (name, value) in body {
            let name = reading.attribute_name(name);
            if let Some(schema) = of.extension(name) {
                resource.extension(schema, value)?;
            } else if let Ok(target) = of.resolve(name) {
                resource.put(&target, value, name)?;
            } else {
                reading.pass_over("", name);
            }
        }
        let Draft { external_id, mut attributes, related, .. } = resource;
        let says_active = attributes.contains_key("active");
        if of.schema.attribute("active").is_some() {
            attributes.entry("active").or_insert(Value::Bool(true));
        }
        check(of, &attributes)?;
        Ok(ResourceBody { external_id, attributes, says_active, related })
    }
}

impl Resource {
    /// A resource of what a client sent.
    pub fn new(id: String, meta: Meta, body: ResourceBody) -> Resource {
        Resource { id, external_id: body.external_id, meta, attributes: body.attributes }
    }

    /// A resource as it was stored.
    pub(crate) fn stored(
        id: String,
        external_id: Option<String>,
        meta: Meta,
        attributes: Map<String, Value>,
    ) -> Resource {
        Resource { id, external_id, meta, attributes }
    }

    /// This resource with everything in it replaced, RFC 7644 §3.5.1. Revision and times are the caller's.
    ///
    /// The RFC leaves to us what becomes of an attribute that the body does not have. We unset it, but leave `active` as it
    /// is: no body that is silent about it lets a leaver in again. What clients do not see or cannot change stays, too.
    ///
    /// # Errors
    /// An extension lacks what its schema requires, or has another value of what never changes (`mutability`).
    pub fn replaced(&self, of: &ResourceType, body: ResourceBody) -> Result<Resource, Error> {
        let says_active = body.says_active;
        let mut replaced = Resource::new(self.id.clone(), self.meta.clone(), body);
        if !says_active && self.attributes.contains_key("active") {
            replaced.attributes.insert("active".to_owned(), Value::Bool(self.active()));
        }
        for (urn, value) in self.attributes.iter().filter(|(name, _)| is_urn(name)) {
            let Some(schema) = of.extension(urn) else {
                replaced.attributes.insert(urn.clone(), value.clone());
                continue;
            };
            for (name, value) in parts(value).filter(|(name, _)| self.stays(schema, name)) {
                object(&mut replaced.attributes, urn).entry(name).or_insert_with(|| value.clone());
            }
        }
        replaced.settle(of, Some(self))?;
        Ok(replaced)
    }

    /// Looks at the extensions that a change touched, or that a new resource has: what their schemas require is there, and
    /// what never changes has not. An extension that was not touched is left alone, so that a schema which a tenant made
    /// stricter keeps nobody from being disabled.
    pub(crate) fn settle(&mut self, of: &ResourceType, before: Option<&Resource>) -> Result<(), Error> {
        for schema in of.schemas().filter(|schema| !std::ptr::eq(*schema, of.schema)) {
            let old = before.and_then(|before| before.attributes.get(&*schema.id));
            if old == self.attributes.get(&*schema.id) {
                continue;
            }
            for attribute in schema.attributes.iter() {
                let place = format!("{}:{}", schema.id, attribute.name);
                let old = before.and_then(|before| before.of_extension(schema, attribute));
                let new = self.attributes.get_mut(&*schema.id).and_then(|parts| parts.get_mut(&*attribute.name));
                keep_immutable(attribute, old.as_ref(), new, &place)?;
            }
            let Some(seen) = self.extension(schema) else {
                continue;
            };
            for attribute in schema.attributes.iter() {
                let place = format!("{}:{}", schema.id, attribute.name);
                let value = seen.get(&*attribute.name);
                check_required(attribute, value, &place)?;
                value.map(|value| value::check_primary(attribute, value, &place)).transpose()?;
            }
        }
        Ok(())
    }

    /// Whether a resource that was stored elsewhere could have been let in here: what the built-in schemas have is of their
    /// types, nothing that nobody may read is there, and all bounds hold. Of a tenant's own schemas the bounds hold alone:
    /// they may have changed since, and what does not fit them is kept and not seen.
    pub(crate) fn check_stored(&self, of: &ResourceType) -> Result<(), Error> {
        if let Some(found) = self.external_id.as_ref().map(String::len).filter(|len| *len > LIMITS.value_bytes_max) {
            let max = LIMITS.value_bytes_max;
            return Err(Error::value(format!("externalId: expected at most {max} bytes, found {found}")));
        }
        check(of, &self.attributes)?;
        for (name, value) in &self.attributes {
            match of.extension(name).filter(|schema| schema.is_built_in()) {
                Some(schema) => {
                    let Value::Object(parts) = value else {
                        return Err(Error::value(format!("{name}: expected an object, found something else")));
                    };
                    for (part, value) in parts {
                        check_value(schema, part, value, &format!("{name}:{part}"))?;
                    }
                }
                None if is_urn(name) => {}
                None => check_value(of.schema, name, value, name)?,
            }
        }
        Ok(())
    }

    /// Whether an attribute of an extension outlives a replacement that is silent about it: it is not the client's to
    /// unset.
    fn stays(&self, schema: &Schema, name: &str) -> bool {
        match schema.attribute(name) {
            None => true,
            Some(attribute) => match attribute.mutability {
                Mutability::ReadOnly | Mutability::Immutable => true,
                Mutability::ReadWrite | Mutability::WriteOnly => self.of_extension(schema, attribute).is_none(),
            },
        }
    }

    /// The name that no other resource of its kind has.
    pub fn name(&self, of: &ResourceType) -> Option<&str> {
        self.text(of.naming)
    }

    /// RFC 7643 §4.1.1.
    pub fn user_name(&self) -> Option<&str> {
        self.text("userName")
    }

    /// RFC 7643 §4.1.1 for users, §4.2 for groups.
    pub fn display_name(&self) -> Option<&str> {
        self.text("displayName")
    }

    /// Whether the user is not disabled.
    pub fn active(&self) -> bool {
        self.attributes.get("active") != Some(&Value::Bool(false))
    }

    /// The addresses of the user.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        let emails = self.attributes.get("emails").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        emails.iter().filter_map(|email| email.get("value")?.as_str())
    }

    /// Whether a client could tell the two apart by what it can set.
    pub fn same_values(&self, other: &Resource) -> bool {
        self.external_id == other.external_id && self.attributes == other.attributes
    }

    /// The attributes, those of extensions grouped by their URN.
    pub(crate) fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Shows an attribute that has no values as an empty list.
    pub(crate) fn show_none(&mut self, name: &str) {
        self.attributes.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    }

    pub(crate) fn attributes_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.attributes
    }

    /// What an attribute of an extension has here. A tenant may change or remove a schema of its own under the documents
    /// that use it; what does not fit it stays where it is and is not seen.
    pub(crate) fn of_extension(&self, schema: &Schema, attribute: &Attribute) -> Option<Value> {
        self.seen_of(schema, attribute).map(Cow::into_owned)
    }

    fn seen_of(&self, schema: &Schema, attribute: &Attribute) -> Option<Cow<'_, Value>> {
        seen(schema, attribute, self.attributes.get(&*schema.id)?.get(&*attribute.name)?)
    }

    /// What an extension has here, as clients see it; nothing where that is nothing.
    fn extension(&self, schema: &Schema) -> Option<Map<String, Value>> {
        let parts = Part::of(schema, self.attributes.get(&*schema.id)?);
        let seen: Map<_, _> = parts.into_iter().map(|part| (part.name.to_owned(), part.value.into_owned())).collect();
        (!seen.is_empty()).then_some(seen)
    }

    /// Where it is, below the tenant URL.
    pub(crate) fn location(&self, of: &ResourceType, base: &str) -> String {
        [base, of.endpoint, "/", &self.id].concat()
    }

    /// The values that a target has here: one, several, or none. Without the tenant URL `meta` has no location.
    pub(crate) fn values(&self, of: &ResourceType, target: &Target<'_>, base: Option<&str>) -> Vec<Value> {
        self.lent(of, target, base).into_iter().map(Cow::into_owned).collect()
    }

    /// The values that a target has here, borrowed where they are stored in the form that clients see.
    pub(crate) fn lent(&self, of: &ResourceType, target: &Target<'_>, base: Option<&str>) -> Vec<Cow<'_, Value>> {
        let (extension, attribute, sub) = match target {
            Target::Extension(schema) => {
                return self.extension(schema).map(|parts| Cow::Owned(Value::Object(parts))).into_iter().collect();
            }
            Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
        };
        let whole = match (extension, &*attribute.name) {
            (Some(schema), _) => self.seen_of(schema, attribute),
            (None, "id") => Some(Cow::Owned(json!(self.id))),
            (None, "externalId") => self.external_id.clone().map(Value::String).map(Cow::Owned),
            (None, "meta") => Some(Cow::Owned(self.meta_at(of, base))),
            (None, "schemas") => Some(Cow::Owned(json!(self.schemas(of)))),
            (None, name) => self.attributes.get(name).map(Cow::Borrowed),
        };
        let elements = match whole {
            None => Vec::new(),
            Some(Cow::Borrowed(Value::Array(elements))) => elements.iter().map(Cow::Borrowed).collect(),
            Some(Cow::Owned(Value::Array(elements))) => elements.into_iter().map(Cow::Owned).collect(),
            Some(one) => vec![one],
        };
        let Some(sub) = sub else {
            return elements;
        };
        elements.into_iter().filter_map(|element| part_of(element, &sub.name)).collect()
    }

    /// The units of [`Effort`](super::Effort) that it costs to see a target here, beside what is compared: what a tenant's
    /// own schema describes is let in anew each time.
    pub(crate) fn made_anew(&self, target: &Target<'_>) -> usize {
        let (schema, name) = match target {
            Target::Extension(schema) => (schema, None),
            Target::Attribute { extension: Some(schema), attribute, .. } => (schema, Some(&*attribute.name)),
            Target::Attribute { extension: None, .. } => return 0,
        };
        let whole = self.attributes.get(&*schema.id).filter(|_| !schema.is_built_in());
        let seen = whole.and_then(|whole| name.map_or(Some(whole), |name| whole.get(name)));
        seen.map_or(0, |value| effort::weight(value) + value.as_array().map_or(0, Vec::len))
    }

    /// RFC 7643 §3.1, as clients see it; without the tenant URL it has no location.
    pub(crate) fn meta_at(&self, of: &ResourceType, base: Option<&str>) -> Value {
        let location = base.map(|base| self.location(of, base));
        self.described(of, location.as_deref()).to_json()
    }

    pub(super) fn described<'r>(&self, of: &ResourceType, location: Option<&'r str>) -> Described<'r> {
        Described {
            resource_type: of.name,
            created: print_time(self.meta.created),
            last_modified: print_time(self.meta.last_modified),
            location,
            version: self.meta.version(),
        }
    }

    fn schemas<'s>(&self, of: &'s ResourceType) -> Vec<&'s str> {
        let present = |schema: &&Schema| std::ptr::eq(*schema, of.schema) || self.extension(schema).is_some();
        of.schemas().filter(present).map(|schema| &*schema.id).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }
}

/// What clients are told of a resource beside its attributes, RFC 7643 §3.1.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described<'r> {
    resource_type: &'static str,
    created: String,
    last_modified: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'r str>,
    version: String,
}

impl Described<'_> {
    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("these are texts")
    }
}

/// A time as we print it: UTC, milliseconds, so that all of ours sort as text.
pub fn print_time(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&time)
}

/// The attributes that differ between two states, before and after. Those of extensions are named with their URN.
pub fn diff(before: Option<&Resource>, after: Option<&Resource>) -> (Map<String, Value>, Map<String, Value>) {
    let (old, new) = (before.map(flat).unwrap_or_default(), after.map(flat).unwrap_or_default());
    let only = |these: &Map<String, Value>, others: &Map<String, Value>| {
        these
            .iter()
            .filter(|(name, value)| others.get(*name) != Some(value))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    };
    (only(&old, &new), only(&new, &old))
}

fn flat(resource: &Resource) -> Map<String, Value> {
    let mut flat = Map::new();
    flat.extend(resource.external_id.clone().map(|id| ("externalId".to_owned(), Value::String(id))));
    for (name, value) in &resource.attributes {
        match value {
            Value::Object(parts) if is_urn(name) => {
                flat.extend(parts.iter().map(|(part, value)| (format!("{name}:{part}"), value.clone())));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat
}

/// No attribute's name has a colon, and every URN has.
pub(super) fn is_urn(name: &str) -> bool {
    name.contains(':')
}

/// What clients see of an attribute of an extension.
pub(super) struct Part<'r> {
    pub(super) name: &'r str,
    pub(super) attribute: &'r Attribute,
    pub(super) value: Cow<'r, Value>,
}

impl<'r> Part<'r> {
    /// What they see of an extension's values.
    pub(super) fn of(schema: &'r Schema, values: &'r Value) -> Vec<Part<'r>> {
        let part = |(name, value): (&'r String, &'r Value)| {
            let attribute = schema.attribute(name)?;
            Some(Part { name, attribute, value: seen(schema, attribute, value)? })
        };
        parts(values).filter_map(part).collect()
    }
}

/// A tenant's schema may have changed since the value was let in, the built-in ones have not.
fn seen<'v>(schema: &Schema, attribute: &Attribute, value: &'v Value) -> Option<Cow<'v, Value>> {
    match attribute.is_hidden() {
        true => None,
        false if schema.is_built_in() => Some(Cow::Borrowed(value)),
        false => value::seen(attribute, value).map(Cow::Owned),
    }
}

fn part_of<'v>(element: Cow<'v, Value>, name: &str) -> Option<Cow<'v, Value>> {
    match element {
        Cow::Borrowed(element) => element.get(name).map(Cow::Borrowed),
        Cow::Owned(element) => element.get(name).cloned().map(Cow::Owned),
    }
}

fn parts(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// RFC 7643 §7: an immutable attribute, or a part of one, gets a value once. The same value again is no change, and the one
/// that is there stays as it was written.
fn keep_immutable(
    attribute: &Attribute,
    old: Option<&Value>,
    new: Option<&mut Value>,
    place: &str,
) -> Result<(), Error> {
    let Some(old) = old else {
        return Ok(());
    };
    if attribute.mutability == Mutability::Immutable {
        return match new {
            Some(new) if value::same(attribute, old, new) => {
                *new = old.clone();
                Ok(())
            }
            Some(_) => Err(immutable(place, &attribute.name, "another")),
            None => Err(immutable(place, &attribute.name, "none")),
        };
    }
    if let (Value::Object(old), Some(Value::Object(new))) = (old, new) {
        for sub in attribute.sub_attributes.iter() {
            let place = format!("{place}.{}", sub.name);
            keep_immutable(sub, old.get(&*sub.name), new.get_mut(&*sub.name), &place)?;
        }
    }
    Ok(())
}

pub(crate) fn immutable(place: &str, name: &str, found: &str) -> Error {
    Error::mutability(format!("{place}: expected the {name} that is there, since it is immutable, found {found}"))
}

/// RFC 7643 §7: what is required is in every resource that has the extension, and in every value that has the attribute.
fn check_required(attribute: &Attribute, value: Option<&Value>, place: &str) -> Result<(), Error> {
    let Some(value) = value else {
        let missing = Error::value(format!("{place}: expected a value, found none"));
        return if attribute.required { Err(missing) } else { Ok(()) };
    };
    let elements = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    for (index, element) in elements.iter().enumerate() {
        for sub in attribute.sub_attributes.iter() {
            let place = if value.is_array() {
                format!("{place}[{index}].{}", sub.name)
            } else {
                format!("{place}.{}", sub.name)
            };
            check_required(sub, element.get(&*sub.name), &place)?;
        }
    }
    Ok(())
}

/// What must hold of a whole resource, whichever way it came about.
pub(crate) fn check(of: &ResourceType, attributes: &Map<String, Value>) -> Result<(), Error> {
    for attribute in of.schema.attributes.iter().filter(|attribute| attribute.required) {
        match attributes.get(&*attribute.name) {
            Some(Value::String(text)) if !text.trim().is_empty() => {}
            Some(_) | None => {
                return Err(Error::value(format!("{}: expected a value, found none", attribute.name)));
            }
        }
    }
    if let Some(Value::String(name)) = attributes.get(of.naming) {
        let naming = of.naming;
        if name.len() > LIMITS.user_name_bytes_max {
            let max = LIMITS.user_name_bytes_max;
            return Err(Error::value(format!("{naming}: expected at most {max} bytes, found {}", name.len())));
        }
        if name.chars().any(char::is_control) {
            let wanted = "expected printable characters, found a control character";
            return Err(Error::value(format!("{naming}: {wanted}")));
        }
    }
    for (name, value) in attributes {
        if let Some(attribute) = of.schema.attribute(name) {
            value::check_primary(attribute, value, name)?;
        }
    }
    let bytes = serde_json::to_vec(attributes).map_or(0, |bytes| bytes.len());
    if bytes > LIMITS.resource_bytes_max {
        let max = LIMITS.resource_bytes_max;
        return Err(Error::value(format!("body: expected at most {max} bytes of attributes, found {bytes}")));
    }
    Ok(())
}

/// What a stored attribute of a built-in schema is to be.
fn check_value(schema: &Schema, name: &str, value: &Value, place: &str) -> Result<(), Error> {
    match schema.attribute(name).filter(|attribute| attribute.name == name) {
        Some(attribute) if attribute.is_hidden() => {
            Err(Error::value(format!("{place}: expected none, since nobody may read it, found one")))
        }
        Some(attribute) => value::admit(attribute, value, place, &Reading::stored()).map(|_| ()),
        None => Err(Error::value(format!("{place}: expected an attribute of {}, found another", schema.id))),
    }
}

/// RFC 7644 §3.3 asks for `schemas`, RFC 7643 §3 for no others than those of the resource type, each once. Providers leave
/// out extensions that they use, list some that nobody knows, and misspell others.
fn check_schemas(of: &ResourceType, body: &Map<String, Value>, reading: &Reading) -> Result<(), Error> {
    let listed = match reading::member(body, "schemas") {
        Some(Value::Array(listed)) => listed.as_slice(),
        Some(one @ Value::String(_)) if reading.reads(Leniency::SingleForArray, "schemas") => std::slice::from_ref(one),
        Some(_) | None => &[],
    };
    if are_exact(of, listed) || reading::without_schemas(listed, reading) {
        return Ok(());
    }
    let listed: Vec<&str> = listed.iter().map(|urn| urn.as_str().unwrap_or_default()).collect();
    if !listed.iter().any(|urn| urn.eq_ignore_ascii_case(&of.schema.id)) {
        return Err(Error::syntax(format!("schemas: expected {}, found none", of.schema.id)));
    }
    let shown = |urn: &str| urn.chars().take(80).collect::<String>();
    if let Some(urn) = listed.iter().find(|urn| !of.schemas().any(|schema| schema.id.eq_ignore_ascii_case(urn))) {
        let wanted = format!("expected schemas of {} alone, found {:?}", of.name, shown(urn));
        return Err(Error::syntax(format!("schemas: {wanted}")));
    }
    let mut met = BTreeSet::new();
    let twice = listed.iter().find(|urn| !met.insert(urn.to_ascii_lowercase())).map(|urn| shown(urn));
    Err(Error::syntax(format!("schemas: expected each URN once, found {:?} twice", twice.unwrap_or_default())))
}

/// Whether the schemas of a resource are listed as the RFC has it: its own, and others of its type, each once.
fn are_exact(of: &ResourceType, listed: &[Value]) -> bool {
    let count = |schema: &Schema| {
        listed.iter().filter(|urn| urn.as_str().is_some_and(|urn| schema.id.eq_ignore_ascii_case(urn))).count()
    };
    let mut found = 0;
    for schema in of.schemas() {
        match count(schema) {
            0 if std::ptr::eq(schema, of.schema) => return false,
            once @ (0 | 1) => found += once,
            _ => return false,
        }
    }
    found == listed.len()
}

/// A resource in the making.
struct Draft<'d> {
    of: &'d ResourceType,
    reading: &'d Reading,
    external_id: Option<String>,
    attributes: Map<String, Value>,
    related: Vec<String>,
}

impl Draft<'_> {
    fn extension(&mut self, schema: &Schema, value: &Value) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        let found = reading::object(value, &schema.id, self.reading);
        let Some(parts) = found.as_deref().and_then(Value::as_object) else {
            return Err(Error::value(format!("{}: expected an object, found something else", schema.id)));
        };
        value::check_names(parts, &schema.id)?;
        for (name, value) in parts {
            let full = format!("{}:{name}", schema.id);
            // R's collection has `Manager.Value` as a name; resolving it finds the part.
            match self.of.resolve(&full) {
                Ok(target) => self.put(&target, value, &full)?,
                // RFC 7643 §3: what an object is made by; the object of an extension is named by that already.
                Err(_) if name.eq_ignore_ascii_case("schemas") => {}
                Err(_) => self.reading.pass_over(&schema.id, name),
            }
        }
        Ok(())
    }

    fn put(&mut self, target: &Target<'_>, value: &Value, place: &str) -> Result<(), Error> {
        let Target::Attribute { extension, attribute, sub } = target else {
            return Ok(());
        };
        if writable(attribute).is_none() || sub.is_some_and(|sub| writable(sub).is_none()) {
            return Ok(());
        }
        if extension.is_none() && attribute.name == "externalId" {
            self.external_id = value::single(attribute, value, place, self.reading)?.and_then(text_of);
            return Ok(());
        }
        if sub.is_none() && self.of.is_relation(*extension, attribute) {
            self.related = value::referred(attribute, value, place, self.reading)?.unwrap_or_default();
            return Ok(());
        }
        let Some(admitted) = value::admit(sub.unwrap_or(attribute), value, place, self.reading)? else {
            return Ok(());
        };
        let object = match extension {
            None => &mut self.attributes,
            Some(schema) => object(&mut self.attributes, &schema.id),
        };
        match sub {
            None => object.insert(attribute.name.to_string(), value::distinct(attribute, admitted)),
            // Only one value is meant by a dotted name; with several it would be unclear which.
            Some(_) if attribute.multi_valued => {
                self.reading.pass_over("", place);
                None
            }
            Some(sub) => self::object(object, &attribute.name).insert(sub.name.to_string(), admitted),
        };
        Ok(())
    }
}

/// The attribute, if a client may set it and we keep it.
pub(crate) fn writable(attribute: &Attribute) -> Option<&Attribute> {
    let kept = match attribute.mutability {
        Mutability::ReadWrite | Mutability::Immutable => !attribute.is_hidden(),
        Mutability::ReadOnly | Mutability::WriteOnly => false,
    };
    kept.then_some(attribute)
}

/// The object under a name, made where it is not there.
pub(crate) fn object<'o>(parent: &'o mut Map<String, Value>, name: &str) -> &'o mut Map<String, Value> {
    let value = parent.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made an object above")
}

pub(crate) fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::Dialect;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn parse(body: Value, dialect: Dialect) -> Result<Resource, Error> {
        let reading = Reading::of(dialect);
        let Value::Object(body) = body else { unreachable!() };
        let meta = Meta {
            created: "2026-11-23T10:00:00Z".parse().unwrap(),
            last_modified: "2026-11-23T10:00:00.1239Z".parse().unwrap(),
            revision: 1,
        };
        Ok(Resource::new("1".to_owned(), meta, ResourceBody::parse(ResourceType::user(), &body, &reading)?))
    }

    /// The resource that a body makes, without what the server adds.
    fn made(body: Value) -> Value {
        let resource = parse(body, Dialect::entra()).unwrap();
        let mut document = resource.into_json(ResourceType::user(), None);
        for name in ["schemas", "id", "meta"] {
            assert!(document.shift_remove(name).is_some());
        }
        Value::Object(document)
    }

    fn refused(body: Value) -> String {
        parse(body, Dialect::entra()).unwrap_err().to_string()
    }

    #[test]
    fn a_body_as_entra_sends_it_becomes_a_user() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "test_user@contoso.com",
            "active": true,
            "emails": [{"primary": true, "type": "work", "value": "test@contoso.com"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "Given Family", "familyName": "Family", "givenName": "Given"},
            "roles": [],
        });
        assert_eq!(
            made(body),
            json!({
                "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
                "userName": "test_user@contoso.com",
                "active": true,
                "emails": [{"primary": true, "type": "work", "value": "test@contoso.com"}],
                "name": {"formatted": "Given Family", "familyName": "Family", "givenName": "Given"},
            })
        );
    }

    #[test]
    fn nulls_a_misspelt_urn_and_an_extension_attribute_without_urn_are_taken() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
            "userName": "a", "addresses": null, "phoneNumbers": null, "title": null, "manager": null, "name": {},
            "department": "Sales", "emails": [null, {"value": null}], ENTERPRISE: null,
        });
        assert_eq!(made(body), json!({"userName": "a", "active": true, ENTERPRISE: {"department": "Sales"}}));
    }

    #[test]
    fn an_extension_counts_in_any_case_and_unlisted() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "a",
            ENTERPRISE.to_lowercase(): {"Department": "Sales", "Manager.Value": "2"},
        });
        let expected = json!({"department": "Sales", "manager": {"value": "2"}});
        assert_eq!(made(body.clone())[ENTERPRISE], expected);
        let document = parse(body, Dialect::strict()).unwrap().into_json(ResourceType::user(), None);
        assert_eq!(document["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE]));
    }

    #[test]
    fn the_strict_dialect_takes_no_schemas_but_those_of_the_resource_each_once() {
        let body = |schemas: &[&str]| json!({"schemas": schemas, "userName": "a"});
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        let refused = |schemas: &[&str]| parse(body(schemas), Dialect::strict()).unwrap_err().to_string();
        assert!(parse(body(&[core, ENTERPRISE]), Dialect::strict()).is_ok());
        assert_eq!(
            refused(&[core, "urn:example:x"]),
            "schemas: expected schemas of User alone, found \"urn:example:x\""
        );
        let upper = core.to_uppercase();
        assert_eq!(refused(&[core, &upper]), format!("schemas: expected each URN once, found {upper:?} twice"));
        assert!(parse(body(&[core, "urn:example:x", core]), Dialect::lenient()).is_ok());
    }

    #[test]
    fn a_value_comes_back_once_for_each_type() {
        let emails = json!([{"value": "a", "type": "work", "primary": true}, {"type": "work", "value": "a"},
            {"value": "a", "type": "home"}, {"value": "a"}, {"value": "a"}]);
        let addresses = json!([{"locality": "Bonn", "type": "work"}, {"type": "work", "locality": "Bonn"}]);
        let user = made(json!({"userName": "a", "emails": emails, "addresses": addresses}));
        let expected =
            json!([{"value": "a", "type": "work", "primary": true}, {"value": "a", "type": "home"}, {"value": "a"}]);
        assert_eq!(user["emails"], expected);
        assert_eq!(user["addresses"], json!([{"locality": "Bonn", "type": "work"}]));
    }

    #[test]
    fn a_manager_as_text_becomes_an_object() {
        let body = json!({"userName": "a", ENTERPRISE: {"manager": "2"}});
        assert_eq!(made(body)[ENTERPRISE], json!({"manager": {"value": "2"}}));
        let body = json!({"userName": "a", ENTERPRISE: {"manager": ""}});
        assert_eq!(made(body), json!({"userName": "a", "active": true}));
    }

    #[test]
    fn booleans_are_booleans_and_text_is_text() {
        let body = json!({
            "userName": "a", "active": "False", "title": "True", "roles": [{"primary": "True", "value": "True"}],
        });
        assert_eq!(
            made(body),
            json!({"userName": "a", "active": false, "title": "True", "roles": [{"primary": true, "value": "True"}]})
        );
    }

    #[test]
    fn a_user_without_active_is_active() {
        for body in
            [json!({"userName": "a"}), json!({"userName": "a", "active": null}), json!({"userName": "a", "active": ""})]
        {
            assert_eq!(made(body), json!({"userName": "a", "active": true}));
        }
    }

    #[test]
    fn what_only_the_server_sets_or_nobody_keeps_is_passed_over() {
        let body = json!({
            "userName": "a", "id": "9", "groups": [{"value": "1"}], "password": "s3cret", "shoeSize": "42",
            "meta": {"created": "2001-01-01T00:00:00Z"}, "manager.displayName": "Bob",
            "urn:ietf:params:scim:schemas:extension:acme:2.0:User": {"tag": "x"},
        });
        assert_eq!(made(body), json!({"userName": "a", "active": true}));
    }

    #[test]
    fn names_get_the_case_of_the_schema_and_values_keep_theirs() {
        let body =
            json!({"USERNAME": "Alice@Contoso.com", "name": {"GIVENNAME": "ALICE"}, "Emails": [{"Value": "A@X"}]});
        assert_eq!(
            made(body),
            json!({"userName": "Alice@Contoso.com", "name": {"givenName": "ALICE"}, "emails": [{"value": "A@X"}], "active": true})
        );
    }

    #[test]
    fn formats_and_suggested_values_are_not_checked() {
        let body = json!({
            "userName": "3f2a6c1e0b7d4c55a1e29f0d6b8c7a11alice@contoso.com", "active": true, "locale": "xq", "timezone": "zz",
            "profileUrl": "pq", "emails": [{"type": "boat", "value": "no address", "display": "d"}],
        });
        assert_eq!(made(body.clone()), body);
    }

    #[test]
    fn a_body_that_is_wrong_says_where() {
        for (body, expected) in [
            (json!({}), "userName: expected a value, found none"),
            (json!({"userName": " "}), "userName: expected a value, found none"),
            (json!({"userName": null}), "userName: expected a value, found none"),
            (json!({"userName": "a\u{0}b"}), "userName: expected printable characters, found a control character"),
            (json!({"userName": 1.5}), "userName: expected a string, found the number 1.5"),
            (json!({"userName": true}), "userName: expected a string, found the boolean true"),
            (json!({"userName": "a", "USERNAME": "b"}), "body: expected each name once, found USERNAME and userName"),
            (json!({"userName": "a", "active": "yes"}), "active: expected a boolean, found the string \"yes\""),
            (json!({"userName": "a", "name": 1.5}), "name: expected a string, found the number 1.5"),
            (
                json!({"userName": "a", "name": {"givenName": []  , "familyName": ["x", "y"]}}),
                "name.familyName: expected a string, found an array of 2",
            ),
            (
                json!({"userName": "a", "emails": [{"value": "x"}, [1, 2]]}),
                "emails[1]: expected an object, found an array of 2",
            ),
            (
                json!({"userName": "a", ENTERPRISE: "x"}),
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: expected an object, found something else",
            ),
        ] {
            assert_eq!(refused(body.clone()), expected, "{body}");
        }
    }

    #[test]
    fn the_strict_dialect_takes_only_what_the_rfc_has() {
        let strict = |body: Value| parse(body, Dialect::strict()).unwrap_err().to_string();
        let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
        assert_eq!(
            strict(json!({"userName": "a"})),
            "schemas: expected urn:ietf:params:scim:schemas:core:2.0:User, found none"
        );
        assert_eq!(
            strict(json!({"schemas": schemas, "userName": "a", "active": "true"})),
            "active: expected a boolean, found the string \"true\""
        );
        assert_eq!(
            strict(json!({"schemas": schemas, "userName": "a", "emails": ["x"]})),
            "emails[0]: expected an object, found the string \"x\""
        );
    }

    #[test]
    fn sizes_are_bounded() {
        let max = LIMITS.user_name_bytes_max;
        assert!(parse(json!({"userName": "a".repeat(max)}), Dialect::entra()).is_ok());
        assert_eq!(
            refused(json!({"userName": "a".repeat(max + 1)})),
            format!("userName: expected at most {max} bytes, found {}", max + 1)
        );

        let max = LIMITS.value_bytes_max;
        assert!(parse(json!({"userName": "a", "title": "a".repeat(max)}), Dialect::entra()).is_ok());
        assert_eq!(
            refused(json!({"userName": "a", "title": "a".repeat(max + 1)})),
            format!("title: expected at most {max} bytes, found {}", max + 1)
        );

        let max = LIMITS.values_max;
        let roles = |count: usize| json!({"userName": "a", "roles": vec![json!({"value": "x"}); count]});
        assert!(parse(roles(max), Dialect::entra()).is_ok());
        assert_eq!(refused(roles(max + 1)), format!("roles: expected at most {max} values, found {}", max + 1));

        let max = LIMITS.resource_bytes_max;
        let empty = r#"{"userName":"a","roles":[{"value":""},{"value":""},{"value":""},{"value":""},{"value":""}],"active":true}"#;
        let filled = |bytes: usize| {
            let spare = bytes - empty.len();
            // Each begins with another digit: values that are the same are kept once.
            let rest = |index: usize| "x".repeat(spare / 5 + usize::from(index < spare % 5) - 1);
            let part = |index: usize| json!({"value": format!("{index}{}", rest(index))});
            json!({"userName": "a", "roles": (0..5).map(part).collect::<Vec<Value>>()})
        };
        assert!(parse(filled(max), Dialect::entra()).is_ok());
        assert_eq!(
            refused(filled(max + 1)),
            format!("body: expected at most {max} bytes of attributes, found {}", max + 1)
        );
    }

    #[test]
    fn a_resource_is_sent_with_its_envelope() {
        let body = json!({"userName": "a", "externalId": "x", "title": "Boss"});
        let document = parse(body, Dialect::entra())
            .unwrap()
            .into_json(ResourceType::user(), Some("https://scim.example.com/Users/1"));
        assert_eq!(
            Value::Object(document).to_string(),
            concat!(
                r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","externalId":"x","userName":"a","#,
                r#""title":"Boss","active":true,"meta":{"resourceType":"User","created":"2026-11-23T10:00:00.000Z","#,
                r#""lastModified":"2026-11-23T10:00:00.123Z","location":"https://scim.example.com/Users/1","version":"W/\"1\""}}"#,
            )
        );
    }

    #[test]
    fn a_replacement_that_does_not_say_active_leaves_it_as_it_is() {
        let body = |body: Value| {
            ResourceBody::parse(ResourceType::user(), body.as_object().unwrap(), &Reading::of(Dialect::entra()))
                .unwrap()
        };
        for active in [true, false] {
            let before = parse(json!({"userName": "a", "active": active, "title": "Boss"}), Dialect::entra()).unwrap();
            for silent in [json!({"userName": "b"}), json!({"userName": "b", "active": null})] {
                let after = before.replaced(ResourceType::user(), body(silent)).unwrap();
                assert_eq!((after.user_name(), after.active()), (Some("b"), active));
                assert_eq!(after.attributes().get("title"), None);
            }
            let after =
                before.replaced(ResourceType::user(), body(json!({"userName": "a", "active": !active}))).unwrap();
            assert_eq!((after.id.as_str(), after.active()), ("1", !active));
        }
    }

    #[test]
    fn a_resource_comes_out_of_the_store_as_it_went_in() {
        let resource =
            parse(json!({"userName": "a", "externalId": "x", "department": "Sales"}), Dialect::entra()).unwrap();
        let stored = serde_json::to_string(&resource).unwrap();
        assert_eq!(serde_json::from_str::<Resource>(&stored).unwrap(), resource);
    }

    #[test]
    fn views_read_what_is_there() {
        let body = json!({"userName": "a", "displayName": "A", "emails": ["x", {"type": "home"}, {"value": "y"}], "active": false});
        let resource = parse(body, Dialect::entra()).unwrap();
        assert_eq!((resource.user_name(), resource.display_name(), resource.active()), (Some("a"), Some("A"), false));
        assert_eq!(resource.emails().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn a_diff_has_what_differs_before_and_after() {
        let user = |body| parse(body, Dialect::entra()).unwrap();
        let before = user(json!({"userName": "a", "title": "Boss", "department": "Sales", "costCenter": "1"}));
        let after = user(json!({"userName": "a", "externalId": "x", "department": "Support", "costCenter": "1"}));
        let (old, new) = diff(Some(&before), Some(&after));
        let department = format!("{ENTERPRISE}:department");
        assert_eq!(Value::Object(old), json!({"title": "Boss", department.clone(): "Sales"}));
        assert_eq!(Value::Object(new), json!({"externalId": "x", department: "Support"}));
        assert_eq!(diff(Some(&before), Some(&before)), (Map::new(), Map::new()));
        let (old, new) = diff(None, Some(&after));
        assert_eq!((old.len(), new["userName"].clone()), (0, json!("a")));
    }
}

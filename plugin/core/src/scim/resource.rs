//! Resources: a typed envelope around attributes that have passed the schema.

use super::dialect::Dialect;
use super::error::Error;
use super::schema::{Attribute, Mutability, ResourceType, Schema, Target};
use super::value;
use crate::settings::LIMITS;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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

/// A user as a client sends it with POST or PUT, after the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct UserBody {
    external_id: Option<String>,
    attributes: Map<String, Value>,
}

impl UserBody {
    /// Lets a body in. Attributes that only the server sets are passed over (RFC 7644 §3.3), and so are names that no
    /// schema has: a provider's mapping may be larger than what we keep. `active` is true where it is not said.
    pub fn parse(body: &Map<String, Value>, dialect: &Dialect) -> Result<UserBody, Error> {
        let user = ResourceType::user();
        value::check_names(body, "body")?;
        check_schemas(user, body, dialect)?;
        let mut resource = Draft { external_id: None, attributes: Map::new() };
        for (name, value) in body {
            if let Some(schema) = user.extension(name) {
                extension(&mut resource, schema, value, dialect)?;
            } else if let Ok(target) = user.resolve(name) {
                resource.put(&target, value, name, dialect)?;
            }
        }
        resource.attributes.entry("active").or_insert(Value::Bool(true));
        check(user, &resource.attributes)?;
        Ok(UserBody { external_id: resource.external_id, attributes: resource.attributes })
    }
}

impl Resource {
    /// A resource of what a client sent.
    pub fn new(id: String, meta: Meta, body: UserBody) -> Resource {
        Resource { id, external_id: body.external_id, meta, attributes: body.attributes }
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

    pub(crate) fn attributes_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.attributes
    }

    /// The values that a target has here: one, several, or none.
    pub(crate) fn values(&self, target: &Target) -> Vec<Value> {
        let (extension, attribute, sub) = match target {
            Target::Extension(schema) => return self.attributes.get(schema.id).cloned().into_iter().collect(),
            Target::Attribute { extension, attribute, sub } => (extension, attribute, sub),
        };
        let whole = match (extension, attribute.name) {
            (Some(schema), name) => self.attributes.get(schema.id).and_then(|object| object.get(name)).cloned(),
            (None, "id") => Some(json!(self.id)),
            (None, "externalId") => self.external_id.clone().map(Value::String),
            (None, "meta") => Some(self.meta_json(ResourceType::user(), None)),
            (None, "schemas") => Some(json!(self.schemas(ResourceType::user()))),
            (None, name) => self.attributes.get(name).cloned(),
        };
        let elements = match whole {
            None => Vec::new(),
            Some(Value::Array(elements)) => elements,
            Some(one) => vec![one],
        };
        match sub {
            None => elements,
            Some(sub) => elements.iter().filter_map(|element| element.get(sub.name).cloned()).collect(),
        }
    }

    /// The resource as it is sent, RFC 7643 §8, before any projection.
    pub fn to_json(&self, of: &ResourceType, location: Option<&str>) -> Map<String, Value> {
        let mut document = Map::new();
        document.insert("schemas".into(), json!(self.schemas(of)));
        document.insert("id".into(), json!(self.id));
        if let Some(external_id) = &self.external_id {
            document.insert("externalId".into(), json!(external_id));
        }
        document.extend(self.attributes.iter().map(|(name, value)| (name.clone(), value.clone())));
        document.insert("meta".into(), self.meta_json(of, location));
        document
    }

    fn meta_json(&self, of: &ResourceType, location: Option<&str>) -> Value {
        let mut meta = json!({
            "resourceType": of.name,
            "created": print_time(self.meta.created),
            "lastModified": print_time(self.meta.last_modified),
        });
        if let Some(location) = location {
            meta["location"] = json!(location);
        }
        meta["version"] = json!(self.meta.version());
        meta
    }

    fn schemas(&self, of: &ResourceType) -> Vec<&'static str> {
        let present = |schema: &&Schema| of.schema == *schema || self.attributes.contains_key(schema.id);
        of.schemas().filter(present).map(|schema| schema.id).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }
}

/// A time as we print it: UTC, milliseconds, so that all of ours sort as text.
pub fn print_time(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// The attributes that differ between two states, before and after. Those of extensions are named with their URN.
pub fn diff(before: Option<&Resource>, after: Option<&Resource>) -> (Map<String, Value>, Map<String, Value>) {
    let (old, new) = (before.map(flat).unwrap_or_default(), after.map(flat).unwrap_or_default());
    let only = |these: &Map<String, Value>, others: &Map<String, Value>| {
        these.iter().filter(|(name, value)| others.get(*name) != Some(value)).map(|(n, v)| (n.clone(), v.clone())).collect()
    };
    (only(&old, &new), only(&new, &old))
}

fn flat(resource: &Resource) -> Map<String, Value> {
    let mut flat = Map::new();
    flat.extend(resource.external_id.clone().map(|id| ("externalId".to_owned(), Value::String(id))));
    for (name, value) in &resource.attributes {
        match (ResourceType::user().extension(name), value) {
            (Some(schema), Value::Object(parts)) => {
                flat.extend(parts.iter().map(|(part, value)| (format!("{}:{part}", schema.id), value.clone())));
            }
            (None | Some(_), value) => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat
}

/// What must hold of a whole resource, whichever way it came about.
pub(crate) fn check(of: &ResourceType, attributes: &Map<String, Value>) -> Result<(), Error> {
    for attribute in of.schema.attributes.iter().filter(|attribute| attribute.required) {
        match attributes.get(attribute.name) {
            Some(Value::String(text)) if !text.trim().is_empty() => {}
            Some(_) | None => {
                return Err(Error::value(format!("{}: expected a value, found none", attribute.name)));
            }
        }
    }
    if let Some(Value::String(name)) = attributes.get("userName") {
        if name.len() > LIMITS.user_name_bytes_max {
            let max = LIMITS.user_name_bytes_max;
            return Err(Error::value(format!("userName: expected at most {max} bytes, found {}", name.len())));
        }
        if name.chars().any(char::is_control) {
            return Err(Error::value("userName: expected printable characters, found a control character"));
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

/// RFC 7644 §3.3 asks for `schemas`. Entra leaves out extensions that it uses, lists some that it does not, and misspells one.
fn check_schemas(of: &ResourceType, body: &Map<String, Value>, dialect: &Dialect) -> Result<(), Error> {
    if dialect.any_schemas {
        return Ok(());
    }
    let listed = body.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).and_then(|(_, value)| value.as_array());
    let core = listed.is_some_and(|urns| {
        urns.iter().any(|urn| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(of.schema.id)))
    });
    if core { Ok(()) } else { Err(Error::syntax(format!("schemas: expected {}, found none", of.schema.id))) }
}

fn extension(draft: &mut Draft, schema: &'static Schema, value: &Value, dialect: &Dialect) -> Result<(), Error> {
    let parts = match value {
        Value::Object(parts) => parts,
        Value::Null => return Ok(()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(Error::value(format!("{}: expected an object, found something else", schema.id)));
        }
    };
    value::check_names(parts, schema.id)?;
    for (name, value) in parts {
        // R's collection has `Manager.Value` as a name; resolving it finds the part.
        if let Ok(target) = ResourceType::user().resolve(&format!("{}:{name}", schema.id)) {
            draft.put(&target, value, &format!("{}:{name}", schema.id), dialect)?;
        }
    }
    Ok(())
}

/// A resource in the making.
struct Draft {
    external_id: Option<String>,
    attributes: Map<String, Value>,
}

impl Draft {
    fn put(&mut self, target: &Target, value: &Value, place: &str, dialect: &Dialect) -> Result<(), Error> {
        let Target::Attribute { extension, attribute, sub } = target else {
            return Ok(());
        };
        if writable(attribute).is_none() || target.read_only() {
            return Ok(());
        }
        if extension.is_none() && attribute.name == "externalId" {
            self.external_id = value::single(attribute, value, place, dialect)?.and_then(text_of);
            return Ok(());
        }
        let Some(admitted) = value::admit(sub.unwrap_or(attribute), value, place, dialect)? else {
            return Ok(());
        };
        let object = match extension {
            None => &mut self.attributes,
            Some(schema) => object(&mut self.attributes, schema.id),
        };
        match sub {
            None => object.insert(attribute.name.to_owned(), admitted),
            // Only one value is meant by a dotted name; with several it would be unclear which.
            Some(_) if attribute.multi_valued => None,
            Some(sub) => self::object(object, attribute.name).insert(sub.name.to_owned(), admitted),
        };
        Ok(())
    }
}

/// The attribute, if a client may set it and we keep it.
pub(crate) fn writable(attribute: &'static Attribute) -> Option<&'static Attribute> {
    match attribute.mutability {
        Mutability::ReadWrite | Mutability::Immutable => Some(attribute),
        Mutability::ReadOnly | Mutability::WriteOnly => None,
    }
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

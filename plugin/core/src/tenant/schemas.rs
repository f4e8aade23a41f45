//! The schemas that a tenant has of its own (RFC 7643 §3.3), and the resource types that they make with the built-in ones.
//!
//! A tenant's schemas stand under one key. Its connection, which every request reads, says whether there are any; so a
//! tenant that has none pays nothing for those that have. A schema describes documents and does not own them: what a
//! document has stays in it when its schema goes, unseen, and is seen again when the schema comes back.

use crate::connection::Connection;
use crate::keys::Kind;
use crate::ledger::{self, Error, Read};
use crate::scim;
use crate::scim::schema::form::confusable;
use crate::scim::{ResourceType, Schema};
use crate::settings::LIMITS;
use crate::tenant::state::TenantTurn;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The resource types as one tenant has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Types {
    user: Cow<'static, ResourceType>,
    group: Cow<'static, ResourceType>,
}

impl Types {
    /// Those of a tenant that has no schemas of its own.
    pub const fn built_in() -> Types {
        Types { user: Cow::Borrowed(ResourceType::user()), group: Cow::Borrowed(ResourceType::group()) }
    }

    /// The resource types of a tenant, with the schemas of its own.
    ///
    /// # Errors
    /// The store does not answer, or the tenant's data cannot be read.
    pub fn read(view: &impl Read) -> Result<Types, Error> {
        Ok(Types::with(read(view)?))
    }

    /// The resource types of a tenant whose connection is known: nothing is read where the connection says that the tenant
    /// has no schemas of its own.
    ///
    /// # Errors
    /// The store does not answer, or the tenant's data cannot be read.
    pub fn of_connection(view: &impl Read, connection: &Connection) -> Result<Types, Error> {
        if connection.own_schemas { Types::read(view) } else { Ok(Types::built_in()) }
    }

    fn with(schemas: Vec<OwnSchema>) -> Types {
        let mut types = Types::built_in();
        for own in schemas {
            let of = match own.extends {
                Kind::User => types.user.to_mut(),
                Kind::Group => types.group.to_mut(),
            };
            of.own.push(own.schema);
        }
        types
    }

    /// The resource type of a kind.
    pub fn of(&self, kind: Kind) -> &ResourceType {
        match kind {
            Kind::User => &self.user,
            Kind::Group => &self.group,
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &ResourceType> {
        Kind::ALL.into_iter().map(|kind| self.of(kind))
    }
}

/// A schema of a tenant's own.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnSchema {
    /// The resources that it adds attributes to.
    pub extends: Kind,
    /// The schema.
    pub schema: Schema,
}

/// The member beside those of RFC 7643 §7 that says which resources a schema extends.
const EXTENDS: &str = "resourceType";

impl OwnSchema {
    /// Reads a schema in the RFC's form, with the resource type that it extends; users where it names none.
    ///
    /// # Errors
    /// The place in the form, what was expected there, and what was found.
    pub fn parse(urn: &str, mut body: Map<String, Value>) -> Result<OwnSchema, scim::Error> {
        let extends = match body.shift_remove(EXTENDS) {
            None => Kind::User,
            Some(named) => {
                let kind = Kind::ALL.into_iter().find(|kind| named == kind.resource_type().name);
                kind.ok_or_else(|| scim::Error::value(format!("{EXTENDS}: expected User or Group, found {named}")))?
            }
        };
        Ok(OwnSchema { extends, schema: Schema::parse(urn, &body)? })
    }

    /// The schema in the form that [`OwnSchema::parse`] reads, with every default said.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut form = self.schema.to_json();
        form.insert(EXTENDS.to_owned(), Value::from(self.extends.resource_type().name));
        form
    }
}

/// Why a tenant's schemas could not be changed as asked.
#[derive(Debug, PartialEq)]
pub enum SchemaError {
    /// There are as many as a tenant may have.
    Full,
    /// A name could mean an attribute of this one or of the new one.
    Confusable(String),
    /// It extends another kind of resource already.
    Extends(Kind),
    /// The ledger failed.
    Ledger(ledger::Error),
}

impl From<ledger::Error> for SchemaError {
    fn from(error: ledger::Error) -> SchemaError {
        SchemaError::Ledger(error)
    }
}

/// The schemas that a tenant has of its own, in the order in which they came.
///
/// # Errors
/// The store does not answer, or the tenant's data cannot be read.
pub fn read(view: &impl Read) -> Result<Vec<OwnSchema>, Error> {
    let key = view.space().schemas();
    let forms: Vec<Map<String, Value>> = view.read(&key)?.unwrap_or_default();
    let parse = |form: Map<String, Value>| {
        let urn = form.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        OwnSchema::parse(&urn, form).map_err(|error| Error::Corrupt(format!("{key}: {error}")))
    };
    forms.into_iter().map(parse).collect()
}

/// Adds a schema, or puts it in the place of the one of its URN, whose spelling stays, since documents use it. Answers what
/// is there now, and whether there was none.
///
/// # Errors
/// The schema does not go with the others or with what is stored, there are too many, or the store does not answer.
pub fn put(turn: &mut TenantTurn<'_>, mut new: OwnSchema) -> Result<(OwnSchema, bool), SchemaError> {
    let mut schemas = read(turn)?;
    let urn = new.schema.id.clone();
    if let Some(own) = schemas.iter_mut().find(|own| own.schema.id.eq_ignore_ascii_case(&urn)) {
        if own.extends != new.extends {
            return Err(SchemaError::Extends(own.extends));
        }
        new.schema.id = own.schema.id.clone();
        *own = new.clone();
        write(turn, &schemas)?;
        return Ok((new, false));
    }
    if let Some(other) = schemas.iter().find(|own| confusable(&own.schema.id, &urn)) {
        return Err(SchemaError::Confusable(other.schema.id.to_string()));
    }
    if schemas.len() >= LIMITS.schemas_max {
        return Err(SchemaError::Full);
    }
    schemas.push(new.clone());
    write(turn, &schemas)?;
    Ok((new, true))
}

/// Takes a schema out, if there is one of this URN. No document changes.
///
/// # Errors
/// The store does not answer, the turn was lost, or the tenant's data cannot be read.
pub fn remove(turn: &mut TenantTurn<'_>, urn: &str) -> Result<Option<OwnSchema>, Error> {
    let mut schemas = read(turn)?;
    let Some(index) = schemas.iter().position(|own| own.schema.id.eq_ignore_ascii_case(urn)) else {
        return Ok(None);
    };
    let removed = schemas.remove(index);
    write(turn, &schemas)?;
    Ok(Some(removed))
}

fn write(turn: &mut TenantTurn<'_>, schemas: &[OwnSchema]) -> Result<(), Error> {
    let key = turn.space().schemas();
    if schemas.is_empty() {
        turn.remove(key);
    } else {
        turn.write(key, &schemas.iter().map(OwnSchema::to_json).collect::<Vec<_>>());
    }
    if let Some(mut connection) = Connection::read(turn)? {
        connection.own_schemas = !schemas.is_empty();
        turn.write(turn.space().connection(), &connection);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{BoundFilter, Dialect, Effort, Mask, Meta, PatchRequest, Reading, Resource, ResourceBody};
    use serde_json::json;

    const URN: &str = "urn:example:params:scim:x:1.0:User";

    fn types(attributes: &Value) -> Types {
        let form = json!({"attributes": attributes});
        Types::with(vec![OwnSchema::parse(URN, form.as_object().cloned().unwrap()).unwrap()])
    }

    fn body(types: &Types, own: &Value) -> Result<ResourceBody, String> {
        let body = Map::from_iter([("userName".to_owned(), json!("alice")), (URN.to_owned(), own.clone())]);
        ResourceBody::parse(types.of(Kind::User), &body, &Reading::of(Dialect::entra()))
            .map_err(|error| error.to_string())
    }

    fn user(types: &Types, own: &Value) -> Result<Resource, String> {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let meta = Meta { created: now, last_modified: now, revision: 1 };
        let mut made = Resource::new("1".to_owned(), meta, body(types, own)?);
        made.settle(types.of(Kind::User), None).map_err(|error| error.to_string())?;
        Ok(made)
    }

    fn patched(types: &Types, user: &Resource, operation: &Value) -> Result<Resource, String> {
        let reading = Reading::of(Dialect::entra());
        PatchRequest::parse(&json!({"Operations": [operation]}), &reading)
            .and_then(|request| request.apply(types.of(Kind::User), user, &reading))
            .map_err(|error| error.to_string())
    }

    fn seen(types: &Types, user: &Resource) -> Value {
        user.clone().into_json(types.of(Kind::User), None).get(URN).cloned().unwrap_or_default()
    }

    #[test]
    fn a_name_without_urn_means_what_it_meant_before() {
        let types = types(&json!([{"name": "department"}, {"name": "title"}, {"name": "floor"}]));
        let meant = |name: &str| types.of(Kind::User).resolve(name).map(|target| target.to_string());
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
        assert_eq!(meant("department").as_deref(), Ok(enterprise));
        assert_eq!(meant("title").as_deref(), Ok("title"));
        assert_eq!(meant("FLOOR"), Ok(format!("{URN}:floor")));
        assert_eq!(meant(&format!("{URN}.Title")), Ok(format!("{URN}:title")));
        assert!(Types::built_in().of(Kind::User).resolve("floor").is_err());
        assert!(types.of(Kind::Group).resolve("floor").is_err());
    }

    #[test]
    fn a_schema_that_changes_hides_what_does_not_fit_and_loses_nothing() {
        let old = types(&json!([{"name": "floor"}, {"name": "room"}, {"name": "keys", "type": "complex",
            "multiValued": true, "subAttributes": [{"name": "value"}, {"name": "label"}]}]));
        let own = json!({"floor": "3", "room": "x", "keys": [{"value": "k", "label": "l"}]});
        let alice = user(&old, &own).unwrap();
        assert_eq!(seen(&old, &alice), own);
        assert_eq!(seen(&Types::built_in(), &alice), Value::Null);

        let new = types(&json!([{"name": "floor", "type": "integer"}, {"name": "keys", "type": "complex",
            "multiValued": true, "subAttributes": [{"name": "value"}]}, {"name": "extra"}]));
        assert_eq!(seen(&new, &alice), json!({"keys": [{"value": "k"}]}));
        // Whatever is done under the new schema, what it hides stays.
        let path = format!("{URN}:extra");
        let changed = patched(&new, &alice, &json!({"op": "add", "path": path, "value": "e"})).unwrap();
        let removed = patched(&new, &changed, &json!({"op": "remove", "path": URN})).unwrap();
        let replaced = changed.replaced(new.of(Kind::User), body(&new, &json!({"extra": "f"})).unwrap()).unwrap();
        assert_eq!(seen(&new, &removed), Value::Null);
        assert_eq!(seen(&new, &replaced), json!({"extra": "f"}));
        for after in [&removed, &replaced] {
            assert_eq!(seen(&old, after), json!({"floor": "3", "room": "x"}));
        }
        let unseen = alice.replaced(Types::built_in().of(Kind::User), body(&Types::built_in(), &own).unwrap()).unwrap();
        assert_eq!(seen(&old, &unseen), own);
    }

    #[test]
    fn a_schema_that_became_stricter_keeps_nobody_from_being_disabled() {
        let alice = user(&types(&json!([{"name": "a"}])), &json!({"a": "x"})).unwrap();
        let strict = types(&json!([{"name": "a"}, {"name": "b", "required": true}]));
        let disabled = patched(&strict, &alice, &json!({"op": "replace", "path": "active", "value": false})).unwrap();
        assert!(!disabled.active());
        let path = format!("{URN}:a");
        assert_eq!(
            patched(&strict, &alice, &json!({"op": "replace", "path": path, "value": "y"})),
            Err(format!("{URN}:b: expected a value, found none"))
        );
        assert!(user(&strict, &json!({})).is_ok(), "who has nothing of the extension need not have it");
    }

    #[test]
    fn required_parts_are_in_every_value() {
        let parts = json!([{"name": "value", "required": true}, {"name": "label"}]);
        let keys = types(&json!([{"name": "keys", "type": "complex", "multiValued": true, "subAttributes": parts}]));
        assert!(user(&keys, &json!({"keys": [{"value": "k"}]})).is_ok());
        assert_eq!(
            user(&keys, &json!({"keys": [{"value": "k"}, {"label": "l"}]})),
            Err(format!("{URN}:keys[1].value: expected a value, found none"))
        );
    }

    #[test]
    fn an_immutable_part_of_a_single_value_is_set_once() {
        let parts = json!([{"name": "number", "mutability": "immutable"}, {"name": "label"}]);
        let card = types(&json!([{"name": "card", "type": "complex", "subAttributes": parts}]));
        let alice = user(&card, &json!({"card": {"label": "l"}})).unwrap();
        let set = |user: &Resource, value: &str| {
            patched(&card, user, &json!({"op": "replace", "path": format!("{URN}:card.number"), "value": value}))
        };
        let with = set(&alice, "A").unwrap();
        assert_eq!(set(&with, "a").map(|same| same.same_values(&with)), Ok(true));
        let refused =
            format!("{URN}:card.number: expected the number that is there, since it is immutable, found another");
        assert_eq!(set(&with, "B"), Err(refused));
        let path = format!("{URN}:card");
        assert!(patched(&card, &with, &json!({"op": "remove", "path": path})).is_ok(), "the whole value may go");
    }

    #[test]
    fn references_of_a_tenants_own_are_values_and_bounded_as_such() {
        let parts = json!([{"name": "value"}, {"name": "$ref", "type": "reference"}]);
        let teams = types(&json!([{"name": "teams", "type": "complex", "multiValued": true, "subAttributes": parts}]));
        let alice = user(&teams, &json!({})).unwrap();
        let add = |count: usize| {
            let value: Vec<Value> = (0..count).map(|n| json!({"value": n.to_string()})).collect();
            let operation = json!({"op": "add", "path": format!("{URN}:teams"), "value": value});
            let reading = Reading::of(Dialect::entra());
            PatchRequest::parse(&json!({"Operations": [operation]}), &reading)
                .and_then(|request| {
                    request.apply_apart(teams.of(Kind::User), &alice, &reading, &Effort::default()).map(|_| ())
                })
                .map_err(|error| error.to_string())
        };
        let max = LIMITS.values_max;
        assert_eq!(add(max), Ok(()));
        let refused = format!("Operations[0].path {URN}:teams: expected at most {max} values, found {}", max + 1);
        assert_eq!(add(max + 1), Err(refused));
    }

    #[test]
    fn the_last_value_of_what_is_required_does_not_go() {
        let keys = types(&json!([{"name": "keys", "type": "complex", "multiValued": true, "required": true,
            "subAttributes": [{"name": "value"}]}]));
        let alice = user(&keys, &json!({"keys": [{"value": "a"}, {"value": "b"}]})).unwrap();
        let remove = |user: &Resource, value: &str| {
            patched(&keys, user, &json!({"op": "remove", "path": format!("{URN}:keys[value eq \"{value}\"]")}))
        };
        let with_one = remove(&alice, "a").unwrap();
        assert_eq!(seen(&keys, &with_one), json!({"keys": [{"value": "b"}]}));
        assert!(remove(&with_one, "a").is_ok(), "what is not there is removed already");
        let place = format!("Operations[0].path {URN}:keys[value eq \"b\"]");
        assert_eq!(remove(&with_one, "b"), Err(format!("{place}: expected it to stay, it is required")));
    }

    #[test]
    fn an_element_without_parts_is_chosen_by_its_value() {
        let tags = types(&json!([{"name": "tags", "multiValued": true}]));
        let alice = user(&tags, &json!({"tags": ["p", "q"]})).unwrap();
        let patch = |op: &str, tag: &str, value: Value| {
            let path = format!("{URN}:tags[value eq \"{tag}\"]");
            patched(&tags, &alice, &json!({"op": op, "path": path, "value": value})).map(|after| seen(&tags, &after))
        };
        assert_eq!(patch("remove", "P", Value::Null), Ok(json!({"tags": ["q"]})));
        assert_eq!(patch("replace", "p", json!("r")), Ok(json!({"tags": ["r", "q"]})));
        assert_eq!(patch("replace", "p", json!("q")), Ok(json!({"tags": ["q"]})));
        assert_eq!(patch("add", "x", json!("r")), Ok(json!({"tags": ["p", "q", "r"]})));
        let matches = |text: String| {
            BoundFilter::parse(&text, tags.of(Kind::User), &Reading::lenient()).map(|f| f.matches(&alice, ""))
        };
        assert_eq!(matches(format!("{URN}:tags[value sw \"q\"]")), Ok(true));
        assert_eq!(matches(format!("{URN}:tags[value eq \"x\"]")), Ok(false));
        assert!(matches(format!("{URN}:tags[type eq \"x\"]")).is_err());
    }

    #[test]
    fn a_decimal_comes_back_as_it_was_sent() {
        let weights = types(&json!([{"name": "weight", "type": "decimal"}]));
        for text in ["31.245270191439438", "121.48791951161945", "0.1", "5e-324"] {
            let sent: Value = serde_json::from_str(&format!("{{\"weight\":{text}}}")).unwrap();
            let alice = user(&weights, &sent).unwrap();
            let stored: Resource = serde_json::from_slice(&serde_json::to_vec(&alice).unwrap()).unwrap();
            assert_eq!(seen(&weights, &stored).to_string(), format!("{{\"weight\":{text}}}"));
        }
    }

    #[test]
    fn an_active_of_a_tenants_own_is_not_the_users() {
        let own = types(&json!([{"name": "active", "type": "boolean"}]));
        let alice = user(&own, &json!({"active": false})).unwrap();
        assert!(alice.active());
        let path = format!("{URN}:active");
        let cleared = patched(&own, &alice, &json!({"op": "replace", "path": path, "value": null})).unwrap();
        assert_eq!(seen(&own, &cleared), Value::Null);
    }

    #[test]
    fn a_secret_of_a_tenants_own_is_masked_as_a_word() {
        let types = types(&json!([{"name": "pin", "mutability": "writeOnly"}, {"name": "keys", "type": "complex",
            "subAttributes": [{"name": "code", "returned": "never"}, {"name": "label"}]}]));
        let mask = Mask::of(types.all());
        let mut document = json!({URN: {"pin": "s", "keys": {"code": "s", "label": "l"}}, "shipping": "x", "PIN": "s",
            "op": "add", "path": format!("{URN}:pin"), "value": "s", "password": "s"});
        mask.secrets(&mut document);
        let expected = json!({URN: {"pin": "***", "keys": {"code": "***", "label": "l"}}, "shipping": "x", "PIN": "***",
            "op": "add", "path": format!("{URN}:pin"), "value": "***", "password": "***"});
        assert_eq!(document, expected);
        assert_eq!(mask.text("name.formatted pr and pin eq \"s\""), "name.formatted pr and pin eq ***");
        assert_eq!(mask.text("shipping eq \"s\""), "shipping eq \"s\"");
    }
}

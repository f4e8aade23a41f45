//! The schemas that a tenant has of its own (RFC 7643 §3.3), and the resource types that they make with the built-in ones.
//!
//! A tenant's schemas stand under one key. Its connection, which every request reads, says whether there are any; so a
//! tenant that has none pays nothing for those that have. A schema describes documents and does not own them: what a
//! document has stays in it when its schema goes, unseen, and is seen again when the schema comes back.

use crate::connection::Connection;
use crate::ledger::{Error, Read, Turn};
use crate::scim;
use crate::scim::schema::form::confusable;
use crate::scim::{ResourceType, Schema};
use crate::settings::LIMITS;
use crate::space::Kind;
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

    /// Those of a tenant.
    pub fn read(view: &impl Read) -> Result<Types, Error> {
        Ok(Types::with(read(view)?))
    }

    /// The same where the connection is known: nothing is read where it says that there is nothing to read.
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

    /// The same form again, every default said.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut form = self.schema.to_json();
        form.insert(EXTENDS.to_owned(), Value::from(self.extends.resource_type().name));
        form
    }
}

/// Why a tenant's schemas could not be changed as asked.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// There are as many as a tenant may have.
    Full,
    /// A name could mean an attribute of this one or of the new one.
    Confusable(String),
    /// It extends another kind of resource already.
    Extends(Kind),
}

/// The schemas that a tenant has of its own, in the order in which they came.
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
pub fn put(turn: &mut Turn<'_>, mut new: OwnSchema) -> Result<Result<(OwnSchema, bool), Refusal>, Error> {
    let mut schemas = read(turn)?;
    let urn = new.schema.id.clone();
    if let Some(own) = schemas.iter_mut().find(|own| own.schema.id.eq_ignore_ascii_case(&urn)) {
        if own.extends != new.extends {
            return Ok(Err(Refusal::Extends(own.extends)));
        }
        new.schema.id = own.schema.id.clone();
        *own = new.clone();
        write(turn, &schemas)?;
        return Ok(Ok((new, false)));
    }
    if let Some(other) = schemas.iter().find(|own| confusable(&own.schema.id, &urn)) {
        return Ok(Err(Refusal::Confusable(other.schema.id.to_string())));
    }
    if schemas.len() >= LIMITS.schemas_max {
        return Ok(Err(Refusal::Full));
    }
    schemas.push(new.clone());
    write(turn, &schemas)?;
    Ok(Ok((new, true)))
}

/// Takes a schema out, if there is one of this URN. No document changes.
pub fn remove(turn: &mut Turn<'_>, urn: &str) -> Result<Option<OwnSchema>, Error> {
    let mut schemas = read(turn)?;
    let Some(index) = schemas.iter().position(|own| own.schema.id.eq_ignore_ascii_case(urn)) else {
        return Ok(None);
    };
    let removed = schemas.remove(index);
    write(turn, &schemas)?;
    Ok(Some(removed))
}

fn write(turn: &mut Turn<'_>, schemas: &[OwnSchema]) -> Result<(), Error> {
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

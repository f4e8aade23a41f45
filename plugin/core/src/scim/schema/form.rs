//! A schema as JSON, RFC 7643 §7: how a tenant says what it has of its own, and how every schema is shown.
//!
//! What is not said has the default of RFC 7643 §2.2. Nothing is passed over: a characteristic that we do not know, or
//! could not keep, is refused, since its author would count on it.

use super::super::error::Error;
use super::{Attribute, Mutability, ResourceType, Returned, Schema, Type, Uniqueness, Words};
use crate::settings::LIMITS;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The schema of a schema.
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// What the reference of an attribute may point to beside our resource types, RFC 7643 §7.
const REFERENCE_TYPES: [&str; 4] = ["User", "Group", "external", "uri"];

impl Schema {
    /// Reads a schema that is to be known by this URN.
    ///
    /// # Errors
    /// The place in the form, what was expected there, and what was found.
    pub fn parse(urn: &str, body: &Map<String, Value>) -> Result<Schema, Error> {
        check_urn(urn)?;
        known(body, &["schemas", "id", "name", "description", "attributes", "meta"], "")?;
        if let Some(schemas) = body.get("schemas")
            && *schemas != json!([SCHEMA])
        {
            return Err(wrong("schemas", &format!("[{SCHEMA:?}]"), schemas));
        }
        match body.get("id") {
            None => {}
            Some(Value::String(id)) if id.eq_ignore_ascii_case(urn) => {}
            Some(other) => return Err(wrong("id", &format!("{urn:?}, as in the path"), other)),
        }
        let attributes = attributes(body.get("attributes"), "attributes", Level::Attribute)?;
        let count = attributes.iter().map(|attribute| 1 + attribute.sub_attributes.len()).sum::<usize>();
        at_most("attributes", count, LIMITS.schema_attributes_max, "attributes and sub-attributes")?;
        let schema = Schema {
            id: Cow::Owned(urn.to_owned()),
            name: Cow::Owned(text(body, "", "name")?.unwrap_or_else(|| urn.to_owned())),
            description: Cow::Owned(text(body, "", "description")?.unwrap_or_default()),
            attributes: Cow::Owned(attributes),
        };
        let bytes = Value::Object(schema.to_json()).to_string().len();
        at_most("body", bytes, LIMITS.schema_bytes_max, "bytes")?;
        Ok(schema)
    }

    /// The schema as `/Schemas` shows it, without `meta`.
    pub fn to_json(&self) -> Map<String, Value> {
        let attributes: Vec<Value> = self.attributes.iter().map(rendered).collect();
        Map::from_iter([
            ("schemas".to_owned(), json!([SCHEMA])),
            ("id".to_owned(), json!(self.id)),
            ("name".to_owned(), json!(self.name)),
            ("description".to_owned(), json!(self.description)),
            ("attributes".to_owned(), Value::Array(attributes)),
        ])
    }
}

/// Whether one of two URNs is the other, or starts with it at the end of one of its parts: a name behind it could then mean
/// an attribute of the one or the other itself.
pub(crate) fn confusable(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
        && long.get(short.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.']))
}

/// RFC 8141 §2, of the characters that stand unencoded in a URL's segment, in a filter and in a PATCH path. The RFC's own
/// schemas keep their part of the namespace; below `schemas:extension:` everybody makes their own, Entra first of all.
fn check_urn(urn: &str) -> Result<(), Error> {
    at_most("urn", urn.len(), LIMITS.schema_urn_bytes_max, "bytes")?;
    let refused = |what: &str| Err(Error::value(format!("urn: expected {what}, found {urn:?}")));
    let parts: Vec<&str> = urn.split(':').collect();
    let plain = |part: &&str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let namespace = |nid: &str| {
        (2..=32).contains(&nid.len()) && !nid.starts_with('-') && !nid.ends_with('-') && !nid.contains(['_', '.'])
    };
    match parts.as_slice() {
        [scheme, nid, rest @ ..]
            if scheme.eq_ignore_ascii_case("urn")
                && namespace(nid)
                && !nid.eq_ignore_ascii_case("urn")
                && !rest.is_empty()
                && parts.iter().all(plain) => {}
        _ => {
            return refused(
                "a URN of letters, digits, \"-\", \"_\", \".\" and \":\", such as urn:example:params:scim:User",
            );
        }
    }
    let start = |prefix: &str| urn.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if start("urn:ietf:params:scim:") && !start("urn:ietf:params:scim:schemas:extension:") {
        return refused("one below urn:ietf:params:scim:schemas:extension: or of a namespace of its own");
    }
    let built_in = [ResourceType::user(), ResourceType::group()];
    if built_in.iter().flat_map(|of| of.schemas()).any(|schema| confusable(&schema.id, urn)) {
        return refused("one that neither is nor starts nor continues that of a built-in schema");
    }
    Ok(())
}

/// Where an attribute stands.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Attribute,
    SubAttribute,
}

fn attributes(value: Option<&Value>, place: &str, level: Level) -> Result<Vec<Attribute>, Error> {
    let elements = match value {
        Some(Value::Array(elements)) if !elements.is_empty() => elements,
        Some(other) => return Err(wrong(place, "an array of attributes", other)),
        None => return Err(Error::value(format!("{place}: expected an array of attributes, found none"))),
    };
    let mut attributes: Vec<Attribute> = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let Value::Object(body) = element else {
            return Err(wrong(&place, "an object", element));
        };
        let attribute = attribute(body, &format!("{place}."), level)?;
        if attributes.iter().any(|other| other.name.eq_ignore_ascii_case(&attribute.name)) {
            let name = attribute.name;
            return Err(Error::value(format!(
                "{place}.name: expected each name once, without case, found {name:?} again"
            )));
        }
        attributes.push(attribute);
    }
    Ok(attributes)
}

/// RFC 7643 §7, "attributes".
fn attribute(body: &Map<String, Value>, place: &str, level: Level) -> Result<Attribute, Error> {
    let names = [
        "name",
        "type",
        "subAttributes",
        "multiValued",
        "description",
        "required",
        "canonicalValues",
        "caseExact",
        "mutability",
        "returned",
        "uniqueness",
        "referenceTypes",
    ];
    known(body, &names, place)?;
    let kind = choice(body, place, "type", &Type::ALL, Type::as_str)?.unwrap_or(Type::String);
    let mutability = choice(body, place, "mutability", &Mutability::ALL, Mutability::as_str)?;
    let mutability = mutability.unwrap_or(Mutability::ReadWrite);
    let returned = choice(body, place, "returned", &Returned::ALL, Returned::as_str)?;
    let unread = mutability == Mutability::WriteOnly;
    let attribute = Attribute {
        name: Cow::Owned(name(body, place, level)?),
        kind,
        multi_valued: flag(body, place, "multiValued")?.unwrap_or(false),
        description: Cow::Owned(text(body, place, "description")?.unwrap_or_default()),
        required: flag(body, place, "required")?.unwrap_or(false),
        canonical_values: Words::Own(words(body, place, "canonicalValues")?),
        // RFC 7643 §2.3.6 and §2.3.7: binary values and references compare with case.
        case_exact: flag(body, place, "caseExact")?.unwrap_or(matches!(kind, Type::Binary | Type::Reference)),
        mutability,
        returned: returned.unwrap_or(if unread { Returned::Never } else { Returned::Default }),
        uniqueness: choice(body, place, "uniqueness", &Uniqueness::ALL, Uniqueness::as_str)?
            .unwrap_or(Uniqueness::None),
        reference_types: Words::Own(words(body, place, "referenceTypes")?),
        sub_attributes: match body.get("subAttributes") {
            Some(value) if kind == Type::Complex && level == Level::Attribute => {
                Cow::Owned(attributes(Some(value), &format!("{place}subAttributes"), Level::SubAttribute)?)
            }
            _ => Cow::Owned(Vec::new()),
        },
    };
    agrees(&attribute, body, place, level)?;
    Ok(attribute)
}

/// Characteristics that make no sense together, or that we could not keep.
fn agrees(attribute: &Attribute, body: &Map<String, Value>, place: &str, level: Level) -> Result<(), Error> {
    let refused = |name: &str, what: &str| Err(Error::value(format!("{place}{name}: expected {what}")));
    let (kind, said) = (attribute.kind, |name: &str| body.contains_key(name));
    // RFC 7643 §2.3.8: complex within complex is not.
    match (kind == Type::Complex, level) {
        (true, Level::SubAttribute) => return refused("type", "a simple type in a sub-attribute, found complex"),
        (true, Level::Attribute) if attribute.sub_attributes.is_empty() => {
            return refused("subAttributes", "sub-attributes of a complex attribute, found none");
        }
        (false, _) if said("subAttributes") => {
            return refused("subAttributes", &format!("none in an attribute of type {}", kind.as_str()));
        }
        (true | false, Level::Attribute | Level::SubAttribute) => {}
    }
    if level == Level::SubAttribute && attribute.multi_valued {
        return refused("multiValued", "false in a sub-attribute, found true");
    }
    if said("canonicalValues") && kind != Type::String {
        return refused("canonicalValues", &format!("none in an attribute of type {}", kind.as_str()));
    }
    if said("referenceTypes") && kind != Type::Reference {
        return refused("referenceTypes", &format!("none in an attribute of type {}", kind.as_str()));
    }
    if let Some(other) = attribute.reference_types.iter().find(|word| !REFERENCE_TYPES.contains(word)) {
        return refused("referenceTypes", &format!("{}, found {other:?}", REFERENCE_TYPES.join(", ")));
    }
    if matches!(kind, Type::Binary | Type::Reference) && !attribute.case_exact {
        return refused("caseExact", &format!("true in an attribute of type {}, found false", kind.as_str()));
    }
    if attribute.mutability == Mutability::WriteOnly && attribute.returned != Returned::Never {
        return refused("returned", &format!("never in a writeOnly attribute, found {}", attribute.returned.as_str()));
    }
    if attribute.required && (attribute.mutability == Mutability::ReadOnly || attribute.is_hidden()) {
        return refused("required", "false in an attribute that clients do not set or nobody reads, found true");
    }
    // An index over what a million users already have cannot be made within a turn, and a uniqueness that holds only for
    // those who come later would be none.
    if attribute.uniqueness != Uniqueness::None {
        let found = attribute.uniqueness.as_str();
        return refused(
            "uniqueness",
            &format!("none, since only userName and displayName are kept unique, found {found}"),
        );
    }
    Ok(())
}

/// RFC 7643 §2.1: `ATTRNAME = ALPHA *(nameChar)`, `nameChar = "$" / "-" / "_" / DIGIT / ALPHA`. `$ref`, which the RFC
/// itself uses (§2.4), does not fit its grammar and is let in as a sub-attribute.
fn name(body: &Map<String, Value>, place: &str, level: Level) -> Result<String, Error> {
    let what = "a letter followed by letters, digits, \"$\", \"-\" and \"_\"";
    let name = match body.get("name") {
        Some(Value::String(name)) => name,
        Some(other) => return Err(wrong(&format!("{place}name"), what, other)),
        None => return Err(Error::value(format!("{place}name: expected {what}, found none"))),
    };
    at_most(&format!("{place}name"), name.len(), LIMITS.schema_name_bytes_max, "bytes")?;
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"$-_".contains(&byte));
    if fits || level == Level::SubAttribute && name == "$ref" {
        Ok(name.clone())
    } else {
        Err(Error::value(format!("{place}name: expected {what}, found {name:?}")))
    }
}

fn known(body: &Map<String, Value>, names: &[&str], place: &str) -> Result<(), Error> {
    match body.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let shown: String = name.chars().take(40).collect();
            Err(Error::value(format!("{place}{shown}: expected one of {}, found another name", names.join(", "))))
        }
    }
}

fn text(body: &Map<String, Value>, place: &str, name: &str) -> Result<Option<String>, Error> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => {
            at_most(&format!("{place}{name}"), text.len(), LIMITS.schema_text_bytes_max, "bytes")?;
            Ok(Some(text.clone()))
        }
        Some(other) => Err(wrong(&format!("{place}{name}"), "a string", other)),
    }
}

fn flag(body: &Map<String, Value>, place: &str, name: &str) -> Result<Option<bool>, Error> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(wrong(&format!("{place}{name}"), "true or false", other)),
    }
}

fn words(body: &Map<String, Value>, place: &str, name: &str) -> Result<Vec<String>, Error> {
    let place = format!("{place}{name}");
    match body.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
            Ok(words.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(other) => Err(wrong(&place, "an array of strings", other)),
    }
}

fn choice<T: Copy>(
    body: &Map<String, Value>,
    place: &str,
    name: &str,
    choices: &[T],
    word: fn(T) -> &'static str,
) -> Result<Option<T>, Error> {
    let Some(value) = body.get(name) else {
        return Ok(None);
    };
    let found = choices.iter().find(|choice| value.as_str() == Some(word(**choice)));
    found.map(|choice| Some(*choice)).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|choice| word(*choice)).collect();
        wrong(&format!("{place}{name}"), &words.join(", "), value)
    })
}

fn at_most(place: &str, found: usize, max: usize, what: &str) -> Result<(), Error> {
    if found <= max {
        Ok(())
    } else {
        Err(Error::value(format!("{place}: expected at most {max} {what}, found {found}")))
    }
}

fn wrong(place: &str, expected: &str, found: &Value) -> Error {
    Error::value(format!("{place}: expected {expected}, found {}", super::super::value::described(found)))
}

/// One attribute with its characteristics. Those that say nothing about its type are left out, never null: Entra's
/// reader of `/Schemas` takes null for a mistake.
fn rendered(attribute: &Attribute) -> Value {
    let mut rendered = Map::new();
    let mut put = |name: &str, value: Value| rendered.insert(name.to_owned(), value);
    put("name", json!(attribute.name));
    put("type", json!(attribute.kind.as_str()));
    put("multiValued", json!(attribute.multi_valued));
    put("description", json!(attribute.description));
    put("required", json!(attribute.required));
    if !attribute.canonical_values.is_empty() {
        put("canonicalValues", attribute.canonical_values.iter().collect());
    }
    if is_text(attribute.kind) {
        put("caseExact", json!(attribute.case_exact));
    }
    put("mutability", json!(attribute.mutability.as_str()));
    put("returned", json!(attribute.returned.as_str()));
    put("uniqueness", json!(attribute.uniqueness.as_str()));
    if !attribute.reference_types.is_empty() {
        put("referenceTypes", attribute.reference_types.iter().collect());
    }
    if !attribute.sub_attributes.is_empty() {
        put("subAttributes", attribute.sub_attributes.iter().map(self::rendered).collect());
    }
    Value::Object(rendered)
}

/// Whether letter case is a question at all.
fn is_text(kind: Type) -> bool {
    match kind {
        Type::String | Type::Binary | Type::Reference => true,
        Type::Boolean | Type::Decimal | Type::Integer | Type::DateTime | Type::Complex => false,
    }
}

// What is refused, and in which words, is in `tests/transcripts/schemas/02-refused.http`.
#[cfg(test)]
mod tests {
    use super::*;

    const URN: &str = "urn:example:params:scim:x:1.0:User";

    fn parse(urn: &str, body: Value) -> Result<Schema, String> {
        Schema::parse(urn, body.as_object().unwrap()).map_err(|error| error.to_string())
    }

    fn one(attribute: Value) -> Result<Schema, String> {
        parse(URN, json!({"attributes": [attribute]}))
    }

    #[test]
    fn what_is_not_said_has_the_default_of_the_rfc() {
        let schema = one(json!({"name": "a"})).unwrap();
        let attribute = &schema.attributes[0];
        assert_eq!(attribute.kind, Type::String);
        assert_eq!((attribute.required, attribute.multi_valued, attribute.case_exact), (false, false, false));
        assert_eq!(attribute.mutability, Mutability::ReadWrite);
        assert_eq!((attribute.returned, attribute.uniqueness), (Returned::Default, Uniqueness::None));
        assert_eq!(
            one(json!({"name": "a", "mutability": "writeOnly"})).unwrap().attributes[0].returned,
            Returned::Never
        );
        assert!(one(json!({"name": "a", "type": "binary"})).unwrap().attributes[0].case_exact);
    }

    #[test]
    fn a_schema_that_is_shown_reads_as_the_same_schema() {
        let every = json!({"name": "S", "description": "d", "attributes": [
            {"name": "a", "canonicalValues": ["x", "y"], "caseExact": true, "returned": "request", "required": true},
            {"name": "b", "type": "reference", "referenceTypes": ["User", "uri"], "mutability": "immutable"},
            {"name": "c", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value", "type": "decimal"}, {"name": "$ref", "type": "reference"}, {"name": "at", "type": "dateTime"}]},
        ]});
        let schema = parse(URN, every).unwrap();
        assert_eq!(Schema::parse(URN, &schema.to_json()), Ok(schema));
        for built_in in ResourceType::user().schemas().chain(ResourceType::group().schemas()) {
            let mut form = built_in.to_json();
            form.shift_remove("id");
            // Our own have what a tenant's may not: unique names, and a password that is a string with case.
            let attributes = form["attributes"].as_array().unwrap().iter();
            let plain: Vec<Value> = attributes.filter(|attribute| attribute["uniqueness"] == "none").cloned().collect();
            form.insert("attributes".to_owned(), json!(plain));
            assert_eq!(Schema::parse(URN, &form).map(|schema| json!(schema.to_json()["attributes"])), Ok(json!(plain)));
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let count = |result: Result<Schema, String>| result.map(|schema| schema.attributes.len());
        let of = |place: &str, what: &str, max: usize| {
            Err(format!("{place}: expected at most {max} {what}, found {}", max + 1))
        };

        let max = LIMITS.schema_name_bytes_max;
        let named = |length: usize| count(one(json!({"name": "a".repeat(length)})));
        assert_eq!(named(max), Ok(1));
        assert_eq!(named(max + 1), of("attributes[0].name", "bytes", max));

        let max = LIMITS.schema_text_bytes_max;
        let described = |length: usize| count(one(json!({"name": "a", "description": "d".repeat(length)})));
        assert_eq!(described(max), Ok(1));
        assert_eq!(described(max + 1), of("attributes[0].description", "bytes", max));

        let max = LIMITS.schema_urn_bytes_max;
        let urn = |length: usize| {
            count(parse(&format!("urn:example:{}", "x".repeat(length - 12)), json!({"attributes": [{"name": "a"}]})))
        };
        assert_eq!(urn(max), Ok(1));
        assert_eq!(urn(max + 1), of("urn", "bytes", max));

        // An attribute with a part counts two.
        let max = LIMITS.schema_attributes_max;
        let part = json!([{"name": "b"}]);
        let many = |number: usize| {
            let mut all: Vec<Value> = (0..number - 2).map(|n| json!({"name": format!("a{n}")})).collect();
            all.push(json!({"name": "c", "type": "complex", "subAttributes": part}));
            count(parse(URN, json!({"attributes": all})))
        };
        assert_eq!(many(max), Ok(max - 1));
        assert_eq!(many(max + 1), of("attributes", "attributes and sub-attributes", max));

        let max = LIMITS.schema_bytes_max;
        let words =
            |bytes: usize| parse(URN, json!({"attributes": [{"name": "a", "canonicalValues": ["x".repeat(bytes)]}]}));
        let frame = Value::Object(words(1).unwrap().to_json()).to_string().len() - 1;
        assert_eq!(count(words(max - frame)), Ok(1));
        assert_eq!(count(words(max - frame + 1)), of("body", "bytes", max));
    }

    #[test]
    fn a_urn_stands_in_a_url_a_filter_and_a_path_as_it_is() {
        let ok = |urn: &str| parse(urn, json!({"attributes": [{"name": "a"}]})).is_ok();
        for urn in [
            "urn:ex:a",
            "URN:Example-1:a-b_c.2:d",
            "urn:ietf:params:scim:schemas:extension:Acme:2.0:User",
            "urn:ietf:params:x:y",
        ] {
            assert!(ok(urn), "{urn}");
        }
        for urn in [
            "",
            "urn",
            "urn:ex",
            "urn:ex:",
            "urn::a",
            "urn:e:a",
            "urn:-ex:a",
            "urn:ex-:a",
            "urn:e_x:a",
            "urn:urn:a",
            "url:ex:a",
            "urn:ex:a/b",
            "urn:ex:a b",
            "urn:ex:a%20",
            "urn:ex:\u{e9}",
            "urn:ex:a::b",
            "urn:ex:$a",
            "urn:ietf:params:scim:api:messages:2.0:X",
            "urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.department",
            "urn:ietf:params:scim:schemas:extension:enterprise",
        ] {
            assert!(!ok(urn), "{urn}");
        }
    }

    #[test]
    fn one_urn_may_not_start_another_at_the_end_of_a_part() {
        assert!(
            confusable("urn:ex:a", "URN:EX:A")
                && confusable("urn:ex:a:b", "urn:ex:a")
                && confusable("urn:ex:a", "urn:ex:a.b")
        );
        assert!(!confusable("urn:ex:a", "urn:ex:ab") && !confusable("urn:ex:a", "urn:ex:b"));
    }
}

//! The OpenAPI 3.1 document of both APIs, for code generators and for people with a viewer.
//!
//! Paths and messages are written by hand in `openapi.json`; a test holds them to the route table and to every answer of
//! the transcripts. The schemas of resources come from the tables that the engine enforces. There is nothing in it that
//! is not in this repository, so everybody may have it.

use super::packed::inflated;
use crate::scim::schema::{Attribute, Mutability, ResourceType, Returned, Type};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The document. It is the same for everybody, so an instance makes it once.
pub(super) fn document() -> &'static [u8] {
    static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| make().to_string().into_bytes());
    &DOCUMENT
}

fn make() -> Value {
    let written = inflated(include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json")));
    let mut document: Value = serde_json::from_slice(&written).expect("a test reads the document");
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        if path.starts_with("/scim/")
            && let Some(head) = item.get("get").map(head)
        {
            item["head"] = head;
        }
    }
    let schemas = &mut document["components"]["schemas"];
    for of in [ResourceType::user(), ResourceType::group()] {
        let name = &of.name;
        schemas[*name] = resource(of);
        let all_of = |required: &[&str]| json!({"$ref": format!("#/components/schemas/{name}"), "required": required});
        // What a client must send is not what it gets: it chooses the attributes of the answer.
        schemas[format!("New{name}")] = all_of(&["schemas", of.naming]);
        schemas[format!("{name}Resource")] = all_of(&["schemas", "id"]);
    }
    document
}

/// The operation that answers HEAD where this one answers GET.
fn head(get: &Value) -> Value {
    let mut head = get.clone();
    let text = |name: &str| get[name].as_str().unwrap_or_default();
    head["operationId"] = json!(format!("{}Head", text("operationId")));
    head["summary"] = json!(format!("The headers of: {}", text("summary")));
    head["responses"] = json!({"200": {"description": "As of GET, without a body"}, "default": {"description": "As of GET, without a body"}});
    head
}

/// A resource as JSON Schema: the common attributes of RFC 7643 §3.1, those of its schema, and each extension below its
/// URN.
fn resource(of: &ResourceType) -> Value {
    let mut properties = Map::new();
    properties.insert("schemas".to_owned(), json!({"type": "array", "items": {"type": "string"}}));
    properties.insert("id".to_owned(), json!({"type": "string", "readOnly": true}));
    properties.insert("externalId".to_owned(), json!({"type": "string"}));
    properties.insert("meta".to_owned(), json!({"$ref": "#/components/schemas/Meta"}));
    for (place, schema) in of.schemas().enumerate() {
        let attributes = schema.attributes.iter().map(|attribute| (attribute.name.to_string(), values(attribute)));
        if place == 0 {
            properties.extend(attributes);
        } else {
            let extension = json!({"type": "object", "properties": attributes.collect::<Map<_, _>>()});
            properties.insert(schema.id.to_string(), extension);
        }
    }
    json!({"type": "object", "description": of.description, "properties": properties})
}

fn values(attribute: &Attribute) -> Value {
    let one = one(attribute);
    let mut schema = if attribute.multi_valued { json!({"type": "array", "items": one}) } else { one };
    schema["description"] = json!(attribute.description);
    if attribute.mutability == Mutability::ReadOnly {
        schema["readOnly"] = json!(true);
    }
    if attribute.mutability == Mutability::WriteOnly || attribute.returned == Returned::Never {
        schema["writeOnly"] = json!(true);
    }
    schema
}

fn one(attribute: &Attribute) -> Value {
    let mut schema = match attribute.kind {
        Type::String => json!({"type": "string"}),
        Type::Boolean => json!({"type": "boolean"}),
        Type::Decimal => json!({"type": "number"}),
        Type::Integer => json!({"type": "integer"}),
        Type::DateTime => json!({"type": "string", "format": "date-time"}),
        Type::Binary => json!({"type": "string", "contentEncoding": "base64"}),
        Type::Reference => json!({"type": "string", "format": "uri-reference"}),
        Type::Complex => {
            let parts = attribute.sub_attributes.iter().map(|part| (part.name.to_string(), values(part)));
            json!({"type": "object", "properties": parts.collect::<Map<_, _>>()})
        }
    };
    // RFC 7643 §7: canonical values are suggestions, so they are examples and no enumeration.
    if !attribute.canonical_values.is_empty() {
        schema["examples"] = attribute.canonical_values.iter().map(Value::from).collect();
    }
    schema
}

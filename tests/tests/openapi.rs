//! The OpenAPI document says what there is: it is held to the route table, and to every answer of the transcripts.

use acceptance::hosted::Hosted;
use acceptance::native::Native;
use acceptance::run::Server;
use acceptance::transcript::{self, Exchange};
use http::Request;
use rollcall_core::http::route::{self, Door};
use rollcall_core::settings::LIMITS;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn fetch(server: &mut dyn Server) -> Vec<u8> {
    let request = Request::get("/openapi.json").header("host", "scim.example.com").body(Vec::new()).unwrap();
    let response = server.answer(request);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json; charset=utf-8".parse().unwrap())
    );
    response.into_body()
}

fn document() -> Value {
    serde_json::from_slice(&fetch(&mut Native::new(&BTreeMap::new()))).unwrap()
}

/// What stands at a reference.
fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let Some(reference) = value.get("$ref") else {
        return value;
    };
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
    let found = pointer.and_then(|pointer| document.pointer(pointer));
    found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("expected an object, found {value}"))
}

/// Path, method, operation.
fn operations(document: &Value) -> Vec<(&str, String, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in object(item).iter().filter(|(name, _)| *name != "parameters") {
            operations.push((path.as_str(), method.to_uppercase(), operation));
        }
    }
    operations
}

#[test]
fn every_route_with_every_method_is_in_the_document_and_nothing_else_is() {
    let document = document();
    let written: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(path, method, _)| (path.to_owned(), method)).collect();
    let served: BTreeSet<(String, String)> = route::table()
        .into_iter()
        .flat_map(|row| {
            row.methods.iter().map(move |method| (row.template.clone(), method.to_string())).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(written, served);
}

#[test]
fn every_operation_says_who_is_let_in() {
    let document = document();
    let door = |path: &str| route::table().into_iter().find(|row| row.template == path).unwrap().door;
    for (path, method, operation) in operations(&document) {
        let expected = match (door(path), method.as_str()) {
            (Door::Token, _) => json!([{"token": []}]),
            (Door::Secret, _) => json!([{"adminSecret": []}, {"session": []}]),
            (Door::Metrics, _) => json!([{"metricsSecret": []}]),
            (Door::SignIn, "GET") => json!([{"session": []}]),
            (Door::Open | Door::SignIn, _) => json!([]),
        };
        assert_eq!(operation.get("security").unwrap_or(&document["security"]), &expected, "{method} {path}");
    }
}

#[test]
fn every_operation_is_told_apart_and_told_whole() {
    let document = document();
    let mut names = BTreeSet::new();
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{place}: the operationId is there twice");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{place}");
        assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(&tag)), "{place}");
        let mut in_path: Vec<String> = Vec::new();
        for list in [document["paths"][path].get("parameters"), operation.get("parameters")].into_iter().flatten() {
            for parameter in list.as_array().unwrap().iter().map(|parameter| resolve(&document, parameter)) {
                if parameter["in"] == "path" {
                    assert_eq!(parameter["required"], true, "{place}");
                    in_path.push(format!("{{{}}}", parameter["name"].as_str().unwrap()));
                }
            }
        }
        let named: Vec<&str> = path.split('/').filter(|segment| segment.starts_with('{')).collect();
        assert_eq!(in_path, named, "{place}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    fn collect<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| collect(value, found));
            }
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut used = BTreeSet::new();
    collect(&document, &mut used);
    let mut there = BTreeSet::new();
    for (kind, components) in object(&document["components"]) {
        if kind != "securitySchemes" {
            there.extend(object(components).keys().map(|name| format!("#/components/{kind}/{name}")));
        }
    }
    assert_eq!(used.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), there);
}

#[test]
fn the_bounds_in_the_document_are_those_in_force() {
    let document = document();
    let at = |pointer: &str| document.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"));
    let schema = |name: &str| format!("/components/schemas/{name}");
    let parameter = |name: &str| format!("/components/parameters/{name}/schema");
    for (found, limit) in [
        (at(&(parameter("filter") + "/maxLength")), LIMITS.filter_bytes_max),
        (at(&(parameter("count") + "/default")), LIMITS.page_default),
        (at(&(schema("PageSize") + "/default")), LIMITS.page_default),
        (at(&(schema("TenantName") + "/maxLength")), LIMITS.tenant_name_bytes_max),
        (at(&(schema("BulkRequest") + "/properties/Operations/maxItems")), LIMITS.bulk_operations_max),
        (at(&(schema("PatchOp") + "/properties/Operations/maxItems")), LIMITS.patch_operations_max),
        (at(&(schema("PatchOp") + "/properties/Operations/items/properties/path/maxLength")), LIMITS.path_bytes_max),
        (at("/paths/~1admin~1api~1v1~1tenants/get/parameters/1/schema/maximum"), LIMITS.tenants_page_max),
    ] {
        assert_eq!(found, limit as u64);
    }
    let most = format!("at most {} are given", LIMITS.page_max);
    for place in [parameter("count").replace("/schema", ""), schema("PageSize")] {
        assert!(document.pointer(&place).unwrap()["description"].to_string().contains(&most), "{place}");
    }
}

#[test]
fn the_component_serves_the_same_document() {
    let (native, hosted) = (fetch(&mut Native::new(&BTreeMap::new())), fetch(&mut Hosted::new(&BTreeMap::new())));
    assert!(native == hosted);
    assert!(native.len() < 80_000, "{}", native.len());
}

#[test]
fn every_answer_of_the_transcripts_is_as_the_document_says() {
    let document = document();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, transcript) in transcript::all() {
        for exchange in &transcript.exchanges {
            let found = judge(&document, exchange, &mut seen);
            problems.extend(found.into_iter().map(|problem| format!("{name} ### {}: {problem}", exchange.title)));
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    let unseen: Vec<String> = operations(&document)
        .into_iter()
        .map(|(path, method, _)| format!("{method} {path}"))
        // HEAD is GET without a body, whatever it asks for.
        .filter(|operation| !operation.starts_with("HEAD /scim/"))
        .filter(|operation| !seen.contains(operation) && !operation.ends_with("/openapi.json"))
        .collect();
    assert!(unseen.is_empty(), "no transcript has {unseen:?}");
}

/// A path as the document has it: the lenient dialect takes an endpoint in small letters and a slash too many.
fn spelled(path: &str) -> String {
    if !path.starts_with("/scim/") {
        return path.to_owned();
    }
    let named = |segment: &str| if segment == "users" { "Users".to_owned() } else { segment.to_owned() };
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(named).collect();
    format!("/{}", segments.join("/"))
}

/// What an exchange has that the document does not.
fn judge(document: &Value, exchange: &Exchange, seen: &mut BTreeSet<String>) -> Vec<String> {
    let (request, answer) = (&exchange.request, &exchange.answer);
    let path = &spelled(request.target.split('?').next().unwrap_or_default());
    let status = answer.status;
    let item = object(&document["paths"]).iter().find(|(template, _)| fits(template, path));
    let Some((template, operation)) =
        item.and_then(|(path, item)| Some((path, item.get(request.method.to_lowercase())?)))
    else {
        // The page has no place in an API's document.
        let page = !path.starts_with("/scim/") && !path.starts_with("/admin/");
        let refused = [401, 404, 405, 413, 429].contains(&status);
        // The document says once that these two are answered everywhere.
        let general = ["HEAD", "OPTIONS"].contains(&request.method.as_str());
        return if refused || page || general {
            vec![]
        } else {
            vec![format!("{} {path} has no operation", request.method)]
        };
    };
    seen.insert(format!("{} {template}", request.method));
    let responses = &operation["responses"];
    let response = responses.get(status.to_string()).or_else(|| responses.get("default").filter(|_| status >= 400));
    let Some(response) = response.map(|response| resolve(document, response)) else {
        return vec![format!("{} {template} has no response {status}", request.method)];
    };
    let mut problems = Vec::new();
    if status < 300 && template.starts_with("/admin/") && !request.body.is_empty() {
        let sent = serde_json::from_str(&request.body).unwrap_or_default();
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        conform(document, schema, &sent, "request", &mut problems);
    }
    let header = |name: &str| answer.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
    let media = header("content-type").map(|media| media.split(';').next().unwrap_or_default());
    match (media, response.get("content")) {
        (None, _) if answer.body.is_empty() => {}
        (Some(_), None) if request.method == "HEAD" && answer.body.is_empty() => {}
        (Some(media), Some(content)) => match content.get(media) {
            None => problems.push(format!("{media} is not in the document")),
            Some(_) if media == "text/csv" || media == "application/x-ndjson" => {}
            Some(content) => {
                let body = serde_json::from_str(&answer.body).unwrap_or_default();
                conform(document, &content["schema"], &body, "answer", &mut problems);
            }
        },
        (media, content) => problems.push(format!("expected {content:?}, found {media:?}")),
    }
    problems
}

/// Whether a path is one of a template. Literal segments stand before named ones in the document.
fn fits(template: &str, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let literal = |name: &str| name == ".search" || name == "export";
    template.len() == path.len()
        && template.iter().zip(&path).all(|(expected, found)| {
            expected == found || expected.starts_with('{') && !found.is_empty() && !literal(found)
        })
}

/// JSON Schema as far as the document uses it. Objects are closed: what is not in the document is not in an answer, but for
/// the extensions of a tenant.
fn conform(document: &Value, schema: &Value, value: &Value, place: &str, problems: &mut Vec<String>) {
    if schema.get("$ref").is_some() {
        conform(document, resolve(document, schema), value, place, problems);
    }
    for (keyword, rule) in object(schema) {
        let fits = match keyword.as_str() {
            "$ref" | "description" | "default" | "examples" | "readOnly" | "writeOnly" | "contentEncoding" => true,
            "type" if rule.is_array() => rule.as_array().unwrap().iter().any(|kind| is(kind, value)),
            "type" => is(rule, value),
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => pattern(rule, value),
            "format" => {
                rule != "date-time"
                    || value.is_null()
                    || value.as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok())
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.len() as u64 <= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "required" => value.as_object().is_none_or(|object| {
                rule.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "additionalProperties" if rule.is_object() => {
                let named = |name: &String| schema.get("properties").is_some_and(|known| known.get(name).is_some());
                for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| !named(name)) {
                    conform(document, rule, value, &format!("{place}.{name}"), problems);
                }
                true
            }
            "additionalProperties" => *rule == false,
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let place = format!("{place}.{name}");
                    match rule.get(name) {
                        Some(schema) => conform(document, schema, value, &place, problems),
                        None if name.starts_with("urn:") => {}
                        None => problems.push(format!("{place} is not in the document")),
                    }
                }
                true
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    conform(document, rule, value, &format!("{place}[{index}]"), problems);
                }
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|schema| {
                let mut problems = Vec::new();
                conform(document, schema, value, place, &mut problems);
                problems.is_empty()
            }),
            other => panic!("{other}: a keyword that this test does not know"),
        };
        if !fits {
            let found: String = value.to_string().chars().take(100).collect();
            problems.push(format!("{place}: expected {keyword} {rule}, found {found}"));
        }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("{other}: no type"),
    }
}

/// The patterns of the document.
fn pattern(pattern: &Value, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match pattern.as_str().unwrap() {
        "^[45][0-9][0-9]$" => text.len() == 3 && text.parse().is_ok_and(|status: u16| (400..600).contains(&status)),
        "^[a-z0-9]{10}$" => text.len() == 10,
        "^[A-Za-z]{1,32}$" => (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic()),
        other => panic!("{other}: a pattern that this test does not know"),
    }
}

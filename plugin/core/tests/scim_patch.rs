//! PATCH by example: every file in `data/patch` is a list of cases, each titled by the requirement that it checks.
//!
//! A case has a `resource`, the `operations` of a request, and either what is `expected` of the resource or the `error`.
//! `dialect` is `entra` unless a case says another; `type` is `User` unless it says `Group`. A case without `body` of its
//! own is sent in a body with the schema of PATCH.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use rollcall_core::scim::{Dialect, Effort, PatchRequest, Reading, RelationStep, Resource, ResourceType};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn every_case_comes_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/patch");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut failures = String::new();
    let mut count = 0;
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in &cases {
            let (expected, found) = (expected(case), run(case));
            if expected != found {
                writeln!(failures, "\n{name}: {}\n  expected {expected}\n  found    {found}", case["title"]).unwrap();
            }
            count += 1;
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(count > 100, "expected more than 100 cases, found {count}");
}

#[test]
fn what_is_kept_apart_comes_out_as_if_it_were_not() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/patch/groups.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut count = 0;
    for case in cases.iter().filter(|case| case["type"] == "Group" && case.get("operations").is_some()) {
        let reading = reading(case);
        let mut whole = case["resource"].clone();
        let mut members = ids(&whole);
        whole.as_object_mut().unwrap().shift_remove("members");
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let (body, effort) = (json!({"schemas": schemas, "Operations": case["operations"]}), Effort::default());
        let request = PatchRequest::parse(&body, &reading);
        let Ok((after, steps)) =
            request.and_then(|request| request.apply_apart(ResourceType::group(), &stored(&whole), &reading, &effort))
        else {
            assert!(case.get("error").is_some(), "{}", case["title"]);
            continue;
        };
        for step in steps {
            match step {
                RelationStep::Add(new) => new.into_iter().for_each(|id| {
                    if !members.contains(&id) {
                        members.push(id);
                    }
                }),
                RelationStep::Remove(gone) => members.retain(|id| !gone.contains(id)),
                RelationStep::RemoveFitting(filter) => members.retain(|id| !filter.matches(&json!({"value": id}))),
                RelationStep::Clear => members.clear(),
            }
        }
        if let Some(expected) = case.get("expected") {
            assert_eq!(members, ids(expected), "{}", case["title"]);
            assert_eq!(after.display_name(), expected["displayName"].as_str(), "{}", case["title"]);
            count += 1;
        }
    }
    assert!(count > 10, "expected more than 10 cases, found {count}");
}

fn ids(group: &Value) -> Vec<String> {
    let members = group["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

fn expected(case: &Value) -> Value {
    let known = ["title", "dialect", "type", "resource", "operations", "body", "expected", "error"];
    for name in case.as_object().unwrap().keys() {
        assert!(known.contains(&name.as_str()), "{}: unknown name {name}", case["title"]);
    }
    match (case.get("expected"), case.get("error")) {
        (Some(expected), None) => expected.clone(),
        (None, Some(error)) => json!({"error": error}),
        _ => panic!("{}: expected either \"expected\" or \"error\"", case["title"]),
    }
}

fn reading(case: &Value) -> Reading {
    Reading::of(match case.get("dialect").and_then(Value::as_str) {
        None | Some("entra") => Dialect::entra(),
        Some("clearing") => Dialect::clearing(),
        Some("merging") => Dialect::merging(),
        Some("lenient") => Dialect::lenient(),
        Some("strict") => Dialect::strict(),
        Some(other) => panic!("unknown dialect {other}"),
    })
}

fn run(case: &Value) -> Value {
    let reading = reading(case);
    let of = match case.get("type").and_then(Value::as_str) {
        None | Some("User") => ResourceType::user(),
        Some("Group") => ResourceType::group(),
        Some(other) => panic!("unknown type {other}"),
    };
    let before = stored(&case["resource"]);
    let body = case.get("body").cloned().unwrap_or_else(
        || json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": case["operations"]}),
    );
    let result = PatchRequest::parse(&body, &reading).and_then(|request| request.apply(of, &before, &reading));
    match result {
        Ok(after) => {
            assert_eq!((&after.id, &after.meta), (&before.id, &before.meta), "{}", case["title"]);
            sent(&after, of)
        }
        Err(error) => json!({
            "error": {"scimType": error.scim_type().map(|scim_type| scim_type.as_str()), "detail": error.to_string()}
        }),
    }
}

/// A resource as it lies in the store, from the attributes of the case.
fn stored(attributes: &Value) -> Resource {
    let mut attributes = attributes.as_object().unwrap().clone();
    let external_id = attributes.shift_remove("externalId").unwrap_or(Value::Null);
    serde_json::from_value(json!({
        "id": "1",
        "externalId": external_id,
        "meta": {"created": "2026-11-23T10:00:00Z", "lastModified": "2026-11-23T10:00:00Z", "revision": 1},
        "attributes": attributes,
    }))
    .unwrap()
}

/// The resource as a client gets it, without what the server adds.
fn sent(resource: &Resource, of: &ResourceType) -> Value {
    let mut document: Map<String, Value> = resource.clone().into_json(of, None);
    for name in ["schemas", "id", "meta"] {
        assert!(document.shift_remove(name).is_some());
    }
    Value::Object(document)
}

//! What holds of the protocol engine for every input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use rollcall_core::scim::filter::{self, Compare, Filter};
use rollcall_core::scim::path::{self, Path};
use rollcall_core::scim::{
    BoundFilter, Dialect, ListQuery, Mask, Meta, Parameters, PatchRequest, Reading, Resource, ResourceBody,
    ResourceType, Schema,
};
use serde_json::{Map, Value, json};

fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn apply(resource: &Resource, operations: Value) -> Option<Resource> {
    let body = patch(operations);
    let request = PatchRequest::parse(&body, &Reading::of(Dialect::entra())).unwrap();
    request.apply(ResourceType::user(), resource, &Reading::of(Dialect::entra())).ok()
}

/// The type of users where the tenant has a schema of its own, with something of everything.
fn own() -> ResourceType {
    let form = json!({"attributes": [
        {"name": "floor", "type": "integer"},
        {"name": "opened", "type": "dateTime", "mutability": "immutable"},
        {"name": "emails", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "mutability": "immutable"}, {"name": "type", "type": "boolean"},
            {"name": "primary", "type": "boolean"}, {"name": "password", "returned": "never"}]},
        {"name": "name", "type": "complex", "subAttributes": [{"name": "value", "required": true}, {"name": "$ref"}]},
        {"name": "active", "type": "decimal", "multiValued": true},
        {"name": "manager", "type": "binary", "returned": "request"},
    ]});
    let schema = Schema::parse(OWN, form.as_object().unwrap()).unwrap();
    ResourceType { own: vec![schema], ..ResourceType::user().clone() }
}

const OWN: &str = "urn:example:params:scim:own:1.0:User";

fn matches(resource: &Resource, text: &str) -> bool {
    BoundFilter::parse(text, ResourceType::user(), &Reading::lenient()).unwrap().matches(resource, "")
}

// Texts and trees.

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("userName".to_owned()),
        Just("not".to_owned()),
        Just("members.$ref".to_owned()),
        Just("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value".to_owned()),
        "[a-zA-Z][a-zA-Z0-9_-]{0,8}(\\.[a-z]{1,4})?",
    ]
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        // Quarters: they print as they are written.
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        any::<String>().prop_map(Value::String),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    use Compare::*;
    prop::sample::select(vec![Eq, Ne, Co, Sw, Ew, Gt, Lt, Ge, Le])
}

fn tree() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        (name(), compare(), literal()).prop_map(|(name, compare, value)| Filter::Compare(name, compare, value)),
        name().prop_map(Filter::Present),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.clone().prop_map(|filter| Filter::Not(Box::new(filter))),
            (name(), inner).prop_map(|(name, filter)| Filter::Element(name, Box::new(filter))),
        ]
    })
}

/// Texts that look like filters and paths, and go wrong in many places.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "userName", "emails", "[", "]", "(", ")", "not", " ", " and ", " or ", " eq ", " pr", "\"", "\\", "\"work\"",
        "true", "1", ".", ":", "urn:", "é", "𝄞", "\u{0}", "type", "value", "-1e999", "null", "$ref",
    ]);
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

// Users and operations.

/// A path to an attribute of a user and a value that may stand there.
fn assignment() -> impl Strategy<Value = (&'static str, Value)> {
    let path = prop::sample::select(vec![
        "title",
        "nickName",
        "name.givenName",
        "name.familyName",
        "department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "externalId",
        r#"emails[type eq "work"].value"#,
        r#"emails[type eq "home"].value"#,
        r#"phoneNumbers[type eq "mobile" and primary eq true].value"#,
        r#"roles[primary eq "True"].display"#,
    ]);
    (path, prop_oneof!["[a-zA-Z0-9 é\"\\\\]{1,12}", Just("True".to_owned())])
        .prop_map(|(path, text)| (path, Value::String(text)))
}

fn user() -> impl Strategy<Value = Resource> {
    prop::collection::vec(assignment(), 0..6).prop_map(|assignments| {
        let body = Map::from_iter([("userName".to_owned(), json!("alice")), ("nickName".to_owned(), json!("Al"))]);
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let meta = Meta { created: now, last_modified: now, revision: 1 };
        let user = Resource::new(
            "1".to_owned(),
            meta,
            ResourceBody::parse(ResourceType::user(), &body, &Reading::of(Dialect::entra())).unwrap(),
        );
        let operations: Vec<Value> =
            assignments.into_iter().map(|(path, value)| json!({"op": "Add", "path": path, "value": value})).collect();
        if operations.is_empty() { user } else { apply(&user, Value::Array(operations)).unwrap() }
    })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = literal();
    let key = prop_oneof![
        prop::sample::select(vec![
            "Operations",
            "op",
            "path",
            "value",
            "userName",
            "active",
            "emails",
            "name",
            "type",
            "primary",
            "password",
            "manager",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            OWN,
            "urn:example:params:scim:own:1.0:User:floor",
            "urn:example:params:scim:own:1.0:User:emails[type eq true].value",
            "floor",
            "emails[type eq \"work\"].value",
            "schemas",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_that_is_printed_reads_as_the_same_filter(tree in tree()) {
        let text = tree.to_string();
        let again = filter::parse(&text, &Reading::strict()).unwrap_or_else(|error| panic!("{text}: {error}"));
        prop_assert_eq!(again.to_string(), text);
        prop_assert_eq!(again, tree);
    }

    #[test]
    fn a_path_that_is_printed_reads_as_the_same_path(name in name(), filter in prop::option::of(tree()), sub in "[a-z]{1,5}") {
        let sub = filter.is_some().then_some(sub);
        let path = Path { name, filter, sub };
        prop_assert_eq!(path::parse(&path.to_string(), &Reading::strict()), Ok(path));
    }

    #[test]
    fn no_text_panics_and_what_reads_prints_as_it_reads(text in prop_oneof![nearly(), any::<String>()]) {
        for reading in [Reading::lenient(), Reading::strict()] {
            if let Ok(filter) = filter::parse(&text, &reading) {
                prop_assert_eq!(filter::parse(&filter.to_string(), &Reading::strict()), Ok(filter.clone()));
                let _ = BoundFilter::bind(&filter, ResourceType::user(), &reading);
            }
            if let Ok(path) = path::parse(&text, &reading) {
                prop_assert_eq!(path::parse(&path.to_string(), &Reading::strict()), Ok(path));
            }
        }
        let _ = ListQuery::parse(&Parameters::of(Some(&text))).map(|query| query.projection(ResourceType::user()));
        let _ = Mask::of([ResourceType::user()]).query(&Parameters::of(Some(&text)));
    }

    #[test]
    fn no_body_panics_and_a_user_that_is_made_is_a_user_again(body in json_value(), user in user()) {
        for reading in [Reading::of(Dialect::entra()), Reading::strict()] {
            let mut named = body.as_object().cloned().unwrap_or_default();
            named.insert("userName".to_owned(), json!("alice"));
            named.insert("schemas".to_owned(), json!(["urn:ietf:params:scim:schemas:core:2.0:User"]));
            if let Ok(made) = ResourceBody::parse(ResourceType::user(), &named, &reading) {
                let made = Resource::new("1".to_owned(), user.meta.clone(), made);
                let sent = made.clone().into_json(ResourceType::user(), None);
                let again = Resource::new("1".to_owned(), user.meta.clone(), ResourceBody::parse(ResourceType::user(), &sent, &reading).unwrap());
                prop_assert_eq!(made, again);
            }
            let operations = json!([{"op": "add", "value": body}, {"op": "Replace", "path": "emails", "value": body}]);
            for body in [&body, &json!({"Operations": body}), &json!({"Operations": operations})] {
                if let Ok(request) = PatchRequest::parse(body, &reading) {
                    let _ = request.apply(ResourceType::user(), &user, &reading);
                }
            }
            Mask::of([ResourceType::user()]).secrets(&mut body.clone());
        }
    }

    #[test]
    fn the_same_holds_where_a_tenant_has_a_schema_of_its_own(body in json_value(), user in user(), path in nearly()) {
        let of = own();
        for reading in [Reading::of(Dialect::entra()), Reading::strict()] {
            let mut named = body.as_object().cloned().unwrap_or_default();
            named.insert("userName".to_owned(), json!("alice"));
            named.insert("schemas".to_owned(), json!(["urn:ietf:params:scim:schemas:core:2.0:User", OWN]));
            named.insert(OWN.to_owned(), body.clone());
            if let Ok(made) = ResourceBody::parse(&of, &named, &reading) {
                let made = Resource::new("1".to_owned(), user.meta.clone(), made);
                // What is seen is what a client may send back, and that changes nothing.
                let sent = made.clone().into_json(&of, None);
                let again = ResourceBody::parse(&of, &sent, &reading).unwrap();
                if let Ok(replaced) = made.replaced(&of, again) {
                    prop_assert!(replaced.same_values(&made), "{:?}\n{:?}", made, replaced);
                }
                prop_assert!(!Value::Object(sent).to_string().contains("password\":"));
            }
            let path = format!("{OWN}:{path}");
            let operations = json!([{"op": "add", "value": {OWN: body}}, {"op": "replace", "path": path, "value": body},
                {"op": "remove", "path": path}]);
            for operation in operations.as_array().unwrap() {
                if let Ok(request) = PatchRequest::parse(&json!({"Operations": [operation]}), &Reading::of(Dialect::entra()))
                    && let Ok(changed) = request.apply(&of, &user, &reading)
                {
                    let _ = changed.clone().into_json(&of, None);
                    // Under the built-in schemas nothing of it is seen.
                    let hidden = Value::Object(changed.into_json(ResourceType::user(), None));
                    prop_assert_eq!(hidden.get(OWN), None);
                }
            }
            Mask::of([&of]).secrets(&mut body.clone());
        }
    }

    #[test]
    fn no_secret_survives_the_mask(around in json_value()) {
        let secret = "correct horse battery staple";
        for hidden in [
            json!({"password": secret}),
            json!({"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:PASSWORD", "value": {"x": [secret]}}),
            json!({"op": "remove", "path": format!("emails[password eq \"{secret}")}),
        ] {
            let mut document = json!({"around": around, "hidden": [hidden]});
            Mask::of([ResourceType::user()]).secrets(&mut document);
            prop_assert!(!document.to_string().contains(secret));
        }
    }

    #[test]
    fn a_replacement_twice_is_a_replacement_once(user in user(), (path, value) in assignment()) {
        let operation = json!([{"op": "Replace", "path": path, "value": value}]);
        let once = apply(&user, operation.clone()).unwrap();
        prop_assert_eq!(apply(&once, operation), Some(once));
    }

    #[test]
    fn an_addition_twice_is_an_addition_once(user in user(), (path, value) in assignment()) {
        let operation = json!([{"op": "Add", "path": path, "value": value}]);
        let once = apply(&user, operation.clone()).unwrap();
        prop_assert_eq!(apply(&once, operation), Some(once));
    }

    #[test]
    fn what_was_assigned_is_found_by_a_filter(user in user(), (path, value) in assignment()) {
        let changed = apply(&user, json!([{"op": "Replace", "path": path, "value": value}])).unwrap();
        let found = format!("{path} eq {value}");
        prop_assert!(matches(&changed, &found), "{}", found);
    }

    #[test]
    fn what_was_removed_is_not_present(user in user(), (path, _) in assignment()) {
        let changed = apply(&user, json!([{"op": "Remove", "path": path}])).unwrap();
        let present = format!("{path} pr");
        prop_assert!(!matches(&changed, &present));
    }

    #[test]
    fn an_empty_value_removes(user in user(), (path, _) in assignment(), null in any::<bool>()) {
        let value = if null { Value::Null } else { json!("") };
        let cleared = apply(&user, json!([{"op": "Replace", "path": path, "value": value}]));
        prop_assert_eq!(cleared, apply(&user, json!([{"op": "Remove", "path": path}])));
    }

    #[test]
    fn an_assignment_touches_no_other_attribute(user in user(), (path, value) in assignment()) {
        let changed = apply(&user, json!([{"op": "Replace", "path": path, "value": value}])).unwrap();
        let all = ["userName", "active", "title", "nickName", "name.givenName", "name.familyName", "department",
            "manager", "externalId", "emails", "phoneNumbers", "roles"];
        let all = all.into_iter().filter(|name| !path.contains(name));
        let (before, after) = (flat(&user), flat(&changed));
        for name in all {
            prop_assert_eq!(before.get(name), after.get(name), "{} by {}", name, path);
        }
    }

    #[test]
    fn each_name_of_a_value_is_an_assignment_of_its_own(user in user(), pairs in prop::collection::btree_map(0..11usize, assignment(), 1..5)) {
        let pairs: Map<String, Value> = pairs.into_values().map(|(path, value)| (path.to_owned(), value)).collect();
        let several: Vec<Value> =
            pairs.iter().map(|(path, value)| json!({"op": "replace", "path": path, "value": value})).collect();
        prop_assert_eq!(apply(&user, json!([{"op": "replace", "value": pairs}])), apply(&user, Value::Array(several)));
    }

    #[test]
    fn a_request_is_carried_out_whole_or_not_at_all(user in user(), assignments in prop::collection::vec(assignment(), 0..4)) {
        let mut operations: Vec<Value> =
            assignments.into_iter().map(|(path, value)| json!({"op": "replace", "path": path, "value": value})).collect();
        operations.push(json!({"op": "replace", "path": "active", "value": "neither"}));
        let before = user.clone();
        prop_assert_eq!(apply(&user, Value::Array(operations)), None);
        prop_assert_eq!(user, before);
    }

    #[test]
    fn every_match_has_what_the_lookup_names(user in user(), (path, value) in assignment()) {
        use filter::Lookup;
        let text = format!("{path} eq {value}");
        let bound = BoundFilter::parse(&text, ResourceType::user(), &Reading::lenient()).unwrap();
        if bound.matches(&user, "") {
            let fold = |text: &str| text.to_lowercase();
            match bound.lookup() {
                None => {}
                Some(Lookup::Id(id)) => prop_assert_eq!(id, user.id),
                Some(Lookup::Name(name)) => prop_assert_eq!(Some(fold(&name)), user.user_name().map(fold)),
                Some(Lookup::ExternalId(id)) => prop_assert_eq!(Some(id), user.external_id),
                Some(Lookup::Member(id)) => prop_assert!(false, "users have no members: {}", id),
                Some(Lookup::Email(address)) => {
                    prop_assert!(user.emails().any(|email| fold(email) == fold(&address)));
                }
            }
        }
    }
}

/// The attributes of a user by their names, extensions without URN.
fn flat(user: &Resource) -> Map<String, Value> {
    let mut flat = Map::new();
    for (name, value) in user.clone().into_json(ResourceType::user(), None) {
        match value {
            Value::Object(parts) if name.starts_with("urn:") => flat.extend(parts),
            Value::Object(parts) if name == "name" => {
                flat.extend(parts.into_iter().map(|(part, value)| (format!("name.{part}"), value)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                flat.insert(name, value);
            }
        }
    }
    flat
}

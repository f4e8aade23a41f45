//! The table of leniencies, made from the schemas: every attribute in every lenient spelling at every place is read as the
//! exact spelling is, by the lenient dialect with a note, and refused by the strict one.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use rollcall_core::scim::schema::{Attribute, Mutability, Type};
use rollcall_core::scim::{
    BoundFilter, Effort, Leniency, Meta, PatchRequest, Reading, RelationStep, Resource, ResourceBody, ResourceType,
    Schema,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const OWN: &str = "urn:example:params:scim:own:1.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A spelling of a value, and the value that it is.
struct Spelling {
    leniency: Leniency,
    sent: Value,
    read: Value,
}

/// An attribute where it stands.
struct Row<'s> {
    of: &'s ResourceType,
    schema: &'s Schema,
    attribute: &'s Attribute,
}

#[test]
fn every_spelling_of_every_attribute_is_read_alike_in_post_put_and_patch() {
    let (mut count, mut met) = (0, BTreeSet::new());
    for of in &types() {
        for row in rows(of) {
            for spelling in spellings(row.attribute) {
                row.check_written(&spelling);
                met.insert(spelling.leniency);
                count += 1;
            }
        }
    }
    assert!(count > 300, "expected more than 300 spellings, found {count}");
    let expected: BTreeSet<Leniency> =
        Leniency::ALL[..9].iter().copied().filter(|l| *l != Leniency::EmptyText).collect();
    assert!(met.is_superset(&expected), "{met:?}");
}

#[test]
fn every_part_of_every_attribute_is_read_alike_by_a_path_of_its_own() {
    let mut count = 0;
    for of in &types() {
        for row in rows(of).filter(|row| row.attribute.kind == Type::Complex && !row.attribute.multi_valued) {
            // RFC 7643 §4.3: a reference without the id that it points to is none.
            let parts = writable(&row.attribute.sub_attributes).filter(|part| part.name != "$ref");
            for part in parts {
                let path = format!("{}.{}", row.name(), part.name);
                for spelling in spellings(part) {
                    let found =
                        row.patched(&json!({"op": "replace", "path": path, "value": spelling.sent}), spelling.leniency);
                    assert_eq!(found[&*part.name], spelling.read, "{path}: {}", spelling.sent);
                    row.refuses(&json!({"op": "replace", "path": path, "value": spelling.sent}));
                    count += 1;
                }
            }
        }
    }
    assert!(count > 40, "expected more than 40 rows, found {count}");
}

#[test]
fn every_spelling_of_a_value_in_a_filter_finds_what_the_exact_one_finds() {
    let mut count = 0;
    for of in &types() {
        for row in rows(of) {
            let exact = exact(row.attribute);
            let resource = row.made(&exact, &Reading::strict()).unwrap();
            for (name, leaf) in row.leaves() {
                for (leniency, comparison) in comparisons(leaf) {
                    let text = format!("{name} {comparison}");
                    let reading = Reading::lenient();
                    let filter =
                        BoundFilter::parse(&text, of, &reading).unwrap_or_else(|error| panic!("{text}: {error}"));
                    assert!(filter.matches(&resource, ""), "{text}");
                    assert!(reading.noted().iter().any(|noted| noted.leniency == leniency), "{text}");
                    assert!(BoundFilter::parse(&text, of, &Reading::strict()).is_err(), "{text}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 200, "expected more than 200 rows, found {count}");
}

#[test]
fn every_spelling_of_a_member_is_the_id_in_post_and_patch() {
    let of = ResourceType::group();
    for (leniency, sent) in [
        (Leniency::PlainForObject, json!(["1"])),
        (Leniency::SingleForArray, json!({"value": "1"})),
        (Leniency::SingleForArray, json!("1")),
        (Leniency::JsonInText, json!(r#"[{"value":"1"}]"#)),
        (Leniency::ArrayForSingle, json!([[{"value": "1"}]])),
        (Leniency::MemberByReference, json!([{"$ref": "https://example.com/scim/v2/t/Users/1/"}])),
        (Leniency::NumberForText, json!([{"value": 1}])),
    ] {
        let body = json!({"schemas": [&*of.schema.id], "displayName": "a", "members": sent});
        let reading = Reading::lenient();
        assert_eq!(ResourceBody::parse(of, body.as_object().unwrap(), &reading).unwrap().related, ["1"], "{sent}");
        assert!(
            reading.noted().iter().any(|noted| noted.leniency == leniency && noted.at.starts_with("members")),
            "{sent}"
        );
        assert!(ResourceBody::parse(of, body.as_object().unwrap(), &Reading::strict()).is_err(), "{sent}");
        let group = made(of, &json!({"displayName": "a"}), &Reading::lenient()).unwrap();
        for (op, expected) in [
            ("replace", vec![RelationStep::Clear, RelationStep::Add(vec!["1".to_owned()])]),
            ("add", vec![RelationStep::Add(vec!["1".to_owned()])]),
            ("remove", vec![RelationStep::Remove(vec!["1".to_owned()])]),
        ] {
            let body = json!({"schemas": [PATCH], "Operations": [{"op": op, "path": "members", "value": sent}]});
            let (reading, effort) = (Reading::lenient(), Effort::default());
            let request = PatchRequest::parse(&body, &reading).unwrap();
            assert_eq!(request.apply_apart(of, &group, &reading, &effort).unwrap().1, expected, "{op} {sent}");
        }
    }
}

#[test]
fn a_member_without_an_id_is_refused_in_both_dialects() {
    let of = ResourceType::group();
    let group = made(of, &json!({"displayName": "a"}), &Reading::lenient()).unwrap();
    for sent in [
        json!([{}]),
        json!([null]),
        json!([{"value": null}]),
        json!([{"value": ""}]),
        json!([{"display": "x"}]),
        json!([""]),
        json!([{"value": "1"}, {}]),
    ] {
        for reading in [Reading::lenient(), Reading::strict()] {
            let body = json!({"schemas": [&*of.schema.id], "displayName": "a", "members": sent});
            assert!(ResourceBody::parse(of, body.as_object().unwrap(), &reading).is_err(), "{sent}");
            for op in ["replace", "add", "remove"] {
                let body = json!({"schemas": [PATCH], "Operations": [{"op": op, "path": "members", "value": sent}]});
                let applied = PatchRequest::parse(&body, &reading)
                    .and_then(|request| request.apply_apart(of, &group, &reading, &Effort::default()).map(|_| ()));
                assert!(applied.is_err(), "{op} {sent}");
            }
        }
    }
}

#[test]
fn of_several_primary_values_the_last_one_sent_keeps_the_mark() {
    let sent =
        json!([{"value": "a", "type": "work", "primary": true}, {"value": "a", "type": "home", "primary": "True"}]);
    let expected =
        json!([{"value": "a", "type": "work", "primary": false}, {"value": "a", "type": "home", "primary": true}]);
    for of in &types()[..1] {
        for row in
            rows(of).filter(|row| row.attribute.multi_valued && row.attribute.name == "emails" && row.schema.id != OWN)
        {
            row.check_written(&Spelling {
                leniency: Leniency::SeveralPrimary,
                sent: sent.clone(),
                read: expected.clone(),
            });
        }
    }
    let twice = json!({"userName": "a", "emails": [{"value": "a", "primary": true}, {"value": "a", "primary": true}]});
    let user = made(ResourceType::user(), &twice, &Reading::lenient()).unwrap();
    assert_eq!(shown(user, ResourceType::user())["emails"], json!([{"value": "a", "primary": true}]));
}

#[test]
fn what_has_no_sensible_reading_is_refused_in_both_dialects() {
    let user = ResourceType::user();
    for (name, value) in [
        ("active", json!("yes")),
        ("active", json!(1)),
        ("active", json!([true, false])),
        ("title", json!(["a", "b"])),
        ("title", json!({"value": "a", "colour": "red"})),
        ("title", json!({"display": "a"})),
        ("title", json!(1.5)),
        ("name", json!([{"givenName": "a"}, {"givenName": "b"}])),
        ("emails", json!([["a", "b"]])),
    ] {
        for reading in [Reading::lenient(), Reading::strict()] {
            assert!(made(user, &json!({"userName": "a", name: value}), &reading).is_err(), "{name}: {value}");
        }
    }
    for text in [
        r"userName eq bob and active eq true",
        "userName eq \"bob",
        "userName eq 'bob",
        "shoeSize eq 1",
        "active eq maybe",
    ] {
        for reading in [Reading::lenient(), Reading::strict()] {
            assert!(BoundFilter::parse(text, user, &reading).is_err(), "{text}");
        }
    }
}

impl Row<'_> {
    /// The attribute as a path.
    fn name(&self) -> String {
        let own = std::ptr::eq(self.schema, self.of.schema);
        if own { self.attribute.name.to_string() } else { format!("{}:{}", self.schema.id, self.attribute.name) }
    }

    /// The attribute alone in an object, within its extension.
    fn object(&self, value: &Value) -> Value {
        let own = std::ptr::eq(self.schema, self.of.schema);
        if own {
            json!({&*self.attribute.name: value})
        } else {
            json!({&*self.schema.id: {&*self.attribute.name: value}})
        }
    }

    fn value_in(&self, resource: Resource) -> Value {
        let document = shown(resource, self.of);
        let own = std::ptr::eq(self.schema, self.of.schema);
        if own {
            document[&*self.attribute.name].clone()
        } else {
            document[&*self.schema.id][&*self.attribute.name].clone()
        }
    }

    fn made(&self, value: &Value, reading: &Reading) -> Result<Resource, String> {
        made(self.of, &self.object(value), reading)
    }

    fn patched(&self, operation: &Value, leniency: Leniency) -> Value {
        let reading = Reading::lenient();
        let body = json!({"schemas": [PATCH], "Operations": [operation]});
        let before = made(self.of, &json!({}), &Reading::lenient()).unwrap();
        let request = PatchRequest::parse(&body, &reading).unwrap_or_else(|error| panic!("{body}: {error}"));
        let after = request.apply(self.of, &before, &reading).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert!(reading.noted().iter().any(|noted| noted.leniency == leniency), "{body}: {:?}", reading.noted());
        self.value_in(after)
    }

    fn refuses(&self, operation: &Value) {
        let reading = Reading::strict();
        let body = json!({"schemas": [PATCH], "Operations": [operation]});
        let before = made(self.of, &json!({}), &Reading::lenient()).unwrap();
        let request = PatchRequest::parse(&body, &reading);
        assert!(request.and_then(|request| request.apply(self.of, &before, &reading)).is_err(), "{body}");
    }

    fn check_written(&self, spelling: &Spelling) {
        let Spelling { leniency, sent, read } = spelling;
        let place = format!("{}: {sent}", self.name());
        let reading = Reading::lenient();
        let posted = self.made(sent, &reading).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(self.value_in(posted), *read, "POST {place}");
        assert!(reading.noted().iter().any(|noted| noted.leniency == *leniency), "{place}: {:?}", reading.noted());
        let before = made(self.of, &json!({}), &Reading::lenient()).unwrap();
        let body = ResourceBody::parse(self.of, &whole(self.of, &self.object(sent)), &Reading::lenient()).unwrap();
        assert_eq!(self.value_in(before.replaced(self.of, body).unwrap()), *read, "PUT {place}");
        for operation in [
            json!({"op": "replace", "path": self.name(), "value": sent}),
            json!({"op": "add", "path": self.name(), "value": sent}),
            json!({"op": "replace", "value": {self.name(): sent}}),
            json!({"op": "replace", "value": self.object(sent)}),
        ] {
            // RFC 7644 §3.5.2.1 has one value added without an array around it.
            let lawful = operation["op"] == "add" && *leniency == Leniency::SingleForArray;
            if lawful {
                continue;
            }
            assert_eq!(self.patched(&operation, *leniency), *read, "{operation}");
            self.refuses(&operation);
        }
        assert!(self.made(sent, &Reading::strict()).is_err(), "{place}");
    }

    /// The plain parts that a filter can compare.
    fn leaves(&self) -> Vec<(String, &Attribute)> {
        match self.attribute.kind {
            Type::Complex => writable(&self.attribute.sub_attributes)
                .map(|part| (format!("{}.{}", self.name(), part.name), part))
                .collect(),
            Type::String
            | Type::Boolean
            | Type::Decimal
            | Type::Integer
            | Type::DateTime
            | Type::Binary
            | Type::Reference => vec![(self.name(), self.attribute)],
        }
    }
}

fn types() -> [ResourceType; 2] {
    let form = json!({"attributes": [
        {"name": "floor", "type": "integer"}, {"name": "share", "type": "decimal"}, {"name": "opened", "type": "dateTime"},
        {"name": "remote", "type": "boolean"}, {"name": "badge", "type": "binary"}, {"name": "tags", "multiValued": true},
        {"name": "rooms", "type": "integer", "multiValued": true},
        {"name": "seats", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value"}, {"name": "row", "type": "integer"}, {"name": "window", "type": "boolean"}]},
        {"name": "desk", "type": "complex", "subAttributes": [
            {"name": "value", "type": "integer"}, {"name": "share", "type": "decimal"}, {"name": "since", "type": "dateTime"}]},
    ]});
    let schema = Schema::parse(OWN, form.as_object().unwrap()).unwrap();
    [ResourceType { own: vec![schema], ..ResourceType::user().clone() }, ResourceType::group().clone()]
}

fn rows(of: &ResourceType) -> impl Iterator<Item = Row<'_>> {
    let row = move |schema| writable(schema_attributes(schema)).map(move |attribute| Row { of, schema, attribute });
    of.schemas().flat_map(row).filter(|row| row.attribute.name != row.of.relation)
}

fn schema_attributes(schema: &Schema) -> &[Attribute] {
    &schema.attributes
}

fn writable(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| match attribute.mutability {
        Mutability::ReadWrite | Mutability::Immutable => true,
        Mutability::ReadOnly | Mutability::WriteOnly => false,
    })
}

/// The exact value of an attribute.
fn exact(attribute: &Attribute) -> Value {
    let one = exact_one(attribute);
    if attribute.multi_valued { json!([one]) } else { one }
}

fn exact_one(attribute: &Attribute) -> Value {
    match attribute.kind {
        Type::String => json!("Lena"),
        Type::Boolean => json!(false),
        Type::Integer => json!(42),
        Type::Decimal => json!(1.5),
        Type::DateTime => json!("2026-11-23T10:00:00Z"),
        Type::Reference => json!("https://example.com/x"),
        Type::Binary => json!("TWFu"),
        Type::Complex => {
            let parts = writable(&attribute.sub_attributes).map(|part| (part.name.to_string(), exact(part)));
            Value::Object(parts.collect())
        }
    }
}

/// The lenient spellings of an attribute as a whole.
fn spellings(attribute: &Attribute) -> Vec<Spelling> {
    let one = spellings_of_one(attribute);
    if !attribute.multi_valued {
        return one;
    }
    let read = exact(attribute);
    let several = [
        Spelling { leniency: Leniency::SingleForArray, sent: exact_one(attribute), read: read.clone() },
        Spelling { leniency: Leniency::JsonInText, sent: json!(read.to_string()), read },
    ];
    let within = one.into_iter().map(|spelling| Spelling {
        sent: json!([spelling.sent]),
        read: json!([spelling.read]),
        leniency: spelling.leniency,
    });
    within.chain(several).collect()
}

fn spellings_of_one(attribute: &Attribute) -> Vec<Spelling> {
    let read = exact_one(attribute);
    let exactly = |leniency, sent| Spelling { leniency, sent, read: read.clone() };
    let mut spellings = vec![exactly(Leniency::ArrayForSingle, json!([read]))];
    match attribute.kind {
        Type::Boolean => {
            let texts = ["false", "False", " FALSE "];
            spellings.extend(texts.map(|text| exactly(Leniency::BooleanAsText, json!(text))));
        }
        Type::Integer => spellings.extend(["42", " 42 "].map(|text| exactly(Leniency::NumberAsText, json!(text)))),
        Type::Decimal => spellings.extend(["1.5", " 15E-1 "].map(|text| exactly(Leniency::NumberAsText, json!(text)))),
        Type::String => {
            spellings.push(Spelling { leniency: Leniency::NumberForText, sent: json!(4711), read: json!("4711") });
        }
        Type::Reference | Type::Binary => {
            spellings.push(Spelling { leniency: Leniency::OtherFormat, sent: json!("<é>"), read: json!("<é>") });
        }
        Type::DateTime => {}
        Type::Complex => {
            spellings.push(exactly(Leniency::JsonInText, json!(read.to_string())));
            if let Some(part) = attribute.sub("value").or_else(|| attribute.sub("formatted")) {
                let value = exact(part);
                let parts = Map::from_iter([(part.name.to_string(), value.clone())]);
                spellings.push(Spelling {
                    leniency: Leniency::PlainForObject,
                    sent: value,
                    read: Value::Object(parts),
                });
            }
            for part in writable(&attribute.sub_attributes) {
                spellings.extend(self::spellings(part).into_iter().map(|spelling| {
                    let with = |value: Value| {
                        let mut whole = read.clone();
                        whole[&*part.name] = value;
                        whole
                    };
                    Spelling { leniency: spelling.leniency, sent: with(spelling.sent), read: with(spelling.read) }
                }));
            }
        }
    }
    if attribute.kind != Type::Complex {
        spellings.push(exactly(Leniency::ObjectForPlain, json!({"value": read})));
        spellings.push(exactly(Leniency::ObjectForPlain, json!({"Value": read, "type": "work"})));
    }
    spellings
}

/// The lenient spellings of a comparison with the exact value.
fn comparisons(leaf: &Attribute) -> Vec<(Leniency, String)> {
    let exact = exact_one(leaf);
    let mut comparisons = vec![(Leniency::DoubleEquals, format!("== {exact}"))];
    match &exact {
        Value::Bool(_) => comparisons.extend([
            (Leniency::BooleanAsText, r#"eq "False""#.to_owned()),
            (Leniency::LetterCase, "eq False".to_owned()),
        ]),
        Value::Number(number) => comparisons.push((Leniency::NumberAsText, format!(r#"eq "{number}""#))),
        Value::String(text) => comparisons.extend([
            (Leniency::UnquotedValue, format!("eq {text}")),
            (Leniency::SingleQuotes, format!("eq '{text}'")),
            (Leniency::DoubledQuotes, format!(r#"eq ""{text}"""#)),
        ]),
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    }
    comparisons
}

fn whole(of: &ResourceType, attributes: &Value) -> Map<String, Value> {
    let mut body =
        Map::from_iter([("schemas".to_owned(), json!([&*of.schema.id])), (of.naming.to_owned(), json!("Base"))]);
    body.extend(attributes.as_object().unwrap().clone());
    body
}

fn made(of: &ResourceType, attributes: &Value, reading: &Reading) -> Result<Resource, String> {
    let meta = Meta { created: jiff::Timestamp::UNIX_EPOCH, last_modified: jiff::Timestamp::UNIX_EPOCH, revision: 1 };
    let body = ResourceBody::parse(of, &whole(of, attributes), reading).map_err(|error| error.to_string())?;
    Ok(Resource::new("1".to_owned(), meta, body))
}

fn shown(resource: Resource, of: &ResourceType) -> Value {
    Value::Object(resource.into_json(of, None))
}

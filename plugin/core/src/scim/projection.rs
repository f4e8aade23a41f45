//! Which attributes an answer has (RFC 7644 §3.9).
//!
//! Names that mean nothing are passed over: the RFC asks for no refusal, and a client that asks for more than there is
//! gets what there is. The two parameters exclude each other there; we take away from what was asked for.

use super::error::Error;
use super::schema::{Attribute, ResourceType, Returned, Schema, Target};
use crate::settings::LIMITS;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A choice of attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection<'s> {
    of: &'s ResourceType,
    wanted: Option<Vec<Target<'s>>>,
    excluded: Vec<Target<'s>>,
}

impl<'s> Projection<'s> {
    /// Reads `attributes` and `excludedAttributes`, names separated by commas.
    ///
    /// # Errors
    /// One of the lists has more names than it may.
    pub fn parse(
        of: &'s ResourceType,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Result<Projection<'s>, Error> {
        let wanted = attributes.map(|names| targets(of, "attributes", names)).transpose()?;
        let excluded = excluded.map(|names| targets(of, "excludedAttributes", names)).transpose()?;
        Ok(Projection { of, wanted, excluded: excluded.unwrap_or_default() })
    }

    /// Whether an answer has anything of the relation, [`ResourceType::relation`]; what has not need not be read.
    pub fn has_relation(&self) -> bool {
        self.of.schema.attribute(self.of.relation).is_some_and(|attribute| {
            let wanted =
                self.wanted.as_deref().is_none_or(|wanted| Share::of(wanted, None, attribute) != Share::Nothing);
            wanted && Share::of(&self.excluded, None, attribute) != Share::Whole
        })
    }

    /// Whether the client asked for the relation by its name.
    pub fn names_relation(&self) -> bool {
        self.wanted.is_some() && self.has_relation()
    }

    /// Whether the client chose at all.
    pub fn is_chosen(&self) -> bool {
        self.wanted.is_some() || !self.excluded.is_empty()
    }

    /// The resources that it is about.
    pub fn of(&self) -> &'s ResourceType {
        self.of
    }

    /// Whether an attribute without parts is sent.
    pub(super) fn keeps(&self, attribute: Option<&Attribute>) -> bool {
        attribute.is_some_and(|attribute| self.share(None, attribute, &Value::Null).is_some())
    }

    /// What is sent of an attribute, without what the client does not want and what nobody gets; nothing where that is
    /// nothing.
    pub(super) fn share<'v>(
        &self,
        extension: Option<&Schema>,
        attribute: &Attribute,
        value: &'v Value,
    ) -> Option<Cow<'v, Value>> {
        match attribute.returned {
            Returned::Always => return Some(Cow::Borrowed(value)),
            Returned::Never => return None,
            Returned::Default | Returned::Request => {}
        }
        let named = self.wanted.as_deref().map(|wanted| Share::of(wanted, extension, attribute));
        let excluded = Share::of(&self.excluded, extension, attribute);
        let keeps = |sub: &Attribute| match sub.returned {
            Returned::Always => true,
            Returned::Never => false,
            Returned::Default => named.as_ref().is_none_or(|named| named.has(sub)) && !excluded.has(sub),
            Returned::Request => named.as_ref().is_some_and(|named| named.names(sub)) && !excluded.has(sub),
        };
        let chosen = match (&named, attribute.returned) {
            (None, returned) => returned == Returned::Default,
            (Some(named), _) => *named != Share::Nothing,
        };
        if !chosen || excluded == Share::Whole {
            return None;
        }
        if keeps_all(attribute, value, &keeps) {
            return Some(Cow::Borrowed(value));
        }
        let mut parts = value.clone();
        keep_parts(attribute, &mut parts, &keeps).then_some(Cow::Owned(parts))
    }
}

/// What the names of a list mean, each once: every attribute of every resource of an answer is looked up among them.
fn targets<'s>(of: &'s ResourceType, parameter: &str, names: &str) -> Result<Vec<Target<'s>>, Error> {
    let (max, found) = (LIMITS.attributes_max, names.split(',').count());
    if found > max {
        return Err(Error::value(format!("{parameter}: expected at most {max} names, found {found}")));
    }
    let mut met = BTreeSet::new();
    let meant = names.split(',').filter_map(|name| of.resolve(name.trim()).ok());
    Ok(meant.filter(|target| met.insert(target.to_string())).collect())
}

/// How much of an attribute a list of names means.
#[derive(Debug, PartialEq)]
enum Share<'s> {
    Nothing,
    Parts(Vec<&'s str>),
    Whole,
}

impl<'s> Share<'s> {
    fn of(targets: &[Target<'s>], schema: Option<&Schema>, meant: &Attribute) -> Share<'s> {
        let same = |one: Option<&Schema>| match (one, schema) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let mut parts = Vec::new();
        for target in targets {
            match target {
                Target::Extension(extension) if same(Some(extension)) => return Share::Whole,
                Target::Attribute { extension, attribute, sub }
                    if same(*extension) && std::ptr::eq(*attribute, meant) =>
                {
                    match sub {
                        None => return Share::Whole,
                        Some(sub) => parts.push(&*sub.name),
                    }
                }
                Target::Extension(_) | Target::Attribute { .. } => {}
            }
        }
        if parts.is_empty() { Share::Nothing } else { Share::Parts(parts) }
    }

    fn has(&self, sub: &Attribute) -> bool {
        *self == Share::Whole || self.names(sub)
    }

    fn names(&self, sub: &Attribute) -> bool {
        match self {
            Share::Parts(names) => names.contains(&&*sub.name),
            Share::Nothing | Share::Whole => false,
        }
    }
}

/// Whether no part of a value is left out.
fn keeps_all(attribute: &Attribute, value: &Value, keeps: &impl Fn(&Attribute) -> bool) -> bool {
    if attribute.sub_attributes.is_empty() {
        return true;
    }
    match value {
        Value::Array(elements) => elements.iter().all(|element| keeps_all(attribute, element, keeps)),
        Value::Object(object) => object.keys().all(|name| attribute.sub(name).is_some_and(keeps)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Leaves the parts of a complex value that are kept; a simple one has none and is kept as it is.
fn keep_parts(attribute: &Attribute, value: &mut Value, keeps: &impl Fn(&Attribute) -> bool) -> bool {
    if attribute.sub_attributes.is_empty() {
        return true;
    }
    match value {
        Value::Array(elements) => {
            elements.retain_mut(|element| keep_parts(attribute, element, keeps));
            !elements.is_empty()
        }
        Value::Object(object) => {
            object.retain(|name, _| attribute.sub(name).is_some_and(keeps));
            !object.is_empty()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{Meta, Resource, Sent};
    use serde_json::json;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn project(attributes: Option<&str>, excluded: Option<&str>) -> String {
        let user = json!({
            "userName": "alice",
            "name": {"givenName": "Alice", "familyName": "Example"},
            "emails": [{"value": "a@example.com", "type": "work"}, {"type": "home"}],
            ENTERPRISE: {"department": "Sales", "manager": {"value": "2"}},
        });
        project_of(ResourceType::user(), &user, attributes, excluded)
    }

    /// What a client gets beside id and schemas.
    fn project_of(of: &ResourceType, resource: &Value, attributes: Option<&str>, excluded: Option<&str>) -> String {
        let time = "2026-11-23T10:00:00Z".parse().unwrap();
        let meta = Meta { created: time, last_modified: time, revision: 1 };
        let attributes_of = resource.as_object().unwrap().clone();
        let resource = Resource::stored("1".to_owned(), Some("x".to_owned()), meta, attributes_of);
        let projection = Projection::parse(of, attributes, excluded).unwrap();
        let sent = Sent::chosen(&projection, resource, "https://scim.example.com/1".to_owned());
        let Value::Object(mut sent) = serde_json::to_value(sent).unwrap() else { unreachable!() };
        assert!(sent.shift_remove("schemas").is_some() && sent.shift_remove("id").is_some());
        Value::Object(sent).to_string()
    }

    #[test]
    fn id_and_schemas_are_in_every_answer() {
        assert_eq!(project(Some("id"), None), "{}");
        assert_eq!(project(Some("userName"), Some("id,schemas")), r#"{"userName":"alice"}"#);
    }

    #[test]
    fn a_client_gets_the_attributes_that_it_asks_for() {
        assert_eq!(project(Some("USERNAME, externalId"), None), r#"{"externalId":"x","userName":"alice"}"#);
        assert_eq!(project(Some("meta.version"), None), r#"{"meta":{"version":"W/\"1\""}}"#);
    }

    #[test]
    fn a_client_gets_the_parts_that_it_asks_for() {
        assert_eq!(project(Some("name.givenName"), None), r#"{"name":{"givenName":"Alice"}}"#);
        assert_eq!(project(Some("emails.value"), None), r#"{"emails":[{"value":"a@example.com"}]}"#);
        assert_eq!(
            project(Some("name,name.givenName"), None),
            r#"{"name":{"givenName":"Alice","familyName":"Example"}}"#
        );
    }

    #[test]
    fn an_extension_is_asked_for_whole_or_by_attribute() {
        let department = format!(r#"{{"{ENTERPRISE}":{{"department":"Sales"}}}}"#);
        assert_eq!(project(Some(&format!("{ENTERPRISE}:department")), None), department);
        assert_eq!(project(Some("department"), None), department);
        assert_eq!(
            project(Some(ENTERPRISE), None),
            format!(r#"{{"{ENTERPRISE}":{{"department":"Sales","manager":{{"value":"2"}}}}}}"#)
        );
    }

    #[test]
    fn a_client_does_not_get_what_it_excludes() {
        assert_eq!(
            project(None, Some(&format!("externalId,name.familyName,emails.type,meta,{ENTERPRISE}:manager"))),
            format!(
                r#"{{"userName":"alice","name":{{"givenName":"Alice"}},"emails":[{{"value":"a@example.com"}}],"{ENTERPRISE}":{{"department":"Sales"}}}}"#
            )
        );
        let without = project(None, Some(&format!("emails,name,meta,{ENTERPRISE}")));
        assert_eq!(without, r#"{"externalId":"x","userName":"alice"}"#);
    }

    #[test]
    fn a_name_that_means_nothing_is_passed_over() {
        assert_eq!(project(Some("nonsense"), None), "{}");
        assert_eq!(project(Some("nonsense,userName,"), Some("urn:example:x")), r#"{"userName":"alice"}"#);
    }

    #[test]
    fn a_name_that_is_repeated_counts_once_and_names_are_bounded() {
        let of = ResourceType::user();
        let projection = Projection::parse(of, Some("title,TITLE,name,title"), None).unwrap();
        assert_eq!(projection.wanted.map(|wanted| wanted.len()), Some(2));
        let max = LIMITS.attributes_max;
        let names = |count: usize| vec!["title"; count].join(",");
        assert!(Projection::parse(of, Some(&names(max)), Some(&names(max))).is_ok());
        for (parameter, attributes, excluded) in
            [("attributes", Some(names(max + 1)), None), ("excludedAttributes", None, Some(names(max + 1)))]
        {
            let refused = Projection::parse(of, attributes.as_deref(), excluded.as_deref()).unwrap_err();
            let expected = format!("{parameter}: expected at most {max} names, found {}", max + 1);
            assert_eq!(refused.to_string(), expected);
        }
    }

    #[test]
    fn what_is_excluded_is_taken_from_what_is_asked_for() {
        assert_eq!(project(Some("name"), Some("name.familyName")), r#"{"name":{"givenName":"Alice"}}"#);
    }

    #[test]
    fn what_is_never_returned_is_not_to_be_had() {
        for attributes in [None, Some("password")] {
            let sent =
                project_of(ResourceType::user(), &json!({"password": "secret"}), attributes, Some("externalId,meta"));
            assert_eq!(sent, "{}");
        }
    }

    #[test]
    fn the_members_of_a_group_can_be_left_out() {
        let group = json!({"displayName": "Sales", "members": [{"value": "1"}]});
        let sent = project_of(ResourceType::group(), &group, None, Some("members,externalId,meta"));
        assert_eq!(sent, r#"{"displayName":"Sales"}"#);
    }
}

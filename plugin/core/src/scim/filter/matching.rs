//! Whether a resource or an element fits a bound filter.

use super::bound::{BoundFilter, ElementFilter, Node, Place};
use super::comparison::{Operand, compares, plain};
use crate::scim::effort::{Effort, weight};
use crate::scim::error::Error;
use crate::scim::resource::Resource;
use crate::scim::schema::{ResourceType, Target};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;

impl BoundFilter<'_> {
    /// Whether the resource fits. One whose relation is kept apart has to have as much of it as [`BoundFilter::reads`]
    /// says. `base` is the tenant URL, where its `meta.location` begins.
    pub fn matches(&self, resource: &Resource, base: &str) -> bool {
        self.matches_at(resource, base, &Effort::default())
    }

    /// Whether the resource fits, as [`BoundFilter::matches`] says; what is compared is counted in `effort`.
    pub fn matches_at(&self, resource: &Resource, base: &str, effort: &Effort) -> bool {
        let seen = Looked::Resource(Seen { of: self.of, resource, base, meta: OnceCell::new() });
        matches(&self.node, &Scope { seen, effort: Some(effort) })
    }
}

impl ElementFilter<'_> {
    /// Whether an element fits. The caller has counted what that costs by `ElementFilter::spend`.
    pub fn matches(&self, element: &Value) -> bool {
        matches(&self.0, &Scope { seen: Looked::Element(element), effort: None })
    }

    /// Counts what the filter is about to compare in these elements, and refuses it where that is too much in all.
    pub(crate) fn spend(&self, effort: &Effort, elements: &[Value], place: &str) -> Result<(), Error> {
        let weight: usize = elements.iter().map(weight).sum();
        effort.spend(weight.saturating_mul(terms(&self.0)));
        effort.check(place)
    }
}

fn terms(node: &Node<'_>) -> usize {
    match node {
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().map(terms).sum(),
        Node::Not(node) | Node::Element(_, node) => terms(node),
        Node::Compare(..) | Node::Present(_) | Node::Constant(_) => 1,
    }
}

/// What a filter looks at, and where it counts what that costs; nothing where that was counted before.
struct Scope<'s> {
    seen: Looked<'s>,
    effort: Option<&'s Effort>,
}

enum Looked<'s> {
    Resource(Seen<'s>),
    Element(&'s Value),
}

/// A resource as a filter looks at it.
struct Seen<'s> {
    of: &'s ResourceType,
    resource: &'s Resource,
    base: &'s str,
    /// Made of the resource when the first term asks for it, and once for all of them.
    meta: OnceCell<Value>,
}

/// Values that are lent where they stand in the resource as they are.
type Values<'s> = Vec<Cow<'s, Value>>;

impl Seen<'_> {
    fn values(&self, target: &Target<'_>) -> Values<'_> {
        match target {
            Target::Attribute { extension: None, attribute, sub: Some(sub) } if attribute.name == "meta" => {
                let meta = self.meta.get_or_init(|| self.resource.meta_at(self.of, Some(self.base)));
                meta.get(&*sub.name).map(Cow::Borrowed).into_iter().collect()
            }
            Target::Attribute { .. } | Target::Extension(_) => self.resource.lent(self.of, target, Some(self.base)),
        }
    }
}

impl Scope<'_> {
    fn spend(&self, units: usize) {
        if let Some(effort) = self.effort {
            effort.spend(units);
        }
    }

    fn values(&self, place: &Place<'_>) -> Values<'_> {
        match (&self.seen, place) {
            (Looked::Resource(seen), Place::Resource(target)) => {
                // Values of a tenant's own schema are looked at whole and made anew before a part of them is seen.
                self.spend(seen.resource.made_anew(target));
                seen.values(target)
            }
            (Looked::Element(Value::Object(parts)), Place::Element(attribute)) => {
                parts.get(&*attribute.name).map(Cow::Borrowed).into_iter().collect()
            }
            (Looked::Element(element), Place::Element(attribute)) if attribute.is_list_of_values() => {
                vec![Cow::Borrowed(*element)]
            }
            (Looked::Resource(_) | Looked::Element(_), Place::Element(_))
            | (Looked::Element(_), Place::Resource(_)) => Vec::new(),
        }
    }

    /// What an operand is compared with. RFC 7643 §2.4: an element that does not say whether it is `primary` is not.
    fn compared(&self, place: &Place<'_>, operand: &Operand) -> Values<'_> {
        let Operand::Boolean(_) = operand else {
            return self.values(place);
        };
        match (&self.seen, place) {
            (Looked::Element(_), Place::Element(part)) if part.name == "primary" => {
                let values = self.values(place);
                if values.is_empty() { vec![Cow::Owned(Value::Bool(false))] } else { values }
            }
            (Looked::Resource(_), Place::Resource(Target::Attribute { extension, attribute, sub: Some(sub) }))
                if attribute.multi_valued && sub.name == "primary" =>
            {
                let whole = Target::Attribute { extension: *extension, attribute, sub: None };
                let primary = |element: &Cow<'_, Value>| {
                    Cow::Owned(element.get(&*sub.name).cloned().unwrap_or(Value::Bool(false)))
                };
                self.values(&Place::Resource(whole)).iter().map(primary).collect()
            }
            (Looked::Resource(_) | Looked::Element(_), Place::Resource(_) | Place::Element(_)) => self.values(place),
        }
    }
}

fn matches(node: &Node<'_>, scope: &Scope<'_>) -> bool {
    match node {
        Node::And(nodes) => nodes.iter().all(|node| matches(node, scope)),
        Node::Or(nodes) => nodes.iter().any(|node| matches(node, scope)),
        Node::Not(node) => !matches(node, scope),
        Node::Present(place) => {
            scope.spend(1);
            !scope.values(place).iter().all(|value| is_empty(value))
        }
        Node::Element(target, node) => match &scope.seen {
            Looked::Resource(_) => {
                scope.spend(1);
                let elements = scope.values(&Place::Resource(*target));
                let fits = |element| matches(node, &Scope { seen: Looked::Element(element), effort: scope.effort });
                elements.iter().any(|element| fits(element))
            }
            Looked::Element(_) => false,
        },
        Node::Compare(place, compare, operand) => {
            let values = scope.compared(place, operand);
            scope.spend(values.len().max(1) + texts(&values));
            compares(&values, *compare, operand)
        }
        Node::Constant(said) => *said,
    }
}

/// The units of the texts that are compared, beside one for each value.
fn texts(values: &[Cow<'_, Value>]) -> usize {
    values.iter().map(|value| weight(plain(value)) - 1).sum()
}

/// RFC 7644, table 3: present is what has "a non-empty or non-null value, or … a non-empty node".
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.iter().all(is_empty),
        Value::Object(parts) => parts.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::reading::Reading;
    use crate::scim::{Dialect, Meta, ResourceBody};
    use serde_json::json;

    fn bound(text: &str) -> Result<BoundFilter<'static>, String> {
        BoundFilter::parse(text, ResourceType::user(), &Reading::lenient()).map_err(|error| error.to_string())
    }

    fn alice() -> Resource {
        let Value::Object(body) = json!({
            "userName": "Alice@Contoso.com",
            "externalId": "aBc",
            "displayName": "Ålice \"A\" Example",
            "active": true,
            "name": {"givenName": "Alice"},
            "emails": [
                {"value": "alice@contoso.com", "type": "work", "primary": true},
                {"value": "al@example.org", "type": "home"},
            ],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "manager": "2"},
        }) else {
            unreachable!()
        };
        let meta = Meta {
            created: "2026-11-23T10:00:00Z".parse().unwrap(),
            last_modified: "2026-11-23T10:00:00.5Z".parse().unwrap(),
            revision: 3,
        };
        Resource::new(
            "1a".to_owned(),
            meta,
            ResourceBody::parse(ResourceType::user(), &body, &Reading::of(Dialect::entra())).unwrap(),
        )
    }

    fn check(cases: &[(&str, bool)]) {
        let alice = alice();
        for (text, expected) in cases {
            assert_eq!(bound(text).map(|filter| filter.matches(&alice, "https://x/scim")), Ok(*expected), "{text}");
        }
    }

    #[test]
    fn an_element_that_does_not_say_so_is_not_primary() {
        check(&[
            ("emails[primary eq false]", true),
            (r#"emails[type eq "home" and primary eq false]"#, true),
            (r#"emails[type eq "home" and primary ne false]"#, false),
            (r#"emails[type eq "work" and primary eq "False"]"#, false),
            ("emails.primary eq false", true),
            ("emails.primary eq true", true),
            (r#"emails[type eq "home" and primary pr]"#, false),
            ("roles.primary eq false", false),
        ]);
    }

    #[test]
    fn a_place_is_compared_with_the_tenant_url() {
        check(&[
            (r#"meta.location eq "https://x/scim/Users/1a""#, true),
            (r#"meta.location ew "/Users/1a""#, true),
            (r#"meta.location eq "/Users/1a""#, false),
            ("meta.location pr and meta.version pr", true),
        ]);
    }

    #[test]
    fn what_is_empty_is_not_present() {
        let present = |body: Value, text: &str| {
            let body = body.as_object().cloned().unwrap();
            let meta =
                Meta { created: jiff::Timestamp::UNIX_EPOCH, last_modified: jiff::Timestamp::UNIX_EPOCH, revision: 1 };
            let body = ResourceBody::parse(ResourceType::user(), &body, &Reading::lenient()).unwrap();
            bound(text).unwrap().matches(&Resource::new("1".to_owned(), meta, body), "")
        };
        for (body, text, expected) in [
            (json!({"userName": "a", "title": ""}), "title pr", false),
            (json!({"userName": "a", "title": " "}), "title pr", true),
            (json!({"userName": "a", "name": {"givenName": ""}}), "name pr", false),
            (json!({"userName": "a", "emails": [{"value": ""}]}), "emails pr", false),
            (json!({"userName": "a", "emails": [{"value": "", "primary": false}]}), "emails pr", true),
        ] {
            assert_eq!(present(body, text), expected, "{text}");
        }
    }

    #[test]
    fn text_compares_by_the_attribute_with_or_without_case() {
        check(&[
            (r#"userName eq "alice@contoso.COM""#, true),
            (r#"userName eq "alice""#, false),
            (r#"displayName eq "åLICE \"a\" example""#, true),
            (r#"id eq "1a""#, true),
            (r#"id eq "1A""#, false),
            (r#"externalId eq "aBc""#, true),
            (r#"externalId eq "abc""#, false),
        ]);
    }

    #[test]
    fn every_operator_of_table_3() {
        check(&[
            (r#"userName ne "bob""#, true),
            (r#"userName ne "alice@contoso.com""#, false),
            (r#"userName co "CONTOSO""#, true),
            (r#"userName sw "ALICE""#, true),
            (r#"userName sw "contoso""#, false),
            (r#"userName ew ".com""#, true),
            (r#"userName gt "alice""#, true),
            (r#"userName lt "alice""#, false),
            (r#"userName ge "alice@contoso.com""#, true),
            (r#"userName le "alice@contoso.com""#, true),
            ("title pr", false),
            ("name pr", true),
            ("name.givenName pr", true),
            ("name.familyName pr", false),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr", true),
            (r#"title ne "Boss""#, true),
            ("title eq null", true),
            ("title ne null", false),
            ("userName ne null", true),
        ]);
    }

    #[test]
    fn a_boolean_compares_with_a_boolean_or_its_text() {
        check(&[
            ("active eq true", true),
            ("active eq \"True\"", true),
            ("active eq \"False\"", false),
            ("active ne false", true),
            ("emails[primary eq \"True\"].value sw \"alice\"", true),
            ("emails[primary eq true and type eq \"home\"]", false),
        ]);
    }

    #[test]
    fn times_compare_as_instants() {
        check(&[
            ("meta.created eq \"2026-11-23T11:00:00+01:00\"", true),
            ("meta.created eq \"2026-11-23T10:00:00\"", true),
            ("meta.lastModified gt \"2026-11-23T10:00:00Z\"", true),
            ("meta.lastModified le \"2026-11-23T10:00:00.500Z\"", true),
            ("meta.created sw \"2026-11-23T\"", true),
        ]);
    }

    #[test]
    fn one_of_several_values_is_enough() {
        check(&[
            ("emails eq \"al@example.org\"", true),
            ("emails.value co \"example.org\"", true),
            ("emails.type eq \"home\" and emails.value sw \"alice\"", true),
            ("emails[type eq \"home\" and value sw \"alice\"]", false),
            ("emails[type eq \"home\"].value eq \"al@example.org\"", true),
            ("emails[not (type eq \"work\")]", true),
            ("emails ne \"al@example.org\"", false),
            ("emails pr", true),
            ("phoneNumbers pr", false),
            ("schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"", true),
        ]);
    }

    #[test]
    fn and_binds_tighter_than_or() {
        check(&[
            ("userName pr or title pr and title pr", true),
            ("(userName pr or title pr) and title pr", false),
            ("not (title pr) and userName pr", true),
        ]);
    }

    #[test]
    fn entra_checks_a_manager_in_either_order() {
        check(&[
            (r#"id eq "1a" and manager eq "2""#, true),
            (r#"manager eq "2" and id eq "1a""#, true),
            (r#"id eq "1a" and manager eq "3""#, false),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "2""#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.department eq "sales""#, true),
            (r#"department eq "sales""#, true),
        ]);
    }
}

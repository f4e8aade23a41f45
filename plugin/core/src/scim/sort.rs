//! The order of a list, RFC 7644 §3.4.2.3.

use super::error::Error;
use super::resource::Resource;
use super::schema::{Attribute, ResourceType, Target, Type};
use super::text::fold;
use super::value;
use crate::settings::LIMITS;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// An order of resources: by which attribute, and which way.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort<'s> {
    of: &'s ResourceType,
    target: Target<'s>,
    leaf: &'s Attribute,
    descending: bool,
    base: &'s str,
}

/// What a resource is put in order by. Resources of several types compare where their attributes are of one type.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum Key {
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A moment.
    Time(jiff::Timestamp),
    /// Text, folded where letter case does not count.
    Text(String),
}

impl<'s> Sort<'s> {
    /// Finds the attribute of `sortBy`; `base` is the tenant URL, where `meta.location` begins.
    ///
    /// # Errors
    /// `sortBy` names nothing of the schema, what is never returned or kept apart, or a whole object.
    pub fn parse(of: &'s ResourceType, by: &str, descending: bool, base: &'s str) -> Result<Sort<'s>, Error> {
        let refused = |problem: &str| Error::value(format!("sortBy: {problem}"));
        let target = of.resolve(by.trim()).map_err(|problem| refused(&problem))?;
        let apart = match &target {
            Target::Attribute { extension, attribute, .. } => of.is_relation(*extension, attribute),
            Target::Extension(_) => false,
        };
        if apart {
            return Err(refused("expected an attribute of the resource itself, found one that is kept apart"));
        }
        match target.leaf() {
            Some(leaf) if leaf.is_hidden() => {
                Err(refused("expected an attribute that is returned, found one that never is"))
            }
            Some(leaf) if leaf.kind != Type::Complex => Ok(Sort { of, target, leaf, descending, base }),
            Some(_) | None => Err(refused("expected a sub-attribute to sort by, found the whole attribute")),
        }
    }

    /// What the resource is put in order by: of several values the primary one, or else the first. Of a text it is the
    /// beginning, [`Limits::cursor_key_bytes_max`](crate::settings::Limits::cursor_key_bytes_max).
    pub fn key(&self, resource: &Resource) -> Option<Key> {
        let Target::Attribute { extension, attribute, .. } = self.target else {
            return None;
        };
        let values = resource.lent(self.of, &Target::Attribute { extension, attribute, sub: None }, Some(self.base));
        let value = values.iter().find(|value| value::is_primary(value)).or(values.first())?;
        let value = match value.as_object() {
            Some(parts) => parts.get(&*self.leaf.name)?,
            None => value,
        };
        match value {
            Value::Bool(boolean) => Some(Key::Boolean(*boolean)),
            Value::Number(number) => Some(Key::Number(number.clone())),
            Value::String(text) if self.leaf.kind == Type::DateTime => value::date_time(text).map(Key::Time),
            Value::String(text) => Some(Key::Text(self.text(text))),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn text(&self, text: &str) -> String {
        let max = LIMITS.cursor_key_bytes_max;
        let beginning = |text: &str, bytes: usize| text[..text.floor_char_boundary(bytes)].to_owned();
        if self.leaf.case_exact {
            return beginning(text, max);
        }
        // Folding makes no character shorter than a third of what it was.
        beginning(&fold(&beginning(text, 4 * max)), max)
    }
}

/// Compares two keys. What has none comes last in ascending order and first in descending.
pub fn compare(one: Option<&Key>, other: Option<&Key>, descending: bool) -> Ordering {
    let order = match (one, other) {
        (Some(one), Some(other)) => one.compare(other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    if descending { order.reverse() } else { order }
}

impl Key {
    fn compare(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Boolean(one), Key::Boolean(other)) => one.cmp(other),
            (Key::Number(one), Key::Number(other)) => value::order(one, other),
            (Key::Time(one), Key::Time(other)) => one.cmp(other),
            (Key::Text(one), Key::Text(other)) => one.cmp(other),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Boolean(_) => 0,
            Key::Number(_) => 1,
            Key::Time(_) => 2,
            Key::Text(_) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{Dialect, Meta, Reading, ResourceBody};
    use serde_json::json;

    fn user(name: &str, body: Value) -> Resource {
        let mut body = body.as_object().cloned().unwrap();
        body.insert("userName".to_owned(), json!(name));
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let meta = Meta { created: now, last_modified: now, revision: 1 };
        let of = ResourceType::user();
        Resource::new(name.to_owned(), meta, ResourceBody::parse(of, &body, &Reading::of(Dialect::entra())).unwrap())
    }

    fn sorted(by: &str, descending: bool) -> String {
        let users = [
            user("b", json!({"title": "Boss", "emails": [{"value": "z@x"}, {"value": "a@x", "primary": true}]})),
            user("A", json!({"title": "clerk", "active": false, "emails": [{"value": "m@x"}]})),
            user("c", json!({})),
        ];
        let sort = Sort::parse(ResourceType::user(), by, descending, "http://x").unwrap();
        let mut keyed: Vec<_> = users.iter().map(|user| (sort.key(user), user.id.as_str())).collect();
        keyed.sort_by(|(one, _), (other, _)| compare(one.as_ref(), other.as_ref(), descending));
        keyed.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn text_sorts_by_its_case_rule_and_what_is_not_there_comes_last() {
        assert_eq!(sorted("userName", false), "Abc");
        assert_eq!(sorted("USERNAME", true), "cbA");
        assert_eq!(sorted("id", false), "Abc");
        assert_eq!(sorted("meta.location", true), "cbA");
        assert_eq!(sorted("title", false), "bAc");
        assert_eq!(sorted("title", true), "cAb");
        assert_eq!(sorted("active", false), "Abc");
    }

    #[test]
    fn whole_numbers_sort_exactly_however_large_they_are() {
        let number = |text: &str| Key::Number(serde_json::from_str(text).unwrap());
        let sorted = ["-1.5", "-1", "0", "9007199254740992", "9007199254740992.0", "9007199254740993", "1e300"];
        for pair in sorted.windows(2) {
            let order = compare(Some(&number(pair[0])), Some(&number(pair[1])), false);
            assert_ne!(order, Ordering::Greater, "{pair:?}");
        }
        let [one, other] = ["9007199254740992.0", "9007199254740993"].map(number);
        assert_eq!(compare(Some(&one), Some(&other), false), Ordering::Less);
        assert_eq!(compare(Some(&other), Some(&one), false), Ordering::Greater);
    }

    #[test]
    fn of_several_values_the_primary_one_counts_or_the_first() {
        assert_eq!(sorted("emails", false), "bAc");
        assert_eq!(sorted("emails.value", true), "cAb");
    }

    #[test]
    fn what_cannot_be_sorted_by_is_refused() {
        let refused = |by: &str| Sort::parse(ResourceType::user(), by, false, "").unwrap_err().to_string();
        assert_eq!(refused("nonsense"), "sortBy: expected an attribute of User, found an unknown name");
        assert_eq!(refused("name"), "sortBy: expected a sub-attribute to sort by, found the whole attribute");
        assert!(refused("groups.display").starts_with("sortBy: expected an attribute of the resource itself"));
    }
}

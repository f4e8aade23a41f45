//! What a bound filter tells of its matches before any resource is read.

use super::bound::{BoundFilter, ElementFilter, Node, Place};
use super::comparison::{Operand, compares};
use super::syntax::Compare;
use crate::scim::schema::{Mutability, ResourceType, Target};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The few resources among which all matches are, by an attribute that is indexed.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// By id.
    Id(String),
    /// By the attribute that names the resource: userName, or a group's displayName.
    Name(String),
    /// By externalId.
    ExternalId(String),
    /// By an e-mail address.
    Email(String),
    /// By the id of a member.
    Member(String),
}

impl Lookup {
    /// Whether several resources may have the value.
    fn is_shared(&self) -> bool {
        match self {
            Lookup::Id(_) | Lookup::Name(_) => false,
            Lookup::ExternalId(_) | Lookup::Email(_) | Lookup::Member(_) => true,
        }
    }
}

/// How much of what is kept apart has to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// No more than whether these ids are in it; none where nothing of it is asked.
    Ids(Vec<String>),
    /// All of it.
    Whole,
}

impl Reads {
    fn and(self, other: Reads) -> Reads {
        match (self, other) {
            (Reads::Ids(mut ids), Reads::Ids(others)) => {
                ids.extend(others);
                Reads::Ids(ids)
            }
            (Reads::Whole, _) | (_, Reads::Whole) => Reads::Whole,
        }
    }
}

impl BoundFilter<'_> {
    /// What the filter says of every resource of its type, where the type decides it alone: so RFC 7644 §3.4.2.1 has
    /// clients choose types in a query at the root.
    pub fn always(&self) -> Option<bool> {
        always(&self.node, self.of)
    }

    /// How much of [`ResourceType::relation`] the filter has to see.
    pub fn reads(&self) -> Reads {
        reads(&self.node, self.of)
    }

    /// A point look-up that finds every match, and perhaps others. There is one if every match must have one certain
    /// value in an indexed attribute; of several the one that leads to the fewest, as far as the attribute tells.
    pub fn lookup(&self) -> Option<Lookup> {
        lookup(&self.node, None, self.of)
    }

    /// Whether the filter is its [`lookup`](BoundFilter::lookup) and nothing else, so that what that finds are the matches.
    pub fn is_lookup(&self) -> bool {
        let compares = |node: &Node<'_>| matches!(node, Node::Compare(..));
        let alone = compares(&self.node) || matches!(&self.node, Node::Element(_, node) if compares(node));
        alone && self.lookup().is_some()
    }
}

impl ElementFilter<'_> {
    /// The ids of the elements that fit, where the filter says nothing else of them: `value eq "1"`, or several of that
    /// joined by `or`.
    pub(crate) fn names(&self) -> Option<Vec<String>> {
        names(&self.0)
    }

    /// The parts that an element must have to fit, where the filter says so: `type eq "work"`. Nothing where it only says
    /// what an element must not be, or leaves a choice.
    pub(crate) fn describes(&self) -> Option<Map<String, Value>> {
        let mut parts = Map::new();
        describe(&self.0, &mut parts).then_some(parts)
    }
}

fn always(node: &Node<'_>, of: &ResourceType) -> Option<bool> {
    // Whatever the others say, one that has this value decides.
    let decided = |nodes: &[Node<'_>], by: bool| {
        let known: Vec<Option<bool>> = nodes.iter().map(|node| always(node, of)).collect();
        if known.contains(&Some(by)) { Some(by) } else { known.iter().all(Option::is_some).then_some(!by) }
    };
    match node {
        Node::And(nodes) => decided(nodes, false),
        Node::Or(nodes) => decided(nodes, true),
        Node::Not(node) => always(node, of).map(|said| !said),
        Node::Compare(Place::Resource(target), compare, operand) if target.to_string() == "meta.resourceType" => {
            Some(compares(&[Cow::Owned(Value::String(of.name.to_string()))], *compare, operand))
        }
        Node::Constant(said) => Some(*said),
        Node::Compare(..) | Node::Present(_) | Node::Element(..) => None,
    }
}

fn reads(node: &Node<'_>, of: &ResourceType) -> Reads {
    let none = Reads::Ids(Vec::new());
    let all = |nodes: &[Node<'_>]| nodes.iter().map(|node| reads(node, of)).fold(none.clone(), Reads::and);
    let apart = |target: &Target<'_>| match target {
        Target::Attribute { extension, attribute, .. } => of.is_relation(*extension, attribute),
        Target::Extension(_) => false,
    };
    match node {
        Node::And(nodes) | Node::Or(nodes) => all(nodes),
        Node::Not(node) => reads(node, of),
        Node::Compare(Place::Resource(target), compare, operand) if apart(target) => {
            match (compare, operand, target.leaf()) {
                (Compare::Eq | Compare::Ne, Operand::Text { text, .. }, Some(leaf)) if leaf.name == "value" => {
                    Reads::Ids(vec![text.clone()])
                }
                (_, _, _) => Reads::Whole,
            }
        }
        Node::Element(target, node) if apart(target) => names(node).map_or(Reads::Whole, Reads::Ids),
        Node::Present(Place::Resource(target)) if apart(target) => Reads::Whole,
        Node::Compare(..) | Node::Present(_) | Node::Element(..) | Node::Constant(_) => none,
    }
}

fn lookup(node: &Node<'_>, element: Option<&Target<'_>>, of: &ResourceType) -> Option<Lookup> {
    match node {
        Node::And(nodes) => nodes.iter().filter_map(|node| lookup(node, element, of)).min_by_key(Lookup::is_shared),
        Node::Element(target, node) => lookup(node, Some(target), of),
        Node::Compare(place, Compare::Eq, Operand::Text { text, .. }) => {
            let name = match (place, element) {
                (Place::Resource(target), None) => target.to_string(),
                (Place::Element(part), Some(target)) => format!("{target}.{}", part.name),
                (Place::Resource(_), Some(_)) | (Place::Element(_), None) => return None,
            };
            match name.as_str() {
                "id" => Some(Lookup::Id(text.clone())),
                naming if naming == of.naming => Some(Lookup::Name(text.clone())),
                "externalId" => Some(Lookup::ExternalId(text.clone())),
                "emails" | "emails.value" => Some(Lookup::Email(text.clone())),
                "members" | "members.value" => Some(Lookup::Member(text.clone())),
                _ => None,
            }
        }
        Node::Or(_) | Node::Not(_) | Node::Compare(..) | Node::Present(_) | Node::Constant(_) => None,
    }
}

fn names(node: &Node<'_>) -> Option<Vec<String>> {
    match node {
        Node::Compare(Place::Element(part), Compare::Eq, Operand::Text { text, .. }) if part.name == "value" => {
            Some(vec![text.clone()])
        }
        Node::Or(nodes) => Some(nodes.iter().map(names).collect::<Option<Vec<_>>>()?.concat()),
        Node::And(_) | Node::Not(_) | Node::Compare(..) | Node::Present(_) | Node::Element(..) | Node::Constant(_) => {
            None
        }
    }
}

fn describe(node: &Node<'_>, parts: &mut Map<String, Value>) -> bool {
    match node {
        Node::And(nodes) => nodes.iter().all(|node| describe(node, parts)),
        Node::Compare(Place::Element(attribute), Compare::Eq, operand)
            if attribute.mutability != Mutability::ReadOnly =>
        {
            let value = match operand {
                Operand::Text { text, .. } => Value::String(text.clone()),
                Operand::Boolean(boolean) => Value::Bool(*boolean),
                Operand::Number(number) => Value::Number(number.clone()),
                Operand::Time(_) | Operand::Null => return false,
            };
            parts.insert(attribute.name.to_string(), value);
            true
        }
        Node::Or(_) | Node::Not(_) | Node::Compare(..) | Node::Present(_) | Node::Element(..) | Node::Constant(_) => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::reading::Reading;

    fn bound(text: &str) -> Result<BoundFilter<'static>, String> {
        BoundFilter::parse(text, ResourceType::user(), &Reading::lenient()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_type_may_decide_alone() {
        for (text, expected) in [
            (r#"meta.resourceType eq "User""#, Some(true)),
            (r#"meta.resourceType eq "Group""#, Some(false)),
            (r#"meta.resourceType eq "user""#, Some(false)),
            (r#"meta.resourceType ne "Group""#, Some(true)),
            (r#"META.resourcetype eq "Group" and title pr"#, Some(false)),
            (r#"meta.resourceType eq "User" and title pr"#, None),
            (r#"meta.resourceType eq "User" or title pr"#, Some(true)),
            (r#"not (meta.resourceType eq "Group" or meta.resourceType eq "Device")"#, Some(true)),
            (r#"(meta.resourceType eq "User") or (meta.resourceType eq "Group")"#, Some(true)),
            ("title pr", None),
        ] {
            assert_eq!(bound(text).unwrap().always(), expected, "{text}");
        }
    }

    #[test]
    fn an_attribute_of_another_type_has_no_value() {
        let types = [ResourceType::user(), ResourceType::group()];
        let always = |text: &str| {
            BoundFilter::parse_for(text, &types, &Reading::lenient())
                .map(|filters| filters.iter().map(BoundFilter::always).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        for (text, user, group) in [
            ("userName pr", None, Some(false)),
            (r#"title eq "x""#, None, Some(false)),
            (r#"title ne "x""#, None, Some(true)),
            (r#"not (title eq "x")"#, None, Some(true)),
            ("title eq null", None, Some(true)),
            ("title ne null", None, Some(false)),
            (r#"emails[type eq "work"]"#, None, Some(false)),
            (r#"members[value eq "1"]"#, Some(false), None),
            (r#"meta.resourceType eq "Group" or title eq "x""#, None, Some(true)),
            ("displayName pr and userName pr", None, Some(false)),
        ] {
            assert_eq!(always(text), Ok(vec![user, group]), "{text}");
        }
        assert!(always("colour pr").unwrap_err().ends_with("expected an attribute of User, found an unknown name"));
        assert!(always("userName pr and members.colour pr").is_err());
    }

    #[test]
    fn a_filter_that_only_one_indexed_value_can_fit_has_a_lookup() {
        let lookup = |text: &str| bound(text).unwrap().lookup();
        let email = Some(Lookup::Email("a@x".to_owned()));
        assert_eq!(lookup(r#"userName eq "Alice""#), Some(Lookup::Name("Alice".to_owned())));
        assert_eq!(lookup(r#"externalId eq "x" and active eq true"#), Some(Lookup::ExternalId("x".to_owned())));
        assert_eq!(lookup(r#"manager eq "2" and id eq "1""#), Some(Lookup::Id("1".to_owned())));
        assert_eq!(lookup(r#"externalId eq "x" and id eq "1""#), Some(Lookup::Id("1".to_owned())));
        for (alone, text) in [
            (true, r#"emails eq "a@x""#),
            (true, r#"emails[value eq "a@x"]"#),
            (true, r#"externalId eq "x""#),
            (false, r#"emails[value eq "a@x" and type eq "work"]"#),
            (false, r#"externalId eq "x" and active eq true"#),
            (false, r#"title eq "x""#),
            (false, r#"not (externalId eq "x")"#),
        ] {
            assert_eq!(bound(text).unwrap().is_lookup(), alone, "{text}");
        }
        assert_eq!(lookup(r#"emails eq "a@x""#), email);
        assert_eq!(lookup(r#"emails.value eq "a@x""#), email);
        assert_eq!(lookup(r#"emails[type eq "work"].value eq "a@x""#), email);
        assert_eq!(lookup(r#"emails[type eq "work" and value eq "a@x"]"#), email);
        for text in [
            r#"not (userName eq "a")"#,
            r#"userName eq "a" or userName eq "b""#,
            r#"userName ne "a""#,
            r#"userName sw "a""#,
            r#"emails[type eq "work" or value eq "a@x"]"#,
            r#"emails.type eq "work""#,
            "userName eq null",
        ] {
            assert_eq!(lookup(text), None, "{text}");
        }
    }
}

//! The one gate through which both dialects read: names, values, filters and paths ask a [`Reading`] whether a departure
//! from the RFC is read, and the [`Reading`] notes what was.

mod leniency;
mod message;
mod operand;

pub use leniency::Leniency;
pub(crate) use message::{json_within, listed, member, message_schemas, object, without_schemas};
pub(crate) use operand::{literal, spelled_eq};

use super::dialect::{Dialect, Manner};
use serde::Serialize;
use std::cell::RefCell;

/// What of one request was read liberally at most: more says nothing new of a provider.
pub const NOTED_MAX: usize = 8;

/// What is read of a value that was let in under another schema.
const RESHAPED: [Leniency; 6] = [
    Leniency::OtherFormat,
    Leniency::BooleanAsText,
    Leniency::EmptyText,
    Leniency::ArrayForSingle,
    Leniency::SingleForArray,
    Leniency::PlainForObject,
];

/// The names that ConnId's connectors have for attributes of accounts, where these reach a server as they are.
const CONNECTOR_NAMES: [(&str, &str); 1] = [("__ENABLE__", "active")];

/// The longest name of a place that is noted.
const PLACE_BYTES_MAX: usize = 120;

/// A departure from the RFC that a request had, and where. It has no values of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// What was read liberally.
    #[serde(rename = "what")]
    pub leniency: Leniency,
    /// The attribute or the member of the message.
    #[serde(rename = "where")]
    pub at: String,
}

/// How the parts of one request are read, and what of them was read liberally. Belongs to one request; an operation of a
/// bulk request has one of its own.
#[derive(Debug, Clone)]
pub struct Reading {
    dialect: Dialect,
    noted: RefCell<Vec<Noted>>,
}

impl Reading {
    /// A reading in a dialect, with nothing noted. It allocates nothing before something is.
    pub const fn of(dialect: Dialect) -> Reading {
        Reading { dialect, noted: RefCell::new(Vec::new()) }
    }

    /// The reading of the lenient dialect without any provider's choices.
    pub const fn lenient() -> Reading {
        Reading::of(Dialect::lenient())
    }

    /// The reading by the RFC and nothing else.
    pub const fn strict() -> Reading {
        Reading::of(Dialect::strict())
    }

    /// The reading of what was let in before: formats were not asked of every client.
    pub(crate) const fn stored() -> Reading {
        Reading::of(Dialect { manner: Manner::Stored, ..Dialect::strict() })
    }

    /// A reading in another dialect, with what was noted already.
    pub fn in_dialect(&self, dialect: Dialect) -> Reading {
        Reading { dialect, noted: self.noted.clone() }
    }

    /// The reading of what was let in under a schema that may have changed since.
    pub(crate) const fn reshaped() -> Reading {
        Reading::of(Dialect { manner: Manner::Reshaped, ..Dialect::clearing() })
    }

    /// The dialect, with the choices of the provider.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Whether a departure is read; where it is, it is noted. The strict dialect reads none.
    pub fn reads(&self, leniency: Leniency, place: &str) -> bool {
        match self.dialect.manner {
            Manner::Lenient => self.note(leniency, place),
            Manner::Strict => return false,
            Manner::Stored => return leniency == Leniency::OtherFormat,
            Manner::Reshaped => return RESHAPED.contains(&leniency),
        }
        true
    }

    /// Whether departures are read at all.
    pub fn is_lenient(&self) -> bool {
        self.dialect.manner == Manner::Lenient
    }

    /// Notes a departure that was read already.
    pub fn note(&self, leniency: Leniency, place: &str) {
        let mut noted = self.noted.borrow_mut();
        if noted.len() >= NOTED_MAX {
            return;
        }
        let at = place_of(place);
        if !noted.iter().any(|other| other.leniency == leniency && other.at == at) {
            noted.push(Noted { leniency, at });
        }
    }

    /// The attribute that a name stands for. Only the lenient dialect knows the names of connector frameworks; none of them
    /// can be an attribute's own, since that begins with a letter (RFC 7643 §2.1).
    pub(crate) fn attribute_name<'n>(&self, name: &'n str) -> &'n str {
        match CONNECTOR_NAMES.iter().find(|(connector, _)| name.eq_ignore_ascii_case(connector)) {
            Some((_, attribute)) if self.reads(Leniency::ConnectorName, name) => attribute,
            Some(_) | None => name,
        }
    }

    /// Notes that a name within a place was passed over because no schema has it.
    pub(crate) fn pass_over(&self, within: &str, name: &str) {
        if self.is_lenient() {
            let joint = if within.contains(':') && !within.contains(['.', '[']) { ":" } else { "." };
            let place = if within.is_empty() { name.to_owned() } else { [within, joint, name].concat() };
            self.note(Leniency::UnknownName, &place);
        }
    }

    /// What was read liberally, at most [`NOTED_MAX`] of it.
    pub fn noted(&self) -> Vec<Noted> {
        self.noted.borrow().clone()
    }
}

/// The attribute that a place of an error message is about: without the numbers of elements, and without filters, which
/// have values of users.
fn place_of(place: &str) -> String {
    let place = place.strip_prefix("path ").or_else(|| place.strip_prefix("value.")).unwrap_or(place);
    let (front, behind) = match (place.find('['), place.rfind(']')) {
        (Some(open), Some(close)) if open < close => (&place[..open], &place[close + 1..]),
        (Some(open), _) => (&place[..open], ""),
        (None, _) => (place, ""),
    };
    let at = [front, behind].concat();
    let is_name = at.len() <= PLACE_BYTES_MAX && at.chars().all(super::filter::is_name);
    if is_name { at } else { "…".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_attribute_without_what_a_user_has_in_it() {
        for (place, expected) in [
            ("active", "active"),
            ("emails[3].primary", "emails.primary"),
            (r#"path emails[value eq "alice@contoso.com"].type"#, "emails.type"),
            (r#"path emails[value eq "]a"]"#, "emails"),
            ("value.title", "title"),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            ),
            ("value.alice@contoso.com", "…"),
            ("path members[value eq \"x", "members"),
        ] {
            assert_eq!(place_of(place), expected, "{place}");
        }
        assert_eq!(place_of(&"a".repeat(PLACE_BYTES_MAX)), "a".repeat(PLACE_BYTES_MAX));
        assert_eq!(place_of(&"a".repeat(PLACE_BYTES_MAX + 1)), "…");
    }

    #[test]
    fn a_reading_notes_a_departure_once_for_each_place_and_no_more_than_the_limit() {
        let reading = Reading::lenient();
        for _ in 0..2 {
            assert!(reading.reads(Leniency::BooleanAsText, "active"));
        }
        assert_eq!(reading.noted().len(), 1);
        for index in 1..NOTED_MAX {
            reading.note(Leniency::UnknownName, &format!("name{index}"));
        }
        assert_eq!(reading.noted().len(), NOTED_MAX);
        assert!(reading.reads(Leniency::EmptyText, "title"));
        assert_eq!(reading.noted().len(), NOTED_MAX);
    }

    #[test]
    fn the_lenient_reading_alone_knows_the_names_of_connectors() {
        let (lenient, strict) = (Reading::lenient(), Reading::strict());
        assert_eq!(
            ["__enable__", "__OTHER__", "title"].map(|name| lenient.attribute_name(name)),
            ["active", "__OTHER__", "title"]
        );
        assert_eq!(lenient.noted(), [Noted { leniency: Leniency::ConnectorName, at: "__enable__".to_owned() }]);
        assert_eq!(strict.attribute_name("__ENABLE__"), "__ENABLE__");
    }

    #[test]
    fn the_strict_reading_reads_no_departure_and_notes_none() {
        let reading = Reading::strict();
        assert!(Leniency::ALL.iter().all(|leniency| !reading.reads(*leniency, "active")));
        assert!(reading.noted().is_empty());
    }
}

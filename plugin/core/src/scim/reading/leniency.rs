//! What is read liberally, a variant each: its name in the record and the API, and a sentence about it.

use serde::{Serialize, Serializer};

/// A departure from the RFC that has one sensible reading and is therefore read by the lenient dialect.
///
/// A new one is a variant here, a line at the place that reads it, and a row of `tests/leniency.rs`.
///
/// What HTTP itself leaves to the client is none, and holds in both dialects: a slash at the end of a path, the letter case
/// of `Bearer`, HEAD and OPTIONS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leniency {
    /// A boolean as text.
    BooleanAsText,
    /// A number as text.
    NumberAsText,
    /// A whole number where text is due.
    NumberForText,
    /// An empty text that stands for nothing.
    EmptyText,
    /// An array of one where one value is due.
    ArrayForSingle,
    /// One value where an array is due.
    SingleForArray,
    /// `{"value": …}` where a plain value is due.
    ObjectForPlain,
    /// A plain value where an object is due.
    PlainForObject,
    /// JSON within a text where an object or array is due.
    JsonInText,
    /// Text that is no URI or no base64.
    OtherFormat,
    /// Several values that are primary.
    SeveralPrimary,
    /// A member without `value` that has a `$ref`.
    MemberByReference,
    /// A message without `schemas`.
    NoSchemas,
    /// A message with other schemas than its own, or with one twice.
    OtherSchemas,
    /// A name that no schema has.
    UnknownName,
    /// The name that a connector framework has for an attribute, such as `__ENABLE__` for `active`.
    ConnectorName,
    /// A word of a message in another letter case.
    LetterCase,
    /// What only the server sets, within a change of other attributes.
    ReadOnlySent,
    /// `active` set to nothing or removed.
    ActiveUnset,
    /// The elements to remove, in the value instead of the path.
    RemovalByValue,
    /// A value of a filter without quotes.
    UnquotedValue,
    /// A value of a filter in single quotes.
    SingleQuotes,
    /// A value of a filter whose quotes are doubled.
    DoubledQuotes,
    /// `==` instead of `eq`.
    DoubleEquals,
    /// An empty segment of a path.
    DoubleSlash,
    /// An endpoint in another letter case.
    PathCase,
    /// `Bearer` twice, or a token of ours without it.
    BearerSpelling,
    /// A byte order mark before the body.
    ByteOrderMark,
    /// A body that is not announced by one of SCIM's media types, nor as something else.
    MediaType,
}

impl Leniency {
    /// All of them, in the order of their declaration.
    pub const ALL: [Leniency; 29] = [
        Leniency::BooleanAsText,
        Leniency::NumberAsText,
        Leniency::NumberForText,
        Leniency::EmptyText,
        Leniency::ArrayForSingle,
        Leniency::SingleForArray,
        Leniency::ObjectForPlain,
        Leniency::PlainForObject,
        Leniency::JsonInText,
        Leniency::OtherFormat,
        Leniency::SeveralPrimary,
        Leniency::MemberByReference,
        Leniency::NoSchemas,
        Leniency::OtherSchemas,
        Leniency::UnknownName,
        Leniency::ConnectorName,
        Leniency::LetterCase,
        Leniency::ReadOnlySent,
        Leniency::ActiveUnset,
        Leniency::RemovalByValue,
        Leniency::UnquotedValue,
        Leniency::SingleQuotes,
        Leniency::DoubledQuotes,
        Leniency::DoubleEquals,
        Leniency::DoubleSlash,
        Leniency::PathCase,
        Leniency::BearerSpelling,
        Leniency::ByteOrderMark,
        Leniency::MediaType,
    ];

    /// Its name in the record and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Leniency::BooleanAsText => "booleanAsText",
            Leniency::NumberAsText => "numberAsText",
            Leniency::NumberForText => "numberForText",
            Leniency::EmptyText => "emptyText",
            Leniency::ArrayForSingle => "arrayForSingle",
            Leniency::SingleForArray => "singleForArray",
            Leniency::ObjectForPlain => "objectForPlain",
            Leniency::PlainForObject => "plainForObject",
            Leniency::JsonInText => "jsonInText",
            Leniency::OtherFormat => "otherFormat",
            Leniency::SeveralPrimary => "severalPrimary",
            Leniency::MemberByReference => "memberByReference",
            Leniency::NoSchemas => "noSchemas",
            Leniency::OtherSchemas => "otherSchemas",
            Leniency::UnknownName => "unknownName",
            Leniency::ConnectorName => "connectorName",
            Leniency::LetterCase => "letterCase",
            Leniency::ReadOnlySent => "readOnlySent",
            Leniency::ActiveUnset => "activeUnset",
            Leniency::RemovalByValue => "removalByValue",
            Leniency::UnquotedValue => "unquotedValue",
            Leniency::SingleQuotes => "singleQuotes",
            Leniency::DoubledQuotes => "doubledQuotes",
            Leniency::DoubleEquals => "doubleEquals",
            Leniency::DoubleSlash => "doubleSlash",
            Leniency::PathCase => "pathCase",
            Leniency::BearerSpelling => "bearerSpelling",
            Leniency::ByteOrderMark => "byteOrderMark",
            Leniency::MediaType => "mediaType",
        }
    }

    /// What a request with it contains, and how it is read.
    pub const fn sentence(self) -> &'static str {
        match self {
            Leniency::BooleanAsText => {
                "true or false as text, or in other letter case than JSON has; it is read as the boolean"
            }
            Leniency::NumberAsText => "a number as text; it is read as the number",
            Leniency::NumberForText => "a whole number where the schema has text; it is read as its digits",
            Leniency::EmptyText => "an empty text where the RFC has null; the attribute is unset",
            Leniency::ArrayForSingle => "an array of one value where the schema has one value; the value is read",
            Leniency::SingleForArray => "one value where the schema has several; it is read as the only one",
            Leniency::ObjectForPlain => "an object with a value where the schema has a plain value; the value is read",
            Leniency::PlainForObject => {
                "a plain value where the schema has an object; it is read as the value of the object"
            }
            Leniency::JsonInText => "JSON within a text where an object or array is due; the JSON is read",
            Leniency::OtherFormat => "text that is no URI or no base64 where the schema has that; it is kept as it is",
            Leniency::SeveralPrimary => "several values that are marked primary; the last one keeps the mark",
            Leniency::MemberByReference => "a member without its id but with a $ref; the id is taken from the $ref",
            Leniency::NoSchemas => "a message without schemas; it is taken for the message that was due",
            Leniency::OtherSchemas => {
                "schemas that are not those of the message, misspelt or listed twice; they are passed over"
            }
            Leniency::UnknownName => "an attribute that no schema has; it is passed over",
            Leniency::ConnectorName => {
                "the name of a connector framework for an attribute; it is read as the attribute"
            }
            Leniency::LetterCase => "a word of the protocol in other letter case than the RFC has",
            Leniency::ReadOnlySent => "an attribute that only the server sets; it is passed over",
            Leniency::ActiveUnset => "active without true or false; it stays as it is",
            Leniency::RemovalByValue => {
                "the elements to remove in the value of the operation; these are removed and no others"
            }
            Leniency::UnquotedValue => "a filter whose value has no quotes; the word is read as text",
            Leniency::SingleQuotes => "a filter whose value has single quotes; it is read as text",
            Leniency::DoubledQuotes => "a filter whose value has its quotes twice; it is read as text",
            Leniency::DoubleEquals => "a filter with == instead of eq; it is read as eq",
            Leniency::DoubleSlash => "a path with a slash too many; it is passed over",
            Leniency::PathCase => "a path in other letter case than the RFC has; it is read as the endpoint",
            Leniency::BearerSpelling => "a token behind Bearer twice or without it; the token is read",
            Leniency::ByteOrderMark => "a body behind a byte order mark; the mark is passed over",
            Leniency::MediaType => "a body of another media type than those of SCIM, or of none; it is read as JSON",
        }
    }
}

impl Serialize for Leniency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_leniency_has_a_name_and_a_sentence_of_its_own() {
        let names: BTreeSet<&str> = Leniency::ALL.iter().map(|leniency| leniency.name()).collect();
        let sentences: BTreeSet<&str> = Leniency::ALL.iter().map(|leniency| leniency.sentence()).collect();
        assert_eq!((names.len(), sentences.len()), (Leniency::ALL.len(), Leniency::ALL.len()));
        assert!(Leniency::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

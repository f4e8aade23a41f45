//! Why a request is not good SCIM. Everything here is shown to the client.

use std::fmt;

/// The error keyword of RFC 7644 §3.12, table 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    /// A filter that does not parse, or compares what cannot be compared.
    InvalidFilter,
    /// More results than the server is willing to work through.
    TooMany,
    /// A body that is not of the expected shape.
    InvalidSyntax,
    /// A PATCH path that does not parse or names no attribute.
    InvalidPath,
    /// A PATCH path that leads to nothing that could be changed.
    NoTarget,
    /// A value of the wrong type, or a required one that is missing.
    InvalidValue,
    /// A change to something that only the server changes.
    Mutability,
    /// A cursor that we did not give out for this query, RFC 9865 §2.1.
    InvalidCursor,
    /// A cursor that is too old.
    ExpiredCursor,
    /// A count that is no number, or not the one that the walk began with.
    InvalidCount,
}

impl ScimType {
    /// The keyword as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            ScimType::InvalidFilter => "invalidFilter",
            ScimType::TooMany => "tooMany",
            ScimType::InvalidSyntax => "invalidSyntax",
            ScimType::InvalidPath => "invalidPath",
            ScimType::NoTarget => "noTarget",
            ScimType::InvalidValue => "invalidValue",
            ScimType::Mutability => "mutability",
            ScimType::InvalidCursor => "invalidCursor",
            ScimType::ExpiredCursor => "expiredCursor",
            ScimType::InvalidCount => "invalidCount",
        }
    }
}

/// Why all resources of a kind have to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullScanReason {
    /// A filter that no index answers.
    Filter,
    /// An order.
    Order,
    /// A search on the page.
    Search,
    /// A filter whose value that many share.
    Shared,
}

/// A refusal: where, what was expected, what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    scim_type: ScimType,
    detail: String,
}

impl Error {
    /// The keyword.
    pub fn scim_type(&self) -> Option<ScimType> {
        Some(self.scim_type)
    }

    /// A body of the wrong shape.
    pub fn syntax(detail: impl Into<String>) -> Error {
        Error { scim_type: ScimType::InvalidSyntax, detail: detail.into() }
    }

    /// A wrong or missing value.
    pub fn value(detail: impl Into<String>) -> Error {
        Error { scim_type: ScimType::InvalidValue, detail: detail.into() }
    }

    /// A wrong filter.
    pub fn filter(detail: impl Into<String>) -> Error {
        Error { scim_type: ScimType::InvalidFilter, detail: detail.into() }
    }

    /// A wrong path.
    pub fn path(detail: impl Into<String>) -> Error {
        Error { scim_type: ScimType::InvalidPath, detail: detail.into() }
    }

    /// A path to nothing.
    pub fn no_target(detail: impl Into<String>) -> Error {
        Error { scim_type: ScimType::NoTarget, detail: detail.into() }
    }

    /// A change to what only the server changes.
    pub fn mutability(detail: impl Into<String>) -> Error {
        Error { scim_type: ScimType::Mutability, detail: detail.into() }
    }

    /// A cursor that leads nowhere. What is wrong with it is not said: RFC 9865 §5.2 asks for one answer to all of it.
    pub fn cursor() -> Error {
        let detail = "cursor: expected the nextCursor or previousCursor of the same query, found something else";
        Error { scim_type: ScimType::InvalidCursor, detail: detail.to_owned() }
    }

    /// A cursor that was good once.
    pub fn expired_cursor(seconds: i64) -> Error {
        let detail = format!("cursor: expected one of the last {seconds} seconds, found an older one; begin anew");
        Error { scim_type: ScimType::ExpiredCursor, detail }
    }

    /// Another count than that of the pages before.
    pub fn changed_count(began: usize, found: usize) -> Error {
        let detail = format!("count: expected {began} as for the pages before, found {found}");
        Error { scim_type: ScimType::InvalidCount, detail }
    }

    /// A query that would have to read more than it may; says how many, and what to ask instead.
    pub(crate) fn too_many(detail: String) -> Error {
        Error { scim_type: ScimType::TooMany, detail }
    }

    /// An answer that would have to name more members than it may.
    pub fn too_many_members(max: u64) -> Error {
        let detail = format!("members: would have to name more than {max}; add excludedAttributes=members");
        Error { scim_type: ScimType::TooMany, detail }
    }

    /// A value filter that would have to look at more members than it may.
    pub fn too_many_to_look_at(max: u64) -> Error {
        let detail = format!("members: would have to look at more than {max}; name those that are meant by value eq");
        Error { scim_type: ScimType::TooMany, detail }
    }

    /// A request that would have to compute more than it may.
    pub fn too_many_comparisons(place: &str, max: usize) -> Error {
        let detail = format!("{place}: expected at most {max} comparisons in one request, found more");
        Error { scim_type: ScimType::TooMany, detail }
    }

    /// This refusal, said of a place further out.
    pub(crate) fn within(self, place: &str) -> Error {
        Error { detail: format!("{place}{}", self.detail), ..self }
    }

    /// This refusal under another keyword: a wrong filter within a path is a wrong path.
    pub(crate) fn with_scim_type(self, scim_type: ScimType) -> Error {
        Error { scim_type, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {}

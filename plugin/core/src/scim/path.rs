//! PATCH paths.
//!
//! RFC 7644 §3.5.2: `PATH = attrPath / valuePath [subAttr]`

use super::error::{Error, ScimType};
use super::filter::{self, Filter};
use super::reading::Reading;
use super::text_cursor::TextCursor;
use crate::settings::LIMITS;
use std::fmt;

/// A path as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The attribute, perhaps with URN and sub-attribute.
    pub name: String,
    /// Which elements, where the path says so.
    pub filter: Option<Filter>,
    /// The sub-attribute behind the bracket.
    pub sub: Option<String>,
}

/// Reads a path.
///
/// # Errors
/// `invalidPath`, with what was expected, what was found, and the column.
pub fn parse(text: &str, reading: &Reading) -> Result<Path, Error> {
    if text.len() > LIMITS.path_bytes_max {
        let max = LIMITS.path_bytes_max;
        return Err(Error::path(format!("expected at most {max} bytes, found {}", text.len())));
    }
    let mut cursor = TextCursor::new(text);
    let name = cursor.take(filter::is_name);
    if name.is_empty() {
        return Err(expected("an attribute", &cursor));
    }
    let mut path = Path { name: reading.attribute_name(name).to_owned(), filter: None, sub: None };
    if cursor.eat("[") {
        let (filter, behind) =
            filter::parse_within(cursor, reading).map_err(|error| error.with_scim_type(ScimType::InvalidPath))?;
        path.filter = Some(filter);
        cursor = behind;
        if !cursor.eat("]") {
            return Err(expected("\"]\" after the value filter", &cursor));
        }
        if cursor.eat(".") {
            let sub = cursor.take(filter::is_name);
            if sub.is_empty() {
                return Err(expected("a sub-attribute", &cursor));
            }
            path.sub = Some(sub.to_owned());
        }
    }
    if cursor.at_end() { Ok(path) } else { Err(expected("the end of the path", &cursor)) }
}

fn expected(what: &str, cursor: &TextCursor<'_>) -> Error {
    Error::path(format!("expected {what}, {}", cursor.found()))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        parse(text, &Reading::strict()).map_or_else(|error| format!("! {error}"), |path| path.to_string())
    }

    #[test]
    fn a_path_prints_as_it_reads() {
        for path in [
            "userName",
            "name.familyName",
            "members.$ref",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            r#"emails[type eq "work"]"#,
            r#"emails[type eq "work" and not (value co "]")].value"#,
            r#"addresses[type eq "a\"]\\"].streetAddress"#,
        ] {
            assert_eq!(check(path), path);
        }
        assert_eq!(check(r#"emails[ Type EQ "work" ].value"#), r#"emails[Type eq "work"].value"#);
    }

    #[test]
    fn a_path_that_does_not_read_says_where() {
        for (text, expected) in [
            ("", "! expected an attribute, found end of input (column 1)"),
            ("[type pr]", "! expected an attribute, found \"[\" (column 1)"),
            ("user Name", "! expected the end of the path, found \" \" (column 5)"),
            ("emails[]", "! expected an attribute, found \"]\" (column 8)"),
            ("emails[type pr", "! expected \"]\" after the value filter, found end of input (column 15)"),
            ("emails[type pr].", "! expected a sub-attribute, found end of input (column 17)"),
            ("emails[type pr]value", "! expected the end of the path, found \"value\" (column 16)"),
            ("emails[type eq \"ö\" x]", "! expected \"]\" after the value filter, found \"x\" (column 20)"),
            ("é", "! expected an attribute, found \"é\" (column 1)"),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }

    #[test]
    fn the_length_of_a_path_is_bounded() {
        let max = LIMITS.path_bytes_max;
        assert_eq!(check(&"a".repeat(max)), "a".repeat(max));
        assert_eq!(check(&"a".repeat(max + 1)), format!("! expected at most {max} bytes, found {}", max + 1));
    }

    #[test]
    fn levels_within_brackets_are_bounded() {
        let nested = |depth: usize| format!("emails[{}type pr{}]", "(".repeat(depth), ")".repeat(depth));
        let max = LIMITS.filter_depth_max;
        assert_eq!(check(&nested(max)), "emails[type pr]");
        assert_eq!(check(&nested(max + 1)), format!("! expected at most {max} levels, found more"));
    }
}

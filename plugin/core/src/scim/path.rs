//! PATCH paths.
//!
//! RFC 7644 §3.5.2: `PATH = attrPath / valuePath [subAttr]`

use super::error::{Error, ScimType};
use super::filter::{self, Filter};
use super::scan::Scan;
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
pub fn parse(text: &str) -> Result<Path, Error> {
    if text.len() > LIMITS.path_bytes_max {
        let max = LIMITS.path_bytes_max;
        return Err(Error::path(format!("expected at most {max} bytes, found {}", text.len())));
    }
    let mut scan = Scan::new(text);
    let name = scan.take(filter::is_name);
    if name.is_empty() {
        return Err(expected("an attribute", &scan));
    }
    let mut path = Path { name: name.to_owned(), filter: None, sub: None };
    if scan.eat("[") {
        let (filter, behind) = filter::parse_within(scan).map_err(|error| error.becoming(ScimType::InvalidPath))?;
        path.filter = Some(filter);
        scan = behind;
        if !scan.eat("]") {
            return Err(expected("\"]\" after the value filter", &scan));
        }
        if scan.eat(".") {
            let sub = scan.take(filter::is_name);
            if sub.is_empty() {
                return Err(expected("a sub-attribute", &scan));
            }
            path.sub = Some(sub.to_owned());
        }
    }
    if scan.at_end() { Ok(path) } else { Err(expected("the end of the path", &scan)) }
}

fn expected(what: &str, scan: &Scan<'_>) -> Error {
    Error::path(format!("expected {what}, {}", scan.found()))
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

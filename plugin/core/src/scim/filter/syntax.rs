//! The grammar of filters: parsing and printing.
//!
//! RFC 7644 §3.4.2.2:
//! ```text
//! FILTER    = attrExp / logExp / valuePath / *1"not" "(" FILTER ")"
//! valuePath = attrPath "[" valFilter "]"
//! attrExp   = (attrPath SP "pr") / (attrPath SP compareOp SP compValue)
//! logExp    = FILTER SP ("and" / "or") SP FILTER
//! compareOp = "eq" / "ne" / "co" / "sw" / "ew" / "gt" / "lt" / "ge" / "le"
//! attrPath  = [URI ":"] ATTRNAME *1subAttr
//! compValue = false / null / true / number / string
//! ```
//! `and` binds tighter than `or`, `not` needs its parentheses, keywords and names go without case. A valuePath may be
//! followed by a comparison of a sub-attribute, `emails[type eq "work"].value eq "x"`, which Entra's matching sends.

use crate::scim::error::Error;
use crate::scim::reading::{self, Reading};
use crate::scim::text_cursor::TextCursor;
use crate::settings::LIMITS;
use serde_json::Value;
use std::fmt;

/// A filter as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// `attribute operator value`
    Compare(String, Compare, Value),
    /// `attribute pr`
    Present(String),
    /// `attribute[filter]`: one element that fits. With a comparison, of a part of that element.
    Element(String, Box<Filter>),
}

/// The comparisons of RFC 7644, table 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater.
    Gt,
    /// Less.
    Lt,
    /// Greater or equal.
    Ge,
    /// Less or equal.
    Le,
}

const COMPARES: [(&str, Compare); 9] = [
    ("eq", Compare::Eq),
    ("ne", Compare::Ne),
    ("co", Compare::Co),
    ("sw", Compare::Sw),
    ("ew", Compare::Ew),
    ("gt", Compare::Gt),
    ("lt", Compare::Lt),
    ("ge", Compare::Ge),
    ("le", Compare::Le),
];

/// Reads a filter.
///
/// # Errors
/// `invalidFilter`, with what was expected, what was found, and the column.
pub fn parse(text: &str, reading: &Reading) -> Result<Filter, Error> {
    if text.len() > LIMITS.filter_bytes_max {
        let max = LIMITS.filter_bytes_max;
        return Err(Error::filter(format!("filter: expected at most {max} bytes, found {}", text.len())));
    }
    let mut parser = Parser { cursor: TextCursor::new(text), depth: 0, terms: 0, within: false, reading };
    let filter = parser.or().map_err(|error| error.within("filter: "))?;
    parser.cursor.blanks();
    if parser.cursor.at_end() {
        Ok(filter)
    } else {
        Err(parser.expected("\"and\", \"or\" or the end").within("filter: "))
    }
}

/// Reads the filter within the brackets of a path, up to the closing one, where the cursor is left.
pub(crate) fn parse_within<'t>(
    cursor: TextCursor<'t>,
    reading: &'t Reading,
) -> Result<(Filter, TextCursor<'t>), Error> {
    let mut parser = Parser { cursor, depth: 0, terms: 0, within: true, reading };
    let filter = parser.or()?;
    parser.cursor.blanks();
    Ok((filter, parser.cursor))
}

struct Parser<'t> {
    cursor: TextCursor<'t>,
    depth: usize,
    terms: usize,
    /// Whether all of it stands within the brackets of a path.
    within: bool,
    reading: &'t Reading,
}

impl Parser<'_> {
    /// logExp of "or"
    fn or(&mut self) -> Result<Filter, Error> {
        self.chain("or", Self::and, Filter::Or)
    }

    /// logExp of "and"
    fn and(&mut self) -> Result<Filter, Error> {
        self.chain("and", Self::term, Filter::And)
    }

    fn chain(
        &mut self,
        keyword: &str,
        next: fn(&mut Self) -> Result<Filter, Error>,
        join: fn(Vec<Filter>) -> Filter,
    ) -> Result<Filter, Error> {
        let first = next(self)?;
        let mut filters = vec![first];
        loop {
            self.cursor.blanks();
            if !self.cursor.keyword(keyword) {
                break;
            }
            filters.push(next(self)?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { join(filters) })
    }

    /// attrExp / valuePath / *1"not" "(" FILTER ")"
    fn term(&mut self) -> Result<Filter, Error> {
        self.cursor.blanks();
        if self.cursor.eat("(") {
            return self.nested(")");
        }
        if self.cursor.word().eq_ignore_ascii_case("not") && self.not_follows() {
            return Ok(Filter::Not(Box::new(self.nested(")")?)));
        }
        self.comparison()
    }

    /// Steps over `not (`. An attribute could be called `not`, so the parenthesis decides.
    fn not_follows(&mut self) -> bool {
        let mut ahead = TextCursor::new(self.cursor.rest());
        ahead.keyword("not");
        ahead.blanks();
        if !ahead.eat("(") {
            return false;
        }
        self.cursor.keyword("not");
        self.cursor.blanks();
        self.cursor.eat("(")
    }

    fn nested(&mut self, close: &str) -> Result<Filter, Error> {
        if self.depth >= LIMITS.filter_depth_max {
            let max = LIMITS.filter_depth_max;
            return Err(Error::filter(format!("expected at most {max} levels, found more")));
        }
        self.depth += 1;
        let filter = self.or()?;
        self.depth -= 1;
        self.cursor.blanks();
        if self.cursor.eat(close) { Ok(filter) } else { Err(self.expected(&format!("{close:?}"))) }
    }

    fn comparison(&mut self) -> Result<Filter, Error> {
        let name = self.reading.attribute_name(self.cursor.take(is_name));
        if name.is_empty() {
            return Err(self.expected("an attribute"));
        }
        if self.cursor.eat("[") {
            return self.element(name);
        }
        self.operator(name)
    }

    fn element(&mut self, name: &str) -> Result<Filter, Error> {
        let filter = self.nested("]")?;
        if !self.cursor.eat(".") {
            return Ok(Filter::Element(name.to_owned(), Box::new(filter)));
        }
        let part = self.cursor.take(is_name);
        if part.is_empty() {
            return Err(self.expected("a sub-attribute"));
        }
        let comparison = self.operator(part)?;
        let both = match filter {
            Filter::And(mut filters) => {
                filters.push(comparison);
                Filter::And(filters)
            }
            Filter::Or(_) | Filter::Not(_) | Filter::Compare(..) | Filter::Present(_) | Filter::Element(..) => {
                Filter::And(vec![filter, comparison])
            }
        };
        Ok(Filter::Element(name.to_owned(), Box::new(both)))
    }

    fn operator(&mut self, name: &str) -> Result<Filter, Error> {
        self.terms += 1;
        if self.terms > LIMITS.filter_terms_max {
            let max = LIMITS.filter_terms_max;
            return Err(Error::filter(format!("expected at most {max} comparisons, found more")));
        }
        let apart = self.cursor.blanks();
        if reading::spelled_eq(&mut self.cursor, name, self.reading) {
            self.cursor.blanks();
            return Ok(Filter::Compare(name.to_owned(), Compare::Eq, self.value(name)?));
        }
        if !apart {
            return Err(self.expected("a blank and an operator"));
        }
        if self.cursor.keyword("pr") {
            return Ok(Filter::Present(name.to_owned()));
        }
        let compare = COMPARES.iter().find(|(word, _)| self.cursor.keyword(word)).map(|(_, compare)| *compare);
        let compare = compare.ok_or_else(|| self.expected("an operator such as \"eq\""))?;
        if !self.cursor.blanks() {
            return Err(self.expected("a blank and a value"));
        }
        Ok(Filter::Compare(name.to_owned(), compare, self.value(name)?))
    }

    fn value(&mut self, name: &str) -> Result<Value, Error> {
        let nested = self.within || self.depth > 0;
        let value = reading::literal(&mut self.cursor, name, nested, self.reading)?;
        value.ok_or_else(|| self.expected("a value such as \"text\", true or 1"))
    }

    fn expected(&self, what: &str) -> Error {
        Error::filter(format!("expected {what}, {}", self.cursor.found()))
    }
}

/// What a name with its URN is made of. `$ref` needs the dollar.
pub(crate) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_$:.".contains(c)
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::And(filters) => {
                joined(f, filters, " and ", |filter| matches!(filter, Filter::And(_) | Filter::Or(_)))
            }
            Filter::Or(filters) => joined(f, filters, " or ", |filter| matches!(filter, Filter::Or(_))),
            Filter::Not(filter) => write!(f, "not ({filter})"),
            Filter::Compare(name, compare, value) => write!(f, "{name} {} {value}", compare.as_str()),
            Filter::Present(name) => write!(f, "{name} pr"),
            Filter::Element(name, filter) => write!(f, "{name}[{filter}]"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, filters: &[Filter], word: &str, group: impl Fn(&Filter) -> bool) -> fmt::Result {
    for (index, filter) in filters.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if group(filter) {
            write!(f, "({filter})")?;
        } else {
            write!(f, "{filter}")?;
        }
    }
    Ok(())
}

impl Compare {
    fn as_str(self) -> &'static str {
        match self {
            Compare::Eq => "eq",
            Compare::Ne => "ne",
            Compare::Co => "co",
            Compare::Sw => "sw",
            Compare::Ew => "ew",
            Compare::Gt => "gt",
            Compare::Lt => "lt",
            Compare::Ge => "ge",
            Compare::Le => "le",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        parse(text, &Reading::strict()).map_or_else(|error| format!("! {error}"), |filter| filter.to_string())
    }

    #[test]
    fn a_filter_prints_as_it_reads() {
        for (text, expected) in [
            (r#"userName eq "bjensen""#, r#"userName eq "bjensen""#),
            (r#"userName Eq "John""#, r#"userName eq "John""#),
            ("title PR", "title pr"),
            ("  title   pr  ", "title pr"),
            (r#"a eq "\u0041\n\"\\""#, r#"a eq "A\n\"\\""#),
            ("a eq true and b EQ false OR c eq null", "a eq true and b eq false or c eq null"),
            ("a gt -1.5e3", "a gt -1500.0"),
            ("a ge 12345678901234567890", "a ge 12345678901234567890"),
            ("a pr or b pr and c pr", "a pr or b pr and c pr"),
            ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
            ("a pr and (b pr and c pr)", "a pr and (b pr and c pr)"),
            ("((a pr))", "a pr"),
            ("NOT (a pr)", "not (a pr)"),
            ("not(a pr) AND not (b pr)", "not (a pr) and not (b pr)"),
            ("not pr", "not pr"),
            (r#"emails[type eq "work" and value co "@x"]"#, r#"emails[type eq "work" and value co "@x"]"#),
            (r#"emails[type eq "work"].value eq "x""#, r#"emails[type eq "work" and value eq "x"]"#),
            (
                r#"emails[not (type eq "work") or value pr].value pr"#,
                r#"emails[(not (type eq "work") or value pr) and value pr]"#,
            ),
            (
                r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
                r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
            ),
            (r#"members.$ref ew "1""#, r#"members.$ref ew "1""#),
        ] {
            assert_eq!(printed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_filter_that_does_not_read_says_where() {
        for (text, expected) in [
            ("", "! filter: expected an attribute, found end of input (column 1)"),
            ("userName", "! filter: expected a blank and an operator, found end of input (column 9)"),
            ("userName is \"x\"", "! filter: expected an operator such as \"eq\", found \"is\" (column 10)"),
            ("userName eq", "! filter: expected a blank and a value, found end of input (column 12)"),
            ("userName eq ", "! filter: expected a value such as \"text\", true or 1, found end of input (column 13)"),
            (
                "externalId eq jyoung",
                "! filter: expected a value such as \"text\", true or 1, found \"jyoung\" (column 15)",
            ),
            ("userName eq \"x", "! filter: expected a value such as \"text\", true or 1, found \"\\\"\" (column 13)"),
            (
                "userName eq \"\\x\"",
                "! filter: expected a value such as \"text\", true or 1, found \"\\\"\" (column 13)",
            ),
            ("a pr b pr", "! filter: expected \"and\", \"or\" or the end, found \"b\" (column 6)"),
            ("a pr and", "! filter: expected an attribute, found end of input (column 9)"),
            ("(a pr", "! filter: expected \")\", found end of input (column 6)"),
            ("a pr)", "! filter: expected \"and\", \"or\" or the end, found \")\" (column 5)"),
            ("emails[type eq \"work\"", "! filter: expected \"]\", found end of input (column 22)"),
            (
                "emails[type eq \"work\"] eq \"x\"",
                "! filter: expected \"and\", \"or\" or the end, found \"eq\" (column 24)",
            ),
            ("emails[type eq \"work\"]. eq \"x\"", "! filter: expected a sub-attribute, found \" \" (column 24)"),
            ("größe eq 1", "! filter: expected a blank and an operator, found \"ö\" (column 3)"),
        ] {
            assert_eq!(printed(text), expected, "{text}");
        }
    }

    #[test]
    fn levels_terms_and_length_are_bounded() {
        let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(printed(&nested(LIMITS.filter_depth_max)), "a pr");
        let max = LIMITS.filter_depth_max;
        assert_eq!(printed(&nested(max + 1)), format!("! filter: expected at most {max} levels, found more"));
        assert!(printed(&"(".repeat(LIMITS.filter_bytes_max)).starts_with("! filter: expected at most"));

        let terms = |count: usize| vec!["a pr"; count].join(" and ");
        let max = LIMITS.filter_terms_max;
        assert_eq!(printed(&terms(max)), terms(max));
        assert_eq!(printed(&terms(max + 1)), format!("! filter: expected at most {max} comparisons, found more"));

        let max = LIMITS.filter_bytes_max;
        let long = |bytes: usize| format!("a eq \"{}\"", "x".repeat(bytes - 7));
        assert_eq!(printed(&long(max)), long(max));
        assert_eq!(printed(&long(max + 1)), format!("! filter: expected at most {max} bytes, found {}", max + 1));
    }
}

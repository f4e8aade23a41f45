//! Filters: text, tree, bound tree, answer.
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

use super::effort::{Effort, weight};
use super::error::Error;
use super::reading::{self, Reading};
use super::resource::Resource;
use super::schema::{Attribute, Mutability, ResourceType, Target, Type};
use super::text::fold;
use super::text_cursor::TextCursor;
use super::value;
use crate::settings::LIMITS;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;
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
        let name = self.cursor.take(is_name);
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

/// A filter whose names have been found in a schema and whose values fit their types.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundFilter<'s> {
    of: &'s ResourceType,
    node: Node<'s>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node<'s> {
    And(Vec<Node<'s>>),
    Or(Vec<Node<'s>>),
    Not(Box<Node<'s>>),
    Compare(Place<'s>, Compare, Operand),
    Present(Place<'s>),
    Element(Target<'s>, Box<Node<'s>>),
    /// What is so for every resource of the type.
    Constant(bool),
}

/// Where a comparison looks: in the resource, or in the element that is being looked at.
#[derive(Debug, Clone, PartialEq)]
enum Place<'s> {
    Resource(Target<'s>),
    /// A part of the element; where elements have no parts, the attribute itself, for all that an element is.
    Element(&'s Attribute),
}

/// What is compared with, by the type of the attribute.
#[derive(Debug, Clone, PartialEq)]
enum Operand {
    /// With the form that is compared where letter case does not count; the text itself is what a new element gets.
    Text {
        text: String,
        folded: Option<String>,
    },
    Boolean(bool),
    Number(Number),
    Time(jiff::Timestamp),
    Null,
}

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

impl<'s> BoundFilter<'s> {
    /// Reads a filter and binds it.
    pub fn parse(text: &str, of: &'s ResourceType, reading: &Reading) -> Result<BoundFilter<'s>, Error> {
        BoundFilter::bind(&parse(text, reading)?, of, reading)
    }

    /// Binds a filter to each of several types. RFC 7644 §3.4.2.1: an attribute that a type does not have is there one
    /// without a value, and only what no type has is a mistake.
    pub fn parse_for(text: &str, types: &[&'s ResourceType], reading: &Reading) -> Result<Vec<BoundFilter<'s>>, Error> {
        let filter = parse(text, reading)?;
        let bound = |of: &&'s ResourceType| {
            let node = bind(&filter, &Names::Resource { of, among: types }, reading)?;
            Ok(BoundFilter { of, node })
        };
        types.iter().map(bound).collect()
    }

    /// Finds every name in the schema and checks every value against its type.
    pub fn bind(filter: &Filter, of: &'s ResourceType, reading: &Reading) -> Result<BoundFilter<'s>, Error> {
        let node = bind(filter, &Names::Resource { of, among: &[] }, reading)?;
        Ok(BoundFilter { of, node })
    }

    /// Whether the resource fits. One whose relation is kept apart has to have as much of it as [`BoundFilter::reads`] says.
    /// `base` is the tenant URL, where its `meta.location` begins.
    pub fn matches(&self, resource: &Resource, base: &str) -> bool {
        self.matches_at(resource, base, &Effort::default())
    }

    /// The same, and counts what it compared.
    pub fn matches_at(&self, resource: &Resource, base: &str, effort: &Effort) -> bool {
        let seen = Looked::Resource(Seen { of: self.of, resource, base, meta: OnceCell::new() });
        matches(&self.node, &Scope { seen, effort: Some(effort) })
    }

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

/// A filter over the parts of one element.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementFilter<'s>(Node<'s>);

impl<'s> ElementFilter<'s> {
    pub(crate) fn bind(
        filter: &Filter,
        attribute: &'s Attribute,
        reading: &Reading,
    ) -> Result<ElementFilter<'s>, Error> {
        bind(filter, &Names::Element(attribute), reading).map(ElementFilter)
    }

    /// Whether an element fits. What that costs was counted by `ElementFilter::spend`.
    pub fn matches(&self, element: &Value) -> bool {
        matches(&self.0, &Scope { seen: Looked::Element(element), effort: None })
    }

    /// Counts what the filter is about to compare in these elements, and refuses it where that is too much in all.
    pub(crate) fn spend(&self, effort: &Effort, elements: &[Value], place: &str) -> Result<(), Error> {
        let weight: usize = elements.iter().map(weight).sum();
        effort.spend(weight.saturating_mul(terms(&self.0)));
        effort.check(place)
    }

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

fn terms(node: &Node<'_>) -> usize {
    match node {
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().map(terms).sum(),
        Node::Not(node) | Node::Element(_, node) => terms(node),
        Node::Compare(..) | Node::Present(_) | Node::Constant(_) => 1,
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

/// What the names of a filter mean.
enum Names<'n, 's> {
    /// Attributes of a type, or of another one that is asked at the same time.
    Resource { of: &'s ResourceType, among: &'n [&'s ResourceType] },
    /// Parts of an element.
    Element(&'s Attribute),
}

impl<'s> Names<'_, 's> {
    /// Where a name leads; nothing where only another type has it.
    fn place(&self, name: &str) -> Result<Option<Place<'s>>, Error> {
        match self {
            Names::Resource { .. } => Ok(self.target(name)?.map(Place::Resource)),
            // RFC 7643 §2.4: an element without parts is its `value`.
            Names::Element(attribute) if attribute.is_list_of_values() && name.eq_ignore_ascii_case("value") => {
                Ok(Some(Place::Element(attribute)))
            }
            Names::Element(attribute) => {
                let of = &attribute.name;
                let sub = attribute.sub(name).ok_or_else(|| {
                    Error::filter(format!("filter: {name}: expected a sub-attribute of {of}, found an unknown name"))
                })?;
                readable(sub, name)?;
                Ok(Some(Place::Element(sub)))
            }
        }
    }

    fn target(&self, name: &str) -> Result<Option<Target<'s>>, Error> {
        match self {
            Names::Resource { of, among } => match of.resolve_in_filter(name) {
                Ok(target) => {
                    if let Target::Attribute { attribute, sub, .. } = target {
                        readable(attribute, name)?;
                        sub.map_or(Ok(()), |sub| readable(sub, name))?;
                    }
                    Ok(Some(target))
                }
                Err(_) if among.iter().any(|other| other.resolve_in_filter(name).is_ok()) => Ok(None),
                Err(error) => Err(error),
            },
            Names::Element(_) => Err(Error::filter(format!("filter: {name}: expected no brackets within brackets"))),
        }
    }
}

fn bind<'s>(filter: &Filter, names: &Names<'_, 's>, reading: &Reading) -> Result<Node<'s>, Error> {
    let all =
        |filters: &[Filter]| filters.iter().map(|filter| bind(filter, names, reading)).collect::<Result<Vec<_>, _>>();
    Ok(match filter {
        Filter::And(filters) => Node::And(all(filters)?),
        Filter::Or(filters) => Node::Or(all(filters)?),
        Filter::Not(filter) => Node::Not(Box::new(bind(filter, names, reading)?)),
        Filter::Present(name) => names.place(name)?.map_or(Node::Constant(false), Node::Present),
        Filter::Compare(name, compare, value) => match names.place(name)? {
            Some(place) => comparison(name, place, *compare, value, reading)?,
            None => {
                let text = || Operand::Text { text: String::new(), folded: None };
                let operand = if value.is_null() { Operand::Null } else { text() };
                Node::Constant(compares(&[], *compare, &operand))
            }
        },
        Filter::Element(name, filter) => match names.target(name)? {
            Some(target) => element(name, target, filter, reading)?,
            None => Node::Constant(false),
        },
    })
}

fn comparison<'s>(
    name: &str,
    place: Place<'s>,
    compare: Compare,
    value: &Value,
    reading: &Reading,
) -> Result<Node<'s>, Error> {
    let leaf = place.leaf().ok_or_else(|| {
        Error::filter(format!("filter: {name}: expected a sub-attribute to compare, found the whole attribute"))
    })?;
    let operand = operand(name, leaf, compare, value, reading)?;
    Ok(Node::Compare(place, compare, operand))
}

fn element<'s>(name: &str, target: Target<'s>, filter: &Filter, reading: &Reading) -> Result<Node<'s>, Error> {
    match target {
        Target::Attribute { attribute, sub: None, .. }
            if attribute.kind == Type::Complex || attribute.is_list_of_values() =>
        {
            Ok(Node::Element(target, Box::new(bind(filter, &Names::Element(attribute), reading)?)))
        }
        Target::Attribute { .. } | Target::Extension(_) => Err(Error::filter(format!(
            "filter: {name}: expected a complex or multi-valued attribute before the bracket"
        ))),
    }
}

/// RFC 7643 §7 lets a server take filters on what it never returns. We do not keep such values, so no filter could be right.
fn readable(attribute: &Attribute, name: &str) -> Result<(), Error> {
    if attribute.is_hidden() {
        let wanted = "expected an attribute that is returned, found one that never is";
        return Err(Error::filter(format!("filter: {name}: {wanted}")));
    }
    Ok(())
}

impl<'s> Place<'s> {
    fn leaf(&self) -> Option<&'s Attribute> {
        match self {
            Place::Resource(target) => target.leaf(),
            Place::Element(attribute) => Some(attribute),
        }
    }
}

fn operand(name: &str, leaf: &Attribute, compare: Compare, value: &Value, reading: &Reading) -> Result<Operand, Error> {
    let refuse = |what: &str| Err(Error::filter(format!("filter: {name}: {what}")));
    let admitted = value::compared(leaf, value, name, reading);
    let operand = match (leaf.kind, admitted.as_ref().unwrap_or(value)) {
        (_, Value::Null) => Operand::Null,
        (Type::Boolean, Value::Bool(boolean)) => Operand::Boolean(*boolean),
        (Type::Boolean, Value::String(_)) => return refuse("expected true or false"),
        (Type::Integer | Type::Decimal, Value::Number(number)) => Operand::Number(number.clone()),
        (Type::DateTime, Value::String(text)) => match (compare, value::date_time(text)) {
            (Compare::Co | Compare::Sw | Compare::Ew, _) => Operand::Text { text: text.clone(), folded: None },
            (_, Some(time)) => Operand::Time(time),
            (_, None) => return refuse("expected a dateTime such as \"2026-11-23T10:00:00Z\""),
        },
        (Type::String | Type::Reference | Type::Binary, Value::String(text)) => {
            Operand::Text { text: text.clone(), folded: (!leaf.case_exact).then(|| fold(text).into_owned()) }
        }
        (kind, _) => return refuse(&format!("expected a value of type {}", kind.as_str())),
    };
    match (&operand, compare) {
        // RFC 7644, table 3: a boolean or binary value has no order, and only text has parts.
        (Operand::Boolean(_) | Operand::Null, Compare::Eq | Compare::Ne) => Ok(operand),
        (Operand::Boolean(_) | Operand::Null, _) => refuse("expected \"eq\" or \"ne\" for this value"),
        (Operand::Text { .. }, Compare::Gt | Compare::Lt | Compare::Ge | Compare::Le) if leaf.kind == Type::Binary => {
            refuse("expected \"eq\" or \"ne\" for this value")
        }
        (Operand::Number(_), Compare::Co | Compare::Sw | Compare::Ew) => refuse("expected an operator for numbers"),
        (Operand::Text { .. } | Operand::Number(_) | Operand::Time(_), _) => Ok(operand),
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

/// Of several values, one that fits is enough (RFC 7644 §3.4.2.2). `ne` is the contrary of `eq`: it fits where no value is
/// equal, and so also where there is none.
fn compares(values: &[Cow<'_, Value>], compare: Compare, operand: &Operand) -> bool {
    let any = |compare| values.iter().any(|value| fits(plain(value), compare, operand));
    match (operand, compare) {
        (Operand::Null, Compare::Ne) => values.iter().any(|value| !value.is_null()),
        (Operand::Null, _) => values.iter().all(|value| value.is_null()),
        (_, Compare::Ne) => !any(Compare::Eq),
        (_, compare) => any(compare),
    }
}

/// A complex value stands for its `value` (RFC 7644 §3.4.2.2 on multi-valued attributes).
fn plain(value: &Value) -> &Value {
    value.as_object().and_then(|parts| parts.get("value")).unwrap_or(value)
}

fn fits(value: &Value, compare: Compare, operand: &Operand) -> bool {
    let order = match (operand, value) {
        (Operand::Text { text, folded: None }, Value::String(found)) => return fits_text(found, compare, text),
        (Operand::Text { folded: Some(folded), .. }, Value::String(found)) => {
            return fits_text(&fold(found), compare, folded);
        }
        (Operand::Boolean(boolean), Value::Bool(found)) => Some(found.cmp(boolean)),
        (Operand::Number(number), Value::Number(found)) => Some(value::order(found, number)),
        (Operand::Time(time), Value::String(found)) => value::date_time(found).map(|found| found.cmp(time)),
        (Operand::Text { .. } | Operand::Boolean(_) | Operand::Number(_) | Operand::Time(_) | Operand::Null, _) => None,
    };
    order.is_some_and(|order| fits_order(order, compare))
}

fn fits_text(found: &str, compare: Compare, text: &str) -> bool {
    match compare {
        Compare::Co => found.contains(text),
        Compare::Sw => found.starts_with(text),
        Compare::Ew => found.ends_with(text),
        Compare::Eq | Compare::Ne | Compare::Gt | Compare::Lt | Compare::Ge | Compare::Le => {
            fits_order(found.cmp(text), compare)
        }
    }
}

fn fits_order(order: Ordering, compare: Compare) -> bool {
    match compare {
        Compare::Eq => order == Ordering::Equal,
        Compare::Ne => order != Ordering::Equal,
        Compare::Gt => order == Ordering::Greater,
        Compare::Lt => order == Ordering::Less,
        Compare::Ge => order != Ordering::Less,
        Compare::Le => order != Ordering::Greater,
        Compare::Co | Compare::Sw | Compare::Ew => false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{Dialect, Meta, ResourceBody};
    use serde_json::json;

    fn printed(text: &str) -> String {
        parse(text, &Reading::strict()).map_or_else(|error| format!("! {error}"), |filter| filter.to_string())
    }

    fn bound(text: &str) -> Result<BoundFilter<'static>, String> {
        BoundFilter::parse(text, ResourceType::user(), &Reading::lenient()).map_err(|error| error.to_string())
    }

    fn refused(text: &str) -> String {
        BoundFilter::parse(text, ResourceType::user(), &Reading::strict()).unwrap_err().to_string()
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

    #[test]
    fn a_filter_that_does_not_bind_names_the_attribute() {
        for (text, expected) in [
            ("shoeSize eq \"42\"", "filter: shoeSize: expected an attribute of User, found an unknown name"),
            (
                "emails.kind eq \"x\"",
                "filter: emails.kind: expected one of the sub-attributes value, display, type, primary",
            ),
            ("emails[kind eq \"x\"]", "filter: kind: expected a sub-attribute of emails, found an unknown name"),
            ("emails[emails[type pr]]", "filter: emails: expected no brackets within brackets"),
            ("userName[value pr]", "filter: userName: expected a complex or multi-valued attribute before the bracket"),
            ("name eq \"x\"", "filter: name: expected a sub-attribute to compare, found the whole attribute"),
            ("active gt true", "filter: active: expected \"eq\" or \"ne\" for this value"),
            ("active eq \"maybe\"", "filter: active: expected true or false"),
            ("active eq 1", "filter: active: expected a value of type boolean"),
            ("userName eq 1", "filter: userName: expected a value of type string"),
            ("title gt null", "filter: title: expected \"eq\" or \"ne\" for this value"),
            ("meta.created gt \"soon\"", "filter: meta.created: expected a dateTime such as \"2026-11-23T10:00:00Z\""),
        ] {
            assert_eq!(refused(text), expected, "{text}");
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

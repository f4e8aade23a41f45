//! Schemas as data (RFC 7643 §7). What the engine enforces and what `/Schemas` shows come from the same tables.
//!
//! The built-in ones are constants. A tenant may have more of its own; those are made for the request that needs them, and
//! whoever works with an attribute borrows it from the [`ResourceType`] that was made.

pub(crate) mod form;
mod tables;

use super::error::{Error, FullScanReason};
use std::borrow::Cow;
use std::fmt;

/// A schema: a named set of attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Its URN.
    pub id: Cow<'static, str>,
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it is for.
    pub description: Cow<'static, str>,
    /// Its attributes.
    pub attributes: Cow<'static, [Attribute]>,
}

/// An attribute or sub-attribute and its characteristics, RFC 7643 §7.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name in its canonical case.
    pub name: Cow<'static, str>,
    /// The type of one value.
    pub kind: Type,
    /// Whether there can be several values.
    pub multi_valued: bool,
    /// What it means.
    pub description: Cow<'static, str>,
    /// Whether a resource must have it.
    pub required: bool,
    /// Suggested values. Advisory: others are kept as they are.
    pub canonical_values: Words,
    /// Whether text compares with case.
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is sent.
    pub returned: Returned,
    /// Whether values may repeat.
    pub uniqueness: Uniqueness,
    /// What a reference may point to.
    pub reference_types: Words,
    /// The parts of a complex attribute.
    pub sub_attributes: Cow<'static, [Attribute]>,
}

/// Words of a table, or of a tenant.
#[derive(Debug, Clone)]
pub enum Words {
    /// Of a built-in schema.
    Fixed(&'static [&'static str]),
    /// Of a tenant's.
    Own(Vec<String>),
}

impl Words {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (fixed, own): (&[&str], &[String]) = match self {
            Words::Fixed(fixed) => (fixed, &[]),
            Words::Own(own) => (&[], own),
        };
        fixed.iter().copied().chain(own.iter().map(String::as_str))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Words) -> bool {
        self.iter().eq(other.iter())
    }
}

/// The types of RFC 7643 §2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A real number.
    Decimal,
    /// A whole number.
    Integer,
    /// A date and time with offset.
    DateTime,
    /// Base64 text.
    Binary,
    /// A URI.
    Reference,
    /// Sub-attributes.
    Complex,
}

/// Who may change an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// The server alone.
    ReadOnly,
    /// The client at any time.
    ReadWrite,
    /// The client once.
    Immutable,
    /// The client at any time, and nobody reads it.
    WriteOnly,
}

/// When an attribute is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// Whatever the client asks for.
    Always,
    /// Never.
    Never,
    /// Unless the client leaves it out.
    Default,
    /// If the client asks for it.
    Request,
}

/// Whether values may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniqueness {
    /// They may.
    None,
    /// Not within the tenant.
    Server,
    /// Nowhere.
    Global,
}

/// A kind of resource, RFC 7643 §6.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceType {
    /// Its name and id.
    pub name: &'static str,
    /// Where its resources are, below the tenant URL.
    pub endpoint: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Its own schema.
    pub schema: &'static Schema,
    /// Schemas that add to it.
    pub extensions: &'static [&'static Schema],
    /// Schemas of the tenant that add to it.
    pub own: Vec<Schema>,
    /// The attribute that a resource is known by: required, and unique in the tenant without case.
    pub naming: &'static str,
    /// The attribute that says which resources belong together with this one. It is kept apart from the resource, so that
    /// who neither asks for it nor changes it does not pay for it.
    pub relation: &'static str,
    /// The attributes by which one resource is found without reading others, as a message lists them.
    pub indexed: &'static str,
}

/// Where an attribute stands in a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target<'s> {
    /// An attribute of a schema; of an extension where one is named.
    Attribute {
        /// The extension that has it.
        extension: Option<&'s Schema>,
        /// The attribute.
        attribute: &'s Attribute,
        /// The part of it that is meant.
        sub: Option<&'s Attribute>,
    },
    /// All attributes of an extension.
    Extension(&'s Schema),
}

impl<'s> Target<'s> {
    /// The attribute that a value is compared with or written to; a complex one without a part stands for its `value`.
    pub fn leaf(&self) -> Option<&'s Attribute> {
        match self {
            Target::Extension(_) => None,
            Target::Attribute { sub: Some(sub), .. } => Some(sub),
            Target::Attribute { attribute, .. } if attribute.kind == Type::Complex => attribute.sub("value"),
            Target::Attribute { attribute, .. } => Some(attribute),
        }
    }

    /// Whether only the server sets it, or the part of it that is meant.
    pub fn read_only(&self) -> bool {
        match self {
            Target::Extension(_) => false,
            Target::Attribute { attribute, sub, .. } => {
                let sub = sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly);
                sub || attribute.mutability == Mutability::ReadOnly
            }
        }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Extension(schema) => f.write_str(&schema.id),
            Target::Attribute { extension, attribute, sub } => {
                if let Some(schema) = extension {
                    write!(f, "{}:", schema.id)?;
                }
                f.write_str(&attribute.name)?;
                sub.map_or(Ok(()), |sub| write!(f, ".{}", sub.name))
            }
        }
    }
}

impl Attribute {
    /// Whether nobody ever reads it (RFC 7643 §7, "writeOnly" and "never"). Such a value is taken and not kept: what is
    /// in no answer and in no filter would only wait to be stolen.
    pub fn is_hidden(&self) -> bool {
        self.returned == Returned::Never || self.mutability == Mutability::WriteOnly
    }

    /// Whether it is the `active` of users, RFC 7643 §4.1.1. Another schema may have one of the same name.
    pub(crate) fn is_active(&self) -> bool {
        ResourceType::user().schema.attribute("active").is_some_and(|active| std::ptr::eq(active, self))
    }

    /// Whether its values point to resources: what identifies one is its `value`, and `$ref` only repeats it.
    pub fn is_reference(&self) -> bool {
        self.sub("$ref").is_some()
    }

    /// Whether it has several values, none of which has parts.
    pub(crate) fn is_list_of_values(&self) -> bool {
        self.multi_valued && self.kind != Type::Complex
    }

    /// The part of this name, without case.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        named(&self.sub_attributes, name)
    }
}

impl Schema {
    /// Whether it is one of the tables, which no tenant can change.
    pub(crate) fn is_built_in(&self) -> bool {
        matches!(self.attributes, Cow::Borrowed(_))
    }

    /// The attribute of this name, without case (RFC 7643 §2.1).
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        named(&self.attributes, name)
    }
}

fn named<'s>(attributes: &'s [Attribute], name: &str) -> Option<&'s Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

impl ResourceType {
    /// The error of a query that would have to read more of these than it may, and what to ask instead.
    pub fn too_many(&self, max: u64, why: FullScanReason) -> Error {
        let (plural, indexed) = (self.endpoint.trim_start_matches('/').to_lowercase(), &self.indexed);
        let (place, advice) = match why {
            FullScanReason::Filter => ("filter", format!("compare {indexed} with eq, or page by cursor")),
            FullScanReason::Order => ("sortBy", format!("leave it out, or compare {indexed} with eq in a filter")),
            FullScanReason::Shared => ("filter", "compare what fewer share, or page by cursor through all".to_owned()),
            FullScanReason::Search => ("search", format!("look for the whole {}", self.naming)),
        };
        Error::too_many(format!("{place}: would have to read more than {max} {plural}; {advice}"))
    }

    /// Users: RFC 7643 §4.1 and §4.3.
    pub const fn user() -> &'static ResourceType {
        &tables::USER_TYPE
    }

    /// Groups: RFC 7643 §4.2.
    pub const fn group() -> &'static ResourceType {
        &tables::GROUP_TYPE
    }

    /// Its own schema and the extensions.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        std::iter::once(self.schema).chain(self.all_extensions())
    }

    fn all_extensions(&self) -> impl Iterator<Item = &Schema> {
        self.extensions.iter().copied().chain(&self.own)
    }

    /// Whether an attribute is the one that is kept apart.
    pub(crate) fn is_relation(&self, extension: Option<&Schema>, attribute: &Attribute) -> bool {
        extension.is_none() && attribute.name == self.relation
    }

    /// The extension of this URN, without case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.all_extensions().find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// Finds what a name means: `userName`, `name.givenName`, `urn:…:User:department`, `urn:…:User:manager.value`.
    ///
    /// RFC 7644 §3.10 asks for the URN of an extension's attribute. A name without it is taken for the extension's
    /// where no attribute of the resource has it (Entra sends `manager`), and a dot may stand behind the URN where the
    /// RFC has a colon. A tenant's own extension comes last, so that none changes what a name meant before.
    ///
    /// # Errors
    /// What was expected instead of the name, in words.
    pub fn resolve(&self, name: &str) -> Result<Target<'_>, String> {
        if let Some((schema, rest)) = self.schemas().find_map(|schema| strip_urn(name, schema)) {
            let extension = (!std::ptr::eq(schema, self.schema)).then_some(schema);
            return match (rest, extension) {
                ("", Some(schema)) => Ok(Target::Extension(schema)),
                ("", None) => Err(format!("expected an attribute after {}, found none", schema.id)),
                // The common attributes belong to no schema (RFC 7643 §3.1); clients that write every name with a URN give
                // them the resource's own.
                (rest, None) => common(rest).map_or_else(|| within(schema, None, rest), Ok),
                (rest, extension) => within(schema, extension, rest),
            };
        }
        if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
            return Err(format!("expected an attribute of {}, found an unknown schema", self.name));
        }
        if let Some(target) = common(name) {
            return Ok(target);
        }
        match within(self.schema, None, name) {
            Ok(target) => Ok(target),
            Err(problem) => {
                only(self.extensions.iter().copied(), name).or_else(|| only(&self.own, name)).ok_or(problem)
            }
        }
    }

    /// Finds what a name in a filter means, as [`ResourceType::resolve`] does, and refuses with a filter error.
    pub(crate) fn resolve_in_filter(&self, name: &str) -> Result<Target<'_>, Error> {
        self.resolve(name).map_err(|problem| Error::filter(format!("filter: {name}: {problem}")))
    }
}

/// What a name means among the attributes of every resource.
fn common(name: &str) -> Option<Target<'static>> {
    let (first, sub) = split(name)?;
    target(common_attribute(first)?, None, sub)
}

/// The attribute of this name that every resource has, RFC 7643 §3.1.
pub(crate) fn common_attribute(name: &str) -> Option<&'static Attribute> {
    named(tables::COMMON, name)
}

/// What a name means in the one extension that has it.
fn only<'s>(extensions: impl IntoIterator<Item = &'s Schema>, name: &str) -> Option<Target<'s>> {
    let mut found = extensions.into_iter().filter_map(|schema| within(schema, Some(schema), name).ok());
    let target = found.next()?;
    found.next().is_none().then_some(target)
}

/// What follows the schema's URN in a name. Names are ASCII by their grammar; others have no such prefix.
fn strip_urn<'n, 's>(name: &'n str, schema: &'s Schema) -> Option<(&'s Schema, &'n str)> {
    let start = name.get(..schema.id.len())?;
    let rest = name.get(schema.id.len()..)?;
    if !start.eq_ignore_ascii_case(&schema.id) {
        return None;
    }
    match rest.strip_prefix([':', '.']) {
        Some(rest) => Some((schema, rest)),
        None => rest.is_empty().then_some((schema, rest)),
    }
}

fn within<'s>(schema: &'s Schema, extension: Option<&'s Schema>, name: &str) -> Result<Target<'s>, String> {
    let unknown = || format!("expected an attribute of {}, found an unknown name", schema.name);
    let (first, sub) = split(name).ok_or_else(unknown)?;
    let attribute = schema.attribute(first).ok_or_else(unknown)?;
    target(attribute, extension, sub).ok_or_else(|| {
        let subs: Vec<&str> = attribute.sub_attributes.iter().map(|sub| &*sub.name).collect();
        if subs.is_empty() {
            format!("expected no sub-attribute, {} has none", attribute.name)
        } else {
            format!("expected one of the sub-attributes {}", subs.join(", "))
        }
    })
}

/// A name and its sub-attribute, at most one.
fn split(name: &str) -> Option<(&str, Option<&str>)> {
    match name.split_once('.') {
        None => Some((name, None)),
        Some((first, sub)) => (!sub.contains('.')).then_some((first, Some(sub))),
    }
}

fn target<'s>(attribute: &'s Attribute, extension: Option<&'s Schema>, sub: Option<&str>) -> Option<Target<'s>> {
    let sub = match sub {
        None => None,
        Some(name) => Some(attribute.sub(name)?),
    };
    Some(Target::Attribute { extension, attribute, sub })
}

impl Type {
    /// All of them.
    pub const ALL: [Type; 8] = [
        Type::String,
        Type::Boolean,
        Type::Decimal,
        Type::Integer,
        Type::DateTime,
        Type::Binary,
        Type::Reference,
        Type::Complex,
    ];

    /// The name in `/Schemas`.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Boolean => "boolean",
            Type::Decimal => "decimal",
            Type::Integer => "integer",
            Type::DateTime => "dateTime",
            Type::Binary => "binary",
            Type::Reference => "reference",
            Type::Complex => "complex",
        }
    }
}

impl Mutability {
    /// All of them.
    pub const ALL: [Mutability; 4] =
        [Mutability::ReadOnly, Mutability::ReadWrite, Mutability::Immutable, Mutability::WriteOnly];

    /// The name in `/Schemas`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mutability::ReadOnly => "readOnly",
            Mutability::ReadWrite => "readWrite",
            Mutability::Immutable => "immutable",
            Mutability::WriteOnly => "writeOnly",
        }
    }
}

impl Returned {
    /// All of them.
    pub const ALL: [Returned; 4] = [Returned::Always, Returned::Never, Returned::Default, Returned::Request];

    /// The name in `/Schemas`.
    pub fn as_str(self) -> &'static str {
        match self {
            Returned::Always => "always",
            Returned::Never => "never",
            Returned::Default => "default",
            Returned::Request => "request",
        }
    }
}

impl Uniqueness {
    /// All of them.
    pub const ALL: [Uniqueness; 3] = [Uniqueness::None, Uniqueness::Server, Uniqueness::Global];

    /// The name in `/Schemas`.
    pub fn as_str(self) -> &'static str {
        match self {
            Uniqueness::None => "none",
            Uniqueness::Server => "server",
            Uniqueness::Global => "global",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> String {
        ResourceType::user().resolve(name).map_or_else(|problem| format!("! {problem}"), |target| target.to_string())
    }

    #[test]
    fn a_name_finds_its_attribute_without_case() {
        assert_eq!(check("USERNAME"), "userName");
        assert_eq!(check("Name.GivenName"), "name.givenName");
        assert_eq!(check("urn:ietf:params:scim:schemas:core:2.0:User:userName"), "userName");
        assert_eq!(check("meta.lastModified"), "meta.lastModified");
        assert_eq!(check("urn:ietf:params:scim:schemas:core:2.0:User:externalId"), "externalId");
        assert_eq!(check("urn:ietf:params:scim:schemas:core:2.0:User:meta.version"), "meta.version");
        assert!(check("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:externalId").starts_with('!'));
    }

    #[test]
    fn an_extension_is_found_by_its_urn_by_a_dot_behind_it_and_without_it() {
        let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
        assert_eq!(check(department), department);
        assert_eq!(check("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.department"), department);
        assert_eq!(check("URN:ietf:params:scim:schemas:extension:Enterprise:2.0:user:Department"), department);
        assert_eq!(check("department"), department);
        let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value";
        assert_eq!(check("manager.value"), manager);
        assert_eq!(check(manager), manager);
    }

    #[test]
    fn a_name_that_means_nothing_is_refused() {
        assert_eq!(check("nickname2"), "! expected an attribute of User, found an unknown name");
        assert_eq!(check("userName.value"), "! expected no sub-attribute, userName has none");
        assert_eq!(check("urn:example:x"), "! expected an attribute of User, found an unknown schema");
        assert_eq!(check("name.givenName.x"), "! expected an attribute of User, found an unknown name");
        assert!(check("emails.kind").starts_with("! expected one of the sub-attributes value, display"));
        assert!(check("\u{e9}\u{e9}\u{e9}").starts_with('!'));
    }
}

//! RFC 7643 §3.1, §4.1, §4.2, §4.3 and §8.7 as constants.
//!
//! Where the text of the RFC contradicts its own tables, the verified errata decide: a group's `displayName` is required
//! (5368), the `$ref` of a user's group points to groups alone (8471), and the documents of `/Schemas` have `schemas` and
//! `meta` as all resources do (8417); countries have two letters (5990, 5991), which is the provider's to keep. Those about
//! the schemas of schemas (5607, 7522) concern what we do not serve: a schema is no resource of a type of its own here.

use super::{Attribute, Mutability, ResourceType, Returned, Schema, Type, Uniqueness, Words};
use std::borrow::Cow;

static USER_SCHEMA: Schema =
    schema("urn:ietf:params:scim:schemas:core:2.0:User", "User", "User Account", USER_ATTRIBUTES);

static ENTERPRISE_SCHEMA: Schema = schema(
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "EnterpriseUser",
    "Enterprise User",
    ENTERPRISE_ATTRIBUTES,
);

static GROUP_SCHEMA: Schema = schema("urn:ietf:params:scim:schemas:core:2.0:Group", "Group", "Group", GROUP_ATTRIBUTES);

pub(super) static USER_TYPE: ResourceType = ResourceType {
    name: "User",
    endpoint: "/Users",
    description: "User Account",
    schema: &USER_SCHEMA,
    extensions: &[&ENTERPRISE_SCHEMA],
    own: Vec::new(),
    naming: "userName",
    relation: "groups",
    indexed: "userName, externalId, id or emails.value",
};

pub(super) static GROUP_TYPE: ResourceType = ResourceType {
    name: "Group",
    endpoint: "/Groups",
    description: "Group",
    schema: &GROUP_SCHEMA,
    extensions: &[],
    own: Vec::new(),
    naming: "displayName",
    relation: "members",
    indexed: "displayName, externalId, id or members.value",
};

/// What every resource has, RFC 7643 §3.1. Not part of any schema, and so not in `/Schemas`.
pub(super) static COMMON: &[Attribute] = &[
    text("id", "The server's identifier").exact().read_only().always().unique(),
    text("externalId", "The provider's identifier").exact(),
    text("schemas", "The URNs of the schemas").exact().read_only().always().many(),
    complex("meta", "About the resource", META).read_only(),
];

const META: &[Attribute] = &[
    text("resourceType", "The kind of resource").exact().read_only(),
    of(Type::DateTime, "created", "When it was made").read_only(),
    of(Type::DateTime, "lastModified", "When it last changed").read_only(),
    of(Type::Reference, "location", "Where it is").exact().read_only(),
    text("version", "Its entity tag").exact().read_only(),
];

const USER_ATTRIBUTES: &[Attribute] = &[
    text("userName", "The name that the user signs in with, unique in the tenant without case").required().unique(),
    complex("name", "The parts of the user's real name", NAME),
    text("displayName", "The name to show"),
    text("nickName", "The name that the user likes to be called"),
    reference("profileUrl", "A page about the user", &["external"]),
    text("title", "The user's title, such as Vice President"),
    text("userType", "The relation to the organisation, such as Employee or Contractor"),
    text("preferredLanguage", "The language that the user likes to read"),
    text("locale", "Where the user is, for formats"),
    text("timezone", "The user's time zone"),
    of(Type::Boolean, "active", "Whether the user may sign in"),
    text("password", "Accepted and not kept; signing in is the identity provider's").write_only(),
    complex("emails", "E-mail addresses", EMAILS).many(),
    complex("phoneNumbers", "Telephone numbers", PHONE_NUMBERS).many(),
    complex("ims", "Instant messaging addresses", IMS).many(),
    complex("photos", "Pictures of the user", PHOTOS).many(),
    complex("addresses", "Mailing addresses", ADDRESSES).many(),
    complex("groups", "Groups that the user belongs to", GROUPS).many().read_only(),
    complex("entitlements", "Things that the user has", PLAIN).many(),
    complex("roles", "Who the user is, such as Student or Faculty", PLAIN).many(),
    complex("x509Certificates", "Certificates of the user", CERTIFICATES).many(),
];

const NAME: &[Attribute] = &[
    text("formatted", "The whole name as it is shown"),
    text("familyName", "The family name"),
    text("givenName", "The given name"),
    text("middleName", "The middle names"),
    text("honorificPrefix", "A title before the name"),
    text("honorificSuffix", "A title behind the name"),
];

const DISPLAY: Attribute = text("display", "A name for the value, to show");
const PRIMARY: Attribute = of(Type::Boolean, "primary", "Whether this is the preferred value; true at most once");
const KIND: Attribute = kind("What the value is for", &[]);

const EMAILS: &[Attribute] =
    &[text("value", "The address"), DISPLAY, kind("What the value is for", &["work", "home", "other"]), PRIMARY];

const PHONE_NUMBERS: &[Attribute] = &[
    text("value", "The number"),
    DISPLAY,
    kind("What the value is for", &["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

const IMS: &[Attribute] = &[
    text("value", "The address"),
    DISPLAY,
    kind("What the value is for", &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];

const PHOTOS: &[Attribute] = &[
    reference("value", "Where the picture is", &["external"]),
    DISPLAY,
    kind("What the value is for", &["photo", "thumbnail"]),
    PRIMARY,
];

const ADDRESSES: &[Attribute] = &[
    text("formatted", "The whole address as it is shown"),
    text("streetAddress", "Street and number"),
    text("locality", "City"),
    text("region", "State or region"),
    text("postalCode", "Postal code"),
    text("country", "Country"),
    kind("What the value is for", &["work", "home", "other"]),
    PRIMARY,
];

const GROUPS: &[Attribute] = &[
    text("value", "The group's id").exact().read_only(),
    reference("$ref", "Where the group is", &["Group"]).read_only(),
    text("display", "The group's name").read_only(),
    kind("Whether the user is in the group itself", &["direct", "indirect"]).read_only(),
];

const PLAIN: &[Attribute] = &[text("value", "The value"), DISPLAY, KIND, PRIMARY];

const CERTIFICATES: &[Attribute] =
    &[of(Type::Binary, "value", "The certificate, DER in base64").exact(), DISPLAY, KIND, PRIMARY];

const ENTERPRISE_ATTRIBUTES: &[Attribute] = &[
    text("employeeNumber", "The number of the user in the organisation"),
    text("costCenter", "The cost centre"),
    text("organization", "The organisation"),
    text("division", "The division"),
    text("department", "The department"),
    complex("manager", "The user's manager", MANAGER),
];

const MANAGER: &[Attribute] = &[
    text("value", "The manager's id"),
    reference("$ref", "Where the manager is", &["User"]),
    text("displayName", "The manager's name").read_only(),
];

const GROUP_ATTRIBUTES: &[Attribute] = &[
    text("displayName", "The group's name, unique in the tenant without case").required().unique(),
    complex("members", "Who belongs to the group", MEMBERS).many(),
];

const MEMBERS: &[Attribute] = &[
    text("value", "The member's id").exact().immutable(),
    reference("$ref", "Where the member is", &["User", "Group"]).immutable(),
    text("display", "The member's name").read_only(),
    kind("The kind of member", &["User", "Group"]).immutable(),
];

const fn schema(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    attributes: &'static [Attribute],
) -> Schema {
    Schema {
        id: Cow::Borrowed(id),
        name: Cow::Borrowed(name),
        description: Cow::Borrowed(description),
        attributes: Cow::Borrowed(attributes),
    }
}

const fn text(name: &'static str, description: &'static str) -> Attribute {
    of(Type::String, name, description)
}

const fn kind(description: &'static str, canonical_values: &'static [&'static str]) -> Attribute {
    make(Type::String, "type", description, canonical_values, &[], &[])
}

const fn reference(name: &'static str, description: &'static str, types: &'static [&'static str]) -> Attribute {
    make(Type::Reference, name, description, &[], types, &[]).exact()
}

const fn complex(name: &'static str, description: &'static str, sub_attributes: &'static [Attribute]) -> Attribute {
    make(Type::Complex, name, description, &[], &[], sub_attributes)
}

const fn of(kind: Type, name: &'static str, description: &'static str) -> Attribute {
    make(kind, name, description, &[], &[], &[])
}

/// RFC 7643 §2.2: what holds of an attribute that does not say otherwise.
const fn make(
    kind: Type,
    name: &'static str,
    description: &'static str,
    canonical_values: &'static [&'static str],
    reference_types: &'static [&'static str],
    sub_attributes: &'static [Attribute],
) -> Attribute {
    Attribute {
        name: Cow::Borrowed(name),
        kind,
        multi_valued: false,
        description: Cow::Borrowed(description),
        required: false,
        canonical_values: Words::Fixed(canonical_values),
        case_exact: false,
        mutability: Mutability::ReadWrite,
        returned: Returned::Default,
        uniqueness: Uniqueness::None,
        reference_types: Words::Fixed(reference_types),
        sub_attributes: Cow::Borrowed(sub_attributes),
    }
}

impl Attribute {
    const fn required(mut self) -> Attribute {
        self.required = true;
        self
    }

    const fn many(mut self) -> Attribute {
        self.multi_valued = true;
        self
    }

    const fn exact(mut self) -> Attribute {
        self.case_exact = true;
        self
    }

    const fn unique(mut self) -> Attribute {
        self.uniqueness = Uniqueness::Server;
        self
    }

    const fn always(mut self) -> Attribute {
        self.returned = Returned::Always;
        self
    }

    const fn read_only(mut self) -> Attribute {
        self.mutability = Mutability::ReadOnly;
        self
    }

    const fn immutable(mut self) -> Attribute {
        self.mutability = Mutability::Immutable;
        self
    }

    const fn write_only(mut self) -> Attribute {
        self.mutability = Mutability::WriteOnly;
        self.returned = Returned::Never;
        self.exact()
    }
}

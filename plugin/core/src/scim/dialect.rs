//! How a provider departs from the RFC. A dialect belongs to one request; nothing about it is global.

/// What is tolerated beyond the RFC, a field each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// `"True"` and `"false"` where the schema has a boolean.
    pub string_booleans: bool,
    /// An empty string where the RFC has null: the attribute is unset.
    pub empty_clears: bool,
    /// A string where the schema has a complex value: it is its `value`. One element in an array where it has one value.
    pub loose_shapes: bool,
    /// A value filter in a PATCH path that matches nothing: the element that it describes is made, where the RFC has
    /// `noTarget`.
    pub filters_create: bool,
    /// A PATCH value without a path that has names which mean nothing: they are passed over.
    pub unknown_names: bool,
    /// Bodies without `schemas`, or with URNs that are not ours or misspelt.
    pub any_schemas: bool,
    /// URNs in `schemas` beside those of the resource type, and URNs twice.
    pub further_schemas: bool,
    /// A `replace` with a value filter and an object sets the parts that the object names in every element that fits; the
    /// RFC replaces the whole elements (§3.5.2.3), which would take from them what they are for.
    pub filters_merge: bool,
    /// A `remove` whose value lists elements: they go and no others. The RFC has a filter in the path for that and gives
    /// the value no meaning; taken without it, the path would mean all of them.
    pub remove_lists: bool,
    /// Only true and false change `active`: removing it, or setting it to nothing, leaves it as it is.
    pub active_stays: bool,
    /// What only the server sets, within a PATCH value without a path: it is passed over as in PUT, where the RFC has
    /// `mutability`.
    pub read_only_passes: bool,
    /// Text that is no URI where the schema has a reference, and no base64 where it has a binary value.
    pub any_format: bool,
    /// `members.display` is sent along. The Group schema of RFC 7643 §8.7.1 has `value`, `$ref` and `type` only, and a client
    /// that compares what it sent with what it reads finds nothing that it did not send.
    pub members_named: bool,
}

impl Dialect {
    /// Microsoft Entra ID, with and without `aadOptscim062020`.
    pub const fn entra() -> Dialect {
        Dialect {
            string_booleans: true,
            empty_clears: true,
            loose_shapes: true,
            filters_create: true,
            unknown_names: true,
            any_schemas: true,
            further_schemas: true,
            filters_merge: true,
            remove_lists: true,
            active_stays: true,
            read_only_passes: true,
            any_format: true,
            members_named: true,
        }
    }

    /// Okta. Its profiles have an empty string for what is not filled in.
    pub const fn okta() -> Dialect {
        Dialect { empty_clears: true, ..Dialect::near() }
    }

    /// OneLogin. A user's body is a text template of its admin into which values are put, so booleans may come as text,
    /// fields without a value as empty strings, and one address as one object.
    pub const fn onelogin() -> Dialect {
        Dialect { string_booleans: true, empty_clears: true, loose_shapes: true, any_schemas: true, ..Dialect::near() }
    }

    /// JumpCloud. Fields of a user that are not filled in come as empty strings.
    pub const fn jumpcloud() -> Dialect {
        Dialect { empty_clears: true, ..Dialect::near() }
    }

    /// Google Workspace. It lists the URN of SCIM 1.1 beside ours, so what is listed is not judged.
    pub const fn google() -> Dialect {
        Dialect { empty_clears: true, any_schemas: true, ..Dialect::near() }
    }

    /// A provider of which no departure from the RFC is known, but which may name the elements to remove in a value, list
    /// more schemas than there are, mean parts where it replaces what a filter chooses, send back what it was sent, and has its admin map any text to any attribute.
    pub const fn near() -> Dialect {
        Dialect {
            further_schemas: true,
            filters_merge: true,
            remove_lists: true,
            active_stays: true,
            read_only_passes: true,
            any_format: true,
            members_named: true,
            ..Dialect::strict()
        }
    }

    /// The RFC and nothing else.
    pub const fn strict() -> Dialect {
        Dialect {
            string_booleans: false,
            empty_clears: false,
            loose_shapes: false,
            filters_create: false,
            unknown_names: false,
            any_schemas: false,
            further_schemas: false,
            filters_merge: false,
            remove_lists: false,
            active_stays: false,
            read_only_passes: false,
            any_format: false,
            members_named: false,
        }
    }
}

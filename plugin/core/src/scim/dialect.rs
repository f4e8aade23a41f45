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
        }
    }
}

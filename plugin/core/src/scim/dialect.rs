//! How the requests of a connection are read: leniently or by the RFC's letter, and the few choices of a provider.
//!
//! Whatever has one sensible reading is a [`Leniency`](super::Leniency), which the lenient dialect reads whoever sends it.
//! What stands here are choices between two readings that both have sense, so that it depends on the sender which is meant.

/// The dialect of a connection. It belongs to one request; nothing about it is global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Whether departures from the RFC are read.
    pub manner: Manner,
    /// An empty string where the schema has text: the attribute is unset. RFC 7643 §2.5 has null for that, and an empty
    /// string is a value like any other; clients whose profiles have one for each field that is not filled in mean nothing.
    pub empty_clears: bool,
    /// A value filter in a PATCH path that matches nothing: the element that it describes is made. RFC 7644 §3.5.2.3 has
    /// `noTarget` for that, which a client may rely on; Entra addresses an element by what it is for, whether it is there
    /// or not.
    pub filters_create: bool,
    /// A `replace` with a value filter and an object sets the parts that the object names in every element that fits.
    /// RFC 7644 §3.5.2.3 replaces the whole elements, which would take from them what they are for; a client that follows
    /// it sends elements that are whole.
    pub filters_merge: bool,
    /// A group without members has an empty `members`. RFC 7643 §2.5 leaves such an attribute out, and who reads many
    /// groups need not be sent it; a client that takes its absence for unknown never fills the group.
    pub empty_members: bool,
}

/// How a departure from the RFC is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It is read where it has one sensible reading.
    Lenient,
    /// It is refused.
    Strict,
    /// Nobody sent it: it was let in before and is looked at again.
    Stored,
    /// It was let in under a schema that has changed since: what another shape says is seen, what another type says is not.
    Reshaped,
}

impl Dialect {
    /// The lenient dialect, with the RFC's choices.
    pub const fn lenient() -> Dialect {
        Dialect { manner: Manner::Lenient, ..Dialect::strict() }
    }

    /// The RFC and nothing else.
    pub const fn strict() -> Dialect {
        Dialect {
            manner: Manner::Strict,
            empty_clears: false,
            filters_create: false,
            filters_merge: false,
            empty_members: false,
        }
    }

    /// Microsoft Entra ID, with and without `aadOptscim062020`.
    pub const fn entra() -> Dialect {
        Dialect { filters_create: true, ..Dialect::clearing() }
    }

    /// A provider whose users have an empty string for what is not filled in.
    pub const fn clearing() -> Dialect {
        Dialect { empty_clears: true, ..Dialect::merging() }
    }

    /// A provider that means parts where it replaces what a filter chooses.
    pub const fn merging() -> Dialect {
        Dialect { filters_merge: true, ..Dialect::lenient() }
    }

    /// authentik. Before July 2026 its full sync took a group without `members` for one whose members are unknown.
    pub const fn authentik() -> Dialect {
        Dialect { empty_members: true, ..Dialect::merging() }
    }
}

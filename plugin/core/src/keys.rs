//! The names of all keys. One type builds them, and it cannot be made without saying whose they are.

use crate::scim::ResourceType;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The highest level of a roster, which has one node.
pub(crate) const ROSTER_TOP: u8 = 3;

/// Where the report on the store stands. It is written without a turn: turns are what it is about.
pub(crate) const STORE_REPORT: &str = "r.store";

/// Counts the tests of the store, so that no two use the same keys.
pub(crate) const STORE_TESTS: &str = "p.runs";

/// How many characters a [`TenantId`] has.
pub const TENANT_ID_LEN: usize = 10;

/// The alphabet of generated identifiers: no capital letters, so that a URL typed in the wrong case fails loudly,
/// and none of the letters that are read as digits.
pub(crate) const ID_ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// Whether a byte is a letter of it.
const IN_ALPHABET: [bool; 256] = {
    let (mut is_in, mut place) = ([false; 256], 0);
    while place < ID_ALPHABET.len() {
        is_in[ID_ALPHABET[place] as usize] = true;
        place += 1;
    }
    is_in
};

/// The id of a tenant: ten characters of a fixed alphabet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TenantId(String);

impl TenantId {
    /// Reads an id as it stands in a URL.
    pub fn parse(text: &str) -> Option<TenantId> {
        let fits = text.len() == TENANT_ID_LEN && text.bytes().all(|byte| IN_ALPHABET[usize::from(byte)]);
        fits.then(|| TenantId(text.to_owned()))
    }

    /// Makes an id from random bytes: 50 bits.
    pub(crate) fn from_random(bytes: [u8; TENANT_ID_LEN]) -> TenantId {
        TenantId(bytes.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)])).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of the store with a writer's turn, a roster and keys of its own: the registry of tenants, or one tenant.
///
/// Every function that touches tenant data takes a `Space`, so that no key can be built without a tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Space {
    prefix: String,
}

impl Space {
    /// The list of all tenants.
    pub fn registry() -> Space {
        Space { prefix: "r.".to_owned() }
    }

    /// One tenant.
    pub fn tenant(id: &TenantId) -> Space {
        Space { prefix: ["t.", id.as_str(), "."].concat() }
    }

    /// Where the store is tested.
    pub(crate) fn scratch(test: i64) -> Space {
        Space { prefix: format!("p.{test}.") }
    }

    /// A key of a test.
    pub(crate) fn scratch_key(&self, name: &str) -> String {
        self.key(&format!("k.{name}"))
    }

    pub(crate) fn head(&self) -> String {
        self.key("head")
    }

    /// The counter that gives out turns.
    pub(crate) fn turns(&self, epoch: u64) -> String {
        self.key(&format!("turn.{epoch}"))
    }

    /// The counter that decides who ends an epoch whose turn was never given back.
    pub(crate) fn heal(&self, epoch: u64, round: u32) -> String {
        self.key(&format!("heal.{epoch}.{round}"))
    }

    /// Where the holder of a turn says that it goes on.
    pub(crate) fn beat(&self) -> String {
        self.key("beat")
    }

    /// A part of what a turn wrote while writes of an earlier epoch may still arrive.
    pub(crate) fn trail(&self, epoch: u64, turn: u64, part: u64) -> String {
        self.key(&format!("trail.{epoch}.{turn}.{part}"))
    }

    /// The counter of requests that are counted at once.
    pub(crate) fn rush(&self) -> String {
        self.key("rush")
    }

    /// A part of what the present turn is about to write.
    pub(crate) fn intent(&self, turn: Option<(u64, u64)>, number: u64) -> String {
        match turn {
            Some((epoch, turn)) => self.key(&format!("intent.{epoch}.{turn}.{number}")),
            None => self.key(&format!("intent.{number}")),
        }
    }

    /// What a key held when a snapshot was made.
    pub(crate) fn before(&self, snapshot: &str, key: &str) -> String {
        self.key(&format!("before.{snapshot}.{}", key.strip_prefix(&self.prefix).unwrap_or(key)))
    }

    /// The names of what one turn kept for a snapshot.
    pub(crate) fn kept(&self, snapshot: &str, turn: u64) -> String {
        self.key(&format!("kept.{snapshot}.{turn}"))
    }

    /// Whether a key is one of a snapshot. Such a key is written once, and deleted when the snapshot ends.
    pub(crate) fn is_of_snapshot(&self, key: &str) -> bool {
        let rest = key.strip_prefix(&self.prefix).unwrap_or_default();
        rest.starts_with("before.") || rest.starts_with("kept.")
    }

    /// How far an import has come.
    pub(crate) fn import(&self) -> String {
        self.key("import")
    }

    pub(crate) fn roster(&self, roll: &Roll, level: u8, index: u64) -> String {
        match roll {
            Roll::Main => self.key(&format!("l{level}.{index}")),
            Roll::Groups => self.key(&format!("gl{level}.{index}")),
            Roll::MembersOf(group) => self.key(&format!("{MEMBERS}{group}.{level}.{index}")),
            // Where a short entry stands: one read tells the one from the other.
            Roll::Entry(name) if level == ROSTER_TOP => self.entry(name),
            Roll::Entry(EntryName { letter, of }) => self.key(&format!("{letter}{level}.{of}.{index}")),
        }
    }

    /// What the keys start with whose values can be made anew from documents and from rosters of members.
    pub(crate) fn derived_prefixes(&self) -> Vec<String> {
        let rosters = ["l0.", "l1.", "l2.", "l3.", "gl0.", "gl1.", "gl2.", "gl3.", MEMBERS, EDGES];
        rosters.into_iter().map(|prefix| self.key(prefix)).chain(self.entry_prefixes()).collect()
    }

    /// What the keys of entries start with, and those of the rosters of long ones.
    pub(crate) fn entry_prefixes(&self) -> Vec<String> {
        let of_letter = |letter: &str| {
            let levels = (0..ROSTER_TOP).map(|level| self.key(&format!("{letter}{level}.")));
            std::iter::once(self.key(&format!("{letter}."))).chain(levels).collect::<Vec<_>>()
        };
        EntryName::letters().flat_map(of_letter).collect()
    }

    /// That a group has a member, and in which slot of the group's roster.
    pub(crate) fn edge(&self, group: &str, member: &str) -> String {
        self.key(&format!("{EDGES}{group}.{member}"))
    }

    /// What all keys of edges start with.
    pub(crate) fn edge_prefix(&self) -> String {
        self.key(EDGES)
    }

    pub(crate) fn journal(&self, slot: u64) -> String {
        self.key(&format!("j.{slot}"))
    }

    /// The record of a tenant; meant for the registry.
    pub(crate) fn registered(&self, tenant: &TenantId) -> String {
        self.key(&format!("tenant.{tenant}"))
    }

    /// What the keys of all tenants' records start with.
    pub(crate) fn registered_prefix(&self) -> String {
        self.key("tenant.")
    }

    /// Sessions of the page that were signed out before their end; meant for the registry.
    pub(crate) fn signed_out(&self) -> String {
        self.key("signed-out")
    }

    /// How often wrong admin secrets were presented; meant for the registry.
    pub(crate) fn sign_in_attempts(&self) -> String {
        self.key("guesses")
    }

    pub(crate) fn connection(&self) -> String {
        self.key("connection")
    }

    /// The schemas that a tenant has of its own.
    pub(crate) fn schemas(&self) -> String {
        self.key("schemas")
    }

    /// A document by its id. Ids come out of URLs, so anything that we did not give out names no key.
    pub(crate) fn document(&self, kind: Kind, id: &str) -> Option<String> {
        is_id(id).then(|| [&self.document_prefix(kind), id].concat())
    }

    /// What all documents of a kind start with.
    pub(crate) fn document_prefix(&self, kind: Kind) -> String {
        match kind {
            Kind::User => self.key("u."),
            Kind::Group => self.key("g."),
        }
    }

    /// An entry of an index, or of the groups of a member.
    pub(crate) fn entry(&self, name: &EntryName) -> String {
        [&self.prefix, name.letter, ".", &name.of].concat()
    }

    /// What a key is made for whose value can be made anew from documents; nothing for any other key.
    pub(crate) fn derived_key(&self, key: &str) -> Option<DerivedKey> {
        let (word, rest) = key.strip_prefix(&self.prefix)?.split_once('.')?;
        if [word, "."].concat() == EDGES {
            return self.edge_at(key).map(|(group, member)| DerivedKey::Edge(group, member));
        }
        if [word, "."].concat() == MEMBERS {
            let (rest, index) = rest.rsplit_once('.')?;
            let (group, level) = rest.rsplit_once('.')?;
            return Some(DerivedKey::OfMembers(group.to_owned(), level_of(level)?, index.parse().ok()?));
        }
        let entry = |letter: &str, of: &str| {
            let letter = EntryName::letters().find(|known| *known == letter)?;
            Some(EntryName { letter, of: of.to_owned() })
        };
        if let Some(name) = entry(word, rest) {
            return Some(DerivedKey::Entry(name));
        }
        let (letter, level) = word.split_at_checked(word.len().checked_sub(1)?)?;
        let level = level_of(level)?;
        match letter {
            "l" => Some(DerivedKey::OfKind(Kind::User, level, rest.parse().ok()?)),
            "gl" => Some(DerivedKey::OfKind(Kind::Group, level, rest.parse().ok()?)),
            letter => {
                let (of, index) = rest.rsplit_once('.')?;
                Some(DerivedKey::OfEntry(entry(letter, of)?, level, index.parse().ok()?))
            }
        }
    }

    /// The group and the member of an edge.
    pub(crate) fn edge_at(&self, key: &str) -> Option<(String, String)> {
        let (group, member) = key.strip_prefix(&self.edge_prefix())?.split_once('.')?;
        Some((group.to_owned(), member.to_owned()))
    }

    /// What all keys of the space begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn owns(&self, key: &str) -> bool {
        key.starts_with(&self.prefix)
    }

    fn key(&self, rest: &str) -> String {
        [&self.prefix, rest].concat()
    }
}

/// What a key is made for whose value can be made anew from documents and from the seats of members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum DerivedKey {
    /// An entry: a short one, or the top of a long one.
    Entry(EntryName),
    /// A level below the top of a long entry, and the place in it.
    OfEntry(EntryName, u8, u64),
    /// A level of the roster of a kind, and the place in it.
    OfKind(Kind, u8, u64),
    /// A level of the roster of a group's members, and the place in it.
    OfMembers(String, u8, u64),
    /// A group and its member.
    Edge(String, String),
}

fn level_of(text: &str) -> Option<u8> {
    text.parse().ok().filter(|level| *level <= ROSTER_TOP)
}

const MEMBERS: &str = "gm.";
const EDGES: &str = "e.";

/// Whether a text can be an id that we gave out.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The kinds of resources that a tenant has. Each has documents, a roster and names of its own; all that differs in what
/// they may hold is in their [`ResourceType`].
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Users.
    User,
    /// Groups.
    Group,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 2] = [Kind::User, Kind::Group];

    /// Its schemas and its name.
    pub fn resource_type(self) -> &'static ResourceType {
        match self {
            Kind::User => ResourceType::user(),
            Kind::Group => ResourceType::group(),
        }
    }

    /// The name in messages: `user` or `group`.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Group => "group",
        }
    }

    pub(crate) fn roll(self) -> Roll {
        match self {
            Kind::User => Roll::Main,
            Kind::Group => Roll::Groups,
        }
    }
}

/// Which roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Roll {
    /// The tenants of the registry; the users of a tenant.
    Main,
    /// The groups of a tenant.
    Groups,
    /// The members of the group of this id.
    MembersOf(String),
    /// The resources of a long entry, in the slots that they have in the roster of their kind.
    Entry(EntryName),
}

/// The name of an entry: of resources that have the same value, or of the groups that a member is in. It is the same in
/// every space. User text never stands in a key: its digest does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct EntryName {
    letter: &'static str,
    of: String,
}

impl EntryName {
    /// Who has a value; a folded one where its kind says so.
    pub(crate) fn of_value(kind: IndexKind, value: &str) -> EntryName {
        let EntryName { letter, of } = EntryName::before_layout_4(kind, value);
        let of = match kind {
            IndexKind::ExternalId | IndexKind::GroupExternalId => [CONNECTION, ".", &of].concat(),
            IndexKind::UserName | IndexKind::Email | IndexKind::GroupName => of,
        };
        EntryName { letter, of }
    }

    /// The name that the entry of a value had in the layouts 1 to 3.
    pub(crate) fn before_layout_4(kind: IndexKind, value: &str) -> EntryName {
        let digest = Sha256::digest(value.as_bytes());
        EntryName { letter: kind.letter(), of: URL_SAFE_NO_PAD.encode(&digest[..18]) }
    }

    /// The groups that have a member.
    pub(crate) fn groups_of(member: &str) -> EntryName {
        EntryName { letter: GROUPS_OF, of: member.to_owned() }
    }

    fn letters() -> impl Iterator<Item = &'static str> {
        IndexKind::ALL.into_iter().map(IndexKind::letter).chain([GROUPS_OF])
    }

    /// The kind of the resources that stand in it.
    pub(crate) fn kind(&self) -> Kind {
        let of_users = [IndexKind::UserName, IndexKind::ExternalId, IndexKind::Email];
        if of_users.into_iter().any(|kind| kind.letter() == self.letter) { Kind::User } else { Kind::Group }
    }

    /// The member whose groups stand in it; nothing where it is that of a value.
    pub(crate) fn member(&self) -> Option<&str> {
        (self.letter == GROUPS_OF).then_some(self.of.as_str())
    }

    /// Whether it is that of a user's name, under which the user itself may stand.
    pub(crate) fn is_of_user_name(&self) -> bool {
        self.letter == IndexKind::UserName.letter()
    }
}

const GROUPS_OF: &str = "o";

/// The number of the connection whose `externalId` an entry is about. RFC 7643 §3.1 has the identifier be one of the
/// client's, so two clients may mean different resources by one value.
///
/// A tenant has one connection at a time. One that is started after another has ended takes its users over, and finds
/// them by what the other has written; so it takes over the number, too, and there is no other one. The number stands in
/// the key so that a second connection beside the first will be no new layout.
const CONNECTION: &str = "1";

/// What an index entry is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IndexKind {
    /// userName, folded by [`fold`](crate::scim::text::fold).
    UserName,
    /// externalId, as it is.
    ExternalId,
    /// E-mail address, folded.
    Email,
    /// A group's displayName, folded.
    GroupName,
    /// A group's externalId, as it is.
    GroupExternalId,
}

impl IndexKind {
    /// All of them.
    pub(crate) const ALL: [IndexKind; 5] = [
        IndexKind::UserName,
        IndexKind::ExternalId,
        IndexKind::Email,
        IndexKind::GroupName,
        IndexKind::GroupExternalId,
    ];

    /// The one of the names of a kind.
    pub(crate) fn of_names(kind: Kind) -> IndexKind {
        match kind {
            Kind::User => IndexKind::UserName,
            Kind::Group => IndexKind::GroupName,
        }
    }

    /// The one of the provider's ids of a kind.
    pub(crate) fn of_external_ids(kind: Kind) -> IndexKind {
        match kind {
            Kind::User => IndexKind::ExternalId,
            Kind::Group => IndexKind::GroupExternalId,
        }
    }

    fn letter(self) -> &'static str {
        match self {
            IndexKind::UserName => "n",
            IndexKind::ExternalId => "x",
            IndexKind::Email => "m",
            IndexKind::GroupName => "p",
            IndexKind::GroupExternalId => "y",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_id_outside_the_alphabet_names_no_tenant() {
        assert!(TenantId::parse("abcdefghjk").is_some());
        for wrong in ["", "abcdefghj", "abcdefghjkm", "ABCDEFGHJK", "abcdefgh.k", "abcdefgh/k", "abcdefghj\u{e9}"] {
            assert_eq!(TenantId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_stay_within_the_characters_that_every_backend_takes() {
        let space = Space::tenant(&TenantId::from_random([255; 10]));
        let long = "x".repeat(10_000);
        for key in [
            space.head(),
            space.turns(7),
            space.entry(&EntryName::of_value(IndexKind::ExternalId, &long)),
            space.roster(&Roll::Entry(EntryName::groups_of(&"x".repeat(64))), 0, 1 << 26),
            space.document(Kind::User, "0a-9").unwrap(),
        ] {
            assert!(
                key.len() <= 255 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)),
                "{key}"
            );
        }
    }

    #[test]
    fn a_derived_key_says_what_it_is_made_for() {
        let space = Space::tenant(&TenantId::from_random([7; 10]));
        let entries = IndexKind::ALL.map(|kind| EntryName::of_value(kind, "a"));
        for name in entries.into_iter().chain([EntryName::groups_of("a-1")]) {
            assert_eq!(space.derived_key(&space.entry(&name)), Some(DerivedKey::Entry(name.clone())));
            for level in 0..ROSTER_TOP {
                let key = space.roster(&Roll::Entry(name.clone()), level, 3);
                assert_eq!(space.derived_key(&key), Some(DerivedKey::OfEntry(name.clone(), level, 3)));
            }
            let prefixes = space.entry_prefixes();
            let keys = (0..=ROSTER_TOP).map(|level| space.roster(&Roll::Entry(name.clone()), level, 3));
            assert!(keys.into_iter().all(|key| prefixes.iter().any(|prefix| key.starts_with(prefix))), "{name:?}");
        }
        for level in 0..=ROSTER_TOP {
            for (roll, key) in [
                (Roll::Main, DerivedKey::OfKind(Kind::User, level, 7)),
                (Roll::Groups, DerivedKey::OfKind(Kind::Group, level, 7)),
                (Roll::MembersOf("a-1".to_owned()), DerivedKey::OfMembers("a-1".to_owned(), level, 7)),
            ] {
                assert_eq!(space.derived_key(&space.roster(&roll, level, 7)), Some(key));
            }
        }
        let edge = DerivedKey::Edge("a-1".to_owned(), "b-2".to_owned());
        assert_eq!(space.derived_key(&space.edge("a-1", "b-2")), Some(edge));
        let document = space.document(Kind::Group, "a-1").unwrap();
        for other in [space.head(), space.journal(1), document, Space::registry().head()] {
            assert_eq!(space.derived_key(&other), None, "{other}");
        }
    }

    #[test]
    fn an_id_that_we_never_gave_out_names_no_document() {
        let space = Space::registry();
        for wrong in ["", "a/b", "a.b", "..", "a b", "\u{0}", &"a".repeat(65)] {
            assert_eq!(space.document(Kind::Group, wrong), None, "{wrong}");
        }
    }
}

//! The users and groups of one tenant: created, replaced, patched, deleted, found. What is said of one kind is said of
//! both; where they differ, their [`ResourceType`](crate::scim::ResourceType) says how.
//!
//! A change is planned first, on whatever is read, and carried out within a turn. Planning outside of a turn answers
//! the many requests that change nothing or are refused without a write; planning again within the turn decides.
//! The document is the truth. Indexes, see `entry`, and roster are written with it in one batch and verified when they are
//! read.

mod ahead;
pub mod audit;
pub mod check;
mod cursor;
mod document;
mod entry;
mod membership;
pub(crate) mod migrate;
pub mod repair;
pub(crate) mod restore;
pub(crate) mod roster;
mod search;

use crate::tenant::state::{TenantHead, TenantTurn, TenantView};
pub(crate) use ahead::DocumentsAhead;
pub use cursor::{CursorPage, PageCursor, SortPosition, search_by_cursor};
pub use document::Document;
use entry::Entry;
pub use membership::{Difference, Member, Relations, Wanted};
pub use search::{Predicate, Query, ResourcePage, filter_users, search};

use crate::directory::roster::Extent;
use crate::keys::{EntryName, IndexKind, Kind, Space};
use crate::ledger::{self, Read};
use crate::scim::text::fold;
use crate::scim::{self, Effort, Meta, PatchRequest, Reading, Resource, ResourceBody};
use crate::settings::LIMITS;
use crate::tenant::schemas::Types;
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Why a request cannot be carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// No resource of this kind has this id.
    NotFound(Kind, String),
    /// Another resource of this kind has this name, RFC 7643 §4.1.1.
    NameTaken(Kind),
    /// The resource is not at the version that the client expects, RFC 7644 §3.14.
    Stale {
        /// What `If-Match` named.
        expected: String,
        /// What the resource is at.
        found: String,
    },
    /// Every seat of the tenant is taken.
    NoSeat {
        /// Users that are active.
        used: u64,
        /// Users that may be.
        seats: u64,
    },
    /// An import is under way, and only what it brings comes into the tenant.
    BeingRestored,
    /// The request itself is wrong.
    Scim(scim::Error),
    /// The store, or too many changes at once.
    Ledger(ledger::Error),
}

impl From<ledger::Error> for Error {
    fn from(error: ledger::Error) -> Error {
        Error::Ledger(error)
    }
}

impl From<scim::Error> for Error {
    fn from(error: scim::Error) -> Error {
        Error::Scim(error)
    }
}

/// What a request wants to do.
pub enum Change<'b> {
    /// POST, RFC 7644 §3.3.
    Create {
        /// The id that the resource gets.
        id: String,
        /// The resource.
        body: ResourceBody,
    },
    /// PUT, RFC 7644 §3.5.1.
    Replace {
        /// Which.
        id: String,
        /// The resource as it is to be.
        body: ResourceBody,
    },
    /// PATCH, RFC 7644 §3.5.2.
    Patch {
        /// Which.
        id: String,
        /// What to do.
        request: PatchRequest<'b>,
    },
    /// DELETE, RFC 7644 §3.6.
    Delete {
        /// Which.
        id: String,
    },
}

/// The versions of `If-Match`, or `*`; nothing where the client sent none.
pub type IfMatch = Option<Vec<String>>;

/// A change as it would be carried out now.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What it is about.
    pub kind: Kind,
    /// The resource as it is; nothing for a create.
    pub before: Option<Document>,
    /// The resource as it will be, without its members; nothing for a delete.
    pub after: Option<Resource>,
    /// Members that come and go.
    pub members: Difference,
    /// When.
    now: Timestamp,
}

impl Plan {
    /// Whether anything will be different.
    pub fn changes(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => before.resource.meta.revision != after.meta.revision,
            (None, None) => false,
            (None, Some(_)) | (Some(_), None) => true,
        }
    }

    /// What is deleted, where it is in more groups than one change may write: it has to leave some of them before.
    ///
    /// # Errors
    /// The store does not answer, or the tenant's data cannot be read.
    pub fn leaves_first(&self, view: &impl Read) -> Result<Option<String>, ledger::Error> {
        match (&self.before, &self.after) {
            (Some(before), None) if membership::is_in_many_groups(view, &before.resource.id)? => {
                Ok(Some(before.resource.id.clone()))
            }
            (_, Some(_)) | (_, None) => Ok(None),
        }
    }

    /// What carrying the plan out reads one by one.
    pub fn touched(&self, space: &Space) -> Touched {
        let resources = self.before.iter().map(|document| &document.resource).chain(&self.after);
        let mut entries: Vec<(IndexKind, Cow<'_, str>)> =
            resources.clone().flat_map(|resource| entries(self.kind, resource)).collect();
        if let (Some(_), Some(_)) = (&self.before, &self.after) {
            // An entry that stays is not looked at, but for the one of a user's name.
            let all = std::mem::take(&mut entries);
            let changes = |entry: &&(IndexKind, Cow<'_, str>)| {
                entry.0 == IndexKind::UserName || all.iter().filter(|other| other == entry).count() == 1
            };
            entries = all.iter().filter(changes).cloned().collect();
        }
        let mut keys: Vec<String> =
            entries.iter().map(|(kind, value)| space.entry(&EntryName::of_value(*kind, value))).collect();
        if let Some(before) = &self.before {
            keys.extend(space.document(self.kind, &before.resource.id));
        }
        if let (Some(before), None) = (&self.before, &self.after) {
            keys.push(space.entry(&EntryName::groups_of(&before.resource.id)));
            keys.extend(roster::path(space, &self.kind.roll(), roster::leaf_of(before.slot)));
        }
        Touched { keys, appends: self.before.is_none().then_some(self.kind) }
    }

    /// Whether a user becomes active who was not.
    pub fn takes_seat(&self) -> bool {
        self.kind == Kind::User && self.active_after() && !self.active_before()
    }

    fn active_before(&self) -> bool {
        self.before.as_ref().is_some_and(|document| document.resource.active())
    }

    fn active_after(&self) -> bool {
        self.after.as_ref().is_some_and(Resource::active)
    }
}

/// What a change was seen to read when it was planned outside of its turn. By its turn this may have changed, so it only
/// says what to read at once.
#[derive(Default)]
pub struct Touched {
    keys: Vec<String>,
    /// Whether a resource of this kind comes to the end of the roster.
    appends: Option<Kind>,
}

impl Touched {
    /// Reads at once what the changes of a turn were seen to read.
    pub fn read_ahead<'t>(turn: &mut TenantTurn<'_>, all: impl Iterator<Item = &'t Touched>) {
        let (mut keys, mut appends) = (Vec::new(), BTreeSet::new());
        for touched in all {
            keys.extend(touched.keys.iter().cloned());
            appends.extend(touched.appends);
        }
        for kind in appends {
            let end = extent(&mut turn.head, kind).next_slot;
            keys.extend(roster::path(turn.space(), &kind.roll(), roster::leaf_of(end)));
        }
        turn.read_ahead(keys);
    }
}

/// What a change is planned by, beside what there is.
#[derive(Clone, Copy)]
pub struct Terms<'t> {
    /// The tenant's schemas.
    pub types: &'t Types,
    /// How the client's request is read.
    pub reading: &'t Reading,
    /// The tenant URL, for what a filter may ask of members.
    pub base: &'t str,
    /// When.
    pub now: Timestamp,
    /// What the request may still compute.
    pub effort: &'t Effort,
}

/// Works out what a change would do, and refuses what it may not.
///
/// # Errors
/// The resource is not there, its version is another one, a name is taken, the seats are full, the change is not valid, or
/// the store does not answer.
pub fn plan(
    view: &impl Read,
    kind: Kind,
    change: &Change<'_>,
    if_match: &IfMatch,
    terms: Terms<'_>,
) -> Result<Plan, Error> {
    let none = Difference::default;
    let Terms { types, reading, now, effort, .. } = terms;
    match change {
        Change::Create { id, body } => {
            let meta = Meta { created: now, last_modified: now, revision: 1 };
            let mut after = Resource::new(id.clone(), meta, body.clone());
            after.settle(types.of(kind), None)?;
            claim(view, kind, None, &after)?;
            let members = membership::difference(view, terms, id, None, &membership::exactly(&body.related))?;
            Ok(Plan { kind, before: None, after: Some(after), members, now })
        }
        Change::Replace { id, body } => {
            let before = looked_at(effort, present(view, kind, id, if_match)?)?;
            let after = before.resource.replaced(types.of(kind), body.clone())?;
            let members = match kind {
                Kind::User => none(),
                Kind::Group => {
                    membership::difference(view, terms, id, Some(&before), &membership::exactly(&body.related))?
                }
            };
            revised(view, Plan { kind, before: Some(before), after: Some(after), members, now })
        }
        Change::Patch { id, request } => {
            let before = looked_at(effort, present(view, kind, id, if_match)?)?;
            let (after, steps) = request.apply_apart(types.of(kind), &before.resource, reading, effort)?;
            let members = membership::difference(view, terms, id, Some(&before), &steps)?;
            revised(view, Plan { kind, before: Some(before), after: Some(after), members, now })
        }
        Change::Delete { id } => {
            Ok(Plan { kind, before: Some(present(view, kind, id, if_match)?), after: None, members: none(), now })
        }
    }
}

/// Counts a resource that is about to be changed: it is read, compared, recorded and written as a whole.
fn looked_at(effort: &Effort, document: Document) -> Result<Document, Error> {
    effort.read(document.resource.attributes().values());
    effort.check("request")?;
    Ok(document)
}

/// Writes a plan into a turn: document, members, indexes, roster and counts. Answers the document; nothing where there is
/// none any more.
///
/// Refused while an import is under way: a request may have been let in before the connection ended, and have waited for
/// its turn while the import began.
///
/// # Errors
/// An import is under way, or the store does not answer.
pub fn carry_out(turn: &mut TenantTurn<'_>, plan: &Plan) -> Result<Option<Document>, Error> {
    if turn.head.state.being_restored {
        return Err(Error::BeingRestored);
    }
    let before = plan.before.as_ref();
    let id = before.map(|document| &document.resource).or(plan.after.as_ref()).map(|resource| resource.id.clone());
    let (kind, roll) = (plan.kind, plan.kind.roll());
    let Some(key) = id.as_deref().and_then(|id| turn.space().document(kind, id)) else {
        return Ok(None);
    };
    let mut extent = *extent(&mut turn.head, kind);
    let document = match (&plan.after, before) {
        (Some(after), _) => {
            let slot = match before {
                Some(document) => document.slot,
                None => roster::append(turn, &roll, &mut extent, &after.id)?,
            };
            index(turn, kind, slot, before.map(|document| &document.resource), Some(after))?;
            let mut members = before.map(|document| document.members).unwrap_or_default();
            let group = membership::Group { slot, id: &after.id };
            membership::write(turn, group, &mut members, &plan.members)?;
            let document = Document { slot, members, resource: after.clone() };
            put(turn, kind, &document)?;
            Some(document)
        }
        (None, Some(before)) => {
            index(turn, kind, before.slot, Some(&before.resource), None)?;
            membership::dissolve(turn, before)?;
            membership::leave_groups(turn, &before.resource.id, plan.now)?;
            roster::remove(turn, &roll, &mut extent, before.slot)?;
            turn.remove(key);
            turn.head.state.user_changes += u64::from(kind == Kind::User);
            None
        }
        (None, None) => None,
    };
    *self::extent(&mut turn.head, kind) = extent;
    if kind == Kind::User {
        let (was, is) = (u64::from(plan.active_before()), u64::from(plan.active_after()));
        turn.head.state.active = (turn.head.state.active + is).saturating_sub(was);
    }
    Ok(document)
}

/// Takes a resource that is about to be deleted out of some of its groups, of
/// [`groups_left_max`](crate::settings::Limits::groups_left_max) at most.
pub(crate) fn leave_groups(turn: &mut TenantTurn<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    membership::leave_groups(turn, id, now)
}

/// Takes a seat out of the roster that no resource has, as where a store has lost a document.
pub(crate) fn vacate(turn: &mut TenantTurn<'_>, kind: Kind, slot: u64) -> Result<(), ledger::Error> {
    let mut extent = *extent(&mut turn.head, kind);
    roster::remove(turn, &kind.roll(), &mut extent, slot)?;
    *self::extent(&mut turn.head, kind) = extent;
    Ok(())
}

fn extent(head: &mut TenantHead, kind: Kind) -> &mut Extent {
    match kind {
        Kind::User => &mut head.state.main,
        Kind::Group => &mut head.state.groups,
    }
}

/// Stages a document, and with a user what stands under its name.
fn put(turn: &mut TenantTurn<'_>, kind: Kind, document: &Document) -> Result<(), ledger::Error> {
    let (id, bytes) = (&document.resource.id, document.stored());
    if let (Kind::User, Some(name)) = (kind, document.resource.user_name()) {
        let name = EntryName::of_value(IndexKind::UserName, &fold(name));
        entry::give_name(turn, &name, document.slot, id, Some(&bytes))?;
    }
    put_stored(turn, kind, id, bytes);
    Ok(())
}

/// Stages a document alone, as it is stored.
fn put_stored(turn: &mut TenantTurn<'_>, kind: Kind, id: &str, bytes: Vec<u8>) {
    turn.head.state.user_changes += u64::from(kind == Kind::User);
    if let Some(key) = turn.space().document(kind, id) {
        turn.put(key, bytes);
    }
}

/// The resource of this kind and id.
///
/// # Errors
/// There is no such resource, or the store does not answer.
pub fn get(view: &impl Read, kind: Kind, id: &str) -> Result<Document, Error> {
    find(view, kind, id)?.ok_or_else(|| Error::NotFound(kind, id.to_owned()))
}

/// The resource of this kind and id, if there is one.
fn find(view: &impl Read, kind: Kind, id: &str) -> Result<Option<Document>, Error> {
    Ok(match view.space().document(kind, id) {
        Some(key) => view.read(&key)?,
        None => None,
    })
}

/// One of a list. A resource that was deleted since the roster was read, or that cannot be read, makes the list one shorter
/// and does not end it; the view knows of what cannot be read.
fn listed(view: &TenantView<'_>, kind: Kind, id: &str) -> Result<Option<Document>, Error> {
    match find(view, kind, id) {
        Err(Error::Ledger(ledger::Error::Corrupt(why))) => {
            view.leave_out(&[kind.noun(), " ", id].concat(), &why);
            Ok(None)
        }
        found => found,
    }
}

/// What is said of a resource beside another one: one that cannot be read is not there.
fn readable(found: Result<Option<Document>, Error>) -> Result<Option<Document>, Error> {
    match found {
        Err(Error::Ledger(ledger::Error::Corrupt(_))) => Ok(None),
        found => found,
    }
}

/// The resource of this kind and name, compared without case; of several the oldest.
///
/// # Errors
/// The store does not answer, or the tenant's data cannot be read.
pub fn named(view: &impl Read, kind: Kind, name: &str) -> Result<Option<Document>, Error> {
    let folded = fold(name);
    let of = kind.resource_type();
    let entry = EntryName::of_value(IndexKind::of_names(kind), &folded);
    let has = |document: &Document| document.resource.name(of).is_some_and(|name| fold(name) == folded);
    match entry::read(view, &entry)? {
        None => Ok(None),
        Some(Entry::Whole(document)) => Ok(Some(*document).filter(has)),
        Some(named) => {
            for (_, id) in named.page(view, &entry, 0, LIMITS.entry_short_max)? {
                if let Some(document) = find(view, kind, &id)?.filter(has) {
                    return Ok(Some(document));
                }
            }
            Ok(None)
        }
    }
}

fn present(view: &impl Read, kind: Kind, id: &str, if_match: &IfMatch) -> Result<Document, Error> {
    let document = get(view, kind, id)?;
    match if_match {
        None => Ok(document),
        Some(versions) => {
            let found = document.resource.meta.version();
            if names_version(versions, &found) {
                Ok(document)
            } else {
                Err(Error::Stale { expected: versions.join(", "), found })
            }
        }
    }
}

/// Whether one of the entity tags of a condition is this version. Ours are weak, RFC 7644 §3.14 shows `If-Match` with
/// such tags, and proxies make strong ones of weak ones and the contrary; so all compare weakly (RFC 9110 §8.8.3.2).
pub fn names_version(tags: &[String], version: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    tags.iter().any(|tag| tag == "*" || opaque(tag) == opaque(version))
}

/// Gives the changed resource its next revision. One that is as it was keeps version and time: RFC 7644 §3.5.2.1 asks it
/// for values that are there already, and a client that repeats itself must not make others lose their `If-Match`.
fn revised(view: &impl Read, mut plan: Plan) -> Result<Plan, Error> {
    let (Some(before), Some(after)) = (&plan.before, &mut plan.after) else {
        return Ok(plan);
    };
    if after.same_values(&before.resource) && plan.members.is_empty() {
        *after = before.resource.clone();
        return Ok(plan);
    }
    after.meta.revision = before.resource.meta.revision + 1;
    after.meta.last_modified = plan.now.max(before.resource.meta.last_modified);
    claim(view, plan.kind, Some(&before.resource), after)?;
    Ok(plan)
}

/// Refuses a name that another resource of the kind has.
fn claim(view: &impl Read, kind: Kind, before: Option<&Resource>, after: &Resource) -> Result<(), Error> {
    let of = kind.resource_type();
    let name = after.name(of).map(fold);
    if before.and_then(|before| before.name(of)).map(fold) == name {
        return Ok(());
    }
    match named(view, kind, name.as_deref().unwrap_or_default())? {
        Some(other) if other.resource.id != after.id => Err(Error::NameTaken(kind)),
        Some(_) | None => Ok(()),
    }
}

/// Takes the resource of this slot out of the index entries that it leaves and puts it into those that it joins, but for
/// the one of a user's name: that is written with the document.
fn index(
    turn: &mut TenantTurn<'_>,
    kind: Kind,
    slot: u64,
    before: Option<&Resource>,
    after: Option<&Resource>,
) -> Result<(), Error> {
    let Some(id) = before.or(after).map(|resource| resource.id.as_str()) else {
        return Ok(());
    };
    let old = before.map(|before| entries(kind, before)).unwrap_or_default();
    let new = after.map(|after| entries(kind, after)).unwrap_or_default();
    for (kind, value) in old.iter().filter(|entry| !new.contains(entry)) {
        let name = EntryName::of_value(*kind, value);
        if *kind == IndexKind::UserName {
            entry::give_name(turn, &name, slot, id, None)?;
        } else {
            entry::leave(turn, &name, slot, id)?;
        }
    }
    let listed = |entry: &&(IndexKind, Cow<'_, str>)| !old.contains(entry) && entry.0 != IndexKind::UserName;
    for (kind, value) in new.iter().filter(listed) {
        entry::join(turn, &EntryName::of_value(*kind, value), slot, id)?;
    }
    Ok(())
}

/// The values by which a resource stands in index entries.
fn entries(kind: Kind, resource: &Resource) -> Vec<(IndexKind, Cow<'_, str>)> {
    let mut entries = Vec::new();
    entries.extend(resource.name(kind.resource_type()).map(|name| (IndexKind::of_names(kind), fold(name))));
    entries.extend(resource.external_id.as_deref().map(|id| (IndexKind::of_external_ids(kind), Cow::Borrowed(id))));
    for address in resource.emails() {
        let entry = (IndexKind::Email, fold(address));
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::names_version;

    #[test]
    fn entity_tags_compare_weakly() {
        let names =
            |tags: &[&str]| names_version(&tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>(), "W/\"3\"");
        for tags in [&["*"][..], &["W/\"3\""], &["\"3\""], &["W/\"2\"", "W/\"3\""]] {
            assert!(names(tags), "{tags:?}");
        }
        for tags in [&[][..], &["3"], &["W/\"33\""], &["\"\""]] {
            assert!(!names(tags), "{tags:?}");
        }
    }
}

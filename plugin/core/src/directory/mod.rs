//! The users and groups of one tenant: created, replaced, patched, deleted, found. What is said of one kind is said of
//! both; where they differ, their [`ResourceType`](crate::scim::ResourceType) says how.
//!
//! A change is planned first, on whatever is read, and carried out within a turn. Planning outside of a turn answers
//! the many requests that change nothing or are refused without a write; planning again within the turn decides.
//! The document is the truth. Indexes, see [`entry`], and roster are written with it in one batch and verified when they are
//! read.

pub mod check;
mod document;
mod entry;
mod membership;
pub(crate) mod migrate;
pub mod repair;
pub(crate) mod restore;
pub(crate) mod roster;
mod walk;

pub use document::Document;
use entry::Entry;
pub use membership::{Difference, Member, Relations, Wanted};
pub use walk::{Page, Place, Stretch, walk};

use crate::ledger::{self, Extent, Head, Read, Turn};
use crate::schemas::Types;
use crate::scim::filter::Lookup;
use crate::scim::text::fold;
use crate::scim::{self, BoundFilter, Dialect, Meta, PatchRequest, Resource, ResourceBody, Scan, Sort, sort};
use crate::settings::LIMITS;
use crate::space::{EntryName, IndexKind, Kind, Roll, is_id};
use jiff::Timestamp;
use std::borrow::Cow;

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
pub enum Change {
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
        request: PatchRequest,
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

/// What a change is planned by, beside what there is.
#[derive(Clone, Copy)]
pub struct Terms<'t> {
    /// The tenant's schemas.
    pub types: &'t Types,
    /// How the client departs from the RFC.
    pub dialect: &'t Dialect,
    /// The tenant URL, for what a filter may ask of members.
    pub base: &'t str,
    /// When.
    pub now: Timestamp,
}

/// Works out what a change would do, and refuses what it may not.
pub fn plan(
    view: &impl Read,
    kind: Kind,
    change: &Change,
    if_match: &IfMatch,
    terms: Terms<'_>,
) -> Result<Plan, Error> {
    let none = Difference::default;
    let Terms { types, dialect, base, now } = terms;
    match change {
        Change::Create { id, body } => {
            let meta = Meta { created: now, last_modified: now, revision: 1 };
            let mut after = Resource::new(id.clone(), meta, body.clone());
            after.settle(types.of(kind), None)?;
            claim(view, kind, None, &after)?;
            let members = membership::difference(view, base, id, None, &membership::exactly(&body.related))?;
            Ok(Plan { kind, before: None, after: Some(after), members, now })
        }
        Change::Replace { id, body } => {
            let before = present(view, kind, id, if_match)?;
            let after = before.resource.replaced(types.of(kind), body.clone())?;
            let members = match kind {
                Kind::User => none(),
                Kind::Group => {
                    membership::difference(view, base, id, Some(&before), &membership::exactly(&body.related))?
                }
            };
            revised(view, Plan { kind, before: Some(before), after: Some(after), members, now })
        }
        Change::Patch { id, request } => {
            let before = present(view, kind, id, if_match)?;
            let (after, steps) = request.apply_apart(types.of(kind), &before.resource, dialect)?;
            let members = membership::difference(view, base, id, Some(&before), &steps)?;
            revised(view, Plan { kind, before: Some(before), after: Some(after), members, now })
        }
        Change::Delete { id } => {
            Ok(Plan { kind, before: Some(present(view, kind, id, if_match)?), after: None, members: none(), now })
        }
    }
}

/// Writes a plan into a turn: document, members, indexes, roster and counts. Answers the document; nothing where there is
/// none any more.
///
/// Refused while an import is under way: a request may have been let in before the connection ended, and have waited for
/// its turn while the import began.
pub fn carry_out(turn: &mut Turn<'_>, plan: &Plan) -> Result<Option<Document>, Error> {
    if turn.head.being_restored {
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
            membership::leave_all(turn, before, plan.now)?;
            roster::remove(turn, &roll, &mut extent, before.slot)?;
            turn.remove(key);
            None
        }
        (None, None) => None,
    };
    *self::extent(&mut turn.head, kind) = extent;
    if kind == Kind::User {
        let (was, is) = (u64::from(plan.active_before()), u64::from(plan.active_after()));
        turn.head.active = (turn.head.active + is).saturating_sub(was);
    }
    Ok(document)
}

/// Takes a seat out of the roster that no resource has, as where a store has lost a document.
pub(crate) fn vacate(turn: &mut Turn<'_>, kind: Kind, slot: u64) -> Result<(), ledger::Error> {
    let mut extent = *extent(&mut turn.head, kind);
    roster::remove(turn, &kind.roll(), &mut extent, slot)?;
    *self::extent(&mut turn.head, kind) = extent;
    Ok(())
}

fn extent(head: &mut Head, kind: Kind) -> &mut Extent {
    match kind {
        Kind::User => &mut head.main,
        Kind::Group => &mut head.groups,
    }
}

/// Stages a document, and with a user what stands under its name.
fn put(turn: &mut Turn<'_>, kind: Kind, document: &Document) -> Result<(), ledger::Error> {
    let (id, bytes) = (&document.resource.id, document.stored());
    if let (Kind::User, Some(name)) = (kind, document.resource.user_name()) {
        let name = EntryName::of_value(IndexKind::UserName, &fold(name));
        entry::give_name(turn, &name, document.slot, id, Some(&bytes))?;
    }
    put_stored(turn, kind, id, bytes);
    Ok(())
}

/// Stages a document alone, as it is stored.
fn put_stored(turn: &mut Turn<'_>, kind: Kind, id: &str, bytes: Vec<u8>) {
    if let Some(key) = turn.space().document(kind, id) {
        turn.put(key, bytes);
    }
}

/// The resource of this kind and id.
pub fn get(view: &impl Read, kind: Kind, id: &str) -> Result<Document, Error> {
    find(view, kind, id)?.ok_or_else(|| Error::NotFound(kind, id.to_owned()))
}

/// The same, where there may be none.
fn find(view: &impl Read, kind: Kind, id: &str) -> Result<Option<Document>, Error> {
    Ok(match view.space().document(kind, id) {
        Some(key) => view.read(&key)?,
        None => None,
    })
}

/// One of a list. A resource that was deleted since the roster was read, or that cannot be read, makes the list one shorter
/// and does not end it; the view knows of what cannot be read.
fn listed(view: &ledger::View<'_>, kind: Kind, id: &str) -> Result<Option<Document>, Error> {
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

/// A page of resources.
pub struct Found {
    /// The resources of the page, as they are stored.
    pub documents: Vec<(Kind, Document)>,
    /// How many there are on all pages.
    pub total: u64,
}

/// A filter, and the tenant URL for what it may ask of places, members and groups.
pub struct Sieve<'f> {
    /// The filter.
    pub filter: &'f BoundFilter<'f>,
    /// [`BoundFilter::lookup`] of it.
    pub lookup: Option<Lookup>,
    /// The tenant URL.
    pub base: &'f str,
}

impl<'f> Sieve<'f> {
    /// The sieve of a filter.
    pub fn new(filter: &'f BoundFilter<'f>, base: &'f str) -> Sieve<'f> {
        Sieve { filter, lookup: filter.lookup(), base }
    }

    fn keeps<V: Read>(&self, relations: &mut Relations<'_, V>, kind: Kind, document: &Document) -> Result<bool, Error> {
        Ok(match Wanted::from(self.filter.reads()) {
            Wanted::Nothing => self.filter.matches(&document.resource, self.base),
            wanted @ (Wanted::Ids(_) | Wanted::Whole) => {
                self.filter.matches(&relations.complete(kind, document.clone(), &wanted)?, self.base)
            }
        })
    }
}

/// What is looked for among the resources of one kind.
pub struct Query<'f> {
    /// Which.
    pub kind: Kind,
    /// Only those; all where there is none.
    pub sieve: Option<Sieve<'f>>,
    /// In this order; in that of their creation where there is none.
    pub sort: Option<Sort<'f>>,
}

impl Query<'_> {
    /// All of a kind in the order of their creation.
    pub fn all(kind: Kind) -> Query<'static> {
        Query { kind, sieve: None, sort: None }
    }
}

/// Resources that a filter lets through, `count` of them from the `skip`-th on; of several kinds one after the other, or
/// in one order.
///
/// A filter with an indexed value on one side costs those who have it, and its page where it asks for that value alone;
/// neither filter nor order costs its page. Any other filter or order reads resources until
/// [`Limits::scan_max`](crate::settings::Limits::scan_max) is reached in a kind, and then says so.
pub fn search(
    view: &ledger::View<'_>,
    queries: &[Query<'_>],
    descending: bool,
    skip: u64,
    count: usize,
) -> Result<Found, Error> {
    let leads = queries.iter().map(|query| Leads::of(view, query)).collect::<Result<Vec<_>, _>>()?;
    if queries.iter().zip(&leads).all(|(query, leads)| query.sort.is_none() && leads.are_matches(query)) {
        return pages(view, queries, &leads, skip, count);
    }
    let mut keyed = keyed(view, queries, leads)?;
    keyed.sort_by(|(one, ..), (other, ..)| sort::compare(one.as_ref(), other.as_ref(), descending));
    Ok(cut(keyed.into_iter().map(|(_, kind, document)| (kind, document)).collect(), skip, count))
}

/// Among which resources all matches of a query are.
enum Leads {
    /// All of its kind.
    All,
    /// These, in the order of their slots. They may match or not: the caller looks.
    These(Vec<Document>),
    /// Those of a long entry, which has so many.
    Entry(EntryName, u64),
}

impl Leads {
    fn of(view: &ledger::View<'_>, query: &Query<'_>) -> Result<Leads, Error> {
        match query.sieve.as_ref().and_then(|sieve| sieve.lookup.as_ref()) {
            Some(lookup) => Leads::of_lookup(view, query.kind, lookup),
            None => Ok(Leads::All),
        }
    }

    fn of_lookup(view: &ledger::View<'_>, kind: Kind, lookup: &Lookup) -> Result<Leads, Error> {
        let name = match lookup {
            Lookup::Id(id) => return Ok(Leads::These(find(view, kind, id)?.into_iter().collect())),
            Lookup::Name(name) => EntryName::of_value(IndexKind::of_names(kind), &fold(name)),
            Lookup::ExternalId(id) => EntryName::of_value(IndexKind::of_external_ids(kind), id),
            Lookup::Email(address) => EntryName::of_value(IndexKind::Email, &fold(address)),
            Lookup::Member(id) if is_id(id) => EntryName::groups_of(id),
            Lookup::Member(_) => return Ok(Leads::These(Vec::new())),
        };
        let seats = match entry::read(view, &name)? {
            None => Vec::new(),
            Some(Entry::Whole(document)) => return Ok(Leads::These(vec![*document])),
            Some(Entry::Short(seats)) => seats,
            Some(long @ Entry::Long(_)) => return Ok(Leads::Entry(name, long.len())),
        };
        Ok(Leads::These(documents(view, kind, seats)?))
    }

    /// Whether they are what the query asks for, all of them and in its order, so that a page can be cut out of them unread.
    fn are_matches(&self, query: &Query<'_>) -> bool {
        match (self, &query.sieve) {
            (Leads::All, None) => true,
            (Leads::Entry(..), Some(sieve)) => sieve.filter.is_lookup(),
            (Leads::All | Leads::These(_), Some(_)) | (Leads::These(_) | Leads::Entry(..), None) => false,
        }
    }

    /// The roster that they stand in, unless they are at hand.
    fn roll(&self, kind: Kind) -> Option<Roll> {
        match self {
            Leads::All => Some(kind.roll()),
            Leads::Entry(name, _) => Some(Roll::Entry(name.clone())),
            Leads::These(_) => None,
        }
    }

    /// How many they are.
    fn count(&self, view: &ledger::View<'_>, kind: Kind) -> Result<u64, ledger::Error> {
        Ok(match self {
            Leads::All => extent(&mut view.head()?, kind).members,
            Leads::Entry(_, members) => *members,
            Leads::These(documents) => u64::try_from(documents.len()).unwrap_or(u64::MAX),
        })
    }

    /// The documents, where they are not too many to be read at once.
    fn documents(self, view: &ledger::View<'_>, kind: Kind, why: Scan) -> Result<Vec<Document>, Error> {
        let (roll, count) = (self.roll(kind), self.count(view, kind)?);
        match (self, roll) {
            (Leads::These(documents), _) => Ok(documents),
            (Leads::All | Leads::Entry(..), Some(roll)) if count <= LIMITS.scan_max => {
                documents(view, kind, roster::page(view, &roll, 0, usize::MAX)?)
            }
            (Leads::All | Leads::Entry(..), _) => {
                Err(scim::Error::too_many(LIMITS.scan_max, kind.resource_type(), why).into())
            }
        }
    }
}

/// All matches, each with what it is sorted by.
fn keyed(
    view: &ledger::View<'_>,
    queries: &[Query<'_>],
    leads: Vec<Leads>,
) -> Result<Vec<(Option<sort::Key>, Kind, Document)>, Error> {
    let mut keyed = Vec::new();
    for (Query { kind, sieve, sort }, leads) in queries.iter().zip(leads) {
        let why = if sort.is_some() { Scan::Order } else { Scan::Filter };
        let mut all = leads.documents(view, *kind, why)?;
        if let Some(sieve) = sieve {
            all = matches(view, *kind, sieve, all)?;
        }
        let key = |document: &Document| sort.as_ref().and_then(|sort| sort.key(&document.resource));
        keyed.extend(all.into_iter().map(|document| (key(&document), *kind, document)));
    }
    Ok(keyed)
}

fn pages(
    view: &ledger::View<'_>,
    queries: &[Query<'_>],
    leads: &[Leads],
    mut skip: u64,
    count: usize,
) -> Result<Found, Error> {
    let mut found = Found { documents: Vec::new(), total: 0 };
    for (Query { kind, .. }, leads) in queries.iter().zip(leads) {
        let total = leads.count(view, *kind)?;
        let open = count - found.documents.len();
        if let Some(roll) = leads.roll(*kind).filter(|_| open > 0) {
            let seats = roster::page(view, &roll, skip, open)?;
            found.documents.extend(documents(view, *kind, seats)?.into_iter().map(|document| (*kind, document)));
        }
        skip = skip.saturating_sub(total);
        found.total += total;
    }
    Ok(found)
}

/// Users that a test lets through, found by reading all of them: refused where there are too many for that.
pub fn sift(
    view: &ledger::View<'_>,
    keeps: impl Fn(&Resource) -> bool,
    skip: u64,
    count: usize,
) -> Result<Found, Error> {
    let mut all = Leads::All.documents(view, Kind::User, Scan::Search)?;
    all.retain(|document| keeps(&document.resource));
    Ok(cut(all.into_iter().map(|document| (Kind::User, document)).collect(), skip, count))
}

fn matches(view: &ledger::View<'_>, kind: Kind, sieve: &Sieve<'_>, all: Vec<Document>) -> Result<Vec<Document>, Error> {
    let mut relations = Relations::new(view, sieve.base);
    let mut kept = Vec::new();
    for document in all {
        if sieve.keeps(&mut relations, kind, &document)? {
            kept.push(document);
        }
    }
    Ok(kept)
}

/// The documents of these seats. Of one that was deleted since its seat was read there is none: the page is shorter.
fn documents(view: &ledger::View<'_>, kind: Kind, seats: Vec<roster::Seat>) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::with_capacity(seats.len());
    for (_, id) in seats {
        documents.extend(listed(view, kind, &id)?);
    }
    Ok(documents)
}

fn cut(all: Vec<(Kind, Document)>, skip: u64, count: usize) -> Found {
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    Found { documents: all.into_iter().skip(skip).take(count).collect(), total }
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
    turn: &mut Turn<'_>,
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

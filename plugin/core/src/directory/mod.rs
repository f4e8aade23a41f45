//! The users of one tenant: created, replaced, patched, deleted, found.
//!
//! A change is planned first, on whatever is read, and carried out within a turn. Planning outside of a turn answers
//! the many requests that change nothing or are refused without a write; planning again within the turn decides.
//! The document is the truth. Indexes and roster are written with it in one batch and verified when they are read.

pub mod check;
mod document;
pub(crate) mod roster;

pub use document::Document;

use crate::ledger::{self, Read, Turn};
use crate::scim::filter::Lookup;
use crate::scim::{self, BoundFilter, Dialect, Meta, PatchRequest, Resource, ResourceType, UserBody};
use crate::settings::LIMITS;
use crate::space::IndexKind;
use jiff::Timestamp;

/// Why a request cannot be carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// No user has this id.
    NotFound(String),
    /// Another user has this userName, RFC 7643 §4.1.1.
    NameTaken,
    /// The user is not at the version that the client expects, RFC 7644 §3.14.
    Stale {
        /// What `If-Match` named.
        expected: String,
        /// What the user is at.
        found: String,
    },
    /// Every seat of the tenant is taken.
    NoSeat {
        /// Users that are active.
        used: u64,
        /// Users that may be.
        seats: u64,
    },
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
        /// The id that the user gets.
        id: String,
        /// The user.
        body: UserBody,
    },
    /// PUT, RFC 7644 §3.5.1.
    Replace {
        /// Whom.
        id: String,
        /// The user as it is to be.
        body: UserBody,
    },
    /// PATCH, RFC 7644 §3.5.2.
    Patch {
        /// Whom.
        id: String,
        /// What to do.
        request: PatchRequest,
    },
    /// DELETE, RFC 7644 §3.6.
    Delete {
        /// Whom.
        id: String,
    },
}

/// The versions of `If-Match`, or `*`; nothing where the client sent none.
pub type IfMatch = Option<Vec<String>>;

/// A change as it would be carried out now.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The user as it is; nothing for a create.
    pub before: Option<Document>,
    /// The user as it will be; nothing for a delete.
    pub after: Option<Resource>,
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
        self.active_after() && !self.active_before()
    }

    fn active_before(&self) -> bool {
        self.before.as_ref().is_some_and(|document| document.resource.active())
    }

    fn active_after(&self) -> bool {
        self.after.as_ref().is_some_and(Resource::active)
    }
}

/// Works out what a change would do, and refuses what it may not.
pub fn plan(
    view: &impl Read,
    change: &Change,
    if_match: &IfMatch,
    dialect: &Dialect,
    now: Timestamp,
) -> Result<Plan, Error> {
    match change {
        Change::Create { id, body } => {
            let meta = Meta { created: now, last_modified: now, revision: 1 };
            let after = Resource::new(id.clone(), meta, body.clone());
            claim(view, None, &after)?;
            Ok(Plan { before: None, after: Some(after) })
        }
        Change::Replace { id, body } => {
            let before = present(view, id, if_match)?;
            let after = before.resource.replaced(body.clone());
            revised(view, before, after, now)
        }
        Change::Patch { id, request } => {
            let before = present(view, id, if_match)?;
            let after = request.apply(ResourceType::user(), &before.resource, dialect)?;
            revised(view, before, after, now)
        }
        Change::Delete { id } => Ok(Plan { before: Some(present(view, id, if_match)?), after: None }),
    }
}

/// Writes a plan into a turn: document, indexes, roster and counts.
pub fn carry_out(turn: &mut Turn<'_>, plan: &Plan) -> Result<(), Error> {
    let before = plan.before.as_ref();
    let id = before.map(|document| &document.resource).or(plan.after.as_ref()).map(|resource| resource.id.clone());
    let Some(key) = id.as_deref().and_then(|id| turn.space().document(id)) else {
        return Ok(());
    };
    index(turn, before.map(|document| &document.resource), plan.after.as_ref())?;
    match (&plan.after, before) {
        (Some(after), _) => {
            let slot = match before {
                Some(document) => document.slot,
                None => roster::append(turn, &after.id)?,
            };
            turn.write(key, &Document { slot, resource: after.clone() });
        }
        (None, Some(before)) => {
            roster::remove(turn, before.slot)?;
            turn.remove(key);
        }
        (None, None) => {}
    }
    let (was, is) = (u64::from(plan.active_before()), u64::from(plan.active_after()));
    turn.head.active = (turn.head.active + is).saturating_sub(was);
    Ok(())
}

/// The user of this id.
pub fn get(view: &impl Read, id: &str) -> Result<Document, Error> {
    let missing = || Error::NotFound(id.to_owned());
    let key = view.space().document(id).ok_or_else(missing)?;
    let document: Document = view.read(&key)?.ok_or_else(missing)?;
    Ok(document)
}

/// The user of this name, compared without case.
pub fn named(view: &impl Read, user_name: &str) -> Result<Option<Document>, Error> {
    let folded = fold(user_name);
    let found = candidates(view, &Lookup::UserName(user_name.to_owned()))?;
    Ok(found.into_iter().find(|document| document.resource.user_name().is_some_and(|name| fold(name) == folded)))
}

/// A page of users.
pub struct Found {
    /// The users of the page.
    pub resources: Vec<Resource>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Users that a filter lets through, `count` of them from the `skip`-th on.
///
/// A filter with a unique attribute on one side costs its few candidates; no filter costs its page. Any other filter
/// reads users in order until [`Limits::scan_max`](crate::settings::Limits::scan_max) is reached, and then says so.
pub fn search(view: &ledger::View<'_>, filter: Option<&BoundFilter>, skip: u64, count: usize) -> Result<Found, Error> {
    let Some(filter) = filter else {
        return listed(view, skip, count);
    };
    match filter.lookup() {
        Some(lookup) => {
            let resources = candidates(view, &lookup)?.into_iter().map(|document| document.resource);
            Ok(cut(resources.filter(|resource| filter.matches(resource)), skip, count))
        }
        None => sift(view, |resource| filter.matches(resource), skip, count),
    }
}

/// Users that a test lets through, found by reading all of them: refused where there are too many for that.
pub fn sift(
    view: &ledger::View<'_>,
    keeps: impl Fn(&Resource) -> bool,
    skip: u64,
    count: usize,
) -> Result<Found, Error> {
    if view.head()?.members > LIMITS.scan_max {
        return Err(scim::Error::too_many(LIMITS.scan_max).into());
    }
    let all = listed(view, 0, usize::MAX)?.resources.into_iter();
    Ok(cut(all.filter(|resource| keeps(resource)), skip, count))
}

fn listed(view: &ledger::View<'_>, skip: u64, count: usize) -> Result<Found, Error> {
    let total = view.head()?.members;
    let mut resources = Vec::new();
    if count > 0 {
        for (_, id) in roster::page(view, skip, count)? {
            // Deleted since the roster was read: the page is one shorter.
            match get(view, &id) {
                Ok(document) => resources.push(document.resource),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Found { resources, total })
}

fn cut(matches: impl Iterator<Item = Resource>, skip: u64, count: usize) -> Found {
    let all: Vec<Resource> = matches.collect();
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    Found { resources: all.into_iter().skip(skip).take(count).collect(), total }
}

/// The documents that a point look-up leads to. They may match or not: the caller looks.
fn candidates(view: &impl Read, lookup: &Lookup) -> Result<Vec<Document>, Error> {
    let ids: Vec<String> = match lookup {
        Lookup::Id(id) => vec![id.clone()],
        Lookup::UserName(name) => indexed(view, IndexKind::UserName, &fold(name))?,
        Lookup::ExternalId(id) => indexed(view, IndexKind::ExternalId, id)?,
        Lookup::Email(address) => indexed(view, IndexKind::Email, &fold(address))?,
    };
    let mut documents = Vec::with_capacity(ids.len());
    for id in ids {
        match get(view, &id) {
            Ok(document) => documents.push(document),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    documents.sort_by_key(|document| document.slot);
    Ok(documents)
}

fn indexed(view: &impl Read, kind: IndexKind, value: &str) -> Result<Vec<String>, Error> {
    Ok(view.read(&view.space().index(kind, value))?.unwrap_or_default())
}

fn present(view: &impl Read, id: &str, if_match: &IfMatch) -> Result<Document, Error> {
    let document = get(view, id)?;
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
fn revised(view: &impl Read, before: Document, mut after: Resource, now: Timestamp) -> Result<Plan, Error> {
    if after.same_values(&before.resource) {
        let after = Some(before.resource.clone());
        return Ok(Plan { before: Some(before), after });
    }
    after.meta.revision = before.resource.meta.revision + 1;
    after.meta.last_modified = now.max(before.resource.meta.last_modified);
    claim(view, Some(&before.resource), &after)?;
    Ok(Plan { before: Some(before), after: Some(after) })
}

/// Refuses a userName that another user has.
fn claim(view: &impl Read, before: Option<&Resource>, after: &Resource) -> Result<(), Error> {
    let name = after.user_name().map(fold);
    if before.and_then(Resource::user_name).map(fold) == name {
        return Ok(());
    }
    match named(view, name.as_deref().unwrap_or_default())? {
        Some(other) if other.resource.id != after.id => Err(Error::NameTaken),
        Some(_) | None => Ok(()),
    }
}

/// Takes the user out of the index entries that it leaves and puts it into those that it joins.
fn index(turn: &mut Turn<'_>, before: Option<&Resource>, after: Option<&Resource>) -> Result<(), Error> {
    let old = before.map(entries).unwrap_or_default();
    let new = after.map(entries).unwrap_or_default();
    for (kind, value) in old.iter().filter(|entry| !new.contains(entry)) {
        let id = before.map(|resource| resource.id.as_str()).unwrap_or_default();
        rewrite(turn, *kind, value, |ids| ids.retain(|other| other != id))?;
    }
    for (kind, value) in new.iter().filter(|entry| !old.contains(entry)) {
        let id = after.map(|resource| resource.id.clone()).unwrap_or_default();
        rewrite(turn, *kind, value, |ids| {
            if !ids.contains(&id) {
                ids.push(id);
            }
        })?;
    }
    Ok(())
}

fn rewrite(
    turn: &mut Turn<'_>,
    kind: IndexKind,
    value: &str,
    edit: impl FnOnce(&mut Vec<String>),
) -> Result<(), Error> {
    let key = turn.space().index(kind, value);
    let mut ids: Vec<String> = turn.read(&key)?.unwrap_or_default();
    edit(&mut ids);
    if ids.is_empty() {
        turn.remove(key);
    } else {
        turn.write(key, &ids);
    }
    Ok(())
}

/// The index entries that a user belongs to.
fn entries(resource: &Resource) -> Vec<(IndexKind, String)> {
    let mut entries = Vec::new();
    entries.extend(resource.user_name().map(|name| (IndexKind::UserName, fold(name))));
    entries.extend(resource.external_id.clone().map(|id| (IndexKind::ExternalId, id)));
    for address in resource.emails() {
        let entry = (IndexKind::Email, fold(address));
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// The form under which values compare that are not case-exact: Unicode lower case, nothing else. Names that only look
/// alike stay different names.
fn fold(text: &str) -> String {
    text.to_lowercase()
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

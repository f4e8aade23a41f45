//! The invariants of a tenant, looked at one by one. What is found is named; nothing is changed.
//!
//! - Every seat of a roster has a document, and every document its seat.
//! - No two resources of a kind have the same name without case.
//! - Every resource stands in each of its index entries, and an index entry names only those that belong into it. What
//!   stands under the name of a user is its present state.
//! - A group's roster of members, its edges and the entries of its members' groups say the same, and each member is there.
//! - The head counts what is there.
//! - The schemas that the tenant has of its own can be read, and its connection says whether there are any.

use super::entry::{self, Entry};
use super::membership::Member;
use super::{Document, entries, extent, repair, roster};
use crate::connection::Connection;
use crate::ledger::{Error, Read, View};
use crate::schemas;
use crate::space::{EntryName, IndexKind, Kind, Roll};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Documents by id.
type Documents = BTreeMap<String, Document>;

/// What entries have to name: ids by slot.
type Named = BTreeMap<EntryName, BTreeMap<u64, String>>;

/// What is wrong in a tenant, a sentence each. An empty list is the good answer.
///
/// Lists all keys of the store, so it costs the whole store.
pub fn check(view: &View<'_>) -> Result<Vec<String>, Error> {
    let (mut findings, doubled) = look(view)?;
    findings.extend(doubled);
    Ok(findings)
}

/// The same without the names that two resources have: those may come from a file of an earlier layout, which told apart
/// what is one name by now, and nothing is damaged by them.
pub(crate) fn damage(view: &View<'_>) -> Result<Vec<String>, Error> {
    Ok(look(view)?.0)
}

fn look(view: &View<'_>) -> Result<(Vec<String>, Vec<String>), Error> {
    let keys = view.keys()?;
    let mut findings = Vec::new();
    let users = documents(view, Kind::User, &keys, &mut findings)?;
    let groups = documents(view, Kind::Group, &keys, &mut findings)?;
    seats(view, Kind::User, &users, &mut findings)?;
    seats(view, Kind::Group, &groups, &mut findings)?;
    let head = view.head()?;
    let active = users.values().filter(|document| document.resource.active()).count();
    if head.active != count(active) {
        findings.push(format!("head: counts {} active users, there are {active}", head.active));
    }
    let (mut named, doubled) = indexes(view, &users, &groups, &mut findings)?;
    named.extend(members(view, &users, &groups, &keys, &mut findings)?);
    let known = expect(view, &users, &named, &mut findings)?;
    strays(view, &keys, &known, &mut findings)?;
    own_schemas(view, &mut findings)?;
    Ok((findings, doubled))
}

fn seats(view: &View<'_>, kind: Kind, documents: &Documents, findings: &mut Vec<String>) -> Result<(), Error> {
    let noun = kind.noun();
    let seats = read(roster::page(view, &kind.roll(), 0, usize::MAX), findings)?.unwrap_or_default();
    let counted = extent(&mut view.head()?, kind).members;
    if counted != count(seats.len()) {
        findings.push(format!("head: counts {counted} {noun}s, the roster has {}", seats.len()));
    }
    nodes(view, &kind.roll(), &seats, findings)?;
    let mut seated = BTreeSet::new();
    for (slot, id) in &seats {
        seated.insert(id.as_str());
        match documents.get(id) {
            None => findings.push(format!("roster: slot {slot} names {noun} {id}, which has no document")),
            Some(document) if document.slot != *slot => {
                findings.push(format!("roster: slot {slot} names {id}, whose document says slot {}", document.slot));
            }
            Some(_) => {}
        }
    }
    for id in documents.keys().filter(|id| !seated.contains(id.as_str())) {
        findings.push(format!("roster: {noun} {id} has no seat"));
    }
    Ok(())
}

/// The counts above the leaves: pages are found by them.
fn nodes(view: &View<'_>, roll: &Roll, seats: &[(u64, String)], findings: &mut Vec<String>) -> Result<(), Error> {
    let seats = seats.iter().cloned().collect();
    for (key, value) in roster::values(view.space(), roll, &seats) {
        let found: Option<Value> = read(view.read(&key), findings)?.flatten();
        if !found.is_some_and(|found| repair::same(&found, &value)) {
            findings.push(format!("roster: {key} says something else than the leaves"));
        }
    }
    Ok(())
}

fn documents(view: &View<'_>, kind: Kind, keys: &[String], findings: &mut Vec<String>) -> Result<Documents, Error> {
    let mut documents = BTreeMap::new();
    let prefix = view.space().document_prefix(kind);
    for key in keys {
        let Some(id) = key.strip_prefix(&prefix) else {
            continue;
        };
        match view.read::<Document>(key) {
            Ok(Some(document)) => {
                documents.insert(id.to_owned(), document);
            }
            Ok(None) => {}
            Err(Error::Corrupt(what)) => findings.push(format!("document: {what}")),
            Err(error) => return Err(error),
        }
    }
    Ok(documents)
}

/// The entries that come of documents, and the names that several resources have.
fn indexes(
    view: &View<'_>,
    users: &Documents,
    groups: &Documents,
    findings: &mut Vec<String>,
) -> Result<(Named, Vec<String>), Error> {
    let all = [(Kind::User, users), (Kind::Group, groups)];
    let (mut named, mut doubled) = (Named::new(), Vec::new());
    for (kind, documents) in all {
        let mut names: BTreeMap<EntryName, Vec<(u64, &str)>> = BTreeMap::new();
        for document in documents.values() {
            let id = document.resource.id.as_str();
            for (index, value) in entries(kind, &document.resource) {
                let name = EntryName::of_value(index, &value);
                if index == IndexKind::of_names(kind) {
                    names.entry(name.clone()).or_default().push((document.slot, id));
                }
                named.entry(name).or_default().insert(document.slot, id.to_owned());
            }
        }
        for mut same in names.into_values().filter(|same| same.len() > 1) {
            same.sort_unstable();
            let ids: Vec<&str> = same.into_iter().map(|(_, id)| id).collect();
            doubled.push(format!(
                "{}: {ids:?} have the same name; the first one is found by it where one is looked for, and no other can \
                 take it",
                kind.resource_type().naming
            ));
        }
    }
    alone(view, users, &named, findings)?;
    Ok((named, doubled))
}

/// Who stands under its name whole has to stand there as it is.
fn alone(view: &View<'_>, users: &Documents, named: &Named, findings: &mut Vec<String>) -> Result<(), Error> {
    for name in named.keys().filter(|name| name.is_of_user_name()) {
        if let Ok(Some(Entry::Whole(user))) = entry::read(view, name)
            && users.get(&user.resource.id).is_some_and(|document| *document != *user)
        {
            let key = view.space().entry(name);
            findings.push(format!("index: {key} has another state of {} than its document", user.resource.id));
        }
    }
    Ok(())
}

/// Compares entries with what they have to say, and answers the keys that they may have.
fn expect(
    view: &View<'_>,
    users: &Documents,
    named: &Named,
    findings: &mut Vec<String>,
) -> Result<BTreeSet<String>, Error> {
    let mut known = BTreeSet::new();
    for (name, ids) in named {
        for (key, value) in entry::values(view, name, ids)? {
            let found: Option<Value> = read(view.read(&key), findings)?.flatten();
            let whole = || {
                let user = ids.values().next().filter(|_| ids.len() == 1 && name.is_of_user_name());
                user.and_then(|id| users.get(id)).map(|user| user.resource.id.as_str())
            };
            let stands = found
                .as_ref()
                .is_some_and(|found| repair::same(found, &value) || whole().is_some_and(|id| found["id"] == id));
            if !stands {
                let ids: Vec<&String> = ids.values().take(NAMED_MAX).collect();
                findings.push(format!("index: {key} says something else than what it is made from, of {ids:?}"));
            }
            known.insert(key);
        }
    }
    Ok(known)
}

/// Ids that one sentence names.
const NAMED_MAX: usize = 10;

/// Entries of what nobody has.
fn strays(view: &View<'_>, keys: &[String], known: &BTreeSet<String>, findings: &mut Vec<String>) -> Result<(), Error> {
    let entries = view.space().entry_prefixes();
    for key in keys.iter().filter(|key| entries.iter().any(|prefix| key.starts_with(prefix))) {
        if !known.contains(key) && view.get(key)?.is_some() {
            findings.push(format!("index: {key} names resources that do not belong into it"));
        }
    }
    Ok(())
}

/// Both ways: what the rosters say must stand in edges and lists, and what stands there must come from a roster.
fn members(
    view: &View<'_>,
    users: &Documents,
    groups: &Documents,
    keys: &[String],
    findings: &mut Vec<String>,
) -> Result<Named, Error> {
    let mut edges: BTreeMap<String, u64> = BTreeMap::new();
    let mut groups_of = Named::new();
    for (id, group) in groups {
        let roll = Roll::MembersOf(id.clone());
        let seats = read(roster::page(view, &roll, 0, usize::MAX), findings)?.unwrap_or_default();
        nodes(view, &roll, &seats, findings)?;
        if group.members.members != count(seats.len()) {
            findings.push(format!(
                "group {id}: counts {} members, the roster has {}",
                group.members.members,
                seats.len()
            ));
        }
        for (slot, seat) in seats {
            let member = Member::of_seat(&seat);
            let there = match member.kind {
                Kind::User => users.contains_key(&member.id),
                Kind::Group => groups.contains_key(&member.id),
            };
            if !there {
                findings.push(format!("group {id}: slot {slot} names {}, who is not there", member.id));
            }
            if edges.insert(view.space().edge(id, &member.id), slot).is_some() {
                findings.push(format!("group {id}: has {} twice", member.id));
            }
            groups_of.entry(EntryName::groups_of(&member.id)).or_default().insert(group.slot, id.clone());
        }
    }
    compare(view, &edges, findings)?;
    let prefix = view.space().edge_prefix();
    for key in keys.iter().filter(|key| key.starts_with(&prefix) && !edges.contains_key(*key)) {
        if view.get(key)?.is_some() {
            findings.push(format!("edge: {key} belongs to no member of a roster"));
        }
    }
    Ok(groups_of)
}

fn own_schemas(view: &View<'_>, findings: &mut Vec<String>) -> Result<(), Error> {
    let count = match schemas::read(view) {
        Ok(own) => own.len(),
        Err(Error::Corrupt(what)) => {
            findings.push(format!("schemas: {what}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if Connection::read(view)?.is_some_and(|connection| connection.own_schemas != (count > 0)) {
        findings.push(format!("connection: says the contrary of the {count} schemas that the tenant has of its own"));
    }
    Ok(())
}

fn compare(view: &View<'_>, edges: &BTreeMap<String, u64>, findings: &mut Vec<String>) -> Result<(), Error> {
    for (key, slot) in edges {
        match read(view.read::<u64>(key), findings)?.flatten() {
            Some(found) if found == *slot => {}
            found => findings.push(format!("edge: {key} says slot {found:?}, expected {slot}")),
        }
    }
    Ok(())
}

/// A value, or the finding that it does not read.
fn read<T>(value: Result<T, Error>, findings: &mut Vec<String>) -> Result<Option<T>, Error> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Error::Corrupt(what)) => {
            findings.push(format!("value: {what}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

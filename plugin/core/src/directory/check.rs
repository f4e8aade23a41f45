//! The invariants of a tenant, looked at one by one. What is found is named; nothing is changed.
//!
//! - Every seat of a roster has a document, and every document its seat.
//! - No two resources of a kind have the same name without case.
//! - Every resource stands in each of its index entries, and an index entry names only those that belong into it. What
//!   stands under the name of a user is its present state.
//! - A group's roster of members, its edges and the lists of groups of its members say the same, and each member is there.
//! - The head counts what is there.
//! - The schemas that the tenant has of its own can be read, and its connection says whether there are any.

use super::document::Named;
use super::membership::Member;
use super::{Document, entries, extent, repair, roster};
use crate::connection::Connection;
use crate::ledger::{Error, Read, View};
use crate::schemas;
use crate::space::{IndexKind, Kind, Roll};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Documents by id.
type Documents = BTreeMap<String, Document>;

/// What is wrong in a tenant, a sentence each. An empty list is the good answer.
///
/// Lists all keys of the store, so it costs the whole store.
pub fn check(view: &View<'_>) -> Result<Vec<String>, Error> {
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
    indexes(view, &users, &groups, &keys, &mut findings)?;
    members(view, &users, &groups, &keys, &mut findings)?;
    own_schemas(view, &mut findings)?;
    Ok(findings)
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

fn indexes(
    view: &View<'_>,
    users: &Documents,
    groups: &Documents,
    keys: &[String],
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    let all = [(Kind::User, users), (Kind::Group, groups)];
    let mut expected: BTreeMap<String, (IndexKind, BTreeSet<String>)> = BTreeMap::new();
    for (kind, document) in all.iter().flat_map(|(kind, found)| found.values().map(move |document| (*kind, document))) {
        for (index, value) in entries(kind, &document.resource) {
            let key = view.space().index(index, &value);
            let ids = &mut expected.entry(key).or_insert_with(|| (index, BTreeSet::new())).1;
            ids.insert(document.resource.id.clone());
            if index == IndexKind::of_names(kind) && ids.len() > 1 {
                findings.push(format!("{}: {ids:?} have the same name", kind.resource_type().naming));
            }
        }
    }
    for (key, (kind, ids)) in &expected {
        let found: Vec<String> = if *kind == IndexKind::UserName {
            named(view, users, key, findings)?
        } else {
            read(view.read(key), findings)?.flatten().unwrap_or_default()
        };
        let found: BTreeSet<String> = found.into_iter().collect();
        if found != *ids {
            findings.push(format!("index {kind:?}: {key} names {found:?}, expected {ids:?}"));
        }
    }
    let kinds = IndexKind::ALL.map(|kind| view.space().index_prefix(kind));
    for key in keys {
        let index = kinds.iter().any(|prefix| key.starts_with(prefix));
        if index && !expected.contains_key(key) && view.get(key)?.is_some() {
            findings.push(format!("index: {key} names resources that do not belong into it"));
        }
    }
    Ok(())
}

/// Whom the entry of a user's name names.
fn named(view: &View<'_>, users: &Documents, key: &str, findings: &mut Vec<String>) -> Result<Vec<String>, Error> {
    let Some(named) = read(view.read::<Named>(key), findings)?.flatten() else {
        return Ok(Vec::new());
    };
    if let Named::Whole(user) = &named
        && users.get(&user.resource.id).is_some_and(|document| document != &**user)
    {
        findings.push(format!("index UserName: {key} has another state of {} than its document", user.resource.id));
    }
    Ok(named.ids())
}

/// Both ways: what the rosters say must stand in edges and lists, and what stands there must come from a roster.
fn members(
    view: &View<'_>,
    users: &Documents,
    groups: &Documents,
    keys: &[String],
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    let mut edges: BTreeMap<String, u64> = BTreeMap::new();
    let mut lists: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
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
            lists.entry(view.space().groups_of(&member.id)).or_default().insert(id.clone());
        }
    }
    compare(view, &edges, findings)?;
    for (key, ids) in &lists {
        let listed: Vec<String> = read(view.read(key), findings)?.flatten().unwrap_or_default();
        if listed.len() != ids.len() || !listed.iter().all(|id| ids.contains(id)) {
            findings.push(format!("groups: {key} names {listed:?}, expected {ids:?}"));
        }
    }
    let (edge, list) = view.space().edge_prefixes();
    for key in keys {
        let stray =
            key.starts_with(&edge) && !edges.contains_key(key) || key.starts_with(&list) && !lists.contains_key(key);
        if stray && view.get(key)?.is_some() {
            findings.push(format!("edge: {key} belongs to no member of a roster"));
        }
    }
    Ok(())
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

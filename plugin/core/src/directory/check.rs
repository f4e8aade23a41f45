//! The invariants of a tenant, looked at one by one. What is found is named; nothing is changed.
//!
//! - Every seat of the roster has a document, and every document its seat.
//! - No two users have the same userName without case.
//! - Every user stands in each of its index entries, and an index entry names only users that belong into it.
//! - The head counts what is there.

use super::{Document, entries, roster};
use crate::ledger::{Error, Read, View};
use crate::ports::Ports;
use crate::space::IndexKind;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong in a tenant, a sentence each. An empty list is the good answer.
///
/// Lists all keys of the store, so it costs the whole store.
pub fn check(ports: &Ports, view: &View<'_>) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    let head = view.head()?;
    let seats = roster::page(view, 0, usize::MAX)?;
    let users = documents(ports, view, &mut findings)?;
    if head.members != count(seats.len()) {
        findings.push(format!("head: counts {} users, the roster has {}", head.members, seats.len()));
    }
    let active = users.values().filter(|document| document.resource.active()).count();
    if head.active != count(active) {
        findings.push(format!("head: counts {} active users, there are {active}", head.active));
    }
    let mut seated = BTreeSet::new();
    for (slot, id) in &seats {
        seated.insert(id.as_str());
        match users.get(id) {
            None => findings.push(format!("roster: slot {slot} names {id}, which has no document")),
            Some(document) if document.slot != *slot => {
                findings.push(format!("roster: slot {slot} names {id}, whose document says slot {}", document.slot));
            }
            Some(_) => {}
        }
    }
    for id in users.keys().filter(|id| !seated.contains(id.as_str())) {
        findings.push(format!("roster: user {id} has no seat"));
    }
    indexes(ports, view, &users, &mut findings)?;
    Ok(findings)
}

fn documents(ports: &Ports, view: &View<'_>, findings: &mut Vec<String>) -> Result<BTreeMap<String, Document>, Error> {
    let mut users = BTreeMap::new();
    let prefix = view.space().document("x").map(|key| key[..key.len() - 1].to_owned()).unwrap_or_default();
    for key in ports.store.list_keys()? {
        let Some(id) = key.strip_prefix(&prefix) else {
            continue;
        };
        match view.read::<Document>(&key) {
            Ok(Some(document)) => {
                users.insert(id.to_owned(), document);
            }
            Ok(None) => {}
            Err(Error::Corrupt(what)) => findings.push(format!("document: {what}")),
            Err(error) => return Err(error),
        }
    }
    Ok(users)
}

fn indexes(
    ports: &Ports,
    view: &View<'_>,
    users: &BTreeMap<String, Document>,
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    let mut expected: BTreeMap<String, (IndexKind, BTreeSet<String>)> = BTreeMap::new();
    for document in users.values() {
        for (kind, value) in entries(&document.resource) {
            let key = view.space().index(kind, &value);
            let ids = &mut expected.entry(key).or_insert_with(|| (kind, BTreeSet::new())).1;
            ids.insert(document.resource.id.clone());
            if kind == IndexKind::UserName && ids.len() > 1 {
                findings.push(format!("userName: {ids:?} have the same name"));
            }
        }
    }
    for (key, (kind, ids)) in &expected {
        let found: BTreeSet<String> = view.read::<Vec<String>>(key)?.unwrap_or_default().into_iter().collect();
        if found != *ids {
            findings.push(format!("index {kind:?}: {key} names {found:?}, expected {ids:?}"));
        }
    }
    let kinds =
        [IndexKind::UserName, IndexKind::ExternalId, IndexKind::Email].map(|kind| view.space().index_prefix(kind));
    for key in ports.store.list_keys()? {
        let index = kinds.iter().any(|prefix| key.starts_with(prefix));
        if index && !expected.contains_key(&key) && view.get(&key)?.is_some() {
            findings.push(format!("index: {key} names users that do not belong into it"));
        }
    }
    Ok(())
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

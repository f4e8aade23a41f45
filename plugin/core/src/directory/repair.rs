//! What [`check`](super::check) names, mended: everything that can be made anew from the documents is compared with what
//! they say, and written where it differs.
//!
//! Within one turn, so that nothing moves meanwhile, and a bounded number of values at a time: whoever asks repeats it
//! until nothing remains. What only a person can decide is left, and named: a document that cannot be read keeps its seat
//! and its entries, and two resources with one name both stay.
//!
//! The members of a group are in no document. The leaves of its roster are the truth about them, and where a leaf is gone,
//! the edges are.

use super::entry::{self, Entry};
use super::membership::Member;
use super::{Document, entries, extent, put_stored, roster};
use crate::ledger::{Error, Extent, Read, Turn};
use crate::settings::LIMITS;
use crate::space::{EntryName, IndexKind, Kind, Roll};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Values that were written or removed.
    pub mended: usize,
    /// Values that differ still.
    pub remaining: usize,
    /// What was not touched, a sentence each.
    pub left: Vec<String>,
}

/// Stages what differs, as much as one turn takes. Lists all keys of the store, so it costs the whole store.
pub fn repair(turn: &mut Turn<'_>) -> Result<Repair, Error> {
    let keys = turn.keys()?;
    let mut tenant = Tenant { keys: &keys, documents: BTreeMap::new(), unread: BTreeSet::new(), left: Vec::new() };
    for kind in Kind::ALL {
        tenant.read(turn, kind)?;
    }
    let mut wanted = Wanted::default();
    for kind in Kind::ALL {
        tenant.seat(turn, kind, &mut wanted)?;
    }
    tenant.members(turn, &mut wanted)?;
    tenant.index(turn, &mut wanted)?;
    tenant.count(turn);
    let (mended, remaining) = wanted.stage(turn, &tenant)?;
    Ok(Repair { mended, remaining, left: tenant.left })
}

/// What the documents say.
struct Tenant<'k> {
    keys: &'k [String],
    documents: BTreeMap<(Kind, String), Document>,
    /// Documents that cannot be read.
    unread: BTreeSet<(Kind, String)>,
    left: Vec<String>,
}

/// What entries have to name: ids by slot.
type Named = BTreeMap<EntryName, BTreeMap<u64, String>>;

/// What has to stand under the keys that are made from documents.
#[derive(Default)]
struct Wanted {
    values: BTreeMap<String, Value>,
    /// Documents that have to say something else about their seats or members.
    documents: Vec<(Kind, Document)>,
    /// Beginnings of keys that are left as they are.
    spared: Vec<String>,
}

impl Tenant<'_> {
    fn read(&mut self, turn: &Turn<'_>, kind: Kind) -> Result<(), Error> {
        let prefix = turn.space().document_prefix(kind);
        for (key, id) in self.keys.iter().filter_map(|key| Some((key, key.strip_prefix(&prefix)?.to_owned()))) {
            match turn.read::<Document>(key) {
                Ok(Some(document)) => drop(self.documents.insert((kind, id), document)),
                Ok(None) => {}
                Err(Error::Corrupt(what)) => {
                    self.left.push(format!("document: {what}; restore it from an export"));
                    self.unread.insert((kind, id));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn has(&self, kind: Kind, id: &str) -> bool {
        let key = (kind, id.to_owned());
        self.documents.contains_key(&key) || self.unread.contains(&key)
    }

    /// The roster of a kind: each document in its slot. Of two in one slot the second moves to the end.
    fn seat(&mut self, turn: &mut Turn<'_>, kind: Kind, wanted: &mut Wanted) -> Result<(), Error> {
        let roll = kind.roll();
        let mut seats: BTreeMap<u64, String> = BTreeMap::new();
        for (slot, id) in self.leaves(turn, &roll)?.1 {
            if self.unread.contains(&(kind, id.clone())) {
                seats.insert(slot, id);
            }
        }
        let documents = self.documents.iter().filter(|((of, _), _)| *of == kind);
        let reach = documents.map(|(_, document)| document.slot + 1).max().unwrap_or_default();
        let mut whole = *extent(&mut turn.head, kind);
        whole.next_slot = whole.next_slot.max(reach);
        for ((_, id), document) in self.documents.iter_mut().filter(|((of, _), _)| *of == kind) {
            if seats.contains_key(&document.slot) {
                document.slot = whole.next_slot;
                whole.next_slot += 1;
                wanted.documents.push((kind, document.clone()));
            }
            seats.insert(document.slot, id.clone());
        }
        whole.members = count(seats.len());
        *extent(&mut turn.head, kind) = whole;
        wanted.values.extend(roster::values(turn.space(), &roll, &seats));
        Ok(())
    }

    /// The leaves of a roster that can be read, and the seats in them.
    fn leaves(&self, turn: &Turn<'_>, roll: &Roll) -> Result<(BTreeSet<u64>, BTreeMap<u64, String>), Error> {
        let (mut read, mut seats) = (BTreeSet::new(), BTreeMap::new());
        let prefix = turn.space().leaf_prefix(roll);
        for index in self.keys.iter().filter_map(|key| key.strip_prefix(&prefix)?.parse::<u64>().ok()) {
            match turn.read::<Vec<(u64, String)>>(&turn.space().roster(roll, 0, index)) {
                Ok(Some(leaf)) => {
                    read.insert(index);
                    seats.extend(leaf);
                }
                Ok(None) | Err(Error::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((read, seats))
    }

    /// Rosters of members, edges, and the entries of each member's groups.
    fn members(&mut self, turn: &Turn<'_>, wanted: &mut Wanted) -> Result<(), Error> {
        let mut groups_of = Named::new();
        let mut join = |member: &str, slot: u64, group: &String| {
            groups_of.entry(EntryName::groups_of(member)).or_default().insert(slot, group.clone());
        };
        let groups: Vec<String> = self.ids(Kind::Group).cloned().collect();
        for id in groups {
            let roll = Roll::MembersOf(id.clone());
            let seats = self.seats_of(turn, &id)?;
            let group_slot = self.documents.get(&(Kind::Group, id.clone())).map(|group| group.slot);
            for (slot, seat) in &seats {
                let member = Member::of_seat(seat).id;
                wanted.values.insert(turn.space().edge(&id, &member), json!(slot));
                join(&member, group_slot.unwrap_or_default(), &id);
            }
            wanted.values.extend(roster::values(turn.space(), &roll, &seats));
            let Some(document) = self.documents.get_mut(&(Kind::Group, id)) else {
                continue;
            };
            let reach = seats.last_key_value().map_or(0, |(slot, _)| slot + 1);
            let members = Extent { members: count(seats.len()), next_slot: document.members.next_slot.max(reach) };
            if document.members != members {
                document.members = members;
                // Somebody who was shown as a member is none, or the contrary: a new version.
                document.resource.meta.revision += 1;
                wanted.documents.retain(|(_, other)| other.resource.id != document.resource.id);
                wanted.documents.push((Kind::Group, document.clone()));
            }
        }
        // Of a group that cannot be read its seat says where it is.
        for (slot, id) in self.leaves(turn, &Roll::Groups)?.1 {
            if !self.unread.contains(&(Kind::Group, id.clone())) {
                continue;
            }
            for seat in self.seats_of(turn, &id)?.into_values() {
                join(&Member::of_seat(&seat).id, slot, &id);
            }
        }
        for (_, id) in self.unread.iter().filter(|(kind, _)| *kind == Kind::Group) {
            wanted.spared.extend([turn.space().members_prefix(id), turn.space().edge(id, "")]);
        }
        for (name, groups) in groups_of {
            wanted.values.extend(entry::values(turn, &name, &groups)?);
        }
        Ok(())
    }

    fn ids(&self, kind: Kind) -> impl Iterator<Item = &String> {
        self.documents.keys().filter(move |(of, _)| *of == kind).map(|(_, id)| id)
    }

    /// Who is in a group: each once, and only who is there.
    fn seats_of(&self, turn: &Turn<'_>, group: &str) -> Result<BTreeMap<u64, String>, Error> {
        let (read, mut found) = self.leaves(turn, &Roll::MembersOf(group.to_owned()))?;
        let prefix = turn.space().edge(group, "");
        for (key, id) in self.keys.iter().filter_map(|key| Some((key, key.strip_prefix(&prefix)?))) {
            let slot = match turn.read::<u64>(key) {
                Ok(slot) => slot,
                Err(Error::Corrupt(_)) => None,
                Err(error) => return Err(error),
            };
            let kind = Kind::ALL.into_iter().find(|kind| self.has(*kind, id));
            let lost = slot.filter(|slot| !read.contains(&roster::leaf_of(*slot)));
            if let (Some(slot), Some(kind)) = (lost, kind) {
                found.insert(slot, Member { kind, id: id.to_owned() }.seat());
            }
        }
        let mut seated = BTreeSet::new();
        found.retain(|_, seat| {
            let member = Member::of_seat(seat);
            self.has(member.kind, &member.id) && seated.insert(member.id)
        });
        Ok(found)
    }

    fn index(&mut self, turn: &Turn<'_>, wanted: &mut Wanted) -> Result<(), Error> {
        let mut named = Named::new();
        for ((kind, id), document) in &self.documents {
            for (index, value) in entries(*kind, &document.resource) {
                let ids = named.entry(EntryName::of_value(index, &value)).or_default();
                ids.insert(document.slot, id.clone());
                if index == IndexKind::of_names(*kind) && ids.len() > 1 {
                    let ids: Vec<&String> = ids.values().collect();
                    self.left.push(format!("{}: {ids:?} have the same name; rename or delete one", kind.noun()));
                }
            }
        }
        // Whoever cannot be read stays where it was found.
        if !self.unread.is_empty() {
            let entries = self.keys.iter().filter_map(|key| turn.space().entry_at(key));
            for name in entries.filter(|name| !name.is_of_groups()) {
                for (slot, id) in self.found(turn, &name)? {
                    if self.unread.iter().any(|(_, unread)| *unread == id) {
                        named.entry(name.clone()).or_default().insert(slot, id);
                    }
                }
            }
        }
        for (name, ids) in named {
            match self.alone(&name, &ids) {
                Some(user) => drop(wanted.values.insert(turn.space().entry(&name), json!(user))),
                None => wanted.values.extend(entry::values(turn, &name, &ids)?),
            }
        }
        Ok(())
    }

    /// Who can be read out of an entry.
    fn found(&self, turn: &Turn<'_>, name: &EntryName) -> Result<BTreeMap<u64, String>, Error> {
        match entry::read(turn, name) {
            Ok(Some(Entry::Long(_))) => Ok(self.leaves(turn, &Roll::Entry(name.clone()))?.1),
            Ok(Some(entry)) => Ok(entry.page(turn, name, 0, usize::MAX)?.into_iter().collect()),
            Ok(None) | Err(Error::Corrupt(_)) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// The user that is kept under its name, if nobody shares that.
    fn alone(&self, name: &EntryName, ids: &BTreeMap<u64, String>) -> Option<&Document> {
        let id = ids.values().next().filter(|_| ids.len() == 1 && name.is_of_user_name())?;
        let user = self.documents.get(&(Kind::User, id.clone()))?;
        Entry::holds(&user.stored()).then_some(user)
    }

    fn count(&self, turn: &mut Turn<'_>) {
        let active =
            self.documents.iter().filter(|((kind, _), document)| *kind == Kind::User && document.resource.active());
        turn.head.active = count(active.count());
    }
}

impl Wanted {
    /// Stages what differs and answers how much that is, and how much is left for the next time.
    fn stage(self, turn: &mut Turn<'_>, tenant: &Tenant<'_>) -> Result<(usize, usize), Error> {
        let (mut mended, mut remaining) = (0, 0);
        let mut open = || {
            let open = mended < LIMITS.mended_at_once;
            if open {
                mended += 1
            } else {
                remaining += 1
            }
            open
        };
        for (kind, document) in &self.documents {
            // A document goes with the roster that names its slot, so these are never left for the next time.
            open();
            put_stored(turn, *kind, &document.resource.id, document.stored());
        }
        for (key, value) in &self.values {
            let found = match turn.read::<Value>(key) {
                Ok(found) => found,
                Err(Error::Corrupt(_)) => None,
                Err(error) => return Err(error),
            };
            // Under the name of a user, its slot and id are as good: they are what is left where several had the name.
            let stands = |found: Value| same(&found, value) || found == json!([[value["slot"], value["id"]]]);
            if !found.is_some_and(stands) && open() {
                turn.write(key.clone(), value);
            }
        }
        let derived = turn.space().derived_prefixes();
        let spared = |key: &String| self.spared.iter().any(|prefix| key.starts_with(prefix));
        let stray = |key: &&String| {
            derived.iter().any(|prefix| key.starts_with(prefix)) && !self.values.contains_key(*key) && !spared(key)
        };
        for key in tenant.keys.iter().filter(stray) {
            // Empty ones are absent for every reader; they only take room, unless the next turn deletes them anyway.
            if !turn.sweeps(key) && !harmless(turn, key)? && open() {
                turn.remove(key.clone());
            }
        }
        Ok((mended, remaining))
    }
}

/// A node of a roster that counts nobody.
fn harmless(turn: &Turn<'_>, key: &str) -> Result<bool, Error> {
    match turn.read::<Vec<Value>>(key) {
        Ok(found) => Ok(found.is_some_and(|found| found.iter().all(|value| *value == json!(0)))),
        Err(Error::Corrupt(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether two values say the same: a list of ids in any order, counts with any number of zeros behind them.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let mut ids: Vec<Value> = items.clone();
            ids.sort_by_key(Value::to_string);
            Value::Array(ids)
        }
        Value::Array(items) if items.iter().all(Value::is_u64) => {
            let end = items.iter().rposition(|count| *count != json!(0)).map_or(0, |last| last + 1);
            Value::Array(items[..end].to_vec())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            value.clone()
        }
    };
    plain(left) == plain(right)
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

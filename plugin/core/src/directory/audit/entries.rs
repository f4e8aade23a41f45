//! Index entries and the entries of members' groups: who has to stand in one does, and nobody else.

use super::{Audit, FoundDocument, NAMED_MAX, count, is_in_order};
use crate::directory::entry::{self, Entry};
use crate::directory::roster::{self, Seat};
use crate::directory::{Document, entries, membership};
use crate::keys::{DerivedKey, EntryName, IndexKind, Kind, Roll};
use crate::ledger::{Error, Read};
use crate::settings::LIMITS;
use std::collections::BTreeMap;

impl Audit<'_, '_> {
    /// The entries that a document has to stand in. Answers how many they are.
    pub(super) fn entries_of(&mut self, kind: Kind, document: &Document) -> Result<u64, Error> {
        let values = entries(kind, &document.resource);
        for (index, value) in &values {
            let name = EntryName::of_value(*index, value);
            let fits = self.entry_of(&name, (document.slot, &document.resource.id), Some(document))?;
            if *index == IndexKind::of_names(kind) {
                self.namesakes(kind, &name, document, fits)?;
            }
        }
        Ok(count(values.len()))
    }

    /// An entry that a resource of this slot and id has to stand in; a user as it is where nobody else has the name.
    /// Answers whether the entry was as it has to be.
    pub(super) fn entry_of(
        &mut self,
        name: &EntryName,
        (slot, id): (u64, &str),
        user: Option<&Document>,
    ) -> Result<bool, Error> {
        let found = self.entry(name)?;
        let is_mine = |(at, other): &Seat| *at == slot && other == id;
        let (fits, is_earlier) = match &found {
            Some(Entry::Whole(whole)) => {
                let fits = name.is_of_user_name() && user.is_some_and(|user| **whole == *user);
                (fits, whole.resource.id == id)
            }
            Some(Entry::Short(seats)) => {
                let fits = seats.len() <= LIMITS.entry_short_max && is_in_order(seats) && seats.iter().any(is_mine);
                (fits, false)
            }
            Some(long @ Entry::Long(_)) => {
                let roll = Roll::Entry(name.clone());
                let leaf = roster::leaf_of(slot);
                let seated = self.leaf(&roll, leaf)?.is_some_and(|seats| seats.iter().any(is_mine));
                if seated {
                    self.recount(&roll, leaf)?;
                }
                (seated && !long.is_short_again(), false)
            }
            None => (false, false),
        };
        if fits {
            return Ok(true);
        }
        let key = self.scene.space().entry(name);
        let finding = || {
            if is_earlier {
                format!("index: {key} has another state of {id} than its document")
            } else {
                format!("index: {key} says something else than what it is made from, of [{id:?}]")
            }
        };
        if self.differs(finding).is_some() {
            self.join(name, (slot, id), user, found)?;
        }
        Ok(false)
    }

    /// Puts a resource into an entry, and keeps of those who are there who belong there.
    fn join(
        &mut self,
        name: &EntryName,
        (slot, id): (u64, &str),
        user: Option<&Document>,
        found: Option<Entry>,
    ) -> Result<(), Error> {
        let there = match found {
            None => Vec::new(),
            Some(Entry::Whole(whole)) => vec![(whole.slot, whole.resource.id)],
            Some(Entry::Short(seats)) => seats,
            Some(Entry::Long(_)) => return self.join_long(name, slot, id),
        };
        let mut seats = BTreeMap::from([(slot, id.to_owned())]);
        for (at, other) in there {
            if at != slot && other != id && self.belongs(name, at, &other)? {
                seats.insert(at, other);
            }
        }
        let stored = user.filter(|_| seats.len() == 1 && name.is_of_user_name()).map(Document::stored);
        let Some(turn) = self.scene.turn() else {
            return Ok(());
        };
        let key = turn.space().entry(name);
        match stored.filter(|stored| Entry::holds(stored)) {
            Some(stored) => turn.put(key, stored),
            None if seats.len() <= LIMITS.entry_short_max => turn.write(key, &seats.into_iter().collect::<Vec<_>>()),
            None => {
                for (key, value) in roster::values(turn.space(), &Roll::Entry(name.clone()), &seats) {
                    turn.write(key, &value);
                }
            }
        }
        Ok(())
    }

    fn join_long(&mut self, name: &EntryName, slot: u64, id: &str) -> Result<(), Error> {
        let (roll, leaf) = (Roll::Entry(name.clone()), roster::leaf_of(slot));
        let mut seats = self.leaf(&roll, leaf)?.unwrap_or_default();
        seats.retain(|(at, other)| *at != slot && other != id);
        seats.push((slot, id.to_owned()));
        seats.sort_unstable();
        if let Some(turn) = self.scene.turn() {
            turn.write(turn.space().roster(&roll, 0, leaf), &seats);
        }
        self.recount(&roll, leaf)?;
        self.shorten(name)
    }

    /// Makes a long entry of few resources a short one.
    fn shorten(&mut self, name: &EntryName) -> Result<(), Error> {
        let Some(long) = self.entry(name)?.filter(Entry::is_short_again) else {
            return Ok(());
        };
        let roll = Roll::Entry(name.clone());
        let few = usize::try_from(long.len()).unwrap_or(usize::MAX);
        let seats = roster::page(&self.scene, &roll, 0, few)?;
        if let Some(turn) = self.scene.turn() {
            for leaf in seats.iter().map(|(slot, _)| roster::leaf_of(*slot)) {
                for key in roster::path(turn.space(), &roll, leaf) {
                    turn.remove(key);
                }
            }
            let key = turn.space().entry(name);
            if seats.is_empty() {
                turn.remove(key);
            } else {
                turn.write(key, &seats);
            }
        }
        Ok(())
    }

    /// Names the others who have the name of a document, once for all of them.
    fn namesakes(&mut self, kind: Kind, name: &EntryName, document: &Document, fits: bool) -> Result<(), Error> {
        let there = match self.entry(name)? {
            None | Some(Entry::Whole(_)) => return Ok(()),
            Some(entry) => entry.page(&self.scene, name, 0, LIMITS.entry_short_max)?,
        };
        let mut same = Vec::new();
        for (slot, id) in there {
            if self.belongs(name, slot, &id)? {
                same.push(id);
            }
        }
        let is_first = same.first().is_some_and(|first| *first == document.resource.id);
        if same.len() < 2 || fits && !is_first {
            return Ok(());
        }
        same.truncate(NAMED_MAX);
        if self.scene.mends() {
            self.leave(format!("{}: {same:?} have the same name; rename or delete one", kind.noun()));
        } else {
            let sentence = format!(
                "{}: {same:?} have the same name; the first one is found by it where one is looked for, and no other can \
                 take it",
                kind.resource_type().naming
            );
            if self.seen.insert(sentence.clone()) {
                self.portion.doubled.push(sentence);
            }
        }
        Ok(())
    }

    /// What stands under a key that is made from documents, and need not be.
    pub(super) fn stray(&mut self, key: &str) -> Result<(), Error> {
        if !self.derived.iter().any(|prefix| key.starts_with(prefix)) {
            return Ok(());
        }
        self.looked += 1;
        if self.scene.get(key)?.is_none() {
            return Ok(());
        }
        match self.scene.space().derived_key(key) {
            Some(DerivedKey::Entry(name)) => self.stray_entry(&name, key),
            Some(DerivedKey::OfEntry(name, level, index)) => self.stray_of_entry(&name, level, index, key),
            Some(DerivedKey::OfKind(kind, level, index)) => self.roster_key(kind, level, index),
            Some(DerivedKey::OfMembers(group, level, index)) => self.members_key(&group, level, index, key),
            Some(DerivedKey::Edge(group, member)) => self.stray_edge(&group, &member, key),
            None => {
                self.remove(key);
                Ok(())
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(turn) = self.differs(|| format!("index: {key} names resources that do not belong into it")) {
            turn.remove(key.to_owned());
        }
    }

    fn stray_entry(&mut self, name: &EntryName, key: &str) -> Result<(), Error> {
        let seats = match self.entry(name)? {
            Some(Entry::Whole(user)) => vec![(user.slot, user.resource.id)],
            Some(Entry::Short(seats)) => seats,
            Some(long @ Entry::Long(_)) => {
                self.node_by_key(&Roll::Entry(name.clone()), roster::TOP, 0)?;
                if long.is_short_again()
                    && self.differs(|| format!("index: {key} is longer than it has to be")).is_some()
                {
                    self.shorten(name)?;
                }
                return Ok(());
            }
            None => {
                self.remove(key);
                return Ok(());
            }
        };
        let kept = self.belonging(name, &seats)?;
        if kept.is_empty() {
            self.remove(key);
        } else if kept.len() < seats.len()
            && let Some(turn) = self.differs(|| format!("index: {key} names resources that do not belong into it"))
        {
            turn.write(key.to_owned(), &kept);
        }
        Ok(())
    }

    /// A leaf or node of a long entry.
    fn stray_of_entry(&mut self, name: &EntryName, level: u8, index: u64, key: &str) -> Result<(), Error> {
        let roll = Roll::Entry(name.clone());
        if !matches!(self.entry(name)?, Some(Entry::Long(_))) {
            self.remove(key);
            return Ok(());
        }
        if level > 0 {
            return self.node_by_key(&roll, level, index);
        }
        let found = self.leaf(&roll, index)?;
        let seats = found.clone().unwrap_or_default();
        let mut kept = self.belonging(name, &seats)?;
        kept.retain(|(slot, _)| roster::leaf_of(*slot) == index);
        kept.sort_unstable();
        if kept.is_empty() {
            self.remove(key);
        } else if found.is_none_or(|found| found != kept)
            && let Some(turn) = self.differs(|| format!("index: {key} names resources that do not belong into it"))
        {
            turn.write(key.to_owned(), &kept);
        }
        self.recount(&roll, index)
    }

    fn belonging(&self, name: &EntryName, seats: &[Seat]) -> Result<Vec<Seat>, Error> {
        let mut kept = Vec::with_capacity(seats.len());
        for (slot, id) in seats {
            if self.belongs(name, *slot, id)? {
                kept.push((*slot, id.clone()));
            }
        }
        Ok(kept)
    }

    /// Whether a resource has to stand in an entry. One that cannot be read stays where it is.
    fn belongs(&self, name: &EntryName, slot: u64, id: &str) -> Result<bool, Error> {
        let kind = name.kind();
        Ok(match self.stored(kind, id)? {
            FoundDocument::Unread(_) => true,
            FoundDocument::None => false,
            FoundDocument::Document(document) if document.slot != slot => false,
            FoundDocument::Document(document) => match name.member() {
                Some(member) => match membership::edge(&self.scene, id, member) {
                    Ok(edge) => edge.is_some(),
                    Err(Error::Corrupt(_)) => true,
                    Err(error) => return Err(error),
                },
                None => {
                    let values = entries(kind, &document.resource);
                    values.iter().any(|(index, value)| EntryName::of_value(*index, value) == *name)
                }
            },
        })
    }

    /// An entry; nothing where it is absent or does not read.
    fn entry(&self, name: &EntryName) -> Result<Option<Entry>, Error> {
        super::readable(entry::read(&self.scene, name))
    }
}

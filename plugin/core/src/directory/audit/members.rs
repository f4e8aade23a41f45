//! The members of groups: seats, edges, and the entries of members' groups say the same. A seat is the truth; where one is
//! lost, an edge and the entry of the member's groups are, together.

use super::{Audit, FoundDocument, readable};
use crate::directory::Document;
use crate::directory::entry::{self, Entry};
use crate::directory::membership::{self, Member};
use crate::directory::roster::{self, Extent, Seat, Way};
use crate::keys::{EntryName, Kind, Roll};
use crate::ledger::{Error, Read};
use roster::LEAF_SLOTS;
use std::ops::ControlFlow;

impl Audit<'_, '_> {
    /// A leaf of the members of the first group from a slot on. Answers the next group and leaf.
    pub(super) fn members(&mut self, from: u64, leaf: u64) -> Result<Option<(u64, u64)>, Error> {
        let Some((slot, id)) = self.first_group(from)? else {
            return Ok(None);
        };
        self.looked += 1;
        let leaf = if slot == from { leaf } else { 0 };
        let FoundDocument::Document(group) = self.stored(Kind::Group, &id)? else {
            return Ok(Some((slot + 1, 0)));
        };
        let roll = Roll::MembersOf(id.clone());
        let reach = group.members.next_slot;
        if leaf * LEAF_SLOTS >= reach {
            self.count_of(&group)?;
            return Ok(Some((slot + 1, 0)));
        }
        if self.is_empty_below(&roll, leaf)? {
            return Ok(Some((slot, leaf + roster::NODE_CHILDREN)));
        }
        self.leaf_of_members(&group, leaf)?;
        Ok(Some((slot, leaf + 1)))
    }

    fn first_group(&mut self, from: u64) -> Result<Option<Seat>, Error> {
        let mut first = None;
        let way = roster::visit(&self.scene, &Roll::Groups, Way::From(from), &mut |slot, id| {
            first = Some((slot, id.to_owned()));
            Ok::<_, Error>(ControlFlow::Break(()))
        });
        match way {
            Ok(_) => Ok(first),
            Err(Error::Corrupt(what)) => {
                self.leave(format!("roster: {what}; who is in the groups behind it was not looked at"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn leaf_of_members(&mut self, group: &Document, index: u64) -> Result<(), Error> {
        let id = &group.resource.id;
        let roll = Roll::MembersOf(id.clone());
        let Some(found) = self.leaf_or_left(&roll, index)? else {
            return Ok(());
        };
        let mut kept = Vec::with_capacity(found.len());
        for (slot, seat) in &found {
            self.looked += 1;
            let member = Member::of_seat(seat);
            if roster::leaf_of(*slot) != index || !membership::exists(&self.scene, member.kind, &member.id)? {
                self.differs(|| format!("group {id}: slot {slot} names {}, who is not there", member.id));
                self.forget_edge(id, &member.id, *slot)?;
            } else if kept.iter().any(|(_, other)| other == seat) || self.edge_of(id, *slot, seat)? {
                self.differs(|| format!("group {id}: has {} twice", member.id));
            } else {
                kept.push((*slot, seat.clone()));
                self.entry_of(&EntryName::groups_of(&member.id), (group.slot, id), None)?;
            }
        }
        let reach = kept.iter().map(|(slot, _)| slot + 1).max().unwrap_or_default().max(group.members.next_slot);
        if reach > group.members.next_slot
            && self.differs(|| format!("group {id}: has members behind slot {}", group.members.next_slot)).is_some()
        {
            self.extend(id, |extent| extent.next_slot = reach)?;
        }
        self.put_leaf(&roll, index, &found, kept, reach)
    }

    /// The edge of a seat. Answers whether it leads to another seat of the same member, before this one.
    fn edge_of(&mut self, group: &str, slot: u64, seat: &str) -> Result<bool, Error> {
        let member = Member::of_seat(seat).id;
        let key = self.scene.space().edge(group, &member);
        let found: Option<u64> = self.value(&key)?;
        if found == Some(slot) {
            return Ok(false);
        }
        if let Some(other) = found.filter(|other| *other < slot) {
            let roll = Roll::MembersOf(group.to_owned());
            let seats = self.leaf(&roll, roster::leaf_of(other))?.unwrap_or_default();
            if seats.iter().any(|(at, there)| *at == other && there == seat) {
                return Ok(true);
            }
        }
        if let Some(turn) = self.differs(|| format!("edge: {key} says slot {found:?}, expected {slot}")) {
            turn.write(key, &slot);
        }
        Ok(false)
    }

    fn forget_edge(&mut self, group: &str, member: &str, slot: u64) -> Result<(), Error> {
        let key = self.scene.space().edge(group, member);
        if self.value(&key)? == Some(slot)
            && let Some(turn) = self.scene.turn()
        {
            turn.remove(key);
        }
        Ok(())
    }

    /// What the document of a group counts.
    fn count_of(&mut self, group: &Document) -> Result<(), Error> {
        let id = &group.resource.id;
        let there = self.top(&Roll::MembersOf(id.clone()))?;
        let counted = group.members.members;
        if counted != there
            && self.differs(|| format!("group {id}: counts {counted} members, the roster has {there}")).is_some()
        {
            self.count_members_of(id, there)?;
        }
        Ok(())
    }

    /// Notes in the document of a group how many members it has. Somebody who was shown as a member is none, or the
    /// contrary: a new version.
    pub(super) fn count_members_of(&mut self, id: &str, members: u64) -> Result<(), Error> {
        self.extend(id, |extent| extent.members = members)
    }

    fn extend(&mut self, id: &str, change: impl FnOnce(&mut Extent)) -> Result<(), Error> {
        if let FoundDocument::Document(mut group) = self.stored(Kind::Group, id)? {
            let before = group.members;
            change(&mut group.members);
            if group.members != before {
                group.resource.meta.revision += u64::from(group.members.members != before.members);
                self.put(Kind::Group, &group);
            }
        }
        Ok(())
    }

    /// An edge by its key, of a member whose seat may be lost: it is put back where the entry of the member's groups says
    /// the same and nobody else has the slot.
    pub(super) fn lost_member(&mut self, key: &str) -> Result<(), Error> {
        let Some((group, id)) = self.scene.space().edge_at(key) else {
            return Ok(());
        };
        let Some(slot) = self.value::<u64>(key)? else {
            return Ok(());
        };
        let FoundDocument::Document(document) = self.stored(Kind::Group, &group)? else {
            return Ok(());
        };
        let roll = Roll::MembersOf(group.clone());
        let mut seats = self.leaf(&roll, roster::leaf_of(slot))?.unwrap_or_default();
        let Extent { next_slot, .. } = document.members;
        if slot >= next_slot || seats.iter().any(|(at, _)| *at == slot) || !self.is_group_of(&group, &id)? {
            return Ok(());
        }
        for kind in Kind::ALL {
            if membership::exists(&self.scene, kind, &id)? {
                seats.push((slot, Member { kind, id: id.clone() }.seat()));
                seats.sort_unstable();
                if let Some(turn) = self.differs(|| format!("edge: {key} belongs to no member of a roster")) {
                    turn.write(turn.space().roster(&roll, 0, roster::leaf_of(slot)), &seats);
                }
                break;
            }
        }
        Ok(())
    }

    /// Whether the entry of a member's groups has a group.
    fn is_group_of(&self, group: &str, member: &str) -> Result<bool, Error> {
        let name = EntryName::groups_of(member);
        let found = match readable(entry::read(&self.scene, &name))? {
            None | Some(Entry::Whole(_)) => return Ok(false),
            Some(Entry::Short(seats)) => seats.iter().any(|(_, id)| id == group),
            Some(Entry::Long(_)) => match self.stored(Kind::Group, group)? {
                FoundDocument::Document(document) => {
                    let leaf = self.leaf(&Roll::Entry(name), roster::leaf_of(document.slot))?.unwrap_or_default();
                    leaf.iter().any(|(_, id)| id == group)
                }
                FoundDocument::Unread(_) | FoundDocument::None => false,
            },
        };
        Ok(found)
    }

    /// An edge that no seat is behind.
    pub(super) fn stray_edge(&mut self, group: &str, member: &str, key: &str) -> Result<(), Error> {
        let is_stray = match self.stored(Kind::Group, group)? {
            FoundDocument::Unread(_) => false,
            FoundDocument::None => true,
            FoundDocument::Document(_) => match self.value::<u64>(key)? {
                None => true,
                Some(slot) => {
                    let roll = Roll::MembersOf(group.to_owned());
                    let is_it = |(at, seat): &Seat| *at == slot && Member::of_seat(seat).id == member;
                    // A leaf that does not read may have it.
                    self.leaf(&roll, roster::leaf_of(slot))?.is_some_and(|seats| !seats.iter().any(is_it))
                }
            },
        };
        if is_stray && let Some(turn) = self.differs(|| format!("edge: {key} belongs to no member of a roster")) {
            turn.remove(key.to_owned());
        }
        Ok(())
    }

    /// A leaf or node of the roster of a group.
    pub(super) fn members_key(&mut self, group: &str, level: u8, index: u64, key: &str) -> Result<(), Error> {
        match self.stored(Kind::Group, group)? {
            FoundDocument::Unread(_) => Ok(()),
            FoundDocument::None => {
                if let Some(turn) = self.differs(|| format!("roster: {key} is that of no group")) {
                    turn.remove(key.to_owned());
                }
                Ok(())
            }
            FoundDocument::Document(_) if level > 0 => {
                self.node_by_key(&Roll::MembersOf(group.to_owned()), level, index)
            }
            FoundDocument::Document(document) => {
                let is_beyond = index >= document.members.next_slot.div_ceil(LEAF_SLOTS);
                let seats = self.leaf(&Roll::MembersOf(group.to_owned()), index)?.unwrap_or_default();
                if is_beyond && !seats.is_empty() {
                    self.leaf_of_members(&document, index)?;
                }
                Ok(())
            }
        }
    }
}

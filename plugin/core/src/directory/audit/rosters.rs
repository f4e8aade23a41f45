//! Rosters: seats and documents lead to each other, and each count is that of what it counts.

use super::{Audit, FoundDocument, count, is_in_order, readable};
use crate::directory::roster::{self, Seat};
use crate::directory::{Document, extent};
use crate::keys::{Kind, Roll};
use crate::ledger::{Error, Read};
use crate::settings::LIMITS;
use roster::{LEAF_SLOTS, NODE_CHILDREN, TOP};

impl Audit<'_, '_> {
    /// A document by its key: whether it reads, and has its seat.
    pub(super) fn document_by_key(&mut self, kind: Kind, id: &str) -> Result<(), Error> {
        match self.stored(kind, id)? {
            FoundDocument::Document(document) => self.seat(kind, *document),
            FoundDocument::Unread(what) => {
                self.unread(&what);
                Ok(())
            }
            FoundDocument::None => Ok(()),
        }
    }

    pub(super) fn unread(&mut self, what: &str) {
        let mends = self.scene.mends();
        self.leave(if mends {
            format!("document: {what}; restore it from an export")
        } else {
            format!("document: {what}")
        });
    }

    /// Gives a document that has none its seat: in its slot, or at the end where somebody else has that.
    fn seat(&mut self, kind: Kind, mut document: Document) -> Result<(), Error> {
        let (roll, id) = (kind.roll(), document.resource.id.clone());
        let reach = extent(&mut self.scene.head().clone(), kind).next_slot;
        let mut leaf = self.leaf(&roll, roster::leaf_of(document.slot))?.unwrap_or_default();
        if document.slot < reach && leaf.iter().any(|(slot, other)| *slot == document.slot && *other == id) {
            return Ok(());
        }
        let noun = kind.noun();
        let is_taken = match leaf.iter().find(|(slot, other)| *slot == document.slot && *other != id) {
            Some((slot, other)) => match self.stored(kind, other)? {
                FoundDocument::Document(other) => other.slot == *slot,
                FoundDocument::Unread(_) => true,
                FoundDocument::None => false,
            },
            None => document.slot >= LIMITS.slots_max,
        };
        let Some(turn) = self.differs(|| format!("roster: {noun} {id} has no seat")) else {
            return Ok(());
        };
        let whole = extent(&mut turn.head, kind);
        if is_taken {
            document.slot = whole.next_slot;
        }
        whole.next_slot = whole.next_slot.max(document.slot + 1);
        if is_taken {
            // Whatever names the earlier slot is found by its key, and goes.
            self.put(kind, &document);
            leaf = self.leaf(&roll, roster::leaf_of(document.slot))?.unwrap_or_default();
        }
        leaf.retain(|(slot, _)| *slot != document.slot);
        leaf.push((document.slot, id));
        leaf.sort_unstable();
        if let Some(turn) = self.scene.turn() {
            turn.write(turn.space().roster(&roll, 0, roster::leaf_of(document.slot)), &leaf);
        }
        Ok(())
    }

    /// The roster of a kind and its documents, from a slot on. Answers the next slot.
    pub(super) fn seats(&mut self, kind: Kind, from: u64) -> Result<Option<u64>, Error> {
        let roll = kind.roll();
        let reach = extent(&mut self.scene.head().clone(), kind).next_slot;
        if from >= reach {
            return Ok(None);
        }
        let index = roster::leaf_of(from);
        self.looked += 1;
        if from.is_multiple_of(LEAF_SLOTS) {
            if self.is_empty_below(&roll, index)? {
                return Ok(Some((index / NODE_CHILDREN + 1) * NODE_CHILDREN * LEAF_SLOTS));
            }
            self.leaf_of_kind(kind, index, reach)?;
        }
        let mut looked_at_any = false;
        for (slot, id) in self.leaf(&roll, index)?.unwrap_or_default() {
            if slot < from {
                continue;
            }
            // One at least, so that a slow store comes to an end, too.
            if looked_at_any && !self.is_open() {
                return Ok(Some(slot));
            }
            looked_at_any = true;
            self.looked += 1;
            match self.stored(kind, &id)? {
                FoundDocument::Document(document) => {
                    self.position.active += u64::from(kind == Kind::User && document.resource.active());
                    self.looked += self.entries_of(kind, &document)?;
                }
                // Where the keys are listed, that was said there.
                FoundDocument::Unread(what) if self.position.unlisted => self.unread(&what),
                FoundDocument::Unread(_) | FoundDocument::None => {}
            }
        }
        Ok(Some((index + 1) * LEAF_SLOTS))
    }

    /// Whether a whole node of leaves, of which this is the first, can be passed over because all counts say that nobody is
    /// below it. A leaf that nothing leads to is found by its key.
    pub(super) fn is_empty_below(&self, roll: &Roll, leaf: u64) -> Result<bool, Error> {
        if !leaf.is_multiple_of(NODE_CHILDREN) || leaf == 0 {
            return Ok(false);
        }
        let space = self.scene.space();
        let node = leaf / NODE_CHILDREN;
        let (above, place) = (node / NODE_CHILDREN, usize::try_from(node % NODE_CHILDREN).unwrap_or(usize::MAX));
        if self.scene.get(&space.roster(roll, 1, node))?.is_some() {
            return Ok(false);
        }
        let counts: Option<Vec<u64>> = self.value(&space.roster(roll, 2, above))?;
        Ok(counts.is_none_or(|counts| counts.get(place).is_none_or(|count| *count == 0)))
    }

    /// A leaf of the roster of a kind: each of its seats is that of a document.
    fn leaf_of_kind(&mut self, kind: Kind, index: u64, reach: u64) -> Result<(), Error> {
        let roll = kind.roll();
        let Some(found) = self.leaf_or_left(&roll, index)? else {
            return Ok(());
        };
        let mut kept = Vec::with_capacity(found.len());
        for (slot, id) in &found {
            let wrong = match self.stored(kind, id)? {
                FoundDocument::Document(document) if document.slot != *slot => {
                    Some(format!("whose document says slot {}", document.slot))
                }
                FoundDocument::Document(_) | FoundDocument::Unread(_) if roster::leaf_of(*slot) != index => {
                    Some("which is a slot of another leaf".to_owned())
                }
                FoundDocument::Document(_) | FoundDocument::Unread(_) => None,
                FoundDocument::None => Some("which has no document".to_owned()),
            };
            match wrong {
                None => kept.push((*slot, id.clone())),
                Some(wrong) => {
                    let noun = kind.noun();
                    self.differs(|| format!("roster: slot {slot} names {noun} {id}, {wrong}"));
                }
            }
        }
        self.put_leaf(&roll, index, &found, kept, reach)
    }

    /// The seats of a leaf; nothing where it does not read.
    pub(super) fn leaf(&self, roll: &Roll, index: u64) -> Result<Option<Vec<Seat>>, Error> {
        let key = self.scene.space().roster(roll, 0, index);
        match self.scene.read(&key) {
            Ok(leaf) => Ok(Some(leaf.unwrap_or_default())),
            Err(Error::Corrupt(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The seats of a leaf. One that does not read, or is gone although it is counted, has been made anew from what the
    /// keys have led to; where the keys are not listed it is left as it is.
    pub(super) fn leaf_or_left(&mut self, roll: &Roll, index: u64) -> Result<Option<Vec<Seat>>, Error> {
        let key = self.scene.space().roster(roll, 0, index);
        let found = self.leaf(roll, index)?;
        let is_lost = match &found {
            None => true,
            Some(seats) => self.position.unlisted && seats.is_empty() && self.counted(roll, index)? > 0,
        };
        if is_lost && self.position.unlisted {
            self.position.uncounted |= *roll == Roll::Main;
            self.leave(format!("roster: {key} is lost, and the store does not list the keys that it can be made from"));
            return Ok(None);
        }
        if is_lost && let Some(turn) = self.differs(|| format!("roster: {key} does not read")) {
            turn.remove(key);
        }
        Ok(Some(found.unwrap_or_default()))
    }

    /// How many seats the node above a leaf says that it has.
    fn counted(&self, roll: &Roll, leaf: u64) -> Result<u64, Error> {
        let counts: Option<Vec<u64>> = self.value(&self.scene.space().roster(roll, 1, leaf / NODE_CHILDREN))?;
        let place = usize::try_from(leaf % NODE_CHILDREN).unwrap_or(usize::MAX);
        Ok(counts.and_then(|counts| counts.get(place).copied()).unwrap_or_default())
    }

    /// Writes a leaf where it differs, and looks at the counts above it.
    pub(super) fn put_leaf(
        &mut self,
        roll: &Roll,
        index: u64,
        found: &[Seat],
        mut kept: Vec<Seat>,
        reach: u64,
    ) -> Result<(), Error> {
        let key = self.scene.space().roster(roll, 0, index);
        if !is_in_order(&kept) {
            kept.sort_unstable();
            kept.dedup_by_key(|(slot, _)| *slot);
            self.differs(|| format!("roster: {key} is not in order"));
        }
        if *found != *kept
            && let Some(turn) = self.scene.turn()
        {
            turn.write(key, &kept);
        }
        let is_last = (index + 1) * LEAF_SLOTS >= reach;
        self.count_above(roll, index, count(kept.len()), is_last)
    }

    /// The counts above a leaf that has so many seats. Those above the nearest node are looked at with its last leaf.
    fn count_above(&mut self, roll: &Roll, leaf: u64, seats: u64, is_last: bool) -> Result<(), Error> {
        let (mut child, mut below) = (leaf, seats);
        for level in 1..=TOP {
            let (index, place) = node_of(level, child);
            let key = self.scene.space().roster(roll, level, index);
            let found = self.node(roll, level, index)?;
            let mut counts = match &found {
                Some(counts) => counts.clone(),
                None => self.children(roll, level, index)?,
            };
            if counts.len() <= place {
                counts.resize(place + 1, 0);
            }
            if let Some(count) = counts.get_mut(place) {
                *count = below;
            }
            if is_last {
                counts.truncate(place + 1);
            }
            if found.as_ref().is_none_or(|found| !same_counts(found, &counts)) {
                if let Some(turn) = self.differs(|| format!("roster: {key} says something else than the leaves")) {
                    turn.write(key, &counts);
                }
            } else if !is_last && !(leaf + 1).is_multiple_of(NODE_CHILDREN) {
                return Ok(());
            }
            below = counts.iter().sum();
            child = index;
        }
        self.count_members(roll, below)
    }

    /// How many members there are, where that is kept beside the roster. A change that seats a member compares the two, so
    /// they are brought together at once.
    fn count_members(&mut self, roll: &Roll, members: u64) -> Result<(), Error> {
        let Some(turn) = self.scene.turn() else {
            return Ok(());
        };
        match roll {
            Roll::Main => turn.head.state.main.members = members,
            Roll::Groups => turn.head.state.groups.members = members,
            Roll::MembersOf(group) => {
                let group = group.clone();
                self.count_members_of(&group, members)?;
            }
            Roll::Entry(_) => {}
        }
        Ok(())
    }

    /// The counts of a node; nothing where it does not read.
    pub(super) fn node(&self, roll: &Roll, level: u8, index: u64) -> Result<Option<Vec<u64>>, Error> {
        let key = self.scene.space().roster(roll, level, index);
        match self.scene.read::<Vec<u64>>(&key) {
            Ok(counts) => Ok(Some(counts.unwrap_or_default())),
            Err(Error::Corrupt(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a node has to say, by its children.
    pub(super) fn children(&self, roll: &Roll, level: u8, index: u64) -> Result<Vec<u64>, Error> {
        let mut counts = Vec::new();
        for place in 0..places_of(level) {
            counts.push(self.below(roll, level, index * NODE_CHILDREN + place)?);
        }
        Ok(counts)
    }

    /// How many are below a child of a node of this level.
    pub(super) fn below(&self, roll: &Roll, level: u8, child: u64) -> Result<u64, Error> {
        Ok(if level == 1 {
            count(self.leaf(roll, child)?.unwrap_or_default().len())
        } else {
            self.node(roll, level - 1, child)?.unwrap_or_default().iter().sum()
        })
    }

    /// A node that was found by its key: each child has as many as it says.
    pub(super) fn node_by_key(&mut self, roll: &Roll, level: u8, index: u64) -> Result<(), Error> {
        let key = self.scene.space().roster(roll, level, index);
        let found = self.node(roll, level, index)?;
        let counts = match &found {
            Some(found) => {
                let mut counts = Vec::with_capacity(found.len());
                for (place, count) in (0..places_of(level)).zip(found) {
                    let child = index.saturating_mul(NODE_CHILDREN).saturating_add(place);
                    counts.push(if *count == 0 { 0 } else { self.below(roll, level, child)? });
                }
                counts
            }
            None => self.children(roll, level, index)?,
        };
        let is_empty = counts.iter().all(|count| *count == 0);
        let prunes = matches!(roll, Roll::Entry(_));
        let fits = found.as_ref().is_some_and(|found| same_counts(found, &counts)) && !(prunes && is_empty);
        if !fits && let Some(turn) = self.differs(|| format!("roster: {key} says something else than the leaves")) {
            if is_empty {
                turn.remove(key);
            } else {
                turn.write(key, &counts);
            }
        }
        if !fits && level == TOP {
            self.count_members(roll, counts.iter().sum())?;
        }
        Ok(())
    }

    /// A key of the roster of a kind.
    pub(super) fn roster_key(&mut self, kind: Kind, level: u8, index: u64) -> Result<(), Error> {
        let roll = kind.roll();
        if level > 0 {
            return self.node_by_key(&roll, level, index);
        }
        let reach = extent(&mut self.scene.head().clone(), kind).next_slot;
        let Some(seats) = self.leaf(&roll, index)? else {
            return Ok(());
        };
        if !seats.is_empty()
            && (index >= reach.div_ceil(LEAF_SLOTS) || self.counted(&roll, index)? != count(seats.len()))
        {
            self.leaf_of_kind(kind, index, reach)?;
        }
        Ok(())
    }

    /// Brings the counts above a leaf of an entry in line with it.
    pub(super) fn recount(&mut self, roll: &Roll, leaf: u64) -> Result<(), Error> {
        let mut below = count(self.leaf(roll, leaf)?.unwrap_or_default().len());
        let mut child = leaf;
        for level in 1..=TOP {
            let (index, place) = node_of(level, child);
            let key = self.scene.space().roster(roll, level, index);
            let found = self.node_of_entry(roll, level, index)?;
            let mut counts = match &found {
                Some(counts) => counts.clone(),
                None => self.children(roll, level, index)?,
            };
            if counts.len() <= place {
                counts.resize(place + 1, 0);
            }
            if let Some(count) = counts.get_mut(place) {
                *count = below;
            }
            let is_empty = counts.iter().all(|count| *count == 0);
            if found.as_ref().is_none_or(|found| !same_counts(found, &counts) || is_empty && !found.is_empty())
                && let Some(turn) = self.differs(|| format!("index: {key} says something else than the leaves"))
            {
                if is_empty {
                    turn.remove(key);
                } else {
                    turn.write(key, &counts);
                }
            }
            below = counts.iter().sum();
            child = index;
        }
        Ok(())
    }

    /// The counts of a node in the roster of an entry, whose top stands where a short one would.
    fn node_of_entry(&self, roll: &Roll, level: u8, index: u64) -> Result<Option<Vec<u64>>, Error> {
        let key = self.scene.space().roster(roll, level, index);
        readable(self.scene.read::<Vec<u64>>(&key)).map(|found| match found {
            Some(counts) => Some(counts),
            None if level < TOP => Some(Vec::new()),
            None => None,
        })
    }
}

/// The node of a level that counts a child, and the child's place in it.
fn node_of(level: u8, child: u64) -> (u64, usize) {
    let (index, place) = if level == TOP { (0, child) } else { (child / NODE_CHILDREN, child % NODE_CHILDREN) };
    (index, usize::try_from(place.min(places_of(level))).unwrap_or(usize::MAX))
}

/// How many children a node of a level has at most.
fn places_of(level: u8) -> u64 {
    if level == TOP { PLACES_OF_TOP } else { NODE_CHILDREN }
}

/// As many as the slots that a roster may have need.
const PLACES_OF_TOP: u64 = 1_024;

const _: () = assert!(
    LIMITS.slots_max <= PLACES_OF_TOP * LEAF_SLOTS * NODE_CHILDREN * NODE_CHILDREN,
    "the top has a place for each slot"
);

/// Whether counts say the same; zeros behind them say nothing.
fn same_counts(one: &[u64], other: &[u64]) -> bool {
    let plain = |counts: &[u64]| counts.iter().rposition(|count| *count != 0).map_or(0, |last| last + 1);
    one[..plain(one)] == other[..plain(other)]
}

//! The roster: the members of a space or of a group in the order in which they came, countable without listing keys.
//!
//! A member gets the next slot and keeps it. 64 slots make a leaf that names its members; above the leaves stand
//! three levels of counts, 256 children a node, so that the n-th member is found with four reads, however many
//! there are, and a change rewrites four small values. A slot whose member has left stays empty: nobody moves.
//!
//! A long [`entry`](super::entry) is a roster, too, whose members have slots already: those of the roster of their kind.
//! They are placed in any order, and what becomes empty goes.

pub(crate) use crate::keys::ROSTER_TOP as TOP;
use crate::keys::{Roll, Space};
use crate::ledger::{Error, HeadState, Read, Turn};
use crate::ports::READS_MAX;
use serde::de::MapAccess;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// How far a roster reaches.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Extent {
    /// Members that it has.
    pub members: u64,
    /// The slot that the next one takes.
    pub next_slot: u64,
}

impl Extent {
    /// The members by which an extent stands in an object with others.
    pub(crate) const MEMBERS: &'static [&'static str] = &["members", "nextSlot"];

    /// Writes them.
    pub(crate) fn write<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        object.serialize_entry("members", &self.members)?;
        object.serialize_entry("nextSlot", &self.next_slot)
    }

    /// Reads the value of one. Answers whether it is one of them.
    pub(crate) fn read<'de, M: MapAccess<'de>>(&mut self, name: &str, object: &mut M) -> Result<bool, M::Error> {
        match name {
            "members" => self.members = object.next_value()?,
            "nextSlot" => self.next_slot = object.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Slots of a leaf.
pub(crate) const LEAF_SLOTS: u64 = 64;
/// Children of a node.
pub(crate) const NODE_CHILDREN: u64 = 256;

/// A member and its slot.
pub(crate) type Seat = (u64, String);

/// Adds a member at the end and answers its slot.
pub(crate) fn append(
    turn: &mut Turn<'_, impl HeadState>,
    roll: &Roll,
    extent: &mut Extent,
    member: &str,
) -> Result<u64, Error> {
    let slot = extent.next_slot;
    extent.next_slot += 1;
    if !seat(turn, roll, extent, slot, member)? {
        return Err(Error::Damaged(format!("roster {roll:?}: slot {slot} or one behind it is taken already")));
    }
    Ok(slot)
}

/// Gives a member a slot that the roster reaches. False where the slot, or one behind it in the same leaf, is taken.
pub(crate) fn seat(
    turn: &mut Turn<'_, impl HeadState>,
    roll: &Roll,
    extent: &mut Extent,
    slot: u64,
    member: &str,
) -> Result<bool, Error> {
    if !seat_at_end(turn, roll, slot, member)? {
        return Ok(false);
    }
    extent.members += 1;
    let counted: u64 = node(turn, roll, TOP, 0)?.iter().sum();
    if counted != extent.members {
        let expected = extent.members;
        return Err(Error::Damaged(format!(
            "roster {roll:?}: expected {expected} members in its counts, found {counted}"
        )));
    }
    Ok(true)
}

fn seat_at_end(turn: &mut Turn<'_, impl HeadState>, roll: &Roll, slot: u64, member: &str) -> Result<bool, Error> {
    let key = turn.space().roster(roll, 0, leaf_of(slot));
    let mut leaf = OpenArray::of(turn.get(&key)?).ok_or_else(|| not_as_written(&key))?;
    if leaf.last_slot().map_err(|_| not_as_written(&key))?.is_some_and(|taken| taken >= slot) {
        return Ok(false);
    }
    leaf.push(&(slot, member));
    turn.put(key, leaf.stored());
    count(turn, roll, slot, 1)?;
    Ok(true)
}

/// Gives a member of an entry its slot, whoever is behind it. Who was there before is there no more.
pub(crate) fn place(turn: &mut Turn<'_, impl HeadState>, roll: &Roll, slot: u64, member: &str) -> Result<(), Error> {
    if seat_at_end(turn, roll, slot, member)? {
        return Ok(());
    }
    let mut seats = leaf(turn, roll, leaf_of(slot))?;
    let key = turn.space().roster(roll, 0, leaf_of(slot));
    match seats.binary_search_by_key(&slot, |(taken, _)| *taken) {
        Ok(place) => {
            seats[place].1 = member.to_owned();
            turn.write(key, &seats);
        }
        Err(place) => {
            seats.insert(place, (slot, member.to_owned()));
            turn.write(key, &seats);
            count(turn, roll, slot, 1)?;
        }
    }
    Ok(())
}

/// Takes a member out of an entry, and with it a leaf or a node that has nobody else. Nothing where somebody else has the
/// slot.
pub(crate) fn displace(turn: &mut Turn<'_, impl HeadState>, roll: &Roll, slot: u64, member: &str) -> Result<(), Error> {
    let mut seats = leaf(turn, roll, leaf_of(slot))?;
    let Some(place) = seats.iter().position(|(taken, other)| *taken == slot && other == member) else {
        return Ok(());
    };
    seats.remove(place);
    let key = turn.space().roster(roll, 0, leaf_of(slot));
    if seats.is_empty() {
        turn.remove(key);
    } else {
        turn.write(key, &seats);
    }
    count(turn, roll, slot, -1)
}

/// Takes a member out.
pub(crate) fn remove(
    turn: &mut Turn<'_, impl HeadState>,
    roll: &Roll,
    extent: &mut Extent,
    slot: u64,
) -> Result<(), Error> {
    remove_many(turn, roll, extent, &[slot])
}

/// Takes members out; each leaf that they stand in is read and written once, however many of them do.
pub(crate) fn remove_many(
    turn: &mut Turn<'_, impl HeadState>,
    roll: &Roll,
    extent: &mut Extent,
    slots: &[u64],
) -> Result<(), Error> {
    let mut slots = slots.to_vec();
    slots.sort_unstable();
    for of_leaf in slots.chunk_by(|one, other| leaf_of(*one) == leaf_of(*other)) {
        let Some(first) = of_leaf.first().copied() else {
            continue;
        };
        let mut leaf = leaf(turn, roll, leaf_of(first))?;
        let seats = leaf.len();
        leaf.retain(|(taken, _)| of_leaf.binary_search(taken).is_err());
        let gone = seats - leaf.len();
        if gone == 0 {
            continue;
        }
        turn.write(turn.space().roster(roll, 0, leaf_of(first)), &leaf);
        count(turn, roll, first, -i64::try_from(gone).expect("a leaf has 64 seats"))?;
        extent.members = extent.members.saturating_sub(gone as u64);
    }
    Ok(())
}

/// Takes every member out at once.
pub(crate) fn raze(turn: &mut Turn<'_, impl HeadState>, roll: &Roll, extent: &mut Extent) {
    for key in keys(turn.space(), roll, extent.next_slot) {
        turn.remove(key);
    }
    *extent = Extent::default();
}

/// The members from the `skip`-th on, `limit` of them at most.
pub(crate) fn page(view: &impl Read, roll: &Roll, skip: u64, limit: usize) -> Result<Vec<Seat>, Error> {
    let mut walk = Walk { roll, skip, limit, seats: Vec::new() };
    walk.node(view, TOP, 0)?;
    Ok(walk.seats)
}

/// Which way to go, and from which slot. Slots never move, so a place is the same whoever comes and leaves meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// This slot and those behind it, in order.
    From(u64),
    /// Those ahead of this slot, the nearest first.
    Before(u64),
}

/// Shows members one by one until the visitor has seen enough. It costs the way down to the first of them and the leaves
/// of those that are shown.
pub(crate) fn visit<E: From<Error>>(
    view: &impl Read,
    roll: &Roll,
    way: Way,
    visitor: &mut impl FnMut(u64, &str) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    let one_by_one = &mut |seats: &[Seat]| -> Result<ControlFlow<()>, E> {
        for (slot, member) in seats {
            if visitor(*slot, member)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    Descent { view, roll, way, leaves: 1, more_leaves: 1 }.below(TOP, 0, one_by_one)
}

/// Leaves that are read at once where many members are shown.
pub(crate) const LEAVES_AT_ONCE: usize = 16;

/// Shows members run by run until the visitor has seen enough: those of so many leaves first, which are read at once, and
/// then of [`LEAVES_AT_ONCE`] each time.
pub(crate) fn visit_runs<E: From<Error>>(
    view: &impl Read,
    roll: &Roll,
    way: Way,
    leaves: usize,
    visitor: &mut impl FnMut(&[Seat]) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    let leaves = leaves.clamp(1, LEAVES_AT_ONCE);
    Descent { view, roll, way, leaves, more_leaves: LEAVES_AT_ONCE }.below(TOP, 0, visitor)
}

/// A way through a roster.
struct Descent<'d, V> {
    view: &'d V,
    roll: &'d Roll,
    way: Way,
    /// Leaves that are read at once next.
    leaves: usize,
    /// Leaves that are read at once after that.
    more_leaves: usize,
}

impl<V: Read> Descent<'_, V> {
    fn below<E: From<Error>>(
        &mut self,
        level: u8,
        index: u64,
        visitor: &mut impl FnMut(&[Seat]) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        let children = self.children(level, index)?;
        if level > 1 {
            for child in children {
                if self.below(level - 1, child, visitor)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        let mut leaves = children.as_slice();
        while !leaves.is_empty() {
            let (run, rest) = leaves.split_at(self.leaves.min(leaves.len()));
            (leaves, self.leaves) = (rest, self.more_leaves);
            if self.run(run, visitor)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Shows the members of some leaves. Those ahead of a leaf that cannot be read are shown before that is said.
    fn run<E: From<Error>>(
        &self,
        leaves: &[u64],
        visitor: &mut impl FnMut(&[Seat]) -> Result<ControlFlow<()>, E>,
    ) -> Result<ControlFlow<()>, E> {
        leaves_ahead(self.view, self.roll, leaves);
        let (mut seats, mut failed) = (Vec::new(), None);
        for index in leaves {
            match leaf(self.view, self.roll, *index) {
                Ok(mut leaf) => {
                    match self.way {
                        Way::From(bound) => leaf.retain(|(slot, _)| *slot >= bound),
                        Way::Before(bound) => {
                            leaf.retain(|(slot, _)| *slot < bound);
                            leaf.reverse();
                        }
                    }
                    seats.append(&mut leaf);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let seen = if seats.is_empty() { ControlFlow::Continue(()) } else { visitor(&seats)? };
        match failed {
            Some(error) if seen.is_continue() => Err(error.into()),
            Some(_) | None => Ok(seen),
        }
    }

    /// The children of a node that have members on the way, in its order.
    fn children(&self, level: u8, index: u64) -> Result<Vec<u64>, Error> {
        let counts = node(self.view, self.roll, level, index)?;
        // The slots below one child.
        let width = LEAF_SLOTS * NODE_CHILDREN.pow(u32::from(level - 1));
        let mut children: Vec<u64> = (index * NODE_CHILDREN..)
            .zip(&counts)
            .filter(|(_, members)| **members > 0)
            .map(|(child, _)| child)
            .collect();
        match self.way {
            Way::From(bound) => children.retain(|child| child * width + (width - 1) >= bound),
            Way::Before(bound) => {
                children.retain(|child| child * width < bound);
                children.reverse();
            }
        }
        Ok(children)
    }
}

/// Every key that a roster of so many slots can have.
pub(crate) fn keys(space: &Space, roll: &Roll, slots: u64) -> Vec<String> {
    let leaves = slots.div_ceil(LEAF_SLOTS);
    let mut keys: Vec<String> = (0..leaves).map(|index| space.roster(roll, 0, index)).collect();
    let mut nodes = leaves;
    for level in 1..=TOP {
        nodes = if level == TOP { 1 } else { nodes.div_ceil(NODE_CHILDREN) };
        keys.extend((0..nodes).map(|index| space.roster(roll, level, index)));
    }
    keys
}

/// The keys of a leaf and of all counts above it.
pub(crate) fn path(space: &Space, roll: &Roll, leaf: u64) -> Vec<String> {
    let mut keys = vec![space.roster(roll, 0, leaf)];
    let mut child = leaf;
    for level in 1..=TOP {
        child = if level == TOP { 0 } else { child / NODE_CHILDREN };
        keys.push(space.roster(roll, level, child));
    }
    keys
}

/// The leaf of a slot.
pub(crate) fn leaf_of(slot: u64) -> u64 {
    slot / LEAF_SLOTS
}

/// What has to stand under the keys of a roster that has these members.
pub(crate) fn values(space: &Space, roll: &Roll, seats: &BTreeMap<u64, String>) -> Vec<(String, Value)> {
    let mut leaves: BTreeMap<u64, Vec<(u64, &String)>> = BTreeMap::new();
    for (slot, member) in seats {
        leaves.entry(leaf_of(*slot)).or_default().push((*slot, member));
    }
    let mut values: Vec<(String, Value)> =
        leaves.iter().map(|(index, leaf)| (space.roster(roll, 0, *index), json!(leaf))).collect();
    let mut children: BTreeMap<u64, usize> = leaves.iter().map(|(index, leaf)| (*index, leaf.len())).collect();
    for level in 1..=TOP {
        let mut nodes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (child, members) in children {
            let (index, place) = if level == TOP { (0, child) } else { (child / NODE_CHILDREN, child % NODE_CHILDREN) };
            let node = nodes.entry(index).or_default();
            node.resize(usize::try_from(place).unwrap_or(usize::MAX), 0);
            node.push(members);
        }
        values.extend(nodes.iter().map(|(index, node)| (space.roster(roll, level, *index), json!(node))));
        children = nodes.into_iter().map(|(index, node)| (index, node.iter().sum())).collect();
    }
    values
}

struct Walk<'r> {
    roll: &'r Roll,
    skip: u64,
    limit: usize,
    seats: Vec<Seat>,
}

impl Walk<'_> {
    /// Reads the leaves of a node that the page needs at once, as many as one call reads.
    fn leaves_ahead(&self, view: &impl Read, index: u64, counts: &[u64]) {
        let (mut skip, mut open) = (self.skip, u64::try_from(self.limit - self.seats.len()).unwrap_or(u64::MAX));
        let mut leaves = Vec::new();
        for (child, members) in (index * NODE_CHILDREN..).zip(counts) {
            if open == 0 || leaves.len() == READS_MAX {
                break;
            }
            if *members <= skip {
                skip -= members;
            } else {
                leaves.push(child);
                open = open.saturating_sub(members - skip);
                skip = 0;
            }
        }
        leaves_ahead(view, self.roll, &leaves);
    }

    fn node(&mut self, view: &impl Read, level: u8, index: u64) -> Result<(), Error> {
        if level == 0 {
            let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
            let open = self.limit - self.seats.len();
            self.seats.extend(leaf(view, self.roll, index)?.into_iter().skip(skip).take(open));
            self.skip = 0;
            return Ok(());
        }
        let counts = node(view, self.roll, level, index)?;
        if level == 1 {
            self.leaves_ahead(view, index, &counts);
        }
        for (child, members) in (0..).zip(counts) {
            if self.seats.len() >= self.limit {
                break;
            }
            if members <= self.skip {
                self.skip -= members;
            } else {
                self.node(view, level - 1, index * NODE_CHILDREN + child)?;
            }
        }
        Ok(())
    }
}

fn not_as_written(key: &str) -> Error {
    Error::Corrupt(format!("{key}: expected an array of a roster, found something else"))
}

/// A stored JSON array without its last bracket. Appending an element must not parse the elements before it: one turn may
/// append many members to a leaf.
struct OpenArray(Vec<u8>);

impl OpenArray {
    /// Nothing where it is not as we write it.
    fn of(stored: Option<Vec<u8>>) -> Option<OpenArray> {
        let mut text = stored.unwrap_or_else(|| b"[]".to_vec());
        (text.first() == Some(&b'[') && text.len() > 1 && text.pop() == Some(b']')).then_some(OpenArray(text))
    }

    fn elements(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    /// The slot of the last seat of a leaf, if it has any.
    fn last_slot(&self) -> serde_json::Result<Option<u64>> {
        let seats = self.elements();
        if seats.is_empty() {
            return Ok(None);
        }
        // A seat is an array itself.
        let start = seats.iter().rposition(|byte| *byte == b'[').unwrap_or(0);
        let (slot, _): (u64, &str) = serde_json::from_slice(seats.get(start..).unwrap_or_default())?;
        Ok(Some(slot))
    }

    /// Adds to a count of a node that is the last one, or comes behind it. False where it is neither.
    fn add_at_end(&mut self, place: usize, change: i64) -> bool {
        let counts = self.elements();
        let commas = counts.iter().filter(|byte| **byte == b',').count();
        let mut len = if counts.is_empty() { 0 } else { commas + 1 };
        let mut count = 0_u64;
        if place + 1 == len {
            let comma = counts.iter().rposition(|byte| *byte == b',');
            let last = comma.map_or(counts, |comma| counts.get(comma + 1..).unwrap_or_default());
            let Ok(last) = serde_json::from_slice(last) else {
                return false;
            };
            count = last;
            self.0.truncate(1 + comma.unwrap_or(0));
            len -= 1;
        }
        if place < len {
            return false;
        }
        (len..place).for_each(|_| self.push(&0));
        self.push(&count.saturating_add_signed(change));
        true
    }

    fn push(&mut self, element: &impl Serialize) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        serde_json::to_writer(&mut self.0, element).expect("elements are plain data");
    }

    fn stored(mut self) -> Vec<u8> {
        self.0.push(b']');
        self.0
    }
}

/// Adds to the counts above a slot.
fn count(turn: &mut Turn<'_, impl HeadState>, roll: &Roll, slot: u64, change: i64) -> Result<(), Error> {
    let prunes = matches!(roll, Roll::Entry(_));
    let mut child = slot / LEAF_SLOTS;
    for level in 1..=TOP {
        let (index, place) = if level == TOP { (0, child) } else { (child / NODE_CHILDREN, child % NODE_CHILDREN) };
        let place = usize::try_from(place).expect("a roster has fewer slots than this machine has addresses");
        let key = turn.space().roster(roll, level, index);
        // What becomes empty is looked at whole.
        let line = if prunes && change < 0 { None } else { OpenArray::of(turn.get(&key)?) };
        match line.and_then(|mut line| line.add_at_end(place, change).then(|| line.stored())) {
            Some(stored) => turn.put(key, stored),
            None => {
                let mut counts = node(turn, roll, level, index)?;
                let count = counts.get_mut(place).ok_or_else(|| not_as_written(&key))?;
                *count = count.saturating_add_signed(change);
                if prunes && counts.iter().all(|count| *count == 0) {
                    turn.remove(key);
                } else {
                    turn.write(key, &counts);
                }
            }
        }
        child = index;
    }
    Ok(())
}

fn leaves_ahead(view: &impl Read, roll: &Roll, leaves: &[u64]) {
    if leaves.len() > 1 {
        view.read_ahead(leaves.iter().map(|index| view.space().roster(roll, 0, *index)).collect());
    }
}

fn leaf(view: &impl Read, roll: &Roll, index: u64) -> Result<Vec<Seat>, Error> {
    Ok(view.read(&view.space().roster(roll, 0, index))?.unwrap_or_default())
}

fn node(view: &impl Read, roll: &Roll, level: u8, index: u64) -> Result<Vec<u64>, Error> {
    Ok(view.read(&view.space().roster(roll, level, index))?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stored: &str) -> Option<OpenArray> {
        OpenArray::of(Some(stored.as_bytes().to_vec()))
    }

    fn added(stored: &str, place: usize, change: i64) -> Option<String> {
        let mut line = line(stored)?;
        line.add_at_end(place, change).then(|| String::from_utf8(line.stored()).unwrap())
    }

    #[test]
    fn who_comes_is_put_behind_the_others() {
        for (before, last, after) in [
            ("[]", None, r#"[[7,"b"]]"#),
            (r#"[[3,"a"]]"#, Some(3), r#"[[3,"a"],[7,"b"]]"#),
            (r#"[[3,"a"],[6,"c"]]"#, Some(6), r#"[[3,"a"],[6,"c"],[7,"b"]]"#),
        ] {
            let mut line = line(before).unwrap();
            assert_eq!(line.last_slot().unwrap(), last, "{before}");
            line.push(&(7, "b"));
            assert_eq!(String::from_utf8(line.stored()).unwrap(), after);
        }
        assert_eq!(OpenArray::of(None).unwrap().stored(), b"[]");
    }

    #[test]
    fn a_count_at_the_end_is_raised_or_made() {
        assert_eq!(added("[]", 0, 1).as_deref(), Some("[1]"));
        assert_eq!(added("[]", 2, 1).as_deref(), Some("[0,0,1]"));
        assert_eq!(added("[64]", 0, -1).as_deref(), Some("[63]"));
        assert_eq!(added("[64,9]", 1, 1).as_deref(), Some("[64,10]"));
        assert_eq!(added("[64,9]", 2, 1).as_deref(), Some("[64,9,1]"));
        assert_eq!(added("[64,0]", 1, -1).as_deref(), Some("[64,0]"));
        assert_eq!(added("[64,9]", 0, 1), None);
    }

    #[test]
    fn what_is_no_array_of_ours_is_not_added_to() {
        for stored in ["", "[", "]", "{}", "7"] {
            assert!(line(stored).is_none(), "{stored}");
        }
        for stored in ["[7]", r#"["a"]"#, r#"[[3,"a"],7]"#, r#"[[3,"a"],[x]]"#] {
            assert!(line(stored).unwrap().last_slot().is_err(), "{stored}");
        }
        for stored in [r#"["a"]"#, "[1,null]", "[1,]"] {
            assert_eq!(added(stored, stored.matches(',').count(), 1), None, "{stored}");
        }
    }
}

//! Entries: which resources have a value, such as an e-mail address, and which groups a member is in.
//!
//! How many may share a value is for the provider to say: a mapping that sends a constant gives all users one mailbox. So
//! an entry has a bounded size whatever is shared, and a change of it costs the same, the first as the millionth. Up to
//! [`entry_short_max`](crate::settings::Limits::entry_short_max) resources it is one value, a list. A longer one is a
//! roster, with the slots that the resources have in the roster of their kind: the top of it stands where the list stood,
//! so a reader sees with one read which of the two it is. Either way resources come in the order of their slots, and a long
//! entry is read page by page.
//!
//! A list of texts is an entry of an earlier layout: ids alone. It reads as one that has nobody, and is made anew by
//! whoever joins it; so the [migration](super::migrate) needs no two forms, and what damage has left behind stops nobody.
//!
//! An entry that was long stays so until a quarter of that is left, so that one who comes and goes at the border does not
//! turn it over and over.

use super::{Document, roster};
use crate::keys::{EntryName, Roll};
use crate::ledger::{Error, Read};
use crate::settings::LIMITS;
use crate::tenant::state::TenantTurn;
use roster::Seat;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// How few resources make a long entry a short one again.
const SHORT_AGAIN: usize = LIMITS.entry_short_max / 4;

const _: () = assert!(SHORT_AGAIN > 0, "an entry that shrinks to nothing has to be short by then");

/// What stands under the key of an entry.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// The present state of the user who has the name. Before it sends anything else about a user, a provider looks the
    /// name up, so the user itself is there, unless it is large, and one read answers. It is written whenever the document
    /// is.
    Whole(Box<Document>),
    /// Slots and ids, in the order of the slots.
    Short(Vec<Seat>),
    /// The top of a roster: how many there are below each of its children.
    Long(Vec<u64>),
}

impl Entry {
    /// How many resources it has.
    pub(super) fn len(&self) -> u64 {
        match self {
            Entry::Whole(_) => 1,
            Entry::Short(seats) => u64::try_from(seats.len()).unwrap_or(u64::MAX),
            Entry::Long(counts) => counts.iter().sum(),
        }
    }

    /// Whether it is long and has so few resources that it has to be short.
    pub(super) fn is_short_again(&self) -> bool {
        matches!(self, Entry::Long(_)) && self.len() <= u64::try_from(SHORT_AGAIN).unwrap_or(u64::MAX)
    }

    /// Slots and ids of those from the `skip`-th on, `limit` of them at most.
    pub(super) fn page(self, view: &impl Read, name: &EntryName, skip: u64, limit: usize) -> Result<Vec<Seat>, Error> {
        let seats = match self {
            Entry::Whole(document) => vec![(document.slot, document.resource.id)],
            Entry::Short(seats) => seats,
            Entry::Long(_) => return roster::page(view, &Roll::Entry(name.clone()), skip, limit),
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Ok(seats.into_iter().skip(skip).take(limit).collect())
    }

    /// Whether a user that is stored like this stands under its name whole.
    pub(super) fn holds(stored: &[u8]) -> bool {
        stored.len() <= LIMITS.named_bytes_max
    }
}

/// What an entry says; nothing where nobody has the value.
pub(super) fn read(view: &impl Read, name: &EntryName) -> Result<Option<Entry>, Error> {
    view.read(&view.space().entry(name))
}

/// Slots and ids of `limit` resources at most, the first ones.
pub(super) fn first(view: &impl Read, name: &EntryName, limit: usize) -> Result<Vec<Seat>, Error> {
    match read(view, name)? {
        Some(entry) => entry.page(view, name, 0, limit),
        None => Ok(Vec::new()),
    }
}

/// Puts a resource into an entry, if it is not there.
pub(super) fn join(turn: &mut TenantTurn<'_>, name: &EntryName, slot: u64, id: &str) -> Result<(), Error> {
    let mut seats = match read(turn, name)? {
        None => Vec::new(),
        Some(Entry::Whole(document)) => vec![(document.slot, document.resource.id)],
        Some(Entry::Short(seats)) => seats,
        Some(Entry::Long(_)) => return roster::place(turn, &Roll::Entry(name.clone()), slot, id),
    };
    // Two resources never have one slot: who is found in it was left behind.
    seats.retain(|(taken, other)| *taken != slot && other != id);
    let place = seats.partition_point(|(taken, _)| *taken < slot);
    seats.insert(place, (slot, id.to_owned()));
    let key = turn.space().entry(name);
    if seats.len() <= LIMITS.entry_short_max {
        turn.write(key, &seats);
        return Ok(());
    }
    turn.remove(key);
    seats.iter().try_for_each(|(slot, id)| roster::place(turn, &Roll::Entry(name.clone()), *slot, id))
}

/// Takes a resource out of an entry, if it is there.
pub(super) fn leave(turn: &mut TenantTurn<'_>, name: &EntryName, slot: u64, id: &str) -> Result<(), Error> {
    match read(turn, name)? {
        None => Ok(()),
        Some(Entry::Whole(document)) => {
            let seats =
                if document.resource.id == id { Vec::new() } else { vec![(document.slot, document.resource.id)] };
            put(turn, name, &seats);
            Ok(())
        }
        Some(Entry::Short(mut seats)) => {
            seats.retain(|(_, other)| other != id);
            put(turn, name, &seats);
            Ok(())
        }
        Some(Entry::Long(_)) => {
            let roll = Roll::Entry(name.clone());
            roster::displace(turn, &roll, slot, id)?;
            if read(turn, name)?.is_some_and(|entry| !entry.is_short_again()) {
                return Ok(());
            }
            let seats = roster::page(turn, &roll, 0, SHORT_AGAIN)?;
            seats.iter().try_for_each(|(slot, id)| roster::displace(turn, &roll, *slot, id))?;
            put(turn, name, &seats);
            Ok(())
        }
    }
}

fn put(turn: &mut TenantTurn<'_>, name: &EntryName, seats: &[Seat]) {
    let key = turn.space().entry(name);
    if seats.is_empty() {
        turn.remove(key);
    } else {
        turn.write(key, &seats);
    }
}

/// Gives a user's folded name to a user of this stored state, or takes it from one. Of several who have one name each
/// stays, the oldest first: where two names became one by another folding, or a store lost what kept them apart.
pub(super) fn give_name(
    turn: &mut TenantTurn<'_>,
    name: &EntryName,
    slot: u64,
    id: &str,
    user: Option<&[u8]>,
) -> Result<(), Error> {
    let shared = match read(turn, name) {
        Ok(None) => false,
        Ok(Some(Entry::Whole(document))) => document.resource.id != id,
        Ok(Some(Entry::Short(seats))) => seats.iter().any(|(_, other)| other != id),
        Ok(Some(Entry::Long(_))) => true,
        // It is made anew from the document here.
        Err(Error::Corrupt(_)) => false,
        Err(error) => return Err(error),
    };
    let key = turn.space().entry(name);
    match user {
        Some(_) if shared => join(turn, name, slot, id)?,
        None if shared => leave(turn, name, slot, id)?,
        Some(bytes) if Entry::holds(bytes) => turn.put(key, bytes.to_vec()),
        Some(_) => turn.write(key, &[(slot, id)]),
        None => turn.remove(key),
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user, a list of slots and ids, or a list of counts")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        Document::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(Entry::Whole)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry, A::Error> {
        let (mut seats, mut counts, mut ids) = (Vec::new(), Vec::new(), 0_usize);
        while let Some(item) = items.next_element()? {
            match item {
                Item::Seat(slot, id) => seats.push((slot, id)),
                Item::Count(count) => counts.push(count),
                Item::Id => ids += 1,
            }
        }
        match (seats.is_empty(), counts.is_empty(), ids) {
            (false, true, 0) | (true, true, 1..) => Ok(Entry::Short(seats)),
            (true, false, 0) => Ok(Entry::Long(counts)),
            (true, true, 0) | (false, false, _) | (false, true, 1..) | (true, false, 1..) => {
                Err(de::Error::custom("expected items of one kind"))
            }
        }
    }
}

/// An item of a list.
enum Item {
    Seat(u64, String),
    Count(u64),
    /// Of an earlier layout.
    Id,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slot with an id, or a count")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Item, E> {
        Ok(Item::Count(count))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Item, E> {
        Ok(Item::Id)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seat: A) -> Result<Item, A::Error> {
        let missing = || de::Error::custom("expected a slot and an id");
        let slot = seat.next_element()?.ok_or_else(missing)?;
        let id = seat.next_element()?.ok_or_else(missing)?;
        Ok(Item::Seat(slot, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_as_what_it_is() {
        let read = |text: &str| serde_json::from_str::<Entry>(text).map_err(|_| ());
        assert_eq!(read(r#"[[3,"a"],[7,"b"]]"#), Ok(Entry::Short(vec![(3, "a".to_owned()), (7, "b".to_owned())])));
        assert_eq!(read("[0,40]"), Ok(Entry::Long(vec![0, 40])));
        assert_eq!(read(r#"["a","b"]"#), Ok(Entry::Short(Vec::new())), "of an earlier layout");
        for wrong in [
            "[]",
            r#"["a",4]"#,
            r#"["a",[3,"a"]]"#,
            r#"[[3,"a"],4]"#,
            r#"[["a",3]]"#,
            "[[3]]",
            r#"[[3,"a",1]]"#,
            "[-1]",
            "7",
            "{}",
        ] {
            assert_eq!(read(wrong), Err(()), "{wrong}");
        }
    }
}

//! The head of a space: where its turns stand, and what whoever keeps the space has there beside that.

use super::damage::{Damage, InFlight};
use super::intent::{Intent, Pair};
use super::layout::{self, LAYOUT};
use super::read::{decode, value};
use super::{Error, Ledger, snapshot};
use crate::keys::Space;
use crate::settings::Settings;
use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Ended epochs that the head remembers, so that a holder which comes back late learns whether its commit counts.
const ENDED_MAX: usize = 8;

/// What whoever keeps a space has in its head beside what turns need: it is read and committed with every turn, so it costs
/// nothing of its own.
///
/// Its members and the ledger's are those of one JSON object, and none of them is buffered on the way in or out.
pub trait HeadState: Clone + fmt::Debug + PartialEq {
    /// What a turn may remember that is not stored.
    type Memo: Default;

    /// The members without which a head does not read.
    const REQUIRED: &'static [&'static str];

    /// That of a space which has no head yet.
    fn new(settings: &Settings) -> Self;

    /// What a stored head means that has no members of it.
    fn absent() -> Self;

    /// Writes the members that stand before those of the ledger which come and go.
    ///
    /// # Errors
    /// That of the serializer.
    fn write_first<M: SerializeMap>(&self, head: &mut M) -> Result<(), M::Error>;

    /// Writes the members that stand at the end.
    ///
    /// # Errors
    /// That of the serializer.
    fn write_last<M: SerializeMap>(&self, head: &mut M) -> Result<(), M::Error>;

    /// Reads the value of a member. Answers whether it is one of these.
    ///
    /// # Errors
    /// The value is none of this member.
    fn read<'de, M: MapAccess<'de>>(&mut self, name: &str, head: &mut M) -> Result<bool, M::Error>;
}

/// The one value that every turn reads and writes: where the space stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Head<S> {
    pub(super) layout: u32,
    /// Where the step to the next layout stands, while it is under way.
    pub(super) migrated_to: Option<String>,
    pub(super) epoch: u64,
    pub(super) done: u64,
    /// How far the latest epochs had come when they were ended.
    pub(super) ended: Vec<TurnProgress>,
    /// What the present turn has decided and is writing.
    pub(super) intent: Option<Intent<S>>,
    /// Keys that the turn before emptied. Only the holder of the turn may delete them: they may be written anew.
    pub(super) emptied: Vec<String>,
    /// Writes that may still arrive, on a store without a guard.
    pub(super) in_flight: Option<InFlight>,
    /// Why the space is closed for changes, while it is.
    pub(super) damage: Option<Damage>,
    /// The epoch in which the space was last opened again after it was mended.
    pub(super) mended_in: Option<u64>,
    /// The snapshot that somebody reads.
    pub(super) snapshot: Option<snapshot::Held>,
    /// What whoever keeps the space has here.
    pub state: S,
}

impl<S: HeadState> Head<S> {
    fn new(state: S) -> Head<S> {
        Head {
            layout: LAYOUT,
            migrated_to: None,
            epoch: 0,
            done: 0,
            ended: Vec::new(),
            intent: None,
            emptied: Vec::new(),
            in_flight: None,
            damage: None,
            mended_in: None,
            snapshot: None,
            state,
        }
    }

    /// What is wrong with the space, where that was seen and is not mended yet.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Whether what a write of this epoch did that came too late was mended. Such a write sets the head back to its own
    /// epoch, and the mending begins with a later one.
    pub(super) fn is_mended_after(&self, epoch: u64) -> bool {
        self.damage.is_none() && self.mended_in.is_some_and(|mended| mended > epoch)
    }

    pub(super) fn read(ledger: Ledger<'_>, space: &Space) -> Result<Head<S>, Error> {
        Ok(StoredHead::read(ledger, space)?.head)
    }

    pub(super) fn pair(&self, space: &Space) -> Pair {
        (space.head(), serde_json::to_vec(self).expect("a head is plain data"))
    }

    /// The first head of a later epoch, after the turns that this head knows.
    pub(super) fn of_epoch(self, epoch: u64) -> Head<S> {
        let mut ended = self.ended.clone();
        ended.push(self.progress());
        let forgotten = ended.len().saturating_sub(ENDED_MAX);
        ended.drain(..forgotten);
        Head { epoch, done: 0, intent: None, ended, ..self }
    }

    /// Whether a turn of an epoch was over when the head was written, or when its epoch was ended.
    pub(super) fn includes(&self, turn: TurnProgress) -> bool {
        let covers = |reached: &TurnProgress| reached.epoch == turn.epoch && reached.done >= turn.done;
        covers(&self.progress()) || self.ended.iter().any(covers)
    }

    /// The epoch, and how many of its turns are over: two heads that say the same are the same.
    pub(crate) fn moment(&self) -> (u64, u64) {
        (self.epoch, self.done)
    }

    /// How many turns are over, in the order of all epochs.
    pub(super) fn progress(&self) -> TurnProgress {
        TurnProgress { epoch: self.epoch, done: self.done }
    }
}

impl<S: HeadState> Serialize for Head<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("layout", &self.layout)?;
        write_some(&mut map, "migratedTo", self.migrated_to.as_ref())?;
        map.serialize_entry("epoch", &self.epoch)?;
        map.serialize_entry("done", &self.done)?;
        write_some(&mut map, "ended", Some(&self.ended).filter(|ended| !ended.is_empty()))?;
        write_some(&mut map, "intent", self.intent.as_ref())?;
        self.state.write_first(&mut map)?;
        map.serialize_entry("emptied", &self.emptied)?;
        write_some(&mut map, "inFlight", self.in_flight.as_ref())?;
        write_some(&mut map, "damage", self.damage.as_ref())?;
        write_some(&mut map, "mendedIn", self.mended_in.as_ref())?;
        write_some(&mut map, "snapshot", self.snapshot.as_ref())?;
        self.state.write_last(&mut map)?;
        map.end()
    }
}

fn write_some<M: SerializeMap, T: Serialize>(map: &mut M, name: &str, value: Option<&T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

impl<'de, S: HeadState> Deserialize<'de> for Head<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Head<S>, D::Error> {
        deserializer.deserialize_map(HeadVisitor(PhantomData))
    }
}

/// Reads the members of a head as they come.
struct HeadVisitor<S>(PhantomData<S>);

impl<'de, S: HeadState> Visitor<'de> for HeadVisitor<S> {
    type Value = Head<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the head of a space")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Head<S>, M::Error> {
        let mut head = Head::new(S::absent());
        let (mut layout, mut epoch, mut done, mut required) = (None, None, None, 0);
        while let Some(MemberName(name)) = map.next_key()? {
            match &*name {
                "layout" => layout = Some(map.next_value()?),
                "migratedTo" => head.migrated_to = map.next_value()?,
                "epoch" => epoch = Some(map.next_value()?),
                "done" => done = Some(map.next_value()?),
                "ended" => head.ended = map.next_value()?,
                "intent" => head.intent = map.next_value()?,
                "emptied" => head.emptied = map.next_value()?,
                "inFlight" => head.in_flight = map.next_value()?,
                "damage" => head.damage = map.next_value()?,
                "mendedIn" => head.mended_in = map.next_value()?,
                "snapshot" => head.snapshot = map.next_value()?,
                name if head.state.read(name, &mut map)? => required += usize::from(S::REQUIRED.contains(&name)),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if required < S::REQUIRED.len() {
            return Err(de::Error::custom(format!("expected the members {:?}, found {required} of them", S::REQUIRED)));
        }
        let missing = de::Error::missing_field;
        head.layout = layout.ok_or_else(|| missing("layout"))?;
        head.epoch = epoch.ok_or_else(|| missing("epoch"))?;
        head.done = done.ok_or_else(|| missing("done"))?;
        Ok(head)
    }
}

/// The name of a member, lent where it can be.
#[derive(Deserialize)]
struct MemberName<'n>(#[serde(borrow)] Cow<'n, str>);

/// Nothing beside the head's own: of a space whose head keeps no more, or for a look at the turns of any space.
impl HeadState for () {
    type Memo = ();

    const REQUIRED: &'static [&'static str] = &[];

    fn new(_: &Settings) {}

    fn absent() {}

    fn write_first<M: SerializeMap>(&self, _: &mut M) -> Result<(), M::Error> {
        Ok(())
    }

    fn write_last<M: SerializeMap>(&self, _: &mut M) -> Result<(), M::Error> {
        Ok(())
    }

    fn read<'de, M: MapAccess<'de>>(&mut self, _: &str, _: &mut M) -> Result<bool, M::Error> {
        Ok(false)
    }
}

/// How far the turns of a space have come. It never goes back, unless a write that was sent long ago arrives.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TurnProgress {
    pub(super) epoch: u64,
    pub(super) done: u64,
}

/// A head, and the bytes that it was read from, which are the condition of the commit that replaces them.
pub(super) struct StoredHead<S> {
    pub(super) head: Head<S>,
    pub(super) bytes: Option<Vec<u8>>,
}

impl<S: HeadState> StoredHead<S> {
    pub(super) fn read(ledger: Ledger<'_>, space: &Space) -> Result<StoredHead<S>, Error> {
        let key = space.head();
        let bytes = value(ledger.ports, &key)?;
        let head = match &bytes {
            None => Head::new(S::new(ledger.settings)),
            Some(bytes) => {
                let head: Head<S> = decode(&key, bytes)?;
                layout::expect_known(head.layout)?;
                head
            }
        };
        ledger.memory.tickets.note(space, head.progress());
        Ok(StoredHead { head, bytes })
    }
}

//! A space as it was at one moment, while changes go on: what an export reads.
//!
//! Who wants a snapshot says so in the head, within a turn. As long as that stands there, a turn that is about to change
//! a value writes the value before it along, in the same batch, under a key of the snapshot's own; only the first of a
//! key counts. Who reads the snapshot reads the present value and then the kept one: if the key has changed since the
//! moment of the snapshot, the kept one is there by then, and it is the answer. So a read costs two, a change costs
//! two reads more for each key that it writes and no further transaction, and nobody waits for anybody.
//!
//! A snapshot ends when its reader is done, when another one is asked for, or when [`LEASE`] has passed without a word
//! of its reader. From then on each turn deletes what one turn had kept, until nothing is left.

use super::head::{Head, HeadState};
use super::layout::Migrate;
use super::read::{Ahead, Read, View, decode, value};
use super::{Error, Ledger, Turn, capabilities};
use crate::keys::Space;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// How long a snapshot lasts without being renewed.
const LEASE: SignedDuration = SignedDuration::from_secs(300);

/// Lists of kept values that one turn deletes when the reader itself ends the snapshot.
const SWEPT_AT_ONCE: u64 = 20;

/// What the head says of a snapshot.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Held {
    id: String,
    until: Timestamp,
    /// Turns that have kept something; each left a list of what.
    kept: u64,
}

/// A snapshot from one read to the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SnapshotMark {
    id: String,
    until: Timestamp,
}

/// The space as it was when the snapshot was made.
pub(crate) struct Snapshot<'a, S> {
    ledger: Ledger<'a>,
    space: Space,
    mark: SnapshotMark,
    ahead: Ahead,
    state: PhantomData<S>,
}

impl<'a, S: Migrate> Snapshot<'a, S> {
    /// Makes one. A space has one at a time: whose export broke off starts anew, and need not wait for the old one.
    pub(crate) fn make(ledger: Ledger<'a>, space: Space) -> Result<SnapshotMark, Error> {
        loop {
            let mut turn = Turn::<S>::take(ledger, space.clone())?;
            if let Some(held) = turn.head.snapshot.take() {
                turn.head.snapshot = turn.forget(held, SWEPT_AT_ONCE);
                turn.finish()?;
                continue;
            }
            let mark = SnapshotMark {
                id: format!("{}-{}", turn.head.epoch, turn.head.done),
                until: ledger.ports.clock.now().saturating_add(LEASE).unwrap_or(Timestamp::MAX),
            };
            let head = serde_json::to_vec(&turn.head).expect("a head is plain data");
            turn.put(space.before(&mark.id, &space.head()), marked(Some(head)));
            turn.head.snapshot = Some(Held { id: mark.id.clone(), until: mark.until, kept: 0 });
            turn.finish()?;
            return Ok(mark);
        }
    }

    /// Goes on reading one.
    pub(crate) fn of(ledger: Ledger<'a>, space: Space, mark: &SnapshotMark) -> Snapshot<'a, S> {
        Snapshot { ledger, space, mark: mark.clone(), ahead: Ahead::default(), state: PhantomData }
    }

    /// Where the space stood.
    pub(crate) fn head(&self) -> Result<Head<S>, Error> {
        let key = self.space.head();
        let bytes = self.get(&key)?.ok_or_else(|| Error::Corrupt(format!("{key}: expected a head, found nothing")))?;
        decode(&key, &bytes)
    }

    /// Whether what was read until now is of the snapshot. Asked after reading: once it has ended, values are no longer
    /// kept.
    pub(crate) fn stands(&self) -> Result<bool, Error> {
        let head = View::<S>::new(self.ledger, self.space.clone()).head()?;
        let now = self.ledger.ports.clock.now();
        Ok(head.snapshot.is_some_and(|held| held.id == self.mark.id && now < held.until))
    }

    /// The mark with a new lease, where half of the old one is over.
    pub(crate) fn renewed(&self) -> Result<SnapshotMark, Error> {
        let now = self.ledger.ports.clock.now();
        if self.mark.until.duration_since(now) > LEASE / 2 {
            return Ok(self.mark.clone());
        }
        let mut mark = self.mark.clone();
        let mut turn = Turn::<S>::take_to_mend(self.ledger, self.space.clone())?;
        if let Some(held) = turn.head.snapshot.as_mut().filter(|held| held.id == mark.id && now < held.until) {
            mark.until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
            held.until = mark.until;
        }
        turn.finish()?;
        Ok(mark)
    }

    /// Ends it, and deletes what was kept for it.
    pub(crate) fn end(self) -> Result<(), Error> {
        loop {
            let mut turn = Turn::<S>::take_to_mend(self.ledger, self.space.clone())?;
            let Some(held) = turn.head.snapshot.take_if(|held| held.id == self.mark.id) else {
                return turn.finish();
            };
            turn.head.snapshot = turn.forget(held, SWEPT_AT_ONCE);
            turn.finish()?;
        }
    }
}

impl<S: Migrate> Read for Snapshot<'_, S> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        debug_assert!(self.space.owns(key));
        if let Some(read) = self.ahead.take(key) {
            return Ok(read);
        }
        // In this order: a value that changes between the two reads is kept by the time of the second.
        let now = || View::<S>::new(self.ledger, self.space.clone());
        let present = now().get(key)?;
        Ok(match now().get(&self.space.before(&self.mark.id, key))? {
            Some(kept) => unmarked(&kept),
            None => present,
        })
    }

    /// Two calls, in the order in which one key is read.
    fn read_ahead(&self, keys: Vec<String>) -> usize {
        let now = || View::<S>::new(self.ledger, self.space.clone());
        let places: Vec<String> = keys.iter().map(|key| self.space.before(&self.mark.id, key)).collect();
        let read = now().all(&keys).and_then(|present| Some((present, now().all(&places)?)));
        self.ahead.extend(read.map(|(present, kept)| {
            let values = kept.into_iter().zip(present).map(|(kept, present)| match kept {
                Some(kept) => unmarked(&kept),
                None => present,
            });
            keys.into_iter().zip(values)
        }))
    }
}

impl<S: HeadState> Turn<'_, S> {
    /// Stages the values that this turn is about to change, where a snapshot wants them.
    pub(super) fn keep_before(&mut self) -> Result<(), Error> {
        let Some(mut held) = self.head.snapshot.take() else {
            return Ok(());
        };
        if held.until <= self.lease.ledger.ports.clock.now() {
            self.head.snapshot = self.forget(held, 1);
            return Ok(());
        }
        let mut kept = Vec::new();
        let ports = self.lease.ledger.ports;
        for key in self.kept.keys() {
            self.lease.renew();
            let place = self.lease.space.before(&held.id, key);
            if value(ports, &place)?.is_none() {
                kept.push((place, marked(value(ports, key)?)));
            }
        }
        if !kept.is_empty() {
            let names: Vec<&String> = kept.iter().map(|(place, _)| place).collect();
            let list = self.lease.space.kept(&held.id, held.kept);
            held.kept += 1;
            let names = serde_json::to_vec(&names).expect("names are text");
            self.put(list, names);
            self.staged.extend(kept.into_iter().map(|(place, bytes)| (place, Some(bytes))));
        }
        self.head.snapshot = Some(held);
        Ok(())
    }

    /// Ends a snapshot, and deletes what so many turns kept for it. What cannot be deleted now is left to the next turn.
    fn forget(&mut self, mut held: Held, turns: u64) -> Option<Held> {
        let (ports, space) = (self.lease.ledger.ports, self.lease.space.clone());
        held.until = held.until.min(ports.clock.now());
        for _ in 0..turns {
            let list = held.kept.checked_sub(1).map(|last| space.kept(&held.id, last));
            let mut names: Vec<String> = match &list {
                Some(list) => self.read(list).ok().flatten().unwrap_or_default(),
                None => vec![space.before(&held.id, &space.head())],
            };
            names.extend(list.clone());
            if self.is_late() {
                break;
            }
            if let Err(error) = capabilities::delete(self.lease.ledger, &names) {
                ports.log.line(&format!("store: {} kept values were not deleted: {error}", names.len()));
                break;
            }
            held.kept = held.kept.checked_sub(1)?;
        }
        Some(held)
    }
}

/// A value as it is kept: an empty one would count as absent, so each starts with a mark.
fn marked(value: Option<Vec<u8>>) -> Vec<u8> {
    match value {
        None => vec![ABSENT],
        Some(bytes) => [&[PRESENT], &bytes[..]].concat(),
    }
}

fn unmarked(kept: &[u8]) -> Option<Vec<u8>> {
    match kept.split_first() {
        Some((&PRESENT, bytes)) => Some(bytes.to_vec()),
        Some(_) | None => None,
    }
}

const ABSENT: u8 = b'-';
const PRESENT: u8 = b'+';

/// Everything that is kept for a snapshot, for who removes the whole space.
pub(crate) fn leavings<S: Migrate>(view: &View<'_, S>, head: &Head<S>) -> Vec<String> {
    let Some(held) = &head.snapshot else {
        return Vec::new();
    };
    let mut names = vec![view.space().before(&held.id, &view.space().head())];
    for turn in 0..held.kept {
        let list = view.space().kept(&held.id, turn);
        names.extend(view.read::<Vec<String>>(&list).ok().flatten().unwrap_or_default());
        names.push(list);
    }
    names
}

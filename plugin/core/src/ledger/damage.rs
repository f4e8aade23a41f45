//! What a write that arrives too late does to a store without a guard, how that is seen, and how it is undone.
//!
//! Such a write sets the head back to an earlier turn, with the values that belong to that, over values that others have
//! written since. It is seen
//! - by an instance that knows a later head,
//! - by whoever asks for a number: the counter of an epoch that was ended answers numbers from [`CLOSED`] on,
//! - by whoever would end the epoch, if there is a trail of later turns,
//! - by the holder itself, whose commit came back late: its epoch has been closed meanwhile.
//!
//! **The trail.** Once a holder was taken for dead, or a write was sent, failed and is not there, each turn writes all that
//! it changes a second time, under keys that no earlier write can name, for [`IN_FLIGHT_MAX`]. Whoever sees the damage
//! closes the epoch, writes the trail once more in its order, and opens the next epoch with a head that says so: the space
//! is closed for changes until everything that is derived from documents was compared with these and mended, see
//! [`Rollcall::mend`](crate::http::Rollcall). So a change that was answered stays, whatever arrives within that time.

use super::head::{Head, HeadState, StoredHead};
use super::intent::{self, Pair};
use super::lease::Lease;
use super::queue::{CLOSED, Queue, Ticket, count};
use super::read::decode;
use super::{Error, IN_FLIGHT_MAX, Turn, capabilities};
use crate::keys::Space;
use crate::ports::Ports;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Turns of which one turn deletes the trail when its time is over.
const TRAILS_SWEPT_AT_ONCE: usize = 32;

/// Epochs that are looked through for the present one.
const EPOCHS_SOUGHT_MAX: u64 = 10_000;

/// What is wrong with a space.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Damage {
    /// When it was seen.
    pub since: Timestamp,
    /// What was seen, in a sentence for the operator.
    pub found: String,
    /// Values that were mended so far.
    #[serde(default)]
    pub mended: usize,
    /// Whether the trail was written once more.
    #[serde(default)]
    pub(super) replayed: bool,
    /// Where the next portion of the mending begins, in the words of whoever mends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<serde_json::Value>,
}

impl Damage {
    /// Where the mending goes on; nothing where it begins, or where another version has noted what does not read.
    pub(crate) fn position<P: serde::de::DeserializeOwned>(&self) -> Option<P> {
        self.position.clone().and_then(|position| serde_json::from_value(position).ok())
    }
}

/// Writes that may still be on their way to a store without a guard.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(super) struct InFlight {
    /// None is expected from then on.
    until: Timestamp,
    /// Keys whose deletion failed and may arrive: they are not written anew before that is over.
    #[serde(default)]
    deletions: Vec<String>,
    /// Keys that a holder which died may have been deleting. Where one is written anew, everything is looked through at the
    /// end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    emptied: Vec<String>,
    /// Turns that left a trail.
    #[serde(default)]
    trails: Vec<TurnRange>,
    /// Whether single values may arrive, which no head tells of: then everything is looked through at the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    values: bool,
}

/// Turns of one epoch, one after the other.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
struct TurnRange {
    epoch: u64,
    first: u64,
    last: u64,
}

impl InFlight {
    /// Expects writes of this moment, and deletions of these keys.
    pub(super) fn expect(window: &mut Option<InFlight>, now: Timestamp, deletions: Vec<String>) {
        let window = window.get_or_insert(InFlight {
            until: now,
            deletions: Vec::new(),
            emptied: Vec::new(),
            trails: Vec::new(),
            values: false,
        });
        window.until = now.saturating_add(IN_FLIGHT_MAX).unwrap_or(Timestamp::MAX);
        window.deletions.extend(deletions);
    }

    /// Expects what a holder that was taken for dead may have sent, the deletion of these keys among it.
    pub(super) fn expect_of_dead(window: &mut Option<InFlight>, now: Timestamp, emptied: Vec<String>) {
        InFlight::expect(window, now, Vec::new());
        window.iter_mut().for_each(|window| window.emptied = emptied.clone());
    }

    /// Takes in which keys a turn writes.
    fn meet(&mut self, pairs: &[Pair]) {
        let emptied = &self.emptied;
        self.values |=
            !emptied.is_empty() && pairs.iter().any(|(key, value)| !value.is_empty() && emptied.contains(key));
    }

    /// Expects single values of a batch that is not written whole.
    pub(super) fn expect_values(window: &mut Option<InFlight>, now: Timestamp) {
        InFlight::expect(window, now, Vec::new());
        window.iter_mut().for_each(|window| window.values = true);
    }

    /// Everything was looked through.
    pub(super) fn is_looked_through(&mut self) {
        self.values = false;
    }

    /// Whether a deletion that is on its way may take one of these keys.
    pub(super) fn may_delete_any<'k>(&self, now: Timestamp, mut keys: impl Iterator<Item = &'k String>) -> bool {
        now < self.until && !self.deletions.is_empty() && keys.any(|key| self.deletions.contains(key))
    }

    fn note(&mut self, epoch: u64, turn: u64) {
        match self.trails.last_mut().filter(|stretch| stretch.epoch == epoch && stretch.last + 1 == turn) {
            Some(stretch) => stretch.last = turn,
            None => self.trails.push(TurnRange { epoch, first: turn, last: turn }),
        }
    }
}

impl<S: HeadState> Turn<'_, S> {
    /// Adds the trail of this turn to what it writes, while writes of earlier ones may arrive.
    pub(super) fn leave_trail(&mut self, pairs: &mut Vec<Pair>) {
        let now = self.lease.ledger.ports.clock.now();
        let Some(window) = self.head.in_flight.as_mut().filter(|window| now < window.until) else {
            if self.head.in_flight.as_ref().is_some_and(|window| window.values) {
                return self.close_to_mend("single values may have arrived late");
            }
            return self.sweep_trail();
        };
        let (epoch, turn) = (self.head.epoch, self.head.done);
        window.note(epoch, turn);
        window.meet(pairs);
        let space = self.lease.space.clone();
        let written = [pairs.as_slice(), &[self.head.pair(&space)]].concat();
        let parts = (0..).zip(intent::framed(&written));
        pairs.extend(parts.map(|(part, bytes)| (space.trail(epoch, turn, part), bytes)));
    }

    /// Writes the trail once more, in its order.
    pub(super) fn replay(&mut self) -> Result<(), Error> {
        let stretches = self.head.in_flight.as_ref().map(|window| window.trails.clone()).unwrap_or_default();
        let (ports, space) = (self.lease.ledger.ports, self.lease.space.clone());
        for stretch in stretches {
            for turn in stretch.first..=stretch.last {
                let mut pairs = trail(ports, &space, stretch.epoch, turn)?.unwrap_or_default();
                pairs.retain(|key, _| *key != space.head() && !space.is_of_snapshot(key));
                intent::write(&self.lease, &Vec::from_iter(pairs))?;
            }
        }
        self.head.damage.iter_mut().for_each(|damage| damage.replayed = true);
        Ok(())
    }

    /// Deletes what the trail has of a few turns, the earliest first, and forgets the window when nothing is left.
    pub(super) fn sweep_trail(&mut self) {
        let (ports, space) = (self.lease.ledger.ports, self.lease.space.clone());
        let Some(window) = self.head.in_flight.as_mut() else {
            return;
        };
        for _ in 0..TRAILS_SWEPT_AT_ONCE {
            let Some(stretch) = window.trails.first_mut() else {
                self.head.in_flight = None;
                return;
            };
            let parts = (0..).map(|part| space.trail(stretch.epoch, stretch.first, part));
            let there = |key: &String| matches!(ports.store.get(key), Ok(Some(_)));
            let keys: Vec<String> = parts.take_while(there).collect();
            if let Err(error) = capabilities::delete(self.lease.ledger, &keys) {
                return ports.log.line(&format!("store: a trail was not deleted: {error}"));
            }
            stretch.first += 1;
            if stretch.first > stretch.last {
                window.trails.remove(0);
            }
        }
    }
}

impl Queue<'_> {
    /// Why the stored head cannot be the latest one, if that is so: by what this instance knows, or by the number that it
    /// was given.
    pub(super) fn went_back<S: HeadState>(&self, stored: &StoredHead<S>, ticket: &Ticket) -> Option<String> {
        let Head { epoch, done, .. } = stored.head;
        // A space without a head was removed as a whole.
        stored.bytes.as_ref()?;
        let known = self.ledger.memory.tickets.furthest(&self.space).filter(|known| *known > stored.head.progress());
        if let Some(known) = known {
            return Some(format!(
                "the head went back from turn {} of epoch {} to turn {done} of epoch {epoch}",
                known.done, known.epoch
            ));
        }
        // Of an epoch that was ended after the number's epoch was read, the head knows.
        (ticket.number >= CLOSED && epoch == ticket.epoch)
            .then(|| format!("the head is at turn {done} of epoch {epoch}, which was ended"))
    }

    /// Whether later turns than the stored head knows have left a trail.
    pub(super) fn has_trail_after<S>(&self, head: &Head<S>) -> Result<bool, Error> {
        Ok(self.ledger.ports.store.get(&self.space.trail(head.epoch, head.done + 1, 0))?.is_some())
    }

    /// Closes the present epoch, writes the trail once more, and opens the next epoch, in which the space is closed for
    /// changes until it is mended.
    pub(super) fn reopen<S: HeadState>(&self, stored: &StoredHead<S>, found: &str) -> Result<(), Error> {
        let since = self.ledger.ports.clock.elapsed();
        let present = self.present_epoch(stored.head.epoch)?;
        // Of all who try at once one is told that the epoch was open. If that one dies, the next epoch is the present one.
        if count(self.ledger.ports.store.increment(&self.space.turns(present), closing())?) >= 2 * CLOSED {
            return Ok(());
        }
        self.ledger.ports.log.line(&format!("{}: damaged, and closed until it is mended: {found}", self.space.head()));
        let lease = self.lease(stored, since);
        let reached = self.follow_trail(&lease, &stored.head, present)?;
        let now = self.ledger.ports.clock.now();
        let mut next = reached.of_epoch(present + 1);
        next.damage.get_or_insert(Damage {
            since: now,
            found: found.to_owned(),
            mended: 0,
            replayed: true,
            position: None,
        });
        // What was mended before may be damaged anew.
        next.damage.iter_mut().for_each(|damage| damage.position = None);
        if !self.commits.is_guarded() {
            InFlight::expect_of_dead(&mut next.in_flight, now, stored.head.emptied.clone());
        }
        lease.carry_out(&[next.pair(&self.space)])?;
        self.ledger.memory.tickets.forget_suspicion(&self.space);
        Ok(())
    }

    /// The first epoch from this one on that was not ended, as far as this instance and the counters know.
    fn present_epoch(&self, epoch: u64) -> Result<u64, Error> {
        let known = self.ledger.memory.tickets.furthest(&self.space).map_or(epoch, |known| known.epoch.max(epoch));
        for epoch in known..known.saturating_add(EPOCHS_SOUGHT_MAX) {
            if count(self.ledger.ports.store.increment(&self.space.turns(epoch), 0)?) < CLOSED {
                return Ok(epoch);
            }
        }
        Err(Error::Busy)
    }

    /// Writes once more what the turns after this head have left, and answers the head of the last one.
    fn follow_trail<S: HeadState>(&self, lease: &Lease<'_>, from: &Head<S>, present: u64) -> Result<Head<S>, Error> {
        let mut reached = match &from.intent {
            // Whoever decided that was told that it came too late, or will be.
            Some(_) => Head { intent: None, ..from.clone() },
            None => from.clone(),
        };
        let (mut epoch, mut turn) = (from.epoch, from.done + 1);
        while epoch <= present {
            let Some(mut pairs) = trail(self.ledger.ports, &self.space, epoch, turn)? else {
                (epoch, turn) = (epoch + 1, 1);
                continue;
            };
            let key = self.space.head();
            if let Some(bytes) = pairs.remove(&key) {
                reached = decode(&key, &bytes)?;
            }
            pairs.retain(|key, _| !self.space.is_of_snapshot(key));
            intent::write(lease, &Vec::from_iter(pairs))?;
            turn += 1;
        }
        Ok(reached)
    }
}

/// What one turn has left.
fn trail(ports: &Ports, space: &Space, epoch: u64, turn: u64) -> Result<Option<BTreeMap<String, Vec<u8>>>, Error> {
    let mut pairs = BTreeMap::new();
    for part in 0.. {
        let key = space.trail(epoch, turn, part);
        let Some(bytes) = ports.store.get(&key)?.filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        intent::unframe(&bytes, &mut pairs)
            .ok_or_else(|| Error::Corrupt(format!("{key}: a trail that does not read")))?;
    }
    Ok(Some(pairs).filter(|pairs| !pairs.is_empty()))
}

/// What is added to the counter of an epoch that ends.
pub(super) fn closing() -> i64 {
    i64::try_from(CLOSED).expect("it is a constant far below the largest number")
}

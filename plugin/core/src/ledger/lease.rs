//! The right of a holder to write, until when it has that, and how it replaces the head.

use super::head::{Head, HeadState, StoredHead, TurnProgress};
use super::intent::Pair;
use super::{Error, HOLD, Ledger, TAKEOVER_GUARDED, TAKEOVER_UNGUARDED};
use crate::keys::Space;
use crate::ports::Batches;
use crate::ports::{Condition, KeyChange};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::time::Duration;

/// How the store takes a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commits {
    /// All of it at once, and only where the head is still the one that the turn began with.
    Guarded,
    /// All of it at once.
    Whole,
    /// In parts; what is decided is written down first.
    Parts,
}

impl Commits {
    /// A store that an operator says takes batches in parts has no guard either, whatever it says of itself.
    pub(super) fn of(ledger: Ledger<'_>, batches: Batches) -> Commits {
        match batches {
            Batches::Parts if ledger.settings.store_batches.is_some() => Commits::Parts,
            Batches::Parts | Batches::Whole if ledger.ports.store.is_guarded() => Commits::Guarded,
            Batches::Whole => Commits::Whole,
            Batches::Parts => Commits::Parts,
        }
    }

    /// Whether the store refuses what comes late.
    pub(super) fn is_guarded(self) -> bool {
        match self {
            Commits::Guarded => true,
            Commits::Whole | Commits::Parts => false,
        }
    }

    /// How long a turn must be seen unfinished before it is taken for dead.
    pub(super) fn takeover(self) -> Duration {
        match self {
            Commits::Guarded => TAKEOVER_GUARDED,
            Commits::Whole | Commits::Parts => TAKEOVER_UNGUARDED,
        }
    }
}

/// The right to write to a space in one turn of it.
pub(super) struct Lease<'a> {
    pub(super) ledger: Ledger<'a>,
    pub(super) space: Space,
    pub(super) commits: Commits,
    /// The turn before this one.
    progress: TurnProgress,
    /// The stored head that this turn began with.
    condition: Option<Vec<u8>>,
    /// Nobody can have begun to watch this turn by then, nor its latest beat.
    since: Cell<Duration>,
    beats: Cell<u64>,
}

/// That the holder of a turn goes on, under a key of its own. A beat that arrives late is one of a turn that is over.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    epoch: u64,
    done: u64,
    beats: u64,
}

impl Beat {
    /// How often the holder of the turn that follows on this progress has said that it goes on.
    pub(super) fn of_turn_after(self, progress: TurnProgress) -> u64 {
        if (self.epoch, self.done) == (progress.epoch, progress.done) { self.beats } else { 0 }
    }
}

impl<'a> Lease<'a> {
    /// The right to the turn that follows on a stored head. Nobody can have begun to watch it by `since`.
    pub(super) fn new<S: HeadState>(
        ledger: Ledger<'a>,
        space: Space,
        commits: Commits,
        stored: &StoredHead<S>,
        since: Duration,
    ) -> Lease<'a> {
        let (progress, condition) = (stored.head.progress(), stored.bytes.clone());
        Lease { ledger, space, commits, progress, condition, since: Cell::new(since), beats: Cell::new(0) }
    }

    /// Whether a commit must not be sent any more. A store with a guard judges that itself.
    pub(super) fn is_late(&self) -> bool {
        self.commits != Commits::Guarded && self.spent() > HOLD
    }

    pub(super) fn spent(&self) -> Duration {
        self.ledger.ports.clock.elapsed().saturating_sub(self.since.get())
    }

    /// Says that the holder goes on, where half of its time is over. Each try counts: if an answer got lost, waiters may
    /// have begun to watch the beat that it made.
    pub(super) fn renew(&self) {
        let now = self.ledger.ports.clock.elapsed();
        // One that did not say so in time stays known for that, with a guard, too.
        if self.spent() <= HOLD / 2 || self.spent() > HOLD {
            return;
        }
        self.beats.set(self.beats.get() + 1);
        let beat = Beat { epoch: self.progress.epoch, done: self.progress.done, beats: self.beats.get() };
        let bytes = serde_json::to_vec(&beat).expect("a beat is three numbers");
        match self.ledger.ports.store.set_many(&[(self.space.beat(), bytes)]) {
            Ok(()) => self.since.set(now),
            Err(error) => self.ledger.ports.log.line(&format!("turns: {} was not renewed: {error}", self.space.head())),
        }
    }

    /// Writes pairs on a store without a guard, as long as others do not take the holder for dead.
    pub(super) fn write(&self, pairs: &[Pair]) -> Result<(), Error> {
        if self.is_late() {
            return Err(Error::Busy);
        }
        Ok(self.ledger.ports.store.set_many(pairs)?)
    }

    /// Writes pairs that the head does not depend on: with a guard only as long as nobody has written the head.
    pub(super) fn carry_out(&self, pairs: &[Pair]) -> Result<(), Error> {
        match self.commits {
            Commits::Whole | Commits::Parts => self.write(pairs),
            Commits::Guarded => {
                let set = |(key, bytes): &Pair| (key.clone(), Some(bytes.clone()));
                let changes: Vec<KeyChange> = pairs.iter().map(set).collect();
                if self.change_if_unmoved(&changes)? { Ok(()) } else { Err(Error::Busy) }
            }
        }
    }

    /// Carries out changes on a store with a guard. Answers whether the head was still the one that the turn began with.
    pub(super) fn change_if_unmoved(&self, changes: &[KeyChange]) -> Result<bool, Error> {
        let key = self.space.head();
        let condition = Condition { key: &key, value: self.condition.as_deref() };
        Ok(self.ledger.ports.store.change_if(condition, changes)?)
    }

    /// Whether the stored head is the one that the turn began with.
    pub(super) fn is_unmoved<S>(&self, stored: &StoredHead<S>) -> bool {
        stored.bytes == self.condition
    }

    /// Whether a commit that was sent, or a decision, counts: on a store without a guard, one that came back late may have
    /// landed after its epoch was ended, and then it has set back what others wrote.
    pub(super) fn expect_in_time(&self, done: u64) -> Result<(), Error> {
        if !self.is_late() {
            return Ok(());
        }
        let turn = TurnProgress { done, ..self.progress };
        let now = Head::<()>::read(self.ledger, &self.space)?;
        let is_here = now.includes(turn) || now.epoch == turn.epoch && now.intent.is_some();
        if is_here && (now.epoch > turn.epoch || !self.is_closed(turn.epoch)?) {
            return Ok(());
        }
        self.ledger.memory.tickets.suspect(&self.space, turn.epoch, "a commit arrived after its epoch was ended");
        Err(Error::Busy)
    }

    /// Whether an epoch was ended.
    pub(super) fn is_closed(&self, epoch: u64) -> Result<bool, Error> {
        Ok(super::queue::count(self.ledger.ports.store.increment(&self.space.turns(epoch), 0)?) >= super::queue::CLOSED)
    }
}

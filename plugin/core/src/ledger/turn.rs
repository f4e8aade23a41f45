//! A turn: the right to write to a space, what is to be written, and its commit.

use super::damage::{Damage, InFlight};
use super::head::{Head, HeadState, StoredHead};
use super::intent::{self, Pair};
use super::layout::Migrate;
use super::lease::{Commits, Lease};
use super::read::{Read, key_page, value, values};
use super::{EMPTIED_MAX, Error, Ledger, REMEMBERED_BYTES_MAX, REMEMBERED_MAX};
use super::{Look, Waiter, capabilities};
use crate::keys::Space;
use crate::ports::{KeyChange, KeyPage, READS_MAX};
use crate::settings::Settings;
use jiff::Timestamp;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// The right to write to a space, and what is to be written.
///
/// Nothing reaches the store before [`Turn::commit`]. A turn that a failure leaves behind is given on when it is dropped;
/// where that fails, too, it holds up its space until it is taken for dead.
#[must_use]
pub struct Turn<'a, S: HeadState> {
    pub(super) lease: Lease<'a>,
    /// What the changes before this one have staged.
    pub(super) kept: StagedValues,
    /// What this change has staged.
    pub(super) staged: StagedValues,
    /// What was read. Nobody else writes before the turn is over.
    remembered: RefCell<StagedValues>,
    /// What whoever keeps the space remembers as long as the turn lasts.
    pub(crate) memo: S::Memo,
    finished: bool,
    /// Where the space stood when the turn began.
    pub(super) base: Head<S>,
    /// Where it stands after the changes before this one.
    reached: Head<S>,
    /// Where the space stands; changes to it are committed with the rest.
    pub head: Head<S>,
}

/// Values of keys; nothing where a key has none, or is to have none.
type StagedValues = BTreeMap<String, Option<Vec<u8>>>;

/// What became of a write that was sent.
enum WriteOutcome {
    /// It is in the store.
    Arrived,
    /// It is not there, and may still arrive.
    Unknown(Error),
}

impl<'a, S: Migrate> Turn<'a, S> {
    /// Waits for this caller's turn, in a space of this version's layout.
    ///
    /// # Errors
    /// The store does not answer or is not fit to be written to, the turn did not come in time, or the space is damaged.
    pub fn take(ledger: Ledger<'a>, space: Space) -> Result<Turn<'a, S>, Error> {
        Turn::wait_for(Waiter::arrive(ledger.ports, space), ledger)
    }

    /// Waits for this caller's turn in a space that may be damaged, to mend it.
    ///
    /// # Errors
    /// The store does not answer or is not fit to be written to, or the turn did not come in time.
    pub fn take_to_mend(ledger: Ledger<'a>, space: Space) -> Result<Turn<'a, S>, Error> {
        Turn::wait_for(Waiter::arrive(ledger.ports, space).mending(), ledger)
    }

    fn wait_for(waiter: Waiter, ledger: Ledger<'a>) -> Result<Turn<'a, S>, Error> {
        loop {
            match waiter.look(ledger)? {
                Look::Turn(turn) => return Ok(turn),
                Look::Later(pause) => ledger.ports.clock.pause(pause),
            }
        }
    }
}

impl<'a, S: HeadState> Turn<'a, S> {
    pub(super) fn new(lease: Lease<'a>, base: Head<S>) -> Turn<'a, S> {
        let (kept, staged, reached, head) = (StagedValues::new(), StagedValues::new(), base.clone(), base.clone());
        let (remembered, memo) = (RefCell::default(), S::Memo::default());
        Turn { lease, kept, staged, remembered, memo, finished: false, base, reached, head }
    }

    /// Stages a value.
    pub fn put(&mut self, key: String, bytes: Vec<u8>) {
        debug_assert!(self.lease.space.owns(&key) && !bytes.is_empty());
        self.staged.insert(key, Some(bytes));
    }

    /// Stages a value as JSON.
    pub fn write<T: Serialize>(&mut self, key: String, value: &T) {
        let bytes = serde_json::to_vec(value).expect("stored types have string keys and finite numbers");
        self.put(key, bytes);
    }

    /// Stages a removal.
    pub fn remove(&mut self, key: String) {
        debug_assert!(self.lease.space.owns(&key));
        self.staged.insert(key, None);
    }

    /// Takes what was staged for good. What comes is a change of its own, in the same turn: it sees this one, and is undone
    /// without it.
    pub fn keep(&mut self) {
        self.kept.extend(std::mem::take(&mut self.staged));
        self.reached = self.head.clone();
    }

    /// Forgets what was staged and what was changed in the head since the last [`keep`](Turn::keep); the turn itself stays.
    pub fn undo(&mut self) {
        self.staged.clear();
        self.head = self.reached.clone();
    }

    /// Writes everything that was staged, and the head that gives the turn on: whole, whatever happens meanwhile.
    ///
    /// A write that is reported as failed may have been done. The head tells, so it is tried once more only where it was
    /// not, and success is what the store holds, not what it said.
    ///
    /// # Errors
    /// Nothing was written, because the turn was taken over or the store refused; or it is not known whether all was.
    pub fn commit(mut self) -> Result<(), Error> {
        self.keep();
        self.keep_before()?;
        self.finish()
    }

    /// Gives the turn on without writing anything else.
    ///
    /// # Errors
    /// The store does not answer. The turn then goes on when it counts as dead.
    pub fn release(mut self) -> Result<(), Error> {
        self.give_up();
        self.finish()
    }

    fn give_up(&mut self) {
        self.kept.clear();
        self.reached = self.base.clone();
        self.undo();
    }

    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.keep();
        self.finished = true;
        self.head.done += 1;
        let emptied = std::mem::take(&mut self.head.emptied);
        let kept = std::mem::take(&mut self.kept);
        match self.lease.commits {
            Commits::Guarded => self.change_all(emptied, kept)?,
            Commits::Whole | Commits::Parts => self.write_all(emptied, kept)?,
        }
        // A holder that was taken for dead sees what others write. With a guard its commit is refused, and nothing is
        // wrong.
        if let (None, Some(damage)) = (&self.base.damage, &self.head.damage) {
            let said = format!("{}: damaged, and closed until it is mended: {}", self.lease.space.head(), damage.found);
            self.log(&said);
        }
        Ok(())
    }

    /// One batch, deletions and all, that the store refuses where somebody else has written the head.
    fn change_all(&mut self, emptied: Vec<String>, kept: StagedValues) -> Result<(), Error> {
        self.sweep_trail();
        let emptied = emptied.into_iter().filter(|key| !kept.contains_key(key)).map(|key| (key, None));
        let mut changes: Vec<KeyChange> = emptied.collect();
        changes.extend(kept);
        let (key, bytes) = self.head.pair(&self.lease.space);
        changes.push((key, Some(bytes)));
        for attempt in 0..2 {
            let error = match self.lease.change_if_unmoved(&changes) {
                Ok(true) => return Ok(()),
                Ok(false) => Error::Busy,
                Err(error) => error,
            };
            self.lease.ledger.ports.log.line(&format!("store: a batch was reported as failed: {error:?}"));
            let now = self.stored()?;
            if now.head.includes(self.head.progress()) {
                return Ok(());
            }
            if attempt > 0 || !self.lease.is_unmoved(&now) {
                return Err(error);
            }
        }
        Err(Error::Busy)
    }

    /// Without a guard: a batch cannot delete, so what is removed becomes empty and is left to the next turn. A commit that
    /// was sent, failed and is not there may arrive later, so whoever sends another one leaves a trail.
    fn write_all(&mut self, emptied: Vec<String>, kept: StagedValues) -> Result<(), Error> {
        let rewritten = kept.iter().filter(|(_, bytes)| bytes.is_some()).map(|(key, _)| key);
        let now = self.lease.ledger.ports.clock.now();
        if self.base.in_flight.as_ref().is_some_and(|window| window.may_delete_any(now, rewritten)) {
            return Err(Error::Busy);
        }
        let removed = kept.iter().filter(|(_, bytes)| bytes.is_none()).map(|(key, _)| key.clone());
        self.head.emptied = removed.take(EMPTIED_MAX).collect();
        self.sweep(emptied, &kept);
        let mut pairs: Vec<Pair> = kept.into_iter().map(|(key, bytes)| (key, bytes.unwrap_or_default())).collect();
        let changed = pairs.len();
        for attempt in 0..2 {
            self.leave_trail(&mut pairs);
            let sent = match self.lease.commits {
                Commits::Parts if !pairs.is_empty() => self.write_in_parts(&pairs)?,
                Commits::Guarded | Commits::Whole | Commits::Parts => self.write_whole(&mut pairs)?,
            };
            match sent {
                WriteOutcome::Arrived => return Ok(()),
                WriteOutcome::Unknown(error) if attempt > 0 => return Err(error),
                WriteOutcome::Unknown(_) => {
                    pairs.truncate(changed);
                    let now = self.lease.ledger.ports.clock.now();
                    InFlight::expect(&mut self.head.in_flight, now, Vec::new());
                }
            }
        }
        Err(Error::Busy)
    }

    fn write_whole(&self, pairs: &mut Vec<Pair>) -> Result<WriteOutcome, Error> {
        pairs.push(self.head.pair(&self.lease.space));
        self.send(pairs, |_| false)
    }

    /// Decides the change, and then carries it out. Once it is decided it is made, whoever does the rest.
    fn write_in_parts(&mut self, pairs: &[Pair]) -> Result<WriteOutcome, Error> {
        let plan = intent::plan(&self.lease.space, pairs, self.head.clone());
        intent::write(&self.lease, &plan.parts)?;
        let mut next = plan.intent.next.clone();
        let decided = Head { intent: Some(plan.intent), ..self.base.clone() };
        let decision = [decided.pair(&self.lease.space)];
        match self.send(&decision, |now| now.intent.is_some())? {
            WriteOutcome::Arrived => {}
            WriteOutcome::Unknown(error) => return Ok(WriteOutcome::Unknown(error)),
        }
        let carried = intent::write(&self.lease, pairs);
        let given_on = carried.and_then(|failed| {
            if failed {
                InFlight::expect_values(&mut next.in_flight, self.lease.ledger.ports.clock.now());
            }
            let head = [next.pair(&self.lease.space)];
            self.lease.write(&head).or_else(|_| self.lease.write(&head))
        });
        if let Err(error) = given_on {
            self.lease.ledger.ports.log.line(&format!("turns: a change is left to the next one to write: {error:?}"));
        }
        Ok(WriteOutcome::Arrived)
    }

    /// Writes what decides the turn, and looks whether it is there where the store says that it failed, and whether it
    /// counts where it took long.
    fn send(&self, pairs: &[Pair], is_decided: impl Fn(&Head<S>) -> bool) -> Result<WriteOutcome, Error> {
        let error = match self.lease.write(pairs) {
            Ok(()) => return self.lease.expect_in_time(self.head.done).map(|()| WriteOutcome::Arrived),
            Err(Error::Busy) => return Err(Error::Busy),
            Err(error) => error,
        };
        self.lease.ledger.ports.log.line(&format!("store: a batch was reported as failed: {error:?}"));
        let now = self.stored()?.head;
        let ours = now.epoch == self.head.epoch;
        if now.includes(self.head.progress()) || ours && is_decided(&now) {
            return self.lease.expect_in_time(self.head.done).map(|()| WriteOutcome::Arrived);
        }
        if !ours || now.done != self.base.done { Err(error) } else { Ok(WriteOutcome::Unknown(error)) }
    }

    fn stored(&self) -> Result<StoredHead<S>, Error> {
        StoredHead::read(self.lease.ledger, &self.lease.space)
    }

    /// Deletes what the turn before emptied, unless this turn writes it. The keys are absent for every reader already;
    /// deleting them only gives back their room. A deletion that fails may arrive later, so the head remembers it.
    fn sweep(&mut self, mut emptied: Vec<String>, kept: &StagedValues) {
        emptied.retain(|key| !kept.contains_key(key));
        if emptied.is_empty() || self.is_late() {
            return;
        }
        let deleted = capabilities::delete(self.lease.ledger, &emptied);
        if let Err(error) = &deleted {
            self.lease
                .ledger
                .ports
                .log
                .line(&format!("store: {} emptied keys were not deleted: {error}", emptied.len()));
        }
        if deleted.is_err() || self.is_late() {
            let now = self.lease.ledger.ports.clock.now();
            InFlight::expect(&mut self.head.in_flight, now, emptied);
        }
    }

    /// [`Clock::elapsed`](crate::ports::Clock::elapsed).
    pub(crate) fn elapsed(&self) -> Duration {
        self.lease.ledger.ports.clock.elapsed()
    }

    /// A page of the space's keys, see [`Store::list_page`](crate::ports::Store::list_page); nothing where the store has
    /// too many to list them. Keys that this turn stages are missing.
    pub(crate) fn keys(&self, cursor: Option<&str>) -> Result<Option<KeyPage>, Error> {
        self.lease.renew();
        key_page(self.lease.ledger.ports, &self.lease.space, cursor)
    }

    /// Whether the present change stages a key that a deletion which is still on its way may take away again. Such a
    /// change has to wait.
    pub(crate) fn stages_what_may_be_deleted(&self) -> bool {
        let staged = self.staged.iter().filter(|(_, bytes)| bytes.is_some()).map(|(key, _)| key);
        let now = self.lease.ledger.ports.clock.now();
        self.base.in_flight.as_ref().is_some_and(|window| window.may_delete_any(now, staged))
    }

    /// Closes the space for changes, from the end of this turn on, until it is mended.
    pub(crate) fn close_to_mend(&mut self, found: &str) {
        let since = self.lease.ledger.ports.clock.now();
        let damage = Damage { since, found: found.to_owned(), mended: 0, replayed: false, position: None };
        self.head.damage.get_or_insert(damage).position = None;
    }

    /// Writes once more what turns have left that came after a write which may have arrived late.
    pub(crate) fn replay_trail(&mut self) -> Result<(), Error> {
        if self.head.damage.as_ref().is_some_and(|damage| !damage.replayed) {
            self.replay()?;
            self.remembered.take();
        }
        Ok(())
    }

    /// Counts what was mended in this turn, and notes where the next one goes on, in the words of whoever mends. Answers
    /// the sum.
    pub(crate) fn note_mended(&mut self, values: usize, next: Option<&impl Serialize>) -> usize {
        let next = next.map(|next| serde_json::to_value(next).expect("a position is plain data"));
        self.head.damage.as_mut().map_or(0, |damage| {
            damage.mended += values;
            damage.position = next;
            damage.mended
        })
    }

    /// Opens the space again.
    pub(crate) fn open_again(&mut self) {
        self.head.damage = None;
        self.head.mended_in = Some(self.head.epoch);
        if let Some(window) = &mut self.head.in_flight {
            window.is_looked_through();
        }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.lease.ledger.ports.clock.now()
    }

    /// What the operator has set.
    pub(crate) fn settings(&self) -> &Settings {
        self.lease.ledger.settings
    }

    /// Says something to the operator.
    pub(crate) fn log(&self, line: &str) {
        self.lease.ledger.ports.log.line(line);
    }

    /// Whether waiters may have taken the holder of this turn for dead, so that it must not write any more.
    pub(crate) fn is_late(&self) -> bool {
        self.lease.is_late()
    }

    /// How long this turn can have lasted since its holder last said that it goes on.
    pub(crate) fn spent(&self) -> Duration {
        self.lease.spent()
    }
}

impl<S: HeadState> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.give_up();
        if self.finish().is_err() {
            self.lease.ledger.ports.log.line(&format!("turns: one of {} was left behind", self.lease.space.head()));
        }
    }
}

impl<S: HeadState> Turn<'_, S> {
    fn knows(&self, key: &str) -> bool {
        self.staged.contains_key(key) || self.kept.contains_key(key) || self.remembered.borrow().contains_key(key)
    }

    fn remember(&self, key: &str, read: &Option<Vec<u8>>) {
        let mut remembered = self.remembered.borrow_mut();
        if remembered.len() < REMEMBERED_MAX && read.as_ref().is_none_or(|read| read.len() <= REMEMBERED_BYTES_MAX) {
            remembered.insert(key.to_owned(), read.clone());
        }
    }
}

impl<S: HeadState> Read for Turn<'_, S> {
    fn space(&self) -> &Space {
        &self.lease.space
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        if let Some(known) = self.staged.get(key).or_else(|| self.kept.get(key)) {
            return Ok(known.clone());
        }
        if let Some(known) = self.remembered.borrow().get(key) {
            return Ok(known.clone());
        }
        self.lease.renew();
        let read = value(self.lease.ledger.ports, key)?;
        self.remember(key, &read);
        Ok(read)
    }

    fn read_ahead(&self, mut keys: Vec<String>) -> usize {
        keys.retain(|key| !self.knows(key));
        keys.sort_unstable();
        keys.dedup();
        keys.truncate(REMEMBERED_MAX.saturating_sub(self.remembered.borrow().len()).min(READS_MAX));
        self.lease.renew();
        let values = values(self.lease.ledger, &keys).unwrap_or_default();
        keys.iter().zip(&values).for_each(|(key, value)| self.remember(key, value));
        values.iter().flatten().map(Vec::len).sum()
    }
}

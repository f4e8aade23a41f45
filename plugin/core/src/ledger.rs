//! Turns: one writer at a time in each space, in the order in which they asked.
//!
//! Spin's stores have no transactions and no dependable compare-and-swap, but on every backend `increment` gives each
//! value to exactly one caller. A turn is such a value: who holds turn `n` may write as soon as the head of the space
//! says that turn `n - 1` is done, and writes everything that belongs to the change, the journal's records and the
//! new head in one `set_many`. So a change costs two write transactions whatever it touches, and a third one where the
//! change before it removed something; uniqueness and counts need no further locks, and the journal's order is the
//! order of the changes.
//!
//! A holder can die. Two deadlines keep the others safe without comparing clocks:
//! - a holder writes only within [`HOLD`] of the last moment at which it knows that its turn had not begun;
//! - who has seen the same turn unfinished for [`STUCK`], twice as long, which it can only have begun to see after the
//!   turn began, may end the epoch: all turns of it are void, and the counter starts anew under the next epoch's name.

mod snapshot;

pub(crate) use snapshot::{Mark, Snapshot, leavings};

use crate::ports::{Ports, StoreError};
use crate::settings::Settings;
use crate::space::Space;
use crate::traffic::Traffic;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a request may still write after its turn can have begun.
pub const HOLD: Duration = Duration::from_millis(2_000);

/// How long a turn must be seen unfinished before it is taken for dead.
pub const STUCK: Duration = Duration::from_millis(4_000);

/// How long a request waits for its turn before it answers that the tenant is busy.
pub const WAIT_MAX: Duration = Duration::from_millis(20_000);

/// Emptied keys that the head remembers. A larger change, such as the deletion of a group with thousands of members,
/// leaves the others as they are: empty, and so absent for every reader.
const EMPTIED_MAX: usize = 500;

/// The layout of all stored values. A store of a later layout is refused, one of an earlier layout migrated.
pub const LAYOUT: u32 = 1;

/// Why a turn could not be had or finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The store failed.
    Store(StoreError),
    /// A stored value does not read as what we wrote; the text names the key, not the value.
    Corrupt(String),
    /// Others kept the space busy for longer than a request may wait, or this request took too long itself.
    Busy,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Store(error)
    }
}

/// The one value that every turn reads and writes: where the space stands.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    layout: u32,
    epoch: u64,
    done: u64,
    /// The roster of the space: tenants in the registry, users in a tenant.
    #[serde(flatten)]
    pub main: Extent,
    /// Users that are not disabled.
    #[serde(default)]
    pub active: u64,
    /// The roster of the groups.
    #[serde(default)]
    pub groups: Extent,
    /// The number that the next journal record takes; the first is 1.
    #[serde(default = "one")]
    pub next_record: u64,
    /// Slots of the journal's ring, fixed when the tenant is made.
    #[serde(default)]
    pub journal_capacity: u64,
    /// Keys that the turn before emptied. Only who holds the turn may delete them: they may be written anew.
    #[serde(default)]
    emptied: Vec<String>,
    /// The snapshot that somebody reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<snapshot::Held>,
    /// When the provider last got an answer to a valid token.
    #[serde(default)]
    pub last_transfer: Option<Timestamp>,
    /// When such a request last succeeded.
    #[serde(default)]
    pub last_success: Option<Timestamp>,
    /// When such a request last changed something.
    #[serde(default)]
    pub last_change: Option<Timestamp>,
    /// First and last use of each token of the connection.
    #[serde(default)]
    pub tokens: Vec<TokenUse>,
    /// What the traffic tells.
    #[serde(default)]
    pub traffic: Traffic,
}

/// How far a roster reaches.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Extent {
    /// Members that it has.
    pub members: u64,
    /// The slot that the next one takes.
    pub next_slot: u64,
}

fn one() -> u64 {
    1
}

/// When a token was used.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TokenUse {
    /// The token's id in its connection.
    pub id: String,
    /// The first request that carried it.
    pub first: Timestamp,
    /// The latest request that carried it.
    pub last: Timestamp,
}

impl Head {
    /// The number of the oldest record that the journal's ring still holds.
    pub fn oldest_record(&self) -> u64 {
        self.next_record.saturating_sub(self.journal_capacity).max(1)
    }

    fn new(settings: &Settings) -> Head {
        Head {
            layout: LAYOUT,
            epoch: 0,
            done: 0,
            main: Extent::default(),
            active: 0,
            groups: Extent::default(),
            next_record: 1,
            journal_capacity: settings.journal_capacity,
            emptied: Vec::new(),
            snapshot: None,
            last_transfer: None,
            last_success: None,
            last_change: None,
            tokens: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    fn read(ports: &Ports, settings: &Settings, space: &Space) -> Result<Head, Error> {
        let key = space.head();
        match value(ports, &key)? {
            None => Ok(Head::new(settings)),
            Some(bytes) => {
                let head: Head = decode(&key, &bytes)?;
                if head.layout != LAYOUT {
                    return Err(Error::Corrupt(format!("{key}: expected layout {LAYOUT}, found {}", head.layout)));
                }
                Ok(head)
            }
        }
    }
}

/// Reading keys, whether from the store or from within a turn.
pub trait Read {
    /// The space that is read.
    fn space(&self) -> &Space;

    /// The value of a key; an empty value counts as absent, because a batch can write but not delete.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// The value of a key as the type that was stored there.
    fn read<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error>
    where
        Self: Sized,
    {
        self.get(key)?.map(|bytes| decode(key, &bytes)).transpose()
    }
}

/// The store as it is now, without a turn. Several reads may see different moments.
pub struct View<'a> {
    ports: &'a Ports,
    settings: &'a Settings,
    space: Space,
}

impl<'a> View<'a> {
    /// A view of one space.
    pub fn new(ports: &'a Ports, settings: &'a Settings, space: Space) -> View<'a> {
        View { ports, settings, space }
    }

    /// Where the space stands.
    pub fn head(&self) -> Result<Head, Error> {
        Head::read(self.ports, self.settings, &self.space)
    }
}

impl Read for View<'_> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        debug_assert!(self.space.owns(key));
        value(self.ports, key)
    }
}

/// The right to write to a space, and what is to be written.
///
/// Nothing reaches the store before [`Turn::commit`]. A turn that a failure leaves behind is given on when it is dropped;
/// where that fails, too, it holds up its space until it is taken for dead.
#[must_use]
pub struct Turn<'a> {
    ports: &'a Ports,
    settings: &'a Settings,
    space: Space,
    /// The turn had not begun by then.
    since: Duration,
    staged: BTreeMap<String, Option<Vec<u8>>>,
    finished: bool,
    /// Where the space stands; changes to it are committed with the rest.
    pub head: Head,
}

impl<'a> Turn<'a> {
    /// Waits for this caller's turn.
    pub fn take(ports: &'a Ports, settings: &'a Settings, space: Space) -> Result<Turn<'a>, Error> {
        let arrived = ports.clock.elapsed();
        let mut head = Head::read(ports, settings, &space)?;
        loop {
            let mut since = ports.clock.elapsed();
            let epoch = head.epoch;
            let number = count(ports.store.increment(&space.turns(epoch), 1)?);
            let mut watch = Watch::new(since, head.done);
            loop {
                let looked = ports.clock.elapsed();
                head = Head::read(ports, settings, &space)?;
                if head.epoch != epoch || head.done >= number {
                    break;
                }
                if head.done + 1 == number {
                    return Ok(Turn { ports, settings, space, since, staged: BTreeMap::new(), finished: false, head });
                }
                since = looked;
                let now = ports.clock.elapsed();
                if now.saturating_sub(arrived) > WAIT_MAX {
                    return Err(Error::Busy);
                }
                if watch.stuck(now, head.done) {
                    end_epoch(ports, settings, &space, &head, watch.rounds)?;
                    watch.rounds += 1;
                    watch.since = ports.clock.elapsed();
                } else {
                    ports.clock.pause(patience(number - head.done - 1));
                }
            }
        }
    }

    /// Stages a value.
    pub fn put(&mut self, key: String, bytes: Vec<u8>) {
        debug_assert!(self.space.owns(&key) && !bytes.is_empty());
        self.staged.insert(key, Some(bytes));
    }

    /// Stages a value as JSON.
    pub fn write<T: Serialize>(&mut self, key: String, value: &T) {
        let bytes = serde_json::to_vec(value).expect("stored types have string keys and finite numbers");
        self.put(key, bytes);
    }

    /// Stages a removal.
    pub fn remove(&mut self, key: String) {
        debug_assert!(self.space.owns(&key));
        self.staged.insert(key, None);
    }

    /// Forgets what was staged and what was changed in the head; the turn itself stays.
    pub fn undo(&mut self) -> Result<(), Error> {
        self.staged.clear();
        self.head = Head::read(self.ports, self.settings, &self.space)?;
        Ok(())
    }

    /// Writes everything that was staged, and the head that gives the turn on, in one batch.
    ///
    /// A batch that is reported as failed may have been written. The head tells, so the batch is tried once more only
    /// where it was not, and success is what the store holds, not what it said.
    pub fn commit(mut self) -> Result<(), Error> {
        self.keep_before()?;
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.finished = true;
        let before = self.head.done;
        self.head.done += 1;
        let emptied = std::mem::take(&mut self.head.emptied);
        let pairs = self.batch();
        self.sweep(emptied);
        for attempt in 0..2 {
            if self.late() {
                return Err(Error::Busy);
            }
            match self.ports.store.set_many(&pairs) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.ports.log.line(&format!("store: a batch was reported as failed: {error}"));
                    let now = Head::read(self.ports, self.settings, &self.space)?;
                    if now.epoch == self.head.epoch && now.done >= self.head.done {
                        return Ok(());
                    }
                    let ours = now.epoch == self.head.epoch && now.done == before;
                    if attempt > 0 || !ours {
                        return Err(error.into());
                    }
                }
            }
        }
        Err(Error::Busy)
    }

    /// Gives the turn on without writing anything else.
    pub fn release(mut self) -> Result<(), Error> {
        self.undo()?;
        self.commit()
    }

    /// What was staged and the head. A batch cannot delete, so what is removed becomes empty and is left to the next turn.
    fn batch(&mut self) -> Vec<(String, Vec<u8>)> {
        let removed = self.staged.iter().filter(|(_, bytes)| bytes.is_none()).map(|(key, _)| key.clone());
        self.head.emptied = removed.take(EMPTIED_MAX).collect();
        let staged = self.staged.iter().map(|(key, bytes)| (key.clone(), bytes.clone().unwrap_or_default()));
        let head = serde_json::to_vec(&self.head).expect("a head is plain data");
        staged.chain([(self.space.head(), head)]).collect()
    }

    /// Deletes what the turn before emptied, unless this turn writes it. The keys are absent for every reader already;
    /// deleting them only gives back their room.
    fn sweep(&self, mut emptied: Vec<String>) {
        emptied.retain(|key| !self.staged.contains_key(key));
        if emptied.is_empty() || self.late() {
            return;
        }
        if let Err(error) = self.ports.store.delete_many(&emptied) {
            self.ports.log.line(&format!("store: {} emptied keys were not deleted: {error}", emptied.len()));
        }
    }

    /// Whether others may have taken this turn for dead.
    pub(crate) fn late(&self) -> bool {
        self.spent() > HOLD
    }

    /// How long this turn can have lasted.
    pub(crate) fn spent(&self) -> Duration {
        self.ports.clock.elapsed().saturating_sub(self.since)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.finished && self.undo().and_then(|()| self.finish()).is_err() {
            self.ports.log.line(&format!("turns: one of {} was left behind", self.space.head()));
        }
    }
}

impl Read for Turn<'_> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.staged.get(key) {
            Some(staged) => Ok(staged.clone()),
            None => value(self.ports, key),
        }
    }
}

/// How long a waiter has seen the same turn unfinished.
struct Watch {
    since: Duration,
    done: u64,
    rounds: u32,
}

impl Watch {
    fn new(since: Duration, done: u64) -> Watch {
        Watch { since, done, rounds: 0 }
    }

    fn stuck(&mut self, now: Duration, done: u64) -> bool {
        if done != self.done {
            *self = Watch { since: now, done, rounds: 0 };
        }
        now.saturating_sub(self.since) > STUCK
    }
}

/// Ends an epoch whose next turn is dead. Of all who try in one round, one sees 1 and does it; a further round opens
/// only after a waiter has seen that one fail for as long again.
fn end_epoch(ports: &Ports, settings: &Settings, space: &Space, stuck: &Head, round: u32) -> Result<(), Error> {
    if ports.store.increment(&space.heal(stuck.epoch, round), 1)? != 1 {
        return Ok(());
    }
    let head = Head::read(ports, settings, space)?;
    if (head.epoch, head.done) != (stuck.epoch, stuck.done) {
        return Ok(());
    }
    ports.log.line(&format!("turns: epoch {} of {} ended at turn {}", head.epoch, space.head(), head.done));
    let next = Head { epoch: head.epoch + 1, done: 0, ..head };
    let bytes = serde_json::to_vec(&next).expect("a head is plain data");
    ports.store.set_many(&[(space.head(), bytes)])?;
    Ok(())
}

/// A turn takes one to two milliseconds on an embedded store; who is further back looks less often.
fn patience(ahead: u64) -> Duration {
    Duration::from_micros(300 + 1_200 * (ahead - 1).min(40))
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn value(ports: &Ports, key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(ports.store.get(key)?.filter(|bytes| !bytes.is_empty()))
}

fn decode<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    // serde's own message may quote the value, and with it a person's data.
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Corrupt(format!("{key}: not what was stored, at line {}, column {}", error.line(), error.column()))
    })
}

//! Turns: one writer at a time in each space, in the order in which they asked.
//!
//! Spin's stores have no transactions and no dependable compare-and-swap, but on every backend that we write to,
//! `increment` gives each value to exactly one caller. A turn is such a value: who holds turn `n` may write as soon as
//! the head of the space says that turn `n - 1` is done, and writes everything that belongs to the change, the journal's
//! records and the new head in one `set_many`. So a change costs two write transactions whatever it touches, and a third
//! one where the change before it removed something; uniqueness and counts need no further locks, and the journal's
//! order is the order of the changes.
//!
//! Where a batch is not written whole (DynamoDB), the turn first writes down what it is about to write: an [`intent`],
//! taken into the head with one write of one key. That decides the change. The values follow in batches, then the head
//! that gives the turn on. Readers look at the head first there, so they see a change whole from the moment that it is
//! decided; whoever takes a dead holder's place finds the intent and writes the values once more.
//!
//! A holder can die. Two deadlines keep the others safe without comparing clocks:
//! - a holder writes only within [`HOLD`] of the last moment at which it knows that its turn had not begun;
//! - who has seen the same turn unfinished for [`STUCK`], twice as long, which it can only have begun to see after the
//!   turn began, may end the epoch: all turns of it are void, and the counter starts anew under the next epoch's name.
//!
//! A holder that needs longer than half of its time says so in the head, in time. Then both deadlines begin anew: the
//! holder's at the moment before it said so, that of the others when they see it. Ending an epoch is work under the same
//! rule.

mod intent;
mod layout;
mod snapshot;

pub(crate) use snapshot::{Mark, Snapshot, leavings};

use crate::backend::{self, Batches, Unusable};
use crate::ports::{Ports, StoreError};
use crate::settings::Settings;
use crate::space::Space;
use crate::traffic::Traffic;
use intent::{Intent, Pair};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a request may still write after its turn can have begun.
pub const HOLD: Duration = Duration::from_millis(2_000);

/// How long a turn must be seen unfinished before it is taken for dead.
pub const STUCK: Duration = Duration::from_millis(4_000);

/// How long a request waits for its turn before it answers that the tenant is busy.
pub const WAIT_MAX: Duration = Duration::from_millis(20_000);

/// How long a request with a number bears with a store that cannot be read. Giving up leaves the turn behind, and that
/// costs everybody else [`STUCK`].
const BEAR: Duration = Duration::from_millis(1_000);

/// Times that a number is asked for. On DynamoDB two that ask at once get in each other's way, and one is told so.
const ASKED_MAX: u32 = 8;

/// Emptied keys that the head remembers. A larger change, such as the deletion of a group with thousands of members,
/// leaves the others as they are: empty, and so absent for every reader.
const EMPTIED_MAX: usize = 500;

/// Values that a turn remembers as it read them, none larger than [`REMEMBERED_BYTES_MAX`]. Others are read again.
pub const REMEMBERED_MAX: usize = 128;

/// The size of such a value.
pub const REMEMBERED_BYTES_MAX: usize = 4 * 1024;

/// The layout of all stored values. A space of a later layout is refused, one of an earlier layout migrated, see `layout`.
pub const LAYOUT: u32 = 3;

/// Why a turn could not be had or finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The store failed.
    Store(StoreError),
    /// A stored value does not read as what we wrote; the text names the key, not the value.
    Corrupt(String),
    /// The space has a layout that only a later version knows.
    Later(u32),
    /// Others kept the space busy for longer than a request may wait, or this request took too long itself.
    Busy,
    /// The store does not keep what turns rely on, so nothing is written to it. Says what.
    Unfit(String),
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Error {
        match unusable {
            Unusable::Store(error) => Error::Store(error),
            Unusable::Unfit(what) => Error::Unfit(what),
        }
    }
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
    /// Where the step to the next layout stands, while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    migrated_to: Option<String>,
    epoch: u64,
    done: u64,
    /// How often the holder of the present turn has said that it goes on.
    #[serde(default, skip_serializing_if = "is_zero")]
    beat: u64,
    /// What the present turn has decided and is writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    intent: Option<Intent>,
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
    /// Whether an import is under way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub being_restored: bool,
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

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
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
            migrated_to: None,
            epoch: 0,
            done: 0,
            beat: 0,
            intent: None,
            main: Extent::default(),
            active: 0,
            groups: Extent::default(),
            next_record: 1,
            journal_capacity: settings.journal_capacity,
            being_restored: false,
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
                layout::expect_known(head.layout)?;
                Ok(head)
            }
        }
    }

    fn pair(&self, space: &Space) -> Pair {
        (space.head(), serde_json::to_vec(self).expect("a head is plain data"))
    }

    /// What a waiter sees of the turn under way.
    fn moment(&self) -> (u64, u64) {
        (self.done, self.beat)
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

/// The store as it is now, without a turn. Several reads may see different moments, but none of them half of a change
/// whose holder has died.
pub struct View<'a> {
    ports: &'a Ports,
    settings: &'a Settings,
    space: Space,
    /// What was decided and perhaps not yet written when the view was first used.
    decided: OnceCell<BTreeMap<String, Vec<u8>>>,
}

impl<'a> View<'a> {
    /// A view of one space.
    pub fn new(ports: &'a Ports, settings: &'a Settings, space: Space) -> View<'a> {
        View { ports, settings, space, decided: OnceCell::new() }
    }

    /// Where the space stands. One of an earlier layout is migrated first.
    pub fn head(&self) -> Result<Head, Error> {
        let head = Head::read(self.ports, self.settings, &self.space)?;
        if head.layout < LAYOUT {
            Turn::take(self.ports, self.settings, self.space.clone())?.release()?;
            return self.head();
        }
        Ok(head.intent.map_or(Head { intent: None, ..head }, |intent| *intent.next))
    }

    /// Every key of the space, and of others. Costs the whole store.
    pub(crate) fn keys(&self) -> Result<Vec<String>, Error> {
        let decided = self.decided()?;
        let mut keys = self.ports.store.list_keys()?;
        let listed: BTreeSet<&String> = keys.iter().collect();
        let new: Vec<String> = decided.keys().filter(|key| !listed.contains(key)).cloned().collect();
        keys.extend(new);
        Ok(keys)
    }

    fn decided(&self) -> Result<&BTreeMap<String, Vec<u8>>, Error> {
        if let Some(decided) = self.decided.get() {
            return Ok(decided);
        }
        let decided = if backend::decides_first(self.ports, self.settings)? {
            let head = Head::read(self.ports, self.settings, &self.space)?;
            head.intent.map(|intent| intent.pairs(self.ports, &self.space)).transpose()?.unwrap_or_default()
        } else {
            BTreeMap::new()
        };
        Ok(self.decided.get_or_init(|| decided))
    }
}

impl Read for View<'_> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        debug_assert!(self.space.owns(key));
        match self.decided()?.get(key) {
            Some(bytes) => Ok(Some(bytes.clone()).filter(|bytes| !bytes.is_empty())),
            None => value(self.ports, key),
        }
    }
}

/// The right to write to a space, and what is to be written.
///
/// Nothing reaches the store before [`Turn::commit`]. A turn that a failure leaves behind is given on when it is dropped;
/// where that fails, too, it holds up its space until it is taken for dead.
#[must_use]
pub struct Turn<'a> {
    lease: Lease<'a>,
    batches: Batches,
    /// What the changes before this one have staged.
    kept: Staged,
    /// What this change has staged.
    staged: Staged,
    /// What was read. Nobody else writes before the turn is over.
    remembered: RefCell<Staged>,
    /// The seats of the tenant whose space it is, as they were when the first change asked.
    pub(crate) seats: OnceCell<Option<u64>>,
    finished: bool,
    /// Where the space stood when the turn began.
    base: Head,
    /// Where it stands after the changes before this one.
    reached: Head,
    /// Where the space stands; changes to it are committed with the rest.
    pub head: Head,
}

/// Values of keys; nothing where a key has none, or is to have none.
type Staged = BTreeMap<String, Option<Vec<u8>>>;

impl<'a> Turn<'a> {
    /// Waits for this caller's turn, in a space of this version's layout.
    pub fn take(ports: &'a Ports, settings: &'a Settings, space: Space) -> Result<Turn<'a>, Error> {
        let waiter = Waiter::arrive(ports, space);
        loop {
            match waiter.look(ports, settings)? {
                Look::Turn(turn) => return Ok(turn),
                Look::Later(pause) => ports.clock.pause(pause),
            }
        }
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
    pub fn commit(mut self) -> Result<(), Error> {
        self.keep();
        self.keep_before()?;
        self.finish()
    }

    /// Gives the turn on without writing anything else.
    pub fn release(mut self) -> Result<(), Error> {
        self.give_up();
        self.finish()
    }

    fn give_up(&mut self) {
        self.kept.clear();
        self.reached = self.base.clone();
        self.undo();
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.keep();
        self.finished = true;
        self.head.done += 1;
        self.head.beat = 0;
        let emptied = std::mem::take(&mut self.head.emptied);
        let removed = self.kept.iter().filter(|(_, bytes)| bytes.is_none()).map(|(key, _)| key.clone());
        self.head.emptied = removed.take(EMPTIED_MAX).collect();
        self.sweep(emptied);
        // A batch cannot delete, so what is removed becomes empty and is left to the next turn.
        let kept = std::mem::take(&mut self.kept).into_iter();
        let pairs: Vec<Pair> = kept.map(|(key, bytes)| (key, bytes.unwrap_or_default())).collect();
        match self.batches {
            Batches::Parts if !pairs.is_empty() => self.write_in_parts(&pairs),
            Batches::Parts | Batches::Whole => self.write_whole(pairs),
        }
    }

    fn write_whole(&self, mut pairs: Vec<Pair>) -> Result<(), Error> {
        pairs.push(self.head.pair(&self.lease.space));
        self.settle(&pairs, |now| now.done >= self.head.done)
    }

    /// Decides the change, and then carries it out. Once it is decided it is made, whoever does the rest.
    fn write_in_parts(&mut self, pairs: &[Pair]) -> Result<(), Error> {
        let plan = intent::plan(&self.lease.space, pairs, self.head.clone());
        intent::write(&self.lease, &self.base, &plan.parts)?;
        let next = plan.intent.next.clone();
        self.base.beat = self.lease.beat();
        self.base.intent = Some(plan.intent);
        let decision = [self.base.pair(&self.lease.space)];
        self.settle(&decision, |now| now.done >= self.head.done || now.intent.is_some())?;
        let head = [next.pair(&self.lease.space)];
        let carried = intent::write(&self.lease, &self.base, pairs);
        let given_on = carried.and_then(|()| self.lease.write(&head).or_else(|_| self.lease.write(&head)));
        if let Err(error) = given_on {
            self.lease.ports.log.line(&format!("turns: a change is left to the next one to write: {error:?}"));
        }
        Ok(())
    }

    /// Writes what decides the turn, and looks whether it is there where the store says that it failed.
    fn settle(&self, pairs: &[Pair], is_done: impl Fn(&Head) -> bool) -> Result<(), Error> {
        let Lease { ports, settings, space, .. } = &self.lease;
        for attempt in 0..2 {
            let Err(error) = self.lease.write(pairs) else {
                return Ok(());
            };
            if error == Error::Busy {
                return Err(error);
            }
            ports.log.line(&format!("store: a batch was reported as failed: {error:?}"));
            let now = Head::read(ports, settings, space)?;
            let ours = now.epoch == self.head.epoch;
            if ours && is_done(&now) {
                return Ok(());
            }
            if attempt > 0 || !ours || now.done != self.base.done {
                return Err(error);
            }
        }
        Err(Error::Busy)
    }

    /// Deletes what the turn before emptied, unless this turn writes it. The keys are absent for every reader already;
    /// deleting them only gives back their room.
    fn sweep(&self, mut emptied: Vec<String>) {
        emptied.retain(|key| !self.kept.contains_key(key));
        if emptied.is_empty() || self.late() {
            return;
        }
        if let Err(error) = backend::delete(self.lease.ports, &emptied) {
            self.lease.ports.log.line(&format!("store: {} emptied keys were not deleted: {error}", emptied.len()));
        }
    }

    /// Every key of the space, and of others. Costs the whole store.
    pub(crate) fn keys(&self) -> Result<Vec<String>, Error> {
        Ok(self.lease.ports.store.list_keys()?)
    }

    /// Whether the end of this turn deletes a key that the turn before it has emptied.
    pub(crate) fn sweeps(&self, key: &str) -> bool {
        self.base.emptied.iter().any(|emptied| emptied == key)
    }

    /// What the operator has set.
    pub(crate) fn settings(&self) -> &Settings {
        self.lease.settings
    }

    /// Whether others may have taken this turn for dead.
    pub(crate) fn late(&self) -> bool {
        self.lease.late()
    }

    /// How long this turn can have lasted since it last said that it goes on.
    pub(crate) fn spent(&self) -> Duration {
        self.lease.spent()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.give_up();
        if self.finish().is_err() {
            self.lease.ports.log.line(&format!("turns: one of {} was left behind", self.lease.space.head()));
        }
    }
}

impl Read for Turn<'_> {
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
        self.lease.renew(&self.base);
        let read = value(self.lease.ports, key)?;
        let mut remembered = self.remembered.borrow_mut();
        if remembered.len() < REMEMBERED_MAX && read.as_ref().is_none_or(|read| read.len() <= REMEMBERED_BYTES_MAX) {
            remembered.insert(key.to_owned(), read.clone());
        }
        Ok(read)
    }
}

/// The right to write, and until when.
struct Lease<'a> {
    ports: &'a Ports,
    settings: &'a Settings,
    space: Space,
    /// Nobody can have begun to watch the present moment of the head by then.
    since: Cell<Duration>,
    beat: Cell<u64>,
}

impl Lease<'_> {
    /// Whether others may have taken the place of who has it.
    fn late(&self) -> bool {
        self.spent() > HOLD
    }

    fn spent(&self) -> Duration {
        self.ports.clock.elapsed().saturating_sub(self.since.get())
    }

    /// Says in the head that the work goes on, where half of the time is over. Each try counts: if an answer got lost,
    /// the others may have begun to watch the moment that it made.
    fn renew(&self, head: &Head) {
        let now = self.ports.clock.elapsed();
        if self.spent() <= HOLD / 2 || self.late() {
            return;
        }
        let beat = self.beat();
        match self.ports.store.set_many(&[Head { beat, ..head.clone() }.pair(&self.space)]) {
            Ok(()) => self.since.set(now),
            Err(error) => self.ports.log.line(&format!("turns: {} was not renewed: {error}", self.space.head())),
        }
    }

    /// The next beat.
    fn beat(&self) -> u64 {
        self.beat.set(self.beat.get() + 1);
        self.beat.get()
    }

    fn write(&self, pairs: &[Pair]) -> Result<(), Error> {
        if self.late() {
            return Err(Error::Busy);
        }
        Ok(self.ports.store.set_many(pairs)?)
    }
}

/// One who waits for a turn without holding up whoever shares its thread: it looks, and is told when to look again.
pub struct Waiter {
    space: Space,
    arrived: Duration,
}

/// What a [`Waiter`] sees.
pub enum Look<'a> {
    /// Its turn.
    Turn(Turn<'a>),
    /// That others come first. It may look again after this.
    Later(Duration),
}

/// The numbers that an instance has asked for and that have not come up yet, one for each space. All who wait in the
/// instance share it, and whoever looks first when it comes up has the turn: one who holds the instance up while it waits
/// must never wait for one who cannot go on meanwhile.
#[derive(Default)]
pub struct Tickets(RefCell<BTreeMap<Space, Ticket>>);

impl Waiter {
    /// Begins to wait.
    pub fn arrive(ports: &Ports, space: Space) -> Waiter {
        Waiter { space, arrived: ports.clock.elapsed() }
    }

    /// Asks for a number where this instance has none, and looks whether it is its turn. A space of an earlier layout is
    /// migrated on the way.
    pub fn look<'a>(&self, ports: &'a Ports, settings: &'a Settings) -> Result<Look<'a>, Error> {
        let batches = backend::batches(ports, settings)?;
        let queue = Queue { ports, settings, space: self.space.clone(), batches, arrived: self.arrived };
        loop {
            let held = ports.tickets.0.borrow_mut().remove(&self.space);
            let mut ticket = held.map_or_else(|| queue.ticket(), Ok)?;
            let seen = queue.look(&mut ticket);
            match seen {
                Ok(Seen::Later(pause)) => {
                    ports.tickets.0.borrow_mut().insert(self.space.clone(), ticket);
                    return Ok(Look::Later(pause));
                }
                Ok(Seen::Passed) => {}
                Ok(Seen::Turn(mut turn)) => {
                    if !layout::advance(&mut turn, layout::STEPS, LAYOUT)? {
                        return Ok(Look::Turn(turn));
                    }
                    turn.commit()?;
                }
                Err(error) => {
                    // The number is still good for whoever comes next.
                    ports.tickets.0.borrow_mut().insert(self.space.clone(), ticket);
                    return Err(error);
                }
            }
        }
    }
}

/// Those who wait for their turn in a space.
pub(crate) struct Queue<'a> {
    ports: &'a Ports,
    settings: &'a Settings,
    space: Space,
    batches: Batches,
    arrived: Duration,
}

/// A place in the queue.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    epoch: u64,
    number: u64,
    /// The turn had not begun by then.
    since: Duration,
    watch: Option<Watch>,
}

/// What the holder of a ticket sees.
enum Seen<'a> {
    Turn(Turn<'a>),
    /// Others went on without it.
    Passed,
    Later(Duration),
}

impl<'a> Queue<'a> {
    pub(crate) fn on(ports: &'a Ports, settings: &'a Settings, space: Space, batches: Batches) -> Queue<'a> {
        Queue { ports, settings, space, batches, arrived: ports.clock.elapsed() }
    }

    /// Asks for a number. A failed call may have taken one; that is passed over as a dead holder's is.
    pub(crate) fn ticket(&self) -> Result<Ticket, Error> {
        let epoch = Head::read(self.ports, self.settings, &self.space)?.epoch;
        let key = self.space.turns(epoch);
        let mut asked = 1;
        loop {
            let since = self.ports.clock.elapsed();
            match self.ports.store.increment(&key, 1) {
                Ok(number) => return Ok(Ticket { epoch, number: count(number), since, watch: None }),
                Err(error) if asked == ASKED_MAX => return Err(error.into()),
                Err(_) => self.ports.clock.pause(self.apart(asked)),
            }
            asked += 1;
        }
    }

    /// A pause that differs from caller to caller and grows, so that those who got in each other's way do not again.
    fn apart(&self, asked: u32) -> Duration {
        let mut random = [0];
        self.ports.entropy.fill(&mut random);
        Duration::from_micros((500 + 10 * u64::from(random[0])) << asked)
    }

    /// Waits for the turn of this number. Nothing where it was passed over.
    pub(crate) fn wait(&self, mut ticket: Ticket) -> Result<Option<Turn<'a>>, Error> {
        loop {
            match self.look(&mut ticket)? {
                Seen::Turn(turn) => return Ok(Some(turn)),
                Seen::Passed => return Ok(None),
                Seen::Later(pause) => self.ports.clock.pause(pause),
            }
        }
    }

    fn look(&self, ticket: &mut Ticket) -> Result<Seen<'a>, Error> {
        let looked = self.ports.clock.elapsed();
        let head = self.head()?;
        if head.epoch != ticket.epoch || head.done >= ticket.number {
            return Ok(Seen::Passed);
        }
        if head.done + 1 != ticket.number || head.intent.is_some() {
            ticket.since = looked;
        } else if looked.saturating_sub(ticket.since) <= HOLD {
            return Ok(Seen::Turn(self.turn(ticket.since, head)));
        }
        let now = self.ports.clock.elapsed();
        if now.saturating_sub(self.arrived) > WAIT_MAX {
            return Err(Error::Busy);
        }
        let watch = ticket.watch.get_or_insert_with(|| Watch::new(now, &head));
        if watch.stuck(now, &head) {
            self.end_epoch(&head, watch.rounds)?;
            watch.rounds += 1;
            watch.since = self.ports.clock.elapsed();
            return Ok(Seen::Later(Duration::ZERO));
        }
        Ok(Seen::Later(patience(ticket.number - head.done - 1, now.saturating_sub(watch.since))))
    }

    /// The head, from a store that may be gone for a moment.
    fn head(&self) -> Result<Head, Error> {
        let since = self.ports.clock.elapsed();
        loop {
            let head = Head::read(self.ports, self.settings, &self.space);
            let bears = self.ports.clock.elapsed().saturating_sub(since) < BEAR;
            match head {
                Err(Error::Store(_)) if bears => self.ports.clock.pause(Duration::from_millis(20)),
                Ok(_) | Err(_) => return head,
            }
        }
    }

    fn lease(&self, since: Duration, beat: u64) -> Lease<'a> {
        let Queue { ports, settings, space, .. } = self;
        Lease { ports, settings, space: space.clone(), since: Cell::new(since), beat: Cell::new(beat) }
    }

    fn turn(&self, since: Duration, base: Head) -> Turn<'a> {
        let lease = self.lease(since, base.beat);
        let head = base.clone();
        let (kept, staged, reached) = (Staged::new(), Staged::new(), base.clone());
        let (remembered, seats) = (RefCell::default(), OnceCell::new());
        Turn { lease, batches: self.batches, kept, staged, remembered, seats, finished: false, base, reached, head }
    }

    /// Ends an epoch whose next turn is dead, after writing what that turn had decided. Of all who try in one round, one
    /// sees 1 and does it; a further round opens only after a waiter has seen that one fail for as long again.
    fn end_epoch(&self, stuck: &Head, round: u32) -> Result<(), Error> {
        let since = self.ports.clock.elapsed();
        if self.ports.store.increment(&self.space.heal(stuck.epoch, round), 1)? != 1 {
            return Ok(());
        }
        let mut head = Head::read(self.ports, self.settings, &self.space)?;
        if (head.epoch, head.moment()) != (stuck.epoch, stuck.moment()) {
            return Ok(());
        }
        self.ports.log.line(&format!(
            "turns: epoch {} of {} ended at turn {}",
            head.epoch,
            self.space.head(),
            head.done
        ));
        let lease = self.lease(since, head.beat);
        if let Some(intent) = head.intent.clone() {
            let pairs: Vec<Pair> = intent.pairs(self.ports, &self.space)?.into_iter().collect();
            intent::write(&lease, &head, &pairs)?;
            head = *intent.next;
        }
        let next = Head { epoch: stuck.epoch + 1, done: 0, beat: 0, intent: None, ..head };
        lease.write(&[next.pair(&self.space)])
    }
}

/// How long a waiter has seen the same moment of a turn.
#[derive(Clone, Copy)]
struct Watch {
    since: Duration,
    moment: (u64, u64),
    rounds: u32,
}

impl Watch {
    fn new(since: Duration, head: &Head) -> Watch {
        Watch { since, moment: head.moment(), rounds: 0 }
    }

    fn stuck(&mut self, now: Duration, head: &Head) -> bool {
        if head.moment() != self.moment {
            *self = Watch::new(now, head);
        }
        now.saturating_sub(self.since) > STUCK
    }
}

/// A turn takes one to two milliseconds on an embedded store; who is further back looks less often, and so does who has
/// seen the same turn for long.
fn patience(ahead: u64, watched: Duration) -> Duration {
    let queue = Duration::from_micros(300 + 1_200 * ahead.saturating_sub(1).min(200));
    queue.max((watched / 8).min(Duration::from_millis(25)))
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

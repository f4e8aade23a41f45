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
//! # A holder that dies, and one that comes late
//!
//! A *holder* is the request whose turn it is; a *waiter* has a later number. A holder can die, and whatever it has sent
//! can arrive late: packets are sent again, a process is paused, a lock is waited for. So a turn ends in one of two ways,
//! by what the store can do.
//!
//! **With a guard** ([`Store::change_if`](crate::ports::Store::change_if)) a commit holds the head that its turn began with
//! as its condition. The store itself refuses whatever comes after somebody else has written the head, however late that
//! is. The deadlines below only say how long others wait.
//!
//! **Without a guard**, on Spin's own stores, the safety of a commit rests on two deadlines, which are measured without
//! comparing clocks, and on one assumption:
//!
//! ```text
//! holder   |number asked for ... |seen: own turn| ... |write sent |....on its way....| lands
//!          |<------------ at most HOLD ------------->|            |<-- assumption --->|
//! waiter               |sees the turn of the holder|<---------- TAKEOVER_UNGUARDED ---------->|ends the epoch
//! ```
//!
//! - The holder sends its commit within [`HOLD`] of the last moment at which it knows that its turn had not begun.
//! - A waiter that has seen the same turn unfinished for [`TAKEOVER_UNGUARDED`], which it can only have begun to see after
//!   the turn began, may end the epoch: all turns of it are void, and the counter starts anew under the next epoch's name.
//!   The waiter counts only time in which it was awake itself: a look after more than [`AWAKE_GAP_MAX`] begins anew.
//! - **The assumption:** a commit that was sent arrives within `TAKEOVER_UNGUARDED - HOLD`, 13 seconds. Nothing is promised
//!   beyond it, but what happens is seen and mended where the commit lands within [`IN_FLIGHT_MAX`], see [`damage`].
//!
//! A holder that needs longer than half of its time says so under a key of its own, in time: a *beat*. Then both deadlines
//! begin anew: the holder's at the moment before it said so, that of the waiters when they see it.

pub mod capabilities;
mod damage;
mod intent;
mod layout;
mod lease;
mod queue;
mod snapshot;
mod turn;

pub use damage::Damage;
pub(crate) use queue::Queue;
pub use queue::{Look, Tickets, Waiter};
pub(crate) use snapshot::{Mark, Snapshot, leavings};
pub use turn::Turn;

use crate::keys::Space;
use crate::ledger::capabilities::Unusable;
use crate::ports::Batches;
use crate::ports::{KeyPage, Ports, StoreError};
use crate::settings::Settings;
use crate::traffic::Traffic;
use damage::InFlight;
use intent::{Intent, Pair};
use jiff::Timestamp;
use lease::Commits;
use serde::{Deserialize, Serialize};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a request may still send its commit after its turn can have begun, where the store has no guard. Everywhere a
/// holder says within half of it that it goes on.
pub const HOLD: Duration = Duration::from_millis(2_000);

/// How long a turn must be seen unfinished before it is taken for dead, on a store with a guard: long enough for the beat
/// of a holder that is alive.
pub const TAKEOVER_GUARDED: Duration = Duration::from_millis(2_500);

/// The same on a store without a guard: long enough for a commit that is on its way.
pub const TAKEOVER_UNGUARDED: Duration = Duration::from_millis(15_000);

/// A waiter that has not looked for so long was not awake, so what it saw before counts for nothing.
pub const AWAKE_GAP_MAX: Duration = Duration::from_millis(1_000);

/// How long a request waits for its turn before it answers that the tenant is busy.
pub const WAIT_MAX: Duration = Duration::from_millis(20_000);

/// How long after a holder was taken for dead its commit, or a deletion that failed, is expected to arrive after all, on a
/// store without a guard.
pub const IN_FLIGHT_MAX: Duration = Duration::from_secs(60);

// A holder beats in time for whoever waits, and a waiter outlives a holder that died.
const _: () = assert!(HOLD.as_millis() < TAKEOVER_GUARDED.as_millis());
const _: () = assert!(HOLD.as_millis() / 2 + AWAKE_GAP_MAX.as_millis() < TAKEOVER_GUARDED.as_millis());
const _: () = assert!(TAKEOVER_GUARDED.as_millis() < TAKEOVER_UNGUARDED.as_millis());
const _: () = assert!(TAKEOVER_UNGUARDED.as_millis() < WAIT_MAX.as_millis());
const _: () = assert!(WAIT_MAX.as_millis() < IN_FLIGHT_MAX.as_millis());

/// How long a request goes on migrating a space before it answers that the tenant is busy, and leaves the rest to the next:
/// whoever shares its instance may have to wait meanwhile.
pub const MIGRATING_MAX: Duration = Duration::from_millis(2_000);

/// How long a request with a number bears with a store that cannot be read. Giving up leaves the turn behind, and that
/// costs everybody else the time of a takeover.
const BEAR: Duration = Duration::from_millis(1_000);

/// Times that a number is asked for. On DynamoDB two that ask at once get in each other's way, and one is told so.
const ASKED_MAX: u32 = 8;

/// Ended epochs that the head remembers, so that a holder which comes back late learns whether its commit counts.
const ENDED_MAX: usize = 8;

/// Emptied keys that the head remembers. A larger change, such as the deletion of a group with thousands of members,
/// leaves the others as they are: empty, and so absent for every reader.
const EMPTIED_MAX: usize = 500;

/// Values that a turn remembers as it read them, none larger than [`REMEMBERED_BYTES_MAX`]. Others are read again.
pub const REMEMBERED_MAX: usize = 128;

/// The size of such a value.
pub const REMEMBERED_BYTES_MAX: usize = 4 * 1024;

/// The layout of all stored values. A space of a later layout is refused, one of an earlier layout migrated, see `layout`.
pub const LAYOUT: u32 = 4;

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
    /// What is stored contradicts itself, as only a write that came too late can have made it. Says how.
    Damaged(String),
    /// The space is damaged, and closed for changes until it is mended.
    Mending,
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

/// What the store lets the ledger promise.
pub struct Promise {
    /// Whether the store refuses a commit that comes late, however late that is.
    pub guarded: bool,
    /// How long a turn is seen unfinished before its holder is taken for dead.
    pub takeover: Duration,
    /// What a commit that was answered relies on beyond the store's own checks; nothing with a guard.
    pub assumption: Option<String>,
}

impl Promise {
    /// Of a store that takes batches so.
    pub fn of(ports: &Ports, settings: &Settings, batches: Batches) -> Promise {
        let commits = Commits::of(ports, settings, settings.store_batches.unwrap_or(batches));
        let (guarded, takeover) = (commits.is_guarded(), commits.takeover());
        let within = takeover.saturating_sub(HOLD).as_secs();
        let assumption = format!(
            "a write that was sent arrives within {within} seconds; one that arrives later, within {} seconds, is seen and \
             mended",
            IN_FLIGHT_MAX.as_secs()
        );
        Promise { guarded, takeover, assumption: (!guarded).then_some(assumption) }
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
    /// How far the latest epochs had come when they were ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ended: Vec<Progress>,
    /// What the present turn has decided and is writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    intent: Option<Intent>,
    /// The roster of the space: tenants in the registry, users in a tenant.
    #[serde(flatten)]
    pub main: Extent,
    /// Users that are not disabled.
    #[serde(default)]
    pub active: u64,
    /// How often a user was written or removed: where it is what it was, so are all users.
    #[serde(default)]
    pub user_changes: u64,
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
    /// Writes that may still arrive, on a store without a guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_flight: Option<InFlight>,
    /// Why the space is closed for changes, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    damage: Option<Damage>,
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
            ended: Vec::new(),
            intent: None,
            main: Extent::default(),
            active: 0,
            user_changes: 0,
            groups: Extent::default(),
            next_record: 1,
            journal_capacity: settings.journal_capacity,
            being_restored: false,
            emptied: Vec::new(),
            in_flight: None,
            damage: None,
            snapshot: None,
            last_transfer: None,
            last_success: None,
            last_change: None,
            tokens: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    /// What is wrong with the space, where that was seen and is not mended yet.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    fn read(ports: &Ports, settings: &Settings, space: &Space) -> Result<Head, Error> {
        Ok(StoredHead::read(ports, settings, space)?.head)
    }

    fn pair(&self, space: &Space) -> Pair {
        (space.head(), serde_json::to_vec(self).expect("a head is plain data"))
    }

    /// The first head of a later epoch, after the turns that this head knows.
    fn of_epoch(self, epoch: u64) -> Head {
        let mut ended = self.ended.clone();
        ended.push(self.progress());
        let forgotten = ended.len().saturating_sub(ENDED_MAX);
        ended.drain(..forgotten);
        Head { epoch, done: 0, intent: None, ended, ..self }
    }

    /// Whether a turn of an epoch was over when the head was written, or when its epoch was ended.
    fn includes(&self, turn: Progress) -> bool {
        let covers = |reached: &Progress| reached.epoch == turn.epoch && reached.done >= turn.done;
        covers(&self.progress()) || self.ended.iter().any(covers)
    }

    /// The epoch, and how many of its turns are over: two heads that say the same are the same.
    pub(crate) fn moment(&self) -> (u64, u64) {
        (self.epoch, self.done)
    }

    /// How many turns are over, in the order of all epochs.
    fn progress(&self) -> Progress {
        Progress { epoch: self.epoch, done: self.done }
    }
}

/// How far the turns of a space have come. It never goes back, unless a write that was sent long ago arrives.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Progress {
    epoch: u64,
    done: u64,
}

/// A head, and the bytes that it was read from, which are the condition of the commit that replaces them.
struct StoredHead {
    head: Head,
    bytes: Option<Vec<u8>>,
}

impl StoredHead {
    fn read(ports: &Ports, settings: &Settings, space: &Space) -> Result<StoredHead, Error> {
        let key = space.head();
        let bytes = value(ports, &key)?;
        let head = match &bytes {
            None => Head::new(settings),
            Some(bytes) => {
                let head: Head = decode(&key, bytes)?;
                layout::expect_known(head.layout)?;
                head
            }
        };
        ports.tickets.note(space, head.progress());
        Ok(StoredHead { head, bytes })
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
    /// What could not be read and was left out of a list.
    left_out: RefCell<BTreeSet<String>>,
}

impl<'a> View<'a> {
    /// A view of one space.
    pub fn new(ports: &'a Ports, settings: &'a Settings, space: Space) -> View<'a> {
        View { ports, settings, space, decided: OnceCell::new(), left_out: RefCell::default() }
    }

    /// Leaves out of a list what cannot be read, and says so in the error output, once.
    pub(crate) fn leave_out(&self, what: &str, why: &str) {
        if self.left_out.borrow_mut().insert(what.to_owned()) {
            self.ports.log.line(&format!("list: {what} cannot be read and is left out: {why}"));
        }
    }

    /// What was left out.
    pub(crate) fn left_out(&self) -> Vec<String> {
        self.left_out.borrow().iter().cloned().collect()
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

    /// [`Clock::elapsed`](crate::ports::Clock::elapsed).
    pub(crate) fn elapsed(&self) -> Duration {
        self.ports.clock.elapsed()
    }

    /// A page of the space's keys, see [`Store::list_page`](crate::ports::Store::list_page); nothing where the store has too
    /// many to list them. What is decided and not yet written may be missing.
    pub(crate) fn keys(&self, cursor: Option<&str>) -> Result<Option<KeyPage>, Error> {
        key_page(self.ports, &self.space, cursor)
    }

    fn decided(&self) -> Result<&BTreeMap<String, Vec<u8>>, Error> {
        if let Some(decided) = self.decided.get() {
            return Ok(decided);
        }
        let decided = if capabilities::decides_first(self.ports, self.settings)? {
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

fn value(ports: &Ports, key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(ports.store.get(key)?.filter(|bytes| !bytes.is_empty()))
}

fn key_page(ports: &Ports, space: &Space, cursor: Option<&str>) -> Result<Option<KeyPage>, Error> {
    match ports.store.list_page(space.prefix(), cursor) {
        Ok(mut page) => {
            page.keys.retain(|key| space.owns(key));
            Ok(Some(page))
        }
        Err(error) if error.is_too_much() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn decode<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    // serde's own message may quote the value, and with it a person's data.
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Corrupt(format!("{key}: not what was stored, at line {}, column {}", error.line(), error.column()))
    })
}

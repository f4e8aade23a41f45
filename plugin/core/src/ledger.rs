//! Turns: one writer at a time in each space, in the order in which they asked.
//!
//! Spin's stores have no transactions and no dependable compare-and-swap, but on every backend that we write to,
//! `increment` gives each value to exactly one caller. A turn is such a value: who holds turn `n` may write as soon as
//! the head of the space says that turn `n - 1` is done, and writes everything that belongs to the change, the journal's
//! records and the new head in one `set_many`. So a change costs two write transactions whatever it touches, and a third
//! one where the change before it removed something; uniqueness and counts need no further locks, and the journal's
//! order is the order of the changes.
//!
//! Where a batch is not written whole (DynamoDB), the turn first writes down what it is about to write: an *intent*,
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
//!   beyond it, but what happens is seen and mended where the commit lands within [`IN_FLIGHT_MAX`], see `damage`.
//!
//! A holder that needs longer than half of its time says so under a key of its own, in time: a *beat*. Then both deadlines
//! begin anew: the holder's at the moment before it said so, that of the waiters when they see it.

pub mod capabilities;
mod damage;
mod head;
mod intent;
mod layout;
mod lease;
mod queue;
mod read;
mod snapshot;
mod turn;

pub use damage::Damage;
pub use head::{Head, HeadState};
pub use layout::{LAYOUT, Migrate, Migration};
pub(crate) use queue::Queue;
pub use queue::{Look, Tickets, Waiter};
pub use read::{Read, View};
pub(crate) use snapshot::{Snapshot, SnapshotMark, leavings};
pub use turn::Turn;

use crate::ports::{Batches, Ports, StoreError};
use crate::settings::{LIMITS, Settings};
use crate::watch::TurnCounts;
use capabilities::Unusable;
use lease::Commits;
use std::time::Duration;

/// How long a request may still send its commit after its turn can have begun, where the store has no guard. Everywhere a
/// holder says within half of it that it goes on.
pub const HOLD: Duration = Duration::from_millis(2_000);

/// How long a turn must be seen unfinished before it is taken for dead, on a store with a guard: long enough for the beat
/// of a holder that is alive.
pub const TAKEOVER_GUARDED: Duration = Duration::from_millis(2_500);

/// How long a turn must be seen unfinished before it is taken for dead, on a store without a guard: long enough for a
/// commit that is on its way.
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

/// Emptied keys that the head remembers. A larger change, such as the deletion of a group with thousands of members,
/// leaves the others as they are: empty, and so absent for every reader.
const EMPTIED_MAX: usize = 500;

// A repair empties no more than the head remembers.
const _: () = assert!(LIMITS.mended_at_once < EMPTIED_MAX);

/// Values that a turn remembers as it read them, none larger than [`REMEMBERED_BYTES_MAX`]. Others are read again.
pub const REMEMBERED_MAX: usize = 128;

/// The size of such a value.
pub const REMEMBERED_BYTES_MAX: usize = 4 * 1024;

/// Where turns are had: the store, what an operator has set, and what the instance remembers of both.
#[derive(Clone, Copy)]
pub struct Ledger<'a> {
    /// The world.
    pub ports: &'a Ports,
    /// What an operator has set.
    pub settings: &'a Settings,
    /// What the instance remembers.
    pub memory: &'a Memory,
}

/// What an instance remembers of the turns that it asked for and of its store; nothing at first.
#[derive(Default)]
pub struct Memory {
    capabilities: capabilities::ReportMemory,
    tickets: Tickets,
    /// What was seen of turns.
    pub(crate) turn_counts: TurnCounts,
}

impl Memory {
    /// Turns that the instance has asked for and not had yet.
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }
}

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
    pub fn of(ledger: Ledger<'_>, batches: Batches) -> Promise {
        let commits = Commits::of(ledger, ledger.settings.store_batches.unwrap_or(batches));
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

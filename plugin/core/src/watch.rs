//! What an instance counts of itself, for `/metrics`: cells that are added to, and nothing that is stored.
//!
//! An instance ends at any moment and its counts with it, and several instances live beside each other. So each count is
//! that of one instance, and whoever reads it is told which one, see `docs/operations.md`.

mod histogram;
mod store;

pub(crate) use histogram::{BUCKETS_US, Histogram};
pub(crate) use store::{CountedStore, StoreCall, StoreCalls};

use std::cell::Cell;
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// Counts one more.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.set(self.0.get().saturating_add(more));
    }

    /// What was counted.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A time in microseconds; one that does not fit is the longest that does.
pub(crate) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What an instance has seen of turns.
#[derive(Debug, Default)]
pub struct TurnCounts {
    /// Turns that it had.
    pub had: Counter,
    /// Microseconds for which these were waited for.
    pub waited_us: Counter,
    /// Epochs that it ended, because a holder was taken for dead.
    pub takeovers: Counter,
    /// Damaged spaces that it has mended whole.
    pub repairs: Counter,
}

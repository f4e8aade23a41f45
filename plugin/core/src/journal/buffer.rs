//! Records that wait in the memory of an instance until they are written, many at once.

use super::record::PendingRecord;
use crate::keys::TenantId;
use crate::pace::place_in_millisecond;
use crate::settings::LIMITS;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Records that are written without waiting for more, all tenants of an instance together: as many as Spin's instances
/// answer requests in their life.
pub const BATCH: usize = 128;

/// Records that may wait in memory, as long as they cannot be written: beyond them the oldest one of the tenant that
/// has most is given up, with a line in the error output. No request waits for them, since it may hold the turn that they
/// need.
pub const BUFFERED_MAX: usize = 4 * BATCH;

// A bulk request leaves a record for each of its operations before any of them can be written.
const _: () = assert!(LIMITS.bulk_operations_max + BATCH < BUFFERED_MAX);

/// How long the first record after a pause waits for others.
pub const ALONE: Duration = Duration::from_millis(25);

/// How long a record may wait, and the pause after which the next one is written at once.
pub const WAIT_MAX: Duration = Duration::from_secs(2);

/// By how much the waits of instances differ: many that began together, as with a flood, are not to write together.
const SPREAD: Duration = Duration::from_millis(500);

/// How long who writes the records may stay away, so that an instance ends soon after somebody else has written them.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Entries that wait for a batch.
#[derive(Default)]
pub struct Buffer {
    waiting: BTreeMap<TenantId, Vec<PendingRecord>>,
    /// The first request of a tenant in each second that was one too many; it counts the others.
    throttled: BTreeMap<TenantId, Vec<PendingRecord>>,
    len: usize,
    /// When the oldest entry came, or one older than that.
    since: Duration,
    /// Requests since the buffer was last empty.
    come: u64,
    /// When entries were last taken out to be written.
    taken: Option<Duration>,
}

impl Buffer {
    /// Adds an entry. Answers how many older ones were given up for it, of the tenant that has most.
    pub fn push(&mut self, tenant: &TenantId, entry: PendingRecord, now: Duration) -> usize {
        if self.is_empty() {
            self.since = now;
            self.come = 0;
        }
        self.come += 1;
        if entry.is_throttled() {
            self.throttled.entry(tenant.clone()).or_default().push(entry);
            return 0;
        }
        self.waiting.entry(tenant.clone()).or_default().push(entry);
        if self.len < BUFFERED_MAX {
            self.len += 1;
            return 0;
        }
        let most = self.waiting.values_mut().max_by_key(|entries| entries.len());
        most.map(|entries| entries.remove(0)).map_or(0, |_| 1)
    }

    /// How many entries wait.
    pub(crate) fn records(&self) -> usize {
        self.len + self.throttled.values().map(Vec::len).sum::<usize>()
    }

    /// Whether anything of a tenant waits.
    pub(crate) fn has(&self, tenant: &TenantId) -> bool {
        self.waiting.contains_key(tenant) || self.throttled.contains_key(tenant)
    }

    /// Counts one more request that was one too many, if there is an entry of the same second already.
    pub fn repeats(&mut self, tenant: &TenantId, time: Timestamp) -> bool {
        let latest = self.throttled.get_mut(tenant).and_then(|entries| entries.last_mut());
        let Some(entry) = latest.filter(|entry| entry.record.time.as_second() == time.as_second()) else {
            return false;
        };
        self.come += 1;
        entry.record.repeats += 1;
        true
    }

    /// Takes out what waits for one tenant, to be written now.
    pub fn take(&mut self, tenant: &TenantId, now: Duration) -> Vec<PendingRecord> {
        let mut entries = self.waiting.remove(tenant).unwrap_or_default();
        self.len -= entries.len();
        entries.extend(self.throttled.remove(tenant).into_iter().flatten());
        if !entries.is_empty() {
            self.taken = Some(now);
        }
        entries
    }

    /// How long what waits may wait on; nothing where it is to be written now, as are so many.
    pub fn patience(&self, now: Duration, enough: usize) -> Option<Duration> {
        let just_taken = self.taken.filter(|taken| self.since.saturating_sub(*taken) < WAIT_MAX);
        let wait = WAIT_MAX - SPREAD * place_in_millisecond(self.since) / 1_000;
        let until = match (just_taken, self.come) {
            (Some(taken), _) => taken + wait,
            (None, 1) => self.since + ALONE,
            (None, _) => self.since + wait,
        };
        let patience = until.saturating_sub(now);
        (!self.holds(enough) && !patience.is_zero()).then_some(patience.min(LOOK_EVERY))
    }

    /// When the oldest entry came, or one older than that.
    pub(crate) fn since(&self) -> Duration {
        self.since
    }

    /// Whether so many entries wait.
    pub fn holds(&self, enough: usize) -> bool {
        self.len >= enough
    }

    /// The tenants that have something waiting.
    pub fn tenants(&self) -> Vec<TenantId> {
        let of_refused = self.throttled.keys().filter(|tenant| !self.waiting.contains_key(tenant));
        self.waiting.keys().chain(of_refused).cloned().collect()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0 && self.throttled.is_empty()
    }
}

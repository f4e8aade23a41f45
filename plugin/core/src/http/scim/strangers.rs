//! What one instance remembers of requests without a valid token, so that a caller who knows no more than a tenant URL
//! takes neither turns nor reads of that tenant.
//!
//! A tenant has [`RECORDS_AT_ONCE`] records of such requests, and one more each [`RECORD_EVERY`]. All beyond these are
//! counted in memory, in one entry that is written [`TOLD_AFTER`] its first request, or with whatever is written of the
//! tenant before. They read nothing either while what was read of the tenant's connection is [`FRESH`]. So under a flood a
//! token that was made a moment ago works as late as one that was ended stops to work: a second later at the most.
//!
//! An instance that ends takes a count with it that it has not written.

use crate::connection::Connection;
use crate::connection::cache::FRESH;
use crate::journal::{LOOK_EVERY, PendingRecord};
use crate::keys::TenantId;
use crate::settings::LIMITS;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Requests of one tenant without a valid token that have a record of their own, after a pause that is long enough.
pub(super) const RECORDS_AT_ONCE: u32 = 20;

/// How often one more has a record of its own.
pub(super) const RECORD_EVERY: Duration = Duration::from_secs(10);

/// How long a count waits to be written with something else of the tenant.
pub(super) const TOLD_AFTER: Duration = Duration::from_secs(10);

const _: () = assert!(TOLD_AFTER.as_secs() >= RECORD_EVERY.as_secs());

/// What a tenant id was found to name.
#[derive(Clone)]
pub(super) enum TenantLookup {
    /// A tenant with a connection, ended or not.
    Connected(Rc<Connection>),
    /// A tenant whose setup was never started.
    Unconnected,
    /// A tenant whose data come from an export just now, with the connection that the export has.
    BeingRestored(Option<Rc<Connection>>),
    /// No tenant.
    Nobody,
}

/// The memory of one instance, bounded by [`Limits::strangers_remembered_max`](crate::settings::Limits).
#[derive(Default)]
pub(crate) struct Strangers(RefCell<BTreeMap<TenantId, Visits>>);

/// Requests of one tenant without a valid token.
struct Visits {
    /// How long it would take until all records were open again.
    spent: Duration,
    at: Duration,
    found: TenantLookup,
    /// When the reading of that began.
    read: Duration,
    /// Stands for requests that have no record of their own, since then.
    folded: Option<(Duration, PendingRecord)>,
}

impl Visits {
    fn spent(&self, now: Duration) -> Duration {
        self.spent.saturating_sub(now.saturating_sub(self.at))
    }

    fn is_open(&self, now: Duration) -> bool {
        self.spent(now) + RECORD_EVERY <= RECORD_EVERY * RECORDS_AT_ONCE
    }
}

impl Strangers {
    /// What was found under an id a moment ago, where so many requests without a valid token have come since that reading
    /// it once more for each is too much.
    pub(super) fn recall(&self, tenant: &TenantId, now: Duration) -> Option<TenantLookup> {
        let visits = self.0.borrow();
        let visits = visits.get(tenant)?;
        let recalls = !visits.is_open(now) && now.saturating_sub(visits.read) < FRESH;
        recalls.then(|| visits.found.clone())
    }

    /// Takes in what a request without a valid token has found, the reading of which began then.
    pub(super) fn remember(&self, tenant: &TenantId, read: Duration, found: &TenantLookup) {
        let mut all = self.0.borrow_mut();
        if let Some(visits) = all.get_mut(tenant) {
            (visits.found, visits.read) = (found.clone(), read);
            return;
        }
        if all.len() >= LIMITS.strangers_remembered_max {
            // Ids that name nobody are as many as somebody likes to make up.
            let last = |visits: &Visits| (!matches!(visits.found, TenantLookup::Nobody), visits.at);
            let idlest = all.iter().min_by_key(|(_, visits)| last(visits)).map(|(tenant, _)| tenant.clone());
            idlest.map(|idlest| all.remove(&idlest));
        }
        let visits = Visits { spent: Duration::ZERO, at: read, found: found.clone(), read, folded: None };
        all.insert(tenant.clone(), visits);
    }

    /// Whether a request without a valid token is to have a record of its own.
    pub(super) fn has_record(&self, tenant: &TenantId, now: Duration) -> bool {
        let mut all = self.0.borrow_mut();
        let Some(visits) = all.get_mut(tenant) else {
            return true;
        };
        let open = visits.is_open(now);
        if open {
            (visits.spent, visits.at) = (visits.spent(now) + RECORD_EVERY, now);
        }
        open
    }

    /// Counts one more request in the entry that stands for others, if there is one.
    pub(super) fn repeats(&self, tenant: &TenantId) -> bool {
        let mut all = self.0.borrow_mut();
        let Some((_, entry)) = all.get_mut(tenant).and_then(|visits| visits.folded.as_mut()) else {
            return false;
        };
        entry.record.repeats += 1;
        true
    }

    /// Keeps an entry to stand for others. It is given back where nothing is remembered of the tenant.
    pub(super) fn fold(&self, tenant: &TenantId, entry: PendingRecord, now: Duration) -> Option<PendingRecord> {
        match self.0.borrow_mut().get_mut(tenant) {
            Some(visits) => {
                visits.folded = Some((now, entry));
                None
            }
            None => Some(entry),
        }
    }

    /// Takes out the entry that stands for others, to be written now.
    pub(crate) fn take(&self, tenant: &TenantId) -> Option<PendingRecord> {
        let mut all = self.0.borrow_mut();
        all.get_mut(tenant)?.folded.take().map(|(_, entry)| entry)
    }

    /// Whether an entry stands for others.
    pub(crate) fn holds(&self, tenant: &TenantId) -> bool {
        self.0.borrow().get(tenant).is_some_and(|visits| visits.folded.is_some())
    }

    /// Forgets everybody.
    #[cfg(test)]
    pub(in crate::http) fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    /// Whether an entry of any tenant does.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().values().all(|visits| visits.folded.is_none())
    }

    /// The tenants whose entry has waited long enough.
    pub(crate) fn due(&self, now: Duration) -> Vec<TenantId> {
        let all = self.0.borrow();
        let waited = |visits: &Visits| visits.folded.as_ref().map(|(since, _)| now.saturating_sub(*since));
        let due = all.iter().filter(|(_, visits)| waited(visits).is_some_and(|waited| waited >= TOLD_AFTER));
        due.map(|(tenant, _)| tenant.clone()).collect()
    }

    /// How long these entries may wait on before somebody looks again; nothing where one is to be written now.
    pub(crate) fn patience(&self, now: Duration) -> Option<Duration> {
        let all = self.0.borrow();
        let since = all.values().filter_map(|visits| visits.folded.as_ref()).map(|(since, _)| *since).min();
        let patience = since.map_or(LOOK_EVERY, |since| (since + TOLD_AFTER).saturating_sub(now));
        (!patience.is_zero()).then_some(patience.min(LOOK_EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> TenantId {
        TenantId::from_random(std::array::from_fn(|place| (number >> (5 * place)) as u8 & 31))
    }

    #[test]
    fn a_tenant_has_so_many_records_of_strangers_at_once_and_then_one_each_ten_seconds() {
        let strangers = Strangers::default();
        strangers.remember(&id(0), Duration::ZERO, &TenantLookup::Unconnected);
        let records = |count: u32, now: Duration| (0..count).filter(|_| strangers.has_record(&id(0), now)).count();
        assert_eq!(records(100, Duration::ZERO), 20);
        assert_eq!(records(100, RECORD_EVERY - Duration::from_millis(1)), 0);
        assert_eq!(records(100, RECORD_EVERY), 1);
        assert_eq!(records(100, RECORD_EVERY * 1_000), 20);
    }

    #[test]
    fn what_was_found_is_recalled_for_a_second_and_only_where_no_record_is_open() {
        let strangers = Strangers::default();
        strangers.remember(&id(0), Duration::ZERO, &TenantLookup::Unconnected);
        assert!(strangers.recall(&id(0), Duration::ZERO).is_none());
        (0..RECORDS_AT_ONCE).for_each(|_| assert!(strangers.has_record(&id(0), Duration::ZERO)));
        assert!(matches!(strangers.recall(&id(0), Duration::ZERO), Some(TenantLookup::Unconnected)));
        assert!(strangers.recall(&id(0), FRESH - Duration::from_millis(1)).is_some());
        assert!(strangers.recall(&id(0), FRESH).is_none());
        assert!(strangers.recall(&id(1), Duration::ZERO).is_none());
    }

    #[test]
    fn a_tenant_beyond_the_limit_takes_the_place_of_an_id_that_names_nobody() {
        let strangers = Strangers::default();
        strangers.remember(&id(0), Duration::ZERO, &TenantLookup::Unconnected);
        for number in 1..LIMITS.strangers_remembered_max + 1_000 {
            strangers.remember(&id(number), Duration::from_secs(1), &TenantLookup::Nobody);
        }
        let remembered = strangers.0.borrow();
        assert_eq!(remembered.len(), LIMITS.strangers_remembered_max);
        assert!(remembered.contains_key(&id(0)));
    }
}

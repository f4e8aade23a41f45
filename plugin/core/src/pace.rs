//! How many requests a second a tenant may send, so that none takes the others' share.
//!
//! Every instance counts for itself, without asking the store: a bucket that fills with the tenant's rate and holds
//! [`BURST_SECONDS`] of it. Instances are many and short-lived, so that alone would bound little. The head of the tenant
//! therefore tells how many requests all instances had, those that were refused included, since it is brought forward with
//! every batch of records; an instance looks there when it meets the tenant and then every quarter of a second while it is
//! being used, and lets in only its share of what may come. What is known of a flood fades slowly, so that it does not come
//! back as a flood. A refused request costs no read and no write of its own.
//!
//! Records are written a second or two after their requests, which is late for a flood that begins. So a few requests are
//! counted at once, see `rush`.

mod rush;

use crate::keys::TenantId;
use crate::settings::LIMITS;
use rush::Rush;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many seconds' requests may come at once after a pause.
pub const BURST_SECONDS: u64 = 2;

/// What a request takes out of a bucket. A millisecond fills in as many as the rate has requests a second.
const REQUEST: u64 = 1_000;

/// How long who sends too much is asked to wait. The component holds its answer back for as long or longer, see
/// [`Limits::refusals_held_max`](crate::settings::Limits::refusals_held_max).
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often an instance looks at what the others had.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Requests of a tenant that an instance has had before it looks again: with fewer it is no part of a flood.
const LOOK_FROM: u64 = 8;

/// An instance that has had about this part of a second's requests tells the others at once.
const TELL_PART: u64 = 8;

/// However low the rate, with no fewer records.
const TELL_FROM: usize = 16;

/// Records of requests that are written without waiting for more, where a rate is set: with more of them waiting, the
/// others would learn of a flood too late. From a half to three halves of the [`TELL_PART`], by when the first of them
/// came: the instances of a flood have equally many at any time, and are not to write all together. Never more than `most`.
pub(crate) fn enough(rate: u64, since: Duration, most: usize) -> usize {
    let part = rate / TELL_PART;
    let spread = part.saturating_mul(place_in_millisecond(since).into()) / 1_000;
    usize::try_from(part / 2 + spread).unwrap_or(most).clamp(TELL_FROM.min(most), most)
}

/// A number below 1,000 that tells instances apart which begin together: the microsecond of the millisecond.
pub(crate) fn place_in_millisecond(moment: Duration) -> u32 {
    moment.subsec_micros() % 1_000
}

/// Requests that all instances of a tenant had; kept in the tenant's head.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
#[serde(default)]
pub struct Demand {
    /// The latest second that is counted, since 1970.
    second: i64,
    /// Requests of that second and of those before it. Records come up to [`WAIT_MAX`](crate::journal::WAIT_MAX) late, so
    /// these still grow while the next ones pass.
    counts: [u64; 4],
    /// What is left of the most that any before them had, where that was above the rate. Who was refused comes again, so
    /// what was too much a moment ago is still to be expected.
    peak: u64,
}

/// How many seconds a clock may be ahead of another one's. What is said to be of a later time counts nothing: with it, one
/// wrong clock would refuse a tenant's requests until all others have caught up.
pub(crate) const AHEAD_SECONDS_MAX: i64 = 5;

impl Demand {
    /// Forgets what is said to be of a time that has not come.
    pub(crate) fn forget_future(&mut self, now: i64) {
        if self.second > now.saturating_add(AHEAD_SECONDS_MAX) {
            *self = Demand::default();
        }
    }

    /// Counts requests of a second, unless that is too long ago.
    pub(crate) fn note(&mut self, second: i64, requests: u64, rate: u64) {
        *self = self.at(second, rate);
        let age = usize::try_from(self.second.saturating_sub(second)).unwrap_or(usize::MAX);
        if let Some(count) = self.counts.get_mut(age) {
            *count = count.saturating_add(requests);
        }
    }

    /// Takes in that so many a second are to be expected.
    pub(crate) fn expect(&mut self, second: i64, requests: u64, rate: u64) {
        *self = self.at(second, rate);
        self.peak = self.peak.max(requests);
    }

    /// How many a second are to be expected.
    pub(crate) fn latest(&self, now: i64, rate: u64) -> u64 {
        let mut known = *self;
        known.forget_future(now);
        let Demand { counts, peak, .. } = known.at(now, rate);
        counts.into_iter().fold(peak, u64::max)
    }

    /// This demand, seen from a later second.
    fn at(&self, second: i64, rate: u64) -> Demand {
        let passed = second.saturating_sub(self.second);
        if passed <= 0 {
            return *self;
        }
        let (mut counts, mut peak) = ([0; 4], faded(self.peak, rate, passed));
        for (age, count) in (0..).zip(self.counts) {
            let age = passed.saturating_add(age);
            match usize::try_from(age).ok().and_then(|age| counts.get_mut(age)) {
                Some(place) => *place = count,
                None => peak = peak.max(faded(count, rate, age - 3)),
            }
        }
        Demand { second, counts, peak }
    }
}

/// What is left after so many seconds; what is above the rate shrinks by a fifth with each.
///
/// Where little of a flood is let in, little of it comes: who is refused waits. Letting everything in again at once would
/// bring all of it back, and for a second or two nobody would know. So the part that is refused shrinks by degrees, down to
/// where as much comes as may.
fn faded(count: u64, rate: u64, seconds: i64) -> u64 {
    // After so many of them nothing is left of any number.
    let above = (0..seconds.min(200)).fold(count.saturating_sub(rate), |above, _| above - above.div_ceil(5));
    if above == 0 { 0 } else { rate + above }
}

/// What one instance knows of the tenants that it serves.
#[derive(Default)]
pub(crate) struct Limiter {
    buckets: RefCell<BTreeMap<TenantId, TokenBucket>>,
    /// Whose flood was found here and is not known to the others.
    untold: RefCell<BTreeSet<TenantId>>,
}

struct TokenBucket {
    /// Requests that may come now, in thousandths.
    open: u64,
    at: Duration,
    /// Requests since the last look.
    had: u64,
    looked: Duration,
    demand: u64,
    /// What is left of shares, in requests times demand.
    share: u64,
    rush: Rush,
}

impl Limiter {
    /// Whether a request of a tenant may come in, at so many a second. Its `lot` is any number. `demand` looks at what all
    /// instances had, and `count` adds to what they count at once and answers the sum, or nothing where that fails.
    pub(crate) fn admits(
        &self,
        tenant: &TenantId,
        rate: u64,
        now: Duration,
        lot: u64,
        demand: impl Fn() -> u64,
        count: impl FnOnce(u64) -> Option<u64>,
    ) -> bool {
        let mut buckets = self.buckets.borrow_mut();
        if buckets.len() >= LIMITS.tenants_paced_max && !buckets.contains_key(tenant) {
            let idlest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(tenant, _)| tenant.clone());
            idlest.map(|idlest| buckets.remove(&idlest));
        }
        let bucket = match buckets.entry(tenant.clone()) {
            Entry::Vacant(place) => place.insert(TokenBucket::full(rate, now, demand())),
            Entry::Occupied(place) => {
                let bucket = place.into_mut();
                bucket.look(now, &demand);
                bucket
            }
        };
        bucket.fill(rate, now);
        if bucket.may_count(rate, now) && bucket.rush.note(rate, now, lot, count) {
            bucket.demand = demand();
            // Otherwise another instance has told it.
            if bucket.demand <= rate {
                self.untold.borrow_mut().insert(tenant.clone());
            }
        }
        bucket.admits(rate, now)
    }

    /// Whether this instance knows of a flood that the others do not know of.
    pub(crate) fn has_news(&self) -> bool {
        !self.untold.borrow().is_empty()
    }

    /// What the others are to expect of a tenant in a second, where this instance has found a flood. They are told of it
    /// then.
    pub(crate) fn news(&self, tenant: &TenantId, rate: u64, now: Duration) -> Option<u64> {
        self.untold.borrow_mut().remove(tenant);
        let demand = self.buckets.borrow().get(tenant).map(|bucket| bucket.rush.demand(rate, now));
        demand.filter(|demand| *demand > rate)
    }
}

impl TokenBucket {
    fn full(rate: u64, at: Duration, demand: u64) -> TokenBucket {
        TokenBucket { open: size(rate), at, had: 0, looked: at, demand, share: 0, rush: Rush::default() }
    }

    fn look(&mut self, now: Duration, demand: impl FnOnce() -> u64) {
        self.had = self.had.saturating_add(1);
        if now.saturating_sub(self.looked) >= LOOK_EVERY && self.had > LOOK_FROM {
            *self = TokenBucket { had: 0, looked: now, demand: demand(), ..*self };
        }
    }

    /// Neither who is refused counts, nor who knows already.
    fn may_count(&self, rate: u64, now: Duration) -> bool {
        self.open >= REQUEST && self.expected(rate, now) <= rate
    }

    fn admits(&mut self, rate: u64, now: Duration) -> bool {
        let expected = self.expected(rate, now);
        if expected > rate {
            self.share = self.share.saturating_add(rate);
            if self.share < expected {
                return false;
            }
            self.share = (self.share - expected).min(expected);
        }
        let admits = self.open >= REQUEST;
        self.open = self.open.saturating_sub(if admits { REQUEST } else { 0 });
        admits
    }

    fn fill(&mut self, rate: u64, now: Duration) {
        let passed = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        if passed > 0 {
            self.open = self.open.saturating_add(passed.saturating_mul(rate)).min(size(rate));
            self.at = now;
        }
    }

    /// Requests a second of all instances.
    fn expected(&self, rate: u64, now: Duration) -> u64 {
        self.demand.max(self.rush.demand(rate, now))
    }
}

fn size(rate: u64) -> u64 {
    rate.saturating_mul(BURST_SECONDS * REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(letter: u8) -> TenantId {
        TenantId::from_random([letter; 10])
    }

    fn admitted(limiter: &Limiter, requests: u64, rate: u64, now: Duration, demand: u64) -> usize {
        (0..requests).filter(|_| limiter.admits(&tenant(0), rate, now, 0, || demand, |_| None)).count()
    }

    #[test]
    fn two_seconds_of_requests_may_come_at_once_and_then_so_many_a_second() {
        let limiter = Limiter::default();
        assert_eq!(admitted(&limiter, 1_000, 100, Duration::ZERO, 0), 200);
        assert_eq!(admitted(&limiter, 1_000, 100, Duration::from_millis(500), 0), 50);
        assert_eq!(admitted(&limiter, 1_000, 100, Duration::from_secs(60), 0), 200);
    }

    #[test]
    fn an_instance_lets_in_its_share_of_what_all_have() {
        let limiter = Limiter::default();
        // Of a tenth of all requests, a tenth of the rate.
        assert_eq!(admitted(&limiter, 100, 100, Duration::ZERO, 1_000), 10);
        // It looks again a little later, and not before it has been asked often enough.
        assert_eq!(admitted(&limiter, 10, 100, LOOK_EVERY - Duration::from_millis(1), 50), 1);
        assert_eq!(admitted(&limiter, 100, 100, LOOK_EVERY, 50), 100);
    }

    #[test]
    fn one_tenants_flood_takes_nothing_from_another() {
        let limiter = Limiter::default();
        admitted(&limiter, 1_000, 100, Duration::ZERO, 1_000);
        assert!(limiter.admits(&tenant(1), 100, Duration::ZERO, 0, || 0, |_| None));
    }

    #[test]
    fn a_tenant_beyond_the_limit_takes_the_place_of_the_idlest() {
        let limiter = Limiter::default();
        let id = |number: usize| TenantId::from_random(std::array::from_fn(|place| (number >> (5 * place)) as u8 & 31));
        for number in 0..=LIMITS.tenants_paced_max {
            let now = Duration::from_millis(number as u64);
            assert!(limiter.admits(&id(number), 1, now, 0, || 0, |_| None));
        }
        let buckets = limiter.buckets.borrow();
        assert_eq!(buckets.len(), LIMITS.tenants_paced_max);
        assert!(!buckets.contains_key(&id(0)) && buckets.contains_key(&id(1)));
    }

    #[test]
    fn demand_is_the_most_of_the_last_four_seconds() {
        let mut demand = Demand::default();
        demand.note(10, 5, 100);
        demand.note(11, 2, 100);
        demand.note(10, 1, 100);
        assert_eq!([10, 11, 12, 13, 14, 15].map(|now| demand.latest(now, 100)), [6, 6, 6, 6, 2, 0]);
        // A second's records are still counted three seconds later, and no later.
        demand.note(13, 1, 100);
        demand.note(10, 6, 100);
        assert_eq!([13, 14].map(|now| demand.latest(now, 100)), [12, 2]);
        demand.note(9, 100, 100);
        assert_eq!(demand.latest(13, 100), 12);
    }

    #[test]
    fn demand_of_a_time_that_has_not_come_is_none() {
        let mut demand = Demand::default();
        demand.note(3_600, 400, 100);
        let ahead = |by: i64| demand.latest(3_600 - by, 100);
        assert_eq!([ahead(0), ahead(AHEAD_SECONDS_MAX), ahead(AHEAD_SECONDS_MAX + 1), ahead(3_600)], [400, 400, 0, 0]);
        demand.forget_future(3_600 - AHEAD_SECONDS_MAX);
        assert_eq!(demand.latest(3_600, 100), 400);
        demand.forget_future(0);
        demand.note(0, 7, 100);
        assert_eq!(demand.latest(0, 100), 7);
    }

    #[test]
    fn what_was_above_the_rate_fades_towards_it() {
        let mut demand = Demand::default();
        demand.note(15, 400, 100);
        assert_eq!([15, 18, 19, 20, 21].map(|now| demand.latest(now, 100)), [400, 400, 340, 292, 253]);
        // Nothing is left in the end, however much it was and whatever the clock says.
        assert_eq!([60, i64::MAX].map(|now| demand.latest(now, 100)), [0, 0]);
        demand.note(60, u64::MAX, 1);
        assert_eq!([64, 400].map(|now| demand.latest(now, 1)), [u64::MAX - u64::MAX / 5, 0]);
        // What comes meanwhile counts where it is more.
        let mut demand = Demand::default();
        demand.note(15, 400, 100);
        demand.note(20, 900, 100);
        assert_eq!(demand.latest(20, 100), 900);
    }
}

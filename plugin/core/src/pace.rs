//! How many requests a second a tenant may send, so that none takes the others' share.
//!
//! Every instance counts for itself, without asking the store: a bucket that fills with the tenant's rate and holds
//! [`BURST_SECONDS`] of it. Instances are many and short-lived, so that alone would bound little. The head of the tenant
//! therefore tells how many requests all instances had in the last full second, those that were refused included, since
//! it is brought forward with every batch of records; an instance that is being used looks there once a second, and lets
//! in only its share of what may come. So a sudden flood is let in until the first records of it are written, one to two
//! seconds, and is held to about the rate from then on. A refused request costs no read and no write of its own.

use crate::settings::LIMITS;
use crate::space::TenantId;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many seconds' requests may come at once after a pause.
pub const BURST_SECONDS: u64 = 2;

/// How often an instance looks at what the others had.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Requests of a tenant that an instance has had before it looks: with fewer it is no part of a flood.
const LOOK_FROM: u64 = 8;

/// Requests that all instances of a tenant had, by seconds since 1970; kept in the tenant's head.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    second: i64,
    count: u64,
    before: u64,
}

impl Demand {
    /// Counts requests of a second. What comes later than a second after its time is not counted any more.
    pub(crate) fn note(&mut self, second: i64, requests: u64) {
        match second.saturating_sub(self.second) {
            0 => self.count = self.count.saturating_add(requests),
            -1 => self.before = self.before.saturating_add(requests),
            1 => *self = Demand { second, count: requests, before: self.count },
            2.. => *self = Demand { second, count: requests, before: 0 },
            ..-1 => {}
        }
    }

    /// Requests in the last full second that is known; none where that is long ago.
    pub(crate) fn latest(&self, now: i64) -> u64 {
        match now.saturating_sub(self.second) {
            ..=0 => self.before.max(self.count),
            1..=2 => self.count,
            3.. => 0,
        }
    }
}

/// What one instance knows of the tenants that it serves.
#[derive(Default)]
pub(crate) struct Limiter(RefCell<BTreeMap<TenantId, Bucket>>);

struct Bucket {
    /// Requests that may come now, in thousandths.
    open: u64,
    at: Duration,
    /// Requests since the last look.
    had: u64,
    looked: Option<Duration>,
    demand: u64,
    /// What is left of shares, in requests times demand.
    share: u64,
}

impl Limiter {
    /// Whether a request of a tenant may come in, at so many a second. `demand` looks at what all instances had.
    pub(crate) fn admits(&self, tenant: &TenantId, rate: u64, now: Duration, demand: impl FnOnce() -> u64) -> bool {
        let mut buckets = self.0.borrow_mut();
        if buckets.len() >= LIMITS.tenants_paced_max && !buckets.contains_key(tenant) {
            let idlest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(tenant, _)| tenant.clone());
            idlest.map(|idlest| buckets.remove(&idlest));
        }
        let bucket = buckets.entry(tenant.clone()).or_insert_with(|| Bucket::full(rate, now));
        bucket.look(now, demand);
        bucket.admits(rate, now)
    }
}

impl Bucket {
    fn full(rate: u64, at: Duration) -> Bucket {
        Bucket { open: size(rate), at, had: 0, looked: None, demand: 0, share: 0 }
    }

    fn look(&mut self, now: Duration, demand: impl FnOnce() -> u64) {
        self.had = self.had.saturating_add(1);
        let due = self.looked.is_none_or(|looked| now.saturating_sub(looked) >= LOOK_EVERY);
        if due && self.had > LOOK_FROM {
            *self = Bucket { had: 0, looked: Some(now), demand: demand(), ..*self };
        }
    }

    fn admits(&mut self, rate: u64, now: Duration) -> bool {
        let passed = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        if passed > 0 {
            self.open = self.open.saturating_add(passed.saturating_mul(rate)).min(size(rate));
            self.at = now;
        }
        if self.demand > rate {
            self.share = self.share.saturating_add(rate);
            if self.share < self.demand {
                return false;
            }
            self.share = (self.share - self.demand).min(self.demand);
        }
        let admits = self.open >= 1_000;
        self.open = self.open.saturating_sub(if admits { 1_000 } else { 0 });
        admits
    }
}

fn size(rate: u64) -> u64 {
    rate.saturating_mul(BURST_SECONDS * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(letter: u8) -> TenantId {
        TenantId::from_random([letter; 10])
    }

    fn admitted(limiter: &Limiter, requests: u64, rate: u64, now: Duration, demand: u64) -> usize {
        (0..requests).filter(|_| limiter.admits(&tenant(0), rate, now, || demand)).count()
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
        // Of a tenth of all requests, a tenth of the rate; the first eight come before it has looked.
        assert_eq!(admitted(&limiter, 108, 100, Duration::ZERO, 1_000), 8 + 10);
        assert_eq!(admitted(&limiter, 100, 100, Duration::from_secs(1), 50), 100);
    }

    #[test]
    fn one_tenants_flood_takes_nothing_from_another() {
        let limiter = Limiter::default();
        admitted(&limiter, 1_000, 100, Duration::ZERO, 1_000);
        assert!(limiter.admits(&tenant(1), 100, Duration::ZERO, || 0));
    }

    #[test]
    fn a_tenant_beyond_the_limit_takes_the_place_of_the_idlest() {
        let limiter = Limiter::default();
        let id = |number: usize| TenantId::from_random(std::array::from_fn(|place| (number >> (5 * place)) as u8 & 31));
        for number in 0..=LIMITS.tenants_paced_max {
            let now = Duration::from_millis(number as u64);
            assert!(limiter.admits(&id(number), 1, now, || 0));
        }
        let buckets = limiter.0.borrow();
        assert_eq!(buckets.len(), LIMITS.tenants_paced_max);
        assert!(!buckets.contains_key(&id(0)) && buckets.contains_key(&id(1)));
    }

    #[test]
    fn demand_is_that_of_the_last_full_second() {
        let mut demand = Demand::default();
        demand.note(10, 5);
        demand.note(11, 2);
        demand.note(10, 1);
        assert_eq!([10, 11, 12, 13, 14].map(|now| demand.latest(now)), [6, 6, 2, 2, 0]);
        demand.note(9, 100);
        demand.note(20, 7);
        assert_eq!((demand.latest(20), demand.latest(21)), (7, 7));
    }
}

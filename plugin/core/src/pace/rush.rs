//! A flood while it begins.
//!
//! Sixty instances with ten requests each cannot tell alone that six hundred is too much. So one in so many requests, drawn
//! by lot, is counted in the store, and stands for the others: one write of one key, without a turn. The answer tells what
//! all have had since the instance was told before, up to a second ago. Where the others had two seconds' requests within a
//! second, it is a flood; the instance that finds it holds back from then on, and tells all others in the tenant's head.
//! What one instance has by itself is its bucket's affair.
//!
//! At the rate, [`COUNTED_A_SECOND`] are counted a second, with a deviation of four: two seconds' requests are four times
//! that away. The counter only ever counts up, so it needs no care. A count that fails or gets lost makes a flood look a
//! little smaller, no more.

use super::{BURST_SECONDS, faded};
use std::time::Duration;

/// How many requests are counted in a second where as many come as may.
const COUNTED_A_SECOND: u64 = 16;

/// How long what the counter said is compared with.
const WINDOW: Duration = Duration::from_secs(1);

/// What one instance knows of a flood that begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rush {
    mark: Option<CounterReading>,
    found: Option<Flood>,
}

/// How many requests a second all had when they were found to be too many.
#[derive(Clone, Copy, Debug)]
struct Flood {
    requests: u64,
    at: Duration,
}

/// What the counter said a moment ago.
#[derive(Clone, Copy, Debug)]
struct CounterReading {
    sum: u64,
    at: Duration,
    /// What this instance has added since.
    own: u64,
}

impl Rush {
    /// Takes in a request, and answers whether it shows a flood. Its `lot` is any number. `count` adds to the counter and
    /// answers what it holds then.
    pub(super) fn note(&mut self, rate: u64, now: Duration, lot: u64, count: impl FnOnce(u64) -> Option<u64>) -> bool {
        let stands_for = (rate / COUNTED_A_SECOND).max(1);
        if !lot.is_multiple_of(stands_for) {
            return false;
        }
        count(stands_for).is_some_and(|sum| self.compare(rate, now, sum, stands_for))
    }

    fn compare(&mut self, rate: u64, now: Duration, sum: u64, added: u64) -> bool {
        let Some(mark) = self.mark.as_mut().filter(|mark| now.saturating_sub(mark.at) <= WINDOW) else {
            self.mark = Some(CounterReading { sum, at: now, own: 0 });
            return false;
        };
        mark.own = mark.own.saturating_add(added);
        let all = sum.saturating_sub(mark.sum);
        let is_flood = all.saturating_sub(mark.own) > rate.saturating_mul(BURST_SECONDS);
        if is_flood {
            let passed = u64::try_from(now.saturating_sub(mark.at).as_micros()).unwrap_or(u64::MAX);
            self.found = Some(Flood { requests: all.saturating_mul(1_000_000) / passed.max(1), at: now });
        }
        is_flood
    }

    /// How many requests a second are to be expected of a flood that was found; none where there was none.
    pub(super) fn demand(&self, rate: u64, now: Duration) -> u64 {
        self.found.map_or(0, |flood| {
            let seconds = now.saturating_sub(flood.at).as_secs();
            faded(flood.requests, rate, i64::try_from(seconds).unwrap_or(i64::MAX))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const RATE: u64 = 500;

    /// A counter, how often it was asked, and lots.
    #[derive(Default)]
    struct World {
        sum: Cell<u64>,
        asked: Cell<u64>,
        lot: Cell<u64>,
    }

    impl World {
        fn add(&self, requests: u64) -> Option<u64> {
            self.sum.set(self.sum.get() + requests);
            self.asked.set(self.asked.get() + 1);
            Some(self.sum.get())
        }

        fn lot(&self) -> u64 {
            self.lot.set(self.lot.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            self.lot.get() >> 33
        }

        /// Requests that so many instances have had, each one every `pace`, when the first of them finds a flood, if any
        /// does within a minute.
        fn found_after(&self, instances: usize, pace: Duration) -> Option<usize> {
            let mut rushes = vec![Rush::default(); instances];
            let mut requests = 0;
            let mut now = Duration::ZERO;
            while now < Duration::from_secs(60) {
                now += pace;
                for rush in &mut rushes {
                    requests += 1;
                    if rush.note(RATE, now, self.lot(), |requests| self.add(requests)) {
                        return Some(requests);
                    }
                }
            }
            None
        }
    }

    #[test]
    fn a_flood_is_found_soon_after_two_seconds_of_requests() {
        let had = World::default().found_after(60, Duration::from_millis(15)).unwrap();
        // 4,000 come a second.
        assert!((600..2_000).contains(&had), "{had}");
    }

    #[test]
    fn what_is_expected_then_is_what_came_and_it_fades() {
        let (mut rush, world) = (Rush::default(), World::default());
        let mut note = |milliseconds, others| {
            world.add(others);
            rush.note(RATE, Duration::from_millis(milliseconds), 0, |requests| world.add(requests))
        };
        assert!(!note(100, 5_000), "what was before is not known");
        assert!(!note(300, 1_000), "so much may come at once");
        assert!(note(350, 1), "more may not");
        let at = Duration::from_millis(350);
        // Of a quarter of a second: 1,001 of others and 62 of its own.
        assert_eq!(
            [0, 1, 2].map(|seconds| rush.demand(RATE, at + Duration::from_secs(seconds))),
            [4_252, 3_501, 2_900]
        );
        assert_eq!(rush.demand(RATE, Duration::MAX), 0);
    }

    #[test]
    fn what_came_within_more_than_a_second_is_no_flood() {
        let (mut rush, world) = (Rush::default(), World::default());
        for milliseconds in [0, 1_001, 2_002] {
            world.add(10_000);
            assert!(!rush.note(RATE, Duration::from_millis(milliseconds), 0, |requests| world.add(requests)));
        }
    }

    #[test]
    fn what_one_instance_has_by_itself_is_no_flood() {
        assert_eq!(World::default().found_after(1, Duration::from_micros(100)), None);
    }

    #[test]
    fn as_much_as_the_rate_is_no_flood_and_costs_so_many_writes() {
        let world = World::default();
        assert_eq!(world.found_after(10, Duration::from_millis(20)), None);
        let a_second = world.asked.get() / 60;
        assert!((COUNTED_A_SECOND - 2..=COUNTED_A_SECOND + 2).contains(&a_second), "{a_second}");
    }

    #[test]
    fn a_counter_that_fails_stops_nobody() {
        let mut rush = Rush::default();
        assert!(!(0..10_000).any(|lot| rush.note(RATE, Duration::ZERO, lot, |_| None)));
        // Nor one that was set back.
        let mut sums = [1_000_000, 0, 31].into_iter();
        assert!(!(0..3).any(|_| rush.note(RATE, Duration::ZERO, 0, |_| sums.next())));
    }
}

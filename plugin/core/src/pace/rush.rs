//! A flood while it begins.
//!
//! Sixty instances with ten requests each cannot tell alone that six hundred is too much. One that has more than a
//! [`PART`]th of the rate by itself adds its requests to a counter of the tenant, a few at a time: one write of one key,
//! without a turn, and the answer tells what the others had. Where these alone had more than a second's requests within a
//! second, it is a flood, and who has found that out counts no more. What one instance has by itself is its bucket's affair.
//!
//! The counter only ever counts up, so it needs no care: an instance compares with what it was told itself a moment ago. A
//! count that fails or gets lost makes it a little less careful, no more.

use super::faded;
use std::time::Duration;

/// An instance with less than this part of the rate counts nothing: with the default rate, 7 requests a second.
const PART: u64 = 64;

/// Requests that are counted at once, while it is not known how many the others have.
const STEP_MIN: u64 = 4;

/// The same where the others have little.
const STEP_MAX: u64 = 64;

/// How long what the counter said is compared with.
const WINDOW: Duration = Duration::from_secs(1);

/// What one instance knows of a flood that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rush {
    /// Requests that are not counted yet.
    uncounted: u64,
    /// When the one before them came.
    since: Duration,
    /// How many of them are counted at once.
    step: u64,
    mark: Option<Mark>,
    /// How many requests a second all had when they were found to be too many.
    found: u64,
    found_at: Duration,
}

/// What the counter said a moment ago.
#[derive(Clone, Copy, Debug)]
struct Mark {
    sum: u64,
    at: Duration,
    /// What this instance has added since.
    own: u64,
}

impl Default for Rush {
    fn default() -> Rush {
        Rush { uncounted: 0, since: Duration::ZERO, step: STEP_MIN, mark: None, found: 0, found_at: Duration::ZERO }
    }
}

impl Rush {
    /// Takes in a request. `count` adds to the counter and answers what it holds then.
    pub(super) fn note(&mut self, rate: u64, now: Duration, count: impl FnOnce(u64) -> Option<u64>) {
        // So many requests in less than this are more than the part.
        let within = Duration::from_micros(self.step * PART * 1_000_000 / rate.max(1));
        if now.saturating_sub(self.since) > within {
            // This one only begins the time.
            (self.uncounted, self.since, self.step) = (0, now, STEP_MIN);
            return;
        }
        self.uncounted += 1;
        if self.uncounted >= self.step {
            let requests = std::mem::take(&mut self.uncounted);
            self.since = now;
            if let Some(sum) = count(requests) {
                self.compare(rate, now, sum, requests);
            }
        }
    }

    fn compare(&mut self, rate: u64, now: Duration, sum: u64, requests: u64) {
        let Some(mark) = self.mark.as_mut().filter(|mark| now.saturating_sub(mark.at) <= WINDOW) else {
            self.mark = Some(Mark { sum, at: now, own: 0 });
            return;
        };
        mark.own += requests;
        let all = sum.saturating_sub(mark.sum);
        let others = all.saturating_sub(mark.own);
        let a_second = |count: u64| count.saturating_mul(1_000_000) / micros(now.saturating_sub(mark.at)).max(1);
        if others > rate {
            (self.found, self.found_at) = (a_second(all), now);
        } else if a_second(others) < rate / 2 {
            self.step = (self.step * 2).min(STEP_MAX);
        }
    }

    /// How many requests a second are to be expected of a flood that was found; none where there was none.
    pub(super) fn demand(&self, rate: u64, now: Duration) -> u64 {
        let seconds = now.saturating_sub(self.found_at).as_secs();
        faded(self.found, rate, i64::try_from(seconds).unwrap_or(i64::MAX))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const RATE: u64 = 500;

    /// A counter, and how often it was asked.
    #[derive(Default)]
    struct Counter {
        sum: Cell<u64>,
        asked: Cell<u64>,
    }

    impl Counter {
        fn add(&self, requests: u64) -> Option<u64> {
            self.sum.set(self.sum.get() + requests);
            self.asked.set(self.asked.get() + 1);
            Some(self.sum.get())
        }
    }

    /// Requests that so many instances have had, each one every `pace`, when the first of them finds a flood, if any does
    /// within a minute.
    fn found_after(instances: usize, pace: Duration, counter: &Counter) -> Option<u64> {
        let mut rushes = vec![Rush::default(); instances];
        for round in 1..=60_000_000 / micros(pace) {
            let now = pace * u32::try_from(round).unwrap();
            for (rush, number) in rushes.iter_mut().zip(0..) {
                rush.note(RATE, now, |requests| counter.add(requests));
                if rush.demand(RATE, now) > RATE {
                    return Some((round - 1) * instances as u64 + number);
                }
            }
        }
        None
    }

    #[test]
    fn a_flood_is_found_when_the_others_have_had_a_seconds_requests() {
        let had = found_after(60, Duration::from_millis(15), &Counter::default()).unwrap();
        // Each has had its first five when it is told for the first time.
        assert!((RATE + 5 * 60..RATE + 10 * 60).contains(&had), "{had}");
    }

    #[test]
    fn what_is_expected_then_is_what_came_and_it_fades() {
        let (mut rush, counter) = (Rush::default(), Counter::default());
        for tenth in 1..=3 {
            counter.add(399);
            let now = Duration::from_millis(100) * tenth;
            (0..4).for_each(|_| rush.note(RATE, now, |requests| counter.add(requests)));
        }
        // Of two tenths: 806 requests.
        let at = Duration::from_millis(300);
        assert_eq!([0, 1, 2].map(|seconds| rush.demand(RATE, at + Duration::from_secs(seconds))), [4030, 3324, 2759]);
        assert_eq!(rush.demand(RATE, Duration::MAX), 0);
    }

    #[test]
    fn what_one_instance_has_by_itself_is_no_flood() {
        assert_eq!(found_after(1, Duration::from_micros(100), &Counter::default()), None);
    }

    #[test]
    fn as_much_as_the_rate_is_no_flood() {
        assert_eq!(found_after(10, Duration::from_millis(20), &Counter::default()), None);
    }

    #[test]
    fn an_instance_with_less_than_its_part_counts_nothing() {
        let counter = Counter::default();
        let pace = |micros| Duration::from_micros(PART * 1_000_000 / RATE + micros);
        assert_eq!(found_after(1, pace(1), &counter), None);
        assert_eq!(counter.asked.get(), 0);
        assert_eq!(found_after(1, pace(0), &counter), None);
        assert!(counter.asked.get() > 0);
    }

    #[test]
    fn where_the_others_have_little_one_write_counts_many() {
        let counter = Counter::default();
        assert_eq!(found_after(2, Duration::from_millis(10), &counter), None);
        let requests = 2 * 100 * 60;
        assert!(counter.asked.get() <= requests / (STEP_MAX - 4), "{} for {requests}", counter.asked.get());
    }

    #[test]
    fn a_counter_that_fails_stops_nobody() {
        let mut rush = Rush::default();
        (0..10_000).for_each(|_| rush.note(RATE, Duration::ZERO, |_| None));
        assert_eq!(rush.demand(RATE, Duration::ZERO), 0);
        // Nor one that was set back.
        let mut sums = [1_000_000, 0, 4].into_iter();
        (0..12).for_each(|_| rush.note(RATE, Duration::ZERO, |_| sums.next()));
        assert_eq!(rush.demand(RATE, Duration::ZERO), 0);
    }
}

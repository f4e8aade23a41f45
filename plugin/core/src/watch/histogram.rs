//! How long something took, counted in buckets.

use super::Counter;

/// The upper bounds of the buckets, in microseconds: from a read of an embedded store to what a request may take at most.
pub(crate) const BUCKETS_US: [u64; 11] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// Times, each counted in the first bucket that takes it.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BUCKETS_US.len()],
    beyond: Counter,
    sum_us: Counter,
}

impl Histogram {
    /// Counts a time.
    pub(crate) fn observe(&self, took_us: u64) {
        let bucket = BUCKETS_US.iter().position(|bound| took_us <= *bound);
        bucket.map_or(&self.beyond, |bucket| &self.buckets[bucket]).count();
        self.sum_us.add(took_us);
    }

    /// How many times no longer than each bound were counted, and last, how many in all.
    pub(crate) fn cumulative(&self) -> [u64; BUCKETS_US.len() + 1] {
        let mut sum = 0;
        let mut counts = [0; BUCKETS_US.len() + 1];
        for (count, counter) in counts.iter_mut().zip(self.buckets.iter().chain([&self.beyond])) {
            sum += counter.get();
            *count = sum;
        }
        counts
    }

    /// The sum of all times, in microseconds.
    pub(crate) fn sum_us(&self) -> u64 {
        self.sum_us.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_at_a_bound_is_within_the_bucket_and_one_above_it_in_the_next() {
        let histogram = Histogram::default();
        [1_000, 1_001, 30_000_000, 30_000_001].into_iter().for_each(|took| histogram.observe(took));
        let counts = histogram.cumulative();
        assert_eq!((counts[0], counts[1], counts[9], counts[10], counts[11]), (1, 2, 2, 3, 4));
        assert_eq!(histogram.sum_us(), 60_002_002);
    }
}

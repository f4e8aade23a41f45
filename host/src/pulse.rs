//! Whose turn it is in a request: the component's, whose time is limited, or the client's, whose time is limited
//! elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One request, from its hand-over to an instance to the end of its answer.
pub(crate) struct Pulse {
    begun: Instant,
    /// Since when it is the component's turn: nanoseconds after `begun`, and one more. Zero for the client's turn.
    since: AtomicU64,
}

impl Pulse {
    /// It is the component's turn.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), since: AtomicU64::new(1) }
    }

    /// The component has what it waited for.
    pub(crate) fn component_goes_on(&self) {
        let passed = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX - 1);
        self.since.store(passed + 1, Ordering::Relaxed);
    }

    /// The component is waited for: from now on, unless it has been already.
    pub(crate) fn component_is_awaited(&self) {
        if self.since.load(Ordering::Relaxed) == 0 {
            self.component_goes_on();
        }
    }

    /// The client has to send, or to take, something.
    pub(crate) fn client_is_awaited(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// When the component's time is over; nothing while it is the client's turn.
    pub(crate) fn deadline(&self, limit: Duration) -> Option<Instant> {
        let since = self.since.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.begun + Duration::from_nanos(since) + limit)
    }

    /// Resolves once the component has had the turn for longer than this.
    pub(crate) async fn expired(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            match self.deadline(limit) {
                Some(deadline) if deadline <= now => return,
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                // The turn that begins later ends later than this.
                None => tokio::time::sleep(limit).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn the_time_of_the_component_is_counted_from_its_last_turn_on() {
        let pulse = Pulse::begin();
        let first = pulse.deadline(LIMIT).unwrap();
        assert_eq!(first, pulse.begun + LIMIT);
        pulse.client_is_awaited();
        assert_eq!(pulse.deadline(LIMIT), None, "the client has the turn");
        pulse.component_is_awaited();
        let second = pulse.deadline(LIMIT).unwrap();
        assert!(second > first);
        pulse.component_is_awaited();
        assert_eq!(pulse.deadline(LIMIT), Some(second), "who is asked again has no more time");
        pulse.component_goes_on();
        assert!(pulse.deadline(LIMIT).unwrap() > second);
    }
}

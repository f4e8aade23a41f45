//! Who sends more than its tenant may is answered no earlier than it is asked to come back.
//!
//! A provider that heeds `Retry-After` loses a second. One that does not would otherwise ask again at once, and be refused
//! as fast as the machine can, at the cost of everybody else. No two are held for equally long, so that those who were
//! refused together do not come back together.

use rollcall_core::pace::RETRY_AFTER;
use rollcall_core::settings::LIMITS;
use spin_sdk::time::sleep;
use std::cell::Cell;
use std::time::Duration;

/// By how much the waits differ.
const LONGER_MILLIS: u64 = 1_000;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Waits where the answer is such a refusal. Some of an instance's places stay free for others.
pub(crate) async fn delay_refusal(status: http::StatusCode) {
    if status == http::StatusCode::TOO_MANY_REQUESTS && HELD.get() < LIMITS.refusals_held_max {
        let _held = Held::begin();
        let longer = Duration::from_millis(spin_sdk::wasip3::random::random::get_random_u64() % LONGER_MILLIS);
        sleep(RETRY_AFTER + longer).await;
    }
}

/// Counted until it is dropped, for whatever reason.
struct Held;

impl Held {
    fn begin() -> Held {
        HELD.set(HELD.get() + 1);
        Held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
    }
}

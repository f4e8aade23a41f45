//! Who writes the journal's buffer after the response, together with what comes in meanwhile, gives turns on that no
//! request waits for any more, and goes on mending tenants that requests had to leave closed.
//!
//! One is on duty while records wait, in the task of the request that brought the first of them. A task cannot be woken by
//! another request, so where that brings what has to be written at once, it takes the duty over.

use super::lines;
use rollcall_core::http::Rollcall;
use spin_sdk::time::sleep;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How long to stay away where what had to be written is still there: the store failed, or somebody else is at it.
const AGAIN: Duration = Duration::from_millis(25);

thread_local! {
    /// The latest who came on duty.
    static LATEST: Cell<u64> = const { Cell::new(0) };
    static STATE: Cell<State> = const { Cell::new(State::OffDuty) };
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    OffDuty,
    /// Until something has to be written.
    Asleep,
    Writing,
}

/// Sees to it that what waits in memory is written in time.
pub(crate) fn ensure_running(rollcall: &Rc<Rollcall>) {
    let needed = match STATE.get() {
        State::OffDuty => has_work(rollcall),
        // Time wakes it; only what comes does not.
        State::Asleep => rollcall.has_batch(),
        State::Writing => false,
    };
    if needed {
        let (duty, rollcall) = (Duty::begin(), rollcall.clone());
        spin_sdk::wasip3::spawn(async move { duty.serve(&rollcall).await });
    }
}

fn has_work(rollcall: &Rollcall) -> bool {
    rollcall.has_buffered() || rollcall.has_numbers() || rollcall.has_repairs()
}

/// Ends when it is dropped, for whatever reason.
struct Duty(u64);

impl Duty {
    fn begin() -> Duty {
        LATEST.set(LATEST.get() + 1);
        STATE.set(State::Asleep);
        Duty(LATEST.get())
    }

    async fn serve(self, rollcall: &Rollcall) {
        while self.is_mine() && has_work(rollcall) {
            rollcall.give_on();
            if rollcall.has_repairs() {
                // A portion at a time, so that requests of the instance come in between.
                rollcall.repair_next_portions();
            }
            if !rollcall.has_buffered() {
                sleep(AGAIN).await;
                continue;
            }
            match rollcall.patience() {
                Some(patience) if rollcall.has_numbers() || rollcall.has_repairs() => sleep(patience.min(AGAIN)).await,
                Some(patience) => sleep(patience).await,
                None => {
                    STATE.set(State::Writing);
                    for tenant in rollcall.buffered() {
                        lines::write_records(rollcall, &tenant).await;
                    }
                    if rollcall.has_buffered() && rollcall.patience().is_none() {
                        sleep(AGAIN).await;
                    }
                    STATE.set(State::Asleep);
                }
            }
        }
    }

    fn is_mine(&self) -> bool {
        self.0 == LATEST.get()
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if self.is_mine() {
            STATE.set(State::OffDuty);
        }
    }
}

//! Changes that wait. One of them keeps the place in their tenant's queue, without holding the instance up, and when the
//! turn comes, all that have come to wait by then are carried out in it: with many requests at once a turn serves as many
//! of them as there are, and with one at a time it costs what it always cost.

use rollcall_core::http::{Body, Progress, QueuePosition, Rollcall, Waiting};
use rollcall_core::keys::TenantId;
use spin_sdk::time::sleep;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// How often one who waits looks for its answer. Another request of the instance brings it, and cannot wake anybody.
const LOOK_EVERY: Duration = Duration::from_millis(1);

thread_local! {
    static LINES: RefCell<BTreeMap<TenantId, Line>> = const { RefCell::new(BTreeMap::new()) };
}

/// Those who wait for a turn of one tenant.
#[derive(Default)]
struct Line {
    led: bool,
    waiting: VecDeque<(Waiting, Slot)>,
}

/// Where an answer is left.
type Slot = Rc<RefCell<Option<http::Response<Body>>>>;

/// Carries a change out, and answers it when it is in the store.
pub(crate) async fn answer(rollcall: &Rollcall, change: Waiting) -> http::Response<Body> {
    let tenant = change.tenant().clone();
    let slot = Slot::default();
    let place = (change, slot.clone());
    LINES.with_borrow_mut(|lines| lines.entry(tenant.clone()).or_default().waiting.push_back(place));
    loop {
        if let Some(answer) = slot.take() {
            return answer;
        }
        match Lead::take(&tenant) {
            Some(lead) => lead.have_a_turn(rollcall).await,
            None => sleep(LOOK_EVERY).await,
        }
    }
}

/// Writes the records that wait in memory for a tenant, unless somebody is about to do that anyway.
pub(crate) async fn write_records(rollcall: &Rollcall, tenant: &TenantId) {
    if let Some(lead) = Lead::take(tenant) {
        lead.have_a_turn(rollcall).await;
    }
}

/// The right to keep the line's place in the queue. Whoever has it may go away: then the next one has it.
struct Lead(TenantId);

impl Lead {
    fn take(tenant: &TenantId) -> Option<Lead> {
        LINES.with_borrow_mut(|lines| {
            let line = lines.entry(tenant.clone()).or_default();
            let free = !std::mem::replace(&mut line.led, true);
            free.then(|| Lead(tenant.clone()))
        })
    }

    async fn have_a_turn(&self, rollcall: &Rollcall) {
        let place = rollcall.queue(&self.0);
        while let Some(pause) = self.look(rollcall, &place) {
            sleep(pause).await;
        }
    }

    /// Nothing once the turn is over.
    fn look(&self, rollcall: &Rollcall, place: &QueuePosition) -> Option<Duration> {
        let take = |line: &mut Line| std::mem::take(&mut line.waiting);
        let mut waiting = LINES.with_borrow_mut(|lines| lines.get_mut(&self.0).map(take)).unwrap_or_default();
        let progress = rollcall.advance(place, &mut waiting);
        LINES.with_borrow_mut(|lines| lines.entry(self.0.clone()).or_default().waiting = waiting);
        match progress {
            Progress::Later(pause) => Some(pause),
            Progress::Answered(answers) => {
                answers.into_iter().for_each(|(slot, answer)| drop(slot.replace(Some(answer))));
                None
            }
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        LINES.with_borrow_mut(|lines| {
            if let Some(line) = lines.get_mut(&self.0) {
                line.led = false;
                if line.waiting.is_empty() {
                    lines.remove(&self.0);
                }
            }
        });
    }
}

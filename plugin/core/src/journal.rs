//! The journal: every request that came to a tenant's SCIM URL, and what it was answered. Only those without a valid
//! token share a record once there are [`REFUSALS_AN_HOUR`], and those above the tenant's rate once there are
//! [`THROTTLES_AN_HOUR`].
//!
//! A ring of records in each tenant. Records are numbered without gaps by whoever holds the tenant's turn, so the
//! order of numbers is the order of the changes. The record of a change is written with the change, in one batch.
//! Records of requests that changed nothing wait in the instance's memory for the next batch: at most [`BUFFERED_MAX`] of
//! them, and as long as the instance lives at most [`WAIT_MAX`]. That is what a crash can lose. A single request after a
//! pause is written at once, and otherwise an instance writes a batch every two seconds at the latest, or one for each
//! [`BATCH`] records.

pub mod buffer;
mod method;
pub mod record;

use crate::tenant::state::{TenantHead, TenantTurn, TenantView, TokenUse};
pub(crate) use buffer::LOOK_EVERY;
pub use buffer::{ALONE, BATCH, BUFFERED_MAX, Buffer, WAIT_MAX};
pub use method::Method;
use record::mentions;
pub use record::{
    Action, CUT, GroupSubject, Outcome, PendingRecord, REFUSALS_AN_HOUR, Record, RecordKind, RecordedLeniency, Subject,
    THROTTLES_AN_HOUR, cut,
};
pub(crate) use record::{RepeatedRefusal, cut_at, cut_of};

use crate::ledger::{Damage, Error, Read};
use crate::pace::AHEAD_SECONDS_MAX;
use crate::scim::text::fold;
use crate::settings::LIMITS;
use jiff::Timestamp;

/// Writes entries into a turn, in their order.
pub fn append(turn: &mut TenantTurn<'_>, entries: impl IntoIterator<Item = PendingRecord>) {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return;
    }
    let now = turn.now();
    forget_future(&mut turn.head, now);
    for entry in entries {
        // One that waited while the clock was set right says nothing of the traffic.
        if entry.record.time.as_second() <= now.as_second().saturating_add(AHEAD_SECONDS_MAX) {
            note(turn, &entry);
        }
        if let Some(refused) = RepeatedRefusal::of(&entry)
            && folded(turn, refused, &entry.record)
        {
            continue;
        }
        let mut record = entry.record;
        record.number = turn.head.state.next_record;
        turn.head.state.next_record += 1;
        let slot = record.number % turn.head.state.journal_capacity.max(1);
        put(turn, slot, record);
    }
}

/// Writes that the tenant was closed for changes and is mended, and what was found.
pub(crate) fn append_mended(
    turn: &mut TenantTurn<'_>,
    damage: &Damage,
    values: usize,
    now: Timestamp,
    request_id: String,
) {
    let number = turn.head.state.next_record;
    turn.head.state.next_record += 1;
    let took = now.duration_since(damage.since).unsigned_abs();
    let record = Record {
        number,
        time: now,
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        method: Method::of("MEND"),
        path: String::new(),
        query: None,
        operation: format!("mend the data ({values} values)"),
        action: Action::Mend,
        kind: RecordKind::Change,
        outcome: Outcome::Success,
        status: 200,
        scim_type: None,
        detail: Some(cut(&damage.found)),
        // What was answered before is as it was answered.
        changed: false,
        user: None,
        group: None,
        token: None,
        request_id,
        traceparent: None,
        request_body: None,
        response_body: None,
        before: None,
        after: None,
        repeats: 0,
        looks_like: None,
        leniencies: Vec::new(),
    };
    let slot = number % turn.head.state.journal_capacity.max(1);
    put(turn, slot, record);
}

/// Whether a refusal is counted in the record of one before it, as long as the ring holds that.
fn folded(turn: &mut TenantTurn<'_>, refused: RepeatedRefusal, entry: &Record) -> bool {
    let next = turn.head.state.next_record;
    let Some(number) = turn.head.state.traffic.refusal(refused, entry.time, next) else {
        return false;
    };
    let slot = number % turn.head.state.journal_capacity.max(1);
    match read(turn, slot) {
        Ok(Some(mut record)) if record.number == number => {
            record.repeats += 1 + entry.repeats;
            put(turn, slot, record);
            true
        }
        Ok(_) | Err(_) => {
            turn.head.state.traffic.refusal_moved(refused, next);
            false
        }
    }
}

/// Brings the connection's times forward.
fn note(turn: &mut TenantTurn<'_>, entry: &PendingRecord) {
    let number = turn.head.state.next_record;
    let rate = turn.settings().requests_per_second;
    turn.head.state.traffic.note(entry, number, rate);
    let Some(token) = &entry.token_id else {
        return;
    };
    let record = &entry.record;
    let head = &mut turn.head;
    forward(&mut head.state.last_transfer, record.time);
    if record.outcome == Outcome::Success {
        forward(&mut head.state.last_success, record.time);
    }
    if record.changed {
        forward(&mut head.state.last_change, record.time);
    }
    match head.state.tokens.iter_mut().find(|used| used.id == *token) {
        Some(used) => used.last = used.last.max(record.time),
        None => head.state.tokens.push(TokenUse { id: token.clone(), first: record.time, last: record.time }),
    }
}

/// Forgets what a head says of a time that has not come, see [`Traffic::forget_future`](crate::traffic::Traffic).
pub(crate) fn forget_future(head: &mut TenantHead, now: Timestamp) {
    head.state.traffic.forget_future(now);
    for time in [&mut head.state.last_transfer, &mut head.state.last_success, &mut head.state.last_change] {
        *time = time.map(|time| time.min(now));
    }
    for used in &mut head.state.tokens {
        (used.first, used.last) = (used.first.min(now), used.last.min(now));
    }
}

fn forward(time: &mut Option<Timestamp>, to: Timestamp) {
    *time = Some(time.map_or(to, |time| time.max(to)));
}

/// What to leave out of a list of records.
#[derive(Default, Clone, Debug)]
pub struct RecordFilter {
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only changes or only reads.
    pub kind: Option<RecordKind>,
    /// Only this action.
    pub action: Option<Action>,
    /// Only this status.
    pub status: Option<u16>,
    /// Only about this user or group, by id.
    pub subject: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Only records in whose operation, path, query, detail, user or group name this stands, without case.
    pub search: Option<String>,
    /// Leave out the connection tests.
    pub without_probes: bool,
}

impl RecordFilter {
    /// Whether a record stays.
    pub fn keeps(&self, record: &Record) -> bool {
        self.outcome.is_none_or(|outcome| outcome == record.outcome)
            && self.kind.is_none_or(|kind| kind == record.kind)
            && self.action.is_none_or(|action| action == record.action)
            && self.status.is_none_or(|status| status == record.status)
            && self.subject.as_ref().is_none_or(|id| record.subject() == Some(id))
            && self.from.is_none_or(|from| record.time >= from)
            && self.to.is_none_or(|to| record.time < to)
            && self.search.as_ref().is_none_or(|text| mentions(record, &fold(text)))
            && !(self.without_probes && record.action == Action::Probe)
    }
}

/// The record in a slot of the ring.
pub(crate) fn read(from: &impl Read, slot: u64) -> Result<Option<Record>, Error> {
    let key = from.space().journal(slot);
    let Some(bytes) = from.get(&key)? else {
        return Ok(None);
    };
    Record::of_stored(&bytes).map(Some).ok_or_else(|| Error::Corrupt(format!("{key}: not a record as it is stored")))
}

/// Writes a record into a slot of the ring.
pub(crate) fn put(turn: &mut TenantTurn<'_>, slot: u64, record: Record) {
    turn.put(turn.space().journal(slot), record.stored());
}

/// A page of records, newest first.
pub struct RecordPage {
    /// The records.
    pub records: Vec<Record>,
    /// What to pass as `before` to read on; nothing when the oldest record was reached.
    pub next: Option<u64>,
}

/// Records with a number below `before`, `limit` of them at most.
///
/// Looks at no more than [`Limits::journal_scan_max`](crate::settings::Limits::journal_scan_max) records, so a page may
/// come back with fewer than `limit` and still have a `next`.
///
/// # Errors
/// The store does not answer, or the tenant's data cannot be read.
pub fn page(
    view: &TenantView<'_>,
    before: Option<u64>,
    limit: usize,
    filter: &RecordFilter,
) -> Result<RecordPage, Error> {
    let head = view.head()?;
    let newest = before.unwrap_or(u64::MAX).min(head.state.next_record).saturating_sub(1);
    let oldest = head.state.oldest_record();
    let mut records = Vec::new();
    let mut number = newest;
    let floor = newest.saturating_sub(LIMITS.journal_scan_max).max(oldest - 1);
    while number > floor && records.len() < limit {
        let record = read(view, number % head.state.journal_capacity.max(1))?;
        // A slot can already hold a younger record than the head that we read knows of.
        records.extend(record.filter(|record| record.number == number && filter.keeps(record)));
        number -= 1;
    }
    Ok(RecordPage { records, next: (number >= oldest).then_some(number + 1) })
}

/// The record of this number, if the ring still holds it.
///
/// # Errors
/// The store does not answer, or the tenant's data cannot be read.
pub fn get(view: &TenantView<'_>, number: u64) -> Result<Option<Record>, Error> {
    let head = view.head()?;
    let record = read(view, number % head.state.journal_capacity.max(1))?;
    // A restored journal can have begun behind a record that another one left in its slot.
    Ok(record.filter(|record| record.number == number && record.number < head.state.next_record))
}

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

mod method;

pub use method::Method;

use crate::ledger::{Damage, Error, Head, Read, TokenUse, Turn, View};
use crate::pace::AHEAD_SECONDS_MAX;
use crate::scim::text::fold;
use crate::settings::LIMITS;
use crate::space::TenantId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Records that are written without waiting for more, all tenants of an instance together: as many as Spin's instances
/// answer requests in their life.
pub const BATCH: usize = 128;

/// Records that may wait in memory, as long as they cannot be written: beyond them the oldest one of the tenant that
/// has most is given up, with a line in the error output. No request waits for them, since it may hold the turn that they need.
pub const BUFFERED_MAX: usize = 4 * BATCH;

// A bulk request leaves a record for each of its operations before any of them can be written.
const _: () = assert!(LIMITS.bulk_operations_max + BATCH < BUFFERED_MAX);

/// How long the first record after a pause waits for others.
pub const ALONE: Duration = Duration::from_millis(25);

/// How long a record may wait, and the pause after which the next one is written at once.
pub const WAIT_MAX: Duration = Duration::from_secs(2);

/// By how much the waits of instances differ: many that began together, as with a flood, are not to write together.
const SPREAD: Duration = Duration::from_millis(500);

/// How long who writes the records may stay away, so that an instance ends soon after somebody else has written them.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Records of requests without a valid token that a tenant's journal takes in one hour; the last of them stands for all
/// further ones and counts them. Who knows no more than a tenant URL must not be able to wash the ring out.
pub const REFUSALS_AN_HOUR: u64 = 100;

/// The same of requests that were refused because there were too many; those that one instance refuses in one second have
/// one record anyway.
pub const THROTTLES_AN_HOUR: u64 = 20;

/// The mark at the end of a body that was cut.
pub const CUT: &str = "…[cut]";

/// What a request set out to do.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To write.
    Change,
    /// To read.
    Read,
}

/// Whether it got what it asked for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A 2xx or 304 answer.
    Success,
    /// Any other answer.
    Failure,
}

/// What a request did, as one word; the page makes its sentences from it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// POST of a new user or group.
    Create,
    /// A change of attributes.
    Update,
    /// A change of the userName or of a group's displayName, with or without other attributes.
    Rename,
    /// `active` from true to false.
    Disable,
    /// `active` from false to true.
    Enable,
    /// DELETE.
    Delete,
    /// GET of one resource.
    Read,
    /// A query by a unique attribute, as providers do before they create or update.
    Match,
    /// The look-up of a random userName by which Entra tests the connection.
    Probe,
    /// Any other query.
    List,
    /// ServiceProviderConfig, ResourceTypes, Schemas.
    Discover,
    /// Many operations in one request; each has a record of its own.
    Bulk,
    /// Refused before it was looked at: bad token, unknown path, wrong method.
    Refused,
    /// No request: the data were mended after a write that came too late.
    Mend,
}

/// The user that a request was about.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The resource's id.
    pub id: String,
    /// Its userName at that time.
    pub user_name: String,
}

/// The group that a request was about.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GroupSubject {
    /// The resource's id.
    pub id: String,
    /// Its displayName at that time.
    pub display_name: String,
}

/// One request.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Counts up from 1 in each tenant.
    pub number: u64,
    /// When the request arrived.
    pub time: Timestamp,
    /// How long the answer took.
    pub duration_us: u64,
    /// The HTTP method, of letters alone.
    pub method: Method,
    /// The path below the tenant URL.
    pub path: String,
    /// The query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// In words: `disable user alice@contoso.com`.
    pub operation: String,
    /// In one word.
    pub action: Action,
    /// Change or read.
    pub kind: Kind,
    /// Success or failure.
    pub outcome: Outcome,
    /// The HTTP status.
    pub status: u16,
    /// RFC 7644 §3.12, table 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scim_type: Option<String>,
    /// What the provider was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether anything is different afterwards.
    pub changed: bool,
    /// Whom it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Subject>,
    /// Which group it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupSubject>,
    /// The last four characters of the token that was presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Stands in the answer's `x-request-id` and in the operator's error output.
    pub request_id: String,
    /// Masked, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    /// Masked, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// The attributes that differ, before the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// The same attributes after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
    /// How many further requests this record stands for that were refused alike, see [`REFUSALS_AN_HOUR`] and
    /// [`THROTTLES_AN_HOUR`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
    /// Another provider than the connection's, which the request looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A record on its way, with what the head of the tenant has to know of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record; its number is given when it is written.
    pub record: Record,
    /// The id of the valid token that the request carried.
    pub token_id: Option<String>,
    /// [`sign::of`](crate::connection::sign::of) the request.
    pub sign: Option<&'static str>,
}

/// Why many requests may be refused alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No valid token.
    Stranger,
    /// More than the tenant's rate.
    Throttled,
}

impl Refused {
    fn of(entry: &Entry) -> Option<Refused> {
        match (&entry.token_id, entry.is_throttled()) {
            (None, _) => Some(Refused::Stranger),
            (Some(_), true) => Some(Refused::Throttled),
            (Some(_), false) => None,
        }
    }

    /// Records that an hour has of them.
    pub(crate) fn kept_max(self) -> u64 {
        match self {
            Refused::Stranger => REFUSALS_AN_HOUR,
            Refused::Throttled => THROTTLES_AN_HOUR,
        }
    }
}

impl Entry {
    /// Whether the request was one more than the tenant may send.
    pub(crate) fn is_throttled(&self) -> bool {
        self.record.status == 429
    }
}

/// Writes entries into a turn, in their order.
pub fn append(turn: &mut Turn<'_>, entries: impl IntoIterator<Item = Entry>) {
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
        if let Some(refused) = Refused::of(&entry)
            && folded(turn, refused, &entry.record)
        {
            continue;
        }
        let mut record = entry.record;
        record.number = turn.head.next_record;
        turn.head.next_record += 1;
        let slot = record.number % turn.head.journal_capacity.max(1);
        put(turn, slot, record);
    }
}

/// Writes that the tenant was closed for changes and is mended, and what was found.
pub(crate) fn append_mended(turn: &mut Turn<'_>, damage: &Damage, values: usize, now: Timestamp, request_id: String) {
    let number = turn.head.next_record;
    turn.head.next_record += 1;
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
        kind: Kind::Change,
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
        request_body: None,
        response_body: None,
        before: None,
        after: None,
        repeats: 0,
        looks_like: None,
    };
    let slot = number % turn.head.journal_capacity.max(1);
    put(turn, slot, record);
}

/// Whether a refusal is counted in the record of one before it, as long as the ring holds that.
fn folded(turn: &mut Turn<'_>, refused: Refused, entry: &Record) -> bool {
    let next = turn.head.next_record;
    let Some(number) = turn.head.traffic.refusal(refused, entry.time, next) else {
        return false;
    };
    let slot = number % turn.head.journal_capacity.max(1);
    match read(turn, slot) {
        Ok(Some(mut record)) if record.number == number => {
            record.repeats += 1 + entry.repeats;
            put(turn, slot, record);
            true
        }
        Ok(_) | Err(_) => {
            turn.head.traffic.refusal_moved(refused, next);
            false
        }
    }
}

/// Brings the connection's times forward.
fn note(turn: &mut Turn<'_>, entry: &Entry) {
    let number = turn.head.next_record;
    let rate = turn.settings().requests_per_second;
    turn.head.traffic.note(entry, number, rate);
    let Some(token) = &entry.token_id else {
        return;
    };
    let record = &entry.record;
    let head = &mut turn.head;
    forward(&mut head.last_transfer, record.time);
    if record.outcome == Outcome::Success {
        forward(&mut head.last_success, record.time);
    }
    if record.changed {
        forward(&mut head.last_change, record.time);
    }
    match head.tokens.iter_mut().find(|used| used.id == *token) {
        Some(used) => used.last = used.last.max(record.time),
        None => head.tokens.push(TokenUse { id: token.clone(), first: record.time, last: record.time }),
    }
}

/// Forgets what a head says of a time that has not come, see [`Traffic::forget_future`](crate::traffic::Traffic).
pub(crate) fn forget_future(head: &mut Head, now: Timestamp) {
    head.traffic.forget_future(now);
    for time in [&mut head.last_transfer, &mut head.last_success, &mut head.last_change] {
        *time = time.map(|time| time.min(now));
    }
    for used in &mut head.tokens {
        (used.first, used.last) = (used.first.min(now), used.last.min(now));
    }
}

fn forward(time: &mut Option<Timestamp>, to: Timestamp) {
    *time = Some(time.map_or(to, |time| time.max(to)));
}

/// Entries that wait for a batch.
#[derive(Default)]
pub struct Buffer {
    waiting: BTreeMap<TenantId, Vec<Entry>>,
    /// The first request of a tenant in each second that was one too many; it counts the others.
    throttled: BTreeMap<TenantId, Vec<Entry>>,
    len: usize,
    /// When the oldest entry came, or one older than that.
    since: Duration,
    /// Requests since the buffer was last empty.
    come: u64,
    /// When entries were last taken out to be written.
    taken: Option<Duration>,
}

impl Buffer {
    /// Adds an entry. Answers how many older ones were given up for it, of the tenant that has most.
    pub fn push(&mut self, tenant: &TenantId, entry: Entry, now: Duration) -> usize {
        if self.is_empty() {
            self.since = now;
            self.come = 0;
        }
        self.come += 1;
        if entry.is_throttled() {
            self.throttled.entry(tenant.clone()).or_default().push(entry);
            return 0;
        }
        self.waiting.entry(tenant.clone()).or_default().push(entry);
        if self.len < BUFFERED_MAX {
            self.len += 1;
            return 0;
        }
        let most = self.waiting.values_mut().max_by_key(|entries| entries.len());
        most.map(|entries| entries.remove(0)).map_or(0, |_| 1)
    }

    /// Whether anything of a tenant waits.
    pub(crate) fn has(&self, tenant: &TenantId) -> bool {
        self.waiting.contains_key(tenant) || self.throttled.contains_key(tenant)
    }

    /// Counts one more request that was one too many, if there is an entry of the same second already.
    pub fn repeats(&mut self, tenant: &TenantId, time: Timestamp) -> bool {
        let latest = self.throttled.get_mut(tenant).and_then(|entries| entries.last_mut());
        let Some(entry) = latest.filter(|entry| entry.record.time.as_second() == time.as_second()) else {
            return false;
        };
        self.come += 1;
        entry.record.repeats += 1;
        true
    }

    /// Takes out what waits for one tenant, to be written now.
    pub fn take(&mut self, tenant: &TenantId, now: Duration) -> Vec<Entry> {
        let mut entries = self.waiting.remove(tenant).unwrap_or_default();
        self.len -= entries.len();
        entries.extend(self.throttled.remove(tenant).into_iter().flatten());
        if !entries.is_empty() {
            self.taken = Some(now);
        }
        entries
    }

    /// How long what waits may wait on; nothing where it is to be written now, as are so many.
    pub fn patience(&self, now: Duration, enough: usize) -> Option<Duration> {
        let just_taken = self.taken.filter(|taken| self.since.saturating_sub(*taken) < WAIT_MAX);
        let wait = WAIT_MAX - SPREAD * place_in_millisecond(self.since) / 1_000;
        let until = match (just_taken, self.come) {
            (Some(taken), _) => taken + wait,
            (None, 1) => self.since + ALONE,
            (None, _) => self.since + wait,
        };
        let patience = until.saturating_sub(now);
        (!self.holds(enough) && !patience.is_zero()).then_some(patience.min(LOOK_EVERY))
    }

    /// When the oldest entry came, or one older than that.
    pub(crate) fn since(&self) -> Duration {
        self.since
    }

    /// Whether so many entries wait.
    pub fn holds(&self, enough: usize) -> bool {
        self.len >= enough
    }

    /// The tenants that have something waiting.
    pub fn tenants(&self) -> Vec<TenantId> {
        let of_refused = self.throttled.keys().filter(|tenant| !self.waiting.contains_key(tenant));
        self.waiting.keys().chain(of_refused).cloned().collect()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0 && self.throttled.is_empty()
    }
}

/// A number below 1,000 that tells instances apart which begin together: the microsecond of the millisecond.
pub(crate) fn place_in_millisecond(moment: Duration) -> u32 {
    moment.subsec_micros() % 1_000
}

/// What to leave out of a list of records.
#[derive(Default, Clone, Debug)]
pub struct Filter {
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only changes or only reads.
    pub kind: Option<Kind>,
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

impl Filter {
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

impl Record {
    /// With all members, those too that have no value.
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            Ok(_) | Err(_) => unreachable!("a record is an object of plain data"),
        };
        for name in MAY_LACK {
            shown.entry(*name).or_insert(Value::Null);
        }
        shown
    }

    /// What it is stored as: JSON, and behind it the bodies as they are. These are most of it, and themselves JSON, so
    /// that every second character or so would have to be escaped.
    fn stored(mut self) -> Vec<u8> {
        let bodies = [self.request_body.take(), self.response_body.take()];
        let mut bytes = Vec::with_capacity(RECORD_BYTES_EXPECTED);
        serde_json::to_writer(&mut bytes, &self).expect("a record is plain data");
        if bodies.iter().any(Option::is_some) {
            let lengths = bodies.each_ref().map(|body| body.as_ref().map(String::len));
            bytes.push(b'\n');
            serde_json::to_writer(&mut bytes, &lengths).expect("these are numbers");
            bytes.push(b'\n');
            bodies.iter().flatten().for_each(|body| bytes.extend_from_slice(body.as_bytes()));
        }
        bytes
    }

    /// The same backwards. A record of the first two layouts has its bodies within the JSON.
    fn of_stored(bytes: &[u8]) -> Option<Record> {
        let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
        let mut record: Record = serde_json::from_slice(parts.next()?).ok()?;
        let Some(lengths) = parts.next() else {
            return Some(record);
        };
        let bodies = parts.next()?;
        let [request, response]: [Option<usize>; 2] = serde_json::from_slice(lengths).ok()?;
        let (request_body, response_body) = bodies.split_at_checked(request.unwrap_or_default())?;
        let text = |length: Option<usize>, body: &[u8]| match length {
            None => body.is_empty().then_some(None),
            Some(length) if length == body.len() => String::from_utf8(body.to_vec()).ok().map(Some),
            Some(_) => None,
        };
        record.request_body = text(request, request_body)?;
        record.response_body = text(response, response_body)?;
        Some(record)
    }

    /// The name of a text that is longer than any that is kept; nothing where there is none.
    pub(crate) fn beyond_limits(&self) -> Option<&'static str> {
        let texts = [
            ("path", Some(&self.path)),
            ("query", self.query.as_ref()),
            ("operation", Some(&self.operation)),
            ("detail", self.detail.as_ref()),
            ("requestBody", self.request_body.as_ref()),
            ("responseBody", self.response_body.as_ref()),
        ];
        let max = LIMITS.journal_body_bytes_max + CUT.len();
        let long = |text: &Option<&String>| text.is_some_and(|text| text.len() > max);
        texts.iter().find(|(_, text)| long(text)).map(|(name, _)| *name)
    }

    /// The id of the user or group that the request was about.
    fn subject(&self) -> Option<&str> {
        let group = || self.group.as_ref().map(|group| group.id.as_str());
        self.user.as_ref().map(|user| user.id.as_str()).or_else(group)
    }
}

fn mentions(record: &Record, text: &str) -> bool {
    let user = record.user.as_ref().map(|user| user.user_name.as_str());
    let group = record.group.as_ref().map(|group| group.display_name.as_str());
    [
        Some(record.operation.as_str()),
        Some(&record.path),
        record.query.as_deref(),
        record.detail.as_deref(),
        user,
        group,
    ]
    .into_iter()
    .flatten()
    .any(|field| fold(field).contains(text))
}

/// The members of a record that may have no value.
const MAY_LACK: &[&str] =
    &["query", "scimType", "detail", "user", "token", "requestBody", "responseBody", "before", "after"];

/// The record of a read has about so many; a larger one grows from there.
const RECORD_BYTES_EXPECTED: usize = 1_536;

/// The record in a slot of the ring.
pub(crate) fn read(from: &impl Read, slot: u64) -> Result<Option<Record>, Error> {
    let key = from.space().journal(slot);
    let Some(bytes) = from.get(&key)? else {
        return Ok(None);
    };
    Record::of_stored(&bytes).map(Some).ok_or_else(|| Error::Corrupt(format!("{key}: not a record as it is stored")))
}

/// Writes a record into a slot of the ring.
pub(crate) fn put(turn: &mut Turn<'_>, slot: u64, record: Record) {
    turn.put(turn.space().journal(slot), record.stored());
}

/// A page of records, newest first.
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// What to pass as `before` to read on; nothing when the oldest record was reached.
    pub next: Option<u64>,
}

/// Records with a number below `before`, `limit` of them at most.
///
/// Looks at no more than [`Limits::journal_scan_max`](crate::settings::Limits::journal_scan_max) records, so a page may
/// come back with fewer than `limit` and still have a `next`.
pub fn page(view: &View<'_>, before: Option<u64>, limit: usize, filter: &Filter) -> Result<Page, Error> {
    let head = view.head()?;
    let newest = before.unwrap_or(u64::MAX).min(head.next_record).saturating_sub(1);
    let oldest = head.oldest_record();
    let mut records = Vec::new();
    let mut number = newest;
    let floor = newest.saturating_sub(LIMITS.journal_scan_max).max(oldest - 1);
    while number > floor && records.len() < limit {
        let record = read(view, number % head.journal_capacity.max(1))?;
        // A slot can already hold a younger record than the head that we read knows of.
        records.extend(record.filter(|record| record.number == number && filter.keeps(record)));
        number -= 1;
    }
    Ok(Page { records, next: (number >= oldest).then_some(number + 1) })
}

/// The record of this number, if the ring still holds it.
pub fn get(view: &View<'_>, number: u64) -> Result<Option<Record>, Error> {
    let head = view.head()?;
    let record = read(view, number % head.journal_capacity.max(1))?;
    // A restored journal can have begun behind a record that another one left in its slot.
    Ok(record.filter(|record| record.number == number && record.number < head.next_record))
}

/// Cuts a text to what a record may hold, at a character boundary, and says so.
pub fn cut(text: &str) -> String {
    cut_at(text, LIMITS.journal_body_bytes_max)
}

/// The same of the beginning of a longer text.
pub(crate) fn cut_of(text: Cow<'_, str>, longer: bool) -> String {
    match (text.len() <= LIMITS.journal_body_bytes_max, longer) {
        (false, _) => cut(&text),
        (true, true) => format!("{text}{CUT}"),
        (true, false) => text.into_owned(),
    }
}

/// Cuts a text to a length.
pub(crate) fn cut_at(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_request_and_response(request: Option<&str>, response: Option<&str>) -> Record {
        let mut record: Record = serde_json::from_value(serde_json::json!({
            "number": 7, "time": "2026-11-26T10:00:00Z", "durationUs": 1, "method": "GET", "path": "/Users/1",
            "operation": "read user alice", "action": "read", "kind": "read", "outcome": "success", "status": 200,
            "changed": false, "requestId": "x",
        }))
        .unwrap();
        (record.request_body, record.response_body) = (request.map(str::to_owned), response.map(str::to_owned));
        record
    }

    #[test]
    fn a_record_is_read_as_it_was_stored_whatever_its_bodies_hold() {
        for request in [None, Some(""), Some("{\"a\":\"\\n\"}"), Some("two\nlines\n")] {
            for response in [None, Some(""), Some("[3,4]\n[null,2]\né")] {
                let record = of_request_and_response(request, response);
                let stored = record.clone().stored();
                assert_eq!(Record::of_stored(&stored), Some(record), "{}", String::from_utf8_lossy(&stored));
            }
        }
    }

    #[test]
    fn a_record_of_an_earlier_layout_has_its_bodies_within_and_is_read_all_the_same() {
        let record = of_request_and_response(Some("{}"), Some("{\"id\":\"1\"}"));
        assert_eq!(Record::of_stored(&serde_json::to_vec(&record.shown()).unwrap()), Some(record));
    }

    #[test]
    fn a_method_that_was_stored_before_methods_were_letters_alone_is_read_as_unknown() {
        let mut stored = serde_json::to_value(of_request_and_response(None, None)).unwrap();
        stored["method"] = "X`touch$IFS$9pwned`".into();
        let record = Record::of_stored(&serde_json::to_vec(&stored).unwrap()).unwrap();
        assert_eq!((record.method.as_str(), &record.shown()["method"]), ("UNKNOWN", &Value::from("UNKNOWN")));
        assert_eq!(Record::of_stored(&record.clone().stored()), Some(record));
    }

    #[test]
    fn what_was_stored_in_part_is_no_record() {
        let stored = of_request_and_response(Some("{}"), Some("{\"id\":\"é\"}")).stored();
        let behind_the_json = stored.iter().position(|byte| *byte == b'\n').unwrap();
        for end in (0..behind_the_json).chain(behind_the_json + 1..stored.len()) {
            assert_eq!(Record::of_stored(&stored[..end]), None, "{end}");
        }
        assert_eq!(Record::of_stored(&[&stored[..], b"x"].concat()), None);
    }

    #[test]
    fn a_body_at_the_limit_is_kept_whole_and_one_above_is_cut_with_a_mark() {
        let max = LIMITS.journal_body_bytes_max;
        assert_eq!(cut(&"a".repeat(max)), "a".repeat(max));
        assert_eq!(cut(&"a".repeat(max + 1)), "a".repeat(max) + CUT);
    }

    #[test]
    fn a_body_is_never_cut_within_a_character() {
        let text = "a".to_owned() + &"é".repeat(LIMITS.journal_body_bytes_max);
        assert!(cut(&text).ends_with(&format!("é{CUT}")));
    }
}

//! The record of a request, and what it is committed with.

use super::Answer;
use super::Strangers;
use super::admitted::Admitted;
use super::arrival::Arrival;
use super::body::{Kept, RequestBody};
use super::describe::Event;
use super::span::Span;
use crate::connection::provider;
use crate::http::json_text;
use crate::http::respond::{self, Problem, REQUEST_ID};
use crate::http::route;
use crate::http::self_repair::Turns;
use crate::http::watch::{self, AnsweredRequest, LineDetails, OperationLabel};
use crate::journal::{self, Action, Buffer, GroupSubject, Outcome, PendingRecord, Record, Subject};
use crate::keys::{Kind, TenantId};
use crate::ledger::{self, Ledger};
use crate::pace::{self, Limiter};
use crate::scim::mask::MASK;
use crate::scim::{Mask, Noted as Noticed};
use crate::scrub::scrub;
use crate::settings::{LIMITS, RequestLog};
use crate::tenant::state::TenantTurn;
use crate::watch::Counter;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Writes the journal: the record of each SCIM request, in the turn that carries the request out or from a buffer.
#[derive(Clone, Copy)]
pub(in crate::http) struct Recorder<'r> {
    pub(in crate::http) ledger: Ledger<'r>,
    /// Records that wait to be written.
    pub(in crate::http) buffer: &'r RefCell<Buffer>,
    /// Requests without a valid token that share a record.
    pub(in crate::http) strangers: &'r Strangers,
    pub(in crate::http) turns: Turns<'r>,
    /// Floods that the other instances have yet to be told of.
    pub(in crate::http) limiter: &'r Limiter,
    /// Counts the records that are given up.
    pub(in crate::http) lost_records: &'r Counter,
}

impl Recorder<'_> {
    /// Makes the response of an answer that no turn holds, and keeps the record until it is written.
    pub(super) fn answer(&self, mask: &Mask<'_>, span: &Span<'_>, answer: Answer) -> Response<Vec<u8>> {
        let (mut response, entry, _) = self.recorded(mask, span, answer);
        self.tell(&mut response, span, &entry, None);
        self.keep(span, entry);
        response
    }

    /// Makes the response of a change that a turn holds, and stages the record into the turn. A refused change leaves
    /// nothing but its record.
    pub(super) fn answer_within(
        &self,
        turn: &mut TenantTurn<'_>,
        mask: &Mask<'_>,
        span: &Span<'_>,
        answer: Answer,
    ) -> Response<Vec<u8>> {
        let (mut response, entry, changed) = self.recorded(mask, span, answer);
        if !changed {
            turn.undo();
        }
        // Of a caller with a valid token no record is folded but one of too many requests, and these come to no turn.
        self.tell(&mut response, span, &entry, Some(turn.head.state.next_record));
        journal::append(turn, [entry]);
        turn.keep();
        response
    }

    /// Answers a request that leaves no record.
    pub(super) fn unrecorded(&self, arrival: &Arrival, problem: &Problem) -> Response<Vec<u8>> {
        let mut response = problem.refusal(self.ledger.ports, &arrival.request_id).scim();
        respond::set(&mut response, REQUEST_ID, &arrival.request_id);
        if watch::is_watched(self.ledger.settings) {
            let details =
                self.details(|| LineDetails { traceparent: arrival.traceparent.clone(), ..LineDetails::default() });
            let started = arrival.started;
            response.extensions_mut().insert(AnsweredRequest { operation: OperationLabel::Refused, started, details });
        }
        response
    }

    /// Has the response say what is counted and logged of its request. A record that is not written yet has no number.
    fn tell(&self, response: &mut Response<Vec<u8>>, span: &Span<'_>, entry: &PendingRecord, number: Option<u64>) {
        if !watch::is_watched(self.ledger.settings) {
            return;
        }
        let details = self.details(|| LineDetails {
            tenant: Some(TenantId::clone(&span.tenant)),
            resource: entry.record.subject().map(str::to_owned),
            number,
            traceparent: span.arrival.traceparent.clone(),
        });
        let operation = OperationLabel::of_action(entry.record.action);
        response.extensions_mut().insert(AnsweredRequest { operation, started: span.arrival.started, details });
    }

    fn details(&self, details: impl FnOnce() -> LineDetails) -> Option<LineDetails> {
        (self.ledger.settings.request_log == RequestLog::Full).then(details)
    }

    /// How many records wait in memory, and for how long at most.
    pub(in crate::http) fn lag(&self) -> (usize, Duration) {
        let buffer = self.buffer.borrow();
        let oldest = if buffer.is_empty() { self.ledger.ports.clock.elapsed() } else { buffer.since() };
        (buffer.records(), self.ledger.ports.clock.elapsed().saturating_sub(oldest))
    }

    /// The response and the record of an answer, and whether the request has changed anything.
    fn recorded(&self, mask: &Mask<'_>, span: &Span<'_>, answer: Answer) -> (Response<Vec<u8>>, PendingRecord, bool) {
        let Answer { response, mut event } = answer;
        let (response, refusal) = match response {
            Ok(response) => (response, None),
            Err(problem) => {
                let mut refusal = self.refusal(&problem, mask, span);
                if let Some(place) = place_to_change(&refusal, &event, span) {
                    refusal.detail = [&refusal.detail, ". ", &place].concat();
                }
                (refusal.scim(), Some(refusal))
            }
        };
        event.changed &= refusal.is_none();
        let refusal = refusal.map(noted_refusal);
        let mut response = respond::to(&span.method, response);
        let entry = self.entry(mask, span, &event, &response, refusal.as_ref());
        respond::set(&mut response, REQUEST_ID, &span.arrival.request_id);
        (response, entry, event.changed)
    }

    /// A detail quotes what was wrong, and that may have been a token or a password: the clients' logs and error pages are
    /// no place for them.
    fn refusal(&self, problem: &Problem, mask: &Mask<'_>, span: &Span<'_>) -> respond::ErrorBody {
        let mut refusal = problem.refusal(self.ledger.ports, &span.arrival.request_id);
        let taint = span.taint(mask);
        refusal.detail = unhidden(&taint.out_of(&refusal.detail), span.presented.as_deref()).into_owned();
        refusal
    }

    /// Commits what waits in memory for a tenant, and what is staged behind it.
    pub(in crate::http) fn commit_waiting<'t, T>(
        &self,
        tenant: &TenantId,
        mut turn: TenantTurn<'t>,
        stage: impl FnOnce(&mut TenantTurn<'t>) -> T,
    ) -> Result<T, ledger::Error> {
        let lost = self.stage_waiting(tenant, &mut turn);
        let staged = stage(&mut turn);
        turn.commit().inspect_err(|error| self.lost(lost, error))?;
        Ok(staged)
    }

    /// Takes the records that wait in memory for a tenant into a turn. Answers how many these are.
    pub(in crate::http) fn stage_waiting(&self, tenant: &TenantId, turn: &mut TenantTurn<'_>) -> usize {
        let mut entries = self.buffer.borrow_mut().take(tenant, self.ledger.ports.clock.elapsed());
        entries.extend(self.strangers.take(tenant));
        let count = entries.len();
        journal::append(turn, entries);
        self.stage_news(tenant, turn);
        turn.keep();
        count
    }

    /// Tells the other instances of a flood that this one has found.
    fn stage_news(&self, tenant: &TenantId, turn: &mut TenantTurn<'_>) {
        let Some(rate) = self.ledger.settings.requests_per_second else {
            return;
        };
        if let Some(demand) = self.limiter.news(tenant, rate, self.ledger.ports.clock.elapsed()) {
            turn.head.state.traffic.expect(self.ledger.ports.clock.now(), demand, rate);
        }
    }

    /// Counts a request that was refused for the rate in the record of the one before it, if there is such a record.
    pub(super) fn repeats(&self, tenant: &TenantId, now: Timestamp) -> bool {
        self.buffer.borrow_mut().repeats(tenant, now)
    }

    /// Whether records wait in memory for [`Recorder::flush`], now or later.
    pub(in crate::http) fn has_buffered(&self) -> bool {
        !self.buffer.borrow().is_empty() || !self.strangers.is_empty()
    }

    /// How long the records that wait in memory may wait on before somebody looks again; nothing where they are to be
    /// written now, see [`journal`].
    pub(in crate::http) fn patience(&self) -> Option<Duration> {
        let buffer = self.buffer.borrow();
        let now = self.ledger.ports.clock.elapsed();
        let of_strangers = self.strangers.patience(now)?;
        if buffer.is_empty() {
            return Some(of_strangers);
        }
        let patience = buffer.patience(now, self.batch(&buffer)).filter(|_| !self.limiter.has_news())?;
        Some(patience.min(of_strangers))
    }

    /// Whether the records that wait in memory are to be written now, whatever the time: because there are so many, or
    /// because the other instances are to learn of a flood.
    pub(in crate::http) fn has_batch(&self) -> bool {
        let buffer = self.buffer.borrow();
        buffer.holds(self.batch(&buffer)) || self.limiter.has_news()
    }

    fn batch(&self, buffer: &Buffer) -> usize {
        self.ledger
            .settings
            .requests_per_second
            .map_or(journal::BATCH, |rate| pace::enough(rate, buffer.since(), journal::BATCH))
    }

    /// The tenants whose records wait in memory and are written next.
    pub(in crate::http) fn buffered(&self) -> Vec<TenantId> {
        let mut tenants = self.buffer.borrow().tenants();
        let due = self.strangers.due(self.ledger.ports.clock.elapsed());
        tenants.extend(due.into_iter().filter(|tenant| !self.buffer.borrow().has(tenant)));
        tenants
    }

    /// Writes the records of one tenant that wait in memory; it neither waits for another tenant nor writes to it.
    pub(in crate::http) fn flush(&self, tenant: &TenantId) {
        if !self.buffer.borrow().has(tenant) && !self.strangers.holds(tenant) {
            return;
        }
        let turn = self.turns.take(tenant);
        if let Err(error) = turn.and_then(|turn| self.commit_waiting(tenant, turn, |_| ())) {
            // Where the turn never came they still wait.
            self.lost(self.buffer.borrow_mut().take(tenant, self.ledger.ports.clock.elapsed()).len(), &error);
        }
    }

    /// Says how many records of reads went with a commit that failed.
    fn lost(&self, records: usize, error: &ledger::Error) {
        if records > 0 {
            self.lost_records.add(u64::try_from(records).unwrap_or(u64::MAX));
            self.ledger.ports.log.line(&format!("journal: {records} records of reads are lost: {error:?}"));
        }
    }

    fn keep(&self, span: &Span<'_>, entry: PendingRecord) {
        let now = span.arrival.started + Duration::from_micros(entry.record.duration_us);
        let entry = if span.folds { self.strangers.fold(&span.tenant, entry, now) } else { Some(entry) };
        let Some(entry) = entry else {
            return;
        };
        // Written by whoever has time for it: the request may hold the turn that this would wait for.
        let lost = self.buffer.borrow_mut().push(&span.tenant, entry, now);
        if lost > 0 {
            self.lost_records.add(u64::try_from(lost).unwrap_or(u64::MAX));
            self.ledger
                .ports
                .log
                .line(&format!("journal: {lost} records of reads are lost: too many wait to be written"));
        }
    }

    fn entry(
        &self,
        mask: &Mask<'_>,
        span: &Span<'_>,
        event: &Event,
        response: &Response<Vec<u8>>,
        refusal: Option<&respond::ErrorBody>,
    ) -> PendingRecord {
        let presented = span.presented.as_deref();
        let status = response.status();
        let success = status.is_success() || status == StatusCode::NOT_MODIFIED;
        // Who has put a password into a name has it in a name; the journal is read by others than those who see the name.
        let clean = |text: &str| unhidden(&mask.assigned(text), presented).into_owned();
        let kept = |text: &str| kept(text, false, presented);
        let values = |values: &Option<Map<String, Value>>| values.as_ref().map(|values| noted(mask, values, presented));
        let subject = |user: &Subject| Subject { id: user.id.clone(), user_name: clean(&user.user_name) };
        let group =
            |group: &GroupSubject| GroupSubject { id: group.id.clone(), display_name: clean(&group.display_name) };
        let response_body = if self.ledger.settings.journal_bodies { answer_text(mask, response.body()) } else { None };
        let took = self.ledger.ports.clock.elapsed().saturating_sub(span.arrival.started);
        let record = Record {
            number: 0,
            time: span.arrival.now,
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            method: recorded_method(&span.method, clean),
            path: kept(&mask.path(&span.path)),
            query: mask.query(&span.parameters).map(|query| kept(&query)),
            operation: kept(&operation(mask, span, event, refusal)),
            action: event.action.unwrap_or(Action::Refused),
            kind: if event.reads(&span.method) { journal::RecordKind::Read } else { journal::RecordKind::Change },
            outcome: if success { Outcome::Success } else { Outcome::Failure },
            status: status.as_u16(),
            scim_type: refusal.and_then(|refusal| refusal.scim_type).map(str::to_owned),
            detail: refusal.map(|refusal| kept(&refusal.detail)).filter(|detail| !detail.is_empty()),
            changed: event.changed,
            user: event.subject.as_ref().map(subject),
            group: event.group.as_ref().map(group),
            token: presented.map(hint),
            request_id: span.arrival.request_id.clone(),
            traceparent: span.arrival.traceparent.clone(),
            request_body: self.request_body(mask, span),
            response_body: response_body.map(|body| body.cut(presented)),
            before: values(&event.before),
            after: values(&event.after),
            repeats: 0,
            looks_like: span.sign.filter(|sign| Some(*sign) != span.provider).map(str::to_owned),
            leniencies: leniencies(mask, span),
        };
        PendingRecord { record, token_id: span.token_id.clone(), sign: span.sign }
    }

    /// What the record has of the request's body.
    fn request_body(&self, mask: &Mask<'_>, span: &Span<'_>) -> Option<String> {
        match &span.body {
            RequestBody::Kept(kept) => kept.noted.clone(),
            RequestBody::Text(_) | RequestBody::Data(_) => self.noted(mask, &span.body, span.presented.as_deref()),
        }
    }

    fn noted(&self, mask: &Mask<'_>, body: &RequestBody<'_>, presented: Option<&str>) -> Option<String> {
        if self.ledger.settings.journal_bodies { Some(body_text(mask, body)?.cut(presented)) } else { None }
    }

    /// What a change needs for its record once its turn has come: everything but the text of its body, of which the JSON
    /// and the part for the record are kept.
    pub(super) fn kept(&self, mask: &Mask<'_>, span: Span<'_>, json: Option<Rc<Value>>) -> Span<'static> {
        let body = match json {
            Some(json) => RequestBody::Kept(Kept { json, noted: self.request_body(mask, &span) }),
            None => RequestBody::NONE,
        };
        Span {
            tenant: Cow::Owned(span.tenant.into_owned()),
            path: Cow::Owned(span.path.into_owned()),
            parameters: span.parameters.into_owned(),
            presented: span.presented.map(|presented| Cow::Owned(presented.into_owned())),
            body,
            ..span
        }
    }

    /// What a change needs for its record that was prepared anew, by another connection or other schemas.
    pub(super) fn kept_anew(&self, mask: &Mask<'_>, span: &Span<'static>, admitted: &Admitted) -> Span<'static> {
        let mut anew = span.clone();
        anew.know(admitted);
        if let RequestBody::Kept(kept) = &mut anew.body {
            kept.noted = self.noted(mask, &RequestBody::Data(&kept.json), span.presented.as_deref());
        }
        anew
    }
}

/// What of a request was read liberally. Where that is may be a name that the client made up, such as a secret that stands
/// where a filter has an attribute.
fn leniencies(mask: &Mask<'_>, span: &Span<'_>) -> Vec<journal::RecordedLeniency> {
    let noted = span.reading.noted();
    if noted.is_empty() {
        return Vec::new();
    }
    let taint = span.taint(mask);
    let clean = |at: &str| scrub(&taint.out_of(at), span.presented.as_deref()).into_owned();
    let recorded =
        |noted: Noticed| journal::RecordedLeniency { what: noted.leniency.name().to_owned(), at: clean(&noted.at) };
    noted.into_iter().map(recorded).collect()
}

/// A method that a client made up may be a secret.
fn recorded_method(method: &Method, clean: impl Fn(&str) -> String) -> journal::Method {
    match *method {
        Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::HEAD => {
            journal::Method::of(method.as_str())
        }
        _ => journal::Method::of(&clean(method.as_str())),
    }
}

/// The refusal as the journal has it.
fn noted_refusal(mut refusal: respond::ErrorBody) -> respond::ErrorBody {
    if let Some(noted) = refusal.noted {
        noted.clone_into(&mut refusal.detail);
    }
    refusal
}

/// The last four characters of a token that is long enough to keep its secret all the same.
fn hint(token: &str) -> String {
    let from_the_end = |nth: usize| token.char_indices().nth_back(nth).map(|(place, _)| place);
    let end = from_the_end(15).and(from_the_end(3)).and_then(|place| token.get(place..));
    end.unwrap_or("…").to_owned()
}

/// Where a person changes what does not fit: a value or a name comes from the attribute mapping, and the provider shows the
/// detail to those who look after it. In the words of the provider's own screens, if its guide has these.
fn place_to_change(refusal: &respond::ErrorBody, event: &Event, span: &Span<'_>) -> Option<String> {
    let is_of_user = match route::ScimRoute::of(&span.path) {
        route::ScimRoute::Resources(kind) | route::ScimRoute::Resource(kind, _) => kind == Kind::User,
        route::ScimRoute::Root
        | route::ScimRoute::ServiceProviderConfig
        | route::ScimRoute::ResourceTypes
        | route::ScimRoute::ResourceType(_)
        | route::ScimRoute::Schemas
        | route::ScimRoute::Schema(_)
        | route::ScimRoute::Me
        | route::ScimRoute::Bulk
        | route::ScimRoute::Search(_)
        | route::ScimRoute::Nowhere => false,
    };
    // A bulk request is written by a program, not by a mapping.
    let is_mapped = matches!(refusal.scim_type, Some("invalidValue" | "invalidPath" | "mutability"))
        && !matches!(span.body, RequestBody::Data(_))
        && !span.body.is_empty();
    let provider = span.provider.and_then(provider::of)?;
    (is_of_user && is_mapped && !event.reads(&span.method)).then(|| provider.mapping_place()).flatten()
}

fn operation<'e>(
    mask: &Mask<'_>,
    span: &Span<'_>,
    event: &'e Event,
    refusal: Option<&respond::ErrorBody>,
) -> Cow<'e, str> {
    match (refusal, event.operation.as_str()) {
        (Some(refusal), "") => Cow::Owned(["refused: ", &refusal.detail].concat()),
        // It names what was asked for, in the client's words.
        (Some(_), words) => span.taint(mask).out_of(words),
        (None, words) => mask.assigned(words),
    }
}

/// What a record keeps of a body, before it is cut.
struct BodyExcerpt<'b> {
    text: Cow<'b, str>,
    /// Whether the body goes on.
    longer: bool,
}

impl BodyExcerpt<'_> {
    fn cut(&self, presented: Option<&str>) -> String {
        kept(&self.text, self.longer, presented)
    }
}

/// The part of a text that a record keeps, without tokens.
fn kept(text: &str, longer: bool, presented: Option<&str>) -> String {
    let start = beginning(text);
    journal::cut_of(unhidden(start, presented), longer || start.len() < text.len())
}

/// A body for the journal, masked by the schema. What is not JSON is not kept, since nothing could mask it. One that is as
/// we would write it and names nothing secret is kept as it is; of any other no more is read into memory than is kept.
fn body_text<'b>(mask: &Mask<'_>, body: &RequestBody<'b>) -> Option<BodyExcerpt<'b>> {
    if body.is_empty() {
        return None;
    }
    if let RequestBody::Text(bytes) = body
        && let Ok(text) = std::str::from_utf8(bytes)
        && is_plain(text)
        && !mask.mentions(text)
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
    {
        return Some(BodyExcerpt { text: Cow::Borrowed(text), longer: false });
    }
    let Some((mut value, longer)) = body.beginning(LIMITS.journal_body_bytes_max + BEYOND_CUT_BYTES) else {
        let text = Cow::Owned(format!("[{} bytes that are not JSON]", body.len()));
        return Some(BodyExcerpt { text, longer: false });
    };
    mask.secrets(&mut value);
    Some(BodyExcerpt { text: Cow::Owned(value.to_string()), longer })
}

/// Whether a JSON text has no blanks between its parts and nothing escaped, so that all names are written plainly.
fn is_plain(text: &str) -> bool {
    let mut quoted = false;
    text.bytes().all(|byte| {
        quoted ^= byte == b'"';
        byte != b'\\' && (quoted || !byte.is_ascii_whitespace())
    })
}

/// The body of an answer. It is ours, so the names in it are written plainly, and where the part that is kept names nothing
/// secret, it is kept as it is.
fn answer_text<'b>(mask: &Mask<'_>, body: &'b [u8]) -> Option<BodyExcerpt<'b>> {
    match std::str::from_utf8(body) {
        Ok("") => None,
        Ok(text) if !mask.mentions(beginning(text)) => Some(BodyExcerpt { text: Cow::Borrowed(text), longer: false }),
        Ok(_) | Err(_) => body_text(mask, &RequestBody::Text(body)),
    }
}

/// The part of a text that can have to do with what a record keeps of it: that, and the beginning of whatever is cut.
fn beginning(text: &str) -> &str {
    let end = text.floor_char_boundary(LIMITS.journal_body_bytes_max + BEYOND_CUT_BYTES);
    text.get(..end).unwrap_or(text)
}

/// A token that begins where a text is cut is known by fewer bytes than these.
const BEYOND_CUT_BYTES: usize = 256;

/// A text without tokens. One that stands behind percent signs is found in the plain text, which then takes the place of
/// what was sent.
fn unhidden<'t>(sent: &'t str, presented: Option<&str>) -> Cow<'t, str> {
    let clean = scrub(sent, presented);
    if !clean.contains('%') {
        return clean;
    }
    let mut text = clean.clone();
    for _ in 0..PERCENT_LEVELS_MAX {
        let plain = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        let scrubbed = scrub(&plain, presented);
        if scrubbed != plain {
            return Cow::Owned(scrubbed.into_owned());
        }
        if plain == text || !plain.contains('%') {
            return clean;
        }
        text = Cow::Owned(plain);
    }
    Cow::Borrowed(MASK)
}

/// How often a text may be percent-encoded. Nobody does it more than twice by mistake.
const PERCENT_LEVELS_MAX: usize = 4;

/// Attributes for the journal: without secrets and tokens, and long ones cut, so that a record stays far below what a store
/// takes.
fn noted(mask: &Mask<'_>, values: &Map<String, Value>, presented: Option<&str>) -> Map<String, Value> {
    let text = json_text(values);
    if text.len() <= LIMITS.journal_value_bytes_max && !mask.mentions(&text) && unhidden(&text, presented) == text {
        return values.clone();
    }
    // A schema may have come to hide what was stored before.
    let mut values = Value::Object(values.clone());
    mask.secrets(&mut values);
    let note = |value: &Value| {
        let text = value.to_string();
        let clean = unhidden(&text, presented);
        if clean.len() > LIMITS.journal_value_bytes_max {
            Value::String(journal::cut_at(&clean, LIMITS.journal_value_bytes_max))
        } else if clean == text {
            value.clone()
        } else {
            serde_json::from_str(&clean).unwrap_or(Value::String(clean.into_owned()))
        }
    };
    values.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), note(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::TOKEN_PREFIX;

    #[test]
    fn a_body_without_a_secret_is_kept_as_it_is_and_without_blanks() {
        let kept =
            |body: &str| body_text(&Mask::of([]), &RequestBody::Text(body.as_bytes())).unwrap().text.into_owned();
        let plain = r#"{"userName":"alice blank","n":[1,1.50]}"#;
        assert_eq!(kept(plain), plain);
        assert_eq!(kept("{ \"userName\":\t\"alice blank\",\n\"n\":[1, 1.5]}"), plain.replace("1.50", "1.5"));
        assert_eq!(kept(r#"{"userName":"a\"b"}"#), r#"{"userName":"a\"b"}"#);
        assert_eq!(kept(r#"{"userName":"#), "[12 bytes that are not JSON]");
        assert!(body_text(&Mask::of([]), &RequestBody::NONE).is_none());
    }

    #[test]
    fn a_secret_is_masked_however_its_name_is_written() {
        let kept =
            |body: &str| body_text(&Mask::of([]), &RequestBody::Text(body.as_bytes())).unwrap().text.into_owned();
        for name in ["password", "PassWord", r"pass\u0077ord"] {
            let body = kept(&format!(r#"{{"userName":"alice","{name}":"s3cret"}}"#));
            assert!(!body.contains("s3cret") && body.contains("***"), "{name}: {body}");
        }
        let operation = r#"{"Operations":[{"value":"s3cret","op":"add","path":"pass\u0077ord"}]}"#;
        assert!(!kept(operation).contains("s3cret") && !kept(&operation.replace(r"\u0077", "w")).contains("s3cret"));
    }

    #[test]
    fn of_a_long_body_the_record_has_the_beginning_and_no_secret() {
        let value = "s3cret".repeat(LIMITS.journal_body_bytes_max);
        let body = serde_json::json!({"Operations": [{"op": "add", "value": value, "path": "password"}, {"op": "x"}]});
        for body in [RequestBody::Data(&body), RequestBody::Text(body.to_string().as_bytes())] {
            let noted = body_text(&Mask::of([]), &body).unwrap();
            assert_eq!(noted.text, r#"{"Operations":[{"op":"add","value":"***","path":"password"}]}"#);
            assert!(noted.longer);
        }
    }

    #[test]
    fn a_token_behind_percent_signs_is_found() {
        let clean = |text: &str| unhidden(text, Some("theirs-in-clear")).into_owned();
        let stray = format!("{TOKEN_PREFIX}{}", "A1-_".repeat(11));
        for hidden in [stray.replace('r', "%72"), stray.replace('r', "%2572"), stray.replace('_', "%25255F")] {
            assert_eq!(clean(&format!("/Users/a%2Fb/{hidden}")), "/Users/a/b/***", "{hidden}");
        }
        assert_eq!(clean("filter=a+eq+%22theirs%2din-clear%22"), "filter=a+eq+\"***\"");
        assert_eq!(clean("filter=title+eq+%22100%25%22"), "filter=title+eq+%22100%25%22");
        assert_eq!(clean("%2525252525252541"), "***");
        assert_eq!((clean("%25252541"), clean("%2525252541")), ("%25252541".to_owned(), "***".to_owned()));
    }
}

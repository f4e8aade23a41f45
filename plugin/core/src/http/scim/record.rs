//! The record of a request, and what it is committed with.

use super::body::Body;
use super::describe::Event;
use super::{Answer, Arrival, Held, Provision, Rollcall};
use crate::connection::{Token, provider, sign};
use crate::http::json_text;
use crate::http::respond::{self, Problem, REQUEST_ID};
use crate::http::route::Scim;
use crate::journal::{self, Action, Entry, GroupSubject, Outcome, Record, Subject};
use crate::keys::{Kind, TenantId};
use crate::ledger;
use crate::scim::mask::MASK;
use crate::scim::{Mask, Noted as Noticed, Parameters, Reading, Taint};
use crate::scrub::scrub;
use crate::settings::LIMITS;
use crate::tenant::state::TenantTurn;
use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::time::Duration;

impl Rollcall {
    /// Makes the response of the answer and writes the record: with the change, or into the buffer.
    pub(super) fn finish(&self, span: Span<'_>, answer: Answer<'_, '_>) -> Response<Vec<u8>> {
        let Answer { response, mut event, held } = answer;
        let (response, refusal) = match response {
            Ok(response) => (response, None),
            Err(problem) => {
                let mut refusal = self.refusal(&problem, &span);
                if let Some(place) = place_to_change(&refusal, &event, &span) {
                    refusal.detail = [&refusal.detail, ". ", &place].concat();
                }
                (refusal.scim(), Some(refusal))
            }
        };
        event.changed &= refusal.is_none();
        let refusal = refusal.map(noted_refusal);
        let mut response = respond::to(span.request.method, response);
        let entry = self.entry(&span, &event, &response, refusal.as_ref());
        match held {
            Held::Nothing | Held::Awaited => self.keep(&span, entry),
            Held::Shared(turn) => stage(turn, entry, event.changed),
            Held::Own(turn) => {
                if let Err(problem) = self.commit(turn, &span, entry, event.changed) {
                    let refusal = self.refusal(&problem, &span);
                    event.changed = false;
                    response = refusal.scim();
                    let refusal = noted_refusal(refusal);
                    let entry = self.entry(&span, &event, &response, Some(&refusal));
                    self.keep(&span, entry);
                }
            }
        }
        respond::set(&mut response, REQUEST_ID, &span.arrival.request_id);
        response
    }

    /// A detail quotes what was wrong, and that may have been a token or a password: the clients' logs and error pages are no
    /// place for them.
    fn refusal(&self, problem: &Problem, span: &Span<'_>) -> respond::Refusal {
        let mut refusal = problem.refusal(&self.ports, &span.arrival.request_id);
        let taint = span.taint();
        refusal.detail = unhidden(&taint.out_of(&refusal.detail), span.presented).into_owned();
        refusal
    }

    /// Commits what was staged, with the record and whatever else waits for this tenant. A refused change leaves nothing
    /// but its record.
    fn commit(&self, mut turn: TenantTurn<'_>, span: &Span<'_>, entry: Entry, changed: bool) -> Result<(), Problem> {
        if !changed {
            turn.undo();
        }
        self.commit_waiting(span.request.tenant, turn, |turn| journal::append(turn, [entry])).map_err(Problem::from)
    }

    /// Commits what waits in memory for a tenant, and what is staged behind it.
    pub(in crate::http) fn commit_waiting<'r, T>(
        &self,
        tenant: &TenantId,
        mut turn: TenantTurn<'r>,
        stage: impl FnOnce(&mut TenantTurn<'r>) -> T,
    ) -> Result<T, ledger::Error> {
        let lost = self.stage_waiting(tenant, &mut turn);
        let staged = stage(&mut turn);
        turn.commit().inspect_err(|error| self.lost(lost, error))?;
        Ok(staged)
    }

    /// Takes the records that wait in memory for a tenant into a turn. Answers how many these are.
    pub(in crate::http) fn stage_waiting(&self, tenant: &TenantId, turn: &mut TenantTurn<'_>) -> usize {
        let mut entries = self.buffer.borrow_mut().take(tenant, self.ports.clock.elapsed());
        entries.extend(self.strangers.take(tenant));
        let count = entries.len();
        journal::append(turn, entries);
        self.stage_news(tenant, turn);
        turn.keep();
        count
    }

    /// Tells the other instances of a flood that this one has found.
    fn stage_news(&self, tenant: &TenantId, turn: &mut TenantTurn<'_>) {
        let Some(rate) = self.settings.requests_per_second else {
            return;
        };
        if let Some(demand) = self.limiter.news(tenant, rate, self.ports.clock.elapsed()) {
            turn.head.state.traffic.expect(self.ports.clock.now(), demand, rate);
        }
    }

    /// Says how many records of reads went with a commit that failed.
    pub(in crate::http) fn lost(&self, records: usize, error: &ledger::Error) {
        if records > 0 {
            self.ports.log.line(&format!("journal: {records} records of reads are lost: {error:?}"));
        }
    }

    fn keep(&self, span: &Span<'_>, entry: Entry) {
        let now = span.arrival.started + Duration::from_micros(entry.record.duration_us);
        let entry = if span.folds { self.strangers.fold(span.request.tenant, entry, now) } else { Some(entry) };
        let Some(entry) = entry else {
            return;
        };
        // Written by whoever has time for it: the request may hold the turn that this would wait for.
        let lost = self.buffer.borrow_mut().push(span.request.tenant, entry, now);
        if lost > 0 {
            self.ports.log.line(&format!("journal: {lost} records of reads are lost: too many wait to be written"));
        }
    }

    fn entry(
        &self,
        span: &Span<'_>,
        event: &Event,
        response: &Response<Vec<u8>>,
        refusal: Option<&respond::Refusal>,
    ) -> Entry {
        let request = span.request;
        let status = response.status();
        let success = status.is_success() || status == StatusCode::NOT_MODIFIED;
        // Who has put a password into a name has it in a name; the journal is read by others than those who see the name.
        let clean = |text: &str| unhidden(&span.mask.assigned(text), span.presented).into_owned();
        let kept_of = |text: &str, longer: bool| {
            let start = beginning(text);
            journal::cut_of(unhidden(start, span.presented), longer || start.len() < text.len())
        };
        let kept = |text: &str| kept_of(text, false);
        let body = |noted: Noted<'_>| kept_of(&noted.text, noted.longer);
        let values = |values: &Option<Map<String, Value>>| {
            values.as_ref().map(|values| noted(span.mask, values, span.presented))
        };
        let subject = |user: &Subject| Subject { id: user.id.clone(), user_name: clean(&user.user_name) };
        let group =
            |group: &GroupSubject| GroupSubject { id: group.id.clone(), display_name: clean(&group.display_name) };
        let bodies = self.settings.journal_bodies;
        let took = self.ports.clock.elapsed().saturating_sub(span.arrival.started);
        let sign = span
            .token
            .and_then(|_| sign::of(request.method, span.parameters, request.headers, || span.body.has_capital_op()));
        let record = Record {
            number: 0,
            time: span.arrival.now,
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            method: journal::Method::of(&clean(request.method.as_str())),
            path: kept(&span.mask.path(request.path)),
            query: span.mask.query(span.parameters).map(|query| kept(&query)),
            operation: kept(&operation(span, event, refusal)),
            action: event.action.unwrap_or(Action::Refused),
            kind: if event.reads(request.method) { journal::Kind::Read } else { journal::Kind::Change },
            outcome: if success { Outcome::Success } else { Outcome::Failure },
            status: status.as_u16(),
            scim_type: refusal.and_then(|refusal| refusal.scim_type).map(str::to_owned),
            detail: refusal.map(|refusal| kept(&refusal.detail)).filter(|detail| !detail.is_empty()),
            changed: event.changed,
            user: event.subject.as_ref().map(subject),
            group: event.group.as_ref().map(group),
            token: span.presented.map(hint),
            request_id: span.arrival.request_id.clone(),
            request_body: bodies.then(|| body_text(span.mask, span.body)).flatten().map(body),
            response_body: bodies.then(|| answer_text(span.mask, response.body())).flatten().map(body),
            before: values(&event.before),
            after: values(&event.after),
            repeats: 0,
            looks_like: sign.filter(|sign| Some(*sign) != span.provider).map(str::to_owned),
            leniencies: span.reading.noted().into_iter().map(|noted| noted_leniency(noted, clean)).collect(),
        };
        Entry { record, token_id: span.token.map(|token| token.id.clone()), sign }
    }
}

fn noted_leniency(noted: Noticed, clean: impl Fn(&str) -> String) -> journal::Leniency {
    journal::Leniency { what: noted.leniency.name().to_owned(), at: clean(&noted.at) }
}

/// The refusal as the journal has it.
fn noted_refusal(mut refusal: respond::Refusal) -> respond::Refusal {
    if let Some(noted) = refusal.noted {
        noted.clone_into(&mut refusal.detail);
    }
    refusal
}

/// Takes a change of a turn that others share for good, with its record. A refused one leaves nothing but that.
fn stage(turn: &mut TenantTurn<'_>, entry: Entry, changed: bool) {
    if !changed {
        turn.undo();
    }
    journal::append(turn, [entry]);
    turn.keep();
}

/// What the record needs of the request.
#[derive(Clone)]
pub(super) struct Span<'r> {
    pub(super) request: &'r Provision<'r>,
    pub(super) body: Body<'r>,
    pub(super) parameters: &'r Parameters<'r>,
    pub(super) arrival: &'r Arrival,
    pub(super) presented: Option<&'r str>,
    pub(super) token: Option<&'r Token>,
    /// Whom the connection was set up for; nothing where there is none.
    pub(super) provider: Option<&'static str>,
    pub(super) mask: &'r Mask<'r>,
    /// What of it was read liberally.
    pub(super) reading: &'r Reading,
    /// Whether the record is to stand for further requests without a valid token, see [`strangers`](super::strangers).
    pub(super) folds: bool,
}

impl Span<'_> {
    /// What the request has sent as a secret.
    fn taint(&self) -> Taint {
        let taint = Taint::of(self.mask, self.request.path, self.parameters);
        match self.body {
            Body::Text(text) => taint.and_text(self.mask, text),
            Body::Data(value) => taint.and_value(self.mask, value),
        }
    }
}

/// The last four characters of a token that is long enough to keep its secret all the same.
fn hint(token: &str) -> String {
    let from_the_end = |nth: usize| token.char_indices().nth_back(nth).map(|(place, _)| place);
    let end = from_the_end(15).and(from_the_end(3)).and_then(|place| token.get(place..));
    end.unwrap_or("…").to_owned()
}

/// Where a person changes what does not fit: a value or a name comes from the attribute mapping, and the provider shows the
/// detail to those who look after it. In the words of the provider's own screens, if its guide has these.
fn place_to_change(refusal: &respond::Refusal, event: &Event, span: &Span<'_>) -> Option<String> {
    let is_of_user = match Scim::of(span.request.path) {
        Scim::Resources(kind) | Scim::Resource(kind, _) => kind == Kind::User,
        Scim::Root
        | Scim::ServiceProviderConfig
        | Scim::ResourceTypes
        | Scim::ResourceType(_)
        | Scim::Schemas
        | Scim::Schema(_)
        | Scim::Me
        | Scim::Bulk
        | Scim::Search(_)
        | Scim::Nowhere => false,
    };
    // A bulk request is written by a program, not by a mapping.
    let is_mapped = matches!(refusal.scim_type, Some("invalidValue" | "invalidPath" | "mutability"))
        && matches!(span.body, Body::Text(text) if !text.is_empty());
    let provider = span.provider.and_then(provider::of)?;
    (is_of_user && is_mapped && !event.reads(span.request.method)).then(|| provider.mapping_place()).flatten()
}

fn operation<'e>(span: &Span<'_>, event: &'e Event, refusal: Option<&respond::Refusal>) -> Cow<'e, str> {
    match (refusal, event.operation.as_str()) {
        (Some(refusal), "") => Cow::Owned(["refused: ", &refusal.detail].concat()),
        // It names what was asked for, in the client's words.
        (Some(_), words) => span.taint().out_of(words),
        (None, words) => span.mask.assigned(words),
    }
}

/// What a record keeps of a body, before it is cut.
struct Noted<'b> {
    text: Cow<'b, str>,
    /// Whether the body goes on.
    longer: bool,
}

/// A body for the journal, masked by the schema. What is not JSON is not kept, since nothing could mask it. One that is as
/// we would write it and names nothing secret is kept as it is; of any other no more is read into memory than is kept.
fn body_text<'b>(mask: &Mask<'_>, body: Body<'b>) -> Option<Noted<'b>> {
    if body.is_empty() {
        return None;
    }
    if let Body::Text(bytes) = body
        && let Ok(text) = std::str::from_utf8(bytes)
        && is_plain(text)
        && !mask.mentions(text)
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
    {
        return Some(Noted { text: Cow::Borrowed(text), longer: false });
    }
    let Some((mut value, longer)) = body.beginning(LIMITS.journal_body_bytes_max + BEYOND_CUT_BYTES) else {
        let text = Cow::Owned(format!("[{} bytes that are not JSON]", body.len()));
        return Some(Noted { text, longer: false });
    };
    mask.secrets(&mut value);
    Some(Noted { text: Cow::Owned(value.to_string()), longer })
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
fn answer_text<'b>(mask: &Mask<'_>, body: &'b [u8]) -> Option<Noted<'b>> {
    match std::str::from_utf8(body) {
        Ok("") => None,
        Ok(text) if !mask.mentions(beginning(text)) => Some(Noted { text: Cow::Borrowed(text), longer: false }),
        Ok(_) | Err(_) => body_text(mask, Body::Text(body)),
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

/// Attributes for the journal: without secrets and tokens, and long ones cut, so that a record stays far below what a store takes.
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
        let kept = |body: &str| body_text(&Mask::of([]), Body::Text(body.as_bytes())).unwrap().text.into_owned();
        let plain = r#"{"userName":"alice blank","n":[1,1.50]}"#;
        assert_eq!(kept(plain), plain);
        assert_eq!(kept("{ \"userName\":\t\"alice blank\",\n\"n\":[1, 1.5]}"), plain.replace("1.50", "1.5"));
        assert_eq!(kept(r#"{"userName":"a\"b"}"#), r#"{"userName":"a\"b"}"#);
        assert_eq!(kept(r#"{"userName":"#), "[12 bytes that are not JSON]");
        assert!(body_text(&Mask::of([]), Body::NONE).is_none());
    }

    #[test]
    fn a_secret_is_masked_however_its_name_is_written() {
        let kept = |body: &str| body_text(&Mask::of([]), Body::Text(body.as_bytes())).unwrap().text.into_owned();
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
        for body in [Body::Data(&body), Body::Text(body.to_string().as_bytes())] {
            let noted = body_text(&Mask::of([]), body).unwrap();
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

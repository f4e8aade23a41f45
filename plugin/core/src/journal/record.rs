//! What is kept of one request, and what it is stored as.

use super::method::Method;
use crate::scim::text::fold;
use crate::settings::LIMITS;
use crate::trace::{self, Traceparent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Records of requests without a valid token that a tenant's journal takes in one hour; the last of them stands for all
/// further ones and counts them. Who knows no more than a tenant URL must not be able to wash the ring out.
pub const REFUSALS_AN_HOUR: u64 = 100;

/// Records of requests above the rate that a tenant's journal takes in one hour; the last of them stands for all further
/// ones and counts them. Those that one instance refuses in one second have one record anyway.
pub const THROTTLES_AN_HOUR: u64 = 20;

/// The mark at the end of a body that was cut.
pub const CUT: &str = "…[cut]";

/// What a request set out to do.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
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
    pub kind: RecordKind,
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
    /// The place of the request in the traces of whoever sent it; nothing where none was sent, or none that is well-formed.
    #[serde(default, deserialize_with = "trace::stored", skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Traceparent>,
    /// Masked, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    /// Masked, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// The attributes that differ, before the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// The attributes that differ, after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
    /// How many further requests this record stands for that were refused alike, see [`REFUSALS_AN_HOUR`] and
    /// [`THROTTLES_AN_HOUR`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
    /// Another provider than the connection's, which the request looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
    /// What of the request was read though the RFC has it otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leniencies: Vec<RecordedLeniency>,
}

/// What was read liberally, by [`Leniency::name`](crate::scim::Leniency::name): another version may know others.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RecordedLeniency {
    /// Its name.
    pub what: String,
    /// The attribute or the member of the message.
    #[serde(rename = "where")]
    pub at: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A record on its way, with what the head of the tenant has to know of it.
#[derive(Clone, Debug)]
pub struct PendingRecord {
    /// The record; its number is given when it is written.
    pub record: Record,
    /// The id of the valid token that the request carried.
    pub token_id: Option<String>,
    /// [`sign::of`](crate::connection::sign::of) the request.
    pub sign: Option<&'static str>,
}

/// Why many requests may be refused alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatedRefusal {
    /// No valid token.
    Stranger,
    /// More than the tenant's rate.
    Throttled,
}

impl RepeatedRefusal {
    pub(super) fn of(entry: &PendingRecord) -> Option<RepeatedRefusal> {
        match (&entry.token_id, entry.is_throttled()) {
            (None, _) => Some(RepeatedRefusal::Stranger),
            (Some(_), true) => Some(RepeatedRefusal::Throttled),
            (Some(_), false) => None,
        }
    }

    /// Records that an hour has of them.
    pub(crate) fn kept_max(self) -> u64 {
        match self {
            RepeatedRefusal::Stranger => REFUSALS_AN_HOUR,
            RepeatedRefusal::Throttled => THROTTLES_AN_HOUR,
        }
    }
}

impl PendingRecord {
    /// Whether the request was one more than the tenant may send.
    pub(crate) fn is_throttled(&self) -> bool {
        self.record.status == 429
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
    pub(super) fn stored(mut self) -> Vec<u8> {
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

    /// Reads what [`Record::to_stored`] wrote. A record of the first two layouts has its bodies within the JSON.
    pub(super) fn of_stored(bytes: &[u8]) -> Option<Record> {
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
    pub(crate) fn subject(&self) -> Option<&str> {
        let group = || self.group.as_ref().map(|group| group.id.as_str());
        self.user.as_ref().map(|user| user.id.as_str()).or_else(group)
    }
}

pub(super) fn mentions(record: &Record, text: &str) -> bool {
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

/// Cuts a text to what a record may hold, at a character boundary, and says so.
pub fn cut(text: &str) -> String {
    cut_at(text, LIMITS.journal_body_bytes_max)
}

/// Cuts a text that may be the beginning of a longer one to what a record may hold, and says so where anything is missing.
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
    fn a_record_that_was_stored_without_a_traceparent_or_with_none_that_is_well_formed_is_read_all_the_same() {
        let mut record = of_request_and_response(None, None);
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        record.traceparent = Traceparent::parse(text);
        assert_eq!(record.shown()["traceparent"], text);
        let mut stored = serde_json::to_value(&record).unwrap();
        assert_eq!(Record::of_stored(&serde_json::to_vec(&stored).unwrap()), Some(record));
        stored["traceparent"] = "<script>".into();
        let read = Record::of_stored(&serde_json::to_vec(&stored).unwrap()).unwrap();
        assert_eq!((&read.traceparent, read.shown().get("traceparent")), (&None, None));
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

//! A tenant as a file, and back: NDJSON, a JSON object a line, each with its number, its type and a sum.
//!
//! The first line is a header, the last a trailer; between them stand the tenant itself, where its turns, journal and
//! traffic stood, the schemas that it has of its own, its connection, and then every user, group, list of members and
//! journal record, in this order. The sum of a line is a digest of the line and of the sum before it, so a line that is
//! missing, doubled, out of place or altered is noticed at its number, and a file that ends early at its end.
//!
//! Tokens are in the file as they are in the store: as digests, so that they work on, and sealed, so that only an
//! installation with the same key can show them.

pub(crate) mod export;
pub(crate) mod import;

use crate::connection::Connection;
use crate::directory::Document;
use crate::journal::Record;
use crate::tenant::state::{TenantHead, TokenUse};

use crate::tenant::registry::Profile;
use crate::tenant::schemas::OwnSchema;
use crate::traffic::Traffic;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The version of the file's form. Files of later versions are refused.
pub(crate) const FORMAT: u32 = 1;

/// What a line holds. The order of the cases is the order in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BackupLine {
    Header(BackupHeader),
    Tenant(Profile),
    State(Box<BackupState>),
    Schema(OwnSchema),
    Connection(Connection),
    User(Document),
    Group(Document),
    Members(Members),
    Record(Box<Record>),
    Trailer(Totals),
}

impl BackupLine {
    /// The line as an object without its type.
    fn object(&self) -> String {
        let object = match self {
            BackupLine::Header(header) => serde_json::to_string(header),
            BackupLine::Tenant(profile) => serde_json::to_string(profile),
            BackupLine::State(state) => serde_json::to_string(state),
            BackupLine::Schema(own) => serde_json::to_string(&own.to_json()),
            BackupLine::Connection(connection) => serde_json::to_string(connection),
            BackupLine::User(document) | BackupLine::Group(document) => serde_json::to_string(document),
            BackupLine::Members(members) => serde_json::to_string(members),
            BackupLine::Record(record) => serde_json::to_string(record),
            BackupLine::Trailer(totals) => serde_json::to_string(totals),
        };
        object.expect("lines are plain data")
    }

    /// Reads an object that says its type.
    fn parse(object: &str) -> Result<BackupLine, String> {
        let Typed { word } = parse(object)?;
        Ok(match word.as_str() {
            "header" => BackupLine::Header(parse(object)?),
            "tenant" => BackupLine::Tenant(parse(object)?),
            "state" => BackupLine::State(parse(object)?),
            "schema" => BackupLine::Schema(schema(parse(object)?)?),
            "connection" => BackupLine::Connection(parse(object)?),
            "user" => BackupLine::User(parse(object)?),
            "group" => BackupLine::Group(parse(object)?),
            "members" => BackupLine::Members(parse(object)?),
            "record" => BackupLine::Record(parse(object)?),
            "trailer" => BackupLine::Trailer(parse(object)?),
            other => return Err(format!("type: expected one that this version knows, found {}", glimpse(other))),
        })
    }

    /// The name of the type, as the line says it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            BackupLine::Header(_) => "header",
            BackupLine::Tenant(_) => "tenant",
            BackupLine::State(_) => "state",
            BackupLine::Schema(_) => "schema",
            BackupLine::Connection(_) => "connection",
            BackupLine::User(_) => "user",
            BackupLine::Group(_) => "group",
            BackupLine::Members(_) => "members",
            BackupLine::Record(_) => "record",
            BackupLine::Trailer(_) => "trailer",
        }
    }
}

/// What has to be known of a line before it can be read.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    word: String,
}

/// What has to be known of a file before its lines can be read.
#[derive(Deserialize)]
struct Form {
    format: u32,
    layout: u32,
}

/// What the file is.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupHeader {
    format: u32,
    /// [`LAYOUT`](crate::ledger::LAYOUT) of the values.
    layout: u32,
    /// Whose data.
    tenant: String,
    exported_at: Timestamp,
    users: u64,
    groups: u64,
    /// Records that the journal holds.
    records: u64,
}

/// Where the tenant stood, beside its users and groups.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupState {
    next_user_slot: u64,
    next_group_slot: u64,
    next_record: u64,
    journal_capacity: u64,
    last_transfer: Option<Timestamp>,
    last_success: Option<Timestamp>,
    last_change: Option<Timestamp>,
    tokens: Vec<TokenUse>,
    traffic: Traffic,
}

impl BackupState {
    fn of(head: &TenantHead) -> BackupState {
        BackupState {
            next_user_slot: head.state.main.next_slot,
            next_group_slot: head.state.groups.next_slot,
            next_record: head.state.next_record,
            journal_capacity: head.state.journal_capacity,
            last_transfer: head.state.last_transfer,
            last_success: head.state.last_success,
            last_change: head.state.last_change,
            tokens: head.state.tokens.clone(),
            traffic: head.state.traffic.clone(),
        }
    }
}

/// Some members of a group, with their slots.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Members {
    group: String,
    seats: Vec<(u64, String)>,
}

/// What was counted, by who wrote the file and by who reads it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) users: u64,
    pub(crate) groups: u64,
    pub(crate) members: u64,
    pub(crate) records: u64,
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Totals { users, groups, members, records } = self;
        write!(f, "{users} users, {groups} groups, {members} members, {records} records")
    }
}

impl Totals {
    fn count(&mut self, line: &BackupLine) {
        match line {
            BackupLine::User(_) => self.users += 1,
            BackupLine::Group(_) => self.groups += 1,
            BackupLine::Members(members) => self.members += u64::try_from(members.seats.len()).unwrap_or(u64::MAX),
            BackupLine::Record(_) => self.records += 1,
            BackupLine::Header(_)
            | BackupLine::Tenant(_)
            | BackupLine::State(_)
            | BackupLine::Schema(_)
            | BackupLine::Connection(_)
            | BackupLine::Trailer(_) => {}
        }
    }
}

/// How far a file was written or read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub(crate) struct Chain {
    pub(crate) lines: u64,
    sum: String,
}

impl Chain {
    /// The text of the next line.
    fn print(&mut self, line: &BackupLine) -> String {
        let object = line.object();
        let inside = object.strip_prefix('{').and_then(|object| object.strip_suffix('}')).unwrap_or_default();
        let front = format!("{}\"type\":\"{}\",{inside}", opening(self.lines + 1), line.word());
        let sum = self.sum_of(&front);
        let text = format!("{front}{SUM}{sum}\"}}\n");
        *self = Chain { lines: self.lines + 1, sum };
        text
    }

    /// Reads the next line. The refusal says what was expected and what was found.
    fn read(&mut self, text: &str) -> Result<BackupLine, String> {
        BackupLine::parse(&self.open(text)?)
    }

    /// The next line as it was before it got its number and its sum.
    fn open(&mut self, text: &str) -> Result<String, String> {
        let number = self.lines + 1;
        let opening = opening(number);
        if !text.starts_with(&opening) {
            return Err(format!("expected {opening}…, found {}", glimpse(text)));
        }
        let (front, sum) = text
            .rsplit_once(SUM)
            .and_then(|(front, sum)| Some((front, sum.strip_suffix("\"}")?)))
            .ok_or_else(|| format!("sum: expected one at the end of the line, found {}", glimpse_of_end(text)))?;
        let expected = self.sum_of(front);
        if sum != expected {
            return Err(format!("sum: expected {expected}, found {}; the line was altered", glimpse(sum)));
        }
        *self = Chain { lines: number, sum: expected };
        Ok(format!("{front}}}"))
    }

    fn sum_of(&self, front: &str) -> String {
        let digest = Sha256::new().chain_update(&self.sum).chain_update(front).finalize();
        URL_SAFE_NO_PAD.encode(&digest[..12])
    }
}

fn parse<T: serde::de::DeserializeOwned>(object: &str) -> Result<T, String> {
    // From bytes, as the store's values are read: one reader less to be compiled for every type.
    serde_json::from_slice(object.as_bytes()).map_err(|error| error.to_string())
}

/// A schema in its RFC's form, among what makes it a line.
fn schema(mut form: Map<String, Value>) -> Result<OwnSchema, String> {
    form.retain(|name, _| name != "line" && name != "type");
    let urn = form.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    OwnSchema::parse(&urn, form).map_err(|error| error.to_string())
}

const SUM: &str = ",\"sum\":\"";

fn opening(number: u64) -> String {
    format!("{{\"line\":{number},")
}

/// The number that a line says it has.
fn number_of(text: &str) -> Option<u64> {
    text.strip_prefix("{\"line\":")?.split(',').next()?.parse().ok()
}

fn glimpse(text: &str) -> String {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    format!("{:?}", text.chars().take(40).collect::<String>())
}

fn glimpse_of_end(text: &str) -> String {
    let mut end: Vec<char> = text.chars().rev().take(40).collect();
    end.reverse();
    format!("{:?}", end.into_iter().collect::<String>())
}

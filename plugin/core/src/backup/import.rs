//! A file back into a tenant, a part at a time. How far it has come stands in the tenant, and is written with what it
//! brought: who sends a part again, or the whole file, loses nothing and doubles nothing.
//!
//! The connection is written last, with the end of the import. Until then nobody has a token, and the tenant's SCIM URL
//! says that it is being restored.

use super::{BackupHeader, BackupLine, BackupState, Chain, FORMAT, Form, Totals, Typed, number_of, parse};
use crate::connection::{Connection, provider};
use crate::directory::audit::Position;
use crate::directory::check;
use crate::directory::restore::{self, RestoreError, Restored};
use crate::journal;
use crate::keys::{Kind, Space, TenantId};
use crate::ledger::{Error, HOLD, LAYOUT, Ledger, Read};
use crate::settings::LIMITS;
use crate::tenant::registry::{self, Profile};
use crate::tenant::schemas::{self, SchemaError};
use crate::tenant::state::{TenantTurn, TenantView};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Lines that one turn takes at most; a slow store ends it before.
const LINES_A_TURN: usize = 200;

/// How long a part is begun again whose turn took too long. Below what a host gives an answer.
const TRIED_FOR: Duration = Duration::from_secs(10);

/// How far an import has come.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Import {
    header: BackupHeader,
    /// The header's sum: what tells one file from another.
    file: String,
    chain: Chain,
    totals: Totals,
    /// The type of the latest line.
    latest: String,
    profile: Option<Profile>,
    connection: Option<Connection>,
    /// Whether the state was read.
    stated: bool,
    /// The number of the latest record.
    latest_record: u64,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
}

/// What a caller is told of an import.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportProgress {
    state: &'static str,
    /// Lines that were taken; the next part may begin behind them.
    lines: u64,
    #[serde(flatten)]
    totals: Totals,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
}

/// Why a part is not taken. What stood before the refused line is kept or not; sending it again does no harm.
#[derive(Debug, PartialEq)]
pub(crate) enum ImportError {
    /// No tenant has this id.
    NoSuchTenant,
    /// The tenant has a connection, users or groups.
    NotEmpty,
    /// Another file is being imported.
    AnotherFile,
    /// The import was given up between two turns of this part.
    GivenUp,
    /// A line is not what an export of ours has there.
    Line(u64, String),
    /// Everything was read, and the checker is not content.
    Findings(Vec<String>),
    /// The ledger failed.
    Ledger(Error),
}

impl From<Error> for ImportError {
    fn from(error: Error) -> ImportError {
        ImportError::Ledger(error)
    }
}

impl ImportError {
    /// Why the line of this number is not taken.
    fn at(line: u64, error: RestoreError) -> ImportError {
        match error {
            RestoreError::Refused(what) => ImportError::Line(line, what),
            RestoreError::Ledger(error) => ImportError::Ledger(error),
        }
    }
}

/// What a step answers.
type ImportResult<T> = Result<T, ImportError>;

impl Import {
    /// The import of a space: under way, finished, or none.
    pub(crate) fn read(view: &impl Read) -> Result<Option<Import>, Error> {
        view.read(&view.space().import())
    }

    /// Whether it is not finished.
    pub(crate) fn is_under_way(&self) -> bool {
        self.finished_at.is_none()
    }

    /// The connection that the file has, as far as it was read.
    pub(crate) fn into_connection(self) -> Option<Connection> {
        self.connection
    }

    pub(crate) fn progress(&self) -> ImportProgress {
        ImportProgress {
            state: if self.is_under_way() { "underWay" } else { "done" },
            lines: self.chain.lines,
            totals: self.totals.clone(),
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

/// Takes the next lines of a file. Lines that were taken before are passed over, so what a slow store has kept from being
/// committed is taken once more here, and not by whoever would send the file again.
pub(crate) fn part(ledger: Ledger<'_>, tenant: &TenantId, text: &str) -> ImportResult<Import> {
    let begun = ledger.ports.clock.elapsed();
    loop {
        match taken(ledger, tenant, text) {
            Err(ImportError::Ledger(Error::Busy)) if ledger.ports.clock.elapsed().saturating_sub(begun) < TRIED_FOR => {
            }
            taken => return taken,
        }
    }
}

fn taken(ledger: Ledger<'_>, tenant: &TenantId, text: &str) -> ImportResult<Import> {
    let restorer = Restorer { ledger, tenant };
    let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
    let mut file = None;
    loop {
        let turn = TenantTurn::take(ledger, Space::tenant(tenant))?;
        match restorer.within(turn, file.as_deref(), &mut lines)? {
            Taken::All(import) => return Ok(*import),
            Taken::Some(of) => file = Some(of),
            Taken::Trailer(of) => return restorer.finish(&of),
        }
    }
}

/// Gives up an import that is under way. What it brought stays, without a connection, and can be deleted as what an ended
/// connection left behind.
pub(crate) fn give_up(ledger: Ledger<'_>, tenant: &TenantId) -> Result<bool, Error> {
    let mut turn = TenantTurn::take(ledger, Space::tenant(tenant))?;
    let there = turn.head.state.being_restored;
    if there {
        turn.remove(turn.space().import());
        turn.head.state.being_restored = false;
    }
    turn.commit()?;
    Ok(there)
}

/// What one turn took.
enum Taken {
    /// All there was.
    All(Box<Import>),
    /// As much as one turn should, of the file with this sum.
    Some(String),
    /// All but the trailer of the file with this sum, which is next.
    Trailer(String),
}

/// Refuses by what a turn has seen. A turn that cannot be given on was over meanwhile, and what it saw may be of two
/// states, so its part is begun again.
fn refuse<T>(turn: TenantTurn<'_>, refusal: ImportError) -> ImportResult<T> {
    match refusal {
        ImportError::Ledger(_) => Err(refusal),
        ImportError::NoSuchTenant
        | ImportError::NotEmpty
        | ImportError::AnotherFile
        | ImportError::GivenUp
        | ImportError::Line(..)
        | ImportError::Findings(_) => {
            turn.release()?;
            Err(refusal)
        }
    }
}

struct Restorer<'a> {
    ledger: Ledger<'a>,
    tenant: &'a TenantId,
}

impl Restorer<'_> {
    /// Takes lines within a turn, and ends it. Where a line is refused, nothing of this turn is kept. Where a turn before
    /// has taken lines of a file, it is that one that goes on.
    fn within<'t>(
        &self,
        mut turn: TenantTurn<'_>,
        file: Option<&str>,
        lines: &mut std::iter::Peekable<impl Iterator<Item = &'t str>>,
    ) -> ImportResult<Taken> {
        let mut import = Import::read(&turn)?;
        if file.is_some() && import.as_ref().map(|import| import.file.as_str()) != file {
            return refuse(turn, ImportError::GivenUp);
        }
        let mut taken = 0;
        let mut trailer = false;
        while let Some(text) = lines.peek() {
            if taken >= LINES_A_TURN || turn.spent() > HOLD / 4 {
                break;
            }
            match self.line(&mut turn, &mut import, text) {
                Ok(Next::Line) => {}
                Ok(Next::Trailer) => {
                    trailer = true;
                    break;
                }
                Err(refusal) => return refuse(turn, refusal),
            }
            lines.next();
            taken += 1;
        }
        let Some(import) = import else {
            let what = "expected the header of an export, found nothing".to_owned();
            return refuse(turn, ImportError::Line(1, what));
        };
        if taken > 0 && import.is_under_way() {
            turn.write(turn.space().import(), &import);
            turn.commit()?;
        } else {
            turn.release()?;
        }
        Ok(match (trailer, lines.peek()) {
            (true, _) => Taken::Trailer(import.file),
            (false, Some(_)) => Taken::Some(import.file),
            (false, None) => Taken::All(Box::new(import)),
        })
    }

    /// Takes one line.
    fn line(&self, turn: &mut TenantTurn<'_>, import: &mut Option<Import>, text: &str) -> ImportResult<Next> {
        let number = number_of(text);
        let Some(present) = import.as_mut().filter(|import| import.is_under_way() || is_of(import, text)) else {
            *import = Some(self.header(turn, text)?);
            return Ok(Next::Line);
        };
        if number == Some(1) && !is_of(present, text) {
            return Err(ImportError::AnotherFile);
        }
        if !present.is_under_way() || number.is_some_and(|number| number <= present.chain.lines) {
            return Ok(Next::Line);
        }
        let mut chain = present.chain.clone();
        let refused = |what| Err(ImportError::Line(present.chain.lines + 1, what));
        let line = match chain.read(text).and_then(|line| present.in_order(&line).map(|()| line)) {
            Ok(line) => line,
            Err(what) => return refused(what),
        };
        if let BackupLine::Trailer(totals) = &line {
            return if *totals == present.totals {
                Ok(Next::Trailer)
            } else {
                refused(format!("expected {}, found {totals}", present.totals))
            };
        }
        line.word().clone_into(&mut present.latest);
        present.totals.count(&line);
        self.content(turn, present, line).map_err(|error| ImportError::at(chain.lines, error))?;
        present.chain = chain;
        Ok(Next::Line)
    }

    /// Begins an import.
    fn header(&self, turn: &mut TenantTurn<'_>, text: &str) -> ImportResult<Import> {
        let refused = |what: String| Err(ImportError::Line(1, what));
        let mut chain = Chain::default();
        let header = match readable(&mut chain, text) {
            Ok(header) => header,
            Err(what) => return refused(what),
        };
        if TenantId::parse(&header.tenant).is_none() {
            return refused("tenant: expected a tenant's id".to_owned());
        }
        // Looked at within the turn, which a removal of the tenant holds, too.
        if registry::read(self.ledger, self.tenant)?.is_none() {
            return Err(ImportError::NoSuchTenant);
        }
        let connected = Connection::read(turn)?.is_some_and(|connection| connection.ended_at.is_none());
        if connected || turn.head.state.main.members > 0 || turn.head.state.groups.members > 0 {
            return Err(ImportError::NotEmpty);
        }
        // Only what is there: a key whose deletion was sent and not confirmed must not be written for a while.
        for key in [turn.space().connection(), turn.space().schemas()] {
            if turn.get(&key)?.is_some() {
                turn.remove(key);
            }
        }
        turn.head.state.being_restored = true;
        Ok(Import {
            header,
            file: chain.sum.clone(),
            chain,
            totals: Totals::default(),
            latest: "header".to_owned(),
            profile: None,
            connection: None,
            stated: false,
            latest_record: 0,
            started_at: self.ledger.ports.clock.now(),
            finished_at: None,
        })
    }

    /// Carries out what a line says.
    fn content(&self, turn: &mut TenantTurn<'_>, import: &mut Import, line: BackupLine) -> Restored {
        match line {
            BackupLine::Tenant(profile) if !profile.is_proper() => {
                return Err(RestoreError::Refused("name: expected one that a tenant may have".to_owned()));
            }
            BackupLine::Tenant(profile) => import.profile = Some(profile),
            BackupLine::State(state) => {
                import.stated = true;
                begin_at(turn, *state, self.ledger.ports.clock.now()).map_err(RestoreError::Refused)?;
            }
            BackupLine::Schema(own) => {
                schemas::put(turn, own).map_err(|error| match error {
                    SchemaError::Ledger(error) => RestoreError::Ledger(error),
                    SchemaError::Full | SchemaError::Confusable(_) | SchemaError::Extends(_) => {
                        RestoreError::Refused(format!("schema: expected one that the tenant may have, found {error:?}"))
                    }
                })?;
            }
            BackupLine::Connection(connection) if !connection.has_known_provider() => {
                let found: String = connection.identity_provider.chars().take(40).collect();
                return Err(RestoreError::Refused(format!(
                    "identityProvider: expected {}, found {found:?}",
                    provider::ids()
                )));
            }
            BackupLine::Connection(connection) => import.connection = Some(connection),
            BackupLine::User(document) => return restore::resource(turn, Kind::User, document),
            BackupLine::Group(document) => return restore::resource(turn, Kind::Group, document),
            BackupLine::Members(members) => return restore::members(turn, &members.group, &members.seats),
            BackupLine::Record(record) => {
                if let Some(name) = record.beyond_limits() {
                    let max = LIMITS.journal_body_bytes_max;
                    return Err(RestoreError::Refused(format!("{name}: expected at most {max} bytes, found more")));
                }
                let next = turn.head.state.next_record;
                if record.number <= import.latest_record || record.number >= next {
                    let (latest, found) = (import.latest_record, record.number);
                    return Err(RestoreError::Refused(format!(
                        "number: expected one above {latest} and below {next}, found {found}"
                    )));
                }
                import.latest_record = record.number;
                // Requests that were refused meanwhile have records behind these, and may have pushed this one out.
                if record.number >= turn.head.state.oldest_record() {
                    let slot = record.number % turn.head.state.journal_capacity.max(1);
                    journal::put(turn, slot, *record);
                }
            }
            BackupLine::Header(_) | BackupLine::Trailer(_) => {}
        }
        Ok(())
    }

    /// The import of the file with this sum, unless it is finished or was given up.
    fn under_way(&self, file: &str) -> Result<Option<Import>, Error> {
        let view = TenantView::new(self.ledger, Space::tenant(self.tenant));
        Ok(Import::read(&view)?.filter(|import| import.file == file && import.is_under_way()))
    }

    /// Everything of the file with this sum was read: the checker looks at it, and the tenant is opened.
    fn finish(&self, file: &str) -> ImportResult<Import> {
        let head = TenantView::new(self.ledger, Space::tenant(self.tenant)).head()?;
        let is_checked = head.state.main.members + head.state.groups.members <= LIMITS.import_checked_max;
        let mut next = Some(Position::start()).filter(|_| is_checked);
        while let Some(position) = next {
            let portion = check::portion(self.ledger, self.tenant, position)?;
            // Names that two resources have may come from a file of an earlier layout, which told apart what is one name by
            // now, and nothing is damaged by them.
            if !portion.findings.is_empty() {
                return Err(ImportError::Findings(portion.findings));
            }
            next = portion.next;
        }
        // Before the tenant's own turn and not within it: who waits for two turns at once waits too long for the first
        // where somebody has died with both.
        if let Some(Import { profile: Some(profile), .. }) = self.under_way(file)? {
            registry::restore(self.ledger, self.tenant, &profile)?;
        }
        let mut turn = TenantTurn::take(self.ledger, Space::tenant(self.tenant))?;
        let Some(mut import) = Import::read(&turn)?.filter(|import| import.file == file) else {
            return refuse(turn, ImportError::GivenUp);
        };
        if !import.is_under_way() {
            turn.release()?;
            return Ok(import);
        }
        let from = TenantId::parse(&import.header.tenant).unwrap_or_else(|| self.tenant.clone());
        if let Some(connection) = import.connection.take() {
            let mut connection = connection.moved(self.ledger.ports, &self.ledger.settings.secrets, &from, self.tenant);
            connection.own_schemas = turn.get(&turn.space().schemas())?.is_some();
            turn.write(turn.space().connection(), &connection);
        }
        import.chain.lines += 1;
        import.finished_at = Some(self.ledger.ports.clock.now());
        turn.write(turn.space().import(), &import);
        turn.head.state.being_restored = false;
        turn.commit()?;
        Ok(import)
    }
}

/// The header of a file that this version can read.
fn readable(chain: &mut Chain, text: &str) -> Result<BackupHeader, String> {
    let object = chain.open(text)?;
    let Form { format, layout } = parse(&object)?;
    if format != FORMAT {
        return Err(format!("format: expected {FORMAT}, found {format}"));
    }
    // What is in a file is the same in all layouts up to now.
    if !(1..=LAYOUT).contains(&layout) {
        return Err(format!("layout: expected 1 to {LAYOUT}, found {layout}"));
    }
    match parse::<Typed>(&object)?.word.as_str() {
        "header" => parse(&object),
        other => Err(format!("type: expected header, found {other}")),
    }
}

/// What comes after a line.
enum Next {
    Line,
    /// This is the trailer, and everything before it was taken.
    Trailer,
}

impl Import {
    /// Whether a line may stand where it stands.
    fn in_order(&self, line: &BackupLine) -> Result<(), String> {
        let (was, is) = (rank(&self.latest), rank(line.word()));
        let once = match line {
            BackupLine::Header(_)
            | BackupLine::Tenant(_)
            | BackupLine::State(_)
            | BackupLine::Connection(_)
            | BackupLine::Trailer(_) => true,
            BackupLine::Schema(_)
            | BackupLine::User(_)
            | BackupLine::Group(_)
            | BackupLine::Members(_)
            | BackupLine::Record(_) => false,
        };
        let missing = is > rank("state") && !self.stated || is > rank("tenant") && self.profile.is_none();
        if is < was || once && is == was || missing {
            return Err(format!("type: expected what follows a line of type {}, found {}", self.latest, line.word()));
        }
        Ok(())
    }
}

const ORDER: [&str; 10] =
    ["header", "tenant", "state", "schema", "connection", "user", "group", "members", "record", "trailer"];

fn rank(word: &str) -> usize {
    ORDER.iter().position(|other| *other == word).unwrap_or(ORDER.len())
}

/// Whether a line is the header of this import's file.
fn is_of(import: &Import, text: &str) -> bool {
    let mut chain = Chain::default();
    number_of(text) != Some(1) || chain.read(text).is_ok() && chain.sum == import.file
}

/// Sets the head to where the exported tenant stood, but for what is counted anew while users and groups come in.
fn begin_at(turn: &mut TenantTurn<'_>, state: BackupState, now: Timestamp) -> Result<(), String> {
    let within = |name: &str, found: u64, least: u64, most: u64| {
        let fits = (least..=most).contains(&found);
        fits.then_some(()).ok_or_else(|| format!("{name}: expected {least} to {most}, found {found}"))
    };
    within("nextUserSlot", state.next_user_slot, 0, LIMITS.slots_max)?;
    within("nextGroupSlot", state.next_group_slot, 0, LIMITS.slots_max)?;
    within("journalCapacity", state.journal_capacity, 1, LIMITS.journal_capacity_max)?;
    within("nextRecord", state.next_record, 1, u64::MAX / 2)?;
    let head = &mut turn.head;
    (head.state.main.next_slot, head.state.groups.next_slot) = (state.next_user_slot, state.next_group_slot);
    (head.state.next_record, head.state.journal_capacity) = (state.next_record, state.journal_capacity);
    (head.state.last_transfer, head.state.last_success) = (state.last_transfer, state.last_success);
    head.state.last_change = state.last_change;
    head.state.tokens = state.tokens;
    head.state.traffic = state.traffic;
    journal::forget_future(head, now);
    Ok(())
}

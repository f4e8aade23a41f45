//! A tenant as a file, read from a snapshot while the client takes it: what comes out is the tenant at one moment, the
//! beginning, whatever changes meanwhile.

use super::{BackupHeader, BackupLine, BackupState, Chain, FORMAT, Members, Totals};
use crate::connection::Connection;
use crate::directory::{Document, DocumentsAhead, roster};
use crate::journal;
use crate::keys::{Kind, Roll, Space, TenantId};
use crate::ledger::{Error, LAYOUT, Ledger, Read as _, Snapshot, SnapshotMark};
use crate::ports::Ports;
use crate::tenant::registry::{Profile, Tenant};
use crate::tenant::schemas;
use crate::tenant::state::TenantState;

/// How much text makes a piece of the file.
const PIECE_BYTES: usize = 64 * 1024;

/// Resources or records that are read at once.
const READ_AT_ONCE: u64 = 50;

/// Members in one line; restoring one costs two reads.
const MEMBERS_A_LINE: u64 = 100;

/// A file on its way: where the reading stands.
#[derive(Debug)]
pub(crate) struct Export {
    tenant: TenantId,
    profile: Profile,
    mark: SnapshotMark,
    chain: Chain,
    totals: Totals,
    place: BackupPosition,
    /// The trailer was written.
    is_whole: bool,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
enum BackupPosition {
    Head,
    Resources(Kind, u64),
    /// The members of the group at this place in the roster, from this one on.
    Members(u64, u64),
    Records(u64),
    Trailer,
    End,
}

impl Export {
    /// Makes the snapshot.
    pub(crate) fn begin(ledger: Ledger<'_>, tenant: &Tenant, id: &TenantId) -> Result<Export, Error> {
        Ok(Export {
            tenant: id.clone(),
            profile: Profile::from(tenant),
            mark: Snapshot::<TenantState>::make(ledger, Space::tenant(id))?,
            chain: Chain::default(),
            totals: Totals::default(),
            place: BackupPosition::Head,
            is_whole: false,
        })
    }

    /// The next piece of the file; nothing at its end. Where the store fails, or somebody else ended the snapshot, the
    /// file ends with a line that says so, because the status has long been sent; no import takes such a file for whole.
    pub(crate) fn next(&mut self, ledger: Ledger<'_>) -> Option<Vec<u8>> {
        if self.place == BackupPosition::End {
            return None;
        }
        let text = self.piece(ledger).unwrap_or_else(|error| {
            ledger.ports.log.line(&format!("export: {error:?}"));
            self.end(ledger);
            "# the store did not answer; this file is not complete\n".to_owned()
        });
        Some(text.into_bytes())
    }

    /// Whether the file has come to its end, its trailer included.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Gives the snapshot up, where the client went away before the end.
    pub(crate) fn end(&mut self, ledger: Ledger<'_>) {
        if self.place != BackupPosition::End {
            self.place = BackupPosition::End;
            if let Err(error) = self.snapshot(ledger).end() {
                ledger.ports.log.line(&format!("export: its snapshot was not ended: {error:?}"));
            }
        }
    }

    fn snapshot<'a>(&self, ledger: Ledger<'a>) -> Snapshot<'a, TenantState> {
        Snapshot::of(ledger, Space::tenant(&self.tenant), &self.mark)
    }

    fn piece(&mut self, ledger: Ledger<'_>) -> Result<String, Error> {
        self.mark = self.snapshot(ledger).renewed()?;
        let snapshot = self.snapshot(ledger);
        let mut text = String::new();
        while text.len() < PIECE_BYTES && self.place != BackupPosition::Trailer {
            for line in self.lines(&snapshot, ledger.ports)? {
                self.totals.count(&line);
                text += &self.chain.print(&line);
            }
        }
        if !snapshot.stands()? {
            self.place = BackupPosition::End;
            return Ok("# another export was begun; this file is not complete\n".to_owned());
        }
        if self.place == BackupPosition::Trailer {
            text += &self.chain.print(&BackupLine::Trailer(self.totals.clone()));
            self.is_whole = true;
            self.end(ledger);
        }
        Ok(text)
    }

    /// The lines at this place, and on to the next.
    fn lines(&mut self, snapshot: &Snapshot<'_, TenantState>, ports: &Ports) -> Result<Vec<BackupLine>, Error> {
        match self.place {
            BackupPosition::Head => self.head(snapshot, ports),
            BackupPosition::Resources(kind, skip) => self.resources(snapshot, kind, skip),
            BackupPosition::Members(group, skip) => self.members(snapshot, group, skip),
            BackupPosition::Records(number) => self.records(snapshot, number),
            BackupPosition::Trailer | BackupPosition::End => Ok(Vec::new()),
        }
    }

    fn head(&mut self, snapshot: &Snapshot<'_, TenantState>, ports: &Ports) -> Result<Vec<BackupLine>, Error> {
        let head = snapshot.head()?;
        let header = BackupHeader {
            format: FORMAT,
            layout: LAYOUT,
            tenant: self.tenant.to_string(),
            exported_at: ports.clock.now(),
            users: head.state.main.members,
            groups: head.state.groups.members,
            records: head.state.next_record - head.state.oldest_record(),
        };
        let mut lines = vec![
            BackupLine::Header(header),
            BackupLine::Tenant(self.profile.clone()),
            BackupLine::State(Box::new(BackupState::of(&head))),
        ];
        lines.extend(schemas::read(snapshot)?.into_iter().map(BackupLine::Schema));
        lines.extend(Connection::read(snapshot)?.map(BackupLine::Connection));
        self.place = BackupPosition::Resources(Kind::User, 0);
        Ok(lines)
    }

    fn resources(
        &mut self,
        snapshot: &Snapshot<'_, TenantState>,
        kind: Kind,
        skip: u64,
    ) -> Result<Vec<BackupLine>, Error> {
        let seats = page(snapshot, &kind.roll(), skip, READ_AT_ONCE)?;
        let next = skip + READ_AT_ONCE;
        self.place = match (seats.is_empty(), kind) {
            (false, _) => BackupPosition::Resources(kind, next),
            (true, Kind::User) => BackupPosition::Resources(Kind::Group, 0),
            (true, Kind::Group) => BackupPosition::Members(0, 0),
        };
        let mut lines = Vec::with_capacity(seats.len());
        let mut ahead = DocumentsAhead::new();
        for (at, (_, id)) in seats.iter().enumerate() {
            ahead.before(snapshot, seats[at..].iter().map(|(_, id)| (kind, id.as_str())));
            let document = document(snapshot, kind, id)?;
            lines.push(match kind {
                Kind::User => BackupLine::User(document),
                Kind::Group => BackupLine::Group(document),
            });
        }
        Ok(lines)
    }

    fn members(
        &mut self,
        snapshot: &Snapshot<'_, TenantState>,
        group: u64,
        skip: u64,
    ) -> Result<Vec<BackupLine>, Error> {
        let Some((_, id)) = page(snapshot, &Roll::Groups, group, 1)?.pop() else {
            self.place = BackupPosition::Records(snapshot.head()?.state.oldest_record());
            return Ok(Vec::new());
        };
        let seats = page(snapshot, &Roll::MembersOf(id.clone()), skip, MEMBERS_A_LINE)?;
        if seats.is_empty() {
            self.place = BackupPosition::Members(group + 1, 0);
            return Ok(Vec::new());
        }
        self.place = BackupPosition::Members(group, skip + MEMBERS_A_LINE);
        Ok(vec![BackupLine::Members(Members { group: id, seats })])
    }

    fn records(&mut self, snapshot: &Snapshot<'_, TenantState>, from: u64) -> Result<Vec<BackupLine>, Error> {
        let head = snapshot.head()?;
        let to = head.state.next_record.min(from + READ_AT_ONCE);
        self.place = if to < head.state.next_record { BackupPosition::Records(to) } else { BackupPosition::Trailer };
        let mut lines = Vec::new();
        let capacity = head.state.journal_capacity.max(1);
        snapshot.read_ahead((from..to).map(|number| snapshot.space().journal(number % capacity)).collect());
        for number in from..to {
            let record = journal::read(snapshot, number % capacity)?.filter(|record| record.number == number);
            lines.extend(record.map(|record| BackupLine::Record(Box::new(record))));
        }
        Ok(lines)
    }
}

fn page(snapshot: &Snapshot<'_, TenantState>, roll: &Roll, skip: u64, limit: u64) -> Result<Vec<(u64, String)>, Error> {
    roster::page(snapshot, roll, skip, usize::try_from(limit).unwrap_or(usize::MAX))
}

fn document(snapshot: &Snapshot<'_, TenantState>, kind: Kind, id: &str) -> Result<Document, Error> {
    let key = snapshot.space().document(kind, id);
    let document = key.as_deref().map(|key| snapshot.read(key)).transpose()?.flatten();
    document.ok_or_else(|| Error::Corrupt(format!("roster: {} {id} has a seat and no document", kind.noun())))
}

//! What stands in a tenant, compared with what has to stand there, a portion at a time. [`check`](super::check) names what
//! differs, [`repair`](super::repair) writes it.
//!
//! The documents are the truth, and the seats of members in the roster of their group. Everything else is made from them:
//! the rosters of users and groups, index entries, edges, the entries of members' groups, and counts. A portion looks at a
//! bounded number of them; between two portions only a [`Position`] is kept.
//!
//! Both directions are looked at. **Forward**, from what is true to what is made from it: each seat of a roster has its
//! document, each document stands in its entries, each member has its edge and its entry of groups, and counts are those
//! of what they count. The way there leads over rosters alone. **Backward**, from the keys of the store: each document has
//! its seat, and nothing stands in an entry, edge or roster that no document is behind. That needs the keys, a page at a
//! time where the store has pages. A store that has none lists all of them for each page, and where they are too many even
//! for that, [`Portion::unlooked`] says so.
//!
//! What is counted over several portions, active users, holds only where nobody else has changed a user meanwhile.

mod entries;
mod members;
mod position;
mod rosters;
mod scene;

pub use position::Position;
pub(crate) use scene::Scene;

use super::{Document, extent, roster};
use crate::connection::Connection;
use crate::keys::{Kind, Roll};
use crate::ledger::{Error, HOLD, Read};
use crate::settings::LIMITS;
use crate::tenant::schemas;
use crate::tenant::state::TenantTurn;
use position::AuditPosition;
use roster::Seat;
use std::collections::BTreeSet;
use std::time::Duration;

/// Resources, leaves and keys that one portion looks at; each costs a few reads.
pub const LOOKED_AT_ONCE: u64 = 2_000;

/// How long a portion goes on; in a repair, changes of the tenant wait for it.
const TIME_MAX: Duration = Duration::from_millis(500);

// The rest of the time is for the commit.
const _: () = assert!(TIME_MAX.as_millis() * 4 <= HOLD.as_millis());

/// What a page of keys counts for beside the keys that are looked at: a store may look through thousands of others for it.
const PAGE_COST: u64 = 50;

/// Findings of one portion.
pub const FINDINGS_AT_ONCE: usize = 1_000;

/// Bytes of documents that one portion stages. Values that are made from documents are bounded by their number.
const STAGED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Ids that one sentence names.
const NAMED_MAX: usize = 10;

/// What a portion came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Portion {
    /// What differs, a sentence each; nothing where it is mended.
    pub findings: Vec<String>,
    /// Names that several resources have. Nothing is damaged by these.
    pub doubled: Vec<String>,
    /// Values that were mended.
    pub mended: usize,
    /// What was not mended, a sentence each.
    pub left: Vec<String>,
    /// What could not be looked at, a sentence each; said by the last portion.
    pub unlooked: Vec<String>,
    /// Where the next portion begins; nothing after the last one.
    pub next: Option<Position>,
}

/// Looks at one portion, a leaf or a page of keys at least, and mends what differs where the scene allows it.
pub(crate) fn portion(scene: Scene<'_, '_>, position: Position) -> Result<Portion, Error> {
    let begun = scene.elapsed();
    let mut audit = Audit {
        derived: scene.space().derived_prefixes(),
        scene,
        position,
        portion: Portion::default(),
        seen: BTreeSet::new(),
        looked: 0,
        begun,
        pages: 0,
        staged_bytes: 0,
    };
    audit.position.begin(&audit.scene.space().clone(), &audit.scene.head().clone());
    while audit.is_open() {
        let Some(place) = audit.position.place.clone() else {
            break;
        };
        audit.position.place = audit.look(place)?;
    }
    audit.position.end(audit.looked, &audit.scene.head().clone());
    let Audit { position, mut portion, .. } = audit;
    portion.next = Some(position).filter(|position| position.place.is_some());
    Ok(portion)
}

struct Audit<'t, 'a> {
    scene: Scene<'t, 'a>,
    position: Position,
    portion: Portion,
    /// Sentences that were said.
    seen: BTreeSet<String>,
    looked: u64,
    begun: Duration,
    /// Pages of keys that were listed.
    pages: u64,
    staged_bytes: usize,
    /// What the keys begin with whose values are made from documents.
    derived: Vec<String>,
}

/// A document as it was found.
enum FoundDocument {
    Document(Box<Document>),
    /// It cannot be read, so it stays as it is, and so does whatever leads to it.
    Unread(String),
    None,
}

impl<'a> Audit<'_, 'a> {
    fn is_open(&self) -> bool {
        let listed = self.pages.saturating_mul(PAGE_COST);
        self.scene.elapsed().saturating_sub(self.begun) < TIME_MAX
            && self.looked.saturating_add(listed) < LOOKED_AT_ONCE
            && self.portion.findings.len() < FINDINGS_AT_ONCE
            && !self.is_full()
    }

    /// Looks at what is at a place, and answers the next place.
    fn look(&mut self, place: AuditPosition) -> Result<Option<AuditPosition>, Error> {
        Ok(Some(match place {
            AuditPosition::Documents(cursor) => match self.keys(cursor, Audit::truth)? {
                Some(cursor) => AuditPosition::Documents(cursor),
                None => AuditPosition::Seats(Kind::User, 0),
            },
            AuditPosition::Seats(kind, slot) => match self.seats(kind, slot)? {
                Some(slot) => AuditPosition::Seats(kind, slot),
                None if kind == Kind::User => AuditPosition::Seats(Kind::Group, 0),
                None => AuditPosition::Members(0, 0),
            },
            AuditPosition::Members(group, leaf) => match self.members(group, leaf)? {
                Some((group, leaf)) => AuditPosition::Members(group, leaf),
                None => AuditPosition::Strays(None),
            },
            AuditPosition::Strays(cursor) => match self.keys(cursor, Audit::stray)? {
                Some(cursor) => AuditPosition::Strays(cursor),
                None => AuditPosition::Close,
            },
            AuditPosition::Close => {
                self.close()?;
                return Ok(None);
            }
        }))
    }

    /// Whether the turn has as much to write as one should. Of a page of keys the rest is looked at in the next turn, with
    /// those before them, which differ no more then.
    fn is_full(&self) -> bool {
        self.portion.mended >= LIMITS.mended_at_once || self.staged_bytes >= STAGED_BYTES_MAX
    }

    /// Looks at a page of the tenant's keys. Answers where to go on, unless there are no more.
    fn keys(
        &mut self,
        cursor: Option<String>,
        mut look: impl FnMut(&mut Self, &str) -> Result<(), Error>,
    ) -> Result<Option<Option<String>>, Error> {
        if self.position.unlisted {
            return Ok(None);
        }
        let Some(page) = self.scene.keys(cursor.as_deref())? else {
            self.position.unlisted = true;
            return Ok(None);
        };
        self.pages += 1;
        for (nth, key) in page.keys.iter().enumerate() {
            if self.is_full() {
                return Ok(Some(cursor));
            }
            look(self, key)?;
            if page.is_in_order && !self.is_open() && nth + 1 < page.keys.len() {
                return Ok(Some(Some(key.clone())));
            }
        }
        Ok(page.next.map(Some))
    }

    /// What is true, by its key: a document, or an edge whose seat may be lost.
    fn truth(&mut self, key: &str) -> Result<(), Error> {
        for kind in Kind::ALL {
            let prefix = self.scene.space().document_prefix(kind);
            if let Some(id) = key.strip_prefix(&prefix) {
                self.looked += 1;
                return self.document_by_key(kind, id);
            }
        }
        // What only an edge knows is put back before the rosters are counted.
        if self.scene.mends() && key.starts_with(&self.scene.space().edge_prefix()) {
            self.looked += 1;
            return self.lost_member(key);
        }
        Ok(())
    }

    /// Says what differs; and answers the turn in which it is mended, if it is.
    fn differs(&mut self, finding: impl FnOnce() -> String) -> Option<&mut TenantTurn<'a>> {
        if self.scene.mends() {
            self.portion.mended += 1;
        } else {
            self.say(finding());
        }
        self.scene.turn()
    }

    fn say(&mut self, finding: String) {
        if self.seen.insert(finding.clone()) {
            self.portion.findings.push(finding);
        }
    }

    /// Says what nobody but a person can mend.
    fn leave(&mut self, what: String) {
        if !self.scene.mends() {
            self.say(what);
        } else if self.seen.insert(what.clone()) {
            self.portion.left.push(what);
        }
    }

    /// A value; nothing where it is absent or does not read.
    fn value<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        readable(self.scene.read(key))
    }

    fn stored(&self, kind: Kind, id: &str) -> Result<FoundDocument, Error> {
        let Some(key) = self.scene.space().document(kind, id) else {
            return Ok(FoundDocument::None);
        };
        match self.scene.read::<Document>(&key) {
            Ok(Some(document)) if document.resource.id == id => Ok(FoundDocument::Document(Box::new(document))),
            Ok(Some(document)) => {
                Ok(FoundDocument::Unread(format!("{key}: has the id {:?}", short(&document.resource.id))))
            }
            Ok(None) => Ok(FoundDocument::None),
            Err(Error::Corrupt(what)) => Ok(FoundDocument::Unread(what)),
            Err(error) => Err(error),
        }
    }

    /// Stages a document.
    fn put(&mut self, kind: Kind, document: &Document) {
        let bytes = document.stored();
        self.staged_bytes += bytes.len();
        if let Some(turn) = self.scene.turn() {
            super::put_stored(turn, kind, &document.resource.id, bytes);
        }
    }

    /// What the head counts, and what the connection says of the tenant's schemas.
    fn close(&mut self) -> Result<(), Error> {
        for kind in Kind::ALL {
            let there = self.top(&kind.roll())?;
            let counted = extent(&mut self.scene.head().clone(), kind).members;
            if counted != there {
                let noun = kind.noun();
                let finding = || format!("head: counts {counted} {noun}s, the roster has {there}");
                if let Some(turn) = self.differs(finding) {
                    extent(&mut turn.head, kind).members = there;
                }
            }
        }
        let (counted, active) = (self.scene.head().state.active, self.position.active);
        if self.position.uncounted {
            self.portion.unlooked.push("head: the count of active users; a part of the roster is lost".to_owned());
        } else if !self.position.is_steady() {
            self.portion.unlooked.push("head: the count of active users; others changed users meanwhile".to_owned());
        } else if counted != active {
            let finding = || format!("head: counts {counted} active users, there are {active}");
            if let Some(turn) = self.differs(finding) {
                turn.head.state.active = active;
            }
        }
        if self.position.unlisted {
            let what = "keys: resources without a seat, and entries, edges and leaves that nothing leads to; the store \
                        has more keys than it lists";
            self.portion.unlooked.push(what.to_owned());
        }
        self.own_schemas()
    }

    fn own_schemas(&mut self) -> Result<(), Error> {
        let count = match schemas::read(&self.scene) {
            Ok(own) => own.len(),
            Err(Error::Corrupt(what)) => {
                self.leave(format!("schemas: {what}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let connection = readable(Connection::read(&self.scene))?;
        if connection.is_some_and(|connection| connection.own_schemas != (count > 0)) {
            self.leave(format!("connection: says the contrary of the {count} schemas that the tenant has of its own"));
        }
        Ok(())
    }

    /// How many a roster says that it has.
    fn top(&self, roll: &Roll) -> Result<u64, Error> {
        let counts: Option<Vec<u64>> = self.value(&self.scene.space().roster(roll, roster::TOP, 0))?;
        Ok(counts.iter().flatten().sum())
    }
}

/// A value, or nothing where it does not read.
fn readable<T>(read: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Corrupt(_)) => Ok(None),
        read => read,
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn is_in_order(seats: &[Seat]) -> bool {
    seats.is_sorted_by(|(one, _), (other, _)| one < other)
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

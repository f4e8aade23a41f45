//! What the store keeps of all that the ledger relies on, found out by trying.
//!
//! The first write to a store tries it on keys of its own and leaves a report there. Every instance reads the report
//! once, and again while it says that the store is not fit. It says whether the store may be written to at all, and whether
//! it writes a batch whole: then a change is one batch, otherwise the ledger writes down first what it is about to write.
//!
//! A test by one caller cannot see what several do at once, nor where a batch stands in the midst of a crash. Those two
//! follow from which of Spin's backends the store looks like, see [`Likeness`]; a store that looks like none of them is
//! taken for one that writes in parts.

mod probe;

pub use probe::Check;

use super::{LAYOUT, Ledger};
use crate::keys::STORE_REPORT;
use crate::ports::{BATCH_MAX, Batches, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;

/// Counts up when the test asks for more, so that stores are tested anew.
const TEST: u32 = 2;

/// Which of Spin's backends a store behaves like. Told apart by the bytes of a counter that is read as a value, by whether
/// a batch may name a key twice, and by whether a key may hold `#`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Eight bytes, taken, taken. One transaction for a batch, and for an increment.
    #[serde(rename = "SQLite")]
    Sqlite,
    /// Decimal text, taken, taken. MSET and INCRBY.
    Redis,
    /// Decimal text, refused, taken. Batches in parts; an increment is right, or an error where two meet.
    #[serde(rename = "DynamoDB")]
    DynamoDb,
    /// `#` is refused, and a counter cannot be read as a value. Two increments at once can be told the same number, so no
    /// turn is safe there.
    #[serde(rename = "Cosmos DB")]
    CosmosDb,
    /// Anything else.
    #[serde(rename = "unknown")]
    Unknown,
}

impl Likeness {
    fn batches(self) -> Batches {
        match self {
            Likeness::Sqlite | Likeness::Redis => Batches::Whole,
            Likeness::DynamoDb | Likeness::CosmosDb | Likeness::Unknown => Batches::Parts,
        }
    }
}

/// What a test of the store has found.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    test: u32,
    /// The version that tested.
    pub version: String,
    /// The layout of that version's data.
    pub layout: u32,
    /// When.
    pub tested_at: Timestamp,
    /// What the store looks like.
    pub backend: Likeness,
    /// How it takes a batch.
    pub batches: Batches,
    /// Whether it reads many keys in one call, and each as a read of its own would. A store that does not is usable, and
    /// slower where it is far away.
    pub reads_many: bool,
    /// Whether it may be written to: every check passed, and the backend is none that breaks turns.
    pub usable: bool,
    /// What was tried.
    pub checks: Vec<Check>,
}

impl Report {
    /// Why nothing may be written.
    pub fn refusal(&self) -> Option<String> {
        if self.usable {
            return None;
        }
        let failed = self.checks.iter().find_map(|check| check.found.as_ref().map(|found| (check, found)));
        Some(match (self.backend, failed) {
            (Likeness::CosmosDb, _) => "the store looks like Cosmos DB, whose increment can tell two callers the same \
                number; use SQLite, Redis or DynamoDB"
                .to_owned(),
            (_, Some((check, found))) => format!("{}: expected {}, found {found}", check.name, check.expected),
            (_, None) => "the store was not tested".to_owned(),
        })
    }
}

/// Why a store cannot be written to now.
#[derive(Debug)]
pub enum Unusable {
    /// It failed.
    Store(StoreError),
    /// It was tested and does not keep what is relied on.
    Unfit(String),
}

impl From<StoreError> for Unusable {
    fn from(error: StoreError) -> Unusable {
        Unusable::Store(error)
    }
}

/// What an instance remembers of its store.
#[derive(Default)]
pub struct ReportMemory(RefCell<Option<Rc<Report>>>);

/// How the store takes a batch; a store that was never tested is tested now. For those who are about to write.
pub(crate) fn batches(ledger: Ledger<'_>) -> Result<Batches, Unusable> {
    let report = match known(ledger)? {
        Some(report) => report,
        None => tested(ledger)?,
    };
    match report.refusal() {
        None => Ok(ledger.settings.store_batches.unwrap_or(report.batches)),
        Some(refusal) => Err(Unusable::Unfit(refusal)),
    }
}

/// Whether a change may be decided before all of it is written. For those who read.
pub(crate) fn decides_first(ledger: Ledger<'_>) -> Result<bool, StoreError> {
    let batches = ledger.settings.store_batches.or(known(ledger)?.map(|report| report.batches));
    Ok(batches != Some(Batches::Whole))
}

/// Whether many keys can be read in one call, as far as this instance knows by now.
pub(crate) fn reads_many(ledger: Ledger<'_>) -> bool {
    ledger.memory.capabilities.0.borrow().as_ref().is_some_and(|report| report.usable && report.reads_many)
}

/// What is remembered of the last test. A store that was not fit is asked about again: another instance may have tested it
/// since.
fn known(ledger: Ledger<'_>) -> Result<Option<Rc<Report>>, StoreError> {
    let remembered = ledger.memory.capabilities.0.borrow().clone().filter(|report| report.usable);
    if remembered.is_some() { Ok(remembered) } else { last(ledger) }
}

/// The report of the last test, whichever instance made it; remembered from now on.
///
/// # Errors
/// The store does not answer.
pub fn last(ledger: Ledger<'_>) -> Result<Option<Rc<Report>>, StoreError> {
    // A report that does not read is one of another version: the store is tested anew.
    let found = ledger.ports.store.get(STORE_REPORT)?.and_then(|bytes| serde_json::from_slice::<Report>(&bytes).ok());
    let mut known = ledger.memory.capabilities.0.borrow_mut();
    // A store that is not fit may not find it again.
    if let Some(report) = found.filter(|report| report.test == TEST) {
        *known = Some(Rc::new(report));
    }
    Ok(known.clone())
}

/// Tests the store, and remembers what was found, here and in the store.
///
/// # Errors
/// The store does not answer. What it does not keep is no error, and stands in the report.
pub fn tested(ledger: Ledger<'_>) -> Result<Rc<Report>, StoreError> {
    let probe::Findings { backend, reads_many, checks } = probe::run(ledger)?;
    let report = Rc::new(Report {
        test: TEST,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        layout: LAYOUT,
        tested_at: ledger.ports.clock.now(),
        backend,
        batches: backend.batches(),
        reads_many,
        usable: backend != Likeness::CosmosDb && checks.iter().all(|check| check.found.is_none()),
        checks,
    });
    let bytes = serde_json::to_vec(&*report).expect("a report is plain data");
    ledger.ports.store.set_many(&[(STORE_REPORT.to_owned(), bytes)])?;
    if let Some(refusal) = report.refusal() {
        ledger.ports.log.line(&format!("store: nothing is written to it: {refusal}"));
    }
    ledger.memory.capabilities.0.replace(Some(report.clone()));
    Ok(report)
}

/// Deletes keys, in as many calls as the store needs.
pub(crate) fn delete(ledger: Ledger<'_>, keys: &[String]) -> Result<(), StoreError> {
    let whole = ledger.memory.capabilities.0.borrow().as_ref().is_some_and(|report| report.batches == Batches::Whole);
    let size = if whole { keys.len().max(1) } else { BATCH_MAX };
    keys.chunks(size).try_for_each(|batch| ledger.ports.store.delete_many(batch))
}

//! The test itself: each check is a few calls on scratch keys, and one sentence if it fails.

use super::Likeness;
use crate::keys::{STORE_TESTS, Space};
use crate::ledger::{self, Ledger, Queue, Read as _, Turn};
use crate::ports::{BATCH_MAX, Batches, READS_MAX, StoreError};
use crate::settings::{BESIDE_RESOURCE_BYTES_MAX, LIMITS};
use serde::{Deserialize, Serialize};

/// Reads right after a write. One that may be stale is stale now and then only.
const READS: usize = 32;

/// Reads of many keys right after a write. These are as fresh as reads of one in every backend of Spin that has them at
/// all.
const READS_OF_MANY: usize = 4;

/// The longest key.
const KEY_BYTES: usize = 255;

/// Times that a call may fail before its failing is taken for an answer.
const ATTEMPTS: usize = 3;

/// Something that was tried.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Check {
    /// In one word.
    pub name: String,
    /// What has to be.
    pub expected: String,
    /// What was found instead; nothing where the check passed.
    pub found: Option<String>,
}

/// What a check came to: nothing, or what was found instead of what is expected.
type CheckResult = Result<Option<&'static str>, StoreError>;

/// Tries everything that is relied on, and what tells the backends apart. An error says nothing of the store: it may be
/// gone for a moment.
pub(super) fn run(ledger: Ledger<'_>) -> Result<Findings, StoreError> {
    let number = ledger.ports.store.increment(STORE_TESTS, 1)?;
    let mut bench = Bench { ledger, space: Space::scratch(number), used: Vec::new() };
    let found = bench.all();
    bench.tidy();
    found
}

/// What a test has found.
pub(super) struct Findings {
    pub(super) backend: Likeness,
    pub(super) reads_many: bool,
    pub(super) checks: Vec<Check>,
}

struct Bench<'a> {
    ledger: Ledger<'a>,
    space: Space,
    used: Vec<String>,
}

/// A name, what is expected, and how it is tried.
type CapabilityCheck<B> = (&'static str, &'static str, fn(&mut B) -> CheckResult);

impl Bench<'_> {
    fn all(&mut self) -> Result<Findings, StoreError> {
        // Turns come last: they need all of the others.
        let trials: [CapabilityCheck<Self>; 9] = [
            ("keys", "keys of 255 bytes out of A-Z a-z 0-9 - _ . :", Self::keys),
            ("overwrite", "the value that was written last", Self::overwrite),
            ("emptyValue", "an empty value to be taken, and read as empty or absent", Self::empty_value),
            ("delete", "deleted keys to be absent, and absent ones no error", Self::delete),
            ("readYourWrites", "each read to see the write before it", Self::read_your_writes),
            ("increment", "a counter to count up by one from 1, apart from others", Self::increment),
            ("batch", "a batch of 25 pairs to be written", Self::batch),
            ("valueSize", "a value as large as the largest user", Self::value_size),
            ("turns", "changes in turns to be kept, each upon the one before it", Self::turns),
        ];
        let mut checks = Vec::new();
        for (name, expected, trial) in trials {
            let found = trial(self)?.map(str::to_owned);
            checks.push(Check { name: name.to_owned(), expected: expected.to_owned(), found });
        }
        Ok(Findings { reads_many: self.reads_many()?, backend: self.likeness()?, checks })
    }

    fn keys(&mut self) -> CheckResult {
        let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"-_.:").collect();
        let rest = KEY_BYTES - self.space.scratch_key("").len();
        let name: String = alphabet.iter().cycle().take(rest).map(|byte| char::from(*byte)).collect();
        let key = self.key(&name);
        if !self.takes(&[(key.clone(), b"1".to_vec())]) {
            return Ok(Some("such a key to be refused"));
        }
        Ok(unless(self.read(&key)? == b"1", "nothing under such a key"))
    }

    fn overwrite(&mut self) -> CheckResult {
        let key = self.key("overwrite");
        for value in ["first", "second, which is longer", "3"] {
            self.write(&key, value.as_bytes())?;
        }
        Ok(unless(self.read(&key)? == b"3", "another one"))
    }

    fn empty_value(&mut self) -> CheckResult {
        let key = self.key("empty");
        self.write(&key, b"full")?;
        if !self.takes(&[(key.clone(), Vec::new())]) {
            return Ok(Some("it to be refused"));
        }
        Ok(unless(self.read(&key)?.is_empty(), "the value before it"))
    }

    fn delete(&mut self) -> CheckResult {
        let (key, other, absent) = (self.key("deleted"), self.key("left"), self.key("absent"));
        self.write(&key, b"1")?;
        self.write(&other, b"1")?;
        let keys = [key.clone(), absent];
        if attempt(|| self.ledger.ports.store.delete_many(&keys)).is_err() {
            return Ok(Some("an error"));
        }
        let gone = self.ledger.ports.store.get(&key)?.is_none() && self.read(&other)? == b"1";
        Ok(unless(gone, "a deleted key, or another one gone"))
    }

    fn read_your_writes(&mut self) -> CheckResult {
        let key = self.key("fresh");
        for round in 0..READS {
            let value = round.to_string().into_bytes();
            self.write(&key, &value)?;
            if self.read(&key)? != value {
                return Ok(Some("an older value; on DynamoDB set consistent_read = true"));
            }
        }
        Ok(None)
    }

    fn increment(&mut self) -> CheckResult {
        let (one, other) = (self.key("counter"), self.key("counter.other"));
        for expected in 1..=4 {
            let counts = [self.ledger.ports.store.increment(&one, 1)?, self.ledger.ports.store.increment(&other, 1)?];
            if counts != [expected; 2] {
                return Ok(Some("another number"));
            }
        }
        Ok(None)
    }

    fn batch(&mut self) -> CheckResult {
        let pairs = self.pairs("batch", BATCH_MAX);
        if !self.takes(&pairs) {
            return Ok(Some("an error"));
        }
        for (key, value) in &pairs {
            if self.read(key)? != *value {
                return Ok(Some("a pair missing"));
            }
        }
        Ok(None)
    }

    fn value_size(&mut self) -> CheckResult {
        let key = self.key("large");
        // What stands around a part of an intent has room there, too.
        let value = vec![b'x'; LIMITS.resource_bytes_max + BESIDE_RESOURCE_BYTES_MAX];
        if !self.takes(&[(key.clone(), value.clone())]) {
            return Ok(Some("it to be refused"));
        }
        Ok(unless(self.read(&key)? == value, "another value"))
    }

    /// Three changes of one value. Each asks for its turn while the one before it is under way, as another instance would.
    fn turns(&mut self) -> CheckResult {
        let key = self.key("document");
        self.used.extend([self.space.head(), self.space.turns(0)]);
        match three_changes(&Queue::on(self.ledger, self.space.clone(), Batches::Parts), &key) {
            Ok(found) => Ok(found),
            Err(ledger::Error::Store(error)) => Err(error),
            Err(ledger::Error::Corrupt(_) | ledger::Error::Damaged(_)) => Ok(Some("a value that does not read")),
            Err(ledger::Error::Busy | ledger::Error::Later(_) | ledger::Error::Unfit(_) | ledger::Error::Mending) => {
                Ok(Some("a turn that does not come"))
            }
        }
    }

    /// Whether as many keys as are ever read in one call are answered as they stand, absent ones included and each in its
    /// place, right after one of them was written.
    fn reads_many(&mut self) -> Result<bool, StoreError> {
        let mut pairs = self.pairs("read", BATCH_MAX);
        let absent: Vec<String> =
            (pairs.len()..READS_MAX).map(|n| self.space.scratch_key(&format!("absent.{n}"))).collect();
        if !self.takes(&pairs) {
            return Ok(false);
        }
        for round in 0..READS_OF_MANY {
            // One that is written anew, one that stays, and those that nobody wrote, in no order.
            pairs[round].1 = format!("anew {round}").into_bytes();
            self.write(&pairs[round].0, &pairs[round].1)?;
            let there = pairs.iter().rev().map(|(key, value)| (key.clone(), Some(value.clone())));
            let (keys, values): (Vec<String>, Vec<Option<Vec<u8>>>) =
                absent.iter().map(|key| (key.clone(), None)).chain(there).unzip();
            if attempt(|| self.ledger.ports.store.get_many(&keys)).ok() != Some(values) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn likeness(&mut self) -> Result<Likeness, StoreError> {
        let (twice, sharp, counter) = (self.key("twice"), self.key("#"), self.key("bytes"));
        let takes_twice = self.takes(&[(twice.clone(), b"1".to_vec()), (twice, b"2".to_vec())]);
        let many = self.pairs("many", 2 * BATCH_MAX);
        let takes_many = self.takes(&many);
        let takes_sharp = self.takes(&[(sharp, b"1".to_vec())]);
        self.ledger.ports.store.increment(&counter, 7)?;
        let bytes = attempt(|| self.ledger.ports.store.get(&counter)).ok().flatten();
        Ok(match (bytes.as_deref(), takes_sharp, takes_twice, takes_many) {
            (_, false, _, _) => Likeness::CosmosDb,
            (Some([7, 0, 0, 0, 0, 0, 0, 0]), true, true, true) => Likeness::Sqlite,
            (Some(b"7"), true, true, true) => Likeness::Redis,
            (Some(b"7"), true, false, false) => Likeness::DynamoDb,
            _ => Likeness::Unknown,
        })
    }

    fn key(&mut self, name: &str) -> String {
        let key = self.space.scratch_key(name);
        self.used.push(key.clone());
        key
    }

    fn pairs(&mut self, name: &str, count: usize) -> Vec<(String, Vec<u8>)> {
        (0..count).map(|n| (self.key(&format!("{name}.{n}")), n.to_string().into_bytes())).collect()
    }

    fn write(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let pair = [(key.to_owned(), value.to_vec())];
        attempt(|| self.ledger.ports.store.set_many(&pair))
    }

    /// Whether the store takes pairs. Asked for where a refusal tells something.
    fn takes(&self, pairs: &[(String, Vec<u8>)]) -> bool {
        attempt(|| self.ledger.ports.store.set_many(pairs)).is_ok()
    }

    fn read(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        Ok(attempt(|| self.ledger.ports.store.get(key))?.unwrap_or_default())
    }

    /// Leaves nothing but the count of the tests. What cannot be deleted is no harm: no later test uses these keys.
    fn tidy(&self) {
        for batch in self.used.chunks(BATCH_MAX) {
            // One by one where a key of the batch is one that the store does not take.
            if self.ledger.ports.store.delete_many(batch).is_err() {
                batch.iter().for_each(|key| drop(self.ledger.ports.store.delete_many(std::slice::from_ref(key))));
            }
        }
    }
}

fn three_changes(queue: &Queue<'_>, key: &str) -> Result<Option<&'static str>, ledger::Error> {
    let mut ticket = queue.ticket()?;
    for change in 0..3_u64 {
        // A number whose answer got lost holds the others up until it is passed over. That says nothing of the store.
        let Some(mut turn): Option<Turn<'_, ()>> = queue.wait(ticket)? else {
            return Err(StoreError("the answer to an increment got lost".to_owned()).into());
        };
        ticket = queue.ticket()?;
        if turn.read::<u64>(key)?.unwrap_or_default() != change {
            return Ok(Some("an update lost"));
        }
        turn.write(key.to_owned(), &(change + 1));
        turn.commit()?;
    }
    Ok(None)
}

fn attempt<T>(call: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut answer = call();
    for _ in 1..ATTEMPTS {
        answer = answer.or_else(|_| call());
    }
    answer
}

fn unless(right: bool, found: &'static str) -> Option<&'static str> {
    (!right).then_some(found)
}

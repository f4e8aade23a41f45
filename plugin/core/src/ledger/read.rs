//! Reading the values of a space, from the store as it is or from within a turn.

use super::head::Head;
use super::layout::{LAYOUT, Migrate};
use super::turn::Turn;
use super::{Error, Ledger, capabilities};
use crate::keys::Space;
use crate::ports::{KeyPage, Ports, READS_MAX};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::time::Duration;

/// Values read ahead that may wait in a view.
const WAITING_MAX: usize = 4 * READS_MAX;

/// Reading keys, whether from the store or from within a turn.
pub trait Read {
    /// The space that is read.
    fn space(&self) -> &Space;

    /// The value of a key; an empty value counts as absent, because a batch can write but not delete.
    ///
    /// # Errors
    /// The store does not answer.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Reads keys at once that are about to be read one by one, so that a store which is far away is waited for once. What
    /// was read waits for [`Read::get`], which hands it out. Answers how many bytes wait; where the store cannot read
    /// several keys in one call, nothing is read.
    fn read_ahead(&self, _keys: Vec<String>) -> usize {
        0
    }

    /// The value of a key as the type that was stored there.
    ///
    /// # Errors
    /// The store does not answer, or what it holds is none of this type.
    fn read<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error>
    where
        Self: Sized,
    {
        self.get(key)?.map(|bytes| decode(key, &bytes)).transpose()
    }
}

/// The store as it is now, without a turn. Several reads may see different moments, but none of them half of a change
/// whose holder has died.
pub struct View<'a, S> {
    ledger: Ledger<'a>,
    space: Space,
    /// What was decided and perhaps not yet written when the view was first used.
    decided: OnceCell<BTreeMap<String, Vec<u8>>>,
    /// What could not be read and was left out of a list.
    left_out: RefCell<BTreeSet<String>>,
    ahead: Ahead,
    state: PhantomData<S>,
}

impl<'a, S: Migrate> View<'a, S> {
    /// A view of one space.
    pub fn new(ledger: Ledger<'a>, space: Space) -> View<'a, S> {
        let (decided, left_out, ahead) = (OnceCell::new(), RefCell::default(), Ahead::default());
        View { ledger, space, decided, left_out, ahead, state: PhantomData }
    }

    /// Leaves out of a list what cannot be read, and says so in the error output, once.
    pub(crate) fn leave_out(&self, what: &str, why: &str) {
        if self.left_out.borrow_mut().insert(what.to_owned()) {
            self.ledger.ports.log.line(&format!("list: {what} cannot be read and is left out: {why}"));
        }
    }

    /// What was left out.
    pub(crate) fn left_out(&self) -> Vec<String> {
        self.left_out.borrow().iter().cloned().collect()
    }

    /// Where the space stands. One of an earlier layout is migrated first.
    ///
    /// # Errors
    /// The store does not answer, the head cannot be read, or it has a later layout.
    pub fn head(&self) -> Result<Head<S>, Error> {
        let head = Head::read(self.ledger, &self.space)?;
        if head.layout < LAYOUT {
            Turn::<S>::take(self.ledger, self.space.clone())?.release()?;
            return self.head();
        }
        Ok(head.intent.map_or(Head { intent: None, ..head }, |intent| *intent.next))
    }

    /// [`Clock::elapsed`](crate::ports::Clock::elapsed).
    pub(crate) fn elapsed(&self) -> Duration {
        self.ledger.ports.clock.elapsed()
    }

    /// A page of the space's keys, see [`Store::list_page`](crate::ports::Store::list_page); nothing where the store has
    /// too many to list them. What is decided and not yet written may be missing.
    pub(crate) fn keys(&self, cursor: Option<&str>) -> Result<Option<KeyPage>, Error> {
        key_page(self.ledger.ports, &self.space, cursor)
    }

    /// The values of several keys, see [`values`].
    pub(super) fn all(&self, keys: &[String]) -> Option<Vec<Option<Vec<u8>>>> {
        debug_assert!(keys.iter().all(|key| self.space.owns(key)));
        // Before the values, as where one of them is read.
        let decided = self.decided().ok()?;
        let mut values = values(self.ledger, keys)?;
        for (key, value) in keys.iter().zip(&mut values) {
            if let Some(bytes) = decided.get(key) {
                *value = Some(bytes.clone()).filter(|bytes| !bytes.is_empty());
            }
        }
        Some(values)
    }

    fn decided(&self) -> Result<&BTreeMap<String, Vec<u8>>, Error> {
        if let Some(decided) = self.decided.get() {
            return Ok(decided);
        }
        let decided = if capabilities::decides_first(self.ledger)? {
            let head = Head::<()>::read(self.ledger, &self.space)?;
            head.intent.map(|intent| intent.pairs(self.ledger.ports, &self.space)).transpose()?.unwrap_or_default()
        } else {
            BTreeMap::new()
        };
        Ok(self.decided.get_or_init(|| decided))
    }
}

impl<S: Migrate> Read for View<'_, S> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        debug_assert!(self.space.owns(key));
        if let Some(read) = self.ahead.take(key) {
            return Ok(read);
        }
        match self.decided()?.get(key) {
            Some(bytes) => Ok(Some(bytes.clone()).filter(|bytes| !bytes.is_empty())),
            None => value(self.ledger.ports, key),
        }
    }

    fn read_ahead(&self, keys: Vec<String>) -> usize {
        self.ahead.extend(self.all(&keys).map(|values| keys.into_iter().zip(values)))
    }
}

/// Values that were read ahead and that nobody has asked for yet.
#[derive(Default)]
pub(super) struct Ahead(RefCell<BTreeMap<String, Option<Vec<u8>>>>);

impl Ahead {
    /// Adds what was read, if anything was. Answers its bytes.
    ///
    /// What waits is at most one call's worth more than its reader is about to ask for. A reader that ended early leaves
    /// some behind; these go when there are too many.
    pub(super) fn extend(&self, read: Option<impl Iterator<Item = (String, Option<Vec<u8>>)>>) -> usize {
        let Some(read) = read else {
            return 0;
        };
        let mut waiting = self.0.borrow_mut();
        if waiting.len() > WAITING_MAX - READS_MAX {
            waiting.clear();
        }
        let mut bytes = 0;
        waiting.extend(read.inspect(|(_, value)| bytes += value.as_ref().map_or(0, Vec::len)));
        bytes
    }

    /// What waits for a key, which then waits no longer.
    pub(super) fn take(&self, key: &str) -> Option<Option<Vec<u8>>> {
        self.0.borrow_mut().remove(key)
    }
}

/// Values of several keys from one call; nothing where the store was not found to do that, or fails: then each is read by
/// itself, and whoever reads it hears of the failure.
pub(super) fn values(ledger: Ledger<'_>, keys: &[String]) -> Option<Vec<Option<Vec<u8>>>> {
    if keys.len() < 2 || keys.len() > READS_MAX || !capabilities::reads_many(ledger) {
        return None;
    }
    let mut values = ledger.ports.store.get_many(keys).ok()?;
    // An empty value counts as absent, as it does where it is read by itself.
    values.iter_mut().for_each(|value| drop(value.take_if(|bytes| bytes.is_empty())));
    (values.len() == keys.len()).then_some(values)
}

pub(super) fn value(ports: &Ports, key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(ports.store.get(key)?.filter(|bytes| !bytes.is_empty()))
}

pub(super) fn key_page(ports: &Ports, space: &Space, cursor: Option<&str>) -> Result<Option<KeyPage>, Error> {
    match ports.store.list_page(space.prefix(), cursor) {
        Ok(mut page) => {
            page.keys.retain(|key| space.owns(key));
            Ok(Some(page))
        }
        Err(error) if error.is_too_much() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    // serde's own message may quote the value, and with it a person's data.
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Corrupt(format!("{key}: not what was stored, at line {}, column {}", error.line(), error.column()))
    })
}

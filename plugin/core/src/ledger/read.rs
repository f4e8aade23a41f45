//! Reading the values of a space, from the store as it is or from within a turn.

use super::head::Head;
use super::layout::{LAYOUT, Migrate};
use super::turn::Turn;
use super::{Error, Ledger, capabilities};
use crate::keys::Space;
use crate::ports::{KeyPage, Ports};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::time::Duration;

/// Reading keys, whether from the store or from within a turn.
pub trait Read {
    /// The space that is read.
    fn space(&self) -> &Space;

    /// The value of a key; an empty value counts as absent, because a batch can write but not delete.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// The value of a key as the type that was stored there.
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
    state: PhantomData<S>,
}

impl<'a, S: Migrate> View<'a, S> {
    /// A view of one space.
    pub fn new(ledger: Ledger<'a>, space: Space) -> View<'a, S> {
        View { ledger, space, decided: OnceCell::new(), left_out: RefCell::default(), state: PhantomData }
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
        match self.decided()?.get(key) {
            Some(bytes) => Ok(Some(bytes.clone()).filter(|bytes| !bytes.is_empty())),
            None => value(self.ledger.ports, key),
        }
    }
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

//! A Redis server in the place of a model: a database of its own for each store, and the same steps.
//!
//! One server serves a test program while anybody holds a store of it. Time and randomness stay the world's.

use crate::program::{Redis, fresh};
use rollcall_core::ports::{Condition, KeyChange, KeyPage, StoreError};
use rollcall_host::keyvalue::{self, Store as _};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One database of a server.
pub struct Real {
    database: Option<Database>,
    /// What it holds, since it was last read whole and not written. One that is copied again and again is read once.
    dump: RefCell<Option<Rc<Vec<Pair>>>>,
}

type Pair = (String, Vec<u8>);

struct Database {
    connection: keyvalue::Redis,
    /// Its server, where it is ours alone and is emptied at the end.
    of: Option<Arc<Server>>,
}

/// The server of this program's stores.
struct Server {
    redis: Redis,
    /// Databases that are empty again, and how many there are.
    free: Mutex<(Vec<Database>, usize)>,
}

impl Server {
    /// The one that runs, or a new one. It ends with its last store.
    fn shared() -> Arc<Server> {
        static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let redis = Redis::forgetting(&fresh("redis-of-the-models"));
            let server = Arc::new(Server { redis, free: Mutex::default() });
            *running = Arc::downgrade(&server);
            server
        })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, (Vec<Database>, usize)> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Real {
    /// Whether there is a server to be started.
    pub fn is_there() -> bool {
        Redis::is_there()
    }

    /// A database with nothing in it.
    pub fn empty() -> Real {
        let server = Server::shared();
        let mut free = server.free();
        let kept = free.0.pop();
        free.1 += usize::from(kept.is_none());
        let number = free.1;
        drop(free);
        let connect = || keyvalue::Redis::connect(&format!("{}{number}", server.redis.url())).unwrap();
        let connection = kept.map_or_else(connect, |database| database.connection);
        let database = Some(Database { connection, of: Some(server) });
        Real { database, dump: RefCell::default() }
    }

    /// The database that others share, at a URL.
    pub fn at(url: &str) -> Real {
        let database = Some(Database { connection: keyvalue::Redis::connect(url).unwrap(), of: None });
        Real { database, dump: RefCell::default() }
    }

    /// A database with the same in it.
    pub fn copy(&self) -> Real {
        if self.is_shared() {
            self.dump.take();
        }
        let dump = self.dump.borrow_mut().get_or_insert_with(|| Rc::new(self.read_whole())).clone();
        let copy = Real::empty();
        if !dump.is_empty() {
            copy.redis().set_many(&dump).unwrap();
        }
        copy.dump.replace(Some(dump));
        copy
    }

    fn read_whole(&self) -> Vec<Pair> {
        self.keys().into_iter().filter_map(|key| self.value(&key).map(|value| (key, value))).collect()
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it goes when the store goes")
    }

    /// Whether others may write it, too.
    fn is_shared(&self) -> bool {
        self.database().of.is_none()
    }

    fn redis(&self) -> &keyvalue::Redis {
        &self.database().connection
    }

    fn writes(&self) -> &keyvalue::Redis {
        self.dump.take();
        self.redis()
    }

    /// All keys, in order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = self.redis().list_keys().unwrap();
        keys.sort_unstable();
        keys
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.redis().get(key).unwrap()
    }

    /// Sets or removes a value.
    pub fn plant(&self, key: &str, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.writes().set(key, &value).unwrap(),
            None => self.writes().delete(key).unwrap(),
        }
    }

    /// `get`
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.redis().get(key).map_err(said)
    }

    /// `set_many`
    pub fn set_many(&self, pairs: &[Pair]) -> Result<(), StoreError> {
        self.writes().set_many(pairs).map_err(said)
    }

    /// `delete_many`
    pub fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.writes().delete_many(keys).map_err(said)
    }

    /// A page of the keys, as the project's own host lists them.
    pub fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let page = keyvalue::Store::list_page(self.redis(), prefix, cursor).map_err(said)?;
        Ok(KeyPage { keys: page.0, next: page.1, is_in_order: false })
    }

    /// `change_if`
    pub fn change_if(&self, condition: Condition<'_>, changes: &[KeyChange]) -> Result<bool, StoreError> {
        let (key, value) = (condition.key.to_owned(), condition.value.map(<[u8]>::to_vec));
        self.writes().change_if(&keyvalue::Condition { key, value }, changes).map_err(said)
    }

    /// `increment`
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.writes().increment(key, delta).map_err(said)
    }
}

fn said(error: keyvalue::StoreError) -> StoreError {
    StoreError(error.0)
}

impl Drop for Real {
    fn drop(&mut self) {
        let Some(Database { connection, of: Some(server) }) = self.database.take() else {
            return;
        };
        // Where that fails a test has failed already, and the database is not used again.
        let emptied = connection.list_keys().and_then(|keys| match keys.as_slice() {
            [] => Ok(()),
            keys => connection.delete_many(keys),
        });
        if emptied.is_ok() {
            server.free().0.push(Database { connection, of: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_of_one_server_know_nothing_of_each_other_and_a_copy_goes_its_own_way() {
        if !Real::is_there() {
            return;
        }
        let (one, other) = (Real::empty(), Real::empty());
        one.set_many(&[("k".to_owned(), b"1".to_vec()), ("empty".to_owned(), Vec::new())]).unwrap();
        assert_eq!(one.increment("n", 2), Ok(2));
        assert_eq!(other.keys(), [] as [String; 0]);
        let copy = one.copy();
        assert_eq!((copy.keys(), copy.increment("n", 1)), (one.keys(), Ok(3)));
        one.delete_many(&["k".to_owned()]).unwrap();
        assert_eq!((copy.value("k"), one.copy().value("k")), (Some(b"1".to_vec()), None));
        drop(copy);
        assert_eq!(Real::empty().keys(), [] as [String; 0]);
    }
}

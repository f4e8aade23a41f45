//! `wasi:keyvalue@0.2.0-draft2` in Spin's revision. Its calls hold the whole instance up while they wait.

use wasmtime::component::{Resource, ResourceTableError};

use super::view::{Attempt, Bucket, KeyValueView};
use super::{Pair, Store, StoreError, Swap, guarded, on_this_thread};
use crate::bindings::wasi::keyvalue::atomics::{self, CasError};
use crate::bindings::wasi::keyvalue::batch;
use crate::bindings::wasi::keyvalue::store::{self, Error, KeyResponse};

type Result<T, E = Error> = std::result::Result<T, E>;

impl store::Host for KeyValueView<'_> {
    fn open(&mut self, identifier: String) -> Result<Resource<Bucket>> {
        let bucket = self.stores.open(&identifier).ok_or(Error::AccessDenied)?;
        Ok(self.table.push(bucket)?)
    }
}

impl store::HostBucket for KeyValueView<'_> {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>> {
        let store = self.bucket(&bucket).store;
        Ok(store.get_at_once(&key).unwrap_or_else(|| on_this_thread(|| store.get(&key)))?)
    }

    fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<()> {
        self.call(&bucket, |store| store.set(&key, &value))
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<()> {
        self.call(&bucket, |store| store.delete(&key))
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool> {
        if self.bucket(&bucket).is_guarded && key == guarded::HANDSHAKE {
            return Ok(true);
        }
        self.call(&bucket, |store| store.exists(&key))
    }

    fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<String>) -> Result<KeyResponse> {
        if let Some(cursor) = cursor.as_deref().filter(|_| self.bucket(&bucket).is_guarded) {
            let (prefix, next) = guarded::page_of(cursor)?;
            let (keys, next) = self.call(&bucket, |store| store.list_page(prefix, next))?;
            return Ok(KeyResponse { keys, cursor: next.map(|next| format!("{prefix}={next}")) });
        }
        if cursor.is_some() {
            return Err(Error::Other("list_keys: cursor not supported".to_owned()));
        }
        let keys = self.call(&bucket, |store| store.list_keys())?;
        Ok(KeyResponse { keys, cursor: None })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

// Spin answers an empty batch without asking the backend, some of which would refuse it.
impl batch::Host for KeyValueView<'_> {
    fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<Vec<Pair<Option<Vec<u8>>>>> {
        if keys.is_empty() {
            return Ok(vec![]);
        }
        self.call(&bucket, |store| store.get_many(&keys))
    }

    fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<Pair<Vec<u8>>>) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        if self.bucket(&bucket).is_guarded
            && let Some(batch) = guarded::Batch::read(&pairs)?
        {
            let held = self.call(&bucket, |store| store.change_if(&batch.condition, &batch.changes))?;
            return if held { Ok(()) } else { Err(Error::Other(guarded::REFUSED.to_owned())) };
        }
        self.call(&bucket, |store| store.set_many(&pairs))
    }

    fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.call(&bucket, |store| store.delete_many(&keys))
    }
}

impl atomics::Host for KeyValueView<'_> {
    fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Result<i64> {
        self.call(&bucket, |store| store.increment(&key, delta))
    }

    fn swap(&mut self, attempt: Resource<Attempt>, value: Vec<u8>) -> Result<(), CasError> {
        let mut attempt = self.table.delete(attempt).map_err(Error::from)?;
        let swap = on_this_thread(|| attempt.cas.swap(&value)).map_err(Error::from)?;
        match swap {
            Swap::Done => Ok(()),
            Swap::Failed => {
                let retry = on_this_thread(|| attempt.again()).map_err(Error::from)?;
                let retry = self.table.push(retry).map_err(Error::from)?;
                Err(CasError::CasFailed(retry))
            }
        }
    }
}

impl atomics::HostCas for KeyValueView<'_> {
    fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Resource<Attempt>> {
        let store = self.bucket(&bucket).store;
        let cas = on_this_thread(|| store.compare_and_swap(&key))?;
        Ok(self.table.push(Attempt { key, store, cas })?)
    }

    fn current(&mut self, attempt: Resource<Attempt>) -> Result<Option<Vec<u8>>> {
        let attempt = self.table.get_mut(&attempt)?;
        Ok(on_this_thread(|| attempt.cas.current())?)
    }

    fn drop(&mut self, attempt: Resource<Attempt>) -> wasmtime::Result<()> {
        self.table.delete(attempt)?;
        Ok(())
    }
}

impl Attempt {
    /// A new attempt, which has read the present value already.
    fn again(self) -> super::Result<Self> {
        let mut cas = self.store.compare_and_swap(&self.key)?;
        cas.current()?;
        Ok(Self { cas, ..self })
    }
}

impl KeyValueView<'_> {
    fn call<T>(&self, bucket: &Resource<Bucket>, call: impl FnOnce(&dyn Store) -> super::Result<T>) -> Result<T> {
        let store = self.bucket(bucket).store;
        Ok(on_this_thread(|| call(&*store))?)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.0)
    }
}

impl From<ResourceTableError> for Error {
    fn from(error: ResourceTableError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<Error> for CasError {
    fn from(error: Error) -> Self {
        Self::StoreError(error)
    }
}

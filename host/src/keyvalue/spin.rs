//! `spin:key-value@3.0.0`. Its calls wait on a thread of their own, so that the instance goes on meanwhile.

use std::sync::Arc;

use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use super::view::{Bucket, KeyValue, KeyValueView};
use super::{Store, StoreError};
use crate::bindings::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore};

type Result<T, E = Error> = std::result::Result<T, E>;

impl Host for KeyValueView<'_> {}

impl HostStore for KeyValueView<'_> {
    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl<T> HostStoreWithStore<T> for KeyValue {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Result<Resource<Bucket>> {
        accessor.with(|mut access| {
            let view = access.get();
            // The extension of guarded batches is one of wasi:keyvalue alone.
            let open = view.stores.open(&label).filter(|bucket| !bucket.is_guarded);
            let store = open.ok_or(Error::AccessDenied)?;
            let bucket = view.table.push(store);
            bucket.map_err(|_| Error::StoreTableFull)
        })
    }

    async fn get(accessor: &Accessor<T, Self>, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>> {
        call(accessor, &bucket, move |store| store.get(&key)).await
    }

    async fn set(accessor: &Accessor<T, Self>, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<()> {
        call(accessor, &bucket, move |store| store.set(&key, &value)).await
    }

    async fn delete(accessor: &Accessor<T, Self>, bucket: Resource<Bucket>, key: String) -> Result<()> {
        call(accessor, &bucket, move |store| store.delete(&key)).await
    }

    async fn exists(accessor: &Accessor<T, Self>, bucket: Resource<Bucket>, key: String) -> Result<bool> {
        call(accessor, &bucket, move |store| store.exists(&key)).await
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        bucket: Resource<Bucket>,
    ) -> (StreamReader<String>, FutureReader<Result<()>>) {
        let listed = call(accessor, &bucket, |store| store.list_keys()).await;
        let (keys, end) = match listed {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (vec![], Err(error)),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys);
            let end = FutureReader::new(&mut access, async { wasmtime::error::Ok(end) });
            (keys.expect("the engine has concurrency"), end.expect("the engine has concurrency"))
        })
    }
}

async fn call<T, R: Send + 'static>(
    accessor: &Accessor<T, KeyValue>,
    bucket: &Resource<Bucket>,
    call: impl FnOnce(&dyn Store) -> super::Result<R> + Send + 'static,
) -> Result<R> {
    let store: Arc<dyn Store> = accessor.with(|mut access| access.get().bucket(bucket).store);
    let answer = tokio::task::spawn_blocking(move || call(&*store)).await;
    Ok(answer.map_err(|_| StoreError("the call was abandoned".to_owned()))??)
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.0)
    }
}

//! What both imports share: the stores and the handles on them, as an embedder holds them for an instance.

use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::{Cas, Store, Stores};
use crate::bindings::spin::key_value::key_value;
use crate::bindings::wasi::keyvalue::{atomics, batch, store};

/// The stores of an instance and its table of handles, for the time of one call.
pub struct KeyValueView<'a> {
    /// The stores that it may open.
    pub stores: &'a Stores,
    /// Where its handles are.
    pub table: &'a mut ResourceTable,
}

/// Offers the imports `wasi:keyvalue@0.2.0-draft2` and `spin:key-value@3.0.0` to components.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> KeyValueView<'_>) -> wasmtime::Result<()> {
    store::add_to_linker::<T, KeyValue>(linker, view)?;
    atomics::add_to_linker::<T, KeyValue>(linker, view)?;
    batch::add_to_linker::<T, KeyValue>(linker, view)?;
    key_value::add_to_linker::<T, KeyValue>(linker, view)
}

/// Names the view to the generated code.
pub(crate) struct KeyValue;

impl HasData for KeyValue {
    type Data<'a> = KeyValueView<'a>;
}

/// An open store: the component's permission to use it.
#[derive(Clone)]
pub struct Bucket {
    pub(super) store: Arc<dyn Store>,
    /// Whether its batches may begin with a condition, see [`guarded`](super::guarded).
    pub(super) is_guarded: bool,
}

impl Bucket {
    pub(super) fn plain(store: Arc<dyn Store>) -> Self {
        Self { store, is_guarded: false }
    }

    pub(super) fn guarded(store: Arc<dyn Store>) -> Self {
        Self { store, is_guarded: true }
    }
}

/// A compare-and-swap under way.
pub struct Attempt {
    pub(super) key: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) cas: Box<dyn Cas>,
}

impl KeyValueView<'_> {
    /// The store behind a handle. The type system of the component model makes handles that cannot be forged, so a
    /// missing one is our mistake.
    pub(super) fn bucket(&self, bucket: &Resource<Bucket>) -> Bucket {
        let bucket = self.table.get(bucket);
        bucket.expect("a bucket lives until its handle is dropped").clone()
    }
}

//! Key-value stores: the port that a backend implements, and the two imports that offer it to a component.
//!
//! A store is never stronger than the backend of Spin that it stands for. [`Database`] behaves as Spin's default store
//! does, [`Redis`] as its Redis store does, [`Weakness`] takes away what Spin's other backends do not keep, [`Probe`]
//! counts calls and lets them fail.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

pub use probe::{Call, Fault, Operation, Probe};
pub use redis::Redis;
pub use sqlite::Database;
pub use weakness::{Increment, Weakness};

pub mod guarded;
mod probe;
mod redis;
mod spin;
mod sqlite;
mod view;
mod wasi;
mod weakness;

pub use view::{Attempt, Bucket, KeyValueView, add_to_linker};

/// Spin's `MAX_HOST_BUFFERED_BYTES`: no read answers more than this, a listing of all keys included.
pub const RESULT_BYTES_MAX: usize = 128 << 20;

/// One store, as a backend implements it. Calls block; whoever stands on a runtime takes care of that.
pub trait Store: Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// The value of a key, if nobody has to be waited for, be it a lock or a network; nothing where somebody would.
    fn get_at_once(&self, _key: &str) -> Option<Result<Option<Vec<u8>>>> {
        None
    }
    /// Creates or overwrites.
    fn set(&self, key: &str, value: &[u8]) -> Result<()>;
    /// Succeeds on an absent key as well.
    fn delete(&self, key: &str) -> Result<()>;
    /// Whether the key has a value.
    fn exists(&self, key: &str) -> Result<bool>;
    /// All keys, unordered.
    fn list_keys(&self) -> Result<Vec<String>>;
    /// The pairs that exist, unordered.
    fn get_many(&self, keys: &[String]) -> Result<Vec<Pair<Option<Vec<u8>>>>>;
    /// Writes all pairs.
    fn set_many(&self, pairs: &[Pair<Vec<u8>>]) -> Result<()>;
    /// Deletes all keys.
    fn delete_many(&self, keys: &[String]) -> Result<()>;
    /// Adds to a counter, absent ones being 0, and returns the sum.
    fn increment(&self, key: &str, delta: i64) -> Result<i64>;
    /// Whether the store carries out [`Store::change_if`]. Spin's stores do not; a component sees it in a bucket of its
    /// own, see [`guarded`].
    fn is_guarded(&self) -> bool {
        false
    }
    /// Carries out all changes at once, or none of them where the condition does not hold at that moment. Answers whether
    /// it held.
    fn change_if(&self, condition: &Condition, _changes: &[Change]) -> Result<bool> {
        Err(StoreError(format!("{}: the store has no conditional batch", condition.key)))
    }
    /// Some keys that begin with a prefix, from the cursor of the page before on, in any order. A key that is there as long
    /// as the pages are read is in one of them at least. Spin's stores have no pages; a component sees these in a bucket of
    /// its own, see [`guarded`].
    fn list_page(&self, _prefix: &str, _cursor: Option<&str>) -> Result<KeyPage> {
        Err(StoreError("the store has no pages of keys".to_owned()))
    }
    /// Begins an attempt to replace a value. Without a call of [`Cas::current`] it expects an absent key.
    fn compare_and_swap(&self, key: &str) -> Result<Box<dyn Cas>>;
}

/// A page of keys, and the cursor of the next one; nothing after the last one.
pub type KeyPage = (Vec<String>, Option<String>);

/// Keys in a page at most, or about so many.
pub(crate) const KEYS_A_PAGE: usize = 1_000;

/// A key with what belongs to it.
pub type Pair<T> = (String, T);

/// A key, and the value that it gets; nothing where the key is deleted.
pub type Change = Pair<Option<Vec<u8>>>;

/// What a key has to hold at the moment in which changes are carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The key.
    pub key: String,
    /// Its value, byte for byte; nothing where the key has to be absent.
    pub value: Option<Vec<u8>>,
}

/// How long a call may take, from its beginning to its answer: waiting for a lock, making a connection and sending
/// included. A write that is sent later than its caller believes can undo what others have written meanwhile.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(2);

/// A call that has less time left is given up before it is sent.
pub(crate) const SENT_WITH_MIN: Duration = Duration::from_millis(500);

const _: () = assert!(SENT_WITH_MIN.as_millis() < CALL_MAX.as_millis());

/// Until when a call may take.
#[derive(Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn of_a_call() -> Self {
        Self(Instant::now() + CALL_MAX)
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// What is left for a call that is about to be sent.
    fn left_to_send(self) -> Result<Duration> {
        let left = self.left();
        if left < SENT_WITH_MIN { Err(StoreError(TOO_LATE.to_owned())) } else { Ok(left) }
    }
}

const TOO_LATE: &str = "the call was given up before it was sent: others were waited for too long";

/// An attempt to replace a value. A backend may hold a transaction or a connection in it.
pub trait Cas: Send + Sync + 'static {
    /// Reads the value that [`Cas::swap`] will expect.
    fn current(&mut self) -> Result<Option<Vec<u8>>>;
    /// Writes if the value is still the expected one.
    fn swap(&mut self, value: &[u8]) -> Result<Swap>;
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The value was written.
    Done,
    /// The value was not the expected one, if the backend can be believed.
    Failed,
}

/// The outcome of a call.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The store's own words. The component gets them as `other(…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// The stores that a component may open, by the labels of its manifest.
#[derive(Clone, Default)]
pub struct Stores(Arc<BTreeMap<String, Arc<dyn Store>>>);

impl Stores {
    /// The one label that Spin defines by itself.
    pub const DEFAULT: &'static str = "default";

    /// A single store under the label `default`.
    pub fn default_only(store: Arc<dyn Store>) -> Self {
        Self::from_iter([(Self::DEFAULT.to_owned(), store)])
    }

    fn open(&self, label: &str) -> Option<Bucket> {
        let open = |label: &str| self.0.get(label).cloned();
        match guarded::label_of(label) {
            None => open(label).map(Bucket::plain),
            Some(label) => open(label).filter(|store| store.is_guarded()).map(Bucket::guarded),
        }
    }
}

impl FromIterator<(String, Arc<dyn Store>)> for Stores {
    fn from_iter<I: IntoIterator<Item = (String, Arc<dyn Store>)>>(stores: I) -> Self {
        Self(Arc::new(stores.into_iter().collect()))
    }
}

/// Refuses a result that Spin would refuse.
fn within_limit(bytes: usize) -> Result<()> {
    if bytes > RESULT_BYTES_MAX {
        return Err(StoreError(format!("the result exceeds {RESULT_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// A value, with the same refusal.
fn value_within_limit(value: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    within_limit(value.as_ref().map_or(0, Vec::len))?;
    Ok(value)
}

/// Runs a store call on the thread of the component that waits for it.
///
/// A call takes a disk flush when it writes, and in Redis the way there and back. Handing the thread's other tasks over
/// costs less than moving the call to a thread and its answer back, and is what Spin does. It costs several times what a
/// read does that waits for nobody, so such a read is tried first, with [`Store::get_at_once`]. A runtime with a single
/// thread has nobody to hand over to, so there the call simply runs.
fn on_this_thread<R>(call: impl FnOnce() -> R) -> R {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    let call = || crate::shares::without_place(call);
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) { tokio::task::block_in_place(call) } else { call() }
}

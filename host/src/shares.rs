//! Who goes first where several ask at once.
//!
//! Requests whose paths have their first three segments in common are a stream: `/scim/v2/{tenant}` is one tenant's. A
//! stream that is alone has the whole machine. Where there are several, each has an equal share of the places, and what is
//! beyond it waits: so whoever sends a great deal stands in nobody's way but its own.
//!
//! What is shared is computing. A request that takes long waits for something, such as the store, or the delay with which
//! the component refuses; so it keeps its place for a moment only.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Places of all streams together, for each processor.
const PLACES_PER_PROCESSOR: usize = 2;

/// What a stream has at least, however many there are: one may wait for the store while the other computes.
const PLACES_MIN: usize = 2;

/// Longer than a request computes, by far.
const KEPT_FOR: Duration = Duration::from_millis(25);

/// How long after its latest request a stream counts.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// How often it is seen which do not count any more.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// Streams that are told apart. All further ones are one.
const STREAMS_MAX: usize = 10_000;

/// Gives out the places.
pub(crate) struct Shares {
    hasher: RandomState,
    streams: Arc<Mutex<Streams>>,
}

/// Which stream a request belongs to. Two that have the same digest share.
pub(crate) type Prefix = u64;

/// Paths of fewer than three segments, and what is beyond [`STREAMS_MAX`].
const OTHERS: Prefix = 0;

/// A place, which is free again when this is dropped.
struct Place {
    prefix: Prefix,
    streams: Arc<Mutex<Streams>>,
}

struct Streams {
    places: usize,
    by_prefix: HashMap<Prefix, Stream>,
    forgot: Instant,
}

#[derive(Default)]
struct Stream {
    places_taken: usize,
    /// Nobody waits where no place is taken, so whoever gives one back calls the next.
    waiting: VecDeque<oneshot::Sender<Place>>,
    latest: Option<Instant>,
}

impl Shares {
    pub(crate) fn new(processors: usize) -> Self {
        let places = processors * PLACES_PER_PROCESSOR;
        let streams = Streams { places, by_prefix: HashMap::new(), forgot: Instant::now() };
        Self { hasher: RandomState::new(), streams: Arc::new(Mutex::new(streams)) }
    }

    /// The stream of a request with this path.
    pub(crate) fn stream(&self, path: &str) -> Prefix {
        let mut segments = path.match_indices('/').skip(2);
        let third_ends = segments.next().map(|_| segments.next().map_or(path.len(), |(end, _)| end));
        third_ends.map_or(OTHERS, |end| self.hasher.hash_one(&path[..end]))
    }

    /// Does the work once its stream has a place for it.
    pub(crate) async fn run<R>(&self, prefix: Prefix, work: impl Future<Output = R>) -> R {
        let place = self.place(prefix).await;
        keep_until(sleep(KEPT_FOR), place, work).await
    }

    /// There is none only where whoever should have given it is gone, as at the end of the server.
    async fn place(&self, prefix: Prefix) -> Option<Place> {
        let entered = self.streams.lock().enter(prefix, Instant::now());
        match entered {
            Entered::Taken(prefix) => Some(Place { prefix, streams: self.streams.clone() }),
            Entered::Waiting(place) => place.await.ok(),
        }
    }
}

/// Does the work, and keeps the place until it is done or until that.
pub(crate) async fn keep_until<P, R>(until: impl Future, place: P, work: impl Future<Output = R>) -> R {
    tokio::pin!(work);
    tokio::select! {
        done = work.as_mut() => return done,
        _ = until => drop(place),
    }
    work.await
}

impl Drop for Place {
    fn drop(&mut self) {
        let called = self.streams.lock().give_back(self.prefix);
        for next in called {
            // Where its client is gone by now, the place comes back and is given back once more.
            drop(next.send(Place { prefix: self.prefix, streams: self.streams.clone() }));
        }
    }
}

enum Entered {
    /// A place of this stream.
    Taken(Prefix),
    Waiting(oneshot::Receiver<Place>),
}

impl Streams {
    fn enter(&mut self, prefix: Prefix, now: Instant) -> Entered {
        self.forget(now);
        let is_known = self.by_prefix.contains_key(&prefix);
        let prefix = if is_known || self.by_prefix.len() < STREAMS_MAX { prefix } else { OTHERS };
        self.by_prefix.entry(prefix).or_default().latest = Some(now);
        if let Some(stream) = self.with_room(prefix) {
            stream.places_taken += 1;
            return Entered::Taken(prefix);
        }
        let (sender, receiver) = oneshot::channel();
        self.by_prefix.entry(prefix).or_default().waiting.push_back(sender);
        Entered::Waiting(receiver)
    }

    /// Who has a place now.
    fn give_back(&mut self, prefix: Prefix) -> Vec<oneshot::Sender<Place>> {
        if let Some(stream) = self.by_prefix.get_mut(&prefix) {
            stream.places_taken -= 1;
        }
        std::iter::from_fn(|| self.call(prefix)).collect()
    }

    fn call(&mut self, prefix: Prefix) -> Option<oneshot::Sender<Place>> {
        let stream = self.with_room(prefix)?;
        let next = std::iter::from_fn(|| stream.waiting.pop_front()).find(|next| !next.is_closed())?;
        stream.places_taken += 1;
        Some(next)
    }

    fn with_room(&mut self, prefix: Prefix) -> Option<&mut Stream> {
        let share = self.share();
        self.by_prefix.get_mut(&prefix).filter(|stream| stream.places_taken < share)
    }

    fn share(&self) -> usize {
        match self.by_prefix.len() {
            0 | 1 => usize::MAX,
            several => (self.places / several).max(PLACES_MIN),
        }
    }

    fn forget(&mut self, now: Instant) {
        if now.duration_since(self.forgot) >= FORGET_EVERY {
            self.forgot = now;
            self.by_prefix.retain(|_, stream| stream.places_taken > 0 || stream.is_remembered(now));
        }
    }
}

impl Stream {
    fn is_remembered(&self, now: Instant) -> bool {
        self.latest.is_some_and(|latest| now.duration_since(latest) < REMEMBERED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    const A: &str = "/scim/v2/a/Users";
    const B: &str = "/scim/v2/b/Users";

    /// Places of a stream that are taken at once, if it asks for so many.
    fn taken(shares: &Shares, path: &str, asked: usize) -> Vec<Place> {
        let entered = |_| match shares.streams.lock().enter(shares.stream(path), Instant::now()) {
            Entered::Taken(prefix) => Some(Place { prefix, streams: shares.streams.clone() }),
            Entered::Waiting(_) => None,
        };
        let taken: Vec<_> = (0..asked).map(entered).collect();
        taken.into_iter().flatten().collect()
    }

    #[test]
    fn a_tenants_requests_are_one_stream_and_so_are_those_of_short_paths() {
        let shares = Shares::new(2);
        let [a, b] = [A, B].map(|path| shares.stream(path));
        assert_ne!(a, b);
        assert_eq!(["/scim/v2/a/Groups/1", "/scim/v2/a/", "/scim/v2/a"].map(|path| shares.stream(path)), [a; 3]);
        assert_eq!(["/", "/openapi.json", "/scim/v2", "", "*"].map(|path| shares.stream(path)), [OTHERS; 5]);
    }

    #[test]
    fn a_stream_that_is_alone_has_all_that_it_asks_for() {
        assert_eq!(taken(&Shares::new(2), A, 1_000).len(), 1_000);
    }

    #[test]
    fn several_streams_have_equal_shares() {
        let shares = Shares::new(6);
        let _here = taken(&shares, B, 1);
        assert_eq!(taken(&shares, A, 1_000).len(), 6);
        let _another = taken(&shares, "/scim/v2/c/Users", 1);
        assert_eq!(taken(&shares, A, 1_000).len(), 4);
        let _more: Vec<_> = (0..100).map(|number| taken(&shares, &format!("/scim/v2/{number}/"), 1)).collect();
        assert_eq!(taken(&shares, A, 1_000).len(), PLACES_MIN);
    }

    #[tokio::test]
    async fn whoever_waits_is_called_in_the_order_of_coming_when_a_place_is_free() {
        let shares = Shares::new(2);
        let _other = taken(&shares, B, 1);
        let mut places = taken(&shares, A, 2);
        let (first, second) = (shares.place(shares.stream(A)), shares.place(shares.stream(A)));
        tokio::pin!(first, second);
        let is_called = async |waiting: std::pin::Pin<&mut _>| {
            let at_once = tokio::time::timeout(Duration::ZERO, waiting).await;
            at_once.ok()
        };
        assert!(is_called(first.as_mut()).await.is_none());
        assert!(is_called(second.as_mut()).await.is_none());
        places.pop();
        assert!(is_called(second.as_mut()).await.is_none());
        let place: Option<Option<Place>> = is_called(first.as_mut()).await;
        assert!(place.flatten().is_some(), "and gives it back at once");
        assert!(is_called(second.as_mut()).await.flatten().is_some());
    }

    #[tokio::test]
    async fn whoever_left_while_it_waited_takes_no_place() {
        let shares = Shares::new(2);
        let _other = taken(&shares, B, 1);
        let mut places = taken(&shares, A, 2);
        let mut left: Vec<_> = (0..10).map(|_| Box::pin(shares.place(shares.stream(A)))).collect();
        for waiting in &mut left {
            assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        }
        // Nine before they are called, one after.
        left.truncate(1);
        places.pop();
        drop(left);
        assert_eq!(taken(&shares, A, 1_000).len(), 1);
    }

    #[tokio::test]
    async fn a_request_that_takes_long_keeps_its_place_for_a_moment_only() {
        let shares = Shares::new(2);
        let _other = taken(&shares, B, 1);
        let long = async || {
            tokio::join!(shares.run(shares.stream(A), pending::<()>()), shares.run(shares.stream(A), pending::<()>()))
        };
        tokio::select! {
            _ = long() => unreachable!(),
            done = shares.run(shares.stream(A), async { "done" }) => assert_eq!(done, "done"),
        }
    }

    #[test]
    fn a_stream_counts_for_ten_seconds_after_its_latest_request() {
        let shares = Shares::new(2);
        drop(taken(&shares, B, 1));
        let mut streams = shares.streams.lock();
        let now = Instant::now();
        streams.enter(shares.stream(A), now);
        assert_eq!(streams.share(), 2);
        streams.forget(now + REMEMBERED_FOR - Duration::from_secs(1));
        assert_eq!(streams.share(), 2);
        streams.forget(now + REMEMBERED_FOR);
        assert_eq!(streams.share(), usize::MAX, "the one that has a place is there for as long as it has it");
        assert_eq!(streams.by_prefix.len(), 1);
    }

    #[test]
    fn streams_beyond_the_limit_are_one() {
        let shares = Shares::new(2);
        let mut streams = shares.streams.lock();
        let now = Instant::now();
        let mut stream = |prefix| match streams.enter(prefix, now) {
            Entered::Taken(prefix) => prefix,
            Entered::Waiting(_) => panic!("each has a place"),
        };
        let limit = STREAMS_MAX as Prefix;
        assert!((1..=limit).all(|prefix| stream(prefix) == prefix));
        assert_eq!([limit, limit + 1, limit + 2].map(stream), [limit, OTHERS, OTHERS]);
    }
}

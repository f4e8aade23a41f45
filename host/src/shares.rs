//! Who computes next where several want to.
//!
//! The requests of one tenant are a stream: those whose paths begin with `/scim/v2/{tenant}` and whose credentials have
//! worked. So are those of the admin API, and all requests of strangers together. A stream that is alone has the whole
//! machine. Where there are several, each has an equal share of the processors; of those who wait for one, the stream goes
//! first that has computed least.
//!
//! What is shared is computing, and nothing else: an instance has a place from the moment at which it has something to do
//! until it waits for time to pass, for a client, or for the store. While it computes without a pause it gives its place to
//! the next one, each time that the engine's clock ticks. A call of the store counts as waiting, because what takes time in
//! it is the disk, the network or a lock.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How long after its latest request a stream counts.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// How often it is seen which do not count any more.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// How long credentials are known to have worked.
const TRUSTED_FOR: Duration = Duration::from_secs(3600);

/// Pairs of tenant and credentials that are known. Those of all further ones share with strangers.
const TRUSTED_MAX: usize = 10_000;

/// Which stream a request belongs to. Two that have the same digest share.
pub(crate) type Prefix = u64;

/// Whoever has not shown yet that it may come in, and whatever needs no credentials.
const STRANGERS: Prefix = 0;

/// Tells whose request it is.
pub(crate) struct Streams {
    hasher: RandomState,
    trusted: Mutex<HashMap<u64, Instant>>,
}

/// Whose request it is, and what is to be remembered if it is let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Where it counts.
    pub(crate) stream: Prefix,
    /// Its credentials, if it has some.
    credentials: Option<u64>,
}

impl Origin {
    /// Whether its credentials have worked.
    pub(crate) fn is_trusted(&self) -> bool {
        self.stream != STRANGERS
    }
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), trusted: Mutex::default() }
    }

    pub(crate) fn origin(&self, path: &str, headers: &HeaderMap) -> Origin {
        let stranger = Origin { stream: STRANGERS, credentials: None };
        let shown = (headers.get(header::AUTHORIZATION), headers.get(header::COOKIE));
        let Some(prefix) = prefix(path).filter(|_| shown != (None, None)) else {
            return stranger;
        };
        let credentials = self.hasher.hash_one((prefix, shown.0.map(|v| v.as_bytes()), shown.1.map(|v| v.as_bytes())));
        let trusted = self.trusted.lock().get(&credentials).is_some_and(|latest| latest.elapsed() < TRUSTED_FOR);
        let stream = if trusted { self.hasher.hash_one(prefix) } else { STRANGERS };
        Origin { stream, credentials: Some(credentials) }
    }

    /// The request was let in.
    pub(crate) fn trust(&self, origin: Origin) {
        let Some(credentials) = origin.credentials else {
            return;
        };
        let mut trusted = self.trusted.lock();
        let now = Instant::now();
        if trusted.len() >= TRUSTED_MAX && !trusted.contains_key(&credentials) {
            trusted.retain(|_, latest| now.duration_since(*latest) < TRUSTED_FOR);
            if trusted.len() >= TRUSTED_MAX {
                return;
            }
        }
        trusted.insert(credentials, now);
    }
}

/// The first three segments; nothing where there are fewer, or where the third is not spelled as it is: ids need no
/// percent sign, and one tenant shall not have a thousand spellings.
fn prefix(path: &str) -> Option<&str> {
    let mut slashes = path.match_indices('/').skip(2);
    slashes.next()?;
    let end = slashes.next().map_or(path.len(), |(end, _)| end);
    let prefix = &path[..end];
    (!prefix.contains('%') && !prefix.ends_with('/')).then_some(prefix)
}

/// Gives out the places.
#[derive(Clone)]
pub(crate) struct Shares(Arc<Mutex<Queues>>);

/// A place, which is free again when this is dropped.
pub(crate) struct Place {
    stream: Prefix,
    since: Instant,
    shares: Shares,
}

/// What becomes of whoever wants a place.
pub(crate) enum Entered {
    /// It has one.
    Taken(Place),
    /// It will have one.
    Waiting(oneshot::Receiver<Place>),
}

struct Queues {
    processors: usize,
    taken: usize,
    by_stream: HashMap<Prefix, Queue>,
    /// What the stream that was served last has computed. Whoever comes anew begins there, so that it owes nothing and has
    /// saved nothing.
    level: Duration,
    forgot: Instant,
}

#[derive(Default)]
struct Queue {
    places_taken: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
    computed: Duration,
    latest: Option<Instant>,
}

impl Shares {
    pub(crate) fn new(processors: usize) -> Self {
        Self(Arc::new(Mutex::new(Queues {
            processors,
            taken: 0,
            by_stream: HashMap::new(),
            level: Duration::ZERO,
            forgot: Instant::now(),
        })))
    }

    /// A request has come.
    pub(crate) fn count(&self, stream: Prefix) {
        self.0.lock().count(stream, Instant::now());
    }

    pub(crate) fn enter(&self, stream: Prefix) -> Entered {
        match self.0.lock().enter(stream) {
            None => Entered::Taken(self.place(stream)),
            Some(waiting) => Entered::Waiting(waiting),
        }
    }

    /// Whether somebody waits who would have this place.
    pub(crate) fn is_wanted(&self, place: &Place) -> bool {
        self.0.lock().is_wanted(place.stream)
    }

    fn place(&self, stream: Prefix) -> Place {
        Place { stream, since: Instant::now(), shares: self.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let called = self.shares.0.lock().give_back(self.stream, self.since.elapsed());
        for (stream, next) in called {
            // Where its instance is gone by now, the place comes back and is given back once more.
            drop(next.send(self.shares.place(stream)));
        }
    }
}

impl Queues {
    fn count(&mut self, stream: Prefix, now: Instant) {
        if now.duration_since(self.forgot) >= FORGET_EVERY {
            self.forgot = now;
            self.by_stream.retain(|_, queue| !queue.is_empty() || queue.is_remembered(now));
        }
        self.by_stream.entry(stream).or_default().latest = Some(now);
    }

    /// Nothing where a place was free.
    fn enter(&mut self, stream: Prefix) -> Option<oneshot::Receiver<Place>> {
        let level = self.level;
        let queue = self.by_stream.entry(stream).or_default();
        if queue.is_empty() {
            queue.computed = queue.computed.max(level);
        }
        if self.has_room(stream) {
            self.take(stream);
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.by_stream.entry(stream).or_default().waiting.push_back(sender);
        Some(receiver)
    }

    /// Who has a place now.
    fn give_back(&mut self, stream: Prefix, computed: Duration) -> Vec<(Prefix, oneshot::Sender<Place>)> {
        self.taken -= 1;
        if let Some(queue) = self.by_stream.get_mut(&stream) {
            queue.places_taken -= 1;
            queue.computed += computed;
        }
        std::iter::from_fn(|| self.call()).collect()
    }

    fn call(&mut self) -> Option<(Prefix, oneshot::Sender<Place>)> {
        loop {
            let waiting =
                self.by_stream.iter().filter(|(stream, queue)| !queue.waiting.is_empty() && self.has_room(**stream));
            let stream = *waiting.min_by_key(|(_, queue)| queue.computed)?.0;
            let next = self.by_stream.get_mut(&stream).and_then(|queue| queue.waiting.pop_front())?;
            if !next.is_closed() {
                self.take(stream);
                return Some((stream, next));
            }
        }
    }

    fn is_wanted(&self, stream: Prefix) -> bool {
        let share = self.share();
        self.by_stream.iter().any(|(other, queue)| {
            let taken = queue.places_taken - usize::from(*other == stream);
            !queue.waiting.is_empty() && taken < share
        })
    }

    fn take(&mut self, stream: Prefix) {
        self.taken += 1;
        let queue = self.by_stream.entry(stream).or_default();
        queue.places_taken += 1;
        self.level = self.level.max(queue.computed);
    }

    fn has_room(&self, stream: Prefix) -> bool {
        let taken = self.by_stream.get(&stream).map_or(0, |queue| queue.places_taken);
        self.taken < self.processors && taken < self.share()
    }

    fn share(&self) -> usize {
        match self.by_stream.len() {
            0 | 1 => usize::MAX,
            several => (self.processors / several).max(1),
        }
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.places_taken == 0 && self.waiting.is_empty()
    }

    fn is_remembered(&self, now: Instant) -> bool {
        self.latest.is_some_and(|latest| now.duration_since(latest) < REMEMBERED_FOR)
    }
}

thread_local! {
    /// The place of the instance that computes on this thread.
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
}

/// A place, and where it is told that its instance waits for the store.
struct Seat {
    place: Option<Place>,
    in_store: Arc<AtomicBool>,
}

/// Computes with a place. It is returned unless the instance has waited for the store meanwhile.
pub(crate) fn with_place<R>(
    place: Place,
    in_store: &Arc<AtomicBool>,
    compute: impl FnOnce() -> R,
) -> (R, Option<Place>) {
    SEAT.set(Some(Seat { place: Some(place), in_store: in_store.clone() }));
    let computed = compute();
    (computed, SEAT.take().and_then(|seat| seat.place))
}

/// Calls the store without the place that the calling instance has. It goes on without one afterwards, until the engine's
/// clock ticks.
pub(crate) fn without_place<R>(call: impl FnOnce() -> R) -> R {
    let Some(Seat { place, in_store }) = SEAT.take() else {
        return call();
    };
    drop(place);
    in_store.store(true, Ordering::Relaxed);
    let answer = call();
    in_store.store(false, Ordering::Relaxed);
    SEAT.set(Some(Seat { place: None, in_store }));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const A: &str = "/scim/v2/a/Users";
    const B: &str = "/scim/v2/b/Users";

    fn shown(credentials: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(credentials))])
    }

    /// The stream of a path with credentials that have worked.
    fn trusted(streams: &Streams, path: &str) -> Prefix {
        streams.trust(streams.origin(path, &shown("Bearer right")));
        streams.origin(path, &shown("Bearer right")).stream
    }

    #[test]
    fn a_tenants_requests_are_one_stream_and_so_are_those_of_short_paths() {
        let streams = Streams::new();
        let [a, b] = [A, B].map(|path| trusted(&streams, path));
        assert!(a != b && a != STRANGERS && b != STRANGERS);
        assert_eq!(["/scim/v2/a/Groups/1", "/scim/v2/a/", "/scim/v2/a"].map(|path| trusted(&streams, path)), [a; 3]);
        assert_eq!(
            ["/", "/openapi.json", "/scim/v2", "/scim/v2/", "", "*"].map(|path| trusted(&streams, path)),
            [STRANGERS; 6]
        );
    }

    #[test]
    fn a_tenant_has_no_second_share_by_another_spelling() {
        let streams = Streams::new();
        assert_eq!(
            ["/scim/v2/%61/Users", "/scim/v2/a%20", "/scim%2Fv2/a/b"].map(|path| trusted(&streams, path)),
            [STRANGERS; 3]
        );
    }

    #[test]
    fn requests_whose_credentials_have_not_worked_share_with_strangers() {
        let streams = Streams::new();
        let stream = trusted(&streams, A);
        assert_eq!(streams.origin(A, &shown("Bearer wrong")).stream, STRANGERS);
        assert_eq!(streams.origin(A, &HeaderMap::new()).stream, STRANGERS);
        assert_eq!(streams.origin(B, &shown("Bearer right")).stream, STRANGERS, "they are those of another tenant");
        assert_eq!(streams.origin(A, &shown("Bearer right")).stream, stream);
    }

    #[test]
    fn credentials_beyond_the_limit_share_with_strangers() {
        let streams = Streams::new();
        let path = |number| format!("/scim/v2/t{number}/Users");
        assert!((0..TRUSTED_MAX).all(|number| trusted(&streams, &path(number)) != STRANGERS));
        assert_eq!(trusted(&streams, &path(TRUSTED_MAX)), STRANGERS);
        assert_ne!(trusted(&streams, &path(0)), STRANGERS);
    }

    fn taken(shares: &Shares, stream: Prefix) -> Option<Place> {
        match shares.enter(stream) {
            Entered::Taken(place) => Some(place),
            Entered::Waiting(_) => None,
        }
    }

    fn waiting(shares: &Shares, stream: Prefix) -> oneshot::Receiver<Place> {
        match shares.enter(stream) {
            Entered::Taken(_) => panic!("no place was free"),
            Entered::Waiting(waiting) => waiting,
        }
    }

    /// Shares of so many processors and streams, each of which has just asked.
    fn shares(processors: usize, streams: Prefix) -> Shares {
        let shares = Shares::new(processors);
        (1..=streams).for_each(|stream| shares.count(stream));
        shares
    }

    #[test]
    fn a_stream_that_is_alone_has_all_processors_and_several_have_equal_shares() {
        for (processors, streams, share) in [(4, 1, 4), (4, 2, 2), (4, 3, 1), (4, 9, 1), (1, 2, 1)] {
            let shares = shares(processors, streams);
            let places: Vec<_> = std::iter::from_fn(|| taken(&shares, 1)).collect();
            assert_eq!(places.len(), share, "{streams} streams");
        }
    }

    #[test]
    fn no_more_compute_at_a_time_than_there_are_processors() {
        let shares = shares(2, 5);
        let places: Vec<_> = (1..=5).filter_map(|stream| taken(&shares, stream)).collect();
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn of_those_who_wait_the_stream_goes_first_that_has_computed_least() {
        let shares = shares(1, 3);
        let place = taken(&shares, 1).unwrap();
        let (mut heavy, mut light) = (waiting(&shares, 1), waiting(&shares, 2));
        assert!(shares.is_wanted(&place));
        std::thread::sleep(Duration::from_millis(2));
        drop(place);
        assert!(heavy.try_recv().is_err());
        drop(light.try_recv().unwrap());
        assert!(heavy.try_recv().is_ok());
    }

    #[test]
    fn whoever_comes_anew_has_saved_nothing() {
        let shares = shares(1, 2);
        for _ in 0..3 {
            let place = taken(&shares, 1).unwrap();
            std::thread::sleep(Duration::from_millis(2));
            drop(place);
        }
        drop(taken(&shares, 2));
        let queues = shares.0.lock();
        assert!(queues.by_stream[&2].computed >= Duration::from_millis(4));
    }

    #[test]
    fn whoever_left_while_it_waited_takes_no_place() {
        let shares = shares(1, 2);
        let place = taken(&shares, 1).unwrap();
        let left: Vec<_> = (0..10).map(|_| waiting(&shares, 2)).collect();
        drop(left);
        drop(place);
        assert!(taken(&shares, 1).is_some());
    }

    #[test]
    fn an_instance_that_waits_for_the_store_has_no_place_meanwhile() {
        let shares = shares(1, 2);
        let in_store = Arc::default();
        let (other, left) = with_place(taken(&shares, 1).unwrap(), &in_store, || {
            assert!(taken(&shares, 2).is_none());
            let other = without_place(|| {
                assert!(in_store.load(Ordering::Relaxed));
                taken(&shares, 2)
            });
            assert!(!in_store.load(Ordering::Relaxed));
            other
        });
        assert!(other.is_some() && left.is_none());
        drop(other);
        let ((), left) = with_place(taken(&shares, 1).unwrap(), &in_store, || {});
        assert!(left.is_some(), "who only computed still has it");
    }

    #[test]
    fn a_stream_counts_for_ten_seconds_after_its_latest_request() {
        let shares = shares(4, 2);
        let mut queues = shares.0.lock();
        let now = Instant::now();
        queues.count(1, now + REMEMBERED_FOR / 2);
        queues.count(1, now + REMEMBERED_FOR - Duration::from_secs(1));
        assert_eq!(queues.share(), 2);
        queues.count(1, now + REMEMBERED_FOR + Duration::from_secs(1));
        assert_eq!(queues.share(), usize::MAX);
    }
}

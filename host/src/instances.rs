//! The instances of the component, and which of them gets a request.
//!
//! They are kept and reused as Spin keeps them, by `wasmtime-wasi-http`'s own means for one request. Its pool, however,
//! gives any request to any instance that looks free, and one that computes for long looks free: then all that it was given
//! waits behind that, whoever's it is. So the choice is made here:
//!
//! - An instance has requests of one stream at a time. Whatever one tenant's request does to it, be it to compute for a
//!   second or to end it, no other tenant's request notices.
//! - A stream that has an instance takes no idle one of another stream, unless there is no memory for one more. Otherwise a
//!   flood would take each instance that is idle for a moment, and leave it with records to write, for which the instance
//!   waits in the flood's queue.
//! - It is given a request while it waits, and never while it computes or waits within a call of the store.
//! - Where there is none, a new one is made, unless as many of the stream compute as there are processors, or there is not
//!   enough memory. Then the request waits: more instances would not be faster, and fewer know more each, so that changes
//!   that wait in the same one share a write transaction.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use futures::StreamExt as _;
use futures::channel::oneshot as answered;
use futures::stream::FuturesUnordered;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Sleep;
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut as _, Store};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::handler::{ExpirationError, Prepared, Proxy, ProxyPre, Request, Response};
use wasmtime_wasi_http::{p2, p3};

use crate::component::{Component, Guest};
use crate::limits::{INSTANCES_MAX, Reuse};
use crate::memory::{Memory, Reserved};
use crate::pulse::Pulse;
use crate::serve::stopped;
use crate::shares::{self, Entered, Place, Prefix, Shares};

/// How long a request waits for an instance of its stream that has no request left and still computes or writes, before
/// another one is made.
const SOON: Duration = Duration::from_millis(10);

/// All instances.
pub(crate) struct Instances {
    component: Component,
    service: ProxyPre<Guest>,
    reuse: Reuse,
    shares: Shares,
    memory: Memory,
    processors: usize,
    stopping: watch::Receiver<bool>,
    pool: Mutex<Pool>,
    /// An instance has ended.
    ended: Notify,
}

#[derive(Default)]
struct Pool {
    /// Those that may be given something.
    open: Vec<Arc<Instance>>,
    /// Instances of any kind, also those that are being made or take nothing any more.
    count: u32,
    /// Those that are being made, by the stream that wants one.
    being_made: HashMap<Prefix, usize>,
    /// Those that take nothing any more and have not ended, by the stream that they had last.
    leaving: HashMap<Prefix, usize>,
    /// Requests without an instance.
    waiting: HashMap<Prefix, VecDeque<Job>>,
}

/// A request on its way to an instance.
struct Job {
    stream: Prefix,
    request: Request,
    pulse: Arc<Pulse>,
    /// It has an instance.
    given: oneshot::Sender<()>,
    answer: oneshot::Sender<wasmtime::Result<(Response, Held)>>,
}

/// An instance, for all who have to do with it.
struct Instance {
    jobs: mpsc::UnboundedSender<Job>,
    /// Wakes it where it has to leave.
    leaves: AtomicWaker,
    load: Mutex<Load>,
    /// It has something to do, and is at it.
    computes: AtomicBool,
    /// It waits within a call of the store.
    in_store: Arc<AtomicBool>,
    /// It ended otherwise than it should.
    failed: AtomicBool,
    reserved: Reserved,
}

#[derive(Default)]
struct Load {
    /// Whose requests it has or had last, or for whom it was made.
    stream: Prefix,
    so_far: usize,
    /// What it was given and has not looked at.
    given: usize,
    /// Requests that it has, to the ends of their answers' bodies.
    under_way: Vec<Arc<Pulse>>,
    /// The latest end of one.
    latest: Option<Instant>,
    /// It takes nothing more, and ends when it has nothing left.
    is_leaving: bool,
}

/// A request in its instance, where it counts until this is dropped: by the instance if nobody wants its answer, or else
/// by whoever passes the answer on, at its end.
pub(crate) struct Held {
    instance: Arc<Instance>,
    instances: Arc<Instances>,
    /// Whose turn it is.
    pub(crate) pulse: Arc<Pulse>,
}

impl Held {
    /// Whether the instance ended before its time, with whatever it had.
    pub(crate) fn has_failed(&self) -> bool {
        self.instance.failed.load(Ordering::Acquire)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.instance.finish(&self.pulse);
        if self.instance.reserved.is_exceeded() {
            self.instances.let_leave(&self.instance);
        }
        self.instances.dispatch();
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// No instance was free for it in all the time that it may take.
    Busy,
    /// The component took too long.
    TimedOut,
    /// The instance ended, or could not be made.
    Failed(wasmtime::Error),
}

impl Instances {
    /// Once `stopping` is true, instances without work end at once.
    pub(crate) fn new(
        component: Component,
        mut reuse: Reuse,
        shares: Shares,
        memory: Memory,
        stopping: watch::Receiver<bool>,
    ) -> Result<Arc<Self>> {
        let service = service(&component)?;
        if matches!(service, ProxyPre::P2(_)) {
            // Its handler is one call from the request to the end of the answer.
            reuse.requests_at_once = 1;
        }
        let processors = crate::processors();
        let (pool, ended) = (Mutex::default(), Notify::new());
        Ok(Arc::new(Self { component, service, reuse, shares, memory, processors, stopping, pool, ended }))
    }

    /// Has a request answered. Whoever passes the answer's body on keeps the second part until its end.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        stream: Prefix,
        request: Request,
        pulse: Arc<Pulse>,
    ) -> Result<(Response, Held), Unanswered> {
        let (given, mut is_given) = oneshot::channel();
        let (answer, is_answered) = oneshot::channel();
        self.shares.count(stream);
        self.pool.lock().waiting.entry(stream).or_default().push_back(Job { stream, request, pulse, given, answer });
        self.dispatch();
        let given = match tokio::time::timeout(SOON, &mut is_given).await {
            Ok(given) => given,
            Err(_) => {
                // Whoever was about to be free is not.
                self.make(&mut self.pool.lock(), stream, true);
                tokio::time::timeout(self.reuse.request, is_given).await.map_err(|_| Unanswered::Busy)?
            }
        };
        given.map_err(|_| Unanswered::Failed(wasmtime::format_err!("no instance could be made")))?;
        match is_answered.await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(error)) if error.is::<ExpirationError>() => Err(Unanswered::TimedOut),
            Ok(Err(error)) => Err(Unanswered::Failed(error)),
            Err(_) => Err(Unanswered::Failed(wasmtime::format_err!("its instance ended"))),
        }
    }

    /// Resolves when no instance is left.
    pub(crate) async fn drain(&self) {
        loop {
            let ended = self.ended.notified();
            if self.pool.lock().count == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Gives what waits to whoever may have it.
    fn dispatch(self: &Arc<Self>) {
        let mut pool = self.pool.lock();
        let streams: Vec<Prefix> = pool.waiting.keys().copied().collect();
        for stream in streams {
            while let Some(job) = pool.next_job(stream) {
                let lends = self.memory.left() == 0 || pool.count >= INSTANCES_MAX;
                let Some(instance) = pool.instance_for(stream, &self.reuse, lends) else {
                    pool.waiting.entry(stream).or_default().push_front(job);
                    self.make(&mut pool, stream, false);
                    break;
                };
                if instance.begin(&job) >= self.reuse.requests {
                    pool.let_leave(&instance);
                }
                // It cannot have left, because it was in the list, and looks for what it was given before it leaves.
                drop(instance.jobs.send(job));
            }
        }
    }

    fn let_leave(&self, instance: &Arc<Instance>) {
        self.pool.lock().let_leave(instance);
        instance.leaves.wake();
    }

    /// Makes an instance for the requests of a stream, where that helps.
    fn make(self: &Arc<Self>, pool: &mut Pool, stream: Prefix, at_once: bool) {
        let wanted = pool.waiting.get(&stream).map_or(0, VecDeque::len);
        let Own { being_made, own, computing, soon_free } = pool.own(stream);
        if wanted <= being_made
            || computing >= self.processors
            || !at_once && soon_free > 0
            || pool.count >= INSTANCES_MAX
            // Whatever one stream has, others find as many places left.
            || own > 0 && own >= self.memory.left()
        {
            return;
        }
        let Some(reserved) = self.memory.reserve() else {
            return;
        };
        pool.count += 1;
        *pool.being_made.entry(stream).or_default() += 1;
        let (jobs, received) = mpsc::unbounded_channel();
        let instance = Arc::new(Instance::new(stream, jobs, reserved));
        tokio::spawn(Life { instances: self.clone(), instance, store: None, jobs: received }.begin(stream));
    }

    /// An instance that was to be made for a stream is there, or cannot be made.
    fn is_made(self: &Arc<Self>, stream: Prefix, instance: Option<&Arc<Instance>>) {
        let mut pool = self.pool.lock();
        if let Entry::Occupied(mut being_made) = pool.being_made.entry(stream) {
            *being_made.get_mut() -= 1;
            if *being_made.get() == 0 {
                being_made.remove();
            }
        }
        match instance {
            Some(instance) => pool.open.push(instance.clone()),
            // Nobody can tell whether the next one would fare better, so those who wait are told.
            None => drop(pool.waiting.remove(&stream)),
        }
        drop(pool);
        self.dispatch();
    }

    /// An instance waits, and may be given something.
    fn relieved(self: &Arc<Self>) {
        if !self.pool.lock().waiting.is_empty() {
            self.dispatch();
        }
    }
}

/// The HTTP handler that the component exports.
fn service(component: &Component) -> Result<ProxyPre<Guest>> {
    if let Ok(service) = p3::bindings::ServicePre::new(component.instance.clone()) {
        return Ok(ProxyPre::P3(service));
    }
    let service = p2::bindings::ProxyPre::new(component.instance.clone()).map_err(|_| {
        anyhow!("the component exports neither wasi:http/handler@0.3.0 nor wasi:http/incoming-handler@0.2")
    })?;
    Ok(ProxyPre::P2(service))
}

impl Pool {
    /// The next whose client is still there.
    fn next_job(&mut self, stream: Prefix) -> Option<Job> {
        let Entry::Occupied(mut waiting) = self.waiting.entry(stream) else {
            return None;
        };
        let next = std::iter::from_fn(|| waiting.get_mut().pop_front()).find(|job| !job.answer.is_closed());
        if next.is_none() {
            waiting.remove();
        }
        next
    }

    /// The one with the most requests of the stream that has room for one more, or else one without any: the stream's own,
    /// or another stream's where this one has none, not even one that is about to end, or where others lend.
    fn instance_for(&self, stream: Prefix, reuse: &Reuse, lends: bool) -> Option<Arc<Instance>> {
        let has_some = self.being_made.contains_key(&stream)
            || self.leaving.contains_key(&stream)
            || self.open.iter().any(|instance| instance.load.lock().stream == stream);
        let borrows = lends || !has_some;
        let rank = |instance: &&Arc<Instance>| {
            let load = instance.load.lock();
            let is_own = load.stream == stream;
            let has_room = if is_own {
                load.under_way.len() < reuse.requests_at_once
            } else {
                // One that was just made is there for those for whom it was made, as long as one of them waits.
                let is_kept = load.so_far == 0 && self.waiting.contains_key(&load.stream);
                borrows && load.under_way.is_empty() && !is_kept
            };
            let is_free = has_room && load.given == 0 && !instance.computes.load(Ordering::SeqCst);
            is_free.then_some((load.under_way.len(), is_own))
        };
        let fitting = self.open.iter().filter_map(|instance| Some((rank(&instance)?, instance)));
        // Of equal ones the first, so that others are idle for long enough to end.
        fitting.rev().max_by_key(|(rank, _)| *rank).map(|(_, instance)| instance.clone())
    }

    /// What a stream has.
    fn own(&self, stream: Prefix) -> Own {
        let being_made = self.being_made.get(&stream).copied().unwrap_or(0);
        let leaving = self.leaving.get(&stream).copied().unwrap_or(0);
        let mut all = Own { being_made, own: being_made + leaving, computing: being_made, soon_free: 0 };
        for instance in &self.open {
            let load = instance.load.lock();
            all.own += usize::from(load.is_of(stream));
            all.computing += usize::from(load.is_of(stream) && instance.computes());
            // What an instance has left to do it does in the queue of its own stream, however long that is. So nobody else
            // waits for it.
            all.soon_free += usize::from(load.stream == stream && load.under_way.is_empty());
        }
        all
    }

    fn let_leave(&mut self, instance: &Arc<Instance>) {
        self.open.retain(|other| !Arc::ptr_eq(other, instance));
        let mut load = instance.load.lock();
        if !std::mem::replace(&mut load.is_leaving, true) {
            *self.leaving.entry(load.stream).or_default() += 1;
        }
    }

    /// One that was let leave has ended.
    fn has_ended(&mut self, instance: &Instance) {
        self.count -= 1;
        let stream = instance.load.lock().stream;
        if let Entry::Occupied(mut leaving) = self.leaving.entry(stream) {
            *leaving.get_mut() -= 1;
            if *leaving.get() == 0 {
                leaving.remove();
            }
        }
    }
}

/// The instances of a stream.
#[derive(Debug, PartialEq)]
struct Own {
    being_made: usize,
    /// Those with requests, those that are being made, and those that take nothing any more: a stream of many short
    /// requests has most of its memory in these, because each writes its records before it ends.
    own: usize,
    /// Those of them that need a processor.
    computing: usize,
    /// Those without a request.
    soon_free: usize,
}

impl Load {
    fn is_of(&self, stream: Prefix) -> bool {
        self.stream == stream && !self.under_way.is_empty()
    }
}

impl Instance {
    fn new(stream: Prefix, jobs: mpsc::UnboundedSender<Job>, reserved: Reserved) -> Self {
        Self {
            jobs,
            leaves: AtomicWaker::new(),
            load: Mutex::new(Load { stream, ..Load::default() }),
            computes: AtomicBool::new(false),
            in_store: Arc::default(),
            failed: AtomicBool::new(false),
            reserved,
        }
    }

    /// Counts a request, and tells how many there have been.
    fn begin(&self, job: &Job) -> usize {
        let mut load = self.load.lock();
        load.stream = job.stream;
        load.under_way.push(job.pulse.clone());
        load.given += 1;
        load.so_far += 1;
        load.so_far
    }

    fn finish(&self, pulse: &Arc<Pulse>) {
        let mut load = self.load.lock();
        load.under_way.retain(|other| !Arc::ptr_eq(other, pulse));
        load.latest = Some(Instant::now());
    }

    /// Whether it needs a processor.
    fn computes(&self) -> bool {
        self.computes.load(Ordering::SeqCst) && !self.in_store.load(Ordering::Relaxed)
    }

    /// When it has been at what it has for longer than it may be. A request that waits for its client has time.
    fn end_by(&self, request: Duration) -> Instant {
        let load = self.load.lock();
        let now = Instant::now();
        let deadlines = load.under_way.iter().map(|pulse| pulse.deadline(request).unwrap_or(now + request));
        deadlines.max().unwrap_or_else(|| load.latest.unwrap_or(now) + request)
    }
}

/// An instance from its beginning to its end.
struct Life {
    instances: Arc<Instances>,
    instance: Arc<Instance>,
    store: Option<Store<Guest>>,
    jobs: mpsc::UnboundedReceiver<Job>,
}

/// Since when there is nothing to do.
type IdleSince = Mutex<Option<Instant>>;

impl Life {
    async fn begin(mut self, stream: Prefix) {
        let mut store = self.instances.component.store(Some(self.instance.reserved.clone()));
        let made = self.instances.service.instantiate_async(&mut store).await;
        self.store = Some(store);
        self.instances.is_made(stream, made.is_ok().then_some(&self.instance));
        match made {
            Ok(proxy) => self.live(proxy).await,
            Err(error) => eprintln!("No instance of the component could be made: {error:?}"),
        }
    }

    async fn live(mut self, proxy: Proxy) {
        let (instances, instance) = (self.instances.clone(), self.instance.clone());
        let idle = IdleSince::default();
        let (store, jobs) = (self.store.as_mut().expect("it was just made"), &mut self.jobs);
        let yielded = store.data().yielded();
        let serve = async |accessor: &Accessor<Guest>| instances.serve(&instance, accessor, &proxy, jobs, &idle).await;
        let ended = {
            let mut serving = pin!(store.run_concurrent(serve));
            let mut end = End::new(&instances);
            let mut gate = Gate::Out;
            poll_fn(|context| {
                let polled = instances
                    .compute(&instance, &mut gate, &yielded, context, |context| serving.as_mut().poll(context));
                match polled {
                    Poll::Ready(ended) => Poll::Ready(ended.flatten()),
                    Poll::Pending => end.poll(&instances, &instance, *idle.lock(), context),
                }
            })
            .await
        };
        match ended {
            Ok(()) => self.leave(),
            Err(error) => eprintln!("An instance of the component ended: {error:?}"),
        }
    }

    /// The end that is no failure. Any other way to drop it is one.
    fn leave(&mut self) {
        drop(self.store.take());
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.instances.let_leave(&self.instance);
        if let Some(store) = self.store.take() {
            // Before the bodies of its answers end with it.
            self.instance.failed.store(true, Ordering::Release);
            drop(store);
        }
        // What it was given and has not looked at has not begun.
        self.jobs.close();
        let mut pool = self.instances.pool.lock();
        while let Ok(job) = self.jobs.try_recv() {
            pool.waiting.entry(job.stream).or_default().push_front(job);
        }
        pool.has_ended(&self.instance);
        drop(pool);
        self.instance.reserved.release();
        self.instances.ended.notify_waiters();
        self.instances.dispatch();
    }
}

/// Whether an instance has a place to compute.
enum Gate {
    Out,
    Waiting(oneshot::Receiver<Place>),
    In(Place),
}

impl Instances {
    /// Lets an instance go on, once it has a place for it.
    fn compute<R>(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        gate: &mut Gate,
        yielded: &AtomicBool,
        context: &mut Context<'_>,
        go_on: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        instance.computes.store(true, Ordering::SeqCst);
        let stream = instance.load.lock().stream;
        let place = loop {
            *gate = match std::mem::replace(gate, Gate::Out) {
                Gate::In(place) => break place,
                Gate::Out => match self.shares.enter(stream) {
                    Entered::Taken(place) => Gate::In(place),
                    Entered::Waiting(waiting) => Gate::Waiting(waiting),
                },
                Gate::Waiting(mut waiting) => match Pin::new(&mut waiting).poll(context) {
                    Poll::Ready(Ok(place)) => Gate::In(place),
                    Poll::Ready(Err(_)) => Gate::Out,
                    Poll::Pending => {
                        *gate = Gate::Waiting(waiting);
                        return Poll::Pending;
                    }
                },
            };
        };
        let (polled, place) = shares::with_place(place, &instance.in_store, || go_on(context));
        if polled.is_pending() && yielded.swap(false, Ordering::Relaxed) {
            // The engine's clock ticked while it computed, and it goes on when the others have had their turn.
            *gate = place.filter(|place| !self.shares.is_wanted(place)).map_or(Gate::Out, Gate::In);
        } else {
            drop(place);
            instance.computes.store(false, Ordering::SeqCst);
            self.relieved();
        }
        polled
    }

    /// Answers what an instance is given, until it has to leave.
    async fn serve(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        accessor: &Accessor<Guest>,
        proxy: &Proxy,
        jobs: &mut mpsc::UnboundedReceiver<Job>,
        idle: &IdleSince,
    ) -> wasmtime::Result<()> {
        let handle = match proxy {
            Proxy::P3(service) => *service.wasi_http_handler().func_handle().func(),
            Proxy::P2(service) => *service.wasi_http_incoming_handler().func_handle().func(),
        };
        let mut requests = FuturesUnordered::new();
        poll_fn(|context| {
            loop {
                while let Poll::Ready(Some(responded)) = requests.poll_next_unpin(context) {
                    let responded: wasmtime::Result<bool> = responded;
                    match responded {
                        Ok(true) => {}
                        // It goes on with what nobody waits for any more.
                        Ok(false) => self.let_leave(instance),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                if accessor.poll_ready_for_concurrent_call(handle, context).is_ready()
                    && let Poll::Ready(Some(job)) = jobs.poll_recv(context)
                {
                    *idle.lock() = None;
                    requests.push(self.start(instance, accessor, proxy, job));
                    continue;
                }
                instance.leaves.register(context.waker());
                if !requests.is_empty() || accessor.poll_no_interesting_tasks(context).is_pending() {
                    return Poll::Pending;
                }
                let load = instance.load.lock();
                if load.is_leaving && load.given == 0 {
                    return Poll::Ready(Ok(()));
                }
                idle.lock().get_or_insert_with(Instant::now);
                return Poll::Pending;
            }
        })
        .await
    }

    /// A request in an instance, to the head of its answer. Whether there is one.
    fn start<'a>(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        accessor: &'a Accessor<Guest>,
        proxy: &'a Proxy,
        job: Job,
    ) -> impl Future<Output = wasmtime::Result<bool>> + use<'a> {
        let Job { request, pulse, given, answer, .. } = job;
        instance.load.lock().given -= 1;
        let held = Held { instance: instance.clone(), instances: self.clone(), pulse: pulse.clone() };
        let limit = self.reuse.request;
        async move {
            // Where the client is gone the request is carried out all the same.
            let _ = given.send(());
            pulse.component_goes_on();
            let (result, received) = answered::channel();
            let prepared = accessor
                .with(|mut store| Prepared::new(store.as_context_mut(), proxy, request, Guest::http, result))?;
            // A handler of WASI 0.3 ends with the head of its answer, and its end is looked at first: whoever reads the
            // answer knows that its end frees the instance, because nobody else holds the request. One of WASI 0.2 writes
            // the body.
            let pass_on = async move {
                if let Ok(result) = received.await {
                    drop(answer.send(result.map(|response| (response, held))));
                }
            };
            let (responded, ()) = futures::future::join(prepared.run(accessor, pulse.expired(limit)), pass_on).await;
            responded
        }
    }
}

/// Ends an instance that is idle for too long or while the server stops, or one that computes for so long that its
/// requests cannot notice their own time limit.
struct End {
    sleep: Pin<Box<Sleep>>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl End {
    fn new(instances: &Instances) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep(instances.reuse.idle)),
            stopped: Box::pin(stopped(instances.stopping.clone())),
        }
    }

    fn poll(
        &mut self,
        instances: &Instances,
        instance: &Instance,
        idle: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<wasmtime::Result<()>> {
        if idle.is_some() && self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let end =
                idle.map_or_else(|| instance.end_by(instances.reuse.request), |since| since + instances.reuse.idle);
            if self.sleep.deadline() > end.into() {
                self.sleep.as_mut().reset(end.into());
            }
            ready!(self.sleep.as_mut().poll(context));
            if end > Instant::now() {
                // It was set for what is over by now.
                self.sleep.as_mut().reset(end.into());
                continue;
            }
            return Poll::Ready(match idle {
                Some(_) => Ok(()),
                None => Err(wasmtime::format_err!("the component took too long")),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOD: Prefix = 1;
    const QUIET: Prefix = 2;

    /// Instances of these streams, with so many requests each.
    fn pool(instances: &[(Prefix, usize)]) -> Pool {
        let memory = Memory::new(1 << 30);
        let open = instances.iter().map(|(stream, requests)| {
            let instance = Instance::new(*stream, mpsc::unbounded_channel().0, memory.reserve().unwrap());
            let under_way = std::iter::repeat_with(|| Arc::new(Pulse::begin())).take(*requests);
            let mut load = instance.load.lock();
            load.under_way.extend(under_way);
            load.so_far = requests + 1;
            drop(load);
            Arc::new(instance)
        });
        Pool { open: open.collect(), ..Pool::default() }
    }

    /// The number of the instance that a request is given.
    fn given(pool: &Pool, stream: Prefix, lends: bool) -> Option<usize> {
        let instance = pool.instance_for(stream, &Reuse::default(), lends)?;
        pool.open.iter().position(|other| Arc::ptr_eq(other, &instance))
    }

    #[test]
    fn a_stream_with_an_instance_takes_no_idle_one_of_another_stream() {
        let full = Reuse::default().requests_at_once;
        let pool = pool(&[(QUIET, 0), (FLOOD, full)]);
        assert_eq!(given(&pool, FLOOD, false), None);
        assert_eq!(given(&pool, QUIET, false), Some(0));
    }

    #[test]
    fn where_there_is_no_room_for_one_more_instance_an_idle_one_is_lent() {
        let full = Reuse::default().requests_at_once;
        assert_eq!(given(&pool(&[(QUIET, 0), (FLOOD, full)]), FLOOD, true), Some(0));
        assert_eq!(
            given(&pool(&[(QUIET, 1), (FLOOD, full)]), FLOOD, true),
            None,
            "it has a request of the other stream"
        );
    }

    #[test]
    fn a_stream_without_an_instance_takes_an_idle_one_of_another_stream() {
        assert_eq!(given(&pool(&[(FLOOD, 1), (FLOOD, 0)]), QUIET, false), Some(1));
    }

    #[test]
    fn a_stream_takes_its_own_idle_instance_before_another_streams() {
        assert_eq!(given(&pool(&[(FLOOD, 0), (QUIET, 0)]), QUIET, true), Some(1));
        assert_eq!(given(&pool(&[(QUIET, 0), (QUIET, 1)]), QUIET, true), Some(1), "and one with requests before that");
    }

    #[test]
    fn no_stream_waits_for_what_the_instances_of_another_have_left_to_do() {
        let pool = pool(&[(FLOOD, 0), (FLOOD, 3)]);
        pool.open.iter().for_each(|instance| instance.computes.store(true, Ordering::SeqCst));
        assert_eq!(given(&pool, QUIET, true), None);
        assert_eq!(
            pool.own(QUIET),
            Own { being_made: 0, own: 0, computing: 0, soon_free: 0 },
            "so one is made at once"
        );
        assert_eq!(pool.own(FLOOD), Own { being_made: 0, own: 1, computing: 1, soon_free: 1 });
    }

    #[test]
    fn a_new_instance_goes_to_nobody_but_the_stream_that_waits_for_it() {
        let mut pool = pool(&[(QUIET, 0)]);
        pool.open[0].load.lock().so_far = 0;
        pool.waiting.insert(QUIET, VecDeque::new());
        assert_eq!((given(&pool, FLOOD, true), given(&pool, QUIET, false)), (None, Some(0)));
        pool.waiting.remove(&QUIET);
        assert_eq!(given(&pool, FLOOD, true), Some(0), "the client that it was made for has gone");
    }

    #[test]
    fn a_stream_whose_instances_are_about_to_end_takes_none_of_another_stream() {
        let mut pool = pool(&[(FLOOD, 0), (QUIET, 0)]);
        let leaving = pool.open[0].clone();
        pool.let_leave(&leaving);
        assert_eq!((given(&pool, FLOOD, false), given(&pool, QUIET, false)), (None, Some(0)));
    }

    #[test]
    fn what_an_instance_takes_counts_for_its_stream_until_it_has_ended() {
        let mut pool = pool(&[(FLOOD, 0), (FLOOD, 1), (QUIET, 0)]);
        pool.count = 3;
        let leaving: Vec<_> = pool.open.iter().take(2).cloned().collect();
        for instance in leaving.iter().chain(&leaving) {
            pool.let_leave(instance);
        }
        assert_eq!((pool.own(FLOOD).own, pool.own(QUIET).own), (2, 0));
        pool.has_ended(&leaving[0]);
        assert_eq!((pool.own(FLOOD).own, pool.count), (1, 2));
        pool.has_ended(&leaving[1]);
        assert_eq!((pool.own(FLOOD).own, pool.leaving.len()), (0, 0));
    }
}

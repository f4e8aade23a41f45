//! Connections of clients: how many there are, of whom, what each waits for, and which has to go.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::limits::{Machine, Patience};
use crate::pulse::Pulse;
use crate::refusal::Refusal;

/// One client's connection, as the host sees it.
pub(crate) struct Connection {
    client: SocketAddr,
    state: Mutex<State>,
    /// Somebody has to end it.
    over: Notify,
}

struct State {
    phase: Phase,
    since: Instant,
    /// The answer was begun, and not ended.
    is_incomplete: bool,
    /// Some of an answer may not be written yet.
    is_unwritten: bool,
    /// Since when the client takes nothing of what is written.
    blocked: Option<Instant>,
    /// That of the request which is answered.
    pulse: Option<Arc<Pulse>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet.
    New,
    /// A request was answered, and of the next one nothing has come.
    Idle,
    /// The head of a request has begun to come.
    Head,
    /// A request is being answered.
    Busy,
}

/// What came in.
enum Received {
    /// The first bytes of a head, or all of it.
    Beginning,
    /// More of the head.
    More,
    /// Something else.
    Body,
}

impl Connection {
    fn new(client: SocketAddr) -> Self {
        let state = State {
            phase: Phase::New,
            since: Instant::now(),
            is_incomplete: false,
            is_unwritten: false,
            blocked: None,
            pulse: None,
        };
        Self { client, state: Mutex::new(state), over: Notify::new() }
    }

    /// Who is at the other end.
    pub(crate) fn client(&self) -> SocketAddr {
        self.client
    }

    /// Resolves when the connection has to be closed at once.
    pub(crate) async fn over(&self) {
        self.over.notified().await;
    }

    /// A head has come whole.
    pub(crate) fn request_begins(&self) {
        self.state.lock().is_unwritten = true;
        self.enter(Phase::Busy);
    }

    /// The request has a body of an answer that an instance makes.
    pub(crate) fn answer_begins(&self, pulse: Arc<Pulse>) {
        self.state.lock().pulse = Some(pulse);
    }

    /// Some of an answer's body is still to come.
    pub(crate) fn answer_is_incomplete(&self) {
        self.state.lock().is_incomplete = true;
    }

    /// The whole body was made.
    pub(crate) fn answer_is_complete(&self) {
        let mut state = self.state.lock();
        state.is_incomplete = false;
        state.pulse = None;
    }

    /// Nothing is left of the request, not even the body of its answer.
    pub(crate) fn request_ends(&self) {
        self.state.lock().pulse = None;
        self.enter(Phase::Idle);
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state.lock();
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// Answers which part of a head that is, if any.
    fn received(&self) -> Received {
        let mut state = self.state.lock();
        match state.phase {
            Phase::New | Phase::Idle => {
                (state.phase, state.since) = (Phase::Head, Instant::now());
                Received::Beginning
            }
            Phase::Head => Received::More,
            Phase::Busy => Received::Body,
        }
    }

    /// All that was to be written is.
    fn flushed(&self) {
        let mut state = self.state.lock();
        state.is_unwritten &= state.phase == Phase::Busy;
    }

    /// Whether what is written now answers no request that was passed on: a head has begun to come, everything before it is
    /// answered, and all these answers are written. Then it is what the HTTP server says by itself.
    fn is_unasked(&self) -> bool {
        let state = self.state.lock();
        state.phase == Phase::Head && !state.is_unwritten
    }

    fn wrote(&self, was_blocked: bool) {
        let mut state = self.state.lock();
        match was_blocked {
            true => _ = state.blocked.get_or_insert_with(Instant::now),
            false => state.blocked = None,
        }
    }

    /// Since when it has been without a request.
    fn unused_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        (state.phase != Phase::Busy).then_some(state.since)
    }

    /// Whether its client has had all the time that it may have, or the component has left it in the lurch.
    fn is_overdue(&self, patience: &Patience, request: Duration, now: Instant) -> bool {
        let state = self.state.lock();
        let over = |since: Instant, limit: Duration| now.saturating_duration_since(since) >= limit;
        match state.phase {
            Phase::New | Phase::Head => over(state.since, patience.head),
            Phase::Idle => over(state.since, patience.idle),
            Phase::Busy => {
                let deadline = state.pulse.as_ref().and_then(|pulse| pulse.deadline(request));
                state.blocked.is_some_and(|since| over(since, patience.answer))
                    || deadline.is_some_and(|deadline| deadline <= now)
            }
        }
    }
}

/// All connections.
pub(crate) struct Register {
    machine: Machine,
    patience: Patience,
    request: Duration,
    all: Mutex<All>,
    /// There is room again.
    room: Notify,
}

#[derive(Default)]
struct All {
    next: u64,
    by_number: HashMap<u64, Arc<Connection>>,
    by_address: HashMap<IpAddr, usize>,
    said: Option<Instant>,
}

/// A place among the connections, which is free again when this is dropped.
pub(crate) struct Registered {
    number: u64,
    pub(crate) connection: Arc<Connection>,
    register: Arc<Register>,
}

/// How often it is said at most that clients are turned away.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How often it is seen whose time is over. So a client may have a quarter of a second more.
const SWEEP_EVERY: Duration = Duration::from_millis(250);

impl Register {
    pub(crate) fn new(machine: Machine, patience: Patience, request: Duration) -> Self {
        Self { machine, patience, request, all: Mutex::default(), room: Notify::new() }
    }

    /// Waits until there is room for one more. Where there is none, the one that has been unused for longest makes room.
    pub(crate) async fn room(&self) {
        loop {
            let freed = self.room.notified();
            {
                let all = self.all.lock();
                if all.by_number.len() < self.machine.connections {
                    return;
                }
                all.close_longest_unused(|_| true);
            }
            freed.await;
        }
    }

    /// Takes a connection in; nothing where its address has as many as it may have, and all of them are in use.
    pub(crate) fn enter(self: &Arc<Self>, client: SocketAddr) -> Option<Registered> {
        let mut all = self.all.lock();
        let address = network(client.ip());
        let count = all.by_address.get(&address).copied().unwrap_or(0);
        let most = self.machine.connections_per_address;
        if count >= most && !all.close_longest_unused(|other| network(other.client.ip()) == address) {
            all.say(client.ip(), most);
            return None;
        }
        *all.by_address.entry(address).or_default() += 1;
        all.next += 1;
        let (number, connection) = (all.next, Arc::new(Connection::new(client)));
        all.by_number.insert(number, connection.clone());
        Some(Registered { number, connection, register: self.clone() })
    }

    /// Closes those whose client has had its time.
    pub(crate) async fn sweep(&self) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let all: Vec<_> = self.all.lock().by_number.values().cloned().collect();
            let overdue = all.iter().filter(|one| one.is_overdue(&self.patience, self.request, now));
            overdue.for_each(|one| one.over.notify_one());
            // Whoever waits for room looks for connections that are unused by now.
            self.room.notify_waiters();
        }
    }

    /// Resolves when no connection is left.
    pub(crate) async fn empty(&self) {
        loop {
            let freed = self.room.notified();
            if self.all.lock().by_number.is_empty() {
                return;
            }
            freed.await;
        }
    }
}

impl All {
    /// Whether there was one.
    fn close_longest_unused(&self, may_go: impl Fn(&Connection) -> bool) -> bool {
        let unused = self.by_number.values().filter(|one| may_go(one));
        let longest = unused.filter_map(|one| Some((one.unused_since()?, one))).min_by_key(|(since, _)| *since);
        longest.inspect(|(_, one)| one.over.notify_one()).is_some()
    }

    fn say(&mut self, client: IpAddr, most: usize) {
        let now = Instant::now();
        if self.said.is_none_or(|said| now.duration_since(said) >= SAY_EVERY) {
            self.said = Some(now);
            eprintln!(
                "A connection of {client} is turned away, which has {most} in use; behind a proxy, raise \
                 --connections-per-address"
            );
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut all = self.register.all.lock();
        all.by_number.remove(&self.number);
        let address = network(self.connection.client.ip());
        if let Some(count) = all.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                all.by_address.remove(&address);
            }
        }
        self.register.room.notify_waiters();
    }
}

/// One client may have a whole network of 64 bits in IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) & !u128::from(u64::MAX)).into()),
        four @ IpAddr::V4(_) => four,
    }
}

/// The bytes of a connection. Where its answer was not complete, it breaks instead of ending, so that even a client that
/// takes the end of the connection for the end of the answer knows.
pub(crate) struct Wire {
    stream: TcpStream,
    connection: Arc<Connection>,
    refusal: Refusal,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection, refusal: Refusal::default() }
    }

    /// Ends the connection. Where the HTTP server has refused a head by itself, the client learns why.
    pub(crate) async fn end(&mut self) {
        if self.refusal.is_withheld() {
            let answer = self.refusal.answer();
            // A client that is gone does not want to know.
            if self.stream.write_all(&answer).await.is_ok() {
                let _ = self.stream.shutdown().await;
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.connection.state.lock().is_incomplete {
            // Where that fails the connection is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let came = &buffer.filled()[before..];
        if !came.is_empty() {
            match this.connection.received() {
                Received::Beginning => {
                    this.refusal.begin();
                    this.refusal.receive(came);
                }
                Received::More => this.refusal.receive(came),
                Received::Body => {}
            }
        }
        read
    }
}

impl Wire {
    fn written<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.connection.wrote(written.is_pending());
        written
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.connection.is_unasked() {
            return Poll::Ready(Ok(self.refusal.withhold(bytes)));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.is_unasked() {
            let taken = slices.iter().map(|slice| self.refusal.withhold(slice)).sum();
            return Poll::Ready(Ok(taken));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.state.lock().is_incomplete || self.refusal.is_withheld() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_speaks_by_itself_only_between_requests_that_are_answered_and_written() {
        let connection = Connection::new(([127, 0, 0, 1], 1).into());
        assert!(!connection.is_unasked(), "nothing has come");
        assert!(matches!(connection.received(), Received::Beginning));
        assert!(matches!(connection.received(), Received::More));
        assert!(connection.is_unasked(), "a head has begun to come");
        connection.request_begins();
        assert!(matches!(connection.received(), Received::Body));
        connection.flushed();
        assert!(!connection.is_unasked(), "its request is answered");
        connection.request_ends();
        assert!(!connection.is_unasked());
        // The client takes nothing of the answer and sends on.
        assert!(matches!(connection.received(), Received::Beginning));
        assert!(!connection.is_unasked(), "the answer before it is not written");
        connection.flushed();
        assert!(connection.is_unasked());
    }
}

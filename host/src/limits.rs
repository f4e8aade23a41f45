//! Everything that the host grants a client, a request and an instance, in one place.

use std::time::Duration;

/// What a server grants. [`Limits::default`] is for a machine of 2 GB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// How long instances live and what they take on.
    pub reuse: Reuse,
    /// How long clients are waited for.
    pub patience: Patience,
    /// How much of the machine there is for all together.
    pub machine: Machine,
}

impl From<Reuse> for Limits {
    fn from(reuse: Reuse) -> Self {
        Self { reuse, ..Self::default() }
    }
}

/// How long instances live and what they take on.
#[derive(Clone, Copy, Debug)]
pub struct Reuse {
    /// The requests that an instance answers in its life.
    pub requests: usize,
    /// The requests that it has under way at most.
    pub requests_at_once: usize,
    /// How long it is kept without a request.
    pub idle: Duration,
    /// How long the component may take for the head of an answer, and for each further piece of its body. The time in
    /// which the client has to send or to take something does not count. Spin sets no limit unless it is told to.
    pub request: Duration,
}

impl Default for Reuse {
    /// Spin's numbers, where it has them.
    fn default() -> Self {
        Self { requests: 128, requests_at_once: 16, idle: Duration::from_secs(1), request: Duration::from_secs(30) }
    }
}

/// How long clients are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the first byte of a new connection, and for the head of a request from its first byte on.
    pub head: Duration,
    /// How long a connection is kept between two requests. A proxy in front should keep it for less: nginx has 60 s.
    pub idle: Duration,
    /// What the body of an ordinary request has to bring. Slower ones are answered with 408, before an instance sees them.
    pub body: Pace,
    /// What a body has to bring that is too large to be gathered and streams through the instance.
    pub upload: Pace,
    /// How long a client may take nothing of its answer. There is no other limit for a long answer.
    pub answer: Duration,
}

/// At least so many bytes in each stretch of so much time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// In bytes.
    pub bytes: usize,
    /// The stretch of time.
    pub within: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Pace { bytes: 10 << 10, within: Duration::from_secs(10) },
            upload: Pace { bytes: 1 << 10, within: Duration::from_secs(30) },
            answer: Duration::from_secs(30),
        }
    }
}

/// How much of the machine there is for all together.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Connections at a time. Where all are taken, the one that has been without a request for longest is closed.
    pub connections: usize,
    /// Connections of one client address at a time; of IPv6, of one network of 64 bits. A proxy in front is one address.
    pub connections_per_address: usize,
    /// Bytes of memory of all instances together.
    pub instance_bytes: usize,
}

impl Default for Machine {
    fn default() -> Self {
        Self { connections: 1024, connections_per_address: 512, instance_bytes: 1 << 30 }
    }
}

/// The body of a request is gathered up to so many bytes before an instance sees it. The component takes as many of an
/// ordinary request, and refuses longer ones; what is longer streams.
pub(crate) const GATHERED_BYTES_MAX: usize = 1 << 20;

/// Bodies up to this size are gathered whoever else sends one. So 1,024 connections hold 64 MiB at most.
pub(crate) const SMALL_BODY_BYTES: usize = 64 << 10;

/// Longer bodies that are held in memory at a time, so 64 MiB at most. Further ones wait for the client's time to end.
pub(crate) const LARGE_BODIES_MAX: usize = 64;

const _: () = assert!(SMALL_BODY_BYTES < GATHERED_BYTES_MAX);

/// The most instances at a time. Each may hold a thread while it waits for the store.
pub(crate) const INSTANCES_MAX: u32 = 256;

/// The linear memory that an instance may have: far more than the component needs.
pub(crate) const INSTANCE_BYTES_MAX: usize = 256 << 20;

/// What is set aside for an instance that has a request. One that has grown beyond takes no further one, because linear
/// memory never shrinks.
pub(crate) const INSTANCE_BYTES_USUAL: usize = 32 << 20;

const _: () = assert!(INSTANCE_BYTES_USUAL < INSTANCE_BYTES_MAX);

//! Bodies on their way through the host: one of an ordinary request is gathered before an instance sees it, a long one
//! streams, and an answer that ends before its end breaks the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::connection::Connection;
use crate::instances::Held;
use crate::limits::{GATHERED_BYTES_MAX, LARGE_BODIES_MAX, Pace, Patience, SMALL_BODY_BYTES};
use crate::pulse::Pulse;

/// Gathers bodies of requests, as many as the memory set aside for them holds.
pub(crate) struct Gatherer {
    patience: Patience,
    large: Arc<Semaphore>,
}

/// Why a request is answered without the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its body did not come, or too slowly.
    TooSlow,
    /// Its body is no HTTP, or broke off.
    Broken,
    /// As many long bodies are held as there is memory for.
    TooMany,
}

impl Refused {
    /// The status of the answer, and what it says.
    pub(crate) fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The body of the request came too slowly\n"),
            Self::Broken => (StatusCode::BAD_REQUEST, "The body of the request is malformed or broke off\n"),
            Self::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "Too many long requests at once\n"),
        }
    }
}

impl Gatherer {
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, large: Arc::new(Semaphore::new(LARGE_BODIES_MAX)) }
    }

    /// The whole body, or the beginning of one that is longer than what is gathered, with the rest behind it.
    ///
    /// Of a request whose credentials are not known to work no more is gathered than [`SMALL_BODY_BYTES`], and nothing
    /// where more than that is announced: the component reads such a body itself, and only once it knows the caller.
    pub(crate) async fn gather<B>(&self, mut body: B, trusted: bool, pulse: &Arc<Pulse>) -> Result<WasiBody, Refused>
    where
        B: Body<Data = Bytes, Error = hyper::Error> + Unpin + Send + 'static,
    {
        if body.is_end_stream() {
            return Ok(Full::default().map_err(|never| match never {}).boxed_unsync());
        }
        let mut gathered = BytesMut::new();
        let mut permit = None;
        let mut meter = Meter::new(self.patience.body);
        if !trusted && body.size_hint().lower() > SMALL_BODY_BYTES as u64 {
            let (meter, pulse) = (Meter::new(self.patience.upload), pulse.clone());
            return Ok(Upload { ahead: None, body, meter, permit, pulse }.boxed_unsync());
        }
        while let Some(bytes) = next(&mut body, &mut meter).await? {
            if !trusted && gathered.len() + bytes.len() > SMALL_BODY_BYTES {
                gathered.extend_from_slice(&bytes);
                let (ahead, meter) = (Some(gathered.freeze()), Meter::new(self.patience.upload));
                return Ok(Upload { ahead, body, meter, permit, pulse: pulse.clone() }.boxed_unsync());
            }
            if permit.is_none() && gathered.len() + bytes.len() > SMALL_BODY_BYTES {
                permit = Some(self.permit().await?);
                meter = Meter::new(self.patience.body);
            }
            gathered.extend_from_slice(&bytes);
            if gathered.len() > GATHERED_BYTES_MAX {
                let pace = self.patience.upload;
                let upload = Upload {
                    ahead: Some(gathered.freeze()),
                    body,
                    meter: Meter::new(pace),
                    permit,
                    pulse: pulse.clone(),
                };
                return Ok(upload.boxed_unsync());
            }
        }
        Ok(Whole { bytes: Some(gathered.freeze()), _permit: permit }.boxed_unsync())
    }

    /// Whoever has one goes on, or is too slow after a while, so a place is free soon.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let acquired = tokio::time::timeout(self.patience.body.within, self.large.clone().acquire_owned()).await;
        acquired.map_err(|_| Refused::TooMany)?.map_err(|_| Refused::TooMany)
    }
}

/// The next bytes of a body; nothing at its end.
async fn next<B>(body: &mut B, meter: &mut Meter) -> Result<Option<Bytes>, Refused>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    loop {
        let frame = std::future::poll_fn(|context| meter.poll(Pin::new(&mut *body), context)).await;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers of a request mean nothing to SCIM.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(Failure::TooSlow)) => return Err(Refused::TooSlow),
            Some(Err(Failure::Broken(_))) => return Err(Refused::Broken),
        }
    }
}

/// Watches that a body comes no more slowly than it has to. Time counts only while somebody waits for the body, so
/// whoever takes it slowly does the client no harm.
struct Meter {
    pace: Pace,
    /// What has come in this stretch, and how long the client was waited for.
    bytes: usize,
    spent: Duration,
    waiting_since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

enum Failure {
    TooSlow,
    Broken(hyper::Error),
}

impl Meter {
    fn new(pace: Pace) -> Self {
        Self { pace, bytes: 0, spent: Duration::ZERO, waiting_since: None, alarm: None }
    }

    fn poll<B>(&mut self, body: Pin<&mut B>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>>
    where
        B: Body<Data = Bytes, Error = hyper::Error>,
    {
        let Poll::Ready(frame) = body.poll_frame(context) else {
            ready!(self.wait(context));
            return Poll::Ready(Some(Err(Failure::TooSlow)));
        };
        if let Some(since) = self.waiting_since.take() {
            self.spent += since.elapsed();
        }
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(Failure::Broken)?;
            self.count(frame.data_ref().map_or(0, Bytes::len));
            Ok(frame)
        }))
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= self.pace.bytes {
            (self.bytes, self.spent) = (0, Duration::ZERO);
        }
    }

    /// Ready once the stretch is over.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let end = *self.waiting_since.get_or_insert(now) + self.pace.within.saturating_sub(self.spent);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if alarm.deadline() != end {
            alarm.as_mut().reset(end);
        }
        alarm.as_mut().poll(context)
    }
}

/// A body that has been read to its end.
struct Whole {
    bytes: Option<Bytes>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A long body, whose beginning has been read. Once it breaks, whoever reads it gets an error and nothing more.
struct Upload<B> {
    ahead: Option<Bytes>,
    body: B,
    meter: Meter,
    permit: Option<OwnedSemaphorePermit>,
    pulse: Arc<Pulse>,
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Some(ahead) = this.ahead.take() {
            return Poll::Ready(Some(Ok(Frame::data(ahead))));
        }
        this.permit = None;
        let polled = this.meter.poll(Pin::new(&mut this.body), context);
        match &polled {
            Poll::Pending => this.pulse.client_is_awaited(),
            Poll::Ready(_) => this.pulse.component_goes_on(),
        }
        polled.map(|frame| {
            frame.map(|frame| {
                frame.map_err(|failure| match failure {
                    Failure::TooSlow => Error::ConnectionReadTimeout,
                    Failure::Broken(error) => error.into(),
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && self.body.is_end_stream()
    }
}

/// The body of an answer. Where the instance ended before it, it ends with an error, so that the connection breaks and
/// the client knows.
pub(crate) struct Answer {
    body: WasiBody,
    /// What is still to come of a body whose length was told.
    left: Option<u64>,
    /// The request in its instance; nothing where the host answers by itself.
    held: Option<Held>,
    connection: Arc<Connection>,
}

impl Answer {
    /// A body that does not know its length ends where the head says: the HTTP server asks for no more than that.
    pub(crate) fn new(body: WasiBody, headers: &HeaderMap, held: Option<Held>, connection: Arc<Connection>) -> Self {
        let announced = || headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        // What has no more to come does not keep its instance.
        let held = held.filter(|_| !body.is_end_stream());
        if let Some(held) = &held {
            held.pulse.client_is_awaited();
            connection.answer_begins(held.pulse.clone());
        }
        Self { left: body.size_hint().exact().or_else(announced), body, held, connection }
    }

    /// Frees the instance, before the client can know that it has the whole answer.
    fn complete(&mut self) {
        self.held = None;
        self.connection.answer_is_complete();
    }

    fn instance_has_failed(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.has_failed())
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        if frame.is_trailers() {
            // Nothing follows, and nobody asks whether anything does.
            return self.complete();
        }
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes);
            if *left == 0 {
                self.complete();
            }
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if this.left != Some(0) {
            this.connection.answer_is_incomplete();
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            if let Some(held) = &this.held {
                held.pulse.component_is_awaited();
            }
            return Poll::Pending;
        };
        if let Some(held) = &this.held {
            held.pulse.client_is_awaited();
        }
        Poll::Ready(match frame {
            // To the body an instance that is gone looks like one that has finished.
            None if this.instance_has_failed() => Some(Err(Error::HttpResponseIncomplete)),
            None => {
                this.complete();
                None
            }
            Some(Ok(frame)) => {
                this.count(&frame);
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.instance_has_failed()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.request_ends();
    }
}

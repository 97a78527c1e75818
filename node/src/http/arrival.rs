//! The body of a request while it arrives: it has a limited time, and until it is whole its connection can lose its place.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::places::Seat;

/// How far the body of a request has come; stands among the request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Arrival(Arc<AtomicU8>);

const WHOLE: u8 = 1;
const LATE: u8 = 2;

impl Arrival {
    /// Of a request that has a body, or of one that has none and so is whole.
    pub fn of(has_body: bool) -> Self {
        Self(Arc::new(AtomicU8::new(if has_body { 0 } else { WHOLE })))
    }

    /// All of it is here.
    pub fn is_whole(&self) -> bool {
        self.0.load(Ordering::Acquire) == WHOLE
    }

    /// It was given up, since it did not arrive in time.
    pub fn is_late(&self) -> bool {
        self.0.load(Ordering::Acquire) == LATE
    }
}

/// A body that tells its connection's seat when it is whole, and fails when it is not so in time.
pub struct ArrivingBody<B> {
    body: B,
    seat: Arc<Seat>,
    arrival: Arrival,
    until: Instant,
    /// Made when the body is first waited for: most are here with their header.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<B> ArrivingBody<B> {
    /// The body of the request that `seat` has begun; `patience` counts from now.
    pub fn new(body: B, seat: Arc<Seat>, arrival: Arrival, patience: Duration) -> Self {
        Self { body, seat, arrival, until: Instant::now() + patience, alarm: None }
    }

    /// What was read is all.
    fn whole(&self) -> io::Result<()> {
        self.arrival.0.store(WHOLE, Ordering::Release);
        // Nothing may be done for a connection that is being closed already.
        self.seat.received().then_some(()).ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for ArrivingBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if this.body.is_end_stream() => {
                Poll::Ready(Some(this.whole().map(|()| frame).map_err(Into::into)))
            }
            Poll::Ready(Some(frame)) => Poll::Ready(Some(frame.map_err(Into::into))),
            Poll::Ready(None) => Poll::Ready(this.whole().err().map(|error| Err(error.into()))),
            Poll::Pending => {
                let until = this.until;
                let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
                std::task::ready!(alarm.as_mut().poll(cx));
                this.arrival.0.store(LATE, Ordering::Release);
                Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for ArrivingBody<B> {
    fn drop(&mut self) {
        // Whoever answers the request does not ask for more of it.
        self.seat.received();
    }
}

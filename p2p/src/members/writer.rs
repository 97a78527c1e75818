//! The sending end of a lane.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures::{AsyncRead, AsyncWrite};
use libp2p::Stream;

use super::{
    TURN,
    frame::{self, PING},
    link::Pass,
};

/// Messages up to this size are copied next to each other, so that many of them go out in one write.
const SMALL: usize = 8 << 10;
/// Bytes taken from the queue at one time.
const BATCH: usize = 64 << 10;

/// Writes what is queued: many small messages in one write, large ones without a copy, one flush when the queue is empty.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: Stream,
    pass: Pass,
    batch: VecDeque<Bytes>,
    scratch: BytesMut,
    /// What is to be written, in order.
    chunks: VecDeque<Bytes>,
    unflushed: bool,
    /// Something was written since the last look.
    active: bool,
}

impl Writer {
    pub(crate) fn new(stream: Stream, pass: Pass) -> Self {
        Self {
            stream,
            pass,
            batch: VecDeque::new(),
            scratch: BytesMut::new(),
            chunks: VecDeque::new(),
            unflushed: false,
            active: true,
        }
    }

    /// Adds a ping where the lane was quiet since the last call.
    pub(crate) fn keep_alive(&mut self) {
        if !std::mem::take(&mut self.active) && self.chunks.is_empty() {
            self.chunks.push_back(Bytes::from_static(&PING));
        }
    }

    /// Writes as much as the stream takes. It ends only by an error: the peer has closed the stream, or another one has taken
    /// its seat.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.pass.seat().register(cx);
        if self.pass.seat().is_stale() {
            return Poll::Ready(io::Error::other("replaced"));
        }
        // Nothing comes this way but the end.
        match Pin::new(&mut self.stream).poll_read(cx, &mut [0]) {
            Poll::Ready(Ok(0)) => return Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
            Poll::Ready(Ok(_)) => return Poll::Ready(frame::malformed("bytes on the way back")),
            Poll::Ready(Err(error)) => return Poll::Ready(error),
            Poll::Pending => {}
        }
        match self.write(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut moved = 0;
        loop {
            let Some(chunk) = self.chunks.front_mut() else {
                if self.refill() {
                    continue;
                }
                break;
            };
            match ready!(Pin::new(&mut self.stream).poll_write(cx, chunk))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    chunk.advance(count);
                    moved += count;
                }
            }
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            (self.unflushed, self.active) = (true, true);
            if moved >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn refill(&mut self) -> bool {
        self.pass.take(BATCH, &mut self.batch);
        for message in self.batch.drain(..) {
            self.scratch.extend_from_slice(&frame::head(&message));
            if message.len() <= SMALL {
                self.scratch.extend_from_slice(&message);
            } else {
                self.chunks.push_back(self.scratch.split().freeze());
                self.chunks.push_back(message);
            }
        }
        if !self.scratch.is_empty() {
            self.chunks.push_back(self.scratch.split().freeze());
        }
        !self.chunks.is_empty()
    }
}

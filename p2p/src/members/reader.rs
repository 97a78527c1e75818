//! The receiving end of a lane.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::AsyncRead;
use libp2p::Stream;

use super::{
    Lane, TURN,
    frame::{Decoder, Frame, MAX_MEMBER_MESSAGE, malformed},
    link::Pass,
};

/// Reads messages as long as the node has room for them.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: Stream,
    pass: Pass,
    decoder: Decoder,
    /// A message for which there was no room.
    held: Option<Bytes>,
}

impl Reader {
    pub(crate) fn new(stream: Stream, pass: Pass) -> Self {
        Self { stream, pass, decoder: Decoder::new(MAX_MEMBER_MESSAGE), held: None }
    }

    pub(crate) fn pass(&self) -> &Pass {
        &self.pass
    }

    /// Whether it waits for the node and so hears nothing.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Reads what is there. It ends only by an error: the peer has closed the stream or broken the framing, or another one
    /// has taken its seat.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.pass.seat().register(cx);
        let mut moved = 0;
        loop {
            if self.pass.seat().is_stale() {
                return Poll::Ready(io::Error::other("replaced"));
            }
            if let Some(data) = self.held.take()
                && let Err(data) = self.pass.deliver(data)
            {
                self.held = Some(data);
                return Poll::Pending;
            }
            match self.decoder.next() {
                Ok(Some(Frame::Message(data))) => self.held = Some(data),
                Ok(Some(Frame::Ping)) if self.pass.lane() == Lane::Urgent => {}
                Ok(Some(Frame::Ping)) => return Poll::Ready(malformed("a ping on the bulk lane")),
                Err(error) => return Poll::Ready(error),
                Ok(None) if moved >= TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(None) => match Pin::new(&mut self.stream).poll_read(cx, self.decoder.space()) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    Poll::Ready(Ok(0)) if self.decoder.is_torn() => {
                        return Poll::Ready(io::Error::new(io::ErrorKind::UnexpectedEof, "ends within a frame"));
                    }
                    Poll::Ready(Ok(0)) => return Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
                    Poll::Ready(Ok(count)) => {
                        self.pass.link().hear();
                        self.decoder.filled(count);
                        moved += count;
                    }
                },
            }
        }
    }
}

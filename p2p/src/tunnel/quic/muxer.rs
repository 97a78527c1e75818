//! A QUIC connection inside a tunnel, as a multiplexer of libp2p.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite, FutureExt, future::BoxFuture};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::sync::watch;

use crate::error::PathError;

type Streams = Result<(SendStream, RecvStream), ConnectionError>;

/// Application error code of a connection that its owner closed.
const CLOSED: VarInt = VarInt::from_u32(0);
/// Of one whose peer was given up.
const LOST: VarInt = VarInt::from_u32(1);

/// The connection.
pub(crate) struct Muxer {
    connection: Connection,
    inbound: Option<BoxFuture<'static, Streams>>,
    outbound: Option<BoxFuture<'static, Streams>>,
    closing: Option<BoxFuture<'static, ConnectionError>>,
    /// Ends when the engine gives the peer up.
    lost: BoxFuture<'static, ()>,
}

impl Muxer {
    /// `lost` tells when the peer was given up, since the connection was begun.
    pub(super) fn new(connection: Connection, mut lost: watch::Receiver<u64>) -> Self {
        let lost = async move {
            // The sender is gone only when the peer has been removed.
            let _ = lost.changed().await;
        };
        Self { connection, inbound: None, outbound: None, closing: None, lost: lost.boxed() }
    }
}

impl StreamMuxer for Muxer {
    type Substream = Stream;
    type Error = PathError;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, PathError>> {
        let this = self.get_mut();
        let connection = &this.connection;
        let inbound = this.inbound.get_or_insert_with(|| {
            let connection = connection.clone();
            async move { connection.accept_bi().await }.boxed()
        });
        let streams = ready!(inbound.poll_unpin(cx));
        this.inbound = None;
        Poll::Ready(Ok(Stream::new(streams?)))
    }

    fn poll_outbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, PathError>> {
        let this = self.get_mut();
        let connection = &this.connection;
        let outbound = this.outbound.get_or_insert_with(|| {
            let connection = connection.clone();
            async move { connection.open_bi().await }.boxed()
        });
        let streams = ready!(outbound.poll_unpin(cx));
        this.outbound = None;
        Poll::Ready(Ok(Stream::new(streams?)))
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, PathError>> {
        let this = self.get_mut();
        ready!(this.lost.poll_unpin(cx));
        this.lost = futures::future::pending().boxed();
        this.connection.close(LOST, b"the peer does not answer");
        Poll::Ready(Err(PathError::Lost))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), PathError>> {
        let this = self.get_mut();
        let connection = &this.connection;
        let closing = this.closing.get_or_insert_with(|| {
            connection.close(CLOSED, &[]);
            let connection = connection.clone();
            async move { connection.closed().await }.boxed()
        });
        match ready!(closing.poll_unpin(cx)) {
            ConnectionError::LocallyClosed => Poll::Ready(Ok(())),
            error => Poll::Ready(Err(error.into())),
        }
    }
}

/// A bidirectional stream.
pub(crate) struct Stream {
    send: SendStream,
    recv: RecvStream,
    closed: Option<Result<(), io::ErrorKind>>,
}

impl Stream {
    fn new((send, recv): (SendStream, RecvStream)) -> Self {
        Self { send, recv, closed: None }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if matches!(self.closed, Some(Err(_))) {
            return Poll::Ready(Ok(0));
        }
        AsyncRead::poll_read(Pin::new(&mut self.recv), cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), cx)
    }

    /// May be called again after it was ready; quinn's own may not.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(closed) = self.closed {
            return Poll::Ready(closed.map_err(Into::into));
        }
        let result = ready!(AsyncWrite::poll_close(Pin::new(&mut self.send), cx));
        self.closed = Some(result.as_ref().map(|&()| ()).map_err(io::Error::kind));
        Poll::Ready(result)
    }
}

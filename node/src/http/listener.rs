//! A TCP listener that serves a bounded number of connections and closes those that stay silent.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};

use super::places::{Place, Places, Seat};

/// The address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub SocketAddr);

/// Accepts up to a fixed number of connections. A further one takes the place of one that asks nothing ([`Places`]), or waits, and those
/// behind it wait in the kernel's queue.
pub struct BoundedListener {
    tcp: TcpListener,
    places: Arc<Places>,
    idle: Duration,
    /// Accepted, and without a place yet. It stands here because the future of `accept` may be dropped while it waits.
    arrived: Option<(TcpStream, SocketAddr)>,
}

/// A connection that holds its place and ends when nothing was read or written for the idle time.
pub struct BoundedStream {
    tcp: TcpStream,
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
    place: Place,
}

impl BoundedListener {
    /// Binds `address`.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub async fn bind(address: SocketAddr, connections: usize, idle: Duration) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        Ok(Self { tcp, places: Places::new(connections), idle, arrived: None })
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Some((_, address)) = &self.arrived else {
                match self.tcp.accept().await {
                    Ok(arrived) => self.arrived = Some(arrived),
                    // Out of file descriptors, or the client has gone already.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
                continue;
            };
            let place = self.places.take(address.ip()).await;
            // Without a place it is closed: its client holds its share.
            if let (Some((tcp, address)), Some(place)) = (self.arrived.take(), place) {
                let _ = tcp.set_nodelay(true);
                let alarm = Box::pin(sleep(self.idle));
                return (BoundedStream { tcp, idle: self.idle, alarm, place }, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl BoundedStream {
    /// What this connection does with its place, to be told by who serves it.
    pub fn seat(&self) -> &Arc<Seat> {
        self.place.seat()
    }

    fn touched(&mut self) {
        let next = Instant::now() + self.idle;
        // Resetting a timer costs more than reading a clock: half a second early or late is the same here.
        if next.duration_since(self.alarm.deadline()) > Duration::from_millis(500) {
            self.alarm.as_mut().reset(next);
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.tcp).poll_read(cx, buf) {
            Poll::Ready(result) => {
                self.touched();
                Poll::Ready(result)
            }
            Poll::Pending => match self.alarm.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if written.is_ready() {
            self.touched();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tcp).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.place.seat().flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        if written.is_ready() {
            self.touched();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

#[cfg(test)]
#[path = "listener_test.rs"]
mod tests;

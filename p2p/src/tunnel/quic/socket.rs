//! A UDP port inside the tunnels, as quinn wants one.

use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};

use crate::tunnel::{
    core::Core,
    link::Flow,
    ports::{JOINED, PortQueue},
};

/// A bound port; dropping it sets the port free.
pub(crate) struct OverlaySocket {
    core: Arc<Core>,
    port: u16,
    queue: Arc<PortQueue>,
}

impl OverlaySocket {
    /// Binds `port`, 0 for a free one.
    pub(crate) fn bind(core: &Arc<Core>, port: u16) -> io::Result<Self> {
        let (port, queue) = core.ports.bind(port, core.config.limits.port_queue)?;
        Ok(Self { core: Arc::clone(core), port, queue })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

impl AsyncUdpSocket for OverlaySocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller { core: Arc::clone(&self.core), waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let SocketAddr::V6(to) = transmit.destination else { return Err(io::ErrorKind::Unsupported.into()) };
        let flow = Flow { addresses: (self.core.overlay, *to.ip()), ports: (self.port, to.port()) };
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len());
        self.core.send_datagrams(flow, transmit.contents, segment)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.queue.poll_recv(cx, self.core.overlay, buffers, metas).map(Ok)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok((self.core.overlay, self.port).into())
    }

    fn max_transmit_segments(&self) -> usize {
        self.core.socket().map_or(1, |socket| socket.segments())
    }

    fn max_receive_segments(&self) -> usize {
        JOINED
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl fmt::Debug for OverlaySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OverlaySocket([{}]:{})", self.core.overlay, self.port)
    }
}

impl Drop for OverlaySocket {
    fn drop(&mut self) {
        self.core.ports.release(self.port);
    }
}

/// Waits for room in the outer socket.
struct Poller {
    core: Arc<Core>,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(socket) = this.core.socket() else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(async move { socket.writable().await }));
        let result = ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        Poll::Ready(result)
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

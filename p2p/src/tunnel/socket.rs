//! The one UDP socket, with segmentation offload in both directions.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use quinn::udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::{
    io::{Interest, Ready},
    net::UdpSocket,
    time::Instant,
};

use super::config::TunnelConfig;
use crate::TunnelError;

/// Between two attempts to bind a busy port.
const BIND_AGAIN: Duration = Duration::from_millis(50);
/// Bytes of one receive buffer: the largest datagram, or as many as the system joined into one read.
pub(crate) const RECEIVE_BUFFER: usize = 64 << 10;
/// Receive buffers filled by one system call.
pub(crate) const RECEIVE_BATCH: usize = 8;
/// Datagrams that one system call sends at most, whatever the system could do.
const MAX_SEGMENTS: usize = 44;

/// The socket outside the tunnels.
#[derive(Debug)]
pub(crate) struct OuterSocket {
    io: UdpSocket,
    state: UdpSocketState,
    ipv6: bool,
}

impl OuterSocket {
    /// Binds, trying a busy port again for `limits.bind_patience`.
    pub(crate) async fn bind(config: &TunnelConfig) -> Result<Self, TunnelError> {
        let until = Instant::now() + config.limits.bind_patience;
        let io = loop {
            match UdpSocket::bind(config.listen).await {
                Ok(io) => break io,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                    tokio::time::sleep(BIND_AGAIN).await;
                }
                Err(error) => return Err(TunnelError::Listen { address: config.listen, reason: error.to_string() }),
            }
        };
        let failed = |error: io::Error| TunnelError::Listen { address: config.listen, reason: error.to_string() };
        let state = UdpSocketState::new(UdpSockRef::from(&io)).map_err(failed)?;
        for result in [
            state.set_recv_buffer_size(UdpSockRef::from(&io), config.limits.socket_buffer),
            state.set_send_buffer_size(UdpSockRef::from(&io), config.limits.socket_buffer),
        ] {
            if let Err(error) = result {
                tracing::debug!(%error, "the system grants no larger buffer to the tunnel's socket");
            }
        }
        super::refused::enable(&io, config.listen.is_ipv6());
        // The runtime learns that the socket has room; before, nothing would be sent.
        io.writable().await.map_err(failed)?;
        Ok(Self { io, state, ipv6: config.listen.is_ipv6() })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Datagrams that one call of [`OuterSocket::try_send`] should hold.
    pub(crate) fn segments(&self) -> usize {
        self.state.max_gso_segments().min(MAX_SEGMENTS)
    }

    /// Whether a datagram would be taken now.
    pub(crate) fn is_writable(&self) -> bool {
        self.io.try_io(Interest::WRITABLE, || Ok(())).is_ok()
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// Readable, or an error report of the system waits.
    pub(crate) async fn ready(&self) -> io::Result<Ready> {
        self.io.ready(Interest::READABLE.add(Interest::ERROR)).await
    }

    /// Sends datagrams of `segment` bytes each, of which the last may be shorter. What the system refuses is dropped, as the
    /// network would; only a full socket is an error.
    ///
    /// # Errors
    /// `WouldBlock`: await [`OuterSocket::writable`].
    pub(crate) fn try_send(&self, to: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        let most = segment.saturating_mul(self.segments().max(1)).max(1);
        for part in contents.chunks(most) {
            self.try_send_part(to, part, segment)?;
        }
        Ok(())
    }

    fn try_send_part(&self, to: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        let transmit = Transmit {
            destination: self.outbound(to),
            ecn: None,
            contents,
            segment_size: (contents.len() > segment).then_some(segment),
            src_ip: None,
        };
        // The report of an earlier datagram's refusal can come with a later one, which then has not been sent.
        for _ in 0..3 {
            let sent =
                self.io.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.io), &transmit));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    tracing::debug!(%error, %to, "a datagram was not sent");
                    return Ok(());
                }
                Ok(()) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Sends one datagram, waiting for room.
    pub(crate) async fn send(&self, to: SocketAddr, datagram: &[u8]) {
        while let Err(_full) = self.try_send(to, datagram, datagram.len()) {
            if self.io.writable().await.is_err() {
                return;
            }
        }
    }

    /// Fills buffers with what has arrived; the number of buffers filled.
    pub(crate) fn try_recv(&self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> io::Result<usize> {
        self.io.try_io(Interest::READABLE, || self.state.recv(UdpSockRef::from(&self.io), buffers, metas))
    }

    /// Peers' addresses at which, as the system reports, nobody listens.
    pub(crate) fn refused(&self) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        let drained = self.io.try_io(Interest::ERROR, || super::refused::drain(&self.io, &mut addresses));
        if let Err(error) = drained
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!(%error, "the system's error reports cannot be read");
        }
        addresses
    }

    /// A socket of IPv6 speaks IPv4 in mapped form (RFC 4291, section 2.5.5.2).
    fn outbound(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.ipv6 => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        }
    }
}

/// The plain form of an address that came from a socket of both families.
pub(crate) fn inbound(from: SocketAddr) -> SocketAddr {
    SocketAddr::new(from.ip().to_canonical(), from.port())
}

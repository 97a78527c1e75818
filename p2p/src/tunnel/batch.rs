//! Encrypted datagrams on their way to one endpoint.

use std::{io, net::SocketAddr};

use gotatun::packet::Packet;

use super::socket::OuterSocket;

/// Datagrams of one length, of which the last may be shorter: one system call sends all.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    segment: usize,
    /// Goes before them.
    pub(crate) handshake: Option<Packet>,
}

impl Batch {
    /// Room for `contents` bytes of payload in datagrams of `segment` bytes each.
    pub(crate) fn with_capacity(contents: usize, segment: usize) -> Self {
        let segments = contents.div_ceil(segment.max(1));
        // WireGuard adds 32 bytes, the inner headers 48, padding up to 15.
        Self { bytes: Vec::with_capacity(contents + segments * 96), segment: 0, handshake: None }
    }

    /// Whether a datagram of this length can be added: none before it was shorter than the first one.
    pub(crate) fn accepts(&self, length: usize) -> bool {
        self.bytes.is_empty() || (length <= self.segment && self.bytes.len().is_multiple_of(self.segment))
    }

    pub(crate) fn push(&mut self, packet: &[u8]) {
        if self.bytes.is_empty() {
            self.segment = packet.len();
        }
        self.bytes.extend_from_slice(packet);
    }

    /// # Errors
    /// `WouldBlock` while the socket is full.
    pub(crate) fn send(self, socket: &OuterSocket, to: SocketAddr) -> io::Result<()> {
        if let Some(handshake) = &self.handshake {
            // Repeated by its timer where it is lost here.
            let _ = socket.try_send(to, handshake, handshake.len());
        }
        if self.bytes.is_empty() { Ok(()) } else { socket.try_send(to, &self.bytes, self.segment) }
    }
}

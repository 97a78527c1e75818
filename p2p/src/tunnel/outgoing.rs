//! What is on its way to the socket.

use std::{io, net::SocketAddr};

use bytes::BytesMut;
use gotatun::packet::Packet;

use super::{obfuscation::Disguise, socket::OuterSocket};

/// Datagrams to send as they are, and where.
pub(crate) type Replies = Vec<(SocketAddr, Packet)>;

/// A datagram of its own.
pub(crate) fn own(wire: &[u8]) -> Packet {
    Packet::from_bytes(BytesMut::from(wire))
}

/// Encrypted datagrams of one length on their way to one endpoint, of which the last may be shorter: one system call sends all.
pub(crate) struct Batch<'a> {
    disguise: Option<&'a Disguise>,
    bytes: Vec<u8>,
    segment: usize,
    /// What goes before them.
    pub(crate) handshakes: Replies,
}

impl<'a> Batch<'a> {
    /// Room for `contents` bytes in parts of `segment`.
    pub(crate) fn new(disguise: Option<&'a Disguise>, contents: usize, segment: usize) -> Self {
        let segments = contents.div_ceil(segment.max(1));
        // WireGuard adds 32 bytes, the inner headers 48, padding up to 15; an obfuscation has its own.
        let more = 96 + disguise.map_or(0, Disguise::data_padding);
        Self { disguise, bytes: Vec::with_capacity(contents + segments * more), segment: 0, handshakes: Replies::new() }
    }

    /// Whether a datagram of this length can be added: none before it was shorter than the first one.
    pub(crate) fn accepts(&self, length: usize) -> bool {
        let length = length + self.disguise.map_or(0, Disguise::data_padding);
        self.bytes.is_empty() || (length <= self.segment && self.bytes.len().is_multiple_of(self.segment))
    }

    pub(crate) fn push(&mut self, packet: &Packet) {
        let first = self.bytes.is_empty();
        match self.disguise {
            None => self.bytes.extend_from_slice(packet),
            // All grow alike, so they are of one length still.
            Some(disguise) => disguise.wrap(packet, None, &mut self.bytes),
        }
        if first {
            self.segment = self.bytes.len();
        }
    }

    pub(crate) fn send(self, socket: &OuterSocket, to: SocketAddr) -> io::Result<()> {
        for (to, handshake) in self.handshakes {
            // Repeated by its timer where it is lost here.
            let _ = socket.try_send(to, &handshake, handshake.len());
        }
        if self.bytes.is_empty() { Ok(()) } else { socket.try_send(to, &self.bytes, self.segment) }
    }
}

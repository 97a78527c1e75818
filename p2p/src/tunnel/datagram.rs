//! What the first byte of a datagram says.
//!
//! | first byte | what | where it goes |
//! |---|---|---|
//! | `0x01` – `0x04` | WireGuard (whitepaper, section 5.4) | the engine |
//! | `0x81` – `0x86` | Rosenpass (whitepaper, section 4) | [`TunnelQueues::rosenpass`](super::TunnelQueues::rosenpass) |
//! | `0xb0` – `0xbf` | bootstrap: peer records and key chunks | [`TunnelQueues::bootstrap`](super::TunnelQueues::bootstrap) |
//! | other | nothing | counted and dropped |

use std::net::SocketAddr;

use bytes::Bytes;

/// Longest datagram of Rosenpass or of the bootstrap, in bytes: what any path carries unfragmented, and more than
/// Rosenpass' longest message of 1,132.
pub const MAX_SIDE_DATAGRAM: usize = 1_232;

/// The protocols that share the port with WireGuard, outside the tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideProtocol {
    /// Key exchange of Rosenpass.
    Rosenpass,
    /// Signed peer records and chunks of public keys.
    Bootstrap,
}

impl SideProtocol {
    /// The protocol to which a datagram that begins with `first` belongs.
    #[must_use]
    pub const fn of(first: u8) -> Option<Self> {
        match first {
            0x81..=0x86 => Some(Self::Rosenpass),
            0xb0..=0xbf => Some(Self::Bootstrap),
            _ => None,
        }
    }
}

/// A datagram of such a protocol. Nothing about it is authenticated, its sender's address neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideDatagram {
    /// Where it says that it comes from.
    pub from: SocketAddr,
    /// The whole datagram, at most [`MAX_SIDE_DATAGRAM`] bytes.
    pub data: Bytes,
}

/// Whether the engine reads a datagram that begins so.
pub(crate) const fn is_wireguard(first: u8) -> bool {
    matches!(first, 1..=4)
}

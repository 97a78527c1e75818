//! What the machine wants done.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::identity::KeyId;
use crate::error::RosenpassError;
use zeroize::Zeroizing;

/// Which side of a handshake we were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We sent InitHello.
    Initiator,
    /// We answered it.
    Responder,
}

/// A key for WireGuard: `osk` under the label `["rosenpass.eu", "wireguard psk"]`. 32 bytes, wiped on drop.
pub struct OutputKey(Zeroizing<[u8; 32]>);

impl OutputKey {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for OutputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputKey(…)")
    }
}

/// One thing to do. In the order in which they stand.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send this datagram.
    Send {
        /// To this address.
        to: SocketAddr,
        /// 64 to 1,132 bytes.
        bytes: Vec<u8>,
    },
    /// A new key: use it as the peer's pre-shared key from now on, instead of the one before.
    NewKey {
        /// The peer.
        peer: KeyId,
        /// The key.
        key: OutputKey,
        /// Our side of the handshake.
        role: Role,
        /// Where the peer spoke from.
        endpoint: SocketAddr,
    },
    /// The peer has no key any more: it is too old, or the peer was removed. Nothing may be sent to it until [`Effect::NewKey`].
    KeyExpired {
        /// The peer.
        peer: KeyId,
    },
    /// Something was not done, and why. There may be one for each datagram of a flood: count them, log few.
    Refused {
        /// Where the datagram came from; nothing where the caller is meant.
        from: Option<SocketAddr>,
        /// Why.
        error: RosenpassError,
    },
    /// Call again at this time, with [`super::Input::Wake`] if nothing else has happened. Takes the place of all earlier ones.
    WakeAt(Duration),
}

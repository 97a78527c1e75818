//! What happens to the machine.

use std::fmt;
use std::net::SocketAddr;

use pyralog_crypto::kem::StaticPublicKey;
use zeroize::Zeroizing;

use super::identity::KeyId;

/// A peer to exchange keys with.
pub struct PeerSettings {
    /// Its static public key.
    pub public_key: StaticPublicKey,
    /// A secret that both sides have beforehand; the same on both, or on neither.
    pub pre_shared_key: Option<Zeroizing<[u8; 32]>>,
    /// Where it may be, the likeliest first; eight count. With none we wait for its InitHello.
    pub endpoints: Vec<SocketAddr>,
}

impl fmt::Debug for PeerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, endpoints) = (&self.public_key, &self.endpoints);
        f.debug_struct("PeerSettings").field("public_key", key).field("endpoints", endpoints).finish_non_exhaustive()
    }
}

/// One event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The time of [`super::Effect::WakeAt`] has come.
    Wake,
    /// A datagram whose first byte is of ours ([`super::is_rosenpass`]).
    Datagram {
        /// The sender's address, which may be forged.
        from: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// Exchange keys with this peer from now on.
    AddPeer(PeerSettings),
    /// Stop, and forget the peer's secrets.
    RemovePeer(KeyId),
    /// The peer may be at these addresses now. The address at which it was last proven to be stays the first.
    SetEndpoints(KeyId, Vec<SocketAddr>),
    /// A new key is wanted now, however young the present one is. Does nothing while a handshake is on its way.
    Renew(KeyId),
    /// The caller's queue of datagrams is long: for a second, InitHellos need a cookie.
    Loaded,
}

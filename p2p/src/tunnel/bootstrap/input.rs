//! What happens to the machine.

use std::net::SocketAddr;

use libp2p::PeerId;
use pyralog_crypto::Hash;
use pyralog_crypto::kem::StaticPublicKey;

use crate::tunnel::SignedPeerRecord;

/// One event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The time of [`super::Effect::WakeAt`] has come.
    Wake,
    /// A datagram of the bootstrap.
    Datagram {
        /// The sender's address, which may be forged.
        from: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// This is our record from now on, and the key that it names.
    Publish(Box<SignedPeerRecord>, Option<StaticPublicKey>),
    /// A record to be told on to whoever asks for its peer.
    Learn(Box<SignedPeerRecord>),
    /// No longer.
    Forget(PeerId),
    /// The record of this peer is wanted. These addresses are asked: its own, or those of peers that may know it.
    Seek(PeerId, Vec<SocketAddr>),
    /// It is not wanted any more.
    Abandon(PeerId),
    /// The key with this BLAKE3 hash is wanted from its owner, which is at one of these addresses.
    Fetch(Hash, Vec<SocketAddr>),
    /// It is not wanted any more. What is there of it is dropped.
    Cancel(Hash),
}

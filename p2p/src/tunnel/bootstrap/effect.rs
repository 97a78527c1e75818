//! What the machine wants done.

use std::net::SocketAddr;
use std::time::Duration;

use libp2p::PeerId;
use pyralog_crypto::Hash;
use pyralog_crypto::kem::StaticPublicKey;

use crate::BootstrapError;
use crate::tunnel::SignedPeerRecord;

/// One thing to do. In the order in which they stand.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send this datagram.
    Send {
        /// To this address.
        to: SocketAddr,
        /// 10 to 1,120 bytes.
        bytes: Vec<u8>,
    },
    /// The record of a peer that was sought; verified.
    Found {
        /// The record.
        record: Box<SignedPeerRecord>,
        /// Who told it.
        from: SocketAddr,
    },
    /// A stranger asked us for a record, and brought its own; verified, and newer than what was known. It receives at its address.
    Introduced {
        /// The record.
        record: Box<SignedPeerRecord>,
        /// Where it is.
        from: SocketAddr,
    },
    /// The key that was wanted. Its hash is right.
    Key {
        /// Its hash.
        hash: Hash,
        /// The key.
        key: StaticPublicKey,
    },
    /// Nobody told the record of a peer.
    NotFound {
        /// The peer.
        peer: PeerId,
        /// Why.
        error: BootstrapError,
    },
    /// The key could not be fetched. What is there of it is kept for the next attempt, unless it was wrong.
    NotFetched {
        /// Its hash.
        hash: Hash,
        /// Why.
        error: BootstrapError,
    },
    /// A datagram was not answered, and why. There may be one for each datagram of a flood: count them, log few.
    Refused {
        /// The sender, which may be forged.
        from: SocketAddr,
        /// Why.
        error: BootstrapError,
    },
    /// Call again at this time, with [`super::Input::Wake`] if nothing else has happened. Takes the place of all earlier ones.
    WakeAt(Duration),
}

//! What happens to the links.

use std::net::SocketAddr;

use super::TunnelKey;

/// An event of a tunnel. They are news and no state: a queue that is not read loses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelEvent {
    /// A session was agreed upon with a peer, the first or a later one.
    Established {
        /// The peer.
        key: TunnelKey,
    },
    /// A peer sent from another address; its packets go there from now on.
    Moved {
        /// The peer.
        key: TunnelKey,
        /// The new address.
        endpoint: SocketAddr,
    },
    /// A peer does not answer any more; connections with it were closed.
    Lost {
        /// The peer.
        key: TunnelKey,
    },
    /// A key that is no peer's began a handshake, and was refused. The holder of the key asked, but perhaps not from there
    /// and not now: nothing shows that the message is fresh.
    Stranger {
        /// The key.
        key: TunnelKey,
        /// Where the message came from.
        from: SocketAddr,
    },
}

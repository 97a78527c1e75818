//! The mesh as its operator sees it.

use std::fmt;
use std::time::Duration;

use libp2p::PeerId;

use crate::tunnel::LinkStats;

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkPeer {
    /// A node of the network.
    Node(PeerId),
    /// A peer without a peer id, by the name that its operator gave it ([`super::StockPeer`]).
    Stock(String),
}

impl LinkPeer {
    /// Its peer id, where it has one.
    #[must_use]
    pub const fn id(&self) -> Option<PeerId> {
        match self {
            Self::Node(id) => Some(*id),
            Self::Stock(_) => None,
        }
    }
}

impl fmt::Display for LinkPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => id.fmt(f),
            Self::Stock(name) => f.write_str(name),
        }
    }
}

/// The tunnel with one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkStatus {
    /// The peer.
    pub peer: LinkPeer,
    /// Its link, once it has come that far.
    pub stats: Option<LinkStats>,
    /// How long it is at its stage.
    pub since: Duration,
    /// One word: `seeking`, `fetching`, `exchanging` or `open`.
    pub stage: &'static str,
}

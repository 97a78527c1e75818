//! The mesh as its operator sees it.

use libp2p::PeerId;

use crate::tunnel::LinkStats;

/// The tunnel with one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkStatus {
    /// The peer.
    pub peer: PeerId,
    /// Its link, once it has come that far.
    pub stats: Option<LinkStats>,
    /// One word: `seeking`, `fetching`, `exchanging` or `open`.
    pub stage: &'static str,
}

//! The mesh as its operator sees it.

use std::time::Duration;

use libp2p::PeerId;

use crate::tunnel::LinkStats;

/// The tunnel with one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkStatus {
    /// The peer.
    pub peer: PeerId,
    /// Its link, once it has come that far.
    pub stats: Option<LinkStats>,
    /// How long it is at its stage.
    pub since: Duration,
    /// One word: `seeking`, `fetching`, `exchanging` or `open`.
    pub stage: &'static str,
}

//! Committed heights, as the node stored them.

use tendermint::{Time, block::Commit};

use crate::block::ValidatorSet;

/// Read access to what [`super::Effect::Commit`] persisted. The engine asks for heights up to the last durable one: for the last commit at
/// start, and for the height of an offence when evidence arrives.
pub trait History: Send {
    /// The commit of `height` as it was persisted with the block.
    fn commit(&self, height: u64) -> Option<Commit>;
    /// The validator set of `height`, with priorities or without.
    fn validators(&self, height: u64) -> Option<ValidatorSet>;
    /// The time in the header of `height`.
    fn block_time(&self, height: u64) -> Option<Time>;
}

/// No height at all: for a node that starts from genesis and keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHistory;

impl History for NoHistory {
    fn commit(&self, _height: u64) -> Option<Commit> {
        None
    }

    fn validators(&self, _height: u64) -> Option<ValidatorSet> {
        None
    }

    fn block_time(&self, _height: u64) -> Option<Time> {
        None
    }
}

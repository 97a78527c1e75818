//! What nodes say to each other beside consensus: transactions by gossip, blocks by request. Canonical encoding, version byte 1,
//! every list and byte string bounded before anything is allocated.

use bytes::Bytes;
use pyralog_consensus::block::MAX_BLOCK_BYTES_LIMIT;
use pyralog_consensus::tx::MAX_TX_BYTES;
use pyralog_crypto::CodecError;
use pyralog_crypto::codec::{Decode, Encode, Reader, Writer};

const VERSION: u8 = 1;
/// Of transactions that are offered again.
const VERSION_AGAIN: u8 = 2;

/// Gossip topic of the engine's messages.
pub const CONSENSUS_TOPIC: &str = "consensus";
/// Gossip topic of transactions.
pub const TX_TOPIC: &str = "txs";
/// Longest message on the transactions' topic, bytes.
pub const MAX_TX_GOSSIP_BYTES: usize = 512 << 10;
/// Bundles of one message.
pub const MAX_GOSSIP_BUNDLES: usize = 1_024;
/// Transactions of one bundle: an anchor and its companion.
pub const MAX_BUNDLE_TXS: usize = 2;

/// Request protocol for the state of a peer and for blocks.
pub const SYNC_PROTOCOL: &str = "sync";
/// Longest request, bytes.
pub const MAX_SYNC_REQUEST_BYTES: usize = 64;
/// Longest answer, bytes: one block of the largest size with its commit, or several smaller ones.
pub const MAX_SYNC_RESPONSE_BYTES: usize = MAX_BLOCK_BYTES_LIMIT as usize + (1 << 20);
/// Blocks of one answer: what the engine lets wait.
pub const MAX_SYNC_BLOCKS: usize = 16;

/// Transactions on their way to the next proposers.
///
/// Canonical form: version 1, list of bundles, each a list of 1 to 2 byte strings. Offered again: version 2, attempt (u32, not 0), list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxGossip {
    /// 0 of what is offered for the first time. Else a number that makes the message differ from those before, which the network would drop as
    /// repetitions.
    pub attempt: u32,
    /// Bundles in order of arrival.
    pub bundles: Vec<Vec<Bytes>>,
}

impl Encode for TxGossip {
    fn encode(&self, w: &mut Writer) {
        match self.attempt {
            0 => w.u8(VERSION),
            attempt => w.u8(VERSION_AGAIN).u32(attempt),
        };
        w.list(&self.bundles, |w, bundle| {
            w.list(bundle, |w, tx| {
                w.bytes(tx);
            });
        });
    }
}

impl Decode for TxGossip {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let attempt = match r.u8()? {
            VERSION => 0,
            VERSION_AGAIN => match r.u32()? {
                0 => return Err(CodecError::Invalid { what: "transaction gossip", why: "an attempt is 0" }),
                attempt => attempt,
            },
            found => return Err(CodecError::Version { what: "transaction gossip", expected: VERSION, found }),
        };
        let bundles: Vec<Vec<Bytes>> = r.list(MAX_GOSSIP_BUNDLES, |r| {
            r.list(MAX_BUNDLE_TXS, |r| Ok(Bytes::copy_from_slice(r.bytes(MAX_TX_BYTES)?)))
        })?;
        if bundles.is_empty() || bundles.iter().any(Vec::is_empty) {
            return Err(CodecError::Invalid { what: "transaction gossip", why: "a list is empty" });
        }
        Ok(Self { attempt, bundles })
    }
}

/// A question to a peer.
///
/// Canonical form: version 1, kind (0 status, 1 blocks, 2 removed); for blocks the first height (u64) and the most wanted (u32), for 2 the member (u64).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncRequest {
    /// Which height it has.
    Status,
    /// Blocks from a height on.
    Blocks {
        /// The first.
        from: u64,
        /// At most so many.
        max: u32,
    },
    /// Whether the asker was removed from the cluster of the answering node, whose member of this id it was. Members do not link with one that was.
    Removed {
        /// Which.
        member: u64,
    },
}

impl Encode for SyncRequest {
    fn encode(&self, w: &mut Writer) {
        w.u8(VERSION);
        match self {
            Self::Status => w.u8(0),
            Self::Blocks { from, max } => w.u8(1).u64(*from).u32(*max),
            Self::Removed { member } => w.u8(2).u64(*member),
        };
    }
}

impl Decode for SyncRequest {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("sync request", VERSION)?;
        match r.u8()? {
            0 => Ok(Self::Status),
            1 => Ok(Self::Blocks { from: r.u64()?, max: r.u32()? }),
            2 => Ok(Self::Removed { member: r.u64()? }),
            other => Err(CodecError::Tag { what: "sync request", found: other.into() }),
        }
    }
}

/// A peer's answer.
///
/// Canonical form: version 1, last height (u64), list of (block, commit) byte strings; empty for a status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncResponse {
    /// The last height that the peer committed.
    pub height: u64,
    /// Consecutive blocks with their commits.
    pub blocks: Vec<(Bytes, Bytes)>,
}

impl Encode for SyncResponse {
    fn encode(&self, w: &mut Writer) {
        w.u8(VERSION).u64(self.height).list(&self.blocks, |w, (block, commit)| {
            w.bytes(block).bytes(commit);
        });
    }
}

impl Decode for SyncResponse {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("sync response", VERSION)?;
        let height = r.u64()?;
        let blocks = r.list(MAX_SYNC_BLOCKS, |r| {
            let block = Bytes::copy_from_slice(r.bytes(MAX_BLOCK_BYTES_LIMIT as usize)?);
            Ok((block, Bytes::copy_from_slice(r.bytes(1 << 20)?)))
        })?;
        Ok(Self { height, blocks })
    }
}

/// The answer to [`SyncRequest::Removed`]; `false` also of a node that does not know.
///
/// Canonical form: version 1, bool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasRemoved(pub bool);

impl Encode for WasRemoved {
    fn encode(&self, w: &mut Writer) {
        w.u8(VERSION).bool(self.0);
    }
}

impl Decode for WasRemoved {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("answer about a removed member", VERSION)?;
        r.bool().map(Self)
    }
}

#[cfg(test)]
#[path = "wire_test.rs"]
mod tests;

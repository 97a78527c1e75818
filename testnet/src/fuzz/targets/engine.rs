//! consensus: everything that reaches the engine of a running validator.

use pyralog_consensus::engine::{WalEntry, WireMessage};
use pyralog_crypto::Encode;
use pyralog_node::driver::wire::SyncResponse;

use super::canonical;
use crate::fuzz::chain::{BASE, run};
use crate::fuzz::node::Probe;

/// The engine judges every message exactly once, decodable or not, and no message can stop it.
#[allow(clippy::expect_used, reason = "no entries, nothing to be damaged")]
pub fn wire_message(bytes: &[u8]) -> bool {
    let message = canonical::<WireMessage>(bytes);
    let outcome = Probe::new(Vec::new()).expect("recovers").gossip(bytes);
    assert_eq!(outcome.verdicts, 1, "verdicts on one message");
    assert_eq!(outcome.fatal, None, "a peer stopped the node");
    message.is_some()
}

/// An engine that finds the entry in its WAL starts or says why not.
pub fn wal_entry(bytes: &[u8]) -> bool {
    let entry = canonical::<WalEntry>(bytes);
    let probe = Probe::new(vec![bytes.to_vec().into()]);
    assert_eq!(entry.is_some(), probe.is_ok(), "recovery and decoder disagree");
    if let Ok(probe) = probe {
        probe.finish();
    }
    entry.is_some()
}

/// Blocks of a peer that catches us up: no block gets in but the chain's own.
#[allow(clippy::expect_used, reason = "no entries, nothing to be damaged")]
pub fn sync_response(bytes: &[u8]) -> bool {
    let Some(response) = canonical::<SyncResponse>(bytes) else { return false };
    let (outcome, height) = Probe::new(Vec::new()).expect("recovers").sync(response.blocks.clone());
    assert_eq!(outcome.fatal, None, "a peer stopped the node");
    for ((block, _), own) in response.blocks.iter().zip(&run().blocks[BASE as usize..]).take((height - BASE) as usize) {
        assert_eq!(*block, own.block_bytes, "a foreign block was adopted");
    }
    assert_eq!(response.to_bytes(), bytes);
    true
}

//! consensus: transactions, state values and their proofs.

use std::sync::Arc;

use bytes::Bytes;
use pyralog_consensus::application::{Application, BlockContext};
use pyralog_consensus::block::{Timestamp, ValidatorAddress};
use pyralog_consensus::ledger::{
    Account, ActiveSet, LedgerParams, LogRecord, StateProof, Totals, ValidatorRecord, state_key,
};
use pyralog_consensus::tx::{Envelope, MAX_TX_BYTES, tx_hash};
use pyralog_crypto::{Decode, Encode, Frontier, Hash, Sha256};

use super::canonical;
use crate::fuzz::chain::{BASE, address, key, run};
use crate::fuzz::node::ledger;

/// Decodes it and offers it to a ledger. Whatever the ledger puts into its own proposal, it also accepts in one.
pub fn tx(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::decode(bytes) else { return false };
    assert_eq!(envelope.to_bytes(), bytes, "another encoding of the same transaction was accepted");
    assert!(bytes.len() <= MAX_TX_BYTES);
    let mut ledger = ledger(&run().base);
    let tx = Bytes::copy_from_slice(bytes);
    if let Ok(checked) = ledger.check_tx(bytes) {
        assert_eq!((checked.hash, checked.size), (tx_hash(bytes), bytes.len()));
    }
    let _ = ledger.check_bundle(std::slice::from_ref(&tx));
    let ctx = context();
    let chosen = ledger.prepare_proposal(&ctx, vec![tx.clone()], MAX_TX_BYTES as u64);
    if !chosen.is_empty() {
        assert_eq!(chosen, [tx]);
        let judged = ledger.process_proposal(&ctx, &chosen, &[]);
        assert!(judged.is_ok(), "its own proposal is refused: {judged:?}");
        assert!(ledger.finalize_block(&ctx, &chosen, &[]).is_ok());
    }
    true
}

fn context() -> BlockContext {
    let chain = Arc::clone(&run().blocks[BASE as usize - 1].chain);
    let now = Timestamp::from_time(chain.last_time).unwrap_or_default().saturating_add(1_000_000_000);
    BlockContext {
        height: BASE + 1,
        time: now.to_time(),
        proposer: ValidatorAddress::of(&key(100).public_key()),
        block_hash: Hash([0xcc; 32]),
        last_header_hash: chain.last_header_hash(),
        last_commit: Vec::new(),
        chain,
    }
}

pub fn state_proof(bytes: &[u8]) -> bool {
    let Some(proof) = canonical::<StateProof>(bytes) else { return false };
    let chain = &run().blocks[BASE as usize - 1].chain;
    let ledger = ledger(&run().base);
    for name in [state_key::account(&address(0)), state_key::account(&address(99)), state_key::TOTALS.to_vec()] {
        let _ = proof.verify(&Hash([3; 32]), &name);
        if let Ok(value) = proof.verify(&chain.app_hash, &name) {
            let held = ledger.value(&name, BASE);
            assert!(held.is_ok_and(|held| held.as_deref() == value), "a value that the state does not hold");
        }
    }
    true
}

/// A value that came with a proof, as whatever it may be.
pub fn state_value(bytes: &[u8]) -> bool {
    fn is<T: Decode + Encode>(bytes: &[u8]) -> bool {
        canonical::<T>(bytes).is_some()
    }
    is::<Account>(bytes)
        | is::<Totals>(bytes)
        | is::<LogRecord>(bytes)
        | is::<ValidatorRecord>(bytes)
        | is::<ActiveSet>(bytes)
        | is::<LedgerParams>(bytes)
        | is::<Frontier<Sha256>>(bytes)
}

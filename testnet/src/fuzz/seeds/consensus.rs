//! What the network of the targets wrote and said.

use std::collections::BTreeMap;

use pyralog_consensus::block::{PartSet, Step, decode_evidence, encode_commit, encode_evidence};
use pyralog_consensus::engine::SignMark;
use pyralog_consensus::ledger::state_key;
use pyralog_consensus::light::{LightBlock, Validators};
use pyralog_crypto::Encode;
use tendermint::evidence::Evidence;

use super::{Out, txs};
use crate::fuzz::chain::{BASE, Run, address, run};
use crate::fuzz::node::ledger;

/// Files of one kind at most.
const OF_A_KIND: usize = 2;

pub(super) fn put(out: &mut Out) {
    let run = run();
    blocks(out, run);
    messages(out, run);
    for (i, bundle) in txs::transactions().iter().chain(&txs::later_transactions()).enumerate() {
        for (j, tx) in bundle.iter().enumerate() {
            out.put("tx", format!("{i}-{j}"), tx.to_vec());
        }
    }
    out.put("genesis", "four-validators.json", run.genesis.to_json());
    for step in [Step::Propose, Step::Precommit] {
        out.put("sign_mark", format!("{step:?}").to_lowercase(), SignMark { height: 258, round: 3, step }.to_bytes());
    }
    state(out, run);
}

fn blocks(out: &mut Out, run: &Run) {
    for block in run.blocks.iter().take(5) {
        let height = block.height;
        let interesting = height == 1 || height == BASE + 1 || !block.misbehavior.is_empty();
        if interesting {
            out.put("block", format!("height-{height}"), block.block_bytes.to_vec());
            out.put(
                "part",
                format!("height-{height}"),
                PartSet::split(&block.block_bytes).part(0).map(Encode::to_bytes).unwrap_or_default(),
            );
        }
        if height <= BASE {
            out.put("commit", format!("height-{height}"), encode_commit(&block.commit));
        }
        if height == 1 || height == BASE {
            out.put("chain_state", format!("height-{height}"), block.chain_bytes());
            let sets = (Validators::from(&block.validators), Validators::from(&block.next_validators));
            let light = LightBlock::from_tendermint(&block.block.header, &block.commit, sets.0, sets.1);
            out.put(
                "light_block",
                format!("height-{height}.json"),
                light.ok().and_then(|b| b.to_json().ok()).unwrap_or_default(),
            );
        }
    }
    for evidence in run.blocks.iter().flat_map(|block| block.block.evidence.iter()) {
        if let Evidence::DuplicateVote(evidence) = evidence {
            let bytes = encode_evidence(evidence);
            debug_assert!(decode_evidence(&bytes).is_ok());
            out.put("evidence", "double-vote", bytes);
        }
    }
    if let Ok(chain) = run.genesis.chain_state() {
        out.put("chain_state", "genesis", chain.to_bytes());
    }
}

fn messages(out: &mut Out, run: &Run) {
    // Those of the height at which a fuzzed engine stands say most.
    let mut gossip: Vec<_> = run.gossip.iter().collect();
    gossip.sort_by_key(|(height, _)| *height != BASE + 1);
    let mut kinds = BTreeMap::<u8, usize>::new();
    for (_, bytes) in gossip {
        let count = kinds.entry(bytes[1]).or_default();
        if *count < OF_A_KIND && bytes.len() < 16_384 {
            out.put("wire_message", format!("kind-{}-{count}", bytes[1]), bytes.to_vec());
            *count += 1;
        }
    }
    let mut entries: Vec<_> = run.wal.iter().collect();
    entries.sort_by_key(|(height, _)| *height != BASE + 1);
    let mut kinds = BTreeMap::<u8, usize>::new();
    for (_, bytes) in entries {
        let count = kinds.entry(bytes[1]).or_default();
        if *count < OF_A_KIND {
            out.put("wal_entry", format!("kind-{}-{count}", bytes[1]), bytes.to_vec());
            *count += 1;
        }
    }
}

/// Values of the state and proofs of them, and of a name without value.
fn state(out: &mut Out, run: &Run) {
    let ledger = ledger(&run.base);
    let log = state_key::log(&txs::log());
    let account = state_key::account(&address(0));
    let nobody = state_key::account(&address(99));
    let names: [(&str, &[u8]); 7] = [
        ("account", &account),
        ("log", &log),
        ("nobody", &nobody),
        ("totals", state_key::TOTALS),
        ("params", state_key::PARAMS),
        ("active", state_key::ACTIVE),
        ("headers", state_key::HEADERS),
    ];
    for (label, name) in names {
        if let Ok(proof) = ledger.prove(name, BASE) {
            out.put("state_proof", label, proof.to_bytes());
        }
        if let Ok(Some(value)) = ledger.value(name, BASE) {
            out.put("state_value", label, value);
        }
    }
}

//! Files that an operator or an older version of the node hands over.

use pyralog_consensus::engine::SignMark;
use pyralog_consensus::genesis::Genesis;
use pyralog_node::chain::BlockMeta;

use super::canonical;

pub fn genesis(bytes: &[u8]) -> bool {
    let Ok(genesis) = Genesis::from_json(bytes) else { return false };
    let again = Genesis::from_json(genesis.to_json().as_bytes());
    assert_eq!(again.as_ref(), Ok(&genesis), "what is written is read");
    assert!(genesis.chain_state().is_ok());
    let _ = (genesis.hash(), genesis.log_ids());
    true
}

pub fn sign_mark(bytes: &[u8]) -> bool {
    canonical::<SignMark>(bytes).is_some()
}

pub fn block_meta(bytes: &[u8]) -> bool {
    canonical::<BlockMeta>(bytes).is_some()
}

//! Blocks that Go nodes wrote (kvstore 0.34, 0.37, 0.38 and gaia): every hash must come out as they have it. The files stand beside the
//! repository (`../shared/fixtures`); where they do not, the test says so and passes.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;

use pyralog_crypto::Hash;
use tendermint::{Block, block};

use super::*;

#[test]
fn cometbft_blocks_rehash_exactly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/cometbft-blocks");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("SKIPPED cometbft_blocks_rehash_exactly: no {}", folder.display());
        return;
    };
    let mut count = 0;
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
    {
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let block: Block = serde_json::from_value(json["result"]["block"].clone()).unwrap();
        let id: block::Id = serde_json::from_value(json["result"]["block_id"].clone()).unwrap();
        let header = &block.header;
        let name = path.display();
        let is = |ours: Hash, theirs: Option<tendermint::Hash>| {
            ours == theirs.map_or_else(|| simple_root(&[] as &[[u8; 0]]), from_tendermint_hash)
        };
        assert_eq!(header.hash(), id.hash, "{name}: header");
        let bytes = encode_block(&block);
        assert_eq!(part_set_header(&bytes), id.part_set_header, "{name}: parts");
        assert!(is(data_hash(&block.data), header.data_hash), "{name}: data");
        assert!(is(evidence_hash(&block.evidence), header.evidence_hash), "{name}: evidence");
        let commit = block.last_commit.clone().unwrap_or_default();
        assert!(is(commit_hash(&commit), header.last_commit_hash), "{name}: last commit");
        assert_eq!(decode_block(&bytes, MAX_BLOCK_BYTES_LIMIT).unwrap(), block, "{name}: round trip");
        if let Some(commit) = block.last_commit {
            assert_eq!(decode_commit(&encode_commit(&commit)).unwrap(), commit, "{name}: commit");
        }
        count += 1;
    }
    assert!(count >= 8, "{count} fixtures in {}", folder.display());
}

//! consensus: what a light client is served and what it keeps.

use pyralog_consensus::light::{LightBlock, LightClient, LightOptions, TrustedState, Validators, Verdict, verify};

use crate::fuzz::chain::{CHAIN, run};

pub fn light_block(bytes: &[u8]) -> bool {
    let Ok(block) = LightBlock::from_json(bytes) else { return false };
    let written = block.to_json().unwrap_or_default();
    assert_eq!(LightBlock::from_json(written.as_bytes()).as_ref(), Ok(&block));
    let checked = block.check();
    if let Ok(hash) = &checked {
        assert_eq!(block.hash().as_ref(), Ok(hash));
    }
    let first = &run().blocks[0];
    let trusted = TrustedState {
        chain_id: CHAIN.to_owned(),
        height: 0,
        hash: None,
        time: run().genesis.parts().genesis_time,
        next_validators: Validators::from(&first.validators),
    };
    let now = run().blocks.last().map_or(trusted.time, |last| last.block.header.time);
    if let Verdict::Verified(state) = verify(&block, &trusted, &LightOptions::default(), now) {
        let own = &run().blocks[state.height as usize - 1];
        assert_eq!(state.hash, Some(own.hash()), "a foreign header is trusted");
        assert_eq!(checked.ok(), state.hash);
    }
    true
}

pub fn light_store(bytes: &[u8]) -> bool {
    let Ok(client) = LightClient::from_bytes(bytes) else { return false };
    assert_eq!(client.to_bytes().ok().as_deref(), Some(bytes), "another encoding of the same store was accepted");
    let latest = client.latest();
    if let Some(block) = client.light_block(latest.height) {
        assert_eq!(block.hash().ok(), latest.hash);
    }
    true
}

//! What the fake node shows to light clients, over the native API and over CometBFT's RPC: the chain, or a fork of its last
//! block.

use pyralog_consensus::block::to_tendermint_hash;
use pyralog_consensus::light::Validators;
use pyralog_consensus::light::testkit::{TestBlock, TestChain, TestVote, validators};
use pyralog_crypto::Hash;
use serde_json::{Value, json};
use tendermint::{account, block::signed_header::SignedHeader, public_key::PublicKey, validator, vote};

/// What stands in the place of the chain's last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// Another header, signed by all validators of the chain: an attack.
    Signed,
    /// Another header, signed by two of four.
    TooFew,
    /// Another header that names another set, which signed it.
    OtherSet,
    /// Another header that names the chain's validators, with signatures of another set.
    OtherKeys,
}

/// The block of `height` as it is shown.
pub fn shown(chain: &TestChain, fork: Option<Fork>, height: u64) -> Option<TestBlock> {
    if height == 0 || height > chain.height() {
        return None;
    }
    let Some(fork) = fork.filter(|_| height == chain.height()) else { return Some(chain.at(height).clone()) };
    let mut block = chain.fork(height, Hash([9; 32]));
    let strangers = validators(&[(91, 10), (92, 10), (93, 10), (94, 10)]);
    match fork {
        Fork::Signed => {}
        Fork::TooFew => {
            let two = |place| if place < 2 { TestVote::Commit } else { TestVote::Absent };
            block.commit = chain.sign(&block.header, &block.validators, 0, two);
        }
        Fork::OtherSet | Fork::OtherKeys => {
            if fork == Fork::OtherSet {
                block.header.validators_hash = to_tendermint_hash(strangers.hash());
            }
            block.commit = chain.sign(&block.header, &strangers, 0, |_| TestVote::Commit);
            block.validators = strangers;
        }
    }
    Some(block)
}

/// `/v1/light/{height}`.
pub fn native(chain: &TestChain, fork: Option<Fork>, height: &str) -> (u16, Value) {
    let height = height.parse().unwrap_or(chain.height());
    let Some(block) = shown(chain, fork, height) else {
        return (404, json!({ "error": { "code": "unknown_height", "message": "no such block", "remedy": null } }));
    };
    (200, serde_json::from_str(&block.light_block().to_json().unwrap()).unwrap())
}

/// `/commit?height=` of CometBFT's RPC.
pub fn commit(chain: &TestChain, fork: Option<Fork>, query: &str) -> (u16, Value) {
    let height = number(query, "height").unwrap_or(chain.height());
    match shown(chain, fork, height) {
        Some(TestBlock { header, commit, .. }) => {
            let signed = SignedHeader::new(header, commit).unwrap();
            (200, result(&json!({ "signed_header": signed, "canonical": true })))
        }
        None => (500, json!({ "error": { "code": -32603, "message": "Internal error", "data": "no such height" } })),
    }
}

/// `/validators?height=` of CometBFT's RPC, everything on one page.
pub fn validator_page(chain: &TestChain, fork: Option<Fork>, query: &str) -> (u16, Value) {
    let height = number(query, "height").unwrap();
    let set: Validators = match shown(chain, fork, height) {
        Some(block) => block.validators,
        None => shown(chain, fork, height - 1).unwrap().next_validators,
    };
    let infos: Vec<_> = set
        .0
        .iter()
        .map(|member| validator::Info {
            address: account::Id::new(member.address()),
            pub_key: PublicKey::from_raw_ed25519(&member.public_key.0).unwrap(),
            power: vote::Power::try_from(member.power).unwrap(),
            name: None,
            proposer_priority: 0.into(),
        })
        .collect();
    let count = infos.len().to_string();
    (200, result(&json!({ "block_height": height.to_string(), "validators": infos, "count": count, "total": count })))
}

fn result(result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": -1, "result": result })
}

fn number(query: &str, key: &str) -> Option<u64> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))?.parse().ok()
}

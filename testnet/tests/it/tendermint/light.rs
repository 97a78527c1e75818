//! `tendermint-light-client`, its detector, and the verifier on every block while validators come and go.

use std::time::Duration;

use pyralog_consensus::tx::Message;
use pyralog_crypto::SigningKey;
use tendermint::block::Height;
use tendermint::crypto::default::Sha256;
use tendermint::validator::Set;
use tendermint::{Hash, Time, account, node};
use tendermint_light_client::builder::LightClientBuilder;
use tendermint_light_client::store::memory::MemoryStore;
use tendermint_light_client_detector::{Provider, detect_divergence};
use tendermint_light_client_verifier::options::Options;
use tendermint_light_client_verifier::types::{LightBlock, TrustThreshold};
use tendermint_light_client_verifier::{ProdVerifier, Verdict, Verifier};
use tendermint_rpc::{Client, HttpClient, Paging};

use super::{Payer, client, data_hash, height};
use crate::net::{Net, wait};

const OPTIONS: Options = Options {
    trust_threshold: TrustThreshold::ONE_THIRD,
    trusting_period: Duration::from_secs(14 * 86_400),
    clock_drift: Duration::from_secs(5),
};

async fn provider(net: &Net, index: usize, trusted: (Height, Hash)) -> Result<Provider, String> {
    let client = client(net, index);
    let id = client.status().await.unwrap().node_info.id;
    let instance = LightClientBuilder::prod(id, client.clone(), Box::new(MemoryStore::new()), OPTIONS, None)
        .trust_primary_at(trusted.0, trusted.1)
        .map_err(|error| error.to_string())?
        .build();
    Ok(Provider::new(net.manifest().chain_id, instance, client))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_light_client_follows_and_its_witnesses_see_the_same_chain() {
    let net = Net::up(4);
    net.wait_height(0, 4);
    let node = client(&net, 0);
    let trusted = (height(1), node.header(1u32).await.unwrap().header.hash());
    let refused = provider(&net, 0, (height(1), Hash::Sha256([7; 32]))).await.unwrap_err();
    assert!(refused.contains("mismatch"), "{refused}");

    let mut primary = provider(&net, 0, trusted).await.unwrap();
    let mut highest = primary.verify_to_highest().unwrap();
    for _ in 0..3 {
        let before = highest.height().value();
        net.wait_height(0, before + 3);
        highest = primary.verify_to_highest().unwrap();
        assert!(highest.height().value() >= before + 3);
    }
    let target = height(highest.height().value() + 2);
    for index in 0..4 {
        net.wait_height(index, target.value());
    }
    assert_eq!(primary.verify_to_height(target).unwrap().height(), target);
    for index in 1..4 {
        let mut witness = provider(&net, index, trusted).await.unwrap();
        let trace = primary.get_trace(target);
        let (drift, lag) = (Duration::from_secs(1), Duration::from_secs(1));
        let divergence = detect_divergence::<Sha256>(Some(&primary), &mut witness, trace, drift, lag).await.unwrap();
        assert!(divergence.is_none(), "{divergence:?}");
        assert_eq!(
            witness.verify_to_height(target).unwrap().signed_header.header.hash(),
            net_hash(&net, index, target)
        );
    }
}

fn net_hash(net: &Net, index: usize, at: Height) -> Hash {
    net.hash(index, at.value()).unwrap().to_uppercase().parse().unwrap()
}

/// A light block with every hash in it checked.
async fn light_block(node: &HttpClient, id: node::Id, at: u64) -> LightBlock {
    let signed = node.commit(height(at)).await.unwrap().signed_header;
    let header = &signed.header;
    let set = node.validators(height(at), Paging::All).await.unwrap().validators;
    let set = Set::with_proposer(set, header.proposer_address).unwrap();
    let next = Set::without_proposer(node.validators(height(at + 1), Paging::All).await.unwrap().validators);
    let found = node.block(height(at)).await.unwrap();
    assert_eq!((header.hash(), header.hash()), (signed.commit.block_id.hash, found.block_id.hash));
    assert_eq!((set.hash(), next.hash()), (header.validators_hash, header.next_validators_hash));
    assert_eq!(header.data_hash, Some(data_hash(&found.block.data)));
    LightBlock::new(signed, set, next, id)
}

fn verify(trusted: &LightBlock, target: &LightBlock) -> Verdict {
    let (target, trusted) = (target.as_untrusted_state(), trusted.as_trusted_state());
    ProdVerifier::default().verify_update_header(target, trusted, &OPTIONS, Time::now())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_verifies_sequentially_and_skipping_while_validators_change() {
    let net = Net::up(4);
    let node = client(&net, 0);
    let payer = Payer::new(&net, 0);
    // A validator that never runs joins, shrinks, and leaves.
    let idle = SigningKey::from_seed([5; 32]);
    let (signer, validator) = (0, idle.public_key());
    let address = account::Id::from(tendermint::PublicKey::from_raw_ed25519(&validator.0).unwrap());
    let power = async |at: u64| {
        let members = node.validators(height(at), Paging::All).await.unwrap().validators;
        members.iter().find(|member| member.address == address).map_or(0, |member| member.power())
    };
    let mut before = 0;
    for (message, more, after) in [
        (Message::Bond { signer, validator, amount: 40_000_000 }, &[&idle][..], 40),
        (Message::Unbond { signer, validator, amount: 15_000_000 }, &[], 25),
        (Message::Bond { signer, validator, amount: 5_000_000 }, &[], 30),
        (Message::Unbond { signer, validator, amount: 30_000_000 }, &[], 0),
    ] {
        let done = node.broadcast_tx_commit(payer.sign(message, more)).await.unwrap();
        assert!(done.check_tx.code.is_ok() && done.tx_result.code.is_ok(), "{done:?}");
        let at = done.height.value();
        let updates = node.block_results(done.height).await.unwrap().validator_updates;
        assert_eq!(updates.iter().map(|update| update.power.value()).collect::<Vec<_>>(), [after]);
        net.wait_height(0, at + 2);
        assert_eq!(
            (power(at + 1).await, power(at + 2).await),
            (before, after),
            "a change of block {at} counts from H+2"
        );
        before = after;
    }
    let top = net.height(0) + 3;
    wait(Duration::from_secs(120), "three blocks more", || net.height(0) >= top);

    let id = node.status().await.unwrap().node_info.id;
    let mut blocks = Vec::new();
    for at in 1..=top {
        blocks.push(light_block(&node, id, at).await);
    }
    let sizes: Vec<usize> = blocks.iter().map(|block| block.validators.validators().len()).collect();
    assert!(sizes.contains(&5) && sizes.first() == Some(&4) && sizes.last() == Some(&4), "{sizes:?}");
    for distance in [1, 2, 3, 7, blocks.len() - 1] {
        for pair in blocks.windows(distance + 1) {
            let (from, to) = (&pair[0], &pair[distance]);
            assert_eq!(verify(from, to), Verdict::Success, "from {} to {}", from.height(), to.height());
        }
    }
    // It would notice what is wrong.
    let mut wrong = blocks[3].clone();
    wrong.signed_header.header.app_hash = vec![1; 32].try_into().unwrap();
    assert_ne!(verify(&blocks[2], &wrong), Verdict::Success);

    // Who trusts genesis only arrives at the same header by bisection.
    let trusted = (height(1), blocks[0].signed_header.header.hash());
    let verified = provider(&net, 1, trusted).await.unwrap().verify_to_height(height(top)).unwrap();
    assert_eq!(verified.signed_header.header, blocks.last().unwrap().signed_header.header);
}

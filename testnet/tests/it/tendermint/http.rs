//! `tendermint-rpc` over HTTP.

use base64::Engine;
use futures::TryStreamExt;
use pyralog_crypto::{Hash as Digest, InclusionProof, MerkleHash, Sha256};
use serde_json::Value;
use tendermint::{Genesis, Hash};
use tendermint_rpc::client::CompatMode;
use tendermint_rpc::query::{EventType, Query};
use tendermint_rpc::{Client, HttpClient, HttpClientUrl, Order, Paging};

use super::{PATIENCE, Payer, client, data_hash, hash_of, height, included};
use crate::net::{Net, wait};

#[tokio::test(flavor = "multi_thread")]
async fn the_node_its_genesis_and_its_peers() {
    let net = Net::up(4);
    let node = client(&net, 0);
    net.wait_height(0, 2);
    node.health().await.unwrap();
    let status = node.status().await.unwrap();
    assert_eq!(status.node_info.network.as_str(), net.manifest().chain_id);
    assert_eq!(CompatMode::from_version(status.node_info.version).unwrap(), CompatMode::V0_38);
    let sync = status.sync_info;
    assert!(!sync.catching_up && sync.latest_block_height.value() >= 2);
    let latest = node.header(sync.latest_block_height).await.unwrap().header;
    assert_eq!((latest.hash(), latest.time), (sync.latest_block_hash, sync.latest_block_time));
    assert_eq!(latest.app_hash, sync.latest_app_hash);
    let first = node.header(1u32).await.unwrap().header;
    assert_eq!((first.hash(), first.time), (sync.earliest_block_hash, sync.earliest_block_time));
    assert_eq!(sync.earliest_block_height, height(1));

    // The genesis document leads to the first header, whole or in chunks.
    let genesis: Genesis<Value> = node.genesis().await.unwrap();
    assert_eq!((genesis.chain_id.as_str(), genesis.initial_height), (net.manifest().chain_id.as_str(), 1));
    let set = tendermint::validator::Set::without_proposer(genesis.validators.clone());
    assert_eq!((set.validators().len(), set.hash()), (4, first.validators_hash));
    assert!(set.validators().iter().any(|validator| validator.address == status.validator_info.address));
    assert_eq!(status.validator_info.power.value(), 100);
    assert_eq!(genesis.app_hash, first.app_hash);
    let chunks: Vec<Vec<u8>> = node.genesis_chunked_stream().await.try_collect().await.unwrap();
    let whole: Value = serde_json::from_slice(&chunks.concat()).unwrap();
    assert_eq!(whole, serde_json::from_str::<Value>(&std::fs::read_to_string(net.genesis()).unwrap()).unwrap());

    for params in [node.consensus_params(1u32).await.unwrap(), node.latest_consensus_params().await.unwrap()] {
        assert_eq!(params.consensus_params.block.max_bytes, genesis.consensus_params.block.max_bytes);
        assert_eq!(params.consensus_params.evidence, genesis.consensus_params.evidence);
    }
    let info = node.abci_info().await.unwrap();
    assert_eq!(info.data, "pyralog");
    // The library keeps this hash as the base64 text that it is in JSON.
    let after = info.last_block_height.increment();
    net.wait_height(0, after.value());
    let state = base64::engine::general_purpose::STANDARD.decode(info.last_block_app_hash.as_bytes()).unwrap();
    assert_eq!(state, node.header(after).await.unwrap().header.app_hash.as_bytes());
    let round = node.consensus_state().await.unwrap().round_state;
    assert!(round.height_round_step.height > sync.latest_block_height, "{round:?}");
    assert!(set.validators().iter().any(|validator| validator.address == round.proposer.address));

    // Everyone is connected, under the names that they give themselves.
    let ids = |path: &str| -> Vec<String> {
        let peers = net.rpc(0, path).unwrap()["result"]["peers"].as_array().unwrap().clone();
        peers.iter().map(|peer| peer["node_info"]["id"].as_str().unwrap().to_owned()).collect()
    };
    wait(PATIENCE, "three peers", || ids("/net_info").len() == 3);
    let peers = node.net_info().await.unwrap();
    assert!(peers.listening && peers.n_peers == 3);
    for index in 1..4 {
        let id = client(&net, index).status().await.unwrap().node_info.id;
        assert!(peers.peers.iter().any(|peer| peer.node_info.id == id), "{id} is not in {peers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_agree_however_they_are_asked_for() {
    let net = Net::up(4);
    let (node, other) = (client(&net, 0), client(&net, 3));
    let tx = Payer::new(&net, 0).transfer(7);
    let done = node.broadcast_tx_commit(tx.clone()).await.unwrap();
    assert!(done.check_tx.code.is_ok() && done.tx_result.code.is_ok(), "{done:?}");
    assert_eq!(done.hash, hash_of(&tx));
    let last = done.height.value();
    net.wait_height(3, last);
    let metas = node.blockchain(height(1), height(last)).await.unwrap();
    assert!(metas.last_height.value() >= last);
    assert_eq!(metas.block_metas[0].header.height.value(), last, "the highest comes first");

    for at in 1..=last {
        let found = node.block(height(at)).await.unwrap();
        let header = &found.block.header;
        assert_eq!((header.height.value(), header.hash()), (at, found.block_id.hash));
        assert_eq!(header.data_hash, Some(data_hash(&found.block.data)));
        let by_hash = other.block_by_hash(header.hash()).await.unwrap();
        assert_eq!((by_hash.block_id, by_hash.block.as_ref()), (found.block_id, Some(&found.block)));
        assert_eq!(node.header(height(at)).await.unwrap().header, *header);
        assert_eq!(node.header_by_hash(header.hash()).await.unwrap().header.as_ref(), Some(header));
        if let Some(meta) = metas.block_metas.iter().find(|meta| meta.header.height.value() == at) {
            assert_eq!((&meta.header, meta.block_id), (header, found.block_id));
            assert_eq!(usize::try_from(meta.num_txs).unwrap(), found.block.data.len());
        }
        let commit = other.commit(height(at)).await.unwrap().signed_header;
        assert_eq!((&commit.header, commit.commit.block_id), (header, found.block_id));
        let results = node.block_results(height(at)).await.unwrap();
        assert_eq!(results.txs_results.unwrap_or_default().len(), found.block.data.len());
        let next = node.validators(height(at + 1), Paging::All).await.unwrap();
        let next = tendermint::validator::Set::without_proposer(next.validators);
        assert_eq!(next.hash(), header.next_validators_hash);
    }
    let missing = Hash::Sha256([1; 32]);
    assert!(node.block_by_hash(missing).await.unwrap().block.is_none());
    assert!(node.header_by_hash(missing).await.unwrap().header.is_none());
    let error = node.commit(height(1_000_000)).await.unwrap_err().to_string();
    assert!(error.contains("must be less than or equal to the current blockchain height"), "{error}");

    let page = |page: usize, per_page: u8| Paging::Specific { page_number: page.into(), per_page: per_page.into() };
    let all = node.validators(height(1), Paging::All).await.unwrap().validators;
    let mut paged = node.validators(height(1), page(1, 3)).await.unwrap();
    assert_eq!((paged.validators.len(), paged.total), (3, 4));
    paged.validators.extend(node.validators(height(1), page(2, 3)).await.unwrap().validators);
    assert_eq!(paged.validators, all);
    assert!(node.validators(height(1), page(3, 3)).await.is_err());

    // The light client's command line speaks the dialect of 0.34.
    let url: HttpClientUrl = net.manifest().nodes[1].rpc.parse().unwrap();
    let old = HttpClient::builder(url).compat_mode(CompatMode::V0_34).build().unwrap();
    net.wait_height(1, last);
    assert_eq!(old.status().await.unwrap().node_info.network.as_str(), net.manifest().chain_id);
    for index in [0, 1] {
        net.wait_height(index, last + 1);
    }
    let (here, there) = (node.commit(height(last)).await.unwrap(), old.commit(height(last)).await.unwrap());
    assert_eq!((&here.signed_header, here.canonical, there.canonical), (&there.signed_header, true, true));
    assert_eq!(old.block(height(last)).await.unwrap().block.data, [tx]);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_sent_found_and_proven() {
    let net = Net::up(4);
    let node = client(&net, 0);
    let payer = Payer::new(&net, 0);
    let txs: Vec<Vec<u8>> = (1..=5).map(|amount| payer.transfer(amount)).collect();
    let committed = node.broadcast_tx_commit(txs[0].clone()).await.unwrap();
    assert!(committed.tx_result.code.is_ok());
    for tx in &txs[1..3] {
        let sent = node.broadcast_tx_sync(tx.clone()).await.unwrap();
        assert!(sent.code.is_ok() && sent.hash == hash_of(tx), "{sent:?}");
        included(&node, tx).await;
    }
    for tx in &txs[3..] {
        assert_eq!(node.broadcast_tx_async(tx.clone()).await.unwrap().hash, hash_of(tx));
        included(&node, tx).await;
    }

    for tx in &txs {
        let found = node.tx(hash_of(tx), true).await.unwrap();
        assert_eq!((&found.tx, found.hash), (tx, hash_of(tx)));
        let header = node.header(found.height).await.unwrap().header;
        let proof = found.proof.unwrap();
        assert_eq!((Some(proof.root_hash), &proof.data), (header.data_hash, tx));
        let digest = |hash: Hash| Digest(hash.as_bytes().try_into().unwrap());
        let leaf = Sha256::leaf(hash_of(tx).as_bytes());
        assert_eq!(digest(proof.proof.leaf_hash), leaf);
        let aunts = proof.proof.aunts.into_iter().map(digest).collect();
        let path = InclusionProof { index: proof.proof.index, size: proof.proof.total, path: aunts };
        path.verify::<Sha256>(&leaf, &digest(proof.root_hash)).unwrap();

        let query = Query::eq("tx.hash", hash_of(tx).to_string());
        let by_hash = node.tx_search(query, true, 1, 10, Order::Ascending).await.unwrap();
        assert_eq!((by_hash.total_count, &by_hash.txs[0].tx), (1, tx));
        let query = Query::eq("tx.height", found.height.value());
        let by_height = node.tx_search(query, false, 1, 10, Order::Ascending).await.unwrap();
        assert!(by_height.txs.iter().any(|found| found.tx == *tx && found.proof.is_none()));
    }

    // Five in pages of two, from either end.
    let every = Query::from(EventType::Tx).and_gte("tx.height", committed.height.value());
    let mut pages = Vec::new();
    for (order, page) in
        [Order::Ascending, Order::Descending].into_iter().flat_map(|o| [1, 2, 3].map(|p| (o.clone(), p)))
    {
        let found = node.tx_search(every.clone(), false, page, 2, order).await.unwrap();
        assert_eq!((found.total_count, found.txs.len()), (5, if page == 3 { 1 } else { 2 }));
        pages.extend(found.txs.into_iter().map(|found| found.tx));
    }
    assert_eq!(pages[..5], txs);
    pages[5..].reverse();
    assert_eq!(pages[5..], txs);
    assert!(node.tx_search(every, false, 4, 2, Order::Ascending).await.is_err(), "there is no fourth page");
    let query = Query::eq("transfer.amount", "3");
    let found = node.tx_search(query.clone(), false, 1, 10, Order::Ascending).await.unwrap();
    assert_eq!(found.txs.iter().map(|found| &found.tx).collect::<Vec<_>>(), [&txs[2]], "{query}");
    let query = Query::lte("block.height", 2u64);
    let found = node.block_search(query, 1, 10, Order::Descending).await.unwrap();
    assert_eq!(found.blocks.iter().map(|found| found.block.header.height.value()).collect::<Vec<_>>(), [2, 1]);

    // Sent again, or wrong: refused with a reason.
    let again = node.broadcast_tx_sync(txs[0].clone()).await;
    assert!(again.is_err() || again.unwrap().code.is_err());
    let replay = Payer::new(&net, 0).transfer(6);
    let refused = node.broadcast_tx_sync(replay.clone()).await.unwrap();
    assert!(refused.code.is_err() && refused.log.contains("nonce"), "{refused:?}");
    let refused = node.broadcast_tx_commit(replay.clone()).await.unwrap();
    assert!(refused.check_tx.code.is_err() && refused.height.value() == 0, "{refused:?}");
    assert!(node.tx(hash_of(&replay), false).await.is_err());

    let state = node.abci_query(Some("/key".into()), "params", None, true).await.unwrap();
    assert!(state.code.is_ok() && !state.value.is_empty() && state.proof.is_some(), "{state:?}");
    assert!(node.abci_query(Some("/nowhere".into()), "params", None, false).await.unwrap().code.is_err());
}

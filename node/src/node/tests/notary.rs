use pyralog_consensus::light::{ValidatorEntry, Validators};
use pyralog_consensus::receipt::{GenesisTrust, NotarySubject, Refresh, ServedProof, Trust, VerifyOptions};
use pyralog_crypto::{DocumentDigest, Encode, RangePromise, SignedPromise, SignedRangePromise};
use serde_json::{Value, json};

use super::kit::{Homes, Running, get_json, homes, post, start};
use crate::backend::LogState;

pub fn trust(homes: &Homes) -> Trust {
    let entries = homes.genesis.powers().into_iter().map(|(public_key, power)| ValidatorEntry { public_key, power });
    Trust::Genesis(GenesisTrust {
        chain_id: homes.genesis.chain_id().into(),
        validators: Validators::sorted(entries.collect()).unwrap(),
        time: homes.genesis.parts().genesis_time,
        hash: homes.genesis.hash(),
    })
}

async fn submit(node: &Running, leaves: &[Vec<u8>]) -> (u16, Value) {
    let texts: Vec<String> = leaves.iter().map(hex::encode).collect();
    post(&format!("{}/v1/notary/leaves", node.endpoints.api), &json!({"leaves": texts})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_gets_a_receipt_that_verifies_against_the_genesis() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(1).await;
    let digest = DocumentDigest::of(b"a document");
    let subject = NotarySubject::new(&digest);
    let (status, answer) = submit(&node, &[subject.leaf().to_bytes(), vec![1, 2, 3]]).await;
    assert_eq!(status, 200, "{answer}");
    let promises: Vec<SignedPromise> = serde_json::from_value(answer["promises"].clone()).unwrap();
    let identity = node.backend.identity();
    assert_eq!(promises.len(), 2);
    for (n, signed) in promises.iter().enumerate() {
        signed.verify("pyralog-dev-test", &identity.log_owner).unwrap();
        assert_eq!((signed.promise.index, signed.promise.log), (n as u64, identity.log));
    }
    assert_eq!(promises[0].promise.leaf, subject.leaf().leaf_hashes());

    let api = &node.endpoints.api;
    let log = identity.log;
    let (status, served) = get_json(&format!("{api}/v1/notary/receipts/0?log={log}&wait_ms=20000")).await;
    assert_eq!(status, 200, "{served}");
    let proof: ServedProof = serde_json::from_value(served).unwrap();
    assert!(proof.proof.block.header.height <= promises[0].promise.anchor_by, "the promise is kept");
    let mut receipt = proof.attach(subject.clone(), None);
    let verified = receipt.verify(&digest, &trust(&homes), &VerifyOptions::default()).unwrap();
    assert_eq!((verified.index, verified.log), (0, log));
    let other = receipt.verify(&DocumentDigest::of(b"another"), &trust(&homes), &VerifyOptions::default());
    assert!(other.is_err(), "another document must not verify");

    // Re-anchored under a later header.
    node.reach(verified.height + 3).await;
    let (status, refresh) = get_json(&format!("{api}/v1/notary/refresh/{}", verified.height)).await;
    assert_eq!(status, 200, "{refresh}");
    let refresh: Refresh = serde_json::from_value(refresh).unwrap();
    let later = refresh.block.header.clone();
    receipt.refresh = Some(refresh);
    let hash = later.hash(&receipt.chain_id).unwrap();
    let trusted = Trust::Header { height: later.height, hash };
    receipt.verify(&digest, &trusted, &VerifyOptions::default()).unwrap();

    let (_, anchors) = get_json(&format!("{api}/v1/anchors/{log}")).await;
    assert_eq!(anchors["anchors"][0]["size"], "2", "{anchors}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_are_admitted_within_bounds_and_unknown_ones_are_not_found() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("notary.max_leaves", "3")]).await;
    for (leaves, part) in [
        (vec![], "1 to 3 leaves"),
        (vec![vec![1]; 4], "at most 3"),
        (vec![vec![1], vec![]], "leaf 1 has 0 bytes"),
        (vec![vec![0; 1025]], "leaf 0 has 1025 bytes"),
    ] {
        let (status, answer) = submit(&node, &leaves).await;
        assert_eq!(status, 400);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
        assert!(answer["error"]["remedy"].is_string());
    }
    let api = &node.endpoints.api;
    let (status, answer) = get_json(&format!("{api}/v1/notary/receipts/0")).await;
    assert_eq!(status, 404, "{answer}");
    let (status, _) = get_json(&format!("{api}/v1/notary/receipts/0?log={}", "00".repeat(32))).await;
    assert_eq!(status, 404);
    let (status, _) = get_json(&format!("{api}/v1/notary/refresh/999999")).await;
    assert_eq!(status, 404);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_survive_a_restart_and_are_anchored_after_it() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(1).await;
    let (status, _) = submit(&node, &[vec![7; 40]]).await;
    assert_eq!(status, 200);
    // Stopped at once: most likely no block anchors it yet.
    node.stop().await;
    let again = start(&homes.homes[0], &[]).await;
    let (status, answer) = get_json(&format!("{}/v1/notary/receipts/0?wait_ms=20000", again.endpoints.api)).await;
    assert_eq!(status, 200, "{answer}");
    let (status, second) = submit(&again, &[vec![8; 40]]).await;
    assert_eq!(status, 200);
    assert_eq!(second["promises"][0]["promise"]["index"], 1, "{second}");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_leaves_can_have_one_promise() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let leaves: Vec<Vec<u8>> = (0..1000u32).map(|n| n.to_be_bytes().to_vec()).collect();
    let texts: Vec<String> = leaves.iter().map(hex::encode).collect();
    let url = format!("{}/v1/notary/leaves?promise=range", node.endpoints.api);
    let (status, answer) = post(&url, &json!({"leaves": texts})).await;
    assert_eq!(status, 200, "{answer}");
    let signed: SignedRangePromise = serde_json::from_value(answer["range"].clone()).unwrap();
    signed.verify("pyralog-dev-test", &node.backend.identity().log_owner).unwrap();
    let hashes: Vec<_> = leaves.iter().map(|leaf| pyralog_crypto::leaf_hashes(leaf)).collect();
    assert_eq!(signed.promise.roots, RangePromise::roots_of(&hashes));
    assert_eq!((signed.promise.first, signed.promise.count), (0, 1000));
    let (status, proof) = get_json(&format!("{}/v1/notary/receipts/999?wait_ms=20000", node.endpoints.api)).await;
    assert_eq!(status, 200, "{proof}");
    let (status, _) = post(&format!("{url}s"), &json!({"leaves": texts})).await;
    assert_eq!(status, 400);
    node.stop().await;
}

/// Submits until the node takes it: after a start it first hears the others.
async fn taken(node: &Running, leaves: &[Vec<u8>]) {
    for _ in 0..300 {
        let (status, answer) = submit(node, leaves).await;
        match status {
            200 => return,
            503 => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            _ => panic!("{status}: {answer}"),
        }
    }
    panic!("it takes no leaves: {:?}", node.backend.live());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        // Permissions of keys are copied with the files.
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_was_restored_from_an_older_copy_says_so_of_each_leaf_that_it_cannot_prove() {
    let homes = homes(2);
    let [home, copied] = [homes.homes[0].root().to_owned(), homes.path().join("copy")];
    let node = start(&homes.homes[0], &[]).await;
    let other = start(&homes.homes[1], &[("p2p.bootstrap", node.endpoints.p2p.as_str())]).await;
    let settings = [("p2p.bootstrap", other.endpoints.p2p.as_str())];
    let ask = async |node: &Running, index: u64| {
        get_json(&format!("{}/v1/notary/receipts/{index}?wait_ms=20000", node.endpoints.api)).await
    };
    taken(&node, &[vec![1; 40]]).await;
    let (status, kept) = ask(&node, 0).await;
    assert_eq!(status, 200, "{kept}");
    node.stop().await;
    copy(&home, &copied);
    let node = start(&homes.homes[0], &settings).await;
    taken(&node, &[vec![2; 40], vec![3; 40]]).await;
    assert_eq!(ask(&node, 2).await.0, 200);
    // What is to be witnessed must have reached a witness.
    other.reach(node.height()).await;
    node.stop().await;

    std::fs::remove_dir_all(&home).unwrap();
    std::fs::rename(&copied, &home).unwrap();
    let node = start(&homes.homes[0], &settings).await;
    assert!(matches!(node.backend.live().log, LogState::Conflict(_)), "{:?}", node.backend.live());
    let (status, again) = ask(&node, 0).await;
    assert_eq!((status, &again["proof"]["leaf"]), (200, &kept["proof"]["leaf"]), "the copy holds it: {again}");
    for lost in [1, 2, 7] {
        let (status, answer) = ask(&node, lost).await;
        assert_eq!((status, &answer["error"]["code"]), (409, &json!("log_conflict")), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("1 leaves, and the chain has witnessed 3"), "{message}");
        assert!(answer["error"]["remedy"].is_string());
    }
    node.stop().await;
    other.stop().await;
}

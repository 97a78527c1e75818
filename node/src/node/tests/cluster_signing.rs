//! A cluster that is a validator: whoever of its members is away, documents are notarized, and nothing is signed twice.

use std::time::{Duration, Instant};

use pyralog_consensus::engine::SignerState;
use pyralog_consensus::receipt::{NotarySubject, ServedProof, VerifyOptions};
use pyralog_crypto::{DocumentDigest, SignedPromise};
use serde_json::{Value, json};

use super::cluster::{Member, full, grow, whole};
use super::kit::{Homes, get_json, homes, post};
use super::notary::trust;

/// Nothing takes so long.
const LONG: Duration = Duration::from_secs(60);

fn document(number: u64) -> DocumentDigest {
    DocumentDigest::of(format!("document {number}").as_bytes())
}

/// Notarizes a document by a member; answers the place of its leaf.
pub async fn notarize(member: &Member, number: u64) -> u64 {
    let leaf = NotarySubject::new(&document(number)).leaf();
    let body = json!({"leaves": [hex::encode(pyralog_crypto::Encode::to_bytes(&leaf))]});
    let begin = Instant::now();
    loop {
        let (status, answer) = post(&format!("{}/v1/notary/leaves", member.api()), &body).await;
        if status == 200 {
            let promises: Vec<SignedPromise> = serde_json::from_value(answer["promises"].clone()).unwrap();
            let identity = member.running.as_ref().unwrap().backend.identity();
            promises[0].verify("pyralog-dev-test", &identity.log_owner).unwrap();
            assert_eq!(promises[0].promise.leaf, leaf.leaf_hashes());
            return promises[0].promise.index;
        }
        assert_eq!(status, 503, "{answer}");
        assert_ne!(answer["error"]["remedy"], Value::Null, "{answer}");
        assert!(begin.elapsed() < LONG, "{answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Gets the receipt of a document from a member, and verifies it without any.
pub async fn verify(homes: &Homes, member: &Member, index: u64, number: u64) {
    let begin = Instant::now();
    let served = loop {
        let url = format!("{}/v1/notary/receipts/{index}?wait_ms=20000", member.api());
        let (status, served) = get_json(&url).await;
        if status == 200 {
            break served;
        }
        // One that has just started has not entered all leaves yet.
        assert!(
            begin.elapsed() < LONG,
            "receipt {index}: {status} {served}; {:?}",
            member.running.as_ref().unwrap().backend.live()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let proof: ServedProof = serde_json::from_value(served).unwrap();
    let receipt = proof.attach(NotarySubject::new(&document(number)), None);
    let verified = receipt.verify(&document(number), &trust(homes), &VerifyOptions::default()).unwrap();
    assert_eq!(verified.index, index);
}

/// Who signs, as a member sees it.
async fn signer(by: &Member, not: Option<u64>) -> u64 {
    let signs = |view: &Value| view["signer"].as_u64().is_some_and(|signer| Some(signer) != not);
    by.until("", "a member signs", signs).await["signer"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_away_documents_are_notarized_and_the_chain_goes_on() {
    let homes = homes(1);
    let mut members = vec![Member::begin(homes.homes[0].clone()).await];
    // Leaves that the first one has alone.
    let mut documents = 0;
    for _ in 0..3 {
        assert_eq!(notarize(&members[0], documents).await, documents);
        documents += 1;
    }
    verify(&homes, &members[0], 2, 2).await;
    for name in ["b", "c"] {
        let member = grow(&homes, &members[0], name).await;
        members.push(member);
    }
    members[0].until("", "three members store everything", |view| full(view, 3)).await;
    // All three take leaves, and each has the receipts of all.
    for member in &members {
        assert_eq!(notarize(member, documents).await, documents);
        documents += 1;
    }
    for member in &members {
        for index in [0, documents - 3, documents - 1] {
            verify(&homes, member, index, index).await;
        }
    }
    // Whoever signs goes away, and another one signs on.
    for _ in 0..3 {
        let at = signer(&members[0], None).await;
        let away = at as usize - 1;
        let by = (away + 1) % 3;
        members[away].stop().await;
        assert_ne!(signer(&members[by], Some(at)).await, at);
        let height = members[by].running.as_ref().unwrap().height();
        for place in (0..3).filter(|place| *place != away) {
            assert_eq!(notarize(&members[place], documents).await, documents);
            verify(&homes, &members[place], documents, documents).await;
            documents += 1;
        }
        members[by].running.as_ref().unwrap().reach(height + 3).await;
        members[away].start().await;
        verify(&homes, &members[away], documents - 1, documents - 1).await;
        members[0].until("", "it stores everything again", |view| full(view, 3)).await;
    }
    // One loses its disk, and takes the leaves and the chain from the others.
    let wiped = (signer(&members[0], None).await as usize) % 3;
    members[wiped].stop().await;
    std::fs::remove_dir_all(members[wiped].home.store()).unwrap();
    let height = members[(wiped + 1) % 3].running.as_ref().unwrap().height();
    members[wiped].start().await;
    members[(wiped + 1) % 3].until("", "all members are whole", whole).await;
    assert!(members[wiped].running.as_ref().unwrap().height() >= height, "it lacked blocks");
    for index in 0..documents {
        verify(&homes, &members[wiped], index, index).await;
    }
    for member in &members {
        let live = member.running.as_ref().unwrap().backend.live();
        assert!(!matches!(live.signer, SignerState::Suspended { .. } | SignerState::Abstaining { .. }), "{live:?}");
    }
    for mut member in members {
        member.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_whose_disk_and_list_of_members_are_lost_does_not_sign_alone() {
    let homes = homes(1);
    let mut first = Member::begin(homes.homes[0].clone()).await;
    let mut second = grow(&homes, &first, "b").await;
    for member in [&mut first, &mut second] {
        member.stop().await;
    }
    for member in [first, second] {
        std::fs::remove_dir_all(member.home.store()).unwrap();
        std::fs::remove_file(member.home.members()).unwrap();
        let config = super::kit::config(&[]);
        let why =
            crate::node::Node::start(&member.home, &config, super::kit::PASSPHRASE).await.err().unwrap().to_string();
        assert!(why.contains("must not begin alone") && why.contains("members.json"), "{why}");
    }
}

//! A cluster of more members than store its notary log: documents are notarized at all of them.

use pyralog_consensus::receipt::NotarySubject;
use pyralog_crypto::{DocumentDigest, Encode};
use serde_json::{Value, json};

use super::cluster::{Member, grow};
use super::cluster_signing::{notarize, verify};
use super::kit::{get_json, homes, post, post_text};
use crate::backend::LogState;

/// Waits until one of the members has heard that others store the log, and answers which one.
async fn other(members: &[Member]) -> usize {
    for _ in 0..600 {
        let elsewhere = |of: &Member| matches!(of.running.as_ref().unwrap().backend.live().log, LogState::Elsewhere(_));
        if let Some(found) = members.iter().position(elsewhere) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("all members store the notary log");
}

fn sound(answer: &Value, part: &str) {
    let text = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
    assert!(text("message").contains(part), "{answer}");
    assert!(!text("remedy").is_empty(), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_that_stores_no_notary_log_has_leaves_taken_and_receipts_given_by_one_that_does() {
    let homes = homes(1);
    let mut members = vec![Member::begin(homes.homes[0].clone()).await];
    for name in ["b", "c", "d"] {
        members.push(grow(&homes, &members[0], name).await);
    }
    let away = other(&members).await;
    // Whoever takes it, each has the receipt; and the places are those of one log.
    for document in 0..4 {
        let taken_by = (away + document as usize) % 4;
        assert_eq!(notarize(&members[taken_by], document).await, document);
    }
    for document in 0..4 {
        verify(&homes, &members[away], document, document).await;
    }
    verify(&homes, &members[(away + 1) % 4], 0, 0).await;
    assert_eq!(other(&members).await, away);

    let api = members[away].api();
    // What is refused elsewhere is refused here, by whoever finds it.
    for (path, body, status, part) in [
        ("leaves", json!({"leaves": []}), 400, "1 to 1000 leaves"),
        ("leaves", json!({"leaves": ["AA"]}), 400, "upper-case"),
        ("leaves?promise=all", json!({"leaves": ["00"]}), 400, "neither \"each\" nor \"range\""),
    ] {
        let (found, answer) = post(&format!("{api}/v1/notary/{path}"), &body).await;
        assert_eq!(found, status, "{answer}");
        sound(&answer, part);
    }
    let (status, answer) = get_json(&format!("{api}/v1/notary/receipts/99")).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")), "{answer}");
    sound(&answer, "there is no leaf 99");
    let (status, answer) = get_json(&format!("{api}/v1/notary/receipts/0?log={}", "00".repeat(32))).await;
    assert_eq!(status, 404, "{answer}");
    // As many as have room in one submission, and one promise for them.
    let leaf = vec![7_u8; 1024];
    let body = json!({"leaves": vec![hex::encode(&leaf); 1000]});
    let (status, answer) = post_text(&format!("{api}/v1/notary/leaves?promise=range"), body.to_string(), &[]).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, answer["range"]["promise"]["first"].as_u64()), (200, Some(4)), "{answer}");
    let (status, answer) = post(&format!("{api}/v1/notary/leaves"), &body).await;
    assert_eq!((status, answer["promises"][999]["promise"]["index"].as_u64()), (200, Some(2003)), "{answer}");

    // One that stores it goes away.
    let gone = (away + 1) % 4;
    members[gone].stop().await;
    assert_eq!(notarize(&members[away], 2004).await, 2004);
    verify(&homes, &members[away], 2004, 2004).await;
    // And all of them.
    for place in (0..4).filter(|place| ![away, gone].contains(place)) {
        members[place].stop().await;
    }
    let leaf = hex::encode(NotarySubject::new(&DocumentDigest::of(b"too late")).leaf().to_bytes());
    let refused = [
        post(&format!("{api}/v1/notary/leaves"), &json!({"leaves": [leaf]})).await,
        get_json(&format!("{api}/v1/notary/receipts/0")).await,
    ];
    for (status, answer) in refused {
        assert_eq!(status, 503, "{answer}");
        sound(&answer, "member");
        assert!(answer["error"]["remedy"].as_str().unwrap().contains("pyralog cluster status"), "{answer}");
    }
    members[away].stop().await;
}

use pyralog_crypto::{DocumentDigest, Hash, Promise, Roots, Signature, SigningKey};

use super::*;
use crate::node::NodeArgs;

fn leaf() -> NotaryLeaf {
    NotaryLeaf::Document { digest: DocumentDigest::of(b"x"), metadata: None }
}

fn answer(body: Value) -> Answer {
    Answer { node: "http://127.0.0.1:1".to_owned(), status: 200, body }
}

fn nodes() -> Nodes {
    NodeArgs { node: vec!["http://127.0.0.1:1".to_owned()] }.connect().unwrap()
}

fn served(log: LogId) -> Served {
    let owner = SigningKey::from_seed([1; 32]).public_key();
    Served { chain_id: "pyralog-dev-1".to_owned(), node: "http://127.0.0.1:1".to_owned(), log: Some((log, owner)) }
}

fn promise(leaf: Roots, log: LogId) -> SignedPromise {
    let promise = Promise { log, index: 1, leaf, anchor_by: 9 };
    SignedPromise::sign(promise, "pyralog-dev-1", &SigningKey::from_seed([1; 32])).unwrap()
}

#[test]
fn an_answer_must_promise_exactly_the_one_leaf_in_the_named_log() {
    let log = LogId([7; 32]);
    let good = promise(leaf().leaf_hashes(), log);
    let other = promise(Roots { blake3: Hash([1; 32]), sha256: Hash([2; 32]) }, log);
    let cases = [
        (json!({}), "not understood"),
        (json!({ "log": log, "promises": [] }), "0 promises"),
        (json!({ "log": log, "promises": [good, good] }), "2 promises"),
        (json!({ "log": log, "promises": [other] }), "another leaf"),
        (json!({ "log": LogId([8; 32]), "promises": [good] }), "another leaf"),
    ];
    for (body, expected) in cases {
        let Err(SubmitFault::Refused(failure)) = accept(&nodes(), &served(log), &leaf(), &answer(body)) else {
            panic!("accepted: {expected}");
        };
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains(expected), "{failure}");
    }
}

#[test]
fn a_promise_is_kept_word_for_word_when_its_signature_holds() {
    let log = LogId([7; 32]);
    let signed = promise(leaf().leaf_hashes(), log);
    let body = json!({ "log": log, "promises": [signed] });
    let Ok(submitted) = accept(&nodes(), &served(log), &leaf(), &answer(body.clone())) else { panic!("refused") };
    assert_eq!((submitted.promise.index, submitted.promise.anchor_by), (1, 9));
    assert_eq!(submitted.promise.signature, signed.signature);
    let other_chain = Served { chain_id: "pyralog-dev-2".to_owned(), ..served(log) };
    let Err(SubmitFault::Refused(failure)) = accept(&nodes(), &other_chain, &leaf(), &answer(body.clone())) else {
        panic!("accepted for another chain");
    };
    assert!(failure.to_string().contains("not signed by the key"), "{failure}");
    // Nobody is there to name the owner of a log that the status did not mention: the submission stays open.
    let unknown = Served { log: None, ..served(log) };
    assert!(matches!(accept(&nodes(), &unknown, &leaf(), &answer(body)), Err(SubmitFault::Unserved { .. })));
}

#[test]
fn a_reason_to_wait_cannot_steer_the_terminal() {
    assert_eq!(pending_reason(&json!({ "reason": "\u{1b}[2J" })), "\\u{1b}[2J");
    assert!(pending_reason(&json!({})).contains("anchor"));
}

#[test]
fn an_unreachable_node_is_lost_and_not_an_error() {
    let promise = PendingPromise {
        log: LogId([7; 32]),
        index: 1,
        anchor_by: 9,
        owner: SigningKey::from_seed([1; 32]).public_key(),
        signature: Signature([0; 64]),
    };
    let deadline = Deadline::after(Duration::from_secs(20));
    let waited = wait(&nodes(), "http://127.0.0.1:1", &promise, deadline).unwrap();
    assert!(matches!(waited, Waited::Lost(reason) if reason.contains("127.0.0.1:1")));
    let waited = wait(&nodes(), "http://127.0.0.1:1", &promise, Deadline::after(Duration::ZERO)).unwrap();
    assert!(matches!(waited, Waited::TimedOut(_)));
}

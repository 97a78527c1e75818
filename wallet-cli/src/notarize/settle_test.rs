use std::fs;

use pyralog_consensus::receipt::ReceiptFile;
use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_crypto::{DocumentDigest, Encode, NotaryLeaf};

use super::super::prepare;
use super::*;

const CHAIN: &str = "pyralog-dev-settle";

struct Case {
    dir: tempfile::TempDir,
    maker: ReceiptMaker,
}

impl Case {
    fn new() -> Self {
        let mut maker = ReceiptMaker::new(CHAIN, &[(1, 10), (2, 10), (3, 10), (4, 10)]);
        maker.fill(9);
        Self { dir: tempfile::tempdir().unwrap(), maker }
    }

    fn member(&self, name: &str) -> Member {
        let digest = DocumentDigest::of(name.as_bytes());
        let subject = prepare::subject(&digest, None, true).unwrap();
        Member { file: name.into(), receipt: self.dir.path().join(name), subject, batch: None }
    }

    /// Logs the leaf and anchors it.
    fn proof(&mut self, leaf: &NotaryLeaf) -> ServedProof {
        let index = self.maker.append(leaf);
        self.maker.anchor(1, 2);
        self.maker.proof(index)
    }

    fn read(&self, name: &str) -> ReceiptFile {
        ReceiptFile::parse(&fs::read(self.dir.path().join(name)).unwrap()).unwrap()
    }
}

fn promise(maker: &ReceiptMaker, leaf: &NotaryLeaf, index: u64) -> PendingPromise {
    let signed = maker.promise(leaf, index);
    let owner = pyralog_crypto::SigningKey::from_seed([0xa0; 32]).public_key();
    let Promise { log, index, anchor_by, .. } = signed.promise;
    PendingPromise { log, index, anchor_by, owner, signature: signed.signature }
}

#[test]
fn pending_receipts_hold_the_salt_before_anything_is_submitted() {
    let case = Case::new();
    let member = case.member("a.json");
    let outcomes = write_pending(CHAIN, std::slice::from_ref(&member), None, Existing::Keep).unwrap();
    assert!(outcomes[0].is_ok());
    let ReceiptFile::Pending(pending) = case.read("a.json") else { panic!("complete already") };
    assert_eq!(pending.subject.hidden_salt, member.subject.hidden_salt);
    assert!(pending.promise.is_none());
    assert_eq!(pending.leaf().unwrap(), member.subject.leaf());
    let again = write_pending(CHAIN, &[member], None, Existing::Keep).unwrap();
    assert_eq!(again[0].as_ref().unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn a_kept_promise_verifies_from_the_pending_receipt_alone() {
    let mut case = Case::new();
    let job = Job::single(case.member("a.cbor"));
    let index = case.maker.append(&job.leaf);
    write_pending(CHAIN, &job.members, None, Existing::Keep).unwrap();
    keep_promise(CHAIN, &job.members, &promise(&case.maker, &job.leaf, index)).unwrap();
    let ReceiptFile::Pending(pending) = case.read("a.cbor") else { panic!("complete already") };
    let error = pending.verify(&job.members[0].subject.digest(), &case.maker.genesis());
    assert_eq!(error.class().exit_code(), 4, "{error}");
    assert!(error.to_string().contains(&format!("leaf {index}")), "{error}");
}

#[test]
fn a_served_proof_replaces_the_pending_receipt_and_verifies() {
    let mut case = Case::new();
    let job = Job::single(case.member("a.json"));
    write_pending(CHAIN, &job.members, None, Existing::Keep).unwrap();
    let proof = case.proof(&job.leaf);
    let verified = complete(CHAIN, &job, proof).unwrap();
    assert_eq!((verified.height, verified.index), (1, 9));
    let ReceiptFile::Complete(receipt) = case.read("a.json") else { panic!("still pending") };
    let digest = job.members[0].subject.digest();
    receipt.verify(&digest, &case.maker.genesis(), &VerifyOptions::default()).unwrap();
}

#[test]
fn every_member_of_a_batch_is_completed() {
    let mut case = Case::new();
    let members = ["a.json", "b.json", "c.cbor"].map(|name| case.member(name)).into();
    let job = Job::batch(members).unwrap();
    write_pending(CHAIN, &job.members, None, Existing::Keep).unwrap();
    let proof = case.proof(&job.leaf);
    complete(CHAIN, &job, proof).unwrap();
    for (index, member) in (0u64..).zip(&job.members) {
        let ReceiptFile::Complete(receipt) = case.read(&member.name()) else { panic!("{} is pending", member.name()) };
        let verified =
            receipt.verify(&member.subject.digest(), &case.maker.genesis(), &VerifyOptions::default()).unwrap();
        assert_eq!(verified.batch_index, Some(index));
    }
}

#[test]
fn a_proof_of_another_leaf_or_chain_leaves_the_pending_receipt_alone() {
    let mut case = Case::new();
    let job = Job::single(case.member("a.json"));
    write_pending(CHAIN, &job.members, None, Existing::Keep).unwrap();
    let other = case.member("other").subject.leaf();
    let foreign = case.proof(&other);
    let failure = complete(CHAIN, &job, foreign).unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.to_string().contains("does not hold"), "{failure}");
    let proof = case.proof(&job.leaf);
    assert!(complete("pyralog-dev-else", &job, proof).unwrap_err().to_string().contains(CHAIN));
    assert!(matches!(case.read("a.json"), ReceiptFile::Pending(_)));
}

#[test]
fn a_tampered_signature_is_noticed_before_anything_is_replaced() {
    let mut case = Case::new();
    let job = Job::single(case.member("a.json"));
    write_pending(CHAIN, &job.members, None, Existing::Keep).unwrap();
    let mut proof = case.proof(&job.leaf);
    proof.proof.checkpoint.signature.0[0] ^= 1;
    assert_eq!(complete(CHAIN, &job, proof).unwrap_err().code(), 1);
    let mut proof = case.maker.proof(9);
    proof.proof.leaf.sha256_path[0].0[0] ^= 1;
    assert_eq!(complete(CHAIN, &job, proof).unwrap_err().code(), 1);
    assert!(matches!(case.read("a.json"), ReceiptFile::Pending(_)));
}

#[test]
fn without_a_node_the_job_stays_pending_and_says_why() {
    let case = Case::new();
    let job = Job::single(case.member("a.json"));
    write_pending(CHAIN, &job.members, None, Existing::Keep).unwrap();
    let nodes = crate::node::NodeArgs { node: vec!["http://127.0.0.1:1".to_owned()] }.connect().unwrap();
    let served = Served { chain_id: CHAIN.to_owned(), node: nodes.urls()[0].clone(), log: None };
    let patience = Patience { no_wait: false, deadline: Deadline::after(Duration::from_secs(1)) };
    let settled = settle(&nodes, &served, &job, None, patience).unwrap();
    assert!(matches!(settled, Settled::Pending { promise: None, reason, .. } if reason.contains("connection refused")));
    assert!(!job.leaf.to_bytes().is_empty());
}

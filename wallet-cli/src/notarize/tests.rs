use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{ReceiptFile, Verified, VerifyOptions};
use pyralog_crypto::{DocumentDigest, LogId, PublicKey, Signature};

use super::*;

const CHAIN: &str = "pyralog-dev-report";
const NODE: &str = " --node http://h:1";

fn member(dir: &std::path::Path, name: &str) -> Member {
    let subject = prepare::subject(&DocumentDigest::of(name.as_bytes()), None, false).unwrap();
    Member { name: name.to_owned(), receipt: dir.join(format!("{name}.receipt.json")), subject, batch: None }
}

fn verified() -> Box<Verified> {
    let mut maker = ReceiptMaker::new(CHAIN, &[(1, 10)]);
    let member = member(std::path::Path::new("."), "x");
    let receipt = maker.notarize(member.subject.clone());
    Box::new(receipt.verify(&member.subject.digest(), &maker.genesis(), &VerifyOptions::default()).unwrap())
}

fn promise() -> pyralog_consensus::receipt::PendingPromise {
    pyralog_consensus::receipt::PendingPromise {
        log: LogId([1; 32]),
        index: 7,
        anchor_by: 99,
        owner: PublicKey([2; 32]),
        signature: Signature([3; 64]),
    }
}

fn job(names: &[&str]) -> Job {
    let members: Vec<_> = names.iter().map(|name| member(std::path::Path::new("r"), name)).collect();
    if names.len() == 1 { Job::single(members[0].clone()) } else { Job::batch(members).unwrap() }
}

#[test]
fn a_complete_job_is_0_with_height_time_and_receipts() {
    let output = report(CHAIN, &job(&["a"]), &Settled::Complete(verified()), &[], false, NODE);
    assert_eq!(output.failure, None);
    assert_eq!(output.document["status"], "complete");
    assert_eq!(output.document["height"], 1);
    assert_eq!(output.document["receipts"][0], json!({ "file": "a", "receipt": "r/a.receipt.json" }));
    assert_eq!(output.document["failed"], json!([]));
    assert!(output.text.contains("existed no later than 2026-"), "{}", output.text);
}

#[test]
fn a_job_that_ran_out_of_time_is_4_and_names_the_next_command() {
    let settled = Settled::Pending { promise: Some(promise()), reason: "no block yet".to_owned() };
    let output = report(CHAIN, &job(&["a", "b"]), &settled, &[], false, NODE);
    let failure = output.failure.unwrap();
    assert_eq!(failure.code(), 4);
    assert!(failure.to_string().contains("promised, not anchored yet: no block yet"));
    assert_eq!(
        failure.report().next.as_deref(),
        Some("`pyralog receipt fetch r/a.receipt.json --node http://h:1`, which takes all 2 receipts at once too")
    );
    assert_eq!(output.document["anchor_by"], 99);
    assert_eq!(output.document["index"], 7);
}

#[test]
fn not_waiting_is_0_only_with_a_promise() {
    let promised = Settled::Pending { promise: Some(promise()), reason: "not waited for".to_owned() };
    assert_eq!(report(CHAIN, &job(&["a"]), &promised, &[], true, NODE).failure, None);
    let unsubmitted = Settled::Pending { promise: None, reason: "no node".to_owned() };
    assert_eq!(report(CHAIN, &job(&["a"]), &unsubmitted, &[], true, NODE).failure.unwrap().code(), 4);
}

#[test]
fn documents_that_were_not_done_make_it_1_whatever_became_of_the_others() {
    let problems = [("x".into(), "permission denied".to_owned())];
    for settled in [Settled::Complete(verified()), Settled::Pending { promise: None, reason: "r".to_owned() }] {
        let output = report(CHAIN, &job(&["a"]), &settled, &problems, false, NODE);
        let failure = output.failure.unwrap();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("1 of 2 documents"), "{failure}");
        assert_eq!(output.document["failed"][0], json!({ "file": "x", "error": "permission denied" }));
    }
}

#[test]
fn claiming_writes_every_pending_receipt_and_leaves_out_what_it_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let members: Vec<_> = ["a", "b", "c"].iter().map(|name| member(dir.path(), name)).collect();
    // Somebody makes b's receipt between the plan and the writing.
    std::fs::write(&members[1].receipt, "precious").unwrap();
    let mut problems = Vec::new();
    let job = claim(CHAIN, members, true, &Destination::default(), &mut problems).unwrap();
    assert_eq!(job.members.len(), 2);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].1.contains("--force"), "{problems:?}");
    assert_eq!(std::fs::read_to_string(dir.path().join("b.receipt.json")).unwrap(), "precious");
    for (index, member) in (0u64..).zip(&job.members) {
        let bytes = std::fs::read(&member.receipt).unwrap();
        let ReceiptFile::Pending(pending) = ReceiptFile::parse(&bytes).unwrap() else { panic!("complete") };
        let batch = pending.batch.clone().unwrap();
        assert_eq!((batch.index, batch.count), (index, 2), "the batch was built again without b");
        assert_eq!(pending.leaf().unwrap(), job.leaf);
    }
}

#[test]
fn force_replaces_and_a_single_document_is_no_batch() {
    let dir = tempfile::tempdir().unwrap();
    let one = member(dir.path(), "a");
    std::fs::write(&one.receipt, "old").unwrap();
    let to = Destination { force: true, ..Destination::default() };
    let job = claim(CHAIN, vec![one.clone()], false, &to, &mut Vec::new()).unwrap();
    assert_eq!(job.leaf, one.subject.leaf());
    assert!(ReceiptFile::parse(&std::fs::read(&one.receipt).unwrap()).is_ok());
    let batch = claim(CHAIN, vec![one.clone()], true, &to, &mut Vec::new()).unwrap();
    assert_ne!(batch.leaf, one.subject.leaf(), "a directory of one file is a batch of one");
}

#[test]
fn when_nothing_can_be_claimed_the_reason_is_the_failure() {
    let dir = tempfile::tempdir().unwrap();
    let lost = Member { receipt: dir.path().join("missing/r.json"), ..member(dir.path(), "a") };
    let failure = claim(CHAIN, vec![lost.clone()], false, &Destination::default(), &mut Vec::new()).unwrap_err();
    assert!(failure.to_string().contains("cannot write its receipt"), "{failure}");
    let to = Destination { out_dir: Some(dir.path().join("missing")), ..Destination::default() };
    claim(CHAIN, vec![lost], false, &to, &mut Vec::new()).unwrap();
    let mut problems = vec![("a".into(), "x".to_owned()), ("b".into(), "y".to_owned())];
    let failure = claim(CHAIN, Vec::new(), false, &Destination::default(), &mut problems).unwrap_err();
    assert!(failure.to_string().contains("none of 2"), "{failure}");
}

#[test]
fn a_submission_that_was_refused_for_good_keeps_the_pending_receipt_and_says_so() {
    let job = job(&["a"]);
    let failure = kept(Failure::error("refused"), &job, NODE);
    assert!(
        failure.report().next.as_ref().unwrap().contains("pyralog receipt fetch r/a.receipt.json --node http://h:1")
    );
    let advised = kept(Failure::error("refused").next("use another node"), &job, NODE);
    assert_eq!(advised.report().next.as_deref(), Some("use another node"));
}

#[test]
fn unreadable_documents_are_collected_while_the_others_are_digested() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("good"), "good").unwrap();
    let source = |name: &str| Source { path: Some(dir.path().join(name)), receipt: Some(dir.path().join("r")) };
    let mut problems = Vec::new();
    let sources = [source("gone"), source("good")];
    let members = digest(&sources, None, false, &Destination::default(), &mut problems).unwrap();
    assert_eq!(members[0].subject.digest(), DocumentDigest::of(b"good"));
    assert!(problems[0].0.ends_with("gone"), "{problems:?}");
}

#[test]
fn skipped_receipts_are_one_line_with_their_count() {
    let mut skipped: Vec<(PathBuf, &'static str)> = (0..2_000).map(|i| (format!("{i}").into(), RECEIPT)).collect();
    skipped.push(("loop".into(), "a link to a directory"));
    assert_eq!(skipped_lines(&skipped), ["skipped loop: a link to a directory", "skipped 2000 receipts"]);
    assert_eq!(skipped_lines(&skipped[..1]), ["skipped 1 receipt"]);
    assert!(skipped_lines(&[]).is_empty());
}

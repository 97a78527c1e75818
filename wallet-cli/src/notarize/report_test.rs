use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{PendingPromise, VerifyOptions};
use pyralog_crypto::{DocumentDigest, LogId, PublicKey, Signature};

use super::super::prepare;
use super::*;

const CHAIN: &str = "pyralog-dev-report";

fn node() -> NodeArgs {
    NodeArgs { node: vec!["http://h:1".to_owned()] }
}

fn member(name: &str) -> Member {
    let subject = prepare::subject(&DocumentDigest::of(name.as_bytes()), None, false).unwrap();
    let receipt = std::path::Path::new("r").join(format!("{name}.receipt.json"));
    Member { file: name.into(), receipt, subject, batch: None }
}

fn job(names: &[&str]) -> Job {
    let members: Vec<_> = names.iter().map(|name| member(name)).collect();
    if names.len() == 1 { Job::single(members[0].clone()) } else { Job::batch(members).unwrap() }
}

fn verified() -> Verified {
    let mut maker = ReceiptMaker::new(CHAIN, &[(1, 10)]);
    let subject = member("x").subject;
    let receipt = maker.notarize(subject.clone());
    receipt.verify(&subject.digest(), &maker.genesis(), &VerifyOptions::default()).unwrap()
}

fn complete() -> Settled {
    Settled::Complete(Box::new(verified()))
}

fn pending(promised: bool, reason: &str, refused: &[&str]) -> Settled {
    let promise = PendingPromise {
        log: LogId([1; 32]),
        index: 7,
        anchor_by: 99,
        owner: PublicKey([2; 32]),
        signature: Signature([3; 64]),
    };
    let refused = refused.iter().map(|url| (*url).to_owned()).collect();
    Settled::Pending { promise: promised.then_some(promise), reason: reason.to_owned(), refused }
}

fn tally(names: &[&str], settled: Settled) -> Tally {
    let done = Done { job: job(names), settled, resumed: false };
    Tally { chain_id: Some(CHAIN.to_owned()), settled: vec![done], ..Tally::default() }
}

#[test]
fn a_complete_job_is_0_with_height_time_and_receipts() {
    let output = tally(&["a"], complete()).output(None, false, &node());
    assert_eq!(output.failure, None);
    assert_eq!(output.document["status"], "complete");
    assert_eq!((&output.document["height"], &output.document["chain_id"]), (&json!(1), &json!(CHAIN)));
    let row = &output.document["receipts"][0];
    assert_eq!((&row["file"], &row["receipt"]), (&json!("a"), &json!("r/a.receipt.json")));
    assert_eq!((&row["status"], &row["height"]), (&json!("complete"), &json!(1)));
    assert_eq!(output.document["failed"], json!([]));
    assert!(output.text.contains("existed no later than 2026-"), "{}", output.text);
}

#[test]
fn a_job_that_ran_out_of_time_is_4_and_names_the_next_command() {
    let output = tally(&["a", "b"], pending(true, "no block yet", &[])).output(None, false, &node());
    let failure = output.failure.unwrap();
    assert_eq!(failure.code(), 4);
    assert!(failure.to_string().contains("promised, not anchored yet: no block yet"));
    let next = "pyralog receipt fetch r/a.receipt.json r/b.receipt.json --node http://h:1";
    assert_eq!(failure.report().next.as_deref(), Some(next));
    assert_eq!(output.document["next"], next);
    assert_eq!((&output.document["anchor_by"], &output.document["index"]), (&json!(99), &json!(7)));
}

#[test]
fn a_node_that_sent_the_leaf_elsewhere_is_not_proposed_again() {
    let refused = pending(false, "submit to another node", &["http://h:1"]);
    let output = tally(&["a"], refused).output(None, false, &node());
    let next = output.failure.unwrap().report().next.clone().unwrap();
    assert_eq!(next, "pyralog receipt fetch r/a.receipt.json --node URL (another node than http://h:1)");
    let two = NodeArgs { node: vec!["http://h:1".to_owned(), "http://i:2".to_owned()] };
    let output = tally(&["a"], pending(false, "x", &["http://h:1"])).output(None, false, &two);
    assert_eq!(output.document["next"], "pyralog receipt fetch r/a.receipt.json --node http://i:2");
}

#[test]
fn not_waiting_is_0_only_with_a_promise_and_names_the_next_command_too() {
    let output = tally(&["a"], pending(true, "not waited for", &[])).output(None, true, &node());
    assert_eq!(output.failure, None);
    assert_eq!(output.document["next"], "pyralog receipt fetch r/a.receipt.json --node http://h:1");
    let output = tally(&["a"], pending(false, "no node", &[])).output(None, true, &node());
    assert_eq!(output.failure.unwrap().code(), 4);
}

#[test]
fn documents_that_were_not_done_make_it_1_whatever_became_of_the_others() {
    for settled in [complete(), pending(false, "r", &[])] {
        let mut tally = tally(&["a"], settled);
        tally.problems.push(("x\u{1b}".into(), "permission denied".to_owned()));
        let output = tally.output(None, false, &node());
        let failure = output.failure.unwrap();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("1 of 2 documents"), "{failure}");
        let row = json!({ "file": "x\u{1b}", "status": "error", "why": "permission denied" });
        assert_eq!(output.document["failed"], json!([row]));
        assert_eq!(output.document["status"], "error", "not complete, nor pending, beside an error");
        // Each document says for itself what became of it, and the step is the same in both places.
        let pending = output.document["next"].as_str();
        assert_eq!(output.document["receipts"][0]["status"], if pending.is_some() { "pending" } else { "complete" });
        assert_eq!(failure.report().next.as_deref(), pending);
        assert!(!output.document["next"].is_null() || !output.document.as_object().unwrap().contains_key("next"));
    }
}

#[test]
fn where_nothing_was_done_the_document_still_lists_all_that_failed() {
    let problems: Vec<Problem> = (0..30).map(|n| (format!("{n}").into(), "gone".to_owned())).collect();
    let output = Tally { problems: problems.clone(), ..Tally::default() }.output(None, false, &node());
    assert_eq!(output.document["status"], "error");
    assert_eq!(output.document["failed"].as_array().unwrap().len(), 30);
    assert!(output.failure.unwrap().to_string().contains("none of 30 documents"));
    let one = Tally { problems: problems[..1].to_vec(), ..Tally::default() }.output(None, false, &node());
    assert_eq!(one.failure.unwrap().to_string(), "0: gone");
    // An end before all was tried is the reason for those of which nothing was said.
    let mut tally = Tally { problems: problems[..1].to_vec(), ..Tally::default() };
    let fatal = Failure::error("no node");
    tally.abandon(["0", "1"].into_iter().map(PathBuf::from), &fatal);
    let output = tally.output(Some(fatal), false, &node());
    assert_eq!(output.document["failed"][0], json!({ "file": "0", "status": "error", "why": "gone" }));
    assert_eq!(output.document["failed"][1], json!({ "file": "1", "status": "error", "why": "no node" }));
    assert_eq!(output.failure.unwrap().to_string(), "no node");
}

#[test]
fn a_submission_that_was_refused_for_good_keeps_the_pending_receipt_and_says_so() {
    let mut refused = Tally::default();
    refused.refuse(job(&["a"]), Failure::error("refused"));
    let output = refused.output(None, false, &node());
    assert_eq!((&output.document["status"], &output.document["failed"][0]["file"]), (&json!("error"), &json!("a")));
    let next = output.failure.unwrap().report().next.clone().unwrap();
    assert!(next.contains("pyralog receipt fetch r/a.receipt.json --node URL"), "{next}");
    assert!(!next.contains("http://h:1"), "the node that refused is not proposed again: {next}");
    let mut advised = Tally::default();
    advised.refuse(job(&["a"]), Failure::error("refused").next("use another node"));
    let failure = advised.output(None, false, &node()).failure.unwrap();
    assert_eq!(failure.report().next.as_deref(), Some("use another node"));
}

#[test]
fn what_was_notarized_before_is_said_and_counts_as_done() {
    let already = vec![(member("a"), verified()), (member("b"), verified())];
    let output = Tally { already: already.clone(), ..Tally::default() }.output(None, false, &node());
    assert_eq!(output.failure, None);
    assert_eq!((&output.document["status"], &output.document["height"]), (&json!("complete"), &json!(1)));
    assert_eq!(output.document["receipts"][1]["status"], "already notarized");
    assert!(output.text.contains("already notarized") && output.text.contains("2 documents"), "{}", output.text);
    let one = Tally { already: already[..1].to_vec(), ..Tally::default() }.output(None, false, &node());
    assert!(one.text.contains("existed no later than") && one.text.contains("r/a.receipt.json"), "{}", one.text);
}

#[test]
fn a_name_cannot_steer_the_terminal_and_the_proposed_command_can_be_pasted() {
    let output = tally(&["a\u{1b}[2J"], pending(true, "r", &[])).output(None, false, &node());
    assert!(output.text.contains("a\\u{1b}[2J") && !output.text.contains("\u{1b}[2J"), "{:?}", output.text);
    let next = output.failure.unwrap().report().next.clone().unwrap();
    assert_eq!(next, "pyralog receipt fetch $'r/a\\x1b[2J.receipt.json' --node http://h:1");
    assert_eq!(output.document["receipts"][0]["file"], "a\u{1b}[2J");
    assert_eq!(output.document["receipts"][0]["receipt"], "r/a\u{1b}[2J.receipt.json");
}

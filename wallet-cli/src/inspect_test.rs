use pyralog_consensus::light::testkit::validators;
use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_crypto::{DocumentDigest, Metadata, Salt};

use super::*;

const CHAIN: &str = "pyralog-dev-inspect";

fn maker() -> ReceiptMaker {
    let mut maker = ReceiptMaker::new(CHAIN, &[(1, 10), (2, 20), (3, 30)]);
    maker.fill(40);
    maker
}

fn subject(text: &str) -> NotarySubject {
    NotarySubject::new(&DocumentDigest::of(text.as_bytes()))
}

/// The text without styles, as a pipe gets it.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Asserts that the parts stand in the text in this order.
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in its place in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn a_complete_receipt_is_drawn_from_the_document_to_the_commit() {
    let mut maker = maker();
    let receipt = maker.notarize(subject("abc"));
    let output = picture(&ReceiptFile::Complete(Box::new(receipt.clone())));
    let log = maker.log.to_string();
    in_order(
        &plain(&output.text),
        &[
            CHAIN,
            "document, 3 bytes",
            &receipt.subject.blake3.to_string(),
            &receipt.subject.sha256.to_string(),
            "leaf, by its digests",
            &log,
            "leaf 40",
            "checkpoint of 41 leaves",
            "anchor transaction",
            "header 1 of",
            "commit of round",
            "signed",
            "power 30",
        ],
    );
    assert_eq!(output.document["status"], "complete");
    assert_eq!(output.document["index"], 40);
    assert_eq!(output.document["block"]["height"], 1);
    assert_eq!(output.document["block"]["validators"], 3);
    assert_eq!(output.document["refreshed_under"], Value::Null);
}

#[test]
fn the_indentation_grows_by_one_step_and_the_last_step_has_no_bar() {
    let receipt = maker().notarize(subject("abc"));
    let text = plain(&picture(&ReceiptFile::Complete(Box::new(receipt))).text);
    let depths: Vec<usize> = text.lines().filter_map(|line| line.find('└')).collect();
    assert!(depths.windows(2).all(|pair| pair[1] > pair[0]), "{depths:?}");
    assert!(!text.lines().last().unwrap().contains('│'));
}

#[test]
fn metadata_is_shown_and_cannot_steer_the_terminal() {
    let metadata = Metadata::new([("author", "Ada"), ("evil", "\u{1b}[2Jgone")]).unwrap();
    let receipt = maker().notarize(subject("abc").with_metadata(metadata, Salt([1; 32])).hidden(Salt([2; 32])));
    let output = picture(&ReceiptFile::Complete(Box::new(receipt)));
    let text = plain(&output.text);
    in_order(&text, &["metadata author = Ada", "metadata evil = \\u{1b}[2Jgone", "hidden under a salt"]);
    assert_eq!(output.document["subject"]["hidden"], true);
    assert_eq!(output.document["subject"]["metadata"]["author"], "Ada");
}

#[test]
fn a_member_of_a_batch_shows_its_place() {
    let mut maker = maker();
    let subjects: Vec<_> = (0..5).map(|i| subject(&format!("document {i}"))).collect();
    let leaves: Vec<_> = subjects.iter().map(NotarySubject::leaf).collect();
    let (members, index) = maker.append_batch(&leaves);
    maker.anchor(0, 0);
    let receipt = maker.proof(index).attach(subjects[3].clone(), Some(members[3].clone()));
    let output = picture(&ReceiptFile::Complete(Box::new(receipt)));
    in_order(&plain(&output.text), &["batch, member 3 of 5", "path of 3", "it is the block's only transaction"]);
    assert_eq!(output.document["subject"]["batch"], json!({ "index": 3, "count": 5 }));
}

#[test]
fn bridge_and_refresh_are_shown() {
    let mut maker = maker();
    maker.change(validators(&[(1, 10), (2, 20), (3, 30), (4, 40)]));
    maker.advance(4);
    let receipt = maker.notarize(subject("abc"));
    let height = receipt.proof.block.header.height;
    maker.advance(height + 4);
    let refreshed = maker.refresh(&receipt);
    let output = picture(&ReceiptFile::Complete(Box::new(refreshed)));
    let text = plain(&output.text);
    in_order(&text, &["bridge of 1 changes of the validators", "refreshed under header", "state proof of"]);
    assert_eq!(output.document["bridge"].as_array().unwrap().len(), 1);
    assert_eq!(output.document["refreshed_under"]["height"], height + 4);
}

#[test]
fn a_pending_receipt_ends_with_its_promise_or_says_that_there_is_none() {
    let mut maker = maker();
    let subject = subject("abc");
    let index = maker.append(&subject.leaf());
    let mut pending = maker.pending(subject, index);
    let output = picture(&ReceiptFile::Pending(Box::new(pending.clone())));
    in_order(&plain(&output.text), &["pending receipt of", "document, 3 bytes", "promise to anchor leaf 40 by height"]);
    assert_eq!(output.document["promise"]["index"], 40);
    pending.promise = None;
    let output = picture(&ReceiptFile::Pending(Box::new(pending)));
    assert!(plain(&output.text).contains("not submitted to any node yet"));
    assert_eq!(output.document["promise"], Value::Null);
}

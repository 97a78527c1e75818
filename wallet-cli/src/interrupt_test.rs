use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{NotarySubject, ReceiptFormat, pending};
use pyralog_crypto::DocumentDigest;

use super::*;

const CHAIN: &str = "pyralog-dev-stop";

/// Places for four receipts, of which so many are written as pending and so many as complete ones.
fn unfinished(dir: &tempfile::TempDir, waiting: usize, done: usize, claimed: bool) -> Unfinished {
    let receipts: Vec<PathBuf> = (0..4).map(|n| dir.path().join(format!("{n}.receipt.json"))).collect();
    let mut maker = ReceiptMaker::new(CHAIN, &[(1, 10)]);
    for (n, path) in receipts.iter().enumerate().take(waiting + done) {
        let subject = NotarySubject::new(&DocumentDigest::of(&[n as u8]));
        let text =
            if n < waiting { pending(CHAIN, subject, None, None).to_json() } else { maker.notarize(subject).to_json() };
        std::fs::write(path, text.unwrap()).unwrap();
    }
    Unfinished { receipts, claimed, fetch: "pyralog receipt fetch d".to_owned() }
}

fn told(waiting: usize, done: usize, claimed: bool) -> (u8, String, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let failure = described(SIGINT, Some(&unfinished(&dir, waiting, done, claimed)), "pyralog notarize d");
    (failure.code(), failure.to_string(), failure.report().next.clone())
}

#[test]
fn a_stop_with_pending_receipts_is_4_and_names_the_command_that_finishes_them() {
    let (code, text, next) = told(3, 1, true);
    assert_eq!((code, next.as_deref()), (4, Some("pyralog receipt fetch d")));
    assert!(text.contains("1 of 4 receipts are complete, 3 are pending"), "{text}");
    let (code, text, next) = told(3, 0, false);
    assert_eq!((code, next.as_deref()), (4, Some("pyralog notarize d")));
    assert!(text.contains("3 of 4 documents have a pending receipt, 1 have none yet"), "{text}");
}

#[test]
fn a_stop_that_leaves_nothing_pending_has_the_code_of_its_signal() {
    assert_eq!(described(SIGINT, None, "x").code(), 130);
    assert_eq!(described(SIGTERM, None, "x").code(), 143);
    assert!(described(SIGTERM, None, "x").to_string().contains("SIGTERM"));
    let (code, text, next) = told(0, 4, true);
    assert_eq!((code, next), (130, None));
    assert!(text.contains("4 of 4 receipts are complete"), "{text}");
    let (code, text, next) = told(0, 0, false);
    assert_eq!((code, next.as_deref()), (130, Some("pyralog notarize d")));
    assert!(text.contains("none of 4"), "{text}");
}

#[test]
fn a_stop_of_what_carries_records_says_how_far_it_is() {
    let so_far = SoFar { done: "3 records are durable".to_owned(), next: Some("pyralog log describe a".to_owned()) };
    let failure = carried(SIGTERM, &so_far);
    assert_eq!(failure.code(), 143);
    assert_eq!(failure.to_string(), "stopped by SIGTERM: 3 records are durable");
    assert_eq!(failure.report().next.as_deref(), Some("pyralog log describe a"));
}

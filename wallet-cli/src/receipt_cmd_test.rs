use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{NotarySubject, pending};
use pyralog_crypto::{Blake3, DocumentDigest, MemoryTree, MerkleHash, Sha256};

use super::*;

#[test]
fn an_invalid_receipt_weighs_more_than_an_error_and_that_more_than_a_pending_one() {
    let mut worst = None;
    for (failure, code) in [
        (Failure::pending("p"), 4),
        (Failure::error("e"), 1),
        (Failure::pending("p"), 1),
        (Failure::invalid("i"), 3),
        (Failure::error("e"), 3),
    ] {
        raise(&mut worst, failure);
        assert_eq!(worst.as_ref().unwrap().code(), code);
    }
}

#[test]
fn an_unreachable_node_leaves_the_receipt_pending() {
    let failure = pending_instead(Failure::error("no answer").next("start a node"), &["r.json".into()]);
    assert_eq!(failure.code(), 4);
    assert!(failure.to_string().contains("still pending"));
    assert_eq!(failure.report().next.as_deref(), Some("start a node"));
}

fn subject(text: &str) -> NotarySubject {
    NotarySubject::new(&DocumentDigest::of(text.as_bytes()))
}

#[test]
fn receipts_of_one_batch_are_one_submission_and_others_are_their_own() {
    let mut maker = ReceiptMaker::new("pyralog-dev-group", &[(1, 10)]);
    let subjects: Vec<_> = ["a", "b", "c"].into_iter().map(subject).collect();
    let leaves: Vec<_> = subjects.iter().map(NotarySubject::leaf).collect();
    let (members, _) = maker.append_batch(&leaves);
    let mut groups = BTreeMap::new();
    for (subject, member) in subjects.into_iter().zip(members) {
        let receipt = pending("pyralog-dev-group", subject, Some(member), None);
        gather(&mut groups, Path::new("r.json"), receipt).unwrap();
    }
    gather(&mut groups, Path::new("d.json"), pending("pyralog-dev-group", subject("d"), None, None)).unwrap();
    gather(&mut groups, Path::new("e.json"), pending("pyralog-dev-other", subject("d"), None, None)).unwrap();
    let mut sizes: Vec<_> = groups.values().map(|group| group.job.members.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 3]);
}

#[test]
fn a_promise_in_any_receipt_of_a_batch_serves_all_of_them() {
    let mut maker = ReceiptMaker::new("pyralog-dev-group", &[(1, 10)]);
    let subject = subject("a");
    let index = maker.append(&subject.leaf());
    let promised = maker.pending(subject.clone(), index);
    let mut groups = BTreeMap::new();
    gather(&mut groups, Path::new("one.json"), pending("pyralog-dev-group", subject, None, None)).unwrap();
    gather(&mut groups, Path::new("two.json"), promised).unwrap();
    assert_eq!(groups.len(), 1);
    let group = groups.into_values().next().unwrap();
    assert_eq!(group.promise.map(|promise| promise.index), Some(index));
}

#[test]
fn a_batch_path_that_fits_nothing_is_an_invalid_receipt() {
    let mut blake3 = MemoryTree::<Blake3>::new();
    let mut sha256 = MemoryTree::<Sha256>::new();
    for leaf in [b"a", b"b", b"c"] {
        blake3.push_hash(Blake3::leaf(leaf));
        sha256.push_hash(Sha256::leaf(leaf));
    }
    let mut batch =
        pyralog_consensus::receipt::BatchMembership::new(blake3.inclusion(1).unwrap(), sha256.inclusion(1).unwrap())
            .unwrap();
    batch.count = 900;
    let receipt = pending("pyralog-dev-group", subject("a"), Some(batch), None);
    let failure = gather(&mut BTreeMap::new(), Path::new("r.json"), receipt).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("r.json"), "{failure}");
}

use crate::light::testkit::{TestVote, validators};
use crate::receipt::{
    ErrorClass, MaxRootAge, NotaryReceipt, NotarySubject, ReceiptError, ReceiptFile, ReceiptFormat, Root, Trust,
    Verified, VerifyOptions, testkit::ReceiptMaker, verify_file,
};
use pyralog_crypto::{DocumentDigest, Hash, Metadata, Salt};
use std::time::Duration;

const FOUR: &[(u8, u64)] = &[(1, 10), (2, 10), (3, 10), (4, 10)];

fn digest(text: &str) -> DocumentDigest {
    DocumentDigest::of(text.as_bytes())
}

fn subject(text: &str) -> NotarySubject {
    NotarySubject::new(&digest(text))
}

fn verify(receipt: &NotaryReceipt, text: &str, trust: &Trust) -> Result<Verified, ReceiptError> {
    receipt.verify(&digest(text), trust, &VerifyOptions::default())
}

#[track_caller]
fn class_of(result: Result<Verified, ReceiptError>) -> ErrorClass {
    result.unwrap_err().class()
}

#[test]
fn a_receipt_verifies_against_genesis_and_says_what_it_assumes() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    maker.fill(5);
    maker.advance(3);
    let receipt = maker.notarize(subject("hello"));
    let verified = verify(&receipt, "hello", &maker.genesis()).unwrap();
    assert_eq!(verified.chain_id, "pyralog-dev-1");
    assert_eq!((verified.height, verified.index, verified.log), (4, 5, maker.log));
    assert_eq!(verified.existed_no_later_than, maker.chain.at(4).header.time);
    assert_eq!(verified.header_hash, maker.chain.at(4).hash());
    assert_eq!((verified.batch_index, verified.hidden), (None, false));
    assert_eq!(verified.assumptions.set_changes, 0);
    assert_eq!(verified.assumptions.refreshed_under, None);
    assert_eq!(verified.assumptions.root.time(), maker.chain.genesis_time);
    assert!(matches!(verified.assumptions.root, Root::Genesis { .. }));
}

#[test]
fn every_kind_of_subject_verifies() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let metadata = || Metadata::new([("title", "Überschrift"), ("a", "")]).unwrap();
    for subject in [
        subject("x"),
        subject("x").hidden(Salt([1; 32])),
        subject("x").with_metadata(metadata(), Salt([2; 32])),
        subject("x").with_metadata(metadata(), Salt([2; 32])).hidden(Salt([1; 32])),
        subject("x").with_metadata(Metadata::default(), Salt([2; 32])),
    ] {
        let hidden = subject.hidden_salt.is_some();
        let receipt = maker.notarize(subject);
        assert_eq!(verify(&receipt, "x", &maker.genesis()).unwrap().hidden, hidden);
        assert_eq!(class_of(verify(&receipt, "y", &maker.genesis())), ErrorClass::Invalid);
    }
    let receipt = maker.notarize(NotarySubject::new(&digest("")));
    assert!(verify(&receipt, "", &maker.genesis()).is_ok());
}

#[test]
fn members_of_a_batch_verify_and_only_as_themselves() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    maker.fill(9);
    let texts: Vec<String> = (0..7).map(|i| format!("document {i}")).collect();
    let leaves: Vec<_> = texts.iter().map(|t| subject(t).leaf()).collect();
    let (members, index) = maker.append_batch(&leaves);
    maker.anchor(0, 0);
    let proof = maker.proof(index);
    let receipts: Vec<_> = texts.iter().zip(members).map(|(t, m)| proof.clone().attach(subject(t), Some(m))).collect();
    for (i, (text, receipt)) in texts.iter().zip(&receipts).enumerate() {
        assert_eq!(verify(receipt, text, &maker.genesis()).unwrap().batch_index, Some(i as u64));
        for (j, other) in receipts.iter().enumerate().filter(|(j, _)| *j != i) {
            assert_eq!(class_of(verify(other, text, &maker.genesis())), ErrorClass::Invalid);
            let swapped = NotaryReceipt { batch: other.batch.clone(), ..receipt.clone() };
            assert_eq!(class_of(verify(&swapped, text, &maker.genesis())), ErrorClass::Invalid, "{i} {j}");
        }
        let alone = NotaryReceipt { batch: None, ..receipt.clone() };
        assert_eq!(class_of(verify(&alone, text, &maker.genesis())), ErrorClass::Invalid);
    }
}

#[test]
fn another_document_is_named_with_the_value_that_differs() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let receipt = maker.notarize(subject("hello"));
    let error = verify(&receipt, "hellp", &maker.genesis()).unwrap_err();
    assert_eq!((error.class().exit_code(), error.field()), (3, Some("subject.blake3")));
    assert!(error.to_string().contains(&digest("hellp").blake3.to_string()), "{error}");
    assert!(error.to_string().contains("not the same document"), "{error}");
    assert_eq!(verify(&receipt, "hello!", &maker.genesis()).unwrap_err().field(), Some("subject.size"));
}

#[test]
fn commits_with_absent_and_nil_votes_are_thinned_out_to_a_quorum() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", &[(1, 30), (2, 10), (3, 10), (4, 10), (5, 10), (6, 5), (7, 5)]);
    let index = maker.append(&subject("a").leaf());
    maker.anchor_with(1, 0, None, |i| [TestVote::Commit, TestVote::Absent, TestVote::Nil][i.saturating_sub(3).min(2)]);
    // Votes: places 0 to 3 commit (60 of 80), 4 absent, 5 and 6 nil.
    let receipt = maker.proof(index).attach(subject("a"), None);
    assert!(verify(&receipt, "a", &maker.genesis()).is_ok());
    let listed =
        receipt.proof.block.commit.signatures.iter().filter(|v| **v != crate::light::CommitVote::Absent).count();
    assert_eq!(listed, 4, "60 of 80 is a quorum, 50 is not");

    let all = maker.append(&subject("b").leaf());
    maker.anchor(0, 1);
    let mut receipt = maker.proof(all).attach(subject("b"), None);
    assert!(verify(&receipt, "b", &maker.genesis()).is_ok());
    // With every vote that was cast the receipt would hold signatures that could be taken out unseen.
    receipt.proof.block.commit = crate::light::testkit::commit_fields(maker.chain.at(2));
    let error = verify(&receipt, "b", &maker.genesis()).unwrap_err();
    assert_eq!(error.field(), Some("proof.block.commit.signatures"), "{error}");
}

#[test]
fn two_thirds_are_not_enough() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", &[(1, 10), (2, 10), (3, 10)]);
    let index = maker.append(&subject("a").leaf());
    maker.anchor_with(0, 0, None, |i| if i < 2 { TestVote::Commit } else { TestVote::Absent });
    let error = verify(&maker.proof(index).attach(subject("a"), None), "a", &maker.genesis()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the receipt is not valid: proof.block.commit: holds 20 of 30 power, not more than two thirds"
    );
}

#[test]
fn a_receipt_of_another_chain_is_untrusted() {
    let mut ours = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let receipt = ours.notarize(subject("a"));
    let other_name = ReceiptMaker::new("pyralog-dev-2", FOUR);
    let error = verify(&receipt, "a", &other_name.genesis()).unwrap_err();
    assert_eq!(error.class().exit_code(), 5);
    assert!(error.to_string().contains("of chain pyralog-dev-1, the genesis file of chain pyralog-dev-2"), "{error}");

    let other_validators = ReceiptMaker::new("pyralog-dev-1", &[(5, 10), (6, 10), (7, 10), (8, 10)]);
    assert_eq!(class_of(verify(&receipt, "a", &other_validators.genesis())), ErrorClass::Untrusted);
    let other_power = ReceiptMaker::new("pyralog-dev-1", &[(1, 11), (2, 10), (3, 10), (4, 10)]);
    assert_eq!(class_of(verify(&receipt, "a", &other_power.genesis())), ErrorClass::Untrusted);
    // The document is asked first: a changed one is invalid whatever the chain.
    assert_eq!(class_of(verify(&receipt, "b", &other_name.genesis())), ErrorClass::Invalid);
}

#[test]
fn a_trusted_header_is_a_root() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    maker.advance(2);
    let receipt = maker.notarize(subject("a"));
    maker.advance(5);
    let verified = verify(&receipt, "a", &maker.header(3)).unwrap();
    let time = maker.chain.at(3).header.time;
    assert_eq!(verified.assumptions.root, Root::Header { height: 3, hash: maker.chain.at(3).hash(), time });
    for trust in [maker.header(2), maker.header(4), Trust::Header { height: 3, hash: Hash([1; 32]) }] {
        let error = verify(&receipt, "a", &trust).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Untrusted, "{error}");
    }
}

/// A refresh leads forward: under a header from before the receipt's block it is of no use.
#[test]
fn a_refresh_is_advised_only_where_it_helps() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    maker.advance(3);
    let receipt = maker.notarize(subject("a"));
    maker.advance(9);
    let fresh = maker.refresh(&receipt);
    maker.advance(12);
    for (receipt, height, refresh) in
        [(&receipt, 2, false), (&receipt, 5, true), (&fresh, 2, false), (&fresh, 5, true), (&fresh, 11, true)]
    {
        let text = verify(receipt, "a", &maker.header(height)).unwrap_err().to_string();
        assert_eq!(text.contains("receipt refresh"), refresh, "{text}");
        assert_eq!(text.contains("--trusted-header at height 4"), !refresh, "{text}");
        assert!(text.contains("genesis file"), "{text}");
    }
}

/// Receipts from before, between and after two changes of the set, verified from genesis and from headers on the way.
#[test]
fn the_bridge_leads_over_changes_of_the_validator_set() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let before = maker.notarize(subject("before"));
    maker.change(validators(&[(1, 10), (2, 10), (5, 10), (6, 10)]));
    maker.advance(6);
    let between = maker.notarize(subject("between"));
    maker.change(validators(&[(7, 10), (8, 10), (9, 10), (6, 1)]));
    maker.advance(12);
    let after = maker.notarize(subject("after"));

    for (receipt, text, changes) in [(&before, "before", 0), (&between, "between", 1), (&after, "after", 2)] {
        assert_eq!(receipt.proof.bridge.len(), changes);
        let verified = verify(receipt, text, &maker.genesis()).unwrap();
        assert_eq!(verified.assumptions.set_changes, changes);
    }
    let bridge: Vec<u64> = after.proof.bridge.iter().map(|b| b.header.height).collect();
    let verified = verify(&after, "after", &maker.header(bridge[1])).unwrap();
    assert_eq!(verified.assumptions.set_changes, 1);
    assert_eq!(verify(&after, "after", &maker.header(13)).unwrap().assumptions.set_changes, 0);

    let mut cut = after.clone();
    cut.proof.bridge.remove(1);
    let error = verify(&cut, "after", &maker.genesis()).unwrap_err();
    assert_eq!(error.field(), Some("proof.block.header.validators_hash"), "{error}");
    let mut cut = after.clone();
    cut.proof.bridge.remove(0);
    assert_eq!(class_of(verify(&cut, "after", &maker.genesis())), ErrorClass::Untrusted);
    let mut turned = after.clone();
    turned.proof.bridge.swap(0, 1);
    assert_eq!(class_of(verify(&turned, "after", &maker.genesis())), ErrorClass::Invalid);
    let mut padded = before.clone();
    padded.proof.bridge = vec![padded.proof.block.clone()];
    assert_eq!(class_of(verify(&padded, "before", &maker.genesis())), ErrorClass::Invalid);
    let mut longer = after.clone();
    longer.proof.bridge.insert(1, between.proof.block.clone());
    let error = verify(&longer, "after", &maker.genesis()).unwrap_err();
    assert!(error.to_string().contains("has no place in a bridge"), "{error}");
}

#[test]
fn a_refreshed_receipt_rests_on_a_later_header() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    maker.advance(3);
    let receipt = maker.notarize(subject("old"));
    maker.change(validators(&[(5, 10), (6, 10), (7, 10), (8, 10)]));
    maker.advance(40);
    let fresh = maker.refresh(&receipt);
    assert_eq!(fresh.refresh.as_ref().unwrap().bridge.len(), 1);

    let verified = verify(&fresh, "old", &maker.header(40)).unwrap();
    assert_eq!(verified.height, 4);
    assert_eq!(verified.assumptions.refreshed_under, Some(40));
    assert_eq!(verified.assumptions.set_changes, 0);
    // Still good from the older roots.
    let verified = verify(&fresh, "old", &maker.genesis()).unwrap();
    assert_eq!((verified.assumptions.refreshed_under, verified.assumptions.set_changes), (None, 0));
    assert!(verify(&fresh, "old", &maker.header(4)).is_ok());
    assert_eq!(class_of(verify(&receipt, "old", &maker.header(40))), ErrorClass::Untrusted);

    // Without the bridge between, only the later header itself is a root.
    let mut detached = fresh.clone();
    detached.refresh.as_mut().unwrap().bridge.clear();
    assert!(verify(&detached, "old", &maker.header(40)).is_ok());
    let error = verify(&detached, "old", &maker.genesis()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Untrusted);
    assert!(error.to_string().contains("--trusted-header at height 40"), "{error}");

    // A later header of another receipt's refresh does not prove this one.
    let other = maker.notarize(subject("other"));
    maker.advance(50);
    let mut swapped = maker.refresh(&other);
    assert!(verify(&swapped, "other", &maker.header(50)).is_ok());
    swapped.refresh.clone_from(&fresh.refresh);
    assert_eq!(class_of(verify(&swapped, "other", &maker.header(40))), ErrorClass::Invalid);
}

/// The set changes right behind the receipt's block: that block itself is no part of the refresh's bridge.
#[test]
fn a_refresh_starts_behind_the_block_of_the_anchor() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    maker.change(validators(&[(1, 10), (2, 10), (3, 10), (5, 10)]));
    let index = maker.append(&subject("a").leaf());
    // The change of block 1 shows in header 2, whose successor has the new set.
    let height = maker.anchor(0, 0);
    let receipt = maker.proof(index).attach(subject("a"), None);
    let header = &receipt.proof.block.header;
    assert!(height == 2 && header.validators_hash != header.next_validators_hash);
    maker.advance(6);
    let fresh = maker.refresh(&receipt);
    assert!(fresh.refresh.as_ref().unwrap().bridge.is_empty());
    assert!(verify(&fresh, "a", &maker.genesis()).is_ok());
    assert!(verify(&fresh, "a", &maker.header(6)).is_ok());
    let mut doubled = fresh.clone();
    doubled.refresh.as_mut().unwrap().bridge = vec![receipt.proof.block];
    assert_eq!(verify(&doubled, "a", &maker.genesis()).unwrap_err().field(), Some("refresh.bridge[0].header.height"));
}

#[test]
fn an_old_root_can_be_refused() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let receipt = maker.notarize(subject("a"));
    maker.advance(1000);
    let fresh = maker.refresh(&receipt);
    let check = |receipt: &NotaryReceipt, trust: &Trust, age: u64, now| {
        let age = MaxRootAge { age: Duration::from_secs(age), now };
        receipt.verify(&digest("a"), trust, &VerifyOptions { max_root_age: Some(age) })
    };
    let now = maker.chain.now();
    assert!(check(&receipt, &maker.genesis(), 2000, now).is_ok());
    let error = check(&receipt, &maker.genesis(), 1000, now).unwrap_err();
    assert_eq!(error.class().exit_code(), 5);
    assert!(error.to_string().contains("--max-root-age (1000 s)"), "{error}");
    assert!(check(&fresh, &maker.header(1000), 10, now).is_ok());
    let error = check(&receipt, &maker.header(1), 10, maker.chain.genesis_time).unwrap_err();
    assert!(error.to_string().contains("clock"), "{error}");
}

#[test]
fn a_pending_receipt_is_pending_and_checked() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let index = maker.append(&subject("a").leaf());
    let pending = maker.pending(subject("a"), index);
    let error = pending.verify(&digest("a"), &maker.genesis());
    assert_eq!(error.class().exit_code(), 4);
    assert!(error.to_string().contains("promised to anchor leaf 0 by height 10"), "{error}");
    assert_eq!(pending.verify(&digest("b"), &maker.genesis()).class(), ErrorClass::Invalid);
    let other = ReceiptMaker::new("pyralog-dev-2", FOUR);
    assert_eq!(pending.verify(&digest("a"), &other.genesis()).class(), ErrorClass::Untrusted);

    let mut unacknowledged = pending.clone();
    unacknowledged.promise = None;
    assert_eq!(unacknowledged.verify(&digest("a"), &maker.genesis()).class(), ErrorClass::Pending);

    maker.anchor(0, 0);
    let complete = pending.clone().complete(maker.proof(index));
    assert!(verify(&complete, "a", &maker.genesis()).is_ok());

    for file in [pending.to_json().unwrap().into_bytes(), pending.to_cbor().unwrap()] {
        let file = ReceiptFile::parse(&file).unwrap();
        let options = VerifyOptions::default();
        assert_eq!(class_of(verify_file(&digest("a"), &file, &maker.genesis(), &options)), ErrorClass::Pending);
    }
}

/// cosign GHSA-8gw7-4j42-w388: a proof of another artifact must not be accepted.
#[test]
fn parts_of_other_receipts_are_refused() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let a = maker.notarize(subject("a"));
    let b = maker.notarize(subject("b"));
    let genesis = maker.genesis();
    let swaps: [fn(&mut NotaryReceipt, &NotaryReceipt); 9] = [
        |a, b| a.subject = b.subject.clone(),
        |a, b| a.proof = b.proof.clone(),
        |a, b| a.proof.leaf = b.proof.leaf.clone(),
        |a, b| a.proof.checkpoint = b.proof.checkpoint,
        |a, b| a.proof.checkpoint.signature = b.proof.checkpoint.signature,
        |a, b| a.proof.anchor_path = b.proof.anchor_path.clone(),
        |a, b| a.proof.block = b.proof.block.clone(),
        |a, b| a.proof.block.header = b.proof.block.header.clone(),
        |a, b| a.proof.block.commit = b.proof.block.commit.clone(),
    ];
    for (i, swap) in swaps.iter().enumerate() {
        let mut swapped = a.clone();
        swap(&mut swapped, &b);
        assert_ne!(swapped, a);
        assert_eq!(class_of(verify(&swapped, "a", &genesis)), ErrorClass::Invalid, "swap {i}");
    }
}

#[test]
fn forged_validators_are_untrusted() {
    // A whole receipt made by others under our chain's name: sound in itself, rooted nowhere.
    let mut forger = ReceiptMaker::new("pyralog-dev-1", &[(101, 10), (102, 10), (103, 10), (104, 10)]);
    let receipt = forger.notarize(subject("a"));
    let ours = ReceiptMaker::new("pyralog-dev-1", FOUR);
    let error = verify(&receipt, "a", &ours.genesis()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Untrusted);
    assert!(error.to_string().contains("not those of the genesis file"), "{error}");
}

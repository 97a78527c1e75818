use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{ReceiptFormat, pending};
use pyralog_crypto::DocumentDigest;

use super::super::prepare;
use super::*;

const CHAIN: &str = "pyralog-dev-claim";
const PLAIN: Asked<'_> = Asked { metadata: None, hidden: false };

fn member(dir: &Path, name: &str, metadata: Option<&Metadata>, hidden: bool) -> Member {
    let subject = prepare::subject(&DocumentDigest::of(name.as_bytes()), metadata, hidden).unwrap();
    Member { file: name.into(), receipt: dir.join(format!("{name}.receipt.json")), subject, batch: None }
}

fn plain(dir: &Path, name: &str) -> Member {
    member(dir, name, None, false)
}

/// Writes the complete receipt of what `held` says to the place of its receipt.
fn complete(chain_id: &str, held: &Member) {
    let mut maker = ReceiptMaker::new(chain_id, &[(1, 10), (2, 10), (3, 10), (4, 10)]);
    std::fs::write(&held.receipt, maker.notarize(held.subject.clone()).to_json().unwrap()).unwrap();
}

fn waiting(chain_id: &str, held: &Member) {
    let receipt = pending(chain_id, held.subject.clone(), None, None);
    std::fs::write(&held.receipt, receipt.to_json().unwrap()).unwrap();
}

fn why(standing: Standing) -> String {
    let Standing::InTheWay(why) = standing else { panic!("{standing:?}") };
    assert!(why.contains("a.receipt.json exists and ") && why.contains("--force"), "{why}");
    why
}

#[test]
fn the_documents_own_receipt_is_known_whichever_form_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let one = plain(dir.path(), "a");
    assert!(matches!(standing(CHAIN, &one, PLAIN), Standing::Free));
    waiting(CHAIN, &one);
    let Standing::Pending(found) = standing(CHAIN, &one, PLAIN) else { panic!("not known to be pending") };
    assert_eq!(found.subject, one.subject);
    complete(CHAIN, &one);
    let Standing::Already(verified) = standing(CHAIN, &one, PLAIN) else { panic!("not known to be complete") };
    assert_eq!(verified.chain_id, CHAIN);
    // More than was asked for proves the document too.
    complete(CHAIN, &member(dir.path(), "a", None, true));
    assert!(matches!(standing(CHAIN, &one, PLAIN), Standing::Already(_)));
}

#[test]
fn what_is_not_this_documents_receipt_is_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let one = plain(dir.path(), "a");
    std::fs::write(&one.receipt, "precious").unwrap();
    assert!(why(standing(CHAIN, &one, PLAIN)).contains("is no receipt"));
    let changed = Member { receipt: one.receipt.clone(), ..plain(dir.path(), "before it was changed") };
    for write in [waiting as fn(&str, &Member), complete] {
        write(CHAIN, &changed);
        assert!(why(standing(CHAIN, &one, PLAIN)).contains("another document"));
        write("pyralog-dev-else", &one);
        assert!(why(standing(CHAIN, &one, PLAIN)).contains("of the chain pyralog-dev-else"));
    }
}

#[test]
fn a_receipt_that_does_not_hold_is_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let one = plain(dir.path(), "a");
    complete(CHAIN, &one);
    let text = std::fs::read_to_string(&one.receipt).unwrap();
    let mut receipt: serde_json::Value = serde_json::from_str(&text).unwrap();
    receipt["proof"]["leaf"]["index"] = "5".into();
    std::fs::write(&one.receipt, receipt.to_string()).unwrap();
    assert!(why(standing(CHAIN, &one, PLAIN)).contains("does not hold"));
}

#[test]
fn a_receipt_that_lacks_what_is_asked_for_is_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut metadata = Metadata::default();
    metadata.insert("author".to_owned(), "Ada".to_owned()).unwrap();
    let hidden = Asked { metadata: None, hidden: true };
    let by_ada = Asked { metadata: Some(&metadata), hidden: false };
    let one = plain(dir.path(), "a");
    for write in [waiting as fn(&str, &Member), complete] {
        write(CHAIN, &one);
        assert!(why(standing(CHAIN, &one, hidden)).contains("--hidden"));
        assert!(why(standing(CHAIN, &one, by_ada)).contains("--metadata"));
        write(CHAIN, &member(dir.path(), "a", Some(&metadata), true));
        for asked in [hidden, by_ada, PLAIN] {
            assert!(!matches!(standing(CHAIN, &one, asked), Standing::InTheWay(_)));
        }
    }
}

#[test]
fn claiming_writes_every_pending_receipt_and_leaves_out_what_it_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let members: Vec<_> = ["a", "b", "c"].iter().map(|name| plain(dir.path(), name)).collect();
    // Somebody makes b's receipt between the plan and the writing.
    std::fs::write(&members[1].receipt, "precious").unwrap();
    let mut problems = Vec::new();
    let job = claim(CHAIN, members, true, false, PLAIN, &mut problems).unwrap().unwrap();
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
fn a_receipt_that_another_command_writes_meanwhile_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let one = plain(dir.path(), "a");
    waiting(CHAIN, &one);
    let mut problems = Vec::new();
    assert!(claim(CHAIN, vec![one], false, false, PLAIN, &mut problems).unwrap().is_none());
    assert!(problems[0].1.contains("another command") && problems[0].1.contains("run this one again"), "{problems:?}");
}

#[test]
fn force_replaces_and_a_single_document_is_no_batch() {
    let dir = tempfile::tempdir().unwrap();
    let one = plain(dir.path(), "a");
    std::fs::write(&one.receipt, "old").unwrap();
    let job = claim(CHAIN, vec![one.clone()], false, true, PLAIN, &mut Vec::new()).unwrap().unwrap();
    assert_eq!(job.leaf, one.subject.leaf());
    assert!(ReceiptFile::parse(&std::fs::read(&one.receipt).unwrap()).is_ok());
    let batch = claim(CHAIN, vec![one.clone()], true, true, PLAIN, &mut Vec::new()).unwrap().unwrap();
    assert_ne!(batch.leaf, one.subject.leaf(), "a directory of one file is a batch of one");
}

#[test]
fn when_nothing_can_be_claimed_the_reason_is_the_problem() {
    let dir = tempfile::tempdir().unwrap();
    let lost = Member { receipt: dir.path().join("missing/r.json"), ..plain(dir.path(), "a") };
    let mut problems = Vec::new();
    assert!(claim(CHAIN, vec![lost], false, false, PLAIN, &mut problems).unwrap().is_none());
    assert!(problems[0].1.contains("cannot write its receipt"), "{problems:?}");
    assert!(claim(CHAIN, Vec::new(), true, false, PLAIN, &mut problems).unwrap().is_none());
    assert_eq!(problems.len(), 1);
}

use pyralog_crypto::{Blake3, MemoryTree, RecordProof, SegmentLeaf, SignedPartitionCheckpoint, SigningKey};

use super::super::testkit::{FakeNode, INCARNATION, Reply, log, page, stored};
use super::super::wire::StoredHeader;
use super::super::{LogCommand, read, testkit};
use super::*;

const CHAIN: &str = "pyralog-dev-proof";
/// Records of a segment.
const SEGMENT: usize = 3;

fn owner() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

fn id() -> LogId {
    LogId::derive_record(CHAIN, &owner().public_key(), "orders", INCARNATION)
}

fn info() -> LogInfo {
    let mut info: LogInfo = serde_json::from_value(log("orders", &[(0, 8)])).unwrap();
    info.id = id();
    info
}

/// A page of partition 0 with `size` records, of which it holds those from `first` on, each with its proof.
fn proven(first: u64, size: u64) -> Page {
    let records: Vec<_> = (0..size).map(stored).collect();
    let hashes: Vec<_> = records.iter().map(|record| record.canonical().unwrap().leaf_hash()).collect();
    let trees: Vec<MemoryTree<_>> =
        hashes.chunks(SEGMENT).map(|chunk| MemoryTree::<Blake3>::from_hashes(chunk.to_vec())).collect();
    let mut next = 0;
    let leaf = |tree: &MemoryTree<Blake3>| {
        let first = next;
        next += tree.size();
        SegmentLeaf { first, next, root: tree.root() }
    };
    let leaves: Vec<SegmentLeaf> = trees.iter().map(leaf).collect();
    let partition = MemoryTree::<Blake3>::from_hashes(leaves.iter().map(SegmentLeaf::leaf_hash));
    let checkpoint =
        PartitionCheckpoint { log: id(), partition: 0, size, segments: leaves.len() as u64, root: partition.root() };
    let mut page = page(0, &(first..size).collect::<Vec<_>>(), size, size);
    for record in &mut page.records {
        let number = record.offset / SEGMENT as u64;
        let segment = leaves[number as usize];
        record.proof = Some(RecordProof {
            offset: record.offset,
            segment,
            number,
            in_segment: trees[number as usize].inclusion(record.offset - segment.first).unwrap(),
            in_partition: partition.inclusion(number).unwrap(),
        });
    }
    page.checkpoint = Some(SignedPartitionCheckpoint::sign(checkpoint, CHAIN, &owner()).unwrap());
    page.chain_id = Some(CHAIN.to_owned());
    page.log_owner = Some(owner().public_key());
    page
}

fn verifier(owner_key: Option<PublicKey>) -> Verifier {
    Verifier::new(&ProofArgs { verify: true, owner_key, genesis: None }, &info()).unwrap().unwrap()
}

/// The exit code and sentence of a page that was changed.
fn refused(change: impl Fn(&mut Page)) -> (u8, String) {
    let mut page = proven(0, 8);
    verifier(None).check(&page).unwrap();
    change(&mut page);
    let failure = verifier(None).check(&page).unwrap_err();
    (failure.code(), failure.to_string())
}

fn resigned(page: &mut Page, change: impl Fn(&mut PartitionCheckpoint)) {
    let mut checkpoint = page.checkpoint.unwrap().checkpoint;
    change(&mut checkpoint);
    page.checkpoint = Some(SignedPartitionCheckpoint::sign(checkpoint, CHAIN, &owner()).unwrap());
}

#[test]
fn records_under_a_checkpoint_of_their_owner_are_valid() {
    let mut verifier = verifier(Some(owner().public_key()));
    verifier.check(&proven(0, 5)).unwrap();
    verifier.check(&proven(5, 8)).unwrap();
    verifier.check(&page(0, &[], 8, 8)).unwrap();
    let document = verifier.document();
    assert_eq!((document["records"].as_u64(), document["owner_pinned_by"].as_str()), (Some(8), Some("owner-key")));
    assert_eq!(document["owner"], json!(owner().public_key()));
    assert_eq!(document["checkpoints"][0]["size"], "8");
    assert!(verifier.text().contains("8 records") && !verifier.text().contains("own word"), "{}", verifier.text());
}

#[test]
fn without_a_pinned_key_it_is_said_whose_word_it_is() {
    let mut verifier = verifier(None);
    assert!(verifier.text().contains("no record"), "{}", verifier.text());
    verifier.check(&proven(0, 2)).unwrap();
    assert!(verifier.text().contains("the node's own word"), "{}", verifier.text());
    assert_eq!(verifier.document()["owner_pinned_by"], Value::Null);
}

#[test]
fn every_change_of_a_record_is_found() {
    let changes: [fn(&mut StoredRecord); 9] = [
        |record| record.timestamp += 1,
        |record| record.value.push(0),
        |record| record.value.clear(),
        |record| record.key = Some(Vec::new()),
        |record| record.headers.push(StoredHeader { name: "a".to_owned(), value: Vec::new() }),
        |record| record.headers.push(StoredHeader { name: String::new(), value: Vec::new() }),
        |record| record.proof = None,
        |record| record.offset += 1,
        |record| record.proof.as_mut().unwrap().number = 0,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (code, text) = refused(|page| change(&mut page.records[4]));
        assert_eq!(code, 3, "{number}: {text}");
        assert!(text.contains("partition 0 of orders: record "), "{number}: {text}");
    }
    // Offsets are what proofs are for; that they are served in order is the cursor's part.
    let mut swapped = proven(0, 8);
    let proof = swapped.records[0].proof.clone();
    swapped.records[1].proof = proof;
    assert_eq!(verifier(None).check(&swapped).unwrap_err().code(), 3);
}

#[test]
fn a_checkpoint_must_be_the_owners_for_this_log_partition_and_chain() {
    for (change, why) in [
        ((|page| page.checkpoint = None) as fn(&mut Page), "without checkpoint"),
        (|page| page.chain_id = None, "without checkpoint"),
        (|page| page.log_owner = None, "without checkpoint"),
        (|page| page.chain_id = Some("\u{1b}[2J".to_owned()), "chain id"),
        (|page| page.chain_id = Some("pyralog-dev-other".to_owned()), "not"),
        (|page| page.log_owner = Some(SigningKey::from_seed([8; 32]).public_key()), "not"),
        (|page| page.checkpoint.as_mut().unwrap().signature.0[5] ^= 1, "not signed by the owner"),
        (|page| page.checkpoint.as_mut().unwrap().checkpoint.size += 1, "not signed by the owner"),
        (|page| resigned(page, |checkpoint| checkpoint.log = LogId([1; 32])), "not"),
        (|page| resigned(page, |checkpoint| checkpoint.partition = 1), "is of partition 1"),
        (|page| resigned(page, |checkpoint| checkpoint.size = 9), "\"segment\""),
        (|page| resigned(page, |checkpoint| checkpoint.root.0[0] ^= 1), "\"in_partition\""),
    ] {
        let (code, text) = refused(change);
        assert_eq!(code, 3, "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn a_log_is_the_one_of_its_incarnation() {
    for incarnation in [0, INCARNATION - 1, INCARNATION + 1] {
        let failure = Verifier { incarnation, ..verifier(None) }.check(&proven(0, 2)).unwrap_err();
        assert_eq!(failure.code(), 3);
        assert!(failure.to_string().contains(&format!("incarnation {incarnation} is")), "{failure}");
    }
    // The id of a notary log of this name is no record log's.
    let notary = LogId::derive(CHAIN, &owner().public_key(), "orders");
    let mut page = proven(0, 2);
    resigned(&mut page, |checkpoint| checkpoint.log = notary);
    assert_eq!(Verifier { id: notary, ..verifier(None) }.check(&page).unwrap_err().code(), 3);
}

#[test]
fn two_checkpoints_of_one_size_must_be_one() {
    let mut verifier = verifier(None);
    verifier.check(&proven(0, 8)).unwrap();
    let mut forked = proven(0, 8);
    resigned(&mut forked, |checkpoint| checkpoint.root.0[0] ^= 1);
    let failure = verifier.check(&forked).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("forked"), "{failure}");
}

#[test]
fn a_proof_under_a_key_that_is_not_pinned_is_untrusted() {
    let stranger = SigningKey::from_seed([8; 32]).public_key();
    let failure = verifier(Some(stranger)).check(&proven(0, 2)).unwrap_err();
    assert_eq!(failure.code(), 5);
    assert!(failure.to_string().contains(&stranger.to_string()), "{failure}");
    let pinned = |chain_id: &str, owners: Vec<PublicKey>| {
        let pinned = Pinned::Genesis { file: "g.json".to_owned(), chain_id: chain_id.to_owned(), owners };
        Verifier { pinned, ..verifier(None) }.check(&proven(0, 2))
    };
    pinned(CHAIN, vec![stranger, owner().public_key()]).unwrap();
    assert_eq!(pinned(CHAIN, vec![stranger]).unwrap_err().code(), 5);
    assert_eq!(pinned("pyralog-dev-other", vec![owner().public_key()]).unwrap_err().code(), 5);
    // What does not hold is invalid, whoever is pinned.
    let mut broken = proven(0, 2);
    broken.records[1].value.push(0);
    assert_eq!(verifier(Some(stranger)).check(&broken).unwrap_err().code(), 3);
}

#[test]
fn a_read_asks_for_proofs_and_ends_at_the_first_that_fails() {
    let read = |lie: bool| {
        let node = FakeNode::start(move |request| {
            let mut page = proven(0, 8);
            if lie {
                page.records[7].value.push(0);
            }
            match request.target.split_once('?') {
                Some((_, query)) if query.contains("&proof=1&") => {
                    Reply::Answer(200, serde_json::to_value(&page).unwrap())
                }
                Some(_) => testkit::problem(400, "bad_request"),
                None => Reply::Answer(200, serde_json::to_value(info()).unwrap()),
            }
        });
        let LogCommand::Read(args) = testkit::parse(&["read", "orders", "--verify"]).unwrap() else { panic!() };
        read::run(&read::ReadArgs { node: node.args(), ..args }, true)
    };
    let output = read(false).unwrap();
    assert_eq!(output.document["verified"]["records"], 8);
    assert_eq!(read(true).unwrap_err().code(), 3);
}

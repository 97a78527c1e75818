use pyralog_crypto::{
    Blake3, MemoryTree, RecordProof, SegmentGrowth, SegmentLeaf, SignedPartitionCheckpoint, SigningKey,
};

use super::super::testkit::{FakeNode, INCARNATION, Reply, log, page, stored};
use super::super::wire::StoredHeader;
use super::super::{LogCommand, read, testkit};
use super::*;
use crate::output::Output;

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
    let mut info: LogInfo = serde_json::from_value(log("orders", &[(0, 2)])).unwrap();
    info.id = id();
    info
}

/// Partition 0 at some size: what is written down of it, with a value of its own in record `odd`.
struct History {
    records: Vec<StoredRecord>,
    trees: Vec<MemoryTree<Blake3>>,
    leaves: Vec<SegmentLeaf>,
    partition: MemoryTree<Blake3>,
}

impl History {
    fn new(size: u64, odd: Option<u64>) -> Self {
        let mut records: Vec<_> = (0..size).map(stored).collect();
        if let Some(odd) = odd {
            records[odd as usize].value = b"odd".to_vec();
        }
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
        Self { records, trees, leaves, partition }
    }

    fn checkpoint(&self) -> PartitionCheckpoint {
        let (size, segments) = (self.records.len() as u64, self.leaves.len() as u64);
        PartitionCheckpoint { log: id(), partition: 0, size, segments, root: self.partition.root() }
    }

    /// The records from `first` to `next` - 1, each with its proof.
    fn page(&self, first: u64, next: u64) -> Page {
        let mut page = page(0, &[], next, self.records.len() as u64);
        page.records = self.records[first as usize..next as usize].to_vec();
        for record in &mut page.records {
            let number = record.offset / SEGMENT as u64;
            let segment = self.leaves[number as usize];
            record.proof = Some(RecordProof {
                offset: record.offset,
                segment,
                number,
                in_segment: self.trees[number as usize].inclusion(record.offset - segment.first).unwrap(),
                in_partition: self.partition.inclusion(number).unwrap(),
            });
        }
        page.checkpoint = Some(SignedPartitionCheckpoint::sign(self.checkpoint(), CHAIN, &owner()).unwrap());
        page.chain_id = Some(CHAIN.to_owned());
        page.log_owner = Some(owner().public_key());
        page
    }
}

/// That the history of `new` records continues the one of `old` records, which are not all in full segments.
fn growth(old: u64, new: u64) -> PartitionConsistency {
    let (older, newer) = (History::new(old, None), History::new(new, None));
    let number = older.leaves.len() - 1;
    let (old_segment, new_segment) = (older.leaves[number], newer.leaves[number]);
    PartitionConsistency {
        growth: Some(SegmentGrowth {
            old_segment,
            new_segment,
            in_old: older.partition.inclusion(number as u64).unwrap(),
            in_new: newer.partition.inclusion(number as u64).unwrap(),
            in_segment: newer.trees[number].consistency(old_segment.records()).unwrap(),
        }),
    }
}

/// A page of partition 0 with `size` records, of which it holds those from `first` on, each with its proof.
fn proven(first: u64, size: u64) -> Page {
    History::new(size, None).page(first, size)
}

fn never(old: u64, new: u64) -> Result<PartitionConsistency> {
    panic!("nobody need prove the growth from {old} to {new}")
}

impl Verifier {
    /// A page that is the first.
    fn first(&mut self, page: &Page) -> Result<()> {
        self.check(page, At::First, never)
    }

    /// A page behind the one before.
    fn grown(&mut self, page: &Page, from: u64) -> Result<()> {
        self.check(page, At::Offset(from), |old, new| Ok(growth(old, new)))
    }
}

fn verifier(owner_key: Option<PublicKey>) -> Verifier {
    Verifier::new(&ProofArgs { verify: true, owner_key, genesis: None }, &info()).unwrap().unwrap()
}

/// The exit code and sentence of a page that was changed.
fn refused(change: impl Fn(&mut Page)) -> (u8, String) {
    let mut page = proven(0, 8);
    verifier(None).first(&page).unwrap();
    change(&mut page);
    let failure = verifier(None).first(&page).unwrap_err();
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
    verifier.first(&proven(0, 5)).unwrap();
    verifier.grown(&proven(5, 8), 5).unwrap();
    verifier.grown(&proven(8, 8), 8).unwrap();
    let document = verifier.document();
    assert_eq!((document["records"].as_u64(), document["owner_pinned_by"].as_str()), (Some(8), Some("owner-key")));
    assert_eq!(document["owner"], json!(owner().public_key()));
    assert_eq!(document["checkpoints"][0]["size"], "8");
    assert_eq!(
        (&document["checkpoints"][0]["verified_from"], &document["checkpoints"][0]["verified_to"]),
        (&json!("0"), &json!("8"))
    );
    let text = verifier.text(true);
    assert!(text.contains("8 records") && text.contains("up to its end") && !text.contains("own word"), "{text}");
    assert!(!verifier.text(false).contains("up to its end"));
}

#[test]
fn without_a_pinned_key_it_is_said_whose_word_it_is() {
    let mut verifier = verifier(None);
    assert!(verifier.text(true).contains("nothing to verify"), "{}", verifier.text(true));
    verifier.first(&proven(0, 2)).unwrap();
    assert!(verifier.text(true).contains("the node's own word"), "{}", verifier.text(true));
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
    assert_eq!(verifier(None).first(&swapped).unwrap_err().code(), 3);
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
        (
            |page| resigned(page, |checkpoint| checkpoint.size = 9),
            "ends with 9 records, and the node says that there are 8",
        ),
        (
            |page| {
                resigned(page, |checkpoint| checkpoint.size = 9);
                page.end_offset = 9;
            },
            "\"segment\"",
        ),
        (|page| resigned(page, |checkpoint| checkpoint.segments = 0), "in no segment"),
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
        let failure = Verifier { incarnation, ..verifier(None) }.first(&proven(0, 2)).unwrap_err();
        assert_eq!(failure.code(), 3);
        assert!(failure.to_string().contains(&format!("incarnation {incarnation} is")), "{failure}");
    }
    // The id of a notary log of this name is no record log's.
    let notary = LogId::derive(CHAIN, &owner().public_key(), "orders");
    let mut page = proven(0, 2);
    resigned(&mut page, |checkpoint| checkpoint.log = notary);
    assert_eq!(Verifier { id: notary, ..verifier(None) }.first(&page).unwrap_err().code(), 3);
}

#[test]
fn two_checkpoints_of_one_size_must_be_one() {
    let mut verifier = verifier(None);
    verifier.first(&proven(0, 8)).unwrap();
    let mut forked = proven(8, 8);
    resigned(&mut forked, |checkpoint| checkpoint.root.0[0] ^= 1);
    let failure = verifier.grown(&forked, 8).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("forked"), "{failure}");
}

#[test]
fn a_proof_under_a_key_that_is_not_pinned_is_untrusted() {
    let stranger = SigningKey::from_seed([8; 32]).public_key();
    let failure = verifier(Some(stranger)).first(&proven(0, 2)).unwrap_err();
    assert_eq!(failure.code(), 5);
    assert!(failure.to_string().contains(&stranger.to_string()), "{failure}");
    let pinned = |chain_id: &str, owners: Vec<PublicKey>| {
        let pinned = Pinned::Genesis { file: "g.json".to_owned(), chain_id: chain_id.to_owned(), owners };
        Verifier { pinned, ..verifier(None) }.first(&proven(0, 2))
    };
    pinned(CHAIN, vec![stranger, owner().public_key()]).unwrap();
    assert_eq!(pinned(CHAIN, vec![stranger]).unwrap_err().code(), 5);
    assert_eq!(pinned("pyralog-dev-other", vec![owner().public_key()]).unwrap_err().code(), 5);
    // What does not hold is invalid, whoever is pinned.
    let mut broken = proven(0, 2);
    broken.records[1].value.push(0);
    assert_eq!(verifier(Some(stranger)).first(&broken).unwrap_err().code(), 3);
}

#[test]
fn growth_is_proven_wherever_the_checkpoint_changes() {
    let begun = || {
        let mut verifier = verifier(None);
        verifier.first(&History::new(5, None).page(0, 4)).unwrap();
        verifier
    };
    // The same checkpoint needs no proof, a later one does.
    begun().check(&proven(4, 5), At::Offset(4), never).unwrap();
    begun().grown(&proven(4, 8), 4).unwrap();
    let none = |_, _| Ok(PartitionConsistency { growth: None });
    let failure = begun().check(&proven(4, 8), At::Offset(4), none).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("does not continue that of 5"), "{failure}");
    let refused = |_, _| Err(Failure::error("there is no such proof"));
    assert_eq!(begun().check(&proven(4, 8), At::Offset(4), refused).unwrap_err().code(), 1);
    // Another history, whose owner signs it, and which holds what is served of it.
    for odd in [0, 3, 4] {
        let other = History::new(8, Some(odd)).page(5, 8);
        let mut verifier = verifier(None);
        verifier.first(&proven(0, 5)).unwrap();
        let failure = verifier.grown(&other, 5).unwrap_err();
        assert_eq!(failure.code(), 3, "{odd}: {failure}");
    }
    let mut verifier = begun();
    let failure = verifier.grown(&proven(4, 4), 4).unwrap_err();
    assert!(failure.to_string().contains("the node goes back"), "{failure}");
    // What came out of nothing continues it.
    let mut verifier = Verifier { described: vec![0], ..self::verifier(None) };
    verifier.first(&proven(0, 0)).unwrap();
    verifier.check(&proven(0, 8), At::Offset(0), never).unwrap();
}

#[test]
fn a_page_begins_where_the_one_before_ended_and_an_empty_one_is_the_end() {
    let after_five = |page: &Page| {
        let mut verifier = verifier(None);
        verifier.first(&History::new(8, None).page(0, 5)).unwrap();
        verifier.check(page, At::Offset(5), never)
    };
    let history = History::new(8, None);
    after_five(&history.page(5, 8)).unwrap();
    let mut behind = history.page(5, 7);
    behind.next_offset = 8;
    let mut nothing = history.page(5, 5);
    nothing.next_offset = 8;
    for (page, why) in [
        (history.page(6, 8), "record 5 is passed over"),
        (history.page(4, 8), "record 5 is passed over"),
        (behind, "record 7 is passed over: the node goes on at 8"),
        (nothing, "record 5 is passed over"),
        (history.page(5, 5), "no record from 5 on, and there are 8"),
        (page(0, &[], 8, 8), "without checkpoint"),
    ] {
        let failure = after_five(&page).unwrap_err();
        assert_eq!(failure.code(), 3);
        assert!(failure.to_string().contains(why), "{failure}");
    }
    // Who asks for an offset is given that one.
    let failure = verifier(None).check(&proven(3, 8), At::Offset(2), never).unwrap_err();
    assert!(failure.to_string().contains("record 2 is passed over"), "{failure}");
    verifier(None).check(&proven(8, 8), At::Time(7), never).unwrap();
    let mut last = proven(8, 8);
    (last.next_offset, last.end_offset) = (u64::MAX, u64::MAX);
    resigned(&mut last, |checkpoint| checkpoint.size = u64::MAX);
    verifier(None).check(&last, At::Offset(u64::MAX), never).unwrap();
    // A checkpoint that is older than what was described.
    let failure = Verifier { described: vec![9], ..verifier(None) }.first(&proven(0, 8)).unwrap_err();
    assert!(failure.to_string().contains("the node goes back"), "{failure}");
}

/// Reads a log of 8 records that had 5 when it was begun, in pages of 3, from a node that lies as it is told.
fn read_from(lie: fn(&str, &mut Value)) -> (Result<Output>, Vec<String>) {
    let node = FakeNode::start(move |request| {
        let number = |name: &str| -> Option<u64> {
            let (_, query) = request.target.split_once('?')?;
            query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?.parse().ok()
        };
        let mut answer = if request.target.contains("/consistency?") {
            let (old, new) = (number("old").unwrap(), number("new").unwrap());
            json!({ "partition": 0, "old": old.to_string(), "new": new.to_string(), "consistency": growth(old, new) })
        } else if let Some(limit) = number("limit") {
            assert_eq!(number("proof"), Some(1));
            let (from, size) = number("from").map_or((0, 5), |from| (from, 8));
            serde_json::to_value(History::new(size, None).page(from, size.min(from + limit.min(3)))).unwrap()
        } else {
            serde_json::to_value(info()).unwrap()
        };
        lie(&request.target, &mut answer);
        Reply::Answer(200, answer)
    });
    let LogCommand::Read(args) = testkit::parse(&["read", "orders", "--verify"]).unwrap() else { panic!() };
    let output = read::run(&read::ReadArgs { node: node.args(), ..args }, true);
    (output, node.asked())
}

#[test]
fn a_read_is_complete_when_its_last_record_is_the_last_of_a_checkpoint() {
    let (output, asked) = read_from(|_, _| ());
    let output = output.unwrap();
    assert_eq!((&output.document["verified"]["records"], &output.document["complete"]), (&json!(5), &json!(true)));
    assert_eq!(output.document["partitions"], json!([{ "partition": 0, "next_offset": "5", "end_offset": "5" }]));
    let asked: Vec<&str> = asked.iter().filter_map(|asked| asked.split_once('?')).map(|(_, query)| query).collect();
    assert_eq!(
        asked,
        [
            "partition=0&limit=1000&proof=1&incarnation=7",
            "partition=0&from=3&limit=2&proof=1&incarnation=7",
            "partition=0&incarnation=7&old=5&new=8"
        ]
    );
}

#[test]
fn a_node_that_lies_while_a_log_is_read_is_found_out() {
    let lies: [fn(&str, &mut Value); 5] = [
        |_, answer| {
            if answer.get("records").is_some() {
                answer["records"][1]["value"] = "00".into();
            }
        },
        |_, answer| {
            if answer.get("consistency").is_some() {
                answer["consistency"]["growth"]["old_segment"]["next"] = 4.into();
            }
        },
        // It ends too early.
        |_, answer| {
            if answer.get("records").is_some() {
                answer["end_offset"] = answer["next_offset"].clone();
            }
        },
        |target, answer| {
            if target.contains("from=3") {
                *answer = serde_json::to_value(History::new(8, Some(4)).page(3, 5)).unwrap();
            }
        },
        |target, answer| {
            if target.contains("from=3") {
                *answer = serde_json::to_value(History::new(3, None).page(3, 3)).unwrap();
            }
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let failure = read_from(lie).0.unwrap_err();
        assert_eq!(failure.code(), 3, "{number}: {failure}");
    }
}

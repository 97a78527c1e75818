//! Trees against the definition, in memory and on disk.

use proptest::prelude::*;

use super::testkit::*;
use super::*;
use crate::disk::FaultyDisk;
use crate::segment::{MemoryLog, SegmentInfo, VisitRecords};
use pyralog_crypto::MerkleError;

fn both(check: impl Fn(Partition)) {
    check(Partition::in_memory());
    check(Partition::open(&FaultyDisk::new(1)).unwrap());
}

#[test]
fn a_partition_without_records() {
    both(|partition| {
        let tree = &partition.tree;
        assert_eq!((tree.size(), tree.root().unwrap()), (0, Model::of(0).root()));
        assert_eq!(checkpoint(tree.root().unwrap()), PartitionCheckpoint::empty(LogId([7; 32]), 1));
        assert_eq!(tree.root_at(0).unwrap(), tree.root().unwrap());
        assert_eq!(tree.prove_consistency(0, 0).unwrap(), Model::of(0).consistency(0));
        tree.append(0, &[]).unwrap();
        tree.trim(100).unwrap();
        assert_eq!(tree.size(), 0);
        assert!(matches!(tree.prove(0, 0), Err(Error::NoSuchProof(_))));
        assert!(matches!(tree.root_at(1), Err(Error::NoSuchProof(_))));
    });
}

#[test]
fn every_record_and_pair_of_sizes() {
    both(|partition| {
        for count in [1, 2, 1, 5, 11, 1, 30, 3] {
            partition.append(count).unwrap();
        }
        assert!(partition.log.segments().len() > 5);
        partition.check_all(1).unwrap();
    });
}

#[test]
fn questions_outside_the_partition_are_refused() {
    both(|partition| {
        partition.append(20).unwrap();
        let outside = |asked: Result<(), Error>, index, size| match asked {
            Err(Error::NoSuchProof(MerkleError::IndexOutOfRange { index: i, size: s })) => (i, s) == (index, size),
            _ => false,
        };
        let tree = &partition.tree;
        assert!(outside(tree.prove(20, 20).map(drop), 20, 20));
        assert!(outside(tree.prove(7, 7).map(drop), 7, 7));
        assert!(outside(tree.prove(5, 21).map(drop), 20, 20));
        assert!(outside(tree.prove(5, u64::MAX).map(drop), u64::MAX - 1, 20));
        assert!(outside(tree.root_at(21).map(drop), 20, 20));
        assert!(outside(tree.prove_consistency(3, 21).map(drop), 20, 20));
        let shrunk = tree.prove_consistency(4, 3).unwrap_err();
        assert!(matches!(shrunk, Error::NoSuchProof(MerkleError::Shrunk { old: 4, new: 3 })));
        assert!(!shrunk.is_fatal());
        assert_eq!(tree.failure().map(|reason| reason.to_string()), None);
    });
}

#[test]
fn what_was_removed_keeps_its_leaf() {
    both(|partition| {
        partition.append(90).unwrap();
        let segments = partition.log.segments();
        let root = partition.tree.root().unwrap();
        partition.tree.trim(segments[2].next + 1).unwrap();
        assert_eq!(partition.log.first_offset(), segments[3].first);
        assert_eq!(partition.tree.root().unwrap(), root);
        partition.check_all(1).unwrap();
        // Sizes that end with a removed segment have a root still; those inside have none.
        assert_eq!(partition.tree.root_at(segments[1].next).unwrap(), Model::of(segments[1].next).root());
        let inside = partition.tree.root_at(segments[1].next - 1).unwrap_err();
        assert!(matches!(inside, Error::NoSuchRecord { stream: STREAM, .. }), "{inside}");
        assert!(!inside.is_fatal());
        partition.append(60).unwrap();
        partition.tree.trim(u64::MAX).unwrap();
        assert_eq!(partition.log.segments().len(), 1);
        partition.check_all(3).unwrap();
        partition.append(10).unwrap();
        partition.check_all(3).unwrap();
    });
}

#[test]
fn what_the_trees_have_is_skipped_and_what_they_lack_is_read() {
    both(|partition| {
        partition.append(10).unwrap();
        let leaves: Vec<Hash> = (0..40).map(hash).collect();
        partition.tree.append(3, &leaves[3..8]).unwrap();
        assert_eq!(partition.tree.size(), 10);
        partition.append_to_log(30).unwrap();
        partition.tree.append(6, &leaves[6..15]).unwrap();
        assert_eq!(partition.tree.size(), 15);
        partition.tree.append(33, &leaves[33..]).unwrap();
        assert_eq!(partition.tree.size(), 40);
        partition.check_all(1).unwrap();
    });
}

#[test]
fn readers_and_a_writer_share_the_trees() {
    both(|partition| {
        partition.append(1).unwrap();
        let partition = &partition;
        std::thread::scope(|scope| {
            let reader = |seed: u64| {
                move || {
                    let mut round = seed;
                    while partition.tree.size() < 150 {
                        round = round.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                        let size = partition.tree.size() - (round >> 33) % 3 % partition.tree.size();
                        let offset = (round >> 40) % size;
                        let root = partition.tree.root_at(size).unwrap();
                        let proof = partition.tree.prove(offset, size).unwrap();
                        assert_eq!(proof.verify(&hash(offset), &checkpoint(root)), Ok(()));
                        let grown = partition.tree.root().unwrap();
                        let consistency = partition.tree.prove_consistency(size, grown.size).unwrap();
                        assert_eq!(consistency.verify(&checkpoint(root), &checkpoint(grown)), Ok(()));
                    }
                }
            };
            scope.spawn(reader(3));
            scope.spawn(reader(4));
            for _ in 0..75 {
                partition.append(2).unwrap();
            }
        });
        partition.check_all(7).unwrap();
    });
}

/// A stream that counts what is read of it.
#[derive(Debug)]
struct Counted(Arc<dyn RecordLog>, std::sync::atomic::AtomicU64);

impl RecordLog for Counted {
    fn first_offset(&self) -> u64 {
        self.0.first_offset()
    }
    fn next_offset(&self) -> u64 {
        self.0.next_offset()
    }
    fn append(&self, items: &[crate::segment::Item<'_>]) -> Result<u64, Error> {
        self.0.append(items)
    }
    fn sync(&self) -> Result<u64, Error> {
        self.0.sync()
    }
    fn read(&self, from: u64, visit: VisitRecords<'_>) -> Result<(), Error> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.read(from, visit)
    }
    fn offset_at(&self, timestamp: u64) -> Result<Option<u64>, Error> {
        self.0.offset_at(timestamp)
    }
    fn segments_from(&self, from: u64) -> Vec<SegmentInfo> {
        self.0.segments_from(from)
    }
    fn trim(&self, up_to: u64) -> Result<(), Error> {
        self.0.trim(up_to)
    }
}

#[test]
fn opening_trees_that_are_up_to_the_records_reads_none() {
    let faulty = FaultyDisk::new(1);
    let partition = Partition::open(&faulty).unwrap();
    partition.append(70).unwrap();
    partition.tree.trim(30).unwrap();
    partition.append(7).unwrap();
    let operations = faulty.operations();
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let counted = Arc::new(Counted(Arc::clone(&partition.log), Default::default()));
    let records: Arc<dyn RecordLog> = counted.clone();
    let (tree, recovery) = PartitionTree::open(&disk, Path::new(DIR), STREAM, records).unwrap();
    assert_eq!((recovery.size, recovery.rehashed), (77, 0));
    assert_eq!(counted.1.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(faulty.operations(), operations, "nothing is written");
    assert_eq!(tree.root().unwrap(), Model::of(77).root());
}

#[test]
fn trees_that_are_behind_or_missing_are_brought_up() {
    let disk = FaultyDisk::new(1);
    let partition = Partition::open(&disk).unwrap();
    partition.append(10).unwrap();
    partition.append_to_log(1).unwrap();
    let partition = Partition::open(&disk).unwrap();
    assert_eq!(partition.rehashed, 1, "the nodes of the others lead to the root");
    partition.append_to_log(60).unwrap();
    let partition = Partition::open(&disk).unwrap();
    assert!((60..71).contains(&partition.rehashed), "{}", partition.rehashed);
    partition.check_all(1).unwrap();
    for path in disk.files().iter().filter(|path| !path.ends_with("synced") && path.extension() != Some("seg".as_ref()))
    {
        disk.lose(path);
    }
    let partition = Partition::open(&disk).unwrap();
    assert_eq!(partition.rehashed, 71);
    partition.check_all(1).unwrap();
}

#[test]
fn trees_that_are_ahead_are_made_again() {
    let disk = FaultyDisk::new(1);
    let partition = Partition::open(&disk).unwrap();
    partition.append(30).unwrap();
    let last = partition.log.segments().last().map(|segment| segment.first).unwrap();
    let segment = Path::new(DIR).join(format!("{last:020}.seg"));
    let shorter = disk.contents(&segment).unwrap();
    partition.append(3).unwrap();
    assert_eq!(partition.log.segments().last().map(|segment| segment.first), Some(last));
    // A power cut that took records which were not synced, and not their nodes.
    disk.overwrite(&segment, shorter);
    let partition = Partition::open(&disk).unwrap();
    assert_eq!(partition.tree.size(), 30);
    partition.check_all(1).unwrap();
    partition.append(40).unwrap();
    partition.check_all(3).unwrap();
}

#[test]
fn a_stream_in_memory_whose_records_were_removed_before_has_no_trees() {
    let log: Arc<dyn RecordLog> = Arc::new(MemoryLog::new(STREAM, SEGMENT_BYTES));
    let partition = Partition { tree: PartitionTree::in_memory(Arc::clone(&log)).unwrap(), log, rehashed: 0 };
    partition.append_to_log(50).unwrap();
    let late = PartitionTree::in_memory(Arc::clone(&partition.log)).unwrap();
    assert_eq!(late.root().unwrap(), Model::of(50).root());
    partition.log.trim(40).unwrap();
    assert!(matches!(PartitionTree::in_memory(Arc::clone(&partition.log)), Err(Error::NoSuchRecord { .. })));
}

#[test]
fn a_failed_write_is_final() {
    let disk = FaultyDisk::new(1);
    let partition = Partition::open(&disk).unwrap();
    partition.append(40).unwrap();
    let first = partition.append_to_log(5).unwrap();
    disk.set_capacity(Some(disk.used()));
    let leaves: Vec<Hash> = (first..first + 5).map(hash).collect();
    assert!(matches!(partition.tree.append(first, &leaves), Err(Error::DiskFull { .. })));
    disk.set_capacity(None);
    assert!(matches!(partition.tree.append(first, &leaves), Err(Error::DiskFull { .. })));
    assert!(matches!(partition.tree.trim(30), Err(Error::DiskFull { .. })));
    assert!(partition.tree.failure().is_some());
    partition.check_all(5).unwrap();
    let partition = Partition::open(&disk).unwrap();
    partition.log.sync().unwrap();
    disk.fail_sync_after(0);
    assert!(matches!(partition.tree.trim(30), Err(Error::SyncFailed { .. })));
    assert!(matches!(partition.tree.trim(30), Err(Error::SyncFailed { .. })));
    assert_eq!(partition.log.first_offset(), 0, "nothing is removed");
    assert_eq!(Partition::open(&disk).unwrap().tree.root().unwrap(), Model::of(45).root());
}

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Behind(u64),
    Trim(u64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1u64..25).prop_map(Step::Append),
        1 => (1u64..25).prop_map(Step::Behind),
        1 => (0u64..200).prop_map(Step::Trim),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn trees_are_those_of_the_definition(steps in steps(), asked in prop::collection::vec((0u64..400, 0u64..400, 0u64..400), 8), on_disk: bool) {
        let disk = FaultyDisk::new(1);
        let mut partition = if on_disk { Partition::open(&disk).unwrap() } else { Partition::in_memory() };
        for step in steps {
            match step {
                Step::Append(count) => partition.append(count).unwrap(),
                Step::Behind(count) => { partition.append_to_log(count).unwrap(); }
                Step::Trim(up_to) => partition.tree.trim(up_to).unwrap(),
                Step::Reopen if on_disk => partition = Partition::open(&disk).unwrap(),
                Step::Reopen => partition.tree.append(partition.log.next_offset(), &[]).unwrap(),
            }
            prop_assert_eq!(partition.tree.root().unwrap(), partition.model().root());
            for (offset, old, size) in &asked {
                let size = size % (partition.tree.size() + 1);
                partition.check(offset % (size + 1), old % (size + 1), size).unwrap();
            }
        }
    }
}

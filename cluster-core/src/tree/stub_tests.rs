//! Trees over stubs are those over their records.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use pyralog_crypto::{Encode, Record};

use super::testkit::{DIR, STREAM, checkpoint};
use super::*;
use crate::disk::FaultyDisk;
use crate::segment::{Item, SegmentLog};
use crate::stub::{Stub, leaf_of, time_of};

const SEGMENT_BYTES: u64 = 900;

struct Partition {
    log: Arc<SegmentLog>,
    tree: PartitionTree,
    rehashed: u64,
}

impl Partition {
    fn open(faulty: &FaultyDisk) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        let log = Arc::new(SegmentLog::open_records(&disk, Path::new(DIR), STREAM, SEGMENT_BYTES).unwrap().0);
        let records: Arc<dyn RecordLog> = Arc::<SegmentLog>::clone(&log);
        let (tree, recovery) = PartitionTree::open(&disk, Path::new(DIR), STREAM, records).unwrap();
        Self { log, tree, rehashed: recovery.rehashed }
    }

    fn append(&self, items: &[Bytes]) {
        let of: Vec<Item<'_>> = items.iter().map(|bytes| Item { timestamp: time_of(bytes).unwrap(), bytes }).collect();
        let first = self.log.append(&of).unwrap();
        self.tree.append(first, &items.iter().map(|item| leaf_of(item)).collect::<Vec<_>>()).unwrap();
    }

    /// The same roots, and proofs of either that the other's checkpoints accept.
    fn check(&self, whole: &Self) {
        let size = whole.tree.size();
        assert_eq!(self.tree.root().unwrap(), whole.tree.root().unwrap());
        for size in (1..=size).rev().step_by(5) {
            let root = whole.tree.root_at(size).unwrap();
            assert_eq!(self.tree.root_at(size).unwrap(), root);
            for offset in (0..size).step_by(3) {
                let proof = self.tree.prove(offset, size).unwrap();
                assert_eq!(proof, whole.tree.prove(offset, size).unwrap());
                assert_eq!(proof.verify(&leaf_of(&record(offset)), &checkpoint(root)), Ok(()));
            }
            let growth = self.tree.prove_consistency(size / 2, size).unwrap();
            assert_eq!(growth, whole.tree.prove_consistency(size / 2, size).unwrap());
        }
        assert_eq!(self.tree.verify(&mut |error| panic!("{error}")), Vec::<PathBuf>::new());
    }
}

fn record(offset: u64) -> Bytes {
    let value = vec![offset as u8; (offset * 37 % 150) as usize];
    Record::new(offset, None, value.into(), Vec::new()).unwrap().to_bytes().into()
}

fn item(offset: u64, kept: bool) -> Bytes {
    let record = record(offset);
    if kept { record } else { Stub::of(&record).unwrap().to_bytes().to_vec().into() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_member_with_stubs_proves_what_one_with_records_does(kept in prop::collection::vec(any::<bool>(), 40..90), part in 1usize..9) {
        let (disk, whole) = (FaultyDisk::new(1), Partition::open(&FaultyDisk::new(2)));
        let some = Partition::open(&disk);
        let offsets: Vec<(u64, bool)> = (0..).zip(kept).collect();
        for part in offsets.chunks(part) {
            some.append(&part.iter().map(|(offset, kept)| item(*offset, *kept)).collect::<Vec<_>>());
            part.iter().for_each(|(offset, _)| whole.append(&[record(*offset)]));
        }
        some.check(&whole);
        some.log.sync().unwrap();
        drop(some);
        // All of the nodes are made again from records and stubs.
        disk.files().iter().filter(|path| path.extension().is_some_and(|e| e == "tree")).for_each(|path| disk.lose(path));
        let some = Partition::open(&disk);
        prop_assert!(some.rehashed > 0);
        some.tree.verify(&mut |error| panic!("{error}"));
        some.check(&whole);
        let mut from = 0;
        while from < some.log.segments().last().unwrap().first {
            let records: Vec<_> = (from..offsets.len() as u64).map(|offset| (offset, record(offset))).collect();
            from += some.log.fill(&records, &|| Ok(())).unwrap() as u64;
        }
        prop_assert!(from > 0);
        some.check(&whole);
        drop(some);
        let some = Partition::open(&disk);
        prop_assert_eq!(some.rehashed, 0);
        some.check(&whole);
        [&some, &whole].iter().for_each(|partition| partition.tree.trim(from).unwrap());
        prop_assert_eq!(some.tree.root().unwrap(), whole.tree.root().unwrap());
        prop_assert_eq!(some.log.first_offset(), whole.log.first_offset());
    }
}

#[test]
fn a_stub_of_another_record_contradicts_the_root() {
    let disk = FaultyDisk::new(1);
    let partition = Partition::open(&disk);
    (0..30).for_each(|offset| partition.append(&[item(offset, offset % 2 == 0)]));
    let segment = partition.log.segments()[1];
    partition.log.sync().unwrap();
    // The batch checks, and has a stub that was never hashed.
    let forged = SegmentLog::open_records(
        &(Arc::new(FaultyDisk::new(1)) as Arc<dyn Disk>),
        Path::new(DIR),
        STREAM,
        SEGMENT_BYTES,
    );
    let forged = forged.unwrap().0;
    for offset in 0..30 {
        let bytes = if offset == segment.first { item(99, false) } else { item(offset, offset % 2 == 0) };
        let stub =
            Stub::read(&bytes).map(|stub| Stub { timestamp: offset, length: record(offset).len() as u32, ..stub });
        let bytes = stub.map_or(bytes, |stub| stub.to_bytes().to_vec().into());
        forged.append(&[Item { timestamp: offset, bytes: &bytes }]).unwrap();
    }
    let tree = PartitionTree { records: Arc::new(forged), ..partition.tree };
    let mut damage = Vec::new();
    tree.verify(&mut |error| damage.push(error));
    assert!(matches!(&damage[..], [Error::Damaged { why, .. }] if why.contains("another root")), "{damage:?}");
}

//! What a journal gives back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::canary::switches;
use super::*;
use crate::disk::FaultyDisk;
use crate::parts::u32_at;

pub(super) const DIR: &str = "/j";
/// Room for a header and seven blocks of groups.
pub(super) const SMALL: JournalOptions = JournalOptions { file_bytes: 8 * BLOCK, spare_files: 2 };

pub(super) type Groups = BTreeMap<u64, Vec<(u64, u64, Vec<u8>)>>;

pub(super) fn open_with(
    disk: &FaultyDisk,
    options: JournalOptions,
) -> Result<(Journal, Groups, JournalRecovery), Error> {
    let mut groups = Groups::new();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, recovery) = Journal::open(&disk, Path::new(DIR), options, |group, entry| {
        groups.entry(group.number).or_default().push((entry.stream, entry.position, entry.bytes.to_vec()));
        Ok(())
    })?;
    Ok((journal, groups, recovery))
}

pub(super) fn open(disk: &FaultyDisk) -> Result<(Journal, Groups, JournalRecovery), Error> {
    open_with(disk, SMALL)
}

/// Appends a group of one entry.
pub(super) fn put(journal: &mut Journal, position: u64, length: usize) -> u64 {
    journal.append(&[Entry { stream: 7, position, bytes: &bytes(position, length) }]).unwrap()
}

pub(super) fn bytes(position: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (position * 31 + at) as u8).collect()
}

pub(super) fn path(number: u32) -> PathBuf {
    Path::new(DIR).join(file::file_name(number))
}

#[test]
fn entries_come_back_in_order_over_files_and_starts() {
    let disk = FaultyDisk::new(1);
    let (mut journal, groups, recovery) = open(&disk).unwrap();
    assert!(recovery.created && groups.is_empty());
    assert_eq!(journal.next_group(), 1);
    let mut expected = Groups::new();
    for round in 0..20u64 {
        let bytes = bytes(round, (round * 700) as usize);
        let entries =
            [Entry { stream: 1, position: round, bytes: &bytes }, Entry { stream: u64::MAX, position: 0, bytes: b"" }];
        assert_eq!(journal.append(&entries).unwrap(), round + 1);
        expected.insert(round + 1, vec![(1, round, bytes), (u64::MAX, 0, Vec::new())]);
        if round % 6 == 5 {
            let (again, groups, recovery) = open(&disk).unwrap();
            assert_eq!((groups, recovery.next_group, recovery.cut), (expected.clone(), round + 2, None));
            assert!(!recovery.created && recovery.first_group == 1);
            journal = again;
        }
    }
    assert!(journal.files().0 > 3);
    journal.close().unwrap();
    assert_eq!(open(&disk).unwrap().1, expected);
}

#[test]
fn a_group_is_as_it_is_drawn() {
    let identity = group::Identity { generation: 2, salt: 3 };
    let mut buffer = vec![9; 9];
    group::encode(&mut buffer, identity, 4096, 5, &[Entry { stream: 6, position: 7, bytes: b"ab" }]);
    assert_eq!(buffer.len(), 4096);
    assert_eq!(&buffer[..8], b"PYJ1\0\0\0\x16");
    assert_eq!(buffer[16..32], [2u64.to_be_bytes(), 5u64.to_be_bytes()].concat());
    assert_eq!(buffer[32..48], [6u64.to_be_bytes(), 7u64.to_be_bytes()].concat());
    assert_eq!(&buffer[48..54], b"\0\0\0\x02ab");
    assert!(buffer[54..].iter().all(|byte| *byte == 0));
    // A vector: a change of the format shows here.
    assert_eq!((u32_at(&buffer, 8), u32_at(&buffer, 12)), (3_766_123_447, 3_225_004_689));
    let found = group::GroupHeader::find(&buffer, identity, 4096, 5);
    let group::Found::Header(header) = found else { panic!("{found:?}") };
    assert_eq!(header.body(&buffer), Some(&buffer[32..54]));
    for (other, offset) in [
        (group::Identity { generation: 4, ..identity }, 4096),
        (group::Identity { salt: 4, ..identity }, 4096),
        (identity, 8192),
    ] {
        assert!(!matches!(group::GroupHeader::find(&buffer, other, offset, 5), group::Found::Header(_)));
    }
}

#[test]
fn sizes_are_bounded_and_a_large_group_gets_a_file_of_its_own() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    assert!(matches!(journal.append(&[]), Err(Error::Size { found: 0, .. })));
    let over = vec![1; MAX_GROUP_BYTES - group::ENTRY_HEADER + 1];
    assert!(matches!(journal.append(&[Entry { stream: 1, position: 1, bytes: &over }]), Err(Error::Size { .. })));
    // What fits an ordinary file exactly, one byte more, and the most there can be.
    let room = 7 * 4096 - group::GROUP_HEADER - group::ENTRY_HEADER;
    let lengths = [room, room + 1, 5, over.len() - 1, room + 1];
    for length in lengths {
        journal.append(&[Entry { stream: 1, position: 1, bytes: &over[..length] }]).unwrap();
    }
    let (mut journal, groups, _) = open(&disk).unwrap();
    let found: Vec<usize> = groups.values().map(|group| group[0].2.len()).collect();
    assert_eq!(found, lengths);
    // Only files of the ordinary size become spare.
    put(&mut journal, 9, 9);
    journal.release(journal.next_group() - 1).unwrap();
    assert!(disk.used() < 4 * SMALL.file_bytes, "{}", disk.used());
    assert_eq!(open(&disk).unwrap().1.len(), 1);
}

#[test]
fn the_oldest_file_is_read_without_a_start() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    let oldest = |journal: &Journal| {
        let mut positions = Vec::new();
        let end = journal.oldest(|_, entry| {
            positions.push(entry.position);
            Ok(())
        });
        (positions, end.unwrap())
    };
    put(&mut journal, 1, 10);
    assert_eq!(oldest(&journal), (Vec::new(), 1), "the only file is still written");
    for position in 2..=17 {
        put(&mut journal, position, 10);
    }
    assert_eq!(oldest(&journal), ((1..=7).collect(), 8));
    journal.release(8).unwrap();
    assert_eq!(oldest(&journal), ((8..=14).collect(), 15));
    let mut bytes = disk.contents(&path(1)).unwrap();
    bytes[5 * 4096 + 40] ^= 1;
    disk.overwrite(&path(1), bytes);
    let error = journal.oldest(|_, _| Ok(())).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, offset: 20480, .. } if *file == path(1)), "{error}");
}

#[test]
fn appends_never_change_a_files_length_and_released_files_are_used_again() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    journal.prepare().unwrap();
    assert_eq!(journal.files(), (1, 1));
    let used = disk.used();
    for round in 0..200 {
        let group = put(&mut journal, round, 3000);
        journal.release(group).unwrap();
        assert_eq!(disk.used(), used, "round {round}");
    }
    assert_eq!(journal.files(), (1, 1));
    let (_, groups, recovery) = open(&disk).unwrap();
    assert_eq!(groups.keys().copied().collect::<Vec<_>>(), (197..=200).collect::<Vec<_>>());
    assert_eq!(recovery.first_group, 197);
    assert_eq!(groups[&200], [(7, 199, bytes(199, 3000))]);
}

fn put_all(journal: &mut Journal, rounds: std::ops::Range<u64>) {
    for round in rounds {
        put(journal, round, 10);
    }
}

#[test]
fn a_start_is_told_which_groups_are_settled() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    for round in 0..18 {
        put(&mut journal, round, 100);
    }
    let settled = || {
        let mut told = BTreeMap::new();
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let opened = Journal::open(&disk, Path::new(DIR), SMALL, |group, _| {
            told.insert(group.number, group.settled);
            Ok(())
        });
        opened.map(|_| told)
    };
    let expected = |from: u64, settled: u64| (from..19).map(|number| (number, number < settled)).collect();
    assert_eq!(settled().unwrap(), expected(1, 1));
    // Somebody needs group 9 all the same.
    journal.settle(12, 9).unwrap();
    assert_eq!((journal.files().0, settled().unwrap()), (2, expected(8, 12)));
    journal.settle(5, 5).unwrap();
    assert_eq!(settled().unwrap(), expected(8, 12), "it does not fall");
    journal.settle(99, 9).unwrap();
    assert_eq!(settled().unwrap(), expected(8, 19));
    // The end of what was there when it was settled is lost.
    let last = path(2);
    let mut bytes = disk.contents(&last).unwrap();
    bytes[4 * 4096..5 * 4096].fill(0);
    disk.overwrite(&last, bytes);
    let error = settled().unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, offset: 16384, .. } if *file == last), "{error}");
}

#[test]
fn a_spare_file_may_be_made_beside_the_journal() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    put(&mut journal, 0, 10);
    assert_eq!(journal.begin_spare(), None, "not before the file is half full");
    put_all(&mut journal, 1..4);
    let spare = journal.begin_spare().unwrap();
    assert_eq!(journal.begin_spare(), None, "one at a time");
    // The journal cannot wait, and makes a file of its own under another name.
    put_all(&mut journal, 4..9);
    spare.make(&disk).unwrap();
    journal.end_spare(spare, true);
    assert_eq!(journal.files(), (2, 1));
    let operations = disk.operations();
    put_all(&mut journal, 9..14);
    let begun = disk.operations();
    put(&mut journal, 14, 10);
    assert_eq!((disk.operations() - begun, (begun - operations) / 5), (6, 2), "header, list and group, each synced");
    put_all(&mut journal, 15..19);
    let spare = journal.begin_spare().unwrap();
    journal.end_spare(spare, false);
    assert_eq!(journal.begin_spare(), None, "once for each file in use");
    assert_eq!(open(&disk).unwrap().1.len(), 19);
}

#[test]
fn at_most_so_many_spare_files_are_kept() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    for round in 0..50 {
        put(&mut journal, round, 3000);
    }
    assert_eq!(journal.files(), (8, 0));
    journal.release(journal.next_group()).unwrap();
    assert_eq!(journal.files(), (1, 2));
    assert_eq!(disk.files().len(), 4, "three files and their list: {:?}", disk.files());
    assert_eq!(open(&disk).unwrap().1.len(), 1);
    // Fewer are wanted, or others: the next start makes it so.
    let other = JournalOptions { file_bytes: 4 * BLOCK, spare_files: 1 };
    let (journal, ..) = open_with(&disk, other).unwrap();
    assert_eq!(journal.files(), (1, 0));
}

/// One file's worth of old groups, then a new use of that file with `fresh` groups.
fn recycled(fresh: u64) -> (FaultyDisk, Journal) {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open_with(&disk, SMALL).unwrap();
    for round in 0..14 {
        put(&mut journal, round, 100);
    }
    journal.release(journal.next_group()).unwrap();
    assert_eq!(journal.files(), (1, 1));
    for round in 14..14 + fresh {
        put(&mut journal, round, 100);
    }
    assert_eq!(journal.files(), (2, 0));
    (disk, journal)
}

#[test]
fn groups_of_an_earlier_use_are_not_read() {
    for fresh in 1..=7 {
        let (disk, _) = recycled(fresh);
        let (mut journal, groups, recovery) = open(&disk).unwrap();
        assert_eq!(groups.keys().copied().collect::<Vec<_>>(), (8..15 + fresh).collect::<Vec<_>>());
        assert_eq!(recovery.cut, None, "old groups are no torn ones");
        assert_eq!(put(&mut journal, 99, 100), 15 + fresh);
        assert_eq!(open(&disk).unwrap().1.len() as u64, 8 + fresh);
    }
}

#[test]
fn canary_identity_left_out_of_the_checksum() {
    let (disk, _) = recycled(1);
    switches::IDENTITY_UNCHECKED.set(true);
    let with_canary = {
        // Written under the canary as well, so that only the missing identity matters.
        let (disk, _) = recycled(1);
        let result = open(&disk).map(|(_, groups, _)| groups.len());
        matches!(result, Ok(8))
    };
    switches::IDENTITY_UNCHECKED.set(false);
    assert!(!with_canary, "an old group passed the test that should have caught it");
    assert_eq!(open(&disk).unwrap().1.len(), 8);
}

#[test]
fn a_failed_sync_is_final_and_what_it_lost_is_not_shown() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    put(&mut journal, 0, 100);
    disk.fail_sync_after(0);
    let entry = Entry { stream: 1, position: 1, bytes: b"lost" };
    assert!(matches!(journal.append(&[entry]), Err(Error::SyncFailed { .. })));
    let (syncs, operations) = (disk.syncs(), disk.operations());
    assert!(matches!(journal.append(&[entry]), Err(Error::SyncFailed { .. })));
    assert!(matches!(journal.release(1), Err(Error::SyncFailed { .. })));
    assert!(journal.failure().is_some_and(Error::is_fatal));
    assert!(journal.close().is_err());
    assert_eq!((disk.syncs(), disk.operations()), (syncs, operations), "nothing is tried again");
    // The page cache still has the group, the disk has not.
    let (_, groups, _) = open(&disk).unwrap();
    disk.crash();
    assert_eq!(open(&disk).unwrap().1, groups, "what is shown is durable");
    assert_eq!(groups.len(), 1);
}

#[test]
fn what_a_killed_process_wrote_is_shown_only_when_it_is_durable() {
    for seed in 0..20 {
        let disk = FaultyDisk::new(seed);
        let (mut journal, ..) = open(&disk).unwrap();
        switches::SYNC_SKIPPED.set(true);
        put(&mut journal, 0, 100);
        switches::SYNC_SKIPPED.set(false);
        let (_, groups, _) = open(&disk).unwrap();
        disk.crash();
        assert_eq!(open(&disk).unwrap().1, groups, "seed {seed}");
    }
}

#[test]
fn a_full_disk_stops_the_journal_and_loses_nothing() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    disk.set_capacity(Some(disk.used() + 5000));
    assert!(matches!(journal.prepare(), Err(Error::DiskFull { .. })), "no room for a spare file");
    for round in 0..7 {
        put(&mut journal, round, 3000);
    }
    let entry = Entry { stream: 1, position: 1, bytes: &[1; 3000] };
    let error = journal.append(&[entry]).unwrap_err();
    assert!(matches!(&error, Error::DiskFull { dir } if dir == Path::new(DIR)), "{error}");
    assert_eq!(disk.files().len(), 2, "the half-made file is gone");
    assert_eq!(open(&disk).unwrap().1.len(), 7);
    disk.set_capacity(None);
    let (mut journal, groups, _) = open(&disk).unwrap();
    assert_eq!((groups.len(), put(&mut journal, 7, 3000)), (7, 8));
}

#[test]
fn the_visitor_can_refuse() {
    let disk = FaultyDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    put(&mut journal, 0, 10);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let refused = Journal::open(&disk, Path::new(DIR), SMALL, |_, _| Err(Error::Closed));
    assert!(matches!(refused, Err(Error::Closed)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_decoder_panics_on_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz::file(&bytes);
        fuzz::group(&bytes);
        fuzz::list(&bytes);
    }

    /// Valid groups of the right file, mutated.
    #[test]
    fn no_decoder_panics_on_mutated_files(lengths in prop::collection::vec(0usize..6000, 1..5), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let faulty = FaultyDisk::new(0);
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        let options = JournalOptions { file_bytes: 64 << 10, spare_files: 0 };
        let (mut journal, _) = Journal::open(&disk, Path::new("/fuzz"), options, |_, _| Ok(())).unwrap();
        for (round, length) in lengths.iter().enumerate() {
            put(&mut journal, round as u64, *length);
        }
        let mut bytes = faulty.contents(Path::new("/fuzz/journal-000000")).unwrap()[4096..].to_vec();
        prop_assert!(fuzz::file(&bytes));
        for (at, flip) in edits {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        fuzz::file(&bytes);
        fuzz::group(&bytes[group::GROUP_HEADER..]);
        fuzz::list(&bytes[..40]);
    }

    #[test]
    fn lists_round_trip(generation in 1u64.., settled in 1u64.., numbers in prop::collection::vec(any::<u32>(), 1..50)) {
        let list = manifest::List { generation: generation / 2 + 1, settled, numbers: numbers.into() };
        prop_assert_eq!(manifest::List::decode(&list.encode()), Some(list.clone()));
        prop_assert!(fuzz::list(&list.encode()));
    }
}

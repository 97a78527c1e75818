//! Files that are cut, flipped, lost or from elsewhere.

use std::path::PathBuf;

use super::testkit::*;
use super::*;
use crate::disk::FaultyDisk;

/// Sealed segments, of which the first two were removed, and one that grows.
fn filled() -> (FaultyDisk, Partition) {
    let disk = FaultyDisk::new(1);
    let partition = Partition::open(&disk).unwrap();
    partition.append(60).unwrap();
    partition.tree.trim(partition.log.segments()[1].next).unwrap();
    assert!(partition.log.segments().len() > 3 && partition.log.first_offset() > 0);
    (disk, partition)
}

fn named(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn tree_files(disk: &FaultyDisk) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension() == Some("tree".as_ref())).collect()
}

fn flip(disk: &FaultyDisk, path: &Path, at: usize) {
    let mut bytes = disk.contents(path).unwrap();
    bytes[at] ^= 0x10;
    disk.overwrite(path, bytes);
}

fn verify(partition: &Partition) -> Vec<PathBuf> {
    partition.tree.verify(&mut |error| panic!("{error}"))
}

fn damage<T: std::fmt::Debug>(result: Result<T, Error>) -> (PathBuf, u64, String) {
    match result {
        Err(Error::Damaged { file, offset, why }) => (file, offset, why),
        other => panic!("expected damage, got {other:?}"),
    }
}

#[test]
fn trees_are_there_for_the_segments_that_are() {
    let (disk, partition) = filled();
    let bases: Vec<PathBuf> =
        partition.log.segments().iter().map(|segment| named(&nodes::file_name(segment.first))).collect();
    assert_eq!(tree_files(&disk), bases);
    assert_eq!(verify(&partition), Vec::<PathBuf>::new());
    // What a crash left of a removed segment goes at the next open.
    disk.overwrite(&named(&nodes::file_name(0)), vec![1; 32]);
    Partition::open(&disk).unwrap();
    assert_eq!(tree_files(&disk), bases);
}

#[test]
fn nodes_are_made_again_byte_by_byte() {
    let (disk, partition) = filled();
    let sealed = partition.log.segments()[1];
    let (path, last) = (named(&nodes::file_name(sealed.first)), tree_files(&disk).pop().unwrap());
    for path in [path, last] {
        let original = disk.contents(&path).unwrap();
        let harms: [&dyn Fn(); 5] = [
            &|| disk.lose(&path),
            &|| disk.overwrite(&path, Vec::new()),
            &|| disk.overwrite(&path, original[..original.len() - 1].to_vec()),
            &|| disk.overwrite(&path, vec![0; original.len()]),
            &|| disk.overwrite(&path, [&original[..], &[7; 100]].concat()),
        ];
        for harm in harms {
            harm();
            let partition = Partition::open(&disk).unwrap();
            partition.check_all(1).unwrap();
            verify(&partition);
            assert_eq!(disk.contents(&path).as_ref(), Some(&original));
            harm();
            assert!(verify(&partition).len() <= 1);
            drop(partition);
            Partition::open(&disk).unwrap();
        }
    }
}

#[test]
fn every_flip_in_nodes_is_found_and_never_served() {
    let (disk, partition) = filled();
    for path in tree_files(&disk) {
        let original = disk.contents(&path).unwrap();
        for at in (0..original.len()).step_by(29) {
            flip(&disk, &path, at);
            // Whatever is asked, the answer is the right one.
            partition.check_all(9).unwrap();
            let repaired = disk.contents(&path).unwrap() == original;
            assert_eq!(verify(&partition), if repaired { vec![] } else { vec![path.clone()] }, "flip at {at}");
            assert_eq!(disk.contents(&path).as_ref(), Some(&original));
            flip(&disk, &path, at);
            let opened = Partition::open(&disk).unwrap();
            opened.check_all(9).unwrap();
            verify(&opened);
            assert_eq!(disk.contents(&path).as_ref(), Some(&original));
        }
    }
}

#[test]
fn entries_of_segments_that_are_there_are_made_again() {
    let (disk, partition) = filled();
    let path = named("roots");
    let original = disk.contents(&path).unwrap();
    let entries = original.len() / 64 - 1;
    assert_eq!(entries, partition.model().segments().len());
    for at in (0..original.len()).step_by(7) {
        flip(&disk, &path, at);
        let partition = Partition::open(&disk).unwrap();
        partition.check_all(20).unwrap();
        assert_eq!(disk.contents(&path).as_ref(), Some(&original), "flip at {at}");
    }
    disk.overwrite(&path, [&original[..], &[9; 300]].concat());
    Partition::open(&disk).unwrap();
    assert_eq!(disk.contents(&path).as_ref(), Some(&original));
}

#[test]
fn entries_of_removed_segments_come_from_the_other_file() {
    let (disk, _) = filled();
    for name in ["roots", "roots.copy"] {
        let path = named(name);
        let original = disk.contents(&path).unwrap();
        let harms: [&dyn Fn(); 4] = [
            &|| disk.lose(&path),
            &|| disk.overwrite(&path, Vec::new()),
            &|| disk.overwrite(&path, vec![0x5a; 4096]),
            &|| disk.overwrite(&path, original[..130].to_vec()),
        ];
        for harm in harms {
            harm();
            let partition = Partition::open(&disk).unwrap();
            partition.check_all(9).unwrap();
            // It is durable again.
            disk.crash();
            assert_eq!(disk.contents(&path).unwrap()[..192], original[..192], "{name}");
            disk.overwrite(&path, original.clone());
        }
    }
}

#[test]
fn an_entry_that_neither_file_has_is_named() {
    let (disk, _) = filled();
    let (main, copy) = (named("roots"), named("roots.copy"));
    let originals = [disk.contents(&main).unwrap(), disk.contents(&copy).unwrap()];
    for number in 0..2 {
        for (at, other) in [(0, 1), (20, 63), (63, 8), (40, 40)] {
            flip(&disk, &main, 64 * (number + 1) + at);
            flip(&disk, &copy, 64 * (number + 1) + other);
            let (file, offset, why) = damage(Partition::open(&disk));
            assert_eq!((file, offset), (main.clone(), 64 * (number as u64 + 1)));
            assert!(why.contains("roots.copy"), "{why}");
            disk.overwrite(&main, originals[0].clone());
            disk.overwrite(&copy, originals[1].clone());
        }
    }
    disk.lose(&main);
    disk.lose(&copy);
    assert_eq!(damage(Partition::open(&disk)).1, 64);
}

#[test]
fn files_of_another_stream_or_version_are_refused() {
    let (disk, partition) = filled();
    let other: Arc<dyn Disk> = Arc::new(disk.clone());
    for name in ["roots", "roots.copy"] {
        let path = named(name);
        let original = disk.contents(&path).unwrap();
        let mut header = roots::header(STREAM + 1);
        disk.overwrite(&path, [&header[..], &original[64..]].concat());
        let (file, offset, why) = damage(PartitionTree::open(&other, Path::new(DIR), STREAM, partition.log.clone()));
        assert_eq!((file, offset, why.as_str()), (path.clone(), 16, "the file is of stream 10, not of stream 9"));
        header = roots::header(STREAM);
        header[11] = 2;
        let crc = crc32c::crc32c(&header[..60]);
        header[60..].copy_from_slice(&crc.to_be_bytes());
        disk.overwrite(&path, [&header[..], &original[64..]].concat());
        assert_eq!(damage(Partition::open(&disk)).1, 8);
        disk.overwrite(&path, original);
    }
    // Two files that check and say different things.
    let copy = named("roots.copy");
    let mut bytes = disk.contents(&copy).unwrap();
    let header = roots::header(STREAM);
    let leaf = roots::decode(&bytes[64..128], 0, &header).unwrap();
    let forged = pyralog_crypto::SegmentLeaf { root: Hash([1; 32]), ..leaf };
    bytes[64..128].copy_from_slice(&roots::encode(&forged, 0, &header));
    disk.overwrite(&copy, bytes);
    assert_eq!(damage(Partition::open(&disk)).0, named("roots"));
}

#[test]
fn an_entry_that_contradicts_the_records_is_named() {
    let (disk, partition) = filled();
    let path = named("roots");
    let mut bytes = disk.contents(&path).unwrap();
    let header = roots::header(STREAM);
    let leaf = roots::decode(&bytes[192..256], 2, &header).unwrap();
    let forged = pyralog_crypto::SegmentLeaf { root: Hash([1; 32]), ..leaf };
    bytes[192..256].copy_from_slice(&roots::encode(&forged, 2, &header));
    disk.overwrite(&path, bytes);
    let partition = {
        drop(partition);
        Partition::open(&disk).unwrap()
    };
    let (file, offset, why) = damage(partition.tree.prove(leaf.first, partition.tree.size()));
    assert_eq!((file, offset, why.as_str()), (path.clone(), 192, "the records of the segment have another root"));
    let mut found = Vec::new();
    partition.tree.verify(&mut |error| found.push(damage(Err::<(), _>(error)).1));
    assert_eq!(found, [192]);
}

#[test]
fn damaged_records_are_named_and_not_hashed() {
    let (disk, partition) = filled();
    let sealed = partition.log.segments()[1];
    let path = named(&format!("{:020}.seg", sealed.first));
    flip(&disk, &path, 300);
    disk.lose(&named(&nodes::file_name(sealed.first)));
    assert_eq!(damage(partition.tree.prove(sealed.first, partition.tree.size())).0, path);
    let mut found = Vec::new();
    partition.tree.verify(&mut |error| found.push(damage(Err::<(), _>(error)).0));
    assert_eq!(found, [path]);
}

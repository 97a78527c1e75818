//! Every way a frame file can end, and every way it must not be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::Error;
use crate::disk::{Disk, FaultyDisk};

fn disk() -> Arc<FaultyDisk> {
    let disk = FaultyDisk::new(7);
    disk.create_dir(Path::new("/d")).unwrap();
    Arc::new(disk)
}

fn path() -> PathBuf {
    "/d/file".into()
}

fn write(disk: &FaultyDisk, payloads: &[&[u8]]) -> Vec<u64> {
    let mut frames = FrameFile::create(disk, &path(), Kind::Wal, 3, 0, 0).unwrap();
    let mut starts = Vec::new();
    for payload in payloads {
        starts.push(frames.end());
        frames.append(&[payload]).unwrap();
        frames.sync().unwrap();
    }
    starts.push(frames.end());
    starts
}

fn read(disk: &FaultyDisk) -> Result<(Vec<Vec<u8>>, Option<Torn>), Error> {
    let mut frames = FrameFile::open(disk, &path(), Kind::Wal)?;
    let mut payloads = Vec::new();
    let torn = frames.replay(FILE_HEADER, |_, payload| {
        payloads.push(payload.to_vec());
        Ok(())
    })?;
    Ok((payloads, torn))
}

fn damaged_at(result: Result<(Vec<Vec<u8>>, Option<Torn>), Error>) -> u64 {
    match result {
        Err(Error::Damaged { offset, file, .. }) => {
            assert_eq!(file, path());
            offset
        }
        other => panic!("expected damage, got {other:?}"),
    }
}

const PAYLOADS: [&[u8]; 3] = [b"one", &[0xab; 700], b"the last entry, which a crash may tear"];

#[test]
fn frames_come_back_in_order() {
    let disk = disk();
    write(&disk, &PAYLOADS);
    let (payloads, torn) = read(&disk).unwrap();
    assert_eq!(payloads, PAYLOADS);
    assert_eq!(torn, None);
}

#[test]
fn truncation_at_every_byte_of_the_last_frame_is_a_torn_tail() {
    let disk = disk();
    let starts = write(&disk, &PAYLOADS);
    let whole = disk.contents(&path()).unwrap();
    let last = starts[2];
    for cut in last..whole.len() as u64 {
        disk.overwrite(&path(), whole[..cut as usize].to_vec());
        let (payloads, torn) = read(&disk).unwrap();
        assert_eq!(payloads, PAYLOADS[..2], "cut at {cut}");
        let expected = (cut > last).then_some(Torn { offset: last, bytes: cut - last });
        assert_eq!(torn, expected, "cut at {cut}");
    }
}

#[test]
fn a_last_frame_with_zeros_or_flips_anywhere_is_a_torn_tail() {
    let disk = disk();
    let starts = write(&disk, &PAYLOADS);
    let whole = disk.contents(&path()).unwrap();
    let last = starts[2] as usize;
    for at in last..whole.len() {
        for change in ["flip", "zero rest", "zero before"] {
            let mut bytes = whole.clone();
            match change {
                "flip" => bytes[at] ^= 0x10,
                "zero rest" => bytes[at..].fill(0),
                _ => bytes[last..=at].fill(0),
            }
            disk.overwrite(&path(), bytes);
            let (payloads, torn) = read(&disk).unwrap();
            assert_eq!(payloads, PAYLOADS[..2], "{change} at {at}");
            assert_eq!(
                torn,
                Some(Torn { offset: last as u64, bytes: (whole.len() - last) as u64 }),
                "{change} at {at}"
            );
        }
    }
}

#[test]
fn a_flip_before_the_last_frame_is_refused_with_its_frames_offset() {
    let disk = disk();
    let starts = write(&disk, &PAYLOADS);
    let whole = disk.contents(&path()).unwrap();
    for at in 0..starts[2] {
        for bit in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at as usize] ^= bit;
            disk.overwrite(&path(), bytes);
            let expected = if at < FILE_HEADER { 0 } else { *starts.iter().rev().find(|start| **start <= at).unwrap() };
            assert_eq!(damaged_at(read(&disk)), expected, "flip {bit:#x} at {at}");
        }
    }
}

#[test]
fn a_frame_of_another_file_or_place_does_not_pass() {
    let disk = disk();
    let starts = write(&disk, &PAYLOADS);
    let whole = disk.contents(&path()).unwrap();
    // Repeat the first frame behind the last: right bytes, wrong place.
    let mut bytes = whole.clone();
    bytes.extend_from_slice(&whole[starts[0] as usize..starts[1] as usize]);
    disk.overwrite(&path(), bytes);
    let (payloads, torn) = read(&disk).unwrap();
    assert_eq!(payloads.len(), 3);
    assert_eq!(torn.unwrap().offset, whole.len() as u64);
    // The same frames under another file's header (another salt).
    write(&disk, &PAYLOADS);
    let mut other = disk.contents(&path()).unwrap();
    other[FILE_HEADER as usize..].copy_from_slice(&whole[FILE_HEADER as usize..]);
    disk.overwrite(&path(), other);
    let (payloads, torn) = read(&disk).unwrap();
    assert!(payloads.is_empty());
    assert_eq!(torn.unwrap().offset, FILE_HEADER);
}

#[test]
fn a_tail_longer_than_a_frame_is_damage() {
    let disk = disk();
    let starts = write(&disk, &PAYLOADS);
    let mut bytes = disk.contents(&path()).unwrap();
    bytes.resize(bytes.len() + MAX_FRAME_BYTES + 17, 0);
    disk.overwrite(&path(), bytes);
    assert_eq!(damaged_at(read(&disk)), starts[3]);
}

#[test]
fn another_kind_or_a_short_header_is_refused() {
    let disk = disk();
    write(&disk, &PAYLOADS);
    let error = FrameFile::open(disk.as_ref(), &path(), Kind::Leaves).unwrap_err();
    assert!(error.to_string().contains("/d/file is damaged at offset 0"), "{error}");
    let whole = disk.contents(&path()).unwrap();
    for length in 0..FILE_HEADER as usize {
        disk.overwrite(&path(), whole[..length].to_vec());
        assert_eq!(damaged_at(read(&disk)), 0);
    }
}

#[test]
fn appending_goes_on_after_a_cut() {
    let disk = disk();
    let starts = write(&disk, &PAYLOADS);
    let whole = disk.contents(&path()).unwrap();
    disk.overwrite(&path(), whole[..starts[3] as usize - 5].to_vec());
    let mut frames = FrameFile::open(disk.as_ref(), &path(), Kind::Wal).unwrap();
    assert!(frames.replay(FILE_HEADER, |_, _| Ok(())).unwrap().is_some());
    frames.cut().unwrap();
    frames.append(&[b"new ", b"entry"]).unwrap();
    frames.sync().unwrap();
    let (payloads, torn) = read(&disk).unwrap();
    assert_eq!(payloads, [PAYLOADS[0], PAYLOADS[1], b"new entry"]);
    assert_eq!(torn, None);
}

#[test]
fn a_full_disk_leaves_a_clean_end() {
    let disk = disk();
    let starts = write(&disk, &PAYLOADS);
    disk.set_capacity(Some(disk.used() + 20));
    let mut frames = FrameFile::open(disk.as_ref(), &path(), Kind::Wal).unwrap();
    frames.replay(FILE_HEADER, |_, _| Ok(())).unwrap();
    let error = frames.append(&[&[1; 100]]).unwrap_err();
    assert!(matches!(&error, Error::DiskFull { dir } if dir == Path::new("/d")), "{error}");
    assert_eq!(disk.contents(&path()).unwrap().len() as u64, starts[3]);
    assert_eq!(read(&disk).unwrap().1, None);
}

#[test]
fn a_frame_must_have_bytes_and_not_too_many() {
    let disk = disk();
    let mut frames = FrameFile::create(disk.as_ref(), &path(), Kind::Wal, 1, 0, 0).unwrap();
    assert!(matches!(frames.append(&[]), Err(Error::Size { found: 0, .. })));
    let big = vec![0; MAX_FRAME_BYTES + 1];
    assert!(matches!(frames.append(&[&big]), Err(Error::Size { .. })));
    frames.append(&[&big[..MAX_FRAME_BYTES]]).unwrap();
    frames.sync().unwrap();
    assert_eq!(read(&disk).unwrap().0[0].len(), MAX_FRAME_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a crash does to the frame in flight, exactly the synced frames come back.
    #[test]
    fn crashes_keep_what_was_synced(seed: u64, lengths in prop::collection::vec(1usize..3000, 0..6), flight in 1usize..5000) {
        let disk = FaultyDisk::new(seed);
        disk.create_dir(Path::new("/d")).unwrap();
        let mut frames = FrameFile::create(&disk, &path(), Kind::Wal, 1, 0, 0).unwrap();
        let payloads: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(n, length)| vec![n as u8 + 1; *length]).collect();
        for payload in &payloads {
            frames.append(&[payload]).unwrap();
            frames.sync().unwrap();
        }
        let synced = frames.end();
        frames.append(&[&vec![0xee; flight]]).unwrap();
        disk.crash();
        let (mut found, torn) = read(&disk).unwrap();
        if found.len() > payloads.len() {
            // The frame in flight may have survived whole.
            prop_assert_eq!(found.pop(), Some(vec![0xee; flight]));
            prop_assert_eq!(torn, None);
        }
        prop_assert_eq!(found, payloads);
        prop_assert!(torn.is_none_or(|torn| torn.offset == synced));
    }

    /// Arbitrary bytes behind a valid header never panic and never yield a frame.
    #[test]
    fn random_bytes_are_no_frames(bytes in prop::collection::vec(any::<u8>(), 1..2000)) {
        let disk = disk();
        write(&disk, &[]);
        let mut file = disk.contents(&path()).unwrap();
        file.extend(&bytes);
        disk.overwrite(&path(), file);
        let (payloads, torn) = read(&disk).unwrap();
        prop_assert!(payloads.is_empty());
        prop_assert_eq!(torn, Some(Torn { offset: FILE_HEADER, bytes: bytes.len() as u64 }));
    }

    /// Arbitrary bytes as a whole file never panic.
    #[test]
    fn random_files_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let disk = disk();
        disk.overwrite(&path(), bytes);
        prop_assert_eq!(damaged_at(read(&disk)), 0);
    }
}

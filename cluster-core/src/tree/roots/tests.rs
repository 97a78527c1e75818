//! The files of leaves alone.

use super::*;
use crate::disk::FaultyDisk;

const DIR: &str = "/p";

fn leaf(number: u64) -> SegmentLeaf {
    SegmentLeaf { first: number * 10, next: number * 10 + 10, root: Hash([number as u8; 32]) }
}

fn open(faulty: &FaultyDisk, segments: u64) -> Result<(RootsFile, Vec<SegmentLeaf>), Error> {
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    disk.create_dir(Path::new(DIR)).unwrap();
    let (roots, removed, _) = RootsFile::open(&disk, Path::new(DIR), 4, segments * 10)?;
    Ok((roots, removed))
}

#[test]
fn the_format_is_as_it_is_drawn() {
    let header = header(4);
    assert_eq!(&header[..24], b"PYRAROOT\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0\x04");
    let entry = encode(&leaf(3), 3, &header);
    assert_eq!(entry[..16], [&30u64.to_be_bytes()[..], &40u64.to_be_bytes()].concat());
    assert_eq!(entry[16..60], [&[3; 32][..], &[0; 12]].concat());
    assert_eq!(decode(&entry, 3, &header), Some(leaf(3)));
    assert_eq!(decode(&entry, 4, &header), None, "another place");
    assert_eq!(decode(&entry, 3, &super::header(5)), None, "another stream");
    // Vectors: a change of the format shows here.
    assert_eq!(crc32c::crc32c(&header), 4_155_203_442);
    assert_eq!(crc32c::crc32c(&entry), 297_797_290);
}

#[test]
fn an_entry_with_any_flip_is_none() {
    let header = header(4);
    let entry = encode(&leaf(3), 3, &header);
    for bit in 0..entry.len() * 8 {
        let mut other = entry;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode(&other, 3, &header), None, "bit {bit}");
    }
    let empty = SegmentLeaf { first: 5, next: 5, root: Hash([0; 32]) };
    assert_eq!(decode(&encode(&empty, 3, &header), 3, &header), None, "no record");
    assert_eq!(decode(&entry[..63], 3, &header), None);
    assert!(fuzz(&encode(&leaf(0), 0, &super::header(0))));
}

#[test]
fn only_a_chain_of_leaves_is_taken() {
    let disk = FaultyDisk::new(1);
    let (roots, _) = open(&disk, 0).unwrap();
    let leaves: Vec<SegmentLeaf> = (0..300).map(leaf).collect();
    for (number, leaf) in leaves.iter().enumerate() {
        roots.put(number, leaf).unwrap();
    }
    roots.secure(&leaves[..250]).unwrap();
    for segments in [0, 1, 249, 250, 300] {
        assert_eq!(open(&disk, segments).unwrap().1, leaves[..segments as usize]);
    }
    // The boundary must be one of a segment, and the next leaf must begin where the one before it ended.
    let faulty: Arc<dyn Disk> = Arc::new(disk.clone());
    assert!(matches!(RootsFile::open(&faulty, Path::new(DIR), 4, 25), Err(Error::Damaged { offset: 192, .. })));
    assert!(matches!(open(&disk, 301), Err(Error::Damaged { offset: 19264, .. })));
    let (roots, _) = open(&disk, 0).unwrap();
    roots.put(7, &SegmentLeaf { first: 71, ..leaf(7) }).unwrap();
    roots.copy.write(7, &[SegmentLeaf { first: 71, ..leaf(7) }]).unwrap();
    assert!(matches!(open(&disk, 9), Err(Error::Damaged { offset: 512, .. })));
}

/// Entries are put again and again, and secured now and then, until the power goes, on a disk that destroys sectors then. Answers how often
/// it destroyed the first one.
fn live(disk: &FaultyDisk, seed: u64) -> u32 {
    disk.shear_sectors();
    let (mut secured, mut destroyed) = (0, 0);
    for life in 0..4u64 {
        let (roots, removed) = open(disk, secured).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(removed, (0..secured).map(leaf).collect::<Vec<_>>(), "seed {seed}");
        disk.cut_power_after((seed >> 2) % 23 + life);
        let lived = (|| {
            for number in secured.. {
                let growing = SegmentLeaf { next: number * 10 + 3, ..leaf(number) };
                roots.put(number as usize, &growing)?;
                roots.put(number as usize, &leaf(number))?;
                if (number + seed).is_multiple_of(3) {
                    let leaves: Vec<SegmentLeaf> = (0..=number).map(leaf).collect();
                    roots.secure(&leaves)?;
                    secured = number + 1;
                }
            }
            Ok::<(), Error>(())
        })();
        assert!(lived.is_err());
        disk.crash();
        let main = disk.contents(&Path::new(DIR).join(MAIN)).unwrap_or_default();
        destroyed += u32::from(secured > 0 && !main.starts_with(&MAGIC));
    }
    assert!(open(disk, secured).is_ok(), "seed {seed}");
    destroyed
}

#[test]
fn what_was_secured_outlives_sectors_that_a_power_cut_destroys() {
    let destroyed: u32 = (0..400).map(|seed| live(&FaultyDisk::new(seed), seed)).sum();
    assert!(destroyed > 20, "{destroyed}");
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let caught = (0..92).filter(|seed| {
        let lied = std::panic::catch_unwind(|| {
            let disk = FaultyDisk::new(*seed);
            disk.ignore_syncs();
            live(&disk, *seed);
        });
        lied.is_err()
    });
    assert!(caught.count() > 20);
}

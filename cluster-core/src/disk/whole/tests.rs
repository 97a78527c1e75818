//! A file is what it was or what it became, wherever the power is cut.

use super::*;
use crate::disk::FaultyDisk;

#[test]
fn a_cut_leaves_the_old_file_or_the_new_one() {
    let path = Path::new("/d/file");
    let mut found = [0, 0];
    for operations in 0..7 {
        for seed in 0..20 {
            let disk = FaultyDisk::new(seed);
            write_whole(&disk, path, b"old").unwrap();
            disk.cut_power_after(operations);
            let written = write_whole(&disk, path, b"newer");
            disk.crash();
            match disk.contents(path).unwrap().as_slice() {
                b"old" if written.is_err() => found[0] += 1,
                b"newer" => found[1] += 1,
                other => panic!("seed {seed}, cut after {operations}: {other:?} after {written:?}"),
            }
        }
    }
    assert!(found.iter().all(|count| *count > 20), "{found:?}");
}

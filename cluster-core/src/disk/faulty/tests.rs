//! The faulty disk really loses what was not synced.

use super::*;

fn path() -> &'static Path {
    Path::new("/d/f")
}

fn synced_file(disk: &FaultyDisk) -> Arc<dyn File> {
    disk.create_dir(Path::new("/d")).unwrap();
    let file = disk.create(path()).unwrap();
    file.write_at(&[1; 2000], 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file
}

#[test]
fn synced_bytes_survive_and_others_meet_every_fate() {
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let disk = FaultyDisk::new(seed);
        let file = synced_file(&disk);
        file.write_at(&[2; 3000], 2000).unwrap();
        disk.crash();
        let found = disk.contents(path()).unwrap();
        assert_eq!(found[..2000], [1; 2000]);
        match &found[2000..] {
            [] => lost += 1,
            tail if tail.len() == 3000 && tail.iter().all(|byte| *byte == 2) => kept += 1,
            tail => {
                assert!(tail.len() <= 3000 && tail.iter().all(|byte| *byte == 2 || *byte == 0));
                torn += 1;
            }
        }
        assert!(file.size().is_err(), "handles die in a crash");
    }
    assert!(lost > 20 && kept > 20 && torn > 20, "{lost} {kept} {torn}");
}

#[test]
fn names_need_a_directory_sync() {
    let (mut gone, mut there) = (0, 0);
    for seed in 0..100 {
        let disk = FaultyDisk::new(seed);
        disk.create_dir(Path::new("/d")).unwrap();
        disk.create(path()).unwrap().sync().unwrap();
        disk.crash();
        if disk.contents(path()).is_some() { there += 1 } else { gone += 1 }
    }
    assert!(gone > 10 && there > 10, "{gone} {there}");
}

#[test]
fn a_failed_sync_loses_and_a_retry_lies() {
    let disk = FaultyDisk::new(1);
    let file = synced_file(&disk);
    disk.fail_sync_after(0);
    file.write_at(&[2; 100], 2000).unwrap();
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(file.size().unwrap(), 2100, "programs still see the bytes");
    disk.crash();
    assert_eq!(disk.contents(path()).unwrap().len(), 2000, "the platter never had them");
}

#[test]
fn capacity_lets_a_part_through() {
    let disk = FaultyDisk::new(1);
    let file = synced_file(&disk);
    disk.set_capacity(Some(2050));
    assert_eq!(disk.free_bytes(Path::new("/d")), Some(50));
    let error = file.write_at(&[2; 100], 2000).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.size().unwrap(), 2050);
    file.write_at(&[3; 100], 0).unwrap();
}

#[test]
fn locks_are_exclusive_until_dropped_or_crashed() {
    let disk = FaultyDisk::new(1);
    let held = disk.lock(path()).unwrap().unwrap();
    assert!(disk.lock(path()).unwrap().is_err());
    drop(held);
    let held = disk.lock(path()).unwrap().unwrap();
    disk.crash();
    let again = disk.lock(path()).unwrap().unwrap();
    drop(held);
    assert!(disk.lock(path()).unwrap().is_err(), "a lock from before the crash frees nothing");
    drop(again);
}

#[test]
fn power_cuts_stop_everything_that_changes() {
    let disk = FaultyDisk::new(1);
    let file = synced_file(&disk);
    disk.cut_power_after(1);
    file.write_at(&[2], 0).unwrap();
    assert!(file.write_at(&[2], 0).is_err());
    assert!(disk.create(path()).is_err());
    assert!(disk.rename(path(), Path::new("/d/g")).is_err());
    assert!(disk.remove(path()).is_err());
    assert!(disk.sync_dir(Path::new("/d")).is_err());
    assert!(file.set_len(0).is_err());
    assert!(file.sync().is_err());
    assert_eq!(disk.list(Path::new("/d")).unwrap(), ["f"]);
}

#[test]
fn a_misdirected_write_lands_elsewhere_and_says_yes() {
    let mut elsewhere = 0;
    for seed in 0..50 {
        let disk = FaultyDisk::new(seed);
        let file = synced_file(&disk);
        disk.misdirect_write_after(1);
        file.write_at(&[2; 512], 0).unwrap();
        file.write_at(&[3; 512], 0).unwrap();
        file.sync().unwrap();
        disk.crash();
        let found = disk.contents(path()).unwrap();
        assert_eq!(found.len(), 2000);
        elsewhere += usize::from(found[..512] == [2; 512] && found[512..].contains(&3));
    }
    assert!(elsewhere > 20, "{elsewhere}");
}

#[test]
fn a_sheared_sector_takes_its_synced_neighbours_with_it() {
    let (mut whole, mut destroyed) = (0, 0);
    for seed in 0..100 {
        let disk = FaultyDisk::new(seed);
        disk.shear_sectors();
        let file = synced_file(&disk);
        file.write_at(&[1; 10_000], 0).unwrap();
        file.sync().unwrap();
        file.write_at(&[1; 100], 5000).unwrap();
        disk.crash();
        let found = disk.contents(path()).unwrap();
        assert!(found[..4096] == [1; 4096] && found[8192..].iter().all(|byte| *byte == 1), "other sectors stand");
        if found[4096..8192] == [1; 4096] { whole += 1 } else { destroyed += 1 }
    }
    assert!(whole > 20 && destroyed > 20, "{whole} {destroyed}");
}

//! The real disk keeps the contract that the faulty one is built after.

use super::*;

#[test]
fn files_are_read_written_cut_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    let file = RealDisk.create(&path).unwrap();
    file.write_at(b"hello world", 3).unwrap();
    file.sync().unwrap();
    assert_eq!(file.size().unwrap(), 14);
    let mut buffer = [9; 20];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 14);
    assert_eq!(&buffer[..14], b"\0\0\0hello world");
    file.set_len(8).unwrap();
    assert_eq!(RealDisk.open(&path).unwrap().size().unwrap(), 8);
    RealDisk.rename(&path, &dir.path().join("a")).unwrap();
    RealDisk.create(&dir.path().join("c")).unwrap();
    RealDisk.sync_dir(dir.path()).unwrap();
    assert_eq!(RealDisk.list(dir.path()).unwrap(), ["a", "c"]);
    RealDisk.remove(&dir.path().join("c")).unwrap();
    assert_eq!(RealDisk.open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(RealDisk.list(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn nonces_differ_and_free_space_is_known() {
    assert_ne!(RealDisk.nonce().unwrap(), RealDisk.nonce().unwrap());
    assert!(RealDisk.free_bytes(Path::new("/")).is_some_and(|free| free > 0));
    assert_eq!(RealDisk.free_bytes(Path::new("/no/such/place")), None);
}

#[test]
fn a_real_full_disk_is_told_as_full() {
    let Ok(file) = fs::File::options().write(true).open("/dev/full") else { return };
    let error = RealFile(file).write_at(b"x", 0).unwrap_err();
    let error = crate::Error::io("write", Path::new("/data/wal/x"), error);
    assert!(matches!(&error, crate::Error::DiskFull { dir } if dir == Path::new("/data/wal")), "{error}");
    assert!(error.to_string().contains("no space left on device under /data/wal"), "{error}");
}

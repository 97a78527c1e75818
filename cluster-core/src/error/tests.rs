//! Messages say what to do next, and blame sorts fatal from not.

use super::*;

fn io_error(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

#[test]
fn a_full_disk_is_recognised_wherever_it_shows() {
    let file = Path::new("/data/wal/file");
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        for error in [Error::io("write", file, io_error(kind)), Error::sync(file, io_error(kind))] {
            assert!(matches!(&error, Error::DiskFull { dir } if dir == Path::new("/data/wal")), "{error}");
        }
    }
    let other = Error::sync(file, io_error(io::ErrorKind::Other));
    assert!(matches!(other, Error::SyncFailed { .. }));
    let denied = Error::io("open", file, io_error(io::ErrorKind::PermissionDenied));
    assert_eq!(denied.to_string(), "cannot open /data/wal/file: permission denied");
}

#[test]
fn messages_name_the_place_and_the_remedy() {
    let dir = PathBuf::from("/h");
    let log = LogId([0xab; 32]);
    let node = |number| NodeNumber::new(number).unwrap();
    let cases: [(Error, &[&str]); 23] = [
        (Error::InUse { dir: dir.clone(), pid: "42".into() }, &["/h is in use by process 42", "--home"]),
        (
            Error::OlderFormat { dir: dir.clone(), found: 0, expected: 1 },
            &["/h", "format 0", "start with an empty --home"],
        ),
        (Error::NewerFormat { dir: dir.clone(), found: 2, expected: 1 }, &["/h", "format 2", "upgrade pyralogd"]),
        (Error::NotAHome { dir: dir.clone(), why: "x".into() }, &["/h", "--home", "FORMAT"]),
        (
            Error::MarkMissing { file: "/h/mark/signer".into() },
            &["/h/mark/signer is missing", "Restore", "new validator key"],
        ),
        (Error::DiskFull { dir: dir.clone() }, &["no space left on device under /h", "free space there"]),
        (
            Error::IdsMissing { dir: "/i".into(), files: "a and b" },
            &["a and b are missing from /i", "Restore them", "empty directory", "never used"],
        ),
        (
            Error::IdsUsed { dir: "/i".into() },
            &["given from /i already", "go on with what is there", "empty directory"],
        ),
        (
            Error::CounterLost { file: "/i/counter".into(), found: "is missing".into(), marked: 5 },
            &["/i/counter is missing", "5 blocks", "Restore it", "truncate -s 5 /i/counter"],
        ),
        (Error::CounterMarkLost { file: "/i/mark".into() }, &["/i/mark is missing", "Restore it from any copy"]),
        (
            Error::BoundLost { file: "/i/bound".into(), found: "is missing", other: "/i/mark".into() },
            &["/i/bound is missing", "Restore it", "cp /i/mark /i/bound"],
        ),
        (
            Error::OtherNodeNumber { dir: "/i".into(), found: node(7), asked: node(8) },
            &["/i have node number 7, not 8", "start it with 7", "empty directory"],
        ),
        (Error::OtherBlockBits { dir: "/i".into(), found: 2, asked: 3 }, &["/i", "2^2", "set block_bits to 2"]),
        (Error::IdsExhausted { file: "/i/bound".into() }, &["/i/bound", "new generator", "never used"]),
        (Error::ClockLeapt { ahead_ms: 9 }, &["9 ms ahead", "set it right", "restart"]),
        (Error::NodeNumber { found: 1024 }, &["1024", "0 to 1023"]),
        (Error::NotAnId { text: "x".into() }, &["\"x\"", "decimal digits"]),
        (Error::Busy { queued: 7 }, &["7 bytes", "try again later"]),
        (Error::damaged(Path::new("/h/f"), 9, "w"), &["/h/f is damaged at offset 9: w", "nothing was changed"]),
        (Error::OutOfRange { log, size: 3, asked: 5 }, &["abab", "3 durable leaves", "5 was asked for"]),
        (
            Error::NoSuchRecord { stream: 4, first: 2, next: 5, asked: 9 },
            &["stream 4", "from 2 up to but not including 5", "9 was asked for"],
        ),
        (
            Error::NotTheRecord { stream: 4, offset: 9 },
            &["record 9 of stream 4", "another one", "take it from another member"],
        ),
        (
            Error::LogRetracted { log, dir, size: 1, signed: 2, found: "f" },
            &["/h has 1 leaves", "2 leaves", "retire the log"],
        ),
    ];
    for (error, parts) in cases {
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
    }
}

#[test]
fn only_what_the_caller_can_mend_is_not_fatal() {
    for error in [
        Error::Closed,
        Error::Busy { queued: 1 },
        Error::NotNext { height: 1, expected: 2 },
        Error::ClockLeapt { ahead_ms: 1 },
        Error::NodeNumber { found: 1024 },
    ] {
        assert!(!error.is_fatal(), "{error}");
    }
    for error in [
        Error::DiskFull { dir: "/h".into() },
        Error::WriterStopped("x".into()),
        Error::damaged(Path::new("/f"), 0, "w"),
    ] {
        assert!(error.is_fatal(), "{error}");
    }
}

#[test]
fn proof_errors_keep_their_blame() {
    use pyralog_crypto::{MerkleError, ProveError};
    let asked = Error::from(ProveError::Arguments(MerkleError::IndexOutOfRange { index: 3, size: 3 }));
    assert!(matches!(asked, Error::NoSuchProof(_)) && !asked.is_fatal());
    assert!(Error::from(ProveError::Source(Error::damaged(Path::new("/f"), 0, "w"))).is_fatal());
}

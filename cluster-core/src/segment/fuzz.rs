//! The segments' decoders, for fuzzers.

use std::path::Path;
use std::sync::Arc;

use super::batch::{BATCH_HEADER, BatchHeader, Identity, RECORD_HEADER, records};
use super::file::{FILE_HEADER, Footer};
use super::{RecordLog, SegmentLog, index, log};
use crate::Error;
use crate::disk::{Disk, FaultyDisk};

const DIR: &str = "/fuzz";
const FILE: &str = "/fuzz/00000000000000000000.seg";
const STREAM: u64 = 1;
/// Where the footer stands in a segment of one record with 8 bytes.
const END: u64 = FILE_HEADER + (BATCH_HEADER + RECORD_HEADER) as u64 + 8;

type Owned = Vec<(u64, u64, Vec<u8>)>;

/// The bytes behind the header of a segment that is not sealed, through recovery, an append, and a second recovery.
pub(crate) fn file(bytes: &[u8]) -> bool {
    let faulty = FaultyDisk::new(0);
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    if open(&disk).is_err() {
        return false;
    }
    let mut whole = faulty.contents(Path::new(FILE)).unwrap_or_default();
    whole.truncate(FILE_HEADER as usize);
    whole.extend_from_slice(bytes);
    faulty.overwrite(Path::new(FILE), whole);
    let Ok((log, mut found)) = open(&disk) else { return false };
    let appended = log.append(&[super::Item { timestamp: 3, bytes: b"appended" }]);
    found.push((log.next_offset() - 1, 3, b"appended".to_vec()));
    let again = open(&disk).map(|(_, found)| found).ok();
    assert!(appended.is_ok() && again == Some(found), "a second recovery found something else");
    true
}

/// One batch, footer, page of an index, or record of what is synced, of the segment that [`file`] begins.
pub(crate) fn parts(bytes: &[u8]) -> bool {
    let Ok(salt) = FaultyDisk::new(0).nonce() else { return false };
    let identity = Identity { stream: STREAM, base: 0, salt };
    let batch = bytes.split_at_checked(BATCH_HEADER).and_then(|(head, body)| {
        let header = BatchHeader::decode(head, identity, FILE_HEADER)?;
        records(&header, body)
    });
    let footer = Footer::decode(bytes, identity, END).map(|footer| assert_eq!(footer.encode(identity), bytes));
    let mark = log::open::decode(bytes);
    batch.is_some() || footer.is_some() || mark.is_some() || index::fuzz(bytes, identity)
}

fn open(disk: &Arc<dyn Disk>) -> Result<(SegmentLog, Owned), Error> {
    let (log, _) = SegmentLog::open(disk, Path::new(DIR), STREAM, 1 << 20)?;
    let mut found = Vec::new();
    log.read(0, &mut |record| {
        found.push((record.offset, record.timestamp, record.bytes.to_vec()));
        true
    })?;
    Ok((log, found))
}

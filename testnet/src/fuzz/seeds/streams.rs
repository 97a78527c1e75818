//! Records, and the journal and the segments that hold them. Salts are those that the targets' own disks draw.
#![allow(clippy::expect_used, reason = "a disk in memory that has no faults")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pyralog_cluster_core::disk::{Disk, FaultyDisk};
use pyralog_cluster_core::journal::{Entry, Journal, JournalOptions};
use pyralog_cluster_core::segment::{Item, RecordLog, SegmentLog};
use pyralog_cluster_core::{Header, Record};
use pyralog_crypto::Encode;

use super::Out;

const DIR: &str = "/fuzz";
const JOURNAL: &str = "/fuzz/journal-000000";
const SEGMENT: &str = "/fuzz/00000000000000000000";
/// Bytes before the first group of a journal file, and before the entries of a group.
const JOURNAL_HEADER: usize = 4096;
const GROUP_HEADER: usize = 32;
/// Bytes before the first batch of a segment, and behind the last one of a sealed one.
const SEGMENT_HEADER: usize = 64;
const FOOTER: usize = 64;

pub(super) fn put(out: &mut Out) {
    records(out);
    journal(out);
    segments(out);
}

fn records(out: &mut Out) {
    let header = |name: &str, value: &'static [u8]| Header { name: name.into(), value: Bytes::from_static(value) };
    let headers = vec![header("ü", b""), header("trace", b"\x00\xff"), header("trace", b"1")];
    let key = Some(Bytes::from_static(b"key"));
    let record = |key, value: &'static [u8], headers| {
        Record::new(1_770_000_000_000, key, Bytes::from_static(value), headers).expect("within its bounds").to_bytes()
    };
    out.put("record", "bare", record(None, b"", Vec::new()));
    out.put("record", "empty-key", record(Some(Bytes::new()), b"value", Vec::new()));
    out.put("record", "headers", record(key, b"value", headers));
}

fn journal(out: &mut Out) {
    let groups = written(false);
    let length = groups[4..8].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    out.put("journal_group", "three", &groups[GROUP_HEADER..][..length]);
    out.put("journal_file", "torn", &groups[..groups.len() - 3]);
    out.put("journal_file", "groups", groups);
    out.put("journal_file", "closed", written(true));
    let list = |numbers: &[u32]| {
        let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
        [7u64, 40].into_iter().flat_map(u64::to_be_bytes).chain(numbers).collect::<Vec<_>>()
    };
    out.put("journal_list", "one", list(&[0]));
    out.put("journal_list", "three", list(&[2, 0, 5]));
}

/// What stands behind the header of a journal file with two groups, without the zeros at its end.
fn written(closed: bool) -> Vec<u8> {
    let faulty = FaultyDisk::new(0);
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let options = JournalOptions { file_bytes: 64 << 10, spare_files: 0 };
    let (mut journal, _) = Journal::open(&disk, Path::new(DIR), options, |_, _| Ok(())).expect("opens");
    let entry = |stream, position, bytes| Entry { stream, position, bytes };
    journal.append(&[entry(1, 0, b"first"), entry(2, 9, b""), entry(1, 1, b"second")]).expect("appends");
    journal.append(&[entry(u64::MAX, u64::MAX, b"third")]).expect("appends");
    if closed {
        journal.close().expect("closes");
    }
    let file = faulty.contents(Path::new(JOURNAL)).expect("the first file");
    let end = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    file[JOURNAL_HEADER..end].to_vec()
}

fn segments(out: &mut Out) {
    let open = |bytes| {
        let faulty = FaultyDisk::new(0);
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        (faulty, SegmentLog::open(&disk, Path::new(DIR), 1, bytes).expect("opens").0)
    };
    let item = |timestamp, bytes| Item { timestamp, bytes };
    let contents =
        |disk: &FaultyDisk, end: &str| disk.contents(Path::new(&format!("{SEGMENT}.{end}"))).expect("a file");

    let (disk, log) = open(1 << 20);
    log.append(&[item(5, b"first"), item(3, b""), item(4, b"third")]).expect("appends");
    out.put("segment_parts", "batch", &contents(&disk, "seg")[SEGMENT_HEADER..]);
    log.append(&[item(6, b"fourth")]).expect("appends");
    let batches = contents(&disk, "seg").split_off(SEGMENT_HEADER);
    out.put("segment_file", "torn", &batches[..batches.len() - 3]);
    out.put("segment_file", "batches", batches);

    // The second record finds its segment full, and seals it.
    let (disk, log) = open(1);
    log.append(&[item(3, b"appended")]).expect("appends");
    log.append(&[item(4, b"next")]).expect("appends");
    let sealed = contents(&disk, "seg").split_off(SEGMENT_HEADER);
    out.put("segment_parts", "footer", &sealed[sealed.len() - FOOTER..]);
    out.put("segment_parts", "offsets", contents(&disk, "offsets"));
    out.put("segment_parts", "times", contents(&disk, "times"));
    out.put("segment_parts", "synced", [3u64.to_be_bytes(), 7u64.to_be_bytes()].concat());
    out.put("segment_file", "sealed", sealed);
}

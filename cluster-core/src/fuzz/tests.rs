//! The fuzz entries accept what the crate writes and survive everything else.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::notary::testkit::{LOG, Rig, grow};

/// Files of a small home, as they are on disk.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 5);
    core.wal().append(bytes::Bytes::from_static(b"entry")).unwrap();
    core.mark().put(bytes::Bytes::from_static(b"mark")).unwrap();
    core.drive();
    rig.disk.files().into_iter().map(|path| (path.clone(), rig.disk.contents(&path).unwrap())).collect()
}

fn all(bytes: &[u8]) -> [bool; 27] {
    [
        wal_record(bytes),
        leaf_group(bytes),
        slot(bytes),
        log_record(bytes),
        format(bytes),
        chain_values(bytes),
        ids(bytes),
        record(bytes),
        journal_file(bytes),
        journal_group(bytes),
        journal_list(bytes),
        segment_file(bytes),
        segment_parts(bytes),
        tree_root(bytes),
        log_spec(bytes),
        replication_message(bytes),
        replication_changes(bytes),
        replication_state(bytes),
        member_note(bytes),
        cluster_envelope(bytes),
        replica_entry(bytes),
        raft_message(bytes),
        raft_record(bytes),
        global_group(bytes),
        epoch_shard(bytes),
        replication_producers(bytes),
        replication_payload(bytes),
    ]
}

/// Bytes with their checksum behind them, which goes on from another one.
fn checked(parts: &[&[u8]], seed: u32) -> Vec<u8> {
    let mut bytes = parts.concat();
    let crc = crc32c::crc32c_append(seed, &bytes);
    bytes.extend(crc.to_be_bytes());
    bytes
}

#[test]
fn each_entry_accepts_what_it_is_for() {
    let corpus = corpus();
    let file = |end: &str| &corpus.iter().find(|(path, _)| path.to_string_lossy().ends_with(end)).unwrap().1;
    assert!(wal_record(b"\x01entry") && wal_record(&[2, 0, 0, 0, 0, 0, 0, 0, 9]) && wal_record(&[3]));
    assert!(leaf_group(&[0, 0, 0, 1, 7]));
    assert!(slot(&file("signer")[..4096]));
    assert!(log_record(&[7; 72]));
    assert!(format(file("FORMAT")));
    assert!(record(&[&[1][..], &[0; 17]].concat()));
    assert!(
        journal_file(b"torn")
            && journal_group(&[0; 20])
            && journal_list(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    );
    assert!(segment_file(b"torn") && segment_parts(&[0; 16]));
    let header = checked(&[b"PYRAROOT", &[0, 0, 0, 1, 0, 0, 0, 5], &[0; 44]], 0);
    let seed = crc32c::crc32c_append(crc32c::crc32c(&header), &[0; 8]);
    assert!(tree_root(&checked(&[&[0; 15], &[1], &[0; 44]], seed)));
    assert!(replication_message(&[&[1, 4][..], &[0; 8]].concat()));
    assert!(replication_changes(&[&[1, 0, 0, 0, 1, 4][..], &[0; 8]].concat()));
    assert!(replication_producers(&[&[1][..], &[0; 20]].concat()) && replication_payload(b"\x00r"));
    assert!(replication_state(&[&[1][..], &[0; 44]].concat()));
    assert!(chain_values(&[0; 8]) && chain_values(&[0; 12]));
    assert!(cluster_envelope(&[&[4][..], &[0; 17]].concat()));
    assert!(member_note(&[&[2][..], &[0; 8]].concat()) && replica_entry(&[&[2][..], &[0; 9]].concat()));
    let stub = crate::Stub { timestamp: 5, length: 300, leaf: pyralog_crypto::Hash([7; 32]) }.to_bytes();
    let of_stub = |stub: &[u8]| replica_entry(&[&[2][..], &[0; 9], &[0, 0, 0, 45], stub].concat());
    assert!(of_stub(&stub) && !of_stub(&[2; 45]));
    // From member 1, in a life of number 0: are you there? A vote of term 0. Remove member 0. Remove partition 0.
    assert!(raft_message(&[&[1][..], &[0; 72], &[7]].concat()) && raft_record(&[&[1][..], &[0; 17]].concat()));
    assert!(global_group(&[1, 0, 0, 0, 0, 0, 0, 0, 0]) && epoch_shard(&[1, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(ids(&[1, 16, 0, 0, 0, 0, 0, 0, 0, 9]) && ids(&[2, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9]) && ids(b"8404995"));
}

proptest! {
    #[test]
    fn no_entry_panics_on_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        all(&bytes);
    }

    #[test]
    fn no_entry_panics_on_mutated_files(which: prop::sample::Index, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut: prop::sample::Index) {
        let corpus = corpus();
        let mut bytes = which.get(&corpus).1.clone();
        for (at, flip) in &flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
            }
        }
        bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
        all(&bytes);
    }
}

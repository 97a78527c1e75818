//! What is signed of a partition, proofs against it, and what the store writes of its log and its segments.
#![allow(clippy::expect_used, reason = "constant inputs")]

use pyralog_cluster_core::segment::Retention;
use pyralog_cluster_core::{LogSpec, Storage};
use pyralog_crypto::{Encode, SignedPartitionCheckpoint};

use super::Out;
use crate::fuzz::chain::{CHAIN, key};
use crate::fuzz::partition::{SIZE, checkpoint, consistency, log, proof};

pub(super) fn put(out: &mut Out) {
    for size in [0, SIZE] {
        let signed = SignedPartitionCheckpoint::sign(checkpoint(size), CHAIN, &key(200)).expect("signs");
        out.put("partition_checkpoint", format!("signed-{size}"), signed.to_bytes());
    }
    out.put("partition_checkpoint", "unsigned", checkpoint(5).to_bytes());
    for (offset, size) in [(0, 1), (2, 5), (10, SIZE), (4, SIZE)] {
        out.put("record_proof", format!("{offset}-of-{size}"), proof(offset, size).to_bytes());
    }
    for (old, new) in [(0, 5), (1, 5), (5, SIZE), (4, 5)] {
        out.put("partition_consistency", format!("{old}-to-{new}"), consistency(old, new).to_bytes());
    }
    specs(out);
    out.put("tree_root", "two-records", entry(3, 5));
    out.put("tree_root", "last", entry(u64::MAX - 1, u64::MAX));
}

fn specs(out: &mut Out) {
    let name = "orders".parse().expect("a name");
    let plain = LogSpec {
        name,
        id: log(),
        partitions: 1,
        storage: Storage::Disk,
        retention: Retention::default(),
        segment_bytes: 64 << 20,
    };
    let retention = Retention { max_age_ms: Some(604_800_000), max_bytes: Some(10 << 20) };
    let memory = LogSpec { partitions: 12, storage: Storage::Memory, retention, ..plain.clone() };
    out.put("log_spec", "disk", plain.to_bytes());
    out.put("log_spec", "memory", memory.to_bytes());
}

/// An entry of the roots of stream 0, the first one: `first:u64 next:u64 root[32] zero[12] crc:u32`, whose checksum goes on from that of the
/// file's header and the entry's number.
fn entry(first: u64, next: u64) -> Vec<u8> {
    let mut header = [&b"PYRAROOT"[..], &1u32.to_be_bytes(), &5u32.to_be_bytes(), &[0; 44]].concat();
    header.extend(crc32c(&header).to_be_bytes());
    let mut entry = [&first.to_be_bytes()[..], &next.to_be_bytes(), &[7; 32], &[0; 12]].concat();
    let crc = crc32c(&[&header, &0u64.to_be_bytes()[..], &entry].concat());
    entry.extend(crc.to_be_bytes());
    entry
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

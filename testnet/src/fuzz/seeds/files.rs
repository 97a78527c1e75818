//! The files of a small home, and the records inside them.
#![allow(clippy::expect_used, reason = "a disk in memory that has no faults")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pyralog_cluster_core::disk::FaultyDisk;
use pyralog_cluster_core::{Backend, Checkpoint, Core, MemoryTables, Options};
use pyralog_crypto::{Encode, SignedCheckpoint};

use super::{Out, txs};
use crate::fuzz::chain::{CHAIN, key, run};

pub(super) fn put(out: &mut Out) {
    let files = home();
    let file = |end: &str| -> Option<&Vec<u8>> { files.iter().find(|(path, _)| path.ends_with(end)).map(|(_, f)| f) };
    out.put("wal_record", "reset", [&[2][..], &9u64.to_be_bytes()].concat());
    out.put("wal_record", "torn", [3]);
    for (number, (_, entry)) in run().wal.iter().take(2).enumerate() {
        out.put("wal_record", format!("entry-{number}"), [&[1][..], entry].concat());
    }
    let leaves = (0..5u8).flat_map(|n| [&u32::from(9 + n).to_be_bytes()[..], &vec![n; 9 + usize::from(n)]].concat());
    out.put("leaf_group", "five", leaves.collect::<Vec<u8>>());
    if let Some(slots) = file("signer") {
        out.put("slot", "mark", slots[..4096.min(slots.len())].to_vec());
    }
    if let Some(format) = file("FORMAT") {
        out.put("format", "FORMAT", format.clone());
    }
    out.put("log_record", "size", vec![7; 72]);
    out.put("chain_values", "height", 7u64.to_be_bytes().to_vec());
    out.put("chain_values", "place", [7u64.to_be_bytes().as_slice(), &3u32.to_be_bytes()].concat());
    out.put("ids", "mark", [&[1, 16][..], &9u64.to_be_bytes()].concat());
    out.put("ids", "bound", [&[2, 0, 7][..], &9u64.to_be_bytes()].concat());
    out.put("ids", "text", "8404995");
}

fn home() -> Vec<(String, Vec<u8>)> {
    let disk = FaultyDisk::new(1);
    let tables = Arc::new(MemoryTables::new(disk.clone()));
    let backend = Backend { disk: Arc::new(disk.clone()), tables: Some(tables) };
    let options = Options { manual: true, ..Options::default() };
    let (core, _) = Core::open_with(Path::new("/fuzz"), options, backend).expect("opens");
    let log = core.notary_log(txs::log()).expect("a log");
    log.append((0..5u8).map(|n| vec![n; 9 + usize::from(n)]).collect()).expect("queued");
    while core.drive() {}
    let roots = log.roots(5).expect("five leaves");
    let signed =
        SignedCheckpoint::sign(Checkpoint { log: txs::log(), size: 5, roots }, CHAIN, &key(200)).expect("signs");
    for (_, entry) in run().wal.iter().take(2) {
        core.wal().append(entry.clone()).expect("queued");
    }
    core.mark().put(Bytes::from(signed.to_bytes())).expect("queued");
    while core.drive() {}
    let files = disk.files().into_iter();
    files.map(|path| (path.to_string_lossy().into_owned(), disk.contents(&path).unwrap_or_default())).collect()
}

//! Durable appends through the journal, beside the raw pre-written file in the same run.
//!
//! `cargo bench -p pyralog-cluster-core --bench journal` (a fresh directory under `$TMPDIR`; set it to the disk in question). One thread;
//! every batch is one write and one fdatasync. The contestants take turns of half a second, so that other load on the disk meets all.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyralog_cluster_core::disk::{Disk, RealDisk};
use pyralog_cluster_core::journal::{Entry, Journal, JournalOptions};

const TURN: Duration = Duration::from_millis(500);
const TURNS: usize = 8;
const FILE: u64 = 64 << 20;

/// Takes a batch and returns when it is durable.
trait Contestant {
    fn name(&self) -> &'static str;
    fn append(&mut self, batch: &[Vec<u8>]);
}

fn main() {
    let home = tempfile::tempdir().unwrap();
    println!(
        "{:<34} {:>8} {:>7} {:>11} {:>8} {:>8} {:>7}",
        "", "bytes", "batch", "records/s", "p50 us", "p99 us", "x raw"
    );
    for (bytes, batch) in [(1024, 1), (1024, 100), (1024, 1000), (100, 1000)] {
        // RocksDB with a synced WAL, and other stores, take part by one more line here.
        let mut contestants: Vec<Box<dyn Contestant>> =
            vec![Box::new(Raw::new(home.path())), Box::new(Journaled::new(&home.path().join("journal")))];
        measure(&mut contestants, bytes, batch);
    }
}

fn measure(contestants: &mut [Box<dyn Contestant>], bytes: usize, batch: usize) {
    let records: Vec<Vec<u8>> = (0..batch).map(|number| vec![number as u8; bytes]).collect();
    let mut waits: Vec<Vec<Duration>> = vec![Vec::new(); contestants.len()];
    for turn in 0..TURNS * contestants.len() {
        let which = turn % contestants.len();
        let started = Instant::now();
        while started.elapsed() < TURN {
            let asked = Instant::now();
            contestants[which].append(&records);
            waits[which].push(asked.elapsed());
        }
    }
    let rate = |waits: &[Duration]| (waits.len() * batch) as f64 / waits.iter().sum::<Duration>().as_secs_f64();
    let raw = rate(&waits[0]);
    for (contestant, waits) in contestants.iter().zip(&mut waits) {
        waits.sort();
        let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64() * 1e6;
        println!(
            "{:<34} {bytes:>8} {batch:>7} {:>11.0} {:>8.0} {:>8.0} {:>7.2}",
            contestant.name(),
            rate(waits),
            at(50),
            at(99),
            rate(waits) / raw
        );
    }
}

/// What the disk gives: records one behind the other in a pre-written file that is used again from its front.
struct Raw {
    file: File,
    buffer: Vec<u8>,
    at: u64,
}

impl Raw {
    fn new(dir: &Path) -> Self {
        let file = File::create(dir.join("raw")).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..FILE >> 20).for_each(|mib| file.write_all_at(&zeros, mib << 20).unwrap());
        file.sync_all().unwrap();
        Self { file, buffer: Vec::new(), at: 0 }
    }
}

impl Contestant for Raw {
    fn name(&self) -> &'static str {
        "raw file, pre-written"
    }

    fn append(&mut self, batch: &[Vec<u8>]) {
        self.buffer.clear();
        batch.iter().for_each(|record| self.buffer.extend_from_slice(record));
        let length = self.buffer.len() as u64;
        if self.at + length > FILE {
            self.at = 0;
        }
        self.file.write_all_at(&self.buffer, self.at).unwrap();
        self.file.sync_data().unwrap();
        self.at += length;
    }
}

/// The journal; what is two files old is released, as behind it the segments would allow.
struct Journaled(Journal);

impl Journaled {
    fn new(dir: &Path) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let options = JournalOptions { file_bytes: FILE, ..JournalOptions::default() };
        let (mut journal, _) = Journal::open(&disk, dir, options, |_, _| Ok(())).unwrap();
        journal.prepare().unwrap();
        Self(journal)
    }
}

impl Contestant for Journaled {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn append(&mut self, batch: &[Vec<u8>]) {
        let entries: Vec<Entry<'_>> =
            batch.iter().zip(0..).map(|(bytes, position)| Entry { stream: 1, position, bytes }).collect();
        let group = self.0.append(&entries).unwrap();
        if self.0.files().0 > 1 {
            self.0.release(group).unwrap();
        }
    }
}

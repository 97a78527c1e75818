//! A core on faulty disk and tables, driven by hand, for the tests of this crate.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyralog_crypto::{Blake3, Hash, LogId, MemoryTree, Roots, Sha256};

use super::NotaryLog;
use crate::chain::MemoryTables;
use crate::disk::FaultyDisk;
use crate::{Backend, Core, Error, Event, Options, RecoveryReport};

/// Nothing takes so long.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A gate, which opens when it is dropped, and what makes the thread of that name wait for it.
pub(crate) fn gate(thread: &'static str) -> (Sender<()>, impl Fn() + Send + Sync) {
    let (gate, closed) = channel::<()>();
    let closed = Mutex::new(closed);
    let wait = move || {
        if std::thread::current().name() == Some(thread) {
            let _opened = closed.lock().unwrap().recv();
        }
    };
    (gate, wait)
}

pub(crate) fn wait_until(what: &str, met: impl Fn() -> bool) {
    let begin = Instant::now();
    while !met() {
        assert!(begin.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) const LOG: LogId = LogId([0xaa; 32]);

pub(crate) struct Rig {
    pub(crate) disk: FaultyDisk,
    pub(crate) tables: MemoryTables,
    pub(crate) segment_bytes: u64,
    pub(crate) journal_bytes: u64,
}

impl Rig {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = FaultyDisk::new(seed);
        Self { tables: MemoryTables::new(disk.clone()), disk, segment_bytes: 64 << 20, journal_bytes: 1 << 20 }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            manual: true,
            segment_bytes: self.segment_bytes,
            journal_bytes: self.journal_bytes,
            reserve_bytes: 0,
            ..Options::default()
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend { disk: Arc::new(self.disk.clone()), tables: Some(Arc::new(self.tables.clone())) }
    }

    pub(crate) fn try_open(&self, options: Options) -> Result<(Core, RecoveryReport), Error> {
        Core::open_with(Path::new("/member"), options, self.backend())
    }

    pub(crate) fn open(&self) -> (Core, RecoveryReport) {
        self.try_open(self.options()).unwrap()
    }

    pub(crate) fn crash(&self) {
        self.disk.crash();
        self.tables.crash();
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        Path::new("/member/notary").join(LOG.to_string()).join(name)
    }

    /// Flips one bit of a file of the log.
    pub(crate) fn flip(&self, name: &str, at: usize) {
        let mut bytes = self.disk.contents(&self.file(name)).unwrap();
        bytes[at] ^= 1;
        self.disk.overwrite(&self.file(name), bytes);
    }
}

pub(crate) fn leaf(number: u64) -> Vec<u8> {
    let mut leaf = number.to_be_bytes().to_vec();
    leaf.resize(9 + (number % 90) as usize, number as u8);
    leaf
}

pub(crate) fn append(log: &NotaryLog, first: u64, count: u64) -> Result<Receiver<Event>, Error> {
    let (done, event) = crate::completion();
    log.append_then((first..first + count).map(leaf).collect(), done)?;
    Ok(event)
}

/// Appends leaves `size..size + count` and drives until they are durable.
pub(crate) fn grow(core: &Core, log: &NotaryLog, count: u64) {
    let first = log.size();
    let event = append(log, first, count).unwrap();
    while core.drive() {}
    assert_eq!(event.try_recv().unwrap().durable().unwrap(), (first, first + count));
}

/// Trees over the leaves `0..size`, made in memory.
pub(crate) fn model(size: u64) -> (MemoryTree<Blake3>, MemoryTree<Sha256>) {
    let (mut blake3, mut sha256) = (MemoryTree::new(), MemoryTree::new());
    for number in 0..size {
        blake3.push(&leaf(number));
        sha256.push(&leaf(number));
    }
    (blake3, sha256)
}

pub(crate) fn model_roots(size: u64) -> Roots {
    let (blake3, sha256) = model(size);
    let (blake3, sha256): (Hash, Hash) = (blake3.root(), sha256.root());
    Roots { blake3, sha256 }
}

/// The log holds exactly the leaves `0..size`, with the right trees, places and index.
pub(crate) fn check(log: &NotaryLog, size: u64) {
    assert_eq!(log.size(), size);
    assert_eq!(log.roots(size).unwrap(), model_roots(size));
    for number in 0..size {
        assert_eq!(log.leaf(number).unwrap(), leaf(number));
        assert_eq!(log.find_leaf(&leaf(number)).unwrap(), Some(number));
    }
    assert!(matches!(log.leaf(size), Err(Error::OutOfRange { .. })));
}

//! Our whole store, as a client in its process sees it: one partition of one log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use pyralog_cluster_core::{Core, Log, LogId, LogSpec, Options, Partition, Storage, completion};
use pyralog_crypto::Record;

use super::store::{Batch, Reads, Store};

/// The name in figures.
pub const PYRALOG: &str = "Pyralog, whole store";
/// The log that all measurements append to.
const LOG: &str = "bench";
/// Bytes of a segment: that of notary logs.
const SEGMENT: u64 = 64 << 20;

/// An open store with one partition.
pub struct Pyralog {
    dir: PathBuf,
    /// `None` only after a failure.
    open: Option<(Core, Partition)>,
}

impl Pyralog {
    /// Opens one, making it where there is none.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self { dir: dir.to_owned(), open: Some(Self::open_in(dir)?) })
    }

    fn open_in(dir: &Path) -> Result<(Core, Partition)> {
        let (core, log) = open_log(dir, 1)?;
        let partition = log.partition(0)?.clone();
        Ok((core, partition))
    }

    /// Its partition.
    pub fn partition(&self) -> Result<&Partition> {
        Ok(&self.opened()?.1)
    }

    fn opened(&self) -> Result<&(Core, Partition)> {
        self.open.as_ref().context("the store was closed by an earlier failure")
    }
}

/// Opens the store in a directory and the log in it, making both where there are none.
pub fn open_log(dir: &Path, partitions: u32) -> Result<(Core, Log)> {
    let (core, _) = Core::open(dir, Options::default())?;
    let log = match core.logs().open_log(LOG) {
        Ok(log) => log,
        Err(_) => core.logs().create(LogSpec {
            name: LOG.parse()?,
            id: LogId([7; 32]),
            partitions,
            storage: Storage::Disk,
            retention: Default::default(),
            segment_bytes: SEGMENT,
        })?,
    };
    Ok((core, log))
}

/// Records as a client makes them of its bytes.
pub fn records(of: &[Bytes]) -> Result<Vec<Record>> {
    let record = |bytes: &Bytes| Record::new(1_750_000_000_000, None, bytes.clone(), Vec::new());
    Ok(of.iter().map(record).collect::<Result<_, _>>()?)
}

impl Store for Pyralog {
    fn name(&self) -> &'static str {
        PYRALOG
    }

    fn durability(&self) -> &'static str {
        "one append of a partition per batch; journal with fdatasync, hashes; segment and tree beside it"
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        let (done, event) = completion();
        self.partition()?.append_then(&records(batch.records())?, done)?;
        event.recv()?.durable()?;
        Ok(())
    }

    fn rest(&mut self) -> Result<()> {
        while self.opened()?.0.stats().queued > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Answered when all records are in them.
        self.partition()?.segments()?;
        Ok(())
    }

    /// Closing writes everything to where it stays.
    fn finish(&mut self) -> Result<()> {
        if let Some((core, partition)) = self.open.take() {
            drop(partition);
            core.close()?;
        }
        self.open = Some(Self::open_in(&self.dir)?);
        Ok(())
    }
}

impl Reads for Pyralog {
    fn read(&self, number: u64) -> Result<usize> {
        let mut bytes = None;
        self.partition()?.read(number, &mut |record| {
            bytes = Some(record.bytes.len());
            false
        })?;
        // The value stands behind 14 bytes and before 4.
        bytes.and_then(|bytes| bytes.checked_sub(18)).with_context(|| format!("the store has no record {number}"))
    }

    fn scan(&self) -> Result<u64> {
        let mut next = 0;
        self.partition()?.read(0, &mut |record| {
            next = std::hint::black_box(record).offset + 1;
            true
        })?;
        let (first, size) = self.partition()?.range()?;
        ensure!(first == 0 && next == size, "{next} of {size} records were read");
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_took() {
        super::super::store::testkit::keeps_what_it_took::<Pyralog>(|dir| Ok(Box::new(Pyralog::open(dir)?)));
    }
}

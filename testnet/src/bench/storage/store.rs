//! What is measured: stores that take batches of records, and give them back.

use std::path::Path;

use anyhow::{Result, ensure};
use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Clients of a store in this process.
pub const IN_PROCESS: &str = "one thread, one batch at a time";

/// Records that are appended together.
#[derive(Debug, Clone)]
pub struct Batch {
    records: Vec<Bytes>,
    bytes: usize,
}

impl Batch {
    /// `count` records of `bytes` bytes each, which no compression makes smaller.
    pub fn new(bytes: usize, count: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let record = |_| {
            let mut record = vec![0; bytes];
            rand::Rng::fill_bytes(&mut random, &mut record);
            Bytes::from(record)
        };
        Self { records: (0..count).map(record).collect(), bytes }
    }

    /// The records.
    pub fn records(&self) -> &[Bytes] {
        &self.records
    }

    /// Bytes of each record.
    pub fn record_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> u64 {
        (self.bytes * self.records.len()) as u64
    }
}

/// Takes batches, and each is durable when [`Store::append`] returns.
pub trait Store {
    /// What it is.
    fn name(&self) -> &'static str;

    /// What has happened when an append returns.
    fn durability(&self) -> &'static str;

    /// Who appends, and how.
    fn clients(&self) -> &'static str {
        IN_PROCESS
    }

    /// Appends the records, durably.
    fn append(&mut self, batch: &Batch) -> Result<()>;

    /// Waits until it does nothing in the background any more. Not timed, so that the next store has the machine for itself.
    fn rest(&mut self) -> Result<()> {
        Ok(())
    }

    /// Brings everything to where it stays, for the count of bytes written.
    fn finish(&mut self) -> Result<()> {
        self.rest()
    }
}

/// Gives back what was appended, by its number from 0 on.
pub trait Reads: Store {
    /// Reads one record and answers its bytes.
    fn read(&self, number: u64) -> Result<usize>;

    /// Reads all records in order and answers how many.
    fn scan(&self) -> Result<u64>;
}

/// Opens a store in a directory.
pub type Open<S> = fn(&Path) -> Result<Box<S>>;

/// The key of a record in a store of keys: its number, in the order of the appends.
pub fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of the record behind the last one.
pub fn number_after(last: Option<&[u8]>) -> Result<u64> {
    let Some(last) = last else { return Ok(0) };
    ensure!(last.len() == 8, "a key of {} bytes is none of the benchmark's", last.len());
    Ok(last.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) + 1)
}

#[cfg(test)]
pub mod testkit {
    use super::*;

    /// What every store must do, in a directory: keep what was appended, over a restart as well.
    pub fn keeps_what_it_took<S: Reads + ?Sized>(open: Open<S>) {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let batch = Batch::new(300, 7);
        let mut store = open(&home).unwrap();
        for _ in 0..3 {
            store.append(&batch).unwrap();
        }
        store.rest().unwrap();
        assert_eq!(store.scan().unwrap(), 21);
        drop(store);
        let mut store = open(&home).unwrap();
        store.append(&batch).unwrap();
        store.finish().unwrap();
        assert_eq!(store.scan().unwrap(), 28);
        assert_eq!([0, 20, 27].map(|number| store.read(number).unwrap()), [300; 3], "{}", store.name());
        assert!(store.read(28).is_err(), "{} gives what was never appended", store.name());
        assert!(!store.name().is_empty() && !store.durability().is_empty() && store.clients() == IN_PROCESS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_differ_and_do_not_repeat_inside() {
        let batch = Batch::new(100, 10);
        assert_eq!((batch.records().len(), batch.record_bytes(), batch.bytes()), (10, 100, 1_000));
        let different: std::collections::BTreeSet<&Bytes> = batch.records().iter().collect();
        assert_eq!(different.len(), 10);
        let bytes: std::collections::BTreeSet<u8> = batch.records()[0].iter().copied().collect();
        assert!(bytes.len() > 50, "{}", bytes.len());
    }

    #[test]
    fn keys_follow_each_other() {
        assert_eq!(number_after(None).unwrap(), 0);
        assert_eq!(number_after(Some(&key(0x0102_0304))).unwrap(), 0x0102_0305);
        assert!(number_after(Some(b"other")).is_err());
    }
}

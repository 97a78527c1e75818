//! fjall: a record per key, a batch per batch, its journal synced.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::store::{Batch, Reads, Store, key, number_after};

/// Cache of blocks: all records that are read fit.
const CACHE: u64 = 512 << 20;
/// How long a batch of background work may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open database with one keyspace. Its settings are fjall's own, but for a large cache for reads; it is built without
/// compression.
pub struct Fjall {
    db: Database,
    records: Keyspace,
    next: u64,
}

impl Fjall {
    /// Opens one, making it where there is none.
    pub fn open(dir: &Path) -> Result<Self> {
        let opened = || -> fjall::Result<_> {
            let db = Database::builder(dir).cache_size(CACHE).open()?;
            let records = db.keyspace("records", KeyspaceCreateOptions::default)?;
            let last = records.last_key_value().map(fjall::Guard::key).transpose()?;
            Ok((db, records, last))
        };
        let (db, records, last) = opened().with_context(|| format!("fjall in {}", dir.display()))?;
        let next = number_after(last.as_deref())?;
        Ok(Self { db, records, next })
    }
}

impl Store for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn durability(&self) -> &'static str {
        "one batch per batch, a record per key, PersistMode::SyncData"
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        let mut writes = self.db.batch().durability(Some(PersistMode::SyncData));
        for (record, number) in batch.records().iter().zip(self.next..) {
            writes.insert(&self.records, key(number), record.as_ref());
        }
        writes.commit()?;
        self.next += batch.records().len() as u64;
        Ok(())
    }

    fn rest(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.db.outstanding_flushes() + self.db.active_compactions() + self.records.sealed_memtable_count() > 0 {
            if Instant::now() > deadline {
                bail!("fjall does not finish its compactions");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.records.rotate_memtable_and_wait()?;
        self.rest()
    }
}

impl Reads for Fjall {
    fn read(&self, number: u64) -> Result<usize> {
        Ok(self.records.get(key(number))?.with_context(|| format!("fjall has no record {number}"))?.len())
    }

    fn scan(&self) -> Result<u64> {
        let mut records = 0;
        for record in self.records.iter() {
            std::hint::black_box(record.value()?);
            records += 1;
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_took() {
        super::super::store::testkit::keeps_what_it_took::<Fjall>(|dir| Ok(Box::new(Fjall::open(dir)?)));
    }
}

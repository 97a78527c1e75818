//! RocksDB: a record per key, a `WriteBatch` per batch, its log synced.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, IteratorMode, Options, WaitForCompactOptions, WriteBatch,
    WriteOptions,
};

use super::store::{Batch, Reads, Store, key, number_after};

/// The name in figures.
pub const ROCKSDB: &str = "RocksDB";
/// Cache of blocks: all records that are read fit.
const CACHE: usize = 512 << 20;
/// How long a batch of background work may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open database. Its settings are RocksDB's own, but for compression (none: the records do not compress) and a large cache
/// for reads.
pub struct Rocks {
    db: DB,
    write: WriteOptions,
    next: u64,
}

impl Rocks {
    /// Opens one, making it where there is none.
    pub fn open(dir: &Path) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(CACHE));
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::None);
        options.set_block_based_table_factory(&blocks);
        let db = DB::open(&options, dir).with_context(|| format!("RocksDB in {}", dir.display()))?;
        let last = db.iterator(IteratorMode::End).next().transpose()?;
        let next = number_after(last.as_ref().map(|(key, _)| key.as_ref()))?;
        let mut write = WriteOptions::default();
        write.set_sync(true);
        Ok(Self { db, write, next })
    }
}

impl Store for Rocks {
    fn name(&self) -> &'static str {
        ROCKSDB
    }

    fn durability(&self) -> &'static str {
        "one WriteBatch per batch, a record per key, WAL sync"
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        let mut writes = WriteBatch::default();
        for (record, number) in batch.records().iter().zip(self.next..) {
            writes.put(key(number), record);
        }
        self.db.write_opt(writes, &self.write)?;
        self.next += batch.records().len() as u64;
        Ok(())
    }

    fn rest(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut busy = 0;
            for what in ["flushes", "compactions"] {
                let name = format!("rocksdb.num-running-{what}");
                busy += self.db.property_int_value(name.as_str())?.unwrap_or(0);
            }
            if busy == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("RocksDB does not finish its compactions");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.db.flush()?;
        self.db.wait_for_compact(&WaitForCompactOptions::default())?;
        Ok(())
    }
}

impl Reads for Rocks {
    fn read(&self, number: u64) -> Result<usize> {
        let record = self.db.get_pinned(key(number))?.with_context(|| format!("RocksDB has no record {number}"))?;
        Ok(record.len())
    }

    fn scan(&self) -> Result<u64> {
        let mut records = 0;
        let mut all = self.db.raw_iterator();
        all.seek_to_first();
        while let Some(value) = all.value() {
            std::hint::black_box(value);
            records += 1;
            all.next();
        }
        all.status()?;
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_took() {
        super::super::store::testkit::keeps_what_it_took::<Rocks>(|dir| Ok(Box::new(Rocks::open(dir)?)));
    }
}

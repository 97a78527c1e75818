//! The tables in RocksDB.

use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, Options, WriteBatch, WriteOptions,
};

use super::tables::{Batch, Durability, Family, Tables, Visit};
use crate::Error;

/// One RocksDB with a column family per table, set up to be small: an idle node stays far below 80 MiB.
pub struct RocksTables {
    db: DB,
    dir: PathBuf,
    /// Whether it has every table: it was opened for writing, which makes those that are missing.
    whole: bool,
}

impl std::fmt::Debug for RocksTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksTables").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl RocksTables {
    /// Opens the store, making it where there is none. A torn tail of its log is dropped, other damage refused.
    ///
    /// # Errors
    /// [`Error::Tables`], [`Error::DiskFull`].
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self, Error> {
        let mut options = options();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db =
            DB::open_cf_descriptors(&options, dir, families(cache_bytes, |_| true)).map_err(|e| failure(dir, &e))?;
        Ok(Self { db, dir: dir.to_owned(), whole: true })
    }

    /// Opens the store for reading; nothing is written, not even to its directory. Tables that a store of before does not have are empty.
    ///
    /// # Errors
    /// [`Error::Tables`], also where there is no store.
    pub fn open_read(dir: &Path, cache_bytes: usize) -> Result<Self, Error> {
        let there = DB::list_cf(&options(), dir).map_err(|e| failure(dir, &e))?;
        let families = families(cache_bytes, |family| there.iter().any(|name| name == family.name()));
        let db = DB::open_cf_descriptors_read_only(&options(), dir, families, false);
        Ok(Self { db: db.map_err(|e| failure(dir, &e))?, dir: dir.to_owned(), whole: false })
    }

    /// The column family, or none of a store of before that is open for reading.
    fn handle(&self, family: Family) -> Result<Option<&ColumnFamily>, Error> {
        match self.db.cf_handle(family.name()) {
            None if self.whole => Err(self.missing(family)),
            handle => Ok(handle),
        }
    }

    fn missing(&self, family: Family) -> Error {
        Error::Tables { dir: self.dir.clone(), message: format!("no column family {}", family.name()) }
    }

    fn failed(&self, error: &rocksdb::Error) -> Error {
        failure(&self.dir, error)
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    options.set_max_open_files(128);
    options.set_max_background_jobs(2);
    options.set_db_write_buffer_size(24 << 20);
    options.set_max_total_wal_size(64 << 20);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_bytes_per_sync(1 << 20);
    options
}

fn families(cache_bytes: usize, wanted: impl Fn(Family) -> bool) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(cache_bytes);
    let descriptor = |family: &Family| ColumnFamilyDescriptor::new(family.name(), family_options(&cache));
    Family::ALL.iter().filter(|family| wanted(**family)).map(descriptor).collect()
}

fn family_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_bloom_filter(10.0, false);
    table.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(8 << 20);
    options.set_max_write_buffer_number(2);
    options.set_target_file_size_base(32 << 20);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

fn failure(dir: &Path, error: &rocksdb::Error) -> Error {
    let message = error.to_string();
    if message.contains("No space left on device") || message.contains("Disk quota exceeded") {
        return Error::DiskFull { dir: dir.to_owned() };
    }
    Error::Tables { dir: dir.to_owned(), message }
}

impl Tables for RocksTables {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.handle(family)? {
            Some(handle) => self.db.get_cf(handle, key).map_err(|e| self.failed(&e)),
            None => Ok(None),
        }
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error> {
        let mut writes = WriteBatch::default();
        for (family, key, value) in &batch.changes {
            let handle = self.handle(*family)?.ok_or_else(|| self.missing(*family))?;
            match value {
                Some(value) => writes.put_cf(handle, key, value),
                None => writes.delete_cf(handle, key),
            }
        }
        let mut options = WriteOptions::default();
        match durability {
            Durability::Synced => options.set_sync(true),
            Durability::Later => options.disable_wal(true),
        }
        self.db.write_opt(writes, &options).map_err(|e| self.failed(&e))
    }

    fn scan(&self, family: Family, from: &[u8], visit: Visit<'_>) -> Result<(), Error> {
        let Some(handle) = self.handle(family)? else { return Ok(()) };
        for entry in self.db.iterator_cf(handle, IteratorMode::From(from, Direction::Forward)) {
            let (key, value) = entry.map_err(|e| self.failed(&e))?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

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
        let db = DB::open_cf_descriptors(&options, dir, families(cache_bytes)).map_err(|e| failure(dir, &e))?;
        Ok(Self { db, dir: dir.to_owned() })
    }

    /// Opens the store for reading; nothing is written, not even to its directory.
    ///
    /// # Errors
    /// [`Error::Tables`], also where there is no store.
    pub fn open_read(dir: &Path, cache_bytes: usize) -> Result<Self, Error> {
        let db = DB::open_cf_descriptors_read_only(&options(), dir, families(cache_bytes), false);
        Ok(Self { db: db.map_err(|e| failure(dir, &e))?, dir: dir.to_owned() })
    }

    fn handle(&self, family: Family) -> Result<&ColumnFamily, Error> {
        let missing =
            || Error::Tables { dir: self.dir.clone(), message: format!("no column family {}", family.name()) };
        self.db.cf_handle(family.name()).ok_or_else(missing)
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

fn families(cache_bytes: usize) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(cache_bytes);
    let descriptor = |family: &Family| ColumnFamilyDescriptor::new(family.name(), family_options(&cache));
    Family::ALL.iter().map(descriptor).collect()
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
        self.db.get_cf(self.handle(family)?, key).map_err(|e| self.failed(&e))
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error> {
        let mut writes = WriteBatch::default();
        for (family, key, value) in &batch.changes {
            let handle = self.handle(*family)?;
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
        for entry in self.db.iterator_cf(self.handle(family)?, IteratorMode::From(from, Direction::Forward)) {
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

//! What the disk gives: records one behind the other in a pre-written file that is used again from its front.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::store::{Batch, Store};

/// What ratios are to.
pub const RAW: &str = "raw pre-written file";
/// Bytes of the file.
const FILE: u64 = 64 << 20;
/// What the page cache and most drives write at once.
const BLOCK: u64 = 4_096;

/// A file that is filled with zeros before its first use, so that a sync writes bytes in place and no metadata.
pub struct Raw {
    file: File,
    buffer: Vec<u8>,
    at: u64,
    /// Every batch begins at a multiple of this.
    align: u64,
}

impl Raw {
    /// Batches are padded to whole blocks: no write touches what was written before. The limit that others are compared with.
    pub fn padded(dir: &Path) -> Result<Self> {
        Self::new(dir, "raw-padded", BLOCK)
    }

    /// Batches stand close to each other.
    pub fn unpadded(dir: &Path) -> Result<Self> {
        Self::new(dir, "raw-unpadded", 1)
    }

    fn new(dir: &Path, name: &str, align: u64) -> Result<Self> {
        let path = dir.join(name);
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let zeros = vec![0; 1 << 20];
        for mib in 0..FILE >> 20 {
            file.write_all_at(&zeros, mib << 20)?;
        }
        file.sync_all()?;
        Ok(Self { file, buffer: Vec::new(), at: 0, align })
    }
}

impl Store for Raw {
    fn name(&self) -> &'static str {
        if self.align > 1 { RAW } else { "raw pre-written file, unpadded" }
    }

    fn durability(&self) -> &'static str {
        "one write and one fdatasync per batch"
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        self.buffer.clear();
        batch.records().iter().for_each(|record| self.buffer.extend_from_slice(record));
        let length = (self.buffer.len() as u64).next_multiple_of(self.align);
        ensure!(length <= FILE, "a batch is larger than the raw file");
        self.buffer.resize(length as usize, 0);
        if self.at + length > FILE {
            self.at = 0;
        }
        self.file.write_all_at(&self.buffer, self.at)?;
        self.file.sync_data()?;
        self.at += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_padded_or_not_and_the_file_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let batch = Batch::new(1_000, 5);
        let (mut padded, mut close) = (Raw::padded(dir.path()).unwrap(), Raw::unpadded(dir.path()).unwrap());
        for raw in [&mut padded, &mut close] {
            raw.append(&batch).unwrap();
            raw.append(&batch).unwrap();
            assert_eq!(raw.file.metadata().unwrap().len(), FILE);
        }
        assert_eq!((padded.at, close.at), (16_384, 10_000));
        let written = std::fs::read(dir.path().join("raw-unpadded")).unwrap();
        assert_eq!(written[9_000..10_000], batch.records()[4][..]);
        close.at = FILE - 100;
        close.append(&batch).unwrap();
        assert_eq!(close.at, 5_000);
        assert_ne!(padded.name(), close.name());
    }
}

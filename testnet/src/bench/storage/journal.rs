//! Our journal alone.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use pyralog_cluster_core::disk::{Disk, RealDisk};
use pyralog_cluster_core::journal::{Entry, Journal, JournalOptions};

use super::store::{Batch, Store};

/// The name in figures.
pub const JOURNAL: &str = "Pyralog, journal alone";

/// A journal; what is two files old is released, as behind it the segments would allow.
pub struct Journaled(Journal);

impl Journaled {
    /// Opens one, and lets it write its next file.
    pub fn open(dir: &Path) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (mut journal, _) = Journal::open(&disk, dir, JournalOptions::default(), |_, _| Ok(()))?;
        journal.prepare()?;
        Ok(Self(journal))
    }
}

impl Store for Journaled {
    fn name(&self) -> &'static str {
        JOURNAL
    }

    fn durability(&self) -> &'static str {
        "one group per batch, fdatasync"
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        let entries: Vec<Entry<'_>> =
            batch.records().iter().zip(0..).map(|(bytes, position)| Entry { stream: 1, position, bytes }).collect();
        let group = self.0.append(&entries)?;
        if self.0.files().0 > 1 {
            self.0.release(group)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.0.close()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_is_a_group_and_old_files_are_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Journaled::open(dir.path()).unwrap();
        let batch = Batch::new(64 << 10, 64);
        let before = store.0.next_group();
        for _ in 0..10 {
            store.append(&batch).unwrap();
        }
        assert_eq!(store.0.next_group(), before + 10);
        assert!(store.0.files().0 <= 2, "40 MiB in files of 16 MiB, released behind the writer");
        store.finish().unwrap();
    }
}

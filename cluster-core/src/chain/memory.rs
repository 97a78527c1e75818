//! The tables in memory, on the power supply of a [`FaultyDisk`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tables::{Batch, Change, Durability, Family, Tables, Visit};
use crate::Error;
use crate::disk::FaultyDisk;

type Content = BTreeMap<(Family, Vec<u8>), Vec<u8>>;

/// Tables that lose their unsynced batches in a crash, as RocksDB does. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryTables {
    disk: FaultyDisk,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    visible: Content,
    durable: Content,
    later: Vec<Vec<Change>>,
}

impl MemoryTables {
    /// Empty tables that fail when the power of `disk` is cut.
    #[must_use]
    pub fn new(disk: FaultyDisk) -> Self {
        Self { disk, state: Arc::default() }
    }

    /// What a power cut leaves: all synced batches, and of the others a prefix. Call it beside [`FaultyDisk::crash`].
    pub fn crash(&self) {
        let state = &mut *self.state();
        let later = std::mem::take(&mut state.later);
        let survivors = self.disk.below(later.len() as u64 + 1) as usize;
        for batch in later.into_iter().take(survivors) {
            apply(&mut state.durable, batch);
        }
        state.visible = state.durable.clone();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(content: &mut Content, batch: Vec<Change>) {
    for (family, key, value) in batch {
        match value {
            Some(value) => content.insert((family, key), value),
            None => content.remove(&(family, key)),
        };
    }
}

impl Tables for MemoryTables {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.state().visible.get(&(family, key.to_vec())).cloned())
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error> {
        let state = &mut *self.state();
        match durability {
            Durability::Later => {
                apply(&mut state.visible, batch.changes.clone());
                state.later.push(batch.changes);
                Ok(())
            }
            Durability::Synced => {
                let (powered, reached) = self.disk.synced_write();
                if reached {
                    apply(&mut state.visible, batch.changes.clone());
                    apply(&mut state.durable, batch.changes);
                }
                powered.map_err(|e| Error::io("write", Path::new("tables/memory"), e))
            }
        }
    }

    fn scan(&self, family: Family, from: &[u8], visit: Visit<'_>) -> Result<(), Error> {
        let state = self.state();
        let entries = state.visible.range((family, from.to_vec())..);
        for ((_, key), value) in entries.take_while(|((found, _), _)| *found == family) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

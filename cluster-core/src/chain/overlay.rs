//! Tables over other ones that keep every change to themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tables::{Batch, Durability, Family, Tables, Visit};
use crate::Error;

/// Changed keys, with their new values or none.
type Changes = BTreeMap<(Family, Vec<u8>), Option<Vec<u8>>>;

/// Reads go to the tables below, changes stay in memory.
#[derive(Debug)]
pub(crate) struct OverlayTables {
    below: Arc<dyn Tables>,
    changes: Mutex<Changes>,
}

impl OverlayTables {
    pub(crate) fn new(below: Arc<dyn Tables>) -> Self {
        Self { below, changes: Mutex::default() }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        // Nothing in the locked sections panics.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables for OverlayTables {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes().get(&(family, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.below.get(family, key),
        }
    }

    fn write(&self, batch: Batch, _durability: Durability) -> Result<(), Error> {
        let changes = batch.changes.into_iter().map(|(family, key, value)| ((family, key), value));
        self.changes().extend(changes);
        Ok(())
    }

    fn scan(&self, family: Family, from: &[u8], visit: Visit<'_>) -> Result<(), Error> {
        let changes = self.changes();
        let mut own = changes.range((family, from.to_vec())..).take_while(|((of, _), _)| *of == family).peekable();
        let mut goes_on = true;
        self.below.scan(family, from, &mut |key, value| {
            let mut replaced = false;
            while let Some(((_, changed), new)) = own.next_if(|((_, changed), _)| changed.as_slice() <= key) {
                replaced = changed == key;
                if let Some(new) = new {
                    goes_on = goes_on && visit(changed, new);
                }
            }
            goes_on = goes_on && (replaced || visit(key, value));
            goes_on
        })?;
        for ((_, key), value) in own {
            if let Some(value) = value {
                goes_on = goes_on && visit(key, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

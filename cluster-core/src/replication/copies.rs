//! The copies that a member keeps, apart from what it knows about them.

use std::collections::BTreeMap;

use super::{Change, Entry, Epoch, Lsn};
use crate::Error;

/// What a storing member reads of its copies. Changes that it asked for are seen at once, durable or not.
pub trait Copies {
    /// The copy at a position.
    ///
    /// # Errors
    /// What the storage answered.
    fn copy(&self, lsn: Lsn) -> Result<Option<Entry>, Error>;

    /// The first copies of the position's epoch behind it: at most `most` of them, in order.
    ///
    /// # Errors
    /// What the storage answered.
    fn copies_after(&self, lsn: Lsn, most: usize) -> Result<Vec<(u64, Entry)>, Error>;
}

/// Copies in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryCopies {
    copies: BTreeMap<Lsn, Entry>,
}

impl MemoryCopies {
    /// Takes over the changes that concern copies.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { lsn, entry } => {
                self.copies.insert(*lsn, entry.clone());
            }
            Change::Cut { epoch, above } => self.cut(*epoch, *above),
            Change::Fence(_) | Change::Clean(_) | Change::Release(_) | Change::KnownGood { .. } => {}
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Lsn, &Entry)> {
        self.copies.iter()
    }

    fn cut(&mut self, epoch: Epoch, above: u64) {
        let cut = Lsn::new(epoch, above);
        self.copies.retain(|lsn, _| lsn.epoch != epoch || *lsn <= cut);
    }
}

impl Copies for MemoryCopies {
    fn copy(&self, lsn: Lsn) -> Result<Option<Entry>, Error> {
        Ok(self.copies.get(&lsn).cloned())
    }

    fn copies_after(&self, lsn: Lsn, most: usize) -> Result<Vec<(u64, Entry)>, Error> {
        let behind = self.copies.range((std::ops::Bound::Excluded(lsn), std::ops::Bound::Unbounded));
        let of_epoch = behind.take_while(|(at, _)| at.epoch == lsn.epoch);
        Ok(of_epoch.take(most).map(|(at, entry)| (at.number, entry.clone())).collect())
    }
}

//! Reading and growing the chain.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::block::{
    ChainWrite, Genesis, INITIAL, LATEST, PutBlock, STATE, TxPlace, decode_height, decode_place, note_key,
};
use super::tables::{Durability, Family, Tables};
use crate::Error;
use crate::event::{Completion, Ticket};
use crate::queue::{Operation, Queue};

/// Handle of the chain. Reads see what is durable, and a block appears with everything that belongs to it at once.
#[derive(Clone)]
pub struct Chain {
    queue: Arc<Queue>,
    file: Arc<ChainFile>,
}

/// The chain's tables and where it stands.
pub(crate) struct ChainFile {
    tables: Arc<dyn Tables>,
    dir: PathBuf,
    /// 0 is "no block".
    latest: AtomicU64,
    initial: AtomicU64,
    /// Height that the next accepted block must have; differs from `latest + 1` while blocks wait. 0 is "any".
    next: RwLock<u64>,
}

impl Chain {
    pub(crate) fn new(queue: Arc<Queue>, file: Arc<ChainFile>) -> Self {
        Self { queue, file }
    }

    /// Stores what stands before the first block. Refused once blocks exist.
    ///
    /// # Errors
    /// [`Error::NotNext`], [`Error::Size`] for height 0, [`Error::Closed`], or why the store failed.
    pub fn put_genesis(&self, genesis: Genesis, done: Option<Completion>) -> Result<Ticket, Error> {
        if genesis.initial_height == 0 {
            return Err(Error::Size { what: "the initial height", found: 0, allowed: "1 or more" });
        }
        let mut next = self.file.next.write().unwrap_or_else(PoisonError::into_inner);
        if self.file.latest.load(Ordering::Acquire) != 0 {
            return Err(Error::NotNext { height: genesis.initial_height, expected: *next });
        }
        let height = genesis.initial_height;
        let ticket = self.push(ChainWrite::Genesis(genesis), done)?;
        *next = height;
        Ok(ticket)
    }

    /// Stores a block with everything that belongs to it, atomically. Done only after all that was
    /// requested before it of WAL, mark and chain is durable.
    ///
    /// # Errors
    /// [`Error::NotNext`] unless it follows the block requested last; [`Error::Closed`], or why the store failed.
    pub fn put_block(&self, block: PutBlock) -> Result<Ticket, Error> {
        self.submit_block(block, None)
    }

    /// [`Chain::put_block`] with a completion of its own.
    ///
    /// # Errors
    /// As [`Chain::put_block`]; the completion is then dropped uncalled.
    pub fn put_block_then(&self, block: PutBlock, done: Completion) -> Result<Ticket, Error> {
        self.submit_block(block, Some(done))
    }

    fn submit_block(&self, block: PutBlock, done: Option<Completion>) -> Result<Ticket, Error> {
        let mut next = self.file.next.write().unwrap_or_else(PoisonError::into_inner);
        let height = block.height;
        if height == 0 || (*next != 0 && height != *next) {
            return Err(Error::NotNext { height, expected: (*next).max(1) });
        }
        // The lock is held over the push: two blocks cannot overtake each other between check and queue.
        let ticket = self.push(ChainWrite::Block(block), done)?;
        *next = height + 1;
        Ok(ticket)
    }

    /// Stores a small named record, such as the hash of the genesis file; `None` deletes it.
    ///
    /// # Errors
    /// [`Error::Closed`], or why the store failed.
    pub fn put_note(&self, name: &str, value: Option<Bytes>, done: Option<Completion>) -> Result<Ticket, Error> {
        self.push(ChainWrite::Note { name: name.to_owned(), value }, done)
    }

    fn push(&self, write: ChainWrite, done: Option<Completion>) -> Result<Ticket, Error> {
        let bytes = write.bytes();
        self.queue.push(Operation::Chain(Box::new(write)), bytes, done)
    }

    /// Height of the latest durable block; `None` before the first.
    #[must_use]
    pub fn latest_height(&self) -> Option<u64> {
        Some(self.file.latest.load(Ordering::Acquire)).filter(|height| *height != 0)
    }

    /// Height of the first block as the genesis says; `None` before [`Chain::put_genesis`].
    #[must_use]
    pub fn initial_height(&self) -> Option<u64> {
        Some(self.file.initial.load(Ordering::Acquire)).filter(|height| *height != 0)
    }

    /// The block of a height.
    ///
    /// # Errors
    /// Why the tables could not be read; so for all reads below.
    pub fn block(&self, height: u64) -> Result<Option<Bytes>, Error> {
        self.at(Family::Block, height)
    }

    /// The commit for the block of a height.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn commit(&self, height: u64) -> Result<Option<Bytes>, Error> {
        self.at(Family::Commit, height)
    }

    /// What the node keeps beside the block of a height.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn meta(&self, height: u64) -> Result<Option<Bytes>, Error> {
        self.at(Family::Meta, height)
    }

    /// The results of a height.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn results(&self, height: u64) -> Result<Option<Bytes>, Error> {
        self.at(Family::Results, height)
    }

    /// The height of a block hash.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn height_of(&self, block_hash: &[u8; 32]) -> Result<Option<u64>, Error> {
        let value = self.file.tables.get(Family::BlockHash, block_hash)?;
        value.map(|value| decode_height(&value).ok_or_else(|| self.file.broken("a block-hash entry"))).transpose()
    }

    /// Where a transaction stands.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn tx(&self, tx_hash: &[u8; 32]) -> Result<Option<TxPlace>, Error> {
        let value = self.file.tables.get(Family::Tx, tx_hash)?;
        value.map(|value| decode_place(&value).ok_or_else(|| self.file.broken("a transaction entry"))).transpose()
    }

    /// A value of the ledger's state after the latest block.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn state(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.file.tables.get(Family::State, key)
    }

    /// Visits the ledger's state from key `from` on, ascending, until `visit` answers `false`.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn scan_state(&self, from: &[u8], visit: super::Visit<'_>) -> Result<(), Error> {
        self.file.tables.scan(Family::State, from, visit)
    }

    /// Visits the blocks from a height on, ascending, until `visit` answers `false`.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn scan_blocks(&self, from: u64, visit: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), Error> {
        let mut broken = false;
        self.file.tables.scan(Family::Block, &from.to_be_bytes(), &mut |key, value| match decode_height(key) {
            Some(height) => visit(height, value),
            None => {
                broken = true;
                false
            }
        })?;
        if broken { Err(self.file.broken("the key of a block")) } else { Ok(()) }
    }

    /// The engine's chain state after the latest block, or at genesis.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn chain_state(&self) -> Result<Option<Bytes>, Error> {
        Ok(self.file.tables.get(Family::Chain, STATE)?.map(Bytes::from))
    }

    /// A named record.
    ///
    /// # Errors
    /// As [`Chain::block`].
    pub fn note(&self, name: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.file.tables.get(Family::Chain, &note_key(name))?.map(Bytes::from))
    }

    fn at(&self, family: Family, height: u64) -> Result<Option<Bytes>, Error> {
        Ok(self.file.tables.get(family, &height.to_be_bytes())?.map(Bytes::from))
    }
}

impl ChainFile {
    pub(crate) fn open(tables: Arc<dyn Tables>, dir: PathBuf) -> Result<Self, Error> {
        let file = Self { tables, dir, latest: AtomicU64::new(0), initial: AtomicU64::new(0), next: RwLock::new(0) };
        let latest = file.height(LATEST)?;
        let initial = file.height(INITIAL)?;
        if latest != 0 && file.tables.get(Family::Block, &latest.to_be_bytes())?.is_none() {
            return Err(file.broken("the latest block, which is missing,"));
        }
        file.latest.store(latest, Ordering::Release);
        file.initial.store(initial, Ordering::Release);
        *file.next.write().unwrap_or_else(PoisonError::into_inner) = if latest == 0 { initial } else { latest + 1 };
        Ok(file)
    }

    fn height(&self, key: &[u8]) -> Result<u64, Error> {
        match self.tables.get(Family::Chain, key)? {
            None => Ok(0),
            Some(value) => decode_height(&value).ok_or_else(|| self.broken("a height")),
        }
    }

    fn broken(&self, what: &str) -> Error {
        Error::Tables { dir: self.dir.clone(), message: format!("{what} is not as this store writes it") }
    }

    /// Performs a write durably and answers the height to report.
    pub(crate) fn write(&self, write: ChainWrite) -> Result<u64, Error> {
        let (latest, initial) = match &write {
            ChainWrite::Block(block) => (Some(block.height), None),
            ChainWrite::Genesis(genesis) => (None, Some(genesis.initial_height)),
            ChainWrite::Note { .. } => (None, None),
        };
        self.tables.write(write.into_batch(), Durability::Synced)?;
        if let Some(initial) = initial {
            self.initial.store(initial, Ordering::Release);
        }
        if let Some(latest) = latest {
            self.latest.store(latest, Ordering::Release);
        }
        Ok(latest.unwrap_or(0))
    }

    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;

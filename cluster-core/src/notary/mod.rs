//! The notary log: leaves in order, two Merkle trees over them, proofs for any past size.
//!
//! ```text
//! notary/<log id>/leaves/                    the leaves, one record each: see [`crate::segment`]
//!                 signed                     size and roots last handed out for signing (slot file)
//!                 tree.blake3, tree.sha256   complete nodes of each tree: derived, checked at open, rebuilt from the leaves
//!                 synced                     how far both are synced (slot file)
//! ```
//!
//! A leaf is durable when the journal has it. It then goes into the leaf files and the trees, which are synced before the journal
//! lets go of it.

mod index;
mod log;
pub(crate) mod nodes;
mod record;
mod recover;

use std::sync::Arc;

use pyralog_crypto::{
    Blake3, Checkpoint, ConsistencyProof, Hash, HashId, InclusionProof, LogId, MAX_LEAF_BYTES, MerkleHash, Roots,
    Sha256, leaf_hashes, merkle,
};

use crate::Error;
use crate::event::{Completion, Ticket};
use crate::items::ITEM_HEADER;
use crate::queue::{CheckpointReply, Operation, Queue};

pub use recover::LogRecovery;

pub(crate) use log::{Log, Submission};
pub(crate) use recover::{Opening, stream_of};

/// Most leaves of one submission.
pub const MAX_SUBMISSION_LEAVES: usize = 4096;
/// Most nodes that [`NotaryLog::nodes`] gives at once.
pub const MAX_NODES: usize = 4096;

/// An inclusion proof in each tree, for one leaf and one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProofs {
    /// In the BLAKE3 tree.
    pub blake3: InclusionProof,
    /// In the SHA-256 tree.
    pub sha256: InclusionProof,
}

/// A consistency proof in each tree, for one pair of sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProofs {
    /// In the BLAKE3 tree.
    pub blake3: ConsistencyProof,
    /// In the SHA-256 tree.
    pub sha256: ConsistencyProof,
}

/// Handle of one notary log. Reads go to the files and may run in many threads; they see durable leaves only.
#[derive(Clone)]
pub struct NotaryLog {
    queue: Arc<Queue>,
    log: Arc<Log>,
}

impl NotaryLog {
    pub(crate) fn new(queue: Arc<Queue>, log: Arc<Log>) -> Self {
        Self { queue, log }
    }

    /// The log's id.
    #[must_use]
    pub fn id(&self) -> LogId {
        self.log.id
    }

    /// Durable leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Why the log refuses appends and checkpoints, if it does: it is shorter than, or differs from, what was signed.
    #[must_use]
    pub fn retracted(&self) -> Option<Error> {
        self.log.retracted.clone()
    }

    /// Appends a submission of 1 to [`MAX_SUBMISSION_LEAVES`] leaves of 1 to [`MAX_LEAF_BYTES`] bytes each. They get
    /// consecutive indexes, told by the event, and are durable all together or not at all.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Busy`], [`Error::LogRetracted`], [`Error::Closed`], or why the store failed.
    pub fn append(&self, leaves: Vec<Vec<u8>>) -> Result<Ticket, Error> {
        self.submit(leaves, None)
    }

    /// [`NotaryLog::append`] with a completion of its own.
    ///
    /// # Errors
    /// As [`NotaryLog::append`]; the completion is then dropped uncalled.
    pub fn append_then(&self, leaves: Vec<Vec<u8>>, done: Completion) -> Result<Ticket, Error> {
        self.submit(leaves, Some(done))
    }

    fn submit(&self, leaves: Vec<Vec<u8>>, done: Option<Completion>) -> Result<Ticket, Error> {
        if let Some(reason) = &self.log.retracted {
            return Err(reason.clone());
        }
        if leaves.is_empty() || leaves.len() > MAX_SUBMISSION_LEAVES {
            return Err(Error::Size { what: "a submission", found: leaves.len() as u64, allowed: "1 to 4096 leaves" });
        }
        if let Some(leaf) = leaves.iter().find(|leaf| leaf.is_empty() || leaf.len() > MAX_LEAF_BYTES) {
            return Err(Error::Size { what: "a leaf", found: leaf.len() as u64, allowed: "1 to 1024 bytes" });
        }
        // Hashing happens here, in the caller's thread, not in the one writer.
        let hashes = leaves.iter().map(|leaf| leaf_hashes(leaf)).collect();
        let bytes = leaves.iter().map(|leaf| ITEM_HEADER + leaf.len()).sum::<usize>() as u64;
        self.queue.push(Operation::Leaves(Arc::clone(&self.log), Submission { leaves, hashes }), bytes, done)
    }

    /// Records size and roots of the durable prefix durably and then hands them out for signing. The log will never again accept
    /// a leaf while it is shorter than this. Where nothing was appended since the last time, nothing is written.
    ///
    /// # Errors
    /// [`Error::LogRetracted`], [`Error::Closed`], or why the store failed; `then` is then called with the same error or dropped.
    pub fn checkpoint_to_sign(
        &self,
        then: impl FnOnce(Result<Checkpoint, Error>) + Send + 'static,
    ) -> Result<Ticket, Error> {
        if let Some(reason) = &self.log.retracted {
            return Err(reason.clone());
        }
        let then = CheckpointReply(Some(Box::new(then)));
        // Told by `then`; the event itself interests nobody.
        let ignore: Completion = Box::new(|_| ());
        self.queue.push(Operation::Checkpoint(Arc::clone(&self.log), then), 0, Some(ignore))
    }

    /// Size of the last checkpoint handed out for signing; 0 if there was none.
    #[must_use]
    pub fn signed_size(&self) -> u64 {
        self.log.signed_size()
    }

    /// Roots of both trees at a past or the present size. Not for signing: see [`NotaryLog::checkpoint_to_sign`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`], or why the trees could not be read.
    pub fn roots(&self, size: u64) -> Result<Roots, Error> {
        self.log.require(size, size)?;
        self.log.roots(size)
    }

    /// The leaf at an index, checked against its hash in the tree.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Damaged`], or why the files could not be read.
    pub fn leaf(&self, index: u64) -> Result<Vec<u8>, Error> {
        self.log.require(index.saturating_add(1), index)?;
        self.log.leaf(index)
    }

    /// Both leaf hashes at an index.
    ///
    /// # Errors
    /// As [`NotaryLog::roots`].
    pub fn leaf_hashes(&self, index: u64) -> Result<Roots, Error> {
        self.log.require(index.saturating_add(1), index)?;
        self.log.leaf_hashes(index)
    }

    /// Proofs in both trees that leaf `index` is in the log of `size` leaves. They are verified before they are given.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::NoSuchProof`] unless `index < size`, [`Error::Damaged`].
    pub fn inclusion(&self, index: u64, size: u64) -> Result<InclusionProofs, Error> {
        self.log.require(size, size)?;
        let blake3 = merkle::prove_inclusion::<Blake3, _>(&self.log.blake3, index, size)?;
        let sha256 = merkle::prove_inclusion::<Sha256, _>(&self.log.sha256, index, size)?;
        let (roots, leaf) = (self.log.roots(size)?, self.log.leaf_hashes(index)?);
        blake3.verify::<Blake3>(&leaf.blake3, &roots.blake3).map_err(|_| self.log.blake3.broken())?;
        sha256.verify::<Sha256>(&leaf.sha256, &roots.sha256).map_err(|_| self.log.sha256.broken())?;
        Ok(InclusionProofs { blake3, sha256 })
    }

    /// Proofs in both trees that the log of `new` leaves continues the log of `old` leaves. They are verified before they are
    /// given.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::NoSuchProof`] unless `old <= new`, [`Error::Damaged`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<ConsistencyProofs, Error> {
        self.log.require(new, new)?;
        let blake3 = merkle::prove_consistency::<Blake3, _>(&self.log.blake3, old, new)?;
        let sha256 = merkle::prove_consistency::<Sha256, _>(&self.log.sha256, old, new)?;
        let (before, after) = (self.log.roots(old)?, self.log.roots(new)?);
        blake3.verify::<Blake3>(&before.blake3, &after.blake3).map_err(|_| self.log.blake3.broken())?;
        sha256.verify::<Sha256>(&before.sha256, &after.sha256).map_err(|_| self.log.sha256.broken())?;
        Ok(ConsistencyProofs { blake3, sha256 })
    }

    /// `count` (at most [`MAX_NODES`]) complete nodes of one level from index `first` on: what a tile is made of. Node `i` of
    /// level `l` is the root over the leaves `i * 2^l .. (i + 1) * 2^l`.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::OutOfRange`] where a node is not complete, or why the tree could not be read.
    pub fn nodes(&self, hash: HashId, level: u8, first: u64, count: usize) -> Result<Vec<Hash>, Error> {
        if count > MAX_NODES || level > 62 {
            return Err(Error::Size {
                what: "a tile",
                found: count as u64,
                allowed: "at most 4096 nodes of level 0 to 62",
            });
        }
        let end = first.checked_add(count as u64).filter(|end| *end <= u64::MAX >> level).unwrap_or(u64::MAX >> level);
        self.log.require(end << level, end << level)?;
        let nodes = match hash {
            HashId::Blake3 => &self.log.blake3,
            HashId::Sha256 => &self.log.sha256,
        };
        (first..end).map(|index| nodes.read(level, index)).collect()
    }

    /// The lowest index whose leaf has this BLAKE3 leaf hash.
    ///
    /// # Errors
    /// Why the index or the tree could not be read.
    pub fn find(&self, leaf_hash: &Hash) -> Result<Option<u64>, Error> {
        self.log.find(leaf_hash)
    }

    /// The lowest index of a leaf with these bytes.
    ///
    /// # Errors
    /// As [`NotaryLog::find`].
    pub fn find_leaf(&self, leaf: &[u8]) -> Result<Option<u64>, Error> {
        self.find(&Blake3::leaf(leaf))
    }
}

/// Whether the bytes are one of a log's small records.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn decodes(bytes: &[u8]) -> bool {
    record::TreeSize::decode(bytes).is_some()
}

#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;

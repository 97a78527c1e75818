//! Two indexes that receipts need, kept beside the ledger's state and written atomically with each block:
//! which anchor covers a leaf, and at which heights the validator set changes.
//!
//! Entries are numbered from 0, so that a lookup is a binary search over point reads.
//!
//! ```text
//! 0xf0 'a' log[32] n:u64   -> size:u64 height:u64 tx:u32      the n-th anchor of a log
//! 0xf0 'A' log[32]         -> count:u64
//! 0xf0 'v' n:u64           -> height:u64                      the n-th header whose next set differs from its own
//! 0xf0 'V'                 -> count:u64
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use pyralog_consensus::engine::CommittedBlock;
use pyralog_consensus::tx::Envelope;
use pyralog_crypto::LogId;

use crate::chain::ReadError;

/// The ledger's own keys begin with small numbers; ours never meet them.
const PREFIX: u8 = 0xf0;

/// Reads a key of the state family.
pub type Get = Arc<dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, ReadError> + Send + Sync>;

/// Key/value writes; `None` deletes.
pub type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// An anchor in a committed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorPlace {
    /// Anchored size.
    pub size: u64,
    /// Height of the block.
    pub height: u64,
    /// Position of the anchor transaction in it.
    pub tx: u32,
}

/// Lookups in both indexes.
#[derive(Clone)]
pub struct Indexes {
    get: Get,
}

impl Indexes {
    /// Indexes over a store.
    pub fn new(get: Get) -> Self {
        Self { get }
    }

    /// What a block adds. To be written together with it.
    ///
    /// # Errors
    /// The store failed.
    pub fn writes(&self, block: &CommittedBlock) -> Result<Writes, ReadError> {
        let mut writes = Vec::new();
        let mut counts: BTreeMap<LogId, u64> = BTreeMap::new();
        for (tx, bytes) in (0u32..).zip(&block.block.data) {
            // Not every transaction is an anchor, and what is in a committed block decodes.
            let Ok(Envelope::Anchor(anchor)) = Envelope::decode(bytes) else { continue };
            let (log, size) = (anchor.checkpoint.checkpoint.log, anchor.checkpoint.checkpoint.size);
            let count = match counts.get(&log) {
                Some(count) => *count,
                None => self.count(&anchor_count_key(&log))?,
            };
            let place = AnchorPlace { size, height: block.height, tx };
            writes.push((anchor_key(&log, count), Some(encode_place(&place))));
            counts.insert(log, count + 1);
        }
        for (log, count) in counts {
            writes.push((anchor_count_key(&log), Some(count.to_be_bytes().to_vec())));
        }
        if block.validators.hash() != block.next_validators.hash() {
            let count = self.count(&set_count_key())?;
            writes.push((set_key(count), Some(block.height.to_be_bytes().to_vec())));
            writes.push((set_count_key(), Some((count + 1).to_be_bytes().to_vec())));
        }
        Ok(writes)
    }

    /// The first anchor that covers leaf `index` of `log`; `None` where it is not anchored yet.
    ///
    /// # Errors
    /// The store failed.
    pub fn covering(&self, log: &LogId, index: u64) -> Result<Option<AnchorPlace>, ReadError> {
        let count = self.count(&anchor_count_key(log))?;
        // Sizes grow strictly: the ledger refuses anything else.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.anchor(log, middle)?.size > index { high = middle } else { low = middle + 1 }
        }
        if low == count { Ok(None) } else { self.anchor(log, low).map(Some) }
    }

    /// The last anchor of a log.
    ///
    /// # Errors
    /// The store failed.
    pub fn last_anchor(&self, log: &LogId) -> Result<Option<AnchorPlace>, ReadError> {
        match self.count(&anchor_count_key(log))?.checked_sub(1) {
            Some(last) => self.anchor(log, last).map(Some),
            None => Ok(None),
        }
    }

    /// The last `limit` anchors of a log, newest first, and how many there are.
    ///
    /// # Errors
    /// The store failed.
    pub fn anchors(&self, log: &LogId, limit: u64) -> Result<(Vec<AnchorPlace>, u64), ReadError> {
        let count = self.count(&anchor_count_key(log))?;
        let listed: Result<Vec<_>, _> =
            (count.saturating_sub(limit)..count).rev().map(|n| self.anchor(log, n)).collect();
        Ok((listed?, count))
    }

    /// The heights in `after..before` whose header hands over to another set, ascending, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_changes(&self, after: u64, before: u64, limit: usize) -> Result<Vec<u64>, ReadError> {
        let count = self.count(&set_count_key())?;
        let mut heights = Vec::new();
        for n in 0..count {
            let height = self.number(&set_key(n))?;
            if height >= before || heights.len() >= limit {
                break;
            }
            if height >= after {
                heights.push(height);
            }
        }
        Ok(heights)
    }

    fn anchor(&self, log: &LogId, n: u64) -> Result<AnchorPlace, ReadError> {
        let bytes = (self.get)(&anchor_key(log, n))?;
        bytes
            .as_deref()
            .and_then(decode_place)
            .ok_or_else(|| ReadError(format!("anchor {n} of log {log} is missing or damaged")))
    }

    fn count(&self, key: &[u8]) -> Result<u64, ReadError> {
        match (self.get)(key)? {
            None => Ok(0),
            Some(bytes) => decode_number(&bytes).ok_or_else(|| ReadError("a counter of an index is damaged".into())),
        }
    }

    fn number(&self, key: &[u8]) -> Result<u64, ReadError> {
        let bytes = (self.get)(key)?;
        bytes
            .as_deref()
            .and_then(decode_number)
            .ok_or_else(|| ReadError("an entry of an index is missing or damaged".into()))
    }
}

fn anchor_key(log: &LogId, n: u64) -> Vec<u8> {
    [&[PREFIX, b'a'][..], &log.0, &n.to_be_bytes()].concat()
}

fn anchor_count_key(log: &LogId) -> Vec<u8> {
    [&[PREFIX, b'A'][..], &log.0].concat()
}

fn set_key(n: u64) -> Vec<u8> {
    [&[PREFIX, b'v'][..], &n.to_be_bytes()].concat()
}

fn set_count_key() -> Vec<u8> {
    vec![PREFIX, b'V']
}

fn encode_place(place: &AnchorPlace) -> Vec<u8> {
    [&place.size.to_be_bytes()[..], &place.height.to_be_bytes(), &place.tx.to_be_bytes()].concat()
}

fn decode_place(bytes: &[u8]) -> Option<AnchorPlace> {
    let (size, rest) = bytes.split_at_checked(8)?;
    let (height, tx) = rest.split_at_checked(8)?;
    Some(AnchorPlace {
        size: decode_number(size)?,
        height: decode_number(height)?,
        tx: u32::from_be_bytes(tx.try_into().ok()?),
    })
}

fn decode_number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

//! What the signer's log says: the WAL under way, the last mark, and the blocks that were decided.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyralog_consensus::engine::{SignMark, WalRecovery};
use pyralog_crypto::error::CodecError;

use super::record::split_block;
use super::{Said, SignerRecord};

/// Blocks that are kept for members whose chain is shorter. Their chains are rarely behind by more than one.
const BLOCKS: usize = 16;
/// Bytes of one entry or block, at most: larger than any that is written.
const MAX_WHOLE_BYTES: usize = 64 << 20;

/// The log, read from its oldest record that is still there.
#[derive(Debug, Default)]
pub struct SignerLog {
    /// Place of the next record; `None` before the first.
    next: Option<u64>,
    /// Whether entries are known from the log's begin or from a reset on.
    complete: bool,
    /// The height that the last reset named.
    height: u64,
    entries: Vec<Bytes>,
    mark: Option<SignMark>,
    /// Who raised the mark last, and under which number.
    marked: Option<(u64, u64)>,
    /// Who began under the highest number, if that is still there.
    member: Option<u64>,
    /// The highest number that was seen, and the sequence that comes next of it; `None` behind a gap.
    number: u64,
    sequence: Option<u64>,
    /// Place of the begin of that number; `None` where it was removed by retention.
    begun: Option<u64>,
    /// Whether what was before was removed by retention, so that the sequence is known from the next record on.
    resumes: bool,
    blocks: BTreeMap<u64, (Bytes, Bytes)>,
    /// What is being put together.
    entry: Vec<u8>,
    block: Vec<u8>,
}

impl SignerLog {
    /// Place of the next record that it is to take.
    pub fn next(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// Takes the record at a place. One behind a gap begins the log anew: what was before was removed by retention.
    ///
    /// # Errors
    /// [`CodecError`] for a record that is none.
    pub fn take(&mut self, place: u64, record: &Bytes) -> Result<(), CodecError> {
        if self.next != Some(place) {
            // A mark stays: it only rises.
            let (mark, marked, number, member) = (self.mark, self.marked, self.number, self.member);
            *self = Self { complete: place == 0, mark, marked, number, member, resumes: true, ..Self::default() };
        }
        self.next = Some(place + 1);
        match SignerRecord::from_shared(record)? {
            SignerRecord::Begin { number, member } if number > self.number => {
                self.begin(number, 1);
                (self.begun, self.member) = (Some(place), Some(member));
            }
            // It lost a race with a higher one, or was made by somebody who had not read that of the same number, and signs nothing.
            SignerRecord::Begin { .. } => {}
            SignerRecord::Said { number: 0, what: Said::Mark(mark), .. } => self.mark = self.mark.max(Some(mark)),
            SignerRecord::Said { number, sequence, what } => {
                if number > self.number {
                    self.member = None;
                }
                if number > self.number || (self.resumes && number == self.number) {
                    // Its begin was removed by retention, or what stood behind that.
                    self.begin(number, sequence);
                }
                match self.sequence {
                    Some(next) if number == self.number && sequence == next => {
                        self.sequence = next.checked_add(1);
                        self.hear(what)?;
                    }
                    // Of an engine that was replaced.
                    _ if number < self.number => {}
                    // What is missing was never acknowledged, so nothing behind it was: nothing of it has left its member.
                    _ => self.sequence = None,
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, number: u64, sequence: u64) {
        (self.number, self.sequence, self.begun, self.resumes) = (number, Some(sequence), None, false);
        // What the one before left unfinished never counted.
        self.entry.clear();
        self.block.clear();
    }

    fn hear(&mut self, what: Said) -> Result<(), CodecError> {
        match what {
            Said::Entry { last, part } => {
                if let Some(whole) = joined(&mut self.entry, &part, last)? {
                    self.entries.push(whole);
                }
            }
            Said::Reset { height } => {
                self.entries.clear();
                (self.height, self.complete) = (height, true);
            }
            Said::Mark(mark) if Some(mark) > self.mark => {
                self.mark = Some(mark);
                self.marked = self.member.map(|member| (self.number, member));
            }
            Said::Mark(_) => {}
            Said::Block { last, part } => {
                if let Some(whole) = joined(&mut self.block, &part, last)? {
                    let (height, block, commit) = split_block(&whole)?;
                    self.blocks.insert(height, (block, commit));
                    while self.blocks.len() > BLOCKS {
                        self.blocks.pop_first();
                    }
                }
            }
        }
        Ok(())
    }

    /// The WAL. Where it is not known from its begin on, it is told as torn: the mark alone says then what may have been signed.
    pub fn wal(&self) -> WalRecovery {
        match self.complete {
            true => WalRecovery { entries: self.entries.clone(), truncated: false },
            false => WalRecovery { entries: Vec::new(), truncated: true },
        }
    }

    /// How far may have been signed.
    pub fn mark(&self) -> Option<SignMark> {
        self.mark
    }

    /// Under which number the mark was raised last, and by which member, if that is known.
    pub fn marked(&self) -> Option<(u64, u64)> {
        self.marked
    }

    /// The highest number that a member began under.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Place of the begin whose records count, if it is still there.
    pub fn begun(&self) -> Option<u64> {
        self.begun
    }

    /// The height that must be decided here before the WAL makes sense.
    pub fn decided(&self) -> u64 {
        self.height.saturating_sub(1)
    }

    /// A block that was decided, with its commit, while it is kept.
    pub fn block(&self, height: u64) -> Option<(Bytes, Bytes)> {
        self.blocks.get(&height).cloned()
    }
}

/// Adds a part, and answers the whole when it is the last.
fn joined(parts: &mut Vec<u8>, part: &Bytes, last: bool) -> Result<Option<Bytes>, CodecError> {
    if parts.len() + part.len() > MAX_WHOLE_BYTES {
        let found = parts.len() + part.len();
        return Err(CodecError::TooLong { what: "entry of the signer's log", max: MAX_WHOLE_BYTES, found });
    }
    parts.extend_from_slice(part);
    Ok(last.then(|| std::mem::take(parts).into()))
}

#[cfg(test)]
#[path = "signer_log_test.rs"]
mod tests;

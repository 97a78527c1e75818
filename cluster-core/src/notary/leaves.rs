//! A group of leaves as one entry of the journal.
//!
//! ```text
//! journal entry = stream of the log, position = index of the first leaf, bytes = leaf*          leaf = length:u32 bytes[length], 1 to 1024 bytes
//! ```
//!
//! One entry holds whole submissions, so a submission survives a crash whole or not at all.

use pyralog_crypto::MAX_LEAF_BYTES;

use super::Submission;
use crate::frame::u32_at;

/// Bytes before each leaf.
pub(crate) const ENTRY_HEADER: usize = 4;

/// The leaves of the submissions, in order.
pub(crate) fn encode(submissions: &[Submission]) -> Vec<u8> {
    let leaves = || submissions.iter().flat_map(|submission| &submission.leaves);
    let mut bytes = Vec::with_capacity(leaves().map(|leaf| ENTRY_HEADER + leaf.len()).sum());
    for leaf in leaves() {
        bytes.extend((leaf.len() as u32).to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    bytes
}

/// The leaves of an entry; `None` for bytes that are not exactly one or more leaves.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut leaves = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at_checked(ENTRY_HEADER)?;
        let length = u32_at(header, 0) as usize;
        let (leaf, rest) = rest.split_at_checked(length).filter(|_| (1..=MAX_LEAF_BYTES).contains(&length))?;
        leaves.push(leaf);
        bytes = rest;
    }
    (!leaves.is_empty()).then_some(leaves)
}

#[cfg(test)]
mod tests;

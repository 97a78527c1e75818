//! What the members, sequencers and readers of a partition say to each other.

use super::{Content, Entry, Epoch, Fence, Lsn, Precedence};

/// A message about one partition. Any of them may be lost, doubled, late or out of order.
///
/// An answer says what it answers, so it does no harm at another sequencer than the one that asked: what a process hears goes to all of its
/// sequencers of the partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// To a member: keep this copy. Sent by the sequencer of the epoch as a wave, or by the recovery whose fence the entry has.
    Store {
        /// Its position.
        lsn: Lsn,
        /// The copy.
        entry: Entry,
        /// Last known good of the position's epoch, as far as the sender knows.
        known_good: u64,
        /// Whether the sender wants to hear "received" as well. Never of a recovery.
        early: bool,
    },
    /// The copy is in the member's memory, and may be gone after a crash.
    Received {
        /// Its position.
        lsn: Lsn,
    },
    /// The copy is durable.
    Stored {
        /// Its position.
        lsn: Lsn,
        /// Precedence of the copy that was sent.
        precedence: Precedence,
    },
    /// Refused: the member has seen a higher fence.
    Fenced {
        /// The member's fence.
        by: Fence,
    },
    /// To a member: refuse this epoch and all before it, from now on.
    Seal {
        /// The epoch before the sequencer's own.
        epoch: Epoch,
    },
    /// The seal, or a higher one, is durable.
    Sealed {
        /// The member's fence.
        fence: Fence,
    },
    /// To a member: what have you got of this epoch behind your last known good? Answered in pieces.
    Digest {
        /// The epoch that is recovered.
        epoch: Epoch,
        /// The recovery.
        fence: Fence,
        /// Last number of the piece before, 0 for the first piece.
        after: u64,
    },
    /// A piece of a digest. Its fence is durable.
    Digested {
        /// The epoch that is recovered.
        epoch: Epoch,
        /// The recovery.
        fence: Fence,
        /// As in the question.
        after: u64,
        /// The member's last known good of this epoch: everything up to it has its copies and is left out.
        known_good: u64,
        /// Numbers and copies, rising, all above `after` and `known_good`.
        entries: Vec<(u64, Entry)>,
        /// Whether another piece follows.
        more: bool,
    },
    /// To a member: this epoch has been mutated.
    Clean {
        /// The epoch that is recovered.
        epoch: Epoch,
        /// The recovery.
        fence: Fence,
    },
    /// That the epoch is clean here is durable.
    Cleaned {
        /// The epoch that is recovered.
        epoch: Epoch,
        /// The recovery.
        fence: Fence,
    },
    /// To a member: everything up to this position is final and may be read. All earlier epochs are clean.
    Release {
        /// Epoch of the sequencer, and its last known good.
        lsn: Lsn,
    },
    /// To a member: what stands at this position?
    Read {
        /// The position.
        lsn: Lsn,
    },
    /// What a member has at a position.
    Answer {
        /// The position.
        lsn: Lsn,
        /// What it has.
        found: Found,
    },
}

/// What one member has at a position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Found {
    /// A copy; what is released is final, so every copy says the same.
    Copy(Content),
    /// The position is released, and no copy is here.
    Nothing,
    /// The position is not released here, as far as this member knows.
    NotReleased,
}

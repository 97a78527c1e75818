//! The replicated data path of one partition: numbering, storing, acknowledging, recovering and reading its records, without I/O.
//!
//! ```text
//! client ─ append ─▶ Sequencer ─ Store ─▶ StoringMember ×R          an entry has a position: (epoch, number)
//!        ◀─ ack ───            ◀ Stored ─                           after W durable copies
//!                        │
//!                 TakeEpoch, AdvanceClean ─▶ EpochStore             linearizable: consensus will feed it
//!
//! reader ─ Read ─▶ StoringMember ×N ─ Answer ─▶ Reader ─▶ record, hole, bridge, or a gap
//! ```
//!
//! A record does not go through consensus; consensus only says who may number. The sequencer of an epoch numbers records from 1 on and sends each
//! to R of the N members of the nodeset, in waves, until W of them have a durable copy. q = N − W + 1 members share one with every W.
//!
//! **The rules**, each of which has its [`Rule`] to show that histories go wrong without it:
//!
//! 1. Epochs are unique and rise; the epoch store gives them.
//! 2. A new sequencer of epoch e seals epoch e − 1 on q members of the nodeset of every epoch before e that is not clean, durably, before it asks for a digest. A member refuses waves of epochs at
//!    or below its seal.
//! 3. A member says "stored" when the copy is durable.
//! 4. Nothing is acknowledged in epoch e before that.
//! 5. A copy stored by a recovery outranks one of a wave; of two recoveries the higher fence outranks.
//! 6. Digest, mutation and clean carry the recovery's fence, (seal epoch, attempt), which the member keeps durably; it refuses lower ones.
//! 7. A recovery reads the digests of max(q, W) members of the epoch's nodeset and mutates the same ones: the copy that outranks counts, every copy there
//!    is replaced, positions without a record become holes, and a bridge comes behind the last record. A record behind a bridge of higher
//!    precedence becomes a hole.
//! 8. When all of it is stored, and all members of the digest have said that they are clean, the last clean epoch advances, by
//!    compare-and-set, together with the epoch's last known good.
//! 9. Positions are released when all earlier epochs are clean.
//! 10. A member that missed a recovery removes what is above last known good, the one that consensus keeps, before it serves the epoch.
//! 11. Last known good advances without gaps: everything up to it has W copies.
//! 12. A sequencer that restarts takes a new epoch; no number is given twice.
//! 13. A preempted sequencer stops.
//! 14. A sequencer takes records of producers when it has folded all earlier epochs, adds what it accepts, and acknowledges those of one producer in
//!     order. A record behind a missing one of its producer does not count.
//!
//! **Acknowledgements.** An append says when it wants one, see [`AckMode`]: a member says "received" at once and "stored" when the copy is durable.
//! Only "stored" counts for known good, and so for releases. An entry that is acknowledged before it is durable has a position, and no offset yet: an entry before it may still
//! become a hole, and so may it.
//!
//! **What holds.** What was acknowledged as durable is read, unchanged. Readers agree about every position: record, hole or bridge. A position has one
//! acknowledged value at most. What is appended after an acknowledgement stands behind it. No member stores below the seal that it has
//! confirmed. Epoch, last clean epoch, seals and releases never go back. A reader finds a gap only where W copies were lost.
//!
//! **Why a recovery may be repeated.** Its copies and its bridge are on W members when it says "clean"; two recoveries share a
//! member, so the next one either fenced it off before or finds all of it, and rules 5 and 7 make it decide the same. What a member keeps of an
//! attempt that came to nothing is replaced (in the digest) or purged (outside of it).
//!
//! **Reading on.** Behind a record or a hole comes the next number, behind a bridge the first number of the next epoch; a reader asks for
//! nothing else. Dense offsets are given when positions are released, by whoever serves them.
//!
//! **Durability.** A member's state is [`MemberState`] and its copies; it asks for [`Change`]s and withholds every answer until those before
//! it are durable. Sequencers, recoveries and readers keep nothing.
//!
//! **Bounds.** Peers may be late, doubled, mistaken or gone; nothing that they send makes a machine here panic, loop, or keep more
//! than: [`MAX_UNACKNOWLEDGED`] entries of a sequencer and [`MAX_UNACKNOWLEDGED_BYTES`] of them, as many of each member of a digest,
//! [`MAX_WITHHELD`] answers of a member. That they do not lie about what they have is assumed, here as everywhere inside a cluster.
//!
//! **Nodesets.** Each epoch has one from its beginning to its end; whoever takes an epoch may change it. The epoch store keeps those of the epochs that are
//! not clean, since all that is said about an epoch is said to its own nodeset: waves, seals, digests, mutations, "clean" and reads. A member that
//! was left out keeps its copies, and hears once that the epochs before are clean; who missed that learns it from the epoch store, which a host asks for
//! members that hear nothing. A member that is new begins with nothing, and learns from the epoch store of the epochs it had no part in.

mod ack_mode;
mod codec;
mod copies;
mod entry;
mod epoch_store;
mod lsn;
mod member_state;
mod message;
mod nodeset;
mod payload;
mod producers;
mod reader;
mod recovery;
mod rule;
mod sequencer;
mod storing_member;

pub use ack_mode::AckMode;
pub use codec::{MAX_CHANGES, MAX_CHANGES_BYTES, MAX_MESSAGE_BYTES};
pub use copies::{Copies, MemoryCopies};
pub use entry::{Content, Entry, Fence, Precedence};
pub use epoch_store::{Answer, Command, EpochStore, MAX_EARLIER, MAX_KNOWN_GOOD, Metadata};
pub use lsn::{Epoch, Lsn};
pub use member_state::{Change, MemberState};
pub use message::{Found, Message};
pub(crate) use nodeset::score;
pub use nodeset::{MAX_NODESET, MemberId, NodeSet, NodeSetError};
use payload::MAX_HEAD;
pub use payload::{Payload, Stamp};
pub use producers::{Folded, MAX_PRODUCER_RECORDS, MAX_PRODUCERS, ProducerId, Producers, Standing};
pub use reader::{Reader, Verdict};
pub use rule::Rule;
pub use sequencer::{Refusal, Sequencer, SequencerEffect, SequencerInput};
pub use storing_member::{
    MAX_DIGEST_BYTES, MAX_DIGEST_ENTRIES, MAX_KNOWN_EPOCHS, MAX_UNCLEAN_EPOCHS, MAX_WITHHELD, MemberEffect,
    MemberInput, StoringMember,
};

/// Entries of a sequencer that are not known good yet, at most.
pub const MAX_UNACKNOWLEDGED: usize = 1024;
/// Their bytes, at most; one entry of any size is always taken.
pub const MAX_UNACKNOWLEDGED_BYTES: usize = 64 << 20;
/// Bytes of one record, at most: it may be a batch of what clients call records.
pub const MAX_PAYLOAD_BYTES: usize =
    MAX_HEAD + crate::MAX_APPEND_BYTES + crate::items::ITEM_HEADER * crate::MAX_APPEND_RECORDS;

#[cfg(test)]
mod sim;
#[cfg(test)]
pub(crate) use sim::SimRng;

//! The replicated data path of one partition.

mod copies;
mod entry;
mod epoch_store;
mod lsn;
mod member_state;
mod message;
mod nodeset;
mod reader;
mod recovery;
mod rule;
mod sequencer;
mod storing_member;

pub use copies::{Copies, MemoryCopies};
pub use entry::{Content, Entry, Fence, Precedence};
pub use epoch_store::{Answer, Command, EpochStore, MAX_KNOWN_GOOD, Metadata};
pub use lsn::{Epoch, Lsn};
pub use member_state::{Change, MemberState};
pub use message::{Found, Message};
pub use nodeset::{MAX_NODESET, MemberId, NodeSet, NodeSetError};
pub use reader::{Reader, Verdict};
pub use rule::Rule;
pub use sequencer::{Refusal, Sequencer, SequencerEffect, SequencerInput};
pub use storing_member::{MAX_UNCLEAN_EPOCHS, MAX_WITHHELD, MemberEffect, MemberInput, StoringMember};

/// Entries of a sequencer that are not known good yet, at most.
pub const MAX_UNACKNOWLEDGED: usize = 1024;
/// Their bytes, at most; one entry of any size is always taken.
pub const MAX_UNACKNOWLEDGED_BYTES: usize = 64 << 20;
/// Bytes of one record, at most: it may be a batch of what clients call records.
pub const MAX_PAYLOAD_BYTES: usize = crate::MAX_APPEND_BYTES;

#[cfg(test)]
mod sim;

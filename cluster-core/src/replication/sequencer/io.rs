//! What a sequencer takes and gives.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::super::{AckMode, Answer, Command, Epoch, Lsn, MemberId, Message, Producers};
#[cfg(doc)]
use super::super::{MAX_PAYLOAD_BYTES, Payload, Standing};
#[cfg(doc)]
use super::Sequencer;

/// What a sequencer is fed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SequencerInput {
    /// A client's record.
    Append {
        /// The caller's own number for it; it comes back in the answer.
        ticket: u64,
        /// When it is acknowledged.
        mode: AckMode,
        /// The record, as [`Payload::wrap`] makes it.
        payload: Bytes,
    },
    /// Some time has passed: everything that is waited for is asked for again. The first one begins the work.
    Tick,
    /// Tell the members at once what is known good, and not with the next tick.
    Release,
    /// Begin the recovery that is going on anew, under another attempt: a member that it waits for is known to be away.
    Retry,
    /// A message has arrived.
    Message {
        /// Who sent it.
        from: MemberId,
        /// The message.
        message: Message,
    },
    /// What the epoch store answered to a [`SequencerEffect::Ask`].
    Answer(Answer),
    /// These members are known to be away: copies go to them last. Takes the place of what was said before.
    Away(BTreeSet<MemberId>),
    /// The producers as of what is released. Taken where [`Sequencer::awaits_producers`] and all earlier epochs are in it, ignored otherwise.
    Producers(Producers),
}

/// What a sequencer wants done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SequencerEffect {
    /// The append has this position. It may still be lost.
    Accepted {
        /// The caller's number.
        ticket: u64,
        /// Its position.
        lsn: Lsn,
    },
    /// The append has no position and never will have.
    Refused {
        /// The caller's number.
        ticket: u64,
        /// Why.
        why: Refusal,
    },
    /// The record is there already, by an earlier append with the same stamp.
    Duplicate {
        /// The caller's number.
        ticket: u64,
        /// Its position.
        lsn: Lsn,
        /// Offset of the first record in it, where it was folded or [`Sequencer::placed`] said so.
        offset: Option<u64>,
        /// Whether it is durable for good. If not, [`SequencerEffect::Acknowledged`] follows.
        acknowledged: bool,
    },
    /// The entry at this position is as safe as its appends wanted. Said once, and again after a duplicate.
    Acknowledged {
        /// Its position.
        lsn: Lsn,
        /// How safe: [`AckMode::Durable`] is for good.
        mode: AckMode,
    },
    /// The sequencer has stopped. What is accepted and not acknowledged may or may not have been stored: the recovery decides.
    Stopped {
        /// The newer epoch, or one before it.
        newer: Epoch,
    },
    /// Send a message.
    Send {
        /// To whom.
        to: MemberId,
        /// The message.
        message: Message,
    },
    /// Ask the epoch store.
    Ask(Command),
}

/// Why an append got no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Too much waits for its acknowledgement: try again later.
    Busy,
    /// Another sequencer is in charge.
    Stopped,
    /// More than [`MAX_PAYLOAD_BYTES`].
    TooLarge,
    /// Not what [`Payload::wrap`] makes.
    Malformed,
    /// It is of a producer, and the epochs before are not recovered or not folded yet: try again soon.
    Recovering,
    /// A record of this producer before it is missing. Whoever was told that it is durable was told wrong: that never happens.
    Gap {
        /// The sequence number that is next.
        expected: u64,
    },
    /// See [`Standing::UnknownProducer`].
    UnknownProducer,
}

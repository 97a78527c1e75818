//! What members send to each other: calls of groups, notes of partitions, appends for who leads, who leads and joins, and whom they hear.

use std::collections::BTreeSet;

use bytes::Bytes;
use pyralog_crypto::{CodecError, Encode, Reader, Writer};

use super::lacks::Lacks;
use crate::PartitionId;
use crate::member::{Acked, MAX_NOTE_BYTES, Note, Placed, Unplaced};
use crate::raft::{Hello, MAX_FRAME_BYTES, NewMember};
use crate::replication::{AckMode, MAX_PAYLOAD_BYTES, MemberId};

/// Bytes of an envelope, at most.
pub const MAX_ENVELOPE_BYTES: usize =
    256 + if MAX_NOTE_BYTES > MAX_FRAME_BYTES { MAX_NOTE_BYTES } else { MAX_FRAME_BYTES };

/// Bytes of a reason, at most.
pub const MAX_WHY: usize = 2048;

/// Members that [`Envelope::Hears`] names, at most.
pub const MAX_HEARD: usize = 64;

/// ```text
/// 1:u8 id:u64 group:u64 frame             a question to a group
/// 2:u8 id:u64 frame                       its answer; an empty one says that there is none
/// 3:u8 partition:u64 note                 see [`Note`]
/// 4:u8 id:u64 partition:u64 mode payload  an append for who leads the partition; see [`AckMode`]
/// 5:u8 id:u64 acked                       its answer: 0:u8 offset:u64 lsn, 1:u8 not the leader, 2:u8 busy, 3:u8 invalid,
///                                         4:u8 copies:u32 wanted:u32 unknown, 5:u8 expected:u64 a gap before it,
///                                         6:u8 an unknown producer, 7:u8 mode lsn before it is durable,
///                                         or 8:u8 the leader's disk is full
/// 6:u8 0:u64 partition:u64                please lead the partition
/// 7:u8 0:u64 member                       whoever has no id, or lost its disk, asks to be let in
/// 8:u8 id:u64                             it is the member of this id from now on
/// 9:u8 id:u64                             the member of this id was removed
/// 10:u8 id:u64 question                   of the node that the member runs in, which reads it
/// 11:u8 id:u64 answer                     its answer; an empty one says that there is none
/// 12:u8 lacks:u64 list<member:u64>        whom the sender hears: at most 64, rising; and what it lacks: bit 0 records, bit 1 blocks, bit 2 leaves,
///                                         bit 3 says that records are on no member any more, and the others are 0
/// 13:u8 id:u64 partition:u64 mode payload      an append for who leads the partition, whom the sender does not hear
/// 14:u8 lasts:u64 text                    whoever asked is not let in, and why; 1 where that stays so unless somebody mends it, else 0
/// 15:u8 id:u64 partition:u64 from:u64     which records the receiver has from an offset on; answered by 11, see `Holdings`
/// 16:u8 id:u64 partition:u64 from:u64     the records from an offset on, as the receiver has them; answered by 11, see `crate::items`
/// 17:u8 id:u64 member:u64                 what the receiver has of the partitions that it stores with a member; answered by 11, see `stock`
/// 18:u8 0:u64 to:u64 hello envelope       one of 3 to 6, 10 to 13 and 15 to 17, with who sends it and whom it is for: without that these count for nothing
/// ```
///
/// What stands last fills the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// A question to a group.
    Call {
        /// Of the caller's own; it comes back.
        id: u64,
        /// The group.
        group: u64,
        /// The question.
        frame: Bytes,
    },
    /// Its answer.
    Answer {
        /// As in the question.
        id: u64,
        /// The answer; `None` where the group gives none.
        frame: Option<Bytes>,
    },
    /// About a partition.
    Note {
        /// The partition.
        partition: PartitionId,
        /// The note.
        note: Note,
    },
    /// An append.
    Append {
        /// Of the sender's own; it comes back.
        id: u64,
        /// The partition.
        partition: PartitionId,
        /// When it is answered.
        mode: AckMode,
        /// See [`crate::payload`].
        payload: Bytes,
    },
    /// Its answer.
    Appended {
        /// As in the append.
        id: u64,
        /// Where it is, or will be if it is not lost.
        acked: Result<Acked, Unplaced>,
    },
    /// An append that the receiver sends on to who leads, and to nobody else; answered like one that it leads itself.
    Relay {
        /// Of the sender's own; it comes back.
        id: u64,
        /// The partition.
        partition: PartitionId,
        /// When it is answered.
        mode: AckMode,
        /// See [`crate::payload`].
        payload: Bytes,
    },
    /// The receiver is asked to lead a partition.
    Lead {
        /// The partition.
        partition: PartitionId,
    },
    /// A member of before that lost its disk asks for a new id.
    Join(NewMember),
    /// Who asked is this member from now on.
    Joined {
        /// Its id.
        member: MemberId,
    },
    /// Who asked is not let in.
    NotJoined {
        /// Whether it stays so unless somebody mends it.
        lasts: bool,
        /// Why, and what mends it; at most [`MAX_WHY`] bytes.
        why: String,
    },
    /// A question of the node, which the other node answers.
    Ask {
        /// Of the sender's own; it comes back.
        id: u64,
        /// The question.
        question: Bytes,
    },
    /// Its answer.
    Told {
        /// As in the question.
        id: u64,
        /// The answer; `None` where the node gives none.
        answer: Option<Bytes>,
    },
    /// Which records of a partition has the receiver, and not their stubs? Answered by [`Envelope::Told`].
    Survey {
        /// Of the sender's own; it comes back.
        id: u64,
        /// The partition.
        partition: PartitionId,
        /// Offset of the first one that is asked for.
        from: u64,
    },
    /// Records of a partition, as the receiver has them. Answered by [`Envelope::Told`].
    Records {
        /// Of the sender's own; it comes back.
        id: u64,
        /// The partition.
        partition: PartitionId,
        /// Offset of the first one that is wanted.
        from: u64,
    },
    /// A member is to be removed: what has the receiver of the partitions that it stores with it? Answered by [`Envelope::Told`].
    Leaving {
        /// Of the sender's own; it comes back.
        id: u64,
        /// Who is to be removed.
        member: MemberId,
    },
    /// Whom the sender hears, itself among them, and what it lacks.
    Hears {
        /// At most [`MAX_HEARD`].
        members: BTreeSet<MemberId>,
        /// What it lacks.
        lacks: Lacks,
    },
    /// An envelope with who sends it and whom it is for: a link knows keys only, and a key may be that of a member and of who took its place.
    From {
        /// Whom it is for.
        to: MemberId,
        /// Who sends it.
        hello: Hello,
        /// One that [`Envelope::names_sender`].
        envelope: Box<Envelope>,
    },
    /// The receiver was removed: it hears nothing more.
    Removed {
        /// Its id: it may have another one by now.
        member: MemberId,
    },
}

impl Envelope {
    /// Whether it is part of catching up, and may wait for what is not.
    #[must_use]
    pub fn is_bulk(&self) -> bool {
        match self {
            Self::Note { note, .. } => note.is_bulk(),
            Self::Ask { .. } | Self::Told { .. } => true,
            Self::Survey { .. } | Self::Records { .. } | Self::Leaving { .. } => true,
            Self::From { envelope, .. } => envelope.is_bulk(),
            _ => false,
        }
    }

    /// Whether it counts only with who sends it. Frames of groups say so themselves; and whoever has no id yet, or none any more, cannot.
    #[must_use]
    pub fn names_sender(&self) -> bool {
        !matches!(
            self,
            Self::Call { .. }
                | Self::Answer { .. }
                | Self::Join(_)
                | Self::Joined { .. }
                | Self::NotJoined { .. }
                | Self::Removed { .. }
                | Self::From { .. }
        )
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Writer::default();
        let last = self.put(&mut out);
        if last.is_empty() { out.into_bytes().into() } else { [out.as_bytes(), &last].concat().into() }
    }

    /// Writes all but what stands last.
    fn put(&self, out: &mut Writer) -> Bytes {
        match self {
            Self::Call { id, group, frame } => {
                out.u8(1).u64(*id).u64(*group);
                frame.clone()
            }
            Self::Answer { id, frame } => {
                out.u8(2).u64(*id);
                frame.clone().unwrap_or_default()
            }
            Self::Note { partition, note } => {
                out.u8(3).u64(partition.0);
                let (head, record) = note.to_parts();
                out.raw(&head);
                record
            }
            Self::Append { id, partition, mode, payload } => {
                out.u8(4).u64(*id).u64(partition.0).put(mode);
                payload.clone()
            }
            Self::Relay { id, partition, mode, payload } => {
                out.u8(13).u64(*id).u64(partition.0).put(mode);
                payload.clone()
            }
            Self::Appended { id, acked } => {
                put_acked(out.u8(5).u64(*id), acked);
                Bytes::new()
            }
            Self::Lead { partition } => {
                out.u8(6).u64(0).u64(partition.0);
                Bytes::new()
            }
            Self::Join(new) => {
                out.u8(7).u64(0).put(new);
                Bytes::new()
            }
            Self::Joined { member } => {
                out.u8(8).u64(member.0);
                Bytes::new()
            }
            Self::Removed { member } => {
                out.u8(9).u64(member.0);
                Bytes::new()
            }
            Self::NotJoined { lasts, why } => {
                out.u8(14).u64((*lasts).into()).text(why);
                Bytes::new()
            }
            Self::Ask { id, question } => {
                out.u8(10).u64(*id);
                question.clone()
            }
            Self::Told { id, answer } => {
                out.u8(11).u64(*id);
                answer.clone().unwrap_or_default()
            }
            Self::Survey { id, partition, from } => {
                out.u8(15).u64(*id).u64(partition.0).u64(*from);
                Bytes::new()
            }
            Self::Records { id, partition, from } => {
                out.u8(16).u64(*id).u64(partition.0).u64(*from);
                Bytes::new()
            }
            Self::Leaving { id, member } => {
                out.u8(17).u64(*id).u64(member.0);
                Bytes::new()
            }
            Self::Hears { members, lacks } => {
                let members: Vec<u64> = members.iter().map(|member| member.0).collect();
                out.u8(12).u64(lacks.to_bits().into()).list(&members, |out, member| {
                    out.u64(*member);
                });
                Bytes::new()
            }
            Self::From { to, hello, envelope } => {
                out.u8(18).u64(0).u64(to.0).put(hello);
                envelope.put(out)
            }
        }
    }

    /// The envelope that fills `bytes`; what stands last is part of them.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that are none, or longer than [`MAX_ENVELOPE_BYTES`].
    pub fn from_shared(bytes: &Bytes) -> Result<Self, CodecError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(CodecError::TooLong { what: "envelope", max: MAX_ENVELOPE_BYTES, found: bytes.len() });
        }
        let mut input = Reader::new(bytes);
        let kind = input.u8()?;
        let id = input.u64()?;
        let rest = |input: &Reader<'_>| bytes.slice(bytes.len() - input.remaining()..);
        match kind {
            1 => {
                let group = input.u64()?;
                Ok(Self::Call { id, group, frame: rest(&input) })
            }
            2 => Ok(Self::Answer { id, frame: Some(rest(&input)).filter(|frame| !frame.is_empty()) }),
            3 => Ok(Self::Note { partition: PartitionId(id), note: Note::from_shared(&rest(&input))? }),
            4 => {
                let (partition, mode) = (PartitionId(input.u64()?), input.get()?);
                Ok(Self::Append { id, partition, mode, payload: payload(rest(&input))? })
            }
            5 => {
                let acked = acked(&mut input)?;
                input.finish().map(|()| Self::Appended { id, acked })
            }
            6 | 7 | 18 if id != 0 => Err(CodecError::Invalid { what: "envelope", why: "its id is not 0" }),
            6 => {
                let partition = PartitionId(input.u64()?);
                input.finish().map(|()| Self::Lead { partition })
            }
            7 => {
                let new = input.get()?;
                input.finish().map(|()| Self::Join(new))
            }
            8 => input.finish().map(|()| Self::Joined { member: MemberId(id) }),
            9 => input.finish().map(|()| Self::Removed { member: MemberId(id) }),
            10 => Ok(Self::Ask { id, question: rest(&input) }),
            11 => Ok(Self::Told { id, answer: Some(rest(&input)).filter(|answer| !answer.is_empty()) }),
            12 => {
                let (lacks, members) = (Lacks::from_bits(id)?, members(&mut input)?);
                input.finish().map(|()| Self::Hears { members, lacks })
            }
            13 => {
                let (partition, mode) = (PartitionId(input.u64()?), input.get()?);
                Ok(Self::Relay { id, partition, mode, payload: payload(rest(&input))? })
            }
            14 if id > 1 => Err(CodecError::Tag { what: "whether a refusal lasts", found: id }),
            14 => {
                let why = input.text(MAX_WHY)?.to_owned();
                input.finish().map(|()| Self::NotJoined { lasts: id == 1, why })
            }
            15 | 16 => {
                let (partition, from) = (PartitionId(input.u64()?), input.u64()?);
                input.finish()?;
                Ok(if kind == 15 {
                    Self::Survey { id, partition, from }
                } else {
                    Self::Records { id, partition, from }
                })
            }
            17 => {
                let member = MemberId(input.u64()?);
                input.finish().map(|()| Self::Leaving { id, member })
            }
            18 => {
                let (to, hello) = (MemberId(input.u64()?), input.get()?);
                let inner = rest(&input);
                let needless = CodecError::Invalid { what: "envelope", why: "it needs no sender" };
                // One in another would be read to any depth.
                if inner.first() == Some(&kind) {
                    return Err(needless);
                }
                let envelope = Box::new(Self::from_shared(&inner)?);
                if envelope.names_sender() { Ok(Self::From { to, hello, envelope }) } else { Err(needless) }
            }
            found => Err(CodecError::Tag { what: "envelope", found: found.into() }),
        }
    }
}

fn payload(bytes: Bytes) -> Result<Bytes, CodecError> {
    match bytes.len() {
        0..=MAX_PAYLOAD_BYTES => Ok(bytes),
        found => Err(CodecError::TooLong { what: "payload", max: MAX_PAYLOAD_BYTES, found }),
    }
}

/// Each once, in order.
fn members(input: &mut Reader<'_>) -> Result<BTreeSet<MemberId>, CodecError> {
    let listed = input.list(MAX_HEARD, |input| input.u64().map(MemberId))?;
    if !listed.is_sorted_by(|before, after| before < after) {
        return Err(CodecError::Invalid { what: "members that are heard", why: "they do not rise" });
    }
    Ok(listed.into_iter().collect())
}

fn put_acked(out: &mut Writer, acked: &Result<Acked, Unplaced>) {
    match acked {
        Ok(Acked::Durable(Placed { offset, lsn })) => out.u8(0).u64(*offset).put(lsn),
        Err(Unplaced::NotLeader) => out.u8(1),
        Err(Unplaced::Busy) => out.u8(2),
        Err(Unplaced::Invalid) => out.u8(3),
        // Bounded by the largest nodeset.
        Err(Unplaced::Unknown { copies, wanted }) => out.u8(4).u32(*copies as u32).u32(*wanted as u32),
        Err(Unplaced::Gap { expected }) => out.u8(5).u64(*expected),
        Err(Unplaced::UnknownProducer) => out.u8(6),
        Ok(Acked::Early { lsn, mode }) => out.u8(7).put(mode).put(lsn),
        Err(Unplaced::DiskFull) => out.u8(8),
    };
}

fn acked(input: &mut Reader<'_>) -> Result<Result<Acked, Unplaced>, CodecError> {
    Ok(match input.u8()? {
        0 => Ok(Acked::Durable(Placed { offset: input.u64()?, lsn: input.get()? })),
        1 => Err(Unplaced::NotLeader),
        2 => Err(Unplaced::Busy),
        3 => Err(Unplaced::Invalid),
        4 => Err(Unplaced::Unknown { copies: input.u32()? as usize, wanted: input.u32()? as usize }),
        5 => Err(Unplaced::Gap { expected: input.u64()? }),
        6 => Err(Unplaced::UnknownProducer),
        7 => match input.get()? {
            AckMode::Durable => {
                return Err(CodecError::Invalid { what: "answer to an append", why: "it is early and durable" });
            }
            mode => Ok(Acked::Early { mode, lsn: input.get()? }),
        },
        8 => Err(Unplaced::DiskFull),
        found => return Err(CodecError::Tag { what: "answer to an append", found: found.into() }),
    })
}

impl Encode for Envelope {
    fn encode(&self, out: &mut Writer) {
        out.raw(&Envelope::to_bytes(self));
    }
}

#[cfg(test)]
mod tests;

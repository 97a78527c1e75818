//! What members of a group say to each other.
//!
//! A frame is `version:u8 (1) hello message`; [`Hello`] says who speaks, and both ends check it.

use std::collections::BTreeSet;

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, VoteRequest, VoteResponse};
use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::codec::{
    self, entry, ids, log_id, meta, option, put_entry, put_log_id, put_meta, put_option, put_vote, vote,
};
use super::identity::{Hello, Stranger};
use super::types::{Entry, LogId, Types, Vote};
use super::{MAX_ANSWER_BYTES, MAX_APPEND_ENTRIES, MAX_CHUNK_BYTES, MAX_COMMAND_BYTES, MAX_SNAPSHOT_BYTES};

/// Most bytes of a text that says what went wrong.
const MAX_TEXT: usize = 512;

/// A change of who is in a group. Each is a joint change where it touches voters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Send the log to this member, too.
    AddLearner(u64),
    /// Make the learner a voter.
    Promote(u64),
    /// Make the voter a learner.
    Demote(u64),
    /// Send the log to this member no more; a voter loses its vote first.
    Remove(u64),
    /// The same, for another one that takes its place: refused while the leader hears the member.
    Replace(u64),
}

/// A question to a member of a group.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<u64>),
    Snapshot(InstallSnapshotRequest<Types>),
    /// For the leader: put this command into the log.
    Propose(Bytes),
    /// For the leader: change who is in the group.
    Change(Change),
    /// For the leader: how far must I be to read what holds now?
    ReadAt,
    /// From the leader: become the leader.
    TakeOver,
    /// Are you there?
    Ping,
}

/// The answer to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Append(AppendEntriesResponse<u64>),
    Vote(VoteResponse<u64>),
    /// The vote of the receiver of a chunk.
    Snapshot(Vote),
    /// Begin again at this chunk.
    SnapshotMismatch,
    /// The entry at this index was applied.
    Applied {
        index: u64,
        answer: Bytes,
    },
    /// Nothing was done, ask that one.
    NotLeader(Option<u64>),
    /// It may or may not be done yet; these members have been heard of.
    Uncertain(BTreeSet<u64>),
    /// Read behind this index.
    ReadAt(Option<u64>),
    Done,
    /// Nothing was done, and never will be.
    Refused(String),
    /// The group does not run there.
    Stopped(String),
    /// The speaker is not who it should be.
    Stranger(Stranger),
}

impl Encode for Change {
    fn encode(&self, out: &mut Writer) {
        let (tag, member) = match self {
            Self::AddLearner(member) => (0, member),
            Self::Promote(member) => (1, member),
            Self::Demote(member) => (2, member),
            Self::Remove(member) => (3, member),
            Self::Replace(member) => (4, member),
        };
        out.u8(tag).u64(*member);
    }
}

impl Decode for Change {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let kind = match input.u8()? {
            0 => Self::AddLearner,
            1 => Self::Promote,
            2 => Self::Demote,
            3 => Self::Remove,
            4 => Self::Replace,
            found => return Err(CodecError::Tag { what: "change of a group", found: found.into() }),
        };
        input.u64().map(kind)
    }
}

/// `tag:u8`, then what it is about, in the order of the fields.
impl Encode for Request {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Append(request) => {
                out.u8(0);
                put_vote(out, &request.vote);
                put_option(out, request.prev_log_id.as_ref());
                out.list(&request.entries, put_entry);
                put_option(out, request.leader_commit.as_ref());
            }
            Self::Vote(request) => {
                out.u8(1);
                put_vote(out, &request.vote);
                put_option(out, request.last_log_id.as_ref());
            }
            Self::Snapshot(request) => {
                out.u8(2);
                put_vote(out, &request.vote);
                put_meta(out, &request.meta);
                out.u64(request.offset).bytes(&request.data).bool(request.done);
            }
            Self::Propose(command) => {
                out.u8(3).bytes(command);
            }
            Self::Change(change) => {
                out.u8(4).put(change);
            }
            Self::ReadAt => {
                out.u8(5);
            }
            Self::TakeOver => {
                out.u8(6);
            }
            Self::Ping => {
                out.u8(7);
            }
        }
    }
}

impl Decode for Request {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => {
                let (vote, prev_log_id) = (vote(input)?, option(input)?);
                let entries = input.list(MAX_APPEND_ENTRIES, entry)?;
                check_consecutive(prev_log_id.as_ref(), &entries)?;
                let leader_commit = option(input)?;
                Self::Append(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
            }
            1 => Self::Vote(VoteRequest { vote: vote(input)?, last_log_id: option(input)? }),
            2 => {
                let (vote, meta, offset) = (vote(input)?, meta(input)?, input.u64()?);
                let data = input.bytes(MAX_CHUNK_BYTES)?.to_vec();
                // The receiver writes at the offset, into memory.
                if offset.saturating_add(data.len() as u64) > MAX_SNAPSHOT_BYTES as u64 {
                    return Err(CodecError::Invalid { what: "snapshot", why: "larger than a snapshot may be" });
                }
                Self::Snapshot(InstallSnapshotRequest { vote, meta, offset, data, done: input.bool()? })
            }
            3 => Self::Propose(Bytes::copy_from_slice(input.bytes(MAX_COMMAND_BYTES)?)),
            4 => Self::Change(input.get()?),
            5 => Self::ReadAt,
            6 => Self::TakeOver,
            7 => Self::Ping,
            found => return Err(CodecError::Tag { what: "Raft request", found: found.into() }),
        })
    }
}

/// openraft takes it for granted.
fn check_consecutive(previous: Option<&LogId>, entries: &[Entry]) -> Result<(), CodecError> {
    let mut due = previous.map_or(Some(0), |id| id.index.checked_add(1));
    for entry in entries {
        if due != Some(entry.log_id.index) {
            return Err(CodecError::Invalid { what: "log entries", why: "a gap between them" });
        }
        due = entry.log_id.index.checked_add(1);
    }
    Ok(())
}

/// `tag:u8`, then what it says, in the order of the fields.
impl Encode for Reply {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Append(AppendEntriesResponse::Success) => {
                out.u8(0);
            }
            Self::Append(AppendEntriesResponse::PartialSuccess(upto)) => {
                out.u8(1);
                put_option(out, upto.as_ref());
            }
            Self::Append(AppendEntriesResponse::Conflict) => {
                out.u8(2);
            }
            Self::Append(AppendEntriesResponse::HigherVote(vote)) => {
                out.u8(3);
                put_vote(out, vote);
            }
            Self::Vote(answer) => {
                out.u8(4);
                put_vote(out, &answer.vote);
                out.bool(answer.vote_granted);
                out.option(answer.last_log_id.as_ref(), put_log_id);
            }
            Self::Snapshot(vote) => {
                out.u8(5);
                put_vote(out, vote);
            }
            Self::SnapshotMismatch => {
                out.u8(6);
            }
            Self::Applied { index, answer } => {
                out.u8(7).u64(*index).bytes(answer);
            }
            Self::NotLeader(leader) => {
                out.u8(8);
                put_number(out, leader.as_ref());
            }
            Self::Uncertain(heard) => {
                let heard: Vec<u64> = heard.iter().copied().collect();
                out.u8(9).list(&heard, |out, id| {
                    out.u64(*id);
                });
            }
            Self::ReadAt(index) => {
                out.u8(10);
                put_number(out, index.as_ref());
            }
            Self::Done => {
                out.u8(11);
            }
            Self::Refused(why) => {
                out.u8(12).text(cut(why));
            }
            Self::Stopped(why) => {
                out.u8(13).text(cut(why));
            }
            Self::Stranger(why) => {
                out.u8(14).put(why);
            }
        }
    }
}

fn put_number(out: &mut Writer, number: Option<&u64>) {
    out.option(number, |out, number| {
        out.u64(*number);
    });
}

/// As much of a text as is sent.
fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(MAX_TEXT)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

impl Decode for Reply {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => Self::Append(AppendEntriesResponse::Success),
            1 => Self::Append(AppendEntriesResponse::PartialSuccess(option(input)?)),
            2 => Self::Append(AppendEntriesResponse::Conflict),
            3 => Self::Append(AppendEntriesResponse::HigherVote(vote(input)?)),
            4 => {
                let (vote, vote_granted) = (vote(input)?, input.bool()?);
                Self::Vote(VoteResponse { vote, vote_granted, last_log_id: input.option(log_id)? })
            }
            5 => Self::Snapshot(vote(input)?),
            6 => Self::SnapshotMismatch,
            7 => {
                let index = input.u64()?;
                Self::Applied { index, answer: Bytes::copy_from_slice(input.bytes(MAX_ANSWER_BYTES)?) }
            }
            8 => Self::NotLeader(input.option(Reader::u64)?),
            9 => Self::Uncertain(ids(input)?),
            10 => Self::ReadAt(input.option(Reader::u64)?),
            11 => Self::Done,
            12 => Self::Refused(input.text(MAX_TEXT)?.to_owned()),
            13 => Self::Stopped(input.text(MAX_TEXT)?.to_owned()),
            14 => Self::Stranger(input.get()?),
            found => return Err(CodecError::Tag { what: "Raft answer", found: found.into() }),
        })
    }
}

/// A frame with this message.
pub(super) fn frame(hello: &Hello, message: &impl Encode) -> Bytes {
    codec::bytes_of(|out| {
        out.put(hello).put(message);
    })
    .into()
}

/// Who speaks in the frame, and what.
pub(super) fn unframe<T: Decode>(bytes: &[u8]) -> Result<(Hello, T), CodecError> {
    codec::whole("Raft message", bytes, |input| Ok((input.get()?, input.get()?)))
}

#[cfg(test)]
pub(super) mod tests;

//! Canonical encodings of openraft's values, on disk and over links.
//!
//! | value | bytes |
//! |---|---|
//! | log id | `term:u64 leader:u64 index:u64` |
//! | vote | `term:u64 leader:u64 committed:bool` |
//! | membership | `configs:list<list<u64>> members:list<u64>`, each list ascending |
//! | stored membership | `at:option<log id> membership` |
//! | entry | `log id`, then `kind:u8`: 0 blank; 1 `command:bytes`; 2 `membership` |
//! | snapshot's description | `last:option<log id> stored membership id:text` |

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::{EmptyNode, EntryPayload};
use pyralog_crypto::{CodecError, Reader, Writer};

use super::types::{Entry, LogId, Membership, SnapshotMeta, StoredMembership, Vote};
use super::{MAX_COMMAND_BYTES, MAX_GROUP_MEMBERS};

/// A change joins two configurations; more than a few never meet.
const MAX_CONFIGS: usize = 4;
/// Most bytes of a snapshot's id.
const MAX_SNAPSHOT_ID: usize = 128;

/// Reads one value that must fill `bytes` exactly, behind the version byte.
pub(super) fn whole<T>(
    what: &'static str,
    bytes: &[u8],
    f: impl FnOnce(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let mut input = Reader::new(bytes);
    input.version(what, 1)?;
    let value = f(&mut input)?;
    input.finish()?;
    Ok(value)
}

/// The bytes of one value, behind the version byte.
pub(super) fn bytes_of(f: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(1);
    f(&mut out);
    out.into_bytes()
}

pub(super) fn put_log_id(out: &mut Writer, id: &LogId) {
    out.u64(id.leader_id.term).u64(id.leader_id.node_id).u64(id.index);
}

pub(super) fn log_id(input: &mut Reader<'_>) -> Result<LogId, CodecError> {
    let leader = openraft::CommittedLeaderId::new(input.u64()?, input.u64()?);
    Ok(LogId::new(leader, input.u64()?))
}

pub(super) fn put_option(out: &mut Writer, id: Option<&LogId>) {
    out.option(id, put_log_id);
}

pub(super) fn option(input: &mut Reader<'_>) -> Result<Option<LogId>, CodecError> {
    input.option(log_id)
}

pub(super) fn put_vote(out: &mut Writer, vote: &Vote) {
    out.u64(vote.leader_id.term).u64(vote.leader_id.node_id).bool(vote.committed);
}

pub(super) fn vote(input: &mut Reader<'_>) -> Result<Vote, CodecError> {
    let leader_id = openraft::LeaderId::new(input.u64()?, input.u64()?);
    Ok(Vote { leader_id, committed: input.bool()? })
}

fn put_ids<'a>(out: &mut Writer, ids: impl Iterator<Item = &'a u64>) {
    let ids: Vec<u64> = ids.copied().collect();
    out.list(&ids, |out, id| {
        out.u64(*id);
    });
}

pub(super) fn ids(input: &mut Reader<'_>) -> Result<BTreeSet<u64>, CodecError> {
    let list = input.list(MAX_GROUP_MEMBERS, Reader::u64)?;
    if list.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(CodecError::Invalid { what: "members", why: "not ascending" });
    }
    Ok(list.into_iter().collect())
}

pub(super) fn put_membership(out: &mut Writer, membership: &Membership) {
    out.list(membership.get_joint_config(), |out, config| put_ids(out, config.iter()));
    put_ids(out, membership.nodes().map(|(id, _)| id));
}

pub(super) fn membership(input: &mut Reader<'_>) -> Result<Membership, CodecError> {
    let configs = input.list(MAX_CONFIGS, ids)?;
    let members = ids(input)?;
    // openraft would add them, and the value would have a second encoding.
    if configs.iter().any(|config| !config.is_subset(&members)) {
        return Err(CodecError::Invalid { what: "membership", why: "a voter is not a member" });
    }
    let nodes: BTreeMap<u64, EmptyNode> = members.into_iter().map(|id| (id, EmptyNode {})).collect();
    Ok(Membership::new(configs, nodes))
}

pub(super) fn put_stored(out: &mut Writer, stored: &StoredMembership) {
    put_option(out, stored.log_id().as_ref());
    put_membership(out, stored.membership());
}

pub(super) fn stored(input: &mut Reader<'_>) -> Result<StoredMembership, CodecError> {
    Ok(StoredMembership::new(option(input)?, membership(input)?))
}

pub(super) fn put_entry(out: &mut Writer, entry: &Entry) {
    put_log_id(out, &entry.log_id);
    match &entry.payload {
        EntryPayload::Blank => {
            out.u8(0);
        }
        EntryPayload::Normal(command) => {
            out.u8(1).bytes(command);
        }
        EntryPayload::Membership(membership) => {
            out.u8(2);
            put_membership(out, membership);
        }
    }
}

pub(super) fn entry(input: &mut Reader<'_>) -> Result<Entry, CodecError> {
    let log_id = log_id(input)?;
    let payload = match input.u8()? {
        0 => EntryPayload::Blank,
        1 => EntryPayload::Normal(Bytes::copy_from_slice(input.bytes(MAX_COMMAND_BYTES)?)),
        2 => EntryPayload::Membership(membership(input)?),
        found => return Err(CodecError::Tag { what: "log entry", found: found.into() }),
    };
    Ok(Entry { log_id, payload })
}

pub(super) fn put_meta(out: &mut Writer, meta: &SnapshotMeta) {
    put_option(out, meta.last_log_id.as_ref());
    put_stored(out, &meta.last_membership);
    out.text(&meta.snapshot_id);
}

pub(super) fn meta(input: &mut Reader<'_>) -> Result<SnapshotMeta, CodecError> {
    let (last_log_id, last_membership) = (option(input)?, stored(input)?);
    let snapshot_id = input.text(MAX_SNAPSHOT_ID)?.to_owned();
    Ok(SnapshotMeta { last_log_id, last_membership, snapshot_id })
}

#[cfg(test)]
pub(super) mod tests;

//! The decoders of this crate's files, one call each, for fuzzers. None may panic, whatever the bytes; each answers whether it
//! accepted them.

use bytes::Bytes;
use pyralog_crypto::{Decode, Encode};

use crate::cluster::Envelope;
use crate::member::Note;
use crate::replication::{Change, MAX_CHANGES, MAX_DIGEST_ENTRIES, MemberState, Message, Payload, Producers};
use crate::{LogSpec, Record, chain, home, ids, items, journal, notary, raft, replica, segment, slot, tree, wal};

/// A record of the WAL in the journal.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn wal_record(bytes: &[u8]) -> bool {
    wal::Record::decode(bytes).map(|record| assert_eq!(record.encode(), bytes, "two encodings of one record")).is_some()
}

/// A group of leaves in the journal.
#[must_use]
pub fn leaf_group(bytes: &[u8]) -> bool {
    items::decode(bytes, pyralog_crypto::MAX_LEAF_BYTES).is_some()
}

/// One copy of a small record (signer mark, signed checkpoint, synced trees).
#[must_use]
pub fn slot(bytes: &[u8]) -> bool {
    slot::decode(bytes, 0).is_some()
}

/// The contents of the small records of a notary log.
#[must_use]
pub fn log_record(bytes: &[u8]) -> bool {
    notary::decodes(bytes)
}

/// The file `FORMAT`.
#[must_use]
pub fn format(bytes: &[u8]) -> bool {
    home::parse_format(bytes).is_some()
}

/// Values of the chain's index tables.
#[must_use]
pub fn chain_values(bytes: &[u8]) -> bool {
    chain::decodes(bytes)
}

/// The records of the id generators, and an id as text.
#[must_use]
pub fn ids(bytes: &[u8]) -> bool {
    ids::decodes(bytes)
}

/// One record.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn record(bytes: &[u8]) -> bool {
    Record::from_bytes(bytes).map(|record| assert_eq!(record.to_bytes(), bytes, "two encodings of one record")).is_ok()
}

/// The bytes behind the header of a journal file, through recovery, an append, and a second recovery.
///
/// # Panics
/// If the second recovery does not find what the first found, and what was appended.
#[must_use]
pub fn journal_file(bytes: &[u8]) -> bool {
    journal::fuzz::file(bytes)
}

/// The entries of a journal's group.
#[must_use]
pub fn journal_group(bytes: &[u8]) -> bool {
    journal::fuzz::group(bytes)
}

/// The list of a journal's files.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn journal_list(bytes: &[u8]) -> bool {
    journal::fuzz::list(bytes)
}

/// The bytes behind the header of a segment that is not sealed, through recovery, an append, and a second recovery.
///
/// # Panics
/// If the second recovery does not find what the first found, and what was appended.
#[must_use]
pub fn segment_file(bytes: &[u8]) -> bool {
    segment::fuzz::file(bytes)
}

/// An entry of the roots of a partition's segments.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn tree_root(bytes: &[u8]) -> bool {
    tree::fuzz(bytes)
}

/// What the table of logs says of a log.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn log_spec(bytes: &[u8]) -> bool {
    LogSpec::from_bytes(bytes).map(|spec| assert_eq!(spec.to_bytes(), bytes, "two encodings of one log")).is_ok()
}

/// One batch or footer of a segment, page of its index, or record of what is synced.
///
/// # Panics
/// If a footer has another encoding.
#[must_use]
pub fn segment_parts(bytes: &[u8]) -> bool {
    segment::fuzz::parts(bytes)
}

/// A message of the replicated data path.
///
/// # Panics
/// If it has another encoding, or is read otherwise where its records are copied.
#[must_use]
pub fn replication_message(bytes: &[u8]) -> bool {
    let shared = Message::from_shared(&Bytes::copy_from_slice(bytes));
    assert_eq!(shared, Message::from_bytes(bytes), "two meanings of one message");
    let Ok(message) = shared else { return false };
    let (head, record) = message.to_parts();
    assert_eq!([&head[..], &record].concat(), bytes, "two encodings of one message");
    assert_eq!(message.encoded_len(), bytes.len());
    if let Message::Digested { entries, .. } = &message {
        let kept: usize = entries.iter().map(|(_, entry)| entry.content.len()).sum();
        assert!(entries.capacity() <= 2 * MAX_DIGEST_ENTRIES && kept < bytes.len(), "more memory than was sent");
    }
    true
}

/// The changes of a storing member that become durable together.
///
/// # Panics
/// If they have another encoding.
#[must_use]
pub fn replication_changes(bytes: &[u8]) -> bool {
    let Ok(changes) = Change::list_from_shared(&Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(Change::list_to_bytes(&changes), bytes, "two encodings of the same changes");
    assert!(changes.capacity() <= 2 * MAX_CHANGES, "more memory than was written");
    let mut state = MemberState::default();
    changes.iter().for_each(|change| state.apply(change));
    true
}

/// What a storing member knows.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn replication_state(bytes: &[u8]) -> bool {
    let state = MemberState::from_bytes(bytes);
    state.map(|state| assert_eq!(state.to_bytes(), bytes, "two encodings of one state")).is_ok()
}

/// The producers of a partition.
///
/// # Panics
/// If they have another encoding.
#[must_use]
pub fn replication_producers(bytes: &[u8]) -> bool {
    let producers = Producers::from_bytes(bytes);
    producers.map(|producers| assert_eq!(producers.to_bytes(), bytes, "two encodings of the same producers")).is_ok()
}

/// A record with its head.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn replication_payload(bytes: &[u8]) -> bool {
    let Some((kind, record)) = Payload::unwrap(&Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(kind.wrap(&record), bytes, "two encodings of one record");
    true
}

/// What members say to each other about a partition.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn member_note(bytes: &[u8]) -> bool {
    let note = Note::from_shared(&Bytes::copy_from_slice(bytes));
    note.map(|note| assert_eq!(note.to_bytes(), bytes, "two encodings of one note")).is_ok()
}

/// What one member sends to another.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn cluster_envelope(bytes: &[u8]) -> bool {
    let envelope = Envelope::from_shared(&Bytes::copy_from_slice(bytes));
    envelope.map(|envelope| assert_eq!(envelope.to_bytes(), bytes, "two encodings of one envelope")).is_ok()
}

/// An entry of a replica in the journal.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn replica_entry(bytes: &[u8]) -> bool {
    replica::fuzz::entry(bytes)
}

/// A frame of one member of a Raft group to another.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn raft_message(bytes: &[u8]) -> bool {
    raft::fuzz::messages(bytes)
}

/// A record of a Raft group, or of the member, on disk.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn raft_record(bytes: &[u8]) -> bool {
    raft::fuzz::records(bytes)
}

/// A command, an answer, or the state of the global group.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn global_group(bytes: &[u8]) -> bool {
    raft::fuzz::global(bytes)
}

/// A command, an answer, or the state of an epoch shard.
///
/// # Panics
/// If it has another encoding.
#[must_use]
pub fn epoch_shard(bytes: &[u8]) -> bool {
    raft::fuzz::shard(bytes)
}

#[cfg(test)]
mod tests;

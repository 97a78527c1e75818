//! Vote and log of a group.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{EntryPayload, ErrorSubject, ErrorVerb, LogState, OptionalSend, RaftLogReader};
use pyralog_crypto::Decode;

use super::{COMMITTED, ENTRY, PURGED, Shelf, VOTE, damaged, failed};
use crate::raft::MAX_APPEND_BYTES;
use crate::raft::codec::{self, bytes_of, entry, put_entry, put_log_id, put_vote, whole};
use crate::raft::types::{Entry, LogId, StorageError, Types, Vote};
use crate::raft::{GlobalCommand, Life};
use crate::replication::MemberId;
use crate::{Batch, Durability, Error, Family};

/// The log of one group. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::raft) struct LogStore {
    shelf: Shelf,
    ends: Arc<Mutex<Ends>>,
    /// Who begins as a follower, whoever it was before.
    resigns: Option<MemberId>,
    /// Told of the starts of members that the log holds.
    starts: Option<Starts>,
}

/// The newest life of each member whose start stands in the log of the global group, committed or not. Clones share it.
///
/// A member has its next life on its disk before it asks for it, so whoever lacks it runs on an older disk. What is applied is not enough: a member that
/// starts does not know at first how much of its log is committed, and an old copy must not vote before.
#[derive(Debug, Clone, Default)]
pub(in crate::raft) struct Starts(Arc<Mutex<BTreeMap<MemberId, Life>>>);

impl Starts {
    /// The newest life of a member, if the log holds a start of it.
    pub(in crate::raft) fn newest(&self, member: MemberId) -> Option<Life> {
        self.lives().get(&member).copied()
    }

    fn note(&self, entry: &Entry) {
        let EntryPayload::Normal(command) = &entry.payload else { return };
        // One that this release cannot read ends the group where it is applied.
        let Ok(GlobalCommand::Start { member, next, .. }) = GlobalCommand::from_bytes(command) else { return };
        let mut lives = self.lives();
        let life = lives.entry(member).or_insert(next);
        if life.number < next.number {
            *life = next;
        }
    }

    fn lives(&self) -> MutexGuard<'_, BTreeMap<MemberId, Life>> {
        // Nothing in the locked sections panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the log begins and ends.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    purged: Option<LogId>,
    /// The last entry, or the purged one where there is none.
    last: Option<LogId>,
}

impl LogStore {
    /// Finds the ends of the log. A gap in it is damage: no crash makes one.
    pub(in crate::raft) fn open(shelf: Shelf) -> Result<Self, Error> {
        let purged = read(&shelf, PURGED, "purged log id", codec::log_id)?;
        let mut due = purged.map_or(0, |id| id.index.saturating_add(1));
        let (mut last, mut gap) = (None, None);
        let prefix = shelf.key(ENTRY);
        shelf.tables.scan(Family::Raft, &shelf.entry_key(0), &mut |key, value| {
            let Some(index) = key.strip_prefix(&prefix[..]) else { return false };
            if index != due.to_be_bytes() {
                gap = Some(due);
                return false;
            }
            due += 1;
            last = Some(value.to_vec());
            true
        })?;
        if let Some(index) = gap {
            let why = format!("entry {index} of the log of group {} is missing", shelf.group);
            return Err(Error::damaged(std::path::Path::new("tables/raft"), 0, why));
        }
        let last = match last {
            Some(bytes) => Some(decode(&bytes)?.log_id),
            None => purged,
        };
        Ok(Self { shelf, ends: Arc::new(Mutex::new(Ends { purged, last })), resigns: None, starts: None })
    }

    /// As `me` opens it at a start: what it led before, it does not lead any more.
    ///
    /// openraft has a member that led go on in the same term. It does not know then how much of its log is committed, and takes the entry
    /// that its term began with for enough to answer reads behind: such a read may miss what was acknowledged. So the member is
    /// told that it asked for this vote and has no answer: it gives it to nobody else, and leads in a later term only.
    pub(in crate::raft) fn resigned(mut self, me: MemberId) -> Self {
        self.resigns = Some(me);
        self
    }

    /// Has it known which lives have begun.
    pub(in crate::raft) fn noting(mut self, starts: Starts) -> Result<Self, Error> {
        self.entries(.., usize::MAX)?.iter().for_each(|entry| starts.note(entry));
        self.starts = Some(starts);
        Ok(self)
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries of a range that are there, up to the first that is missing and up to `max` bytes, but at least one.
    fn entries(&self, range: impl RangeBounds<u64>, max: usize) -> Result<Vec<Entry>, Error> {
        let from = match range.start_bound() {
            Bound::Included(from) => Some(*from),
            Bound::Excluded(from) => from.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let Some(from) = from else { return Ok(Vec::new()) };
        let (mut found, mut bytes) = (Vec::new(), 0);
        let prefix = self.shelf.key(ENTRY);
        self.shelf.tables.scan(Family::Raft, &self.shelf.entry_key(from), &mut |key, value| {
            let index = key.strip_prefix(&prefix[..]).and_then(|index| index.try_into().ok()).map(u64::from_be_bytes);
            bytes += value.len();
            let wanted = index.is_some_and(|index| range.contains(&index)) && (found.is_empty() || bytes <= max);
            if wanted {
                found.push(value.to_vec());
            }
            wanted
        })?;
        found.iter().map(|bytes| decode(bytes)).collect()
    }
}

fn decode(bytes: &[u8]) -> Result<Entry, Error> {
    whole("log entry", bytes, entry).map_err(|e| damaged("log entry", &e))
}

fn read<T>(
    shelf: &Shelf,
    kind: u8,
    what: &'static str,
    f: impl FnOnce(&mut pyralog_crypto::Reader<'_>) -> Result<T, pyralog_crypto::CodecError>,
) -> Result<Option<T>, Error> {
    let Some(bytes) = shelf.get(kind)? else { return Ok(None) };
    whole(what, &bytes, f).map(Some).map_err(|e| damaged(what, &e))
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        self.entries(range, usize::MAX).map_err(|e| failed(ErrorSubject::Logs, ErrorVerb::Read, &e))
    }

    /// What fits into one message.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        self.entries(start..end, MAX_APPEND_BYTES).map_err(|e| failed(ErrorSubject::Logs, ErrorVerb::Read, &e))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let ends = *self.ends();
        Ok(LogState { last_purged_log_id: ends.purged, last_log_id: ends.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        batch.put(Family::Raft, self.shelf.key(VOTE), bytes_of(|out| put_vote(out, vote)));
        let written = self.shelf.write(batch).await;
        written.map_err(|e| failed(ErrorSubject::Vote, ErrorVerb::Write, &e))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let vote = read(&self.shelf, VOTE, "vote", codec::vote);
        let mut vote = vote.map_err(|e| failed(ErrorSubject::Vote, ErrorVerb::Read, &e))?;
        if let Some(own) = vote.as_mut().filter(|vote| self.resigns.is_some_and(|me| vote.leader_id.node_id == me.0)) {
            own.committed = false;
        }
        Ok(vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let Some(committed) = committed else { return Ok(()) };
        let mut batch = Batch::default();
        batch.put(Family::Raft, self.shelf.key(COMMITTED), bytes_of(|out| put_log_id(out, &committed)));
        let written = self.shelf.write_now(|_| Ok(false), batch, Durability::Later);
        written.map(drop).map_err(|e| failed(ErrorSubject::Store, ErrorVerb::Write, &e))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        let committed = read(&self.shelf, COMMITTED, "committed log id", codec::log_id);
        committed.map_err(|e| failed(ErrorSubject::Store, ErrorVerb::Read, &e))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut batch = Batch::default();
        let mut last = None;
        for entry in entries {
            self.starts.iter().for_each(|starts| starts.note(&entry));
            batch.put(Family::Raft, self.shelf.entry_key(entry.log_id.index), bytes_of(|out| put_entry(out, &entry)));
            last = Some(entry.log_id);
        }
        if let Err(e) = self.shelf.write(batch).await {
            callback.log_io_completed(Err(std::io::Error::other(e.to_string())));
            return Err(failed(ErrorSubject::Logs, ErrorVerb::Write, &e));
        }
        if last.is_some() {
            self.ends().last = last;
        }
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, since: LogId) -> Result<(), StorageError> {
        let ends = *self.ends();
        let mut batch = Batch::default();
        for index in since.index..=ends.last.map_or(0, |last| last.index) {
            batch.delete(Family::Raft, self.shelf.entry_key(index));
        }
        let before = since.index.checked_sub(1).map(|index| self.entries(index..since.index, usize::MAX));
        let write_failed = |e: Error| failed(ErrorSubject::Logs, ErrorVerb::Delete, &e);
        let before = before.transpose().map_err(write_failed)?;
        let last = before.and_then(|entries| entries.first().map(|entry| entry.log_id));
        self.shelf.write(batch).await.map_err(write_failed)?;
        self.ends().last = last.or(ends.purged);
        if let Some(starts) = &self.starts {
            // Those that are gone may have been asked for by an old copy.
            let left = self.entries(.., usize::MAX).map_err(write_failed)?;
            starts.lives().clear();
            left.iter().for_each(|entry| starts.note(entry));
        }
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let ends = *self.ends();
        let first = ends.purged.map_or(0, |id| id.index.saturating_add(1));
        let mut batch = Batch::default();
        for index in first..=ends.last.map_or(0, |last| last.index).min(upto.index) {
            batch.delete(Family::Raft, self.shelf.entry_key(index));
        }
        batch.put(Family::Raft, self.shelf.key(PURGED), bytes_of(|out| put_log_id(out, &upto)));
        // Durable, or the entries behind a snapshot that came over a link would stand behind a gap.
        let written = self.shelf.write(batch).await;
        written.map_err(|e| failed(ErrorSubject::Logs, ErrorVerb::Delete, &e))?;
        let mut now = self.ends();
        now.purged = Some(upto);
        if now.last.is_none_or(|last| last.index < upto.index) {
            now.last = Some(upto);
        }
        Ok(())
    }
}

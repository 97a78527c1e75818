//! The state machine of a group and its snapshots. The state is in memory; on disk stand the newest snapshot, and the log behind it.

use std::io::Cursor;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, ErrorSubject, ErrorVerb, OptionalSend, RaftSnapshotBuilder, Snapshot};
use pyralog_crypto::{CodecError, Decode, Encode, Reader};
use tokio::sync::watch;

use super::{SNAPSHOT, Shelf, damaged, failed};
use crate::raft::codec::{bytes_of, meta, put_meta, whole};
use crate::raft::types::{Entry, LogId, SnapshotMeta, StorageError, StoredMembership, Types};
use crate::raft::{MAX_SNAPSHOT_BYTES, Machine};
use crate::{Batch, Error, Family};

/// The state of a group as this member has applied it. Clones share it.
#[derive(Debug)]
pub(in crate::raft) struct Applied<M> {
    inner: Arc<RwLock<Inner<M>>>,
    /// Index behind the last entry that was applied.
    next: watch::Sender<u64>,
}

impl<M> Clone for Applied<M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), next: self.next.clone() }
    }
}

#[derive(Debug, Default)]
struct Inner<M> {
    last: Option<LogId>,
    membership: StoredMembership,
    state: M,
}

impl<M: Machine> Applied<M> {
    fn new(inner: Inner<M>) -> Self {
        let next = watch::Sender::new(next_of(inner.last));
        Self { inner: Arc::new(RwLock::new(inner)), next }
    }

    /// Looks at the state.
    pub(in crate::raft) fn read<T>(&self, f: impl FnOnce(&M) -> T) -> T {
        f(&self.inner.read().unwrap_or_else(PoisonError::into_inner).state)
    }

    /// The index behind the last entry that was applied, whenever it changes.
    pub(in crate::raft) fn changes(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    fn change<T>(&self, f: impl FnOnce(&mut Inner<M>) -> T) -> T {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let answer = f(&mut inner);
        let next = next_of(inner.last);
        drop(inner);
        self.next.send_if_modified(|old| std::mem::replace(old, next) != next);
        answer
    }
}

fn next_of(last: Option<LogId>) -> u64 {
    last.map_or(0, |id| id.index.saturating_add(1))
}

/// State machine and snapshots of one group. Clones share them.
#[derive(Debug)]
pub(in crate::raft) struct MachineStore<M> {
    shelf: Shelf,
    applied: Applied<M>,
}

impl<M: Machine> MachineStore<M> {
    /// Begins with the newest snapshot.
    pub(in crate::raft) fn open(shelf: Shelf) -> Result<Self, Error> {
        let inner = match load(&shelf)? {
            None => Inner::default(),
            Some((meta, bytes)) => {
                let state = M::from_bytes(&bytes).map_err(|e| damaged("snapshot", &e))?;
                Inner { last: meta.last_log_id, membership: meta.last_membership, state }
            }
        };
        Ok(Self { shelf, applied: Applied::new(inner) })
    }

    pub(in crate::raft) fn applied(&self) -> Applied<M> {
        self.applied.clone()
    }
}

fn load(shelf: &Shelf) -> Result<Option<(SnapshotMeta, Vec<u8>)>, Error> {
    let Some(bytes) = shelf.get(SNAPSHOT)? else { return Ok(None) };
    let parts = |input: &mut Reader<'_>| Ok((meta(input)?, input.bytes(MAX_SNAPSHOT_BYTES)?.to_vec()));
    whole("snapshot", &bytes, parts).map(Some).map_err(|e| damaged("snapshot", &e))
}

/// Keeps a snapshot, unless a newer one is kept: a group builds one while another one comes over a link, and the log behind the older one may be
/// gone already. Whether it was kept.
async fn save(shelf: &Shelf, meta: &SnapshotMeta, state: &[u8]) -> Result<bool, StorageError> {
    let write_failed = |e: Error| failed(ErrorSubject::Snapshot(Some(meta.signature())), ErrorVerb::Write, &e);
    if state.len() > MAX_SNAPSHOT_BYTES {
        let found = state.len() as u64;
        return Err(write_failed(Error::Size { what: "a snapshot", found, allowed: "67108864" }));
    }
    let mut batch = Batch::default();
    let value = bytes_of(|out| {
        put_meta(out, meta);
        out.bytes(state);
    });
    batch.put(Family::Raft, shelf.key(SNAPSHOT), value);
    let last = meta.last_log_id;
    let unless = move |shelf: &Shelf| Ok(load(shelf)?.is_some_and(|(kept, _)| kept.last_log_id > last));
    shelf.write_unless(unless, batch).await.map_err(write_failed)
}

fn snapshot(meta: SnapshotMeta, state: Vec<u8>) -> Snapshot<Types> {
    Snapshot { meta, snapshot: Box::new(Cursor::new(state)) }
}

/// A snapshot that is to be kept.
pub(in crate::raft) struct Builder {
    shelf: Shelf,
    meta: SnapshotMeta,
    state: Vec<u8>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        if !save(&self.shelf, &self.meta, &self.state).await? {
            let newest = load(&self.shelf).map_err(|e| failed(ErrorSubject::Snapshot(None), ErrorVerb::Read, &e))?;
            if let Some((newest, state)) = newest {
                return Ok(snapshot(newest, state));
            }
        }
        Ok(snapshot(self.meta.clone(), std::mem::take(&mut self.state)))
    }
}

impl<M: Machine> RaftStateMachine<Types> for MachineStore<M> {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let inner = self.applied.inner.read().unwrap_or_else(PoisonError::into_inner);
        Ok((inner.last, inner.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Bytes>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let applied: Result<Vec<Bytes>, (LogId, CodecError)> = self.applied.change(|inner| {
            let one = |entry: Entry| {
                let answer = match entry.payload {
                    EntryPayload::Blank => Bytes::new(),
                    EntryPayload::Normal(command) => {
                        let command = M::Command::from_bytes(&command).map_err(|e| (entry.log_id, e))?;
                        inner.state.apply(&command).to_bytes().into()
                    }
                    EntryPayload::Membership(membership) => {
                        inner.membership = StoredMembership::new(Some(entry.log_id), membership);
                        Bytes::new()
                    }
                };
                inner.last = Some(entry.log_id);
                Ok(answer)
            };
            entries.into_iter().map(one).collect()
        });
        // A command that this release cannot read was proposed by a newer one. Whoever goes on without it has another state than the others.
        applied.map_err(|(id, e)| failed(ErrorSubject::Apply(id), ErrorVerb::Read, &damaged("command", &e)))
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let inner = self.applied.inner.read().unwrap_or_else(PoisonError::into_inner);
        let id = inner.last.map_or_else(|| "empty".to_owned(), |id| format!("{}-{}", id.leader_id, id.index));
        let meta = SnapshotMeta { last_log_id: inner.last, last_membership: inner.membership.clone(), snapshot_id: id };
        Builder { shelf: self.shelf.clone(), meta, state: inner.state.to_bytes() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let state = M::from_bytes(&bytes).map_err(|e| {
            failed(ErrorSubject::Snapshot(Some(meta.signature())), ErrorVerb::Read, &damaged("snapshot", &e))
        })?;
        save(&self.shelf, meta, &bytes).await?;
        self.applied.change(|inner| {
            *inner = Inner { last: meta.last_log_id, membership: meta.last_membership.clone(), state };
        });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let newest = load(&self.shelf).map_err(|e| failed(ErrorSubject::Snapshot(None), ErrorVerb::Read, &e))?;
        Ok(newest.map(|(meta, state)| snapshot(meta, state)))
    }
}

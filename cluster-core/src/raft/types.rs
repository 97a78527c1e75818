//! The types that openraft is instantiated with.

use std::io::Cursor;

use bytes::Bytes;
use openraft::EmptyNode;

openraft::declare_raft_types!(
    /// Commands and answers are opaque bytes, so that one kind of log, wire and store serves every group; members are numbers, and where they
    /// are is known to the global group.
    pub Types:
        D = Bytes,
        R = Bytes,
        NodeId = u64,
        Node = EmptyNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
);

pub(super) type LogId = openraft::LogId<u64>;
pub(super) type Vote = openraft::Vote<u64>;
pub(super) type Entry = openraft::Entry<Types>;
pub(super) type Membership = openraft::Membership<u64, EmptyNode>;
pub(super) type StoredMembership = openraft::StoredMembership<u64, EmptyNode>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<u64, EmptyNode>;
pub(super) type StorageError = openraft::StorageError<u64>;
pub(super) type Raft = openraft::Raft<Types>;
pub(super) type RaftState = openraft::RaftState<u64, EmptyNode, openraft::TokioInstant>;

//! The links between members, which the node provides, and openraft's use of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{
    InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, SnapshotMismatch, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};
use openraft::{EmptyNode, SnapshotSegmentId};
use thiserror::Error;
use tokio::time::Instant;

use super::GlobalState;
use super::error::GroupError;
use super::identity::{Hello, Stranger, check};
use super::store::Applied;
use super::types::Types;
use super::wire::{Reply, Request, frame, unframe};
use crate::replication::MemberId;

/// What comes later.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a question did not get through, or its answer did not come back.
#[derive(Debug, Clone, Error)]
pub enum LinkError {
    /// The member has not seen the question, and never will.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The member may have seen the question.
    #[error("no answer: {0}")]
    Lost(String),
}

/// The links to the other members. Who is at the other end is made sure by them: the keys of a member are in the global group.
pub trait RaftLinks: Send + Sync + 'static {
    /// Sends a frame of at most [`super::MAX_FRAME_BYTES`] to a member, which gives it to [`super::RaftGroups::serve`], and brings the answer
    /// back. Frames may be lost or arrive twice or late. The future may be dropped at any time.
    fn call(&self, to: MemberId, group: u64, frame: Bytes) -> BoxFuture<'_, Result<Bytes, LinkError>>;
}

/// Who this member is to others, and who others are to it. Clones share it.
#[derive(Clone)]
pub(super) struct Door {
    links: Arc<dyn RaftLinks>,
    hello: Arc<RwLock<Hello>>,
    known: Applied<GlobalState>,
    /// When members were heard last that are who they say.
    heard: Arc<Mutex<BTreeMap<MemberId, Instant>>>,
}

impl Door {
    pub(super) fn new(links: Arc<dyn RaftLinks>, hello: Hello, known: Applied<GlobalState>) -> Self {
        Self { links, hello: Arc::new(RwLock::new(hello)), known, heard: Arc::default() }
    }

    pub(super) fn hello(&self) -> Hello {
        *self.hello.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_hello(&self, hello: Hello) {
        *self.hello.write().unwrap_or_else(PoisonError::into_inner) = hello;
    }

    /// Whether the member at the end of a link is who it says, as far as this member knows.
    pub(super) fn check(&self, member: MemberId, hello: &Hello) -> Result<(), GroupError> {
        let judged = if hello.member == member {
            self.known.read(|state| check(state, hello))
        } else {
            Err(Stranger::OtherMember)
        };
        judged.map_err(|why| GroupError::Stranger { member, why })?;
        self.heard_of().insert(member, Instant::now());
        Ok(())
    }

    /// When a member was heard last, from the disk that it was added with.
    pub(super) fn heard(&self, member: MemberId) -> Option<Instant> {
        self.heard_of().get(&member).copied()
    }

    fn heard_of(&self) -> MutexGuard<'_, BTreeMap<MemberId, Instant>> {
        // Nothing in the locked sections panics.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a member, and checks who answers.
    pub(super) async fn ask(&self, to: MemberId, group: u64, request: &Request) -> Result<Reply, AskError> {
        let bytes = self.links.call(to, group, frame(&self.hello(), request)).await.map_err(AskError::Link)?;
        let unreadable = |e: pyralog_crypto::CodecError| GroupError::Frame { member: to, why: e.to_string() };
        let (hello, reply) = unframe(&bytes).map_err(unreadable)?;
        self.check(to, &hello)?;
        Ok(reply)
    }

    /// As [`Door::ask`], within this time.
    pub(super) async fn ask_within(
        &self,
        time: Duration,
        to: MemberId,
        group: u64,
        request: &Request,
    ) -> Result<Reply, AskError> {
        let late = |_| Err(AskError::Link(LinkError::Lost("it took too long".to_owned())));
        tokio::time::timeout(time, self.ask(to, group, request)).await.unwrap_or_else(late)
    }
}

/// Why a member did not answer.
#[derive(Debug, Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Link(LinkError),
    #[error(transparent)]
    Peer(#[from] GroupError),
    #[error("the answer is to another question")]
    Answer,
}

/// openraft's way to the members of one group.
pub(super) struct Network {
    pub(super) door: Door,
    pub(super) group: u64,
    pub(super) heartbeat: Duration,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> Peer {
        Peer { door: self.door.clone(), group: self.group, heartbeat: self.heartbeat, to: MemberId(target) }
    }
}

/// openraft's way to one member.
pub(super) struct Peer {
    door: Door,
    group: u64,
    heartbeat: Duration,
    to: MemberId,
}

type Failed<E = openraft::error::Infallible> = RPCError<u64, EmptyNode, RaftError<u64, E>>;

impl Peer {
    /// What openraft hears of a failure: it waits before it asks a member again that cannot be reached.
    async fn ask<E: std::error::Error>(
        &self,
        request: Request,
        kind: RPCTypes,
        option: &RPCOption,
    ) -> Result<Reply, Failed<E>> {
        let timeout = option.hard_ttl();
        match tokio::time::timeout(timeout, self.door.ask(self.to, self.group, &request)).await {
            Err(_) => {
                let id = self.door.hello().member.0;
                Err(openraft::error::Timeout { action: kind, id, target: self.to.0, timeout }.into())
            }
            Ok(Err(error @ AskError::Link(_))) => Err(Unreachable::new(&error).into()),
            Ok(Err(error)) => Err(NetworkError::new(&error).into()),
            Ok(Ok(reply)) => Ok(reply),
        }
    }
}

fn unexpected<E: std::error::Error>(reply: &Reply) -> Failed<E> {
    match reply {
        Reply::Stopped(why) => Unreachable::new(&LinkError::Lost(why.clone())).into(),
        Reply::Stranger(why) => NetworkError::new(why).into(),
        _ => NetworkError::new(&AskError::Answer).into(),
    }
}

impl RaftNetwork<Types> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed> {
        match self.ask(Request::Append(rpc), RPCTypes::AppendEntries, &option).await? {
            Reply::Append(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<InstallSnapshotError>> {
        let segment = SnapshotSegmentId { id: rpc.meta.snapshot_id.clone(), offset: rpc.offset };
        match self.ask(Request::Snapshot(rpc), RPCTypes::InstallSnapshot, &option).await? {
            Reply::Snapshot(vote) => Ok(InstallSnapshotResponse { vote }),
            Reply::SnapshotMismatch => {
                let expect = SnapshotSegmentId { id: segment.id.clone(), offset: 0 };
                let mismatch = InstallSnapshotError::from(SnapshotMismatch { expect, got: segment });
                Err(RemoteError::new(self.to.0, RaftError::APIError(mismatch)).into())
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(&mut self, rpc: VoteRequest<u64>, option: RPCOption) -> Result<VoteResponse<u64>, Failed> {
        match self.ask(Request::Vote(rpc), RPCTypes::Vote, &option).await? {
            Reply::Vote(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(self.heartbeat * 2))
    }
}

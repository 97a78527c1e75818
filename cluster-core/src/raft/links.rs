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
use openraft::{EmptyNode, LogId, SnapshotSegmentId, Vote};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use super::GlobalState;
use super::error::GroupError;
use super::identity::{Hello, Life, Stranger, check};
use super::store::{Applied, Starts};
use super::types::Types;
use super::wire::{Reply, Request, frame, unframe};
use crate::replication::MemberId;

/// A member that is not heard for so long does not run.
pub(super) const SILENCE: Duration = Duration::from_secs(2);

/// A member that runs is heard more often: it answers heartbeats, and says whom it hears.
pub(super) const PULSE: Duration = Duration::from_millis(500);

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

/// What a member says of itself at any time. Clones share it.
#[derive(Clone)]
pub struct Says(Arc<RwLock<Hello>>);

impl Says {
    /// Now.
    #[must_use]
    pub fn hello(&self) -> Hello {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who this member is to others, and who others are to it. Clones share it.
#[derive(Clone)]
pub(super) struct Door {
    links: Arc<dyn RaftLinks>,
    says: Says,
    known: Applied<GlobalState>,
    /// Lives that have begun, perhaps not known to be committed yet.
    starts: Starts,
    /// When members were heard last that are who they say.
    heard: Arc<Mutex<BTreeMap<MemberId, Heard>>>,
    /// What members have acknowledged of the groups that this one leads.
    acknowledged: Arc<Mutex<BTreeMap<(MemberId, u64), Acknowledged>>>,
    /// Lives of members that lack what they had acknowledged.
    reverted: Arc<Mutex<BTreeMap<MemberId, Life>>>,
    /// Why other members do not let this one in, if so.
    refused: watch::Sender<Option<Stranger>>,
}

/// When a member was heard.
#[derive(Clone, Copy)]
struct Heard {
    /// In any life.
    last: Instant,
    /// In the life that it had last as one whose start is confirmed.
    running: Option<(Life, Instant)>,
}

/// How far a member has the log of a group, as it has said to its leader.
struct Acknowledged {
    /// Of this leadership.
    vote: Vote<u64>,
    log: Option<LogId<u64>>,
    /// Who has answered last.
    life: Life,
}

impl Door {
    pub(super) fn new(
        links: Arc<dyn RaftLinks>,
        hello: Hello,
        (known, starts): (Applied<GlobalState>, Starts),
    ) -> Self {
        let (heard, acknowledged, reverted) = Default::default();
        let (says, refused) = (Says(Arc::new(RwLock::new(hello))), watch::Sender::new(None));
        Self { links, says, known, starts, heard, acknowledged, reverted, refused }
    }

    pub(super) fn hello(&self) -> Hello {
        self.says.hello()
    }

    pub(super) fn says(&self) -> Says {
        self.says.clone()
    }

    pub(super) fn set_hello(&self, hello: Hello) {
        *self.says.0.write().unwrap_or_else(PoisonError::into_inner) = hello;
    }

    /// Whether the member at the end of a link is who it says, as far as this member knows.
    pub(super) fn check(&self, member: MemberId, hello: &Hello) -> Result<(), GroupError> {
        let judged = if hello.member == member {
            self.known.read(|state| check(state, hello))
        } else {
            Err(Stranger::OtherMember)
        };
        let is_reverted = lock(&self.reverted).get(&member) == Some(&hello.next);
        let is_old = is_reverted || self.starts.newest(member).is_some_and(|newest| hello.is_before(newest));
        let judged = judged.and(if is_old { Err(Stranger::OldCopy) } else { Ok(()) });
        judged.map_err(|why| GroupError::Stranger { member, why })?;
        let now = Instant::now();
        let mut all = lock(&self.heard);
        let heard = all.entry(member).or_insert(Heard { last: now, running: None });
        heard.last = now;
        if hello.is_confirmed() {
            heard.running = Some((hello.next, now));
        }
        Ok(())
    }

    /// When a member was heard last, from the disk that it was added with.
    pub(super) fn heard(&self, member: MemberId) -> Option<Instant> {
        lock(&self.heard).get(&member).map(|heard| heard.last)
    }

    /// Whether somebody else was heard lately in the life from which a start goes on: then it runs, and who starts has a copy of its disk.
    pub(super) fn runs_already(&self, member: MemberId, starting: &Hello) -> bool {
        let heard = lock(&self.heard).get(&member).copied();
        let running = heard.and_then(|heard| heard.running);
        running.is_some_and(|(life, at)| life == starting.previous && at.elapsed() < PULSE)
    }

    /// Why other members do not let this one in, once one has said so.
    pub(super) fn refused(&self) -> watch::Receiver<Option<Stranger>> {
        self.refused.subscribe()
    }

    /// A member has answered the leader of this vote: it has the log up to `reached`, or not even the entry `previous`. Whoever lacks what it had
    /// acknowledged to the same leader runs on a copy of its disk that was made before.
    fn answered(
        &self,
        (member, group): (MemberId, u64),
        vote: Vote<u64>,
        life: Life,
        reached: Result<Option<LogId<u64>>, Option<LogId<u64>>>,
    ) -> Result<(), Stranger> {
        let mut all = lock(&self.acknowledged);
        let known = all.entry((member, group)).or_insert(Acknowledged { vote, log: None, life });
        if known.vote != vote {
            *known = Acknowledged { vote, log: None, life };
        }
        known.life = life;
        match reached {
            Ok(log) => known.log = known.log.max(log),
            Err(previous) if previous.is_some() && previous <= known.log => {
                lock(&self.reverted).insert(member, life);
                tracing::error!(
                    member = member.0,
                    group,
                    "a member lacks what it had acknowledged: its disk is an old copy"
                );
                return Err(Stranger::OldCopy);
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Whether a member has answered this one, which leads the group, in this life.
    pub(super) fn has_answered(&self, member: MemberId, group: u64, life: Life) -> bool {
        lock(&self.acknowledged).get(&(member, group)).is_some_and(|known| known.life == life)
    }

    /// Asks a member, and checks who answers.
    pub(super) async fn ask(&self, to: MemberId, group: u64, request: &Request) -> Result<Reply, AskError> {
        self.ask_whom(to, group, request).await.map(|(_, reply)| reply)
    }

    /// The same, with who answers.
    async fn ask_whom(&self, to: MemberId, group: u64, request: &Request) -> Result<(Hello, Reply), AskError> {
        let bytes = self.links.call(to, group, frame(&self.hello(), request)).await.map_err(AskError::Link)?;
        let unreadable = |e: pyralog_crypto::CodecError| GroupError::Frame { member: to, why: e.to_string() };
        let (hello, reply) = unframe(&bytes).map_err(unreadable)?;
        self.check(to, &hello)?;
        if let Reply::Stranger(why @ (Stranger::Removed | Stranger::OldCopy | Stranger::OtherIncarnation)) = reply {
            self.refused.send_replace(Some(why));
        }
        Ok((hello, reply))
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
        self.ask_whom(request, kind, option).await.map(|(_, reply)| reply)
    }

    async fn ask_whom<E: std::error::Error>(
        &self,
        request: Request,
        kind: RPCTypes,
        option: &RPCOption,
    ) -> Result<(Hello, Reply), Failed<E>> {
        let timeout = option.hard_ttl();
        match tokio::time::timeout(timeout, self.door.ask_whom(self.to, self.group, &request)).await {
            Err(_) => {
                let id = self.door.hello().member.0;
                Err(openraft::error::Timeout { action: kind, id, target: self.to.0, timeout }.into())
            }
            Ok(Err(error @ AskError::Link(_))) => Err(Unreachable::new(&error).into()),
            Ok(Err(error)) => Err(NetworkError::new(&error).into()),
            Ok(Ok(answered)) => Ok(answered),
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
        let (vote, previous) = (rpc.vote, rpc.prev_log_id);
        let last = rpc.entries.last().map(|entry| entry.log_id).or(previous);
        let (hello, reply) = self.ask_whom(Request::Append(rpc), RPCTypes::AppendEntries, &option).await?;
        let Reply::Append(answer) = reply else { return Err(unexpected(&reply)) };
        let reached = match &answer {
            AppendEntriesResponse::Success => Ok(last),
            AppendEntriesResponse::PartialSuccess(reached) => Ok(*reached),
            AppendEntriesResponse::Conflict => Err(previous),
            AppendEntriesResponse::HigherVote(_) => return Ok(answer),
        };
        // openraft would end where an acknowledged entry is missing.
        let judged = self.door.answered((self.to, self.group), vote, hello.next, reached);
        judged.map_err(|why| Failed::Network(NetworkError::new(&why)))?;
        Ok(answer)
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in the locked sections panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

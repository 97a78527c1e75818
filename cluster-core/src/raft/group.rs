//! One group at run time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::ServerState;
use pyralog_crypto::{Decode, Encode};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::hearing::Hearing;
use super::links::{AskError, Door, LinkError, Network};
use super::status::{Leader, Reached, Status, reached};
use super::store::{Applied, LogStore, MachineStore};
use super::types::{Raft, RaftState};
use super::wire::{Change, Reply, Request};
use super::{GroupError, Machine, RaftOptions};
use crate::replication::MemberId;

/// One group on this member. Clones share it.
///
/// Questions may be asked on every member; those that only the leader answers are sent on to it.
pub struct Group<M: Machine> {
    pub(super) shared: Arc<Shared<M>>,
}

pub(super) struct Shared<M> {
    pub(super) number: u64,
    pub(super) me: MemberId,
    pub(super) raft: Raft,
    pub(super) applied: Applied<M>,
    pub(super) door: Door,
    pub(super) options: RaftOptions,
    /// The leader is about to hand over, and takes nothing any more.
    pub(super) quiet: AtomicBool,
    /// It does not ask for votes until the next leader is well established.
    pub(super) hushed: AtomicBool,
    /// See [`super::hearing::Verdict`].
    pub(super) may_elect: AtomicBool,
    /// The last term whose leader this member has let go of.
    pub(super) let_go: AtomicU64,
    /// Nothing, as long as the member was not told.
    pub(super) hearing: watch::Receiver<Option<Hearing>>,
    /// Held by whoever changes who is in the group.
    pub(super) changing: tokio::sync::Mutex<()>,
    leader: watch::Receiver<Leader>,
    watcher: JoinHandle<()>,
}

impl<M: Machine> Clone for Group<M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<M: Machine> std::fmt::Debug for Group<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("number", &self.shared.number).finish_non_exhaustive()
    }
}

impl<M: Machine> Group<M> {
    pub(super) async fn open(
        number: u64,
        door: Door,
        options: &RaftOptions,
        log: LogStore,
        machine: MachineStore<M>,
        hearing: watch::Receiver<Option<Hearing>>,
    ) -> Result<Self, GroupError> {
        let (applied, me) = (machine.applied(), door.hello().member);
        let network = Network { door: door.clone(), group: number, heartbeat: options.heartbeat };
        let raft = Raft::new(me.0, options.config(number)?, network, log.resigned(me), machine).await;
        let stopped = |e: openraft::error::Fatal<u64>| GroupError::Stopped { group: number, why: e.to_string() };
        let raft = raft.map_err(stopped)?;
        // Nobody else's time is up first.
        let alone = move |state: &RaftState| state.membership_state.effective().voter_ids().eq([me.0]);
        if raft.with_raft_state(alone).await.map_err(stopped)? {
            raft.trigger().elect().await.map_err(stopped)?;
        }
        let (sender, leader) = watch::channel(Leader::default());
        let watcher = tokio::spawn(super::status::watch_leader(raft.clone(), sender));
        let options = options.clone();
        let changing = tokio::sync::Mutex::new(());
        let (quiet, hushed, may_elect) = (false.into(), false.into(), AtomicBool::new(true));
        let let_go = AtomicU64::new(0);
        let shared = Shared {
            number,
            me,
            raft,
            applied,
            door,
            options,
            quiet,
            hushed,
            may_elect,
            let_go,
            hearing: hearing.clone(),
            changing,
            leader,
            watcher,
        };
        let shared = Arc::new(shared);
        tokio::spawn(super::change::finish_changes(Arc::downgrade(&shared)));
        tokio::spawn(super::elector::run(Arc::downgrade(&shared), hearing));
        Ok(Self { shared })
    }

    /// Its number: see [`super::group_of`].
    #[must_use]
    pub fn number(&self) -> u64 {
        self.shared.number
    }

    /// How the group stands, as far as this member knows.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::new(&self.shared.raft.metrics().borrow())
    }

    /// Who leads, whenever it changes, as far as this member knows.
    #[must_use]
    pub fn leader_changes(&self) -> watch::Receiver<Leader> {
        self.shared.leader.clone()
    }

    /// The index behind the last entry that this member has applied, whenever it changes.
    #[must_use]
    pub fn applied_changes(&self) -> watch::Receiver<u64> {
        self.shared.applied.changes()
    }

    /// Looks at the state as this member has applied it: it was so once, and may be old.
    pub fn look<T>(&self, f: impl FnOnce(&M) -> T) -> T {
        self.shared.applied.read(f)
    }

    /// Looks at the state as it was at some moment after this call: everything that was acknowledged before is in it.
    ///
    /// # Errors
    /// [`GroupError::Unavailable`], [`GroupError::Stopped`], [`GroupError::Stranger`].
    pub async fn read<T>(&self, f: impl FnOnce(&M) -> T) -> Result<T, GroupError> {
        let deadline = Instant::now() + self.shared.options.patience;
        let Reply::ReadAt(index) = self.submit(Request::ReadAt, deadline).await? else {
            return Err(self.stopped("the leader answered another question"));
        };
        let mut applied = self.applied_changes();
        let enough = index.map_or(0, |index| index.saturating_add(1));
        match reached(&mut applied, deadline, |next| *next >= enough).await {
            Reached::Yes => Ok(self.look(f)),
            Reached::Closed => Err(self.stopped("it was shut down")),
            Reached::Late => Err(self.unavailable(true).await),
        }
    }

    /// Proposes a command, and answers what the state machine says to it, and the index of its entry.
    ///
    /// # Errors
    /// As [`Group::read`], and [`GroupError::Uncertain`] where the command may or may not be applied, or will be; [`GroupError::Refused`] where it
    /// is too large.
    pub async fn propose(&self, command: &M::Command) -> Result<(u64, M::Answer), GroupError> {
        let deadline = Instant::now() + self.shared.options.patience;
        let bytes = Bytes::from(command.to_bytes());
        if bytes.len() > super::MAX_COMMAND_BYTES {
            let why = format!("the command has {} bytes, allowed are {}", bytes.len(), super::MAX_COMMAND_BYTES);
            return Err(GroupError::Refused { group: self.shared.number, why });
        }
        let reply = self.submit(Request::Propose(bytes), deadline).await?;
        let Reply::Applied { index, answer } = reply else {
            return Err(self.unavailable(false).await);
        };
        let unreadable =
            |e: pyralog_crypto::CodecError| GroupError::Frame { member: self.shared.me, why: e.to_string() };
        Ok((index, M::Answer::from_bytes(&answer).map_err(unreadable)?))
    }

    /// Changes who is in the group. A change that is so already is done.
    ///
    /// # Errors
    /// As [`Group::read`]; [`GroupError::Refused`] where it cannot be.
    pub async fn change(&self, change: Change) -> Result<(), GroupError> {
        let deadline = Instant::now() + self.shared.options.patience;
        self.submit(Request::Change(change), deadline).await.map(drop)
    }

    /// Begins a group with these voters. Each of them may be told to, with the same ones; on a group that has begun, nothing happens.
    ///
    /// # Errors
    /// [`GroupError::Stopped`], [`GroupError::Refused`] where this member is not among them.
    pub async fn initialize(&self, voters: BTreeSet<MemberId>) -> Result<(), GroupError> {
        use openraft::error::{InitializeError, RaftError};
        let voters: BTreeSet<u64> = voters.into_iter().map(|member| member.0).collect();
        match self.shared.raft.initialize(voters).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(e)) => Err(GroupError::Refused { group: self.shared.number, why: e.to_string() }),
            Err(RaftError::Fatal(e)) => Err(self.stopped(&e.to_string())),
        }
    }

    /// Makes a snapshot now, beside the work of the group, which removes entries from the log as the options say.
    ///
    /// # Errors
    /// [`GroupError::Stopped`].
    pub async fn snapshot(&self) -> Result<(), GroupError> {
        self.shared.raft.trigger().snapshot().await.map_err(|e| self.stopped(&e.to_string()))
    }

    /// Stops the group on this member, and waits until it stands still. openraft does not stop by being dropped.
    pub async fn shutdown(&self) {
        // It fails where the task has panicked; then it stands still, too.
        let _ = self.shared.raft.shutdown().await;
        self.shared.watcher.abort();
    }

    /// Asks the leader, whoever it is, until this time. What certainly was not done is tried again, and so is what may be done twice.
    async fn submit(&self, request: Request, deadline: Instant) -> Result<Reply, GroupError> {
        let group = self.shared.number;
        let once = matches!(request, Request::Propose(_));
        // A change that is begun comes to its end when a majority is there again, or does not.
        let (changes, mut begun) = (matches!(request, Request::Change(_)), false);
        let mut hint = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.unavailable(!begun).await);
            }
            let reply = match hint.take().or(self.leader()) {
                None => Reply::NotLeader(None),
                Some(me) if me == self.shared.me => self.lead(request.clone(), left).await,
                Some(leader) => match self.shared.door.ask_within(left, leader, group, &request).await {
                    Ok(reply) => reply,
                    Err(AskError::Link(LinkError::NotSent(_))) => Reply::NotLeader(None),
                    Err(_) => Reply::Uncertain(BTreeSet::new()),
                },
            };
            if let Some(why) = self.status().stopped.filter(|_| !matches!(reply, Reply::Applied { .. })) {
                // A command that was in the log by then may be applied by the others.
                let begun = once && matches!(reply, Reply::Uncertain(_));
                return Err(if begun { self.unavailable(false).await } else { self.stopped(&why) });
            }
            begun |= changes && matches!(reply, Reply::Uncertain(_) | Reply::Stopped(_));
            match reply {
                Reply::NotLeader(other) => hint = other.map(MemberId).filter(|other| *other != self.shared.me),
                Reply::Uncertain(_) if once => return Err(self.unavailable(false).await),
                Reply::Uncertain(_) => {}
                Reply::Stopped(_) => {}
                Reply::Refused(why) => return Err(GroupError::Refused { group, why }),
                Reply::Stranger(why) => return Err(GroupError::Stranger { member: self.shared.me, why }),
                done => return Ok(done),
            }
            self.wait_for_news(deadline).await;
        }
    }

    /// Until somebody else leads, but not for long: the news may have been there before.
    async fn wait_for_news(&self, deadline: Instant) {
        let until = deadline.min(Instant::now() + self.shared.options.heartbeat / 2 + Duration::from_millis(1));
        let mut news = self.leader_changes();
        news.mark_unchanged();
        let _ = tokio::time::timeout_at(until, news.changed()).await;
        // Where the watcher has ended there is no news.
        if news.has_changed().is_err() {
            tokio::time::sleep_until(until).await;
        }
    }

    pub(super) fn leader(&self) -> Option<MemberId> {
        self.shared.raft.metrics().borrow().current_leader.map(MemberId)
    }

    pub(super) fn leads(&self) -> bool {
        let quiet = self.shared.quiet.load(Ordering::Acquire);
        !quiet && self.shared.raft.metrics().borrow().state == ServerState::Leader
    }

    /// Why the group does not go on, once it does not: it was shut down, its disk has failed, or its task has ended otherwise.
    pub(super) fn ended(&self) -> Option<GroupError> {
        let metrics = self.shared.raft.metrics();
        let why = metrics.borrow().running_state.as_ref().err().map(ToString::to_string);
        let gone = || metrics.has_changed().is_err().then(|| "its task has ended".to_owned());
        why.or_else(gone).map(|why| self.stopped(&why))
    }

    pub(super) fn stopped(&self, why: &str) -> GroupError {
        GroupError::Stopped { group: self.shared.number, why: why.to_owned() }
    }

    /// Asks who is there, and says so.
    async fn unavailable(&self, nothing_done: bool) -> GroupError {
        let Shared { number: group, me, door, options, .. } = &*self.shared;
        let status = self.status();
        if let Some(why) = status.stopped.filter(|_| nothing_done) {
            return self.stopped(&why);
        }
        let mut pings = tokio::task::JoinSet::new();
        for voter in status.voters.iter().copied().filter(|voter| voter != me) {
            let (door, time, group) = (door.clone(), options.heartbeat * 3, *group);
            pings.spawn(async move { (voter, door.ask_within(time, voter, group, &Request::Ping).await.is_ok()) });
        }
        let (mut answering, mut silent) = (status.voters.clone(), BTreeSet::new());
        while let Some(ping) = pings.join_next().await {
            if let Ok((voter, false)) = ping {
                answering.remove(&voter);
                silent.insert(voter);
            }
        }
        if nothing_done {
            GroupError::Unavailable { group: *group, answering, silent }
        } else {
            GroupError::Uncertain { group: *group, answering, silent }
        }
    }
}

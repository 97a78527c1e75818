//! All groups of a member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::global::{GlobalAnswer, GlobalCommand, GlobalRefusal, NewMember, Role};
use super::hearing::Hearing;
use super::identity::{Hello, Identity, Life, Stranger};
use super::links::{Door, PULSE, RaftLinks, Says};
use super::store::{LogStore, MachineStore, Shelf, Starts, groups};
use super::wire::{Change, Reply, Request, frame, unframe};
use super::{EpochShards, GLOBAL, GlobalState, Group, GroupError, Machine, RaftOptions, ShardState, group_of};
use crate::Tables;
use crate::replication::MemberId;

/// The first group that belongs to one partition.
pub(super) const FIRST_PARTITION_GROUP: u64 = 1 << 32;

/// For so long a leader waits until it knows whether a member that has started lacks what it had acknowledged.
const JUDGED: Duration = Duration::from_secs(1);
/// So often it looks.
const LOOK: Duration = Duration::from_millis(5);

/// Why a start is not confirmed yet.
const TWICE: &str = "\
    the member runs already, on this disk or on a copy of it, and only one of them may: stop the other one. Where that one was stopped a moment ago, this passes by itself";

/// All groups of a member. Clones share them.
#[derive(Clone)]
pub struct RaftGroups {
    inner: Arc<Inner>,
}

struct Inner {
    options: RaftOptions,
    tables: Arc<dyn Tables>,
    door: Door,
    global: Group<GlobalState>,
    shards: RwLock<BTreeMap<u64, Group<ShardState>>>,
    /// Held by whoever opens a group, so that none is opened twice.
    opening: tokio::sync::Mutex<()>,
    identity: Mutex<Identity>,
    /// See [`RaftGroups::set_hearing`].
    hearing: watch::Sender<Option<Hearing>>,
}

impl std::fmt::Debug for RaftGroups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftGroups").field("hello", &self.inner.door.hello()).finish_non_exhaustive()
    }
}

fn stores<M: Machine>(tables: &Arc<dyn Tables>, group: u64) -> Result<(LogStore, MachineStore<M>), GroupError> {
    let shelf = Shelf::new(tables.clone(), group);
    Ok((LogStore::open(shelf.clone())?, MachineStore::open(shelf)?))
}

impl RaftGroups {
    /// Opens the groups of the member that the tables belong to, and begins a life. Call [`RaftGroups::start`] behind it: until then the member does what
    /// Raft asks of it, so that a cluster that starts as a whole finds a leader, but its life is not confirmed.
    ///
    /// # Errors
    /// [`GroupError::NoMember`] where the tables belong to none: see [`Identity`]. [`GroupError::Store`], [`GroupError::Options`].
    pub async fn open(
        options: RaftOptions,
        tables: Arc<dyn Tables>,
        links: Arc<dyn RaftLinks>,
    ) -> Result<Self, GroupError> {
        let mut identity = Identity::load(&*tables)?.ok_or(GroupError::NoMember)?;
        let hello = identity.begin(&*tables)?.ok_or(GroupError::NoMember)?;
        let (log, machine) = stores(&tables, GLOBAL)?;
        let starts = Starts::default();
        let log = log.noting(starts.clone())?;
        let door = Door::new(links, hello, (machine.applied(), starts));
        let hearing = watch::Sender::new(None);
        let global = Group::open(GLOBAL, door.clone(), &options, log, machine, hearing.subscribe()).await?;
        let (shards, opening, identity) = (RwLock::default(), tokio::sync::Mutex::new(()), Mutex::new(identity));
        let inner = Inner { options, tables, door, global, shards, opening, identity, hearing };
        let this = Self { inner: Arc::new(inner) };
        let numbers = match this.inner.options.epoch_shards {
            EpochShards::Shared(count) => (1..=count).collect(),
            EpochShards::PerPartition => {
                let mut found = groups(&*this.inner.tables)?;
                found.retain(|group| *group >= FIRST_PARTITION_GROUP);
                found
            }
        };
        for number in numbers {
            if let Err(error) = this.open_shard(number).await {
                this.shutdown().await;
                return Err(error);
            }
        }
        Ok(this)
    }

    /// Starts a cluster of this one member, and starts the member: it is the member 1, and votes. What was begun and not finished is finished.
    ///
    /// # Errors
    /// [`GroupError::IsMember`] where the tables belong to another member, and as [`RaftGroups::open`] and [`RaftGroups::start`].
    pub async fn bootstrap(
        options: RaftOptions,
        tables: Arc<dyn Tables>,
        links: Arc<dyn RaftLinks>,
        name: &str,
        peer: &[u8],
        addresses: &[String],
    ) -> Result<Self, GroupError> {
        let first = MemberId(1);
        let mut identity = Identity::load_or_make(&*tables)?;
        match identity.member {
            None => identity.assign(&*tables, first)?,
            Some(member) if member == first => {}
            Some(member) => return Err(GroupError::IsMember(member)),
        }
        let this = Self::open(options, tables, links).await?;
        let new = NewMember {
            name: name.to_owned(),
            peer: peer.to_vec(),
            addresses: addresses.to_vec(),
            incarnation: identity.incarnation,
            life: identity.life,
        };
        match this.begin_cluster(first, new).await {
            Ok(()) => Ok(this),
            Err(error) => {
                this.shutdown().await;
                Err(error)
            }
        }
    }

    async fn begin_cluster(&self, first: MemberId, new: NewMember) -> Result<(), GroupError> {
        let alone = BTreeSet::from([first]);
        self.inner.global.initialize(alone.clone()).await?;
        for shard in self.shards() {
            shard.initialize(alone.clone()).await?;
        }
        let known = self.inner.global.read(|state| state.member(first).is_some()).await?;
        if !known {
            match self.global_answer(GlobalCommand::AddMember(new)).await? {
                GlobalAnswer::Added { member } if member == first => {}
                GlobalAnswer::Refused(GlobalRefusal::AlreadyMember { member }) if member == first => {}
                other => return Err(refused(&other)),
            }
            self.done(GlobalCommand::SetRole { member: first, role: Role::Voter }).await?;
        }
        self.start().await
    }

    /// Has the cluster confirm the life that [`RaftGroups::open`] has begun. Serve clients only behind it.
    ///
    /// # Errors
    /// [`GroupError::Stranger`] where this disk does not count any more: then all groups are shut down. Otherwise as [`Group::propose`]: try
    /// again, as often as you like.
    pub async fn start(&self) -> Result<(), GroupError> {
        let Hello { member, incarnation, previous, next } = self.inner.door.hello();
        let command = GlobalCommand::Start { member, incarnation, previous, next };
        loop {
            match self.global_answer_of(&command).await {
                Ok(GlobalAnswer::Started) => break,
                Ok(GlobalAnswer::Refused(GlobalRefusal::Stranger { member, why })) => {
                    self.shutdown().await;
                    return Err(GroupError::Stranger { member, why });
                }
                Err(error @ GroupError::Stranger { member: who, .. }) if who == member => {
                    self.shutdown().await;
                    return Err(error);
                }
                Ok(other) => return Err(refused(&other)),
                // The same start may be asked for twice.
                Err(GroupError::Uncertain { silent, .. }) if silent.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        let mut identity = self.identity().to_owned();
        let tables = self.inner.tables.clone();
        let confirmed = tokio::task::spawn_blocking(move || identity.confirm(&*tables).map(|()| identity)).await;
        *self.identity() = confirmed.unwrap_or_else(|ended| Err(crate::Error::WriterStopped(ended.to_string())))?;
        self.inner.door.set_hello(Hello { member, incarnation, previous: next, next });
        Ok(())
    }

    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.inner.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the cluster has confirmed the life that this member has begun. Before that its disk may be an old copy, and nothing counts that it promises.
    #[must_use]
    pub fn is_started(&self) -> bool {
        let hello = self.hello();
        hello.previous == hello.next
    }

    /// What this member says of itself.
    #[must_use]
    pub fn hello(&self) -> Hello {
        self.inner.door.hello()
    }

    /// The same, for who asks often.
    #[must_use]
    pub fn says(&self) -> Says {
        self.inner.door.says()
    }

    /// Whether who speaks over the link of a member is that member, as far as this one knows.
    ///
    /// # Errors
    /// [`GroupError::Stranger`].
    pub fn check(&self, from: MemberId, hello: &Hello) -> Result<(), GroupError> {
        self.inner.door.check(from, hello)
    }

    /// Answers a frame of another member, which the transport knows as `from`. The answer goes back as it is, also where it refuses.
    ///
    /// # Errors
    /// [`GroupError::Frame`] where the frame cannot be read; [`GroupError::NoGroup`], [`GroupError::Store`]. There is no answer then.
    pub async fn serve(&self, from: MemberId, group: u64, bytes: Bytes) -> Result<Bytes, GroupError> {
        let unreadable = |e: pyralog_crypto::CodecError| GroupError::Frame { member: from, why: e.to_string() };
        let (hello, request): (Hello, Request) = unframe(&bytes).map_err(unreadable)?;
        let reply = match self.inner.door.check(from, &hello) {
            Err(GroupError::Stranger { why, .. }) => Reply::Stranger(why),
            Err(other) => return Err(other),
            Ok(()) if group == GLOBAL && hello.previous != hello.next && matches!(request, Request::Propose(_)) => {
                self.hear_first(from, hello.next).await;
                let twice = self.runs_already(from, &hello).await;
                match self.inner.door.check(from, &hello) {
                    Err(GroupError::Stranger { why, .. }) => Reply::Stranger(why),
                    _ if twice => Reply::Refused(TWICE.to_owned()),
                    _ => self.inner.global.serve(request).await,
                }
            }
            Ok(()) if group == GLOBAL => self.inner.global.serve(request).await,
            Ok(()) => self.shard_or_open(group).await?.serve(request).await,
        };
        Ok(frame(&self.inner.door.hello(), &reply))
    }

    /// The group that keeps members, logs and placement.
    #[must_use]
    pub fn global(&self) -> &Group<GlobalState> {
        &self.inner.global
    }

    /// The group that keeps the epochs of a partition. Where each partition has one, it is opened, if it was not yet.
    ///
    /// # Errors
    /// [`GroupError::NoGroup`] where the cluster does not know the partition; [`GroupError::Store`].
    pub async fn shard_of(&self, partition: u64) -> Result<Group<ShardState>, GroupError> {
        self.shard_or_open(group_of(self.inner.options.epoch_shards, partition)).await
    }

    /// The group that keeps the epochs of a partition, where it is open.
    #[must_use]
    pub fn open_shard_of(&self, partition: u64) -> Option<Group<ShardState>> {
        self.open_group(group_of(self.inner.options.epoch_shards, partition))
    }

    fn open_group(&self, number: u64) -> Option<Group<ShardState>> {
        self.inner.shards.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// All epoch shards that are open, in the order of their numbers.
    #[must_use]
    pub fn shards(&self) -> Vec<Group<ShardState>> {
        self.inner.shards.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    async fn shard_or_open(&self, number: u64) -> Result<Group<ShardState>, GroupError> {
        if let Some(group) = self.open_group(number) {
            return Ok(group);
        }
        let partition = number.checked_sub(FIRST_PARTITION_GROUP);
        let own = self.inner.options.epoch_shards == EpochShards::PerPartition;
        let known = |partition| self.inner.global.look(|state| state.partition(partition).is_some());
        match partition.filter(|partition| own && known(*partition)) {
            Some(_) => self.open_shard(number).await,
            None => Err(GroupError::NoGroup(number)),
        }
    }

    async fn open_shard(&self, number: u64) -> Result<Group<ShardState>, GroupError> {
        let _alone = self.inner.opening.lock().await;
        if let Some(group) = self.open_group(number) {
            return Ok(group);
        }
        let (log, machine) = stores(&self.inner.tables, number)?;
        let (door, hearing) = (self.inner.door.clone(), self.inner.hearing.subscribe());
        let group = Group::open(number, door, &self.inner.options, log, machine, hearing).await?;
        self.inner.shards.write().unwrap_or_else(PoisonError::into_inner).insert(number, group.clone());
        Ok(group)
    }

    async fn global_answer(&self, command: GlobalCommand) -> Result<GlobalAnswer, GroupError> {
        self.global_answer_of(&command).await
    }

    async fn global_answer_of(&self, command: &GlobalCommand) -> Result<GlobalAnswer, GroupError> {
        self.inner.global.propose(command).await.map(|(_, answer)| answer)
    }

    async fn done(&self, command: GlobalCommand) -> Result<(), GroupError> {
        match self.global_answer(command).await? {
            GlobalAnswer::Done => Ok(()),
            other => Err(refused(&other)),
        }
    }

    async fn change_all(&self, change: Change) -> Result<(), GroupError> {
        self.inner.global.change(change).await?;
        for shard in self.shards() {
            shard.change(change).await?;
        }
        Ok(())
    }

    /// Gives a member an id. Tell it, so that it keeps it ([`Identity::assign`]) and opens its groups; then [`RaftGroups::add_learner`]. One that has an
    /// id already is answered with it.
    ///
    /// # Errors
    /// As [`Group::propose`]; [`GroupError::Refused`] where it cannot be.
    pub async fn admit(&self, new: NewMember) -> Result<MemberId, GroupError> {
        let incarnation = new.incarnation;
        match self.global_answer(GlobalCommand::AddMember(new)).await? {
            GlobalAnswer::Added { member } => Ok(member),
            GlobalAnswer::Refused(GlobalRefusal::AlreadyMember { member })
                if self.inner.global.read(|state| state.member(member).map(|m| m.incarnation)).await?
                    == Some(incarnation) =>
            {
                Ok(member)
            }
            other => Err(refused(&other)),
        }
    }

    /// Sends the logs of all groups to this member from now on.
    ///
    /// # Errors
    /// As [`Group::change`]. What is done stays done; call it again.
    pub async fn add_learner(&self, member: MemberId) -> Result<(), GroupError> {
        self.change_all(Change::AddLearner(member.0)).await
    }

    /// Makes a learner a voter of all groups, when it has nearly all of their logs.
    ///
    /// # Errors
    /// As [`RaftGroups::add_learner`].
    pub async fn promote(&self, member: MemberId) -> Result<(), GroupError> {
        self.change_all(Change::Promote(member.0)).await?;
        self.done(GlobalCommand::SetRole { member, role: Role::Voter }).await
    }

    /// Makes a voter a learner of all groups.
    ///
    /// # Errors
    /// As [`RaftGroups::add_learner`].
    pub async fn demote(&self, member: MemberId) -> Result<(), GroupError> {
        self.change_all(Change::Demote(member.0)).await?;
        self.done(GlobalCommand::SetRole { member, role: Role::Learner }).await
    }

    /// Takes a member out of all groups and out of the cluster, for ever. Partitions that it stores are moved before or afterwards.
    ///
    /// # Errors
    /// As [`RaftGroups::add_learner`].
    pub async fn remove(&self, member: MemberId) -> Result<(), GroupError> {
        self.change_all(Change::Remove(member.0)).await?;
        self.done(GlobalCommand::RemoveMember { member }).await
    }

    /// Takes a member out as [`RaftGroups::remove`], for one that comes back in its place without its disk.
    ///
    /// # Errors
    /// As [`RaftGroups::remove`]; [`GroupError::Refused`] while the leader hears the member, or might.
    pub async fn replace(&self, member: MemberId) -> Result<(), GroupError> {
        self.inner.global.change(Change::Replace(member.0)).await?;
        self.remove(member).await
    }

    /// Says who hears whom: from now on this member asks for votes only where that leads to something, and waits for no leader that a majority of the voters
    /// does not hear.
    pub fn set_hearing(&self, hearing: &Hearing) {
        self.inner.hearing.send_if_modified(|known| {
            let new = known.as_ref() != Some(hearing);
            if new {
                *known = Some(hearing.clone());
            }
            new
        });
    }

    /// Why a group of this member does not go on, if so: the member is of no use then until it is started again.
    #[must_use]
    pub fn ended(&self) -> Option<GroupError> {
        let shard = || self.inner.shards.read().unwrap_or_else(PoisonError::into_inner).values().find_map(Group::ended);
        self.inner.global.ended().or_else(shard)
    }

    /// Waits until another member says that it does not let this one in, and why.
    pub async fn refused(&self) -> Stranger {
        let mut refused = self.inner.door.refused();
        let why = refused.wait_for(Option::is_some).await.ok().and_then(|why| *why);
        match why {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Waits a little until a member that asks for its start to be confirmed has answered the groups that this one leads: then it is known whether it lacks
    /// what it had acknowledged.
    async fn hear_first(&self, member: MemberId, life: Life) {
        let until = Instant::now() + JUDGED;
        let led = self.shards().into_iter().filter(Group::leads).map(|group| group.number());
        let led: Vec<u64> = led.chain(self.inner.global.leads().then_some(GLOBAL)).collect();
        let known = |group: &u64| self.inner.door.has_answered(member, *group, life);
        while !led.iter().all(known) && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether a member that starts runs already somewhere else. One that was stopped a moment ago was heard lately, too, so this waits until it would be silent.
    async fn runs_already(&self, member: MemberId, starting: &Hello) -> bool {
        let until = Instant::now() + PULSE * 4;
        while self.inner.door.runs_already(member, starting) {
            if Instant::now() >= until {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    /// Stops all groups, and waits until they stand still. Nothing of it stops by being dropped.
    pub async fn shutdown(&self) {
        self.inner.global.shutdown().await;
        for shard in self.shards() {
            shard.shutdown().await;
        }
    }
}

fn refused(answer: &GlobalAnswer) -> GroupError {
    let why = match answer {
        GlobalAnswer::Refused(why) => why.to_string(),
        other => format!("unexpected answer {other:?}"),
    };
    GroupError::Refused { group: GLOBAL, why }
}

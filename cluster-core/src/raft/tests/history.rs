//! A state machine that remembers everything, and clusters of one group of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::net::Net;
use super::{eventually, options};
use crate::MemoryTables;
use crate::disk::FaultyDisk;
use crate::raft::links::Door;
use crate::raft::store::{LogStore, MachineStore, Shelf, Starts};
use crate::raft::wire::{Request, frame, unframe};
use crate::raft::{GlobalState, Group, GroupError, Hello, Life, Machine, RaftOptions};
use crate::replication::MemberId;

/// A number that is given once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) u64);

impl Encode for Id {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.0);
    }
}

impl Decode for Id {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.u64().map(Self)
    }
}

/// All commands in the order in which they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct History(pub(super) Vec<u64>);

impl Encode for History {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.0, |out, id| {
            out.u64(*id);
        });
    }
}

impl Decode for History {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.list(1 << 20, Reader::u64).map(Self)
    }
}

impl Machine for History {
    type Command = Id;
    type Answer = Id;

    /// Answers the place of the command.
    fn apply(&mut self, command: &Id) -> Id {
        self.0.push(command.0);
        Id(self.0.len() as u64 - 1)
    }
}

/// A member that may be killed, with its disk.
pub(super) struct Member {
    disk: FaultyDisk,
    tables: MemoryTables,
    pub(super) group: Option<Group<History>>,
}

/// A cluster of one group.
pub(super) struct Cluster {
    pub(super) net: Net,
    pub(super) members: BTreeMap<u64, Member>,
    pub(super) options: RaftOptions,
}

const GROUP: u64 = 5;

impl Cluster {
    /// Members 1 to `count`, all of them voters, with a leader.
    pub(super) async fn new(seed: u64, count: u64) -> Self {
        Self::with(seed, count, options()).await
    }

    pub(super) async fn with(seed: u64, count: u64, options: RaftOptions) -> Self {
        let mut cluster = Self { net: Net::new(seed), members: BTreeMap::new(), options };
        for id in 1..=count {
            cluster.add(id).await;
        }
        let voters: BTreeSet<MemberId> = (1..=count).map(MemberId).collect();
        cluster.group(1).initialize(voters).await.unwrap();
        cluster.leader().await;
        cluster
    }

    /// A member that belongs to nothing yet.
    pub(super) async fn add(&mut self, id: u64) {
        let disk = FaultyDisk::new(id);
        let tables = MemoryTables::new(disk.clone());
        self.members.insert(id, Member { disk, tables, group: None });
        self.start(id).await;
    }

    pub(super) async fn start(&mut self, id: u64) {
        let member = self.members.get_mut(&id).unwrap();
        let life = Life { number: 1, nonce: [0; 16] };
        let hello = Hello { member: MemberId(id), incarnation: [id as u8; 16], previous: life, next: life };
        // Nobody is known, so everybody is let in: what is tested here is Raft.
        let nobody = MachineStore::<GlobalState>::open(Shelf::new(Arc::new(member.tables.clone()), 0)).unwrap();
        let door = Door::new(self.net.links(id), hello, (nobody.applied(), Starts::default()));
        let shelf = Shelf::new(Arc::new(member.tables.clone()), GROUP);
        let (log, machine) = (LogStore::open(shelf.clone()).unwrap(), MachineStore::open(shelf).unwrap());
        let (_, nothing) = tokio::sync::watch::channel(None);
        let group = Group::<History>::open(GROUP, door, &self.options, log, machine, nothing).await.unwrap();
        member.group = Some(group.clone());
        self.net.join(id, move |from, _, bytes| {
            let group = group.clone();
            Box::pin(async move {
                let unreadable = |e: CodecError| GroupError::Frame { member: from, why: e.to_string() };
                let (_, request): (Hello, Request) = unframe(&bytes).map_err(unreadable)?;
                Ok(frame(&hello, &group.serve(request).await))
            })
        });
    }

    /// Cuts the power of a member. What was not synced is lost.
    pub(super) async fn kill(&mut self, id: u64) {
        self.net.leave(id);
        let member = self.members.get_mut(&id).unwrap();
        member.disk.cut_power_after(0);
        if let Some(group) = member.group.take() {
            group.shutdown().await;
        }
        member.disk.crash();
        member.tables.crash();
    }

    pub(super) fn group(&self, id: u64) -> Group<History> {
        self.members[&id].group.clone().unwrap()
    }

    pub(super) fn live(&self) -> Vec<u64> {
        self.members.iter().filter(|(_, member)| member.group.is_some()).map(|(id, _)| *id).collect()
    }

    /// Waits until a member leads whom a quorum hears.
    pub(super) async fn leader(&self) -> u64 {
        let mut found = None;
        eventually("a leader", || {
            let leads = |id: &u64| {
                let status = self.group(*id).status();
                status.leads && status.quorum_heard_ms.is_some_and(|ms| ms < 500)
            };
            found = self.live().into_iter().find(leads);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Waits until all live members have applied the same, and answers it.
    pub(super) async fn settled(&self) -> History {
        let (leader, all) = (self.group(self.leader().await), self.live());
        let history = leader.read(History::clone).await.unwrap();
        eventually("all members have all of the history", || {
            all.iter().all(|id| self.group(*id).look(|found| found.0.len() >= history.0.len()))
        })
        .await;
        for id in all {
            assert_eq!(self.group(id).look(|found| found.0[..history.0.len()].to_vec()), history.0, "member {id}");
        }
        history
    }

    pub(super) async fn shutdown(self) {
        for member in self.members.into_values() {
            if let Some(group) = member.group {
                group.shutdown().await;
            }
        }
    }
}

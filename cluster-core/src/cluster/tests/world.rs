//! A few members in one process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyralog_crypto::{Decode, LogId, Record};
use tempfile::TempDir;

use super::net::{End, Net};
use crate::cluster::{AppendError, Cluster, ClusterOptions, Envelope, PartitionStatus};
use crate::logs::tests::{record, spec};
use crate::member::MemberLimits;
use crate::notary::testkit::Rig;
use crate::raft::{Identity, NewMember, RaftOptions, Spread, Status};
use crate::replication::MemberId;
use crate::{Core, LogName, LogSpec, Options};

/// Bytes that a member keeps for itself.
const RESERVE: u64 = 4 << 20;
/// Nothing takes so long.
pub(super) const LONG: Duration = Duration::from_secs(40);

/// A member, running or not.
pub(super) struct Node {
    pub(super) rig: Rig,
    /// Its files, where it is not on the faulty disk.
    files: Option<TempDir>,
    pub(super) id: MemberId,
    pub(super) running: Option<(Arc<Core>, Cluster)>,
}

/// How groups stand, by their numbers.
pub(super) type Groups = Vec<(u64, Status)>;

pub(super) struct World {
    pub(super) net: Net,
    pub(super) nodes: Vec<Node>,
    options: ClusterOptions,
    /// Whether members stand on the disk of this machine.
    real: bool,
}

pub(super) fn options() -> ClusterOptions {
    let raft = RaftOptions {
        heartbeat: Duration::from_millis(50),
        election: (Duration::from_millis(200), Duration::from_millis(400)),
        ..RaftOptions::default()
    };
    let log_id = |_: &LogName, incarnation: u64| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&incarnation.to_be_bytes());
        LogId(id)
    };
    ClusterOptions { raft, limits: MemberLimits::default(), patience: LONG, log_id: Arc::new(log_id), numbers: (3, 2) }
}

fn core(rig: &Rig, files: Option<&TempDir>) -> Arc<Core> {
    let options = Options { manual: false, reserve_bytes: RESERVE, ..rig.options() };
    let opened = match files {
        Some(files) => Core::open(files.path(), Options { journal_bytes: 16 << 20, ..options }),
        None => rig.try_open(options),
    };
    Arc::new(opened.unwrap().0)
}

impl World {
    /// A cluster of so many voters.
    pub(super) async fn new(members: u64) -> Self {
        Self::with(members, options(), false).await
    }

    /// The same, with these options; `real` on the disk of this machine.
    pub(super) async fn with(members: u64, options: ClusterOptions, real: bool) -> Self {
        let mut world = Self { net: Net::default(), nodes: Vec::new(), options, real };
        for number in 1..=members {
            world.grow(number).await;
        }
        world
    }

    /// One more member, with the disk of this seed; the others make it a voter.
    pub(super) async fn grow(&mut self, seed: u64) {
        let rig = Rig::new(seed);
        let files = self.real.then(|| tempfile::tempdir().unwrap());
        let core = core(&rig, files.as_ref());
        let (name, peer) = (format!("member-{seed}"), seed.to_be_bytes());
        if self.nodes.is_empty() {
            let links = Arc::new(End { me: MemberId(1), net: self.net.clone() });
            let cluster = Cluster::bootstrap(&core, self.options.clone(), links, &name, &peer, &[]).await.unwrap();
            self.net.join(&cluster);
            self.nodes.push(Node { rig, files, id: cluster.id(), running: Some((core, cluster)) });
            return;
        }
        let Identity { incarnation, life, .. } = Identity::load_or_make(core.tables().as_ref()).unwrap();
        let new = NewMember { name, peer: peer.to_vec(), addresses: Vec::new(), incarnation, life };
        let id = self.cluster(0).groups().admit(new).await.unwrap();
        drop(core);
        self.nodes.push(Node { rig, files, id, running: None });
        self.open(self.nodes.len() - 1).await;
        let begin = Instant::now();
        while !self.cluster(0).groups().global().status().voters.contains(&id) {
            assert!(begin.elapsed() < LONG, "{:?}", self.cluster(0).groups().global().status());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A member has its id from the others, and runs.
    pub(super) async fn open(&mut self, place: usize) {
        let node = &self.nodes[place];
        let core = core(&node.rig, node.files.as_ref());
        Identity::load_or_make(core.tables().as_ref()).unwrap().assign(core.tables().as_ref(), node.id).unwrap();
        drop(core);
        self.restart(place).await;
    }

    /// A member loses its disk; the others let it in again.
    pub(super) async fn wipe(&mut self, place: usize, seed: u64) {
        self.kill(place).await;
        let rig = Rig::new(seed);
        let first = core(&rig, None);
        let Identity { incarnation, life, .. } = Identity::load_or_make(first.tables().as_ref()).unwrap();
        drop(first);
        let other = self.cluster((place + 1) % self.nodes.len());
        let old = other.groups().global().look(|state| state.member(self.nodes[place].id).cloned()).unwrap();
        let new = NewMember { name: old.name, peer: old.peer, addresses: Vec::new(), incarnation, life };
        let begin = Instant::now();
        let id = loop {
            other.receive(self.nodes[place].id, Envelope::Join(new.clone()));
            tokio::time::sleep(Duration::from_millis(100)).await;
            let found = other
                .groups()
                .global()
                .look(|state| state.live().find(|(_, member)| member.incarnation == incarnation).map(|(id, _)| id));
            if let Some(id) = found {
                break id;
            }
            assert!(begin.elapsed() < LONG);
        };
        assert_ne!(id, self.nodes[place].id);
        self.nodes[place] = Node { rig, files: None, id, running: None };
        self.open(place).await;
    }

    /// What a home asks for that has the key of a member, and an empty disk.
    pub(super) fn stranger(&self, place: usize) -> NewMember {
        let known = self.cluster(place).groups().global().look(|state| state.member(self.nodes[place].id).cloned());
        let old = known.unwrap();
        let (incarnation, life) = ([0xee; 16], crate::raft::Life::default());
        NewMember { name: old.name, peer: old.peer, addresses: Vec::new(), incarnation, life }
    }

    pub(super) fn cluster(&self, place: usize) -> Cluster {
        self.nodes[place].running.as_ref().unwrap().1.clone()
    }

    /// Cuts the power of a member.
    pub(super) async fn kill(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        self.net.leave(node.id);
        let (core, cluster) = node.running.take().unwrap();
        node.rig.disk.cut_power_after(0);
        cluster.shutdown().await;
        drop((core, cluster));
        node.rig.crash();
    }

    /// Leaves half of what a member keeps for itself on its disk.
    pub(super) fn fill(&self, place: usize) {
        let disk = &self.nodes[place].rig.disk;
        disk.set_capacity(Some(disk.used() + RESERVE / 2));
    }

    pub(super) async fn restart(&mut self, place: usize) {
        self.begin(place).await;
        self.confirm(place).await;
    }

    /// A member runs, and its start is not confirmed yet.
    pub(super) async fn begin(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let core = core(&node.rig, node.files.as_ref());
        let links = Arc::new(End { me: node.id, net: self.net.clone() });
        let cluster = Cluster::open(&core, self.options.clone(), links).await.unwrap();
        self.net.join(&cluster);
        node.running = Some((core, cluster));
    }

    pub(super) async fn confirm(&self, place: usize) {
        let begin = Instant::now();
        while let Err(reason) = self.cluster(place).start().await {
            assert!(begin.elapsed() < LONG, "{reason}");
        }
    }

    /// Cuts the power of all members, and starts them again.
    pub(super) async fn restart_all(&mut self) {
        for place in 0..self.nodes.len() {
            self.kill(place).await;
        }
        for place in 0..self.nodes.len() {
            self.begin(place).await;
        }
        for place in 0..self.nodes.len() {
            self.confirm(place).await;
        }
    }

    /// The place of who leads a partition, and of one that does not.
    pub(super) fn leader_and_other(&self, name: &LogName, partition: u32) -> Option<(usize, usize)> {
        let running = |place: &usize| self.nodes[*place].running.is_some();
        let cluster = self.cluster((0..self.nodes.len()).find(running)?);
        let leader = cluster.leader_of(cluster.partition(name, partition).ok()?)?;
        let leader = self.nodes.iter().position(|node| node.id == leader)?;
        Some((leader, (0..self.nodes.len()).filter(running).find(|place| *place != leader)?))
    }

    pub(super) async fn create(&self, name: &str) -> LogName {
        let spec = LogSpec { partitions: 2, segment_bytes: 8 << 10, ..spec(name) };
        self.cluster(0).create_log(&spec, Spread::whole(3, 2), false).await.unwrap();
        spec.name
    }

    /// Numbers of the records of a partition on a member.
    pub(super) fn numbers(&self, place: usize, name: &LogName, partition: u32) -> Option<Vec<u64>> {
        let core = &self.nodes[place].running.as_ref()?.0;
        let log = core.logs().open_log(name.as_str()).ok()?;
        let partition = log.partition(partition).unwrap();
        let mut numbers = Vec::new();
        partition
            .read(0, &mut |stored| {
                let found = Record::from_bytes(stored.bytes).unwrap();
                let number = u64::from_be_bytes(found.key().unwrap()[..].try_into().unwrap());
                assert_eq!(found, record(number));
                numbers.push(number);
                true
            })
            .unwrap();
        Some(numbers)
    }

    /// Waits until so many live members store all partitions.
    pub(super) async fn stored_by(&self, name: &LogName, members: usize) {
        let begin = Instant::now();
        loop {
            let cluster = self.cluster(0);
            let live: BTreeSet<MemberId> = self.nodes.iter().map(|node| node.id).collect();
            let full = |status: &PartitionStatus| {
                let stored = status.nodeset.members().iter().filter(|member| live.contains(member)).count();
                stored == members && status.settled && status.log == *name
            };
            let partitions = cluster.partitions();
            if partitions.iter().all(full) {
                return;
            }
            assert!(begin.elapsed() < LONG, "{partitions:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until all members that run show so many records, and the same ones.
    pub(super) async fn agree(&self, name: &LogName, partition: u32, least: usize) -> Vec<u64> {
        let begin = Instant::now();
        loop {
            let running = (0..self.nodes.len()).filter(|place| self.nodes[*place].running.is_some());
            let all: Vec<_> = running.map(|place| self.numbers(place, name, partition)).collect();
            if let [Some(first), ..] = &all[..]
                && first.len() >= least
                && all.iter().all(|other| other.as_ref() == Some(first))
            {
                return first.clone();
            }
            let lengths: Vec<_> = all.iter().map(|numbers| numbers.as_ref().map(Vec::len)).collect();
            assert!(begin.elapsed() < LONG, "{lengths:?} records of {least}: {:#?}", self.groups());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How all groups stand on all members that run, and what they know of the partitions.
    pub(super) fn groups(&self) -> Vec<(MemberId, Groups, Vec<PartitionStatus>)> {
        let running = self.nodes.iter().filter_map(|node| Some((node.id, node.running.as_ref()?.1.clone())));
        let one = |(id, cluster): (MemberId, Cluster)| {
            let groups = cluster.groups();
            let mut all = vec![(groups.global().number(), groups.global().status())];
            all.extend(groups.shards().iter().map(|shard| (shard.number(), shard.status())));
            (id, all, cluster.partitions())
        };
        running.map(one).collect()
    }

    pub(super) async fn end(mut self) {
        for place in 0..self.nodes.len() {
            if self.nodes[place].running.is_some() {
                self.kill(place).await;
            }
        }
    }
}

pub(super) fn runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

pub(super) async fn append(
    world: &World,
    name: &LogName,
    place: usize,
    next: &mut u64,
    acknowledged: &mut BTreeMap<u64, u64>,
    unknown: &mut BTreeSet<u64>,
) {
    loop {
        let number = *next;
        match world.cluster(place).append(name, 0, &[record(number)]).await {
            Ok(placed) => {
                *next += 1;
                assert_eq!(acknowledged.insert(placed.offset, number), None);
                return;
            }
            Err(AppendError::Unknown { .. }) => {
                *next += 1;
                unknown.insert(number);
            }
            Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other}"),
        }
    }
}

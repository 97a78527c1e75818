//! Whole members in one process, on faulty disks, with links in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyralog_crypto::{Decode, LogId, Record};

use super::*;
use crate::logs::tests::{record, spec};
use crate::member::MemberLimits;
use crate::notary::testkit::Rig;
use crate::raft::{Identity, NewMember, RaftOptions};
use crate::replication::MemberId;
use crate::{Core, LogName, LogSpec, Options};

/// Nothing takes so long.
const LONG: Duration = Duration::from_secs(40);

/// Links in memory. Clones share them.
#[derive(Clone, Default)]
struct Net(Arc<Mutex<BTreeMap<MemberId, Cluster>>>);

struct End {
    me: Arc<Mutex<MemberId>>,
    net: Net,
}

impl Links for End {
    fn send(&self, to: MemberId, envelope: Envelope) -> bool {
        let me = *self.me.lock().unwrap();
        let members = self.net.0.lock().unwrap();
        let target = members.get(&to).filter(|_| members.contains_key(&me)).cloned();
        drop(members);
        let Some(target) = target else { return false };
        // As bytes, as on a real link.
        target.receive(me, Envelope::from_shared(&envelope.to_bytes()).unwrap());
        true
    }
}

impl Net {
    fn join(&self, cluster: &Cluster) {
        let others: Vec<Cluster> = {
            let mut members = self.0.lock().unwrap();
            let others = members.values().cloned().collect();
            members.insert(cluster.id(), cluster.clone());
            others
        };
        for other in others {
            other.link(cluster.id(), true);
            cluster.link(other.id(), true);
        }
    }

    fn leave(&self, id: MemberId) {
        let left: Vec<Cluster> = {
            let mut members = self.0.lock().unwrap();
            members.remove(&id);
            members.values().cloned().collect()
        };
        left.iter().for_each(|other| other.link(id, false));
    }
}

/// A member, running or not.
struct Node {
    rig: Rig,
    id: MemberId,
    running: Option<(Arc<Core>, Cluster)>,
}

struct World {
    net: Net,
    nodes: Vec<Node>,
}

fn options() -> ClusterOptions {
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
    ClusterOptions { raft, limits: MemberLimits::default(), patience: LONG, log_id: Arc::new(log_id) }
}

fn core(rig: &Rig) -> Arc<Core> {
    Arc::new(rig.try_open(Options { manual: false, ..rig.options() }).unwrap().0)
}

impl World {
    /// A cluster of so many voters.
    async fn new(members: u64) -> Self {
        let mut world = Self { net: Net::default(), nodes: Vec::new() };
        for number in 1..=members {
            let rig = Rig::new(number);
            let core = core(&rig);
            let me = Arc::new(Mutex::new(MemberId(1)));
            let links = Arc::new(End { me: Arc::clone(&me), net: world.net.clone() });
            let (name, peer) = (format!("member-{number}"), number.to_be_bytes());
            let cluster = if number == 1 {
                let cluster = Cluster::bootstrap(Arc::clone(&core), options(), links, &name, &peer, &[]).await.unwrap();
                world.net.join(&cluster);
                cluster
            } else {
                let mut identity = Identity::load_or_make(core.tables().as_ref()).unwrap();
                let (incarnation, life) = (identity.incarnation, identity.life);
                let new = NewMember { name, peer: peer.to_vec(), addresses: Vec::new(), incarnation, life };
                let first = world.cluster(0);
                let id = first.groups().admit(new).await.unwrap();
                identity.assign(core.tables().as_ref(), id).unwrap();
                *me.lock().unwrap() = id;
                let cluster = Cluster::open(Arc::clone(&core), options(), links).await.unwrap();
                world.net.join(&cluster);
                first.groups().add_learner(id).await.unwrap();
                cluster.start().await.unwrap();
                first.groups().promote(id).await.unwrap();
                cluster
            };
            world.nodes.push(Node { rig, id: cluster.id(), running: Some((core, cluster)) });
        }
        world
    }

    fn cluster(&self, place: usize) -> Cluster {
        self.nodes[place].running.as_ref().unwrap().1.clone()
    }

    /// Cuts the power of a member.
    async fn kill(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        self.net.leave(node.id);
        let (core, cluster) = node.running.take().unwrap();
        node.rig.disk.cut_power_after(0);
        cluster.shutdown().await;
        drop((core, cluster));
        node.rig.crash();
    }

    async fn restart(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let core = core(&node.rig);
        let links = Arc::new(End { me: Arc::new(Mutex::new(node.id)), net: self.net.clone() });
        let cluster = Cluster::open(Arc::clone(&core), options(), links).await.unwrap();
        self.net.join(&cluster);
        let begin = Instant::now();
        while let Err(reason) = cluster.start().await {
            assert!(begin.elapsed() < LONG, "{reason}");
        }
        self.nodes[place].running = Some((core, cluster));
    }

    async fn create(&self, name: &str) -> LogName {
        let spec = LogSpec { partitions: 2, segment_bytes: 8 << 10, ..spec(name) };
        self.cluster(0).create_log(&spec, 3, 2, false).await.unwrap();
        spec.name
    }

    /// Numbers of the records of a partition on a member.
    fn numbers(&self, place: usize, name: &LogName, partition: u32) -> Option<Vec<u64>> {
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

    /// Waits until all members that run show so many records, and the same ones.
    async fn agree(&self, name: &LogName, partition: u32, least: usize) -> Vec<u64> {
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
            assert!(begin.elapsed() < LONG, "{lengths:?} records of {least}: {:?}", self.cluster(0).partitions());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(mut self) {
        for place in 0..self.nodes.len() {
            if self.nodes[place].running.is_some() {
                self.kill(place).await;
            }
        }
    }
}

fn runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

#[test]
fn one_member_is_a_cluster() {
    runtime(async {
        let world = World::new(1).await;
        let spec = LogSpec { partitions: 1, ..spec("alone") };
        let cluster = world.cluster(0);
        cluster.create_log(&spec, 1, 1, false).await.unwrap();
        for number in 0..20 {
            let placed = cluster.append(&spec.name, 0, &[record(number)]).await.unwrap();
            assert_eq!(placed.offset, number);
        }
        assert_eq!(world.agree(&spec.name, 0, 20).await, (0..20).collect::<Vec<_>>());
        world.end().await;
    });
}

#[test]
fn appends_through_any_member_are_on_all_of_them() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        let mut number = 0;
        for _ in 0..10 {
            for place in 0..3 {
                // A member that has not heard of the log yet says so.
                let placed = loop {
                    match world.cluster(place).append(&name, 1, &[record(number), record(number + 1)]).await {
                        Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                        other => break other.unwrap(),
                    }
                };
                assert_eq!(placed.offset, number);
                number += 2;
            }
        }
        assert_eq!(world.agree(&name, 1, 60).await, (0..60).collect::<Vec<_>>());
        let missing = world.cluster(0).append(&name, 2, &[record(0)]).await;
        assert!(matches!(missing, Err(AppendError::NoSuchPartition { partition: 2, .. })));
        world.cluster(0).delete_log(&name).await.unwrap();
        let begin = Instant::now();
        while world.nodes.iter().any(|node| node.running.as_ref().unwrap().0.logs().open_log("orders").is_ok()) {
            assert!(begin.elapsed() < LONG);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.end().await;
    });
}

#[test]
fn whoever_dies_nothing_acknowledged_is_lost_and_it_comes_back() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for round in 0..4 {
            for _ in 0..15 {
                append(&world, &name, round % 3, &mut next, &mut acknowledged, &mut unknown).await;
            }
            let leader = {
                let cluster = world.cluster(0);
                cluster.leader_of(cluster.partition(&name, 0).unwrap())
            };
            // The leader first, and then others.
            let victim = match leader.filter(|_| round % 2 == 0) {
                Some(leader) => world.nodes.iter().position(|node| node.id == leader).unwrap(),
                None => round % 3,
            };
            world.kill(victim).await;
            for _ in 0..15 {
                let place = (0..3).find(|place| *place != victim).unwrap();
                append(&world, &name, place, &mut next, &mut acknowledged, &mut unknown).await;
            }
            world.restart(victim).await;
        }
        let least = acknowledged.len();
        assert!(least >= 100, "{least} were acknowledged");
        let numbers = world.agree(&name, 0, least).await;
        for (offset, number) in &acknowledged {
            assert_eq!(numbers[*offset as usize], *number);
        }
        let once: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(once.len(), numbers.len(), "a record stands twice");
        let of_clients: BTreeSet<u64> = acknowledged.values().copied().chain(unknown).collect();
        assert!(once.is_subset(&of_clients));
        world.end().await;
    });
}

async fn append(
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

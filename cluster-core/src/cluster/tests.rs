//! Whole members in one process, on faulty disks, with links in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyralog_crypto::{Decode, LogId, Record};

use super::*;
use crate::logs::tests::{record, spec};
use crate::member::{MemberLimits, Placed};
use crate::notary::testkit::Rig;
use crate::raft::{Identity, NewMember, RaftOptions, Status};
use crate::replication::{Epoch, Lsn, MAX_PRODUCER_RECORDS, MemberId, ProducerId, Stamp};
use crate::{Core, LogName, LogSpec, Options};

mod modes;

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

/// How groups stand, by their numbers.
type Groups = Vec<(u64, Status)>;

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
    ClusterOptions { raft, limits: MemberLimits::default(), patience: LONG, log_id: Arc::new(log_id), numbers: (3, 2) }
}

fn core(rig: &Rig) -> Arc<Core> {
    Arc::new(rig.try_open(Options { manual: false, ..rig.options() }).unwrap().0)
}

impl World {
    /// A cluster of so many voters.
    async fn new(members: u64) -> Self {
        let mut world = Self { net: Net::default(), nodes: Vec::new() };
        for number in 1..=members {
            world.grow(number).await;
        }
        world
    }

    /// One more member, with the disk of this seed; the others make it a voter.
    async fn grow(&mut self, seed: u64) {
        let rig = Rig::new(seed);
        let core = core(&rig);
        let (name, peer) = (format!("member-{seed}"), seed.to_be_bytes());
        if self.nodes.is_empty() {
            let links = Arc::new(End { me: Arc::new(Mutex::new(MemberId(1))), net: self.net.clone() });
            let cluster = Cluster::bootstrap(&core, options(), links, &name, &peer, &[]).await.unwrap();
            self.net.join(&cluster);
            self.nodes.push(Node { rig, id: cluster.id(), running: Some((core, cluster)) });
            return;
        }
        let Identity { incarnation, life, .. } = Identity::load_or_make(core.tables().as_ref()).unwrap();
        let new = NewMember { name, peer: peer.to_vec(), addresses: Vec::new(), incarnation, life };
        let id = self.cluster(0).groups().admit(new).await.unwrap();
        drop(core);
        self.nodes.push(Node { rig, id, running: None });
        self.open(self.nodes.len() - 1).await;
        let begin = Instant::now();
        while !self.cluster(0).groups().global().status().voters.contains(&id) {
            assert!(begin.elapsed() < LONG, "{:?}", self.cluster(0).groups().global().status());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A member has its id from the others, and runs.
    async fn open(&mut self, place: usize) {
        let node = &self.nodes[place];
        let core = core(&node.rig);
        Identity::load_or_make(core.tables().as_ref()).unwrap().assign(core.tables().as_ref(), node.id).unwrap();
        drop(core);
        self.restart(place).await;
    }

    /// A member loses its disk; the others let it in again.
    async fn wipe(&mut self, place: usize, seed: u64) {
        self.kill(place).await;
        let rig = Rig::new(seed);
        let first = core(&rig);
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
        self.nodes[place] = Node { rig, id, running: None };
        self.open(place).await;
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
        self.begin(place).await;
        self.confirm(place).await;
    }

    /// A member runs, and its start is not confirmed yet.
    async fn begin(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let core = core(&node.rig);
        let links = Arc::new(End { me: Arc::new(Mutex::new(node.id)), net: self.net.clone() });
        let cluster = Cluster::open(&core, options(), links).await.unwrap();
        self.net.join(&cluster);
        node.running = Some((core, cluster));
    }

    async fn confirm(&self, place: usize) {
        let begin = Instant::now();
        while let Err(reason) = self.cluster(place).start().await {
            assert!(begin.elapsed() < LONG, "{reason}");
        }
    }

    /// Cuts the power of all members, and starts them again.
    async fn restart_all(&mut self) {
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
    fn leader_and_other(&self, name: &LogName, partition: u32) -> Option<(usize, usize)> {
        let running = |place: &usize| self.nodes[*place].running.is_some();
        let cluster = self.cluster((0..self.nodes.len()).find(running)?);
        let leader = cluster.leader_of(cluster.partition(name, partition).ok()?)?;
        let leader = self.nodes.iter().position(|node| node.id == leader)?;
        Some((leader, (0..self.nodes.len()).filter(running).find(|place| *place != leader)?))
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

    /// Waits until so many live members store all partitions.
    async fn stored_by(&self, name: &LogName, members: usize) {
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
            assert!(begin.elapsed() < LONG, "{lengths:?} records of {least}: {:#?}", self.groups());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How all groups stand on all members that run, and what they know of the partitions.
    fn groups(&self) -> Vec<(MemberId, Groups, Vec<PartitionStatus>)> {
        let running = self.nodes.iter().filter_map(|node| Some((node.id, node.running.as_ref()?.1.clone())));
        let one = |(id, cluster): (MemberId, Cluster)| {
            let groups = cluster.groups();
            let mut all = vec![(groups.global().number(), groups.global().status())];
            all.extend(groups.shards().iter().map(|shard| (shard.number(), shard.status())));
            (id, all, cluster.partitions())
        };
        running.map(one).collect()
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
fn a_log_of_one_member_grows_with_the_cluster_and_a_lost_disk_is_replaced() {
    runtime(async {
        let mut world = World::new(1).await;
        let spec = LogSpec { partitions: 2, segment_bytes: 8 << 10, ..spec("orders") };
        let name = spec.name.clone();
        world.cluster(0).create_log(&spec, 3, 2, false).await.unwrap();
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for seed in 2..=3 {
            for _ in 0..20 {
                append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
            }
            world.grow(seed).await;
        }
        world.stored_by(&name, 3).await;
        for place in 0..2 {
            for _ in 0..20 {
                append(&world, &name, place, &mut next, &mut acknowledged, &mut unknown).await;
            }
            assert_eq!(world.agree(&name, 0, acknowledged.len()).await.len(), acknowledged.len() + unknown.len());
            world.wipe(place, 10 + place as u64).await;
            world.stored_by(&name, 3).await;
        }
        append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        let numbers = world.agree(&name, 0, acknowledged.len()).await;
        for (offset, number) in &acknowledged {
            assert_eq!(numbers[*offset as usize], *number);
        }
        world.end().await;
    });
}

#[test]
fn a_log_that_a_member_had_alone_is_taken_over_with_its_records() {
    runtime(async {
        let mut world = World::new(1).await;
        let logs = world.nodes[0].running.as_ref().unwrap().0.logs().clone();
        let derive = options().log_id;
        let name: LogName = "orders".parse().unwrap();
        let log = logs.create_as(LogSpec { partitions: 1, ..spec("orders") }, |incarnation| derive(&name, incarnation));
        let log = log.unwrap();
        let partition = log.partition(0).unwrap();
        crate::logs::tests::append(partition, 0..5).unwrap().recv().unwrap().durable().unwrap();
        assert!(world.cluster(0).is_alone() && world.cluster(0).partitions().is_empty());
        world.grow(2).await;
        world.stored_by(&name, 2).await;
        while !matches!(crate::logs::tests::append(partition, 5..6), Err(crate::Error::Replicated { .. })) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = world.agree(&name, 0, 5).await;
        let first = before.len() as u64;
        for place in 0..2 {
            let placed = world.cluster(place).append(&name, 0, &[record(100 + place as u64)]).await.unwrap();
            assert_eq!(placed.offset, first + place as u64);
        }
        let numbers = world.agree(&name, 0, before.len() + 2).await;
        assert_eq!(numbers[..before.len()], before);
        assert_eq!(numbers[before.len()..], [100, 101]);
        world.end().await;
    });
}

#[test]
fn a_damaged_partition_is_taken_from_the_others_after_a_restart() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for _ in 0..120 {
            append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        }
        let before = world.agree(&name, 0, acknowledged.len()).await;
        world.kill(2).await;
        let disk = world.nodes[2].rig.disk.clone();
        let segment = |path: &std::path::Path| path.ends_with("0/00000000000000000000.seg");
        let lost = disk.files().into_iter().find(|path| segment(path)).unwrap();
        disk.lose(&lost);
        world.restart(2).await;
        let id = world.cluster(0).partition(&name, 0).unwrap();
        let key = [&b"renew/"[..], &id.0.to_be_bytes()].concat();
        let begin = Instant::now();
        loop {
            let core = Arc::clone(&world.nodes[2].running.as_ref().unwrap().0);
            if core.tables().get(crate::Family::Log, &key).unwrap().is_some() {
                break;
            }
            drop(core);
            assert!(begin.elapsed() < LONG, "{:#?}", world.groups());
            // The others go on.
            append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        }
        world.kill(2).await;
        world.restart(2).await;
        append(&world, &name, 2, &mut next, &mut acknowledged, &mut unknown).await;
        let numbers = world.agree(&name, 0, acknowledged.len()).await;
        assert_eq!(numbers[..before.len()], before);
        for (offset, number) in &acknowledged {
            assert_eq!(numbers[*offset as usize], *number);
        }
        world.end().await;
    });
}

#[test]
fn a_member_that_is_asked_leads() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        let cluster = world.cluster(0);
        let id = cluster.partition(&name, 0).unwrap();
        let led = |by: MemberId| {
            let cluster = cluster.clone();
            async move {
                let begin = Instant::now();
                while cluster.leader_of(id) != Some(by) {
                    assert!(begin.elapsed() < LONG, "{:?}", cluster.partitions());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        for to in [2, 3] {
            let leader = cluster.groups().global().status().leader.member.unwrap();
            let leader = world.nodes.iter().find(|node| node.id == leader).unwrap();
            leader.running.as_ref().unwrap().1.transfer(MemberId(to)).await.unwrap();
            led(MemberId(to)).await;
            cluster.append(&name, 0, &[record(to)]).await.unwrap();
        }
        while cluster.rebalance() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cluster.append(&name, 0, &[record(4)]).await.unwrap();
        assert_eq!(world.agree(&name, 0, 3).await, [2, 3, 4]);
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

/// A batch of three records that a producer sends as this one of its own.
fn batch(sequence: u64) -> Vec<Record> {
    (0..3).map(|number| record(10 * sequence + number)).collect()
}

/// Sends batches of a producer again through a member: each has its first answer.
async fn again(world: &World, place: usize, name: &LogName, producer: ProducerId, answers: &BTreeMap<u64, Placed>) {
    for (sequence, before) in answers.iter().rev().take(MAX_PRODUCER_RECORDS) {
        let stamp = Stamp { producer, sequence: *sequence };
        let placed = loop {
            match world.cluster(place).append_as(name, 0, stamp, &batch(*sequence)).await {
                // Whoever has just come has not heard of the log yet.
                Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => break other,
            }
        };
        match placed {
            Ok(placed) => assert_eq!(placed, *before, "{stamp:?}"),
            Err(why) => panic!("{stamp:?} at {place}: {why}: {:#?}", world.groups()),
        }
    }
}

#[test]
fn a_producer_has_its_first_answers_whoever_leads_and_after_every_start() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let producer = world.cluster(1).open_producer(&name, 0).await.unwrap();
        let (mut sequence, mut answers) = (0, BTreeMap::new());
        for round in 0..3 {
            for _ in 0..3 {
                sequence += 1;
                let cluster = world.cluster(sequence as usize % 3);
                // One of nobody between them, so that offsets and sequence numbers do not go together.
                cluster.append(&name, 0, &[record(1000 + sequence)]).await.unwrap();
                let placed = cluster.append_as(&name, 0, Stamp { producer, sequence }, &batch(sequence)).await.unwrap();
                answers.insert(sequence, placed);
            }
            let (leader, other) = world.leader_and_other(&name, 0).unwrap();
            again(&world, leader, &name, producer, &answers).await;
            match round {
                0 => {
                    // Nobody else has answered these.
                    world.kill(leader).await;
                    again(&world, other, &name, producer, &answers).await;
                    world.restart(leader).await;
                }
                1 => world.restart_all().await,
                _ => {
                    world.wipe(leader, 20).await;
                    world.stored_by(&name, 3).await;
                }
            }
            for place in 0..3 {
                again(&world, place, &name, producer, &answers).await;
            }
        }
        let numbers = world.agree(&name, 0, answers.len() * 4).await;
        assert_eq!(numbers.len(), answers.len() * 4, "a record stands twice");
        for (sequence, placed) in &answers {
            let at = placed.offset as usize;
            assert_eq!(numbers[at..at + 3], [10 * sequence, 10 * sequence + 1, 10 * sequence + 2]);
        }
        world.end().await;
    });
}

#[test]
fn one_member_takes_a_log_over_for_its_producers_and_others_join_later() {
    runtime(async {
        let mut world = World::new(1).await;
        let logs = world.nodes[0].running.as_ref().unwrap().0.logs().clone();
        let derive = options().log_id;
        let name: LogName = "orders".parse().unwrap();
        let log = logs.create_as(LogSpec { partitions: 1, ..spec("orders") }, |incarnation| derive(&name, incarnation));
        let log = log.unwrap();
        let before = crate::logs::tests::append(log.partition(0).unwrap(), 0..5).unwrap();
        before.recv().unwrap().durable().unwrap();
        let nobody = world.cluster(0).adopt_log(&"others".parse().unwrap()).await;
        assert!(matches!(nobody, Err(crate::raft::GroupError::Refused { .. })));
        for _ in 0..2 {
            world.cluster(0).adopt_log(&name).await.unwrap();
        }
        let producer = world.cluster(0).open_producer(&name, 0).await.unwrap();
        let mut answers = BTreeMap::new();
        let mut send = async |world: &World, sequence: u64| {
            let stamp = Stamp { producer, sequence };
            let placed = world.cluster(0).append_as(&name, 0, stamp, &batch(sequence)).await.unwrap();
            assert_eq!(placed.offset, 5 + 3 * (sequence - 1));
            answers.insert(sequence, placed);
            again(world, 0, &name, producer, &answers).await;
        };
        send(&world, 1).await;
        world.restart_all().await;
        send(&world, 1).await;
        send(&world, 2).await;
        world.grow(2).await;
        world.stored_by(&name, 2).await;
        send(&world, 3).await;
        let expected: Vec<u64> = (0..5).chain([10, 11, 12, 20, 21, 22, 30, 31, 32]).collect();
        assert_eq!(world.agree(&name, 0, 14).await, expected);
        world.end().await;
    });
}

#[test]
fn what_a_producer_cannot_send_is_refused_by_any_member() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let producer = world.cluster(0).open_producer(&name, 0).await.unwrap();
        let sent = |place: usize, producer, sequence| {
            let (cluster, name) = (world.cluster(place), name.clone());
            async move { cluster.append_as(&name, 0, Stamp { producer, sequence }, &batch(sequence)).await }
        };
        for sequence in 1..=6 {
            sent(0, producer, sequence).await.unwrap();
        }
        for place in 0..3 {
            let gap = sent(place, producer, 8).await.unwrap_err();
            assert!(matches!(gap, AppendError::Gap { expected: 7 }), "{gap}");
            let nobody = ProducerId(Lsn::new(Epoch(9), 9));
            // Never opened, and too old to be known.
            for (producer, sequence) in [(nobody, 1), (producer, 1)] {
                let unknown = sent(place, producer, sequence).await.unwrap_err();
                assert!(matches!(unknown, AppendError::UnknownProducer), "{unknown}");
            }
            let zero = sent(place, producer, 0).await.unwrap_err();
            assert!(matches!(zero, AppendError::Invalid(_)), "{zero}");
        }
        assert_eq!(world.agree(&name, 0, 18).await.len(), 18);
        world.end().await;
    });
}

#[test]
fn a_producer_does_not_notice_that_leaders_die() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let producer = world.cluster(0).open_producer(&name, 0).await.unwrap();
        let mut sequence = 0;
        for _ in 0..3 {
            let (leader, other) = world.leader_and_other(&name, 0).unwrap();
            let (cluster, name) = (world.cluster(other), name.clone());
            let first = sequence + 1;
            let sending = tokio::spawn(async move {
                for sequence in first..first + 40 {
                    let stamp = Stamp { producer, sequence };
                    let placed = cluster.append_as(&name, 0, stamp, &batch(sequence)).await.unwrap();
                    assert_eq!(placed.offset, 3 * (sequence - 1));
                }
            });
            tokio::time::sleep(Duration::from_millis(30)).await;
            world.kill(leader).await;
            sending.await.unwrap();
            world.restart(leader).await;
            sequence += 40;
        }
        let expected: Vec<u64> = (1..=sequence).flat_map(|sequence| [0, 1, 2].map(|n| 10 * sequence + n)).collect();
        assert_eq!(world.agree(&name, 0, expected.len()).await, expected);
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

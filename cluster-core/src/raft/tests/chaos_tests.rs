//! Many clients, and members that die, part and lose frames meanwhile: what was acknowledged is there, once, in one order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::history::{Cluster, Id};
use crate::raft::{Change, GroupError};

/// What clients saw.
#[derive(Default)]
struct Oracle {
    next: AtomicU64,
    /// The highest place that was acknowledged, plus one.
    seen: AtomicU64,
    acknowledged: std::sync::Mutex<BTreeMap<u64, u64>>,
    reads: AtomicU64,
    over: AtomicBool,
}

impl Oracle {
    /// Proposes and reads until it is over. Places rise with real time: what is acknowledged before something begins stands before it.
    async fn client(self: Arc<Self>, cluster: Arc<Mutex<Cluster>>) {
        while !self.over.load(Ordering::Acquire) {
            let id = self.next.fetch_add(1, Ordering::AcqRel);
            let group = {
                let cluster = cluster.lock().await;
                let live = cluster.live();
                cluster.group(live[cluster.net.below(live.len() as u64) as usize])
            };
            let before = self.seen.load(Ordering::Acquire);
            if id.is_multiple_of(4) {
                if let Ok(found) = group.read(|history| history.0.len() as u64).await {
                    assert!(found >= before, "a read of {found} entries behind an acknowledgement of {before}");
                    self.reads.fetch_add(1, Ordering::AcqRel);
                }
                continue;
            }
            match group.propose(&Id(id)).await {
                Ok((_, Id(place))) => {
                    assert!(place >= before, "place {place} behind an acknowledgement of {before}");
                    self.seen.fetch_max(place + 1, Ordering::AcqRel);
                    self.acknowledged.lock().unwrap().insert(id, place);
                }
                Err(GroupError::Uncertain { .. } | GroupError::Unavailable { .. } | GroupError::Stopped { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }

    /// Whatever was before, commands go through now. Then it is over.
    async fn calm(&self) {
        let acknowledged = || self.acknowledged.lock().unwrap().len();
        let enough = acknowledged() + 40;
        super::eventually("the group goes on", || acknowledged() >= enough).await;
        self.over.store(true, Ordering::Release);
    }

    fn judge(&self, history: &[u64]) {
        let once: BTreeSet<u64> = history.iter().copied().collect();
        assert_eq!(once.len(), history.len(), "a command was applied twice");
        let acknowledged = self.acknowledged.lock().unwrap();
        for (id, place) in acknowledged.iter() {
            assert_eq!(history.get(*place as usize), Some(id), "command {id} at place {place}");
        }
        assert!(acknowledged.len() > 20, "only {} commands were acknowledged", acknowledged.len());
        assert!(self.reads.load(Ordering::Acquire) > 3, "nearly nothing was read");
    }
}

/// One fault, or the end of all.
async fn disturb(cluster: &Mutex<Cluster>, seed: u64) {
    let mut cluster = cluster.lock().await;
    let all: Vec<u64> = cluster.members.keys().copied().collect();
    let live = cluster.live();
    let quorum = all.len() / 2 + 1;
    let victim = live[cluster.net.below(live.len() as u64) as usize];
    match cluster.net.below(6) {
        // Back before anybody misses it.
        5 => {
            cluster.kill(victim).await;
            cluster.start(victim).await;
        }
        0 if live.len() > quorum => cluster.kill(victim).await,
        1 => {
            if let Some(dead) = all.iter().find(|id| !live.contains(id)) {
                cluster.start(*dead).await;
            }
        }
        2 => {
            let others: Vec<u64> = all.iter().copied().filter(|id| *id != victim).collect();
            cluster.net.part(&[victim], &others);
        }
        3 => cluster.net.lose(seed % 50),
        _ => cluster.net.heal(),
    }
}

async fn storm(seed: u64, members: u64) {
    let mut options = super::options();
    options.patience = Duration::from_secs(2);
    let cluster = Arc::new(Mutex::new(Cluster::with(seed, members, options).await));
    let oracle = Arc::new(Oracle::default());
    let clients: Vec<_> = (0..4).map(|_| tokio::spawn(oracle.clone().client(cluster.clone()))).collect();
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        disturb(&cluster, seed).await;
        let pause = cluster.lock().await.net.below(400);
        tokio::time::sleep(Duration::from_millis(50 + pause)).await;
    }
    {
        let mut cluster = cluster.lock().await;
        cluster.net.heal();
        let live = cluster.live();
        let dead: Vec<u64> = cluster.members.keys().copied().filter(|id| !live.contains(id)).collect();
        for id in dead {
            cluster.start(id).await;
        }
        cluster.leader().await;
    }
    oracle.calm().await;
    for client in clients {
        client.await.unwrap();
    }
    let cluster = Arc::into_inner(cluster).unwrap().into_inner();
    let history = cluster.settled().await;
    oracle.judge(&history.0);
    cluster.shutdown().await;
}

/// All of it may be spawned: this need not run.
#[allow(dead_code)]
fn futures_go_between_threads(groups: crate::raft::RaftGroups) {
    fn sent(_: impl Send) {}
    let (global, one) = (groups.global().clone(), crate::replication::MemberId(1));
    sent(global.transfer(one));
    sent(global.change(Change::Promote(1)));
    sent(global.snapshot());
    sent(groups.serve(one, 0, bytes::Bytes::new()));
    sent(groups.start());
    sent(groups.add_learner(one));
    sent(groups.promote(one));
    sent(groups.demote(one));
    sent(groups.remove(one));
    sent(groups.shutdown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_in_a_storm() {
    storm(11, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_members_in_a_storm() {
    storm(12, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_under_load() {
    let cluster = Arc::new(Mutex::new(Cluster::new(13, 3).await));
    let oracle = Arc::new(Oracle::default());
    let clients: Vec<_> = (0..2).map(|_| tokio::spawn(oracle.clone().client(cluster.clone()))).collect();
    for id in [4, 5] {
        let any = {
            let mut cluster = cluster.lock().await;
            cluster.add(id).await;
            cluster.group(2)
        };
        any.change(Change::AddLearner(id)).await.unwrap();
        any.change(Change::Promote(id)).await.unwrap();
    }
    let (leader, any) = {
        let cluster = cluster.lock().await;
        let leader = cluster.leader().await;
        (leader, cluster.group(if leader == 5 { 4 } else { 5 }))
    };
    // The leader itself becomes a learner, and steps down.
    any.change(Change::Demote(leader)).await.unwrap();
    let gone = cluster.lock().await.group(leader);
    super::eventually("the leader has stepped down", || !gone.status().leads).await;
    let new = cluster.lock().await.leader().await;
    assert_ne!(new, leader);
    any.change(Change::Remove(leader)).await.unwrap();
    let status = cluster.lock().await.group(new).status();
    assert_eq!((status.voters.len(), status.learners.len()), (4, 0), "{status:?}");
    cluster.lock().await.kill(leader).await;
    oracle.calm().await;
    for client in clients {
        client.await.unwrap();
    }
    let cluster = Arc::into_inner(cluster).unwrap().into_inner();
    let history = cluster.settled().await;
    oracle.judge(&history.0);
    cluster.shutdown().await;
}

//! One group, one fault at a time.

use std::time::Duration;

use super::eventually;
use super::history::{Cluster, Id};
use crate::raft::{Change, GroupError};
use crate::replication::MemberId;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_one_goes_on_after_a_crash() {
    let mut cluster = Cluster::new(1, 1).await;
    for id in 0..150 {
        let (_, place) = cluster.group(1).propose(&Id(id)).await.unwrap();
        assert_eq!(place, Id(id));
    }
    eventually("a snapshot, and a shorter log", || {
        let status = cluster.group(1).status();
        status.snapshot.is_some() && status.purged.is_some()
    })
    .await;
    cluster.kill(1).await;
    cluster.start(1).await;
    assert_eq!(cluster.settled().await.0, (0..150).collect::<Vec<_>>());
    assert_eq!(cluster.group(1).propose(&Id(7)).await.unwrap().1, Id(150));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_member_leads_when_the_leader_dies() {
    for count in [3, 5] {
        let mut cluster = Cluster::new(2, count).await;
        let old = cluster.leader().await;
        let term = cluster.group(old).status().leader.term;
        for id in 0..10 {
            // Asked on all members; those that do not lead send it on.
            cluster.group(1 + id % count).propose(&Id(id)).await.unwrap();
        }
        cluster.kill(old).await;
        let new = cluster.leader().await;
        assert_ne!(new, old);
        assert!(cluster.group(new).status().leader.term > term);
        cluster.group(new).propose(&Id(10)).await.unwrap();
        cluster.start(old).await;
        assert_eq!(cluster.settled().await.0, (0..=10).collect::<Vec<_>>());
        cluster.shutdown().await;
    }
}

/// What it knew of the newest commits is lost with the power, and openraft would have it answer reads all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_comes_back_at_once_leads_in_a_later_term_only() {
    for count in [1, 3] {
        let mut cluster = Cluster::new(4, count).await;
        let mut all = 0;
        for _ in 0..4 {
            let leader = cluster.leader().await;
            let term = cluster.group(leader).status().leader.term;
            for _ in 0..5 {
                cluster.group(leader).propose(&Id(all)).await.unwrap();
                all += 1;
            }
            cluster.kill(leader).await;
            cluster.start(leader).await;
            let found = cluster.group(leader).read(|history| history.0.len() as u64).await.unwrap();
            assert_eq!(found, all);
            assert!(cluster.group(leader).status().leader.term > term);
        }
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_accepts_nothing_and_says_who_is_there() {
    let mut short = super::options();
    short.patience = Duration::from_secs(2);
    let cluster = Cluster::with(3, 3, short).await;
    let old = cluster.leader().await;
    let others: Vec<u64> = (1..=3).filter(|id| *id != old).collect();
    cluster.group(old).propose(&Id(1)).await.unwrap();
    cluster.net.part(&[old], &others);
    let error = cluster.group(old).propose(&Id(2)).await.unwrap_err();
    let silent = others.iter().copied().map(MemberId).collect();
    match error {
        GroupError::Uncertain { answering, silent: found, .. } => {
            assert_eq!((answering, found), ([MemberId(old)].into(), silent));
        }
        other => panic!("{other}"),
    }
    assert!(matches!(cluster.group(old).read(|_| ()).await, Err(GroupError::Unavailable { .. })), "an old answer");
    eventually("the others have a leader", || others.iter().any(|id| cluster.group(*id).status().leads)).await;
    let mut done = cluster.group(others[0]).propose(&Id(3)).await;
    while let Err(GroupError::Unavailable { .. }) = done {
        done = cluster.group(others[0]).propose(&Id(3)).await;
    }
    done.unwrap();
    cluster.net.heal();
    eventually("the old leader follows", || !cluster.group(old).status().leads).await;
    assert_eq!(cluster.settled().await.0, [1, 3], "what the minority was given is gone");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_hands_over_and_does_not_take_it_back() {
    let cluster = Cluster::new(4, 3).await;
    let mut proposed = 0;
    for _ in 0..3 {
        let old = cluster.leader().await;
        let to = 1 + old % 3;
        let client = tokio::spawn({
            let (group, id) = (cluster.group(old), proposed);
            async move { group.propose(&Id(id)).await }
        });
        cluster.group(old).transfer(MemberId(to)).await.unwrap();
        proposed += 1;
        client.await.unwrap().unwrap();
        assert_eq!(cluster.leader().await, to);
        let term = cluster.group(to).status().leader.term;
        for _ in 0..5 {
            cluster.group(old).propose(&Id(proposed)).await.unwrap();
            proposed += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!((cluster.leader().await, cluster.group(to).status().leader.term), (to, term));
    }
    assert_eq!(cluster.settled().await.0, (0..proposed).collect::<Vec<_>>());
    let leader = cluster.leader().await;
    let other = 1 + leader % 3;
    assert!(matches!(cluster.group(other).transfer(MemberId(leader)).await, Err(GroupError::Refused { .. })));
    assert!(matches!(cluster.group(leader).transfer(MemberId(9)).await, Err(GroupError::Refused { .. })));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_cannot_hand_over_goes_on() {
    let mut short = super::options();
    short.patience = Duration::from_secs(3);
    let mut cluster = Cluster::with(5, 3, short).await;
    let old = cluster.leader().await;
    let dead = 1 + old % 3;
    cluster.kill(dead).await;
    assert!(matches!(cluster.group(old).transfer(MemberId(dead)).await, Err(GroupError::Unavailable { .. })));
    // Whoever leads now: the group answers.
    let leader = cluster.leader().await;
    cluster.group(leader).propose(&Id(1)).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_far_behind_gets_a_snapshot_in_pieces() {
    let mut cluster = Cluster::new(6, 1).await;
    for id in 0..200 {
        cluster.group(1).propose(&Id(id)).await.unwrap();
    }
    eventually("the first entries are gone", || cluster.group(1).status().purged > Some(80)).await;
    cluster.add(2).await;
    cluster.group(1).change(Change::AddLearner(2)).await.unwrap();
    cluster.group(1).change(Change::AddLearner(2)).await.unwrap();
    eventually("the learner has everything", || cluster.group(2).look(|history| history.0.len()) == 200).await;
    assert!(cluster.group(2).status().snapshot > Some(80));
    cluster.group(2).change(Change::Promote(2)).await.unwrap();
    cluster.kill(2).await;
    cluster.start(2).await;
    cluster.group(1).propose(&Id(200)).await.unwrap();
    assert_eq!(cluster.settled().await.0, (0..=200).collect::<Vec<_>>());
    cluster.shutdown().await;
}

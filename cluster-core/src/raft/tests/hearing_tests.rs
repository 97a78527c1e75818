//! Members that know who hears whom wait for no lease.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::rig::Rig;
use super::{eventually, options};
use crate::raft::{GlobalCommand, GroupError, Hearing, RaftGroups, RaftOptions, Status};
use crate::replication::MemberId;

/// Members that would wait longer for a leader than any test does.
async fn patient(seed: u64, members: u8) -> Rig {
    let election = (Duration::from_secs(60), Duration::from_secs(120));
    let mut rig = Rig::with(seed, RaftOptions { election, ..options() }).await;
    for number in 2..=members {
        let id = rig.admit(number).await;
        rig.groups(1).promote(MemberId(id)).await.unwrap();
    }
    rig
}

/// Each of these hears all of them and nobody else, and all know that.
fn hear(rig: &Rig, ids: &[u64]) {
    let up: BTreeSet<MemberId> = ids.iter().copied().map(MemberId).collect();
    for id in ids {
        let told: BTreeMap<_, _> = up.iter().filter(|other| other.0 != *id).map(|other| (*other, up.clone())).collect();
        rig.groups(*id).set_hearing(&Hearing { up: up.clone(), told });
    }
}

fn status(groups: &RaftGroups) -> Status {
    groups.global().status()
}

async fn led_by(rig: &Rig, ids: &[u64], by: u64) {
    led_by_one_of(rig, ids, &[by]).await;
}

/// Each group is led by one of these, as all members say.
async fn led_by_one_of(rig: &Rig, ids: &[u64], by: &[u64]) {
    eventually(&format!("one of {by:?} leads each group"), || {
        let leaders = |id: &u64| {
            let groups = rig.groups(*id);
            let leaders = groups.shards().into_iter().map(|shard| shard.status().leader.member);
            leaders.chain([status(&groups).leader.member]).collect::<Vec<_>>()
        };
        let all: Vec<_> = ids.iter().map(leaders).collect();
        all.windows(2).all(|pair| pair[0] == pair[1])
            && all[0].iter().all(|leader| leader.is_some_and(|leader| by.contains(&leader.0)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_that_does_not_hear_the_leader_elects_another_one_at_once() {
    for members in [3, 5] {
        let mut rig = patient(21, members).await;
        let mut left: Vec<u64> = (1..=members.into()).collect();
        led_by(&rig, &left, 1).await;
        hear(&rig, &left);
        while left.len() > usize::from(members) / 2 + 1 {
            let leader = status(&rig.groups(left[0])).leader.member.unwrap().0;
            rig.kill(leader).await;
            left.retain(|id| *id != leader);
            hear(&rig, &left);
            // As a rule the one of the highest id; on a busy machine another one may come first.
            led_by_one_of(&rig, &left, &left).await;
            let command = GlobalCommand::DeleteLog { name: "a".parse().unwrap() };
            rig.groups(left[0]).global().propose(&command).await.unwrap();
        }
        rig.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_more_of_the_log_is_elected() {
    let mut rig = patient(22, 3).await;
    led_by(&rig, &[1, 2, 3], 1).await;
    rig.net.part(&[3], &[1, 2]);
    for name in ["a", "b"] {
        let command = GlobalCommand::DeleteLog { name: name.parse().unwrap() };
        rig.groups(1).global().propose(&command).await.unwrap();
    }
    eventually("member 2 has more", || {
        let last = |id| status(&rig.groups(id)).last_log;
        last(2) > last(3) && last(2) == last(1)
    })
    .await;
    rig.kill(1).await;
    rig.net.heal();
    hear(&rig, &[2, 3]);
    eventually("member 2 leads the group of which it has more", || {
        status(&rig.groups(3)).leader.member == Some(MemberId(2))
    })
    .await;
    rig.groups(3).global().read(|_| ()).await.unwrap();
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_loses_its_vote_by_a_removal_that_no_majority_hears_of() {
    let options = RaftOptions { patience: Duration::from_secs(1), ..options() };
    let mut rig = Rig::with(25, options).await;
    rig.grow().await;
    led_by(&rig, &[1, 2, 3], 1).await;
    rig.kill(2).await;
    rig.kill(3).await;
    hear(&rig, &[1]);
    let removed = rig.groups(1).remove(MemberId(2)).await;
    assert!(matches!(removed, Err(GroupError::Unavailable { .. })), "{removed:?}");
    for id in [2, 3] {
        rig.open(id).await.unwrap();
    }
    hear(&rig, &[1, 2, 3]);
    eventually("there is a leader again", || status(&rig.groups(1)).leader.member.is_some()).await;
    rig.groups(1).global().read(|_| ()).await.unwrap();
    assert_eq!(status(&rig.groups(1)).voters, [1, 2, 3].map(MemberId).into(), "nothing was done");
    rig.shutdown().await;
}

/// The term of the global group that a member has come to.
fn term(groups: &RaftGroups) -> u64 {
    groups.global().shared.raft.server_metrics().borrow().vote.leader_id.term
}

/// Two members ask for votes in the same terms. The one that is preferred in each lacks the end of the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_refuses_a_vote_for_its_log_is_elected_though_the_other_id_is_preferred() {
    let mut rig = patient(24, 3).await;
    led_by(&rig, &[1, 2, 3], 1).await;
    rig.net.part(&[3], &[1, 2]);
    let command = GlobalCommand::DeleteLog { name: "a".parse().unwrap() };
    rig.groups(1).global().propose(&command).await.unwrap();
    eventually("member 2 has more", || {
        let last = |id| status(&rig.groups(id)).last_log;
        last(2) > last(3) && last(2) == last(1)
    })
    .await;
    let before = term(&rig.groups(2));
    rig.kill(1).await;
    // Member 2 lets go of its leader, and nobody hears it ask for votes. From then on it asks for none by itself.
    hear(&rig, &[2, 3]);
    eventually("member 2 asks for votes", || term(&rig.groups(2)) > before).await;
    let all: BTreeSet<MemberId> = [1, 2, 3].map(MemberId).into();
    for id in [2, 3] {
        let told = [(MemberId(1), all.clone())].into();
        rig.groups(id).set_hearing(&Hearing { up: all.clone(), told });
    }
    // Member 3 comes to the same term.
    let (longer, shorter) = (rig.groups(2), rig.groups(3));
    while term(&shorter) < term(&longer) {
        shorter.global().shared.raft.trigger().elect().await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.net.heal();
    // It asks for the next one, again and again.
    let leads = || status(&longer).leads;
    for _ in 0..5 {
        shorter.global().shared.raft.trigger().elect().await.unwrap();
        let patience = Instant::now() + Duration::from_secs(2);
        while !leads() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if leads() {
            break;
        }
    }
    assert!(leads(), "member 2 is at term {}, member 3 at {}", term(&longer), term(&shorter));
    longer.global().read(|_| ()).await.unwrap();
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_alone_does_not_hear_the_leader_asks_for_no_votes() {
    // Patient enough that a busy machine does not take the leader for dead.
    let election = (Duration::from_secs(1), Duration::from_millis(1_500));
    let mut rig = Rig::with(23, RaftOptions { election, ..options() }).await;
    rig.grow().await;
    led_by_one_of(&rig, &[1, 2, 3], &[1, 2, 3]).await;
    let before = status(&rig.groups(2)).leader;
    let leader = before.member.unwrap().0;
    let mut others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let alone = others[1];
    rig.net.part(&[leader], &[alone]);
    let all = |ids: &[u64]| ids.iter().copied().map(MemberId).collect();
    let told = [(MemberId(others[0]), all(&[1, 2, 3]))].into();
    rig.groups(alone).set_hearing(&Hearing { up: all(&others), told });
    // Longer than its patience with a leader.
    tokio::time::sleep(rig.options.election.1 * 3).await;
    others.retain(|id| status(&rig.groups(*id)).leader != before);
    assert_eq!(others, [0; 0], "they changed the leader");
    // Once the other one does not hear it either, there is another one.
    rig.kill(leader).await;
    let left: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    hear(&rig, &left);
    led_by_one_of(&rig, &left, &left).await;
    rig.shutdown().await;
}

//! Disks that are lost, copied or broken.

use std::sync::Arc;
use std::time::Duration;

use super::eventually;
use super::rig::{Member, Rig, copy};
use crate::MemoryTables;
use crate::disk::FaultyDisk;
use crate::raft::wire::{Reply, Request, frame, unframe};
use crate::raft::{GLOBAL, GlobalCommand, GroupError, Hello, Identity, RaftGroups, Stranger};
use crate::replication::MemberId;

fn stranger(result: Result<(), GroupError>) -> Option<Stranger> {
    match result {
        Err(GroupError::Stranger { why, .. }) => Some(why),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_its_hard_state_comes_back_as_a_new_one_only() {
    let mut rig = Rig::new(1).await;
    rig.grow().await;
    rig.kill(3).await;
    // The disk is lost, and somebody gives the old id to an empty one.
    let disk = FaultyDisk::new(33);
    let tables = MemoryTables::new(disk.clone());
    let nobody = RaftGroups::open(rig.options.clone(), Arc::new(tables.clone()), rig.net.links(3)).await;
    assert!(matches!(nobody, Err(GroupError::NoMember)));
    Identity::load_or_make(&tables).unwrap().assign(&tables, MemberId(3)).unwrap();
    rig.members.insert(3, Member { disk, tables, groups: None });
    rig.open(3).await.unwrap();
    // It neither gives votes nor asks for any: both ends see the other disk.
    let vote = Request::Vote(openraft::raft::VoteRequest { vote: openraft::Vote::new(99, 3), last_log_id: None });
    let bytes = frame(&rig.groups(3).hello(), &vote);
    let answer = rig.groups(1).serve(MemberId(3), GLOBAL, bytes.clone()).await.unwrap();
    let (_, reply): (Hello, Reply) = unframe(&answer).unwrap();
    assert_eq!(reply, Reply::Stranger(Stranger::OtherIncarnation));
    let answer = rig.groups(1).serve(MemberId(2), GLOBAL, bytes).await.unwrap();
    let (_, reply): (Hello, Reply) = unframe(&answer).unwrap();
    assert_eq!(reply, Reply::Stranger(Stranger::OtherMember), "the link belongs to another member");
    // With one more member gone there is no quorum, though the impostor is there.
    rig.kill(2).await;
    let mut short = rig.groups(1).global().clone();
    eventually("member 1 hears nobody", || {
        let status = short.status();
        status.quorum_heard_ms.is_none_or(|ms| ms > 1000)
    })
    .await;
    short = rig.groups(1).global().clone();
    let command = GlobalCommand::LeaseNumber { member: MemberId(1) };
    let given = tokio::time::timeout(Duration::from_secs(2), short.propose(&command)).await;
    assert!(given.is_err(), "{given:?}");
    rig.open(2).await.unwrap();
    rig.groups(2).start().await.unwrap();
    rig.kill(3).await;
    // As it should be: a new id, and the old one goes.
    rig.groups(1).remove(MemberId(3)).await.unwrap();
    let new = rig.admit(7).await;
    assert_eq!(new, 4);
    rig.any().promote(MemberId(new)).await.unwrap();
    assert_eq!(rig.any().global().status().voters.len(), 3);
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_a_disk_is_refused_for_ever() {
    let mut rig = Rig::new(2).await;
    rig.grow().await;
    rig.kill(2).await;
    let (disk, old) = copy(&rig.members[&2].tables);
    rig.open(2).await.unwrap();
    rig.groups(2).start().await.unwrap();
    rig.kill(2).await;
    let newest = std::mem::replace(rig.members.get_mut(&2).unwrap(), Member { disk, tables: old, groups: None });
    rig.open(2).await.unwrap();
    assert_eq!(stranger(rig.groups(2).start().await), Some(Stranger::OldCopy));
    rig.kill(2).await;
    rig.open(2).await.unwrap();
    assert_eq!(stranger(rig.groups(2).start().await), Some(Stranger::OldCopy), "it stays so");
    rig.kill(2).await;
    rig.members.insert(2, newest);
    rig.open(2).await.unwrap();
    rig.groups(2).start().await.unwrap();
    // A removed member is refused, too.
    rig.groups(1).remove(MemberId(2)).await.unwrap();
    assert_eq!(stranger(rig.groups(2).start().await), Some(Stranger::Removed));
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_a_disk_votes_for_nobody_who_has_just_started() {
    let mut rig = Rig::new(8).await;
    rig.grow().await;
    rig.kill(2).await;
    let (disk, old) = copy(&rig.members[&2].tables);
    rig.open(2).await.unwrap();
    rig.groups(2).start().await.unwrap();
    let last = |rig: &Rig, id: u64| rig.groups(id).global().status().last_log;
    eventually("member 3 has all of the log", || last(&rig, 3) == last(&rig, 1)).await;
    rig.kill(3).await;
    let lease = GlobalCommand::LeaseNumber { member: MemberId(2) };
    let (_, leased) = rig.groups(1).global().propose(&lease).await.unwrap();
    rig.kill(1).await;
    rig.kill(2).await;
    // Member 3 does not know how much of its log is committed. What the other two have decided since would be gone with it as the leader.
    rig.open(3).await.unwrap();
    let newest = std::mem::replace(rig.members.get_mut(&2).unwrap(), Member { disk, tables: old, groups: None });
    rig.open(2).await.unwrap();
    let old = rig.groups(2);
    let refused = tokio::time::timeout(Duration::from_secs(20), old.refused()).await;
    assert_eq!(refused.unwrap(), Stranger::OldCopy);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let leads = [2, 3].map(|id| rig.groups(id).global().status().leader.member);
    assert_eq!(leads, [None, None]);
    rig.kill(2).await;
    rig.members.insert(2, newest);
    for id in [1, 2] {
        rig.open(id).await.unwrap();
    }
    for id in [1, 2, 3] {
        rig.groups(id).start().await.unwrap();
    }
    assert_eq!(rig.groups(3).global().propose(&lease).await.unwrap().1, leased);
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_running_disk_is_refused_where_the_leader_knows_that_it_lacks_something() {
    let mut rig = Rig::new(5).await;
    rig.grow().await;
    // Of the same life as the original.
    let (disk, copied) = copy(&rig.members[&2].tables);
    for _ in 0..5 {
        let lease = GlobalCommand::LeaseNumber { member: MemberId(2) };
        rig.groups(1).global().propose(&lease).await.unwrap();
    }
    let last = |id: u64| rig.groups(id).global().status().last_log;
    eventually("member 2 has all of the log", || last(2) == last(1)).await;
    eventually("the leader knows", || rig.groups(1).global().status().matched.get(&MemberId(2)) == Some(&last(1)))
        .await;
    rig.kill(2).await;
    let newest = std::mem::replace(rig.members.get_mut(&2).unwrap(), Member { disk, tables: copied, groups: None });
    rig.open(2).await.unwrap();
    let groups = rig.groups(2);
    assert_eq!(stranger(groups.start().await), Some(Stranger::OldCopy));
    let told = tokio::time::timeout(Duration::from_secs(20), groups.refused()).await;
    assert_eq!(told.unwrap(), Stranger::OldCopy);
    // Nobody else minds.
    rig.groups(1).global().propose(&GlobalCommand::LeaseNumber { member: MemberId(1) }).await.unwrap();
    assert!(rig.groups(1).ended().is_none() && rig.groups(3).ended().is_none());
    rig.kill(2).await;
    rig.members.insert(2, newest);
    rig.open(2).await.unwrap();
    rig.groups(2).start().await.unwrap();
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_stops_the_group_and_says_so() {
    let mut rig = Rig::new(3).await;
    assert!(rig.groups(1).ended().is_none());
    rig.members[&1].disk.cut_power_after(0);
    let global = rig.groups(1).global().clone();
    let error = global.propose(&GlobalCommand::LeaseNumber { member: MemberId(1) }).await.unwrap_err();
    assert!(matches!(error, GroupError::Uncertain { .. }), "{error}");
    eventually("the group has stopped", || global.status().stopped.is_some()).await;
    assert!(matches!(rig.groups(1).ended(), Some(GroupError::Stopped { .. })));
    let error = global.propose(&GlobalCommand::LeaseNumber { member: MemberId(1) }).await.unwrap_err();
    assert!(matches!(error, GroupError::Stopped { .. }), "{error}");
    rig.kill(1).await;
    rig.open(1).await.unwrap();
    rig.groups(1).start().await.unwrap();
    let leased = rig.groups(1).global().propose(&GlobalCommand::LeaseNumber { member: MemberId(1) }).await;
    leased.unwrap();
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_of_another_member_does_not_begin_a_cluster() {
    let mut rig = Rig::new(4).await;
    let two = rig.admit(2).await;
    rig.kill(two).await;
    let tables = Arc::new(rig.members[&two].tables.clone());
    let begun = RaftGroups::bootstrap(rig.options.clone(), tables, rig.net.links(9), "x", b"x", &[]).await;
    assert!(matches!(begun, Err(GroupError::IsMember(MemberId(2)))));
    // What was begun may be begun again: here all of it is done already.
    rig.kill(1).await;
    let tables = Arc::new(rig.members[&1].tables.clone());
    let again = RaftGroups::bootstrap(rig.options.clone(), tables, rig.net.links(1), "one", b"peer 1", &[]).await;
    let again = again.unwrap();
    assert_eq!(again.global().look(|state| state.member(MemberId(1)).unwrap().life.number), 2);
    again.shutdown().await;
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_not_started_beside_the_member_that_runs() {
    let mut rig = Rig::new(31).await;
    rig.grow().await;
    let (disk, tables) = copy(&rig.members[&2].tables);
    let running = std::mem::replace(rig.members.get_mut(&2).unwrap(), Member { disk, tables, groups: None });
    let groups = running.groups.unwrap();
    rig.open(2).await.unwrap();
    // It is heard, though nobody reaches it any more.
    let speaking = tokio::spawn({
        let groups = groups.clone();
        async move {
            loop {
                let _ = groups.global().read(|_| ()).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let refused = rig.groups(2).start().await;
    assert!(matches!(&refused, Err(GroupError::Refused { why, .. }) if why.contains("runs already")), "{refused:?}");
    speaking.abort();
    groups.shutdown().await;
    // Now it is the member.
    rig.groups(2).start().await.unwrap();
    rig.shutdown().await;
}

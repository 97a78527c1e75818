//! Whole members: their groups, and what the groups keep.

use bytes::Bytes;

use super::eventually;
use super::rig::Rig;
use crate::raft::shard::tests::nodeset;
use crate::raft::wire::{Reply, Request, frame, unframe};
use crate::raft::{
    EpochShards, GLOBAL, GlobalAnswer, GlobalCommand, GroupError, Hello, NewLog, RaftOptions, Role, ShardAnswer,
    ShardCommand, Spread, group_of,
};
use crate::replication::{Answer, Command, Epoch, MemberId};

fn new_log(partitions: u32, replication: u8) -> GlobalCommand {
    GlobalCommand::CreateLog(NewLog {
        name: "orders".parse().unwrap(),
        spec: Vec::new(),
        partitions,
        spread: Spread::whole(replication, replication / 2 + 1),
        weak: false,
        healthy: Default::default(),
        adopt: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_grows_from_one_member_and_starts_again_as_a_whole() {
    let mut rig = Rig::new(1).await;
    rig.grow().await;
    let created = rig.groups(3).global().propose(&new_log(4, 3)).await.unwrap().1;
    assert_eq!(created, GlobalAnswer::Created { incarnation: 1 << 32, first_partition: 1 });
    for id in [1, 2, 3] {
        rig.kill(id).await;
    }
    for id in [1, 2, 3] {
        rig.open(id).await.unwrap();
    }
    for id in [1, 2, 3] {
        rig.groups(id).start().await.unwrap();
    }
    let global = rig.groups(2).global().clone();
    let lives = global.read(|state| {
        assert_eq!(state.partitions().count(), 4);
        assert!(state.live().all(|(_, member)| member.role == Role::Voter));
        state.live().map(|(_, member)| member.life.number).collect::<Vec<_>>()
    });
    assert_eq!(lives.await.unwrap(), [2, 2, 2]);
    rig.groups(1).demote(MemberId(3)).await.unwrap();
    rig.groups(1).remove(MemberId(3)).await.unwrap();
    eventually("member 1 knows it", || {
        rig.groups(1).global().look(|state| state.live().map(|(id, _)| id.0).collect::<Vec<_>>()) == [1, 2]
    })
    .await;
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_commit_takes_the_epochs_of_all_partitions_of_a_dead_member() {
    let mut rig = Rig::new(2).await;
    rig.grow().await;
    let shard = rig.groups(1).shard_of(1).await.unwrap();
    let makers: Vec<_> = (0..10u64)
        .map(|part| {
            let shard = shard.clone();
            tokio::spawn(async move {
                for partition in part * 50..part * 50 + 50 {
                    let create = ShardCommand::Create { partition, nodeset: nodeset(3) };
                    assert_eq!(shard.propose(&create).await.unwrap().1, ShardAnswer::Done);
                }
            })
        })
        .collect();
    for maker in makers {
        maker.await.unwrap();
    }
    let take = |sequencer| {
        let one = move |partition| (partition, Command::TakeEpoch { sequencer: MemberId(sequencer), nodeset: None });
        ShardCommand::Batch((0..500).map(one).collect())
    };
    let (first, _) = shard.propose(&take(3)).await.unwrap();
    rig.kill(3).await;
    let shard = rig.groups(2).shard_of(1).await.unwrap();
    let (second, answer) = shard.propose(&take(2)).await.unwrap();
    let ShardAnswer::Batch(answers) = answer else { panic!("another answer") };
    let taken = |answer: &Option<Answer>| matches!(answer, Some(Answer::Taken(now)) if now.epoch == Epoch(2) && now.sequencer == MemberId(2));
    assert!(answers.len() == 500 && answers.iter().all(taken));
    assert!(second - first <= 3, "one entry, and those of new leaders: {first} {second}");
    let asked = shard.propose(&ShardCommand::One { partition: 7, command: Command::Ask { from: Epoch(0) } }).await;
    assert!(matches!(asked.unwrap().1, ShardAnswer::One(answer) if answer.metadata().epoch == Epoch(2)));
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_partition_may_have_a_group_of_its_own() {
    let mut options = super::options();
    options.epoch_shards = EpochShards::PerPartition;
    assert_eq!(group_of(options.epoch_shards, 2), (1 << 32) + 2);
    let mut rig = Rig::with(3, options).await;
    assert!(matches!(rig.groups(1).shard_of(1).await, Err(GroupError::NoGroup(_))), "nobody has heard of it");
    rig.groups(1).global().propose(&new_log(2, 1)).await.unwrap();
    for partition in [1, 2] {
        let group = rig.groups(1).shard_of(partition).await.unwrap();
        group.initialize([MemberId(1)].into()).await.unwrap();
        let create = ShardCommand::Create { partition, nodeset: nodeset(1) };
        assert_eq!(group.propose(&create).await.unwrap().1, ShardAnswer::Done);
    }
    rig.kill(1).await;
    rig.open(1).await.unwrap();
    rig.groups(1).start().await.unwrap();
    let numbers: Vec<u64> = rig.groups(1).shards().iter().map(|group| group.number()).collect();
    assert_eq!(numbers, [(1 << 32) + 1, (1 << 32) + 2]);
    let shard = rig.groups(1).shard_of(2).await.unwrap();
    assert!(shard.read(|state| state.partition(2).is_some()).await.unwrap());
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_shards_split_the_partitions() {
    let mut options = super::options();
    options.epoch_shards = EpochShards::Shared(2);
    let rig = Rig::with(4, options).await;
    let (even, odd) = (rig.groups(1).shard_of(4).await.unwrap(), rig.groups(1).shard_of(5).await.unwrap());
    assert_eq!((even.number(), odd.number()), (1, 2));
    assert_eq!(rig.groups(1).global().number(), GLOBAL);
    for (shard, partition) in [(even, 4), (odd, 5)] {
        let create = ShardCommand::Create { partition, nodeset: nodeset(1) };
        assert_eq!(shard.propose(&create).await.unwrap().1, ShardAnswer::Done);
        assert_eq!(shard.read(|state| state.partitions().count()).await.unwrap(), 1);
    }
    rig.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_and_groups_that_are_not_here_have_no_answer() {
    let rig = Rig::new(5).await;
    let groups = rig.groups(1);
    let garbage = groups.serve(MemberId(2), GLOBAL, Bytes::from_static(b"?")).await;
    assert!(matches!(garbage, Err(GroupError::Frame { member: MemberId(2), .. })), "{garbage:?}");
    let hello = Hello { member: MemberId(2), ..groups.hello() };
    let ping = frame(&hello, &Request::Ping);
    for group in [2, 77, (1 << 32) + 1, u64::MAX] {
        let nowhere = groups.serve(MemberId(2), group, ping.clone()).await;
        assert!(matches!(nowhere, Err(GroupError::NoGroup(found)) if found == group), "{nowhere:?}");
    }
    let (_, reply): (Hello, Reply) = unframe(&groups.serve(MemberId(2), GLOBAL, ping).await.unwrap()).unwrap();
    assert_eq!(reply, Reply::Done, "member 2 may have been added since");
    let unreadable = frame(&hello, &Request::Propose(Bytes::from_static(b"?")));
    let answer = groups.serve(MemberId(2), GLOBAL, unreadable).await.unwrap();
    let (_, reply): (Hello, Reply) = unframe(&answer).unwrap();
    assert!(matches!(reply, Reply::Refused(_)), "it would stop every member: {reply:?}");
    rig.shutdown().await;
}

#[test]
fn errors_name_who_is_there() {
    let (answering, silent) = ([MemberId(1)].into(), [MemberId(2), MemberId(3)].into());
    let error = GroupError::Unavailable { group: 0, answering, silent };
    assert_eq!(
        error.to_string(),
        "the cluster has no leader that answers: of its voters member 1 answers, and members 2, 3 do not"
    );
}

#[test]
fn options_that_do_not_fit_are_refused() {
    assert!(RaftOptions::default().config(0).is_ok());
    let refused = |change: fn(&mut RaftOptions)| {
        let mut options = RaftOptions::default();
        change(&mut options);
        matches!(options.config(0), Err(GroupError::Options(_)))
    };
    assert!(refused(|options| options.election = (options.election.1, options.election.0)));
    assert!(refused(|options| options.heartbeat = options.election.0));
    assert!(refused(|options| options.chunk_bytes = 0));
    assert!(refused(|options| options.chunk_bytes = 1 << 30));
    assert!(refused(|options| options.snapshot_every = 0));
    assert!(refused(|options| options.epoch_shards = EpochShards::Shared(0)));
}

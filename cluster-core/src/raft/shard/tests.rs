//! Shards: the same commands, the same state, and one batch for many partitions.

use proptest::prelude::*;
use pyralog_crypto::{Decode, Encode};

use super::*;
use crate::replication::{Epoch, MemberId};

pub(in crate::raft) fn nodeset(members: u64) -> NodeSet {
    NodeSet::new((1..=members).map(MemberId), members as usize, members as usize / 2 + 1).unwrap()
}

fn any_command() -> impl Strategy<Value = ShardCommand> {
    let inner = || {
        (0..3u8, 0..5u64, any::<u64>()).prop_map(|(kind, epoch, number)| match kind {
            0 => Command::TakeEpoch { sequencer: MemberId(number), nodeset: (epoch > 2).then(|| nodeset(epoch)) },
            1 => Command::AdvanceClean { epoch: Epoch(epoch), known_good: number },
            _ => Command::Ask { from: Epoch(epoch) },
        })
    };
    prop_oneof![
        (0..6u64, 1..4u64).prop_map(|(partition, n)| ShardCommand::Create { partition, nodeset: nodeset(n) }),
        (0..6u64).prop_map(|partition| ShardCommand::Remove { partition }),
        (0..6u64, inner()).prop_map(|(partition, command)| ShardCommand::One { partition, command }),
        prop::collection::vec((0..6u64, inner()), 0..5).prop_map(ShardCommand::Batch),
    ]
}

proptest! {
    #[test]
    fn the_same_commands_give_the_same_state(commands in prop::collection::vec(any_command(), 0..60), cut: prop::sample::Index) {
        let (mut one, mut other) = (ShardState::default(), ShardState::default());
        let cut = cut.index(commands.len() + 1);
        for (at, command) in commands.iter().enumerate() {
            if at == cut {
                // A member that begins with a snapshot goes on as the others do.
                other = ShardState::from_bytes(&one.to_bytes()).unwrap();
            }
            prop_assert_eq!(&ShardCommand::from_bytes(&command.to_bytes()).unwrap(), command);
            let answer = one.apply(command);
            prop_assert_eq!(&ShardAnswer::from_bytes(&answer.to_bytes()).unwrap(), &answer);
            prop_assert_eq!(other.apply(command), answer);
        }
        prop_assert_eq!(one.to_bytes(), other.to_bytes());
        prop_assert_eq!(one, other);
    }
}

#[test]
fn one_batch_takes_the_epochs_of_many_partitions() {
    let mut shard = ShardState::default();
    for partition in 1..=500 {
        assert_eq!(shard.apply(&ShardCommand::Create { partition, nodeset: nodeset(3) }), ShardAnswer::Done);
    }
    let take = |partition| (partition, Command::TakeEpoch { sequencer: MemberId(2), nodeset: None });
    let ShardAnswer::Batch(answers) = shard.apply(&ShardCommand::Batch((1..=501).map(take).collect())) else {
        panic!("another answer");
    };
    let taken = |answer: &Option<Answer>| matches!(answer, Some(Answer::Taken(metadata)) if metadata.epoch == Epoch(1));
    assert!(answers[..500].iter().all(taken));
    assert_eq!(answers[500], None, "there is no partition 501");
}

#[test]
fn a_partition_is_made_once() {
    let mut shard = ShardState::default();
    let create = |n| ShardCommand::Create { partition: 1, nodeset: nodeset(n) };
    assert_eq!(shard.apply(&create(3)), ShardAnswer::Done);
    shard.apply(&ShardCommand::One {
        partition: 1,
        command: Command::TakeEpoch { sequencer: MemberId(1), nodeset: None },
    });
    assert_eq!(shard.apply(&create(3)), ShardAnswer::Done, "the answer was lost");
    assert_eq!(shard.apply(&create(2)), ShardAnswer::Exists);
    let asked = shard.apply(&ShardCommand::One { partition: 1, command: Command::Ask { from: Epoch(0) } });
    assert!(matches!(asked, ShardAnswer::One(answer) if answer.metadata().epoch == Epoch(1)), "nothing began again");
    let change = Command::TakeEpoch { sequencer: MemberId(1), nodeset: Some(nodeset(2)) };
    shard.apply(&ShardCommand::One { partition: 1, command: change });
    assert_eq!(shard.apply(&create(3)), ShardAnswer::Exists, "the nodeset was changed since");
}

#[test]
fn vectors() {
    let check = |command: ShardCommand, expected: &str| {
        assert_eq!(hex::encode(command.to_bytes()), expected.replace(' ', ""));
    };
    check(ShardCommand::Remove { partition: 5 }, "01 0000000000000005");
    let take = Command::TakeEpoch { sequencer: MemberId(7), nodeset: None };
    check(ShardCommand::One { partition: 5, command: take.clone() }, "02 0000000000000005 00 0000000000000007 00");
    check(ShardCommand::Batch(vec![(5, take)]), "03 00000001 0000000000000005 00 0000000000000007 00");
    let create = ShardCommand::Create { partition: 5, nodeset: nodeset(1) };
    check(create.clone(), "00 0000000000000005 00000001 0000000000000001 01 01");
    let mut shard = ShardState::default();
    shard.apply(&create);
    let state = "01 00000001 0000000000000005 00000001 0000000000000001 01 01 00000000 \
                 0000000000000000 0000000000000000 0000000000000000 00000000";
    assert_eq!(hex::encode(shard.to_bytes()), state.replace(' ', ""));
    assert_eq!(hex::encode(ShardAnswer::Batch(vec![None]).to_bytes()), "040000000100");
}

use super::*;

#[test]
fn a_partition_is_left_to_a_live_member_for_a_while_and_to_no_other() {
    let (_stopped, hears) = mpsc::unbounded_channel();
    let mut steward = Steward::new(Weak::new(), hears);
    let (me, other, partition) = (MemberId(1), MemberId(2), PartitionId(7));
    let nodeset = NodeSet::new([1, 2, 3].map(MemberId), 3, 2).unwrap();
    let stands =
        |sequencer, epoch| Stands { epoch: Epoch(epoch), sequencer, last_clean: Epoch::NONE, nodeset: nodeset.clone() };
    let hearing = |third: &[u64]| Hearing {
        up: [1, 3].map(MemberId).into(),
        told: [(MemberId(3), third.iter().copied().map(MemberId).collect())].into(),
    };
    let (live, gone) = (hearing(&[1, 2, 3]), hearing(&[1, 3]));
    assert!(!steward.rests(me, &live, partition, &stands(other, 6)), "it never had it");
    steward.taken.insert(partition, (Epoch(5), Instant::now()));
    assert!(steward.rests(me, &live, partition, &stands(other, 6)));
    assert!(!steward.rests(me, &gone, partition, &stands(other, 6)), "nobody hears that one");
    assert!(!steward.rests(me, &live, partition, &stands(other, 4)), "it has not taken it since");
    assert!(!steward.rests(me, &live, partition, &stands(me, 6)), "an epoch that it did not hear of");
    steward.taken.insert(partition, (Epoch(5), Instant::now() - REST));
    assert!(!steward.rests(me, &live, partition, &stands(other, 6)));
}

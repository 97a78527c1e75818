//! Who gets what.

use std::collections::{BTreeMap, BTreeSet};

use super::super::holdings::Holdings;
use super::wanted;
use crate::PartitionId;
use crate::replication::{MemberId, NodeSet};

const PARTITION: PartitionId = PartitionId(7);

/// What each member of five has of the first records.
fn holdings(all: &[&[u64]]) -> BTreeMap<MemberId, Holdings> {
    let holders = |member: u64| all.iter().map(move |holders| holders.contains(&member)).collect::<Vec<bool>>();
    (1..=5).map(|member| (MemberId(member), Holdings::from_bits(0, &holders(member)))).collect()
}

/// Who gets which record from whom.
fn plan(replication: usize, all: &[&[u64]]) -> Vec<BTreeSet<MemberId>> {
    let (nodeset, all) = (NodeSet::new((1..=5).map(MemberId), replication, 2).unwrap(), holdings(all));
    let mut plan = Vec::new();
    for (me, own) in &all {
        let others: BTreeMap<_, _> =
            all.iter().filter(|(id, _)| *id != me).map(|(id, held)| (*id, held.clone())).collect();
        for (offset, source) in wanted(*me, PARTITION, &nodeset, (own, own.end), &others, 0) {
            assert_eq!(own.has(offset), Some(false));
            assert_eq!(others[&source].has(offset), Some(true), "{source:?} has none");
            plan.resize((offset as usize + 1).max(plan.len()), BTreeSet::new());
            assert!(plan[offset as usize].insert(*me));
        }
    }
    plan
}

#[test]
fn as_many_members_get_a_record_as_are_missing() {
    let counts: Vec<usize> =
        plan(3, &[&[1], &[2, 3], &[1, 4, 5], &[1, 2, 3, 4], &[5]]).iter().map(BTreeSet::len).collect();
    assert_eq!(counts, [2, 1, 0, 0, 2]);
}

#[test]
fn nobody_waits_for_a_member_that_does_not_look_again() {
    let nodeset = NodeSet::new((1..=3).map(MemberId), 2, 2).unwrap();
    let block = NodeSet::BLOCK as usize;
    let held = |has: bool| Holdings::from_bits(0, &vec![has; 8 * block]);
    let mut others = BTreeMap::from([(MemberId(1), held(true)), (MemberId(3), held(false))]);
    let of = |others: &BTreeMap<MemberId, Holdings>| {
        wanted(MemberId(2), PARTITION, &nodeset, (&held(false), 8 * block as u64), others, 0).len()
    };
    let some = of(&others);
    assert!(some > 0 && some < 8 * block && some % block == 0, "{some}");
    if let Some(third) = others.get_mut(&MemberId(3)) {
        third.whole_to = u64::MAX;
    }
    assert_eq!(of(&others), 8 * block);
}

#[test]
fn each_try_asks_another_one() {
    let nodeset = NodeSet::new((1..=3).map(MemberId), 3, 2).unwrap();
    let held = |has: bool| Holdings::from_bits(0, &[has]);
    let others = BTreeMap::from([(MemberId(1), held(true)), (MemberId(3), held(true))]);
    let source = |tries| wanted(MemberId(2), PARTITION, &nodeset, (&held(false), 1), &others, tries)[&0];
    assert_eq!([0, 1, 2].map(source), [1, 3, 1].map(MemberId));
}

#[test]
fn a_record_that_nobody_has_is_wanted_by_nobody() {
    assert_eq!(plan(3, &[&[]]), Vec::<BTreeSet<MemberId>>::new());
}

#[test]
fn blocks_are_spread_over_the_members() {
    let one: &[u64] = &[1];
    let plan = plan(2, &vec![one; 64 * NodeSet::BLOCK as usize]);
    let mut loads: BTreeMap<MemberId, usize> = BTreeMap::new();
    plan.iter().flatten().for_each(|member| *loads.entry(*member).or_default() += 1);
    assert_eq!(loads.values().sum::<usize>(), 64 * NodeSet::BLOCK as usize);
    assert!(loads.len() == 4 && loads.values().all(|load| *load > 4 * NodeSet::BLOCK as usize), "{loads:?}");
}

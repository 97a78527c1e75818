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
        for (offset, source) in wanted(*me, PARTITION, &nodeset, (own, own.end), &others) {
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

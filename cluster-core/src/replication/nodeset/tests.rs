//! Quorum arithmetic, and settings that are refused.

use std::collections::BTreeSet;

use super::*;
use crate::replication::Epoch;

fn nodeset(members: u64, replication: usize, copies: usize) -> Result<NodeSet, NodeSetError> {
    NodeSet::new((1..=members).map(MemberId), replication, copies)
}

#[test]
fn impossible_settings_are_refused_with_their_numbers() {
    assert_eq!(nodeset(0, 1, 1), Err(NodeSetError::Members { found: 0 }));
    assert_eq!(nodeset(33, 3, 2), Err(NodeSetError::Members { found: 33 }));
    assert_eq!(nodeset(3, 4, 2), Err(NodeSetError::Replication { replication: 4, members: 3 }));
    assert_eq!(nodeset(3, 3, 0), Err(NodeSetError::Copies { copies: 0, replication: 3 }));
    assert_eq!(nodeset(5, 3, 4), Err(NodeSetError::Copies { copies: 4, replication: 3 }));
    assert_eq!(nodeset(3, 0, 0), Err(NodeSetError::Copies { copies: 0, replication: 0 }));
    let twice = NodeSet::new([MemberId(1), MemberId(2), MemberId(1)], 2, 2);
    assert_eq!(twice, Err(NodeSetError::Twice { member: MemberId(1) }));
    let message = nodeset(5, 3, 4).unwrap_err().to_string();
    assert_eq!(message, "an acknowledgement after 4 copies: allowed are 1 to 3, the copies of each entry");
}

#[test]
fn an_endless_list_of_members_is_refused() {
    assert_eq!(NodeSet::new((0..).map(MemberId), 3, 2), Err(NodeSetError::Members { found: MAX_NODESET + 1 }));
}

#[test]
fn every_quorum_shares_a_member_with_every_w_and_recoveries_share_one() {
    for size in 1..=7 {
        for copies in 1..=size as usize {
            let set = nodeset(size, size as usize, copies).unwrap();
            assert!(set.quorum() + copies > size as usize && set.quorum() >= 1);
            assert!(2 * set.recovery_quorum() > size as usize, "N {size}, W {copies}");
            assert!(set.recovery_quorum() >= copies && set.recovery_quorum() <= size as usize);
        }
    }
}

fn copyset(set: &NodeSet, partition: u64, number: u64, wave: u32, away: &[u64]) -> Vec<u64> {
    let away = away.iter().copied().map(MemberId).collect();
    set.copyset(partition, Lsn::new(Epoch(3), number), wave, None, &away).into_iter().map(|member| member.0).collect()
}

#[test]
fn a_copyset_has_r_members_and_moves_with_the_wave() {
    let set = nodeset(5, 3, 2).unwrap();
    let mut seen = BTreeSet::new();
    for wave in 0..6 {
        let copyset: BTreeSet<u64> = copyset(&set, u64::MAX, u64::MAX, wave, &[]).into_iter().collect();
        assert_eq!(copyset.len(), 3);
        assert!(copyset.iter().all(|member| set.contains(MemberId(*member))));
        seen.extend(copyset);
    }
    assert_eq!(seen.len(), 5);
    assert!(!set.contains(MemberId(6)));
}

#[test]
fn whom_to_avoid_comes_behind_all_that_are_there_and_before_those_that_are_not() {
    let set = NodeSet::new((1..=4).map(MemberId), 2, 2).unwrap();
    let of = |block: u64, avoid: u64, away: &[u64]| {
        let away = away.iter().copied().map(MemberId).collect();
        set.copyset(1, Lsn::new(Epoch(3), block * NodeSet::BLOCK), 1, Some(MemberId(avoid)), &away)
    };
    for block in 0..64 {
        assert!(!of(block, 3, &[]).contains(&MemberId(3)));
        assert!(!of(block, 3, &[1]).contains(&MemberId(3)), "two others are there");
        let few = of(block, 3, &[1, 2]);
        assert!(few.contains(&MemberId(3)) && few.contains(&MemberId(4)), "{few:?}");
    }
}

#[test]
fn vectors_of_copysets() {
    let set = nodeset(5, 3, 2).unwrap();
    let found = [(0, 1), (0, 64), (0, 128), (7, 1)].map(|(partition, number)| copyset(&set, partition, number, 1, &[]));
    assert_eq!(found, [[3, 5, 1], [4, 1, 2], [1, 3, 5], [4, 3, 5]]);
}

#[test]
fn neighbours_lie_together_and_all_members_have_their_share() {
    let set = nodeset(5, 2, 2).unwrap();
    assert_eq!(copyset(&set, 1, 64, 1, &[]), copyset(&set, 1, 127, 1, &[]));
    let mut copies = [0; 6];
    for block in 0..1000 {
        copyset(&set, 1, block * NodeSet::BLOCK, 1, &[]).into_iter().for_each(|member| copies[member as usize] += 1);
    }
    assert!(copies[1..].iter().all(|copies| (330..470).contains(copies)), "{copies:?}");
}

#[test]
fn who_is_away_comes_last_and_moves_nobody_else() {
    let set = nodeset(5, 3, 2).unwrap();
    for block in 0..50 {
        let all = copyset(&set, 1, block * NodeSet::BLOCK, 1, &[]);
        let without = copyset(&set, 1, block * NodeSet::BLOCK, 1, &[2]);
        assert!(!without.contains(&2));
        let stay: Vec<u64> = all.iter().copied().filter(|member| *member != 2).collect();
        assert_eq!(without[..stay.len()], stay);
        assert_eq!(copyset(&set, 1, block * NodeSet::BLOCK, 1, &[1, 2, 3, 4, 5]), all, "better than nobody");
    }
}

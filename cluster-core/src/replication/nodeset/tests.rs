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

#[test]
fn a_copyset_has_r_members_and_moves_with_the_wave() {
    let set = nodeset(5, 3, 2).unwrap();
    let lsn = Lsn::new(Epoch(u64::MAX), u64::MAX);
    let mut seen = BTreeSet::new();
    for wave in 0..5 {
        let copyset: BTreeSet<MemberId> = set.copyset(lsn, wave).collect();
        assert_eq!(copyset.len(), 3);
        assert!(copyset.iter().all(|member| set.contains(*member)));
        seen.extend(copyset);
    }
    assert_eq!(seen.len(), 5);
    assert!(!set.contains(MemberId(6)));
}

use super::*;

fn members(ids: &[u64]) -> BTreeSet<MemberId> {
    ids.iter().copied().map(MemberId).collect()
}

/// What member 1 knows.
fn hearing(up: &[u64], told: &[(u64, &[u64])]) -> Hearing {
    let told = told.iter().map(|(id, all)| (MemberId(*id), members(all))).collect();
    Hearing { up: members(up), told }
}

fn verdict(leader: u64, voters: u64, hearing: &Hearing) -> (bool, Option<u64>) {
    let voters = (1..=voters).map(MemberId).collect();
    let Verdict { may_elect, gone } = Verdict::of(MemberId(1), Some(MemberId(leader)), &voters, hearing);
    (may_elect, gone.map(|member| member.0))
}

#[test]
fn a_leader_is_gone_when_a_majority_says_so_and_not_before() {
    // Member 2 has not noticed yet, or has not said.
    assert_eq!(verdict(3, 3, &hearing(&[1, 2], &[(2, &[1, 2, 3])])), (false, None));
    assert_eq!(verdict(3, 3, &hearing(&[1, 2], &[])), (true, None));
    assert_eq!(verdict(3, 3, &hearing(&[1, 2], &[(2, &[1, 2])])), (true, Some(3)));
    // Of five, three must.
    assert_eq!(verdict(5, 5, &hearing(&[1, 2, 3, 4], &[(2, &[1, 2, 3, 4])])), (true, None));
    let most = hearing(&[1, 2, 3, 4], &[(2, &[1, 2, 3, 4]), (3, &[1, 2, 3, 4])]);
    assert_eq!(verdict(5, 5, &most), (true, Some(5)));
    // What a leader that is not heard said last counts for nothing: it may hear itself.
    assert_eq!(verdict(3, 3, &hearing(&[1, 2], &[(2, &[1, 2]), (3, &[1, 2, 3])])), (true, Some(3)));
}

#[test]
fn whoever_alone_does_not_hear_the_leader_leaves_it_alone() {
    assert_eq!(verdict(2, 3, &hearing(&[1, 3], &[(3, &[1, 2, 3])])), (false, None));
    // A majority of five is three: the leader, and two that hear it.
    assert_eq!(verdict(2, 5, &hearing(&[1, 3, 4], &[(3, &[1, 2, 3]), (4, &[1, 3, 4])])), (true, None));
    assert_eq!(verdict(2, 5, &hearing(&[1, 3, 4], &[(3, &[1, 2, 3]), (4, &[1, 2, 4])])), (false, None));
}

#[test]
fn whoever_hears_no_majority_never_asks_for_votes() {
    assert_eq!(verdict(2, 3, &hearing(&[1], &[])), (false, None));
    assert_eq!(verdict(2, 4, &hearing(&[1, 3], &[(3, &[1, 3])])), (false, None));
}

#[test]
fn a_leader_is_not_replaced_by_itself_and_not_by_who_has_no_vote() {
    assert_eq!(verdict(1, 3, &hearing(&[1, 2, 3], &[])), (true, None));
    let all = hearing(&[1, 2, 3], &[(2, &[1, 2, 3]), (3, &[1, 2, 3])]);
    assert_eq!(Verdict::of(MemberId(1), Some(MemberId(4)), &members(&[2, 3, 4]), &all).gone, None);
}

#[test]
fn one_that_hears_both_stands_between() {
    let hearing = hearing(&[1, 3, 4], &[(3, &[1, 2, 3]), (4, &[1, 4]), (2, &[2])]);
    assert!(hearing.between(MemberId(2)).eq([MemberId(3)]));
    assert_eq!(hearing.heard_by(MemberId(2), &members(&[1, 2, 3]), MemberId(1)), 2);
    assert_eq!(hearing.unheard_by(MemberId(2), &members(&[1, 2, 3, 4]), MemberId(1)), 2);
    assert_eq!(hearing.heard_by(MemberId(9), &members(&[1, 9]), MemberId(1)), 0);
}

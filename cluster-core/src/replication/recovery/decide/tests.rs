//! Decisions of digests that a reader would ask about.

use bytes::Bytes;

use super::*;
use crate::replication::{Epoch, Fence, Precedence};

fn nodeset() -> NodeSet {
    NodeSet::new((1..=5).map(MemberId), 3, 2).unwrap()
}

fn record(name: &'static str) -> Entry {
    Entry { content: content(name), precedence: Precedence::Wave(1) }
}

fn content(name: &'static str) -> Content {
    Content::Record(Bytes::from_static(name.as_bytes()))
}

fn recovered(attempt: u64, content: Content) -> Entry {
    Entry { content, precedence: Precedence::Recovery(Fence { epoch: Epoch(3), attempt }) }
}

/// Digests of the members 1, 2 and so on.
fn digests<const N: usize>(members: [Vec<(u64, Entry)>; N]) -> Digests {
    (1..).map(MemberId).zip(members.map(|entries| entries.into_iter().collect())).collect()
}

fn contents(known_good: u64, digests: &Digests) -> Vec<(u64, Content)> {
    decide(&nodeset(), known_good, digests, 1).contents.into_iter().collect()
}

#[test]
fn an_empty_epoch_gets_a_bridge() {
    let nothing = digests([vec![], vec![], vec![], vec![]]);
    assert_eq!(contents(0, &nothing), [(1, Content::Bridge)]);
    assert_eq!(contents(7, &nothing), [(8, Content::Bridge)]);
    assert_eq!(decide(&nodeset(), 0, &nothing, 1).copies.len(), 3);
}

#[test]
fn records_stay_and_what_is_missing_between_them_becomes_a_hole() {
    let digests = digests([vec![(2, record("b"))], vec![(4, record("d"))], vec![], vec![]]);
    let expected = [(1, Content::Hole), (2, content("b")), (3, Content::Hole), (4, content("d")), (5, Content::Bridge)];
    assert_eq!(contents(0, &digests), expected);
    assert_eq!(contents(2, &digests), expected[2..]);
}

#[test]
fn a_recovery_outranks_a_wave_and_the_higher_attempt_a_lower_one() {
    let digests = digests([
        vec![(1, record("a")), (2, record("b"))],
        vec![(1, recovered(1, Content::Hole)), (2, recovered(1, Content::Hole))],
        vec![(2, recovered(2, content("b")))],
    ]);
    assert_eq!(contents(0, &digests), [(1, Content::Hole), (2, content("b")), (3, Content::Bridge)]);
}

#[test]
fn a_record_behind_a_bridge_of_higher_precedence_becomes_a_hole() {
    let digests = digests([vec![(2, recovered(1, Content::Bridge))], vec![(1, record("a")), (3, record("c"))]]);
    assert_eq!(contents(0, &digests), [(1, content("a")), (2, Content::Bridge), (3, Content::Hole)]);
}

#[test]
fn a_record_behind_a_bridge_of_lower_precedence_stays() {
    let digests = digests([vec![(1, recovered(1, Content::Bridge))], vec![(2, recovered(2, content("b")))]]);
    assert_eq!(contents(0, &digests), [(1, Content::Hole), (2, content("b")), (3, Content::Bridge)]);
}

#[test]
fn every_member_that_has_a_copy_gets_the_new_one() {
    let one = vec![(1, record("a"))];
    let digests = digests([one.clone(), one.clone(), one.clone(), one.clone(), one]);
    let copies = decide(&nodeset(), 0, &digests, 1).copies;
    assert_eq!(copies.iter().filter(|(number, _)| *number == 1).count(), 5);
    assert_eq!(copies.iter().filter(|(number, _)| *number == 2).count(), 3);
}

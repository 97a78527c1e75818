//! What makes a verdict.

use bytes::Bytes;

use super::*;
use crate::replication::Epoch;

const LSN: Lsn = Lsn::new(Epoch(1), 1);

fn reader() -> Reader {
    Reader::new(NodeSet::new((1..=5).map(MemberId), 3, 2).unwrap(), LSN)
}

fn answer(found: Found) -> Message {
    Message::Answer { lsn: LSN, found }
}

#[test]
fn one_copy_is_enough() {
    for content in [Content::Record(Bytes::from_static(b"r")), Content::Hole, Content::Bridge] {
        let mut reader = reader();
        assert_eq!(reader.step(MemberId(1), &answer(Found::Nothing)), None);
        let verdict = reader.step(MemberId(2), &answer(Found::Copy(content.clone())));
        assert_eq!(verdict, Some(Verdict::Found(content)));
    }
}

#[test]
fn a_gap_needs_q_members_that_have_nothing() {
    let mut reader = reader();
    for member in [1, 2, 3, 3, 2, 1] {
        assert_eq!(reader.step(MemberId(member), &answer(Found::Nothing)), None);
    }
    assert_eq!(reader.step(MemberId(5), &answer(Found::NotReleased)), None);
    assert_eq!(reader.questions().map(|(member, _)| member.0).collect::<Vec<u64>>(), [4, 5]);
    assert_eq!(reader.step(MemberId(4), &answer(Found::Nothing)), Some(Verdict::Gap));
}

#[test]
fn strangers_and_other_positions_do_not_count() {
    let mut reader = reader();
    assert_eq!(reader.step(MemberId(9), &answer(Found::Copy(Content::Hole))), None);
    let elsewhere = Message::Answer { lsn: Lsn::new(Epoch(1), 2), found: Found::Copy(Content::Hole) };
    assert_eq!(reader.step(MemberId(1), &elsewhere), None);
    assert_eq!(reader.step(MemberId(1), &Message::Release { lsn: LSN }), None);
}

//! One encoding of each message, and nothing else is read.

use proptest::prelude::*;

use super::*;
use crate::raft::Life;
use crate::raft::codec::tests::{any_entry, any_log_id, any_meta, any_vote};
use crate::replication::MemberId;

pub(in crate::raft) fn hello() -> Hello {
    let life = |number| Life { number, nonce: [9; 16] };
    Hello { member: MemberId(2), incarnation: [7; 16], previous: life(1), next: life(2) }
}

const HELLO: &str = "0000000000000002\
     07070707070707070707070707070707\
     000000000000000109090909090909090909090909090909\
     000000000000000209090909090909090909090909090909";

/// Requests of all kinds.
fn any_request() -> impl Strategy<Value = Request> {
    let at = || prop::option::of(any_log_id());
    let append = (any_vote(), at(), prop::collection::vec(any_entry(), 0..4), at());
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        append.prop_map(|(vote, prev_log_id, mut entries, leader_commit)| {
            let next = prev_log_id.as_ref().map_or(0, |id| id.index.wrapping_add(1));
            for (index, entry) in (next..).zip(&mut entries) {
                entry.log_id.index = index;
            }
            if next == 0 && prev_log_id.is_some() {
                entries.clear();
            }
            Request::Append(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
        }),
        (any_vote(), at()).prop_map(|(vote, last_log_id)| Request::Vote(VoteRequest { vote, last_log_id })),
        (any_vote(), any_meta(), 0..1u64 << 20, bytes(), any::<bool>()).prop_map(|(vote, meta, offset, data, done)| {
            Request::Snapshot(InstallSnapshotRequest { vote, meta, offset, data, done })
        }),
        bytes().prop_map(|command| Request::Propose(command.into())),
        (0..5u8, any::<u64>()).prop_map(|(kind, member)| Request::Change(match kind {
            0 => Change::AddLearner(member),
            1 => Change::Promote(member),
            2 => Change::Demote(member),
            3 => Change::Remove(member),
            _ => Change::Replace(member),
        })),
        prop_oneof![Just(Request::ReadAt), Just(Request::TakeOver), Just(Request::Ping)],
    ]
}

/// Answers of all kinds.
fn any_reply() -> impl Strategy<Value = Reply> {
    let at = || prop::option::of(any_log_id());
    prop_oneof![
        any::<bool>().prop_map(|fits| {
            Reply::Append(if fits { AppendEntriesResponse::Success } else { AppendEntriesResponse::Conflict })
        }),
        at().prop_map(|upto| Reply::Append(AppendEntriesResponse::PartialSuccess(upto))),
        any_vote().prop_map(|vote| Reply::Append(AppendEntriesResponse::HigherVote(vote))),
        (any_vote(), any::<bool>(), at()).prop_map(|(vote, vote_granted, last_log_id)| Reply::Vote(VoteResponse {
            vote,
            vote_granted,
            last_log_id
        })),
        any_vote().prop_map(Reply::Snapshot),
        (any::<u64>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(index, answer)| Reply::Applied { index, answer: answer.into() }),
        any::<Option<u64>>().prop_map(Reply::NotLeader),
        prop::collection::btree_set(any::<u64>(), 0..4).prop_map(Reply::Uncertain),
        any::<Option<u64>>().prop_map(Reply::ReadAt),
        "[a-zé]{0,40}".prop_map(Reply::Refused),
        "[a-zé]{0,40}".prop_map(Reply::Stopped),
        any::<bool>().prop_map(|done| if done { Reply::Done } else { Reply::SnapshotMismatch }),
        prop_oneof![
            Just(Stranger::Unknown),
            Just(Stranger::Removed),
            Just(Stranger::OtherIncarnation),
            Just(Stranger::OldCopy),
            Just(Stranger::OtherMember),
        ]
        .prop_map(Reply::Stranger),
    ]
}

fn exact<T: Encode + Decode>(message: &T) {
    let bytes = frame(&hello(), message);
    let (who, back): (Hello, T) = unframe(&bytes).unwrap();
    assert_eq!((who, frame(&hello(), &back)), (hello(), bytes.clone()));
    for end in 0..bytes.len() {
        assert!(unframe::<T>(&bytes[..end]).is_err(), "a prefix of {end} bytes");
    }
    assert!(unframe::<T>(&[&bytes[..], &[0]].concat()).is_err(), "a trailing byte");
}

proptest! {
    #[test]
    fn messages_come_back_as_they_were(request in any_request(), reply in any_reply()) {
        exact(&request);
        exact(&reply);
    }

    #[test]
    fn no_changed_frame_has_a_second_encoding(request in any_request(), at: prop::sample::Index, to: u8) {
        let mut bytes = frame(&hello(), &request).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok((who, found)) = unframe::<Request>(&bytes) {
            prop_assert_eq!(frame(&who, &found), bytes);
        }
    }
}

#[test]
fn vectors_of_requests() {
    let check = |request: Request, expected: &str| {
        assert_eq!(hex::encode(frame(&hello(), &request)), format!("01{HELLO}{}", expected.replace(' ', "")));
        exact(&request);
    };
    let id = |index| LogId::new(openraft::CommittedLeaderId::new(1, 2), index);
    let id_hex = |index| format!("00000000000000010000000000000002 00000000000000{index:02x}");
    let vote = Vote::new_committed(1, 2);
    let vote_hex = "0000000000000001 0000000000000002 01";
    let entry = Entry { log_id: id(5), payload: openraft::EntryPayload::Blank };
    let append = AppendEntriesRequest { vote, prev_log_id: Some(id(4)), entries: vec![entry], leader_commit: None };
    check(Request::Append(append), &format!("00 {vote_hex} 01{} 00000001 {}00 00", id_hex(4), id_hex(5)));
    check(Request::Vote(VoteRequest { vote, last_log_id: None }), &format!("01 {vote_hex} 00"));
    let chunk = InstallSnapshotRequest { vote, meta: Default::default(), offset: 8, data: b"ab".to_vec(), done: true };
    let meta_hex = "00 00 00000000 00000000 00000000";
    check(Request::Snapshot(chunk), &format!("02 {vote_hex} {meta_hex} 0000000000000008 00000002 6162 01"));
    check(Request::Propose(Bytes::from_static(b"c")), "03 00000001 63");
    check(Request::Change(Change::Promote(3)), "04 01 0000000000000003");
    check(Request::ReadAt, "05");
    check(Request::TakeOver, "06");
    check(Request::Ping, "07");
}

#[test]
fn vectors_of_replies() {
    let check = |reply: Reply, expected: &str| {
        assert_eq!(hex::encode(frame(&hello(), &reply)), format!("01{HELLO}{}", expected.replace(' ', "")));
        exact(&reply);
    };
    let vote = Vote::new(1, 2);
    let vote_hex = "0000000000000001 0000000000000002 00";
    check(Reply::Append(AppendEntriesResponse::Success), "00");
    check(Reply::Append(AppendEntriesResponse::PartialSuccess(None)), "01 00");
    check(Reply::Append(AppendEntriesResponse::Conflict), "02");
    check(Reply::Append(AppendEntriesResponse::HigherVote(vote)), &format!("03 {vote_hex}"));
    let granted = VoteResponse { vote, vote_granted: true, last_log_id: None };
    check(Reply::Vote(granted), &format!("04 {vote_hex} 01 00"));
    check(Reply::Snapshot(vote), &format!("05 {vote_hex}"));
    check(Reply::SnapshotMismatch, "06");
    check(Reply::Applied { index: 3, answer: Bytes::from_static(b"a") }, "07 0000000000000003 00000001 61");
    check(Reply::NotLeader(Some(3)), "08 01 0000000000000003");
    check(Reply::Uncertain([1].into()), "09 00000001 0000000000000001");
    check(Reply::ReadAt(None), "0a 00");
    check(Reply::Done, "0b");
    check(Reply::Refused("no".into()), "0c 00000002 6e6f");
    check(Reply::Stopped("x".into()), "0d 00000001 78");
    check(Reply::Stranger(Stranger::OldCopy), "0e 03");
}

#[test]
fn a_gap_and_an_endless_snapshot_are_refused() {
    let vote = Vote::new_committed(1, 2);
    let entry =
        Entry { log_id: LogId::new(openraft::CommittedLeaderId::new(1, 2), 5), payload: openraft::EntryPayload::Blank };
    let append = AppendEntriesRequest { vote, prev_log_id: None, entries: vec![entry], leader_commit: None };
    assert!(unframe::<Request>(&frame(&hello(), &Request::Append(append))).is_err());
    let offset = u64::MAX - 1;
    let chunk = InstallSnapshotRequest { vote, meta: Default::default(), offset, data: vec![1], done: true };
    assert!(unframe::<Request>(&frame(&hello(), &Request::Snapshot(chunk))).is_err());
    let long = Reply::Refused("é".repeat(400));
    assert!(unframe::<Reply>(&frame(&hello(), &long)).is_ok(), "a long text is cut");
}

//! One encoding of each value of openraft, and nothing else is read.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

pub(in crate::raft) fn any_log_id() -> impl Strategy<Value = LogId> {
    (any::<u64>(), any::<u64>(), any::<u64>())
        .prop_map(|(term, node, index)| LogId::new(openraft::CommittedLeaderId::new(term, node), index))
}

pub(in crate::raft) fn any_vote() -> impl Strategy<Value = Vote> {
    (any::<u64>(), any::<u64>(), any::<bool>())
        .prop_map(|(term, node, committed)| Vote { leader_id: openraft::LeaderId::new(term, node), committed })
}

pub(in crate::raft) fn any_membership() -> impl Strategy<Value = Membership> {
    let ids = || prop::collection::btree_set(any::<u64>(), 0..5);
    (prop::collection::vec(ids(), 0..3), ids()).prop_map(|(configs, learners): (Vec<BTreeSet<u64>>, _)| {
        let nodes: BTreeMap<u64, EmptyNode> = learners.into_iter().map(|id| (id, EmptyNode {})).collect();
        Membership::new(configs, nodes)
    })
}

pub(in crate::raft) fn any_entry() -> impl Strategy<Value = Entry> {
    let payload = prop_oneof![
        Just(EntryPayload::Blank),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|command| EntryPayload::Normal(command.into())),
        any_membership().prop_map(EntryPayload::Membership),
    ];
    (any_log_id(), payload).prop_map(|(log_id, payload)| Entry { log_id, payload })
}

pub(in crate::raft) fn any_meta() -> impl Strategy<Value = SnapshotMeta> {
    let at = || prop::option::of(any_log_id());
    (at(), at(), any_membership(), "[a-z0-9-]{0,20}").prop_map(|(last_log_id, at, membership, snapshot_id)| {
        SnapshotMeta { last_log_id, last_membership: StoredMembership::new(at, membership), snapshot_id }
    })
}

/// It comes back as it was, and neither a part of it nor more than it is read.
fn exact<T: PartialEq + std::fmt::Debug>(
    value: &T,
    put: impl Fn(&mut Writer, &T),
    get: impl Fn(&mut Reader<'_>) -> Result<T, CodecError>,
) {
    let bytes = bytes_of(|out| put(out, value));
    assert_eq!(whole("value", &bytes, &get).as_ref(), Ok(value));
    for end in 0..bytes.len() {
        assert!(whole("value", &bytes[..end], &get).is_err(), "a prefix of {end} bytes");
    }
    assert!(whole("value", &[&bytes[..], &[0]].concat(), &get).is_err(), "a trailing byte");
}

proptest! {
    #[test]
    fn values_come_back_as_they_were(
        id in any_log_id(),
        vote_ in any_vote(),
        membership_ in any_membership(),
        entry_ in any_entry(),
        meta_ in any_meta(),
    ) {
        exact(&id, put_log_id, log_id);
        exact(&vote_, put_vote, vote);
        exact(&membership_, put_membership, membership);
        exact(&entry_, put_entry, entry);
        exact(&meta_, put_meta, meta);
    }

    #[test]
    fn other_bytes_are_no_second_encoding(mut bytes in prop::collection::vec(any::<u8>(), 1..120)) {
        bytes[0] = 1;
        if let Ok(found) = whole("entry", &bytes, entry) {
            prop_assert_eq!(bytes_of(|out| put_entry(out, &found)), bytes.clone());
        }
        if let Ok(found) = whole("description", &bytes, meta) {
            prop_assert_eq!(bytes_of(|out| put_meta(out, &found)), bytes);
        }
    }
}

#[test]
fn vectors() {
    let id = LogId::new(openraft::CommittedLeaderId::new(3, 7), 9);
    let id_hex = "000000000000000300000000000000070000000000000009";
    assert_eq!(hex::encode(bytes_of(|out| put_log_id(out, &id))), format!("01{id_hex}"));
    let vote = Vote::new_committed(3, 7);
    let vote_hex = "0100000000000000030000000000000007";
    assert_eq!(hex::encode(bytes_of(|out| put_vote(out, &vote))), format!("{vote_hex}01"));
    let membership = Membership::new(vec![[1].into(), [1, 2].into()], BTreeMap::from([(3, EmptyNode {})]));
    let membership_hex = "00000002\
         000000010000000000000001\
         0000000200000000000000010000000000000002\
         00000003000000000000000100000000000000020000000000000003";
    assert_eq!(hex::encode(bytes_of(|out| put_membership(out, &membership))), format!("01{membership_hex}"));
    let entry = |payload| hex::encode(bytes_of(|out| put_entry(out, &Entry { log_id: id, payload })));
    assert_eq!(entry(EntryPayload::Blank), format!("01{id_hex}00"));
    assert_eq!(entry(EntryPayload::Normal(Bytes::from_static(b"ab"))), format!("01{id_hex}01000000026162"));
    assert_eq!(entry(EntryPayload::Membership(membership.clone())), format!("01{id_hex}02{membership_hex}"));
    let last_membership = StoredMembership::new(None, membership);
    let meta = SnapshotMeta { last_log_id: Some(id), last_membership, snapshot_id: "s".into() };
    let expected = format!("0101{id_hex}00{membership_hex}0000000173");
    assert_eq!(hex::encode(bytes_of(|out| put_meta(out, &meta))), expected);
}

#[test]
fn a_voter_that_is_no_member_is_refused() {
    let mut out = Writer::new();
    out.u8(1).u32(1).u32(1).u64(5).u32(0);
    assert!(whole("membership", out.as_bytes(), membership).is_err());
}

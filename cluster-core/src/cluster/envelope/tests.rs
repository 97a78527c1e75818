use proptest::prelude::*;

use super::*;
use crate::raft::Life;
use crate::replication::{Epoch, Lsn};

fn modes() -> impl Strategy<Value = AckMode> {
    prop_oneof![Just(AckMode::Durable), Just(AckMode::Replicated), Just(AckMode::Cached)]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 1..64).prop_map(Bytes::from)
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let acked = prop_oneof![
        (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(offset, epoch, number)| {
            let lsn = Lsn::new(Epoch(epoch), number);
            Ok(Acked::Durable(Placed { offset, lsn }))
        }),
        (any::<bool>(), any::<u64>(), any::<u64>()).prop_map(|(cached, epoch, number)| {
            let mode = if cached { AckMode::Cached } else { AckMode::Replicated };
            Ok(Acked::Early { lsn: Lsn::new(Epoch(epoch), number), mode })
        }),
        Just(Err(Unplaced::NotLeader)),
        Just(Err(Unplaced::Busy)),
        Just(Err(Unplaced::Invalid)),
        (0..40_usize, 0..40_usize).prop_map(|(copies, wanted)| Err(Unplaced::Unknown { copies, wanted })),
        any::<u64>().prop_map(|expected| Err(Unplaced::Gap { expected })),
        Just(Err(Unplaced::UnknownProducer)),
        Just(Err(Unplaced::DiskFull)),
    ];
    prop_oneof![
        (any::<u64>(), any::<u64>(), bytes()).prop_map(|(id, group, frame)| Envelope::Call { id, group, frame }),
        (any::<u64>(), proptest::option::of(bytes())).prop_map(|(id, frame)| Envelope::Answer { id, frame }),
        (any::<u64>(), any::<u64>()).prop_map(|(id, from)| Envelope::Note {
            partition: PartitionId(id),
            note: Note::Fetch { from, stubs: true }
        }),
        (any::<u64>(), any::<u64>(), modes(), bytes()).prop_map(|(id, at, mode, payload)| Envelope::Append {
            id,
            partition: PartitionId(at),
            mode,
            payload
        }),
        (any::<u64>(), any::<u64>(), modes(), bytes()).prop_map(|(id, at, mode, payload)| Envelope::Relay {
            id,
            partition: PartitionId(at),
            mode,
            payload
        }),
        (any::<u64>(), acked).prop_map(|(id, acked)| Envelope::Appended { id, acked }),
        any::<u64>().prop_map(|id| Envelope::Lead { partition: PartitionId(id) }),
        ("[a-z]{0,20}", proptest::collection::vec(any::<u8>(), 0..40), any::<[u8; 16]>()).prop_map(
            |(name, peer, incarnation)| {
                let (addresses, life) = (vec!["/ip4/127.0.0.1/tcp/1".to_owned()], crate::raft::Life::default());
                Envelope::Join(NewMember { name, peer, addresses, incarnation, life })
            }
        ),
        any::<u64>().prop_map(|id| Envelope::Joined { member: MemberId(id) }),
        any::<u64>().prop_map(|id| Envelope::Removed { member: MemberId(id) }),
        (any::<bool>(), "[a-zé]{0,40}").prop_map(|(lasts, why)| Envelope::NotJoined { lasts, why }),
        (proptest::collection::btree_set(any::<u64>().prop_map(MemberId), 0..=MAX_HEARD), any::<[bool; 4]>()).prop_map(
            |(members, [records, blocks, leaves, lost])| {
                Envelope::Hears { members, lacks: Lacks { records, blocks, leaves, lost } }
            }
        ),
        (any::<u64>(), bytes()).prop_map(|(id, question)| Envelope::Ask { id, question }),
        (any::<bool>(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(survey, id, partition, from)| {
            let partition = PartitionId(partition);
            if survey { Envelope::Survey { id, partition, from } } else { Envelope::Records { id, partition, from } }
        }),
        (any::<u64>(), any::<u64>()).prop_map(|(id, member)| Envelope::Leaving { id, member: MemberId(member) }),
        (any::<u64>(), proptest::option::of(bytes())).prop_map(|(id, answer)| Envelope::Told { id, answer }),
    ]
}

proptest! {
    #[test]
    fn an_envelope_is_read_as_it_was_written(envelope in envelopes()) {
        prop_assert_eq!(Envelope::from_shared(&envelope.to_bytes()).unwrap(), envelope);
    }

    #[test]
    fn whatever_is_read_is_written_the_same(kind in 0..19_u8, rest in proptest::collection::vec(any::<u8>(), 0..80)) {
        let bytes = Bytes::from([&[kind][..], &rest].concat());
        if let Ok(envelope) = Envelope::from_shared(&bytes) {
            prop_assert_eq!(envelope.to_bytes(), bytes);
        }
    }
}

#[test]
fn the_bytes_are_these() {
    let call = Envelope::Call { id: 1, group: 2, frame: Bytes::from_static(b"frame") };
    let expected = [&[1][..], &1_u64.to_be_bytes(), &2_u64.to_be_bytes(), b"frame"].concat();
    assert_eq!(call.to_bytes(), expected);
    let unknown = Envelope::Appended { id: 3, acked: Err(Unplaced::Unknown { copies: 1, wanted: 2 }) };
    let expected = [&[5][..], &3_u64.to_be_bytes(), &[4, 0, 0, 0, 1, 0, 0, 0, 2]].concat();
    assert_eq!(unknown.to_bytes(), expected);
    for length in 0..expected.len() {
        assert!(Envelope::from_shared(&unknown.to_bytes().slice(..length)).is_err());
    }
    let gap = Envelope::Appended { id: 3, acked: Err(Unplaced::Gap { expected: 4 }) };
    assert_eq!(gap.to_bytes(), [&[5][..], &3_u64.to_be_bytes(), &[5], &4_u64.to_be_bytes()].concat());
    let nobody = Envelope::Appended { id: 3, acked: Err(Unplaced::UnknownProducer) };
    assert_eq!(nobody.to_bytes(), [&[5][..], &3_u64.to_be_bytes(), &[6]].concat());
    let (partition, payload) = (PartitionId(2), Bytes::from_static(b"records"));
    let append = Envelope::Append { id: 3, partition, mode: AckMode::Cached, payload };
    let expected = [&[4][..], &3_u64.to_be_bytes(), &2_u64.to_be_bytes(), &[2], b"records"].concat();
    assert_eq!(append.to_bytes(), expected);
    let lsn = Lsn::new(Epoch(4), 5);
    let early = Envelope::Appended { id: 3, acked: Ok(Acked::Early { lsn, mode: AckMode::Replicated }) };
    let head = [&[5][..], &3_u64.to_be_bytes(), &[7]].concat();
    assert_eq!(early.to_bytes(), [&head[..], &[1], &lsn.to_bytes()].concat());
    // What is durable is not early, and there are no other modes.
    for mode in [0, 3] {
        assert!(Envelope::from_shared(&[&head[..], &[mode], &lsn.to_bytes()].concat().into()).is_err());
    }
    assert!(Envelope::from_shared(&[&[4][..], &[0; 16], &[3]].concat().into()).is_err());
}

#[test]
fn members_that_are_heard_stand_in_order_and_are_not_too_many() {
    let says = |lacks: u64, ids: &[u64]| {
        let ids: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
        let count = (ids.len() as u32 / 8).to_be_bytes();
        Envelope::from_shared(&[&[12][..], &lacks.to_be_bytes(), &count, &ids].concat().into())
    };
    let hears = |ids: &[u64]| says(0, ids);
    let members: BTreeSet<MemberId> = [1, 3].map(MemberId).into();
    let whole = Envelope::Hears { members: members.clone(), lacks: Lacks::default() };
    assert_eq!(hears(&[1, 3]).unwrap(), whole);
    let lacks = Lacks { records: true, blocks: true, ..Lacks::default() };
    assert_eq!(says(3, &[1, 3]).unwrap(), Envelope::Hears { members, lacks });
    assert!(says(15, &[1]).is_ok() && says(16, &[1]).is_err() && says(1 << 63, &[1]).is_err());
    assert!(hears(&[3, 1]).is_err() && hears(&[1, 1]).is_err());
    let many: Vec<u64> = (0..=MAX_HEARD as u64).collect();
    assert!(hears(&many).is_err() && hears(&many[1..]).is_ok());
}

fn hello(member: u64) -> Hello {
    let life = |number| Life { number, nonce: [7; 16] };
    Hello { member: MemberId(member), incarnation: [9; 16], previous: life(1), next: life(2) }
}

#[test]
fn an_envelope_is_in_one_other_at_most() {
    let from = |envelope| Envelope::From { to: MemberId(2), hello: hello(1), envelope: Box::new(envelope) };
    let good = from(Envelope::Lead { partition: PartitionId(3) });
    assert_eq!(Envelope::from_shared(&good.to_bytes()), Ok(good.clone()));
    for bad in [from(good.clone()), from(Envelope::Joined { member: MemberId(1) }), from(from(from(good)))] {
        assert!(Envelope::from_shared(&bad.to_bytes()).is_err(), "{bad:?}");
    }
}

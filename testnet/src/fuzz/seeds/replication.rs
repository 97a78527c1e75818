//! Messages of the replicated data path, and what its members keep.

use bytes::Bytes;
use pyralog_cluster_core::replication::{
    Change, Content, Entry, Epoch, Fence, Found, Lsn, MemberState, Message, Payload, Precedence, ProducerId, Producers,
    Stamp,
};
use pyralog_crypto::Encode;

use super::Out;

pub(super) fn put(out: &mut Out) {
    let (epoch, lsn, fence) = (Epoch(3), Lsn::new(Epoch(3), 5), Fence { epoch: Epoch(3), attempt: 2 });
    let content = || Content::Record(Bytes::from_static(b"a record"));
    let entry = || Entry { content: content(), precedence: Precedence::Wave(1) };
    let hole = Entry { content: Content::Hole, precedence: Precedence::Recovery(fence) };
    let entries = vec![(6, entry()), (7, hole.clone()), (9, entry())];
    for (name, message) in [
        ("store", Message::Store { lsn, entry: entry(), known_good: 4, early: true }),
        ("hole", Message::Store { lsn, entry: hole, known_good: 4, early: false }),
        ("stored", Message::Stored { lsn, precedence: Precedence::Wave(1) }),
        ("received", Message::Received { lsn }),
        ("fenced", Message::Fenced { by: fence }),
        ("seal", Message::Seal { epoch }),
        ("sealed", Message::Sealed { fence }),
        ("digest", Message::Digest { epoch, fence, after: 8 }),
        ("digested", Message::Digested { epoch, fence, after: 1, known_good: 5, entries, more: true }),
        ("clean", Message::Clean { epoch, fence }),
        ("cleaned", Message::Cleaned { epoch, fence }),
        ("release", Message::Release { lsn }),
        ("read", Message::Read { lsn }),
        ("answer", Message::Answer { lsn, found: Found::Copy(content()) }),
        ("nothing", Message::Answer { lsn, found: Found::Nothing }),
    ] {
        out.put("replication_message", name, message.to_bytes());
    }
    let changes = [
        Change::Fence(fence),
        Change::Put { lsn, entry: entry() },
        Change::Cut { epoch, above: 6 },
        Change::Clean(Epoch(2)),
        Change::Release(lsn),
        Change::KnownGood { epoch, number: 9 },
    ];
    out.put("replication_changes", "all", Change::list_to_bytes(&changes));
    let mut state = MemberState::default();
    out.put("replication_state", "new", state.to_bytes());
    changes.iter().for_each(|change| state.apply(change));
    out.put("replication_state", "old", state.to_bytes());
    let mut producers = Producers::default();
    out.put("replication_producers", "none", producers.to_bytes());
    let stamp = |sequence| Payload::Stamped(Stamp { producer: ProducerId(Lsn::new(Epoch(1), 1)), sequence });
    for (number, kind) in (1..).zip([Payload::Open, stamp(1), Payload::Plain, Payload::Open, stamp(2)]) {
        let payload = kind.wrap(b"a record");
        out.put("replication_payload", format!("{number}"), payload.to_vec());
        producers.fold(Lsn::new(Epoch(1), number), &Content::Record(payload), 10 * number);
    }
    out.put("replication_producers", "two", producers.to_bytes());
    // As builds without offsets wrote them: one, with its first record.
    let old =
        [&[1][..], &words([1, 3]), &[0, 0, 0, 1], &words([1, 1, 1]), &[0, 0, 0, 2], &words([1, 1, 1, 2])].concat();
    out.put("replication_producers", "old", old);
}

fn words<const N: usize>(words: [u64; N]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

use proptest::prelude::*;

use super::*;
use crate::replication::{Epoch, Lsn, Producers};

fn reached(lsn: Lsn) -> Reached {
    Reached { lsn, producers: Producers::default() }
}

fn trimmed(segments: Vec<(u64, [u8; 32])>) -> Note {
    let mut first = 0;
    let leaf = |(records, root)| {
        let leaf = pyralog_crypto::SegmentLeaf { first, next: first + records, root: pyralog_crypto::Hash(root) };
        first = leaf.next;
        leaf
    };
    Note::Trimmed(TrimmedPrefix::new(segments.into_iter().map(leaf).collect()).unwrap())
}

fn notes() -> impl Strategy<Value = Note> {
    let lsn = (any::<u64>(), any::<u64>()).prop_map(|(epoch, number)| Lsn::new(Epoch(epoch), number));
    let items = proptest::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from);
    prop_oneof![
        any::<(u64, bool)>().prop_map(|(from, stubs)| Note::Fetch { from, stubs }),
        lsn.clone().prop_map(|lsn| Note::Replication(Message::Release { lsn })),
        (any::<u64>(), proptest::option::of(lsn.prop_map(reached)), items)
            .prop_map(|(from, reached, items)| Note::Fetched { from, reached, items }),
        proptest::collection::vec((1..9_u64, any::<[u8; 32]>()), 0..5).prop_map(trimmed),
    ]
}

proptest! {
    #[test]
    fn a_note_is_read_as_it_was_written(note in notes()) {
        let bytes = Bytes::from(note.to_bytes());
        prop_assert_eq!(Note::from_shared(&bytes).unwrap(), note);
    }

    #[test]
    fn whatever_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..96), kind in 0..6_u8) {
        let bytes = Bytes::from([&[kind][..], &bytes].concat());
        if let Ok(note) = Note::from_shared(&bytes) {
            prop_assert_eq!(Bytes::from(note.to_bytes()), bytes);
        }
    }
}

#[test]
fn the_bytes_are_these() {
    let lsn = Lsn::new(Epoch(2), 3);
    let fetched = Note::Fetched { from: 1, reached: Some(reached(lsn)), items: Bytes::from_static(b"items") };
    assert_eq!(
        fetched.to_bytes(),
        [
            &[3][..],
            &1_u64.to_be_bytes(),
            &[1],
            &2_u64.to_be_bytes(),
            &3_u64.to_be_bytes(),
            &Producers::default().to_bytes(),
            b"items"
        ]
        .concat()
    );
    let fetch = |stubs| Note::Fetch { from: 7, stubs };
    assert_eq!(fetch(false).to_bytes(), [&[2][..], &7_u64.to_be_bytes()].concat());
    assert_eq!(fetch(true).to_bytes(), [&[5][..], &7_u64.to_be_bytes()].concat());
}

#[test]
fn a_cut_note_is_refused() {
    for note in [Note::Fetch { from: 9, stubs: true }, Note::Replication(Message::Seal { epoch: Epoch(4) })] {
        let bytes = Bytes::from(note.to_bytes());
        for length in 0..bytes.len() {
            assert!(Note::from_shared(&bytes.slice(..length)).is_err(), "{length} bytes of {note:?}");
        }
        assert!(Note::from_shared(&Bytes::from([&bytes[..], &[0]].concat())).is_err());
    }
}

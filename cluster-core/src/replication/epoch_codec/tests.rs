//! One encoding of each value, and nothing else is read.

use proptest::prelude::*;

use super::*;

fn set() -> NodeSet {
    NodeSet::new([3, 1, 2].map(MemberId), 3, 2).unwrap()
}

fn other() -> NodeSet {
    NodeSet::new([MemberId(9)], 1, 1).unwrap()
}

fn exact<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T, hex: &str) {
    let bytes = value.to_bytes();
    assert_eq!(hex::encode(&bytes), hex.replace(' ', ""));
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value));
    for end in 0..bytes.len() {
        assert!(T::from_bytes(&bytes[..end]).is_err(), "a prefix of {end} bytes");
    }
    assert!(T::from_bytes(&[&bytes[..], &[0]].concat()).is_err(), "a trailing byte");
}

#[test]
fn vectors() {
    let nodeset = "00000003 0000000000000001 0000000000000002 0000000000000003 03 02";
    exact(&set(), nodeset);
    exact(&Command::TakeEpoch { sequencer: MemberId(7), nodeset: None }, "00 0000000000000007 00");
    let take = Command::TakeEpoch { sequencer: MemberId(7), nodeset: Some(set()) };
    exact(&take, &format!("00 0000000000000007 01 {nodeset}"));
    exact(&Command::AdvanceClean { epoch: Epoch(1), known_good: 9 }, "01 0000000000000001 0000000000000009");
    exact(&Command::Ask { from: Epoch(4) }, "02 0000000000000004");
    let mut store = EpochStore::new(set());
    store.apply(&Command::TakeEpoch { sequencer: MemberId(1), nodeset: None });
    store.apply(&Command::TakeEpoch { sequencer: MemberId(2), nodeset: None });
    let answer = store.apply(&Command::AdvanceClean { epoch: Epoch(1), known_good: 9 });
    let state = format!(
        "{nodeset} 00000000 0000000000000002 0000000000000002 0000000000000001 00000001 0000000000000001 0000000000000009"
    );
    exact(&store, &state);
    exact(&answer, &format!("01 {state}"));
    store.apply(&Command::TakeEpoch { sequencer: MemberId(3), nodeset: Some(other()) });
    let state = format!(
        "00000001 0000000000000009 01 01 00000001 0000000000000002 {nodeset} \
         0000000000000003 0000000000000003 0000000000000001 00000001 0000000000000001 0000000000000009"
    );
    exact(&store, &state);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut bytes = set().to_bytes();
    bytes[11] = 2;
    bytes[19] = 1;
    assert!(NodeSet::from_bytes(&bytes).is_err(), "members out of order");
    let mut store = EpochStore::new(set());
    for nodeset in [None, Some(other())] {
        store.apply(&Command::TakeEpoch { sequencer: MemberId(1), nodeset });
    }
    let bytes = store.to_bytes();
    let last = 14 + 4 + 7;
    assert_eq!((bytes[last], EpochStore::from_bytes(&bytes).as_ref()), (1, Ok(&store)));
    for epoch in [0, 2] {
        let mut bytes = bytes.clone();
        bytes[last] = epoch;
        assert!(EpochStore::from_bytes(&bytes).is_err(), "epoch {epoch} is none before the newest that is not clean");
    }
    store.earlier.insert(Epoch(1), other());
    assert!(EpochStore::from_bytes(&store.to_bytes()).is_err(), "the nodeset was not changed");
    let mut bytes = EpochStore::new(set()).to_bytes();
    let last_clean = bytes.len() - 5;
    bytes[last_clean] = 1;
    assert!(EpochStore::from_bytes(&bytes).is_err(), "an epoch is clean, and none was taken");
}

proptest! {
    #[test]
    fn a_store_comes_back_as_it_was(commands in prop::collection::vec((0..3u8, 0..6u64, any::<u64>()), 0..40)) {
        let mut store = EpochStore::new(set());
        for (kind, epoch, number) in commands {
            let command = match kind {
                0 => {
                    let changed = [set(), other()].into_iter().nth(epoch as usize);
                    Command::TakeEpoch { sequencer: MemberId(number), nodeset: changed }
                }
                1 => Command::AdvanceClean { epoch: Epoch(epoch), known_good: number },
                _ => Command::Ask { from: Epoch(epoch) },
            };
            prop_assert_eq!(Command::from_bytes(&command.to_bytes()), Ok(command.clone()));
            let answer = store.apply(&command);
            prop_assert_eq!(Answer::from_bytes(&answer.to_bytes()), Ok(answer));
        }
        prop_assert_eq!(EpochStore::from_bytes(&store.to_bytes()), Ok(store));
    }

    #[test]
    fn other_bytes_are_no_second_encoding(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(store) = EpochStore::from_bytes(&bytes) {
            prop_assert_eq!(store.to_bytes(), bytes.clone());
        }
        if let Ok(answer) = Answer::from_bytes(&bytes) {
            prop_assert_eq!(answer.to_bytes(), bytes);
        }
    }
}

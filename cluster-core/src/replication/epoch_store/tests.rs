//! Epochs that are given once, and the compare-and-set.

use super::*;

fn store() -> EpochStore {
    EpochStore::new(NodeSet::new((1..=3).map(MemberId), 3, 2).unwrap())
}

fn take(store: &mut EpochStore) -> u64 {
    match store.apply(&Command::TakeEpoch { sequencer: MemberId(7) }) {
        Answer::Taken(metadata) => metadata.epoch.0,
        answer => panic!("{answer:?}"),
    }
}

fn advance(store: &mut EpochStore, epoch: u64, known_good: u64) -> bool {
    let answer = store.apply(&Command::AdvanceClean { epoch: Epoch(epoch), known_good });
    matches!(answer, Answer::Advanced(metadata) if metadata.last_clean == Epoch(epoch))
}

#[test]
fn epochs_are_unique_and_rise() {
    let mut store = store();
    assert_eq!([take(&mut store), take(&mut store), take(&mut store)], [1, 2, 3]);
    let answer = store.apply(&Command::Ask { from: Epoch::NONE });
    assert_eq!((answer.metadata().epoch, answer.metadata().sequencer), (Epoch(3), MemberId(7)));
}

#[test]
fn the_last_epoch_is_never_given_twice() {
    let mut store = EpochStore { epoch: Epoch(u64::MAX), ..store() };
    let answer = store.apply(&Command::TakeEpoch { sequencer: MemberId(7) });
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}

#[test]
fn the_last_clean_epoch_advances_one_by_one_and_never_to_the_newest_epoch() {
    let mut store = store();
    for _ in 0..3 {
        take(&mut store);
    }
    assert!(!advance(&mut store, 2, 5), "epoch 1 is not clean");
    assert!(advance(&mut store, 1, 5));
    assert!(!advance(&mut store, 1, 6), "it is clean already");
    assert!(advance(&mut store, 2, 0));
    assert!(!advance(&mut store, 3, 0), "it is the newest");
    assert!(!advance(&mut store, u64::MAX, 0));
    let answer = store.apply(&Command::Ask { from: Epoch(1) });
    assert_eq!(answer.metadata().known_good, [(Epoch(1), 5), (Epoch(2), 0)]);
}

#[test]
fn an_answer_tells_of_a_bounded_number_of_epochs() {
    let mut store = store();
    let epochs = 2 * MAX_KNOWN_GOOD as u64;
    for _ in 0..=epochs {
        take(&mut store);
    }
    assert!((1..=epochs).all(|epoch| advance(&mut store, epoch, epoch)));
    let answer = store.apply(&Command::Ask { from: Epoch(10) });
    let known_good = &answer.metadata().known_good;
    assert_eq!((known_good.len(), known_good.first()), (MAX_KNOWN_GOOD, Some(&(Epoch(10), 10))));
}

//! Epochs that are given once, and the compare-and-set.

use super::*;

fn store() -> EpochStore {
    EpochStore::new(NodeSet::new((1..=3).map(MemberId), 3, 2).unwrap())
}

fn take(store: &mut EpochStore) -> u64 {
    match store.apply(&Command::TakeEpoch { sequencer: MemberId(7), nodeset: None }) {
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
    let answer = store.apply(&Command::TakeEpoch { sequencer: MemberId(7), nodeset: None });
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

fn set(members: [u64; 3]) -> NodeSet {
    NodeSet::new(members.map(MemberId), 3, 2).unwrap()
}

fn change(store: &mut EpochStore, nodeset: NodeSet) -> Answer {
    store.apply(&Command::TakeEpoch { sequencer: MemberId(7), nodeset: Some(nodeset) })
}

#[test]
fn an_epoch_keeps_its_nodeset_until_it_is_clean() {
    let mut store = store();
    let before = change(&mut store, set([1, 2, 4]));
    assert_eq!(before.metadata().earlier, [], "no epoch had the first one");
    take(&mut store);
    change(&mut store, set([1, 4, 5]));
    let same = change(&mut store, set([1, 4, 5]));
    let metadata = same.metadata();
    assert_eq!((metadata.epoch, &metadata.nodeset), (Epoch(4), &set([1, 4, 5])));
    assert_eq!(metadata.earlier, [(Epoch(2), set([1, 2, 4]))]);
    let of = [1, 2, 3, 4].map(|epoch| metadata.nodeset_of(Epoch(epoch)).clone());
    assert_eq!(of, [set([1, 2, 4]), set([1, 2, 4]), set([1, 4, 5]), set([1, 4, 5])]);
    assert_eq!(metadata.unclean().collect::<Vec<_>>(), [&set([1, 2, 4]), &set([1, 4, 5])]);
    assert!(advance(&mut store, 1, 0));
    assert_eq!(store.metadata(Epoch(1)).earlier.len(), 1, "epoch 2 has it as well");
    assert!(advance(&mut store, 2, 0));
    assert_eq!(store.metadata(Epoch(1)).earlier, []);
}

#[test]
fn nodesets_that_are_not_clean_are_bounded() {
    let mut store = store();
    take(&mut store);
    for member in 0..MAX_EARLIER as u64 {
        assert!(matches!(change(&mut store, set([1, 2, 10 + member])), Answer::Taken(_)));
    }
    let epoch = store.epoch;
    assert!(matches!(change(&mut store, set([1, 2, 3])), Answer::Refused(metadata) if metadata.epoch == epoch));
    assert_eq!(take(&mut store), epoch.0 + 1, "an epoch may be taken all the same");
    assert!(advance(&mut store, 1, 0));
    assert!(matches!(change(&mut store, set([1, 2, 3])), Answer::Taken(_)));
}

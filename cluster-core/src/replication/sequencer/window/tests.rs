//! Numbers, copies and bounds.

use super::*;

fn payload(bytes: usize) -> Bytes {
    Bytes::from(vec![0; bytes])
}

fn store(window: &mut Window, number: u64, members: u64) {
    (1..=members).for_each(|member| window.stored(number, MemberId(member)));
}

fn acknowledge(window: &mut Window) -> Vec<u64> {
    window.acknowledge(2).into_iter().map(|(number, _)| number).collect()
}

fn open(window: &Window) -> Vec<u64> {
    window.entries.iter().filter(|(_, entry)| !entry.acknowledged).map(|(number, _)| *number).collect()
}

#[test]
fn entries_are_sent_again_when_they_are_old_and_less_and_less_often() {
    let mut window = Window::default();
    for bytes in [10, 10, 100, 10] {
        let number = window.push(payload(bytes), None, AckMode::Durable).unwrap();
        window.wave(number);
    }
    store(&mut window, 2, 2);
    acknowledge(&mut window);
    let mut sent = Vec::new();
    for tick in 1..=FIRST_PATIENCE * 40 {
        for number in window.due(9, 1000) {
            assert_ne!(number, 2, "it is acknowledged");
            window.wave(number);
            sent.extend((number == 1).then_some(tick));
        }
    }
    let gaps: Vec<u32> = sent.windows(2).map(|pair| (pair[1] - pair[0]) / FIRST_PATIENCE).collect();
    assert_eq!((sent[0], &gaps[..5]), (FIRST_PATIENCE, &[2, 4, 8, 8, 8][..]));
    // Not many bytes at once, but one entry always.
    let mut first = Vec::new();
    while first.is_empty() {
        first = window.due(9, 50);
    }
    assert_eq!(first, [1, 3]);
    let mut few = Vec::new();
    while few.is_empty() {
        few = window.due(1, 1000);
    }
    assert_eq!(few, [1]);
}

#[test]
fn known_good_waits_for_the_first_gap() {
    let mut window = Window::default();
    assert_eq!([1, 2, 3].map(|_| window.push(payload(1), None, AckMode::Durable)), [Some(1), Some(2), Some(3)]);
    store(&mut window, 1, 1);
    store(&mut window, 2, 2);
    store(&mut window, 3, 2);
    assert_eq!((acknowledge(&mut window), window.known_good()), (vec![2, 3], 0));
    assert_eq!(open(&window), [1]);
    assert_eq!(window.wave(2), None, "nobody needs another wave of what is acknowledged");
    store(&mut window, 1, 2);
    assert_eq!((acknowledge(&mut window), window.known_good()), (vec![1], 3));
    assert_eq!((open(&window), window.bytes), (vec![], 0));
}

#[test]
fn the_records_of_one_producer_are_acknowledged_in_order() {
    let mut window = Window::default();
    let producer = |number| Some(ProducerId(crate::replication::Lsn::new(crate::replication::Epoch(1), number)));
    for of in [producer(1), producer(2), producer(1), None] {
        window.push(payload(1), of, AckMode::Durable);
    }
    (2..=4).for_each(|number| store(&mut window, number, 2));
    assert_eq!(acknowledge(&mut window), [2, 4]);
    assert!(window.is_acknowledged(2) && !window.is_acknowledged(3));
    store(&mut window, 1, 2);
    assert_eq!(acknowledge(&mut window), [1, 3]);
}

#[test]
fn what_waits_for_one_number_is_acknowledged_with_it() {
    let mut window = Window::default();
    let producer = Some(ProducerId(crate::replication::Lsn::new(crate::replication::Epoch(1), 1)));
    for mode in [AckMode::Durable, AckMode::Durable, AckMode::Cached, AckMode::Durable, AckMode::Durable] {
        window.push(payload(1), producer, mode);
    }
    for number in [4, 3, 2] {
        store(&mut window, number, 2);
        assert_eq!(acknowledge(&mut window), if number == 3 { vec![3] } else { vec![] });
    }
    assert!(window.changed.is_empty(), "nothing is looked at before something changes");
    store(&mut window, 1, 2);
    assert_eq!((acknowledge(&mut window), window.known_good()), (vec![1, 2, 4], 4));
    assert_eq!(acknowledge(&mut window), Vec::<u64>::new());
    store(&mut window, 5, 2);
    assert_eq!(acknowledge(&mut window), [5]);
    assert!(window.waiting.is_empty() && window.entries.is_empty());
}

/// As it was before: every entry is looked at each time.
fn scan(window: &mut Window, copies: usize) -> Vec<(u64, AckMode)> {
    window.changed = window.entries.keys().copied().collect();
    window.acknowledge(copies)
}

proptest::proptest! {
    #[test]
    fn looking_at_what_changed_is_enough(
        steps in proptest::collection::vec((0..5u8, 1..12u64, 1..4u64), 0..120),
    ) {
        let (mut one, mut other) = (Window::default(), Window::default());
        for (kind, number, member) in steps {
            let mode = [AckMode::Durable, AckMode::Replicated, AckMode::Cached][member as usize - 1];
            let of = |n: u64| Some(ProducerId(crate::replication::Lsn::new(crate::replication::Epoch(1), n)));
            for window in [&mut one, &mut other] {
                match kind {
                    0 => drop(window.push(payload(1), of(number % 4).filter(|_| number % 4 > 0), mode)),
                    1 | 2 => window.stored(number, MemberId(member)),
                    3 => window.received(number, MemberId(member)),
                    _ => window.want(number, mode),
                }
            }
            // Now and then nothing is acknowledged for a while, as before the seal.
            if number > 3 {
                proptest::prop_assert_eq!(one.acknowledge(2), scan(&mut other, 2));
                proptest::prop_assert_eq!(one.known_good(), other.known_good());
            }
        }
    }
}

#[test]
fn one_member_counts_once() {
    let mut window = Window::default();
    window.push(payload(1), None, AckMode::Durable);
    (0..5).for_each(|_| window.stored(1, MemberId(1)));
    assert_eq!(acknowledge(&mut window), Vec::<u64>::new());
    window.stored(7, MemberId(2));
    assert_eq!(acknowledge(&mut window), Vec::<u64>::new(), "there is no number 7");
    window.stored(1, MemberId(2));
    assert_eq!(acknowledge(&mut window), [1]);
}

#[test]
fn a_full_window_takes_nothing_until_known_good_advances() {
    let mut window = Window::default();
    for number in 1..=MAX_UNACKNOWLEDGED as u64 {
        assert_eq!(window.push(payload(0), None, AckMode::Durable), Some(number));
    }
    assert_eq!(window.push(payload(0), None, AckMode::Durable), None);
    store(&mut window, 2, 2);
    acknowledge(&mut window);
    assert_eq!(window.push(payload(0), None, AckMode::Durable), None, "the first one is still open");
    store(&mut window, 1, 2);
    acknowledge(&mut window);
    assert_eq!(window.push(payload(0), None, AckMode::Durable), Some(MAX_UNACKNOWLEDGED as u64 + 1));
}

#[test]
fn bytes_are_bounded_but_one_entry_is_always_taken() {
    let mut window = Window::default();
    assert_eq!(window.push(payload(MAX_UNACKNOWLEDGED_BYTES + 1), None, AckMode::Durable), Some(1));
    assert_eq!(window.push(payload(1), None, AckMode::Durable), None);
    store(&mut window, 1, 1);
    window.acknowledge(1);
    assert_eq!(window.push(payload(1), None, AckMode::Durable), Some(2));
}

#[test]
fn waves_count() {
    let mut window = Window::default();
    window.push(payload(1), None, AckMode::Durable);
    let waves = [1, 2, 3].map(|_| window.wave(1).map(|wave| wave.number));
    assert_eq!(waves, [Some(1), Some(2), Some(3)]);
    assert_eq!(window.wave(2), None);
}

#[test]
fn what_is_in_memory_is_told_where_it_was_wanted_and_counts_for_nothing() {
    let mut window = Window::default();
    for mode in [AckMode::Durable, AckMode::Replicated, AckMode::Cached] {
        window.push(payload(1), None, mode);
    }
    assert_eq!([1, 2].map(|number| window.wave(number).unwrap().early), [false, true]);
    (1..=3).for_each(|number| window.received(number, MemberId(1)));
    assert_eq!(window.acknowledge(2), [(3, AckMode::Cached)]);
    (1..=3).for_each(|number| window.received(number, MemberId(2)));
    assert_eq!(window.acknowledge(2), [(2, AckMode::Replicated)]);
    assert_eq!((window.known_good(), open(&window)), (0, vec![1, 2, 3]));
    window.want(3, AckMode::Durable);
    (1..=3).for_each(|number| store(&mut window, number, 2));
    assert_eq!(window.acknowledge(2), [(1, AckMode::Durable), (3, AckMode::Durable)]);
    assert_eq!(window.known_good(), 3);
}

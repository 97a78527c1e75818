//! Numbers, copies and bounds.

use super::*;

fn payload(bytes: usize) -> Bytes {
    Bytes::from(vec![0; bytes])
}

fn store(window: &mut Window, number: u64, members: u64) {
    (1..=members).for_each(|member| window.stored(number, MemberId(member)));
}

#[test]
fn known_good_waits_for_the_first_gap() {
    let mut window = Window::default();
    assert_eq!([1, 2, 3].map(|_| window.push(payload(1))), [Some(1), Some(2), Some(3)]);
    store(&mut window, 1, 1);
    store(&mut window, 2, 2);
    store(&mut window, 3, 2);
    assert_eq!((window.acknowledge(2), window.known_good()), (vec![2, 3], 0));
    assert_eq!(window.open(9), [1]);
    assert_eq!(window.wave(2), None, "nobody needs another wave of what is acknowledged");
    store(&mut window, 1, 2);
    assert_eq!((window.acknowledge(2), window.known_good()), (vec![1], 3));
    assert_eq!((window.open(9), window.bytes), (vec![], 0));
}

#[test]
fn one_member_counts_once() {
    let mut window = Window::default();
    window.push(payload(1));
    (0..5).for_each(|_| window.stored(1, MemberId(1)));
    assert_eq!(window.acknowledge(2), Vec::<u64>::new());
    window.stored(7, MemberId(2));
    assert_eq!(window.acknowledge(1), [1]);
}

#[test]
fn a_full_window_takes_nothing_until_known_good_advances() {
    let mut window = Window::default();
    for number in 1..=MAX_UNACKNOWLEDGED as u64 {
        assert_eq!(window.push(payload(0)), Some(number));
    }
    assert_eq!(window.push(payload(0)), None);
    store(&mut window, 2, 2);
    window.acknowledge(2);
    assert_eq!(window.push(payload(0)), None, "the first one is still open");
    store(&mut window, 1, 2);
    window.acknowledge(2);
    assert_eq!(window.push(payload(0)), Some(MAX_UNACKNOWLEDGED as u64 + 1));
}

#[test]
fn bytes_are_bounded_but_one_entry_is_always_taken() {
    let mut window = Window::default();
    assert_eq!(window.push(payload(MAX_UNACKNOWLEDGED_BYTES + 1)), Some(1));
    assert_eq!(window.push(payload(1)), None);
    store(&mut window, 1, 1);
    window.acknowledge(1);
    assert_eq!(window.push(payload(1)), Some(2));
}

#[test]
fn waves_count() {
    let mut window = Window::default();
    window.push(payload(1));
    let waves = [1, 2, 3].map(|_| window.wave(1).map(|(wave, _)| wave));
    assert_eq!(waves, [Some(1), Some(2), Some(3)]);
    assert_eq!(window.wave(2), None);
}

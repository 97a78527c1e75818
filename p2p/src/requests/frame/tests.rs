#![allow(clippy::unwrap_used, clippy::panic)]

use futures::executor::block_on;
use proptest::prelude::*;

use super::*;

fn request(data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    block_on(write_request(&mut bytes, data)).unwrap();
    bytes
}

fn response(status: Status, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    block_on(write_response(&mut bytes, status, data)).unwrap();
    bytes
}

#[test]
fn frames_byte_for_byte() {
    assert_eq!(request(b"abc"), b"\0\0\0\x03abc");
    assert_eq!(request(b""), b"\0\0\0\0");
    assert_eq!(response(Status::Ok, b"abc"), b"\0\0\0\0\x03abc");
    assert_eq!(response(Status::Busy, b"abc"), b"\x01\0\0\0\0");
    assert_eq!(response(Status::Refused, b""), b"\x02\0\0\0\0");
    assert_eq!(response(Status::TooLarge, b""), b"\x03\0\0\0\0");
}

#[test]
fn a_request_is_held_in_the_budget_until_dropped() {
    let budget = Budget::new(10);
    let first = block_on(read_request(&mut &request(&[1; 7])[..], 8, &budget)).unwrap();
    assert!(matches!(&first, Received::Request(data, _) if data[..] == [1; 7]));
    assert_eq!(budget.left(), 3);
    let second = block_on(read_request(&mut &request(&[1; 7])[..], 8, &budget)).unwrap();
    assert!(matches!(second, Received::Refuse(Status::Busy)));
    drop(first);
    assert_eq!(budget.left(), 10);
}

#[test]
fn a_request_over_the_limit_is_refused_before_it_is_read() {
    // The length alone decides: no body follows, and none is waited for.
    assert_eq!(check_request_frame(&[0, 0, 0, 9], 8).unwrap(), None);
    assert_eq!(check_request_frame(&[0xff; 4], 8).unwrap(), None);
}

#[test]
fn short_and_long_frames_are_refused() {
    let good = request(b"abc");
    for cut in 0..good.len() {
        assert!(check_request_frame(&good[..cut], 8).is_err());
    }
    assert!(check_request_frame(&[&good[..], b"x"].concat(), 8).is_err());
    let good = response(Status::Ok, b"abc");
    for cut in 0..good.len() {
        assert!(check_response_frame(&good[..cut], 8).is_err());
    }
    assert!(check_response_frame(&[&good[..], b"x"].concat(), 8).is_err());
}

#[test]
fn bad_responses_are_refused() {
    assert!(check_response_frame(&[4, 0, 0, 0, 0], 8).is_err());
    assert!(check_response_frame(&[1, 0, 0, 0, 1, 7], 8).is_err());
    assert!(check_response_frame(&[0, 0, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], 8).is_err());
    assert!(check_response_frame(&[0, 0xff, 0xff, 0xff, 0xff], 8).is_err());
}

#[test]
fn a_failed_read_gives_the_memory_back() {
    let budget = Budget::new(10);
    assert!(block_on(read_request(&mut &[0, 0, 0, 5, 1, 2][..], 8, &budget)).is_err());
    assert_eq!(budget.left(), 10);
}

proptest! {
    #[test]
    fn round_trips(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let budget = Budget::new(300);
        let Received::Request(read, _hold) = block_on(read_request(&mut &request(&data)[..], 300, &budget)).unwrap() else {
            panic!("refused")
        };
        prop_assert_eq!(&read[..], &data[..]);
        let (status, read) = block_on(read_response(&mut &response(Status::Ok, &data)[..], 300)).unwrap();
        prop_assert_eq!(status, Status::Ok);
        prop_assert_eq!(&read[..], &data[..]);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), max in 0usize..64) {
        if let Ok(Some(length)) = check_request_frame(&bytes, max) {
            prop_assert_eq!(length + 4, bytes.len());
        }
        if let Ok(length) = check_response_frame(&bytes, max) {
            prop_assert_eq!(length + 5, bytes.len());
        }
    }

    #[test]
    fn mutated_frames_never_panic(data in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        for mut bytes in [request(&data), response(Status::Ok, &data)] {
            let at = at.index(bytes.len());
            bytes[at] = value;
            let _ = (check_request_frame(&bytes, 64), check_response_frame(&bytes, 64));
        }
    }
}

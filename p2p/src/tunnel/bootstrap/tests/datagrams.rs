//! The form of the datagrams.

use proptest::prelude::*;

use super::message::{Message, Wanted};
use super::*;

fn wanted() -> Message<'static> {
    let wanted = Wanted::Chunk { of: Hash([3; 32]), number: 513 };
    Message::Ask { id: 0x0102_0304_0506_0708, cookie: [9; 16], wanted }
}

#[test]
fn the_form_is_fixed() {
    let bytes = wanted().to_bytes();
    let mut expected = vec![0xb0, 1, 1, 2, 3, 4, 5, 6, 7, 8];
    expected.extend([9; 16]);
    expected.push(2);
    expected.extend([3; 32]);
    expected.extend([2, 1]);
    expected.resize(ASK_BYTES, 0);
    assert_eq!(bytes, expected);
    assert_eq!(Message::parse(&bytes), Ok(wanted()));
    assert_eq!(Message::Nothing { id: 1 }.to_bytes(), [0xb4, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn an_ask_has_one_length_and_one_form() {
    let bytes = wanted().to_bytes();
    for length in 0..bytes.len() {
        assert!(Message::parse(&bytes[..length]).is_err(), "{length}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Message::parse(&longer).is_err());
    let mut padded = bytes;
    *padded.last_mut().unwrap() = 1;
    assert!(Message::parse(&padded).is_err());
}

proptest! {
    #[test]
    fn what_can_be_read_has_one_encoding(mut bytes in proptest::collection::vec(any::<u8>(), 0..ASK_BYTES + 2), kind in 0xafu8..=0xb6) {
        for (place, byte) in bytes.iter_mut().zip([kind, 1]) {
            *place = byte;
        }
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }

    #[test]
    fn an_ask_reads_back(id: u64, cookie: [u8; 16], of: [u8; 32], own in proptest::collection::vec(any::<u8>(), 0..=crate::tunnel::MAX_RECORD_BYTES)) {
        let message = Message::Ask { id, cookie, wanted: Wanted::Record { of: pyralog_crypto::PublicKey(of), own: &own } };
        let bytes = message.to_bytes();
        prop_assert_eq!(bytes.len(), ASK_BYTES);
        prop_assert_eq!(Message::parse(&bytes), Ok(message));
    }
}

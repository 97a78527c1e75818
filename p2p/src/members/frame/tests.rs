#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn encode(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| [&head(message)[..], message].concat()).collect()
}

/// Feeds the bytes in pieces of the given sizes, again and again.
fn decode(mut bytes: &[u8], pieces: &[usize], max: usize) -> io::Result<Vec<Frame>> {
    let (mut decoder, mut frames, mut turn) = (Decoder::new(max), Vec::new(), 0);
    while !bytes.is_empty() {
        let space = decoder.space();
        let count = space.len().min(bytes.len()).min(pieces[turn % pieces.len()].max(1));
        space[..count].copy_from_slice(&bytes[..count]);
        decoder.filled(count);
        (bytes, turn) = (&bytes[count..], turn + 1);
        while let Some(frame) = decoder.next()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

#[test]
fn frames_byte_for_byte() {
    let bytes = b"\0\0\0\x03abc\xff\xff\xff\xff\0\0\0\0\0\0\0\x01z";
    let expected = [
        Frame::Message(Bytes::from_static(b"abc")),
        Frame::Ping,
        Frame::Message(Bytes::new()),
        Frame::Message(Bytes::from_static(b"z")),
    ];
    for piece in 1..bytes.len() + 1 {
        assert_eq!(decode(bytes, &[piece], 8).unwrap(), expected);
    }
    assert_eq!(head(b"abc"), [0, 0, 0, 3]);
    assert_eq!(check_member_frames(bytes, 8).unwrap(), (3, 1));
}

#[test]
fn a_length_over_the_limit_is_refused_by_its_head_alone() {
    assert!(check_member_frames(&[0, 0, 0, 9], 8).is_err());
    assert!(check_member_frames(&[0xff, 0xff, 0xff, 0xfe], MAX_MEMBER_MESSAGE).is_err());
    assert!(check_member_frames(&[0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8], 8).is_ok());
}

#[test]
fn torn_frames_are_refused() {
    let good = encode(&[vec![1; 5], vec![2; 300]]);
    for cut in (0..good.len()).filter(|cut| *cut != 0 && *cut != 9) {
        assert!(check_member_frames(&good[..cut], 1_000).is_err(), "{cut}");
    }
}

#[test]
fn memory_follows_what_arrives_not_what_is_announced() {
    let mut decoder = Decoder::new(MAX_MEMBER_MESSAGE);
    let mut bytes = vec![7; 4 + MAX_MEMBER_MESSAGE];
    bytes[..4].copy_from_slice(&(MAX_MEMBER_MESSAGE as u32).to_be_bytes());
    let (mut sent, mut frame) = (0, None);
    while sent < bytes.len() {
        let space = decoder.space();
        let count = space.len().min(10_000).min(bytes.len() - sent);
        space[..count].copy_from_slice(&bytes[sent..sent + count]);
        decoder.filled(count);
        sent += count;
        frame = decoder.next().unwrap();
        assert!(decoder.memory() <= 2 * CHUNK + 2 * sent, "{} bytes held for {sent}", decoder.memory());
    }
    assert!(matches!(frame, Some(Frame::Message(data)) if data[..] == bytes[4..]));
    assert!(decoder.memory() <= CHUNK);
}

proptest! {
    #[test]
    fn round_trips_in_any_pieces(
        messages in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            (60_000usize..200_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        ], 0..8),
        pieces in prop::collection::vec(1usize..100_000, 1..6),
    ) {
        let frames = decode(&encode(&messages), &pieces, 200_000).unwrap();
        let expected: Vec<_> = messages.into_iter().map(|message| Frame::Message(message.into())).collect();
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), max in 0usize..64) {
        if let Ok((messages, pings)) = check_member_frames(&bytes, max) {
            prop_assert!((messages + pings) * 4 <= bytes.len());
        }
    }

    #[test]
    fn mutated_frames_never_panic(data in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = encode(&[data.clone(), data]);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = check_member_frames(&bytes, 64);
    }
}

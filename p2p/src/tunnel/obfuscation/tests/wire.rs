use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::{Blake2s256, Blake2sMac, Digest};
use proptest::prelude::*;

use super::*;
use crate::tunnel::datagram::{MAX_SIDE_DATAGRAM, SideProtocol, is_wireguard};

fn wire(disguise: &Disguise, datagram: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    disguise.wrap(datagram, Some(&PeerMacs::new(&secret(1).public())), &mut out);
    out
}

/// mac1 of a message for key 1, from the whitepaper's words.
fn mac1(message: &[u8]) -> [u8; 16] {
    let key = Blake2s256::new().chain_update(b"mac1----").chain_update(secret(1).public().0).finalize();
    let mut mac = Blake2sMac::<U16>::new_from_slice(&key).unwrap();
    Update::update(&mut mac, &message[..message.len() - 32]);
    mac.finalize_fixed().into()
}

/// A datagram of a kind, filled with `byte`, with mac1 where it has one.
fn plain(first: u8, length: usize, byte: u8) -> Vec<u8> {
    let mut datagram = vec![byte; length];
    datagram[..4].copy_from_slice(&[first, 0, 0, 0]);
    if matches!(first, 1 | 2) {
        let mac = mac1(&datagram);
        datagram[length - 32..length - 16].copy_from_slice(&mac);
        datagram[length - 16..].fill(0);
    }
    datagram
}

fn any_datagram() -> impl Strategy<Value = Vec<u8>> {
    let wireguard =
        prop_oneof![Just((1, 148)), Just((2, 92)), Just((3, 64)), (2_usize..83).prop_map(|blocks| (4, 16 * blocks))];
    let side = (prop_oneof![0x81_u8..=0x86, 0xb0_u8..=0xbf], 4..=MAX_SIDE_DATAGRAM);
    (prop_oneof![wireguard, side], any::<u8>()).prop_map(|((first, length), byte)| plain(first, length, byte))
}

fn any_parameters() -> impl Strategy<Value = String> {
    let wide = "Jc = 1\nS4 = 3\nH1 = 5-1000000000\nH2 = 1000000001-2000000000\nH3 = 2000000001-3000000000\nH4 = 3000000001-4294967295";
    prop_oneof![
        Just(AMNEZIA.to_owned()),
        Just(wide.to_owned()),
        Just("S1 = 1\nS2 = 2".to_owned()),
        "[a-z]{16,30}".prop_map(|secret| format!("Secret = {secret}"))
    ]
}

proptest! {
    #[test]
    fn every_datagram_comes_out_as_it_went_in(text in any_parameters(), datagram in any_datagram()) {
        let (here, there) = (disguise(&text, 2), disguise(&text, 1));
        let mut wire = wire(&here, &datagram);
        prop_assert!(wire.len() <= 1_376 && wire.len() >= datagram.len());
        let plain = there.unwrap(&mut wire).unwrap();
        prop_assert_eq!(plain.datagram, &datagram[..]);
        prop_assert_eq!(plain.macs.is_some(), matches!(datagram[0], 1 | 2));
    }

    #[test]
    fn who_has_other_parameters_sees_nothing(datagram in any_datagram(), other in "[a-z]{16,30}") {
        let other = disguise(&format!("Secret = {other}"), 1);
        prop_assert!(other.unwrap(&mut wire(&disguise(&with_secret(), 2), &datagram)).is_none());
        prop_assert!(other.unwrap(&mut wire(&disguise(AMNEZIA, 2), &datagram)).is_none());
        prop_assert!(other.unwrap(&mut datagram.clone()).is_none(), "nor who has none");
    }

    #[test]
    fn noise_is_nothing_and_does_no_harm(mut noise in prop::collection::vec(any::<u8>(), 0..1_500)) {
        prop_assert!(disguise(&with_secret(), 1).unwrap(&mut noise).is_none());
        // With wide headers it can look like data, which no session opens.
        let wide = disguise(AMNEZIA, 1);
        prop_assert!(wide.unwrap(&mut noise).is_none_or(|plain| plain.datagram[0] == 4 && plain.macs.is_none()));
    }

    #[test]
    fn a_damaged_datagram_does_no_harm(datagram in any_datagram(), at in any::<prop::sample::Index>(), cut in 0_usize..80) {
        let (here, there) = (disguise(&with_secret(), 2), disguise(&with_secret(), 1));
        let mut wire = wire(&here, &datagram);
        let place = at.index(wire.len());
        wire[place] ^= 0x40;
        wire.truncate(wire.len().saturating_sub(cut));
        let _ = there.unwrap(&mut wire);
    }
}

#[test]
fn an_initiation_on_the_wire_is_what_amneziawg_makes_of_it() {
    // The recorded initiation of the fuzzers, for key 1; mac1 and mac2 made with Python's hashlib.blake2s over the type 0x12345678 and the rest.
    let recorded = hex(concat!(
        "01000000298417bdf248a5c045ad1ecbba108ed84b9bd17a2322b45eec443a1dc9b02774e518c52d42899bb2e1e537a0f6af",
        "d1374920ae33368e2591b0c2f7c0ff3d2d4b3dcf1c3168af24073674ed5e9504a4eeaddff6d94c690e9f6906c099597e0167",
        "d96d73250a54a26cd55d0bfbc24c0ce11bad4a727ff085927aaf3ba23712666a00000000000000000000000000000000",
    ));
    let mut made = wire(&disguise(AMNEZIA, 2), &recorded);
    assert_eq!(made.len(), 15 + 148);
    assert_eq!(made[15..19], [0x78, 0x56, 0x34, 0x12]);
    assert_eq!(made[19..131], recorded[4..116]);
    assert_eq!(made[131..147], hex("0d96df186269cadbf39a976d6642ee91"));
    assert_eq!(made[147..], [0; 16]);
    // And back.
    let there = disguise(AMNEZIA, 1);
    assert_eq!(there.unwrap(&mut made.clone()).unwrap().datagram, recorded);
    // A mac1 over the plain type, or for another key, is none.
    let mut plain_mac = made.clone();
    plain_mac[131..147].copy_from_slice(&recorded[116..132]);
    assert!(there.unwrap(&mut plain_mac).is_none());
    assert!(disguise(AMNEZIA, 3).unwrap(&mut made).is_none());
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn lengths_and_headers_are_those_of_the_parameters() {
    let here = disguise(AMNEZIA, 2);
    for (first, length, padding, header) in
        [(2, 92, 18, 1_000..=2_000), (3, 64, 21, 2_001..=2_001), (4, 112, 9, 4_000_000_000..=u32::MAX)]
    {
        let datagram = plain(first, length, 7);
        for _ in 0..20 {
            let wire = wire(&here, &datagram);
            assert_eq!(wire.len(), padding + length);
            let message = &wire[padding..];
            assert!(header.contains(&u32::from_le_bytes(*message.first_chunk().unwrap())), "{first}");
            let unchanged = if first == 2 { 60 } else { length };
            assert_eq!(message[4..unchanged], datagram[4..unchanged]);
        }
    }
    assert_eq!(here.data_padding(), 9);
}

#[test]
fn a_batch_of_equal_packets_stays_one_of_equal_packets() {
    let here = disguise(&with_secret(), 2);
    let mut batch = Vec::new();
    for length in [1_312, 1_312, 1_312, 80] {
        here.wrap(&plain(4, length, 1), None, &mut batch);
    }
    let there = disguise(&with_secret(), 1);
    let lengths: Vec<_> =
        batch.chunks_mut(1_312 + here.data_padding()).map(|wire| there.unwrap(wire).unwrap().datagram.len()).collect();
    assert_eq!(lengths, [1_312, 1_312, 1_312, 80]);
}

#[test]
fn junk_goes_before_initiations_and_nothing_else() {
    let text = format!("Jc = 3\nJmin = 40\nJmax = 70\n{}", with_secret());
    let here = disguise(&text, 2);
    let peer = PeerMacs::new(&secret(1).public());
    let sent = |datagram: &[u8]| {
        let mut sent = Vec::new();
        here.each(datagram, Some(&peer), |wire| sent.push(wire.to_vec()));
        sent
    };
    let there = disguise(&text, 1);
    for _ in 0..20 {
        let mut sent = sent(&plain(1, 148, 3));
        assert!(there.unwrap(&mut sent.pop().unwrap()).is_some());
        assert_eq!(sent.len(), 3);
        for mut junk in sent {
            assert!((40..=70).contains(&junk.len()) && there.unwrap(&mut junk).is_none());
        }
    }
    for (first, length) in [(2, 92), (3, 64), (4, 32), (0x81, 1_092), (0xb0, 1_120)] {
        assert_eq!(sent(&plain(first, length, 3)).len(), 1);
    }
    for nothing in [vec![], vec![1; 147], vec![4; 31], vec![5; 200], vec![0x80; 200]] {
        assert!(sent(&nothing).is_empty());
    }
}

#[test]
fn what_is_no_wireguard_looks_like_noise_of_many_lengths() {
    let here = disguise(&with_secret(), 2);
    let (ask, mut lengths, mut firsts) = (plain(0xb0, 1_120, 0), vec![], vec![]);
    for _ in 0..64 {
        let wire = wire(&here, &ask);
        assert!((1_162..=1_225).contains(&wire.len()));
        // Zeros were most of it.
        assert!(wire.windows(8).all(|part| part != [0; 8]));
        lengths.push(wire.len());
        firsts.push(wire[0]);
    }
    for mut seen in [lengths, firsts.into_iter().map(usize::from).collect()] {
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 16);
    }
    // The longest answer of the bootstrap stays below its question whatever is drawn.
    assert!((0..64).all(|_| wire(&here, &plain(0xb3, 1_034, 0)).len() < 1_162));
    // The longest of all fits where data does.
    assert!((0..64).all(|_| wire(&here, &plain(0xb0, MAX_SIDE_DATAGRAM, 0)).len() <= 1_312));
}

#[test]
fn first_bytes_are_those_of_nothing_known_more_often_than_by_chance() {
    let here = disguise(&with_secret(), 2);
    let known = |wire: &[u8]| is_wireguard(wire[0]) && wire[1..4] == [0; 3];
    for (first, length) in [(1, 148), (2, 92), (3, 64), (4, 1_312), (0x82, 1_132), (0xb3, 1_034)] {
        let wires: Vec<_> = (0..256).map(|_| wire(&here, &plain(first, length, 0))).collect();
        assert!(!wires.iter().any(|wire| known(wire)));
        // By chance 22 of 256 are in the ranges of Rosenpass and the bootstrap.
        assert!(wires.iter().filter(|wire| SideProtocol::of(wire[0]).is_some()).count() < 64, "{first}");
    }
}

#[test]
fn wireguard_does_not_come_in_the_form_of_the_others() {
    let (key, there) = (parsed(&with_secret()).side, disguise(&with_secret(), 1));
    let mut random = ChaCha12Rng::seed_from_u64(7);
    let mut sealed = |datagram: &[u8]| {
        let mut out = Vec::new();
        side::seal(&key, &mut random, datagram, &mut out);
        out
    };
    assert!(there.unwrap(&mut sealed(&plain(0xb0, 64, 0))).is_some());
    for other in [plain(4, 64, 0), plain(1, 148, 0), vec![0x80; 64], vec![]] {
        assert!(there.unwrap(&mut sealed(&other)).is_none());
    }
}

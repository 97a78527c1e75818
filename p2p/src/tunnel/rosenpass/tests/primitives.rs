//! Hash and labels against values computed by hand from libsodium's BLAKE2b, and the parts of the machine on their own.

use super::super::admission::{Admission, Admittance};
use super::super::biscuit::Biscuits;
use super::super::chain::Chain;
use super::super::endpoints::Endpoints;
use super::super::hash::{Key, LABELS, hash};
use super::super::timing::retransmission_delay;
use super::*;
use crate::tunnel::meter::Rate;

fn hex(key: &Key) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_hash_and_its_labels_are_upstreams() {
    // Made with Python's hashlib.blake2b(data, key=…, digest_size=32), which is libblake2.
    assert_eq!(hex(&hash(&[0; 32], b"")), HASH_OF_NOTHING);
    assert_eq!(hex(&LABELS.mac), LABEL_MAC);
    assert_eq!(hex(&LABELS.peer_id), LABEL_PEER_ID);
    assert_eq!(hex(&LABELS.mix), LABEL_MIX);
    assert_eq!(hex(&LABELS.wireguard_psk), LABEL_PSK);
}

const HASH_OF_NOTHING: &str = "3a33e82b9b3a082275c956c343960f9f208fc88cb124da805060b7f01e73adf8";
const LABEL_MAC: &str = "8779e72b17ae66d7e46d93dc16c3b3c4491e54e1c79b0d8bebb8f2817f297e4b";
const LABEL_PEER_ID: &str = "9ff6e4c014424fc123ef6477229c8b761edf65d0d7392cdf85cba84dc1f2cfa7";
const LABEL_MIX: &str = "41d20e68ac3b0eba4e4d8b3a1a01fe18404d9d30c61ae3ba6739053af8d6049f";
const LABEL_PSK: &str = "0cf2591fd46ab229d5df5a72688ce75801e8e6b8673755189cc36482a7cac9c0";

#[test]
fn labels_differ() {
    let all = [
        &LABELS.mac,
        &LABELS.cookie,
        &LABELS.cookie_value,
        &LABELS.cookie_key,
        &LABELS.peer_id,
        &LABELS.biscuit_data,
        &LABELS.chain_init,
        &LABELS.mix,
        &LABELS.handshake_encryption,
        &LABELS.responder_encryption,
        &LABELS.wireguard_psk,
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().map(|label| ***label).collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn a_biscuit_opens_for_two_epochs_and_for_its_sessions_only() -> Checked {
    biscuit_keys_end()
}

pub(super) fn biscuit_keys_end() -> Checked {
    let (mut rng, peer, sids) = (rng(1), KeyId([9; 32]), (&[1; 4], &[2; 4]));
    let mut biscuits = Biscuits::new(&[5; 64]);
    let chain = Chain::new(Key::new([3; 32]));
    let start = secs(50);
    let first = biscuits.issue(start, &mut rng, &peer, sids, &chain);
    let number = biscuits.last();
    let opened = biscuits.open(&first, sids).ok_or("a fresh biscuit does not open")?;
    check(opened.peer == peer && opened.number == number && opened.issued == start, "a biscuit holds something else")?;
    check(biscuits.open(&first, (sids.1, sids.0)).is_none(), "a biscuit opens for other sessions")?;
    check(Biscuits::new(&[5; 64]).open(&first, sids).is_none(), "a biscuit opens after a restart")?;
    let second = biscuits.issue(start + BISCUIT_EPOCH, &mut rng, &peer, sids, &chain);
    check(biscuits.last() > number, "numbers rise")?;
    check(biscuits.open(&first, sids).is_some(), "a biscuit does not open in the second epoch of its key")?;
    biscuits.expire(start + 2 * BISCUIT_EPOCH - millis(1));
    check(biscuits.open(&first, sids).is_some(), "a biscuit does not open at the end of its time")?;
    biscuits.expire(start + 2 * BISCUIT_EPOCH);
    check(biscuits.open(&first, sids).is_none(), "a biscuit opens after two epochs")?;
    check(biscuits.open(&second, sids).is_some(), "the newer key was dropped as well")
}

#[test]
fn every_changed_byte_spoils_a_biscuit() {
    let (mut rng, sids) = (rng(2), (&[1; 4], &[2; 4]));
    let mut biscuits = Biscuits::new(&[5; 64]);
    let mut biscuit = biscuits.issue(secs(1), &mut rng, &KeyId([9; 32]), sids, &Chain::new(Key::new([3; 32])));
    for at in 0..biscuit.len() {
        biscuit[at] ^= 0x10;
        assert!(biscuits.open(&biscuit, sids).is_none(), "byte {at}");
        biscuit[at] ^= 0x10;
    }
    assert!(biscuits.open(&biscuit, sids).is_some());
}

#[test]
fn a_rate_lets_its_burst_pass_and_then_one_for_each_interval() {
    let rate = Rate { interval: millis(500), burst: 3 };
    let mut until = Duration::ZERO;
    let passed = (0..10).filter(|_| rate.take(&mut until, secs(10))).count();
    assert_eq!(passed, 3);
    assert!(rate.is_half_used(until, secs(10)) && !rate.is_half_used(until, secs(11)));
    let passed = (0..100).filter(|tenth| rate.take(&mut until, secs(10) + millis(100 * tenth))).count();
    assert_eq!(passed, 19);
    // A clock that stands at its end.
    let mut until = Duration::MAX;
    assert!(!rate.take(&mut until, secs(10)) || until == Duration::MAX);
}

#[test]
fn delays_double_from_a_half_second_to_ten_and_are_drawn_from_their_upper_half() {
    for (sent, base) in [(0, 500), (1, 500), (2, 1_000), (3, 2_000), (5, 8_000), (6, 10_000), (u32::MAX, 10_000)] {
        for seed in 0..20 {
            let delay = retransmission_delay(sent, &mut rng(seed)).as_millis();
            assert!((base / 2..=base).contains(&delay), "{sent}: {delay}");
        }
    }
}

#[test]
fn the_table_of_networks_is_bounded_and_forgets_who_used_least() {
    let limits = Limits { sources: 8, source_at_once: 2, hellos_at_once: 1_000, ..Limits::DEFAULTS };
    let mut admission = Admission::new(limits);
    let from = |n: u32| SocketAddr::from((n.to_be_bytes(), 1));
    let judge = |admission: &mut Admission, n: u32| admission.judge(secs(1), from(n), || unreachable!());
    for _ in 0..3 {
        judge(&mut admission, 1);
    }
    assert_eq!(judge(&mut admission, 1), Admittance::SourceOverRate);
    for n in 2..200 {
        assert_eq!(judge(&mut admission, n), Admittance::Granted);
        assert!(admission.sources() <= 8);
    }
    assert_eq!(judge(&mut admission, 1), Admittance::SourceOverRate, "who has used most is not forgotten");
    // One network of IPv6, and an IPv4 address in the clothes of IPv6.
    let text = |text: &str| text.parse::<SocketAddr>().unwrap();
    let mut admission = Admission::new(limits);
    for from in ["[2001:db8::1]:1", "[2001:db8::ffff:2]:2", "[2001:db8:0:0:8000::]:3"].map(text) {
        admission.judge(secs(1), from, || unreachable!());
    }
    for from in ["[::ffff:192.0.2.1]:1", "192.0.2.1:1"].map(text) {
        admission.judge(secs(1), from, || unreachable!());
    }
    assert_eq!(admission.sources(), 2);
}

#[test]
fn the_proven_address_comes_first_and_the_others_follow() {
    let mut endpoints = Endpoints::new(vec![address(1), address(2)]);
    assert_eq!((0..4).filter_map(|sent| endpoints.choose(sent)).collect::<Vec<_>>(), [1, 2, 1, 2].map(address));
    endpoints.prove(address(9));
    let tried: Vec<_> = (0..8).filter_map(|sent| endpoints.choose(sent)).collect();
    assert_eq!(tried[..2], [9, 9].map(address));
    assert!(tried.contains(&address(1)) && tried.contains(&address(2)));
    assert_eq!(Endpoints::default().choose(0), None);
    let mut many = Endpoints::new((0..200).map(address).collect());
    many.name((0..200).map(address).collect());
    assert!((0..400).filter_map(|sent| many.choose(sent)).all(|at| (0..8).any(|n| at == address(n))), "eight count");
}

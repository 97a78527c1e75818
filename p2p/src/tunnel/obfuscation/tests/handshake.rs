//! Real state machines behind a disguise, and a stock AmneziaWG node written from its rules.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::{Blake2s256, Blake2sMac, Digest};
use bytes::BytesMut;
use gotatun::noise::{Tunn, TunnResult, index_table::IndexTable, rate_limiter::RateLimiter};
use gotatun::packet::{Packet, WgKind};

use super::*;
use crate::tunnel::admission::{Admission, Refusal};
use crate::tunnel::rosenpass::aead::{open_long, seal_long};
use crate::tunnel::{TunnelKey, TunnelLimits};

const S1: usize = 15;
const S3: usize = 21;

fn tunn(own: u8, peer: u8) -> Tunn {
    let limiter = Arc::new(RateLimiter::new(&secret(own).public().x25519(), 100));
    let (private, peer) = (secret(own).x25519().clone(), secret(peer).public().x25519());
    Tunn::new(private, peer, None, None, IndexTable::from_os_rng(), limiter)
}

fn initiation(tunn: &mut Tunn) -> Packet {
    tunn.format_handshake_initiation(true).unwrap().into()
}

fn kind(bytes: &[u8]) -> WgKind {
    Packet::from_bytes(BytesMut::from(bytes)).try_into_wg().unwrap()
}

fn from() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], 51_820))
}

fn hash(label: &[u8], key: &TunnelKey) -> [u8; 32] {
    Blake2s256::new().chain_update(label).chain_update(key.0).finalize().into()
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 16] {
    let mut mac = Blake2sMac::<U16>::new_from_slice(key).unwrap();
    Update::update(&mut mac, message);
    mac.finalize_fixed().into()
}

fn wrapped(disguise: &Disguise, datagram: &[u8], peer: Option<&PeerMacs>) -> Vec<u8> {
    let mut out = Vec::new();
    disguise.wrap(datagram, peer, &mut out);
    out
}

fn admission(per_address: u64) -> Admission {
    let limits = TunnelLimits { handshakes_per_address: per_address, ..TunnelLimits::DEFAULTS };
    Admission::new(&secret(1).public(), &limits, Instant::now())
}

/// What node 1 makes of what comes.
fn arrives(there: &Disguise, admission: &Admission, mut wire: Vec<u8>) -> Result<WgKind, Refusal> {
    let plain = there.unwrap(&mut wire).unwrap();
    admission.check_as(from(), plain.datagram, plain.macs.as_ref(), Instant::now())
}

#[test]
fn a_handshake_and_data_pass_in_both_directions() {
    let (mut one, mut two) = (tunn(1, 2), tunn(2, 1));
    let (at_one, at_two) = (disguise(AMNEZIA, 1), disguise(AMNEZIA, 2));
    let (to_one, to_two) = (PeerMacs::new(&secret(1).public()), PeerMacs::new(&secret(2).public()));
    let first = arrives(&at_one, &admission(9), wrapped(&at_two, &initiation(&mut two), Some(&to_one))).unwrap();
    let TunnResult::WriteToNetwork(answer) = one.handle_incoming_packet(first) else { panic!("no answer") };
    let answer: Packet = answer.into();
    let mut wire = wrapped(&at_one, &answer, Some(&to_two));
    let plain = at_two.unwrap(&mut wire).unwrap();
    let admission = Admission::new(&secret(2).public(), &TunnelLimits::DEFAULTS, Instant::now());
    let answer = admission.check_as(from(), plain.datagram, plain.macs.as_ref(), Instant::now()).unwrap();
    let TunnResult::WriteToNetwork(keepalive) = two.handle_incoming_packet(answer) else { panic!("no session") };
    let keepalive: Packet = keepalive.into();
    let mut wire = wrapped(&at_two, &keepalive, None);
    let plain = at_one.unwrap(&mut wire).unwrap();
    assert!(matches!(one.handle_incoming_packet(kind(plain.datagram)), TunnResult::WriteToTunnel(_)));
}

#[test]
fn a_cookie_opens_the_way_under_load() {
    let mut two = tunn(2, 1);
    let (at_one, at_two) = (disguise(&with_secret(), 1), disguise(&with_secret(), 2));
    let (to_one, admission) = (PeerMacs::new(&secret(1).public()), admission(1));
    let send = |two: &mut Tunn| arrives(&at_one, &admission, wrapped(&at_two, &initiation(two), Some(&to_one)));
    assert!(send(&mut two).is_ok());
    let Err(Refusal::Cookie(reply)) = send(&mut two) else { panic!("no cookie is asked for") };
    let mut wire = wrapped(&at_one, &reply, None);
    let mut plain = at_two.unwrap(&mut wire).unwrap().datagram.to_vec();
    to_one.receive_cookie(&mut plain);
    assert!(matches!(two.handle_incoming_packet(kind(&plain)), TunnResult::Done));
    assert!(send(&mut two).is_ok(), "mac2 proves it");
    // Without a cookie nobody passes; nor with one of another address.
    let mut other = tunn(2, 1);
    let nobody = PeerMacs::new(&secret(1).public());
    let wire = wrapped(&at_two, &initiation(&mut other), Some(&nobody));
    assert!(matches!(arrives(&at_one, &admission, wire), Err(Refusal::Cookie(_))));
    let mut wire = wrapped(&at_two, &initiation(&mut two), Some(&to_one));
    let plain = at_one.unwrap(&mut wire).unwrap();
    let elsewhere = SocketAddr::from(([10, 0, 0, 8], 51_820));
    let check = || admission.check_as(elsewhere, plain.datagram, plain.macs.as_ref(), Instant::now());
    assert!(check().is_ok() && matches!(check(), Err(Refusal::Cookie(_))));
}

#[test]
fn a_stock_node_asks_us_for_its_cookie_and_gets_it_back() {
    let (mut two, at_two, one) = (tunn(2, 1), disguise(AMNEZIA, 2), secret(1).public());
    let to_one = PeerMacs::new(&one);
    let wire = wrapped(&at_two, &initiation(&mut two), Some(&to_one));
    // It checks mac1 over what came behind the padding, and binds its cookie to that mac1.
    let message = &wire[S1..];
    assert_eq!(mac(&hash(b"mac1----", &one), &message[..116]), message[116..132]);
    assert_eq!(message[132..], [0; 16]);
    let cookie = [0xc0; 16];
    let mut sealed = cookie;
    let tag = seal_long(&hash(b"cookie--", &one), [5; 24], &message[116..132], &mut sealed);
    let header = 2_001_u32.to_le_bytes();
    let mut reply = [&[9; S3][..], &header, &message[4..8], &[5; 24], &sealed, &tag].concat();
    let mut plain = at_two.unwrap(&mut reply).unwrap().datagram.to_vec();
    to_one.receive_cookie(&mut plain);
    assert!(matches!(two.handle_incoming_packet(kind(&plain)), TunnResult::Done));
    let wire = wrapped(&at_two, &initiation(&mut two), Some(&to_one));
    assert_eq!(mac(&cookie, &wire[S1..][..132]), wire[S1..][132..]);
    // A reply that is not its own changes nothing.
    to_one.receive_cookie(&mut [7; 64]);
    to_one.receive_cookie(&mut []);
    let wire = wrapped(&at_two, &initiation(&mut two), Some(&to_one));
    assert_eq!(mac(&cookie, &wire[S1..][..132]), wire[S1..][132..]);
}

#[test]
fn we_ask_a_stock_node_for_our_cookie_and_take_it_back() {
    let (mut two, at_one, one) = (tunn(2, 1), disguise(AMNEZIA, 1), secret(1).public());
    let admission = admission(0);
    let mut stock = |cookie: Option<[u8; 16]>| {
        let mut message = initiation(&mut two).to_vec();
        message[..4].copy_from_slice(&305_419_896_u32.to_le_bytes());
        let mac1 = mac(&hash(b"mac1----", &one), &message[..116]);
        message[116..132].copy_from_slice(&mac1);
        if let Some(cookie) = cookie {
            let mac2 = mac(&cookie, &message[..132]);
            message[132..].copy_from_slice(&mac2);
        }
        (mac1, [&[8; S1][..], &message].concat())
    };
    let (mac1, wire) = stock(None);
    let Err(Refusal::Cookie(reply)) = arrives(&at_one, &admission, wire) else { panic!("no cookie is asked for") };
    let wire = wrapped(&at_one, &reply, None);
    let reply = &wire[S3..];
    assert_eq!((wire.len(), &reply[..4]), (S3 + 64, &2_001_u32.to_le_bytes()[..]));
    let mut cookie: [u8; 16] = reply[32..48].try_into().unwrap();
    let (nonce, tag) = (reply[8..32].try_into().unwrap(), reply[48..].try_into().unwrap());
    assert!(open_long(&hash(b"cookie--", &one), nonce, &mac1, &mut cookie, tag));
    assert!(arrives(&at_one, &admission, stock(Some(cookie)).1).is_ok());
    assert!(matches!(arrives(&at_one, &admission, stock(Some([1; 16])).1), Err(Refusal::Cookie(_))));
}

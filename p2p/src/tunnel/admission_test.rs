use gotatun::noise::{Tunn, index_table::IndexTable};
use zeroize::Zeroizing;

use super::*;
use crate::tunnel::TunnelSecret;

fn secret(byte: u8) -> TunnelSecret {
    TunnelSecret::from_bytes(&Zeroizing::new([byte; 32]))
}

fn admission(limits: &TunnelLimits, now: Instant) -> Admission {
    Admission::new(&secret(1).public(), limits, now)
}

/// Handshake initiations of key 2 for key 1.
fn caller() -> Tunn {
    let limiter = Arc::new(RateLimiter::new(&secret(2).public().x25519(), 100));
    let (private, peer) = (secret(2).x25519().clone(), secret(1).public().x25519());
    Tunn::new(private, peer, None, None, IndexTable::from_os_rng(), limiter)
}

fn initiation(caller: &mut Tunn) -> Packet {
    caller.format_handshake_initiation(true).unwrap().into()
}

fn from(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 51_820))
}

#[test]
fn initiations_pass_until_one_address_is_too_fast() {
    let now = Instant::now();
    let limits = TunnelLimits { handshakes_per_address: 3, ..TunnelLimits::DEFAULTS };
    let (admission, mut caller) = (admission(&limits, now), caller());
    for _ in 0..3 {
        assert!(admission.check(from(1), &initiation(&mut caller), now).is_ok());
    }
    assert!(matches!(admission.check(from(1), &initiation(&mut caller), now), Err(Refusal::Cookie(_))));
    assert!(admission.check(from(2), &initiation(&mut caller), now).is_ok());
}

#[test]
fn a_flood_from_many_addresses_is_asked_for_cookies_and_a_cookie_opens_the_way() {
    let now = Instant::now();
    let limits = TunnelLimits { handshakes: 5, handshakes_hard: 2, ..TunnelLimits::DEFAULTS };
    let (admission, mut caller) = (admission(&limits, now), caller());
    for host in 0..5 {
        assert!(admission.check(from(host), &initiation(&mut caller), now).is_ok());
    }
    let Err(Refusal::Cookie(cookie)) = admission.check(from(9), &initiation(&mut caller), now) else { panic!() };
    // Never larger than the question.
    assert!(cookie.len() < 148);
    let cookie = cookie.try_into_wg().unwrap();
    assert!(matches!(caller.handle_incoming_packet(cookie), TunnResult::Done));
    assert!(admission.check(from(9), &initiation(&mut caller), now).is_ok());
    // The cookie belongs to its address.
    assert!(matches!(admission.check(from(8), &initiation(&mut caller), now), Err(Refusal::Cookie(_))));
    assert!(admission.check(from(9), &initiation(&mut caller), now).is_ok());
    assert!(matches!(admission.check(from(9), &initiation(&mut caller), now), Err(Refusal::Flood)));
}

#[test]
fn what_is_no_handshake_for_us_is_malformed() {
    let now = Instant::now();
    let (admission, mut caller) = (admission(&TunnelLimits::DEFAULTS, now), caller());
    let good = initiation(&mut caller);
    for length in 0..good.len() {
        assert!(matches!(admission.check(from(1), &good[..length], now), Err(Refusal::Malformed)), "{length}");
    }
    let mut long = good.to_vec();
    long.push(0);
    assert!(matches!(admission.check(from(1), &long, now), Err(Refusal::Malformed)));
    let mut changed = good.to_vec();
    changed[60] ^= 1;
    assert!(matches!(admission.check(from(1), &changed, now), Err(Refusal::Malformed)), "its MAC is wrong");
}

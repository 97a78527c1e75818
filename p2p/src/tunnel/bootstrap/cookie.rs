//! Cookies: a keyed hash of the asker's address. Whoever brings one has received it there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::message::Cookie;
use super::timing::COOKIE_EPOCH;

type Secret = Zeroizing<[u8; 32]>;

/// A secret, and when it was made.
type Made = (Secret, Duration);

/// The secrets that cookies are made with: the present one, and the one before.
#[derive(Default)]
pub(super) struct Cookies {
    present: Option<Made>,
    before: Option<Made>,
}

impl Cookies {
    /// Makes a cookie for an address.
    pub(super) fn issue(&mut self, now: Duration, rng: &mut dyn CryptoRng, to: SocketAddr) -> Cookie {
        if self.present.as_ref().is_some_and(|made| age(made, now) >= COOKIE_EPOCH) {
            self.before = self.present.take();
        }
        let (secret, _) = self.present.get_or_insert_with(|| {
            let mut secret = Secret::default();
            rng.fill_bytes(secret.as_mut_slice());
            (secret, now)
        });
        of(secret, to)
    }

    /// Whether this one was made for this address, not too long ago.
    pub(super) fn accepts(&self, now: Duration, cookie: &Cookie, from: SocketAddr) -> bool {
        let live = self.present.iter().chain(&self.before).filter(|made| age(made, now) < 2 * COOKIE_EPOCH);
        live.map(|(secret, _)| bool::from(of(secret, from).ct_eq(cookie))).fold(false, |any, same| any | same)
    }
}

fn age((_, made): &Made, now: Duration) -> Duration {
    now.saturating_sub(*made)
}

fn of(secret: &Secret, address: SocketAddr) -> Cookie {
    let ip = match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut hash = blake3::Hasher::new_keyed(secret);
    hash.update(&ip.octets()).update(&address.port().to_be_bytes());
    let mut cookie = Cookie::default();
    hash.finalize_xof().fill(&mut cookie);
    // Zeros mean that there is none; no other value is special.
    if cookie == Cookie::default() { [1; 16] } else { cookie }
}

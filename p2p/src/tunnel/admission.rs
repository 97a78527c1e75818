//! What strangers may cost. Handshakes need public-key cryptography, so they are rated before it: each address by
//! WireGuard's own limiter (whitepaper, section 5.3), all together by two buckets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::BytesMut;
use gotatun::{
    noise::{TunnResult, rate_limiter::RateLimiter},
    packet::{Packet, WgKind},
};

use super::{TunnelKey, TunnelLimits, obfuscation::WireMacs};
use crate::{bucket::TokenBucket, limits::Rate, members::common::lock};

#[cfg(test)]
#[path = "admission_test.rs"]
mod tests;

/// Why a datagram goes no further.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No WireGuard packet, or its MAC is wrong.
    Malformed,
    /// Under load: this cookie reply proves that the sender is where it says, if it comes back.
    Cookie(Packet),
    /// Too many handshakes even with cookies.
    Flood,
}

/// The gate before the handshakes.
pub(crate) struct Admission {
    /// Asks an address for a cookie when it alone is too fast.
    calm: Arc<RateLimiter>,
    /// Asks everybody.
    loaded: Arc<RateLimiter>,
    buckets: Mutex<Buckets>,
}

struct Buckets {
    all: TokenBucket,
    proven: TokenBucket,
}

impl Admission {
    pub(crate) fn new(key: &TunnelKey, limits: &TunnelLimits, now: Instant) -> Self {
        let bucket = |rate| TokenBucket::new(Rate::new(rate, rate), now);
        Self {
            calm: Arc::new(RateLimiter::new(&key.x25519(), limits.handshakes_per_address)),
            loaded: Arc::new(RateLimiter::new(&key.x25519(), 0)),
            buckets: Mutex::new(Buckets { all: bucket(limits.handshakes), proven: bucket(limits.handshakes_hard) }),
        }
    }

    /// The limiter that a peer's state machine keeps.
    pub(crate) fn limiter(&self) -> Arc<RateLimiter> {
        Arc::clone(&self.calm)
    }

    /// Forgets the counts of the last second.
    pub(crate) fn tick(&self) {
        self.calm.try_reset_count();
        self.loaded.try_reset_count();
    }

    /// Reads a datagram of WireGuard's types.
    #[cfg(test)]
    pub(crate) fn check(&self, from: SocketAddr, datagram: &[u8], now: Instant) -> Result<WgKind, Refusal> {
        self.check_as(from, datagram, None, now)
    }

    /// Reads a datagram of WireGuard's types; a handshake message that was disguised comes with what it had on the wire.
    pub(crate) fn check_as(
        &self,
        from: SocketAddr,
        datagram: &[u8],
        wire: Option<&WireMacs<'_>>,
        now: Instant,
    ) -> Result<WgKind, Refusal> {
        if !matches!(datagram.first(), Some(1 | 2)) {
            return packet(datagram).try_into_wg().map_err(|_| Refusal::Malformed);
        }
        let calm = lock(&self.buckets).all.take(1, now);
        let limiter = if calm { &self.calm } else { &self.loaded };
        let mut kind = verify(limiter, from, datagram);
        if let (Err(Refusal::Cookie(reply)), Some(wire)) = (&mut kind, wire)
            && let Some(mac2) = wire.judge(reply, datagram)
            && let Some((before, _)) = datagram.split_last_chunk::<16>()
        {
            kind = verify(limiter, from, &[before, &mac2].concat());
        }
        let kind = kind?;
        if !calm && !lock(&self.buckets).proven.take(1, now) {
            return Err(Refusal::Flood);
        }
        Ok(kind)
    }
}

fn packet(datagram: &[u8]) -> Packet {
    Packet::from_bytes(BytesMut::from(datagram))
}

fn verify(limiter: &RateLimiter, from: SocketAddr, datagram: &[u8]) -> Result<WgKind, Refusal> {
    limiter.verify_packet(from, packet(datagram)).map_err(|refused| match refused {
        TunnResult::WriteToNetwork(cookie) => Refusal::Cookie(cookie.into()),
        _ => Refusal::Malformed,
    })
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

//! Cookies (section "Denial of Service Mitigation and Cookies"): under load, whoever wants an answer shows that it receives at its address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{self, LONG_NONCE};
use super::hash::{Key, LABELS, hash, hash_all};
use super::message::{COOKIE_REPLY_BYTES, CookieReply, MAC, Seal, SessionId, first_half};
use super::rule::{Rule, broken};
use super::timing::COOKIE_EPOCH;

/// The value of a cookie.
type Value = Zeroizing<[u8; MAC]>;

struct Secret {
    key: Key,
    created: Duration,
}

/// What we make cookies of: one secret that issues, and the one before it.
#[derive(Default)]
pub(super) struct CookieSecrets {
    issuing: Option<Secret>,
    retired: Option<Secret>,
}

impl CookieSecrets {
    /// Whether the sender of an InitHello has a cookie for the address it wrote from.
    pub(super) fn accepts(&mut self, now: Duration, from: SocketAddr, seal: &Seal<'_>) -> bool {
        self.expire(now);
        let right = |secret: &Secret| {
            let expected = field(&value(secret, from), seal.before_cookie);
            bool::from(expected.ct_eq(seal.cookie))
        };
        broken(Rule::CookieUnchecked) || self.issuing.iter().chain(&self.retired).any(right)
    }

    /// A CookieReply for the session and mac of an InitHello; `key` is `lhash("cookie-key", spkm)`.
    pub(super) fn reply(
        &mut self,
        now: Duration,
        rng: &mut dyn CryptoRng,
        from: SocketAddr,
        (sid, mac, key): (&SessionId, &[u8; MAC], &Key),
    ) -> Vec<u8> {
        let mut value = value(self.issuing_secret(now, rng), from);
        let mut nonce = [0; LONG_NONCE];
        rng.fill_bytes(&mut nonce);
        let tag = aead::seal_long(key, nonce, mac, value.as_mut_slice());
        let mut bytes = Vec::with_capacity(COOKIE_REPLY_BYTES);
        bytes.extend_from_slice(&[0x86, 0, 0, 0]);
        for part in [sid.as_slice(), &nonce, value.as_slice(), &tag] {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// Drops secrets that have had their time.
    pub(super) fn expire(&mut self, now: Duration) {
        let over = |secret: &Secret| now >= secret.created.saturating_add(2 * COOKIE_EPOCH);
        self.issuing.take_if(|secret| over(secret));
        self.retired.take_if(|secret| over(secret));
    }

    fn issuing_secret(&mut self, now: Duration, rng: &mut dyn CryptoRng) -> &Secret {
        self.expire(now);
        if self.issuing.as_ref().is_some_and(|secret| now >= secret.created.saturating_add(COOKIE_EPOCH)) {
            self.retired = self.issuing.take();
        }
        self.issuing.get_or_insert_with(|| {
            let mut key = Key::default();
            rng.fill_bytes(key.as_mut_slice());
            Secret { key, created: now }
        })
    }
}

/// `lhash("cookie-value", cookie_secret, initiator_host_info)[0..16]`. The host's info: 4 or 6, the address, the port, the number of the link where the
/// address is local to one.
fn value(secret: &Secret, from: SocketAddr) -> Value {
    let mut info = Vec::with_capacity(23);
    match from.ip().to_canonical() {
        IpAddr::V4(ip) => info.extend(std::iter::once(4).chain(ip.octets())),
        IpAddr::V6(ip) => info.extend(std::iter::once(6).chain(ip.octets())),
    }
    info.extend(from.port().to_be_bytes());
    if let SocketAddr::V6(from) = from {
        info.extend(from.scope_id().to_be_bytes());
    }
    Value::new(first_half(&hash_all(&LABELS.cookie_value, &[secret.key.as_slice(), &info])))
}

/// `lhash("cookie", cookie_value, COOKIE_WIRE_DATA)[0..16]`.
fn field(value: &Value, wire: &[u8]) -> [u8; MAC] {
    first_half(&hash(&hash(&LABELS.cookie, value.as_slice()), wire))
}

/// A cookie that a peer has given us.
pub(super) struct HeldCookie {
    value: Value,
    received: Duration,
}

impl HeldCookie {
    /// Takes it out of a CookieReply to the datagram with this mac; `key` is `lhash("cookie-key", spkt)`. `None` where the peer did not make it.
    pub(super) fn open(now: Duration, reply: &CookieReply<'_>, mac: &[u8], key: &Key) -> Option<Self> {
        let mut value = Value::new(*reply.value);
        aead::open_long(key, *reply.nonce, mac, value.as_mut_slice(), reply.tag)
            .then_some(Self { value, received: now })
    }

    /// Whether it is the same, and still good: then a reply that brings it says nothing new.
    pub(super) fn is_known_as(&self, other: &Self) -> bool {
        !other.is_over(self.received) && bool::from(self.value.ct_eq(other.value.as_slice()))
    }

    /// Whether it is too old to be used.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now >= self.received.saturating_add(COOKIE_EPOCH)
    }

    /// Writes the cookie into a datagram of ours.
    pub(super) fn write(&self, datagram: &mut [u8]) {
        if let Some((wire, cookie)) = datagram.split_last_chunk_mut::<MAC>() {
            *cookie = field(&self.value, wire);
        }
    }
}

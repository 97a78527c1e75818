//! mac1, mac2 and cookies (WireGuard whitepaper, sections 5.4.4 and 5.4.7) over messages whose type is changed.
//!
//! The state machine makes and checks them over plain messages. AmneziaWG has them over the messages as they are on the wire, without the padding. What both
//! need is public but for the cookie, which both ends of a link know.

use std::fmt;
use std::sync::Mutex;

use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::{Blake2s256, Blake2sMac, Digest};
use subtle::ConstantTimeEq;

use crate::members::common::lock;
use crate::tunnel::TunnelKey;
use crate::tunnel::rosenpass::aead::{LONG_NONCE, TAG, open_long, seal_long};

/// Bytes of a mac or a cookie.
const MAC: usize = 16;
/// mac1 and mac2.
const MACS: usize = 2 * MAC;
/// Bytes before the nonce of a cookie reply: type 4, receiver 4.
const REPLY_HEAD: usize = 8;

type Mac = [u8; MAC];

/// The keys that follow from a static public key.
#[derive(Clone)]
pub(super) struct MacKeys {
    mac1: [u8; 32],
    cookie: [u8; 32],
}

impl MacKeys {
    pub(super) fn of(key: &TunnelKey) -> Self {
        let hash = |label: &[u8]| Blake2s256::new().chain_update(label).chain_update(key.0).finalize().into();
        Self { mac1: hash(b"mac1----"), cookie: hash(b"cookie--") }
    }

    fn mac1(&self, message: &[u8]) -> Mac {
        mac(&self.mac1, &[before(message, MACS)])
    }

    /// Whether mac1 of a handshake message is right.
    pub(super) fn verify(&self, message: &[u8]) -> bool {
        bool::from(self.mac1(message).ct_eq(&mac_at(message, MACS)))
    }

    /// Opens a cookie reply bound to mac1 `from` and binds it to `to`; the cookie. Of the two only one leaves the node.
    fn rebind(&self, reply: &mut [u8], from: &Mac, to: &Mac) -> Option<Mac> {
        let (nonce, sealed) = reply.get_mut(REPLY_HEAD..)?.split_first_chunk_mut::<LONG_NONCE>()?;
        let (cookie, tag) = sealed.split_first_chunk_mut::<MAC>()?;
        let tag: &mut [u8; TAG] = tag.try_into().ok()?;
        let mut opened = *cookie;
        open_long(&self.cookie, *nonce, from, &mut opened, tag).then_some(())?;
        *cookie = opened;
        *tag = seal_long(&self.cookie, *nonce, to, cookie);
        Some(opened)
    }
}

/// What is known of one peer: the last mac1, plain and on the wire, that went to it, and its cookie.
pub(crate) struct PeerMacs {
    keys: MacKeys,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    sent: Option<(Mac, Mac)>,
    cookie: Option<Mac>,
}

impl PeerMacs {
    pub(crate) fn new(key: &TunnelKey) -> Self {
        Self { keys: MacKeys::of(key), last: Mutex::default() }
    }

    /// Makes the macs of a handshake message on the wire that is `plain` without its changed type.
    pub(super) fn write(&self, plain: &[u8], wire: &mut [u8]) {
        let mac1 = self.keys.mac1(wire);
        put(wire, MACS, &mac1);
        let mut last = lock(&self.last);
        last.sent = Some((mac_at(plain, MACS), mac1));
        // The state machine forgets cookies by its own clock; it has used this one, or none.
        let used = |cookie: &Mac| bool::from(mac(cookie, &[before(plain, MAC)]).ct_eq(&mac_at(plain, MAC)));
        let cookie = last.cookie.filter(used);
        put(wire, MAC, &cookie.map(|cookie| mac(&cookie, &[before(wire, MAC)])).unwrap_or_default());
    }

    /// Binds a cookie reply of the peer to the plain mac1 that the state machine knows. One that does not open stays as it is.
    pub(crate) fn receive_cookie(&self, reply: &mut [u8]) {
        let mut last = lock(&self.last);
        if let Some((plain, wire)) = last.sent
            && let Some(cookie) = self.keys.rebind(reply, &wire, &plain)
        {
            last.cookie = Some(cookie);
        }
    }
}

impl fmt::Debug for PeerMacs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerMacs(..)")
    }
}

/// What a handshake message for us had on the wire. mac1 was right.
pub(crate) struct WireMacs<'a> {
    own: &'a MacKeys,
    header: [u8; 4],
    mac1: Mac,
    mac2: Mac,
}

impl<'a> WireMacs<'a> {
    /// Makes a message with its type on the wire the plain one of type `kind`, with mac1 and without mac2.
    pub(super) fn take(own: &'a MacKeys, message: &mut [u8], kind: u8) -> Self {
        let mut header = [0; 4];
        header.copy_from_slice(&message[..4]);
        let taken = Self { own, header, mac1: mac_at(message, MACS), mac2: mac_at(message, MAC) };
        message[..4].copy_from_slice(&[kind, 0, 0, 0]);
        let mac1 = own.mac1(message);
        put(message, MACS, &mac1);
        put(message, MAC, &[0; MAC]);
        taken
    }

    /// The state machine wants a cookie for the plain `message`, and this is its `reply`. If mac2 on the wire was made with that cookie, the plain mac2;
    /// else the reply is bound to mac1 on the wire, to be sent.
    pub(crate) fn judge(&self, reply: &mut [u8], message: &[u8]) -> Option<[u8; 16]> {
        let cookie = self.own.rebind(reply, &mac_at(message, MACS), &self.mac1)?;
        let body = before(message, MACS).get(4..).unwrap_or_default();
        let expected = mac(&cookie, &[&self.header, body, &self.mac1]);
        bool::from(expected.ct_eq(&self.mac2)).then(|| mac(&cookie, &[before(message, MAC)]))
    }
}

/// BLAKE2s with a key, 16 bytes (whitepaper, section 5.4: MAC).
#[allow(clippy::expect_used, reason = "keys have 16 or 32 bytes, and BLAKE2s takes up to 32")]
fn mac(key: &[u8], parts: &[&[u8]]) -> Mac {
    let mut state = Blake2sMac::<U16>::new_from_slice(key).expect("at most 32 bytes");
    parts.iter().for_each(|part| Update::update(&mut state, part));
    state.finalize_fixed().into()
}

/// All of a message but its last `tail` bytes.
fn before(message: &[u8], tail: usize) -> &[u8] {
    &message[..message.len().saturating_sub(tail)]
}

/// The 16 bytes that begin `tail` bytes before the end; zeros where the message is shorter, which no handshake message is.
fn mac_at(message: &[u8], tail: usize) -> Mac {
    let from = message.len().saturating_sub(tail);
    message.get(from..).and_then(|rest| rest.first_chunk().copied()).unwrap_or_default()
}

fn put(message: &mut [u8], tail: usize, mac: &Mac) {
    let from = message.len().saturating_sub(tail);
    if let Some(place) = message.get_mut(from..).and_then(|rest| rest.first_chunk_mut()) {
        *place = *mac;
    }
}

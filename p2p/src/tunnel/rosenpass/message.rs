//! Datagrams (section "Packages"): fixed sizes, fixed offsets.
//!
//! | datagram | first byte | between the envelope's head (4 bytes) and its end (32) |
//! |---|---|---|
//! | InitHello | 0x81 | sidi 4, epki 800, sctr 188, pidic 32+16, auth 16 |
//! | RespHello | 0x82 | sidr 4, sidi 4, ecti 768, scti 188, auth 16, biscuit 116 |
//! | InitConf | 0x83 | sidi 4, sidr 4, biscuit 116, auth 16 |
//! | EmptyData | 0x84 | sid 4, ctr 8 (little-endian), auth 16 |
//! | CookieReply | 0x86 | no envelope: head 4, sid 4, nonce 24, cookie 16+16 |
//!
//! Head: type 1, reserved 3 (sent as zeros, not looked at). End: mac 16 over everything before it, cookie 16 over everything before that.

use pyralog_crypto::kem::{EPHEMERAL_CIPHERTEXT_BYTES, EPHEMERAL_PUBLIC_KEY_BYTES, StaticCiphertext};

use super::aead::{LONG_NONCE, TAG};
use super::hash::{Key, hash};
use crate::error::RosenpassError;

/// Bytes of an InitHello.
pub const INIT_HELLO_BYTES: usize = 1_092;
/// Bytes of a RespHello.
pub const RESP_HELLO_BYTES: usize = 1_132;
/// Bytes of an InitConf.
pub const INIT_CONF_BYTES: usize = 176;
/// Bytes of an EmptyData.
pub const EMPTY_DATA_BYTES: usize = 64;
/// Bytes of a CookieReply.
pub const COOKIE_REPLY_BYTES: usize = 64;
/// Bytes of the longest of them.
pub const MAX_DATAGRAM_BYTES: usize = RESP_HELLO_BYTES;

/// Bytes of a biscuit: nonce 24, peer id 32, number 12, chaining key 32, tag 16.
pub(super) const BISCUIT: usize = 116;
/// Bytes of a mac or a cookie.
pub(super) const MAC: usize = 16;

/// A session id.
pub(super) type SessionId = [u8; 4];

/// The kinds, by their first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    InitHello = 0x81,
    RespHello = 0x82,
    InitConf = 0x83,
    EmptyData = 0x84,
}

pub(super) struct InitHello<'a> {
    pub sidi: &'a SessionId,
    pub epki: &'a [u8; EPHEMERAL_PUBLIC_KEY_BYTES],
    pub sctr: &'a StaticCiphertext,
    pub pidic: &'a [u8; 32 + TAG],
    pub auth: &'a [u8; TAG],
}

pub(super) struct RespHello<'a> {
    pub sidr: &'a SessionId,
    pub sidi: &'a SessionId,
    pub ecti: &'a [u8; EPHEMERAL_CIPHERTEXT_BYTES],
    pub scti: &'a StaticCiphertext,
    pub auth: &'a [u8; TAG],
    pub biscuit: &'a [u8; BISCUIT],
}

pub(super) struct InitConf<'a> {
    pub sidi: &'a SessionId,
    pub sidr: &'a SessionId,
    pub biscuit: &'a [u8; BISCUIT],
    pub auth: &'a [u8; TAG],
}

pub(super) struct EmptyData<'a> {
    pub sid: &'a SessionId,
    pub ctr: u64,
    pub auth: &'a [u8; TAG],
}

pub(super) struct CookieReply<'a> {
    pub sid: &'a SessionId,
    pub nonce: &'a [u8; LONG_NONCE],
    pub value: &'a [u8; MAC],
    pub tag: &'a [u8; TAG],
}

pub(super) enum Message<'a> {
    InitHello(InitHello<'a>),
    RespHello(RespHello<'a>),
    InitConf(InitConf<'a>),
    EmptyData(EmptyData<'a>),
    CookieReply(CookieReply<'a>),
}

/// What closes a datagram, with what each part is over.
#[derive(Clone, Copy)]
pub(super) struct Seal<'a> {
    pub before_mac: &'a [u8],
    pub mac: &'a [u8; MAC],
    pub before_cookie: &'a [u8],
    pub cookie: &'a [u8; MAC],
}

/// Whether the first byte of a datagram is one of ours; WireGuard's are 1 to 4.
#[must_use]
pub fn is_rosenpass(first: u8) -> bool {
    (0x81..=0x86).contains(&first)
}

/// Whether bytes have the form of a datagram. For fuzzing: nothing is verified.
///
/// # Errors
/// [`RosenpassError::Kind`], [`RosenpassError::Length`].
pub fn check_datagram(bytes: &[u8]) -> Result<(), RosenpassError> {
    parse(bytes).map(|_| ())
}

/// Takes a datagram apart. A CookieReply has no seal.
pub(super) fn parse(bytes: &[u8]) -> Result<(Message<'_>, Option<Seal<'_>>), RosenpassError> {
    let kind = *bytes.first().ok_or(RosenpassError::Kind(0))?;
    let expected = match kind {
        0x81 => INIT_HELLO_BYTES,
        0x82 => RESP_HELLO_BYTES,
        0x83 => INIT_CONF_BYTES,
        0x84 => EMPTY_DATA_BYTES,
        0x86 => COOKIE_REPLY_BYTES,
        other => return Err(RosenpassError::Kind(other)),
    };
    let length = RosenpassError::Length { kind, expected, found: bytes.len() };
    if bytes.len() != expected {
        return Err(length);
    }
    let parsed = if kind == 0x86 {
        cookie_reply(bytes).map(|reply| (reply, None))
    } else {
        seal(bytes).and_then(|(body, seal)| Some((body_of(kind, body)?, Some(seal))))
    };
    parsed.ok_or(length)
}

fn seal(bytes: &[u8]) -> Option<(&[u8], Seal<'_>)> {
    let (before_cookie, cookie) = bytes.split_last_chunk()?;
    let (before_mac, mac) = before_cookie.split_last_chunk()?;
    Some((before_mac.get(4..)?, Seal { before_mac, mac, before_cookie, cookie }))
}

fn body_of(kind: u8, mut body: &[u8]) -> Option<Message<'_>> {
    let rest = &mut body;
    Some(match kind {
        0x81 => Message::InitHello(InitHello {
            sidi: take(rest)?,
            epki: take(rest)?,
            sctr: take(rest)?,
            pidic: take(rest)?,
            auth: take(rest)?,
        }),
        0x82 => Message::RespHello(RespHello {
            sidr: take(rest)?,
            sidi: take(rest)?,
            ecti: take(rest)?,
            scti: take(rest)?,
            auth: take(rest)?,
            biscuit: take(rest)?,
        }),
        0x83 => Message::InitConf(InitConf {
            sidi: take(rest)?,
            sidr: take(rest)?,
            biscuit: take(rest)?,
            auth: take(rest)?,
        }),
        _ => {
            let (sid, ctr) = (take(rest)?, u64::from_le_bytes(*take(rest)?));
            Message::EmptyData(EmptyData { sid, ctr, auth: take(rest)? })
        }
    })
}

fn cookie_reply(bytes: &[u8]) -> Option<Message<'_>> {
    let mut body = bytes.get(4..)?;
    let rest = &mut body;
    let (sid, nonce) = (take(rest)?, take(rest)?);
    Some(Message::CookieReply(CookieReply { sid, nonce, value: take(rest)?, tag: take(rest)? }))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(head)
}

/// Puts a datagram together for the owner of `mac_key`, with a cookie of zeros.
pub(super) fn build(kind: Kind, mac_key: &Key, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![kind as u8, 0, 0, 0];
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    let mac = mac(mac_key, &bytes);
    bytes.extend_from_slice(&mac);
    bytes.extend_from_slice(&[0; MAC]);
    bytes
}

/// `lhash("mac", spkt, bytes)[0..16]`, where `key` is `lhash("mac", spkt)` (section "Envelope mac field").
pub(super) fn mac(key: &Key, bytes: &[u8]) -> [u8; MAC] {
    first_half(&hash(key, bytes))
}

/// The first 16 of 32 bytes.
pub(super) fn first_half(hash: &Key) -> [u8; MAC] {
    let mut half = [0; MAC];
    half.copy_from_slice(&hash[..MAC]);
    half
}

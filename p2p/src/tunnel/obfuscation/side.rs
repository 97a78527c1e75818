//! Rosenpass and the bootstrap on the wire: one encrypted datagram, without anything that is the same twice.
//!
//! | bytes | what |
//! |---|---|
//! | 24 | nonce, random |
//! | 2 | encrypted from here on: length of the datagram, `u16`, big-endian |
//! | … | the datagram |
//! | 0 – 63 | zeros, a random number of them |
//! | 16 | tag |
//!
//! The cipher is XChaCha20-Poly1305 without associated data. Whoever does not have the key gets no answer. The whole has at most 1,312 bytes, what a data
//! packet of WireGuard has, so a path that carries those carries it.

use rand_core::Rng;
use zeroize::Zeroizing;

use crate::tunnel::datagram::SideProtocol;
use crate::tunnel::ip::INNER_MTU;
use crate::tunnel::rosenpass::aead::{LONG_NONCE, TAG, open_long, seal_long};

/// Bytes of the length.
const LENGTH: usize = 2;
/// Bytes around a datagram, without the zeros.
const AROUND: usize = LONG_NONCE + LENGTH + TAG;
/// Most zeros.
const FILL: usize = 63;
/// Longest of all, in bytes: the largest inner packet and WireGuard's 32.
const LONGEST: usize = INNER_MTU + 32;

/// Appends a datagram of at most [`MAX_SIDE_DATAGRAM`](crate::MAX_SIDE_DATAGRAM) bytes as it is on the wire.
pub(super) fn seal(key: &Zeroizing<[u8; 32]>, random: &mut impl Rng, datagram: &[u8], out: &mut Vec<u8>) {
    let room = LONGEST.saturating_sub(AROUND + datagram.len()).min(FILL);
    // At most 64.
    let fill = random.next_u32() as usize % (room + 1);
    let mut nonce = [0; LONG_NONCE];
    random.fill_bytes(&mut nonce);
    out.extend_from_slice(&nonce);
    let text = out.len();
    // At most 1,232.
    out.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
    out.extend_from_slice(datagram);
    out.resize(out.len() + fill, 0);
    let tag = seal_long(key, nonce, b"", &mut out[text..]);
    out.extend_from_slice(&tag);
}

/// Opens in place what came from the wire.
pub(super) fn open<'a>(key: &Zeroizing<[u8; 32]>, wire: &'a mut [u8]) -> Option<&'a mut [u8]> {
    if !(AROUND..=LONGEST).contains(&wire.len()) {
        return None;
    }
    let (nonce, sealed) = wire.split_first_chunk_mut::<LONG_NONCE>()?;
    let (text, tag) = sealed.split_last_chunk_mut::<TAG>()?;
    if !open_long(key, *nonce, b"", text, tag) {
        return None;
    }
    let (length, rest) = text.split_first_chunk_mut::<LENGTH>()?;
    let datagram = rest.get_mut(..usize::from(u16::from_be_bytes(*length)))?;
    // WireGuard has its own form.
    SideProtocol::of(*datagram.first()?)?;
    Some(datagram)
}

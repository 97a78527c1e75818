//! To the wire and from it.

use std::fmt;
use std::sync::Mutex;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::macs::{MacKeys, PeerMacs, WireMacs};
use super::{Header, KINDS, Obfuscation, Shared, side};
use crate::members::common::lock;
use crate::tunnel::TunnelKey;
use crate::tunnel::datagram::{MAX_SIDE_DATAGRAM, SideProtocol};

/// Bytes of a header.
const HEADER: usize = 4;
/// Place of the initiation and of data among the kinds.
const INITIATION: usize = 0;
const DATA: usize = 3;
/// How often a datagram is made again that looks like one of WireGuard's. With wide headers one in some is.
const ATTEMPTS: usize = 32;

/// An obfuscation at work, of the node whose key it has.
pub(crate) struct Disguise {
    shared: Zeroizing<Shared>,
    side: Zeroizing<[u8; 32]>,
    junk: super::Junk,
    own: MacKeys,
    random: Mutex<ChaCha12Rng>,
}

/// A datagram without its disguise.
pub(crate) struct Plain<'a> {
    /// The datagram. mac1 of a handshake message is right, mac2 is missing.
    pub(crate) datagram: &'a [u8],
    /// Of a handshake message, what it had instead.
    pub(crate) macs: Option<WireMacs<'a>>,
}

impl Disguise {
    pub(crate) fn new(parameters: &Obfuscation, own: &TunnelKey, seed: &mut impl Rng) -> Self {
        let Obfuscation { shared, side, junk } = parameters.clone();
        Self { shared, side, junk, own: MacKeys::of(own), random: Mutex::new(ChaCha12Rng::from_rng(seed)) }
    }

    /// Bytes by which a data packet grows.
    pub(crate) fn data_padding(&self) -> usize {
        self.shared.paddings[DATA].into()
    }

    /// Appends a datagram as it is on the wire. A handshake message needs to know whom it is for; a cookie reply is bound to mac1 on the wire already.
    /// Nothing is appended for what is no datagram of this port.
    pub(crate) fn wrap(&self, datagram: &[u8], peer: Option<&PeerMacs>, out: &mut Vec<u8>) {
        match (kind_of(datagram), datagram.first().and_then(|first| SideProtocol::of(*first))) {
            (Some(kind), _) => self.wrap_wireguard(kind, datagram, peer, out),
            (None, Some(_)) if datagram.len() <= MAX_SIDE_DATAGRAM => self.wrap_side(datagram, out),
            (None, _) => {}
        }
    }

    fn wrap_wireguard(&self, kind: usize, datagram: &[u8], peer: Option<&PeerMacs>, out: &mut Vec<u8>) {
        let message = out.len() + usize::from(self.shared.paddings[kind]);
        let start = out.len();
        out.resize(message, 0);
        let mut random = lock(&self.random);
        random.fill_bytes(&mut out[start..]);
        let header = self.shared.headers[kind].draw(&mut *random);
        drop(random);
        out.extend_from_slice(&header.to_le_bytes());
        out.extend_from_slice(&datagram[HEADER..]);
        if let Some(peer) = peer.filter(|_| has_macs(kind)) {
            peer.write(datagram, &mut out[message..]);
        }
    }

    fn wrap_side(&self, datagram: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        for _ in 0..ATTEMPTS {
            out.truncate(start);
            side::seal(&self.side, &mut *lock(&self.random), datagram, out);
            if self.find(&out[start..]).is_none() {
                return;
            }
        }
    }

    /// Calls `send` with each datagram that goes to the wire for this one: junk before an initiation.
    pub(crate) fn each(&self, datagram: &[u8], peer: Option<&PeerMacs>, mut send: impl FnMut(&[u8])) {
        let mut wire = Vec::new();
        if kind_of(datagram) == Some(INITIATION) {
            for _ in 0..self.junk.count {
                let mut random = lock(&self.random);
                let spread = u32::from(self.junk.most - self.junk.least) + 1;
                // The sum is at most `most`.
                wire.resize(usize::from(self.junk.least) + (random.next_u32() % spread) as usize, 0);
                random.fill_bytes(&mut wire);
                drop(random);
                send(&wire);
            }
        }
        wire.clear();
        self.wrap(datagram, peer, &mut wire);
        if !wire.is_empty() {
            send(&wire);
        }
    }

    /// Takes the disguise off, in place. `None` is junk, or comes from somebody with other parameters.
    pub(crate) fn unwrap<'a>(&'a self, wire: &'a mut [u8]) -> Option<Plain<'a>> {
        let Some((kind, padding)) = self.find(wire) else {
            return side::open(&self.side, wire).map(|datagram| Plain { datagram, macs: None });
        };
        let message = wire.get_mut(padding..)?;
        let kind_byte = [1, 2, 3, 4][kind];
        let macs = has_macs(kind).then(|| WireMacs::take(&self.own, message, kind_byte));
        message.first_chunk_mut::<HEADER>()?.copy_from_slice(&[kind_byte, 0, 0, 0]);
        Some(Plain { datagram: message, macs })
    }

    /// Which of WireGuard's messages it is, by length and header, and by mac1 where there is one: with wide headers others look alike.
    fn find(&self, wire: &[u8]) -> Option<(usize, usize)> {
        KINDS.iter().enumerate().find_map(|(kind, (.., size))| {
            let padding = usize::from(self.shared.paddings[kind]);
            let message = wire.get(padding..)?;
            let fits = if kind == DATA { message.len() >= *size } else { message.len() == *size };
            let header = u32::from_le_bytes(*message.first_chunk()?);
            let is = fits && self.shared.headers[kind].holds(header) && (!has_macs(kind) || self.own.verify(message));
            is.then_some((kind, padding))
        })
    }
}

impl Header {
    fn draw(self, random: &mut impl Rng) -> u32 {
        let spread = u64::from(self.last - self.first) + 1;
        // Below the spread; a header's range favours none by more than one part in 2^32.
        self.first + (random.next_u64() % spread) as u32
    }
}

impl fmt::Debug for Disguise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disguise(..)")
    }
}

/// The place among the kinds of a plain WireGuard message.
fn kind_of(datagram: &[u8]) -> Option<usize> {
    let kind = match datagram.first()? {
        1 => INITIATION,
        2 => 1,
        3 => 2,
        4 => DATA,
        _ => return None,
    };
    let size = KINDS[kind].2;
    let fits = if kind == DATA { datagram.len() >= size } else { datagram.len() == size };
    fits.then_some(kind)
}

/// Initiations and responses have.
const fn has_macs(kind: usize) -> bool {
    kind <= 1
}

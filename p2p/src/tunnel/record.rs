//! The signed peer record: who is behind a WireGuard key, and where.

use std::net::{IpAddr, SocketAddr};

use libp2p::{
    Multiaddr, PeerId,
    identity::{self, ed25519},
    multiaddr::Protocol,
};
use pyralog_crypto::{Decode, Encode, Hash, PublicKey, Reader, Signature, Signer, Writer, error::CodecError};

use super::TunnelKey;
use crate::RecordError;

#[cfg(test)]
#[path = "record_test.rs"]
mod tests;

/// Most addresses of a record.
pub const MAX_RECORD_ADDRESSES: usize = 8;
/// Longest signed record, in bytes: it fits into one datagram of the bootstrap.
pub const MAX_RECORD_BYTES: usize = 1_024;
/// Longest DNS name, in bytes (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// Where a tunnel can be reached from outside: a UDP address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordAddress {
    /// An address.
    Ip(SocketAddr),
    /// A DNS name of `a-z 0-9 . -`, and a port.
    Name(String, u16),
}

impl RecordAddress {
    const IP4: u8 = 4;
    const IP6: u8 = 6;
    const NAME: u8 = 1;

    /// The address of a UDP socket: `/ip4|ip6/HOST/udp/PORT`, and no more. It may stand for all addresses of a machine, or for any port.
    #[must_use]
    pub fn socket(address: &Multiaddr) -> Option<SocketAddr> {
        let mut parts = address.iter();
        let ip: IpAddr = match parts.next()? {
            Protocol::Ip4(ip) => ip.into(),
            Protocol::Ip6(ip) => ip.into(),
            _ => return None,
        };
        match (parts.next()?, parts.next()) {
            (Protocol::Udp(port), None) => Some((ip, port).into()),
            _ => None,
        }
    }

    /// `/ip4|ip6|dns…/HOST/udp/PORT`, where a tunnel can be. Addresses inside the tunnels are none.
    #[must_use]
    pub fn from_multiaddr(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter();
        let found = match (parts.next()?, parts.next()?, parts.next()) {
            (Protocol::Dns(host) | Protocol::Dns4(host) | Protocol::Dns6(host), Protocol::Udp(port), None) => {
                Self::Name(host.to_ascii_lowercase(), port)
            }
            _ => Self::Ip(Self::socket(address).filter(|found| !is_overlay(found.ip()))?),
        };
        found.check().is_ok().then_some(found)
    }

    fn check(&self) -> Result<(), CodecError> {
        let (port, named) = match self {
            Self::Ip(address) => (address.port(), is_unicast(address.ip())),
            Self::Name(host, port) => (*port, is_host(host)),
        };
        if port == 0 || !named {
            Err(CodecError::Invalid { what: "record address", why: "nobody can be there" })
        } else {
            Ok(())
        }
    }
}

/// Whether it is an address inside the tunnels.
pub(super) fn is_overlay(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.octets()[0] == 0xfd)
}

fn is_unicast(ip: IpAddr) -> bool {
    // One address has one form: IPv4 is not written as IPv6.
    !ip.is_unspecified() && !ip.is_multicast() && ip.to_canonical() == ip
}

fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    (1..=MAX_HOST_BYTES).contains(&host.len()) && host.bytes().all(allowed)
}

impl Encode for RecordAddress {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Ip(SocketAddr::V4(address)) => out.u8(Self::IP4).raw(&address.ip().octets()).u16(address.port()),
            Self::Ip(SocketAddr::V6(address)) => out.u8(Self::IP6).raw(&address.ip().octets()).u16(address.port()),
            Self::Name(host, port) => out.u8(Self::NAME).text(host).u16(*port),
        };
    }
}

impl Decode for RecordAddress {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let address = match input.u8()? {
            Self::IP4 => Self::Ip((input.array::<4>()?, input.u16()?).into()),
            Self::IP6 => Self::Ip((input.array::<16>()?, input.u16()?).into()),
            Self::NAME => Self::Name(input.text(MAX_HOST_BYTES)?.to_owned(), input.u16()?),
            found => return Err(CodecError::Tag { what: "record address", found: found.into() }),
        };
        address.check()?;
        Ok(address)
    }
}

/// What a peer says about itself. It binds the identity that libp2p authenticates inside the tunnel to the keys that carry
/// the tunnel.
///
/// Canonical form: identity 32, WireGuard key 32, optional BLAKE3 hash of the Rosenpass public key 32, sequence `u64`, port
/// `u16`, list of at most [`MAX_RECORD_ADDRESSES`] addresses, none twice. An address is a byte 4, 4 bytes, port `u16`; a byte 6,
/// 16 bytes, port `u16`; or a byte 1, text, port `u16`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// The ed25519 key that the peer id is made of.
    pub identity: PublicKey,
    /// The WireGuard static key.
    pub tunnel: TunnelKey,
    /// BLAKE3 of the Rosenpass static public key; `None` where the peer has none.
    pub rosenpass: Option<Hash>,
    /// A higher one replaces the record.
    pub sequence: u64,
    /// UDP port of QUIC inside the tunnel.
    pub port: u16,
    /// Where the tunnel can be reached from outside, the best first.
    pub addresses: Vec<RecordAddress>,
}

impl PeerRecord {
    const DOMAIN: &str = "pyralog/peer-record/v1";

    /// What the identity signs: text `"pyralog/peer-record/v1"`, text network id, then the record.
    #[must_use]
    pub fn sign_bytes(&self, network: &str) -> Vec<u8> {
        let mut out = Writer::signing(Self::DOMAIN, network);
        out.put(self);
        out.into_bytes()
    }

    fn check(&self) -> Result<(), CodecError> {
        let invalid = |why| Err(CodecError::Invalid { what: "peer record", why });
        if self.tunnel.0 == [0; 32] {
            return invalid("no WireGuard key");
        }
        if self.port == 0 {
            return invalid("no port");
        }
        if self.addresses.len() > MAX_RECORD_ADDRESSES {
            return invalid("too many addresses");
        }
        for (at, address) in self.addresses.iter().enumerate() {
            address.check()?;
            if self.addresses[..at].contains(address) {
                return invalid("an address stands there twice");
            }
        }
        Ok(())
    }
}

impl Encode for PeerRecord {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.identity.0).raw(&self.tunnel.0).option(self.rosenpass.as_ref(), |out, hash| {
            out.raw(&hash.0);
        });
        out.u64(self.sequence).u16(self.port).list(&self.addresses, |out, address| {
            out.put(address);
        });
    }
}

impl Decode for PeerRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let record = Self {
            identity: PublicKey(input.array()?),
            tunnel: TunnelKey(input.array()?),
            rosenpass: input.option(|input| Ok(Hash(input.array()?)))?,
            sequence: input.u64()?,
            port: input.u16()?,
            addresses: input.list(MAX_RECORD_ADDRESSES, Reader::get)?,
        };
        record.check()?;
        Ok(record)
    }
}

/// A record with the signature of its identity.
///
/// Canonical form, at most [`MAX_RECORD_BYTES`]: version byte 1, the record, signature 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPeerRecord {
    record: PeerRecord,
    signature: Signature,
    peer: PeerId,
}

impl SignedPeerRecord {
    const VERSION: u8 = 1;

    /// Signs a record for a network. Its identity becomes the signer's.
    ///
    /// # Errors
    /// [`RecordError::Invalid`] where the record breaks a rule of its form, [`RecordError::Signer`].
    pub fn sign(mut record: PeerRecord, network: &str, signer: &(impl Signer + ?Sized)) -> Result<Self, RecordError> {
        record.identity = signer.public_key();
        record.check()?;
        let signature = signer.sign(&record.sign_bytes(network))?;
        let signed = Self { peer: peer_id(&record.identity)?, record, signature };
        let size = signed.to_bytes().len();
        if size > MAX_RECORD_BYTES {
            let too_long = CodecError::TooLong { what: "peer record", max: MAX_RECORD_BYTES, found: size };
            return Err(too_long.into());
        }
        Ok(signed)
    }

    /// Reads a record and verifies it for a network: the only way in for bytes of others.
    ///
    /// # Errors
    /// [`RecordError::Invalid`], [`RecordError::Signature`] also for a record of another network.
    pub fn verify(bytes: &[u8], network: &str) -> Result<Self, RecordError> {
        let signed = Self::from_bytes(bytes)?;
        signed.record.identity.verify(&signed.record.sign_bytes(network), &signed.signature)?;
        Ok(signed)
    }

    /// What the peer says.
    #[must_use]
    pub const fn record(&self) -> &PeerRecord {
        &self.record
    }

    /// The peer id of the identity.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        self.peer
    }
}

impl Encode for SignedPeerRecord {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).put(&self.record).raw(&self.signature.0);
    }
}

impl Decode for SignedPeerRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let before = input.remaining();
        input.version("peer record", Self::VERSION)?;
        let record: PeerRecord = input.get()?;
        let signature = Signature(input.array()?);
        let found = before - input.remaining();
        if found > MAX_RECORD_BYTES {
            return Err(CodecError::TooLong { what: "peer record", max: MAX_RECORD_BYTES, found });
        }
        let peer = peer_id(&record.identity)?;
        Ok(Self { record, signature, peer })
    }
}

/// The peer id of an identity.
pub(super) fn peer_id(identity: &PublicKey) -> Result<PeerId, CodecError> {
    let key = ed25519::PublicKey::try_from_bytes(&identity.0)
        .map_err(|_| CodecError::Invalid { what: "peer record", why: "the identity is no ed25519 key" })?;
    Ok(identity::PublicKey::from(key).to_peer_id())
}

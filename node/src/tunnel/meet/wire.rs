//! What is said.

use std::net::SocketAddr;

use pyralog_crypto::codec::{Decode, Encode, Reader, Writer};
use pyralog_crypto::error::CodecError;
use pyralog_p2p::{PeerId, RecordAddress};

/// Longest peer id, bytes.
const MAX_PEER_BYTES: usize = 64;

/// A request: version byte 1; 1 and a peer id as a byte string, or 2, a peer id and an address as in a peer record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meet {
    /// Where is this peer? We want a tunnel with it.
    Ask {
        /// The peer.
        peer: PeerId,
    },
    /// This peer wants a tunnel with you, and is seen there.
    Wanted {
        /// The peer.
        peer: PeerId,
        /// Its endpoint.
        at: SocketAddr,
    },
}

/// The answer: version byte 1, optional address. It is that of the peer, or nothing where none is known or asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(pub Option<SocketAddr>);

const VERSION: u8 = 1;
const ASK: u8 = 1;
const WANTED: u8 = 2;

impl Encode for Meet {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        match self {
            Self::Ask { peer } => out.u8(ASK).bytes(&peer.to_bytes()),
            Self::Wanted { peer, at } => out.u8(WANTED).bytes(&peer.to_bytes()).put(&address(*at)),
        };
    }
}

impl Decode for Meet {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("meet", VERSION)?;
        match input.u8()? {
            ASK => Ok(Self::Ask { peer: peer(input)? }),
            WANTED => Ok(Self::Wanted { peer: peer(input)?, at: socket(input)? }),
            found => Err(CodecError::Tag { what: "meet", found: found.into() }),
        }
    }
}

impl Encode for Seen {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION).option(self.0.as_ref(), |out, at| {
            out.put(&address(*at));
        });
    }
}

impl Decode for Seen {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("meet", VERSION)?;
        Ok(Self(input.option(socket)?))
    }
}

/// One address has one form.
fn address(at: SocketAddr) -> RecordAddress {
    RecordAddress::Ip((at.ip().to_canonical(), at.port()).into())
}

fn socket(input: &mut Reader<'_>) -> Result<SocketAddr, CodecError> {
    match input.get()? {
        RecordAddress::Ip(at) => Ok(at),
        RecordAddress::Name(..) => Err(CodecError::Invalid { what: "meet", why: "a name is no endpoint" }),
    }
}

fn peer(input: &mut Reader<'_>) -> Result<PeerId, CodecError> {
    PeerId::from_bytes(input.bytes(MAX_PEER_BYTES)?)
        .map_err(|_| CodecError::Invalid { what: "meet", why: "no peer id" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::MAX_BYTES;
    use super::*;

    #[test]
    fn what_is_said_reads_back_and_fits() {
        let peer: PeerId = "12D3KooWBU5zU8sXEwPQN3HSbVRUBnXjKQSuGdEPc7AgBkPRLh8K".parse().unwrap();
        let addresses: [SocketAddr; 2] = ["192.0.2.1:51820".parse().unwrap(), "[2001:db8::1]:7".parse().unwrap()];
        for at in addresses {
            for message in [Meet::Ask { peer }, Meet::Wanted { peer, at }] {
                let bytes = message.to_bytes();
                assert!(bytes.len() <= MAX_BYTES);
                assert_eq!(Meet::from_bytes(&bytes).unwrap(), message);
            }
            for seen in [Seen(None), Seen(Some(at))] {
                assert_eq!(Seen::from_bytes(&seen.to_bytes()).unwrap(), seen);
            }
        }
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:51820".parse().unwrap();
        assert_eq!(Seen::from_bytes(&Seen(Some(mapped)).to_bytes()).unwrap(), Seen(Some(addresses[0])));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let peer = PeerId::random();
        let good = Meet::Wanted { peer, at: "192.0.2.1:51820".parse().unwrap() }.to_bytes();
        for length in 0..good.len() {
            assert!(Meet::from_bytes(&good[..length]).is_err(), "{length} bytes");
        }
        assert!(Meet::from_bytes(&[&good[..], b"x"].concat()).is_err());
        assert!(Meet::from_bytes(&[1, 3]).is_err() && Meet::from_bytes(&[2, 1]).is_err());
        assert!(Meet::from_bytes(&[1, 1, 0, 0, 0, 1, 7]).is_err(), "no peer id");
        let nowhere = Meet::Wanted { peer, at: "0.0.0.0:1".parse().unwrap() }.to_bytes();
        assert!(Meet::from_bytes(&nowhere).is_err(), "nobody is there");
    }
}

//! The packets inside the tunnels: IPv6 (RFC 8200), UDP (RFC 768) and ICMPv6 echo (RFC 4443), written and read by hand.
//!
//! A system peer with a TUN device takes them as they are: checksums are right, and nothing but what stands here is sent.

use std::net::Ipv6Addr;

use bytes::BytesMut;

#[cfg(test)]
#[path = "ip_test.rs"]
mod tests;

/// Largest packet inside a tunnel, in bytes: IPv6's minimum link MTU. Outside it needs 1,280 + 32 (WireGuard) + 8 (UDP) +
/// 40 (IPv6) = 1,360.
pub const INNER_MTU: usize = 1_280;
/// Bytes of an IPv6 header without extensions.
pub(crate) const IPV6_HEADER: usize = 40;
/// Bytes of a UDP header.
pub(crate) const UDP_HEADER: usize = 8;
/// Bytes of the headers before a UDP payload.
pub(crate) const HEADERS: usize = IPV6_HEADER + UDP_HEADER;
/// Largest UDP payload inside a tunnel, in bytes.
pub(crate) const MAX_PAYLOAD: usize = INNER_MTU - HEADERS;

const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const HOP_LIMIT: u8 = 64;
/// Bytes of an echo message before its data.
const ECHO_HEADER: usize = 8;

/// What a packet from a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inner<'a> {
    /// A UDP datagram with a valid checksum.
    Udp { source: u16, destination: u16, payload: &'a [u8] },
    /// An echo request: identifier, sequence number and data are in `message`, behind type, code and checksum.
    EchoRequest { message: &'a [u8] },
    /// An echo reply.
    EchoReply { message: &'a [u8] },
    /// Another protocol, an extension header, a fragment, or a UDP port 0: nothing here speaks it.
    Other,
}

/// A packet with its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    /// Bytes of the packet without WireGuard's padding.
    pub(crate) length: usize,
    pub(crate) inner: Inner<'a>,
}

/// Reads a decrypted packet. WireGuard pads with zeros: bytes behind the IPv6 length are not looked at. `None` is a packet
/// that is malformed, longer than the tunnel's MTU, or whose checksum is wrong.
pub(crate) fn parse(packet: &[u8]) -> Option<Parsed<'_>> {
    let header: &[u8; IPV6_HEADER] = packet.first_chunk()?;
    if packet.len() > INNER_MTU || header[0] >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let body = packet.get(IPV6_HEADER..IPV6_HEADER + length)?;
    let (source, destination) = addresses(packet)?;
    let inner = match header[6] {
        UDP => udp(header, body)?,
        ICMPV6 => echo(header, body)?,
        _ => Inner::Other,
    };
    Some(Parsed { source, destination, length: IPV6_HEADER + length, inner })
}

/// Source and destination of an IPv6 packet; nothing else of it is read.
pub(crate) fn addresses(packet: &[u8]) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let header: &[u8; IPV6_HEADER] = packet.first_chunk().filter(|header: &&[u8; IPV6_HEADER]| header[0] >> 4 == 6)?;
    Some((address(header, 8)?, address(header, 24)?))
}

fn address(header: &[u8; IPV6_HEADER], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = *header.get(at..)?.first_chunk()?;
    Some(octets.into())
}

fn udp<'a>(header: &[u8; IPV6_HEADER], body: &'a [u8]) -> Option<Inner<'a>> {
    let [s0, s1, d0, d1, l0, l1, c0, c1] = *body.first_chunk::<UDP_HEADER>()?;
    // The length must be exact, and a checksum of 0 means "none", which IPv6 forbids (RFC 8200, section 8.1).
    if usize::from(u16::from_be_bytes([l0, l1])) != body.len() || (c0, c1) == (0, 0) || !sums_up(header, body, UDP) {
        return None;
    }
    let (source, destination) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    if source == 0 || destination == 0 {
        return Some(Inner::Other);
    }
    Some(Inner::Udp { source, destination, payload: &body[UDP_HEADER..] })
}

fn echo<'a>(header: &[u8; IPV6_HEADER], body: &'a [u8]) -> Option<Inner<'a>> {
    let [kind, code, ..] = *body.first_chunk::<ECHO_HEADER>()?;
    if !sums_up(header, body, ICMPV6) {
        return None;
    }
    Some(match (kind, code) {
        (ECHO_REQUEST, 0) => Inner::EchoRequest { message: &body[4..] },
        (ECHO_REPLY, 0) => Inner::EchoReply { message: &body[4..] },
        _ => Inner::Other,
    })
}

/// A UDP datagram as a packet, appended to `out`. The payload has at most [`MAX_PAYLOAD`] bytes.
pub(crate) fn write_udp(
    out: &mut BytesMut,
    addresses: (Ipv6Addr, Ipv6Addr),
    ports: (u16, u16),
    payload: &[u8],
) -> bool {
    if payload.len() > MAX_PAYLOAD {
        return false;
    }
    let length = (UDP_HEADER + payload.len()) as u16;
    let mut head = [0; HEADERS];
    ipv6_header(&mut head, addresses, UDP, length);
    head[40..42].copy_from_slice(&ports.0.to_be_bytes());
    head[42..44].copy_from_slice(&ports.1.to_be_bytes());
    head[44..46].copy_from_slice(&length.to_be_bytes());
    let sum = fold(add(add(pseudo_header(&head, UDP, length), &head[IPV6_HEADER..]), payload));
    // A sum of 0 is sent as its other form (RFC 768).
    let sum = if sum == 0 { 0xffff } else { sum };
    head[46..48].copy_from_slice(&sum.to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    true
}

/// The answer to an echo request, or a request; `message` is what stands behind type, code and checksum.
pub(crate) fn echo_packet(addresses: (Ipv6Addr, Ipv6Addr), reply: bool, message: &[u8]) -> Option<Vec<u8>> {
    let length = 4 + message.len();
    if length < ECHO_HEADER || IPV6_HEADER + length > INNER_MTU {
        return None;
    }
    let mut packet = vec![0; IPV6_HEADER + length];
    let head: &mut [u8; HEADERS] = packet.first_chunk_mut()?;
    ipv6_header(head, addresses, ICMPV6, length as u16);
    head[40] = if reply { ECHO_REPLY } else { ECHO_REQUEST };
    packet[44..].copy_from_slice(message);
    let sum = fold(add(pseudo_header(&packet, ICMPV6, length as u16), &packet[IPV6_HEADER..]));
    packet[42..44].copy_from_slice(&sum.to_be_bytes());
    Some(packet)
}

fn ipv6_header(head: &mut [u8; HEADERS], (source, destination): (Ipv6Addr, Ipv6Addr), next: u8, length: u16) {
    head[0] = 0x60;
    head[4..6].copy_from_slice(&length.to_be_bytes());
    head[6] = next;
    head[7] = HOP_LIMIT;
    head[8..24].copy_from_slice(&source.octets());
    head[24..40].copy_from_slice(&destination.octets());
}

fn sums_up(header: &[u8; IPV6_HEADER], body: &[u8], next: u8) -> bool {
    fold(add(pseudo_header(header, next, body.len() as u16), body)) == 0
}

/// Addresses, length and protocol (RFC 8200, section 8.1).
fn pseudo_header(header: &[u8], next: u8, length: u16) -> u64 {
    add(u64::from(next) + u64::from(length), &header[8..40])
}

/// One's complement sum (RFC 1071) in words of 32 bits; the carries gather above and are folded at the end. `bytes` must
/// follow an even number of summed bytes. A packet's sum stays below 2^42, so wrapping cannot happen; it lets the compiler add
/// many words at once.
fn add(sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let whole = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from(u32::from_be_bytes(*word))));
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum.wrapping_add(whole).wrapping_add(u64::from(u32::from_be_bytes(last)))
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

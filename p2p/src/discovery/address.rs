//! Which of the addresses that a peer names are worth keeping.

use libp2p::{Multiaddr, multiaddr::Protocol};

#[cfg(test)]
mod tests;

/// Longest address kept, in bytes; a peer's addresses are stored and passed on, so none may be arbitrarily long.
pub(crate) const MAX_ADDRESS_BYTES: usize = 256;

/// Whether a peer's address may be dialled: a host that means something elsewhere, a port, nothing exotic. Loopback
/// counts only where this node itself lives on loopback (a local network).
pub(crate) fn is_dialable(address: &Multiaddr, loopback: bool) -> bool {
    if address.len() > MAX_ADDRESS_BYTES {
        return false;
    }
    let mut parts = address.iter();
    let host = match parts.next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && !ip.is_multicast() && (loopback || !ip.is_loopback()),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && !ip.is_multicast() && (loopback || !ip.is_loopback()),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => !name.is_empty(),
        Some(Protocol::Memory(port)) => return port != 0 && loopback && parts.next().is_none(),
        _ => false,
    };
    let port = match parts.next() {
        Some(Protocol::Tcp(port)) => port != 0,
        Some(Protocol::Udp(port)) => port != 0 && matches!(parts.next(), Some(Protocol::QuicV1)),
        _ => false,
    };
    // A relay or any other further hop is refused.
    host && port && matches!(parts.next(), None | Some(Protocol::P2p(_))) && parts.next().is_none()
}

/// Whether the address is on this machine only.
pub(crate) fn is_local(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        Some(Protocol::Memory(_)) => true,
        _ => false,
    }
}

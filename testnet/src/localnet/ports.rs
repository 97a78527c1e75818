//! Free loopback ports that stay free: taken from below the kernel's ephemeral range.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Result, bail};

/// Lowest port ever handed out.
const LOWEST: u16 = 10_000;

/// Picks `count` distinct ports that can be bound now, over TCP and UDP, none of them in `taken`. `seed` says where to
/// begin, so that two launchers that start together do not race for the same ports.
///
/// A port from the ephemeral range (what binding port 0 gives) may be lent to any outgoing connection while its node
/// is down, and the node would then not start again; so ports come from below that range.
pub fn pick(count: usize, taken: &BTreeSet<u16>, seed: u64) -> Result<Vec<u16>> {
    let (first, last) = span(ephemeral_start());
    let width = u64::from(last - first) + 1;
    let start = seed % width;
    let mut picked = Vec::with_capacity(count);
    for step in 0..width {
        if picked.len() == count {
            break;
        }
        // `first + (…) % width` is at most `last`, so the conversion holds.
        let port = first + u16::try_from((start + step) % width).unwrap_or(0);
        if !taken.contains(&port) && is_free(port) {
            picked.push(port);
        }
    }
    if picked.len() < count {
        bail!(
            "only {} of {count} ports between {first} and {last} are free on 127.0.0.1; stop what holds them",
            picked.len()
        );
    }
    Ok(picked)
}

/// Whether `port` can be bound on 127.0.0.1 now, over TCP and UDP.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The range used when ephemeral ports begin at `ephemeral`; where nothing is left below, everything above is used.
fn span(ephemeral: u16) -> (u16, u16) {
    if ephemeral > LOWEST + 1_000 { (LOWEST, ephemeral - 1) } else { (LOWEST, u16::MAX) }
}

fn ephemeral_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_free_and_below_the_ephemeral_range() {
        let ports = pick(16, &BTreeSet::new(), 7).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 16);
        for port in &ports {
            assert!(is_free(*port) && *port >= LOWEST && *port < ephemeral_start(), "{port}");
        }
    }

    #[test]
    fn a_bound_port_and_a_taken_one_are_left_out() {
        let first = pick(2, &BTreeSet::new(), 4_000).unwrap();
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, first[0])).unwrap();
        assert!(!is_free(first[0]));
        let second = pick(2, &BTreeSet::from([first[1]]), 4_000).unwrap();
        assert!(!second.contains(&first[0]) && !second.contains(&first[1]));
        drop(holder);
    }

    #[test]
    fn a_port_held_over_udp_only_is_not_free() {
        let port = pick(1, &BTreeSet::new(), 9_000).unwrap()[0];
        let holder = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        drop(holder);
    }

    #[test]
    fn a_low_ephemeral_range_leaves_the_whole_upper_range() {
        assert_eq!(span(32_768), (10_000, 32_767));
        assert_eq!(span(1_024), (10_000, u16::MAX));
    }

    #[test]
    fn too_many_ports_are_refused_with_the_number_found() {
        let error = pick(70_000, &BTreeSet::new(), 0).unwrap_err().to_string();
        assert!(error.contains("70000"), "{error}");
    }
}

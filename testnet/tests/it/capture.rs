//! What four validators say to each other, as somebody sees it who reads all their packets.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
    sockopt::{RcvBufForce, ReceiveTimeout},
};
use nix::sys::time::TimeVal;
use serde_json::Value;

use crate::apart::{Own, only_apart};
use crate::net::Net;

/// Longest packet of a loopback device with what the system joins.
const LONGEST: usize = 1 << 17;
/// What stands in the messages of libp2p, of CometBFT and of our own protocols before anything encrypts them.
const PLAIN: [&str; 8] =
    ["/multistream/", "/noise", "/yamux", "/ipfs/", "/pyralog/", "meshsub", "pyralog-dev-", "pyralogd/"];

/// What passed between the ports of the nodes.
#[derive(Debug, Default)]
struct Seen {
    /// UDP payloads, by their first byte.
    udp: BTreeMap<u8, u64>,
    /// TCP segments to or from a port where peers are.
    tcp: u64,
    /// Plain texts that were found.
    plain: Vec<String>,
    /// Bytes in all.
    bytes: u64,
}

impl Seen {
    /// An Ethernet frame of IPv4, as the loopback device has them.
    fn frame(&mut self, frame: &[u8], is_peer: &dyn Fn(u16) -> bool) {
        let Some((&[0x08, 0x00], packet)) = frame.get(12..).and_then(|rest| rest.split_first_chunk::<2>()) else {
            return;
        };
        let header = usize::from(packet[0] & 0x0f) * 4;
        let (protocol, Some(segment)) = (packet[9], packet.get(header..)) else { return };
        let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
        if segment.len() < 8 || !(is_peer(port(0)) || is_peer(port(2))) {
            return;
        }
        let payload = match protocol {
            17 => &segment[8..],
            _ => {
                self.tcp += 1;
                return;
            }
        };
        self.bytes += payload.len() as u64;
        *self.udp.entry(payload.first().copied().unwrap_or(0)).or_default() += 1;
        let found = PLAIN.iter().filter(|text| payload.windows(text.len()).any(|window| window == text.as_bytes()));
        self.plain.extend(found.map(|text| (*text).to_owned()));
    }
}

#[test]
fn whoever_reads_all_packets_between_validators_finds_tunnels_alone() {
    let name = "capture::whoever_reads_all_packets_between_validators_finds_tunnels_alone";
    if !only_apart(name, Own::Network) {
        return;
    }
    let capture = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), SockProtocol::EthAll).unwrap();
    setsockopt(&capture, RcvBufForce, &(64 << 20)).unwrap();
    setsockopt(&capture, ReceiveTimeout, &TimeVal::new(0, 100_000)).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reading = thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let (mut packets, mut buffer) = (Vec::new(), vec![0; LONGEST]);
            while !done.load(Ordering::Relaxed) {
                match recv(capture.as_raw_fd(), &mut buffer, nix::sys::socket::MsgFlags::empty()) {
                    Ok(length) => packets.push(buffer[..length].to_vec()),
                    Err(error) if std::io::Error::from(error).kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("{error}"),
                }
            }
            packets
        }
    });
    let net = Net::up(4);
    net.wait_height(0, 5);
    let document = net.write("contract.txt", "I owe Ada ten pounds.");
    net.wallet(0, &["notarize", document.to_str().unwrap()]).expect(0);
    let nodes = net.manifest().nodes;
    let peers: Vec<u16> = nodes.iter().map(|node| node.p2p.split('/').nth(4).unwrap().parse().unwrap()).collect();
    for (index, node) in nodes.iter().enumerate() {
        let token = node.home.join("data/admin.token");
        let status = net.wallet(index, &["tunnel", "status", "--json", "--token-file", token.to_str().unwrap()]);
        let status = status.expect(0).json();
        let links = status["peers"].as_array().unwrap();
        assert_eq!(links.len(), 3, "{}: {status}", node.name);
        for link in links {
            let young = |key: &str| link[key].as_f64().is_some_and(|age| age < 180.0);
            assert!(young("post_quantum_key_age_s") && young("wireguard_handshake_age_s"), "{}: {link}", node.name);
            assert_eq!(link["path"], Value::from("direct"));
        }
    }
    assert_sockets(&peers, nodes.iter().flat_map(|node| [&node.rpc, &node.api, &node.metrics]).map(|url| port(url)));
    net.launcher(&["down"]).expect(0);
    thread::sleep(Duration::from_millis(200));
    done.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    for packet in reading.join().unwrap() {
        seen.frame(&packet, &|port| peers.contains(&port));
    }
    println!("{seen:?}");
    assert!(seen.plain.is_empty(), "plain text outside the tunnels: {:?}", seen.plain);
    assert_eq!(seen.tcp, 0, "TCP where peers are");
    let count = |types: std::ops::RangeInclusive<u8>| seen.udp.range(types).map(|(_, count)| count).sum::<u64>();
    let (wireguard, rosenpass, bootstrap) = (count(1..=4), count(0x81..=0x86), count(0xb0..=0xbf));
    assert!(wireguard > 200 && rosenpass >= 3 * 6 && bootstrap > 2 * 6, "the capture saw too little: {seen:?}");
    assert_eq!(wireguard + rosenpass + bootstrap, seen.udp.values().sum::<u64>(), "{seen:?}");
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

/// What is open in this network namespace: UDP where peers are, TCP where callers of this machine are.
fn assert_sockets(peers: &[u16], callers: impl Iterator<Item = u16>) {
    let open = |table: &str, state: &str| -> Vec<u16> {
        let text = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap();
        let sockets = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let sockets = sockets.filter(|fields| fields[3] == state);
        let mut ports: Vec<u16> =
            sockets.map(|fields| u16::from_str_radix(fields[1].rsplit(':').next().unwrap(), 16).unwrap()).collect();
        ports.sort_unstable();
        ports
    };
    let sorted = |mut ports: Vec<u16>| {
        ports.sort_unstable();
        ports
    };
    assert_eq!(open("udp", "07"), sorted(peers.to_vec()), "one UDP socket for each node");
    assert_eq!(open("tcp", "0A"), sorted(callers.collect()), "TCP for callers of this machine alone");
    for table in ["udp6", "tcp6"] {
        let state = if table == "udp6" { "07" } else { "0A" };
        assert!(open(table, state).is_empty(), "{table}");
    }
}

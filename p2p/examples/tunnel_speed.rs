//! What a tunnel costs: CPU seconds per GB and MB/s of raw TCP, of libp2p's QUIC, and of QUIC inside WireGuard, with an obfuscation too, all on
//! loopback, one stream, both ends in this process, in one run. Nothing is asserted.
//!
//! `cargo run --release -p pyralog-p2p --example tunnel_speed -- [MB]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::{future::Future, pin::Pin, time::Instant};

use futures::{AsyncReadExt, AsyncWriteExt, future::poll_fn};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox},
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent},
    },
    identity::Keypair,
    quic,
};
use pyralog_p2p::{Limits, Obfuscation, PresharedKey, Tunnel, TunnelConfig, TunnelPeer, TunnelSecret};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use zeroize::Zeroizing;

const BLOCK: usize = 64 << 10;

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

#[tokio::main]
async fn main() {
    let megabytes: usize = std::env::args().nth(1).map_or(1_000, |text| text.parse().expect("a number of MB"));
    let tcp = measure("raw TCP", megabytes, raw_tcp(megabytes)).await;
    let (first, second) = (plain_quic(1), plain_quic(2));
    let address = "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap();
    let plain = measure("libp2p QUIC", megabytes, stream(first, address, second, megabytes)).await;
    let inside = inside("libp2p QUIC in WireGuard", megabytes, None).await;
    let obfuscation = Obfuscation::from_secret("both ends of the example know it").unwrap();
    let obfuscated = self::inside("the same, obfuscated", megabytes, Some(obfuscation)).await;
    println!(
        "in WireGuard against libp2p QUIC: {:.2} times the CPU; against raw TCP: {:.1} times; obfuscated against not: {:.2} times",
        inside / plain,
        inside / tcp,
        obfuscated / inside
    );
}

async fn inside(what: &str, megabytes: usize, obfuscation: Option<Obfuscation>) -> f64 {
    let (first, second) = tunnels(obfuscation).await;
    let address = first.listen_address(26_656);
    let transports = (within(&first, 1), within(&second, 2));
    let cost = measure(what, megabytes, stream(transports.0, address, transports.1, megabytes)).await;
    for tunnel in [first, second] {
        println!("{:?} {:?}", tunnel.links(), tunnel.counters());
        tunnel.stop().await;
    }
    cost
}

/// CPU seconds per GB.
async fn measure(what: &str, megabytes: usize, transfer: impl Future<Output = ()>) -> f64 {
    let (began, cpu) = (Instant::now(), cpu_seconds());
    transfer.await;
    let per_gigabyte = (cpu_seconds() - cpu) * 1_000.0 / megabytes as f64;
    let speed = megabytes as f64 / began.elapsed().as_secs_f64();
    println!("{what:26} {per_gigabyte:6.2} CPU s/GB {speed:8.0} MB/s");
    per_gigabyte
}

/// User and system time of this process, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<_> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

async fn raw_tcp(megabytes: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut receiver, _) = listener.accept().await.unwrap();
    let sending = tokio::spawn(async move {
        let block = vec![7; BLOCK];
        for _ in 0..megabytes * 1_000_000 / BLOCK {
            sender.write_all(&block).await.unwrap();
        }
    });
    let mut buffer = vec![0; BLOCK];
    while receiver.read(&mut buffer).await.unwrap() > 0 {}
    sending.await.unwrap();
}

fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

fn plain_quic(seed: u8) -> Connections {
    let transport = quic::tokio::Transport::new(quic::Config::new(&keypair(seed)));
    transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed()
}

async fn tunnels(obfuscation: Option<Obfuscation>) -> (Tunnel, Tunnel) {
    let mut tunnels = Vec::new();
    for seed in [1, 2] {
        let secret = TunnelSecret::from_bytes(&Zeroizing::new([seed; 32]));
        let mut config = TunnelConfig::new(secret, "127.0.0.1:0".parse().unwrap());
        config.obfuscation.clone_from(&obfuscation);
        tunnels.push(Tunnel::start(config).await.unwrap().0);
    }
    let (second, first) = (tunnels.pop().unwrap(), tunnels.pop().unwrap());
    for (own, other) in [(&first, &second), (&second, &first)] {
        let peer = TunnelPeer { key: other.key(), endpoint: Some(other.local_addr()), keepalive: None };
        own.set_peer(&peer).unwrap();
        own.set_preshared_key(&other.key(), PresharedKey::new(Zeroizing::new([9; 32]))).unwrap();
    }
    (first, second)
}

fn within(tunnel: &Tunnel, seed: u8) -> Connections {
    tunnel.transport(&Limits::DEFAULTS)(&keypair(seed)).unwrap()
}

/// One stream from the second to the first.
async fn stream(mut first: Connections, address: Multiaddr, mut second: Connections, megabytes: usize) {
    first.listen_on(ListenerId::next(), address).unwrap();
    let address = loop {
        if let TransportEvent::NewAddress { listen_addr, .. } = next(&mut first).await {
            break listen_addr;
        }
    };
    let receiving = tokio::spawn(async move {
        let upgrade = loop {
            if let TransportEvent::Incoming { upgrade, .. } = next(&mut first).await {
                break upgrade;
            }
        };
        let (_, mut muxer) = upgrade.await.unwrap();
        let mut stream = poll_fn(|cx| Pin::new(&mut muxer).poll_inbound(cx)).await.unwrap();
        let mut buffer = vec![0; BLOCK];
        while stream.read(&mut buffer).await.unwrap() > 0 {}
        stream.close().await.unwrap();
        (first, muxer)
    });
    let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    let (_, mut muxer) = second.dial(address, opts).unwrap().await.unwrap();
    let mut stream: SubstreamBox = poll_fn(|cx| Pin::new(&mut muxer).poll_outbound(cx)).await.unwrap();
    let block = vec![7; BLOCK];
    for _ in 0..megabytes * 1_000_000 / BLOCK {
        stream.write_all(&block).await.unwrap();
    }
    stream.close().await.unwrap();
    receiving.await.unwrap();
}

async fn next(
    transport: &mut Connections,
) -> TransportEvent<<Connections as Transport>::ListenerUpgrade, std::io::Error> {
    poll_fn(|cx| Pin::new(&mut *transport).poll(cx)).await
}

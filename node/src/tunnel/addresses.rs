//! The settings of the network as a node with tunnels reads them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use if_addrs::{IfAddr, get_if_addrs};
use pyralog_p2p::{MAX_RECORD_ADDRESSES, Multiaddr, RecordAddress};

use crate::config::P2pConfig;
use crate::error::{Error, Result};

/// Interfaces of containers, virtual machines and other tunnels: nobody elsewhere reaches us there.
const VIRTUAL: [&str; 12] =
    ["docker", "veth", "br-", "virbr", "vnet", "wg", "tun", "tap", "pyra", "cni", "flannel", "zt"];

/// What the settings say, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// Where the socket is bound.
    pub listen: SocketAddr,
    /// Where the operator says that others reach it.
    pub external: Vec<RecordAddress>,
}

impl Addresses {
    /// # Errors
    /// Which setting is wrong, and what stands there instead.
    pub(super) fn of(config: &P2pConfig) -> Result<Self> {
        let listen = match config.listen.as_slice() {
            // Dials, and is not dialled.
            [] => (Ipv4Addr::UNSPECIFIED, 0).into(),
            [one] => socket(one)?,
            _ => {
                return Err(wrong(
                    "p2p.listen",
                    &config.listen.join(","),
                    "are several addresses, and a node with tunnels has one UDP socket",
                ));
            }
        };
        let external = config.external.iter().map(|text| outside("p2p.external", text)).collect::<Result<Vec<_>>>()?;
        if external.len() > MAX_RECORD_ADDRESSES {
            let why = format!("are more than {MAX_RECORD_ADDRESSES} addresses");
            return Err(wrong("p2p.external", &config.external.join(","), &why));
        }
        for text in &config.bootstrap {
            let address = text.rsplit_once("/p2p/").map_or(text.as_str(), |(address, _)| address);
            let there = outside("p2p.bootstrap", address)?;
            let far = matches!(there, RecordAddress::Ip(there) if !there.ip().is_loopback());
            if listen.ip().is_loopback() && far {
                return Err(wrong(
                    "p2p.bootstrap",
                    text,
                    "cannot be reached from a socket on loopback: set p2p.listen to /ip4/0.0.0.0/udp/51820 (--p2p-listen)",
                ));
            }
        }
        Ok(Self { listen, external })
    }

    /// Where others reach the socket. Port 0 is the one that it gets when it is bound.
    pub(super) fn announced(&self) -> Vec<RecordAddress> {
        if !self.external.is_empty() {
            return self.external.clone();
        }
        if !self.listen.ip().is_unspecified() {
            return vec![RecordAddress::Ip(self.listen)];
        }
        let interfaces = get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "the addresses of this machine are not known: set p2p.external");
            Vec::new()
        });
        let own = interfaces.iter().filter(|one| !one.is_loopback() && !is_virtual(&one.name));
        let own = own.filter_map(|one| usable(&one.addr, self.listen.is_ipv6()));
        own.map(|ip| RecordAddress::Ip((ip, self.listen.port()).into())).take(MAX_RECORD_ADDRESSES).collect()
    }
}

/// The address as `p2p.bootstrap` of another node has it.
pub(super) fn multiaddr(address: &RecordAddress) -> String {
    match address {
        RecordAddress::Ip(SocketAddr::V4(at)) => format!("/ip4/{}/udp/{}", at.ip(), at.port()),
        RecordAddress::Ip(SocketAddr::V6(at)) => format!("/ip6/{}/udp/{}", at.ip(), at.port()),
        RecordAddress::Name(host, port) => format!("/dns/{host}/udp/{port}"),
    }
}

fn usable(address: &IfAddr, v6: bool) -> Option<IpAddr> {
    match address {
        IfAddr::V4(address) if !address.ip.is_link_local() => Some(address.ip.into()),
        IfAddr::V6(address) if v6 && !address.ip.is_unicast_link_local() => Some(address.ip.into()),
        _ => None,
    }
}

fn is_virtual(name: &str) -> bool {
    VIRTUAL.iter().any(|prefix| name.starts_with(prefix))
}

fn socket(text: &str) -> Result<SocketAddr> {
    let address = parse("p2p.listen", text)?;
    RecordAddress::socket(&address).ok_or_else(|| not_udp("p2p.listen", text))
}

fn outside(key: &'static str, text: &str) -> Result<RecordAddress> {
    RecordAddress::from_multiaddr(&parse(key, text)?).ok_or_else(|| not_udp(key, text))
}

fn parse(key: &'static str, text: &str) -> Result<Multiaddr> {
    text.parse().map_err(|error| wrong(key, text, &format!("is no multiaddress: {error}")))
}

fn not_udp(key: &'static str, text: &str) -> Error {
    wrong(
        key,
        text,
        "is no UDP address of a tunnel, such as /ip4/192.0.2.1/udp/51820; TCP and QUIC are spoken with tunnel.mode = \"off\" (--tunnel-mode off), \
         by the whole network",
    )
}

fn wrong(key: &'static str, text: &str, why: &str) -> Error {
    Error::Usage(format!("{key}: {text} {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(listen: &[&str], external: &[&str], bootstrap: &[&str]) -> P2pConfig {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        P2pConfig {
            listen: owned(listen),
            external: owned(external),
            bootstrap: owned(bootstrap),
            ..P2pConfig::default()
        }
    }

    #[test]
    fn what_the_settings_say_is_told_as_it_stands() {
        let peer = "12D3KooWBU5zU8sXEwPQN3HSbVRUBnXjKQSuGdEPc7AgBkPRLh8K";
        let bootstrap = format!("/dns/node.example/udp/51820/p2p/{peer}");
        let settings =
            config(&["/ip4/0.0.0.0/udp/51820"], &["/dns/me.example/udp/7", "/ip6/2001:db8::1/udp/8"], &[&bootstrap]);
        let read = Addresses::of(&settings).unwrap();
        assert_eq!(read.listen, "0.0.0.0:51820".parse().unwrap());
        assert_eq!(read.announced().iter().map(multiaddr).collect::<Vec<_>>(), settings.external);
        let local = Addresses::of(&config(&["/ip4/127.0.0.1/udp/0"], &[], &[])).unwrap();
        assert_eq!(local.announced(), [RecordAddress::Ip("127.0.0.1:0".parse().unwrap())]);
        let none = Addresses::of(&config(&[], &[], &[])).unwrap();
        assert!(none.listen.ip().is_unspecified() && none.listen.port() == 0);
    }

    #[test]
    fn addresses_of_this_machine_are_told_without_loopback() {
        let any = Addresses::of(&config(&["/ip4/0.0.0.0/udp/9"], &[], &[])).unwrap();
        for address in any.announced() {
            let RecordAddress::Ip(address) = address else { panic!("{address:?}") };
            assert!(address.is_ipv4() && !address.ip().is_loopback() && address.port() == 9, "{address}");
        }
        assert!(is_virtual("docker0") && is_virtual("br-7a") && !is_virtual("eth0") && !is_virtual("enp3s0"));
    }

    #[test]
    fn a_setting_that_belongs_to_no_tunnel_is_refused_with_the_remedy() {
        let refusal = |settings| Addresses::of(&settings).unwrap_err().to_string();
        for listen in ["/ip4/127.0.0.1/tcp/26656", "/ip4/127.0.0.1/udp/1/quic-v1", "/dns/a/udp/1", "/ip4/127.0.0.1"] {
            let text = refusal(config(&[listen], &[], &[]));
            assert!(
                text.starts_with("p2p.listen: ") && text.contains("/udp/51820") && text.contains("--tunnel-mode off"),
                "{text}"
            );
        }
        assert!(refusal(config(&["/ip4/1/udp"], &[], &[])).contains("multiaddress"));
        assert!(
            refusal(config(&["/ip4/127.0.0.1/udp/1", "/ip4/127.0.0.1/udp/2"], &[], &[])).contains("one UDP socket")
        );
        assert!(refusal(config(&[], &["/ip4/0.0.0.0/udp/1"], &[])).starts_with("p2p.external: "));
        let far = refusal(config(&["/ip4/127.0.0.1/udp/1"], &[], &["/ip4/192.0.2.1/udp/2/p2p/x"]));
        assert!(far.contains("loopback") && far.contains("--p2p-listen"), "{far}");
        Addresses::of(&config(&["/ip4/127.0.0.1/udp/1"], &[], &["/ip4/127.0.0.1/udp/2/p2p/x"])).unwrap();
    }
}

//! The tunnels as their operator sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use pyralog_p2p::{Handle, LinkStatus};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Tunnels;

/// How old the figures of the metrics may be.
const LOOK: Duration = Duration::from_secs(1);

/// `GET /v1/tunnels`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TunnelPeers {
    /// Nodes by peer id, then the peers that were set by hand, by name.
    pub peers: Vec<TunnelPeer>,
}

/// The tunnel with one peer. What is not known yet is `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TunnelPeer {
    /// Its libp2p peer id; `null` of a peer that was set by hand.
    pub peer_id: Option<String>,
    /// The name of a peer that was set by hand, `null` of a node.
    pub name: Option<String>,
    /// Its WireGuard public key, base64.
    pub wireguard_key: Option<String>,
    /// Where its packets go, `ADDRESS:PORT`.
    pub endpoint: Option<String>,
    /// How they get there: `direct`; `null` without a tunnel.
    pub path: Option<&'static str>,
    /// Seconds since the WireGuard session was agreed upon.
    pub wireguard_handshake_age_s: Option<f64>,
    /// Seconds since Rosenpass' key was set; `null` where none is.
    pub post_quantum_key_age_s: Option<f64>,
    /// Round trip inside the tunnel, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Estimated share of the peer's packets that did not arrive, 0 to 1.
    pub loss: f64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}

impl Tunnels {
    /// All tunnels and those that are being made.
    pub async fn peers(&self, network: &Handle) -> TunnelPeers {
        let connected = network.peers().await.unwrap_or_default();
        let measured: BTreeMap<_, _> = connected.iter().map(|peer| (peer.peer_id, peer.round_trip)).collect();
        let mut peers: Vec<_> = self
            .mesh
            .links()
            .await
            .iter()
            .map(|link| {
                let within = link.peer.id().and_then(|id| measured.get(&id).copied().flatten());
                peer(link, within)
            })
            .collect();
        peers.sort_by(|one, other| (&one.name, &one.peer_id).cmp(&(&other.name, &other.peer_id)));
        TunnelPeers { peers }
    }

    /// Begins to look at the links for the metrics, until these are dropped.
    pub fn watch(&self) -> TunnelMetrics {
        let (sender, links) = watch::channel(Vec::new());
        let tunnels = self.clone();
        tokio::spawn(async move {
            while !sender.is_closed() {
                sender.send_replace(tunnels.mesh.links().await);
                sleep(LOOK).await;
            }
        });
        TunnelMetrics { links, tunnels: self.clone() }
    }
}

fn peer(link: &LinkStatus, measured: Option<Duration>) -> TunnelPeer {
    let stats = link.stats.as_ref();
    let seconds = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 10.0).round() / 10.0);
    let round_trip = measured.or_else(|| stats.and_then(|stats| stats.round_trip));
    TunnelPeer {
        peer_id: link.peer.id().map(|id| id.to_string()),
        name: link.peer.id().is_none().then(|| link.peer.to_string()),
        wireguard_key: stats.map(|stats| stats.key.to_string()),
        endpoint: stats.and_then(|stats| stats.endpoint).map(|endpoint| endpoint.to_string()),
        path: stats.filter(|stats| stats.last_handshake.is_some()).map(|_| "direct"),
        wireguard_handshake_age_s: seconds(stats.and_then(|stats| stats.last_handshake)),
        post_quantum_key_age_s: seconds(stats.and_then(|stats| stats.key_age)),
        rtt_ms: round_trip.map(|time| (time.as_secs_f64() * 1e5).round() / 100.0),
        loss: stats.map_or(0.0, |stats| (stats.loss * 1e4).round() / 1e4),
        rx_bytes: stats.map_or(0, |stats| stats.received_bytes),
        tx_bytes: stats.map_or(0, |stats| stats.sent_bytes),
    }
}

/// The same as metrics, `pyralog_tunnel_…`.
#[derive(Debug)]
pub struct TunnelMetrics {
    links: watch::Receiver<Vec<LinkStatus>>,
    tunnels: Tunnels,
}

impl TunnelMetrics {
    fn gauges(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: impl Fn(&LinkStatus) -> Option<f64>,
    ) -> std::fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for link in self.links.borrow().iter() {
            if let Some(value) = value(link) {
                let labels = [("peer", link.peer.to_string())];
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn counters(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&LinkStatus) -> u64,
    ) -> std::fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        for link in self.links.borrow().iter() {
            let labels = [("peer", link.peer.to_string())];
            ConstCounter::new(value(link)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for TunnelMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let stats = |link: &LinkStatus| link.stats.clone();
        let encoder = &mut encoder;
        self.gauges(encoder, "tunnel_open", "Whether packets pass to the peer", None, |link| {
            Some(if stats(link).is_some_and(|stats| stats.last_handshake.is_some()) { 1.0 } else { 0.0 })
        })?;
        self.gauges(
            encoder,
            "tunnel_handshake_age",
            "Time since the WireGuard session was agreed upon",
            Some(&Unit::Seconds),
            |link| seconds(stats(link)?.last_handshake),
        )?;
        self.gauges(
            encoder,
            "tunnel_key_age",
            "Time since the post-quantum key was set",
            Some(&Unit::Seconds),
            |link| seconds(stats(link)?.key_age),
        )?;
        self.gauges(
            encoder,
            "tunnel_loss",
            "Estimated share of the peer's packets that did not arrive",
            Some(&Unit::Ratios),
            |link| Some(stats(link)?.loss),
        )?;
        self.counters(encoder, "tunnel_received", "Bytes received from the peer", |link| {
            stats(link).map_or(0, |stats| stats.received_bytes)
        })?;
        self.counters(encoder, "tunnel_sent", "Bytes sent to the peer", |link| {
            stats(link).map_or(0, |stats| stats.sent_bytes)
        })?;
        let dropped = self.tunnels.mesh.counters();
        let mut family = encoder.encode_descriptor(
            "tunnel_dropped",
            "Packets that came to the tunnels, from outside or from the system, and went nowhere, by reason",
            None,
            MetricType::Counter,
        )?;
        for (reason, count) in [
            ("malformed", dropped.malformed),
            ("other_obfuscation", dropped.other_obfuscation),
            ("unknown_key", dropped.unknown_keys),
            ("no_post_quantum_key", dropped.unkeyed),
            ("cookie_asked", dropped.cookies),
            ("flood", dropped.floods),
            ("unknown_session", dropped.unknown_sessions),
            ("bad_inner", dropped.bad_inner),
            ("closed_port", dropped.closed_ports),
            ("full_port", dropped.full_ports),
            ("echo_limit", dropped.echoes),
            ("bootstrap_or_rosenpass", dropped.side),
            ("no_route", dropped.no_route),
            ("foreign_source", dropped.foreign),
            ("full_device", dropped.full_device),
        ] {
            ConstCounter::new(count).encode(family.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pyralog_p2p::{LinkPeer, PeerId};

    use super::*;

    #[test]
    fn a_tunnel_that_is_being_made_is_shown_without_figures() {
        let id: PeerId = "12D3KooWBU5zU8sXEwPQN3HSbVRUBnXjKQSuGdEPc7AgBkPRLh8K".parse().unwrap();
        let link = LinkStatus { peer: LinkPeer::Node(id), stats: None, since: Duration::ZERO, stage: "seeking" };
        let value = serde_json::to_value(peer(&link, None)).unwrap();
        let expected = serde_json::json!({
            "peer_id": id.to_string(), "name": null, "wireguard_key": null, "endpoint": null, "path": null, "wireguard_handshake_age_s": null,
            "post_quantum_key_age_s": null, "rtt_ms": null, "loss": 0.0, "rx_bytes": 0, "tx_bytes": 0,
        });
        assert_eq!(value, expected);
        assert_eq!(peer(&link, Some(Duration::from_micros(1_234))).rtt_ms, Some(1.23));
        let stock = LinkStatus {
            peer: LinkPeer::Stock("laptop".into()),
            stats: None,
            since: Duration::ZERO,
            stage: "exchanging",
        };
        let value = serde_json::to_value(peer(&stock, None)).unwrap();
        assert!(value["peer_id"].is_null() && value["name"] == "laptop", "{value}");
    }
}

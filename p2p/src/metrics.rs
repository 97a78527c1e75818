//! Counters of this crate, under the prefix `p2p`. Labels are resolved once at the start: counting is one atomic add.

use std::sync::Arc;

use libp2p::metrics::Recorder;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{Verdict, config::Settings, members::metrics::MemberMetrics};

#[cfg(test)]
mod tests;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    name: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Way {
    direction: &'static str,
}

/// Counters of one topic.
#[derive(Debug)]
pub(crate) struct TopicMetrics {
    /// Messages handed to the node.
    pub(crate) received: Counter,
    /// Their bytes.
    pub(crate) received_bytes: Counter,
    /// Messages ignored because the node is behind.
    pub(crate) overload: Counter,
    /// Our own messages sent.
    pub(crate) published: Counter,
    /// Our own messages that went nowhere.
    pub(crate) unpublished: Counter,
    accepted: Counter,
    ignored: Counter,
    rejected: Counter,
    /// Verdicts that came too late to forward the message.
    pub(crate) late: Counter,
    /// Mesh peers now.
    pub(crate) mesh: Gauge,
}

impl TopicMetrics {
    pub(crate) fn verdict(&self, verdict: Verdict) -> &Counter {
        match verdict {
            Verdict::Accept => &self.accepted,
            Verdict::Ignore => &self.ignored,
            Verdict::Reject => &self.rejected,
        }
    }
}

/// Counters of one request protocol.
#[derive(Debug)]
pub(crate) struct ProtocolMetrics {
    /// Requests handed to the node.
    pub(crate) received: Counter,
    /// Requests of peers answered with "busy".
    pub(crate) busy: Counter,
    /// Requests of peers over the size limit.
    pub(crate) too_large: Counter,
    /// Answers sent in full.
    pub(crate) answered: Counter,
    /// Answers that came too late or could not be sent.
    pub(crate) unanswered: Counter,
    /// Our requests.
    pub(crate) sent: Counter,
    /// Our requests that brought no answer.
    pub(crate) failed: Counter,
}

/// All of it.
pub(crate) struct Metrics {
    pub(crate) topics: Vec<TopicMetrics>,
    pub(crate) protocols: Vec<ProtocolMetrics>,
    pub(crate) inbound_peers: Gauge,
    pub(crate) outbound_peers: Gauge,
    pub(crate) known_peers: Gauge,
    pub(crate) gossip_in_flight_bytes: Gauge,
    pub(crate) dial_failures: Counter,
    pub(crate) refused_connections: Counter,
    pub(crate) over_rate: Counter,
    pub(crate) wrong_network: Counter,
    pub(crate) unidentified: Counter,
    pub(crate) dead: Counter,
    pub(crate) banned: Counter,
    pub(crate) members: Arc<MemberMetrics>,
    libp2p: libp2p::metrics::Metrics,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry, settings: &Settings) -> Arc<Self> {
        let registry = registry.sub_registry_with_prefix("p2p");
        let libp2p = libp2p::metrics::Metrics::new(registry);

        let gossip = Family::<Named, Counter>::default();
        registry.register("gossip_messages", "Gossip messages by topic and what became of them", gossip.clone());
        let bytes = Family::<Named, Counter>::default();
        registry.register("gossip_received_bytes", "Bytes of gossip handed to the node by topic", bytes.clone());
        let mesh = Family::<Named, Gauge>::default();
        registry.register("gossip_mesh_peers", "Mesh neighbours by topic", mesh.clone());
        let requests = Family::<Named, Counter>::default();
        registry.register("requests", "Requests by protocol and what became of them", requests.clone());
        let peers = Family::<Way, Gauge>::default();
        registry.register("peers", "Connected peers of this network by who dialled", peers.clone());
        let disconnects = Family::<Reason, Counter>::default();
        registry.register("peers_turned_away", "Peers disconnected or refused by reason", disconnects.clone());
        let known_peers = Gauge::default();
        registry.register("known_peers", "Peers in the address book", known_peers.clone());
        let in_flight = Gauge::default();
        registry.register("gossip_in_flight_bytes", "Bytes of gossip that wait for a verdict", in_flight.clone());
        let dial_failures = Counter::default();
        registry.register("dial_failures", "Outbound connections that failed", dial_failures.clone());

        let count = |family: &Family<Named, Counter>, name: &str, result| {
            family.get_or_create(&Named { name: name.to_owned(), result }).clone()
        };
        let topic = |name: &str| TopicMetrics {
            received: count(&gossip, name, "received"),
            received_bytes: count(&bytes, name, "received"),
            overload: count(&gossip, name, "dropped_overload"),
            published: count(&gossip, name, "published"),
            unpublished: count(&gossip, name, "not_published"),
            accepted: count(&gossip, name, "accepted"),
            ignored: count(&gossip, name, "ignored"),
            rejected: count(&gossip, name, "rejected"),
            late: count(&gossip, name, "verdict_late"),
            mesh: mesh.get_or_create(&Named { name: name.to_owned(), result: "mesh" }).clone(),
        };
        let protocol = |name: &str| ProtocolMetrics {
            received: count(&requests, name, "received"),
            busy: count(&requests, name, "refused_busy"),
            too_large: count(&requests, name, "refused_too_large"),
            answered: count(&requests, name, "answered"),
            unanswered: count(&requests, name, "not_answered"),
            sent: count(&requests, name, "sent"),
            failed: count(&requests, name, "failed"),
        };
        let away = |reason| disconnects.get_or_create(&Reason { reason }).clone();
        let way = |direction| peers.get_or_create(&Way { direction }).clone();
        Arc::new(Self {
            topics: settings.topics.iter().map(|spec| topic(&spec.name)).collect(),
            protocols: settings.protocols.iter().map(|spec| protocol(&spec.name)).collect(),
            inbound_peers: way("inbound"),
            outbound_peers: way("outbound"),
            known_peers,
            gossip_in_flight_bytes: in_flight,
            dial_failures,
            refused_connections: away("connection_refused"),
            over_rate: away("over_rate"),
            wrong_network: away("wrong_network"),
            unidentified: away("not_identified"),
            dead: away("ping_failed"),
            banned: away("banned"),
            members: MemberMetrics::register(registry),
            libp2p,
        })
    }

    /// Counts an event of libp2p itself.
    pub(crate) fn record<E>(&self, event: &E)
    where
        libp2p::metrics::Metrics: Recorder<E>,
    {
        self.libp2p.record(event);
    }
}

#![allow(clippy::unwrap_used)]

use crate::{Config, ProtocolSpec, TopicSpec};

use super::*;

#[test]
fn every_counter_is_named_and_present_from_the_start() {
    let mut config = Config::new([1; 32], "test");
    config.topics = vec![TopicSpec::new("votes", 100)];
    config.protocols = vec![ProtocolSpec::new("sync", 100, 100)];
    let settings = Settings::check(&config).unwrap();
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry, &settings);
    metrics.topics[0].verdict(Verdict::Reject).inc();
    metrics.protocols[0].busy.inc_by(2);
    metrics.inbound_peers.set(3);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "p2p_gossip_messages_total{name=\"votes\",result=\"rejected\"} 1",
        "p2p_gossip_messages_total{name=\"votes\",result=\"accepted\"} 0",
        "p2p_requests_total{name=\"sync\",result=\"refused_busy\"} 2",
        "p2p_peers{direction=\"inbound\"} 3",
        "p2p_peers_turned_away_total{reason=\"wrong_network\"} 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

use crate::{Config, ProtocolSpec, TopicSpec, config::Settings};

use super::*;

#[test]
fn the_defaults_fit_together() {
    let limits = Limits::default();
    assert!(limits.max_incoming < limits.max_connections && limits.max_outgoing < limits.max_connections);
    assert!(limits.max_incoming + limits.max_outgoing >= limits.max_connections);
    assert!(limits.target_peers <= limits.max_outgoing as usize);
    assert!(limits.redial_min < limits.redial_max);
    assert!(limits.ban_time < limits.max_ban_time);
    // Two pings fit into a QUIC connection's idle time, or quiet connections would end.
    assert!(limits.ping_interval < Duration::from_secs(15));
    assert!(limits.gossip_bytes.burst >= limits.gossip_bytes.per_second);
    assert!(limits.gossip_rate.burst >= limits.gossip_rate.per_second);
    assert!(limits.request_rate.burst >= limits.request_rate.per_second);
}

#[test]
fn the_defaults_carry_a_chain() {
    // Blocks in parts of 64 KiB, votes, transactions of 64 KiB, answers of 4 MiB.
    let mut config = Config::new([1; 32], "chain");
    config.topics = vec![TopicSpec::new("consensus", 256 << 10), TopicSpec::new("transactions", 128 << 10)];
    config.protocols = vec![ProtocolSpec::new("sync/1", 1 << 10, 4 << 20)];
    assert!(Settings::check(&config).is_ok());
    // A block of 4 MiB arriving from one peer in parts stays within that peer's burst.
    assert!(config.limits.gossip_bytes.burst > 4 << 20);
    assert!(config.limits.gossip_rate.burst > 2 * (4 << 20) / (64 << 10));
}

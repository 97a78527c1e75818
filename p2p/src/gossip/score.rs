//! What gossipsub remembers of a peer's conduct (gossipsub v1.1, "Peer Scoring").

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use libp2p::gossipsub::{IdentTopic, PeerScoreParams, PeerScoreThresholds, TopicScoreParams, score_parameter_decay};

use crate::TopicSpec;

#[cfg(test)]
mod tests;

/// Below this no gossip is exchanged beyond the mesh.
const GOSSIP: f64 = -100.0;
/// Below this our own messages are not sent to the peer.
const PUBLISH: f64 = -300.0;
/// Below this everything the peer sends is dropped, and the driver disconnects and bans it.
pub(crate) const GRAYLIST: f64 = -500.0;
/// A peer's standing for doing well never exceeds this: it outweighs one invalid message, not several.
const BEST: f64 = 20.0;

pub(crate) fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: GOSSIP,
        publish_threshold: PUBLISH,
        graylist_threshold: GRAYLIST,
        // Peer exchange is off.
        accept_px_threshold: BEST * 100.0,
        opportunistic_graft_threshold: 2.0,
    }
}

pub(crate) fn params<'a>(topics: impl Iterator<Item = (&'a IdentTopic, &'a TopicSpec)>) -> PeerScoreParams {
    let topics: HashMap<_, _> = topics.map(|(topic, spec)| (topic.hash(), topic_params(spec))).collect();
    PeerScoreParams {
        topics,
        topic_score_cap: BEST,
        app_specific_weight: 1.0,
        // More than ten peers behind one address look like one operator in many disguises. Local networks are exempt.
        ip_colocation_factor_weight: -5.0,
        ip_colocation_factor_threshold: 10.0,
        ip_colocation_factor_whitelist: [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].into(),
        // Early re-GRAFTs and IHAVEs without the message: tolerated six times, then squared.
        behaviour_penalty_weight: -10.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: score_parameter_decay(Duration::from_secs(600)),
        decay_interval: Duration::from_secs(1),
        decay_to_zero: 0.01,
        // Reconnecting does not wash a score clean.
        retain_score: Duration::from_secs(3_600),
        // Linear. A peer that cannot take what we send is slow, not hostile: even 4,000 drops a second do not graylist it.
        slow_peer_weight: -0.02,
        slow_peer_threshold: 100.0,
        slow_peer_decay: score_parameter_decay(Duration::from_secs(10)),
    }
}

fn topic_params(spec: &TopicSpec) -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: spec.weight,
        // P1: up to 5 for an hour in the mesh.
        time_in_mesh_weight: 5.0 / 3_600.0,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 3_600.0,
        // P2: up to 10 for being first with new messages.
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: score_parameter_decay(Duration::from_secs(60)),
        first_message_deliveries_cap: 100.0,
        // P3, P3b off: traffic comes in bursts and stops when the chain stops; silence must not be punished then.
        mesh_message_deliveries_weight: 0.0,
        mesh_message_deliveries_decay: 0.5,
        mesh_message_deliveries_cap: 1.0,
        mesh_message_deliveries_threshold: 1.0,
        mesh_message_deliveries_window: Duration::from_millis(10),
        mesh_message_deliveries_activation: Duration::from_secs(5),
        mesh_failure_penalty_weight: 0.0,
        mesh_failure_penalty_decay: 0.5,
        // P4, squared: 3 invalid messages stop gossip, 8 within some minutes mean the graylist.
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: score_parameter_decay(Duration::from_secs(1_800)),
    }
}

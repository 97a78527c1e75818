//! Gossipsub with every limit written down.

pub(crate) mod guard;
pub(crate) mod limited;
pub(crate) mod paths;
pub(crate) mod score;

use std::{collections::HashSet, time::Duration};

use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, Message, MessageAuthenticity, MessageId, TopicHash, ValidationMode,
    WhitelistSubscriptionFilter,
};

use crate::{Error, config::Settings};

use guard::SizeGuard;

#[cfg(test)]
mod tests;

/// The router without the rate limit.
pub(crate) type Router = gossipsub::Behaviour<SizeGuard, WhitelistSubscriptionFilter>;

/// A heartbeat; mesh repair, IHAVE and cache shifts happen once in each.
const HEARTBEAT: Duration = Duration::from_millis(700);
/// Heartbeats for which a message is kept to answer IWANT, and in which the node's verdict must come (7 s).
const HISTORY: usize = 10;
/// Heartbeats whose messages are announced by IHAVE.
const HISTORY_GOSSIP: usize = 3;
/// Message ids remembered for this long; a repetition after it counts as new, and the node must bear it.
const DUPLICATE_CACHE: Duration = Duration::from_secs(120);
/// Message ids in one IHAVE. 256 ids of 34 bytes stay well below `MAX_CONTROL_BYTES`: libp2p's own default of 5,000
/// would make honest peers exceed each other's limit.
const MAX_IHAVE_IDS: usize = 256;
/// IHAVE messages heeded per peer and heartbeat.
const MAX_IHAVE_PER_HEARTBEAT: usize = 16;
/// Bytes of control messages and subscriptions in one RPC.
const MAX_CONTROL_BYTES: usize = 32 << 10;
/// Messages in one RPC.
const MAX_MESSAGES_PER_RPC: usize = 64;
/// Protobuf framing around one message besides its topic and data.
const MESSAGE_OVERHEAD: usize = 64;
/// Room above the largest message. The decoder of libp2p-gossipsub 0.50 compares this limit with the whole read
/// buffer, which may already hold the beginning of the next RPC.
const RPC_SLACK: usize = 64 << 10;

/// Builds the router, subscribed to every topic.
pub(crate) fn router(settings: &Settings) -> Result<Router, Error> {
    let topics: Vec<IdentTopic> =
        settings.topics.iter().map(|topic| IdentTopic::new(settings.wire_topic(&topic.name))).collect();
    let hashes: HashSet<TopicHash> = topics.iter().map(IdentTopic::hash).collect();
    let config = config(settings, &topics)?;
    let guard = SizeGuard::new(topics.iter().zip(&settings.topics).map(|(topic, spec)| (topic.hash(), spec.max_size)));

    // Anonymous: messages carry neither source nor signature. What needs an author is signed inside the opaque bytes,
    // and blame for an invalid message falls on the peer that handed it over.
    let mut router = Router::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        WhitelistSubscriptionFilter(hashes),
        guard,
    )
    .map_err(|reason| Error::config("topics", reason))?;
    router
        .with_peer_score(score::params(topics.iter().zip(&settings.topics)), score::thresholds())
        .map_err(|reason| Error::config("topics", reason))?;
    for topic in &topics {
        router.subscribe(topic).map_err(|error| Error::config("topics", error.to_string()))?;
    }
    Ok(router)
}

fn config(settings: &Settings, topics: &[IdentTopic]) -> Result<gossipsub::Config, Error> {
    let mut builder = ConfigBuilder::default();
    let framed = |size: usize, topic: &IdentTopic| size + topic.hash().as_str().len() + MESSAGE_OVERHEAD;
    let mut largest = 0;
    for (topic, spec) in topics.iter().zip(&settings.topics) {
        largest = largest.max(framed(spec.max_size, topic));
        builder.max_transmit_size_for_topic(framed(spec.max_size, topic), topic.hash());
    }
    builder
        // Under a name of our own libp2p speaks v1.1 and v1.0; v1.2 (IDONTWANT) only under its standard name.
        .protocol_id_prefix(format!("/pyralog/{}/meshsub", settings.network))
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message: &Message| message_id(message.topic.as_str(), &message.data))
        .max_transmit_size(largest + MAX_CONTROL_BYTES + RPC_SLACK)
        // In a network of up to about ten peers everyone is in everyone's mesh; with 100, eight neighbours reach all in
        // three hops.
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .mesh_outbound_min(3)
        .gossip_lazy(6)
        .gossip_factor(0.25)
        .gossip_retransimission(3)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .heartbeat_interval(HEARTBEAT)
        .fanout_ttl(Duration::from_secs(60))
        .history_length(HISTORY)
        .history_gossip(HISTORY_GOSSIP)
        .duplicate_cache_time(DUPLICATE_CACHE)
        .flood_publish(true)
        .prune_backoff(Duration::from_secs(60))
        .unsubscribe_backoff(Duration::from_secs(10))
        .backoff_slack(1)
        .graft_flood_threshold(Duration::from_secs(10))
        .opportunistic_graft_ticks(85)
        .opportunistic_graft_peers(2)
        .max_publish_messages(MAX_MESSAGES_PER_RPC)
        .max_control_message_size(MAX_CONTROL_BYTES)
        .max_control_messages_sent(MAX_IHAVE_IDS)
        .max_ihave_messages_heartbeat(MAX_IHAVE_PER_HEARTBEAT)
        .iwant_followup_time(Duration::from_secs(3))
        .allow_self_origin(false)
        .connection_handler_queue_len(settings.limits.gossip_send_queue)
        .publish_queue_duration(Duration::from_secs(5))
        .forward_queue_duration(Duration::from_secs(2));
    builder.build().map_err(|error| Error::config("topics", error.to_string()))
}

/// The id of a message: BLAKE3 of the topic's length (`u32`, big-endian), the topic and the data. The same bytes have
/// the same id whoever sends them.
pub(crate) fn message_id(topic: &str, data: &[u8]) -> MessageId {
    let mut hasher = blake3::Hasher::new_derive_key("pyralog/p2p/gossip-message-id/v1");
    hasher.update(&u32::try_from(topic.len()).unwrap_or(u32::MAX).to_be_bytes());
    hasher.update(topic.as_bytes());
    hasher.update(data);
    MessageId::new(hasher.finalize().as_bytes())
}

//! Counters of the member links.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Lane;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    lane: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    event: &'static str,
}

/// Counters of one lane, all members together.
#[derive(Debug)]
pub(crate) struct LaneMetrics {
    pub(crate) sent: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) received: Counter,
    pub(crate) received_bytes: Counter,
    /// Messages not taken because the queue was full.
    pub(crate) full: Counter,
    /// Messages not taken because the member was not up.
    pub(crate) not_connected: Counter,
    /// Messages taken and then lost with the link, or received for a reader that is gone.
    pub(crate) dropped: Counter,
    /// Bytes waiting to be sent.
    pub(crate) queued_bytes: Gauge,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct MemberMetrics {
    lanes: [LaneMetrics; 2],
    /// Members that are up.
    pub(crate) up: Gauge,
    pub(crate) ups: Counter,
    pub(crate) downs: Counter,
    /// Streams of peers that are no members.
    pub(crate) strangers: Counter,
    /// Connections closed because nothing was heard for too long.
    pub(crate) silent: Counter,
    /// Streams closed for what came on them.
    pub(crate) malformed: Counter,
}

impl MemberMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Arc<Self> {
        let messages = Family::<Labels, Counter>::default();
        registry.register(
            "member_messages",
            "Messages between members by lane and what became of them",
            messages.clone(),
        );
        let bytes = Family::<Labels, Counter>::default();
        registry.register("member_message_bytes", "Bytes of messages between members by lane", bytes.clone());
        let queued = Family::<Labels, Gauge>::default();
        registry.register("member_queued_bytes", "Bytes that wait to be sent to members by lane", queued.clone());
        let up = Gauge::default();
        registry.register("members_up", "Members whose links stand", up.clone());
        let events = Family::<What, Counter>::default();
        registry.register("member_links", "What happened to the links between members", events.clone());
        let lane = |lane: Lane| {
            let count = |family: &Family<Labels, Counter>, result| {
                family.get_or_create(&Labels { lane: lane.name(), result }).clone()
            };
            LaneMetrics {
                sent: count(&messages, "sent"),
                sent_bytes: count(&bytes, "sent"),
                received: count(&messages, "received"),
                received_bytes: count(&bytes, "received"),
                full: count(&messages, "refused_full"),
                not_connected: count(&messages, "refused_not_connected"),
                dropped: count(&messages, "dropped"),
                queued_bytes: queued.get_or_create(&Labels { lane: lane.name(), result: "queued" }).clone(),
            }
        };
        let event = |event| events.get_or_create(&What { event }).clone();
        Arc::new(Self {
            lanes: Lane::ALL.map(lane),
            up,
            ups: event("up"),
            downs: event("down"),
            strangers: event("stranger_refused"),
            silent: event("silent"),
            malformed: event("malformed"),
        })
    }

    pub(crate) fn lane(&self, lane: Lane) -> &LaneMetrics {
        &self.lanes[lane.index()]
    }
}

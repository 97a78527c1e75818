//! Gossip in and out.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use libp2p::{
    PeerId,
    gossipsub::{self, MessageAcceptance, MessageId, PublishError},
};

use crate::{
    Error, Event,
    event::{MessageRef, Verdict},
    gossip::limited,
};

use super::Driver;

impl Driver {
    pub(super) fn on_gossip(&mut self, event: limited::Event) {
        match event {
            limited::Event::Router(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.on_message(propagation_source, message_id, message);
            }
            limited::Event::Router(gossipsub::Event::SlowPeer { peer_id, failed_messages }) => {
                tracing::debug!(peer = %peer_id, ?failed_messages, "peer is too slow for our gossip");
            }
            limited::Event::Router(gossipsub::Event::GossipsubNotSupported { peer_id }) => {
                tracing::debug!(peer = %peer_id, "peer does not speak this network's gossip");
            }
            limited::Event::Router(_) => {}
            limited::Event::OverRate(peer, count) => self.over_rate(peer, count, "gossip over its rate"),
        }
    }

    fn on_message(&mut self, source: PeerId, id: MessageId, message: gossipsub::Message) {
        // Unknown topics do not pass the size guard.
        let Some(topic) = self.topics.get(&message.topic).copied() else { return };
        let metrics = &self.metrics.topics[topic];
        let data = Bytes::from(message.data);
        if let Some(hold) = self.gossip_budget.take(data.len())
            && let Some(place) = self.outbox.reserve()
        {
            metrics.received.inc();
            metrics.received_bytes.inc_by(data.len() as u64);
            let message = MessageRef { id, source, topic, _hold: hold };
            place.send(Event::Gossip { topic: Arc::clone(&self.topic_names[topic]), message, source, data });
        } else {
            // The node is behind. The message is not kept: it counts as seen, and nobody is blamed.
            metrics.overload.inc();
            self.judge(&id, &source, MessageAcceptance::Ignore);
        }
    }

    pub(super) fn on_verdict(&mut self, message: &MessageRef, verdict: Verdict) {
        let in_time = self.judge(&message.id, &message.source, verdict.into());
        let metrics = &self.metrics.topics[message.topic];
        metrics.verdict(verdict).inc();
        if !in_time {
            metrics.late.inc();
        }
    }

    fn judge(&mut self, id: &MessageId, source: &PeerId, acceptance: MessageAcceptance) -> bool {
        let router = &mut self.swarm.behaviour_mut().gossip.router;
        router.report_message_validation_result(id, source, acceptance)
    }

    pub(super) fn publish(&mut self, topic: usize, data: Bytes) -> Result<(), Error> {
        let hash = self.topic_hashes[topic].clone();
        let result = self.swarm.behaviour_mut().gossip.router.publish(hash, data);
        let metrics = &self.metrics.topics[topic];
        match result {
            Ok(_) => {
                metrics.published.inc();
                Ok(())
            }
            Err(error) => {
                metrics.unpublished.inc();
                let name = || self.settings.topics[topic].name.clone();
                Err(match error {
                    PublishError::NoPeersSubscribedToTopic => Error::NoPeers(name()),
                    PublishError::Duplicate => Error::Duplicate(name()),
                    _ => Error::Overloaded("the gossip queues of all peers are full"),
                })
            }
        }
    }

    /// A peer ran over one of its rates `count` times: that much was dropped or refused. Too often, and it is banned.
    pub(super) fn over_rate(&mut self, peer: PeerId, count: u64, reason: &str) {
        self.metrics.over_rate.inc_by(count);
        if !self.is_member(&peer) && !self.violations.take(peer, count, Instant::now()) {
            self.ban(peer, reason);
        }
    }
}

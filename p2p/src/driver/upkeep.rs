//! What time brings: redials, ends of bans, scores, silent peers.

use std::time::Instant;

use libp2p::swarm::{DialError, dial_opts::PeerCondition};

use crate::gossip::score::GRAYLIST;

use super::Driver;

/// Peers of the address book dialled in one tick.
const NEW_DIALS: usize = 8;
/// Scores and gauges are looked at every so many ticks.
const SLOW: u64 = 10;

impl Driver {
    pub(super) fn on_tick(&mut self, now: Instant) {
        for peer in self.bans.expired(now) {
            tracing::info!(%peer, "ban is over");
            self.swarm.behaviour_mut().bans.unblock_peer(peer);
        }
        self.turn_away_silent(now);
        self.find_peers(now);
        self.dial_due(now);
        self.ticks += 1;
        if self.ticks.is_multiple_of(SLOW) {
            self.ban_graylisted();
            self.update_gauges();
        }
    }

    fn turn_away_silent(&mut self, now: Instant) {
        let Some(deadline) = now.checked_sub(self.settings.limits.identify_timeout) else { return };
        for peer in self.peers.silent_since(deadline) {
            if self.is_member(&peer) {
                continue;
            }
            tracing::debug!(%peer, "peer did not say who it is: disconnecting it");
            self.metrics.unidentified.inc();
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Takes peers from the address book while too few are connected.
    fn find_peers(&mut self, now: Instant) {
        let (inbound, outbound) = self.peers.count();
        let present = inbound + outbound + self.dialer.dialing();
        let wanted = self.settings.limits.target_peers.saturating_sub(present).min(NEW_DIALS);
        if wanted == 0 || self.book.len() == 0 {
            return;
        }
        let local = *self.swarm.local_peer_id();
        let unknown = self.book.peers().into_iter().filter(|peer| {
            *peer != local && !self.dialer.contains(peer) && !self.peers.contains(peer) && !self.bans.contains(peer)
        });
        for peer in unknown.take(wanted).collect::<Vec<_>>() {
            self.dialer.add_known(peer, now);
        }
    }

    fn dial_due(&mut self, now: Instant) {
        for (peer, addresses) in self.dialer.due(now) {
            if self.peers.is_identified(&peer) {
                self.dialer.connected(&peer);
                continue;
            }
            let options = self.dial_options(peer, addresses, PeerCondition::DisconnectedAndNotDialing);
            match self.swarm.dial(options) {
                // Somebody else dials it, or it dialled us: the outcome comes as an event all the same.
                Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
                // It has fallen out of the address book. A bootstrap peer has the operator's addresses at least.
                Err(DialError::NoAddresses) => self.dialer.drop_known(&peer),
                Err(error) => {
                    tracing::debug!(%peer, %error, "cannot dial");
                    self.dialer.lost(&peer, now);
                }
            }
        }
    }

    fn ban_graylisted(&mut self) {
        for peer in self.peers.members() {
            if self.score(&peer) < GRAYLIST && !self.is_member(&peer) {
                self.ban(peer, "its gossip score is below the graylist threshold");
            }
        }
    }

    fn update_gauges(&mut self) {
        let (inbound, outbound) = self.peers.count();
        let metrics = &self.metrics;
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.inbound_peers.set(gauge(inbound));
        metrics.outbound_peers.set(gauge(outbound));
        metrics.known_peers.set(gauge(self.book.len()));
        let in_flight = self.settings.limits.gossip_in_flight_bytes.saturating_sub(self.gossip_budget.left());
        metrics.gossip_in_flight_bytes.set(gauge(in_flight));
        let router = &self.swarm.behaviour().gossip.router;
        for (topic, metrics) in self.topic_hashes.iter().zip(&metrics.topics) {
            metrics.mesh.set(gauge(router.mesh_peers(topic).count()));
        }
    }
}

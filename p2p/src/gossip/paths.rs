//! The connections of each peer, and which of them lead to a process that is gone.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};

#[cfg(test)]
mod tests;

/// Connections that began so shortly after each other may be of two ends that dialled each other, or of two transports.
const TOGETHER: Duration = Duration::from_secs(2);

/// When the open connections of each peer began. Bounded by the limits on connections.
#[derive(Debug, Default)]
pub(crate) struct Paths(HashMap<PeerId, BTreeMap<ConnectionId, Instant>>);

impl Paths {
    pub(crate) fn opened(&mut self, peer: PeerId, id: ConnectionId, now: Instant) {
        self.0.entry(peer).or_default().insert(id, now);
    }

    pub(crate) fn closed(&mut self, peer: &PeerId, id: ConnectionId) {
        if let Some(paths) = self.0.get_mut(peer) {
            paths.remove(&id);
            if paths.is_empty() {
                self.0.remove(peer);
            }
        }
    }

    /// Gives, and forgets, the connections that a peer has left behind which says on another one what it is subscribed to: it says so on the first one
    /// that it has, so those of long before are of an earlier process of it.
    pub(crate) fn left_behind(&mut self, peer: &PeerId, speaks: ConnectionId) -> Vec<ConnectionId> {
        let Some(paths) = self.0.get_mut(peer) else { return Vec::new() };
        let Some(began) = paths.get(&speaks).copied() else { return Vec::new() };
        let mut left = Vec::new();
        paths.retain(|id, at| {
            let stays = *at + TOGETHER >= began;
            if !stays {
                left.push(*id);
            }
            stays
        });
        left
    }
}

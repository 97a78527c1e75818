//! When to dial whom: backoff for each peer. Time is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};

#[cfg(test)]
mod tests;

/// A peer from the address book rests after this many failures in a row.
const PATIENCE: u32 = 6;
/// How many of the longest waits it rests.
const REST: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be dialled once the time has come.
    Waiting(Instant),
    Dialing,
    Connected,
}

#[derive(Debug)]
struct Target {
    addresses: Vec<Multiaddr>,
    /// Configured by the operator: never rests.
    bootstrap: bool,
    failures: u32,
    state: State,
}

/// The peers we want connections to.
#[derive(Debug)]
pub(crate) struct Dialer {
    min: Duration,
    max: Duration,
    targets: BTreeMap<PeerId, Target>,
}

impl Dialer {
    /// Waits of `min` after a first failure, doubling up to `max`.
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), targets: BTreeMap::new() }
    }

    /// A peer that we always want; several addresses of one peer add up.
    pub(crate) fn add_bootstrap(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        let target = self.target(peer, now);
        target.bootstrap = true;
        if !target.addresses.contains(&address) {
            target.addresses.push(address);
        }
    }

    /// A peer from the address book; after some failures it is tried rarely.
    pub(crate) fn add_known(&mut self, peer: PeerId, now: Instant) {
        self.target(peer, now);
    }

    /// Peers whose time has come, with their configured addresses. They count as being dialled from here on.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, target) in &mut self.targets {
            if matches!(target.state, State::Waiting(at) if at <= now) {
                target.state = State::Dialing;
                due.push((*peer, target.addresses.clone()));
            }
        }
        due
    }

    /// The peer is connected and belongs to our network.
    pub(crate) fn connected(&mut self, peer: &PeerId) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.state = State::Connected;
            target.failures = 0;
        }
    }

    /// The last connection with the peer ended, or the dial failed: both lead to a wait and another try.
    pub(crate) fn lost(&mut self, peer: &PeerId, now: Instant) {
        let Some(target) = self.targets.get_mut(peer) else { return };
        if matches!(target.state, State::Waiting(_)) {
            return;
        }
        target.failures = target.failures.saturating_add(1);
        let rests = !target.bootstrap && target.failures > PATIENCE;
        let wait = if rests { self.max * REST } else { backoff(self.min, self.max, target.failures, peer) };
        target.state = State::Waiting(now + wait);
    }

    /// Whether the peer is wanted already.
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.targets.contains_key(peer)
    }

    /// How many peers are being dialled.
    pub(crate) fn dialing(&self) -> usize {
        self.targets.values().filter(|target| target.state == State::Dialing).count()
    }

    /// Stops wanting a peer that is not a bootstrap peer.
    pub(crate) fn drop_known(&mut self, peer: &PeerId) {
        if self.targets.get(peer).is_some_and(|target| !target.bootstrap) {
            self.targets.remove(peer);
        }
    }

    fn target(&mut self, peer: PeerId, now: Instant) -> &mut Target {
        self.targets.entry(peer).or_insert_with(|| Target {
            addresses: Vec::new(),
            bootstrap: false,
            failures: 0,
            state: State::Waiting(now),
        })
    }
}

/// `min * 2^(failures - 1)`, at most `max`, plus up to a quarter that differs by peer, so that a network that lost one
/// node does not dial it in step.
fn backoff(min: Duration, max: Duration, failures: u32, peer: &PeerId) -> Duration {
    let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let wait = min.saturating_mul(factor).min(max);
    let spread = peer.to_bytes().iter().fold(failures, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    wait + wait * (spread % 256) / 1_024
}

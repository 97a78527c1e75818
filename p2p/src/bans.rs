//! Who is banned, and until when. Time is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

#[cfg(test)]
mod tests;

#[derive(Clone, Copy, Debug)]
struct Ban {
    until: Instant,
    /// How often this peer has been banned.
    count: u32,
    active: bool,
}

/// Time-limited bans by peer id. A peer banned again gets twice the time; one that stays quiet for as long again as
/// its last ban is forgotten.
#[derive(Debug)]
pub(crate) struct BanList {
    first: Duration,
    longest: Duration,
    most: usize,
    bans: BTreeMap<PeerId, Ban>,
}

impl BanList {
    /// Bans of `first`, doubling up to `longest`; at most `most` peers are remembered.
    pub(crate) fn new(first: Duration, longest: Duration, most: usize) -> Self {
        Self { first, longest: longest.max(first), most: most.max(1), bans: BTreeMap::new() }
    }

    /// Bans `peer` from `now` on. Returns for how long, or `None` where it is banned already.
    pub(crate) fn ban(&mut self, peer: PeerId, now: Instant) -> Option<Duration> {
        let count = match self.bans.get(&peer) {
            Some(ban) if ban.active => return None,
            Some(ban) => ban.count.saturating_add(1),
            None => 1,
        };
        if count == 1 && self.bans.len() >= self.most {
            let soonest = self.bans.iter().filter(|(_, ban)| !ban.active).min_by_key(|(_, ban)| ban.until);
            // With nobody idle to forget, the new ban still takes effect and the oldest ends early: see `expired`.
            let victim = soonest.or_else(|| self.bans.iter().min_by_key(|(_, ban)| ban.until)).map(|(peer, _)| *peer);
            if let Some(ban) = victim.and_then(|victim| self.bans.get_mut(&victim)) {
                ban.until = now;
            }
        }
        let length = self.length(count);
        self.bans.insert(peer, Ban { until: now + length, count, active: true });
        Some(length)
    }

    /// Whether `peer` is banned.
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.bans.get(peer).is_some_and(|ban| ban.active)
    }

    /// Ends a ban at the operator's wish, and forgets it.
    pub(crate) fn lift(&mut self, peer: &PeerId) -> bool {
        self.bans.remove(peer).is_some_and(|ban| ban.active)
    }

    /// Peers whose ban ends by `now`; each is returned once.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<PeerId> {
        let (first, longest) = (self.first, self.longest);
        let mut freed = Vec::new();
        let most = self.most;
        let crowded = self.bans.len() > most;
        self.bans.retain(|peer, ban| {
            if ban.until > now {
                return true;
            }
            if ban.active {
                ban.active = false;
                freed.push(*peer);
                return !crowded;
            }
            !crowded && ban.until + length(first, longest, ban.count) > now
        });
        freed
    }

    fn length(&self, count: u32) -> Duration {
        length(self.first, self.longest, count)
    }
}

fn length(first: Duration, longest: Duration, count: u32) -> Duration {
    let factor = 1u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

//! Token buckets: one, and one per peer. Time is an argument, never read here.

use std::{collections::HashMap, time::Instant};

use libp2p::PeerId;

use crate::limits::Rate;

#[cfg(test)]
mod tests;

const NANOS: u128 = 1_000_000_000;

/// A token bucket. Levels are kept in billionths of a token, so that no refill is lost to rounding.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    level: u128,
    updated: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: u128::from(rate.burst) * NANOS, updated: now }
    }

    /// Takes `tokens`, or nothing and `false` where fewer are there.
    pub(crate) fn take(&mut self, tokens: u64, now: Instant) -> bool {
        self.refill(now);
        match self.level.checked_sub(u128::from(tokens) * NANOS) {
            Some(rest) => {
                self.level = rest;
                true
            }
            None => false,
        }
    }

    /// Whether the bucket is as a new one would be.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.level == self.capacity()
    }

    fn capacity(&self) -> u128 {
        u128::from(self.rate.burst) * NANOS
    }

    fn refill(&mut self, now: Instant) {
        // An earlier `now` refills nothing and does not move the clock back.
        let elapsed = now.saturating_duration_since(self.updated).as_nanos();
        let gained = elapsed.saturating_mul(u128::from(self.rate.per_second));
        self.level = self.level.saturating_add(gained).min(self.capacity());
        self.updated = self.updated.max(now);
    }
}

/// One bucket for each peer that has used some of it. It outlives connections, so that reconnecting refills nothing;
/// memory is bounded because a full bucket equals an absent one.
#[derive(Debug)]
pub struct PeerBuckets {
    rate: Rate,
    most: usize,
    buckets: HashMap<PeerId, TokenBucket>,
}

impl PeerBuckets {
    /// Buckets of shape `rate` for at most `most` peers.
    #[must_use]
    pub fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most: most.max(1), buckets: HashMap::new() }
    }

    /// Takes `tokens` from the peer's bucket, or nothing and `false`.
    #[must_use]
    pub fn take(&mut self, peer: PeerId, tokens: u64, now: Instant) -> bool {
        if !self.buckets.contains_key(&peer) && self.buckets.len() >= self.most {
            self.make_room(now);
        }
        self.buckets.entry(peer).or_insert_with(|| TokenBucket::new(self.rate, now)).take(tokens, now)
    }

    /// Gives the peer a full bucket again.
    pub(crate) fn reset(&mut self, peer: &PeerId) {
        self.buckets.remove(peer);
    }

    fn make_room(&mut self, now: Instant) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
        if self.buckets.len() >= self.most {
            // Forget whoever has used least: that gives the fewest tokens away.
            let fullest = self.buckets.iter().max_by_key(|(_, bucket)| bucket.level).map(|(peer, _)| *peer);
            if let Some(peer) = fullest {
                self.buckets.remove(&peer);
            }
        }
    }
}

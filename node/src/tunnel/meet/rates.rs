//! How often one peer may ask or tell.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pyralog_p2p::PeerId;

/// Requests of one peer in a window.
const MOST: u32 = 16;
const WINDOW: Duration = Duration::from_secs(10);
/// Peers that are counted.
const PEERS: usize = 1_024;

/// Requests of each peer in its present window.
#[derive(Debug, Default)]
pub(super) struct Rates(BTreeMap<PeerId, (Instant, u32)>);

impl Rates {
    /// Counts a request. Whether it is to be answered.
    pub(super) fn admits(&mut self, peer: PeerId, now: Instant) -> bool {
        if self.0.len() >= PEERS && !self.0.contains_key(&peer) {
            self.0.retain(|_, (began, _)| now.duration_since(*began) < WINDOW);
            if self.0.len() >= PEERS {
                return false;
            }
        }
        let (began, count) = self.0.entry(peer).or_insert((now, 0));
        if now.duration_since(*began) >= WINDOW {
            (*began, *count) = (now, 0);
        }
        *count += 1;
        *count <= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_its_number_in_each_window_and_no_more_peers_are_counted_than_are_kept() {
        let (mut rates, now, peer) = (Rates::default(), Instant::now(), PeerId::random());
        assert_eq!((0..20).filter(|_| rates.admits(peer, now)).count(), MOST as usize);
        assert!(!rates.admits(peer, now + WINDOW / 2));
        assert!(rates.admits(peer, now + WINDOW));
        assert!(rates.admits(PeerId::random(), now));
        for _ in 0..2 * PEERS {
            rates.admits(PeerId::random(), now);
        }
        assert_eq!(rates.0.len(), PEERS);
        assert!(!rates.admits(PeerId::random(), now));
        assert!(rates.admits(PeerId::random(), now + 3 * WINDOW), "old windows make place");
    }
}

//! Randomness from the seed alone. Each use has a stream of its own, so that a change in one does not shift the others.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What randomness is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Stream {
    Plan = 1,
    Network,
    Disk,
    Load,
    Mischief,
}

/// Random numbers of one stream of one seed.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64, stream: Stream) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64);
        Self(rng)
    }

    /// Evenly from `low` to `high`, both included; `low` if there is nothing between.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        if low < high { self.0.random_range(low..=high) } else { low }
    }

    /// One of `n`; 0 for none.
    pub(super) fn below(&mut self, n: usize) -> usize {
        if n > 1 { self.0.random_range(0..n) } else { 0 }
    }

    /// Yes in `of_thousand` of 1000 cases.
    pub(super) fn chance(&mut self, of_thousand: u32) -> bool {
        of_thousand > 0 && self.0.random_range(0..1000) < of_thousand
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_stream_determine_everything() {
        let draw = |seed, stream| Random::new(seed, stream).bytes(16);
        assert_eq!(draw(7, Stream::Load), draw(7, Stream::Load));
        assert_ne!(draw(7, Stream::Load), draw(7, Stream::Disk));
        assert_ne!(draw(7, Stream::Load), draw(8, Stream::Load));
    }

    #[test]
    fn bounds_are_kept() {
        let mut random = Random::new(1, Stream::Plan);
        for _ in 0..1000 {
            assert!((3..=5).contains(&random.between(3, 5)));
            assert!(random.below(4) < 4);
        }
        assert_eq!((random.between(5, 5), random.between(5, 1), random.below(0), random.below(1)), (5, 5, 0, 0));
        assert!(!random.chance(0) && random.chance(1000));
    }
}

//! Seeded mutations: the same seed, file and number give the same bytes.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Nothing larger is made, bytes.
const MAX_MADE: usize = 1 << 17;
/// Numbers that length fields, counters and indexes are tempted with.
const TEMPTING: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// Makes mutants of files.
#[derive(Debug)]
pub struct Mutator {
    rng: ChaCha8Rng,
}

impl Mutator {
    /// A mutator that always does the same.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// One to four mutations of `file`; `other` is what splices take from.
    pub fn mutate(&mut self, file: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = file.to_vec();
        for _ in 0..self.rng.random_range(1..=4) {
            self.once(&mut bytes, other);
        }
        bytes.truncate(MAX_MADE);
        bytes
    }

    fn once(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        match self.rng.random_range(0..8) {
            0 => self.flip_bit(bytes),
            1 => self.replace_byte(bytes),
            2 => self.cut_out(bytes),
            3 => bytes.truncate(self.at(bytes.len())),
            4 => self.insert(bytes),
            5 => self.splice(bytes, other),
            6 => self.inflate(bytes),
            _ => self.repeat(bytes),
        }
    }

    fn at(&mut self, length: usize) -> usize {
        self.rng.random_range(0..=length)
    }

    fn range(&mut self, length: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.at(length);
        let end = (start + self.rng.random_range(1..=most)).min(length);
        start..end
    }

    fn flip_bit(&mut self, bytes: &mut [u8]) {
        let (at, bit) = (self.at(bytes.len()), self.rng.random_range(0..8));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    fn replace_byte(&mut self, bytes: &mut [u8]) {
        let (at, value) = (self.at(bytes.len()), self.rng.random());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
    }

    fn cut_out(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes.len(), 64);
        bytes.drain(range);
    }

    fn insert(&mut self, bytes: &mut Vec<u8>) {
        let (at, count) = (self.at(bytes.len()), self.rng.random_range(1..=16));
        let mut new = vec![0; count];
        self.rng.fill_bytes(&mut new);
        bytes.splice(at..at, new);
    }

    /// Puts a piece of another file in the place of one of ours.
    fn splice(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let (to, from) = (self.range(bytes.len(), 256), self.range(other.len(), 256));
        bytes.splice(to, other[from].iter().copied());
    }

    /// Writes a tempting number over 1, 2, 4 or 8 bytes, big-endian as our codec has it or little-endian as the frame files do.
    fn inflate(&mut self, bytes: &mut [u8]) {
        let width = 1 << self.rng.random_range(0..4);
        let value = TEMPTING[self.rng.random_range(0..TEMPTING.len())];
        let at = self.at(bytes.len().saturating_sub(width));
        let mut number = value.to_be_bytes()[8 - width..].to_vec();
        if self.rng.random() {
            number.reverse();
        }
        if let Some(place) = bytes.get_mut(at..at + width) {
            place.copy_from_slice(&number);
        }
    }

    fn repeat(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes.len(), 128);
        let piece = bytes[range.clone()].to_vec();
        let times = self.rng.random_range(1..=8);
        bytes.splice(range.end..range.end, piece.repeat(times));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_gives_another() {
        let (file, other) = (vec![7; 300], vec![9; 50]);
        let run = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..200).map(|_| mutator.mutate(&file, &other)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let made = run(3);
        assert!(made.iter().any(|m| m.len() > file.len()) && made.iter().any(|m| m.len() < file.len()));
        assert!(made.iter().filter(|m| **m == file).count() < 20, "most mutants differ from the file");
        assert!(made.iter().all(|m| m.len() <= MAX_MADE));
    }

    #[test]
    fn empty_files_do_not_hurt_it() {
        let mut mutator = Mutator::new(5);
        for _ in 0..500 {
            mutator.mutate(&[], &[]);
        }
    }
}

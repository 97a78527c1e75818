//! What happened in a history: a digest of all of it, and the last steps in words.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// Steps that are kept in words.
const KEPT: usize = 120;

/// Takes every event in order. Words are made only where they are wanted, since they cost more than the history itself.
#[derive(Debug)]
pub(super) struct Trace {
    digest: Mix,
    words: Option<VecDeque<String>>,
    pub step: u64,
}

impl Trace {
    pub fn new(words: bool) -> Self {
        Self { digest: Mix(0), words: words.then(VecDeque::new), step: 0 }
    }

    pub fn note(&mut self, event: &(impl Hash + Debug)) {
        event.hash(&mut self.digest);
        if let Some(words) = &mut self.words {
            if words.len() == KEPT {
                words.pop_front();
            }
            words.push_back(format!("{:>5} {event:?}", self.step));
        }
    }

    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    pub fn words(&self) -> String {
        let lines: Vec<&str> = self.words.iter().flatten().map(String::as_str).collect();
        lines.join("\n")
    }
}

/// A hash that is the same on every machine and in every run.
#[derive(Debug)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}

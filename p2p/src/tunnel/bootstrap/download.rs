//! A key that is being fetched: half a MiB in chunks, from its owner.

use std::net::SocketAddr;
use std::time::Duration;

use pyralog_crypto::Hash;
use pyralog_crypto::kem::{STATIC_PUBLIC_KEY_BYTES, StaticPublicKey};

use super::message::CHUNK_BYTES;
use super::timing::PATIENCE;

/// Chunks of a key.
pub(super) const CHUNKS: usize = STATIC_PUBLIC_KEY_BYTES.div_ceil(CHUNK_BYTES);
/// Questions on their way for one key: at first, at least, and at most.
const WINDOW: (usize, usize, usize) = (16, 4, 64);

/// How far a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Missing,
    Asked,
    There,
}

/// A key, as far as it is there.
#[derive(Debug)]
pub(super) struct Download {
    bytes: Vec<u8>,
    chunks: Vec<Chunk>,
    there: usize,
    asked: usize,
    /// The first that may be missing.
    next: usize,
    window: usize,
    /// Answers since the window grew.
    grown: usize,
    /// Where the owner may be. Nothing while nobody wants the key.
    addresses: Vec<SocketAddr>,
    at: usize,
    /// It is given up at this time, or goes on at the next address.
    pub patience: Duration,
}

impl Download {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; STATIC_PUBLIC_KEY_BYTES],
            chunks: vec![Chunk::Missing; CHUNKS],
            there: 0,
            asked: 0,
            next: 0,
            window: WINDOW.0,
            grown: 0,
            addresses: Vec::new(),
            at: 0,
            patience: Duration::ZERO,
        }
    }

    /// Begins, or goes on, at these addresses.
    pub(super) fn begin(&mut self, now: Duration, addresses: Vec<SocketAddr>) {
        (self.addresses, self.at, self.patience) = (addresses, 0, now.saturating_add(PATIENCE));
    }

    /// Whether anybody wants it.
    pub(super) fn is_running(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Nobody wants it. What is there stays.
    pub(super) fn pause(&mut self) {
        self.addresses.clear();
        self.forget_asked();
    }

    /// Goes on at the next address after a time without progress; `false` if there is none.
    pub(super) fn turn(&mut self, now: Duration) -> bool {
        self.forget_asked();
        (self.at, self.window) = (self.at + 1, WINDOW.0);
        self.patience = now.saturating_add(PATIENCE);
        self.at < self.addresses.len()
    }

    /// The next chunk to be asked for, and where, while the window has room.
    pub(super) fn next_question(&mut self) -> Option<(SocketAddr, u16)> {
        let to = *self.addresses.get(self.at)?;
        if self.asked >= self.window {
            return None;
        }
        let number = (self.next..CHUNKS).find(|number| self.chunks[*number] == Chunk::Missing)?;
        (self.chunks[number], self.asked, self.next) = (Chunk::Asked, self.asked + 1, number + 1);
        // There are 512.
        Some((to, number as u16))
    }

    /// Takes a chunk in; `false` where its length is not that of its place.
    pub(super) fn take(&mut self, now: Duration, number: u16, bytes: &[u8], repeated: bool) -> bool {
        let number = usize::from(number);
        let begin = number * CHUNK_BYTES;
        let end = (begin + CHUNK_BYTES).min(STATIC_PUBLIC_KEY_BYTES);
        let Some(place) = self.bytes.get_mut(begin..end).filter(|place| place.len() == bytes.len()) else {
            return false;
        };
        if self.chunks[number] == Chunk::Asked {
            place.copy_from_slice(bytes);
            (self.chunks[number], self.asked, self.there) = (Chunk::There, self.asked - 1, self.there + 1);
            self.patience = now.saturating_add(PATIENCE);
            self.adapt(repeated);
        }
        true
    }

    /// A window grows by one once all of it was answered, and halves where something was lost.
    fn adapt(&mut self, lost: bool) {
        if lost {
            (self.window, self.grown) = ((self.window / 2).max(WINDOW.1), 0);
            return;
        }
        self.grown += 1;
        if self.grown >= self.window {
            (self.window, self.grown) = ((self.window + WINDOW.1).min(WINDOW.2), 0);
        }
    }

    /// Whether all is there.
    pub(super) fn is_complete(&self) -> bool {
        self.there == CHUNKS
    }

    /// The key, if this is its hash.
    pub(super) fn finish(self, hash: &Hash) -> Option<StaticPublicKey> {
        let right = blake3::hash(&self.bytes).as_bytes() == &hash.0;
        right.then(|| StaticPublicKey::from_bytes(self.bytes).ok()).flatten()
    }

    fn forget_asked(&mut self) {
        self.chunks.iter_mut().filter(|chunk| **chunk == Chunk::Asked).for_each(|chunk| *chunk = Chunk::Missing);
        (self.asked, self.next, self.grown) = (0, 0, 0);
    }
}

//! Peers heard of, each by the record it signed itself (libp2p RFC 0002 and 0003), newest sequence number wins.

use std::collections::BTreeMap;

use libp2p::{
    Multiaddr, PeerId,
    core::{PeerRecord, SignedEnvelope},
};

use crate::Error;

use super::address::is_dialable;

#[cfg(test)]
mod tests;

/// First byte of a snapshot.
const VERSION: u8 = 1;
/// Longest signed record kept, in bytes. Identify itself allows 4,096 for its whole message.
const MAX_RECORD_BYTES: usize = 4_096;
/// Most addresses kept of one peer.
const MAX_ADDRESSES: usize = 16;
/// Most records in any snapshot, whatever the configured size of the book.
const MAX_SNAPSHOT_RECORDS: usize = 1 << 16;

#[derive(Clone, Debug)]
struct Entry {
    envelope: Vec<u8>,
    sequence: u64,
    addresses: Vec<Multiaddr>,
    /// Higher is more recent; counts insertions and meetings, not time.
    heard: u64,
}

/// A bounded set of signed peer records. Nothing unsigned gets in, and nobody can speak for another peer.
///
/// Snapshot (big-endian): version byte 1, `u32` count, then per record `u32` length and the protobuf of the signed
/// envelope; the most recently heard peer first.
#[derive(Debug)]
pub(crate) struct AddressBook {
    most: usize,
    loopback: bool,
    clock: u64,
    entries: BTreeMap<PeerId, Entry>,
}

impl AddressBook {
    /// An empty book for at most `most` peers; `loopback` says whether loopback addresses count.
    pub(crate) fn new(most: usize, loopback: bool) -> Self {
        Self { most: most.max(1), loopback, clock: 0, entries: BTreeMap::new() }
    }

    /// Adds a record, or refreshes the peer's place where the stored one is as new. Returns the peer where the record
    /// is valid and names an address worth dialling.
    pub(crate) fn insert(&mut self, envelope: SignedEnvelope) -> Option<PeerId> {
        let record = PeerRecord::from_signed_envelope(envelope).ok()?;
        let peer = record.peer_id();
        let addresses: Vec<Multiaddr> = record
            .addresses()
            .iter()
            .filter(|address| is_dialable(address, self.loopback))
            .take(MAX_ADDRESSES)
            .cloned()
            .collect();
        let sequence = record.seq();
        let envelope = record.into_signed_envelope().into_protobuf_encoding();
        if addresses.is_empty() || envelope.len() > MAX_RECORD_BYTES {
            return None;
        }
        self.clock += 1;
        match self.entries.get_mut(&peer) {
            Some(known) if known.sequence >= sequence => known.heard = self.clock,
            _ => {
                if !self.entries.contains_key(&peer) && self.entries.len() >= self.most {
                    self.forget_oldest();
                }
                self.entries.insert(peer, Entry { envelope, sequence, addresses, heard: self.clock });
            }
        }
        Some(peer)
    }

    /// The peer's addresses, none where it is unknown.
    pub(crate) fn addresses(&self, peer: &PeerId) -> &[Multiaddr] {
        self.entries.get(peer).map_or(&[], |entry| &entry.addresses)
    }

    /// Known peers, the most recently heard first.
    pub(crate) fn peers(&self) -> Vec<PeerId> {
        let mut peers: Vec<_> = self.entries.iter().map(|(peer, entry)| (entry.heard, *peer)).collect();
        peers.sort_unstable_by(|a, b| b.cmp(a));
        peers.into_iter().map(|(_, peer)| peer).collect()
    }

    /// Forgets a peer.
    pub(crate) fn remove(&mut self, peer: &PeerId) {
        self.entries.remove(peer);
    }

    /// How many peers are known.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The snapshot.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let peers = self.peers();
        let mut bytes = vec![VERSION];
        // Bounded by `most` and by the records' own cap, so neither count nor length can exceed a u32.
        bytes.extend((peers.len().min(MAX_SNAPSHOT_RECORDS) as u32).to_be_bytes());
        for entry in peers.iter().take(MAX_SNAPSHOT_RECORDS).filter_map(|peer| self.entries.get(peer)) {
            bytes.extend((entry.envelope.len() as u32).to_be_bytes());
            bytes.extend(&entry.envelope);
        }
        bytes
    }

    /// Reads a snapshot. Every signature is checked again; of more than `most` peers the most recent are kept.
    pub(crate) fn decode(bytes: &[u8], most: usize, loopback: bool) -> Result<Self, Error> {
        let mut input = Input(bytes);
        let version = input.take(1)?[0];
        if version != VERSION {
            return Err(bad(format!("version {version}, this build reads {VERSION}")));
        }
        let count = input.length(MAX_SNAPSHOT_RECORDS)?;
        let mut envelopes = Vec::new();
        for _ in 0..count {
            let length = input.length(MAX_RECORD_BYTES)?;
            let envelope = SignedEnvelope::from_protobuf_encoding(input.take(length)?)
                .map_err(|error| bad(format!("record: {error}")))?;
            if envelopes.len() < most {
                envelopes.push(envelope);
            }
        }
        if !input.0.is_empty() {
            return Err(bad(format!("{} trailing bytes", input.0.len())));
        }
        let mut book = Self::new(most, loopback);
        // Least recent first, so that the order of hearing is the same again.
        for envelope in envelopes.into_iter().rev() {
            book.insert(envelope);
        }
        Ok(book)
    }

    fn forget_oldest(&mut self) {
        if let Some(peer) = self.entries.iter().min_by_key(|(_, entry)| entry.heard).map(|(peer, _)| *peer) {
            self.entries.remove(&peer);
        }
    }
}

/// Reads a snapshot for its errors alone: the entry for fuzzers.
///
/// # Errors
/// Another version, counts or lengths over their caps, records that do not parse, missing or trailing bytes.
pub fn check_address_book(bytes: &[u8]) -> Result<usize, Error> {
    AddressBook::decode(bytes, MAX_SNAPSHOT_RECORDS, true).map(|book| book.len())
}

fn bad(reason: impl Into<String>) -> Error {
    Error::AddressBook(reason.into())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(|| bad("ends early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn length(&mut self, most: usize) -> Result<usize, Error> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        let length = u32::from_be_bytes(bytes) as usize;
        if length > most {
            return Err(bad(format!("a length of {length} is over {most}")));
        }
        Ok(length)
    }
}

//! The newest record of each peer.

use std::collections::BTreeMap;

use libp2p::PeerId;
use pyralog_crypto::{Encode, Reader, Writer, error::CodecError};

use super::{TunnelKey, record::SignedPeerRecord};
use crate::RecordError;

#[cfg(test)]
#[path = "records_test.rs"]
mod tests;

/// Most records of any snapshot.
const MAX_SNAPSHOT_RECORDS: usize = 1 << 16;

/// What a record changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// The peer was not known.
    New,
    /// An older record was replaced; if its WireGuard key was another, that one is this peer's no more.
    Newer {
        /// The record before.
        before: Box<SignedPeerRecord>,
    },
    /// The same record is known.
    Same,
    /// A newer one is known: nothing changed.
    Older,
}

/// A bounded set of verified records, one for each peer. An older record never replaces a newer one.
///
/// A record proves who signed it, and not that the signer holds the WireGuard key in it: two peers can name the same one
/// ([`PeerRecords::claimants`]). Who is at the tunnel's other end is what libp2p's handshake inside says.
///
/// Snapshot: version byte 1, list of signed records in ascending order of peer ids.
#[derive(Clone, Debug)]
pub struct PeerRecords {
    network: String,
    most: usize,
    records: BTreeMap<PeerId, SignedPeerRecord>,
}

impl PeerRecords {
    const VERSION: u8 = 1;

    /// An empty book for at most `most` peers of a network.
    #[must_use]
    pub fn new(network: impl Into<String>, most: usize) -> Self {
        Self { network: network.into(), most: most.min(MAX_SNAPSHOT_RECORDS), records: BTreeMap::new() }
    }

    /// Reads, verifies and takes a record.
    ///
    /// # Errors
    /// [`RecordError::Invalid`], [`RecordError::Signature`], [`RecordError::Conflict`], and [`RecordError::Full`] for an
    /// unknown peer.
    pub fn insert(&mut self, bytes: &[u8]) -> Result<(PeerId, RecordChange), RecordError> {
        let signed = SignedPeerRecord::verify(bytes, &self.network)?;
        let (peer, sequence) = (signed.peer(), signed.record().sequence);
        let full = self.records.len() >= self.most;
        let change = match self.records.get_mut(&peer) {
            None if full => return Err(RecordError::Full { most: self.most }),
            None => {
                self.records.insert(peer, signed);
                RecordChange::New
            }
            Some(known) if known.record().sequence < sequence => {
                RecordChange::Newer { before: Box::new(std::mem::replace(known, signed)) }
            }
            Some(known) if known.record().sequence > sequence => RecordChange::Older,
            Some(known) if known.record() == signed.record() => RecordChange::Same,
            Some(_) => return Err(RecordError::Conflict { peer, sequence }),
        };
        Ok((peer, change))
    }

    /// The record of a peer.
    #[must_use]
    pub fn get(&self, peer: &PeerId) -> Option<&SignedPeerRecord> {
        self.records.get(peer)
    }

    /// The peers that name a WireGuard key as theirs.
    pub fn claimants(&self, key: TunnelKey) -> impl Iterator<Item = &SignedPeerRecord> {
        self.records.values().filter(move |signed| signed.record().tunnel == key)
    }

    /// All records, by peer id.
    pub fn iter(&self) -> impl Iterator<Item = &SignedPeerRecord> {
        self.records.values()
    }

    /// Forgets a peer.
    pub fn remove(&mut self, peer: &PeerId) -> Option<SignedPeerRecord> {
        self.records.remove(peer)
    }

    /// How many peers are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The snapshot.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let records: Vec<_> = self.records.values().collect();
        let mut out = Writer::new();
        out.u8(Self::VERSION).list(&records, |out, record| {
            out.put(*record);
        });
        out.into_bytes()
    }

    /// Reads a snapshot and verifies each record again.
    ///
    /// # Errors
    /// As [`PeerRecords::insert`]; a snapshot with one bad record is refused as a whole.
    pub fn decode(bytes: &[u8], network: impl Into<String>, most: usize) -> Result<Self, RecordError> {
        let mut book = Self::new(network, most);
        let mut input = Reader::new(bytes);
        input.version("peer records", Self::VERSION)?;
        let records: Vec<SignedPeerRecord> = input.list(book.most, Reader::get)?;
        input.finish()?;
        let mut last = None;
        for signed in records {
            if last.is_some_and(|last| last >= signed.peer()) {
                return Err(CodecError::Invalid { what: "peer records", why: "not in ascending order" }.into());
            }
            last = Some(signed.peer());
            book.insert(&signed.to_bytes())?;
        }
        Ok(book)
    }
}

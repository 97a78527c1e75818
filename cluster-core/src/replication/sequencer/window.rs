//! The entries of a sequencer that are not known good yet.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::rule::{Rule, broken};
use super::super::{Content, Entry, MAX_UNACKNOWLEDGED, MAX_UNACKNOWLEDGED_BYTES, MemberId, Precedence};

/// From the number behind last known good to the last one that was given.
#[derive(Debug, Default)]
pub(super) struct Window {
    entries: BTreeMap<u64, Unacknowledged>,
    bytes: usize,
    last: u64,
    known_good: u64,
}

#[derive(Debug)]
struct Unacknowledged {
    payload: Bytes,
    wave: u32,
    stored: BTreeSet<MemberId>,
    acknowledged: bool,
}

impl Window {
    #[cfg(test)]
    pub fn resumed(known_good: u64) -> Self {
        Self { last: known_good, known_good, ..Self::default() }
    }

    /// Gives the payload the next number, or `None` where too much is open.
    pub fn push(&mut self, payload: Bytes) -> Option<u64> {
        let open = self.last - self.known_good;
        let bytes = self.bytes.saturating_add(payload.len());
        if open >= MAX_UNACKNOWLEDGED as u64 || (bytes > MAX_UNACKNOWLEDGED_BYTES && !self.entries.is_empty()) {
            return None;
        }
        self.last = self.last.checked_add(1)?;
        self.bytes = bytes;
        let stored = BTreeSet::new();
        self.entries.insert(self.last, Unacknowledged { payload, wave: 0, stored, acknowledged: false });
        Some(self.last)
    }

    /// The next wave of an entry that is not acknowledged.
    pub fn wave(&mut self, number: u64) -> Option<(u32, Entry)> {
        let entry = self.entries.get_mut(&number).filter(|entry| !entry.acknowledged)?;
        entry.wave = entry.wave.saturating_add(1);
        let content = Content::Record(entry.payload.clone());
        Some((entry.wave, Entry { content, precedence: Precedence::Wave(entry.wave) }))
    }

    /// The first numbers that are not acknowledged.
    pub fn open(&self, most: usize) -> Vec<u64> {
        let open = self.entries.iter().filter(|(_, entry)| !entry.acknowledged);
        open.map(|(number, _)| *number).take(most).collect()
    }

    /// The member has a copy.
    pub fn stored(&mut self, number: u64, member: MemberId) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.stored.insert(member);
        }
    }

    /// Members that have a copy.
    pub fn copies(&self, number: u64) -> usize {
        self.entries.get(&number).map_or(0, |entry| entry.stored.len())
    }

    /// Acknowledges what has so many copies: the numbers.
    pub fn acknowledge(&mut self, copies: usize) -> Vec<u64> {
        let mut acknowledged = Vec::new();
        for (number, entry) in &mut self.entries {
            if !entry.acknowledged && entry.stored.len() >= copies {
                entry.acknowledged = true;
                acknowledged.push(*number);
            }
        }
        self.settle();
        acknowledged
    }

    /// Everything up to here has its copies.
    pub fn known_good(&self) -> u64 {
        self.known_good
    }

    /// Rule 11.
    fn settle(&mut self) {
        if broken(Rule::KnownGoodSkips) {
            let highest = self.entries.iter().rfind(|(_, entry)| entry.acknowledged).map(|(number, _)| *number);
            self.known_good = self.known_good.max(highest.unwrap_or(0));
            return;
        }
        while let Some(first) = self.entries.first_entry().filter(|first| first.get().acknowledged) {
            self.known_good = *first.key();
            self.bytes -= first.remove().payload.len();
        }
    }
}

#[cfg(test)]
mod tests;

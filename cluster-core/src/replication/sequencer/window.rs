//! The entries of a sequencer that are not known good yet.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::rule::{Rule, broken};
use super::super::{
    AckMode, Content, Entry, MAX_UNACKNOWLEDGED, MAX_UNACKNOWLEDGED_BYTES, MemberId, Precedence, ProducerId,
};

/// Ticks after which an entry is sent a second time.
const FIRST_PATIENCE: u32 = 8;
/// How often that time doubles.
const MAX_DOUBLINGS: u32 = 3;

/// From the number behind last known good to the last one that was given.
#[derive(Debug, Default)]
pub(super) struct Window {
    entries: BTreeMap<u64, Unacknowledged>,
    /// Of each producer, the numbers that are not acknowledged.
    waiting: BTreeMap<ProducerId, BTreeSet<u64>>,
    /// Numbers that were not looked at since something about them changed.
    changed: BTreeSet<u64>,
    bytes: usize,
    last: u64,
    known_good: u64,
}

#[derive(Debug)]
struct Unacknowledged {
    payload: Bytes,
    producer: Option<ProducerId>,
    wave: u32,
    /// Ticks since the last wave.
    age: u32,
    mode: AckMode,
    /// Members that have it in memory, or had.
    received: BTreeSet<MemberId>,
    stored: BTreeSet<MemberId>,
    /// It is durable for good.
    acknowledged: bool,
    /// Whoever appended it has been told, as its mode says.
    told: bool,
}

/// One wave of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wave {
    pub number: u32,
    pub entry: Entry,
    /// Whether members are to say that they received it.
    pub early: bool,
}

impl Unacknowledged {
    /// Whether it is as safe as its mode says. Copies in memory do for nothing else.
    fn is_safe(&self, copies: usize) -> bool {
        match self.mode {
            AckMode::Durable if broken(Rule::AckOfMemory) => self.received.len() >= copies,
            AckMode::Durable => self.acknowledged,
            AckMode::Replicated => self.acknowledged || self.received.len() >= copies,
            AckMode::Cached => !self.received.is_empty(),
        }
    }
}

impl Window {
    #[cfg(test)]
    pub fn resumed(known_good: u64) -> Self {
        Self { last: known_good, known_good, ..Self::default() }
    }

    /// Gives the payload the next number, or `None` where too much is open.
    pub fn push(&mut self, payload: Bytes, producer: Option<ProducerId>, mode: AckMode) -> Option<u64> {
        let open = self.last - self.known_good;
        let bytes = self.bytes.saturating_add(payload.len());
        if open >= MAX_UNACKNOWLEDGED as u64 || (bytes > MAX_UNACKNOWLEDGED_BYTES && !self.entries.is_empty()) {
            return None;
        }
        self.last = self.last.checked_add(1)?;
        self.bytes = bytes;
        let (received, stored) = (BTreeSet::new(), BTreeSet::new());
        let (wave, age, acknowledged, told) = (0, 0, false, false);
        let entry = Unacknowledged { payload, producer, wave, age, mode, received, stored, acknowledged, told };
        self.entries.insert(self.last, entry);
        if let Some(producer) = producer {
            self.waiting.entry(producer).or_default().insert(self.last);
        }
        Some(self.last)
    }

    /// The next wave of an entry that is not acknowledged.
    pub fn wave(&mut self, number: u64) -> Option<Wave> {
        let entry = self.entries.get_mut(&number).filter(|entry| !entry.acknowledged)?;
        (entry.wave, entry.age) = (entry.wave.saturating_add(1), 0);
        let content = Content::Record(entry.payload.clone());
        let early = (entry.mode != AckMode::Durable || broken(Rule::AckOfMemory)) && !entry.told;
        Some(Wave { number: entry.wave, entry: Entry { content, precedence: Precedence::Wave(entry.wave) }, early })
    }

    /// Somebody else wants to hear of the entry, when it is so safe.
    pub fn want(&mut self, number: u64, mode: AckMode) {
        if let Some(entry) = self.entries.get_mut(&number).filter(|entry| !entry.acknowledged) {
            (entry.mode, entry.told) = (entry.mode.min(mode), false);
            self.changed.insert(number);
        }
    }

    /// Some time has passed: the first numbers that are not acknowledged and were sent long ago, the longer the more often they were. About `bytes` bytes of
    /// them: whoever is slow is not made slower.
    pub fn due(&mut self, most: usize, bytes: usize) -> Vec<u64> {
        let (mut due, mut left) = (Vec::new(), bytes);
        for (number, entry) in self.entries.iter_mut().filter(|(_, entry)| !entry.acknowledged) {
            entry.age = entry.age.saturating_add(1);
            let patience = FIRST_PATIENCE << entry.wave.saturating_sub(1).min(MAX_DOUBLINGS);
            if entry.age >= patience && due.len() < most && (left > 0 || due.is_empty()) {
                left = left.saturating_sub(entry.payload.len());
                due.push(*number);
            }
        }
        due
    }

    /// Whether the member is known to have a copy.
    pub fn has(&self, number: u64, member: MemberId) -> bool {
        self.entries.get(&number).is_some_and(|entry| entry.stored.contains(&member))
    }

    /// The member has a copy.
    pub fn stored(&mut self, number: u64, member: MemberId) {
        if let Some(entry) = self.entries.get_mut(&number) {
            let received = entry.received.insert(member);
            if entry.stored.insert(member) || received {
                self.changed.insert(number);
            }
        }
    }

    /// Members that have a copy.
    pub fn copies(&self, number: u64) -> usize {
        self.entries.get(&number).map_or(0, |entry| entry.stored.len())
    }

    /// The member has a copy in memory.
    pub fn received(&mut self, number: u64, member: MemberId) {
        if let Some(entry) = self.entries.get_mut(&number)
            && entry.received.insert(member)
        {
            self.changed.insert(number);
        }
    }

    /// Acknowledges what has so many copies, always as many, and the records of one producer in order: the numbers of those whose appenders hear of it
    /// now, rising, and how safe they are. Looks at what has changed since the last time, and at what waited for it.
    pub fn acknowledge(&mut self, copies: usize) -> Vec<(u64, AckMode)> {
        let mut told = Vec::new();
        // What waits for a number stands behind it.
        while let Some(number) = self.changed.pop_first() {
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            let first = entry.producer.and_then(|producer| self.waiting.get(&producer)?.first());
            let in_order = first.is_none_or(|first| *first == number) || broken(Rule::ProducerOutOfOrder);
            if !entry.acknowledged && entry.stored.len() >= copies && in_order {
                entry.acknowledged = true;
                let next = entry.producer.and_then(|producer| pass(&mut self.waiting, producer, number));
                self.changed.extend(next);
            }
            if !entry.told && entry.is_safe(copies) {
                entry.told = true;
                let mode = if entry.acknowledged { AckMode::Durable } else { entry.mode };
                told.push((number, mode));
            }
        }
        self.settle();
        told
    }

    /// Whether the number is durable for good.
    pub fn is_acknowledged(&self, number: u64) -> bool {
        number <= self.known_good || self.entries.get(&number).is_some_and(|entry| entry.acknowledged)
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

/// The number of the producer is acknowledged: the first one that is not.
fn pass(waiting: &mut BTreeMap<ProducerId, BTreeSet<u64>>, producer: ProducerId, number: u64) -> Option<u64> {
    let numbers = waiting.get_mut(&producer)?;
    numbers.remove(&number);
    let next = numbers.first().copied();
    if next.is_none() {
        waiting.remove(&producer);
    }
    next
}

#[cfg(test)]
mod tests;

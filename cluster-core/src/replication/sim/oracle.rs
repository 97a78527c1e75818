//! The invariants.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    Content, Epoch, Fence, Lsn, MemberId, MemberState, Message, Metadata, Payload, Precedence, Stamp, Verdict,
};

/// Which invariant a history has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Invariant {
    /// What was acknowledged is read, unchanged.
    AcknowledgedIsRead,
    /// No two readers see different things at a position.
    ReadersAgree,
    /// No position is lost, since no disk is.
    NoGap,
    /// What is read was appended there.
    NothingInvented,
    /// One acknowledged value per position.
    OneValue,
    /// A record of a producer is acknowledged at one position, and counts there.
    AcknowledgedOnce,
    /// Whoever sends a record again hears of it.
    ProducerKnown,
    /// What is appended after an acknowledgement stands behind it.
    RealTimeOrder,
    /// Nobody stores, or says anything else that helps an epoch or a recovery, below the seal that it confirmed.
    NothingBelowSeal,
    /// Epochs are given once; epoch, last clean epoch, seal and release only rise.
    Monotonic,
    /// Nothing is released before all earlier epochs are clean.
    ReleasedIsClean,
    /// When everything heals, the last sequencer gets clean, everything it acknowledged can be read, and every append is answered.
    Liveness,
}

impl Invariant {
    /// Whether clients see that it is broken, as they append and read.
    fn is_seen_by_clients(self) -> bool {
        !matches!(self, Self::NothingBelowSeal | Self::Monotonic | Self::ReleasedIsClean | Self::Liveness)
    }
}

/// A broken invariant, with what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub invariant: Invariant,
    pub what: String,
}

/// Remembers everything that anybody was told.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// Of each record: the highest position that was acknowledged when it was appended.
    floors: BTreeMap<u64, Lsn>,
    accepted: BTreeSet<(Lsn, u64)>,
    acknowledged: BTreeMap<Lsn, u64>,
    /// Where the records of producers are.
    stamped: BTreeMap<Stamp, Lsn>,
    /// What was told before it was durable: it may be lost.
    told: BTreeMap<Lsn, u64>,
    highest: Lsn,
    read: BTreeMap<Lsn, Verdict>,
    seals: BTreeMap<MemberId, Fence>,
    releases: BTreeMap<MemberId, Lsn>,
    store: (Epoch, Epoch),
    taken: Epoch,
    violation: Option<Violation>,
    clients_only: bool,
}

impl Oracle {
    /// `clients_only`: what clients do not see does not count.
    pub fn new(clients_only: bool) -> Self {
        Self { clients_only, ..Self::default() }
    }

    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Only the first one counts.
    pub fn violate(&mut self, invariant: Invariant, what: String) {
        if self.clients_only && !invariant.is_seen_by_clients() {
            return;
        }
        self.violation.get_or_insert(Violation { invariant, what });
    }

    pub fn appended(&mut self, record: u64) {
        self.floors.insert(record, self.highest);
    }

    pub fn accepted(&mut self, lsn: Lsn, record: u64) {
        self.accepted.insert((lsn, record));
    }

    /// `own`: by the sequencer that numbered it. Another one finds it where a preempted sequencer has put it.
    pub fn acknowledged(&mut self, lsn: Lsn, record: u64, own: bool) {
        if let Some(other) = self.acknowledged.insert(lsn, record).filter(|other| *other != record) {
            self.violate(Invariant::OneValue, format!("{lsn:?}: {other} and {record} were acknowledged"));
        }
        let floor = self.floors.get(&record).copied().unwrap_or_default();
        if lsn <= floor && own {
            self.violate(
                Invariant::RealTimeOrder,
                format!("{record} at {lsn:?} was appended after {floor:?} was acknowledged"),
            );
        }
        self.highest = self.highest.max(lsn);
        if let Some(verdict) = self.read.get(&lsn).cloned() {
            self.compare(lsn, &verdict);
        }
    }

    /// A record was acknowledged before it was durable.
    pub fn told(&mut self, lsn: Lsn, record: u64) {
        self.told.insert(lsn, record);
    }

    /// How many such records there are, and how many of them were lost.
    pub fn early(&self) -> (usize, usize) {
        let is_lost = |(lsn, record): &(&Lsn, &u64)| {
            let read = self.read.get(lsn);
            read.is_some_and(
                |verdict| !matches!(verdict, Verdict::Found(Content::Record(bytes)) if record_of(bytes) == **record),
            )
        };
        (self.told.len(), self.told.iter().filter(is_lost).count())
    }

    /// A record of a producer was acknowledged.
    pub fn stamped(&mut self, lsn: Lsn, stamp: Stamp) {
        if let Some(before) = self.stamped.insert(stamp, lsn).filter(|before| *before != lsn) {
            self.violate(Invariant::AcknowledgedOnce, format!("{stamp:?} is at {before:?} and at {lsn:?}"));
        }
    }

    /// Positions whose records do not count.
    pub fn void(&mut self, void: &[Lsn]) {
        let lost = self.stamped.iter().find(|(_, lsn)| void.contains(lsn));
        if let Some(what) = lost.map(|lost| format!("does not count, and was acknowledged: {lost:?}")) {
            self.violate(Invariant::AcknowledgedOnce, what);
        }
    }

    pub fn read(&mut self, lsn: Lsn, verdict: &Verdict) {
        if let Some(before) = self.read.get(&lsn).filter(|before| *before != verdict) {
            self.violate(Invariant::ReadersAgree, format!("{lsn:?}: {before:?}, then {verdict:?}"));
        }
        self.read.insert(lsn, verdict.clone());
        self.compare(lsn, verdict);
        match verdict {
            Verdict::Gap => self.violate(Invariant::NoGap, format!("a gap at {lsn:?}")),
            Verdict::Found(Content::Record(bytes)) => {
                let record = record_of(bytes);
                if !self.accepted.contains(&(lsn, record)) {
                    self.violate(Invariant::NothingInvented, format!("{record} was not appended at {lsn:?}"));
                }
            }
            Verdict::Found(_) => {}
        }
    }

    fn compare(&mut self, lsn: Lsn, verdict: &Verdict) {
        let Some(record) = self.acknowledged.get(&lsn) else { return };
        if !matches!(verdict, Verdict::Found(Content::Record(bytes)) if record_of(bytes) == *record) {
            let what = format!("{record} was acknowledged at {lsn:?} and read as {verdict:?}");
            self.violate(Invariant::AcknowledgedIsRead, what);
        }
    }

    /// The first acknowledged position that was never read.
    pub fn unread(&self) -> Option<Lsn> {
        self.acknowledged.keys().find(|lsn| !self.read.contains_key(lsn)).copied()
    }

    pub fn acknowledgements(&self) -> usize {
        self.acknowledged.len()
    }

    /// Positions that were read.
    pub fn positions(&self) -> Vec<Lsn> {
        self.read.keys().copied().collect()
    }

    pub fn taken(&mut self, metadata: &Metadata) {
        if metadata.epoch <= self.taken {
            self.violate(Invariant::Monotonic, format!("{:?} was taken after {:?}", metadata.epoch, self.taken));
        }
        self.taken = metadata.epoch;
    }

    pub fn store(&mut self, metadata: &Metadata) {
        let (epoch, clean) = self.store;
        if metadata.epoch < epoch || metadata.last_clean < clean || metadata.last_clean.0 > clean.0 + 1 {
            self.violate(Invariant::Monotonic, format!("the epoch store went from {:?} to {metadata:?}", self.store));
        }
        self.store = (metadata.epoch, metadata.last_clean);
    }

    /// A member says something.
    pub fn said(&mut self, member: MemberId, message: &Message) {
        let seal = self.seals.entry(member).or_default();
        let (kept, fence) = match message {
            Message::Stored { lsn, precedence: Precedence::Wave(_) } => (lsn.epoch > seal.epoch, None),
            Message::Sealed { fence } => (*fence >= *seal, Some(*fence)),
            Message::Stored { precedence: Precedence::Recovery(fence), .. }
            | Message::Digested { fence, .. }
            | Message::Cleaned { fence, .. } => (*fence >= *seal, Some(*fence)),
            _ => return,
        };
        let before = *seal;
        *seal = (*seal).max(fence.unwrap_or_default());
        if !kept {
            self.violate(
                Invariant::NothingBelowSeal,
                format!("{member:?} has confirmed {before:?} and says {message:?}"),
            );
        }
    }

    /// What a member would know after a crash.
    pub fn state(&mut self, member: MemberId, state: &MemberState) {
        let released = self.releases.entry(member).or_default();
        let before = std::mem::replace(released, state.released());
        let epoch = state.released().epoch.previous();
        if epoch > self.store.1 {
            let what = format!("{member:?} has released {:?}, clean is {:?}", state.released(), self.store.1);
            self.violate(Invariant::ReleasedIsClean, what);
        }
        if state.released() < before {
            self.violate(
                Invariant::Monotonic,
                format!("{member:?} went back from {before:?} to {:?}", state.released()),
            );
        }
    }
}

/// The number that a record of the simulator is.
pub(super) fn record_of(payload: &bytes::Bytes) -> u64 {
    let record = Payload::unwrap(payload).map(|(_, record)| record).unwrap_or_default();
    record.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

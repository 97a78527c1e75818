//! Which records of which producers a partition has: a retry gets the first answer.

mod codec;

use std::collections::{BTreeMap, VecDeque};

use super::rule::{Rule, broken};
use super::{Content, Epoch, Lsn, Payload, Stamp};

/// Producers that a partition knows, at most. One more makes it forget the one whose last record is the oldest.
pub const MAX_PRODUCERS: usize = 4096;
/// Last records of each producer whose positions are known. A producer that has no more of them unanswered at any time always gets its
/// answers; Kafka's clients keep to the same number.
pub const MAX_PRODUCER_RECORDS: usize = 5;

/// A producer: the position of the record that opened it. So an id that was forgotten never comes up again, and a retry that opens a
/// second producer does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub Lsn);

/// What a record of a producer is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The next one.
    Fresh,
    /// It is there.
    Duplicate {
        /// Where.
        lsn: Lsn,
        /// Offset of the first record in it; `None` as long as nobody has said it.
        offset: Option<u64>,
    },
    /// One before it is missing.
    Gap {
        /// The sequence number that is next.
        expected: u64,
    },
    /// The producer was never opened or is forgotten, or the record is older than the last [`MAX_PRODUCER_RECORDS`] of it.
    UnknownProducer,
}

/// What became of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Folded {
    /// A record that counts, or no record at all.
    Counts,
    /// A record of a producer that was not next: it was never acknowledged as durable, and gets no offset.
    Void,
    /// Another position is next; nothing was changed.
    NotNext,
}

/// The producers of a partition as of one position. It is folded over what is released, in order, so that all who fold it have the same.
///
/// **Why no record counts twice.** Whoever numbers records has folded all epochs before its own, and adds what it accepts, so it accepts only
/// what is next. A recovery may lose the end of an epoch in pieces: the record behind a lost one is void here, and was not
/// acknowledged, since a sequencer acknowledges the records of a producer in order. Whoever sent it sends both again.
///
/// **Order.** A record that was sent to a preempted sequencer and survived keeps its position there, so a retry may be told of one before
/// something that was acknowledged meanwhile. Nobody can have read that before the recovery that decided both.
///
/// **Why the sequencer's view is as good as the fold.** Where an accepted record is lost, the fold sees fewer records of other producers
/// between two of one producer, so it forgets no producer that the sequencer still knew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Producers {
    next: Lsn,
    known: BTreeMap<ProducerId, Known>,
    /// Position of the last record of each.
    by_age: BTreeMap<Lsn, ProducerId>,
    most: usize,
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Known {
    last: u64,
    /// Where the last records are, rising; never empty.
    recent: VecDeque<Place>,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    lsn: Lsn,
    /// What a sequencer numbers itself has none before it is answered.
    offset: Option<u64>,
}

impl Default for Producers {
    fn default() -> Self {
        let next = Lsn::new(Epoch(1), 1);
        Self { next, known: BTreeMap::new(), by_age: BTreeMap::new(), most: MAX_PRODUCERS }
    }
}

impl Producers {
    /// None, and a lower bound than usual.
    #[cfg(test)]
    pub(super) fn bounded(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// The position that is folded next.
    #[must_use]
    pub fn next(&self) -> Lsn {
        self.next
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What a record with this stamp would be.
    #[must_use]
    pub fn standing(&self, stamp: Stamp) -> Standing {
        let Some(known) = self.known.get(&stamp.producer) else { return Standing::UnknownProducer };
        if known.last.checked_add(1) == Some(stamp.sequence) {
            return Standing::Fresh;
        }
        match known.last.checked_sub(stamp.sequence) {
            // Nothing is behind the last number there is.
            None => Standing::Gap { expected: known.last + 1 },
            Some(back) => {
                let place = usize::try_from(back).ok().and_then(|back| known.recent.len().checked_sub(1 + back));
                let place = place.and_then(|place| known.recent.get(place));
                place.map_or(Standing::UnknownProducer, |Place { lsn, offset }| Standing::Duplicate {
                    lsn: *lsn,
                    offset: *offset,
                })
            }
        }
    }

    /// Takes over what stands at the next position; final, as a reader found it. `offset` is that of its first record, if it counts: as many records that
    /// count are before it.
    pub fn fold(&mut self, lsn: Lsn, content: &Content, offset: u64) -> Folded {
        if lsn != self.next {
            return Folded::NotNext;
        }
        let following = match content {
            Content::Bridge => lsn.epoch.next().map(|epoch| Lsn::new(epoch, 1)),
            Content::Record(_) | Content::Hole => lsn.number.checked_add(1).map(|number| Lsn::new(lsn.epoch, number)),
        };
        self.next = following.unwrap_or(lsn);
        match content {
            Content::Record(payload) => match Payload::unwrap(payload) {
                Some((kind, _)) => self.add(Place { lsn, offset: Some(offset) }, kind),
                None => Folded::Counts,
            },
            Content::Hole | Content::Bridge => Folded::Counts,
        }
    }

    /// Adds a record behind all that are known, whatever stands between; its offset is not known yet.
    pub(super) fn accept(&mut self, lsn: Lsn, kind: Payload) -> Folded {
        self.add(Place { lsn, offset: None }, kind)
    }

    /// A record that was accepted has this offset, and its client was told so. Nothing changes where it is forgotten.
    pub(super) fn placed(&mut self, producer: ProducerId, lsn: Lsn, offset: u64) {
        let known = self.known.get_mut(&producer);
        if let Some(place) = known.and_then(|known| known.recent.iter_mut().find(|place| place.lsn == lsn)) {
            place.offset = Some(offset);
        }
    }

    fn add(&mut self, place: Place, kind: Payload) -> Folded {
        let lsn = place.lsn;
        match kind {
            Payload::Plain => {}
            Payload::Open => {
                self.touch(ProducerId(lsn), Known { last: 0, recent: VecDeque::from([place]) }, lsn);
            }
            Payload::Stamped(stamp) => {
                let fresh = self.standing(stamp) == Standing::Fresh;
                let gap = matches!(self.standing(stamp), Standing::Gap { .. }) && broken(Rule::GapFolded);
                let Some(mut known) = self.known.get(&stamp.producer).filter(|_| fresh || gap).cloned() else {
                    return Folded::Void;
                };
                if let Some(last) = known.recent.back() {
                    self.by_age.remove(&last.lsn);
                }
                known.last = stamp.sequence;
                known.recent.push_back(place);
                if known.recent.len() > MAX_PRODUCER_RECORDS {
                    known.recent.pop_front();
                }
                self.touch(stamp.producer, known, lsn);
            }
        }
        Folded::Counts
    }

    fn touch(&mut self, producer: ProducerId, known: Known, lsn: Lsn) {
        self.known.insert(producer, known);
        self.by_age.insert(lsn, producer);
        while self.known.len() > self.most {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;

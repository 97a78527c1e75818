//! The writing side: one epoch of one partition.

mod io;
mod window;

use std::collections::BTreeSet;

use bytes::Bytes;

use super::recovery::{Recovery, RecoveryEffect};
use super::rule::{Rule, broken};
use super::{
    AckMode, Command, Epoch, Fence, Lsn, MAX_PAYLOAD_BYTES, MemberId, Message, Metadata, NodeSet, Payload, Precedence,
    ProducerId, Producers, Standing,
};
pub use io::{Refusal, SequencerEffect, SequencerInput};
use window::{Wave, Window};

/// Entries that are sent again at one tick, at most.
const WAVES: usize = 64;
/// About the bytes of them.
const WAVES_BYTES: usize = 1 << 20;
/// Ticks without an answer that an attempt to recover waited for, after which another one begins, with whatever members answer then.
const ATTEMPT_TICKS: u32 = 16;

/// The sequencer of one epoch. It numbers records, has them stored, and acknowledges; beside that it recovers the epochs before its
/// own, and releases what is known good once they are clean.
///
/// It keeps nothing over a crash: whoever restarts takes a new epoch (rule 12), and so there is one sequencer for each answer
/// [`Answer::Taken`].
#[derive(Debug)]
pub struct Sequencer {
    nodeset: NodeSet,
    /// Of the epochs before that were not clean when it began.
    earlier: Vec<NodeSet>,
    /// Members of those that do not store its own epoch.
    former: BTreeSet<MemberId>,
    partition: u64,
    away: BTreeSet<MemberId>,
    /// Stores no copies, as long as there are enough others.
    avoid: Option<MemberId>,
    epoch: Epoch,
    window: Window,
    /// With everything that was accepted; none as long as the earlier epochs are not folded.
    producers: Option<Producers>,
    sealed: BTreeSet<MemberId>,
    /// So many members refuse earlier epochs that nothing of those can be acknowledged any more.
    is_sealed: bool,
    stage: Stage,
    attempt: u64,
    ticks: u32,
    stopped: bool,
}

#[derive(Debug)]
enum Stage {
    /// Waits for q seals of each earlier nodeset.
    Seal,
    /// Waits for the epoch store to say which epoch is to be recovered.
    Ask,
    /// Recovers it.
    Recover(Recovery),
    /// All earlier epochs are clean.
    Clean,
}

/// The position of a record.
enum Numbered {
    /// It is new.
    Fresh(Lsn),
    /// It has had it since an earlier append, and the offset, if that is known.
    There(Lsn, Option<u64>),
}

impl Sequencer {
    /// The sequencer of the epoch that was taken.
    #[must_use]
    pub fn new(taken: &Metadata) -> Self {
        let first = taken.epoch.previous() == Epoch::NONE;
        let earlier = nodesets_to_seal(taken);
        let members = taken.unclean().flat_map(NodeSet::members).copied();
        let former = members.filter(|member| !taken.nodeset.contains(*member)).collect();
        Self {
            nodeset: taken.nodeset.clone(),
            is_sealed: earlier.is_empty(),
            earlier,
            former,
            partition: 0,
            away: BTreeSet::new(),
            avoid: None,
            epoch: taken.epoch,
            window: Window::default(),
            producers: (first || broken(Rule::ProducersForgotten)).then(Producers::default),
            sealed: BTreeSet::new(),
            stage: if first { Stage::Clean } else { Stage::Seal },
            attempt: 0,
            ticks: 0,
            stopped: false,
        }
    }

    /// The same, of the partition with this number: where copies go depends on it, and nothing else.
    #[must_use]
    pub fn of_partition(self, partition: u64) -> Self {
        Self { partition, ..self }
    }

    /// The same, which gives this member copies last, as if it were away.
    #[must_use]
    pub fn avoiding(self, avoid: Option<MemberId>) -> Self {
        Self { avoid, ..self }
    }

    /// What rule 12 forbids: a sequencer that goes on in its old epoch, behind this number.
    #[cfg(test)]
    pub(super) fn resumed(taken: &Metadata, known_good: u64) -> Self {
        Self { window: Window::resumed(known_good), ..Self::new(taken) }
    }

    /// Knows at most so many producers.
    #[cfg(test)]
    pub(super) fn with_few_producers(mut self, most: usize) -> Self {
        self.producers = self.producers.map(|_| Producers::bounded(most));
        self
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether it has been preempted.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether all earlier epochs are clean.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self.stage, Stage::Clean)
    }

    /// Whether it refuses the records of producers, for want of what the earlier epochs have of them.
    #[must_use]
    pub fn awaits_producers(&self) -> bool {
        self.producers.is_none() && !self.stopped
    }

    /// Everything in the epoch up to this position has W copies.
    #[must_use]
    pub fn known_good(&self) -> Lsn {
        Lsn::new(self.epoch, self.window.known_good())
    }

    /// Copies of the entry with this number that this sequencer has heard of; 0 for one that is known good or was never given.
    #[must_use]
    pub fn copies(&self, number: u64) -> usize {
        self.window.copies(number)
    }

    /// The record of a producer that was accepted at this position has this offset, and is acknowledged with all before it: a retry hears of it.
    pub fn placed(&mut self, producer: ProducerId, lsn: Lsn, offset: u64) {
        if let Some(producers) = &mut self.producers {
            producers.placed(producer, lsn, offset);
        }
    }

    /// Takes one input.
    pub fn step(&mut self, input: SequencerInput) -> Vec<SequencerEffect> {
        let mut effects = Vec::new();
        match input {
            SequencerInput::Append { ticket, mode, payload } => self.append(ticket, mode, payload, &mut effects),
            _ if self.stopped => {}
            SequencerInput::Tick => self.tick(&mut effects),
            SequencerInput::Release => self.release(&mut effects),
            SequencerInput::Retry => self.retry(&mut effects),
            SequencerInput::Message { from, message } if self.nodeset.contains(from) || self.former.contains(&from) => {
                self.message(from, message, &mut effects);
            }
            SequencerInput::Message { .. } => {}
            SequencerInput::Answer(answer) => self.answer(answer.metadata(), &mut effects),
            SequencerInput::Producers(producers) => self.folded(producers),
            SequencerInput::Away(away) => {
                self.away = away.into_iter().filter(|member| self.nodeset.contains(*member)).collect();
            }
        }
        effects
    }

    fn append(&mut self, ticket: u64, mode: AckMode, payload: Bytes, effects: &mut Vec<SequencerEffect>) {
        match self.number(mode, payload) {
            Ok(Numbered::Fresh(lsn)) => {
                effects.push(SequencerEffect::Accepted { ticket, lsn });
                self.wave(lsn.number, effects);
            }
            Ok(Numbered::There(lsn, offset)) => {
                // What was folded is final; nothing of this epoch was, before its producers were known.
                let acknowledged = lsn.epoch < self.epoch || self.window.is_acknowledged(lsn.number);
                effects.push(SequencerEffect::Duplicate { ticket, lsn, offset, acknowledged });
                if !acknowledged {
                    self.window.want(lsn.number, mode);
                    self.acknowledge(effects);
                }
            }
            Err(why) => effects.push(SequencerEffect::Refused { ticket, why }),
        }
    }

    /// The position of a record.
    fn number(&mut self, mode: AckMode, payload: Bytes) -> Result<Numbered, Refusal> {
        if self.stopped {
            return Err(Refusal::Stopped);
        }
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Refusal::TooLarge);
        }
        let (kind, _) = Payload::unwrap(&payload).ok_or(Refusal::Malformed)?;
        if kind != Payload::Plain && self.producers.is_none() {
            return Err(Refusal::Recovering);
        }
        let mut producer = None;
        if let (Payload::Stamped(stamp), Some(producers)) = (kind, &self.producers) {
            producer = Some(stamp.producer);
            match producers.standing(stamp) {
                Standing::Fresh => {}
                Standing::Duplicate { lsn, offset } => return Ok(Numbered::There(lsn, offset)),
                Standing::Gap { expected } => return Err(Refusal::Gap { expected }),
                Standing::UnknownProducer => return Err(Refusal::UnknownProducer),
            }
        }
        let number = self.window.push(payload, producer, mode).ok_or(Refusal::Busy)?;
        let lsn = Lsn::new(self.epoch, number);
        if let Some(producers) =
            self.producers.as_mut().filter(|_| producer.is_none() || !broken(Rule::PendingForgotten))
        {
            producers.accept(lsn, kind);
        }
        Ok(Numbered::Fresh(lsn))
    }

    /// Rule 14.
    fn folded(&mut self, producers: Producers) {
        let complete = producers.next().epoch == self.epoch || broken(Rule::ProducersStale);
        if self.producers.is_none() && complete {
            self.producers = Some(producers);
        }
    }

    fn wave(&mut self, number: u64, effects: &mut Vec<SequencerEffect>) {
        let Some(Wave { number: wave, entry, early }) = self.window.wave(number) else { return };
        let (lsn, known_good) = (Lsn::new(self.epoch, number), self.window.known_good());
        let copyset = self.nodeset.copyset(self.partition, lsn, wave, self.avoid, &self.away);
        let lacking = copyset.into_iter().filter(|to| !self.window.has(number, *to));
        effects.extend(lacking.map(|to| {
            let message = Message::Store { lsn, entry: entry.clone(), known_good, early };
            SequencerEffect::Send { to, message }
        }));
    }

    fn tick(&mut self, effects: &mut Vec<SequencerEffect>) {
        for number in self.window.due(WAVES, WAVES_BYTES) {
            self.wave(number, effects);
        }
        self.ticks = self.ticks.saturating_add(1);
        match &self.stage {
            Stage::Seal if self.is_sealed => self.ask(effects),
            Stage::Seal => {
                let members: BTreeSet<MemberId> = self.earlier.iter().flat_map(NodeSet::members).copied().collect();
                let seal = Message::Seal { epoch: self.epoch.previous() };
                let unsealed = members.difference(&self.sealed);
                effects.extend(unsealed.map(|to| SequencerEffect::Send { to: *to, message: seal.clone() }));
            }
            Stage::Ask => self.ask(effects),
            Stage::Recover(_) if self.ticks > ATTEMPT_TICKS => self.retry(effects),
            Stage::Recover(recovery) => effects.extend(recovery.resend().into_iter().map(Into::into)),
            Stage::Clean => {}
        }
        self.release(effects);
        self.dismiss(effects);
    }

    /// Those who do not store this epoch hear that the ones before it are clean, and nothing else.
    fn dismiss(&self, effects: &mut Vec<SequencerEffect>) {
        if self.is_clean() || broken(Rule::ReleaseTooEarly) {
            let message = Message::Release { lsn: Lsn::new(self.epoch, 0) };
            let former = self.former.iter();
            effects.extend(former.map(|to| SequencerEffect::Send { to: *to, message: message.clone() }));
        }
    }

    /// Rule 9.
    fn release(&self, effects: &mut Vec<SequencerEffect>) {
        if self.is_clean() || broken(Rule::ReleaseTooEarly) {
            let message = Message::Release { lsn: self.known_good() };
            let all = self.nodeset.members().iter();
            effects.extend(all.map(|to| SequencerEffect::Send { to: *to, message: message.clone() }));
        }
    }

    fn retry(&mut self, effects: &mut Vec<SequencerEffect>) {
        if matches!(self.stage, Stage::Recover(_)) {
            self.ask(effects);
        }
    }

    fn message(&mut self, from: MemberId, message: Message, effects: &mut Vec<SequencerEffect>) {
        match message {
            Message::Stored { lsn, precedence: Precedence::Wave(_) } if self.is_copy(from, lsn) => {
                self.window.stored(lsn.number, from);
                self.acknowledge(effects);
            }
            Message::Received { lsn } if self.is_copy(from, lsn) => {
                self.window.received(lsn.number, from);
                self.acknowledge(effects);
            }
            Message::Fenced { by } => self.preempt(by.epoch, effects),
            Message::Sealed { fence } => self.sealed(from, fence.epoch, effects),
            message => {
                if let Stage::Recover(recovery) = &mut self.stage {
                    let answers = recovery.answers();
                    effects.extend(recovery.step(from, message).into_iter().map(Into::into));
                    // A long one is not begun anew while it goes on.
                    self.ticks = if recovery.answers() > answers { 0 } else { self.ticks };
                }
            }
        }
    }

    fn is_copy(&self, from: MemberId, lsn: Lsn) -> bool {
        lsn.epoch == self.epoch && self.nodeset.contains(from)
    }

    /// Rule 13. A seal of this epoch or a later one is the work of a newer sequencer.
    fn preempt(&mut self, seal: Epoch, effects: &mut Vec<SequencerEffect>) {
        if seal >= self.epoch && !broken(Rule::PreemptedGoesOn) {
            self.stopped = true;
            self.window = Window::default();
            self.producers = None;
            effects.push(SequencerEffect::Stopped { newer: seal.next().unwrap_or(seal) });
        }
    }

    /// Rules 2 and 4.
    fn sealed(&mut self, from: MemberId, seal: Epoch, effects: &mut Vec<SequencerEffect>) {
        self.preempt(seal, effects);
        if self.stopped || seal != self.epoch.previous() || !self.sealed.insert(from) {
            return;
        }
        let sealed = |of: &NodeSet| of.members().iter().filter(|member| self.sealed.contains(member)).count();
        self.is_sealed = self.is_sealed || self.earlier.iter().all(|of| sealed(of) >= of.quorum());
        self.acknowledge(effects);
        if self.is_sealed && matches!(self.stage, Stage::Seal) {
            self.ask(effects);
        }
    }

    /// Rules 3 and 4.
    fn acknowledge(&mut self, effects: &mut Vec<SequencerEffect>) {
        if self.is_sealed || broken(Rule::AckBeforeSeal) {
            let numbers = self.window.acknowledge(self.nodeset.copies());
            let at = |number| Lsn::new(self.epoch, number);
            let told = numbers.into_iter().map(|(number, mode)| (at(number), mode));
            effects.extend(told.map(|(lsn, mode)| SequencerEffect::Acknowledged { lsn, mode }));
        }
    }

    fn ask(&mut self, effects: &mut Vec<SequencerEffect>) {
        self.stage = Stage::Ask;
        effects.push(SequencerEffect::Ask(Command::Ask { from: self.epoch }));
    }

    /// The epoch store has been asked, or the last clean epoch has advanced, by this sequencer or another one.
    fn answer(&mut self, metadata: &Metadata, effects: &mut Vec<SequencerEffect>) {
        self.preempt(metadata.epoch.previous(), effects);
        if self.stopped {
            return;
        }
        let due = match &self.stage {
            Stage::Ask => true,
            Stage::Recover(recovery) => metadata.last_clean >= recovery.epoch(),
            Stage::Seal | Stage::Clean => false,
        };
        match metadata.last_clean.next().filter(|_| due) {
            Some(next) if next < self.epoch => self.recover(next, metadata, effects),
            Some(_) => {
                self.stage = Stage::Clean;
                self.release(effects);
                self.dismiss(effects);
            }
            None => {}
        }
    }

    /// Rule 6: every attempt has a fence of its own.
    fn recover(&mut self, epoch: Epoch, metadata: &Metadata, effects: &mut Vec<SequencerEffect>) {
        self.attempt += 1;
        self.ticks = 0;
        let fence = Fence { epoch: self.epoch.previous(), attempt: self.attempt };
        let by_newest = broken(Rule::RecoversByNewNodeset);
        let nodeset = if by_newest { &metadata.nodeset } else { metadata.nodeset_of(epoch) };
        let recovery = Recovery::new(nodeset.clone(), epoch, fence);
        effects.extend(recovery.resend().into_iter().map(Into::into));
        if broken(Rule::CleanTooEarly) {
            effects.push(SequencerEffect::Ask(Command::AdvanceClean { epoch, known_good: 0 }));
        }
        self.stage = Stage::Recover(recovery);
    }
}

/// Rule 4: the nodesets of all earlier epochs that are not clean.
fn nodesets_to_seal(taken: &Metadata) -> Vec<NodeSet> {
    let mut earlier: Vec<NodeSet> = taken.unclean().cloned().collect();
    if broken(Rule::SealSkipped) {
        earlier.clear();
    }
    if broken(Rule::SealsOfNewNodesetOnly) && !earlier.is_empty() {
        earlier = vec![taken.nodeset.clone()];
    }
    earlier
}

impl From<RecoveryEffect> for SequencerEffect {
    fn from(effect: RecoveryEffect) -> Self {
        match effect {
            RecoveryEffect::Send(to, message) => Self::Send { to, message },
            RecoveryEffect::Advance(command) => Self::Ask(command),
        }
    }
}

#[cfg(test)]
mod tests;

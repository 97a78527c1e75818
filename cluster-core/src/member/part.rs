//! One partition on one member.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::leader::{Answered, Leader};
use super::note::{FETCH_BYTES, Note};
use super::run::{Durable, Effect, Short};
use crate::replica::{PartitionId, Reached, Replica, are_records};
use crate::replication::{
    AckMode, Answer, Command, Content, Epoch, Lsn, MemberEffect, MemberId, MemberInput, Message, Metadata, NodeSet,
    Precedence, SequencerEffect, SequencerInput, StoringMember,
};
use crate::tree::TrimmedPrefix;
use crate::{Error, payload_records};

/// Ticks for which something must be missing before another member is asked for it: mostly it is only late.
const PATIENCE: u32 = 2;
/// Ticks after which a question is asked again, to another member.
const FETCH_TICKS: u32 = 10;
/// Ticket of records that were taken over from another member; those of storing members begin with 1.
const TAKEN: u64 = 0;

/// What one member does for one partition.
pub(super) struct Part {
    id: PartitionId,
    own: MemberId,
    /// Who has records, as far as this member has heard: the nodesets of the newest epoch and of those that are not clean.
    sources: BTreeSet<MemberId>,
    /// Whether records are stored by some members of the newest nodeset only.
    sparse: bool,
    stored: Option<Stored>,
    pub(super) leader: Option<Leader>,
    durable: Durable,
}

/// The copies here.
struct Stored {
    member: StoringMember,
    replica: Arc<Replica>,
    /// Who spoke of a release last, and is asked first for what is missing.
    releaser: MemberId,
    /// Who was asked last.
    source: MemberId,
    /// Ticks since something is missing, or since it was asked for.
    missing: u32,
    asked: bool,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stored = self.stored.as_ref().map(|stored| (&stored.member, &stored.replica));
        f.debug_struct("Part").field("leader", &self.leader).field("stored", &stored).finish_non_exhaustive()
    }
}

/// What comes of a step: effects, and notes of this member to itself.
#[derive(Default)]
pub(super) struct Out {
    pub(super) effects: Vec<Effect>,
    pub(super) own: Vec<Note>,
}

impl Part {
    pub(super) fn new(
        id: PartitionId,
        own: MemberId,
        nodeset: &NodeSet,
        replica: Option<Arc<Replica>>,
        durable: Durable,
    ) -> Self {
        let stored = replica.map(|replica| {
            let member = StoringMember::new(replica.state());
            Stored { member, replica, releaser: own, source: own, missing: 0, asked: false }
        });
        let sources = nodeset.members().iter().copied().collect();
        Self { id, own, sources, sparse: nodeset.is_sparse(), stored, leader: None, durable }
    }

    /// Bytes of the copies in memory.
    pub(super) fn bytes(&self) -> usize {
        self.stored.as_ref().map_or(0, |stored| stored.replica.bytes())
    }

    /// Whether a tick has something to do here.
    pub(super) fn is_idle(&self) -> bool {
        self.leader.is_none() && self.stored.as_ref().is_none_or(|stored| !stored.asked && !stored.replica.lacks())
    }

    /// Leads the epoch that was taken, if it is newer than the one that is led.
    pub(super) fn lead(&mut self, taken: &Metadata, coordinator_only: bool, out: &mut Out) -> Result<(), Error> {
        if self.leader.as_ref().is_some_and(|leader| leader.epoch() >= taken.epoch) {
            return Ok(());
        }
        self.give_up(out);
        self.hear_of(taken);
        self.leader = Some(Leader::new(self.id, taken, coordinator_only.then_some(self.own)));
        // The first tick begins.
        self.sequence(SequencerInput::Tick, out);
        Ok(())
    }

    /// Copies go to these last.
    pub(super) fn away(&mut self, away: BTreeSet<MemberId>, out: &mut Out) {
        self.sequence(SequencerInput::Away(away), out);
    }

    pub(super) fn append(
        &mut self,
        ticket: u64,
        (mode, epoch): (AckMode, Option<Epoch>),
        payload: Bytes,
        short: Short,
        out: &mut Out,
    ) {
        use super::leader::Unplaced;
        let leader = self.leader.as_mut().filter(|leader| epoch.is_none_or(|epoch| leader.epoch() == epoch));
        let Some(leader) = leader else { return out.answer((ticket, Err(Unplaced::NotLeader))) };
        if short.disk {
            // Whoever has space leads soon, and takes it.
            return out.answer((ticket, Err(Unplaced::DiskFull)));
        }
        let Some(records) = payload_records(&payload) else { return out.answer((ticket, Err(Unplaced::Invalid))) };
        let mut effects = Vec::new();
        if let Some(answer) = leader.append(ticket, mode, payload, records, &mut effects) {
            out.answer((ticket, answer));
        }
        self.effects(effects, out);
    }

    /// Takes a note of another member, or an own one; but no copies and records for which there is no place.
    pub(super) fn note(&mut self, from: MemberId, note: Note, short: Short, out: &mut Out) -> Result<(), Error> {
        match note {
            Note::Replication(message) => match message {
                Message::Stored { .. }
                | Message::Received { .. }
                | Message::Fenced { .. }
                | Message::Sealed { .. }
                | Message::Digested { .. }
                | Message::Cleaned { .. } => {
                    self.sequence(SequencerInput::Message { from, message }, out);
                    Ok(())
                }
                // Records are read by their offsets.
                Message::Read { .. } | Message::Answer { .. } => Ok(()),
                message if refused(&message, short) => Ok(()),
                message => self.store(from, message, out),
            },
            Note::Fetch { from: offset, stubs } => self.serve(from, offset, stubs, out),
            Note::Fetched { .. } | Note::Trimmed(_) if short.disk => Ok(()),
            Note::Fetched { from: offset, reached, items } => self.fetched(from, offset, reached, items, out),
            Note::Trimmed(prefix) => self.go_behind(from, prefix),
        }
    }

    /// A message to the storing member.
    fn store(&mut self, from: MemberId, message: Message, out: &mut Out) -> Result<(), Error> {
        let Some(stored) = &mut self.stored else { return Ok(()) };
        if let Message::Release { .. } = message {
            stored.releaser = from;
        }
        self.member(MemberInput::Message { from, message }, out)
    }

    pub(super) fn durable(&mut self, ticket: u64, out: &mut Out) -> Result<(), Error> {
        self.member(MemberInput::Durable { ticket }, out)?;
        // Records of another member are durable: the next ones, if something is missing still.
        if let Some(stored) = self.stored.as_mut().filter(|stored| ticket == TAKEN && stored.replica.lacks()) {
            stored.ask(self.id, self.own, self.sparse, out);
        }
        Ok(())
    }

    /// The epoch store has answered, to this member's sequencer or its storing member.
    pub(super) fn answered(&mut self, answer: Answer, out: &mut Out) -> Result<(), Error> {
        let metadata = answer.metadata().clone();
        if metadata.epoch >= self.leader.as_ref().map_or(metadata.epoch, Leader::epoch) {
            self.hear_of(&metadata);
        }
        self.sequence(SequencerInput::Answer(answer), out);
        self.member(MemberInput::Metadata(metadata), out)
    }

    fn hear_of(&mut self, metadata: &Metadata) {
        let nodesets = metadata.unclean().chain([&metadata.nodeset]);
        self.sources = nodesets.flat_map(NodeSet::members).copied().collect();
        self.sparse = metadata.nodeset.is_sparse();
    }

    fn member(&mut self, input: MemberInput, out: &mut Out) -> Result<(), Error> {
        let Some(stored) = &mut self.stored else { return Ok(()) };
        for effect in stored.member.step(input, stored.replica.as_ref())? {
            match effect {
                MemberEffect::Persist { ticket, changes } => {
                    let (id, durable) = (self.id, Arc::clone(&self.durable));
                    let done = Box::new(move |event: crate::Event| {
                        if event.durable().is_ok() {
                            durable(id, ticket);
                        }
                    });
                    stored.replica.persist(changes, done)?;
                }
                MemberEffect::Send { to, message } => out.send(self.own, self.id, to, Note::Replication(message)),
                MemberEffect::Consult { from } => {
                    out.effects.push(Effect::Ask { partition: self.id, command: Command::Ask { from } });
                }
            }
        }
        self.answer_clients(out);
        Ok(())
    }

    fn sequence(&mut self, input: SequencerInput, out: &mut Out) {
        let Some(leader) = &mut self.leader else { return };
        let effects = leader.sequencer.step(input);
        self.effects(effects, out);
        self.answer_clients(out);
    }

    fn effects(&mut self, effects: Vec<SequencerEffect>, out: &mut Out) {
        for effect in effects {
            match effect {
                SequencerEffect::Send { to, message } => out.send(self.own, self.id, to, Note::Replication(message)),
                SequencerEffect::Ask(command) => out.effects.push(Effect::Ask { partition: self.id, command }),
                SequencerEffect::Stopped { .. } => self.give_up(out),
                // Of those that are to be durable what is known good tells.
                SequencerEffect::Acknowledged { lsn, .. } => self.answer_early(lsn, out),
                // They were answered where they were made.
                SequencerEffect::Accepted { .. }
                | SequencerEffect::Duplicate { .. }
                | SequencerEffect::Refused { .. } => {}
            }
        }
    }

    /// The sequencer stops, and whoever waits for it is told.
    pub(super) fn give_up(&mut self, out: &mut Out) {
        if let Some(mut leader) = self.leader.take() {
            let mut answered = Vec::new();
            leader.give_up(&mut answered);
            answered.into_iter().for_each(|answered| out.answer(answered));
            out.effects.push(Effect::Stopped { partition: self.id, epoch: leader.epoch() });
        }
    }

    fn answer_early(&mut self, lsn: Lsn, out: &mut Out) {
        let mut answered = Vec::new();
        if let Some(leader) = &mut self.leader {
            leader.early(lsn, &mut answered);
        }
        answered.into_iter().for_each(|answered| out.answer(answered));
    }

    /// Answers the appends that are done, and has what is known good released.
    fn answer_clients(&mut self, out: &mut Out) {
        let Some(leader) = &mut self.leader else { return };
        if let Some(epoch) = leader.awaits_producers() {
            let producers = self.stored.as_ref().and_then(|stored| stored.replica.producers_before(epoch));
            producers.into_iter().for_each(|producers| leader.take_producers(producers));
        }
        let mut answered = Vec::new();
        leader.answer(self.stored.as_ref().map(|stored| stored.replica.frontier()), &mut answered);
        answered.into_iter().for_each(|answered| out.answer(answered));
        if leader.releases() {
            let effects = leader.sequencer.step(SequencerInput::Release);
            self.effects(effects, out);
        }
    }

    /// Some time has passed.
    pub(super) fn tick(&mut self, append_ticks: u32, idle_ticks: u32, short: Short, out: &mut Out) {
        if let Some(leader) = &mut self.leader {
            leader.idle = if leader.is_busy() { 0 } else { leader.idle.saturating_add(1) };
            let due = leader.idle == 0 || leader.idle >= idle_ticks;
            let mut late = Vec::new();
            leader.tick(append_ticks, &mut late);
            if due {
                leader.idle = 0;
            }
            late.into_iter().for_each(|answered| out.answer(answered));
            if due {
                self.sequence(SequencerInput::Tick, out);
            }
        }
        if !short.disk {
            self.look_for_missing(out);
        }
    }

    fn look_for_missing(&mut self, out: &mut Out) {
        let Some(stored) = &mut self.stored else { return };
        if !stored.replica.lacks() {
            (stored.missing, stored.asked) = (0, false);
            return;
        }
        stored.missing += 1;
        if stored.missing >= if stored.asked { FETCH_TICKS } else { PATIENCE } {
            if stored.asked || stored.releaser == self.own {
                // The next one, in turn; also who leads by now, of which the epoch store has not told this member yet: all whom it has told of may be gone.
                let all: BTreeSet<MemberId> = self.sources.iter().copied().chain([stored.releaser]).collect();
                let others = || all.iter().filter(|member| **member != self.own);
                let next = others().find(|member| **member > stored.source).or_else(|| others().next());
                stored.source = next.copied().unwrap_or(self.own);
            } else {
                stored.source = stored.releaser;
            }
            stored.ask(self.id, self.own, self.sparse, out);
        }
    }

    /// Another member lacks records.
    fn serve(&self, to: MemberId, from: u64, stubs: bool, out: &mut Out) -> Result<(), Error> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let (first, _) = stored.replica.partition().range()?;
        if from < first {
            match stored.replica.trimmed() {
                Some(prefix) => out.send(self.own, self.id, to, Note::Trimmed(prefix)),
                None => tracing::warn!(partition = self.id.0, "too many segments were removed to tell another member"),
            }
            return Ok(());
        }
        let (items, reached) = match stored.replica.records(from, FETCH_BYTES, stubs) {
            Ok(found) => found,
            // It has more than this member, or what it wants is just being removed.
            Err(Error::NoSuchRecord { .. }) => (Bytes::new(), None),
            Err(reason) => return Err(reason),
        };
        out.send(self.own, self.id, to, Note::Fetched { from, reached, items });
        Ok(())
    }

    /// The records that are missing here were removed elsewhere.
    fn go_behind(&mut self, from: MemberId, prefix: TrimmedPrefix) -> Result<(), Error> {
        let asked = |stored: &&mut Stored| stored.asked && stored.source == from && stored.replica.lacks();
        let Some(stored) = self.stored.as_mut().filter(asked) else { return Ok(()) };
        let (id, durable, end) = (self.id, Arc::clone(&self.durable), prefix.end());
        let done = Box::new(move |event: crate::Event| {
            if event.durable().is_ok() {
                durable(id, TAKEN);
            }
        });
        if stored.replica.go_behind(prefix, done)? {
            tracing::info!(
                partition = id.0,
                from = end,
                "the records before were removed on other members, and are not taken over"
            );
            (stored.missing, stored.asked) = (0, false);
        }
        Ok(())
    }

    fn fetched(
        &mut self,
        from: MemberId,
        offset: u64,
        reached: Option<Reached>,
        items: Bytes,
        out: &mut Out,
    ) -> Result<(), Error> {
        let Some(stored) = &self.stored else { return Ok(()) };
        if !items.is_empty() && !are_records(&items) {
            return Ok(());
        }
        // Their position counts where it is released here as well.
        let further = reached.as_ref().map(|to| to.lsn);
        if let Some(lsn) = further.filter(|lsn| *lsn > stored.member.state().released()) {
            self.member(MemberInput::Message { from, message: Message::Release { lsn } }, out)?;
        }
        let Some(stored) = &mut self.stored else { return Ok(()) };
        let (id, durable) = (self.id, Arc::clone(&self.durable));
        let done = Box::new(move |event: crate::Event| {
            if event.durable().is_ok() {
                durable(id, TAKEN);
            }
        });
        if stored.replica.catch_up(offset, items, reached, done)? {
            (stored.missing, stored.asked) = (0, false);
        }
        self.answer_clients(out);
        Ok(())
    }
}

impl Stored {
    /// Of records that others store the leaves are enough; [`crate::cluster`] has those stored here that too few have.
    fn ask(&mut self, id: PartitionId, own: MemberId, stubs: bool, out: &mut Out) {
        (self.missing, self.asked) = (0, true);
        if self.source != own {
            out.send(own, id, self.source, Note::Fetch { from: self.replica.frontier().offset, stubs });
        }
    }
}

impl Out {
    fn send(&mut self, own: MemberId, partition: PartitionId, to: MemberId, note: Note) {
        if to == own {
            self.own.push(note);
        } else {
            self.effects.push(Effect::Send { to, partition, note });
        }
    }

    fn answer(&mut self, (ticket, acked): Answered) {
        self.effects.push(Effect::Appended { ticket, acked });
    }
}

/// Whether a copy is not taken: it holds no records, or there is no place for more.
fn refused(message: &Message, short: Short) -> bool {
    let Message::Store { entry, .. } = message else { return false };
    // A recovery replaces copies that are there, and ends what keeps them in memory.
    let full = (short.memory || short.disk) && matches!(entry.precedence, Precedence::Wave(_));
    match &entry.content {
        Content::Record(record) => full || payload_records(record).is_none(),
        Content::Hole | Content::Bridge => false,
    }
}

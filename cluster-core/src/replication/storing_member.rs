//! The storing side: a member that keeps copies of a partition.

use std::collections::VecDeque;

use super::member_state::{Change, MemberState};
use super::rule::{Rule, broken};
use super::{
    Content, Copies, Entry, Epoch, Fence, Found, Lsn, MAX_KNOWN_GOOD, MAX_PAYLOAD_BYTES, MAX_UNACKNOWLEDGED, MemberId,
    Message, Metadata, Precedence,
};
use crate::Error;

/// Answers that wait for the disk, at most. A member that has so many takes no message; whoever sent it sends it again.
pub const MAX_WITHHELD: usize = 4096;
/// Epochs that are not clean for good and have a last known good here, at most. Waves of a further one are dropped.
pub const MAX_UNCLEAN_EPOCHS: usize = 1024;
/// Epochs whose last known good a member keeps, at most: those, and a few that recoveries and releases tell of.
pub const MAX_KNOWN_EPOCHS: usize = MAX_UNCLEAN_EPOCHS + 16;
/// Copies in one piece of a digest, at most.
pub const MAX_DIGEST_ENTRIES: usize = 64;
/// Bytes of records in one piece of a digest: the piece ends with the copy that reaches them.
pub const MAX_DIGEST_BYTES: usize = 1 << 20;

/// What a storing member is fed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MemberInput {
    /// A message has arrived.
    Message {
        /// Who sent it: a sequencer or a reader, on any member of the cluster.
        from: MemberId,
        /// The message.
        message: Message,
    },
    /// All changes up to this ticket are durable.
    Durable {
        /// Ticket of a [`MemberEffect::Persist`].
        ticket: u64,
    },
    /// What the epoch store answered to a [`MemberEffect::Consult`], or to the host, which asks now and then for members that hear of no release.
    Metadata(Metadata),
}

/// What a storing member wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MemberEffect {
    /// Make these changes durable, behind all earlier ones, and then say [`MemberInput::Durable`]. The copies are to be seen in
    /// [`Copies`] before the next step.
    Persist {
        /// Rises by one each time.
        ticket: u64,
        /// The changes: all of them or none survive a crash.
        changes: Vec<Change>,
    },
    /// Send a message.
    Send {
        /// To whom.
        to: MemberId,
        /// The message.
        message: Message,
    },
    /// Ask the epoch store for the last known good of the epochs from this one on. May be asked again and again.
    Consult {
        /// The first epoch that is not clean here.
        from: Epoch,
    },
}

/// One member's part of a partition.
///
/// Whatever it says, it says when everything it knew at that moment is durable: answers wait behind the changes that were asked for.
#[derive(Debug)]
pub struct StoringMember {
    state: MemberState,
    /// The last one that was given out, and the last one that is durable.
    ticket: u64,
    durable: u64,
    /// Answers, and the tickets they wait for, rising.
    withheld: VecDeque<(u64, MemberId, Message)>,
    /// The highest release that came before the purge it needs.
    wanted: Lsn,
}

impl StoringMember {
    /// A member that knows this: [`MemberState::default`] for a new partition, or what was durable before a crash.
    #[must_use]
    pub fn new(state: MemberState) -> Self {
        Self { state, ticket: 0, durable: 0, withheld: VecDeque::new(), wanted: Lsn::default() }
    }

    /// What it knows, durable or not.
    #[must_use]
    pub fn state(&self) -> &MemberState {
        &self.state
    }

    /// Takes one input. `copies` are this member's own.
    ///
    /// # Errors
    /// What [`Copies`] answered; nothing was changed then.
    pub fn step(&mut self, input: MemberInput, copies: &impl Copies) -> Result<Vec<MemberEffect>, Error> {
        let mut effects = Vec::new();
        match input {
            MemberInput::Durable { ticket } => self.durable(ticket, &mut effects),
            MemberInput::Metadata(metadata) => self.purge(&metadata, &mut effects),
            MemberInput::Message { .. } if self.withheld.len() >= MAX_WITHHELD => {}
            MemberInput::Message { from, message } => self.message(from, message, copies, &mut effects)?,
        }
        Ok(effects)
    }

    fn message(
        &mut self,
        from: MemberId,
        message: Message,
        copies: &impl Copies,
        effects: &mut Vec<MemberEffect>,
    ) -> Result<(), Error> {
        match message {
            Message::Store { lsn, entry, known_good, early } => {
                self.store(from, lsn, entry, (known_good, early), copies, effects)?;
            }
            Message::Seal { epoch } => self.seal(from, epoch, effects),
            Message::Digest { epoch, fence, after } => self.digest(from, epoch, fence, after, copies, effects)?,
            Message::Clean { epoch, fence } => self.clean(from, epoch, fence, effects),
            Message::Release { lsn } => self.release(lsn, effects),
            Message::Read { lsn } => {
                let found = self.found(lsn, copies)?;
                self.answer(from, Message::Answer { lsn, found }, effects);
            }
            // Answers: they are for sequencers and readers.
            Message::Stored { .. }
            | Message::Received { .. }
            | Message::Fenced { .. }
            | Message::Sealed { .. }
            | Message::Digested { .. }
            | Message::Cleaned { .. }
            | Message::Answer { .. } => {}
        }
        Ok(())
    }

    /// What may be read at a position.
    ///
    /// # Errors
    /// What [`Copies`] answered.
    pub fn found(&self, lsn: Lsn, copies: &impl Copies) -> Result<Found, Error> {
        if lsn > self.state.released() {
            return Ok(Found::NotReleased);
        }
        Ok(copies.copy(lsn)?.map_or(Found::Nothing, |entry| Found::Copy(entry.content)))
    }

    /// Rules 2, 3, 5 and 6.
    fn store(
        &mut self,
        from: MemberId,
        lsn: Lsn,
        entry: Entry,
        (known_good, early): (u64, bool),
        copies: &impl Copies,
        effects: &mut Vec<MemberEffect>,
    ) -> Result<(), Error> {
        // So that a digest is bounded: no copy stands further above what this member knows to be good.
        let in_window = lsn.number > 0 && lsn.number - 1 <= known_good.saturating_add(MAX_UNACKNOWLEDGED as u64);
        if !in_window || entry.content.len() > MAX_PAYLOAD_BYTES {
            return Ok(());
        }
        let mut changes = Vec::new();
        let admitted = match entry.precedence {
            Precedence::Wave(_) => {
                matches!(entry.content, Content::Record(_)) && self.admit_wave(from, lsn.epoch, effects)
            }
            Precedence::Recovery(fence) => self.admit(from, lsn.epoch, fence, &mut changes, effects),
        };
        if !admitted {
            return Ok(());
        }
        let precedence = entry.precedence;
        if matches!(precedence, Precedence::Recovery(_)) && lsn <= self.state.released() {
            // It is final, and may be here without its bytes: another attempt learns that it is known good.
            self.persist(changes, effects);
            return Ok(());
        }
        let news = known_good > self.state.known_good(lsn.epoch)
            && lsn.epoch >= self.state.released().epoch.max(self.state.clean());
        // Recoveries go in order. Whoever has so many open epochs missed some of them, and forgets those once it has purged them.
        if news && self.state.known_good(lsn.epoch) == 0 && self.state.epochs() >= MAX_KNOWN_EPOCHS - 2 {
            self.persist(changes, effects);
            self.consult(effects);
            return Ok(());
        }
        let there = copies.copy(lsn)?;
        // A sequencer gives a number once, so its waves differ in nothing that matters, and a slow disk writes each entry once.
        let again = |there: &Entry| {
            let waves = matches!((there.precedence, precedence), (Precedence::Wave(_), Precedence::Wave(_)));
            waves && there.content == entry.content
        };
        if there.is_none_or(|there| !again(&there) && there != entry && precedence.outranks(there.precedence)) {
            changes.push(Change::Put { lsn, entry });
        }
        if news {
            changes.push(Change::KnownGood { epoch: lsn.epoch, number: known_good });
        }
        let stored = Message::Stored { lsn, precedence };
        if broken(Rule::StoredBeforeSync) {
            effects.push(MemberEffect::Send { to: from, message: stored.clone() });
        }
        self.persist(changes, effects);
        // The one thing that is said before it is durable.
        if early && matches!(precedence, Precedence::Wave(_)) {
            effects.push(MemberEffect::Send { to: from, message: Message::Received { lsn } });
        }
        self.answer(from, stored, effects);
        Ok(())
    }

    /// Rule 2.
    fn seal(&mut self, from: MemberId, epoch: Epoch, effects: &mut Vec<MemberEffect>) {
        let fence = Fence { epoch, attempt: 0 };
        let change = (fence > self.state.fence()).then_some(Change::Fence(fence));
        if broken(Rule::SealVolatile) {
            change.iter().for_each(|change| self.state.apply(change));
        } else {
            self.persist(change.into_iter().collect(), effects);
        }
        self.answer(from, Message::Sealed { fence: self.state.fence() }, effects);
    }

    fn digest(
        &mut self,
        from: MemberId,
        epoch: Epoch,
        fence: Fence,
        after: u64,
        copies: &impl Copies,
        effects: &mut Vec<MemberEffect>,
    ) -> Result<(), Error> {
        let mut changes = Vec::new();
        if !self.admit(from, epoch, fence, &mut changes, effects) {
            return Ok(());
        }
        let known_good = self.state.known_good(epoch);
        let start = Lsn::new(epoch, after.max(known_good));
        let mut entries = copies.copies_after(start, MAX_DIGEST_ENTRIES + 1)?;
        let mut bytes = 0;
        let before = |(_, entry): &&(u64, Entry)| {
            let fits = bytes < MAX_DIGEST_BYTES;
            bytes += entry.content.len();
            fits
        };
        let fitting = entries.iter().take(MAX_DIGEST_ENTRIES).take_while(before).count();
        let more = fitting < entries.len();
        entries.truncate(fitting);
        if broken(Rule::FenceVolatile) {
            changes.drain(..).for_each(|change| self.state.apply(&change));
        }
        self.persist(changes, effects);
        self.answer(from, Message::Digested { epoch, fence, after, known_good, entries, more }, effects);
        Ok(())
    }

    fn clean(&mut self, from: MemberId, epoch: Epoch, fence: Fence, effects: &mut Vec<MemberEffect>) {
        let mut changes = Vec::new();
        if !self.admit(from, epoch, fence, &mut changes, effects) {
            return;
        }
        // Recoveries go in order, so the earlier epochs are clean for good: this member was not needed for one of them.
        if self.state.clean().next().is_some_and(|next| next < epoch) {
            self.persist(changes, effects);
            self.consult(effects);
            return;
        }
        if epoch > self.state.clean() {
            changes.push(Change::Clean(epoch));
        }
        self.persist(changes, effects);
        self.answer(from, Message::Cleaned { epoch, fence }, effects);
    }

    /// Rule 10: nothing is released as long as an earlier epoch is not clean here.
    fn release(&mut self, lsn: Lsn, effects: &mut Vec<MemberEffect>) {
        if lsn <= self.state.released() {
            return;
        }
        if lsn.epoch.previous() > self.state.clean() && !broken(Rule::PurgeSkipped) {
            self.wanted = self.wanted.max(lsn);
            self.consult(effects);
            return;
        }
        let mut changes = vec![Change::Release(lsn), Change::KnownGood { epoch: lsn.epoch, number: lsn.number }];
        changes.extend(self.committed(lsn.epoch.previous()));
        self.persist(changes, effects);
    }

    /// Rule 10: what was not known good when an epoch was recovered without this member may have been decided otherwise.
    fn purge(&mut self, metadata: &Metadata, effects: &mut Vec<MemberEffect>) {
        let (mut changes, mut clean) = (Vec::new(), self.state.clean());
        for (epoch, known_good) in metadata.known_good.iter().copied().take(MAX_KNOWN_GOOD) {
            if clean.next() != Some(epoch) || epoch > metadata.last_clean {
                continue;
            }
            let heard = broken(Rule::PurgeByHearsay).then(|| self.state.known_good(epoch));
            changes.push(Change::Cut { epoch, above: heard.unwrap_or(known_good) });
            clean = epoch;
        }
        let progress = clean > self.state.clean();
        if progress {
            changes.push(Change::Clean(clean));
            changes.extend(self.committed(clean));
        }
        // Whoever stores no later epoch hears of no release.
        let behind = clean.next().map(|next| Lsn::new(next, 0));
        let behind = behind.filter(|lsn| progress || (clean == metadata.last_clean && *lsn > self.state.released()));
        changes.extend(behind.map(Change::Release));
        self.persist(changes, effects);
        if self.wanted.epoch.previous() <= self.state.clean() {
            let wanted = std::mem::take(&mut self.wanted);
            self.release(wanted, effects);
        } else if progress {
            self.consult(effects);
        }
    }

    /// An epoch that is clean for good is closed to every sequencer and recovery, whether or not they came by here.
    fn committed(&self, epoch: Epoch) -> Option<Change> {
        let fence = Fence { epoch, attempt: u64::MAX };
        (fence > self.state.fence()).then_some(Change::Fence(fence))
    }

    fn consult(&self, effects: &mut Vec<MemberEffect>) {
        effects.extend(self.state.clean().next().map(|from| MemberEffect::Consult { from }));
    }

    /// Rule 2: whether a wave of this epoch may be stored here.
    fn admit_wave(&mut self, from: MemberId, epoch: Epoch, effects: &mut Vec<MemberEffect>) -> bool {
        let by = self.state.fence();
        if epoch <= by.epoch && !broken(Rule::SealIgnored) {
            self.answer(from, Message::Fenced { by }, effects);
            return false;
        }
        self.state.epochs() < MAX_UNCLEAN_EPOCHS || self.state.known_good(epoch) > 0
    }

    /// Rule 6: whether a recovery may go on here. Its fence is kept, with `changes`.
    fn admit(
        &mut self,
        from: MemberId,
        epoch: Epoch,
        fence: Fence,
        changes: &mut Vec<Change>,
        effects: &mut Vec<MemberEffect>,
    ) -> bool {
        let own = self.state.fence();
        // What is released is final. Whoever recovers such an epoch learns from the epoch store that it is clean.
        if epoch == Epoch::NONE || epoch > fence.epoch || epoch < self.state.released().epoch {
            return false;
        }
        let lower = if broken(Rule::AttemptIgnored) { fence.epoch < own.epoch } else { fence < own };
        if lower && !broken(Rule::FenceIgnored) {
            self.answer(from, Message::Fenced { by: own }, effects);
            return false;
        }
        if fence > own && !broken(Rule::SealSkipped) {
            changes.push(Change::Fence(fence));
        }
        true
    }

    /// Asks for changes and knows them from now on.
    fn persist(&mut self, changes: Vec<Change>, effects: &mut Vec<MemberEffect>) {
        if changes.is_empty() {
            return;
        }
        changes.iter().for_each(|change| self.state.apply(change));
        self.ticket += 1;
        effects.push(MemberEffect::Persist { ticket: self.ticket, changes });
    }

    /// Rule 3, and the same for everything else that is said.
    fn answer(&mut self, to: MemberId, message: Message, effects: &mut Vec<MemberEffect>) {
        if self.durable == self.ticket {
            effects.push(MemberEffect::Send { to, message });
        } else {
            self.withheld.push_back((self.ticket, to, message));
        }
    }

    fn durable(&mut self, ticket: u64, effects: &mut Vec<MemberEffect>) {
        self.durable = self.durable.max(ticket.min(self.ticket));
        let ready = self.withheld.partition_point(|(ticket, ..)| *ticket <= self.durable);
        effects.extend(self.withheld.drain(..ready).map(|(_, to, message)| MemberEffect::Send { to, message }));
    }
}

#[cfg(test)]
mod tests;

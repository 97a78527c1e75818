//! All partitions of one member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::leader::{Acked, Unplaced};
use super::note::Note;
use super::part::{Out, Part};
use crate::Error;
use crate::replica::{PartitionId, Replicas};
use crate::replication::{AckMode, Answer, Command, Epoch, MemberId, Metadata, NodeSet};

/// Told when what a storing member asked for is durable: have it given back as [`Input::Durable`]. Runs on the store's threads.
pub type Durable = Arc<dyn Fn(PartitionId, u64) + Send + Sync>;

/// What bounds and paces a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberLimits {
    /// Bytes of the copies of all partitions that are in memory, about; beyond it no copy is taken. Default 256 MiB.
    pub copies_bytes: usize,
    /// Ticks after which a client is told that its append has not enough copies yet. Default 500.
    pub append_ticks: u32,
    /// Ticks between two that a sequencer without anything to do is told of. Default 250.
    pub idle_ticks: u32,
}

impl Default for MemberLimits {
    fn default() -> Self {
        Self { copies_bytes: 256 << 20, append_ticks: 500, idle_ticks: 250 }
    }
}

/// What a member is fed.
#[derive(Debug, Clone)]
pub enum Input {
    /// This member stores or leads a partition: see [`crate::Replicas::create`] for its replica.
    Open {
        /// The partition.
        partition: PartitionId,
        /// Who stores it now.
        nodeset: NodeSet,
    },
    /// It does not any more.
    Close {
        /// The partition.
        partition: PartitionId,
    },
    /// The epoch store has given this member, in this life, an epoch that it asked for.
    Lead {
        /// The partition.
        partition: PartitionId,
        /// What the epoch store answered.
        taken: Metadata,
        /// Whether it is to store no records of its epoch, as long as there are enough others.
        coordinator_only: bool,
    },
    /// A client's append.
    Append {
        /// The partition.
        partition: PartitionId,
        /// The host's number for it; it comes back.
        ticket: u64,
        /// When it is answered.
        mode: AckMode,
        /// The only epoch in which it may be numbered; any where there is none.
        epoch: Option<Epoch>,
        /// See [`crate::payload`].
        payload: Bytes,
    },
    /// Another member's note.
    Note {
        /// Who sent it.
        from: MemberId,
        /// The partition.
        partition: PartitionId,
        /// The note.
        note: Note,
    },
    /// See [`Durable`].
    Durable {
        /// The partition.
        partition: PartitionId,
        /// The ticket.
        ticket: u64,
    },
    /// The epoch store has answered an [`Effect::Ask`].
    Answer {
        /// The partition.
        partition: PartitionId,
        /// The answer.
        answer: Answer,
    },
    /// These members are not heard: copies go to them last. Takes the place of what was said before.
    Away(BTreeSet<MemberId>),
    /// Some member lacks records: sequencers without anything to do tell with the next tick how far theirs are released.
    Lacking,
    /// Some time has passed: about 20 ms.
    Tick,
}

/// What a member wants done.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Carry a note.
    Send {
        /// To whom.
        to: MemberId,
        /// The partition.
        partition: PartitionId,
        /// The note.
        note: Note,
    },
    /// Ask the epoch store.
    Ask {
        /// The partition.
        partition: PartitionId,
        /// The command.
        command: Command,
    },
    /// An append has its answer.
    Appended {
        /// The host's number.
        ticket: u64,
        /// Where it is, or will be if it is not lost.
        acked: Result<Acked, Unplaced>,
    },
    /// The sequencer of this epoch has stopped.
    Stopped {
        /// The partition.
        partition: PartitionId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The partition cannot be used on this member; the others go on.
    Damaged {
        /// The partition.
        partition: PartitionId,
        /// Why.
        reason: Error,
    },
}

/// One member. See the module documentation.
pub struct Member {
    id: MemberId,
    replicas: Replicas,
    limits: MemberLimits,
    durable: Durable,
    parts: BTreeMap<PartitionId, Part>,
    short: Short,
    away: BTreeSet<MemberId>,
}

/// What there is no place for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Short {
    /// In memory, for further copies.
    pub(super) memory: bool,
    /// On the disk, for anything.
    pub(super) disk: bool,
}

impl Member {
    /// A member with this id and store.
    #[must_use]
    pub fn new(id: MemberId, replicas: Replicas, limits: MemberLimits, durable: Durable) -> Self {
        Self { id, replicas, limits, durable, parts: BTreeMap::new(), short: Short::default(), away: BTreeSet::new() }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> MemberId {
        self.id
    }

    /// The epoch in which it leads a partition, if it does.
    #[must_use]
    pub fn leads(&self, partition: PartitionId) -> Option<Epoch> {
        self.parts.get(&partition)?.leader.as_ref().map(|leader| leader.epoch())
    }

    /// Takes one input.
    ///
    /// # Errors
    /// Why the store has failed: the process must stop.
    pub fn step(&mut self, input: Input) -> Result<Vec<Effect>, Error> {
        let mut effects = Vec::new();
        match input {
            Input::Open { partition, nodeset } => {
                let replica = self.replicas.get(partition);
                let part = Part::new(partition, self.id, &nodeset, replica, Arc::clone(&self.durable));
                self.parts.entry(partition).or_insert(part);
            }
            Input::Close { partition } => self.close(partition, &mut effects),
            Input::Lead { partition, taken, coordinator_only } => {
                let away = self.away.clone();
                self.with(partition, &mut effects, |part, _, out| {
                    part.lead(&taken, coordinator_only, out)?;
                    part.away(away, out);
                    Ok(())
                })?;
            }
            Input::Append { partition, ticket, mode, epoch, payload } if self.parts.contains_key(&partition) => {
                self.with(partition, &mut effects, |part, short, out| {
                    part.append(ticket, (mode, epoch), payload, short, out);
                    Ok(())
                })?;
            }
            Input::Append { ticket, .. } => effects.push(Effect::Appended { ticket, acked: Err(Unplaced::NotLeader) }),
            Input::Note { from, partition, note } => {
                self.with(partition, &mut effects, |part, short, out| part.note(from, note, short, out))?;
            }
            Input::Durable { partition, ticket } => {
                self.with(partition, &mut effects, |part, _, out| part.durable(ticket, out))?;
            }
            Input::Answer { partition, answer } => {
                self.with(partition, &mut effects, |part, _, out| part.answered(answer, out))?;
            }
            Input::Away(away) => {
                let led: Vec<_> =
                    self.parts.iter().filter(|(_, part)| part.leader.is_some()).map(|(id, _)| *id).collect();
                for partition in led {
                    let away = away.clone();
                    self.with(partition, &mut effects, |part, _, out| {
                        part.away(away, out);
                        Ok(())
                    })?;
                }
                self.away = away;
            }
            Input::Lacking => {
                let leaders = self.parts.values_mut().filter_map(|part| part.leader.as_mut());
                leaders.for_each(|leader| leader.idle = self.limits.idle_ticks);
            }
            Input::Tick => self.tick(&mut effects)?,
        }
        Ok(effects)
    }

    fn close(&mut self, partition: PartitionId, effects: &mut Vec<Effect>) {
        if let Some(mut part) = self.parts.remove(&partition) {
            let mut out = Out::default();
            part.give_up(&mut out);
            effects.append(&mut out.effects);
        }
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) -> Result<(), Error> {
        let copies: usize = self.parts.values().map(Part::bytes).sum();
        self.look_at_disk();
        self.short.memory = copies > self.limits.copies_bytes;
        let busy: Vec<_> = self.parts.iter().filter(|(_, part)| !part.is_idle()).map(|(id, _)| *id).collect();
        let MemberLimits { append_ticks, idle_ticks, .. } = self.limits;
        for partition in busy {
            self.with(partition, effects, |part, short, out| {
                part.tick(append_ticks, idle_ticks, short, out);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn look_at_disk(&mut self) {
        let low = self.replicas.has_space();
        match &low {
            Err(reason) if !self.short.disk => {
                tracing::warn!(%reason, "this member stores no further records, and leads no partition that another one can lead");
            }
            Ok(()) if self.short.disk => tracing::info!("the disk has space again: this member stores records again"),
            _ => {}
        }
        self.short.disk = low.is_err();
    }

    /// Has a partition do something, and then take what it said to itself.
    fn with(
        &mut self,
        partition: PartitionId,
        effects: &mut Vec<Effect>,
        step: impl FnOnce(&mut Part, Short, &mut Out) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (own, short) = (self.id, self.short);
        let Some(part) = self.parts.get_mut(&partition) else { return Ok(()) };
        let mut out = Out::default();
        let mut outcome = step(part, short, &mut out);
        while outcome.is_ok() && !out.own.is_empty() {
            let notes = std::mem::take(&mut out.own);
            outcome = notes.into_iter().try_for_each(|note| part.note(own, note, short, &mut out));
        }
        effects.append(&mut out.effects);
        match outcome {
            Err(reason) if self.replicas.failure().is_some() => Err(reason),
            Err(reason) => {
                self.close(partition, effects);
                effects.push(Effect::Damaged { partition, reason });
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("id", &self.id).field("parts", &self.parts).finish_non_exhaustive()
    }
}

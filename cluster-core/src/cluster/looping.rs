//! The thread that drives a member's partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc as tokio_mpsc, oneshot};

use super::Links;
use super::envelope::Envelope;
use crate::member::{Acked, Effect, Input, Member, MemberLimits, Note, Unplaced};
use crate::raft::shard::MAX_BATCH;
use crate::raft::{EpochShards, RaftGroups, ShardAnswer, ShardCommand};
use crate::replication::{AckMode, Answer, Command, Epoch, MemberId};
use crate::{Error, PartitionId, Replicas};

/// Bytes of notes and appends that wait for the thread, at most: what comes beyond is refused, and sent again by who sent it.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// What a note counts for beside its records.
const NOTE_COST: usize = 256;
/// Time between two ticks.
const TICK: Duration = Duration::from_millis(20);

/// To the thread. Clones are handles of the same.
#[derive(Clone)]
pub(super) struct Inputs {
    inputs: Sender<Task>,
    clients: Arc<Mutex<BTreeMap<u64, Client>>>,
    next: Arc<AtomicU64>,
    links: Arc<dyn Links>,
    /// Bytes of the notes and appends that wait.
    waiting: Arc<AtomicUsize>,
}

enum Task {
    Input(Input),
    /// A note or an append, and what it counts for.
    Counted(Input, usize),
    /// What the epoch store of a group said to these, or nothing where it could not be asked.
    Asked(u64, Vec<(PartitionId, Command)>, Option<Vec<Option<Answer>>>),
    Stop,
}

/// Who waits for an append.
enum Client {
    Here(oneshot::Sender<Result<Acked, Unplaced>>),
    There { member: MemberId, id: u64 },
}

/// What the steward hears.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stopped {
    /// The sequencer of this epoch has stopped.
    Epoch(PartitionId, Epoch),
    /// The partition cannot be used here.
    Unusable(PartitionId),
    /// The same, since its files are damaged: those of other members mend that.
    Damaged(PartitionId),
}

struct Loop {
    member: Member,
    tasks: Receiver<Task>,
    inputs: Inputs,
    groups: RaftGroups,
    runtime: Handle,
    stopped: tokio_mpsc::UnboundedSender<Stopped>,
    /// Questions to the epoch store that are on their way, or wait.
    asked: BTreeSet<(PartitionId, Vec<u8>)>,
    /// Those that wait, by group.
    questions: BTreeMap<u64, Vec<(PartitionId, Command)>>,
    /// Groups that are being asked: further questions go together when they have answered.
    asking: BTreeSet<u64>,
    shards: EpochShards,
}

/// Starts the thread; it ends with [`Inputs::stop`], or when the store fails.
pub(super) fn start(
    id: MemberId,
    replicas: Replicas,
    limits: MemberLimits,
    groups: RaftGroups,
    links: Arc<dyn Links>,
    stopped: tokio_mpsc::UnboundedSender<Stopped>,
    shards: EpochShards,
) -> Result<(Inputs, JoinHandle<()>), Error> {
    let (sender, tasks) = mpsc::channel();
    let (clients, next, waiting) = Default::default();
    let inputs = Inputs { inputs: sender, clients, next, links, waiting };
    let told = inputs.clone();
    let durable = Arc::new(move |partition, ticket| told.give(Input::Durable { partition, ticket }));
    let member = Member::new(id, replicas, limits, durable);
    let runtime = Handle::current();
    let (asked, questions, asking) = Default::default();
    let inputs_ = inputs.clone();
    let this = Loop { member, tasks, inputs: inputs_, groups, runtime, stopped, asked, questions, asking, shards };
    let thread = std::thread::Builder::new().name("cluster-member".into()).spawn(move || this.run());
    let thread = thread.map_err(|e| Error::WriterStopped(format!("the member's thread could not be started: {e}")))?;
    Ok((inputs, thread))
}

impl Inputs {
    /// Gives the member an input.
    pub(super) fn give(&self, input: Input) {
        // A thread that ended takes nothing; whoever waits is told by the dropped channel.
        let _ended = self.inputs.send(Task::Input(input));
    }

    /// Gives the member a note of another one, if there is a place for it.
    pub(super) fn note(&self, from: MemberId, partition: PartitionId, note: Note) {
        let cost = note.len();
        // Whoever sent what has no place sends it again.
        let _refused = self.counted(Input::Note { from, partition, note }, cost);
    }

    /// Some member has said that it lacks records.
    pub(super) fn lacking(&self) {
        // It says so again.
        let _refused = self.counted(Input::Lacking, 0);
    }

    /// Gives the member an input that others cause; `false` where there is no place for it.
    fn counted(&self, input: Input, bytes: usize) -> bool {
        let cost = NOTE_COST + bytes;
        let placed = self.waiting.fetch_add(cost, Ordering::Relaxed) <= MAX_WAITING_BYTES
            && self.inputs.send(Task::Counted(input, cost)).is_ok();
        if !placed {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
        }
        placed
    }

    /// Appends for a client of this member; in one epoch only, where there is one.
    pub(super) fn append(
        &self,
        partition: PartitionId,
        when: (AckMode, Option<Epoch>),
        payload: Bytes,
    ) -> oneshot::Receiver<Result<Acked, Unplaced>> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(partition, when, payload, Client::Here(answer));
        answered
    }

    /// Appends for another member.
    pub(super) fn append_for(
        &self,
        (member, id): (MemberId, u64),
        partition: PartitionId,
        mode: AckMode,
        payload: Bytes,
    ) {
        self.enqueue(partition, (mode, None), payload, Client::There { member, id });
    }

    fn enqueue(&self, partition: PartitionId, (mode, epoch): (AckMode, Option<Epoch>), payload: Bytes, client: Client) {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        self.clients().insert(ticket, client);
        let bytes = payload.len();
        if !self.counted(Input::Append { partition, ticket, mode, epoch, payload }, bytes) {
            self.answer(ticket, Err(Unplaced::Busy));
        }
    }

    fn answer(&self, ticket: u64, acked: Result<Acked, Unplaced>) {
        let client = self.clients().remove(&ticket);
        match client {
            Some(Client::Here(answer)) => {
                let _gone = answer.send(acked);
            }
            Some(Client::There { member, id }) => {
                // It asks again, or tells its client that it does not know.
                let _sent = self.links.send(member, Envelope::Appended { id, acked });
            }
            None => {}
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        let _ended = self.inputs.send(Task::Stop);
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<u64, Client>> {
        // Nothing in the locked sections panics.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loop {
    fn run(mut self) {
        let mut next_tick = Instant::now() + TICK;
        loop {
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                if let Err(reason) = self.step(Input::Tick) {
                    failed(&reason);
                    break;
                }
            }
            let task = match self.tasks.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                Ok(task) => task,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let outcome = match task {
                Task::Input(input) => self.step(input),
                Task::Counted(input, cost) => {
                    self.inputs.waiting.fetch_sub(cost, Ordering::Relaxed);
                    self.step(input)
                }
                Task::Asked(group, questions, answers) => self.told(group, questions, answers),
                Task::Stop => break,
            };
            if let Err(reason) = outcome {
                failed(&reason);
                break;
            }
            self.ask_groups();
        }
        // Whoever waits is told by the dropped channels.
        self.inputs.clients().clear();
    }

    fn step(&mut self, input: Input) -> Result<(), Error> {
        for effect in self.member.step(input)? {
            match effect {
                Effect::Send { to, partition, note } => {
                    // What is lost is sent again.
                    let _sent = self.inputs.links.send(to, Envelope::Note { partition, note });
                }
                Effect::Ask { partition, command } => self.ask(partition, command),
                Effect::Appended { ticket, acked } => self.inputs.answer(ticket, acked),
                Effect::Stopped { partition, epoch } => {
                    let _gone = self.stopped.send(Stopped::Epoch(partition, epoch));
                }
                Effect::Damaged { partition, reason } => {
                    tracing::error!(partition = partition.0, %reason, "a partition cannot be used on this member");
                    let stopped = if is_renewable(&reason) { Stopped::Damaged } else { Stopped::Unusable };
                    let _gone = self.stopped.send(stopped(partition));
                }
            }
        }
        Ok(())
    }

    /// Has the epoch store asked, unless the same question is on its way.
    fn ask(&mut self, partition: PartitionId, command: Command) {
        if self.asked.insert(key(partition, &command)) {
            let group = crate::raft::group_of(self.shards, partition.0);
            self.questions.entry(group).or_default().push((partition, command));
        }
    }

    /// Asks every group that is not being asked, all that there is in one command: hundreds of partitions change hands in a few commits.
    fn ask_groups(&mut self) {
        let due: Vec<u64> = self.questions.keys().copied().filter(|group| !self.asking.contains(group)).collect();
        for group in due {
            let Some(mut questions) = self.questions.remove(&group) else { continue };
            if questions.len() > MAX_BATCH {
                self.questions.insert(group, questions.split_off(MAX_BATCH));
            }
            self.asking.insert(group);
            let (groups, inputs) = (self.groups.clone(), self.inputs.clone());
            self.runtime.spawn(async move {
                let batch = questions.iter().map(|(partition, command)| (partition.0, command.clone())).collect();
                let first = questions.first().map_or(0, |(partition, _)| partition.0);
                let answer = match groups.shard_of(first).await {
                    Ok(shard) => shard.propose(&ShardCommand::Batch(batch)).await,
                    Err(error) => Err(error),
                };
                let answers = match answer {
                    Ok((_, ShardAnswer::Batch(answers))) => Some(answers),
                    _ => None,
                };
                let _ended = inputs.inputs.send(Task::Asked(group, questions, answers));
            });
        }
    }

    /// A group has answered. What it could not is asked again with the next tick.
    fn told(
        &mut self,
        group: u64,
        questions: Vec<(PartitionId, Command)>,
        answers: Option<Vec<Option<Answer>>>,
    ) -> Result<(), Error> {
        self.asking.remove(&group);
        let answers = answers.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
        for ((partition, command), answer) in questions.into_iter().zip(answers) {
            self.asked.remove(&key(partition, &command));
            if let Some(answer) = answer {
                self.step(Input::Answer { partition, answer })?;
            }
        }
        Ok(())
    }
}

/// Whether files are damaged in a way that records of other members mend: what was signed is known to nobody else.
pub(super) fn is_renewable(reason: &Error) -> bool {
    matches!(reason, Error::Damaged { file, .. } if file.file_name().is_none_or(|name| name != "signed"))
}

fn failed(reason: &Error) {
    tracing::error!(%reason, "the store has failed: this member does nothing any more");
}

fn key(partition: PartitionId, command: &Command) -> (PartitionId, Vec<u8>) {
    (partition, pyralog_crypto::Encode::to_bytes(command))
}

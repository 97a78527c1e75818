//! What the journal holds goes into the files of the partitions, beside the writer: whoever appends waits for the journal only.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::Error;
use crate::logs::{PartitionState, RecordBatch};
use crate::queue::Queue;
use crate::replica::{Frontier, Replica};
use crate::stream::Stream;
use crate::tree::TrimmedPrefix;

/// Groups that wait for being applied, at most; then the writer waits. Memory: that of their records.
const MOST_WAITING: usize = 4;

/// The records of one group, by partition.
pub(crate) type Job = Vec<Apply>;

/// What one partition gets.
pub(crate) struct Apply {
    pub(crate) to: Arc<PartitionState>,
    /// What the records stand behind, where those before them were removed on the other members.
    pub(crate) behind: Option<Arc<TrimmedPrefix>>,
    pub(crate) batches: Vec<Arc<RecordBatch>>,
    /// The replica that they come from, and how far its records then go.
    pub(crate) reached: Option<(Arc<Replica>, Frontier)>,
}

/// Gives records to partitions in the order of the journal, in a thread of its own or in the caller's.
pub(crate) struct Applier {
    applied: Arc<Applied>,
    /// Jobs that were handed over.
    handed: u64,
    /// `None` for the caller's thread.
    beside: Option<Beside>,
}

struct Beside {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// How far records were applied, for those who need them in the files.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: u64,
    /// Why nothing is applied any more.
    failure: Option<Error>,
}

impl Applier {
    /// Applies each job when it is handed over.
    pub(crate) fn here(applied: Arc<Applied>) -> Self {
        Self { applied, handed: 0, beside: None }
    }

    /// Starts a thread, which applies what it has and ends when this is dropped.
    pub(crate) fn beside(applied: Arc<Applied>, queue: Arc<Queue>) -> std::io::Result<Self> {
        let (jobs, todo) = mpsc::sync_channel(MOST_WAITING);
        let failing = Failing { applied: Arc::clone(&applied), queue };
        let thread = std::thread::Builder::new().name("store-applier".into()).spawn(move || failing.serve(&todo))?;
        Ok(Self { applied, handed: 0, beside: Some(Beside { jobs: Some(jobs), thread: Some(thread) }) })
    }

    /// Hands a job over. The partitions must be told before that they have the records.
    ///
    /// # Errors
    /// Why nothing is applied any more; it is final for the store.
    pub(crate) fn hand_over(&mut self, job: Job) -> Result<(), Error> {
        self.handed += 1;
        match &self.beside {
            None => self.applied.note(apply(job)),
            Some(Beside { jobs, .. }) => {
                let sent = jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
                if sent { Ok(()) } else { Err(self.applied.failure()) }
            }
        }
    }

    /// Jobs that were handed over so far.
    pub(crate) fn handed(&self) -> u64 {
        self.handed
    }
}

impl Drop for Applier {
    fn drop(&mut self) {
        if let Some(Beside { jobs, thread }) = &mut self.beside {
            *jobs = None;
            // A panic was told by `Failing`.
            let _ended = thread.take().map(JoinHandle::join);
        }
    }
}

impl Applied {
    /// Waits until `met` or, at the latest, until nothing is applied any more. Whoever makes it true calls [`Applied::changed`] afterwards.
    ///
    /// # Errors
    /// Why nothing is applied any more.
    pub(crate) fn wait(&self, met: impl Fn() -> bool) -> Result<(), Error> {
        self.wait_until(|_| met())
    }

    /// Waits until so many jobs are done.
    ///
    /// # Errors
    /// As [`Applied::wait`].
    pub(crate) fn wait_for(&self, jobs: u64) -> Result<(), Error> {
        self.wait_until(|state| state.jobs >= jobs)
    }

    fn wait_until(&self, met: impl Fn(&State) -> bool) -> Result<(), Error> {
        let mut state = self.state();
        while !met(&state) {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Wakes those who wait, so that they look again.
    pub(crate) fn changed(&self) {
        // Whoever looked before this waits by now.
        drop(self.state());
        self.changed.notify_all();
    }

    /// Notes how a job ended.
    fn note(&self, outcome: Result<(), Error>) -> Result<(), Error> {
        let mut state = self.state();
        match &outcome {
            Ok(()) => state.jobs += 1,
            Err(reason) => {
                state.failure.get_or_insert_with(|| reason.clone());
            }
        }
        drop(state);
        self.changed.notify_all();
        outcome
    }

    fn failure(&self) -> Error {
        self.state().failure.clone().unwrap_or_else(died)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the locked sections panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(job: Job) -> Result<(), Error> {
    for Apply { to, behind, batches, reached } in job {
        if let Some(prefix) = behind {
            to.begin_behind(&prefix)?;
        }
        if !batches.is_empty() {
            to.apply(batches)?;
        }
        if let Some((replica, frontier)) = reached {
            replica.note_applied(frontier);
        }
    }
    Ok(())
}

fn died() -> Error {
    Error::WriterStopped("what applies records panicked".into())
}

/// Whom a failure of the thread concerns.
struct Failing {
    applied: Arc<Applied>,
    queue: Arc<Queue>,
}

impl Failing {
    fn serve(self, todo: &Receiver<Job>) {
        for job in todo {
            if let Err(reason) = self.applied.note(apply(job)) {
                tracing::error!(%reason, "the store has failed and refuses everything from now on");
                self.queue.fail(&reason);
                break;
            }
        }
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody waits for ever.
            let _told = self.applied.note(Err(died()));
            self.queue.fail(&died());
        }
    }
}

#[cfg(test)]
mod tests;

//! What takes long and belongs behind the writer: logs are made durable in files of their own, so that the journal can let go of what it
//! holds of them, and the journal's next file is made.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pyralog_crypto::LogId;

use crate::Error;
use crate::applier::Applied;
use crate::disk::Disk;
use crate::journal::SpareFile;
use crate::logs::Partitions;
use crate::notary::Log;
use crate::queue::Queue;
use crate::replica;
use crate::stream::Stream;

/// The notary logs, by id.
pub(crate) type NotaryLogs = Arc<Mutex<BTreeMap<LogId, Arc<Log>>>>;

/// What is to be done.
pub(crate) enum Job {
    /// Settle all logs, which have what the journal's groups before `up_to` say when so many jobs are applied.
    Settle {
        up_to: u64,
        applied: u64,
    },
    Spare(SpareFile),
}

/// What was done.
pub(crate) enum Done {
    /// The groups before this one are settled.
    Settled(u64),
    /// Whether it was made.
    Spare(SpareFile, bool),
}

/// What the jobs are done with.
pub(crate) struct Work {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) notary_logs: NotaryLogs,
    pub(crate) partitions: Partitions,
    pub(crate) replicas: Arc<replica::Table>,
    pub(crate) applied: Arc<Applied>,
    pub(crate) queue: Arc<Queue>,
}

/// Does jobs in their order, in a thread of its own or in the caller's.
pub(crate) enum Settler {
    Here(Work, VecDeque<Result<Done, Error>>),
    Beside { jobs: Option<Sender<Job>>, done: Receiver<Result<Done, Error>>, thread: Option<JoinHandle<()>> },
}

impl Settler {
    /// Does each job when it is handed over.
    pub(crate) fn here(work: Work) -> Self {
        Self::Here(work, VecDeque::new())
    }

    /// Starts a thread, which ends when this is dropped.
    pub(crate) fn beside(work: Work) -> std::io::Result<Self> {
        let (jobs, todo) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        let serve = move || {
            for job in todo {
                let outcome = work.run(job);
                if let Err(reason) = &outcome {
                    // The writer may wait for nothing at all.
                    work.queue.fail(reason);
                }
                if tell.send(outcome).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-settler".into()).spawn(serve)?;
        Ok(Self::Beside { jobs: Some(jobs), done, thread: Some(thread) })
    }

    /// Hands a job over.
    pub(crate) fn begin(&mut self, job: Job) {
        match self {
            Self::Here(work, done) => {
                let outcome = work.run(job);
                done.push_back(outcome);
            }
            // A thread that died is seen by whoever asks for what is done.
            Self::Beside { jobs, .. } => {
                let _alive = jobs.as_ref().map(|jobs| jobs.send(job));
            }
        }
    }

    /// The next job that is done; with `wait` whoever asks knows that there is one, and waits for it.
    ///
    /// # Errors
    /// Why a job failed; it is final for the store.
    pub(crate) fn next(&mut self, wait: bool) -> Result<Option<Done>, Error> {
        let died = || Error::WriterStopped("what settles the logs panicked".into());
        match self {
            Self::Here(_, done) => done.pop_front().transpose(),
            Self::Beside { done, .. } if wait => done.recv().map_err(|_| died())?.map(Some),
            Self::Beside { done, .. } => match done.try_recv() {
                Ok(outcome) => outcome.map(Some),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => Err(died()),
            },
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        if let Self::Beside { jobs, thread, .. } = self {
            *jobs = None;
            // Its panic was told by `next`.
            let _ended = thread.take().map(JoinHandle::join);
        }
    }
}

impl Work {
    fn run(&self, job: Job) -> Result<Done, Error> {
        match job {
            Job::Settle { up_to, applied } => {
                self.applied.wait_for(applied)?;
                self.replicas.settle(|| self.settle()).map(|()| Done::Settled(up_to))
            }
            Job::Spare(spare) => match spare.make(self.disk.as_ref()) {
                Ok(()) => Ok(Done::Spare(spare, true)),
                Err(reason @ Error::SyncFailed { .. }) => Err(reason),
                Err(reason) => {
                    tracing::warn!(%reason, "the journal's next file could not be made yet");
                    Ok(Done::Spare(spare, false))
                }
            },
        }
    }

    fn settle(&self) -> Result<(), Error> {
        let logs: Vec<_> = self.notary_logs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        logs.iter().try_for_each(|log| log.settle())?;
        let partitions: Vec<_> =
            self.partitions.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        partitions.iter().try_for_each(|partition| partition.settle())
    }
}

#[cfg(test)]
mod tests;

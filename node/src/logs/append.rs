//! Appending: each record to its partition, and an answer when all are as safe as was asked for.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use pyralog_cluster_core::replication::{AckMode, Lsn, Stamp};
use pyralog_cluster_core::{self as core, Event, Log, LogSpec, Storage};
use pyralog_crypto::Record;
use tokio::sync::oneshot;

use super::{LogError, Partly, RecordLogs};
use crate::metrics::Metrics;

/// 2^64 divided by the golden ratio. Its multiples spread evenly, also each second or third of them: callers that take turns do not
/// each get their own partition.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a record stands, or will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its partition.
    pub partition: u32,
    /// Its place there.
    pub place: Place,
}

/// The place of a record that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This offset: for good where it is on disk, and for as long as the log is there where that is in memory.
    Offset(u64),
    /// None yet: it may still be lost, and so may others before it.
    Early {
        /// How safe it is.
        mode: AckMode,
        /// Its position, where a member leads the partition.
        lsn: Option<Lsn>,
    },
}

impl Appended {
    /// At an offset.
    pub fn at(partition: u32, offset: u64) -> Self {
        Self { partition, place: Place::Offset(offset) }
    }
}

/// Records of one request that go to one partition.
#[derive(Default)]
pub(super) struct Part {
    /// Numbers in the request.
    pub(super) numbers: Vec<usize>,
    pub(super) records: Vec<Record>,
}

/// A part that the store has taken.
struct Sent {
    partition: u32,
    numbers: Vec<usize>,
    told: oneshot::Receiver<Event>,
}

/// What became of the records so far.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) acknowledged: Vec<(usize, Appended)>,
    pub(super) unknown: Vec<usize>,
    pub(super) failure: Option<LogError>,
}

impl RecordLogs {
    /// Appends 1 to [`core::MAX_APPEND_RECORDS`] records of together at most [`core::MAX_APPEND_BYTES`] bytes, and answers where they stand, in their
    /// order, when all are as safe as `mode` says. Without `partition` a record goes to that of its key, and those without a key go together to one.
    ///
    /// A log that this node has alone has its records in the memory of one member before they are durable: that is all that [`AckMode::Cached`] and
    /// [`AckMode::Replicated`] say there. One in memory is never safer than that, and waits until they can be read.
    ///
    /// # Errors
    /// [`LogError::Store`] where nothing was taken, [`LogError::Unknown`], [`LogError::Partly`].
    pub async fn append(
        &self,
        name: String,
        partition: Option<u32>,
        records: Vec<Record>,
        mode: AckMode,
    ) -> Result<Vec<Appended>, LogError> {
        let of = records.len();
        // Before anything is sent: the store would refuse one part of it and take another.
        core::check_append(&records)?;
        let turn = self.turn.fetch_add(STEP, Ordering::Relaxed);
        if let Some(log) = self.replicated(&name) {
            check_partition(&log.spec, partition)?;
            let parts = split(&log.spec, partition, records, turn);
            return self.append_replicated(&log, parts, Sender::Anyone(mode)).await?.finish(of);
        }
        let (logs, metrics) = (self.logs.clone(), self.metrics.clone());
        let sending = self.work(move || {
            let log = logs.open_log(&name)?;
            let parts = split(log.spec(), partition, records, turn);
            let early = mode != AckMode::Durable && log.spec().storage == Storage::Disk;
            send(&log, parts, &metrics).map(|(sent, failure)| (sent, failure, early))
        });
        let (sent, failure, early) = sending.await?;
        let mut outcome = Outcome { failure: failure.map(LogError::from), ..Outcome::default() };
        for part in sent {
            if early {
                outcome.take_early(part, mode);
            } else {
                outcome.wait_for(part).await;
            }
        }
        outcome.finish(of)
    }
}

/// Who sends a request.
#[derive(Clone, Copy)]
pub(super) enum Sender {
    /// Nobody in particular, and when it is to be answered.
    Anyone(AckMode),
    /// A producer, which is answered when its records are durable.
    Producer(Stamp),
}

/// Refuses a partition that the log has not.
pub(super) fn check_partition(spec: &LogSpec, partition: Option<u32>) -> Result<(), core::Error> {
    match partition.filter(|asked| *asked >= spec.partitions) {
        Some(asked) => {
            let (name, last) = (spec.name.to_string(), spec.partitions.saturating_sub(1));
            Err(core::Error::NoSuchPartition { name, last, asked })
        }
        None => Ok(()),
    }
}

fn split(spec: &LogSpec, partition: Option<u32>, records: Vec<Record>, turn: u64) -> BTreeMap<u32, Part> {
    // Below the number of partitions, which is a u32.
    let keyless = ((u128::from(turn) * u128::from(spec.partitions)) >> 64) as u32;
    let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
    for (number, record) in records.into_iter().enumerate() {
        let to = partition.unwrap_or_else(|| record.key().map_or(keyless, |key| spec.partition_of(key)));
        let part = parts.entry(to).or_default();
        part.numbers.push(number);
        part.records.push(record);
    }
    parts
}

/// Gives the parts to the store, up to the first that it refuses. An error where it takes none.
fn send(
    log: &Log,
    parts: BTreeMap<u32, Part>,
    metrics: &Metrics,
) -> Result<(Vec<Sent>, Option<core::Error>), LogError> {
    let mut sent = Vec::new();
    for (partition, Part { numbers, records }) in parts {
        let (sender, told) = oneshot::channel();
        let (metrics, count) = (metrics.clone(), records.len() as u64);
        let bytes: usize = records.iter().map(Record::encoded_len).sum();
        let done = move |event: Event| {
            if matches!(event, Event::Durable { .. }) {
                metrics.records.inc_by(count);
                metrics.record_bytes.inc_by(bytes as u64);
            }
            // An error says that nobody waits any more.
            drop(sender.send(event));
        };
        match log.partition(partition).and_then(|to| to.append_then(&records, Box::new(done))) {
            Ok(_) => sent.push(Sent { partition, numbers, told }),
            Err(refusal) if sent.is_empty() => return Err(refusal.into()),
            Err(refusal) => return Ok((sent, Some(refusal))),
        }
    }
    Ok((sent, None))
}

impl Outcome {
    /// The store has it in memory: it is told so, whatever becomes of it.
    fn take_early(&mut self, Sent { partition, numbers, .. }: Sent, mode: AckMode) {
        let appended = Appended { partition, place: Place::Early { mode, lsn: None } };
        self.acknowledged.extend(numbers.into_iter().map(|number| (number, appended)));
    }

    async fn wait_for(&mut self, Sent { partition, numbers, told }: Sent) {
        let failure = match told.await {
            Ok(Event::Durable { first_index, .. }) => {
                let appended = (first_index..).map(|offset| Appended::at(partition, offset));
                self.acknowledged.extend(numbers.into_iter().zip(appended));
                return;
            }
            // Not written, and it will not be.
            Ok(Event::Unavailable { reason, .. }) => reason,
            Ok(other) => {
                self.unknown.extend(numbers);
                other.durable().err().unwrap_or(core::Error::Closed)
            }
            // The store is closing.
            Err(_) => {
                self.unknown.extend(numbers);
                core::Error::Closed
            }
        };
        self.failure.get_or_insert(failure.into());
    }

    pub(super) fn finish(self, of: usize) -> Result<Vec<Appended>, LogError> {
        let Self { mut acknowledged, mut unknown, failure } = self;
        acknowledged.sort_unstable_by_key(|(number, _)| *number);
        unknown.sort_unstable();
        match failure {
            None => Ok(acknowledged.into_iter().map(|(_, appended)| appended).collect()),
            Some(reason) if !acknowledged.is_empty() => {
                Err(LogError::Partly(Box::new(Partly { acknowledged, unknown, of, reason })))
            }
            Some(LogError::Store(reason)) if !unknown.is_empty() => Err(LogError::Unknown(reason)),
            Some(reason) => Err(reason),
        }
    }
}

#[cfg(test)]
#[path = "append_test.rs"]
mod tests;

//! Appending: each record to its partition, and an answer when all are durable.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use pyralog_cluster_core::{self as core, Event, Log};
use pyralog_crypto::Record;
use tokio::sync::oneshot;

use super::{LogError, Partly, RecordLogs};
use crate::metrics::Metrics;

/// 2^64 divided by the golden ratio. Its multiples spread evenly, also each second or third of them: callers that take turns do not
/// each get their own partition.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
}

/// Records of one request that go to one partition.
#[derive(Default)]
struct Part {
    /// Numbers in the request.
    numbers: Vec<usize>,
    records: Vec<Record>,
}

/// A part that the store has taken.
struct Sent {
    partition: u32,
    numbers: Vec<usize>,
    told: oneshot::Receiver<Event>,
}

/// What became of the records so far.
#[derive(Default)]
struct Outcome {
    durable: Vec<(usize, Appended)>,
    unknown: Vec<usize>,
    failure: Option<core::Error>,
}

impl RecordLogs {
    /// Appends 1 to [`core::MAX_APPEND_RECORDS`] records of together at most [`core::MAX_APPEND_BYTES`] bytes, and answers where they stand, in their
    /// order, when all are durable. Without `partition` a record goes to that of its key, and those without a key go together to one.
    ///
    /// # Errors
    /// [`LogError::Store`] where nothing was taken, [`LogError::Unknown`], [`LogError::Partly`].
    pub async fn append(
        &self,
        name: String,
        partition: Option<u32>,
        records: Vec<Record>,
    ) -> Result<Vec<Appended>, LogError> {
        let of = records.len();
        // Before anything is sent: the store would refuse one part of it and take another.
        core::check_append(&records)?;
        let (logs, metrics) = (self.logs.clone(), self.metrics.clone());
        let turn = self.turn.fetch_add(STEP, Ordering::Relaxed);
        let sending = self.work(move || {
            let log = logs.open_log(&name)?;
            let parts = split(&log, partition, records, turn);
            send(&log, parts, &metrics)
        });
        let (sent, failure) = sending.await?;
        let mut outcome = Outcome { failure, ..Outcome::default() };
        for part in sent {
            outcome.wait_for(part).await;
        }
        outcome.finish(of)
    }
}

fn split(log: &Log, partition: Option<u32>, records: Vec<Record>, turn: u64) -> BTreeMap<u32, Part> {
    let spec = log.spec();
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
    async fn wait_for(&mut self, Sent { partition, numbers, told }: Sent) {
        let failure = match told.await {
            Ok(Event::Durable { first_index, .. }) => {
                let offsets = first_index..;
                let appended = offsets.map(|offset| Appended { partition, offset });
                self.durable.extend(numbers.into_iter().zip(appended));
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
        self.failure.get_or_insert(failure);
    }

    fn finish(self, of: usize) -> Result<Vec<Appended>, LogError> {
        let Self { mut durable, mut unknown, failure } = self;
        durable.sort_unstable_by_key(|(number, _)| *number);
        unknown.sort_unstable();
        match failure {
            None => Ok(durable.into_iter().map(|(_, appended)| appended).collect()),
            Some(reason) if !durable.is_empty() => {
                Err(LogError::Partly(Box::new(Partly { durable, unknown, of, reason })))
            }
            Some(reason) if !unknown.is_empty() => Err(LogError::Unknown(reason)),
            Some(reason) => Err(LogError::Store(reason)),
        }
    }
}

#[cfg(test)]
#[path = "append_test.rs"]
mod tests;

//! Reading: from an offset or a time, waiting at the end, with proofs.

use std::collections::BTreeMap;
use std::time::Duration;

use pyralog_cluster_core::{Error, Log, Partition, Storage, Stub};
use pyralog_crypto::{Decode, LogId, PartitionCheckpoint, Record, RecordProof, SignedPartitionCheckpoint};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::{LogError, RecordLogs};
use crate::cluster::ClusterMember;

/// Bytes of records behind which an answer gets no further one.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// How often a caller that waits at the end looks again. A look reads a number in memory.
const LOOK: Duration = Duration::from_millis(20);

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record that is still there.
    First,
    /// At this offset.
    Offset(u64),
    /// With the first record whose timestamp (milliseconds since 1970) is this or higher.
    Time(u64),
}

/// What a reader asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Of which partition.
    pub partition: u32,
    /// Of which incarnation of the log, where only one will do.
    pub incarnation: Option<u64>,
    /// Where it begins.
    pub from: Start,
    /// Most records; at least one is given where there is one.
    pub limit: usize,
    /// How long it waits where there is none.
    pub wait: Duration,
    /// Whether it wants proofs.
    pub proof: bool,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it stands.
    pub offset: u64,
    /// The record.
    pub record: Record,
    /// That it stands there, where it was asked for: against the checkpoint of the page.
    pub proof: Option<RecordProof>,
}

/// Consecutive records of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Of the log.
    pub incarnation: u64,
    /// At most 4 MiB, or one.
    pub records: Vec<Found>,
    /// Records among them that other members have; none in an answer.
    elsewhere: BTreeMap<u64, Stub>,
    /// Offset of the first record of the partition.
    pub first: u64,
    /// Where to go on.
    pub next: u64,
    /// Offset behind the last durable record of the partition; the size of the checkpoint where there is one.
    pub end: u64,
    /// Where proofs were asked for.
    pub checkpoint: Option<SignedPartitionCheckpoint>,
}

impl Page {
    /// Without what is behind a checkpoint of this size.
    fn up_to(mut self, size: u64) -> Self {
        self.records.retain(|found| found.offset < size);
        self.elsewhere.retain(|offset, _| *offset < size);
        self.next = self.records.last().map_or(size, |last| last.offset + 1);
        self
    }
}

impl Start {
    /// Whether the caller named a place, and is told when it is not there.
    fn is_exact(self) -> bool {
        matches!(self, Self::Offset(_))
    }
}

impl RecordLogs {
    /// Reads durable records.
    ///
    /// # Errors
    /// [`LogError::Store`] with what the store answers: no such log, partition or record, no checkpoints (of a log in memory), damage;
    /// [`LogError::Replaced`].
    pub async fn read(&self, name: String, question: Question) -> Result<Page, LogError> {
        let until = Instant::now() + question.wait;
        self.caught_up(&name).await;
        let known = self.incarnation_here(&name, question.partition)?;
        let logs = self.logs.clone();
        let opening = self.work(move || {
            let log = logs.open_log(&name)?;
            let incarnation = of_incarnation(&log, known, question.incarnation)?;
            if question.proof && log.spec().storage == Storage::Memory {
                return Err(Error::NoCheckpoints { name: log.spec().name.to_string() }.into());
            }
            let id = log.spec().id;
            let place = Place { log: name, id, incarnation, partition: log.partition(question.partition)?.clone() };
            let page = place.look(question)?;
            Ok((place, page))
        });
        let (place, page) = opening.await?;
        let mut page = self.filled(&place, question, page).await?;
        loop {
            // The time is looked at here too: what comes in may all be older than what is asked for.
            let waits = page.records.is_empty() && Instant::now() < until;
            if waits && self.grows(&place, page.end, until).await? {
                page = self.look(&place, question).await?;
                continue;
            }
            if !question.proof {
                return Ok(page);
            }
            match self.prove(&place, question, page).await {
                // Retention has taken the records in between.
                Err(LogError::Store(Error::NoSuchRecord { .. })) if !question.from.is_exact() => {
                    page = self.look(&place, question).await?;
                }
                answer => return answer,
            }
        }
    }

    async fn look(&self, place: &Place, question: Question) -> Result<Page, LogError> {
        let of = place.clone();
        let page = self.work(move || of.look(question)).await?;
        self.filled(place, question, page).await
    }

    /// The page with all its records, or a later one where retention has taken some in between.
    async fn filled(&self, place: &Place, question: Question, mut page: Page) -> Result<Page, LogError> {
        loop {
            let absent = match self.whole(place, page).await {
                Err(LogError::Absent { offset, .. }) if !question.from.is_exact() => offset,
                answer => return answer,
            };
            let of = place.clone();
            page = self.work(move || of.look(question)).await?;
            if page.first <= absent {
                return self.whole(place, page).await;
            }
        }
    }

    /// Gets the records of a page that other members have.
    async fn whole(&self, place: &Place, mut page: Page) -> Result<Page, LogError> {
        while let Some((first, stub)) = page.elsewhere.first_key_value().map(|(first, stub)| (*first, *stub)) {
            let (log, partition) = (place.log.clone(), place.partition.number());
            let cluster = self.member.as_ref().map(ClusterMember::cluster);
            let found = match cluster.zip(log.parse().ok()) {
                Some((cluster, name)) => cluster.records_elsewhere(&name, partition, first, &stub).await,
                None => Vec::new(),
            };
            let absent = || LogError::Absent { log: log.clone(), partition, offset: first };
            for (offset, bytes) in found {
                if page.elsewhere.get(&offset).is_some_and(|stub| stub.fits(&bytes)) {
                    let record = Record::from_bytes(&bytes).map_err(|_| absent())?;
                    page.elsewhere.remove(&offset);
                    page.records.push(Found { offset, record, proof: None });
                }
            }
            if page.elsewhere.contains_key(&first) {
                return Err(absent());
            }
        }
        page.records.sort_by_key(|found| found.offset);
        Ok(page)
    }

    /// Waits until there are records behind `end`; `false` where none came in time, or the node stops. Who waits at the end of a log that is
    /// deleted is told so at once.
    async fn grows(&self, place: &Place, end: u64, until: Instant) -> Result<bool, LogError> {
        let mut stopping = self.stopping.clone();
        loop {
            // Not its range, which may open files: that is no work for this thread.
            if place.partition.end() > end {
                return Ok(true);
            }
            let known = self.incarnation_here(&place.log, place.partition.number())?;
            of_incarnation(&self.logs.open_log(&place.log)?, known, Some(place.incarnation))?;
            let now = Instant::now();
            if now >= until {
                return Ok(false);
            }
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(false),
                () = sleep(LOOK.min(until - now)) => {}
            }
        }
    }

    /// Adds a checkpoint and the proofs against it. The records were durable before it, so it has all of them. What came since a page was
    /// found empty is in it too: then the page ends with the checkpoint.
    async fn prove(&self, place: &Place, question: Question, page: Page) -> Result<Page, LogError> {
        let checkpoint = match page.end {
            // Of the partition without records nothing need be recorded: every other one continues it.
            0 => PartitionCheckpoint::empty(place.id, place.partition.number()),
            _ => self.to_sign(&place.partition).await?,
        };
        let signed = SignedPartitionCheckpoint::sign(checkpoint, &self.chain_id, self.signer.as_ref());
        let signed = signed.map_err(|error| LogError::Unsigned(error.to_string()))?;
        let overtaken = page.records.is_empty() && page.next < checkpoint.size;
        let mut page = if overtaken { self.look(place, question).await?.up_to(checkpoint.size) } else { page };
        let place = place.clone();
        self.work(move || {
            for found in &mut page.records {
                found.proof = Some(place.partition.prove(found.offset, &checkpoint)?);
            }
            Ok(Page { end: checkpoint.size, checkpoint: Some(signed), ..page })
        })
        .await
    }

    /// The newest checkpoint. Its size is recorded durably before anything is signed: the partition can never again be taken for a shorter one.
    async fn to_sign(&self, partition: &Partition) -> Result<PartitionCheckpoint, LogError> {
        let (sender, receiver) = oneshot::channel();
        let of = partition.clone();
        self.work(move || Ok(of.checkpoint_to_sign(move |checkpoint| drop(sender.send(checkpoint)))?)).await?;
        Ok(receiver.await.map_err(|_| LogError::Stopping)??)
    }
}

/// The incarnation of a log: what the cluster knows it under, else its own. Refuses another one than is asked for.
pub(super) fn of_incarnation(log: &Log, known: Option<u64>, asked: Option<u64>) -> Result<u64, LogError> {
    let found = known.unwrap_or_else(|| log.incarnation());
    match asked {
        Some(asked) if asked != found => Err(LogError::Replaced { log: log.spec().name.to_string(), found, asked }),
        _ => Ok(found),
    }
}

/// Where a reader looks.
#[derive(Clone)]
struct Place {
    log: String,
    id: LogId,
    incarnation: u64,
    partition: Partition,
}

impl Place {
    /// What is there now.
    fn look(&self, question: Question) -> Result<Page, LogError> {
        loop {
            match self.look_once(question) {
                // Retention has moved the first record in between.
                Err(LogError::Store(Error::NoSuchRecord { .. })) if !question.from.is_exact() => {}
                answer => return answer,
            }
        }
    }

    fn look_once(&self, question: Question) -> Result<Page, LogError> {
        let Self { incarnation, partition, .. } = self;
        let (first, end) = partition.range()?;
        let page = |records, elsewhere, next, end| {
            let (incarnation, checkpoint) = (*incarnation, None);
            Page { incarnation, records, elsewhere, first, next, end, checkpoint }
        };
        let from = match question.from {
            Start::First => first,
            Start::Offset(offset) => offset,
            Start::Time(time) => match partition.offset_at(time)? {
                Some(offset) => offset,
                None => return Ok(page(Vec::new(), BTreeMap::new(), end, end)),
            },
        };
        let (mut records, mut elsewhere): (Vec<Found>, _) = (Vec::new(), BTreeMap::new());
        let (mut bytes, mut next, mut unreadable) = (0, from, None);
        partition.read(from, &mut |stored| {
            let stub = stored.stub();
            bytes += stub.map_or(stored.bytes.len(), |stub| stub.length as usize);
            if next > from && bytes > MAX_PAGE_BYTES {
                return false;
            }
            match stub.map_or_else(|| Record::from_bytes(stored.bytes).map(Ok), |stub| Ok(Err(stub))) {
                Ok(Ok(record)) => records.push(Found { offset: stored.offset, record, proof: None }),
                Ok(Err(stub)) => drop(elsewhere.insert(stored.offset, stub)),
                Err(why) => unreadable = Some((stored.offset, why)),
            }
            next = stored.offset + 1;
            unreadable.is_none() && records.len() + elsewhere.len() < question.limit
        })?;
        if let Some((offset, why)) = unreadable {
            let (log, partition) = (self.log.clone(), partition.number());
            return Err(LogError::Unreadable { log, partition, offset, why: why.to_string() });
        }
        Ok(page(records, elsewhere, next, end.max(next)))
    }
}

#[cfg(test)]
#[path = "read_test.rs"]
mod tests;

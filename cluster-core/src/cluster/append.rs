//! Appends through whoever leads, and those of producers, which may be sent again.

use std::time::Duration;

use bytes::Bytes;
use pyralog_crypto::Record;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answers::AppendError;
use super::forward::wait;
use super::host::Cluster;
use crate::member::{Placed, Unplaced};
use crate::replication::{EpochStore, MemberId, Payload, ProducerId, Stamp};
use crate::{Error as StoreError, LogName, PartitionId, payload, stamped_payload};

/// For so long a producer's append waits for its answer before it is sent again: the message may be lost, and the leader with it.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The first pause before an append is tried again; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(5);

/// When an append is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Where nothing was stored.
    Refused,
    /// Also where nobody knows: twice it does no harm.
    Unknown,
}

impl Cluster {
    /// Appends records, through whoever leads the partition, and answers when they are durable on enough members.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append(&self, name: &LogName, partition: u32, records: &[Record]) -> Result<Placed, AppendError> {
        let payload = payload(records)?;
        self.place(self.partition(name, partition)?, payload, Again::Refused).await
    }

    /// Opens a producer of a partition, through whoever leads it. It is known until a great many others have appended since
    /// ([`crate::replication::MAX_PRODUCERS`]).
    ///
    /// # Errors
    /// [`AppendError`]. Whoever does not know whether one was opened opens another one.
    pub async fn open_producer(&self, name: &LogName, partition: u32) -> Result<ProducerId, AppendError> {
        let id = self.partition(name, partition)?;
        let placed = self.place(id, Payload::Open.wrap(&[]), Again::Unknown).await?;
        Ok(ProducerId(placed.lsn))
    }

    /// Appends records of a producer, as [`Cluster::append`]. The same stamp sent again gets the first answer, also from another leader and after any
    /// start, for the last [`crate::replication::MAX_PRODUCER_RECORDS`] appends of a producer. So this sends it again itself where nobody knows.
    ///
    /// # Errors
    /// [`AppendError`]; [`AppendError::Gap`] where the append before it is missing, [`AppendError::UnknownProducer`].
    pub async fn append_as(
        &self,
        name: &LogName,
        partition: u32,
        stamp: Stamp,
        records: &[Record],
    ) -> Result<Placed, AppendError> {
        let payload = stamped_payload(stamp, records)?;
        self.place(self.partition(name, partition)?, payload, Again::Unknown).await
    }

    /// Has whoever leads the partition number a payload.
    pub(super) async fn place(&self, id: PartitionId, payload: Bytes, again: Again) -> Result<Placed, AppendError> {
        let deadline = Instant::now() + self.shared.options.patience;
        let mut pause = FIRST;
        // Once nobody knows, nothing that is refused later says that nothing was stored.
        let mut unknown = None;
        loop {
            let until = if again == Again::Unknown { deadline.min(Instant::now() + ATTEMPT) } else { deadline };
            let way = self.shared.way_to_leader(id);
            let leader = way.map(|way| way.leader);
            let placed = match way {
                Some(way) if way.leader == self.shared.me => {
                    wait(&mut self.shared.inputs.append(id, payload.clone()), until).await
                }
                Some(way) => match self.send_on(way, id, payload.clone()) {
                    Some(sent) => sent.wait(until).await,
                    None => Err(Unplaced::NotLeader),
                },
                None => Err(Unplaced::NotLeader),
            };
            let refusal = match placed {
                Ok(placed) => return Ok(placed),
                Err(Unplaced::Unknown { copies, wanted }) => {
                    unknown = Some(AppendError::Unknown { copies, wanted });
                    AppendError::Unknown { copies, wanted }
                }
                Err(Unplaced::Invalid) => {
                    let allowed = "records as `check_append` allows them";
                    return Err(StoreError::Size { what: "an append", found: payload.len() as u64, allowed }.into());
                }
                Err(Unplaced::Busy) => AppendError::Busy,
                Err(Unplaced::NotLeader) => AppendError::NoLeader,
                Err(why @ (Unplaced::Gap { .. } | Unplaced::UnknownProducer)) => {
                    if self.is_newest(id, leader).await {
                        return Err(match why {
                            Unplaced::Gap { expected } => AppendError::Gap { expected },
                            _ => AppendError::UnknownProducer,
                        });
                    }
                    AppendError::NoLeader
                }
            };
            let next = Instant::now() + pause;
            if next >= deadline || (again == Again::Refused && unknown.is_some()) {
                return Err(unknown.unwrap_or(refusal));
            }
            pause = match self.wait_for_leader(id, leader, next).await {
                true => FIRST,
                false => (pause * 2).min(Duration::from_millis(200)),
            };
        }
    }

    /// Until another member leads a partition than did, as far as this one knows, but no longer than that. Whether one does.
    async fn wait_for_leader(&self, id: PartitionId, was: Option<MemberId>, until: Instant) -> bool {
        let Some(shard) = self.shared.groups.open_shard_of(id.0) else {
            sleep_until(until).await;
            return false;
        };
        let mut applied = shard.applied_changes();
        loop {
            let leader = self.leader_of(id);
            if leader.is_some() && leader != was {
                return true;
            }
            match timeout_at(until, applied.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => sleep_until(until).await,
                Err(_) => return false,
            }
        }
    }

    /// Whether nobody leads a newer epoch than who was asked: one that was replaced and does not know it lacks what came later.
    async fn is_newest(&self, id: PartitionId, asked: Option<MemberId>) -> bool {
        let Ok(shard) = self.shared.groups.shard_of(id.0).await else { return false };
        let sequencer = shard.read(|state| state.partition(id.0).map(EpochStore::sequencer)).await;
        sequencer.is_ok_and(|sequencer| sequencer == asked)
    }
}

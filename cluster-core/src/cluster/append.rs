//! Appends through whoever leads, with early answers where they are wanted, and those of producers, which may be sent again.

use std::time::Duration;

use bytes::Bytes;
use pyralog_crypto::Record;
use tokio::time::{Instant, sleep_until};

use super::Cluster;
use super::answers::AppendError;
use crate::member::{Acked, Placed, Unplaced};
use crate::replication::{AckMode, EpochStore, MemberId, Payload, ProducerId, Stamp};
use crate::{Error as StoreError, LogName, PartitionId, payload, stamped_payload};

/// For so long a producer's append waits for its answer before it is sent again: the message may be lost, and the leader with it.
const ATTEMPT: Duration = Duration::from_secs(2);

/// When an append is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Where nothing was stored.
    Refused,
    /// Also where nobody knows: twice it does no harm.
    Unknown,
}

impl Cluster {
    /// The same as [`Cluster::append`], answered as early as `mode` says. An answer before the records are durable has no offset, since they may be lost.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_with(
        &self,
        name: &LogName,
        partition: u32,
        records: &[Record],
        mode: AckMode,
    ) -> Result<Acked, AppendError> {
        let payload = payload(records)?;
        self.place(self.partition(name, partition)?, (mode, payload), Again::Refused).await
    }

    /// Opens a producer of a partition, through whoever leads it. It is known until a great many others have appended since
    /// ([`crate::replication::MAX_PRODUCERS`]).
    ///
    /// # Errors
    /// [`AppendError`]. Whoever does not know whether one was opened opens another one.
    pub async fn open_producer(&self, name: &LogName, partition: u32) -> Result<ProducerId, AppendError> {
        let id = self.partition(name, partition)?;
        let placed = self.place_durably(id, Payload::Open.wrap(&[]), Again::Unknown).await?;
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
        self.place_durably(self.partition(name, partition)?, payload, Again::Unknown).await
    }

    /// Has whoever leads the partition number a payload, and waits until it is durable.
    pub(super) async fn place_durably(
        &self,
        id: PartitionId,
        payload: Bytes,
        again: Again,
    ) -> Result<Placed, AppendError> {
        let acked = self.place(id, (AckMode::Durable, payload), again).await?;
        // An early answer was not asked for, and is none.
        acked.durable().ok_or(AppendError::Unknown { copies: 0, wanted: 0 })
    }

    /// Has whoever leads the partition number a payload, and waits until it is as safe as the mode says.
    async fn place(
        &self,
        id: PartitionId,
        (mode, payload): (AckMode, Bytes),
        again: Again,
    ) -> Result<Acked, AppendError> {
        let deadline = Instant::now() + self.shared.options.patience;
        let mut pause = Duration::from_millis(5);
        // Once nobody knows, nothing that is refused later says that nothing was stored.
        let mut unknown = None;
        loop {
            let until = if again == Again::Unknown { deadline.min(Instant::now() + ATTEMPT) } else { deadline };
            let leader = self.leader_of(id);
            let acked = match leader {
                Some(leader) if leader == self.shared.me => {
                    self.wait(self.shared.inputs.append(id, mode, payload.clone()), until).await
                }
                Some(leader) => self.forward(leader, id, (mode, payload.clone()), until).await,
                None => Err(Unplaced::NotLeader),
            };
            let refusal = match acked {
                Ok(acked) => return Ok(acked),
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
            sleep_until(next).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    /// Whether nobody leads a newer epoch than who was asked: one that was replaced and does not know it lacks what came later.
    async fn is_newest(&self, id: PartitionId, asked: Option<MemberId>) -> bool {
        let Ok(shard) = self.shared.groups.shard_of(id.0).await else { return false };
        let sequencer = shard.read(|state| state.partition(id.0).map(EpochStore::sequencer)).await;
        sequencer.is_ok_and(|sequencer| sequencer == asked)
    }
}

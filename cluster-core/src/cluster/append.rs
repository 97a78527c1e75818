//! Appends through whoever leads, with early answers where they are wanted, and those of producers, which may be sent again.

use std::time::Duration;

use bytes::Bytes;
use pyralog_crypto::Record;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answers::AppendError;
use super::forward::wait;
use super::host::Cluster;
use crate::member::{Acked, Placed, Unplaced};
use crate::replication::{AckMode, Epoch, EpochStore, MemberId, Payload, ProducerId, Stamp};
use crate::{Error as StoreError, LogName, PartitionId, payload, stamped_payload};

/// For so long a producer's append waits for its answer before it is sent again: the message may be lost, and the leader with it.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The first pause before an append is tried again; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(5);
/// For so long an append waits for a leader whose disk has space.
const MOVED: Duration = Duration::from_secs(4);

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
        self.place_durably(self.partition(name, partition)?, payload, Again::Refused).await
    }

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

    /// Appends records as [`Cluster::append`], and once more where nobody knows what became of them: they may stand in the partition more than once then.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_again(
        &self,
        name: &LogName,
        partition: u32,
        records: &[Record],
    ) -> Result<Placed, AppendError> {
        self.place_durably(self.partition(name, partition)?, payload(records)?, Again::Unknown).await
    }

    /// The newest epoch of a partition, as far as this member knows, if it took that itself. It may have been replaced, or have begun anew, since.
    #[must_use]
    pub fn epoch_led(&self, partition: PartitionId) -> Option<Epoch> {
        let stands = self.shared.stands(partition)?;
        (stands.sequencer == self.shared.me && stands.epoch > Epoch::NONE).then_some(stands.epoch)
    }

    /// Appends records in one epoch that this member leads, and in no other: what is acknowledged stands before everything of later epochs, and whoever
    /// leads one of those has read it. Appends of one caller stand in the order of its calls.
    ///
    /// # Errors
    /// [`AppendError::Invalid`].
    pub fn append_in(
        &self,
        partition: PartitionId,
        epoch: Epoch,
        records: &[Record],
    ) -> Result<impl Future<Output = Result<Placed, AppendError>> + Send + use<>, AppendError> {
        let answered = self.shared.inputs.append(partition, (AckMode::Durable, Some(epoch)), payload(records)?);
        Ok(async move {
            match answered.await {
                // An early answer was not asked for, and is none.
                Ok(Ok(acked)) => acked.durable().ok_or(AppendError::Unknown { copies: 0, wanted: 0 }),
                Ok(Err(Unplaced::NotLeader)) => Err(AppendError::NoLeader),
                Ok(Err(Unplaced::Busy)) => Err(AppendError::Busy),
                Ok(Err(Unplaced::Unknown { copies, wanted })) => Err(AppendError::Unknown { copies, wanted }),
                // The member has ended; the rest is said of producers only, and of what was checked.
                Ok(Err(_)) | Err(_) => Err(AppendError::Unknown { copies: 0, wanted: 0 }),
            }
        })
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
        let begun = Instant::now();
        let deadline = begun + self.shared.options.patience;
        let mut pause = FIRST;
        // Once nobody knows, nothing that is refused later says that nothing was stored.
        let mut unknown = None;
        // The epoch that was the newest one before the last try.
        let mut newest = None;
        loop {
            let until = if again == Again::Unknown { deadline.min(Instant::now() + ATTEMPT) } else { deadline };
            let way = self.shared.way_to_leader(id);
            let leader = way.map(|way| way.leader);
            let acked = match way {
                Some(way) if way.leader == self.shared.me => {
                    wait(&mut self.shared.inputs.append(id, (mode, None), payload.clone()), until).await
                }
                Some(way) => match self.send_on(way, id, (mode, payload.clone())) {
                    Some(sent) => sent.wait(until).await,
                    None => Err(Unplaced::NotLeader),
                },
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
                Err(Unplaced::DiskFull) if begun.elapsed() >= MOVED => {
                    return Err(unknown.unwrap_or(AppendError::DiskFull));
                }
                Err(Unplaced::DiskFull) => AppendError::DiskFull,
                Err(Unplaced::NotLeader) => AppendError::NoLeader,
                Err(why @ (Unplaced::Gap { .. } | Unplaced::UnknownProducer)) => {
                    // Whoever was replaced and does not know it lacks what came later, also where it leads again by now: its answer counts where the same
                    // epoch of its own was the newest one before it was asked and is so still.
                    let before = std::mem::replace(&mut newest, self.newest_of(id, leader).await);
                    if newest.is_some() && newest == before {
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
                return Err(self.counted(id, unknown.unwrap_or(refusal)));
            }
            pause = match self.wait_for_leader(id, leader, next).await {
                true => FIRST,
                false => (pause * 2).min(Duration::from_millis(200)),
            };
        }
    }

    /// Where nobody has said how many copies there are: none is known, of those that are wanted.
    fn counted(&self, id: PartitionId, error: AppendError) -> AppendError {
        match (error, self.shared.stands(id)) {
            (AppendError::Unknown { copies: 0, wanted: 0 }, Some(stands)) => {
                AppendError::Unknown { copies: 0, wanted: stands.nodeset.copies() }
            }
            (error, _) => error,
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

    /// The newest epoch of a partition, where it is that of who was asked.
    async fn newest_of(&self, id: PartitionId, asked: Option<MemberId>) -> Option<Epoch> {
        let shard = self.shared.groups.shard_of(id.0).await.ok()?;
        let stands = |store: &EpochStore| (store.epoch(), store.sequencer());
        let (epoch, sequencer) = shard.read(|state| state.partition(id.0).map(stands)).await.ok()??;
        (Some(sequencer) == asked).then_some(epoch)
    }
}

//! Records that too few members of their nodeset have.
//!
//! Where each record has a copyset of its own ([`crate::raft::Spread`]), W of its members have it when it is acknowledged, and R sooner or later; a member that
//! is lost takes its copies with it. So each member asks the others which records they have, and gets those for itself that fewer than R
//! have and that it should have: of the members that lack a record, those first that are wanted most by [`score`]. It looks once at every
//! record, when its segment is sealed, and again at all of them where the nodeset has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::envelope::Envelope;
use super::holdings::Holdings;
use super::host::{Cluster, Shared, lock};
use super::place::{Place, Stands, places};
use crate::member::FETCH_BYTES;
use crate::raft::GlobalState;
use crate::replica::Replica;
use crate::replication::{MemberId, NodeSet, score};
use crate::stub::{Stub, is_stub};
use crate::{Error, LogName, PartitionId, items};

/// Time between two looks where nothing is to be done.
const EVERY: Duration = Duration::from_millis(500);
/// Time until a partition is looked at again where somebody had no answer, or not the record: a look reads many records.
const REST: Duration = Duration::from_secs(5);
/// How long a member may take for an answer.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of records that are put in their places at once, about.
const FILL_BYTES: usize = 64 << 20;

/// Places with lost records that are told apart, at most: more count to the last one.
const MAX_LOST: usize = 1024;

/// How far a partition was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strength {
    /// Who stored it then, and who of those was still a member.
    nodeset: NodeSet,
    live: BTreeSet<MemberId>,
    /// All records before this one are where they should be, as far as this member can see to it.
    whole_to: u64,
    /// They are looked at up to here even where their segment is not sealed: somebody came or went when the partition had so many.
    changed_at: u64,
    /// Records before `whole_to` that no member has any more: how many, and the offset behind the last of them.
    lost: Vec<(u64, u64)>,
    /// How many they were when the nodeset was another one.
    lost_before: u64,
    /// Nothing is done before.
    rests_until: Instant,
    /// How often it was tried.
    tries: usize,
}

impl Strength {
    /// Whether this member has all that it should have of the records that there were when somebody came or went last.
    fn is_repaired(&self) -> bool {
        self.whole_to >= self.changed_at
    }

    /// How many records no member has any more. While not all are looked at, those that were missing before still count.
    fn lost(&self) -> u64 {
        let lost = self.lost.iter().map(|(count, _)| count).sum();
        if self.is_repaired() { lost } else { self.lost_before.max(lost) }
    }
}

/// Where there is nothing to be done now, or there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Everything is looked at, or somebody who must be asked is away.
    Waits,
    Some,
}

/// Looks at all partitions, again and again, until nobody holds the member any more.
pub(super) async fn keep_repairing(shared: Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let log_id = Arc::clone(&shared.options.log_id);
        // Most clusters have no such log.
        let is_any = |state: &GlobalState| state.logs().any(|(_, log)| log.spread.is_sparse());
        let look_at = |state: &GlobalState| if is_any(state) { places(state, log_id.as_ref()) } else { Vec::new() };
        let all = shared.groups.global().look(look_at);
        let mut progress = Progress::Waits;
        for place in all.iter().filter(|place| place.spread.is_sparse() && place.nodeset.contains(shared.me)) {
            match look(&shared, place).await {
                Ok(Progress::Some) => progress = Progress::Some,
                Ok(Progress::Waits) => {}
                Err(reason) => {
                    tracing::warn!(log = %place.spec.name, partition = place.number, %reason, "records that too few members have could not be copied yet");
                }
            }
        }
        lock(&shared.strength).retain(|id, _| all.iter().any(|place| place.id == *id));
        drop(shared);
        if progress == Progress::Waits {
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Looks at the next records of a partition.
async fn look(shared: &Arc<Shared>, place: &Place) -> Result<Progress, Error> {
    let here = shared.replicas.get(place.id);
    let Some(replica) = here.filter(|replica| shared.keeps_up(replica, place.id)) else {
        return Ok(Progress::Waits);
    };
    let Some(Stands { epoch, nodeset, .. }) = shared.stands(place.id) else { return Ok(Progress::Waits) };
    // What the nodeset before has acknowledged is here by then, and what comes later has its copies on this one.
    let at = replica.applied();
    let has_begun = !at.between && at.lsn.epoch >= epoch;
    if !has_begun || !nodeset.contains(shared.me) || !shared.hears_all_of(&nodeset) {
        return Ok(Progress::Waits);
    }
    let strength = shared.strength_of(place.id, &nodeset, at.offset);
    if strength.rests_until > Instant::now() {
        return Ok(Progress::Waits);
    }
    let own = {
        let (replica, strength) = (Arc::clone(&replica), strength.clone());
        blocking(move || {
            let sealed = replica.partition().segments()?.last().map_or(0, |last| last.first);
            Holdings::of(&replica, strength.whole_to, sealed.max(strength.changed_at), strength.whole_to)
        })
        .await?
    };
    if own.is_whole() {
        let progress = if own.end > strength.whole_to { Progress::Some } else { Progress::Waits };
        shared.is_whole_to(place.id, &nodeset, own.end);
        return Ok(progress);
    }
    // Where it goes wrong in between.
    shared.rest(place.id);
    let Some(others) = ask_all(shared, place.id, &nodeset, own.from).await else { return Ok(Progress::Waits) };
    let end = others.values().map(|held| held.end).min().unwrap_or(own.end).min(own.end);
    let lost = (own.from..end).filter(|offset| own.has(*offset) == Some(false));
    let lost = lost.filter(|offset| others.values().all(|held| held.has(*offset) == Some(false)));
    let lost: Vec<u64> = lost.collect();
    if !lost.is_empty() {
        tracing::error!(log = %place.spec.name, partition = place.number, from = own.from, end, lost = lost.len(), "no member has some of these records any more");
    }
    let wanted = wanted(shared.me, place.id, &nodeset, (&own, end), &others, strength.tries);
    let filled = fill(shared, place.id, &replica, wanted).await?.unwrap_or(end);
    if filled <= strength.whole_to {
        return Ok(Progress::Waits);
    }
    shared.are_lost(place.id, &nodeset, lost.iter().take_while(|offset| **offset < filled));
    shared.is_whole_to(place.id, &nodeset, filled);
    Ok(Progress::Some)
}

/// What the others have from an offset on; `None` where one of them that may come back does not say.
async fn ask_all(
    shared: &Shared,
    partition: PartitionId,
    nodeset: &NodeSet,
    from: u64,
) -> Option<BTreeMap<MemberId, Holdings>> {
    let mut others = BTreeMap::new();
    for member in nodeset.members().iter().copied().filter(|member| *member != shared.me) {
        if !shared.is_member(member) {
            continue;
        }
        let asked = shared.calls.ask(member, |id| Envelope::Survey { id, partition, from });
        let answer = tokio::time::timeout(WITHIN, asked).await.ok()?.ok()?;
        others.insert(member, Holdings::from_bytes(&answer).ok()?);
    }
    Some(others)
}

/// The records up to `end` that this member should get, and who has each: with each try another one. Members that have looked at a record
/// before do not look again.
fn wanted(
    me: MemberId,
    partition: PartitionId,
    nodeset: &NodeSet,
    (own, end): (&Holdings, u64),
    others: &BTreeMap<MemberId, Holdings>,
    tries: usize,
) -> BTreeMap<u64, MemberId> {
    let mut wanted = BTreeMap::new();
    for offset in (own.from..end).filter(|offset| own.has(*offset) == Some(false)) {
        let has = |held: &Holdings| held.has(offset) == Some(true);
        let holders = others.iter().filter(|(_, held)| has(held));
        let lacking = nodeset.replication().saturating_sub(holders.clone().count());
        let Some((source, _)) = holders.clone().nth((offset as usize).wrapping_add(tries) % holders.count().max(1))
        else {
            continue;
        };
        let rank = |member: MemberId| (score(partition.0, offset / NodeSet::BLOCK, member), member);
        let looks = |held: &Holdings| !has(held) && held.whole_to <= offset;
        let before = others.iter().filter(|(member, held)| looks(held) && rank(**member) > rank(me)).count();
        if before < lacking {
            wanted.insert(offset, *source);
        }
    }
    wanted
}

/// Gets these records and puts them in their places. The first that could not be had, if any.
async fn fill(
    shared: &Arc<Shared>,
    partition: PartitionId,
    replica: &Arc<Replica>,
    mut wanted: BTreeMap<u64, MemberId>,
) -> Result<Option<u64>, Error> {
    while !wanted.is_empty() {
        let (mut records, mut bytes, mut missing) = (BTreeMap::new(), 0, None);
        while let Some((offset, source)) = wanted.first_key_value().map(|(offset, source)| (*offset, *source))
            && bytes < FILL_BYTES
        {
            let found = shared.records_of(source, partition, offset).await.unwrap_or_default();
            let before = records.len();
            for (offset, record) in (offset..).zip(items::iter(&found)).filter(|(_, item)| !is_stub(item)) {
                if wanted.remove(&offset).is_some() {
                    bytes += record.len();
                    records.insert(offset, found.slice_ref(record));
                }
            }
            if records.len() == before {
                missing = Some(offset);
                break;
            }
        }
        let (replica, records) = (Arc::clone(replica), records.into_iter().collect::<Vec<(u64, Bytes)>>());
        let unfilled = blocking(move || fill_all(&replica, &records)).await?;
        if let Some(first) = unfilled.or(missing) {
            return Ok(Some(first));
        }
    }
    Ok(None)
}

/// Puts records in their places, segment by segment. The first that has none yet.
fn fill_all(replica: &Replica, mut records: &[(u64, Bytes)]) -> Result<Option<u64>, Error> {
    while let Some((first, _)) = records.first() {
        match replica.partition().fill(records)? {
            0 => return Ok(Some(*first)),
            filled => records = records.get(filled..).unwrap_or_default(),
        }
    }
    Ok(None)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string())))
}

impl Shared {
    /// How far a partition was looked at, which has so many records now.
    fn strength_of(&self, partition: PartitionId, nodeset: &NodeSet, records: u64) -> Strength {
        if let Some(known) = self.known_of(partition, nodeset) {
            return known;
        }
        let (live, nodeset, rests_until) = (self.live_of(nodeset), nodeset.clone(), Instant::now());
        let mut all = lock(&self.strength);
        let lost_before = all.get(&partition).map_or(0, Strength::lost);
        let lost = Vec::new();
        let new =
            Strength { nodeset, live, whole_to: 0, changed_at: records, lost, lost_before, rests_until, tries: 0 };
        all.insert(partition, new.clone());
        new
    }

    fn is_whole_to(&self, partition: PartitionId, nodeset: &NodeSet, offset: u64) {
        if let Some(known) = lock(&self.strength).get_mut(&partition).filter(|known| known.nodeset == *nodeset) {
            (known.whole_to, known.rests_until) = (known.whole_to.max(offset), Instant::now());
        }
    }

    /// These records are on no member any more; none of them was named before.
    fn are_lost<'a>(&self, partition: PartitionId, nodeset: &NodeSet, lost: impl Iterator<Item = &'a u64>) {
        let (count, last) = lost.fold((0, 0), |(count, _), offset| (count + 1, *offset));
        if let Some(known) = lock(&self.strength).get_mut(&partition).filter(|known| known.nodeset == *nodeset)
            && count > 0
        {
            let is_full = known.lost.len() >= MAX_LOST;
            match known.lost.last_mut().filter(|_| is_full) {
                Some(newest) => *newest = (newest.0 + count, last + 1),
                None => known.lost.push((count, last + 1)),
            }
        }
    }

    /// Records of a partition that no member has any more; `None` where this member does not know.
    pub(super) fn lost(&self, partition: PartitionId) -> Option<u64> {
        let mut known = lock(&self.strength).get(&partition).cloned()?;
        if !known.lost.is_empty() {
            // What retention has removed is missed by nobody.
            let first = self.replicas.get(partition)?.partition().range().ok()?.0;
            known.lost.retain(|(_, behind)| *behind > first);
        }
        let lost = known.lost();
        (lost > 0 || known.is_repaired()).then_some(lost)
    }

    fn rest(&self, partition: PartitionId) {
        if let Some(known) = lock(&self.strength).get_mut(&partition) {
            (known.rests_until, known.tries) = (Instant::now() + REST, known.tries.wrapping_add(1));
        }
    }

    /// Members of a nodeset that are still some.
    fn live_of(&self, nodeset: &NodeSet) -> BTreeSet<MemberId> {
        nodeset.members().iter().copied().filter(|member| self.is_member(*member)).collect()
    }

    /// What is known of a partition that this nodeset stores, if it was looked at since that changed.
    fn known_of(&self, partition: PartitionId, nodeset: &NodeSet) -> Option<Strength> {
        let live = self.live_of(nodeset);
        let known = lock(&self.strength).get(&partition).cloned();
        known.filter(|known| known.nodeset == *nodeset && known.live == live)
    }

    /// Whoever was removed has nothing any more.
    fn is_member(&self, member: MemberId) -> bool {
        self.groups.global().look(|state| state.member(member).is_some_and(|member| !member.removed))
    }

    /// Whether all members of a nodeset that are still some can be asked: whoever is away may have what seems to be missing.
    fn hears_all_of(&self, nodeset: &NodeSet) -> bool {
        let up = self.ears.up();
        nodeset.members().iter().all(|member| up.contains(member) || !self.is_member(*member))
    }

    /// Whether this member has all that it should have of the records that a partition had when its nodeset changed last.
    pub(super) fn is_repaired(&self, partition: PartitionId, nodeset: &NodeSet) -> bool {
        self.known_of(partition, nodeset).is_some_and(|known| known.is_repaired())
    }

    /// Records of a member from an offset on, as it has them: about [`FETCH_BYTES`] of them.
    pub(super) async fn records_of(&self, member: MemberId, partition: PartitionId, from: u64) -> Option<Bytes> {
        let asked = self.calls.ask(member, |id| Envelope::Records { id, partition, from });
        let found = tokio::time::timeout(WITHIN, asked).await.ok()?.ok()?;
        crate::replica::are_records(&found).then_some(found)
    }

    /// Tells a member which records this one has from an offset on.
    pub(super) fn survey(self: &Arc<Self>, to: (MemberId, u64), partition: PartitionId, from: u64) {
        let known = self.stands(partition).and_then(|stands| self.known_of(partition, &stands.nodeset));
        let whole_to = known.map_or(0, |known| known.whole_to);
        self.tell_of(to, partition, move |replica| Ok(Holdings::of(replica, from, u64::MAX, whole_to)?.to_bytes()));
    }

    /// Gives a member the records from an offset on, as they are here.
    pub(super) fn give_records(self: &Arc<Self>, to: (MemberId, u64), partition: PartitionId, from: u64) {
        self.tell_of(to, partition, move |replica| Ok(replica.records(from, FETCH_BYTES, false)?.0));
    }

    fn tell_of(
        self: &Arc<Self>,
        (to, id): (MemberId, u64),
        partition: PartitionId,
        answer: impl FnOnce(&Replica) -> Result<Bytes, Error> + Send + 'static,
    ) {
        let (place, replica) = (Arc::clone(&self.telling).try_acquire_owned(), self.replicas.get(partition));
        let Some((place, replica)) = place.ok().zip(replica) else {
            let _sent = self.links.send(to, Envelope::Told { id, answer: None });
            return;
        };
        let links = Arc::clone(&self.links);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let answer = answer(&replica).inspect_err(|reason| {
                tracing::debug!(member = to.0, partition = partition.0, %reason, "a question about records has no answer");
            });
            let _sent = links.send(to, Envelope::Told { id, answer: answer.ok() });
        });
    }
}

impl Cluster {
    /// Records of a partition from offset `from` on that other members have, the first of which is that of `stub`; none where nobody gives that one.
    pub async fn records_elsewhere(&self, name: &LogName, partition: u32, from: u64, stub: &Stub) -> Vec<(u64, Bytes)> {
        let Ok(id) = self.partition(name, partition) else { return Vec::new() };
        // Whoever leads may keep none.
        for member in self.stored_by(name, partition).into_iter().rev() {
            let found = self.shared.records_of(member, id, from).await.unwrap_or_default();
            if items::iter(&found).next().is_some_and(|first| stub.fits(first)) {
                let all = (from..).zip(items::iter(&found)).filter(|(_, item)| !is_stub(item));
                return all.map(|(offset, item)| (offset, found.slice_ref(item))).collect();
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests;

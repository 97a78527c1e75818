//! Partitions that cannot be used on this member: others lead them, and where files are damaged, they are taken from the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::envelope::Envelope;
use super::host::Shared;
use super::looping::is_renewable;
use super::place::{Place, first_up};
use crate::replication::MemberId;
use crate::{Error, PartitionId};

/// Another member is asked again to lead a partition after so long.
const AGAIN: Duration = Duration::from_secs(2);

/// What is wrong with a partition on this member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// It cannot be used, and nobody mends that.
    Unusable,
    /// Its files are damaged.
    Damaged,
    /// They are taken from the others after the next start.
    Renewed,
}

/// What is known of them.
#[derive(Default)]
pub(super) struct Renewal {
    faults: BTreeMap<PartitionId, Fault>,
    /// When another member was asked to lead one of them.
    asked: BTreeMap<PartitionId, Instant>,
}

impl Renewal {
    /// Something is wrong with a partition. It stays so until the next start.
    pub(super) fn add(&mut self, partition: PartitionId, fault: Fault) {
        let known = self.faults.entry(partition).or_insert(fault);
        *known = fault.max(*known);
    }

    /// Whether a partition cannot be used here, and is not led.
    pub(super) fn contains(&self, partition: PartitionId) -> bool {
        self.faults.contains_key(&partition)
    }

    pub(super) async fn look(&mut self, shared: &Arc<Shared>, own: &[&Place]) {
        self.hand_over(shared, own);
        self.renew(shared, own).await;
    }

    /// Asks others to lead what this member led and cannot use any more: to them it looks as if it led on.
    fn hand_over(&mut self, shared: &Shared, own: &[&Place]) {
        let (Self { faults, asked }, up) = (self, shared.ears.up());
        for place in own.iter().filter(|place| faults.contains_key(&place.id)) {
            let mine = shared.stands(place.id).is_some_and(|stands| stands.sequencer == shared.me);
            let rests = asked.get(&place.id).is_some_and(|asked| asked.elapsed() < AGAIN);
            let others: BTreeSet<MemberId> = up.iter().copied().filter(|member| *member != shared.me).collect();
            if let Some(next) = first_up(place.id, &place.nodeset, &others).filter(|_| mine && !rests) {
                let _sent = shared.links.send(next, Envelope::Lead { partition: place.id });
                asked.insert(place.id, Instant::now());
            }
        }
    }

    /// Has what is damaged here taken from the others after the next start, where enough of them have it.
    async fn renew(&mut self, shared: &Arc<Shared>, own: &[&Place]) {
        for place in own {
            // A start has found it, and nobody has used it since.
            let broken = shared.replicas.get(place.id).and_then(|replica| replica.broken());
            if broken.is_some_and(|reason| is_renewable(&reason)) {
                self.add(place.id, Fault::Damaged);
            }
        }
        for place in own {
            if self.faults.get(&place.id) != Some(&Fault::Damaged) || !is_elsewhere(shared, place) {
                continue;
            }
            let (replicas, id) = (shared.replicas.clone(), place.id);
            let marked = tokio::task::spawn_blocking(move || replicas.renew(id)).await;
            match marked.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string()))) {
                Ok(()) => {
                    self.add(place.id, Fault::Renewed);
                    tracing::error!(
                        log = %place.spec.name,
                        partition = place.number,
                        "restart this node: its files of a partition are damaged, and are put aside then; the records are taken from the other members"
                    );
                }
                Err(reason) => tracing::error!(%reason, "a damaged partition cannot be marked"),
            }
        }
    }
}

/// Whether enough others have all of a partition.
fn is_elsewhere(shared: &Shared, place: &Place) -> bool {
    let up = shared.ears.up();
    let others = place.nodeset.members().iter().filter(|member| **member != shared.me && up.contains(member));
    // Whoever recovers the earlier epochs has all of it.
    let settled = shared
        .stands(place.id)
        .is_some_and(|stands| stands.last_clean.next() == Some(stands.epoch) && stands.sequencer != shared.me);
    settled && others.count() >= place.nodeset.recovery_quorum() && shared.replicas.get(place.id).is_some()
}

#[cfg(test)]
mod tests;

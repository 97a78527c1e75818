//! Partitions that this member led, or should lead, and cannot use: others are asked to lead them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::envelope::Envelope;
use super::host::Shared;
use super::place::{Place, Stands, first_up};
use crate::PartitionId;
use crate::replication::{Epoch, MemberId};

/// Another member is asked after so long.
const AGAIN: Duration = Duration::from_secs(2);

/// Who was asked to lead what.
#[derive(Default)]
pub(super) struct Handing(BTreeMap<PartitionId, Asked>);

struct Asked {
    at: Instant,
    /// Members that were asked since the last round of all.
    members: BTreeSet<MemberId>,
}

impl Handing {
    /// Asks others to lead what is `unfit` here: damaged, not opened, or on a full disk. To them it looks as if this member led on. Each is asked in
    /// turn: it may not be able to either.
    pub(super) fn look(&mut self, shared: &Shared, own: &[&Place], unfit: impl Fn(&Place) -> bool) {
        let up = shared.ears.up();
        for place in own {
            let mine = || {
                shared.stands(place.id).is_some_and(|Stands { epoch, sequencer, .. }| {
                    let led = epoch > Epoch::NONE && up.contains(&sequencer);
                    match led {
                        true => sequencer == shared.me,
                        false => first_up(place.id, &place.nodeset, &up) == Some(shared.me),
                    }
                })
            };
            if !unfit(place) || !mine() {
                self.0.remove(&place.id);
                continue;
            }
            let first = || Asked { at: Instant::now(), members: BTreeSet::new() };
            let known = self.0.contains_key(&place.id);
            let asked = self.0.entry(place.id).or_insert_with(first);
            if known && asked.at.elapsed() < AGAIN {
                continue;
            }
            let others = |but: &BTreeSet<MemberId>| {
                let others =
                    up.iter().copied().filter(|member| *member != shared.me && !but.contains(member)).collect();
                first_up(place.id, &place.nodeset, &others)
            };
            let next = others(&asked.members).or_else(|| {
                asked.members.clear();
                others(&asked.members)
            });
            if let Some(next) = next {
                asked.members.insert(next);
                asked.at = Instant::now();
                let _sent = shared.links.send(next, Envelope::Lead { partition: place.id });
            }
        }
    }
}

//! Links in memory, which may be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::cluster::{Cluster, Envelope, Links};
use crate::replication::MemberId;

/// All links. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Net(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    members: BTreeMap<MemberId, Cluster>,
    /// Pairs that do not hear each other, the lower one first.
    cut: BTreeSet<(MemberId, MemberId)>,
    /// Nobody is asked which records it has.
    unasked: bool,
}

impl Ends {
    fn is_cut(&self, one: MemberId, other: MemberId) -> bool {
        self.cut.contains(&(one.min(other), one.max(other)))
    }
}

/// One member's end of all its links.
pub(super) struct End {
    pub(super) me: MemberId,
    pub(super) net: Net,
}

impl Links for End {
    fn send(&self, to: MemberId, envelope: Envelope) -> bool {
        let ends = self.net.0.lock().unwrap();
        let inner = match &envelope {
            Envelope::From { envelope, .. } => envelope.as_ref(),
            whole => whole,
        };
        let refused = ends.unasked && matches!(inner, Envelope::Survey { .. });
        let linked = ends.members.contains_key(&self.me) && !ends.is_cut(self.me, to) && !refused;
        let target = ends.members.get(&to).filter(|_| linked).cloned();
        drop(ends);
        let Some(target) = target else { return false };
        // As bytes, as on a real link.
        target.receive(self.me, Envelope::from_shared(&envelope.to_bytes()).unwrap());
        true
    }
}

impl Net {
    pub(super) fn join(&self, cluster: &Cluster) {
        let me = cluster.id();
        let others: Vec<Cluster> = {
            let mut ends = self.0.lock().unwrap();
            let others = ends.members.values().filter(|other| !ends.is_cut(me, other.id())).cloned().collect();
            ends.members.insert(me, cluster.clone());
            others
        };
        for other in others {
            other.link(me, true);
            cluster.link(other.id(), true);
        }
    }

    pub(super) fn leave(&self, id: MemberId) {
        let left: Vec<Cluster> = {
            let mut ends = self.0.lock().unwrap();
            ends.members.remove(&id);
            ends.members.values().filter(|other| !ends.is_cut(id, other.id())).cloned().collect()
        };
        left.iter().for_each(|other| other.link(id, false));
    }

    /// Whether members can be asked which records they have: where not, nobody copies what too few have.
    pub(super) fn set_asked(&self, asked: bool) {
        self.0.lock().unwrap().unasked = !asked;
    }

    /// Two members do not hear each other any more, or do again.
    pub(super) fn hear(&self, one: MemberId, other: MemberId, hear: bool) {
        let ends: Vec<Cluster> = {
            let mut ends = self.0.lock().unwrap();
            let pair = (one.min(other), one.max(other));
            if hear {
                ends.cut.remove(&pair)
            } else {
                ends.cut.insert(pair)
            };
            [one, other].iter().filter_map(|id| ends.members.get(id).cloned()).collect()
        };
        if let [first, second] = &ends[..] {
            first.link(second.id(), hear);
            second.link(first.id(), hear);
        }
    }
}

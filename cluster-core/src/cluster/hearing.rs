//! Whom the members hear, and what each lacks: it tells the others, whenever that changes and once in a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use super::envelope::{Envelope, MAX_HEARD};
use super::host::{Cluster, Shared, lock};
use super::lacks::Lacks;
use crate::member::Input;
use crate::raft::{Hearing, RaftGroups};
use crate::replication::MemberId;

/// It is told so often, also where nothing has changed.
const EVERY: Duration = Duration::from_secs(1);
/// So often a member looks whether it lacks something else than it has told.
const LOOK: Duration = Duration::from_millis(200);
/// What a member said counts for so long.
const LASTS: Duration = Duration::from_millis(3500);

/// Who hears whom. The groups are told of every change.
pub(super) struct Ears {
    me: MemberId,
    groups: RaftGroups,
    known: Mutex<Known>,
}

struct Known {
    /// Those whose link is up. A link alone says nothing: whoever has the member's key makes one, also before it has an id.
    linked: BTreeSet<MemberId>,
    /// Those are up that have spoken over it.
    hearing: Hearing,
    /// What each lacks that has said whom it hears.
    lacks: BTreeMap<MemberId, Lacks>,
    said: BTreeMap<MemberId, Instant>,
    /// When a member said so last, also over a link that is gone.
    spoke: BTreeMap<MemberId, Instant>,
}

impl Ears {
    pub(super) fn new(me: MemberId, groups: RaftGroups) -> Self {
        let hearing = Hearing { up: BTreeSet::from([me]), told: BTreeMap::new() };
        groups.set_hearing(&hearing);
        let (linked, lacks, said, spoke) = Default::default();
        Self { me, groups, known: Mutex::new(Known { linked, hearing, lacks, said, spoke }) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Members that this one hears, itself among them.
    pub(super) fn up(&self) -> BTreeSet<MemberId> {
        self.known().hearing.up.clone()
    }

    pub(super) fn is_up(&self, member: MemberId) -> bool {
        self.known().hearing.up.contains(&member)
    }

    pub(super) fn hearing(&self) -> Hearing {
        self.known().hearing.clone()
    }

    /// What the others lack, as each has said of late.
    pub(super) fn lacks(&self) -> BTreeMap<MemberId, Lacks> {
        self.known().lacks.clone()
    }

    /// The groups hear of it before anybody else changes it.
    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        self.groups.set_hearing(&known.hearing);
    }

    /// Members at the other end of a link, whether they speak or not.
    fn linked(&self) -> BTreeSet<MemberId> {
        self.known().linked.clone()
    }

    fn link(&self, member: MemberId, up: bool) {
        if member == self.me {
            return;
        }
        self.change(|known| {
            if up {
                known.linked.insert(member);
            } else {
                known.linked.remove(&member);
                known.forget(member);
            }
        });
    }

    fn told(&self, by: MemberId, hears: BTreeSet<MemberId>, lacks: Lacks) -> Told {
        let mut told = Told::Nothing;
        self.change(|known| {
            known.spoke.insert(by, Instant::now());
            // What came over a link that is gone is old.
            if known.linked.contains(&by) {
                told = match (known.hearing.up.insert(by), known.hearing.told.get(&by) != Some(&hears)) {
                    (true, _) => Told::First,
                    (false, true) => Told::Change,
                    (false, false) => Told::Nothing,
                };
                known.hearing.told.insert(by, hears);
                known.lacks.insert(by, lacks);
                known.said.insert(by, Instant::now());
            }
        });
        told
    }

    /// Whether a member has said something of late, also over a link that is gone.
    pub(super) fn speaks(&self, member: MemberId) -> bool {
        self.known().spoke.get(&member).is_some_and(|spoke| spoke.elapsed() <= LASTS)
    }

    /// Whether somebody is up no more who has long been silent.
    fn forget_old(&self) -> bool {
        let mut some = false;
        self.change(|known| {
            known.spoke.retain(|_, spoke| spoke.elapsed() <= LASTS);
            let old = known.said.iter().filter(|(_, said)| said.elapsed() > LASTS).map(|(member, _)| *member);
            let old: Vec<MemberId> = old.collect();
            some = !old.is_empty();
            old.into_iter().for_each(|member| known.forget(member));
        });
        some
    }
}

impl Known {
    fn forget(&mut self, member: MemberId) {
        self.hearing.up.remove(&member);
        self.hearing.told.remove(&member);
        self.lacks.remove(&member);
        self.said.remove(&member);
    }
}

/// What a member said.
enum Told {
    /// What it had said before.
    Nothing,
    /// Whom it hears has changed.
    Change,
    /// It has not spoken over this link before.
    First,
}

impl Cluster {
    /// A link to a member is there, or is not any more. Whoever is not up leads nothing for long.
    pub fn link(&self, member: MemberId, up: bool) {
        let shared = &self.shared;
        shared.ears.link(member, up);
        // Before anything else goes there, so that whoever is asked for its vote knows why.
        shared.heard_other();
        if !up {
            shared.calls.away(member);
            shared.forwarded.away(member);
        }
    }

    /// A member says whom it hears, and what it lacks.
    pub(super) fn told(&self, by: MemberId, hears: BTreeSet<MemberId>, lacks: Lacks) {
        if lacks.records {
            self.shared.inputs.lacking();
        }
        match self.shared.ears.told(by, hears, lacks) {
            Told::Nothing => {}
            Told::Change => self.shared.look.notify_one(),
            // It may not have had this link when it was told.
            Told::First => self.shared.heard_other(),
        }
    }
}

impl Shared {
    /// Others are heard than before.
    fn heard_other(&self) {
        self.tell(self.own_lacks());
        self.inputs.give(Input::Away(self.away()));
        self.look.notify_one();
    }

    /// Members that this one does not hear.
    fn away(&self) -> BTreeSet<MemberId> {
        let up = self.ears.up();
        self.groups.global().look(|state| state.live().map(|(id, _)| id).filter(|id| !up.contains(id)).collect())
    }

    /// Tells all others whom this member hears, and what it lacks.
    fn tell(&self, lacks: Lacks) {
        let members: BTreeSet<MemberId> = self.ears.up().into_iter().take(MAX_HEARD).collect();
        for to in self.ears.linked() {
            // Where it is lost, the next one comes soon.
            let _sent = self.links.send(to, Envelope::Hears { members: members.clone(), lacks });
        }
    }
}

/// Tells it again and again, until nobody holds the member any more.
pub(super) async fn keep_telling(shared: Weak<Shared>) {
    let mut told: Option<(Instant, Lacks)> = None;
    while let Some(shared) = shared.upgrade() {
        let lacks = shared.own_lacks();
        if shared.ears.forget_old() {
            shared.heard_other();
        }
        if told.is_none_or(|(at, said)| at.elapsed() >= EVERY || said != lacks) {
            shared.tell(lacks);
            told = Some((Instant::now(), lacks));
        }
        drop(shared);
        tokio::time::sleep(LOOK).await;
    }
}

//! Who hears whom, and what follows for who leads.

use std::collections::{BTreeMap, BTreeSet};

use crate::replication::MemberId;

/// Who hears whom, as far as one member knows: by its own links, and by what those at the other ends say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hearing {
    /// Members that this one hears, itself among them.
    pub up: BTreeSet<MemberId>,
    /// Whom those hear, where they have said so lately.
    pub told: BTreeMap<MemberId, BTreeSet<MemberId>>,
}

impl Hearing {
    /// Whether anybody is known to hear a member.
    #[must_use]
    pub fn is_heard(&self, member: MemberId) -> bool {
        self.up.contains(&member) || self.told.iter().any(|(by, all)| *by != member && all.contains(&member))
    }

    /// So many of these are known to hear a member: this one, those that say so, and the member itself where there is anybody who does.
    #[must_use]
    pub fn heard_by(&self, member: MemberId, among: &BTreeSet<MemberId>, me: MemberId) -> usize {
        let told = |other: &MemberId| self.told.get(other).is_some_and(|all| all.contains(&member));
        let hears = |other: &&MemberId| {
            **other != member && if **other == me { self.up.contains(&member) } else { told(other) }
        };
        let others = among.iter().filter(hears).count();
        others + usize::from(among.contains(&member) && self.is_heard(member))
    }

    /// So many of these are known not to hear a member.
    #[must_use]
    pub fn unheard_by(&self, member: MemberId, among: &BTreeSet<MemberId>, me: MemberId) -> usize {
        let told = |other: &MemberId| self.told.get(other).is_some_and(|all| !all.contains(&member));
        let deaf = |other: &&MemberId| {
            **other != member && if **other == me { !self.up.contains(&member) } else { told(other) }
        };
        among.iter().filter(deaf).count()
    }

    /// Members that this one hears, and that hear a member which it does not.
    pub fn between(&self, member: MemberId) -> impl Iterator<Item = MemberId> {
        let hears = move |(_, all): &(&MemberId, &BTreeSet<MemberId>)| all.contains(&member);
        self.told.iter().filter(hears).map(|(id, _)| *id).filter(move |id| *id != member)
    }
}

/// What a member does about the leader of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether it asks for votes when it hears of no leader. One that a majority cannot hear would only make the others begin anew when they hear it
    /// again, with the high term that it has come to; and so would one that alone does not hear a leader that leads on.
    pub(super) may_elect: bool,
    /// The leader, where a majority of the voters is known not to hear it: nobody has to wait for it.
    pub(super) gone: Option<MemberId>,
}

impl Verdict {
    pub(super) fn of(me: MemberId, leader: Option<MemberId>, voters: &BTreeSet<MemberId>, hearing: &Hearing) -> Self {
        let most = voters.len() / 2 + 1;
        let away = leader.filter(|leader| *leader != me && !hearing.up.contains(leader));
        let leads_on = away.is_some_and(|leader| hearing.heard_by(leader, voters, me) >= most);
        let unheard = |leader: &MemberId| hearing.unheard_by(*leader, voters, me) >= most;
        let gone = away.filter(|leader| voters.contains(&me) && unheard(leader));
        Self { may_elect: voters.intersection(&hearing.up).count() >= most && !leads_on, gone }
    }
}

#[cfg(test)]
mod tests;

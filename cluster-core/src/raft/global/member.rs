//! Members: who there is, and which of their disks counts.

use super::{GlobalAnswer, GlobalRefusal, GlobalState, MAX_MEMBERS, NewMember};
use crate::raft::{Incarnation, Life, MAX_GROUP_MEMBERS, Stranger};
use crate::replication::MemberId;

/// What a member does in the global group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It is told what was decided.
    Learner,
    /// It decides, too.
    Voter,
}

/// A member, or what is left of one: an id is never given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, for people.
    pub name: String,
    /// Its key on the network, as the transport writes it.
    pub peer: Vec<u8>,
    /// Where it listens; none of a removed one.
    pub addresses: Vec<String>,
    /// Of its disk, for ever.
    pub incarnation: Incarnation,
    /// Its newest life.
    pub life: Life,
    /// What it does here.
    pub role: Role,
    /// Whether it was removed, for ever.
    pub removed: bool,
}

type Answer = Result<GlobalAnswer, GlobalRefusal>;

impl GlobalState {
    pub(super) fn add_member(&mut self, new: &NewMember) -> Answer {
        let same = |(_, old): &(&MemberId, &Member)| {
            old.incarnation == new.incarnation || (old.peer == new.peer && !old.removed)
        };
        if let Some((member, old)) = self.members.iter().find(same) {
            let member = *member;
            return Err(if old.removed {
                // The disk of a removed member has promised what nobody knows here.
                GlobalRefusal::Stranger { member, why: Stranger::Removed }
            } else {
                GlobalRefusal::AlreadyMember { member }
            });
        }
        if self.members.len() >= MAX_MEMBERS {
            return Err(GlobalRefusal::TooMany { what: "members", limit: MAX_MEMBERS as u64 });
        }
        if self.live().count() >= MAX_GROUP_MEMBERS {
            return Err(GlobalRefusal::TooMany { what: "members", limit: MAX_GROUP_MEMBERS as u64 });
        }
        self.last_member += 1;
        let member = MemberId(self.last_member);
        self.members.insert(
            member,
            Member {
                name: new.name.clone(),
                peer: new.peer.clone(),
                addresses: new.addresses.clone(),
                incarnation: new.incarnation,
                life: new.life,
                role: Role::Learner,
                removed: false,
            },
        );
        Ok(GlobalAnswer::Added { member })
    }

    /// A live member, to be changed.
    fn live_mut(&mut self, id: MemberId) -> Result<&mut Member, GlobalRefusal> {
        let stranger = |why| GlobalRefusal::Stranger { member: id, why };
        let member = self.members.get_mut(&id).ok_or(stranger(Stranger::Unknown))?;
        if member.removed { Err(stranger(Stranger::Removed)) } else { Ok(member) }
    }

    /// Refuses what is not a live member.
    pub(super) fn must_live(&self, member: MemberId) -> Result<(), GlobalRefusal> {
        match self.members.get(&member) {
            None => Err(GlobalRefusal::Stranger { member, why: Stranger::Unknown }),
            Some(found) if found.removed => Err(GlobalRefusal::Stranger { member, why: Stranger::Removed }),
            Some(_) => Ok(()),
        }
    }

    /// Its number is free from now on, for the next incarnation of a lease.
    pub(super) fn remove_member(&mut self, id: MemberId) -> Answer {
        self.must_live(id)?;
        if self.live().count() == 1 {
            return Err(GlobalRefusal::LastMember { member: id });
        }
        let member = self.live_mut(id)?;
        member.removed = true;
        member.role = Role::Learner;
        member.addresses.clear();
        self.free_number(id);
        Ok(GlobalAnswer::Done)
    }

    pub(super) fn set_role(&mut self, member: MemberId, role: Role) -> Answer {
        self.live_mut(member)?.role = role;
        Ok(GlobalAnswer::Done)
    }

    pub(super) fn set_addresses(&mut self, member: MemberId, addresses: &[String]) -> Answer {
        self.live_mut(member)?.addresses = addresses.to_vec();
        Ok(GlobalAnswer::Done)
    }

    /// Compare and set of the life. The same start may be asked for again, since its answer may be lost; a life that is neither the recorded one nor
    /// asks for it belongs to an old copy.
    pub(super) fn start(&mut self, id: MemberId, incarnation: &Incarnation, previous: Life, next: Life) -> Answer {
        let stranger = |why| Err(GlobalRefusal::Stranger { member: id, why });
        let member = self.live_mut(id)?;
        if member.incarnation != *incarnation {
            return stranger(Stranger::OtherIncarnation);
        }
        if member.life == next {
            return Ok(GlobalAnswer::Started);
        }
        if member.life != previous || previous.number.checked_add(1) != Some(next.number) {
            return stranger(Stranger::OldCopy);
        }
        member.life = next;
        Ok(GlobalAnswer::Started)
    }
}

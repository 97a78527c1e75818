//! Which peer is which member.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use pyralog_cluster_core::cluster::{Envelope, Links};
use pyralog_cluster_core::raft::GlobalState;
use pyralog_cluster_core::replication::MemberId;
use pyralog_p2p::{Lane, MemberLinks, Multiaddr, PeerId};

use super::Contact;

/// Member ids and peer ids. Clones share them.
#[derive(Clone, Default)]
pub struct Book {
    entries: Arc<RwLock<Entries>>,
}

#[derive(Default, PartialEq, Eq)]
struct Entries {
    /// Also of members that were removed: whoever asks to be let in again is answered.
    peers: BTreeMap<MemberId, PeerId>,
    /// Of those that are there.
    live: BTreeMap<PeerId, (MemberId, Vec<Multiaddr>)>,
}

impl Book {
    /// What was known last.
    pub fn set_contacts(&self, contacts: &[Contact]) {
        let entries = contacts.iter().filter_map(|contact| {
            let peer = contact.peer()?;
            Some((MemberId(contact.member), peer, contact.multiaddrs()))
        });
        let mut new = Entries::default();
        for (member, peer, addresses) in entries {
            new.peers.insert(member, peer);
            new.live.insert(peer, (member, addresses));
        }
        *self.write() = new;
    }

    /// What the global group says; `false` where that is nothing new.
    ///
    /// It may be old: a member that starts knows at first what its own disk knew to be committed. Members that were added since stay as they were
    /// known before, or nobody would be left to hear the rest from.
    pub fn set_state(&self, state: &GlobalState) -> bool {
        let mut entries = self.write();
        let mut new = Entries::default();
        new.peers
            .extend(entries.peers.iter().filter(|(id, _)| state.may_be_given(**id)).map(|(id, peer)| (*id, *peer)));
        let later = entries.live.iter().filter(|(_, (id, _))| state.may_be_given(*id));
        new.live.extend(later.map(|(peer, entry)| (*peer, entry.clone())));
        for (id, member) in state.members() {
            let Ok(peer) = PeerId::from_bytes(&member.peer) else { continue };
            new.peers.insert(id, peer);
            if !member.removed {
                let addresses = member.addresses.iter().filter_map(|address| address.parse().ok()).collect();
                new.live.entry(peer).or_insert((id, addresses));
            }
        }
        let changed = *entries != new;
        if changed {
            *entries = new;
        }
        changed
    }

    /// The peer of a member, also of one that was removed.
    pub fn peer(&self, member: MemberId) -> Option<PeerId> {
        self.read().peers.get(&member).copied()
    }

    /// The member that a peer is, or was last.
    pub fn member(&self, peer: &PeerId) -> Option<MemberId> {
        let entries = self.read();
        let was = || entries.peers.iter().rev().find(|(_, of)| *of == peer).map(|(id, _)| *id);
        entries.live.get(peer).map(|(id, _)| *id).or_else(was)
    }

    /// Whether a peer was the member of this id, and is none any more: for ever, whatever else it is by now.
    pub fn is_removed(&self, member: MemberId, peer: &PeerId) -> bool {
        let entries = self.read();
        entries.peers.get(&member) == Some(peer) && entries.live.get(peer).is_none_or(|(id, _)| *id != member)
    }

    /// Those that are there.
    pub fn live(&self) -> BTreeMap<PeerId, (MemberId, Vec<Multiaddr>)> {
        self.read().live.clone()
    }

    /// The same, for the file.
    pub fn contacts(&self) -> Vec<Contact> {
        let entries = self.read();
        let contact = |(peer, (member, addresses)): (&PeerId, &(MemberId, Vec<Multiaddr>))| Contact {
            member: member.0,
            peer_id: peer.to_string(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        };
        let mut contacts: Vec<Contact> = entries.live.iter().map(contact).collect();
        contacts.sort_unstable_by_key(|contact| contact.member);
        contacts
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Entries> {
        // Nothing in the locked sections panics.
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Envelopes over the member links.
pub struct NodeLinks {
    pub(super) links: MemberLinks,
    pub(super) book: Book,
}

impl Links for NodeLinks {
    fn send(&self, to: MemberId, envelope: Envelope) -> bool {
        let Some(peer) = self.book.peer(to) else { return false };
        let lane = if envelope.is_bulk() { Lane::Bulk } else { Lane::Urgent };
        self.links.send(&peer, lane, envelope.to_bytes()).is_ok()
    }
}

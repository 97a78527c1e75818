//! Who is a member.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use libp2p::PeerId;

use super::{Lane, common::Common, link::Link};

/// The links by member: written by the swarm task, read by senders and connections.
#[derive(Debug)]
pub(crate) struct Roster {
    common: Arc<Common>,
    links: RwLock<BTreeMap<PeerId, Arc<Link>>>,
    /// Whether there is any member: without one the protocol is not spoken at all.
    any: AtomicBool,
    ended: AtomicBool,
}

impl Roster {
    pub(crate) fn new(common: Arc<Common>) -> Self {
        Self { common, links: RwLock::default(), any: AtomicBool::new(false), ended: AtomicBool::new(false) }
    }

    pub(crate) fn common(&self) -> &Arc<Common> {
        &self.common
    }

    pub(crate) fn link(&self, peer: &PeerId) -> Option<Arc<Link>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).get(peer).cloned()
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.any() && self.links.read().unwrap_or_else(PoisonError::into_inner).contains_key(peer)
    }

    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn peers(&self) -> Vec<PeerId> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Replaces the list. Those that stay keep their links; the links of those that go are closed.
    pub(crate) fn set(&self, members: impl IntoIterator<Item = PeerId>) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *links);
        for peer in members {
            let link = old.remove(&peer).unwrap_or_else(|| Arc::new(Link::new(peer, Arc::clone(&self.common))));
            links.insert(peer, link);
        }
        self.any.store(!links.is_empty(), Ordering::SeqCst);
        drop(links);
        for link in old.into_values() {
            link.close();
        }
    }

    /// The network is shutting down.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.set([]);
        for lane in Lane::ALL {
            self.common.inbox(lane).end();
        }
    }
}

//! The peers, by key, by overlay address, and by the session indices that WireGuard gives out.

use std::{
    collections::HashMap,
    net::{Ipv6Addr, SocketAddr},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use gotatun::{
    noise::index_table::IndexTable,
    packet::{WgHandshakeBase, WgKind},
};

use super::{TunnelKey, TunnelPeer, link::Link};
use crate::TunnelError;

/// All links of a tunnel.
pub(crate) struct Table {
    most: usize,
    pub(crate) indices: IndexTable,
    peers: RwLock<Peers>,
    sessions: RwLock<HashMap<u32, Arc<Link>>>,
}

#[derive(Default)]
struct Peers {
    by_key: HashMap<TunnelKey, Arc<Link>>,
    by_overlay: HashMap<Ipv6Addr, Arc<Link>>,
}

impl Table {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, indices: IndexTable::from_os_rng(), peers: RwLock::default(), sessions: RwLock::default() }
    }

    /// The link of a peer, made where there is none; whether it is new.
    pub(crate) fn insert(&self, peer: &TunnelPeer) -> Result<(Arc<Link>, bool), TunnelError> {
        let mut peers = write(&self.peers);
        if let Some(link) = peers.by_key.get(&peer.key) {
            return Ok((Arc::clone(link), false));
        }
        if peers.by_key.len() >= self.most {
            return Err(TunnelError::TooManyPeers { most: self.most });
        }
        let link = Arc::new(Link::new(peer));
        peers.by_key.insert(link.key, Arc::clone(&link));
        peers.by_overlay.insert(link.overlay, Arc::clone(&link));
        Ok((link, true))
    }

    pub(crate) fn remove(&self, key: &TunnelKey) -> Option<Arc<Link>> {
        let mut peers = write(&self.peers);
        let link = peers.by_key.remove(key)?;
        peers.by_overlay.remove(&link.overlay);
        drop(peers);
        link.lock().silence();
        write(&self.sessions).retain(|_, other| !Arc::ptr_eq(other, &link));
        Some(link)
    }

    pub(crate) fn by_key(&self, key: &TunnelKey) -> Option<Arc<Link>> {
        read(&self.peers).by_key.get(key).cloned()
    }

    pub(crate) fn by_overlay(&self, address: &Ipv6Addr) -> Option<Arc<Link>> {
        read(&self.peers).by_overlay.get(address).cloned()
    }

    pub(crate) fn by_session(&self, index: u32) -> Option<Arc<Link>> {
        read(&self.sessions).get(&index).cloned()
    }

    /// The links whose packets go to an endpoint; several where peers share one.
    pub(crate) fn by_endpoint(&self, endpoint: SocketAddr) -> Vec<Arc<Link>> {
        self.all().into_iter().filter(|link| link.lock().endpoint == Some(endpoint)).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        read(&self.peers).by_key.values().cloned().collect()
    }

    /// Remembers the index that a handshake message of ours names: what comes with it is the link's.
    pub(crate) fn note(&self, kind: &WgKind, link: &Arc<Link>) {
        let index = match kind {
            WgKind::HandshakeInit(init) => init.sender_idx(),
            WgKind::HandshakeResp(answer) => answer.sender_idx(),
            WgKind::CookieReply(_) | WgKind::Data(_) => return,
        };
        write(&self.sessions).insert(index, Arc::clone(link));
    }

    /// Forgets the indices of sessions that are over.
    pub(crate) fn prune(&self) {
        let over = |sessions: &HashMap<u32, Arc<Link>>| sessions.keys().any(|index| !self.indices.in_use(*index));
        if over(&read(&self.sessions)) {
            write(&self.sessions).retain(|index, _| self.indices.in_use(*index));
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("peers", &read(&self.peers).by_key.len()).finish_non_exhaustive()
    }
}

/// Nothing foreign runs under these locks, so a poisoned one guards whole data all the same.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

//! Peers come, go, and are renewed on demand.

use super::effect::Effect;
use super::identity::{Identity, KeyId};
use super::input::PeerSettings;
use super::machine::Rosenpass;
use super::peer::Peer;
use crate::error::RosenpassError;

impl Rosenpass {
    pub(super) fn add_peer(&mut self, settings: PeerSettings) -> Result<(), RosenpassError> {
        if self.peers.len() >= self.limits.peers {
            return Err(RosenpassError::TooManyPeers { max: self.limits.peers });
        }
        let identity = Identity::new(settings.public_key.clone());
        let peer = identity.id;
        if peer == self.own.id {
            return Err(RosenpassError::OwnKey);
        }
        if self.peers.contains_key(&peer) {
            return Err(RosenpassError::KnownPeer { peer });
        }
        self.peers.insert(peer, Peer::new(identity, settings));
        Ok(())
    }

    pub(super) fn remove_peer(&mut self, peer: KeyId, out: &mut Vec<Effect>) -> Result<(), RosenpassError> {
        let removed = self.peers.remove(&peer).ok_or(RosenpassError::NoSuchPeer { peer })?;
        self.sessions.retain(|_, of| *of != peer);
        if removed.session.is_some() {
            out.push(Effect::KeyExpired { peer });
        }
        Ok(())
    }

    pub(super) fn known(&mut self, peer: KeyId) -> Result<&mut Peer, RosenpassError> {
        self.peers.get_mut(&peer).ok_or(RosenpassError::NoSuchPeer { peer })
    }
}

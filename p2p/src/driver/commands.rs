//! What the node asks for.

use std::collections::BTreeMap;

use libp2p::{
    Multiaddr, PeerId,
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use tokio::sync::oneshot;

use crate::{Error, PeerInfo, handle::Command};

use super::Driver;

impl Driver {
    pub(super) fn on_command(&mut self, command: Command) {
        // A caller that no longer waits for its answer is no error.
        match command {
            Command::Publish { topic, data, answer } => {
                let result = self.publish(topic, data);
                let _ = answer.send(result);
            }
            Command::Verdict { message, verdict } => self.on_verdict(&message, verdict),
            Command::Request { peer, protocol, data, answer } => self.request(peer, protocol, data, answer),
            Command::Dial { peer, addresses, answer } => self.dial(peer, addresses, answer),
            Command::Disconnect { peer, answer } => {
                let _ = self.swarm.disconnect_peer_id(peer);
                let _ = answer.send(Ok(()));
            }
            Command::Ban { peer, reason, answer } => {
                self.ban(peer, &reason);
                let _ = answer.send(Ok(()));
            }
            Command::Unban { peer, answer } => {
                let lifted = self.bans.lift(&peer);
                self.swarm.behaviour_mut().bans.unblock_peer(peer);
                let _ = answer.send(Ok(lifted));
            }
            Command::Peers { answer } => {
                let _ = answer.send(Ok(self.peer_infos()));
            }
            Command::ListenAddresses { answer } => {
                // The swarm keeps them in no order, and callers compare them with those of before.
                let mut addresses: Vec<_> = self.swarm.listeners().cloned().collect();
                addresses.sort_unstable();
                let _ = answer.send(Ok(addresses));
            }
            Command::AddressBook { answer } => {
                let _ = answer.send(Ok(self.book.encode().into()));
            }
            Command::SetMembers { members, answer } => {
                self.set_members(members);
                let _ = answer.send(Ok(()));
            }
            // Taken by the loop.
            Command::Shutdown { answer } => {
                let _ = answer.send(Ok(()));
            }
        }
    }

    /// The rules made for strangers are lifted before the first dial.
    fn set_members(&mut self, members: BTreeMap<PeerId, Vec<Multiaddr>>) {
        let behaviour = self.swarm.behaviour_mut();
        for peer in behaviour.members.roster().peers() {
            behaviour.connections.remove_peer_id(&peer);
        }
        for peer in members.keys() {
            behaviour.connections.bypass_peer_id(peer);
            if self.bans.lift(peer) {
                behaviour.bans.unblock_peer(*peer);
            }
        }
        behaviour.members.set(members);
    }

    fn peer_infos(&self) -> Vec<PeerInfo> {
        let mut members = self.peers.members();
        members.sort_unstable();
        members.iter().filter_map(|peer| self.peers.info(peer, self.score(peer))).collect()
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, answer: oneshot::Sender<Result<(), Error>>) {
        let unreachable = |reason: String| Err(Error::Unreachable { peer, reason });
        if peer == *self.swarm.local_peer_id() {
            let _ = answer.send(unreachable("this is our own peer id".to_owned()));
        } else if self.bans.contains(&peer) {
            let _ = answer.send(Err(Error::Banned { peer }));
        } else if self.swarm.is_connected(&peer) {
            let _ = answer.send(Ok(()));
        } else {
            let options = self.dial_options(peer, addresses, PeerCondition::Disconnected);
            let id = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => {
                    self.dials.insert(id, answer);
                }
                Err(error) => {
                    let _ = answer.send(unreachable(error.to_string()));
                }
            }
        }
    }

    /// The given addresses, those in the address book, and those that Kademlia knows.
    pub(super) fn dial_options(&self, peer: PeerId, mut addresses: Vec<Multiaddr>, when: PeerCondition) -> DialOpts {
        addresses.extend(self.book.addresses(&peer).iter().cloned());
        addresses.sort_unstable();
        addresses.dedup();
        DialOpts::peer_id(peer).condition(when).addresses(addresses).extend_addresses_through_behaviour().build()
    }
}

//! The node's side of the member links.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::{Error, SendError, handle::Command};

use super::{Lane, common::Common, inbox::LaneEvents, roster::Roster};

/// Sends to the other members of the cluster. Clones share everything. It does not keep the network alive: that is the
/// [`Handle`](crate::Handle)'s part.
#[derive(Clone, Debug)]
pub struct MemberLinks {
    roster: Arc<Roster>,
    commands: mpsc::WeakSender<Command>,
}

impl MemberLinks {
    pub(crate) fn new(roster: Arc<Roster>, commands: mpsc::WeakSender<Command>) -> Self {
        Self { roster, commands }
    }

    /// Says who the other members are and where; this node itself may stand in the list. Members are dialled at these
    /// addresses (at those known of the peer where none is given) and kept connected. The links of those that are not in
    /// the list any more end at once; the links of those that stay are not touched.
    ///
    /// A member is never banned (a ban that lasts is lifted), and is exempt from every limit on established
    /// connections, from the memory limit where we dial it, from [`crate::Limits::request_rate`], from
    /// [`crate::Limits::violations`], and from disconnection for its gossip score or for not telling its network in
    /// time. Gossip over its rate is still dropped, and a peer of another network is still turned away.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_members(&self, members: BTreeMap<PeerId, Vec<Multiaddr>>) -> Result<(), Error> {
        let commands = self.commands.upgrade().ok_or(Error::Closed)?;
        let (answer, result) = oneshot::channel();
        commands.send(Command::SetMembers { members, answer }).await.map_err(|_| Error::Closed)?;
        drop(commands);
        result.await.unwrap_or(Err(Error::Closed))
    }

    /// Queues a message for a member. Never waits. It arrives once or not at all, in order within its lane;
    /// it may be lost when the link goes down.
    ///
    /// # Errors
    /// [`SendError`] says which of the conditions did not hold; the message was not taken then.
    pub fn send(&self, to: &PeerId, lane: Lane, message: Bytes) -> Result<(), SendError> {
        match self.roster.link(to) {
            Some(link) => link.send(lane, message),
            None if self.roster.is_ended() => Err(SendError::Closed),
            None => Err(SendError::NotMember { peer: *to }),
        }
    }

    /// How long ago the member was last heard, by any byte on any lane; `None` before the first and for peers that are no
    /// members. It grows to [`crate::MemberLimits::ping_interval`] and the way's delay on a healthy link.
    pub fn last_heard(&self, peer: &PeerId) -> Option<Duration> {
        self.roster.link(peer)?.silence()
    }

    /// Whether messages for the member are taken now.
    pub fn is_up(&self, peer: &PeerId) -> bool {
        self.roster.link(peer).is_some_and(|link| link.is_up())
    }

    /// The other members, by peer id.
    pub fn peers(&self) -> Vec<PeerId> {
        self.roster.peers()
    }
}

/// Both lanes' events, to be read by one task or by two. `Up` and `Down` come on each lane, in order with its messages.
#[derive(Debug)]
pub struct MemberEvents {
    /// Raft, seals, appends and their acks.
    pub urgent: LaneEvents,
    /// Catch-up and snapshots.
    pub bulk: LaneEvents,
}

impl MemberEvents {
    pub(crate) fn new(common: &Common) -> Self {
        let events = |lane| LaneEvents::new(Arc::clone(common.inbox(lane)));
        Self { urgent: events(Lane::Urgent), bulk: events(Lane::Bulk) }
    }
}

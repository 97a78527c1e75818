//! The node's side of the network.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error,
    config::Settings,
    event::{MessageRef, PeerInfo, Verdict},
    members::{MemberEvents, MemberLinks, roster::Roster},
};

type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What the swarm task is asked to do. Topics and protocols are indices into the configuration.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { topic: usize, data: Bytes, answer: Answer<()> },
    Verdict { message: MessageRef, verdict: Verdict },
    Request { peer: PeerId, protocol: usize, data: Bytes, answer: Answer<Bytes> },
    Dial { peer: PeerId, addresses: Vec<Multiaddr>, answer: Answer<()> },
    Disconnect { peer: PeerId, answer: Answer<()> },
    Ban { peer: PeerId, reason: String, answer: Answer<()> },
    Unban { peer: PeerId, answer: Answer<bool> },
    Peers { answer: Answer<Vec<PeerInfo>> },
    ListenAddresses { answer: Answer<Vec<Multiaddr>> },
    AddressBook { answer: Answer<Bytes> },
    SetMembers { members: BTreeMap<PeerId, Vec<Multiaddr>>, answer: Answer<()> },
    Shutdown { answer: Answer<()> },
}

#[derive(Debug)]
struct Shared {
    local: PeerId,
    topics: Vec<(Arc<str>, usize)>,
    protocols: Vec<(Arc<str>, usize)>,
    members: MemberLinks,
    /// Until somebody takes them.
    member_events: Mutex<Option<MemberEvents>>,
}

/// Talks to the swarm task. Clones talk to the same one; the network shuts down when the last is dropped.
///
/// Calls wait while the command queue is full: that is the backpressure of a busy swarm. None waits for the node's own
/// reading of events, so a single task may do both.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        local: PeerId,
        settings: &Settings,
        roster: &Arc<Roster>,
    ) -> Self {
        let topics = settings.topics.iter().map(|spec| (spec.name.as_str().into(), spec.max_size)).collect();
        let protocols = settings.protocols.iter().map(|spec| (spec.name.as_str().into(), spec.max_request)).collect();
        let members = MemberLinks::new(Arc::clone(roster), commands.downgrade());
        let member_events = Mutex::new(Some(MemberEvents::new(roster.common())));
        Self { commands, shared: Arc::new(Shared { local, topics, protocols, members, member_events }) }
    }

    /// This node's peer id.
    pub fn local_peer_id(&self) -> PeerId {
        self.shared.local
    }

    /// The links to the other members of this node's cluster. There are none until
    /// [`MemberLinks::set_members`] names them.
    pub fn members(&self) -> MemberLinks {
        self.shared.members.clone()
    }

    /// What comes over the member links; there is one reader, so the second call gives `None`. Events that nobody takes
    /// wait, and the members' streams stand still.
    pub fn take_member_events(&self) -> Option<MemberEvents> {
        self.shared.member_events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sends a message to every subscribed peer that is connected.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::TooLarge`], [`Error::NoPeers`], [`Error::Duplicate`] (the same bytes within
    /// two minutes: vary them to send again), [`Error::Overloaded`] (every peer's queue is full), [`Error::Closed`].
    pub async fn publish(&self, topic: &str, data: impl Into<Bytes>) -> Result<(), Error> {
        let data = data.into();
        let (index, max) = find(&self.shared.topics, topic).ok_or_else(|| Error::UnknownTopic(topic.to_owned()))?;
        check("gossip message", data.len(), max)?;
        self.ask(|answer| Command::Publish { topic: index, data, answer }).await
    }

    /// Gives the verdict on a gossip message: [`Verdict::Accept`] forwards it, [`Verdict::Reject`] blames its sender.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn verdict(&self, message: MessageRef, verdict: Verdict) -> Result<(), Error> {
        self.commands.send(Command::Verdict { message, verdict }).await.map_err(|_| Error::Closed)
    }

    /// Asks a peer and waits for its answer; dials it first where it is not connected and its address is known.
    ///
    /// # Errors
    /// What the peer did: [`Error::Busy`], [`Error::Refused`], [`Error::PeerLimit`], [`Error::Timeout`],
    /// [`Error::Unreachable`], [`Error::UnsupportedProtocol`], [`Error::BadResponse`]. What we did: [`Error::Banned`],
    /// [`Error::UnknownProtocol`], [`Error::TooLarge`], [`Error::Overloaded`], [`Error::Closed`].
    pub async fn request(&self, peer: PeerId, protocol: &str, data: impl Into<Bytes>) -> Result<Bytes, Error> {
        let data = data.into();
        let (index, max) =
            find(&self.shared.protocols, protocol).ok_or_else(|| Error::UnknownProtocol(protocol.to_owned()))?;
        check("request", data.len(), max)?;
        self.ask(|answer| Command::Request { peer, protocol: index, data, answer }).await
    }

    /// Connects to a peer at the given addresses and at those known of it. Returns once a connection is there; whether
    /// the peer belongs to our network shows by its [`crate::Event::Connected`].
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Banned`], [`Error::Closed`].
    pub async fn dial(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), Error> {
        self.ask(|answer| Command::Dial { peer, addresses, answer }).await
    }

    /// Closes all connections with a peer. It may come back, and a bootstrap peer is dialled again.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn disconnect(&self, peer: PeerId) -> Result<(), Error> {
        self.ask(|answer| Command::Disconnect { peer, answer }).await
    }

    /// Disconnects a peer and refuses its connections for [`crate::Limits::ban_time`], doubled each time. The reason
    /// is logged. A member of our own cluster is not banned.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn ban(&self, peer: PeerId, reason: impl Into<String>) -> Result<(), Error> {
        let reason = reason.into();
        self.ask(|answer| Command::Ban { peer, reason, answer }).await
    }

    /// Ends a ban early. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn unban(&self, peer: PeerId) -> Result<bool, Error> {
        self.ask(|answer| Command::Unban { peer, answer }).await
    }

    /// The connected peers of our network, by peer id.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, Error> {
        self.ask(|answer| Command::Peers { answer }).await
    }

    /// The addresses listened on, with their real ports, sorted.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn listen_addrs(&self) -> Result<Vec<Multiaddr>, Error> {
        self.ask(|answer| Command::ListenAddresses { answer }).await
    }

    /// A snapshot of the address book, for [`crate::Config::address_book`] at the next start.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn address_book(&self) -> Result<Bytes, Error> {
        self.ask(|answer| Command::AddressBook { answer }).await
    }

    /// Closes every connection and listener and ends the swarm task; returns when that is done. Calling it again, or
    /// from several clones, is fine.
    pub async fn shutdown(&self) {
        // An error says that the task has ended, which is what was wanted.
        let _ = self.ask(|answer| Command::Shutdown { answer }).await;
        self.commands.closed().await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Error> {
        let (answer, result) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| Error::Closed)?;
        result.await.unwrap_or(Err(Error::Closed))
    }
}

fn find(specs: &[(Arc<str>, usize)], name: &str) -> Option<(usize, usize)> {
    specs.iter().enumerate().find(|(_, (known, _))| **known == *name).map(|(index, (_, max))| (index, *max))
}

fn check(what: &'static str, size: usize, max: usize) -> Result<(), Error> {
    if size > max { Err(Error::TooLarge { what, size, max }) } else { Ok(()) }
}

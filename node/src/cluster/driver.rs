//! Carries what comes over the member links to the cluster, and keeps the links what the global group says.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use pyralog_cluster_core::cluster::{Cluster, Envelope};
use pyralog_cluster_core::raft::{GlobalCommand, GroupError, Stranger};
use pyralog_cluster_core::replication::MemberId;
use pyralog_p2p::{Handle, LaneEvents, MemberEvent, MemberEvents, MemberLinks, Multiaddr, PeerId};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::removal::{Removal, removed_text};
use super::{Book, write_contacts};
use crate::driver::{EngineHandle, LoopEvent};
use crate::error::Error;
use crate::home::Home;

/// A member asks so often whether its start counts, while nobody answers.
const AGAIN: Duration = Duration::from_millis(200);
/// So often it is looked at whether all groups go on.
const LOOK: Duration = Duration::from_secs(1);
/// The link to a member that was removed stays so long, for it to hear that.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What the driver works with.
pub struct Driver {
    pub(super) cluster: Cluster,
    pub(super) network: Handle,
    pub(super) links: MemberLinks,
    pub(super) book: Book,
    pub(super) home: Home,
    /// Where this node listens.
    pub(super) addresses: Vec<String>,
    pub(super) engine: EngineHandle,
    pub(super) started: watch::Sender<bool>,
    /// Members whose links are up, as the cluster was told.
    pub(super) linked: BTreeSet<MemberId>,
}

impl Driver {
    /// Starts the tasks.
    pub fn start(self, events: MemberEvents, peers: watch::Sender<u64>) -> Vec<AbortHandle> {
        let MemberEvents { urgent, bulk } = events;
        let said = peers.subscribe();
        let lanes = [(urgent, Some(peers)), (bulk, None)];
        let hear = |(lane, peers)| {
            let (cluster, book) = (self.cluster.clone(), self.book.clone());
            tokio::spawn(hear(lane, cluster, book, peers)).abort_handle()
        };
        let mut tasks: Vec<AbortHandle> = lanes.into_iter().map(hear).collect();
        tasks.push(tokio::spawn(self.run(said)).abort_handle());
        tasks
    }

    /// Looks at who there is whenever something is said to have changed, while the cluster confirms the start.
    async fn run(mut self, mut peers: watch::Receiver<u64>) {
        let mut applied = self.cluster.groups().global().applied_changes();
        let confirming = Confirming {
            cluster: self.cluster.clone(),
            addresses: std::mem::take(&mut self.addresses),
            engine: self.engine.clone(),
            started: self.started.clone(),
            home: self.home.clone(),
        };
        // It waits for others, and their links come up below.
        let mut confirming = pin!(confirming.run());
        let (mut confirmed, mut closed) = (false, false);
        let cluster = self.cluster.clone();
        let mut removed = pin!(cluster.removed());
        let mut refused = pin!(cluster.groups().refused());
        let mut ended = pin!(ended(&cluster));
        let removal = Removal { network: self.network.clone(), links: self.links.clone(), book: self.book.clone() };
        let mut heard = pin!(removal.heard_of(Some(cluster.id())));
        loop {
            let before = self.book.live();
            if self.cluster.groups().global().look(|state| self.book.set_state(state)) {
                self.part(&before).await;
                self.set_members().await;
            }
            self.set_links();
            tokio::select! {
                changed = applied.changed(), if !closed => closed = changed.is_err(),
                changed = peers.changed() => if changed.is_err() { return },
                () = &mut removed => return self.end(Stranger::Removed),
                _me = &mut heard => return self.end(Stranger::Removed),
                why = &mut refused => return self.end(why),
                error = &mut ended => return fail(&self.engine, &self.home, &error),
                goes_on = &mut confirming, if !confirmed => {
                    if !goes_on {
                        return;
                    }
                    confirmed = true;
                }
            }
        }
    }

    /// This member is none any more.
    fn end(&self, why: Stranger) {
        let why = GroupError::Stranger { member: self.cluster.id(), why };
        fail(&self.engine, &self.home, &why);
    }

    /// Tells members that were removed, as long as there is a link to them.
    async fn part(&self, before: &BTreeMap<PeerId, (MemberId, Vec<Multiaddr>)>) {
        let live = self.book.live();
        let gone = before.iter().filter(|(peer, (id, _))| self.linked.contains(id) && !live.contains_key(peer));
        let gone: Vec<MemberId> = gone.map(|(_, (id, _))| *id).collect();
        if !gone.is_empty() {
            gone.iter().for_each(|id| self.cluster.tell_removed(*id));
            tokio::time::sleep(LAST_WORDS).await;
        }
    }

    async fn set_members(&self) {
        let live = self.book.live();
        let members: BTreeMap<PeerId, _> = live.into_iter().map(|(peer, (_, addresses))| (peer, addresses)).collect();
        if let Err(error) = self.links.set_members(members).await {
            tracing::warn!(%error, "the member links were not told who is in the cluster");
        }
        let (home, contacts) = (self.home.clone(), self.book.contacts());
        let written = tokio::task::spawn_blocking(move || write_contacts(&home, &contacts)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the list of members was not saved");
        }
    }

    /// Tells the cluster which links are up.
    fn set_links(&mut self) {
        let up = self.book.live().into_iter().filter(|(peer, _)| self.links.is_up(peer)).map(|(_, (id, _))| id);
        let up: BTreeSet<MemberId> = up.filter(|id| *id != self.cluster.id()).collect();
        for gone in self.linked.difference(&up) {
            self.cluster.link(*gone, false);
        }
        for come in up.difference(&self.linked) {
            self.cluster.link(*come, true);
        }
        self.linked = up;
    }
}

/// Waits until a group does not go on.
async fn ended(cluster: &Cluster) -> GroupError {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(error) = cluster.groups().ended() {
            return error;
        }
    }
}

/// Has the cluster confirm a start.
struct Confirming {
    cluster: Cluster,
    addresses: Vec<String>,
    engine: EngineHandle,
    started: watch::Sender<bool>,
    home: Home,
}

impl Confirming {
    /// Asks until the cluster has; `false` where it never will.
    async fn run(self) -> bool {
        loop {
            match self.ask().await {
                Ok(()) => {
                    tracing::info!(member = self.cluster.id().0, "the cluster has confirmed this member's start");
                    self.started.send_replace(true);
                    return true;
                }
                Err(error @ (GroupError::Stranger { .. } | GroupError::Store(_) | GroupError::Stopped { .. })) => {
                    fail(&self.engine, &self.home, &error);
                    return false;
                }
                Err(GroupError::Refused { why, .. }) => {
                    tracing::warn!(why, "the cluster does not confirm this member's start yet");
                    tokio::time::sleep(AGAIN * 2).await;
                }
                Err(reason) => {
                    tracing::debug!(%reason, "the cluster has not confirmed this member's start yet");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn ask(&self) -> Result<(), GroupError> {
        self.cluster.start().await?;
        let me = self.cluster.id();
        let global = self.cluster.groups().global();
        let known = global.look(|state| state.member(me).map(|member| member.addresses.clone()));
        if known.as_ref() != Some(&self.addresses) {
            let addresses = self.addresses.clone();
            global.propose(&GlobalCommand::SetAddresses { member: me, addresses }).await?;
        }
        Ok(())
    }
}

/// Ends the node.
fn fail(engine: &EngineHandle, home: &Home, error: &GroupError) {
    let why = match error {
        GroupError::Stranger { member, why: Stranger::Removed } => removed_text(home, *member),
        other => other.to_string(),
    };
    tracing::error!(why, "this node cannot go on as a member of its cluster");
    engine.send(LoopEvent::Failed(Error::Cluster(why)));
}

/// Reads one lane until the network ends.
async fn hear(mut lane: LaneEvents, cluster: Cluster, book: Book, peers: Option<watch::Sender<u64>>) {
    while let Some(event) = lane.recv().await {
        match event {
            MemberEvent::Up { .. } | MemberEvent::Down { .. } => {
                if let Some(peers) = &peers {
                    peers.send_modify(|count| *count = count.wrapping_add(1));
                }
            }
            MemberEvent::Message { peer, data, .. } => {
                let Some(from) = book.member(&peer) else { continue };
                match Envelope::from_shared(&data) {
                    Ok(envelope) => cluster.receive(from, envelope),
                    Err(error) => tracing::warn!(member = from.0, %error, "a member sent what cannot be read"),
                }
            }
            _ => {}
        }
    }
}

//! This node as a member: the first one of a new cluster, one that goes on, or one that lost its disk and comes back under a new id.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pyralog_cluster_core::Core;
use pyralog_cluster_core::cluster::{Cluster, ClusterOptions, Envelope};
use pyralog_cluster_core::raft::{NewMember, RaftOptions};
use pyralog_cluster_core::replication::MemberId;
use pyralog_crypto::{LogId, PublicKey};
use pyralog_p2p::{Handle, Lane, MemberEvent, MemberEvents, PeerId};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::book::NodeLinks;
use super::driver::Driver;
use super::removal::{Removal, removed_text};
use super::view::Votes;
use super::{Book, Contact, View, read_contacts};
use crate::config::ClusterConfig;
use crate::driver::{EngineHandle, Shared};
use crate::error::{Error, Result};
use crate::home::Home;

/// Why nobody is served before the cluster has confirmed a member's start.
pub const NOT_STARTED: &str = "\
    the cluster has not confirmed this member's start: a majority of its members must be up, and it must not have been removed meanwhile";
/// The member that a cluster begins with.
const FIRST: MemberId = MemberId(1);
/// How long a member that lost its disk waits for others to let it in.
const LET_IN: Duration = Duration::from_secs(60);
/// It gives up so long after it was told that it must not be let in: members that have just died are taken for running ones for a few seconds.
const GIVE_UP: Duration = Duration::from_secs(20);
/// Who is heard is looked at so often.
const LOOK: Duration = Duration::from_millis(500);
/// It asks so often.
const ASK: Duration = Duration::from_secs(1);

/// Before anything is said with it: the votes on this disk are those of another member.
fn foreign_disk(home: &Home, of: &Contact) -> String {
    format!(
        "{}: this is the disk of member {}, and the keys of this home are not its keys: {} is expected. Give each home its own data and keys back; a member whose disk is lost \
         is started with keys/ and data/members.json alone",
        home.store().display(),
        of.member,
        of.peer_id
    )
}

/// What a member begins with.
pub struct Begin<'a> {
    /// Its home.
    pub home: &'a Home,
    /// Its settings.
    pub config: &'a ClusterConfig,
    /// Its name, for people.
    pub name: &'a str,
    /// The chain, which is part of the ids of logs.
    pub chain_id: &'a str,
    /// The cluster's log key.
    pub owner: PublicKey,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Hears of what ends the node.
    pub engine: EngineHandle,
    /// Gets to know who the members are.
    pub book: Book,
}

/// This node in its cluster. Clones share it.
#[derive(Clone)]
pub struct ClusterMember {
    cluster: Cluster,
    book: Book,
    started: watch::Receiver<bool>,
    replication: (u8, u8),
}

impl ClusterMember {
    /// Begins, and goes on in tasks of its own.
    ///
    /// # Errors
    /// The store failed, the settings do not fit, or nobody lets a member in that lost its disk.
    pub async fn start(core: &Core, network: &Handle, begin: Begin<'_>) -> Result<(Self, Vec<AbortHandle>)> {
        let Begin { home, config, name, chain_id, owner, addresses, engine, book } = begin;
        let replication = numbers(config)?;
        let mut events = network.take_member_events().ok_or(Error::TaskEnded("the member links"))?;
        let links = network.members();
        let local = network.local_peer_id();
        let contacts = read_contacts(home)?;
        book.set_contacts(&contacts);
        let to_members = book.live().into_iter().map(|(peer, (_, addresses))| (peer, addresses)).collect();
        links.set_members(to_members).await.map_err(|e| Error::Network(e.to_string()))?;

        let identity = core.identity().map_err(|e| Error::Storage(e.to_string()))?;
        let others: Vec<&Contact> = contacts.iter().filter(|contact| contact.peer() != Some(local)).collect();
        let given = identity.as_ref().and_then(|identity| identity.member);
        if let Some(of) = given.and_then(|given| contacts.iter().find(|contact| contact.member == given.0))
            && of.peer() != Some(local)
        {
            return Err(Error::Cluster(foreign_disk(home, of)));
        }
        if given.is_none() && !others.is_empty() {
            let was =
                contacts.iter().find(|contact| contact.peer() == Some(local)).map(|contact| MemberId(contact.member));
            let asking = Asking { network, events: &mut events, others: &others, name, addresses: &addresses };
            let removed = Removal { network: network.clone(), links: links.clone(), book: book.clone() };
            let member = match asking.run(core).await {
                Ok(member) => member,
                // Not before: whoever is let in is first removed as what it was.
                Err(error) => match timeout(ASK * 3, removed.heard_of(was)).await {
                    Ok(member) => return Err(Error::Cluster(removed_text(home, member))),
                    Err(_) => return Err(error),
                },
            };
            tracing::info!(member = member.0, "this node had lost its disk, and is a new member of its cluster");
            let mut contacts: Vec<Contact> = others.iter().copied().cloned().collect();
            contacts.push(Contact { member: member.0, peer_id: local.to_string(), addresses: addresses.clone() });
            book.set_contacts(&contacts);
        }
        if given.is_none() && others.is_empty() && home.shared_keys().exists() {
            return Err(Error::Cluster(format!(
                "{}: other members of the cluster sign with this validator key, and this node's disk is empty, so it must not begin alone: put \
                 data/members.json of another member into this home, and start it again",
                home.shared_keys().display()
            )));
        }
        let options = options(config, chain_id, owner, replication);
        let to_links = Arc::new(NodeLinks { links: links.clone(), book: book.clone() });
        let alone = contacts.iter().all(|contact| contact.peer() == Some(local));
        let cluster = match given {
            None if alone => Cluster::bootstrap(core, options, to_links, name, &local.to_bytes(), &addresses).await,
            Some(FIRST) if alone => {
                Cluster::bootstrap(core, options, to_links, name, &local.to_bytes(), &addresses).await
            }
            _ => Cluster::open(core, options, to_links).await,
        };
        let cluster = cluster.map_err(|e| Error::Cluster(e.to_string()))?;
        // Until it knows better: see `tell_lacking`.
        cluster.set_lacking(true, false);
        let (started, is_started) = watch::channel(false);
        let (linked, home, network) = (BTreeSet::new(), home.clone(), network.clone());
        let driver = Driver {
            cluster: cluster.clone(),
            network,
            links,
            book: book.clone(),
            home,
            addresses,
            engine,
            started,
            linked,
        };
        let tasks = driver.start(events, watch::Sender::new(0));
        Ok((Self { cluster, book, started: is_started, replication }, tasks))
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Whether this is the member that the cluster began with, on its first disk: the only one that has the notary log, and signs, before the
    /// cluster has taken that over.
    pub fn holds_notary_log(&self) -> bool {
        self.cluster.id() == FIRST
    }

    /// The same, after a while at most.
    pub async fn started_within(&self, time: Duration) -> bool {
        let mut started = self.started.clone();
        timeout(time, started.wait_for(|started| *started)).await.is_ok_and(|started| started.is_ok())
    }

    /// Whether the cluster has confirmed this start: nobody is served before.
    pub fn is_started(&self) -> bool {
        *self.started.borrow()
    }

    /// Says that the cluster does not serve here, until it does; and from then on where a majority of the voters is missing.
    pub async fn report_to(mut self, shared: &Shared) {
        shared.update(|live| live.cluster = Some(NOT_STARTED.into()));
        let mut told = Some(NOT_STARTED.to_owned());
        if self.started.wait_for(|started| *started).await.is_err() {
            return;
        }
        loop {
            let why = Votes::of(&self.cluster).missing();
            if why != told {
                shared.update(|live| live.cluster.clone_from(&why));
                told = why;
            }
            sleep(LOOK).await;
        }
    }

    /// The member that a peer is.
    pub fn member_of(&self, peer: &PeerId) -> Option<MemberId> {
        self.book.member(peer)
    }

    /// R and W of a new log.
    pub fn replication(&self) -> (u8, u8) {
        self.replication
    }

    /// Everything that an operator wants to see.
    pub fn view(&self) -> View {
        View::of(&self.cluster, self.is_started())
    }

    /// The members, as whoever joins must know them.
    pub fn contacts(&self) -> Vec<Contact> {
        self.book.contacts()
    }
}

fn numbers(config: &ClusterConfig) -> Result<(u8, u8)> {
    let ClusterConfig { replication, copies, .. } = *config;
    // One that has lost its disk must be dispensable, unless there is one copy only.
    if copies * 2 <= replication || copies >= replication.max(2) {
        return Err(Error::Usage(format!(
            "cluster.copies is {copies} of cluster.replication {replication}: choose more than half of them and not all, such as 2 of 3, or 1 of 1"
        )));
    }
    // The settings have bounds.
    Ok((replication as u8, copies as u8))
}

fn options(config: &ClusterConfig, chain_id: &str, owner: PublicKey, numbers: (u8, u8)) -> ClusterOptions {
    let chain_id = chain_id.to_owned();
    ClusterOptions {
        raft: RaftOptions { epoch_shards: config.epoch_shards.0, ..RaftOptions::default() },
        limits: Default::default(),
        patience: Duration::from_secs(10),
        log_id: Arc::new(move |name, incarnation| LogId::derive_record(&chain_id, &owner, name.as_str(), incarnation)),
        numbers,
    }
}

/// A member without a disk asks the others for a new id.
struct Asking<'a> {
    network: &'a Handle,
    events: &'a mut MemberEvents,
    others: &'a [&'a Contact],
    name: &'a str,
    addresses: &'a [String],
}

impl Asking<'_> {
    async fn run(self, core: &Core) -> Result<MemberId> {
        let failed = |e: pyralog_cluster_core::Error| Error::Storage(e.to_string());
        let identity = core.make_identity().map_err(failed)?;
        let new = NewMember {
            name: self.name.to_owned(),
            peer: self.network.local_peer_id().to_bytes(),
            addresses: self.addresses.to_vec(),
            incarnation: identity.incarnation,
            life: identity.life,
        };
        let question = Envelope::Join(new).to_bytes();
        let links = self.network.members();
        let peers: Vec<PeerId> = self.others.iter().filter_map(|contact| contact.peer()).collect();
        tracing::warn!(members = peers.len(), "this node's disk is empty: it asks the other members for a new id");
        let deadline = Instant::now() + LET_IN;
        let mut turns = peers.iter().cycle();
        // Why, and since when nobody says otherwise.
        let mut refused: Option<(String, Option<Instant>)> = None;
        let given_up = |refused: &Option<(String, Option<Instant>)>| {
            let since = refused.as_ref().and_then(|(_, since)| *since);
            since.is_some_and(|since| since.elapsed() > GIVE_UP)
        };
        while Instant::now() < deadline && !given_up(&refused) {
            let asked = turns.next().is_some_and(|peer| links.send(peer, Lane::Urgent, question.clone()).is_ok());
            let again = Instant::now() + if asked { ASK } else { ASK / 10 };
            while let Ok(event) = timeout_at(again, self.events.urgent.recv()).await {
                let Some(event) = event else { return Err(Error::TaskEnded("the member links")) };
                let MemberEvent::Message { data, .. } = event else { continue };
                match Envelope::from_shared(&data) {
                    Ok(Envelope::Joined { member }) => {
                        core.assign(member).map_err(failed)?;
                        return Ok(member);
                    }
                    Ok(Envelope::NotJoined { lasts, why }) => {
                        let since = refused.and_then(|(_, since)| since).unwrap_or_else(Instant::now);
                        refused = Some((why, lasts.then_some(since)));
                    }
                    _ => {}
                }
            }
            sleep(ASK / 10).await;
        }
        if let Some((why, _)) = refused {
            return Err(Error::Cluster(format!(
                "this node's disk is empty, and the other members do not let it in: {why}"
            )));
        }
        Err(Error::Cluster(format!(
            "this node's disk is empty and no other member lets it in: start a majority of the members first (of {}), or see whether this one was \
             removed",
            self.others.iter().map(|contact| contact.member.to_string()).collect::<Vec<_>>().join(", ")
        )))
    }
}

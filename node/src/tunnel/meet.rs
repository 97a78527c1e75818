//! Peers that do not reach each other by the addresses of their records, as behind NAT: a third peer with tunnels to both tells each where it sees
//! the other. Both then send to the other's address, and what one sends lets in what the other one does.
//!
//! ```text
//! seeker ── Ask {peer} ─▶ third ── Wanted {seeker, its endpoint} ─▶ peer ── to the seeker's endpoint ─▶
//!        ◀─ its endpoint ──                                           seeker ── to the peer's endpoint ─▶
//! ```
//!
//! All of this is said inside tunnels, so it is known who says it. What it can cause is bounded: questions and hints of one peer, and hints
//! that are followed at once. A hint is an address to which a few datagrams are sent; where nobody answers with a signed record of the named peer
//! nothing comes of it.

mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyralog_crypto::codec::{Decode, Encode};
use pyralog_p2p::{Handle, LinkStatus, Mesh, PeerBuckets, PeerId, ProtocolSpec, Rate, Reply};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

pub use self::wire::{Meet, Seen};
use super::Tunnels;
use crate::driver::lock;

/// The request protocol.
pub const PROTOCOL: &str = "meet";
/// Longest request and answer, bytes.
const MAX_BYTES: usize = 128;
/// How often it is looked for peers that are not reached.
const LOOK: Duration = Duration::from_secs(1);
/// A peer that is sought for this long by its own addresses is asked for.
const STUCK: Duration = Duration::from_millis(900);
/// Nobody is asked for the same peer again before this is over.
const AGAIN: Duration = Duration::from_secs(5);
/// Peers that are asked for one.
const ASKED: usize = 3;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Hints that are followed, and questions that are answered, at once.
const AT_ONCE: usize = 8;
/// Questions and hints of one peer.
const RATE: Rate = Rate::new(1, 16);
/// Peers whose questions are counted at one time.
const COUNTED: usize = 1_024;
/// How long a hint is followed.
const FOLLOWED: Duration = Duration::from_secs(10);

/// The protocol as the network is told of it.
pub(super) fn protocol() -> ProtocolSpec {
    let mut spec = ProtocolSpec::new(PROTOCOL, MAX_BYTES, MAX_BYTES);
    spec.timeout = PATIENCE;
    spec
}

/// The two sides of meeting; clones share it.
#[derive(Clone)]
pub struct Meetings {
    mesh: Mesh,
    network: Handle,
    rates: Arc<Mutex<PeerBuckets>>,
    places: Arc<Semaphore>,
}

impl Meetings {
    /// For a network that runs in these tunnels.
    pub fn new(tunnels: &Tunnels, network: Handle) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let rates = Arc::new(Mutex::new(PeerBuckets::new(RATE, COUNTED)));
        Self { mesh: tunnels.mesh.clone(), network, rates, places }
    }

    /// Begins to ask for peers that are not reached.
    pub fn start(&self) -> AbortHandle {
        tokio::spawn(self.clone().seek()).abort_handle()
    }

    /// Answers a peer.
    pub fn serve(&self, peer: PeerId, request: &[u8], reply: Reply) {
        let Ok(request) = Meet::from_bytes(request) else { return reply.refuse() };
        if !lock(&self.rates).take(peer, 1, Instant::now()) {
            return reply.refuse();
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return reply.refuse() };
        let meetings = self.clone();
        tokio::spawn(async move {
            let _place = place;
            match request {
                Meet::Ask { peer: wanted } => {
                    let seen = meetings.introduce(peer, wanted).await;
                    // Whoever asked may be gone.
                    let _ = reply.send(Seen(seen).to_bytes());
                }
                Meet::Wanted { peer: seeker, at } => {
                    let _ = reply.send(Seen(None).to_bytes());
                    meetings.follow(seeker, at).await;
                }
            }
        });
    }

    /// Tells a peer who wants it, and the seeker where the peer is seen.
    async fn introduce(&self, seeker: PeerId, wanted: PeerId) -> Option<SocketAddr> {
        let links = self.mesh.links().await;
        let (from, to) = (endpoint(&links, seeker)?, endpoint(&links, wanted)?);
        let hint = Meet::Wanted { peer: seeker, at: from }.to_bytes();
        let network = self.network.clone();
        // The seeker need not wait for it.
        tokio::spawn(async move {
            if let Err(error) = network.request(wanted, PROTOCOL, hint).await {
                tracing::debug!(%wanted, %error, "a peer was not told who seeks it");
            }
        });
        Some(to)
    }

    /// Tries to come to a tunnel with a peer that may be at an address.
    async fn follow(&self, peer: PeerId, at: SocketAddr) {
        // On a machine of its own nobody is to be sent to the services of this one.
        if at.ip().is_loopback() && !self.mesh.local_addr().ip().is_loopback() {
            return;
        }
        match timeout(FOLLOWED, self.mesh.open(peer, vec![at])).await {
            Ok(Ok(_)) => tracing::debug!(%peer, %at, "met a peer where another one sees it"),
            Ok(Err(error)) => tracing::debug!(%peer, %at, %error, "a peer is not met where another one sees it"),
            Err(_) => tracing::debug!(%peer, %at, "a peer is not met in time where another one sees it"),
        }
    }

    async fn seek(self) {
        let mut asked: BTreeMap<PeerId, Instant> = BTreeMap::new();
        loop {
            sleep(LOOK).await;
            let links = self.mesh.links().await;
            asked.retain(|_, at| at.elapsed() < AGAIN);
            let stuck = links.iter().filter(|link| link.stage != "open" && link.since >= STUCK);
            let stuck = stuck.filter_map(|link| link.peer.id()).filter(|peer| !asked.contains_key(peer));
            let stuck: Vec<PeerId> = stuck.collect();
            for peer in stuck.into_iter().take(AT_ONCE) {
                asked.insert(peer, Instant::now());
                tokio::spawn(self.clone().ask_for(peer));
            }
        }
    }

    async fn ask_for(self, wanted: PeerId) {
        let known = self.network.peers().await.unwrap_or_default();
        let question = Bytes::from(Meet::Ask { peer: wanted }.to_bytes());
        for third in known.iter().filter(|third| third.peer_id != wanted).take(ASKED) {
            let answer = self.network.request(third.peer_id, PROTOCOL, question.clone()).await;
            let seen = answer.ok().and_then(|answer| Seen::from_bytes(&answer).ok());
            if let Some(Seen(Some(at))) = seen {
                self.follow(wanted, at).await;
                return;
            }
        }
    }
}

/// Where the packets of a peer come from, if there is an open tunnel with it.
fn endpoint(links: &[LinkStatus], peer: PeerId) -> Option<SocketAddr> {
    let link = links.iter().find(|link| link.peer.id() == Some(peer))?;
    link.stats.as_ref().filter(|stats| stats.last_handshake.is_some())?.endpoint
}

//! Keeps one connection with every member, and says which one carries our streams.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandlerInEvent,
        ToSwarm,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::time::{Instant, Sleep};

use super::{
    Lane,
    handler::{Handler, News, Order},
    link::Way,
    redial::backoff,
    roster::Roster,
};

/// Dials over TCP that may fail in a row while another connection carries the streams.
const TCP_TRIES: u32 = 8;

/// A member, and the way to it.
#[derive(Debug)]
struct Wanted {
    addresses: Vec<Multiaddr>,
    /// The connection with our streams.
    carrier: Option<ConnectionId>,
    /// When it was chosen.
    since: Instant,
    /// Where the peer's streams are, if they came elsewhere soon after that; and whether others of it were open.
    comes: Option<(ConnectionId, bool)>,
    dial: Dial,
    failures: u32,
    /// The link's count of ups as last seen: more of them, and the next dial comes at once.
    ups: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dial {
    None,
    At(Instant),
    Under(ConnectionId),
}

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Path {
    /// Whether it is not being closed.
    stays: bool,
    /// Whether it runs over TCP: the system ends it with its process, at once.
    tcp: bool,
}

/// The behaviour. Without members it hands out empty handlers and does nothing.
pub(crate) struct Members {
    protocol: StreamProtocol,
    local: PeerId,
    roster: Arc<Roster>,
    wanted: BTreeMap<PeerId, Wanted>,
    /// Connections of all peers, since any of them may become a member.
    connections: HashMap<PeerId, BTreeMap<ConnectionId, Path>>,
    actions: VecDeque<ToSwarm<Infallible, Order>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Members {
    pub(crate) fn new(protocol: StreamProtocol, local: PeerId, roster: Arc<Roster>) -> Self {
        Self {
            protocol,
            local,
            roster,
            wanted: BTreeMap::new(),
            connections: HashMap::new(),
            actions: VecDeque::new(),
            timer: None,
        }
    }

    pub(crate) fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.wanted.contains_key(peer)
    }

    /// Replaces the list; this node itself is left out of it. The streams of those that go end at once, their
    /// connections stay as any other peer's.
    pub(crate) fn set(&mut self, mut members: BTreeMap<PeerId, Vec<Multiaddr>>) {
        members.remove(&self.local);
        self.roster.set(members.keys().copied());
        let gone: Vec<_> = self.wanted.keys().filter(|peer| !members.contains_key(peer)).copied().collect();
        for peer in gone {
            self.wanted.remove(&peer);
            for id in self.connections.get(&peer).into_iter().flat_map(BTreeMap::keys) {
                self.actions.push_back(notify(peer, *id, Order::Look));
            }
        }
        let now = Instant::now();
        for (peer, addresses) in members {
            if let Some(wanted) = self.wanted.get_mut(&peer) {
                wanted.addresses = addresses;
                continue;
            }
            let dial = Dial::At(now);
            self.wanted
                .insert(peer, Wanted { addresses, carrier: None, since: now, comes: None, dial, failures: 0, ups: 0 });
            self.choose_carrier(peer);
        }
    }

    /// Ends all links: nothing is dialled any more, and the readers come to their end.
    pub(crate) fn end(&mut self) {
        self.set(BTreeMap::new());
        self.roster.end();
    }

    /// Gives our streams to a connection that is there, one over TCP before all others. Where there is none such it is still dialled once.
    fn choose_carrier(&mut self, peer: PeerId) -> bool {
        let Some(wanted) = self.wanted.get_mut(&peer) else { return false };
        let there = self.connections.get(&peer).into_iter().flatten().filter(|(_, path)| path.stays);
        // Of those alike the first.
        let Some((id, path)) = there.min_by_key(|(_, path)| !path.tcp) else { return false };
        (wanted.carrier, wanted.since) = (Some(*id), Instant::now());
        let id = *id;
        let over_tcp = path.tcp || !wanted.addresses.iter().any(is_tcp);
        wanted.dial = match wanted.dial {
            Dial::At(_) if over_tcp => Dial::None,
            Dial::None if !over_tcp => Dial::At(Instant::now()),
            other => other,
        };
        self.actions.push_back(notify(peer, id, Order::Carry));
        true
    }

    /// Moves our streams to the connection where the peer has opened its own. A process that was killed leaves connections behind that end by themselves
    /// only after a while; the next one speaks on another, and would not hear us. Two ends that have dialled each other just now stay each where they are,
    /// or they could change places for ever.
    fn follow(&mut self, peer: PeerId, id: ConnectionId, again: bool) {
        let settled = self.roster.common().limits.ping_interval;
        if self.path(&peer, id).is_none_or(|path| !path.stays) {
            return;
        }
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        if wanted.carrier == Some(id) {
            wanted.comes = None;
        }
        let Some(old) = wanted.carrier.filter(|old| *old != id) else { return };
        if self.is_tcp(&peer, old) && !self.is_tcp(&peer, id) {
            // The peer comes over, too: the one over TCP would not be there any more where its process had ended.
            return;
        }
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        if wanted.since.elapsed() < settled {
            wanted.comes = Some((id, again));
            return;
        }
        self.move_to(peer, id);
    }

    fn move_to(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        let Some(old) = wanted.carrier else { return };
        (wanted.carrier, wanted.since, wanted.comes) = (Some(id), Instant::now(), None);
        self.actions.push_back(notify(peer, old, Order::Leave));
        self.actions.push_back(notify(peer, id, Order::Carry));
    }

    fn is_tcp(&self, peer: &PeerId, id: ConnectionId) -> bool {
        self.path(peer, id).is_some_and(|path| path.tcp)
    }

    fn path(&self, peer: &PeerId, id: ConnectionId) -> Option<Path> {
        self.connections.get(peer)?.get(&id).copied()
    }

    /// Follows those whose streams came elsewhere a while ago, where ours have still not opened, or the peer had others: that connection leads nowhere.
    fn follow_late(&mut self, now: Instant) {
        let settled = self.roster.common().limits.ping_interval;
        let late = |wanted: &Wanted| wanted.comes.filter(|_| wanted.since + settled <= now);
        let late: Vec<_> = self.wanted.iter().filter_map(|(peer, wanted)| Some((*peer, late(wanted)?))).collect();
        for (peer, (id, again)) in late {
            if let Some(wanted) = self.wanted.get_mut(&peer) {
                wanted.comes = None;
            }
            if again || self.roster.link(&peer).is_some_and(|link| !link.is_seated(Way::Out, Lane::Urgent)) {
                self.follow(peer, id, again);
            }
        }
    }

    fn opened(&mut self, peer: PeerId, id: ConnectionId, tcp: bool) {
        self.connections.entry(peer).or_default().insert(id, Path { stays: true, tcp });
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        // Before a carrier is chosen, which may want another dial.
        let dialled = wanted.dial == Dial::Under(id);
        if dialled {
            wanted.dial = Dial::None;
        }
        let Some(old) = wanted.carrier else {
            self.choose_carrier(peer);
            return;
        };
        if self.path(&peer, old).is_none_or(|path| path.tcp) {
            return;
        }
        if tcp {
            // Never back: whoever is killed would be taken for alive.
            self.move_to(peer, id);
        } else if let Some(wanted) = self.wanted.get_mut(&peer).filter(|_| dialled)
            && wanted.addresses.iter().any(is_tcp)
        {
            // QUIC was quicker: once more, over TCP.
            wanted.dial = Dial::At(Instant::now());
        }
    }

    fn closed(&mut self, peer: PeerId, id: ConnectionId) {
        let over_tcp = self.is_tcp(&peer, id);
        if let Some(connections) = self.connections.get_mut(&peer) {
            connections.remove(&id);
            if connections.is_empty() {
                self.connections.remove(&peer);
            }
        }
        if self.wanted.get(&peer).is_some_and(|wanted| wanted.carrier == Some(id)) {
            if over_tcp {
                self.end_others(peer);
            }
            self.lost(peer);
        }
    }

    /// The system ends a connection over TCP with its process. The others that lead to the same one end by themselves only after a while.
    fn end_others(&mut self, peer: PeerId) {
        for (id, path) in self.connections.get_mut(&peer).into_iter().flatten().filter(|(_, path)| !path.tcp) {
            path.stays = false;
            let connection = CloseConnection::One(*id);
            self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
        }
    }

    /// The carrier is gone: another connection takes over, or the member is dialled, at once where the link had worked.
    fn lost(&mut self, peer: PeerId) {
        let ups = self.roster.link(&peer).map_or(0, |link| link.ups());
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        wanted.carrier = None;
        let worked = std::mem::replace(&mut wanted.ups, ups) != ups;
        if worked {
            wanted.failures = 0;
        }
        if self.choose_carrier(peer) {
            return;
        }
        if worked {
            if let Some(wanted) = self.wanted.get_mut(&peer)
                && !matches!(wanted.dial, Dial::Under(_))
            {
                wanted.dial = Dial::At(Instant::now());
            }
        } else {
            self.retry(peer);
        }
    }

    /// Nothing was heard on one connection; the others lead to the same process. Closing may take long on a dead path, so
    /// none of them counts from here on.
    fn dead(&mut self, peer: PeerId) {
        let Some(link) = self.roster.link(&peer) else { return };
        tracing::info!(%peer, "member not heard for too long: closing its connections");
        self.roster.common().metrics.silent.inc();
        for path in self.connections.get_mut(&peer).into_iter().flat_map(BTreeMap::values_mut) {
            path.stays = false;
        }
        link.reset();
        self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::All });
        self.lost(peer);
    }

    fn retry(&mut self, peer: PeerId) {
        let limits = &self.roster.common().limits;
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        wanted.failures = wanted.failures.saturating_add(1);
        let wait = backoff(limits.redial_min, limits.redial_max, wanted.failures, &self.local, &peer);
        wanted.dial = Dial::At(Instant::now() + wait);
    }

    fn dial_failed(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(wanted) = self.wanted.get(&peer).filter(|wanted| wanted.dial == Dial::Under(id)) else { return };
        let carrier = wanted.carrier.and_then(|carrier| self.path(&peer, carrier));
        // Where something carries the streams, TCP was wanted: the dial may have come to nothing since another one was under way.
        let enough = |path: Path| path.tcp || wanted.failures >= TCP_TRIES;
        if !carrier.is_some_and(enough) {
            self.retry(peer);
        } else if let Some(wanted) = self.wanted.get_mut(&peer) {
            wanted.dial = Dial::None;
        }
    }

    /// The first member whose time has come. A connection that is still being closed must not keep a new one away.
    fn due(&mut self, now: Instant) -> Option<DialOpts> {
        let due = |wanted: &Wanted| matches!(wanted.dial, Dial::At(at) if at <= now);
        let (peer, wanted) = self.wanted.iter_mut().find(|(_, wanted)| due(wanted))?;
        let options = DialOpts::peer_id(*peer).condition(PeerCondition::NotDialing);
        // A port of its own: two ends that dial each other from their listening ports meet in one TCP connection, which
        // neither listens on.
        let options = if wanted.addresses.is_empty() {
            options.addresses(Vec::new()).extend_addresses_through_behaviour().allocate_new_port().build()
        } else {
            // Where something else carries the streams already, it is TCP that is wanted.
            let all = wanted.addresses.iter().filter(|address| wanted.carrier.is_none() || is_tcp(address));
            options.addresses(all.cloned().collect()).allocate_new_port().build()
        };
        wanted.dial = Dial::Under(options.connection_id());
        Some(options)
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let settled = self.roster.common().limits.ping_interval;
        let dials = self.wanted.values().filter_map(|wanted| match wanted.dial {
            Dial::At(at) => Some(at),
            _ => None,
        });
        let late = self.wanted.values().filter(|wanted| wanted.comes.is_some()).map(|wanted| wanted.since + settled);
        let Some(until) = dials.chain(late).min() else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.roster.end();
    }
}

fn is_tcp(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

fn notify(peer_id: PeerId, id: ConnectionId, event: Order) -> ToSwarm<Infallible, Order> {
    ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(id), event }
}

impl NetworkBehaviour for Members {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone(), Arc::clone(&self.roster), self.local, peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone(), Arc::clone(&self.roster), self.local, peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.opened(event.peer_id, event.connection_id, is_tcp(event.endpoint.get_remote_address()));
            }
            FromSwarm::ConnectionClosed(event) => self.closed(event.peer_id, event.connection_id),
            FromSwarm::DialFailure(event) => {
                if let Some(peer) = event.peer_id {
                    self.dial_failed(peer, event.connection_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, news: News) {
        match news {
            News::Comes { again } => self.follow(peer, id, again),
            News::Dead => self.dead(peer),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            let now = Instant::now();
            self.follow_late(now);
            if !self.actions.is_empty() {
                continue;
            }
            if let Some(opts) = self.due(now) {
                return Poll::Ready(ToSwarm::Dial { opts });
            }
            if self.wait(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

//! The member streams of one connection.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    PeerId, StreamProtocol,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::time::{Instant, Sleep};

use super::{
    Lane,
    link::{Link, Way},
    reader::Reader,
    redial::backoff,
    roster::Roster,
    upgrade::{Admit, Open},
    writer::Writer,
};

/// From the behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Open our streams here.
    Carry,
    /// End our streams here: they are opened on another connection.
    Leave,
    /// The list of members has changed: look whether your streams may stay.
    Look,
}

/// To the behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// This path is dead.
    Dead,
    /// The peer has opened its streams here, and ours are not here.
    Comes {
        /// Streams of it that have not ended were open elsewhere.
        again: bool,
    },
}

/// Our stream of one lane.
#[derive(Debug)]
enum Outgoing {
    /// To be opened at this time.
    Waiting(Instant),
    Opening,
    Open(Box<Writer>),
}

/// What only the connection that carries our streams has.
#[derive(Debug)]
struct Carried {
    link: Arc<Link>,
    lanes: [Outgoing; 2],
    failures: u32,
    /// The link's counts as last seen.
    ups: u64,
    knocks: u64,
}

/// Everything happens in the connection's own task: a sender wakes it, and it writes. With a stranger it is two empty
/// places and no timer.
#[derive(Debug)]
pub(crate) struct Handler {
    protocol: StreamProtocol,
    roster: Arc<Roster>,
    local: PeerId,
    peer: PeerId,
    carried: Option<Carried>,
    incoming: [Option<Box<Reader>>; 2],
    timer: Option<Pin<Box<Sleep>>>,
    next_step: Instant,
    /// The link's sign of life as last seen, and for how many steps it has not changed.
    heard: u64,
    silent: u32,
    dead: bool,
    told: bool,
    comes: Option<News>,
}

impl Handler {
    pub(crate) fn new(protocol: StreamProtocol, roster: Arc<Roster>, local: PeerId, peer: PeerId) -> Self {
        Self {
            protocol,
            roster,
            local,
            peer,
            carried: None,
            incoming: [None, None],
            timer: None,
            next_step: Instant::now(),
            heard: 0,
            silent: 0,
            dead: false,
            told: false,
            comes: None,
        }
    }

    fn carry(&mut self) {
        let Some(link) = self.roster.link(&self.peer) else { return };
        let (now, ups, knocks) = (Instant::now(), link.ups(), link.knocks());
        let lanes = [Outgoing::Waiting(now), Outgoing::Waiting(now)];
        self.carried = Some(Carried { link, lanes, failures: 0, ups, knocks });
    }

    /// Writes and reads, the urgent lane first.
    fn move_bytes(&mut self, cx: &mut Context<'_>) {
        if let Some(carried) = &mut self.carried {
            carried.link.carrier().register(cx.waker());
            if carried.link.is_closed() {
                self.carried = None;
            }
        }
        for lane in Lane::ALL {
            if let Some(Carried { lanes, .. }) = &mut self.carried
                && let Outgoing::Open(writer) = &mut lanes[lane.index()]
                && let Poll::Ready(error) = writer.poll(cx)
            {
                tracing::debug!(peer = %self.peer, lane = lane.name(), %error, "our member stream ended");
                self.rest(lane);
            }
            let place = &mut self.incoming[lane.index()];
            if let Some(reader) = place
                && let Poll::Ready(error) = reader.poll(cx)
            {
                tracing::debug!(peer = %self.peer, lane = lane.name(), %error, "the peer's member stream ended");
                if error.kind() == std::io::ErrorKind::InvalidData {
                    self.roster.common().metrics.malformed.inc();
                }
                *place = None;
            }
        }
    }

    /// The lane could not be opened or has ended: another try comes later, soon after a link that worked.
    fn rest(&mut self, lane: Lane) {
        let limits = &self.roster.common().limits;
        let Some(carried) = &mut self.carried else { return };
        if carried.link.ups() != carried.ups {
            (carried.ups, carried.failures) = (carried.link.ups(), 0);
        }
        let wait = match carried.failures {
            0 => Duration::ZERO,
            failures => backoff(limits.redial_min, limits.redial_max, failures, &self.local, &self.peer),
        };
        // Both lanes fail together: one failure, not two.
        if !matches!(carried.lanes[1 - lane.index()], Outgoing::Waiting(_)) {
            carried.failures = carried.failures.saturating_add(1);
        }
        carried.lanes[lane.index()] = Outgoing::Waiting(Instant::now() + wait);
    }

    /// A lane whose time has come.
    fn open(&mut self, now: Instant) -> Option<Lane> {
        let carried = self.carried.as_mut()?;
        let knocks = carried.link.knocks();
        let knocked = std::mem::replace(&mut carried.knocks, knocks) != knocks;
        for lane in &mut carried.lanes {
            if knocked && let Outgoing::Waiting(at) = lane {
                *at = now;
            }
        }
        for lane in Lane::ALL {
            let place = &mut carried.lanes[lane.index()];
            if matches!(place, Outgoing::Waiting(at) if *at <= now) {
                *place = Outgoing::Opening;
                return Some(lane);
            }
        }
        None
    }

    /// Pings, and whether the peer still lives.
    fn step(&mut self, now: Instant) {
        self.next_step = now + self.roster.common().limits.step();
        if let Some(Carried { lanes: [Outgoing::Open(writer), _], .. }) = &mut self.carried {
            writer.keep_alive();
        }
        let Some(reader) = &self.incoming[Lane::Urgent.index()] else {
            self.silent = 0;
            return;
        };
        let heard = reader.pass().link().heard();
        if heard != self.heard || reader.is_held() {
            (self.heard, self.silent) = (heard, 0);
            return;
        }
        self.silent += 1;
        self.dead |= self.silent >= self.roster.common().limits.patience();
    }

    fn is_busy(&self) -> bool {
        self.carried.is_some() || self.incoming.iter().any(Option::is_some)
    }

    /// Sleeps until the next step or try. Returns whether the time has come already.
    fn wait(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_busy() {
            self.timer = None;
            return false;
        }
        let tries = self.carried.iter().flat_map(|carried| &carried.lanes).filter_map(|lane| match lane {
            Outgoing::Waiting(at) => Some(*at),
            _ => None,
        });
        let until = tries.chain([self.next_step]).min().unwrap_or(self.next_step);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).is_ready()
    }

    fn begin_reading(&mut self, lane: Lane, stream: libp2p::Stream) {
        let link = self.roster.link(&self.peer);
        let again = link.as_ref().is_some_and(|link| link.is_seated(Way::In, lane));
        let pass = link.and_then(|link| link.seat(Way::In, lane));
        let Some(pass) = pass else {
            // Removed since the stream was admitted.
            self.roster.common().metrics.strangers.inc();
            return;
        };
        self.silent = 0;
        pass.link().hear();
        if lane == Lane::Urgent && self.carried.is_none() {
            self.comes = Some(News::Comes { again });
        }
        self.incoming[lane.index()] = Some(Box::new(Reader::new(stream, pass)));
    }

    fn begin_writing(&mut self, lane: Lane, stream: libp2p::Stream) {
        let Some(carried) = &mut self.carried else { return };
        if let Some(pass) = carried.link.seat(Way::Out, lane) {
            carried.lanes[lane.index()] = Outgoing::Open(Box::new(Writer::new(stream, pass)));
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = News;
    type InboundProtocol = Admit;
    type OutboundProtocol = Open;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Lane;

    fn listen_protocol(&self) -> SubstreamProtocol<Admit> {
        let admit = Admit { protocol: self.protocol.clone(), roster: Arc::clone(&self.roster), peer: self.peer };
        SubstreamProtocol::new(admit, ())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Open, Lane, News>> {
        loop {
            if self.dead {
                // The connection is closed next, whatever the other end of it does.
                self.carried = None;
                self.incoming = [None, None];
                self.timer = None;
                if std::mem::replace(&mut self.told, true) {
                    return Poll::Pending;
                }
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(News::Dead));
            }
            if let Some(comes) = self.comes.take() {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(comes));
            }
            if !self.is_busy() {
                self.timer = None;
                return Poll::Pending;
            }
            self.move_bytes(cx);
            let now = Instant::now();
            if let Some(lane) = self.open(now) {
                let open = Open { protocol: self.protocol.clone(), lane };
                let timeout = self.roster.common().limits.dead_after;
                let protocol = SubstreamProtocol::new(open, lane).with_timeout(timeout);
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            if now >= self.next_step {
                self.step(now);
                continue;
            }
            if !self.wait(cx) {
                return Poll::Pending;
            }
        }
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Carry => self.carry(),
            Order::Leave => self.carried = None,
            // To be woken is enough.
            Order::Look => {}
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Admit, Open, (), Lane>) {
        if self.dead {
            return;
        }
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (lane, stream), .. }) => {
                self.begin_reading(lane, stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info: lane }) => {
                self.begin_writing(lane, stream);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: lane, error }) => {
                tracing::debug!(peer = %self.peer, lane = lane.name(), %error, "member stream not opened");
                // Whoever does not answer at all is not there.
                self.dead |= matches!(error, StreamUpgradeError::Timeout) && self.carried.is_some();
                self.rest(lane);
            }
            _ => {}
        }
    }
}

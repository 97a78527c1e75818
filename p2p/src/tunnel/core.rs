//! The engine: what is done with each datagram and each packet. Everything here returns at once; the tasks that wait for
//! the socket and the clock are in [`super::handle`].

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use gotatun::{
    noise::{Tunn, handshake::parse_handshake_anon},
    packet::{Packet, WgKind},
};
use tokio::sync::{Notify, broadcast, mpsc};

use super::{
    PostQuantum, PresharedKey, SideDatagram, SideProtocol, TunnelConfig, TunnelEvent, TunnelKey,
    admission::{Admission, Refusal},
    datagram::{MAX_SIDE_DATAGRAM, is_wireguard},
    ip::{self, Inner},
    link::{Flow, Link},
    mesh::os_rng,
    obfuscation::{Disguise, WireMacs},
    outgoing::{Batch, Replies, own},
    ports::{Delivery, Ports},
    socket::{OuterSocket, inbound},
    stats::Counters,
    table::Table,
};
use crate::{bucket::TokenBucket, limits::Rate, members::common::lock};

/// The longest wait between two looks at the clocks of the links.
const TICK: Duration = Duration::from_millis(250);
/// The shortest.
const SHORT_TICK: Duration = Duration::from_millis(10);

/// The senders of the queues that [`super::TunnelQueues`] reads.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) rosenpass: mpsc::Sender<SideDatagram>,
    pub(crate) bootstrap: mpsc::Sender<SideDatagram>,
    pub(crate) events: mpsc::Sender<TunnelEvent>,
}

/// All of a tunnel that the tasks, the sockets inside, and the handle share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: TunnelConfig,
    pub(crate) key: TunnelKey,
    pub(crate) overlay: Ipv6Addr,
    pub(crate) table: Table,
    pub(crate) ports: Ports,
    pub(crate) counters: Counters,
    /// Wakes the task of the clocks.
    pub(crate) poke: Notify,
    /// Sender and sequence number of each echo reply.
    pub(crate) pongs: broadcast::Sender<(Ipv6Addr, u16)>,
    pub(crate) disguise: Option<Disguise>,
    admission: Admission,
    echoes: Mutex<TokenBucket>,
    outlets: Outlets,
    socket: RwLock<Option<Arc<OuterSocket>>>,
}

impl Core {
    pub(crate) fn new(config: TunnelConfig, socket: Arc<OuterSocket>, outlets: Outlets) -> Self {
        let now = Instant::now();
        let key = config.secret.public();
        Self {
            key,
            overlay: key.overlay(),
            table: Table::new(config.limits.peers),
            ports: Ports::default(),
            counters: Counters::default(),
            poke: Notify::new(),
            pongs: broadcast::Sender::new(64),
            disguise: config.obfuscation.as_ref().map(|parameters| Disguise::new(parameters, &key, &mut os_rng())),
            admission: Admission::new(&key, &config.limits, now),
            echoes: Mutex::new(TokenBucket::new(Rate::new(config.limits.echoes, config.limits.echoes), now)),
            outlets,
            socket: RwLock::new(Some(socket)),
            config,
        }
    }

    /// The socket, unless the tunnel has been stopped.
    pub(crate) fn socket(&self) -> Option<Arc<OuterSocket>> {
        self.socket.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn close(&self) {
        *self.socket.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lets a peer speak.
    pub(crate) fn admit(&self, link: &Link, key: Option<PresharedKey>) {
        link.lock().admit(key, Instant::now(), |preshared, keepalive| {
            Tunn::new(
                self.config.secret.x25519().clone(),
                link.key.x25519(),
                preshared,
                keepalive,
                self.table.indices.clone(),
                self.admission.limiter(),
            )
        });
    }

    /// Whether peers without a key may speak.
    pub(crate) fn needs_key(&self) -> bool {
        self.config.post_quantum == PostQuantum::Required
    }

    fn tell(&self, event: TunnelEvent) {
        // Whoever does not read its events has chosen so.
        let _ = self.outlets.events.try_send(event);
    }

    // ---- outwards ----

    /// Sends UDP payloads of `segment` bytes each, of which the last may be shorter, to a peer. Encryption happens here, in the
    /// caller's task, and one system call sends all.
    ///
    /// # Errors
    /// `WouldBlock` while the socket is full, `NotConnected` after the tunnel's end.
    pub(crate) fn send_datagrams(&self, flow: Flow, contents: &[u8], segment: usize) -> io::Result<()> {
        let socket = self.socket().ok_or(io::ErrorKind::NotConnected)?;
        if !socket.is_writable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(link) = self.table.by_overlay(&flow.addresses.1) else {
            self.counters.no_route.inc();
            return Ok(());
        };
        let now = Instant::now();
        let mut batch = Batch::new(self.disguise.as_ref(), contents.len(), segment);
        let mut state = link.lock();
        let Some(endpoint) = state.endpoint.filter(|_| state.is_admitted()) else {
            self.counters.no_route.inc();
            return Ok(());
        };
        for payload in contents.chunks(segment.max(1)) {
            match flow.packet(payload).and_then(|packet| state.seal(packet, now)) {
                Some(WgKind::Data(data)) => batch.push(&data.into()),
                Some(handshake) => {
                    self.dispatch(handshake, &link, endpoint, &mut batch.handshakes);
                    self.poke.notify_one();
                }
                None => {}
            }
        }
        drop(state);
        batch.send(&socket, endpoint)
    }

    /// Sends one packet of our own making.
    fn send_packet(&self, link: &Arc<Link>, packet: Vec<u8>, replies: &mut Replies) {
        let packet = Packet::from_bytes(bytes::BytesMut::from(&packet[..]));
        let mut state = link.lock();
        let sealed = state.seal(packet, Instant::now());
        if let (Some(kind), Some(endpoint)) = (sealed, state.endpoint) {
            self.dispatch(kind, link, endpoint, replies);
        }
    }

    /// What goes to the wire for a packet of a link: everything that is sent and no data of a batch comes by here.
    fn dispatch(&self, kind: WgKind, link: &Arc<Link>, to: SocketAddr, replies: &mut Replies) {
        self.table.note(&kind, link);
        let packet: Packet = kind.into();
        match &self.disguise {
            None => replies.push((to, packet)),
            Some(disguise) => disguise.each(&packet, Some(&link.macs), |wire| replies.push((to, own(wire)))),
        }
    }

    /// An echo request to a peer; what must be sent for it.
    pub(crate) fn echo(&self, link: &Arc<Link>, sequence: u16) -> Replies {
        let mut replies = Replies::new();
        let [high, low] = sequence.to_be_bytes();
        let message = [0x70, 0x79, high, low, b'p', b'y', b'r', b'a', b'l', b'o', b'g'];
        if let Some(packet) = ip::echo_packet((self.overlay, link.overlay), false, &message) {
            self.send_packet(link, packet, &mut replies);
        }
        replies
    }

    /// A handshake with the peer; what must be sent for it.
    pub(crate) fn initiate(&self, link: &Arc<Link>) -> Replies {
        let mut state = link.lock();
        let Some(kind) = state.initiate(Instant::now()) else { return Replies::new() };
        let Some(endpoint) = state.endpoint else { return Replies::new() };
        drop(state);
        let mut replies = Replies::new();
        self.dispatch(kind, link, endpoint, &mut replies);
        self.poke.notify_one();
        replies
    }

    // ---- inwards ----

    /// Works on datagrams of `stride` bytes each, of which the last may be shorter.
    pub(crate) fn receive(
        &self,
        from: SocketAddr,
        joined: &mut [u8],
        stride: usize,
        delivery: &mut Delivery<'_>,
        replies: &mut Replies,
    ) {
        let (from, now) = (inbound(from), Instant::now());
        for datagram in joined.chunks_mut(stride.max(1)) {
            let (datagram, wire) = match &self.disguise {
                None => (&*datagram, None),
                Some(disguise) => match disguise.unwrap(datagram) {
                    Some(plain) => (plain.datagram, plain.macs),
                    None => {
                        self.counters.other_obfuscation.inc();
                        continue;
                    }
                },
            };
            match datagram.first() {
                Some(&first) if is_wireguard(first) => {
                    self.receive_wireguard(from, (datagram, wire.as_ref()), now, delivery, replies);
                }
                Some(&first) => match SideProtocol::of(first) {
                    Some(protocol) => self.receive_side(protocol, from, datagram),
                    None => self.counters.malformed.inc(),
                },
                None => {}
            }
        }
    }

    fn receive_side(&self, protocol: SideProtocol, from: SocketAddr, datagram: &[u8]) {
        let outlet = match protocol {
            SideProtocol::Rosenpass => &self.outlets.rosenpass,
            SideProtocol::Bootstrap => &self.outlets.bootstrap,
        };
        let sent = datagram.len() <= MAX_SIDE_DATAGRAM
            && outlet.try_send(SideDatagram { from, data: Bytes::copy_from_slice(datagram) }).is_ok();
        if !sent {
            self.counters.side.inc();
        }
    }

    fn receive_wireguard(
        &self,
        from: SocketAddr,
        (datagram, wire): (&[u8], Option<&WireMacs<'_>>),
        now: Instant,
        delivery: &mut Delivery<'_>,
        replies: &mut Replies,
    ) {
        let kind = match self.admission.check_as(from, datagram, wire, now) {
            Ok(kind) => kind,
            Err(Refusal::Malformed) => return self.counters.malformed.inc(),
            Err(Refusal::Flood) => return self.counters.floods.inc(),
            Err(Refusal::Cookie(cookie)) => {
                self.counters.cookies.inc();
                return match &self.disguise {
                    None => replies.push((from, cookie)),
                    Some(disguise) => disguise.each(&cookie, None, |wire| replies.push((from, own(wire)))),
                };
            }
        };
        let link = match &kind {
            WgKind::HandshakeInit(init) => {
                match parse_handshake_anon(self.config.secret.x25519(), &self.key.x25519(), init) {
                    Ok(half) => self.known(TunnelKey(half.peer_static_public), from),
                    Err(_) => return self.counters.malformed.inc(),
                }
            }
            WgKind::HandshakeResp(answer) => self.session(answer.receiver_idx.get()),
            WgKind::CookieReply(cookie) => self.session(cookie.receiver_idx.get()),
            WgKind::Data(data) => self.session(data.header.receiver_idx.get()),
        };
        let Some(link) = link else { return };
        let kind = match kind {
            WgKind::CookieReply(reply) if self.disguise.is_some() => link.plain_cookie(reply),
            kind => Some(kind),
        };
        let Some(kind) = kind else { return };
        let received = link.lock().receive(kind, from, now);
        for reply in received.replies {
            self.dispatch(reply, &link, from, replies);
        }
        if let Some((before, to)) = received.moved.filter(|(before, _)| before.is_some()) {
            tracing::debug!(peer = %link.key, ?before, %to, "the peer has moved");
            self.tell(TunnelEvent::Moved { key: link.key, endpoint: to });
        }
        if received.established {
            self.tell(TunnelEvent::Established { key: link.key });
        }
        if let Some(packet) = received.inner {
            self.receive_inner(&link, packet, now, delivery, replies);
        }
    }

    fn session(&self, index: u32) -> Option<Arc<Link>> {
        let link = self.table.by_session(index);
        if link.is_none() {
            self.counters.unknown_sessions.inc();
        }
        link
    }

    fn known(&self, key: TunnelKey, from: SocketAddr) -> Option<Arc<Link>> {
        let Some(link) = self.table.by_key(&key) else {
            self.counters.unknown_keys.inc();
            tracing::debug!(%key, %from, "a handshake of a key that is no peer's");
            self.tell(TunnelEvent::Stranger { key, from });
            return None;
        };
        if !link.lock().is_admitted() {
            self.counters.unkeyed.inc();
            return None;
        }
        Some(link)
    }

    fn receive_inner(
        &self,
        link: &Arc<Link>,
        packet: Packet,
        now: Instant,
        delivery: &mut Delivery<'_>,
        replies: &mut Replies,
    ) {
        // Cryptokey routing (whitepaper, section 2): a peer speaks for its own address only, and only to ours.
        let parsed = ip::parse(&packet);
        let Some(parsed) = parsed.filter(|parsed| parsed.source == link.overlay && parsed.destination == self.overlay)
        else {
            return self.counters.bad_inner.inc();
        };
        let source = parsed.source;
        match parsed.inner {
            Inner::Udp { source: port, destination, payload } => {
                delivery.put(destination, (source, port), payload);
            }
            Inner::EchoRequest { message } => {
                if !lock(&self.echoes).take(1, now) {
                    return self.counters.echoes.inc();
                }
                if let Some(reply) = ip::echo_packet((self.overlay, source), true, message) {
                    self.send_packet(link, reply, replies);
                }
            }
            Inner::EchoReply { message } => {
                if let Some([_, _, high, low]) = message.first_chunk() {
                    // Nobody may be waiting.
                    let _ = self.pongs.send((source, u16::from_be_bytes([*high, *low])));
                }
            }
            Inner::Other => self.counters.bad_inner.inc(),
        }
    }

    // ---- time ----

    /// The system reports a closed port.
    pub(crate) fn refused(&self, endpoint: SocketAddr) {
        for link in self.table.by_endpoint(endpoint) {
            link.lock().refused(Instant::now(), &self.config.limits);
        }
        self.poke.notify_one();
    }

    /// Runs the clocks of all links; how long until the next time.
    pub(crate) fn tick(&self, replies: &mut Replies) -> Duration {
        let now = Instant::now();
        self.admission.tick();
        self.table.prune();
        let mut next = now + TICK;
        for link in self.table.all() {
            let mut state = link.lock();
            let due = state.tick(now, &self.config.limits);
            let endpoint = state.endpoint;
            drop(state);
            if let Some(endpoint) = endpoint {
                due.packets.into_iter().for_each(|kind| self.dispatch(kind, &link, endpoint, replies));
            }
            if due.lost {
                link.lost.send_modify(|times| *times += 1);
            }
            if due.news {
                tracing::info!(peer = %link.key, "the peer does not answer any more: its connections are closed");
                self.tell(TunnelEvent::Lost { key: link.key });
            }
            next = next.min(due.next.unwrap_or(next));
        }
        next.saturating_duration_since(now).max(SHORT_TICK)
    }
}

//! One peer: its WireGuard state, its endpoint, and what is believed about it.

use std::{
    net::{Ipv6Addr, SocketAddr},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use gotatun::{
    noise::{Tunn, TunnResult, errors::WireGuardError},
    packet::{Packet, WgCookieReply, WgKind},
    tun::MtuWatcher,
};
use tokio::sync::watch;

use super::{
    LinkStats, PresharedKey, TunnelKey, TunnelLimits, TunnelPeer,
    ip::{self, INNER_MTU},
    obfuscation::PeerMacs,
    vigil::{Verdict, Vigil},
};
use crate::members::common::lock;

#[cfg(test)]
#[path = "link_test.rs"]
mod tests;

/// First wait before an unanswered handshake of a link that never had a session is repeated; doubles each time. WireGuard's
/// own 5 s would be the time to the first byte wherever the peer got its key a moment later than we.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The last such wait; WireGuard's own timer goes on from there.
const LAST_RETRY: Duration = Duration::from_millis(1_600);
/// A peer that was heard so lately is there: nobody takes its place from another address.
const SPEAKS: Duration = Duration::from_secs(2);
/// What is said of whoever tries.
pub(crate) const RIVAL: &str = "another process has this peer's keys and speaks from another address, while the peer is heard: it is not let in. Two must never run with the keys of one home";
/// Handshakes in a row that fail by their preshared key before the log says so: some 3 s. The two sides never get a new key at the same moment, so a few fail
/// at each start.
const MANY_FAILED: u32 = 6;

/// A peer of the tunnel.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) key: TunnelKey,
    pub(crate) overlay: Ipv6Addr,
    /// How often the peer was given up; connections inside end with each.
    pub(crate) lost: watch::Sender<u64>,
    /// What an obfuscation needs for handshakes.
    pub(crate) macs: PeerMacs,
    state: Mutex<LinkState>,
}

impl Link {
    pub(crate) fn new(peer: &TunnelPeer) -> Self {
        let (key, overlay) = (peer.key, peer.key.overlay());
        let state = LinkState {
            key,
            tunn: None,
            endpoint: peer.endpoint,
            keepalive: peer.keepalive,
            key_set: None,
            confirmed: false,
            retry: None,
            initiated: None,
            vigil: Vigil::default(),
            gone: false,
            unused_answers: 0,
            wrong_in_a_row: 0,
            rivals: 0,
            counts: Counts::default(),
        };
        let macs = PeerMacs::new(&key);
        Self { key, overlay, lost: watch::Sender::new(0), macs, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, LinkState> {
        lock(&self.state)
    }

    /// A cookie reply of the peer to a handshake that was disguised, as the state machine knows it; never `None`.
    pub(crate) fn plain_cookie(&self, reply: Packet<WgCookieReply>) -> Option<WgKind> {
        let mut reply = reply.into_bytes();
        self.macs.receive_cookie(&mut reply);
        reply.try_into_wg().ok()
    }
}

/// What happened on a link and is in no other statistic.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    wrong_key: u64,
    refused: u64,
    replayed: u64,
}

/// What is behind a link's lock.
pub(crate) struct LinkState {
    key: TunnelKey,
    /// `None` until the peer may speak: a peer without its first key has no state that could let a packet through.
    tunn: Option<Tunn>,
    pub(crate) endpoint: Option<SocketAddr>,
    keepalive: Option<u16>,
    key_set: Option<Instant>,
    /// Both sides have the keys of a session: the peer answered our handshake, or used our answer to its own. The state
    /// machine has a session as soon as it has answered, which a peer with another key never uses.
    confirmed: bool,
    /// When a handshake of a link without confirmed session is repeated, and the wait that led there.
    retry: Option<(Instant, Duration)>,
    /// When the last handshake was begun here.
    initiated: Option<Instant>,
    vigil: Vigil,
    /// The peer was given up and has not been heard since.
    gone: bool,
    /// Handshakes answered since a packet with the new keys was seen.
    unused_answers: u32,
    /// Answers in a row that do not fit our preshared key.
    wrong_in_a_row: u32,
    /// Handshakes from elsewhere while the peer was heard.
    rivals: u32,
    counts: Counts,
}

/// What a packet from the peer leads to.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// To be sent to the peer.
    pub(crate) replies: Vec<WgKind>,
    /// The decrypted packet.
    pub(crate) inner: Option<Packet>,
    /// The endpoint moved from here to there.
    pub(crate) moved: Option<(Option<SocketAddr>, SocketAddr)>,
    /// A session was agreed upon.
    pub(crate) established: bool,
}

/// What the passing of time leads to.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// To be sent to the peer.
    pub(crate) packets: Vec<WgKind>,
    /// The peer is gone.
    pub(crate) lost: bool,
    /// And that was not known.
    pub(crate) news: bool,
    /// When to look again, where that is soon.
    pub(crate) next: Option<Instant>,
}

impl LinkState {
    /// Lets the peer speak from now on, with the state machine that `make` builds.
    pub(crate) fn admit(
        &mut self,
        key: Option<PresharedKey>,
        now: Instant,
        make: impl FnOnce(Option<[u8; 32]>, Option<u16>) -> Tunn,
    ) {
        let bytes = key.as_ref().map(PresharedKey::bytes);
        self.key_set = bytes.is_some().then_some(now);
        match &mut self.tunn {
            Some(tunn) => tunn.set_preshared_key(bytes),
            None => self.tunn = Some(make(bytes, self.keepalive)),
        }
    }

    /// Stops all traffic: sessions and key are forgotten.
    pub(crate) fn silence(&mut self) {
        (self.tunn, self.key_set) = (None, None);
        (self.confirmed, self.retry, self.initiated) = (false, None, None);
        self.vigil = Vigil::default();
    }

    pub(crate) const fn is_admitted(&self) -> bool {
        self.tunn.is_some()
    }

    pub(crate) fn change(&mut self, peer: &TunnelPeer) {
        if peer.endpoint.is_some() {
            self.endpoint = peer.endpoint;
        }
        self.keepalive = peer.keepalive;
        if let Some(tunn) = &mut self.tunn {
            tunn.set_persistent_keepalive(peer.keepalive);
        }
    }

    /// A handshake initiation, even while another one waits for its answer.
    pub(crate) fn initiate(&mut self, now: Instant) -> Option<WgKind> {
        self.endpoint?;
        let initiation = self.tunn.as_mut()?.format_handshake_initiation(true)?;
        self.initiated(now);
        Some(initiation.into())
    }

    /// A handshake was begun: where there is no session it is repeated, less and less often.
    fn initiated(&mut self, now: Instant) {
        self.initiated = Some(now);
        let wait = self.retry.map_or(FIRST_RETRY, |(_, wait)| wait * 2);
        self.retry = (!self.confirmed && wait <= LAST_RETRY).then_some((now + wait, wait));
    }

    /// Encrypts a packet. Without a session it waits in a bounded queue and a handshake begins.
    pub(crate) fn seal(&mut self, packet: Packet, now: Instant) -> Option<WgKind> {
        let mut mtu = MtuWatcher::new(INNER_MTU as u16);
        let sealed = self.tunn.as_mut()?.handle_outgoing_packet(packet, Some(&mut mtu));
        self.vigil.spoke(now);
        if matches!(sealed, Some(WgKind::HandshakeInit(_))) {
            self.initiated(now);
        }
        sealed
    }

    /// Works on a packet whose index or static key led here.
    pub(crate) fn receive(&mut self, kind: WgKind, from: SocketAddr, now: Instant) -> Received {
        let mut received = Received::default();
        let (answers, initiation) =
            (matches!(kind, WgKind::HandshakeResp(_)), matches!(kind, WgKind::HandshakeInit(_)));
        if initiation && self.is_rival(from, now) {
            self.rivals = self.rivals.saturating_add(1);
            if self.rivals.is_power_of_two() {
                let (key, times) = (self.key, self.rivals);
                tracing::warn!(peer = %key, %from, times, "{RIVAL}");
            }
            return received;
        }
        let Some(tunn) = &mut self.tunn else { return received };
        match tunn.handle_incoming_packet(kind) {
            TunnResult::Done => {}
            TunnResult::Err(error) => self.refuse(&error, answers, from),
            TunnResult::WriteToNetwork(reply) => {
                received.replies.push(reply);
                let mut mtu = MtuWatcher::new(INNER_MTU as u16);
                received.replies.extend(tunn.get_queued_packets(&mut mtu));
                received.moved = self.heard_at(from, now);
                if answers {
                    received.established = true;
                    (self.confirmed, self.retry, self.unused_answers, self.wrong_in_a_row) = (true, None, 0, 0);
                } else if initiation {
                    self.answered();
                }
            }
            TunnResult::WriteToTunnel(packet) => {
                received.moved = self.heard_at(from, now);
                received.established = std::mem::take(&mut self.unused_answers) > 0;
                (self.confirmed, self.retry, self.wrong_in_a_row) = (true, None, 0);
                received.inner = (!packet.is_empty()).then_some(packet);
            }
        }
        received
    }

    /// Whether a handshake from there would displace a peer that speaks from elsewhere. Who has moved is not heard at the old address any more.
    pub(crate) fn is_rival(&self, from: SocketAddr, now: Instant) -> bool {
        let speaks = |at: Instant| now.saturating_duration_since(at) < SPEAKS;
        self.confirmed && self.endpoint != Some(from) && self.vigil.last_heard().is_some_and(speaks)
    }

    fn heard_at(&mut self, from: SocketAddr, now: Instant) -> Option<(Option<SocketAddr>, SocketAddr)> {
        self.vigil.heard(now);
        self.gone = false;
        let before = self.endpoint.replace(from);
        (before != Some(from)).then_some((before, from))
    }

    fn answered(&mut self) {
        self.unused_answers = self.unused_answers.saturating_add(1);
        if self.unused_answers == MANY_FAILED {
            tracing::warn!(peer = %self.key, "the peer does not use our handshake answers: it may have another preshared key");
        }
    }

    fn refuse(&mut self, error: &WireGuardError, answers: bool, from: SocketAddr) {
        match error {
            WireGuardError::DuplicateCounter
            | WireGuardError::InvalidCounter
            | WireGuardError::WrongTai64nTimestamp => {
                self.counts.replayed += 1;
            }
            // The initiation was accepted, so the static keys are right: only the preshared key can differ.
            WireGuardError::InvalidAeadTag if answers => {
                self.counts.wrong_key += 1;
                self.wrong_in_a_row = self.wrong_in_a_row.saturating_add(1);
                let times = self.wrong_in_a_row;
                if times == MANY_FAILED || times > MANY_FAILED && times.is_power_of_two() {
                    tracing::warn!(peer = %self.key, %from, times, "the peer answers with another preshared key than ours");
                }
            }
            _ => self.counts.refused += 1,
        }
    }

    /// The peer's system says that nobody listens.
    pub(crate) fn refused(&mut self, now: Instant, limits: &TunnelLimits) {
        if self.tunn.is_some() {
            let patience = limits.refused_after.max(self.round_trip() * 3);
            self.vigil.refused(now, patience);
        }
    }

    /// Runs what is due.
    pub(crate) fn tick(&mut self, now: Instant, limits: &TunnelLimits) -> Due {
        let mut due = Due::default();
        let Some(tunn) = &mut self.tunn else { return due };
        if self.endpoint.is_none() {
            return due;
        }
        // An error says that 90 s of attempts were in vain; the next packet to send begins anew.
        if let Ok(Some(packet)) = tunn.update_timers() {
            due.packets.push(packet);
        }
        let patience = limits.silent_after.max(self.round_trip() * 6);
        match self.vigil.tick(now, patience) {
            Verdict::Fine => {}
            Verdict::Ask(next) => {
                due.packets.extend(self.initiate(now));
                due.next = Some(next);
            }
            Verdict::Wait(next) => due.next = Some(next),
            Verdict::Gone => {
                due.lost = true;
                due.news = !std::mem::replace(&mut self.gone, true);
                // What is sent from now on begins with a handshake: the peer may come back without its sessions.
                (self.confirmed, self.retry) = (false, None);
                if let Some(tunn) = &mut self.tunn {
                    tunn.reset();
                }
            }
        }
        if self.wants_handshake(now) {
            due.packets.extend(self.initiate(now));
        }
        due.next = [due.next, self.retry.map(|(at, _)| at)].into_iter().flatten().min();
        due
    }

    fn wants_handshake(&self, now: Instant) -> bool {
        match self.retry {
            Some((at, _)) => at <= now,
            // Data went into a session that the peer has never used.
            None => {
                let quiet = self.initiated.is_none_or(|at| now.saturating_duration_since(at) > 2 * LAST_RETRY);
                !self.confirmed && quiet && self.vigil.has_spoken()
            }
        }
    }

    fn round_trip(&self) -> Duration {
        let millis = self.tunn.as_ref().and_then(|tunn| tunn.stats().4).unwrap_or(0);
        Duration::from_millis(millis.into())
    }

    pub(crate) fn stats(&self, now: Instant) -> LinkStats {
        let (handshake, sent, received, loss, rtt) = self.tunn.as_ref().map_or((None, 0, 0, 0.0, None), Tunn::stats);
        LinkStats {
            key: self.key,
            overlay: self.key.overlay(),
            endpoint: self.endpoint,
            admitted: self.tunn.is_some(),
            last_handshake: handshake,
            key_age: self.key_set.map(|at| now.saturating_duration_since(at)),
            last_heard: self.vigil.last_heard().map(|at| now.saturating_duration_since(at)),
            sent_bytes: sent as u64,
            received_bytes: received as u64,
            loss: f64::from(loss),
            round_trip: rtt.map(|millis| Duration::from_millis(millis.into())),
            wrong_key: self.counts.wrong_key,
            unused_answers: self.unused_answers,
            replayed: self.counts.replayed,
            refused: self.counts.refused,
        }
    }
}

impl std::fmt::Debug for LinkState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkState").field("key", &self.key).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Addresses and ports of a datagram inside the tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) addresses: (Ipv6Addr, Ipv6Addr),
    pub(crate) ports: (u16, u16),
}

impl Flow {
    /// The datagram as a packet to be sealed.
    pub(crate) fn packet(&self, payload: &[u8]) -> Option<Packet> {
        // Room for WireGuard's padding to 16 bytes.
        let mut bytes = bytes::BytesMut::with_capacity((ip::HEADERS + payload.len()).next_multiple_of(16));
        ip::write_udp(&mut bytes, self.addresses, self.ports, payload).then(|| Packet::from_bytes(bytes))
    }
}

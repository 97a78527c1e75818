//! The machine: one entry point, timers, and the way of a datagram to whoever handles it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use pyralog_crypto::kem::{StaticKem, StaticKeyPair, StaticSecretKey};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::admission::Admission;
use super::biscuit::Biscuits;
use super::cookie::CookieSecrets;
use super::effect::{Effect, OutputKey, Role};
use super::identity::{Identity, KeyId};
use super::input::Input;
use super::limits::Limits;
use super::message::{MAC, Message, Seal, SessionId, mac, parse};
use super::peer::Peer;
use super::rule::{Rule, broken};
use crate::error::RosenpassError;

/// Everything of one node. See the [module](crate::tunnel::rosenpass).
pub struct Rosenpass {
    pub(super) kem: &'static dyn StaticKem,
    pub(super) secret: StaticSecretKey,
    pub(super) own: Identity,
    pub(super) limits: Limits,
    pub(super) peers: BTreeMap<KeyId, Peer>,
    /// Whose are the session ids of our own making. Two of a peer at most: of its handshake, and of a session that was superseded.
    pub(super) sessions: BTreeMap<SessionId, KeyId>,
    pub(super) biscuits: Biscuits,
    pub(super) cookies: CookieSecrets,
    pub(super) admission: Admission,
    pub(super) now: Duration,
}

impl Rosenpass {
    /// A node with these keys and no peers. `kem` computes: [`pyralog_crypto::kem::fastest`], if nothing speaks against it.
    #[must_use]
    pub fn new(keys: StaticKeyPair, kem: &'static dyn StaticKem, limits: Limits) -> Self {
        Self {
            kem,
            secret: keys.secret,
            biscuits: Biscuits::new(keys.public.as_bytes()),
            own: Identity::new(keys.public),
            limits,
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            cookies: CookieSecrets::default(),
            admission: Admission::new(limits),
            now: Duration::ZERO,
        }
    }

    /// Our own id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.own.id
    }

    /// Age of the key shared with a peer at the time of the last step; `None` where there is no such peer, or no key.
    #[must_use]
    pub fn key_age(&self, peer: &KeyId) -> Option<Duration> {
        let session = self.peers.get(peer)?.session.as_ref()?;
        Some(self.now.saturating_sub(session.created))
    }

    /// Writes the mac into a datagram that everybody can write who has our public key. For fuzzing: what is behind the mac is reached by mutants too.
    pub fn seal_for_us(&self, datagram: &mut [u8]) {
        let end = datagram.len().saturating_sub(MAC);
        if let Some((head, own)) = datagram[..end].split_last_chunk_mut::<MAC>() {
            *own = mac(&self.own.mac, head);
        }
    }

    /// Takes one event, at the time `now` since any beginning. The clock must not go back (if it does, it stands still here), and must go on
    /// while the machine sleeps (`CLOCK_BOOTTIME`), or keys live for longer than they should. What has fallen due is done first: nothing is
    /// ever decided with a key that is too old. `rng` is drawn from for ephemeral keys, session ids, nonces, and delays.
    ///
    /// A step takes up to two decapsulations and a few hashes of half a MiB: 5 to 10 ms, 80 ms where the processor has no AVX2.
    pub fn step(&mut self, now: Duration, rng: &mut dyn CryptoRng, input: Input<'_>) -> Vec<Effect> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        self.expire(&mut out);
        let (from, done) = match input {
            Input::Wake => (None, Ok(())),
            Input::Datagram { from, bytes } => (Some(from), self.take_datagram(rng, from, bytes, &mut out)),
            Input::AddPeer(settings) => (None, self.add_peer(settings)),
            Input::RemovePeer(peer) => (None, self.remove_peer(peer, &mut out)),
            Input::SetEndpoints(peer, named) => {
                let now = self.now;
                let set = |peer: &mut Peer| {
                    peer.endpoints.name(named);
                    peer.handshake.iter_mut().for_each(|handshake| handshake.hurry(now));
                };
                (None, self.known(peer).map(set))
            }
            Input::Renew(peer) => (None, self.known(peer).map(|peer| peer.renew |= peer.handshake.is_none())),
            Input::Loaded => {
                self.admission.note_load(self.now);
                (None, Ok(()))
            }
        };
        if let Err(error) = done {
            out.push(Effect::Refused { from, error });
        }
        self.advance(rng, &mut out);
        out.extend(self.wakes_at().map(Effect::WakeAt));
        out
    }

    /// Gives up what is too old.
    fn expire(&mut self, out: &mut Vec<Effect>) {
        let now = self.now;
        self.biscuits.expire(now);
        self.cookies.expire(now);
        for (id, peer) in &mut self.peers {
            let old = peer.session.take_if(|session| now >= session.expires_at() && !broken(Rule::ExpirySkipped));
            if let Some(session) = old {
                out.push(Effect::KeyExpired { peer: *id });
                if broken(Rule::ZeroKeyOnExpiry) {
                    let (key, endpoint) = (OutputKey::new([0; 32].into()), SocketAddr::from(([0; 4], 0)));
                    out.push(Effect::NewKey { peer: *id, key, role: session.role, endpoint });
                }
            }
            peer.cookie.take_if(|cookie| cookie.is_over(now));
            let superseded = peer.superseded.take_if(|session| now >= session.expires_at());
            let given_up = peer.handshake.take_if(|handshake| now >= handshake.over_at());
            // Not confirmed within its time: begin again, although the key is young.
            peer.renew |= given_up.is_some();
            for sidi in superseded.map(|session| session.sidi).into_iter().chain(given_up.map(|h| h.sidi)) {
                self.sessions.remove(&sidi);
            }
        }
    }

    /// Begins handshakes that are due, and repeats what is not answered.
    fn advance(&mut self, rng: &mut dyn CryptoRng, out: &mut Vec<Effect>) {
        let due: Vec<KeyId> = self.peers.iter().filter(|(_, peer)| peer.is_due(self.now)).map(|(id, _)| *id).collect();
        for peer in due {
            self.initiate(rng, &peer);
        }
        for peer in self.peers.values_mut() {
            let Peer { handshake: Some(handshake), endpoints, cookie, .. } = peer else { continue };
            let sent = handshake.transmit(self.now, rng, endpoints, cookie.as_ref());
            out.extend(sent.map(|(to, bytes)| Effect::Send { to, bytes }));
        }
    }

    fn wakes_at(&self) -> Option<Duration> {
        self.peers.values().filter_map(Peer::wakes_at).chain(self.biscuits.expires_at()).min()
    }

    fn take_datagram(
        &mut self,
        rng: &mut dyn CryptoRng,
        from: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), RosenpassError> {
        let (message, seal) = parse(bytes)?;
        if let Some(seal) = &seal {
            self.check_mac(seal)?;
        }
        match (message, seal) {
            (Message::InitHello(hello), Some(seal)) => self.take_init_hello(rng, from, &hello, &seal, out),
            (Message::RespHello(hello), _) => self.take_resp_hello(from, &hello, out),
            (Message::InitConf(conf), _) => self.take_init_conf(from, &conf, out),
            (Message::EmptyData(data), _) => self.take_empty_data(&data),
            (Message::CookieReply(reply), _) => self.take_cookie_reply(&reply),
            (Message::InitHello(_), None) => Err(RosenpassError::Mac),
        }
    }

    /// Rule 1.
    fn check_mac(&self, seal: &Seal<'_>) -> Result<(), RosenpassError> {
        let right = mac(&self.own.mac, seal.before_mac).ct_eq(seal.mac);
        if bool::from(right) || broken(Rule::MacUnchecked) { Ok(()) } else { Err(RosenpassError::Mac) }
    }

    /// A session id that is not in use.
    pub(super) fn draw_session_id(&self, rng: &mut dyn CryptoRng) -> SessionId {
        loop {
            let sid = rng.next_u32().to_be_bytes();
            if !self.sessions.contains_key(&sid) {
                return sid;
            }
        }
    }

    /// Reports a key.
    pub(super) fn report(out: &mut Vec<Effect>, peer: KeyId, key: OutputKey, role: Role, endpoint: SocketAddr) {
        out.push(Effect::NewKey { peer, key, role, endpoint });
    }
}

impl std::fmt::Debug for Rosenpass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let peers = self.peers.len();
        f.debug_struct("Rosenpass").field("id", &self.own.id).field("peers", &peers).finish_non_exhaustive()
    }
}

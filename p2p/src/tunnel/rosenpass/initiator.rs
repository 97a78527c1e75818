//! The initiator's side: steps IHI, RHI and ICI.

use std::net::SocketAddr;

use pyralog_crypto::kem::EphemeralKeyPair;
use rand_core::CryptoRng;

use super::chain::Chain;
use super::cookie::HeldCookie;
use super::effect::{Effect, Role};
use super::handshake::{Handshake, Stage};
use super::identity::KeyId;
use super::machine::Rosenpass;
use super::message::{CookieReply, EmptyData, Kind, RespHello, SessionId, build};
use super::rule::{Rule, broken};
use super::session::Session;
use crate::error::RosenpassError;

impl Rosenpass {
    /// Begins a handshake; the InitHello goes out with the repetitions.
    pub(super) fn initiate(&mut self, rng: &mut dyn CryptoRng, id: &KeyId) {
        let sidi = self.draw_session_id(rng);
        let Some(peer) = self.peers.get_mut(id) else { return };
        // IHI1 to IHI4
        let mut chain = Chain::new(peer.identity.chain.clone());
        let ephemeral = EphemeralKeyPair::generate(rng);
        chain.mix(&sidi);
        chain.mix(ephemeral.public());
        // IHI5
        let (sctr, secret) = self.kem.encapsulate(&peer.identity.public, rng);
        chain.mix_secret(peer.identity.public.as_bytes(), &secret, &sctr);
        // IHI6
        let pidic = chain.encrypt_and_mix(&self.own.id.0);
        // IHI7
        chain.mix(self.own.public.as_bytes());
        chain.mix(peer.pre_shared_key.as_slice());
        // IHI8
        let auth = chain.encrypt_and_mix(&[]);
        let parts: [&[u8]; 5] = [&sidi, ephemeral.public(), &sctr, &pidic, &auth];
        let datagram = build(Kind::InitHello, &peer.identity.mac, &parts);
        peer.renew = false;
        let before = peer.handshake.replace(Handshake::hello(self.now, sidi, chain, ephemeral, datagram));
        before.map(|handshake| self.sessions.remove(&handshake.sidi));
        self.sessions.insert(sidi, *id);
    }

    pub(super) fn take_resp_hello(
        &mut self,
        from: SocketAddr,
        hello: &RespHello<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), RosenpassError> {
        // RHI2
        let (now, id) = (self.now, self.owner(hello.sidi)?);
        let peer = self.known(id)?;
        let Some(handshake) = &mut peer.handshake else { return Err(RosenpassError::NoSuchSession) };
        if handshake.sidi != *hello.sidi {
            return Err(RosenpassError::NoSuchSession);
        }
        let allowed = handshake.may_decapsulate(now);
        let Stage::Hello { chain, ephemeral } = &handshake.stage else {
            return Err(RosenpassError::Repeated { peer: id });
        };
        if !allowed {
            return Err(RosenpassError::TooManyAnswers { peer: id });
        }
        let mut chain = chain.clone();
        // RHI3
        chain.mix(hello.sidr);
        chain.mix(hello.sidi);
        // RHI4
        chain.mix_secret(ephemeral.public(), &ephemeral.decapsulate(hello.ecti), hello.ecti);
        // RHI5
        let secret = self.kem.decapsulate(&self.secret, hello.scti);
        chain.mix_secret(self.own.public.as_bytes(), &secret, hello.scti);
        // RHI6
        chain.mix(hello.biscuit);
        // RHI7
        chain.decrypt_and_mix(hello.auth).ok_or(RosenpassError::AnswerAuth { peer: id })?;
        // ICI3
        chain.mix(hello.sidi);
        chain.mix(hello.sidr);
        // ICI4
        let auth = chain.encrypt_and_mix(&[]);
        let peer = self.known(id)?;
        let parts: [&[u8]; 4] = [hello.sidi, hello.sidr, hello.biscuit, &auth];
        let datagram = build(Kind::InitConf, &peer.identity.mac, &parts);
        // ICI7
        let (session, key) = Session::enter(now, Role::Initiator, *hello.sidi, None, &chain);
        peer.session = Some(session);
        if let Some(handshake) = &mut peer.handshake {
            handshake.confirm(now, datagram);
        }
        peer.endpoints.prove(from);
        Self::report(out, id, key, Role::Initiator, from);
        Ok(())
    }

    pub(super) fn take_empty_data(&mut self, data: &EmptyData<'_>) -> Result<(), RosenpassError> {
        let (id, last) = (self.owner(data.sid)?, self.biscuits.last());
        let peer = self.known(id)?;
        let wrong = RosenpassError::AckAuth { peer: id };
        if peer.superseded.as_ref().is_some_and(|session| session.sidi == *data.sid) {
            // The peer has the key that we gave up for its own: it may have given up its own for ours.
            if !peer.superseded.as_mut().is_some_and(|session| session.is_acknowledged_by(data)) {
                return Err(wrong);
            }
            peer.superseded = None;
            peer.renew = true;
        } else {
            let awaited = peer.awaits_ack(data.sid);
            let session = peer.session.as_mut().filter(|session| awaited && session.sidi == *data.sid);
            let session = session.ok_or(RosenpassError::NoSuchSession)?;
            if !session.is_acknowledged_by(data) {
                return Err(wrong);
            }
            session.confirmed = true;
            peer.handshake = None;
            // Rule 7.
            if !broken(Rule::BiscuitsStayGood) {
                peer.biscuit_used = peer.biscuit_used.max(last);
            }
        }
        self.sessions.remove(data.sid);
        Ok(())
    }

    pub(super) fn take_cookie_reply(&mut self, reply: &CookieReply<'_>) -> Result<(), RosenpassError> {
        let (now, id) = (self.now, self.owner(reply.sid)?);
        let peer = self.known(id)?;
        let Some(handshake) = &mut peer.handshake else { return Err(RosenpassError::NoSuchSession) };
        if handshake.sidi != *reply.sid || !matches!(handshake.stage, Stage::Hello { .. }) {
            return Err(RosenpassError::NoSuchSession);
        }
        let cookie = HeldCookie::open(now, reply, handshake.mac(), &peer.identity.cookie)
            .ok_or(RosenpassError::CookieAuth { peer: id })?;
        if peer.cookie.as_ref().is_some_and(|held| cookie.is_known_as(held)) {
            return Err(RosenpassError::Repeated { peer: id });
        }
        peer.cookie = Some(cookie);
        handshake.hurry(now);
        Ok(())
    }

    /// Whose session it is.
    fn owner(&self, sid: &SessionId) -> Result<KeyId, RosenpassError> {
        self.sessions.get(sid).copied().ok_or(RosenpassError::NoSuchSession)
    }
}

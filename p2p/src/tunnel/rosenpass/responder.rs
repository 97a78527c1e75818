//! The responder's side: steps IHR, RHR and ICR.

use std::net::SocketAddr;

use pyralog_crypto::kem::encapsulate_ephemeral;
use rand_core::CryptoRng;

use super::admission::Admittance;
use super::biscuit::Opened;
use super::chain::Chain;
use super::effect::{Effect, Role};
use super::handshake::Stage;
use super::identity::KeyId;
use super::machine::Rosenpass;
use super::message::{InitConf, InitHello, Kind, Seal, build};
use super::peer::Peer;
use super::rule::{Rule, broken};
use super::session::Session;
use super::timing::{CONTEST, REJECT_AFTER};
use crate::error::RosenpassError;

impl Rosenpass {
    pub(super) fn take_init_hello(
        &mut self,
        rng: &mut dyn CryptoRng,
        from: SocketAddr,
        hello: &InitHello<'_>,
        seal: &Seal<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), RosenpassError> {
        match self.judge(from, seal) {
            Admittance::Granted => {}
            Admittance::NeedsCookie => {
                let to = (hello.sidi, seal.mac, &self.own.cookie);
                let bytes = self.cookies.reply(self.now, rng, from, to);
                out.push(Effect::Send { to: from, bytes });
                return Err(RosenpassError::NeedsCookie);
            }
            Admittance::SourceOverRate => return Err(RosenpassError::SourceOverRate),
            Admittance::Exhausted => return Err(RosenpassError::Exhausted),
        }
        // IHR1, IHR4
        let mut chain = Chain::new(self.own.chain.clone());
        chain.mix(hello.sidi);
        chain.mix(hello.epki);
        // IHR5
        let secret = self.kem.decapsulate(&self.secret, hello.sctr);
        chain.mix_secret(self.own.public.as_bytes(), &secret, hello.sctr);
        // IHR6
        let pid = chain.decrypt_and_mix(hello.pidic).ok_or(RosenpassError::NotForUs)?;
        let mut id = KeyId([0; 32]);
        id.0.copy_from_slice(&pid);
        let bytes = self.answer(rng, id, chain, hello)?;
        out.push(Effect::Send { to: from, bytes });
        Ok(())
    }

    /// A RespHello for an InitHello that names the peer `id`.
    fn answer(
        &mut self,
        rng: &mut dyn CryptoRng,
        id: KeyId,
        mut chain: Chain,
        hello: &InitHello<'_>,
    ) -> Result<Vec<u8>, RosenpassError> {
        let sidr = self.draw_session_id(rng);
        let Some(peer) = self.peers.get(&id) else { return Err(RosenpassError::UnknownPeer { peer: id }) };
        // IHR7
        chain.mix(peer.identity.public.as_bytes());
        chain.mix(peer.pre_shared_key.as_slice());
        // IHR8
        let right = chain.decrypt_and_mix(hello.auth).is_some();
        if !right && !broken(Rule::AuthUnchecked) {
            return Err(RosenpassError::PreSharedKey { peer: id });
        }
        // RHR1, RHR3
        chain.mix(&sidr);
        chain.mix(hello.sidi);
        // RHR4
        let (ecti, secret) = encapsulate_ephemeral(hello.epki, rng);
        chain.mix_secret(hello.epki, &secret, &ecti);
        // RHR5
        let (scti, secret) = self.kem.encapsulate(&peer.identity.public, rng);
        chain.mix_secret(peer.identity.public.as_bytes(), &secret, &scti);
        // RHR6
        let biscuit = self.biscuits.issue(self.now, rng, &id, (hello.sidi, &sidr), &chain);
        chain.mix(&biscuit);
        // RHR7
        let auth = chain.encrypt_and_mix(&[]);
        let parts: [&[u8]; 6] = [&sidr, hello.sidi, &ecti, &scti, &auth, &biscuit];
        Ok(build(Kind::RespHello, &peer.identity.mac, &parts))
    }

    /// Rule 9, and the rates.
    fn judge(&mut self, from: SocketAddr, seal: &Seal<'_>) -> Admittance {
        let now = self.now;
        if self.admission.is_loaded(now) {
            let at_home = |peer: &&mut Peer| peer.session.is_some() && peer.endpoints.is_proven(from);
            if self.peers.values_mut().find(at_home).is_some_and(|peer| peer.is_trusted(now)) {
                return Admittance::Granted;
            }
        }
        let cookies = &mut self.cookies;
        self.admission.judge(now, from, || cookies.accepts(now, from, seal))
    }

    pub(super) fn take_init_conf(
        &mut self,
        from: SocketAddr,
        conf: &InitConf<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), RosenpassError> {
        // ICR1
        let opened = self.biscuits.open(conf.biscuit, (conf.sidi, conf.sidr)).ok_or(RosenpassError::Biscuit)?;
        let Opened { peer: id, number, mut chain, issued } = opened;
        let (now, own) = (self.now, self.own.id);
        // Rule 4.
        if now.saturating_sub(issued) >= REJECT_AFTER && !broken(Rule::BiscuitAgeIgnored) {
            return Err(RosenpassError::OldBiscuit { peer: id });
        }
        // ICR2
        chain.encrypt_and_mix(&[]);
        // ICR3
        chain.mix(conf.sidi);
        chain.mix(conf.sidr);
        // ICR4
        chain.decrypt_and_mix(conf.auth).ok_or(RosenpassError::ConfAuth { peer: id })?;
        let Some(peer) = self.peers.get_mut(&id) else { return Err(RosenpassError::UnknownPeer { peer: id }) };
        // ICR5, and rule 2
        let again = peer.session.as_mut().filter(|session| session.number == Some(number));
        if let (Some(session), false) = (again, broken(Rule::RepetitionRekeys)) {
            let bytes = session.acknowledge(&peer.identity.mac);
            out.push(Effect::Send { to: from, bytes });
            return Ok(());
        }
        let spent = number <= peer.biscuit_used && !broken(Rule::RepetitionRekeys);
        if spent && !broken(Rule::NumberUnchecked) {
            return Err(RosenpassError::SpentBiscuit { peer: id });
        }
        if holds_its_own(peer, own > id, now) {
            return Err(RosenpassError::Contested { peer: id });
        }
        // ICR6
        peer.biscuit_used = number;
        // ICR7
        let (mut session, key) = Session::enter(now, Role::Responder, *conf.sidi, Some(number), &chain);
        let bytes = session.acknowledge(&peer.identity.mac);
        let before = peer.session.replace(session);
        let handshake = peer.handshake.take();
        peer.renew = false;
        peer.endpoints.prove(from);
        // What the peer may have taken in the meantime.
        let unconfirmed = before.filter(|session| session.role == Role::Initiator && !session.confirmed);
        let forgotten = handshake.map(|handshake| handshake.sidi);
        let forgotten = forgotten.filter(|sidi| unconfirmed.as_ref().is_none_or(|session| session.sidi != *sidi));
        let superseded =
            if unconfirmed.is_some() { std::mem::replace(&mut peer.superseded, unconfirmed) } else { None };
        for sidi in superseded.map(|session| session.sidi).into_iter().chain(forgotten) {
            self.sessions.remove(&sidi);
        }
        Self::report(out, id, key, Role::Responder, from);
        out.push(Effect::Send { to: from, bytes });
        Ok(())
    }
}

/// Rule 6: whether a session that we began stands against the one that the peer offers. It does while its InitConf is on its way, for a time.
fn holds_its_own(peer: &Peer, we_win: bool, now: std::time::Duration) -> bool {
    let Some(handshake) = &peer.handshake else { return false };
    let waits = matches!(handshake.stage, Stage::Conf) && handshake.waited(now) < CONTEST;
    waits && we_win && !broken(Rule::ContestIgnored)
}

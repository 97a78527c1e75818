//! A handshake that we began and that is not over.

use std::net::SocketAddr;
use std::time::Duration;

use pyralog_crypto::kem::EphemeralKeyPair;
use rand_core::CryptoRng;

use super::chain::Chain;
use super::cookie::HeldCookie;
use super::endpoints::Endpoints;
use super::message::{MAC, SessionId};
use super::rule::{Rule, broken};
use super::timing::{CONFIRM_WITHIN, RETRANSMIT_ABORT, RETRANSMIT_FIRST, retransmission_delay};
use crate::tunnel::meter::Rate;

/// RespHellos that are decapsulated for one handshake: whoever has seen its session id can forge some.
const RESPONSES: Rate = Rate { interval: RETRANSMIT_FIRST, burst: 4 };

/// What we wait for.
pub(super) enum Stage {
    /// RespHello, with what is needed to take it.
    Hello { chain: Chain, ephemeral: Box<EphemeralKeyPair> },
    /// EmptyData.
    Conf,
}

/// The handshake and the datagram that is repeated until its stage is over.
pub(super) struct Handshake {
    pub sidi: SessionId,
    pub stage: Stage,
    /// When the stage began.
    since: Duration,
    datagram: Vec<u8>,
    sent: u32,
    retry_at: Duration,
    responses: Duration,
}

impl Handshake {
    /// Begins with an InitHello, to be sent at once.
    pub(super) fn hello(
        now: Duration,
        sidi: SessionId,
        chain: Chain,
        ephemeral: EphemeralKeyPair,
        datagram: Vec<u8>,
    ) -> Self {
        let stage = Stage::Hello { chain, ephemeral: Box::new(ephemeral) };
        Self { sidi, stage, since: now, datagram, sent: 0, retry_at: now, responses: Duration::ZERO }
    }

    /// Goes on with an InitConf, to be sent at once. Wipes what was needed until now.
    pub(super) fn confirm(&mut self, now: Duration, datagram: Vec<u8>) {
        (self.stage, self.since, self.datagram) = (Stage::Conf, now, datagram);
        (self.sent, self.retry_at) = (0, now);
    }

    /// Whether a RespHello may cost us two decapsulations now.
    pub(super) fn may_decapsulate(&mut self, now: Duration) -> bool {
        RESPONSES.take(&mut self.responses, now)
    }

    /// When the handshake is given up for a new one.
    pub(super) fn over_at(&self) -> Duration {
        let lasts = match self.stage {
            Stage::Conf if !broken(Rule::ConfirmationAwaited) => CONFIRM_WITHIN,
            _ => RETRANSMIT_ABORT,
        };
        self.since.saturating_add(lasts)
    }

    /// When there is something to do.
    pub(super) fn wakes_at(&self) -> Duration {
        self.retry_at.min(self.over_at())
    }

    /// How long the present stage has lasted.
    pub(super) fn waited(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// The mac of what was sent last.
    pub(super) fn mac(&self) -> &[u8] {
        let end = self.datagram.len().saturating_sub(MAC);
        &self.datagram[end.saturating_sub(MAC)..end]
    }

    /// Sends again at the next opportunity, and as often as in the beginning.
    pub(super) fn hurry(&mut self, now: Duration) {
        (self.sent, self.retry_at) = (0, now);
    }

    /// The datagram and where it goes, where it is time.
    pub(super) fn transmit(
        &mut self,
        now: Duration,
        rng: &mut dyn CryptoRng,
        endpoints: &Endpoints,
        cookie: Option<&HeldCookie>,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        if self.retry_at > now {
            return None;
        }
        let to = endpoints.choose(self.sent);
        self.sent = self.sent.saturating_add(1);
        self.retry_at = now.saturating_add(retransmission_delay(self.sent, rng));
        let mut bytes = self.datagram.clone();
        if let Some(cookie) = cookie {
            cookie.write(&mut bytes);
        }
        to.map(|to| (to, bytes))
    }
}

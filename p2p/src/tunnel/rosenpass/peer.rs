//! One peer.

use std::time::Duration;

use zeroize::Zeroizing;

use super::biscuit::BiscuitNumber;
use super::cookie::HeldCookie;
use super::endpoints::Endpoints;
use super::handshake::{Handshake, Stage};
use super::hash::Key;
use super::identity::Identity;
use super::input::PeerSettings;
use super::message::SessionId;
use super::session::Session;
use crate::tunnel::meter::Rate;

/// InitHellos without a cookie that are answered under load, where they come from the peer's proven address.
const TRUSTED: Rate = Rate { interval: Duration::from_secs(5), burst: 3 };

/// What we know of a peer, and where we stand with it.
pub(super) struct Peer {
    pub identity: Identity,
    pub pre_shared_key: Key,
    pub endpoints: Endpoints,
    /// `biscuit_used`: numbers up to this one are spent.
    pub biscuit_used: BiscuitNumber,
    pub session: Option<Session>,
    pub handshake: Option<Handshake>,
    /// A session that we began and gave up for the peer's, while it was not acknowledged.
    pub superseded: Option<Session>,
    pub cookie: Option<HeldCookie>,
    /// A new key is wanted, whatever the age of the present one.
    pub renew: bool,
    trusted: Duration,
}

impl Peer {
    pub(super) fn new(identity: Identity, settings: PeerSettings) -> Self {
        Self {
            identity,
            pre_shared_key: settings.pre_shared_key.unwrap_or_else(|| Zeroizing::new([0; 32])),
            endpoints: Endpoints::new(settings.endpoints),
            biscuit_used: 0,
            session: None,
            handshake: None,
            superseded: None,
            cookie: None,
            renew: false,
            trusted: Duration::ZERO,
        }
    }

    /// Whether our InitConf of this session waits for its acknowledgement.
    pub(super) fn awaits_ack(&self, sidi: &SessionId) -> bool {
        self.handshake.as_ref().is_some_and(|h| h.sidi == *sidi && matches!(h.stage, Stage::Conf))
    }

    /// Whether a handshake of ours is due.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let due = self.session.as_ref().is_none_or(|session| now >= session.renew_at());
        self.handshake.is_none() && (due || self.renew) && self.endpoints.choose(0).is_some()
    }

    /// When there is something to do.
    pub(super) fn wakes_at(&self) -> Option<Duration> {
        let session = self.session.as_ref().map(|session| {
            let waits = self.handshake.is_some() || self.endpoints.choose(0).is_none();
            if waits { session.expires_at() } else { session.renew_at() }
        });
        let handshake = self.handshake.as_ref().map(Handshake::wakes_at);
        let superseded = self.superseded.as_ref().map(Session::expires_at);
        session.into_iter().chain(handshake).chain(superseded).min()
    }

    /// Takes one of the answers without cookie that the peer's address is worth under load.
    pub(super) fn is_trusted(&mut self, now: Duration) -> bool {
        TRUSTED.take(&mut self.trusted, now)
    }
}

//! What is left of a finished handshake: a key's age, and what acknowledges its InitConf (section "Live Session State").

use std::time::Duration;

use super::aead::{self, TAG};
use super::biscuit::BiscuitNumber;
use super::chain::Chain;
use super::effect::{OutputKey, Role};
use super::hash::{Key, LABELS};
use super::message::{EmptyData, Kind, SessionId, build};
use super::timing::{REJECT_AFTER, REKEY_AFTER_INITIATOR, REKEY_AFTER_RESPONDER};

/// A session. The output key itself is handed out and not kept.
pub(super) struct Session {
    pub created: Duration,
    pub role: Role,
    /// The initiator's session id.
    pub sidi: SessionId,
    /// Of the biscuit that made it, where we answered.
    pub number: Option<BiscuitNumber>,
    /// Whether the peer is known to have the key: it has acknowledged it, or it began after it had it.
    pub confirmed: bool,
    /// The responder's key for data, used for acknowledgements alone.
    ack_key: Key,
    /// The next nonce to send, or the lowest to accept.
    ack_nonce: u64,
}

impl Session {
    /// `enter_live()`: the session, and the key for WireGuard.
    pub(super) fn enter(
        now: Duration,
        role: Role,
        sidi: SessionId,
        number: Option<BiscuitNumber>,
        chain: &Chain,
    ) -> (Self, OutputKey) {
        let ack_key = chain.extract(&LABELS.responder_encryption);
        let confirmed = role == Role::Responder;
        let session = Self { created: now, role, sidi, number, confirmed, ack_key, ack_nonce: 0 };
        (session, OutputKey::new(chain.extract(&LABELS.wireguard_psk)))
    }

    /// When a new key is due.
    pub(super) fn renew_at(&self) -> Duration {
        self.created.saturating_add(match self.role {
            Role::Initiator => REKEY_AFTER_INITIATOR,
            Role::Responder => REKEY_AFTER_RESPONDER,
        })
    }

    /// When the key is given up.
    pub(super) fn expires_at(&self) -> Duration {
        self.created.saturating_add(REJECT_AFTER)
    }

    /// An EmptyData that acknowledges the InitConf; each has a nonce of its own. `mac_key` is `lhash("mac", spkt)`.
    pub(super) fn acknowledge(&mut self, mac_key: &Key) -> Vec<u8> {
        let ctr = self.ack_nonce.to_le_bytes();
        self.ack_nonce += 1;
        let tag = aead::seal(&self.ack_key, nonce(ctr), &mut []);
        build(Kind::EmptyData, mac_key, &[&self.sidi, &ctr, &tag])
    }

    /// Whether an EmptyData acknowledges our InitConf.
    pub(super) fn is_acknowledged_by(&mut self, data: &EmptyData<'_>) -> bool {
        let tag: &[u8; TAG] = data.auth;
        let good = data.ctr >= self.ack_nonce && aead::open(&self.ack_key, nonce(data.ctr.to_le_bytes()), &mut [], tag);
        if good {
            self.ack_nonce = data.ctr;
        }
        good
    }
}

/// The counter, and four zeros behind it.
fn nonce(ctr: [u8; 8]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&ctr);
    nonce
}

//! Biscuits: the responder's state, sealed and handed to the initiator (section "Handshake State and Biscuits").

use std::time::Duration;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::aead::{self, LONG_NONCE, TAG};
use super::chain::Chain;
use super::hash::{Key, LABELS, hash, hash_all};
use super::identity::KeyId;
use super::message::{BISCUIT, SessionId};
use super::rule::{Rule, broken};
use super::timing::BISCUIT_EPOCH;

/// Bytes of the sealed text: peer id 32, number 12, chaining key 32.
const TEXT: usize = 76;

/// Number of a biscuit: 96 bits, little-endian on the wire. The upper 32 are the second of its issue, the lower 64 a counter: later biscuits have higher
/// numbers, and a number says how old its biscuit is.
pub(super) type BiscuitNumber = u128;

/// What a biscuit held.
pub(super) struct Opened {
    pub peer: KeyId,
    pub number: BiscuitNumber,
    /// Behind `mix(biscuit)`.
    pub chain: Chain,
    /// The second of issue, on the machine's clock.
    pub issued: Duration,
}

struct BiscuitKey {
    key: Key,
    created: Duration,
}

/// The keys: one that issues, and the one before it.
pub(super) struct Biscuits {
    /// `lhash("biscuit additional data", spkr)`.
    data: Key,
    issuing: Option<BiscuitKey>,
    retired: Option<BiscuitKey>,
    counter: u64,
    last: BiscuitNumber,
}

impl Biscuits {
    pub(super) fn new(own_public_key: &[u8]) -> Self {
        let data = hash(&LABELS.biscuit_data, own_public_key);
        Self { data, issuing: None, retired: None, counter: 0, last: 0 }
    }

    /// Number of the last one issued.
    pub(super) fn last(&self) -> BiscuitNumber {
        self.last
    }

    /// Drops keys that have had their time.
    pub(super) fn expire(&mut self, now: Duration) {
        if broken(Rule::BiscuitKeyKept) {
            return;
        }
        let over = |key: &BiscuitKey| now >= key.created.saturating_add(2 * BISCUIT_EPOCH);
        self.issuing.take_if(|key| over(key));
        self.retired.take_if(|key| over(key));
    }

    /// When [`Biscuits::expire`] has something to do.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        let keys = self.issuing.iter().chain(&self.retired);
        keys.map(|key| key.created.saturating_add(2 * BISCUIT_EPOCH)).min()
    }

    /// `store_biscuit()`, without the `mix` at its end.
    pub(super) fn issue(
        &mut self,
        now: Duration,
        rng: &mut dyn CryptoRng,
        peer: &KeyId,
        sids: (&SessionId, &SessionId),
        chain: &Chain,
    ) -> [u8; BISCUIT] {
        self.counter += 1;
        let second = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        self.last = u128::from(second) << 64 | u128::from(self.counter);
        let mut text = Zeroizing::new([0; TEXT]);
        text[..32].copy_from_slice(&peer.0);
        text[32..44].copy_from_slice(&self.last.to_le_bytes()[..12]);
        text[44..].copy_from_slice(chain.as_bytes());
        let mut nonce = [0; LONG_NONCE];
        rng.fill_bytes(&mut nonce);
        let data = self.data_of(sids);
        let tag = aead::seal_long(self.issuing_key(now, rng), nonce, data.as_slice(), text.as_mut_slice());
        let mut biscuit = [0; BISCUIT];
        biscuit[..LONG_NONCE].copy_from_slice(&nonce);
        biscuit[LONG_NONCE..LONG_NONCE + TEXT].copy_from_slice(text.as_slice());
        biscuit[LONG_NONCE + TEXT..].copy_from_slice(&tag);
        biscuit
    }

    /// `load_biscuit()`, without looking the peer up. `None` where no key of ours opens it for these sessions.
    pub(super) fn open(&self, biscuit: &[u8; BISCUIT], sids: (&SessionId, &SessionId)) -> Option<Opened> {
        let data = self.data_of(sids);
        let (nonce, rest) = biscuit.split_first_chunk::<LONG_NONCE>()?;
        let (sealed, tag) = rest.split_last_chunk::<TAG>()?;
        let mut text = Zeroizing::new([0; TEXT]);
        let opens = |key: &BiscuitKey| {
            text.copy_from_slice(sealed);
            aead::open_long(&key.key, *nonce, data.as_slice(), text.as_mut_slice(), tag)
        };
        if !self.issuing.iter().chain(&self.retired).any(opens) {
            return None;
        }
        let (mut peer, mut number, mut key) = ([0; 32], [0; 16], Key::default());
        peer.copy_from_slice(&text[..32]);
        number[..12].copy_from_slice(&text[32..44]);
        key.copy_from_slice(&text[44..]);
        let number = u128::from_le_bytes(number);
        let mut chain = Chain::new(key);
        chain.mix(biscuit);
        let issued = Duration::from_secs((number >> 64) as u64);
        Some(Opened { peer: KeyId(peer), number, chain, issued })
    }

    fn data_of(&self, (sidi, sidr): (&SessionId, &SessionId)) -> Key {
        hash_all(&self.data, &[sidi, sidr])
    }

    /// The key that issues now; a new one where there is none, or it has issued for its time.
    fn issuing_key(&mut self, now: Duration, rng: &mut dyn CryptoRng) -> &Key {
        self.expire(now);
        if self.issuing.as_ref().is_some_and(|key| now >= key.created.saturating_add(BISCUIT_EPOCH)) {
            let before = self.issuing.take();
            if !broken(Rule::BiscuitKeyKept) || self.retired.is_none() {
                self.retired = before;
            }
        }
        &self
            .issuing
            .get_or_insert_with(|| {
                let mut key = Key::default();
                rng.fill_bytes(key.as_mut_slice());
                BiscuitKey { key, created: now }
            })
            .key
    }
}

//! The machine: one entry point, and the way of a datagram to whoever handles it.

use std::net::SocketAddr;
use std::time::Duration;

use pyralog_crypto::kem::StaticPublicKey;
use pyralog_crypto::{Decode, Encode, Hash, PublicKey};
use rand_core::CryptoRng;

use super::asking::Asking;
use super::cookie::Cookies;
use super::effect::Effect;
use super::input::Input;
use super::limits::Limits;
use super::message::{CHUNK_BYTES, Cookie, Message, Wanted};
use super::question::Purpose;
use super::sources::Sources;
use crate::BootstrapError;
use crate::tunnel::record::peer_id;
use crate::tunnel::{PeerRecords, SignedPeerRecord};

/// Everything of one node. See the [module](crate::tunnel::bootstrap).
pub struct Bootstrap {
    network: String,
    own: Option<Own>,
    records: PeerRecords,
    cookies: Cookies,
    answers: Sources,
    introductions: Sources,
    asking: Asking,
    now: Duration,
}

/// What we tell of ourselves.
struct Own {
    signed: SignedPeerRecord,
    bytes: Vec<u8>,
    key: Option<StaticPublicKey>,
}

impl Bootstrap {
    /// A node of a network that tells nothing and wants nothing yet.
    #[must_use]
    pub fn new(network: impl Into<String>, limits: Limits) -> Self {
        let network = network.into();
        Self {
            own: None,
            records: PeerRecords::new(network.clone(), limits.records),
            cookies: Cookies::default(),
            answers: Sources::new(limits.source_per_second, limits.answers_per_second, limits.sources),
            introductions: Sources::new(
                limits.source_introductions_per_second,
                limits.introductions_per_second,
                limits.sources,
            ),
            asking: Asking::new(limits),
            network,
            now: Duration::ZERO,
        }
    }

    /// The records that are told on.
    #[must_use]
    pub fn records(&self) -> &PeerRecords {
        &self.records
    }

    /// Takes one event, at the time `now` since any beginning. The clock must not go back (if it does, it stands still here). `rng` is drawn from
    /// for the ids of questions and the secrets of cookies.
    pub fn step(&mut self, now: Duration, rng: &mut dyn CryptoRng, input: Input<'_>) -> Vec<Effect> {
        self.now = self.now.max(now);
        let now = self.now;
        let mut out = Vec::new();
        match input {
            Input::Wake => {}
            Input::Datagram { from, bytes } => {
                if let Err(error) = self.take_datagram(rng, from, bytes, &mut out) {
                    out.push(Effect::Refused { from, error });
                }
            }
            Input::Publish(record, key) => self.own = Some(Own { bytes: record.to_bytes(), signed: *record, key }),
            // One that is older than what is known changes nothing, and one too many is not told on.
            Input::Learn(record) => drop(self.records.insert(&record.to_bytes())),
            Input::Forget(peer) => drop(self.records.remove(&peer)),
            Input::Seek(peer, at) => {
                if let Err(error) = self.asking.seek(now, rng, peer, &at) {
                    out.push(Effect::NotFound { peer, error });
                }
            }
            Input::Abandon(peer) => self.asking.abandon(&peer),
            Input::Fetch(hash, at) => {
                if let Err(error) = self.asking.fetch(now, hash, at) {
                    out.push(Effect::NotFetched { hash, error });
                }
            }
            Input::Cancel(hash) => self.asking.cancel(&hash),
        }
        let own = self.own.as_ref().map(|own| own.bytes.as_slice()).unwrap_or_default();
        self.asking.advance(now, rng, own, &mut out);
        out.extend(self.asking.wakes_at().map(Effect::WakeAt));
        out
    }

    fn take_datagram(
        &mut self,
        rng: &mut dyn CryptoRng,
        from: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), BootstrapError> {
        match Message::parse(bytes)? {
            Message::Ask { id, cookie, wanted } => self.answer(rng, from, (id, cookie), wanted, out),
            Message::Cookie { id, cookie } => {
                let question = self.asking.question(id, from).ok_or(BootstrapError::NoQuestion)?;
                question.take_cookie(cookie);
                Ok(())
            }
            Message::Record { id, record } => self.take_record(id, record, from, out),
            Message::Chunk { id, bytes } => {
                self.asking.question(id, from).ok_or(BootstrapError::NoQuestion)?;
                self.asking.take_chunk(self.now, id, bytes, out)
            }
            Message::Nothing { id } => {
                self.asking.question(id, from).ok_or(BootstrapError::NoQuestion)?;
                self.asking.take_nothing(self.now, id, from, out);
                Ok(())
            }
        }
    }

    fn answer(
        &mut self,
        rng: &mut dyn CryptoRng,
        from: SocketAddr,
        (id, cookie): (u64, Cookie),
        wanted: Wanted<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), BootstrapError> {
        if !self.answers.take(self.now, from) {
            return Err(BootstrapError::OverRate);
        }
        if !self.cookies.accepts(self.now, &cookie, from) {
            let cookie = self.cookies.issue(self.now, rng, from);
            out.push(Effect::Send { to: from, bytes: Message::Cookie { id, cookie }.to_bytes() });
            return Ok(());
        }
        let told = match wanted {
            Wanted::Record { of, .. } => {
                self.record_of(&of).map(|record| Message::Record { id, record: &record }.to_bytes())
            }
            Wanted::Chunk { of, number } => {
                self.chunk(&of, number).map(|bytes| Message::Chunk { id, bytes }.to_bytes())
            }
        };
        let bytes = told.unwrap_or_else(|| Message::Nothing { id }.to_bytes());
        out.push(Effect::Send { to: from, bytes });
        match wanted {
            Wanted::Record { of, own } if !own.is_empty() && self.is_own(&of) => self.introduce(from, own, out),
            _ => Ok(()),
        }
    }

    fn is_own(&self, identity: &PublicKey) -> bool {
        self.own.as_ref().is_some_and(|own| own.signed.record().identity == *identity)
    }

    fn record_of(&self, identity: &PublicKey) -> Option<Vec<u8>> {
        if let Some(own) = self.own.as_ref().filter(|_| self.is_own(identity)) {
            return Some(own.bytes.clone());
        }
        let peer = peer_id(identity).ok()?;
        self.records.get(&peer).map(Encode::to_bytes)
    }

    fn chunk(&self, hash: &Hash, number: u16) -> Option<&[u8]> {
        let own = self.own.as_ref()?;
        let key = own.key.as_ref()?;
        (own.signed.record().rosenpass.as_ref() == Some(hash))
            .then(|| key.as_bytes().chunks(CHUNK_BYTES).nth(number.into()))
            .flatten()
    }

    /// The record that a stranger brings along.
    fn introduce(&mut self, from: SocketAddr, record: &[u8], out: &mut Vec<Effect>) -> Result<(), BootstrapError> {
        let claimed = SignedPeerRecord::from_bytes(record)?;
        let (peer, sequence) = (claimed.peer(), claimed.record().sequence);
        if self.own.as_ref().is_some_and(|own| own.signed.peer() == peer) {
            return Ok(());
        }
        let known = self.records.get(&peer);
        if known.is_some_and(|known| known.record().sequence > sequence) {
            return Err(BootstrapError::OldRecord { peer });
        }
        // What is known needs no second look; the address may be new.
        let verified = known.is_some_and(|known| *known == claimed);
        if !verified {
            if !self.introductions.take(self.now, from) {
                return Err(BootstrapError::OverRate);
            }
            SignedPeerRecord::verify(record, &self.network)?;
        }
        out.push(Effect::Introduced { record: Box::new(claimed), from });
        Ok(())
    }

    fn take_record(
        &mut self,
        id: u64,
        record: &[u8],
        from: SocketAddr,
        out: &mut Vec<Effect>,
    ) -> Result<(), BootstrapError> {
        let question = self.asking.question(id, from).ok_or(BootstrapError::NoQuestion)?;
        let Purpose::Record(of) = question.purpose else { return Err(BootstrapError::NoQuestion) };
        let verified = SignedPeerRecord::verify(record, &self.network).map_err(BootstrapError::from);
        let right = verified.and_then(|signed| {
            let peer = signed.peer();
            if signed.record().identity == of { Ok(signed) } else { Err(BootstrapError::OtherPeer { peer }) }
        });
        match right {
            Ok(signed) => {
                self.asking.take_record(id, Some(signed), from, out);
                Ok(())
            }
            Err(error) => {
                self.asking.take_record(id, None, from, out);
                Err(error)
            }
        }
    }
}

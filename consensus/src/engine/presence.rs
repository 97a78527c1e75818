//! Who is there: what a validator must hear of the others before it signs.
//!
//! A home that was restored from an older copy does not know what it signed since, and no look at its own files can tell. The others can: so a
//! validator that starts asks them, under a number that nobody can have answered before, and they answer with their height, after they have sent
//! again what they hold of its votes at the height under way. It signs, and promises, once validators with more than two thirds of the power, itself counted, are
//! there. Waiting for them costs no block: without them no height can be decided.

use std::collections::{BTreeMap, BTreeSet};

use pyralog_crypto::{
    PublicKey, Signature, Signer, SignerError,
    codec::{Reader, Writer},
    error::CodecError,
};

use super::context::SignedVote;
use super::fields::get_height;
use super::gossip::Judged;
use super::host::{Host, Phase};
use super::wire::Body;
use super::{Engine, Report};
use crate::application::Application;
use crate::block::{MAX_VALIDATORS, ValidatorAddress};
use crate::error::EngineError;

/// Retry ticks that what they sent before their answers has to arrive: one whole interval.
const TICKS: u32 = 2;
/// Votes of one asker that are sent again: the newest of the height.
const MAX_REPEATED: usize = 4;

/// A validator is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) address: ValidatorAddress,
    /// The height that it works on: the one after its last block.
    pub(super) height: u64,
    /// It has just started and asks the others, under this number.
    pub(super) asks: Option<u64>,
    /// Those who asked, ascending, with their numbers.
    pub(super) answers: Vec<(ValidatorAddress, u64)>,
    /// Over [`Presence::sign_bytes`].
    pub(super) signature: Signature,
}

impl Presence {
    const DOMAIN: &str = "pyralog/presence/v1";

    pub(super) fn sign(mut self, chain_id: &str, signer: &dyn Signer) -> Result<Self, SignerError> {
        self.signature = signer.sign(&self.sign_bytes(chain_id))?;
        Ok(self)
    }

    fn verify(&self, chain_id: &str, key: &PublicKey) -> bool {
        key.verify(&self.sign_bytes(chain_id), &self.signature).is_ok()
    }

    /// Text `"pyralog/presence/v1"`, text chain id, then all fields but the signature, as [`Presence::put`] writes them.
    fn sign_bytes(&self, chain_id: &str) -> Vec<u8> {
        let mut w = Writer::signing(Self::DOMAIN, chain_id);
        self.put_unsigned(&mut w);
        w.into_bytes()
    }

    fn put_unsigned(&self, w: &mut Writer) {
        w.raw(&self.address.0).u64(self.height);
        w.option(self.asks.as_ref(), |w, nonce| {
            w.u64(*nonce);
        });
        w.list(&self.answers, |w, (asker, nonce)| {
            w.raw(&asker.0).u64(*nonce);
        });
    }

    pub(super) fn put(&self, w: &mut Writer) {
        self.put_unsigned(w);
        w.raw(&self.signature.0);
    }

    pub(super) fn get(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (address, height) = (ValidatorAddress(r.array()?), get_height(r)?.0);
        let asks = r.option(|r| r.u64())?;
        let answers = r.list(MAX_VALIDATORS, |r| Ok((ValidatorAddress(r.array()?), r.u64()?)))?;
        if !answers.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Err(CodecError::Invalid { what: "presence", why: "the answers are not ascending" });
        }
        Ok(Self { address, height, asks, answers, signature: Signature(r.array()?) })
    }
}

/// What is known of who is there.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    /// Our number of this start.
    nonce: u64,
    /// Who answered it.
    present: BTreeSet<ValidatorAddress>,
    /// Retry ticks since enough have: a clock that is set back must not make us wait for it.
    ticks: Option<u32>,
    /// Whether it was said that we wait for them.
    missed: bool,
    /// Who asked since the last retry tick, with their numbers.
    asked: BTreeMap<ValidatorAddress, u64>,
}

impl Attendance {
    pub(super) fn new(nonce: u64) -> Self {
        Self { nonce, ..Self::default() }
    }
}

impl<A: Application> Engine<A> {
    pub(super) fn on_presence(&mut self, presence: Presence, attempt: u32) -> Judged {
        let (host, address) = (&mut self.host, presence.address);
        let Some(key) = host.set.set.get(&address).map(|validator| validator.public_key) else {
            return Ok(super::Verdict::Ignore);
        };
        if !presence.verify(host.chain.chain_id.as_str(), &key) {
            return Err("a presence with a wrong signature");
        }
        let ours = host.own_key(&address).is_some();
        if let (false, Some(nonce)) = (ours, presence.asks) {
            host.attendance.asked.insert(address, nonce);
        }
        let to_us = (host.guard.address(), host.attendance.nonce);
        if !ours && host.guard.observing && presence.answers.contains(&to_us) {
            host.attendance.present.insert(address);
            host.count_present();
        }
        let pause = host.config.retry_ns / 2;
        Ok(self.relay_after((8, 0, 0, 0, address), attempt, pause))
    }

    /// At each retry tick: asks while we watch, answers who asked.
    pub(super) fn tell_presence(&mut self) {
        self.host.attendance.ticks = self.host.attendance.ticks.map(|ticks| ticks.saturating_add(1));
        let asked = std::mem::take(&mut self.host.attendance.asked);
        let asks = self.host.guard.observing && self.host.needs_others();
        if !asks && asked.is_empty() || matches!(self.host.phase, Phase::Created | Phase::Stopped) {
            return;
        }
        let attempt = self.host.attempt();
        // First what they may have forgotten, so that they have it before the answer.
        for vote in asked.keys().flat_map(|asker| self.newest_votes(asker)).collect::<Vec<_>>() {
            self.host.publish(&Body::Vote(vote), attempt);
        }
        let host = &mut self.host;
        let Some(signer) = &host.signer else { return };
        let presence = Presence {
            address: host.guard.address(),
            height: host.height(),
            asks: asks.then_some(host.attendance.nonce),
            answers: asked.into_iter().take(MAX_VALIDATORS).collect(),
            signature: Signature([0; 64]),
        };
        match presence.sign(host.chain.chain_id.as_str(), signer.as_ref()) {
            Ok(presence) => host.publish(&Body::Presence(Box::new(presence)), attempt),
            Err(error) => host.fail(EngineError::Signer(error.to_string())),
        }
    }

    fn newest_votes(&self, address: &ValidatorAddress) -> Vec<SignedVote> {
        if !self.host.is_running() {
            return Vec::new();
        }
        let rounds = self.core.driver.votes().all_rounds().values();
        let mut votes: Vec<SignedVote> = rounds
            .flat_map(|round| round.received_votes())
            .filter(|vote| vote.message.address == *address)
            .cloned()
            .collect();
        votes.sort_by_key(|vote| (vote.message.round, super::context::step_of(vote.message.step)));
        votes.split_off(votes.len().saturating_sub(MAX_REPEATED))
    }
}

impl<A: Application> Host<A> {
    /// Who is no validator signs nothing, and who has two thirds of the power decides alone; everybody else must hear others.
    fn needs_others(&self) -> bool {
        let set = &self.set.set;
        set.get(&self.guard.address()).is_some_and(|own| !self.quorum().is_met(set, own.power))
    }

    /// Whether validators with more than two thirds of the power have answered, and what they sent before that had time to arrive.
    pub(super) fn is_attended(&mut self) -> bool {
        if !self.needs_others() {
            return true;
        }
        // Blocks that came in meanwhile may have changed the set.
        let power = self.count_present();
        if let Some(ticks) = self.attendance.ticks {
            return ticks >= TICKS;
        }
        if !std::mem::replace(&mut self.attendance.missed, true) {
            let total = self.set.set.total_power();
            self.report(Report::Unattended { power, total });
        }
        false
    }

    /// The power of those who are there, ours included; notes whether it suffices.
    fn count_present(&mut self) -> u64 {
        let (set, own) = (&self.set.set, self.guard.address());
        let here = self.attendance.present.iter().chain([&own]).filter_map(|address| set.get(address));
        let power = here.fold(0, |sum: u64, validator| sum.saturating_add(validator.power));
        let met = self.quorum().is_met(set, power);
        self.attendance.ticks = if met { self.attendance.ticks.or(Some(0)) } else { None };
        power
    }
}

//! The light client: trusted headers, and the way to later ones.

use super::{
    detector::{self, Testimony},
    error::LightError,
    fault::Fault,
    light_block::LightBlock,
    provider::{Provider, Session},
    store::TrustedStore,
    trace::{Mode, Step, trace},
    validators::Validators,
    verify::{LightOptions, TrustedState},
};
use pyralog_crypto::Hash;
use tendermint::Time;

/// Follows a chain from a root of trust. Holds state only; time and network come with each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightClient {
    store: TrustedStore,
}

/// What a successful [`LightClient::sync`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReport {
    /// The height now trusted.
    pub height: u64,
    /// Its header hash.
    pub hash: Hash,
    /// Its time.
    pub time: Time,
    /// Light blocks fetched from the primary.
    pub fetched: usize,
    /// Witnesses that show the same header.
    pub confirmed_by: Vec<String>,
    /// Witnesses that were of no use, with the reason.
    pub useless: Vec<(String, String)>,
}

impl LightClient {
    /// Trusts a genesis file: its chain id, time, validators and first height.
    ///
    /// # Errors
    /// A validator set that is none, a first height of 0.
    pub fn from_genesis(
        chain_id: &str,
        genesis_time: Time,
        validators: Validators,
        initial_height: u64,
    ) -> Result<Self, LightError> {
        let wrong = |fault: Fault| LightError::Options(format!("genesis: {fault}"));
        validators.check().map_err(|f| wrong(f.within("validators")))?;
        let height = initial_height.checked_sub(1).ok_or_else(|| wrong(Fault::new("initial_height", "is zero")))?;
        let root = TrustedState {
            chain_id: chain_id.to_owned(),
            height,
            hash: None,
            time: genesis_time,
            next_validators: validators,
        };
        Ok(Self { store: TrustedStore::new(root) })
    }

    /// Trusts the header of `height` with `hash`; `primary` delivers the light block that belongs to it.
    ///
    /// # Errors
    /// The primary cannot deliver, or delivers another header ([`LightError::Root`]).
    pub fn from_header(height: u64, hash: Hash, primary: &mut Provider<'_>) -> Result<Self, LightError> {
        let mut session = Session::new(primary, 1);
        let block = session.fetch(Some(height))?;
        let invalid = |fault| LightError::Invalid { provider: session.name(), height, fault };
        let found = block.hash().map_err(invalid)?;
        if found != hash {
            return Err(LightError::Root { provider: session.name(), height, found, trusted: hash });
        }
        block.check().map_err(invalid)?;
        let mut store = TrustedStore::new(TrustedState::of(&block, hash));
        store.insert(block);
        Ok(Self { store })
    }

    /// Reads what [`LightClient::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`LightError::Store`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        TrustedStore::from_bytes(bytes).map(|store| Self { store })
    }

    /// The trusted store in its canonical encoding, for a file.
    ///
    /// # Errors
    /// None in practice; see [`LightBlock::to_json`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, LightError> {
        self.store.to_bytes()
    }

    /// What it began from.
    pub const fn root(&self) -> &TrustedState {
        self.store.root()
    }

    /// The latest trusted state.
    pub fn latest(&self) -> TrustedState {
        self.store.latest()
    }

    /// The trusted light block of `height`, if it is kept.
    pub fn light_block(&self, height: u64) -> Option<&LightBlock> {
        self.store.get(height)
    }

    /// Goes forward to `target` (the primary's latest for `None`), has the witnesses confirm it, and trusts it.
    ///
    /// Nothing is trusted anew unless the call succeeds. Without witnesses a primary that colludes with a third of the
    /// trusted stake is not found out; with them, a single honest one suffices.
    ///
    /// # Errors
    /// [`LightError`]; above all [`LightError::Divergence`] with the evidence, and [`LightError::Unconfirmed`] where there
    /// are witnesses and none confirms.
    pub fn sync(
        &mut self,
        target: Option<u64>,
        mode: Mode,
        options: &LightOptions,
        now: Time,
        primary: &mut Provider<'_>,
        witnesses: &mut [Provider<'_>],
    ) -> Result<SyncReport, LightError> {
        options.check()?;
        let mut session = Session::new(primary, options.max_fetches);
        let block = session.fetch(target)?;
        let height = block.header.height;
        let invalid = |provider, fault| LightError::Invalid { provider, height, fault };
        let Some(trusted) = self.store.at_or_below(height) else {
            let lowest = self.store.root().height;
            return Err(LightError::Options(format!("height {height} is below the trusted root, height {lowest}")));
        };
        if !trusted.is_fresh(options, now) {
            return Err(LightError::Expired { height: trusted.height, time: trusted.time });
        }
        let name = session.name();
        let from = if trusted.height == height {
            let hash = block.hash().map_err(|f| invalid(name.clone(), f))?;
            if trusted.hash != Some(hash) {
                let fault = Fault::new("header", "is not the one already trusted at this height");
                return Err(invalid(name, fault));
            }
            if witnesses.is_empty() {
                let (confirmed_by, useless) = (Vec::new(), Vec::new());
                return Ok(SyncReport { height, hash, time: trusted.time, fetched: 1, confirmed_by, useless });
            }
            // Witnesses are compared along a way that leads here; a root has none and is compared by itself.
            self.store.at_or_below(height.saturating_sub(1)).filter(|earlier| earlier.is_fresh(options, now))
        } else {
            Some(trusted)
        };
        let steps = match &from {
            Some(from) => trace(&mut session, from, block, mode, options, now)?,
            None => {
                let hash = block.check().map_err(|f| invalid(name.clone(), f))?;
                vec![Step { block, hash }]
            }
        };
        let fetched = session.fetched;
        let (mut confirmed_by, mut useless) = (Vec::new(), Vec::new());
        for witness in witnesses.iter_mut() {
            match detector::ask(witness, &name, from.as_ref(), &steps, options, now) {
                Testimony::Confirmed => confirmed_by.push(witness.name().to_owned()),
                Testimony::Useless(reason) => useless.push((witness.name().to_owned(), reason)),
                Testimony::Diverged(divergence) => return Err(LightError::Divergence(divergence)),
            }
        }
        if confirmed_by.is_empty() && !witnesses.is_empty() {
            let reasons = useless.into_iter().map(|(_, reason)| reason).collect();
            return Err(LightError::Unconfirmed { height, reasons });
        }
        let (mut hash, mut time) = (Hash::default(), now);
        for step in steps {
            (hash, time) = (step.hash, step.block.header.time);
            self.store.insert(step.block);
        }
        Ok(SyncReport { height, hash, time, fetched, confirmed_by, useless })
    }
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;

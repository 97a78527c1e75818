//! One step of a light client: from a trusted state to a light block. The rules are those of CometBFT's light client
//! specification (`verification.md`), with every listed signature checked.

use super::{error::LightError, fault::Fault, light_block::LightBlock, validators::Validators};
use pyralog_crypto::Hash;
use std::time::Duration;
use tendermint::Time;

/// What a light client demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LightOptions {
    /// Fraction of the trusted power that must have signed a header that is not the next one: 1/3 up to 1.
    pub trust_threshold: (u64, u64),
    /// How long a header is trusted. Must be below the unbonding period, two thirds of it at most.
    pub trusting_period: Duration,
    /// How far a header may lie in the future.
    pub clock_drift: Duration,
    /// Most light blocks fetched from one provider in one call.
    pub max_fetches: usize,
}

impl Default for LightOptions {
    fn default() -> Self {
        Self {
            trust_threshold: (1, 3),
            trusting_period: Duration::from_secs(14 * 24 * 3600),
            clock_drift: Duration::from_secs(10),
            max_fetches: 10_000,
        }
    }
}

impl LightOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LightError::Options`].
    pub fn check(&self) -> Result<(), LightError> {
        let (num, den) = self.trust_threshold;
        let at_least_third = u128::from(num) * 3 >= u128::from(den);
        if den == 0 || num > den || !at_least_third {
            return Err(LightError::Options(format!("the trust threshold {num}/{den} is not between 1/3 and 1")));
        }
        if self.trusting_period.is_zero() || self.max_fetches == 0 {
            return Err(LightError::Options("the trusting period and the limit of fetches must not be zero".into()));
        }
        Ok(())
    }
}

/// The part of a trusted light block, or of genesis, that the next step rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedState {
    /// Chain id.
    pub chain_id: String,
    /// Height; for genesis the one below the first block.
    pub height: u64,
    /// Header hash; `None` for genesis.
    pub hash: Option<Hash>,
    /// Header time or genesis time.
    pub time: Time,
    /// The set of the next height.
    pub next_validators: Validators,
}

impl TrustedState {
    /// The state a verified light block leaves behind.
    pub fn of(block: &LightBlock, hash: Hash) -> Self {
        Self {
            chain_id: block.chain_id.clone(),
            height: block.header.height,
            hash: Some(hash),
            time: block.header.time,
            next_validators: block.next_validators.clone(),
        }
    }

    /// Whether the state may still be started from at `now`.
    pub fn is_fresh(&self, options: &LightOptions, now: Time) -> bool {
        self.time.checked_add(options.trusting_period).is_some_and(|end| end > now)
    }
}

/// The verdict on a light block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It verifies; the new trusted state.
    Verified(Box<TrustedState>),
    /// It is sound, but too little trusted power signed it: try a height in between.
    NotEnoughTrust {
        /// Trusted power that signed.
        power: u64,
        /// Total trusted power.
        total: u64,
    },
    /// It is sound, and of a chain that does not begin with the trusted genesis.
    Foreign(Fault),
    /// It is wrong.
    Invalid(Fault),
}

/// Verifies `block` from `trusted`. The next height needs the handed-over set; a later one enough trusted signers.
pub fn verify(block: &LightBlock, trusted: &TrustedState, options: &LightOptions, now: Time) -> Verdict {
    match try_verify(block, trusted, options, now) {
        Ok(verdict) => verdict,
        Err(fault) => Verdict::Invalid(fault),
    }
}

fn try_verify(block: &LightBlock, trusted: &TrustedState, options: &LightOptions, now: Time) -> Result<Verdict, Fault> {
    let header = &block.header;
    if block.chain_id != trusted.chain_id {
        return Err(Fault::new("chain_id", format!("is {}, not {}", block.chain_id, trusted.chain_id)));
    }
    if !trusted.is_fresh(options, now) {
        return Err(Fault::new("", "the trusted header is older than the trusting period"));
    }
    if header.height <= trusted.height {
        return Err(Fault::new("header.height", format!("is not above the trusted {}", trusted.height)));
    }
    // The first block may carry the genesis time itself.
    let first = trusted.hash.is_none() && header.time == trusted.time;
    if header.time <= trusted.time && !first {
        return apart(block, trusted, "header.time", "is not after that of");
    }
    if now.checked_add(options.clock_drift).is_some_and(|limit| header.time >= limit) {
        return Err(Fault::new("header.time", "lies in the future"));
    }
    let adjacent = header.height - 1 == trusted.height;
    if adjacent && header.validators_hash != trusted.next_validators.hash() {
        return apart(block, trusted, "header.validators_hash", "is not the set handed over by");
    }
    let hash = block.check()?;
    if !adjacent {
        let total = trusted.next_validators.check()?;
        let power = block.power_of_signers_in(&trusted.next_validators);
        let (num, den) = options.trust_threshold;
        if u128::from(power) * u128::from(den) <= u128::from(total) * u128::from(num) {
            return Ok(Verdict::NotEnoughTrust { power, total });
        }
    }
    Ok(Verdict::Verified(Box::new(TrustedState::of(block, hash))))
}

/// The verdict on a block that cannot follow from the trusted state. A sound one shows that its chain has another genesis, and
/// nothing says which of the two is right.
fn apart(block: &LightBlock, trusted: &TrustedState, field: &str, what: &str) -> Result<Verdict, Fault> {
    if trusted.hash.is_some() {
        return Err(Fault::new(field, format!("{what} the trusted header")));
    }
    block.check()?;
    Ok(Verdict::Foreign(Fault::new(field, format!("{what} the genesis"))))
}

#[cfg(test)]
#[path = "verify_test.rs"]
mod tests;

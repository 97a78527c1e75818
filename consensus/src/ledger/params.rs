//! Parameters of the ledger.

use pyralog_crypto::{
    CodecError,
    codec::{Decode, Encode, Reader, Writer},
};

use crate::block::MAX_VALIDATORS;

/// One unit of voting power is this many upyra of stake.
pub const POWER_UNIT: u64 = 1_000_000;

/// What genesis fixes for the ledger. The unbonding period is not here on purpose: it *is* the maximum age of evidence in
/// [`crate::block::ConsensusParams`], one pair of numbers, so that no combination of parameters lets stake leave before
/// evidence against it can land, and the trusting period of light clients is derived from it ([`trusting_period_ns`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerParams {
    /// Fee per signed transaction, upyra.
    pub fee_base: u64,
    /// Fee per byte of it, upyra.
    pub fee_per_byte: u64,
    /// Fee per registered log, upyra.
    pub fee_register_log: u64,
    /// How many blocks ahead of the next one an expiry height may lie.
    pub max_expiry_blocks: u64,
    /// Numerator of the fraction of stake that a double sign costs.
    pub slash_numerator: u64,
    /// Denominator of it.
    pub slash_denominator: u64,
    /// Seats in the validator set.
    pub max_validators: u32,
    /// Smallest stake of a validator, upyra; at least [`POWER_UNIT`].
    pub min_stake: u64,
}

/// The longest period for which a light client may trust a header: two thirds of the unbonding period, rounding down.
pub fn trusting_period_ns(unbonding_ns: u64) -> u64 {
    // 2/3 of a u64 fits a u64.
    (u128::from(unbonding_ns) * 2 / 3) as u64
}

impl LedgerParams {
    /// What a genesis file without parameters means.
    pub const DEFAULTS: Self = Self {
        fee_base: 100,
        fee_per_byte: 1,
        fee_register_log: 1_000_000,
        max_expiry_blocks: 100_000,
        slash_numerator: 5,
        slash_denominator: 100,
        max_validators: 100,
        min_stake: POWER_UNIT,
    };

    /// The first rule that a value breaks, with the name of its field.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.max_expiry_blocks == 0 {
            return Err(("max_expiry_blocks", "must be at least 1"));
        }
        if self.slash_denominator == 0 {
            return Err(("slash_double_sign.denominator", "must be at least 1"));
        }
        if self.slash_numerator > self.slash_denominator {
            return Err(("slash_double_sign.numerator", "must not exceed the denominator"));
        }
        if self.max_validators == 0 || self.max_validators as usize > MAX_VALIDATORS {
            return Err(("max_validators", "must be 1 to 512"));
        }
        if self.min_stake < POWER_UNIT {
            return Err(("min_stake", "must be at least 1000000 upyra, one unit of voting power"));
        }
        Ok(())
    }

    /// The least fee of a signed transaction of `bytes` bytes that registers `logs` logs, upyra.
    pub fn required_fee(&self, bytes: usize, logs: usize) -> u64 {
        let sum = u128::from(self.fee_base)
            + u128::from(self.fee_per_byte) * bytes as u128
            + u128::from(self.fee_register_log) * logs as u128;
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    /// What a double sign costs of `amount` upyra, rounding down.
    pub fn slash(&self, amount: u128) -> u128 {
        // The fraction is at most 1 and amounts are below 2^64 * 10^6, so the product stays below 2^128 except for absurd
        // numerators, where dividing first rounds down a little more.
        match amount.checked_mul(u128::from(self.slash_numerator)) {
            Some(product) => product / u128::from(self.slash_denominator),
            None => amount / u128::from(self.slash_denominator) * u128::from(self.slash_numerator),
        }
    }
}

impl Default for LedgerParams {
    fn default() -> Self {
        Self::DEFAULTS
    }
}

impl Encode for LedgerParams {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).u64(self.fee_base).u64(self.fee_per_byte).u64(self.fee_register_log).u64(self.max_expiry_blocks);
        w.u64(self.slash_numerator).u64(self.slash_denominator).u32(self.max_validators).u64(self.min_stake);
    }
}

impl Decode for LedgerParams {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("ledger parameters", 1)?;
        let params = Self {
            fee_base: r.u64()?,
            fee_per_byte: r.u64()?,
            fee_register_log: r.u64()?,
            max_expiry_blocks: r.u64()?,
            slash_numerator: r.u64()?,
            slash_denominator: r.u64()?,
            max_validators: r.u32()?,
            min_stake: r.u64()?,
        };
        params.check().map_err(|(what, why)| CodecError::Invalid { what, why })?;
        Ok(params)
    }
}

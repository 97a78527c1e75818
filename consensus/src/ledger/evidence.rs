//! Punishing double signs.

use super::{POWER_UNIT, run::Run, stake::broken};
use crate::{
    application::{AppError, BlockContext, Misbehavior},
    block::Timestamp,
};

impl Run<'_> {
    /// Slashes and tombstones, once per validator. The engine has verified both votes; here only the ledger's part is
    /// checked.
    ///
    /// The penalty is the fraction of genesis of the stake that had power at the height of the offence. It is taken from
    /// what has been unbonding since, and the rest from what is bonded; nothing below one upyra is divided, and everything
    /// goes to the community pool.
    pub(super) fn punish(&mut self, ctx: &BlockContext, misbehavior: &Misbehavior) -> Result<(), AppError> {
        self.check_age(ctx, misbehavior)?;
        let key = misbehavior.public_key;
        let Some(mut record) = self.validator(&key)? else {
            return Err(AppError::Block(format!("evidence against {key}, which never was a validator")));
        };
        if record.is_tombstoned() {
            return Ok(());
        }
        record.tombstoned_at = self.height;
        let mut left = self.params.slash(u128::from(misbehavior.power) * u128::from(POWER_UNIT));
        let mut from_unbonding = 0u64;
        for entry in record.unbonding.iter_mut().filter(|entry| entry.start > misbehavior.height) {
            let cut = self.params.slash(u128::from(entry.amount)).min(left);
            // At most the entry's amount, since the fraction is at most 1.
            let cut_upyra = u64::try_from(cut).unwrap_or(u64::MAX).min(entry.amount);
            entry.amount -= cut_upyra;
            left -= cut;
            from_unbonding = from_unbonding.checked_add(cut_upyra).ok_or_else(|| broken("slashed stake overflows"))?;
        }
        let from_bonded = u64::try_from(left).unwrap_or(u64::MAX).min(record.bonded);
        record.bonded -= from_bonded;
        self.put_validator(&record)?;
        let mut totals = self.overlay.totals();
        totals.unbonding =
            totals.unbonding.checked_sub(from_unbonding).ok_or_else(|| broken("unbonding stake is below zero"))?;
        totals.bonded = totals.bonded.checked_sub(from_bonded).ok_or_else(|| broken("bonded stake is below zero"))?;
        self.overlay.put_totals(totals);
        self.pay_pool(from_unbonding.checked_add(from_bonded).ok_or_else(|| broken("slashed stake overflows"))?)?;
        self.remove_power(&key)
    }

    fn check_age(&self, ctx: &BlockContext, misbehavior: &Misbehavior) -> Result<(), AppError> {
        let height = misbehavior.height;
        let Some(blocks) = ctx.height.checked_sub(height) else {
            return Err(AppError::Block(format!("evidence of height {height} lies in the future")));
        };
        let params = &ctx.chain.params;
        let age_ns = match (Timestamp::from_time(ctx.time), Timestamp::from_time(misbehavior.time)) {
            (Some(now), Some(then)) => now.since(then),
            _ => return Err(AppError::Block("evidence with a time before 1970 or after 2554".into())),
        };
        if blocks > params.evidence_max_age_blocks && age_ns > params.evidence_max_age_ns {
            return Err(AppError::Block(format!("evidence of height {height} is too old")));
        }
        Ok(())
    }
}

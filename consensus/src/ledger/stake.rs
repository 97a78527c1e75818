//! Stake: bonding, unbonding, and the validators with power.

use pyralog_crypto::{Address, PublicKey};

use super::{
    ActiveSet, MAX_UNBONDINGS, Unbonding, ValidatorRecord,
    keys::state_key,
    run::{Failure, Run, Signing},
    stake_records::{UnbondingBucket, UnbondingQueue},
};
use crate::{
    application::AppError,
    block::{ConsensusParams, ValidatorAddress},
    tx::TxError,
};

/// A change of stake at H is in force at H + 2.
const EFFECT_DELAY: u64 = 2;

impl Run<'_> {
    pub(super) fn bond(
        &mut self,
        signing: &Signing<'_>,
        signer: u8,
        validator: &PublicKey,
        amount: u64,
    ) -> Result<(), Failure> {
        let owner = signing.address(signer)?;
        let mut record = match self.validator(validator)? {
            Some(record) => record,
            None if !signing.includes(validator) => {
                return Err(TxError::ValidatorKeyMustSign { validator: validator.to_string() }.into());
            }
            None => ValidatorRecord { key: *validator, owner, bonded: 0, tombstoned_at: 0, unbonding: Vec::new() },
        };
        if record.owner != owner {
            return Err(TxError::NotStakeOwner { validator: validator.to_string() }.into());
        }
        if record.is_tombstoned() {
            return Err(TxError::Tombstoned { validator: validator.to_string() }.into());
        }
        self.debit(&owner, amount)?;
        record.bonded = record.bonded.checked_add(amount).ok_or(TxError::Overflow { signer: owner })?;
        if record.bonded < self.params.min_stake {
            return Err(TxError::StakeTooSmall { minimum: self.params.min_stake, got: record.bonded }.into());
        }
        let mut totals = self.overlay.totals();
        totals.bonded = totals.bonded.checked_add(amount).ok_or(TxError::Overflow { signer: owner })?;
        self.overlay.put_totals(totals);
        self.put_validator(&record)?;
        self.set_power(validator, record.power())
    }

    pub(super) fn unbond(&mut self, owner: &Address, validator: &PublicKey, amount: u64) -> Result<(), Failure> {
        let name = || validator.to_string();
        let mut record = self.validator(validator)?.ok_or_else(|| TxError::ValidatorUnknown { validator: name() })?;
        if record.owner != *owner {
            return Err(TxError::NotStakeOwner { validator: name() }.into());
        }
        let bonded = record.bonded;
        record.bonded = bonded.checked_sub(amount).ok_or_else(|| TxError::InsufficientStake {
            validator: name(),
            bonded,
            got: amount,
        })?;
        if record.bonded != 0 && record.bonded < self.params.min_stake && !record.is_tombstoned() {
            return Err(TxError::StakeTooSmall { minimum: self.params.min_stake, got: record.bonded }.into());
        }
        let start = self.height.saturating_add(EFFECT_DELAY);
        let entries = record.unbonding.len();
        match record.unbonding.last_mut() {
            // At most the stake that was bonded, which fits a u64.
            Some(last) if last.start == start => last.amount = last.amount.saturating_add(amount),
            _ if entries == MAX_UNBONDINGS => {
                return Err(TxError::TooManyUnbondings { validator: name(), max: MAX_UNBONDINGS }.into());
            }
            _ => record.unbonding.push(Unbonding { start, amount }),
        }
        let mut totals = self.overlay.totals();
        totals.bonded = totals.bonded.checked_sub(amount).ok_or_else(|| broken("bonded stake is below zero"))?;
        totals.unbonding = totals.unbonding.checked_add(amount).ok_or_else(|| broken("unbonding stake overflows"))?;
        self.overlay.put_totals(totals);
        self.put_validator(&record)?;
        self.enqueue(start, validator)?;
        if record.is_tombstoned() { Ok(()) } else { self.set_power(validator, record.power()) }
    }

    /// Pays out what has been unbonding for longer than evidence can be old, in blocks *and* in time.
    pub(super) fn pay_out_matured(&mut self, time_ns: u64, params: &ConsensusParams) -> Result<(), AppError> {
        let name = state_key::UNBONDING_QUEUE;
        let Some(mut queue) = self.overlay.get::<UnbondingQueue>(name)? else { return Ok(()) };
        let before = queue;
        if (queue.first..=queue.last).contains(&self.height) {
            self.start_clock(time_ns)?;
        }
        while queue.first != 0 {
            let start = queue.first;
            let key = state_key::unbonding(start);
            let bucket: UnbondingBucket =
                self.overlay.get(&key)?.ok_or_else(|| broken("an unbonding bucket is missing"))?;
            let blocks = self.height.checked_sub(start);
            let matured = bucket.start_time != 0
                && blocks.is_some_and(|blocks| blocks > params.evidence_max_age_blocks)
                && time_ns.saturating_sub(bucket.start_time) > params.evidence_max_age_ns;
            if !matured {
                break;
            }
            for validator in &bucket.validators {
                self.pay_out(validator, start)?;
            }
            self.overlay.put_raw(&key, None)?;
            queue.first = bucket.next;
            if queue.first == 0 {
                queue.last = 0;
            }
        }
        if queue != before { self.overlay.put(name, &queue) } else { Ok(()) }
    }

    pub(super) fn validator(&mut self, key: &PublicKey) -> Result<Option<ValidatorRecord>, AppError> {
        self.overlay.get(&state_key::validator(&ValidatorAddress::of(key)))
    }

    pub(super) fn put_validator(&mut self, record: &ValidatorRecord) -> Result<(), AppError> {
        self.overlay.put(&state_key::validator(&ValidatorAddress::of(&record.key)), record)
    }

    pub(super) fn active(&mut self) -> Result<ActiveSet, AppError> {
        Ok(self.overlay.get(state_key::ACTIVE)?.unwrap_or_default())
    }

    /// Gives a validator its power in the active set; with more candidates than seats the smallest loses its seat.
    fn set_power(&mut self, key: &PublicKey, power: u64) -> Result<(), Failure> {
        let mut active = self.active()?;
        let was_alone = active.0.len() == 1;
        active.0.retain(|(k, _)| k != key);
        if power > 0 {
            active.0.push((*key, power));
        }
        if was_alone && active.0.len() == 2 {
            // The first one may be a tombstoned validator that was kept because nobody else was there.
            let first = active.0[0].0;
            if self.validator(&first)?.is_some_and(|record| record.is_tombstoned()) {
                active.0.remove(0);
            }
        }
        if active.0.is_empty() {
            return Err(TxError::LastValidator { validator: key.to_string() }.into());
        }
        let seats = self.params.max_validators;
        if active.0.len() > seats as usize {
            let lowest = active.0.iter().copied().min_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
            if let Some((loser, power)) = lowest {
                if loser == *key {
                    let runner_up = active.0.iter().filter(|(k, _)| k != key).map(|(_, p)| *p).min().unwrap_or(power);
                    let required = runner_up.saturating_add(1).saturating_mul(super::POWER_UNIT);
                    return Err(TxError::ValidatorSetFull { seats, required }.into());
                }
                active.0.retain(|(k, _)| *k != loser);
            }
        }
        active.0.sort_unstable();
        Ok(self.overlay.put(state_key::ACTIVE, &active)?)
    }

    /// Takes the power of a tombstoned validator; the last one keeps its seat until another has power.
    pub(super) fn remove_power(&mut self, key: &PublicKey) -> Result<(), AppError> {
        let mut active = self.active()?;
        if active.0.len() > 1 {
            active.0.retain(|(k, _)| k != key);
            self.overlay.put(state_key::ACTIVE, &active)?;
        }
        Ok(())
    }

    fn enqueue(&mut self, start: u64, validator: &PublicKey) -> Result<(), AppError> {
        let key = state_key::unbonding(start);
        let existing = self.overlay.get::<UnbondingBucket>(&key)?;
        let is_new = existing.is_none();
        let mut bucket = existing.unwrap_or_default();
        if let Err(at) = bucket.validators.binary_search(validator) {
            bucket.validators.insert(at, *validator);
            self.overlay.put(&key, &bucket)?;
        }
        if !is_new {
            return Ok(());
        }
        let mut queue = self.overlay.get::<UnbondingQueue>(state_key::UNBONDING_QUEUE)?.unwrap_or_default();
        if queue.first == 0 {
            queue.first = start;
        } else {
            let last_key = state_key::unbonding(queue.last);
            let mut last: UnbondingBucket =
                self.overlay.get(&last_key)?.ok_or_else(|| broken("the last unbonding bucket is missing"))?;
            last.next = start;
            self.overlay.put(&last_key, &last)?;
        }
        queue.last = start;
        self.overlay.put(state_key::UNBONDING_QUEUE, &queue)
    }

    /// The bucket that starts at this height learns the time of this block.
    fn start_clock(&mut self, time_ns: u64) -> Result<(), AppError> {
        let key = state_key::unbonding(self.height);
        if let Some(mut bucket) = self.overlay.get::<UnbondingBucket>(&key)? {
            bucket.start_time = time_ns;
            self.overlay.put(&key, &bucket)?;
        }
        Ok(())
    }

    fn pay_out(&mut self, validator: &PublicKey, start: u64) -> Result<(), AppError> {
        let mut record = self.validator(validator)?.ok_or_else(|| broken("an unbonding validator is missing"))?;
        let mut amount = 0u64;
        for u in record.unbonding.iter().filter(|u| u.start == start) {
            amount = amount.checked_add(u.amount).ok_or_else(|| broken("unbonding stake overflows"))?;
        }
        record.unbonding.retain(|u| u.start != start);
        self.put_validator(&record)?;
        let mut totals = self.overlay.totals();
        totals.unbonding =
            totals.unbonding.checked_sub(amount).ok_or_else(|| broken("unbonding stake is below zero"))?;
        self.overlay.put_totals(totals);
        match self.credit(&record.owner, amount) {
            Ok(()) => Ok(()),
            Err(Failure::Broken(e)) => Err(e),
            Err(Failure::Refused(e)) => Err(broken(&e.to_string())),
        }
    }
}

pub(super) fn broken(what: &str) -> AppError {
    AppError::Invariant(what.into())
}

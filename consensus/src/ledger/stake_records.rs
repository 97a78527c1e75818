//! Validators and the unbonding queue as they stand in the state. Each value begins with a version byte 1.

use pyralog_crypto::{
    Address, CodecError, PublicKey,
    codec::{Decode, Encode, Reader, Writer},
};

use super::POWER_UNIT;
use crate::block::MAX_VALIDATORS;

/// Most unbondings of one validator at a time.
pub const MAX_UNBONDINGS: usize = 32;
/// Most validators whose stake may start to unbond at one height: as many as transactions fit in a block, and more.
const MAX_BUCKET: usize = 1 << 20;

/// A validator's stake.
///
/// Encoding: version 1, key (32), owner (32), bonded (u64), tombstoned at (u64), list of (start, amount).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorRecord {
    /// Its consensus key.
    pub key: PublicKey,
    /// Whose stake it is.
    pub owner: Address,
    /// Upyra that count for its power.
    pub bonded: u64,
    /// The height at which a double sign was punished, 0 if never. Never undone.
    pub tombstoned_at: u64,
    /// Stake on its way out, oldest first.
    pub unbonding: Vec<Unbonding>,
}

/// Stake that left a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbonding {
    /// The first height at which it had no power any more: two after the Unbond.
    pub start: u64,
    /// Upyra.
    pub amount: u64,
}

/// The validators with power and their powers, sorted by key. Its changes are the validator updates of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveSet(pub Vec<(PublicKey, u64)>);

/// First and last start height in the unbonding queue; both 0 when it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnbondingQueue {
    pub first: u64,
    pub last: u64,
}

/// Whose stake unbonds from one start height on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnbondingBucket {
    /// The next start height in the queue, 0 at its end.
    pub next: u64,
    /// Time of the block at the start height, nanoseconds since 1970; 0 until that block.
    pub start_time: u64,
    /// Sorted, each once.
    pub validators: Vec<PublicKey>,
}

impl ValidatorRecord {
    /// The voting power of its stake, before seats and tombstones are considered.
    pub fn power(&self) -> u64 {
        self.bonded / POWER_UNIT
    }

    /// Whether it was punished for a double sign.
    pub fn is_tombstoned(&self) -> bool {
        self.tombstoned_at != 0
    }
}

impl ActiveSet {
    /// The power of a key, 0 if it has none.
    pub fn power(&self, key: &PublicKey) -> u64 {
        self.0.binary_search_by(|(k, _)| k.cmp(key)).map_or(0, |i| self.0[i].1)
    }

    /// What turns `before` into this set: new powers, 0 for a key that left, in the order of the keys.
    pub fn updates_since(&self, before: &Self) -> Vec<(PublicKey, u64)> {
        let mut updates: Vec<_> = self.0.iter().filter(|(key, power)| before.power(key) != *power).copied().collect();
        updates.extend(before.0.iter().filter(|(key, _)| self.power(key) == 0).map(|(key, _)| (*key, 0)));
        updates.sort_unstable();
        updates
    }
}

impl Encode for ValidatorRecord {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).put(&self.key).put(&self.owner).u64(self.bonded).u64(self.tombstoned_at);
        w.list(&self.unbonding, |w, u| {
            w.u64(u.start).u64(u.amount);
        });
    }
}

impl Decode for ValidatorRecord {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("validator record", 1)?;
        Ok(Self {
            key: r.get()?,
            owner: r.get()?,
            bonded: r.u64()?,
            tombstoned_at: r.u64()?,
            unbonding: r.list(MAX_UNBONDINGS, |r| Ok(Unbonding { start: r.u64()?, amount: r.u64()? }))?,
        })
    }
}

impl Encode for ActiveSet {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).list(&self.0, |w, (key, power)| {
            w.put(key).u64(*power);
        });
    }
}

impl Decode for ActiveSet {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("active set", 1)?;
        let list = r.list(MAX_VALIDATORS, |r| Ok((r.get::<PublicKey>()?, r.u64()?)))?;
        if !list.is_sorted_by(|a, b| a.0 < b.0) || list.iter().any(|(_, power)| *power == 0) {
            return Err(CodecError::Invalid { what: "active set", why: "not sorted, or without power" });
        }
        Ok(Self(list))
    }
}

impl Encode for UnbondingQueue {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).u64(self.first).u64(self.last);
    }
}

impl Decode for UnbondingQueue {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("unbonding queue", 1)?;
        Ok(Self { first: r.u64()?, last: r.u64()? })
    }
}

impl Encode for UnbondingBucket {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).u64(self.next).u64(self.start_time).list(&self.validators, |w, key| {
            w.put(key);
        });
    }
}

impl Decode for UnbondingBucket {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("unbonding bucket", 1)?;
        Ok(Self { next: r.u64()?, start_time: r.u64()?, validators: r.list(MAX_BUCKET, Reader::get)? })
    }
}

//! Accounts, totals and logs as they stand in the state. Each value begins with a version byte 1.

use pyralog_crypto::{
    CodecError, LogId, PublicKey, Roots, Signature,
    codec::{Decode, Encode, Reader, Writer},
};

use crate::tx::LogName;

/// An account. One that does not exist is the same as one with nonce 0 and balance 0.
///
/// Encoding: version 1, nonce (u64), balance (u64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The nonce of its next transaction.
    pub nonce: u64,
    /// Upyra.
    pub balance: u64,
}

/// Sums over the whole ledger, upyra.
///
/// Invariant: `supply` = balances of all accounts + `pool` + `bonded` + `unbonding`, and never changes.
/// Encoding: version 1, supply, pool, bonded, unbonding, logs (u64 each).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Everything, fixed in genesis.
    pub supply: u64,
    /// The community pool: fees, slashed stake, remainders.
    pub pool: u64,
    /// Stake of validators.
    pub bonded: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Count of registered logs.
    pub logs: u64,
}

/// A registered log.
///
/// Encoding: version 1, owner (32), name (text), registered at, owner since, size, roots (64), anchored at, signature (64);
/// heights and size u64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The key that signs its checkpoints.
    pub owner: PublicKey,
    /// The first owner's name for it; with that owner's key it determines the id.
    pub name: LogName,
    /// Height of registration, 0 in genesis.
    pub registered_at: u64,
    /// From which height on `owner` is the owner.
    pub owner_since: u64,
    /// Last anchored size, 0 before the first anchor.
    pub size: u64,
    /// Roots of both trees at that size.
    pub roots: Roots,
    /// Height of the last anchor, 0 before the first.
    pub anchored_at: u64,
    /// The owner's signature over the last anchored checkpoint; zero before the first.
    pub signature: Signature,
}

impl LogRecord {
    /// A log without anchors.
    pub fn new(owner: PublicKey, name: LogName, height: u64) -> Self {
        Self {
            owner,
            name,
            registered_at: height,
            owner_since: height,
            size: 0,
            roots: Roots::empty(),
            anchored_at: 0,
            signature: Signature([0; 64]),
        }
    }

    /// The id of a log that `owner` registers on `chain_id`.
    pub fn id(chain_id: &str, owner: &PublicKey, name: &LogName) -> LogId {
        LogId::derive(chain_id, owner, name.as_str())
    }
}

impl Encode for Account {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).u64(self.nonce).u64(self.balance);
    }
}

impl Decode for Account {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("account", 1)?;
        Ok(Self { nonce: r.u64()?, balance: r.u64()? })
    }
}

impl Encode for Totals {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).u64(self.supply).u64(self.pool).u64(self.bonded).u64(self.unbonding).u64(self.logs);
    }
}

impl Decode for Totals {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("totals", 1)?;
        Ok(Self { supply: r.u64()?, pool: r.u64()?, bonded: r.u64()?, unbonding: r.u64()?, logs: r.u64()? })
    }
}

impl Encode for LogRecord {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).put(&self.owner).put(&self.name).u64(self.registered_at).u64(self.owner_since);
        w.u64(self.size).put(&self.roots).u64(self.anchored_at).put(&self.signature);
    }
}

impl Decode for LogRecord {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("log record", 1)?;
        Ok(Self {
            owner: r.get()?,
            name: r.get()?,
            registered_at: r.u64()?,
            owner_since: r.u64()?,
            size: r.u64()?,
            roots: r.get()?,
            anchored_at: r.u64()?,
            signature: r.get()?,
        })
    }
}

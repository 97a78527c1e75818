//! What a signed transaction asks the ledger to do.

use std::fmt;

use pyralog_crypto::{
    Address, CodecError, LogId, PublicKey,
    chain_id::{MAX_LOG_NAME, check_log_name},
    codec::{Decode, Encode, Reader, Writer},
};

/// One request of a signed transaction. `signer` is the position, from 0, of the signer on whose behalf it acts.
///
/// Encoding: a type byte, then the fields in the order in which they stand here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Type 1: move `amount` upyra to another account.
    Transfer {
        /// Whose balance pays.
        signer: u8,
        /// The receiving account; it need not exist.
        to: Address,
        /// In upyra, at least 1.
        amount: u64,
    },
    /// Type 2: register the log `LogId::derive(chain id, owner, name)`. Anyone may pay for it.
    RegisterLog {
        /// The key that will sign the log's checkpoints.
        owner: PublicKey,
        /// The owner's name for the log.
        name: LogName,
    },
    /// Type 3: hand a log to another key, from this block on. `signer` must be the log's current key.
    RotateLogKey {
        /// The signer that is the log's current key.
        signer: u8,
        /// The log.
        log: LogId,
        /// The key that signs its checkpoints from now on.
        new_owner: PublicKey,
    },
    /// Type 4: bond stake to a validator. The first Bond of a validator key makes `signer` the owner of its stake and
    /// must also be signed by the validator key itself.
    Bond {
        /// Whose balance pays, and who owns the stake.
        signer: u8,
        /// The consensus key.
        validator: PublicKey,
        /// In upyra, at least 1.
        amount: u64,
    },
    /// Type 5: take stake back. It leaves the validator's power at H+2 and is paid out after the unbonding period.
    Unbond {
        /// The owner of the stake.
        signer: u8,
        /// The consensus key.
        validator: PublicKey,
        /// In upyra, at least 1.
        amount: u64,
    },
}

impl Message {
    /// The signer on whose behalf the message acts; `None` where any signer may send it.
    pub fn signer(&self) -> Option<u8> {
        match self {
            Self::RegisterLog { .. } => None,
            Self::Transfer { signer, .. }
            | Self::RotateLogKey { signer, .. }
            | Self::Bond { signer, .. }
            | Self::Unbond { signer, .. } => Some(*signer),
        }
    }

    /// The amount in upyra that it moves, if it moves any.
    pub fn amount(&self) -> Option<u64> {
        match self {
            Self::Transfer { amount, .. } | Self::Bond { amount, .. } | Self::Unbond { amount, .. } => Some(*amount),
            Self::RegisterLog { .. } | Self::RotateLogKey { .. } => None,
        }
    }

    /// What it takes out of its signer's balance, in upyra.
    pub fn debit(&self) -> u64 {
        match self {
            Self::Transfer { amount, .. } | Self::Bond { amount, .. } => *amount,
            Self::RegisterLog { .. } | Self::RotateLogKey { .. } | Self::Unbond { .. } => 0,
        }
    }
}

impl Encode for Message {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Transfer { signer, to, amount } => w.u8(1).u8(*signer).put(to).u64(*amount),
            Self::RegisterLog { owner, name } => w.u8(2).put(owner).put(name),
            Self::RotateLogKey { signer, log, new_owner } => w.u8(3).u8(*signer).put(log).put(new_owner),
            Self::Bond { signer, validator, amount } => w.u8(4).u8(*signer).put(validator).u64(*amount),
            Self::Unbond { signer, validator, amount } => w.u8(5).u8(*signer).put(validator).u64(*amount),
        };
    }
}

impl Decode for Message {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match r.u8()? {
            1 => Self::Transfer { signer: r.u8()?, to: r.get()?, amount: r.u64()? },
            2 => Self::RegisterLog { owner: r.get()?, name: r.get()? },
            3 => Self::RotateLogKey { signer: r.u8()?, log: r.get()?, new_owner: r.get()? },
            4 => Self::Bond { signer: r.u8()?, validator: r.get()?, amount: r.u64()? },
            5 => Self::Unbond { signer: r.u8()?, validator: r.get()?, amount: r.u64()? },
            found => return Err(CodecError::Tag { what: "message type", found: found.into() }),
        })
    }
}

/// A log's name: 1 to 64 characters of `a-z A-Z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogName(String);

impl LogName {
    /// Checks length and characters.
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let name = name.into();
        check_log_name(&name).is_ok().then_some(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for LogName {
    fn encode(&self, w: &mut Writer) {
        w.text(&self.0);
    }
}

impl Decode for LogName {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let why = "not 1 to 64 characters of a-z A-Z 0-9 . _ -";
        Self::new(r.text(MAX_LOG_NAME)?).ok_or(CodecError::Invalid { what: "log name", why })
    }
}

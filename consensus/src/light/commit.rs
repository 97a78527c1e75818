//! A commit as light blocks and receipts carry it. What follows from the header or the validator set is left out and
//! derived: height, header hash, addresses, and timestamps (a precommit for a block signs the header's time, a nil
//! precommit signs [`nil_time`]).

use super::{
    fault::Fault,
    fields,
    header::{BlockId, HeaderFields, PartSet},
    signature_batch::SignatureBatch,
    validators::Validators,
};
use crate::block::{Step, ValueId, nil_time, vote_sign_bytes};
use pyralog_crypto::{Hash, Signature};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use std::fmt;
use tendermint::block;

/// What one validator did in the deciding round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitVote {
    /// Nothing was received from it. JSON and CBOR: `null`.
    Absent,
    /// It signed the block. JSON: the signature in hexadecimal; CBOR: a byte string.
    Commit(Signature),
    /// It signed nil. JSON and CBOR: `{"nil": SIGNATURE}`.
    Nil(Signature),
}

/// Round, part-set header and votes of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitFields {
    /// The deciding round, at most 2^31 − 1.
    #[serde(with = "fields::decimal")]
    pub round: u32,
    /// Part-set header of the block; the header hash completes it to the block id.
    pub parts: PartSet,
    /// One entry per validator, in set order.
    pub signatures: Vec<CommitVote>,
}

impl CommitFields {
    /// Adds every listed signature to `batch` and returns the power that signed the block.
    ///
    /// # Errors
    /// A number of entries other than the set's, or values no commit can hold.
    pub(crate) fn collect(
        &self,
        chain_id: &str,
        header: &HeaderFields,
        header_hash: &Hash,
        validators: &Validators,
        path: &str,
        batch: &mut SignatureBatch,
    ) -> Result<u64, Fault> {
        if self.signatures.len() != validators.0.len() {
            let (listed, set) = (self.signatures.len(), validators.0.len());
            return Err(Fault::new("signatures", format!("lists {listed} entries for a set of {set} validators")));
        }
        if i32::try_from(self.round).is_err() {
            return Err(Fault::new("round", "is above 2^31 - 1"));
        }
        let block_id = BlockId { hash: *header_hash, parts: self.parts }.to_tendermint()?;
        let value = ValueId::new(block_id, header.time).ok_or_else(|| Fault::new("parts.total", "is out of range"))?;
        let sign_bytes = |v: Option<&ValueId>| vote_sign_bytes(chain_id, Step::Precommit, header.height, self.round, v);
        let (mut for_block, mut for_nil, mut power) = (None, None, 0_u64);
        for (i, (vote, validator)) in self.signatures.iter().zip(&validators.0).enumerate() {
            let field = || format!("{path}.signatures[{i}]");
            match vote {
                CommitVote::Absent => {}
                CommitVote::Commit(signature) => {
                    let message = match for_block {
                        Some(message) => message,
                        None => *for_block.insert(batch.message(sign_bytes(Some(&value)))),
                    };
                    batch.push(validator.public_key, message, *signature, field());
                    power = power.saturating_add(validator.power);
                }
                CommitVote::Nil(signature) => {
                    let message = match for_nil {
                        Some(message) => message,
                        None => *for_nil.insert(batch.message(sign_bytes(None))),
                    };
                    batch.push(validator.public_key, message, *signature, field());
                }
            }
        }
        Ok(power)
    }

    /// Takes the commit of `header` over from CometBFT's form.
    ///
    /// # Errors
    /// A commit for another block, another order than the set's, a timestamp other than the derived one, a missing
    /// signature.
    pub fn from_tendermint(
        commit: &block::Commit,
        header: &block::Header,
        validators: &Validators,
    ) -> Result<Self, Fault> {
        if commit.height != header.height || commit.block_id.hash != header.hash() {
            return Err(Fault::new("commit", "is for another block"));
        }
        let parts = BlockId::from_tendermint(&commit.block_id)?.parts;
        if commit.signatures.len() != validators.0.len() {
            return Err(Fault::new("commit.signatures", "has another length than the validator set"));
        }
        let round = commit.round.value();
        let entry = |(i, (sig, validator)): (usize, (&block::CommitSig, &super::ValidatorEntry))| {
            let fault = |reason: &str| Fault::new(format!("commit.signatures[{i}]"), reason);
            let (address, time, signature, derived) = match sig {
                block::CommitSig::BlockIdFlagAbsent => return Ok(CommitVote::Absent),
                block::CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } => {
                    (validator_address, timestamp, signature, header.time)
                }
                block::CommitSig::BlockIdFlagNil { validator_address, timestamp, signature } => {
                    (validator_address, timestamp, signature, nil_time())
                }
            };
            if address.as_bytes() != validator.address() {
                return Err(fault("is by another validator than the set has at this place"));
            }
            if *time != derived {
                return Err(fault("has a timestamp other than the one derived from the header"));
            }
            let bytes = signature.as_ref().and_then(|s| <[u8; 64]>::try_from(s.as_bytes()).ok());
            let signature = Signature(bytes.ok_or_else(|| fault("is missing"))?);
            Ok(if sig.is_commit() { CommitVote::Commit(signature) } else { CommitVote::Nil(signature) })
        };
        let signatures =
            commit.signatures.iter().zip(&validators.0).enumerate().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { round, parts, signatures })
    }

    /// CometBFT's form of this commit of `header`, with the derived times and addresses.
    ///
    /// # Errors
    /// Values no commit can hold.
    pub fn to_tendermint(
        &self,
        chain_id: &str,
        header: &HeaderFields,
        validators: &Validators,
    ) -> Result<block::Commit, Fault> {
        let tm = header.to_tendermint(chain_id)?;
        let id = BlockId { hash: header.hash(chain_id)?, parts: self.parts };
        let round = i32::try_from(self.round).ok().and_then(|r| block::Round::try_from(r).ok());
        let signatures = self.signatures.iter().zip(&validators.0).map(|(vote, validator)| {
            let validator_address = tendermint::account::Id::new(validator.address());
            let wrap = |s: &Signature| tendermint::Signature::new(s.0).ok().flatten();
            match vote {
                CommitVote::Absent => block::CommitSig::BlockIdFlagAbsent,
                CommitVote::Commit(s) => {
                    block::CommitSig::BlockIdFlagCommit { validator_address, timestamp: tm.time, signature: wrap(s) }
                }
                CommitVote::Nil(s) => {
                    let timestamp = nil_time();
                    block::CommitSig::BlockIdFlagNil { validator_address, timestamp, signature: wrap(s) }
                }
            }
        });
        Ok(block::Commit {
            height: tm.height,
            round: round.ok_or_else(|| Fault::new("round", "is above 2^31 - 1"))?,
            block_id: id.to_tendermint()?,
            signatures: signatures.collect(),
        })
    }

    /// The same commit with no more signatures than a quorum needs: the first signers in set order (so the strongest)
    /// until they hold more than 2/3 of the power. Receipts list exactly these; see [`CommitFields::is_minimal`].
    #[must_use]
    pub fn minimal(&self, validators: &Validators) -> Self {
        let total: u128 = validators.0.iter().map(|v| u128::from(v.power)).sum();
        let mut power: u128 = 0;
        let signatures = self.signatures.iter().zip(&validators.0).map(|(vote, validator)| match vote {
            CommitVote::Commit(_) if power * 3 <= total * 2 => {
                power += u128::from(validator.power);
                *vote
            }
            _ => CommitVote::Absent,
        });
        Self { round: self.round, parts: self.parts, signatures: signatures.collect() }
    }

    /// Whether no listed signature could be left out: there are no nil votes, and without its weakest signer the
    /// commit would not hold more than 2/3. A minimal commit cannot be thinned out and stay valid.
    pub fn is_minimal(&self, validators: &Validators) -> bool {
        let total: u128 = validators.0.iter().map(|v| u128::from(v.power)).sum();
        let signed = || self.signatures.iter().zip(&validators.0).filter(|(v, _)| matches!(v, CommitVote::Commit(_)));
        let power: u128 = signed().map(|(_, v)| u128::from(v.power)).sum();
        let weakest = signed().map(|(_, v)| u128::from(v.power)).min().unwrap_or(0);
        let nil = self.signatures.iter().any(|v| matches!(v, CommitVote::Nil(_)));
        !nil && (power - weakest) * 3 <= total * 2
    }
}

/// Whether `power` is strictly more than two thirds of `total`.
pub(crate) fn is_quorum(power: u64, total: u64) -> bool {
    u128::from(power) * 3 > u128::from(total) * 2
}

impl Serialize for CommitVote {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::Commit(signature) => signature.serialize(serializer),
            Self::Nil(signature) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("nil", signature)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for CommitVote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = CommitVote;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a signature, or {\"nil\": signature}")
            }
            fn visit_unit<E: de::Error>(self) -> Result<CommitVote, E> {
                Ok(CommitVote::Absent)
            }
            fn visit_none<E: de::Error>(self) -> Result<CommitVote, E> {
                Ok(CommitVote::Absent)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<CommitVote, E> {
                let bytes = fields::lower_hex(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Other("a string"), &self))?;
                Ok(CommitVote::Commit(Signature(bytes)))
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<CommitVote, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(CommitVote::Commit(Signature(bytes)))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<CommitVote, A::Error> {
                let Some("nil") = map.next_key::<String>()?.as_deref() else {
                    return Err(de::Error::custom("a vote object holds the key `nil` only"));
                };
                let vote = CommitVote::Nil(map.next_value()?);
                match map.next_key::<String>()? {
                    None => Ok(vote),
                    Some(_) => Err(de::Error::custom("a vote object holds the key `nil` only")),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
#[path = "commit_test.rs"]
mod tests;

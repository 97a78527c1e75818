//! A light block: a signed header with its validator set and the next one.

use super::{
    commit::{CommitFields, CommitVote, is_quorum},
    fault::Fault,
    header::HeaderFields,
    signature_batch::SignatureBatch,
    validators::Validators,
};
use pyralog_crypto::{Hash, PublicKey, check_chain_id};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest JSON form that is read, bytes.
pub const MAX_LIGHT_BLOCK_JSON: usize = 2 << 20;

/// What a node serves to light clients. JSON and CBOR as receipts have them: strict, one spelling per value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LightBlock {
    /// Chain id.
    pub chain_id: String,
    /// The header.
    pub header: HeaderFields,
    /// Its commit, with all votes that are known.
    pub commit: CommitFields,
    /// The validator set of the header's height.
    pub validators: Validators,
    /// The validator set of the next height.
    pub next_validators: Validators,
}

impl LightBlock {
    /// Reads the JSON form that `GET /v1/light/{height}` answers with.
    ///
    /// # Errors
    /// Over-size, not JSON, an unknown, missing or duplicate key, a value in another spelling.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_LIGHT_BLOCK_JSON {
            return Err(Fault::new("", format!("is {} bytes long; at most {MAX_LIGHT_BLOCK_JSON}", bytes.len())));
        }
        serde_json::from_slice(bytes).map_err(|e| Fault::new("", format!("is not a light block in JSON: {e}")))
    }

    /// The JSON form.
    ///
    /// # Errors
    /// None in practice; serialisation into memory cannot fail for this type.
    pub fn to_json(&self) -> Result<String, Fault> {
        serde_json::to_string(self).map_err(|e| Fault::new("", e.to_string()))
    }

    /// Takes over a committed block.
    ///
    /// # Errors
    /// Parts that do not belong together.
    pub fn from_tendermint(
        header: &tendermint::block::Header,
        commit: &tendermint::block::Commit,
        validators: Validators,
        next_validators: Validators,
    ) -> Result<Self, Fault> {
        Ok(Self {
            chain_id: header.chain_id.to_string(),
            commit: CommitFields::from_tendermint(commit, header, &validators)?,
            header: HeaderFields::from_tendermint(header)?,
            validators,
            next_validators,
        })
    }

    /// The header's hash.
    ///
    /// # Errors
    /// Values no header can hold.
    pub fn hash(&self) -> Result<Hash, Fault> {
        self.header.hash(&self.chain_id).map_err(|f| f.within("header"))
    }

    /// Checks the block for itself: both sets hash to what the header names, every listed signature verifies, and more
    /// than two thirds signed. Says nothing about whether the validators are to be trusted.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<Hash, Fault> {
        check_chain_id(&self.chain_id).map_err(|e| Fault::new("chain_id", e.to_string()))?;
        let total = self.validators.check().map_err(|f| f.within("validators"))?;
        self.next_validators.check().map_err(|f| f.within("next_validators"))?;
        if self.validators.hash() != self.header.validators_hash {
            return Err(Fault::new("validators", "do not hash to header.validators_hash"));
        }
        if self.next_validators.hash() != self.header.next_validators_hash {
            return Err(Fault::new("next_validators", "do not hash to header.next_validators_hash"));
        }
        let hash = self.hash()?;
        let mut batch = SignatureBatch::default();
        let power = self
            .commit
            .collect(&self.chain_id, &self.header, &hash, &self.validators, "commit", &mut batch)
            .map_err(|f| f.within("commit"))?;
        if !is_quorum(power, total) {
            return Err(Fault::new("commit", format!("holds {power} of {total} power, not more than two thirds")));
        }
        batch.verify()?;
        Ok(hash)
    }

    /// Power that the signers of this block hold in another set. Meaningful after [`LightBlock::check`].
    pub fn power_of_signers_in(&self, set: &Validators) -> u64 {
        let powers: BTreeMap<PublicKey, u64> = set.0.iter().map(|v| (v.public_key, v.power)).collect();
        let signers = self.commit.signatures.iter().zip(&self.validators.0);
        signers
            .filter(|(vote, _)| matches!(vote, CommitVote::Commit(_)))
            .filter_map(|(_, v)| powers.get(&v.public_key))
            .fold(0, |sum, power| sum.saturating_add(*power))
    }
}

#[cfg(test)]
#[path = "light_block_test.rs"]
mod tests;

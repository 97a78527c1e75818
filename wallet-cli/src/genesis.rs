//! Genesis files as roots of trust.

use std::path::Path;

use pyralog_consensus::genesis::{Genesis, MAX_GENESIS_BYTES};
use pyralog_consensus::ledger::LedgerParams;
use pyralog_consensus::light::{ValidatorEntry, Validators};
use pyralog_consensus::receipt::GenesisTrust;
use pyralog_crypto::{Hash, MerkleHash, PublicKey, Sha256};
use serde_json::Value;
use tendermint::Time;

use crate::error::{Context, Failure, Result};
use crate::files;
use crate::output::shown;

/// What of a genesis file the wallet rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Chain id.
    pub chain_id: String,
    /// Genesis time.
    pub time: Time,
    /// The first validator set.
    pub validators: Validators,
    /// Height of the first block.
    pub initial_height: u64,
    /// The keys that own logs from the start: each cluster signs for its logs with one.
    pub log_owners: Vec<PublicKey>,
    /// SHA-256 of the file as it stands on disk, which anyone can compare with `sha256sum`.
    pub file_hash: Hash,
}

/// Reads and checks a genesis file.
pub fn load(path: &Path) -> Result<Root> {
    let bytes = files::read_bounded(path, MAX_GENESIS_BYTES as u64)?;
    let genesis = Genesis::from_json(&bytes).map_err(|error| {
        Failure::error(format!("{}: {error}", shown(path))).next("name the genesis file of the chain with --genesis")
    })?;
    let entries =
        genesis.powers().into_iter().map(|(public_key, power)| ValidatorEntry { public_key, power }).collect();
    let validators = Validators::sorted(entries).context(|| format!("{}: validators", shown(path)))?;
    Ok(Root {
        chain_id: genesis.chain_id().to_owned(),
        time: genesis.parts().genesis_time,
        validators,
        // The only one a genesis file may hold.
        initial_height: 1,
        log_owners: genesis.parts().logs.iter().map(|log| log.owner).collect(),
        file_hash: Sha256::digest(&bytes),
    })
}

/// The root of trust for `verify`.
pub fn trust(path: &Path) -> Result<GenesisTrust> {
    let Root { chain_id, time, validators, file_hash, .. } = load(path)?;
    Ok(GenesisTrust { chain_id, validators, time, hash: file_hash })
}

/// The ledger's parameters in a genesis document that a node served.
pub fn params(document: &Value) -> Option<LedgerParams> {
    let bytes = serde_json::to_vec(document).ok()?;
    Genesis::from_json(&bytes).ok().map(|genesis| genesis.parts().params)
}

#[cfg(test)]
mod tests {
    use pyralog_consensus::block::ConsensusParams;
    use pyralog_consensus::genesis::{GenesisLog, GenesisParts, GenesisValidator};
    use pyralog_consensus::tx::LogName;
    use pyralog_crypto::{Address, SigningKey};

    use super::*;

    fn log_owner() -> PublicKey {
        SigningKey::from_seed([9; 32]).public_key()
    }

    fn genesis() -> Genesis {
        let validators = (1..=4).map(|seed| {
            let key = SigningKey::from_seed([seed; 32]).public_key();
            let (owner, stake) = (Address::from_key(&key), u64::from(seed) * 1_000_000);
            GenesisValidator { key, name: format!("v{seed}"), owner, stake }
        });
        Genesis::new(GenesisParts {
            chain_id: "pyralog-dev-test".to_owned(),
            genesis_time: Time::from_unix_timestamp(1_700_000_000, 0).unwrap(),
            consensus_params: ConsensusParams::default(),
            validators: validators.collect(),
            accounts: Vec::new(),
            logs: vec![GenesisLog { owner: log_owner(), name: LogName::new("notary").unwrap() }],
            params: LedgerParams { fee_base: 77, ..LedgerParams::DEFAULTS },
        })
        .unwrap()
    }

    #[test]
    fn a_genesis_file_becomes_a_root_with_sorted_validators() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("genesis.json");
        std::fs::write(&path, genesis().to_json()).unwrap();
        let root = load(&path).unwrap();
        assert_eq!(root.chain_id, "pyralog-dev-test");
        let powers: Vec<_> = root.validators.0.iter().map(|validator| validator.power).collect();
        assert_eq!(powers, [4, 3, 2, 1]);
        assert_eq!(root.log_owners, [log_owner()]);
        assert_eq!(root.file_hash, Sha256::digest(genesis().to_json().as_bytes()));
        assert_eq!(trust(&path).unwrap().hash, root.file_hash);
    }

    #[test]
    fn a_broken_genesis_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("genesis.json");
        for text in ["", "{}", "{\"chain_id\":\"x\"}"] {
            std::fs::write(&path, text).unwrap();
            let failure = load(&path).unwrap_err();
            assert_eq!(failure.code(), 1);
            assert!(failure.to_string().contains("genesis.json"), "{failure}");
        }
    }

    #[test]
    fn served_parameters_are_read_only_from_a_sound_document() {
        let served: Value = serde_json::from_str(&genesis().to_json()).unwrap();
        assert_eq!(params(&served).unwrap().fee_base, 77);
        assert_eq!(params(&serde_json::json!({ "app_state": {} })), None);
    }
}

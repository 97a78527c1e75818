//! Making a home.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use pyralog_consensus::block::{ConsensusParams, Timestamp, ValidatorAddress};
use pyralog_consensus::genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator, MAX_GENESIS_BYTES};
use pyralog_consensus::ledger::{LedgerParams, LogRecord};
use pyralog_consensus::tx::LogName;
use pyralog_crypto::{Address, KdfParams, LogId};

use crate::config::{KEYS, Key, Resolved, Sources};
use crate::error::{Error, Result};
use crate::home::{Home, HomeLock, PUBLIC, SECRET, read_bounded, write_atomic};
use crate::keys::{NodeKeys, PublicKeys, passphrase, random};

#[cfg(test)]
mod tests;

/// Stake of the only validator of a new network: power 100.
const STAKE: u64 = 100_000_000;
/// What its account holds beside: a million pyra.
const BALANCE: u64 = 1_000_000_000_000;

/// Where the genesis comes from.
#[derive(Clone, Debug)]
pub enum NewGenesis {
    /// A network of which this node is the only validator.
    Single {
        /// Its id; `None` is `pyralog-dev-` and random digits.
        chain_id: Option<String>,
        /// Further balances, upyra.
        funds: Vec<(Address, u64)>,
    },
    /// A copy of this file.
    Copy(PathBuf),
    /// Somebody puts it there later.
    Later,
}

/// What `init` was asked for.
#[derive(Clone, Debug)]
pub struct InitPlan {
    /// The genesis.
    pub genesis: NewGenesis,
    /// Settings to write into `pyralog.toml`, by key name.
    pub settings: BTreeMap<&'static str, String>,
    /// Name of the validator in the genesis.
    pub moniker: String,
    /// Make a passphrase and keep it beside the keys.
    pub generate_password: bool,
    /// Seal at the least cost.
    pub cheap_kdf: bool,
    /// Where the passphrase stands; empty asks for it.
    pub password_file: PathBuf,
    /// Name of the notary log.
    pub log_name: String,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The chain, where a genesis is there.
    pub chain_id: Option<String>,
    /// Public keys.
    pub keys: PublicKeys,
    /// CometBFT address of the validator key, 40 hex digits.
    pub address: String,
    /// Our notary log, where the chain is known.
    pub log: Option<LogId>,
    /// The libp2p peer id.
    pub peer_id: String,
    /// The file with the generated passphrase.
    pub password_file: Option<PathBuf>,
}

/// Makes a home. Nothing that exists is overwritten.
pub fn run(home: &Home, plan: &InitPlan) -> Result<Made> {
    home.create()?;
    let _lock = HomeLock::take(home)?;
    for path in [home.genesis(), home.config()] {
        if path.exists() {
            return Err(Error::home(&path, "this home is made already; use another --home, or remove the file first"));
        }
    }
    // Before any file is written, so that a refused genesis leaves no half-made home.
    let given = match &plan.genesis {
        NewGenesis::Copy(path) => Some(read_genesis(path)?),
        _ => None,
    };
    let mut settings = plan.settings.clone();
    let mut password_file = plan.password_file.clone();
    if plan.generate_password {
        password_file = home.keys().join("password");
        write_atomic(&password_file, format!("{}\n", hex::encode(random::<16>()?)).as_bytes(), SECRET)?;
        settings.insert("keys.password_file", "keys/password".into());
    }
    let secret = passphrase(&password_file, true)?;
    let keys = NodeKeys::generate()?;
    keys.save(home, &secret, if plan.cheap_kdf { KdfParams::CHEAPEST } else { KdfParams::RECOMMENDED })?;
    let genesis = match (&plan.genesis, given) {
        (NewGenesis::Single { chain_id, funds }, _) => {
            Some(single(home, plan, chain_id.clone(), funds, &keys.public())?)
        }
        (_, given) => given,
    };
    if let Some(genesis) = &genesis {
        write_atomic(&home.genesis(), genesis.to_json().as_bytes(), PUBLIC)?;
    }
    write_atomic(&home.config(), config_file(&settings)?.as_bytes(), PUBLIC)?;
    let public = keys.public();
    let log_name = log_name(plan)?;
    Ok(Made {
        chain_id: genesis.as_ref().map(|genesis| genesis.chain_id().to_owned()),
        address: hex::encode(ValidatorAddress::of(&public.validator).0),
        log: genesis.as_ref().map(|genesis| LogRecord::id(genesis.chain_id(), &public.log, &log_name)),
        peer_id: peer_id(&public.peer.0),
        keys: public,
        password_file: plan.generate_password.then_some(password_file),
    })
}

fn read_genesis(path: &std::path::Path) -> Result<Genesis> {
    let bytes = read_bounded(path, MAX_GENESIS_BYTES as u64)?;
    Genesis::from_json(&bytes).map_err(|e| Error::genesis(path, e.to_string()))
}

fn log_name(plan: &InitPlan) -> Result<LogName> {
    LogName::new(&plan.log_name).ok_or_else(|| {
        Error::Usage(format!("--notary-log-name: {:?} is not a name that a log can have", plan.log_name))
    })
}

fn single(
    home: &Home,
    plan: &InitPlan,
    chain_id: Option<String>,
    funds: &[(Address, u64)],
    keys: &PublicKeys,
) -> Result<Genesis> {
    let chain_id = match chain_id {
        Some(id) => id,
        None => format!("pyralog-dev-{}", hex::encode(random::<4>()?)),
    };
    let owner = Address::from_key(&keys.validator);
    let mut accounts: BTreeMap<Address, u64> = funds.iter().copied().collect();
    accounts.entry(owner).or_insert(BALANCE);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let parts = GenesisParts {
        chain_id,
        // Whole seconds, rounded down: the first block must be later.
        genesis_time: Timestamp(seconds.saturating_mul(1_000_000_000)).to_time(),
        consensus_params: ConsensusParams::DEFAULTS,
        validators: vec![GenesisValidator { key: keys.validator, name: plan.moniker.clone(), owner, stake: STAKE }],
        accounts: accounts.into_iter().collect(),
        logs: vec![GenesisLog { owner: keys.log, name: log_name(plan)? }],
        params: LedgerParams::DEFAULTS,
    };
    Genesis::new(parts).map_err(|e| Error::genesis(&home.genesis(), e.to_string()))
}

/// `pyralog.toml` with every key: those that were given as they were, the others as comments with their defaults.
pub(crate) fn config_file(settings: &BTreeMap<&'static str, String>) -> Result<String> {
    let resolved = Resolved::load(&Sources { file: None, env: &|_| None, flags: settings.clone() })?;
    let mut text = String::from("# Settings of this node. A flag or a PYRALOG_… variable outranks a line here.\n");
    let shown = resolved.show(false);
    let mut keys = KEYS.iter();
    for line in shown.lines() {
        let is_key = line.contains(" = ");
        let key: Option<&Key> = if is_key { keys.next() } else { None };
        match key {
            Some(key) if settings.contains_key(key.name) => text.push_str(&format!("# {}\n{line}\n", key.help)),
            Some(key) => text.push_str(&format!("# {}\n# {line}\n", key.help)),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    Ok(text)
}

/// The libp2p peer id of an Ed25519 key: base58btc of the identity multihash over the key's protobuf form.
pub(crate) fn peer_id(key: &[u8; 32]) -> String {
    let bytes = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], key].concat();
    pyralog_p2p::PeerId::from_bytes(&bytes).map(|id| id.to_string()).unwrap_or_default()
}

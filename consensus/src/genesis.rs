//! The genesis file: the shape of CometBFT's `genesis.json`, with the ledger's first state under `app_state`.
//!
//! ```text
//! { "genesis_time", "chain_id", "initial_height": "1",
//!   "consensus_params": { "block": { "max_bytes", "max_gas" },
//!                         "evidence": { "max_age_num_blocks", "max_age_duration", "max_bytes" },
//!                         "validator": { "pub_key_types": ["ed25519"] }, "version": { "app" },
//!                         "abci": { "vote_extensions_enable_height": "0" }, "synchrony": { "precision", "message_delay" } },
//!   "validators": [ { "address", "pub_key": { "type": "tendermint/PubKeyEd25519", "value" }, "power", "name" } ],
//!   "app_hash",
//!   "app_state": { "token": "pyra",
//!                  "accounts": [ { "address", "balance" } ],
//!                  "stakes": [ { "validator", "owner", "amount" } ],
//!                  "logs": [ { "owner", "name" } ],
//!                  "params": { "fees": { "base", "per_byte", "register_log" }, "max_expiry_blocks",
//!                              "slash_double_sign": { "numerator", "denominator" }, "max_validators", "min_stake" } } }
//! ```
//!
//! Integers are decimal strings, durations nanoseconds, amounts upyra (10^6 to the pyra), ledger keys 64 hexadecimal
//! digits. Unknown and duplicate keys are refused. `app_hash` may be empty: it follows from `app_state`.

mod error;
mod json;
mod parse;
mod write;

use std::collections::BTreeMap;

use pyralog_crypto::{Address, Encode, Frontier, Hash, LogId, MerkleHash, PublicKey, Sha256, Writer, check_chain_id};
use tendermint::Time;

use crate::{
    block::{ChainState, ConsensusParams, Timestamp, ValidatorAddress, ValidatorSet},
    ledger::{
        Account, ActiveSet, LedgerParams, LogRecord, POWER_UNIT, Totals, ValidatorRecord, Writes, genesis_writes,
        state_key,
    },
    tx::LogName,
};

pub use error::GenesisError;

/// The only token of a chain; 10^6 upyra are one pyra.
pub const TOKEN: &str = "pyra";
/// Largest genesis file, bytes.
pub const MAX_GENESIS_BYTES: usize = 64 << 20;
/// Longest name of a validator, bytes.
pub const MAX_VALIDATOR_NAME: usize = 128;

/// What a genesis file says, before it is checked as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisParts {
    /// 1 to 50 characters of `a-z A-Z 0-9 . _ -`.
    pub chain_id: String,
    /// The first block is later.
    pub genesis_time: Time,
    /// Parameters of consensus.
    pub consensus_params: ConsensusParams,
    /// The first validators with their names.
    pub validators: Vec<GenesisValidator>,
    /// First balances, upyra.
    pub accounts: Vec<(Address, u64)>,
    /// Logs that are registered from the start.
    pub logs: Vec<GenesisLog>,
    /// Parameters of the ledger.
    pub params: LedgerParams,
}

/// A validator of genesis. Its power is its stake / 10^6, rounding down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisValidator {
    /// Its consensus key.
    pub key: PublicKey,
    /// For people.
    pub name: String,
    /// Who owns the stake.
    pub owner: Address,
    /// Upyra.
    pub stake: u64,
}

/// A log of genesis. Its id is `LogId::derive(chain id, owner, name)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisLog {
    /// The key that signs its checkpoints.
    pub owner: PublicKey,
    /// Its name.
    pub name: LogName,
}

/// A checked genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    parts: GenesisParts,
    app_hash: Hash,
    writes: Writes,
}

impl Genesis {
    /// Checks the parts against each other and computes the first state. Order does not count: validators, accounts and
    /// logs are sorted.
    ///
    /// # Errors
    /// [`GenesisError::Field`] names the field that breaks a rule.
    pub fn new(mut parts: GenesisParts) -> Result<Self, GenesisError> {
        parts.validators.sort_by_key(|v| v.key);
        parts.accounts.sort();
        parts.logs.sort_by(|a, b| (a.owner, &a.name).cmp(&(b.owner, &b.name)));
        check(&parts)?;
        let (app_hash, writes) = genesis_writes(&parts.chain_id, values(&parts)?)
            .map_err(|e| GenesisError::field("app_state", e.to_string()))?;
        let genesis = Self { parts, app_hash, writes };
        genesis.chain_state()?;
        Ok(genesis)
    }

    /// Parses a genesis file.
    ///
    /// # Errors
    /// [`GenesisError`] with the place in the file.
    pub fn from_json(bytes: &[u8]) -> Result<Self, GenesisError> {
        parse::genesis(bytes)
    }

    /// The genesis file, with two spaces of indentation and a newline at the end.
    pub fn to_json(&self) -> String {
        write::genesis(self)
    }

    /// What the file says.
    pub fn parts(&self) -> &GenesisParts {
        &self.parts
    }

    /// The chain.
    pub fn chain_id(&self) -> &str {
        &self.parts.chain_id
    }

    /// Root of the first state: the `app_hash` of the first header.
    pub fn app_hash(&self) -> Hash {
        self.app_hash
    }

    /// The first state: writes for an empty store, sorted by key.
    pub fn state(&self) -> &Writes {
        &self.writes
    }

    /// Identifies the genesis whatever its file's layout: SHA-256 of its canonical encoding, which is text
    /// `pyralog/genesis/v1`, text chain id, genesis time (u64, nanoseconds since 1970), consensus parameters, list of
    /// (key, name, owner, stake), list of (address, balance), list of (owner, name), ledger parameters, app hash.
    pub fn hash(&self) -> Hash {
        let p = &self.parts;
        let mut w = Writer::signing("pyralog/genesis/v1", &p.chain_id);
        w.u64(Timestamp::from_time(p.genesis_time).unwrap_or_default().0).put(&p.consensus_params);
        w.list(&p.validators, |w, v| {
            w.put(&v.key).text(&v.name).put(&v.owner).u64(v.stake);
        });
        w.list(&p.accounts, |w, (address, balance)| {
            w.put(address).u64(*balance);
        });
        w.list(&p.logs, |w, log| {
            w.put(&log.owner).put(&log.name);
        });
        w.put(&p.params).put(&self.app_hash);
        Sha256::digest(w.as_bytes())
    }

    /// Key and power of each validator, sorted by key.
    pub fn powers(&self) -> Vec<(PublicKey, u64)> {
        self.parts.validators.iter().map(|v| (v.key, v.stake / POWER_UNIT)).collect()
    }

    /// The ids of the logs of genesis.
    pub fn log_ids(&self) -> Vec<LogId> {
        self.parts.logs.iter().map(|log| LogRecord::id(&self.parts.chain_id, &log.owner, &log.name)).collect()
    }

    /// The chain before its first block.
    ///
    /// # Errors
    /// None after [`Genesis::new`] accepted the parts.
    pub fn chain_state(&self) -> Result<ChainState, GenesisError> {
        let p = &self.parts;
        let validators =
            ValidatorSet::new(&self.powers()).map_err(|e| GenesisError::field("validators", e.to_string()))?;
        ChainState::genesis(&p.chain_id, p.genesis_time, validators, p.consensus_params, self.app_hash)
            .map_err(|e| GenesisError::field("consensus_params", e.to_string()))
    }
}

fn check(p: &GenesisParts) -> Result<(), GenesisError> {
    let fail = GenesisError::field::<String>;
    check_chain_id(&p.chain_id).map_err(|e| fail("chain_id", e.to_string()))?;
    if Timestamp::from_time(p.genesis_time).is_none() {
        return Err(fail("genesis_time", "must be between 1970 and 2554".into()));
    }
    if !p.consensus_params.is_sound() {
        return Err(fail("consensus_params", "a value is out of bounds; see docs/protocol.md, section Genesis".into()));
    }
    p.params.check().map_err(|(field, why)| GenesisError::field(&format!("app_state.params.{field}"), why))?;
    if p.validators.is_empty() || p.validators.len() > p.params.max_validators as usize {
        return Err(fail("validators", format!("must be 1 to {} (max_validators)", p.params.max_validators)));
    }
    if let Some(pair) = p.validators.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(fail("validators", format!("key {} appears twice", pair[0].key)));
    }
    for v in &p.validators {
        if v.name.len() > MAX_VALIDATOR_NAME {
            return Err(fail("validators", format!("the name of {} is longer than {MAX_VALIDATOR_NAME} bytes", v.key)));
        }
        if v.stake < p.params.min_stake {
            let minimum = p.params.min_stake;
            return Err(fail(
                "app_state.stakes",
                format!("the stake of {} is below min_stake, {minimum} upyra", v.key),
            ));
        }
    }
    if let Some(pair) = p.accounts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(fail("app_state.accounts", format!("{} appears twice", pair[0].0)));
    }
    if let Some((address, _)) = p.accounts.iter().find(|(_, balance)| *balance == 0) {
        return Err(fail("app_state.accounts", format!("{address} has balance 0; leave it out")));
    }
    if let Some(pair) = p.logs.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(fail("app_state.logs", format!("log {} of {} appears twice", pair[0].name, pair[0].owner)));
    }
    Ok(())
}

/// The values of version 0, by name.
fn values(p: &GenesisParts) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, GenesisError> {
    let mut values = BTreeMap::new();
    let mut chain = Writer::new();
    chain.text(&p.chain_id);
    values.insert(state_key::CHAIN.to_vec(), chain.into_bytes());
    values.insert(state_key::PARAMS.to_vec(), p.params.to_bytes());
    values.insert(state_key::HEADERS.to_vec(), Frontier::<Sha256>::new().to_bytes());
    for (address, balance) in &p.accounts {
        values.insert(state_key::account(address), Account { nonce: 0, balance: *balance }.to_bytes());
    }
    let mut active = ActiveSet::default();
    for v in &p.validators {
        let record =
            ValidatorRecord { key: v.key, owner: v.owner, bonded: v.stake, tombstoned_at: 0, unbonding: Vec::new() };
        active.0.push((v.key, record.power()));
        values.insert(state_key::validator(&ValidatorAddress::of(&v.key)), record.to_bytes());
    }
    values.insert(state_key::ACTIVE.to_vec(), active.to_bytes());
    for (n, log) in (0u64..).zip(&p.logs) {
        let id = LogRecord::id(&p.chain_id, &log.owner, &log.name);
        values.insert(state_key::log(&id), LogRecord::new(log.owner, log.name.clone(), 0).to_bytes());
        values.insert(state_key::log_number(n), id.to_bytes());
    }
    let balances: u128 = p.accounts.iter().map(|(_, balance)| u128::from(*balance)).sum();
    let bonded: u128 = p.validators.iter().map(|v| u128::from(v.stake)).sum();
    let too_much = || GenesisError::field("app_state", "balances and stakes exceed 2^64-1 upyra together");
    let totals = Totals {
        supply: u64::try_from(balances + bonded).map_err(|_| too_much())?,
        bonded: u64::try_from(bonded).map_err(|_| too_much())?,
        logs: p.logs.len() as u64,
        ..Totals::default()
    };
    values.insert(state_key::TOTALS.to_vec(), totals.to_bytes());
    Ok(values)
}

#[cfg(test)]
mod tests;

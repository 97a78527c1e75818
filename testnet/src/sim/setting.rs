//! Keys and genesis of a simulated network.

use anyhow::{Context, Result};
use pyralog_consensus::block::{ConsensusParams, TimeRule, Timestamp};
use pyralog_consensus::genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator};
use pyralog_consensus::ledger::{LedgerParams, POWER_UNIT};
use pyralog_consensus::tx::LogName;
use pyralog_crypto::{Address, SigningKey};

use super::plan::{MS, PRECISION, Plan, SECOND};

pub(super) const CHAIN: &str = "pyralog-dev-sim";
pub(super) const LOG_NAME: &str = "notary";
/// Nanoseconds since 1970 at genesis.
pub(super) const GENESIS: u64 = 1_800_000_000 * SECOND;
/// Accounts that send transfers.
pub(super) const ACCOUNTS: usize = 4;
/// Notary logs.
pub(super) const LOGS: usize = 2;
/// Stake of a validator, in units of power.
pub(super) const POWER: u64 = 10;
const RICH: u64 = 1_000_000_000_000;

/// The consensus key of a node.
pub(super) fn node_key(node: usize) -> SigningKey {
    seeded(1, node)
}

/// The account that owns a node's stake.
pub(super) fn owner_key(node: usize) -> SigningKey {
    seeded(2, node)
}

/// An account that sends transfers.
pub(super) fn account_key(account: usize) -> SigningKey {
    seeded(3, account)
}

/// The key of a notary log.
pub(super) fn log_key(log: usize) -> SigningKey {
    seeded(4, log)
}

pub(super) fn address(key: &SigningKey) -> Address {
    Address::from_key(&key.public_key())
}

/// The keys of all accounts there can be: nothing is ever sent elsewhere.
pub(super) fn all_accounts(nodes: usize) -> Vec<Address> {
    let owners = (0..nodes).map(owner_key);
    owners.chain((0..ACCOUNTS).map(account_key)).map(|key| address(&key)).collect()
}

fn seeded(kind: u8, number: usize) -> SigningKey {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    SigningKey::from_seed(seed)
}

/// The genesis of a plan.
pub(super) fn genesis(plan: &Plan) -> Result<Genesis> {
    let name = LogName::new(LOG_NAME).context("the name of the logs")?;
    let validator = |node| GenesisValidator {
        key: node_key(node).public_key(),
        name: format!("node{node}"),
        owner: address(&owner_key(node)),
        stake: POWER * POWER_UNIT,
    };
    let parts = GenesisParts {
        chain_id: CHAIN.into(),
        genesis_time: Timestamp(GENESIS).to_time(),
        consensus_params: ConsensusParams {
            max_block_bytes: 1 << 20,
            time_rule: TimeRule { precision_ns: PRECISION, message_delay_ns: 1_000 * MS },
            ..ConsensusParams::DEFAULTS
        },
        validators: (0..plan.validators).map(validator).collect(),
        accounts: all_accounts(plan.nodes()).into_iter().map(|address| (address, RICH)).collect(),
        logs: (0..LOGS).map(|log| GenesisLog { owner: log_key(log).public_key(), name: name.clone() }).collect(),
        params: LedgerParams::DEFAULTS,
    };
    Ok(Genesis::new(parts)?)
}

//! Making a new network: keys, genesis, homes, prefunded accounts.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use pyralog_consensus::block::ConsensusParams;
use pyralog_consensus::genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator};
use pyralog_consensus::ledger::LedgerParams;
use pyralog_consensus::tx::LogName;
use pyralog_crypto::keystore::{self, NONCE_BYTES, SALT_BYTES};
use pyralog_crypto::{Address, KdfParams, SigningKey};
use tendermint::Time;

use super::layout::Layout;
use super::state::{Account, MemberOf, Node, Ports, State, TunnelMode};
use super::{config, files, peer_id, ports};

/// Prefunded accounts of a new network.
const ACCOUNTS: usize = 10;
/// Balance of each at genesis: a million pyra.
const BALANCE: u64 = 1_000_000_000_000;
/// Stake of each validator: power 100.
const STAKE: u64 = 100_000_000;
/// The notary log that every cluster has from genesis on.
const LOG_NAME: &str = "notary";
/// What `pyralog`, CometBFT clients, Prometheus and peers try when they are told nothing.
pub const DEFAULT_PORTS: Ports = Ports { rpc: 26657, api: 8080, metrics: 26660, p2p: 51820 };
/// Random bytes in a generated password.
const PASSWORD_BYTES: usize = 16;

/// Everything of one node that the others or the genesis need.
struct NewNode {
    name: String,
    validator: SigningKey,
    log: SigningKey,
    peer: SigningKey,
}

/// Makes the network in `layout`. The directory must be empty of a network; whatever an interrupted creation left is
/// removed first. Each validator is a cluster of `members`, of which the first is made here: the homes of the others need a founder that
/// runs.
///
/// With `default_ports`, node0 gets the ports that every program defaults to, each where it is free.
pub fn create(
    layout: &Layout,
    validators: usize,
    members: usize,
    block_interval_ms: u64,
    tunnel: TunnelMode,
    default_ports: bool,
) -> Result<State> {
    files::make_dir(layout.root())?;
    // While this file stands, what is beside it may be incomplete.
    files::write(&layout.unfinished(), b"", files::PUBLIC)?;
    for path in [layout.nodes(), layout.accounts(), layout.genesis(), layout.manifest()] {
        files::remove(&path)?;
    }
    let chain_id = format!("pyralog-dev-{}", hex::encode(random::<4>()?));
    let nodes: Vec<NewNode> = (0..validators).map(new_node).collect::<Result<_>>()?;
    let accounts: Vec<SigningKey> = (0..ACCOUNTS).map(|_| new_key()).collect::<Result<_>>()?;

    let genesis = genesis(&chain_id, &nodes, &accounts)?.to_json();
    files::write(&layout.genesis(), genesis.as_bytes(), files::PUBLIC)?;

    let mut ports = pick_ports(validators * members, &DEFAULT_PORTS, default_ports, ports::is_free)?.into_iter();
    let mut state = State::new(chain_id, block_interval_ms, Vec::new(), Vec::new());
    state.tunnel = tunnel;
    for (node, ports) in nodes.iter().zip(ports.by_ref()) {
        write_home(layout, node, genesis.as_bytes())?;
        let peer_id = peer_id::of(&node.peer.public_key());
        state.nodes.push(Node { name: node.name.clone(), member_of: None, peer_id, ports, process: None });
    }
    let further = (0..validators).flat_map(|cluster| (1..members).map(move |member| MemberOf { cluster, member }));
    for (of, ports) in further.zip(ports) {
        let peer_id = String::new();
        state.nodes.push(Node { name: of.name(), member_of: Some(of), peer_id, ports, process: None });
    }
    for (index, key) in accounts.iter().enumerate() {
        state.accounts.push(write_account(layout, index, key)?);
    }
    config::write_all(layout, &state)?;
    state.save(layout)?;
    files::remove(&layout.unfinished())?;
    Ok(state)
}

/// Four ports for each node, the founders first. The default ports go to node0, those that `is_free` says are free, or to nobody: another node must not be
/// taken for it.
fn pick_ports(nodes: usize, defaults: &Ports, for_node0: bool, is_free: impl Fn(u16) -> bool) -> Result<Vec<Ports>> {
    let free = ports::pick(nodes * 4, &BTreeSet::from(defaults.all()), u64::from_be_bytes(random()?))?;
    let mut ports: Vec<Ports> =
        free.chunks_exact(4).map(|p| Ports { rpc: p[0], api: p[1], metrics: p[2], p2p: p[3] }).collect();
    if let Some(first) = ports.first_mut().filter(|_| for_node0) {
        let choose = |default: u16, other: u16| if is_free(default) { default } else { other };
        *first = Ports {
            rpc: choose(defaults.rpc, first.rpc),
            api: choose(defaults.api, first.api),
            metrics: choose(defaults.metrics, first.metrics),
            p2p: choose(defaults.p2p, first.p2p),
        };
    }
    Ok(ports)
}

fn genesis(chain_id: &str, nodes: &[NewNode], accounts: &[SigningKey]) -> Result<Genesis> {
    let validators = nodes
        .iter()
        .map(|node| {
            let key = node.validator.public_key();
            GenesisValidator { key, name: node.name.clone(), owner: Address::from_key(&key), stake: STAKE }
        })
        .collect();
    let name = LogName::new(LOG_NAME).context("the name of the notary logs is not allowed")?;
    let logs = nodes.iter().map(|node| GenesisLog { owner: node.log.public_key(), name: name.clone() }).collect();
    let accounts = accounts.iter().map(|key| (Address::from_key(&key.public_key()), BALANCE)).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock of this machine is before 1970")?;
    // Whole seconds, rounded down: the first block must be later.
    let genesis_time =
        Time::from_unix_timestamp(i64::try_from(now.as_secs())?, 0).context("the clock of this machine")?;
    let parts = GenesisParts {
        chain_id: chain_id.to_owned(),
        genesis_time,
        consensus_params: ConsensusParams::default(),
        validators,
        accounts,
        logs,
        params: LedgerParams::DEFAULTS,
    };
    Genesis::new(parts).context("cannot make the genesis")
}

fn new_node(index: usize) -> Result<NewNode> {
    Ok(NewNode { name: format!("node{index}"), validator: new_key()?, log: new_key()?, peer: new_key()? })
}

/// The home without its configuration: genesis, sealed keys, password file.
fn write_home(layout: &Layout, node: &NewNode, genesis: &[u8]) -> Result<()> {
    let home = layout.home(&node.name);
    files::make_private_dir(&home)?;
    let keys = config::keys_dir(&home);
    files::make_private_dir(&keys)?;
    files::write(&home.join("genesis.json"), genesis, files::PUBLIC)?;
    let password = password()?;
    files::write(&config::password_file(&home), format!("{password}\n").as_bytes(), files::SECRET)?;
    for (file, key) in [("validator.key", &node.validator), ("log.key", &node.log), ("peer.key", &node.peer)] {
        files::write(&keys.join(file), &seal(key, &password)?, files::SECRET)?;
    }
    Ok(())
}

fn write_account(layout: &Layout, index: usize, key: &SigningKey) -> Result<Account> {
    let name = format!("account{index}");
    let dir = layout.accounts();
    files::make_private_dir(&dir)?;
    let password = password()?;
    files::write(&dir.join(format!("{name}.json")), &seal(key, &password)?, files::SECRET)?;
    files::write(&dir.join(format!("{name}.password")), format!("{password}\n").as_bytes(), files::SECRET)?;
    Ok(Account { name, address: Address::from_key(&key.public_key()).to_string(), balance: BALANCE })
}

/// Sealed at the least cost: the passphrase lies in a file beside the key, so stretching it would only slow the start.
fn seal(key: &SigningKey, password: &str) -> Result<Vec<u8>> {
    let (salt, nonce) = (random::<SALT_BYTES>()?, random::<NONCE_BYTES>()?);
    keystore::seal(key, password.as_bytes(), KdfParams::CHEAPEST, salt, nonce).context("cannot seal a key")
}

fn password() -> Result<String> {
    Ok(hex::encode(random::<PASSWORD_BYTES>()?))
}

fn new_key() -> Result<SigningKey> {
    Ok(SigningKey::from_seed(random()?))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

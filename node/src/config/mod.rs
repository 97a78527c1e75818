//! The node's configuration: one table of keys feeds the defaults, the file, the environment, the flags and `config show`.
//!
//! Precedence: flag > environment (`PYRALOG_…`) > `pyralog.toml` > default. An unknown key in the file is refused
//! with its line, so that a typing mistake never silently means "default".

mod file;
mod keys;
mod layers;
mod value;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use pyralog_cluster_core::raft::EpochShards;

pub use keys::{KEYS, Key};
pub use layers::{ConfigError, Origin, Resolved, Sources};
pub use value::{LogFormat, Loopback, PostQuantum, Served, Shards, TunnelMode};

/// With short block intervals a few rounds without a decision are no stall yet.
const LEAST_STALL: Duration = Duration::from_secs(5);

/// Every setting of the node, parsed and checked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// Who this node says it is.
    pub node: NodeConfig,
    /// Where log lines go and how they look.
    pub log: LogConfig,
    /// The CometBFT-compatible RPC.
    pub rpc: RpcConfig,
    /// The native HTTP API.
    pub api: ApiConfig,
    /// Metrics, `/livez`, `/readyz`.
    pub metrics: MetricsConfig,
    /// The peer-to-peer network.
    pub p2p: P2pConfig,
    /// The tunnels that carry it.
    pub tunnel: TunnelConfig,
    /// Block production.
    pub consensus: ConsensusConfig,
    /// Transactions that wait for a block.
    pub mempool: MempoolConfig,
    /// The disk.
    pub store: StoreConfig,
    /// Notarization.
    pub notary: NotaryConfig,
    /// Record logs.
    pub logs: LogsConfig,
    /// The cluster that this node is a member of.
    pub cluster: ClusterConfig,
    /// The sealed keys.
    pub keys: KeysConfig,
}

impl Config {
    /// How long no block may come until `/readyz` says stalled: what is configured, else ten block intervals, at least 5 s.
    pub fn stall_after(&self) -> Duration {
        match self.metrics.stall_after_s {
            0 => Duration::from_millis(self.consensus.block_interval_ms.saturating_mul(10)).max(LEAST_STALL),
            seconds => Duration::from_secs(seconds),
        }
    }
}

/// `[node]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// A name for people; shown by `/status` and `net_info`.
    pub moniker: String,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
    /// A `tracing` filter, such as `info` or `info,pyralog_node=debug`.
    pub filter: String,
}

/// `[rpc]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcConfig {
    /// Loopback address of the CometBFT-compatible RPC; port 0 takes a free port.
    pub listen: Loopback,
    /// Largest request body, bytes.
    pub max_body_bytes: usize,
    /// Connections served at once; further ones wait.
    pub max_connections: usize,
    /// WebSocket connections served at once, never more than half of `max_connections`; further ones are refused.
    pub max_websockets: usize,
    /// Calls in one JSON-RPC batch.
    pub max_batch: usize,
    /// Subscriptions of one WebSocket connection.
    pub max_subscriptions: usize,
    /// Events held for one slow WebSocket connection before it is closed.
    pub max_queued_events: usize,
    /// How long `broadcast_tx_commit` waits for the block, milliseconds.
    pub broadcast_commit_timeout_ms: u64,
    /// Browser origins that may call, besides none.
    pub allowed_origins: Vec<String>,
    /// Host header names that are accepted, besides loopback names.
    pub allowed_hosts: Vec<String>,
}

/// `[api]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Loopback address of the native API; port 0 takes a free port.
    pub listen: Loopback,
    /// Largest request body, bytes.
    pub max_body_bytes: usize,
    /// Connections served at once; further ones wait.
    pub max_connections: usize,
    /// Longest `wait_ms` that a caller may ask for.
    pub max_wait_ms: u64,
    /// Seconds after which an unanswered request is given up.
    pub request_timeout_s: u64,
    /// Requests per second and client address; 0 switches the limit off.
    pub rate_limit_per_s: u64,
    /// Browser origins that may call, besides none.
    pub allowed_origins: Vec<String>,
    /// Host header names that are accepted, besides loopback names.
    pub allowed_hosts: Vec<String>,
}

/// `[metrics]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Loopback address of `/metrics`, `/livez` and `/readyz`; port 0 takes a free port.
    pub listen: Loopback,
    /// Seconds without a new block after which `/readyz` says stalled; 0 follows the block interval, see [`Config::stall_after`].
    pub stall_after_s: u64,
}

/// `[p2p]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct P2pConfig {
    /// Multiaddresses to listen on: with tunnels the one UDP socket of all of them, without them TCP and QUIC.
    pub listen: Vec<String>,
    /// Multiaddresses (with `/p2p/PEER`) to dial at start and to keep.
    pub bootstrap: Vec<String>,
    /// Multiaddresses to announce, where they differ from those listened on.
    pub external: Vec<String>,
    /// Most peers connected at once.
    pub max_peers: usize,
}

/// `[tunnel]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// Whether links run in WireGuard tunnels.
    pub mode: TunnelMode,
    /// Whether nothing passes before a key that withstands quantum computers.
    pub post_quantum: PostQuantum,
    /// Name of the network device of mode `tun`.
    pub device: String,
    /// What is served on our address inside the tunnels too, in mode `tun`.
    pub serve: Vec<Served>,
    /// File with the parameters of an obfuscation, relative to the home; empty: none.
    pub obfuscation: PathBuf,
}

/// `[consensus]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsensusConfig {
    /// Target time between blocks, milliseconds.
    pub block_interval_ms: u64,
    /// How long round 0 waits for a proposal, milliseconds.
    pub timeout_propose_ms: u64,
    /// How much longer each further round does, milliseconds.
    pub timeout_propose_delta_ms: u64,
    /// How long round 0 waits for more votes after > 2/3 that do not agree, milliseconds.
    pub timeout_vote_ms: u64,
    /// How much longer each further round does, milliseconds.
    pub timeout_vote_delta_ms: u64,
    /// How long the signer watches for its own signatures after a start, milliseconds.
    pub observe_ms: u64,
}

/// `[mempool]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Transactions held at most.
    pub max_txs: usize,
    /// Bytes of transactions held at most.
    pub max_bytes: usize,
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Leaves and records are refused while the disk has fewer free bytes, so that consensus does not meet a full one; 0 is no reserve.
    pub reserve_bytes: u64,
}

/// `[notary]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotaryConfig {
    /// Whether this node takes leaves at all.
    pub enabled: bool,
    /// Leaves of one submission.
    pub max_leaves: usize,
    /// Leaves that may wait for the disk at once; more are answered with 503 and `Retry-After`.
    pub max_pending_leaves: usize,
    /// Leaves that may wait for an anchor at once; more are answered with 503 and `Retry-After`. Only a chain that stands still gets there.
    pub max_unanchored_leaves: u64,
    /// Blocks after the promise within which the leaf must be anchored.
    pub anchor_within_blocks: u64,
    /// Name under which our log key registered the notary log.
    pub log_name: String,
}

/// `[logs]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsConfig {
    /// Seconds between two looks for records that their log need not keep.
    pub retention_interval_s: u64,
}

/// `[cluster]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Copies of each record of a new log, as far as there are members.
    pub replication: u64,
    /// Durable copies before a record is acknowledged; with fewer members than `replication`, more than half of them.
    pub copies: u64,
    /// Groups that keep the epochs of partitions: the same on all members, for ever.
    pub epoch_shards: Shards,
}

/// `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysConfig {
    /// File that holds the passphrase of the keystores; empty: ask on the terminal. Relative to the home when it stands in the file.
    pub password_file: PathBuf,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { moniker: "pyralog".into() }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: Loopback::port(26657),
            max_body_bytes: 1 << 20,
            max_connections: 512,
            max_websockets: 128,
            max_batch: 100,
            max_subscriptions: 5,
            max_queued_events: 200,
            broadcast_commit_timeout_ms: 10_000,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: Loopback::port(8080),
            max_body_bytes: 4 << 20,
            max_connections: 1024,
            max_wait_ms: 60_000,
            request_timeout_s: 75,
            rate_limit_per_s: 20_000,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: Loopback::port(26660), stall_after_s: 0 }
    }
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self {
            listen: vec!["/ip4/127.0.0.1/udp/51820".into()],
            bootstrap: Vec::new(),
            external: Vec::new(),
            max_peers: 64,
        }
    }
}

impl Default for TunnelConfig {
    fn default() -> Self {
        Self {
            mode: TunnelMode::default(),
            post_quantum: PostQuantum::default(),
            obfuscation: PathBuf::new(),
            device: "pyra0".into(),
            serve: Vec::new(),
        }
    }
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self {
            block_interval_ms: 500,
            timeout_propose_ms: 1_500,
            timeout_propose_delta_ms: 500,
            timeout_vote_ms: 500,
            timeout_vote_delta_ms: 250,
            observe_ms: 1_000,
        }
    }
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self { max_txs: 20_000, max_bytes: 64 << 20 }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { reserve_bytes: 32 << 20 }
    }
}

impl Default for NotaryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_leaves: 1_000,
            max_pending_leaves: 200_000,
            max_unanchored_leaves: 1_000_000,
            anchor_within_blocks: 100,
            log_name: "notary".into(),
        }
    }
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self { retention_interval_s: 10 }
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self { replication: 3, copies: 2, epoch_shards: Shards(EpochShards::Shared(1)) }
    }
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self { password_file: PathBuf::new() }
    }
}

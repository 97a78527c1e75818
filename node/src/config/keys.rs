//! The table of keys: name, meaning, bounds. Adding a setting is adding a line here and a field in `Config`.

use std::ops::RangeInclusive;

use super::Config;
use super::value::Setting;

/// One setting.
pub struct Key {
    /// `section.name`, as in the file.
    pub name: &'static str,
    /// What it does, for `--help` and the operator guide.
    pub help: &'static str,
    /// True where the file holds an array of strings.
    pub list: bool,
    /// Bounds of a number, or of the number of items of a list.
    pub range: RangeInclusive<u64>,
    pub(super) get: fn(&Config) -> String,
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Key {
    /// The key called `name`.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The flag without its dashes: `rpc.listen` is `rpc-listen`. The password file has the name that all programs use.
    pub fn flag(&self) -> String {
        self.name.trim_start_matches("keys.").replace(['.', '_'], "-")
    }

    /// The environment variable: `rpc.listen` is `PYRALOG_RPC_LISTEN`.
    pub fn env(&self) -> String {
        format!("PYRALOG_{}", self.name.trim_start_matches("keys.").replace('.', "_").to_uppercase())
    }

    /// This key's value in `config`, as text.
    pub fn show(&self, config: &Config) -> String {
        (self.get)(config)
    }

    /// Parses `text`, checks its bounds, and stores it.
    pub(super) fn apply(&self, config: &mut Config, text: &str) -> Result<(), String> {
        (self.set)(config, text)?;
        let measured = if self.list {
            text.split(',').filter(|item| !item.trim().is_empty()).count() as u64
        } else {
            match (self.get)(config).parse::<u64>() {
                Ok(number) => number,
                Err(_) => return Ok(()),
            }
        };
        if self.range.contains(&measured) {
            return Ok(());
        }
        let (low, high) = (self.range.start(), self.range.end());
        let what = if self.list { "items" } else { "is" };
        Err(format!("{measured} {what} out of bounds: {low} to {high} allowed"))
    }
}

macro_rules! key {
    ($name:literal, $section:ident . $field:ident, $range:expr, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            list: list_of(|c: &Config| &c.$section.$field),
            range: $range,
            get: |config| Setting::show(&config.$section.$field),
            set: |config, text| {
                config.$section.$field = Setting::parse(text)?;
                Ok(())
            },
        }
    };
}

const fn list_of<T: Setting>(_: fn(&Config) -> &T) -> bool {
    T::LIST
}

const ANY: RangeInclusive<u64> = 0..=u64::MAX;

/// Every key, in the order of the file that `init` writes.
pub static KEYS: &[Key] = &[
    key!("node.moniker", node.moniker, ANY, "Name of this node, for people"),
    key!("log.format", log.format, ANY, "Log lines as text or json"),
    key!(
        "log.filter",
        log.filter,
        ANY,
        "Which log lines: a level, or a tracing filter such as info,pyralog_node=debug"
    ),
    key!("rpc.listen", rpc.listen, ANY, "CometBFT-compatible RPC, loopback only; port 0 takes a free port"),
    key!("rpc.max_body_bytes", rpc.max_body_bytes, 1_024..=64 << 20, "Largest RPC request body"),
    key!("rpc.max_connections", rpc.max_connections, 1..=65_536, "RPC connections served at once"),
    key!(
        "rpc.max_websockets",
        rpc.max_websockets,
        1..=65_536,
        "WebSockets served at once, at most half of the connections"
    ),
    key!("rpc.max_batch", rpc.max_batch, 1..=10_000, "Calls in one JSON-RPC batch"),
    key!("rpc.max_subscriptions", rpc.max_subscriptions, 1..=1_000, "Subscriptions of one WebSocket connection"),
    key!("rpc.max_queued_events", rpc.max_queued_events, 1..=100_000, "Events held for a slow WebSocket connection"),
    key!(
        "rpc.broadcast_commit_timeout_ms",
        rpc.broadcast_commit_timeout_ms,
        100..=600_000,
        "How long broadcast_tx_commit waits for its block"
    ),
    key!("rpc.allowed_origins", rpc.allowed_origins, 0..=64, "Browser origins that may call the RPC"),
    key!("rpc.allowed_hosts", rpc.allowed_hosts, 0..=64, "Host names accepted besides loopback names"),
    key!("api.listen", api.listen, ANY, "Native HTTP API, loopback only; port 0 takes a free port"),
    key!("api.max_body_bytes", api.max_body_bytes, 4_096..=64 << 20, "Largest API request body"),
    key!("api.max_connections", api.max_connections, 1..=65_536, "API connections served at once"),
    key!("api.max_wait_ms", api.max_wait_ms, 0..=600_000, "Longest wait_ms of a caller"),
    key!("api.request_timeout_s", api.request_timeout_s, 1..=3_600, "Seconds until a request is given up"),
    key!("api.rate_limit_per_s", api.rate_limit_per_s, ANY, "Requests per second and client address, 0 for no limit"),
    key!("api.allowed_origins", api.allowed_origins, 0..=64, "Browser origins that may call the API"),
    key!("api.allowed_hosts", api.allowed_hosts, 0..=64, "Host names accepted besides loopback names"),
    key!("metrics.listen", metrics.listen, ANY, "Prometheus metrics, /livez and /readyz, loopback only"),
    key!(
        "metrics.stall_after_s",
        metrics.stall_after_s,
        0..=86_400,
        "Seconds without a block until /readyz says stalled; 0 for ten block intervals, at least 5 s"
    ),
    key!(
        "p2p.listen",
        p2p.listen,
        0..=16,
        "Multiaddress to listen on for peers: the UDP socket of the tunnels, /ip4/0.0.0.0/udp/51820; with tunnel.mode off TCP and QUIC, as many as you like"
    ),
    key!("p2p.bootstrap", p2p.bootstrap, 0..=256, "Multiaddresses of peers to dial, each with /p2p/PEER"),
    key!(
        "p2p.external",
        p2p.external,
        0..=16,
        "Multiaddresses to announce, where others reach this node by others than those listened on"
    ),
    key!("p2p.max_peers", p2p.max_peers, 1..=4_096, "Most peers at once"),
    key!(
        "tunnel.mode",
        tunnel.mode,
        ANY,
        "How peers are reached: userspace is WireGuard without privileges, tun the same with a network device for other programs, off is TCP and QUIC without tunnels, which the whole network has then"
    ),
    key!(
        "tunnel.post_quantum",
        tunnel.post_quantum,
        ANY,
        "required: nothing passes a tunnel before Rosenpass has agreed on a key; off is WireGuard alone; the same in the whole network"
    ),
    key!(
        "tunnel.device",
        tunnel.device,
        ANY,
        "Name of the network device of tunnel.mode tun; pyra%d takes the first free number"
    ),
    key!(
        "tunnel.serve",
        tunnel.serve,
        0..=3,
        "What of rpc, api and metrics peers may call at our address inside the tunnels, at the same ports; needs tunnel.mode tun"
    ),
    key!(
        "tunnel.obfuscation",
        tunnel.obfuscation,
        ANY,
        "File with AmneziaWG parameters or a Secret, relative to the home, mode 0600: datagrams look like nothing known; empty switches it off; the same in the whole network"
    ),
    key!("consensus.block_interval_ms", consensus.block_interval_ms, 1..=3_600_000, "Target time between blocks"),
    key!("consensus.timeout_propose_ms", consensus.timeout_propose_ms, 1..=600_000, "Round 0: wait for a proposal"),
    key!(
        "consensus.timeout_propose_delta_ms",
        consensus.timeout_propose_delta_ms,
        1..=600_000,
        "How much longer each further round waits for a proposal"
    ),
    key!("consensus.timeout_vote_ms", consensus.timeout_vote_ms, 1..=600_000, "Round 0: wait for more votes"),
    key!(
        "consensus.timeout_vote_delta_ms",
        consensus.timeout_vote_delta_ms,
        1..=600_000,
        "How much longer each further round waits for votes"
    ),
    key!("consensus.observe_ms", consensus.observe_ms, 0..=600_000, "Watch for own signatures after a start"),
    key!("mempool.max_txs", mempool.max_txs, 1..=1_000_000, "Transactions held at most"),
    key!("mempool.max_bytes", mempool.max_bytes, 65_536..=4 << 30, "Bytes of transactions held at most"),
    key!(
        "store.reserve_bytes",
        store.reserve_bytes,
        ANY,
        "Leaves and records are refused while the disk has fewer free bytes; 0 for no reserve"
    ),
    key!("notary.enabled", notary.enabled, ANY, "Whether this node takes leaves"),
    key!("notary.max_leaves", notary.max_leaves, 1..=100_000, "Leaves of one submission"),
    key!(
        "notary.max_pending_leaves",
        notary.max_pending_leaves,
        1..=10_000_000,
        "Leaves that may wait for the disk; above it 503"
    ),
    key!(
        "notary.max_unanchored_leaves",
        notary.max_unanchored_leaves,
        1..=1_000_000_000,
        "Promised leaves that may wait for an anchor, as when blocks stand still; above it 503"
    ),
    key!(
        "notary.anchor_within_blocks",
        notary.anchor_within_blocks,
        2..=1_000_000,
        "Blocks within which a promised leaf is anchored"
    ),
    key!("notary.log_name", notary.log_name, ANY, "Name under which our log key registered its log"),
    key!(
        "logs.retention_interval_s",
        logs.retention_interval_s,
        1..=86_400,
        "Seconds between two looks for records that their log need not keep"
    ),
    key!(
        "cluster.replication",
        cluster.replication,
        1..=7,
        "Copies of each record of a new log, as far as there are members"
    ),
    key!(
        "cluster.copies",
        cluster.copies,
        1..=7,
        "Durable copies before a record is acknowledged, more than half of cluster.replication and not all"
    ),
    key!(
        "cluster.epoch_shards",
        cluster.epoch_shards,
        ANY,
        "Groups that keep the epochs of partitions, or per-partition; the same on all members, for ever"
    ),
    key!("keys.password_file", keys.password_file, ANY, "File with the passphrase of the keystores; empty asks for it"),
];

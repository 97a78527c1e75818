//! Starting: lock, keys, genesis, storage, network, engine, drivers, listeners.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use pyralog_cluster_core::raft::MAX_ADDRESSES;
use pyralog_cluster_core::{self as core, Core, NotaryLog};
use pyralog_consensus::engine::{EngineConfig, SignMark, WalRecovery};
use pyralog_consensus::genesis::Genesis;
use pyralog_consensus::ledger::{LedgerOptions, LogRecord};
use pyralog_consensus::mempool::MempoolLimits;
use pyralog_consensus::tx::LogName;
use pyralog_crypto::codec::Decode;
use pyralog_crypto::{LogId, PublicKey, Signer};
use tokio::sync::{mpsc, watch};

use super::inside::{Inside, Ports};
use super::{Endpoints, Node, NodeBackend, genesis, start_number};
use crate::api::{AdminToken, ApiService, ApiState, starting};
use crate::backend::{Backend, Identity};
use crate::chain::ChainReader;
use crate::cluster::{Begin, Book, ClusterMember, OwnLogs};
use crate::config::{ApiConfig, Config, ConsensusConfig, P2pConfig, RpcConfig, Served};
use crate::driver::{EngineHandle, LoopEvent, Network, NodePorts, Shared, p2p_config, spawn_engine, spawn_tx_checker};
use crate::error::{Error, Result};
use crate::home::{Home, HomeLock, PUBLIC, SECRET, read_bounded, write_atomic};
use crate::http::serve;
use crate::keys::{self, NodeKeys, random};
use crate::logs::{RecordLogs, RetentionDriver};
use crate::metrics::{Metrics, MetricsService};
use crate::notary::{Admission, AnchorDriver, InCluster, NotaryLeaves, NotaryReceipts};
use crate::rpc::{Context, RpcService};
use crate::signing::{EngineSource, Role, Signing, SigningDriver, SigningParts};
use crate::store::{CoreChain, LedgerView};
use crate::tunnel::{Meetings, Tunnels};

/// Longest stored address book, bytes.
const MAX_BOOK_BYTES: u64 = 1 << 20;
/// Connections of the metrics listener: few ask, and each asks little.
pub(super) const METRICS_CONNECTIONS: usize = 128;

/// What stands on the disk, opened.
struct Opened {
    core: Core,
    genesis: Genesis,
    chain: CoreChain,
    log: NotaryLog,
}

impl Node {
    /// Starts a node on `home`. The passphrase opens its keys.
    ///
    /// # Errors
    /// One sentence that says what to mend.
    pub async fn start(home: &Home, config: &Config, passphrase: &[u8]) -> Result<Self> {
        if !home.root().is_dir() {
            return Err(Error::home(home.root(), "there is no node; make one with `pyralogd init --home DIR`"));
        }
        Inside::check(&config.tunnel)?;
        let lock = HomeLock::take(home)?;
        home.create()?;
        keys::refuse_readable(home, &config.keys.password_file)?;
        let keys = NodeKeys::load(home, passphrase)?;
        let (engine, inbox, unchecked) = EngineHandle::channel();
        let opened = open(home, config, &keys.log.public_key(), &engine)?;
        // Before anything runs: a taken port must not leave half a node behind.
        let (rpc_listener, rpc) = serve::bind(config.rpc.listen, config.rpc.max_connections, "rpc-listen").await?;
        let (api_listener, api) = serve::bind(config.api.listen, config.api.max_connections, "api-listen").await?;
        let (metrics_listener, metrics_at) =
            serve::bind(config.metrics.listen, METRICS_CONNECTIONS, "metrics-listen").await?;
        // Nobody is left to wait for an answer.
        let stopping = watch::Sender::new(false);
        let early = |listener| serve::Early::meanwhile(listener, starting(), stopping.subscribe());
        let [early_rpc, early_api, early_metrics] = [rpc_listener, api_listener, metrics_listener].map(early);
        let Opened { core, genesis, chain, log } = opened;
        let chain_id = genesis.chain_id().to_owned();

        let mut registry = Registry::with_prefix("pyralog");
        let metrics = Metrics::register(&mut registry);
        metrics.height.set(chain.height() as i64);
        let limits = MempoolLimits {
            max_bytes: config.mempool.max_bytes,
            max_count: config.mempool.max_txs,
            ..MempoolLimits::default()
        };
        let shared = Shared::new(chain.height(), limits, config.rpc.max_queued_events, metrics);
        shared.log_size.send_replace(log.size());

        let book = read_bounded(&home.address_book(), MAX_BOOK_BYTES).ok().map(Bytes::from);
        let mut p2p = p2p_config(*keys.peer.seed(), &chain_id, &config.p2p, book);
        let number = start_number::next(home)?;
        let peer_key = keys.peer.public_key();
        let tunnels = Tunnels::start(home, config, passphrase, Arc::new(keys.peer), &chain_id, number).await?;
        if let Some(tunnels) = &tunnels {
            tunnels.carry(&mut p2p);
            registry.register_collector(Box::new(tunnels.watch()));
        }
        let ports = Ports { rpc: rpc.port(), api: api.port(), metrics: metrics_at.port() };
        let inside = Inside::bind(config, tunnels.as_ref(), &ports, &stopping).await?;
        let (network, network_events) =
            pyralog_p2p::start(p2p, &mut registry).await.map_err(|e| Error::Network(e.to_string()))?;
        let listened = match &tunnels {
            Some(tunnels) => tunnels.addresses(),
            None => {
                let listened = network.listen_addrs().await.map_err(|e| Error::Network(e.to_string()))?;
                listened.iter().map(ToString::to_string).collect()
            }
        };
        let p2p_address = listened.first().cloned().unwrap_or_default();

        let identity = Identity {
            chain_id: chain_id.clone(),
            genesis: serde_json::from_str(&genesis.to_json()).map_err(|e| Error::Usage(e.to_string()))?,
            moniker: config.node.moniker.clone(),
            validator: keys.validator.public_key(),
            peer: peer_key,
            peer_id: network.local_peer_id().to_string(),
            log: log.id(),
            log_owner: keys.log.public_key(),
        };
        let (commands, command_queue) = mpsc::unbounded_channel();
        let view = LedgerView::new(chain.clone(), &chain_id, LedgerOptions::default());
        let members = Book::default();
        let bridge = Network::start(
            network.clone(),
            network_events,
            (commands.clone(), command_queue),
            engine.clone(),
            chain.clone(),
            Arc::clone(&shared),
            members.clone(),
            tunnels.as_ref().map(|tunnels| Meetings::new(tunnels, network.clone())),
        );

        let log_signer: Arc<dyn Signer> = Arc::new(keys.log);
        let begin = Begin {
            home,
            config: &config.cluster,
            name: &config.node.moniker,
            chain_id: &chain_id,
            owner: log_signer.public_key(),
            addresses: member_addresses(&config.p2p, listened),
            engine: engine.clone(),
            book: members,
        };
        let (member, mut member_tasks) = ClusterMember::start(&core, &network, begin).await?;
        let names = OwnLogs::new()?;
        let source = EngineSource {
            config: engine_config(&config.consensus),
            chain: chain.clone(),
            ledger: view.clone(),
            shared: Arc::clone(&shared),
            signer: Arc::new(keys.validator),
        };
        let mut wal = Some(recovered_wal(&core));
        // Where other members may have the key nobody signs before the cluster has said who.
        let alone = member.holds_notary_log() && !home.shared_keys().exists();
        let role = match alone {
            true => Role::Sign(Signing {
                wal: wal.take().unwrap_or_default(),
                mark: own_mark(&core)?,
                number,
                quorum: None,
            }),
            false => Role::Follow,
        };
        let (first, rests_on) = source.engine(role)?;
        let ports = NodePorts::new(&core, chain.clone(), engine.clone(), commands, Arc::clone(&shared), rests_on);
        // Before the engine: it ends when the engine's end of the queue is dropped, also where the engine does not start.
        let checker = spawn_tx_checker(unchecked, view.clone(), Arc::clone(&shared))?;
        let (thread, ended) = spawn_engine(first, ports, inbox, Box::new(move |role| source.engine(role)))?;
        let signing = SigningDriver::new(
            SigningParts {
                member: member.clone(),
                names: names.clone(),
                logs: core.logs().clone(),
                mark: core.mark().clone(),
                chain: chain.clone(),
                chain_id: chain_id.clone(),
                owner: log_signer.public_key(),
                engine: engine.clone(),
                shared: Arc::clone(&shared),
                home: home.clone(),
                number,
                wal,
            },
            alone,
        );
        member_tasks.push(tokio::spawn(Arc::clone(&signing).run()).abort_handle());
        let in_cluster = InCluster {
            member: member.clone(),
            names,
            logs: core.logs().clone(),
            chain_id: chain_id.clone(),
            owner: log_signer.public_key(),
            home: home.clone(),
        };
        let leaves = NotaryLeaves::new(log.clone(), Some(in_cluster), Arc::clone(&shared));
        let (follower, told) = (Arc::clone(&leaves), engine.clone());
        let follow = async move {
            if let Err(error) = follower.follow().await {
                told.send(LoopEvent::Failed(error));
            }
        };
        member_tasks.push(tokio::spawn(follow).abort_handle());
        let interval = Duration::from_millis(config.consensus.block_interval_ms);
        let driver = AnchorDriver::new(
            Arc::clone(&leaves),
            Arc::clone(&log_signer),
            &chain_id,
            view.clone(),
            engine.clone(),
            Arc::clone(&shared),
            interval,
        );
        let (joining, live) = (member.clone(), Arc::clone(&shared));
        member_tasks.push(tokio::spawn(async move { joining.report_to(&live).await }).abort_handle());
        let lacking = member.clone().tell_lacking(Arc::clone(&shared), Arc::clone(&leaves));
        member_tasks.push(tokio::spawn(lacking).abort_handle());
        let anchors = tokio::spawn(driver.run());
        let backend: Arc<dyn Backend> = Arc::new(NodeBackend {
            identity,
            chain: chain.clone(),
            ledger: view.clone(),
            engine: engine.clone(),
            shared: Arc::clone(&shared),
            network: network.clone(),
        });

        let admin_token = hex::encode(random::<32>()?);
        write_atomic(&home.admin_token(), format!("{admin_token}\n").as_bytes(), SECRET)?;

        let rpc_service = RpcService::new(
            Context {
                backend: Arc::clone(&backend),
                commit_timeout: Duration::from_millis(config.rpc.broadcast_commit_timeout_ms),
                rpc_address: rpc.to_string(),
                p2p_address: listen_address(&p2p_address),
                stopping: stopping.subscribe(),
            },
            &RpcConfig { allowed_hosts: inside.hosts(Served::Rpc, &config.rpc.allowed_hosts), ..config.rpc.clone() },
        );
        let records = RecordLogs::new(
            core.logs().clone(),
            Arc::clone(&log_signer),
            &chain_id,
            log.id(),
            engine.clone(),
            shared.metrics.clone(),
            stopping.subscribe(),
            Some(member.clone()),
        );
        let interval = Duration::from_secs(config.logs.retention_interval_s);
        let driver = RetentionDriver::new(core.logs().clone(), engine.clone(), interval, stopping.subscribe());
        let retention = tokio::spawn(driver.run());
        let api_service = ApiService::new(ApiState {
            backend: Arc::clone(&backend),
            shared: Arc::clone(&shared),
            ledger: view.clone(),
            admission: Admission::new(Arc::clone(&leaves), log_signer, &chain_id, &config.notary, Arc::clone(&shared)),
            receipts: NotaryReceipts::new(Arc::clone(&leaves), chain.clone(), view, Arc::clone(&shared)),
            engine: engine.clone(),
            network: network.clone(),
            tunnels: tunnels.clone(),
            records: Arc::clone(&records),
            member: member.clone(),
            leaves,
            signing,
            keystores: [home.log_key(), home.validator_key()],
            admin_token: AdminToken::new(admin_token),
            max_leaves: config.notary.max_leaves,
            config: ApiConfig {
                allowed_hosts: inside.hosts(Served::Api, &config.api.allowed_hosts),
                ..config.api.clone()
            },
        });
        let gauges = Arc::clone(&shared);
        let hosts = inside.hosts(Served::Metrics, &[]);
        let metrics_service =
            MetricsService::new(Arc::clone(&backend), registry, config.stall_after(), &hosts, move || {
                gauges.metrics.log_size.set(log.size() as i64);
                let (count, bytes) = gauges.pool.read(|pool| (pool.transactions(), pool.bytes()));
                gauges.metrics.mempool_size.set(count as i64);
                gauges.metrics.mempool_bytes.set(bytes as i64);
            });
        let mut servers = inside.serve(|served| match served {
            Served::Rpc => rpc_service.router(),
            Served::Api => api_service.router(),
            Served::Metrics => metrics_service.router(),
        });
        servers.extend([
            early_rpc.serve(rpc_service.router()),
            early_api.serve(api_service.router()),
            early_metrics.serve(metrics_service.router()),
        ]);

        let endpoints = Endpoints {
            rpc: format!("http://{rpc}"),
            api: format!("http://{api}"),
            metrics: format!("http://{metrics_at}"),
            p2p: format!("{p2p_address}/p2p/{}", network.local_peer_id()),
            pid: std::process::id(),
        };
        write_endpoints(home, &endpoints)?;
        tracing::info!(
            chain_id,
            height = chain.height(),
            rpc = endpoints.rpc,
            api = endpoints.api,
            metrics = endpoints.metrics,
            p2p = endpoints.p2p,
            "node started"
        );
        Ok(Self {
            home: home.clone(),
            endpoints,
            backend,
            metrics: metrics_service,
            engine,
            threads: vec![thread, checker],
            ended,
            anchors,
            retention,
            records,
            servers,
            stopping,
            network,
            tunnels,
            bridge,
            member,
            member_tasks,
            core,
            _lock: lock,
        })
    }
}

fn open(home: &Home, config: &Config, log_key: &PublicKey, engine: &EngineHandle) -> Result<Opened> {
    let failed = |e: core::Error| Error::Storage(e.to_string());
    let genesis = genesis::load(home)?;
    let failures = engine.clone();
    let options = core::Options {
        events: Arc::new(move |event| {
            if let core::Event::Fatal { reason, .. } = event {
                failures.send(LoopEvent::Failed(Error::Storage(reason.to_string())));
            }
        }),
        progress: Some(Arc::new(|progress| {
            tracing::info!(log = %progress.log, done = progress.done, total = progress.total, "rebuilding trees of the notary log");
        })),
        reserve_bytes: config.store.reserve_bytes,
        ..core::Options::default()
    };
    let (core, report) = Core::open(&home.store(), options).map_err(failed)?;
    if let Some(cut) = &report.cut {
        tracing::warn!(
            file = %cut.file.display(), offset = cut.offset, bytes = cut.bytes,
            "the journal had a torn last write; it does not count, and the signer abstains where it may have signed"
        );
    }
    genesis::bind(home, &core, &genesis)?;
    let start = genesis.chain_state().map_err(|e| Error::genesis(&home.genesis(), e.to_string()))?;
    let chain = CoreChain::open(core.chain().clone(), start).map_err(|e| Error::Storage(e.to_string()))?;
    let log = core.notary_log(log_id(&genesis, log_key, &config.notary.log_name)?).map_err(failed)?;
    Ok(Opened { core, genesis, chain, log })
}

/// The log of genesis that our key owns, else the one that it would register under the configured name.
fn log_id(genesis: &Genesis, owner: &PublicKey, name: &str) -> Result<LogId> {
    let parts = genesis.parts();
    let own = parts.logs.iter().filter(|log| log.owner == *owner);
    let named = own.clone().find(|log| log.name.as_str() == name).or_else(|| own.clone().next());
    let name = match named {
        Some(log) => log.name.clone(),
        None => LogName::new(name)
            .ok_or_else(|| Error::Usage(format!("notary.log_name: {name:?} is not a name that a log can have")))?,
    };
    Ok(LogRecord::id(&parts.chain_id, owner, &name))
}

fn recovered_wal(core: &Core) -> WalRecovery {
    let core::WalRecovery { entries, truncated, .. } = core.wal().take_recovery().unwrap_or_default();
    WalRecovery { entries, truncated }
}

fn own_mark(core: &Core) -> Result<Option<SignMark>> {
    let damaged = |e| Error::Storage(format!("the signer mark under {} cannot be read: {e}", core.dir().display()));
    core.mark().get().map(|bytes| SignMark::from_bytes(&bytes)).transpose().map_err(damaged)
}

fn engine_config(config: &ConsensusConfig) -> EngineConfig {
    let nanos = |ms: u64| ms.saturating_mul(1_000_000);
    EngineConfig {
        block_interval_ns: nanos(config.block_interval_ms),
        observe_ns: nanos(config.observe_ms),
        propose_ns: nanos(config.timeout_propose_ms),
        propose_delta_ns: nanos(config.timeout_propose_delta_ms),
        vote_ns: nanos(config.timeout_vote_ms),
        vote_delta_ns: nanos(config.timeout_vote_delta_ms),
        ..EngineConfig::DEFAULTS
    }
}

/// `tcp://127.0.0.1:26656` for `/ip4/127.0.0.1/tcp/26656`.
fn listen_address(multiaddr: &str) -> String {
    let parts: Vec<&str> = multiaddr.split('/').collect();
    match parts.as_slice() {
        ["", "ip4", ip, _, port, ..] => format!("tcp://{ip}:{port}"),
        ["", "ip6", ip, _, port, ..] => format!("tcp://[{ip}]:{port}"),
        _ => "tcp://127.0.0.1:0".into(),
    }
}

/// Where the other members dial this one: what the operator says, else what is listened on.
fn member_addresses(config: &P2pConfig, listened: Vec<String>) -> Vec<String> {
    let all = if config.external.is_empty() { listened } else { config.external.clone() };
    all.into_iter().take(MAX_ADDRESSES).collect()
}

fn write_endpoints(home: &Home, endpoints: &Endpoints) -> Result<()> {
    let path = home.endpoints();
    let text = serde_json::to_string_pretty(endpoints).map_err(|e| Error::Usage(e.to_string()))?;
    write_atomic(Path::new(&path), format!("{text}\n").as_bytes(), PUBLIC)
}

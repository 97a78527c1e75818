//! Counters and gauges, with CometBFT's names behind the prefix `pyralog_` where CometBFT has one.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

mod server;

pub use server::{Health, MetricsService};

type Count = Counter<u64, AtomicU64>;

/// Every metric of the node itself. `p2p_…` come from the network.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `pyralog_consensus_height`
    pub height: Gauge,
    /// `pyralog_consensus_rounds`
    pub round: Gauge,
    /// `pyralog_consensus_validators`
    pub validators: Gauge,
    /// `pyralog_consensus_validators_power`
    pub validators_power: Gauge,
    /// `pyralog_consensus_missing_validators`
    pub missing_validators: Gauge,
    /// `pyralog_consensus_byzantine_validators`
    pub byzantine_validators: Gauge,
    /// `pyralog_consensus_equivocations_total`
    pub equivocations: Count,
    /// `pyralog_consensus_txs_total`
    pub block_txs: Count,
    /// `pyralog_consensus_block_size_bytes_total`
    pub block_bytes: Count,
    /// `pyralog_consensus_signer_active`
    pub signer_active: Gauge,
    /// `pyralog_consensus_rejected_messages_total`
    pub rejected_messages: Count,
    /// `pyralog_mempool_size`
    pub mempool_size: Gauge,
    /// `pyralog_mempool_size_bytes`
    pub mempool_bytes: Gauge,
    /// `pyralog_mempool_failed_txs_total`
    pub mempool_refused: Count,
    /// `pyralog_p2p_peers`
    pub peers: Gauge,
    /// `pyralog_p2p_gossip_dropped_total`
    pub gossip_dropped: Count,
    /// `pyralog_notary_leaves_total`
    pub leaves: Count,
    /// `pyralog_notary_submissions_total`
    pub submissions: Count,
    /// `pyralog_notary_refused_total`
    pub leaves_refused: Count,
    /// `pyralog_notary_log_size`
    pub log_size: Gauge,
    /// `pyralog_notary_anchored_size`
    pub anchored_size: Gauge,
    /// `pyralog_notary_anchors_submitted_total`
    pub anchors: Count,
    /// `pyralog_notary_append_seconds`
    pub append_seconds: Histogram,
    /// `pyralog_logs_records_total`
    pub records: Count,
    /// `pyralog_logs_record_bytes_total`
    pub record_bytes: Count,
    /// `pyralog_logs_logs`
    pub record_logs: Gauge,
    /// `pyralog_logs_partitions`
    pub record_partitions: Gauge,
}

impl Metrics {
    /// Makes and registers all of them. The registry carries the prefix `pyralog`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            height: Gauge::default(),
            round: Gauge::default(),
            validators: Gauge::default(),
            validators_power: Gauge::default(),
            missing_validators: Gauge::default(),
            byzantine_validators: Gauge::default(),
            equivocations: Count::default(),
            block_txs: Count::default(),
            block_bytes: Count::default(),
            signer_active: Gauge::default(),
            rejected_messages: Count::default(),
            mempool_size: Gauge::default(),
            mempool_bytes: Gauge::default(),
            mempool_refused: Count::default(),
            peers: Gauge::default(),
            gossip_dropped: Count::default(),
            leaves: Count::default(),
            submissions: Count::default(),
            leaves_refused: Count::default(),
            log_size: Gauge::default(),
            anchored_size: Gauge::default(),
            anchors: Count::default(),
            append_seconds: Histogram::new([0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0]),
            records: Count::default(),
            record_bytes: Count::default(),
            record_logs: Gauge::default(),
            record_partitions: Gauge::default(),
        };
        metrics.register_in(registry);
        metrics
    }

    fn register_in(&self, registry: &mut Registry) {
        let consensus = registry.sub_registry_with_prefix("consensus");
        consensus.register("height", "Height of the last committed block", self.height.clone());
        consensus.register("rounds", "Round of the height under way", self.round.clone());
        consensus.register("validators", "Validators of the last block's height", self.validators.clone());
        consensus.register("validators_power", "Their total power", self.validators_power.clone());
        let help = "Validators whose precommit is not in the last commit";
        consensus.register("missing_validators", help, self.missing_validators.clone());
        let help = "Double signs proven in the last block";
        consensus.register("byzantine_validators", help, self.byzantine_validators.clone());
        consensus.register("equivocations", "Double signs seen by this node", self.equivocations.clone());
        consensus.register("txs", "Transactions committed since the start", self.block_txs.clone());
        consensus.register("block_size_bytes", "Bytes of blocks committed since the start", self.block_bytes.clone());
        consensus.register("signer_active", "1 while this node signs", self.signer_active.clone());
        consensus.register("rejected_messages", "Messages no correct peer sends", self.rejected_messages.clone());
        let mempool = registry.sub_registry_with_prefix("mempool");
        mempool.register("size", "Transactions that wait", self.mempool_size.clone());
        mempool.register("size_bytes", "Bytes of them", self.mempool_bytes.clone());
        mempool.register("failed_txs", "Bundles that were not taken", self.mempool_refused.clone());
        let p2p = registry.sub_registry_with_prefix("p2p");
        p2p.register("peers", "Connected peers", self.peers.clone());
        p2p.register("gossip_dropped", "Messages not judged or not sent for lack of room", self.gossip_dropped.clone());
        let notary = registry.sub_registry_with_prefix("notary");
        notary.register("leaves", "Leaves promised since the start", self.leaves.clone());
        notary.register("submissions", "Submissions answered since the start", self.submissions.clone());
        notary.register("refused", "Submissions refused for lack of room", self.leaves_refused.clone());
        notary.register("log_size", "Durable leaves of our log", self.log_size.clone());
        notary.register("anchored_size", "Leaves of our log under an anchor", self.anchored_size.clone());
        notary.register("anchors_submitted", "Anchors given to the mempool", self.anchors.clone());
        notary.register("append_seconds", "From submission to durability", self.append_seconds.clone());
        let logs = registry.sub_registry_with_prefix("logs");
        logs.register("records", "Records of record logs made durable since the start", self.records.clone());
        logs.register("record_bytes", "Their bytes, encoded", self.record_bytes.clone());
        logs.register("logs", "Record logs", self.record_logs.clone());
        logs.register("partitions", "Their partitions", self.record_partitions.clone());
    }
}

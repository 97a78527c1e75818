//! The options of `pyralog-testnet bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Shorter runs and smaller trees: the ratios hold, the tails are rough
    #[arg(long)]
    pub quick: bool,
    /// Only this measurement; may be given more than once
    #[arg(long, value_name = "NAME", value_enum)]
    pub only: Vec<Part>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub json: bool,
    /// Open the store in DIR, read a record of each partition and say what that took (used by the measurements themselves)
    #[arg(long, value_name = "DIR", hide = true)]
    pub open_home: Option<PathBuf>,
}

/// The measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Append and proofs of Merkle trees, in this process
    Merkle,
    /// Size of receipts and time to verify them, in this process
    Receipt,
    /// Ids beside uuid v7 and one ftruncate each, in this process
    Ids,
    /// Appends, reads and partitions beside the raw disk, RocksDB, fjall, etcd and Redis
    Storage,
    /// A cluster of three members: appends beside etcd and NATS JetStream, failover, catch-up, idle processor time
    Cluster,
    /// What tunnels cost beside TCP and QUIC: bytes, a path that loses packets, the first byte, blocks
    Tunnels,
    /// Blocks of an idle network
    Blocks,
    /// Time from a submission to its receipt
    Latency,
    /// Leaves made durable and finalized: single, in submissions of 1,000, in batches
    Leaves,
    /// Signed transfers finalized
    Transfers,
    /// Memory of the nodes, idle and after the load of this run
    Memory,
}

impl Part {
    /// Those that need a running network.
    pub const NETWORK: [Self; 5] = [Self::Blocks, Self::Latency, Self::Leaves, Self::Transfers, Self::Memory];
}

impl BenchArgs {
    /// Whether `part` is to be measured.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_choice_everything_is_measured() {
        let all = BenchArgs { quick: false, only: Vec::new(), json: false, open_home: None };
        assert!(Part::value_variants().iter().all(|part| all.wants(*part)));
        let two = BenchArgs { only: vec![Part::Merkle, Part::Blocks], ..all };
        let wanted: Vec<_> = Part::value_variants().iter().filter(|part| two.wants(**part)).collect();
        assert_eq!(wanted, [&Part::Merkle, &Part::Blocks]);
    }
}

//! Whole nodes in this process: real engine, ledger, storage, network and listeners.

mod cluster;
mod cluster_logs;
mod cluster_notary;
mod cluster_signing;
mod disk;
mod kit;
mod lifecycle;
mod logs;
mod logs_producers;
mod logs_refused;
mod native;
mod network;
mod notary;
mod rpc;
mod tunnels;

//! The targets. Each calls the entry that the program calls, then uses the value as the program does.

mod blocks;
mod crypto;
mod engine;
mod files;
mod ledger;
mod light;
mod partitions;
mod receipts;
mod tunnel;
mod wire;

pub(super) use receipts::maker as receipt_maker;
pub(super) use tunnel::OBFUSCATION;
pub(super) use wire::NETWORK;

use super::Target;
use pyralog_crypto::{Decode, Encode};

/// Every decoder of network or file bytes.
pub const TARGETS: &[Target] = &[
    // crypto
    Target { name: "frontier", run: crypto::frontier },
    Target { name: "inclusion_proof", run: crypto::inclusion_proof },
    Target { name: "consistency_proof", run: crypto::consistency_proof },
    Target { name: "signed_checkpoint", run: crypto::signed_checkpoint },
    Target { name: "signed_promise", run: crypto::signed_promise },
    Target { name: "notary_leaf", run: crypto::notary_leaf },
    Target { name: "metadata", run: crypto::metadata },
    Target { name: "document_digest", run: crypto::document_digest },
    Target { name: "keystore", run: crypto::keystore },
    Target { name: "text", run: crypto::text },
    Target { name: "partition_checkpoint", run: partitions::partition_checkpoint },
    Target { name: "record_proof", run: partitions::record_proof },
    Target { name: "partition_consistency", run: partitions::partition_consistency },
    // cluster-core
    Target { name: "wal_record", run: pyralog_cluster_core::fuzz::wal_record },
    Target { name: "leaf_group", run: pyralog_cluster_core::fuzz::leaf_group },
    Target { name: "slot", run: pyralog_cluster_core::fuzz::slot },
    Target { name: "log_record", run: pyralog_cluster_core::fuzz::log_record },
    Target { name: "format", run: pyralog_cluster_core::fuzz::format },
    Target { name: "chain_values", run: pyralog_cluster_core::fuzz::chain_values },
    Target { name: "ids", run: pyralog_cluster_core::fuzz::ids },
    Target { name: "record", run: pyralog_cluster_core::fuzz::record },
    Target { name: "journal_file", run: pyralog_cluster_core::fuzz::journal_file },
    Target { name: "journal_group", run: pyralog_cluster_core::fuzz::journal_group },
    Target { name: "journal_list", run: pyralog_cluster_core::fuzz::journal_list },
    Target { name: "segment_file", run: pyralog_cluster_core::fuzz::segment_file },
    Target { name: "segment_parts", run: pyralog_cluster_core::fuzz::segment_parts },
    Target { name: "tree_root", run: pyralog_cluster_core::fuzz::tree_root },
    Target { name: "log_spec", run: pyralog_cluster_core::fuzz::log_spec },
    Target { name: "replication_message", run: pyralog_cluster_core::fuzz::replication_message },
    Target { name: "replication_changes", run: pyralog_cluster_core::fuzz::replication_changes },
    Target { name: "replication_state", run: pyralog_cluster_core::fuzz::replication_state },
    Target { name: "replication_producers", run: pyralog_cluster_core::fuzz::replication_producers },
    Target { name: "replication_payload", run: pyralog_cluster_core::fuzz::replication_payload },
    Target { name: "member_note", run: pyralog_cluster_core::fuzz::member_note },
    Target { name: "cluster_envelope", run: pyralog_cluster_core::fuzz::cluster_envelope },
    Target { name: "replica_entry", run: pyralog_cluster_core::fuzz::replica_entry },
    Target { name: "raft_message", run: pyralog_cluster_core::fuzz::raft_message },
    Target { name: "raft_record", run: pyralog_cluster_core::fuzz::raft_record },
    Target { name: "global_group", run: pyralog_cluster_core::fuzz::global_group },
    Target { name: "epoch_shard", run: pyralog_cluster_core::fuzz::epoch_shard },
    // consensus: blocks, engine, ledger
    Target { name: "block", run: blocks::block },
    Target { name: "commit", run: blocks::commit },
    Target { name: "evidence", run: blocks::evidence },
    Target { name: "part", run: blocks::part },
    Target { name: "chain_state", run: blocks::chain_state },
    Target { name: "genesis", run: files::genesis },
    Target { name: "sign_mark", run: files::sign_mark },
    Target { name: "wire_message", run: engine::wire_message },
    Target { name: "wal_entry", run: engine::wal_entry },
    Target { name: "tx", run: ledger::tx },
    Target { name: "state_proof", run: ledger::state_proof },
    Target { name: "state_value", run: ledger::state_value },
    // consensus: light client and receipts
    Target { name: "light_block", run: light::light_block },
    Target { name: "light_store", run: light::light_store },
    Target { name: "receipt_file", run: receipts::receipt_file },
    Target { name: "notary_receipt", run: receipts::notary_receipt },
    Target { name: "served_proof", run: receipts::served_proof },
    Target { name: "pending_receipt", run: receipts::pending_receipt },
    // node, p2p, zk
    Target { name: "tx_gossip", run: wire::tx_gossip },
    Target { name: "sync_request", run: wire::sync_request },
    Target { name: "meet", run: wire::meet },
    Target { name: "sync_response", run: engine::sync_response },
    Target { name: "block_meta", run: files::block_meta },
    Target { name: "rpc_call", run: wire::rpc_call },
    Target { name: "request_frame", run: wire::request_frame },
    Target { name: "member_frames", run: wire::member_frames },
    Target { name: "response_frame", run: wire::response_frame },
    Target { name: "address_book", run: wire::address_book },
    Target { name: "rosenpass_datagram", run: tunnel::rosenpass_datagram },
    Target { name: "bootstrap_datagram", run: tunnel::bootstrap_datagram },
    Target { name: "tunnel_datagram", run: wire::tunnel_datagram },
    Target { name: "obfuscated_datagram", run: tunnel::obfuscated_datagram },
    Target { name: "obfuscation_file", run: tunnel::obfuscation_file },
    Target { name: "inner_packet", run: wire::inner_packet },
    Target { name: "peer_record", run: wire::peer_record },
    Target { name: "peer_records", run: wire::peer_records },
    Target { name: "proof_envelope", run: wire::proof_envelope },
];

/// Decodes, and requires that exactly these bytes are the value's encoding.
fn canonical<T: Decode + Encode>(bytes: &[u8]) -> Option<T> {
    let value = T::from_bytes(bytes).ok()?;
    assert_eq!(value.to_bytes(), bytes, "another encoding of the same value was accepted");
    Some(value)
}

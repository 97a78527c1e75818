//! Names in the state tree, and keys in the store.

use pyralog_crypto::{Address, LogId};

use crate::block::ValidatorAddress;

/// Names of the values under `app_hash`. A value's place in the tree is the SHA-256 of its name.
///
/// These bytes are public: a state proof is asked for and verified under them.
pub mod state_key {
    use super::{Address, LogId, ValidatorAddress};

    /// The chain id (text).
    pub const CHAIN: &[u8] = b"chain";
    /// [`crate::ledger::LedgerParams`].
    pub const PARAMS: &[u8] = b"params";
    /// [`crate::ledger::Totals`].
    pub const TOTALS: &[u8] = b"totals";
    /// The frontier of the log of header hashes (RFC 9162, SHA-256; leaf H-1 is the header hash of height H).
    pub const HEADERS: &[u8] = b"headers";
    /// What the consensus engine keeps: parameters, sets of H, H+1, H+2 with priorities.
    pub const CONSENSUS: &[u8] = b"consensus";
    /// [`crate::ledger::ActiveSet`].
    pub const ACTIVE: &[u8] = b"active";
    /// First and last height of the unbonding queue.
    pub const UNBONDING_QUEUE: &[u8] = b"unbonding";

    /// [`crate::ledger::Account`]: `account/`, then the 32 bytes of the address.
    pub fn account(address: &Address) -> Vec<u8> {
        join(b"account/", &address.0)
    }

    /// [`crate::ledger::LogRecord`]: `log/`, then the 32 bytes of the log id.
    pub fn log(id: &LogId) -> Vec<u8> {
        join(b"log/", &id.0)
    }

    /// The id of the n-th registered log, from 0: `log-number/`, then n (u64).
    pub fn log_number(n: u64) -> Vec<u8> {
        join(b"log-number/", &n.to_be_bytes())
    }

    /// [`crate::ledger::ValidatorRecord`]: `validator/`, then the 20 bytes of the address.
    pub fn validator(address: &ValidatorAddress) -> Vec<u8> {
        join(b"validator/", &address.0)
    }

    /// Who unbonds from a height on: `unbonding/`, then the height (u64).
    pub fn unbonding(start: u64) -> Vec<u8> {
        join(b"unbonding/", &start.to_be_bytes())
    }

    fn join(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(prefix.len() + rest.len());
        key.extend_from_slice(prefix);
        key.extend_from_slice(rest);
        key
    }
}

/// Keys in the store: one byte for the kind, then big-endian numbers.
pub(crate) mod store_key {
    /// Version, root, oldest provable version, chain id.
    pub const META: &[u8] = &[0];

    /// The current value of a name.
    pub fn value(name: &[u8]) -> Vec<u8> {
        join(1, &[name])
    }

    /// A tree node: version, count of nibbles, nibbles.
    pub fn node(version: u64, nibbles: u8, path: &[u8]) -> Vec<u8> {
        join(2, &[&version.to_be_bytes(), &[nibbles], path])
    }

    /// The nodes that a version replaced.
    pub fn stale(version: u64) -> Vec<u8> {
        join(3, &[&version.to_be_bytes()])
    }

    /// The values that a version replaced.
    pub fn undo(version: u64) -> Vec<u8> {
        join(4, &[&version.to_be_bytes()])
    }

    /// A complete node of the log of header hashes.
    pub fn header_node(level: u8, index: u64) -> Vec<u8> {
        join(5, &[&[level], &index.to_be_bytes()])
    }

    fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
        key.push(kind);
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }
}

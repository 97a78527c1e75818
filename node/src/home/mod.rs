//! The node's home directory: where each file stands, who may read it, and that only one process uses it.

mod files;
mod lock;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use files::{PUBLIC, SECRET, make_dir, read_bounded, write_atomic};
pub use lock::HomeLock;

use crate::error::Result;

/// `HOME/{pyralog.toml, genesis.json, keys/{validator.key,log.key,peer.key,tunnel.key}, peers/, data/}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home in `root`, which need not exist yet. A relative path is taken from the current directory.
    pub fn new(root: &Path) -> Self {
        Self { root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()) }
    }

    /// Where a node lives that was not told otherwise: `~/.pyralog/node`.
    pub fn default_root(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
        Path::new(&env("HOME").unwrap_or_default()).join(".pyralog").join("node")
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `pyralog.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join("pyralog.toml")
    }

    /// `genesis.json`.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// The directory of the sealed keys, mode 0700.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Key that signs votes and blocks.
    pub fn validator_key(&self) -> PathBuf {
        self.keys().join("validator.key")
    }

    /// Key that signs checkpoints and promises of our notary log.
    pub fn log_key(&self) -> PathBuf {
        self.keys().join("log.key")
    }

    /// Key of the peer-to-peer identity.
    pub fn peer_key(&self) -> PathBuf {
        self.keys().join("peer.key")
    }

    /// Seed of the keys of the tunnels.
    pub fn tunnel_key(&self) -> PathBuf {
        self.keys().join("tunnel.key")
    }

    /// Says that other members of the cluster have the validator key too.
    pub fn shared_keys(&self) -> PathBuf {
        self.keys().join("shared")
    }

    /// Everything the running node writes.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The storage of cluster-core.
    pub fn store(&self) -> PathBuf {
        self.data().join("core")
    }

    /// Where the running node says which addresses it serves.
    pub fn endpoints(&self) -> PathBuf {
        self.data().join("endpoints.json")
    }

    /// Token for calls that administer, mode 0600, new at each start.
    pub fn admin_token(&self) -> PathBuf {
        self.data().join("admin.token")
    }

    /// Peers seen before, to find the network again without bootstrap peers.
    pub fn address_book(&self) -> PathBuf {
        self.data().join("peers.bin")
    }

    /// The members of the cluster as they were known last, for a start that cannot ask anybody yet.
    pub fn members(&self) -> PathBuf {
        self.data().join("members.json")
    }

    /// The number of the last start.
    pub fn start_number(&self) -> PathBuf {
        self.data().join("start.number")
    }

    /// Peers that run stock WireGuard and Rosenpass, mode 0700.
    pub fn peers(&self) -> PathBuf {
        self.root.join("peers")
    }

    /// What the tunnels keep: a cache.
    pub fn tunnel(&self) -> PathBuf {
        self.data().join("tunnel")
    }

    /// Our Rosenpass pair, encrypted with the seed of the tunnels, so that it is not made again at each start.
    pub fn rosenpass_pair(&self) -> PathBuf {
        self.tunnel().join("rosenpass.pair")
    }

    /// The signed records of peers, with their addresses and keys.
    pub fn tunnel_records(&self) -> PathBuf {
        self.tunnel().join("records.bin")
    }

    /// Makes the directories, the keys' one for us alone.
    pub fn create(&self) -> Result<()> {
        make_dir(&self.root, 0o755)?;
        make_dir(&self.keys(), 0o700)?;
        make_dir(&self.data(), 0o700)?;
        make_dir(&self.tunnel(), 0o700)
    }
}

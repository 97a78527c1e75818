//! Everything that stops the node or a command, grouped by who must act. One message, no backtrace: it names the flag, file or
//! directory that mends it.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// Why the node or a command stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // --- the caller's input ---
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A command was asked for something that cannot be done here.
    #[error("{0}")]
    Usage(String),
    /// The home directory is not what the command needs.
    #[error("{}: {message}", path.display())]
    Home {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A key file cannot be used.
    #[error("{}: {message}", path.display())]
    Key {
        /// The keystore or password file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The genesis file is wrong, or it is not the one of the stored chain.
    #[error("{}: {message}", path.display())]
    Genesis {
        /// The genesis file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },

    // --- the machine ---
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address} ({source}); choose another with --{flag}")]
    Listen {
        /// The address.
        address: String,
        /// The flag that changes it.
        flag: &'static str,
        /// What the system said.
        source: std::io::Error,
    },

    // --- others ---
    /// No server of ids gave any: each with its reason.
    #[error("no server gave ids: {0}")]
    NoIds(String),
    /// Servers of ids, or one of them twice, may have given the same.
    #[error("{0}")]
    RepeatedIds(String),

    // --- fatal ---
    /// The storage below failed, is damaged, or is full.
    #[error("{0}")]
    Storage(String),
    /// The peer-to-peer network could not start.
    #[error("peer-to-peer network: {0}")]
    Network(String),
    /// This node is no member of its cluster, or cannot be one.
    #[error("cluster: {0}")]
    Cluster(String),
    /// The consensus engine refused to go on.
    #[error("consensus stopped: {0}")]
    Consensus(String),
    /// A task of the node ended that never should.
    #[error("{0} ended unexpectedly; the node stops, since it would be deaf without it")]
    TaskEnded(&'static str),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn home(path: &Path, message: impl Into<String>) -> Self {
        Self::Home { path: path.to_owned(), message: message.into() }
    }

    pub(crate) fn key(path: &Path, message: impl Into<String>) -> Self {
        Self::Key { path: path.to_owned(), message: message.into() }
    }

    pub(crate) fn genesis(path: &Path, message: impl Into<String>) -> Self {
        Self::Genesis { path: path.to_owned(), message: message.into() }
    }
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

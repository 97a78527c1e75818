//! The logs that a cluster keeps for itself: what its members must have in common to notarize and to sign as one.

use pyralog_cluster_core::segment::Retention;
use pyralog_cluster_core::{Log, LogName, LogSpec, Logs, Storage};
use pyralog_crypto::{LogId, PublicKey};

use crate::error::{Error, Result};

/// Names of such logs begin with this, and those of no others.
const PREFIX: &str = "pyralog.";
/// Size of their segments, bytes.
const SEGMENT_BYTES: u64 = 64 << 20;
/// The signer's records may go when so many bytes are behind them: what it needs is among the last few.
const SIGNER_BYTES: u64 = 256 << 20;

/// Whether only the cluster itself may have and write a log of this name.
pub fn is_own(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Whether nobody may make a log of this name: it is one of the cluster's own, or people would take it for one.
pub fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    is_own(&name) || PREFIX.strip_suffix('.') == Some(name.as_str())
}

/// The error of a record of such a log that is none.
pub fn unreadable(name: &str, offset: u64, why: &impl std::fmt::Display) -> pyralog_cluster_core::Error {
    let why = format!(
        "the record of the cluster's own log is not one ({why}); wipe this member's data/core and start it again, it then takes the log from the others"
    );
    pyralog_cluster_core::Error::Damaged { file: name.into(), offset, why }
}

/// Their names.
#[derive(Clone, Debug)]
pub struct OwnLogs {
    /// The leaves of the notary log: record n is leaf n.
    pub notary: LogName,
    /// What was signed for the cluster, and what that rests on.
    pub signer: LogName,
}

impl OwnLogs {
    /// The names.
    ///
    /// # Errors
    /// None: they are names.
    pub fn new() -> Result<Self> {
        let name = |what: &str| format!("{PREFIX}{what}").parse().map_err(|e| Error::Cluster(format!("{e}")));
        Ok(Self { notary: name("notary")?, signer: name("signer")? })
    }

    /// What such a log is like.
    fn spec(&self, name: &LogName, chain_id: &str, owner: &PublicKey) -> LogSpec {
        let max_bytes = (*name == self.signer).then_some(SIGNER_BYTES);
        LogSpec {
            name: name.clone(),
            id: LogId::derive(chain_id, owner, name.as_str()),
            partitions: 1,
            storage: Storage::Disk,
            retention: Retention { max_age_ms: None, max_bytes },
            segment_bytes: SEGMENT_BYTES,
        }
    }

    /// Opens a log that this member has alone, or makes it. May wait for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn open_or_make(
        &self,
        logs: &Logs,
        name: &LogName,
        chain_id: &str,
        owner: &PublicKey,
    ) -> std::result::Result<Log, pyralog_cluster_core::Error> {
        match logs.open_log(name.as_str()) {
            Err(pyralog_cluster_core::Error::NoSuchLog { .. }) => {
                let derive = |incarnation| LogId::derive_record(chain_id, owner, name.as_str(), incarnation);
                logs.create_as(self.spec(name, chain_id, owner), derive)
            }
            opened => opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_names_that_nobody_else_may_use() {
        let own = OwnLogs::new().unwrap();
        assert_ne!(own.notary, own.signer);
        assert!(is_own(own.notary.as_str()) && is_own(own.signer.as_str()));
        assert!(!is_own("orders") && !is_own("pyralog"));
    }

    #[test]
    fn nobody_makes_a_log_that_would_be_taken_for_one() {
        let own = OwnLogs::new().unwrap();
        for name in [own.notary.as_str(), "pyralog", "PyraLog", "PYRALOG.x", "pyralog."] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["orders", "pyralogs", "pyralog-x", "pyralog_x", "my.pyralog.x", "notary"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}

//! Where the wallet keeps its own files.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Failure, Result};

/// Options that say where the wallet's files are.
#[derive(Debug, Clone, Default, Args)]
pub struct HomeArgs {
    /// Directory of the wallet's files (default ~/.pyralog/wallet)
    #[arg(long, global = true, value_name = "DIR", env = "PYRALOG_WALLET")]
    pub home: Option<PathBuf>,
    /// Directory of the sealed keys (default HOME/keys)
    #[arg(long, global = true, value_name = "DIR", env = "PYRALOG_KEYSTORE")]
    pub keystore: Option<PathBuf>,
}

impl HomeArgs {
    /// The wallet home: `--home`, `PYRALOG_WALLET`, else `~/.pyralog/wallet`: apart from the keys of a node.
    pub fn home(&self) -> Result<PathBuf> {
        self.resolve(std::env::home_dir())
    }

    /// The keystore directory: `--keystore`, else `keys` in the wallet home.
    pub fn keystore(&self) -> Result<PathBuf> {
        match &self.keystore {
            Some(dir) => Ok(dir.clone()),
            None => Ok(self.home()?.join("keys")),
        }
    }

    /// The light client's trusted store of one chain.
    pub fn trusted_store(&self, chain_id: &str) -> Result<PathBuf> {
        Ok(self.home()?.join("light").join(format!("{}.trusted", file_name_part(chain_id))))
    }

    fn resolve(&self, user_home: Option<PathBuf>) -> Result<PathBuf> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        user_home
            .filter(|home| home != Path::new(""))
            .map(|home| home.join(".pyralog").join("wallet"))
            .ok_or_else(|| Failure::usage("HOME is not set").next("name the wallet directory with --home DIR"))
    }
}

/// A chain id as a file name: it is somebody else's text until checked, and must not become a path.
fn file_name_part(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.chars().take(64).map(|c| if safe(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_user_home() {
        let args = HomeArgs { home: Some("/w".into()), keystore: None };
        assert_eq!(args.home().unwrap(), Path::new("/w"));
        assert_eq!(args.keystore().unwrap(), Path::new("/w/keys"));
        let args = HomeArgs { home: Some("/w".into()), keystore: Some("/k".into()) };
        assert_eq!(args.keystore().unwrap(), Path::new("/k"));
    }

    #[test]
    fn without_any_home_the_flag_is_named() {
        let args = HomeArgs::default();
        assert_eq!(args.resolve(Some("/u".into())).unwrap(), Path::new("/u/.pyralog/wallet"));
        let failure = args.resolve(None).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.report().next.as_ref().unwrap().contains("--home"));
    }

    #[test]
    fn a_chain_id_cannot_leave_the_directory() {
        let args = HomeArgs { home: Some("/w".into()), keystore: None };
        let path = args.trusted_store("../../etc/passwd").unwrap();
        assert_eq!(path.parent().unwrap(), Path::new("/w/light"));
        assert_eq!(args.trusted_store("pyralog-dev-1f").unwrap(), Path::new("/w/light/pyralog-dev-1f.trusted"));
    }
}

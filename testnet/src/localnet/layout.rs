//! Where things stand inside the directory of a local network.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Directory of the network when none is named.
pub const DEFAULT_DIR: &str = ".localnet";

/// The paths of one local network. All of them are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The network in `dir`, which need not exist yet.
    pub fn new(dir: &Path) -> Result<Self> {
        let root = std::path::absolute(dir).with_context(|| format!("cannot make {} absolute", dir.display()))?;
        Ok(Self { root: root.components().collect() })
    }

    /// Whether this is the directory that is used when none is named.
    pub fn is_default(&self) -> bool {
        self.root.file_name().is_some_and(|name| name == DEFAULT_DIR)
    }

    /// The directory itself (`--dir`).
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `localnet.json`: what other programs read.
    pub fn manifest(&self) -> PathBuf {
        self.root.join("localnet.json")
    }

    /// `launcher.json`: ports and processes, for the launcher alone. Written last at creation, so that its presence
    /// says that the network is complete.
    pub fn state(&self) -> PathBuf {
        self.root.join("launcher.json")
    }

    /// Held while a command changes processes, so that two launchers do not start one node twice.
    pub fn lock(&self) -> PathBuf {
        self.root.join("launcher.lock")
    }

    /// Present while the network is being created: what stands beside it may be incomplete and is made again.
    pub fn unfinished(&self) -> PathBuf {
        self.root.join("launcher.unfinished")
    }

    /// The genesis file handed to every node.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// Parent of the node homes.
    pub fn nodes(&self) -> PathBuf {
        self.root.join("nodes")
    }

    /// Home of one node.
    pub fn home(&self, name: &str) -> PathBuf {
        self.nodes().join(name)
    }

    /// What one node writes to its outputs. It stands beside the homes, not in one: a home may be wiped or restored.
    pub fn log(&self, name: &str) -> PathBuf {
        self.nodes().join(format!("{name}.log"))
    }

    /// Keystores and password files of the prefunded accounts.
    pub fn accounts(&self) -> PathBuf {
        self.root.join("accounts")
    }

    /// Everything that the launcher ever makes inside the directory; `reset` removes exactly these.
    pub fn everything(&self) -> Vec<PathBuf> {
        // The state file last: while it stands, the directory is still recognised as ours after an interrupted reset.
        vec![
            self.manifest(),
            self.nodes(),
            self.accounts(),
            self.genesis(),
            self.unfinished(),
            self.lock(),
            self.state(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_free_of_dots() {
        let layout = Layout::new(Path::new("./.localnet/")).unwrap();
        assert!(layout.root().is_absolute());
        assert!(layout.root().ends_with(".localnet") && layout.is_default());
        assert!(!layout.home("node0").to_string_lossy().contains("/./"));
    }

    #[test]
    fn everything_is_inside_the_directory() {
        let layout = Layout::new(Path::new("/tmp/x")).unwrap();
        assert!(layout.everything().iter().all(|path| path.starts_with("/tmp/x") && path != Path::new("/tmp/x")));
        assert_eq!(layout.everything().last(), Some(&layout.state()));
    }
}

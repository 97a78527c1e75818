//! Changes of names that wait for a directory sync.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(super) enum NameOp {
    Link(PathBuf, u64),
    Unlink(PathBuf),
}

impl NameOp {
    pub(super) fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, inode) => {
                names.retain(|_, other| *other != inode);
                names.insert(path, inode);
            }
            Self::Unlink(path) => {
                names.remove(&path);
            }
        }
    }

    pub(super) fn dir(&self) -> Option<&Path> {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => path.parent(),
        }
    }
}

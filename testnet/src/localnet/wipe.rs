//! `fault wipe`: what a lost disk leaves of a node.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result, bail};

use super::layout::Layout;
use super::state::State;
use super::{files, note};

/// Who the other members are, and where: an operator who puts a new disk in knows that, so it stays.
const KEPT: &str = "members.json";

/// Removes what a dead node wrote. Its keys, genesis and configuration stay.
pub fn run(layout: &Layout, state: &State, name: &str) -> Result<()> {
    let index = state.find(name)?;
    let Some(node) = state.nodes.get(index) else { bail!("there is no node {name}") };
    let (name, dir) = (&node.name, layout.root().display());
    if let Some(process) = node.live(layout) {
        bail!(
            "{name} has the process {}, and its data is in use; end it first: `pyralog-testnet fault kill {name} --dir {dir}`",
            process.pid
        );
    }
    // A process that is about to end is no live one.
    super::process::wait_unlocked(&layout.home(name))?;
    let data = layout.home(name).join("data");
    let failed = || format!("cannot read {}", data.display());
    let entries = match fs::read_dir(&data) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        other => other.and_then(Iterator::collect::<std::io::Result<Vec<_>>>).with_context(failed)?,
    };
    let mut paths: Vec<_> = entries.iter().map(fs::DirEntry::path).filter(|path| !path.ends_with(KEPT)).collect();
    paths.sort();
    for path in &paths {
        files::remove(path)?;
    }
    let what: Vec<_> = paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
    if what.is_empty() {
        note(&format!("{name}: there is no data in {}; nothing was removed", data.display()));
        return Ok(());
    }
    note(&format!(
        "{name}: removed from {}: {}; `pyralog-testnet fault restart {name} --dir {dir}` starts it as after a lost disk",
        data.display(),
        what.join(", ")
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::localnet::cli::Fault;
    use crate::localnet::control;
    use crate::localnet::testkit::{FakeNode, layout, members};

    #[test]
    fn a_dead_node_loses_its_data_and_nothing_else() {
        let (_dir, layout) = layout();
        members(&layout, 1, 2);
        let home = layout.home("node0-1");
        let kept = ["keys/peer.key", "genesis.json", "pyralog.toml", "data/members.json"];
        let lost = ["data/core/mark/signer", "data/admin.token", "data/.hidden", "data/core/members.json"];
        for file in kept.iter().chain(&lost) {
            let path = home.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let wipe = || control::fault(&layout, &Fault::Wipe { node: "0-1".to_owned() });
        {
            let _node = FakeNode::start(&layout, "node0-1", false);
            let error = wipe().unwrap_err().to_string();
            assert!(error.contains("fault kill node0-1 --dir"), "{error}");
            assert!(lost.iter().all(|file| home.join(file).exists()), "nothing is taken from a node that runs");
        }
        wipe().unwrap();
        assert!(kept.iter().all(|file| home.join(file).exists()));
        assert!(!lost.iter().any(|file| home.join(file).exists()));
        assert_eq!(std::fs::read_dir(home.join("data")).unwrap().count(), 1);
        wipe().unwrap();
    }

    #[test]
    fn a_node_that_never_wrote_anything_has_nothing_to_lose() {
        let (_dir, layout) = layout();
        members(&layout, 1, 1);
        control::fault(&layout, &Fault::Wipe { node: "node0".to_owned() }).unwrap();
        assert!(control::fault(&layout, &Fault::Wipe { node: "node7".to_owned() }).is_err());
    }
}

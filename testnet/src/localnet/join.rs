//! Homes of members that did not found their cluster: `pyralogd join-cluster`, which asks the founder to take them in.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pyralog_crypto::keystore;

use super::interrupt::Interrupt;
use super::layout::Layout;
use super::process::{find_by_home, spawn_session, stop_all};
use super::state::{Node, State};
use super::{NODE_PROGRAM, config, files, manifest, peer_id};

/// How often the program that joins is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Makes the home of member `index`, whose founder must run, and records its identity. Why it did not join, where it did not: what the
/// program said stands in the node's log, and it can be called again.
pub fn join(
    layout: &Layout,
    state: &mut State,
    index: usize,
    program: &Path,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Option<String>> {
    let Some(node) = state.nodes.get(index) else { bail!("there is no node number {index}") };
    let home = layout.home(&node.name);
    // A launcher may have ended in the middle of this. What stands in the home is used, since the cluster may know its disk already: another
    // one would be one more member, and the first would never come. The program writes the configuration last, and refuses where a genesis is.
    stop_all(&find_by_home(NODE_PROGRAM, &home), Duration::ZERO)?;
    if home.join("pyralog.toml").exists() {
        return recorded(layout, state, index, &home);
    }
    files::remove(&home.join("genesis.json"))?;
    let args = arguments(layout, state, node)?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut child = spawn_session(program, &args, &layout.log(&node.name), node.ports.p2p)?;
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for pyralogd join-cluster")? {
            break Ok(status);
        }
        if interrupt.count() > 0 {
            break Err("was interrupted while it joined its cluster".to_owned());
        }
        if Instant::now() >= deadline {
            break Err(format!("did not join its cluster within {limit:?} (--timeout)"));
        }
        std::thread::sleep(POLL);
    };
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => return Ok(Some(format!("did not join its cluster ({status})"))),
        Err(why) => {
            child.kill().context("cannot end pyralogd join-cluster")?;
            child.wait().context("cannot wait for pyralogd join-cluster")?;
            return Ok(Some(why));
        }
    }
    recorded(layout, state, index, &home)
}

/// Keeps who the member is.
fn recorded(layout: &Layout, state: &mut State, index: usize, home: &Path) -> Result<Option<String>> {
    let peer_id = identity(&config::keys_dir(home).join("peer.key"))?;
    if let Some(node) = state.nodes.get_mut(index) {
        node.peer_id = peer_id;
    }
    state.save(layout)?;
    Ok(None)
}

/// The command line. The ports go with it, since the cluster is told at once where the new member listens.
fn arguments(layout: &Layout, state: &State, node: &Node) -> Result<Vec<String>> {
    let founder = node.member_of.and_then(|of| state.nodes.get(of.cluster));
    let founder = founder.with_context(|| format!("{} has no founder to join", node.name))?;
    let founder_home = layout.home(&founder.name);
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8; use another --dir", path.display()))
    };
    let listen = |port: u16| format!("127.0.0.1:{port}");
    let ports = &node.ports;
    let mut args = vec!["join-cluster".to_owned()];
    for (flag, value) in [
        ("--home", text(&layout.home(&node.name))?),
        ("--api", manifest::url(founder.ports.api)),
        ("--token-file", text(&founder_home.join("data").join("admin.token"))?),
        ("--name", node.name.clone()),
        ("--password-file", text(&config::password_file(&founder_home))?),
        ("--rpc-listen", listen(ports.rpc)),
        ("--api-listen", listen(ports.api)),
        ("--metrics-listen", listen(ports.metrics)),
        ("--tunnel-mode", state.tunnel.word().to_owned()),
        ("--p2p-listen", config::p2p_listen(ports, state.tunnel).join(",")),
    ] {
        args.extend([flag.to_owned(), value]);
    }
    args.push("--cheap-kdf".to_owned());
    Ok(args)
}

/// The peer id of a sealed key, which the seal does not hide.
fn identity(path: &Path) -> Result<String> {
    let failed = || format!("cannot read {}, which `pyralogd join-cluster` makes", path.display());
    let bytes = std::fs::read(path).with_context(failed)?;
    let info = keystore::inspect(&bytes).with_context(failed)?;
    Ok(peer_id::of(&info.public_key))
}

#[cfg(test)]
mod tests;

//! `fault partition` and `fault heal`: nodes that stop hearing each other, by rules of nftables in a table of their own.
//!
//! All nodes stand on 127.0.0.1 and are told apart by their p2p ports: libp2p dials from the port that it listens on, over TCP and over QUIC. Packets
//! between both ports are dropped, and nothing comes back, as where a cable is cut. A dial that fell back to another port says nothing of who it is:
//! while a partition lasts, its two nodes are only reached from ports that the launcher gave to nodes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use pyralog_crypto::{Blake3, MerkleHash};

use super::layout::Layout;
use super::note;
use super::state::State;

const PROGRAM: &str = "nft";
/// What every table of ours is called, before the part that names the network.
const TABLE: &str = "pyralog_testnet";
/// Where the program stands, beside `PATH`, which has no directories of an administrator for others.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];
const NEEDS: &str = "`fault partition` needs the program nft (apt-get install -y nftables), and root or CAP_NET_ADMIN in this network namespace";

/// Cuts two nodes off from each other.
pub fn cut(layout: &Layout, state: &mut State, one: &str, other: &str) -> Result<()> {
    let (one, other) = (state.find(one)?, state.find(other)?);
    let name = |index: usize| state.nodes.get(index).map(|node| node.name.clone()).unwrap_or_default();
    let pair = [name(one.min(other)), name(one.max(other))];
    let [first, second] = &pair;
    if one == other {
        bail!("{first} cannot be cut off from itself: name two nodes");
    }
    let said = format!(
        "{first} and {second} do not hear each other until `pyralog-testnet fault heal --dir {}`",
        layout.root().display()
    );
    if !state.partitions.contains(&pair) {
        state.partitions.push(pair);
    }
    apply(layout, state)?;
    state.save(layout)?;
    note(&said);
    Ok(())
}

/// Lets all nodes hear each other again.
pub fn heal(layout: &Layout, state: &mut State) -> Result<()> {
    if state.partitions.is_empty() {
        note("no nodes are cut off from each other");
        return Ok(());
    }
    let healed: Vec<String> = std::mem::take(&mut state.partitions).iter().map(|pair| pair.join(" and ")).collect();
    apply(layout, state)?;
    state.save(layout)?;
    note(&format!("{} hear each other again", healed.join(", ")));
    Ok(())
}

/// Makes the table what the state says: with the ports that the nodes have now, or gone where nobody is cut off.
pub fn apply(layout: &Layout, state: &State) -> Result<()> {
    load(&rules(&table(layout), state))
}

/// The name of the network's table.
fn table(layout: &Layout) -> String {
    let of = Blake3::digest(layout.root().as_os_str().as_encoded_bytes());
    let number: String = of.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{TABLE}_{number}")
}

/// What nft is given: all of it is done, or nothing.
fn rules(table: &str, state: &State) -> String {
    // Deleting what is not there is an error, making what is there is none.
    let mut text = format!("table inet {table}\ndelete table inet {table}\n");
    if state.partitions.is_empty() {
        return text;
    }
    let port = |name: &String| state.nodes.iter().find(|node| node.name == *name).map(|node| node.ports.p2p);
    let known: Vec<String> = state.nodes.iter().map(|node| node.ports.p2p.to_string()).collect();
    let known = known.join(", ");
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "table inet {table} {{\n\tchain output {{\n\t\ttype filter hook output priority filter; policy accept;"
    );
    for pair in &state.partitions {
        let [Some(one), Some(other)] = pair.each_ref().map(port) else { continue };
        for protocol in ["tcp", "udp"] {
            for (from, to) in [(one, other), (other, one)] {
                let _ = writeln!(text, "\t\t{protocol} sport {from} {protocol} dport {to} drop");
            }
            for near in [one, other] {
                let _ = writeln!(text, "\t\t{protocol} dport {near} {protocol} sport != {{ {known} }} drop");
                let _ = writeln!(text, "\t\t{protocol} sport {near} {protocol} dport != {{ {known} }} drop");
            }
        }
    }
    text.push_str("\t}\n}\n");
    text
}

fn load(rules: &str) -> Result<()> {
    let program = find().context(NEEDS)?;
    let mut child = Command::new(&program)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let sent = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(rules.as_bytes()));
    let ran = child.wait_with_output().context("cannot wait for nft")?;
    if !ran.status.success() {
        bail!("{NEEDS}; nft said: {}", String::from_utf8_lossy(&ran.stderr).trim());
    }
    sent.context("nft does not take its rules")
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain(SYSTEM.map(|dir| Path::new(dir).to_path_buf()));
    all.map(|dir| dir.join(PROGRAM)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::localnet::testkit::{layout, members};

    #[test]
    fn both_directions_of_a_pair_are_dropped_and_nobody_else() {
        let (_dir, layout) = layout();
        let mut state = members(&layout, 1, 3);
        for (node, port) in state.nodes.iter_mut().zip([11, 12, 13]) {
            node.ports.p2p = port;
        }
        state.partitions = vec![["node0".into(), "node0-2".into()]];
        let text = rules("t", &state);
        assert!(text.starts_with("table inet t\ndelete table inet t\ntable inet t {\n"), "{text}");
        for rule in ["tcp sport 11 tcp dport 13 drop", "udp sport 13 udp dport 11 drop"] {
            assert!(text.contains(rule), "{text}");
        }
        assert!(text.contains("tcp dport 11 tcp sport != { 11, 12, 13 } drop"), "{text}");
        assert!(!text.contains("sport 12 ") && !text.contains("dport 12 "), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        state.partitions.clear();
        assert_eq!(rules("t", &state), "table inet t\ndelete table inet t\n");
    }

    #[test]
    fn a_node_is_not_cut_off_from_itself_nor_from_strangers() {
        let (_dir, layout) = layout();
        let mut state = members(&layout, 1, 3);
        assert!(cut(&layout, &mut state, "node0", "0").unwrap_err().to_string().contains("two nodes"));
        assert!(cut(&layout, &mut state, "node0", "node7").unwrap_err().to_string().contains("no node node7"));
        heal(&layout, &mut state).unwrap();
        assert!(state.partitions.is_empty());
    }

    #[test]
    fn each_network_has_a_table_of_its_own() {
        let of = |dir: &str| table(&Layout::new(Path::new(dir)).unwrap());
        assert_eq!(of("/a"), of("/a/"));
        assert!(of("/a") != of("/b") && of("/a").starts_with("pyralog_testnet_"));
    }
}

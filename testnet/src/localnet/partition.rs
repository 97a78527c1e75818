//! `fault partition` and `fault heal`: nodes that stop hearing each other, by rules of nftables in a table of their own.
//!
//! All nodes stand on 127.0.0.1, and dial each other from any port. So a node that root starts has a group of its own, with the number of its p2p port,
//! and a packet of one of the two to the port of the other is known by it. It is dropped, and its flow is marked, so that what comes back is dropped too,
//! as where a cable is cut. Nobody else is touched.

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
const NEEDS: &str =
    "`fault partition` needs the program nft (apt-get install -y nftables), and root in this network namespace";

/// Cuts two nodes off from each other.
pub fn cut(layout: &Layout, state: &mut State, one: &str, other: &str) -> Result<()> {
    let (one, other) = (state.find(one)?, state.find(other)?);
    let name = |index: usize| state.nodes.get(index).map(|node| node.name.clone()).unwrap_or_default();
    let pair = [name(one.min(other)), name(one.max(other))];
    let [first, second] = &pair;
    if one == other {
        bail!("{first} cannot be cut off from itself: name two nodes");
    }
    for node in [one, other].into_iter().filter_map(|index| state.nodes.get(index)) {
        let group = node.process.as_ref().and_then(|process| group_of(process.pid));
        if group.is_some_and(|group| group != u32::from(node.ports.p2p)) {
            bail!(
                "{} cannot be cut off from others: it was not started by root; `pyralog-testnet down` and `up` as root",
                node.name
            );
        }
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
    format!("{TABLE}_{}", number(layout.root().as_os_str().as_encoded_bytes()))
}

/// Eight hexadecimal digits that stand for something.
fn number(of: &[u8]) -> String {
    Blake3::digest(of).as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// What nft is given: all of it is done, or nothing.
fn rules(table: &str, state: &State) -> String {
    // Deleting what is not there is an error, making what is there is none.
    let mut text = format!("table inet {table}\ndelete table inet {table}\n");
    if state.partitions.is_empty() {
        return text;
    }
    let port = |name: &String| state.nodes.iter().find(|node| node.name == *name).map(|node| node.ports.p2p);
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "table inet {table} {{\n\tchain output {{\n\t\ttype filter hook output priority filter; policy accept;"
    );
    for pair in &state.partitions {
        let [Some(one), Some(other)] = pair.each_ref().map(port) else { continue };
        // A flow keeps its mark when the table goes, so each pair has one of its own.
        let mark = format!("0x{}", number(format!("{table} {}", pair.join(" ")).as_bytes()));
        for protocol in ["tcp", "udp"] {
            for (from, to) in [(one, other), (other, one)] {
                let _ = writeln!(text, "\t\tmeta skgid {from} {protocol} dport {to} ct mark set {mark} drop");
            }
        }
        let _ = writeln!(text, "\t\tct mark {mark} drop");
    }
    text.push_str("\t}\n}\n");
    text
}

/// The group of a process.
fn group_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Gid:"))?.split_whitespace().next()?.parse().ok()
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
        for rule in ["meta skgid 11 tcp dport 13 ct mark set 0x", "meta skgid 13 udp dport 11 ct mark set 0x"] {
            assert!(text.contains(rule), "{text}");
        }
        assert!(!text.contains("skgid 12 ") && !text.contains("dport 12 "), "{text}");
        let marks = |text: &str| {
            text.lines().filter_map(|line| line.trim().strip_prefix("ct mark ").map(str::to_owned)).collect::<Vec<_>>()
        };
        let before = marks(&text);
        state.partitions.push(["node0-1".into(), "node0-2".into()]);
        let both = marks(&rules("t", &state));
        assert!(before.len() == 1 && both.len() == 2 && both[0] == before[0] && both[1] != both[0], "{both:?}");
        let text = rules("t", &state);
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

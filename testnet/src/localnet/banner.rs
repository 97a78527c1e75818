//! What `up` prints: endpoints, accounts, and the next lines to type.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};

use super::create::DEFAULT_PORTS;
use super::layout::Layout;
use super::manifest::Manifest;

const HEAD: Style = AnsiColor::Cyan.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The banner. Styled; whoever prints it strips styles where there is no terminal.
pub fn text(layout: &Layout, manifest: &Manifest, detached: bool) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail, here and below.
    let validators = manifest.nodes.iter().filter(|node| node.member == 0).count();
    let size = size(validators, 1 + manifest.nodes.iter().map(|node| node.member).max().unwrap_or(0));
    let _ = writeln!(out, "{HEAD}Pyralog local network {}{HEAD:#}  {size}", manifest.chain_id);
    let _ = writeln!(out, "{DIM}{:<8} {:<24} {:<24} {:<24} pid{DIM:#}", "node", "api", "rpc", "metrics");
    for node in &manifest.nodes {
        let pid = node.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let _ = writeln!(out, "{:<8} {:<24} {:<24} {:<24} {pid}", node.name, node.api, node.rpc, node.metrics);
    }
    let _ = writeln!(
        out,
        "\n{HEAD}prefunded accounts{HEAD:#} {DIM}keys and password files in {}{DIM:#}",
        from_here(&layout.accounts()).display()
    );
    for account in &manifest.accounts {
        let _ = writeln!(out, "{:<9} {} {:>9} pyra", account.name, account.address, account.balance / 1_000_000);
    }
    out.push('\n');
    out.push_str(&next_lines(layout, manifest, detached));
    out
}

/// How many validators there are, and of how many members each.
fn size(validators: usize, members: usize) -> String {
    match (validators, members) {
        (1, 1) => "1 validator".to_owned(),
        (1, _) => format!("1 validator of {members} members"),
        (_, 1) => format!("{validators} validators"),
        _ => format!("{validators} validators of {members} members each"),
    }
}

fn next_lines(layout: &Layout, manifest: &Manifest, detached: bool) -> String {
    let wallet = beside("pyralog");
    let launcher = beside("pyralog-testnet");
    let dir = quoted(&from_here(layout.root()));
    let api = manifest.nodes.first().map(|node| node.api.as_str()).unwrap_or_default();
    let genesis = quoted(&from_here(&manifest.genesis));
    let keys = quoted(&from_here(&layout.accounts()));
    let to = manifest.accounts.get(1).map(|account| account.address.as_str()).unwrap_or_default();
    let mut out = format!("{HEAD}type next{HEAD:#}\n");
    let mut line = |command: String, what: &str| {
        let _ = writeln!(out, "  {DIM}# {what}{DIM:#}\n  {command}");
    };
    if api != format!("http://127.0.0.1:{}", DEFAULT_PORTS.api) {
        line(format!("export PYRALOG_NODE={api}"), "the node that the commands below talk to");
    }
    line(
        format!("echo hello > hello.txt && {wallet} notarize hello.txt --out hello.receipt.json"),
        "notarize a document",
    );
    line(
        format!("{wallet} verify hello.txt hello.receipt.json --genesis {genesis}"),
        "verify it, also with the network down",
    );
    line(
        format!(
            "{wallet} tx send --keystore {keys} --from account0 --password-file {keys}/account0.password --to {to} --amount 1pyra"
        ),
        "send a transfer",
    );
    if let Some(first) = manifest.nodes.first().filter(|_| manifest.nodes.iter().any(|node| node.member > 0)) {
        let token = quoted(&from_here(&first.home.join("data/admin.token")));
        line(
            format!("export PYRALOG_TOKEN_FILE={token}"),
            &format!("the admin token of {}, for its logs and its cluster", first.name),
        );
        line(format!("{wallet} cluster status"), "the members of its cluster");
    }
    let last = manifest.nodes.last().map(|node| node.name.as_str()).unwrap_or_default();
    if let Some(first) = manifest.nodes.first().filter(|node| node.p2p.contains("/udp/")) {
        let token = quoted(&from_here(&first.home.join("data/admin.token")));
        line(
            format!("{wallet} tunnel status --token-file {token}"),
            &format!("the tunnels of {} and the age of their keys", first.name),
        );
    }
    line(
        format!("{launcher} fault kill {last} --dir {dir}"),
        &format!("break a node; `{launcher} fault restart {last} --dir {dir}` mends it"),
    );
    if detached {
        line(format!("{launcher} down --dir {dir}"), "stop; `up` resumes");
    } else {
        let _ = writeln!(out, "  {DIM}# Ctrl-C stops the network; `{launcher} up --dir {dir}` resumes it{DIM:#}");
    }
    out
}

/// A path as it is shortest to type: relative where it is below the current directory.
fn from_here(path: &Path) -> PathBuf {
    let inside = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).map(Path::to_path_buf).ok());
    inside.filter(|inside| !inside.as_os_str().is_empty()).unwrap_or_else(|| path.to_path_buf())
}

/// How the user can call a program that stands beside this one: `bin/NAME` where `make` has linked it into the current
/// directory, the bare name where it is found in `PATH`, else the full path.
fn beside(name: &str) -> String {
    let own = std::env::current_exe().ok().map(|exe| exe.with_file_name(name));
    let linked = Path::new("bin").join(name);
    // What another build has linked there is not the program that this network runs with.
    let linked_to = linked.canonicalize().ok();
    if linked_to.is_some() && own.as_ref().and_then(|path| path.canonicalize().ok()) == linked_to {
        return linked.to_string_lossy().into_owned();
    }
    let in_path =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    match own {
        Some(path) if !in_path => quoted(&path),
        _ => name.to_owned(),
    }
}

/// A path as it can be typed into a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-+=:,@%".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::localnet::manifest::{AccountEntry, NodeEntry};

    fn manifest() -> Manifest {
        let node = NodeEntry {
            name: "node0".to_owned(),
            cluster: 0,
            member: 0,
            pid: Some(77),
            home: "/n/node0".into(),
            rpc: "http://127.0.0.1:1".to_owned(),
            api: "http://127.0.0.1:2".to_owned(),
            metrics: "http://127.0.0.1:3".to_owned(),
            p2p: "/ip4/127.0.0.1/udp/4/p2p/x".to_owned(),
        };
        let account = |index: usize| AccountEntry {
            name: format!("account{index}"),
            address: format!("pyra1account{index}"),
            keystore: "/n/a.json".into(),
            password_file: "/n/a.password".into(),
            balance: 1_000_000_000_000,
        };
        Manifest {
            chain_id: "pyralog-dev-7".to_owned(),
            genesis: "/my net/genesis.json".into(),
            nodes: vec![node],
            accounts: vec![account(0), account(1)],
        }
    }

    #[test]
    fn the_banner_names_endpoints_accounts_and_the_next_lines() {
        let layout = Layout::new(Path::new("/my net")).unwrap();
        let text = text(&layout, &manifest(), true);
        for part in [
            "pyralog-dev-7",
            "http://127.0.0.1:1",
            "http://127.0.0.1:2",
            "pyra1account1",
            "1000000 pyra",
            "export PYRALOG_NODE=http://127.0.0.1:2",
            "notarize hello.txt --out hello.receipt.json",
            "--genesis '/my net/genesis.json'",
            "down --dir '/my net'",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn members_are_no_validators() {
        let layout = Layout::new(Path::new("/n")).unwrap();
        let mut manifest = manifest();
        assert!(text(&layout, &manifest, true).contains("1 validator\n"));
        assert!(!text(&layout, &manifest, true).contains("cluster status"));
        assert_eq!((size(4, 1), size(4, 3)), ("4 validators".to_owned(), "4 validators of 3 members each".to_owned()));
        for member in 1..3 {
            manifest.nodes.push(NodeEntry { name: format!("node0-{member}"), member, ..manifest.nodes[0].clone() });
        }
        let text = text(&layout, &manifest, true);
        assert!(text.contains("1 validator of 3 members\n"), "{text}");
        let token = text.find("export PYRALOG_TOKEN_FILE=/n/node0/data/admin.token").unwrap();
        assert!(text.find("cluster status").unwrap() > token, "{text}");
        assert!(text.contains("fault kill node0-2"), "{text}");
    }

    #[test]
    fn on_the_default_port_nothing_is_to_be_exported() {
        let layout = Layout::new(Path::new("/n")).unwrap();
        let mut manifest = manifest();
        manifest.nodes[0].api = "http://127.0.0.1:8080".to_owned();
        assert!(!text(&layout, &manifest, false).contains("PYRALOG_NODE"));
    }

    #[test]
    fn below_the_current_directory_paths_are_relative() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(from_here(&here.join(".localnet/genesis.json")), Path::new(".localnet/genesis.json"));
        assert_eq!(from_here(&here), here);
        assert_eq!(from_here(Path::new("/elsewhere/genesis.json")), Path::new("/elsewhere/genesis.json"));
    }

    #[test]
    fn a_program_that_is_not_linked_here_is_called_by_its_path() {
        let own = std::env::current_exe().unwrap();
        assert_eq!(beside("no-such-program"), quoted(&own.with_file_name("no-such-program")));
    }

    #[test]
    fn in_the_foreground_ctrl_c_is_named_instead_of_down() {
        let layout = Layout::new(Path::new("/n")).unwrap();
        let text = text(&layout, &manifest(), false);
        assert!(text.contains("Ctrl-C stops the network") && !text.contains("down --dir"));
    }
}

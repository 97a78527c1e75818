//! `pyralog tunnel status`.

use std::path::PathBuf;

use clap::Args;
use comfy_table::{Cell, Color, Table};

use super::wire::{Tunnel, Tunnels};
use crate::admin::{Admin, PATIENCE, understood};
use crate::error::{Failure, Result};
use crate::node::{Call, NodeFault};
use crate::output::{BAD, GOOD, Output, WARN, safe};

/// Rosenpass makes a key about every 120 s and gives one up that is older than this.
const OLD_KEY_S: f64 = 180.0;

/// Options of `tunnel status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Native API of the node, http://HOST:PORT (default http://127.0.0.1:8080)
    #[arg(long, value_name = "URL", env = "PYRALOG_NODE")]
    pub node: Option<String>,
    /// Its admin token, which is HOME/data/admin.token (default: that of the node of the local network in .localnet)
    #[arg(long, value_name = "FILE", env = "PYRALOG_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &StatusArgs) -> Result<Output> {
    // Each node has tunnels of its own, and a token of its own.
    crate::cluster::one(args.node.as_deref())?;
    let node = Admin::connect(args.node.as_deref(), args.token_file.as_deref())?;
    let answer = node.call("/v1/tunnels", Call::Get, PATIENCE).map_err(|fault| failure(&node, fault))?;
    let document = answer.body.clone();
    let tunnels: Tunnels = understood(answer).map_err(|fault| failure(&node, fault))?;
    Ok(Output::new(document, text(&tunnels)))
}

fn failure(node: &Admin, fault: NodeFault) -> Failure {
    match fault {
        NodeFault::NotFound { code, message, remedy } if code == "no_tunnels" => {
            let failure = Failure::error(format!("{}: {message}", node.url()));
            match remedy {
                Some(remedy) => failure.next(remedy),
                None => failure,
            }
        }
        fault => node.failure(fault),
    }
}

fn text(tunnels: &Tunnels) -> String {
    if tunnels.peers.is_empty() {
        return format!("{WARN}no peers: see p2p.bootstrap of this node{WARN:#}");
    }
    let mut table = Table::new();
    let header = ["PEER", "ENDPOINT", "PATH", "WIREGUARD", "POST-QUANTUM KEY", "RTT", "LOSS", "RECEIVED", "SENT"];
    table.load_style(comfy_table::presets::NOTHING).set_header(header).enforce_styling();
    for tunnel in &tunnels.peers {
        let (handshake, key) = (tunnel.wireguard_handshake_age_s, tunnel.post_quantum_key_age_s);
        let color = |good: bool| if good { Color::Green } else { Color::Red };
        table.add_row([
            Cell::new(safe(tunnel.name.as_deref().or(tunnel.peer_id.as_deref()).unwrap_or("-"))),
            Cell::new(tunnel.endpoint.as_deref().map_or_else(|| "-".to_owned(), safe)),
            Cell::new(tunnel.path.as_deref().map_or_else(|| "-".to_owned(), safe)),
            Cell::new(age(handshake)).fg(color(handshake.is_some())),
            Cell::new(age(key)).fg(color(is_young(key))),
            Cell::new(tunnel.rtt_ms.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.1} ms"))),
            Cell::new(format!("{:.1} %", tunnel.loss * 100.0)),
            Cell::new(bytes(tunnel.rx_bytes)),
            Cell::new(bytes(tunnel.tx_bytes)),
        ]);
    }
    format!("{}\n\n{}", table.trim_fmt(), closing(tunnels))
}

fn is_young(key: Option<f64>) -> bool {
    key.is_some_and(|age| age < OLD_KEY_S)
}

/// All of it in a line.
fn closing(tunnels: &Tunnels) -> String {
    let all = tunnels.peers.len();
    let open = |tunnel: &&Tunnel| tunnel.wireguard_handshake_age_s.is_some();
    let open = tunnels.peers.iter().filter(open).count();
    let keyed = tunnels.peers.iter().filter(|tunnel| is_young(tunnel.post_quantum_key_age_s)).count();
    let style = if open == all && keyed == all {
        GOOD
    } else if open == 0 {
        BAD
    } else {
        WARN
    };
    format!("{style}{open} of {all} tunnels open, {keyed} with a post-quantum key younger than three minutes{style:#}")
}

fn age(seconds: Option<f64>) -> String {
    match seconds {
        None => "none".to_owned(),
        Some(seconds) if seconds < 120.0 => format!("{seconds:.0} s ago"),
        Some(seconds) => format!("{:.0} min ago", seconds / 60.0),
    }
}

fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1_024.0 {
            break;
        }
        (value, unit) = (value / 1_024.0, next);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;

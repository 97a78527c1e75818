//! `pyralog tunnel`: the tunnels of a node, as that node sees them.

mod status;
mod wire;

use clap::Subcommand;

use crate::error::Result;
use crate::output::Output;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum TunnelCommand {
    /// Show the tunnel with each peer: where it is, how old its keys are, what passed
    ///
    /// A tunnel is open when WireGuard has agreed on a session with the peer; the post-quantum key is the one that Rosenpass made last, about every two
    /// minutes. With --json the answer of the node is printed as it is.
    Status(status::StatusArgs),
}

/// Runs a `tunnel` command.
pub fn run(command: TunnelCommand) -> Result<Output> {
    match command {
        TunnelCommand::Status(args) => status::run(&args),
    }
}

//! `pyralog-testnet`: local networks of Pyralog.

use std::process::ExitCode;

use clap::Parser;
use pyralog_testnet::localnet::{self, cli::Cli};

fn main() -> ExitCode {
    match localnet::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `pyralog`: the command line of Pyralog.

mod admin;
mod cli;
mod cluster;
mod document;
mod error;
mod files;
mod genesis;
mod home;
mod inspect;
mod interrupt;
mod keys;
mod light;
mod log;
mod node;
mod notarize;
mod output;
mod passphrase;
mod pending;
mod query;
mod receipt_cmd;
mod receipt_file;
mod sources;
mod tunnel;
mod tx;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}

//! The command line of `pyralogd`.

mod args;
mod commands;
mod fsck;
mod ids;
mod join;
mod tunnel;

pub use args::{Cli, Command, command};
pub(crate) use commands::read;

use std::process::ExitCode;

/// Runs the program: parses, does, reports. Exit codes: 0 done, 1 error, 2 usage.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    match commands::run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Our own errors name their causes in their one sentence; others carry theirs in a chain.
            match error.downcast_ref::<crate::Error>() {
                Some(error) => eprintln!("pyralogd: {error}"),
                None => eprintln!("pyralogd: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

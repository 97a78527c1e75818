//! `pyralogd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pyralog_node::cli::main()
}

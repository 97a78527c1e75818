//! The command line: what is parsed, what is run, how it ends.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cluster::{self, ClusterCommand};
use crate::error::{Failure, Result};
use crate::home::HomeArgs;
use crate::inspect::{self, InspectArgs};
use crate::interrupt;
use crate::keys::{self, KeyStore, KeysCommand};
use crate::light::{self, LightCommand};
use crate::log::{self, LogCommand};
use crate::notarize::{self, NotarizeArgs};
use crate::output::{self, Output};
use crate::query::{self, QueryCommand};
use crate::receipt_cmd::{self, ReceiptCommand};
use crate::tunnel::{self, TunnelCommand};
use crate::tx::{self, TxCommand};
use crate::verify::{self, VerifyArgs};

/// Keys, notarization, offline verification, light client and transactions of Pyralog.
///
/// Exit codes: 0 valid or done, 1 error, 2 usage, 3 proof invalid, 4 pending, 5 root not trusted, 130 and 143 stopped by Ctrl-C
/// and SIGTERM. The result goes to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "pyralog", version, arg_required_else_help = true)]
pub struct Cli {
    /// Print the result as one JSON document, also when the command fails
    ///
    /// File names stand in it as they are. Where one is not UTF-8, a member with the same name and _hex behind it holds its bytes.
    #[arg(long, global = true)]
    pub json: bool,
    /// Where the wallet's own files are
    #[command(flatten)]
    pub home: HomeArgs,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, list, show, export and import sealed keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Notarize documents: a receipt proves that each existed no later than a block of the chain
    Notarize(NotarizeArgs),
    /// Complete or refresh receipts
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Verify a document and its receipt offline
    Verify(VerifyArgs),
    /// Show what a receipt says, from the document to the validators
    Inspect(InspectArgs),
    /// Transfers
    #[command(subcommand)]
    Tx(TxCommand),
    /// Ask a node for accounts, blocks, anchors and logs
    #[command(subcommand)]
    Query(QueryCommand),
    /// Record logs of a node: create, append, read, tail
    #[command(subcommand)]
    Log(LogCommand),
    /// Members of a cluster: show, add, remove, hand over the lead
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Tunnels of a node to its peers
    #[command(subcommand)]
    Tunnel(TunnelCommand),
    /// Follow the chain by headers alone
    #[command(subcommand)]
    Light(LightCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Parses, runs, prints. Clap's own errors end with 2, help and version with 0.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let json = cli.json;
    let result = interrupt::listen(json).and_then(|()| run(cli));
    interrupt::finish();
    let result = result.map(explained).and_then(|output| output::print(&output, json).map(|()| output.failure));
    let failure = match result {
        Ok(None) => return ExitCode::SUCCESS,
        // The result is printed already; the failure says what is missing from it.
        Ok(Some(failure)) => failure,
        Err(failure) => {
            if json && let Err(unprintable) = output::print_document(&failure.document()) {
                output::print_failure(&unprintable);
            }
            failure
        }
    };
    output::print_failure(&failure);
    failure.into()
}

/// A partial result with the error that came with it.
fn explained(mut output: Output) -> Output {
    if let Some(failure) = &output.failure {
        output.document["error"] = failure.document()["error"].take();
    }
    output
}

/// Help and version go to stdout with 0, everything else to stderr with 2, and with `--json` as a document to stdout.
fn usage(error: &clap::Error) -> ExitCode {
    if error.exit_code() == 0 {
        // A closed stream leaves nothing to report to.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    // Nothing is parsed, so the words themselves say whether a document is wanted.
    let words: Vec<OsString> = std::env::args_os().skip(1).take_while(|word| word != "--").collect();
    if words.iter().any(|word| word == "--json")
        && let Err(unprintable) = output::print_document(&usage_failure(error, &words).document())
    {
        output::print_failure(&unprintable);
    }
    // It repeats the words of the command line, whatever they hold.
    output::note(error.render().ansi().to_string().trim_end());
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Clap's error as a failure: its sentence on one line, without the tips and the usage that follow it.
fn usage_failure(error: &clap::Error, words: &[OsString]) -> Failure {
    let help = help_of(words);
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("a command is needed").next(help);
    }
    let text = error.render().to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    Failure::usage(sentence.split_whitespace().collect::<Vec<_>>().join(" ")).next(help)
}

/// The command that shows the help of the subcommand that the words name.
fn help_of(words: &[OsString]) -> String {
    let mut command = Cli::command();
    let mut names = vec!["pyralog".to_owned()];
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--home" || word == "--keystore" {
            // What follows is its value, which may have the name of a command.
            words.next();
        } else if let Some(found) = command.find_subcommand(word).cloned() {
            names.push(found.get_name().to_owned());
            command = found;
        }
    }
    names.push("--help".to_owned());
    names.join(" ")
}

fn run(cli: Cli) -> Result<Output, Failure> {
    match cli.command {
        Command::Keys(command) => keys::run(command, &KeyStore::new(cli.home.keystore()?)),
        Command::Notarize(args) => notarize::run(&args),
        Command::Receipt(command) => receipt_cmd::run(command),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Tx(command) => tx::run(command, &cli.home),
        Command::Query(command) => query::run(command, &cli.home),
        Command::Log(command) => log::run(command, cli.json),
        Command::Cluster(command) => cluster::run(command),
        Command::Tunnel(command) => tunnel::run(command),
        Command::Light(command) => light::run(command, &cli.home),
        Command::Completions { shell } => completions(shell, cli.json),
    }
}

fn completions(shell: clap_complete::Shell, json: bool) -> Result<Output> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pyralog", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    let document =
        if json { serde_json::json!({ "shell": shell.to_string(), "script": text }) } else { serde_json::Value::Null };
    Ok(Output::new(document, text))
}

#[cfg(test)]
mod tests;

//! The command line of `pyralog-testnet`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use pyralog_consensus::duration::parse_wait;

use super::layout::DEFAULT_DIR;
use super::state::TunnelMode;

/// Runs a local Pyralog network: real pyralogd processes on loopback ports, in one directory.
#[derive(Debug, Parser)]
#[command(name = "pyralog-testnet", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// Directory of the network; accepted before and after the subcommand
    #[arg(long, global = true, value_name = "DIR", default_value = DEFAULT_DIR, env = "PYRALOG_LOCALNET")]
    pub dir: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create the network in DIR, or resume it, and wait until every node serves
    Up(UpArgs),
    /// Stop every node; the state stays and the next `up` resumes it
    Down {
        /// How long to wait for a graceful stop before SIGKILL: 3, 3s, 500ms, 2m
        #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = parse_wait)]
        grace: Duration,
    },
    /// Show each node: process, height, peers, health
    Status {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print what a node wrote to its outputs
    Logs {
        /// node0, node1, …, node0-1 for a member of its cluster, or just the number
        node: String,
        /// Keep printing what is added, until Ctrl-C
        #[arg(long, short)]
        follow: bool,
        /// Begin with the last N lines instead of all
        #[arg(long, short = 'n', value_name = "N")]
        lines: Option<usize>,
    },
    /// Break a node, or mend it
    Fault {
        /// Which fault
        #[command(subcommand)]
        fault: Fault,
    },
    /// Stop every node and remove the network from DIR
    Reset,
    /// Decoder fuzzing: repeat a find, make the seed files anew
    Fuzz {
        /// Which
        #[command(subcommand)]
        command: crate::fuzz::cli::FuzzCommand,
    },
    /// Measure what things cost: a report on stdout, progress on stderr; makes and removes a network of its own below TMPDIR
    Bench(crate::bench::cli::BenchArgs),
    /// Run whole networks in one thread from seeds: virtual time, faults, a Byzantine validator
    Sim(crate::sim::cli::SimArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Become the leader of a new session, then the given program (used by the launcher itself)
    #[command(name = super::process::SESSION_COMMAND, hide = true, disable_help_flag = true)]
    ExecInSession {
        /// The group it gets, where root asks
        group: u16,
        /// Program to execute
        program: PathBuf,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// Options of `up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// How many validators a new network gets (default 4); an existing network keeps its number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub validators: Option<u16>,
    /// How many members each validator's cluster gets in a new network (default 1); an existing network keeps its number
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u16).range(1..=7))]
    pub members: Option<u16>,
    /// Return when every node serves and leave the nodes running, instead of staying until Ctrl-C
    #[arg(long)]
    pub detach: bool,
    /// Print one JSON document (the contents of localnet.json) instead of the banner
    #[arg(long)]
    pub json: bool,
    /// Target time between blocks (default 500 for a new network); changing it takes effect at this start
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub block_interval_ms: Option<u64>,
    /// How the nodes reach each other (default userspace for a new network); changing it takes effect at this start
    #[arg(long, value_name = "MODE", value_enum)]
    pub tunnel: Option<TunnelMode>,
    /// Give node0 of a new network the ports that every program defaults to (8080, 26657, 26660, 51820/udp), each where it is
    /// free; always done in a directory called .localnet
    #[arg(long)]
    pub default_ports: bool,
    /// How long to wait until every node serves: 3, 3s, 500ms, 2m
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = parse_wait)]
    pub timeout: Duration,
}

/// The faults.
#[derive(Debug, Clone, Subcommand)]
pub enum Fault {
    /// SIGKILL: the node stays dead until `fault restart` or `up`
    Kill {
        /// node0, node1, …, node0-1 for a member of its cluster, or just the number
        node: String,
    },
    /// Stop the node if it runs, start it, wait until it answers
    Restart {
        /// node0, node1, …, node0-1 for a member of its cluster, or just the number
        node: String,
    },
    /// SIGSTOP: the process keeps its connections and answers nothing
    Pause {
        /// node0, node1, …, node0-1 for a member of its cluster, or just the number
        node: String,
    },
    /// SIGCONT after a pause
    Resume {
        /// node0, node1, …, node0-1 for a member of its cluster, or just the number
        node: String,
    },
    /// Two nodes stop hearing each other until `fault heal`; needs nft and the right to administer the network
    Partition {
        /// node0, node1, …, node0-1 for a member of its cluster, or just the number
        node: String,
        /// The other one
        other: String,
    },
    /// All nodes hear each other again
    Heal,
    /// Take a dead node's disk: remove its data, but neither keys, genesis and pyralog.toml nor data/members.json
    Wipe {
        /// node0, node1, …, node0-1 for a member of its cluster, or just the number
        node: String,
    },
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("pyralog-testnet").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn dir_is_accepted_in_any_position_of_every_subcommand() {
        for line in [
            "--dir /d up --validators 4",
            "up --dir /d --validators 4",
            "up --validators 4 --detach --dir /d",
            "--dir /d down",
            "down --dir=/d",
            "status --json --dir /d",
            "logs node0 --dir /d --follow",
            "--dir /d fault kill node1",
            "fault --dir /d restart node1",
            "fault pause node1 --dir /d",
            "fault wipe node0-1 --dir /d",
            "fault partition node0 node0-1 --dir /d",
            "fault heal --dir /d",
            "up --validators 4 --members 3 --dir /d",
            "reset --dir /d",
            "completions bash --dir /d",
        ] {
            assert_eq!(parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).dir, Path::new("/d"), "{line}");
        }
    }

    #[test]
    fn bad_counts_and_unknown_words_are_usage_errors() {
        for line in [
            "up --validators 0",
            "up --validators 65",
            "up --validators x",
            "up --members 0",
            "up --members 8",
            "fault melt node0",
            "fault wipe",
            "fault partition node0",
            "logs",
            "sideways",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn times_have_units_or_count_seconds() {
        let timeout = |text: &str| match parse(&format!("up --timeout {text}")).map(|cli| cli.command) {
            Ok(Command::Up(args)) => Ok(args.timeout),
            Ok(_) => panic!("another command"),
            Err(error) => Err(error),
        };
        assert_eq!(timeout("3").unwrap(), Duration::from_secs(3));
        assert_eq!(timeout("500ms").unwrap(), Duration::from_millis(500));
        let refused = timeout("soon").unwrap_err();
        assert!(refused.exit_code() == 2 && refused.to_string().contains("500ms"), "{refused}");
        let Command::Down { grace } = parse("down --grace 2m").unwrap().command else { panic!("another command") };
        assert_eq!(grace, Duration::from_secs(120));
        let Command::Down { grace } = parse("down").unwrap().command else { panic!("another command") };
        assert_eq!(grace, Duration::from_secs(10));
    }

    #[test]
    fn a_program_keeps_its_own_options() {
        let cli = parse("exec-in-session 31713 /bin/pyralogd start --home /h").unwrap();
        let Command::ExecInSession { group, program, args } = cli.command else { panic!("another command") };
        assert_eq!((group, program.as_path()), (31713, Path::new("/bin/pyralogd")));
        assert_eq!(args, ["start", "--home", "/h"]);
    }
}

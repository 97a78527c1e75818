//! What can be typed. The flags of `init`, `start` and `config show` come from the table of configuration keys.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, CommandFactory, Parser, Subcommand};
use pyralog_cluster_core::NodeNumber;
use pyralog_p2p::TunnelKey;

use crate::config::KEYS;
use crate::tunnel::HostPort;

/// The Pyralog node
#[derive(Debug, Parser)]
#[command(name = "pyralogd", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a home: keys, configuration, and the genesis of a network of one, or a copy of a given one
    Init(InitArgs),
    /// Run the node until SIGINT or SIGTERM
    Start(HomeArgs),
    /// Make a home that joins the cluster of a running node as a further member
    JoinCluster(JoinArgs),
    /// Show what a running node says of itself
    Status(StatusArgs),
    /// Check everything that a stopped node has on disk
    Fsck(FsckArgs),
    /// The configuration in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The validator's signer
    #[command(subcommand)]
    Signer(SignerCommand),
    /// Peers with stock WireGuard and Rosenpass
    #[command(subcommand)]
    Tunnel(TunnelCommand),
    /// Serve ids and nothing else, until SIGINT or SIGTERM
    Obelisk(ObeliskArgs),
    /// Draw ids from servers of ids
    Ids(IdsArgs),
    /// Show versions of program and protocols
    Version(JsonArgs),
    /// Print completions for a shell
    Completions {
        /// Which
        shell: clap_complete::Shell,
    },
}

/// Where the node lives.
#[derive(Debug, Args)]
pub struct HomeArgs {
    /// The node's home directory (default ~/.pyralog/node)
    #[arg(long, value_name = "DIR", env = "PYRALOG_HOME")]
    pub home: Option<PathBuf>,
}

/// `--json`
#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub(super) home: HomeArgs,
    #[command(flatten)]
    pub(super) json: JsonArgs,
    /// Join the network of this genesis file instead of making one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["chain_id", "fund", "keys_only"])]
    pub(super) genesis: Option<PathBuf>,
    /// Chain id of the new network (default pyralog-dev- and random digits)
    #[arg(long, value_name = "ID")]
    pub(super) chain_id: Option<String>,
    /// Give an account a balance in the new genesis, in upyra; may be repeated
    #[arg(long, value_name = "ADDRESS=UPYRA")]
    pub(super) fund: Vec<String>,
    /// Make keys and configuration only; the genesis file is put there later
    #[arg(long, conflicts_with_all = ["chain_id", "fund"])]
    pub(super) keys_only: bool,
    /// Make a random passphrase and keep it in HOME/keys/password
    #[arg(long)]
    pub(super) generate_password: bool,
    /// Seal the keys at the least cost: for throw-away keys of local networks only
    #[arg(long)]
    pub(super) cheap_kdf: bool,
}

/// `join-cluster`
#[derive(Debug, Args)]
pub struct JoinArgs {
    #[command(flatten)]
    pub(super) home: HomeArgs,
    #[command(flatten)]
    pub(super) json: JsonArgs,
    /// Native API of a member that runs, http://HOST:PORT; from another machine through a tunnel such as ssh -L
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(super) api: String,
    /// File with the admin token of that member: HOME/data/admin.token there
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: PathBuf,
    /// Name of the new member, for people
    #[arg(long, value_name = "NAME")]
    pub(super) name: String,
    /// Seal the keys at the least cost: for throw-away keys of local networks only
    #[arg(long)]
    pub(super) cheap_kdf: bool,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(super) home: HomeArgs,
    #[command(flatten)]
    pub(super) json: JsonArgs,
    /// Ask this native API, http://HOST:PORT, instead of the node of the home
    #[arg(long, value_name = "URL")]
    pub(super) node: Option<String>,
}

/// `fsck`
#[derive(Debug, Args)]
pub struct FsckArgs {
    #[command(flatten)]
    pub(super) home: HomeArgs,
    #[command(flatten)]
    pub(super) json: JsonArgs,
    /// Put right what is safe to put right: torn last writes, derived files, indexes. Damage is never touched
    #[arg(long)]
    pub(super) repair: bool,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print all settings as pyralog.toml would hold them
    Show(ShowArgs),
}

/// `config show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub(super) home: HomeArgs,
    /// Say for each value whether it comes from a flag, the environment, the file (with its line) or the default
    #[arg(long)]
    pub(super) origin: bool,
}

/// `signer …`
#[derive(Debug, Subcommand)]
pub enum SignerCommand {
    /// Sign again after a suspension: only when no other process uses the validator key
    Resume(HomeArgs),
}

/// `tunnel …`
#[derive(Debug, Subcommand)]
pub enum TunnelCommand {
    /// Print what a machine with stock WireGuard and Rosenpass needs to reach this node
    ExportConf(ExportArgs),
    /// Let such a machine in, from the next start on
    ImportPeer(ImportArgs),
}

/// `tunnel export-conf`
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub(super) home: HomeArgs,
    #[command(flatten)]
    pub(super) json: JsonArgs,
    /// Where the other machine reaches the UDP socket of this node's tunnels
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) endpoint: HostPort,
    /// WireGuard public key of the other machine, from which its address follows
    #[arg(long, value_name = "KEY")]
    pub(super) peer_key: Option<TunnelKey>,
    /// Write the files there instead of printing them, and this node's Rosenpass public key with them
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

/// `tunnel import-peer`
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub(super) home: HomeArgs,
    #[command(flatten)]
    pub(super) json: JsonArgs,
    /// A name for the peer: 1 to 32 small letters, digits and dashes
    #[arg(long, value_name = "NAME")]
    pub(super) name: String,
    /// Its WireGuard public key, as `wg pubkey` prints it
    #[arg(long, value_name = "KEY")]
    pub(super) wireguard_key: TunnelKey,
    /// File with its Rosenpass public key, half a MiB; needed unless tunnel.post_quantum is off
    #[arg(long, value_name = "FILE")]
    pub(super) rosenpass_key: Option<PathBuf>,
    /// Where its WireGuard listens; without it the peer begins
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) endpoint: Option<HostPort>,
    /// Where its Rosenpass listens; without it the peer begins
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) rosenpass_endpoint: Option<HostPort>,
}

/// `obelisk`
#[derive(Debug, Args)]
pub struct ObeliskArgs {
    /// Directory of the generators, made where there is none
    #[arg(long, value_name = "DIR", env = "PYRALOG_OBELISK_DIR")]
    pub(super) dir: PathBuf,
    /// Number in every id, 0 to 1023; no other server may ever have had it
    #[arg(long, value_name = "N", env = "PYRALOG_OBELISK_NODE", value_parser = node_number)]
    pub(super) node: NodeNumber,
    /// Address to listen on, loopback only; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:26661", env = "PYRALOG_OBELISK_LISTEN")]
    pub(super) listen: String,
    /// Let --listen be another address than loopback, such as a tunnel's, though nothing is encrypted
    #[arg(long)]
    pub(super) without_tls: bool,
    /// Host names accepted besides loopback names and the address of --listen
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) allowed_hosts: Vec<String>,
    #[command(flatten)]
    pub(super) json: JsonArgs,
}

/// `ids`
#[derive(Debug, Args)]
pub struct IdsArgs {
    /// Servers of ids, http://HOST:PORT each; the next one is asked when one gives none
    #[arg(long, value_name = "URL[,URL]", required = true, value_delimiter = ',', env = "PYRALOG_IDS_FROM")]
    pub(super) from: Vec<String>,
    /// How many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: u64,
    /// Values of the server's counter instead of Scarab ids; takes exactly one server
    #[arg(long)]
    pub(super) counter: bool,
    #[command(flatten)]
    pub(super) json: JsonArgs,
}

fn node_number(text: &str) -> Result<NodeNumber, String> {
    let number = text.parse().map_err(|_| "a number from 0 to 1023 is expected".to_owned())?;
    NodeNumber::new(number).map_err(|error| error.to_string())
}

/// The whole command line, with a flag for each configuration key where settings are read.
pub fn command() -> clap::Command {
    let with_keys = |command: clap::Command| command.args(KEYS.iter().map(flag)).next_help_heading("Settings");
    let log_keys = || KEYS.iter().filter(|key| key.name.starts_with("log."));
    let with_password =
        |command: clap::Command| command.args(KEYS.iter().filter(|key| key.name.starts_with("keys.")).map(flag));
    let log_flag = |key| flag(key).help_heading("Settings (flag > environment > default)");
    Cli::command()
        .mut_subcommand("init", with_keys)
        .mut_subcommand("start", with_keys)
        .mut_subcommand("join-cluster", with_keys)
        .mut_subcommand("obelisk", |obelisk| obelisk.args(log_keys().map(log_flag)))
        .mut_subcommand("config", |config| config.mut_subcommand("show", with_keys))
        .mut_subcommand("tunnel", |tunnel| {
            tunnel.mut_subcommand("export-conf", with_password).mut_subcommand("import-peer", with_password)
        })
}

fn flag(key: &'static crate::config::Key) -> Arg {
    let range = match (key.range.start(), key.range.end()) {
        (0, &u64::MAX) => String::new(),
        (low, high) => format!(" ({low} to {high}{})", if key.list { " items" } else { "" }),
    };
    let value = if key.list { "LIST" } else { "VALUE" };
    // Made once per process; the parser wants names that live as long as it does.
    let long: &'static str = Box::leak(key.flag().into_boxed_str());
    Arg::new(key.name)
        .long(long)
        .value_name(value)
        .help(format!("{}{range} [{}, env {}]", key.help, key.name, key.env()))
        .help_heading("Settings (flag > environment > pyralog.toml > default)")
        .hide_short_help(true)
}

/// The settings given as flags.
pub(super) fn settings(matches: &ArgMatches) -> std::collections::BTreeMap<&'static str, String> {
    let given = |key: &'static crate::config::Key| {
        let value = matches.try_get_one::<String>(key.name).ok().flatten()?;
        Some((key.name, value.clone()))
    };
    KEYS.iter().filter_map(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_key_is_a_flag_of_start() {
        let matches = command()
            .try_get_matches_from([
                "pyralogd",
                "start",
                "--home",
                "/h",
                "--rpc-listen",
                "127.0.0.1:0",
                "--password-file",
                "/p",
            ])
            .unwrap();
        let (name, start) = matches.subcommand().unwrap();
        let given = settings(start);
        assert_eq!(name, "start");
        assert_eq!(given.get("rpc.listen").map(String::as_str), Some("127.0.0.1:0"));
        assert_eq!(given.get("keys.password_file").map(String::as_str), Some("/p"));
        assert_eq!(given.len(), 2);
        assert!(command().try_get_matches_from(["pyralogd", "start", "--rpc-lissten", "x"]).is_err());
    }
}

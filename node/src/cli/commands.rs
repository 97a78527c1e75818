//! What the commands do.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ArgMatches, FromArgMatches};
use serde_json::{Value, json};

use super::args::{
    Cli, Command, ConfigCommand, HomeArgs, InitArgs, JsonArgs, ShowArgs, SignerCommand, StatusArgs, TunnelCommand,
    command, settings,
};
use crate::config::{Key, Origin, Resolved, Sources};
use crate::home::{Home, read_bounded};
use crate::http::agent;
use crate::init::{InitPlan, NewGenesis};
use crate::keys::passphrase;
use crate::node::{Endpoints, Node};
use crate::{init, logging};

/// Largest configuration file, bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// How long a node may take to answer `status` and `signer resume`.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the command in `matches`.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let cli = Cli::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
    let flags = match matches.subcommand() {
        Some(("config" | "tunnel", inner)) => inner.subcommand().map(|(_, sub)| settings(sub)).unwrap_or_default(),
        Some((_, sub)) => settings(sub),
        None => BTreeMap::new(),
    };
    match cli.command {
        Command::Init(args) => init_home(&args, flags),
        Command::Start(args) => start(&args, flags),
        Command::JoinCluster(args) => super::join::run(&home_of(&args.home), &args, flags),
        Command::Status(args) => status(&args),
        Command::Fsck(args) => super::fsck::run(&home_of(&args.home), &args),
        Command::Config(ConfigCommand::Show(args)) => show(&args, flags),
        Command::Signer(SignerCommand::Resume(args)) => resume(&args),
        Command::Tunnel(TunnelCommand::ExportConf(args)) => super::tunnel::export(&home_of(&args.home), &args, flags),
        Command::Tunnel(TunnelCommand::ImportPeer(args)) => super::tunnel::import(&home_of(&args.home), &args, flags),
        Command::Obelisk(args) => super::ids::serve(&args, flags),
        Command::Ids(args) => super::ids::draw(&args),
        Command::Version(args) => version(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut command(), "pyralogd", &mut std::io::stdout());
            Ok(())
        }
    }
}

pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn home_of(args: &HomeArgs) -> Home {
    Home::new(&args.home.clone().unwrap_or_else(|| Home::default_root(&env)))
}

pub(super) fn resolve(home: &Home, flags: BTreeMap<&'static str, String>) -> Result<Resolved> {
    let path = home.config();
    let file = match path.exists() {
        true => Some(String::from_utf8(read_bounded(&path, MAX_CONFIG_BYTES)?).context("pyralog.toml is not UTF-8")?),
        false => None,
    };
    let mut resolved = Resolved::load(&Sources { file: file.map(|text| (path, text)), env: &env, flags })?;
    let in_file = Key::find("keys.password_file").is_some_and(|key| matches!(resolved.origin(key), Origin::File(..)));
    let password = &mut resolved.config.keys.password_file;
    if in_file && password.is_relative() && !password.as_os_str().is_empty() {
        *password = home.root().join(&password);
    }
    Ok(resolved)
}

fn start(args: &HomeArgs, flags: BTreeMap<&'static str, String>) -> Result<()> {
    let home = home_of(args);
    let resolved = resolve(&home, flags)?;
    let config = &resolved.config;
    logging::init(&config.log)?;
    if !home.root().is_dir() {
        bail!("{}: there is no node; make one with `pyralogd init --home {0}`", home.root().display());
    }
    let secret = passphrase(&config.keys.password_file, false)?;
    raise_file_limit();
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(32)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()
        .context("the system gives no threads")?;
    runtime.block_on(async {
        // Before anything slow, so that a signal during the start is not lost.
        let signal = stop_signal()?;
        let node = Node::start(&home, config, &secret).await?;
        drop(secret);
        node.run(signal).await.map_err(anyhow::Error::from)
    })
}

/// Logs with many partitions take many files, and the usual limit is meant for programs that use `select`.
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("SIGINT"),
            _ = terminate.recv() => tracing::info!("SIGTERM"),
        }
    })
}

fn init_home(args: &InitArgs, flags: BTreeMap<&'static str, String>) -> Result<()> {
    let home = home_of(&args.home);
    let resolved = Resolved::load(&Sources { file: None, env: &env, flags: flags.clone() })?;
    let genesis = match (&args.genesis, args.keys_only) {
        (Some(file), _) => NewGenesis::Copy(file.clone()),
        (None, true) => NewGenesis::Later,
        (None, false) => NewGenesis::Single { chain_id: args.chain_id.clone(), funds: funds(&args.fund)? },
    };
    let plan = InitPlan {
        genesis,
        settings: super::join::settings_of(flags)?,
        moniker: resolved.config.node.moniker.clone(),
        generate_password: args.generate_password,
        cheap_kdf: args.cheap_kdf,
        password_file: resolved.config.keys.password_file.clone(),
        log_name: resolved.config.notary.log_name.clone(),
    };
    let made = init::run(&home, &plan)?;
    let document = json!({
        "home": home.root(),
        "chain_id": made.chain_id,
        "validator": {"public_key": made.keys.validator, "address": made.address},
        "log": {"public_key": made.keys.log, "id": made.log},
        "peer": {"public_key": made.keys.peer, "id": made.peer_id},
        "password_file": made.password_file,
    });
    print(&document, &args.json)?;
    if !args.json.json {
        match made.chain_id {
            Some(_) => eprintln!("next: pyralogd start --home {}", home.root().display()),
            None => eprintln!("next: put genesis.json into {}, then pyralogd start", home.root().display()),
        }
    }
    Ok(())
}

fn funds(given: &[String]) -> Result<Vec<(pyralog_crypto::Address, u64)>> {
    let parse = |text: &String| -> Result<_> {
        let (address, amount) =
            text.split_once('=').with_context(|| format!("--fund {text}: ADDRESS=UPYRA is expected"))?;
        let address = address.parse().with_context(|| format!("--fund {text}"))?;
        Ok((address, amount.parse().with_context(|| format!("--fund {text}: {amount:?} is not a number of upyra"))?))
    };
    given.iter().map(parse).collect()
}

fn show(args: &ShowArgs, flags: BTreeMap<&'static str, String>) -> Result<()> {
    let text = resolve(&home_of(&args.home), flags)?.show(args.origin);
    out(&text)
}

fn endpoints(home: &Home) -> Result<Endpoints> {
    let path = home.endpoints();
    if !path.exists() {
        bail!(
            "no node runs on {} (there is no {}); start it, or name one with --node URL",
            home.root().display(),
            path.display()
        );
    }
    serde_json::from_slice(&read_bounded(&path, 1 << 16)?).with_context(|| format!("{}", path.display()))
}

fn status(args: &StatusArgs) -> Result<()> {
    let url = match &args.node {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => endpoints(&home_of(&args.home))?.api,
    };
    let answer = agent(PATIENCE).get(format!("{url}/v1/status")).call();
    print(&read(&url, answer)?, &args.json)
}

fn resume(args: &HomeArgs) -> Result<()> {
    let home = home_of(args);
    let url = endpoints(&home)?.api;
    let token = String::from_utf8(read_bounded(&home.admin_token(), 256)?).context("the admin token is not text")?;
    let answer = agent(PATIENCE)
        .post(format!("{url}/v1/admin/signer/resume"))
        .header("authorization", format!("Bearer {}", token.trim()))
        .send_empty();
    let before = read(&url, answer)?;
    eprintln!("the signer was: {}", before["before"].as_str().unwrap_or("unknown"));
    out("resumed\n")
}

pub(crate) fn read(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
    let mut response = answer.with_context(|| format!("no answer from {url}; is the node running?"))?;
    let status = response.status();
    let text = response
        .body_mut()
        .with_config()
        .limit(4 << 20)
        .read_to_string()
        .with_context(|| format!("no answer from {url}"))?;
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{url} does not answer as the native API does"))?;
    if !status.is_success() {
        let said = |field: &str| value["error"][field].as_str();
        let remedy = said("remedy").map(|remedy| format!("; {remedy}")).unwrap_or_default();
        bail!("{url} refused: {}{remedy}", said("message").unwrap_or("no reason given"));
    }
    Ok(value)
}

fn version(args: &JsonArgs) -> Result<()> {
    let document = json!({
        "pyralogd": env!("CARGO_PKG_VERSION"),
        "rpc": crate::rpc::RPC_VERSION,
        "block_protocol": pyralog_consensus::block::BLOCK_PROTOCOL,
        "app_protocol": pyralog_consensus::block::APP_PROTOCOL,
        "data_format": pyralog_cluster_core::FORMAT,
    });
    print(&document, args)
}

pub(super) fn print(document: &Value, args: &JsonArgs) -> Result<()> {
    if args.json {
        return out(&format!("{document}\n"));
    }
    let mut text = String::new();
    lines(document, "", &mut text);
    out(&text)
}

fn lines(value: &Value, prefix: &str, out: &mut String) {
    let Value::Object(fields) = value else { return };
    for (key, value) in fields {
        match value {
            Value::Object(_) => lines(value, &format!("{prefix}{key}."), out),
            Value::String(text) => out.push_str(&format!("{prefix}{key}: {text}\n")),
            Value::Null => {}
            other => out.push_str(&format!("{prefix}{key}: {other}\n")),
        }
    }
}

pub(super) fn out(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}

#[cfg(test)]
#[path = "commands_test.rs"]
mod tests;

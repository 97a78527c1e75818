//! `pyralog light`: follow the chain by headers alone, and keep what is trusted in a file.

mod fetch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use pyralog_consensus::duration::parse_duration;
use pyralog_consensus::light::{LightClient, LightError, LightOptions, Mode, Provider, SyncReport};
use pyralog_crypto::Hash;
use serde_json::json;

use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::genesis;
use crate::home::HomeArgs;
use crate::node::{NodeArgs, Nodes};
use crate::output::{GOOD, Output, note, safe, shown, with_path};
use crate::receipt_file::quoted;
use crate::verify::{now, parse_header};

/// Largest store file read: 32 light blocks of at most 1 MiB and a root.
const MAX_STORE: u64 = 40 << 20;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum LightCommand {
    /// Go forward from what is trusted to a later header, and have witnesses confirm it
    Sync(SyncArgs),
}

/// Options of `light sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Begin from this genesis file (needed once; afterwards the trusted store is used)
    #[arg(long, value_name = "FILE", conflicts_with = "trusted_header")]
    pub genesis: Option<PathBuf>,
    /// Begin from this header (needed once, instead of --genesis)
    #[arg(long, value_name = "HEIGHT:HASH", value_parser = parse_header)]
    pub trusted_header: Option<(u64, Hash)>,
    /// Another node that must show the same header, native API or CometBFT RPC; may be repeated
    #[arg(long, value_name = "URL")]
    pub witness: Vec<String>,
    /// Height to reach (default: the latest)
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..), allow_negative_numbers = true)]
    pub height: Option<u64>,
    /// Verify every header on the way instead of skipping
    #[arg(long)]
    pub sequential: bool,
    /// How long a header is trusted: 90, 15m, 12h, 14d
    #[arg(long, value_name = "AGE", default_value = "14d", value_parser = parse_duration)]
    pub trusting_period: Duration,
    /// Forget the trusted store of this chain and begin anew from --genesis or --trusted-header
    #[arg(long)]
    pub reset: bool,
    /// Nodes to follow, native API or CometBFT RPC: the first is the primary, all others are witnesses
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Runs a `light` command.
pub fn run(command: LightCommand, home: &HomeArgs) -> Result<Output> {
    match command {
        LightCommand::Sync(args) => sync(&args, home),
    }
}

fn sync(args: &SyncArgs, home: &HomeArgs) -> Result<Output> {
    let nodes = args.node.connect()?;
    let witnesses = NodeArgs { node: args.witness.clone() };
    let witness_nodes = if args.witness.is_empty() { nodes.clone() } else { witnesses.connect()? };
    let Some((primary_url, others)) = nodes.urls().split_first() else {
        return Err(Failure::usage("no node is named").next("name one with --node URL"));
    };
    let named = if args.witness.is_empty() { &[] } else { witness_nodes.urls() };
    let mut primary = fetch::provider(&nodes, primary_url);
    let mut witnesses: Vec<Provider<'_>> =
        others.iter().chain(named).map(|url| fetch::provider(&witness_nodes, url)).collect();
    if witnesses.is_empty() {
        note(
            "no witness is named: a primary that colludes with a third of the stake would not be found out (--witness URL)",
        );
    }

    let root = args.genesis.as_deref().map(genesis::load).transpose()?;
    let chain_id = match &root {
        Some(root) => root.chain_id.clone(),
        None => served_chain(&nodes, primary_url, args)?,
    };
    if let Some(root) = &root {
        check_same_chain(&nodes, primary_url, root)?;
    }
    let path = home.trusted_store(&chain_id)?;
    let mut client = match load(&path, args)? {
        Some(client) => {
            check_same_root(&path, &client, root.as_ref(), args.trusted_header)?;
            client
        }
        None => match (&root, args.trusted_header) {
            (Some(root), _) => {
                LightClient::from_genesis(&root.chain_id, root.time, root.validators.clone(), root.initial_height)
                    .map_err(|error| failure(error, &path))?
            }
            (None, Some((height, hash))) => {
                LightClient::from_header(height, hash, &mut primary).map_err(|error| failure(error, &path))?
            }
            (None, None) => {
                return Err(Failure::usage(format!("nothing is trusted yet on the chain {chain_id}"))
                    .next("begin with --genesis FILE or --trusted-header HEIGHT:HASH"));
            }
        },
    };
    let options = LightOptions { trusting_period: args.trusting_period, ..LightOptions::default() };
    let mode = if args.sequential { Mode::Sequential } else { Mode::Skipping };
    let report = client
        .sync(args.height, mode, &options, now()?, &mut primary, &mut witnesses)
        .map_err(|error| failure(error, &path))?;
    save(&path, &client)?;
    for (witness, why) in &report.useless {
        note(&format!("witness {witness} was of no use: {why}"));
    }
    Ok(described(&chain_id, &path, &report))
}

/// The chain id, where no genesis file names it: that of the primary's light block.
fn served_chain(nodes: &Nodes, url: &str, args: &SyncArgs) -> Result<String> {
    let height = args.trusted_header.map(|(height, _)| height);
    fetch::once(nodes, url, height).map(|block| block.chain_id).map_err(|why| {
        Failure::error(format!("{url}: {why}")).next("name a node that serves light blocks with --node URL")
    })
}

/// A node of another chain serves nothing that verifies from this genesis file, and is no liar for that. Where it does not
/// answer, following it says why.
fn check_same_chain(nodes: &Nodes, url: &str, root: &genesis::Root) -> Result<()> {
    let Ok(block) = fetch::once(nodes, url, None) else { return Ok(()) };
    if block.chain_id == root.chain_id {
        return Ok(());
    }
    let (theirs, ours) = (safe(&block.chain_id), &root.chain_id);
    Err(Failure::untrusted(format!("{url} serves the chain {theirs}, the genesis file is of chain {ours}"))
        .next(format!("name a node of {ours} with --node URL, or the genesis file of {theirs} with --genesis FILE")))
}

fn load(path: &Path, args: &SyncArgs) -> Result<Option<LightClient>> {
    if args.reset || !path.exists() {
        return Ok(None);
    }
    let bytes = files::read_bounded(path, MAX_STORE)?;
    LightClient::from_bytes(&bytes).map(Some).map_err(|error| failure(error, path))
}

/// A trusted store that began elsewhere must not be followed as if it had begun from what is named. A header that it has verified is as good
/// as its root.
fn check_same_root(
    path: &Path,
    client: &LightClient,
    genesis: Option<&genesis::Root>,
    header: Option<(u64, Hash)>,
) -> Result<()> {
    let begun = client.root();
    let named = match (genesis, header) {
        (None, None) => return Ok(()),
        (Some(root), _) => {
            let same = begun.hash.is_none()
                && begun.chain_id == root.chain_id
                && begun.time == root.time
                && begun.height.checked_add(1) == Some(root.initial_height)
                && begun.next_validators == root.validators;
            if same {
                return Ok(());
            }
            format!("the genesis file of {} that is named", root.chain_id)
        }
        (None, Some((height, hash))) => {
            let verified = client.light_block(height).and_then(|block| block.hash().ok());
            if verified == Some(hash) || (begun.height, begun.hash) == (height, Some(hash)) {
                return Ok(());
            }
            format!("the header {height}:{hash}")
        }
    };
    let began = match begun.hash {
        Some(hash) => format!("the header {}:{hash}", begun.height),
        None => format!("a genesis file of {} with the time {}", begun.chain_id, begun.time.to_rfc3339()),
    };
    Err(Failure::untrusted(format!("{} began from {began}, not from {named}", shown(path))).next(
        "add --reset to forget it and begin from what is named, or leave --genesis and --trusted-header away to go on from it",
    ))
}

fn save(path: &Path, client: &LightClient) -> Result<()> {
    let bytes = client.to_bytes().map_err(|error| failure(error, path))?;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).context(|| format!("cannot make the directory {}", shown(dir)))?;
    }
    files::write(path, &bytes, files::SECRET, Existing::Replace)
        .context(|| format!("cannot write the trusted store {}", shown(path)))
}

fn described(chain_id: &str, path: &Path, report: &SyncReport) -> Output {
    let header = format!("{}:{}", report.height, report.hash);
    let document = json!({
        "status": "trusted",
        "chain_id": chain_id,
        "height": report.height,
        "hash": report.hash.to_string(),
        "time": report.time.to_rfc3339(),
        "trusted_header": header,
        "fetched": report.fetched,
        "confirmed_by": report.confirmed_by,
        "useless_witnesses": report.useless.iter().map(|(name, why)| json!({ "node": name, "why": why })).collect::<Vec<_>>(),
    });
    let document = with_path(document, "store", path);
    let witnesses = match report.confirmed_by.len() {
        0 => "no witness".to_owned(),
        count => format!("{count} of {} witnesses", count + report.useless.len()),
    };
    let text = format!(
        "{GOOD}trusted{GOOD:#} block {} of {chain_id}, {}\nheader {header}\nconfirmed by {witnesses}; {} light blocks fetched",
        report.height,
        report.time.to_rfc3339(),
        report.fetched
    );
    Output::new(document, text)
}

/// The failure of a light client's error: an attack or a bad block is an invalid proof; an old root, one that the node does not
/// show, and a genesis that its chain does not begin with are not trusted.
fn failure(error: LightError, store: &Path) -> Failure {
    let message = error.to_string();
    match error {
        LightError::Divergence(evidence) => {
            let file = store.with_extension(format!("divergence-{}.json", evidence.primary_block.header.height));
            let kept = serde_json::to_vec_pretty(&evidence).map_err(std::io::Error::other).and_then(|bytes| {
                file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                files::write(&file, &bytes, files::SECRET, Existing::Replace)
            });
            let place = match kept {
                Ok(()) => format!("the evidence is in {}", quoted(&file)),
                Err(error) => format!("the evidence could not be written to {}: {error}", shown(&file)),
            };
            Failure::invalid(message).next(place)
        }
        LightError::Invalid { .. } => Failure::invalid(message).next("follow another node with --node URL"),
        LightError::Root { .. } => Failure::untrusted(message)
            .next("ask somebody you trust for HEIGHT:HASH again, or name another node with --node URL"),
        LightError::Genesis { .. } => Failure::untrusted(message)
            .next("name the genesis file of the chain that this node follows with --genesis FILE, or a node of the chain that is meant with --node URL"),
        LightError::Expired { .. } => {
            Failure::untrusted(message).next("pyralog light sync --reset --trusted-header HEIGHT:HASH")
        }
        LightError::Unconfirmed { .. } => {
            Failure::untrusted(message).next("name a witness that follows the chain with --witness URL")
        }
        LightError::Options(_) => Failure::usage(message),
        LightError::Store(_) => Failure::error(format!("{}: {message}", shown(store)))
            .next("add --reset with --genesis or --trusted-header"),
        _ => Failure::error(message),
    }
}

#[cfg(test)]
mod tests;

//! `pyralog tx`: transfers, signed here and sent, or signed offline and sent later.

pub mod amount;
mod build;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use pyralog_consensus::duration::parse_wait;
use pyralog_consensus::ledger::LedgerParams;
use pyralog_crypto::Address;
use serde_json::{Value, json};

use crate::error::{Context, Failure, Result};
use crate::files::{self, Existing};
use crate::genesis;
use crate::home::HomeArgs;
use crate::keys::KeyStore;
use crate::node::{Answer, Deadline, NodeArgs, NodeFault, Nodes, combine};
use crate::notarize::submit;
use crate::output::{GOOD, Output, WARN, note, shown, with_path};
use crate::passphrase::PassphraseArgs;
use crate::query::number;
use amount::{parse_amount, show_amount};
use build::{Ready, Transfer};

/// How many blocks ahead a transaction expires unless told otherwise.
const EXPIRES_IN: u64 = 1_000;
/// How often inclusion is asked for.
const POLL: Duration = Duration::from_millis(200);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The node's code for a transaction that it has already.
const DUPLICATE: &str = "duplicate";
/// Largest file of a signed transaction read: base64 of 64 KiB and white space.
const MAX_SIGNED_FILE: u64 = 128 * 1024;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum TxCommand {
    /// Send a transfer, or a transaction that was signed before
    Send(Box<SendArgs>),
}

/// Options of `tx send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// A transaction signed with --sign-only; - is standard input
    #[arg(value_name = "SIGNED", conflicts_with_all = ["from", "to", "amount", "sign_only"])]
    pub signed: Option<PathBuf>,
    /// Key in the keystore that pays and signs
    #[arg(long, value_name = "KEY", required_unless_present = "signed")]
    pub from: Option<String>,
    /// Receiving address, or the name of a key in the keystore
    #[arg(long, value_name = "ADDRESS", required_unless_present = "signed")]
    pub to: Option<String>,
    /// Amount in upyra, or with a unit: 1.5pyra
    #[arg(long, value_parser = parse_amount, required_unless_present = "signed", allow_negative_numbers = true)]
    pub amount: Option<u64>,
    /// Fee in upyra (default: the least that the chain accepts)
    #[arg(long, value_parser = parse_amount, allow_negative_numbers = true)]
    pub fee: Option<u64>,
    /// Nonce of the sending account (default: asked from the node)
    #[arg(long, allow_negative_numbers = true)]
    pub nonce: Option<u64>,
    /// Chain (default: asked from the node)
    #[arg(long)]
    pub chain_id: Option<String>,
    /// Last height whose block may hold the transaction (default: 1000 blocks from now)
    #[arg(long, value_name = "HEIGHT", allow_negative_numbers = true)]
    pub expiry_height: Option<u64>,
    /// Sign and print base64, send nothing; with --nonce, --chain-id and --expiry-height no node is asked
    #[arg(long)]
    pub sign_only: bool,
    /// With --sign-only: write to F instead of standard output
    #[arg(long, value_name = "F", requires = "sign_only")]
    pub out: Option<PathBuf>,
    /// Return as soon as a node has taken the transaction
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait for the block: 3, 3s, 500ms, 2m
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = parse_wait)]
    pub timeout: Duration,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Runs a `tx` command.
pub fn run(command: TxCommand, home: &HomeArgs) -> Result<Output> {
    match command {
        TxCommand::Send(args) => send(&args, home),
    }
}

fn send(args: &SendArgs, home: &HomeArgs) -> Result<Output> {
    let nodes = args.node.connect()?;
    let (ready, chain_id) = match &args.signed {
        Some(path) => build::parse(read_signed(path)?)?,
        None => {
            let (transfer, ready) = sign(args, home, &nodes)?;
            (ready, transfer.chain_id)
        }
    };
    if args.sign_only {
        return signed_only(args.out.as_deref(), &ready, &chain_id);
    }
    if args.signed.is_some() {
        let served = submit::served(&nodes)?.chain_id;
        if served != chain_id {
            return Err(Failure::error(format!(
                "the transaction is for the chain {chain_id}, the node serves {served}"
            ))
            .next("name a node of that chain with --node URL"));
        }
    }
    broadcast(&nodes, &ready, &chain_id, args)
}

fn sign(args: &SendArgs, home: &HomeArgs, nodes: &Nodes) -> Result<(Transfer, Ready)> {
    let (Some(from), Some(to), Some(amount)) = (&args.from, &args.to, args.amount) else {
        return Err(Failure::usage("--from, --to and --amount are needed"));
    };
    let store = KeyStore::new(home.keystore()?);
    let (_, info) = store.entry(from)?;
    let to = receiver(&store, to)?;
    let status =
        if args.chain_id.is_none() || args.expiry_height.is_none() { Some(nodes.get("/v1/status")?) } else { None };
    let nonce = match args.nonce {
        Some(nonce) => nonce,
        None => account(nodes, &info.address)?.0,
    };
    let transfer = Transfer {
        chain_id: match (&args.chain_id, &status) {
            (Some(chain_id), _) => chain_id.clone(),
            (None, Some(answer)) => answer.body["chain_id"].as_str().unwrap_or_default().to_owned(),
            (None, None) => String::new(),
        },
        to,
        amount,
        fee: args.fee,
        nonce,
        expiry_height: match (args.expiry_height, &status) {
            (Some(height), _) => height,
            (None, Some(answer)) => number(&answer.body["height"]).unwrap_or(0).saturating_add(EXPIRES_IN),
            (None, None) => 0,
        },
    };
    pyralog_crypto::check_chain_id(&transfer.chain_id).context(|| "--chain-id".to_owned())?;
    let params = if args.fee.is_some() || status.is_none() { LedgerParams::DEFAULTS } else { served_params(nodes) };
    let passphrase = args.passphrase.obtain(&format!("the key {from}"))?;
    let key = store.open(from, &passphrase)?;
    let ready = transfer.sign(&key, &params)?;
    Ok((transfer, ready))
}

/// Nonce and balance of an account.
fn account(nodes: &Nodes, address: &Address) -> Result<(u64, u64)> {
    let answer = nodes.get(&format!("/v1/accounts/{address}"))?;
    match (number(&answer.body["nonce"]), number(&answer.body["balance"])) {
        (Some(nonce), Some(balance)) => Ok((nonce, balance)),
        _ => Err(Failure::error(format!("{}: its answer names no nonce or balance", answer.node))),
    }
}

/// The fees of the chain; they are in its genesis. A node that lies about them makes us pay too little, and is refused.
fn served_params(nodes: &Nodes) -> LedgerParams {
    nodes.get("/v1/genesis").ok().and_then(|answer| genesis::params(&answer.body)).unwrap_or(LedgerParams::DEFAULTS)
}

fn receiver(store: &KeyStore, to: &str) -> Result<Address> {
    if to.starts_with("pyra1") {
        return to.parse().map_err(|error| Failure::usage(format!("--to {to}: {error}")));
    }
    store
        .entry(to)
        .map(|(_, info)| info.address)
        .map_err(|failure| Failure::usage(format!("--to {to} is neither an address (pyra1…) nor a key: {failure}")))
}

fn signed_only(out: Option<&Path>, ready: &Ready, chain_id: &str) -> Result<Output> {
    let tx = STANDARD.encode(&ready.bytes);
    let document = json!({ "hash": ready.hash.to_string(), "chain_id": chain_id, "fee": ready.fee, "tx": tx });
    let Some(out) = out else { return Ok(Output::new(document, tx)) };
    files::write(out, format!("{tx}\n").as_bytes(), files::PUBLIC, Existing::Keep)
        .context(|| format!("cannot write {}", shown(out)))?;
    Ok(Output::new(with_path(document, "file", out), format!("signed {} into {}", ready.hash, shown(out))))
}

fn read_signed(path: &Path) -> Result<Vec<u8>> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(MAX_SIGNED_FILE)
            .read_to_end(&mut bytes)
            .context(|| "cannot read standard input".to_owned())?;
        bytes
    } else {
        files::read_bounded(path, MAX_SIGNED_FILE)?
    };
    let text = String::from_utf8_lossy(&bytes);
    STANDARD.decode(text.trim()).map_err(|error| {
        Failure::error(format!("{} is not base64: {error}", shown(path))).next("make it with --sign-only")
    })
}

fn broadcast(nodes: &Nodes, ready: &Ready, chain_id: &str, args: &SendArgs) -> Result<Output> {
    let node = give(nodes, ready)?;
    let mut document = json!({ "hash": ready.hash.to_string(), "chain_id": chain_id, "fee": ready.fee });
    let paid = show_amount(ready.fee);
    if args.no_wait {
        document["status"] = "accepted".into();
        return Ok(Output::new(document, format!("{WARN}accepted{WARN:#} {} (fee {paid})", ready.hash)));
    }
    let deadline = Deadline::after(args.timeout);
    match included(&nodes.starting_with(&node), ready, deadline)? {
        Some(height) => {
            document["status"] = "included".into();
            document["height"] = height.into();
            Ok(Output::new(document, format!("{GOOD}included{GOOD:#} {} in block {height} (fee {paid})", ready.hash)))
        }
        None => {
            document["status"] = "pending".into();
            let failure = Failure::pending(format!("no block holds {} after {:?}", ready.hash, args.timeout))
                .next(format!("see whether it arrives later: pyralog query tx {}{}", ready.hash, args.node.flag()));
            Ok(Output { document, text: format!("{WARN}pending{WARN:#} {}", ready.hash), failure: Some(failure) })
        }
    }
}

/// Gives the transaction to the first node that takes it, and says which. One that has it already has taken it: the answer
/// of an earlier node may have been lost.
fn give(nodes: &Nodes, ready: &Ready) -> Result<String> {
    let body = json!({ "txs": [STANDARD.encode(&ready.bytes)] });
    let mut faults = Vec::new();
    for url in nodes.urls() {
        match nodes.post_to(url, "/v1/tx", &body, PATIENCE) {
            Ok(_) => return Ok(url.clone()),
            // A block may hold it since long: its nonce is used up then, by itself.
            Err(fault @ NodeFault::Refused { .. }) if is_known(nodes, url, ready, &fault) => {
                note(&format!("{url} has {} already: {}", ready.hash, fault.message()));
                return Ok(url.clone());
            }
            Err(fault @ NodeFault::Refused { .. }) => return Err(fault.into_failure(url)),
            Err(fault) => faults.push((url.as_str(), fault)),
        }
    }
    Err(combine(faults))
}

/// Whether a node refused the transaction only because it has it.
fn is_known(nodes: &Nodes, url: &str, ready: &Ready, fault: &NodeFault) -> bool {
    let duplicate = matches!(fault, NodeFault::Refused { code, .. } if code == DUPLICATE);
    duplicate || nodes.get_from(url, &format!("/v1/tx/{}", ready.hash), PATIENCE).is_ok()
}

/// The height of the block that holds the transaction; `None` when time ran out.
fn included(nodes: &Nodes, ready: &Ready, deadline: Deadline) -> Result<Option<u64>> {
    let path = format!("/v1/tx/{}", ready.hash);
    loop {
        for url in nodes.urls() {
            match nodes.get_from(url, &path, PATIENCE) {
                Ok(Answer { status: 200, body, .. }) => {
                    if let Some(height) = height_of(&body) {
                        return Ok(Some(height));
                    }
                }
                Err(fault @ NodeFault::Refused { .. }) => return Err(fault.into_failure(url)),
                // Not there yet, or the node is gone and another may know.
                _ => {}
            }
        }
        if deadline.passed() {
            return Ok(None);
        }
        std::thread::sleep(POLL.min(deadline.left()));
    }
}

fn height_of(body: &Value) -> Option<u64> {
    number(&body["height"]).filter(|height| *height > 0)
}

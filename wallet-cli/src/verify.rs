//! `pyralog verify`: offline, against a root that the caller names.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use pyralog_consensus::duration::parse_duration;
use pyralog_consensus::light::Fault;
use pyralog_consensus::receipt::{
    MaxRootAge, NotaryReceipt, ReceiptError, ReceiptFile, Root, Trust, Verified, VerifyOptions, verify_file,
};
use pyralog_crypto::{DocumentDigest, Hash};
use serde_json::{Value, json};
use tendermint::Time;

use crate::document::Digester;
use crate::error::{Context, Failure, Result};
use crate::genesis;
use crate::output::{GOOD, Output, shown};
use crate::receipt_file::{self, STDIN, is_stdin, quoted};

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The document; - is standard input
    pub file: PathBuf,
    /// Its receipt; - is standard input
    pub receipt: PathBuf,
    #[command(flatten)]
    pub root: RootArgs,
    /// Refuse a root older than AGE: 90, 15m, 12h, 30d (this alone reads the clock)
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub max_root_age: Option<Duration>,
}

/// The root of trust: exactly one.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct RootArgs {
    /// Trust the validators of this genesis file
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// Trust this header: its height and hash, from a light client or a person
    #[arg(long, value_name = "HEIGHT:HASH", value_parser = parse_header)]
    pub trusted_header: Option<(u64, Hash)>,
}

impl RootArgs {
    /// The same on a command line.
    fn flag(&self) -> String {
        match (&self.genesis, self.trusted_header) {
            (Some(path), _) => format!(" --genesis {}", quoted(path)),
            (None, Some((height, hash))) => format!(" --trusted-header {height}:{hash}"),
            (None, None) => String::new(),
        }
    }

    /// The root as the verifier takes it.
    pub fn trust(&self) -> Result<Trust> {
        match (&self.genesis, self.trusted_header) {
            (Some(path), _) => genesis::trust(path).map(Trust::Genesis),
            (None, Some((height, hash))) => Ok(Trust::Header { height, hash }),
            (None, None) => {
                Err(Failure::usage("a root of trust is needed")
                    .next("add --genesis FILE or --trusted-header HEIGHT:HASH"))
            }
        }
    }
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> Result<Output> {
    if is_stdin(&args.file) && is_stdin(&args.receipt) {
        return Err(Failure::usage("the document and its receipt cannot both come from standard input")
            .next("name a file for one of them"));
    }
    let trust = args.root.trust()?;
    let receipt = receipt_file::read_or_stdin(&args.receipt).map_err(|failure| swapped(args, failure))?;
    let digest = digest(args, &receipt)?;
    let options = VerifyOptions {
        max_root_age: args.max_root_age.map(|age| now().map(|now| MaxRootAge { age, now })).transpose()?,
    };
    let verified =
        verify_file(&digest, &receipt, &trust, &options).map_err(|error| refused(args, &receipt, &trust, &error))?;
    let refreshed = match &receipt {
        ReceiptFile::Complete(receipt) => receipt.refresh.as_ref().map(|refresh| refresh.block.header.height),
        ReceiptFile::Pending(_) => None,
    };
    Ok(Output::new(document(&verified, refreshed), text(&args.file, &verified, refreshed)))
}

/// Says so where the receipt stands in the place of the document, and the other way round.
fn swapped(args: &VerifyArgs, failure: Failure) -> Failure {
    if !matches!(failure, Failure::Invalid(_)) || is_stdin(&args.file) || receipt_file::read(&args.file).is_err() {
        return failure;
    }
    let (document, receipt) = if is_stdin(&args.receipt) {
        ("-".to_owned(), quoted(&args.file))
    } else {
        (quoted(&args.receipt), quoted(&args.file))
    };
    Failure::invalid(format!("{failure}; {} is one: the document comes first, its receipt second", shown(&args.file)))
        .next(format!("pyralog verify {document} {receipt}{}", args.root.flag()))
}

/// The failure with the step that mends it, where one does.
fn refused(args: &VerifyArgs, receipt: &ReceiptFile, trust: &Trust, error: &ReceiptError) -> Failure {
    let failure = receipt_file::failure(&args.receipt, error);
    let (ReceiptError::Untrusted(_), ReceiptFile::Complete(complete)) = (error, receipt) else { return failure };
    match trust {
        Trust::Genesis(genesis) if genesis.chain_id != complete.chain_id => {
            failure.next(format!("name the genesis file of {} with --genesis", complete.chain_id))
        }
        Trust::Header { height, .. } if !heights(complete).any(|held| held == *height) => {
            let anchored = complete.proof.block.header.height;
            failure.next(if *height < anchored { later(anchored) } else { refresh(args) })
        }
        _ if args.max_root_age.is_some() => failure.next(refresh(args)),
        _ => failure,
    }
}

/// The heights of all headers that a receipt holds.
fn heights(receipt: &NotaryReceipt) -> impl Iterator<Item = u64> {
    let refreshed = receipt.refresh.iter().flat_map(|refresh| refresh.bridge.iter().chain([&refresh.block]));
    let links = receipt.proof.bridge.iter().chain([&receipt.proof.block]).chain(refreshed);
    links.map(|link| link.header.height)
}

fn refresh(args: &VerifyArgs) -> String {
    if is_stdin(&args.receipt) {
        return "write the receipt to a file, and refresh it there: pyralog receipt refresh FILE".to_owned();
    }
    format!("pyralog receipt refresh {}", quoted(&args.receipt))
}

/// What helps where the trusted header is older than the receipt's block, at `anchored`: a refresh leads to later headers only.
fn later(anchored: u64) -> String {
    format!("trust a header of height {anchored} or above with --trusted-header, or a genesis file with --genesis")
}

/// The digest of the document. A receipt names its size, so nothing longer is read to its end, which it may not have.
fn digest(args: &VerifyArgs, receipt: &ReceiptFile) -> Result<DocumentDigest> {
    let file = &args.file;
    let subject = match receipt {
        ReceiptFile::Complete(receipt) => &receipt.subject,
        ReceiptFile::Pending(receipt) => &receipt.subject,
    };
    let (name, read) = if is_stdin(file) {
        (STDIN.to_owned(), Digester::new(None).at_most(subject.size).stdin())
    } else {
        let size = file.metadata().ok().map(|meta| meta.len());
        (shown(file), Digester::new(size).at_most(subject.size).file(file))
    };
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            let fault = Fault::new("size", format!("is {}, but {name} is longer: not the same document", subject.size));
            Err(receipt_file::failure(&args.receipt, &ReceiptError::Invalid(fault.within("subject"))))
        }
        read => read.context(|| format!("cannot read {name}")),
    }
}

/// `HEIGHT:HASH`; the hash in either case, as explorers print both.
pub fn parse_header(text: &str) -> Result<(u64, Hash), String> {
    let form = "write HEIGHT:HASH, with a height from 1 and 64 hexadecimal digits";
    let (height, hash) = text.split_once(':').ok_or(form)?;
    let height = height.parse().ok().filter(|height| *height > 0).ok_or(form)?;
    let hash = hash.to_ascii_lowercase().parse().map_err(|_| form)?;
    Ok((height, hash))
}

/// The clock of this machine.
pub fn now() -> Result<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context(|| "this machine's clock".to_owned())?;
    let seconds = i64::try_from(since.as_secs()).context(|| "this machine's clock".to_owned())?;
    Time::from_unix_timestamp(seconds, since.subsec_nanos()).context(|| "this machine's clock".to_owned())
}

fn document(verified: &Verified, refreshed: Option<u64>) -> Value {
    let root = match verified.assumptions.root {
        Root::Genesis { hash, time } => {
            json!({ "kind": "genesis", "sha256": hash.to_string(), "time": time.to_rfc3339() })
        }
        Root::Header { height, hash, time } => {
            json!({ "kind": "header", "height": height, "hash": hash.to_string(), "time": time.to_rfc3339() })
        }
    };
    json!({
        "status": "valid",
        "chain_id": verified.chain_id,
        "existed_no_later_than": verified.existed_no_later_than.to_rfc3339(),
        "height": verified.height,
        "header_hash": verified.header_hash.to_string(),
        "log": verified.log.to_string(),
        "index": verified.index,
        "batch_index": verified.batch_index,
        "hidden": verified.hidden,
        "root": root,
        "set_changes": verified.assumptions.set_changes,
        "refreshed_under": refreshed,
        // The later header was checked in any case; the way from the root need not lead through it.
        "root_reached_through_refresh": verified.assumptions.refreshed_under.is_some(),
    })
}

fn text(file: &Path, verified: &Verified, refreshed: Option<u64>) -> String {
    let name = if is_stdin(file) { STDIN.to_owned() } else { shown(file) };
    let member = verified.batch_index.map(|index| format!(", member {index} of its batch")).unwrap_or_default();
    let hidden = if verified.hidden { ", hidden" } else { "" };
    format!(
        "{GOOD}valid{GOOD:#} {name}: existed no later than {}\n\
         chain    {}, block {} {}\n\
         log      {} leaf {}{member}{hidden}\n\
         assumed  {}",
        verified.existed_no_later_than.to_rfc3339(),
        verified.chain_id,
        verified.height,
        verified.header_hash,
        verified.log,
        verified.index,
        assumed(verified, refreshed),
    )
}

fn assumed(verified: &Verified, refreshed: Option<u64>) -> String {
    let root = match verified.assumptions.root {
        Root::Genesis { hash, time } => format!("the genesis file sha256:{hash} of {}", time.to_rfc3339()),
        Root::Header { height, hash, time } => format!("the header {height}:{hash} of {}", time.to_rfc3339()),
    };
    let changes = match verified.assumptions.set_changes {
        0 => "no change of validators since".to_owned(),
        1 => "1 change of validators crossed".to_owned(),
        many => format!("{many} changes of validators crossed"),
    };
    let refreshed = match (refreshed, verified.assumptions.refreshed_under) {
        (None, _) => String::new(),
        (Some(height), Some(_)) => format!("; refreshed under block {height}"),
        (Some(height), None) => format!("; its refresh under block {height} holds too and was not needed"),
    };
    format!("{root}; {changes}{refreshed}; at every step less than a third of the stake was dishonest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_header_is_height_and_hash_in_either_case() {
        let hash = "ab".repeat(32);
        assert_eq!(parse_header(&format!("7:{hash}")).unwrap(), (7, hash.parse().unwrap()));
        assert_eq!(parse_header(&format!("7:{}", hash.to_uppercase())).unwrap().1, hash.parse().unwrap());
        for bad in ["7", "x:ab", &format!("0:{hash}"), &format!("7:{hash}0"), ":", "7:zz"] {
            assert!(parse_header(bad).unwrap_err().contains("HEIGHT:HASH"), "{bad}");
        }
    }

    #[test]
    fn the_clock_is_after_this_was_written() {
        assert!(now().unwrap() > Time::from_unix_timestamp(1_760_000_000, 0).unwrap());
    }
}

//! The signed headers of a receipt, in the order of their heights, and the way from a root of trust along them.

use super::{
    error::ReceiptError,
    notary_receipt::AttestedHeader,
    trust::{Assumptions, MaxRootAge, Root, Trust},
};
use crate::light::{Fault, SignatureBatch, is_quorum};
use pyralog_crypto::Hash;

/// Most headers in one bridge.
pub const MAX_BRIDGE: usize = 4096;

/// A header whose commit and validators fit it.
pub(crate) struct Link<'a> {
    pub(crate) attested: &'a AttestedHeader,
    pub(crate) hash: Hash,
    path: String,
}

/// The headers of `bridge` and then `block`, each checked for itself and against the one before.
///
/// Signatures go into `batch`; the caller verifies them. `path` is the object that holds both.
pub(crate) fn links<'a>(
    chain_id: &str,
    path: &str,
    bridge: &'a [AttestedHeader],
    block: &'a AttestedHeader,
    batch: &mut SignatureBatch,
) -> Result<Vec<Link<'a>>, Fault> {
    if bridge.len() > MAX_BRIDGE {
        return Err(Fault::new(format!("{path}.bridge"), format!("holds more than {MAX_BRIDGE} headers")));
    }
    let named = bridge.iter().enumerate().map(|(i, b)| (format!("{path}.bridge[{i}]"), b));
    let mut links: Vec<Link<'a>> = Vec::with_capacity(bridge.len() + 1);
    for (path, attested) in named.chain([(format!("{path}.block"), block)]) {
        let hash = check(chain_id, attested, &path, batch).map_err(|f| f.within(&path))?;
        let link = Link { attested, hash, path };
        if let Some(previous) = links.last() {
            follows(previous, &link)?;
            if !hands_over(previous, &link) {
                return Err(Fault::new(
                    format!("{}.header.validators_hash", link.path),
                    format!("is not the set that {} hands over to", previous.path),
                ));
            }
        }
        links.push(link);
    }
    for link in &links[..bridge.len()] {
        let header = &link.attested.header;
        if header.next_validators_hash == header.validators_hash {
            return Err(Fault::new(
                link.path.clone(),
                "changes nothing in the validator set and has no place in a bridge",
            ));
        }
    }
    Ok(links)
}

/// Heights and times increase from `previous` to `link`.
pub(crate) fn follows(previous: &Link<'_>, link: &Link<'_>) -> Result<(), Fault> {
    let (before, after) = (&previous.attested.header, &link.attested.header);
    let refuse = |field: &str, what: &str| {
        Err(Fault::new(format!("{}.header.{field}", link.path), format!("is not {what} that of {}", previous.path)))
    };
    if after.height <= before.height {
        return refuse("height", "above");
    }
    if after.time <= before.time {
        return refuse("time", "after");
    }
    Ok(())
}

/// Whether the validators of `link` are those that `previous` names for the next height.
pub(crate) fn hands_over(previous: &Link<'_>, link: &Link<'_>) -> bool {
    previous.attested.header.next_validators_hash == link.attested.header.validators_hash
}

/// Checks one header with its validators and commit, gathers the signatures, and returns the header's hash.
fn check(chain_id: &str, attested: &AttestedHeader, path: &str, batch: &mut SignatureBatch) -> Result<Hash, Fault> {
    let AttestedHeader { header, commit, validators } = attested;
    let total = validators.check().map_err(|f| f.within("validators"))?;
    if validators.hash() != header.validators_hash {
        return Err(Fault::new("validators", "do not hash to header.validators_hash"));
    }
    let hash = header.hash(chain_id).map_err(|f| f.within("header"))?;
    let power = commit
        .collect(chain_id, header, &hash, validators, &format!("{path}.commit"), batch)
        .map_err(|f| f.within("commit"))?;
    if !is_quorum(power, total) {
        return Err(Fault::new("commit", format!("holds {power} of {total} power, not more than two thirds")));
    }
    if !commit.is_minimal(validators) {
        return Err(Fault::new("commit.signatures", "lists more signatures than a quorum needs"));
    }
    Ok(hash)
}

/// Finds the caller's root among `links`. Those from `refreshed` on are reached through the refresh; they stand behind the
/// block of the anchor, at `refreshed - 1`.
pub(crate) fn anchor_in_trust(
    chain_id: &str,
    links: &[Link<'_>],
    refreshed: Option<usize>,
    trust: &Trust,
    max_root_age: Option<MaxRootAge>,
) -> Result<Assumptions, ReceiptError> {
    let (root, start) = match trust {
        Trust::Genesis(genesis) => {
            if genesis.chain_id != chain_id {
                let ours = &genesis.chain_id;
                return Err(ReceiptError::Untrusted(format!(
                    "it is of chain {chain_id}, the genesis file of chain {ours}"
                )));
            }
            if links[0].attested.header.validators_hash != genesis.validators.hash() {
                return Err(ReceiptError::Untrusted(format!(
                    "the validators of {} are not those of the genesis file: it is of another chain with the same name, \
                     or lacks the bridge from genesis",
                    links[0].path
                )));
            }
            (Root::Genesis { hash: genesis.hash, time: genesis.time }, 0)
        }
        Trust::Header { height, hash } => {
            let found = links.iter().position(|l| l.attested.header.height == *height);
            let Some(start) = found else {
                let held: Vec<String> = links.iter().map(|l| l.attested.header.height.to_string()).collect();
                let anchored = links[refreshed.unwrap_or(links.len()) - 1].attested.header.height;
                // A refresh leads to later headers only.
                let remedy = if *height < anchored {
                    format!("verify with --trusted-header at height {anchored} or above, or against a genesis file")
                } else {
                    "refresh it under the trusted header (pyralog receipt refresh), or verify against a genesis file"
                        .into()
                };
                return Err(ReceiptError::Untrusted(format!(
                    "it holds no header of height {height}, only of {}; {remedy}",
                    held.join(", ")
                )));
            };
            if links[start].hash != *hash {
                let ours = links[start].hash;
                return Err(ReceiptError::Untrusted(format!(
                    "its header of height {height} has the hash {ours}, not the trusted {hash}"
                )));
            }
            (Root::Header { height: *height, hash: *hash, time: links[start].attested.header.time }, start)
        }
    };
    // Whatever stands behind the root must be handed over to without a gap.
    if let Some(gap) = (start + 1..links.len()).find(|&i| !hands_over(&links[i - 1], &links[i])) {
        return Err(ReceiptError::Untrusted(format!(
            "the way from the trusted root breaks before {}: its validators are not those of {}; verify with \
             --trusted-header at height {} or above",
            links[gap].path,
            links[gap - 1].path,
            links[gap].attested.header.height
        )));
    }
    if let Some(limit) = max_root_age {
        check_age(&root, limit)?;
    }
    let through_refresh = refreshed.is_some_and(|first| start >= first);
    let relied_on = if through_refresh { links.len() } else { refreshed.unwrap_or(links.len()) };
    let set_changes = links[start..relied_on - 1]
        .iter()
        .filter(|l| l.attested.header.next_validators_hash != l.attested.header.validators_hash)
        .count();
    let refreshed_under = through_refresh.then(|| links[links.len() - 1].attested.header.height);
    Ok(Assumptions { root, set_changes, refreshed_under })
}

fn check_age(root: &Root, limit: MaxRootAge) -> Result<(), ReceiptError> {
    let time = root.time();
    match limit.now.duration_since(time) {
        Ok(age) if age <= limit.age => Ok(()),
        Ok(age) => Err(ReceiptError::Untrusted(format!(
            "the root is of {time}, {} s before now, older than --max-root-age ({} s) allows; verify with a later \
             --trusted-header, after pyralog receipt refresh",
            age.as_secs(),
            limit.age.as_secs()
        ))),
        Err(_) => Err(ReceiptError::Untrusted(format!(
            "the root is of {time}, after now ({}): check this machine's clock",
            limit.now
        ))),
    }
}

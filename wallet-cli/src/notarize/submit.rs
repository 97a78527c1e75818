//! Submitting a leaf, and waiting until a block holds its anchor.

use std::time::Duration;

use pyralog_consensus::receipt::{PendingPromise, ServedProof};
use pyralog_crypto::{Encode, LogId, NotaryLeaf, PublicKey, SignedPromise};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Failure, Result};
use crate::node::{Answer, Deadline, NodeFault, Nodes};

/// Longest single wait asked of a node; a longer one is made of several, so that a dead node is noticed.
const WAIT_STEP: Duration = Duration::from_secs(5);
/// How long to pause after a node refused a connection, and how often in a row it may.
const PAUSE: Duration = Duration::from_millis(500);
const MAX_REFUSALS: u32 = 4;
/// Added to a wait asked of the node before the connection is given up.
const GRACE: Duration = Duration::from_secs(5);
/// How long a submission may take: the node makes the leaf durable before it answers.
const SUBMIT: Duration = Duration::from_secs(15);
/// However little time is left, a node gets this much.
const LEAST: Duration = Duration::from_secs(1);

/// The code of a node whose log does not hold what the chain has witnessed of it.
const LOG_CONFLICT: &str = "log_conflict";
/// How long a node may take to name its log.
const ASK: Duration = Duration::from_secs(5);

/// A leaf that a log has promised to anchor.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// What the log signed.
    pub promise: PendingPromise,
    /// The node that answered.
    pub node: String,
}

/// Why a leaf was not taken.
#[derive(Debug)]
pub enum SubmitFault {
    /// A node refused the leaf, or answered what cannot be believed.
    Refused(Failure),
    /// No node was there, or all were busy: the same submission may succeed later.
    Unserved {
        /// What they said.
        failure: Failure,
        /// Those that said to go to another one.
        refused: Vec<String>,
    },
}

/// How a wait for the proof ended.
#[derive(Debug)]
pub enum Waited {
    /// A block holds the anchor.
    Proof(Box<ServedProof>),
    /// Time ran out.
    TimedOut(String),
    /// The node is gone, or holds another log; another one may be tried.
    Lost(String),
    /// The log that promised the leaf does not hold it, or cannot be relied on any more: waiting longer is in vain.
    Broken(String),
}

/// What a node says of itself before anything is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The chain.
    pub chain_id: String,
    /// The node that answered.
    pub node: String,
    /// Its notary log and the key that signs for it, so that a promise can be checked although the node died meanwhile.
    pub log: Option<(LogId, PublicKey)>,
}

/// Asks the first node that answers.
pub fn served(nodes: &Nodes) -> Result<Served> {
    let Answer { node, body, .. } = nodes.get("/v1/status")?;
    let chain_id = body["chain_id"].as_str().unwrap_or_default().to_owned();
    pyralog_crypto::check_chain_id(&chain_id)
        .map_err(|error| Failure::error(format!("{node}: its status names no chain: {error}")))?;
    let id = serde_json::from_value(body["log"]["id"].clone()).ok();
    let owner = serde_json::from_value(body["log"]["owner"].clone()).ok();
    Ok(Served { chain_id, node, log: id.zip(owner) })
}

/// The notary log that a node holds; `None` where it does not say.
pub fn log_of(nodes: &Nodes, url: &str) -> Option<LogId> {
    let answer = nodes.get_from(url, "/v1/status", ASK).ok()?;
    serde_json::from_value(answer.body["log"]["id"].clone()).ok()
}

/// Submits `leaf` to the first node that takes it. Submitting one twice is harmless: it then stands twice in a log.
///
/// A node that was too busy is asked again until `deadline`.
pub fn submit(nodes: &Nodes, served: &Served, leaf: &NotaryLeaf, deadline: Deadline) -> Result<Submitted, SubmitFault> {
    let bytes = leaf.to_bytes();
    let body = json!({ "leaves": [hex::encode(&bytes)] });
    loop {
        let mut faults: Vec<(&str, NodeFault)> = Vec::new();
        for url in nodes.urls() {
            let within = SUBMIT.min(deadline.left()).max(LEAST);
            match nodes.post_to(url, "/v1/notary/leaves", &body, within) {
                Ok(answer) => return accept(nodes, served, leaf, &answer),
                Err(fault @ NodeFault::Refused { .. }) => return Err(SubmitFault::Refused(fault.into_failure(url))),
                Err(fault) => faults.push((url, fault)),
            }
        }
        let pause = faults
            .iter()
            .filter_map(|(_, fault)| match fault {
                NodeFault::Busy { retry_after, .. } => Some(Duration::from_secs(retry_after.unwrap_or(1).clamp(1, 30))),
                _ => None,
            })
            .min();
        match pause {
            Some(pause) if pause < deadline.left() => std::thread::sleep(pause),
            _ => {
                let elsewhere = |fault: &NodeFault| matches!(fault, NodeFault::Busy { elsewhere: true, .. });
                let refused = faults.iter().filter(|(_, fault)| elsewhere(fault)).map(|(url, _)| (*url).to_owned());
                let refused = refused.collect();
                return Err(SubmitFault::Unserved { failure: crate::node::combine(faults), refused });
            }
        }
    }
}

/// Checks that the answer promises exactly this leaf, under the key that the node names for its log.
fn accept(nodes: &Nodes, served: &Served, leaf: &NotaryLeaf, answer: &Answer) -> Result<Submitted, SubmitFault> {
    #[derive(Deserialize)]
    struct Promises {
        log: LogId,
        promises: Vec<SignedPromise>,
    }
    let node = &answer.node;
    let wrong = |what: String| {
        SubmitFault::Refused(Failure::error(format!("{node}: {what}")).next("submit to another node with --node URL"))
    };
    let given: Promises = serde_json::from_value(answer.body.clone())
        .map_err(|error| wrong(format!("its answer to a submission is not understood: {error}")))?;
    let [signed] = given.promises.as_slice() else {
        return Err(wrong(format!("it gave {} promises for one leaf", given.promises.len())));
    };
    if signed.promise.log != given.log || signed.promise.leaf != leaf.leaf_hashes() {
        return Err(wrong("its promise is for another leaf".to_owned()));
    }
    let owner = match served.log {
        Some((log, owner)) if log == given.log => owner,
        _ => log_owner(nodes, node, &given.log)?,
    };
    signed
        .verify(&served.chain_id, &owner)
        .map_err(|error| wrong(format!("its promise is not signed by the key of log {}: {error}", given.log)))?;
    let promise = PendingPromise {
        log: given.log,
        index: signed.promise.index,
        anchor_by: signed.promise.anchor_by,
        owner,
        signature: signed.signature,
    };
    Ok(Submitted { promise, node: node.clone() })
}

/// Who owns the log, says the ledger. A node that is gone by now leaves the submission open: it may be repeated.
fn log_owner(nodes: &Nodes, node: &str, log: &LogId) -> Result<PublicKey, SubmitFault> {
    let answer = nodes
        .get_from(node, &format!("/v1/logs/{log}"), SUBMIT)
        .map_err(|fault| SubmitFault::Unserved { failure: fault.into_failure(node), refused: Vec::new() })?;
    serde_json::from_value(answer.body["owner"].clone())
        .map_err(|_| SubmitFault::Refused(Failure::error(format!("{node}: it names no owner of log {log}"))))
}

/// Waits for the proof of leaf `index` of `log`, asking the node that promised it first and the others after it.
pub fn wait(nodes: &Nodes, first: &str, promise: &PendingPromise, deadline: Deadline) -> Result<Waited> {
    let nodes = nodes.starting_with(first);
    let mut refusals = 0;
    loop {
        let wait = WAIT_STEP.min(deadline.left());
        let path = format!("/v1/notary/receipts/{}?log={}&wait_ms={}", promise.index, promise.log, wait.as_millis());
        let mut lost = Vec::new();
        let mut waiting = None;
        for url in nodes.urls() {
            match nodes.get_from(url, &path, wait + GRACE) {
                Ok(answer) if answer.status == 200 => return proof(answer).map(|proof| Waited::Proof(Box::new(proof))),
                Ok(answer) => waiting = Some(pending_reason(&answer.body)),
                Err(NodeFault::Refused { code, message, .. }) if code == LOG_CONFLICT => {
                    return Ok(Waited::Broken(format!("{url}: {message}")));
                }
                Err(fault @ NodeFault::Refused { .. }) => return Err(fault.into_failure(url)),
                Err(NodeFault::Busy { message, .. }) => waiting = Some(message),
                // Of another log a node knows nothing. The log itself holds at once, and for good, what it has promised.
                Err(NodeFault::NotFound { message, .. }) if log_of(&nodes, url) == Some(promise.log) => {
                    return Ok(Waited::Broken(format!("{url}: {message}")));
                }
                Err(fault) => lost.push(format!("{url}: {}", fault.message())),
            }
            if waiting.is_some() {
                break;
            }
        }
        refusals = if waiting.is_some() { 0 } else { refusals + 1 };
        if refusals >= MAX_REFUSALS {
            return Ok(Waited::Lost(lost.join("; ")));
        }
        if deadline.passed() {
            let reason = waiting.unwrap_or_else(|| lost.join("; "));
            return Ok(Waited::TimedOut(reason));
        }
        if refusals > 0 {
            std::thread::sleep(PAUSE.min(deadline.left()));
        }
    }
}

fn proof(answer: Answer) -> Result<ServedProof> {
    serde_json::from_value(answer.body)
        .map_err(|error| Failure::error(format!("{}: its proof is not understood: {error}", answer.node)))
}

fn pending_reason(body: &Value) -> String {
    let text = body["reason"].as_str().or_else(|| body["message"].as_str());
    crate::output::safe(text.unwrap_or("no block holds the anchor yet"))
}

#[cfg(test)]
mod tests;

//! Light blocks from a node: over the native API, or over CometBFT's RPC where that is what the URL serves.

use std::time::Duration;

use pyralog_consensus::light::{LightBlock, Provider, Validators};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tendermint::block::signed_header::SignedHeader;
use tendermint::validator;

use crate::node::{NodeFault, Nodes};
use crate::output::safe;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How far behind the newest block of another node a node may be that is waited for, how often it is asked again, and after what time.
const MAX_LAG: u64 = 3;
const MAX_LOOKS: u32 = 10;
const LAG_PAUSE: Duration = Duration::from_millis(400);
/// Validators asked for at a time; CometBFT serves no more on one page.
const PAGE: usize = 100;
/// Most pages of one set.
const MAX_PAGES: usize = 11;

/// What a URL serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Native,
    Rpc,
}

/// A provider of light blocks behind `url`. Which API it serves is found out by the first question.
pub fn provider<'a>(nodes: &'a Nodes, url: &'a str) -> Provider<'a> {
    let mut api = None;
    Provider::new(url, move |height| patient(nodes, url, height, &mut api))
}

/// Waits for a node that is just behind.
fn patient(nodes: &Nodes, url: &str, height: Option<u64>, api: &mut Option<Api>) -> Result<LightBlock, String> {
    let mut looks = 0;
    loop {
        let answer = fetch(nodes, url, height, api);
        let (Err(_), Some(height)) = (&answer, height) else { return answer };
        // A node that shows no block at all, or has this one, says best itself what is wrong.
        let latest = fetch(nodes, url, None, api).map(|block| block.header.height);
        let Some(latest) = latest.ok().filter(|latest| *latest < height) else { return answer };
        // Nodes do not commit a block at one instant, and the newest of one is asked of others.
        if looks == MAX_LOOKS || height - latest > MAX_LAG {
            return Err(format!("there is no block {height} yet, its latest is {latest}"));
        }
        looks += 1;
        std::thread::sleep(LAG_PAUSE);
    }
}

/// One light block, outside any client.
pub fn once(nodes: &Nodes, url: &str, height: Option<u64>) -> Result<LightBlock, String> {
    patient(nodes, url, height, &mut None)
}

fn fetch(nodes: &Nodes, url: &str, height: Option<u64>, known: &mut Option<Api>) -> Result<LightBlock, String> {
    if *known == Some(Api::Rpc) {
        return rpc(nodes, url, height);
    }
    match native(nodes, url, height) {
        Ok(block) => {
            *known = Some(Api::Native);
            Ok(block)
        }
        // Only a node that never answered over the native API may be something else.
        Err(NodeFault::NotFound { .. } | NodeFault::Nonsense(_) | NodeFault::Refused { .. }) if known.is_none() => {
            let block = rpc(nodes, url, height)?;
            *known = Some(Api::Rpc);
            Ok(block)
        }
        Err(fault) => Err(fault.message().to_owned()),
    }
}

fn native(nodes: &Nodes, url: &str, height: Option<u64>) -> Result<LightBlock, NodeFault> {
    let place = height.map_or_else(|| "latest".to_owned(), |height| height.to_string());
    let answer = nodes.get_from(url, &format!("/v1/light/{place}"), PATIENCE)?;
    serde_json::from_value(answer.body)
        .map_err(|error| NodeFault::Nonsense(format!("its light block is not understood: {error}")))
}

fn rpc(nodes: &Nodes, url: &str, height: Option<u64>) -> Result<LightBlock, String> {
    #[derive(Deserialize)]
    struct Commit {
        signed_header: SignedHeader,
    }
    let query = height.map(|height| format!("?height={height}")).unwrap_or_default();
    let commit: Commit = call(nodes, url, &format!("/commit{query}"))?;
    let SignedHeader { header, commit, .. } = commit.signed_header;
    let height = header.height.value();
    let validators = rpc_validators(nodes, url, height)?;
    let next = rpc_validators(nodes, url, height.saturating_add(1))?;
    LightBlock::from_tendermint(&header, &commit, validators, next).map_err(|fault| fault.to_string())
}

fn rpc_validators(nodes: &Nodes, url: &str, height: u64) -> Result<Validators, String> {
    #[derive(Deserialize)]
    struct Page {
        validators: Vec<validator::Info>,
        total: String,
    }
    let mut infos = Vec::new();
    for page in 1..=MAX_PAGES {
        let path = format!("/validators?height={height}&page={page}&per_page={PAGE}");
        let answer: Page = call(nodes, url, &path)?;
        let total: usize = answer.total.parse().map_err(|_| "its validators have no total".to_owned())?;
        let got = answer.validators.len();
        infos.extend(answer.validators);
        if infos.len() >= total {
            let set = validator::Set::without_proposer(infos);
            return Validators::try_from(&set).map_err(|fault| fault.to_string());
        }
        if got == 0 {
            break;
        }
    }
    Err(format!("its validators of height {height} are incomplete, or too many"))
}

/// One URI call; the result inside CometBFT's envelope.
fn call<T: DeserializeOwned>(nodes: &Nodes, url: &str, path: &str) -> Result<T, String> {
    let answer = nodes.get_from(url, path, PATIENCE).map_err(|fault| fault.message().to_owned())?;
    let mut body = answer.body;
    if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
        let text = error["data"].as_str().or_else(|| error["message"].as_str()).unwrap_or("an error without a message");
        return Err(safe(text));
    }
    let result = body.get_mut("result").map(Value::take).ok_or("it answered without a result")?;
    serde_json::from_value(result).map_err(|error| format!("its answer to {path} is not understood: {error}"))
}

#[cfg(test)]
mod tests;

//! The node, its peers, the genesis file, the state, the consensus round.

use std::time::{SystemTime, UNIX_EPOCH};

use pyralog_consensus::block::{APP_PROTOCOL, BLOCK_PROTOCOL, Timestamp};
use pyralog_crypto::{MerkleHash, PublicKey, Sha256};
use serde_json::{Value, json};

use super::{Answer, Context, page};
use crate::backend::Peer;
use crate::rpc::envelope::RpcError;
use crate::rpc::json::{self, NO_TIME};
use crate::rpc::params::Params;

/// What clients take for the version of CometBFT that answers: the RPC of 0.38.
pub const RPC_VERSION: &str = concat!("0.38.17-pyralog-", env!("CARGO_PKG_VERSION"));
/// Bytes of one chunk of `genesis_chunked`.
const CHUNK_BYTES: usize = 16 << 20;

/// CometBFT's node id: the first 20 bytes of the SHA-256 of the public key, 40 hex digits.
pub fn node_id(key: &PublicKey) -> String {
    hex::encode(&Sha256::digest(&key.0).0[..20])
}

fn node_info(id: &str, network: &str, listen: &str, version: &str, moniker: &str, rpc: &str) -> Value {
    json!({
        "protocol_version": {"p2p": "8", "block": BLOCK_PROTOCOL.to_string(), "app": APP_PROTOCOL.to_string()},
        "id": id,
        "listen_addr": listen,
        "network": network,
        "version": version,
        "channels": "40202122233038606100",
        "moniker": moniker,
        "other": {"tx_index": "on", "rpc_address": rpc},
    })
}

pub(super) fn status(cx: &Context) -> Value {
    let (identity, live, chain) = (cx.backend.identity(), cx.backend.live(), cx.backend.chain());
    let state = chain.state();
    // A block that cannot be read shows as absent here and as an error where it is asked for.
    let first = chain.block(1).ok().flatten();
    let latest = chain.block(state.height).ok().flatten();
    let time = |record: &Option<std::sync::Arc<crate::chain::BlockRecord>>| {
        record.as_ref().map_or_else(|| NO_TIME.to_owned(), |record| record.block.header.time.to_rfc3339())
    };
    let hash = |record: &Option<std::sync::Arc<crate::chain::BlockRecord>>| {
        record.as_ref().map_or_else(String::new, |record| json::hash(&record.hash()))
    };
    let app = |record: &Option<std::sync::Arc<crate::chain::BlockRecord>>| {
        record.as_ref().map_or_else(String::new, |record| json::hex_upper(record.block.header.app_hash.as_bytes()))
    };
    let address = pyralog_consensus::block::ValidatorAddress::of(&identity.validator);
    let power = state.validators.get(&address).map_or(0, |validator| validator.power);
    let rpc = format!("tcp://{}", cx.rpc_address);
    json!({
        "node_info": node_info(
            &node_id(&identity.peer), &identity.chain_id, &cx.p2p_address, RPC_VERSION, &identity.moniker, &rpc
        ),
        "sync_info": {
            "latest_block_hash": hash(&latest),
            "latest_app_hash": app(&latest),
            "latest_block_height": state.height.to_string(),
            "latest_block_time": time(&latest),
            "earliest_block_hash": hash(&first),
            "earliest_app_hash": app(&first),
            "earliest_block_height": if first.is_some() { "1" } else { "0" },
            "earliest_block_time": time(&first),
            "catching_up": live.catching_up,
        },
        "validator_info": {
            "address": json::hex_upper(address.0),
            "pub_key": json::public_key(&identity.validator),
            "voting_power": power.to_string(),
        },
    })
}

pub(super) async fn net_info(cx: &Context) -> Value {
    let peers = cx.backend.peers().await;
    let network = &cx.backend.identity().chain_id;
    let listed: Vec<Value> = peers.iter().map(|peer| peer_info(peer, network)).collect();
    json!({
        "listening": true,
        "listeners": [format!("Listener({})", cx.p2p_address)],
        "n_peers": listed.len().to_string(),
        "peers": listed,
    })
}

fn peer_info(peer: &Peer, network: &str) -> Value {
    let since = peer.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let age = SystemTime::now().duration_since(peer.since).unwrap_or_default().as_nanos().to_string();
    let id = peer.key.as_ref().map_or_else(|| hex::encode(&Sha256::digest(peer.id.as_bytes()).0[..20]), node_id);
    let monitor = json!({
        "Active": true,
        "Start": Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)).to_time().to_rfc3339(),
        "Duration": age, "Idle": "0", "Bytes": "0", "Samples": "0", "InstRate": "0", "CurRate": "0", "AvgRate": "0",
        "PeakRate": "0", "BytesRem": "0", "TimeRem": "0", "Progress": 0,
    });
    json!({
        "node_info": node_info(&id, network, &peer.address, RPC_VERSION, &peer.agent, ""),
        "is_outbound": peer.outbound,
        "connection_status": {"Duration": age, "SendMonitor": monitor, "RecvMonitor": monitor, "Channels": []},
        "remote_ip": peer.remote.map_or_else(|| "127.0.0.1".to_owned(), |remote| remote.ip().to_string()),
    })
}

pub(super) fn genesis(cx: &Context) -> Value {
    json!({"genesis": cx.backend.identity().genesis})
}

pub(super) fn genesis_chunked(cx: &Context, params: &Params) -> Answer {
    let text = cx.backend.identity().genesis.to_string().into_bytes();
    let total = text.len().div_ceil(CHUNK_BYTES).max(1);
    let chunk = params.int("chunk")?.unwrap_or(0);
    let index = usize::try_from(chunk)
        .ok()
        .filter(|index| *index < total)
        .ok_or_else(|| RpcError::Internal(format!("there are 0-{} chunks, received {chunk}", total - 1)))?;
    let data = text.chunks(CHUNK_BYTES).nth(index).unwrap_or_default();
    Ok(json!({"chunk": index.to_string(), "total": total.to_string(), "data": json::base64(data)}))
}

pub(super) fn abci_info(cx: &Context) -> Value {
    let state = cx.backend.chain().state();
    json!({"response": {
        "data": "pyralog",
        "version": env!("CARGO_PKG_VERSION"),
        "app_version": APP_PROTOCOL.to_string(),
        "last_block_height": state.height.to_string(),
        "last_block_app_hash": json::base64(state.app_hash.0),
    }})
}

/// Reads a name of the ledger's state. `path` is empty, `/key` or `/store`; `data` is the name's bytes.
pub(super) fn abci_query(cx: &Context, params: &Params) -> Answer {
    let path = params.text("path")?.unwrap_or_default();
    let data = params.hex_bytes("data")?.unwrap_or_default();
    let prove = params.flag("prove")?.unwrap_or(false);
    let height = match params.int("height")?.unwrap_or(0) {
        0 => None,
        height => Some(u64::try_from(height).map_err(|_| RpcError::Internal("height must be non-negative".into()))?),
    };
    let refuse = |code: u32, log: String| {
        json!({"response": {
            "code": code, "log": log, "info": "", "index": "0", "key": null, "value": null, "proofOps": null,
            "height": cx.backend.chain().height().to_string(), "codespace": "pyralog",
        }})
    };
    if !matches!(path.as_str(), "" | "/" | "/key" | "/store" | "/store/key") {
        return Ok(refuse(1, format!("path {path:?} is unknown; use /key with the name of a state entry as data")));
    }
    Ok(match cx.backend.state(&data, height, prove) {
        Err(why) => refuse(2, why),
        Ok(answer) => json!({"response": {
            "code": 0,
            "log": if answer.value.is_some() { "exists" } else { "does not exist" },
            "info": "",
            "index": "0",
            "key": json::base64(&data),
            "value": answer.value.as_ref().map(json::base64),
            "proofOps": answer.proof.map(|proof| json!({"ops": [
                {"type": "pyralog:state-proof:v1", "key": json::base64(&data), "data": json::base64(proof)},
            ]})),
            "height": answer.height.to_string(),
            "codespace": "",
        }}),
    })
}

pub(super) fn consensus_params(cx: &Context, params: &Params) -> Answer {
    let state = cx.backend.chain().state();
    let height = page::height(params, "height", state.height + 1)?;
    // No block can change the parameters, so those of any height are those of now.
    Ok(json!({"block_height": height.to_string(), "consensus_params": json::consensus_params(&state.params)}))
}

pub(super) fn consensus_state(cx: &Context) -> Value {
    let (live, state) = (cx.backend.live(), cx.backend.chain().state());
    let since = live.round_start.duration_since(UNIX_EPOCH).unwrap_or_default();
    let proposer = live.proposer.map_or_else(String::new, |address| json::hex_upper(address.0));
    let index = live.proposer.and_then(|address| state.validators.index_of(&address)).unwrap_or(0);
    json!({"round_state": {
        "height/round/step": format!("{}/{}/1", live.height, live.round),
        "start_time": Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)).to_time().to_rfc3339(),
        "proposal_block_hash": "",
        "locked_block_hash": "",
        "valid_block_hash": "",
        "height_vote_set": [],
        "proposer": {"address": proposer, "index": index},
    }})
}

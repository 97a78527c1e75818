//! The cluster: `/v1/cluster`, for who holds the node's admin token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use pyralog_cluster_core::raft::{GroupError, Life, Member, NewMember};
use pyralog_cluster_core::replication::MemberId;
use pyralog_crypto::keystore;
use pyralog_p2p::{Multiaddr, PeerId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Body, Path, Query};
use super::forward::{self, Asked, Kind, Question, query};
use super::logs::authorize;
use super::object::read_object;
use super::values::short;
use super::{ApiState, Problem};
use crate::cluster::{ClusterMember, View};
use crate::home::read_bounded;
use crate::logs::LogError;

type Answer = Result<Json<Value>, Problem>;
type Api = State<Arc<ApiState>>;

/// Where a transfer is asked for.
const TRANSFER: &str = "/v1/cluster/leader";
/// The leader has so long to hand the lead over.
const TRANSFERRED: Duration = Duration::from_secs(25);

/// The routes. Who does not show the token is refused before the body is read.
pub fn routes(state: &Arc<ApiState>) -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/cluster", get(view))
        .route("/v1/cluster/keys", get(keys))
        .route("/v1/cluster/members", post(admit))
        .route("/v1/cluster/members/{id}", delete(remove))
        .route(TRANSFER, post(transfer))
        .route("/v1/cluster/rebalance", post(rebalance))
        .route_layer(from_fn_with_state(Arc::clone(state), authorize))
}

/// `GET /v1/cluster`
async fn view(State(api): Api) -> Json<View> {
    Json(api.member.view())
}

/// `GET /v1/cluster/keys`: the keys that the members have in common, as they are sealed.
async fn keys(State(api): Api) -> Answer {
    let [log, validator] = api.keystores.clone();
    let read = tokio::task::spawn_blocking(move || -> crate::Result<[Vec<u8>; 2]> {
        let read = |path: &std::path::Path| read_bounded(path, keystore::MAX_KEYSTORE_BYTES as u64);
        Ok([read(&log)?, read(&validator)?])
    });
    match read.await {
        Ok(Ok([log, validator])) => {
            Ok(Json(json!({"log_key": hex::encode(log), "validator_key": hex::encode(validator)})))
        }
        Ok(Err(error)) => Err(Problem::internal(error.to_string())),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Newcomer {
    name: String,
    peer_id: String,
    addresses: Vec<String>,
    incarnation: String,
    life: String,
}

impl Newcomer {
    fn check(self) -> Result<NewMember, String> {
        let bytes = |what: &str, text: &str| -> Result<[u8; 16], String> {
            let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| format!("{what} is not 32 hex digits"))
        };
        let peer: PeerId = self.peer_id.parse().map_err(|_| format!("{:?} is not a peer id", short(&self.peer_id)))?;
        if let Some(address) = self.addresses.iter().find(|address| address.parse::<Multiaddr>().is_err()) {
            return Err(format!("{:?} is not a multiaddress such as /ip4/10.0.0.2/udp/51820", short(address)));
        }
        let long = self.addresses.iter().any(|address| address.len() > pyralog_cluster_core::raft::MAX_ADDRESS);
        if self.name.is_empty() || self.name.len() > pyralog_cluster_core::raft::MAX_MEMBER_NAME {
            return Err("the name is empty or has more than 64 bytes".into());
        }
        if long || self.addresses.len() > pyralog_cluster_core::raft::MAX_ADDRESSES {
            return Err("there are more than 16 addresses, or one has more than 256 bytes".into());
        }
        let life = Life { number: 0, nonce: bytes("life", &self.life)? };
        let incarnation = bytes("incarnation", &self.incarnation)?;
        Ok(NewMember { name: self.name, peer: peer.to_bytes(), addresses: self.addresses, incarnation, life })
    }
}

/// `POST /v1/cluster/members`: what `pyralogd join-cluster` asks.
async fn admit(State(api): Api, Body(body): Body) -> Result<Response, Problem> {
    let help = "this call is made by `pyralogd join-cluster` on the new machine";
    let asked: Newcomer = read_object(&body, help)?;
    let new = asked.check().map_err(|why| Problem::bad(why).remedy(help))?;
    let member = serving(&api.member)?;
    name_is_free(member, &new).await?;
    let (peer_id, addresses) = (PeerId::from_bytes(&new.peer), new.addresses.clone());
    // From now on no member notarizes or signs by itself.
    // Whoever asks may go away: what is begun is brought to its end.
    let (leaves, signing) = (Arc::clone(&api.leaves), Arc::clone(&api.signing));
    let shared = tokio::spawn(async move {
        leaves.share().await?;
        signing.share().await
    });
    shared.await.map_err(|error| Problem::internal(error.to_string()))??;
    let id = member.cluster().groups().admit(new).await?;
    let mut members = member.contacts();
    if let Ok(peer_id) = peer_id {
        members.retain(|contact| contact.member != id.0);
        members.push(crate::cluster::Contact { member: id.0, peer_id: peer_id.to_string(), addresses });
    }
    tracing::info!(member = id.0, "a member was admitted to the cluster");
    Ok((StatusCode::CREATED, Json(json!({"member": id.0, "members": members}))).into_response())
}

/// Refuses the name of another member. One that asks again is no other.
async fn name_is_free(member: &ClusterMember, new: &NewMember) -> Result<(), Problem> {
    let taken = |(id, old): (MemberId, &Member)| {
        let same = old.incarnation == new.incarnation || old.peer == new.peer;
        (old.name == new.name && !same).then_some(id.0)
    };
    let taken = member.cluster().groups().global().read(|state| state.live().find_map(taken)).await?;
    taken.map_or(Ok(()), |id| {
        let message = format!("member {id} has the name {:?} already", short(&new.name));
        Err(Problem::new(StatusCode::CONFLICT, "name_taken", message)
            .remedy(format!("give another name with --name; or remove that member first: pyralog cluster remove {id}")))
    })
}

/// `?may_lose_records=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removing {
    #[serde(default)]
    may_lose_records: bool,
}

/// `DELETE /v1/cluster/members/{id}`
async fn remove(State(api): Api, Path(id): Path<String>, Query(asked): Query<Removing>) -> Answer {
    let member = serving(&api.member)?;
    let id = super::values::number("the member", &id, u64::MAX)?;
    // Whoever asks may go away: what is begun is brought to its end.
    let cluster = member.cluster().clone();
    let removing = tokio::spawn(async move { cluster.remove(MemberId(id), asked.may_lose_records).await });
    removing.await.map_err(|error| Problem::internal(error.to_string()))??;
    tracing::info!(member = id, may_lose_records = asked.may_lose_records, "a member was removed from the cluster");
    Ok(Json(json!({"removed": id})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    member: u64,
}

/// `POST /v1/cluster/leader`
async fn transfer(State(api): Api, Body(body): Body) -> Result<Response, Problem> {
    let To { member: to } = read_object(&body, "send {\"member\": 2}")?;
    serving(&api.member)?;
    match leader_to_ask(&api.member, to) {
        Some(leader) => ask_leader(&api.member, leader, to).await,
        None => Ok(transfer_here(&api.member, to).await?.into_response()),
    }
}

async fn transfer_here(member: &ClusterMember, to: u64) -> Answer {
    let asked = serving(member)?.cluster().transfer(MemberId(to)).await?;
    Ok(Json(json!({"leader": to, "asked": asked})))
}

/// Who hands the lead over, where that is neither this member nor the one that is to lead.
fn leader_to_ask(member: &ClusterMember, to: u64) -> Option<MemberId> {
    let cluster = member.cluster();
    let leader = member.view().leader.map(MemberId);
    leader.filter(|leader| *leader != cluster.id() && leader.0 != to)
}

/// Has the leader do it.
async fn ask_leader(member: &ClusterMember, leader: MemberId, to: u64) -> Result<Response, Problem> {
    let uri = format!("{TRANSFER}?member={to}");
    let uri = uri.parse().map_err(|e| Problem::internal(format!("{uri}: {e}")))?;
    let question = Question { kind: Kind::Transfer, uri, body: Bytes::new() };
    match question.ask(member.cluster(), &[leader], TRANSFERRED).await {
        Asked::Answered(response) => Ok(response),
        // It has done nothing. This member says what it can.
        Asked::Nobody => Ok(transfer_here(member, to).await?.into_response()),
        Asked::Unknown(why) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "uncertain", why)
            .remedy("it may have been done, or be done later: look with GET before sending again")
            .retry_after(2)),
    }
}

/// Another member has asked this one, which leads, to hand the lead over.
pub async fn answer_transfer(api: &ApiState, question: &Question) -> Option<forward::Answer> {
    let Query(To { member: to }) = query(&question.uri)?;
    Some(forward::Answer::last(transfer_here(&api.member, to).await.into_response()))
}

/// `POST /v1/cluster/rebalance`
async fn rebalance(State(api): Api) -> Answer {
    Ok(Json(json!({"asked": serving(&api.member)?.cluster().rebalance()?})))
}

/// The member, once the cluster has confirmed its start.
fn serving(member: &ClusterMember) -> Result<&ClusterMember, Problem> {
    if member.is_started() { Ok(member) } else { Err(LogError::NotStarted.into()) }
}

impl From<GroupError> for Problem {
    fn from(error: GroupError) -> Self {
        let message = error.to_string();
        let unavailable = |code| Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message.clone()).retry_after(2);
        match error {
            // That it is refused the code says.
            GroupError::Refused { why, .. } => Self::new(StatusCode::CONFLICT, "refused", why)
                .remedy("GET /v1/cluster shows the members, who leads, and the logs"),
            GroupError::Unfit { .. } => Self::bad(message).remedy(
                "send nodeset, replication and copies that fit each other, each from 1 to 7, or leave them out",
            ),
            GroupError::IsMember(_) | GroupError::Stranger { .. } => {
                Self::new(StatusCode::CONFLICT, "refused", message)
                    .remedy("GET /v1/cluster shows the members, who leads, and the logs")
            }
            GroupError::Unavailable { .. } => unavailable("no_leader")
                .remedy("nothing was done: start members until a majority of the voters is up, and send again"),
            GroupError::Uncertain { .. } => unavailable("uncertain")
                .remedy("it may have been done, or be done later: look with GET before sending again"),
            _ => unavailable("unavailable").remedy("see the node's log, and restart the node when its cause is mended"),
        }
    }
}

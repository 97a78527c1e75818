//! Routes, and what stands before each of them: Host and Origin, rate limit, time limit, body limit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body as Sent;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use pyralog_consensus::engine::Input;
use serde_json::json;

use super::{AdminToken, Problem, chain, cluster, forward, logs, notary, tunnels};
use crate::backend::Backend;
use crate::cluster::ClusterMember;
use crate::config::ApiConfig;
use crate::driver::{EngineHandle, Shared};
use crate::http::{AccessRules, Arrival, ClientAddr, RateLimiter};
use crate::logs::RecordLogs;
use crate::notary::{Admission, NotaryLeaves, NotaryReceipts};
use crate::signing::{SigningDriver, state_text};
use crate::store::LedgerView;
use crate::tunnel::Tunnels;

/// What the handlers share.
pub struct ApiState {
    /// The node.
    pub backend: Arc<dyn Backend>,
    /// Its changing facts.
    pub shared: Arc<Shared>,
    /// The ledger.
    pub ledger: LedgerView,
    /// Admission of leaves.
    pub admission: Admission,
    /// Receipts.
    pub receipts: NotaryReceipts,
    /// The engine, for `signer resume`.
    pub engine: EngineHandle,
    /// The peer-to-peer network.
    pub network: pyralog_p2p::Handle,
    /// The tunnels that carry it, where it has any.
    pub tunnels: Option<Tunnels>,
    /// Record logs.
    pub records: Arc<RecordLogs>,
    /// This node in its cluster.
    pub member: ClusterMember,
    /// Has the cluster take over the notary log.
    pub leaves: Arc<NotaryLeaves>,
    /// Has the cluster's signatures rest on a log of its own.
    pub signing: Arc<SigningDriver>,
    /// The sealed log key and validator key, for members that join.
    pub keystores: [PathBuf; 2],
    /// What a caller of `/v1/admin/…`, `/v1/cluster/…` and `/v1/tunnels` must show.
    pub admin_token: AdminToken,
    /// Leaves of one submission.
    pub max_leaves: usize,
    /// Settings.
    pub config: ApiConfig,
}

/// The API over a node.
pub struct ApiService {
    state: Arc<ApiState>,
    rules: AccessRules,
    limiter: Option<RateLimiter>,
}

type Api = State<Arc<ApiState>>;

impl ApiService {
    /// A service.
    pub fn new(state: ApiState) -> Arc<Self> {
        let rules = AccessRules::new(&state.config.allowed_hosts, &state.config.allowed_origins);
        let limiter = RateLimiter::new(state.config.rate_limit_per_s);
        let state = Arc::new(state);
        forward::answer_members(state.member.cluster(), &state);
        Arc::new(Self { state, rules, limiter })
    }

    /// The routes, to be served on a listener.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/status", get(chain::status))
            .route("/v1/genesis", get(chain::genesis))
            .route("/v1/accounts/{address}", get(chain::account))
            .route("/v1/blocks/{height}", get(chain::block))
            .route("/v1/light/{height}", get(chain::light))
            .route("/v1/logs", get(chain::logs))
            .route("/v1/logs/{id}", get(chain::log))
            .route("/v1/anchors/{log}", get(chain::anchors))
            .route("/v1/tx", post(chain::submit))
            .route("/v1/tx/{hash}", get(chain::tx))
            .route("/v1/notary/leaves", post(notary::leaves))
            .route("/v1/notary/receipts/{index}", get(notary::receipt))
            .route("/v1/notary/refresh/{height}", get(notary::refresh))
            .route("/v1/admin/signer/resume", post(signer_resume))
            .merge(cluster::routes(&self.state))
            .merge(logs::routes(&self.state))
            .merge(tunnels::routes(&self.state))
            .fallback(nowhere)
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(self.state.config.max_body_bytes))
            .layer(from_fn_with_state(Arc::clone(self), admit))
            .with_state(Arc::clone(&self.state))
    }
}

async fn admit(
    State(service): State<Arc<ApiService>>,
    client: Option<axum::Extension<ConnectInfo<ClientAddr>>>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(refusal) = service.rules.check(request.headers(), Some("api")) {
        return Problem::new(refusal.status, "forbidden", refusal.message).into_response();
    }
    if let (Some(limiter), Some(axum::Extension(ConnectInfo(ClientAddr(client))))) = (&service.limiter, client)
        && let Err(wait) = limiter.take(client.ip(), Instant::now())
    {
        let limit = service.state.config.rate_limit_per_s;
        return Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            format!("more than {limit} requests per second"),
        )
        .remedy("send fewer requests, or several leaves in one; the operator's key is api.rate_limit_per_s")
        .retry_after(wait.as_secs().saturating_add(1))
        .into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let arrival = request.extensions().get::<Arrival>().cloned().unwrap_or_else(|| Arrival::of(false));
    let patience = Duration::from_secs(service.state.config.request_timeout_s);
    let read_only = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = if *request.method() == Method::OPTIONS && origin.is_some() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        match tokio::time::timeout(patience, next.run(request)).await {
            Ok(_) if arrival.is_late() => too_slow(),
            Ok(response) => response,
            // What is not here cannot be answered.
            Err(_) if !arrival.is_whole() => too_slow(),
            Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the node did not answer in time")
                .remedy(match read_only {
                    true => "try again, or another node",
                    false => "it may be done or not: look before you send it again",
                })
                .retry_after(1)
                .into_response(),
        }
    };
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE && is_plain(&response) {
        let max = service.state.config.max_body_bytes;
        response =
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body is larger than {max} bytes"))
                .remedy("split it; the operator's key is api.max_body_bytes")
                .into_response();
    }
    response = explained(response);
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, header::HeaderValue::from_static("content-type"));
        headers.insert(header::VARY, header::HeaderValue::from_static("origin"));
    }
    response
}

fn too_slow() -> Response {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body of the request did not arrive in time")
        .remedy("send it again, in smaller parts where the way is slow")
        .into_response()
}

/// What axum itself refuses it says in plain text and in words of its own: a problem in ours.
fn explained(response: Response) -> Response {
    if !response.status().is_client_error() || !is_plain(&response) {
        return response;
    }
    Problem::new(response.status(), "bad_request", "the request is not understood")
        .remedy("see docs/node.md for the calls of this API")
        .into_response()
}

/// Whether it is axum's own, and no problem yet.
fn is_plain(response: &Response) -> bool {
    let plain = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    response.headers().get(header::CONTENT_TYPE).is_some_and(plain)
}

/// `POST /v1/admin/signer/resume`
async fn signer_resume(State(api): Api, headers: HeaderMap) -> Result<Json<serde_json::Value>, Problem> {
    api.admin_token.require(&headers, "run `pyralogd signer resume --home HOME` as the user of the node")?;
    let before = state_text(&api.backend.live().signer);
    api.engine.input(Input::SignerResume);
    tracing::warn!(before, "the operator resumed the signer");
    Ok(Json(json!({"resumed": true, "before": before})))
}

async fn nowhere() -> Problem {
    Problem::not_found("there is nothing at this path").remedy("the API's paths begin with /v1/; see docs")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not take this method")
}

pub(super) fn raw_json(status: StatusCode, body: impl Into<Sent>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.into()).into_response()
}

//! `/metrics`, `/livez`, `/readyz`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use pyralog_consensus::engine::SignerState;
use serde_json::json;

use crate::backend::{Backend, LogState};
use crate::http::AccessRules;

/// Whether the node does its work, and if not, why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Sentences; empty when ready.
    pub reasons: Vec<String>,
}

impl Health {
    /// Judges a node at `now`.
    pub fn of(backend: &dyn Backend, started: SystemTime, stall_after: Duration, now: SystemTime) -> Self {
        let (live, height) = (backend.live(), backend.chain().height());
        let state = backend.chain().state();
        let validators = state.validators.validators();
        let validates = validators.iter().any(|v| v.public_key == backend.identity().validator);
        let mut reasons = Vec::new();
        if live.catching_up {
            reasons.push(format!("syncing: {} blocks behind the network", live.target.saturating_sub(height)));
        }
        if height == 0 {
            reasons.push("no block is committed yet".into());
        }
        // Before it shows as a stall: alone it decides nothing.
        if live.peers == 0 && validates && validators.len() > 1 {
            reasons.push(format!(
                "no peers: one of {} validators decides no block alone; see that p2p.bootstrap names others that run",
                validators.len()
            ));
        }
        if let SignerState::Suspended { .. } = live.signer
            && validates
        {
            reasons.push(format!("the signer of this validator does not sign: {}", live.signer));
        }
        if let LogState::Conflict(why) = live.log {
            reasons.push(why);
        }
        reasons.extend(live.cluster);
        let quiet = now.duration_since(live.last_commit.unwrap_or(started)).unwrap_or_default();
        if quiet > stall_after {
            reasons.push(format!(
                "stalled: no new block for {} s; height {} is in round {}",
                quiet.as_secs(),
                live.height,
                live.round
            ));
        }
        Self { reasons }
    }
}

/// The handlers' state.
pub struct MetricsService {
    backend: Arc<dyn Backend>,
    registry: Registry,
    stall_after: Duration,
    started: SystemTime,
    rules: AccessRules,
    refresh: Box<dyn Fn() + Send + Sync>,
}

impl MetricsService {
    /// A service; `hosts` are names by which it is called beside those of loopback, `refresh` sets gauges that are read from elsewhere, before each scrape.
    pub fn new(
        backend: Arc<dyn Backend>,
        registry: Registry,
        stall_after: Duration,
        hosts: &[String],
        refresh: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        let started = SystemTime::now();
        let rules = AccessRules::new(hosts, &[]);
        Arc::new(Self { backend, registry, stall_after, started, rules, refresh: Box::new(refresh) })
    }

    /// The routes.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(Arc::clone(self))
    }

    /// Whether the node is ready now.
    pub fn health(&self) -> Health {
        Health::of(self.backend.as_ref(), self.started, self.stall_after, SystemTime::now())
    }
}

async fn handle(State(service): State<Arc<MetricsService>>, request: Request) -> Response {
    if let Err(refusal) = service.rules.check(request.headers(), None) {
        return (refusal.status, refusal.message).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let json = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    match request.uri().path() {
        // The process answers: nothing else is asked here, so that a stalled network restarts nobody.
        "/livez" => (StatusCode::OK, json, json!({"live": true}).to_string()).into_response(),
        "/readyz" => {
            let reasons = service.health().reasons;
            let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let body =
                json!({"ready": reasons.is_empty(), "height": service.backend.chain().height(), "reasons": reasons});
            (status, json, body.to_string()).into_response()
        }
        "/metrics" => {
            (service.refresh)();
            let mut text = String::new();
            match encode(&mut text, &service.registry) {
                Ok(()) => {
                    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                    (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text).into_response()
                }
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
#[path = "server_test.rs"]
mod tests;

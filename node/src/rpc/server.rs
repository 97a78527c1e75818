//! The HTTP side: POST with single calls and batches, GET with URI parameters, upgrade to WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use serde_json::{Value, json};

use super::envelope::{Call, RpcError, answer};
use super::methods::{Context, METHODS, call, parameters};
use super::params::Params;
use super::socket;
use crate::config::RpcConfig;
use crate::http::AccessRules;

/// How long one request may take, without the wait of `broadcast_tx_commit`.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that the RPC's handlers share.
pub struct RpcService {
    pub(super) context: Context,
    pub(super) config: RpcConfig,
    rules: AccessRules,
}

impl RpcService {
    /// A service over a node.
    pub fn new(context: Context, config: &RpcConfig) -> Arc<Self> {
        let rules = AccessRules::new(&config.allowed_hosts, &config.allowed_origins);
        Arc::new(Self { context, config: config.clone(), rules })
    }

    /// The routes, to be served on a listener.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(Arc::clone(self))
    }

    /// Answers one call; `None` for a notification.
    pub(super) async fn answer_call(&self, value: Value) -> Option<Value> {
        let call = match Call::parse(value) {
            Ok(call) => call,
            Err((id, error)) => return Some(answer(&id, Err(error))),
        };
        let id = call.id.clone()?;
        Some(answer(&id, self.run(&call.method, call.params).await))
    }

    async fn run(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let names = parameters(method).ok_or(RpcError::NotFound)?;
        let params = Params::from_json(params, names)?;
        self.timed(method, &params).await
    }

    async fn timed(&self, method: &str, params: &Params) -> Result<Value, RpcError> {
        let limit = PATIENCE + self.context.commit_timeout;
        match tokio::time::timeout(limit, call(&self.context, method, params)).await {
            Ok(result) => result,
            Err(_) => Err(RpcError::Internal("the node did not answer in time".into())),
        }
    }
}

async fn handle(State(service): State<Arc<RpcService>>, request: Request) -> Response {
    if let Err(refusal) = service.rules.check(request.headers(), "rpc") {
        return (refusal.status, refusal.message).into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match *request.method() {
        Method::POST => post(&service, request).await,
        Method::GET if request.uri().path() == "/websocket" => upgrade(service, request).await,
        Method::GET => get(&service, request).await,
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    // The rules let only named origins come this far.
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, header::HeaderValue::from_static("content-type"));
        headers.insert(header::VARY, header::HeaderValue::from_static("origin"));
    }
    response
}

async fn post(service: &RpcService, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let body = match tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), service.config.max_body_bytes)).await
    {
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        Ok(Err(_)) => {
            let message = format!("the body is larger than rpc.max_body_bytes = {}", service.config.max_body_bytes);
            return failure(StatusCode::PAYLOAD_TOO_LARGE, &Value::Null, RpcError::Invalid(message));
        }
        Ok(Ok(body)) => body,
    };
    let parsed: Value = match serde_json::from_slice(&body) {
        Ok(value) => value,
        Err(e) => {
            let error = RpcError::Parse(format!("error unmarshaling request: {e}"));
            return failure(StatusCode::INTERNAL_SERVER_ERROR, &Value::Null, error);
        }
    };
    if path.len() > 1 {
        return failure(StatusCode::NOT_FOUND, &Value::Null, RpcError::Invalid(format!("path {path} is invalid")));
    }
    match parsed {
        Value::Array(calls) if calls.len() > service.config.max_batch => {
            let message =
                format!("{} calls in a batch, rpc.max_batch = {} allowed", calls.len(), service.config.max_batch);
            failure(StatusCode::OK, &Value::Null, RpcError::Invalid(message))
        }
        Value::Array(calls) if calls.is_empty() => {
            failure(StatusCode::OK, &Value::Null, RpcError::Invalid("the batch is empty".into()))
        }
        Value::Array(calls) => {
            // Each begins in its turn and none waits for another's answer: transactions of one batch are checked together.
            let answers = join_all(calls.into_iter().map(|value| service.answer_call(value))).await;
            let answers: Vec<Value> = answers.into_iter().flatten().collect();
            if answers.is_empty() { StatusCode::OK.into_response() } else { respond(StatusCode::OK, &answers.into()) }
        }
        single => match service.answer_call(single).await {
            None => StatusCode::OK.into_response(),
            Some(value) => respond(StatusCode::OK, &value),
        },
    }
}

async fn get(service: &RpcService, request: Request) -> Response {
    let method = request.uri().path().trim_start_matches('/');
    if method.is_empty() {
        return (StatusCode::OK, listing(&service.context.rpc_address)).into_response();
    }
    let id = json!(-1);
    let Some(names) = parameters(method) else { return StatusCode::NOT_FOUND.into_response() };
    let params = match Params::from_query(request.uri().query().unwrap_or(""), names) {
        Ok(params) => params,
        Err(error) => return failure(StatusCode::INTERNAL_SERVER_ERROR, &id, error),
    };
    match service.timed(method, &params).await {
        Ok(result) => respond(StatusCode::OK, &answer(&id, Ok(result))),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &id, error),
    }
}

async fn upgrade(service: Arc<RpcService>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .max_message_size(service.config.max_body_bytes)
            .max_frame_size(service.config.max_body_bytes)
            .on_upgrade(move |stream| socket::serve(service, stream)),
        Err(refusal) => refusal.into_response(),
    }
}

fn failure(status: StatusCode, id: &Value, error: RpcError) -> Response {
    respond(status, &answer(id, Err(error)))
}

fn respond(status: StatusCode, value: &Value) -> Response {
    let body = Body::from(value.to_string());
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn listing(address: &str) -> String {
    let mut text = String::from("CometBFT-compatible RPC. Methods, by GET, JSON-RPC POST, or on /websocket:\n\n");
    for (name, parameters) in METHODS {
        let query: Vec<String> = parameters.iter().map(|parameter| format!("{parameter}=_")).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        text.push_str(&format!("http://{address}/{name}{separator}{}\n", query.join("&")));
    }
    text
}

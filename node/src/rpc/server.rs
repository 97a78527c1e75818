//! The HTTP side: POST with single calls and batches, GET with URI parameters, upgrade to WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::budget::Budget;
use super::envelope::{Call, RpcError, answer};
use super::methods::{Answer, Context, Heavy, METHODS, call, heavy, parameters};
use super::params::Params;
use super::socket;
use crate::config::RpcConfig;
use crate::http::AccessRules;

/// How long one request may take, without the wait of `broadcast_tx_commit`.
const PATIENCE: Duration = Duration::from_secs(30);
/// Heavy calls of all clients that run at once.
const HEAVY_AT_ONCE: usize = 2;
/// How long a heavy call waits for its place.
const BUSY_AFTER: Duration = Duration::from_secs(5);

/// Everything that the RPC's handlers share.
pub struct RpcService {
    pub(super) context: Context,
    pub(super) config: RpcConfig,
    rules: AccessRules,
    /// Places of heavy calls.
    heavy: Arc<Semaphore>,
    busy_after: Duration,
    /// Places of WebSocket connections, fewer than connections: they are held for long, and others must get through.
    sockets: Arc<Semaphore>,
}

impl RpcService {
    /// A service over a node.
    pub fn new(context: Context, config: &RpcConfig) -> Arc<Self> {
        let rules = AccessRules::new(&config.allowed_hosts, &config.allowed_origins);
        let sockets = config.max_websockets.min(config.max_connections / 2).max(1);
        Arc::new(Self {
            context,
            config: config.clone(),
            rules,
            heavy: Arc::new(Semaphore::new(HEAVY_AT_ONCE)),
            busy_after: BUSY_AFTER,
            sockets: Arc::new(Semaphore::new(sockets)),
        })
    }

    /// The routes, to be served on a listener.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(Arc::clone(self))
    }

    /// Answers one call, within what its request has left; `None` for a notification.
    pub(super) async fn answer_call(&self, value: Value, budget: &Budget) -> Option<Value> {
        let call = match Call::parse(value) {
            Ok(call) => call,
            Err((id, error)) => return Some(answer(&id, Err(error))),
        };
        let id = call.id.clone()?;
        Some(answer(&id, self.run(&call.method, call.params, budget).await))
    }

    async fn run(&self, method: &str, params: Value, budget: &Budget) -> Result<Value, RpcError> {
        let names = parameters(method).ok_or(RpcError::NotFound)?;
        let params = Params::from_json(params, names)?;
        self.timed(method, params, budget).await
    }

    async fn timed(&self, method: &str, params: Params, budget: &Budget) -> Answer {
        let limit = PATIENCE + self.context.commit_timeout;
        let work = async {
            match heavy(method) {
                Some(work) => self.heavy(work, params, budget).await,
                None => {
                    budget.check()?;
                    call(&self.context, method, &params).await
                }
            }
        };
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_) => Err(RpcError::Internal("the node did not answer in time".into())),
        }
    }

    async fn heavy(&self, work: Heavy, params: Params, budget: &Budget) -> Answer {
        // Heavy calls of one request run one after another, so that it takes one of the node's places.
        let _turn = budget.turn().await;
        budget.check()?;
        let place = tokio::time::timeout(self.busy_after, Arc::clone(&self.heavy).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(RpcError::Busy) };
        let context = self.context.clone();
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work and not by who waits for it: a client that goes away does not make room early.
            let _place = place;
            work(&context, &params)
        });
        done.await.unwrap_or_else(|_| Err(RpcError::Internal("the call ended by a panic; see the node's log".into())))
    }
}

async fn handle(State(service): State<Arc<RpcService>>, request: Request) -> Response {
    if let Err(refusal) = service.rules.check(request.headers(), Some("rpc")) {
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

async fn post(service: &RpcService, mut request: Request) -> Response {
    let path = request.uri().path().to_owned();
    DefaultBodyLimit::max(service.config.max_body_bytes).apply(&mut request);
    let body = match tokio::time::timeout(PATIENCE, Bytes::from_request(request, &())).await {
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        Ok(Err(refused)) => {
            let message = match refused.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("the body is larger than rpc.max_body_bytes = {}", service.config.max_body_bytes)
                }
                _ => "the body cannot be read: its chunks are malformed, or it ends too early".into(),
            };
            return failure(refused.status(), &Value::Null, RpcError::Invalid(message));
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
            let budget = Budget::default();
            let answers = calls.into_iter().map(|value| async {
                let text = service.answer_call(value, &budget).await?.to_string();
                budget.spend(text.len());
                Some(text)
            });
            let answers: Vec<String> = join_all(answers).await.into_iter().flatten().collect();
            if answers.is_empty() {
                StatusCode::OK.into_response()
            } else {
                respond_text(StatusCode::OK, format!("[{}]", answers.join(",")))
            }
        }
        single => match service.answer_call(single, &Budget::default()).await {
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
    match service.timed(method, params, &Budget::default()).await {
        Ok(result) => respond(StatusCode::OK, &answer(&id, Ok(result))),
        Err(RpcError::Busy) => busy(failure(StatusCode::SERVICE_UNAVAILABLE, &id, RpcError::Busy)),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &id, error),
    }
}

async fn upgrade(service: Arc<RpcService>, request: Request) -> Response {
    let Ok(place) = Arc::clone(&service.sockets).try_acquire_owned() else {
        let message = "the node serves as many WebSockets as it may (rpc.max_websockets, at most half of \
                       rpc.max_connections); try again later, or another node";
        return busy((StatusCode::SERVICE_UNAVAILABLE, message).into_response());
    };
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .max_message_size(service.config.max_body_bytes)
            .max_frame_size(service.config.max_body_bytes)
            .on_upgrade(async move |stream| {
                let _place = place;
                socket::serve(service, stream).await;
            }),
        Err(refusal) => refusal.into_response(),
    }
}

fn failure(status: StatusCode, id: &Value, error: RpcError) -> Response {
    respond(status, &answer(id, Err(error)))
}

fn respond(status: StatusCode, value: &Value) -> Response {
    respond_text(status, value.to_string())
}

fn respond_text(status: StatusCode, json: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, Body::from(json)).into_response()
}

/// The same with when to try again.
fn busy(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
    response
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

#[cfg(test)]
#[path = "server_test.rs"]
mod tests;

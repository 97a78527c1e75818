//! Routes, and what stands before each of them: Host and Origin, a bounded number of draws, a limited time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use pyralog_cluster_core::{self as core, MAX_RANGE};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Generators, IdsAnswer, Span};
use crate::api::{Problem, unread_query};
use crate::http::{AccessRules, Stranger};

/// Draws that are under way at once: each may hold a thread while the disk is slow.
const DRAWS: usize = 16;
/// How long a draw may take. A client has moved on long before.
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET /v1/ids`, `/v1/counter`, `/livez`, `/readyz` over two generators.
pub struct IdsService {
    generators: Arc<Generators>,
    rules: AccessRules,
    draws: Arc<Semaphore>,
}

type Service = State<Arc<IdsService>>;
type Asked = Result<Query<HowMany>, QueryRejection>;

impl IdsService {
    /// A service that is also called by the names in `hosts`.
    pub fn new(generators: Arc<Generators>, hosts: &[String]) -> Arc<Self> {
        let draws = Arc::new(Semaphore::new(DRAWS));
        Arc::new(Self { generators, rules: AccessRules::new(hosts, &[]), draws })
    }

    /// The routes, to be served on a listener.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/ids", get(ids))
            .route("/v1/counter", get(counter))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .fallback(nowhere)
            .method_not_allowed_fallback(wrong_method)
            .layer(from_fn_with_state(Arc::clone(self), admit))
            .with_state(Arc::clone(self))
    }

    async fn draw<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Generators) -> Result<T, core::Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let (generators, draws) = (Arc::clone(&self.generators), Arc::clone(&self.draws));
        let drawn = async {
            // Nobody closes it.
            let place = draws.acquire_owned().await.ok();
            let draw = move || {
                let _place = place;
                ask(&generators)
            };
            tokio::task::spawn_blocking(draw).await
        };
        match tokio::time::timeout(PATIENCE, drawn).await {
            Ok(Ok(drawn)) => drawn.map_err(refusal),
            Ok(Err(_)) => Err(Problem::internal("the draw ended unexpectedly")),
            Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the disk did not answer in time")
                .remedy("ask another server of ids, and look at this one's disk")
                .retry_after(1)),
        }
    }
}

async fn admit(State(service): Service, request: Request, next: Next) -> Response {
    match refused(&service.rules, request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn refused(rules: &AccessRules, headers: &HeaderMap) -> Option<Problem> {
    let forbidden = |message: String| Problem::new(StatusCode::FORBIDDEN, "forbidden", message);
    match rules.stranger(headers) {
        Some(Stranger::Host(host)) => {
            return Some(
                forbidden(format!("the Host header {host:?} is not served")).remedy("name it with --allowed-hosts"),
            );
        }
        Some(Stranger::Origin(origin)) => return Some(forbidden(format!("pages of {origin:?} may not call"))),
        None => {}
    }
    // A draw changes something, and what a page loads without scripts, such as an image, has no Origin.
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let foreign = site.is_some_and(|site| site != b"none" && site != b"same-origin");
    foreign.then(|| forbidden("pages of other sites may not call".into()))
}

fn refusal(error: core::Error) -> Problem {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_ids", error.to_string());
    match error {
        core::Error::ClockLeapt { .. } => problem.remedy("ask another server of ids").retry_after(5),
        _ => problem.remedy("ask another server of ids; this one ends"),
    }
}

/// `?count=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HowMany {
    count: Option<String>,
}

fn count(asked: Asked) -> Result<u32, Problem> {
    let remedy = format!("ask for 1 to {MAX_RANGE}, as in ?count=1000, and for more in several requests");
    let Query(HowMany { count }) = asked.map_err(|error| unread_query(&error).remedy(remedy.as_str()))?;
    let Some(text) = count else { return Ok(1) };
    let count = text.parse().ok().filter(|count| (1..=MAX_RANGE).contains(count));
    count.ok_or_else(|| Problem::bad(format!("count={text} is not a number from 1 to {MAX_RANGE}")).remedy(remedy))
}

/// `GET /v1/ids`
async fn ids(State(service): Service, asked: Asked) -> Result<Response, Problem> {
    let count = count(asked)?;
    let range = service.draw(move |generators| generators.scarabs(count)).await?;
    let answer = IdsAnswer::of(range).ok_or_else(|| Problem::internal("a draw gave no ids"))?;
    Ok(once(StatusCode::OK, answer))
}

/// `GET /v1/counter`
async fn counter(State(service): Service, asked: Asked) -> Result<Response, Problem> {
    let count = count(asked)?;
    let values = service.draw(move |generators| generators.counter(count)).await?;
    Ok(once(StatusCode::OK, Span::of(&values)))
}

/// The process answers: nothing else is asked here.
async fn livez() -> Response {
    once(StatusCode::OK, json!({"live": true}))
}

/// Draws an id, since only that shows a disk that hangs or a clock that leapt.
async fn readyz(State(service): Service) -> Response {
    let reason = match service.draw(|generators| generators.scarabs(1)).await {
        Ok(_) => service.generators.failure().map(|failure| failure.to_string()),
        Err(problem) => Some(problem.message),
    };
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": reason.is_none(), "node": service.generators.node().number(),
        "drift_ms": service.generators.drift_ms(), "reasons": Vec::from_iter(reason),
    });
    once(status, body)
}

/// An answer that no cache may give a second time.
fn once(status: StatusCode, body: impl Serialize) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn nowhere() -> Problem {
    Problem::not_found("there is nothing at this path")
        .remedy("this server gives ids only: /v1/ids?count=N, /v1/counter?count=N, /livez, /readyz")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes GET only")
}

#[cfg(test)]
#[path = "service_test.rs"]
mod tests;

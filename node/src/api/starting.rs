//! What all listeners answer while their node starts: a member whose disk is lost waits for the others to let it in.

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Problem;

/// Routes that answer with 503 `not_started`, whatever is asked, and close the connection.
pub fn starting() -> Router {
    Router::new().fallback(async || not_started())
}

fn not_started() -> Response {
    let message = "this node is starting; a member of a cluster waits until enough of the others are heard";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_started", message)
        .remedy("ask again in a few seconds, or another node; see the node's log for what it waits for")
        .retry_after(2);
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

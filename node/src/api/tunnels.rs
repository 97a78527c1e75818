//! The tunnels: `/v1/tunnels`, for who holds the node's admin token. Where peers are is the operator's to know.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};

use super::logs::authorize;
use super::{ApiState, Problem};
use crate::tunnel::TunnelPeers;

/// The route.
pub fn routes(state: &Arc<ApiState>) -> Router<Arc<ApiState>> {
    Router::new().route("/v1/tunnels", get(peers)).route_layer(from_fn_with_state(Arc::clone(state), authorize))
}

/// `GET /v1/tunnels`
async fn peers(State(api): State<Arc<ApiState>>) -> Result<Json<TunnelPeers>, Problem> {
    let Some(tunnels) = &api.tunnels else {
        let message = "this node speaks to its peers without tunnels";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_tunnels", message)
            .remedy("set tunnel.mode = \"userspace\" or \"tun\" on every node of the network"));
    };
    Ok(Json(tunnels.peers(&api.network).await))
}

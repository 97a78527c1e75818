//! The three HTTP listeners.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Loopback;
use crate::error::{Error, Result};
use crate::http::{BoundedListener, Patience, QuotingListener, serve_connections};

/// A connection on which nothing happens for so long is closed. Long polls answer before.
const IDLE: Duration = Duration::from_secs(120);

/// Binds one listener; port 0 takes a free port.
pub async fn bind(address: Loopback, connections: usize, flag: &'static str) -> Result<(BoundedListener, SocketAddr)> {
    let refused = |source| Error::Listen { address: address.addr().to_string(), flag, source };
    let listener = BoundedListener::bind(address.addr(), connections, IDLE).await.map_err(refused)?;
    let actual = listener.local_addr().map_err(refused)?;
    Ok((listener, actual))
}

/// Serves until `stopping` turns true, then lets open requests end.
pub fn serve(listener: BoundedListener, routes: Router, stopping: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(serve_connections(QuotingListener(listener), routes, stopping, Patience::DEFAULT))
}

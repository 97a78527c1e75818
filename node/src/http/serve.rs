//! Binding one listener and serving its routes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{BoundedListener, Patience, QuotingListener, serve_connections};
use crate::error::{Error, Result};

/// A connection on which nothing happens for so long is closed. Long polls answer before.
const IDLE: Duration = Duration::from_secs(120);

/// Binds one listener; port 0 takes a free port. `flag` is the one that changes the address.
///
/// # Errors
/// [`Error::Listen`] where the address is taken or not ours.
pub async fn bind(
    address: impl Into<SocketAddr>,
    connections: usize,
    flag: &'static str,
) -> Result<(BoundedListener, SocketAddr)> {
    let address = address.into();
    let refused = |source| Error::Listen { address: address.to_string(), flag, source };
    let listener = BoundedListener::bind(address, connections, IDLE).await.map_err(refused)?;
    let actual = listener.local_addr().map_err(refused)?;
    Ok((listener, actual))
}

/// Serves until `stopping` turns true, then lets open requests end.
pub fn serve(listener: BoundedListener, routes: Router, stopping: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(serve_connections(QuotingListener(listener), routes, stopping, Patience::DEFAULT))
}

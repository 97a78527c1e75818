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
    Early::meanwhile(listener, routes, stopping).serving
}

/// A listener that answers, and what it serves is not there yet.
pub struct Early {
    routes: watch::Sender<Router>,
    serving: JoinHandle<()>,
}

impl Early {
    /// Serves these routes until there are others; they are to close their connections. Ends as [`serve`] does.
    pub fn meanwhile(listener: BoundedListener, routes: Router, stopping: watch::Receiver<bool>) -> Self {
        let (routes, served) = watch::channel(routes);
        let listener = QuotingListener(listener);
        let serving = tokio::spawn(serve_connections(listener, served, stopping, Patience::DEFAULT));
        Self { routes, serving }
    }

    /// Serves these from the next connection on.
    pub fn serve(self, routes: Router) -> JoinHandle<()> {
        let _meanwhile = self.routes.send_replace(routes);
        self.serving
    }
}

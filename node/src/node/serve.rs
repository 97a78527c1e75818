//! The three HTTP listeners.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Loopback;
use crate::error::{Error, Result};
use crate::http::{BoundedListener, ClientAddr, QuotingListener};

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
pub fn serve(
    listener: BoundedListener,
    routes: Router,
    mut stopping: watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let service = routes.into_make_service_with_connect_info::<ClientAddr>();
    tokio::spawn(async move {
        let stop = async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        axum::serve(QuotingListener(listener), service).with_graceful_shutdown(stop).await
    })
}

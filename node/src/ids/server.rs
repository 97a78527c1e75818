//! A server of ids from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Generators, IdsService};
use crate::config::Loopback;
use crate::error::{Error, Result};
use crate::http::serve;

/// Connections served at once.
const CONNECTIONS: usize = 512;
/// How often it is looked whether the generators still give ids.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Ids that are further ahead of the clock are worth a warning: more than a crash explains.
const FAR_AHEAD_MS: u64 = 10_000;
/// How long open requests may take to end.
const GRACE: Duration = Duration::from_secs(3);

/// Where to listen, and under which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOn {
    /// Port 0 takes a free port.
    pub address: SocketAddr,
    /// Host headers that are served besides loopback names.
    pub hosts: Vec<String>,
}

impl ListenOn {
    /// Reads an address. One that is not loopback needs `without_tls`, and is itself a name to be called by.
    ///
    /// # Errors
    /// [`Error::Usage`] with the remedy.
    pub fn parse(text: &str, without_tls: bool, mut hosts: Vec<String>) -> Result<Self> {
        let address = match (text.parse::<Loopback>(), text.parse::<SocketAddr>()) {
            (Ok(loopback), _) => loopback.addr(),
            (Err(_), Ok(address)) if without_tls => address,
            (Err(why), Ok(_)) => {
                return Err(Error::Usage(format!(
                    "--listen: {why}; where nobody else can read or change what passes, as in a tunnel, add \
                     --without-tls"
                )));
            }
            (Err(why), Err(_)) => return Err(Error::Usage(format!("--listen: {why}"))),
        };
        if !address.ip().is_loopback() && !address.ip().is_unspecified() {
            hosts.push(match address {
                SocketAddr::V4(address) => address.ip().to_string(),
                SocketAddr::V6(address) => format!("[{}]", address.ip()),
            });
        }
        Ok(Self { address, hosts })
    }
}

/// Serves ids until it is stopped or its generators fail.
pub struct IdsServer {
    generators: Arc<Generators>,
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl IdsServer {
    /// Listens and serves. Who keeps `generators` drops them after the runtime, so that their files are left in order.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn start(generators: Arc<Generators>, on: &ListenOn) -> Result<Self> {
        let (listener, address) = serve::bind(on.address, CONNECTIONS, "listen").await?;
        let stopping = watch::Sender::new(false);
        let routes = IdsService::new(Arc::clone(&generators), &on.hosts).router();
        let serving = serve::serve(listener, routes, stopping.subscribe());
        Ok(Self { generators, address, stopping, serving })
    }

    /// `http://ADDRESS:PORT`, the port really taken.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `stop` is ready or a generator fails, then lets open requests end.
    ///
    /// # Errors
    /// [`Error::Storage`]: why the generator failed.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = stop => {}
            () = failure(&self.generators) => {}
        }
        tracing::info!("stopping");
        self.stopping.send_replace(true);
        if tokio::time::timeout(GRACE, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
        self.generators.failure().map_or(Ok(()), |failure| Err(Error::Storage(failure.to_string())))
    }
}

/// Ready when a generator has failed, which may be between two requests. Until then it says when ids run far ahead of the clock.
async fn failure(generators: &Generators) {
    let mut far = false;
    while generators.failure().is_none() {
        let drift_ms = generators.drift_ms();
        if drift_ms > FAR_AHEAD_MS && !far {
            tracing::warn!(
                drift_ms,
                "ids are far ahead of the clock: it was set back, or more than 8192 are drawn in a millisecond"
            );
        }
        far = drift_ms > FAR_AHEAD_MS;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
#[path = "server_test.rs"]
mod tests;

//! What is served on our address inside the tunnels too: `tunnel.serve`.

use std::net::{Ipv6Addr, SocketAddr};

use axum::Router;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::start::METRICS_CONNECTIONS;
use crate::api::starting;
use crate::config::{Config, Served, TunnelConfig, TunnelMode};
use crate::error::{Error, Result};
use crate::http::serve;
use crate::tunnel::Tunnels;

/// The ports of the listeners on loopback, which are those inside too.
pub(super) struct Ports {
    pub rpc: u16,
    pub api: u16,
    pub metrics: u16,
}

/// Listeners inside the tunnels.
pub(super) struct Inside {
    overlay: Option<Ipv6Addr>,
    listeners: Vec<(Served, serve::Early)>,
}

impl Inside {
    /// # Errors
    /// Something is to be served where nobody could call it.
    pub(super) fn check(config: &TunnelConfig) -> Result<()> {
        if config.serve.is_empty() || config.mode == TunnelMode::Tun {
            return Ok(());
        }
        Err(Error::Usage(
            "tunnel.serve: nobody can call our address inside the tunnels without a network device: set tunnel.mode = \"tun\" \
             (--tunnel-mode tun), or serve nothing there"
                .into(),
        ))
    }

    /// Binds what is to be served; until it is there callers are told so.
    ///
    /// # Errors
    /// A port is taken.
    pub(super) async fn bind(
        config: &Config,
        tunnels: Option<&Tunnels>,
        ports: &Ports,
        stopping: &watch::Sender<bool>,
    ) -> Result<Self> {
        let overlay = tunnels.map(Tunnels::overlay);
        let mut listeners: Vec<(Served, serve::Early)> = Vec::new();
        for served in &config.tunnel.serve {
            let (port, connections, flag) = match served {
                Served::Rpc => (ports.rpc, config.rpc.max_connections, "rpc-listen"),
                Served::Api => (ports.api, config.api.max_connections, "api-listen"),
                Served::Metrics => (ports.metrics, METRICS_CONNECTIONS, "metrics-listen"),
            };
            // Named twice is served once.
            if let Some(overlay) = overlay.filter(|_| listeners.iter().all(|(other, _)| other != served)) {
                let (listener, at) = serve::bind(SocketAddr::from((overlay, port)), connections, flag).await?;
                tracing::info!(%at, ?served, "peers may call this inside the tunnels");
                listeners.push((*served, serve::Early::meanwhile(listener, starting(), stopping.subscribe())));
            }
        }
        Ok(Self { overlay, listeners })
    }

    /// The configured names of a listener's host, and our address inside where it is served there.
    pub(super) fn hosts(&self, served: Served, configured: &[String]) -> Vec<String> {
        let inside = self.overlay.filter(|_| self.listeners.iter().any(|(other, _)| *other == served));
        configured.iter().cloned().chain(inside.map(|overlay| format!("[{overlay}]"))).collect()
    }

    /// Serves the routes of each.
    pub(super) fn serve(self, routes: impl Fn(Served) -> Router) -> Vec<JoinHandle<()>> {
        self.listeners.into_iter().map(|(served, listener)| listener.serve(routes(served))).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn without_a_device_nothing_is_served_inside_and_who_asks_for_it_hears_why() {
        let mut config = Config::default();
        Inside::check(&config.tunnel).unwrap();
        config.tunnel.serve = vec![Served::Rpc];
        for mode in [TunnelMode::Userspace, TunnelMode::Off] {
            config.tunnel.mode = mode;
            let refusal = Inside::check(&config.tunnel).unwrap_err().to_string();
            assert!(refusal.contains("tunnel.serve") && refusal.contains("--tunnel-mode tun"), "{refusal}");
        }
        config.tunnel.mode = TunnelMode::Tun;
        Inside::check(&config.tunnel).unwrap();
    }

    #[tokio::test]
    async fn what_is_served_inside_is_called_by_our_address_and_the_rest_is_not() {
        let stopping = watch::Sender::new(false);
        let (listener, at) = serve::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 4, "rpc-listen").await.unwrap();
        let early = serve::Early::meanwhile(listener, starting(), stopping.subscribe());
        let inside = Inside { overlay: Some("fd00::7".parse().unwrap()), listeners: vec![(Served::Rpc, early)] };
        assert_eq!(inside.hosts(Served::Rpc, &["a".into()]), ["a", "[fd00::7]"]);
        assert!(inside.hosts(Served::Api, &[]).is_empty());
        assert!(at.port() > 0);
        let serving = inside.serve(|_| Router::new());
        stopping.send_replace(true);
        for task in serving {
            task.await.unwrap();
        }
    }
}

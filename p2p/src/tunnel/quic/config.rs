//! How QUIC behaves inside a tunnel: libp2p's certificates, this crate's limits, and a path whose size is known.

use std::{io, sync::Arc, time::Duration};

use libp2p::{PeerId, identity::Keypair};
use quinn::{
    ClientConfig, EndpointConfig, ServerConfig, TransportConfig, VarInt,
    congestion::BbrConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};

use super::{reset::ResetKey, tls};
use crate::{
    Limits,
    transport::{QUIC_CONNECTION_WINDOW, QUIC_IDLE_MS, QUIC_STREAM_WINDOW},
    tunnel::{TunnelSecret, ip::MAX_PAYLOAD},
};

/// A quiet connection says so this often. It keeps silence apart from death: what is sent to a dead peer is what gives its
/// death away.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// All of quinn's configurations.
pub(super) struct QuicConfig {
    keypair: Keypair,
    transport: Arc<TransportConfig>,
    pub(super) server: ServerConfig,
    pub(super) endpoint: EndpointConfig,
}

impl QuicConfig {
    pub(super) fn new(keypair: &Keypair, limits: &Limits, secret: &TunnelSecret) -> io::Result<Self> {
        let mut transport = TransportConfig::default();
        transport.max_concurrent_uni_streams(VarInt::from_u32(0));
        transport.max_concurrent_bidi_streams(VarInt::from_u32(u32::try_from(limits.max_streams).unwrap_or(u32::MAX)));
        transport.datagram_receive_buffer_size(None);
        transport.allow_spin(false);
        transport.stream_receive_window(VarInt::from_u32(QUIC_STREAM_WINDOW));
        transport.receive_window(VarInt::from_u32(QUIC_CONNECTION_WINDOW));
        transport.send_window(u64::from(QUIC_CONNECTION_WINDOW));
        transport.max_idle_timeout(Some(VarInt::from_u32(QUIC_IDLE_MS).into()));
        transport.keep_alive_interval(Some(KEEP_ALIVE));
        // Every path inside a tunnel has the same size; whether it fits outside is not QUIC's to find out.
        transport.initial_mtu(MAX_PAYLOAD as u16);
        transport.min_mtu(MAX_PAYLOAD as u16);
        transport.mtu_discovery_config(None);
        // Loss is no sign of congestion on the paths between operators: CUBIC falls to a crawl at 1 %.
        transport.congestion_controller_factory(Arc::new(BbrConfig::default()));
        let transport = Arc::new(transport);

        let tls = QuicServerConfig::try_from(tls::server(keypair)?).map_err(io::Error::other)?;
        let mut server = ServerConfig::with_crypto(Arc::new(tls));
        server.transport_config(Arc::clone(&transport));
        // The overlay address is the peer's name; endpoints move outside, where WireGuard follows.
        server.migration(false);
        server.max_incoming(limits.max_pending_incoming as usize);

        let mut endpoint = EndpointConfig::new(Arc::new(ResetKey::new(secret)));
        endpoint.supported_versions(vec![1]);
        endpoint.max_udp_payload_size(MAX_PAYLOAD as u16).map_err(io::Error::other)?;
        Ok(Self { keypair: keypair.clone(), transport, server, endpoint })
    }

    /// For a dial; the certificate must be `peer`'s where it is known.
    pub(super) fn client(&self, peer: Option<PeerId>) -> io::Result<ClientConfig> {
        let tls = QuicClientConfig::try_from(tls::client(&self.keypair, peer)?).map_err(io::Error::other)?;
        let mut client = ClientConfig::new(Arc::new(tls));
        client.transport_config(Arc::clone(&self.transport));
        Ok(client)
    }
}

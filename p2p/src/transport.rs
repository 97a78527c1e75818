//! The transport that is used where the node injects none.

use std::{io, time::Duration};

use futures::future::Either;
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, upgrade::Version},
    },
    dns,
    identity::Keypair,
    noise, quic, tcp, yamux,
};

use crate::Limits;

/// Time for the security and multiplexing handshakes of one connection.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Receive window of a QUIC stream; a 4 MiB answer takes a few round trips.
pub(crate) const QUIC_STREAM_WINDOW: u32 = 1 << 20;
/// Receive window of a whole QUIC connection.
pub(crate) const QUIC_CONNECTION_WINDOW: u32 = 8 << 20;
/// A QUIC connection that is silent for so many milliseconds is dead.
pub(crate) const QUIC_IDLE_MS: u32 = 15_000;

/// TCP with noise and yamux, and QUIC, both behind a resolver for `/dns` addresses.
pub(crate) fn tcp_and_quic(keypair: &Keypair, limits: &Limits) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let tcp = secure(tcp, keypair, limits)?;

    let mut config = quic::Config::new(keypair);
    config.max_concurrent_stream_limit = u32::try_from(limits.max_streams).unwrap_or(u32::MAX);
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_CONNECTION_WINDOW;
    config.max_idle_timeout = QUIC_IDLE_MS;
    config.handshake_timeout = HANDSHAKE;
    let quic = quic::tokio::Transport::new(config).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));

    let both = tcp.or_transport(quic).map(|either, _| match either {
        Either::Left(connection) | Either::Right(connection) => connection,
    });
    let both = both.boxed();
    if !std::path::Path::new("/etc/resolv.conf").exists() {
        tracing::warn!("no /etc/resolv.conf: peers can be reached by IP address only");
        return Ok(both);
    }
    Ok(dns::tokio::Transport::system(both)?.boxed())
}

/// Lays noise and yamux over any transport of plain byte streams, with this crate's limits: what an injected transport
/// without security of its own needs.
///
/// # Errors
/// The key pair cannot be used for noise.
pub fn secure<T>(transport: T, keypair: &Keypair, limits: &Limits) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let mut muxing = yamux::Config::default();
    muxing.set_max_num_streams(limits.max_streams);
    Ok(transport
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).map_err(io::Error::other)?)
        .multiplex(muxing)
        .timeout(HANDSHAKE)
        .boxed())
}

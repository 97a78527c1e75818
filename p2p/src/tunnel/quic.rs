//! QUIC (RFC 9000) inside the tunnels, as a transport of libp2p.
//!
//! The same protocol as libp2p's QUIC, certificates included: a peer with a TUN device can run that one on its overlay
//! address. quinn writes to and reads from [`socket::OverlaySocket`], which encrypts in the task of whoever sends and is filled
//! by the engine's receiving task: one task hop inwards, none outwards.

mod config;
mod muxer;
mod reset;
mod socket;
mod tls;
mod transport;

use std::{io, sync::Arc};

use libp2p::{
    PeerId, Transport,
    core::{muxing::StreamMuxerBox, transport::Boxed},
    identity::Keypair,
};

use super::core::Core;
use crate::Limits;

/// The transport, ready for the swarm.
pub(crate) fn boxed(
    core: Arc<Core>,
    keypair: &Keypair,
    limits: &Limits,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let transport = transport::TunnelTransport::new(core, keypair, limits)?;
    Ok(transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed())
}

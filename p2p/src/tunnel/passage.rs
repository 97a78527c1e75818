//! What passes between the device and the tunnels. The system's packets wait in the device's own queue, which is bounded; what we hand to the system is
//! taken or dropped at once.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use gotatun::packet::{Packet, WgKind};

use super::{
    core::Core,
    device::Device,
    ip::{self, INNER_MTU, Inner},
    obfuscation::Disguise,
    outgoing::Batch,
    socket::OuterSocket,
};

#[cfg(test)]
#[path = "passage_test.rs"]
mod tests;

/// Packets between two looks at whether other tasks want to run, and in one system call to the socket at most.
const READS_IN_A_ROW: usize = 64;
/// Longer than any packet that may pass, so that one that is too long is known.
const BUFFER: usize = INNER_MTU + 1;
/// Wait after an unexpected error, which must not make a task spin.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// Whether a packet from a peer is the system's, where there is a device: all but datagrams to our own ports.
pub(crate) fn is_for_system(inner: &Inner<'_>, is_bound: impl Fn(u16) -> bool) -> bool {
    match inner {
        Inner::Udp { destination, .. } => !is_bound(*destination),
        Inner::EchoRequest { .. } | Inner::EchoReply { .. } | Inner::Other => true,
    }
}

/// What the system sends, encrypted, by endpoint; in its order.
pub(crate) struct Outgoing<'a> {
    disguise: Option<&'a Disguise>,
    batches: Vec<(SocketAddr, Batch<'a>)>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { disguise: core.disguise(), batches: Vec::new() }
    }

    fn to(&mut self, endpoint: SocketAddr, length: usize) -> Option<&mut Batch<'a>> {
        let fits = self.batches.last().is_some_and(|(to, batch)| *to == endpoint && batch.accepts(length));
        if !fits {
            self.batches.push((endpoint, Batch::new(self.disguise, 0, 0)));
        }
        self.batches.last_mut().map(|(_, batch)| batch)
    }
}

impl Core {
    /// Encrypts a packet of the system's for the peer whose address it goes to.
    pub(crate) fn take_from_system(&self, packet: &[u8], outgoing: &mut Outgoing<'_>) {
        let addresses =
            ip::addresses(packet).filter(|(source, _)| *source == self.overlay && packet.len() <= INNER_MTU);
        let Some((_, destination)) = addresses else { return self.counters.foreign.inc() };
        let Some(link) = self.table.by_overlay(&destination) else { return self.counters.no_route.inc() };
        // Room for WireGuard's padding to 16 bytes.
        let mut bytes = BytesMut::with_capacity(packet.len().next_multiple_of(16));
        bytes.extend_from_slice(packet);
        let mut state = link.lock();
        let Some(endpoint) = state.endpoint.filter(|_| state.is_admitted()) else {
            return self.counters.no_route.inc();
        };
        let sealed = state.seal(Packet::from_bytes(bytes), Instant::now());
        drop(state);
        match sealed {
            Some(WgKind::Data(data)) => {
                let data: Packet = data.into();
                if let Some(batch) = outgoing.to(endpoint, data.len()) {
                    batch.push(&data);
                }
            }
            // The packet waits for the session.
            Some(handshake) => {
                if let Some(batch) = outgoing.to(endpoint, 0) {
                    self.dispatch(handshake, &link, endpoint, &mut batch.handshakes);
                }
                self.poke.notify_one();
            }
            None => {}
        }
    }
}

/// Takes what the system sends, until the device is gone.
pub(crate) async fn carry(core: Arc<Core>, device: Arc<Device>, socket: Arc<OuterSocket>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        if let Err(error) = device.readable().await {
            tracing::warn!(%error, "the tunnels' device cannot be waited for");
            tokio::time::sleep(AFTER_ERROR).await;
        }
        let mut outgoing = Outgoing::new(&core);
        for _ in 0..READS_IN_A_ROW {
            match device.try_take(&mut buffer) {
                Ok(length) => core.take_from_system(buffer.get(..length).unwrap_or_default(), &mut outgoing),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::error!(%error, device = device.name(), "the tunnels' device is gone: other programs do not see the tunnels until the next start");
                    return;
                }
            }
        }
        for (to, batch) in outgoing.batches {
            // Whoever has filled the socket lets it drain; the system's queue holds what comes meanwhile.
            if socket.writable().await.is_ok() {
                drop(batch.send(&socket, to));
            }
        }
        tokio::task::consume_budget().await;
    }
}

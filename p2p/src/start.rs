//! From a configuration to a running network.

use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use libp2p::{Swarm, identity::Keypair, metrics::BandwidthTransport, swarm};
use libp2p::{Transport, core::muxing::StreamMuxerBox};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use crate::{
    Config, Error, Event, Handle,
    behaviour::Behaviour,
    budget::Budget,
    config::Settings,
    discovery::{address, address_book::AddressBook},
    driver::{Driver, Parts},
    members::{common::Common, roster::Roster},
    metrics::Metrics,
    transport,
};

/// Connections are closed by limits, pings, bans and shutdown only: with at most some hundred validators everyone
/// wants to stay connected, and an idle one costs little.
const NEVER: Duration = Duration::from_secs(u64::MAX);
/// Inbound streams that may negotiate their protocol at one time on one connection.
const MAX_NEGOTIATING: usize = 32;

/// Starts the network: binds every listen address, then runs the swarm in a task of its own. Metrics are registered
/// under the prefix `p2p`.
///
/// The receiver is a bounded queue ([`crate::Limits::event_queue`]); read it promptly. Dropping it, or every
/// [`Handle`], shuts the network down.
///
/// # Errors
/// [`Error::Config`] names the field that is wrong, [`Error::Listen`] the address that cannot be bound,
/// [`Error::Transport`] comes from the transport factory.
pub async fn start(mut config: Config, registry: &mut Registry) -> Result<(Handle, mpsc::Receiver<Event>), Error> {
    let settings = Settings::check(&config)?;
    // The bytes are wiped by the call and by their own type.
    let mut seed = std::mem::take(&mut config.secret_seed);
    let keypair =
        Keypair::ed25519_from_bytes(&mut seed[..]).map_err(|error| Error::config("secret_seed", error.to_string()))?;
    let local = keypair.public().to_peer_id();

    let transport = match config.transport.take() {
        Some(factory) => factory(&keypair),
        None => transport::tcp_and_quic(&keypair, &settings.limits),
    };
    let transport = transport.map_err(Error::Transport)?;
    let transport = BandwidthTransport::new(transport, registry.sub_registry_with_prefix("p2p"))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();

    let metrics = Metrics::register(registry, &settings);
    let request_budget = Budget::new(settings.limits.request_in_flight_bytes);
    let common = Common::new(settings.limits.members.clone(), Arc::clone(&metrics.members));
    let roster = Arc::new(Roster::new(Arc::new(common)));
    let behaviour = Behaviour::new(&settings, &keypair, &request_budget, Arc::clone(&roster))?;
    let mut swarm = Swarm::new(transport, behaviour, local, swarm_config());
    for address in &settings.external {
        swarm.add_external_address(address.clone());
    }

    let loopback = settings.listen.iter().chain(&settings.external).any(address::is_local);
    let book = read_book(config.address_book.as_deref(), &settings, loopback);
    let (commands, command_queue) = mpsc::channel(settings.limits.command_queue);
    let (events, event_queue) = mpsc::channel(settings.limits.event_queue);
    let handle = Handle::new(commands, local, &settings, &roster);
    let mut driver = Driver::new(Parts { swarm, settings, metrics, commands: command_queue, events, book, loopback });
    driver.listen().await?;
    tokio::spawn(async move {
        // The swarm is gone when `run` returns, so that whoever waits finds its ports free.
        if let Some(waiter) = driver.run().await {
            let _ = waiter.send(Ok(()));
        }
    });
    Ok((handle, event_queue))
}

fn swarm_config() -> swarm::Config {
    swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(NEVER)
        .with_max_negotiating_inbound_streams(MAX_NEGOTIATING)
        .with_dial_concurrency_factor(NonZeroU8::MIN.saturating_add(3))
        .with_notify_handler_buffer_size(NonZeroUsize::MIN.saturating_add(31))
        .with_per_connection_event_buffer_size(16)
}

/// An unreadable book is only a cache lost: bootstrap peers and Kademlia fill a new one.
fn read_book(bytes: Option<&[u8]>, settings: &Settings, loopback: bool) -> AddressBook {
    let most = settings.limits.known_peers;
    match bytes.map(|bytes| AddressBook::decode(bytes, most, loopback)) {
        Some(Ok(book)) => book,
        Some(Err(error)) => {
            tracing::warn!(%error, "the stored address book is unreadable: starting with an empty one");
            AddressBook::new(most, loopback)
        }
        None => AddressBook::new(most, loopback),
    }
}

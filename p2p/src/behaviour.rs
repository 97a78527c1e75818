//! All protocols of a connection together.

use std::{sync::Arc, time::Duration};

use libp2p::{
    PeerId, allow_block_list, connection_limits, identify, identity::Keypair, kad, memory_connection_limits, ping,
    request_response, swarm::NetworkBehaviour,
};

use crate::{
    Error, Limits,
    budget::Budget,
    config::Settings,
    gossip::{self, limited::LimitedGossip},
    members::{behaviour::Members, exempt::Exempt, roster::Roster},
    requests::{behaviour::Requests, codec::Codec},
};

#[cfg(test)]
#[path = "behaviour_test.rs"]
mod tests;

/// The order matters: the gatekeepers come first, so that a refused connection costs the others nothing.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) bans: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(crate) connections: connection_limits::Behaviour,
    pub(crate) memory: Gate,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) kad: kad::Behaviour<kad::store::MemoryStore>,
    pub(crate) gossip: LimitedGossip,
    pub(crate) requests: Requests,
    pub(crate) members: Members,
}

type Gate = libp2p::swarm::behaviour::toggle::Toggle<Exempt<memory_connection_limits::Behaviour>>;

/// Kademlia finds peers here and stores nothing: packets carry addresses only.
const KAD_PACKET_BYTES: usize = 16 << 10;
/// How often the routing table is refreshed.
const KAD_REFRESH: Duration = Duration::from_secs(60);
/// How often a connected peer is asked again who it is.
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(300);

impl Behaviour {
    pub(crate) fn new(
        settings: &Settings,
        keypair: &Keypair,
        request_budget: &Budget,
        roster: Arc<Roster>,
    ) -> Result<Self, Error> {
        let local = keypair.public().to_peer_id();
        let limits = &settings.limits;
        let memory = limits.max_process_memory.map(|most| Exempt {
            inner: memory_connection_limits::Behaviour::with_max_bytes(most),
            roster: Arc::clone(&roster),
        });
        Ok(Self {
            bans: allow_block_list::Behaviour::default(),
            connections: connection_limits::Behaviour::new(connection_limits(limits)),
            memory: memory.into(),
            identify: identify::Behaviour::new(identify_config(settings, keypair)),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(limits.ping_interval).with_timeout(limits.ping_timeout),
            ),
            kad: kademlia(settings, local)?,
            gossip: LimitedGossip::new(gossip::router(settings)?, limits),
            requests: requests(settings, request_budget)?,
            members: Members::new(settings.stream_protocol("member", "1")?, local, roster),
        })
    }
}

fn connection_limits(limits: &Limits) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.max_pending_incoming))
        .with_max_pending_outgoing(Some(limits.max_pending_outgoing))
        .with_max_established_incoming(Some(limits.max_incoming))
        .with_max_established_outgoing(Some(limits.max_outgoing))
        .with_max_established(Some(limits.max_connections))
        .with_max_established_per_peer(Some(limits.max_per_peer))
}

fn identify_config(settings: &Settings, keypair: &Keypair) -> identify::Config {
    identify::Config::new_with_signed_peer_record(settings.protocol_version(), keypair)
        .with_agent_version(settings.agent.clone())
        .with_interval(IDENTIFY_INTERVAL)
        .with_push_listen_addr_updates(true)
        // The address book is ours; identify's own cache would dial what nobody signed.
        .with_cache_size(0)
}

fn kademlia(settings: &Settings, local: PeerId) -> Result<kad::Behaviour<kad::store::MemoryStore>, Error> {
    let mut config = kad::Config::new(settings.stream_protocol("kad", "1")?);
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_caching(kad::Caching::Disabled)
        .set_record_ttl(None)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_record_ttl(None)
        .set_provider_publication_interval(None)
        .set_max_packet_size(KAD_PACKET_BYTES)
        .set_query_timeout(Duration::from_secs(30))
        .set_periodic_bootstrap_interval(Some(KAD_REFRESH))
        // Peers enter the table once identify has shown that they belong to this network.
        .set_kbucket_inserts(kad::BucketInserts::Manual);
    let nothing = kad::store::MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: 0,
        max_provided_keys: 0,
    };
    let mut kad = kad::Behaviour::with_config(local, kad::store::MemoryStore::with_config(local, nothing), config);
    // Nodes are reachable by design; no address needs to be confirmed first.
    kad.set_mode(Some(kad::Mode::Server));
    Ok(kad)
}

fn requests(settings: &Settings, budget: &Budget) -> Result<Requests, Error> {
    let protocols = settings.protocols.iter().map(|spec| {
        let codec = Codec { max_request: spec.max_request, max_response: spec.max_response, budget: budget.clone() };
        let config = request_response::Config::default()
            .with_request_timeout(spec.timeout)
            // Theirs and ours share one allowance per connection.
            .with_max_concurrent_streams(spec.concurrent * 2);
        let name = settings.stream_protocol("request", &spec.name)?;
        Ok(request_response::Behaviour::with_codec(codec, [(name, request_response::ProtocolSupport::Full)], config))
    });
    Ok(Requests::new(protocols.collect::<Result<_, Error>>()?))
}

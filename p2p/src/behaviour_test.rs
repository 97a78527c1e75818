#![allow(clippy::unwrap_used)]

use crate::{Config, ProtocolSpec, members::common::Common};

use super::*;

fn settings(change: impl FnOnce(&mut Config)) -> Settings {
    let mut config = Config::new([1; 32], "test");
    config.protocols = vec![ProtocolSpec::new("sync/1", 10, 10), ProtocolSpec::new("parts/1", 10, 10)];
    change(&mut config);
    Settings::check(&config).unwrap()
}

fn built(settings: &Settings) -> Behaviour {
    let keypair = Keypair::ed25519_from_bytes([1; 32]).unwrap();
    let metrics = crate::metrics::Metrics::register(&mut Default::default(), settings);
    let common = Common::new(settings.limits.members.clone(), Arc::clone(&metrics.members));
    Behaviour::new(settings, &keypair, &Budget::new(100), Arc::new(Roster::new(Arc::new(common)))).unwrap()
}

#[test]
fn kademlia_is_private_to_the_network_and_stores_nothing() {
    let mut behaviour = built(&settings(|_| {}));
    assert_eq!(behaviour.kad.protocol_names(), ["/pyralog/test/kad/1"]);
    assert_eq!(behaviour.kad.mode(), kad::Mode::Server);
    let record = kad::Record::new(kad::RecordKey::new(b"key"), b"value".to_vec());
    assert!(behaviour.kad.put_record(record, kad::Quorum::One).is_err());
    assert!(behaviour.kad.start_providing(kad::RecordKey::new(b"key")).is_err());
}

#[test]
fn identify_announces_the_network() {
    let keypair = Keypair::ed25519_from_bytes([1; 32]).unwrap();
    let config = identify_config(&settings(|config| config.agent = "agent/1".into()), &keypair);
    assert_eq!((config.protocol_version(), config.agent_version()), ("/pyralog/test/1", "agent/1"));
    assert_eq!(config.cache_size(), 0);
}

#[test]
fn each_protocol_has_its_behaviour() {
    let mut behaviour = built(&settings(|_| {}));
    assert!(behaviour.requests.get_mut(0).is_some());
    assert!(behaviour.requests.get_mut(1).is_some());
    assert!(behaviour.requests.get_mut(2).is_none());
}

#[test]
fn the_memory_limit_can_be_off() {
    assert!(!built(&settings(|config| config.limits.max_process_memory = None)).memory.is_enabled());
    assert!(built(&settings(|config| config.limits.max_process_memory = Some(1 << 30))).memory.is_enabled());
}

#[test]
fn bans_refuse_before_anything_else() {
    let mut behaviour = built(&settings(|_| {}));
    let peer = PeerId::random();
    let id = libp2p::swarm::ConnectionId::new_unchecked(1);
    let address = "/memory/1".parse().unwrap();
    assert!(behaviour.handle_established_inbound_connection(id, peer, &address, &address).is_ok());
    behaviour.bans.block_peer(peer);
    assert!(behaviour.handle_established_inbound_connection(id, peer, &address, &address).is_err());
}
